/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/api/aiopool-room-private.h"

#include "aiopool/base/aiopool-mailbox-private.h"

/* Waiting for room, asynchronously in a main context or blocking in a thread.
 *
 * Those who wait stand in a row. One of them is told of room at a time, the first that is not told
 * already; when it is through it tells the next. One whose turn it is not passes the word on to the
 * one before it. So they go in the order in which they came, but one whose context is not iterated
 * keeps nobody.
 *
 * The one lock is taken last of all, and nothing is called under it but the posting of a letter;
 * and batches, which watch for room and do no more than that either. */

struct _AiopoolRoom
{
  int    ref_count; /* atomic: the executor's, and one for each that waits */
  GMutex lock;      /* guards what follows */
  GCond  changed;   /* n_rooms went up, or a cancellable of somebody who blocks was cancelled */
  guint  n_rooms;   /* how often there was room */
  GQueue waiting;   /* of Waiting, each (owned): in the order of their arrival */
  GSList *watches;  /* (owned) of Watch */
};

typedef struct
{
  AiopoolRoomWatchFunc func;
  gpointer             data;
} Watch;

/* One that waits without blocking. Its letter makes it try again, in its own context. A reference
 * each for being in the row, for the letter when posted, and for the cancellable. */
typedef struct
{
  AiopoolLetter           letter;       /* first */
  int                     ref_count;    /* atomic */
  AiopoolRoom            *room;         /* (owned) */
  const AiopoolRoomOwner *owner_class;
  gpointer                executor;     /* (owned), as the next two until it is over, which is at */
  AiopoolTask            *task;         /* home, where these references must be dropped */
  GTask                  *completion;
  AiopoolMailbox         *mailbox;      /* (owned) */
  gulong                  cancel_id;
  gboolean                wants_future; /* rather than the result */
  gboolean                is_posted;    /* under the lock, as all that follow */
  gboolean                is_trying;
  gboolean                try_again;    /* it was told while it tried */
  gboolean                is_over;
} Waiting;

AiopoolRoom *
aiopool_room_new (void)
{
  AiopoolRoom *self = g_new0 (AiopoolRoom, 1);

  self->ref_count = 1;
  g_mutex_init (&self->lock);
  g_cond_init (&self->changed);
  g_queue_init (&self->waiting);
  return self;
}

void
aiopool_room_unref (AiopoolRoom *self)
{
  if (!g_atomic_int_dec_and_test (&self->ref_count))
    return;
  g_assert (g_queue_is_empty (&self->waiting) && self->watches == NULL);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->changed);
  g_free (self);
}

gboolean
aiopool_room_is_awaited (AiopoolRoom *self)
{
  gboolean result;

  g_mutex_lock (&self->lock);
  result = !g_queue_is_empty (&self->waiting);
  g_mutex_unlock (&self->lock);
  return result;
}

static void
waiting_unref (gpointer data)
{
  Waiting *waiting = data;

  if (!g_atomic_int_dec_and_test (&waiting->ref_count))
    return;
  aiopool_mailbox_unref (waiting->mailbox);
  aiopool_room_unref (waiting->room);
  g_free (waiting);
}

static void
post (Waiting *waiting)
{
  if (waiting->is_posted || waiting->is_over)
    return;
  waiting->is_posted = TRUE;
  g_atomic_int_inc (&waiting->ref_count);
  aiopool_mailbox_post (waiting->mailbox, &waiting->letter);
}

/* Under the lock. Tells the first who is not told already. One that tries just now may have come
 * too early, and tries again if so. */
static void
tell_first (AiopoolRoom *self)
{
  for (GList *link = self->waiting.head; link != NULL; link = link->next)
    {
      Waiting *waiting = link->data;

      if (waiting->is_posted)
        continue;
      if (waiting->is_trying)
        waiting->try_again = TRUE;
      else
        post (waiting);
      return;
    }
}

/* Under the lock. Whether it is the turn of one before @self, who is told: one who is not told
 * already, or whose letter lies behind this one. */
static gboolean
defer (Waiting *self)
{
  for (GList *link = self->room->waiting.head; link->data != self; link = link->next)
    {
      Waiting *before = link->data;

      if (before->is_trying || (before->is_posted && before->mailbox != self->mailbox))
        continue;
      post (before);
      return TRUE;
    }
  return FALSE;
}

/* The letter was read. TRUE if it is to try now; otherwise it is over, tries already, or it is the
 * turn of another one, who is told. */
static gboolean
begin_try (Waiting *waiting)
{
  gboolean result = FALSE;

  g_mutex_lock (&waiting->room->lock);
  waiting->is_posted = FALSE;
  waiting->try_again = waiting->is_trying;
  if (!waiting->is_over && !waiting->is_trying)
    result = waiting->is_trying =
      g_cancellable_is_cancelled (g_task_get_cancellable (waiting->completion)) ||
      !defer (waiting);
  g_mutex_unlock (&waiting->room->lock);
  return result;
}

/* There was no room: it stays in its place. */
static void
stay (Waiting *waiting)
{
  g_mutex_lock (&waiting->room->lock);
  waiting->is_trying = FALSE;
  if (waiting->try_again)
    post (waiting);
  g_mutex_unlock (&waiting->room->lock);
}

/* It is through, and the next one has a try. */
static void
leave (Waiting *waiting)
{
  AiopoolRoom *self = waiting->room;

  if (waiting->cancel_id != 0)
    g_signal_handler_disconnect (g_task_get_cancellable (waiting->completion),
                                 waiting->cancel_id);
  g_mutex_lock (&self->lock);
  g_queue_remove (&self->waiting, waiting);
  waiting->is_over = TRUE;
  tell_first (self);
  g_mutex_unlock (&self->lock);
  g_object_unref (waiting->task);
  waiting_unref (waiting);
}

