/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/api/aiopool-pool-private.h"

#include "aiopool/api/aiopool-future-private.h"
#include "aiopool/base/aiopool-engine-private.h"
#include "aiopool/base/aiopool-error.h"

/* The life of a pool's workers and of the pool itself, from ahead of the first task to the end. */

/* With the reason, then. */
gboolean
aiopool_pool_is_disposed (AiopoolPool *self,
                          GError     **error)
{
  if (self->scheduler != NULL)
    return FALSE;
  g_set_error_literal (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_CLOSED,
                       "The pool was disposed");
  return TRUE;
}

static gboolean
check_alive (AiopoolPool *self,
             GError     **error)
{
  if (aiopool_engine_is_forked ())
    return aiopool_engine_start (error);
  return !aiopool_pool_is_disposed (self, error);
}

gboolean
aiopool_pool_check (AiopoolExecutor *executor,
                    GError         **error)
{
  AiopoolPool *self = AIOPOOL_POOL (executor);

  return check_alive (self, error) && aiopool_scheduler_check (self->scheduler, error);
}

/* @error: (transfer full) (nullable). */
void
aiopool_pool_keep_promise (AiopoolPromise *promise,
                           GError         *error)
{
  if (error != NULL)
    aiopool_promise_reject (promise, error);
  else
    aiopool_promise_resolve (promise, g_variant_new_tuple (NULL, 0));
  g_clear_error (&error);
}

/* There was no task left, and no worker. Who began to join since then hears of that later. What a
 * trial came to is its own.
 *
 * The promise is kept under the lock, so that nobody joins it meanwhile, and stays where it is: the
 * thread that is told of this may be the engine, and the future is not its to drop. */
void
aiopool_pool_on_joined (gpointer pool)
{
  AiopoolPool *self = pool;
  AiopoolOutcome outcome = { .ended = g_get_monotonic_time () };

  g_mutex_lock (&self->lock);
  if (!aiopool_scheduler_is_joining (self->scheduler))
    {
      if (self->is_trial && aiopool_scheduler_is_broken (self->scheduler, &outcome.error))
        {
          outcome.info = aiopool_scheduler_dup_broken_info (self->scheduler);
          aiopool_future_settle_promised (aiopool_promise_get_future (self->joining), &outcome,
                                          NULL);
        }
      else
        aiopool_pool_keep_promise (self->joining, NULL);
    }
  g_mutex_unlock (&self->lock);
}

static gboolean
has_ended (AiopoolPromise *promise)
{
  return aiopool_future_is_done (aiopool_promise_get_future (promise));
}

/* @error: (transfer full). */
AiopoolFuture *
aiopool_pool_new_rejected (GError *error)
{
  g_autoptr (AiopoolPromise) promise = aiopool_promise_new (NULL);

  aiopool_pool_keep_promise (promise, error);
  return g_object_ref (aiopool_promise_get_future (promise));
}

AiopoolFuture *
aiopool_pool_begin_join (AiopoolExecutor *executor)
{
  AiopoolPool *self = AIOPOOL_POOL (executor);
  g_autoptr (AiopoolPromise) old = NULL;
  AiopoolFuture *future;
  GError *error = NULL;

  if (!check_alive (self, &error))
    return aiopool_pool_new_rejected (error);
  g_mutex_lock (&self->lock);
  if (self->joining != NULL && has_ended (self->joining))
    old = g_steal_pointer (&self->joining);
  if (self->joining == NULL)
    self->joining = aiopool_promise_new (NULL);
  future = g_object_ref (aiopool_promise_get_future (self->joining));
  aiopool_scheduler_want_join (self->scheduler);
  g_mutex_unlock (&self->lock);
  aiopool_scheduler_check_join (self->scheduler);
  return future;
}

