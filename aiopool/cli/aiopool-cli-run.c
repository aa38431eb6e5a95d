/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "aiopool/cli/aiopool-cli-private.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "aiopool/cli/aiopool-cli-feeder-private.h"
#include "aiopool/cli/aiopool-cli-template-private.h"

/* aiopool run: a command for each item, in the manner of GNU parallel. */

#define N_PER_WORKER 2
#define N_HELD 256

static const char help[] =
  "Usage: aiopool run [OPTION...] COMMAND... [::: ITEM...]\n"
  "\n"
  "Runs a command for each item, several at a time. One COMMAND word is a line for\n"
  "/bin/sh, several are a program and its arguments. Without ':::', every line of\n"
  "standard input is an item.\n"
  "\n"
  "In COMMAND stand, and without any of them the item comes last:\n"
  "  {}    the item                         {.}   the item without extension\n"
  "  {/}   the last part of the item        {/.}  its last part without extension\n"
  "  {//}  the directory of the item        {#}   the number of the item\n"
  "\n"
  "  -j, --jobs=N        Number of workers (default: number of processors)\n"
  "  -k, --keep-order    Print output in the order of the items, not as commands end\n"
  "  -0, --null          Items of standard input end with NUL, not with a newline\n"
  "      --timeout=S     Longest time in seconds for one item, from its start\n"
  "      --retries=N     Try an item that fails up to N times in all; 0: no limit\n"
  "      --chunk=N       Give workers N items at a time; auto: as many as are worth it\n"
  "      --delay=S       Wait S seconds between two starts\n"
  "      --halt=WHEN,WHY=N  Stop early: soon or now, fail, success or done, N or N%\n"
  "      --joblog=FILE   Write a line to FILE for every item that has ended\n"
  "      --resume        Skip the items that the job log has\n"
  "      --resume-failed Skip those that it has as done well\n"
  "      --dry-run       Print what would be run, and run nothing\n"
  "      --bar           Show progress, if standard error is a terminal\n"
  "  -h, --help          Print this\n"
  "\n"
  "Exit status: number of failed items, 101 for more than 100; 0 if --halt ended it for\n"
  "success; 125 for wrong usage or other trouble.\n";

static const char letters[] = { CLI_OPTIONS_OF_ITEMS, 'k', '\0' };

typedef struct
{
  CliOptions   options;
  CliTemplate *command;  /* (owned) (nullable) */
} Run;

static void
clear_run (Run *run)
{
  g_clear_pointer (&run->command, cli_template_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Run, clear_run)

/* --- the argument and the result -------------------------------------------------------------- */

static GVariant *
make_argument (const CliItem *item,
               gpointer       user_data)
{
  const Run *run = user_data;
  g_auto (GStrv) argv = cli_template_expand (run->command, item->bytes, item->number);

  return g_variant_new_bytestring_array ((const char *const *) argv, -1);
}

static char *
describe (const CliItem *item,
          gpointer       user_data)
{
  const Run *run = user_data;
  g_autofree char *text = cli_item_dup_text (item);

  return cli_template_describe (run->command, text, item->number);
}

static char *
describe_end (int status,
              int signal_number)
{
  if (signal_number != 0)
    return g_strdup_printf ("killed by signal %d (%s)", signal_number, g_strsignal (signal_number));

  return g_strdup_printf ("exit status %d", status);
}

static void
print_bytes (CliOutput *output,
             GVariant  *value,
             void     (*print) (CliOutput  *output,
                                const char *bytes,
                                gsize       length))
{
  gsize length = 0;
  const char *bytes = g_variant_get_fixed_array (value, &length, 1);

  if (length > 0)
    print (output, bytes, length);
}

static gboolean
is_command_result (const CliEnd *end)
{
  return end->result != NULL && g_variant_is_of_type (end->result, G_VARIANT_TYPE ("(iiayay)"));
}

/* Where the command did not run, the exit values are those of env(1) and of shells. */
static int
get_error_value (const GError *error)
{
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
    return 127;
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED))
    return 126;
  if (g_error_matches (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_TIMED_OUT) ||
      g_error_matches (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_CRASHED) ||
      g_error_matches (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_MAY_HAVE_RUN))
    return -1;
  return 125;
}

