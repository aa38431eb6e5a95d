/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/sched/aiopool-dispatch-private.h"

#include "aiopool/base/aiopool-error.h"

/* Pumping: from the queue to a worker.
 *
 * A worker gets more tasks than it can run at once, so that it need not wait for the next: about a
 * millisecond of work by the function's moving average, two while that is not known, one when a
 * task takes longer than two milliseconds. When another worker has nothing to do, what has not
 * started is taken back through the status page and goes there. When none has, and there may be
 * more workers, one is started for what waits behind a task that takes longer than was thought.
 *
 * One thread at a time pumps a worker: orders are added under the lock, written without it. */

#define WINDOW_NSEC      1000000      /* of work in a window */
#define LONG_TASK_NSEC   2000000      /* from here on one at a time */
#define MAX_WINDOW       512
#define UNKNOWN_WINDOW   2
#define MAX_BYTES        (256 * 1024) /* of frames in flight behind the first */
#define BALANCE_USEC     300          /* less work than that is not worth moving */
#define RELIEF_USEC      2000         /* who holds up others for so long gets another one's help */
#define START_USEC       50000        /* until that is there, or must be asked for again */

typedef struct
{
  AiopoolScheduler *scheduler; /* (owned) */
  AiopoolPeer      *peer;      /* (owned) */
} Continuation;

/* How many tasks of @function a worker may have. */
guint
aiopool_pump_window (AiopoolScheduler    *self,
                     AiopoolFunctionInfo *function)
{
  guint window;

  if (function->epoch != self->epoch || function->run_time < 0)
    window = UNKNOWN_WINDOW;
  else if (function->run_time > LONG_TASK_NSEC)
    window = 1;
  else
    window = (guint) CLAMP (WINDOW_NSEC / MAX (function->run_time, 1), 2, MAX_WINDOW);
  return MAX (window, self->limits.tasks_per_worker);
}

static gboolean
is_open (AiopoolPeer *peer)
{
  AiopoolWorkerState state = aiopool_peer_get_state (peer);

  return state == AIOPOOL_WORKER_IDLE || state == AIOPOOL_WORKER_BUSY;
}

static gint64
first_deadline (AiopoolJob *job,
                gint64      now)
{
  const AiopoolSpecOptions *options = job->order.spec->options;
  gint64 when = options->timeout > 0 ? now + options->timeout : 0;
  gint64 queue_end = options->queue_timeout > 0 ? job->submitted + options->queue_timeout : 0;

  if (when == 0 || (queue_end > 0 && queue_end < when))
    return queue_end;
  return when;
}

/* Behind a chunk, or a chunk behind others, when they are nearly done. */
static gboolean
may_follow (AiopoolScheduler *self,
            AiopoolPeer      *peer,
            guint             n_slots)
{
  return n_slots < MAX (self->limits.tasks_per_worker, 1) ||
         (n_slots < MAX_WINDOW &&
          aiopool_chunks_estimate (peer, g_get_monotonic_time ()) < WINDOW_NSEC);
}

static gboolean
is_in_window (AiopoolScheduler *self,
              AiopoolPeer      *peer,
              AiopoolOrder     *order,
              guint             n_slots)
{
  if (AIOPOOL_ORDER_IS_CHUNK (order) ||
      aiopool_outbound_get_n_chunks (aiopool_peer_get_outbound (peer)) > 0)
    return may_follow (self, peer, n_slots);
  return n_slots < aiopool_pump_window (self, order->function);
}

/* Whether @order may go to that worker now. */
gboolean
aiopool_pump_has_room (AiopoolScheduler *self,
                       AiopoolPeer      *peer,
                       AiopoolOrder     *order)
{
  AiopoolOutbound *outbound = aiopool_peer_get_outbound (peer);
  guint n_slots = aiopool_outbound_get_n_slots (outbound);

  return aiopool_outbound_can_add (outbound) &&
         is_in_window (self, peer, order, n_slots) &&
         (n_slots == 0 || aiopool_outbound_get_n_bytes (outbound) < MAX_BYTES) &&
         !aiopool_crew_is_spent (self, peer);
}

/* Whether @peer has so much left to do that what waits may go to it later, together: to write to it
 * for each task that it has done costs more than a short task. */
