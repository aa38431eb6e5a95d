/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/sched/aiopool-dispatch-private.h"

#include "aiopool/base/aiopool-error.h"
#include "aiopool/base/aiopool-trace-private.h"

/* What is seen of a scheduler from outside: the figures, and the records of a trace. Each ending of
 * a task comes by here, once, whatever ended it, when it goes into the report. */

#define COUNT_USEC 1000 /* between two records of how many wait */

static AiopoolTraceStatus
status_of (const AiopoolOutcome *outcome)
{
  const GError *error = outcome->error;

  if (error == NULL)
    return AIOPOOL_TRACE_DONE;
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return AIOPOOL_TRACE_CANCELLED;
  if (g_error_matches (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_TIMED_OUT) ||
      g_error_matches (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_QUEUE_TIMED_OUT))
    return AIOPOOL_TRACE_TIMED_OUT;
  if (g_error_matches (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_CRASHED))
    return AIOPOOL_TRACE_CRASHED;
  return AIOPOOL_TRACE_FAILED;
}

static void
trace_count (AiopoolScheduler *self,
             gint64            now)
{
  AiopoolTraceRecord record = {
    .kind = AIOPOOL_TRACE_COUNT,
    .number = self->number,
    .count = self->queue.n_orders,
    .ended = now,
  };

  if (now < self->counted_at + COUNT_USEC)
    return;
  self->counted_at = now;
  aiopool_trace_push (&record);
}

static void
trace_task (AiopoolScheduler     *self,
            AiopoolJob           *job,
            const AiopoolOutcome *outcome)
{
  const AiopoolSpec *spec = job->order.spec;
  gboolean was_sent = outcome->started != 0 && !job->knows_start;
  AiopoolTraceRecord record = {
    .kind = AIOPOOL_TRACE_TASK,
    .status = status_of (outcome),
    .number = self->number,
    .pid = outcome->pid,
    .name = spec->function,
    .text = g_strdup (spec->options->tag),
    .reason = outcome->error != NULL ? g_strdup (outcome->error->message) : NULL,
    .submitted = job->submitted,
    .sent = was_sent ? job->order.sent : 0,
    .started = outcome->started,
    .ended = outcome->ended,
    .received = g_get_monotonic_time (),
  };

  aiopool_trace_push (&record);
  trace_count (self, record.received);
}

static void
count_end (AiopoolScheduler     *self,
           AiopoolJob           *job,
           const AiopoolOutcome *outcome)
{
  aiopool_figures_count (&self->figures, job->submitted, outcome);
  if (aiopool_trace_is_on ())
    trace_task (self, job, outcome);
}

/* What ends with a chunk: the items that have begun and did not come, or all if none has begun;
 * those that came were counted as they did, and the others are submitted again or dropped by
 * whoever wants that. */
static guint
count_ends (AiopoolJob           *job,
            const AiopoolOutcome *outcome)
{
  if (!AIOPOOL_ORDER_IS_CHUNK (&job->order))
    return 1;
  if (outcome->error == NULL)
    return 0;
  return outcome->n_begun == 0 ? job->order.n_items
                                : outcome->n_begun - MIN (outcome->n_begun, job->order.n_came);
}

/* Before its futures, if any, are told. Hooks have no scheduler: they do not count. */
void
aiopool_observe_settled (AiopoolJob           *job,
                         const AiopoolOutcome *outcome)
{
  guint n_ends = count_ends (job, outcome);
  AiopoolOutcome untimed = *outcome; /* of all but the last it is not known how long they ran */

  if (n_ends == 0 || job->scheduler == NULL)
    return;
  untimed.started = 0;
  for (guint i = 1; i < n_ends; i++)
    count_end (job->scheduler, job, &untimed);
  count_end (job->scheduler, job, outcome);
}

/* Items of a chunk have come; each is a task. @now: monotonic microseconds. */
void
aiopool_observe_items (AiopoolJob         *job,
                       const AiopoolItems *items,
                       gint64              now)
{
  AiopoolOutcome outcome = { .started = items->started, .pid = items->outcome.pid };

  if (items->values == NULL)
    outcome.error = items->outcome.error;
  for (guint i = 0; i < items->n; i++)
    {
      outcome.ended = MIN (outcome.started + items->run_times[i], now);
      count_end (job->scheduler, job, &outcome);
      outcome.started = outcome.ended;
    }
}

/* The time at which @job was sent is about to be forgotten. */
void
aiopool_observe_start_known (AiopoolJob *job,
                             gint64      started)
{
  AiopoolTraceRecord record = { .kind = AIOPOOL_TRACE_SENT };

  if (!aiopool_trace_is_on () || job->scheduler == NULL)
    return;
  record.number = job->scheduler->number;
  record.name = job->order.spec->function;
  record.submitted = job->submitted;
  record.sent = job->order.sent;
  record.started = started;
  aiopool_trace_push (&record);
}

