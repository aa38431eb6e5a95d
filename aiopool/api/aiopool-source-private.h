/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/api/aiopool-source.h"

G_BEGIN_DECLS

typedef enum
{
  AIOPOOL_PULL_ITEM,  /* there is a value or a task */
  AIOPOOL_PULL_LATER, /* there may be more */
  AIOPOOL_PULL_END    /* there are no more; with an error or without */
} AiopoolPull;

/* Told under the source's lock, from any thread: it only posts a letter. */
typedef void (*AiopoolSourceWake) (gpointer data);

gboolean    aiopool_source_claim      (AiopoolSource      *self,
                                       AiopoolSourceWake   wake,
                                       gpointer            data);
GVariant   *aiopool_source_get_array  (AiopoolSource      *self);
AiopoolPull aiopool_source_pull       (AiopoolSource      *self,
                                       GVariant          **value,
                                       AiopoolTask       **task,
                                       GError            **error);
void        aiopool_source_want       (AiopoolSource      *self,
                                       guint               n_items);
gint64      aiopool_source_count_left (AiopoolSource      *self);
gboolean    aiopool_source_has_pusher (AiopoolSource      *self);
void        aiopool_source_dismiss    (AiopoolSource      *self,
                                       gpointer            data);

G_END_DECLS
