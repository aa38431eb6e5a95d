/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/sched/aiopool-dispatch-private.h"

/* Chunks: jobs of many items, which the worker runs one after the other.
 *
 * A chunk is a job as any other: it waits, is sent, taken back and settled as a whole. But what
 * came of its items is told as it comes, and its tail can be taken back while it runs: for its
 * owner, who wants it no more, and for a worker that has nothing to do. What has begun is never
 * sent again. */

#define SPLIT_USEC 2000 /* less work than that is not worth another worker's time */

/* Nanoseconds of each of @n items that took @total microseconds, whatever a worker says. */
static gint64
average (guint64 total,
         guint   n)
{
  return (gint64) (total / n * 1000 + total % n * 1000 / n);
}

/* FALSE if the worker may not say that. */
gboolean
aiopool_chunks_take_items (AiopoolScheduler *self,
                           AiopoolPeer      *peer,
                           AiopoolOrder     *order,
                           AiopoolItems     *items,
                           gint64            now)
{
  AiopoolJob *job = AIOPOOL_JOB (order);
  guint64 total = 0;

  if (!AIOPOOL_ORDER_IS_CHUNK (order) ||
      !aiopool_outbound_take_items (aiopool_peer_get_outbound (peer), order, items, now))
    return FALSE;
  for (guint i = 0; i < items->n; i++)
    total += items->run_times[i];
  items->started = CLAMP (items->started, order->sent, now);
  items->outcome.started = CLAMP (items->outcome.started, order->sent, now);
  items->outcome.ended = CLAMP (items->outcome.ended, items->outcome.started, now);
  items->outcome.pid = aiopool_peer_get_pid (peer);
  aiopool_dispatch_learn_run_time (self, order->function, average (total, items->n));
  aiopool_observe_items (job, items, now);
  job->klass->items (job, items);
  return TRUE;
}

/* Whether the worker may end a task so: a chunk with a result when all its items came, and with an
 * error of all of them before one has begun. */
gboolean
aiopool_chunks_may_end (AiopoolPeer          *peer,
                        AiopoolOrder         *order,
                        const AiopoolOutcome *outcome,
                        gint64                now)
{
  gint64 since;

  if (!AIOPOOL_ORDER_IS_CHUNK (order))
    return TRUE;
  if (outcome->error == NULL)
    return order->n_came == order->n_items;
  return aiopool_outbound_count_begun (aiopool_peer_get_outbound (peer), order, now,
                                       &since) == 0;
}

static void
shorten (AiopoolScheduler *self,
         AiopoolJob       *job,
         guint32           from,
         AiopoolReport    *report)
{
  AiopoolOrder *order = &job->order;

  if (from == 0 && aiopool_scheduler_cancel_unstarted (self, job, report))
    order->n_items = 0;
  else if (job->state == AIOPOOL_JOB_QUEUED)
    order->n_items = MIN (order->n_items, from);
  else
    aiopool_outbound_cut (aiopool_peer_get_outbound (order->peer), order, from);
}

/* Takes back the items from @from on that have not begun, and has the owner told so. */
void
aiopool_chunks_shorten (AiopoolScheduler *self,
                        AiopoolJob       *job,
                        guint32           from,
                        AiopoolReport    *report)
{
  guint32 n_items = job->order.n_items;

  shorten (self, job, from, report);
  if (job->order.n_items < n_items)
    aiopool_report_shortened (report, job);
}

/* Takes back the items of a chunk from @from on that have not begun. One that is left without any
 * before its start is settled as cancelled. From any thread. Returns how many items it has from now
 * on, %G_MAXUINT if nothing can be taken back: it is not submitted yet, or was before a fork. */
guint
aiopool_scheduler_shorten (AiopoolScheduler *self,
                           AiopoolJob       *job,
                           guint             from)
{
  AiopoolReport report = { NULL };
  guint n_items;

  if (aiopool_engine_is_forked ())
    return G_MAXUINT;
  aiopool_scheduler_lock (self);
  if (job->state == AIOPOOL_JOB_QUEUED || job->state == AIOPOOL_JOB_SENT)
    shorten (self, job, from, &report);
  n_items = job->state != AIOPOOL_JOB_NEW ? job->order.n_items : G_MAXUINT;
  aiopool_closing_check (self, &report);
  aiopool_scheduler_unlock_and_tell (self, &report);
  return n_items;
}

/* How many items of a chunk may have begun. @since, @pid (out): of the last, if there is one and
 * the chunk has not ended; else 0. */
