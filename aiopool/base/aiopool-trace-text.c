/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/base/aiopool-trace-private.h"

#include "aiopool/base/aiopool-version.h"

/* What a trace looks like: the JSON of Chrome's trace event format, one event a line, each preceded
 * by a comma but the first. Times are microseconds of the monotonic clock, so that the traces of
 * several processes of one machine fit together.
 *
 * A worker is a process of the trace. Its tasks are complete events ("X") on a thread, or on
 * several where it runs more than one at a time; its life is one event on a thread of its own. What
 * is no worker's belongs to the process that has the pools: the time a task waited and was on its
 * way, as asynchronous events, and how many wait, as a counter. */

#define LIFE_THREAD   1000 /* more than a worker has lanes */
#define SHORT_USEC    50   /* a way that takes less has no event, only a number at its task */
#define N_STATUSES    (AIOPOOL_TRACE_CRASHED + 1)

static const char * const status_names[N_STATUSES] = {
  "done", "failed", "cancelled", "timed-out", "crashed"
};

/* A worker, as the trace knows it. */
typedef struct
{
  GArray *lane_ends; /* (owned) of gint64: when the last task of each lane ended */
} Track;

struct _AiopoolTraceText
{
  int         pid;
  char       *program;  /* (owned) (nullable) */
  GHashTable *tracks;   /* (owned): pid to Track */
  guint       last_id;
};

static void
free_track (gpointer data)
{
  Track *track = data;

  g_array_unref (track->lane_ends);
  g_free (track);
}

AiopoolTraceText *
aiopool_trace_text_new (int         pid,
                        const char *program)
{
  AiopoolTraceText *self = g_new0 (AiopoolTraceText, 1);

  self->pid = pid;
  self->program = g_strdup (program);
  self->tracks = g_hash_table_new_full (NULL, NULL, NULL, free_track);
  return self;
}

void
aiopool_trace_text_free (AiopoolTraceText *self)
{
  g_hash_table_unref (self->tracks);
  g_free (self->program);
  g_free (self);
}

static void
append_string (GString    *json,
               const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);

  g_string_append_c (json, '"');
  for (const char *at = valid; *at != '\0'; at++)
    {
      if (*at == '"' || *at == '\\')
        g_string_append_printf (json, "\\%c", *at);
      else if ((guchar) *at < 0x20 || *at == 0x7f)
        g_string_append_printf (json, "\\u%04x", (guchar) *at);
      else
        g_string_append_c (json, *at);
    }
  g_string_append_c (json, '"');
}

static void
append_member (GString    *json,
               const char *name,
               const char *text)
{
  if (text == NULL)
    return;
  g_string_append_printf (json, ",\"%s\":", name);
  append_string (json, text);
}

/* The first event, which tells whose trace this is. */
void
aiopool_trace_text_begin (AiopoolTraceText *self,
                          GString          *json)
{
  g_string_append_printf (json, "{\"name\":\"process_name\",\"cat\":\"aiopool\",\"ph\":\"M\","
                          "\"pid\":%d,\"tid\":0,\"args\":{\"version\":\"" AIOPOOL_VERSION_S "\","
                          "\"name\":", self->pid);
  append_string (json, self->program != NULL ? self->program : "pools");
  g_string_append (json, "}}");
}

static void
append_name (GString    *json,
             const char *what,
             int         pid,
             guint       tid,
             const char *name)
{
  g_string_append_printf (json, ",\n{\"name\":\"%s\",\"ph\":\"M\",\"pid\":%d,\"tid\":%u,"
                          "\"args\":{\"name\":", what, pid, tid);
  append_string (json, name);
  g_string_append (json, "}}");
}

static Track *
add_track (AiopoolTraceText *self,
           int               pid)
{
  Track *track = g_new0 (Track, 1);

  track->lane_ends = g_array_new (FALSE, FALSE, sizeof (gint64));
  g_hash_table_insert (self->tracks, GINT_TO_POINTER (pid), track);
  return track;
}

static Track *
get_track (AiopoolTraceText *self,
           GString          *json,
           int               pid)
{
  Track *track = g_hash_table_lookup (self->tracks, GINT_TO_POINTER (pid));

  if (track != NULL)
    return track;
  append_name (json, "process_name", pid, 0, "worker");
  return add_track (self, pid);
}

/* The thread that shows a task: tasks come in the order in which they end, and the lane whose last
 * one ended latest before the start keeps their number the least. */
