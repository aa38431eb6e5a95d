/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/runtime/aiopool-call-private.h"

#include "aiopool/base/aiopool-error.h"

#include <math.h>

#define EMIT_BURST 100 /* microseconds between emits of one burst */

/**
 * AiopoolCall:
 *
 * One run of a function in a worker: what it was called with, and the way to answer.
 *
 * A function gets a call with its arguments. Through it the function learns that it should stop,
 * tells how far it is, sends partial results, and answers if it does not do that by returning.
 *
 * A call is answered once: a second answer is a programming error and ignored. What is told after
 * the answer, or after the worker's service has ended, goes nowhere.
 *
 * All methods may be called in any thread of the worker that has a reference to the call.
 *
 * Since: 0.1
 */
G_DEFINE_FINAL_TYPE (AiopoolCall, aiopool_call, G_TYPE_OBJECT)

/* Makes it fit for another task. Nobody else has a reference. */
void
aiopool_call_reset (AiopoolCall *self)
{
  self->id = 0;
  aiopool_argument_clear (&self->argument);
  g_clear_pointer (&self->keywords, g_variant_unref);
  g_clear_object (&self->fds);
  g_clear_pointer (&self->shared_data, g_bytes_unref);
  g_clear_object (&self->cancellable);
  g_clear_object (&self->result_fds);
  g_clear_object (&self->info);
  aiopool_progress_clear (&self->progress);
  self->n_emitted = 0;
  self->emitted = 0;
  if (self->buffers != NULL)
    aiopool_call_discard_buffers (self);
}

static void
aiopool_call_dispose (GObject *object)
{
  AiopoolCall *self = AIOPOOL_CALL (object);
  g_autoptr (GError) error = NULL;

  if (self->id != 0 && !aiopool_call_is_answered (self))
    {
      error = g_error_new (AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_FAILED,
                           "Function '%s' dropped its call without an answer", self->function);
      aiopool_call_answer_error (self, error, g_get_monotonic_time ());
    }
  G_OBJECT_CLASS (aiopool_call_parent_class)->dispose (object);
}

static void
aiopool_call_finalize (GObject *object)
{
  AiopoolCall *self = AIOPOOL_CALL (object);

  aiopool_call_reset (self);
  g_mutex_clear (&self->lock);
  G_OBJECT_CLASS (aiopool_call_parent_class)->finalize (object);
}

static void
aiopool_call_class_init (AiopoolCallClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->dispose = aiopool_call_dispose;
  object_class->finalize = aiopool_call_finalize;
}

static void
aiopool_call_init (AiopoolCall *self)
{
  g_mutex_init (&self->lock);
}

AiopoolCall *
aiopool_call_new (AiopoolSession          *session,
                  AiopoolCallAnsweredFunc  answered,
                  gpointer                 owner)
{
  AiopoolCall *self = g_object_new (AIOPOOL_TYPE_CALL, NULL);

  self->session = session;
  self->answered = answered;
  self->owner = owner;
  return self;
}

/* The task @id starts. @function is interned. */
void
aiopool_call_begin (AiopoolCall *self,
                    guint64      id,
                    gint64       started,
                    gint64       timeout,
                    const char  *function)
{
  self->id = id;
  self->started = started;
  self->timeout = timeout;
  self->function = function;
  self->is_async = FALSE;
  self->chunk = NULL;
  g_atomic_int_set (&self->is_answered, FALSE);
}

/* The item of @chunk that was begun last starts: it is to the function as a task. */
void
aiopool_call_begin_item (AiopoolCall  *self,
                         AiopoolChunk *chunk,
                         gint64        started)
{
  aiopool_call_begin (self, chunk->id, started, chunk->timeout, chunk->function);
  self->chunk = chunk;
  self->index = chunk->index;
  self->argument.format = AIOPOOL_FORMAT_GVARIANT;
  self->argument.variant = g_variant_get_child_value (chunk->argument.variant, chunk->index);
  if (chunk->keywords != NULL)
    self->keywords = g_variant_ref (chunk->keywords);
  if (chunk->fds != NULL)
    self->fds = g_object_ref (chunk->fds);
  self->shared_id = chunk->shared_id;
  if (chunk->shared_data != NULL)
    self->shared_data = g_bytes_ref (chunk->shared_data);
  self->progress.sent = chunk->progress_sent;
  self->progress.fraction = (double) chunk->index / chunk->n_items;
}