/* In the context of the one that waits. It is out of the row before its caller hears of that, who
 * may iterate this context. */
static void
deliver (AiopoolLetter *letter)
{
  Waiting *waiting = (Waiting *) letter;
  AiopoolFuture *future = NULL;
  GError *error = NULL;

  if (begin_try (waiting))
    {
      const AiopoolRoomOwner *owner_class = waiting->owner_class;
      GTask *completion = waiting->completion;
      gpointer executor = waiting->executor;
      gboolean wants_future = waiting->wants_future;

      if (!owner_class->submit (executor, waiting->task, g_task_get_cancellable (completion),
                                &future, &error))
        stay (waiting);
      else
        {
          leave (waiting);
          owner_class->complete (completion, future, error, wants_future);
          g_object_unref (completion);
          g_object_unref (executor);
        }
    }
  waiting_unref (waiting);
}

static const AiopoolLetterKind room_kind = { deliver, NULL, FALSE };

static void
on_waiting_cancelled (GCancellable *cancellable,
                      gpointer      user_data)
{
  Waiting *waiting = user_data;

  g_mutex_lock (&waiting->room->lock);
  post (waiting);
  g_mutex_unlock (&waiting->room->lock);
}

static void
drop_connection (gpointer  waiting,
                 GClosure *closure)
{
  waiting_unref (waiting);
}

/* It is in the list before it tries again, so that no room is missed. */
void
aiopool_room_wait (AiopoolRoom            *self,
                   const AiopoolRoomOwner *owner_class,
                   gpointer                executor,
                   AiopoolTask            *task,
                   GTask                  *completion,
                   gboolean                wants_future)
{
  GCancellable *cancellable = g_task_get_cancellable (completion);
  Waiting *waiting = g_new0 (Waiting, 1);

  waiting->letter.kind = &room_kind;
  waiting->ref_count = cancellable != NULL ? 2 : 1;
  waiting->room = self;
  g_atomic_int_inc (&self->ref_count);
  waiting->owner_class = owner_class;
  waiting->executor = g_object_ref (executor);
  waiting->mailbox = aiopool_mailbox_ref (aiopool_mailbox_for (g_task_get_context (completion)));
  waiting->task = g_object_ref (task);
  waiting->completion = g_object_ref (completion);
  waiting->wants_future = wants_future;
  g_mutex_lock (&self->lock);
  if (cancellable != NULL)
    waiting->cancel_id = g_signal_connect_data (cancellable, "cancelled",
                                                G_CALLBACK (on_waiting_cancelled), waiting,
                                                drop_connection, 0);
  g_queue_push_tail (&self->waiting, waiting);
  post (waiting);
  g_mutex_unlock (&self->lock);
}

void
aiopool_room_notify (AiopoolRoom *self)
{
  g_mutex_lock (&self->lock);
  self->n_rooms++;
  g_cond_broadcast (&self->changed);
  tell_first (self);
  for (GSList *link = self->watches; link != NULL; link = link->next)
    {
      Watch *watch = link->data;

      watch->func (watch->data);
    }
  g_mutex_unlock (&self->lock);
}

/* Has @func called whenever there is room. */
void
aiopool_room_add_watch (AiopoolRoom          *self,
                        AiopoolRoomWatchFunc  func,
                        gpointer              data)
{
  Watch *watch = g_new (Watch, 1);

  watch->func = func;
  watch->data = data;
  g_mutex_lock (&self->lock);
  self->watches = g_slist_prepend (self->watches, watch);
  g_mutex_unlock (&self->lock);
}

/* Afterwards it hears no more. There need be no such watch. */
void
aiopool_room_remove_watch (AiopoolRoom          *self,
                           AiopoolRoomWatchFunc  func,
                           gpointer              data)
{
  GSList **link = &self->watches;

  g_mutex_lock (&self->lock);
  while (*link != NULL)
    {
      Watch *watch = (*link)->data;

      if (watch->func == func && watch->data == data)
        {
          g_free (watch);
          *link = g_slist_delete_link (*link, *link);
          break;
        }
      link = &(*link)->next;
    }
  g_mutex_unlock (&self->lock);
}

guint
aiopool_room_get_count (AiopoolRoom *self)
{
  guint result;

  g_mutex_lock (&self->lock);
  result = self->n_rooms;
  g_mutex_unlock (&self->lock);
  return result;
}

static void
on_block_cancelled (GCancellable *cancellable,
                    gpointer      user_data)
{
  AiopoolRoom *self = user_data;

  g_mutex_lock (&self->lock);
  g_cond_broadcast (&self->changed);
  g_mutex_unlock (&self->lock);
}

/* Blocks until there was room since the count was @n_rooms, or @cancellable is cancelled. */
void
aiopool_room_block (AiopoolRoom  *self,
                    guint         n_rooms,
                    GCancellable *cancellable)
{
  gulong id = 0;

  if (cancellable != NULL)
    id = g_cancellable_connect (cancellable, G_CALLBACK (on_block_cancelled), self, NULL);
  g_mutex_lock (&self->lock);
  while (self->n_rooms == n_rooms && !g_cancellable_is_cancelled (cancellable))
    g_cond_wait (&self->changed, &self->lock);
  g_mutex_unlock (&self->lock);
  if (cancellable != NULL)
    g_cancellable_disconnect (cancellable, id);
}
