/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/api/aiopool-future-set-private.h"

/* The inside of a set of futures: which there are, which have ended, and who waits.
 *
 * A future that ends tells its item at once, on whatever thread that is, by a watch. Under the lock
 * the item goes to those that are done; who waits without blocking is given what it waits for, with
 * a letter to its context; and threads that sleep are rung for, once, until one of them has woken.
 * Everything is a link that moves from one queue to another: nothing depends on how many there are.
 *
 * No reference is taken or dropped there: the items have held the futures since they were added,
 * and are let go by who takes them, or by the list at home. */

static AiopoolSetItem *
item_of (AiopoolFutureWatch *watch)
{
  return (AiopoolSetItem *) watch;
}

static void
core_lock (AiopoolSetCore *self)
{
  g_mutex_lock (&self->lock);
}

static void
core_unlock (AiopoolSetCore *self)
{
  g_mutex_unlock (&self->lock);
}

AiopoolSetCore *
aiopool_set_core_new (gpointer                 owner,
                      const AiopoolLetterKind *kind)
{
  AiopoolSetCore *self = g_new0 (AiopoolSetCore, 1);

  self->letter.kind = kind;
  self->ref_count = 1;
  g_weak_ref_init (&self->set, owner);
  self->owner = owner;
  self->home = aiopool_mailbox_ref (aiopool_mailbox_get_home ());
  g_mutex_init (&self->lock);
  g_cond_init (&self->changed);
  return self;
}

void
aiopool_set_core_unref (AiopoolSetCore *self)
{
  if (!g_atomic_int_dec_and_test (&self->ref_count))
    return;
  g_assert (g_queue_is_empty (&self->all));
  g_weak_ref_clear (&self->set);
  aiopool_mailbox_unref (self->home);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->changed);
  g_free (self);
}

void
aiopool_set_item_unref (gpointer item)
{
  AiopoolSetItem *self = item;

  if (!g_atomic_int_dec_and_test (&self->ref_count))
    return;
  aiopool_future_unlink_watch (self->future, &self->watch);
  g_object_unref (self->future);
  g_free (self);
}

static guint
count_pending (AiopoolSetCore *self)
{
  return self->pooled.length + self->promised.length;
}

static AiopoolSetItem *
peek_next (AiopoolSetCore *self)
{
  GList *head = self->is_ordered ? self->all.head : self->done.head;
  AiopoolSetItem *item = head != NULL ? head->data : NULL;

  return item != NULL && item->state == AIOPOOL_SET_ITEM_DONE ? item : NULL;
}

/* Under the lock. Nothing waits when there is nothing to wait for. */
gboolean
aiopool_set_core_is_met (AiopoolSetCore *self,
                         AiopoolSetAim   aim)
{
  switch (aim)
    {
    case AIOPOOL_SET_ALL:
      return count_pending (self) == 0;
    case AIOPOOL_SET_ANY:
      return self->done.length > 0 || count_pending (self) == 0;
    case AIOPOOL_SET_FIRST_ERROR:
    case AIOPOOL_SET_COLLECT:
      return self->n_failed > 0 || count_pending (self) == 0;
    case AIOPOOL_SET_NEXT:
      return self->all.length == 0 || peek_next (self) != NULL;
    case AIOPOOL_SET_N_AIMS:
    default:
      g_assert_not_reached ();
    }
}

static GQueue *
queue_of (AiopoolSetItem *item)
{
  if (item->state == AIOPOOL_SET_ITEM_DONE)
    return &item->core->done;
  return item->future->job.scheduler != NULL ? &item->core->pooled : &item->core->promised;
}

/* Out of the pending ones, or those that are done. */
static void
leave_queue (AiopoolSetItem *item)
{
  g_queue_unlink (queue_of (item), &item->link);
  if (item->is_indebted)
    g_queue_remove (&item->core->indebted, item);
  item->is_indebted = FALSE;
  item->core->n_contexts -= item->has_context;
  item->has_context = FALSE;
}

