/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/api/aiopool-shared-data.h"
#include "aiopool/workers/aiopool-shared-private.h"

G_BEGIN_DECLS

AiopoolShared *aiopool_shared_data_get_shared (AiopoolSharedData *self);

G_END_DECLS
