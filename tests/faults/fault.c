/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/faults/fault.h"

#include "tests/faults/fault-private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* A program of rows. Each runs in a fork of its own, made while this process has one thread, under
 * a time limit that dumps all stacks. This process is the sub-reaper: whatever a row leaves behind
 * becomes its child, and is a failure. */

#define EXIT_SKIPPED 77

static char  *directory;     /* (owned): of the row that runs */
static int    why_fd;        /* in a row: where it says why it is skipped */
static double patience = 10; /* seconds for what ends by itself, and is not measured */

gboolean
fault_is_sanitized (void)
{
  return g_getenv ("AIOPOOL_TEST_SANITIZED") != NULL;
}

void
fault_set_patience (double seconds)
{
  patience = seconds;
}

/* By how much everything takes longer. */
double
fault_factor (void)
{
  const char *text = g_getenv ("AIOPOOL_TEST_FACTOR");
  double factor = text != NULL ? g_ascii_strtod (text, NULL) : 0;

  if (factor > 0)
    return factor;
  return helper_is_valgrind () ? 10 : fault_is_sanitized () ? 4 : 1;
}

/* A path in the directory of this row. */
char *
fault_file (const char *name)
{
  return g_build_filename (directory, name, NULL);
}

/* For what this machine, or this user, cannot do. */
void
fault_skip (const char *format,
            ...)
{
  va_list arguments;

  va_start (arguments, format);
  vdprintf (why_fd, format, arguments);
  va_end (arguments);
  _exit (EXIT_SKIPPED);
}

/* A file for the function "mark", for helper_marks_count(). */
char *
fault_marks (void)
{
  char *path = fault_file ("marks");

  g_assert_true (g_file_set_contents (path, "", 0, NULL));
  return path;
}

/* For a row that sets a file size limit: what is written to a log must not meet it. */
void
fault_leave_files (void)
{
  int fd = open ("/dev/null", O_WRONLY | O_CLOEXEC);
  struct stat info;

  for (int i = STDOUT_FILENO; i <= STDERR_FILENO; i++)
    {
      if (fstat (i, &info) == 0 && S_ISREG (info.st_mode))
        dup2 (fd, i);
    }
  close (fd);
}

/* Descriptors are closed by the engine after the process that they were for has gone: nobody tells
 * of that. */
static void
expect_as_before (const FaultCounts *before,
                  FaultKind          kind)
{
  gint64 end = g_get_monotonic_time () + (gint64) (patience * fault_factor () * G_USEC_PER_SEC);
  FaultCounts now;

  do
    {
      while (kind == FAULT_POOL && g_main_context_iteration (NULL, FALSE))
        ;
      fault_count (&now);
      if (!fault_counts_exceed (&now, before))
        return;
      g_usleep (1000);
    }
  while (g_get_monotonic_time () < end);
  g_error ("was: %s; now: %s:%s", fault_counts_describe (before), fault_counts_describe (&now),
           fault_describe_fds ());
}

/* What stays for good comes now: the engine's thread, GLib's, the mailbox of this context, and what
 * wakes this thread when it waits. */
static void
warm_up (void)
{
  const FaultCounts any = { G_MAXINT, G_MAXINT, 0, 0, 0, G_MAXINT };
  g_autoptr (AiopoolExecutor) pool = fault_pool (1);
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "echo", NULL);
  HelperTally tally = { 0 };

  helper_watch (future, &tally);
  helper_await_tally (&tally);
  g_variant_unref (helper_run (pool, "nap", "(d)", 0.02));
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  g_clear_object (&future);
  g_clear_object (&pool);
  expect_as_before (&any, FAULT_POOL);
}

static void G_GNUC_NORETURN
be_row (const FaultRow *row)
{
  FaultCounts before;

  prctl (PR_SET_PDEATHSIG, SIGKILL);
  setpgid (0, 0);
  dup2 (STDERR_FILENO, STDOUT_FILENO); /* which is for TAP */
  fault_make_shm_private ();
  fault_catch_stack_signal ();
  if (row->prepare != NULL)
    row->prepare ();
  if (row->kind == FAULT_POOL)
    warm_up ();
  fault_count (&before);
  row->run ();
  expect_as_before (&before, row->kind);
  exit (0);
}

static void
remove_directory (void)
{
  g_autoptr (GDir) dir = g_dir_open (directory, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (directory, name, NULL);

      g_remove (path);
    }
  g_rmdir (directory);
  g_clear_pointer (&directory, g_free);
}