/* The list has it, and will not, or was to have it, and need not. */
static void
hide (AiopoolSetCore *self,
      AiopoolSetItem *item)
{
  if (item->is_shown)
    g_queue_push_tail_link (&self->departures, &item->change);
  else
    {
      g_queue_unlink (&self->arrivals, &item->change);
      g_atomic_int_add (&item->ref_count, -1); /* who takes it has one more */
    }
}

static void
take (AiopoolSetCore *self,
      AiopoolSetItem *item)
{
  leave_queue (item);
  g_queue_unlink (&self->all, &item->order);
  self->n_failed -= item->has_failed;
  item->state = AIOPOOL_SET_ITEM_TAKEN;
  hide (self, item);
}

/* Under the lock, when it has come to what was waited for. */
void
aiopool_set_core_catch (AiopoolSetCore *self,
                        AiopoolSetAim   aim,
                        AiopoolSetHaul *haul)
{
  AiopoolSetItem *item;

  if (aim == AIOPOOL_SET_COLLECT)
    haul->futures = aiopool_set_core_list (self, FALSE);
  if (aim != AIOPOOL_SET_NEXT)
    return;
  while (haul->items.length < haul->max && (item = peek_next (self)) != NULL)
    {
      take (self, item);
      g_queue_push_tail_link (&haul->items, &item->link);
    }
}

static void
serve_aim (AiopoolSetCore   *self,
           AiopoolSetAim     aim,
           AiopoolPostBatch *batch)
{
  GList *link;

  while (self->waiters[aim].length > 0 && aiopool_set_core_is_met (self, aim))
    {
      AiopoolSetWaiter *waiter;

      link = g_queue_pop_head_link (&self->waiters[aim]);
      waiter = link->data;
      aiopool_set_core_catch (self, aim, &waiter->haul);
      waiter->is_over = TRUE;
      aiopool_post_batch_add (batch, waiter->mailbox, &waiter->letter, FALSE);
    }
}

/* One who waits for all knew at once. */
static gboolean
may_be_stuck (AiopoolSetCore *self,
              AiopoolSetAim   aim)
{
  return self->n_contexts > 0 && self->pooled.length == 0 && aim != AIOPOOL_SET_ALL &&
         aim != AIOPOOL_SET_COLLECT;
}

/* A wait that may have become one without end is looked at again. */
static gboolean
is_worth_ringing (AiopoolSetCore *self)
{
  for (AiopoolSetAim aim = 0; aim < AIOPOOL_SET_N_AIMS; aim++)
    if (self->n_sleeping[aim] > 0 &&
        (aiopool_set_core_is_met (self, aim) || may_be_stuck (self, aim)))
      return TRUE;
  return FALSE;
}

/* Under the lock. */
void
aiopool_set_core_ring (AiopoolSetCore *self)
{
  for (AiopoolSetAim aim = 0; aim < AIOPOOL_SET_N_AIMS; aim++)
    self->n_sleeping[aim] = 0;
  self->n_rings++;
  g_cond_broadcast (&self->changed);
}

/* Under the lock. Until it is rung, at the latest at @end: monotonic microseconds, -1 for never. */
void
aiopool_set_core_sleep (AiopoolSetCore *self,
                        AiopoolSetAim   aim,
                        gint64          end)
{
  guint n_rings = self->n_rings;

  self->n_sleeping[aim]++;
  if (end < 0)
    g_cond_wait (&self->changed, &self->lock);
  else
    g_cond_wait_until (&self->changed, &self->lock, end);
  if (n_rings == self->n_rings)
    self->n_sleeping[aim]--;
}

static gboolean
has_handler (gpointer owner,
             guint    signal)
{
  return g_signal_handler_find (owner, G_SIGNAL_MATCH_ID, signal, 0, NULL, NULL, NULL) != 0;
}

