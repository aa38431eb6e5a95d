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

static void
submit (AiopoolPool      *pool,
        AiopoolFutureSet *set,
        gint64            number)
{
  g_autoptr (AiopoolTask) task = aiopool_task_new ("square", g_variant_new ("(x)", number));
  g_autoptr (AiopoolFuture) future = NULL;
  g_autoptr (GError) error = NULL;

  future = aiopool_executor_submit (AIOPOOL_EXECUTOR (pool), task, NULL, &error);
  if (future == NULL)
    g_error ("%s", error->message);
  aiopool_future_set_add (set, future);
}

int
main (void)
{
  g_autoptr (AiopoolPool) pool = NULL;
  g_autoptr (AiopoolFutureSet) set = NULL;
  AiopoolFuture *future;
  gint64 sum = 0;

  aiopool_service_enter (setup, NULL);

  pool = aiopool_pool_new (2);
  set = aiopool_future_set_new ();
  for (gint64 number = 1; number <= 8; number++)
    submit (pool, set, number);

  while ((future = aiopool_future_set_next (set, -1, NULL, NULL)) != NULL)
    {
      g_autoptr (GVariant) result = aiopool_future_get_result (future, NULL);

      if (result != NULL)
        sum += g_variant_get_int64 (result);
      g_object_unref (future);
    }
  g_print ("%" G_GINT64_FORMAT "\n", sum);
  return 0;
}
