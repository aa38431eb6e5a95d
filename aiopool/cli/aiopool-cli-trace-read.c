/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "aiopool/cli/aiopool-cli-trace-private.h"

#include <math.h>
#include <string.h>

#include "aiopool/cli/aiopool-cli-reader-private.h"

/* What a trace file tells. Only events that the library writes are taken; others are passed over,
 * so that a trace which was merged with another one can be read too. A text that ends early, as
 * that of a program which was killed may, counts up to there. */

#define MAX_TIME  9e15 /* microseconds: what a double counts exactly, 285 years */
#define MAX_LANES 255

/* One event: what is of interest in it. */
typedef struct
{
  GString *name;
  GString *category;
  GString *phase;
  GString *status;
  GString *pool_name;
  GString *version;
  double   when;
  double   duration;
  double   pid;
  double   thread;
  double   queue;
  double   pool;
  double   number;
  double   n_records;
} Event;

typedef struct
{
  CliTrace   *trace;
  GHashTable *functions; /* (owned): name to index + 1 */
  GHashTable *pids;      /* (owned): to index + 1 of the last worker with it */
  Event       event;
  GString    *key;       /* (owned) */
  gint64      first;
  gint64      last;
  gboolean    is_ours;
} Loader;

static void
init_event (Event *self)
{
  self->name = g_string_new (NULL);
  self->category = g_string_new (NULL);
  self->phase = g_string_new (NULL);
  self->status = g_string_new (NULL);
  self->pool_name = g_string_new (NULL);
  self->version = g_string_new (NULL);
}

static void
clear_event (Event *self)
{
  g_string_free (self->name, TRUE);
  g_string_free (self->category, TRUE);
  g_string_free (self->phase, TRUE);
  g_string_free (self->status, TRUE);
  g_string_free (self->pool_name, TRUE);
  g_string_free (self->version, TRUE);
}

static void
reset_event (Event *self)
{
  g_string_truncate (self->name, 0);
  g_string_truncate (self->category, 0);
  g_string_truncate (self->phase, 0);
  g_string_truncate (self->status, 0);
  g_string_truncate (self->pool_name, 0);
  g_string_truncate (self->version, 0);
  self->when = self->duration = self->queue = 0;
  self->pid = self->thread = self->pool = self->number = self->n_records = 0;
}

typedef struct
{
  const char *key;
  gsize       offset;
  gboolean    is_string;
} Member;

#define STRING(key, field) { key, G_STRUCT_OFFSET (Event, field), TRUE }
#define NUMBER(key, field) { key, G_STRUCT_OFFSET (Event, field), FALSE }

static const Member event_members[] = {
  STRING ("name", name), STRING ("cat", category), STRING ("ph", phase), NUMBER ("ts", when),
  NUMBER ("dur", duration), NUMBER ("pid", pid), NUMBER ("tid", thread), { NULL, 0, FALSE }
};

static const Member argument_members[] = {
  STRING ("status", status), STRING ("name", pool_name), STRING ("version", version),
  NUMBER ("queue", queue), NUMBER ("pool", pool), NUMBER ("number", number),
  NUMBER ("records", n_records), { NULL, 0, FALSE }
};

/* Whatever has another type than it should is passed over. */
static gboolean
read_member (CliReader    *reader,
             Event        *event,
             const Member *members,
             const char   *key)
{
  char c = cli_reader_peek (reader);

  for (; members->key != NULL; members++)
    {
      if (!g_str_equal (members->key, key))
        continue;
      if (members->is_string && c == '"')
        return cli_reader_read_string (reader, G_STRUCT_MEMBER (GString *, event,
                                                                members->offset));
      if (!members->is_string && (c == '-' || g_ascii_isdigit (c)))
        return cli_reader_read_number (reader, G_STRUCT_MEMBER_P (event, members->offset));
    }
  return cli_reader_skip (reader);
}

static gboolean
read_arguments (Loader    *self,
                CliReader *reader)
{
  guint64 n = 0;

  cli_reader_enter (reader, '{');
  while (cli_reader_next_member (reader, &n, self->key))
    if (!read_member (reader, &self->event, argument_members, self->key->str))
      return FALSE;
  return reader->problem == NULL;
}

