/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/api/aiopool-pool-private.h"

/* Those settings of a pool that may be changed at any time. */

static double
to_seconds (gint64 usec)
{
  return usec < 0 ? -1 : (double) usec / G_USEC_PER_SEC;
}

/* Below 0, and beyond what fits: @never. */
static gint64
to_usec (double seconds,
         gint64 never)
{
  double usec = seconds * G_USEC_PER_SEC;

  return seconds < 0 || usec >= (double) (G_MAXINT64 / 4) ? never : (gint64) usec;
}

void
aiopool_pool_init_settings (AiopoolPool *self)
{
  self->limits.tasks_per_worker = 1;
  self->limits.idle_timeout = to_usec (AIOPOOL_DEFAULT_IDLE_TIMEOUT, -1);
  self->limits.start_timeout = to_usec (AIOPOOL_DEFAULT_START_TIMEOUT, 0);
  self->limits.grace_period = to_usec (AIOPOOL_DEFAULT_GRACE_PERIOD, 0);
  self->limits.restart_budget = AIOPOOL_DEFAULT_RESTART_BUDGET;
  self->limits.max_deaths_per_task = AIOPOOL_DEFAULT_MAX_DEATHS_PER_TASK;
}

/* Under the lock. Under construction there is no scheduler yet. */
static void
apply_limits (AiopoolPool *self)
{
  if (self->scheduler != NULL)
    aiopool_scheduler_set_limits (self->scheduler, &self->limits);
}

static gboolean
set_time (AiopoolPool *self,
          gint64      *field,
          gint64       usec)
{
  gboolean is_changed;

  g_mutex_lock (&self->lock);
  is_changed = *field != usec;
  *field = usec;
  if (is_changed)
    apply_limits (self);
  g_mutex_unlock (&self->lock);
  return is_changed;
}

static double
get_time (AiopoolPool  *self,
          const gint64 *field)
{
  double seconds;

  g_mutex_lock (&self->lock);
  seconds = to_seconds (*field);
  g_mutex_unlock (&self->lock);
  return seconds;
}

static gboolean
set_count (AiopoolPool *self,
           guint       *field,
           guint        count)
{
  gboolean is_changed;

  g_mutex_lock (&self->lock);
  is_changed = *field != count;
  *field = count;
  if (is_changed)
    apply_limits (self);
  g_mutex_unlock (&self->lock);
  return is_changed;
}

static guint
get_count (AiopoolPool *self,
           const guint *field)
{
  guint count;

  g_mutex_lock (&self->lock);
  count = *field;
  g_mutex_unlock (&self->lock);
  return count;
}

/**
 * aiopool_pool_get_idle_timeout:
 * @self: a pool
 *
 * Gets after how long an idle worker goes away.
 *
 * Returns: seconds; 60 by default, below 0 for never
 *
 * Since: 0.1
 */
double
aiopool_pool_get_idle_timeout (AiopoolPool *self)
{
  g_return_val_if_fail (AIOPOOL_IS_POOL (self), 0);

  return get_time (self, &self->limits.idle_timeout);
}

/**
 * aiopool_pool_set_idle_timeout:
 * @self: a pool
 * @idle_timeout: seconds; 60 by default, below 0 for never
 *
 * Sets after how long an idle worker goes away.
 *
 * Holds for workers that are started from now on and for those that are idle.
 *
 * Since: 0.1
 */
void
aiopool_pool_set_idle_timeout (AiopoolPool *self,
                               double       idle_timeout)
{
  g_return_if_fail (AIOPOOL_IS_POOL (self));
  g_return_if_fail (idle_timeout == idle_timeout);

  if (set_time (self, &self->limits.idle_timeout, to_usec (idle_timeout, -1)))
    g_object_notify (G_OBJECT (self), "idle-timeout");
}

/**
 * aiopool_pool_get_start_timeout:
 * @self: a pool
 *
 * Gets how long a worker may take to report after its start.
 *
 * Returns: seconds; 30 by default, 0 for no limit
 *
 * Since: 0.1
 */
double
aiopool_pool_get_start_timeout (AiopoolPool *self)
{
  g_return_val_if_fail (AIOPOOL_IS_POOL (self), 0);

  return get_time (self, &self->limits.start_timeout);
}

/**
 * aiopool_pool_set_start_timeout:
 * @self: a pool
 * @start_timeout: seconds; 30 by default, 0 for no limit
 *
 * Sets how long a worker may take to report after its start.
 *
 * Holds for workers that are started from now on.
 *
 * Since: 0.1
 */
void
aiopool_pool_set_start_timeout (AiopoolPool *self,
                                double       start_timeout)
{
  g_return_if_fail (AIOPOOL_IS_POOL (self));
  g_return_if_fail (start_timeout >= 0);

  if (set_time (self, &self->limits.start_timeout, to_usec (start_timeout, 0)))
    g_object_notify (G_OBJECT (self), "start-timeout");
}

/**
 * aiopool_pool_get_grace_period:
 * @self: a pool
 *
 * Gets how long a worker has to stop what it was told to stop, before it is killed.
 *
 * Returns: seconds; 2 by default
 *
 * Since: 0.1
 */
double
aiopool_pool_get_grace_period (AiopoolPool *self)
{
  g_return_val_if_fail (AIOPOOL_IS_POOL (self), 0);

  return get_time (self, &self->limits.grace_period);
}

