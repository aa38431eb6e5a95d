/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/pool/helper.h"

/* Futures made by hand, and an executor that is no pool: each task is a round of a main context, a
 * few may wait. */

#define TEST_TYPE_EXECUTOR (test_executor_get_type ())
G_DECLARE_FINAL_TYPE (TestExecutor, test_executor, TEST, EXECUTOR, AiopoolExecutor)

struct _TestExecutor
{
  AiopoolExecutor parent_instance;
  GMainContext   *context;     /* (owned): runs the tasks */
  guint           max_pending;
  int             n_pending;   /* atomic */
  int             is_closed;   /* atomic */
  gboolean        is_silent;   /* gives neither a future nor an error */
};

G_DEFINE_FINAL_TYPE (TestExecutor, test_executor, AIOPOOL_TYPE_EXECUTOR)

typedef struct
{
  TestExecutor   *executor; /* (owned) */
  AiopoolPromise *promise;  /* (owned) */
} Round;

static void
round_free (gpointer data)
{
  Round *self = data;

  g_object_unref (self->executor);
  g_object_unref (self->promise);
  g_free (self);
}

static void
answer (AiopoolPromise *promise,
        AiopoolTask    *task)
{
  g_autoptr (GError) error = NULL;

  if (g_str_equal (aiopool_task_get_function (task), "echo"))
    aiopool_promise_resolve (promise, aiopool_task_get_arguments (task));
  else
    {
      error = g_error_new (AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_UNKNOWN_FUNCTION,
                           "No function '%s'", aiopool_task_get_function (task));
      aiopool_promise_reject (promise, error);
    }
}

static gboolean
on_round (gpointer data)
{
  Round *self = data;

  g_atomic_int_add (&self->executor->n_pending, -1);
  if (aiopool_promise_start (self->promise))
    answer (self->promise,
            aiopool_future_get_task (aiopool_promise_get_future (self->promise)));
  aiopool_executor_notify_room (AIOPOOL_EXECUTOR (self->executor));
  return G_SOURCE_REMOVE;
}

static void
start_round (TestExecutor   *self,
             AiopoolPromise *promise)
{
  g_autoptr (GSource) source = g_idle_source_new ();
  Round *next = g_new (Round, 1);

  next->executor = g_object_ref (self);
  next->promise = g_object_ref (promise);
  g_atomic_int_inc (&self->n_pending);
  g_source_set_callback (source, on_round, next, round_free);
  g_source_attach (source, self->context);
}

static AiopoolFuture *
test_executor_submit (AiopoolExecutor *executor,
                      AiopoolTask     *task,
                      GCancellable    *cancellable,
                      GError         **error)
{
  TestExecutor *self = TEST_EXECUTOR (executor);
  g_autoptr (AiopoolPromise) promise = NULL;

  if (self->is_silent || g_cancellable_set_error_if_cancelled (cancellable, error))
    return NULL;
  if (g_atomic_int_get (&self->is_closed))
    {
      g_set_error_literal (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_CLOSED, "closed");
      return NULL;
    }
  if (self->max_pending > 0 && (guint) g_atomic_int_get (&self->n_pending) >= self->max_pending)
    {
      g_set_error_literal (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_FULL, "full");
      return NULL;
    }
  promise = aiopool_promise_new (task);
  aiopool_promise_set_context (promise, self->context);
  start_round (self, promise);
  return g_object_ref (aiopool_promise_get_future (promise));
}

static AiopoolFuture *
test_executor_begin_shutdown (AiopoolExecutor     *executor,
                              AiopoolShutdownFlags flags)
{
  g_autoptr (AiopoolPromise) promise = aiopool_promise_new (NULL);

  g_atomic_int_set (&TEST_EXECUTOR (executor)->is_closed, TRUE);
  aiopool_executor_notify_room (executor);
  aiopool_promise_resolve (promise, g_variant_new_tuple (NULL, 0));
  return g_object_ref (aiopool_promise_get_future (promise));
}

static void
test_executor_finalize (GObject *object)
{
  g_main_context_unref (TEST_EXECUTOR (object)->context);
  G_OBJECT_CLASS (test_executor_parent_class)->finalize (object);
}

