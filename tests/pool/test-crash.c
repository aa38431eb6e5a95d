/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/pool/helper.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

/* A worker that crashes fails its own task only, and nothing runs twice. */

static void
test_a_signal_is_told (void)
{
  static const struct { int number; const char *text; } signals[] = {
    { SIGKILL, "signal 9" }, { SIGSEGV, "signal 11" }, { SIGABRT, "signal 6" },
    { SIGTERM, "signal 15" },
  };
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);

  for (guint i = 0; i < G_N_ELEMENTS (signals); i++)
    {
      int pid = helper_run_pid (pool);
      g_autoptr (AiopoolFuture) future = helper_submit (pool, "crash", "(i)", signals[i].number);

      helper_expect_crash (future, signals[i].text);
      g_assert_cmpint (aiopool_future_get_worker_pid (future), ==, pid);
      g_assert_cmpfloat (aiopool_future_get_started_at (future), >, 0);
      g_assert_cmpint (helper_run_pid (pool), !=, pid);
    }
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_an_exit_status_is_told_even_if_it_is_zero (void)
{
  static const struct { int status; const char *text; } ends[] = {
    { 0, "exit status 0" }, { 3, "exit status 3" }, { 255, "exit status 255" }
  };
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);

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
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (AiopoolFuture) future = NULL;
  AiopoolErrorInfo *info;

  for (guint i = 0; i < 5000; i++)
    g_string_append_printf (text, "line %u of many\n", i);
  future = helper_submit (pool, "complain", "(^ay)", text->str);
  helper_expect_crash (future, "line 4999 of many");
  helper_expect_message (future, "line 4990 of many");
  g_assert_null (strstr (aiopool_future_get_error (future)->message, "line 4989 of many"));
  info = aiopool_future_get_error_info (future);
  g_assert_nonnull (strstr (aiopool_error_info_get_traceback (info), "line 4999 of many"));
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_standard_error_need_not_be_text (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "complain", "(^ay)", "a\xff\xfe" "b");

  helper_expect_crash (future, "b");
  g_assert_true (g_utf8_validate (aiopool_future_get_error (future)->message, -1, NULL));
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_other_tasks_are_unhurt (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (2);
  HelperTally tally = { 0 };

  for (guint i = 0; i < 500; i++)
    {
      g_autoptr (AiopoolFuture) future = i % 25 == 3
                                           ? helper_submit (pool, "crash", "(i)", SIGKILL)
                                           : helper_submit (pool, "echo", "(u)", i);

      helper_watch (future, &tally);
    }
  helper_await_tally (&tally);
  g_assert_cmpuint (tally.n_failed, ==, 20);
  g_assert_cmpuint (tally.n_done, ==, 480);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_nothing_runs_twice (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (3);
  g_autofree char *path = helper_marks_new ();
  g_autoptr (GPtrArray) futures = g_ptr_array_new_with_free_func (g_object_unref);
  g_autofree guint *counts = NULL;
  const guint n = 500;

  for (guint i = 0; i < n; i++)
    g_ptr_array_add (futures, helper_submit (pool, "mark", "(sui)", path, i,
                                             i % 17 == 5 ? SIGKILL : 0));
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  counts = helper_marks_count (path, n);
  for (guint i = 0; i < n; i++)
    {
      AiopoolFuture *future = g_ptr_array_index (futures, i);

      g_assert_cmpuint (counts[i], ==, 1);
      if (i % 17 == 5)
        helper_expect_crash (future, "signal 9");
      else
        g_assert_cmpint (aiopool_future_get_state (future), ==, AIOPOOL_FUTURE_DONE);
    }
}

static void
kill_a_worker (AiopoolExecutor *pool,
               guint            number)
{
  GListModel *workers = aiopool_pool_get_workers (AIOPOOL_POOL (pool));
  guint n = g_list_model_get_n_items (workers);
  g_autoptr (AiopoolWorker) worker = n > 0 ? g_list_model_get_item (workers, number % n) : NULL;

  if (worker != NULL && aiopool_worker_get_pid (worker) > 0 &&
      aiopool_worker_get_state (worker) != AIOPOOL_WORKER_DEAD)
    kill (aiopool_worker_get_pid (worker), SIGKILL);
}

/* From outside, at any moment: starting, idle, busy, between two tasks. */
static void
test_killed_workers_lose_only_what_they_ran (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (2);
  g_autofree char *path = helper_marks_new ();
  g_autoptr (GPtrArray) futures = g_ptr_array_new_with_free_func (g_object_unref);
  g_autofree guint *counts = NULL;
  HelperTally tally = { 0 };
  const guint n = 1000;

  for (guint i = 0; i < n; i++)
    {
      AiopoolFuture *future = helper_submit (pool, "mark", "(sui)", path, i, 0);

      g_ptr_array_add (futures, future);
      helper_watch (future, &tally);
      g_main_context_iteration (NULL, FALSE);
      if (i % 20 == 19)
        kill_a_worker (pool, i / 20);
      if (i % 100 == 99)
        helper_wait (future);
    }
  helper_await_tally (&tally);
  helper_run_echo (pool, 1);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  g_assert_cmpuint (tally.n_cancelled, ==, 0);
  g_test_message ("%u done, %u failed", tally.n_done, tally.n_failed);
  counts = helper_marks_count (path, n);
  for (guint i = 0; i < n; i++)
    {
      AiopoolFuture *future = g_ptr_array_index (futures, i);

      g_assert_cmpuint (counts[i], <=, 1);
      if (aiopool_future_get_state (future) == AIOPOOL_FUTURE_DONE)
        g_assert_cmpuint (counts[i], ==, 1);
      else
        helper_expect_crash (future, "signal 9");
    }
}

static void
test_finished_results_survive_the_crash_of_the_next_task (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);

  for (guint round = 0; round < 40; round++)
    {
      g_autoptr (GPtrArray) futures = g_ptr_array_new_with_free_func (g_object_unref);
      g_autoptr (AiopoolFuture) crashing = NULL;

      for (guint i = 0; i < 20; i++)
        g_ptr_array_add (futures, helper_submit (pool, "echo", "(u)", i));
      crashing = helper_submit (pool, "crash", "(i)", SIGKILL);
      for (guint i = 0; i < futures->len; i++)
        g_variant_unref (helper_collect (g_ptr_array_index (futures, i)));
      helper_expect_crash (crashing, "signal 9");
    }
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_retries_run_it_again_and_are_counted (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autofree char *path = helper_marks_new ();
  g_autofree guint *counts = NULL;
  AiopoolTask *task = helper_task ("mark", "(sui)", path, 0, SIGKILL);
  g_autoptr (AiopoolFuture) future = NULL;

  aiopool_task_set_retries (task, 3);
  future = helper_submit_task (pool, task);
  helper_expect_crash (future, "signal 9");
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  counts = helper_marks_count (path, 1);
  g_assert_cmpuint (counts[0], ==, 4);
}

static void
test_an_idle_worker_that_dies_is_replaced_and_nobody_notices (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);

  for (guint i = 0; i < 20; i++)
    {
      int pid = helper_run_pid (pool);

      kill (pid, SIGKILL);
      helper_await_end (pid);
      g_assert_cmpint (helper_run_pid (pool), !=, pid);
    }
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_worker_that_closes_its_descriptors_is_killed (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  int pid = helper_run_pid (pool);
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "close-all", NULL);

  helper_expect_crash (future, "killed");
  helper_await_end (pid);
  helper_run_echo (pool, 1);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_child_that_holds_the_sockets_hides_no_death (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "leave-child", "(i)", SIGKILL);

  helper_expect_crash (future, "signal 9");
  helper_run_echo (pool, 1);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* That it is gone is what every test here ends with. */
static void
test_a_child_of_a_task_goes_with_its_worker (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);

  g_variant_unref (helper_run (pool, "leave-child", "(i)", 0));
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_crash_during_a_large_argument_fails_alone (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (GPtrArray) futures = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (GBytes) bytes = g_bytes_new_take (g_malloc0 (16 << 20), 16 << 20);
  guint n_crashed = 0;

  for (guint i = 0; i < 20; i++)
    {
      g_ptr_array_add (futures, helper_submit (pool, "crash", "(i)", SIGKILL));
      g_ptr_array_add (futures,
                       helper_submit_task (pool,
                                           aiopool_task_new_for_payload ("echo", bytes,
                                                                         AIOPOOL_FORMAT_RAW)));
    }
  for (guint i = 0; i < futures->len; i++)
    {
      AiopoolFuture *future = g_ptr_array_index (futures, i);

      helper_wait (future);
      n_crashed += aiopool_future_get_state (future) == AIOPOOL_FUTURE_FAILED;
    }
  g_assert_cmpuint (n_crashed, ==, 20);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_everybody_crashes_and_the_pool_goes_on (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (3);
  HelperTally tally = { 0 };

  for (guint i = 0; i < 60; i++)
    {
      g_autoptr (AiopoolFuture) future = helper_submit (pool, "leave", "(i)", 1);

      helper_watch (future, &tally);
    }
  helper_await_tally (&tally);
  g_assert_cmpuint (tally.n_failed, ==, 60);
  helper_run_echo (pool, 1);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_crash_during_shutdown_ends_it (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (2);
  HelperTally tally = { 0 };

  for (guint i = 0; i < 40; i++)
    {
      g_autoptr (AiopoolFuture) future = helper_submit (pool, i % 2 ? "leave" : "echo", "(i)", 1);

      helper_watch (future, &tally);
    }
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  helper_await_tally (&tally);
  g_assert_cmpuint (tally.n_failed, ==, 20);
  g_assert_cmpuint (tally.n_done, ==, 20);
}

static void
kill_parent (const char *function)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) parent =
    g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error,
                      helper_environment ("AIOPOOL_TEST_ODD_WORKER"), "parent", function, NULL);
  g_autoptr (GDataInputStream) output = NULL;
  g_autofree char *pid = NULL;
  g_autofree char *ready = NULL;

  g_assert_no_error (error);
  output = g_data_input_stream_new (g_subprocess_get_stdout_pipe (parent));
  pid = g_data_input_stream_read_line_utf8 (output, NULL, NULL, NULL);
  ready = g_data_input_stream_read_line_utf8 (output, NULL, NULL, NULL);
  g_assert_cmpstr (ready, ==, "ready");
  g_assert_true (helper_is_alive (atoi (pid)));
  g_subprocess_send_signal (parent, SIGKILL);
  helper_await_end (atoi (pid));
  g_assert_true (g_subprocess_wait (parent, NULL, NULL));
}

