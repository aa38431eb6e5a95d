/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/api/aiopool-future-set-private.h"

/* A future set as a list model.
 *
 * What comes and goes in any thread waits among the arrivals and departures of the core, under its
 * lock. The list takes it from there in the home context only: at once if the change was made in
 * its thread, and otherwise when the letter of the core is delivered. While nobody listens the list
 * is left alone until it is read. */

#define MAX_CHANGES 1024 /* of the list under one lock */

static guint
count_shown (AiopoolFutureSet *self)
{
  return (guint) g_sequence_get_length (self->shown);
}

/* FALSE if there was nothing to show. */
static gboolean
show_arrivals (AiopoolFutureSet *self)
{
  AiopoolSetCore *core = self->core;
  guint position = count_shown (self);
  guint n_added = 0;
  GList *link;

  g_mutex_lock (&core->lock);
  while (n_added < MAX_CHANGES && (link = g_queue_pop_head_link (&core->arrivals)) != NULL)
    {
      AiopoolSetItem *item = link->data;

      item->is_shown = TRUE;
      item->place = g_sequence_append (self->shown, item);
      n_added++;
    }
  g_mutex_unlock (&core->lock);
  if (n_added > 0 && !self->is_silent)
    g_list_model_items_changed (G_LIST_MODEL (self), position, 0, n_added);
  return n_added > 0;
}

/* Takes out those of @items, from the first on, that are neighbours in the list. */
static void
hide_run (AiopoolFutureSet *self,
          GQueue           *items)
{
  AiopoolSetItem *item = items->head->data;
  guint position = (guint) g_sequence_iter_get_position (item->place);
  guint n_removed = 0;
  GSequenceIter *next;

  do
    {
      g_queue_pop_head_link (items);
      next = g_sequence_iter_next (item->place);
      g_sequence_remove (item->place);
      n_removed++;
      item = items->head != NULL ? items->head->data : NULL;
    }
  while (item != NULL && item->place == next);
  if (!self->is_silent)
    g_list_model_items_changed (G_LIST_MODEL (self), position, n_removed, 0);
}

static gboolean
hide_departures (AiopoolFutureSet *self)
{
  AiopoolSetCore *core = self->core;
  GQueue items = G_QUEUE_INIT;
  gboolean has_any;

  g_mutex_lock (&core->lock);
  while (items.length < MAX_CHANGES && core->departures.head != NULL)
    g_queue_push_tail_link (&items, g_queue_pop_head_link (&core->departures));
  g_mutex_unlock (&core->lock);
  has_any = items.length > 0;
  while (items.length > 0)
    hide_run (self, &items);
  return has_any;
}

/* At home, whose context this thread holds. A handler that changes the set leaves the rest to this
 * one. */
static void
tell_home (AiopoolFutureSet *self)
{
  if (self->is_telling)
    return;
  self->is_telling = TRUE;
  g_mutex_lock (&self->core->lock);
  self->core->is_stale = FALSE;
  g_mutex_unlock (&self->core->lock);
  g_object_ref (self);
  for (guint n_told = 1; n_told > 0;)
    {
      while (show_arrivals (self) || hide_departures (self))
        ;
      n_told = aiopool_future_set_notify_counts (self);
    }
  self->is_telling = FALSE;
  g_object_unref (self);
}

static AiopoolSetCore *
core_of (AiopoolLetter *letter)
{
  return (AiopoolSetCore *) letter;
}

static void
deliver_home (AiopoolLetter *letter)
{
  AiopoolSetCore *core = core_of (letter);
  AiopoolFutureSet *self = g_weak_ref_get (&core->set);

  g_mutex_lock (&core->lock);
  core->is_posted = FALSE;
  g_mutex_unlock (&core->lock);
  if (self != NULL)
    {
      tell_home (self);
      g_object_unref (self);
    }
  aiopool_set_core_unref (core);
}

static gboolean
is_home_quiet (AiopoolLetter *letter)
{
  AiopoolFutureSet *self = g_weak_ref_get (&core_of (letter)->set);
  gboolean result = self == NULL || !aiopool_set_core_is_heard (core_of (letter));

  g_clear_object (&self);
  return result;
}

const AiopoolLetterKind aiopool_future_set_home_kind = { deliver_home, is_home_quiet, FALSE };

/* FALSE if this is not the thread of the home context. */
static gboolean
tell_home_now (AiopoolFutureSet *self)
{
  GMainContext *context = aiopool_mailbox_get_context (self->core->home);

  if (!aiopool_future_is_own_context (context) || !g_main_context_acquire (context))
    return FALSE;
  tell_home (self);
  g_main_context_release (context);
  return TRUE;
}

/* After a change: in the thread of the home context the list changes now. */
void
aiopool_future_set_come_home (AiopoolFutureSet *self)
{
  AiopoolPostBatch batch = { NULL };
  gboolean is_needed;

  g_mutex_lock (&self->core->lock);
  is_needed = aiopool_set_core_needs_home (self->core);
  self->core->is_stale |= !is_needed;
  g_mutex_unlock (&self->core->lock);
  if (!is_needed || tell_home_now (self))
    return;
  g_mutex_lock (&self->core->lock);
  aiopool_set_core_post_home (self->core, &batch);
  g_mutex_unlock (&self->core->lock);
  aiopool_post_batch_flush (&batch);
}

/* What came while nobody listened is brought in when the list is read, which tells it. */
static void
prepare_to_read (AiopoolFutureSet *self)
{
  AiopoolSetCore *core = self->core;
  gboolean is_stale;

  g_mutex_lock (&core->lock);
  is_stale = core->is_stale;
  g_mutex_unlock (&core->lock);
  if (!is_stale || self->is_telling)
    return;
  self->is_silent = TRUE;
  tell_home_now (self);
  self->is_silent = FALSE;
}

static GType
get_item_type (GListModel *model)
{
  return AIOPOOL_TYPE_FUTURE;
}

static guint
get_n_items (GListModel *model)
{
  AiopoolFutureSet *self = AIOPOOL_FUTURE_SET (model);

  prepare_to_read (self);
  return count_shown (self);
}

static gpointer
get_item (GListModel *model,
          guint       position)
{
  AiopoolFutureSet *self = AIOPOOL_FUTURE_SET (model);
  GSequenceIter *place;
  AiopoolSetItem *item;

  if (position >= get_n_items (model))
    return NULL;
  place = g_sequence_get_iter_at_pos (self->shown, (int) position);
  item = g_sequence_get (place);
  return g_object_ref (item->future);
}

void
aiopool_set_init_list (gpointer data,
                       gpointer interface_data)
{
  GListModelInterface *iface = data;

  iface->get_item_type = get_item_type;
  iface->get_n_items = get_n_items;
  iface->get_item = get_item;
}
