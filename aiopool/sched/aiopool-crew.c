/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/sched/aiopool-dispatch-private.h"

#include "aiopool/base/aiopool-error.h"

/* The crew: which worker processes there are.
 *
 * A worker is started when tasks wait, none is free and the maximum allows it, or when there are
 * fewer than the minimum; it is asked to go when it has been idle for long enough, or has had all
 * the tasks that one may have. The next is started when a worker gets the last of these, and begins
 * when that one is done with it.
 *
 * When one cannot be started, others go on and it is tried again later, each time after twice the
 * pause; when there is no other, every waiting task fails with the reason, rather than wait for
 * what may never come, and only for the minimum it is tried again. So it is when several in a row
 * are killed before they report, or end before they start a task. When the budget for such workers
 * is spent, the pool is broken. */

#define WRITE_USEC       1000 /* until a copy or a write that goes on may be over */
#define TRIM_USEC        (5 * G_USEC_PER_SEC)
#define STAND_BY_USEC    G_USEC_PER_SEC
#define FIRST_PAUSE_USEC 50000
#define MAX_PAUSE_USEC   (5 * G_USEC_PER_SEC)
#define MAX_EARLY_ENDS   5

/* Whether it has had all the tasks that one may have. */
gboolean
aiopool_crew_is_spent (AiopoolScheduler *self,
                       AiopoolPeer      *peer)
{
  return self->limits.max_tasks_per_worker > 0 &&
         aiopool_peer_get_n_done (peer) +
         aiopool_outbound_get_n_slots (aiopool_peer_get_outbound (peer)) >=
         self->limits.max_tasks_per_worker;
}

/* Workers that live or are being started, and may have tasks; and those that failed to start until
 * they have ended, for only then it is said what becomes of the tasks that wait for them. */
guint
aiopool_crew_count_alive (AiopoolScheduler *self)
{
  guint n = self->n_spawning;

  for (guint i = 0; i < self->peers->len; i++)
    {
      AiopoolPeer *peer = g_ptr_array_index (self->peers, i);
      AiopoolWorkerState state = aiopool_peer_get_state (peer);

      n += aiopool_peer_is_failed_start (peer) ||
           (state != AIOPOOL_WORKER_CLOSING && state != AIOPOOL_WORKER_DEAD &&
            (state == AIOPOOL_WORKER_STARTING || !aiopool_crew_is_spent (self, peer)));
    }
  return n;
}

static guint
count_starting (AiopoolScheduler *self)
{
  guint n = self->n_spawning;

  for (guint i = 0; i < self->peers->len; i++)
    {
      AiopoolPeer *peer = g_ptr_array_index (self->peers, i);

      n += aiopool_peer_get_state (peer) == AIOPOOL_WORKER_STARTING ||
           aiopool_peer_is_failed_start (peer);
    }
  return n;
}

/* Whether @peer, which is idle, is to be gone at once: it is spent, or there is one too many. So it
 * is when its last task was taken back after the next worker had been started. */
gboolean
aiopool_crew_has_served (AiopoolScheduler *self,
                         AiopoolPeer      *peer)
{
  return aiopool_crew_is_spent (self, peer) ||
         (self->peers->len > self->limits.max_workers &&
          aiopool_crew_count_alive (self) > self->limits.max_workers);
}

/* @n: those that are or will be. */
static gboolean
is_below_minimum (AiopoolScheduler *self,
                  guint             n)
{
  return self->keeps_min && n < self->limits.min_workers && n < self->limits.max_workers &&
         self->state == AIOPOOL_SCHEDULER_OPEN;
}

static gboolean
may_start (AiopoolScheduler *self)
{
  return !self->is_terminating && self->broken == NULL;
}

/* Those that are on their way out count too: with slow finalizers and few tasks per worker they
 * would pile up. When one of them has ended this is asked again. */
static gboolean
has_place (AiopoolScheduler *self,
           guint             n_alive)
{
  return n_alive < self->limits.max_workers &&
         self->peers->len + self->n_spawning < 2 * self->limits.max_workers;
}

