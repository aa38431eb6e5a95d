/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/pool/helper.h"

#include <string.h>

/* Workers that do not start: each gives a clear error to the tasks that wait, none stays behind,
 * and the pool goes on. */

#define ODD helper_environment ("AIOPOOL_TEST_ODD_WORKER")

static void
expect_bad_start (AiopoolExecutor *pool,
                  int              code,
                  const char      *part)
{
  for (guint round = 0; round < 2; round++)
    {
      g_autoptr (AiopoolFuture) first = helper_submit (pool, "echo", NULL);
      g_autoptr (AiopoolFuture) second = helper_submit (pool, "echo", NULL);
      g_autoptr (AiopoolFuture) third = helper_submit (pool, "echo", NULL);
      AiopoolFuture *futures[] = { first, second, third };

      for (guint i = 0; i < G_N_ELEMENTS (futures); i++)
        {
          helper_expect_error (futures[i], AIOPOOL_POOL_ERROR, code);
          helper_expect_message (futures[i], part);
          g_assert_cmpfloat (aiopool_future_get_started_at (futures[i]), ==, 0);
          g_assert_cmpint (aiopool_future_get_worker_pid (futures[i]), ==, 0);
        }
    }
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_missing_program (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_argv_pool (2, "/nonexistent/worker", NULL);

  expect_bad_start (pool, AIOPOOL_POOL_ERROR_START_FAILED, "/nonexistent/worker");
}

static void
test_a_missing_program_in_the_path (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_argv_pool (1, "aiopool-no-such-program", NULL);

  expect_bad_start (pool, AIOPOOL_POOL_ERROR_START_FAILED, "aiopool-no-such-program");
}

static void
test_a_file_that_is_not_executable (void)
{
  g_autofree char *path = helper_file ("plain");
  g_autoptr (AiopoolExecutor) pool = NULL;

  g_assert_true (g_file_set_contents (path, "plain\n", -1, NULL));
  pool = helper_argv_pool (2, path, NULL);
  expect_bad_start (pool, AIOPOOL_POOL_ERROR_START_FAILED, path);
}

static void
test_a_directory_that_is_not_there (void)
{
  g_autoptr (AiopoolLauncher) launcher = aiopool_launcher_new ();
  g_autoptr (AiopoolExecutor) pool = NULL;

  aiopool_launcher_set_directory (launcher, "/nonexistent/directory");
  pool = AIOPOOL_EXECUTOR (aiopool_pool_new_with_launcher (2, launcher));
  expect_bad_start (pool, AIOPOOL_POOL_ERROR_START_FAILED, "/nonexistent/directory");
}

static void
expect_bad_plugin (const char *path)
{
  const char *plugins[] = { path, NULL };
  g_autoptr (AiopoolLauncher) launcher = aiopool_launcher_new_for_plugins (plugins);
  g_autoptr (AiopoolExecutor) pool =
    AIOPOOL_EXECUTOR (aiopool_pool_new_with_launcher (2, launcher));

  expect_bad_start (pool, AIOPOOL_POOL_ERROR_START_FAILED, path);
}

static void
test_a_plugin_that_is_not_there (void)
{
  expect_bad_plugin ("/nonexistent/plugin.so");
}

static void
test_a_plugin_that_is_no_module (void)
{
  g_autofree char *path = helper_file ("plugin.so");

  g_assert_true (g_file_set_contents (path, "no module\n", -1, NULL));
  expect_bad_plugin (path);
}

static void
test_a_module_that_is_no_plugin (void)
{
  expect_bad_plugin (helper_environment ("AIOPOOL_TEST_EMPTY_PLUGIN"));
}

static void
test_a_program_that_exits_at_once (void)
{
  g_autoptr (AiopoolExecutor) zero = helper_argv_pool (2, ODD, "exit", "0", NULL);
  g_autoptr (AiopoolExecutor) five = helper_argv_pool (2, ODD, "exit", "5", NULL);

  expect_bad_start (zero, AIOPOOL_POOL_ERROR_START_FAILED, "exit status 0");
  expect_bad_start (five, AIOPOOL_POOL_ERROR_START_FAILED, "exit status 5");
}

/* After some attempts: somebody may have killed just one. */
static void
test_a_program_that_is_killed_each_time (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_argv_pool (2, ODD, "kill", "9", NULL);

  expect_bad_start (pool, AIOPOOL_POOL_ERROR_START_FAILED, "signal 9");
}

static void
test_the_last_lines_of_a_program_that_exits_are_told (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_argv_pool (2, ODD, "complain", NULL);

  expect_bad_start (pool, AIOPOOL_POOL_ERROR_START_FAILED, "second line");
}

static void
test_a_program_that_never_reports (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_argv_pool (2, ODD, "sleep", NULL);

  aiopool_pool_set_start_timeout (AIOPOOL_POOL (pool), 0.1);
  expect_bad_start (pool, AIOPOOL_POOL_ERROR_START_TIMED_OUT, "0.1");
}

static void
test_a_program_that_says_garbage (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_argv_pool (2, ODD, "garbage", NULL);

  expect_bad_start (pool, AIOPOOL_POOL_ERROR_START_FAILED, "protocol");
}

static void
test_a_program_that_closes_its_socket (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_argv_pool (2, ODD, "close", NULL);

  expect_bad_start (pool, AIOPOOL_POOL_ERROR_START_FAILED, "");
}

static void
test_a_program_of_another_version (void)
{
  g_autoptr (AiopoolExecutor) newer = helper_argv_pool (2, ODD, "hello", "99", NULL);
  g_autoptr (AiopoolExecutor) older = helper_argv_pool (2, ODD, "hello", "0", NULL);

  expect_bad_start (newer, AIOPOOL_POOL_ERROR_START_FAILED, "version 99");
  expect_bad_start (older, AIOPOOL_POOL_ERROR_START_FAILED, "version 0");
}

static void
test_a_program_that_forgot_to_enter (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_argv_pool (2, ODD, "forget", NULL);

  expect_bad_start (pool, AIOPOOL_POOL_ERROR_NOT_A_WORKER, "aiopool_service_enter()");
}

/* As its own program it would start itself again and again. */
static void
test_a_program_that_forgot_to_enter_is_no_fork_bomb (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) process = g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error, ODD,
                                                      NULL);
  g_autofree char *output = NULL;

  g_assert_no_error (error);
  g_assert_true (g_subprocess_communicate_utf8 (process, NULL, NULL, &output, NULL, &error));
  g_assert_cmpint (g_subprocess_get_exit_status (process), ==, 3);
  g_assert_nonnull (strstr (output, "aiopool-pool-error-quark 7\n"));
}

