/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <gmodule.h>

/* A module that is no plug-in. */

G_MODULE_EXPORT int aiopool_test_is_no_plugin;
int aiopool_test_is_no_plugin;
