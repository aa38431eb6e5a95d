/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The spawn shim: the first thing that runs in a new worker process. It does what must be done
 * before anything else, and in the child, and then executes the worker:
 *
 *   aiopool-shim PARENT-PID [SETTING=VALUE...] program|path ARGUMENT...
 *
 * "program" executes the descriptor AIOPOOL_FD_PROGRAM, "path" looks ARGUMENT up. It links the C
 * library only, so that it costs little. What goes wrong is told to the parent through the data
 * socket. */

#include "config.h"

#include "aiopool/wire/aiopool-worker-fds-private.h"
#include "aiopool/workers/aiopool-shim-private.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

extern char **environ;

static int
refuse (const char *what,
        const char *name)
{
  char frame[16 + 512] = { 0 };
  uint32_t length;
  uint64_t code = AIOPOOL_REFUSE_START_FAILED;
  int n = snprintf (frame + 16, 512, "%s '%s': %s", what, name, strerror (errno));

  length = (uint32_t) (n < 511 ? n : 511);
  memcpy (frame, &length, sizeof length);
  frame[4] = AIOPOOL_REFUSE_TYPE;
  memcpy (frame + 8, &code, sizeof code);
  send (AIOPOOL_FD_DATA, frame, 16 + ((length + 7u) & ~7u), MSG_NOSIGNAL);
  return 127;
}

static void
reset_signals (void)
{
  struct sigaction action = { .sa_handler = SIG_DFL };
  sigset_t none;

  for (int number = 1; number < NSIG; number++)
    {
      struct sigaction old;

      if (sigaction (number, NULL, &old) == 0 && old.sa_handler == SIG_IGN)
        sigaction (number, &action, NULL);
    }
  sigemptyset (&none);
  sigprocmask (SIG_SETMASK, &none, NULL);
}

/* @first: of those that are not ours. */
static void
close_foreign_descriptors (int first)
{
  syscall (SYS_close_range, first, ~0u, 0);
}

static void
open_standard_descriptors (void)
{
  int fd = open ("/dev/null", O_RDWR);

  if (fd < 0)
    return;
  if (fd != 0)
    dup2 (fd, 0);
  for (int i = 1; i <= 2; i++)
    {
      if (fcntl (i, F_GETFD) < 0)
        dup2 (fd, i);
    }
  if (fd > 2)
    close (fd);
}

static int
execute (int   is_program,
         char *argv[])
{
  if (is_program)
    {
      fcntl (AIOPOOL_FD_PROGRAM, F_SETFD, FD_CLOEXEC);
      syscall (SYS_execveat, AIOPOOL_FD_PROGRAM, "", argv, environ, AT_EMPTY_PATH);
    }
  else
    execvp (argv[0], argv);
  return refuse ("Cannot execute worker program", argv[0]);
}

/* Where the settings end. */
static char **
find_action (char **arguments)
{
  while (*arguments != NULL && strchr (*arguments, '=') != NULL)
    arguments++;
  return arguments;
}

static int
refuse_setting (const char *setting)
{
  static const char directory[] = "directory=";
  size_t length = strlen (directory);

  return strncmp (setting, directory, length) == 0
           ? refuse ("Cannot change to directory", setting + length)
           : refuse ("Cannot set the limit", setting);
}

int
main (int   argc,
      char *argv[])
{
  char **action = argc > 2 ? find_action (argv + 2) : NULL;
  int is_program;

  if (action == NULL || action[0] == NULL || action[1] == NULL)
    {
      fprintf (stderr, "aiopool-shim: this program is started by libaiopool only\n");
      return 2;
    }
  is_program = strcmp (action[0], "program") == 0;
  prctl (PR_SET_PDEATHSIG, SIGKILL);
  if (getppid () != atoi (argv[1]))
    return 127;
  setsid ();
  reset_signals ();
  close_foreign_descriptors (AIOPOOL_FD_PROGRAM + is_program);
  open_standard_descriptors ();
  for (char **setting = argv + 2; setting < action; setting++)
    {
      if (aiopool_shim_apply (*setting) != 0)
        return refuse_setting (*setting);
    }
  return execute (is_program, action + 1);
}
