/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined (AIOPOOL_INSIDE) && !defined (AIOPOOL_COMPILATION)
# error "Only <aiopool/aiopool.h> can be included directly."
#endif

#include <glib.h>

#include "aiopool/base/aiopool-version-macros.h"

G_BEGIN_DECLS

AIOPOOL_AVAILABLE_IN_0_1
gboolean aiopool_trace_start (const char  *path,
                              GError     **error);
AIOPOOL_AVAILABLE_IN_0_1
void     aiopool_trace_stop  (void);

G_END_DECLS
