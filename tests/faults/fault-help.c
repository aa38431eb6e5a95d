/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/faults/fault.h"

#include "tests/faults/fault-private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What rows share: processes, and pools and tasks beyond those of tests/pool. */

/* A program that is in for something, in a fork of this process, which must have one thread. It
 * tells by @report_fd, and ends by a signal or when @program returns. @report_fd: (out) */
pid_t
fault_fork (void   (*program) (int report_fd, gpointer data),
            gpointer data,
            int     *report_fd)
{
  int fds[2];
  pid_t pid;

  g_assert_cmpint (pipe2 (fds, O_CLOEXEC), ==, 0);
  pid = fork ();
  g_assert_cmpint (pid, >=, 0);
  if (pid == 0)
    {
      prctl (PR_SET_PDEATHSIG, SIGKILL);
      close (fds[0]);
      program (fds[1], data);
      exit (0);
    }
  close (fds[1]);
  *report_fd = fds[0];
  return pid;
}

/* Waits for it. */
int
fault_read_number (int fd)
{
  int number = 0;

  g_assert_cmpint (read (fd, &number, sizeof number), ==, sizeof number);
  return number;
}

void
fault_tell_number (int fd,
                   int number)
{
  g_assert_cmpint (write (fd, &number, sizeof number), ==, sizeof number);
}

/* By which fault_expect_gone() sees the end of a process; it need not be a child. Where there are
 * no pidfds, as under valgrind, that is the number itself, less than 0. */
int
fault_open_pidfd (int pid)
{
  int fd = (int) syscall (SYS_pidfd_open, pid, 0);

  if (fd < 0)
    g_assert_cmpint (errno, ==, ENOSYS);
  return fd >= 0 ? fd : -pid;
}

static gboolean
await_gone (int    pidfd,
            gint64 end)
{
  struct pollfd gone = { pidfd, POLLIN, 0 };
  gint64 left;

  do
    {
      left = MAX (0, end - g_get_monotonic_time ());
      if (pidfd < 0 ? !helper_is_alive (-pidfd) : poll (&gone, 1, (int) (left / 1000)) == 1)
        return TRUE;
      if (pidfd < 0)
        g_usleep (1000);
    }
  while (left > 0);
  return FALSE;
}

/* All of them, before so many seconds are over: that is the promise. Closes them. */
void
fault_expect_gone (const int *pidfds,
                   guint      n_pidfds,
                   double     seconds)
{
  gint64 end = g_get_monotonic_time () + (gint64) (seconds * fault_factor () * G_USEC_PER_SEC);

  for (guint i = 0; i < n_pidfds; i++)
    {
      if (!await_gone (pidfds[i], end))
        g_error ("process %u of %u is still there after %g seconds", i, n_pidfds,
                 seconds * fault_factor ());
      if (pidfds[i] >= 0)
        close (pidfds[i]);
    }
}

/* The kernel tells nobody of a process that goes to sleep. */
void
fault_await_state (int  pid,
                   char state)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/stat", pid);

  while (fault_get_state (path, NULL) != state)
    g_usleep (500);
}

void
fault_stop (int pid)
{
  g_assert_cmpint (kill (pid, SIGSTOP), ==, 0);
  fault_await_state (pid, 'T');
}

AiopoolExecutor *
fault_pool (guint max_workers)
{
  g_autoptr (AiopoolLauncher) launcher = aiopool_launcher_new ();

  return g_object_new (AIOPOOL_TYPE_POOL,
                       "max-workers", max_workers,
                       "launcher", launcher,
                       "grace-period", 0.4,
                       NULL);
}

/* Of one worker, the first of which does @steps: tests/workers/fake-worker.c. All after it are
 * good. */
AiopoolExecutor *
fault_fake_pool (const char *steps)
{
  g_autoptr (GPtrArray) argv = g_ptr_array_new_with_free_func (g_free);
  g_auto (GStrv) words = g_strsplit (steps, " ", -1);
  g_autofree char *flag = fault_file ("flag");
  g_autoptr (AiopoolLauncher) launcher = NULL;

  g_assert_true (g_file_set_contents (flag, "", 0, NULL));
  g_ptr_array_add (argv, g_strdup (helper_environment ("AIOPOOL_TEST_FAKE_WORKER")));
  g_ptr_array_add (argv, g_strdup (flag));
  for (guint i = 0; words[i] != NULL; i++)
    g_ptr_array_add (argv, g_strdup (words[i]));
  g_ptr_array_add (argv, NULL);
  launcher = aiopool_launcher_new_for_argv ((const char * const *) argv->pdata);
  return AIOPOOL_EXECUTOR (aiopool_pool_new_with_launcher (1, launcher));
}

GPtrArray *
fault_submit_many (AiopoolExecutor *executor,
                   guint            n,
                   const char      *function)
{
  GPtrArray *futures = g_ptr_array_new_with_free_func (g_object_unref);

  for (guint i = 0; i < n; i++)
    g_ptr_array_add (futures, helper_submit (executor, function, "(u)", i));
  return futures;
}

/* Waits for them, too. */
void
fault_expect_all (GPtrArray         *futures,
                  AiopoolFutureState state)
{
  for (guint i = 0; i < futures->len; i++)
    {
      AiopoolFuture *future = g_ptr_array_index (futures, i);

      helper_wait (future);
      if (state == AIOPOOL_FUTURE_DONE)
        g_assert_no_error (aiopool_future_get_error (future));
      g_assert_cmpint (aiopool_future_get_state (future), ==, state);
    }
}

/* What stays in every row: the pool works, and ends. */
void
fault_expect_good (AiopoolExecutor *executor)
{
  g_assert_cmpuint (helper_run_echo (executor, 7), ==, 7);
  helper_shutdown (executor, AIOPOOL_SHUTDOWN_DRAIN);
}

/* Of all threads of this process, in microseconds. */
gint64
fault_get_processor_usec (void)
{
  struct rusage usage;

  getrusage (RUSAGE_SELF, &usage);
  return (gint64) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * G_USEC_PER_SEC +
         usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

/* What a function gives that returns an "i". */
int
fault_run_int (AiopoolExecutor *executor,
               const char      *function,
               const char      *format,
               ...)
{
  g_autoptr (AiopoolTask) task = NULL;
  g_autoptr (GVariant) result = NULL;
  g_autoptr (GError) error = NULL;
  va_list arguments;

  va_start (arguments, format);
  task = aiopool_task_new (function, format != NULL ? g_variant_new_va (format, NULL, &arguments)
                                                    : NULL);
  va_end (arguments);
  result = aiopool_executor_run (executor, task, NULL, &error);
  g_assert_no_error (error);
  return g_variant_get_int32 (result);
}

/* In bytes, as the kernel tells in /proc/self/status, such as "VmHWM:". */
guint64
fault_get_memory (const char *field)
{
  g_autofree char *text = NULL;
  const char *at;

  g_assert_true (g_file_get_contents ("/proc/self/status", &text, NULL, NULL));
  at = strstr (text, field);
  return at != NULL ? g_ascii_strtoull (at + strlen (field), NULL, 10) * 1024 : 0;
}
