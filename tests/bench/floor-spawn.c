/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* posix_spawn of GIO programs, until the first byte of the first one and of all of them is here. */
#include "bench-common.h"

#include <errno.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_PROGRAMS 16

static pid_t
spawn_program (const char *program,
               int        *fd)
{
  char *argv[] = { (char *) program, NULL };
  posix_spawn_file_actions_t actions;
  int fds[2];
  pid_t pid;

  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
    g_error ("socketpair: %s", g_strerror (errno));
  posix_spawn_file_actions_init (&actions);
  posix_spawn_file_actions_adddup2 (&actions, fds[1], 3);
  if (posix_spawn (&pid, program, &actions, NULL, argv, environ) != 0)
    g_error ("%s: cannot be started", program);
  posix_spawn_file_actions_destroy (&actions);
  close (fds[1]);
  *fd = fds[0];
  return pid;
}

static void
wait_for_bytes (guint         n_programs,
                struct pollfd polls[],
                double       *first,
                double       *all)
{
  guint n_seen = 0;

  while (n_seen < n_programs)
    {
      if (poll (polls, n_programs, -1) < 0)
        g_error ("poll: %s", g_strerror (errno));
      for (guint i = 0; i < n_programs; i++)
        if (polls[i].fd >= 0 && polls[i].revents != 0)
          {
            char byte;

            if (read (polls[i].fd, &byte, 1) != 1)
              g_error ("a program answered nothing");
            *all = bench_now ();
            if (n_seen++ == 0)
              *first = *all;
            close (polls[i].fd);
            polls[i].fd = -1;
          }
    }
}

static void
measure_hello (int    n_arguments,
               char **arguments)
{
  g_autoptr (GArray) firsts = bench_samples_new ();
  g_autoptr (GArray) alls = bench_samples_new ();
  const char *program = bench_text (n_arguments, arguments, 0);
  guint n_programs = (guint) bench_number (n_arguments, arguments, 1);
  guint64 n_times = bench_number (n_arguments, arguments, 2);

  g_assert (n_programs > 0 && n_programs <= MAX_PROGRAMS);
  for (guint64 i = 0; i <= n_times; i++)
    {
      struct pollfd polls[MAX_PROGRAMS];
      pid_t pids[MAX_PROGRAMS];
      double start = bench_now ();
      double first = 0;
      double all = 0;

      for (guint j = 0; j < n_programs; j++)
        {
          pids[j] = spawn_program (program, &polls[j].fd);
          polls[j].events = POLLIN;
        }
      wait_for_bytes (n_programs, polls, &first, &all);
      for (guint j = 0; j < n_programs; j++)
        waitpid (pids[j], NULL, 0);
      if (i == 0)
        continue; /* the page cache */
      bench_sample (firsts, first - start);
      bench_sample (alls, all - start);
    }
  bench_emit (bench_quantile (firsts, 0.5) * 1e3, "ms", "spawn.%u.first", n_programs);
  bench_emit (bench_quantile (alls, 0.5) * 1e3, "ms", "spawn.%u.all", n_programs);
}

int
main (int    argc,
      char **argv)
{
  static const BenchCommand commands[] = {
    { "hello", "PROGRAM HOW-MANY TIMES", measure_hello },
    { NULL, NULL, NULL },
  };

  return bench_main (argc, argv, commands);
}
