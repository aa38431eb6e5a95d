/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The spawn shim: the first thing that runs in a new worker process. It does what must be done
 * before anything else, and in the child, and then executes the worker:
 *
 *   aiopool-shim PARENT-PID [SETTING=VALUE...] program|path ARGUMENT...
 *
 * "program" executes the descriptor AIOPOOL_FD_PROGRAM, "path" looks ARGUMENT up. With a sandbox it
 * comes twice, outside and inside:
 *
 *   aiopool-shim PARENT-PID [SETTING=VALUE...] wrap|wrap-program WRAPPER ARGUMENT...
 *       aiopool-shim inside [SETTING=VALUE...] program|path|answer ARGUMENT...
 *
 * The outer one stays, see supervise(); the WRAPPER, which makes the sandbox, gets the command line
 * of the inner one as its last arguments. "answer" only says that it is there. It links the C
 * library only, so that it costs little. What goes wrong is told to the parent through the data
 * socket. */

#include "config.h"

#include "aiopool/wire/aiopool-worker-fds-private.h"
#include "aiopool/workers/aiopool-shim-private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LINGER_SECONDS 1

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

static void
on_child (int number)
{
}

/* As a shell has it. */
static int
to_exit_status (int status)
{
  return WIFEXITED (status) ? WEXITSTATUS (status) : 128 + WTERMSIG (status);
}

/* TRUE if no child is left. */
static int
reap (pid_t  wrapper,
      int   *result)
{
  int status;
  pid_t pid;

  while ((pid = waitpid (-1, &status, WNOHANG)) > 0)
    {
      if (pid == wrapper)
        *result = to_exit_status (status);
    }
  return pid < 0;
}

/* Until the wrapper has ended and what it leaves, which takes a moment, has too. */
static int
watch (pid_t     wrapper,
       int       has_parent,
       sigset_t *unblocked)
{
  const struct timespec linger = { LINGER_SECONDS, 0 };
  struct pollfd parent = { AIOPOOL_FD_PARENT, POLLIN, 0 };
  int result = -1, n = 1;

  while (!reap (wrapper, &result) && (result < 0 || n != 0))
    {
      n = ppoll (&parent, (nfds_t) has_parent, result < 0 ? NULL : &linger, unblocked);
      if (n > 0)
        kill (0, SIGKILL);
    }
  return result;
}

/* Keeps the wrapper, and is the process that the parent knows and signals. The wrapper would do as
 * that, were it not that the one of bubblewrap may die between the start of its child and the
 * moment when that asks to die with it: then nobody would end what is left. This process sees the
 * end of the parent by itself, as the worker does, and ends the group, which all of them are in but
 * for the worker; that goes with the first process of its namespace, or with its connection to the
 * bus. And it reaps what the wrapper leaves, which would be another zombie for each worker where
 * the system's first process does not. */
static int
supervise (char *argv[])
{
  struct sigaction action = { .sa_handler = on_child };
  sigset_t blocked, unblocked;
  pid_t self = getpid (), child;
  int has_parent = fcntl (AIOPOOL_FD_PARENT, F_GETFD) >= 0;

  if (has_parent)
    prctl (PR_SET_PDEATHSIG, SIGCONT); /* not before it has ended the others */
  prctl (PR_SET_CHILD_SUBREAPER, 1);
  sigaction (SIGCHLD, &action, NULL);
  sigemptyset (&blocked);
  sigaddset (&blocked, SIGCHLD);
  sigprocmask (SIG_BLOCK, &blocked, &unblocked);
  child = fork ();
  if (child < 0)
    return refuse ("Cannot start", argv[0]);
  if (child > 0)
    {
      syscall (SYS_close_range, AIOPOOL_FD_DATA, AIOPOOL_FD_PARENT - 1, 0);
      close_foreign_descriptors (AIOPOOL_FD_PARENT + 1);
      return watch (child, has_parent, &unblocked);
    }
  prctl (PR_SET_PDEATHSIG, SIGKILL);
  if (getppid () != self)
    return 127;
  sigprocmask (SIG_SETMASK, &unblocked, NULL);
  execv (argv[0], argv);
  return refuse ("Cannot execute", argv[0]);
}

static int
answer (const char *text)
{
  return send (AIOPOOL_FD_DATA, text, strlen (text), MSG_NOSIGNAL) < 0;
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

static int
act (char *action[])
{
  const char *name = action[0];

  if (strncmp (name, "wrap", 4) == 0)
    {
      dup2 (2, 1); /* what is not trusted gets no descriptor of the parent's */
      return supervise (action + 1);
    }
  if (strcmp (name, "answer") == 0)
    return answer (action[1]);
  return execute (strcmp (name, "program") == 0, action + 1);
}

int
main (int   argc,
      char *argv[])
{
  char **action = argc > 2 ? find_action (argv + 2) : NULL;
  int is_inside, has_program;

  if (action == NULL || action[0] == NULL || action[1] == NULL)
    {
      fprintf (stderr, "aiopool-shim: this program is started by libaiopool only\n");
      return 2;
    }
  is_inside = strcmp (argv[1], "inside") == 0;
  has_program = strstr (action[0], "program") != NULL;
  prctl (PR_SET_PDEATHSIG, SIGKILL);
  if (!is_inside && getppid () != atoi (argv[1]))
    return 127;
  setsid ();
  reset_signals ();
  close_foreign_descriptors (AIOPOOL_FD_PROGRAM + has_program);
  open_standard_descriptors ();
  for (char **setting = argv + 2; setting < action; setting++)
    {
      if (aiopool_shim_apply (*setting) != 0)
        return refuse_setting (*setting);
    }
  return act (action);
}
