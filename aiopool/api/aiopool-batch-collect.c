/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/api/aiopool-batch-private.h"

#include "aiopool/base/aiopool-error.h"

#include <string.h>

/* Waiting for a whole batch, and making one array of its results. */

/* Values in the order of their positions, and whether they have one type. */
typedef struct
{
  GPtrArray *values;     /* (owned) of GVariant; NULL where there is no item */
  gboolean   has_others; /* not all are of one type */
  GError    *error;      /* (owned) (nullable): of the item at first_failed */
  guint64    first_failed;
} Collection;

static void
note_error (Collection *all,
            guint64     position,
            GError     *error)
{
  if (all->error != NULL && position > all->first_failed)
    {
      g_error_free (error);
      return;
    }
  g_clear_error (&all->error);
  all->error = error;
  all->first_failed = position;
}

/* (transfer full) (nullable) */
static GVariant *
get_value (AiopoolItemView *view,
           GError         **error)
{
  if (view->future != NULL)
    return aiopool_future_get_result (view->future, error);
  if (view->error != NULL)
    *error = g_error_copy (view->error);
  else if (view->values != NULL)
    return g_variant_get_child_value (view->values, view->value_index);
  else if (aiopool_payload_get_format (view->value) == AIOPOOL_FORMAT_GVARIANT)
    return aiopool_payload_dup_variant (view->value, FALSE);
  else
    g_set_error_literal (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_WRONG_TYPE,
                         "The result is no GVariant");
  return NULL;
}

static void
add_value (Collection *all,
           guint64     index,
           GVariant   *value)
{
  if (all->values->len <= index)
    g_ptr_array_set_size (all->values, (int) index + 1);
  all->values->pdata[index] = value;
}

static void
add_item (Collection      *all,
          guint64          first,
          AiopoolItemView *view)
{
  GError *error = NULL;
  GVariant *value = get_value (view, &error);

  if (error != NULL)
    note_error (all, view->position, error);
  else
    add_value (all, view->position - first, value);
  aiopool_item_view_clear (view);
}

static void
unref_value (gpointer value)
{
  if (value != NULL)
    g_variant_unref (value);
}

/* Closes the gaps of items that somebody else has taken. */
static void
compact (Collection *all)
{
  guint n = 0;

  for (guint i = 0; i < all->values->len; i++)
    {
      GVariant *value = all->values->pdata[i];

      if (value == NULL)
        continue;
      all->values->pdata[i] = NULL;
      all->values->pdata[n++] = value;
      if (!g_variant_is_of_type (value, g_variant_get_type (all->values->pdata[0])))
        all->has_others = TRUE;
    }
  g_ptr_array_set_size (all->values, (int) n);
}

static GVariant *
make_boxed_array (Collection *all)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("av"));
  for (guint i = 0; i < all->values->len; i++)
    g_variant_builder_add (&builder, "v", all->values->pdata[i]);
  return g_variant_ref_sink (g_variant_builder_end (&builder));
}

static GVariant *
make_array (Collection *all)
{
  if (all->has_others || all->values->len == 0)
    return make_boxed_array (all);
  return g_variant_ref_sink (g_variant_new_array (g_variant_get_type (all->values->pdata[0]),
                                                  (GVariant **) all->values->pdata,
                                                  all->values->len));
}

/* The lowest position of those that nobody has taken. */
static guint64
find_first (AiopoolBatchCore *core)
{
  guint64 first = core->taken;

  if (core->is_ordered)
    return first;
  return 0;
}

static void
gather (AiopoolBatchCore *core,
        Collection       *all)
{
  guint64 first = find_first (core);
  AiopoolItemView view;
  gboolean is_there;

  for (guint64 number = core->taken;; number++)
    {
      g_mutex_lock (&core->lock);
      is_there = aiopool_results_view (core->results, number, &view);
      g_mutex_unlock (&core->lock);
      if (!is_there)
        return;
      add_item (all, first, &view);
    }
}

/* Under the lock. The batch was broken off: that is why there is no array, and not an item that was
 * cancelled for it. */
static GError *
dup_reason (AiopoolBatchCore *core)
{
  return core->is_broken_off && core->error != NULL ? g_error_copy (core->error) : NULL;
}

/* (nullable): when the batch is over. */
static GVariant *
collect (AiopoolBatchCore *core,
         GError          **error)
{
  Collection all = { .values = g_ptr_array_new_with_free_func (unref_value) };
  GVariant *result = NULL;
  GError *reason;

  g_mutex_lock (&core->lock);
  reason = dup_reason (core);
  g_mutex_unlock (&core->lock);
  if (reason == NULL)
    {
      gather (core, &all);
      reason = g_steal_pointer (&all.error);
    }
  if (reason == NULL && core->error != NULL)
    reason = g_error_copy (core->error);
  if (reason == NULL)
    {
      compact (&all);
      result = make_array (&all);
    }
  else
    g_propagate_error (error, reason);
  g_clear_error (&all.error);
  g_ptr_array_unref (all.values);
  return result;
}

void
aiopool_batch_return_collected (GTask *task)
{
  AiopoolBatchCore *core = aiopool_batch_get_core (g_task_get_source_object (task));
  GError *error = NULL;
  GVariant *result = collect (core, &error);

  if (result != NULL)
    g_task_return_pointer (task, result, (GDestroyNotify) g_variant_unref);
  else
    g_task_return_error (task, error);
}

