/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/api/aiopool-batch-private.h"

#include "aiopool/base/aiopool-error.h"

/* A piece of a batch with an executor.
 *
 * A pool takes it as a job, without a future: one item as a task, more as a chunk. What came of the
 * items is told one run after the other under the scheduler's lock; the end of the chunk says what
 * there is to say of the others, and the batch decides what becomes of each:
 *
 *   came                           has its result or its error
 *   the last that may have begun   has the error that the chunk ended with
 *   others that may have begun     MAY_HAVE_RUN; they and the one above run again if the task
 *                                  allows retries, the latter by itself
 *   not begun                      goes into another chunk
 *
 * An executor of another kind takes each item as a task and gives a future, which is watched.
 *
 * Locks: the scheduler's or a future's, then the core's. */

static AiopoolBatchChunk *
chunk_of_job (AiopoolJob *job)
{
  return (AiopoolBatchChunk *) job;
}

static AiopoolBatchChunk *
chunk_of_watch (AiopoolFutureWatch *watch)
{
  return (AiopoolBatchChunk *) (gpointer)
         ((char *) watch - G_STRUCT_OFFSET (AiopoolBatchChunk, watch));
}

static gboolean
is_chunk (AiopoolBatchChunk *self)
{
  return self->spec.n_items > 0;
}

/* Under the lock. */
void
aiopool_batch_link_chunk (AiopoolBatchChunk  *chunk,
                          AiopoolBatchChunk **list)
{
  chunk->next = *list;
  chunk->link = list;
  if (chunk->next != NULL)
    chunk->next->link = &chunk->next;
  *list = chunk;
}

/* Under the lock: it is not under way any more. */
void
aiopool_batch_unlink_chunk (AiopoolBatchChunk *chunk)
{
  *chunk->link = chunk->next;
  if (chunk->next != NULL)
    chunk->next->link = chunk->link;
  chunk->link = NULL;
  chunk->next = NULL;
  chunk->core->n_tasks--;
}

/* Where user code may run, unless there is nothing of the user's in it. */
void
aiopool_batch_free_chunk (AiopoolBatchChunk *chunk)
{
  if (chunk->future != NULL)
    aiopool_future_unlink_watch (chunk->future, &chunk->watch);
  g_clear_object (&chunk->future);
  g_clear_object (&chunk->told_future);
  if (chunk->piece.task == NULL)
    g_clear_pointer (&chunk->spec.argument, aiopool_payload_unref);
  g_clear_object (&chunk->piece.task);
  g_clear_object (&chunk->piece.told_task);
  g_clear_pointer (&chunk->piece.argument, aiopool_payload_unref);
  aiopool_batch_core_unref_away (chunk->core);
  g_free (chunk);
}

/* Whoever drops the last hold. What has something of the user's is freed later, where it may be. */
void
aiopool_batch_drop_chunk (AiopoolJob       *job,
                          AiopoolPostBatch *batch)
{
  AiopoolBatchChunk *chunk = chunk_of_job (job);
  AiopoolBatchCore *core = chunk->core;

  if (!g_atomic_int_dec_and_test (&job->holds))
    return;
  if (chunk->piece.task == NULL && chunk->piece.argument == NULL && chunk->future == NULL)
    {
      aiopool_batch_free_chunk (chunk);
      return;
    }
  g_mutex_lock (&core->lock);
  aiopool_batch_link_chunk (chunk, &core->finished);
  aiopool_batch_core_post (core);
  g_mutex_unlock (&core->lock);
}

/* Where user code may run. */
void
aiopool_batch_free_finished (AiopoolBatchCore *core)
{
  AiopoolBatchChunk *chunk;
  GQueue spent;

  g_mutex_lock (&core->lock);
  chunk = g_steal_pointer (&core->finished);
  spent = core->spent;
  g_queue_init (&core->spent);
  g_mutex_unlock (&core->lock);
  g_queue_clear_full (&spent, (GDestroyNotify) aiopool_piece_free);
  while (chunk != NULL)
    {
      AiopoolBatchChunk *next = chunk->next;

      aiopool_batch_free_chunk (chunk);
      chunk = next;
    }
}

