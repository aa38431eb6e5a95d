/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/pool/helper.h"

/* Futures that go on from another one, by a function or as a task. */

typedef struct
{
  GMainContext  *context; /* where everything is to happen */
  AiopoolFuture *other;   /* (nullable): what to go on with */
  guint          n_called;
  guint          n_destroyed;
} Step;

static void
check_context (Step *step)
{
  GMainContext *context = step->context != NULL ? step->context : g_main_context_default ();

  g_assert_true (g_main_context_is_owner (context));
}

static void
on_destroyed (gpointer data)
{
  Step *step = data;

  check_context (step);
  step->n_destroyed++;
}

static GVariant *
add_one (AiopoolFuture *ended,
         gpointer       user_data,
         GError       **error)
{
  g_autoptr (GVariant) result = aiopool_future_get_result (ended, error);
  Step *step = user_data;

  check_context (step);
  step->n_called++;
  return result != NULL ? g_variant_new_uint32 (g_variant_get_uint32 (result) + 1) : NULL;
}

static GVariant *
say_nothing (AiopoolFuture *ended,
             gpointer       user_data,
             GError       **error)
{
  return NULL;
}

static GVariant *
recover (AiopoolFuture *ended,
         gpointer       user_data,
         GError       **error)
{
  Step *step = user_data;

  g_assert_nonnull (aiopool_future_get_error (ended));
  step->n_called++;
  return g_variant_new_uint32 (99);
}

static AiopoolFuture *
go_on (AiopoolFuture *ended,
       gpointer       user_data,
       GError       **error)
{
  Step *step = user_data;

  check_context (step);
  step->n_called++;
  if (step->other != NULL)
    return g_object_ref (step->other);
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_EXISTS, "on purpose");
  return NULL;
}

static void
await_in (AiopoolFuture *future,
          GMainContext  *context)
{
  while (!aiopool_future_is_done (future))
    g_main_context_iteration (context, TRUE);
  while (g_main_context_iteration (context, FALSE))
    ;
}

static guint
await_number (AiopoolFuture *future)
{
  g_autoptr (GVariant) result = NULL;

  await_in (future, NULL);
  result = helper_collect (future);
  return g_variant_get_uint32 (result);
}

static void
expect_error_in_loop (AiopoolFuture *future,
                      GQuark         domain,
                      int            code)
{
  await_in (future, NULL);
  helper_expect_error (future, domain, code);
}

static void
test_a_result_is_mapped_later (void)
{
  g_autoptr (AiopoolFuture) ended = aiopool_future_new_for_result (g_variant_new_uint32 (1));
  g_autoptr (AiopoolFuture) mapped = NULL;
  Step step = { 0 };

  g_assert_cmpint (aiopool_future_get_state (ended), ==, AIOPOOL_FUTURE_DONE);
  mapped = aiopool_future_map (ended, AIOPOOL_CHAIN_NONE, add_one, &step, on_destroyed);
  g_assert_cmpuint (step.n_called, ==, 0);
  g_assert_cmpint (aiopool_future_get_state (mapped), ==, AIOPOOL_FUTURE_PENDING);
  g_assert_cmpuint (await_number (mapped), ==, 2);
  g_assert_cmpuint (step.n_called, ==, 1);
  g_assert_cmpuint (step.n_destroyed, ==, 1);
}

static void
test_a_function_may_fail (void)
{
  g_autoptr (AiopoolFuture) ended = aiopool_future_new_for_result (g_variant_new_uint32 (1));
  g_autoptr (AiopoolFuture) silent = aiopool_future_map (ended, AIOPOOL_CHAIN_NONE, say_nothing,
                                                         NULL, NULL);
  Step step = { 0 };
  g_autoptr (AiopoolFuture) failed = aiopool_future_chain (ended, AIOPOOL_CHAIN_NONE, go_on, &step,
                                                           on_destroyed);

  expect_error_in_loop (silent, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_FAILED);
  expect_error_in_loop (failed, G_IO_ERROR, G_IO_ERROR_EXISTS);
}

