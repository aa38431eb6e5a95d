/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/runtime/aiopool-outbox-private.h"
#include "aiopool/runtime/aiopool-shares-private.h"
#include "aiopool/wire/aiopool-channel-private.h"
#include "aiopool/wire/aiopool-message-private.h"
#include "aiopool/wire/aiopool-segment-private.h"

#include <gio/gio.h>
#include <stdatomic.h>

G_BEGIN_DECLS

#define AIOPOOL_RUNNING_UNHEARD G_MAXUINT64 /* no id of a task */

/* A worker's side of its connection. Everything but what is named below is the main thread's. */
typedef struct
{
  int                   data_fd;
  int                   control_fd;
  gboolean              has_parent_fd;
  AiopoolStatusPage    *page;    /* (owned) */
  AiopoolReader        *reader;  /* (owned) */
  AiopoolOutbox        *outbox;  /* (owned): thread safe */
  AiopoolSegmentStore  *store;   /* (owned): of results; thread safe */
  AiopoolSegmentCache  *cache;   /* (owned): of arguments; thread safe */
  AiopoolShares        *shares;  /* (owned): what tasks have in common */
  AiopoolConfigMessage  config;
  GMainContext         *context; /* (owned) (nullable): where asynchronous functions run; under the
                                  * lock once the link thread runs */
  _Atomic guint64       running; /* id of the task that runs and is not answered, if there can be
                                  * only one, else 0; the link thread makes it UNHEARD before it
                                  * says that, the main thread sets it anew for the next task */
  _Atomic gboolean      has_chunk; /* what runs is an item of a chunk; as running */
  _Atomic gint64        unheard;  /* monotonic microseconds: when that was said last */
  GMutex                lock;    /* guards what follows */
  GCond                 granted; /* a credit came, or a cancel */
  GHashTable           *told;    /* (owned): a task's slot to what the parent said about it */
} AiopoolSession;

/* What the parent said about a task, or will: made by whoever comes first. One that came too late
 * stays until there is something to say about the next task in that slot. */
typedef struct
{
  guint64       id;
  GCancellable *cancellable; /* (owned) (nullable): once somebody listens */
  gboolean      is_async;
  gboolean      is_cancelled;
  guint64       credit;      /* bytes beyond the first ones */
} AiopoolTold;

gboolean        aiopool_session_is_worker      (void);
AiopoolSession *aiopool_session_open           (GError         **error);
gboolean        aiopool_session_greet          (AiopoolSession  *self,
                                                GError         **error);
void            aiopool_session_refuse         (AiopoolSession  *self,
                                                int              code,
                                                const char      *text);
void            aiopool_session_send_control   (AiopoolSession  *self,
                                                AiopoolFrameType type,
                                                guint8           flags,
                                                guint64          id);
void            aiopool_session_tell_forgotten (AiopoolSession  *self);

AiopoolTold    *aiopool_session_get_told       (AiopoolSession  *self,
                                                guint64          id);
GCancellable   *aiopool_session_listen         (AiopoolSession  *self,
                                                guint64          id,
                                                gboolean         is_async);
void            aiopool_session_grant          (AiopoolSession  *self,
                                                guint64          id,
                                                guint64          credit);
gboolean        aiopool_session_wait_credit    (AiopoolSession  *self,
                                                guint64          id,
                                                guint64          spent);
void            aiopool_session_finish         (AiopoolSession  *self,
                                                guint64          id);

void            aiopool_link_start             (AiopoolSession  *session);
void            aiopool_link_end_orphan        (AiopoolSession  *session);

G_END_DECLS
