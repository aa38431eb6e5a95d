/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/api/aiopool-pool-private.h"

#include "aiopool/api/aiopool-stats-private.h"

/* The figures of a pool as properties. The scheduler says, on any thread and at most ten times a
 * second, that some have changed. Only if anybody listens, a letter goes to the pool's home
 * context, where those that differ from what was told last are notified.
 *
 * As with the pool's view, the letter holds no reference on the pool. */

/* In the order of the properties. */
enum
{
  FIGURE_N_PENDING,
  FIGURE_N_RUNNING,
  FIGURE_N_IDLE,
  FIGURE_N_BUSY,
  FIGURE_N_DONE,
  FIGURE_N_FAILED,
  FIGURE_N_CANCELLED,
  FIGURE_QUEUE_TIME_MEDIAN,
  FIGURE_RUN_TIME_MEDIAN,
  FIGURE_UTILIZATION,
  FIGURE_TASKS_PER_SECOND,
  N_FIGURES,
  FIGURE_STATS = N_FIGURES
};

static GParamSpec *properties[N_FIGURES + 1];
static guint first_property;
static guint notify_signal;

struct _AiopoolPoolFigures
{
  AiopoolLetter     letter;    /* first */
  int               ref_count; /* atomic */
  int               is_posted; /* atomic */
  AiopoolMailbox   *home;      /* (owned) */
  GWeakRef          pool;
  gpointer          address;   /* (unowned): of the pool; it lives while it is called from there */
  AiopoolScheduler *scheduler; /* (owned) */
  double            told[N_FIGURES]; /* in the home context */
};

static void
get_figures (AiopoolScheduler *scheduler,
             double           *figures)
{
  AiopoolFiguresView view = { { 0 } };

  if (scheduler != NULL)
    aiopool_scheduler_get_figures (scheduler, &view);
  figures[FIGURE_N_PENDING] = view.counts.n_pending;
  figures[FIGURE_N_RUNNING] = view.counts.n_running;
  figures[FIGURE_N_IDLE] = view.counts.n_idle;
  figures[FIGURE_N_BUSY] = view.counts.n_busy;
  figures[FIGURE_N_DONE] = (double) view.n_done;
  figures[FIGURE_N_FAILED] = (double) view.n_failed;
  figures[FIGURE_N_CANCELLED] = (double) view.n_cancelled;
  figures[FIGURE_QUEUE_TIME_MEDIAN] = view.queue_time.median;
  figures[FIGURE_RUN_TIME_MEDIAN] = view.run_time.median;
  figures[FIGURE_UTILIZATION] = view.utilization;
  figures[FIGURE_TASKS_PER_SECOND] = view.rate;
}

static void
deliver_change (AiopoolLetter *letter)
{
  AiopoolPoolFigures *self = (AiopoolPoolFigures *) letter;
  g_autoptr (GObject) pool = g_weak_ref_get (&self->pool);
  gboolean is_changed[N_FIGURES], has_changed = FALSE;
  double figures[N_FIGURES];

  g_atomic_int_set (&self->is_posted, FALSE);
  get_figures (pool != NULL ? self->scheduler : NULL, figures);
  for (guint i = 0; i < N_FIGURES; i++)
    {
      is_changed[i] = figures[i] < self->told[i] || figures[i] > self->told[i];
      has_changed = has_changed || is_changed[i];
      self->told[i] = figures[i];
    }
  if (pool != NULL && has_changed)
    {
      g_object_freeze_notify (pool);
      for (guint i = 0; i < N_FIGURES; i++)
        if (is_changed[i])
          g_object_notify_by_pspec (pool, properties[i]);
      g_object_notify_by_pspec (pool, properties[FIGURE_STATS]);
      g_object_thaw_notify (pool);
    }
  aiopool_pool_figures_unref (self);
}

static const AiopoolLetterKind change_kind = { deliver_change, NULL, FALSE };

/* In the pool's home context. */
AiopoolPoolFigures *
aiopool_pool_figures_new (GObject          *pool,
                          AiopoolScheduler *scheduler)
{
  AiopoolPoolFigures *self = g_new0 (AiopoolPoolFigures, 1);

  self->letter.kind = &change_kind;
  self->ref_count = 1;
  self->home = aiopool_mailbox_ref (aiopool_mailbox_get_home ());
  g_weak_ref_init (&self->pool, pool);
  self->address = pool;
  self->scheduler = aiopool_scheduler_ref (scheduler);
  return self;
}

void
aiopool_pool_figures_unref (AiopoolPoolFigures *self)
{
  AiopoolMailbox *home = self->home;

  if (!g_atomic_int_dec_and_test (&self->ref_count))
    return;
  g_weak_ref_clear (&self->pool);
  aiopool_scheduler_unref (self->scheduler);
  g_free (self);
  aiopool_mailbox_unref (home);
}

