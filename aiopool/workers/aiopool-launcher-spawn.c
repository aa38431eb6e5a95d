/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/workers/aiopool-launcher-fields-private.h"
#include "aiopool/workers/aiopool-launcher-private.h"

#include "aiopool/base/aiopool-error.h"
#include "aiopool/base/aiopool-process-private.h"
#include "aiopool/base/aiopool-trace-private.h"
#include "aiopool/wire/aiopool-channel-private.h"
#include "aiopool/wire/aiopool-worker-fds-private.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixinputstream.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* How a worker process is started: its environment and descriptors. No other file spawns. */

/* Two for each descriptor that a worker gets (ours and GLib's copy of it), and some for others. */
#define N_SPAWN_FDS 16

#define TRIAL_ANSWER   "aiopool-sandbox-works"
#define TRIAL_USEC     (5 * G_USEC_PER_SEC)
#define MAX_TRIAL_TEXT 4096 /* bytes */

/* FALSE in a process that was started as a worker and never became one: a program that forgot the
 * call at the start of its main would start itself again and again. The parent is told. */
gboolean
aiopool_launcher_check_process (GError **error)
{
  static const char *text = "This program was started as a worker, but it does not call "
                            "aiopool_service_enter() at the start of its main function";
  guint8 frame[AIOPOOL_FRAME_HEADER_SIZE + 256] = { 0 };
  gsize sent;

  if (aiopool_process_is_starting ())
    {
      g_set_error_literal (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_NOT_A_WORKER,
                           "A worker runs the program's main module again, which makes a pool: "
                           "guard that with: if __name__ == \"__main__\"");
      return FALSE;
    }
  if (g_getenv (AIOPOOL_WORKER_VARIABLE) == NULL)
    return TRUE;
  aiopool_frame_header (frame, AIOPOOL_FRAME_REFUSE, 0, 0, AIOPOOL_POOL_ERROR_NOT_A_WORKER,
                        (guint32) strlen (text));
  memcpy (frame + AIOPOOL_FRAME_HEADER_SIZE, text, strlen (text));
  aiopool_channel_send (AIOPOOL_FD_DATA, frame,
                        AIOPOOL_FRAME_HEADER_SIZE + AIOPOOL_FRAME_PAD (strlen (text)), NULL,
                        &sent);
  g_set_error_literal (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_NOT_A_WORKER, text);
  return FALSE;
}

/* Opened once, early: what is executed is this very file, also after it was replaced. */
static int
own_program_fd (void)
{
  static gsize once;
  static int fd;

  if (g_once_init_enter (&once))
    {
      fd = open ("/proc/self/exe", O_PATH | O_CLOEXEC);
      g_once_init_leave (&once, 1);
    }
  return fd;
}

/* A worker with pools, or what it starts, would write over the trace of this process, and the
 * descriptors of a profiler that the environment names are not its own. */
static char **
drop_observers (char **environment)
{
  const char *trace = g_environ_getenv (environment, AIOPOOL_TRACE_VARIABLE);

  if (trace != NULL && !aiopool_trace_is_for_children (trace))
    environment = g_environ_unsetenv (environment, AIOPOOL_TRACE_VARIABLE);
  environment = g_environ_unsetenv (environment, "SYSPROF_CONTROL_FD");
  return g_environ_unsetenv (environment, "SYSPROF_TRACE_FD");
}

static char **
build_environment (AiopoolLauncher *self,
                   guint64          nonce)
{
  g_autofree char *value = g_strdup_printf ("%d:%" G_GINT64_MODIFIER "x",
                                            AIOPOOL_PROTOCOL_VERSION, nonce);
  char **environment = drop_observers (g_get_environ ());

  for (guint i = 0; i < self->environment->len; i++)
    {
      const char *entry = g_ptr_array_index (self->environment, i);
      const char *equals = strchr (entry, '=');
      g_autofree char *name = equals != NULL ? g_strndup (entry, (gsize) (equals - entry)) : NULL;

      if (equals != NULL)
        environment = g_environ_setenv (environment, name, equals + 1, TRUE);
      else
        environment = g_environ_unsetenv (environment, entry);
    }
  return g_environ_setenv (environment, AIOPOOL_WORKER_VARIABLE, value, TRUE);
}

