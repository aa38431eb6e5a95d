/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/api/aiopool-stats-private.h"

/**
 * AiopoolStats:
 *
 * What a pool has done, at one moment.
 *
 * All numbers are of the same moment and do not change; [method@Aiopool.Pool.dup_stats] takes the
 * next ones. Times are of tasks that have started and ended. They are counted in microseconds, and
 * percentiles come from a histogram that is at most 2 percent off. An initializer or finalizer is
 * not counted.
 *
 * Totals are doubles, which every language can count with; they are whole numbers.
 *
 * May be read from any thread.
 *
 * Since: 0.1
 */

struct _AiopoolStats
{
  GObject            parent_instance;
  AiopoolFiguresView view; /* never changes */
};

G_DEFINE_FINAL_TYPE (AiopoolStats, aiopool_stats, G_TYPE_OBJECT)

static void
aiopool_stats_class_init (AiopoolStatsClass *klass)
{
  aiopool_stats_install_properties (G_OBJECT_CLASS (klass));
}

static void
aiopool_stats_init (AiopoolStats *self)
{
}

AiopoolStats *
aiopool_stats_new (const AiopoolFiguresView *view)
{
  AiopoolStats *self = g_object_new (AIOPOOL_TYPE_STATS, NULL);

  self->view = *view;
  return self;
}

/**
 * aiopool_stats_get_elapsed:
 * @self: some numbers
 *
 * Gets over which time the numbers were gathered: since the pool was made, or
 * [method@Aiopool.Pool.reset_stats].
 *
 * Returns: seconds
 *
 * Since: 0.1
 */
double
aiopool_stats_get_elapsed (AiopoolStats *self)
{
  g_return_val_if_fail (AIOPOOL_IS_STATS (self), 0);

  return self->view.elapsed;
}

/**
 * aiopool_stats_get_n_pending:
 * @self: some numbers
 *
 * Gets how many tasks wait.
 *
 * Returns: a number of tasks
 *
 * Since: 0.1
 */
guint
aiopool_stats_get_n_pending (AiopoolStats *self)
{
  g_return_val_if_fail (AIOPOOL_IS_STATS (self), 0);

  return self->view.counts.n_pending;
}

/**
 * aiopool_stats_get_n_running:
 * @self: some numbers
 *
 * Gets how many tasks run.
 *
 * Returns: a number of tasks
 *
 * Since: 0.1
 */
guint
aiopool_stats_get_n_running (AiopoolStats *self)
{
  g_return_val_if_fail (AIOPOOL_IS_STATS (self), 0);

  return self->view.counts.n_running;
}

/**
 * aiopool_stats_get_n_done:
 * @self: some numbers
 *
 * Gets how many tasks have ended with a result.
 *
 * Returns: a whole number of tasks
 *
 * Since: 0.1
 */
double
aiopool_stats_get_n_done (AiopoolStats *self)
{
  g_return_val_if_fail (AIOPOOL_IS_STATS (self), 0);

  return (double) self->view.n_done;
}

/**
 * aiopool_stats_get_n_failed:
 * @self: some numbers
 *
 * Gets how many tasks have failed, those that were timed out and those whose worker crashed among
 * them.
 *
 * Returns: a whole number of tasks
 *
 * Since: 0.1
 */
double
aiopool_stats_get_n_failed (AiopoolStats *self)
{
  g_return_val_if_fail (AIOPOOL_IS_STATS (self), 0);

  return (double) self->view.n_failed;
}

/**
 * aiopool_stats_get_n_cancelled:
 * @self: some numbers
 *
 * Gets how many tasks were cancelled.
 *
 * Returns: a whole number of tasks
 *
 * Since: 0.1
 */
double
aiopool_stats_get_n_cancelled (AiopoolStats *self)
{
  g_return_val_if_fail (AIOPOOL_IS_STATS (self), 0);

  return (double) self->view.n_cancelled;
}