static gboolean
is_needed (AiopoolScheduler *self)
{
  guint n_alive = aiopool_crew_count_alive (self);

  return may_start (self) && has_place (self, n_alive) &&
         (self->queue.n_orders > count_starting (self) || is_below_minimum (self, n_alive));
}

static AiopoolPeer *
start_peer (AiopoolScheduler *self,
            GError          **error)
{
  AiopoolPeerLimits limits = {
    .start_timeout = self->limits.start_timeout,
    .grace_period = self->limits.grace_period,
    .max_result_size = self->limits.max_result_size,
    .tasks_per_worker = self->limits.tasks_per_worker,
  };
  guint number = ++self->n_started;
  AiopoolPeer *peer;

  g_mutex_unlock (&self->lock);
  peer = aiopool_peer_start (self->launcher, &limits, number, &aiopool_dispatch_peer_owner, self,
                             &self->lock, error);
  g_mutex_lock (&self->lock);
  return peer;
}

static void
hire_one (AiopoolScheduler *self,
          gboolean          is_ahead)
{
  AiopoolReport report = { NULL };
  g_autoptr (GError) error = NULL;
  AiopoolPeer *peer = NULL;

  aiopool_scheduler_lock (self);
  if (may_start (self) &&
      (is_ahead || self->queue.n_orders > 0 || aiopool_pump_has_waiting (self) ||
       is_below_minimum (self, aiopool_crew_count_alive (self) - 1)))
    peer = start_peer (self, &error);
  self->n_spawning--;
  if (peer != NULL)
    {
      g_ptr_array_add (self->peers, peer);
      aiopool_observe_worker_started (self, peer);
      aiopool_scheduler_ref (self);
      report.has_changed = TRUE;
      if (self->is_terminating)
        aiopool_peer_terminate (peer);
    }
  else if (error != NULL)
    aiopool_crew_start_failed (self, error, NULL, &report);
  if (self->n_spawning == 0)
    g_cond_broadcast (&self->hired);
  aiopool_closing_check (self, &report);
  aiopool_scheduler_unlock_and_tell (self, &report);
  aiopool_scheduler_unref (self);
}

/* On the engine thread. The reference that came with the post goes to the worker. The task that it
 * was for may have gone to a worker that came first, and wait there behind a long one. */
static void
on_hire (gpointer scheduler)
{
  hire_one (scheduler, FALSE);
}

static void
on_hire_ahead (gpointer scheduler)
{
  hire_one (scheduler, TRUE);
}

static void
hire (AiopoolScheduler *self,
      AiopoolEngineFunc on_engine)
{
  self->n_spawning++;
  aiopool_engine_post (on_engine, aiopool_scheduler_ref (self));
}

/* Starts up to @n workers that nobody needs yet. Returns how many. */
guint
aiopool_crew_hire_ahead (AiopoolScheduler *self,
                         guint             n)
{
  guint n_alive = aiopool_crew_count_alive (self);

  n = MIN (n, self->limits.max_workers - MIN (n_alive, self->limits.max_workers));
  self->keeps_min = TRUE;
  for (guint i = 0; i < n; i++)
    hire (self, on_hire_ahead);
  return n;
}

/* For tasks that wait with a worker that is busy, not in the queue. */
void
aiopool_crew_hire_one (AiopoolScheduler *self)
{
  if (may_start (self) && count_starting (self) == 0 &&
      g_get_monotonic_time () >= self->spawn_after &&
      aiopool_crew_count_alive (self) < self->limits.max_workers)
    hire (self, on_hire);
}

/* Starts as many workers as there are tasks that nobody could take, and those below the minimum. */
void
aiopool_crew_hire (AiopoolScheduler *self)
{
  if (self->queue.n_orders > 0)
    self->keeps_min = TRUE;
  if (!is_needed (self))
    return;
  if (self->spawn_after > 0 && g_get_monotonic_time () < self->spawn_after)
    {
      aiopool_dispatch_wake_at (self, self->spawn_after);
      return;
    }
  self->spawn_after = 0;
  while (is_needed (self))
    hire (self, on_hire);
}

