/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

gboolean aiopool_process_is_starting  (void);
void     aiopool_process_set_starting (gboolean is_starting);

G_END_DECLS
