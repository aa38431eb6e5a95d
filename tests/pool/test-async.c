/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/pool/helper.h"

#include <signal.h>

/* Functions that answer later, several at once in one worker. */

static void
echo_many (AiopoolExecutor *pool,
           const char      *function)
{
  g_autoptr (GPtrArray) futures = g_ptr_array_new_with_free_func (g_object_unref);

  for (guint i = 0; i < 500; i++)
    g_ptr_array_add (futures, helper_submit (pool, function, "(u)", i));
  for (guint i = 0; i < futures->len; i++)
    {
      g_autoptr (GVariant) result = helper_collect (g_ptr_array_index (futures, i));
      guint number;

      g_variant_get (result, "(u)", &number);
      g_assert_cmpuint (number, ==, i);
    }
}

static void
test_each_answer_finds_its_task (void)
{
  static const char *functions[] = { "echo-later", "echo-from-thread", "echo" };

  for (guint limit = 1; limit <= 64; limit *= 8)
    {
      g_autoptr (AiopoolExecutor) pool = helper_async_pool (1, limit);

      for (guint i = 0; i < G_N_ELEMENTS (functions); i++)
        echo_many (pool, functions[i]);
      helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
    }
}

/* They answer only when all of them are under way. */
static void
test_one_worker_runs_as_many_as_allowed (void)
{
  static const guint limits[] = { 1, 2, 10, 100, 512 };

  for (guint i = 0; i < G_N_ELEMENTS (limits); i++)
    {
      g_autoptr (AiopoolExecutor) pool = helper_async_pool (1, limits[i]);
      g_autoptr (GPtrArray) futures = g_ptr_array_new_with_free_func (g_object_unref);

      for (guint j = 0; j < 2 * limits[i]; j++)
        g_ptr_array_add (futures, helper_submit (pool, "gather", "(u)", limits[i]));
      for (guint j = 0; j < futures->len; j++)
        {
          g_autoptr (GVariant) result = helper_collect (g_ptr_array_index (futures, j));

          g_assert_cmpuint (g_variant_get_uint32 (result), ==, limits[i]);
        }
      g_assert_cmpuint (aiopool_pool_get_n_workers (AIOPOOL_POOL (pool)), ==, 1);
      helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
    }
}

static void
test_one_worker_runs_no_more_than_allowed (void)
{
  static const guint limits[] = { 1, 3, 16 };

  for (guint i = 0; i < G_N_ELEMENTS (limits); i++)
    {
      g_autoptr (AiopoolExecutor) pool = helper_async_pool (1, limits[i]);
      g_autoptr (GPtrArray) futures = g_ptr_array_new_with_free_func (g_object_unref);

      for (guint j = 0; j < 100; j++)
        g_ptr_array_add (futures, helper_submit (pool, "count-at-once", NULL));
      for (guint j = 0; j < futures->len; j++)
        {
          g_autoptr (GVariant) result = helper_collect (g_ptr_array_index (futures, j));

          g_assert_cmpint (g_variant_get_int32 (result), <=, limits[i]);
        }
      helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
    }
}

static void
test_all_that_run_at_once_are_counted (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_async_pool (1, 4);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (GPtrArray) futures = g_ptr_array_new_with_free_func (g_object_unref);

  for (guint i = 0; i < 6; i++)
    {
      AiopoolTask *task = helper_gate_task (gate, "obey");

      g_object_set (task, "function", "wait-for-cancel", NULL);
      g_ptr_array_add (futures, helper_submit_task (pool, task));
    }
  helper_gate_await (gate, 4);
  g_assert_cmpuint (aiopool_executor_get_n_running (pool), ==, 4);
  g_assert_cmpuint (aiopool_executor_get_n_pending (pool), ==, 2);
  for (guint i = 0; i < 4; i++)
    aiopool_future_cancel (g_ptr_array_index (futures, i), AIOPOOL_CANCEL_COOPERATIVE);
  for (guint i = 0; i < 4; i++)
    helper_expect_cancelled (g_ptr_array_index (futures, i));
  helper_gate_await (gate, 2);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_TERMINATE);
  helper_expect_cancelled (g_ptr_array_index (futures, 5));
}