/* @fds: (transfer full) (nullable): all that came with the task. */
gboolean
aiopool_call_read (AiopoolCall               *self,
                   const AiopoolTaskMessage  *message,
                   GUnixFDList               *fds,
                   GError                   **error)
{
  self->fds = fds;
  if (message->keywords != NULL)
    self->keywords = aiopool_argument_copy_keywords (message);
  self->shared_id = message->shared_id;
  return aiopool_argument_read (&self->argument, self->session, &message->argument, &self->fds,
                                error) &&
         aiopool_shares_read (self->session->shares, self->shared_id, &self->shared_data, error);
}

void
aiopool_call_set_async (AiopoolCall *self)
{
  self->is_async = TRUE;
}

gboolean
aiopool_call_is_async (AiopoolCall *self)
{
  return self->is_async;
}

gboolean
aiopool_call_is_answered (AiopoolCall *self)
{
  return g_atomic_int_get (&self->is_answered);
}

/**
 * aiopool_call_get_function:
 * @self: a call
 *
 * Gets the name that the function was called by.
 *
 * Returns: (transfer none): a name
 *
 * Since: 0.1
 */
const char *
aiopool_call_get_function (AiopoolCall *self)
{
  g_return_val_if_fail (AIOPOOL_IS_CALL (self), NULL);

  return self->function;
}

/**
 * aiopool_call_get_arguments:
 * @self: a call
 *
 * Gets the arguments of the task.
 *
 * Returns: (transfer none) (nullable): the arguments, or %NULL if the task has a payload that is
 *   not a #GVariant
 *
 * Since: 0.1
 */
GVariant *
aiopool_call_get_arguments (AiopoolCall *self)
{
  g_return_val_if_fail (AIOPOOL_IS_CALL (self), NULL);

  return self->argument.variant;
}

/**
 * aiopool_call_get_keywords:
 * @self: a call
 *
 * Gets the keywords of the task.
 *
 * Returns: (transfer none) (nullable): a #GVariant of type `a{sv}`, or %NULL if the task has none
 *
 * Since: 0.1
 */
GVariant *
aiopool_call_get_keywords (AiopoolCall *self)
{
  g_return_val_if_fail (AIOPOOL_IS_CALL (self), NULL);

  return self->keywords;
}

/**
 * aiopool_call_dup_payload:
 * @self: a call
 * @format: (out) (optional): return location for what the bytes are
 *
 * Gets what the task was submitted with as bytes.
 *
 * For a task with arguments these are the bytes of the serialised #GVariant. Large payloads are
 * not copied: the bytes are memory that is shared with the parent, which gets it back when the
 * last reference goes.
 *
 * Returns: (transfer full): the bytes
 *
 * Since: 0.1
 */
GBytes *
aiopool_call_dup_payload (AiopoolCall   *self,
                          AiopoolFormat *format)
{
  g_return_val_if_fail (AIOPOOL_IS_CALL (self), NULL);

  if (format != NULL)
    *format = self->argument.format;
  if (self->argument.variant != NULL)
    return g_variant_get_data_as_bytes (self->argument.variant);
  return self->argument.bytes != NULL ? g_bytes_ref (self->argument.bytes) : g_bytes_new (NULL, 0);
}

/**
 * aiopool_call_get_fds:
 * @self: a call
 *
 * Gets the file descriptors that came with the task.
 *
 * Returns: (transfer none) (nullable): a list, or %NULL if there are none
 *
 * Since: 0.1
 */
GUnixFDList *
aiopool_call_get_fds (AiopoolCall *self)
{
  g_return_val_if_fail (AIOPOOL_IS_CALL (self), NULL);

  return self->fds;
}

