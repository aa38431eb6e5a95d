/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The spawn shim: the first thing that runs in a new worker process. It does what must be done
 * before anything else, and in the child, and then executes the worker:
 *
 *   aiopool-shim PARENT-PID program|path DIRECTORY ARGUMENT...
 *
 * "program" executes the descriptor AIOPOOL_FD_PROGRAM, "path" looks ARGUMENT up. It links the C
 * library only, so that it costs little. What goes wrong is told to the parent through the data
 * socket. */

#include "config.h"

#include "aiopool/wire/aiopool-worker-fds-private.h"

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

/* A worker should go before the program that it works for when memory runs out. */
static void
raise_oom_score (void)
{
  char text[16] = { 0 };
  int fd = open ("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);

  if (fd < 0)
    return;
  if (read (fd, text, sizeof text - 1) > 0 && atoi (text) <= 900)
    {
      int n = snprintf (text, sizeof text, "%d", atoi (text) + 100);

      if (write (fd, text, (size_t) n) != n)
        errno = 0;
    }
  close (fd);
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

int
main (int   argc,
      char *argv[])
{
  int is_program;

  if (argc < 5)
    {
      fprintf (stderr, "aiopool-shim: this program is started by libaiopool only\n");
      return 2;
    }
  is_program = strcmp (argv[2], "program") == 0;
  prctl (PR_SET_PDEATHSIG, SIGKILL);
  if (getppid () != atoi (argv[1]))
    return 127;
  setsid ();
  reset_signals ();
  close_foreign_descriptors (AIOPOOL_FD_PROGRAM + is_program);
  open_standard_descriptors ();
  raise_oom_score ();
  if (argv[3][0] != '\0' && chdir (argv[3]) != 0)
    return refuse ("Cannot change to directory", argv[3]);
  if (is_program)
    {
      fcntl (AIOPOOL_FD_PROGRAM, F_SETFD, FD_CLOEXEC);
      syscall (SYS_execveat, AIOPOOL_FD_PROGRAM, "", argv + 4, environ, AT_EMPTY_PATH);
    }
  else
    execvp (argv[4], argv + 4);
  return refuse ("Cannot execute worker program", argv[4]);
}
