/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/sched/aiopool-dispatch-private.h"

#include "aiopool/base/aiopool-error.h"

/* What happens to jobs while they are with workers: results, ends of workers, deadlines.
 *
 * A job ends here by claim(), which moves it to SETTLED under the lock and so happens once, whoever
 * comes first: its result, a cancel, its deadline, the end of its worker, the shutdown. */

#define WAKE_USEC     200 /* so much work is worth a wake-up of a worker */
#define GATHER_USEC   100 /* how long less than that waits for company at most */
#define NEAR_USEC     300 /* for how long a worker is said to come back at once */
#define BURST_USEC    20  /* between two submits of a burst */
#define CANCEL_FORCED 1   /* flag of a CANCEL frame: say so if the function cannot hear it */

/* @when: monotonic microseconds. */
void
aiopool_dispatch_wake_at (AiopoolScheduler *self,
                          gint64            when)
{
  if (self->alarm_at >= 0 && self->alarm_at <= when)
    return;
  self->alarm_at = when;
  aiopool_alarm_set (self->alarm, when);
}

void
aiopool_dispatch_watch_deadline (AiopoolScheduler *self,
                                 AiopoolJob       *job,
                                 gint64            when)
{
  aiopool_deadlines_set (&self->deadlines, job, when);
  if (when > 0)
    aiopool_dispatch_wake_at (self, when);
}

/* The job is in no list any more; what came of it goes to @report next. */
void
aiopool_dispatch_claim (AiopoolScheduler *self,
                        AiopoolJob       *job,
                        AiopoolReport    *report)
{
  aiopool_job_set_state (job, AIOPOOL_JOB_SETTLED);
  if (job->heap_index != 0)
    aiopool_deadlines_set (&self->deadlines, job, 0);
  report->has_room = TRUE;
}

static AiopoolPeer *
find_free (AiopoolScheduler *self)
{
  for (guint i = 0; i < self->peers->len; i++)
    {
      AiopoolPeer *peer = g_ptr_array_index (self->peers, i);
      AiopoolWorkerState state = aiopool_peer_get_state (peer);

      if (state == AIOPOOL_WORKER_IDLE)
        return peer;
      if (state == AIOPOOL_WORKER_BUSY && self->limits.tasks_per_worker > 1 &&
          aiopool_outbound_get_n_slots (aiopool_peer_get_outbound (peer)) <
            self->limits.tasks_per_worker)
        return peer;
    }
  return NULL;
}

/* A worker that has at most one task, to put another one behind it. */
static AiopoolPeer *
find_nearly_free (AiopoolScheduler *self)
{
  for (guint i = 0; i < self->peers->len; i++)
    {
      AiopoolPeer *peer = g_ptr_array_index (self->peers, i);

      if (aiopool_peer_get_state (peer) == AIOPOOL_WORKER_BUSY &&
          aiopool_outbound_get_n_slots (aiopool_peer_get_outbound (peer)) < 2)
        return peer;
    }
  return NULL;
}

/* Whether what waits is less work than it costs to wake a worker, so that it may wait for more. */
static gboolean
is_little (AiopoolScheduler *self)
{
  AiopoolOrder *order = aiopool_queue_peek (&self->queue);
  gint64 run_time = order != NULL ? order->function->run_time : -1;

  return run_time >= 0 && self->state == AIOPOOL_SCHEDULER_OPEN &&
         (run_time + 1) * self->queue.n_orders <= WAKE_USEC;
}

/* Whether somebody submits one task after the other, and the next is to come at once. */
static gboolean
is_bursting (AiopoolScheduler *self,
             gint64            now)
{
  return self->submit_gap < BURST_USEC && now - self->last_submit < BURST_USEC;
}

/* Whether a worker that took its tasks just now will come back for more at once. */
static gboolean
is_taker_near (AiopoolScheduler *self,
               gint64            now)
{
  for (guint i = 0; i < self->peers->len; i++)
    {
      AiopoolPeer *peer = g_ptr_array_index (self->peers, i);
      AiopoolOrder *first = aiopool_outbound_get_first (aiopool_peer_get_outbound (peer));

      if (aiopool_peer_get_state (peer) == AIOPOOL_WORKER_BUSY && first != NULL &&
          now - first->sent < NEAR_USEC)
        return TRUE;
    }
  return FALSE;
}

