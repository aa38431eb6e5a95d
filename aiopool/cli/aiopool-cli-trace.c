/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "aiopool/cli/aiopool-cli-trace-private.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

/* aiopool trace: a table or a picture of what AIOPOOL_TRACE wrote. */

#define MIN_WIDTH     320
#define MAX_WIDTH     16384
#define DEFAULT_WIDTH 1200
#define MAX_NAME      40 /* columns, in a table */

static const char help[] =
  "Usage: aiopool trace [OPTION...] FILE\n"
  "\n"
  "Reads a trace that AIOPOOL_TRACE=FILE wrote, and prints a table of functions and workers.\n"
  "\n"
  "  -o, --output=FILE   Write a picture instead, as SVG; \"-\" for standard output\n"
  "      --width=PIXELS  Its width (default: 1200)\n"
  "  -h, --help          Print this\n";

typedef struct
{
  const char *input;
  const char *output; /* (nullable) */
  guint       width;
} Options;

/* --- the table -------------------------------------------------------------------------------- */

char *
cli_trace_dup_duration (double usec)
{
  static const struct { const char *unit; double usec; double most; } units[] = {
    { "µs", 1, 1e3 }, { "ms", 1e3, 1e6 }, { "s", 1e6, 120e6 }, { "min", 60e6, 120 * 60e6 },
    { "h", 3600e6, G_MAXDOUBLE },
  };
  gsize i = 0;
  double number;

  while (i < G_N_ELEMENTS (units) - 1 && usec >= units[i].most * 0.9995)
    i++;
  number = usec / units[i].usec;
  if (i == 0 || number >= 100)
    return g_strdup_printf ("%.0f %s", number, units[i].unit);
  return g_strdup_printf (number >= 10 ? "%.1f %s" : "%.2f %s", number, units[i].unit);
}

/* To the right, in a column so wide: printf counts bytes. */
static void
append_right (GString    *text,
              const char *cell,
              glong       width)
{
  for (glong i = g_utf8_strlen (cell, -1); i < width; i++)
    g_string_append_c (text, ' ');
  g_string_append (text, cell);
}

static void
append_left (GString    *text,
             const char *cell,
             glong       width)
{
  g_string_append (text, cell);
  for (glong i = g_utf8_strlen (cell, -1); i < width; i++)
    g_string_append_c (text, ' ');
}

static char *
dup_name (const char *name)
{
  g_autofree char *shown = cli_dup_shown (name, -1);

  if (g_utf8_strlen (shown, -1) <= MAX_NAME)
    return g_steal_pointer (&shown);
  return g_strdup_printf ("…%s", g_utf8_offset_to_pointer (shown, g_utf8_strlen (shown, -1) -
                                                           MAX_NAME + 1));
}

static int
compare_times (gconstpointer a,
               gconstpointer b)
{
  gint64 time = *(const gint64 *) a, other = *(const gint64 *) b;

  return (time > other) - (time < other);
}

/* The median and what 95 percent do not exceed. */
static void
append_quantiles (GString *text,
                  GArray  *times)
{
  static const double shares[] = { 0.5, 0.95 };

  g_array_sort (times, compare_times);
  for (guint i = 0; i < G_N_ELEMENTS (shares); i++)
    {
      guint rank = (guint) (shares[i] * times->len);
      g_autofree char *cell = NULL;

      if (times->len > 0)
        cell = cli_trace_dup_duration ((double) g_array_index (times, gint64,
                                                               MIN (rank, times->len - 1)));
      append_right (text, cell != NULL ? cell : "-", 10);
    }
}

/* The queue times and run times of each function's tasks that ran. */
typedef struct
{
  GArray *queue; /* (owned) of gint64, as the next */
  GArray *run;
} Times;

static Times *
collect_times (CliTrace *self)
{
  Times *all = g_new (Times, self->functions->len + 1);

  for (guint i = 0; i < self->functions->len; i++)
    all[i] = (Times) { g_array_new (FALSE, FALSE, sizeof (gint64)),
                       g_array_new (FALSE, FALSE, sizeof (gint64)) };
  for (guint i = 0; i < self->tasks->len; i++)
    {
      CliTraceTask *task = CLI_TRACE_TASK (self, i);
      gint64 queue = task->started - task->submitted;
      gint64 run = task->ended - task->started;

      if (task->worker == CLI_NO_WORKER)
        continue;
      g_array_append_val (all[task->function].queue, queue);
      g_array_append_val (all[task->function].run, run);
    }
  return all;
}