gboolean
aiopool_pump_has_plenty (AiopoolScheduler *self,
                         AiopoolPeer      *peer)
{
  AiopoolOutbound *outbound = aiopool_peer_get_outbound (peer);
  AiopoolOrder *order = aiopool_queue_peek (&self->queue);

  if (order == NULL || AIOPOOL_ORDER_IS_CHUNK (order) ||
      aiopool_outbound_get_n_chunks (outbound) > 0)
    return FALSE;
  return aiopool_outbound_get_n_slots (outbound) >
         MAX (aiopool_pump_window (self, order->function) / 2, self->limits.tasks_per_worker);
}

/* There may be one more worker than the maximum while it takes the place of one that has its last
 * task: it begins when that is over. */
gboolean
aiopool_pump_may_begin (AiopoolScheduler *self,
                        AiopoolPeer      *peer)
{
  guint n_busy = 0;

  if (self->peers->len <= self->limits.max_workers ||
      aiopool_peer_get_state (peer) == AIOPOOL_WORKER_BUSY)
    return TRUE;
  for (guint i = 0; i < self->peers->len; i++)
    n_busy += aiopool_peer_get_state (g_ptr_array_index (self->peers, i)) == AIOPOOL_WORKER_BUSY;
  return n_busy < self->limits.max_workers;
}

/* Moves orders from the queue to @peer as long as it may have more. */
static void
fill (AiopoolScheduler *self,
      AiopoolPeer      *peer,
      AiopoolReport    *report)
{
  AiopoolOutbound *outbound = aiopool_peer_get_outbound (peer);
  gboolean has_chunk = FALSE;
  gint64 now = 0;
  AiopoolOrder *order;

  while (is_open (peer) && (order = aiopool_queue_peek (&self->queue)) != NULL &&
         aiopool_pump_may_begin (self, peer) && aiopool_pump_has_room (self, peer, order))
    {
      AiopoolJob *job = AIOPOOL_JOB (order);

      if (now == 0)
        now = g_get_monotonic_time ();
      aiopool_queue_remove (&self->queue, order);
      aiopool_job_set_state (job, AIOPOOL_JOB_SENT);
      order->peer = peer;
      job->knows_start = FALSE;
      if (job->heap_index != 0 || order->spec->options->timeout > 0)
        aiopool_timeouts_watch (self, job, first_deadline (job, now));
      if (aiopool_outbound_add (outbound, order, now))
        g_atomic_int_inc (&job->holds);
      has_chunk |= AIOPOOL_ORDER_IS_CHUNK (order);
      report->has_room = TRUE;
    }
  if (now != 0)
    aiopool_standby_sent (self, peer);
  aiopool_peer_set_busy (peer, aiopool_outbound_get_n_slots (outbound) > 0);
  if (has_chunk && self->queue.n_orders == 0)
    aiopool_chunks_watch (self, now);
}

/* The order whose argument could not be made ready. */
static void
fail_copied (AiopoolScheduler *self,
             AiopoolPeer      *peer,
             AiopoolJob       *job,
             GError           *error,
             AiopoolReport    *report)
{
  AiopoolOutcome outcome = { .error = error };

  if (job->state != AIOPOOL_JOB_SENT || job->order.peer != peer ||
      !aiopool_outbound_revoke (aiopool_peer_get_outbound (peer), &job->order))
    {
      g_error_free (error);
      return;
    }
  aiopool_dispatch_claim (self, job, report);
  if (aiopool_hooks_is_hook (job))
    aiopool_hooks_finished (self, job, peer, &outcome, report);
  aiopool_report_error (report, job, error, 0);
  aiopool_gather_slot_freed (self, peer, report);
  aiopool_closing_check (self, report);
}

static void go_on (AiopoolScheduler *self,
                   AiopoolPeer      *peer,
                   gboolean          is_first,
                   AiopoolReport    *report);

static void
on_continue (gpointer data)
{
  Continuation *continuation = data;
  AiopoolScheduler *self = continuation->scheduler;
  AiopoolReport report = { NULL };

  aiopool_scheduler_lock (self);
  go_on (self, continuation->peer, FALSE, &report);
  aiopool_scheduler_unlock_and_tell (self, &report);
  aiopool_peer_unref (continuation->peer);
  aiopool_scheduler_unref (self);
  g_free (continuation);
}

static void
continue_on_engine (AiopoolScheduler *self,
                    AiopoolPeer      *peer)
{
  Continuation *continuation = g_new (Continuation, 1);

  continuation->scheduler = aiopool_scheduler_ref (self);
  continuation->peer = aiopool_peer_ref (peer);
  aiopool_engine_post (on_continue, continuation);
}

