/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/runtime/aiopool-serve-private.h"

#include "aiopool/runtime/aiopool-call-private.h"
#include "aiopool/runtime/aiopool-log-private.h"
#include "aiopool/runtime/aiopool-server-private.h"

#include <glib-unix.h>
#include <stdio.h>
#include <unistd.h>

/* Serving: tasks come in, functions run, answers go out, until the parent writes no more.
 *
 * While no asynchronous function is registered a plain loop blocks in the data socket, which costs
 * least. With the first one a main loop takes over, for good: there the socket is watched, and
 * while as many asynchronous calls are under way as the parent wants at once nothing is read and no
 * task is started; the call that ends next makes it go on.
 *
 * An answer is written when nothing more is there to be done, when there are many, or when it has
 * waited for long; the outbox's timer writes it if the next task takes longer. The answer of a call
 * that is not the one being run is written at once. How one task is run stands in server-task.
 *
 * With hooks it is those that run what no function is registered for, and an event loop of theirs
 * that takes over once they put off an answer: it calls aiopool_serve_dispatch() when the socket is
 * readable.
 *
 * Threads: everything is the serving thread's but for n_outstanding, is_waiting, current, context,
 * and is_answered of chunks. */

#define LONG_WAIT 400 /* microseconds after which answers are written though more tasks are here */
#define EXIT_PROTOCOL 3

static AiopoolServer server; /* a thread that gave the last answer may still look at it */

static _Thread_local gboolean is_serving; /* this thread does */

static gboolean on_wake (gpointer data);

/* The parent is this same library: it does not do that. Nothing more is taken in. */
void
aiopool_server_break_off (AiopoolServer *self,
                          const char    *what,
                          guint          type)
{
  self->fault = what;
  self->fault_type = type;
}

static void
give_up (AiopoolServer *self)
{
  g_printerr ("aiopool: the pool broke the protocol: %s (frame type %u)\n", self->fault,
              self->fault_type);
  fflush (NULL);
  _exit (EXIT_PROTOCOL);
}

void
aiopool_server_wake (AiopoolServer *self)
{
  g_autoptr (GSource) source = NULL;

  if (self->hooks != NULL)
    {
      self->hooks->wake (self->hooks_data);
      return;
    }
  source = g_idle_source_new ();
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, on_wake, self, NULL);
  g_source_attach (source, self->context);
}

/* In any thread. */
void
aiopool_server_on_answered (gpointer     owner,
                            AiopoolCall *call)
{
  AiopoolServer *self = owner;
  gboolean is_current = g_atomic_pointer_get (&self->current) == call;

  if (!is_current)
    aiopool_outbox_flush (self->session->outbox);
  if (call->chunk != NULL)
    {
      aiopool_server_tell_chunk (self, call->chunk, aiopool_call_is_async (call),
                                 is_current && is_serving);
      return;
    }
  if (!aiopool_call_is_async (call))
    return;
  g_atomic_int_add (&self->n_outstanding, -1);
  if (g_atomic_int_compare_and_exchange (&self->is_waiting, TRUE, FALSE))
    aiopool_server_wake (self);
}

void
aiopool_server_flush (AiopoolServer *self)
{
  aiopool_outbox_flush (self->session->outbox);
  self->now = 0;
  self->has_flushed = TRUE;
}

void
aiopool_server_flush_if_late (AiopoolServer *self)
{
  if (self->now == 0 || self->now - self->flushed > LONG_WAIT ||
      aiopool_outbox_is_full (self->session->outbox))
    aiopool_server_flush (self);
}

/* Bytes in the socket. */
guint64
aiopool_server_get_unread (AiopoolServer *self)
{
  return aiopool_status_page_get_unread (self->session->page,
                                         aiopool_reader_get_total (self->session->reader));
}

/* FALSE for what has no place here. */
static gboolean
take_share (AiopoolServer      *self,
            const AiopoolFrame *frame)
{
  GUnixFDList *fds = aiopool_reader_take_fds (self->session->reader, frame->n_fds);
  AiopoolValueMessage message;

  if (aiopool_message_parse_share (frame, &message))
    return aiopool_shares_add (self->session->shares, frame->id, &message, fds);
  g_clear_object (&fds);
  return FALSE;
}

static gboolean
drop_share (AiopoolServer      *self,
            const AiopoolFrame *frame)
{
  if (frame->length != 0 || !aiopool_shares_remove (self->session->shares, frame->id))
    return FALSE;
  if (self->hooks != NULL && self->hooks->size >= sizeof *self->hooks &&
      self->hooks->forget_shared != NULL)
    self->hooks->forget_shared (frame->id, self->hooks_data);
  return TRUE;
}