/* What waits for company does not wait for long. */
static void
balance_soon (AiopoolScheduler *self,
              gint64            now)
{
  if (self->balance_at > 0)
    return;
  self->balance_at = now + GATHER_USEC;
  aiopool_dispatch_wake_at (self, self->balance_at);
}

/* @job was put into the queue by a submit. */
void
aiopool_dispatch_new_order (AiopoolScheduler *self,
                            AiopoolJob       *job,
                            AiopoolReport    *report)
{
  AiopoolPeer *peer = find_free (self);
  gint64 now = job->submitted;

  self->submit_gap = now - self->last_submit;
  self->last_submit = now;
  if (is_little (self) && (is_bursting (self, now) || is_taker_near (self, now)))
    balance_soon (self, now);
  else if (peer != NULL)
    aiopool_pump_peer (self, peer, report);
  else if (aiopool_crew_count_alive (self) < self->limits.max_workers)
    aiopool_crew_hire (self);
  else if ((peer = find_nearly_free (self)) != NULL)
    aiopool_pump_peer (self, peer, report);
}

/* Closes what is not needed any more, and reports the end. */
void
aiopool_dispatch_check_closing (AiopoolScheduler *self,
                                AiopoolReport    *report)
{
  if (self->state != AIOPOOL_SCHEDULER_CLOSING || self->queue.n_orders > 0)
    return;
  for (guint i = 0; i < self->peers->len; i++)
    {
      AiopoolPeer *peer = g_ptr_array_index (self->peers, i);

      if (aiopool_outbound_get_n_slots (aiopool_peer_get_outbound (peer)) == 0)
        aiopool_peer_close (peer);
    }
  if (self->peers->len > 0 || self->n_spawning > 0)
    return;
  aiopool_scheduler_set_state (self, AIOPOOL_SCHEDULER_CLOSED);
  report->has_closed = TRUE;
}

static gboolean
is_all_idle (AiopoolScheduler *self)
{
  for (guint i = 0; i < self->peers->len; i++)
    {
      if (aiopool_peer_get_state (g_ptr_array_index (self->peers, i)) == AIOPOOL_WORKER_BUSY)
        return FALSE;
    }
  return self->queue.n_orders == 0;
}

/* @peer has room for something else. */
void
aiopool_dispatch_slot_freed (AiopoolScheduler *self,
                             AiopoolPeer      *peer,
                             AiopoolReport    *report)
{
  gint64 now = g_get_monotonic_time ();

  if (is_little (self) && is_bursting (self, now))
    balance_soon (self, now);
  else
    aiopool_pump_peer (self, peer, report);
  if (aiopool_outbound_get_n_slots (aiopool_peer_get_outbound (peer)) == 0)
    aiopool_peer_set_busy (peer, FALSE);
  if (aiopool_peer_get_state (peer) != AIOPOOL_WORKER_IDLE)
    return;
  if (is_all_idle (self))
    self->epoch++;
  else
    aiopool_pump_balance (self, report);
  aiopool_crew_watch_idle (self, peer);
}

