/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/base/aiopool-error-info.h"
#include "aiopool/base/aiopool-log-record-private.h"
#include "aiopool/base/aiopool-payload-private.h"
#include "aiopool/workers/aiopool-shared-private.h"

#include <gio/gunixfdlist.h>

G_BEGIN_DECLS

typedef struct _AiopoolPeer  AiopoolPeer;
typedef struct _AiopoolOrder AiopoolOrder;

/* What most tasks leave as it is. */
typedef struct
{
  GVariant    *keywords;      /* (nullable): an a{sv} */
  GUnixFDList *fds;           /* (nullable) */
  gint64       timeout;       /* microseconds from the start, 0 for none */
  gint64       queue_timeout; /* microseconds until the start, 0 for none */
  int          priority;      /* higher goes first */
  guint        retries;       /* how often to run it again after a crash */
  const char  *tag;           /* (nullable): for traces */
  AiopoolShared *shared;      /* (nullable): what it has in common with other tasks */
} AiopoolSpecOptions;

/* What a worker is to do. Immutable, and kept alive by whoever handed it in. */
typedef struct
{
  const char               *function; /* interned */
  AiopoolPayload           *argument;
  const AiopoolSpecOptions *options;
  guint                     n_items; /* of a chunk, whose argument is an array of so many; else 0 */
} AiopoolSpec;

/* A function by name, as one pool knows it. Only the scheduler writes, under its lock. */
typedef struct
{
  const char *name;    /* interned */
  guint32     number;  /* on the wire */
  guint32     epoch;   /* in which run_time was measured */
  gint64      run_time; /* moving average, nanoseconds; -1 when not known */
} AiopoolFunctionInfo;

/* A task with a worker. Embedded in a job; guarded by the scheduler's lock. */
struct _AiopoolOrder
{
  const AiopoolSpec   *spec;     /* (unowned: the job's owner) */
  AiopoolFunctionInfo *function; /* (unowned: the scheduler) */
  AiopoolPeer         *peer;     /* (unowned: the crew) (nullable): NULL when with none */
  guint64              id;       /* on the wire, 0 when with none */
  gint64               sent;     /* monotonic microseconds */
  guint32              n_items;  /* of a chunk: those that were not taken back */
  guint32              n_came;   /* of these */
  AiopoolOrder        *previous; /* in the peer, in the order sent; or in the queue */
  AiopoolOrder        *next;
};

#define AIOPOOL_ORDER_IS_CHUNK(order) ((order)->spec->n_items > 0)

/* What came of one. Owned parts are taken by whoever settles it. */
typedef struct
{
  AiopoolPayload   *payload; /* (nullable) */
  GError           *error;   /* (nullable): set if payload is not */
  AiopoolErrorInfo *info;    /* (nullable) */
  GUnixFDList      *fds;     /* (nullable) */
  char             *last_lines; /* (nullable): of standard error, if it failed */
  gint64            started; /* monotonic microseconds, 0 if it never did */
  gint64            ended;
  int               pid;     /* of the worker, 0 for none */
  guint             n_begun; /* of a chunk: items that may have begun, the running one included; no
                              * other one will. With an error and 0 of them it is that of all */
} AiopoolOutcome;

/* Results of a run of items of a chunk. Owned parts are taken by whoever gets it. */
typedef struct
{
  guint           first;     /* index in the chunk: items come in order, each once */
  guint           n;
  AiopoolPayload *values;    /* (owned) (nullable): a GVariant array of n, as a worker's any other;
                              * NULL for one item of which the outcome tells */
  guint32        *run_times; /* (owned): microseconds, n of them */
  gint64          started;   /* monotonic microseconds, of the first; never before the chunk was
                              * sent nor after now */
  AiopoolOutcome  outcome;   /* if values is NULL, and n 1 */
} AiopoolItems;

typedef enum
{
  AIOPOOL_EVENT_OUTCOME,
  AIOPOOL_EVENT_PROGRESS,
  AIOPOOL_EVENT_EMIT,
  AIOPOOL_EVENT_LOG,
  AIOPOOL_EVENT_ITEMS
} AiopoolEventType;

/* What a worker says about one task, or logs outside of them. */
typedef struct
{
  AiopoolEventType  type;
  guint64           id;       /* 0: LOG outside of tasks */
  AiopoolOutcome    outcome;  /* OUTCOME; EMIT uses its payload */
  double            fraction; /* PROGRESS */
  char             *text;     /* PROGRESS (owned) */
  AiopoolLogRecord *record;   /* LOG (owned) */
  AiopoolItems      items;    /* ITEMS */
} AiopoolEvent;

AiopoolSpec *aiopool_spec_copy     (const AiopoolSpec *self);
void         aiopool_spec_free     (AiopoolSpec       *self);
void         aiopool_outcome_clear (AiopoolOutcome    *self);
void         aiopool_items_clear   (AiopoolItems      *self);
void         aiopool_event_clear   (AiopoolEvent      *self);

G_END_DECLS
