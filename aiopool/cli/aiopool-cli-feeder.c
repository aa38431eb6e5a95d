/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "aiopool/cli/aiopool-cli-feeder-private.h"

#include <errno.h>

#include "aiopool/cli/aiopool-cli-bar-private.h"
#include "aiopool/cli/aiopool-cli-chunks-private.h"
#include "aiopool/cli/aiopool-cli-signals-private.h"
#include "aiopool/cli/aiopool-cli-sink-private.h"

/* Feeds items to a pool and prints what comes back.
 *
 * Memory is bounded: an item is taken only when there is room among the submitted and, in ordered
 * printing, among those that wait for an earlier one. Each job is the sink's from its item being
 * taken until it is printed:
 *
 *   new -> submitted -> ended -> printed
 *      \-> waiting <-/     one that failed is tried again; or the pool had no room
 *
 * A try that ends is judged once, in end_try(), which knows nothing of futures; what ended for good
 * goes to the sink, to be counted, logged and printed.
 *
 * FEEDING -> the items have ended and everything is printed -> the loop quits
 *         -> halt(), soon: nothing more is started; what runs ends and is printed -> the loop quits
 *         -> halt(), now: what has ended is printed -> stop()
 *         -> stop(): the pool is of no use, or nobody reads the output -> the loop quits
 *
 * With --chunk, jobs go to workers by chunks and have no futures of their own before they have
 * ended; everything else is the same.
 *
 * Tasks have no retries of the library's: those are for crashes only, and here a crash is one
 * failed try like any other. */

#define STOP_GRACE_SECONDS 0.2
#define MAX_DELAY 1e9
#define N_HELD_OF_CHUNKS 65536            /* most results that wait for an earlier item then, */
#define BYTES_OF_CHUNKS (64 * 1024 * 1024) /* and most bytes of items on their way */

typedef struct
{
  const CliWork    *work;       /* (unowned: the caller's) */
  const CliOptions *options;    /* (unowned: the work's) */
  AiopoolPool      *pool;       /* (owned) */
  CliChunks        *chunks;     /* (owned) (nullable): with --chunk */
  CliSink           sink;       /* (owned) */
  GMainLoop        *loop;       /* (owned) */
  GQueue            waiting;    /* of CliJob: to be submitted, again or for the first time */
  gboolean          is_full;    /* the pool has no room until a task ends */
  guint             n_submitted;
  gint64            next_start_us;
  guint             delay_id;
  gboolean          is_halting; /* only halt() writes it */
  gboolean          is_stopped;
  CliExit           status;     /* only stop() writes it */
} Feeder;

static void feed (Feeder *self);

/* --- stopping --------------------------------------------------------------------------------- */

static void
stop (Feeder *self,
      CliExit status)
{
  if (self->is_stopped)
    return;

  self->is_stopped = TRUE;
  self->status = status;
  g_main_loop_quit (self->loop);
}

static void
stop_with_error (Feeder       *self,
                 CliExit       status,
                 const GError *error)
{
  if (self->is_stopped)
    return;

  cli_output_flush (self->sink.output);
  cli_print_error ("%s", error->message);
  stop (self, status);
}

/* The reader of a pipe that has seen enough is no error worth a word. */
static void
on_output_broken (gpointer user_data)
{
  Feeder *self = user_data;
  int error_number = cli_output_get_errno (self->sink.output);

  if (error_number != EPIPE && !self->is_stopped)
    cli_print_error ("cannot write: %s", g_strerror (error_number));

  stop (self, error_number == EPIPE ? CLI_EXIT_PIPE : CLI_EXIT_TROUBLE);
}

/* An error that every other item would meet as well. */
static gboolean
stop_if_hopeless (Feeder       *self,
                  const GError *error)
{
  if (g_error_matches (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_UNKNOWN_FUNCTION))
    stop_with_error (self, self->work->usage_status, error);
  else if (error->domain == AIOPOOL_POOL_ERROR)
    stop_with_error (self, CLI_EXIT_TROUBLE, error);
  else
    return FALSE;

  return TRUE;
}

