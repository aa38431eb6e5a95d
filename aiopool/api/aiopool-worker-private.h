/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/api/aiopool-worker.h"
#include "aiopool/sched/aiopool-scheduler-private.h"

G_BEGIN_DECLS

AiopoolWorker *aiopool_worker_new    (AiopoolScheduler          *scheduler,
                                      const AiopoolWorkerStatus *status);
void           aiopool_worker_update (AiopoolWorker             *self,
                                      const AiopoolWorkerStatus *status);

G_END_DECLS