static void
test_a_cancel_reaches_its_own_call (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_async_pool (1, 8);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (GPtrArray) futures = g_ptr_array_new_with_free_func (g_object_unref);
  int pid = helper_run_pid (pool);

  for (guint i = 0; i < 8; i++)
    {
      AiopoolTask *task = helper_gate_task (gate, "obey");

      g_object_set (task, "function", "wait-for-cancel", NULL);
      g_ptr_array_add (futures, helper_submit_task (pool, task));
    }
  helper_gate_await (gate, 8);
  for (guint i = 0; i < 8; i++)
    {
      AiopoolFuture *future = g_ptr_array_index (futures, (i * 3) % 8);

      g_assert_false (aiopool_future_is_done (future));
      aiopool_future_cancel (future, i % 2 ? AIOPOOL_CANCEL_COOPERATIVE : AIOPOOL_CANCEL_FORCE);
      helper_expect_cancelled (future);
    }
  g_assert_cmpint (helper_run_pid (pool), ==, pid);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_dropped_call_fails (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_async_pool (1, 2);
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "drop", NULL);

  helper_expect_error (future, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_FAILED);
  helper_expect_message (future, "drop");
  helper_run_echo (pool, 1);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_the_first_answer_counts (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_async_pool (1, 2);

  for (guint i = 0; i < 10; i++)
    {
      g_autoptr (GVariant) result = helper_run (pool, "answer-twice", NULL);

      g_assert_cmpstr (g_variant_get_string (result, NULL), ==, "first");
    }
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_crash_fails_all_that_ran_and_no_other (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_async_pool (1, 4);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (GPtrArray) running = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (GPtrArray) waiting = g_ptr_array_new_with_free_func (g_object_unref);

  for (guint i = 0; i < 4; i++)
    {
      AiopoolTask *task = helper_gate_task (gate, "obey");

      g_object_set (task, "function", "wait-for-cancel", NULL);
      g_ptr_array_add (running, helper_submit_task (pool, task));
    }
  helper_gate_await (gate, 4);
  for (guint i = 0; i < 20; i++)
    g_ptr_array_add (waiting, helper_submit (pool, "echo-later", NULL));
  kill (aiopool_future_get_worker_pid (g_ptr_array_index (running, 0)), SIGKILL);
  for (guint i = 0; i < 4; i++)
    helper_expect_error (g_ptr_array_index (running, i), AIOPOOL_TASK_ERROR,
                         AIOPOOL_TASK_ERROR_CRASHED);
  for (guint i = 0; i < 20; i++)
    g_variant_unref (helper_collect (g_ptr_array_index (waiting, i)));
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_drain_waits_for_answers_that_come_later (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_async_pool (2, 16);
  HelperTally tally = { 0 };

  for (guint i = 0; i < 300; i++)
    {
      g_autoptr (AiopoolFuture) future =
        helper_submit (pool, i % 2 ? "echo-later" : "echo-from-thread", NULL);

      helper_watch (future, &tally);
    }
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  helper_await_tally (&tally);
  g_assert_cmpuint (tally.n_done, ==, 300);
}

static void
test_a_timed_out_call_leaves_the_others_alone (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_async_pool (1, 4);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  AiopoolTask *task = helper_gate_task (gate, "obey");
  g_autoptr (AiopoolFuture) future = NULL;

  g_object_set (task, "function", "wait-for-cancel", "timeout", 0.1, NULL);
  future = helper_submit_task (pool, task);
  helper_gate_await (gate, 1);
  echo_many (pool, "echo-later");
  helper_expect_error (future, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_TIMED_OUT);
  echo_many (pool, "echo-later");
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

int
main (int   argc,
      char *argv[])
{
  helper_begin (&argc, &argv);
  helper_add ("/pool/async/each-answer-finds-its-task", test_each_answer_finds_its_task);
  helper_add ("/pool/async/one-worker-runs-as-many-as-allowed",
              test_one_worker_runs_as_many_as_allowed);
  helper_add ("/pool/async/one-worker-runs-no-more-than-allowed",
              test_one_worker_runs_no_more_than_allowed);
  helper_add ("/pool/async/all-at-once-are-counted", test_all_that_run_at_once_are_counted);
  helper_add ("/pool/async/a-cancel-reaches-its-own-call", test_a_cancel_reaches_its_own_call);
  helper_add ("/pool/async/a-dropped-call-fails", test_a_dropped_call_fails);
  helper_add ("/pool/async/the-first-answer-counts", test_the_first_answer_counts);
  helper_add ("/pool/async/a-crash-fails-all-that-ran",
              test_a_crash_fails_all_that_ran_and_no_other);
  helper_add ("/pool/async/drain-waits-for-late-answers",
              test_drain_waits_for_answers_that_come_later);
  helper_add ("/pool/async/a-timeout-leaves-the-others-alone",
              test_a_timed_out_call_leaves_the_others_alone);
  return helper_end ();
}
