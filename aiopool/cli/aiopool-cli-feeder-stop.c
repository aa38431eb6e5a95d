/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "aiopool/cli/aiopool-cli-feeder-parts-private.h"

#include <errno.h>

/* What ends the feeding.
 *
 * FEEDING -> the items have ended and everything is printed -> the loop quits
 *         -> halted, soon: nothing more is started; what runs ends and is printed -> the loop quits
 *         -> halted, now: what has ended is printed -> stopped
 *         -> stopped: the pool is of no use, or nobody reads the output -> the loop quits */

static void
stop (CliFeeder *self,
      CliExit    status)
{
  if (self->is_stopped)
    return;

  self->is_stopped = TRUE;
  self->status = status;
  g_main_loop_quit (self->loop);
}

void
cli_feeder_stop_with_error (CliFeeder    *self,
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
void
cli_feeder_on_output_broken (gpointer user_data)
{
  CliFeeder *self = user_data;
  int error_number = cli_output_get_errno (self->sink.output);

  if (error_number != EPIPE && !self->is_stopped)
    cli_print_error ("cannot write: %s", g_strerror (error_number));

  stop (self, error_number == EPIPE ? CLI_EXIT_PIPE : CLI_EXIT_TROUBLE);
}

/* An error that every other item would meet as well. */
gboolean
cli_feeder_stop_if_hopeless (CliFeeder    *self,
                             const GError *error)
{
  if (g_error_matches (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_UNKNOWN_FUNCTION))
    cli_feeder_stop_with_error (self, self->work->usage_status, error);
  else if (error->domain == AIOPOOL_POOL_ERROR)
    cli_feeder_stop_with_error (self, CLI_EXIT_TROUBLE, error);
  else
    return FALSE;

  return TRUE;
}

/* Standard output tells by itself when it takes no more. */
void
cli_feeder_check_log (CliFeeder *self)
{
  if (self->sink.log_error != NULL)
    cli_feeder_stop_with_error (self, CLI_EXIT_TROUBLE, self->sink.log_error);
}

void
cli_feeder_give_to_sink (CliFeeder *self,
                         CliJob    *job)
{
  cli_sink_end (&self->sink, job);
  cli_feeder_check_log (self);
}

/* Those that failed have done so for good now; the others never were. */
static void
end_waiting (CliFeeder *self)
{
  CliJob *job = NULL;

  while (!self->is_stopped && (job = g_queue_peek_head (&self->waiting)) != NULL)
    {
      g_queue_unlink (&self->waiting, &job->waiting_link);
      if (job->end.n_tries > 0)
        cli_feeder_give_to_sink (self, job);
      else
        cli_sink_drop (&self->sink, job);
    }
}

static void
withdraw_pending (CliFeeder *self)
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

void
cli_feeder_halt (CliFeeder *self)
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
  cli_feeder_check_log (self);
  stop (self, CLI_EXIT_OK);
}
