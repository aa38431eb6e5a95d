/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "aiopool/cli/aiopool-cli-feeder-parts-private.h"

/* How a job is given to the pool.
 *
 * With --chunk, jobs go to workers by chunks and have no futures of their own before they have
 * ended; everything else is the same.
 *
 * Tasks have no retries of the library's: those are for crashes only, and here a crash is one
 * failed try like any other. */

#define MAX_DELAY 1e9

void
cli_feeder_refuse_job (CliFeeder *self,
                       CliJob    *job,
                       GError    *error)
{
  job->end.error = error;
  job->end.n_tries = 0;
  job->end.outcome.started_at = g_get_real_time () / (double) G_TIME_SPAN_SECOND;
  job->end.outcome.run_time = 0;
  cli_feeder_end_try (self, job);
}

/* No room in the pool: the job waits for the next end of a task. */
static gboolean
keep_job (CliFeeder    *self,
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
make_task (CliFeeder *self,
           CliJob    *job)
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
push_job (CliFeeder *self,
          CliJob    *job)
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
submit_job (CliFeeder *self,
            CliJob    *job)
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
      cli_feeder_refuse_job (self, job, g_steal_pointer (&error));
      return;
    }

  g_set_object (&job->future, future);
  job->end.n_tries++;
  self->n_submitted++;
  self->next_start_us = g_get_monotonic_time () +
                        (gint64) (MIN (self->options->delay, MAX_DELAY) * G_TIME_SPAN_SECOND);
  aiopool_future_add_done_callback (future, cli_feeder_on_future_done, job, NULL);
}

void
cli_feeder_start_job (CliFeeder *self,
                      CliJob    *job)
{
  if (self->chunks != NULL)
    push_job (self, job);
  else
    submit_job (self, job);
}