/* Flushes without the lock. What was copied meanwhile is let go. */
static AiopoolFlush
flush (AiopoolScheduler *self,
       AiopoolPeer      *peer,
       AiopoolReport    *report)
{
  AiopoolOutbound *outbound = aiopool_peer_get_outbound (peer);
  AiopoolOrder *copied = aiopool_outbound_get_copied (outbound);
  GError *error = NULL;
  AiopoolFlush result;

  g_mutex_unlock (&self->lock);
  result = aiopool_outbound_flush (outbound, &error);
  g_mutex_lock (&self->lock);
  if (copied != NULL && aiopool_outbound_get_copied (outbound) == NULL)
    {
      if (error != NULL)
        fail_copied (self, peer, AIOPOOL_JOB (copied), g_steal_pointer (&error), report);
      aiopool_report_released (report, AIOPOOL_JOB (copied));
      aiopool_peer_begin_pump (peer); /* once more round: there may be more to add */
    }
  g_clear_error (&error);
  return result;
}

/* The rest of a pump, after begin_pump(). */
static void
go_on (AiopoolScheduler *self,
       AiopoolPeer      *peer,
       gboolean          is_first,
       AiopoolReport    *report)
{
  do
    {
      if (is_first)
        fill (self, peer, report);
      is_first = TRUE;
      switch (flush (self, peer, report))
        {
        case AIOPOOL_FLUSH_ENGINE:
          continue_on_engine (self, peer);
          return;
        case AIOPOOL_FLUSH_BLOCKED:
          aiopool_peer_wait_writable (peer);
          while (!aiopool_peer_end_pump (peer))
            ;
          return;
        case AIOPOOL_FLUSH_DONE:
        case AIOPOOL_FLUSH_BROKEN:
        default:
          break;
        }
    }
  while (!aiopool_peer_end_pump (peer));
}

/* Sends @job to a worker that has nothing else, past the queue. The lock is kept. */
void
aiopool_pump_push (AiopoolScheduler *self,
                   AiopoolPeer      *peer,
                   AiopoolJob       *job)
{
  AiopoolOrder *order = &job->order;

  order->function = aiopool_scheduler_look_up (self, order->spec->function);
  order->peer = peer;
  aiopool_job_set_state (job, AIOPOOL_JOB_QUEUED);
  aiopool_job_set_state (job, AIOPOOL_JOB_SENT);
  if (aiopool_outbound_add (aiopool_peer_get_outbound (peer), order, g_get_monotonic_time ()))
    g_atomic_int_inc (&job->holds);
  aiopool_standby_sent (self, peer);
  if (aiopool_peer_begin_pump (peer))
    continue_on_engine (self, peer);
}

/* What waits with @peer may have to wait for long. */
static void
watch_load (AiopoolScheduler *self,
            AiopoolPeer      *peer)
{
  if (self->relief_at != 0 || self->peers->len >= self->limits.max_workers ||
      aiopool_outbound_get_n_slots (aiopool_peer_get_outbound (peer)) <=
        self->limits.tasks_per_worker)
    return;
  self->relief_at = g_get_monotonic_time () + RELIEF_USEC;
  aiopool_dispatch_wake_at (self, self->relief_at);
}

/* Writes what waits, whatever the state: a hook goes to a worker that has no tasks yet, or no more.
 * On the engine thread, or for a worker that is open. */
void
aiopool_pump_go_on (AiopoolScheduler *self,
                    AiopoolPeer      *peer,
                    AiopoolReport    *report)
{
  if (!aiopool_peer_begin_pump (peer))
    return;
  aiopool_peer_ref (peer);
  go_on (self, peer, TRUE, report);
  watch_load (self, peer);
  aiopool_peer_unref (peer);
}

void
aiopool_pump_peer (AiopoolScheduler *self,
                   AiopoolPeer      *peer,
                   AiopoolReport    *report)
{
  if (is_open (peer))
    aiopool_pump_go_on (self, peer, report);
}

/* For when orders went back to the queue. */
void
aiopool_pump_all (AiopoolScheduler *self,
                  AiopoolReport    *report)
{
  for (guint i = 0; i < self->peers->len && self->queue.n_orders > 0; i++)
    aiopool_pump_peer (self, g_ptr_array_index (self->peers, i), report);
}

static AiopoolPeer *
find_idle (AiopoolScheduler *self)
{
  for (guint i = 0; i < self->peers->len; i++)
    {
      AiopoolPeer *peer = g_ptr_array_index (self->peers, i);

      if (aiopool_peer_get_state (peer) == AIOPOOL_WORKER_IDLE &&
          aiopool_pump_may_begin (self, peer))
        return peer;
    }
  return NULL;
}

