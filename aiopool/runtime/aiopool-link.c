/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/runtime/aiopool-session-private.h"

#include "aiopool/wire/aiopool-worker-fds-private.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* The link thread of a worker: it hears the parent while the main thread runs a task, in C, so that
 * no interpreter's lock keeps it from that. It takes cancels, credits and released segments from
 * the control socket, writes finished results when a task runs on, and watches the parent: when
 * that is gone, the whole process group goes too, whatever it does. */

#define CANCEL_FORCED 1

static gboolean
on_cancel (gpointer data)
{
  g_cancellable_cancel (data);
  return G_SOURCE_REMOVE;
}

/* By iteration, never right here. */
static void
cancel_in (GMainContext *context,
           GCancellable *cancellable)
{
  g_autoptr (GSource) source = g_idle_source_new ();

  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, on_cancel, g_object_ref (cancellable), g_object_unref);
  g_source_attach (source, context);
}

/* An asynchronous function hears it in its main context, another one right here. */
static void
take_cancel (AiopoolSession     *self,
             const AiopoolFrame *frame)
{
  g_autoptr (GCancellable) cancellable = NULL;
  g_autoptr (GMainContext) context = NULL;
  gboolean is_async;
  AiopoolTold *told;

  g_mutex_lock (&self->lock);
  told = aiopool_session_get_told (self, frame->id);
  told->is_cancelled = TRUE;
  if (told->cancellable != NULL)
    cancellable = g_object_ref (told->cancellable);
  is_async = told->is_async && self->context != NULL;
  if (is_async)
    context = g_main_context_ref (self->context);
  g_cond_broadcast (&self->granted);
  g_mutex_unlock (&self->lock);

  if (cancellable == NULL && (frame->flags & CANCEL_FORCED) != 0)
    aiopool_session_send_control (self, AIOPOOL_FRAME_UNHEARD, 0, frame->id);
  else if (cancellable != NULL && is_async)
    cancel_in (context, cancellable);
  else if (cancellable != NULL)
    g_cancellable_cancel (cancellable);
}

static void
take_credit (AiopoolSession     *self,
             const AiopoolFrame *frame)
{
  guint64 credit;
  AiopoolTold *told;

  if (frame->length != sizeof credit)
    return;
  memcpy (&credit, frame->body, sizeof credit);
  g_mutex_lock (&self->lock);
  told = aiopool_session_get_told (self, frame->id);
  told->credit = told->credit + credit < credit ? G_MAXUINT64 : told->credit + credit;
  g_cond_broadcast (&self->granted);
  g_mutex_unlock (&self->lock);
}

static void
take_frame (AiopoolSession     *self,
            const AiopoolFrame *frame)
{
  switch (frame->type)
    {
    case AIOPOOL_FRAME_CANCEL:
      take_cancel (self, frame);
      break;
    case AIOPOOL_FRAME_CREDIT:
      take_credit (self, frame);
      break;
    case AIOPOOL_FRAME_RELEASE:
      if ((frame->flags & AIOPOOL_SEGMENT_FORGET) != 0)
        aiopool_segment_cache_forget (self->cache, frame->id);
      else
        aiopool_segment_store_release (self->store, frame->id);
      aiopool_session_tell_forgotten (self);
      break;
    case AIOPOOL_FRAME_TRIM:
      aiopool_segment_store_trim (self->store);
      aiopool_session_tell_forgotten (self);
      break;
    default:
      break;
    }
}

static void
end_group (void)
{
  kill (0, SIGKILL);
  _exit (137);
}

static gpointer
link_main (gpointer data)
{
  AiopoolSession *self = data;
  AiopoolReader *reader = aiopool_reader_new (self->control_fd);
  gboolean has_parent_fd = fcntl (AIOPOOL_FD_PARENT, F_GETFD) >= 0;
  struct pollfd fds[] = {
    { self->control_fd, POLLIN, 0 },
    { aiopool_outbox_get_timer (self->outbox), POLLIN, 0 },
    { has_parent_fd ? AIOPOOL_FD_PARENT : -1, POLLIN, 0 },
  };
  AiopoolFrame frame;

  for (;;)
    {
      if (poll (fds, G_N_ELEMENTS (fds), -1) < 0)
        continue;
      if (fds[2].revents != 0)
        end_group ();
      if (fds[1].revents != 0)
        aiopool_outbox_on_timer (self->outbox);
      if (fds[0].revents != 0)
        {
          if (aiopool_reader_fill (reader, FALSE) == AIOPOOL_IO_END)
            end_group ();
          while (aiopool_reader_next (reader, &frame) == AIOPOOL_FRAME_OK)
            take_frame (self, &frame);
        }
    }
  return NULL;
}

void
aiopool_link_start (AiopoolSession *session)
{
  sigset_t all, old;

  sigfillset (&all);
  pthread_sigmask (SIG_SETMASK, &all, &old);
  g_thread_unref (g_thread_new ("aiopool-link", link_main, session));
  pthread_sigmask (SIG_SETMASK, &old, NULL);
}
