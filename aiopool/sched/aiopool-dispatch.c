/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/sched/aiopool-dispatch-private.h"

#include "aiopool/base/aiopool-error.h"

/* What happens to jobs while they are with workers: results, ends of workers, deadlines.
 *
 * A job ends here by claim(), which moves it to SETTLED under the lock and so happens once, whoever
 * comes first: its result, a cancel, its deadline, the end of its worker, the shutdown. */

#define MAX_FALSE_STARTS 3 /* of a chunk with whose first item no worker has begun */

#define CANCEL_FORCED 1 /* flag of a CANCEL frame: say so if the function cannot hear it */

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

/* (nullable): the next that waits, claimed. */
AiopoolJob *
aiopool_dispatch_claim_next (AiopoolScheduler *self,
                             AiopoolReport    *report)
{
  AiopoolOrder *order = aiopool_queue_peek (&self->queue);

  if (order == NULL)
    return NULL;
  aiopool_queue_remove (&self->queue, order);
  aiopool_dispatch_claim (self, AIOPOOL_JOB (order), report);
  return AIOPOOL_JOB (order);
}

/* @last_lines: (nullable): of a worker's standard error. */
void
aiopool_dispatch_add_last_lines (GError     *error,
                                 const char *last_lines)
{
  g_autofree char *message = error->message;

  error->message = last_lines != NULL
                   ? g_strdup_printf ("%s; last lines of its standard error:\n%s", message,
                                      last_lines)
                   : g_steal_pointer (&message);
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
rearm (AiopoolScheduler *self)
{
  gint64 next = aiopool_deadlines_next (&self->deadlines);

  if (next > 0)
    aiopool_dispatch_wake_at (self, next);
  if (self->idle_check_at > 0)
    aiopool_dispatch_wake_at (self, self->idle_check_at);
  if (self->balance_at > 0)
    aiopool_dispatch_wake_at (self, self->balance_at);
  if (self->relief_at > 0)
    aiopool_dispatch_wake_at (self, self->relief_at);
  if (self->figures.told_at > 0)
    aiopool_dispatch_wake_at (self, self->figures.told_at);
  if (self->standby_at > 0)
    aiopool_dispatch_wake_at (self, self->standby_at);
  aiopool_crew_hire (self);
}

void
aiopool_dispatch_on_alarm (gpointer scheduler)
{
  AiopoolScheduler *self = scheduler;
  AiopoolReport report = { NULL };
  gint64 now = g_get_monotonic_time ();

  if (!aiopool_scheduler_try_ref (self))
    return;
  aiopool_scheduler_lock (self);
  self->alarm_at = -1;
  aiopool_timeouts_check (self, now, &report);
  if (self->idle_check_at > 0 && self->idle_check_at <= now)
    aiopool_crew_care_for_idle (self, now);
  if (self->balance_at > 0 && self->balance_at <= now)
    aiopool_gather_end (self, &report);
  if (self->relief_at > 0 && self->relief_at <= now)
    aiopool_pump_relieve (self, now);
  if (self->figures.told_at > 0 && self->figures.told_at <= now)
    aiopool_figures_tick (&self->figures, now);
  if (self->standby_at > 0 && self->standby_at <= now)
    aiopool_standby_look (self, now);
  rearm (self);
  aiopool_closing_check (self, &report);
  aiopool_scheduler_unlock_and_tell (self, &report);
  aiopool_scheduler_unref (self);
}

void
aiopool_dispatch_learn_run_time (AiopoolScheduler    *self,
                                 AiopoolFunctionInfo *function,
                                 gint64               nsec)
{
  if (function->epoch != self->epoch || function->run_time < 0)
    function->run_time = nsec;
  else
    function->run_time += (nsec - function->run_time) / 8;
  function->epoch = self->epoch;
}

static void
take_hook (AiopoolScheduler *self,
           AiopoolPeer      *peer,
           AiopoolOrder     *order,
           AiopoolOutcome   *outcome,
           AiopoolReport    *report)
{
  AiopoolJob *job = AIOPOOL_JOB (order);

  aiopool_outbound_remove (aiopool_peer_get_outbound (peer), order->id);
  aiopool_dispatch_claim (self, job, report);
  aiopool_hooks_finished (self, job, peer, outcome, report);
  aiopool_report_settle (report, job, outcome);
}

/* What the worker says of times is taken as far as it can be true. */
static void
correct_outcome (AiopoolScheduler *self,
                 AiopoolPeer      *peer,
                 AiopoolOrder     *order,
                 AiopoolOutcome   *outcome,
                 gint64            now)
{
  outcome->started = CLAMP (outcome->started, order->sent, now);
  outcome->ended = CLAMP (outcome->ended, outcome->started, now);
  outcome->pid = aiopool_peer_get_pid (peer);
  if (AIOPOOL_ORDER_IS_CHUNK (order))
    {
      g_clear_pointer (&outcome->payload, aiopool_payload_unref);
      outcome->n_begun = order->n_came;
    }
  else
    aiopool_dispatch_learn_run_time (self, order->function,
                                     (outcome->ended - outcome->started) * 1000);
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
  if (order != NULL && aiopool_hooks_is_hook (AIOPOOL_JOB (order)))
    {
      take_hook (self, peer, order, outcome, report);
      return;
    }
  aiopool_peer_add_done (peer);
  self->n_early_ends = 0;
  self->n_in_vain = 0;
  if (order == NULL)
    {
      aiopool_outbound_remove (outbound, event->id);
      return;
    }
  correct_outcome (self, peer, order, outcome, now);
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

  if (event->type == AIOPOOL_EVENT_LOG && event->id == 0)
    return aiopool_records_take (self, peer, NULL, event, report);
  if (!aiopool_outbound_find (aiopool_peer_get_outbound (peer), event->id, &order) ||
      !aiopool_status_page_is_started (aiopool_peer_get_page (peer), event->id, &claimed))
    return FALSE;
  if (event->type == AIOPOOL_EVENT_OUTCOME)
    {
      if (order != NULL && !aiopool_chunks_may_end (peer, order, &event->outcome, now))
        return FALSE;
      take_outcome (self, peer, order, event, now, report);
    }
  else if (event->type == AIOPOOL_EVENT_ITEMS)
    return order == NULL || aiopool_chunks_take_items (self, peer, order, &event->items, now);
  else if (event->type == AIOPOOL_EVENT_EMIT)
    return (order == NULL || !AIOPOOL_ORDER_IS_CHUNK (order)) && take_emitted (peer, order, event);
  else if (event->type == AIOPOOL_EVENT_LOG)
    return aiopool_records_take (self, peer, order, event, report);
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

  aiopool_scheduler_lock (self);
  for (i = 0; i < n_events; i++)
    {
      if (!take_event (self, peer, &events[i], now, &report))
        break;
    }
  aiopool_gather_slot_freed (self, peer, &report);
  aiopool_closing_check (self, &report);
  aiopool_scheduler_unlock_and_tell (self, &report);
  if (i < n_events)
    aiopool_peer_fail (peer, AIOPOOL_TASK_ERROR_PROTOCOL,
                       "The worker broke the protocol: a message about task %" G_GINT64_MODIFIER
                       "x, which it does not run", events[i].id);
  aiopool_scheduler_unref (self);
}

static void
on_greeted (gpointer     owner,
            AiopoolPeer *peer)
{
  AiopoolScheduler *self = aiopool_scheduler_ref (owner);
  AiopoolReport report = { NULL };

  aiopool_scheduler_lock (self);
  aiopool_observe_worker_ready (self, peer);
  if (self->initializer == NULL)
    aiopool_crew_is_ready (self, peer, &report);
  else if (aiopool_peer_get_state (peer) == AIOPOOL_WORKER_STARTING)
    aiopool_hooks_initialize (self, peer);
  aiopool_closing_check (self, &report);
  aiopool_scheduler_unlock_and_tell (self, &report);
  aiopool_scheduler_unref (self);
}

static void
on_writable (gpointer     owner,
             AiopoolPeer *peer)
{
  AiopoolScheduler *self = aiopool_scheduler_ref (owner);
  AiopoolReport report = { NULL };

  aiopool_scheduler_lock (self);
  aiopool_pump_go_on (self, peer, &report);
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

  aiopool_scheduler_lock (self);
  is_abandoned = aiopool_outbound_find (aiopool_peer_get_outbound (peer), id, &order) &&
                 order == NULL && self->limits.tasks_per_worker == 1 &&
                 !aiopool_peer_runs_wanted (peer);
  g_mutex_unlock (&self->lock);
  if (is_abandoned)
    aiopool_peer_raise_term (peer);
}

/* @n_begun: items of a chunk, else 0. */
static void
crash (AiopoolScheduler *self,
       AiopoolJob       *job,
       gint64            started,
       guint32           n_begun,
       const GError     *why,
       AiopoolReport    *report)
{
  AiopoolOutcome outcome = { .started = started, .ended = g_get_monotonic_time () };
  g_autofree char *deaths = job->n_deaths > 1
                            ? g_strdup_printf ("; %u workers ended with it", job->n_deaths)
                            : NULL;

  outcome.last_lines = aiopool_peer_dup_standard_error (job->order.peer, started, G_MAXINT64);
  outcome.pid = aiopool_peer_get_pid (job->order.peer);
  outcome.n_begun = n_begun;
  outcome.error = g_error_new (why->domain, why->code,
                               "Task '%s' failed after %.3f seconds: %s%s",
                               job->order.spec->function,
                               (double) (outcome.ended - started) / G_USEC_PER_SEC, why->message,
                               deaths != NULL ? deaths : "");
  aiopool_dispatch_add_last_lines (outcome.error, outcome.last_lines);
  outcome.info = aiopool_error_info_new ("WorkerCrashed", why->message);
  aiopool_error_info_set_traceback (outcome.info, outcome.last_lines);
  aiopool_dispatch_claim (self, job, report);
  aiopool_report_settle (report, job, &outcome);
}

/* Whether a job that has started, and whose worker is gone, may do so again. */
static gboolean
may_run_again (AiopoolScheduler *self,
               AiopoolJob       *job)
{
  guint limit = self->limits.max_deaths_per_task;

  job->n_deaths++;
  if (job->retries_left == 0 || (limit > 0 && job->n_deaths >= limit) || self->broken != NULL ||
      self->limits.is_fragile)
    return FALSE;
  job->retries_left--;
  return TRUE;
}

/* A chunk of a worker that is gone, and that it has started. TRUE if it ends here: all came, or
 * some have begun. One of which none has begun starts again, but not for ever. */
static gboolean
end_chunk (AiopoolScheduler *self,
           AiopoolPeer      *peer,
           AiopoolOrder     *order,
           gint64            started,
           const GError     *why,
           AiopoolReport    *report)
{
  AiopoolOutcome outcome = { .started = started, .ended = g_get_monotonic_time () };
  guint32 n_items = order->n_items;
  AiopoolJob *job = AIOPOOL_JOB (order);
  guint32 n_begun = aiopool_outbound_cut (aiopool_peer_get_outbound (peer), order, 0);

  if (n_begun == 0 && n_items > 0)
    {
      order->n_items = n_items;
      if (++job->n_deaths < MAX_FALSE_STARTS)
        return FALSE;
    }
  if (order->n_came < n_items)
    {
      crash (self, job, started, n_begun, why, report);
      return TRUE;
    }
  outcome.pid = aiopool_peer_get_pid (peer);
  outcome.n_begun = order->n_came;
  aiopool_dispatch_claim (self, job, report);
  aiopool_report_settle (report, job, &outcome);
  return TRUE;
}

/* An order of a worker that is gone: back to the queue if it did not start or may run again. TRUE
 * if it did not start. */
static gboolean
recover (AiopoolScheduler *self,
         AiopoolPeer      *peer,
         AiopoolOrder     *order,
         const GError     *why,
         AiopoolReport    *report)
{
  AiopoolOutbound *outbound = aiopool_peer_get_outbound (peer);
  AiopoolJob *job = AIOPOOL_JOB (order);
  gint64 queue_timeout = order->spec->options->queue_timeout;
  gint64 started = aiopool_scheduler_find_start (job);
  gboolean is_unstarted = aiopool_outbound_revoke (outbound, order);

  if (!is_unstarted)
    {
      if (AIOPOOL_ORDER_IS_CHUNK (order) ? end_chunk (self, peer, order, started, why, report)
                                         : !may_run_again (self, job))
        {
          if (!AIOPOOL_ORDER_IS_CHUNK (order))
            crash (self, job, started, 0, why, report);
          aiopool_outbound_detach (outbound, order);
          return FALSE;
        }
      aiopool_outbound_remove (outbound, order->id);
      order->id = 0;
    }
  aiopool_job_set_state (job, AIOPOOL_JOB_QUEUED);
  aiopool_queue_push_front (&self->queue, order);
  aiopool_timeouts_watch (self, job, queue_timeout > 0 ? job->submitted + queue_timeout : 0);
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
      if (aiopool_hooks_is_hook (AIOPOOL_JOB (order)))
        {
          aiopool_hooks_lost (self, peer, AIOPOOL_JOB (order), why, last_lines, report);
          n_slots--;
        }
      else
        n_unstarted += recover (self, peer, order, why, report);
    }
  if (n_unstarted < n_slots)
    self->n_early_ends = self->n_in_vain = 0;
  return n_unstarted == n_slots && aiopool_peer_get_n_done (peer) == 0 &&
         !aiopool_peer_was_told (peer);
}

