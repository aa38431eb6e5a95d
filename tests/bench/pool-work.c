/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* P6 and P7: tasks that take time, all alike and one that is not. */
#include "bench-pool.h"

#include <string.h>

#define N_WORKERS 2

/* The uneven list of P7: short ones, one long one, short ones. */
#define N_SHORT  50
#define SHORT_US 1000
#define LONG_US  100000
#define N_UNEVEN (2 * N_SHORT + 1)

#define N_BURST 20000

typedef struct
{
  BenchPool *pool;   /* (unowned): the measurement's */
  guint      next;   /* atomic */
} List;

static void
measure_rate (int         n_arguments,
              char      **arguments,
              const char *function)
{
  gint64 amount = (gint64) bench_number (n_arguments, arguments, 0);
  guint64 n_tasks = bench_number (n_arguments, arguments, 1);
  g_autoptr (GPtrArray) futures = g_ptr_array_sized_new ((guint) n_tasks);
  BenchPool pool = { 0 };
  double start;

  bench_pool_open (&pool, N_WORKERS);
  start = bench_now ();
  for (guint64 i = 0; i < n_tasks; i++)
    g_ptr_array_add (futures, bench_pool_submit (&pool, function, g_variant_new ("(x)", amount)));
  bench_futures_drain (futures);
  bench_emit ((double) n_tasks / (bench_now () - start), "1/s", "pool.%s.%u", function,
              (guint) amount);
  bench_pool_close (&pool);
}

static void
measure_spin (int    n_arguments,
              char **arguments)
{
  measure_rate (n_arguments, arguments, "spin");
}

static void
measure_steps (int    n_arguments,
               char **arguments)
{
  measure_rate (n_arguments, arguments, "steps");
}

static gint64
length_of (guint index)
{
  return index == N_SHORT ? LONG_US : SHORT_US;
}

/* What a list scheduler without any cost needs: each task to the worker that is free first. */
static double
compute_ideal (void)
{
  gint64 busy_until[N_WORKERS] = { 0 };
  gint64 makespan = 0;

  for (guint i = 0; i < N_UNEVEN; i++)
    {
      guint first = 0;

      for (guint j = 1; j < N_WORKERS; j++)
        if (busy_until[j] < busy_until[first])
          first = j;
      busy_until[first] += length_of (i);
      makespan = MAX (makespan, busy_until[first]);
    }
  return (double) makespan * 1e-6;
}

static double
time_uneven (BenchPool *pool)
{
  g_autoptr (GPtrArray) futures = g_ptr_array_new ();
  double start = bench_now ();

  for (guint i = 0; i < N_UNEVEN; i++)
    g_ptr_array_add (futures, bench_pool_submit (pool, "spin",
                                                 g_variant_new ("(x)", length_of (i))));
  bench_futures_drain (futures);
  return bench_now () - start;
}

static gpointer
take_from_list (gpointer data)
{
  List *list = data;
  guint index;

  while ((index = (guint) g_atomic_int_add (&list->next, 1)) < N_UNEVEN)
    g_variant_unref (bench_pool_run (list->pool, "spin",
                                     g_variant_new ("(x)", length_of (index))));
  return NULL;
}

/* A thread a worker, each with one task under way: nothing to prefetch. */
static double
time_one_by_one (BenchPool *pool)
{
  List list = { .pool = pool };
  GThread *threads[N_WORKERS];
  double start = bench_now ();

  for (guint i = 0; i < N_WORKERS; i++)
    threads[i] = g_thread_new ("list", take_from_list, &list);
  for (guint i = 0; i < N_WORKERS; i++)
    g_thread_join (threads[i]);
  return bench_now () - start;
}

/* AFTER: cold, noop or spin (what 20 thousand tasks of no length just ran); single: no prefetch. */
static void
measure_uneven (int    n_arguments,
                char **arguments)
{
  const char *after = bench_text (n_arguments, arguments, 0);
  gboolean is_single = strcmp (after, "single") == 0;
  BenchPool pool = { 0 };
  double seconds;

  bench_pool_open (&pool, N_WORKERS);
  if (!is_single && strcmp (after, "cold") != 0)
    bench_pool_burst (&pool, after, N_BURST);
  seconds = is_single ? time_one_by_one (&pool) : time_uneven (&pool);
  bench_emit (seconds * 1e3, "ms", "pool.uneven.%s", after);
  if (is_single)
    bench_emit (compute_ideal () * 1e3, "ms", "uneven.ideal");
  bench_pool_close (&pool);
}

int
main (int    argc,
      char **argv)
{
  static const BenchCommand commands[] = {
    { "spin", "MICROSECONDS TASKS", measure_spin },
    { "steps", "STEPS TASKS", measure_steps },
    { "uneven", "cold|noop|spin|single", measure_uneven },
    { NULL, NULL, NULL },
  };

  return bench_pool_main (argc, argv, commands);
}
