/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What GLib itself takes: a GTask that is made and returned, and g_task_run_in_thread(). */
#include "bench-common.h"

typedef struct
{
  GMainLoop *loop; /* (unowned): the measurement's */
  BenchPlace place;
  guint64    n_started;
  guint64    n_done;
  guint64    n_wanted;
  double     start;
  GArray    *samples; /* (unowned) (nullable): only when latency is wanted */
} Run;

static void on_thread_done (GObject      *source,
                            GAsyncResult *result,
                            gpointer      user_data);

static void
do_nothing (GTask        *task,
            gpointer      source G_GNUC_UNUSED,
            gpointer      task_data,
            GCancellable *cancellable G_GNUC_UNUSED)
{
  static _Thread_local gboolean is_pinned;

  if (!is_pinned && GPOINTER_TO_INT (task_data) == BENCH_TWO_CORES)
    bench_pin_thread (bench_cpu (1));
  is_pinned = TRUE;
  g_task_return_int (task, 0);
}

static void
start_in_thread (Run *run)
{
  g_autoptr (GTask) task = NULL;

  if (run->samples != NULL)
    run->start = bench_now ();
  run->n_started++;
  task = g_task_new (NULL, NULL, on_thread_done, run);
  g_task_set_task_data (task, GINT_TO_POINTER (run->place), NULL);
  g_task_run_in_thread (task, do_nothing);
}

static void
on_thread_done (GObject      *source G_GNUC_UNUSED,
                GAsyncResult *result,
                gpointer      user_data)
{
  Run *run = user_data;

  g_task_propagate_int (G_TASK (result), NULL);
  if (run->samples != NULL)
    bench_sample (run->samples, bench_now () - run->start);
  if (++run->n_done == run->n_wanted)
    g_main_loop_quit (run->loop);
  else if (run->n_started < run->n_wanted)
    start_in_thread (run);
}

static void
measure_thread_latency (int    n_arguments,
                        char **arguments)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GArray) samples = bench_samples_new ();
  Run run = { .loop = loop, .samples = samples };

  run.place = bench_place (n_arguments, arguments, 0);
  run.n_wanted = bench_number (n_arguments, arguments, 1);
  if (run.place != BENCH_ANYWHERE)
    bench_pin_thread (bench_cpu (0));

  start_in_thread (&run);
  g_main_loop_run (loop);
  bench_emit (bench_quantile (samples, 0.5) * 1e6, "us", "gtask.thread.latency.%s",
              bench_place_name (run.place));
}

/* WINDOW tasks are under way at a time; 0 stands for all of them. */
static void
measure_thread_rate (int    n_arguments,
                     char **arguments)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  Run run = { .loop = loop, .place = BENCH_ANYWHERE };
  guint64 window = bench_number (n_arguments, arguments, 1);
  double start;

  run.n_wanted = bench_number (n_arguments, arguments, 0);
  start = bench_now ();
  for (guint64 i = window == 0 ? run.n_wanted : window; i > 0; i--)
    start_in_thread (&run);
  g_main_loop_run (loop);
  bench_emit ((double) run.n_wanted / (bench_now () - start), "1/s",
              window == 0 ? "gtask.thread.rate" : "gtask.thread.rate.window");
}

static void
on_returned (GObject      *source G_GNUC_UNUSED,
             GAsyncResult *result,
             gpointer      user_data)
{
  guint64 *n_done = user_data;

  g_task_propagate_int (G_TASK (result), NULL);
  (*n_done)++;
}

/* GROUP tasks are made and returned before the context runs. */
static void
measure_return_rate (int    n_arguments,
                     char **arguments)
{
  guint64 n_tasks = bench_number (n_arguments, arguments, 0);
  guint64 group = bench_number (n_arguments, arguments, 1);
  guint64 n_done = 0;
  double start = bench_now ();

  for (guint64 i = 0; i < n_tasks; i += group)
    {
      for (guint64 j = 0; j < group; j++)
        {
          g_autoptr (GTask) task = g_task_new (NULL, NULL, on_returned, &n_done);

          g_task_return_int (task, 0);
        }
      while (n_done < i + group)
        g_main_context_iteration (NULL, TRUE);
    }
  bench_emit ((double) n_done / (bench_now () - start), "1/s", "gtask.return.rate.%u",
              (guint) group);
}

int
main (int    argc,
      char **argv)
{
  static const BenchCommand commands[] = {
    { "return-rate", "TASKS GROUP", measure_return_rate },
    { "thread-latency", "one|two|free TASKS", measure_thread_latency },
    { "thread-rate", "TASKS WINDOW", measure_thread_rate },
    { NULL, NULL, NULL },
  };

  return bench_main (argc, argv, commands);
}
