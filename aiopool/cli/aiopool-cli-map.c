/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "aiopool/cli/aiopool-cli-private.h"

#include <string.h>
#include <unistd.h>

#include "aiopool/cli/aiopool-cli-feeder-private.h"
#include "aiopool/cli/aiopool-cli-json-private.h"
#include "aiopool/cli/aiopool-cli-words-private.h"

/* aiopool map: a function of a plug-in or of a Python module, called with each item. */

#define N_PER_WORKER 64
#define N_HELD 1024

static const char help[] =
  "Usage: aiopool map [OPTION...] FUNCTION [ITEM...]\n"
  "\n"
  "Calls a function with each item, in worker processes. FUNCTION is PLUGIN.so:NAME,\n"
  "or MODULE:NAME of Python, or a NAME of the stock plug-in: echo, sha256, sha1, md5,\n"
  "sleep, command. Without ITEM, every line of standard input is an item.\n"
  "\n"
  "  -j, --jobs=N        Number of workers (default: number of processors)\n"
  "  -u, --unordered     Print results as they come, not in the order of the items\n"
  "      --json          Print one JSON object a line, for failed items too\n"
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
  "Exit status: 0; 1 if an item failed, unless --halt ended it for success; 2 wrong\n"
  "usage; 125 other trouble.\n";

static const char letters[] = { CLI_OPTIONS_OF_ITEMS, 'u', CLI_OPTION_JSON, '\0' };

typedef struct
{
  CliOptions options;
  const char *name;     /* (unowned: main's argv) plug-in and function, as given */
  char      *plugin;    /* (owned) (nullable) path; NULL for Python */
  char      *function;  /* (owned) */
} Map;

static void
clear_map (Map *map)
{
  g_free (map->plugin);
  g_free (map->function);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Map, clear_map)

/* --- the argument ----------------------------------------------------------------------------- */

static GVariant *
make_argument (const CliItem *item,
               gpointer       user_data)
{
  const Map *map = user_data;

  if (g_utf8_validate_len (item->bytes, item->length, NULL))
    return g_variant_new_string (item->bytes);

  if (map->plugin == NULL) /* no string of C, no NUL at its end */
    return g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, item->bytes, item->length, 1);

  return g_variant_new_bytestring (item->bytes);
}

static char *
describe (const CliItem *item,
          gpointer       user_data)
{
  const Map *map = user_data;
  GString *line = g_string_new (NULL);

  cli_append_quoted (line, map->name, strlen (map->name));
  g_string_append_c (line, ' ');
  cli_append_quoted (line, item->bytes, item->length);
  return g_string_free (line, FALSE);
}

static void
judge (CliEnd  *end,
       gpointer user_data)
{
  CliOutcome *outcome = &end->outcome;

  outcome->n_bytes = end->result != NULL ? g_variant_get_size (end->result) : 0;
  outcome->signal_number = 0;
  if (end->error == NULL)
    outcome->exit_value = 0;
  else if (g_error_matches (end->error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_TIMED_OUT) ||
           g_error_matches (end->error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_CRASHED) ||
           g_error_matches (end->error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_MAY_HAVE_RUN))
    outcome->exit_value = -1;
  else
    outcome->exit_value = 1;
}

/* --- lines of text ---------------------------------------------------------------------------- */

/* A tuple of one reads better without its parentheses. */
static GVariant *
dup_content (GVariant *result)
{
  if (g_variant_is_of_type (result, G_VARIANT_TYPE ("(*)")))
    return g_variant_get_child_value (result, 0);

  return g_variant_ref (result);
}

static void
print_bytes (CliOutput *output,
             GVariant  *value)
{
  gsize length = 0;
  const char *bytes = g_variant_get_fixed_array (value, &length, 1);

  if (length > 0 && bytes[length - 1] == '\0')
    length--;
  if (length > 0)
    cli_output_write (output, bytes, length);
  cli_output_write (output, "\n", 1);
}

/* With a NUL at its end it prints as b'...', not as an array of numbers. */
static GVariant *
dup_readable_bytes (GVariant *value)
{
  gsize length = 0;
  const char *start = g_variant_get_fixed_array (value, &length, 1);
  g_autofree char *bytes = g_strndup (start != NULL ? start : "", length);

  if (strlen (bytes) == length)
    return g_variant_ref_sink (g_variant_new_bytestring (bytes));

  return g_variant_ref (value);
}

/* @value as it prints well: with the byte strings of its tuples readable. */
static GVariant *
dup_readable (GVariant *value)
{
  g_autoptr (GVariantBuilder) builder = NULL;
  gsize i = 0;

  if (g_variant_is_of_type (value, G_VARIANT_TYPE_BYTESTRING))
    return dup_readable_bytes (value);

  if (!g_variant_is_of_type (value, G_VARIANT_TYPE_TUPLE))
    return g_variant_ref (value);

  builder = g_variant_builder_new (g_variant_get_type (value));
  for (i = 0; i < g_variant_n_children (value); i++)
    {
      g_autoptr (GVariant) child = g_variant_get_child_value (value, i);
      g_autoptr (GVariant) readable = dup_readable (child);

      g_variant_builder_add_value (builder, readable);
    }
  return g_variant_ref_sink (g_variant_builder_end (builder));
}

