/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* P5: large arguments and results, and what the caller's main loop notices of them. */
#include "bench-pool.h"

#include <string.h>

#define PAGE_SIZE 4096

typedef struct
{
  GMainLoop *loop;   /* (unowned): the measurement's */
  GVariant  *result; /* (owned) (nullable): set once */
} Wait;

/* A value of the caller's own, made before the clock runs, as bytes that the library must copy. */
static GVariant *
new_value (gsize size)
{
  char *memory = g_malloc (size);
  g_autoptr (GBytes) bytes = NULL;

  memset (memory, 'a', size);
  bytes = g_bytes_new_take (memory, size);
  return g_variant_ref_sink (g_variant_new_from_bytes (G_VARIANT_TYPE ("ay"), bytes, TRUE));
}

static AiopoolTask *
new_argument_task (GVariant *value)
{
  return aiopool_task_new ("sink", value);
}

static AiopoolTask *
new_result_task (gsize size)
{
  return aiopool_task_new ("blob", g_variant_new ("(t)", (guint64) size));
}

static void
check_length (GVariant *result,
              gsize     size)
{
  guint64 length;

  g_variant_get (result, "(t)", &length);
  g_assert_cmpuint (length, ==, size);
}

/* Reads one byte of every page: the mapping is there and holds what was written. */
static double
time_reading (GVariant *result,
              gsize     size)
{
  double start = bench_now ();
  const char *bytes = g_variant_get_data (result);

  g_assert_cmpuint (g_variant_get_size (result), ==, size);
  for (gsize i = 0; i < size; i += PAGE_SIZE)
    g_assert (((volatile const char *) bytes)[i] == 'b');
  return bench_now () - start;
}

static GVariant *
run_task (BenchPool   *pool,
          AiopoolTask *task)
{
  g_autoptr (GError) error = NULL;
  GVariant *result = aiopool_executor_run (pool->executor, task, NULL, &error);

  if (result == NULL)
    g_error ("%s: %s", aiopool_task_get_function (task), error->message);
  return result;
}

static void
measure_argument (int    n_arguments,
                  char **arguments)
{
  guint64 n_mib = bench_number (n_arguments, arguments, 0);
  guint64 n_times = bench_number (n_arguments, arguments, 1);
  gsize size = (gsize) n_mib << 20;
  g_autoptr (GVariant) value = new_value (size);
  g_autoptr (GArray) samples = bench_samples_new ();
  BenchPool pool = { 0 };

  bench_pool_open (&pool, 1);
  for (guint64 i = 0; i <= n_times; i++)
    {
      double start = bench_now ();
      g_autoptr (AiopoolTask) task = new_argument_task (value);
      g_autoptr (GVariant) result = run_task (&pool, task);
      double seconds = bench_now () - start;

      check_length (result, size);
      if (i > 0)
        bench_sample (samples, seconds);
      else
        bench_emit (seconds * 1e3, "ms", "pool.argument.%u.first", (guint) n_mib);
    }
  bench_emit (bench_quantile (samples, 0.5) * 1e3, "ms", "pool.argument.%u", (guint) n_mib);
  bench_pool_close (&pool);
}

static void
measure_result (int    n_arguments,
                char **arguments)
{
  guint64 n_mib = bench_number (n_arguments, arguments, 0);
  guint64 n_times = bench_number (n_arguments, arguments, 1);
  gsize size = (gsize) n_mib << 20;
  g_autoptr (GArray) samples = bench_samples_new ();
  g_autoptr (GArray) readings = bench_samples_new ();
  BenchPool pool = { 0 };

  bench_pool_open (&pool, 1);
  for (guint64 i = 0; i <= n_times; i++)
    {
      double start = bench_now ();
      g_autoptr (AiopoolTask) task = new_result_task (size);
      g_autoptr (GVariant) result = run_task (&pool, task);
      double seconds = bench_now () - start;
      double reading = time_reading (result, size);

      if (i == 0)
        {
          bench_emit (seconds * 1e3, "ms", "pool.result.%u.first", (guint) n_mib);
          continue;
        }
      bench_sample (samples, seconds);
      bench_sample (readings, reading);
    }
  bench_emit (bench_quantile (samples, 0.5) * 1e3, "ms", "pool.result.%u", (guint) n_mib);
  bench_emit (bench_quantile (readings, 0.5) * 1e3, "ms", "pool.result.%u.read", (guint) n_mib);
  bench_pool_close (&pool);
}

static void
on_run_done (GObject      *source,
             GAsyncResult *result,
             gpointer      user_data)
{
  Wait *wait = user_data;
  g_autoptr (GError) error = NULL;

  wait->result = aiopool_executor_run_finish (AIOPOOL_EXECUTOR (source), result, &error);
  if (wait->result == NULL)
    g_error ("run_async: %s", error->message);
  g_main_loop_quit (wait->loop);
}

static gboolean
on_settled (gpointer user_data)
{
  g_main_loop_quit (user_data);
  return G_SOURCE_REMOVE;
}

/* A loop that ticks for a while, starts one large task and goes on until its result is there. */
static BenchMeter
meter_one (BenchPool   *pool,
           AiopoolTask *task)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  Wait wait = { .loop = loop };

  bench_meter_start ();
  g_timeout_add (10, on_settled, loop);
  g_main_loop_run (loop);
  aiopool_executor_run_async (pool->executor, task, NULL, on_run_done, &wait);
  g_main_loop_run (loop);
  g_clear_pointer (&wait.result, g_variant_unref);
  return bench_meter_stop ();
}

static void
measure_held (int    n_arguments,
              char **arguments)
{
  const char *what = bench_text (n_arguments, arguments, 0);
  guint64 n_mib = bench_number (n_arguments, arguments, 1);
  guint64 n_times = bench_number (n_arguments, arguments, 2);
  gsize size = (gsize) n_mib << 20;
  gboolean is_argument = strcmp (what, "argument") == 0;
  g_autoptr (GVariant) value = new_value (is_argument ? size : 1);
  g_autoptr (GArray) held = bench_samples_new ();
  g_autoptr (GArray) late = bench_samples_new ();
  BenchPool pool = { 0 };

  bench_pool_open (&pool, 1);
  for (guint64 i = 0; i < n_times; i++)
    {
      g_autoptr (AiopoolTask) task = is_argument ? new_argument_task (value)
                                                 : new_result_task (size);
      BenchMeter meter = meter_one (&pool, task);

      bench_sample (held, meter.held);
      bench_sample (late, meter.tick_late);
    }
  bench_emit (bench_quantile (held, 1) * 1e3, "ms", "pool.held.%s.%u.dispatch", what,
              (guint) n_mib);
  bench_emit (bench_quantile (late, 0.5) * 1e3, "ms", "pool.held.%s.%u.tick", what,
              (guint) n_mib);
  bench_emit (bench_quantile (late, 1) * 1e3, "ms", "pool.held.%s.%u.tick.max", what,
              (guint) n_mib);
  bench_pool_close (&pool);
}

int
main (int    argc,
      char **argv)
{
  static const BenchCommand commands[] = {
    { "argument", "MIB TIMES", measure_argument },
    { "result", "MIB TIMES", measure_result },
    { "held", "argument|result MIB TIMES", measure_held },
    { NULL, NULL, NULL },
  };

  return bench_pool_main (argc, argv, commands);
}
