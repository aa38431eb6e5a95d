/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/base/aiopool-trace.h"

G_BEGIN_DECLS

#define AIOPOOL_TRACE_VARIABLE "AIOPOOL_TRACE"

typedef enum
{
  AIOPOOL_TRACE_TASK,          /* all that is known at the end of a task */
  AIOPOOL_TRACE_SENT,          /* from sent to started, where the next would not know */
  AIOPOOL_TRACE_COUNT,         /* how many tasks wait */
  AIOPOOL_TRACE_WORKER_STARTED,
  AIOPOOL_TRACE_WORKER_READY,
  AIOPOOL_TRACE_WORKER_ENDED
} AiopoolTraceKind;

typedef enum
{
  AIOPOOL_TRACE_DONE,
  AIOPOOL_TRACE_FAILED,
  AIOPOOL_TRACE_CANCELLED,
  AIOPOOL_TRACE_TIMED_OUT,
  AIOPOOL_TRACE_CRASHED
} AiopoolTraceStatus;

/* Times are monotonic microseconds, 0 for not. */
typedef struct
{
  AiopoolTraceKind   kind;
  AiopoolTraceStatus status;
  guint              number;    /* of the pool in this process */
  guint              count;     /* of tasks that wait; the worker's number */
  int                pid;       /* of the worker, 0 for none */
  const char        *name;      /* (nullable): of the function, interned */
  char              *text;      /* (owned) (nullable): the task's tag, or the pool's name */
  char              *reason;    /* (owned) (nullable): the message of the error */
  gint64             submitted;
  gint64             sent;
  gint64             started;   /* of a worker: when it was spawned */
  gint64             ended;     /* of a worker: now */
  gint64             received;
} AiopoolTraceRecord;

extern int aiopool_trace_state; /* atomic; only trace writes it */

/* One load and one branch where there is no trace. */
static inline gboolean
aiopool_trace_is_on (void)
{
  return G_UNLIKELY (__atomic_load_n (&aiopool_trace_state, __ATOMIC_RELAXED) != 0);
}

void  aiopool_trace_check_environment (void);
gboolean aiopool_trace_is_for_children (const char *value);
void  aiopool_trace_push              (AiopoolTraceRecord *record);
char *aiopool_trace_expand            (const char         *path,
                                       int                 pid);

/* The text of a trace; by one thread at a time. */
typedef struct _AiopoolTraceText AiopoolTraceText;

AiopoolTraceText *aiopool_trace_text_new    (int                       pid,
                                             const char               *program);
void              aiopool_trace_text_free   (AiopoolTraceText         *self);
void              aiopool_trace_text_begin  (AiopoolTraceText         *self,
                                             GString                  *json);
void              aiopool_trace_text_append (AiopoolTraceText         *self,
                                             GString                  *json,
                                             const AiopoolTraceRecord *record);
void              aiopool_trace_text_lost   (AiopoolTraceText         *self,
                                             GString                  *json,
                                             guint                     n,
                                             gint64                    now);

/* Marks for the profiler Sysprof, where the library was built with it. */
gboolean          aiopool_trace_marks_are_wanted (void);
void              aiopool_trace_marks_add        (const AiopoolTraceRecord *record);

G_END_DECLS
