/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/api/aiopool-task.h"
#include "aiopool/workers/aiopool-order-private.h"

G_BEGIN_DECLS

const AiopoolSpec *aiopool_task_freeze (AiopoolTask *self);

G_END_DECLS