static gboolean
read_event (Loader    *self,
            CliReader *reader)
{
  guint64 n = 0;

  reset_event (&self->event);
  if (cli_reader_peek (reader) != '{')
    return cli_reader_skip (reader);
  cli_reader_enter (reader, '{');
  while (cli_reader_next_member (reader, &n, self->key))
    {
      if (g_str_equal (self->key->str, "args") && cli_reader_peek (reader) == '{')
        read_arguments (self, reader);
      else
        read_member (reader, &self->event, event_members, self->key->str);
    }
  return reader->problem == NULL;
}

/* --- what they mean --------------------------------------------------------------------------- */

static gboolean
is_time (double usec)
{
  return isfinite (usec) && usec >= 0 && usec <= MAX_TIME;
}

static gint64
to_count (double number)
{
  return isfinite (number) && number >= 0 && number <= G_MAXINT ? (gint64) number : 0;
}

static guint
find_function (Loader     *self,
               const char *name)
{
  CliTraceFunction function = { NULL };
  guint index = GPOINTER_TO_UINT (g_hash_table_lookup (self->functions, name));

  if (index == 0)
    {
      function.name = g_strdup (name);
      g_array_append_val (self->trace->functions, function);
      index = self->trace->functions->len;
      g_hash_table_insert (self->functions, g_strdup (name), GUINT_TO_POINTER (index));
    }
  return index - 1;
}

static guint
add_worker (Loader *self,
            int     pid)
{
  CliTraceWorker worker = { .pid = pid, .born = -1, .ready = -1, .died = -1, .n_lanes = 1 };

  g_array_append_val (self->trace->workers, worker);
  g_hash_table_insert (self->pids, GINT_TO_POINTER (pid),
                       GUINT_TO_POINTER (self->trace->workers->len));
  return self->trace->workers->len - 1;
}

static guint
find_worker (Loader *self,
             int     pid)
{
  guint index = GPOINTER_TO_UINT (g_hash_table_lookup (self->pids, GINT_TO_POINTER (pid)));

  return index > 0 ? index - 1 : add_worker (self, pid);
}

