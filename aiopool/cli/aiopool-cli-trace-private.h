/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/cli/aiopool-cli-private.h"

G_BEGIN_DECLS

typedef enum
{
  CLI_TASK_DONE,
  CLI_TASK_CANCELLED,
  CLI_TASK_FAILED,
  CLI_TASK_TIMED_OUT,
  CLI_TASK_CRASHED
} CliTaskStatus;

#define CLI_NO_WORKER G_MAXUINT

/* Times are microseconds since the first event of the trace. */
typedef struct
{
  gint64 submitted;
  gint64 started;   /* as ended, if it never did */
  gint64 ended;
  guint  function;  /* in the list of them */
  guint  worker;    /* as that; CLI_NO_WORKER if it never started */
  guint8 lane;      /* of the worker, from 0 */
  guint8 status;    /* CliTaskStatus */
} CliTraceTask;

typedef struct
{
  char   *name;      /* (owned) (nullable): of the pool */
  int     pid;
  guint   number;    /* in the pool, 0 if not known */
  guint   pool;
  gint64  born;      /* -1 if not known, as all that follow */
  gint64  ready;
  gint64  died;
  double  busy;      /* microseconds of tasks; never -1 */
  guint   n_tasks;
  guint   n_lanes;
  gboolean has_crashed;
} CliTraceWorker;

typedef struct
{
  char   *name;      /* (owned) */
  guint   n_tasks;
  guint   n_failed;  /* without those that were cancelled */
  guint   n_cancelled;
  double  busy;      /* microseconds */
} CliTraceFunction;

typedef struct
{
  char   *program;   /* (owned) (nullable) */
  GArray *tasks;     /* (owned) of CliTraceTask, by start */
  GArray *workers;   /* (owned) of CliTraceWorker */
  GArray *functions; /* (owned) of CliTraceFunction, by busy, most first */
  gint64  length;    /* microseconds */
  guint64 n_lost;    /* records that found no room */
  gboolean is_short; /* the text ended before its time */
} CliTrace;

CliTrace *cli_trace_read     (const char *text,
                              gsize       length,
                              GError    **error);
void      cli_trace_free     (CliTrace   *self);

/* How many tasks waited: one entry for each change, by time. */
typedef struct
{
  gint64 when;
  gint64 depth;
} CliTraceDepth;

GArray   *cli_trace_list_depths (CliTrace *self);

/* "12.3 ms". */
char     *cli_trace_dup_duration (double usec);

void      cli_trace_append_table (CliTrace   *self,
                                  GString    *text);
void      cli_trace_append_svg   (CliTrace   *self,
                                  GString    *svg,
                                  guint       width);

#define CLI_TRACE_TASK(self, i)     (&g_array_index ((self)->tasks, CliTraceTask, i))
#define CLI_TRACE_WORKER(self, i)   (&g_array_index ((self)->workers, CliTraceWorker, i))
#define CLI_TRACE_FUNCTION(self, i) (&g_array_index ((self)->functions, CliTraceFunction, i))

G_DEFINE_AUTOPTR_CLEANUP_FUNC (CliTrace, cli_trace_free)

G_END_DECLS
