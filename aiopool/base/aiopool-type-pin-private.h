/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

void aiopool_type_pin (GVariant *value);

G_END_DECLS