static void
print_result (CliOutput *output,
              GVariant  *result)
{
  g_autoptr (GVariant) content = dup_content (result);
  g_autoptr (GVariant) readable = NULL;
  g_autofree char *text = NULL;

  if (g_variant_is_of_type (content, G_VARIANT_TYPE_STRING))
    cli_output_write_line (output, g_variant_get_string (content, NULL));
  else if (g_variant_is_of_type (content, G_VARIANT_TYPE_BYTESTRING))
    print_bytes (output, content);
  else
    {
      readable = dup_readable (content);
      text = g_variant_print (readable, FALSE);
      cli_output_write_line (output, text);
    }
}

static void
print_text (CliOutput     *output,
            const CliItem *item,
            const CliEnd  *end,
            gpointer       user_data)
{
  if (end->error == NULL)
    print_result (output, end->result);
  else
    cli_output_write_failure (output, item, end->n_tries, end->error->message);
}

/* --- lines of JSON ---------------------------------------------------------------------------- */

static void
append_member (GString    *json,
               const char *name)
{
  g_string_append_printf (json, "%s\"%s\":", json->len > 1 ? "," : "", name);
}

static void
append_item (GString       *json,
             const CliItem *item)
{
  append_member (json, "item");
  if (cli_json_append_string (json, item->bytes, item->length))
    return;

  append_member (json, "item_bytes");
  cli_json_append_base64 (json, item->bytes, item->length);
}

static void
append_error (GString      *json,
              const GError *error)
{
  const char *domain = g_quark_to_string (error->domain);

  append_member (json, "error");
  cli_json_append_string (json, error->message, strlen (error->message));
  append_member (json, "domain");
  cli_json_append_string (json, domain, strlen (domain));
  append_member (json, "code");
  g_string_append_printf (json, "%d", error->code);
}

static void
append_times (GString      *json,
              const CliEnd *end)
{
  char text[64];

  append_member (json, "seconds");
  g_string_append (json, g_ascii_formatd (text, sizeof text, "%.6f", end->outcome.run_time));
  if (end->n_tries <= 1)
    return;

  append_member (json, "tries");
  g_string_append_printf (json, "%u", end->n_tries);
}

static void
print_json (CliOutput     *output,
            const CliItem *item,
            const CliEnd  *end,
            gpointer       user_data)
{
  g_autoptr (GString) json = g_string_new ("{");

  append_item (json, item);
  if (end->error != NULL)
    append_error (json, end->error);
  else
    {
      append_member (json, "result");
      cli_json_append_variant (json, end->result);
    }
  append_times (json, end);
  g_string_append_c (json, '}');
  cli_output_write_line (output, json->str);
}

/* --- the command ------------------------------------------------------------------------------ */

/* What looks like no file and is none. */
static gboolean
is_python (const char *module,
           const char *path)
{
  return strchr (module, '/') == NULL && !g_str_has_suffix (module, ".so") &&
         !g_file_test (path, G_FILE_TEST_EXISTS);
}

static gboolean
parse_function (Map        *map,
                const char *text,
                GError    **error)
{
  const char *colon = text != NULL ? strrchr (text, ':') : NULL;
  g_autofree char *plugin = NULL;

  if (text == NULL || *text == '\0' || colon == text || (colon != NULL && colon[1] == '\0') ||
      !g_utf8_validate (colon != NULL ? colon : text, -1, NULL))
    {
      g_set_error_literal (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                           "map needs a function: PLUGIN.so:NAME, MODULE:NAME of Python, or a NAME "
                           "of the stock plug-in");
      return FALSE;
    }

  map->name = text;
  plugin = colon != NULL ? g_strndup (text, colon - text) : NULL;
  map->plugin = plugin != NULL ? cli_dup_plugin_path (plugin)
                               : g_build_filename (cli_get_plugin_dir (), "stock.so", NULL);
  if (plugin != NULL && is_python (plugin, map->plugin))
    {
      g_clear_pointer (&map->plugin, g_free);
      map->function = g_strdup (text);
      return TRUE;
    }
  map->function = g_strdup (colon != NULL ? colon + 1 : text);
  return cli_check_plugin (map->plugin, error);
}

static CliExit
run_map (Map   *map,
         char **words)
{
  g_autoptr (CliItems) items = NULL;
  guint64 n_failed = 0;
  CliExit status = CLI_EXIT_OK;
  CliWork work = {
    .options = &map->options,
    .plugin = map->plugin,
    .function = map->function,
    .usage_status = CLI_EXIT_USAGE,
    .logs_as_printed = TRUE,
    .is_ordered = !map->options.is_unordered,
    .n_per_worker = N_PER_WORKER,
    .n_held = N_HELD,
    .make_argument = make_argument,
    .describe = describe,
    .judge = judge,
    .print = map->options.is_json ? print_json : print_text,
    .user_data = map,
  };

  if (words[0] != NULL)
    items = cli_items_new_for_words (words);
  else
    items = cli_items_new_for_fd (STDIN_FILENO, map->options.is_nul ? '\0' : '\n');

  work.items = items;
  status = cli_feeder_run (&work, &n_failed);
  return status == CLI_EXIT_OK && n_failed > 0 ? CLI_EXIT_FAILED : status;
}

CliExit
cli_map (int    argc,
         char **argv)
{
  g_auto (Map) map = { 0 };
  g_autoptr (GError) error = NULL;
  int first = 0;

  if (cli_parse_options (letters, help, &map.options, argc, argv, &first, &error) &&
      parse_function (&map, argv[first], &error))
    return run_map (&map, argv + first + 1);

  cli_print_error ("%s", error->message);
  return CLI_EXIT_USAGE;
}