static void
test_errors_and_results_go_past (void)
{
  g_autoptr (GError) error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_BUSY, "busy");
  g_autoptr (AiopoolFuture) bad = aiopool_future_new_for_error (error);
  g_autoptr (AiopoolFuture) good = aiopool_future_new_for_result (g_variant_new_uint32 (1));
  Step step = { 0 };
  g_autoptr (AiopoolFuture) past_bad = aiopool_future_map (bad, AIOPOOL_CHAIN_RESULTS_ONLY,
                                                           add_one, &step, on_destroyed);
  g_autoptr (AiopoolFuture) past_good = aiopool_future_map (good, AIOPOOL_CHAIN_ERRORS_ONLY,
                                                            recover, &step, on_destroyed);
  g_autoptr (AiopoolFuture) recovered = aiopool_future_map (past_bad, AIOPOOL_CHAIN_ERRORS_ONLY,
                                                            recover, &step, on_destroyed);

  g_assert_cmpuint (await_number (past_good), ==, 1);
  expect_error_in_loop (past_bad, G_IO_ERROR, G_IO_ERROR_BUSY);
  g_assert_cmpuint (await_number (recovered), ==, 99);
  g_assert_cmpuint (step.n_called, ==, 1);
  g_assert_cmpuint (step.n_destroyed, ==, 3);
}

static void
test_a_future_that_is_returned_is_followed (void)
{
  g_autoptr (AiopoolFuture) ended = aiopool_future_new_for_result (g_variant_new_uint32 (1));
  g_autoptr (AiopoolPromise) promise = aiopool_promise_new (NULL);
  Step step = { .other = aiopool_promise_get_future (promise) };
  g_autoptr (AiopoolFuture) next = aiopool_future_chain (ended, AIOPOOL_CHAIN_NONE, go_on, &step,
                                                         on_destroyed);

  while (step.n_called == 0)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpint (aiopool_future_get_state (next), ==, AIOPOOL_FUTURE_RUNNING);
  g_assert_cmpuint (step.n_destroyed, ==, 1);
  aiopool_promise_resolve (promise, g_variant_new_uint32 (7));
  g_assert_cmpuint (await_number (next), ==, 7);
  g_assert_cmpfloat (aiopool_future_get_started_at (next), >=,
                     aiopool_future_get_submitted_at (next));
  g_assert_cmpfloat (aiopool_future_get_finished_at (next), >=,
                     aiopool_future_get_started_at (next));
}

static void
test_a_future_that_waits_for_itself_fails (void)
{
  g_autoptr (AiopoolPromise) promise = aiopool_promise_new (NULL);
  Step step = { 0 };
  g_autoptr (AiopoolFuture) next = aiopool_future_chain (aiopool_promise_get_future (promise),
                                                         AIOPOOL_CHAIN_NONE, go_on, &step, NULL);

  step.other = next;
  aiopool_promise_resolve (promise, g_variant_new_uint32 (1));
  expect_error_in_loop (next, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_FAILED);
}