static void
test_executor_class_init (TestExecutorClass *klass)
{
  AiopoolExecutorClass *executor_class = AIOPOOL_EXECUTOR_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = test_executor_finalize;
  executor_class->submit = test_executor_submit;
  executor_class->begin_shutdown = test_executor_begin_shutdown;
}

static void
test_executor_init (TestExecutor *self)
{
}

static AiopoolExecutor *
new_executor (GMainContext *context)
{
  TestExecutor *self = g_object_new (TEST_TYPE_EXECUTOR, NULL);

  self->context = g_main_context_ref (context != NULL ? context : g_main_context_default ());
  return AIOPOOL_EXECUTOR (self);
}

/* An executor that can do nothing. */
#define TEST_TYPE_BARE (test_bare_get_type ())
G_DECLARE_FINAL_TYPE (TestBare, test_bare, TEST, BARE, AiopoolExecutor)

struct _TestBare
{
  AiopoolExecutor parent_instance;
};

G_DEFINE_FINAL_TYPE (TestBare, test_bare, AIOPOOL_TYPE_EXECUTOR)

static void
test_bare_class_init (TestBareClass *klass)
{
}

static void
test_bare_init (TestBare *self)
{
}

static void
test_a_promise_is_kept_once (void)
{
  g_autoptr (AiopoolPromise) promise = aiopool_promise_new (NULL);
  AiopoolFuture *future = aiopool_promise_get_future (promise);
  g_autoptr (GError) late = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_FAILED, "late");
  g_autoptr (GVariant) result = NULL;
  HelperTally tally = { 0 };

  g_assert_cmpint (aiopool_future_get_state (future), ==, AIOPOOL_FUTURE_PENDING);
  g_assert_null (aiopool_future_get_task (future));
  helper_watch (future, &tally);
  g_assert_true (aiopool_promise_resolve (promise, g_variant_new_int32 (4)));
  g_assert_false (aiopool_promise_resolve (promise, g_variant_new_int32 (5)));
  g_assert_false (aiopool_promise_reject (promise, late));
  g_assert_false (aiopool_future_cancel (future, AIOPOOL_CANCEL_FORCE));
  result = helper_collect (future);
  g_assert_cmpint (g_variant_get_int32 (result), ==, 4);
  helper_await_tally (&tally);
  g_assert_cmpuint (tally.n_done, ==, 1);
}

static void
test_a_broken_promise_is_an_error (void)
{
  g_autoptr (AiopoolPromise) promise = aiopool_promise_new (NULL);
  g_autoptr (GError) error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_BUSY, "busy");

  g_assert_true (aiopool_promise_reject (promise, error));
  helper_expect_error (aiopool_promise_get_future (promise), G_IO_ERROR, G_IO_ERROR_BUSY);
}

static void
test_a_promise_rejected_as_cancelled_is_cancelled (void)
{
  g_autoptr (AiopoolPromise) promise = aiopool_promise_new (NULL);
  g_autoptr (GError) error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, "stop");

  g_assert_true (aiopool_promise_reject (promise, error));
  helper_expect_cancelled (aiopool_promise_get_future (promise));
}

static void
test_a_dropped_promise_fails (void)
{
  g_autoptr (AiopoolFuture) future = NULL;

  {
    g_autoptr (AiopoolPromise) promise = aiopool_promise_new (NULL);

    future = g_object_ref (aiopool_promise_get_future (promise));
  }
  helper_expect_error (future, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_FAILED);
}

static void
test_a_promise_may_be_kept_with_any_value (void)
{
  g_autoptr (AiopoolPromise) promise = aiopool_promise_new (NULL);
  AiopoolFuture *future = aiopool_promise_get_future (promise);
  g_auto (GValue) given = G_VALUE_INIT;
  g_auto (GValue) got = G_VALUE_INIT;
  g_autoptr (GError) error = NULL;

  g_value_init (&given, G_TYPE_STRING);
  g_value_set_string (&given, "a string");
  g_assert_true (aiopool_promise_resolve_value (promise, &given));
  g_assert_true (aiopool_future_get_value (future, &got, &error));
  g_assert_no_error (error);
  g_assert_cmpstr (g_value_get_string (&got), ==, "a string");
  g_assert_null (aiopool_future_get_result (future, &error));
  g_assert_error (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_WRONG_TYPE);
  g_clear_error (&error);
  g_assert_null (aiopool_future_get_payload (future, NULL, &error));
  g_assert_error (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_WRONG_TYPE);
}