/* Settles a running job now, and has its worker stop running it by all means. */
void
aiopool_dispatch_abandon_running (AiopoolScheduler *self,
                                  AiopoolJob       *job,
                                  GError           *error,
                                  AiopoolReport    *report)
{
  AiopoolPeer *peer = job->order.peer;
  guint64 id = job->order.id;

  aiopool_dispatch_claim (self, job, report);
  aiopool_report_error (report, job, error, aiopool_scheduler_find_start (job));
  aiopool_outbound_detach (aiopool_peer_get_outbound (peer), &job->order);
  aiopool_control_send (aiopool_peer_get_control (peer), AIOPOOL_FRAME_CANCEL, CANCEL_FORCED, id,
                        0);
  aiopool_peer_escalate (peer, id);
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

/* A job with a worker: its timeout counts from the start, which the status page tells. */
static void
check_sent (AiopoolScheduler *self,
            AiopoolJob       *job,
            gint64            now,
            AiopoolReport    *report)
{
  const AiopoolSpecOptions *options = job->order.spec->options;
  AiopoolPeer *peer = job->order.peer;
  gint64 queue_end = options->queue_timeout > 0 ? job->submitted + options->queue_timeout
                                                : G_MAXINT64;
  gint64 claimed, end;

  if (!aiopool_status_page_is_started (aiopool_peer_get_page (peer), job->order.id, &claimed))
    {
      if (now >= queue_end &&
          aiopool_outbound_revoke (aiopool_peer_get_outbound (peer), &job->order))
        {
          time_out_queued (self, job, report);
          aiopool_dispatch_slot_freed (self, peer, report);
          return;
        }
      end = MIN (queue_end > now ? queue_end : G_MAXINT64,
                 options->timeout > 0 ? now + options->timeout : G_MAXINT64);
    }
  else if (options->timeout == 0)
    return;
  else
    {
      end = aiopool_scheduler_started_at (job, claimed, now) + options->timeout;
      if (now >= end)
        {
          time_out (self, job, report);
          return;
        }
    }
  aiopool_dispatch_watch_deadline (self, job, end != G_MAXINT64 ? end : 0);
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
    aiopool_dispatch_watch_deadline (self, job, job->submitted + queue_timeout);
}

static void
check_deadlines (AiopoolScheduler *self,
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

static void
rearm (AiopoolScheduler *self)
{
  gint64 next = aiopool_deadlines_next (&self->deadlines);

  if (next > 0)
    aiopool_dispatch_wake_at (self, next);
  if (self->idle_check_at > 0)
    aiopool_dispatch_wake_at (self, self->idle_check_at);
  if (self->balance_at > 0)
    aiopool_dispatch_wake_at (self, self->balance_at);
  if (self->spawn_after > 0 && self->queue.n_orders > 0)
    aiopool_dispatch_wake_at (self, self->spawn_after);
}

void
aiopool_dispatch_on_alarm (gpointer scheduler)
{
  AiopoolScheduler *self = aiopool_scheduler_ref (scheduler);
  AiopoolReport report = { NULL };
  gint64 now = g_get_monotonic_time ();

  g_mutex_lock (&self->lock);
  self->alarm_at = -1;
  check_deadlines (self, now, &report);
  if (self->idle_check_at > 0 && self->idle_check_at <= now)
    aiopool_crew_care_for_idle (self, now);
  if (self->balance_at > 0 && self->balance_at <= now)
    {
      self->balance_at = 0;
      aiopool_pump_all (self, &report);
      aiopool_pump_balance (self, &report);
    }
  if (self->queue.n_orders > 0)
    aiopool_crew_hire (self);
  rearm (self);
  aiopool_dispatch_check_closing (self, &report);
  aiopool_scheduler_unlock_and_tell (self, &report);
  aiopool_scheduler_unref (self);
}

static void
learn_run_time (AiopoolScheduler    *self,
                AiopoolFunctionInfo *function,
                gint64               run_time)
{
  if (function->epoch != self->epoch || function->run_time < 0)
    function->run_time = run_time;
  else
    function->run_time += (run_time - function->run_time) / 8;
  function->epoch = self->epoch;
}

static void
take_outcome (AiopoolScheduler *self,
              AiopoolPeer      *peer,
              AiopoolOrder     *order,
              AiopoolEvent     *event,
              gint64            now,
              AiopoolReport    *report)
{
  AiopoolOutbound *outbound = aiopool_peer_get_outbound (peer);
  AiopoolOutcome *outcome = &event->outcome;

  aiopool_peer_settle_down (peer, event->id);
  aiopool_peer_add_done (peer);
  self->n_early_ends = 0;
  if (order == NULL)
    {
      aiopool_outbound_remove (outbound, event->id);
      return;
    }
  outcome->started = CLAMP (outcome->started, order->sent, now);
  outcome->ended = CLAMP (outcome->ended, outcome->started, now);
  outcome->pid = aiopool_peer_get_pid (peer);
  learn_run_time (self, order->function, outcome->ended - outcome->started);
  aiopool_outbound_remove (outbound, event->id);
  aiopool_dispatch_claim (self, AIOPOOL_JOB (order), report);
  aiopool_report_settle (report, AIOPOOL_JOB (order), outcome);
}

/* A partial result; when nobody wants it any more the task may go on all the same. FALSE if the
 * worker had to wait with it. */
static gboolean
take_emitted (AiopoolPeer   *peer,
              AiopoolOrder  *order,
              AiopoolEvent  *event)
{
  AiopoolOutbound *outbound = aiopool_peer_get_outbound (peer);
  AiopoolPayload *payload = event->outcome.payload;
  gboolean has_credit = TRUE;
  gint64 cost;

  if (!aiopool_outbound_owe (outbound, event->id, aiopool_payload_get_size (payload), &cost))
    return FALSE;
  if (order != NULL)
    {
      event->outcome.payload = NULL;
      has_credit = AIOPOOL_JOB (order)->klass->emitted (AIOPOOL_JOB (order), payload, cost);
    }
  if (has_credit)
    aiopool_outbound_pay (outbound, event->id, cost);
  return TRUE;
}

/* FALSE if the worker may not say that. */
static gboolean
take_event (AiopoolScheduler *self,
            AiopoolPeer      *peer,
            AiopoolEvent     *event,
            gint64            now,
            AiopoolReport    *report)
{
  AiopoolOrder *order;
  gint64 claimed;

  if (!aiopool_outbound_find (aiopool_peer_get_outbound (peer), event->id, &order) ||
      !aiopool_status_page_is_started (aiopool_peer_get_page (peer), event->id, &claimed))
    return FALSE;
  if (event->type == AIOPOOL_EVENT_OUTCOME)
    take_outcome (self, peer, order, event, now, report);
  else if (event->type == AIOPOOL_EVENT_EMIT)
    return take_emitted (peer, order, event);
  else if (order != NULL)
    AIOPOOL_JOB (order)->klass->progress (AIOPOOL_JOB (order), event->fraction,
                                          g_steal_pointer (&event->text));
  return TRUE;
}

static void
on_events (gpointer      owner,
           AiopoolPeer  *peer,
           AiopoolEvent *events,
           guint         n_events)
{
  AiopoolScheduler *self = aiopool_scheduler_ref (owner);
  AiopoolReport report = { NULL };
  gint64 now = g_get_monotonic_time ();
  guint i;

  g_mutex_lock (&self->lock);
  for (i = 0; i < n_events; i++)
    {
      if (!take_event (self, peer, &events[i], now, &report))
        break;
    }
  aiopool_dispatch_slot_freed (self, peer, &report);
  aiopool_dispatch_check_closing (self, &report);
  aiopool_scheduler_unlock_and_tell (self, &report);
  if (i < n_events)
    aiopool_peer_fail (peer, AIOPOOL_TASK_ERROR_PROTOCOL,
                       "The worker broke the protocol: a message about task %" G_GINT64_MODIFIER
                       "x, which it does not run", events[i].id);
  aiopool_scheduler_unref (self);
}

static void
on_ready (gpointer     owner,
          AiopoolPeer *peer)
{
  AiopoolScheduler *self = aiopool_scheduler_ref (owner);
  AiopoolReport report = { .has_changed = TRUE };

  g_mutex_lock (&self->lock);
  self->n_failed_starts = 0;
  self->spawn_after = 0;
  aiopool_dispatch_slot_freed (self, peer, &report);
  if (self->queue.n_orders > 0)
    aiopool_crew_hire (self);
  aiopool_dispatch_check_closing (self, &report);
  aiopool_scheduler_unlock_and_tell (self, &report);
  aiopool_scheduler_unref (self);
}

static void
on_writable (gpointer     owner,
             AiopoolPeer *peer)
{
  AiopoolScheduler *self = aiopool_scheduler_ref (owner);
  AiopoolReport report = { NULL };

  g_mutex_lock (&self->lock);
  aiopool_pump_peer (self, peer, &report);
  aiopool_scheduler_unlock_and_tell (self, &report);
  aiopool_scheduler_unref (self);
}

/* The function that runs cannot hear that it should stop. */
static void
on_unheard (gpointer     owner,
            AiopoolPeer *peer,
            guint64      id)
{
  AiopoolScheduler *self = owner;
  AiopoolOrder *order;
  gboolean is_abandoned;

  g_mutex_lock (&self->lock);
  is_abandoned = aiopool_outbound_find (aiopool_peer_get_outbound (peer), id, &order) &&
                 order == NULL && self->limits.tasks_per_worker == 1;
  g_mutex_unlock (&self->lock);
  if (is_abandoned)
    aiopool_peer_raise_term (peer);
}

static void
crash (AiopoolScheduler *self,
       AiopoolJob       *job,
       gint64            started,
       const GError     *why,
       const char       *last_lines,
       AiopoolReport    *report)
{
  AiopoolOutcome outcome = { .started = started, .ended = g_get_monotonic_time () };
  const char *intro = last_lines != NULL ? "; last lines of its standard error:\n" : "";

  outcome.pid = job->order.peer != NULL ? aiopool_peer_get_pid (job->order.peer) : 0;
  outcome.error = g_error_new (why->domain, why->code,
                               "Task '%s' failed after %.3f seconds: %s%s%s",
                               job->order.spec->function,
                               (double) (outcome.ended - started) / G_USEC_PER_SEC, why->message,
                               intro, last_lines != NULL ? last_lines : "");
  outcome.info = aiopool_error_info_new ("WorkerCrashed", why->message);
  aiopool_error_info_set_traceback (outcome.info, last_lines);
  aiopool_dispatch_claim (self, job, report);
  aiopool_report_settle (report, job, &outcome);
}

/* An order of a worker that is gone: back to the queue if it did not start or may run again. TRUE
 * if it did not start. */
static gboolean
recover (AiopoolScheduler *self,
         AiopoolPeer      *peer,
         AiopoolOrder     *order,
         const GError     *why,
         const char       *last_lines,
         AiopoolReport    *report)
{
  AiopoolOutbound *outbound = aiopool_peer_get_outbound (peer);
  AiopoolJob *job = AIOPOOL_JOB (order);
  gint64 started = aiopool_scheduler_find_start (job);
  gboolean is_unstarted = aiopool_outbound_revoke (outbound, order);

  if (!is_unstarted)
    {
      if (job->retries_left == 0)
        {
          crash (self, job, started, why, last_lines, report);
          aiopool_outbound_detach (outbound, order);
          return FALSE;
        }
      job->retries_left--;
      aiopool_outbound_remove (outbound, order->id);
      order->id = 0;
    }
  aiopool_job_set_state (job, AIOPOOL_JOB_QUEUED);
  aiopool_queue_push_front (&self->queue, order);
  aiopool_dispatch_watch_deadline (self, job,
                                   order->spec->options->queue_timeout > 0
                                     ? job->submitted + order->spec->options->queue_timeout
                                     : 0);
  return is_unstarted;
}

/* Takes from a worker that is gone what it had. TRUE if it had tasks and never started one. */
static gboolean
recover_all (AiopoolScheduler *self,
             AiopoolPeer      *peer,
             const GError     *why,
             const char       *last_lines,
             AiopoolReport    *report)
{
  AiopoolOutbound *outbound = aiopool_peer_get_outbound (peer);
  guint n_slots = aiopool_outbound_get_n_slots (outbound);
  AiopoolOrder *order, *previous;
  guint n_unstarted = 0;

  for (order = aiopool_outbound_get_last (outbound); order != NULL; order = previous)
    {
      previous = order->previous;
      n_unstarted += recover (self, peer, order, why, last_lines, report);
    }
  if (n_unstarted < n_slots)
    self->n_early_ends = 0;
  return n_slots > 0 && n_unstarted == n_slots && aiopool_peer_get_n_done (peer) == 0;
}

static void
on_ended (gpointer      owner,
          AiopoolPeer  *peer,
          const GError *why,
          const char   *last_lines)
{
  AiopoolScheduler *self = owner;
  AiopoolReport report = { .has_changed = TRUE };
  gboolean is_early;

  g_mutex_lock (&self->lock);
  g_debug ("worker %u: %s", aiopool_peer_get_number (peer), why->message);
  is_early = recover_all (self, peer, why, last_lines, &report);
  g_ptr_array_remove (self->peers, peer);
  if (why->domain == AIOPOOL_POOL_ERROR && !aiopool_peer_was_killed (peer))
    aiopool_crew_start_failed (self, why, last_lines, &report);
  else if (why->domain == AIOPOOL_POOL_ERROR || is_early)
    aiopool_crew_ended_early (self, why, last_lines, &report);
  aiopool_pump_all (self, &report);
  if (self->queue.n_orders > 0)
    aiopool_crew_hire (self);
  aiopool_dispatch_check_closing (self, &report);
  aiopool_scheduler_unlock_and_tell (self, &report);
  aiopool_peer_unref (peer);
  aiopool_scheduler_unref (self);
}

const AiopoolPeerOwner aiopool_dispatch_peer_owner = {
  on_ready, on_events, on_writable, on_unheard, on_ended
};
