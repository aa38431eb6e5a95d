/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/faults/fault.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Rows about workers that live and do no good: they stop, do not end, write where they should not,
 * or have more to say than there is room for. */

#define MIB ((guint64) 1024 * 1024)

static gint64
get_thread_usec (void)
{
  struct timespec time;

  clock_gettime (CLOCK_THREAD_CPUTIME_ID, &time);
  return (gint64) time.tv_sec * G_USEC_PER_SEC + time.tv_nsec / 1000;
}

/* Iterates until it has ended. Returns the longest iteration, in microseconds of the processor, so
 * that other programs do not count. */
static gint64
iterate_until_done (AiopoolFuture *future)
{
  HelperTally tally = { 0 };
  gint64 longest = 0;

  helper_watch (future, &tally);
  while (tally.n_called == 0)
    {
      gint64 start = get_thread_usec ();

      g_main_context_iteration (NULL, TRUE);
      longest = MAX (longest, get_thread_usec () - start);
    }
  return longest;
}

/* Row 22: 200 MiB come without a copy, and without a stop of the main loop. */
static void
test_large_result (void)
{
  g_autoptr (AiopoolExecutor) pool = fault_pool (1);
  g_autoptr (AiopoolFuture) future = NULL;
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GVariant) peak = NULL;
  const guint64 size = 200 * MIB;
  guint64 before;
  gint64 longest;
  const guint8 *data;

  helper_run_echo (pool, 1);
  before = fault_get_memory ("VmRSS:");
  future = helper_submit (pool, "make-buffer", "(t)", size);
  longest = iterate_until_done (future);
  g_assert_cmpint (longest, <, 50000 * fault_factor ());
  bytes = aiopool_future_get_payload (future, NULL, NULL);
  g_assert_nonnull (bytes);
  g_assert_cmpuint (g_bytes_get_size (bytes), ==, size);
  data = g_bytes_get_data (bytes, NULL);
  for (guint64 i = 0; i < size; i += 4096)
    g_assert_cmpuint (data[i], ==, (guint8) (i * 7 + size));
  if (!fault_is_sanitized () && !helper_is_valgrind ())
    g_assert_cmpuint (fault_get_memory ("VmHWM:"), <, before + 2 * size);
  peak = helper_run (pool, "read-status", "(s)", "VmHWM:");
  if (!fault_is_sanitized ())
    g_assert_cmpuint (g_ascii_strtoull (g_variant_get_string (peak, NULL), NULL, 10) * 1024, <,
                      2 * size);
  fault_expect_good (pool);
}

/* Row 22: a result over the limit fails alone, and its worker stays. */
static void
test_too_large_result (void)
{
  g_autoptr (AiopoolExecutor) pool = g_object_new (AIOPOOL_TYPE_POOL, "max-workers", 1,
                                                   "max-result-size", MIB, NULL);
  int pid = helper_run_pid (pool);
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "make-raw", "(t)", MIB + 1);

  helper_expect_error (future, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_TOO_LARGE);
  helper_expect_message (future, "1048577");
  g_assert_cmpint (helper_run_pid (pool), ==, pid);
  fault_expect_good (pool);
}

static void
receive_sparse (AiopoolExecutor *pool,
                guint64          size)
{
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "make-sparse", "(t)", size);
  g_autoptr (GBytes) bytes = NULL;
  const guint8 *data;

  helper_wait (future);
  bytes = aiopool_future_get_payload (future, NULL, NULL);
  g_assert_nonnull (bytes);
  g_assert_cmpuint (g_bytes_get_size (bytes), ==, size);
  data = g_bytes_get_data (bytes, NULL);
  g_assert_cmpuint (data[0], ==, 1);
  g_assert_cmpuint (data[size / 2], ==, 0);
  g_assert_cmpuint (data[size - 1], ==, 2);
}

/* Row 23: beyond 31 and 32 bits nothing is cut off; over the limit it is an error that names both
 * sizes. */
static void
test_huge_result (void)
{
  g_autoptr (AiopoolExecutor) pool = g_object_new (AIOPOOL_TYPE_POOL, "max-workers", 1,
                                                   "max-result-size", 5 * 1024 * MIB, NULL);
  g_autoptr (AiopoolExecutor) other = fault_pool (1);
  g_autoptr (AiopoolFuture) future = NULL;

  receive_sparse (pool, 2048 * MIB + 4097);
  if (!helper_is_valgrind ()) /* which has no room for that */
    receive_sparse (pool, 4096 * MIB + 4097);
  fault_expect_good (pool);
  future = helper_submit (other, "make-sparse", "(t)", 2048 * MIB + 4097);
  helper_expect_error (future, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_TOO_LARGE);
  helper_expect_message (future, "2147487745");
  helper_expect_message (future, "1073741824");
  fault_expect_good (other);
}

