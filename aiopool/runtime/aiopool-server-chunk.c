/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/runtime/aiopool-server-private.h"

#include "aiopool/runtime/aiopool-call-private.h"

/* Serving chunks: their items are run one after the other. When one is not over though its function
 * has returned, which one that is asynchronous may do, the chunk waits aside for the answer.
 *
 * Threads: everything is the serving thread's but for is_answered of chunks, and is_forgotten, for
 * which there is the lock. */

/* An item of @chunk was answered: in any thread, or by the function that runs, where it runs
 * (@is_here). The chunk may be gone as soon as it is told. */
void
aiopool_server_tell_chunk (AiopoolServer *self,
                           AiopoolChunk  *chunk,
                           gboolean       is_async,
                           gboolean       is_here)
{
  gboolean is_forgotten;

  if (is_here)
    {
      g_atomic_int_set (&chunk->is_answered, TRUE);
      return;
    }
  g_mutex_lock (&self->lock);
  is_forgotten = chunk->is_forgotten;
  g_atomic_int_set (&chunk->is_answered, TRUE);
  g_cond_broadcast (&self->told);
  g_mutex_unlock (&self->lock);
  if (is_forgotten)
    aiopool_chunk_free (chunk);
  else if (is_async && (self->hooks != NULL || g_atomic_pointer_get (&self->context) != NULL))
    aiopool_server_wake (self);
}

/* An item's answer is in the outbox before the next item begins. That of a function which has
 * returned may still be on its way there, in another thread. */
static void
wait_for_answer (AiopoolServer *self,
                 AiopoolChunk  *chunk)
{
  g_mutex_lock (&self->lock);
  while (!g_atomic_int_get (&chunk->is_answered))
    g_cond_wait (&self->told, &self->lock);
  g_mutex_unlock (&self->lock);
}

static void
run_item (AiopoolServer *self,
          AiopoolChunk  *chunk)
{
  AiopoolCall *call = aiopool_server_take_spare (self);
  guint64 none = 0;

  if (self->limit == 1)
    atomic_compare_exchange_strong (&self->session->running, &none, chunk->id);
  aiopool_call_begin_item (call, chunk, self->now);
  g_atomic_pointer_set (&self->current, call);
  self->now = aiopool_server_run (self, call, chunk->entry, chunk->slot);
  g_atomic_pointer_set (&self->current, NULL);
  if (!g_atomic_int_get (&chunk->is_answered) && !aiopool_call_is_async (call))
    wait_for_answer (self, chunk);
  aiopool_server_end_with (self, call);
}

static void
end_chunk (AiopoolServer *self,
           AiopoolChunk  *chunk,
           const GError  *error)
{
  guint64 running = chunk->id;

  atomic_compare_exchange_strong (&self->session->running, &running, 0);
  atomic_store (&self->session->has_chunk, FALSE);
  aiopool_chunk_end (chunk, self->session, self->now, error);
  aiopool_chunk_free (chunk);
  g_atomic_int_add (&self->n_outstanding, -1);
}

/* Runs items until none is left, or one is not over when its function returns. */
static void
run_chunk (AiopoolServer *self,
           AiopoolChunk  *chunk)
{
  for (;;)
    {
      if (self->now == 0)
        self->flushed = self->now = g_get_monotonic_time ();
      if (!aiopool_chunk_begin (chunk, self->session, self->now))
        break;
      run_item (self, chunk);
      aiopool_server_flush_if_late (self);
      if (!g_atomic_int_get (&chunk->is_answered))
        {
          g_ptr_array_add (self->chunks, chunk);
          return;
        }
    }
  end_chunk (self, chunk, NULL);
}

/* (nullable): one whose item was answered meanwhile. */
static AiopoolChunk *
take_answered_chunk (AiopoolServer *self)
{
  for (guint i = 0; i < self->chunks->len; i++)
    {
      AiopoolChunk *chunk = g_ptr_array_index (self->chunks, i);

      if (g_atomic_int_get (&chunk->is_answered))
        return g_ptr_array_remove_index (self->chunks, i);
    }
  return NULL;
}

/* Goes on with chunks until the items of all that are left are under way. While one runs another's
 * item may be answered, and the source that wakes for it be gone: a function may iterate the main
 * context. */
void
aiopool_server_run_chunks (AiopoolServer *self)
{
  AiopoolChunk *chunk;

  while ((chunk = take_answered_chunk (self)) != NULL)
    run_chunk (self, chunk);
}

/* Takes @fds and @entry (nullable). */
void
aiopool_server_start_chunk (AiopoolServer            *self,
                            guint64                   id,
                            const char               *name,
                            const AiopoolTaskMessage *message,
                            GUnixFDList              *fds,
                            AiopoolEntry             *entry,
                            gpointer                 *slot)
{
  AiopoolChunk *chunk = aiopool_chunk_new (id, self->now, name, message, entry,
                                           self->hooks != NULL ? slot : NULL);
  g_autoptr (GError) error = NULL;

  g_atomic_int_inc (&self->n_outstanding);
  atomic_store (&self->session->has_chunk, self->limit == 1);
  aiopool_outbox_watch (self->session->outbox);
  if (aiopool_chunk_read (chunk, self->session, message, fds, &error))
    run_chunk (self, chunk);
  else
    end_chunk (self, chunk, error);
  aiopool_server_flush_if_late (self);
}

/* Serving was broken off: the chunks that wait for an answer go with it, if it ever comes. */
void
aiopool_server_forget_chunks (AiopoolServer *self)
{
  g_mutex_lock (&self->lock);
  for (guint i = 0; i < self->chunks->len; i++)
    {
      AiopoolChunk *chunk = g_ptr_array_index (self->chunks, i);

      if (g_atomic_int_get (&chunk->is_answered))
        aiopool_chunk_free (chunk);
      else
        chunk->is_forgotten = TRUE;
    }
  g_mutex_unlock (&self->lock);
  g_clear_pointer (&self->chunks, g_ptr_array_unref);
}
