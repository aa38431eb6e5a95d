/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/api/aiopool-executor.h"

#include "aiopool/base/aiopool-error.h"

/* The life of an executor as a whole: whether it is well, and how it comes to rest or to its end.
 * Each of these that takes time is a future of the subclass, for which one may wait in two ways. */

/* @future: (transfer full) (nullable): what the subclass gave, which may be nothing. */
static AiopoolFuture *
check_future (AiopoolExecutor *self,
              AiopoolFuture   *future,
              const char      *what,
              GError         **error)
{
  if (future == NULL)
    g_set_error (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_NOT_SUPPORTED, "%s cannot be %s",
                 G_OBJECT_TYPE_NAME (self), what);
  return future;
}

static AiopoolFuture *
begin_shutdown (AiopoolExecutor     *self,
                AiopoolShutdownFlags flags,
                GError             **error)
{
  AiopoolExecutorClass *klass = AIOPOOL_EXECUTOR_GET_CLASS (self);

  return check_future (self,
                       klass->begin_shutdown != NULL ? klass->begin_shutdown (self, flags) : NULL,
                       "shut down", error);
}

static AiopoolFuture *
begin_join (AiopoolExecutor *self,
            GError         **error)
{
  AiopoolExecutorClass *klass = AIOPOOL_EXECUTOR_GET_CLASS (self);

  return check_future (self, klass->begin_join != NULL ? klass->begin_join (self) : NULL,
                       "joined", error);
}

static AiopoolFuture *
begin_test (AiopoolExecutor *self,
            GError         **error)
{
  AiopoolExecutorClass *klass = AIOPOOL_EXECUTOR_GET_CLASS (self);

  if (!aiopool_executor_check (self, error))
    return NULL;
  return check_future (self, klass->begin_test != NULL ? klass->begin_test (self) : NULL,
                       "tested", error);
}

/* Takes @future. */
static gboolean
wait_for (AiopoolFuture *future,
          GCancellable  *cancellable,
          GError       **error)
{
  g_autoptr (GVariant) result = NULL;

  if (future == NULL)
    return FALSE;
  result = aiopool_future_collect (future, -1, cancellable, error);
  g_object_unref (future);
  return result != NULL;
}

static void
on_collected (GObject      *object,
              GAsyncResult *result,
              gpointer      user_data)
{
  g_autoptr (GTask) completion = user_data;
  GError *error = NULL;
  g_autoptr (GVariant) unit = aiopool_future_collect_finish (AIOPOOL_FUTURE (object), result,
                                                             &error);

  if (unit != NULL)
    g_task_return_boolean (completion, TRUE);
  else
    g_task_return_error (completion, error);
}

/* Takes @future and @error, of which one is there. */
static void
tell_when_over (AiopoolExecutor    *self,
                AiopoolFuture      *future,
                GError             *error,
                gpointer            tag,
                GCancellable       *cancellable,
                GAsyncReadyCallback callback,
                gpointer            user_data)
{
  g_autoptr (GTask) completion = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (completion, tag);
  g_task_set_check_cancellable (completion, FALSE);
  if (future == NULL)
    {
      g_task_return_error (completion, error);
      return;
    }
  aiopool_future_collect_async (future, cancellable, on_collected, g_steal_pointer (&completion));
  g_object_unref (future);
}

/**
 * aiopool_executor_shutdown:
 * @self: an executor
 * @flags: what to do with unfinished tasks
 * @cancellable: (nullable): a #GCancellable that ends the wait, not the shutdown
 * @error: return location for a #GError
 *
 * Stops taking tasks, and waits until everything has ended.
 *
 * Blocks the calling thread and iterates no main context. May be called again, with harder flags
 * too.
 *
 * Fails with %G_IO_ERROR_CANCELLED if @cancellable is cancelled, with %AIOPOOL_POOL_ERROR_FORKED in
 * a fork of the process that made the executor, and with %AIOPOOL_TASK_ERROR_NOT_SUPPORTED if the
 * executor cannot be shut down.
 *
 * Returns: %TRUE if everything has ended
 *
 * Since: 0.1
 */