/* Sends this process's standard error to a file, or back. */
static int
redirect_stderr (const char *path)
{
  int saved = dup (STDERR_FILENO);
  int fd = open (path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

  g_assert_cmpint (fd, >=, 0);
  dup2 (fd, STDERR_FILENO);
  close (fd);
  return saved;
}

static void
restore_stderr (int saved)
{
  dup2 (saved, STDERR_FILENO);
  close (saved);
}

/* Row 24: what a task prints is not taken for a message. */
static void
test_writes_to_standard_output (void)
{
  g_autofree char *path = fault_file ("output");
  g_autoptr (AiopoolExecutor) pool = fault_pool (1);
  int saved = redirect_stderr (path);
  int saved_output = dup (STDOUT_FILENO);

  dup2 (STDERR_FILENO, STDOUT_FILENO);
  for (int fd = 1; fd <= 2; fd++)
    g_assert_cmpint (fault_run_int (pool, "write-much", "(iu)", fd, 5000), ==, 5000);
  fault_expect_good (pool);
  dup2 (saved_output, STDOUT_FILENO);
  close (saved_output);
  restore_stderr (saved);
}

/* Row 25: more than any pipe holds, and all of it comes out. */
static void
test_floods_standard_error (void)
{
  g_autofree char *path = fault_file ("flood");
  g_autoptr (AiopoolExecutor) pool = fault_pool (1);
  int saved = redirect_stderr (path);
  GStatBuf info;

  g_assert_cmpint (fault_run_int (pool, "write-much", "(iu)", 2, (guint) MIB), ==, MIB);
  fault_expect_good (pool);
  g_assert_cmpint (g_stat (path, &info), ==, 0);
  g_assert_cmpint (info.st_size, >=, MIB);
  restore_stderr (saved);
}

/* Row 26 */
static void
test_closes_standard_descriptors (void)
{
  g_autoptr (AiopoolExecutor) pool = fault_pool (1);
  int pid = helper_run_pid (pool);

  g_variant_unref (helper_run (pool, "close-some", "(uu)", 1, 2));
  g_assert_cmpint (helper_run_pid (pool), ==, pid);
  g_variant_unref (helper_run (pool, "close-some", "(uu)", 0, 2));
  g_assert_cmpint (helper_run_pid (pool), ==, pid);
  g_variant_unref (helper_run (pool, "make-bytes", "(t)", MIB)); /* opens some */
  g_assert_cmpint (helper_run_pid (pool), ==, pid);
  fault_expect_good (pool);
}

/* A task that stops its own process. */
static AiopoolFuture *
stop_in_task (AiopoolExecutor *pool,
              double           timeout,
              int             *pid)
{
  AiopoolTask *task = helper_task ("crash", "(i)", SIGSTOP);
  AiopoolFuture *future;

  *pid = helper_run_pid (pool);
  aiopool_task_set_timeout (task, timeout);
  future = helper_submit_task (pool, task);
  fault_await_state (*pid, 'T');
  return future;
}

/* Row 28: a process that is stopped handles no signal but one. */
static void
test_stops_in_a_task (void)
{
  g_autoptr (AiopoolExecutor) pool = fault_pool (1);
  g_autoptr (AiopoolExecutor) other = fault_pool (1);
  int pid;
  g_autoptr (AiopoolFuture) timed = stop_in_task (pool, 0.3, &pid);
  g_autoptr (AiopoolFuture) terminated = NULL;

  helper_expect_error (timed, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_TIMED_OUT);
  helper_await_end (pid);
  g_assert_cmpint (helper_run_pid (pool), !=, pid);
  fault_expect_good (pool);

  terminated = stop_in_task (other, 0, &pid);
  helper_shutdown (other, AIOPOOL_SHUTDOWN_TERMINATE);
  helper_expect_cancelled (terminated);
  g_assert_false (helper_is_alive (pid));
}

static void
on_ready (GObject      *object,
          GAsyncResult *result,
          gpointer      user_data)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (aiopool_executor_shutdown_finish (AIOPOOL_EXECUTOR (object), result, &error));
  g_assert_no_error (error);
  *(gboolean *) user_data = TRUE;
}

/* Row 29: a shutdown that drains waits, and a harder one ends it; so do a timeout and a cancel. */
static void
test_endless_task (void)
{
  g_autoptr (AiopoolExecutor) pool = fault_pool (2);
  AiopoolTask *task = helper_task ("spin", NULL);
  g_autoptr (AiopoolFuture) cancelled = helper_submit (pool, "spin", NULL);
  g_autoptr (AiopoolFuture) timed = NULL;
  g_autoptr (AiopoolFuture) running = NULL;
  gboolean is_over = FALSE;

  aiopool_task_set_timeout (task, 0.2);
  timed = helper_submit_task (pool, task);
  helper_expect_error (timed, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_TIMED_OUT);
  g_assert_true (aiopool_future_cancel (cancelled, AIOPOOL_CANCEL_FORCE));
  helper_expect_cancelled (cancelled);

  running = helper_submit (pool, "spin", NULL);
  aiopool_executor_shutdown_async (pool, AIOPOOL_SHUTDOWN_DRAIN, NULL, on_ready, &is_over);
  while (aiopool_future_get_state (running) != AIOPOOL_FUTURE_RUNNING)
    g_main_context_iteration (NULL, FALSE);
  g_assert_false (aiopool_future_wait (running, 0.3));
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_false (is_over);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_TERMINATE);
  helper_expect_cancelled (running);
  while (!is_over)
    g_main_context_iteration (NULL, TRUE);
}

