/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/workers/aiopool-order-private.h"

void
aiopool_outcome_clear (AiopoolOutcome *self)
{
  g_clear_pointer (&self->payload, aiopool_payload_unref);
  g_clear_error (&self->error);
  g_clear_object (&self->info);
  g_clear_object (&self->fds);
}

void
aiopool_event_clear (AiopoolEvent *self)
{
  aiopool_outcome_clear (&self->outcome);
  g_clear_pointer (&self->text, g_free);
}
