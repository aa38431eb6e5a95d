/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "aiopool/cli/aiopool-cli-feeder-private.h"

#include <errno.h>

#include "aiopool/cli/aiopool-cli-bar-private.h"
#include "aiopool/cli/aiopool-cli-signals-private.h"

/* Feeds items to a pool and prints what comes back.
 *
 * Memory is bounded: an item is taken only when there is room among the submitted and, in ordered
 * printing, among those that wait for an earlier one. Each job is in one place: in "jobs", in the
 * order of the items, from its item being taken until it is printed.
 *
 * FEEDING -> the items have ended and everything is printed -> the loop quits
 *         -> stop(): the pool is of no use, or nobody reads the output -> the loop quits */

#define STOP_GRACE_SECONDS 0.2

typedef struct _Feeder Feeder;

typedef struct
{
  Feeder        *feeder;   /* (unowned: it outlives its jobs) */
  CliItem       *item;     /* (owned) */
  AiopoolFuture *future;   /* (owned) (nullable) NULL if it was not submitted */
  GError        *error;    /* (owned) (nullable) why it was not */
  gboolean       is_done;  /* its done callback was here, or there is no future */
  GList          link;     /* in jobs */
} Job;

struct _Feeder
{
  const CliWork *work;       /* (unowned: the caller's) */
  AiopoolPool   *pool;       /* (owned) */
  CliOutput     *output;     /* (owned) */
  GMainLoop     *loop;       /* (owned) */
  GQueue         jobs;       /* (owned) of Job */
  CliItem       *kept_item;  /* (owned) (nullable) the pool had no room for it */
  guint          n_submitted;
  guint64        n_done;
  guint64        n_failed;
  gboolean       is_stopped;
  CliExit        status;     /* only stop() writes it */
};

static void feed (Feeder *self);

/* --- jobs ------------------------------------------------------------------------------------- */

static Job *
new_job (Feeder  *self,
         CliItem *item)
{
  Job *job = g_new0 (Job, 1);

  job->feeder = self;
  job->item = item;
  job->link.data = job;
  return job;
}

static void
free_job (gpointer data)
{
  Job *job = data;

  cli_item_free (job->item);
  g_clear_object (&job->future);
  g_clear_error (&job->error);
  g_free (job);
}

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

  cli_output_flush (self->output);
  cli_print_error ("%s", error->message);
  stop (self, status);
}

/* The reader of a pipe that has seen enough is no error worth a word. */
static void
on_output_broken (gpointer user_data)
{
  Feeder *self = user_data;
  int error_number = cli_output_get_errno (self->output);

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
    stop_with_error (self, CLI_EXIT_USAGE, error);
  else if (error->domain == AIOPOOL_POOL_ERROR)
    stop_with_error (self, CLI_EXIT_TROUBLE, error);
  else
    return FALSE;

  return TRUE;
}

/* --- printing --------------------------------------------------------------------------------- */

static void
print_job (Feeder *self,
           Job    *job)
{
  g_autoptr (GVariant) result = NULL;
  g_autoptr (GError) error = NULL;

  if (job->future != NULL)
    result = aiopool_future_get_result (job->future, &error);
  else
    error = g_error_copy (job->error);

  if (error != NULL && stop_if_hopeless (self, error))
    return;

  self->n_done++;
  if (!self->work->print (self->output, job->item, job->future, result, error,
                          self->work->user_data))
    self->n_failed++;
  cli_bar_update (self->n_done, self->n_failed, cli_items_get_total (self->work->items));
}

static void
take_and_print (Feeder *self,
                Job    *job)
{
  g_queue_unlink (&self->jobs, &job->link);
  print_job (self, job);
  free_job (job);
}

static void
print_ready (Feeder *self)
{
  Job *job = NULL;

  while (!self->is_stopped && (job = g_queue_peek_head (&self->jobs)) != NULL && job->is_done)
    take_and_print (self, job);
}

static void
finish_job (Feeder *self,
            Job    *job)
{
  if (self->work->is_ordered)
    print_ready (self);
  else
    take_and_print (self, job);
}

static void
on_future_done (AiopoolFuture *future,
                gpointer       user_data)
{
  Job *job = user_data;
  Feeder *self = job->feeder;

  cli_signals_check ();
  if (self->is_stopped)
    return;

  self->n_submitted--;
  job->is_done = TRUE;
  finish_job (self, job); /* the job may be gone now */
  if (!self->is_stopped)
    feed (self);
}

