/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/api/aiopool-future-private.h"

/* What a future knows about the life of its task. Until it has ended the status page of the worker
 * answers, through the scheduler; afterwards what came with the end. */

/* Whether a worker runs it now. */
static gboolean
is_running (AiopoolFuture *self,
            gint64        *since,
            int           *pid)
{
  if (self->job.scheduler != NULL)
    return aiopool_scheduler_is_running (self->job.scheduler, &self->job, since, pid);
  *pid = 0;
  if (g_atomic_int_get (&self->state) != AIOPOOL_FUTURE_RUNNING)
    return FALSE;
  aiopool_future_lock (self);
  *since = self->started;
  aiopool_future_unlock (self);
  return TRUE;
}

/**
 * aiopool_future_get_state:
 * @self: a future
 *
 * Gets what has become of the task.
 *
 * Returns: the state at this moment
 *
 * Since: 0.1
 */
AiopoolFutureState
aiopool_future_get_state (AiopoolFuture *self)
{
  gint64 since;
  int pid;

  g_return_val_if_fail (AIOPOOL_IS_FUTURE (self), AIOPOOL_FUTURE_PENDING);

  if (!aiopool_future_has_ended (self) && is_running (self, &since, &pid))
    return AIOPOOL_FUTURE_RUNNING;
  return (AiopoolFutureState) g_atomic_int_get (&self->state);
}

typedef struct
{
  gint64 started; /* 0 if not */
  gint64 ended;   /* 0 if not */
  int    pid;
} Times;

static void
get_times (AiopoolFuture *self,
           Times         *times)
{
  *times = (Times) { 0 };
  if (!aiopool_future_has_ended (self) && is_running (self, &times->started, &times->pid))
    return;
  if (!aiopool_future_has_ended (self))
    return;
  *times = (Times) { self->started, self->ended, self->pid };
}

static double
seconds_between (gint64 begin,
                 gint64 end)
{
  if (begin == 0)
    return 0;
  if (end == 0)
    end = g_get_monotonic_time ();
  return (double) (end - begin) / G_USEC_PER_SEC;
}

/**
 * aiopool_future_get_queue_time:
 * @self: a future
 *
 * Gets how long the task has waited: from its submission to its start, or until now, or until it
 * ended without a start.
 *
 * Returns: seconds
 *
 * Since: 0.1
 */
double
aiopool_future_get_queue_time (AiopoolFuture *self)
{
  Times times;

  g_return_val_if_fail (AIOPOOL_IS_FUTURE (self), 0);

  get_times (self, &times);
  return seconds_between (self->job.submitted, times.started != 0 ? times.started : times.ended);
}

/**
 * aiopool_future_get_run_time:
 * @self: a future
 *
 * Gets how long the task has run: from its start to its end, or until now.
 *
 * Returns: seconds; 0 if it has not started
 *
 * Since: 0.1
 */
double
aiopool_future_get_run_time (AiopoolFuture *self)
{
  Times times;

  g_return_val_if_fail (AIOPOOL_IS_FUTURE (self), 0);

  get_times (self, &times);
  return seconds_between (times.started, times.ended);
}

/**
 * aiopool_future_get_submitted_at:
 * @self: a future
 *
 * Gets when the task was submitted.
 *
 * Returns: seconds on the clock of g_get_monotonic_time()
 *
 * Since: 0.1
 */
double
aiopool_future_get_submitted_at (AiopoolFuture *self)
{
  g_return_val_if_fail (AIOPOOL_IS_FUTURE (self), 0);

  return (double) self->job.submitted / G_USEC_PER_SEC;
}

/**
 * aiopool_future_get_started_at:
 * @self: a future
 *
 * Gets when the task started.
 *
 * Returns: seconds on the clock of g_get_monotonic_time(); 0 if it has not
 *
 * Since: 0.1
 */
double
aiopool_future_get_started_at (AiopoolFuture *self)
{
  Times times;

  g_return_val_if_fail (AIOPOOL_IS_FUTURE (self), 0);

  get_times (self, &times);
  return (double) times.started / G_USEC_PER_SEC;
}

/**
 * aiopool_future_get_finished_at:
 * @self: a future
 *
 * Gets when the future ended.
 *
 * Returns: seconds on the clock of g_get_monotonic_time(); 0 if it has not
 *
 * Since: 0.1
 */
double
aiopool_future_get_finished_at (AiopoolFuture *self)
{
  Times times;

  g_return_val_if_fail (AIOPOOL_IS_FUTURE (self), 0);

  get_times (self, &times);
  return (double) times.ended / G_USEC_PER_SEC;
}

/**
 * aiopool_future_get_worker_pid:
 * @self: a future
 *
 * Gets which process runs the task, or ran it.
 *
 * Returns: a process id; 0 if none does or did
 *
 * Since: 0.1
 */
int
aiopool_future_get_worker_pid (AiopoolFuture *self)
{
  Times times;

  g_return_val_if_fail (AIOPOOL_IS_FUTURE (self), 0);

  get_times (self, &times);
  return times.started != 0 ? times.pid : 0;
}