/* Row 30: in a task, and without one, when its worker hears nothing at all. */
static void
test_ignores_sigterm (void)
{
  g_autoptr (AiopoolExecutor) pool = fault_pool (1);
  g_autoptr (AiopoolExecutor) idle = fault_pool (1);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  int pid = helper_run_pid (pool);
  int idle_pid = helper_run_pid (idle);
  g_autoptr (AiopoolFuture) running = helper_gate_submit (gate, pool, "stubborn");

  helper_gate_await (gate, 1);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_TERMINATE);
  helper_expect_cancelled (running);
  g_assert_false (helper_is_alive (pid));

  fault_stop (idle_pid);
  helper_shutdown (idle, AIOPOOL_SHUTDOWN_DRAIN);
  g_assert_false (helper_is_alive (idle_pid));
}

static void
expect_process (AiopoolExecutor *pool,
                const char      *directory,
                gboolean         is_changed)
{
  g_autoptr (GVariant) result = helper_run (pool, "describe-process", NULL);
  const char *here;
  gboolean has_variable;
  guint mask;

  g_variant_get (result, "(&sub)", &here, &mask, &has_variable);
  g_assert_cmpstr (here, ==, directory);
  g_assert_cmpint (mask == 0123, ==, is_changed);
  g_assert_cmpint (has_variable, ==, is_changed);
}

/* Row 42: the next task of that worker sees it; another worker, and this process, do not. */
static void
test_changes_its_process (void)
{
  g_autoptr (AiopoolExecutor) pool = fault_pool (1);
  g_autofree char *here = g_get_current_dir ();
  g_autofree char *there = NULL;
  int pid;

  expect_process (pool, here, FALSE);
  g_variant_unref (helper_run (pool, "change-process", "(s)", "/proc"));
  expect_process (pool, "/proc", TRUE);
  pid = helper_run_pid (pool);
  g_assert_cmpint (kill (pid, SIGKILL), ==, 0);
  helper_await_end (pid);
  expect_process (pool, here, FALSE);
  there = g_get_current_dir ();
  g_assert_cmpstr (there, ==, here);
  g_assert_null (g_getenv ("AIOPOOL_FAULT_CHANGED"));
  fault_expect_good (pool);
}

/* Row 67: who waits no longer leaves the task alone; a timeout of the task itself does not. */
static void
test_timeout_of_the_caller (void)
{
  g_autoptr (AiopoolExecutor) pool = fault_pool (1);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  int pid = helper_run_pid (pool);
  g_autoptr (AiopoolFuture) future = helper_gate_submit (gate, pool, "deaf");
  g_autoptr (AiopoolFuture) timed = NULL;
  g_autoptr (GError) error = NULL;
  AiopoolTask *task = helper_task ("nap", "(d)", 1000.0);

  helper_gate_await (gate, 1);
  g_assert_false (aiopool_future_wait (future, 0.01));
  g_assert_null (aiopool_future_collect (future, 0.01, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  g_assert_false (aiopool_future_is_done (future));
  helper_gate_open (gate);
  g_variant_unref (helper_collect (future));
  g_assert_cmpint (helper_run_pid (pool), ==, pid);

  aiopool_task_set_timeout (task, 0.1);
  timed = helper_submit_task (pool, task);
  helper_expect_error (timed, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_TIMED_OUT);
  helper_await_end (pid);
  fault_expect_good (pool);
}

int
main (int   argc,
      char *argv[])
{
  static const FaultRow rows[] = {
    { "/faults/row-22-large-result", test_large_result },
    { "/faults/row-22-too-large-result", test_too_large_result },
    { "/faults/row-23-huge-result", test_huge_result },
    { "/faults/row-24-writes-to-standard-output", test_writes_to_standard_output },
    { "/faults/row-25-floods-standard-error", test_floods_standard_error },
    { "/faults/row-26-closes-standard-descriptors", test_closes_standard_descriptors },
    { "/faults/row-28-stops-in-a-task", test_stops_in_a_task },
    { "/faults/row-29-endless-task", test_endless_task },
    { "/faults/row-30-ignores-sigterm", test_ignores_sigterm },
    { "/faults/row-42-changes-its-process", test_changes_its_process },
    { "/faults/row-67-timeout-of-the-caller", test_timeout_of_the_caller },
  };

  return fault_main (argc, argv, rows, G_N_ELEMENTS (rows));
}
