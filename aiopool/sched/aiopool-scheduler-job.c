/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/sched/aiopool-dispatch-private.h"

/* What a future asks about its one job, from any thread: to cancel it, whether it runs and since
 * when, credit for its partial results, and to read for it what its worker sends. Where no lock is
 * taken the caller has it. */

/* The clamped time at which a job that a worker has started says it did; a chunk: its last item. */
gint64
aiopool_scheduler_started_at (AiopoolJob *job,
                              gint64      claimed,
                              gint64      now)
{
  if (AIOPOOL_ORDER_IS_CHUNK (&job->order))
    {
      aiopool_outbound_count_begun (aiopool_peer_get_outbound (job->order.peer), &job->order, now,
                                    &claimed);
      return claimed;
    }
  if (!job->knows_start)
    {
      gint64 started = CLAMP (claimed, job->order.sent, now);

      aiopool_observe_start_known (job, started);
      job->order.sent = started;
    }
  job->knows_start = TRUE;
  return job->order.sent;
}

/* When a job that its worker still has started, if it did. */
gint64
aiopool_scheduler_find_start (AiopoolJob *job)
{
  gint64 claimed = 0;

  aiopool_status_page_is_started (aiopool_peer_get_page (job->order.peer), job->order.id,
                                  &claimed);
  return aiopool_scheduler_started_at (job, claimed, g_get_monotonic_time ());
}

/* Cancels a job that has not started. */
gboolean
aiopool_scheduler_cancel_unstarted (AiopoolScheduler *self,
                                    AiopoolJob       *job,
                                    AiopoolReport    *report)
{
  AiopoolPeer *peer = job->order.peer;

  if (job->state == AIOPOOL_JOB_QUEUED)
    aiopool_queue_remove (&self->queue, &job->order);
  else if (!aiopool_outbound_revoke (aiopool_peer_get_outbound (peer), &job->order))
    return FALSE;
  aiopool_dispatch_claim (self, job, report);
  aiopool_report_error (report, job, aiopool_closing_cancelled_error (" before it started"), 0);
  if (peer != NULL)
    aiopool_gather_slot_freed (self, peer, report);
  return TRUE;
}

/* Tells a running job to stop, and settles it if @mode says so. No more items of a chunk begin. */
static void
cancel_running (AiopoolScheduler *self,
                AiopoolJob       *job,
                AiopoolCancelMode mode,
                AiopoolReport    *report)
{
  if (mode == AIOPOOL_CANCEL_FORCE)
    aiopool_dispatch_abandon_running (self, job, aiopool_closing_cancelled_error (""), report);
  else
    {
      if (AIOPOOL_ORDER_IS_CHUNK (&job->order))
        aiopool_outbound_cut (aiopool_peer_get_outbound (job->order.peer), &job->order, 0);
      aiopool_control_send (aiopool_peer_get_control (job->order.peer), AIOPOOL_FRAME_CANCEL, 0,
                            job->order.id, 0);
    }
}

/* Returns TRUE if the job was cancelled, or told to stop. */
gboolean
aiopool_scheduler_cancel (AiopoolScheduler *self,
                          AiopoolJob       *job,
                          AiopoolCancelMode mode)
{
  AiopoolReport report = { NULL };
  gboolean is_cancelled = FALSE;

  if (aiopool_engine_is_forked ())
    return FALSE;
  aiopool_scheduler_lock (self);
  if (job->state == AIOPOOL_JOB_QUEUED || job->state == AIOPOOL_JOB_SENT)
    {
      is_cancelled = aiopool_scheduler_cancel_unstarted (self, job, &report);
      if (!is_cancelled && mode != AIOPOOL_CANCEL_PENDING)
        {
          cancel_running (self, job, mode, &report);
          is_cancelled = TRUE;
        }
    }
  aiopool_closing_check (self, &report);
  aiopool_scheduler_unlock_and_tell (self, &report);
  return is_cancelled;
}

/* Whether a worker runs @job now. @since, @pid (out). */
gboolean
aiopool_scheduler_is_running (AiopoolScheduler *self,
                              AiopoolJob       *job,
                              gint64           *since,
                              int              *pid)
{
  gboolean is_running = FALSE;
  gint64 claimed;

  if (aiopool_engine_is_forked ())
    return FALSE;
  g_mutex_lock (&self->lock);
  if (job->state == AIOPOOL_JOB_SENT)
    {
      *pid = aiopool_peer_get_pid (job->order.peer);
      is_running = aiopool_status_page_is_started (aiopool_peer_get_page (job->order.peer),
                                                   job->order.id, &claimed);
      if (is_running)
        *since = aiopool_scheduler_started_at (job, claimed, g_get_monotonic_time ());
    }
  g_mutex_unlock (&self->lock);
  return is_running;
}

/* Gives a running job credit for more partial results. */
void
aiopool_scheduler_grant (AiopoolScheduler *self,
                         AiopoolJob       *job,
                         gint64            cost)
{
  if (aiopool_engine_is_forked ())
    return;
  g_mutex_lock (&self->lock);
  if (job->state == AIOPOOL_JOB_SENT)
    aiopool_outbound_pay (aiopool_peer_get_outbound (job->order.peer), job->order.id, cost);
  g_mutex_unlock (&self->lock);
}

/* (transfer full) (nullable): the worker that has @job, whose messages the caller is to read. */
static AiopoolPeer *
borrow_reading (AiopoolScheduler *self,
                AiopoolJob       *job)
{
  AiopoolPeer *peer = NULL;

  g_mutex_lock (&self->lock);
  if (job->state == AIOPOOL_JOB_SENT && aiopool_peer_lend (job->order.peer))
    peer = aiopool_peer_ref (job->order.peer);
  g_mutex_unlock (&self->lock);
  return peer;
}

/* A thread that waits for @job reads what its worker sends, in place of the engine, until @enough
 * says so; it looks at that after each message, at @end, and when somebody writes to the eventfd
 * @kick_fd. Returns at once if another thread does so already, and whenever the engine has to go on
 * for some reason. */
void
aiopool_scheduler_read_for (AiopoolScheduler *self,
                            AiopoolJob       *job,
                            gboolean        (*enough) (gpointer),
                            gpointer          data,
                            int               kick_fd,
                            gint64            end)
{
  AiopoolPeer *peer = borrow_reading (self, job);

  if (peer == NULL)
    return;
  while (!enough (data) && (end < 0 || g_get_monotonic_time () < end) &&
         aiopool_peer_read_for (peer, kick_fd, end))
    ;
  g_mutex_lock (&self->lock);
  aiopool_standby_take_back (self, peer);
  g_mutex_unlock (&self->lock);
  aiopool_peer_unref (peer);
}