static void
test_it_runs_in_the_context_of_the_call (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (AiopoolTask) task = helper_task ("echo", "(u)", 1u);
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (AiopoolFuture) future = aiopool_executor_submit (pool, task, NULL, NULL);
  Step step = { .context = context, .other = future };
  g_autoptr (AiopoolFuture) next = NULL;

  g_main_context_push_thread_default (context);
  next = aiopool_future_chain (future, AIOPOOL_CHAIN_NONE, go_on, &step, on_destroyed);
  g_main_context_pop_thread_default (context);
  helper_wait (future);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpuint (step.n_called, ==, 0);
  await_in (next, context);
  g_assert_cmpuint (step.n_called, ==, 1);
  g_assert_cmpuint (step.n_destroyed, ==, 1);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* Nobody makes the context the thread's default while it is iterated. */
static void
test_what_it_goes_on_with_ends_in_that_context (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (AiopoolTask) echo = helper_task ("echo", NULL);
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (AiopoolFuture) first = aiopool_future_new_for_result (g_variant_new_uint32 (3));
  g_autoptr (AiopoolPromise) promise = aiopool_promise_new (NULL);
  Step step = { .context = context, .other = aiopool_promise_get_future (promise) };
  g_autoptr (AiopoolFuture) next = NULL;
  g_autoptr (AiopoolFuture) after = NULL;

  g_main_context_push_thread_default (context);
  next = aiopool_future_chain (first, AIOPOOL_CHAIN_NONE, go_on, &step, on_destroyed);
  after = aiopool_executor_submit_after (pool, echo, first, AIOPOOL_CHAIN_NONE);
  g_main_context_pop_thread_default (context);
  while (step.n_called == 0)
    g_main_context_iteration (context, TRUE);
  aiopool_promise_resolve (promise, g_variant_new_uint32 (7));
  await_in (next, context);
  await_in (after, context);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_blocking_wait_at_home_would_block (void)
{
  g_autoptr (AiopoolPromise) promise = aiopool_promise_new (NULL);
  Step step = { 0 };
  g_autoptr (AiopoolFuture) next = aiopool_future_map (aiopool_promise_get_future (promise),
                                                       AIOPOOL_CHAIN_NONE, add_one, &step, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_null (aiopool_future_collect (next, -1, NULL, &error));
  g_assert_error (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_WOULD_BLOCK);
  aiopool_promise_resolve (promise, g_variant_new_uint32 (1));
  g_assert_cmpuint (await_number (next), ==, 2);
}

static void
test_a_cancel_stays_here_unless_asked (void)
{
  g_autoptr (AiopoolPromise) promise = aiopool_promise_new (NULL);
  AiopoolFuture *future = aiopool_promise_get_future (promise);
  Step step = { 0 };
  g_autoptr (AiopoolFuture) detached = aiopool_future_map (future, AIOPOOL_CHAIN_NONE, add_one,
                                                           &step, on_destroyed);
  g_autoptr (AiopoolFuture) middle = aiopool_future_map (future, AIOPOOL_CHAIN_CANCEL, add_one,
                                                         &step, on_destroyed);
  g_autoptr (AiopoolFuture) last = aiopool_future_map (middle, AIOPOOL_CHAIN_CANCEL, add_one,
                                                       &step, on_destroyed);

  g_assert_true (aiopool_future_cancel (detached, AIOPOOL_CANCEL_FORCE));
  helper_expect_cancelled (detached);
  g_assert_false (aiopool_future_cancel (detached, AIOPOOL_CANCEL_FORCE));
  g_assert_false (aiopool_future_is_done (future));
  g_assert_true (aiopool_future_cancel (last, AIOPOOL_CANCEL_FORCE));
  helper_expect_cancelled (last);
  helper_expect_cancelled (middle);
  helper_expect_cancelled (future);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpuint (step.n_called, ==, 0);
  g_assert_cmpuint (step.n_destroyed, ==, 3);
}

static void
test_a_cancel_goes_to_what_is_followed (void)
{
  g_autoptr (AiopoolFuture) ended = aiopool_future_new_for_result (g_variant_new_uint32 (1));
  g_autoptr (AiopoolPromise) promise = aiopool_promise_new (NULL);
  Step step = { .other = aiopool_promise_get_future (promise) };
  g_autoptr (AiopoolFuture) next = aiopool_future_chain (ended, AIOPOOL_CHAIN_CANCEL, go_on, &step,
                                                         on_destroyed);

  while (step.n_called == 0)
    g_main_context_iteration (NULL, TRUE);
  g_assert_true (aiopool_future_cancel (next, AIOPOOL_CANCEL_COOPERATIVE));
  helper_expect_cancelled (step.other);
  await_in (next, NULL);
  helper_expect_cancelled (next);
}

static void
test_a_dropped_future_is_chained_all_the_same (void)
{
  g_autoptr (AiopoolPromise) promise = aiopool_promise_new (NULL);
  Step step = { 0 };

  g_object_unref (aiopool_future_map (aiopool_promise_get_future (promise), AIOPOOL_CHAIN_CANCEL,
                                      add_one, &step, on_destroyed));
  g_assert_false (aiopool_future_is_done (aiopool_promise_get_future (promise)));
  aiopool_promise_resolve (promise, g_variant_new_uint32 (1));
  while (step.n_destroyed == 0)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (step.n_called, ==, 1);
}

#define N_LINKS 10000

static void
test_a_long_chain_nests_nowhere (void)
{
  g_autoptr (AiopoolPromise) promise = aiopool_promise_new (NULL);
  AiopoolFuture *last = g_object_ref (aiopool_promise_get_future (promise));
  Step step = { 0 };

  for (guint i = 0; i < N_LINKS; i++)
    {
      AiopoolFuture *next = aiopool_future_map (last, AIOPOOL_CHAIN_CANCEL, add_one, &step,
                                                on_destroyed);

      g_object_unref (last);
      last = next;
    }
  aiopool_promise_resolve (promise, g_variant_new_uint32 (0));
  g_assert_cmpuint (await_number (last), ==, N_LINKS);
  g_assert_cmpuint (step.n_destroyed, ==, N_LINKS);
  g_object_unref (last);
}

static void
test_a_long_chain_is_cancelled_and_released (void)
{
  g_autoptr (AiopoolPromise) promise = aiopool_promise_new (NULL);
  AiopoolFuture *last = g_object_ref (aiopool_promise_get_future (promise));
  Step step = { 0 };

  for (guint i = 0; i < N_LINKS; i++)
    {
      AiopoolFuture *next = aiopool_future_map (last, AIOPOOL_CHAIN_CANCEL, add_one, &step,
                                                on_destroyed);

      g_object_unref (last);
      last = next;
    }
  g_assert_true (aiopool_future_cancel (last, AIOPOOL_CANCEL_FORCE));
  helper_expect_cancelled (aiopool_promise_get_future (promise));
  g_object_unref (last);
  while (step.n_destroyed < N_LINKS)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (step.n_called, ==, 0);
}

/* Each function returns the future of the next one, which is there already. */
static void
test_a_long_chain_of_followed_futures (void)
{
  g_autoptr (AiopoolFuture) ended = aiopool_future_new_for_result (g_variant_new_uint32 (1));
  g_autoptr (AiopoolPromise) promise = aiopool_promise_new (NULL);
  AiopoolFuture *last = g_object_ref (aiopool_promise_get_future (promise));
  g_autofree Step *steps = g_new0 (Step, N_LINKS);

  for (guint i = 0; i < N_LINKS; i++)
    {
      steps[i].other = last;
      last = aiopool_future_chain (ended, AIOPOOL_CHAIN_NONE, go_on, &steps[i], NULL);
    }
  while (steps[N_LINKS - 1].n_called == 0)
    g_main_context_iteration (NULL, TRUE);
  aiopool_promise_resolve (promise, g_variant_new_uint32 (5));
  g_assert_cmpuint (await_number (last), ==, 5);
  g_object_unref (last);
  for (guint i = 1; i < N_LINKS; i++)
    g_object_unref (steps[i].other);
  g_object_unref (steps[0].other);
}

typedef struct
{
  AiopoolPromise *promise;
  AiopoolFuture  *next;
} Race;

static gpointer
cancel_in_thread (gpointer data)
{
  aiopool_future_cancel (((Race *) data)->next, AIOPOOL_CANCEL_FORCE);
  return NULL;
}

static gpointer
keep_in_thread (gpointer data)
{
  aiopool_promise_resolve (((Race *) data)->promise, g_variant_new_uint32 (1));
  return NULL;
}

static void
test_cancel_and_the_end_race (void)
{
  HelperTally tally = { 0 };

  for (guint i = 0; i < helper_rounds (500); i++)
    {
      g_autoptr (AiopoolPromise) promise = aiopool_promise_new (NULL);
      Step step = { 0 };
      g_autoptr (AiopoolFuture) next =
        aiopool_future_map (aiopool_promise_get_future (promise),
                            i % 2 == 0 ? AIOPOOL_CHAIN_CANCEL : AIOPOOL_CHAIN_NONE, add_one, &step,
                            on_destroyed);
      Race race = { promise, next };
      GThread *threads[2];

      helper_watch (next, &tally);
      threads[0] = g_thread_new ("keeper", keep_in_thread, &race);
      threads[1] = g_thread_new ("canceller", cancel_in_thread, &race);
      while (step.n_destroyed == 0)
        g_main_context_iteration (NULL, FALSE);
      for (guint j = 0; j < 2; j++)
        g_thread_join (threads[j]);
      g_assert_true (aiopool_future_is_done (next));
      g_assert_cmpuint (step.n_called, <=, 1);
    }
  helper_await_tally (&tally);
}

/* As a task */

static void
test_a_result_is_the_argument_of_a_task (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (AiopoolTask) echo = helper_task ("echo", NULL);
  g_autoptr (AiopoolFuture) tuple = helper_submit (pool, "echo", "(us)", 1u, "one");
  g_autoptr (AiopoolFuture) after_tuple = aiopool_executor_submit_after (pool, echo, tuple,
                                                                         AIOPOOL_CHAIN_NONE);
  g_autoptr (AiopoolFuture) number = aiopool_future_new_for_result (g_variant_new_uint32 (3));
  g_autoptr (AiopoolFuture) after_number = aiopool_executor_submit_after (pool, echo, number,
                                                                          AIOPOOL_CHAIN_NONE);
  g_autoptr (AiopoolFuture) last = aiopool_executor_submit_after (pool, echo, after_number,
                                                                  AIOPOOL_CHAIN_NONE);
  g_autoptr (GVariant) first_result = NULL;
  g_autoptr (GVariant) last_result = NULL;
  g_autofree char *first_text = NULL;
  g_autofree char *last_text = NULL;

  g_assert_true (aiopool_future_get_task (last) == echo);
  await_in (after_tuple, NULL);
  first_result = helper_collect (after_tuple);
  first_text = g_variant_print (first_result, FALSE);
  g_assert_cmpstr (first_text, ==, "(1, 'one')");
  await_in (last, NULL);
  last_result = helper_collect (last);
  last_text = g_variant_print (last_result, FALSE);
  g_assert_cmpstr (last_text, ==, "(3,)");
  g_assert_cmpint (aiopool_future_get_worker_pid (last), >, 0);
  g_assert_cmpfloat (aiopool_future_get_started_at (last), >=,
                     aiopool_future_get_finished_at (number));
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_bytes_go_on_as_they_are (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (AiopoolTask) check = helper_task ("check-bytes", NULL);
  g_autoptr (AiopoolFuture) raw = helper_submit (pool, "make-raw", "(t)", (guint64) 1000);
  g_autoptr (AiopoolFuture) checked = aiopool_executor_submit_after (pool, check, raw,
                                                                     AIOPOOL_CHAIN_NONE);
  g_autoptr (GVariant) n_bytes = NULL;

  await_in (checked, NULL);
  n_bytes = helper_collect (checked);
  g_assert_cmpint (g_variant_get_int64 (n_bytes), ==, 1000);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_no_task_follows_an_error (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (AiopoolTask) echo = helper_task ("echo", NULL);
  g_autoptr (AiopoolFuture) bad = helper_submit (pool, "fail", "(sis)", "g-io-error-quark", 3,
                                                  "on purpose");
  g_autoptr (AiopoolFuture) after = aiopool_executor_submit_after (pool, echo, bad,
                                                                   AIOPOOL_CHAIN_NONE);
  g_autoptr (AiopoolFuture) good = aiopool_future_new_for_result (g_variant_new_uint32 (3));
  g_autoptr (AiopoolFuture) refused = NULL;
  const GError *error;

  await_in (after, NULL);
  error = aiopool_future_get_error (bad);
  helper_expect_error (after, error->domain, error->code);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  refused = aiopool_executor_submit_after (pool, echo, good, AIOPOOL_CHAIN_NONE);
  expect_error_in_loop (refused, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_CLOSED);
}

static void
test_a_cancel_cancels_the_task (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (AiopoolTask) echo = helper_task ("echo", NULL);
  g_autoptr (AiopoolFuture) busy = helper_gate_submit (gate, pool, "deaf");
  g_autoptr (AiopoolFuture) number = aiopool_future_new_for_result (g_variant_new_uint32 (3));
  g_autoptr (AiopoolFuture) after = aiopool_executor_submit_after (pool, echo, number,
                                                                   AIOPOOL_CHAIN_NONE);

  helper_gate_await (gate, 1);
  while (aiopool_executor_get_n_pending (pool) == 0)
    g_main_context_iteration (NULL, TRUE);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_true (aiopool_future_cancel (after, AIOPOOL_CANCEL_PENDING));
  await_in (after, NULL);
  helper_expect_cancelled (after);
  g_assert_cmpuint (aiopool_executor_get_n_pending (pool), ==, 0);
  helper_gate_open (gate);
  helper_wait (busy);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

int
main (int   argc,
      char *argv[])
{
  helper_begin (&argc, &argv);
  helper_add ("/pool/future-chain/map", test_a_result_is_mapped_later);
  helper_add ("/pool/future-chain/a-function-may-fail", test_a_function_may_fail);
  helper_add ("/pool/future-chain/goes-past", test_errors_and_results_go_past);
  helper_add ("/pool/future-chain/followed", test_a_future_that_is_returned_is_followed);
  helper_add ("/pool/future-chain/waits-for-itself", test_a_future_that_waits_for_itself_fails);
  helper_add ("/pool/future-chain/context", test_it_runs_in_the_context_of_the_call);
  helper_add ("/pool/future-chain/context-followed",
              test_what_it_goes_on_with_ends_in_that_context);
  helper_add ("/pool/future-chain/would-block", test_a_blocking_wait_at_home_would_block);
  helper_add ("/pool/future-chain/cancel", test_a_cancel_stays_here_unless_asked);
  helper_add ("/pool/future-chain/cancel-followed", test_a_cancel_goes_to_what_is_followed);
  helper_add ("/pool/future-chain/dropped", test_a_dropped_future_is_chained_all_the_same);
  helper_add ("/pool/future-chain/long", test_a_long_chain_nests_nowhere);
  helper_add ("/pool/future-chain/long-cancelled", test_a_long_chain_is_cancelled_and_released);
  helper_add ("/pool/future-chain/long-followed", test_a_long_chain_of_followed_futures);
  helper_add ("/pool/future-chain/cancel-end-race", test_cancel_and_the_end_race);
  helper_add ("/pool/future-chain/task", test_a_result_is_the_argument_of_a_task);
  helper_add ("/pool/future-chain/task-with-bytes", test_bytes_go_on_as_they_are);
  helper_add ("/pool/future-chain/no-task", test_no_task_follows_an_error);
  helper_add ("/pool/future-chain/task-cancelled", test_a_cancel_cancels_the_task);
  return helper_end ();
}
