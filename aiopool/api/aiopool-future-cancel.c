/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/api/aiopool-future-private.h"

/* Cancelling a future, from any thread: the job of one that a pool made, the promise of another,
 * and what it waits for; and the cancellable that somebody submitted it with. */

/* A promise: its maker is told, and decides unless nothing else is left. */
static gboolean
cancel_promise (AiopoolFuture     *self,
                AiopoolCancelMode  mode)
{
  gboolean is_running = g_atomic_int_get (&self->state) == AIOPOOL_FUTURE_RUNNING;
  AiopoolOutcome outcome = { NULL };
  gboolean is_settled = FALSE;

  if (aiopool_future_has_ended (self) || (is_running && mode == AIOPOOL_CANCEL_PENDING))
    return FALSE;
  if (!is_running || mode == AIOPOOL_CANCEL_FORCE)
    {
      outcome.ended = g_get_monotonic_time ();
      outcome.error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED,
                                           "The task was cancelled");
      is_settled = aiopool_future_settle_promised (self, &outcome, NULL);
    }
  g_cancellable_cancel (self->extra->promise);
  return is_settled || is_running;
}

/* (transfer full) (nullable): what is to be cancelled too. */
static AiopoolFuture *
dup_upstream (AiopoolFuture *self)
{
  AiopoolFuture *upstream = NULL;

  aiopool_future_lock (self);
  if (self->extra != NULL && self->extra->upstream != NULL)
    upstream = g_object_ref (self->extra->upstream);
  aiopool_future_unlock (self);
  return upstream;
}

/* In a loop, for there may be many. */
static gboolean
cancel_chain (AiopoolFuture     *self,
              AiopoolCancelMode  mode)
{
  AiopoolFuture *future = g_object_ref (self);
  gboolean result = FALSE;

  while (future != NULL && !aiopool_future_has_ended (future))
    {
      AiopoolFuture *upstream = dup_upstream (future);

      if (future->job.scheduler == NULL)
        result |= cancel_promise (future, mode);
      else
        result |= aiopool_scheduler_cancel (future->job.scheduler, &future->job, mode);
      g_object_unref (future);
      future = upstream;
    }
  g_clear_object (&future);
  return result;
}

/**
 * aiopool_future_cancel:
 * @self: a future
 * @mode: how hard
 *
 * Cancels the task.
 *
 * With %AIOPOOL_CANCEL_PENDING only a task that has not started is cancelled. With
 * %AIOPOOL_CANCEL_COOPERATIVE a running one is told, through [method@Aiopool.Call.get_cancellable],
 * and the future ends with what it makes of that. With %AIOPOOL_CANCEL_FORCE the future is
 * cancelled at once, and the worker has the grace period of its pool to come back; then it is
 * killed, together with what else it runs.
 *
 * A future that is cancelled ends with %G_IO_ERROR_CANCELLED. May be called from any thread and
 * from a callback.
 *
 * Returns: %TRUE if the task was cancelled, or told to stop; %FALSE if the future had ended, or the
 *   task was running and @mode is %AIOPOOL_CANCEL_PENDING
 *
 * Since: 0.1
 */
gboolean
aiopool_future_cancel (AiopoolFuture     *self,
                       AiopoolCancelMode  mode)
{
  g_return_val_if_fail (AIOPOOL_IS_FUTURE (self), FALSE);

  if (self->job.scheduler == NULL)
    return cancel_chain (self, mode);
  return aiopool_scheduler_cancel (self->job.scheduler, &self->job, mode);
}

static void
on_cancellable_cancelled (GCancellable *cancellable,
                          gpointer      user_data)
{
  aiopool_future_cancel (user_data, AIOPOOL_CANCEL_FORCE);
}

static void
unref_future (gpointer  data,
              GClosure *closure)
{
  g_object_unref (data);
}

/* Disconnected when the end is delivered, which may have happened already. */
void
aiopool_future_follow_cancellable (AiopoolFuture *self,
                                   GCancellable  *cancellable)
{
  gulong id = g_signal_connect_data (cancellable, "cancelled",
                                     G_CALLBACK (on_cancellable_cancelled), g_object_ref (self),
                                     unref_future, 0);
  gboolean is_late;

  aiopool_future_lock (self);
  is_late = self->is_delivered;
  if (!is_late)
    {
      aiopool_future_get_extra (self)->cancellable = g_object_ref (cancellable);
      self->extra->cancel_id = id;
    }
  aiopool_future_unlock (self);
  if (is_late)
    g_signal_handler_disconnect (cancellable, id);
  else if (g_cancellable_is_cancelled (cancellable))
    aiopool_future_cancel (self, AIOPOOL_CANCEL_FORCE);
}