/* A pool of one worker that is like those of @self, and that any failure breaks. */
static AiopoolPool *
new_trial (AiopoolPool *self)
{
  AiopoolPool *trial = g_object_new (AIOPOOL_TYPE_POOL,
                                     "max-workers", 1,
                                     "launcher", self->launcher,
                                     "initializer", self->initializer,
                                     "finalizer", self->finalizer,
                                     "tasks-per-worker", self->limits.tasks_per_worker,
                                     "start-timeout", aiopool_pool_get_start_timeout (self),
                                     "grace-period", aiopool_pool_get_grace_period (self),
                                     "on-worker-death", AIOPOOL_DEATH_BREAK,
                                     NULL);

  trial->is_trial = TRUE;
  return trial;
}

/* Keeps @trial, and lets those go that are over. */
static void
keep_trial (AiopoolPool *self,
            AiopoolPool *trial)
{
  g_autoptr (GPtrArray) kept = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (GPtrArray) old = NULL;

  g_ptr_array_add (kept, g_object_ref (trial));
  g_mutex_lock (&self->lock);
  old = g_steal_pointer (&self->trials);
  for (guint i = 0; old != NULL && i < old->len; i++)
    {
      AiopoolPool *other = g_ptr_array_index (old, i);

      if (!has_ended (other->joining))
        g_ptr_array_add (kept, g_object_ref (other));
    }
  self->trials = g_steal_pointer (&kept);
  g_mutex_unlock (&self->lock);
}

AiopoolFuture *
aiopool_pool_begin_test (AiopoolExecutor *executor)
{
  AiopoolPool *self = AIOPOOL_POOL (executor);
  g_autoptr (AiopoolPool) trial = new_trial (self);
  GError *error = NULL;
  AiopoolFuture *future;

  if (aiopool_pool_spawn_workers (trial, 1, &error) == 0)
    return aiopool_pool_new_rejected (error);
  future = aiopool_pool_begin_join (AIOPOOL_EXECUTOR (trial));
  keep_trial (self, trial);
  return future;
}

/* @job had not started, and will not. */
void
aiopool_pool_on_given_up (gpointer    pool,
                          AiopoolJob *job)
{
  AiopoolPool *self = pool;
  AiopoolTask *task;

  if (job->klass != &aiopool_future_job_class) /* a batch's, which tells of it by itself */
    return;
  task = aiopool_future_get_task (aiopool_future_of_job (job));
  g_mutex_lock (&self->lock);
  if (self->cancelled == NULL)
    self->cancelled = g_ptr_array_new_with_free_func (g_object_unref);
  g_ptr_array_add (self->cancelled, g_object_ref (task));
  g_mutex_unlock (&self->lock);
}

/**
 * aiopool_pool_dup_cancelled_tasks:
 * @self: a pool
 *
 * Gets the tasks that had not started when the pool was broken or shut down, and so never will.
 *
 * May be called from any thread. Tasks that somebody cancelled one by one are not among them, nor
 * are the items of an [class@Aiopool.Batch]. The pool keeps them as long as it lives.
 *
 * Returns: (transfer full): a new list model of [class@Aiopool.Task], which does not change
 *
 * Since: 0.1
 */
GListModel *
aiopool_pool_dup_cancelled_tasks (AiopoolPool *self)
{
  GListStore *list;

  g_return_val_if_fail (AIOPOOL_IS_POOL (self), NULL);

  list = g_list_store_new (AIOPOOL_TYPE_TASK);
  g_mutex_lock (&self->lock);
  if (self->cancelled != NULL)
    g_list_store_splice (list, 0, 0, self->cancelled->pdata, self->cancelled->len);
  g_mutex_unlock (&self->lock);
  return G_LIST_MODEL (list);
}

/**
 * aiopool_pool_spawn_workers:
 * @self: a pool
 * @n_workers: how many more workers to start; %G_MAXUINT for as many as there may be
 * @error: return location for a #GError
 *
 * Starts workers ahead of tasks.
 *
 * Never more than [property@Aiopool.Pool:max-workers] in all. They start while this returns; see
 * [property@Aiopool.Pool:workers]. They go again when they are idle for longer than
 * [property@Aiopool.Pool:idle-timeout], unless [property@Aiopool.Pool:min-workers] says otherwise.
 *
 * Fails with %AIOPOOL_POOL_ERROR_CLOSED, %AIOPOOL_POOL_ERROR_BROKEN, %AIOPOOL_POOL_ERROR_FORKED,
 * %AIOPOOL_POOL_ERROR_NOT_A_WORKER or %AIOPOOL_POOL_ERROR_START_FAILED, as a submit does.
 *
 * Returns: how many are being started, which may be 0 without an error
 *
 * Since: 0.1
 */
