/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Many futures taken as they end, from submit to the last one. */
#include "bench-pool.h"

#include <unistd.h>

#define N_WORKERS 2

typedef struct
{
  AiopoolFutureSet *set;  /* (owned) */
  GMainLoop        *loop; /* (owned) */
  guint64           n_taken;
} Drain;

static void
submit_all (BenchPool        *pool,
            AiopoolFutureSet *set,
            guint64           n_tasks)
{
  for (guint64 i = 0; i < n_tasks; i++)
    {
      AiopoolTask *task = bench_task_new (i);
      AiopoolFuture *future = aiopool_executor_submit (pool->executor, task, NULL, NULL);

      aiopool_future_set_add (set, future);
      g_object_unref (future);
      g_object_unref (task);
    }
}

static guint64
drain_blocking (AiopoolFutureSet *set)
{
  AiopoolFuture *future;
  guint64 n_taken = 0;

  while ((future = aiopool_future_set_next (set, -1, NULL, NULL)) != NULL)
    {
      bench_future_check (future);
      g_object_unref (future);
      n_taken++;
    }
  return n_taken;
}

static guint64
drain_batches (AiopoolFutureSet *set)
{
  guint64 n_taken = 0;
  guint n = 1;

  while (n > 0)
    {
      GListModel *futures = aiopool_future_set_next_batch (set, 0, -1, NULL, NULL);

      n = g_list_model_get_n_items (futures);
      for (guint i = 0; i < n; i++)
        {
          AiopoolFuture *future = g_list_model_get_item (futures, i);

          bench_future_check (future);
          g_object_unref (future);
        }
      n_taken += n;
      g_object_unref (futures);
    }
  return n_taken;
}

static void
on_next (GObject      *object G_GNUC_UNUSED,
         GAsyncResult *result,
         gpointer      user_data)
{
  Drain *drain = user_data;
  AiopoolFuture *future = aiopool_future_set_next_finish (drain->set, result, NULL);

  if (future == NULL)
    {
      g_main_loop_quit (drain->loop);
      return;
    }
  bench_future_check (future);
  g_object_unref (future);
  drain->n_taken++;
  aiopool_future_set_next_async (drain->set, -1, NULL, on_next, drain);
}

static guint64
drain_async (AiopoolFutureSet *set)
{
  Drain drain = { set, g_main_loop_new (NULL, FALSE), 0 };

  aiopool_future_set_next_async (set, -1, NULL, on_next, &drain);
  g_main_loop_run (drain.loop);
  g_main_loop_unref (drain.loop);
  return drain.n_taken;
}

static void
measure (int         n_arguments,
         char      **arguments,
         const char *way,
         guint64   (*drain) (AiopoolFutureSet *set))
{
  guint64 n_tasks = bench_number (n_arguments, arguments, 0);
  AiopoolFutureSet *set = aiopool_future_set_new ();
  BenchPool pool = { 0 };
  guint64 n_switches;
  double start, submitted, end;

  bench_pool_open (&pool, N_WORKERS);
  n_switches = bench_switches (getpid ());
  start = bench_now ();
  submit_all (&pool, set, n_tasks);
  submitted = bench_now ();
  g_assert_cmpuint (drain (set), ==, n_tasks);
  end = bench_now ();
  bench_emit ((double) n_tasks / (end - start), "1/s", "pool.set.%s.%u.rate", way,
              (guint) n_tasks);
  bench_emit ((submitted - start) / (double) n_tasks * 1e9, "ns", "pool.set.%s.%u.submit", way,
              (guint) n_tasks);
  bench_emit ((end - start) / (double) n_tasks * 1e9, "ns", "pool.set.%s.%u.time", way,
              (guint) n_tasks);
  bench_emit ((double) (bench_switches (getpid ()) - n_switches) / (double) n_tasks, "",
              "pool.set.%s.%u.switches", way, (guint) n_tasks);
  g_object_unref (set);
  bench_pool_close (&pool);
}

static void
measure_blocking (int    n_arguments,
                  char **arguments)
{
  measure (n_arguments, arguments, "next", drain_blocking);
}

static void
measure_batches (int    n_arguments,
                 char **arguments)
{
  measure (n_arguments, arguments, "batch", drain_batches);
}

static void
measure_async (int    n_arguments,
               char **arguments)
{
  measure (n_arguments, arguments, "async", drain_async);
}

int
main (int    argc,
      char **argv)
{
  static const BenchCommand commands[] = {
    { "next", "TASKS", measure_blocking },
    { "batch", "TASKS", measure_batches },
    { "async", "TASKS", measure_async },
    { NULL, NULL, NULL },
  };

  return bench_pool_main (argc, argv, commands);
}
