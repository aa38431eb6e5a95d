/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/sched/aiopool-scheduler-private.h"

G_BEGIN_DECLS

typedef struct _AiopoolPoolLog AiopoolPoolLog;

AiopoolPoolLog *aiopool_pool_log_new             (GObject          *pool,
                                                  AiopoolScheduler *scheduler);
void            aiopool_pool_log_unref           (AiopoolPoolLog   *self);
void            aiopool_pool_log_push            (AiopoolPoolLog   *self,
                                                  AiopoolLogRecord *record);
void            aiopool_pool_log_install_signals (GType             pool_type);

G_END_DECLS
