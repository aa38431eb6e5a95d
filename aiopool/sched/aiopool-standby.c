/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/sched/aiopool-dispatch-private.h"

/* The engine leaves a worker alone for a while after others have read from it.
 *
 * Who submits one task at a time and reads its result, by blocking or in an idle main loop, would
 * have the engine stop watching the socket and begin again with each, and be woken by every result
 * that comes before the reading is borrowed: on one processor that is most of them, since the
 * worker runs as soon as it is written to. So when a reading is given back soon after the one
 * before, and the worker has nothing more to do, the engine does not begin to watch.
 *
 * It begins again when something is sent by a thread that does not promise to read; otherwise when
 * nobody has read for a moment, which the alarm looks for. So a promise that is not kept, by a
 * callback that takes long, delays results by no more than that, and so it is with what a worker
 * logs outside of tasks.
 *
 * A thread promises to read if it is about to wait, or iterates a context that reads. */

#define RAPID_USEC 500  /* between two readings that follow each other */
#define LOOK_USEC  1000 /* how often the alarm looks whether they still do */

static _Thread_local gboolean is_about_to_wait;

/* The calling thread will wait for what it submits now, right after that. */
void
aiopool_scheduler_promise_to_wait (gboolean is_promised)
{
  is_about_to_wait = is_promised;
}

static gboolean
promises_to_read (AiopoolScheduler *self)
{
  GMainContext *context = g_main_context_get_thread_default ();

  if (is_about_to_wait)
    return TRUE;
  if (context == NULL)
    context = g_main_context_default ();
  return g_atomic_pointer_get (&self->reading_context) == context &&
         g_main_context_is_owner (context);
}

static void
look_at (AiopoolScheduler *self,
         gint64            when)
{
  self->standby_at = when;
  aiopool_dispatch_wake_at (self, when);
}

/* Who borrowed the reading of @peer gives it back. */
void
aiopool_standby_take_back (AiopoolScheduler *self,
                           AiopoolPeer      *peer)
{
  gboolean is_done = aiopool_outbound_get_n_slots (aiopool_peer_get_outbound (peer)) == 0;

  if (aiopool_peer_take_back (peer, is_done ? RAPID_USEC : 0) && self->standby_at == 0)
    look_at (self, g_get_monotonic_time () + LOOK_USEC);
}

/* Something was put among what is written to @peer next. */
void
aiopool_standby_sent (AiopoolScheduler *self,
                      AiopoolPeer      *peer)
{
  guint n_slots;

  if (!aiopool_peer_is_left (peer))
    return;
  n_slots = aiopool_outbound_get_n_slots (aiopool_peer_get_outbound (peer));
  if (n_slots > 1 || self->queue.n_orders > 0 || !promises_to_read (self))
    aiopool_peer_watch_again (peer, 0);
}

/* Nobody reads after all what workers that have something to do will say. */
void
aiopool_standby_end (AiopoolScheduler *self)
{
  for (guint i = 0; i < self->peers->len && self->standby_at > 0; i++)
    {
      AiopoolPeer *peer = g_ptr_array_index (self->peers, i);

      if (aiopool_outbound_get_n_slots (aiopool_peer_get_outbound (peer)) > 0)
        aiopool_peer_watch_again (peer, 0);
    }
}

/* On the alarm. */
void
aiopool_standby_look (AiopoolScheduler *self,
                      gint64            now)
{
  gboolean is_any_left = FALSE;

  self->standby_at = 0;
  for (guint i = 0; i < self->peers->len; i++)
    is_any_left |= !aiopool_peer_watch_again (g_ptr_array_index (self->peers, i), RAPID_USEC);
  if (is_any_left)
    look_at (self, now + LOOK_USEC);
}
