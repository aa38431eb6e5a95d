/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/pool/helper.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

/* What can be a worker: this program, the stock worker with plug-ins, any program that serves. */

static AiopoolExecutor *
new_plugin_pool (guint max_workers)
{
  const char *plugins[] = { helper_environment ("AIOPOOL_TEST_PLUGIN"), NULL };
  g_autoptr (AiopoolLauncher) launcher = aiopool_launcher_new_for_plugins (plugins);

  return AIOPOOL_EXECUTOR (aiopool_pool_new_with_launcher (max_workers, launcher));
}

static void
expect_it_serves (AiopoolExecutor *pool)
{
  g_autoptr (AiopoolFuture) failing = helper_submit (pool, "fail", "(sis)", "g-io-error-quark",
                                                     (int) G_IO_ERROR_BUSY, "busy");
  g_autoptr (AiopoolFuture) crashing = helper_submit (pool, "leave", "(i)", 4);

  for (guint i = 0; i < 100; i++)
    g_assert_cmpuint (helper_run_echo (pool, i), ==, i);
  helper_expect_error (failing, G_IO_ERROR, G_IO_ERROR_BUSY);
  helper_expect_error (crashing, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_CRASHED);
  g_assert_cmpint (helper_run_pid (pool), !=, getpid ());
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_this_program_serves (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (2);

  expect_it_serves (pool);
}

static void
test_a_plugin_serves (void)
{
  g_autoptr (AiopoolExecutor) pool = new_plugin_pool (2);

  expect_it_serves (pool);
}

static void
test_any_program_serves (void)
{
  g_autoptr (AiopoolExecutor) pool =
    helper_argv_pool (2, helper_environment ("AIOPOOL_TEST_ODD_WORKER"), "serve", NULL);

  expect_it_serves (pool);
}

static void
test_pools_of_all_kinds_run_side_by_side (void)
{
  g_autoptr (AiopoolExecutor) first = helper_pool (1);
  g_autoptr (AiopoolExecutor) second = new_plugin_pool (1);
  g_autoptr (AiopoolExecutor) third =
    helper_argv_pool (1, helper_environment ("AIOPOOL_TEST_ODD_WORKER"), "serve", NULL);
  AiopoolExecutor *pools[] = { first, second, third };
  HelperTally tally = { 0 };

  for (guint i = 0; i < 3000; i++)
    {
      g_autoptr (AiopoolFuture) future = helper_submit (pools[i % 3], "echo", "(u)", i);

      helper_watch (future, &tally);
    }
  helper_await_tally (&tally);
  g_assert_cmpuint (tally.n_done, ==, 3000);
  for (guint i = 0; i < 3; i++)
    helper_shutdown (pools[i], AIOPOOL_SHUTDOWN_DRAIN);
}

static void
expect_string (AiopoolExecutor *pool,
               const char      *function,
               const char      *argument,
               const char      *expected)
{
  g_autoptr (GVariant) result = helper_run (pool, function, "(s)", argument);

  g_assert_cmpstr (g_variant_get_string (result, NULL), ==, expected);
}

static void
test_the_environment_is_as_the_launcher_says (void)
{
  g_autoptr (AiopoolLauncher) launcher = aiopool_launcher_new ();
  g_autoptr (AiopoolExecutor) pool = NULL;

  g_setenv ("HELPER_INHERITED", "from the parent", TRUE);
  g_setenv ("HELPER_REMOVED", "from the parent", TRUE);
  aiopool_launcher_setenv (launcher, "HELPER_ADDED", "a=b");
  aiopool_launcher_setenv (launcher, "HELPER_TWICE", "1");
  aiopool_launcher_setenv (launcher, "HELPER_TWICE", "2");
  aiopool_launcher_unsetenv (launcher, "HELPER_REMOVED");
  pool = AIOPOOL_EXECUTOR (aiopool_pool_new_with_launcher (1, launcher));
  expect_string (pool, "environment", "HELPER_INHERITED", "from the parent");
  expect_string (pool, "environment", "HELPER_REMOVED", "(unset)");
  expect_string (pool, "environment", "HELPER_ADDED", "a=b");
  expect_string (pool, "environment", "HELPER_TWICE", "2");
  expect_string (pool, "environment", "AIOPOOL_WORKER", "(unset)");
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  g_unsetenv ("HELPER_INHERITED");
  g_unsetenv ("HELPER_REMOVED");
}

static void
test_the_directory_is_as_the_launcher_says (void)
{
  g_autofree char *here = g_get_current_dir ();
  g_autoptr (AiopoolLauncher) launcher = aiopool_launcher_new ();
  g_autoptr (AiopoolExecutor) pool = NULL;
  g_autoptr (AiopoolExecutor) other = helper_pool (1);

  aiopool_launcher_set_directory (launcher, "/proc");
  pool = AIOPOOL_EXECUTOR (aiopool_pool_new_with_launcher (1, launcher));
  expect_string (pool, "directory", "", "/proc");
  expect_string (other, "directory", "", here);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  helper_shutdown (other, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
expect_no (AiopoolExecutor *pool,
           const char      *function,
           int              argument)
{
  g_autoptr (GVariant) result = helper_run (pool, function, "(i)", argument);

  g_assert_false (g_variant_get_boolean (result));
}

/* A descriptor without FD_CLOEXEC, and a signal that this process ignores. */
static void
test_descriptors_and_ignored_signals_are_not_inherited (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (AiopoolExecutor) other = new_plugin_pool (1);
  int fd = fcntl (STDERR_FILENO, F_DUPFD, 200);

  g_assert_cmpint (fd, >=, 200);
  signal (SIGUSR1, SIG_IGN);
  expect_no (pool, "has-descriptor", fd);
  expect_no (pool, "ignores-signal", SIGUSR1);
  expect_no (other, "has-descriptor", fd);
  expect_no (other, "ignores-signal", SIGUSR1);
  signal (SIGUSR1, SIG_DFL);
  close (fd);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  helper_shutdown (other, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_launcher_in_use_is_frozen (void)
{
  g_autoptr (AiopoolLauncher) launcher = aiopool_launcher_new ();
  g_autoptr (AiopoolPool) pool = aiopool_pool_new_with_launcher (1, launcher);

  g_assert_true (aiopool_pool_get_launcher (pool) == launcher);
  g_test_expect_message ("aiopool", G_LOG_LEVEL_CRITICAL, "*frozen*");
  aiopool_launcher_set_trusted (launcher, FALSE);
  g_test_assert_expected_messages ();
  g_assert_true (aiopool_launcher_get_trusted (launcher));
}

static void
test_one_launcher_serves_many_pools (void)
{
  g_autoptr (AiopoolLauncher) launcher = aiopool_launcher_new ();

  for (guint i = 0; i < 10; i++)
    {
      g_autoptr (AiopoolPool) pool = aiopool_pool_new_with_launcher (1, launcher);

      g_assert_true (aiopool_pool_get_launcher (pool) == launcher);
      helper_run_echo (AIOPOOL_EXECUTOR (pool), i);
      helper_shutdown (AIOPOOL_EXECUTOR (pool), AIOPOOL_SHUTDOWN_DRAIN);
    }
}

static void
test_this_process_is_no_worker (void)
{
  g_autoptr (AiopoolService) service = aiopool_service_new ();
  g_autoptr (GError) error = NULL;

  g_assert_false (aiopool_service_is_worker ());
  g_assert_false (aiopool_service_run (service, &error));
  g_assert_error (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_NOT_A_WORKER);
}

int
main (int   argc,
      char *argv[])
{
  helper_begin (&argc, &argv);
  helper_add ("/pool/worker-kinds/this-program-serves", test_this_program_serves);
  helper_add ("/pool/worker-kinds/a-plugin-serves", test_a_plugin_serves);
  helper_add ("/pool/worker-kinds/any-program-serves", test_any_program_serves);
  helper_add ("/pool/worker-kinds/all-kinds-side-by-side",
              test_pools_of_all_kinds_run_side_by_side);
  helper_add ("/pool/worker-kinds/the-environment-is-the-launchers",
              test_the_environment_is_as_the_launcher_says);
  helper_add ("/pool/worker-kinds/the-directory-is-the-launchers",
              test_the_directory_is_as_the_launcher_says);
  helper_add ("/pool/worker-kinds/descriptors-and-signals-are-not-inherited",
              test_descriptors_and_ignored_signals_are_not_inherited);
  helper_add ("/pool/worker-kinds/a-launcher-in-use-is-frozen", test_a_launcher_in_use_is_frozen);
  helper_add ("/pool/worker-kinds/one-launcher-serves-many-pools",
              test_one_launcher_serves_many_pools);
  helper_add ("/pool/worker-kinds/this-process-is-no-worker", test_this_process_is_no_worker);
  return helper_end ();
}