static void
test_a_promise_starts_once (void)
{
  g_autoptr (AiopoolPromise) promise = aiopool_promise_new (NULL);
  AiopoolFuture *future = aiopool_promise_get_future (promise);

  g_assert_cmpfloat (aiopool_future_get_started_at (future), ==, 0);
  g_assert_true (aiopool_promise_start (promise));
  g_assert_false (aiopool_promise_start (promise));
  g_assert_cmpint (aiopool_future_get_state (future), ==, AIOPOOL_FUTURE_RUNNING);
  g_assert_cmpfloat (aiopool_future_get_started_at (future), >=,
                     aiopool_future_get_submitted_at (future));
  g_assert_true (aiopool_promise_resolve (promise, g_variant_new_int32 (1)));
  g_assert_false (aiopool_promise_start (promise));
  g_assert_cmpfloat (aiopool_future_get_finished_at (future), >=,
                     aiopool_future_get_started_at (future));
}

static void
test_a_cancel_tells_the_promise (void)
{
  g_autoptr (AiopoolPromise) pending = aiopool_promise_new (NULL);
  g_autoptr (AiopoolPromise) running = aiopool_promise_new (NULL);
  AiopoolFuture *future = aiopool_promise_get_future (running);

  g_assert_true (aiopool_future_cancel (aiopool_promise_get_future (pending),
                                        AIOPOOL_CANCEL_PENDING));
  g_assert_true (g_cancellable_is_cancelled (aiopool_promise_get_cancellable (pending)));
  helper_expect_cancelled (aiopool_promise_get_future (pending));
  g_assert_false (aiopool_promise_start (pending));
  g_assert_true (aiopool_promise_start (running));
  g_assert_false (aiopool_future_cancel (future, AIOPOOL_CANCEL_PENDING));
  g_assert_false (g_cancellable_is_cancelled (aiopool_promise_get_cancellable (running)));
  g_assert_true (aiopool_future_cancel (future, AIOPOOL_CANCEL_COOPERATIVE));
  g_assert_true (g_cancellable_is_cancelled (aiopool_promise_get_cancellable (running)));
  g_assert_false (aiopool_future_is_done (future));
  g_assert_true (aiopool_promise_resolve (running, g_variant_new_int32 (1)));
  g_assert_cmpint (aiopool_future_get_state (future), ==, AIOPOOL_FUTURE_DONE);
}

static void
on_progressed (AiopoolFuture *future,
               double         fraction,
               const char    *message,
               gpointer       user_data)
{
  GString *seen = user_data;

  g_string_append_printf (seen, "%.1f %s;", fraction, message);
}

static void
test_progress_of_a_promise_is_told (void)
{
  g_autoptr (AiopoolPromise) promise = aiopool_promise_new (NULL);
  AiopoolFuture *future = aiopool_promise_get_future (promise);
  g_autoptr (GString) seen = g_string_new (NULL);

  g_signal_connect (future, "progressed", G_CALLBACK (on_progressed), seen);
  aiopool_promise_set_progress (promise, 0.2, "first");
  aiopool_promise_set_progress (promise, 0.5, "second");
  g_assert_cmpstr (seen->str, ==, "");
  g_assert_cmpfloat (aiopool_future_get_progress (future), ==, 0.5);
  while (seen->len == 0)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpstr (seen->str, ==, "0.5 second;");
  aiopool_promise_resolve (promise, g_variant_new_int32 (1));
  aiopool_promise_set_progress (promise, 0.9, "late");
  g_assert_cmpfloat (aiopool_future_get_progress (future), ==, 0.5);
}

typedef struct
{
  AiopoolPromise *promise;
  int             n_winners; /* atomic */
  int             n_ready;   /* atomic */
} Race;

static gpointer
settle_in_thread (gpointer data)
{
  Race *race = data;
  g_autoptr (GError) error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_FAILED, "lost");
  guint number = (guint) g_atomic_int_add (&race->n_ready, 1);
  gboolean has_won;

  while (g_atomic_int_get (&race->n_ready) < 3)
    g_thread_yield ();
  if (number == 0)
    has_won = aiopool_promise_resolve (race->promise, g_variant_new_int32 (1));
  else if (number == 1)
    has_won = aiopool_promise_reject (race->promise, error);
  else
    has_won = aiopool_future_cancel (aiopool_promise_get_future (race->promise),
                                     AIOPOOL_CANCEL_FORCE);
  if (has_won)
    g_atomic_int_inc (&race->n_winners);
  return NULL;
}

