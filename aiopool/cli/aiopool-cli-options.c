/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "aiopool/cli/aiopool-cli-private.h"

#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Options, by getopt_long(): it leaves the bytes of all words alone and knows "-j4". */

static const struct option long_options[] = {
  { "jobs", required_argument, NULL, 'j' },
  { "bar", no_argument, NULL, CLI_OPTION_BAR },
  { "null", no_argument, NULL, '0' },
  { "timeout", required_argument, NULL, CLI_OPTION_TIMEOUT },
  { "unordered", no_argument, NULL, 'u' },
  { "json", no_argument, NULL, CLI_OPTION_JSON },
  { "keep-order", no_argument, NULL, 'k' },
  { "retries", required_argument, NULL, CLI_OPTION_RETRIES },
  { "chunk", required_argument, NULL, CLI_OPTION_CHUNK },
  { "delay", required_argument, NULL, CLI_OPTION_DELAY },
  { "halt", required_argument, NULL, CLI_OPTION_HALT },
  { "joblog", required_argument, NULL, CLI_OPTION_JOBLOG },
  { "resume", no_argument, NULL, CLI_OPTION_RESUME },
  { "resume-failed", no_argument, NULL, CLI_OPTION_RESUME_FAILED },
  { "dry-run", no_argument, NULL, CLI_OPTION_DRY_RUN },
  { "help", no_argument, NULL, 'h' },
  { NULL, 0, NULL, 0 },
};

/* "+": up to the first word that is no option; ":": tell a missing value from an unknown option. */
static const char short_options[] = "+:j:0ukh";

static gboolean
parse_jobs (const char *text,
            guint      *n_workers,
            GError    **error)
{
  g_autofree char *shown = cli_dup_shown (text, -1);
  guint64 number = 0;

  if (!g_ascii_string_to_unsigned (text, 10, 1, CLI_MAX_WORKERS, &number, NULL))
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                   "the number of workers must be 1 to %d, not '%s'", CLI_MAX_WORKERS, shown);
      return FALSE;
    }

  *n_workers = (guint) number;
  return TRUE;
}

static gboolean
parse_tries (const char *text,
             guint      *n_tries,
             GError    **error)
{
  g_autofree char *shown = cli_dup_shown (text, -1);
  guint64 number = 0;

  if (!g_ascii_string_to_unsigned (text, 10, 0, G_MAXINT, &number, NULL))
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                   "--retries must be a number of tries, or 0 for no limit, not '%s'", shown);
      return FALSE;
    }

  *n_tries = (guint) number;
  return TRUE;
}

static gboolean
parse_chunk (const char *text,
             CliOptions *options,
             GError    **error)
{
  g_autofree char *shown = cli_dup_shown (text, -1);
  guint64 number = 0;

  if (!g_str_equal (text, "auto") &&
      !g_ascii_string_to_unsigned (text, 10, 1, CLI_MAX_CHUNK_SIZE, &number, NULL))
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                   "--chunk must be 'auto' or 1 to %d items, not '%s'", CLI_MAX_CHUNK_SIZE, shown);
      return FALSE;
    }

  options->is_chunked = number != 1;
  options->chunk_size = (guint) number;
  return TRUE;
}

static gboolean
parse_seconds (const char *text,
               const char *name,
               double     *seconds,
               GError    **error)
{
  g_autofree char *shown = cli_dup_shown (text, -1);
  char *end = NULL;

  *seconds = g_ascii_strtod (text, &end);
  if (end != text && *end == '\0' && isfinite (*seconds) && *seconds > 0)
    return TRUE;

  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
               "the %s must be a number of seconds, more than 0, not '%s'", name, shown);
  return FALSE;
}

/* @letter is what getopt_long() returned, for an option that is not known here or has no value. */
static gboolean
refuse_option (int      letter,
               char   **argv,
               GError **error)
{
  int code = letter == '?' || letter == ':' ? optopt : letter;
  const char *last = argv[optind - 1];
  gboolean is_long = g_str_has_prefix (last, "--") && strchr (short_options, code) != NULL;
  g_autofree char *shown = NULL;

  if (g_ascii_isgraph (code) && !is_long)
    shown = g_strdup_printf ("-%c", code);
  else
    shown = cli_dup_shown (last, -1);

  if (letter == ':')
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                 "the option '%s' needs a value", shown);
  else
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_UNKNOWN_OPTION,
                 "'%s' has no option '%s'", argv[0], shown);
  return FALSE;
}

static gboolean
take_option (CliOptions *options,
             int         letter,
             const char *help,
             GError    **error)
{
  switch (letter)
    {
    case 'j':
      return parse_jobs (optarg, &options->n_workers, error);
    case CLI_OPTION_TIMEOUT:
      return parse_seconds (optarg, "timeout", &options->timeout, error);
    case CLI_OPTION_DELAY:
      return parse_seconds (optarg, "delay", &options->delay, error);
    case CLI_OPTION_RETRIES:
      return parse_tries (optarg, &options->n_tries, error);
    case CLI_OPTION_CHUNK:
      return parse_chunk (optarg, options, error);
    case CLI_OPTION_HALT:
      return cli_halt_parse (optarg, &options->halt, error);
    case CLI_OPTION_JOBLOG:
      options->joblog = optarg;
      return TRUE;
    case CLI_OPTION_RESUME:
      options->is_resumed = TRUE;
      return TRUE;
    case CLI_OPTION_RESUME_FAILED:
      options->is_resumed = TRUE;
      options->retries_failed = TRUE;
      return TRUE;
    case CLI_OPTION_DRY_RUN:
      options->is_dry_run = TRUE;
      return TRUE;
    case CLI_OPTION_BAR:
      options->with_bar = TRUE;
      return TRUE;
    case '0':
      options->is_nul = TRUE;
      return TRUE;
    case 'u':
      options->is_unordered = TRUE;
      return TRUE;
    case CLI_OPTION_JSON:
      options->is_json = TRUE;
      return TRUE;
    case 'k':
      options->keeps_order = TRUE;
      return TRUE;
    case 'h':
      exit (cli_print_text (help));
    default:
      g_assert_not_reached ();
    }
}

static gboolean
check_together (const CliOptions *options,
                GError          **error)
{
  const char *message = NULL;

  if (options->is_resumed && options->joblog == NULL)
    message = "--resume and --resume-failed need --joblog";
  else if (options->is_chunked && options->delay > 0)
    message = "--delay is between items, and those of a chunk start at once: not with --chunk";
  if (message == NULL)
    return TRUE;

  g_set_error_literal (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, message);
  return FALSE;
}

gboolean
cli_parse_options (const char *letters,
                   const char *help,
                   CliOptions *options,
                   int         argc,
                   char      **argv,
                   int        *first,
                   GError    **error)
{
  int letter = 0;

  options->n_workers = MIN (g_get_num_processors (), CLI_MAX_WORKERS);
  options->n_tries = 1;
  opterr = 0;
  while ((letter = getopt_long (argc, argv, short_options, long_options, NULL)) != -1)
    {
      if (letter == '?' || letter == ':' || strchr (letters, letter) == NULL)
        return refuse_option (letter, argv, error);

      if (!take_option (options, letter, help, error))
        return FALSE;
    }

  *first = optind;
  return check_together (options, error);
}