/**
 * aiopool_call_dup_shared_data:
 * @self: a call
 *
 * Gets the bytes that the task has in common with others.
 *
 * They are the same memory for all tasks of this worker, and if they are many for all workers, who
 * however do not see what another one writes there; do not write there. They may be kept as long as
 * you like. See [class@Aiopool.SharedData].
 *
 * Returns: (transfer full) (nullable): the bytes, or %NULL if the task has no shared data
 *
 * Since: 0.1
 */
GBytes *
aiopool_call_dup_shared_data (AiopoolCall *self)
{
  g_return_val_if_fail (AIOPOOL_IS_CALL (self), NULL);

  return self->shared_data != NULL ? g_bytes_ref (self->shared_data) : NULL;
}

/* Nobody can cancel a call that is over. */
static GCancellable *
get_cancellable (AiopoolCall *self)
{
  g_mutex_lock (&self->lock);
  if (self->cancellable == NULL)
    self->cancellable = self->is_answered
                          ? g_cancellable_new ()
                          : aiopool_session_listen (self->session, self->id, self->is_async);
  g_mutex_unlock (&self->lock);
  return self->cancellable;
}

/**
 * aiopool_call_get_cancellable:
 * @self: a call
 *
 * Gets a cancellable that is cancelled when the task is.
 *
 * A function that asked for it, or that looks at [method@Aiopool.Call.is_cancelled], is left to end
 * by itself when its task is cancelled. One that never did may be ended with its worker.
 *
 * The `cancelled` signal of a function added with [method@Aiopool.Service.add] comes in a thread of
 * the library, while the function runs; of one added with [method@Aiopool.Service.add_async] in the
 * main context that it was started in.
 *
 * Returns: (transfer none): a cancellable
 *
 * Since: 0.1
 */
GCancellable *
aiopool_call_get_cancellable (AiopoolCall *self)
{
  g_return_val_if_fail (AIOPOOL_IS_CALL (self), NULL);

  return get_cancellable (self);
}

/**
 * aiopool_call_is_cancelled:
 * @self: a call
 *
 * Gets whether the task was cancelled.
 *
 * Cheap enough for every round of a loop. See [method@Aiopool.Call.get_cancellable].
 *
 * Returns: %TRUE if the function should stop
 *
 * Since: 0.1
 */
gboolean
aiopool_call_is_cancelled (AiopoolCall *self)
{
  g_return_val_if_fail (AIOPOOL_IS_CALL (self), FALSE);

  return g_cancellable_is_cancelled (get_cancellable (self));
}

/**
 * aiopool_call_get_time_left:
 * @self: a call
 *
 * Gets how long the function may go on before the task's timeout.
 *
 * Returns: seconds, 0 when they are over; -1 for a task without a timeout
 *
 * Since: 0.1
 */
double
aiopool_call_get_time_left (AiopoolCall *self)
{
  gint64 left;

  g_return_val_if_fail (AIOPOOL_IS_CALL (self), -1.0);

  if (self->timeout <= 0)
    return -1.0;
  left = self->timeout - (g_get_monotonic_time () - self->started);
  return left > 0 ? (double) left / G_USEC_PER_SEC : 0.0;
}

/**
 * aiopool_call_set_progress:
 * @self: a call
 * @fraction: how much is done, from 0 to 1; a negative number keeps the one before
 * @message: (nullable): what is being done, for people to read
 *
 * Tells how far the function is.
 *
 * It may be called often: at most one message in 10 milliseconds is sent, the last one in any case
 * before the answer. Messages are cut at 4096 bytes. From an item of a chunk the parent hears how
 * far the chunk is.
 *
 * Since: 0.1
 */
void
aiopool_call_set_progress (AiopoolCall *self,
                           double       fraction,
                           const char  *message)
{
  g_return_if_fail (AIOPOOL_IS_CALL (self));
  g_return_if_fail (!isnan (fraction));

  g_mutex_lock (&self->lock);
  if (!self->is_answered && self->chunk != NULL && fraction >= 0.0)
    fraction = (self->index + MIN (fraction, 1.0)) / self->chunk->n_items;
  if (!self->is_answered)
    aiopool_progress_set (&self->progress, self->session, self->id, fraction, message);
  if (!self->is_answered && self->chunk != NULL)
    self->chunk->progress_sent = self->progress.sent;
  g_mutex_unlock (&self->lock);
}

