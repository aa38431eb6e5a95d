/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/api/aiopool-batch-read-private.h"

/* Reading a batch: one item after the other, several at once, or until it is over.
 *
 * What was read is taken under the lock of the core, and each item goes to one reader. Those who
 * block stand in batch-wait, the others in batch-readers. */

/* Under the lock. */
guint64
aiopool_batch_read_count_ready (AiopoolBatchCore *core)
{
  return aiopool_results_get_end (core->results) - core->taken;
}

/* Under the lock: whether there is an answer now. */
gboolean
aiopool_batch_read_is_ready (AiopoolBatchCore         *core,
                             const AiopoolBatchWanted *wanted)
{
  if (aiopool_batch_core_is_over (core))
    return TRUE;
  if (wanted->kind == AIOPOOL_BATCH_READ_END)
    return FALSE;
  return aiopool_batch_read_count_ready (core) >= wanted->min_items;
}

/* Under the lock, where user code may run. */
void
aiopool_batch_read_take (AiopoolBatchCore         *core,
                         const AiopoolBatchWanted *wanted,
                         AiopoolBatchReading      *reading)
{
  guint64 n_ready = aiopool_batch_read_count_ready (core);
  guint n = wanted->kind == AIOPOOL_BATCH_READ_ITEMS ? (guint) MIN (n_ready, wanted->max_items) : 0;

  reading->n_items = n;
  if (n == 0)
    return;
  reading->views = g_new0 (AiopoolItemView, n);
  reading->numbers = g_new (guint64, n);
  for (guint i = 0; i < n; i++)
    aiopool_batch_take (core, &reading->views[i], &reading->numbers[i]);
  if (core->is_viewed)
    aiopool_batch_core_post (core);
}

/* (transfer full): of AiopoolFuture. Without the lock. */
static GListStore *
make_futures (AiopoolBatchCore    *core,
              AiopoolBatchReading *reading)
{
  GListStore *list = g_list_store_new (AIOPOOL_TYPE_FUTURE);

  for (guint i = 0; i < reading->n_items; i++)
    {
      g_autoptr (AiopoolFuture) future = aiopool_batch_make_future (core, reading->numbers[i],
                                                                    &reading->views[i]);

      g_list_store_append (list, future);
    }
  g_free (reading->views);
  g_free (reading->numbers);
  return list;
}

static AiopoolFuture *
make_one (AiopoolBatchCore    *core,
          AiopoolBatchReading *reading)
{
  AiopoolFuture *future = aiopool_batch_make_future (core, reading->numbers[0],
                                                     &reading->views[0]);

  g_free (reading->views);
  g_free (reading->numbers);
  return future;
}

/* Begins to read, if nobody did. Who waits for the end, or for many, lets the batch go so far. */
void
aiopool_batch_read_begin (AiopoolBatchCore         *core,
                          const AiopoolBatchWanted *wanted)
{
  aiopool_batch_core_start (core);
  g_mutex_lock (&core->lock);
  core->is_free |= wanted->kind == AIOPOOL_BATCH_READ_END;
  core->least_backlog = MAX (core->least_backlog, wanted->min_items);
  g_mutex_unlock (&core->lock);
}

/* What the batch ended with; FALSE if that was well. */
static gboolean
copy_error (AiopoolBatchCore *core,
            GError          **error)
{
  gboolean has_error;

  g_mutex_lock (&core->lock);
  has_error = core->state > AIOPOOL_FUTURE_DONE;
  if (has_error && error != NULL)
    *error = g_error_copy (core->error);
  g_mutex_unlock (&core->lock);
  return has_error;
}

/* Takes what @reading has. One that is late has what there is. */
void
aiopool_batch_read_return (GTask                    *task,
                           AiopoolBatchCore         *core,
                           const AiopoolBatchWanted *wanted,
                           AiopoolBatchReading      *reading,
                           gboolean                  is_late)
{
  gpointer tag = g_task_get_source_tag (task);
  GError *error = NULL;

  if (tag == aiopool_batch_collect_all_async)
    aiopool_batch_return_collected (task);
  else if (wanted->kind == AIOPOOL_BATCH_READ_END)
    g_task_return_boolean (task, TRUE);
  else if (reading->n_items == 0 && !is_late && copy_error (core, &error))
    g_task_return_error (task, error);
  else if (tag == aiopool_batch_next_async && reading->n_items > 0)
    g_task_return_pointer (task, make_one (core, reading), g_object_unref);
  else if (reading->n_items > 0 || is_late || wanted->min_items == 0)
    g_task_return_pointer (task, make_futures (core, reading), g_object_unref);
  else
    g_task_return_pointer (task, NULL, NULL);
}

