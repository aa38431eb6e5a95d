/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/pool/helper.h"

#include <unistd.h>

#define N_THREADS 4
#define N_TASKS   500

static void
test_run_returns_the_value (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);

  g_assert_cmpuint (helper_run_echo (pool, 7), ==, 7);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_run_is_in_another_process (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  int pid = helper_run_pid (pool);

  g_assert_cmpint (pid, !=, getpid ());
  g_assert_cmpint (helper_run_pid (pool), ==, pid);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_no_arguments_are_the_empty_tuple (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (GVariant) result = helper_run (pool, "echo", NULL);

  g_assert_cmpstr (g_variant_get_type_string (result), ==, "()");
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_values_of_any_type_go_and_come (void)
{
  static const char *texts[] = {
    "true", "byte 0x07", "int16 -7", "uint64 18446744073709551615", "1.5", "''", "'a\\u00e9'",
    "@as []", "@a{sv} {}", "@mi nothing", "@mmi just nothing", "(1, 'two', <3.0>)",
    "{'key': <[1, 2, 3]>, 'other': <@mu 4>}", "[(1, 'x'), (2, 'y')]", "b'bytes'",
    "handle 3", "objectpath '/a/b'", "signature 'a{sv}'", "<<<@() ()>>>",
  };
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (GVariant) value = g_variant_ref_sink (g_variant_new_parsed (texts[i]));
      g_autoptr (GVariant) result = helper_run (pool, "echo", "(@*)", value);
      g_autoptr (GVariant) child = g_variant_get_child_value (result, 0);

      g_assert_cmpvariant (child, value);
    }
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_arguments_need_not_be_a_tuple (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (GVariant) result = helper_run (pool, "echo", "s", "alone");

  g_assert_cmpstr (g_variant_get_string (result, NULL), ==, "alone");
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_keywords_arrive (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (AiopoolTask) task = helper_task ("keywords", NULL);
  g_autoptr (GVariant) keywords = g_variant_ref_sink (g_variant_new_parsed ("{'a': <1>}"));
  g_autoptr (GVariant) result = NULL;
  g_autoptr (GError) error = NULL;

  aiopool_task_set_keywords (task, keywords);
  result = aiopool_executor_run (pool, task, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpvariant (result, keywords);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_task_runs_as_often_as_it_is_submitted (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (2);
  g_autoptr (AiopoolTask) task = helper_task ("echo", "(u)", 3);

  for (guint i = 0; i < 20; i++)
    {
      g_autoptr (AiopoolFuture) first = aiopool_executor_submit (pool, task, NULL, NULL);
      g_autoptr (AiopoolFuture) second = aiopool_executor_submit (pool, task, NULL, NULL);

      g_assert_true (first != second);
      g_assert_true (aiopool_future_get_task (first) == task);
      helper_wait (first);
      helper_wait (second);
    }
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
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
test_run_async_calls_back_after_it_returned (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (AiopoolTask) task = helper_task ("echo", "(u)", 7);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GVariant) value = NULL;
  g_autoptr (GError) error = NULL;

  aiopool_executor_run_async (pool, task, NULL, keep_result, &result);
  g_assert_null (result);
  while (result == NULL)
    g_main_context_iteration (NULL, TRUE);
  value = aiopool_executor_run_finish (pool, result, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (g_variant_get_type_string (value), ==, "(u)");
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_submit_async_gives_the_future (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (AiopoolTask) task = helper_task ("echo", "(u)", 7);
  g_autoptr (AiopoolFuture) future = NULL;
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GVariant) value = NULL;
  g_autoptr (GError) error = NULL;

  aiopool_executor_submit_async (pool, task, NULL, keep_result, &result);
  g_assert_null (result);
  while (result == NULL)
    g_main_context_iteration (NULL, TRUE);
  future = aiopool_executor_submit_finish (pool, result, &error);
  g_assert_no_error (error);
  value = helper_collect (future);
  g_assert_cmpstr (g_variant_get_type_string (value), ==, "(u)");
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
run_task_of_callers (const char *function,
                     GQuark      domain,
                     int         code)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (AiopoolTask) work = helper_task (function, NULL);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GTask) task = g_task_new (NULL, NULL, keep_result, &result);
  g_autoptr (GVariant) value = NULL;
  g_autoptr (GError) error = NULL;

  aiopool_executor_run_task (pool, work, task);
  g_assert_null (result);
  while (result == NULL)
    g_main_context_iteration (NULL, TRUE);
  g_assert_true ((gpointer) result == (gpointer) task);
  value = g_task_propagate_pointer (task, &error);
  if (domain == 0)
    g_assert_no_error (error);
  else
    g_assert_error (error, domain, code);
  g_assert_true ((value != NULL) == (domain == 0));
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_run_task_completes_the_callers_gtask (void)
{
  run_task_of_callers ("echo", 0, 0);
  run_task_of_callers ("no such function", AIOPOOL_TASK_ERROR,
                       AIOPOOL_TASK_ERROR_UNKNOWN_FUNCTION);
}

static void
on_run_in_callback (AiopoolFuture *future,
                    gpointer       user_data)
{
  AiopoolExecutor *pool = user_data;

  g_assert_cmpuint (helper_run_echo (pool, 2), ==, 2);
}

static void
test_run_blocks_in_a_callback_of_the_loop (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "echo", "(u)", 1);
  HelperTally tally = { 0 };

  aiopool_future_add_done_callback (future, on_run_in_callback, pool, NULL);
  helper_watch (future, &tally);
  helper_await_tally (&tally);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static gpointer
run_many (gpointer data)
{
  for (guint i = 0; i < N_TASKS; i++)
    g_assert_cmpuint (helper_run_echo (data, i), ==, i);
  return NULL;
}

static void
test_run_blocks_in_many_threads (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (2);
  GThread *threads[N_THREADS];

  for (guint i = 0; i < N_THREADS; i++)
    threads[i] = g_thread_new ("runner", run_many, pool);
  for (guint i = 0; i < N_THREADS; i++)
    g_thread_join (threads[i]);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_run_blocks_in_a_task (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (GVariant) result = helper_run (pool, "run-in-pool", "(u)", 9);
  guint number;

  g_variant_get (result, "(u)", &number);
  g_assert_cmpuint (number, ==, 9);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static gboolean
count_round (gpointer data)
{
  (*(guint *) data)++;
  return G_SOURCE_CONTINUE;
}

static void
test_run_iterates_no_main_context (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  guint n_rounds = 0;
  guint id = g_idle_add (count_round, &n_rounds);

  helper_run_echo (pool, 1);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  g_assert_cmpuint (n_rounds, ==, 0);
  g_source_remove (id);
}

static void
expect_failure (const char *domain,
                GQuark      expected_domain,
                int         expected_code)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "fail", "(sis)", domain, 1, "not here");

  helper_expect_error (future, expected_domain, expected_code);
  helper_expect_message (future, "not here");
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_an_error_keeps_its_domain_and_code (void)
{
  expect_failure ("g-io-error-quark", G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
}

static void
test_an_error_of_an_unknown_domain_is_failed (void)
{
  expect_failure ("helper-private", AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_FAILED);
}

static void
test_an_error_info_comes_along (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "fail-with-info", NULL);
  AiopoolErrorInfo *info;

  helper_expect_error (future, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_FAILED);
  info = aiopool_future_get_error_info (future);
  g_assert_cmpstr (aiopool_error_info_get_type_name (info), ==, "ValueError");
  g_assert_cmpstr (aiopool_error_info_get_traceback (info), ==, "line 1\nline 2\n");
  g_assert_cmpstr (aiopool_error_info_get_notes (info)[0], ==, "a note");
  info = aiopool_error_info_get_cause (info);
  g_assert_cmpstr (aiopool_error_info_get_type_name (info), ==, "KeyError");
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_an_unknown_function_fails_its_task_alone (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "nobody knows me", NULL);
  int pid = helper_run_pid (pool);

  helper_expect_error (future, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_UNKNOWN_FUNCTION);
  helper_expect_message (future, "nobody knows me");
  g_assert_cmpint (aiopool_future_get_worker_pid (future), ==, pid);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_neither_result_nor_error_is_failed (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "say-nothing", NULL);

  helper_expect_error (future, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_FAILED);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* The first of the low ones may be with the worker before the high one comes. */
static void
test_a_higher_priority_starts_first (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (GPtrArray) low = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (AiopoolFuture) high = NULL;
  AiopoolTask *task = helper_task ("echo", NULL);

  helper_gate_occupy (gate, pool);
  for (guint i = 0; i < 10; i++)
    g_ptr_array_add (low, helper_submit (pool, "echo", NULL));
  aiopool_task_set_priority (task, 5);
  high = helper_submit_task (pool, task);
  helper_gate_open (gate);
  for (guint i = 0; i < low->len; i++)
    helper_wait (g_ptr_array_index (low, i));
  helper_wait (high);
  for (guint i = 1; i < low->len; i++)
    g_assert_cmpfloat (aiopool_future_get_started_at (high), <=,
                       aiopool_future_get_started_at (g_ptr_array_index (low, i)));
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_thousands_of_tasks_each_get_their_own_result (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (3);
  g_autoptr (GPtrArray) futures = g_ptr_array_new_with_free_func (g_object_unref);

  for (guint i = 0; i < 20000; i++)
    g_ptr_array_add (futures, helper_submit (pool, "echo", "(u)", i));
  for (guint i = 0; i < futures->len; i++)
    {
      g_autoptr (GVariant) result = helper_collect (g_ptr_array_index (futures, i));
      guint number;

      g_variant_get (result, "(u)", &number);
      g_assert_cmpuint (number, ==, i);
    }
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_payload_cannot_claim_to_be_a_variant (void)
{
  g_autoptr (GBytes) bytes = g_bytes_new_static ("x", 1);

  g_test_expect_message ("aiopool", G_LOG_LEVEL_CRITICAL, "*format*");
  g_assert_null (aiopool_task_new_for_payload ("echo", bytes, AIOPOOL_FORMAT_GVARIANT));
  g_test_assert_expected_messages ();
}

static void
test_a_submitted_task_is_frozen (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (AiopoolTask) task = helper_task ("echo", NULL);
  g_autoptr (AiopoolFuture) future = aiopool_executor_submit (pool, task, NULL, NULL);

  g_test_expect_message ("aiopool", G_LOG_LEVEL_CRITICAL, "*frozen*");
  aiopool_task_set_priority (task, 3);
  g_test_assert_expected_messages ();
  g_assert_cmpint (aiopool_task_get_priority (task), ==, 0);
  helper_wait (future);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

int
main (int   argc,
      char *argv[])
{
  helper_begin (&argc, &argv);
  helper_add ("/pool/run/returns-the-value", test_run_returns_the_value);
  helper_add ("/pool/run/is-in-another-process", test_run_is_in_another_process);
  helper_add ("/pool/run/no-arguments-are-the-empty-tuple", test_no_arguments_are_the_empty_tuple);
  helper_add ("/pool/run/values-of-any-type-go-and-come", test_values_of_any_type_go_and_come);
  helper_add ("/pool/run/arguments-need-not-be-a-tuple", test_arguments_need_not_be_a_tuple);
  helper_add ("/pool/run/keywords-arrive", test_keywords_arrive);
  helper_add ("/pool/run/as-often-as-submitted", test_a_task_runs_as_often_as_it_is_submitted);
  helper_add ("/pool/run/async-calls-back-after-it-returned",
              test_run_async_calls_back_after_it_returned);
  helper_add ("/pool/run/submit-async-gives-the-future", test_submit_async_gives_the_future);
  helper_add ("/pool/run/completes-the-callers-gtask", test_run_task_completes_the_callers_gtask);
  helper_add ("/pool/run/blocks-in-a-callback-of-the-loop",
              test_run_blocks_in_a_callback_of_the_loop);
  helper_add ("/pool/run/blocks-in-many-threads", test_run_blocks_in_many_threads);
  helper_add ("/pool/run/blocks-in-a-task", test_run_blocks_in_a_task);
  helper_add ("/pool/run/iterates-no-main-context", test_run_iterates_no_main_context);
  helper_add ("/pool/run/an-error-keeps-its-domain-and-code",
              test_an_error_keeps_its_domain_and_code);
  helper_add ("/pool/run/an-error-of-an-unknown-domain-is-failed",
              test_an_error_of_an_unknown_domain_is_failed);
  helper_add ("/pool/run/an-error-info-comes-along", test_an_error_info_comes_along);
  helper_add ("/pool/run/an-unknown-function-fails-its-task-alone",
              test_an_unknown_function_fails_its_task_alone);
  helper_add ("/pool/run/neither-result-nor-error-is-failed",
              test_neither_result_nor_error_is_failed);
  helper_add ("/pool/run/a-higher-priority-starts-first", test_a_higher_priority_starts_first);
  helper_add ("/pool/run/thousands-each-get-their-own-result",
              test_thousands_of_tasks_each_get_their_own_result);
  helper_add ("/pool/run/a-payload-cannot-claim-to-be-a-variant",
              test_a_payload_cannot_claim_to_be_a_variant);
  helper_add ("/pool/run/a-submitted-task-is-frozen", test_a_submitted_task_is_frozen);
  return helper_end ();
}
