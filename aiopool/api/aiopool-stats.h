/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined (AIOPOOL_INSIDE) && !defined (AIOPOOL_COMPILATION)
# error "Only <aiopool/aiopool.h> can be included directly."
#endif

#include <glib-object.h>

#include "aiopool/base/aiopool-version-macros.h"

G_BEGIN_DECLS

#define AIOPOOL_TYPE_STATS (aiopool_stats_get_type ())
AIOPOOL_AVAILABLE_IN_0_1
G_DECLARE_FINAL_TYPE (AiopoolStats, aiopool_stats, AIOPOOL, STATS, GObject)

AIOPOOL_AVAILABLE_IN_0_1
double aiopool_stats_get_elapsed           (AiopoolStats *self);
AIOPOOL_AVAILABLE_IN_0_1
guint  aiopool_stats_get_n_pending         (AiopoolStats *self);
AIOPOOL_AVAILABLE_IN_0_1
guint  aiopool_stats_get_n_running         (AiopoolStats *self);
AIOPOOL_AVAILABLE_IN_0_1
double aiopool_stats_get_n_done            (AiopoolStats *self);
AIOPOOL_AVAILABLE_IN_0_1
double aiopool_stats_get_n_failed          (AiopoolStats *self);
AIOPOOL_AVAILABLE_IN_0_1
double aiopool_stats_get_n_cancelled       (AiopoolStats *self);
AIOPOOL_AVAILABLE_IN_0_1
guint  aiopool_stats_get_n_workers         (AiopoolStats *self);
AIOPOOL_AVAILABLE_IN_0_1
guint  aiopool_stats_get_n_idle            (AiopoolStats *self);
AIOPOOL_AVAILABLE_IN_0_1
guint  aiopool_stats_get_n_busy            (AiopoolStats *self);
AIOPOOL_AVAILABLE_IN_0_1
double aiopool_stats_get_n_workers_started (AiopoolStats *self);
AIOPOOL_AVAILABLE_IN_0_1
double aiopool_stats_get_n_workers_lost    (AiopoolStats *self);
AIOPOOL_AVAILABLE_IN_0_1
double aiopool_stats_get_queue_time_mean   (AiopoolStats *self);
AIOPOOL_AVAILABLE_IN_0_1
double aiopool_stats_get_queue_time_median (AiopoolStats *self);
AIOPOOL_AVAILABLE_IN_0_1
double aiopool_stats_get_queue_time_p95    (AiopoolStats *self);
AIOPOOL_AVAILABLE_IN_0_1
double aiopool_stats_get_queue_time_p99    (AiopoolStats *self);
AIOPOOL_AVAILABLE_IN_0_1
double aiopool_stats_get_queue_time_max    (AiopoolStats *self);
AIOPOOL_AVAILABLE_IN_0_1
double aiopool_stats_get_run_time_mean     (AiopoolStats *self);
AIOPOOL_AVAILABLE_IN_0_1
double aiopool_stats_get_run_time_median   (AiopoolStats *self);
AIOPOOL_AVAILABLE_IN_0_1
double aiopool_stats_get_run_time_p95      (AiopoolStats *self);
AIOPOOL_AVAILABLE_IN_0_1
double aiopool_stats_get_run_time_p99      (AiopoolStats *self);
AIOPOOL_AVAILABLE_IN_0_1
double aiopool_stats_get_run_time_max      (AiopoolStats *self);
AIOPOOL_AVAILABLE_IN_0_1
double aiopool_stats_get_utilization       (AiopoolStats *self);
AIOPOOL_AVAILABLE_IN_0_1
double aiopool_stats_get_utilization_mean  (AiopoolStats *self);
AIOPOOL_AVAILABLE_IN_0_1
double aiopool_stats_get_tasks_per_second  (AiopoolStats *self);

G_END_DECLS
