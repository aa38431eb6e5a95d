/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/api/aiopool-worker-private.h"

/**
 * AiopoolWorker:
 *
 * A worker process of a [class@Aiopool.Pool], to look at.
 *
 * Getters answer for this moment and may be called from any thread. Property notifications are
 * emitted in the pool's main context when a worker has reported or ended; between tasks, where it
 * would cost more than the tasks, there are none.
 *
 * Since: 0.1
 */
struct _AiopoolWorker
{
  GObject             parent_instance;
  AiopoolScheduler   *scheduler; /* (owned) */
  AiopoolWorkerStatus last;      /* in the pool's home context: what was notified */
};

enum
{
  PROP_0,
  PROP_ID,
  PROP_PID,
  PROP_STATE,
  PROP_N_TASKS_DONE,
  N_PROPS
};

static GParamSpec *properties[N_PROPS];

G_DEFINE_FINAL_TYPE (AiopoolWorker, aiopool_worker, G_TYPE_OBJECT)

static void
aiopool_worker_finalize (GObject *object)
{
  AiopoolWorker *self = AIOPOOL_WORKER (object);

  g_clear_pointer (&self->scheduler, aiopool_scheduler_unref);
  G_OBJECT_CLASS (aiopool_worker_parent_class)->finalize (object);
}

static void
aiopool_worker_get_property (GObject    *object,
                             guint       id,
                             GValue     *value,
                             GParamSpec *pspec)
{
  AiopoolWorker *self = AIOPOOL_WORKER (object);

  switch (id)
    {
    case PROP_ID:
      g_value_set_uint (value, self->last.number);
      break;
    case PROP_PID:
      g_value_set_int (value, self->last.pid);
      break;
    case PROP_STATE:
      g_value_set_enum (value, (int) aiopool_worker_get_state (self));
      break;
    case PROP_N_TASKS_DONE:
      g_value_set_uint (value, aiopool_worker_get_n_tasks_done (self));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
aiopool_worker_class_init (AiopoolWorkerClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->finalize = aiopool_worker_finalize;
  object_class->get_property = aiopool_worker_get_property;

  /**
   * AiopoolWorker:id:
   *
   * The number of the worker in its pool, from 1; never used again.
   *
   * Since: 0.1
   */
  properties[PROP_ID] = g_param_spec_uint ("id", NULL, NULL, 0, G_MAXUINT, 0,
                                           G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  /**
   * AiopoolWorker:pid:
   *
   * The process id.
   *
   * Since: 0.1
   */
  properties[PROP_PID] = g_param_spec_int ("pid", NULL, NULL, 0, G_MAXINT, 0,
                                           G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  /**
   * AiopoolWorker:state:
   *
   * What the worker does.
   *
   * Since: 0.1
   */
  properties[PROP_STATE] =
    g_param_spec_enum ("state", NULL, NULL, AIOPOOL_TYPE_WORKER_STATE, AIOPOOL_WORKER_STARTING,
                       G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  /**
   * AiopoolWorker:n-tasks-done:
   *
   * How many tasks the worker has finished.
   *
   * Since: 0.1
   */
  properties[PROP_N_TASKS_DONE] =
    g_param_spec_uint ("n-tasks-done", NULL, NULL, 0, G_MAXUINT, 0,
                       G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
aiopool_worker_init (AiopoolWorker *self)
{
}

AiopoolWorker *
aiopool_worker_new (AiopoolScheduler          *scheduler,
                    const AiopoolWorkerStatus *status)
{
  AiopoolWorker *self = g_object_new (AIOPOOL_TYPE_WORKER, NULL);

  self->scheduler = aiopool_scheduler_ref (scheduler);
  self->last = *status;
  return self;
}

/* In the pool's home context. */
void
aiopool_worker_update (AiopoolWorker             *self,
                       const AiopoolWorkerStatus *status)
{
  AiopoolWorkerStatus old = self->last;

  self->last = *status;
  if (old.state != status->state)
    g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_STATE]);
  if (old.n_done != status->n_done)
    g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_N_TASKS_DONE]);
}

/**
 * aiopool_worker_get_id:
 * @self: a worker
 *
 * Gets the number of the worker in its pool.
 *
 * Returns: a number from 1, never used again
 *
 * Since: 0.1
 */
guint
aiopool_worker_get_id (AiopoolWorker *self)
{
  g_return_val_if_fail (AIOPOOL_IS_WORKER (self), 0);

  return self->last.number;
}

/**
 * aiopool_worker_get_pid:
 * @self: a worker
 *
 * Gets the process id.
 *
 * For a worker in a sandbox it is that of the process which keeps the sandbox: a signal to it ends
 * the worker.
 *
 * Returns: a process id; it may belong to another process once the worker is dead
 *
 * Since: 0.1
 */
int
aiopool_worker_get_pid (AiopoolWorker *self)
{
  g_return_val_if_fail (AIOPOOL_IS_WORKER (self), 0);

  return self->last.pid;
}

/**
 * aiopool_worker_get_state:
 * @self: a worker
 *
 * Gets what the worker does.
 *
 * Returns: its state at this moment
 *
 * Since: 0.1
 */
AiopoolWorkerState
aiopool_worker_get_state (AiopoolWorker *self)
{
  AiopoolWorkerStatus status;

  g_return_val_if_fail (AIOPOOL_IS_WORKER (self), AIOPOOL_WORKER_DEAD);

  if (!aiopool_scheduler_get_worker (self->scheduler, self->last.number, &status))
    return AIOPOOL_WORKER_DEAD;
  return status.state;
}

/**
 * aiopool_worker_get_n_tasks_done:
 * @self: a worker
 *
 * Gets how many tasks the worker has finished.
 *
 * Returns: a number of tasks
 *
 * Since: 0.1
 */
guint
aiopool_worker_get_n_tasks_done (AiopoolWorker *self)
{
  AiopoolWorkerStatus status;

  g_return_val_if_fail (AIOPOOL_IS_WORKER (self), 0);

  if (!aiopool_scheduler_get_worker (self->scheduler, self->last.number, &status))
    return self->last.n_done;
  return status.n_done;
}

/**
 * aiopool_worker_get_exit_code:
 * @self: a worker
 * @exit_code: (out) (optional): return location for the exit status of the process, from 0 to 255,
 *   or the negative number of the signal that killed it
 *
 * Gets how the process has ended.
 *
 * The pool remembers that of its last 64 workers. If other code of the program waits for child
 * processes, or SIGCHLD is ignored, the exit code may be 0 for want of the right one.
 *
 * Returns: whether the process has ended and the pool remembers how
 *
 * Since: 0.1
 */
gboolean
aiopool_worker_get_exit_code (AiopoolWorker *self,
                              int           *exit_code)
{
  int code;
  gboolean is_known;

  g_return_val_if_fail (AIOPOOL_IS_WORKER (self), FALSE);

  is_known = aiopool_scheduler_get_end (self->scheduler, self->last.number, &code);
  if (exit_code != NULL)
    *exit_code = is_known ? code : 0;
  return is_known;
}
