/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/api/aiopool-batch-read-private.h"

#include "aiopool/base/aiopool-error.h"

/* Threads that block until there is something to read. Each sees to the batch, as far as its rights
 * go, whenever nobody else could, and gives up where nothing but itself could end the wait. */

static void
on_blocking_cancelled (GCancellable *cancellable,
                       gpointer      user_data)
{
  AiopoolBatchCore *core = user_data;

  g_mutex_lock (&core->lock);
  aiopool_batch_core_wake_blocking (core);
  g_mutex_unlock (&core->lock);
}

/* Under the lock: one that only this thread could end, by iterating a context. */
static gboolean
find_hopeless (AiopoolBatchCore *core)
{
  gboolean has_hopeless = FALSE;
  AiopoolBatchChunk *chunk;
  GPtrArray *futures;

  if (core->scheduler != NULL || core->n_tasks == 0)
    return FALSE;
  futures = g_ptr_array_new_with_free_func (g_object_unref);
  for (chunk = core->chunks; chunk != NULL; chunk = chunk->next)
    {
      if (chunk->future != NULL)
        g_ptr_array_add (futures, g_object_ref (chunk->future));
    }
  g_mutex_unlock (&core->lock);
  for (guint i = 0; i < futures->len; i++)
    has_hopeless |= aiopool_future_would_block (futures->pdata[i]);
  g_ptr_array_unref (futures);
  g_mutex_lock (&core->lock);
  return has_hopeless;
}

/* Under the lock: what waits is a function that this thread called in order to feed the batch, and
 * nothing is under way that could end it. */
static gboolean
is_inside (AiopoolBatchCore *core)
{
  return core->n_tasks == 0 && core->feeder == g_thread_self ();
}

/* Under the lock, which is let go meanwhile. */
static AiopoolBatchWait
wait_until_ready (AiopoolBatchCore         *core,
                  const AiopoolBatchWanted *wanted,
                  gint64                    end,
                  GCancellable             *cancellable)
{
  AiopoolRights rights = aiopool_batch_core_get_rights (core);
  gboolean is_late = FALSE;

  for (;;)
    {
      guint n_wakes = core->n_wakes;

      if (aiopool_batch_read_is_ready (core, wanted))
        return AIOPOOL_BATCH_WAIT_READY;
      if (g_cancellable_is_cancelled (cancellable))
        return AIOPOOL_BATCH_WAIT_CANCELLED;
      if (is_late)
        return AIOPOOL_BATCH_WAIT_LATE;
      if (is_inside (core))
        return AIOPOOL_BATCH_WAIT_INSIDE;
      if (core->needs > AIOPOOL_RIGHTS_LIBRARY && core->needs <= rights && !core->is_feeding)
        {
          g_mutex_unlock (&core->lock);
          aiopool_batch_feed (core, rights);
          g_mutex_lock (&core->lock);
        }
      else if (find_hopeless (core) && !aiopool_batch_read_is_ready (core, wanted))
        return AIOPOOL_BATCH_WAIT_HOPELESS;
      else if (n_wakes != core->n_wakes)
        continue;
      else if (end < 0)
        g_cond_wait (&core->changed, &core->lock);
      else
        is_late = !g_cond_wait_until (&core->changed, &core->lock, end);
    }
}

AiopoolBatchWait
aiopool_batch_wait_to_read (AiopoolBatchCore         *core,
                            const AiopoolBatchWanted *wanted,
                            double                    timeout,
                            GCancellable             *cancellable,
                            AiopoolBatchReading      *reading)
{
  gint64 end = aiopool_future_end_for (timeout);
  AiopoolBatchWait result;
  gulong id = 0;

  aiopool_batch_read_begin (core, wanted);
  if (cancellable != NULL)
    id = g_cancellable_connect (cancellable, G_CALLBACK (on_blocking_cancelled), core, NULL);
  aiopool_batch_feed (core, aiopool_batch_core_get_rights (core));
  g_mutex_lock (&core->lock);
  core->n_blocking++;
  result = wait_until_ready (core, wanted, end, cancellable);
  core->n_blocking--;
  if (result == AIOPOOL_BATCH_WAIT_READY || result == AIOPOOL_BATCH_WAIT_LATE)
    aiopool_batch_read_take (core, wanted, reading);
  g_mutex_unlock (&core->lock);
  if (cancellable != NULL)
    g_cancellable_disconnect (cancellable, id);
  aiopool_batch_free_finished (core);
  if (reading->n_items > 0)
    aiopool_batch_feed (core, aiopool_batch_core_get_rights (core));
  return result;
}

/* Why there is nothing to read. */
void
aiopool_batch_wait_set_error (AiopoolBatchWait  result,
                              GError          **error)
{
  if (result == AIOPOOL_BATCH_WAIT_CANCELLED)
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_CANCELLED, "The read was cancelled");
  else if (result == AIOPOOL_BATCH_WAIT_HOPELESS)
    g_set_error_literal (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_WOULD_BLOCK,
                         "An item needs the main context of the thread that waits for it");
  else if (result == AIOPOOL_BATCH_WAIT_INSIDE)
    g_set_error_literal (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_WOULD_BLOCK,
                         "The batch needs the function that waits for it in order to go on");
  else if (result == AIOPOOL_BATCH_WAIT_LATE)
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT,
                         "No item has ended within the time of the read");
}

/* FALSE with the reason if the wait came to nothing. */
gboolean
aiopool_batch_wait_for_end (AiopoolBatchCore  *core,
                            double             timeout,
                            GCancellable      *cancellable,
                            GError           **error)
{
  const AiopoolBatchWanted wanted = { AIOPOOL_BATCH_READ_END, 0, 0 };
  AiopoolBatchReading reading = { NULL };
  AiopoolBatchWait result;

  result = aiopool_batch_wait_to_read (core, &wanted, timeout, cancellable, &reading);
  if (result == AIOPOOL_BATCH_WAIT_READY)
    return TRUE;
  aiopool_batch_wait_set_error (result, error);
  return FALSE;
}
