/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/api/aiopool-pool-private.h"

#include "aiopool/api/aiopool-future-private.h"
#include "aiopool/api/aiopool-task-private.h"
#include "aiopool/api/aiopool-worker-private.h"
#include "aiopool/base/aiopool-engine-private.h"
#include "aiopool/base/aiopool-error.h"
#include "aiopool/workers/aiopool-launcher-private.h"

/**
 * AiopoolPool:
 *
 * Runs tasks in worker processes.
 *
 * A pool starts no process before its first task, and a new worker only when tasks wait and no
 * worker is free. Workers that have been idle for long enough go away. A task that crashes its
 * worker fails alone: tasks that had not started go to other workers, and nothing that may have
 * started runs again unless its task allows retries.
 *
 * What a worker is, its [class@Aiopool.Launcher] says. By default it is this same program started
 * again, which must call [func@Aiopool.Service.enter] at the start of its `main`.
 *
 * All methods may be called from any thread. Changes of [property@Aiopool.Pool:workers] and
 * notifications of what changes by itself happen in the main context that was thread-default when
 * the pool was made; a property that is set is notified at once.
 *
 * Dropping the last reference cancels every task that has not ended and kills the workers;
 * [method@Aiopool.Executor.shutdown] ends a pool in order.
 *
 * Since: 0.1
 */

G_DEFINE_FINAL_TYPE (AiopoolPool, aiopool_pool, AIOPOOL_TYPE_EXECUTOR)

static void
on_changed (gpointer owner)
{
  aiopool_pool_view_change (AIOPOOL_POOL (owner)->view);
}

static void
on_room (gpointer owner)
{
  aiopool_executor_notify_room (owner);
}

static void
on_closed (gpointer owner)
{
  AiopoolPool *self = owner;
  g_autoptr (AiopoolPromise) closing = NULL;

  g_mutex_lock (&self->lock);
  self->is_closed = TRUE;
  g_set_object (&closing, self->closing);
  g_mutex_unlock (&self->lock);
  if (closing != NULL)
    aiopool_pool_keep_promise (closing, NULL);
}

static void
on_logged (gpointer          owner,
           AiopoolLogRecord *record)
{
  aiopool_pool_log_push (AIOPOOL_POOL (owner)->log, record);
}

static gboolean
on_figures (gpointer owner)
{
  return aiopool_pool_figures_change (AIOPOOL_POOL (owner)->figures);
}

static const AiopoolSchedulerOwner scheduler_owner = {
  on_changed, on_room, on_closed, aiopool_pool_on_joined, aiopool_pool_on_given_up, on_logged,
  on_figures
};

static AiopoolFuture *
aiopool_pool_submit (AiopoolExecutor *executor,
                     AiopoolTask     *task,
                     GCancellable    *cancellable,
                     GError         **error)
{
  AiopoolPool *self = AIOPOOL_POOL (executor);

  if (aiopool_pool_is_disposed (self, error))
    return NULL;
  return aiopool_future_submit (self->scheduler, task, cancellable, error);
}

static AiopoolFuture *
aiopool_pool_begin_shutdown (AiopoolExecutor     *executor,
                             AiopoolShutdownFlags flags)
{
  AiopoolPool *self = AIOPOOL_POOL (executor);
  g_autoptr (AiopoolPromise) closing = NULL;
  GError *error = NULL;
  gboolean is_closed;

  if (aiopool_engine_is_forked ())
    {
      aiopool_engine_start (&error);
      return aiopool_pool_new_rejected (error);
    }
  g_mutex_lock (&self->lock);
  if (self->closing == NULL)
    self->closing = aiopool_promise_new (NULL);
  g_set_object (&closing, self->closing);
  is_closed = self->is_closed || self->scheduler == NULL;
  g_mutex_unlock (&self->lock);
  if (is_closed)
    aiopool_pool_keep_promise (closing, NULL);
  else
    aiopool_scheduler_shutdown (self->scheduler, flags);
  return g_object_ref (aiopool_promise_get_future (closing));
}

AiopoolCounts
aiopool_pool_get_counts (AiopoolPool *self)
{
  AiopoolCounts counts = { 0 };

  if (self->scheduler != NULL)
    aiopool_scheduler_get_counts (self->scheduler, &counts);
  return counts;
}

static guint
aiopool_pool_get_n_pending (AiopoolExecutor *executor)
{
  return aiopool_pool_get_counts (AIOPOOL_POOL (executor)).n_pending;
}

static guint
aiopool_pool_get_n_running (AiopoolExecutor *executor)
{
  return aiopool_pool_get_counts (AIOPOOL_POOL (executor)).n_running;
}

static const AiopoolSpec *
get_spec (AiopoolTask *task)
{
  return task != NULL ? aiopool_task_freeze (task) : NULL;
}