/* Something changed; from any thread, while the pool lives. Whether anybody listens. */
gboolean
aiopool_pool_figures_change (AiopoolPoolFigures *self)
{
  if (g_signal_handler_find (self->address, G_SIGNAL_MATCH_ID, notify_signal, 0, NULL, NULL,
                             NULL) == 0)
    return FALSE;
  if (!g_atomic_int_compare_and_exchange (&self->is_posted, FALSE, TRUE))
    return TRUE;
  g_atomic_int_inc (&self->ref_count);
  aiopool_mailbox_post (self->home, &self->letter);
  return TRUE;
}

/* --- properties ------------------------------------------------------------------------------- */

#define READABLE (G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)

static void
add (guint       figure,
     GParamSpec *pspec)
{
  properties[figure] = pspec;
}

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
add_counts (void)
{
  /**
   * AiopoolPool:n-pending:
   *
   * The number of tasks that wait. Notified at most ten times a second.
   *
   * Since: 0.1
   */
  add (FIGURE_N_PENDING, new_count ("n-pending"));

  /**
   * AiopoolPool:n-running:
   *
   * The number of tasks that run. Notified at most ten times a second.
   *
   * Since: 0.1
   */
  add (FIGURE_N_RUNNING, new_count ("n-running"));

  /**
   * AiopoolPool:n-idle:
   *
   * The number of workers without a task. Notified at most ten times a second.
   *
   * Since: 0.1
   */
  add (FIGURE_N_IDLE, new_count ("n-idle"));

  /**
   * AiopoolPool:n-busy:
   *
   * The number of workers with a task. Notified at most ten times a second.
   *
   * Since: 0.1
   */
  add (FIGURE_N_BUSY, new_count ("n-busy"));
}

static void
add_totals (void)
{
  /**
   * AiopoolPool:n-done:
   *
   * The number of tasks that ended with a result, a whole number. Notified at most ten times a
   * second.
   *
   * Since: 0.1
   */
  add (FIGURE_N_DONE, new_number ("n-done"));

  /**
   * AiopoolPool:n-failed:
   *
   * The number of tasks that failed, a whole number. Notified at most ten times a second.
   *
   * Since: 0.1
   */
  add (FIGURE_N_FAILED, new_number ("n-failed"));

  /**
   * AiopoolPool:n-cancelled:
   *
   * The number of tasks that were cancelled, a whole number. Notified at most ten times a second.
   *
   * Since: 0.1
   */
  add (FIGURE_N_CANCELLED, new_number ("n-cancelled"));
}

static void
add_times (void)
{
  /**
   * AiopoolPool:queue-time-median:
   *
   * How long half of the tasks waited at most, in seconds. Notified at most ten times a second.
   *
   * Since: 0.1
   */
  add (FIGURE_QUEUE_TIME_MEDIAN, new_number ("queue-time-median"));

  /**
   * AiopoolPool:run-time-median:
   *
   * How long half of the tasks ran at most, in seconds. Notified at most ten times a second.
   *
   * Since: 0.1
   */
  add (FIGURE_RUN_TIME_MEDIAN, new_number ("run-time-median"));

  /**
   * AiopoolPool:utilization:
   *
   * Which part of their time the workers have run tasks in the last two seconds, from 0 to 1.
   * Notified at most ten times a second, while tasks come and end.
   *
   * Since: 0.1
   */
  add (FIGURE_UTILIZATION, g_param_spec_double ("utilization", NULL, NULL, 0, 1, 0, READABLE));

  /**
   * AiopoolPool:tasks-per-second:
   *
   * How many tasks have ended per second in the last two seconds. Notified at most ten times a
   * second.
   *
   * Since: 0.1
   */
  add (FIGURE_TASKS_PER_SECOND, new_number ("tasks-per-second"));

  /**
   * AiopoolPool:stats:
   *
   * All of these and more, of one moment: a new object each time it is read. Notified with the
   * first of them that changes.
   *
   * Since: 0.1
   */
  add (FIGURE_STATS, g_param_spec_object ("stats", NULL, NULL, AIOPOOL_TYPE_STATS, READABLE));
}

void
aiopool_pool_figures_install_properties (GObjectClass *object_class,
                                         guint         first)
{
  first_property = first;
  notify_signal = g_signal_lookup ("notify", G_TYPE_OBJECT);
  add_counts ();
  add_totals ();
  add_times ();
  for (guint i = 0; i <= N_FIGURES; i++)
    g_object_class_install_property (object_class, first + i, properties[i]);
}

static AiopoolStats *
new_stats (AiopoolScheduler *scheduler)
{
  AiopoolFiguresView view = { { 0 } };

  if (scheduler != NULL)
    aiopool_scheduler_get_figures (scheduler, &view);
  return aiopool_stats_new (&view);
}

/* @scheduler: (nullable). FALSE if it is none of them. */
gboolean
aiopool_pool_figures_get_property (AiopoolScheduler *scheduler,
                                   guint             id,
                                   GValue           *value)
{
  double figures[N_FIGURES];

  if (id < first_property || id > first_property + N_FIGURES)
    return FALSE;
  if (id == first_property + FIGURE_STATS)
    {
      g_value_take_object (value, new_stats (scheduler));
      return TRUE;
    }
  get_figures (scheduler, figures);
  if (G_VALUE_HOLDS_UINT (value))
    g_value_set_uint (value, (guint) figures[id - first_property]);
  else
    g_value_set_double (value, figures[id - first_property]);
  return TRUE;
}

