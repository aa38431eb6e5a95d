/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <aiopool/aiopool.h>

int
main (void)
{
  g_autoptr (AiopoolLauncher) launcher = aiopool_launcher_new_for_python (NULL);
  g_autoptr (AiopoolPool) pool = aiopool_pool_new_with_launcher (2, launcher);
  g_autoptr (AiopoolTask) task = NULL;
  g_autoptr (GVariant) result = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;

  task = aiopool_task_new ("json:loads", g_variant_new ("(s)", "[12, 144]"));
  result = aiopool_executor_run (AIOPOOL_EXECUTOR (pool), task, NULL, &error);
  if (result == NULL)
    g_error ("%s", error->message);

  text = g_variant_print (result, FALSE);
  g_print ("%s\n", text);
  return 0;
}
