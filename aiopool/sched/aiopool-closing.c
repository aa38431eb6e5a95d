/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/sched/aiopool-dispatch-private.h"

#include "aiopool/base/aiopool-error-info-private.h"
#include "aiopool/base/aiopool-error.h"

/* How everything ends: a shutdown, a join, after which it may begin again, and a break, after which
 * nothing but a shutdown is left.
 *
 * Tasks that had not started when they were given up are told to the owner, who keeps a list. */

GError *
aiopool_closing_cancelled_error (const char *why)
{
  return g_error_new (G_IO_ERROR, G_IO_ERROR_CANCELLED, "The task was cancelled%s", why);
}

static void
give_up (AiopoolJob           *job,
         const AiopoolOutcome *why,
         AiopoolReport        *report)
{
  aiopool_report_given_up (report, job, g_error_copy (why->error));
  aiopool_report_add_info (report, why->info);
}

static void
give_up_queued (AiopoolScheduler     *self,
                const AiopoolOutcome *why,
                AiopoolReport        *report)
{
  AiopoolJob *job;

  while ((job = aiopool_dispatch_claim_next (self, report)) != NULL)
    give_up (job, why, report);
}

static void
give_up_order (AiopoolScheduler     *self,
               AiopoolOutbound      *outbound,
               AiopoolOrder         *order,
               const AiopoolOutcome *why,
               gboolean              is_all,
               AiopoolReport        *report)
{
  AiopoolJob *job = AIOPOOL_JOB (order);

  if (aiopool_hooks_is_hook (job))
    return;
  if (aiopool_outbound_revoke (outbound, order))
    {
      aiopool_dispatch_claim (self, job, report);
      give_up (job, why, report);
    }
  else if (is_all)
    {
      aiopool_dispatch_claim (self, job, report);
      aiopool_report_error (report, job, g_error_copy (why->error),
                            aiopool_scheduler_find_start (job));
      aiopool_report_add_info (report, why->info);
      aiopool_outbound_detach (outbound, order);
    }
  else if (AIOPOOL_ORDER_IS_CHUNK (order))
    aiopool_chunks_shorten (self, job, 0, report);
}

/* Takes every order from the workers that has not started, and with @is_all the others too. Of what
 * has not begun of a chunk its owner hears, and nobody takes it again. */
static void
give_up_sent (AiopoolScheduler     *self,
              const AiopoolOutcome *why,
              gboolean              is_all,
              AiopoolReport        *report)
{
  for (guint i = 0; i < self->peers->len; i++)
    {
      AiopoolOutbound *outbound = aiopool_peer_get_outbound (g_ptr_array_index (self->peers, i));
      AiopoolOrder *previous;

      for (AiopoolOrder *order = aiopool_outbound_get_last (outbound); order; order = previous)
        {
          previous = order->previous;
          give_up_order (self, outbound, order, why, is_all, report);
        }
    }
}

static void
terminate_all (AiopoolScheduler *self)
{
  self->is_terminating = TRUE;
  for (guint i = 0; i < self->peers->len; i++)
    aiopool_peer_terminate (g_ptr_array_index (self->peers, i));
}

static gboolean
has_task (AiopoolScheduler *self)
{
  if (self->queue.n_orders > 0 || self->n_rests > 0)
    return TRUE;
  for (guint i = 0; i < self->peers->len; i++)
    {
      AiopoolPeer *peer = g_ptr_array_index (self->peers, i);

      if (aiopool_peer_get_state (peer) == AIOPOOL_WORKER_BUSY && !aiopool_crew_is_free (peer))
        return TRUE;
    }
  return FALSE;
}

/* Asks workers to go that have nothing to do; those that start only if nobody waits for them. */
static void
retire_idle (AiopoolScheduler *self,
             gboolean          with_starting)
{
  for (guint i = 0; i < self->peers->len; i++)
    {
      AiopoolPeer *peer = g_ptr_array_index (self->peers, i);

      if (aiopool_crew_is_free (peer) ||
          (with_starting && aiopool_peer_get_state (peer) == AIOPOOL_WORKER_STARTING))
        aiopool_crew_retire (self, peer);
    }
}

static gboolean
is_empty (AiopoolScheduler *self)
{
  return self->peers->len == 0 && self->n_spawning == 0 && self->n_rests == 0;
}

/* Everything that was submitted is done; then the workers go, and then the join is over. */
static void
check_joined (AiopoolScheduler *self,
              AiopoolReport    *report)
{
  if (!self->is_joining || has_task (self))
    return;
  self->keeps_min = FALSE;
  retire_idle (self, FALSE);
  if (!is_empty (self))
    return;
  self->is_joining = FALSE;
  report->has_joined = TRUE;
}

/* Whoever is told of the end of a chunk may submit the rest of it: not before that is it over. */
void
aiopool_closing_count_rests (AiopoolScheduler *self,
                             AiopoolReport    *report)
{
  self->n_rests += report->n_rests - report->n_counted;
  report->n_counted = report->n_rests;
}

/* Closes what is not needed any more, and reports the end. */
void
aiopool_closing_check (AiopoolScheduler *self,
                       AiopoolReport    *report)
{
  aiopool_closing_count_rests (self, report);
  check_joined (self, report);
  if (self->broken != NULL)
    retire_idle (self, TRUE);
  if (self->state != AIOPOOL_SCHEDULER_CLOSING || self->queue.n_orders > 0 || self->n_rests > 0)
    return;
  retire_idle (self, TRUE);
  if (!is_empty (self))
    return;
  aiopool_scheduler_set_state (self, AIOPOOL_SCHEDULER_CLOSED);
  report->has_closed = TRUE;
}