static void
test_workers_go_with_their_parent (void)
{
  kill_parent ("echo");
  kill_parent ("nap");
  kill_parent ("spin");
  kill_parent ("stop");
}

int
main (int   argc,
      char *argv[])
{
  helper_begin (&argc, &argv);
  helper_add ("/pool/crash/a-signal-is-told", test_a_signal_is_told);
  helper_add ("/pool/crash/an-exit-status-is-told-even-zero",
              test_an_exit_status_is_told_even_if_it_is_zero);
  helper_add ("/pool/crash/the-last-lines-of-stderr-are-told",
              test_the_last_lines_of_standard_error_are_told);
  helper_add ("/pool/crash/stderr-need-not-be-text", test_standard_error_need_not_be_text);
  helper_add ("/pool/crash/other-tasks-are-unhurt", test_other_tasks_are_unhurt);
  helper_add ("/pool/crash/nothing-runs-twice", test_nothing_runs_twice);
  helper_add ("/pool/crash/killed-workers-lose-only-what-they-ran",
              test_killed_workers_lose_only_what_they_ran);
  helper_add ("/pool/crash/finished-results-survive",
              test_finished_results_survive_the_crash_of_the_next_task);
  helper_add ("/pool/crash/retries-are-counted", test_retries_run_it_again_and_are_counted);
  helper_add ("/pool/crash/an-idle-worker-is-replaced",
              test_an_idle_worker_that_dies_is_replaced_and_nobody_notices);
  helper_add ("/pool/crash/a-worker-that-closes-its-descriptors-is-killed",
              test_a_worker_that_closes_its_descriptors_is_killed);
  helper_add ("/pool/crash/a-child-hides-no-death",
              test_a_child_that_holds_the_sockets_hides_no_death);
  helper_add ("/pool/crash/a-child-goes-with-its-worker",
              test_a_child_of_a_task_goes_with_its_worker);
  helper_add ("/pool/crash/during-a-large-argument",
              test_a_crash_during_a_large_argument_fails_alone);
  helper_add ("/pool/crash/everybody-crashes-and-the-pool-goes-on",
              test_everybody_crashes_and_the_pool_goes_on);
  helper_add ("/pool/crash/workers-go-with-their-parent", test_workers_go_with_their_parent);
  helper_add ("/pool/crash/during-shutdown", test_a_crash_during_shutdown_ends_it);
  return helper_end ();
}
