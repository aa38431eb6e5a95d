/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/runtime/aiopool-service.h"

G_BEGIN_DECLS

#define AIOPOOL_MAX_FUNCTION_NAME 4096 /* bytes */

typedef struct _AiopoolRegistry AiopoolRegistry;

/* A function of a worker: one of the two. Counted, so that one may replace itself while it runs. */
typedef struct
{
  int                  ref_count;
  AiopoolFunction      function;       /* (nullable) */
  AiopoolAsyncFunction async_function; /* (nullable) */
  gpointer             user_data;
  GDestroyNotify       destroy;        /* (nullable) */
} AiopoolEntry;

AiopoolRegistry *aiopool_registry_new       (void);
void             aiopool_registry_free      (AiopoolRegistry      *self);
void             aiopool_registry_add       (AiopoolRegistry      *self,
                                             const char           *name,
                                             const AiopoolEntry   *entry);
gboolean         aiopool_registry_has_async (AiopoolRegistry      *self);
gboolean         aiopool_registry_define    (AiopoolRegistry      *self,
                                             guint64               number,
                                             const char           *name,
                                             gsize                 size);
const char      *aiopool_registry_find      (AiopoolRegistry      *self,
                                             guint32               number,
                                             AiopoolEntry        **entry,
                                             gpointer            **slot);
void             aiopool_entry_unref        (AiopoolEntry         *self);

G_END_DECLS
