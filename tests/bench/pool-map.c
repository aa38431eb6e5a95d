/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A batch: no-op items with chunks of one, chosen and given, and a list that is shown while it
 * fills. */
#include "bench-pool.h"

#define N_WORKERS  2
#define FRAME_MSEC 16
#define N_ROWS     30 /* that a list widget shows */

static AiopoolBatch *
new_batch (BenchPool *pool,
           guint64    n_items,
           guint64    chunk_size)
{
  g_autofree guint64 *numbers = g_new (guint64, n_items);
  g_autoptr (AiopoolTask) task = aiopool_task_new ("noop", NULL);
  AiopoolBatch *batch;

  for (guint64 i = 0; i < n_items; i++)
    numbers[i] = i;
  batch = aiopool_executor_map (pool->executor, task,
                                g_variant_new_fixed_array (G_VARIANT_TYPE_UINT64, numbers, n_items,
                                                           sizeof *numbers));
  aiopool_batch_set_chunk_size (batch, (guint) chunk_size);
  return batch;
}

/* From the array to an array. */
static void
measure_collect (int    n_arguments,
                 char **arguments)
{
  guint64 n_items = bench_number (n_arguments, arguments, 0);
  guint64 chunk_size = bench_number (n_arguments, arguments, 1);
  g_autoptr (AiopoolBatch) batch = NULL;
  g_autoptr (GVariant) results = NULL;
  g_autoptr (GError) error = NULL;
  BenchPool pool = { 0 };
  double start;

  bench_pool_open (&pool, N_WORKERS);
  start = bench_now ();
  batch = new_batch (&pool, n_items, chunk_size);
  results = aiopool_batch_collect_all (batch, -1, NULL, &error);
  if (results == NULL)
    g_error ("collect: %s", error->message);
  bench_emit ((double) n_items / (bench_now () - start), "1/s", "pool.map.%u",
              (guint) chunk_size);
  g_clear_object (&batch);
  bench_pool_close (&pool);
}

/* One future after the other. */
static void
measure_next (int    n_arguments,
              char **arguments)
{
  guint64 n_items = bench_number (n_arguments, arguments, 0);
  guint64 chunk_size = bench_number (n_arguments, arguments, 1);
  g_autoptr (AiopoolBatch) batch = NULL;
  AiopoolFuture *future;
  BenchPool pool = { 0 };
  double start;

  bench_pool_open (&pool, N_WORKERS);
  start = bench_now ();
  batch = new_batch (&pool, n_items, chunk_size);
  while ((future = aiopool_batch_next (batch, -1, NULL, NULL)) != NULL)
    {
      bench_future_check (future);
      g_object_unref (future);
    }
  bench_emit ((double) n_items / (bench_now () - start), "1/s", "pool.map.next.%u",
              (guint) chunk_size);
  g_clear_object (&batch);
  bench_pool_close (&pool);
}

typedef struct
{
  GListModel *list;  /* (unowned): the batch */
  GMainLoop  *loop;  /* (unowned) */
  GPtrArray  *rows;  /* (owned): shown */
  guint64     n_wanted;
  guint       n_told;
} View;

static void
on_changed (GListModel *list G_GNUC_UNUSED,
            guint       position G_GNUC_UNUSED,
            guint       n_removed,
            guint       n_added,
            View       *view)
{
  view->n_told += n_added - n_removed;
}

/* What comes into sight is at the end. */
static gboolean
on_frame (gpointer data)
{
  View *view = data;
  guint n_items = g_list_model_get_n_items (view->list);

  g_ptr_array_set_size (view->rows, 0);
  for (guint i = n_items > N_ROWS ? n_items - N_ROWS : 0; i < n_items; i++)
    g_ptr_array_add (view->rows, g_list_model_get_item (view->list, i));
  if (view->n_told == view->n_wanted)
    g_main_loop_quit (view->loop);
  return G_SOURCE_CONTINUE;
}

static void
measure_list (int    n_arguments,
              char **arguments)
{
  guint64 n_items = bench_number (n_arguments, arguments, 0);
  guint64 chunk_size = bench_number (n_arguments, arguments, 1);
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (AiopoolBatch) batch = NULL;
  BenchPool pool = { 0 };
  BenchMeter meter;
  View view = { .list = NULL };
  double start;
  guint frames;

  bench_pool_open (&pool, N_WORKERS);
  batch = new_batch (&pool, n_items, chunk_size);
  view = (View) { G_LIST_MODEL (batch), loop, g_ptr_array_new_with_free_func (g_object_unref),
                  n_items, 0 };
  g_signal_connect (batch, "items-changed", G_CALLBACK (on_changed), &view);
  view.n_told = g_list_model_get_n_items (view.list); /* from now on it tells of changes */
  frames = g_timeout_add (FRAME_MSEC, on_frame, &view);
  start = bench_now ();
  aiopool_batch_start (batch);
  bench_meter_start ();
  g_main_loop_run (loop);
  meter = bench_meter_stop ();
  bench_emit ((double) n_items / (bench_now () - start), "1/s", "pool.map.list");
  bench_emit (meter.held * 1e3, "ms", "pool.map.list.dispatch");
  g_source_remove (frames);
  g_ptr_array_unref (view.rows);
  g_clear_object (&batch);
  bench_pool_close (&pool);
}

/* What a result costs until somebody asks for it, its value included. */
static void
measure_memory (int    n_arguments,
                char **arguments)
{
  guint64 n_items = bench_number (n_arguments, arguments, 0);
  guint64 chunk_size = bench_number (n_arguments, arguments, 1);
  g_autoptr (AiopoolBatch) batch = NULL;
  BenchPool pool = { 0 };
  gsize before;

  bench_pool_open (&pool, N_WORKERS);
  batch = new_batch (&pool, n_items, chunk_size);
  before = bench_heap ();
  aiopool_batch_wait (batch, -1, NULL, NULL);
  bench_emit ((double) (bench_heap () - before) / (double) n_items, "B", "pool.map.memory.%u",
              (guint) chunk_size);
  g_clear_object (&batch);
  bench_pool_close (&pool);
}

int
main (int    argc,
      char **argv)
{
  static const BenchCommand commands[] = {
    { "collect", "ITEMS CHUNK-SIZE", measure_collect },
    { "next", "ITEMS CHUNK-SIZE", measure_next },
    { "list", "ITEMS CHUNK-SIZE", measure_list },
    { "memory", "ITEMS CHUNK-SIZE", measure_memory },
    { NULL, NULL, NULL },
  };

  return bench_pool_main (argc, argv, commands);
}
