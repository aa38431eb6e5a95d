/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/runtime/aiopool-outbox-private.h"
#include "aiopool/wire/aiopool-channel-private.h"
#include "aiopool/wire/aiopool-message-private.h"
#include "aiopool/wire/aiopool-segment-private.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/* A worker's side of its connection. Everything but what is named below is the main thread's. */
typedef struct
{
  int                   data_fd;
  int                   control_fd;
  AiopoolStatusPage    *page;    /* (owned) */
  AiopoolReader        *reader;  /* (owned) */
  AiopoolOutbox        *outbox;  /* (owned): thread safe */
  AiopoolSegmentStore  *store;   /* (owned): of results; thread safe */
  AiopoolSegmentCache  *cache;   /* (owned): of arguments; thread safe */
  AiopoolConfigMessage  config;
  GMainContext         *context; /* (owned) (nullable): where asynchronous functions run; under the
                                  * lock once the link thread runs */
  GMutex                lock;    /* guards what follows */
  GCond                 granted; /* a credit came, or a cancel */
  GHashTable           *told;    /* (owned): task id to what the parent said about it */
} AiopoolSession;

/* What the parent said about a task, or will: made by whoever comes first. */
typedef struct
{
  guint64       id;
  GCancellable *cancellable; /* (owned) (nullable): once somebody listens */
  gboolean      is_async;
  gboolean      is_running;  /* the task is; otherwise it may have ended already */
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
gboolean        aiopool_session_wait_credit    (AiopoolSession  *self,
                                                guint64          id,
                                                guint64          spent);
void            aiopool_session_finish         (AiopoolSession  *self,
                                                guint64          id);

void            aiopool_link_start             (AiopoolSession  *session);

G_END_DECLS