guint
aiopool_scheduler_count_begun (AiopoolScheduler *self,
                               AiopoolJob       *job,
                               gint64           *since,
                               int              *pid)
{
  guint n_begun = 0;

  *since = 0;
  *pid = 0;
  if (aiopool_engine_is_forked ())
    return 0;
  g_mutex_lock (&self->lock);
  if (job->state == AIOPOOL_JOB_SENT)
    n_begun = aiopool_outbound_count_begun (aiopool_peer_get_outbound (job->order.peer),
                                            &job->order, g_get_monotonic_time (), since);
  else if (job->state == AIOPOOL_JOB_SETTLED)
    n_begun = job->order.n_came;
  if (n_begun > 0 && job->state == AIOPOOL_JOB_SENT)
    *pid = aiopool_peer_get_pid (job->order.peer);
  g_mutex_unlock (&self->lock);
  return n_begun;
}

/* How many of an order's items are not over; one that is no chunk is one. */
static guint
count_left (AiopoolOutbound *outbound,
            AiopoolOrder    *order,
            gint64           now)
{
  gint64 since;

  if (!AIOPOOL_ORDER_IS_CHUNK (order))
    return 1;
  return order->n_items + 1 - aiopool_outbound_count_begun (outbound, order, now, &since);
}

/* Nanoseconds of work that @peer has, by the averages; G_MAXINT64 if that is not known. */
gint64
aiopool_chunks_estimate (AiopoolPeer *peer,
                         gint64       now)
{
  AiopoolOutbound *outbound = aiopool_peer_get_outbound (peer);
  gint64 total = 0;

  for (AiopoolOrder *order = aiopool_outbound_get_first (outbound); order; order = order->next)
    {
      if (order->function->run_time < 0)
        return G_MAXINT64;
      total += MAX (order->function->run_time, 1) * count_left (outbound, order, now);
    }
  return total;
}

/* The chunk at @peer of which most items have not begun; (nullable). It keeps one at least: a chunk
 * of one that has not begun is on its way. */
static AiopoolOrder *
find_longest (AiopoolPeer *peer,
              gint64       now,
              guint32     *n_left)
{
  AiopoolOutbound *outbound = aiopool_peer_get_outbound (peer);
  AiopoolOrder *longest = NULL;

  for (AiopoolOrder *order = aiopool_outbound_get_first (outbound); order; order = order->next)
    {
      guint32 n = count_left (outbound, order, now) - 1;

      if (AIOPOOL_ORDER_IS_CHUNK (order) && order->n_items > 1 && n > *n_left)
        {
          longest = order;
          *n_left = n;
        }
    }
  return longest;
}

/* For how long the items of a chunk that have not begun will wait and run: by the average, and by
 * what the one that runs has taken. Microseconds. */
static gint64
estimate_tail (AiopoolPeer  *peer,
               AiopoolOrder *order,
               guint32       n_left,
               gint64        now)
{
  gint64 expected = MAX (order->function->run_time, 0) * n_left / 1000;
  gint64 since;

  aiopool_outbound_count_begun (aiopool_peer_get_outbound (peer), order, now, &since);
  return MAX (expected, since > 0 ? now - since : 0);
}

static void
look_again (AiopoolScheduler *self,
            gint64            now)
{
  if (self->balance_at == 0)
    self->balance_at = now + SPLIT_USEC;
  aiopool_dispatch_wake_at (self, self->balance_at);
}

/* A chunk was sent. A worker that has nothing to do then will not ask for half of it by itself. */
void
aiopool_chunks_watch (AiopoolScheduler *self,
                      gint64            now)
{
  gboolean is_any_idle = FALSE;

  for (guint i = 0; i < self->peers->len && !is_any_idle; i++)
    is_any_idle = aiopool_peer_get_state (g_ptr_array_index (self->peers, i)) ==
                  AIOPOOL_WORKER_IDLE;
  if (is_any_idle)
    look_again (self, now);
}

/* There is a worker without work: half of what has not begun of the longest chunk is for it. FALSE
 * if there is no chunk that is worth it now; then it is looked at again, if it may become so. */
gboolean
aiopool_chunks_split (AiopoolScheduler *self,
                      gint64            now,
                      AiopoolReport    *report)
{
  AiopoolOrder *longest = NULL;
  gint64 most = -1;
  guint32 n_most = 0;

  if (self->state != AIOPOOL_SCHEDULER_OPEN || self->broken != NULL)
    return FALSE;
  for (guint i = 0; i < self->peers->len; i++)
    {
      AiopoolPeer *peer = g_ptr_array_index (self->peers, i);
      guint32 n_left = 0;
      AiopoolOrder *order = find_longest (peer, now, &n_left);
      gint64 tail = order != NULL ? estimate_tail (peer, order, n_left, now) : -1;

      if (tail > most)
        {
          most = tail;
          longest = order;
          n_most = n_left;
        }
    }
  if (longest == NULL)
    return FALSE;
  if (most < SPLIT_USEC)
    {
      look_again (self, now);
      return FALSE;
    }
  aiopool_chunks_shorten (self, AIOPOOL_JOB (longest), longest->n_items - (n_most + 1) / 2, report);
  return TRUE;
}