static void
look_again_at (AiopoolScheduler *self,
               gint64            when)
{
  if (self->idle_check_at > 0 && self->idle_check_at <= when)
    return;
  self->idle_check_at = when;
  aiopool_dispatch_wake_at (self, when);
}

/* @peer has said HELLO and done what it has to do before its first task. */
void
aiopool_crew_is_ready (AiopoolScheduler *self,
                       AiopoolPeer      *peer,
                       AiopoolReport    *report)
{
  report->has_changed = TRUE;
  if (!aiopool_peer_set_ready (peer))
    return;
  self->n_failed_starts = 0;
  self->spawn_after = 0;
  aiopool_gather_slot_freed (self, peer, report);
  aiopool_crew_hire (self);
}

/* Whether it has nothing to do. One whose tasks were taken back may still be said to be busy. */
gboolean
aiopool_crew_is_free (AiopoolPeer *peer)
{
  AiopoolWorkerState state = aiopool_peer_get_state (peer);

  return (state == AIOPOOL_WORKER_IDLE || state == AIOPOOL_WORKER_BUSY) &&
         aiopool_outbound_get_n_slots (aiopool_peer_get_outbound (peer)) == 0;
}

/* Whether a thread writes to it outside the lock, or copies an argument of a task that was taken
 * back: a finalizer cannot be added now. */
static gboolean
is_being_written (AiopoolPeer *peer)
{
  return aiopool_peer_is_pumping (peer) ||
         !aiopool_outbound_can_add (aiopool_peer_get_outbound (peer));
}

/* Asks a worker without a task to go, after its finalizer. One that is still being written to is
 * seen to later; one that is still at its initializer is told to stop: nobody waits for that. */
void
aiopool_crew_retire (AiopoolScheduler *self,
                     AiopoolPeer      *peer)
{
  gboolean is_idle = aiopool_crew_is_free (peer);

  if (self->initializer != NULL && aiopool_peer_get_state (peer) == AIOPOOL_WORKER_STARTING)
    aiopool_peer_terminate (peer);
  else if (is_idle && is_being_written (peer))
    look_again_at (self, g_get_monotonic_time () + WRITE_USEC);
  else if (aiopool_peer_retire (peer) && !(is_idle && aiopool_hooks_finalize (self, peer)))
    aiopool_peer_hang_up (peer);
}

/* @peer has become idle. */
void
aiopool_crew_watch_idle (AiopoolScheduler *self,
                         AiopoolPeer      *peer)
{
  gint64 since = aiopool_peer_get_idle_since (peer);

  if (self->limits.idle_timeout >= 0 && self->state == AIOPOOL_SCHEDULER_OPEN)
    look_again_at (self, since + self->limits.idle_timeout);
  if (aiopool_peer_has_memory (peer))
    look_again_at (self, since + TRIM_USEC);
}

/* Whether @peer, which is idle, is to go though nobody waits for its end. While tasks wait none is
 * idle for want of them: it stands by for the place of another one, and would be replaced. */
static gboolean
may_go (AiopoolScheduler *self,
        AiopoolPeer      *peer,
        gint64            retire_at,
        gint64            now)
{
  return aiopool_crew_has_served (self, peer) ||
         (retire_at <= now && self->queue.n_orders == 0 &&
          aiopool_crew_count_alive (self) > self->limits.min_workers);
}

/* When to see next whether an idle worker that stays is to go: at @retire_at, or, if it stands by,
 * now and then, for it may be that nobody gives it a task. */
static void
look_again_whether_idle (AiopoolScheduler *self,
                         gint64            retire_at,
                         gint64            now)
{
  if (retire_at == G_MAXINT64)
    return;
  if (retire_at > now)
    look_again_at (self, retire_at);
  else if (self->queue.n_orders > 0)
    look_again_at (self, now + STAND_BY_USEC);
}

/* Asks workers to go that have been idle for the idle timeout, gives back memory that was kept for
 * those that are idle for a while, and looks again when the next may be. */
