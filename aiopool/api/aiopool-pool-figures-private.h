/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/sched/aiopool-scheduler-private.h"

G_BEGIN_DECLS

typedef struct _AiopoolPoolFigures AiopoolPoolFigures;

AiopoolPoolFigures *aiopool_pool_figures_new    (GObject            *pool,
                                                 AiopoolScheduler   *scheduler);
void                aiopool_pool_figures_unref  (AiopoolPoolFigures *self);
gboolean            aiopool_pool_figures_change (AiopoolPoolFigures *self);

/* Those properties of a pool that are figures, from @first on. */
void                aiopool_pool_figures_install_properties (GObjectClass *object_class,
                                                             guint         first);
gboolean            aiopool_pool_figures_get_property (AiopoolScheduler *scheduler,
                                                       guint             id,
                                                       GValue           *value);

G_END_DECLS