/* The worker with most orders behind the one it runs. */
static AiopoolPeer *
find_loaded (AiopoolScheduler *self)
{
  AiopoolPeer *loaded = NULL;
  guint most = 1;

  for (guint i = 0; i < self->peers->len; i++)
    {
      AiopoolPeer *peer = g_ptr_array_index (self->peers, i);
      AiopoolOutbound *outbound = aiopool_peer_get_outbound (peer);
      guint n = aiopool_outbound_get_n_slots (outbound);

      if (n > most && aiopool_outbound_get_n_orders (outbound) > 0)
        {
          most = n;
          loaded = peer;
        }
    }
  return loaded;
}

/* Whether an order that was sent waits for another one. */
gboolean
aiopool_pump_has_waiting (AiopoolScheduler *self)
{
  return find_loaded (self) != NULL;
}

/* Whether orders wait at @peer behind one that was sent long ago. */
static gboolean
is_held_up (AiopoolScheduler *self,
            AiopoolPeer      *peer,
            gint64            now)
{
  AiopoolOutbound *outbound = aiopool_peer_get_outbound (peer);
  AiopoolOrder *first = aiopool_outbound_get_first (outbound);

  return aiopool_outbound_get_n_slots (outbound) > self->limits.tasks_per_worker &&
         first != NULL && now - first->sent >= RELIEF_USEC;
}

/* Starts a worker if that is all that helps, and looks again as long as it may. */
void
aiopool_pump_relieve (AiopoolScheduler *self,
                      gint64            now)
{
  gboolean is_needed = FALSE;

  self->relief_at = 0;
  if (!aiopool_pump_has_waiting (self) ||
      aiopool_crew_count_alive (self) >= self->limits.max_workers)
    return;
  for (guint i = 0; i < self->peers->len && !is_needed; i++)
    is_needed = is_held_up (self, g_ptr_array_index (self->peers, i), now);
  if (is_needed && find_idle (self) == NULL)
    aiopool_crew_hire_one (self);
  self->relief_at = now + (is_needed ? START_USEC : RELIEF_USEC);
  aiopool_dispatch_wake_at (self, self->relief_at);
}

/* How much work waits at @peer, by the average and by what it has been doing. */
static gint64
estimate_load (AiopoolPeer *peer,
               gint64       now)
{
  AiopoolOutbound *outbound = aiopool_peer_get_outbound (peer);
  AiopoolOrder *first = aiopool_outbound_get_first (outbound);
  gint64 average = MAX (first->function->run_time, 0) / 1000 *
                   aiopool_outbound_get_n_orders (outbound);

  return MAX (average, now - first->sent);
}

/* Takes back the younger half of what has not started; FALSE if there was nothing. */
static gboolean
take_back (AiopoolScheduler *self,
           AiopoolPeer      *peer)
{
  AiopoolOutbound *outbound = aiopool_peer_get_outbound (peer);
  guint n = (aiopool_outbound_get_n_slots (outbound) + 1) / 2;
  AiopoolOrder *order;
  gboolean any = FALSE;

  while (n-- > 0 && (order = aiopool_outbound_get_last (outbound)) != NULL)
    {
      if (order == aiopool_outbound_get_copied (outbound) ||
          !aiopool_outbound_revoke (outbound, order))
        break;
      aiopool_job_set_state (AIOPOOL_JOB (order), AIOPOOL_JOB_QUEUED);
      aiopool_queue_push_front (&self->queue, order);
      any = TRUE;
    }
  return any;
}

/* Gives a worker without work what waits behind another one's task, or in a chunk. */
void
aiopool_pump_balance (AiopoolScheduler *self,
                      AiopoolReport    *report)
{
  for (guint n = self->peers->len; n > 0 && self->queue.n_orders == 0; n--)
    {
      AiopoolPeer *idle = find_idle (self);
      AiopoolPeer *loaded = idle != NULL ? find_loaded (self) : NULL;
      gint64 now;

      if (idle == NULL)
        return;
      now = g_get_monotonic_time ();
      if (loaded == NULL)
        {
          aiopool_chunks_split (self, now, report);
          return;
        }
      if (estimate_load (loaded, now) < BALANCE_USEC)
        {
          self->balance_at = now + BALANCE_USEC;
          aiopool_dispatch_wake_at (self, self->balance_at);
          return;
        }
      if (!take_back (self, loaded))
        {
          aiopool_chunks_split (self, now, report);
          return;
        }
      aiopool_pump_peer (self, idle, report);
    }
}
