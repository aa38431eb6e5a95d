/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/sched/aiopool-dispatch-private.h"

/* What there is now: how many tasks wait and run, and which workers live. The queue counts those
 * that wait here; which of those that were sent have started is read from the status pages. */

/* What since @begin is after each of the two moments. */
static void
add_span (gint64       *total,
          gint64       *recent,
          gint64        begin,
          AiopoolSpans *spans)
{
  *total += MAX (spans->now - MAX (begin, spans->since), 0);
  *recent += MAX (spans->now - MAX (begin, spans->recently), 0);
}

static void
count_orders (AiopoolPeer   *peer,
              AiopoolCounts *counts,
              AiopoolSpans  *spans)
{
  AiopoolOrder *order = aiopool_outbound_get_first (aiopool_peer_get_outbound (peer));
  gint64 claimed;

  for (; order != NULL; order = order->next)
    {
      if (!aiopool_status_page_is_started (aiopool_peer_get_page (peer), order->id, &claimed))
        {
          counts->n_pending++;
          continue;
        }
      counts->n_running++;
      if (spans != NULL)
        add_span (&spans->ran, &spans->ran_recently, MAX (claimed, order->sent), spans);
    }
}

/* Under the lock. @spans: (nullable) (inout): its sums go up. */
void
aiopool_scheduler_count (AiopoolScheduler *self,
                         AiopoolCounts    *counts,
                         AiopoolSpans     *spans)
{
  *counts = (AiopoolCounts) { .n_pending = self->queue.n_orders };
  for (guint i = 0; i < self->peers->len; i++)
    {
      AiopoolPeer *peer = g_ptr_array_index (self->peers, i);

      counts->n_workers++;
      counts->n_idle += aiopool_peer_get_state (peer) == AIOPOOL_WORKER_IDLE;
      counts->n_busy += aiopool_peer_get_state (peer) == AIOPOOL_WORKER_BUSY;
      count_orders (peer, counts, spans);
      if (spans != NULL)
        add_span (&spans->lived, &spans->lived_recently, aiopool_peer_get_born (peer), spans);
    }
}

void
aiopool_scheduler_get_counts (AiopoolScheduler *self,
                              AiopoolCounts    *counts)
{
  *counts = (AiopoolCounts) { 0 };
  if (aiopool_engine_is_forked ())
    return;
  aiopool_scheduler_lock (self);
  aiopool_scheduler_count (self, counts, NULL);
  g_mutex_unlock (&self->lock);
}

static AiopoolWorkerStatus
status_of (AiopoolPeer *peer)
{
  AiopoolWorkerStatus status = {
    aiopool_peer_get_number (peer),
    aiopool_peer_get_pid (peer),
    aiopool_peer_get_state (peer),
    aiopool_peer_get_n_done (peer),
  };

  return status;
}

/* (transfer full): of AiopoolWorkerStatus. */
GArray *
aiopool_scheduler_list_workers (AiopoolScheduler *self)
{
  GArray *list = g_array_new (FALSE, FALSE, sizeof (AiopoolWorkerStatus));

  if (aiopool_engine_is_forked ())
    return list;
  g_mutex_lock (&self->lock);
  for (guint i = 0; i < self->peers->len; i++)
    {
      AiopoolWorkerStatus status = status_of (g_ptr_array_index (self->peers, i));

      g_array_append_val (list, status);
    }
  g_mutex_unlock (&self->lock);
  return list;
}

/* FALSE if it is gone. */
gboolean
aiopool_scheduler_get_worker (AiopoolScheduler    *self,
                              guint                number,
                              AiopoolWorkerStatus *status)
{
  gboolean is_found = FALSE;

  if (aiopool_engine_is_forked ())
    return FALSE;
  g_mutex_lock (&self->lock);
  for (guint i = 0; i < self->peers->len && !is_found; i++)
    {
      AiopoolPeer *peer = g_ptr_array_index (self->peers, i);

      is_found = aiopool_peer_get_number (peer) == number;
      if (is_found)
        *status = status_of (peer);
    }
  g_mutex_unlock (&self->lock);
  return is_found;
}