/**
 * aiopool_pool_set_grace_period:
 * @self: a pool
 * @grace_period: seconds; 2 by default
 *
 * Sets how long a worker has to stop what it was told to stop, before it is killed.
 *
 * Holds for workers that are started from now on.
 *
 * Since: 0.1
 */
void
aiopool_pool_set_grace_period (AiopoolPool *self,
                               double       grace_period)
{
  g_return_if_fail (AIOPOOL_IS_POOL (self));
  g_return_if_fail (grace_period >= 0);

  if (set_time (self, &self->limits.grace_period, to_usec (grace_period, G_MAXINT64 / 8)))
    g_object_notify (G_OBJECT (self), "grace-period");
}

/**
 * aiopool_pool_get_max_pending:
 * @self: a pool
 *
 * Gets how many tasks may wait for a worker.
 *
 * Returns: a number of tasks; 0, the default, for no limit
 *
 * Since: 0.1
 */
guint
aiopool_pool_get_max_pending (AiopoolPool *self)
{
  g_return_val_if_fail (AIOPOOL_IS_POOL (self), 0);

  return get_count (self, &self->limits.max_pending);
}

/**
 * aiopool_pool_set_max_pending:
 * @self: a pool
 * @max_pending: a number of tasks; 0, the default, for no limit
 *
 * Sets how many tasks may wait for a worker.
 *
 * Tasks that a worker has been sent ahead of time do not count. Beyond the limit
 * [method@Aiopool.Executor.submit] fails with %AIOPOOL_POOL_ERROR_FULL, and the calls that can wait
 * wait for room.
 *
 * Since: 0.1
 */
void
aiopool_pool_set_max_pending (AiopoolPool *self,
                              guint        max_pending)
{
  g_return_if_fail (AIOPOOL_IS_POOL (self));

  if (!set_count (self, &self->limits.max_pending, max_pending))
    return;
  aiopool_executor_notify_room (AIOPOOL_EXECUTOR (self));
  g_object_notify (G_OBJECT (self), "max-pending");
}

/**
 * aiopool_pool_get_min_workers:
 * @self: a pool
 *
 * Gets how many workers are kept though they are idle.
 *
 * Returns: a number of workers; 0 by default
 *
 * Since: 0.1
 */
guint
aiopool_pool_get_min_workers (AiopoolPool *self)
{
  g_return_val_if_fail (AIOPOOL_IS_POOL (self), 0);

  return get_count (self, &self->limits.min_workers);
}

/**
 * aiopool_pool_set_min_workers:
 * @self: a pool
 * @min_workers: a number of workers; 0 by default
 *
 * Sets how many workers are kept though they are idle.
 *
 * See [property@Aiopool.Pool:min-workers].
 *
 * Since: 0.1
 */
void
aiopool_pool_set_min_workers (AiopoolPool *self,
                              guint        min_workers)
{
  g_return_if_fail (AIOPOOL_IS_POOL (self));

  if (set_count (self, &self->limits.min_workers, min_workers))
    g_object_notify (G_OBJECT (self), "min-workers");
}

/**
 * aiopool_pool_get_restart_budget:
 * @self: a pool
 *
 * Gets how many workers in a row may end before they started a task.
 *
 * Returns: a number of workers; 20 by default, 0 for no limit
 *
 * Since: 0.1
 */
guint
aiopool_pool_get_restart_budget (AiopoolPool *self)
{
  g_return_val_if_fail (AIOPOOL_IS_POOL (self), 0);

  return get_count (self, &self->limits.restart_budget);
}

/**
 * aiopool_pool_set_restart_budget:
 * @self: a pool
 * @restart_budget: a number of workers; 20 by default, 0 for no limit
 *
 * Sets how many workers in a row may end before they started a task.
 *
 * See [property@Aiopool.Pool:restart-budget].
 *
 * Since: 0.1
 */
void
aiopool_pool_set_restart_budget (AiopoolPool *self,
                                 guint        restart_budget)
{
  g_return_if_fail (AIOPOOL_IS_POOL (self));

  if (set_count (self, &self->limits.restart_budget, restart_budget))
    g_object_notify (G_OBJECT (self), "restart-budget");
}

/**
 * aiopool_pool_get_max_deaths_per_task:
 * @self: a pool
 *
 * Gets how many workers may end while they run one and the same task.
 *
 * Returns: a number of workers; 5 by default, 0 for as many as the task's retries allow
 *
 * Since: 0.1
 */
guint
aiopool_pool_get_max_deaths_per_task (AiopoolPool *self)
{
  g_return_val_if_fail (AIOPOOL_IS_POOL (self), 0);

  return get_count (self, &self->limits.max_deaths_per_task);
}

/**
 * aiopool_pool_set_max_deaths_per_task:
 * @self: a pool
 * @max_deaths: a number of workers; 5 by default, 0 for as many as the task's retries allow
 *
 * Sets how many workers may end while they run one and the same task, before it fails for good.
 *
 * Since: 0.1
 */
void
aiopool_pool_set_max_deaths_per_task (AiopoolPool *self,
                                      guint        max_deaths)
{
  g_return_if_fail (AIOPOOL_IS_POOL (self));

  if (set_count (self, &self->limits.max_deaths_per_task, max_deaths))
    g_object_notify (G_OBJECT (self), "max-deaths-per-task");
}