/**
 * aiopool_batch_next:
 * @self: a batch
 * @timeout: seconds; 0 only looks, below 0 waits for ever
 * @cancellable: (nullable): a #GCancellable that ends the wait, not the batch
 * @error: return location for a #GError
 *
 * Blocks the calling thread until the next item has ended, and takes it.
 *
 * Starts the batch if that has not been. In a batch that is ordered the next item is that behind
 * the last one that was taken; otherwise it is the one that ended first. What was taken is in the
 * list no more. Several may read at once, blocking or not: each item goes to one of them.
 *
 * An item that failed is a future that failed. When all items have been taken, this returns %NULL,
 * without an error if the batch came to its end, and else with the reason why it did not.
 *
 * No main context is iterated, and none needs to be: this works on the main thread, in a callback,
 * in a task, and in any thread. But a source that is a list model or a function is asked for items
 * only by the thread that made the batch, or that iterates its main context.
 *
 * Fails with %G_IO_ERROR_TIMED_OUT after @timeout or that of the batch, with %G_IO_ERROR_CANCELLED
 * if @cancellable or the batch was cancelled, with %AIOPOOL_POOL_ERROR_WOULD_BLOCK if the executor
 * needs the main context of this thread to end an item, or if the batch has called this thread for
 * its next item, with the error of the source, with that of the first item that failed if the batch
 * stops on errors, and as [method@Aiopool.Executor.submit] if the executor takes no tasks.
 *
 * Returns: (transfer full) (nullable): a future that has ended; %NULL at the end
 *
 * Since: 0.1
 */
AiopoolFuture *
aiopool_batch_next (AiopoolBatch  *self,
                    double         timeout,
                    GCancellable  *cancellable,
                    GError       **error)
{
  const AiopoolBatchWanted wanted = { AIOPOOL_BATCH_READ_ITEMS, 1, 1 };
  AiopoolBatchReading reading = { NULL };
  AiopoolBatchCore *core;
  AiopoolBatchWait result;

  g_return_val_if_fail (AIOPOOL_IS_BATCH (self), NULL);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  core = aiopool_batch_get_core (self);
  result = aiopool_batch_wait_to_read (core, &wanted, timeout, cancellable, &reading);
  if (reading.n_items > 0)
    return make_one (core, &reading);
  if (result == AIOPOOL_BATCH_WAIT_READY)
    copy_error (core, error);
  else
    aiopool_batch_wait_set_error (result, error);
  return NULL;
}

/**
 * aiopool_batch_next_async:
 * @self: a batch
 * @cancellable: (nullable): a #GCancellable that ends the wait, not the batch
 * @callback: (scope async) (closure user_data): what to call when there is an item, or no more
 * @user_data: data for @callback
 *
 * Waits for the next item and takes it.
 *
 * As [method@Aiopool.Batch.next], without blocking. A read that is cancelled takes nothing.
 *
 * Since: 0.1
 */
