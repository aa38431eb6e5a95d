/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/runtime/aiopool-server-private.h"

#include "aiopool/base/aiopool-error.h"
#include "aiopool/runtime/aiopool-call-private.h"

/* One task: from its frame to the function that runs, and to an answer. On the serving thread.
 *
 * A call that nobody kept is used for the next task. If tasks are not short their answers are
 * written when there is only one more, so that the pool can send others while that one runs. */

#define SHORT_TASK  15    /* microseconds: to write takes as long */
#define SIGNAL_WAIT 50000 /* microseconds */

AiopoolCall *
aiopool_server_take_spare (AiopoolServer *self)
{
  AiopoolCall *call = g_steal_pointer (&self->spare);

  return call != NULL ? call : aiopool_call_new (self->session, aiopool_server_on_answered, self);
}

/* Neither a reference is left, nor anything that somebody hung on it: a weak one, a wrapper. */
static gboolean
is_ours_alone (AiopoolCall *call)
{
  GObject *object = (GObject *) call;

  return g_atomic_int_get (&object->ref_count) == 1 && object->qdata == NULL;
}

/* A call that nobody kept is used again; one that is dropped without an answer fails. */
void
aiopool_server_end_with (AiopoolServer *self,
                         AiopoolCall   *call)
{
  if (self->spare != NULL || !aiopool_call_is_answered (call) || !is_ours_alone (call))
    {
      g_object_unref (call);
      return;
    }
  aiopool_call_reset (call);
  self->spare = call;
}

static void
fail_unknown (AiopoolCall *call)
{
  g_autoptr (GError) error = NULL;

  error = g_error_new (AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_UNKNOWN_FUNCTION,
                       "This worker has no function '%s'", call->function);
  aiopool_call_answer_error (call, error, call->started);
}

/* What a function returned that did not answer. @result: (nullable); @error: (nullable). */
static void
answer (AiopoolCall  *call,
        GVariant     *result,
        const GError *error,
        gint64        ended)
{
  g_autoptr (GError) missing = NULL;

  if (error != NULL)
    aiopool_call_answer_error (call, error, ended);
  else if (result != NULL)
    aiopool_call_answer_variant (call, result, ended);
  else if (!aiopool_call_is_answered (call))
    {
      missing = g_error_new (AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_FAILED,
                             "Function '%s' returned nothing and set no error", call->function);
      aiopool_call_answer_error (call, missing, ended);
    }
}

/* Returns when the function did, or 0 if its answer took long. */
static gint64
run_sync (AiopoolServer      *self,
          AiopoolCall        *call,
          const AiopoolEntry *entry)
{
  g_autoptr (GVariant) result = NULL;
  g_autoptr (GError) error = NULL;
  gint64 ended;

  result = entry->function (call, call->argument.variant, entry->user_data, &error);
  ended = g_get_monotonic_time ();
  if (result != NULL)
    result = g_variant_take_ref (result);
  answer (call, result, error, ended);
  if (result == NULL)
    return ended;
  aiopool_type_pins_keep (&self->pins, g_variant_get_type_string (result));
  return g_variant_get_size (result) <= AIOPOOL_INLINE_LIMIT ? ended : 0;
}

static gint64
run_async (AiopoolServer      *self,
           AiopoolCall        *call,
           const AiopoolEntry *entry)
{
  aiopool_call_set_async (call);
  if (call->chunk == NULL)
    g_atomic_int_inc (&self->n_outstanding);
  entry->async_function (call, call->argument.variant, entry->user_data);
  return g_get_monotonic_time ();
}

/* A hook answers the call, or puts that off. */
static gint64
run_hook (AiopoolServer *self,
          AiopoolCall   *call,
          gpointer      *slot)
{
  self->hooks->run (call, slot, self->hooks_data);
  if (!aiopool_call_is_async (call))
    answer (call, NULL, NULL, g_get_monotonic_time ());
  return g_get_monotonic_time ();
}

/* Returns when it ended, or 0 if that is long ago. @entry: (nullable). */
gint64
aiopool_server_run (AiopoolServer      *self,
                    AiopoolCall        *call,
                    const AiopoolEntry *entry,
                    gpointer           *slot)
{
  if (entry == NULL && self->hooks != NULL)
    {
      if (call->chunk == NULL)
        aiopool_outbox_watch (self->session->outbox);
      return run_hook (self, call, slot);
    }
  if (entry == NULL)
    {
      fail_unknown (call);
      return call->started;
    }
  if (call->chunk == NULL)
    aiopool_outbox_watch (self->session->outbox);
  return entry->function != NULL ? run_sync (self, call, entry) : run_async (self, call, entry);
}

