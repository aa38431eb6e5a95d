/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/api/aiopool-executor-private.h"

#include "aiopool/api/aiopool-future-private.h"
#include "aiopool/api/aiopool-task-private.h"
#include "aiopool/base/aiopool-error.h"

/**
 * AiopoolExecutor:
 *
 * Runs tasks somewhere else.
 *
 * This is the common face of [class@Aiopool.Pool] and of executors that you write yourself: a
 * subclass implements [vfunc@Aiopool.Executor.submit] and
 * [vfunc@Aiopool.Executor.begin_shutdown] with [class@Aiopool.Promise] and gets everything else
 * from here.
 *
 * All methods may be called from any thread. Callbacks are called in the main context that was
 * thread-default when the method was called.
 *
 * Since: 0.1
 */

typedef struct
{
  AiopoolRoom *room; /* (owned): for those who wait until a task is taken */
} AiopoolExecutorPrivate;

enum
{
  PROP_0,
  PROP_N_PENDING,
  PROP_N_RUNNING,
  N_PROPS
};

static GParamSpec *properties[N_PROPS];

G_DEFINE_ABSTRACT_TYPE_WITH_PRIVATE (AiopoolExecutor, aiopool_executor, G_TYPE_OBJECT)

AiopoolRoom *
aiopool_executor_get_room (AiopoolExecutor *self)
{
  AiopoolExecutorPrivate *priv = aiopool_executor_get_instance_private (self);

  return priv->room;
}

static void
aiopool_executor_finalize (GObject *object)
{
  aiopool_room_unref (aiopool_executor_get_room (AIOPOOL_EXECUTOR (object)));
  G_OBJECT_CLASS (aiopool_executor_parent_class)->finalize (object);
}

