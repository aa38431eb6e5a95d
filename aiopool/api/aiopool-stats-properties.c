/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/api/aiopool-stats-private.h"

/* The properties of the numbers of a pool: each is what its getter says. */

enum
{
  PROP_0,
  PROP_ELAPSED,
  PROP_N_PENDING,
  PROP_N_RUNNING,
  PROP_N_DONE,
  PROP_N_FAILED,
  PROP_N_CANCELLED,
  PROP_N_WORKERS,
  PROP_N_IDLE,
  PROP_N_BUSY,
  PROP_N_WORKERS_STARTED,
  PROP_N_WORKERS_LOST,
  PROP_QUEUE_TIME_MEAN,
  PROP_QUEUE_TIME_MEDIAN,
  PROP_QUEUE_TIME_P95,
  PROP_QUEUE_TIME_P99,
  PROP_QUEUE_TIME_MAX,
  PROP_RUN_TIME_MEAN,
  PROP_RUN_TIME_MEDIAN,
  PROP_RUN_TIME_P95,
  PROP_RUN_TIME_P99,
  PROP_RUN_TIME_MAX,
  PROP_UTILIZATION,
  PROP_UTILIZATION_MEAN,
  PROP_TASKS_PER_SECOND,
  N_PROPS
};

static GParamSpec *properties[N_PROPS];