/* One line. Takes the times. */
static void
append_function (CliTraceFunction *function,
                 Times            *times,
                 glong             width,
                 GString          *text)
{
  g_autofree char *name = dup_name (function->name);
  g_autofree char *total = cli_trace_dup_duration (function->busy);

  append_left (text, name, width);
  g_string_append_printf (text, "%10u%8u%11u", function->n_tasks, function->n_failed,
                          function->n_cancelled);
  append_quantiles (text, times->queue);
  append_quantiles (text, times->run);
  append_right (text, total, 10);
  g_string_append_c (text, '\n');
  g_array_unref (times->queue);
  g_array_unref (times->run);
}

static void
append_functions (CliTrace *self,
                  GString  *text)
{
  g_autofree Times *times = collect_times (self);
  glong width = strlen ("FUNCTION");

  for (guint i = 0; i < self->functions->len; i++)
    {
      g_autofree char *name = dup_name (CLI_TRACE_FUNCTION (self, i)->name);

      width = MAX (width, g_utf8_strlen (name, -1));
    }
  append_left (text, "", width);
  g_string_append (text, "                                    WAITED               RAN\n");
  append_left (text, "FUNCTION", width);
  g_string_append (text, "     TASKS  FAILED  CANCELLED    median      95 %    median      95 %"
                         "     total\n");
  for (guint i = 0; i < self->functions->len; i++)
    append_function (CLI_TRACE_FUNCTION (self, i), &times[i], width, text);
}

static char *
dup_worker_name (CliTraceWorker *worker)
{
  g_autofree char *pool = worker->name != NULL ? dup_name (worker->name) : NULL;
  g_autofree char *number = worker->number > 0 ? g_strdup_printf ("%u", worker->number)
                                               : g_strdup ("?");

  return pool != NULL ? g_strdup_printf ("%s of %s", number, pool) : g_steal_pointer (&number);
}

static void
append_worker (CliTrace       *self,
               CliTraceWorker *worker,
               glong           width,
               GString        *text)
{
  gint64 died = worker->died >= 0 ? worker->died : self->length;
  double lived = (double) MAX (died - MAX (worker->born, 0), 0);
  g_autofree char *name = dup_worker_name (worker);
  g_autofree char *life = cli_trace_dup_duration (lived);
  g_autofree char *busy = cli_trace_dup_duration (worker->busy);

  append_left (text, name, width);
  g_string_append_printf (text, "%10d%10u ", worker->pid, worker->n_tasks);
  append_right (text, life, 10);
  append_right (text, busy, 10);
  g_string_append_printf (text, "%11.0f %%%s\n",
                          lived > 0 ? 100 * worker->busy / (lived * worker->n_lanes) : 0,
                          worker->has_crashed ? "  crashed" : "");
}

static void
append_workers (CliTrace *self,
                GString  *text)
{
  glong width = strlen ("WORKER");

  for (guint i = 0; i < self->workers->len; i++)
    {
      g_autofree char *name = dup_worker_name (CLI_TRACE_WORKER (self, i));

      width = MAX (width, g_utf8_strlen (name, -1));
    }
  append_left (text, "WORKER", width);
  g_string_append (text, "   PROCESS     TASKS      LIVED       RAN  UTILIZATION\n");
  for (guint i = 0; i < self->workers->len; i++)
    append_worker (self, CLI_TRACE_WORKER (self, i), width, text);
}

void
cli_trace_append_table (CliTrace *self,
                        GString  *text)
{
  g_autofree char *length = cli_trace_dup_duration ((double) self->length);
  g_autoptr (GArray) depths = cli_trace_list_depths (self);
  gint64 deepest = 0;

  for (guint i = 0; i < depths->len; i++)
    deepest = MAX (deepest, g_array_index (depths, CliTraceDepth, i).depth);
  g_string_append_printf (text, "%u tasks, %u workers, %s; at most %" G_GINT64_FORMAT
                          " tasks waited\n", self->tasks->len, self->workers->len, length,
                          deepest);
  if (self->n_lost > 0)
    g_string_append_printf (text, "%" G_GUINT64_FORMAT " records are missing: the trace could not "
                            "be written fast enough\n", self->n_lost);
  if (self->functions->len > 0)
    {
      g_string_append_c (text, '\n');
      append_functions (self, text);
    }
  if (self->workers->len > 0)
    {
      g_string_append_c (text, '\n');
      append_workers (self, text);
    }
}