/* --- halting ---------------------------------------------------------------------------------- */

/* Standard output tells by itself when it takes no more. */
static void
check_log (Feeder *self)
{
  if (self->sink.log_error != NULL)
    stop_with_error (self, CLI_EXIT_TROUBLE, self->sink.log_error);
}

static void
give_to_sink (Feeder *self,
              CliJob *job)
{
  cli_sink_end (&self->sink, job);
  check_log (self);
}

/* Those that failed have done so for good now; the others never were. */
static void
end_waiting (Feeder *self)
{
  CliJob *job = NULL;

  while (!self->is_stopped && (job = g_queue_peek_head (&self->waiting)) != NULL)
    {
      g_queue_unlink (&self->waiting, &job->waiting_link);
      if (job->end.n_tries > 0)
        give_to_sink (self, job);
      else
        cli_sink_drop (&self->sink, job);
    }
}

static void
withdraw_pending (Feeder *self)
{
  GList *link = NULL;

  for (link = self->sink.jobs.head; link != NULL; link = link->next)
    {
      CliJob *job = link->data;

      if (!job->is_ended && job->future != NULL &&
          aiopool_future_cancel (job->future, AIOPOOL_CANCEL_PENDING))
        job->is_withdrawn = TRUE;
    }
}

static void
halt (Feeder *self)
{
  self->is_halting = TRUE;
  end_waiting (self);
  if (self->options->halt.when == CLI_HALT_SOON)
    {
      if (self->chunks != NULL)
        cli_chunks_cancel (self->chunks);
      else
        withdraw_pending (self);
      return;
    }

  cli_sink_print_all (&self->sink);
  check_log (self);
  stop (self, CLI_EXIT_OK);
}

/* --- the end of a try ------------------------------------------------------------------------- */

static void
end_job (Feeder *self,
         CliJob *job)
{
  give_to_sink (self, job);
  if (!self->is_stopped && !self->is_halting &&
      cli_halt_is_due (&self->options->halt, self->sink.n_done, self->sink.n_failed,
                       self->sink.n_total))
    halt (self);
}

static gboolean
is_to_be_retried (Feeder *self,
                  CliJob *job)
{
  return !self->is_halting && job->end.n_tries > 0 && !cli_outcome_is_ok (&job->end.outcome) &&
         (self->options->n_tries == 0 || job->end.n_tries < self->options->n_tries);
}

/* Result or error are in place. */
static void
end_try (Feeder *self,
         CliJob *job)
{
  if (job->end.error != NULL && stop_if_hopeless (self, job->end.error))
    return;

  self->work->judge (&job->end, self->work->user_data);
  if (!is_to_be_retried (self, job))
    {
      end_job (self, job);
      return;
    }

  cli_sink_count_retry (&self->sink);
  g_queue_push_tail_link (&self->waiting, &job->waiting_link);
}

static void
take_times (CliEnd        *end,
            AiopoolFuture *future)
{
  double age = g_get_monotonic_time () / (double) G_TIME_SPAN_SECOND -
               aiopool_future_get_started_at (future);

  end->outcome.run_time = MAX (aiopool_future_get_run_time (future), 0);
  if (aiopool_future_get_started_at (future) <= 0)
    age = 0;
  end->outcome.started_at = g_get_real_time () / (double) G_TIME_SPAN_SECOND - age;
}

/* Nothing comes of the job. */
static void
withdraw_job (Feeder *self,
              CliJob *job)
{
  cli_sink_drop (&self->sink, job);
  cli_sink_print_ready (&self->sink);
  check_log (self);
}

static void
end_future (Feeder        *self,
            CliJob        *job,
            AiopoolFuture *future)
{
  self->n_submitted--;
  self->is_full = FALSE;
  if (job->is_withdrawn)
    {
      withdraw_job (self, job);
      return;
    }

  job->end.result = aiopool_future_get_result (future, &job->end.error);
  take_times (&job->end, future);
  end_try (self, job);
}

