/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/sched/aiopool-dispatch-private.h"

/* What there is now: how many tasks wait and run, and how many workers live. The queue counts those
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
