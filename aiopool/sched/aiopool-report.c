/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/sched/aiopool-report-private.h"

#include "aiopool/sched/aiopool-dispatch-private.h"

/* Jobs are settled under the scheduler's lock and told of it without: a report collects them on the
 * way. What is told goes out in batches, one wake-up per main context. */

#define N_RESERVED 64

typedef AiopoolReportEntry Entry;

static Entry *
get_entry (AiopoolReport *self,
           guint          index)
{
  return index == 0 ? &self->first : &g_array_index (self->more, Entry, index - 1);
}

/* All zeros. */
static Entry *
add_entry (AiopoolReport *self)
{
  if (self->n_entries == 1)
    self->more = g_array_sized_new (FALSE, TRUE, sizeof (Entry), N_RESERVED);
  if (self->n_entries > 0)
    g_array_set_size (self->more, self->n_entries);
  return get_entry (self, self->n_entries++);
}

/* Takes what @outcome owns. */
void
aiopool_report_settle (AiopoolReport  *self,
                       AiopoolJob     *job,
                       AiopoolOutcome *outcome)
{
  Entry *entry = add_entry (self);

  aiopool_observe_settled (job, outcome);
  entry->job = job;
  entry->outcome = *outcome;
  self->n_rests += AIOPOOL_ORDER_IS_CHUNK (&job->order);
  *outcome = (AiopoolOutcome) { NULL };
}

/* Takes @error. @started: 0 if it never did; otherwise its worker still has it. */
void
aiopool_report_error (AiopoolReport *self,
                      AiopoolJob    *job,
                      GError        *error,
                      gint64         started)
{
  AiopoolOutcome outcome = { .error = error, .started = started };

  outcome.ended = g_get_monotonic_time ();
  if (started != 0)
    {
      outcome.pid = aiopool_peer_get_pid (job->order.peer);
      outcome.last_lines = aiopool_peer_dup_standard_error (job->order.peer, started,
                                                            G_MAXINT64);
    }
  if (started != 0 && AIOPOOL_ORDER_IS_CHUNK (&job->order)) /* none begins any more */
    outcome.n_begun = MAX (1, aiopool_outbound_cut (aiopool_peer_get_outbound (job->order.peer),
                                                    &job->order, 0));
  aiopool_report_settle (self, job, &outcome);
}

/* A job that has not started and will not. Takes @error. Of a chunk only its owner hears. */
void
aiopool_report_given_up (AiopoolReport *self,
                         AiopoolJob    *job,
                         GError        *error)
{
  aiopool_report_error (self, job, error, 0);
  if (AIOPOOL_ORDER_IS_CHUNK (&job->order))
    return;
  get_entry (self, self->n_entries - 1)->is_given_up = TRUE;
  self->has_given_up = TRUE;
}

/* Of what was reported last. @info: (nullable) */
void
aiopool_report_add_info (AiopoolReport    *self,
                         AiopoolErrorInfo *info)
{
  Entry *entry = get_entry (self, self->n_entries - 1);

  g_set_object (&entry->outcome.info, info);
}

/* Without the lock, and before what came of them is delivered. */
void
aiopool_report_each_given_up (AiopoolReport *self,
                              void         (*func) (gpointer owner, AiopoolJob *job),
                              gpointer       owner)
{
  for (guint i = 0; i < self->n_entries; i++)
    {
      Entry *entry = get_entry (self, i);

      if (entry->is_given_up)
        func (owner, entry->job);
    }
}

void
aiopool_report_released (AiopoolReport *self,
                         AiopoolJob    *job)
{
  Entry *entry = add_entry (self);

  entry->job = job;
  entry->is_release = TRUE;
}

/* Items of a chunk were taken back, and its owner does not know. The job is kept until it does. */
void
aiopool_report_shortened (AiopoolReport *self,
                          AiopoolJob    *job)
{
  Entry *entry = add_entry (self);

  g_atomic_int_inc (&job->holds);
  self->n_rests++;
  entry->job = job;
  entry->is_shortened = entry->is_release = TRUE;
  entry->n_items = job->order.n_items;
}

/* Without the lock. */
void
aiopool_report_deliver (AiopoolReport *self)
{
  AiopoolPostBatch batch = { NULL };

  for (guint i = 0; i < self->n_entries; i++)
    {
      Entry *entry = get_entry (self, i);

      if (entry->is_shortened)
        entry->job->klass->shortened (entry->job, entry->n_items, &batch);
      if (entry->is_release)
        entry->job->klass->released (entry->job, &batch);
      else
        entry->job->klass->settled (entry->job, &entry->outcome, &batch);
      aiopool_outcome_clear (&entry->outcome);
    }
  aiopool_post_batch_flush (&batch);
  g_clear_pointer (&self->more, g_array_unref);
  self->first = (Entry) { NULL };
  self->n_entries = 0;
}