static guint
choose_lane (Track  *track,
             gint64  started,
             gint64  ended)
{
  guint best = track->lane_ends->len;

  for (guint i = 0; i < track->lane_ends->len; i++)
    {
      gint64 end = g_array_index (track->lane_ends, gint64, i);

      if (end <= started && (best == track->lane_ends->len ||
                             end > g_array_index (track->lane_ends, gint64, best)))
        best = i;
    }
  if (best < track->lane_ends->len)
    g_array_index (track->lane_ends, gint64, best) = ended;
  else if (best < LIFE_THREAD - 1)
    g_array_append_val (track->lane_ends, ended);
  return best + 1;
}

/* From @begin to @end, in the process of the pools. */
static void
append_span (AiopoolTraceText         *self,
             GString                  *json,
             const char               *name,
             const AiopoolTraceRecord *record,
             gint64                    begin,
             gint64                    end)
{
  guint id = ++self->last_id;

  g_string_append_printf (json, ",\n{\"name\":\"%s\",\"cat\":\"%s\",\"ph\":\"b\",\"id\":%u,\"ts\":"
                          "%" G_GINT64_FORMAT ",\"pid\":%d,\"tid\":1,\"args\":{\"pool\":%u",
                          name, name, id, begin, self->pid, record->number);
  append_member (json, "function", record->name);
  g_string_append_printf (json, "}},\n{\"name\":\"%s\",\"cat\":\"%s\",\"ph\":\"e\",\"id\":%u,"
                          "\"ts\":%" G_GINT64_FORMAT ",\"pid\":%d,\"tid\":1}",
                          name, name, id, end, self->pid);
}

static void
append_task_arguments (GString                  *json,
                       const AiopoolTraceRecord *record)
{
  gint64 queued_until = record->started != 0 ? record->started : record->ended;

  g_string_append_printf (json, "\"args\":{\"status\":\"%s\",\"pool\":%u,\"queue\":%"
                          G_GINT64_FORMAT, status_names[record->status], record->number,
                          MAX (queued_until - record->submitted, 0));
  if (record->sent != 0)
    g_string_append_printf (json, ",\"send\":%" G_GINT64_FORMAT,
                            record->started - record->sent);
  if (record->started != 0)
    g_string_append_printf (json, ",\"return\":%" G_GINT64_FORMAT,
                            MAX (record->received - record->ended, 0));
  append_member (json, "tag", record->text);
  append_member (json, "error", record->reason);
  g_string_append (json, "}}");
}

/* A task that a worker had. */
static void
append_run (AiopoolTraceText         *self,
            GString                  *json,
            const AiopoolTraceRecord *record)
{
  Track *track = get_track (self, json, record->pid);
  guint lane = choose_lane (track, record->started, record->ended);

  g_string_append (json, ",\n{\"name\":");
  append_string (json, record->name);
  g_string_append_printf (json, ",\"cat\":\"task\",\"ph\":\"X\",\"ts\":%" G_GINT64_FORMAT
                          ",\"dur\":%" G_GINT64_FORMAT ",\"pid\":%d,\"tid\":%u,",
                          record->started, record->ended - record->started, record->pid, lane);
  append_task_arguments (json, record);
  if (record->status != AIOPOOL_TRACE_DONE)
    g_string_append_printf (json, ",\n{\"name\":\"%s\",\"cat\":\"end\",\"ph\":\"i\",\"s\":\"t\","
                            "\"ts\":%" G_GINT64_FORMAT ",\"pid\":%d,\"tid\":%u}",
                            status_names[record->status], record->ended, record->pid, lane);
}

/* A task that ended before it started. */
static void
append_unstarted (AiopoolTraceText         *self,
                  GString                  *json,
                  const AiopoolTraceRecord *record)
{
  g_string_append (json, ",\n{\"name\":");
  append_string (json, record->name);
  g_string_append_printf (json, ",\"cat\":\"task\",\"ph\":\"i\",\"s\":\"p\",\"ts\":%"
                          G_GINT64_FORMAT ",\"pid\":%d,\"tid\":1,", record->ended, self->pid);
  append_task_arguments (json, record);
}

