/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/sched/aiopool-dispatch-private.h"

#include "aiopool/base/aiopool-error.h"

/* Initializer and finalizer: tasks that every worker runs before its first one and after its last.
 *
 * They go to their worker past the queue. The initializer belongs to the start: the worker has said
 * HELLO and is STARTING until it is over, within the start timeout. The finalizer belongs to the
 * end: the worker is CLOSING, and hangs up when it is over, or is made to within the grace period.
 * A hook that fails breaks the pool. Its job has no future; it frees itself. */

typedef struct
{
  AiopoolJob job; /* first */
  gboolean   is_finalizer;
} Hook;

static void
drop_hold (AiopoolJob       *job,
           AiopoolPostBatch *batch)
{
  if (g_atomic_int_dec_and_test (&job->holds))
    g_free (job);
}

static void
on_settled (AiopoolJob       *job,
            AiopoolOutcome   *outcome,
            AiopoolPostBatch *batch)
{
  drop_hold (job, batch);
}

/* It has no future: the pool tells. */
static gboolean
on_logged (AiopoolJob       *job,
           AiopoolLogRecord *record)
{
  return FALSE;
}

static const AiopoolJobClass hook_class = {
  on_settled, drop_hold, aiopool_job_ignore_progress, aiopool_job_ignore_emitted, on_logged
};

gboolean
aiopool_hooks_is_hook (AiopoolJob *job)
{
  return job->klass == &hook_class;
}

static void
send (AiopoolScheduler  *self,
      AiopoolPeer       *peer,
      const AiopoolSpec *spec,
      gboolean           is_finalizer)
{
  Hook *hook = g_new0 (Hook, 1);

  hook->job.klass = &hook_class;
  hook->job.holds = 1;
  hook->job.submitted = g_get_monotonic_time ();
  hook->job.order.spec = spec;
  hook->is_finalizer = is_finalizer;
  aiopool_pump_push (self, peer, &hook->job);
}

/* A worker that said HELLO. */
void
aiopool_hooks_initialize (AiopoolScheduler *self,
                          AiopoolPeer      *peer)
{
  send (self, peer, self->initializer, FALSE);
}

/* A worker that is retired and has nothing to do. FALSE if there is nothing more to do either. */
gboolean
aiopool_hooks_finalize (AiopoolScheduler *self,
                        AiopoolPeer      *peer)
{
  if (self->finalizer == NULL)
    return FALSE;
  send (self, peer, self->finalizer, TRUE);
  return TRUE;
}

/* @info: (nullable): what the function raised. */
static void
fail (AiopoolScheduler *self,
      Hook             *hook,
      const char       *what,
      const GError     *why,
      AiopoolErrorInfo *info,
      const char       *last_lines,
      AiopoolReport    *report)
{
  int code = hook->is_finalizer ? AIOPOOL_POOL_ERROR_FINALIZER : AIOPOOL_POOL_ERROR_INITIALIZER;
  GError *error = g_error_new (AIOPOOL_POOL_ERROR, code, "The %s '%s' %s: %s",
                               hook->is_finalizer ? "finalizer" : "initializer",
                               hook->job.order.spec->function, what, why->message);

  aiopool_dispatch_add_last_lines (error, last_lines);
  if (self->broken == NULL)
    g_set_object (&self->broken_info, info);
  aiopool_closing_break (self, error, self->limits.is_fragile, report);
}

/* @job, a hook, ended by itself. */
void
aiopool_hooks_finished (AiopoolScheduler     *self,
                        AiopoolJob           *job,
                        AiopoolPeer          *peer,
                        const AiopoolOutcome *outcome,
                        AiopoolReport        *report)
{
  Hook *hook = (Hook *) job;

  if (outcome->error != NULL)
    fail (self, hook, "failed", outcome->error, outcome->info, NULL, report);
  if (hook->is_finalizer)
    aiopool_peer_hang_up (peer);
  else if (outcome->error == NULL)
    aiopool_crew_is_ready (self, peer, report);
  else if (aiopool_peer_retire (peer))
    aiopool_peer_hang_up (peer);
}

/* Whether it is no fault of @hook that its worker is gone. An initializer whose worker was killed
 * may have better luck next time; that is the crew's to say. */
static gboolean
is_blameless (AiopoolPeer *peer,
              Hook        *hook,
              gboolean     is_unstarted)
{
  if (hook->is_finalizer)
    return is_unstarted && aiopool_peer_was_killed (peer);
  return aiopool_peer_was_killed (peer) || aiopool_peer_was_told (peer);
}

/* @job, a hook, has lost its worker. */
void
aiopool_hooks_lost (AiopoolScheduler *self,
                    AiopoolPeer      *peer,
                    AiopoolJob       *job,
                    const GError     *why,
                    const char       *last_lines,
                    AiopoolReport    *report)
{
  AiopoolOutbound *outbound = aiopool_peer_get_outbound (peer);
  AiopoolOutcome outcome = { NULL };
  Hook *hook = (Hook *) job;
  gboolean is_unstarted = aiopool_outbound_revoke (outbound, &job->order);

  if (!self->is_terminating && !is_blameless (peer, hook, is_unstarted))
    fail (self, hook, "did not end", why, NULL, last_lines, report);
  if (!is_unstarted)
    aiopool_outbound_detach (outbound, &job->order);
  aiopool_dispatch_claim (self, job, report);
  aiopool_report_settle (report, job, &outcome);
}
