/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/runtime/aiopool-parcel-private.h"
#include "aiopool/runtime/aiopool-registry-private.h"

G_BEGIN_DECLS

typedef struct _AiopoolChunk AiopoolChunk;

/* A task of many items, while it is under way. The serving thread's but for what says otherwise. */
struct _AiopoolChunk
{
  guint64          id;
  gint64           started;       /* monotonic microseconds */
  gint64           timeout;       /* microseconds, of each item; 0 for none */
  const char      *function;      /* interned */
  AiopoolEntry    *entry;         /* (owned) (nullable) */
  gpointer        *slot;          /* (unowned: the registry) (nullable): of hooks, which run what
                                   * has no entry */
  AiopoolArgument  argument;      /* of all items: an array */
  GVariant        *keywords;      /* (owned) (nullable) */
  GUnixFDList     *fds;           /* (owned) (nullable) */
  GBytes          *shared_data;   /* (owned) (nullable) */
  guint64          shared_id;     /* of that, 0 for none */
  guint32          n_items;
  guint32          index;         /* of the item that was begun last */
  gint64           progress_sent; /* monotonic microseconds; that item's, under its lock */
  gboolean         is_forgotten;  /* the service has ended; under its lock, once an item waits */
  int              is_answered;   /* atomic: that item's answer is in the outbox; written last by
                                   * who gave it */
};

AiopoolChunk *aiopool_chunk_new      (guint64                    id,
                                      gint64                     started,
                                      const char                *function,
                                      const AiopoolTaskMessage  *message,
                                      AiopoolEntry              *entry,
                                      gpointer                  *slot);
gboolean      aiopool_chunk_read     (AiopoolChunk              *self,
                                      AiopoolSession            *session,
                                      const AiopoolTaskMessage  *message,
                                      GUnixFDList               *fds,
                                      GError                   **error);
void          aiopool_chunk_free     (AiopoolChunk              *self);
gboolean      aiopool_chunk_begin    (AiopoolChunk              *self,
                                      AiopoolSession            *session,
                                      gint64                     now);
void          aiopool_chunk_end      (AiopoolChunk              *self,
                                      AiopoolSession            *session,
                                      gint64                     ended,
                                      const GError              *error);

G_END_DECLS