static void
on_future_done (AiopoolFuture *future,
                gpointer       user_data)
{
  CliJob *job = user_data;
  Feeder *self = job->feeder;

  cli_signals_check ();
  if (self->is_stopped)
    return;

  end_future (self, job, future);
  if (!self->is_stopped)
    feed (self);
}

/* --- chunks ----------------------------------------------------------------------------------- */

static void
on_chunks_wanted (gpointer user_data)
{
  feed (user_data);
}

static void
on_chunk_item_ended (AiopoolFuture *future,
                     gpointer       pushed,
                     gpointer       user_data)
{
  Feeder *self = user_data;
  CliJob *job = pushed;

  cli_signals_check ();
  if (self->is_stopped)
    return;

  job->is_withdrawn = self->is_halting &&
                      aiopool_future_get_state (future) == AIOPOOL_FUTURE_CANCELLED &&
                      aiopool_future_get_started_at (future) <= 0;
  end_future (self, job, future);
  if (!self->is_stopped)
    feed (self);
}

/* Those that have not ended never began. */
static void
withdraw_rest (Feeder *self)
{
  GList *link = self->sink.jobs.head;

  while (link != NULL)
    {
      CliJob *job = link->data;

      link = link->next;
      if (!job->is_ended)
        cli_sink_drop (&self->sink, job);
    }
  cli_sink_print_ready (&self->sink);
  check_log (self);
}

static void
on_chunks_over (const GError *error,
                gpointer      user_data)
{
  Feeder *self = user_data;

  cli_signals_check ();
  if (self->is_stopped)
    return;

  if (!self->is_halting)
    {
      stop_with_error (self, CLI_EXIT_TROUBLE, error);
      return;
    }

  withdraw_rest (self);
  if (!self->is_stopped)
    feed (self);
}

static const CliChunksFuncs chunks_funcs = {
  on_chunks_wanted,
  on_chunk_item_ended,
  on_chunks_over,
};

/* --- feeding ---------------------------------------------------------------------------------- */

static gboolean
has_room_for_chunks (Feeder *self)
{
  guint n_held = self->sink.jobs.length - self->n_submitted;

  return cli_chunks_count_wanted (self->chunks) > 0 &&
         (self->waiting.length > 0 ||
          (n_held < N_HELD_OF_CHUNKS && self->sink.n_bytes < BYTES_OF_CHUNKS));
}

/* Where it matters when something starts, nothing is submitted ahead: to submit is to start. */
static gboolean
has_room (Feeder *self)
{
  guint n_workers = self->options->n_workers;
  guint n_submitted_max = MIN (self->work->n_per_worker * n_workers + 2, 8192);

  if (self->chunks != NULL)
    return has_room_for_chunks (self);

  if (self->options->delay > 0 || self->options->halt.when != CLI_HALT_NEVER)
    n_submitted_max = n_workers;

  return self->n_submitted < n_submitted_max &&
         (self->waiting.length > 0 ||
          self->sink.jobs.length < n_submitted_max + self->work->n_held);
}

static gboolean
on_delay_over (gpointer user_data)
{
  Feeder *self = user_data;

  self->delay_id = 0;
  feed (self);
  return G_SOURCE_REMOVE;
}

static gboolean
may_start (Feeder *self)
{
  gint64 left_us = self->next_start_us - g_get_monotonic_time ();

  if (self->is_stopped || self->is_halting || self->is_full || !has_room (self))
    return FALSE;

  if (self->options->delay <= 0 || left_us <= 0)
    return TRUE;

  if (self->delay_id == 0)
    self->delay_id = g_timeout_add ((guint) MIN (left_us / 1000 + 1, G_MAXINT), on_delay_over,
                                    self);
  return FALSE;
}

static void
refuse_job (Feeder *self,
            CliJob *job,
            GError *error)
{
  job->end.error = error;
  job->end.n_tries = 0;
  job->end.outcome.started_at = g_get_real_time () / (double) G_TIME_SPAN_SECOND;
  job->end.outcome.run_time = 0;
  end_try (self, job);
}