gboolean
aiopool_executor_shutdown (AiopoolExecutor     *self,
                           AiopoolShutdownFlags flags,
                           GCancellable        *cancellable,
                           GError             **error)
{
  g_return_val_if_fail (AIOPOOL_IS_EXECUTOR (self), FALSE);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  return wait_for (begin_shutdown (self, flags, error), cancellable, error);
}

/**
 * aiopool_executor_shutdown_async:
 * @self: an executor
 * @flags: what to do with unfinished tasks
 * @cancellable: (nullable): a #GCancellable that ends the wait, not the shutdown
 * @callback: (scope async) (closure user_data): what to call when everything has ended
 * @user_data: data for @callback
 *
 * Stops taking tasks.
 *
 * Since: 0.1
 */
void
aiopool_executor_shutdown_async (AiopoolExecutor     *self,
                                 AiopoolShutdownFlags flags,
                                 GCancellable        *cancellable,
                                 GAsyncReadyCallback  callback,
                                 gpointer             user_data)
{
  AiopoolFuture *future;
  GError *error = NULL;

  g_return_if_fail (AIOPOOL_IS_EXECUTOR (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  future = begin_shutdown (self, flags, &error);
  tell_when_over (self, future, error, aiopool_executor_shutdown_async, cancellable, callback,
                  user_data);
}

/**
 * aiopool_executor_shutdown_finish:
 * @self: an executor
 * @result: what the callback got
 * @error: return location for a #GError
 *
 * Ends [method@Aiopool.Executor.shutdown_async].
 *
 * Fails as [method@Aiopool.Executor.shutdown].
 *
 * Returns: %TRUE if everything has ended
 *
 * Since: 0.1
 */
gboolean
aiopool_executor_shutdown_finish (AiopoolExecutor *self,
                                  GAsyncResult    *result,
                                  GError         **error)
{
  g_return_val_if_fail (AIOPOOL_IS_EXECUTOR (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

/**
 * aiopool_executor_join:
 * @self: an executor
 * @cancellable: (nullable): a #GCancellable that ends the wait, and leaves the tasks alone
 * @error: return location for a #GError
 *
 * Waits until every task has ended, and lets workers go.
 *
 * The executor can be used again afterwards, and meanwhile: a task that is submitted while somebody
 * joins is waited for too. Several threads may join at once. Blocks the calling thread and iterates
 * no main context.
 *
 * Fails with %G_IO_ERROR_CANCELLED if @cancellable is cancelled, with %AIOPOOL_POOL_ERROR_FORKED in
 * a fork of the process that made the executor, with %AIOPOOL_POOL_ERROR_CLOSED if a pool was
 * disposed, and with %AIOPOOL_TASK_ERROR_NOT_SUPPORTED if the executor cannot do that.
 *
 * Returns: %TRUE if there was no task left, and no worker
 *
 * Since: 0.1
 */
gboolean
aiopool_executor_join (AiopoolExecutor *self,
                       GCancellable    *cancellable,
                       GError         **error)
{
  g_return_val_if_fail (AIOPOOL_IS_EXECUTOR (self), FALSE);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  return wait_for (begin_join (self, error), cancellable, error);
}

/**
 * aiopool_executor_join_async:
 * @self: an executor
 * @cancellable: (nullable): a #GCancellable that ends the wait, and leaves the tasks alone
 * @callback: (scope async) (closure user_data): what to call when every task has ended
 * @user_data: data for @callback
 *
 * Lets workers go when every task has ended.
 *
 * Since: 0.1
 */
void
aiopool_executor_join_async (AiopoolExecutor    *self,
                             GCancellable       *cancellable,
                             GAsyncReadyCallback callback,
                             gpointer            user_data)
{
  AiopoolFuture *future;
  GError *error = NULL;

  g_return_if_fail (AIOPOOL_IS_EXECUTOR (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  future = begin_join (self, &error);
  tell_when_over (self, future, error, aiopool_executor_join_async, cancellable, callback,
                  user_data);
}

/**
 * aiopool_executor_join_finish:
 * @self: an executor
 * @result: what the callback got
 * @error: return location for a #GError
 *
 * Ends [method@Aiopool.Executor.join_async].
 *
 * Fails as [method@Aiopool.Executor.join].
 *
 * Returns: %TRUE if there was no task left, and no worker
 *
 * Since: 0.1
 */
gboolean
aiopool_executor_join_finish (AiopoolExecutor *self,
                              GAsyncResult    *result,
                              GError         **error)
{
  g_return_val_if_fail (AIOPOOL_IS_EXECUTOR (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

/**
 * aiopool_executor_check: (virtual check)
 * @self: an executor
 * @error: return location for a #GError
 *
 * Whether the executor takes tasks.
 *
 * Fails with %AIOPOOL_POOL_ERROR_CLOSED after a shutdown; if the executor is broken, with the very
 * error that broke it: %AIOPOOL_POOL_ERROR_INITIALIZER, %AIOPOOL_POOL_ERROR_FINALIZER,
 * %AIOPOOL_POOL_ERROR_BROKEN, or why a worker could not be started. That it is full is no error
 * here.
 *
 * Returns: %TRUE if it does
 *
 * Since: 0.1
 */
gboolean
aiopool_executor_check (AiopoolExecutor *self,
                        GError         **error)
{
  AiopoolExecutorClass *klass;
  GError *local = NULL;
  gboolean is_well;

  g_return_val_if_fail (AIOPOOL_IS_EXECUTOR (self), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  klass = AIOPOOL_EXECUTOR_GET_CLASS (self);
  is_well = klass->check == NULL || klass->check (self, &local);
  if (!is_well && local == NULL)
    g_set_error (&local, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_BROKEN,
                 "%s takes no tasks and does not say why", G_OBJECT_TYPE_NAME (self));
  if (local != NULL)
    g_propagate_error (error, local);
  return is_well;
}

/**
 * aiopool_executor_test:
 * @self: an executor
 * @cancellable: (nullable): a #GCancellable that ends the wait
 * @error: return location for a #GError
 *
 * Tries out the configuration.
 *
 * A pool starts one worker more, apart from its own, as it would any other, has it run the
 * initializer and the finalizer if there are any, and lets it go. Nothing of that touches the
 * executor itself. Blocks the calling thread and iterates no main context.
 *
 * Fails as [method@Aiopool.Executor.check], with what went wrong with the worker
 * (%AIOPOOL_POOL_ERROR_START_FAILED, %AIOPOOL_POOL_ERROR_START_TIMED_OUT,
 * %AIOPOOL_POOL_ERROR_INITIALIZER, %AIOPOOL_POOL_ERROR_FINALIZER, %AIOPOOL_POOL_ERROR_BROKEN), with
 * %G_IO_ERROR_CANCELLED if @cancellable is cancelled, and with %AIOPOOL_TASK_ERROR_NOT_SUPPORTED if
 * the executor cannot do that.
 *
 * Returns: %TRUE if all went well
 *
 * Since: 0.1
 */
gboolean
aiopool_executor_test (AiopoolExecutor *self,
                       GCancellable    *cancellable,
                       GError         **error)
{
  g_return_val_if_fail (AIOPOOL_IS_EXECUTOR (self), FALSE);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  return wait_for (begin_test (self, error), cancellable, error);
}

/**
 * aiopool_executor_test_async:
 * @self: an executor
 * @cancellable: (nullable): a #GCancellable that ends the wait
 * @callback: (scope async) (closure user_data): what to call when it is over
 * @user_data: data for @callback
 *
 * Tries out the configuration.
 *
 * Since: 0.1
 */
void
aiopool_executor_test_async (AiopoolExecutor    *self,
                             GCancellable       *cancellable,
                             GAsyncReadyCallback callback,
                             gpointer            user_data)
{
  AiopoolFuture *future;
  GError *error = NULL;

  g_return_if_fail (AIOPOOL_IS_EXECUTOR (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  future = begin_test (self, &error);
  tell_when_over (self, future, error, aiopool_executor_test_async, cancellable, callback,
                  user_data);
}

/**
 * aiopool_executor_test_finish:
 * @self: an executor
 * @result: what the callback got
 * @error: return location for a #GError
 *
 * Ends [method@Aiopool.Executor.test_async].
 *
 * Fails as [method@Aiopool.Executor.test].
 *
 * Returns: %TRUE if all went well
 *
 * Since: 0.1
 */
gboolean
aiopool_executor_test_finish (AiopoolExecutor *self,
                              GAsyncResult    *result,
                              GError         **error)
{
  g_return_val_if_fail (AIOPOOL_IS_EXECUTOR (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}