static void
aiopool_pool_constructed (GObject *object)
{
  AiopoolPool *self = AIOPOOL_POOL (object);

  G_OBJECT_CLASS (aiopool_pool_parent_class)->constructed (object);
  if (self->launcher == NULL)
    self->launcher = aiopool_launcher_new ();
  aiopool_launcher_freeze (self->launcher);
  if (self->limits.max_workers == 0)
    self->limits.max_workers = g_get_num_processors ();
  self->scheduler = aiopool_scheduler_new (self->launcher, &self->limits, &scheduler_owner, self);
  aiopool_scheduler_set_hooks (self->scheduler, get_spec (self->initializer),
                               get_spec (self->finalizer));
  aiopool_scheduler_set_name (self->scheduler, self->name);
  self->view = aiopool_pool_view_new (object, self->scheduler);
  self->figures = aiopool_pool_figures_new (object, self->scheduler);
  self->log = aiopool_pool_log_new (object, self->scheduler);
}

/* The scheduler is left in place until it has been abandoned: who is told something meanwhile may
 * look at it. */
static void
aiopool_pool_dispose (GObject *object)
{
  AiopoolPool *self = AIOPOOL_POOL (object);

  if (self->scheduler != NULL)
    aiopool_scheduler_abandon (self->scheduler);
  self->scheduler = NULL;
  g_clear_pointer (&self->view, aiopool_pool_view_unref);
  g_clear_pointer (&self->log, aiopool_pool_log_unref);
  g_clear_pointer (&self->figures, aiopool_pool_figures_unref);
  G_OBJECT_CLASS (aiopool_pool_parent_class)->dispose (object);
}

static void
aiopool_pool_finalize (GObject *object)
{
  AiopoolPool *self = AIOPOOL_POOL (object);

  g_clear_object (&self->launcher);
  g_clear_object (&self->initializer);
  g_clear_object (&self->finalizer);
  g_clear_object (&self->closing);
  g_clear_object (&self->joining);
  g_clear_pointer (&self->cancelled, g_ptr_array_unref);
  g_clear_pointer (&self->trials, g_ptr_array_unref);
  g_free (self->name);
  g_mutex_clear (&self->lock);
  G_OBJECT_CLASS (aiopool_pool_parent_class)->finalize (object);
}

static void
aiopool_pool_class_init (AiopoolPoolClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  AiopoolExecutorClass *executor_class = AIOPOOL_EXECUTOR_CLASS (klass);

  object_class->constructed = aiopool_pool_constructed;
  object_class->dispose = aiopool_pool_dispose;
  object_class->finalize = aiopool_pool_finalize;
  executor_class->submit = aiopool_pool_submit;
  executor_class->begin_shutdown = aiopool_pool_begin_shutdown;
  executor_class->check = aiopool_pool_check;
  executor_class->begin_join = aiopool_pool_begin_join;
  executor_class->begin_test = aiopool_pool_begin_test;
  executor_class->get_n_pending = aiopool_pool_get_n_pending;
  executor_class->get_n_running = aiopool_pool_get_n_running;
  aiopool_pool_install_properties (object_class);
  aiopool_pool_log_install_signals (AIOPOOL_TYPE_POOL);
}

static void
aiopool_pool_init (AiopoolPool *self)
{
  g_mutex_init (&self->lock);
  aiopool_pool_init_settings (self);
}

/**
 * aiopool_pool_new:
 * @max_workers: how many workers there are at most, up to 1024; 0 for one for each processor
 *
 * Makes a pool whose workers are this same program.
 *
 * The program must call [func@Aiopool.Service.enter] at the start of its `main`. No process is
 * started before the first task.
 *
 * Returns: (transfer full): a new pool
 *
 * Since: 0.1
 */
AiopoolPool *
aiopool_pool_new (guint max_workers)
{
  return g_object_new (AIOPOOL_TYPE_POOL, "max-workers", max_workers, NULL);
}

/**
 * aiopool_pool_new_with_launcher:
 * @max_workers: how many workers there are at most, up to 1024; 0 for one for each processor
 * @launcher: how they are started
 *
 * Makes a pool.
 *
 * Returns: (transfer full): a new pool
 *
 * Since: 0.1
 */
AiopoolPool *
aiopool_pool_new_with_launcher (guint            max_workers,
                                AiopoolLauncher *launcher)
{
  g_return_val_if_fail (AIOPOOL_IS_LAUNCHER (launcher), NULL);

  return g_object_new (AIOPOOL_TYPE_POOL,
                       "max-workers", max_workers,
                       "launcher", launcher,
                       NULL);
}

/**
 * aiopool_pool_get_default:
 *
 * Gets a pool that everybody in this process can use: one worker for each processor, each this same
 * program.
 *
 * Its main context is the one that is thread-default at the first call. It lives as long as the
 * process; please do not shut it down.
 *
 * Returns: (transfer none): the default pool
 *
 * Since: 0.1
 */
AiopoolPool *
aiopool_pool_get_default (void)
{
  static AiopoolPool *pool;

  if (g_once_init_enter (&pool))
    {
      AiopoolPool *fresh = g_object_new (AIOPOOL_TYPE_POOL, "name", "default", NULL);

      g_once_init_leave (&pool, fresh);
    }
  return pool;
}

/**
 * aiopool_pool_get_max_workers:
 * @self: a pool
 *
 * Gets how many workers there are at most.
 *
 * Returns: a number of workers, never 0
 *
 * Since: 0.1
 */
