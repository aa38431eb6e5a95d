/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/sched/aiopool-dispatch-private.h"

#include "aiopool/base/aiopool-engine-private.h"
#include "aiopool/base/aiopool-error.h"
#include "aiopool/base/aiopool-trace-private.h"

#include <string.h>

/* The scheduler: which job runs next, and what becomes of it. What the pool and the futures ask for
 * stands here; what workers do to it stands in dispatch.
 *
 *   OPEN -> CLOSING -> CLOSED
 *
 * One lock guards the queue, the crew and the jobs. It is held for microseconds: not while a frame
 * is written, nor while anybody is called. Every job is settled under it, once; who waits for it is
 * told afterwards, through a report. Only a submit does not wait for the lock: it leaves its job
 * among the arrivals, and sees to it that somebody who has the lock will look.
 *
 * The scheduler outlives its pool until the last worker is gone. Jobs belong to futures; from
 * submit until it is settled the scheduler holds one reference, which it gives back by having the
 * future delivered to its home context. */

static const char *
state_name (AiopoolSchedulerState state)
{
  static const char *names[] = { "open", "closing", "closed" };

  return names[state];
}

void
aiopool_scheduler_set_state (AiopoolScheduler     *self,
                             AiopoolSchedulerState state)
{
  g_assert (state == self->state + 1);
  g_debug ("scheduler %p: %s -> %s", self, state_name (self->state), state_name (state));
  self->state = state;
}

static int n_pools; /* atomic */

AiopoolScheduler *
aiopool_scheduler_new (AiopoolLauncher              *launcher,
                       const AiopoolSchedulerLimits *limits,
                       const AiopoolSchedulerOwner  *owner_class,
                       gpointer                      owner)
{
  AiopoolScheduler *self = g_new0 (AiopoolScheduler, 1);

  self->ref_count = 1;
  g_mutex_init (&self->lock);
  self->launcher = aiopool_launcher_copy (launcher);
  self->limits = *limits;
  self->owner_class = owner_class;
  self->owner = owner;
  self->peers = g_ptr_array_new ();
  self->functions = g_hash_table_new (NULL, NULL);
  self->function_list = g_ptr_array_new_with_free_func (g_free);
  self->alarm_at = -1;
  self->number = (guint) g_atomic_int_add (&n_pools, 1) + 1;
  aiopool_figures_reset (&self->figures, g_get_monotonic_time ());
  aiopool_trace_check_environment ();
  aiopool_arrivals_init (&self->arrivals);
  aiopool_queue_init (&self->queue);
  aiopool_deadlines_init (&self->deadlines);
  return self;
}

/* Before the first submit: what each worker runs before its first task and after its last. */
void
aiopool_scheduler_set_hooks (AiopoolScheduler  *self,
                             const AiopoolSpec *initializer,
                             const AiopoolSpec *finalizer)
{
  if (initializer != NULL)
    self->initializer = aiopool_spec_copy (initializer);
  if (finalizer != NULL)
    self->finalizer = aiopool_spec_copy (finalizer);
}

/* Before the first submit: for traces. */
void
aiopool_scheduler_set_name (AiopoolScheduler *self,
                            const char       *name)
{
  self->name = g_strdup (name);
}

AiopoolScheduler *
aiopool_scheduler_ref (AiopoolScheduler *self)
{
  g_atomic_int_inc (&self->ref_count);
  return self;
}

/* FALSE if the last reference is gone: it is on its way to be freed on the engine. */
gboolean
aiopool_scheduler_try_ref (AiopoolScheduler *self)
{
  int old;

  do
    {
      old = g_atomic_int_get (&self->ref_count);
      if (old == 0)
        return FALSE;
    }
  while (!g_atomic_int_compare_and_exchange (&self->ref_count, old, old + 1));
  return TRUE;
}