/* Where there are no pidfds: the end of a pipe that hangs up with the last holder of the other. */
static int
open_own_pipe (void)
{
  static gsize once;
  static int reader = -1;
  int fds[2];

  if (g_once_init_enter (&once))
    {
      if (pipe2 (fds, O_CLOEXEC) == 0)
        reader = fds[0]; /* fds[1] stays open as long as this process */
      g_once_init_leave (&once, 1);
    }
  return reader >= 0 ? fcntl (reader, F_DUPFD_CLOEXEC, AIOPOOL_FD_PROGRAM + 1) : -1;
}

/* What a worker sees the end of this process by. */
static int
open_own_pidfd (void)
{
  int fd = (int) syscall (SYS_pidfd_open, getpid (), 0);

  return fd >= 0 ? fd : open_own_pipe ();
}

/* GLib closes the descriptor for standard error in the child after the others are in their places:
 * it must be none of those. Takes @fd. */
static int
move_up (int fd)
{
  int higher = fcntl (fd, F_DUPFD_CLOEXEC, AIOPOOL_FD_PROGRAM + 1);

  if (higher < 0)
    return fd;
  close (fd);
  return higher;
}

/* INHERIT_FDS and no directory keep GSubprocess on posix_spawn, whose cost does not grow with the
 * memory of this process; the shim does what that leaves undone. */
static GSubprocessLauncher *
new_subprocess_launcher (AiopoolLauncher  *self,
                         AiopoolLaunchFds *fds,
                         guint64           nonce)
{
  GSubprocessLauncher *launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_INHERIT_FDS);
  g_auto (GStrv) environment = build_environment (self, nonce);
  int parent = open_own_pidfd ();

  g_subprocess_launcher_set_environ (launcher, environment);
  g_subprocess_launcher_take_fd (launcher, fds->data, AIOPOOL_FD_DATA);
  g_subprocess_launcher_take_fd (launcher, fds->control, AIOPOOL_FD_CONTROL);
  g_subprocess_launcher_take_fd (launcher, fds->status, AIOPOOL_FD_STATUS);
  if (parent >= 0)
    g_subprocess_launcher_take_fd (launcher, parent, AIOPOOL_FD_PARENT);
  if (aiopool_launcher_is_program (self))
    g_subprocess_launcher_take_fd (launcher, fcntl (own_program_fd (), F_DUPFD_CLOEXEC, 3),
                                   AIOPOOL_FD_PROGRAM);
  g_subprocess_launcher_take_stderr_fd (launcher, move_up (fds->standard_error));
  return launcher;
}

/* Whether a worker can be given its descriptors; @fd is any open one. GLib takes a spawn that ran
 * out of descriptors for one that succeeded, and aborts. */
gboolean
aiopool_launcher_check_descriptors (int      fd,
                                    GError **error)
{
  int fds[N_SPAWN_FDS];
  int n = 0;
  int saved_errno = 0;

  while (n < N_SPAWN_FDS && saved_errno == 0)
    {
      fds[n] = fcntl (fd, F_DUPFD_CLOEXEC, AIOPOOL_FD_PROGRAM + 1);
      saved_errno = fds[n] < 0 ? errno : 0;
      n += fds[n] >= 0;
    }
  while (n > 0)
    close (fds[--n]);
  if (saved_errno == 0)
    return TRUE;
  g_set_error (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_START_FAILED,
               "Cannot start a worker: %s", g_strerror (saved_errno));
  return FALSE;
}

/* On the engine thread only: the death signal follows the thread that spawns. Takes @fds. @kind:
 * (out): the sandbox that it is in. */
