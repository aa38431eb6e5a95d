/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "aiopool/cli/aiopool-cli-feeder-parts-private.h"

#include "aiopool/cli/aiopool-cli-signals-private.h"

/* The end of a try. It is judged once, in cli_feeder_end_try(), which knows nothing of futures;
 * what ended for good goes to the sink, to be counted, logged and printed. */

static void
end_job (CliFeeder *self,
         CliJob    *job)
{
  cli_feeder_give_to_sink (self, job);
  if (!self->is_stopped && !self->is_halting &&
      cli_halt_is_due (&self->options->halt, self->sink.n_done, self->sink.n_failed,
                       self->sink.n_total))
    cli_feeder_halt (self);
}

static gboolean
is_to_be_retried (CliFeeder *self,
                  CliJob    *job)
{
  return !self->is_halting && job->end.n_tries > 0 && !cli_outcome_is_ok (&job->end.outcome) &&
         (self->options->n_tries == 0 || job->end.n_tries < self->options->n_tries);
}

/* Result or error are in place. */
void
cli_feeder_end_try (CliFeeder *self,
                    CliJob    *job)
{
  if (job->end.error != NULL && cli_feeder_stop_if_hopeless (self, job->end.error))
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
withdraw_job (CliFeeder *self,
              CliJob    *job)
{
  cli_sink_drop (&self->sink, job);
  cli_sink_print_ready (&self->sink);
  cli_feeder_check_log (self);
}

static void
end_future (CliFeeder     *self,
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
  cli_feeder_end_try (self, job);
}

void
cli_feeder_on_future_done (AiopoolFuture *future,
                           gpointer       user_data)
{
  CliJob *job = user_data;
  CliFeeder *self = job->feeder;

  cli_signals_check ();
  if (self->is_stopped)
    return;

  end_future (self, job, future);
  if (!self->is_stopped)
    cli_feeder_feed (self);
}

static void
on_chunks_wanted (gpointer user_data)
{
  cli_feeder_feed (user_data);
}

static void
on_chunk_item_ended (AiopoolFuture *future,
                     gpointer       pushed,
                     gpointer       user_data)
{
  CliFeeder *self = user_data;
  CliJob *job = pushed;

  cli_signals_check ();
  if (self->is_stopped)
    return;

  job->is_withdrawn = self->is_halting &&
                      aiopool_future_get_state (future) == AIOPOOL_FUTURE_CANCELLED &&
                      aiopool_future_get_started_at (future) <= 0;
  end_future (self, job, future);
  if (!self->is_stopped)
    cli_feeder_feed (self);
}

/* Those that have not ended never began. */
static void
withdraw_rest (CliFeeder *self)
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
  cli_feeder_check_log (self);
}

static void
on_chunks_over (const GError *error,
                gpointer      user_data)
{
  CliFeeder *self = user_data;

  cli_signals_check ();
  if (self->is_stopped)
    return;

  if (!self->is_halting)
    {
      cli_feeder_stop_with_error (self, CLI_EXIT_TROUBLE, error);
      return;
    }

  withdraw_rest (self);
  if (!self->is_stopped)
    cli_feeder_feed (self);
}

const CliChunksFuncs cli_feeder_chunks_funcs = {
  on_chunks_wanted,
  on_chunk_item_ended,
  on_chunks_over,
};