static void
test_a_missing_shim (void)
{
  g_autofree char *old = g_strdup (g_getenv ("AIOPOOL_WORKER_DIR"));
  g_autoptr (AiopoolExecutor) pool = helper_pool (2);

  if (helper_is_valgrind ())
    {
      g_test_skip ("valgrind tells too late that a program is missing");
      return;
    }
  g_setenv ("AIOPOOL_WORKER_DIR", "/nonexistent/workers", TRUE);
  expect_bad_start (pool, AIOPOOL_POOL_ERROR_START_FAILED, "/nonexistent/workers");
  g_setenv ("AIOPOOL_WORKER_DIR", old, TRUE);
}

/* Nothing of it ran: it would be sent to one worker after the other for ever. */
static void
test_a_program_that_reports_and_exits (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_argv_pool (2, ODD, "hello-and-exit", NULL);
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "echo", NULL);

  helper_expect_error (future, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_START_FAILED);
  helper_expect_message (future, "exit status 0");
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_later_start_may_succeed (void)
{
  g_autofree char *flag = helper_file ("bad-once");
  g_autoptr (AiopoolExecutor) pool = helper_argv_pool (1, ODD, "serve", flag, NULL);
  g_autoptr (AiopoolFuture) future = NULL;

  g_assert_true (g_file_set_contents (flag, "", 0, NULL));
  future = helper_submit (pool, "echo", NULL);
  helper_expect_error (future, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_START_FAILED);
  g_assert_cmpuint (helper_run_echo (pool, 6), ==, 6);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* One good worker is there: the tasks wait for it. */
static void
test_a_bad_start_beside_a_good_worker_fails_nobody (void)
{
  g_autofree char *flag = helper_file ("bad-second");
  g_autoptr (AiopoolExecutor) pool = helper_argv_pool (2, ODD, "serve", flag, NULL);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  HelperTally tally = { 0 };

  helper_gate_occupy (gate, pool);
  g_assert_true (g_file_set_contents (flag, "", 0, NULL));
  for (guint i = 0; i < 20; i++)
    {
      g_autoptr (AiopoolFuture) future = helper_submit (pool, "echo", NULL);

      helper_watch (future, &tally);
    }
  while (g_file_test (flag, G_FILE_TEST_EXISTS))
    g_usleep (1000);
  helper_await_tally (&tally);
  g_assert_cmpuint (tally.n_done, ==, 20);
  helper_gate_open (gate);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_cancel_while_the_worker_starts (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_argv_pool (1, ODD, "sleep", NULL);
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "echo", NULL);

  while (aiopool_pool_get_n_workers (AIOPOOL_POOL (pool)) == 0)
    g_usleep (1000);
  g_assert_true (aiopool_future_cancel (future, AIOPOOL_CANCEL_PENDING));
  helper_expect_cancelled (future);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_TERMINATE);
}