void
aiopool_crew_care_for_idle (AiopoolScheduler *self,
                            gint64            now)
{
  self->idle_check_at = 0;
  for (guint i = 0; i < self->peers->len; i++)
    {
      AiopoolPeer *peer = g_ptr_array_index (self->peers, i);
      gint64 since = aiopool_peer_get_idle_since (peer);
      gint64 retire_at = self->limits.idle_timeout >= 0 ? since + self->limits.idle_timeout
                                                        : G_MAXINT64;

      if (aiopool_peer_get_state (peer) != AIOPOOL_WORKER_IDLE)
        continue;
      if (may_go (self, peer, retire_at, now))
        aiopool_crew_retire (self, peer);
      else if (since + TRIM_USEC <= now && aiopool_peer_has_memory (peer))
        aiopool_peer_trim (peer);
      else if (aiopool_peer_has_memory (peer))
        look_again_at (self, since + TRIM_USEC);
      look_again_whether_idle (self, retire_at, now);
    }
}

static void
fail_queue (AiopoolScheduler *self,
            const GError     *why,
            const char       *last_lines,
            AiopoolReport    *report)
{
  g_autoptr (GError) error = g_error_copy (why);
  AiopoolJob *job;

  aiopool_dispatch_add_last_lines (error, last_lines);
  while ((job = aiopool_dispatch_claim_next (self, report)) != NULL)
    aiopool_report_error (report, job, g_error_copy (error), 0);
}

/* After @n failures in a row. */
static void
pause_after (AiopoolScheduler *self,
             guint             n)
{
  self->spawn_after = g_get_monotonic_time () + MIN ((gint64) FIRST_PAUSE_USEC << MIN (n - 1, 7),
                                                     MAX_PAUSE_USEC);
  aiopool_dispatch_wake_at (self, self->spawn_after);
}

/* A worker came to nothing. TRUE if that was one too many. */
static gboolean
spend_budget (AiopoolScheduler *self,
              const GError     *why,
              AiopoolReport    *report)
{
  self->n_in_vain++;
  if (self->limits.is_fragile)
    aiopool_closing_break (self, g_error_copy (why), TRUE, report);
  else if (self->limits.restart_budget > 0 && self->n_in_vain >= self->limits.restart_budget)
    aiopool_closing_break (self,
                           g_error_new (AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_BROKEN,
                                        "%u workers in a row ended before they started a task; "
                                        "the last: %s", self->n_in_vain, why->message),
                           FALSE, report);
  return self->broken != NULL;
}

/* A worker could not be started, or ended by itself before it reported. */
void
aiopool_crew_start_failed (AiopoolScheduler *self,
                           const GError     *why,
                           const char       *last_lines,
                           AiopoolReport    *report)
{
  self->n_failed_starts++;
  g_debug ("scheduler %p: start %u in a row failed: %s", self, self->n_failed_starts,
           why->message);
  if (spend_budget (self, why, report))
    return;
  if (aiopool_crew_count_alive (self) > 0)
    {
      pause_after (self, self->n_failed_starts);
      return;
    }
  fail_queue (self, why, last_lines, report);
  if (is_below_minimum (self, 0))
    pause_after (self, self->n_failed_starts);
  else
    self->n_failed_starts = 0;
}

/* A worker was killed before it reported, or had tasks and ended before it started any of them:
 * that was somebody else, or it is no good. The first is replaced at once. */
void
aiopool_crew_ended_early (AiopoolScheduler *self,
                          const GError     *why,
                          const char       *last_lines,
                          AiopoolReport    *report)
{
  g_autoptr (GError) error = NULL;

  self->n_early_ends++;
  g_debug ("scheduler %p: early end %u in a row: %s", self, self->n_early_ends, why->message);
  if (spend_budget (self, why, report))
    return;
  if (self->n_early_ends >= MAX_EARLY_ENDS && aiopool_crew_count_alive (self) == 0)
    {
      error = g_error_new (AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_START_FAILED,
                           "%u workers in a row ended before they started a task: %s",
                           self->n_early_ends, why->message);
      fail_queue (self, error, last_lines, report);
      if (!is_below_minimum (self, 0))
        self->n_early_ends = 0;
    }
  if (self->n_early_ends > 1)
    pause_after (self, self->n_early_ends - 1);
}
