/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/pool/helper.h"

static GVariant *
make_range (guint n)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("au"));
  for (guint i = 0; i < n; i++)
    g_variant_builder_add (&builder, "u", i);
  return g_variant_builder_end (&builder);
}

static void
test_map (gconstpointer data)
{
  guint chunk_size = GPOINTER_TO_UINT (data);
  g_autoptr (AiopoolExecutor) pool = helper_pool (2);
  g_autoptr (AiopoolTask) task = helper_task ("echo", NULL);
  g_autoptr (AiopoolBatch) batch = aiopool_executor_map (pool, task, make_range (1000));
  g_autoptr (GError) error = NULL;
  guint n = 0;
  AiopoolFuture *future;

  aiopool_batch_set_chunk_size (batch, chunk_size);
  while ((future = aiopool_batch_next (batch, -1, NULL, &error)) != NULL)
    {
      g_autoptr (GVariant) result = aiopool_future_get_result (future, &error);
      guint number;
      g_assert_no_error (error);
      g_variant_get (result, "(u)", &number);
      g_assert_cmpuint (number, ==, n);
      g_assert_cmpuint (aiopool_future_get_position (future), ==, n);
      n++;
      g_object_unref (future);
    }
  g_assert_no_error (error);
  g_assert_cmpuint (n, ==, 1000);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_collect (gconstpointer data)
{
  guint chunk_size = GPOINTER_TO_UINT (data);
  g_autoptr (AiopoolExecutor) pool = helper_pool (2);
  g_autoptr (AiopoolTask) task = helper_task ("echo", NULL);
  g_autoptr (AiopoolBatch) batch = aiopool_executor_map (pool, task, make_range (100000));
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) result = NULL;
  gint64 t = g_get_monotonic_time ();

  aiopool_batch_set_chunk_size (batch, chunk_size);
  result = aiopool_batch_collect_all (batch, -1, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (g_variant_get_type_string (result), ==, "a(u)");
  g_assert_cmpuint (g_variant_n_children (result), ==, 100000);
  g_test_message ("chunk %u: %f s", chunk_size, (g_get_monotonic_time () - t) / 1e6);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

int
main (int    argc,
      char **argv)
{
  helper_begin (&argc, &argv);
  helper_add_data ("/batch/map/1", test_map, GUINT_TO_POINTER (1));
  helper_add_data ("/batch/collect/1", test_collect, GUINT_TO_POINTER (1));
  return helper_end ();
}
