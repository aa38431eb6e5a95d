/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/api/aiopool-source-parts-private.h"

#include <string.h>

/**
 * AiopoolSource:
 *
 * Where the items of an [class@Aiopool.Batch] come from.
 *
 * There are four kinds: an array ([ctor@Aiopool.Source.new_for_array]), a list model
 * ([ctor@Aiopool.Source.new_for_list]), a function that is asked for one item after the other
 * ([ctor@Aiopool.Source.new_for_callback]), and items that are pushed by whoever has them
 * ([ctor@Aiopool.Source.new_pushed]), which suits asynchronous iterators.
 *
 * A batch takes items only when it has room for them, so a source may be endless. A function and a
 * list model are asked only in the main context that was thread-default when the batch was made,
 * and by blocking calls of the thread that made it or that iterates that context. An array and
 * pushed items may be taken by any thread.
 *
 * A source is for one batch.
 *
 * Since: 0.1
 */

G_DEFINE_FINAL_TYPE (AiopoolSource, aiopool_source, G_TYPE_OBJECT)

void
aiopool_source_free_item (gpointer item)
{
  gsize bits = GPOINTER_TO_SIZE (item);

  if ((bits & AIOPOOL_SOURCE_TASK_BIT) != 0)
    g_object_unref (GSIZE_TO_POINTER (bits & ~(gsize) AIOPOOL_SOURCE_TASK_BIT));
  else
    g_variant_unref (item);
}

static void
aiopool_source_dispose (GObject *object)
{
  AiopoolSource *self = AIOPOOL_SOURCE (object);

  if (self->list != NULL)
    g_clear_signal_handler (&self->changed_id, self->list);
  g_clear_object (&self->list);
  G_OBJECT_CLASS (aiopool_source_parent_class)->dispose (object);
}

static void
aiopool_source_finalize (GObject *object)
{
  AiopoolSource *self = AIOPOOL_SOURCE (object);

  if (self->destroy != NULL)
    self->destroy (self->user_data);
  g_queue_clear_full (&self->pushed, aiopool_source_free_item);
  g_clear_pointer (&self->array, g_variant_unref);
  g_clear_error (&self->error);
  g_mutex_clear (&self->lock);
  G_OBJECT_CLASS (aiopool_source_parent_class)->finalize (object);
}

static void
aiopool_source_class_init (AiopoolSourceClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->dispose = aiopool_source_dispose;
  object_class->finalize = aiopool_source_finalize;
}

static void
aiopool_source_init (AiopoolSource *self)
{
  g_mutex_init (&self->lock);
  g_queue_init (&self->pushed);
}

static AiopoolSource *
source_new (gpointer       user_data,
            GDestroyNotify destroy)
{
  AiopoolSource *self = g_object_new (AIOPOOL_TYPE_SOURCE, NULL);

  self->user_data = user_data;
  self->destroy = destroy;
  return self;
}

/* The entries of a dictionary are tuples of two with the same bytes. Takes @array. */
static GVariant *
without_entries (GVariant *array)
{
  g_autofree char *type = NULL;
  g_autoptr (GBytes) bytes = NULL;
  GVariant *result;

  if (!g_variant_is_of_type (array, G_VARIANT_TYPE_DICTIONARY))
    return array;
  type = g_strdup (g_variant_get_type_string (array));
  type[1] = '(';
  type[strlen (type) - 1] = ')';
  bytes = g_variant_get_data_as_bytes (array);
  result = g_variant_ref_sink (g_variant_new_from_bytes (G_VARIANT_TYPE (type), bytes, TRUE));
  g_variant_unref (array);
  return result;
}

/**
 * aiopool_source_new_for_array:
 * @items: an array of any type; an entry of a dictionary is a tuple of its key and its value
 *
 * Makes a source of the items of an array.
 *
 * If @items is floating, the source takes it over.
 *
 * Returns: (transfer full): a new source
 *
 * Since: 0.1
 */
AiopoolSource *
aiopool_source_new_for_array (GVariant *items)
{
  g_autoptr (GVariant) sunk = NULL;
  AiopoolSource *self;

  g_return_val_if_fail (items != NULL, NULL);
  g_return_val_if_fail (g_variant_is_of_type (items, G_VARIANT_TYPE_ARRAY), NULL);

  sunk = g_variant_ref_sink (items);
  self = source_new (NULL, NULL);
  self->array = without_entries (g_variant_get_normal_form (sunk));
  return self;
}

/**
 * aiopool_source_new_for_list:
 * @list: a list model
 * @func: (nullable) (scope notified) (closure user_data) (destroy destroy): makes an item of an
 *   object of the list; %NULL if the objects are [class@Aiopool.Task]s
 * @user_data: data for @func
 * @destroy: (nullable): frees @user_data
 *
 * Makes a source of the objects of a list model.
 *
 * Without @func each object is a task of its own, with its own function and options.
 *
 * The list may change meanwhile. It is read from its start to its end with a position that moves
 * along when something is inserted or removed before it, so that no object is read twice or left
 * out. When a change goes across the position, what replaces the objects that were read counts as
 * read. The batch has come to the end when it asks for an object and there is none; what is
 * appended after that is not read.
 *
 * Returns: (transfer full): a new source
 *
 * Since: 0.1
 */
AiopoolSource *
aiopool_source_new_for_list (GListModel           *list,
                             AiopoolSourceItemFunc func,
                             gpointer              user_data,
                             GDestroyNotify        destroy)
{
  AiopoolSource *self;

  g_return_val_if_fail (G_IS_LIST_MODEL (list), NULL);

  self = source_new (user_data, destroy);
  self->list = g_object_ref (list);
  self->item_func = func;
  return self;
}

