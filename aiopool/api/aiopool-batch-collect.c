/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/api/aiopool-batch-private.h"

#include "aiopool/base/aiopool-error.h"

#include <string.h>

/* Waiting for a whole batch, and making one array of its results. */

/* Values of items that follow each other. */
typedef struct
{
  guint64   position; /* of the first */
  GVariant *variant;  /* (owned): an array, or the one value */
  guint     first;    /* in the array */
  guint     n;
  gboolean  is_array;
} Part;

typedef struct
{
  GArray  *parts;        /* (owned) of Part */
  gsize    n_items;
  gboolean has_others;   /* not all values are of one type */
  GError  *error;        /* (owned) (nullable): of the item at first_failed */
  guint64  first_failed;
} Collection;

static void
clear_part (gpointer part)
{
  g_variant_unref (((Part *) part)->variant);
}

/* Takes @error. */
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
  else if (aiopool_payload_get_format (view->value) == AIOPOOL_FORMAT_GVARIANT)
    return aiopool_payload_dup_variant (view->value, FALSE);
  else
    g_set_error_literal (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_WRONG_TYPE,
                         "The result is no GVariant");
  return NULL;
}

static const GVariantType *
get_type (const Part *part)
{
  const GVariantType *type = g_variant_get_type (part->variant);

  return part->is_array ? g_variant_type_element (type) : type;
}

static void
add_part (Collection *all,
          const Part *part)
{
  if (all->parts->len > 0 &&
      !g_variant_type_equal (get_type (part), get_type (&g_array_index (all->parts, Part, 0))))
    all->has_others = TRUE;
  g_array_append_vals (all->parts, part, 1);
  all->n_items += part->n;
}

/* Takes what @view has. Returns how many items it stands for. */
static guint
add_view (Collection      *all,
          AiopoolItemView *view)
{
  Part part = { .position = view->position, .n = 1 };
  GError *error = NULL;

  if (view->values != NULL)
    {
      part.variant = g_steal_pointer (&view->values);
      part.is_array = TRUE;
      part.first = view->value_index;
      part.n = view->n_left;
    }
  else
    part.variant = get_value (view, &error);
  if (part.variant != NULL)
    add_part (all, &part);
  else
    note_error (all, view->position, error);
  aiopool_item_view_clear (view);
  return part.n;
}

static int
compare_parts (gconstpointer a,
               gconstpointer b)
{
  const Part *left = a, *right = b;

  return left->position < right->position ? -1 : left->position > right->position;
}

static GVariant *
get_child (const Part *part,
           guint       index)
{
  return part->is_array ? g_variant_get_child_value (part->variant, part->first + index)
                        : g_variant_ref (part->variant);
}

static GVariant *
make_boxed_array (Collection *all)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("av"));
  for (guint i = 0; i < all->parts->len; i++)
    {
      const Part *part = &g_array_index (all->parts, Part, i);

      for (guint j = 0; j < part->n; j++)
        {
          g_autoptr (GVariant) child = get_child (part, j);

          g_variant_builder_add (&builder, "v", child);
        }
    }
  return g_variant_ref_sink (g_variant_builder_end (&builder));
}

/* The size of one item, if all have the same and the bytes of all are there; else 0. */
static gsize
get_item_size (Collection *all)
{
  g_autofree char *type = g_variant_type_dup_string (get_type (&g_array_index (all->parts, Part,
                                                                               0)));
  gsize size = 0;

  if (!aiopool_type_has_one_size (type))
    return 0;
  for (guint i = 0; i < all->parts->len; i++)
    {
      const Part *part = &g_array_index (all->parts, Part, i);
      gsize n = part->is_array ? g_variant_n_children (part->variant) : 1;
      gsize part_size = n > 0 ? g_variant_get_size (part->variant) / n : 0;

      if (part_size == 0 || part->first + part->n > n || (size != 0 && part_size != size) ||
          g_variant_get_data (part->variant) == NULL)
        return 0;
      size = part_size;
    }
  return size;
}

/* Of items of one size: their bytes one after the other. */
static GVariant *
join_bytes (Collection   *all,
            GVariantType *array_type,
            gsize         size)
{
  char *bytes = g_malloc (all->n_items * size);
  char *end = bytes;

  for (guint i = 0; i < all->parts->len; i++)
    {
      const Part *part = &g_array_index (all->parts, Part, i);

      memcpy (end, (const char *) g_variant_get_data (part->variant) + part->first * size,
              part->n * size);
      end += part->n * size;
    }
  return g_variant_new_from_data (array_type, bytes, all->n_items * size, FALSE, g_free, bytes);
}

static GVariant *
join_children (Collection         *all,
               const GVariantType *type)
{
  GVariant **children = g_new (GVariant *, all->n_items);
  GVariant *result;
  gsize n = 0;

  for (guint i = 0; i < all->parts->len; i++)
    {
      const Part *part = &g_array_index (all->parts, Part, i);

      for (guint j = 0; j < part->n; j++)
        children[n++] = get_child (part, j);
    }
  result = g_variant_new_array (type, children, n);
  for (gsize i = 0; i < n; i++)
    g_variant_unref (children[i]);
  g_free (children);
  return result;
}

static GVariant *
make_array (Collection *all)
{
  GVariantType *array_type;
  const GVariantType *type;
  GVariant *result;
  gsize size;

  if (all->has_others || all->n_items == 0)
    return make_boxed_array (all);
  type = get_type (&g_array_index (all->parts, Part, 0));
  array_type = g_variant_type_new_array (type);
  size = get_item_size (all);
  result = size > 0 ? join_bytes (all, array_type, size) : join_children (all, type);
  g_variant_type_free (array_type);
  return g_variant_ref_sink (result);
}

/* Somebody else may take items meanwhile. */
static void
gather (AiopoolBatchCore *core,
        Collection       *all)
{
  guint64 number = 0;
  AiopoolItemView view;
  gboolean is_there;

  for (;;)
    {
      g_mutex_lock (&core->lock);
      number = MAX (number, core->taken);
      is_there = aiopool_results_view (core->results, number, &view);
      g_mutex_unlock (&core->lock);
      if (!is_there)
        break;
      number += add_view (all, &view);
    }
  if (!core->is_ordered)
    g_array_sort (all->parts, compare_parts);
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
  Collection all = { .parts = g_array_new (FALSE, FALSE, sizeof (Part)) };
  GVariant *result = NULL;
  GError *reason;

  g_array_set_clear_func (all.parts, clear_part);
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
    result = make_array (&all);
  else
    g_propagate_error (error, reason);
  g_clear_error (&all.error);
  g_array_unref (all.parts);
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
