/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/pool/helper.h"

#include <signal.h>

/* Cancel with three strengths, at four moments, and against everything else that ends a task. */

static void
test_a_task_without_a_worker_is_cancelled_by_all_modes (void)
{
  static const AiopoolCancelMode modes[] = {
    AIOPOOL_CANCEL_PENDING, AIOPOOL_CANCEL_COOPERATIVE, AIOPOOL_CANCEL_FORCE
  };
  g_autoptr (AiopoolExecutor) pool = /* whose worker never reports */
    helper_argv_pool (1, helper_environment ("AIOPOOL_TEST_ODD_WORKER"), "sleep", NULL);
  g_autofree char *path = helper_marks_new ();
  g_autofree guint *counts = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (modes); i++)
    {
      g_autoptr (AiopoolFuture) future = helper_submit (pool, "mark", "(sui)", path, 0, 0);

      g_assert_true (aiopool_future_cancel (future, modes[i]));
      g_assert_true (aiopool_future_is_done (future));
      helper_expect_cancelled (future);
      g_assert_cmpfloat (aiopool_future_get_started_at (future), ==, 0);
      g_assert_cmpint (aiopool_future_get_worker_pid (future), ==, 0);
    }
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  counts = helper_marks_count (path, 1);
  g_assert_cmpuint (counts[0], ==, 0);
}

static void
test_tasks_behind_a_running_one_are_cancelled (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (GPtrArray) futures = g_ptr_array_new_with_free_func (g_object_unref);
  g_autofree char *path = helper_marks_new ();
  g_autofree guint *counts = NULL;

  helper_gate_occupy (gate, pool);
  for (guint i = 0; i < 20; i++)
    g_ptr_array_add (futures, helper_submit (pool, "mark", "(sui)", path, i, 0));
  for (guint i = 0; i < 20; i += 2)
    g_assert_true (aiopool_future_cancel (g_ptr_array_index (futures, i),
                                          AIOPOOL_CANCEL_PENDING));
  helper_gate_open (gate);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  counts = helper_marks_count (path, 20);
  for (guint i = 0; i < 20; i++)
    {
      g_assert_cmpuint (counts[i], ==, i % 2);
      g_assert_cmpint (aiopool_future_get_state (g_ptr_array_index (futures, i)), ==,
                       i % 2 ? AIOPOOL_FUTURE_DONE : AIOPOOL_FUTURE_CANCELLED);
    }
}