/* Takes @why. What has not started is given up, and with @is_hard what runs too. The futures get an
 * info of their own, which their users have, for ours goes with the engine. */
void
aiopool_closing_break (AiopoolScheduler *self,
                       GError           *why,
                       gboolean          is_hard,
                       AiopoolReport    *report)
{
  g_autoptr (AiopoolErrorInfo) info = NULL;
  AiopoolOutcome outcome = { .error = why };

  if (self->broken != NULL)
    {
      g_error_free (why);
      return;
    }
  g_debug ("scheduler %p: broken: %s", self, why->message);
  self->broken = why;
  aiopool_scheduler_update_gate (self);
  outcome.info = info = aiopool_error_info_copy (self->broken_info);
  give_up_queued (self, &outcome, report);
  give_up_sent (self, &outcome, is_hard, report);
  if (is_hard)
    terminate_all (self);
  report->has_changed = TRUE;
  report->has_room = TRUE;
}

/* Stops taking jobs; may be called again with more @flags. */
void
aiopool_scheduler_shutdown (AiopoolScheduler    *self,
                            AiopoolShutdownFlags flags)
{
  g_autoptr (GError) error = aiopool_closing_cancelled_error (": the pool was shut down");
  AiopoolOutcome why = { .error = error };
  AiopoolReport report = { NULL };

  aiopool_scheduler_ref (self);
  aiopool_scheduler_lock (self);
  if (self->state == AIOPOOL_SCHEDULER_OPEN)
    aiopool_scheduler_set_state (self, AIOPOOL_SCHEDULER_CLOSING);
  aiopool_scheduler_update_gate (self);
  if (self->state == AIOPOOL_SCHEDULER_CLOSING && flags != AIOPOOL_SHUTDOWN_DRAIN)
    {
      self->gives_up = TRUE;
      give_up_queued (self, &why, &report);
      give_up_sent (self, &why, (flags & AIOPOOL_SHUTDOWN_TERMINATE) != 0, &report);
    }
  if ((flags & AIOPOOL_SHUTDOWN_TERMINATE) != 0)
    terminate_all (self);
  report.has_room = TRUE;
  aiopool_closing_check (self, &report);
  aiopool_scheduler_unlock_and_tell (self, &report);
  aiopool_scheduler_unref (self);
}

/* The owner is to hear when there was no task and no worker left; see check_join(). */
void
aiopool_scheduler_want_join (AiopoolScheduler *self)
{
  g_mutex_lock (&self->lock);
  self->is_joining = TRUE;
  g_mutex_unlock (&self->lock);
}

gboolean
aiopool_scheduler_is_joining (AiopoolScheduler *self)
{
  gboolean is_joining;

  g_mutex_lock (&self->lock);
  is_joining = self->is_joining;
  g_mutex_unlock (&self->lock);
  return is_joining;
}

/* It may hear before this returns. */
void
aiopool_scheduler_check_join (AiopoolScheduler *self)
{
  AiopoolReport report = { NULL };

  aiopool_scheduler_ref (self);
  aiopool_scheduler_lock (self);
  aiopool_gather_end (self, &report);
  aiopool_closing_check (self, &report);
  aiopool_scheduler_unlock_and_tell (self, &report);
  aiopool_scheduler_unref (self);
}

/* Under the lock. FALSE with the reason if no job can be taken, now or later. */
gboolean
aiopool_closing_check_open (AiopoolScheduler *self,
                            GError          **error)
{
  if (self->state != AIOPOOL_SCHEDULER_OPEN)
    g_set_error_literal (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_CLOSED,
                         "The pool was shut down");
  else if (self->broken != NULL)
    g_set_error (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_BROKEN, "The pool is broken: %s",
                 self->broken->message);
  else if (self->limits.max_workers > AIOPOOL_MAX_WORKERS)
    g_set_error (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_START_FAILED,
                 "max-workers is %u; the limit is %d", self->limits.max_workers,
                 AIOPOOL_MAX_WORKERS);
  else
    return TRUE;
  return FALSE;
}

/* Whether it could take a job; FALSE with the very error that broke it. */
gboolean
aiopool_scheduler_check (AiopoolScheduler *self,
                         GError          **error)
{
  gboolean is_open;

  g_mutex_lock (&self->lock);
  if (self->state == AIOPOOL_SCHEDULER_OPEN && self->broken != NULL)
    {
      g_propagate_error (error, g_error_copy (self->broken));
      is_open = FALSE;
    }
  else
    is_open = aiopool_closing_check_open (self, error);
  g_mutex_unlock (&self->lock);
  return is_open;
}

/* Also after a shutdown. @why (out) (transfer full) (optional): the reason, if it is. */
gboolean
aiopool_scheduler_is_broken (AiopoolScheduler *self,
                             GError          **why)
{
  gboolean is_broken;

  if (aiopool_engine_is_forked ())
    return FALSE;
  g_mutex_lock (&self->lock);
  is_broken = self->broken != NULL;
  if (is_broken && why != NULL)
    *why = g_error_copy (self->broken);
  g_mutex_unlock (&self->lock);
  return is_broken;
}

/* (transfer full) (nullable): what the function raised that broke it. */
AiopoolErrorInfo *
aiopool_scheduler_dup_broken_info (AiopoolScheduler *self)
{
  AiopoolErrorInfo *info = NULL;

  if (aiopool_engine_is_forked ())
    return NULL;
  g_mutex_lock (&self->lock);
  if (self->broken != NULL)
    info = aiopool_error_info_copy (self->broken_info);
  g_mutex_unlock (&self->lock);
  return info;
}
