/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/api/aiopool-pool-figures-private.h"
#include "aiopool/api/aiopool-pool-log-private.h"
#include "aiopool/api/aiopool-pool-view-private.h"
#include "aiopool/api/aiopool-pool.h"
#include "aiopool/api/aiopool-promise.h"
#include "aiopool/sched/aiopool-scheduler-private.h"

G_BEGIN_DECLS

#define AIOPOOL_DEFAULT_IDLE_TIMEOUT        60.0
#define AIOPOOL_DEFAULT_START_TIMEOUT       30.0
#define AIOPOOL_DEFAULT_GRACE_PERIOD        2.0
#define AIOPOOL_DEFAULT_MAX_RESULT_SIZE     (G_GUINT64_CONSTANT (1) << 30)
#define AIOPOOL_DEFAULT_RESTART_BUDGET      20
#define AIOPOOL_DEFAULT_MAX_DEATHS_PER_TASK 5

struct _AiopoolPool
{
  AiopoolExecutor        parent_instance;
  AiopoolLauncher       *launcher;  /* (owned) */
  char                  *name;      /* (owned) (nullable) */
  AiopoolScheduler      *scheduler; /* (owned) (nullable): NULL once disposed */
  AiopoolPoolView       *view;      /* (owned) (nullable): as scheduler */
  AiopoolTask           *initializer; /* (owned) (nullable) */
  AiopoolTask           *finalizer; /* (owned) (nullable) */
  gboolean               is_trial;  /* made by a test of another one; never changes once used */
  AiopoolPoolLog        *log;       /* (owned) (nullable): as scheduler */
  AiopoolPoolFigures    *figures;   /* (owned) (nullable): as scheduler */
  GMutex                 lock;      /* guards what follows */
  AiopoolSchedulerLimits limits;
  AiopoolPromise        *closing;   /* (owned) (nullable): of the end of the shutdown */
  gboolean               is_closed;
  AiopoolPromise        *joining;   /* (owned) (nullable): of the end of the last join */
  GPtrArray             *trials;    /* (owned) (nullable) of AiopoolPool: tests of this one, until
                                     * the next one after their end */
  GPtrArray             *cancelled; /* (owned) (nullable) of AiopoolTask: did not start and will
                                     * not */
};

/* pool */
AiopoolCounts aiopool_pool_get_counts         (AiopoolPool  *self);

/* pool-life */
gboolean       aiopool_pool_is_disposed       (AiopoolPool  *self,
                                               GError      **error);
void           aiopool_pool_keep_promise      (AiopoolPromise *promise,
                                               GError       *error);
AiopoolFuture *aiopool_pool_new_rejected      (GError       *error);
void           aiopool_pool_on_joined         (gpointer      pool);
void           aiopool_pool_on_given_up       (gpointer      pool,
                                               AiopoolJob   *job);
gboolean       aiopool_pool_check             (AiopoolExecutor *executor,
                                               GError      **error);
AiopoolFuture *aiopool_pool_begin_join        (AiopoolExecutor *executor);
AiopoolFuture *aiopool_pool_begin_test        (AiopoolExecutor *executor);

/* pool-limits */
void          aiopool_pool_init_settings      (AiopoolPool  *self);

/* pool-settings */
void          aiopool_pool_install_properties (GObjectClass *object_class);

G_END_DECLS
