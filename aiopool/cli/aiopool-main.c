/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>

#include "aiopool/cli/aiopool-cli-private.h"
#include "aiopool/cli/aiopool-cli-signals-private.h"

/* The aiopool program. */

typedef struct
{
  const char *name;
  CliExit   (*run) (int    argc,
                    char **argv);
} Command;

static const Command commands[] = {
  { "map", cli_map },
  { "run", cli_run },
  { "trace", cli_trace },
  { "info", cli_info },
};

static const char usage[] =
  "Usage:\n"
  "  aiopool map [OPTION...] FUNCTION [ITEM...]\n"
  "  aiopool run [OPTION...] COMMAND... [::: ITEM...]\n"
  "  aiopool trace [-o PICTURE.svg] FILE\n"
  "  aiopool info [--json]\n"
  "  aiopool --version | --help\n"
  "\n"
  "Calls functions and runs commands in worker processes, several at a time.\n"
  "\n"
  "Options of map and run:\n"
  "  -j, --jobs=N        Number of workers (default: number of processors)\n"
  "  --bar               Show progress, if standard error is a terminal\n"
  "  -0, --null          Items of standard input end with NUL, not with a newline\n"
  "  --timeout=SECONDS   Longest time for one item, from its start\n"
  "  --retries=N         Try an item that fails up to N times in all; 0: no limit\n"
  "  --delay=SECONDS     Wait between two starts\n"
  "  --halt=WHEN,WHY=N   Stop early: soon or now, fail, success or done, N or N%\n"
  "  --joblog=FILE       Write a line to FILE for every item that has ended\n"
  "  --resume, --resume-failed\n"
  "                      Skip the items that the job log has, or has as done well\n"
  "  --dry-run           Print what would be run, and run nothing\n"
  "Options of map:\n"
  "  -u, --unordered     Print results as they come, not in the order of the items\n"
  "  --json              Print one JSON object a line, for failed items too\n"
  "Options of run:\n"
  "  -k, --keep-order    Print output in the order of the items, not as commands end\n"
  "\n"
  "'aiopool COMMAND --help' tells more, and the manual page aiopool(1) tells all.\n";

static const Command *
find_command (const char *name)
{
  gsize i = 0;

  for (i = 0; i < G_N_ELEMENTS (commands); i++)
    if (g_str_equal (commands[i].name, name))
      return &commands[i];

  return NULL;
}

static CliExit
run_word (int    argc,
          char **argv)
{
  const Command *command = find_command (argv[0]);
  g_autofree char *shown = NULL;

  if (command != NULL)
    return command->run (argc, argv);

  if (g_str_equal (argv[0], "--version"))
    return cli_print_text ("aiopool " AIOPOOL_VERSION_S "\n");

  if (g_str_equal (argv[0], "--help") || g_str_equal (argv[0], "-h"))
    return cli_print_text (usage);

  shown = cli_dup_shown (argv[0], -1);
  cli_print_error ("there is no command '%s'; 'aiopool --help' lists them", shown);
  return CLI_EXIT_USAGE;
}

/* Whoever closed standard input, output or error has not asked for the next file or socket to be
 * opened in its place and then read or written. Opened for the other direction, to use it remains
 * an error. */
static void
occupy_standard_fds (void)
{
  int fd = 0;

  for (fd = 0; fd <= 2; fd++)
    if (fcntl (fd, F_GETFD) < 0 && errno == EBADF)
      open ("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
}

int
main (int    argc,
      char **argv)
{
  CliExit status = CLI_EXIT_OK;

  occupy_standard_fds ();
  setlocale (LC_ALL, "");
  g_set_prgname ("aiopool");
  cli_signals_start ();

  if (argc >= 2)
    {
      status = run_word (argc - 1, argv + 1);
      cli_signals_check ();
      return status;
    }

  cli_print_error ("a command is missing; 'aiopool --help' lists them");
  return CLI_EXIT_USAGE;
}
