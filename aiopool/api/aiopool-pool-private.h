/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/api/aiopool-pool-view-private.h"
#include "aiopool/api/aiopool-pool.h"
#include "aiopool/api/aiopool-promise.h"
#include "aiopool/sched/aiopool-scheduler-private.h"

G_BEGIN_DECLS

struct _AiopoolPool
{
  AiopoolExecutor        parent_instance;
  AiopoolLauncher       *launcher;  /* (owned) */
  char                  *name;      /* (owned) (nullable) */
  AiopoolScheduler      *scheduler; /* (owned) (nullable): NULL once disposed */
  AiopoolPoolView       *view;      /* (owned) (nullable): as scheduler */
  GMutex                 lock;      /* guards what follows */
  AiopoolSchedulerLimits limits;
  AiopoolPromise        *closing;   /* (owned) (nullable): of the end of the shutdown */
  gboolean               is_closed;
};

/* pool */
AiopoolCounts aiopool_pool_get_counts         (AiopoolPool  *self);

/* pool-settings */
void          aiopool_pool_init_settings      (AiopoolPool  *self);
void          aiopool_pool_install_properties (GObjectClass *object_class);

G_END_DECLS
