/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <aiopool/aiopool.h>

#include "aiopool/cli/aiopool-cli-halt-private.h"

G_BEGIN_DECLS

/* Exit statuses; the man page has the same table. "run" counts failed tasks in 1 to 100 and
 * therefore reports its own trouble, wrong usage too, as 125. */
typedef enum
{
  CLI_EXIT_OK = 0,
  CLI_EXIT_FAILED = 1,
  CLI_EXIT_USAGE = 2,
  CLI_EXIT_MANY_FAILED = 101,
  CLI_EXIT_TROUBLE = 125,
  CLI_EXIT_PIPE = 141
} CliExit;

#define CLI_MAX_FAILED_STATUS 100
#define CLI_MAX_WORKERS 1024
#define CLI_MAX_CHUNK_SIZE 65536

/* Everything that can be said by options; each command knows some of them. */
typedef struct
{
  guint    n_workers;
  gboolean with_bar;
  gboolean is_nul;        /* items of standard input end with NUL, not with a newline */
  double   timeout;       /* seconds, 0: none */
  gboolean is_unordered;  /* map */
  gboolean is_json;       /* map, info */
  gboolean keeps_order;   /* run */

  /* map and run */
  guint       n_tries;          /* of each item; 0: no limit */
  gboolean    is_chunked;
  guint       chunk_size;       /* if it is; 0: chosen */
  double      delay;            /* seconds between two starts */
  CliHalt     halt;
  const char *joblog;           /* (nullable) path */
  gboolean    is_resumed;
  gboolean    retries_failed;   /* when it is resumed */
  gboolean    is_dry_run;
} CliOptions;

/* The commands: argv[0] is the command's name. */
CliExit cli_map  (int    argc,
                  char **argv);
CliExit cli_run  (int    argc,
                  char **argv);
CliExit cli_info (int    argc,
                  char **argv);
CliExit cli_trace (int   argc,
                   char **argv);

/* "aiopool: MESSAGE", one line whatever the message holds. */
void  cli_print_error   (const char *format,
                         ...) G_GNUC_PRINTF (1, 2);

/* Writes @text to standard output, or says why that cannot be done. */
CliExit cli_print_text (const char *text);

/* @bytes as one line of valid UTF-8 without control characters, shortened if it is long. */
char *cli_dup_shown     (const char *bytes,
                         gssize      length);

/* The same for whole messages, which are not shortened that soon. */
char *cli_dup_one_line  (const char *text);

/* In the place of letters, for the options that have none. */
#define CLI_OPTION_BAR '\1'
#define CLI_OPTION_TIMEOUT '\2'
#define CLI_OPTION_JSON '\3'
#define CLI_OPTION_RETRIES '\4'
#define CLI_OPTION_DELAY '\5'
#define CLI_OPTION_HALT '\6'
#define CLI_OPTION_JOBLOG '\7'
#define CLI_OPTION_RESUME '\10'
#define CLI_OPTION_RESUME_FAILED '\11'
#define CLI_OPTION_DRY_RUN '\12'
#define CLI_OPTION_CHUNK '\13'

/* Those of map and run that are about the items as a whole. */
#define CLI_OPTIONS_OF_ITEMS \
  'j', '0', 'h', CLI_OPTION_TIMEOUT, CLI_OPTION_BAR, CLI_OPTION_RETRIES, CLI_OPTION_DELAY, \
  CLI_OPTION_HALT, CLI_OPTION_JOBLOG, CLI_OPTION_RESUME, CLI_OPTION_RESUME_FAILED, \
  CLI_OPTION_DRY_RUN, CLI_OPTION_CHUNK

/* Parses the options in front of the first other word, of which @first becomes the index. @letters
 * are those that the command knows; --help prints @help and ends the program. */
gboolean cli_parse_options (const char *letters,
                            const char *help,
                            CliOptions *options,
                            int         argc,
                            char      **argv,
                            int        *first,
                            GError    **error);

const char *cli_get_worker_dir (void);
const char *cli_get_plugin_dir (void);

/* The path of a plug-in that was given by path or name. */
char       *cli_dup_plugin_path (const char *name);

/* Whether it can be loaded, before any process is started for it. */
gboolean    cli_check_plugin    (const char *path,
                                 GError    **error);

G_END_DECLS
