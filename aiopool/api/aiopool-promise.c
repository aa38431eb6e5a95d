/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/api/aiopool-promise.h"

#include "aiopool/api/aiopool-future-private.h"
#include "aiopool/base/aiopool-error.h"

/**
 * AiopoolPromise:
 *
 * Makes a [class@Aiopool.Future] by hand.
 *
 * Who implements [class@Aiopool.Executor] makes a promise for each task, hands out its future, and
 * keeps the promise with [method@Aiopool.Promise.resolve], or breaks it with
 * [method@Aiopool.Promise.reject]. The first of these and of a forced cancel counts; all others
 * return %FALSE. A promise that is dropped before fails its future with %AIOPOOL_TASK_ERROR_FAILED.
 *
 * All methods may be called from any thread.
 *
 * Since: 0.1
 */
struct _AiopoolPromise
{
  GObject        parent_instance;
  AiopoolFuture *future; /* (owned) */
};

G_DEFINE_FINAL_TYPE (AiopoolPromise, aiopool_promise, G_TYPE_OBJECT)

static gboolean
settle (AiopoolPromise *self,
        GError         *error,
        GValue         *value)
{
  AiopoolOutcome outcome = {
    .error = error,
    .ended = g_get_monotonic_time (),
  };

  return aiopool_future_settle_promised (self->future, &outcome, value);
}

static void
aiopool_promise_finalize (GObject *object)
{
  AiopoolPromise *self = AIOPOOL_PROMISE (object);

  if (!aiopool_future_has_ended (self->future))
    settle (self, g_error_new_literal (AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_FAILED,
                                       "The promise of a result was dropped"), NULL);
  g_clear_object (&self->future);
  G_OBJECT_CLASS (aiopool_promise_parent_class)->finalize (object);
}

static void
aiopool_promise_class_init (AiopoolPromiseClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = aiopool_promise_finalize;
}

static void
aiopool_promise_init (AiopoolPromise *self)
{
  self->future = aiopool_future_new_promised (NULL);
}

/**
 * aiopool_promise_new:
 * @task: (nullable): the task, for [method@Aiopool.Future.get_task]
 *
 * Makes a promise with a future that has not ended.
 *
 * The future's signals are emitted in the main context that is thread-default now.
 *
 * Returns: (transfer full): a new promise
 *
 * Since: 0.1
 */
AiopoolPromise *
aiopool_promise_new (AiopoolTask *task)
{
  AiopoolPromise *self;

  g_return_val_if_fail (task == NULL || AIOPOOL_IS_TASK (task), NULL);

  self = g_object_new (AIOPOOL_TYPE_PROMISE, NULL);
  g_set_object (&self->future->task, task);
  return self;
}

/**
 * aiopool_promise_get_future:
 * @self: a promise
 *
 * Gets the future.
 *
 * Returns: (transfer none): the future
 *
 * Since: 0.1
 */
AiopoolFuture *
aiopool_promise_get_future (AiopoolPromise *self)
{
  g_return_val_if_fail (AIOPOOL_IS_PROMISE (self), NULL);

  return self->future;
}

/**
 * aiopool_promise_get_cancellable:
 * @self: a promise
 *
 * Gets what tells that the future was cancelled.
 *
 * After a cooperative cancel of a promise that was started, the future waits for the promise to be
 * kept or broken.
 *
 * Returns: (transfer none): a #GCancellable
 *
 * Since: 0.1
 */
GCancellable *
aiopool_promise_get_cancellable (AiopoolPromise *self)
{
  g_return_val_if_fail (AIOPOOL_IS_PROMISE (self), NULL);

  return self->future->extra->promise;
}

/**
 * aiopool_promise_set_context:
 * @self: a promise
 * @context: (nullable): a main context, or %NULL for none
 *
 * Says that a main context must be iterated for this promise to be kept.
 *
 * A thread which would have to iterate that context, and waits for the future instead, is told so
 * with %AIOPOOL_POOL_ERROR_WOULD_BLOCK, rather than that it waits for ever.
 *
 * Since: 0.1
 */