static CliTaskStatus
find_status (const char *text)
{
  static const char * const names[] = { "done", "cancelled", "failed", "timed-out", "crashed" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    if (g_str_equal (names[i], text))
      return (CliTaskStatus) i;
  return CLI_TASK_FAILED;
}

static void
note_time (Loader *self,
           gint64  first,
           gint64  last)
{
  self->first = MIN (self->first, first);
  self->last = MAX (self->last, last);
}

/* The function and the worker count what they have had. */
static void
count_task (Loader             *self,
            const CliTraceTask *task)
{
  CliTraceFunction *function = CLI_TRACE_FUNCTION (self->trace, task->function);
  CliTraceWorker *worker;

  function->n_tasks++;
  function->n_failed += task->status > CLI_TASK_CANCELLED;
  function->n_cancelled += task->status == CLI_TASK_CANCELLED;
  function->busy += (double) (task->ended - task->started);
  if (task->worker == CLI_NO_WORKER)
    return;
  worker = CLI_TRACE_WORKER (self->trace, task->worker);
  worker->n_tasks++;
  worker->busy += (double) (task->ended - task->started);
  worker->n_lanes = MAX (worker->n_lanes, task->lane + 1u);
}

static void
take_task (Loader *self)
{
  Event *event = &self->event;
  gboolean has_run = g_str_equal (event->phase->str, "X");
  CliTraceTask task = { 0 };
  double queue = is_time (event->queue) ? event->queue : 0;

  if (!is_time (event->when) || !is_time (event->duration) ||
      event->when + event->duration > MAX_TIME)
    return;
  task.started = (gint64) event->when;
  task.ended = task.started + (has_run ? (gint64) event->duration : 0);
  task.submitted = MAX (task.started - (gint64) queue, 0);
  task.function = find_function (self, event->name->str);
  task.worker = has_run ? find_worker (self, (int) to_count (event->pid)) : CLI_NO_WORKER;
  task.lane = (guint8) CLAMP (to_count (event->thread) - 1, 0, MAX_LANES - 1);
  task.status = (guint8) find_status (event->status->str);
  count_task (self, &task);
  g_array_append_val (self->trace->tasks, task);
  note_time (self, task.submitted, task.ended);
}

static void
take_worker (Loader *self)
{
  Event *event = &self->event;
  int pid = (int) to_count (event->pid);
  gboolean is_begin = g_str_equal (event->phase->str, "B");
  CliTraceWorker *worker;
  guint index;
  gint64 when;

  if (!is_time (event->when))
    return;
  when = (gint64) event->when;
  index = is_begin ? add_worker (self, pid) : find_worker (self, pid);
  worker = CLI_TRACE_WORKER (self->trace, index);
  if (is_begin)
    {
      worker->born = when;
      worker->number = (guint) to_count (event->number);
      worker->pool = (guint) to_count (event->pool);
      worker->name = event->pool_name->len > 0 ? g_strdup (event->pool_name->str) : NULL;
    }
  else if (g_str_equal (event->name->str, "ready"))
    worker->ready = when;
  else
    {
      worker->died = when;
      worker->has_crashed = g_str_equal (event->name->str, "crashed");
    }
  note_time (self, when, when);
}

static void
take_event (Loader *self)
{
  Event *event = &self->event;
  const char *category = event->category->str;
  char phase = event->phase->len == 1 ? event->phase->str[0] : '\0';

  if (g_str_equal (category, "task") && (phase == 'X' || phase == 'i'))
    take_task (self);
  else if (g_str_equal (category, "worker") && (phase == 'B' || phase == 'i'))
    take_worker (self);
  else if (g_str_equal (category, "lost"))
    self->trace->n_lost += (guint64) to_count (event->n_records);
  else if (g_str_equal (category, "aiopool") && phase == 'M' && event->version->len > 0)
    {
      self->is_ours = TRUE;
      g_free (self->trace->program);
      self->trace->program = g_strdup (event->pool_name->str);
    }
}

static void
read_events (Loader    *self,
             CliReader *reader)
{
  guint64 n = 0;

  cli_reader_enter (reader, '[');
  while (cli_reader_next (reader, &n))
    if (read_event (self, reader))
      take_event (self);
}

static void
read_all (Loader    *self,
          CliReader *reader)
{
  guint64 n = 0;

  if (cli_reader_peek (reader) == '[')
    read_events (self, reader);
  else
    {
      cli_reader_enter (reader, '{');
      while (cli_reader_next_member (reader, &n, self->key))
        {
          if (g_str_equal (self->key->str, "traceEvents") && cli_reader_peek (reader) == '[')
            read_events (self, reader);
          else
            cli_reader_skip (reader);
        }
    }
  if (reader->problem == NULL && !cli_reader_is_at_end (reader))
    reader->problem = "there is something after the end";
}

/* --- in order --------------------------------------------------------------------------------- */

static int
compare_tasks (gconstpointer a,
               gconstpointer b)
{
  const CliTraceTask *task = a, *other = b;

  return (task->started > other->started) - (task->started < other->started);
}

static int
compare_functions (gconstpointer a,
                   gconstpointer b,
                   gpointer      functions)
{
  const CliTraceFunction *function = &g_array_index ((GArray *) functions, CliTraceFunction,
                                                     *(const guint *) a);
  const CliTraceFunction *other = &g_array_index ((GArray *) functions, CliTraceFunction,
                                                  *(const guint *) b);

  if (function->busy < other->busy || function->busy > other->busy)
    return function->busy < other->busy ? 1 : -1;
  return strcmp (function->name, other->name);
}

/* Those that took most time come first. */
static void
sort_functions (CliTrace *self)
{
  guint n = self->functions->len;
  g_autofree guint *order = g_new (guint, n);
  g_autofree guint *places = g_new (guint, n);
  GArray *sorted = g_array_new (FALSE, FALSE, sizeof (CliTraceFunction));

  for (guint i = 0; i < n; i++)
    order[i] = i;
  g_qsort_with_data (order, (int) n, sizeof *order, compare_functions, self->functions);
  for (guint i = 0; i < n; i++)
    {
      g_array_append_val (sorted, *CLI_TRACE_FUNCTION (self, order[i]));
      places[order[i]] = i;
    }
  for (guint i = 0; i < self->tasks->len; i++)
    CLI_TRACE_TASK (self, i)->function = places[CLI_TRACE_TASK (self, i)->function];
  g_array_unref (self->functions);
  self->functions = sorted;
}

static void
shift (gint64 *when,
       gint64  first)
{
  if (*when >= 0)
    *when = MAX (*when - first, 0);
}

static void
finish (Loader *self)
{
  CliTrace *trace = self->trace;

  self->first = MIN (self->first, self->last);
  trace->length = self->last - self->first;
  for (guint i = 0; i < trace->tasks->len; i++)
    {
      CliTraceTask *task = CLI_TRACE_TASK (trace, i);

      task->submitted -= self->first;
      task->started -= self->first;
      task->ended -= self->first;
    }
  for (guint i = 0; i < trace->workers->len; i++)
    {
      CliTraceWorker *worker = CLI_TRACE_WORKER (trace, i);

      shift (&worker->born, self->first);
      shift (&worker->ready, self->first);
      shift (&worker->died, self->first);
    }
  g_array_sort (trace->tasks, compare_tasks);
  sort_functions (trace);
}

static void
clear_worker (gpointer data)
{
  g_free (((CliTraceWorker *) data)->name);
}

static CliTrace *
new_trace (void)
{
  CliTrace *self = g_new0 (CliTrace, 1);

  self->tasks = g_array_new (FALSE, FALSE, sizeof (CliTraceTask));
  self->workers = g_array_new (FALSE, FALSE, sizeof (CliTraceWorker));
  self->functions = g_array_new (FALSE, FALSE, sizeof (CliTraceFunction));
  g_array_set_clear_func (self->workers, clear_worker);
  return self;
}

void
cli_trace_free (CliTrace *self)
{
  for (guint i = 0; i < self->functions->len; i++)
    g_free (CLI_TRACE_FUNCTION (self, i)->name);
  g_array_unref (self->functions);
  g_array_unref (self->workers);
  g_array_unref (self->tasks);
  g_free (self->program);
  g_free (self);
}

static guint
count_lines (CliReader *reader)
{
  guint n = 1;

  for (const char *at = reader->begin; at < reader->at; at++)
    n += *at == '\n';
  return n;
}

/* (transfer full) (nullable) */
CliTrace *
cli_trace_read (const char *text,
                gsize       length,
                GError    **error)
{
  g_autoptr (CliTrace) trace = new_trace ();
  Loader self = { .trace = trace, .first = G_MAXINT64 };
  CliReader reader;

  self.functions = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self.pids = g_hash_table_new (NULL, NULL);
  self.key = g_string_new (NULL);
  init_event (&self.event);
  cli_reader_init (&reader, text, length);
  read_all (&self, &reader);
  finish (&self);
  trace->is_short = reader.problem != NULL && reader.is_short;
  clear_event (&self.event);
  g_string_free (self.key, TRUE);
  g_hash_table_unref (self.pids);
  g_hash_table_unref (self.functions);

  if (reader.problem != NULL && !(reader.is_short && self.is_ours))
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "line %u: %s", count_lines (&reader),
                 reader.problem);
  else if (!self.is_ours)
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                         "it is not a trace of aiopool");
  else
    return g_steal_pointer (&trace);
  return NULL;
}

/* --- how many waited -------------------------------------------------------------------------- */

static int
compare_depths (gconstpointer a,
                gconstpointer b)
{
  const CliTraceDepth *depth = a, *other = b;

  return (depth->when > other->when) - (depth->when < other->when);
}

GArray *
cli_trace_list_depths (CliTrace *self)
{
  GArray *list = g_array_sized_new (FALSE, FALSE, sizeof (CliTraceDepth), self->tasks->len * 2);
  gint64 depth = 0;

  for (guint i = 0; i < self->tasks->len; i++)
    {
      CliTraceTask *task = CLI_TRACE_TASK (self, i);
      CliTraceDepth come = { task->submitted, 1 }, go = { task->started, -1 };

      g_array_append_val (list, come);
      g_array_append_val (list, go);
    }
  g_array_sort (list, compare_depths);
  for (guint i = 0; i < list->len; i++)
    {
      depth += g_array_index (list, CliTraceDepth, i).depth;
      g_array_index (list, CliTraceDepth, i).depth = depth;
    }
  return list;
}
