/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* What flatpak-spawn does, as far as a worker sees it, without a sandbox: takes exactly the options
 * that the library uses, writes them to the file FAKE_FLATPAK_LOG, and runs the rest in a session
 * of its own with the descriptors and the environment that it was told of and no others. As the
 * portal, it ends that with itself. The status is that of the command, or 128 and its signal. */

#define N_FDS 16

static gboolean is_forwarded[N_FDS];

static gboolean
take_option (const char  *option,
             char      ***environment)
{
  if (g_str_has_prefix (option, "--forward-fd="))
    {
      int fd = atoi (strchr (option, '=') + 1);

      if (fd < 3 || fd >= N_FDS || fcntl (fd, F_GETFD) < 0)
        return FALSE;
      is_forwarded[fd] = TRUE;
      return TRUE;
    }
  if (g_str_has_prefix (option, "--env="))
    {
      g_auto (GStrv) pair = g_strsplit (strchr (option, '=') + 1, "=", 2);

      *environment = g_environ_setenv (*environment, pair[0], pair[1], TRUE);
      return TRUE;
    }
  return g_str_equal (option, "--sandbox") || g_str_equal (option, "--no-network") ||
         g_str_equal (option, "--watch-bus") || g_str_has_prefix (option, "--directory=/") ||
         g_str_has_prefix (option, "--unset-env=") ||
         g_str_has_prefix (option, "--sandbox-expose-path=/") ||
         g_str_has_prefix (option, "--sandbox-expose-path-ro=/");
}

/* The portal passes on little of what the program has in its environment. */
static char **
new_environment (void)
{
  static const char *names[] = { "PATH", "LD_LIBRARY_PATH", "AIOPOOL_TEST_PROGRAM",
                                 "ASAN_OPTIONS", "UBSAN_OPTIONS" };
  char **environment = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      if (g_getenv (names[i]) != NULL)
        environment = g_environ_setenv (environment, names[i], g_getenv (names[i]), TRUE);
    }
  return environment;
}

static void
run (char **argv,
     char **environment)
{
  prctl (PR_SET_PDEATHSIG, SIGKILL);
  setsid ();
  for (int fd = 3; fd < N_FDS; fd++)
    {
      if (!is_forwarded[fd])
        close (fd);
    }
  execve (argv[0], argv, environment);
  _exit (126);
}

int
main (int   argc,
      char *argv[])
{
  g_auto (GStrv) environment = new_environment ();
  g_autofree char *line = g_strjoinv ("\n", argv + 1);
  int i = 1, status;
  pid_t child;

  if (g_getenv ("FAKE_FLATPAK_LOG") != NULL)
    g_file_set_contents (g_getenv ("FAKE_FLATPAK_LOG"), line, -1, NULL);
  for (; i < argc && g_str_has_prefix (argv[i], "--"); i++)
    {
      if (!take_option (argv[i], &environment))
        {
          g_printerr ("fake-flatpak-spawn: %s\n", argv[i]);
          return 1;
        }
    }
  child = fork ();
  if (child == 0)
    run (argv + i, environment);
  while (waitpid (child, &status, 0) < 0)
    ;
  return WIFEXITED (status) ? WEXITSTATUS (status) : 128 + WTERMSIG (status);
}
