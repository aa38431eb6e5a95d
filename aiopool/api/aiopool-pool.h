/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/api/aiopool-executor.h"
#include "aiopool/api/aiopool-stats.h"
#include "aiopool/api/aiopool-worker.h"
#include "aiopool/workers/aiopool-launcher.h"

G_BEGIN_DECLS

#define AIOPOOL_TYPE_POOL (aiopool_pool_get_type ())
AIOPOOL_AVAILABLE_IN_0_1
G_DECLARE_FINAL_TYPE (AiopoolPool, aiopool_pool, AIOPOOL, POOL, AiopoolExecutor)

AIOPOOL_AVAILABLE_IN_0_1
AiopoolPool     *aiopool_pool_new                  (guint            max_workers);
AIOPOOL_AVAILABLE_IN_0_1
AiopoolPool     *aiopool_pool_new_with_launcher    (guint            max_workers,
                                                    AiopoolLauncher *launcher);
AIOPOOL_AVAILABLE_IN_0_1
AiopoolPool     *aiopool_pool_get_default          (void);
AIOPOOL_AVAILABLE_IN_0_1
guint            aiopool_pool_get_max_workers      (AiopoolPool     *self);
AIOPOOL_AVAILABLE_IN_0_1
const char      *aiopool_pool_get_name             (AiopoolPool     *self);
AIOPOOL_AVAILABLE_IN_0_1
AiopoolLauncher *aiopool_pool_get_launcher         (AiopoolPool     *self);
AIOPOOL_AVAILABLE_IN_0_1
double           aiopool_pool_get_idle_timeout     (AiopoolPool     *self);
AIOPOOL_AVAILABLE_IN_0_1
void             aiopool_pool_set_idle_timeout     (AiopoolPool     *self,
                                                    double           idle_timeout);
AIOPOOL_AVAILABLE_IN_0_1
double           aiopool_pool_get_start_timeout    (AiopoolPool     *self);
AIOPOOL_AVAILABLE_IN_0_1
void             aiopool_pool_set_start_timeout    (AiopoolPool     *self,
                                                    double           start_timeout);
AIOPOOL_AVAILABLE_IN_0_1
double           aiopool_pool_get_grace_period     (AiopoolPool     *self);
AIOPOOL_AVAILABLE_IN_0_1
void             aiopool_pool_set_grace_period     (AiopoolPool     *self,
                                                    double           grace_period);
AIOPOOL_AVAILABLE_IN_0_1
guint            aiopool_pool_get_max_pending      (AiopoolPool     *self);
AIOPOOL_AVAILABLE_IN_0_1
void             aiopool_pool_set_max_pending      (AiopoolPool     *self,
                                                    guint            max_pending);
AIOPOOL_AVAILABLE_IN_0_1
guint            aiopool_pool_get_min_workers      (AiopoolPool     *self);

AIOPOOL_AVAILABLE_IN_0_1
void             aiopool_pool_set_min_workers      (AiopoolPool     *self,
                                                    guint            min_workers);

AIOPOOL_AVAILABLE_IN_0_1
guint            aiopool_pool_get_restart_budget   (AiopoolPool     *self);

AIOPOOL_AVAILABLE_IN_0_1
void             aiopool_pool_set_restart_budget   (AiopoolPool     *self,
                                                    guint            restart_budget);

AIOPOOL_AVAILABLE_IN_0_1
guint            aiopool_pool_get_max_deaths_per_task (AiopoolPool  *self);

AIOPOOL_AVAILABLE_IN_0_1
void             aiopool_pool_set_max_deaths_per_task (AiopoolPool  *self,
                                                    guint            max_deaths);

AIOPOOL_AVAILABLE_IN_0_1
guint            aiopool_pool_get_max_tasks_per_worker (AiopoolPool *self);

AIOPOOL_AVAILABLE_IN_0_1
AiopoolDeathPolicy aiopool_pool_get_on_worker_death (AiopoolPool    *self);

AIOPOOL_AVAILABLE_IN_0_1
AiopoolTask     *aiopool_pool_get_initializer      (AiopoolPool     *self);

AIOPOOL_AVAILABLE_IN_0_1
AiopoolTask     *aiopool_pool_get_finalizer        (AiopoolPool     *self);

AIOPOOL_AVAILABLE_IN_0_1
gboolean         aiopool_pool_get_is_broken        (AiopoolPool     *self);
AIOPOOL_AVAILABLE_IN_0_1
AiopoolErrorInfo *aiopool_pool_dup_broken_info     (AiopoolPool     *self);

AIOPOOL_AVAILABLE_IN_0_1
guint            aiopool_pool_spawn_workers        (AiopoolPool     *self,
                                                    guint            n_workers,
                                                    GError         **error);

AIOPOOL_AVAILABLE_IN_0_1
GListModel      *aiopool_pool_dup_cancelled_tasks  (AiopoolPool     *self);

AIOPOOL_AVAILABLE_IN_0_1
guint            aiopool_pool_get_tasks_per_worker (AiopoolPool     *self);
AIOPOOL_AVAILABLE_IN_0_1
guint64          aiopool_pool_get_max_result_size  (AiopoolPool     *self);
AIOPOOL_AVAILABLE_IN_0_1
guint            aiopool_pool_get_n_workers        (AiopoolPool     *self);
AIOPOOL_AVAILABLE_IN_0_1
guint            aiopool_pool_get_n_idle           (AiopoolPool     *self);
AIOPOOL_AVAILABLE_IN_0_1
guint            aiopool_pool_get_n_busy           (AiopoolPool     *self);
AIOPOOL_AVAILABLE_IN_0_1
GListModel      *aiopool_pool_get_workers          (AiopoolPool     *self);
AIOPOOL_AVAILABLE_IN_0_1
GListModel      *aiopool_pool_dup_workers          (AiopoolPool     *self);

AIOPOOL_AVAILABLE_IN_0_1
double           aiopool_pool_get_n_done           (AiopoolPool     *self);
AIOPOOL_AVAILABLE_IN_0_1
double           aiopool_pool_get_n_failed         (AiopoolPool     *self);
AIOPOOL_AVAILABLE_IN_0_1
double           aiopool_pool_get_n_cancelled      (AiopoolPool     *self);
AIOPOOL_AVAILABLE_IN_0_1
double           aiopool_pool_get_queue_time_median (AiopoolPool    *self);
AIOPOOL_AVAILABLE_IN_0_1
double           aiopool_pool_get_run_time_median  (AiopoolPool     *self);
AIOPOOL_AVAILABLE_IN_0_1
double           aiopool_pool_get_utilization      (AiopoolPool     *self);
AIOPOOL_AVAILABLE_IN_0_1
double           aiopool_pool_get_tasks_per_second (AiopoolPool     *self);
AIOPOOL_AVAILABLE_IN_0_1
AiopoolStats    *aiopool_pool_dup_stats            (AiopoolPool     *self);
AIOPOOL_AVAILABLE_IN_0_1
void             aiopool_pool_reset_stats          (AiopoolPool     *self);

G_END_DECLS
