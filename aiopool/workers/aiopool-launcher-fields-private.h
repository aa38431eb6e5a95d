/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/workers/aiopool-launcher.h"

G_BEGIN_DECLS

typedef struct
{
  guint64                max_memory;       /* bytes; 0: as inherited */
  guint                  max_cpu_time;     /* seconds; 0: as inherited */
  guint                  max_open_files;   /* 0: as inherited */
  gint64                 max_core_size;    /* bytes; -1: as inherited */
  int                    nice;             /* added to what is inherited */
  AiopoolSchedulingClass scheduling_class;
  int                    oom_score_adj;    /* added to what is inherited */
} AiopoolLaunchLimits;

/* For the files of this class only. Set up in one thread; nothing changes once it is frozen. */
struct _AiopoolLauncher
{
  GObject             parent_instance;
  char              **argv;        /* (owned) (nullable): NULL for this program again */
  char              **plugins;     /* (owned) (nullable) */
  char               *directory;   /* (owned) (nullable) */
  GPtrArray          *environment; /* (owned): of VARIABLE=VALUE to set, VARIABLE to unset */
  AiopoolLaunchLimits limits;
  gboolean            is_trusted;
  gboolean            is_frozen;
};

/* launcher-limits */
void aiopool_launcher_init_limits        (AiopoolLauncher *self);
void aiopool_launcher_add_resources      (AiopoolLauncher *self,
                                          GStrvBuilder    *argv);
void aiopool_launcher_add_priorities     (AiopoolLauncher *self,
                                          GStrvBuilder    *argv);

/* launcher-properties */
void aiopool_launcher_install_properties (GObjectClass    *object_class);

G_END_DECLS