/* --- the command ------------------------------------------------------------------------------ */

static gboolean
parse_width (const char *text,
             guint      *width,
             GError    **error)
{
  g_autofree char *shown = cli_dup_shown (text, -1);
  guint64 number = 0;

  if (g_ascii_string_to_unsigned (text, 10, MIN_WIDTH, MAX_WIDTH, &number, NULL))
    {
      *width = (guint) number;
      return TRUE;
    }
  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
               "the width must be %d to %d pixels, not '%s'", MIN_WIDTH, MAX_WIDTH, shown);
  return FALSE;
}

static gboolean
refuse (int      letter,
        char   **argv,
        GError **error)
{
  g_autofree char *shown = cli_dup_shown (argv[optind - 1], -1);

  if (letter == ':')
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                 "the option '%s' needs a value", shown);
  else
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_UNKNOWN_OPTION,
                 "'%s' has no option '%s'", argv[0], shown);
  return FALSE;
}

/* Options may stand behind the file. */
static gboolean
parse (Options  *options,
       int       argc,
       char    **argv,
       gboolean *wants_help,
       GError  **error)
{
  static const struct option long_options[] = {
    { "output", required_argument, NULL, 'o' }, { "width", required_argument, NULL, 'w' },
    { "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 },
  };
  int letter = 0;

  opterr = 0;
  while ((letter = getopt_long (argc, argv, ":o:h", long_options, NULL)) != -1)
    {
      if (letter == 'o')
        options->output = optarg;
      else if (letter == 'h')
        *wants_help = TRUE;
      else if (letter != 'w')
        return refuse (letter, argv, error);
      else if (!parse_width (optarg, &options->width, error))
        return FALSE;
    }
  if (*wants_help)
    return TRUE;
  if (optind + 1 != argc)
    g_set_error_literal (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                         optind == argc ? "trace needs a file" : "trace takes one file");
  else
    options->input = argv[optind];
  return options->input != NULL;
}

/* A file that is there is written over, so that it may be a device, too. */
static CliExit
write_file (const char *path,
            const char *text)
{
  g_autofree char *shown = cli_dup_shown (path, -1);
  FILE *file = fopen (path, "we");
  gboolean is_written = file != NULL && fputs (text, file) >= 0;
  int saved_errno = errno;

  if (file != NULL && fclose (file) != 0 && is_written)
    {
      is_written = FALSE;
      saved_errno = errno;
    }
  if (is_written)
    return CLI_EXIT_OK;
  cli_print_error ("cannot write '%s': %s", shown, g_strerror (saved_errno));
  return CLI_EXIT_TROUBLE;
}

static CliExit
show (CliTrace      *trace,
      const Options *options)
{
  g_autoptr (GString) text = g_string_new (NULL);

  if (options->output == NULL)
    cli_trace_append_table (trace, text);
  else
    cli_trace_append_svg (trace, text, options->width);
  if (options->output == NULL || g_str_equal (options->output, "-"))
    return cli_print_text (text->str);
  return write_file (options->output, text->str);
}

CliExit
cli_trace (int    argc,
           char **argv)
{
  Options options = { .width = DEFAULT_WIDTH };
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  g_autofree char *shown = NULL;
  g_autoptr (CliTrace) trace = NULL;
  gboolean wants_help = FALSE;
  gsize length = 0;

  if (!parse (&options, argc, argv, &wants_help, &error))
    {
      cli_print_error ("%s", error->message);
      return CLI_EXIT_USAGE;
    }
  if (wants_help)
    return cli_print_text (help);
  shown = cli_dup_shown (options.input, -1);
  if (!g_file_get_contents (options.input, &text, &length, &error))
    {
      cli_print_error ("cannot read '%s': %s", shown, error->message);
      return CLI_EXIT_TROUBLE;
    }
  trace = cli_trace_read (text, length, &error);
  if (trace == NULL)
    {
      cli_print_error ("cannot read '%s': %s", shown, error->message);
      return CLI_EXIT_FAILED;
    }
  return show (trace, &options);
}
