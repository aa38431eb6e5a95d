/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* P8 and half of P12: from nothing to the first result. Once a process: the second pool finds the
 * engine running, so bench.py runs this program many times. */
#include "bench-pool.h"

#define MAX_STARTED 2
#define NAP_US      1000

static void
time_start (guint       n_workers,
            const char *name)
{
  g_autoptr (AiopoolFuture) first = NULL;
  g_autoptr (AiopoolFuture) second = NULL;
  BenchPool pool = { .n_workers = n_workers };
  double start = bench_now ();
  double submitted;
  double seconds;

  pool.pool = aiopool_pool_new (n_workers);
  pool.executor = AIOPOOL_EXECUTOR (pool.pool);
  first = bench_pool_submit (&pool, "noop", g_variant_new ("(t)", (guint64) 0));
  if (n_workers > 1)
    second = bench_pool_submit (&pool, "noop", g_variant_new ("(t)", (guint64) 0));
  submitted = bench_now () - start;
  aiopool_future_wait (first, -1);
  seconds = bench_now () - start;
  bench_future_check (first);

  bench_emit (seconds * 1e3, "ms", "pool.start.%s.first", name);
  bench_emit (submitted * 1e3, "ms", "pool.start.%s.submit", name);
  if (second != NULL)
    {
      aiopool_future_wait (second, -1);
      bench_future_check (second);
    }
  bench_pool_close (&pool);
}

static void
measure_first (int    n_arguments,
               char **arguments)
{
  guint n_workers = (guint) bench_number (n_arguments, arguments, 0);
  g_autofree char *name = g_strdup_printf ("%u", n_workers);

  time_start (n_workers, name);
}

/* Until each of two workers has answered: a nap keeps the first from taking both tasks. */
static void
measure_all (int    n_arguments G_GNUC_UNUSED,
             char **arguments G_GNUC_UNUSED)
{
  AiopoolFuture *futures[MAX_STARTED];
  BenchPool pool = { .n_workers = MAX_STARTED };
  double start = bench_now ();

  pool.pool = aiopool_pool_new (MAX_STARTED);
  pool.executor = AIOPOOL_EXECUTOR (pool.pool);
  for (guint i = 0; i < MAX_STARTED; i++)
    futures[i] = bench_pool_submit (&pool, "nap", g_variant_new ("(x)", (gint64) NAP_US));
  for (guint i = 0; i < MAX_STARTED; i++)
    aiopool_future_wait (futures[i], -1);
  bench_emit ((bench_now () - start) * 1e3 - NAP_US * 1e-3, "ms", "pool.start.2.all");
  for (guint i = 0; i < MAX_STARTED; i++)
    {
      bench_future_check (futures[i]);
      g_object_unref (futures[i]);
    }
  bench_pool_close (&pool);
}

static void
measure_resident (int    n_arguments,
                  char **arguments)
{
  guint64 n_mib = bench_number (n_arguments, arguments, 0);
  g_autofree char *name = g_strdup_printf ("resident.%u", (guint) n_mib);

  bench_touch_mib (n_mib);
  time_start (1, name);
}

int
main (int    argc,
      char **argv)
{
  static const BenchCommand commands[] = {
    { "first", "WORKERS", measure_first },
    { "all", "", measure_all },
    { "resident", "MIB", measure_resident },
    { NULL, NULL, NULL },
  };

  return bench_pool_main (argc, argv, commands);
}
