/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/sched/aiopool-dispatch-private.h"

#include "aiopool/base/aiopool-trace-private.h"

/* The scheduler: which job runs next, and what becomes of it. Its life stands here, its lock, and
 * what is told when that is let go; what the pool and the futures ask for stands in
 * scheduler-submit, -job and -counts, and what workers do to it in dispatch.
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
  g_cond_init (&self->hired);
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
  g_clear_object (&self->broken_info);
  g_object_unref (self->launcher);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->hired);
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

void
aiopool_scheduler_lock (AiopoolScheduler *self)
{
  g_mutex_lock (&self->lock);
  aiopool_scheduler_let_in (self);
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

/* Without the lock; the owner does not go before this is over. */
static void
tell_owner (AiopoolScheduler            *self,
            const AiopoolSchedulerOwner *owner_class,
            gpointer                     owner,
            const AiopoolReport         *report,
            gboolean                     has_room,
            gboolean                     has_figures)
{
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
  if (owner != NULL)
    tell_owner (self, owner_class, owner, report, has_room, has_figures);
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