static void
test_resolve_reject_and_cancel_race (void)
{
  HelperTally tally = { 0 };

  for (guint i = 0; i < 1000; i++)
    {
      g_autoptr (AiopoolPromise) promise = aiopool_promise_new (NULL);
      Race race = { promise, 0, 0 };
      GThread *threads[3];

      helper_watch (aiopool_promise_get_future (promise), &tally);
      for (guint j = 0; j < 3; j++)
        threads[j] = g_thread_new ("racer", settle_in_thread, &race);
      for (guint j = 0; j < 3; j++)
        g_thread_join (threads[j]);
      g_assert_cmpint (race.n_winners, ==, 1);
      g_main_context_iteration (NULL, FALSE);
    }
  helper_await_tally (&tally);
}

static void
test_an_executor_of_promises_runs_tasks (void)
{
  g_autoptr (AiopoolExecutor) executor = new_executor (NULL);
  g_autoptr (AiopoolFuture) good = helper_submit (executor, "echo", "(u)", 5);
  g_autoptr (AiopoolFuture) bad = helper_submit (executor, "other", NULL);
  g_autoptr (AiopoolFuture) cancelled = helper_submit (executor, "echo", NULL);
  HelperTally tally = { 0 };

  helper_watch (good, &tally);
  helper_watch (bad, &tally);
  helper_watch (cancelled, &tally);
  g_assert_true (aiopool_future_cancel (cancelled, AIOPOOL_CANCEL_PENDING));
  helper_await_tally (&tally);
  g_variant_unref (helper_collect (good));
  helper_expect_error (bad, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_UNKNOWN_FUNCTION);
  helper_expect_cancelled (cancelled);
  helper_shutdown (executor, AIOPOOL_SHUTDOWN_DRAIN);
  helper_run_expecting (executor, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_CLOSED);
}

static void
test_a_blocking_call_that_needs_this_context_would_block (void)
{
  g_autoptr (AiopoolExecutor) executor = new_executor (NULL);
  g_autoptr (AiopoolFuture) future = helper_submit (executor, "echo", NULL);
  g_autoptr (GError) error = NULL;

  helper_run_expecting (executor, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_WOULD_BLOCK);
  g_assert_null (aiopool_future_collect (future, -1, NULL, &error));
  g_assert_error (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_WOULD_BLOCK);
  g_assert_false (aiopool_future_wait (future, -1));
  while (!aiopool_future_is_done (future))
    g_main_context_iteration (NULL, TRUE);
  g_assert_true (aiopool_future_wait (future, -1));
  g_variant_unref (helper_collect (future));
}

static gpointer
iterate (gpointer data)
{
  GMainLoop *loop = data;

  g_main_loop_run (loop);
  return NULL;
}

static gboolean
quit (gpointer data)
{
  g_main_loop_quit (data);
  return G_SOURCE_REMOVE;
}

static void
test_a_blocking_call_waits_for_the_context_of_another_thread (void)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (GMainLoop) loop = g_main_loop_new (context, FALSE);
  g_autoptr (AiopoolExecutor) executor = new_executor (context);
  GThread *thread = g_thread_new ("context", iterate, loop);

  while (!g_main_loop_is_running (loop))
    g_thread_yield ();
  for (guint i = 0; i < 200; i++)
    g_assert_cmpuint (helper_run_echo (executor, i), ==, i);
  g_main_context_invoke (context, quit, loop);
  g_thread_join (thread);
}

static void
keep_result (GObject      *object,
             GAsyncResult *result,
             gpointer      user_data)
{
  GAsyncResult **kept = user_data;

  g_assert_null (*kept);
  *kept = g_object_ref (result);
}

static void
on_submitted (GObject      *object,
              GAsyncResult *result,
              gpointer      user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (AiopoolFuture) future =
    aiopool_executor_submit_finish (AIOPOOL_EXECUTOR (object), result, &error);

  g_assert_no_error (error);
  g_assert_nonnull (future);
  (*(guint *) user_data)++;
}

