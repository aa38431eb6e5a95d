/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "aiopool/cli/aiopool-cli-sink-private.h"

#include "aiopool/cli/aiopool-cli-bar-private.h"

/* Where items end: each is counted once, logged once and printed once.
 *
 * A line of the log is written when the output of its item is: whoever finds an item in the log
 * need not fear for its output. Where output waits for an earlier item, it is for the command to
 * say which matters more: that results are not lost (map), or that nothing runs twice (run), for
 * which the line is written when the item ends. */

/* --- jobs ------------------------------------------------------------------------------------- */

void
cli_end_clear (CliEnd *end)
{
  g_clear_pointer (&end->result, g_variant_unref);
  g_clear_error (&end->error);
}

CliJob *
cli_sink_add (CliSink *self,
              CliItem *item,
              gpointer feeder)
{
  CliJob *job = g_new0 (CliJob, 1);

  job->feeder = feeder;
  job->item = item;
  job->link.data = job;
  job->waiting_link.data = job;
  g_queue_push_tail_link (&self->jobs, &job->link);
  self->n_bytes += item->length;
  return job;
}

void
cli_sink_drop (CliSink *self,
               CliJob  *job)
{
  g_queue_unlink (&self->jobs, &job->link);
  self->n_bytes -= job->item->length;
  cli_item_free (job->item);
  g_clear_object (&job->future);
  cli_end_clear (&job->end);
  g_free (job);
}

/* --- log and output --------------------------------------------------------------------------- */

/* Whether output and log still take something. */
static gboolean
is_open (CliSink *self)
{
  return self->log_error == NULL && cli_output_get_errno (self->output) == 0;
}

static void
log_job (CliSink *self,
         CliJob  *job)
{
  g_autofree char *command = NULL;

  if (self->joblog == NULL || !is_open (self))
    return;

  command = self->work->describe (job->item, self->work->user_data);
  cli_joblog_write (self->joblog, job->item->number, &job->end.outcome, command,
                    &self->log_error);
}

static gboolean
is_logged_early (CliSink *self)
{
  return self->work->is_ordered && !self->work->logs_as_printed;
}

static void
take_and_print (CliSink *self,
                CliJob  *job)
{
  self->work->print (self->output, job->item, &job->end, self->work->user_data);
  if (self->joblog != NULL && !is_logged_early (self))
    {
      cli_output_flush (self->output);
      log_job (self, job);
    }
  cli_sink_drop (self, job);
}

void
cli_sink_print_ready (CliSink *self)
{
  CliJob *job = NULL;

  while (is_open (self) && (job = g_queue_peek_head (&self->jobs)) != NULL && job->is_ended)
    take_and_print (self, job);
}

void
cli_sink_print_all (CliSink *self)
{
  GList *link = self->jobs.head;

  while (is_open (self) && link != NULL)
    {
      CliJob *job = link->data;

      link = link->next;
      if (job->is_ended)
        take_and_print (self, job);
    }
}

/* --- counting --------------------------------------------------------------------------------- */

static void
update_bar (CliSink *self)
{
  guint64 n_items = cli_items_get_total (self->work->items);

  if (self->n_total == 0 && n_items > 0)
    self->n_total = n_items - (self->joblog != NULL ? cli_joblog_count_done (self->joblog, n_items)
                                                    : 0);
  cli_bar_update (self->n_done, self->n_failed, self->n_retried, self->n_total);
}

void
cli_sink_count_retry (CliSink *self)
{
  self->n_retried++;
  update_bar (self);
}

void
cli_sink_end (CliSink *self,
              CliJob  *job)
{
  job->is_ended = TRUE;
  self->n_done++;
  if (!cli_outcome_is_ok (&job->end.outcome))
    self->n_failed++;

  if (is_logged_early (self))
    log_job (self, job);
  if (self->work->is_ordered)
    cli_sink_print_ready (self);
  else
    take_and_print (self, job);
  update_bar (self);
}

gboolean
cli_sink_is_item_done (CliSink       *self,
                       const CliItem *item,
                       GError       **error)
{
  g_autofree char *command = NULL;

  if (self->joblog == NULL || !cli_joblog_has (self->joblog, item->number))
    return FALSE;

  command = self->work->describe (item, self->work->user_data);
  return cli_joblog_check (self->joblog, item->number, command, error) &&
         cli_joblog_is_done (self->joblog, item->number);
}

/* --- start and end ---------------------------------------------------------------------------- */

/* A dry run reads the log at most. */
gboolean
cli_sink_open (CliSink       *self,
               const CliWork *work,
               GError       **error)
{
  const CliOptions *options = work->options;
  CliJoblogMode mode = CLI_JOBLOG_NEW;

  self->work = work;
  g_queue_init (&self->jobs);
  if (options->joblog == NULL || (options->is_dry_run && !options->is_resumed))
    return TRUE;

  if (options->retries_failed)
    mode = CLI_JOBLOG_RESUME_FAILED;
  else if (options->is_resumed)
    mode = CLI_JOBLOG_RESUME;

  self->joblog = cli_joblog_open (options->joblog, mode, options->is_dry_run, error);
  return self->joblog != NULL;
}

void
cli_sink_start (CliSink      *self,
                CliBrokenFunc on_broken,
                gpointer      user_data)
{
  self->output = cli_output_new (on_broken, user_data);
  update_bar (self);
}

void
cli_sink_clear (CliSink *self)
{
  CliJob *job = NULL;

  while ((job = g_queue_peek_head (&self->jobs)) != NULL)
    cli_sink_drop (self, job);

  g_clear_pointer (&self->output, cli_output_free);
  g_clear_pointer (&self->joblog, cli_joblog_free);
  g_clear_error (&self->log_error);
}
