/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/sched/aiopool-dispatch-private.h"

/* Whether tasks go to a worker now or wait for company.
 *
 * To wake a worker costs more than a short task takes. So while tasks come in a burst, or a worker
 * that is about to come back for more can take them, little work stays in the queue, for a short
 * time at most; everything else goes at once. */

#define WAKE_NSEC   400000 /* so much work is worth a wake-up of a worker */
#define TASK_NSEC   1000   /* there is at least so much in every task */
#define GATHER_USEC 250    /* how long less than that waits for company at most */
#define NEAR_USEC   300    /* for how long a worker is said to come back at once */
#define BURST_USEC  20     /* between two submits of a burst */

/* A worker that starts what it gets at once: an idle one, or one that runs several. */
static AiopoolPeer *
find_free (AiopoolScheduler *self)
{
  AiopoolOrder *order = aiopool_queue_peek (&self->queue);
  AiopoolPeer *busy = NULL;

  for (guint i = 0; order != NULL && i < self->peers->len; i++)
    {
      AiopoolPeer *peer = g_ptr_array_index (self->peers, i);
      AiopoolOutbound *outbound = aiopool_peer_get_outbound (peer);
      AiopoolWorkerState state = aiopool_peer_get_state (peer);

      if (state == AIOPOOL_WORKER_IDLE && aiopool_pump_may_begin (self, peer))
        return peer;
      if (busy == NULL && state == AIOPOOL_WORKER_BUSY &&
          aiopool_outbound_get_n_slots (outbound) < self->limits.tasks_per_worker &&
          aiopool_pump_has_room (self, peer, order))
        busy = peer;
    }
  return busy;
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

/* Of how many tasks what waits may grow before it is worth a wake-up. */
static guint
get_limit (AiopoolFunctionInfo *function)
{
  return function->run_time >= 0 ? (guint) (WAKE_NSEC / (function->run_time + TASK_NSEC)) : 0;
}

/* Whether what waits is less work than it costs to wake a worker, so that it may wait for more. */
static gboolean
is_little (AiopoolScheduler *self)
{
  AiopoolOrder *order = aiopool_queue_peek (&self->queue);

  return order != NULL && self->state == AIOPOOL_SCHEDULER_OPEN &&
         (guint64) self->queue.n_orders * MAX (order->n_items, 1) <= get_limit (order->function);
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

/* So many more may come before anybody looks; not for long, though a chunk be looked at later. */
static void
wait_for (AiopoolScheduler *self,
          guint             n,
          gint64            now)
{
  if (self->balance_at == 0 || self->balance_at > now + GATHER_USEC)
    self->balance_at = now + GATHER_USEC;
  aiopool_dispatch_wake_at (self, self->balance_at);
  g_atomic_int_set (&self->grace, (int) MAX (n, 1));
}

static void
wait_for_company (AiopoolScheduler *self,
                  gint64            now)
{
  AiopoolOrder *order = aiopool_queue_peek (&self->queue);

  wait_for (self, get_limit (order->function) - self->queue.n_orders, now);
}

/* In the middle of a burst, the next ones may gather as these did; chunks are much at once. */
static void
go_on_gathering (AiopoolScheduler *self,
                 gint64            now)
{
  guint limit = get_limit (self->last_function);

  if (limit == 0 || !is_bursting (self, now) ||
      AIOPOOL_ORDER_IS_CHUNK (aiopool_queue_peek (&self->queue)))
    return;
  self->balance_at = 0;
  wait_for (self, limit, now);
}

/* Nobody waits for company any more. What arrived while it might is here or is seen to by its own
 * thread. */
void
aiopool_gather_end (AiopoolScheduler *self,
                    AiopoolReport    *report)
{
  self->balance_at = 0;
  g_atomic_int_set (&self->grace, 0);
  aiopool_scheduler_let_in (self);
  aiopool_pump_all (self, report);
  aiopool_pump_balance (self, report);
}

static void
pump_free (AiopoolScheduler *self,
           AiopoolPeer      *peer,
           AiopoolReport    *report)
{
  for (guint n = self->peers->len; n > 0 && peer != NULL && self->queue.n_orders > 0; n--)
    {
      aiopool_pump_peer (self, peer, report);
      peer = find_free (self);
    }
}

/* Something was put into the queue by submits. */
void
aiopool_gather_new_orders (AiopoolScheduler *self,
                           AiopoolReport    *report)
{
  AiopoolPeer *peer;
  gint64 now = self->last_submit;

  if (self->queue.n_orders == 0)
    return;
  if (is_little (self) && (is_bursting (self, now) || is_taker_near (self, now)))
    {
      wait_for_company (self, now);
      return;
    }
  go_on_gathering (self, now);
  if ((peer = find_free (self)) != NULL)
    pump_free (self, peer, report);
  else if (aiopool_crew_count_alive (self) < self->limits.max_workers)
    aiopool_crew_hire (self);
  else if ((peer = find_nearly_free (self)) != NULL)
    aiopool_pump_peer (self, peer, report);
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

static void
has_become_idle (AiopoolScheduler *self,
                 AiopoolPeer      *peer,
                 AiopoolReport    *report)
{
  if (aiopool_crew_has_served (self, peer))
    {
      aiopool_crew_retire (self, peer);
      aiopool_pump_all (self, report);
      aiopool_crew_hire (self);
      return;
    }
  if (is_all_idle (self))
    self->epoch++;
  else
    aiopool_pump_balance (self, report);
  aiopool_crew_watch_idle (self, peer);
}

/* @peer has room for something else. It may end while the lock is given up. */
void
aiopool_gather_slot_freed (AiopoolScheduler *self,
                           AiopoolPeer      *peer,
                           AiopoolReport    *report)
{
  gint64 now = g_get_monotonic_time ();

  aiopool_peer_ref (peer);
  if (is_little (self) && is_bursting (self, now))
    wait_for_company (self, now);
  else if (!aiopool_pump_has_plenty (self, peer))
    aiopool_pump_peer (self, peer, report);
  if (aiopool_outbound_get_n_slots (aiopool_peer_get_outbound (peer)) == 0)
    aiopool_peer_set_busy (peer, FALSE);
  if (aiopool_peer_get_state (peer) == AIOPOOL_WORKER_IDLE)
    has_become_idle (self, peer, report);
  aiopool_peer_unref (peer);
}
