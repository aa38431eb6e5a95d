/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/sched/aiopool-scheduler-private.h"

G_BEGIN_DECLS

typedef struct _AiopoolPoolView AiopoolPoolView;

AiopoolPoolView *aiopool_pool_view_new         (GObject          *pool,
                                                AiopoolScheduler *scheduler);
void             aiopool_pool_view_unref       (AiopoolPoolView  *self);
void             aiopool_pool_view_change      (AiopoolPoolView  *self);
GListModel      *aiopool_pool_view_get_workers (AiopoolPoolView  *self);

G_END_DECLS
