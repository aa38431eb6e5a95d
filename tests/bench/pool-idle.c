/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* P9: a pool that has nothing to do. */
#include "bench-pool.h"

#include <unistd.h>

#define N_WORKERS 2
#define SETTLE_US 300000

static void
measure_pss (int    n_arguments G_GNUC_UNUSED,
             char **arguments G_GNUC_UNUSED)
{
  BenchPool pool = { 0 };
  double sum = 0;

  bench_pool_open (&pool, N_WORKERS);
  g_usleep (SETTLE_US);
  for (guint i = 0; i < N_WORKERS; i++)
    sum += bench_pss_mib (pool.pids[i]);
  bench_emit (sum / N_WORKERS, "MiB", "pool.pss");
  bench_pool_close (&pool);
}

static guint64
count_switches (BenchPool *pool)
{
  guint64 sum = bench_switches (getpid ());

  for (guint i = 0; i < pool->n_workers; i++)
    sum += bench_switches (pool->pids[i]);
  return sum;
}

static gboolean
on_over (gpointer user_data)
{
  g_main_loop_quit (user_data);
  return G_SOURCE_REMOVE;
}

static void
run_loop_for (guint seconds)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);

  g_timeout_add (seconds * 1000, on_over, loop);
  g_main_loop_run (loop);
}

/* The main loop runs, and its own one wake-up at the end is not the pool's. */
static void
measure_wakeups (int    n_arguments,
                 char **arguments)
{
  guint seconds = (guint) bench_number (n_arguments, arguments, 0);
  BenchPool pool = { 0 };
  guint64 before;
  guint64 after;

  bench_pool_open (&pool, N_WORKERS);
  bench_pool_burst (&pool, "noop", 1000);
  run_loop_for (1);
  before = count_switches (&pool);
  run_loop_for (seconds);
  after = count_switches (&pool);
  bench_emit (MAX (0, (double) after - (double) before - 1), "", "pool.wakeups");
  bench_pool_close (&pool);
}

int
main (int    argc,
      char **argv)
{
  static const BenchCommand commands[] = {
    { "pss", "", measure_pss },
    { "wakeups", "SECONDS", measure_wakeups },
    { NULL, NULL, NULL },
  };

  return bench_pool_main (argc, argv, commands);
}
