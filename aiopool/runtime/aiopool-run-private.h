/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/wire/aiopool-message-private.h"

G_BEGIN_DECLS

#define AIOPOOL_RUN_MAX_VALUE (8 * 1024) /* bytes; an item of more goes by itself */
#define AIOPOOL_RUN_MAX_TYPE  254        /* bytes of the type string, as that */

/* Results of items of a chunk that wait to be sent together. */
typedef struct _AiopoolRun AiopoolRun;

/* What came of one item. */
typedef struct
{
  guint64            id;      /* of the chunk */
  guint32            index;
  gint64             started; /* monotonic microseconds */
  gint64             ended;
  AiopoolPayloadView value;   /* a GVariant of at most AIOPOOL_RUN_MAX_VALUE */
} AiopoolRunItem;

AiopoolRun *aiopool_run_new      (void);
void        aiopool_run_free     (AiopoolRun           *self);
guint       aiopool_run_get_n    (AiopoolRun           *self);
gboolean    aiopool_run_accepts  (AiopoolRun           *self,
                                  const AiopoolRunItem *item);
void        aiopool_run_add      (AiopoolRun           *self,
                                  const AiopoolRunItem *item);
gsize       aiopool_run_get_size (AiopoolRun           *self);
void        aiopool_run_write    (AiopoolRun           *self,
                                  guint8               *out);

G_END_DECLS