static void
take_frame (AiopoolServer      *self,
            const AiopoolFrame *frame)
{
  if (frame->type == AIOPOOL_FRAME_TASK)
    aiopool_server_take_task (self, frame);
  else if (frame->type == AIOPOOL_FRAME_SHARE)
    {
      if (!take_share (self, frame))
        aiopool_server_break_off (self, "data that cannot be shared", frame->type);
    }
  else if (frame->type == AIOPOOL_FRAME_UNSHARE)
    {
      if (!drop_share (self, frame))
        aiopool_server_break_off (self, "an end of data that were not shared", frame->type);
    }
  else if (frame->type != AIOPOOL_FRAME_DEFINE || frame->n_fds != 0)
    aiopool_server_break_off (self, "a frame that has no place here", frame->type);
  else if (!aiopool_registry_define (self->registry, frame->id, (const char *) frame->body,
                                     frame->length))
    aiopool_server_break_off (self, "a malformed definition", frame->type);
}

/* Whether calls may be under way that need a loop to end. */
static gboolean
needs_loop (AiopoolServer *self)
{
  return self->has_deferred || aiopool_registry_has_async (self->registry);
}

/* Answers wait, and not for long, while there is more in the socket. A loop gets its turn. */
static gboolean
may_read_on (AiopoolServer *self)
{
  return self->now != 0 && self->now - self->flushed <= LONG_WAIT && !self->has_ended &&
         !(self->has_flushed && needs_loop (self)) && aiopool_server_get_unread (self) > 0;
}

/* FALSE if there is nothing now, or never again. */
static gboolean
read_on (AiopoolServer *self)
{
  AiopoolIoStatus status = aiopool_reader_fill (self->session->reader, FALSE);

  self->has_ended = status == AIOPOOL_IO_END;
  return status == AIOPOOL_IO_OK;
}

static AiopoolFrameStatus
take_next (AiopoolServer *self,
           AiopoolFrame  *frame)
{
  AiopoolReader *reader = self->session->reader;
  AiopoolFrameStatus status = aiopool_reader_next (reader, frame);

  while (status == AIOPOOL_FRAME_MORE && may_read_on (self) && read_on (self))
    status = aiopool_reader_next (reader, frame);
  return status;
}

static gboolean
is_full (AiopoolServer *self)
{
  return g_atomic_int_get (&self->n_outstanding) >= self->limit;
}

/* Handles what was read, and writes the answers. FALSE if it stopped because it may not start more
 * tasks now. */
static gboolean
handle (AiopoolServer *self)
{
  AiopoolFrameStatus status = AIOPOOL_FRAME_MORE;
  AiopoolFrame frame;
  gboolean may_start = TRUE;

  self->is_handling = TRUE;
  self->has_flushed = FALSE;
  self->now = 0;
  aiopool_server_run_chunks (self);
  while (self->fault == NULL && (may_start = !is_full (self)) &&
         (status = take_next (self, &frame)) == AIOPOOL_FRAME_OK)
    {
      take_frame (self, &frame);
      aiopool_server_run_chunks (self);
    }
  if (self->fault == NULL && may_start && status == AIOPOOL_FRAME_BAD)
    aiopool_server_break_off (self, "what it sent is no frame", 0);
  aiopool_server_flush (self);
  self->is_handling = FALSE;
  return may_start;
}

static AiopoolIoStatus
wait_for_tasks (AiopoolServer *self)
{
  AiopoolIoStatus status;

  if (self->hooks == NULL)
    return aiopool_reader_fill (self->session->reader, TRUE);
  self->hooks->begin_wait (self->hooks_data);
  status = aiopool_reader_fill (self->session->reader, TRUE);
  self->hooks->end_wait (self->hooks_data);
  return status;
}

static gboolean
serve_plainly (AiopoolServer *self)
{
  for (;;)
    {
      gboolean is_done = handle (self);

      if (self->fault != NULL)
        return FALSE;
      if (!is_done || needs_loop (self))
        return TRUE;
      if (self->has_ended || wait_for_tasks (self) == AIOPOOL_IO_END)
        return FALSE;
    }
}

static void
stop_watching (AiopoolServer *self)
{
  if (self->watch == NULL)
    return;
  g_source_destroy (self->watch);
  g_clear_pointer (&self->watch, g_source_unref);
}

/* Whether there is something to wait for; then the call that ends next wakes. */
static gboolean
wait_for_calls (AiopoolServer *self)
{
  g_atomic_int_set (&self->is_waiting, TRUE);
  if (self->has_ended ? g_atomic_int_get (&self->n_outstanding) > 0 : is_full (self))
    return TRUE;
  g_atomic_int_set (&self->is_waiting, FALSE);
  return FALSE;
}