static void
test_cancel_pending_leaves_a_running_task_alone (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (AiopoolFuture) future = helper_gate_submit (gate, pool, "obey");
  g_autoptr (GVariant) result = NULL;

  helper_gate_await (gate, 1);
  g_assert_false (aiopool_future_cancel (future, AIOPOOL_CANCEL_PENDING));
  helper_gate_open (gate);
  result = helper_collect (future);
  g_assert_cmpstr (g_variant_get_string (result, NULL), ==, "open");
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_told_task_may_end_with_an_error (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  int pid = helper_run_pid (pool);
  g_autoptr (AiopoolFuture) future = helper_gate_submit (gate, pool, "obey");

  helper_gate_await (gate, 1);
  g_assert_true (aiopool_future_cancel (future, AIOPOOL_CANCEL_COOPERATIVE));
  helper_expect_cancelled (future);
  g_assert_cmpint (aiopool_future_get_worker_pid (future), ==, pid);
  g_assert_cmpint (helper_run_pid (pool), ==, pid);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_told_task_may_end_with_a_result (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (AiopoolFuture) future = helper_gate_submit (gate, pool, "tell");
  g_autoptr (GVariant) result = NULL;

  helper_gate_await (gate, 1);
  g_assert_true (aiopool_future_cancel (future, AIOPOOL_CANCEL_COOPERATIVE));
  result = helper_collect (future);
  g_assert_cmpstr (g_variant_get_string (result, NULL), ==, "told");
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_told_task_may_go_on_for_ever (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (AiopoolFuture) future = helper_gate_submit (gate, pool, "deaf");

  helper_gate_await (gate, 1);
  g_assert_true (aiopool_future_cancel (future, AIOPOOL_CANCEL_COOPERATIVE));
  g_assert_false (aiopool_future_wait (future, 1.0)); /* longer than the grace period */
  helper_gate_open (gate);
  g_variant_unref (helper_collect (future));
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_force_ends_the_future_at_once_and_spares_a_worker_that_obeys (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  int pid = helper_run_pid (pool);
  g_autoptr (AiopoolFuture) future = helper_gate_submit (gate, pool, "obey");

  helper_gate_await (gate, 1);
  g_assert_true (aiopool_future_cancel (future, AIOPOOL_CANCEL_FORCE));
  g_assert_true (aiopool_future_is_done (future));
  helper_expect_cancelled (future);
  g_assert_cmpint (helper_run_pid (pool), ==, pid);
  g_assert_cmpint (aiopool_future_get_worker_pid (future), ==, pid);
  g_assert_cmpfloat (aiopool_future_get_started_at (future), >, 0);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* The worker of a task that does not end is replaced. */
static void
force_in_vain (const char *mode)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  int pid = helper_run_pid (pool);
  g_autoptr (AiopoolFuture) future = helper_gate_submit (gate, pool, mode);
  g_autoptr (AiopoolFuture) next = helper_submit (pool, "echo", NULL);

  helper_gate_await (gate, 1);
  g_assert_true (aiopool_future_cancel (future, AIOPOOL_CANCEL_FORCE));
  helper_expect_cancelled (future);
  helper_wait (next);
  g_assert_cmpint (aiopool_future_get_state (next), ==, AIOPOOL_FUTURE_DONE);
  g_assert_cmpint (aiopool_future_get_worker_pid (next), !=, pid);
  helper_await_end (pid);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_force_terminates_a_worker_that_never_looks (void)
{
  force_in_vain ("deaf");
}

static void
test_force_terminates_a_worker_that_looks_and_goes_on (void)
{
  force_in_vain ("listen");
}

static void
test_force_kills_a_worker_that_ignores_sigterm (void)
{
  force_in_vain ("stubborn");
}

/* A function that never asked for its cancellable is not waited for: the test would not end. */
static void
test_force_waits_for_no_function_that_cannot_hear (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (AiopoolFuture) future = NULL;
  int pid;

  aiopool_pool_set_grace_period (AIOPOOL_POOL (pool), 10000);
  pid = helper_run_pid (pool);
  future = helper_gate_submit (gate, pool, "deaf");
  helper_gate_await (gate, 1);
  g_assert_true (aiopool_future_cancel (future, AIOPOOL_CANCEL_FORCE));
  helper_await_end (pid);
  helper_expect_cancelled (future);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_force_kills_a_stopped_worker (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  int pid = helper_run_pid (pool);
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "crash", "(i)", SIGSTOP);

  while (aiopool_future_get_state (future) != AIOPOOL_FUTURE_RUNNING)
    g_usleep (1000);
  g_assert_true (aiopool_future_cancel (future, AIOPOOL_CANCEL_FORCE));
  helper_expect_cancelled (future);
  g_assert_cmpint (helper_run_pid (pool), !=, pid);
  helper_await_end (pid);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_cancel_after_the_end_is_refused (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "echo", NULL);

  helper_wait (future);
  g_assert_false (aiopool_future_cancel (future, AIOPOOL_CANCEL_PENDING));
  g_assert_false (aiopool_future_cancel (future, AIOPOOL_CANCEL_COOPERATIVE));
  g_assert_false (aiopool_future_cancel (future, AIOPOOL_CANCEL_FORCE));
  g_assert_cmpint (aiopool_future_get_state (future), ==, AIOPOOL_FUTURE_DONE);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_second_harder_cancel_counts (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (AiopoolFuture) future = helper_gate_submit (gate, pool, "listen");

  helper_gate_await (gate, 1);
  g_assert_true (aiopool_future_cancel (future, AIOPOOL_CANCEL_COOPERATIVE));
  g_assert_true (aiopool_future_cancel (future, AIOPOOL_CANCEL_COOPERATIVE));
  g_assert_false (aiopool_future_is_done (future));
  g_assert_true (aiopool_future_cancel (future, AIOPOOL_CANCEL_FORCE));
  g_assert_false (aiopool_future_cancel (future, AIOPOOL_CANCEL_FORCE));
  helper_expect_cancelled (future);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_TERMINATE);
}

static void
test_a_cancelled_cancellable_refuses_the_submit (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (AiopoolTask) task = helper_task ("echo", NULL);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;

  g_cancellable_cancel (cancellable);
  g_assert_null (aiopool_executor_submit (pool, task, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);
  g_assert_null (aiopool_executor_run (pool, task, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpuint (aiopool_pool_get_n_workers (AIOPOOL_POOL (pool)), ==, 0);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_cancellable_cancels_a_running_task_by_force (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (AiopoolTask) task = helper_gate_task (gate, "obey");
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (AiopoolFuture) future = aiopool_executor_submit (pool, task, cancellable, NULL);

  helper_gate_await (gate, 1);
  g_cancellable_cancel (cancellable);
  g_assert_true (aiopool_future_is_done (future));
  helper_expect_cancelled (future);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_cancellable_serves_many_tasks_and_is_left_alone_after (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (AiopoolTask) task = helper_task ("echo", NULL);
  HelperTally tally = { 0 };

  for (guint i = 0; i < 500; i++)
    {
      g_autoptr (AiopoolFuture) future = aiopool_executor_submit (pool, task, cancellable, NULL);

      helper_watch (future, &tally);
    }
  helper_await_tally (&tally);
  g_assert_cmpuint (tally.n_done, ==, 500);
  g_assert_false (g_signal_has_handler_pending (cancellable,
                                                g_signal_lookup ("cancelled", G_TYPE_CANCELLABLE),
                                                0, TRUE));
  g_cancellable_cancel (cancellable);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static gpointer
cancel_cancellable (gpointer data)
{
  g_cancellable_cancel (data);
  return NULL;
}

static void
test_a_cancellable_ends_a_blocking_run (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (HelperGate) gate = helper_gate_new ();

  for (guint i = 0; i < 30; i++)
    {
      g_autoptr (AiopoolTask) task = helper_gate_task (gate, "obey");
      g_autoptr (GCancellable) cancellable = g_cancellable_new ();
      g_autoptr (GError) error = NULL;
      GThread *thread = g_thread_new ("canceller", cancel_cancellable, cancellable);

      g_assert_null (aiopool_executor_run (pool, task, cancellable, &error));
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
      g_thread_join (thread);
    }
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
cancel_others (AiopoolFuture *future,
               gpointer       user_data)
{
  GPtrArray *futures = user_data;

  for (guint i = 0; i < futures->len; i++)
    aiopool_future_cancel (g_ptr_array_index (futures, i), AIOPOOL_CANCEL_PENDING);
}

static void
test_a_callback_may_cancel_others (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (GPtrArray) futures = g_ptr_array_new_with_free_func (g_object_unref);
  HelperTally tally = { 0 };

  for (guint i = 0; i < 300; i++)
    {
      g_ptr_array_add (futures, helper_submit (pool, "echo", NULL));
      helper_watch (g_ptr_array_index (futures, i), &tally);
    }
  aiopool_future_add_done_callback (g_ptr_array_index (futures, 0), cancel_others, futures, NULL);
  helper_await_tally (&tally);
  g_assert_cmpuint (tally.n_failed, ==, 0);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* Cancels what another thread submits, as soon as it is there. */
typedef struct
{
  GAsyncQueue      *futures;
  AiopoolCancelMode mode;
} Racer;

static gpointer
cancel_in_thread (gpointer data)
{
  Racer *racer = data;
  gpointer future;

  while ((future = g_async_queue_pop (racer->futures)) != racer)
    {
      aiopool_future_cancel (future, racer->mode);
      g_object_unref (future);
    }
  return NULL;
}

static void
race_cancel (AiopoolCancelMode mode,
             guint             n_rounds)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (2);
  g_autoptr (GAsyncQueue) queue = g_async_queue_new ();
  g_autofree char *path = helper_marks_new ();
  g_autofree guint *counts = NULL;
  g_autoptr (GPtrArray) futures = g_ptr_array_new_with_free_func (g_object_unref);
  Racer racer = { queue, mode };
  GThread *thread = g_thread_new ("canceller", cancel_in_thread, &racer);
  HelperTally tally = { 0 };

  for (guint i = 0; i < n_rounds; i++)
    {
      AiopoolFuture *future = helper_submit (pool, "mark", "(sui)", path, i, 0);

      g_ptr_array_add (futures, future);
      helper_watch (future, &tally);
      g_async_queue_push (queue, g_object_ref (future));
      if (i % 3 == 0)
        aiopool_future_wait (future, 1);
      g_main_context_iteration (NULL, FALSE);
    }
  g_async_queue_push (queue, &racer);
  g_thread_join (thread);
  helper_await_tally (&tally);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  g_assert_cmpuint (tally.n_called, ==, n_rounds);
  g_assert_cmpuint (tally.n_failed, ==, 0);
  g_test_message ("%u done, %u cancelled", tally.n_done, tally.n_cancelled);
  counts = helper_marks_count (path, n_rounds);
  for (guint i = 0; i < n_rounds; i++)
    {
      AiopoolFuture *future = g_ptr_array_index (futures, i);

      g_assert_cmpuint (counts[i], <=, 1);
      if (aiopool_future_get_state (future) == AIOPOOL_FUTURE_DONE)
        g_assert_cmpuint (counts[i], ==, 1);
      else if (aiopool_future_get_started_at (future) <= 0)
        g_assert_cmpuint (counts[i], ==, 0);
    }
}

static void
test_cancel_pending_races_with_the_result (void)
{
  race_cancel (AIOPOOL_CANCEL_PENDING, 5000);
}

static void
test_cancel_cooperative_races_with_the_result (void)
{
  race_cancel (AIOPOOL_CANCEL_COOPERATIVE, 5000);
}

/* Some of the workers go, with what they run. */
static void
test_cancel_by_force_races_with_the_result (void)
{
  race_cancel (AIOPOOL_CANCEL_FORCE, 2000);
}

/* Short tasks, whose results wait for each other: one that is cancelled may have ended, and the
 * next one run, by the time that the worker hears of it. */
static void
test_cancel_by_force_spares_the_next_task (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  HelperTally tally = { 0 };

  for (guint round = 0; round < 100; round++)
    {
      g_autoptr (GPtrArray) futures = g_ptr_array_new_with_free_func (g_object_unref);

      for (guint i = 0; i < 40; i++)
        {
          g_ptr_array_add (futures, helper_submit (pool, "nap", "(d)", 0.0001));
          helper_watch (g_ptr_array_index (futures, i), &tally);
        }
      for (guint i = 3; i < 40; i += 8)
        {
          helper_wait (g_ptr_array_index (futures, i - 1));
          g_usleep (round % 20 * 10);
          aiopool_future_cancel (g_ptr_array_index (futures, i), AIOPOOL_CANCEL_FORCE);
        }
      helper_await_tally (&tally);
    }
  g_test_message ("%u done, %u cancelled", tally.n_done, tally.n_cancelled);
  g_assert_cmpuint (tally.n_failed, ==, 0);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_cancel_races_with_a_crash (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (2);
  g_autoptr (GAsyncQueue) queue = g_async_queue_new ();
  Racer racer = { queue, AIOPOOL_CANCEL_FORCE };
  GThread *thread = g_thread_new ("canceller", cancel_in_thread, &racer);
  HelperTally tally = { 0 };

  for (guint i = 0; i < 150; i++)
    {
      g_autoptr (AiopoolFuture) future = helper_submit (pool, "crash", "(i)", SIGKILL);

      helper_watch (future, &tally);
      while (i % 2 == 0 && aiopool_future_get_state (future) == AIOPOOL_FUTURE_PENDING)
        g_thread_yield ();
      g_async_queue_push (queue, g_object_ref (future));
      aiopool_future_wait (future, HELPER_LONG);
    }
  g_async_queue_push (queue, &racer);
  g_thread_join (thread);
  helper_await_tally (&tally);
  g_assert_cmpuint (tally.n_done, ==, 0);
  g_test_message ("%u failed, %u cancelled", tally.n_failed, tally.n_cancelled);
  helper_run_echo (pool, 1);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

int
main (int   argc,
      char *argv[])
{
  helper_begin (&argc, &argv);
  helper_add ("/pool/cancel/without-a-worker-by-all-modes",
              test_a_task_without_a_worker_is_cancelled_by_all_modes);
  helper_add ("/pool/cancel/behind-a-running-one", test_tasks_behind_a_running_one_are_cancelled);
  helper_add ("/pool/cancel/pending-leaves-a-running-task-alone",
              test_cancel_pending_leaves_a_running_task_alone);
  helper_add ("/pool/cancel/a-told-task-may-end-with-an-error",
              test_a_told_task_may_end_with_an_error);
  helper_add ("/pool/cancel/a-told-task-may-end-with-a-result",
              test_a_told_task_may_end_with_a_result);
  helper_add ("/pool/cancel/a-told-task-may-go-on", test_a_told_task_may_go_on_for_ever);
  helper_add ("/pool/cancel/force-spares-a-worker-that-obeys",
              test_force_ends_the_future_at_once_and_spares_a_worker_that_obeys);
  helper_add ("/pool/cancel/force-terminates-a-worker-that-never-looks",
              test_force_terminates_a_worker_that_never_looks);
  helper_add ("/pool/cancel/force-terminates-a-worker-that-looks-and-goes-on",
              test_force_terminates_a_worker_that_looks_and_goes_on);
  helper_add ("/pool/cancel/force-kills-a-worker-that-ignores-sigterm",
              test_force_kills_a_worker_that_ignores_sigterm);
  helper_add ("/pool/cancel/force-waits-for-no-function-that-cannot-hear",
              test_force_waits_for_no_function_that_cannot_hear);
  helper_add ("/pool/cancel/force-kills-a-stopped-worker", test_force_kills_a_stopped_worker);
  helper_add ("/pool/cancel/after-the-end-is-refused", test_cancel_after_the_end_is_refused);
  helper_add ("/pool/cancel/a-second-harder-one-counts", test_a_second_harder_cancel_counts);
  helper_add ("/pool/cancel/a-cancelled-cancellable-refuses-the-submit",
              test_a_cancelled_cancellable_refuses_the_submit);
  helper_add ("/pool/cancel/a-cancellable-cancels-by-force",
              test_a_cancellable_cancels_a_running_task_by_force);
  helper_add ("/pool/cancel/a-cancellable-serves-many-tasks",
              test_a_cancellable_serves_many_tasks_and_is_left_alone_after);
  helper_add ("/pool/cancel/a-cancellable-ends-a-blocking-run",
              test_a_cancellable_ends_a_blocking_run);
  helper_add ("/pool/cancel/a-callback-may-cancel-others", test_a_callback_may_cancel_others);
  helper_add ("/pool/cancel/pending-races-with-the-result",
              test_cancel_pending_races_with_the_result);
  helper_add ("/pool/cancel/cooperative-races-with-the-result",
              test_cancel_cooperative_races_with_the_result);
  helper_add ("/pool/cancel/force-races-with-the-result",
              test_cancel_by_force_races_with_the_result);
  helper_add ("/pool/cancel/force-spares-the-next-task",
              test_cancel_by_force_spares_the_next_task);
  helper_add ("/pool/cancel/races-with-a-crash", test_cancel_races_with_a_crash);
  return helper_end ();
}