/* Under the lock. Moving averages follow a change within a few runs. */
static void
learn_run_time (AiopoolBatchCore *core,
                gint64            total,
                guint             n)
{
  gint64 mean = MAX (total * 1000, 200) / n;

  core->item_time = core->item_time < 0 ? mean : (3 * core->item_time + mean) / 4;
}

/* Under the lock. */
static void
count_ended (AiopoolBatchCore *core,
             guint             n,
             const GError     *error)
{
  core->n_done += n;
  core->n_running -= n;
  if (error == NULL)
    return;
  core->n_failed += n;
  if (!core->stops_on_error || core->wants_stop || core->is_broken_off)
    return;
  core->wants_stop = TRUE;
  g_clear_error (&core->error);
  core->error = g_error_copy (error);
}

/* Under the lock. Takes @outcome. */
static void
end_item (AiopoolBatchChunk *self,
          guint              index,
          AiopoolOutcome    *outcome)
{
  AiopoolEnding ending = {
    .outcome = *outcome,
    .task = g_steal_pointer (&self->piece.told_task),
    .index = self->piece.index + index,
    .is_chunk = self->piece.is_chunk,
    .submitted = self->job.submitted,
  };

  if (self->piece.argument != NULL)
    ending.argument = aiopool_payload_ref (self->piece.argument);
  *outcome = (AiopoolOutcome) { NULL };
  count_ended (self->core, 1, ending.outcome.error);
  aiopool_results_add_ending (self->core->results, self->piece.position + index, &ending);
}

/* Under the lock. Items of @piece that will not run, or not again; its task is told. */
void
aiopool_batch_end_items (AiopoolBatchCore *core,
                         AiopoolPiece     *piece,
                         guint             first,
                         guint             n_items,
                         const GError     *error)
{
  gint64 now = g_get_monotonic_time ();

  for (guint i = first; i < first + n_items; i++)
    {
      AiopoolEnding ending = {
        .outcome = { .error = g_error_copy (error), .ended = now },
        .task = g_steal_pointer (&piece->told_task),
        .argument = piece->argument != NULL ? aiopool_payload_ref (piece->argument) : NULL,
        .index = piece->index + i,
        .is_chunk = piece->is_chunk,
        .submitted = now,
      };

      count_ended (core, 1, error);
      aiopool_results_add_ending (core->results, piece->position + i, &ending);
    }
}

/* Under the lock. */
static void
take_single (AiopoolBatchChunk *self,
             AiopoolOutcome    *outcome)
{
  gint64 run_time = outcome->ended - outcome->started;
  AiopoolHarvest harvest = {
    .values = outcome->payload,
    .run_time = (guint32) CLAMP (run_time, 0, G_MAXUINT32),
    .is_single = TRUE,
    .index = self->piece.index,
    .is_chunk = self->piece.is_chunk,
    .started = outcome->started,
    .submitted = self->job.submitted,
    .pid = outcome->pid,
  };

  if (outcome->started > 0)
    learn_run_time (self->core, run_time, 1);
  if (outcome->error != NULL || outcome->fds != NULL || outcome->payload == NULL ||
      self->piece.told_task != NULL || run_time > G_MAXUINT32)
    {
      end_item (self, 0, outcome);
      return;
    }
  if (self->piece.argument != NULL)
    harvest.argument = aiopool_payload_ref (self->piece.argument);
  outcome->payload = NULL;
  count_ended (self->core, 1, NULL);
  aiopool_results_add_harvest (self->core->results, self->piece.position, 1, &harvest);
}

