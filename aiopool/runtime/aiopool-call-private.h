/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/runtime/aiopool-call.h"
#include "aiopool/runtime/aiopool-chunk-private.h"
#include "aiopool/runtime/aiopool-parcel-private.h"
#include "aiopool/runtime/aiopool-progress-private.h"

G_BEGIN_DECLS

/* In whatever thread answered; the answer is in the outbox. */
typedef void (*AiopoolCallAnsweredFunc) (gpointer     owner,
                                         AiopoolCall *call);

struct _AiopoolCall
{
  GObject                  parent_instance;
  AiopoolSession          *session;   /* (unowned: lives as long as the process) */
  AiopoolCallAnsweredFunc  answered;
  gpointer                 owner;     /* (unowned: lives as long as the process) */

  guint64                  id;        /* 0 between two tasks */
  gint64                   started;   /* monotonic microseconds */
  gint64                   timeout;   /* microseconds, 0 for none */
  const char              *function;  /* interned */
  AiopoolArgument          argument;
  GVariant                *keywords;  /* (owned) (nullable) */
  GUnixFDList             *fds;       /* (owned) (nullable) */
  GBytes                  *shared_data; /* (owned) (nullable) */
  guint64                  shared_id; /* of that, 0 for none */
  gboolean                 is_async;
  AiopoolChunk            *chunk;     /* (unowned: the service, until the call is answered)
                                       * (nullable): of which it is an item */
  guint32                  index;     /* of that */
  gboolean                 has_listened; /* somebody had asked for the cancellable when it was
                                          * answered; the thread's that did that */

  GMutex                   lock;        /* guards what follows; no user code runs under it */
  int                      is_answered; /* written under lock, atomic to read */
  GCancellable            *cancellable; /* (owned) (nullable): once somebody asked */
  GUnixFDList             *result_fds;  /* (owned) (nullable) */
  AiopoolErrorInfo        *info;        /* (owned) (nullable) */
  AiopoolProgress          progress;
  guint64                  n_emitted;   /* bytes */
  gint64                   emitted;     /* monotonic microseconds: the last time */
  GArray                  *buffers;     /* (owned) (nullable): from new_buffer(), not returned */
};

AiopoolCall *aiopool_call_new             (AiopoolSession           *session,
                                           AiopoolCallAnsweredFunc   answered,
                                           gpointer                  owner);
void         aiopool_call_begin           (AiopoolCall              *self,
                                           guint64                   id,
                                           gint64                    started,
                                           gint64                    timeout,
                                           const char               *function);
gboolean     aiopool_call_read            (AiopoolCall              *self,
                                           const AiopoolTaskMessage *message,
                                           GUnixFDList              *fds,
                                           GError                  **error);
void         aiopool_call_begin_item      (AiopoolCall              *self,
                                           AiopoolChunk             *chunk,
                                           gint64                    started);
void         aiopool_call_set_async       (AiopoolCall              *self);
gboolean     aiopool_call_is_async        (AiopoolCall              *self);
gboolean     aiopool_call_is_answered     (AiopoolCall              *self);
void         aiopool_call_answer_variant  (AiopoolCall              *self,
                                           GVariant                 *value,
                                           gint64                    ended);
void         aiopool_call_answer_error    (AiopoolCall              *self,
                                           const GError             *error,
                                           gint64                    ended);
void         aiopool_call_discard_buffers (AiopoolCall              *self);
void         aiopool_call_reset           (AiopoolCall              *self);

G_END_DECLS