static void
aiopool_stats_get_property (GObject    *object,
                            guint       id,
                            GValue     *value,
                            GParamSpec *pspec)
{
  AiopoolStats *self = AIOPOOL_STATS (object);

  switch (id)
    {
    case PROP_ELAPSED:
      g_value_set_double (value, aiopool_stats_get_elapsed (self));
      break;
    case PROP_N_PENDING:
      g_value_set_uint (value, aiopool_stats_get_n_pending (self));
      break;
    case PROP_N_RUNNING:
      g_value_set_uint (value, aiopool_stats_get_n_running (self));
      break;
    case PROP_N_DONE:
      g_value_set_double (value, aiopool_stats_get_n_done (self));
      break;
    case PROP_N_FAILED:
      g_value_set_double (value, aiopool_stats_get_n_failed (self));
      break;
    case PROP_N_CANCELLED:
      g_value_set_double (value, aiopool_stats_get_n_cancelled (self));
      break;
    case PROP_N_WORKERS:
      g_value_set_uint (value, aiopool_stats_get_n_workers (self));
      break;
    case PROP_N_IDLE:
      g_value_set_uint (value, aiopool_stats_get_n_idle (self));
      break;
    case PROP_N_BUSY:
      g_value_set_uint (value, aiopool_stats_get_n_busy (self));
      break;
    case PROP_N_WORKERS_STARTED:
      g_value_set_double (value, aiopool_stats_get_n_workers_started (self));
      break;
    case PROP_N_WORKERS_LOST:
      g_value_set_double (value, aiopool_stats_get_n_workers_lost (self));
      break;
    case PROP_QUEUE_TIME_MEAN:
      g_value_set_double (value, aiopool_stats_get_queue_time_mean (self));
      break;
    case PROP_QUEUE_TIME_MEDIAN:
      g_value_set_double (value, aiopool_stats_get_queue_time_median (self));
      break;
    case PROP_QUEUE_TIME_P95:
      g_value_set_double (value, aiopool_stats_get_queue_time_p95 (self));
      break;
    case PROP_QUEUE_TIME_P99:
      g_value_set_double (value, aiopool_stats_get_queue_time_p99 (self));
      break;
    case PROP_QUEUE_TIME_MAX:
      g_value_set_double (value, aiopool_stats_get_queue_time_max (self));
      break;
    case PROP_RUN_TIME_MEAN:
      g_value_set_double (value, aiopool_stats_get_run_time_mean (self));
      break;
    case PROP_RUN_TIME_MEDIAN:
      g_value_set_double (value, aiopool_stats_get_run_time_median (self));
      break;
    case PROP_RUN_TIME_P95:
      g_value_set_double (value, aiopool_stats_get_run_time_p95 (self));
      break;
    case PROP_RUN_TIME_P99:
      g_value_set_double (value, aiopool_stats_get_run_time_p99 (self));
      break;
    case PROP_RUN_TIME_MAX:
      g_value_set_double (value, aiopool_stats_get_run_time_max (self));
      break;
    case PROP_UTILIZATION:
      g_value_set_double (value, aiopool_stats_get_utilization (self));
      break;
    case PROP_UTILIZATION_MEAN:
      g_value_set_double (value, aiopool_stats_get_utilization_mean (self));
      break;
    case PROP_TASKS_PER_SECOND:
      g_value_set_double (value, aiopool_stats_get_tasks_per_second (self));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
install (guint       id,
         GParamSpec *pspec)
{
  properties[id] = pspec;
}

#define READABLE (G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)

static GParamSpec *
new_count (const char *name)
{
  return g_param_spec_uint (name, NULL, NULL, 0, G_MAXUINT, 0, READABLE);
}

static GParamSpec *
new_number (const char *name)
{
  return g_param_spec_double (name, NULL, NULL, 0, G_MAXDOUBLE, 0, READABLE);
}

static void
install_counts (void)
{
  /**
   * AiopoolStats:elapsed:
   *
   * Over which time the numbers were gathered: since the pool was made, or
   * [method@Aiopool.Pool.reset_stats]; seconds.
   *
   * Since: 0.1
   */
  install (PROP_ELAPSED, new_number ("elapsed"));

  /**
   * AiopoolStats:n-pending:
   *
   * How many tasks wait; a number of tasks.
   *
   * Since: 0.1
   */
  install (PROP_N_PENDING, new_count ("n-pending"));

  /**
   * AiopoolStats:n-running:
   *
   * How many tasks run; a number of tasks.
   *
   * Since: 0.1
   */
  install (PROP_N_RUNNING, new_count ("n-running"));

  /**
   * AiopoolStats:n-done:
   *
   * How many tasks have ended with a result; a whole number of tasks.
   *
   * Since: 0.1
   */
  install (PROP_N_DONE, new_number ("n-done"));

  /**
   * AiopoolStats:n-failed:
   *
   * How many tasks have failed, those that were timed out and those whose worker crashed among
   * them; a whole number of tasks.
   *
   * Since: 0.1
   */
  install (PROP_N_FAILED, new_number ("n-failed"));

  /**
   * AiopoolStats:n-cancelled:
   *
   * How many tasks were cancelled; a whole number of tasks.
   *
   * Since: 0.1
   */
  install (PROP_N_CANCELLED, new_number ("n-cancelled"));

  /**
   * AiopoolStats:n-workers:
   *
   * How many worker processes there are, starting and closing ones included; a number of workers.
   *
   * Since: 0.1
   */
  install (PROP_N_WORKERS, new_count ("n-workers"));

  /**
   * AiopoolStats:n-idle:
   *
   * How many workers have no task; a number of workers.
   *
   * Since: 0.1
   */
  install (PROP_N_IDLE, new_count ("n-idle"));

  /**
   * AiopoolStats:n-busy:
   *
   * How many workers have a task; a number of workers.
   *
   * Since: 0.1
   */
  install (PROP_N_BUSY, new_count ("n-busy"));

  /**
   * AiopoolStats:n-workers-started:
   *
   * How many worker processes were started; a whole number of workers.
   *
   * Since: 0.1
   */
  install (PROP_N_WORKERS_STARTED, new_number ("n-workers-started"));

  /**
   * AiopoolStats:n-workers-lost:
   *
   * How many worker processes ended though this process had not asked them to; a whole number of
   * workers.
   *
   * Since: 0.1
   */
  install (PROP_N_WORKERS_LOST, new_number ("n-workers-lost"));
}

static void
install_queue_times (void)
{
  /**
   * AiopoolStats:queue-time-mean:
   *
   * How long a task waited on average, from its submission to its start; seconds.
   *
   * Since: 0.1
   */
  install (PROP_QUEUE_TIME_MEAN, new_number ("queue-time-mean"));

  /**
   * AiopoolStats:queue-time-median:
   *
   * How long half of the tasks waited at most; seconds, at most 2 percent off.
   *
   * Since: 0.1
   */
  install (PROP_QUEUE_TIME_MEDIAN, new_number ("queue-time-median"));

  /**
   * AiopoolStats:queue-time-p95:
   *
   * How long 95 percent of the tasks waited at most; seconds, at most 2 percent off.
   *
   * Since: 0.1
   */
  install (PROP_QUEUE_TIME_P95, new_number ("queue-time-p95"));

  /**
   * AiopoolStats:queue-time-p99:
   *
   * How long 99 percent of the tasks waited at most; seconds, at most 2 percent off.
   *
   * Since: 0.1
   */
  install (PROP_QUEUE_TIME_P99, new_number ("queue-time-p99"));

  /**
   * AiopoolStats:queue-time-max:
   *
   * How long the task that waited longest waited; seconds.
   *
   * Since: 0.1
   */
  install (PROP_QUEUE_TIME_MAX, new_number ("queue-time-max"));
}

static void
install_run_times (void)
{
  /**
   * AiopoolStats:run-time-mean:
   *
   * How long a task ran on average, from its start to its end; seconds.
   *
   * Since: 0.1
   */
  install (PROP_RUN_TIME_MEAN, new_number ("run-time-mean"));

  /**
   * AiopoolStats:run-time-median:
   *
   * How long half of the tasks ran at most; seconds, at most 2 percent off.
   *
   * Since: 0.1
   */
  install (PROP_RUN_TIME_MEDIAN, new_number ("run-time-median"));

  /**
   * AiopoolStats:run-time-p95:
   *
   * How long 95 percent of the tasks ran at most; seconds, at most 2 percent off.
   *
   * Since: 0.1
   */
  install (PROP_RUN_TIME_P95, new_number ("run-time-p95"));

  /**
   * AiopoolStats:run-time-p99:
   *
   * How long 99 percent of the tasks ran at most; seconds, at most 2 percent off.
   *
   * Since: 0.1
   */
  install (PROP_RUN_TIME_P99, new_number ("run-time-p99"));

  /**
   * AiopoolStats:run-time-max:
   *
   * How long the task that ran longest ran; seconds.
   *
   * Since: 0.1
   */
  install (PROP_RUN_TIME_MAX, new_number ("run-time-max"));
}

static void
install_rates (void)
{
  /**
   * AiopoolStats:utilization:
   *
   * Which part of their time the workers have run tasks, in the last two seconds; 0 to 1.
   *
   * Since: 0.1
   */
  install (PROP_UTILIZATION, new_number ("utilization"));

  /**
   * AiopoolStats:utilization-mean:
   *
   * Which part of their lives the workers have run tasks; 0 to 1.
   *
   * Since: 0.1
   */
  install (PROP_UTILIZATION_MEAN, new_number ("utilization-mean"));

  /**
   * AiopoolStats:tasks-per-second:
   *
   * How many tasks have ended per second, in the last two seconds; tasks per second.
   *
   * Since: 0.1
   */
  install (PROP_TASKS_PER_SECOND, new_number ("tasks-per-second"));
}

void
aiopool_stats_install_properties (GObjectClass *object_class)
{
  object_class->get_property = aiopool_stats_get_property;
  install_counts ();
  install_queue_times ();
  install_run_times ();
  install_rates ();
  g_object_class_install_properties (object_class, N_PROPS, properties);
}
