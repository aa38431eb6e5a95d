/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/workers/aiopool-launcher-fields-private.h"

#include "aiopool/wire/aiopool-frame-private.h"
#include "aiopool/wire/aiopool-worker-fds-private.h"

#include <string.h>
#include <unistd.h>

/* The command line of a worker: that of the shim, of the wrapper and the shim again if it is in a
 * sandbox, and of the program. */

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

gboolean
aiopool_launcher_is_program (AiopoolLauncher *self)
{
  return self->argv == NULL && self->plugins == NULL;
}

/* What the shim is to execute, as it was given. */
static char **
get_command (AiopoolLauncher *self)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  if (aiopool_launcher_is_program (self))
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

static void
add_plain (AiopoolLauncher *self,
           GStrvBuilder    *argv)
{
  g_auto (GStrv) command = get_command (self);

  add_directory (argv, self->directory);
  aiopool_launcher_add_priorities (self, argv);
  aiopool_launcher_add_resources (self, argv);
  g_strv_builder_add (argv, aiopool_launcher_is_program (self) ? "program" : "path");
  g_strv_builder_addv (argv, (const char **) command);
}

/* Makes a path absolute, which cannot be meant for anything in the sandbox as it is, and has it
 * there too. One that is not there is the worker's to complain of. */
static void
take_file (AiopoolLauncher  *self,
           char            **path,
           GPtrArray        *files)
{
  g_autofree char *absolute = NULL;

  if (strchr (*path, '/') != NULL)
    {
      g_autofree char *base = self->directory != NULL
                                ? g_canonicalize_filename (self->directory, NULL)
                                : NULL;

      absolute = g_canonicalize_filename (*path, base);
      g_free (*path);
      *path = g_strdup (absolute);
    }
  else
    absolute = g_find_program_in_path (*path);
  if (absolute != NULL && g_file_test (absolute, G_FILE_TEST_EXISTS))
    g_ptr_array_add (files, g_steal_pointer (&absolute));
}

static GPtrArray *
list_files (AiopoolLauncher *self,
            const char      *shim,
            char           **command)
{
  GPtrArray *files = g_ptr_array_new_with_free_func (g_free);

  aiopool_wrapper_add_code (files);
  g_ptr_array_add (files, g_strdup (shim));
  if (!aiopool_launcher_is_program (self))
    take_file (self, &command[0], files);
  for (guint i = 1; self->plugins != NULL && command[i] != NULL; i++)
    take_file (self, &command[i], files);
  return files;
}

/* For a worker that the wrapper does not pass the environment on to. */
static GPtrArray *
list_environment (AiopoolLauncher *self,
                  guint64          nonce)
{
  GPtrArray *entries = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < self->environment->len; i++)
    g_ptr_array_add (entries, g_strdup (g_ptr_array_index (self->environment, i)));
  g_ptr_array_add (entries, g_strdup_printf (AIOPOOL_WORKER_VARIABLE "=%d:%" G_GINT64_MODIFIER "x",
                                             AIOPOOL_PROTOCOL_VERSION, nonce));
  return entries;
}

static void
add_inside (AiopoolLauncher    *self,
            AiopoolSandboxKind  kind,
            const char         *shim,
            const char         *directory,
            char              **command,
            GStrvBuilder       *argv)
{
  g_strv_builder_add_many (argv, shim, "inside", NULL);
  add_directory (argv, directory != NULL ? directory : "/tmp");
  if (kind == AIOPOOL_SANDBOX_KIND_FLATPAK)
    aiopool_launcher_add_priorities (self, argv);
  aiopool_launcher_add_resources (self, argv);
  g_strv_builder_add (argv, aiopool_launcher_is_program (self) ? "program" : "path");
  g_strv_builder_addv (argv, (const char **) command);
}

/* Priorities may need a privilege, which is lost inside; but there is nothing to inherit them from
 * in a Flatpak. The other limits are set inside, where they are the worker's alone. */
static void
add_wrapped (AiopoolLauncher    *self,
             AiopoolSandboxKind  kind,
             const char         *wrapper,
             const char         *shim,
             guint64             nonce,
             GStrvBuilder       *argv)
{
  static const int fds[] = { AIOPOOL_FD_DATA, AIOPOOL_FD_CONTROL, AIOPOOL_FD_STATUS,
                             AIOPOOL_FD_PARENT, AIOPOOL_FD_PROGRAM };
  g_auto (GStrv) command = get_command (self);
  g_autoptr (GPtrArray) files = list_files (self, shim, command);
  g_autoptr (GPtrArray) environment = list_environment (self, nonce);
  g_autofree char *directory = self->directory != NULL && *self->directory != '\0'
                                 ? g_canonicalize_filename (self->directory, NULL)
                                 : NULL;
  AiopoolWrapperNeeds needs = {
    .files = files,
    .directory = directory,
    .shared = self->shared,
    .environment = environment,
    .fds = fds,
    .n_fds = aiopool_launcher_is_program (self) ? G_N_ELEMENTS (fds) : G_N_ELEMENTS (fds) - 1,
  };

  if (kind == AIOPOOL_SANDBOX_KIND_BUBBLEWRAP)
    aiopool_launcher_add_priorities (self, argv);
  g_strv_builder_add (argv, aiopool_launcher_is_program (self) ? "wrap-program" : "wrap");
  aiopool_wrapper_add (kind, wrapper, &needs, argv);
  add_inside (self, kind, shim, directory, command, argv);
}

static char *
dup_shim_path (void)
{
  g_autofree char *path = g_build_filename (worker_directory (), "aiopool-shim", NULL);

  return g_canonicalize_filename (path, NULL);
}

static void
add_shim (const char   *shim,
          GStrvBuilder *argv)
{
  g_autofree char *parent = g_strdup_printf ("%d", (int) getpid ());

  g_strv_builder_add_many (argv, shim, parent, NULL);
}

char **
aiopool_launcher_build_argv (AiopoolLauncher    *self,
                             AiopoolSandboxKind  kind,
                             const char         *wrapper,
                             guint64             nonce)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_autofree char *shim = dup_shim_path ();

  add_shim (shim, builder);
  if (kind == AIOPOOL_SANDBOX_KIND_NONE)
    add_plain (self, builder);
  else
    add_wrapped (self, kind, wrapper, shim, nonce, builder);
  return g_strv_builder_end (builder);
}

/* Something that only answers. */
char **
aiopool_launcher_build_trial (AiopoolSandboxKind  kind,
                              const char         *wrapper,
                              const char         *answer)
{
  static const int fds[] = { AIOPOOL_FD_DATA };
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_autofree char *shim = dup_shim_path ();
  g_autoptr (GPtrArray) files = g_ptr_array_new ();
  g_autoptr (GPtrArray) none = g_ptr_array_new ();
  AiopoolWrapperNeeds needs = {
    .files = files, .shared = none, .environment = none, .fds = fds, .n_fds = G_N_ELEMENTS (fds),
  };

  g_ptr_array_add (files, shim);
  add_shim (shim, builder);
  g_strv_builder_add (builder, "wrap");
  aiopool_wrapper_add (kind, wrapper, &needs, builder);
  g_strv_builder_add_many (builder, shim, "inside", "answer", answer, NULL);
  return g_strv_builder_end (builder);
}