/* The crew goes on without @peer, or not at all. @is_early: it never started a task. */
static void
bear_loss (AiopoolScheduler *self,
           AiopoolPeer      *peer,
           const GError     *why,
           const char       *last_lines,
           gboolean          is_early,
           AiopoolReport    *report)
{
  if (why->domain == AIOPOOL_POOL_ERROR && !aiopool_peer_was_killed (peer))
    aiopool_crew_start_failed (self, why, last_lines, report);
  else if (why->domain == AIOPOOL_POOL_ERROR || is_early)
    aiopool_crew_ended_early (self, why, last_lines, report);
  else if (self->limits.is_fragile && !aiopool_peer_was_told (peer))
    aiopool_closing_break (self,
                           g_error_new (AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_BROKEN,
                                        "A worker ended: %s", why->message), TRUE, report);
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

  aiopool_scheduler_lock (self);
  g_debug ("worker %u: %s", aiopool_peer_get_number (peer), why->message);
  is_early = recover_all (self, peer, why, last_lines, &report);
  aiopool_observe_worker_ended (self, peer, why);
  aiopool_roster_keep_end (self, peer);
  g_ptr_array_remove (self->peers, peer);
  bear_loss (self, peer, why, last_lines, is_early, &report);
  aiopool_pump_all (self, &report);
  aiopool_crew_hire (self);
  aiopool_closing_check (self, &report);
  aiopool_scheduler_unlock_and_tell (self, &report);
  aiopool_peer_unref (peer);
  aiopool_scheduler_unref (self);
}

const AiopoolPeerOwner aiopool_dispatch_peer_owner = {
  on_greeted, on_events, on_writable, on_unheard, on_ended
};