/* Adds what is emitted to what was, and says how much that was. */
static guint64
count_emitted (AiopoolCall *self,
               gint64       cost)
{
  guint64 before;

  g_mutex_lock (&self->lock);
  before = self->n_emitted;
  self->n_emitted += (guint64) cost;
  g_mutex_unlock (&self->lock);
  return before;
}

/* Under the lock. */
static gboolean
send_emit (AiopoolCall  *self,
           GVariant     *value,
           GError      **error)
{
  AiopoolParcel parcel;

  if (self->is_answered)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED,
                   "The call of function '%s' was answered already", self->function);
      return FALSE;
    }
  if (!aiopool_parcel_pack_variant (&parcel, self->session, value, error))
    return FALSE;
  aiopool_parcel_send_emit (&parcel, self->session, self->id);
  return TRUE;
}

/* Of a burst the first goes at once, the others within the time of the outbox's watch. */
static void
flush_emit (AiopoolCall *self)
{
  gint64 now = g_get_monotonic_time ();

  if (now - self->emitted < EMIT_BURST && !aiopool_outbox_is_full (self->session->outbox))
    aiopool_outbox_watch (self->session->outbox);
  else
    aiopool_outbox_flush (self->session->outbox);
  self->emitted = now;
}

/* FALSE with the reason if nothing of @cost may be sent; it blocks until it may. */
static gboolean
wait_to_emit (AiopoolCall  *self,
              gint64        cost,
              GError      **error)
{
  if (self->chunk != NULL)
    {
      g_set_error_literal (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_NOT_SUPPORTED,
                           "An item of a chunk cannot send partial results");
      return FALSE;
    }
  if (g_cancellable_set_error_if_cancelled (get_cancellable (self), error))
    return FALSE;
  if (aiopool_session_wait_credit (self->session, self->id, count_emitted (self, cost)) ||
      aiopool_call_is_answered (self))
    return TRUE;
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_CANCELLED, "The task was cancelled");
  return FALSE;
}

/**
 * aiopool_call_emit:
 * @self: a call
 * @value: a partial result; consumed if it is floating
 * @error: return location for a #GError
 *
 * Sends a partial result, which arrives before the result.
 *
 * Blocks while more partial results are under way than the parent has taken delivery of, which
 * keeps a fast function from filling the memory of its parent. A function that emits counts as one
 * that looks whether it was cancelled.
 *
 * Fails with %G_IO_ERROR_CANCELLED if the task was cancelled, with %G_IO_ERROR_CLOSED if the call
 * was answered, with %AIOPOOL_TASK_ERROR_TOO_LARGE if the value is larger than results may be, with
 * %AIOPOOL_TASK_ERROR_ENCODE if there is no memory to send it in, and with
 * %AIOPOOL_TASK_ERROR_NOT_SUPPORTED if the call is one of many items that were sent as a chunk.
 *
 * Returns: %TRUE if it was sent
 *
 * Since: 0.1
 */
gboolean
aiopool_call_emit (AiopoolCall  *self,
                   GVariant     *value,
                   GError      **error)
{
  g_autoptr (GVariant) owned = NULL;
  gint64 cost;
  gboolean is_sent;

  g_return_val_if_fail (AIOPOOL_IS_CALL (self), FALSE);
  g_return_val_if_fail (value != NULL, FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  owned = g_variant_ref_sink (value);
  cost = AIOPOOL_EMIT_COST (g_variant_get_size (value));
  if (!wait_to_emit (self, cost, error))
    return FALSE;
  g_mutex_lock (&self->lock);
  is_sent = send_emit (self, value, error);
  if (is_sent)
    flush_emit (self);
  g_mutex_unlock (&self->lock);
  if (!is_sent) /* the parent gives no credit for what it never gets */
    aiopool_session_grant (self->session, self->id, (guint64) cost);
  return is_sent;
}