/**
 * aiopool_batch_collect_all:
 * @self: a batch
 * @timeout: seconds; 0 only looks, below 0 waits for ever
 * @cancellable: (nullable): a #GCancellable that ends the wait, not the batch
 * @error: return location for a #GError
 *
 * Blocks the calling thread until the batch is over, and makes one array of the results.
 *
 * Starts the batch if that has not been, and lets it run to its end whatever the backlog. The
 * results are those of all items that nobody has taken, in the order of the source, also if the
 * batch is not ordered; they stay in the list. If all results are of one type T the array is an
 * `aT`, otherwise, and if it is empty, an `av`.
 *
 * As [method@Aiopool.Batch.next] this iterates no main context.
 *
 * Fails as [method@Aiopool.Batch.next], with the error of the first item in the order of the source
 * that failed, and with %AIOPOOL_TASK_ERROR_WRONG_TYPE if a result is no #GVariant.
 *
 * Returns: (transfer full): an array
 *
 * Since: 0.1
 */
GVariant *
aiopool_batch_collect_all (AiopoolBatch  *self,
                           double         timeout,
                           GCancellable  *cancellable,
                           GError       **error)
{
  g_return_val_if_fail (AIOPOOL_IS_BATCH (self), NULL);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  if (!aiopool_batch_wait_for_end (aiopool_batch_get_core (self), timeout, cancellable, error))
    return NULL;
  return collect (aiopool_batch_get_core (self), error);
}

/**
 * aiopool_batch_collect_all_async:
 * @self: a batch
 * @cancellable: (nullable): a #GCancellable that ends the wait, not the batch
 * @callback: (scope async) (closure user_data): what to call when the batch is over
 * @user_data: data for @callback
 *
 * Waits until the batch is over, and makes one array of the results.
 *
 * Since: 0.1
 */
void
aiopool_batch_collect_all_async (AiopoolBatch        *self,
                                 GCancellable        *cancellable,
                                 GAsyncReadyCallback  callback,
                                 gpointer             user_data)
{
  GTask *task;

  g_return_if_fail (AIOPOOL_IS_BATCH (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, aiopool_batch_collect_all_async);
  aiopool_batch_await_end (self, task);
}

/**
 * aiopool_batch_collect_all_finish:
 * @self: a batch
 * @result: what the callback got
 * @error: return location for a #GError
 *
 * Ends [method@Aiopool.Batch.collect_all_async].
 *
 * Fails as [method@Aiopool.Batch.collect_all], but never because it would block.
 *
 * Returns: (transfer full): an array
 *
 * Since: 0.1
 */
GVariant *
aiopool_batch_collect_all_finish (AiopoolBatch  *self,
                                  GAsyncResult  *result,
                                  GError       **error)
{
  g_return_val_if_fail (AIOPOOL_IS_BATCH (self), NULL);
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

/**
 * aiopool_batch_wait:
 * @self: a batch
 * @timeout: seconds; 0 only looks, below 0 waits for ever
 * @cancellable: (nullable): a #GCancellable that ends the wait, not the batch
 * @error: return location for a #GError
 *
 * Blocks the calling thread until the batch is over.
 *
 * Starts the batch if that has not been, and lets it run to its end whatever the backlog. That
 * items failed, or the batch did, is no error here.
 *
 * As [method@Aiopool.Batch.next] this iterates no main context.
 *
 * Fails with %G_IO_ERROR_TIMED_OUT after @timeout, with %G_IO_ERROR_CANCELLED if @cancellable was
 * cancelled, and with %AIOPOOL_POOL_ERROR_WOULD_BLOCK if the executor needs the main context of
 * this thread to end an item.
 *
 * Returns: %TRUE if the batch is over
 *
 * Since: 0.1
 */
gboolean
aiopool_batch_wait (AiopoolBatch  *self,
                    double         timeout,
                    GCancellable  *cancellable,
                    GError       **error)
{
  g_return_val_if_fail (AIOPOOL_IS_BATCH (self), FALSE);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  return aiopool_batch_wait_for_end (aiopool_batch_get_core (self), timeout, cancellable, error);
}

/**
 * aiopool_batch_wait_async:
 * @self: a batch
 * @cancellable: (nullable): a #GCancellable that ends the wait, not the batch
 * @callback: (scope async) (closure user_data): what to call when the batch is over
 * @user_data: data for @callback
 *
 * Waits until the batch is over.
 *
 * Since: 0.1
 */
void
aiopool_batch_wait_async (AiopoolBatch        *self,
                          GCancellable        *cancellable,
                          GAsyncReadyCallback  callback,
                          gpointer             user_data)
{
  GTask *task;

  g_return_if_fail (AIOPOOL_IS_BATCH (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, aiopool_batch_wait_async);
  aiopool_batch_await_end (self, task);
}

/**
 * aiopool_batch_wait_finish:
 * @self: a batch
 * @result: what the callback got
 * @error: return location for a #GError
 *
 * Ends [method@Aiopool.Batch.wait_async].
 *
 * Fails with %G_IO_ERROR_CANCELLED if the wait was cancelled.
 *
 * Returns: %TRUE if the batch is over
 *
 * Since: 0.1
 */
gboolean
aiopool_batch_wait_finish (AiopoolBatch  *self,
                           GAsyncResult  *result,
                           GError       **error)
{
  g_return_val_if_fail (AIOPOOL_IS_BATCH (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}
