/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/workers/aiopool-launcher-fields-private.h"
#include "aiopool/workers/aiopool-launcher-private.h"

#include "aiopool/base/aiopool-error.h"
#include "aiopool/wire/aiopool-channel-private.h"
#include "aiopool/wire/aiopool-worker-fds-private.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixinputstream.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* How a worker process is started: its arguments, environment and descriptors. No other file
 * spawns. */

/* Two for each descriptor that a worker gets (ours and GLib's copy of it), and some for others. */
#define N_SPAWN_FDS 16

/* FALSE in a process that was started as a worker and never became one: a program that forgot the
 * call at the start of its main would start itself again and again. The parent is told. */
gboolean
aiopool_launcher_check_process (GError **error)
{
  static const char *text = "This program was started as a worker, but it does not call "
                            "aiopool_service_enter() at the start of its main function";
  guint8 frame[AIOPOOL_FRAME_HEADER_SIZE + 256] = { 0 };
  gsize sent;

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

static const char *
worker_directory (void)
{
  const char *directory = g_getenv ("AIOPOOL_WORKER_DIR");

  return directory != NULL && *directory != '\0' ? directory : AIOPOOL_WORKER_DIR;
}

/* The name this program was called by. */
static char *
own_name (void)
{
  g_autofree char *command_line = NULL;

  if (g_file_get_contents ("/proc/self/cmdline", &command_line, NULL, NULL) && *command_line != 0)
    return g_steal_pointer (&command_line);
  return g_strdup ("aiopool-worker");
}

static void
add_directory (GStrvBuilder *argv,
               const char   *directory)
{
  g_autofree char *setting = g_strconcat ("directory=", directory, NULL);

  if (directory != NULL && *directory != '\0')
    g_strv_builder_add (argv, setting);
}

static char **
build_argv (AiopoolLauncher *self)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_autofree char *shim = g_build_filename (worker_directory (), "aiopool-shim", NULL);
  g_autofree char *parent = g_strdup_printf ("%d", (int) getpid ());
  gboolean is_program = self->argv == NULL && self->plugins == NULL;

  g_strv_builder_add_many (builder, shim, parent, NULL);
  add_directory (builder, self->directory);
  aiopool_launcher_add_priorities (self, builder);
  aiopool_launcher_add_resources (self, builder);
  g_strv_builder_add (builder, is_program ? "program" : "path");
  if (is_program)
    {
      g_autofree char *name = own_name ();

      g_strv_builder_add (builder, name);
    }
  else if (self->plugins != NULL)
    {
      g_autofree char *worker = g_build_filename (worker_directory (), "aiopool-worker", NULL);

      g_strv_builder_add (builder, worker);
      g_strv_builder_addv (builder, (const char **) self->plugins);
    }
  else
    g_strv_builder_addv (builder, (const char **) self->argv);
  return g_strv_builder_end (builder);
}

static char **
build_environment (AiopoolLauncher *self,
                   guint64          nonce)
{
  g_autofree char *value = g_strdup_printf ("%d:%" G_GINT64_MODIFIER "x",
                                            AIOPOOL_PROTOCOL_VERSION, nonce);
  char **environment = g_get_environ ();

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
  if (self->argv == NULL && self->plugins == NULL)
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

/* On the engine thread only: the death signal follows the thread that spawns. Takes @fds. */
GSubprocess *
aiopool_launcher_spawn (AiopoolLauncher   *self,
                        AiopoolLaunchFds  *fds,
                        guint64            nonce,
                        GError           **error)
{
  g_autoptr (GSubprocessLauncher) launcher = new_subprocess_launcher (self, fds, nonce);
  g_auto (GStrv) argv = build_argv (self);
  g_autoptr (GError) cause = NULL;
  GSubprocess *process;

  process = g_subprocess_launcher_spawnv (launcher, (const char * const *) argv, &cause);
  if (process == NULL)
    g_set_error (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_START_FAILED,
                 "Cannot start a worker: %s", cause->message);
  return process;
}
