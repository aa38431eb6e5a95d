/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/api/aiopool-executor.h"
#include "aiopool/api/aiopool-room-private.h"

G_BEGIN_DECLS

AiopoolRoom *aiopool_executor_get_room (AiopoolExecutor *self);

G_END_DECLS