/* No room in the pool: the job waits for the next end of a task. */
static gboolean
keep_job (Feeder       *self,
          CliJob       *job,
          const GError *error)
{
  if (!g_error_matches (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_FULL) ||
      self->n_submitted == 0)
    return FALSE;

  self->is_full = TRUE;
  g_queue_push_head_link (&self->waiting, &job->waiting_link);
  return TRUE;
}

static AiopoolTask *
make_task (Feeder *self,
           CliJob *job)
{
  GVariant *argument = self->work->make_argument (job->item, self->work->user_data);
  AiopoolTask *task = NULL;

  task = aiopool_task_new (self->work->function, g_variant_new_tuple (&argument, 1));
  if (self->options->timeout > 0)
    aiopool_task_set_timeout (task, self->options->timeout);
  return task;
}

/* What has failed may do worse, and takes no other item with it then. */
static void
push_job (Feeder *self,
          CliJob *job)
{
  gboolean is_alone = job->end.n_tries > 0;

  cli_end_clear (&job->end);
  job->end.n_tries++;
  self->n_submitted++;
  if (is_alone)
    {
      g_autoptr (AiopoolTask) task = make_task (self, job);

      cli_chunks_push_alone (self->chunks, task, job);
      return;
    }
  cli_chunks_push (self->chunks, self->work->make_argument (job->item, self->work->user_data),
                   job);
}

static void
submit_job (Feeder *self,
            CliJob *job)
{
  g_autoptr (AiopoolTask) task = make_task (self, job);
  g_autoptr (AiopoolFuture) future = NULL;
  g_autoptr (GError) error = NULL;

  future = aiopool_executor_submit (AIOPOOL_EXECUTOR (self->pool), task, NULL, &error);
  if (future == NULL && keep_job (self, job, error))
    return;

  cli_end_clear (&job->end);
  if (future == NULL)
    {
      refuse_job (self, job, g_steal_pointer (&error));
      return;
    }

  g_set_object (&job->future, future);
  job->end.n_tries++;
  self->n_submitted++;
  self->next_start_us = g_get_monotonic_time () +
                        (gint64) (MIN (self->options->delay, MAX_DELAY) * G_TIME_SPAN_SECOND);
  aiopool_future_add_done_callback (future, on_future_done, job, NULL);
}

static void
start_job (Feeder *self,
           CliJob *job)
{
  if (self->chunks != NULL)
    push_job (self, job);
  else
    submit_job (self, job);
}

static void
print_dry (Feeder  *self,
           CliItem *item)
{
  g_autofree char *command = self->work->describe (item, self->work->user_data);

  cli_output_write_line (self->sink.output, command);
  cli_item_free (item);
}

static void
feed_item (Feeder  *self,
           CliItem *item)
{
  if (self->options->is_dry_run)
    print_dry (self, item);
  else if (!cli_item_has_nul (item))
    start_job (self, cli_sink_add (&self->sink, item, self));
  else
    refuse_job (self, cli_sink_add (&self->sink, item, self),
                g_error_new_literal (G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                                     "the item has a NUL byte inside"));
}

/* The next item that is not done. */
static CliItem *
take_item (Feeder *self)
{
  g_autoptr (GError) error = NULL;
  CliItem *item = NULL;

  while ((item = cli_items_next (self->work->items, &error)) != NULL)
    {
      if (!cli_sink_is_item_done (&self->sink, item, &error) && error == NULL)
        return item;

      g_clear_pointer (&item, cli_item_free);
      if (error == NULL)
        continue;

      stop_with_error (self, self->work->usage_status, error);
      return NULL;
    }

  if (error != NULL)
    stop_with_error (self, CLI_EXIT_TROUBLE, error);
  return NULL;
}

/* FALSE: there is nothing to start now. */
static gboolean
start_next (Feeder *self)
{
  CliJob *job = g_queue_peek_head (&self->waiting);
  CliItem *item = NULL;

  if (job != NULL)
    {
      g_queue_unlink (&self->waiting, &job->waiting_link);
      start_job (self, job);
      return TRUE;
    }

  item = take_item (self);
  if (item != NULL)
    feed_item (self, item);
  return item != NULL;
}

static gboolean
on_items (gpointer user_data)
{
  feed (user_data);
  return G_SOURCE_REMOVE;
}