static void
aiopool_executor_get_property (GObject    *object,
                               guint       id,
                               GValue     *value,
                               GParamSpec *pspec)
{
  AiopoolExecutor *self = AIOPOOL_EXECUTOR (object);

  switch (id)
    {
    case PROP_N_PENDING:
      g_value_set_uint (value, aiopool_executor_get_n_pending (self));
      break;
    case PROP_N_RUNNING:
      g_value_set_uint (value, aiopool_executor_get_n_running (self));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
aiopool_executor_class_init (AiopoolExecutorClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->finalize = aiopool_executor_finalize;
  object_class->get_property = aiopool_executor_get_property;

  /**
   * AiopoolExecutor:n-pending:
   *
   * The number of tasks that have not started. Not notified.
   *
   * Since: 0.1
   */
  properties[PROP_N_PENDING] = g_param_spec_uint ("n-pending", NULL, NULL, 0, G_MAXUINT, 0,
                                                  G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  /**
   * AiopoolExecutor:n-running:
   *
   * The number of tasks that are running. Not notified.
   *
   * Since: 0.1
   */
  properties[PROP_N_RUNNING] = g_param_spec_uint ("n-running", NULL, NULL, 0, G_MAXUINT, 0,
                                                  G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
aiopool_executor_init (AiopoolExecutor *self)
{
  AiopoolExecutorPrivate *priv = aiopool_executor_get_instance_private (self);

  priv->room = aiopool_room_new ();
}

/* A subclass in another language may raise, which arrives as no future and no error. */
static AiopoolFuture *
submit (AiopoolExecutor *self,
        AiopoolTask     *task,
        GCancellable    *cancellable,
        GError         **error)
{
  AiopoolExecutorClass *klass = AIOPOOL_EXECUTOR_GET_CLASS (self);
  GError *local = NULL;
  AiopoolFuture *future = NULL;

  aiopool_task_freeze (task);
  if (klass->submit == NULL)
    g_set_error (&local, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_NOT_SUPPORTED,
                 "%s takes no tasks", G_OBJECT_TYPE_NAME (self));
  else
    future = klass->submit (self, task, cancellable, &local);
  if (future == NULL && local == NULL)
    g_set_error (&local, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_FAILED,
                 "%s gave neither a future nor an error", G_OBJECT_TYPE_NAME (self));
  if (local != NULL)
    g_propagate_error (error, local);
  return future;
}

static gboolean
is_full (const GError *error)
{
  return g_error_matches (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_FULL);
}

/**
 * aiopool_executor_submit: (virtual submit)
 * @self: an executor
 * @task: what to do; frozen from now on
 * @cancellable: (nullable): a #GCancellable that cancels the task by force
 * @error: return location for a #GError
 *
 * Takes a task.
 *
 * Returns at once; the task may start before that. To learn what comes of it, see
 * [class@Aiopool.Future].
 *
 * Fails with %AIOPOOL_POOL_ERROR_CLOSED after a shutdown, with %AIOPOOL_POOL_ERROR_FULL if as many
 * tasks wait as may, with %AIOPOOL_POOL_ERROR_BROKEN, %AIOPOOL_POOL_ERROR_FORKED,
 * %AIOPOOL_POOL_ERROR_NOT_A_WORKER or %AIOPOOL_POOL_ERROR_START_FAILED if the executor cannot work
 * at all, with %AIOPOOL_TASK_ERROR_UNKNOWN_FUNCTION if the name of the function is empty or has
 * more than 4096 bytes, with %AIOPOOL_TASK_ERROR_TOO_LARGE if the keywords have more than 4 MiB,
 * with %AIOPOOL_TASK_ERROR_NOT_SUPPORTED or %AIOPOOL_TASK_ERROR_FAILED if the executor, one of your
 * own, takes no tasks or gives neither a future nor an error, and with %G_IO_ERROR_CANCELLED if
 * @cancellable is cancelled already.
 *
 * Returns: (transfer full): the future of the task
 *
 * Since: 0.1
 */
AiopoolFuture *
aiopool_executor_submit (AiopoolExecutor *self,
                         AiopoolTask     *task,
                         GCancellable    *cancellable,
                         GError         **error)
{
  g_return_val_if_fail (AIOPOOL_IS_EXECUTOR (self), NULL);
  g_return_val_if_fail (AIOPOOL_IS_TASK (task), NULL);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  return submit (self, task, cancellable, error);
}

static void
on_run_done (AiopoolFuture *future,
             gpointer       user_data)
{
  GTask *completion = user_data;
  GError *error = NULL;
  GVariant *result = aiopool_future_get_result (future, &error);

  if (result != NULL)
    g_task_return_pointer (completion, result, (GDestroyNotify) g_variant_unref);
  else
    g_task_return_error (completion, error);
}

/* Takes @future and @error. */
static void
complete_with (GTask         *completion,
               AiopoolFuture *future,
               GError        *error,
               gboolean       wants_future)
{
  if (error != NULL)
    g_task_return_error (completion, error);
  else if (wants_future)
    g_task_return_pointer (completion, future, g_object_unref);
  else
    {
      aiopool_future_make_private (future);
      aiopool_future_listen (future, g_task_get_context (completion), on_run_done,
                             g_object_ref (completion), g_object_unref);
      g_object_unref (future);
    }
}

static gboolean
submit_waiting (gpointer        executor,
                AiopoolTask    *task,
                GCancellable   *cancellable,
                AiopoolFuture **future,
                GError        **error)
{
  g_autoptr (GError) local = NULL;

  *future = submit (executor, task, cancellable, &local);
  if (is_full (local))
    return FALSE;
  *error = g_steal_pointer (&local);
  return TRUE;
}

static const AiopoolRoomOwner room_owner = { submit_waiting, complete_with };

typedef struct
{
  GTask  *completion; /* (owned) */
  GError *error;      /* (owned) */
} Refusal;

static gboolean
on_refused (gpointer data)
{
  Refusal *refusal = data;

  g_task_return_error (refusal->completion, refusal->error);
  g_object_unref (refusal->completion);
  g_free (refusal);
  return G_SOURCE_REMOVE;
}

/* Not now, in the call that submits: a GTask of the caller's may be older than this iteration of
 * the context and would call back at once. Takes @error. */
static void
return_error_later (GTask  *completion,
                    GError *error)
{
  GSource *source = g_idle_source_new ();
  Refusal *refusal = g_new (Refusal, 1);

  refusal->completion = g_object_ref (completion);
  refusal->error = error;
  g_source_set_priority (source, g_task_get_priority (completion));
  g_source_set_static_name (source, "[aiopool] refused task");
  g_source_set_callback (source, on_refused, refusal, NULL);
  g_source_attach (source, g_task_get_context (completion));
  g_source_unref (source);
}

/* Those who came earlier go first. */
static void
start (AiopoolExecutor *self,
       AiopoolTask     *task,
       GTask           *completion,
       gboolean         wants_future)
{
  AiopoolFuture *future = NULL;
  GError *error = NULL;

  if (!aiopool_room_is_awaited (aiopool_executor_get_room (self)))
    future = submit (self, task, g_task_get_cancellable (completion), &error);
  if (future == NULL && error != NULL && !is_full (error))
    return_error_later (completion, error);
  else if (future == NULL)
    {
      g_clear_error (&error);
      aiopool_room_wait (aiopool_executor_get_room (self), &room_owner, self, task, completion,
                         wants_future);
    }
  else
    complete_with (completion, future, error, wants_future);
}

/**
 * aiopool_executor_notify_room:
 * @self: an executor
 *
 * Says that the executor, which refused a task with %AIOPOOL_POOL_ERROR_FULL, may have room again.
 *
 * For subclasses; those who wait for room try again. May be called from any thread.
 *
 * Since: 0.1
 */
void
aiopool_executor_notify_room (AiopoolExecutor *self)
{
  g_return_if_fail (AIOPOOL_IS_EXECUTOR (self));

  aiopool_room_notify (aiopool_executor_get_room (self));
}

/**
 * aiopool_executor_submit_async:
 * @self: an executor
 * @task: what to do; frozen from now on
 * @cancellable: (nullable): a #GCancellable that ends the wait for room, and later cancels the task
 *   by force
 * @callback: (scope async) (closure user_data): what to call when the task was taken
 * @user_data: data for @callback
 *
 * Takes a task as soon as there is room.
 *
 * Since: 0.1
 */
void
aiopool_executor_submit_async (AiopoolExecutor    *self,
                               AiopoolTask        *task,
                               GCancellable       *cancellable,
                               GAsyncReadyCallback callback,
                               gpointer            user_data)
{
  g_autoptr (GTask) completion = NULL;

  g_return_if_fail (AIOPOOL_IS_EXECUTOR (self));
  g_return_if_fail (AIOPOOL_IS_TASK (task));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  completion = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (completion, aiopool_executor_submit_async);
  g_task_set_check_cancellable (completion, FALSE);
  start (self, task, completion, TRUE);
}

/**
 * aiopool_executor_submit_finish:
 * @self: an executor
 * @result: what the callback got
 * @error: return location for a #GError
 *
 * Ends [method@Aiopool.Executor.submit_async].
 *
 * Fails as [method@Aiopool.Executor.submit], but not with %AIOPOOL_POOL_ERROR_FULL.
 *
 * Returns: (transfer full): the future of the task
 *
 * Since: 0.1
 */
AiopoolFuture *
aiopool_executor_submit_finish (AiopoolExecutor *self,
                                GAsyncResult    *result,
                                GError         **error)
{
  g_return_val_if_fail (AIOPOOL_IS_EXECUTOR (self), NULL);
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

/* Submits, and blocks while there is no room. */
static AiopoolFuture *
submit_blocking (AiopoolExecutor *self,
                 AiopoolTask     *task,
                 GCancellable    *cancellable,
                 GError         **error)
{
  for (;;)
    {
      guint n_rooms = aiopool_room_get_count (aiopool_executor_get_room (self));
      GError *local = NULL;
      AiopoolFuture *future;

      aiopool_scheduler_promise_to_wait (TRUE);
      future = submit (self, task, cancellable, &local);
      aiopool_scheduler_promise_to_wait (FALSE);
      if (future != NULL)
        return future;
      if (!is_full (local))
        {
          g_propagate_error (error, local);
          return NULL;
        }
      g_error_free (local);
      aiopool_room_block (aiopool_executor_get_room (self), n_rooms, cancellable);
    }
}

/**
 * aiopool_executor_run:
 * @self: an executor
 * @task: what to do; frozen from now on
 * @cancellable: (nullable): a #GCancellable that cancels the task by force
 * @error: return location for a #GError
 *
 * Runs a task and waits for its result.
 *
 * Blocks the calling thread, and while the executor is full waits for room. No main context is
 * iterated, and none needs to be: this works on the main thread, in a callback, in a task, and in
 * any thread.
 *
 * Fails as [method@Aiopool.Executor.submit] (but not with %AIOPOOL_POOL_ERROR_FULL) and as
 * [method@Aiopool.Future.get_result]; with %AIOPOOL_POOL_ERROR_WOULD_BLOCK if the executor itself
 * needs the main context of this thread.
 *
 * Returns: (transfer full): the result
 *
 * Since: 0.1
 */
GVariant *
aiopool_executor_run (AiopoolExecutor *self,
                      AiopoolTask     *task,
                      GCancellable    *cancellable,
                      GError         **error)
{
  g_autoptr (AiopoolFuture) future = NULL;

  g_return_val_if_fail (AIOPOOL_IS_EXECUTOR (self), NULL);
  g_return_val_if_fail (AIOPOOL_IS_TASK (task), NULL);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  future = submit_blocking (self, task, cancellable, error);
  if (future == NULL)
    return NULL;
  aiopool_future_make_private (future);
  return aiopool_future_collect (future, -1, NULL, error);
}

/**
 * aiopool_executor_run_async:
 * @self: an executor
 * @task: what to do; frozen from now on
 * @cancellable: (nullable): a #GCancellable that cancels the task by force
 * @callback: (scope async) (closure user_data): what to call when the task has ended
 * @user_data: data for @callback
 *
 * Runs a task; while the executor is full, waits for room first.
 *
 * Since: 0.1
 */
void
aiopool_executor_run_async (AiopoolExecutor    *self,
                            AiopoolTask        *task,
                            GCancellable       *cancellable,
                            GAsyncReadyCallback callback,
                            gpointer            user_data)
{
  g_autoptr (GTask) completion = NULL;

  g_return_if_fail (AIOPOOL_IS_EXECUTOR (self));
  g_return_if_fail (AIOPOOL_IS_TASK (task));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  completion = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (completion, aiopool_executor_run_async);
  g_task_set_check_cancellable (completion, FALSE);
  start (self, task, completion, FALSE);
}

/**
 * aiopool_executor_run_finish:
 * @self: an executor
 * @result: what the callback got
 * @error: return location for a #GError
 *
 * Ends [method@Aiopool.Executor.run_async].
 *
 * Fails as [method@Aiopool.Executor.run].
 *
 * Returns: (transfer full): the result
 *
 * Since: 0.1
 */
GVariant *
aiopool_executor_run_finish (AiopoolExecutor *self,
                             GAsyncResult    *result,
                             GError         **error)
{
  g_return_val_if_fail (AIOPOOL_IS_EXECUTOR (self), NULL);
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

/**
 * aiopool_executor_run_task:
 * @self: an executor
 * @task: what to do; frozen from now on
 * @completion: a #GTask of your own
 *
 * Runs a task on behalf of an asynchronous method of your own.
 *
 * Completes its #GTask with the result, to be had with g_task_propagate_pointer() as a #GVariant,
 * or with the error.
 *
 * The #GTask's cancellable cancels the task by force; its return is in its own main context.
 *
 * Since: 0.1
 */
void
aiopool_executor_run_task (AiopoolExecutor *self,
                           AiopoolTask     *task,
                           GTask           *completion)
{
  g_return_if_fail (AIOPOOL_IS_EXECUTOR (self));
  g_return_if_fail (AIOPOOL_IS_TASK (task));
  g_return_if_fail (G_IS_TASK (completion));

  start (self, task, completion, FALSE);
}

/**
 * aiopool_executor_get_n_pending: (virtual get_n_pending)
 * @self: an executor
 *
 * Gets how many tasks have not started.
 *
 * Returns: number of tasks
 *
 * Since: 0.1
 */
guint
aiopool_executor_get_n_pending (AiopoolExecutor *self)
{
  AiopoolExecutorClass *klass;

  g_return_val_if_fail (AIOPOOL_IS_EXECUTOR (self), 0);

  klass = AIOPOOL_EXECUTOR_GET_CLASS (self);
  return klass->get_n_pending != NULL ? klass->get_n_pending (self) : 0;
}

/**
 * aiopool_executor_get_n_running: (virtual get_n_running)
 * @self: an executor
 *
 * Gets how many tasks are running.
 *
 * Returns: number of tasks
 *
 * Since: 0.1
 */
guint
aiopool_executor_get_n_running (AiopoolExecutor *self)
{
  AiopoolExecutorClass *klass;

  g_return_val_if_fail (AIOPOOL_IS_EXECUTOR (self), 0);

  klass = AIOPOOL_EXECUTOR_GET_CLASS (self);
  return klass->get_n_running != NULL ? klass->get_n_running (self) : 0;
}