/**
 * aiopool_source_new_for_callback:
 * @func: (scope notified) (closure user_data) (destroy destroy): gives the next item
 * @user_data: data for @func
 * @destroy: (nullable): frees @user_data
 *
 * Makes a source of a function that gives one item after the other.
 *
 * Returns: (transfer full): a new source
 *
 * Since: 0.1
 */
AiopoolSource *
aiopool_source_new_for_callback (AiopoolSourceFunc func,
                                 gpointer          user_data,
                                 GDestroyNotify    destroy)
{
  AiopoolSource *self;

  g_return_val_if_fail (func != NULL, NULL);

  self = source_new (user_data, destroy);
  self->func = func;
  return self;
}

/**
 * aiopool_source_new_pushed:
 * @func: (nullable) (scope notified) (closure user_data) (destroy destroy): told when items are
 *   wanted
 * @user_data: data for @func
 * @destroy: (nullable): frees @user_data
 *
 * Makes a source of what is pushed into it.
 *
 * Items are pushed with [method@Aiopool.Source.push] or [method@Aiopool.Source.push_task], which
 * may be mixed, and the last of them is followed by [method@Aiopool.Source.end] or
 * [method@Aiopool.Source.fail].
 *
 * What is pushed is kept until the batch has room for it. A pusher that could go on for long does
 * well to push only as many items as @func is told to be wanted. Blocking reads iterate no main
 * context: do not wait in this way for items that are pushed from the same context.
 *
 * Returns: (transfer full): a new source
 *
 * Since: 0.1
 */
AiopoolSource *
aiopool_source_new_pushed (AiopoolSourceWantedFunc func,
                           gpointer                user_data,
                           GDestroyNotify          destroy)
{
  AiopoolSource *self = source_new (user_data, destroy);

  self->wanted_func = func;
  self->is_pushed = TRUE;
  return self;
}

/* Takes @item. */
static gboolean
push (AiopoolSource *self,
      gpointer       item)
{
  gboolean is_taken;

  g_mutex_lock (&self->lock);
  is_taken = !self->has_ended && !self->is_dismissed;
  if (is_taken)
    {
      g_queue_push_tail (&self->pushed, item);
      self->n_asked -= MIN (self->n_asked, 1);
      if (self->wake != NULL)
        self->wake (self->wake_data);
    }
  g_mutex_unlock (&self->lock);
  if (!is_taken)
    aiopool_source_free_item (item);
  return is_taken;
}

/**
 * aiopool_source_push:
 * @self: a source that was made with [ctor@Aiopool.Source.new_pushed]
 * @item: an item
 *
 * Adds an item.
 *
 * If @item is floating, the source takes it over. May be called from any thread, before the batch
 * starts too.
 *
 * Returns: %FALSE if the source was ended, or nothing is wanted any more because the batch is over
 *
 * Since: 0.1
 */
gboolean
aiopool_source_push (AiopoolSource *self,
                     GVariant      *item)
{
  g_return_val_if_fail (AIOPOOL_IS_SOURCE (self) && self->is_pushed, FALSE);
  g_return_val_if_fail (item != NULL, FALSE);

  return push (self, g_variant_ref_sink (item));
}

/**
 * aiopool_source_push_task:
 * @self: a source that was made with [ctor@Aiopool.Source.new_pushed]
 * @task: a task; frozen from now on
 *
 * Adds an item that is a task of its own, with its own function and options.
 *
 * May be called from any thread, before the batch starts too.
 *
 * Returns: %FALSE if the source was ended, or nothing is wanted any more because the batch is over
 *
 * Since: 0.1
 */
gboolean
aiopool_source_push_task (AiopoolSource *self,
                          AiopoolTask   *task)
{
  gsize bits;

  g_return_val_if_fail (AIOPOOL_IS_SOURCE (self) && self->is_pushed, FALSE);
  g_return_val_if_fail (AIOPOOL_IS_TASK (task), FALSE);

  bits = GPOINTER_TO_SIZE (g_object_ref (task)) | AIOPOOL_SOURCE_TASK_BIT;
  return push (self, GSIZE_TO_POINTER (bits));
}

/* Takes @error. */
static void
end (AiopoolSource *self,
     GError        *error)
{
  g_mutex_lock (&self->lock);
  if (!self->has_ended)
    {
      self->has_ended = TRUE;
      self->error = g_steal_pointer (&error);
      if (self->wake != NULL && self->is_pushed)
        self->wake (self->wake_data);
    }
  g_mutex_unlock (&self->lock);
  g_clear_error (&error);
}

/**
 * aiopool_source_end:
 * @self: a source that was made with [ctor@Aiopool.Source.new_pushed] or
 *   [ctor@Aiopool.Source.new_for_callback]
 *
 * Says that there are no more items.
 *
 * May be called from any thread; of a source with a function, by that function.
 *
 * Since: 0.1
 */
void
aiopool_source_end (AiopoolSource *self)
{
  g_return_if_fail (AIOPOOL_IS_SOURCE (self) && (self->is_pushed || self->func != NULL));

  end (self, NULL);
}

/**
 * aiopool_source_fail:
 * @self: a source that was made with [ctor@Aiopool.Source.new_pushed]
 * @error: why there are no more items
 *
 * Says that there are no more items because something went wrong.
 *
 * The batch ends with this error after the items that came before it. May be called from any
 * thread.
 *
 * Since: 0.1
 */
void
aiopool_source_fail (AiopoolSource *self,
                     const GError  *error)
{
  g_return_if_fail (AIOPOOL_IS_SOURCE (self) && self->is_pushed);
  g_return_if_fail (error != NULL);

  end (self, g_error_copy (error));
}