static void
scheduler_free (gpointer data)
{
  AiopoolScheduler *self = data;

  g_assert (self->peers->len == 0);
  if (self->alarm != NULL)
    aiopool_alarm_free (self->alarm);
  aiopool_queue_clear (&self->queue);
  aiopool_deadlines_clear (&self->deadlines);
  g_hash_table_unref (self->functions);
  g_ptr_array_unref (self->function_list);
  g_ptr_array_unref (self->peers);
  g_clear_pointer (&self->initializer, aiopool_spec_free);
  g_clear_pointer (&self->finalizer, aiopool_spec_free);
  g_clear_error (&self->broken);
  g_object_unref (self->launcher);
  g_mutex_clear (&self->lock);
  g_free (self->name);
  g_free (self);
}

void
aiopool_scheduler_unref (AiopoolScheduler *self)
{
  if (!g_atomic_int_dec_and_test (&self->ref_count))
    return;
  if (self->alarm != NULL && !aiopool_engine_is_current ())
    aiopool_engine_post (scheduler_free, self);
  else
    scheduler_free (self);
}

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

void
aiopool_scheduler_lock (AiopoolScheduler *self)
{
  g_mutex_lock (&self->lock);
  aiopool_scheduler_let_in (self);
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

/* Owners of chunks were told, and have submitted what they wanted: now it may close. */
static void
forget_rests (AiopoolScheduler *self,
              guint             n)
{
  AiopoolReport report = { NULL };

  aiopool_scheduler_lock (self);
  self->n_rests -= n;
  aiopool_closing_check (self, &report);
  aiopool_scheduler_unlock_and_tell (self, &report);
  aiopool_scheduler_unref (self);
}

/* Without the lock, once in a while. */
static void
tell_figures (AiopoolScheduler            *self,
              const AiopoolSchedulerOwner *owner_class,
              gpointer                     owner)
{
  gboolean is_heard = owner_class->figures (owner);

  g_mutex_lock (&self->lock);
  self->figures.is_heard = is_heard;
  g_mutex_unlock (&self->lock);
}

/* Unlocks and tells. A reference is held over it: what is told may drop the pool. */
void
aiopool_scheduler_unlock_and_tell (AiopoolScheduler *self,
                                   AiopoolReport    *report)
{
  const AiopoolSchedulerOwner *owner_class = self->owner_class;
  gpointer owner = self->owner;
  gboolean has_room = report->has_room && self->wants_room;
  gboolean has_figures = aiopool_figures_begin_telling (&self->figures);
  gboolean has_news = report->has_changed || has_room || report->has_closed || has_figures ||
                      report->has_joined || report->has_given_up || report->records != NULL;
  GSList *readers = report->has_closed ? aiopool_loop_readers_end (self) : NULL;

  aiopool_closing_count_rests (self, report);
  if (report->n_counted > 0)
    aiopool_scheduler_ref (self);
  if (has_room)
    self->wants_room = FALSE;
  if (has_figures && self->figures.told_at > 0 && self->alarm != NULL)
    aiopool_dispatch_wake_at (self, self->figures.told_at);
  if (owner != NULL && has_news)
    self->n_telling++;
  else
    owner = NULL;
  g_mutex_unlock (&self->lock);
  g_slist_free_full (readers, (GDestroyNotify) g_source_unref);
  if (owner != NULL && report->has_given_up)
    aiopool_report_each_given_up (report, owner_class->given_up, owner);
  aiopool_records_tell (owner_class, owner, report);
  aiopool_report_deliver (report);
  if (report->n_counted > 0)
    forget_rests (self, report->n_counted);
  if (owner == NULL)
    return;
  if (report->has_changed)
    owner_class->changed (owner);
  if (has_figures)
    tell_figures (self, owner_class, owner);
  if (has_room)
    owner_class->room (owner);
  if (report->has_joined)
    owner_class->joined (owner);
  if (report->has_closed)
    owner_class->closed (owner);
  g_mutex_lock (&self->lock);
  self->n_telling--;
  g_cond_broadcast (&self->told);
  g_mutex_unlock (&self->lock);
}

/* The pool goes: it hears nothing any more, and everything ends. In a fork the lock may be held for
 * ever, and what there is belongs to the parent: it stays. */
void
aiopool_scheduler_abandon (AiopoolScheduler *self)
{
  if (aiopool_engine_is_forked ())
    return;
  g_mutex_lock (&self->lock);
  self->owner = NULL;
  while (self->n_telling > 0)
    g_cond_wait (&self->told, &self->lock);
  g_mutex_unlock (&self->lock);
  aiopool_scheduler_shutdown (self, AIOPOOL_SHUTDOWN_TERMINATE);
  aiopool_scheduler_unref (self);
}

void
aiopool_scheduler_set_limits (AiopoolScheduler             *self,
                              const AiopoolSchedulerLimits *limits)
{
  if (aiopool_engine_is_forked ())
    return;
  aiopool_scheduler_lock (self);
  self->limits = *limits;
  aiopool_scheduler_update_gate (self);
  if (self->alarm != NULL && self->state == AIOPOOL_SCHEDULER_OPEN)
    {
      aiopool_crew_care_for_idle (self, g_get_monotonic_time ());
      aiopool_crew_hire (self);
    }
  g_mutex_unlock (&self->lock);
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

/* (transfer full) (nullable): the worker that has @job, whose messages the caller is to read. */
static AiopoolPeer *
borrow_reading (AiopoolScheduler *self,
                AiopoolJob       *job)
{
  AiopoolPeer *peer = NULL;

  g_mutex_lock (&self->lock);
  if (job->state == AIOPOOL_JOB_SENT && aiopool_peer_lend (job->order.peer))
    peer = aiopool_peer_ref (job->order.peer);
  g_mutex_unlock (&self->lock);
  return peer;
}

/* A thread that waits for @job reads what its worker sends, in place of the engine, until @enough
 * says so; it looks at that after each message, at @end, and when somebody writes to the eventfd
 * @kick_fd. Returns at once if another thread does so already, and whenever the engine has to go on
 * for some reason. */
void
aiopool_scheduler_read_for (AiopoolScheduler *self,
                            AiopoolJob       *job,
                            gboolean        (*enough) (gpointer),
                            gpointer          data,
                            int               kick_fd,
                            gint64            end)
{
  AiopoolPeer *peer = borrow_reading (self, job);

  if (peer == NULL)
    return;
  while (!enough (data) && (end < 0 || g_get_monotonic_time () < end) &&
         aiopool_peer_read_for (peer, kick_fd, end))
    ;
  g_mutex_lock (&self->lock);
  aiopool_standby_take_back (self, peer);
  g_mutex_unlock (&self->lock);
  aiopool_peer_unref (peer);
}

/* The clamped time at which a job that a worker has started says it did; a chunk: its last item. */
gint64
aiopool_scheduler_started_at (AiopoolJob *job,
                              gint64      claimed,
                              gint64      now)
{
  if (AIOPOOL_ORDER_IS_CHUNK (&job->order))
    {
      aiopool_outbound_count_begun (aiopool_peer_get_outbound (job->order.peer), &job->order, now,
                                    &claimed);
      return claimed;
    }
  if (!job->knows_start)
    {
      gint64 started = CLAMP (claimed, job->order.sent, now);

      aiopool_observe_start_known (job, started);
      job->order.sent = started;
    }
  job->knows_start = TRUE;
  return job->order.sent;
}

/* When a job that its worker still has started, if it did. */
gint64
aiopool_scheduler_find_start (AiopoolJob *job)
{
  gint64 claimed = 0;

  aiopool_status_page_is_started (aiopool_peer_get_page (job->order.peer), job->order.id,
                                  &claimed);
  return aiopool_scheduler_started_at (job, claimed, g_get_monotonic_time ());
}

/* Cancels a job that has not started. */
gboolean
aiopool_scheduler_cancel_unstarted (AiopoolScheduler *self,
                                    AiopoolJob       *job,
                                    AiopoolReport    *report)
{
  AiopoolPeer *peer = job->order.peer;

  if (job->state == AIOPOOL_JOB_QUEUED)
    aiopool_queue_remove (&self->queue, &job->order);
  else if (!aiopool_outbound_revoke (aiopool_peer_get_outbound (peer), &job->order))
    return FALSE;
  aiopool_dispatch_claim (self, job, report);
  aiopool_report_error (report, job, aiopool_closing_cancelled_error (" before it started"), 0);
  if (peer != NULL)
    aiopool_gather_slot_freed (self, peer, report);
  return TRUE;
}

/* Tells a running job to stop, and settles it if @mode says so. No more items of a chunk begin. */
static void
cancel_running (AiopoolScheduler *self,
                AiopoolJob       *job,
                AiopoolCancelMode mode,
                AiopoolReport    *report)
{
  if (mode == AIOPOOL_CANCEL_FORCE)
    aiopool_dispatch_abandon_running (self, job, aiopool_closing_cancelled_error (""), report);
  else
    {
      if (AIOPOOL_ORDER_IS_CHUNK (&job->order))
        aiopool_outbound_cut (aiopool_peer_get_outbound (job->order.peer), &job->order, 0);
      aiopool_control_send (aiopool_peer_get_control (job->order.peer), AIOPOOL_FRAME_CANCEL, 0,
                            job->order.id, 0);
    }
}

/* Returns TRUE if the job was cancelled, or told to stop. */
gboolean
aiopool_scheduler_cancel (AiopoolScheduler *self,
                          AiopoolJob       *job,
                          AiopoolCancelMode mode)
{
  AiopoolReport report = { NULL };
  gboolean is_cancelled = FALSE;

  if (aiopool_engine_is_forked ())
    return FALSE;
  aiopool_scheduler_lock (self);
  if (job->state == AIOPOOL_JOB_QUEUED || job->state == AIOPOOL_JOB_SENT)
    {
      is_cancelled = aiopool_scheduler_cancel_unstarted (self, job, &report);
      if (!is_cancelled && mode != AIOPOOL_CANCEL_PENDING)
        {
          cancel_running (self, job, mode, &report);
          is_cancelled = TRUE;
        }
    }
  aiopool_closing_check (self, &report);
  aiopool_scheduler_unlock_and_tell (self, &report);
  return is_cancelled;
}

/* Whether a worker runs @job now. @since, @pid (out). */
gboolean
aiopool_scheduler_is_running (AiopoolScheduler *self,
                              AiopoolJob       *job,
                              gint64           *since,
                              int              *pid)
{
  gboolean is_running = FALSE;
  gint64 claimed;

  if (aiopool_engine_is_forked ())
    return FALSE;
  g_mutex_lock (&self->lock);
  if (job->state == AIOPOOL_JOB_SENT)
    {
      *pid = aiopool_peer_get_pid (job->order.peer);
      is_running = aiopool_status_page_is_started (aiopool_peer_get_page (job->order.peer),
                                                   job->order.id, &claimed);
      if (is_running)
        *since = aiopool_scheduler_started_at (job, claimed, g_get_monotonic_time ());
    }
  g_mutex_unlock (&self->lock);
  return is_running;
}

/* Gives a running job credit for more partial results. */
void
aiopool_scheduler_grant (AiopoolScheduler *self,
                         AiopoolJob       *job,
                         gint64            cost)
{
  if (aiopool_engine_is_forked ())
    return;
  g_mutex_lock (&self->lock);
  if (job->state == AIOPOOL_JOB_SENT)
    aiopool_outbound_pay (aiopool_peer_get_outbound (job->order.peer), job->order.id, cost);
  g_mutex_unlock (&self->lock);
}

/* What since @begin is after each of the two moments. */
static void
add_span (gint64       *total,
          gint64       *recent,
          gint64        begin,
          AiopoolSpans *spans)
{
  *total += MAX (spans->now - MAX (begin, spans->since), 0);
  *recent += MAX (spans->now - MAX (begin, spans->recently), 0);
}

static void
count_orders (AiopoolPeer   *peer,
              AiopoolCounts *counts,
              AiopoolSpans  *spans)
{
  AiopoolOrder *order = aiopool_outbound_get_first (aiopool_peer_get_outbound (peer));
  gint64 claimed;

  for (; order != NULL; order = order->next)
    {
      if (!aiopool_status_page_is_started (aiopool_peer_get_page (peer), order->id, &claimed))
        {
          counts->n_pending++;
          continue;
        }
      counts->n_running++;
      if (spans != NULL)
        add_span (&spans->ran, &spans->ran_recently, MAX (claimed, order->sent), spans);
    }
}

/* Under the lock. @spans: (nullable) (inout): its sums go up. */
void
aiopool_scheduler_count (AiopoolScheduler *self,
                         AiopoolCounts    *counts,
                         AiopoolSpans     *spans)
{
  *counts = (AiopoolCounts) { .n_pending = self->queue.n_orders };
  for (guint i = 0; i < self->peers->len; i++)
    {
      AiopoolPeer *peer = g_ptr_array_index (self->peers, i);

      counts->n_workers++;
      counts->n_idle += aiopool_peer_get_state (peer) == AIOPOOL_WORKER_IDLE;
      counts->n_busy += aiopool_peer_get_state (peer) == AIOPOOL_WORKER_BUSY;
      count_orders (peer, counts, spans);
      if (spans != NULL)
        add_span (&spans->lived, &spans->lived_recently, aiopool_peer_get_born (peer), spans);
    }
}

void
aiopool_scheduler_get_counts (AiopoolScheduler *self,
                              AiopoolCounts    *counts)
{
  *counts = (AiopoolCounts) { 0 };
  if (aiopool_engine_is_forked ())
    return;
  aiopool_scheduler_lock (self);
  aiopool_scheduler_count (self, counts, NULL);
  g_mutex_unlock (&self->lock);
}

static AiopoolWorkerStatus
status_of (AiopoolPeer *peer)
{
  AiopoolWorkerStatus status = {
    aiopool_peer_get_number (peer),
    aiopool_peer_get_pid (peer),
    aiopool_peer_get_state (peer),
    aiopool_peer_get_n_done (peer),
  };

  return status;
}

/* (transfer full): of AiopoolWorkerStatus. */
GArray *
aiopool_scheduler_list_workers (AiopoolScheduler *self)
{
  GArray *list = g_array_new (FALSE, FALSE, sizeof (AiopoolWorkerStatus));

  if (aiopool_engine_is_forked ())
    return list;
  g_mutex_lock (&self->lock);
  for (guint i = 0; i < self->peers->len; i++)
    {
      AiopoolWorkerStatus status = status_of (g_ptr_array_index (self->peers, i));

      g_array_append_val (list, status);
    }
  g_mutex_unlock (&self->lock);
  return list;
}

/* FALSE if it is gone. */
gboolean
aiopool_scheduler_get_worker (AiopoolScheduler    *self,
                              guint                number,
                              AiopoolWorkerStatus *status)
{
  gboolean is_found = FALSE;

  if (aiopool_engine_is_forked ())
    return FALSE;
  g_mutex_lock (&self->lock);
  for (guint i = 0; i < self->peers->len && !is_found; i++)
    {
      AiopoolPeer *peer = g_ptr_array_index (self->peers, i);

      is_found = aiopool_peer_get_number (peer) == number;
      if (is_found)
        *status = status_of (peer);
    }
  g_mutex_unlock (&self->lock);
  return is_found;
}
