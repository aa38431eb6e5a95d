/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/base/aiopool-enums.h"

#include <glib.h>

G_BEGIN_DECLS

/* What a sandboxed worker is to have besides the system. */
typedef struct
{
  GPtrArray         *files;       /* (owned): paths that it needs, to be there read-only */
  const char        *directory;   /* (nullable): absolute; where it runs, read-only */
  GPtrArray         *shared;      /* (unowned): of AiopoolSharedPath */
  GPtrArray         *environment; /* (unowned): of VARIABLE=VALUE to set, VARIABLE to unset */
  const int         *fds;
  guint              n_fds;
} AiopoolWrapperNeeds;

typedef struct
{
  char    *path; /* (owned): absolute */
  gboolean is_writable;
} AiopoolSharedPath;

AiopoolSandboxKind aiopool_wrapper_get_kind  (void);
char              *aiopool_wrapper_find      (AiopoolSandboxKind         kind);
const char        *aiopool_wrapper_get_name  (AiopoolSandboxKind         kind);
void               aiopool_wrapper_add       (AiopoolSandboxKind         kind,
                                              const char                *program,
                                              const AiopoolWrapperNeeds *needs,
                                              GStrvBuilder              *argv);
void               aiopool_wrapper_add_code  (GPtrArray                 *files);

/* For tests. @path: static; NULL for the real one. */
void               aiopool_wrapper_set_flatpak_info (const char         *path);

G_END_DECLS
