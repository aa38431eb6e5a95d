/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/pool/helper.h"

#include <glib-unix.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* Limits hold in a sandbox, and workers end there as they do without: each test ends with a look
 * for any process that is left. */

static void
test_a_signal_is_told (void)
{
  static const struct { int number; const char *text; } signals[] = {
    { SIGKILL, "signal 9" }, { SIGSEGV, "signal 11" }, { SIGABRT, "signal 6" },
    { SIGTERM, "signal 15" }, { 64, "signal 64" },
  };
  g_autoptr (AiopoolExecutor) pool = helper_sandbox_pool (1);

  for (guint i = 0; i < G_N_ELEMENTS (signals); i++)
    {
      g_autoptr (AiopoolFuture) future = helper_submit (pool, "crash", "(i)", signals[i].number);

      helper_expect_crash (future, signals[i].text);
    }
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_an_exit_status_is_told (void)
{
  static const struct { int status; const char *text; } ends[] = {
    { 0, "exit status 0" }, { 3, "exit status 3" }, { 127, "exit status 127" },
    { 128, "exit status 128" }, { 255, "exit status 255" },
  };
  g_autoptr (AiopoolExecutor) pool = helper_sandbox_pool (1);

  for (guint i = 0; i < G_N_ELEMENTS (ends); i++)
    {
      g_autoptr (AiopoolFuture) future = helper_submit (pool, "leave", "(i)", ends[i].status);

      helper_expect_crash (future, ends[i].text);
    }
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_the_last_lines_of_standard_error_are_told (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_sandbox_pool (1);
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "complain", "(^ay)", "the last words\n");

  helper_expect_crash (future, "the last words");
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* Orphans come to this process, which must have no child in the end. */
static void
test_no_zombie_is_left (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_sandbox_pool (2);

  g_assert_cmpint (prctl (PR_SET_CHILD_SUBREAPER, 1), ==, 0);
  for (guint i = 0; i < 4; i++)
    {
      g_autoptr (AiopoolFuture) future = helper_submit (pool, i % 2 ? "leave" : "crash", "(i)", 6);

      helper_expect_error (future, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_CRASHED);
    }
  helper_run_echo (pool, 1);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  g_assert_cmpint (prctl (PR_SET_CHILD_SUBREAPER, 0), ==, 0);
}

/* Also what has left the session goes with its worker. */
static void
test_what_a_task_leaves_goes_with_its_worker (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_sandbox_pool (1);
  g_autoptr (AiopoolFuture) future = NULL;

  g_variant_unref (helper_run (pool, "leave-daemon", NULL));
  future = helper_submit (pool, "leave-child", "(i)", SIGKILL);
  helper_expect_crash (future, "signal 9");
  g_variant_unref (helper_run (pool, "leave-daemon", NULL));
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_worker_that_closes_its_descriptors_is_killed (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_sandbox_pool (1);
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "close-all", NULL);

  helper_expect_crash (future, "killed");
  helper_run_echo (pool, 1);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* SIGTERM reaches the process of the function, which may make something of it: not after the grace
 * period, in which the test would end. */
static void
test_sigterm_reaches_the_function (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_sandbox_pool (1);
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();
  g_autoptr (AiopoolFuture) future = NULL;
  AiopoolTask *task = helper_task ("await-term", NULL);
  int channel[2];
  char byte;

  aiopool_pool_set_grace_period (AIOPOOL_POOL (pool), 1000);
  g_assert_true (g_unix_open_pipe (channel, FD_CLOEXEC, NULL));
  g_unix_fd_list_append (fds, channel[1], NULL);
  aiopool_task_set_fds (task, fds);
  future = helper_submit_task (pool, task);
  g_assert_cmpint (read (channel[0], &byte, 1), ==, 1);
  g_assert_true (aiopool_future_cancel (future, AIOPOOL_CANCEL_FORCE));
  g_assert_cmpint (read (channel[0], &byte, 1), ==, 1);
  g_assert_cmpint (byte, ==, 'T');
  helper_expect_cancelled (future);
  helper_run_echo (pool, 1);
  close (channel[0]);
  close (channel[1]);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static int
find_worker (AiopoolExecutor *pool)
{
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "echo", NULL);

  helper_wait (future);
  return aiopool_future_get_worker_pid (future);
}

static void
cancel (const char *mode,
        gboolean    is_spared)
{
  g_autoptr (AiopoolExecutor) pool = helper_sandbox_pool (1);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  int pid = find_worker (pool);
  g_autoptr (AiopoolFuture) future = helper_gate_submit (gate, pool, mode);

  helper_gate_await (gate, 1);
  g_assert_true (aiopool_future_cancel (future, AIOPOOL_CANCEL_FORCE));
  helper_expect_cancelled (future);
  g_assert_true ((find_worker (pool) == pid) == is_spared);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_forced_cancel_ends_what_does_not_listen (void)
{
  cancel ("obey", TRUE);
  cancel ("deaf", FALSE);
  cancel ("listen", FALSE);
  cancel ("stubborn", FALSE);
}

static void
expect_timeout (const char *function,
                const char *format,
                int         argument)
{
  g_autoptr (AiopoolExecutor) pool = helper_sandbox_pool (1);
  int pid = find_worker (pool);
  AiopoolTask *task = format != NULL ? helper_task (function, format, argument)
                                     : helper_task (function, NULL);
  g_autoptr (AiopoolFuture) future = NULL;

  aiopool_task_set_timeout (task, 0.1);
  future = helper_submit_task (pool, task);
  helper_expect_error (future, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_TIMED_OUT);
  g_assert_cmpint (find_worker (pool), !=, pid);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_timeout_ends_what_is_busy_or_stopped (void)
{
  expect_timeout ("spin", NULL, 0);
  expect_timeout ("crash", "(i)", SIGSTOP);
}

static void
await_running (AiopoolFuture *future)
{
  while (aiopool_future_get_state (future) != AIOPOOL_FUTURE_RUNNING)
    g_thread_yield ();
}

/* Processes end when they do: there is no event for those of others. */
static void
await_nobody (const char *what,
              gint64      start)
{
  gint64 passed = 0;

  while (helper_find_offspring () != 0)
    {
      g_usleep (1000);
      passed = g_get_monotonic_time () - start;
      g_assert_cmpint (passed, <, (gint64) (HELPER_LONG * G_USEC_PER_SEC));
    }
  g_test_message ("%s: gone after %.3f seconds", what, (double) passed / G_USEC_PER_SEC);
}

static void
terminate (AiopoolExecutor *pool,
           AiopoolFuture   *future)
{
  gint64 start = g_get_monotonic_time ();

  helper_shutdown (pool, AIOPOOL_SHUTDOWN_TERMINATE);
  g_assert_true (aiopool_future_is_done (future));
  await_nobody ("shutdown", start);
}

static void
test_a_shutdown_ends_what_is_busy_or_stopped (void)
{
  static const struct { const char *function; int argument; } tasks[] = {
    { "spin", 0 }, { "crash", SIGSTOP },
  };

  for (guint i = 0; i < G_N_ELEMENTS (tasks); i++)
    {
      g_autoptr (AiopoolExecutor) pool = helper_sandbox_pool (1);
      g_autoptr (AiopoolFuture) future =
        helper_submit (pool, tasks[i].function, "(i)", tasks[i].argument);

      await_running (future);
      terminate (pool, future);
    }
}

static void
test_a_shutdown_ends_what_ignores_sigterm (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_sandbox_pool (1);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (AiopoolFuture) future = helper_gate_submit (gate, pool, "stubborn");

  helper_gate_await (gate, 1);
  terminate (pool, future);
}

/* It has nothing to lose, and cannot be asked. Each time it has come further. */
static void
test_a_shutdown_ends_what_starts (void)
{
  for (guint i = 0; i < 10; i++)
    {
      g_autoptr (AiopoolExecutor) pool = helper_sandbox_pool (2);
      g_autoptr (AiopoolFuture) future = helper_submit (pool, "echo", NULL);

      g_usleep (i * 2000);
      terminate (pool, future);
    }
}

/* @delay_usec: to kill the parent at another moment. */
static void
kill_parent (const char *function,
             guint       delay_usec)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) parent =
    g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error,
                      helper_environment ("AIOPOOL_TEST_ODD_WORKER"), "sandbox-parent", function,
                      NULL);
  g_autoptr (GDataInputStream) output = NULL;
  g_autofree char *pid = NULL;
  g_autofree char *ready = NULL;
  gint64 start;

  g_assert_no_error (error);
  output = g_data_input_stream_new (g_subprocess_get_stdout_pipe (parent));
  pid = g_data_input_stream_read_line_utf8 (output, NULL, NULL, NULL);
  ready = g_data_input_stream_read_line_utf8 (output, NULL, NULL, NULL);
  g_assert_cmpstr (ready, ==, "ready");
  g_usleep (delay_usec);
  start = g_get_monotonic_time ();
  g_subprocess_send_signal (parent, SIGKILL);
  g_assert_true (g_subprocess_wait (parent, NULL, NULL));
  await_nobody (function, start);
}

static void
test_workers_go_with_their_parent (void)
{
  kill_parent ("echo", 0);
  kill_parent ("nap", 0);
  kill_parent ("spin", 0);
  kill_parent ("stop", 0);
}

/* At any moment of the start. */
static void
test_workers_that_start_go_with_their_parent (void)
{
  for (guint i = 0; i < 30; i++)
    kill_parent ("start", i * 700);
}

static void
expect_limit (AiopoolExecutor *pool,
              int              resource,
              guint64          soft)
{
  g_autoptr (GVariant) result = helper_run (pool, "limit", "(i)", resource);
  guint64 current;

  g_variant_get (result, "(tt)", &current, NULL);
  g_assert_cmpuint (current, ==, soft);
}

static void
test_limits_hold (void)
{
  g_autoptr (AiopoolLauncher) launcher = helper_sandbox_launcher ();
  g_autoptr (AiopoolExecutor) pool = NULL;
  g_autoptr (GVariant) priorities = NULL;
  g_autofree char *own_score = NULL;
  int nice, policy, oom_score;

  g_assert_true (g_file_get_contents ("/proc/self/oom_score_adj", &own_score, NULL, NULL));
  g_object_set (launcher, "max-cpu-time", 1000, "max-open-files", 100, "max-core-size",
                (gint64) 0, "nice", 3, "scheduling-class", AIOPOOL_SCHEDULING_CLASS_BATCH,
                "oom-score-adj", 200, NULL);
  pool = helper_launcher_pool (1, launcher);
  expect_limit (pool, RLIMIT_CPU, 1000);
  expect_limit (pool, RLIMIT_NOFILE, 100);
  expect_limit (pool, RLIMIT_CORE, 0);
  priorities = helper_run (pool, "priorities", NULL);
  g_variant_get (priorities, "(iii)", &nice, &policy, &oom_score);
  g_assert_cmpint (nice, ==, MIN (getpriority (PRIO_PROCESS, 0) + 3, 19));
  g_assert_cmpint (policy, ==, SCHED_BATCH);
  g_assert_cmpint (oom_score, ==, MIN (atoi (own_score) + 200, 1000));
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_the_memory_is_limited (void)
{
  const guint64 size = G_GUINT64_CONSTANT (1) << 30;
  g_autoptr (AiopoolLauncher) launcher = helper_sandbox_launcher ();
  g_autoptr (AiopoolExecutor) pool = NULL;
  g_autoptr (AiopoolFuture) future = NULL;

  if (!helper_can_limit_memory ())
    return;
  aiopool_launcher_set_max_memory (launcher, size);
  pool = helper_launcher_pool (1, launcher);
  expect_limit (pool, RLIMIT_AS, size);
  future = helper_submit (pool, "allocate", "(t)", size);
  helper_expect_error (future, G_IO_ERROR, G_IO_ERROR_NO_SPACE);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_the_processor_time_ends_the_worker (void)
{
  g_autoptr (AiopoolLauncher) launcher = helper_sandbox_launcher ();
  g_autoptr (AiopoolExecutor) pool = NULL;
  g_autoptr (AiopoolFuture) future = NULL;

  aiopool_launcher_set_max_cpu_time (launcher, 1);
  aiopool_launcher_set_max_core_size (launcher, 0);
  pool = helper_launcher_pool (1, launcher);
  future = helper_submit (pool, "spin", NULL);
  helper_expect_crash (future, "signal 24");
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_limit_that_cannot_be_set_is_named (void)
{
  g_autoptr (AiopoolLauncher) launcher = helper_sandbox_launcher ();
  g_autoptr (AiopoolExecutor) pool = NULL;
  g_autoptr (AiopoolFuture) future = NULL;

  aiopool_launcher_set_max_open_files (launcher, 2000000000);
  pool = helper_launcher_pool (1, launcher);
  future = helper_submit (pool, "echo", NULL);
  helper_expect_error (future, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_START_FAILED);
  helper_expect_message (future, "max-open-files=2000000000");
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
expect_no_start (AiopoolLauncher *launcher,
                 const char      *part)
{
  g_autoptr (AiopoolExecutor) pool = NULL;
  g_autoptr (AiopoolFuture) future = NULL;

  aiopool_launcher_set_sandbox (launcher, AIOPOOL_SANDBOX_REQUIRE);
  pool = helper_launcher_pool (1, launcher);
  future = helper_submit (pool, "echo", NULL);
  helper_expect_error (future, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_START_FAILED);
  helper_expect_message (future, part);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_program_that_is_missing_is_named (void)
{
  static const char *missing[] = { "/nonexistent/program", NULL };
  const char *failing[] = { helper_environment ("AIOPOOL_TEST_ODD_WORKER"), "exit", "3", NULL };
  const char *killed[] = { helper_environment ("AIOPOOL_TEST_ODD_WORKER"), "kill", "9", NULL };
  g_autoptr (AiopoolLauncher) first = aiopool_launcher_new_for_argv (missing);
  g_autoptr (AiopoolLauncher) second = aiopool_launcher_new_for_plugins (missing);
  g_autoptr (AiopoolLauncher) third = aiopool_launcher_new_for_argv (failing);
  g_autoptr (AiopoolLauncher) fourth = aiopool_launcher_new_for_argv (killed);

  expect_no_start (first, "/nonexistent/program");
  expect_no_start (second, "/nonexistent/program");
  expect_no_start (third, "exit status 3");
  expect_no_start (fourth, "signal 9");
}

static void
test_a_start_that_hangs_is_ended (void)
{
  const char *argv[] = { helper_environment ("AIOPOOL_TEST_ODD_WORKER"), "hang", NULL };
  g_autoptr (AiopoolLauncher) launcher = aiopool_launcher_new_for_argv (argv);
  g_autoptr (AiopoolExecutor) pool = NULL;
  g_autoptr (AiopoolFuture) future = NULL;

  aiopool_launcher_set_sandbox (launcher, AIOPOOL_SANDBOX_REQUIRE);
  pool = helper_launcher_pool (1, launcher);
  aiopool_pool_set_start_timeout (AIOPOOL_POOL (pool), 0.2);
  future = helper_submit (pool, "echo", NULL);
  helper_expect_error (future, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_START_TIMED_OUT);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

int
main (int   argc,
      char *argv[])
{
  helper_begin (&argc, &argv);
  helper_add_sandboxed ("/pool/sandbox-end/a-signal-is-told", test_a_signal_is_told);
  helper_add_sandboxed ("/pool/sandbox-end/an-exit-status-is-told", test_an_exit_status_is_told);
  helper_add_sandboxed ("/pool/sandbox-end/the-last-lines-of-stderr-are-told",
                        test_the_last_lines_of_standard_error_are_told);
  helper_add_sandboxed ("/pool/sandbox-end/no-zombie-is-left", test_no_zombie_is_left);
  helper_add_sandboxed ("/pool/sandbox-end/what-a-task-leaves-goes",
                        test_what_a_task_leaves_goes_with_its_worker);
  helper_add_sandboxed ("/pool/sandbox-end/a-worker-that-closes-its-descriptors",
                        test_a_worker_that_closes_its_descriptors_is_killed);
  helper_add_sandboxed ("/pool/sandbox-end/sigterm-reaches-the-function",
                        test_sigterm_reaches_the_function);
  helper_add_sandboxed ("/pool/sandbox-end/a-forced-cancel",
                        test_a_forced_cancel_ends_what_does_not_listen);
  helper_add_sandboxed ("/pool/sandbox-end/a-timeout",
                        test_a_timeout_ends_what_is_busy_or_stopped);
  helper_add_sandboxed ("/pool/sandbox-end/a-shutdown",
                        test_a_shutdown_ends_what_is_busy_or_stopped);
  helper_add_sandboxed ("/pool/sandbox-end/a-shutdown-of-what-ignores-sigterm",
                        test_a_shutdown_ends_what_ignores_sigterm);
  helper_add_sandboxed ("/pool/sandbox-end/a-shutdown-of-what-starts",
                        test_a_shutdown_ends_what_starts);
  helper_add_sandboxed ("/pool/sandbox-end/workers-go-with-their-parent",
                        test_workers_go_with_their_parent);
  helper_add_sandboxed ("/pool/sandbox-end/workers-that-start-go-with-their-parent",
                        test_workers_that_start_go_with_their_parent);
  helper_add_sandboxed ("/pool/sandbox-end/limits-hold", test_limits_hold);
  helper_add_sandboxed ("/pool/sandbox-end/the-memory-is-limited", test_the_memory_is_limited);
  helper_add_sandboxed ("/pool/sandbox-end/processor-time-ends-the-worker",
                        test_the_processor_time_ends_the_worker);
  helper_add_sandboxed ("/pool/sandbox-end/a-limit-that-cannot-be-set-is-named",
                        test_a_limit_that_cannot_be_set_is_named);
  helper_add_sandboxed ("/pool/sandbox-end/a-program-that-is-missing-is-named",
                        test_a_program_that_is_missing_is_named);
  helper_add_sandboxed ("/pool/sandbox-end/a-start-that-hangs", test_a_start_that_hangs_is_ended);
  return helper_end ();
}
