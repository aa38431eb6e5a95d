/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/workers/aiopool-launcher.h"

G_BEGIN_DECLS

/* For the files of this class only. Set up in one thread; nothing changes once it is frozen. */
struct _AiopoolLauncher
{
  GObject    parent_instance;
  char     **argv;        /* (owned) (nullable): NULL for this program again */
  char     **plugins;     /* (owned) (nullable) */
  char      *directory;   /* (owned) (nullable) */
  GPtrArray *environment; /* (owned): of VARIABLE=VALUE to set, VARIABLE to unset */
  gboolean   is_trusted;
  gboolean   is_frozen;
};

/* launcher-properties */
void aiopool_launcher_install_properties (GObjectClass *object_class);

G_END_DECLS
