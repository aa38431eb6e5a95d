/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/base/aiopool-error-info.h"
#include "aiopool/base/aiopool-log-record-private.h"
#include "aiopool/base/aiopool-payload-private.h"

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
} AiopoolSpecOptions;

/* What a worker is to do. Immutable, and kept alive by whoever handed it in. */
typedef struct
{
  const char               *function; /* interned */
  AiopoolPayload           *argument;
  const AiopoolSpecOptions *options;
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
  AiopoolOrder        *previous; /* in the peer, in the order sent; or in the queue */
  AiopoolOrder        *next;
};

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
} AiopoolOutcome;

typedef enum
{
  AIOPOOL_EVENT_OUTCOME,
  AIOPOOL_EVENT_PROGRESS,
  AIOPOOL_EVENT_EMIT,
  AIOPOOL_EVENT_LOG
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
} AiopoolEvent;

AiopoolSpec *aiopool_spec_copy     (const AiopoolSpec *self);
void         aiopool_spec_free     (AiopoolSpec       *self);
void         aiopool_outcome_clear (AiopoolOutcome    *self);
void         aiopool_event_clear   (AiopoolEvent      *self);

G_END_DECLS
