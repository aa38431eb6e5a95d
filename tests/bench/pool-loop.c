/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* P12: how long the main loop is held while many results arrive. */
#include "bench-pool.h"

#define N_WORKERS 2
#define STREAM_STEP 64 /* submitted in one dispatch, so that submitting holds nothing up either */

typedef struct
{
  BenchPool *pool; /* (unowned): the measurement's */
  GMainLoop *loop; /* (unowned): the measurement's */
  guint64    n_submitted;
  guint64    n_done;
  guint64    n_wanted;
} Flood;

static void
count_done (Flood *flood)
{
  if (++flood->n_done == flood->n_wanted)
    g_main_loop_quit (flood->loop);
}

static void
on_future_done (AiopoolFuture *future,
                gpointer       user_data)
{
  bench_future_check (future);
  count_done (user_data);
}

static void
on_run_done (GObject      *source,
             GAsyncResult *result,
             gpointer      user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) value =
    aiopool_executor_run_finish (AIOPOOL_EXECUTOR (source), result, &error);

  if (value == NULL)
    g_error ("run_async: %s", error->message);
  count_done (user_data);
}

static void
submit_with_callback (Flood *flood)
{
  g_autoptr (AiopoolFuture) future =
    bench_pool_submit (flood->pool, "noop", g_variant_new ("(t)", flood->n_submitted++));

  aiopool_future_add_done_callback (future, on_future_done, flood, NULL);
}

static void
submit_run_async (Flood *flood)
{
  g_autoptr (AiopoolTask) task = bench_task_new (flood->n_submitted++);

  aiopool_executor_run_async (flood->pool->executor, task, NULL, on_run_done, flood);
}

static gboolean
on_submit_more (gpointer user_data)
{
  Flood *flood = user_data;

  for (guint i = 0; i < STREAM_STEP && flood->n_submitted < flood->n_wanted; i++)
    submit_with_callback (flood);
  return flood->n_submitted < flood->n_wanted ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static void
emit_meter (BenchMeter  meter,
            const char *name)
{
  bench_emit (meter.held * 1e3, "ms", "pool.loop.%s.dispatch", name);
  bench_emit (meter.held_cpu * 1e3, "ms", "pool.loop.%s.cpu", name);
  bench_emit (meter.tick_late * 1e3, "ms", "pool.loop.%s.tick", name);
}

static void
run_flood (Flood      *flood,
           const char *name)
{
  bench_meter_start ();
  g_main_loop_run (flood->loop);
  emit_meter (bench_meter_stop (), name);
}

/* SUBMIT: all before the loop runs (callback, async), or a few in each dispatch (stream). */
static void
measure_flood (int    n_arguments,
               char **arguments)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  const char *how = bench_text (n_arguments, arguments, 0);
  BenchPool pool = { 0 };
  Flood flood = { .pool = &pool, .loop = loop };

  flood.n_wanted = bench_number (n_arguments, arguments, 1);
  bench_pool_open (&pool, N_WORKERS);
  if (g_str_equal (how, "stream"))
    g_idle_add (on_submit_more, &flood);
  else
    while (flood.n_submitted < flood.n_wanted)
      (g_str_equal (how, "async") ? submit_run_async : submit_with_callback) (&flood);
  run_flood (&flood, how);
  bench_pool_close (&pool);
}

int
main (int    argc,
      char **argv)
{
  static const BenchCommand commands[] = {
    { "flood", "callback|async|stream TASKS", measure_flood },
    { NULL, NULL, NULL },
  };

  return bench_pool_main (argc, argv, commands);
}
