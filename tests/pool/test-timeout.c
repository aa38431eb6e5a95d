/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/pool/helper.h"

#include <math.h>

/* Timeouts of tasks: while they run, and while they wait. */

static AiopoolTask *
with_timeout (AiopoolTask *task,
              double       timeout)
{
  aiopool_task_set_timeout (task, timeout);
  return task;
}

static AiopoolTask *
with_queue_timeout (AiopoolTask *task,
                    double       timeout)
{
  aiopool_task_set_queue_timeout (task, timeout);
  return task;
}

static void
expect_timed_out (AiopoolFuture *future)
{
  helper_expect_error (future, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_TIMED_OUT);
}

static void
expect_queue_timed_out (AiopoolFuture *future)
{
  helper_expect_error (future, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_QUEUE_TIMED_OUT);
  g_assert_cmpfloat (aiopool_future_get_started_at (future), ==, 0);
  g_assert_cmpfloat (aiopool_future_get_run_time (future), ==, 0);
  g_assert_cmpint (aiopool_future_get_worker_pid (future), ==, 0);
}

static void
test_a_task_in_time_is_not_touched (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  AiopoolTask *task = with_queue_timeout (helper_task ("echo", NULL), HELPER_LONG);
  g_autoptr (AiopoolFuture) future = helper_submit_task (pool, with_timeout (task, HELPER_LONG));

  g_variant_unref (helper_collect (future));
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
time_out (const char *mode,
          gboolean    is_spared)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  int pid = helper_run_pid (pool);
  AiopoolTask *task = with_timeout (helper_gate_task (gate, mode), 0.1);
  g_autoptr (AiopoolFuture) future = helper_submit_task (pool, task);
  g_autoptr (AiopoolFuture) next = helper_submit (pool, "echo", NULL);

  helper_gate_await (gate, 1);
  expect_timed_out (future);
  helper_expect_message (future, "0.1 seconds");
  g_assert_cmpfloat (aiopool_future_get_run_time (future), >=, 0.1);
  g_assert_cmpint (aiopool_future_get_worker_pid (future), ==, pid);
  g_variant_unref (helper_collect (next));
  g_assert_true ((helper_run_pid (pool) == pid) == is_spared);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_task_that_obeys_keeps_its_worker (void)
{
  time_out ("obey", TRUE);
}

static void
test_a_task_that_never_looks_loses_its_worker (void)
{
  time_out ("deaf", FALSE);
}

static void
test_a_task_that_ignores_sigterm_loses_its_worker (void)
{
  time_out ("stubborn", FALSE);
}

static void
test_the_timeout_counts_from_the_start (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (AiopoolFuture) sent = NULL;
  g_autoptr (AiopoolFuture) queued = NULL;

  helper_gate_occupy (gate, pool);
  sent = helper_submit_task (pool, with_timeout (helper_task ("nap", "(d)", 0.01), 0.2));
  queued = helper_submit_task (pool, with_timeout (helper_task ("nap", "(d)", 0.01), 0.2));
  g_assert_false (aiopool_future_wait (sent, 0.5));
  g_assert_false (aiopool_future_is_done (queued));
  helper_gate_open (gate);
  g_variant_unref (helper_collect (sent));
  g_variant_unref (helper_collect (queued));
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_the_function_knows_how_much_time_is_left (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  AiopoolTask *task = with_timeout (helper_task ("time-left", NULL), 1000);
  g_autoptr (AiopoolFuture) future = helper_submit_task (pool, task);
  g_autoptr (GVariant) limited = helper_collect (future);
  g_autoptr (GVariant) unlimited = helper_run (pool, "time-left", NULL);

  g_assert_cmpfloat (g_variant_get_double (limited), <=, 1000);
  g_assert_cmpfloat (g_variant_get_double (limited), >, 1000 - HELPER_LONG);
  g_assert_cmpfloat (g_variant_get_double (unlimited), ==, -1);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* One that is with the worker already and others that are not. */
static void
test_waiting_tasks_time_out_in_the_queue_and_never_run (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (AiopoolFuture) running = helper_gate_submit (gate, pool, "deaf");
  g_autoptr (GPtrArray) futures = g_ptr_array_new_with_free_func (g_object_unref);
  g_autofree char *path = helper_marks_new ();
  g_autofree guint *counts = NULL;

  helper_gate_await (gate, 1);
  for (guint i = 0; i < 10; i++)
    {
      AiopoolTask *task = helper_task ("mark", "(sui)", path, i, 0);

      g_ptr_array_add (futures, helper_submit_task (pool, with_queue_timeout (task, 0.05)));
    }
  for (guint i = 0; i < 10; i++)
    {
      expect_queue_timed_out (g_ptr_array_index (futures, i));
      g_assert_cmpfloat (aiopool_future_get_queue_time (g_ptr_array_index (futures, i)), >=, 0.05);
    }
  g_assert_cmpint (aiopool_future_get_state (running), ==, AIOPOOL_FUTURE_RUNNING);
  helper_gate_open (gate);
  helper_run_echo (pool, 1);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  counts = helper_marks_count (path, 10);
  for (guint i = 0; i < 10; i++)
    g_assert_cmpuint (counts[i], ==, 0);
}

static void
test_the_queue_timeout_does_not_touch_a_running_task (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (AiopoolFuture) future = NULL;
  AiopoolTask *task = helper_gate_task (gate, "deaf");

  helper_run_echo (pool, 1);
  future = helper_submit_task (pool, with_queue_timeout (task, 1.0));
  helper_gate_await (gate, 1);
  g_assert_false (aiopool_future_wait (future, 1.5));
  helper_gate_open (gate);
  g_variant_unref (helper_collect (future));
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_the_queue_timeout_holds_while_no_worker_reports (void)
{
  g_autofree char *odd = g_strdup (helper_environment ("AIOPOOL_TEST_ODD_WORKER"));
  g_autoptr (AiopoolExecutor) pool = helper_argv_pool (1, odd, "sleep", NULL);
  AiopoolTask *task = with_queue_timeout (helper_task ("echo", NULL), 0.1);
  g_autoptr (AiopoolFuture) future = helper_submit_task (pool, task);

  expect_queue_timed_out (future);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_TERMINATE);
}

static void
test_both_timeouts_of_one_task_hold (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  AiopoolTask *task = with_timeout (helper_gate_task (gate, "obey"), 0.1);
  g_autoptr (AiopoolFuture) future = helper_submit_task (pool, with_queue_timeout (task, 20));

  expect_timed_out (future);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_absurd_timeouts_are_none (void)
{
  static const double timeouts[] = { G_MAXDOUBLE, INFINITY, 1e12 };
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);

  for (guint i = 0; i < G_N_ELEMENTS (timeouts); i++)
    {
      AiopoolTask *task = with_timeout (helper_task ("echo", NULL), timeouts[i]);
      g_autoptr (AiopoolFuture) future =
        helper_submit_task (pool, with_queue_timeout (task, timeouts[i]));

      g_variant_unref (helper_collect (future));
    }
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_timeout_below_zero_is_refused (void)
{
  g_autoptr (AiopoolTask) task = helper_task ("echo", NULL);

  g_test_expect_message ("aiopool", G_LOG_LEVEL_CRITICAL, "*timeout*");
  aiopool_task_set_timeout (task, -1);
  g_test_assert_expected_messages ();
  g_assert_cmpfloat (aiopool_task_get_timeout (task), ==, 0);
}

static void
test_a_timeout_races_with_the_result (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (2);
  HelperTally tally = { 0 };

  for (guint i = 0; i < 2000; i++)
    {
      AiopoolTask *task = helper_task (i % 8 == 0 ? "nap" : "echo", "(d)", 0.0004);
      g_autoptr (AiopoolFuture) future =
        helper_submit_task (pool, with_timeout (task, 0.0001 + 0.0001 * (i % 5)));

      helper_watch (future, &tally);
      if (i % 50 == 0)
        aiopool_future_wait (future, HELPER_LONG);
      g_main_context_iteration (NULL, FALSE);
    }
  helper_await_tally (&tally);
  g_assert_cmpuint (tally.n_cancelled, ==, 0);
  g_test_message ("%u done, %u failed", tally.n_done, tally.n_failed);
  helper_run_echo (pool, 1);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_queue_timeout_races_with_the_start (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (2);
  g_autofree char *path = helper_marks_new ();
  g_autofree guint *counts = NULL;
  g_autoptr (GPtrArray) futures = g_ptr_array_new_with_free_func (g_object_unref);
  HelperTally tally = { 0 };
  const guint n = 4000;

  for (guint i = 0; i < n; i++)
    {
      AiopoolTask *task = helper_task ("mark", "(sui)", path, i, 0);
      AiopoolFuture *future =
        helper_submit_task (pool, with_queue_timeout (task, 0.00002 * (1 + i % 100)));

      g_ptr_array_add (futures, future);
      helper_watch (future, &tally);
    }
  helper_await_tally (&tally);
  g_assert_cmpuint (tally.n_cancelled, ==, 0);
  g_test_message ("%u done, %u failed", tally.n_done, tally.n_failed);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  counts = helper_marks_count (path, n);
  for (guint i = 0; i < n; i++)
    g_assert_cmpuint (counts[i], ==,
                      aiopool_future_get_state (g_ptr_array_index (futures, i)) ==
                        AIOPOOL_FUTURE_DONE);
}

int
main (int   argc,
      char *argv[])
{
  helper_begin (&argc, &argv);
  helper_add ("/pool/timeout/in-time-is-not-touched", test_a_task_in_time_is_not_touched);
  helper_add ("/pool/timeout/a-task-that-obeys-keeps-its-worker",
              test_a_task_that_obeys_keeps_its_worker);
  helper_add ("/pool/timeout/a-task-that-never-looks-loses-its-worker",
              test_a_task_that_never_looks_loses_its_worker);
  helper_add ("/pool/timeout/a-task-that-ignores-sigterm-loses-its-worker",
              test_a_task_that_ignores_sigterm_loses_its_worker);
  helper_add ("/pool/timeout/counts-from-the-start", test_the_timeout_counts_from_the_start);
  helper_add ("/pool/timeout/the-function-knows-what-is-left",
              test_the_function_knows_how_much_time_is_left);
  helper_add ("/pool/timeout/waiting-tasks-never-run",
              test_waiting_tasks_time_out_in_the_queue_and_never_run);
  helper_add ("/pool/timeout/queue-timeout-does-not-touch-a-running-task",
              test_the_queue_timeout_does_not_touch_a_running_task);
  helper_add ("/pool/timeout/queue-timeout-holds-without-a-worker",
              test_the_queue_timeout_holds_while_no_worker_reports);
  helper_add ("/pool/timeout/both-of-one-task-hold", test_both_timeouts_of_one_task_hold);
  helper_add ("/pool/timeout/absurd-ones-are-none", test_absurd_timeouts_are_none);
  helper_add ("/pool/timeout/below-zero-is-refused", test_a_timeout_below_zero_is_refused);
  helper_add ("/pool/timeout/races-with-the-result", test_a_timeout_races_with_the_result);
  helper_add ("/pool/timeout/queue-timeout-races-with-the-start",
              test_a_queue_timeout_races_with_the_start);
  return helper_end ();
}