static void
test_those_who_wait_hear_of_room_in_any_executor (void)
{
  g_autoptr (AiopoolExecutor) executor = new_executor (NULL);
  g_autoptr (AiopoolTask) task = helper_task ("echo", NULL);
  guint n_taken = 0;

  TEST_EXECUTOR (executor)->max_pending = 2;
  for (guint i = 0; i < 300; i++)
    aiopool_executor_submit_async (executor, task, NULL, on_submitted, &n_taken);
  while (n_taken < 300 || g_atomic_int_get (&TEST_EXECUTOR (executor)->n_pending) > 0)
    g_main_context_iteration (NULL, TRUE);
}

static void
test_neither_a_future_nor_an_error_is_failed (void)
{
  g_autoptr (AiopoolExecutor) executor = new_executor (NULL);
  g_autoptr (AiopoolTask) task = helper_task ("echo", NULL);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  TEST_EXECUTOR (executor)->is_silent = TRUE;
  helper_run_expecting (executor, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_FAILED);
  aiopool_executor_run_async (executor, task, NULL, keep_result, &result);
  while (result == NULL)
    g_main_context_iteration (NULL, TRUE);
  g_assert_null (aiopool_executor_run_finish (executor, result, &error));
  g_assert_error (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_FAILED);
}

static void
test_an_executor_that_implements_nothing_says_so (void)
{
  g_autoptr (AiopoolExecutor) executor = g_object_new (TEST_TYPE_BARE, NULL);
  g_autoptr (GError) error = NULL;

  helper_run_expecting (executor, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_NOT_SUPPORTED);
  g_assert_false (aiopool_executor_shutdown (executor, 0, NULL, &error));
  g_assert_error (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_NOT_SUPPORTED);
  g_assert_cmpuint (aiopool_executor_get_n_pending (executor), ==, 0);
  g_assert_cmpuint (aiopool_executor_get_n_running (executor), ==, 0);
}

static void
test_no_process_is_needed (void)
{
  g_autoptr (AiopoolPromise) promise = aiopool_promise_new (NULL);
  g_autoptr (AiopoolTask) task = helper_task ("echo", NULL);
  g_autoptr (AiopoolPromise) other = aiopool_promise_new (task);

  g_assert_true (aiopool_future_get_task (aiopool_promise_get_future (other)) == task);
  g_assert_cmpint (aiopool_future_get_worker_pid (aiopool_promise_get_future (promise)), ==, 0);
}

int
main (int   argc,
      char *argv[])
{
  helper_begin (&argc, &argv);
  helper_add ("/pool/promise/is-kept-once", test_a_promise_is_kept_once);
  helper_add ("/pool/promise/a-broken-one-is-an-error", test_a_broken_promise_is_an_error);
  helper_add ("/pool/promise/rejected-as-cancelled",
              test_a_promise_rejected_as_cancelled_is_cancelled);
  helper_add ("/pool/promise/a-dropped-one-fails", test_a_dropped_promise_fails);
  helper_add ("/pool/promise/any-value", test_a_promise_may_be_kept_with_any_value);
  helper_add ("/pool/promise/starts-once", test_a_promise_starts_once);
  helper_add ("/pool/promise/a-cancel-tells-it", test_a_cancel_tells_the_promise);
  helper_add ("/pool/promise/progress-is-told", test_progress_of_a_promise_is_told);
  helper_add ("/pool/promise/resolve-reject-and-cancel-race", test_resolve_reject_and_cancel_race);
  helper_add ("/pool/promise/an-executor-of-promises", test_an_executor_of_promises_runs_tasks);
  helper_add ("/pool/promise/would-block",
              test_a_blocking_call_that_needs_this_context_would_block);
  helper_add ("/pool/promise/waits-for-another-threads-context",
              test_a_blocking_call_waits_for_the_context_of_another_thread);
  helper_add ("/pool/promise/room-in-any-executor",
              test_those_who_wait_hear_of_room_in_any_executor);
  helper_add ("/pool/promise/neither-future-nor-error",
              test_neither_a_future_nor_an_error_is_failed);
  helper_add ("/pool/promise/an-executor-that-implements-nothing",
              test_an_executor_that_implements_nothing_says_so);
  helper_add ("/pool/promise/no-process-is-needed", test_no_process_is_needed);
  return helper_end ();
}
