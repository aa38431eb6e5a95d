/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/runtime/aiopool-session-private.h"

#include "aiopool/runtime/aiopool-log-private.h"
#include "aiopool/wire/aiopool-worker-fds-private.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* The link thread of a worker: it hears the parent while the main thread runs a task, in C, so that
 * no interpreter's lock keeps it from that. It takes cancels, credits and released segments from
 * the control socket, and writes finished results when a task runs on. In a sandbox, where the
 * parent can only kill, it raises SIGTERM when that says so.
 *
 * Beside it the guard thread watches the parent: when that is gone, the whole process group goes
 * too, whatever it does. It does nothing else, because what is connected to a cancellable runs in
 * the link thread and may keep it.
 *
 * Until there is the guard, the parent's death kills the process alone (the shim asked for
 * SIGKILL). That would come before the guard can end what the process has started, so from then on
 * the parent's death only sends SIGCONT, which a process that was stopped needs. */

#define CANCEL_FORCED 1

#define ITEM_WAIT 2000 /* microseconds */
#define ITEM_STEP 100

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

/* An item of a chunk may be over soon, and no other one will begin. */
static void
wait_for_item (AiopoolSession *self,
               guint64         id)
{
  for (guint i = 0; i < ITEM_WAIT / ITEM_STEP && atomic_load (&self->running) == id; i++)
    g_usleep (ITEM_STEP);
}

/* The function of the task cannot be told to stop. That matters only while it runs: the parent will
 * end what the worker does then. */
static void
say_unheard (AiopoolSession *self,
             guint64         id)
{
  guint64 running = id;

  if (atomic_load (&self->has_chunk))
    wait_for_item (self, id);
  atomic_store (&self->unheard, g_get_monotonic_time ());
  if (atomic_compare_exchange_strong (&self->running, &running, AIOPOOL_RUNNING_UNHEARD))
    aiopool_session_send_control (self, AIOPOOL_FRAME_UNHEARD, 0, id);
}

/* Under the lock. FALSE if the task is over. */
static gboolean
note_cancel (AiopoolSession  *self,
             guint64          id,
             GCancellable   **cancellable,
             GMainContext   **context)
{
  AiopoolTold *told = aiopool_session_get_told (self, id);

  if (told == NULL)
    return FALSE;
  told->is_cancelled = TRUE;
  if (told->cancellable != NULL)
    *cancellable = g_object_ref (told->cancellable);
  if (told->is_async && self->context != NULL)
    *context = g_main_context_ref (self->context);
  g_cond_broadcast (&self->granted);
  return TRUE;
}

/* An asynchronous function hears it in its main context, another one right here. */
static void
take_cancel (AiopoolSession     *self,
             const AiopoolFrame *frame)
{
  g_autoptr (GCancellable) cancellable = NULL;
  g_autoptr (GMainContext) context = NULL;
  gboolean is_under_way;

  g_mutex_lock (&self->lock);
  is_under_way = note_cancel (self, frame->id, &cancellable, &context);
  g_mutex_unlock (&self->lock);

  if (is_under_way && cancellable == NULL && (frame->flags & CANCEL_FORCED) != 0)
    say_unheard (self, frame->id);
  else if (cancellable != NULL && context != NULL)
    cancel_in (context, cancellable);
  else if (cancellable != NULL)
    g_cancellable_cancel (cancellable);
}

static void
take_credit (AiopoolSession     *self,
             const AiopoolFrame *frame)
{
  guint64 credit;

  memcpy (&credit, frame->body, sizeof credit);
  if (frame->id == 0)
    aiopool_log_grant (credit);
  else
    aiopool_session_grant (self, frame->id, credit);
}

/* FALSE for a frame that has no place here. */
static gboolean
take_frame (AiopoolSession     *self,
            const AiopoolFrame *frame)
{
  gsize size = frame->type == AIOPOOL_FRAME_CREDIT ? sizeof (guint64) : 0;

  if (frame->length != size || frame->n_fds != 0)
    return FALSE;
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
    case AIOPOOL_FRAME_TERMINATE:
      kill (0, SIGTERM);
      break;
    default:
      return FALSE;
    }
  return TRUE;
}

static void
end_group (void)
{
  kill (0, SIGKILL);
  _exit (137);
}

/* Serving is over because the parent writes no more. One that lives keeps the socket open until
 * this process has ended, and then ends its group; one that closed it is gone, and the guard may
 * hear of that too late: descriptors are closed before a process counts as ended. */
void
aiopool_link_end_orphan (AiopoolSession *session)
{
  struct pollfd data = { session->data_fd, 0, 0 };

  if (poll (&data, 1, 0) == 1 && (data.revents & POLLHUP) != 0)
    end_group ();
}

static gpointer
guard_main (gpointer data)
{
  struct pollfd parent = { AIOPOOL_FD_PARENT, POLLIN, 0 };

  while (poll (&parent, 1, -1) < 0)
    ;
  end_group ();
  return NULL;
}

/* FALSE at the end of the socket, and if the parent breaks the protocol, which it does not do. */
static gboolean
read_frames (AiopoolSession *self,
             AiopoolReader  *reader)
{
  AiopoolFrameStatus status;
  AiopoolFrame frame;

  if (aiopool_reader_fill (reader, FALSE) == AIOPOOL_IO_END)
    return FALSE;
  while ((status = aiopool_reader_next (reader, &frame)) == AIOPOOL_FRAME_OK)
    {
      if (!take_frame (self, &frame))
        return FALSE;
    }
  return status == AIOPOOL_FRAME_MORE;
}

static gpointer
link_main (gpointer data)
{
  AiopoolSession *self = data;
  AiopoolReader *reader = aiopool_reader_new (self->control_fd);
  struct pollfd fds[] = {
    { self->control_fd, POLLIN, 0 },
    { aiopool_outbox_get_timer (self->outbox), POLLIN, 0 },
  };
  gboolean is_open = TRUE;

  while (is_open)
    {
      if (poll (fds, G_N_ELEMENTS (fds), -1) < 0)
        continue;
      if (fds[1].revents != 0)
        aiopool_outbox_on_timer (self->outbox);
      if (fds[0].revents != 0)
        is_open = read_frames (self, reader);
    }
  aiopool_reader_free (reader);
  end_group ();
  return NULL;
}

static void
on_interrupt (int number)
{
}

/* Who interrupts the program means the program. A handler, because an ignored signal would stay
 * ignored in what a task starts; one that the worker has already stays. */
static void
outlive_interrupts (void)
{
  struct sigaction action = { .sa_handler = on_interrupt, .sa_flags = SA_RESTART };
  struct sigaction old;

  if (sigaction (SIGINT, NULL, &old) == 0 && old.sa_handler == SIG_DFL)
    sigaction (SIGINT, &action, NULL);
}

/* On the thread that runs the service, which is the one that the shim set the signal for. */
void
aiopool_link_start (AiopoolSession *session)
{
  sigset_t all, old;

  outlive_interrupts ();
  sigfillset (&all);
  pthread_sigmask (SIG_SETMASK, &all, &old);
  g_thread_unref (g_thread_new ("aiopool-link", link_main, session));
  if (session->has_parent_fd)
    g_thread_unref (g_thread_new ("aiopool-guard", guard_main, NULL));
  pthread_sigmask (SIG_SETMASK, &old, NULL);
  if (session->has_parent_fd)
    prctl (PR_SET_PDEATHSIG, SIGCONT);
}