static void
shut_down_while_it_starts (AiopoolShutdownFlags flags)
{
  g_autoptr (AiopoolExecutor) pool = helper_argv_pool (2, ODD, "sleep", NULL);
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "echo", NULL);

  aiopool_pool_set_start_timeout (AIOPOOL_POOL (pool), 0.5);
  while (aiopool_pool_get_n_workers (AIOPOOL_POOL (pool)) == 0)
    g_usleep (1000);
  helper_shutdown (pool, flags);
  g_assert_true (aiopool_future_is_done (future));
  if (flags == AIOPOOL_SHUTDOWN_DRAIN)
    helper_expect_error (future, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_START_TIMED_OUT);
  else
    helper_expect_cancelled (future);
}

static void
test_shutdown_while_the_worker_starts_ends (void)
{
  shut_down_while_it_starts (AIOPOOL_SHUTDOWN_CANCEL_PENDING);
  shut_down_while_it_starts (AIOPOOL_SHUTDOWN_TERMINATE);
}

static void
test_dropping_the_pool_while_the_worker_starts (void)
{
  g_autoptr (AiopoolFuture) future = NULL;

  {
    g_autoptr (AiopoolExecutor) pool = helper_argv_pool (2, ODD, "sleep", NULL);

    future = helper_submit (pool, "echo", NULL);
  }
  helper_expect_cancelled (future);
}

int
main (int   argc,
      char *argv[])
{
  helper_begin (&argc, &argv);
  helper_add ("/pool/bad-start/missing-program", test_a_missing_program);
  helper_add ("/pool/bad-start/missing-program-in-path", test_a_missing_program_in_the_path);
  helper_add ("/pool/bad-start/not-executable", test_a_file_that_is_not_executable);
  helper_add ("/pool/bad-start/missing-directory", test_a_directory_that_is_not_there);
  helper_add ("/pool/bad-start/missing-plugin", test_a_plugin_that_is_not_there);
  helper_add ("/pool/bad-start/no-module", test_a_plugin_that_is_no_module);
  helper_add ("/pool/bad-start/no-plugin", test_a_module_that_is_no_plugin);
  helper_add ("/pool/bad-start/exits-at-once", test_a_program_that_exits_at_once);
  helper_add ("/pool/bad-start/killed-each-time", test_a_program_that_is_killed_each_time);
  helper_add ("/pool/bad-start/last-lines-are-told",
              test_the_last_lines_of_a_program_that_exits_are_told);
  helper_add ("/pool/bad-start/never-reports", test_a_program_that_never_reports);
  helper_add ("/pool/bad-start/says-garbage", test_a_program_that_says_garbage);
  helper_add ("/pool/bad-start/closes-its-socket", test_a_program_that_closes_its_socket);
  helper_add ("/pool/bad-start/another-version", test_a_program_of_another_version);
  helper_add ("/pool/bad-start/forgot-to-enter", test_a_program_that_forgot_to_enter);
  helper_add ("/pool/bad-start/no-fork-bomb", test_a_program_that_forgot_to_enter_is_no_fork_bomb);
  helper_add ("/pool/bad-start/missing-shim", test_a_missing_shim);
  helper_add ("/pool/bad-start/reports-and-exits", test_a_program_that_reports_and_exits);
  helper_add ("/pool/bad-start/a-later-start-may-succeed", test_a_later_start_may_succeed);
  helper_add ("/pool/bad-start/beside-a-good-worker",
              test_a_bad_start_beside_a_good_worker_fails_nobody);
  helper_add ("/pool/bad-start/cancel-meanwhile", test_cancel_while_the_worker_starts);
  helper_add ("/pool/bad-start/shutdown-meanwhile", test_shutdown_while_the_worker_starts_ends);
  helper_add ("/pool/bad-start/drop-meanwhile", test_dropping_the_pool_while_the_worker_starts);
  return helper_end ();
}
