/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/workers/aiopool-launcher-fields-private.h"
#include "aiopool/workers/aiopool-launcher-private.h"

#include <string.h>

/* Where the package is comes as an argument: it must not shadow what else is to be found there. */
#define PYTHON_MAIN                                                                                \
  "import sys; sys.path.insert(0, sys.argv[1]); from aiopool._worker import main; main()"

/**
 * AiopoolLauncher:
 *
 * How a pool starts its worker processes.
 *
 * There are four kinds of workers. [ctor@Aiopool.Launcher.new] starts this same program again: it
 * must call [func@Aiopool.Service.enter] at the start of its `main`.
 * [ctor@Aiopool.Launcher.new_for_plugins] starts the worker program that comes with the library,
 * which loads modules written in C or Vala. [ctor@Aiopool.Launcher.new_for_python] starts a Python
 * that calls what can be imported. [ctor@Aiopool.Launcher.new_for_argv] starts any program that
 * serves with [class@Aiopool.Service].
 *
 * A worker gets its own session, the signal mask and dispositions of a fresh process, `/dev/null`
 * as standard input and no descriptor of the parent but its own. Its standard error is forwarded to
 * the parent's and its last lines are kept for errors. SIGINT does nothing to a worker that serves,
 * unless it has a handler of its own: what an interrupt means is for the program to say.
 *
 * Each worker can have limits of memory, processor time and more. They are set in the process
 * before the worker program is executed. One that the system refuses fails the start with
 * %AIOPOOL_POOL_ERROR_START_FAILED and a message that names it.
 *
 * Workers can run in a sandbox, for what is better not trusted: see
 * [method@Aiopool.Launcher.set_sandbox].
 *
 * A launcher is set up in one thread and must not be changed once a pool uses it.
 *
 * Since: 0.1
 */
G_DEFINE_FINAL_TYPE (AiopoolLauncher, aiopool_launcher, G_TYPE_OBJECT)

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
  copy->limits = self->limits;
  aiopool_launcher_copy_sandbox (self, copy);
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
  g_ptr_array_unref (self->shared);
  aiopool_sandbox_choice_unref (self->choice);
  G_OBJECT_CLASS (aiopool_launcher_parent_class)->finalize (object);
}

static void
aiopool_launcher_class_init (AiopoolLauncherClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->finalize = aiopool_launcher_finalize;
  aiopool_launcher_install_properties (object_class);
}

static void
aiopool_launcher_init (AiopoolLauncher *self)
{
  self->environment = g_ptr_array_new_with_free_func (g_free);
  self->is_trusted = TRUE;
  aiopool_launcher_init_limits (self);
  aiopool_launcher_init_sandbox (self);
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

static const char *
get_setting (const char *variable,
             const char *fallback)
{
  const char *value = g_getenv (variable);

  return value != NULL && *value != '\0' ? value : fallback;
}

/**
 * aiopool_launcher_new_for_python:
 * @python: (nullable) (type filename): a Python of at least version 3.11, looked up in `PATH`; or
 *   %NULL for that of the environment variable `AIOPOOL_PYTHON`, and without one `python3`
 *
 * Makes a launcher that starts Python.
 *
 * Tasks name their function as `module:qualified.name`, such as `json:loads`; see
 * [the Python worker](python-worker.html) for what becomes of arguments and results. The worker is
 * the Python package that comes with the library. A Python that is missing, is too old or has not
 * got the package fails the start with %AIOPOOL_POOL_ERROR_START_FAILED.
 *
 * Returns: (transfer full): a new launcher
 *
 * Since: 0.1
 */
AiopoolLauncher *
aiopool_launcher_new_for_python (const char *python)
{
  const char *directory = get_setting ("AIOPOOL_PYTHON_DIR", AIOPOOL_PYTHON_DIR);
  const char *argv[] = { python, "-c", PYTHON_MAIN, directory, NULL };
  AiopoolLauncher *self;

  if (python == NULL || *python == '\0')
    argv[0] = get_setting ("AIOPOOL_PYTHON", "python3");
  self = aiopool_launcher_new_for_argv (argv);
  if (g_file_test (directory, G_FILE_TEST_IS_DIR))
    aiopool_launcher_share_path (self, directory, FALSE);
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
  g_object_notify (G_OBJECT (self), "directory");
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
  g_object_notify (G_OBJECT (self), "trusted");
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
