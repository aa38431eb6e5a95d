/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

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

/* Two for each descriptor that a worker gets (ours and GLib's copy of it), and some for others. */
#define N_SPAWN_FDS 16

/**
 * AiopoolLauncher:
 *
 * How a pool starts its worker processes.
 *
 * There are three kinds of workers. [ctor@Aiopool.Launcher.new] starts this same program again: it
 * must call [func@Aiopool.Service.enter] at the start of its `main`.
 * [ctor@Aiopool.Launcher.new_for_plugins] starts the worker program that comes with the library,
 * which loads modules written in C or Vala. [ctor@Aiopool.Launcher.new_for_argv] starts any program
 * that serves with [class@Aiopool.Service].
 *
 * A worker gets its own session, the signal mask and dispositions of a fresh process, `/dev/null`
 * as standard input and no descriptor of the parent but its own. Its standard error is forwarded to
 * the parent's and its last lines are kept for errors. SIGINT does nothing to a worker that serves,
 * unless it has a handler of its own: what an interrupt means is for the program to say.
 *
 * A launcher is set up in one thread and must not be changed once a pool uses it.
 *
 * Since: 0.1
 */
struct _AiopoolLauncher
{
  GObject    parent_instance;
  char     **argv;        /* (owned) (nullable): NULL for this program again */
  char     **plugins;     /* (owned) (nullable) */
  char      *directory;   /* (owned) (nullable) */
  GPtrArray *environment; /* (owned): of VARIABLE=VALUE to set, VARIABLE to unset */
  gboolean   is_trusted;
  gboolean   is_frozen;
};

enum
{
  PROP_0,
  PROP_DIRECTORY,
  PROP_TRUSTED,
  N_PROPS
};

static GParamSpec *properties[N_PROPS];

G_DEFINE_FINAL_TYPE (AiopoolLauncher, aiopool_launcher, G_TYPE_OBJECT)

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

static char **
build_argv (AiopoolLauncher *self)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_autofree char *shim = g_build_filename (worker_directory (), "aiopool-shim", NULL);
  g_autofree char *parent = g_strdup_printf ("%d", (int) getpid ());
  gboolean is_program = self->argv == NULL && self->plugins == NULL;

  g_strv_builder_add_many (builder, shim, parent, is_program ? "program" : "path",
                           self->directory != NULL ? self->directory : "", NULL);
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

void
aiopool_launcher_freeze (AiopoolLauncher *self)
{
  g_atomic_int_set (&self->is_frozen, TRUE);
}

/* (transfer full): the same once more, for who may drop it in any thread. The one that the caller
 * made is not to be finalized on the engine's. */
AiopoolLauncher *
aiopool_launcher_copy (AiopoolLauncher *self)
{
  AiopoolLauncher *copy = g_object_new (AIOPOOL_TYPE_LAUNCHER, NULL);

  copy->argv = g_strdupv (self->argv);
  copy->plugins = g_strdupv (self->plugins);
  copy->directory = g_strdup (self->directory);
  for (guint i = 0; i < self->environment->len; i++)
    g_ptr_array_add (copy->environment, g_strdup (g_ptr_array_index (self->environment, i)));
  copy->is_trusted = self->is_trusted;
  aiopool_launcher_freeze (copy);
  return copy;
}

static void
aiopool_launcher_finalize (GObject *object)
{
  AiopoolLauncher *self = AIOPOOL_LAUNCHER (object);

  g_strfreev (self->argv);
  g_strfreev (self->plugins);
  g_free (self->directory);
  g_ptr_array_unref (self->environment);
  G_OBJECT_CLASS (aiopool_launcher_parent_class)->finalize (object);
}

