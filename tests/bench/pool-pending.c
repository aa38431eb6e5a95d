/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* P4: what a task costs while it waits. The workers stand at a gate; when all tasks are submitted
 * it opens. */
#include "bench-pool.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define N_WORKERS 2

typedef struct
{
  BenchPool  pool;
  char      *directory; /* (owned) */
  char      *path;      /* (owned): of the named pipe */
  int        fd;        /* (owned): open both ways, so that neither side waits to open it */
  GPtrArray *held;      /* (owned): futures of the tasks at the gate */
} Gate;

typedef struct
{
  double submit; /* seconds, all tasks */
  double drain;  /* seconds, all tasks */
  double bytes;  /* all tasks, just before the gate opens */
} Cost;

static void
open_gate_pool (Gate *gate)
{
  gate->directory = g_dir_make_tmp ("aiopool-bench-XXXXXX", NULL);
  g_assert (gate->directory != NULL);
  gate->path = g_build_filename (gate->directory, "gate", NULL);
  if (mkfifo (gate->path, 0600) != 0)
    g_error ("mkfifo: %s", g_strerror (errno));
  gate->fd = open (gate->path, O_RDWR | O_CLOEXEC);
  g_assert (gate->fd >= 0);
  gate->held = g_ptr_array_new ();
  bench_pool_open (&gate->pool, N_WORKERS);
}

static void
close_gate_pool (Gate *gate)
{
  bench_pool_close (&gate->pool);
  close (gate->fd);
  g_unlink (gate->path);
  g_rmdir (gate->directory);
  g_ptr_array_unref (gate->held);
  g_free (gate->path);
  g_free (gate->directory);
}

static void
shut (Gate *gate)
{
  for (guint i = 0; i < N_WORKERS; i++)
    g_ptr_array_add (gate->held, bench_pool_submit (&gate->pool, "gate",
                                                    g_variant_new ("(s)", gate->path)));
  g_usleep (20000); /* both are there by now, or soon: nothing below depends on it */
}

static void
release (Gate *gate)
{
  if (write (gate->fd, "xx", N_WORKERS) != N_WORKERS)
    g_error ("write: %s", g_strerror (errno));
}

static Cost
hold_tasks (Gate        *gate,
            guint64      n_tasks,
            AiopoolTask *reused,
            GPtrArray   *futures)
{
  Cost cost = { 0 };
  gsize heap;
  double start;

  shut (gate);
  heap = bench_heap ();
  start = bench_now ();
  for (guint64 i = 0; i < n_tasks; i++)
    {
      AiopoolTask *task = reused != NULL ? g_object_ref (reused) : bench_task_new (i);

      g_ptr_array_add (futures,
                       aiopool_executor_submit (gate->pool.executor, task, NULL, NULL));
      g_object_unref (task);
    }
  cost.submit = bench_now () - start;
  cost.bytes = (double) bench_heap () - (double) heap;

  start = bench_now ();
  release (gate);
  bench_futures_drain (futures);
  bench_futures_drain (gate->held);
  cost.drain = bench_now () - start;
  return cost;
}

static AiopoolTask *
choose_task (const char *mode)
{
  if (strcmp (mode, "reused") == 0)
    return bench_task_new (0);
  g_assert_cmpstr (mode, ==, "fresh");
  return NULL;
}

/* The first time in this process: nothing that the allocators keep from before hides a byte. */
static void
measure_bytes (int    n_arguments,
               char **arguments)
{
  const char *mode = bench_text (n_arguments, arguments, 0);
  guint64 n_tasks = bench_number (n_arguments, arguments, 1);
  g_autoptr (AiopoolTask) reused = choose_task (mode);
  g_autoptr (GPtrArray) futures = g_ptr_array_sized_new ((guint) n_tasks);
  Gate gate = { 0 };
  Cost cost;

  open_gate_pool (&gate);
  cost = hold_tasks (&gate, n_tasks, reused, futures);
  bench_emit (cost.bytes / (double) n_tasks, "B", "pool.pending.%s.%u.bytes", mode,
              (guint) n_tasks);
  close_gate_pool (&gate);
}

/* The first round warms the allocators up and is not counted. */
static void
measure_time (int    n_arguments,
              char **arguments)
{
  const char *mode = bench_text (n_arguments, arguments, 0);
  guint64 n_tasks = bench_number (n_arguments, arguments, 1);
  guint64 n_times = bench_number (n_arguments, arguments, 2);
  g_autoptr (AiopoolTask) reused = choose_task (mode);
  g_autoptr (GPtrArray) futures = g_ptr_array_sized_new ((guint) n_tasks);
  g_autoptr (GArray) submits = bench_samples_new ();
  g_autoptr (GArray) totals = bench_samples_new ();
  Gate gate = { 0 };

  open_gate_pool (&gate);
  for (guint64 i = 0; i <= n_times; i++)
    {
      Cost cost = hold_tasks (&gate, n_tasks, reused, futures);

      if (i == 0)
        continue;
      bench_sample (submits, cost.submit / (double) n_tasks);
      bench_sample (totals, (cost.submit + cost.drain) / (double) n_tasks);
    }
  bench_emit (bench_quantile (submits, 0.5) * 1e9, "ns", "pool.pending.%s.%u.submit", mode,
              (guint) n_tasks);
  bench_emit (bench_quantile (totals, 0.5) * 1e9, "ns", "pool.pending.%s.%u.time", mode,
              (guint) n_tasks);
  close_gate_pool (&gate);
}

int
main (int    argc,
      char **argv)
{
  static const BenchCommand commands[] = {
    { "bytes", "fresh|reused TASKS", measure_bytes },
    { "time", "fresh|reused TASKS TIMES", measure_time },
    { NULL, NULL, NULL },
  };

  return bench_pool_main (argc, argv, commands);
}