guint
aiopool_pool_get_max_workers (AiopoolPool *self)
{
  g_return_val_if_fail (AIOPOOL_IS_POOL (self), 0);

  return self->limits.max_workers;
}

/**
 * aiopool_pool_get_name:
 * @self: a pool
 *
 * Gets the name.
 *
 * Returns: (transfer none) (nullable): the name
 *
 * Since: 0.1
 */
const char *
aiopool_pool_get_name (AiopoolPool *self)
{
  g_return_val_if_fail (AIOPOOL_IS_POOL (self), NULL);

  return self->name;
}

/**
 * aiopool_pool_get_launcher:
 * @self: a pool
 *
 * Gets how workers are started.
 *
 * Returns: (transfer none): the launcher
 *
 * Since: 0.1
 */
AiopoolLauncher *
aiopool_pool_get_launcher (AiopoolPool *self)
{
  g_return_val_if_fail (AIOPOOL_IS_POOL (self), NULL);

  return self->launcher;
}

/**
 * aiopool_pool_get_tasks_per_worker:
 * @self: a pool
 *
 * Gets how many asynchronous functions one worker runs at once.
 *
 * Returns: a number of tasks; 1 by default
 *
 * Since: 0.1
 */
guint
aiopool_pool_get_tasks_per_worker (AiopoolPool *self)
{
  g_return_val_if_fail (AIOPOOL_IS_POOL (self), 0);

  return self->limits.tasks_per_worker;
}

/**
 * aiopool_pool_get_max_result_size:
 * @self: a pool
 *
 * Gets the largest result that a worker may send.
 *
 * Returns: bytes; 1 GiB by default
 *
 * Since: 0.1
 */
guint64
aiopool_pool_get_max_result_size (AiopoolPool *self)
{
  g_return_val_if_fail (AIOPOOL_IS_POOL (self), 0);

  return self->limits.max_result_size;
}

/**
 * aiopool_pool_get_n_workers:
 * @self: a pool
 *
 * Gets how many worker processes there are, starting and closing ones included.
 *
 * Returns: a number of workers
 *
 * Since: 0.1
 */
guint
aiopool_pool_get_n_workers (AiopoolPool *self)
{
  g_return_val_if_fail (AIOPOOL_IS_POOL (self), 0);

  return aiopool_pool_get_counts (self).n_workers;
}

/**
 * aiopool_pool_get_n_idle:
 * @self: a pool
 *
 * Gets how many workers have no task.
 *
 * Returns: a number of workers
 *
 * Since: 0.1
 */
guint
aiopool_pool_get_n_idle (AiopoolPool *self)
{
  g_return_val_if_fail (AIOPOOL_IS_POOL (self), 0);

  return aiopool_pool_get_counts (self).n_idle;
}

/**
 * aiopool_pool_get_n_busy:
 * @self: a pool
 *
 * Gets how many workers have a task.
 *
 * Returns: a number of workers
 *
 * Since: 0.1
 */
guint
aiopool_pool_get_n_busy (AiopoolPool *self)
{
  g_return_val_if_fail (AIOPOOL_IS_POOL (self), 0);

  return aiopool_pool_get_counts (self).n_busy;
}

/**
 * aiopool_pool_get_workers:
 * @self: a pool
 *
 * Gets the workers as a list model of [class@Aiopool.Worker].
 *
 * It changes in the main context that was thread-default when the pool was made, and may be read
 * only there.
 *
 * Returns: (transfer none): a list model that lives as long as the pool
 *
 * Since: 0.1
 */
GListModel *
aiopool_pool_get_workers (AiopoolPool *self)
{
  g_return_val_if_fail (AIOPOOL_IS_POOL (self), NULL);

  return self->view != NULL ? aiopool_pool_view_get_workers (self->view) : NULL;
}

/**
 * aiopool_pool_dup_workers:
 * @self: a pool
 *
 * Lists the workers that there are now.
 *
 * May be called from any thread, unlike what [method@Aiopool.Pool.get_workers] returns may be read.
 * Workers that were needed before, and are being started right now, are waited for, so that they
 * are in the list and have a process id; the wait needs no main context.
 *
 * Returns: (transfer full): a new list model of [class@Aiopool.Worker], which does not change
 *
 * Since: 0.1
 */
GListModel *
aiopool_pool_dup_workers (AiopoolPool *self)
{
  GListStore *list;
  g_autoptr (GArray) workers = NULL;

  g_return_val_if_fail (AIOPOOL_IS_POOL (self), NULL);

  list = g_list_store_new (AIOPOOL_TYPE_WORKER);
  if (self->scheduler == NULL)
    return G_LIST_MODEL (list);
  workers = aiopool_scheduler_await_workers (self->scheduler);
  for (guint i = 0; i < workers->len; i++)
    {
      const AiopoolWorkerStatus *status = &g_array_index (workers, AiopoolWorkerStatus, i);
      g_autoptr (AiopoolWorker) worker = aiopool_worker_new (self->scheduler, status);

      g_list_store_append (list, worker);
    }
  return G_LIST_MODEL (list);
}
