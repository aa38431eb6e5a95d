/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/sched/aiopool-dispatch-private.h"

#include "aiopool/base/aiopool-error.h"

/* How jobs come in, from any thread.
 *
 * While nothing has to be asked the gate of the arrivals is open: a submit leaves its job there
 * without the lock, and looks in. Where there is a limit, or an end, it takes the lock and asks.
 * aiopool_scheduler_lock() lets the arrivals into the queue, so that jobs stand there in the order
 * of their submits. */

AiopoolFunctionInfo *
aiopool_scheduler_look_up (AiopoolScheduler *self,
                           const char       *name)
{
  AiopoolFunctionInfo *function = self->last_function;

  if (function != NULL && function->name == name)
    return function;
  function = g_hash_table_lookup (self->functions, name);
  if (function == NULL)
    {
      function = g_new0 (AiopoolFunctionInfo, 1);
      function->name = name;
      function->number = self->function_list->len;
      function->run_time = -1;
      g_hash_table_insert (self->functions, (char *) name, function);
      g_ptr_array_add (self->function_list, function);
    }
  self->last_function = function;
  return function;
}

static void
enqueue (AiopoolScheduler *self,
         AiopoolJob       *job)
{
  const AiopoolSpec *spec = job->order.spec;

  self->submit_gap = job->submitted - self->last_submit;
  self->last_submit = job->submitted;
  job->order.function = aiopool_scheduler_look_up (self, spec->function);
  aiopool_job_set_state (job, AIOPOOL_JOB_QUEUED);
  aiopool_queue_push (&self->queue, &job->order);
  self->figures.is_changed = TRUE;
  if (spec->options->queue_timeout > 0)
    aiopool_timeouts_watch (self, job, job->submitted + spec->options->queue_timeout);
}

static void
enqueue_all (AiopoolScheduler *self,
             AiopoolOrder     *order)
{
  while (order != NULL)
    {
      AiopoolOrder *next = order->next;

      enqueue (self, AIOPOOL_JOB (order));
      order = next;
    }
}

/* The arrivals join the queue. Whoever submitted them sees to it that they go on from there. */
void
aiopool_scheduler_let_in (AiopoolScheduler *self)
{
  enqueue_all (self, aiopool_arrivals_take (&self->arrivals));
}

/* Whether a submit has to ask. */
void
aiopool_scheduler_update_gate (AiopoolScheduler *self)
{
  if (self->state == AIOPOOL_SCHEDULER_OPEN && self->broken == NULL &&
      self->limits.max_pending == 0 && self->limits.max_workers <= AIOPOOL_MAX_WORKERS)
    aiopool_arrivals_open (&self->arrivals);
  else
    enqueue_all (self, aiopool_arrivals_close (&self->arrivals));
}

static gboolean
start_engine (AiopoolScheduler *self,
              GError          **error)
{
  if (!aiopool_launcher_check_process (error) || !aiopool_engine_start (error))
    return FALSE;
  g_mutex_lock (&self->lock);
  if (self->alarm == NULL)
    g_atomic_pointer_set (&self->alarm, aiopool_alarm_new (aiopool_dispatch_on_alarm, self));
  aiopool_scheduler_update_gate (self);
  g_mutex_unlock (&self->lock);
  return TRUE;
}

/* The rest of a chunk belongs to what was taken in before a shutdown. */
static gboolean
check_open (AiopoolScheduler *self,
            gboolean          is_rest,
            GError          **error)
{
  if (is_rest && self->state == AIOPOOL_SCHEDULER_CLOSING && !self->gives_up &&
      !self->is_terminating && self->broken == NULL)
    return TRUE;
  if (!aiopool_closing_check_open (self, error))
    return FALSE;
  if (is_rest || self->limits.max_pending == 0 || self->queue.n_orders < self->limits.max_pending)
    return TRUE;
  self->wants_room = TRUE;
  g_set_error (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_FULL,
               "%u tasks wait; max-pending is %u", self->queue.n_orders,
               self->limits.max_pending);
  return FALSE;
}

/* What submits put into the queue goes on from there. Unlocks. */
static void
gather_and_unlock (AiopoolScheduler *self)
{
  AiopoolReport report = { NULL };

  aiopool_gather_new_orders (self, &report);
  aiopool_scheduler_unlock_and_tell (self, &report);
}

static void
on_called (gpointer data)
{
  AiopoolScheduler *self = data;

  g_atomic_int_set (&self->is_called, FALSE);
  aiopool_scheduler_lock (self);
  gather_and_unlock (self);
  aiopool_scheduler_unref (self);
}

/* Something arrived, and may have been let in since. While the alarm of gather is set, a few may
 * wait for it. Otherwise this thread sees to them, or, if another one has the lock, the engine. */
static void
look_in (AiopoolScheduler *self)
{
  guint grace = (guint) g_atomic_int_get (&self->grace);

  if (grace > 0 && aiopool_arrivals_get_count (&self->arrivals) <= grace)
    return;
  if (g_mutex_trylock (&self->lock))
    {
      aiopool_scheduler_let_in (self);
      gather_and_unlock (self);
    }
  else if (g_atomic_int_compare_and_exchange (&self->is_called, FALSE, TRUE))
    aiopool_engine_post (on_called, aiopool_scheduler_ref (self));
}

/* @spec lives as long as the job. On success the scheduler has taken over a reference of the job's
 * owner; the job may be settled before this returns. */
gboolean
aiopool_scheduler_submit (AiopoolScheduler  *self,
                          AiopoolJob        *job,
                          const AiopoolSpec *spec,
                          GError           **error)
{
  if (G_UNLIKELY (g_atomic_pointer_get (&self->alarm) == NULL || aiopool_engine_is_forked ()) &&
      !start_engine (self, error))
    return FALSE;
  job->scheduler = self;
  job->submitted = g_get_monotonic_time ();
  job->retries_left = spec->options->retries;
  job->order.spec = spec;
  job->order.n_items = spec->n_items;
  job->order.n_came = 0;
  if (aiopool_arrivals_push (&self->arrivals, &job->order))
    {
      look_in (self);
      return TRUE;
    }
  aiopool_scheduler_lock (self);
  if (!check_open (self, job->is_rest, error))
    {
      g_mutex_unlock (&self->lock);
      return FALSE;
    }
  enqueue (self, job);
  gather_and_unlock (self);
  return TRUE;
}

/* Starts up to @n workers ahead of tasks. Returns how many. */
guint
aiopool_scheduler_spawn (AiopoolScheduler *self,
                         guint             n,
                         GError          **error)
{
  if (!start_engine (self, error))
    return 0;
  g_mutex_lock (&self->lock);
  n = aiopool_closing_check_open (self, error) ? aiopool_crew_hire_ahead (self, n) : 0;
  g_mutex_unlock (&self->lock);
  return n;
}

/* Somebody is about to wait: what waits for company goes now. */
void
aiopool_scheduler_hurry (AiopoolScheduler *self)
{
  AiopoolReport report = { NULL };

  if (g_atomic_int_get (&self->grace) == 0 || aiopool_engine_is_forked ())
    return;
  aiopool_scheduler_lock (self);
  aiopool_gather_end (self, &report);
  aiopool_scheduler_unlock_and_tell (self, &report);
}
