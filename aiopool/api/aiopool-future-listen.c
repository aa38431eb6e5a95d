/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/api/aiopool-future-private.h"

/* Callbacks for the end of a future, each in the context that it was added in, and in order there:
 * one that is added after the end waits for those before it. */

/* Under the lock. */
static void
unlink_listener (AiopoolListener *listener)
{
  AiopoolListener **link = &listener->future->extra->listeners;

  while (*link != listener)
    link = &(*link)->next;
  *link = listener->next;
}

static void
free_listener (AiopoolListener *listener)
{
  if (listener->destroy != NULL)
    listener->destroy (listener->user_data);
  aiopool_mailbox_unref (listener->mailbox);
  g_object_unref (listener->future);
  g_free (listener);
}

/* Under the lock: the next one of @mailbox that was added after the end, if any. */
static AiopoolListener *
take_next (AiopoolFuture  *self,
           AiopoolMailbox *mailbox)
{
  AiopoolListener *listener = self->extra->listeners;

  while (listener != NULL && (listener->is_posted || listener->mailbox != mailbox))
    listener = listener->next;
  if (listener != NULL)
    listener->is_posted = TRUE;
  return listener;
}

/* In the listener's context. */
static void
deliver_listener (AiopoolLetter *letter)
{
  AiopoolListener *listener = (AiopoolListener *) letter;
  AiopoolFutureCallback callback;
  AiopoolListener *next;

  aiopool_future_lock (listener->future);
  unlink_listener (listener);
  callback = listener->callback;
  next = take_next (listener->future, listener->mailbox);
  aiopool_future_unlock (listener->future);
  if (next != NULL)
    aiopool_mailbox_post (next->mailbox, &next->letter);
  if (callback != NULL)
    callback (listener->future, listener->user_data);
  free_listener (listener);
}

static const AiopoolLetterKind listener_kind = { deliver_listener, NULL, FALSE };

/* Under the lock: puts it behind the others. TRUE if one of them goes to the same mailbox. */
static gboolean
link_listener (AiopoolListener *listener)
{
  AiopoolListener **link = &listener->future->extra->listeners;
  gboolean has_earlier = FALSE;

  for (; *link != NULL; link = &(*link)->next)
    has_earlier |= (*link)->mailbox == listener->mailbox;
  *link = listener;
  return has_earlier;
}

/* Has @callback called in @context (NULL for the one that is thread-default now) when the future
 * has ended, in the order of addition: after the end, a letter waits for the one before it, which
 * may not be in the mailbox yet. */
guint
aiopool_future_listen (AiopoolFuture         *self,
                       GMainContext          *context,
                       AiopoolFutureCallback  callback,
                       gpointer               user_data,
                       GDestroyNotify         destroy)
{
  AiopoolListener *listener = g_new0 (AiopoolListener, 1);
  gboolean is_posted;
  guint id;

  listener->letter.kind = &listener_kind;
  listener->future = g_object_ref (self);
  listener->mailbox = aiopool_mailbox_ref (context != NULL ? aiopool_mailbox_for (context)
                                                           : aiopool_mailbox_get_home ());
  listener->callback = callback;
  listener->user_data = user_data;
  listener->destroy = destroy;
  aiopool_future_lock (self);
  id = listener->id = ++aiopool_future_get_extra (self)->last_id;
  is_posted = !link_listener (listener) && aiopool_future_has_ended (self);
  listener->is_posted = is_posted;
  aiopool_future_unlock (self);
  if (is_posted)
    aiopool_mailbox_post (listener->mailbox, &listener->letter);
  return id;
}

static AiopoolListener *
find_listener (AiopoolFuture *self,
               guint          id)
{
  AiopoolListener *listener = self->extra != NULL ? self->extra->listeners : NULL;

  while (listener != NULL && listener->id != id)
    listener = listener->next;
  return listener;
}

/* FALSE if it was called, or is being called now. */
gboolean
aiopool_future_unlisten (AiopoolFuture *self,
                         guint          id)
{
  GDestroyNotify destroy = NULL;
  gpointer user_data = NULL;
  AiopoolListener *listener;
  gboolean is_ours = FALSE;

  aiopool_future_lock (self);
  listener = find_listener (self, id);
  if (listener != NULL && !listener->is_posted)
    {
      unlink_listener (listener);
      is_ours = TRUE;
    }
  else if (listener != NULL)
    {
      listener->callback = NULL;
      destroy = g_steal_pointer (&listener->destroy);
      user_data = listener->user_data;
    }
  aiopool_future_unlock (self);
  if (is_ours)
    free_listener (listener);
  else if (destroy != NULL)
    destroy (user_data);
  return listener != NULL;
}
