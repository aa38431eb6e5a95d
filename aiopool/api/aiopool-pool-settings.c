/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/api/aiopool-pool-private.h"

#include "aiopool/workers/aiopool-launcher.h"

/* The properties of a pool. Those that may be changed at any time are in pool-limits. */

enum
{
  PROP_0,
  PROP_MAX_WORKERS,
  PROP_NAME,
  PROP_LAUNCHER,
  PROP_IDLE_TIMEOUT,
  PROP_START_TIMEOUT,
  PROP_GRACE_PERIOD,
  PROP_MAX_PENDING,
  PROP_MAX_RESULT_SIZE,
  PROP_TASKS_PER_WORKER,
  PROP_MIN_WORKERS,
  PROP_MAX_TASKS_PER_WORKER,
  PROP_RESTART_BUDGET,
  PROP_MAX_DEATHS_PER_TASK,
  PROP_ON_WORKER_DEATH,
  PROP_INITIALIZER,
  PROP_FINALIZER,
  PROP_IS_BROKEN,
  PROP_N_WORKERS,
  PROP_WORKERS,
  N_PROPS
};

static GParamSpec *properties[N_PROPS];

static void
aiopool_pool_get_property (GObject    *object,
                           guint       id,
                           GValue     *value,
                           GParamSpec *pspec)
{
  AiopoolPool *self = AIOPOOL_POOL (object);

  switch (id)
    {
    case PROP_MAX_WORKERS:
      g_value_set_uint (value, self->limits.max_workers);
      break;
    case PROP_NAME:
      g_value_set_string (value, self->name);
      break;
    case PROP_LAUNCHER:
      g_value_set_object (value, self->launcher);
      break;
    case PROP_IDLE_TIMEOUT:
      g_value_set_double (value, aiopool_pool_get_idle_timeout (self));
      break;
    case PROP_START_TIMEOUT:
      g_value_set_double (value, aiopool_pool_get_start_timeout (self));
      break;
    case PROP_GRACE_PERIOD:
      g_value_set_double (value, aiopool_pool_get_grace_period (self));
      break;
    case PROP_MAX_PENDING:
      g_value_set_uint (value, aiopool_pool_get_max_pending (self));
      break;
    case PROP_MAX_RESULT_SIZE:
      g_value_set_uint64 (value, self->limits.max_result_size);
      break;
    case PROP_TASKS_PER_WORKER:
      g_value_set_uint (value, self->limits.tasks_per_worker);
      break;
    case PROP_MIN_WORKERS:
      g_value_set_uint (value, aiopool_pool_get_min_workers (self));
      break;
    case PROP_MAX_TASKS_PER_WORKER:
      g_value_set_uint (value, self->limits.max_tasks_per_worker);
      break;
    case PROP_RESTART_BUDGET:
      g_value_set_uint (value, aiopool_pool_get_restart_budget (self));
      break;
    case PROP_MAX_DEATHS_PER_TASK:
      g_value_set_uint (value, aiopool_pool_get_max_deaths_per_task (self));
      break;
    case PROP_ON_WORKER_DEATH:
      g_value_set_enum (value, (int) aiopool_pool_get_on_worker_death (self));
      break;
    case PROP_INITIALIZER:
      g_value_set_object (value, self->initializer);
      break;
    case PROP_FINALIZER:
      g_value_set_object (value, self->finalizer);
      break;
    case PROP_IS_BROKEN:
      g_value_set_boolean (value, aiopool_pool_get_is_broken (self));
      break;
    case PROP_N_WORKERS:
      g_value_set_uint (value, aiopool_pool_get_counts (self).n_workers);
      break;
    case PROP_WORKERS:
      g_value_set_object (value, aiopool_pool_get_workers (self));
      break;
    default:
      if (!aiopool_pool_figures_get_property (self->scheduler, id, value))
        G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
aiopool_pool_set_property (GObject      *object,
                           guint         id,
                           const GValue *value,
                           GParamSpec   *pspec)
{
  AiopoolPool *self = AIOPOOL_POOL (object);

  switch (id)
    {
    case PROP_MAX_WORKERS:
      self->limits.max_workers = g_value_get_uint (value);
      break;
    case PROP_NAME:
      self->name = g_value_dup_string (value);
      break;
    case PROP_LAUNCHER:
      self->launcher = g_value_dup_object (value);
      break;
    case PROP_IDLE_TIMEOUT:
      aiopool_pool_set_idle_timeout (self, g_value_get_double (value));
      break;
    case PROP_START_TIMEOUT:
      aiopool_pool_set_start_timeout (self, g_value_get_double (value));
      break;
    case PROP_GRACE_PERIOD:
      aiopool_pool_set_grace_period (self, g_value_get_double (value));
      break;
    case PROP_MAX_PENDING:
      aiopool_pool_set_max_pending (self, g_value_get_uint (value));
      break;
    case PROP_MAX_RESULT_SIZE:
      self->limits.max_result_size = g_value_get_uint64 (value);
      break;
    case PROP_TASKS_PER_WORKER:
      self->limits.tasks_per_worker = g_value_get_uint (value);
      break;
    case PROP_MIN_WORKERS:
      aiopool_pool_set_min_workers (self, g_value_get_uint (value));
      break;
    case PROP_MAX_TASKS_PER_WORKER:
      self->limits.max_tasks_per_worker = g_value_get_uint (value);
      break;
    case PROP_RESTART_BUDGET:
      aiopool_pool_set_restart_budget (self, g_value_get_uint (value));
      break;
    case PROP_MAX_DEATHS_PER_TASK:
      aiopool_pool_set_max_deaths_per_task (self, g_value_get_uint (value));
      break;
    case PROP_ON_WORKER_DEATH:
      self->limits.is_fragile = g_value_get_enum (value) == AIOPOOL_DEATH_BREAK;
      break;
    case PROP_INITIALIZER:
      self->initializer = g_value_dup_object (value);
      break;
    case PROP_FINALIZER:
      self->finalizer = g_value_dup_object (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

#define MADE_WITH (G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS)
#define SETTABLE (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY)
#define READABLE (G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)

static void
install_fixed_properties (void)
{
  /**
   * AiopoolPool:max-workers:
   *
   * How many workers there are at most; 0, the default, is one for each processor.
   *
   * More than 1024 is refused with the first task.
   *
   * Since: 0.1
   */
  properties[PROP_MAX_WORKERS] =
    g_param_spec_uint ("max-workers", NULL, NULL, 0, G_MAXUINT, 0, MADE_WITH);

  /**
   * AiopoolPool:name:
   *
   * A name for logs and lists.
   *
   * Since: 0.1
   */
  properties[PROP_NAME] = g_param_spec_string ("name", NULL, NULL, NULL, MADE_WITH);

  /**
   * AiopoolPool:launcher:
   *
   * How workers are started; by default as this same program.
   *
   * Since: 0.1
   */
  properties[PROP_LAUNCHER] =
    g_param_spec_object ("launcher", NULL, NULL, AIOPOOL_TYPE_LAUNCHER, MADE_WITH);

  /**
   * AiopoolPool:max-result-size:
   *
   * The largest result, in bytes, that a worker may send; 1 GiB by default.
   *
   * A function whose result is larger fails with %AIOPOOL_TASK_ERROR_TOO_LARGE.
   *
   * Since: 0.1
   */
  properties[PROP_MAX_RESULT_SIZE] =
    g_param_spec_uint64 ("max-result-size", NULL, NULL, 1, G_MAXUINT64,
                         AIOPOOL_DEFAULT_MAX_RESULT_SIZE, MADE_WITH);

  /**
   * AiopoolPool:tasks-per-worker:
   *
   * How many asynchronous functions one worker runs at once; 1 by default, at most 512.
   *
   * Since: 0.1
   */
  properties[PROP_TASKS_PER_WORKER] =
    g_param_spec_uint ("tasks-per-worker", NULL, NULL, 1, 512, 1, MADE_WITH);
}

static void
install_life_properties (void)
{
  /**
   * AiopoolPool:max-tasks-per-worker:
   *
   * How many tasks a worker runs before another one takes its place; 0, the default, for no limit.
   *
   * The next worker starts when one gets its last task, so that there may be up to twice as many
   * processes as [property@Aiopool.Pool:max-workers] while old ones end; no more than that many run
   * tasks.
   *
   * Since: 0.1
   */
  properties[PROP_MAX_TASKS_PER_WORKER] =
    g_param_spec_uint ("max-tasks-per-worker", NULL, NULL, 0, G_MAXUINT, 0, MADE_WITH);

  /**
   * AiopoolPool:on-worker-death:
   *
   * What the end of a worker means that nobody asked for; by default that the task which it ran
   * fails, and the pool goes on.
   *
   * Since: 0.1
   */
  properties[PROP_ON_WORKER_DEATH] =
    g_param_spec_enum ("on-worker-death", NULL, NULL, AIOPOOL_TYPE_DEATH_POLICY,
                       AIOPOOL_DEATH_ISOLATE, MADE_WITH);

  /**
   * AiopoolPool:initializer:
   *
   * What every worker runs before its first task; %NULL, the default, for nothing.
   *
   * It has the start timeout to end. Its result is dropped, and its own timeouts, priority and
   * retries do not count. If it fails the pool is broken, with %AIOPOOL_POOL_ERROR_INITIALIZER.
   *
   * Since: 0.1
   */
  properties[PROP_INITIALIZER] =
    g_param_spec_object ("initializer", NULL, NULL, AIOPOOL_TYPE_TASK, MADE_WITH);

  /**
   * AiopoolPool:finalizer:
   *
   * What every worker runs after its last task, when it is asked to go; %NULL, the default, for
   * nothing.
   *
   * It has the grace period to end. A worker that ends in another way does not run it. If it fails
   * the pool is broken, with %AIOPOOL_POOL_ERROR_FINALIZER; a shutdown that is under way ends as
   * always.
   *
   * Since: 0.1
   */
  properties[PROP_FINALIZER] =
    g_param_spec_object ("finalizer", NULL, NULL, AIOPOOL_TYPE_TASK, MADE_WITH);
}

static void
install_settable_properties (void)
{
  /**
   * AiopoolPool:idle-timeout:
   *
   * Seconds after which an idle worker goes away; 60 by default, below 0 for never.
   *
   * Since: 0.1
   */
  properties[PROP_IDLE_TIMEOUT] =
    g_param_spec_double ("idle-timeout", NULL, NULL, -1, G_MAXDOUBLE, AIOPOOL_DEFAULT_IDLE_TIMEOUT,
                         SETTABLE);

  /**
   * AiopoolPool:start-timeout:
   *
   * Seconds that a worker may take to report after its start; 30 by default, 0 for no limit.
   *
   * Since: 0.1
   */
  properties[PROP_START_TIMEOUT] =
    g_param_spec_double ("start-timeout", NULL, NULL, 0, G_MAXDOUBLE, AIOPOOL_DEFAULT_START_TIMEOUT,
                         SETTABLE);

  /**
   * AiopoolPool:grace-period:
   *
   * Seconds that a worker has to stop what it was told to stop, before it is killed; 2 by
   * default.
   *
   * Since: 0.1
   */
  properties[PROP_GRACE_PERIOD] =
    g_param_spec_double ("grace-period", NULL, NULL, 0, G_MAXDOUBLE, AIOPOOL_DEFAULT_GRACE_PERIOD,
                         SETTABLE);

  /**
   * AiopoolPool:max-pending:
   *
   * How many tasks may wait for a worker; 0, the default, for no limit.
   *
   * Since: 0.1
   */
  properties[PROP_MAX_PENDING] =
    g_param_spec_uint ("max-pending", NULL, NULL, 0, G_MAXUINT, 0, SETTABLE);
}

static void
install_crew_properties (void)
{
  /**
   * AiopoolPool:min-workers:
   *
   * How many workers are kept though they are idle; 0 by default.
   *
   * None is started before the first task or [method@Aiopool.Pool.spawn_workers], and after a join
   * before the next of these. [property@Aiopool.Pool:max-workers] is the limit all the same.
   *
   * Since: 0.1
   */
  properties[PROP_MIN_WORKERS] =
    g_param_spec_uint ("min-workers", NULL, NULL, 0, G_MAXUINT, 0, SETTABLE);

  /**
   * AiopoolPool:restart-budget:
   *
   * How many workers in a row may end before they started a task; then the pool is broken, with
   * %AIOPOOL_POOL_ERROR_BROKEN. 20 by default, 0 for no limit.
   *
   * They are started with growing pauses between them, up to 5 seconds.
   *
   * Since: 0.1
   */
  properties[PROP_RESTART_BUDGET] =
    g_param_spec_uint ("restart-budget", NULL, NULL, 0, G_MAXUINT, AIOPOOL_DEFAULT_RESTART_BUDGET,
                       SETTABLE);

  /**
   * AiopoolPool:max-deaths-per-task:
   *
   * How many workers may end while they run one and the same task, which allows retries; then it
   * fails for good. 5 by default, 0 for as many as its retries allow.
   *
   * Since: 0.1
   */
  properties[PROP_MAX_DEATHS_PER_TASK] =
    g_param_spec_uint ("max-deaths-per-task", NULL, NULL, 0, G_MAXUINT,
                       AIOPOOL_DEFAULT_MAX_DEATHS_PER_TASK, SETTABLE);
}

static void
install_readable_properties (void)
{
  /**
   * AiopoolPool:is-broken:
   *
   * Whether the pool is broken: it takes no more tasks, and
   * [method@Aiopool.Executor.check] tells why.
   *
   * Since: 0.1
   */
  properties[PROP_IS_BROKEN] = g_param_spec_boolean ("is-broken", NULL, NULL, FALSE, READABLE);

  /**
   * AiopoolPool:n-workers:
   *
   * The number of worker processes.
   *
   * Since: 0.1
   */
  properties[PROP_N_WORKERS] =
    g_param_spec_uint ("n-workers", NULL, NULL, 0, G_MAXUINT, 0, READABLE);

  /**
   * AiopoolPool:workers:
   *
   * The workers, as a list of [class@Aiopool.Worker].
   *
   * Since: 0.1
   */
  properties[PROP_WORKERS] =
    g_param_spec_object ("workers", NULL, NULL, G_TYPE_LIST_MODEL, READABLE);
}

void
aiopool_pool_install_properties (GObjectClass *object_class)
{
  object_class->get_property = aiopool_pool_get_property;
  object_class->set_property = aiopool_pool_set_property;
  install_fixed_properties ();
  install_life_properties ();
  install_crew_properties ();
  install_settable_properties ();
  install_readable_properties ();
  g_object_class_install_properties (object_class, N_PROPS, properties);
  aiopool_pool_figures_install_properties (object_class, N_PROPS);
}
