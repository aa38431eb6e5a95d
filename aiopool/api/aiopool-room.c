/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/api/aiopool-room-private.h"

#include "aiopool/base/aiopool-mailbox-private.h"

/* Waiting for room, asynchronously in a main context or blocking in a thread.
 *
 * Room goes to those who wait in the order in which they came: only the first is told of it, and
 * when it is through it tells the next. The one lock is taken last of all, and nothing is called
 * under it but the posting of a letter. */

/* One that waits without blocking. Its letter makes it try again, in its own context. */
typedef struct
{
  AiopoolLetter           letter;       /* first */
  AiopoolRoom            *room;         /* (unowned: the executor's) */
  const AiopoolRoomOwner *owner_class;
  gpointer                executor;     /* (owned) */
  AiopoolMailbox         *mailbox;      /* (owned) */
  AiopoolTask            *task;         /* (owned) */
  GTask                  *completion;   /* (owned) */
  gulong                  cancel_id;
  gboolean                wants_future; /* rather than the result */
  gboolean                is_posted;    /* under the lock */
  gboolean                is_over;      /* in its context: through, and posted once more since */
} Waiting;

void
aiopool_room_init (AiopoolRoom *self)
{
  g_mutex_init (&self->lock);
  g_cond_init (&self->changed);
  g_queue_init (&self->waiting);
}

void
aiopool_room_clear (AiopoolRoom *self)
{
  g_assert (g_queue_is_empty (&self->waiting));
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->changed);
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
waiting_free (Waiting *waiting)
{
  aiopool_mailbox_unref (waiting->mailbox);
  g_object_unref (waiting->task);
  g_object_unref (waiting->completion);
  g_object_unref (waiting->executor);
  g_free (waiting);
}

static void
post (Waiting *waiting)
{
  if (!waiting->is_posted)
    {
      waiting->is_posted = TRUE;
      aiopool_mailbox_post (waiting->mailbox, &waiting->letter);
    }
}

static void
clear_posted (Waiting *waiting)
{
  g_mutex_lock (&waiting->room->lock);
  waiting->is_posted = FALSE;
  g_mutex_unlock (&waiting->room->lock);
}

/* Takes it out of the list, and gives the next one a try; nobody posts it any more after this. */
static void
leave (Waiting *waiting)
{
  AiopoolRoom *self = waiting->room;
  Waiting *next;

  if (waiting->cancel_id != 0)
    g_cancellable_disconnect (g_task_get_cancellable (waiting->completion), waiting->cancel_id);
  g_mutex_lock (&self->lock);
  g_queue_remove (&self->waiting, waiting);
  waiting->is_over = waiting->is_posted;
  next = g_queue_peek_head (&self->waiting);
  if (next != NULL)
    post (next);
  g_mutex_unlock (&self->lock);
}

/* In the context of the one that waits. It stays in its place unless it is through; then it is out
 * of the list before its caller hears of that, who may iterate this context. */
static void
deliver (AiopoolLetter *letter)
{
  Waiting *waiting = (Waiting *) letter;
  const AiopoolRoomOwner *owner_class = waiting->owner_class;
  g_autoptr (GObject) executor = g_object_ref (waiting->executor);
  g_autoptr (GTask) completion = g_object_ref (waiting->completion);
  gboolean wants_future = waiting->wants_future;
  AiopoolFuture *future = NULL;
  GError *error = NULL;

  if (waiting->is_over)
    {
      waiting_free (waiting);
      return;
    }
  clear_posted (waiting);
  if (!owner_class->submit (executor, waiting->task, g_task_get_cancellable (completion), &future,
                            &error))
    return;
  leave (waiting);
  if (!waiting->is_over)
    waiting_free (waiting);
  owner_class->complete (completion, future, error, wants_future);
}

static const AiopoolLetterKind room_kind = { deliver, NULL };

static void
on_waiting_cancelled (GCancellable *cancellable,
                      gpointer      user_data)
{
  Waiting *waiting = user_data;

  g_mutex_lock (&waiting->room->lock);
  post (waiting);
  g_mutex_unlock (&waiting->room->lock);
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
  waiting->room = self;
  waiting->owner_class = owner_class;
  waiting->executor = g_object_ref (executor);
  waiting->mailbox = aiopool_mailbox_ref (aiopool_mailbox_for (g_task_get_context (completion)));
  waiting->task = g_object_ref (task);
  waiting->completion = g_object_ref (completion);
  waiting->wants_future = wants_future;
  if (cancellable != NULL)
    waiting->cancel_id = g_signal_connect (cancellable, "cancelled",
                                           G_CALLBACK (on_waiting_cancelled), waiting);
  g_mutex_lock (&self->lock);
  g_queue_push_tail (&self->waiting, waiting);
  post (waiting);
  g_mutex_unlock (&self->lock);
}

void
aiopool_room_notify (AiopoolRoom *self)
{
  Waiting *first;

  g_mutex_lock (&self->lock);
  self->n_rooms++;
  g_cond_broadcast (&self->changed);
  first = g_queue_peek_head (&self->waiting);
  if (first != NULL)
    post (first);
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