/* --- feeding ---------------------------------------------------------------------------------- */

static gboolean
has_room (Feeder *self)
{
  guint n_workers = self->work->options->n_workers;
  guint n_submitted_max = MIN (self->work->n_per_worker * n_workers + 2, 8192);

  return self->n_submitted < n_submitted_max &&
         self->jobs.length < n_submitted_max + self->work->n_held;
}

static void
refuse_item (Feeder  *self,
             CliItem *item,
             GError  *error)
{
  Job *job = new_job (self, item);

  job->error = error;
  job->is_done = TRUE;
  g_queue_push_tail_link (&self->jobs, &job->link);
  finish_job (self, job);
}

/* No room in the pool: the item waits for the next end of a task. */
static gboolean
keep_item (Feeder       *self,
           CliItem      *item,
           const GError *error)
{
  if (!g_error_matches (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_FULL) ||
      self->n_submitted == 0)
    return FALSE;

  self->kept_item = item;
  return TRUE;
}

static void
submit_item (Feeder  *self,
             CliItem *item)
{
  g_autoptr (AiopoolTask) task = self->work->make_task (item, self->work->user_data);
  g_autoptr (AiopoolFuture) future = NULL;
  g_autoptr (GError) error = NULL;
  Job *job = NULL;

  if (self->work->options->timeout > 0)
    aiopool_task_set_timeout (task, self->work->options->timeout);

  future = aiopool_executor_submit (AIOPOOL_EXECUTOR (self->pool), task, NULL, &error);
  if (future == NULL)
    {
      if (!keep_item (self, item, error))
        refuse_item (self, item, g_steal_pointer (&error));
      return;
    }

  job = new_job (self, item);
  job->future = g_steal_pointer (&future);
  g_queue_push_tail_link (&self->jobs, &job->link);
  self->n_submitted++;
  aiopool_future_add_done_callback (job->future, on_future_done, job, NULL);
}

static CliItem *
take_item (Feeder *self)
{
  g_autoptr (GError) error = NULL;
  CliItem *item = NULL;

  item = cli_items_next (self->work->items, &error);
  if (error != NULL)
    stop_with_error (self, CLI_EXIT_TROUBLE, error);
  return item;
}

static void
feed_item (Feeder  *self,
           CliItem *item)
{
  if (!cli_item_has_nul (item))
    submit_item (self, item);
  else
    refuse_item (self, item, g_error_new_literal (G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                                                  "the item has a NUL byte inside"));
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
  CliItem *item = NULL;

  if (self->kept_item != NULL)
    feed_item (self, g_steal_pointer (&self->kept_item));

  while (!self->is_stopped && self->kept_item == NULL && has_room (self) &&
         (item = take_item (self)) != NULL)
    feed_item (self, item);

  if (self->is_stopped || self->kept_item != NULL || !has_room (self))
    return;

  if (!cli_items_is_ended (self->work->items))
    cli_items_wait (self->work->items, on_items, self);
  else if (self->jobs.length == 0)
    g_main_loop_quit (self->loop);
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
  self->pool = new_pool (work);
  self->loop = g_main_loop_new (NULL, FALSE);
  self->output = cli_output_new (on_output_broken, self);
  g_queue_init (&self->jobs);
  cli_signals_set_pool (self->pool);
  cli_bar_start (work->options->with_bar);
  cli_bar_update (0, 0, cli_items_get_total (work->items));
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
  Job *job = NULL;

  while ((job = g_queue_peek_head (&self->jobs)) != NULL)
    {
      g_queue_unlink (&self->jobs, &job->link);
      free_job (job);
    }

  g_clear_pointer (&self->kept_item, cli_item_free);
  g_clear_pointer (&self->output, cli_output_free);
  g_clear_pointer (&self->loop, g_main_loop_unref);
  cli_signals_set_pool (NULL);
  g_clear_object (&self->pool);
}

static gboolean
on_start (gpointer user_data)
{
  feed (user_data);
  return G_SOURCE_REMOVE;
}

CliExit
cli_feeder_run (const CliWork *work,
                guint64       *n_failed)
{
  Feeder self = { 0 };

  init_feeder (&self, work);
  g_idle_add_full (G_PRIORITY_DEFAULT, on_start, &self, NULL); /* stop() needs a running loop */
  g_main_loop_run (self.loop);

  cli_output_flush (self.output); /* may stop it, too */
  cli_bar_stop ();
  close_pool (&self);
  *n_failed = self.n_failed;
  clear_feeder (&self);
  return self.status;
}