static void
judge (CliEnd  *end,
       gpointer user_data)
{
  CliOutcome *outcome = &end->outcome;
  g_autoptr (GVariant) out = NULL;

  outcome->n_bytes = 0;
  outcome->signal_number = 0;
  if (!is_command_result (end))
    {
      outcome->exit_value = end->error != NULL ? get_error_value (end->error) : 125;
      return;
    }

  g_variant_get (end->result, "(ii@ay@ay)", &outcome->exit_value, &outcome->signal_number, &out,
                 NULL);
  outcome->n_bytes = g_variant_n_children (out);
  if (outcome->signal_number != 0)
    outcome->exit_value = 0;
}

static void
print_command (CliOutput     *output,
               const CliItem *item,
               const CliEnd  *end)
{
  g_autoptr (GVariant) out = NULL;
  g_autoptr (GVariant) err = NULL;
  g_autofree char *what = NULL;
  int status = 0;
  int signal_number = 0;

  g_variant_get (end->result, "(ii@ay@ay)", &status, &signal_number, &out, &err);
  print_bytes (output, out, cli_output_write);
  print_bytes (output, err, cli_output_write_error);
  if (status == 0 && signal_number == 0)
    return;

  what = describe_end (status, signal_number);
  cli_output_write_failure (output, item, end->n_tries, what);
}

static void
print (CliOutput     *output,
       const CliItem *item,
       const CliEnd  *end,
       gpointer       user_data)
{
  if (is_command_result (end))
    print_command (output, item, end);
  else
    cli_output_write_failure (output, item, end->n_tries,
                              end->error != NULL ? end->error->message
                                                 : "an answer of the wrong type");
}

/* --- the command ------------------------------------------------------------------------------ */

/* Cuts @words at ":::"; gives what follows it, or NULL. */
static char **
cut_items (char  **words,
           GError **error)
{
  char **items = NULL;

  for (; *words != NULL; words++)
    {
      if (!g_str_equal (*words, ":::"))
        continue;

      if (items != NULL)
        {
          g_set_error_literal (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                               "there is more than one ':::'");
          return NULL;
        }

      *words = NULL;
      items = words + 1;
    }

  return items;
}

static CliExit
count_failed (guint64 n_failed)
{
  return n_failed > CLI_MAX_FAILED_STATUS ? CLI_EXIT_MANY_FAILED : (CliExit) n_failed;
}

static CliExit
run_commands (Run        *run,
              char      **words,
              const char *plugin)
{
  g_autoptr (CliItems) items = NULL;
  guint64 n_failed = 0;
  CliExit status = CLI_EXIT_OK;
  CliWork work = {
    .options = &run->options,
    .plugin = plugin,
    .function = "command",
    .usage_status = CLI_EXIT_TROUBLE,
    .is_ordered = run->options.keeps_order,
    .n_per_worker = N_PER_WORKER,
    .n_held = N_HELD,
    .make_argument = make_argument,
    .describe = describe,
    .judge = judge,
    .print = print,
    .user_data = run,
  };

  if (words != NULL)
    items = cli_items_new_for_words (words);
  else
    items = cli_items_new_for_fd (STDIN_FILENO, run->options.is_nul ? '\0' : '\n');

  work.items = items;
  status = cli_feeder_run (&work, &n_failed);
  return status == CLI_EXIT_OK ? count_failed (n_failed) : status;
}

CliExit
cli_run (int    argc,
         char **argv)
{
  g_auto (Run) run = { 0 };
  g_autoptr (GError) error = NULL;
  g_autofree char *plugin = NULL;
  char **words = NULL;
  int first = 0;

  if (cli_parse_options (letters, help, &run.options, argc, argv, &first, &error))
    words = cut_items (argv + first, &error);
  if (error == NULL)
    run.command = cli_template_new ((const char *const *) argv + first, &error);
  if (error == NULL)
    plugin = g_build_filename (cli_get_plugin_dir (), "stock.so", NULL);

  if (error == NULL && cli_check_plugin (plugin, &error))
    return run_commands (&run, words, plugin);

  cli_print_error ("%s", error->message);
  return CLI_EXIT_TROUBLE;
}
