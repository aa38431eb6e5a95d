/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "demo-private.h"

/* One pass: submits a task for every file, never more than some for each worker at a time, and
 * keeps what comes back with the file. Everything happens in the main loop of this thread. */

#define N_PER_WORKER 64

typedef struct
{
  DemoPass        *pass;
  AiopoolExecutor *pool;       /* (owned) */
  GMainLoop       *loop;       /* (owned) */
  GPtrArray       *files;      /* (unowned: the caller's) */
  guint            n_files;
  guint            next;       /* index of the first file not yet submitted */
  gint64           started_us;
  GError          *error;      /* (owned) (nullable) why the pass ended early */
} Run;

typedef struct
{
  Run      *run;
  DemoFile *file;
} Job;

static double
get_elapsed (Run *run)
{
  return (double) (g_get_monotonic_time () - run->started_us) / G_TIME_SPAN_SECOND;
}

static void
keep_result (Run           *run,
             DemoFile      *file,
             AiopoolFuture *future)
{
  g_autoptr (GVariant) result = NULL;

  g_clear_error (&file->error);
  g_clear_pointer (&file->digest, g_free);
  result = aiopool_future_get_result (future, &file->error);
  if (result != NULL)
    {
      g_variant_get (result, "(st)", &file->digest, &file->n_bytes);
      run->pass->n_bytes += file->n_bytes;
      return;
    }

  run->pass->n_failed++;
  if (file->error->domain == AIOPOOL_POOL_ERROR && run->error == NULL)
    run->error = g_error_copy (file->error); /* no worker starts: all others would fail, too */
}

static void submit_next (Run *run);

static void
on_done (AiopoolFuture *future,
         gpointer       user_data)
{
  Job *job = user_data;
  Run *run = job->run;

  keep_result (run, job->file, future);
  run->pass->n_done++;
  if (run->error == NULL)
    submit_next (run);
  if (run->error != NULL || run->pass->n_done == run->n_files)
    g_main_loop_quit (run->loop);
}

static void
submit_next (Run *run)
{
  g_autoptr (AiopoolTask) task = NULL;
  g_autoptr (AiopoolFuture) future = NULL;
  const char *function = (int) run->next == run->pass->crash_at ? "crash" : "checksum";
  DemoFile *file = NULL;
  Job *job = NULL;

  if (run->next == run->n_files)
    return;

  file = g_ptr_array_index (run->files, run->next++);
  task = aiopool_task_new (function, g_variant_new ("(^ay)", file->path));
  future = aiopool_executor_submit (run->pool, task, NULL, &run->error);
  if (future == NULL)
    return;

  job = g_new (Job, 1);
  *job = (Job) { run, file };
  aiopool_future_add_done_callback (future, on_done, job, g_free);
}

static gboolean
on_tick (gpointer user_data)
{
  Run *run = user_data;

  demo_bar_draw (run->pass->title, run->pass->n_done, run->n_files, get_elapsed (run));
  return G_SOURCE_CONTINUE;
}

static void
run_loop (Run *run)
{
  guint timer_id = 0;
  guint i = 0;

  if (run->pass->title != NULL)
    timer_id = g_timeout_add (100, on_tick, run);

  for (i = 0; i < N_PER_WORKER * run->pass->n_workers && run->error == NULL; i++)
    submit_next (run);
  if (run->n_files > 0 && run->error == NULL)
    g_main_loop_run (run->loop);

  g_clear_handle_id (&timer_id, g_source_remove);
  demo_bar_erase ();
}

gboolean
demo_pass_run (DemoPass  *pass,
               GPtrArray *files,
               guint      n_files,
               GError   **error)
{
  const char *plugins[] = { pass->plugin, NULL };
  g_autoptr (AiopoolLauncher) launcher = aiopool_launcher_new_for_plugins (plugins);
  Run run = { .pass = pass, .files = files, .n_files = n_files };

  run.started_us = g_get_monotonic_time ();
  run.pool = AIOPOOL_EXECUTOR (aiopool_pool_new_with_launcher (pass->n_workers, launcher));
  run.loop = g_main_loop_new (NULL, FALSE);
  run_loop (&run);
  pass->seconds = get_elapsed (&run);

  aiopool_executor_shutdown (run.pool, AIOPOOL_SHUTDOWN_TERMINATE, NULL, NULL);
  g_object_unref (run.pool);
  g_main_loop_unref (run.loop);
  if (run.error == NULL)
    return TRUE;

  g_propagate_error (error, run.error);
  return FALSE;
}