void
aiopool_promise_set_context (AiopoolPromise *self,
                             GMainContext   *context)
{
  GMainContext *old;

  g_return_if_fail (AIOPOOL_IS_PROMISE (self));

  if (context != NULL)
    g_main_context_ref (context);
  aiopool_future_lock (self->future);
  old = self->future->extra->needed;
  self->future->extra->needed = context;
  for (AiopoolFutureWatch *watch = self->future->extra->watches; watch; watch = watch->next)
    watch->klass->needs_context (watch);
  aiopool_future_unlock (self->future);
  g_clear_pointer (&old, g_main_context_unref);
}

/* FALSE if it has ended or was started already. */
gboolean
aiopool_future_start_promised (AiopoolFuture *self)
{
  gboolean is_first;

  aiopool_future_lock (self);
  is_first = g_atomic_int_get (&self->state) == AIOPOOL_FUTURE_PENDING;
  if (is_first)
    {
      self->started = g_get_monotonic_time ();
      g_atomic_int_set (&self->state, AIOPOOL_FUTURE_RUNNING);
    }
  aiopool_future_unlock (self);
  return is_first;
}

/**
 * aiopool_promise_start:
 * @self: a promise
 *
 * Says that the task starts now.
 *
 * Returns: %FALSE if the future has ended or was started already: then do not run the task
 *
 * Since: 0.1
 */
gboolean
aiopool_promise_start (AiopoolPromise *self)
{
  g_return_val_if_fail (AIOPOOL_IS_PROMISE (self), FALSE);

  return aiopool_future_start_promised (self->future);
}

/**
 * aiopool_promise_set_progress:
 * @self: a promise
 * @fraction: how much is done, from 0 to 1; a negative number keeps the one before
 * @message: (nullable): what is being done; %NULL keeps the one before
 *
 * Reports how far the task is.
 *
 * Since: 0.1
 */
void
aiopool_promise_set_progress (AiopoolPromise *self,
                              double          fraction,
                              const char     *message)
{
  g_return_if_fail (AIOPOOL_IS_PROMISE (self));
  g_return_if_fail (fraction <= 1);

  aiopool_future_tell_progress (self->future, fraction, g_strdup (message));
}

/**
 * aiopool_promise_resolve:
 * @self: a promise
 * @result: the result
 *
 * Ends the future with a result.
 *
 * If @result is floating, the future takes it over.
 *
 * Returns: %FALSE if it had ended
 *
 * Since: 0.1
 */
gboolean
aiopool_promise_resolve (AiopoolPromise *self,
                         GVariant       *result)
{
  g_auto (GValue) value = G_VALUE_INIT;

  g_return_val_if_fail (AIOPOOL_IS_PROMISE (self), FALSE);
  g_return_val_if_fail (result != NULL, FALSE);

  g_value_init (&value, G_TYPE_VARIANT);
  g_value_set_variant (&value, result);
  return settle (self, NULL, &value);
}

/**
 * aiopool_promise_resolve_value:
 * @self: a promise
 * @value: the result, of any type
 *
 * Ends the future with a result that [method@Aiopool.Future.get_value] gives back.
 *
 * Returns: %FALSE if it had ended
 *
 * Since: 0.1
 */
gboolean
aiopool_promise_resolve_value (AiopoolPromise *self,
                               const GValue   *value)
{
  g_auto (GValue) copy = G_VALUE_INIT;

  g_return_val_if_fail (AIOPOOL_IS_PROMISE (self), FALSE);
  g_return_val_if_fail (G_IS_VALUE (value), FALSE);

  g_value_init (&copy, G_VALUE_TYPE (value));
  g_value_copy (value, &copy);
  return settle (self, NULL, &copy);
}

/**
 * aiopool_promise_reject:
 * @self: a promise
 * @error: why there is no result; %G_IO_ERROR_CANCELLED makes it a cancelled one
 *
 * Ends the future with an error.
 *
 * Returns: %FALSE if it had ended
 *
 * Since: 0.1
 */
gboolean
aiopool_promise_reject (AiopoolPromise *self,
                        const GError   *error)
{
  g_return_val_if_fail (AIOPOOL_IS_PROMISE (self), FALSE);
  g_return_val_if_fail (error != NULL, FALSE);

  return settle (self, g_error_copy (error), NULL);
}
