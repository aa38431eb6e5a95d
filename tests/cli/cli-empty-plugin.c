/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <gmodule.h>

/* A module that is no plug-in. */

G_MODULE_EXPORT int cli_empty_plugin_something (void);

int
cli_empty_plugin_something (void)
{
  return 1;
}
