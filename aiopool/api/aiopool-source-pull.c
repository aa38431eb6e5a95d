/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/api/aiopool-source-parts-private.h"

#include "aiopool/base/aiopool-error.h"

/* How a batch takes items from its source: it claims it, pulls while it has room, says how much
 * that is to whoever pushes, and dismisses it at the end. */

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
  if ((bits & AIOPOOL_SOURCE_TASK_BIT) != 0)
    *task = GSIZE_TO_POINTER (bits & ~(gsize) AIOPOOL_SOURCE_TASK_BIT);
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
  g_queue_clear_full (&pushed, aiopool_source_free_item);
  if (self->list != NULL)
    g_clear_signal_handler (&self->changed_id, self->list);
  if (!has_ended && self->wanted_func != NULL)
    self->wanted_func (self, 0, self->user_data);
}
