/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <aiopool/aiopool.h>

/* Takes numbers apart with a table that all tasks have in common. */

#define LIMIT 1000000

/* The smallest factor of each number, 4 MB of them. */
static GBytes *
make_table (void)
{
  guint32 *table = g_new0 (guint32, LIMIT);

  for (guint32 factor = 2; factor < LIMIT; factor++)
    {
      if (table[factor] != 0)
        continue;
      for (guint32 number = factor; number < LIMIT; number += factor)
        {
          if (table[number] == 0)
            table[number] = factor;
        }
    }
  return g_bytes_new_take (table, LIMIT * sizeof *table);
}

static GVariant *
take_apart (AiopoolCall *call,
            GVariant    *arguments,
            gpointer     user_data,
            GError     **error)
{
  g_autoptr (GBytes) bytes = aiopool_call_dup_shared_data (call);
  const guint32 *table = g_bytes_get_data (bytes, NULL);
  g_autoptr (GString) text = g_string_new (NULL);
  guint32 number;

  g_variant_get (arguments, "(u)", &number);
  for (; number > 1; number /= table[number])
    g_string_append_printf (text, "%s%u", text->len > 0 ? " * " : "", table[number]);
  return g_variant_new_string (text->str);
}

static void
setup (AiopoolService *service,
       gpointer        user_data)
{
  aiopool_service_add (service, "take-apart", take_apart, NULL, NULL);
}

int
main (void)
{
  g_autoptr (AiopoolPool) pool = NULL;
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (AiopoolSharedData) table = NULL;

  aiopool_service_enter (setup, NULL);

  pool = aiopool_pool_new (2);
  bytes = make_table ();
  table = aiopool_shared_data_new (bytes);
  for (guint number = 999997; number < 1000000; number++)
    {
      g_autoptr (AiopoolTask) task = aiopool_task_new ("take-apart", g_variant_new ("(u)", number));
      g_autoptr (GVariant) result = NULL;
      g_autoptr (GError) error = NULL;

      aiopool_task_set_shared_data (task, table);
      result = aiopool_executor_run (AIOPOOL_EXECUTOR (pool), task, NULL, &error);
      if (result == NULL)
        g_error ("%s", error->message);
      g_print ("%u = %s\n", number, g_variant_get_string (result, NULL));
    }
  return 0;
}
