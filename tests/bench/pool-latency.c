/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* P1 and P2: one no-op task at a time. */
#include "bench-pool.h"

typedef struct
{
  BenchPool *pool;    /* (unowned): the measurement's */
  GMainLoop *loop;    /* (unowned): the measurement's */
  GArray    *samples; /* (unowned): the measurement's */
  guint64    n_left;
  double     start;
} Run;

static void
emit_latency (GArray     *samples,
              const char *what,
              BenchPlace  place)
{
  bench_emit (bench_quantile (samples, 0.5) * 1e6, "us", "pool.%s.%s", what,
              bench_place_name (place));
  bench_emit (bench_quantile (samples, 0.99) * 1e6, "us", "pool.%s.%s.p99", what,
              bench_place_name (place));
}

static double
time_run (BenchPool *pool,
          guint64    index)
{
  double start = bench_now ();
  g_autoptr (AiopoolTask) task = bench_task_new (index);
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) result = aiopool_executor_run (pool->executor, task, NULL, &error);

  if (result == NULL)
    g_error ("run: %s", error->message);
  return bench_now () - start;
}

static void
measure_run (int    n_arguments,
             char **arguments)
{
  g_autoptr (GArray) samples = bench_samples_new ();
  BenchPlace place = bench_place (n_arguments, arguments, 0);
  guint64 n_tasks = bench_number (n_arguments, arguments, 1);
  BenchPool pool = { 0 };

  bench_pool_open_at (&pool, place);
  for (guint64 i = 0; i < n_tasks / 10; i++)
    time_run (&pool, i);
  for (guint64 i = 0; i < n_tasks; i++)
    bench_sample (samples, time_run (&pool, i));
  emit_latency (samples, "run", place);
  bench_pool_close (&pool);
}

static void
on_run_done (GObject      *source,
             GAsyncResult *result,
             gpointer      user_data)
{
  Run *run = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) value =
    aiopool_executor_run_finish (AIOPOOL_EXECUTOR (source), result, &error);
  g_autoptr (AiopoolTask) task = NULL;

  if (value == NULL)
    g_error ("run_async: %s", error->message);
  bench_sample (run->samples, bench_now () - run->start);
  if (--run->n_left == 0)
    {
      g_main_loop_quit (run->loop);
      return;
    }
  run->start = bench_now ();
  task = bench_task_new (run->n_left);
  aiopool_executor_run_async (run->pool->executor, task, NULL, on_run_done, run);
}

static void
run_in_loop (Run    *run,
             guint64 n_tasks)
{
  g_autoptr (AiopoolTask) task = bench_task_new (0);

  run->n_left = n_tasks;
  run->start = bench_now ();
  aiopool_executor_run_async (run->pool->executor, task, NULL, on_run_done, run);
  g_main_loop_run (run->loop);
}

static void
measure_async (int    n_arguments,
               char **arguments)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GArray) samples = bench_samples_new ();
  BenchPlace place = bench_place (n_arguments, arguments, 0);
  guint64 n_tasks = bench_number (n_arguments, arguments, 1);
  BenchPool pool = { 0 };
  Run run = { .pool = &pool, .loop = loop, .samples = samples };

  bench_pool_open_at (&pool, place);
  run_in_loop (&run, n_tasks / 10 + 1);
  g_array_set_size (samples, 0);
  run_in_loop (&run, n_tasks);
  emit_latency (samples, "async", place);
  bench_pool_close (&pool);
}

int
main (int    argc,
      char **argv)
{
  static const BenchCommand commands[] = {
    { "run", "one|two|free TASKS", measure_run },
    { "async", "one|two|free TASKS", measure_async },
    { NULL, NULL, NULL },
  };

  return bench_pool_main (argc, argv, commands);
}
