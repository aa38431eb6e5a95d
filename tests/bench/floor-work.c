/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two processes that do nothing but the work: what a pool of two is held against. */
#include "bench-common.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define N_PROCESSES 2

typedef void (*Work) (guint64 amount);

static void
work_when_told (int     fd,
                Work    work,
                guint64 amount,
                guint64 n_tasks)
{
  char byte;

  prctl (PR_SET_PDEATHSIG, SIGKILL);
  if (read (fd, &byte, 1) != 0) /* the parent closes its end: everyone starts */
    _exit (1);
  for (guint64 i = 0; i < n_tasks; i++)
    work (amount);
  _exit (0);
}

static double
time_work (Work    work,
           guint64 amount,
           guint64 n_tasks)
{
  double start;
  int gate[2];

  if (pipe (gate) != 0)
    g_error ("pipe: %s", g_strerror (errno));
  for (guint i = 0; i < N_PROCESSES; i++)
    if (fork () == 0)
      {
        close (gate[1]);
        work_when_told (gate[0], work, amount, n_tasks / N_PROCESSES);
      }
  g_usleep (5000);
  start = bench_now ();
  close (gate[1]);
  for (guint i = 0; i < N_PROCESSES; i++)
    wait (NULL);
  close (gate[0]);
  return bench_now () - start;
}

static void
measure_spin (int    n_arguments,
              char **arguments)
{
  guint64 us = bench_number (n_arguments, arguments, 0);
  guint64 n_tasks = bench_number (n_arguments, arguments, 1);

  bench_emit ((double) n_tasks / time_work (bench_spin, us, n_tasks), "1/s", "raw.spin.%u",
              (guint) us);
}

static void
measure_steps (int    n_arguments,
               char **arguments)
{
  guint64 n_steps = bench_number (n_arguments, arguments, 0);
  guint64 n_tasks = bench_number (n_arguments, arguments, 1);

  bench_emit ((double) n_tasks / time_work (bench_work, n_steps, n_tasks), "1/s", "raw.steps.%u",
              (guint) n_steps);
}

int
main (int    argc,
      char **argv)
{
  static const BenchCommand commands[] = {
    { "spin", "MICROSECONDS TASKS", measure_spin },
    { "steps", "STEPS TASKS", measure_steps },
    { NULL, NULL, NULL },
  };

  return bench_main (argc, argv, commands);
}