static void
append_task (AiopoolTraceText         *self,
             GString                  *json,
             const AiopoolTraceRecord *record)
{
  gint64 left = record->sent != 0 ? record->sent
                                  : record->started != 0 ? record->started : record->ended;

  append_span (self, json, "queue", record, record->submitted, left);
  if (record->started == 0)
    {
      append_unstarted (self, json, record);
      return;
    }
  if (record->sent != 0 && record->started - record->sent >= SHORT_USEC)
    append_span (self, json, "send", record, record->sent, record->started);
  append_run (self, json, record);
  if (record->received - record->ended >= SHORT_USEC)
    append_span (self, json, "return", record, record->ended, record->received);
}

static void
append_worker_start (AiopoolTraceText         *self,
                     GString                  *json,
                     const AiopoolTraceRecord *record)
{
  g_autofree char *name = record->text != NULL
                          ? g_strdup_printf ("worker %u of %s", record->count, record->text)
                          : g_strdup_printf ("worker %u", record->count);

  add_track (self, record->pid);
  append_name (json, "process_name", record->pid, 0, name);
  append_name (json, "thread_name", record->pid, 1, "tasks");
  append_name (json, "thread_name", record->pid, LIFE_THREAD, "life");
  g_string_append_printf (json, ",\n{\"name\":\"worker\",\"cat\":\"worker\",\"ph\":\"B\",\"ts\":%"
                          G_GINT64_FORMAT ",\"pid\":%d,\"tid\":%d,\"args\":{\"pool\":%u,"
                          "\"number\":%u", record->started, record->pid, LIFE_THREAD,
                          record->number, record->count);
  append_member (json, "name", record->text);
  g_string_append (json, "}}");
}

static void
append_worker_event (AiopoolTraceText         *self,
                     GString                  *json,
                     const AiopoolTraceRecord *record)
{
  gboolean is_end = record->kind == AIOPOOL_TRACE_WORKER_ENDED;
  const char *name = !is_end ? "ready" : record->status == AIOPOOL_TRACE_CRASHED ? "crashed"
                                                                                 : "ended";

  get_track (self, json, record->pid);
  g_string_append_printf (json, ",\n{\"name\":\"%s\",\"cat\":\"worker\",\"ph\":\"i\",\"s\":\"p\","
                          "\"ts\":%" G_GINT64_FORMAT ",\"pid\":%d,\"tid\":%d,\"args\":{"
                          "\"number\":%u", name, record->ended, record->pid, LIFE_THREAD,
                          record->count);
  append_member (json, "reason", record->reason);
  g_string_append (json, "}}");
  if (!is_end)
    return;
  g_string_append_printf (json, ",\n{\"ph\":\"E\",\"ts\":%" G_GINT64_FORMAT ",\"pid\":%d,"
                          "\"tid\":%d}", record->ended, record->pid, LIFE_THREAD);
  g_hash_table_remove (self->tracks, GINT_TO_POINTER (record->pid));
}

void
aiopool_trace_text_append (AiopoolTraceText         *self,
                           GString                  *json,
                           const AiopoolTraceRecord *record)
{
  switch (record->kind)
    {
    case AIOPOOL_TRACE_TASK:
      append_task (self, json, record);
      break;
    case AIOPOOL_TRACE_SENT:
      append_span (self, json, "send", record, record->sent, record->started);
      break;
    case AIOPOOL_TRACE_COUNT:
      g_string_append_printf (json, ",\n{\"name\":\"waiting\",\"ph\":\"C\",\"id\":%u,\"ts\":%"
                              G_GINT64_FORMAT ",\"pid\":%d,\"args\":{\"tasks\":%u}}",
                              record->number, record->ended, self->pid, record->count);
      break;
    case AIOPOOL_TRACE_WORKER_STARTED:
      append_worker_start (self, json, record);
      break;
    case AIOPOOL_TRACE_WORKER_READY:
    case AIOPOOL_TRACE_WORKER_ENDED:
      append_worker_event (self, json, record);
      break;
    default:
      g_assert_not_reached ();
    }
}

/* So many records found no room. */
void
aiopool_trace_text_lost (AiopoolTraceText *self,
                         GString          *json,
                         guint             n,
                         gint64            now)
{
  g_string_append_printf (json, ",\n{\"name\":\"lost\",\"cat\":\"lost\",\"ph\":\"i\",\"s\":\"g\","
                          "\"ts\":%" G_GINT64_FORMAT ",\"pid\":%d,\"tid\":1,\"args\":{"
                          "\"records\":%u}}", now, self->pid, n);
}
