/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/api/aiopool-stats.h"
#include "aiopool/sched/aiopool-scheduler-private.h"

G_BEGIN_DECLS

AiopoolStats *aiopool_stats_new                (const AiopoolFiguresView *view);

/* stats-properties */
void          aiopool_stats_install_properties (GObjectClass             *object_class);

G_END_DECLS