/* After a task that began at @started and came in a frame of @size bytes. */
static void
flush_after_task (AiopoolServer *self,
                  gint64         started,
                  gsize          size)
{
  if (self->now - started > SHORT_TASK &&
      aiopool_reader_get_size (self->session->reader) + aiopool_server_get_unread (self) < 2 * size)
    aiopool_server_flush (self);
  else
    aiopool_server_flush_if_late (self);
}

/* Takes @fds. */
static void
start_task (AiopoolServer            *self,
            guint64                   id,
            gsize                     size,
            const AiopoolTaskMessage *message,
            GUnixFDList              *fds)
{
  g_autoptr (GError) error = NULL;
  gint64 started = self->now;
  AiopoolEntry *entry;
  AiopoolCall *call;
  gpointer *slot;
  const char *fault = NULL;
  const char *name;

  name = aiopool_registry_find (self->registry, message->function, &entry, &slot);
  if (name == NULL)
    fault = "a task for a function without a name";
  else if (message->shared_id != 0 &&
           !aiopool_shares_has (self->session->shares, message->shared_id))
    fault = "a task with data that were not shared";
  if (fault != NULL)
    {
      aiopool_server_break_off (self, fault, AIOPOOL_FRAME_TASK);
      g_clear_pointer (&entry, aiopool_entry_unref);
      g_clear_object (&fds);
      return;
    }
  aiopool_type_pins_keep (&self->pins, message->argument.view.type);
  if (message->n_items > 0)
    {
      aiopool_server_start_chunk (self, id, name, message, fds, entry, slot);
      return;
    }
  call = aiopool_server_take_spare (self);
  aiopool_call_begin (call, id, started, message->timeout, name);
  g_atomic_pointer_set (&self->current, call);
  if (aiopool_call_read (call, message, fds, &error))
    self->now = aiopool_server_run (self, call, entry, slot);
  else
    aiopool_call_answer_error (call, error, started);
  g_clear_pointer (&entry, aiopool_entry_unref);
  g_atomic_pointer_set (&self->current, NULL);
  aiopool_server_end_with (self, call);
  flush_after_task (self, started, size);
}

/* A task that was taken back: the memory of its argument goes back too. There may be many, and
 * answers wait meanwhile. */
static void
drop_task (AiopoolServer            *self,
           const AiopoolTaskMessage *message,
           GUnixFDList              *fds)
{
  AiopoolArgument argument = { AIOPOOL_FORMAT_RAW, NULL, NULL };
  g_autoptr (GUnixFDList) owned = fds;

  if (message->argument.transport != AIOPOOL_TRANSPORT_INLINE)
    aiopool_argument_read (&argument, self->session, &message->argument, &owned, NULL);
  aiopool_argument_clear (&argument);
  self->now = g_get_monotonic_time ();
  aiopool_server_flush_if_late (self);
}

/* Before the task @id is said to have started, so that no cancel of it comes too early. After one
 * that could not be told to stop and ended all the same, the parent's signal, which is for that one
 * alone, may be on its way: it should find no other. */
static void
set_running (AiopoolServer *self,
             guint64        id)
{
  gint64 left;

  if (atomic_load (&self->session->running) == AIOPOOL_RUNNING_UNHEARD)
    {
      aiopool_server_flush (self);
      left = atomic_load (&self->session->unheard) + SIGNAL_WAIT - g_get_monotonic_time ();
      if (left > 0)
        g_usleep ((gulong) left);
    }
  atomic_store (&self->session->running, self->limit == 1 ? id : 0);
}

void
aiopool_server_take_task (AiopoolServer      *self,
                          const AiopoolFrame *frame)
{
  GUnixFDList *fds = aiopool_reader_take_fds (self->session->reader, frame->n_fds);
  AiopoolTaskMessage message;

  if (AIOPOOL_TASK_ID_SLOT (frame->id) >= AIOPOOL_STATUS_N_SLOTS ||
      !aiopool_message_parse_task (frame, &message))
    {
      aiopool_server_break_off (self, "a malformed task", frame->type);
      g_clear_object (&fds);
      return;
    }
  set_running (self, frame->id);
  if (self->now == 0)
    self->flushed = self->now = g_get_monotonic_time ();
  if (aiopool_status_page_start (self->session->page, frame->id, self->now))
    start_task (self, frame->id, AIOPOOL_FRAME_HEADER_SIZE + frame->length, &message, fds);
  else
    drop_task (self, &message, fds);
}
