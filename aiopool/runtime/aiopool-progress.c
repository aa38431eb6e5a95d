/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/runtime/aiopool-progress-private.h"

#include <string.h>

/* Progress of one call: a function may tell it as often as it likes, the parent hears of it a
 * hundred times a second at most, and of the last one before the result. */

#define INTERVAL 10000 /* microseconds */
#define MAX_TEXT 4096  /* bytes */

/* Sends what waits; the outbox is not flushed. */
void
aiopool_progress_send (AiopoolProgress *self,
                       AiopoolSession  *session,
                       guint64          id)
{
  AiopoolProgressMessage message = { .fraction = self->fraction, .text = self->text };

  if (!self->is_waiting)
    return;
  message.text_size = self->text != NULL ? strlen (self->text) : 0;
  aiopool_message_write_progress (aiopool_outbox_begin (session->outbox,
                                                        aiopool_message_progress_size (&message)),
                                  id, &message);
  aiopool_outbox_end (session->outbox, NULL);
  self->is_waiting = FALSE;
  g_clear_pointer (&self->text, g_free);
}

static char *
dup_short (const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  const char *end = valid + MAX_TEXT;

  if (strlen (valid) > MAX_TEXT)
    *g_utf8_find_prev_char (valid, end + 1) = '\0';
  return g_steal_pointer (&valid);
}

/* @fraction: negative for the one before. */
void
aiopool_progress_set (AiopoolProgress *self,
                      AiopoolSession  *session,
                      guint64          id,
                      double           fraction,
                      const char      *text)
{
  gint64 now = g_get_monotonic_time ();

  if (fraction >= 0.0)
    self->fraction = MIN (fraction, 1.0);
  g_free (self->text);
  self->text = text != NULL ? dup_short (text) : NULL;
  self->is_waiting = TRUE;
  if (now - self->sent < INTERVAL && fraction < 1.0)
    return;
  self->sent = now;
  aiopool_progress_send (self, session, id);
  aiopool_outbox_flush (session->outbox);
}

void
aiopool_progress_clear (AiopoolProgress *self)
{
  g_clear_pointer (&self->text, g_free);
  *self = (AiopoolProgress) { 0 };
}