/* Under the lock. */
static void
take_run (AiopoolBatchChunk *self,
          AiopoolItems      *items)
{
  AiopoolHarvest harvest = {
    .values = g_steal_pointer (&items->values),
    .run_times = g_steal_pointer (&items->run_times),
    .argument = self->piece.argument != NULL ? aiopool_payload_ref (self->piece.argument) : NULL,
    .index = self->piece.index + items->first,
    .is_chunk = self->piece.is_chunk,
    .started = items->started,
    .submitted = self->job.submitted,
    .pid = items->outcome.pid,
  };
  gint64 total = 0;

  for (guint i = 0; i < items->n; i++)
    total += harvest.run_times[i];
  learn_run_time (self->core, total, items->n);
  count_ended (self->core, items->n, NULL);
  aiopool_results_add_harvest (self->core->results, self->piece.position + items->first, items->n,
                               &harvest);
}

static void
feed_on_engine (gpointer data)
{
  AiopoolBatchCore *core = data;

  aiopool_batch_feed (core, AIOPOOL_RIGHTS_LIBRARY);
  aiopool_batch_core_unref_away (core);
}

/* Under the scheduler's lock. */
static void
on_items (AiopoolJob   *job,
          AiopoolItems *items)
{
  AiopoolBatchChunk *self = chunk_of_job (job);
  AiopoolBatchCore *core = self->core;

  g_mutex_lock (&core->lock);
  if (items->values != NULL)
    take_run (self, items);
  else
    {
      learn_run_time (core, items->outcome.ended - items->outcome.started, 1);
      end_item (self, items->first, &items->outcome);
    }
  self->n_came += items->n;
  if (core->wants_stop && !core->is_broken_off)
    aiopool_engine_post (feed_on_engine, aiopool_batch_core_ref (core));
  aiopool_batch_core_wake (core);
  g_mutex_unlock (&core->lock);
}

/* Under the lock. */
static void
submit_again (AiopoolBatchChunk *self,
              guint              first,
              guint              n_items,
              guint              n_tries)
{
  AiopoolPiece *piece = aiopool_piece_cut (&self->piece, first, n_items);

  piece->n_tries += n_tries;
  g_queue_push_tail (&self->core->pieces, piece);
}

static GError *
make_may_have_run (const GError *why)
{
  return g_error_new (AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_MAY_HAVE_RUN,
                      "The item may have run: the worker ended before it told (%s)", why->message);
}

/* Under the lock. Items from n_came to @n_begun of a chunk that ended with an error. */
static void
end_begun (AiopoolBatchChunk *self,
           guint              n_begun,
           AiopoolOutcome    *outcome)
{
  AiopoolBatchCore *core = self->core;
  guint n_unknown = n_begun - self->n_came - 1;
  g_autoptr (GError) unknown = NULL;

  if (n_begun == self->n_came)
    return;
  if (self->piece.n_tries < core->spec->options->retries && !core->is_broken_off)
    {
      if (n_unknown > 0)
        submit_again (self, self->n_came, n_unknown, 1);
      submit_again (self, n_begun - 1, 1, 1);
      return;
    }
  unknown = core->is_broken_off ? g_error_copy (outcome->error)
                                : make_may_have_run (outcome->error);
  aiopool_batch_end_items (core, &self->piece, self->n_came, n_unknown, unknown);
  end_item (self, n_begun - 1, outcome);
}

/* Under the lock. Those from @n_begun on have not begun. A chunk that was taken back as a whole is
 * said to be cancelled, but its items are not. */
static void
end_rest (AiopoolBatchChunk *self,
          guint              n_begun,
          const GError      *error)
{
  guint n_items = self->piece.n_items;

  if (n_begun >= n_items)
    return;
  if (n_begun > 0 || error == NULL || self->job.order.n_items == 0)
    submit_again (self, n_begun, n_items - n_begun, 0);
  else
    aiopool_batch_end_items (self->core, &self->piece, 0, n_items, error);
  self->piece.n_items = n_begun;
}

