/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/base/aiopool-trace-private.h"

/* Marks for Sysprof: the run of each task, where the profiler shows everything else that happens at
 * that time. It asks for them through the environment of the program that it starts. */

#ifdef HAVE_SYSPROF

#include <sysprof-capture.h>

gboolean
aiopool_trace_marks_are_wanted (void)
{
  return sysprof_collector_is_active ();
}

static void
add_mark (gint64      begin,
          gint64      end,
          const char *name,
          const char *message)
{
  sysprof_collector_mark (begin * 1000, (end - begin) * 1000, "aiopool", name, message);
}

void
aiopool_trace_marks_add (const AiopoolTraceRecord *record)
{
  static const char * const statuses[] = { "done", "failed", "cancelled", "timed out", "crashed" };
  g_autofree char *message = NULL;

  if (record->kind == AIOPOOL_TRACE_TASK && record->started != 0)
    {
      message = g_strdup_printf ("pool %u, process %d, %s, waited %.3f ms%s%s", record->number,
                                 record->pid, statuses[record->status],
                                 (double) (record->started - record->submitted) / 1000,
                                 record->text != NULL ? ", " : "",
                                 record->text != NULL ? record->text : "");
      add_mark (record->started, record->ended, record->name, message);
    }
  else if (record->kind == AIOPOOL_TRACE_WORKER_ENDED)
    {
      message = g_strdup_printf ("pool %u, worker %u, process %d: %s", record->number,
                                 record->count, record->pid,
                                 record->reason != NULL ? record->reason : "");
      add_mark (record->started, record->ended, "worker", message);
    }
}

#else

gboolean
aiopool_trace_marks_are_wanted (void)
{
  return FALSE;
}

void
aiopool_trace_marks_add (const AiopoolTraceRecord *record)
{
}

#endif
