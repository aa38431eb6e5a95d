/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/api/aiopool-source-private.h"

#include "aiopool/base/aiopool-error.h"

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

/* Which fields count depends on the kind. The lock guards what is pushed, and whoever is woken by
 * that; of the others one at a time pulls, as the batch sees to. */
struct _AiopoolSource
{
  GObject                 parent_instance;
  GVariant               *array;      /* (owned) (nullable): in normal form */
  GListModel             *list;       /* (owned) (nullable) */
  guint                   cursor;     /* in the list */
  gulong                  changed_id; /* of the list */
  AiopoolSourceItemFunc   item_func;  /* (nullable) */
  AiopoolSourceFunc       func;       /* (nullable) */
  AiopoolSourceWantedFunc wanted_func; /* (nullable) */
  gpointer                user_data;
  GDestroyNotify          destroy;    /* (nullable) */
  GMutex                  lock;       /* guards what follows */
  GQueue                  pushed;     /* (owned) of GVariant or, with TASK_BIT, AiopoolTask */
  guint                   n_asked;    /* were wanted and not pushed yet */
  gboolean                is_pushed;  /* the kind; never changes */
  gboolean                is_claimed;
  gboolean                has_ended;
  gboolean                is_dismissed;
  GError                 *error;      /* (owned) (nullable) */
  AiopoolSourceWake       wake;       /* (nullable) */
  gpointer                wake_data;
};

#define TASK_BIT 1

G_DEFINE_FINAL_TYPE (AiopoolSource, aiopool_source, G_TYPE_OBJECT)

