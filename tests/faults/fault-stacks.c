/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/faults/fault-private.h"

#include <execinfo.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* What hangs, and where: the stacks of all threads of a process and of those that it started. By a
 * debugger if there is one; otherwise each thread prints its own. What the kernel knows comes
 * first. */

#define STACK_SIGNAL     SIGURG /* ignored by who does not catch it */
#define DEBUGGER_SECONDS 20
#define MAX_FRAMES       64

static void
on_stack_signal (int number)
{
  void *frames[MAX_FRAMES];
  int n = backtrace (frames, MAX_FRAMES);

  backtrace_symbols_fd (frames, n, STDERR_FILENO);
}

/* For where there is no debugger. */
void
fault_catch_stack_signal (void)
{
  struct sigaction action = { .sa_handler = on_stack_signal, .sa_flags = SA_RESTART };
  void *frame;

  backtrace (&frame, 1); /* loads what it needs outside of the handler */
  sigaction (STACK_SIGNAL, &action, NULL);
}

static gboolean
has_ended (pid_t pid)
{
  siginfo_t info = { 0 };

  return waitid (P_PID, (id_t) pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == pid;
}

/* For a child. FALSE if it still lives after that time. Where there are no pidfds, as under
 * valgrind, it looks now and then. */
gboolean
fault_wait_end (pid_t  pid,
                double seconds)
{
  struct pollfd end = { (int) syscall (SYS_pidfd_open, pid, 0), POLLIN, 0 };
  gint64 limit = g_get_monotonic_time () + (gint64) (seconds * G_USEC_PER_SEC);
  gint64 left = 0;

  while (!has_ended (pid) && (left = limit - g_get_monotonic_time ()) > 0)
    poll (&end, 1, end.fd >= 0 ? (int) (left / 1000 + 1) : 1);
  if (end.fd >= 0)
    close (end.fd);
  return has_ended (pid);
}

static void
report (int         fd,
        const char *format,
        ...) G_GNUC_PRINTF (2, 3);

static void
report (int         fd,
        const char *format,
        ...)
{
  va_list arguments;

  va_start (arguments, format);
  vdprintf (fd, format, arguments);
  va_end (arguments);
}

/* The one line of /proc/@task/@name, or its lines that begin with @prefix. */
static void
report_file (const char *task,
             const char *name,
             const char *prefix,
             int         fd)
{
  g_autofree char *path = g_build_filename (task, name, NULL);
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return;
  lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    {
      if (*lines[i] != '\0' && (prefix == NULL || g_str_has_prefix (lines[i], prefix)))
        report (fd, "#     %s: %s\n", name, lines[i]);
    }
}

static void
report_thread (pid_t       pid,
               const char *tid,
               gboolean    by_signal,
               int         fd)
{
  g_autofree char *task = g_strdup_printf ("/proc/%d/task/%s", (int) pid, tid);

  report (fd, "#   thread %s\n", tid);
  report_file (task, "comm", NULL, fd);
  report_file (task, "status", "State", fd);
  report_file (task, "wchan", NULL, fd);
  report_file (task, "syscall", NULL, fd);
  report_file (task, "stack", NULL, fd);
  if (by_signal)
    syscall (SYS_tgkill, pid, atoi (tid), STACK_SIGNAL);
}

static void
report_threads (pid_t    pid,
                gboolean by_signal,
                int      fd)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/task", (int) pid);
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  report (fd, "# process %d\n", (int) pid);
  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    report_thread (pid, name, by_signal, fd);
}

static void
run_debugger (char *const argv[],
              int         fd)
{
  pid_t pid = fork ();

  if (pid == 0)
    {
      int null = open ("/dev/null", O_RDWR);

      dup2 (null, 0);
      dup2 (fd, 1);
      dup2 (fd, 2);
      unsetenv ("LD_PRELOAD");
      execvp (argv[0], argv);
      _exit (127);
    }
  if (pid > 0 && !fault_wait_end (pid, DEBUGGER_SECONDS))
    kill (pid, SIGKILL);
}

static void
dump_process (pid_t       pid,
              const char *gdb,
              const char *eu_stack,
              int         fd)
{
  g_autofree char *number = g_strdup_printf ("%d", (int) pid);
  char *by_gdb[] = { (char *) gdb, (char *) "-batch", (char *) "-nx", (char *) "-p", number,
                     (char *) "-ex", (char *) "thread apply all bt", NULL };
  char *by_eu_stack[] = { (char *) eu_stack, (char *) "-p", number, NULL };

  report_threads (pid, gdb == NULL && eu_stack == NULL, fd);
  if (gdb != NULL)
    run_debugger (by_gdb, fd);
  else if (eu_stack != NULL)
    run_debugger (by_eu_stack, fd);
}

void
fault_dump_stacks (pid_t pid,
                   int   report_fd)
{
  g_autofree char *gdb = g_find_program_in_path ("gdb");
  g_autofree char *eu_stack = g_find_program_in_path ("eu-stack");
  g_autoptr (GArray) pids = fault_list_descendants (pid);

  dump_process (pid, gdb, eu_stack, report_fd);
  for (guint i = 0; i < pids->len; i++)
    dump_process (g_array_index (pids, int, i), gdb, eu_stack, report_fd);
}