static void
aiopool_launcher_get_property (GObject    *object,
                               guint       id,
                               GValue     *value,
                               GParamSpec *pspec)
{
  AiopoolLauncher *self = AIOPOOL_LAUNCHER (object);

  switch (id)
    {
    case PROP_DIRECTORY:
      g_value_set_string (value, self->directory);
      break;
    case PROP_TRUSTED:
      g_value_set_boolean (value, self->is_trusted);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
aiopool_launcher_set_property (GObject      *object,
                               guint         id,
                               const GValue *value,
                               GParamSpec   *pspec)
{
  AiopoolLauncher *self = AIOPOOL_LAUNCHER (object);

  switch (id)
    {
    case PROP_DIRECTORY:
      aiopool_launcher_set_directory (self, g_value_get_string (value));
      break;
    case PROP_TRUSTED:
      aiopool_launcher_set_trusted (self, g_value_get_boolean (value));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
aiopool_launcher_class_init (AiopoolLauncherClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->finalize = aiopool_launcher_finalize;
  object_class->get_property = aiopool_launcher_get_property;
  object_class->set_property = aiopool_launcher_set_property;

  /**
   * AiopoolLauncher:directory:
   *
   * The directory that workers run in; %NULL for that of this program.
   *
   * Since: 0.1
   */
  properties[PROP_DIRECTORY] =
    g_param_spec_string ("directory", NULL, NULL, NULL,
                         G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY);

  /**
   * AiopoolLauncher:trusted:
   *
   * Whether workers may share memory with this process that they can change later.
   *
   * Large values go to and come from a worker that is not trusted in memory that is sealed for
   * good, which is slower.
   *
   * Since: 0.1
   */
  properties[PROP_TRUSTED] =
    g_param_spec_boolean ("trusted", NULL, NULL, TRUE,
                          G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY);

  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
aiopool_launcher_init (AiopoolLauncher *self)
{
  self->environment = g_ptr_array_new_with_free_func (g_free);
  self->is_trusted = TRUE;
}

/**
 * aiopool_launcher_new:
 *
 * Makes a launcher that starts this same program again.
 *
 * The program must call [func@Aiopool.Service.enter] at the start of its `main`. Workers run the
 * very file that this process runs, even if it was replaced meanwhile.
 *
 * Returns: (transfer full): a new launcher
 *
 * Since: 0.1
 */
AiopoolLauncher *
aiopool_launcher_new (void)
{
  return g_object_new (AIOPOOL_TYPE_LAUNCHER, NULL);
}

/**
 * aiopool_launcher_new_for_plugins:
 * @plugins: (array zero-terminated=1): paths of modules
 *
 * Makes a launcher that starts the library's own worker program with modules.
 *
 * Each module exports a function `void aiopool_plugin_register (AiopoolService *service)`, which
 * registers functions. A module that cannot be loaded fails the start of the worker with
 * %AIOPOOL_POOL_ERROR_START_FAILED.
 *
 * Returns: (transfer full): a new launcher
 *
 * Since: 0.1
 */
AiopoolLauncher *
aiopool_launcher_new_for_plugins (const char * const *plugins)
{
  AiopoolLauncher *self;

  g_return_val_if_fail (plugins != NULL, NULL);

  self = g_object_new (AIOPOOL_TYPE_LAUNCHER, NULL);
  self->plugins = g_strdupv ((char **) plugins);
  return self;
}

/**
 * aiopool_launcher_new_for_argv:
 * @argv: (array zero-terminated=1): a program, looked up in `PATH`, and its arguments
 *
 * Makes a launcher that starts any program that serves with [class@Aiopool.Service].
 *
 * Returns: (transfer full): a new launcher
 *
 * Since: 0.1
 */
AiopoolLauncher *
aiopool_launcher_new_for_argv (const char * const *argv)
{
  AiopoolLauncher *self;

  g_return_val_if_fail (argv != NULL && argv[0] != NULL, NULL);

  self = g_object_new (AIOPOOL_TYPE_LAUNCHER, NULL);
  self->argv = g_strdupv ((char **) argv);
  return self;
}

/**
 * aiopool_launcher_setenv:
 * @self: a launcher
 * @variable: (type filename): name of an environment variable
 * @value: (type filename): its value
 *
 * Sets an environment variable for workers.
 *
 * Since: 0.1
 */
void
aiopool_launcher_setenv (AiopoolLauncher *self,
                         const char      *variable,
                         const char      *value)
{
  g_return_if_fail (AIOPOOL_IS_LAUNCHER (self));
  g_return_if_fail (variable != NULL && *variable != '\0' && strchr (variable, '=') == NULL);
  g_return_if_fail (value != NULL);
  g_return_if_fail (!self->is_frozen);

  g_ptr_array_add (self->environment, g_strconcat (variable, "=", value, NULL));
}

/**
 * aiopool_launcher_unsetenv:
 * @self: a launcher
 * @variable: (type filename): name of an environment variable
 *
 * Removes an environment variable from what workers inherit.
 *
 * Since: 0.1
 */
void
aiopool_launcher_unsetenv (AiopoolLauncher *self,
                           const char      *variable)
{
  g_return_if_fail (AIOPOOL_IS_LAUNCHER (self));
  g_return_if_fail (variable != NULL && *variable != '\0' && strchr (variable, '=') == NULL);
  g_return_if_fail (!self->is_frozen);

  g_ptr_array_add (self->environment, g_strdup (variable));
}

/**
 * aiopool_launcher_set_directory:
 * @self: a launcher
 * @directory: (nullable) (type filename): a directory, or %NULL for that of this program
 *
 * Sets the directory that workers run in.
 *
 * Since: 0.1
 */
void
aiopool_launcher_set_directory (AiopoolLauncher *self,
                                const char      *directory)
{
  g_return_if_fail (AIOPOOL_IS_LAUNCHER (self));
  g_return_if_fail (!self->is_frozen);

  if (g_strcmp0 (self->directory, directory) == 0)
    return;
  g_free (self->directory);
  self->directory = g_strdup (directory);
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_DIRECTORY]);
}

/**
 * aiopool_launcher_get_directory:
 * @self: a launcher
 *
 * Gets the directory that workers run in.
 *
 * Returns: (transfer none) (nullable) (type filename): a directory
 *
 * Since: 0.1
 */
const char *
aiopool_launcher_get_directory (AiopoolLauncher *self)
{
  g_return_val_if_fail (AIOPOOL_IS_LAUNCHER (self), NULL);

  return self->directory;
}

/**
 * aiopool_launcher_set_trusted:
 * @self: a launcher
 * @trusted: whether workers may share memory that they can change later
 *
 * Sets whether workers are trusted.
 *
 * Since: 0.1
 */
void
aiopool_launcher_set_trusted (AiopoolLauncher *self,
                              gboolean         trusted)
{
  g_return_if_fail (AIOPOOL_IS_LAUNCHER (self));
  g_return_if_fail (!self->is_frozen);

  if (self->is_trusted == !!trusted)
    return;
  self->is_trusted = !!trusted;
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_TRUSTED]);
}

/**
 * aiopool_launcher_get_trusted:
 * @self: a launcher
 *
 * Gets whether workers are trusted.
 *
 * Returns: %TRUE if they are
 *
 * Since: 0.1
 */
gboolean
aiopool_launcher_get_trusted (AiopoolLauncher *self)
{
  g_return_val_if_fail (AIOPOOL_IS_LAUNCHER (self), FALSE);

  return self->is_trusted;
}