void
aiopool_batch_next_async (AiopoolBatch        *self,
                          GCancellable        *cancellable,
                          GAsyncReadyCallback  callback,
                          gpointer             user_data)
{
  const AiopoolBatchWanted wanted = { AIOPOOL_BATCH_READ_ITEMS, 1, 1 };
  GTask *task;

  g_return_if_fail (AIOPOOL_IS_BATCH (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, aiopool_batch_next_async);
  aiopool_batch_readers_add (self, task, &wanted, -1);
}

/**
 * aiopool_batch_next_finish:
 * @self: a batch
 * @result: what the callback got
 * @error: return location for a #GError
 *
 * Ends [method@Aiopool.Batch.next_async].
 *
 * Fails as [method@Aiopool.Batch.next], but never because it would block.
 *
 * Returns: (transfer full) (nullable): a future that has ended; %NULL at the end
 *
 * Since: 0.1
 */
AiopoolFuture *
aiopool_batch_next_finish (AiopoolBatch  *self,
                           GAsyncResult  *result,
                           GError       **error)
{
  g_return_val_if_fail (AIOPOOL_IS_BATCH (self), NULL);
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

static AiopoolBatchWanted
wanted_items (guint min_items,
              guint max_items)
{
  AiopoolBatchWanted wanted = { AIOPOOL_BATCH_READ_ITEMS, min_items, G_MAXUINT };

  if (max_items > 0)
    wanted.max_items = MAX (max_items, min_items);
  return wanted;
}

/**
 * aiopool_batch_next_batch:
 * @self: a batch
 * @min_items: how many items to wait for; 0 takes what there is
 * @max_items: how many to take at most; 0 for no limit
 * @timeout: seconds; after that fewer than @min_items will do; below 0 waits for ever
 * @cancellable: (nullable): a #GCancellable that ends the wait, not the batch
 * @error: return location for a #GError
 *
 * Blocks the calling thread until some items have ended, and takes them.
 *
 * As [method@Aiopool.Batch.next], but @timeout is no error: it makes the list shorter than
 * @min_items, or empty. So does the end of the batch; the error that it ended with comes with the
 * next read.
 *
 * Returns: (transfer full) (nullable): a new list model of [class@Aiopool.Future]s that have ended,
 *   which does not change; %NULL at the end
 *
 * Since: 0.1
 */
GListModel *
aiopool_batch_next_batch (AiopoolBatch  *self,
                          guint          min_items,
                          guint          max_items,
                          double         timeout,
                          GCancellable  *cancellable,
                          GError       **error)
{
  AiopoolBatchWanted wanted = wanted_items (min_items, max_items);
  AiopoolBatchReading reading = { NULL };
  AiopoolBatchCore *core;
  AiopoolBatchWait result;

  g_return_val_if_fail (AIOPOOL_IS_BATCH (self), NULL);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  core = aiopool_batch_get_core (self);
  result = aiopool_batch_wait_to_read (core, &wanted, timeout, cancellable, &reading);
  if (reading.n_items > 0 || result == AIOPOOL_BATCH_WAIT_LATE)
    return G_LIST_MODEL (make_futures (core, &reading));
  if (result == AIOPOOL_BATCH_WAIT_READY && (copy_error (core, error) || min_items > 0))
    return NULL;
  if (result == AIOPOOL_BATCH_WAIT_READY)
    return G_LIST_MODEL (make_futures (core, &reading));
  aiopool_batch_wait_set_error (result, error);
  return NULL;
}

/**
 * aiopool_batch_next_batch_async:
 * @self: a batch
 * @min_items: how many items to wait for; 0 takes what there is
 * @max_items: how many to take at most; 0 for no limit
 * @timeout: seconds; after that fewer than @min_items will do; below 0 waits for ever
 * @cancellable: (nullable): a #GCancellable that ends the wait, not the batch
 * @callback: (scope async) (closure user_data): what to call when there are items, or no more
 * @user_data: data for @callback
 *
 * Waits until some items have ended, and takes them.
 *
 * Since: 0.1
 */
void
aiopool_batch_next_batch_async (AiopoolBatch        *self,
                                guint                min_items,
                                guint                max_items,
                                double               timeout,
                                GCancellable        *cancellable,
                                GAsyncReadyCallback  callback,
                                gpointer             user_data)
{
  AiopoolBatchWanted wanted = wanted_items (min_items, max_items);
  GTask *task;

  g_return_if_fail (AIOPOOL_IS_BATCH (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, aiopool_batch_next_batch_async);
  aiopool_batch_readers_add (self, task, &wanted, timeout);
}

/**
 * aiopool_batch_next_batch_finish:
 * @self: a batch
 * @result: what the callback got
 * @error: return location for a #GError
 *
 * Ends [method@Aiopool.Batch.next_batch_async].
 *
 * Fails as [method@Aiopool.Batch.next_batch], but never because it would block.
 *
 * Returns: (transfer full) (nullable): a new list model of [class@Aiopool.Future]s that have ended,
 *   which does not change; %NULL at the end
 *
 * Since: 0.1
 */
GListModel *
aiopool_batch_next_batch_finish (AiopoolBatch  *self,
                                 GAsyncResult  *result,
                                 GError       **error)
{
  g_return_val_if_fail (AIOPOOL_IS_BATCH (self), NULL);
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}