/**
 * aiopool_stats_get_n_workers:
 * @self: some numbers
 *
 * Gets how many worker processes there are, starting and closing ones included.
 *
 * Returns: a number of workers
 *
 * Since: 0.1
 */
guint
aiopool_stats_get_n_workers (AiopoolStats *self)
{
  g_return_val_if_fail (AIOPOOL_IS_STATS (self), 0);

  return self->view.counts.n_workers;
}

/**
 * aiopool_stats_get_n_idle:
 * @self: some numbers
 *
 * Gets how many workers have no task.
 *
 * Returns: a number of workers
 *
 * Since: 0.1
 */
guint
aiopool_stats_get_n_idle (AiopoolStats *self)
{
  g_return_val_if_fail (AIOPOOL_IS_STATS (self), 0);

  return self->view.counts.n_idle;
}

/**
 * aiopool_stats_get_n_busy:
 * @self: some numbers
 *
 * Gets how many workers have a task.
 *
 * Returns: a number of workers
 *
 * Since: 0.1
 */
guint
aiopool_stats_get_n_busy (AiopoolStats *self)
{
  g_return_val_if_fail (AIOPOOL_IS_STATS (self), 0);

  return self->view.counts.n_busy;
}

/**
 * aiopool_stats_get_n_workers_started:
 * @self: some numbers
 *
 * Gets how many worker processes were started.
 *
 * Returns: a whole number of workers
 *
 * Since: 0.1
 */
double
aiopool_stats_get_n_workers_started (AiopoolStats *self)
{
  g_return_val_if_fail (AIOPOOL_IS_STATS (self), 0);

  return (double) self->view.n_started;
}

/**
 * aiopool_stats_get_n_workers_lost:
 * @self: some numbers
 *
 * Gets how many worker processes ended though this process had not asked them to.
 *
 * Returns: a whole number of workers
 *
 * Since: 0.1
 */
double
aiopool_stats_get_n_workers_lost (AiopoolStats *self)
{
  g_return_val_if_fail (AIOPOOL_IS_STATS (self), 0);

  return (double) self->view.n_crashes;
}

/**
 * aiopool_stats_get_queue_time_mean:
 * @self: some numbers
 *
 * Gets how long a task waited on average, from its submission to its start.
 *
 * Returns: seconds; 0 if there was none
 *
 * Since: 0.1
 */
double
aiopool_stats_get_queue_time_mean (AiopoolStats *self)
{
  g_return_val_if_fail (AIOPOOL_IS_STATS (self), 0);

  return self->view.queue_time.mean;
}

/**
 * aiopool_stats_get_queue_time_median:
 * @self: some numbers
 *
 * Gets how long half of the tasks waited at most.
 *
 * Returns: seconds, at most 2 percent off; 0 if there was none
 *
 * Since: 0.1
 */
double
aiopool_stats_get_queue_time_median (AiopoolStats *self)
{
  g_return_val_if_fail (AIOPOOL_IS_STATS (self), 0);

  return self->view.queue_time.median;
}

/**
 * aiopool_stats_get_queue_time_p95:
 * @self: some numbers
 *
 * Gets how long 95 percent of the tasks waited at most.
 *
 * Returns: seconds, at most 2 percent off; 0 if there was none
 *
 * Since: 0.1
 */
double
aiopool_stats_get_queue_time_p95 (AiopoolStats *self)
{
  g_return_val_if_fail (AIOPOOL_IS_STATS (self), 0);

  return self->view.queue_time.p95;
}

/**
 * aiopool_stats_get_queue_time_p99:
 * @self: some numbers
 *
 * Gets how long 99 percent of the tasks waited at most.
 *
 * Returns: seconds, at most 2 percent off; 0 if there was none
 *
 * Since: 0.1
 */
double
aiopool_stats_get_queue_time_p99 (AiopoolStats *self)
{
  g_return_val_if_fail (AIOPOOL_IS_STATS (self), 0);

  return self->view.queue_time.p99;
}