static void
trace_worker (AiopoolScheduler   *self,
              AiopoolPeer        *peer,
              AiopoolTraceKind    kind,
              AiopoolTraceStatus  status,
              const char         *reason)
{
  AiopoolTraceRecord record = {
    .kind = kind,
    .status = status,
    .number = self->number,
    .count = aiopool_peer_get_number (peer),
    .pid = aiopool_peer_get_pid (peer),
    .text = g_strdup (self->name),
    .reason = g_strdup (reason),
    .started = aiopool_peer_get_born (peer),
    .ended = g_get_monotonic_time (),
  };

  aiopool_trace_push (&record);
}

void
aiopool_observe_worker_started (AiopoolScheduler *self,
                                AiopoolPeer      *peer)
{
  self->figures.n_started++;
  self->figures.is_changed = TRUE;
  if (aiopool_trace_is_on ())
    trace_worker (self, peer, AIOPOOL_TRACE_WORKER_STARTED, AIOPOOL_TRACE_DONE, NULL);
}

void
aiopool_observe_worker_ready (AiopoolScheduler *self,
                              AiopoolPeer      *peer)
{
  self->figures.is_changed = TRUE;
  if (aiopool_trace_is_on ())
    trace_worker (self, peer, AIOPOOL_TRACE_WORKER_READY, AIOPOOL_TRACE_DONE, NULL);
}

/* Before it leaves the crew. */
void
aiopool_observe_worker_ended (AiopoolScheduler *self,
                              AiopoolPeer      *peer,
                              const GError     *why)
{
  gboolean was_told = aiopool_peer_was_told (peer);

  self->figures.n_crashes += !was_told;
  aiopool_figures_worker_gone (&self->figures, aiopool_peer_get_born (peer),
                               g_get_monotonic_time ());
  if (aiopool_trace_is_on ())
    trace_worker (self, peer, AIOPOOL_TRACE_WORKER_ENDED,
                  was_told ? AIOPOOL_TRACE_DONE : AIOPOOL_TRACE_CRASHED, why->message);
}

/* --- the figures ------------------------------------------------------------------------------ */

static void
get_spread (const AiopoolHistogram *histogram,
            AiopoolSpread          *spread)
{
  spread->mean = aiopool_histogram_get_mean (histogram) / G_USEC_PER_SEC;
  spread->median = aiopool_histogram_get_quantile (histogram, 0.5) / G_USEC_PER_SEC;
  spread->p95 = aiopool_histogram_get_quantile (histogram, 0.95) / G_USEC_PER_SEC;
  spread->p99 = aiopool_histogram_get_quantile (histogram, 0.99) / G_USEC_PER_SEC;
  spread->most = (double) histogram->most / G_USEC_PER_SEC;
}

/* @width: how many tasks a worker runs at once. */
static double
get_share (gint64 busy,
           gint64 lived,
           guint  width)
{
  return lived > 0 ? CLAMP ((double) busy / ((double) lived * width), 0, 1) : 0;
}

/* Without the lock. @width: how many tasks a worker runs at once. */
static void
fill_view (AiopoolFiguresView       *view,
           AiopoolFigures           *figures,
           const AiopoolFiguresSlot *recent,
           const AiopoolSpans       *spans,
           guint                     width)
{
  view->n_done = figures->n_done;
  view->n_failed = figures->n_failed;
  view->n_cancelled = figures->n_cancelled;
  view->n_crashes = figures->n_crashes;
  view->n_started = figures->n_started;
  view->elapsed = (double) MAX (spans->now - spans->since, 0) / G_USEC_PER_SEC;
  view->rate = (double) recent->n_ended * G_USEC_PER_SEC /
               (double) MAX (spans->now - spans->recently, 1000);
  view->utilization = get_share (recent->busy + spans->ran_recently,
                                 recent->lived + spans->lived_recently, width);
  view->mean_utilization = get_share (figures->busy + spans->ran, figures->lived + spans->lived,
                                      width);
  get_spread (&figures->queue_times, &view->queue_time);
  get_spread (&figures->run_times, &view->run_time);
}

/* What a fork has is of its parent: nothing. */
void
aiopool_scheduler_get_figures (AiopoolScheduler   *self,
                               AiopoolFiguresView *view)
{
  AiopoolSpans spans = { .now = g_get_monotonic_time () };
  g_autofree AiopoolFigures *figures = NULL;
  AiopoolFiguresSlot recent;
  guint width;

  *view = (AiopoolFiguresView) { { 0 } };
  if (aiopool_engine_is_forked ())
    return;
  figures = g_new (AiopoolFigures, 1);
  aiopool_scheduler_lock (self);
  spans.recently = aiopool_figures_sum_recent (&self->figures, spans.now, &recent);
  spans.since = self->figures.since;
  aiopool_scheduler_count (self, &view->counts, &spans);
  width = self->limits.tasks_per_worker;
  *figures = self->figures;
  g_mutex_unlock (&self->lock);
  fill_view (view, figures, &recent, &spans, width);
}

void
aiopool_scheduler_reset_figures (AiopoolScheduler *self)
{
  AiopoolReport report = { NULL };

  if (aiopool_engine_is_forked ())
    return;
  aiopool_scheduler_lock (self);
  aiopool_figures_reset (&self->figures, g_get_monotonic_time ());
  aiopool_scheduler_unlock_and_tell (self, &report);
}
