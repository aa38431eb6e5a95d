/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/pool/helper.h"

/* The functions of these tests as a plug-in of the stock worker. */

G_MODULE_EXPORT void aiopool_plugin_register (AiopoolService *service);

void
aiopool_plugin_register (AiopoolService *service)
{
  helper_register (service, NULL);
}