/* Under the lock. */
static void
end_chunk (AiopoolBatchChunk *self,
           AiopoolOutcome    *outcome)
{
  guint n_begun = CLAMP (outcome->n_begun, self->n_came, self->piece.n_items);
  g_autoptr (GError) error = NULL;

  if (outcome->error != NULL)
    {
      error = g_error_copy (outcome->error);
      end_begun (self, n_begun, outcome);
    }
  end_rest (self, n_begun, error);
}

static void
on_settled (AiopoolJob       *job,
            AiopoolOutcome   *outcome,
            AiopoolPostBatch *batch)
{
  AiopoolBatchChunk *self = chunk_of_job (job);
  AiopoolBatchCore *core = self->core;

  g_mutex_lock (&core->lock);
  if (is_chunk (self))
    end_chunk (self, outcome);
  else
    take_single (self, outcome);
  aiopool_batch_unlink_chunk (self);
  aiopool_batch_core_wake (core);
  g_mutex_unlock (&core->lock);
  aiopool_batch_feed (core, AIOPOOL_RIGHTS_LIBRARY);
  aiopool_batch_drop_chunk (job, batch);
}

/* Whoever comes first, this or the end, tells where the chunk ends. */
void
aiopool_batch_take_back (AiopoolBatchChunk *chunk,
                         guint              n_items)
{
  AiopoolBatchCore *core = chunk->core;

  g_mutex_lock (&core->lock);
  if (n_items < chunk->piece.n_items)
    {
      submit_again (chunk, n_items, chunk->piece.n_items - n_items, 0);
      chunk->piece.n_items = n_items;
    }
  g_mutex_unlock (&core->lock);
}

static void
on_shortened (AiopoolJob       *job,
              guint             n_items,
              AiopoolPostBatch *batch)
{
  aiopool_batch_take_back (chunk_of_job (job), n_items);
  aiopool_batch_feed (chunk_of_job (job)->core, AIOPOOL_RIGHTS_LIBRARY);
}

/* For the pool. */
static gboolean
on_logged (AiopoolJob       *job,
           AiopoolLogRecord *record)
{
  record->function = job->order.spec->function;
  record->tag = g_strdup (chunk_of_job (job)->core->tag);
  return FALSE;
}

const AiopoolJobClass aiopool_batch_job_class = {
  .settled = on_settled,
  .released = aiopool_batch_drop_chunk,
  .progress = aiopool_job_ignore_progress,
  .emitted = aiopool_job_ignore_emitted,
  .logged = on_logged,
  .items = on_items,
  .shortened = on_shortened,
};

/* Under the lock of the future, which has ended, on any thread: its user may have locks of its
 * own. */
void
aiopool_batch_future_ended (AiopoolBatchChunk *chunk)
{
  AiopoolBatchCore *core = chunk->core;
  AiopoolFutureExtra *extra = chunk->future->extra;
  AiopoolEnding ending = { .future = g_steal_pointer (&chunk->told_future) };

  g_mutex_lock (&core->lock);
  count_ended (core, 1, extra != NULL ? extra->error : NULL);
  aiopool_results_add_ending (core->results, chunk->piece.position, &ending);
  aiopool_batch_unlink_chunk (chunk);
  core->needs = MAX (core->needs, AIOPOOL_RIGHTS_EXECUTOR);
  aiopool_batch_core_check_over (core);
  aiopool_batch_core_wake (core);
  g_mutex_unlock (&core->lock);
  aiopool_batch_drop_chunk (&chunk->job, NULL);
}

static void
on_future_ended (AiopoolFutureWatch *watch,
                 AiopoolPostBatch   *batch)
{
  aiopool_batch_future_ended (chunk_of_watch (watch));
}

/* Partial results are of no use to a batch, and need no credit. */
static gboolean
is_awaited (AiopoolFutureWatch *watch)
{
  return TRUE;
}

const AiopoolFutureWatchClass aiopool_batch_watch_class = { on_future_ended, is_awaited };