static void
free_pushed (gpointer item)
{
  gsize bits = GPOINTER_TO_SIZE (item);

  if ((bits & TASK_BIT) != 0)
    g_object_unref (GSIZE_TO_POINTER (bits & ~(gsize) TASK_BIT));
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
  g_queue_clear_full (&self->pushed, free_pushed);
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
    free_pushed (item);
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
  g_return_val_if_fail (AIOPOOL_IS_SOURCE (self) && self->is_pushed, FALSE);
  g_return_val_if_fail (AIOPOOL_IS_TASK (task), FALSE);

  return push (self, GSIZE_TO_POINTER (GPOINTER_TO_SIZE (g_object_ref (task)) | TASK_BIT));
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

/* For a batch, which is woken when something is pushed. FALSE if another one has it. */
gboolean
aiopool_source_claim (AiopoolSource    *self,
                      AiopoolSourceWake wake,
                      gpointer          data)
{
  gboolean is_first;

  g_mutex_lock (&self->lock);
  is_first = !self->is_claimed;
  if (is_first)
    {
      self->is_claimed = TRUE;
      self->wake = wake;
      self->wake_data = data;
    }
  g_mutex_unlock (&self->lock);
  return is_first;
}

/* (nullable): what any thread may read by itself. */
GVariant *
aiopool_source_get_array (AiopoolSource *self)
{
  return self->array;
}

static void
on_list_changed (GListModel    *list,
                 guint          position,
                 guint          n_removed,
                 guint          n_added,
                 AiopoolSource *self)
{
  if (position + n_removed <= self->cursor)
    self->cursor += n_added - n_removed;
  else if (position < self->cursor)
    self->cursor = MIN (self->cursor, position + n_added);
}

static void
set_no_value (GError    **error,
              const char *what)
{
  g_set_error (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_WRONG_TYPE,
               "%s of a list is no AiopoolTask, and there is no function that makes an item of it",
               what);
}

static void
set_neither (GError **error)
{
  g_set_error_literal (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_FAILED,
                       "The function of the source gave neither an item nor an error");
}

static AiopoolPull
pull_from_list (AiopoolSource *self,
                GVariant     **value,
                AiopoolTask  **task,
                GError       **error)
{
  g_autoptr (GObject) object = NULL;

  if (self->changed_id == 0)
    self->changed_id = g_signal_connect (self->list, "items-changed",
                                         G_CALLBACK (on_list_changed), self);
  object = g_list_model_get_item (self->list, self->cursor);
  if (object == NULL)
    return AIOPOOL_PULL_END;
  self->cursor++;
  if (self->item_func == NULL && AIOPOOL_IS_TASK (object))
    *task = AIOPOOL_TASK (g_steal_pointer (&object));
  else if (self->item_func == NULL)
    set_no_value (error, G_OBJECT_TYPE_NAME (object));
  else if ((*value = self->item_func (object, self->user_data, error)) != NULL)
    *value = g_variant_take_ref (*value);
  else if (*error == NULL)
    set_neither (error);
  return *error == NULL ? AIOPOOL_PULL_ITEM : AIOPOOL_PULL_END;
}

static gboolean
has_ended (AiopoolSource *self)
{
  gboolean result;

  g_mutex_lock (&self->lock);
  result = self->has_ended;
  g_mutex_unlock (&self->lock);
  return result;
}

static AiopoolPull
pull_from_callback (AiopoolSource *self,
                    GVariant     **value,
                    GError       **error)
{
  *value = self->func (self, self->user_data, error);
  if (*value == NULL)
    {
      if (*error == NULL && !has_ended (self))
        set_neither (error);
      return AIOPOOL_PULL_END;
    }
  *value = g_variant_take_ref (*value);
  if (*error == NULL)
    return AIOPOOL_PULL_ITEM;
  g_clear_pointer (value, g_variant_unref);
  return AIOPOOL_PULL_END;
}

static AiopoolPull
pull_pushed (AiopoolSource *self,
             GVariant     **value,
             AiopoolTask  **task,
             GError       **error)
{
  AiopoolPull result = AIOPOOL_PULL_LATER;
  gpointer item;
  gsize bits;

  g_mutex_lock (&self->lock);
  item = g_queue_pop_head (&self->pushed);
  if (item == NULL && self->has_ended)
    {
      result = AIOPOOL_PULL_END;
      *error = g_steal_pointer (&self->error);
    }
  g_mutex_unlock (&self->lock);
  if (item == NULL)
    return result;
  bits = GPOINTER_TO_SIZE (item);
  if ((bits & TASK_BIT) != 0)
    *task = GSIZE_TO_POINTER (bits & ~(gsize) TASK_BIT);
  else
    *value = item;
  return AIOPOOL_PULL_ITEM;
}

/* Not of an array. @error must not be NULL, and is set only with END. One thread at a time, and it
 * must be one in which user code may run. */
AiopoolPull
aiopool_source_pull (AiopoolSource *self,
                     GVariant     **value,
                     AiopoolTask  **task,
                     GError       **error)
{
  if (self->list != NULL)
    return pull_from_list (self, value, task, error);
  if (self->func != NULL)
    return pull_from_callback (self, value, error);
  return pull_pushed (self, value, task, error);
}

/* There is room for @n_items altogether. As pull(). */
void
aiopool_source_want (AiopoolSource *self,
                     guint          n_items)
{
  guint n_there, n_missing = 0;

  if (self->wanted_func == NULL)
    return;
  g_mutex_lock (&self->lock);
  n_there = g_queue_get_length (&self->pushed) + self->n_asked;
  if (n_items > n_there && !self->has_ended && !self->is_dismissed)
    n_missing = n_items - n_there;
  self->n_asked += n_missing;
  g_mutex_unlock (&self->lock);
  if (n_missing > 0)
    self->wanted_func (self, n_missing, self->user_data);
}

/* How many items are still to come, -1 if that is not known. Not of an array; of a list, as
 * pull(). */
gint64
aiopool_source_count_left (AiopoolSource *self)
{
  gint64 result = -1;

  if (self->list != NULL)
    return MAX ((gint64) g_list_model_get_n_items (self->list) - self->cursor, 0);
  g_mutex_lock (&self->lock);
  if (self->is_pushed && self->has_ended)
    result = g_queue_get_length (&self->pushed);
  g_mutex_unlock (&self->lock);
  return result;
}

/* Whether the one who pushes has to be told that nothing is wanted any more. */
gboolean
aiopool_source_has_pusher (AiopoolSource *self)
{
  gboolean result;

  g_mutex_lock (&self->lock);
  result = self->wanted_func != NULL && !self->has_ended && !self->is_dismissed;
  g_mutex_unlock (&self->lock);
  return result;
}

/* Under the lock. FALSE if it was before, or if it is another batch's. */
static gboolean
dismiss (AiopoolSource *self,
         gpointer       data,
         GQueue        *pushed)
{
  if (self->is_dismissed || (self->is_claimed && self->wake_data != data))
    return FALSE;
  self->is_dismissed = TRUE;
  self->wake = NULL;
  *pushed = self->pushed;
  g_queue_init (&self->pushed);
  return TRUE;
}

/* The batch, which is @data of claim(), wants no more. Where user code may run. */
void
aiopool_source_dismiss (AiopoolSource *self,
                        gpointer       data)
{
  GQueue pushed = G_QUEUE_INIT;
  gboolean is_mine, has_ended;

  g_mutex_lock (&self->lock);
  is_mine = dismiss (self, data, &pushed);
  has_ended = self->has_ended;
  g_mutex_unlock (&self->lock);
  if (!is_mine)
    return;
  g_queue_clear_full (&pushed, free_pushed);
  if (self->list != NULL)
    g_clear_signal_handler (&self->changed_id, self->list);
  if (!has_ended && self->wanted_func != NULL)
    self->wanted_func (self, 0, self->user_data);
}
