/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/sched/aiopool-dispatch-private.h"

/* Whether tasks go to a worker now or wait for company.
 *
 * To wake a worker costs more than a short task takes. So while tasks come in a burst, or a worker
 * that is about to come back for more can take them, little work stays in the queue, for a short
 * time at most; everything else goes at once. */

#define WAKE_USEC     200 /* so much work is worth a wake-up of a worker */
#define GATHER_USEC   100 /* how long less than that waits for company at most */
#define NEAR_USEC     300 /* for how long a worker is said to come back at once */
#define BURST_USEC    20  /* between two submits of a burst */

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
aiopool_gather_new_order (AiopoolScheduler *self,
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
aiopool_gather_slot_freed (AiopoolScheduler *self,
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
