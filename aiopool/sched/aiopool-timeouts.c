/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/sched/aiopool-dispatch-private.h"

#include "aiopool/base/aiopool-error.h"

/* The timeouts of tasks: how long one may wait, and how long it may run; of a chunk: each item. */

void
aiopool_timeouts_watch (AiopoolScheduler *self,
                        AiopoolJob       *job,
                        gint64            when)
{
  aiopool_deadlines_set (&self->deadlines, job, when);
  if (when > 0)
    aiopool_dispatch_wake_at (self, when);
}

static void
time_out (AiopoolScheduler *self,
          AiopoolJob       *job,
          AiopoolReport    *report)
{
  const AiopoolSpec *spec = job->order.spec;

  aiopool_dispatch_abandon_running (self, job,
                                    g_error_new (AIOPOOL_TASK_ERROR,
                                                 AIOPOOL_TASK_ERROR_TIMED_OUT,
                                                 "Task '%s' ran longer than its timeout of %g "
                                                 "seconds", spec->function,
                                                 (double) spec->options->timeout / G_USEC_PER_SEC),
                                    report);
}

static void
time_out_queued (AiopoolScheduler *self,
                 AiopoolJob       *job,
                 AiopoolReport    *report)
{
  const AiopoolSpec *spec = job->order.spec;

  aiopool_dispatch_claim (self, job, report);
  aiopool_report_error (report, job,
                        g_error_new (AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_QUEUE_TIMED_OUT,
                                     "Task '%s' waited longer than its queue timeout of %g "
                                     "seconds", spec->function,
                                     (double) spec->options->queue_timeout / G_USEC_PER_SEC),
                        0);
}

/* Whether no item of a chunk runs, as far as is known here. */
static gboolean
is_between_items (AiopoolJob *job,
                  gint64      now)
{
  gint64 since;

  return AIOPOOL_ORDER_IS_CHUNK (&job->order) && job->order.n_came > 0 &&
         aiopool_outbound_count_begun (aiopool_peer_get_outbound (job->order.peer), &job->order,
                                       now, &since) == job->order.n_came;
}

/* A job that its worker has not started: it may still wait too long, or may have begun when this is
 * looked at again. */
static void
check_unstarted (AiopoolScheduler *self,
                 AiopoolJob       *job,
                 gint64            now,
                 AiopoolReport    *report)
{
  const AiopoolSpecOptions *options = job->order.spec->options;
  AiopoolPeer *peer = job->order.peer;
  gint64 queue_end = options->queue_timeout > 0 ? job->submitted + options->queue_timeout
                                                : G_MAXINT64;
  gint64 end;

  if (now >= queue_end && aiopool_outbound_revoke (aiopool_peer_get_outbound (peer), &job->order))
    {
      time_out_queued (self, job, report);
      aiopool_gather_slot_freed (self, peer, report);
      return;
    }
  end = MIN (queue_end > now ? queue_end : G_MAXINT64,
             options->timeout > 0 ? now + options->timeout : G_MAXINT64);
  aiopool_timeouts_watch (self, job, end != G_MAXINT64 ? end : 0);
}

/* A job that runs, since @started. */
static void
check_started (AiopoolScheduler *self,
               AiopoolJob       *job,
               gint64            started,
               gint64            now,
               AiopoolReport    *report)
{
  gint64 timeout = job->order.spec->options->timeout;
  gint64 end = started + timeout;

  if (now >= end && is_between_items (job, now))
    end = now + timeout;
  if (now >= end)
    time_out (self, job, report);
  else
    aiopool_timeouts_watch (self, job, end);
}

/* A job with a worker: its timeout counts from the start, which the status page tells. */
static void
check_sent (AiopoolScheduler *self,
            AiopoolJob       *job,
            gint64            now,
            AiopoolReport    *report)
{
  AiopoolStatusPage *page = aiopool_peer_get_page (job->order.peer);
  gint64 claimed;

  if (!aiopool_status_page_is_started (page, job->order.id, &claimed))
    check_unstarted (self, job, now, report);
  else if (job->order.spec->options->timeout > 0)
    check_started (self, job, aiopool_scheduler_started_at (job, claimed, now), now, report);
}

/* A job that was taken back from a worker may still have the deadline that it had there. */
static void
check_queued (AiopoolScheduler *self,
              AiopoolJob       *job,
              gint64            now,
              AiopoolReport    *report)
{
  gint64 queue_timeout = job->order.spec->options->queue_timeout;

  if (queue_timeout > 0 && now >= job->submitted + queue_timeout)
    {
      aiopool_queue_remove (&self->queue, &job->order);
      time_out_queued (self, job, report);
    }
  else if (queue_timeout > 0)
    aiopool_timeouts_watch (self, job, job->submitted + queue_timeout);
}

void
aiopool_timeouts_check (AiopoolScheduler *self,
                        gint64            now,
                        AiopoolReport    *report)
{
  AiopoolJob *job;

  while ((job = aiopool_deadlines_pop (&self->deadlines, now)) != NULL)
    {
      if (job->state == AIOPOOL_JOB_SENT)
        check_sent (self, job, now, report);
      else if (job->state == AIOPOOL_JOB_QUEUED)
        check_queued (self, job, now, report);
    }
}
