/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* P3: no-op tasks one by one, each with a task, an argument and a future of its own. */
#include "bench-pool.h"

#define N_WORKERS 2

typedef struct
{
  BenchPool *pool; /* (unowned): the measurement's */
  GMainLoop *loop; /* (unowned): the measurement's */
  guint64    n_submitted;
  guint64    n_done;
  guint64    n_wanted;
} Window;

static AiopoolFuture *
submit_one (BenchPool *pool,
            guint64    index)
{
  g_autoptr (AiopoolTask) task = bench_task_new (index);
  g_autoptr (GError) error = NULL;
  AiopoolFuture *future = aiopool_executor_submit (pool->executor, task, NULL, &error);

  if (future == NULL)
    g_error ("submit: %s", error->message);
  return future;
}

/* Every future is kept until all are submitted. */
static void
measure_all (int    n_arguments,
             char **arguments)
{
  guint64 n_tasks = bench_number (n_arguments, arguments, 0);
  g_autoptr (GPtrArray) futures = g_ptr_array_sized_new ((guint) n_tasks);
  BenchPool pool = { 0 };
  double start;
  double submitted;
  double end;

  bench_pool_open (&pool, N_WORKERS);
  bench_pool_burst (&pool, "noop", n_tasks / 100);

  start = bench_now ();
  for (guint64 i = 0; i < n_tasks; i++)
    g_ptr_array_add (futures, submit_one (&pool, i));
  submitted = bench_now ();
  bench_futures_drain (futures);
  end = bench_now ();

  bench_emit ((double) n_tasks / (end - start), "1/s", "pool.rate.all");
  bench_emit ((double) n_tasks / (submitted - start), "1/s", "pool.rate.all.submit");
  bench_pool_close (&pool);
}

static void on_done (AiopoolFuture *future,
                     gpointer       user_data);

static void
submit_into (Window *window)
{
  g_autoptr (AiopoolFuture) future = submit_one (window->pool, window->n_submitted++);

  aiopool_future_add_done_callback (future, on_done, window, NULL);
}

static void
on_done (AiopoolFuture *future,
         gpointer       user_data)
{
  Window *window = user_data;

  bench_future_check (future);
  if (++window->n_done == window->n_wanted)
    g_main_loop_quit (window->loop);
  else if (window->n_submitted < window->n_wanted)
    submit_into (window);
}

static void
measure_window (int    n_arguments,
                char **arguments)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  BenchPool pool = { 0 };
  Window window = { .pool = &pool, .loop = loop };
  guint64 size = bench_number (n_arguments, arguments, 1);
  double start;

  window.n_wanted = bench_number (n_arguments, arguments, 0);
  bench_pool_open (&pool, N_WORKERS);
  bench_pool_burst (&pool, "noop", window.n_wanted / 100);

  start = bench_now ();
  for (guint64 i = 0; i < size; i++)
    submit_into (&window);
  g_main_loop_run (loop);
  bench_emit ((double) window.n_wanted / (bench_now () - start), "1/s", "pool.rate.window");
  bench_pool_close (&pool);
}

int
main (int    argc,
      char **argv)
{
  static const BenchCommand commands[] = {
    { "all", "TASKS", measure_all },
    { "window", "TASKS OUTSTANDING", measure_window },
    { NULL, NULL, NULL },
  };

  return bench_pool_main (argc, argv, commands);
}