/* --- getters ---------------------------------------------------------------------------------- */

static double
get_figure (AiopoolPool *self,
            guint        figure)
{
  double figures[N_FIGURES];

  get_figures (self->scheduler, figures);
  return figures[figure];
}

/**
 * aiopool_pool_get_n_done:
 * @self: a pool
 *
 * Gets how many tasks have ended with a result, since the pool was made or
 * [method@Aiopool.Pool.reset_stats].
 *
 * Returns: a whole number of tasks
 *
 * Since: 0.1
 */
double
aiopool_pool_get_n_done (AiopoolPool *self)
{
  g_return_val_if_fail (AIOPOOL_IS_POOL (self), 0);

  return get_figure (self, FIGURE_N_DONE);
}

/**
 * aiopool_pool_get_n_failed:
 * @self: a pool
 *
 * Gets how many tasks have failed, since the pool was made or [method@Aiopool.Pool.reset_stats].
 *
 * Those that were timed out and those whose worker crashed are among them, cancelled ones are not.
 *
 * Returns: a whole number of tasks
 *
 * Since: 0.1
 */
double
aiopool_pool_get_n_failed (AiopoolPool *self)
{
  g_return_val_if_fail (AIOPOOL_IS_POOL (self), 0);

  return get_figure (self, FIGURE_N_FAILED);
}

/**
 * aiopool_pool_get_n_cancelled:
 * @self: a pool
 *
 * Gets how many tasks were cancelled, since the pool was made or
 * [method@Aiopool.Pool.reset_stats].
 *
 * Returns: a whole number of tasks
 *
 * Since: 0.1
 */
double
aiopool_pool_get_n_cancelled (AiopoolPool *self)
{
  g_return_val_if_fail (AIOPOOL_IS_POOL (self), 0);

  return get_figure (self, FIGURE_N_CANCELLED);
}

/**
 * aiopool_pool_get_queue_time_median:
 * @self: a pool
 *
 * Gets how long half of the tasks waited at most, from their submission to their start.
 *
 * Returns: seconds, at most 2 percent off; 0 if no task has ended
 *
 * Since: 0.1
 */
double
aiopool_pool_get_queue_time_median (AiopoolPool *self)
{
  g_return_val_if_fail (AIOPOOL_IS_POOL (self), 0);

  return get_figure (self, FIGURE_QUEUE_TIME_MEDIAN);
}

/**
 * aiopool_pool_get_run_time_median:
 * @self: a pool
 *
 * Gets how long half of the tasks ran at most, from their start to their end.
 *
 * Returns: seconds, at most 2 percent off; 0 if no task has ended
 *
 * Since: 0.1
 */
double
aiopool_pool_get_run_time_median (AiopoolPool *self)
{
  g_return_val_if_fail (AIOPOOL_IS_POOL (self), 0);

  return get_figure (self, FIGURE_RUN_TIME_MEDIAN);
}

/**
 * aiopool_pool_get_utilization:
 * @self: a pool
 *
 * Gets which part of their time the workers have run tasks in the last two seconds.
 *
 * Where a worker runs several tasks at once, all its places must be taken for 1.
 *
 * Returns: 0 to 1
 *
 * Since: 0.1
 */
double
aiopool_pool_get_utilization (AiopoolPool *self)
{
  g_return_val_if_fail (AIOPOOL_IS_POOL (self), 0);

  return get_figure (self, FIGURE_UTILIZATION);
}

/**
 * aiopool_pool_get_tasks_per_second:
 * @self: a pool
 *
 * Gets how many tasks have ended per second, in the last two seconds.
 *
 * Returns: tasks per second
 *
 * Since: 0.1
 */
double
aiopool_pool_get_tasks_per_second (AiopoolPool *self)
{
  g_return_val_if_fail (AIOPOOL_IS_POOL (self), 0);

  return get_figure (self, FIGURE_TASKS_PER_SECOND);
}

/**
 * aiopool_pool_dup_stats:
 * @self: a pool
 *
 * Takes all numbers at one moment.
 *
 * Returns: (transfer full): what the pool has done
 *
 * Since: 0.1
 */
AiopoolStats *
aiopool_pool_dup_stats (AiopoolPool *self)
{
  g_return_val_if_fail (AIOPOOL_IS_POOL (self), NULL);

  return new_stats (self->scheduler);
}

/**
 * aiopool_pool_reset_stats:
 * @self: a pool
 *
 * Begins to count anew: totals, times and utilization are 0 again.
 *
 * What waits or runs now is counted when it ends, with all of its waiting and running time.
 *
 * Since: 0.1
 */
void
aiopool_pool_reset_stats (AiopoolPool *self)
{
  g_return_if_fail (AIOPOOL_IS_POOL (self));

  if (self->scheduler != NULL)
    aiopool_scheduler_reset_figures (self->scheduler);
}
