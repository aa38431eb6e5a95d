/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

#define AIOPOOL_SEGMENT_FORGET 1 /* flag of a RELEASE frame: the sender gave the segment up */

#define AIOPOOL_COPY_SLICE      (4 * 1024 * 1024) /* bytes copied before others get their turn */
#define AIOPOOL_MAX_CALLER_COPY (1024 * 1024) /* bytes copied on a thread that is not the engine */

typedef struct _AiopoolSegmentStore AiopoolSegmentStore;
typedef struct _AiopoolSegmentCache AiopoolSegmentCache;

/* Memory to write a large value into. */
typedef struct
{
  guint64  id;       /* 0 for a segment of one use */
  int      fd;       /* (owned) */
  guint8  *data;     /* (owned): a mapping; NULL once sealed */
  gsize    capacity; /* bytes */
  gboolean is_known; /* the other side has the descriptor */
  gboolean in_use;
} AiopoolSegment;

typedef void (*AiopoolSegmentReleaseFunc) (gpointer owner,
                                           guint64  id);

AiopoolSegmentStore *aiopool_segment_store_new            (gboolean              reuses);
void                 aiopool_segment_store_free           (AiopoolSegmentStore  *self);
AiopoolSegment      *aiopool_segment_store_acquire        (AiopoolSegmentStore  *self,
                                                           gsize                 size,
                                                           GError              **error);
AiopoolSegment      *aiopool_segment_store_find           (AiopoolSegmentStore  *self,
                                                           gconstpointer         data);
gboolean             aiopool_segment_store_finish         (AiopoolSegmentStore  *self,
                                                           AiopoolSegment       *segment,
                                                           gsize                 size,
                                                           int                  *fd,
                                                           GError              **error);
void                 aiopool_segment_store_release        (AiopoolSegmentStore  *self,
                                                           guint64               id);
void                 aiopool_segment_store_discard        (AiopoolSegmentStore  *self,
                                                           AiopoolSegment       *segment);
void                 aiopool_segment_store_trim           (AiopoolSegmentStore  *self);
gboolean             aiopool_segment_store_is_empty       (AiopoolSegmentStore  *self);
GArray              *aiopool_segment_store_take_forgotten (AiopoolSegmentStore  *self);

AiopoolSegmentCache *aiopool_segment_cache_new            (AiopoolSegmentReleaseFunc release,
                                                           gpointer              owner);
void                 aiopool_segment_cache_close          (AiopoolSegmentCache  *self);
GBytes              *aiopool_segment_cache_open           (AiopoolSegmentCache  *self,
                                                           guint64               id,
                                                           gsize                 size,
                                                           int                   fd,
                                                           GError              **error);
void                 aiopool_segment_cache_forget         (AiopoolSegmentCache  *self,
                                                           guint64               id);
gboolean             aiopool_segment_cache_is_empty       (AiopoolSegmentCache  *self);

G_END_DECLS