GSubprocess *
aiopool_launcher_spawn (AiopoolLauncher     *self,
                        AiopoolLaunchFds    *fds,
                        guint64              nonce,
                        AiopoolSandboxKind  *kind,
                        GError             **error)
{
  g_autoptr (GSubprocessLauncher) launcher = new_subprocess_launcher (self, fds, nonce);
  g_auto (GStrv) argv = NULL;
  g_autoptr (GError) cause = NULL;
  const char *wrapper;
  GSubprocess *process;

  if (!aiopool_launcher_choose_sandbox (self, kind, &wrapper, error))
    return NULL;
  argv = aiopool_launcher_build_argv (self, *kind, wrapper, nonce);
  process = g_subprocess_launcher_spawnv (launcher, (const char * const *) argv, &cause);
  if (process == NULL)
    g_set_error (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_START_FAILED,
                 "Cannot start a worker: %s", cause->message);
  return process;
}

/* What comes until the answer, the end, or TRIAL_USEC. */
static char *
read_trial (int fd)
{
  gint64 end = g_get_monotonic_time () + TRIAL_USEC;
  g_autoptr (GString) text = g_string_new (NULL);
  struct pollfd input = { fd, POLLIN, 0 };
  char buffer[1024];
  gint64 left;
  gssize n = 1;

  while (n > 0 && text->len < MAX_TRIAL_TEXT && !g_str_has_suffix (text->str, TRIAL_ANSWER) &&
         (left = end - g_get_monotonic_time ()) > 0)
    {
      if (poll (&input, 1, (int) (left / 1000) + 1) <= 0)
        continue;
      n = read (fd, buffer, sizeof buffer);
      g_string_append_len (text, buffer, MAX (n, 0));
    }
  return g_string_free (g_steal_pointer (&text), FALSE);
}

/* Takes both. */
static GSubprocess *
spawn_trial (char   **argv,
             int      data_fd,
             int      error_fd,
             GError **error)
{
  g_autoptr (GSubprocessLauncher) launcher =
    g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_INHERIT_FDS);
  int parent = open_own_pidfd ();

  g_subprocess_launcher_take_fd (launcher, data_fd, AIOPOOL_FD_DATA);
  if (parent >= 0)
    g_subprocess_launcher_take_fd (launcher, parent, AIOPOOL_FD_PARENT);
  g_subprocess_launcher_take_stderr_fd (launcher, error_fd);
  return g_subprocess_launcher_spawnv (launcher, (const char * const *) argv, error);
}

/* With its group, which it leads. */
static void
end_trial (GSubprocess *process)
{
  const char *identifier = g_subprocess_get_identifier (process); /* NULL once it is reaped */

  if (identifier != NULL)
    kill (-atoi (identifier), SIGKILL);
  g_subprocess_force_exit (process);
}

/* Whether the wrapper really makes a sandbox. Blocks, though not for ever, and needs no context.
 * What it says and the answer come through one socket. */
gboolean
aiopool_launcher_try_wrapper (AiopoolSandboxKind   kind,
                              const char          *program,
                              GError             **error)
{
  g_auto (GStrv) argv = aiopool_launcher_build_trial (kind, program, TRIAL_ANSWER);
  g_autoptr (GSubprocess) process = NULL;
  g_autoptr (GError) cause = NULL;
  g_autofree char *text = NULL;
  gboolean works = FALSE;
  int fds[2];

  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0)
    {
      process = spawn_trial (argv, fds[1], fcntl (fds[1], F_DUPFD_CLOEXEC, AIOPOOL_FD_PROGRAM + 1),
                             &cause);
      text = process != NULL ? read_trial (fds[0]) : NULL;
      close (fds[0]);
    }
  works = text != NULL && g_str_has_suffix (text, TRIAL_ANSWER);
  if (process != NULL && !works)
    end_trial (process);
  if (!works)
    g_set_error (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_SANDBOX,
                 "There is no sandbox for workers: %s does not work: %s", program,
                 cause != NULL ? cause->message
                 : text != NULL && *text != '\0' ? g_strchomp (text) : "it said nothing");
  return works;
}