/* Whether anybody listens to the set, be it for one property only. */
gboolean
aiopool_set_core_is_heard (AiopoolSetCore *self)
{
  static gsize changed_id, notify_id;

  if (g_once_init_enter (&changed_id))
    g_once_init_leave (&changed_id, g_signal_lookup ("items-changed", G_TYPE_LIST_MODEL));
  if (g_once_init_enter (&notify_id))
    g_once_init_leave (&notify_id, g_signal_lookup ("notify", G_TYPE_OBJECT));
  return has_handler (self->owner, (guint) changed_id) ||
         has_handler (self->owner, (guint) notify_id);
}

/* Under the lock. As long as nobody listens the list waits until it is read; but what has left it
 * is let go. */
gboolean
aiopool_set_core_needs_home (AiopoolSetCore *self)
{
  return self->departures.length > 0 || aiopool_set_core_is_heard (self);
}

/* Under the lock, unless the list and the counts are told at once. One letter does for all changes
 * until it is read. */
void
aiopool_set_core_post_home (AiopoolSetCore   *self,
                            AiopoolPostBatch *batch)
{
  if (self->is_posted || !aiopool_set_core_needs_home (self))
    return;
  self->is_posted = TRUE;
  g_atomic_int_inc (&self->ref_count);
  aiopool_post_batch_add (batch, self->home, &self->letter, !aiopool_set_core_is_heard (self));
}

/* Under the lock, after every change: those who wait. */
void
aiopool_set_core_tell (AiopoolSetCore   *self,
                       AiopoolPostBatch *batch)
{
  for (AiopoolSetAim aim = 0; aim < AIOPOOL_SET_N_AIMS; aim++)
    serve_aim (self, aim, batch);
  if (is_worth_ringing (self))
    aiopool_set_core_ring (self);
}

static void
become_done (AiopoolSetCore *self,
             AiopoolSetItem *item)
{
  item->state = AIOPOOL_SET_ITEM_DONE;
  item->has_failed = g_atomic_int_get (&item->future->state) != AIOPOOL_FUTURE_DONE;
  self->n_failed += item->has_failed;
  g_queue_push_tail_link (&self->done, &item->link);
}

/* Under the future's lock. */
static void
on_ended (AiopoolFutureWatch *watch,
          AiopoolPostBatch   *batch)
{
  AiopoolSetItem *item = item_of (watch);
  AiopoolSetCore *self = item->core;

  core_lock (self);
  if (item->state == AIOPOOL_SET_ITEM_PENDING)
    {
      leave_queue (item);
      become_done (self, item);
      aiopool_set_core_tell (self, batch);
      aiopool_set_core_post_home (self, batch);
    }
  core_unlock (self);
}

/* Under the future's lock. If nobody blocks, the next one who does will pay. */
static gboolean
is_awaited (AiopoolFutureWatch *watch)
{
  AiopoolSetItem *item = item_of (watch);
  AiopoolSetCore *self = item->core;
  gboolean result;

  core_lock (self);
  result = self->n_blocked > 0 && item->state == AIOPOOL_SET_ITEM_PENDING;
  if (!result && item->state == AIOPOOL_SET_ITEM_PENDING && !item->is_indebted)
    {
      item->is_indebted = TRUE;
      g_queue_push_tail (&self->indebted, item);
    }
  core_unlock (self);
  return result;
}

/* Under the future's lock and ours. */
static void
note_context (AiopoolSetItem *item)
{
  if (item->state != AIOPOOL_SET_ITEM_PENDING || item->has_context)
    return;
  item->has_context = TRUE;
  item->core->n_contexts++;
}

static void
on_needs_context (AiopoolFutureWatch *watch)
{
  AiopoolSetItem *item = item_of (watch);

  core_lock (item->core);
  note_context (item);
  core_unlock (item->core);
}

static const AiopoolFutureWatchClass watch_class = { on_ended, is_awaited, on_needs_context };

