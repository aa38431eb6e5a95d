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

int
main (void)
{
  g_autoptr (AiopoolPool) pool = NULL;
  g_autoptr (AiopoolTask) task = NULL;
  g_autoptr (GVariant) result = NULL;
  g_autoptr (GError) error = NULL;

  aiopool_service_enter (setup, NULL);

  pool = aiopool_pool_new (2);
  task = aiopool_task_new ("square", g_variant_new ("(x)", (gint64) 12));
  result = aiopool_executor_run (AIOPOOL_EXECUTOR (pool), task, NULL, &error);
  if (result == NULL)
    g_error ("%s", error->message);

  g_print ("%" G_GINT64_FORMAT "\n", g_variant_get_int64 (result));
  return 0;
}
