/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/sched/aiopool-job-private.h"

/* NEW -> QUEUED <-> SENT -> SETTLED. A job goes back from SENT to QUEUED when it was taken back
 * from a worker before it started, or may run again after a crash; it is settled exactly once, by
 * whoever moves it there under the lock. */
void
aiopool_job_set_state (AiopoolJob      *self,
                       AiopoolJobState  state)
{
  static const guint allowed[] = {
    [AIOPOOL_JOB_NEW] = 1u << AIOPOOL_JOB_QUEUED,
    [AIOPOOL_JOB_QUEUED] = 1u << AIOPOOL_JOB_SENT | 1u << AIOPOOL_JOB_SETTLED,
    [AIOPOOL_JOB_SENT] = 1u << AIOPOOL_JOB_QUEUED | 1u << AIOPOOL_JOB_SETTLED,
    [AIOPOOL_JOB_SETTLED] = 0,
  };

  g_assert (allowed[self->state] & (1u << state));
  self->state = (guint8) state;
}

void
aiopool_job_ignore_progress (AiopoolJob *self,
                             double      fraction,
                             char       *text)
{
  g_free (text);
}

/* It gets credit, or its task would wait for that. */
gboolean
aiopool_job_ignore_emitted (AiopoolJob     *self,
                            AiopoolPayload *payload,
                            gint64          cost)
{
  aiopool_payload_unref (payload);
  return TRUE;
}
