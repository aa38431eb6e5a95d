/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "aiopool/cli/aiopool-cli-feeder-parts-private.h"

#include "aiopool/cli/aiopool-cli-bar-private.h"
#include "aiopool/cli/aiopool-cli-feeder-private.h"
#include "aiopool/cli/aiopool-cli-signals-private.h"

/* Feeds items to a pool and prints what comes back. All is done on the main loop.
 *
 * Memory is bounded: an item is taken only when there is room among the submitted and, in ordered
 * printing, among those that wait for an earlier one. Each job is the sink's from its item being
 * taken until it is printed:
 *
 *   new -> submitted -> ended -> printed
 *      \-> waiting <-/     one that failed is tried again; or the pool had no room
 *
 * What is taken stands here, and the run; how a job is submitted in feeder-start, what becomes of
 * it in feeder-end, and what ends the feeding before its time in feeder-stop. */

#define STOP_GRACE_SECONDS 0.2

/* With --chunk: most results that wait for an earlier item, most bytes of items on their way. */
#define N_HELD_OF_CHUNKS 65536
#define BYTES_OF_CHUNKS (64 * 1024 * 1024)

static gboolean
has_room_for_chunks (CliFeeder *self)
{
  guint n_held = self->sink.jobs.length - self->n_submitted;

  return cli_chunks_count_wanted (self->chunks) > 0 &&
         (self->waiting.length > 0 ||
          (n_held < N_HELD_OF_CHUNKS && self->sink.n_bytes < BYTES_OF_CHUNKS));
}

/* Where it matters when something starts, nothing is submitted ahead: to submit is to start. */
static gboolean
has_room (CliFeeder *self)
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
  CliFeeder *self = user_data;

  self->delay_id = 0;
  cli_feeder_feed (self);
  return G_SOURCE_REMOVE;
}

static gboolean
may_start (CliFeeder *self)
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
print_dry (CliFeeder *self,
           CliItem   *item)
{
  g_autofree char *command = self->work->describe (item, self->work->user_data);

  cli_output_write_line (self->sink.output, command);
  cli_item_free (item);
}

static void
feed_item (CliFeeder *self,
           CliItem   *item)
{
  if (self->options->is_dry_run)
    print_dry (self, item);
  else if (!cli_item_has_nul (item))
    cli_feeder_start_job (self, cli_sink_add (&self->sink, item, self));
  else
    cli_feeder_refuse_job (self, cli_sink_add (&self->sink, item, self),
                           g_error_new_literal (G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                                                "the item has a NUL byte inside"));
}

/* The next item that is not done. */
static CliItem *
take_item (CliFeeder *self)
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

      cli_feeder_stop_with_error (self, self->work->usage_status, error);
      return NULL;
    }

  if (error != NULL)
    cli_feeder_stop_with_error (self, CLI_EXIT_TROUBLE, error);
  return NULL;
}

/* FALSE: there is nothing to start now. */
static gboolean
start_next (CliFeeder *self)
{
  CliJob *job = g_queue_peek_head (&self->waiting);
  CliItem *item = NULL;

  if (job != NULL)
    {
      g_queue_unlink (&self->waiting, &job->waiting_link);
      cli_feeder_start_job (self, job);
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
  cli_feeder_feed (user_data);
  return G_SOURCE_REMOVE;
}

/* Called at the start, when more items are there, and when a task has ended. */
void
cli_feeder_feed (CliFeeder *self)
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
init_feeder (CliFeeder     *self,
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
  cli_sink_start (&self->sink, cli_feeder_on_output_broken, self);
}

/* Where it matters when something starts, workers have nothing ahead but the rest of their chunk,
 * which can be taken back. */
static void
start_chunks (CliFeeder *self)
{
  const CliOptions *options = self->options;
  guint n_chunks = options->halt.when != CLI_HALT_NEVER ? options->n_workers : 0;

  if (options->is_chunked && !options->is_dry_run)
    self->chunks = cli_chunks_new (self->pool, self->work->function, options->timeout,
                                   options->chunk_size, n_chunks, &cli_feeder_chunks_funcs, self);
}

static void
close_pool (CliFeeder *self)
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
clear_feeder (CliFeeder *self)
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
  cli_feeder_feed (user_data);
  return G_SOURCE_REMOVE;
}

/* Successes that were asked for make up for failures on the way. */
static guint64
get_n_failed (CliFeeder *self)
{
  return self->is_halting && self->options->halt.why == CLI_HALT_SUCCESS ? 0 : self->sink.n_failed;
}

CliExit
cli_feeder_run (const CliWork *work,
                guint64       *n_failed)
{
  CliFeeder self = { 0 };
  g_autoptr (GError) error = NULL;

  *n_failed = 0;
  if (!cli_sink_open (&self.sink, work, &error))
    {
      cli_print_error ("%s", error->message);
      return CLI_EXIT_TROUBLE;
    }

  init_feeder (&self, work);
  g_idle_add_full (G_PRIORITY_DEFAULT, on_start, &self, NULL); /* only a running loop can be quit */
  g_main_loop_run (self.loop);

  cli_output_flush (self.sink.output); /* may stop it, too */
  cli_bar_stop ();
  close_pool (&self);
  *n_failed = get_n_failed (&self);
  clear_feeder (&self);
  return self.status;
}
