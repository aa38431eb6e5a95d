/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/api/aiopool-future-private.h"
#include "aiopool/api/aiopool-parking-private.h"

#include "aiopool/base/aiopool-error.h"

#include <unistd.h>

/* Blocking until a future has ended. While a worker has its task, the thread reads what that worker
 * sends; otherwise, or if another thread does so, it sleeps.
 *
 * While somebody waits, partial results of the task need no credit: a wait that starved the task it
 * waits for would never end. */

typedef struct
{
  AiopoolFuture *future;
  GCancellable  *cancellable; /* (nullable) */
} Wait;

static gboolean
is_enough (gpointer data)
{
  Wait *wait = data;

  return aiopool_future_has_ended (wait->future) ||
         g_cancellable_is_cancelled (wait->cancellable);
}

static void
on_cancelled (GCancellable *cancellable,
              gpointer      user_data)
{
  aiopool_parking_wake (user_data);
}

/* What the task sent without credit is paid for now. */
void
aiopool_future_pay_debt (AiopoolFuture *self)
{
  gint64 debt = 0;

  aiopool_future_lock (self);
  if (self->extra != NULL)
    {
      debt = self->extra->debt;
      self->extra->debt = 0;
    }
  aiopool_future_unlock (self);
  if (debt > 0 && self->job.scheduler != NULL)
    aiopool_scheduler_grant (self->job.scheduler, &self->job, debt);
}

static void
enter (AiopoolFuture *self)
{
  aiopool_future_lock (self);
  self->n_waiters++;
  aiopool_future_unlock (self);
}

static void
leave (AiopoolFuture *self)
{
  aiopool_future_lock (self);
  self->n_waiters--;
  aiopool_future_unlock (self);
}

/* Reads for the worker that runs the task, if one does. */
static void
read_until (Wait   *wait,
            gint64  end)
{
  AiopoolJob *job = &wait->future->job;
  AiopoolParked parked;

  if (job->scheduler == NULL || !aiopool_parking_enter (wait->future, &parked))
    return;
  aiopool_scheduler_read_for (job->scheduler, job, is_enough, wait, parked.kick_fd, end);
  aiopool_parking_leave (wait->future, &parked);
}

/* Blocks until the future has ended. @end: monotonic microseconds, -1 for ever. FALSE if it has not
 * ended then, or @cancellable was cancelled. */
gboolean
aiopool_future_park (AiopoolFuture *self,
                     gint64         end,
                     GCancellable  *cancellable)
{
  Wait wait = { self, cancellable };
  gulong id = 0;

  if (aiopool_future_has_ended (self))
    return TRUE;
  enter (self);
  if (self->job.scheduler != NULL)
    aiopool_scheduler_hurry (self->job.scheduler);
  aiopool_future_pay_debt (self);
  if (cancellable != NULL)
    id = g_cancellable_connect (cancellable, G_CALLBACK (on_cancelled), self, NULL);
  read_until (&wait, end);
  aiopool_parking_sleep (self, is_enough, &wait, end);
  if (cancellable != NULL)
    g_cancellable_disconnect (cancellable, id);
  leave (self);
  return aiopool_future_has_ended (self);
}

/* In monotonic microseconds, -1 for never. */
gint64
aiopool_future_end_for (double timeout)
{
  double end = (double) g_get_monotonic_time () + timeout * G_USEC_PER_SEC;

  return timeout < 0 || end >= (double) (G_MAXINT64 / 2) ? -1 : (gint64) end;
}

/* Whether it is for this thread to iterate @context: it does so, or nobody does and it is the one
 * that this thread has by default. */
gboolean
aiopool_future_is_own_context (GMainContext *context)
{
  GMainContext *own = g_main_context_get_thread_default ();

  if (g_main_context_is_owner (context))
    return TRUE;
  if (own == NULL && gettid () == getpid ())
    own = g_main_context_default ();
  if (own != context || !g_main_context_acquire (context))
    return FALSE;
  g_main_context_release (context);
  return TRUE;
}

/* Whether the promise is kept in a context that this thread has to iterate. */
gboolean
aiopool_future_would_block (AiopoolFuture *self)
{
  g_autoptr (GMainContext) needed = NULL;

  if (self->job.scheduler != NULL || aiopool_future_has_ended (self))
    return FALSE;
  aiopool_future_lock (self);
  if (self->extra->needed != NULL)
    needed = g_main_context_ref (self->extra->needed);
  aiopool_future_unlock (self);
  return needed != NULL && aiopool_future_is_own_context (needed);
}

/**
 * aiopool_future_wait:
 * @self: a future
 * @timeout: seconds; 0 only looks, below 0 waits for ever
 *
 * Blocks the calling thread until the future has ended.
 *
 * No main context is iterated, and none needs to be: this works on the main thread, in a callback,
 * in a task, and in any thread. Only a future that is kept by a promise whose maker needs the main
 * context of this very thread would never end; then this returns %FALSE at once.
 *
 * Returns: %TRUE if the future has ended
 *
 * Since: 0.1
 */
gboolean
aiopool_future_wait (AiopoolFuture *self,
                     double         timeout)
{
  gboolean has_ended;

  g_return_val_if_fail (AIOPOOL_IS_FUTURE (self), FALSE);

  if (aiopool_future_would_block (self))
    return aiopool_future_has_ended (self);
  has_ended = aiopool_future_park (self, aiopool_future_end_for (timeout), NULL);
  aiopool_mailbox_sweep_home ();
  return has_ended;
}