static gboolean on_readable (int          fd,
                             GIOCondition condition,
                             gpointer     data);

static void
start_watching (AiopoolServer *self)
{
  if (self->watch != NULL)
    return;
  self->watch = g_unix_fd_source_new (self->session->data_fd, G_IO_IN);
  g_source_set_callback (self->watch, G_SOURCE_FUNC (on_readable), self, NULL);
  g_source_attach (self->watch, self->context);
}

/* In the main loop: does what can be done, and sees to it that it goes on. */
static void
go_on (AiopoolServer *self)
{
  while (!handle (self))
    {
      if (wait_for_calls (self))
        {
          stop_watching (self);
          return;
        }
    }
  if (self->fault == NULL && !self->has_ended)
    {
      start_watching (self);
      return;
    }
  stop_watching (self);
  if (self->fault != NULL || !wait_for_calls (self))
    g_main_loop_quit (self->loop);
}

static gboolean
on_wake (gpointer data)
{
  AiopoolServer *self = data;

  if (!self->is_handling && self->loop != NULL)
    go_on (self);
  return G_SOURCE_REMOVE;
}

static gboolean
on_readable (int          fd,
             GIOCondition condition,
             gpointer     data)
{
  AiopoolServer *self = data;

  if (self->is_handling)
    {
      stop_watching (self); /* go_on() starts it again */
      return G_SOURCE_REMOVE;
    }
  read_on (self);
  go_on (self);
  return self->watch != NULL ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static void
serve_in_main_loop (AiopoolServer *self)
{
  g_atomic_pointer_set (&self->context, g_main_context_ref_thread_default ());
  self->loop = g_main_loop_new (self->context, FALSE);
  g_mutex_lock (&self->session->lock);
  self->session->context = self->context;
  g_mutex_unlock (&self->session->lock);
  go_on (self);
  g_main_loop_run (self->loop);
  stop_watching (self);
  g_clear_pointer (&self->loop, g_main_loop_unref);
}

/* In a hook's loop, when the socket is readable or after wake(): does what can be done. */
AiopoolWorkerNext
aiopool_serve_dispatch (void)
{
  AiopoolServer *self = &server;

  if (self->is_handling)
    return AIOPOOL_WORKER_NEXT_WAIT;
  if (!self->has_ended && !is_full (self))
    read_on (self);
  while (!handle (self))
    {
      if (wait_for_calls (self))
        return AIOPOOL_WORKER_NEXT_WAIT;
    }
  if (self->fault != NULL)
    return AIOPOOL_WORKER_NEXT_END;
  if (!self->has_ended)
    return AIOPOOL_WORKER_NEXT_READ;
  return wait_for_calls (self) ? AIOPOOL_WORKER_NEXT_WAIT : AIOPOOL_WORKER_NEXT_END;
}

/* In a hook's run(): the answer of @call comes later. */
void
aiopool_serve_defer (AiopoolCall *call)
{
  AiopoolServer *self = &server;

  aiopool_call_set_async (call);
  self->has_deferred = TRUE;
  if (call->chunk == NULL)
    g_atomic_int_inc (&self->n_outstanding);
}

/* As aiopool_call_return_value(), for hooks: GLib keeps the description of the value's type. */
void
aiopool_serve_return (AiopoolCall *call,
                      GVariant    *value)
{
  aiopool_type_pins_keep (&server.pins, g_variant_get_type_string (value));
  aiopool_call_return_value (call, value);
}

/* Until the parent writes no more and every call is answered. What a parent may not do ends the
 * process, once everything is put away. A process does this once. @hooks: (nullable). */
void
aiopool_serve (AiopoolSession           *session,
               AiopoolRegistry          *registry,
               const AiopoolWorkerHooks *hooks,
               gpointer                  hooks_data)
{
  AiopoolServer *self = &server;

  *self = (AiopoolServer) { .session = session, .registry = registry, .hooks = hooks,
                     .hooks_data = hooks_data };
  self->chunks = g_ptr_array_new ();
  is_serving = TRUE;
  g_mutex_init (&self->lock);
  g_cond_init (&self->told);
  self->limit = (int) CLAMP (session->config.tasks_per_worker, 1, G_MAXINT);
  aiopool_log_follow (&self->current);
  if (serve_plainly (self))
    {
      if (hooks != NULL)
        hooks->run_loop (session->data_fd, hooks_data);
      else
        serve_in_main_loop (self);
    }
  aiopool_log_stop ();
  aiopool_outbox_flush (session->outbox);
  g_clear_object (&self->spare);
  aiopool_server_forget_chunks (self);
  aiopool_type_pins_clear (&self->pins);
  if (self->fault != NULL)
    give_up (self);
}