/**
 * aiopool_stats_get_queue_time_max:
 * @self: some numbers
 *
 * Gets how long the task that waited longest waited.
 *
 * Returns: seconds; 0 if there was none
 *
 * Since: 0.1
 */
double
aiopool_stats_get_queue_time_max (AiopoolStats *self)
{
  g_return_val_if_fail (AIOPOOL_IS_STATS (self), 0);

  return self->view.queue_time.most;
}

/**
 * aiopool_stats_get_run_time_mean:
 * @self: some numbers
 *
 * Gets how long a task ran on average, from its start to its end.
 *
 * Returns: seconds; 0 if there was none
 *
 * Since: 0.1
 */
double
aiopool_stats_get_run_time_mean (AiopoolStats *self)
{
  g_return_val_if_fail (AIOPOOL_IS_STATS (self), 0);

  return self->view.run_time.mean;
}

/**
 * aiopool_stats_get_run_time_median:
 * @self: some numbers
 *
 * Gets how long half of the tasks ran at most.
 *
 * Returns: seconds, at most 2 percent off; 0 if there was none
 *
 * Since: 0.1
 */
double
aiopool_stats_get_run_time_median (AiopoolStats *self)
{
  g_return_val_if_fail (AIOPOOL_IS_STATS (self), 0);

  return self->view.run_time.median;
}

/**
 * aiopool_stats_get_run_time_p95:
 * @self: some numbers
 *
 * Gets how long 95 percent of the tasks ran at most.
 *
 * Returns: seconds, at most 2 percent off; 0 if there was none
 *
 * Since: 0.1
 */
double
aiopool_stats_get_run_time_p95 (AiopoolStats *self)
{
  g_return_val_if_fail (AIOPOOL_IS_STATS (self), 0);

  return self->view.run_time.p95;
}

/**
 * aiopool_stats_get_run_time_p99:
 * @self: some numbers
 *
 * Gets how long 99 percent of the tasks ran at most.
 *
 * Returns: seconds, at most 2 percent off; 0 if there was none
 *
 * Since: 0.1
 */
double
aiopool_stats_get_run_time_p99 (AiopoolStats *self)
{
  g_return_val_if_fail (AIOPOOL_IS_STATS (self), 0);

  return self->view.run_time.p99;
}

/**
 * aiopool_stats_get_run_time_max:
 * @self: some numbers
 *
 * Gets how long the task that ran longest ran.
 *
 * Returns: seconds; 0 if there was none
 *
 * Since: 0.1
 */
double
aiopool_stats_get_run_time_max (AiopoolStats *self)
{
  g_return_val_if_fail (AIOPOOL_IS_STATS (self), 0);

  return self->view.run_time.most;
}

/**
 * aiopool_stats_get_utilization:
 * @self: some numbers
 *
 * Gets which part of their time the workers have run tasks, in the last two seconds.
 *
 * Returns: 0 to 1
 *
 * Since: 0.1
 */
double
aiopool_stats_get_utilization (AiopoolStats *self)
{
  g_return_val_if_fail (AIOPOOL_IS_STATS (self), 0);

  return self->view.utilization;
}

/**
 * aiopool_stats_get_utilization_mean:
 * @self: some numbers
 *
 * Gets which part of their lives the workers have run tasks.
 *
 * Returns: 0 to 1
 *
 * Since: 0.1
 */
double
aiopool_stats_get_utilization_mean (AiopoolStats *self)
{
  g_return_val_if_fail (AIOPOOL_IS_STATS (self), 0);

  return self->view.mean_utilization;
}

/**
 * aiopool_stats_get_tasks_per_second:
 * @self: some numbers
 *
 * Gets how many tasks have ended per second, in the last two seconds.
 *
 * Returns: tasks per second
 *
 * Since: 0.1
 */
double
aiopool_stats_get_tasks_per_second (AiopoolStats *self)
{
  g_return_val_if_fail (AIOPOOL_IS_STATS (self), 0);

  return self->view.rate;
}