/* Called at the start, when more items are there, and when a task has ended. */
static void
feed (Feeder *self)
{
  while (may_start (self) && start_next (self))
    ;

  if (self->is_stopped)
    return;

  if (self->sink.jobs.length == 0 && (self->is_halting || cli_items_is_ended (self->work->items)))
    g_main_loop_quit (self->loop);
  else if (may_start (self) && !cli_items_is_ended (self->work->items))
    cli_items_wait (self->work->items, on_items, self);
}

/* --- the run ---------------------------------------------------------------------------------- */

static AiopoolPool *
new_pool (const CliWork *work)
{
  const char *plugins[] = { work->plugin, NULL };
  g_autoptr (AiopoolLauncher) launcher = work->plugin != NULL
                                           ? aiopool_launcher_new_for_plugins (plugins)
                                           : aiopool_launcher_new_for_python (NULL);

  return aiopool_pool_new_with_launcher (work->options->n_workers, launcher);
}

static void
init_feeder (Feeder        *self,
             const CliWork *work)
{
  self->work = work;
  self->options = work->options;
  self->pool = new_pool (work);
  self->loop = g_main_loop_new (NULL, FALSE);
  g_queue_init (&self->waiting);
  if (work->options->halt.is_percent)
    cli_items_read_ahead (work->items);
  cli_signals_set_pool (self->pool);
  cli_bar_start (work->options->with_bar);
  cli_sink_start (&self->sink, on_output_broken, self);
}

/* Where it matters when something starts, workers have nothing ahead but the rest of their chunk,
 * which can be taken back. */
static void
start_chunks (Feeder *self)
{
  const CliOptions *options = self->options;
  guint n_chunks = options->halt.when != CLI_HALT_NEVER ? options->n_workers : 0;

  if (options->is_chunked && !options->is_dry_run)
    self->chunks = cli_chunks_new (self->pool, self->work->function, options->timeout,
                                   options->chunk_size, n_chunks, &chunks_funcs, self);
}

static void
close_pool (Feeder *self)
{
  AiopoolShutdownFlags flags = AIOPOOL_SHUTDOWN_DRAIN;

  if (self->is_stopped)
    {
      aiopool_pool_set_grace_period (self->pool, STOP_GRACE_SECONDS);
      flags = AIOPOOL_SHUTDOWN_TERMINATE;
    }

  aiopool_executor_shutdown (AIOPOOL_EXECUTOR (self->pool), flags, NULL, NULL);
}

static void
clear_feeder (Feeder *self)
{
  g_clear_handle_id (&self->delay_id, g_source_remove);
  g_clear_pointer (&self->chunks, cli_chunks_free);
  cli_sink_clear (&self->sink);
  g_clear_pointer (&self->loop, g_main_loop_unref);
  cli_signals_set_pool (NULL);
  g_clear_object (&self->pool);
}

static gboolean
on_start (gpointer user_data)
{
  start_chunks (user_data);
  feed (user_data);
  return G_SOURCE_REMOVE;
}

/* Successes that were asked for make up for failures on the way. */
static guint64
get_n_failed (Feeder *self)
{
  return self->is_halting && self->options->halt.why == CLI_HALT_SUCCESS ? 0 : self->sink.n_failed;
}

CliExit
cli_feeder_run (const CliWork *work,
                guint64       *n_failed)
{
  Feeder self = { 0 };
  g_autoptr (GError) error = NULL;

  *n_failed = 0;
  if (!cli_sink_open (&self.sink, work, &error))
    {
      cli_print_error ("%s", error->message);
      return CLI_EXIT_TROUBLE;
    }

  init_feeder (&self, work);
  g_idle_add_full (G_PRIORITY_DEFAULT, on_start, &self, NULL); /* stop() needs a running loop */
  g_main_loop_run (self.loop);

  cli_output_flush (self.sink.output); /* may stop it, too */
  cli_bar_stop ();
  close_pool (&self);
  *n_failed = get_n_failed (&self);
  clear_feeder (&self);
  return self.status;
}