/* Under the future's lock and ours. */
static AiopoolSetItem *
find_item (AiopoolSetCore *self,
           AiopoolFuture  *future)
{
  AiopoolFutureWatch *watch = future->extra != NULL ? future->extra->watches : NULL;

  for (; watch != NULL; watch = watch->next)
    {
      AiopoolSetItem *item = item_of (watch);

      if (watch->klass == &watch_class && item->core == self &&
          item->state != AIOPOOL_SET_ITEM_TAKEN)
        return item;
    }
  return NULL;
}

static AiopoolSetItem *
item_new (AiopoolSetCore *self,
          AiopoolFuture  *future)
{
  AiopoolSetItem *item = g_new0 (AiopoolSetItem, 1);

  item->watch.klass = &watch_class;
  item->core = self;
  item->future = g_object_ref (future);
  item->ref_count = 2;
  item->order.data = item->link.data = item->change.data = item;
  return item;
}

/* Under the future's lock and ours. */
static void
insert (AiopoolSetCore *self,
        AiopoolSetItem *item)
{
  aiopool_future_link_watch (item->future, &item->watch);
  g_queue_push_tail_link (&self->all, &item->order);
  g_queue_push_tail_link (&self->arrivals, &item->change);
  if (aiopool_future_has_ended (item->future))
    become_done (self, item);
  else
    {
      g_queue_push_tail_link (queue_of (item), &item->link);
      if (item->future->extra->needed != NULL)
        note_context (item);
    }
}

/* FALSE if it is there. */
gboolean
aiopool_set_core_add (AiopoolSetCore *self,
                      AiopoolFuture  *future)
{
  AiopoolSetItem *item = item_new (self, future);
  AiopoolPostBatch batch = { NULL };
  gboolean is_new;

  aiopool_future_lock (future);
  core_lock (self);
  is_new = find_item (self, future) == NULL;
  if (is_new)
    {
      insert (self, item);
      aiopool_set_core_tell (self, &batch);
    }
  core_unlock (self);
  aiopool_future_unlock (future);
  aiopool_post_batch_flush (&batch);
  if (!is_new)
    {
      g_object_unref (item->future);
      g_free (item);
    }
  return is_new;
}

/* FALSE if it is not there. */
gboolean
aiopool_set_core_remove (AiopoolSetCore *self,
                         AiopoolFuture  *future)
{
  AiopoolPostBatch batch = { NULL };
  AiopoolSetItem *item;

  aiopool_future_lock (future);
  core_lock (self);
  item = find_item (self, future);
  if (item != NULL)
    {
      take (self, item);
      aiopool_set_core_tell (self, &batch);
    }
  core_unlock (self);
  aiopool_future_unlock (future);
  aiopool_post_batch_flush (&batch);
  if (item != NULL)
    aiopool_set_item_unref (item);
  return item != NULL;
}

/* (transfer full): futures in the order added. Under the lock; the items hold them, so that no
 * language binding hears of the references. */
GPtrArray *
aiopool_set_core_list (AiopoolSetCore *self,
                       gboolean        only_pending)
{
  GPtrArray *futures = g_ptr_array_new_with_free_func (g_object_unref);

  for (GList *link = self->all.head; link != NULL; link = link->next)
    {
      AiopoolSetItem *item = link->data;

      if (!only_pending || item->state == AIOPOOL_SET_ITEM_PENDING)
        g_ptr_array_add (futures, g_object_ref (item->future));
    }
  return futures;
}

/* With the last reference to the set: nobody waits. */
void
aiopool_set_core_empty (AiopoolSetCore *self)
{
  GQueue items = G_QUEUE_INIT;
  GList *link;

  core_lock (self);
  while (self->all.head != NULL)
    {
      AiopoolSetItem *item = self->all.head->data;

      take (self, item);
      g_queue_push_tail_link (&items, &item->link);
    }
  self->owner = NULL;
  core_unlock (self);
  while ((link = g_queue_pop_head_link (&items)) != NULL)
    aiopool_set_item_unref (link->data);
}
