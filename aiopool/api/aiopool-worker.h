/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/base/aiopool-enums.h"

G_BEGIN_DECLS

#define AIOPOOL_TYPE_WORKER (aiopool_worker_get_type ())
AIOPOOL_AVAILABLE_IN_0_1
G_DECLARE_FINAL_TYPE (AiopoolWorker, aiopool_worker, AIOPOOL, WORKER, GObject)

AIOPOOL_AVAILABLE_IN_0_1
guint              aiopool_worker_get_id           (AiopoolWorker *self);
AIOPOOL_AVAILABLE_IN_0_1
int                aiopool_worker_get_pid          (AiopoolWorker *self);
AIOPOOL_AVAILABLE_IN_0_1
AiopoolWorkerState aiopool_worker_get_state        (AiopoolWorker *self);
AIOPOOL_AVAILABLE_IN_0_1
guint              aiopool_worker_get_n_tasks_done (AiopoolWorker *self);
AIOPOOL_AVAILABLE_IN_0_1
gboolean           aiopool_worker_get_exit_code    (AiopoolWorker *self,
                                                    int           *exit_code);

G_END_DECLS
