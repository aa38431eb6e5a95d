/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/runtime/aiopool-service.h"

#include <stdio.h>
#include <unistd.h>

/* The stock worker: serves what plug-ins offer.
 *
 *   aiopool-worker PLUGIN...
 */

static int
serve (char **plugins)
{
  g_autoptr (AiopoolService) service = aiopool_service_new ();
  g_autoptr (GError) error = NULL;
  gboolean ok = TRUE;

  for (guint i = 0; ok && plugins[i] != NULL; i++)
    ok = aiopool_service_load_plugin (service, plugins[i], NULL);
  if (aiopool_service_run (service, &error))
    return 0;
  g_printerr ("aiopool-worker: %s\n", error->message);
  return 1;
}

int
main (int   argc,
      char *argv[])
{
  int status;

  if (!aiopool_service_is_worker ())
    {
      g_printerr ("aiopool-worker: this program is started by libaiopool only\n");
      return 2;
    }
  status = serve (argv + 1);
  fflush (NULL);
  _exit (status);
}
