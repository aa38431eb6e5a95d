/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The raw round trip: 64 bytes there and back over a socketpair, two processes, blocking calls. */
#include "bench-common.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define MESSAGE_SIZE 64

static void
echo (int fd)
{
  char message[MESSAGE_SIZE];

  prctl (PR_SET_PDEATHSIG, SIGKILL);
  while (read (fd, message, sizeof message) == sizeof message)
    if (write (fd, message, sizeof message) != sizeof message)
      break;
  _exit (0);
}

static double
trip (int fd)
{
  char message[MESSAGE_SIZE] = { 0 };
  double start = bench_now ();

  if (write (fd, message, sizeof message) != sizeof message ||
      read (fd, message, sizeof message) != sizeof message)
    g_error ("the other side is gone");
  return bench_now () - start;
}

static void
measure_latency (int    n_arguments,
                 char **arguments)
{
  g_autoptr (GArray) samples = bench_samples_new ();
  BenchPlace place = bench_place (n_arguments, arguments, 0);
  guint64 n_trips = bench_number (n_arguments, arguments, 1);
  int fds[2];
  pid_t child;

  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
    g_error ("socketpair: %s", g_strerror (errno));
  child = fork ();
  if (child == 0)
    {
      close (fds[0]);
      if (place != BENCH_ANYWHERE)
        bench_pin_thread (bench_cpu (place == BENCH_TWO_CORES ? 1 : 0));
      echo (fds[1]);
    }
  close (fds[1]);
  if (place != BENCH_ANYWHERE)
    bench_pin_thread (bench_cpu (0));

  for (guint64 i = 0; i < n_trips / 10; i++)
    trip (fds[0]);
  for (guint64 i = 0; i < n_trips; i++)
    bench_sample (samples, trip (fds[0]));

  bench_emit (bench_quantile (samples, 0.5) * 1e6, "us", "raw.latency.%s",
              bench_place_name (place));
  bench_emit (bench_quantile (samples, 0.99) * 1e6, "us", "raw.latency.%s.p99",
              bench_place_name (place));
  close (fds[0]);
  waitpid (child, NULL, 0);
}

int
main (int    argc,
      char **argv)
{
  static const BenchCommand commands[] = {
    { "latency", "one|two|free TRIPS", measure_latency },
    { NULL, NULL, NULL },
  };

  return bench_main (argc, argv, commands);
}