guint
aiopool_pool_spawn_workers (AiopoolPool *self,
                            guint        n_workers,
                            GError     **error)
{
  g_return_val_if_fail (AIOPOOL_IS_POOL (self), 0);
  g_return_val_if_fail (error == NULL || *error == NULL, 0);

  if (!check_alive (self, error))
    return 0;
  return aiopool_scheduler_spawn (self->scheduler, n_workers, error);
}

/**
 * aiopool_pool_get_is_broken:
 * @self: a pool
 *
 * Gets whether the pool is broken; also after a shutdown.
 *
 * [method@Aiopool.Executor.check] tells why. May be called from any thread.
 *
 * Returns: %TRUE if it is
 *
 * Since: 0.1
 */
gboolean
aiopool_pool_get_is_broken (AiopoolPool *self)
{
  g_return_val_if_fail (AIOPOOL_IS_POOL (self), FALSE);

  return self->scheduler != NULL && aiopool_scheduler_is_broken (self->scheduler, NULL);
}

/**
 * aiopool_pool_dup_broken_info:
 * @self: a pool
 *
 * Gets what is known of the error that the initializer or finalizer reported which broke the pool.
 *
 * Tasks that fail for it have the same as their error info. May be called from any thread.
 *
 * Returns: (transfer full) (nullable): an error info; %NULL if the pool is not broken, or by
 *   something else, or nothing more is known than what [method@Aiopool.Executor.check] tells
 *
 * Since: 0.1
 */
AiopoolErrorInfo *
aiopool_pool_dup_broken_info (AiopoolPool *self)
{
  g_return_val_if_fail (AIOPOOL_IS_POOL (self), NULL);

  return self->scheduler != NULL ? aiopool_scheduler_dup_broken_info (self->scheduler) : NULL;
}

/**
 * aiopool_pool_get_max_tasks_per_worker:
 * @self: a pool
 *
 * Gets how many tasks a worker runs before another one takes its place.
 *
 * Returns: a number of tasks; 0, the default, for no limit
 *
 * Since: 0.1
 */
guint
aiopool_pool_get_max_tasks_per_worker (AiopoolPool *self)
{
  g_return_val_if_fail (AIOPOOL_IS_POOL (self), 0);

  return self->limits.max_tasks_per_worker;
}

/**
 * aiopool_pool_get_on_worker_death:
 * @self: a pool
 *
 * Gets what the unexpected end of a worker means for the pool.
 *
 * Returns: a policy
 *
 * Since: 0.1
 */
AiopoolDeathPolicy
aiopool_pool_get_on_worker_death (AiopoolPool *self)
{
  g_return_val_if_fail (AIOPOOL_IS_POOL (self), AIOPOOL_DEATH_ISOLATE);

  return self->limits.is_fragile ? AIOPOOL_DEATH_BREAK : AIOPOOL_DEATH_ISOLATE;
}

/**
 * aiopool_pool_get_initializer:
 * @self: a pool
 *
 * Gets what every worker runs before its first task.
 *
 * Returns: (transfer none) (nullable): a task
 *
 * Since: 0.1
 */
AiopoolTask *
aiopool_pool_get_initializer (AiopoolPool *self)
{
  g_return_val_if_fail (AIOPOOL_IS_POOL (self), NULL);

  return self->initializer;
}

/**
 * aiopool_pool_get_finalizer:
 * @self: a pool
 *
 * Gets what every worker runs after its last task.
 *
 * Returns: (transfer none) (nullable): a task
 *
 * Since: 0.1
 */
AiopoolTask *
aiopool_pool_get_finalizer (AiopoolPool *self)
{
  g_return_val_if_fail (AIOPOOL_IS_POOL (self), NULL);

  return self->finalizer;
}
