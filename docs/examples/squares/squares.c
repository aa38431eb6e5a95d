/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <aiopool/aiopool.h>

static GVariant *
square (AiopoolCall *call,
        GVariant    *arguments,
        gpointer     user_data,
        GError     **error)
{
  gint64 number;

  g_variant_get (arguments, "(x)", &number);
  return g_variant_new_int64 (number * number);
}

static void
setup (AiopoolService *service,
       gpointer        user_data)
{
  aiopool_service_add (service, "square", square, NULL, NULL);
}

static gint64
sum_up (AiopoolBatch  *batch,
        GError       **error)
{
  AiopoolFuture *future;
  gint64 sum = 0;

  while ((future = aiopool_batch_next (batch, -1, NULL, error)) != NULL)
    {
      g_autoptr (GVariant) result = aiopool_future_get_result (future, NULL);

      if (result != NULL) /* this item may have failed; the others go on */
        sum += g_variant_get_int64 (result);
      g_object_unref (future);
    }
  return sum;
}

int
main (void)
{
  const gint64 numbers[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 };
  g_autoptr (AiopoolPool) pool = NULL;
  g_autoptr (AiopoolTask) task = NULL;
  g_autoptr (AiopoolBatch) batch = NULL;
  g_autoptr (GError) error = NULL;

  aiopool_service_enter (setup, NULL);

  pool = aiopool_pool_new (2);
  task = aiopool_task_new ("square", NULL);
  batch = aiopool_executor_map (AIOPOOL_EXECUTOR (pool), task,
                                g_variant_new_fixed_array (G_VARIANT_TYPE_INT64, numbers,
                                                           G_N_ELEMENTS (numbers),
                                                           sizeof numbers[0]));
  aiopool_batch_set_chunk_size (batch, 0);

  g_print ("%" G_GINT64_FORMAT "\n", sum_up (batch, &error));
  return error != NULL;
}
