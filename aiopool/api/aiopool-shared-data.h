/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/base/aiopool-version-macros.h"

#include <gio/gio.h>

G_BEGIN_DECLS

#define AIOPOOL_TYPE_SHARED_DATA (aiopool_shared_data_get_type ())
AIOPOOL_AVAILABLE_IN_0_1
G_DECLARE_FINAL_TYPE (AiopoolSharedData, aiopool_shared_data, AIOPOOL, SHARED_DATA, GObject)

AIOPOOL_AVAILABLE_IN_0_1
AiopoolSharedData *aiopool_shared_data_new       (GBytes            *bytes);
AIOPOOL_AVAILABLE_IN_0_1
GBytes            *aiopool_shared_data_get_bytes (AiopoolSharedData *self);

G_END_DECLS