/**
 * aiopool_future_collect:
 * @self: a future
 * @timeout: seconds; 0 only looks, below 0 waits for ever
 * @cancellable: (nullable): a #GCancellable that ends the wait, not the task
 * @error: return location for a #GError
 *
 * Blocks the calling thread until the future has ended, and gets the result.
 *
 * As [method@Aiopool.Future.wait] this iterates no main context.
 *
 * Fails with %G_IO_ERROR_TIMED_OUT after @timeout, with %G_IO_ERROR_CANCELLED if @cancellable or
 * the task was cancelled, with %AIOPOOL_POOL_ERROR_WOULD_BLOCK if the future needs the main context
 * of this thread to end, and otherwise as [method@Aiopool.Future.get_result].
 *
 * Returns: (transfer full): the result
 *
 * Since: 0.1
 */
GVariant *
aiopool_future_collect (AiopoolFuture *self,
                        double         timeout,
                        GCancellable  *cancellable,
                        GError       **error)
{
  g_return_val_if_fail (AIOPOOL_IS_FUTURE (self), NULL);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  if (aiopool_future_would_block (self))
    {
      g_set_error_literal (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_WOULD_BLOCK,
                           "The task needs the main context of the thread that waits for it");
      return NULL;
    }
  if (!aiopool_future_park (self, aiopool_future_end_for (timeout), cancellable))
    {
      if (!g_cancellable_set_error_if_cancelled (cancellable, error))
        g_set_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT,
                     "The task has not ended within %g seconds", timeout);
      return NULL;
    }
  aiopool_mailbox_sweep_home ();
  return aiopool_future_get_result (self, error);
}

typedef struct
{
  GSource *cancel_source; /* (owned) (nullable) */
  guint    listener;      /* atomic: 0 while it is not known */
  int      was_cancelled; /* atomic */
} Collection;

static void
collection_free (gpointer data)
{
  Collection *collection = data;

  g_clear_pointer (&collection->cancel_source, g_source_unref);
  g_free (collection);
}

static void
return_collected (GTask         *task,
                  AiopoolFuture *self)
{
  GError *error = NULL;
  GVariant *result = aiopool_future_get_result (self, &error);

  if (result != NULL)
    g_task_return_pointer (task, result, (GDestroyNotify) g_variant_unref);
  else
    g_task_return_error (task, error);
}

static void
on_collect_done (AiopoolFuture *self,
                 gpointer       user_data)
{
  GTask *task = user_data;
  Collection *collection = g_task_get_task_data (task);

  if (collection->cancel_source != NULL)
    g_source_destroy (collection->cancel_source);
  return_collected (task, self);
}

/* By both who may come last: who was cancelled, and who made the listener known. */
static void
end_if_cancelled (GTask *task)
{
  Collection *collection = g_task_get_task_data (task);
  guint listener = (guint) g_atomic_int_get (&collection->listener);

  if (listener != 0 &&
      g_atomic_int_compare_and_exchange (&collection->was_cancelled, TRUE, FALSE) &&
      aiopool_future_unlisten (g_task_get_source_object (task), listener))
    g_task_return_error_if_cancelled (task);
}

static gboolean
on_collect_cancelled (GCancellable *cancellable,
                      gpointer      user_data)
{
  g_autoptr (GTask) task = g_object_ref (user_data);
  Collection *collection = g_task_get_task_data (task);

  g_atomic_int_set (&collection->was_cancelled, TRUE);
  end_if_cancelled (task);
  return G_SOURCE_REMOVE;
}

/**
 * aiopool_future_collect_async:
 * @self: a future
 * @cancellable: (nullable): a #GCancellable that ends the wait, not the task
 * @callback: (scope async) (closure user_data): what to call when the future has ended
 * @user_data: data for @callback
 *
 * Waits for the end of the future and gets the result.
 *
 * @callback is called in the main context that is thread-default now.
 *
 * Since: 0.1
 */
void
aiopool_future_collect_async (AiopoolFuture       *self,
                              GCancellable        *cancellable,
                              GAsyncReadyCallback  callback,
                              gpointer             user_data)
{
  g_autoptr (GTask) task = NULL;
  Collection *collection;
  guint listener;

  g_return_if_fail (AIOPOOL_IS_FUTURE (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, aiopool_future_collect_async);
  g_task_set_check_cancellable (task, FALSE);
  collection = g_new0 (Collection, 1);
  g_task_set_task_data (task, collection, collection_free);
  if (cancellable != NULL)
    {
      collection->cancel_source = g_cancellable_source_new (cancellable);
      g_task_attach_source (task, collection->cancel_source,
                            G_SOURCE_FUNC (on_collect_cancelled));
    }
  listener = aiopool_future_listen (self, NULL, on_collect_done, g_object_ref (task),
                                    g_object_unref);
  g_atomic_int_set (&collection->listener, (int) listener);
  end_if_cancelled (task);
}

/**
 * aiopool_future_collect_finish:
 * @self: a future
 * @result: what the callback got
 * @error: return location for a #GError
 *
 * Ends [method@Aiopool.Future.collect_async].
 *
 * Fails with %G_IO_ERROR_CANCELLED if the wait or the task was cancelled, and otherwise as
 * [method@Aiopool.Future.get_result].
 *
 * Returns: (transfer full): the result
 *
 * Since: 0.1
 */
GVariant *
aiopool_future_collect_finish (AiopoolFuture  *self,
                               GAsyncResult   *result,
                               GError        **error)
{
  g_return_val_if_fail (AIOPOOL_IS_FUTURE (self), NULL);
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}
