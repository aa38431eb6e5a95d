/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/api/aiopool-pool-private.h"

#include "aiopool/workers/aiopool-launcher.h"

/* The properties of a pool, and those of its settings that may be changed at any time. */

#define DEFAULT_IDLE_TIMEOUT    60.0
#define DEFAULT_START_TIMEOUT   30.0
#define DEFAULT_GRACE_PERIOD    2.0
#define DEFAULT_MAX_RESULT_SIZE (G_GUINT64_CONSTANT (1) << 30)

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
  PROP_N_WORKERS,
  PROP_N_IDLE,
  PROP_N_BUSY,
  PROP_WORKERS,
  N_PROPS
};

static GParamSpec *properties[N_PROPS];

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
    case PROP_N_WORKERS:
      g_value_set_uint (value, aiopool_pool_get_counts (self).n_workers);
      break;
    case PROP_N_IDLE:
      g_value_set_uint (value, aiopool_pool_get_counts (self).n_idle);
      break;
    case PROP_N_BUSY:
      g_value_set_uint (value, aiopool_pool_get_counts (self).n_busy);
      break;
    case PROP_WORKERS:
      g_value_set_object (value, aiopool_pool_get_workers (self));
      break;
    default:
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
                         DEFAULT_MAX_RESULT_SIZE, MADE_WITH);

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
    g_param_spec_double ("idle-timeout", NULL, NULL, -1, G_MAXDOUBLE, DEFAULT_IDLE_TIMEOUT,
                         SETTABLE);

  /**
   * AiopoolPool:start-timeout:
   *
   * Seconds that a worker may take to report after its start; 30 by default, 0 for no limit.
   *
   * Since: 0.1
   */
  properties[PROP_START_TIMEOUT] =
    g_param_spec_double ("start-timeout", NULL, NULL, 0, G_MAXDOUBLE, DEFAULT_START_TIMEOUT,
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
    g_param_spec_double ("grace-period", NULL, NULL, 0, G_MAXDOUBLE, DEFAULT_GRACE_PERIOD,
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
install_readable_properties (void)
{
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
   * AiopoolPool:n-idle:
   *
   * The number of workers without a task. Not notified.
   *
   * Since: 0.1
   */
  properties[PROP_N_IDLE] = g_param_spec_uint ("n-idle", NULL, NULL, 0, G_MAXUINT, 0, READABLE);

  /**
   * AiopoolPool:n-busy:
   *
   * The number of workers with a task. Not notified.
   *
   * Since: 0.1
   */
  properties[PROP_N_BUSY] = g_param_spec_uint ("n-busy", NULL, NULL, 0, G_MAXUINT, 0, READABLE);

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
  install_settable_properties ();
  install_readable_properties ();
  g_object_class_install_properties (object_class, N_PROPS, properties);
}

void
aiopool_pool_init_settings (AiopoolPool *self)
{
  self->limits.tasks_per_worker = 1;
  self->limits.idle_timeout = to_usec (DEFAULT_IDLE_TIMEOUT, -1);
  self->limits.start_timeout = to_usec (DEFAULT_START_TIMEOUT, 0);
  self->limits.grace_period = to_usec (DEFAULT_GRACE_PERIOD, 0);
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
    g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_IDLE_TIMEOUT]);
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
    g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_START_TIMEOUT]);
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
    g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_GRACE_PERIOD]);
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
  guint max_pending;

  g_return_val_if_fail (AIOPOOL_IS_POOL (self), 0);

  g_mutex_lock (&self->lock);
  max_pending = self->limits.max_pending;
  g_mutex_unlock (&self->lock);
  return max_pending;
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
  gboolean is_changed;

  g_return_if_fail (AIOPOOL_IS_POOL (self));

  g_mutex_lock (&self->lock);
  is_changed = self->limits.max_pending != max_pending;
  self->limits.max_pending = max_pending;
  if (is_changed)
    apply_limits (self);
  g_mutex_unlock (&self->lock);
  if (!is_changed)
    return;
  aiopool_executor_notify_room (AIOPOOL_EXECUTOR (self));
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_MAX_PENDING]);
}