/* Until all that the row left has ended. */
static gboolean
reap_all (double seconds)
{
  gint64 end = g_get_monotonic_time () + (gint64) (seconds * G_USEC_PER_SEC);

  for (;;)
    {
      pid_t pid = waitpid (-1, NULL, WNOHANG);

      if (pid < 0 && errno == ECHILD)
        return TRUE;
      if (pid == 0 && g_get_monotonic_time () >= end)
        return FALSE;
      if (pid == 0)
        g_usleep (1000);
    }
}

static void
kill_all (void)
{
  do
    {
      g_autoptr (GArray) pids = fault_list_descendants (getpid ());

      for (guint i = 0; i < pids->len; i++)
        kill (g_array_index (pids, int, i), SIGKILL);
    }
  while (!reap_all (0.1));
}

static char *
read_all (int fd)
{
  GString *text = g_string_new (NULL);
  char buffer[512];
  gssize n;

  while ((n = read (fd, buffer, sizeof buffer)) > 0)
    g_string_append_len (text, buffer, n);
  return g_string_free (text, FALSE);
}

static FaultVerdict
judge (int    status,
       int    fd,
       char **why)
{
  if (WIFEXITED (status) && WEXITSTATUS (status) == 0)
    return FAULT_PASSED;
  if (WIFEXITED (status) && WEXITSTATUS (status) == EXIT_SKIPPED)
    {
      *why = read_all (fd);
      return FAULT_SKIPPED;
    }
  *why = WIFSIGNALED (status) ? g_strdup_printf ("ended by signal %d", WTERMSIG (status))
                              : g_strdup_printf ("exit status %d", WEXITSTATUS (status));
  return FAULT_FAILED;
}

static FaultVerdict
supervise (const FaultRow *row,
           pid_t           pid,
           int             fd,
           int             report_fd,
           char          **why)
{
  double seconds = (row->seconds > 0 ? row->seconds : FAULT_SECONDS) * fault_factor ();
  FaultVerdict verdict;
  int status = 0;

  if (!fault_wait_end (pid, seconds))
    {
      fault_dump_stacks (pid, report_fd);
      kill_all ();
      *why = g_strdup_printf ("did not end in %.0f seconds", seconds);
      return FAULT_TIMED_OUT;
    }
  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  verdict = judge (status, fd, why);
  if (!reap_all (patience * fault_factor ()))
    {
      if (verdict == FAULT_PASSED)
        fault_dump_stacks (getpid (), report_fd);
      kill_all ();
      if (verdict == FAULT_PASSED)
        *why = g_strdup ("left processes behind");
      return verdict == FAULT_PASSED ? FAULT_LEFT_PROCESSES : verdict;
    }
  return verdict;
}

/* Runs @row. @why: (out) (transfer full): unless it passed. */
FaultVerdict
fault_try (const FaultRow *row,
           int             report_fd,
           char          **why)
{
  FaultVerdict verdict;
  int fds[2];
  pid_t pid;

  *why = NULL;
  directory = g_dir_make_tmp ("aiopool-fault-XXXXXX", NULL);
  g_assert_nonnull (directory);
  g_assert_cmpint (pipe2 (fds, O_CLOEXEC), ==, 0);
  fflush (NULL);
  pid = fork ();
  g_assert_cmpint (pid, >=, 0);
  if (pid == 0)
    {
      close (fds[0]);
      why_fd = fds[1];
      be_row (row);
    }
  close (fds[1]);
  verdict = supervise (row, pid, fds[0], report_fd, why);
  close (fds[0]);
  remove_directory ();
  return verdict;
}

static void
run_row (gconstpointer data)
{
  const FaultRow *row = data;
  g_autofree char *why = NULL;
  FaultVerdict verdict = fault_try (row, STDERR_FILENO, &why);

  if (verdict == FAULT_SKIPPED)
    g_test_skip (why);
  else if (verdict != FAULT_PASSED)
    g_test_fail_printf ("%s: %s", row->path, why);
}

/* A test run in the background, or by nohup, ignores some. */
static void
heed_signals (void)
{
  signal (SIGINT, SIG_DFL);
  signal (SIGQUIT, SIG_DFL);
  signal (SIGTERM, SIG_DFL);
  signal (SIGHUP, SIG_DFL);
}

/* The first thing in main: this program is its own worker. */
void
fault_begin (int    *argc,
             char ***argv)
{
  aiopool_service_enter (fault_register, NULL);
  g_test_init (argc, argv, NULL);
  heed_signals ();
  prctl (PR_SET_CHILD_SUBREAPER, 1);
}

int
fault_main (int             argc,
            char           *argv[],
            const FaultRow *rows,
            guint           n_rows)
{
  fault_begin (&argc, &argv);
  for (guint i = 0; i < n_rows; i++)
    g_test_add_data_func (rows[i].path, &rows[i], run_row);
  return g_test_run ();
}
