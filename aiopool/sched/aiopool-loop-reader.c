/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/sched/aiopool-dispatch-private.h"

/* A main loop that is idle reads for itself.
 *
 * This source is in each main context to which a pool tells results. While the context polls and
 * there is little in flight, with one worker, the context borrows the reading from that worker, as
 * a thread that blocks does: what comes is taken in and called back in the same iteration, and the
 * engine is not woken. As soon as the poll is over the engine has the reading back, so that nothing
 * waits for a main loop that is busy. With more in flight the engine reads, on another processor.
 *
 * Threads: prepare and check are the context's; the lock guards the worker and the loan. The source
 * keeps its last worker, and that one's socket, until the context is iterated again or the pool is
 * closed. */

#define MAX_ORDERS 2 /* more than that is not little, nor is a chunk */

typedef struct
{
  GSource           base;
  AiopoolScheduler *scheduler; /* (owned) */
  AiopoolPeer      *peer;      /* (owned) (nullable): whose socket is polled */
  GPollFD           poll;      /* asks for nothing while it is not borrowed */
  gboolean          is_borrowed;
} LoopReader;

/* The only worker that is busy, if there is little in flight. */
static AiopoolPeer *
find_lender (AiopoolScheduler *self)
{
  AiopoolPeer *lender = NULL;

  for (guint i = 0; i < self->peers->len && self->queue.n_orders == 0; i++)
    {
      AiopoolPeer *peer = g_ptr_array_index (self->peers, i);

      if (aiopool_outbound_get_n_slots (aiopool_peer_get_outbound (peer)) == 0)
        continue;
      if (lender != NULL)
        return NULL;
      lender = peer;
    }
  if (lender == NULL ||
      aiopool_outbound_get_n_slots (aiopool_peer_get_outbound (lender)) > MAX_ORDERS ||
      aiopool_outbound_get_n_chunks (aiopool_peer_get_outbound (lender)) > 0)
    return NULL;
  return lender;
}

static void
set_peer (LoopReader  *self,
          AiopoolPeer *peer)
{
  if (self->peer != NULL)
    {
      g_source_remove_poll (&self->base, &self->poll);
      aiopool_peer_unref (self->peer);
    }
  self->peer = peer != NULL ? aiopool_peer_ref (peer) : NULL;
  if (peer == NULL)
    return;
  self->poll = (GPollFD) { aiopool_peer_get_data_fd (peer), 0, 0 };
  g_source_add_poll (&self->base, &self->poll);
}

static void
borrow (LoopReader *self)
{
  AiopoolPeer *peer = find_lender (self->scheduler);

  if (self->peer != NULL && aiopool_peer_get_state (self->peer) == AIOPOOL_WORKER_DEAD)
    set_peer (self, NULL);
  if (peer == NULL || !aiopool_peer_lend (peer))
    {
      aiopool_standby_end (self->scheduler);
      return;
    }
  if (self->peer != peer)
    set_peer (self, peer);
  self->is_borrowed = TRUE;
  self->poll.events = G_IO_IN;
}

/* Where the lock is taken, somebody is at work, and will not need this one. */
static gboolean
loop_reader_prepare (GSource *source,
                     int     *timeout)
{
  LoopReader *self = (LoopReader *) source;

  *timeout = -1;
  if (aiopool_engine_is_forked () || !g_mutex_trylock (&self->scheduler->lock))
    return FALSE;
  if (!self->is_borrowed && !g_source_is_destroyed (source))
    borrow (self);
  g_mutex_unlock (&self->scheduler->lock);
  return FALSE;
}

/* Reads what came, and gives the reading back. What is settled is posted to mailboxes; that of this
 * context is looked at after this. */
static gboolean
loop_reader_check (GSource *source)
{
  LoopReader *self = (LoopReader *) source;

  if (!self->is_borrowed)
    return FALSE;
  if (self->poll.revents != 0)
    {
      aiopool_mailbox_begin_check (g_source_get_context (source));
      aiopool_peer_read (self->peer);
      aiopool_mailbox_end_check ();
    }
  g_mutex_lock (&self->scheduler->lock);
  self->is_borrowed = FALSE;
  self->poll.events = 0;
  aiopool_standby_take_back (self->scheduler, self->peer);
  g_mutex_unlock (&self->scheduler->lock);
  return FALSE;
}

static gboolean
loop_reader_dispatch (GSource     *source,
                      GSourceFunc  callback,
                      gpointer     user_data)
{
  return G_SOURCE_CONTINUE;
}

static void
loop_reader_finalize (GSource *source)
{
  LoopReader *self = (LoopReader *) source;

  g_clear_pointer (&self->peer, aiopool_peer_unref);
  aiopool_scheduler_unref (self->scheduler);
}

static GSourceFuncs loop_reader_funcs = {
  loop_reader_prepare, loop_reader_check, loop_reader_dispatch, loop_reader_finalize, NULL, NULL
};

/* Whether there is one in @context already. Those whose contexts are gone go too. */
static gboolean
has_reader (AiopoolScheduler *self,
            GMainContext     *context)
{
  GSList **link = &self->loop_readers;

  while (*link != NULL)
    {
      GSource *source = (*link)->data;

      if (g_source_is_destroyed (source))
        {
          *link = g_slist_delete_link (*link, *link);
          g_source_unref (source);
        }
      else if (g_source_get_context (source) == context)
        return TRUE;
      else
        link = &(*link)->next;
    }
  return FALSE;
}

/* Before all others, of which one that is ready would keep the check from being called, and so the
 * reading from being given back. It is never ready itself. */
static GSource *
loop_reader_new (AiopoolScheduler *scheduler)
{
  GSource *source = g_source_new (&loop_reader_funcs, sizeof (LoopReader));

  ((LoopReader *) source)->scheduler = aiopool_scheduler_ref (scheduler);
  g_source_set_static_name (source, "[aiopool] sockets");
  g_source_set_priority (source, G_MININT);
  g_source_set_can_recurse (source, TRUE);
  return source;
}

/* Results are told in @context from now on. */
void
aiopool_scheduler_read_in (AiopoolScheduler *self,
                           GMainContext     *context)
{
  if (g_atomic_pointer_get (&self->reading_context) == context)
    return;
  g_mutex_lock (&self->lock);
  if (!has_reader (self, context) && self->state != AIOPOOL_SCHEDULER_CLOSED)
    {
      self->loop_readers = g_slist_prepend (self->loop_readers, loop_reader_new (self));
      g_source_attach (self->loop_readers->data, context);
    }
  g_atomic_pointer_set (&self->reading_context, context);
  g_mutex_unlock (&self->lock);
}

/* Under the lock, for one that is destroyed must not touch what it polls. (transfer full): what is
 * to be dropped without the lock. */
GSList *
aiopool_loop_readers_end (AiopoolScheduler *self)
{
  for (GSList *link = self->loop_readers; link != NULL; link = link->next)
    g_source_destroy (link->data);
  return g_steal_pointer (&self->loop_readers);
}
