/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/workers/aiopool-wrapper-private.h"

#include <link.h>
#include <string.h>
#include <unistd.h>

/* The command lines of the programs that make a sandbox.
 *
 * bubblewrap builds the file system from nothing: what is not named here is not there. That keeps
 * not only files from a worker but also the sockets of services, which a network namespace does
 * not. It drops all capabilities, because a program that runs as root would keep them in its new
 * user namespace, and could mount again what is read-only.
 *
 * In a Flatpak no such namespace can be made. There the portal starts the worker in a sandbox of
 * its own, with less rights than the program. */

static const char *flatpak_info = "/.flatpak-info";

void
aiopool_wrapper_set_flatpak_info (const char *path)
{
  flatpak_info = path != NULL ? path : "/.flatpak-info";
}

/* Which kind is the one for this program; not whether it works. */
AiopoolSandboxKind
aiopool_wrapper_get_kind (void)
{
  return access (flatpak_info, F_OK) == 0 ? AIOPOOL_SANDBOX_KIND_FLATPAK
                                          : AIOPOOL_SANDBOX_KIND_BUBBLEWRAP;
}

const char *
aiopool_wrapper_get_name (AiopoolSandboxKind kind)
{
  return kind == AIOPOOL_SANDBOX_KIND_FLATPAK ? "flatpak-spawn" : "bwrap";
}

/* (transfer full) (nullable): NULL if it is not in PATH */
char *
aiopool_wrapper_find (AiopoolSandboxKind kind)
{
  return g_find_program_in_path (aiopool_wrapper_get_name (kind));
}

static gboolean
is_in (const char *path,
       const char *directory)
{
  gsize length = strlen (directory);

  return strncmp (path, directory, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

/* The rest of the system is data of users and services. */
static const char * const system_directories[] = {
  "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/opt", "/nix", "/gnu",
};

static const char * const own_directories[] = { "/proc", "/dev", "/app" };

/* Whether bubblewrap's file system has it without a word, or something else of its own there. */
static gboolean
is_there (const char *path)
{
  for (guint i = 0; i < G_N_ELEMENTS (system_directories); i++)
    {
      if (is_in (path, system_directories[i]))
        return TRUE;
    }
  for (guint i = 0; i < G_N_ELEMENTS (own_directories); i++)
    {
      if (is_in (path, own_directories[i]))
        return TRUE;
    }
  return g_str_equal (path, "/") || g_str_equal (path, "/tmp");
}

static void
add_system (GStrvBuilder *argv)
{
  for (guint i = 0; i < G_N_ELEMENTS (system_directories); i++)
    {
      const char *path = system_directories[i];
      g_autofree char *target = g_file_read_link (path, NULL);

      if (target != NULL)
        g_strv_builder_add_many (argv, "--symlink", target, path, NULL);
      else
        g_strv_builder_add_many (argv, "--ro-bind-try", path, path, NULL);
    }
}

static void
add_needs (const AiopoolWrapperNeeds *needs,
           GStrvBuilder              *argv)
{
  for (guint i = 0; i < needs->files->len; i++)
    {
      const char *path = g_ptr_array_index (needs->files, i);

      if (!is_there (path))
        g_strv_builder_add_many (argv, "--ro-bind", path, path, NULL);
    }
  if (needs->directory != NULL && !is_there (needs->directory))
    g_strv_builder_add_many (argv, "--ro-bind", needs->directory, needs->directory, NULL);
  for (guint i = 0; i < needs->shared->len; i++)
    {
      const AiopoolSharedPath *shared = g_ptr_array_index (needs->shared, i);

      g_strv_builder_add_many (argv, shared->is_writable ? "--bind" : "--ro-bind", shared->path,
                               shared->path, NULL);
    }
}

/* Libraries are looked for by way of the directory of the program, which must be there for that. */
static void
add_program_directory (GStrvBuilder *argv)
{
  g_autofree char *program = g_file_read_link ("/proc/self/exe", NULL);
  g_autofree char *directory = program != NULL ? g_path_get_dirname (program) : NULL;

  if (directory != NULL && !is_there (directory))
    g_strv_builder_add_many (argv, "--dir", directory, NULL);
}

static void
add_bubblewrap (const AiopoolWrapperNeeds *needs,
                GStrvBuilder              *argv)
{
  g_strv_builder_add_many (argv, "--unshare-user", "--unshare-ipc", "--unshare-pid",
                           "--unshare-net", "--unshare-uts", "--unshare-cgroup-try",
                           "--cap-drop", "ALL", "--die-with-parent", NULL);
  add_system (argv);
  g_strv_builder_add_many (argv, "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", NULL);
  add_program_directory (argv);
  add_needs (needs, argv);
  g_strv_builder_add_many (argv, "--remount-ro", "/", "--chdir", "/", "--", NULL);
}

static void
add_joined (GStrvBuilder *argv,
            const char   *option,
            const char   *value)
{
  g_autofree char *word = g_strconcat (option, value, NULL);

  g_strv_builder_add (argv, word);
}

/* The portal starts the worker with the environment that the program was started with. */
static void
add_flatpak_environment (GPtrArray    *environment,
                         GStrvBuilder *argv)
{
  for (guint i = 0; i < environment->len; i++)
    {
      const char *entry = g_ptr_array_index (environment, i);

      add_joined (argv, strchr (entry, '=') != NULL ? "--env=" : "--unset-env=", entry);
    }
}

static void
add_flatpak (const AiopoolWrapperNeeds *needs,
             GStrvBuilder              *argv)
{
  g_strv_builder_add_many (argv, "--sandbox", "--no-network", "--watch-bus", "--directory=/",
                           NULL);
  for (guint i = 0; i < needs->n_fds; i++)
    {
      g_autofree char *number = g_strdup_printf ("%d", needs->fds[i]);

      add_joined (argv, "--forward-fd=", number);
    }
  add_flatpak_environment (needs->environment, argv);
  if (needs->directory != NULL && !is_there (needs->directory))
    add_joined (argv, "--sandbox-expose-path-ro=", needs->directory);
  for (guint i = 0; i < needs->shared->len; i++)
    {
      const AiopoolSharedPath *shared = g_ptr_array_index (needs->shared, i);

      add_joined (argv,
                  shared->is_writable ? "--sandbox-expose-path=" : "--sandbox-expose-path-ro=",
                  shared->path);
    }
}

/* Adds the command line of @program, which was found; that of what is to run inside comes next. */
void
aiopool_wrapper_add (AiopoolSandboxKind         kind,
                     const char                *program,
                     const AiopoolWrapperNeeds *needs,
                     GStrvBuilder              *argv)
{
  g_strv_builder_add (argv, program);
  if (kind == AIOPOOL_SANDBOX_KIND_FLATPAK)
    add_flatpak (needs, argv);
  else
    add_bubblewrap (needs, argv);
}

static int
on_library (struct dl_phdr_info *info,
            size_t               size,
            void                *data)
{
  if (g_path_is_absolute (info->dlpi_name) && access (info->dlpi_name, R_OK) == 0)
    g_ptr_array_add (data, g_canonicalize_filename (info->dlpi_name, NULL));
  return 0;
}

/* The libraries that this process has loaded, by the names by which they were found: the library
 * itself is among them, and what a worker that is this program again needs. */
void
aiopool_wrapper_add_code (GPtrArray *files)
{
  dl_iterate_phdr (on_library, files);
}
