/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/pool/helper.h"

#include <math.h>

/* What a future tells, when, and where. */

static void
test_it_is_pending_then_running_then_done (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (AiopoolFuture) first = helper_gate_submit (gate, pool, "deaf");
  g_autoptr (AiopoolFuture) second = helper_submit (pool, "echo", NULL);

  helper_gate_await (gate, 1);
  g_assert_cmpint (aiopool_future_get_state (first), ==, AIOPOOL_FUTURE_RUNNING);
  g_assert_cmpint (aiopool_future_get_state (second), ==, AIOPOOL_FUTURE_PENDING);
  g_assert_false (aiopool_future_is_done (first));
  g_assert_null (aiopool_future_get_error (first));
  helper_gate_open (gate);
  helper_wait (first);
  helper_wait (second);
  g_assert_cmpint (aiopool_future_get_state (first), ==, AIOPOOL_FUTURE_DONE);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_result_before_the_end_is_pending (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (AiopoolFuture) future = helper_gate_submit (gate, pool, "deaf");
  g_autoptr (GError) error = NULL;
  g_auto (GValue) value = G_VALUE_INIT;

  g_assert_null (aiopool_future_get_result (future, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_PENDING);
  g_clear_error (&error);
  g_assert_null (aiopool_future_get_payload (future, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_PENDING);
  g_clear_error (&error);
  g_assert_false (aiopool_future_get_value (future, &value, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_PENDING);
  helper_gate_open (gate);
  helper_wait (future);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_wait_ends_with_its_time (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (AiopoolFuture) future = helper_gate_submit (gate, pool, "deaf");
  g_autoptr (GError) error = NULL;
  gint64 begin = g_get_monotonic_time ();

  g_assert_false (aiopool_future_wait (future, 0));
  g_assert_false (aiopool_future_wait (future, 0.05));
  g_assert_null (aiopool_future_collect (future, 0.05, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  g_assert_cmpint (g_get_monotonic_time () - begin, >=, 100000);
  g_assert_false (aiopool_future_is_done (future));
  helper_gate_open (gate);
  g_assert_true (aiopool_future_wait (future, -1));
  g_assert_true (aiopool_future_wait (future, 0));
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static gpointer
cancel_soon (gpointer data)
{
  g_cancellable_cancel (data);
  return NULL;
}

static void
test_a_cancelled_collect_leaves_the_task_alone (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (AiopoolFuture) future = helper_gate_submit (gate, pool, "deaf");

  for (guint i = 0; i < 50; i++)
    {
      g_autoptr (GCancellable) cancellable = g_cancellable_new ();
      g_autoptr (GError) error = NULL;
      GThread *thread = g_thread_new ("canceller", cancel_soon, cancellable);

      g_assert_null (aiopool_future_collect (future, -1, cancellable, &error));
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
      g_thread_join (thread);
    }
  g_assert_false (aiopool_future_is_done (future));
  helper_gate_open (gate);
  helper_wait (future);
  g_assert_cmpint (aiopool_future_get_state (future), ==, AIOPOOL_FUTURE_DONE);
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

static GVariant *
collect_async (AiopoolFuture *future,
               GCancellable  *cancellable,
               GError       **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  aiopool_future_collect_async (future, cancellable, keep_result, &result);
  g_assert_null (result);
  while (result == NULL)
    g_main_context_iteration (NULL, TRUE);
  return aiopool_future_collect_finish (future, result, error);
}

static void
test_collect_async_before_and_after_the_end (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "echo", "(u)", 1);

  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GVariant) result = collect_async (future, NULL, &error);

      g_assert_no_error (error);
      g_assert_cmpstr (g_variant_get_type_string (result), ==, "(u)");
    }
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_cancelled_collect_async_leaves_the_task_alone (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (AiopoolFuture) future = helper_gate_submit (gate, pool, "deaf");
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GVariant) result = NULL;
  g_autoptr (GError) error = NULL;

  g_cancellable_cancel (cancellable);
  g_assert_null (collect_async (future, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);
  helper_gate_open (gate);
  result = collect_async (future, NULL, &error);
  g_assert_no_error (error);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
append_number (AiopoolFuture *future,
               gpointer       user_data)
{
  GArray *numbers = user_data;
  guint number = numbers->len;

  g_assert_true (aiopool_future_is_done (future));
  g_array_append_val (numbers, number);
}

static void
count_up (AiopoolFuture *future,
          gpointer       user_data)
{
  (*(guint *) user_data)++;
}

static void
test_done_callbacks_come_once_before_and_after_the_end (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (AiopoolFuture) future = helper_gate_submit (gate, pool, "deaf");
  guint n_before = 0;
  guint n_after = 0;
  HelperTally tally = { 0 };

  aiopool_future_add_done_callback (future, count_up, &n_before, NULL);
  helper_gate_open (gate);
  helper_wait (future);
  aiopool_future_add_done_callback (future, count_up, &n_after, NULL);
  g_assert_cmpuint (n_before + n_after, ==, 0);
  helper_watch (future, &tally);
  helper_await_tally (&tally);
  g_assert_cmpuint (n_before, ==, 1);
  g_assert_cmpuint (n_after, ==, 1);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

typedef struct
{
  GArray *seen;   /* (unowned) */
  guint   number;
} Ordered;

static void
note_order (AiopoolFuture *future,
            gpointer       user_data)
{
  Ordered *ordered = user_data;

  g_array_append_val (ordered->seen, ordered->number);
}

static void
test_done_callbacks_come_in_the_order_of_their_addition (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "echo", NULL);
  g_autoptr (GArray) seen = g_array_new (FALSE, FALSE, sizeof (guint));
  Ordered ordered[10];

  for (guint i = 0; i < G_N_ELEMENTS (ordered); i++)
    {
      ordered[i] = (Ordered) { seen, i };
      aiopool_future_add_done_callback (future, note_order, &ordered[i], NULL);
      if (i == 5)
        helper_wait (future);
    }
  while (seen->len < G_N_ELEMENTS (ordered))
    g_main_context_iteration (NULL, TRUE);
  for (guint i = 0; i < seen->len; i++)
    g_assert_cmpuint (g_array_index (seen, guint, i), ==, i);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
count_freed (gpointer data)
{
  (*(guint *) data)++;
}

static void
test_a_removed_callback_is_not_called_and_freed (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (AiopoolFuture) future = helper_gate_submit (gate, pool, "deaf");
  g_autoptr (GArray) numbers = g_array_new (FALSE, FALSE, sizeof (guint));
  guint n_freed = 0;
  guint early = aiopool_future_add_done_callback (future, count_up, &n_freed, count_freed);
  guint late = aiopool_future_add_done_callback (future, count_up, &n_freed, count_freed);
  HelperTally tally = { 0 };

  g_assert_true (aiopool_future_remove_done_callback (future, early));
  g_assert_cmpuint (n_freed, ==, 1);
  g_assert_false (aiopool_future_remove_done_callback (future, early));
  helper_watch (future, &tally);
  helper_gate_open (gate);
  helper_wait (future);
  g_assert_true (aiopool_future_remove_done_callback (future, late));
  g_assert_cmpuint (n_freed, ==, 2);
  aiopool_future_add_done_callback (future, append_number, numbers, NULL);
  helper_await_tally (&tally);
  g_assert_cmpuint (n_freed, ==, 2);
  g_assert_cmpuint (numbers->len, ==, 1);
  g_assert_false (aiopool_future_remove_done_callback (future, late));
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
note_thread (AiopoolFuture *future,
             gpointer       user_data)
{
  *(GThread **) user_data = g_thread_self ();
}

static gpointer
listen_in_thread (gpointer data)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  GThread *thread = NULL;

  g_main_context_push_thread_default (context);
  aiopool_future_add_done_callback (data, note_thread, &thread, NULL);
  while (thread == NULL)
    g_main_context_iteration (context, TRUE);
  g_main_context_pop_thread_default (context);
  g_assert_true (thread == g_thread_self ());
  return NULL;
}

static void
test_a_callback_comes_in_the_context_of_its_addition (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (AiopoolFuture) future = helper_gate_submit (gate, pool, "deaf");
  GThread *threads[3];
  GThread *seen = NULL;

  aiopool_future_add_done_callback (future, note_thread, &seen, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("listener", listen_in_thread, future);
  helper_gate_await (gate, 1);
  helper_gate_open (gate);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  g_assert_null (seen);
  while (seen == NULL)
    g_main_context_iteration (NULL, TRUE);
  g_assert_true (seen == g_thread_self ());
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
on_done_signal (AiopoolFuture *future,
                gpointer       user_data)
{
  (*(guint *) user_data)++;
  g_assert_true (aiopool_future_is_done (future));
}

static void
on_state_notified (AiopoolFuture *future,
                   GParamSpec    *pspec,
                   gpointer       user_data)
{
  (*(guint *) user_data)++;
}

static void
test_done_and_state_are_told_once (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "echo", NULL);
  guint n_done = 0;
  guint n_notified = 0;

  g_signal_connect (future, "done", G_CALLBACK (on_done_signal), &n_done);
  g_signal_connect (future, "notify::state", G_CALLBACK (on_state_notified), &n_notified);
  helper_wait (future);
  g_assert_cmpuint (n_done + n_notified, ==, 0);
  while (n_done == 0 || n_notified == 0)
    g_main_context_iteration (NULL, TRUE);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpuint (n_done, ==, 1);
  g_assert_cmpuint (n_notified, ==, 1);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
note_progress (AiopoolFuture *future,
               double         fraction,
               const char    *message,
               gpointer       user_data)
{
  double *last = user_data;

  g_assert_cmpfloat (fraction, >=, *last);
  g_assert_false (g_strcmp0 (message, "last") == 0 && fraction < 1);
  *last = fraction;
}

static void
test_progress_rises_to_the_last_report (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "report", "(u)", 1000);
  g_autofree char *message = NULL;
  double last = 0;
  HelperTally tally = { 0 };

  g_signal_connect (future, "progressed", G_CALLBACK (note_progress), &last);
  helper_watch (future, &tally);
  helper_await_tally (&tally);
  message = aiopool_future_dup_message (future);
  g_assert_cmpfloat (last, ==, 1);
  g_assert_cmpfloat (aiopool_future_get_progress (future), ==, 1);
  g_assert_cmpstr (message, ==, "last");
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

typedef struct
{
  guint n;
  gsize size;
} Emits;

static void
note_emit (AiopoolFuture *future,
           GVariant      *value,
           gpointer       user_data)
{
  Emits *emits = user_data;
  g_autoptr (GVariant) bytes = NULL;
  guint number;

  g_variant_get (value, "(u@ay)", &number, &bytes);
  g_assert_cmpuint (number, ==, emits->n);
  emits->size += g_variant_get_size (bytes);
  emits->n++;
}

static void
expect_emits (AiopoolExecutor *pool,
              guint            n,
              guint            size,
              gboolean         is_blocking)
{
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "emit", "(uu)", n, size);
  g_autoptr (GVariant) result = NULL;
  Emits emits = { 0, 0 };
  guint n_done = 0;

  g_signal_connect (future, "emitted", G_CALLBACK (note_emit), &emits);
  g_signal_connect (future, "done", G_CALLBACK (on_done_signal), &n_done);
  if (is_blocking)
    helper_wait (future);
  while (n_done == 0)
    g_main_context_iteration (NULL, TRUE);
  result = helper_collect (future);
  g_assert_cmpuint (g_variant_get_uint32 (result), ==, n);
  g_assert_cmpuint (emits.n, ==, n);
  g_assert_cmpuint (emits.size, ==, (gsize) n * size);
}

static void
test_partial_results_all_come_in_order_before_the_end (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);

  expect_emits (pool, 1, 0, FALSE);
  expect_emits (pool, 5000, 10, FALSE);
  expect_emits (pool, 200, 20000, FALSE);
  expect_emits (pool, 20, 300000, FALSE);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_blocking_wait_does_not_starve_a_task_that_emits (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);

  expect_emits (pool, 200, 20000, TRUE);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_partial_results_wait_until_somebody_takes_them (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "emit", "(uu)", 100, 100000);
  g_autoptr (AiopoolFuture) next = helper_submit (pool, "echo", NULL);
  HelperTally tally = { 0 };

  g_assert_false (aiopool_future_wait (next, 0.1));
  g_assert_cmpint (aiopool_future_get_state (future), ==, AIOPOOL_FUTURE_RUNNING);
  helper_watch (future, &tally);
  helper_await_tally (&tally);
  g_assert_cmpuint (tally.n_done, ==, 1);
  helper_wait (next);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_queue_time_is_submit_to_start_and_run_time_start_to_end (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (AiopoolFuture) first = helper_gate_submit (gate, pool, "deaf");
  g_autoptr (AiopoolFuture) second = helper_submit (pool, "nap", "(d)", 0.05);
  double opened, submitted, started, finished;

  helper_gate_await (gate, 1);
  g_assert_cmpfloat (aiopool_future_get_started_at (second), ==, 0);
  g_assert_cmpfloat (aiopool_future_get_run_time (second), ==, 0);
  g_assert_cmpfloat (aiopool_future_get_queue_time (second), >, 0);
  g_assert_cmpfloat (aiopool_future_get_started_at (first), >, 0);
  g_assert_cmpfloat (aiopool_future_get_finished_at (first), ==, 0);
  opened = (double) g_get_monotonic_time () / G_USEC_PER_SEC;
  helper_gate_open (gate);
  helper_wait (second);
  submitted = aiopool_future_get_submitted_at (second);
  started = aiopool_future_get_started_at (second);
  finished = aiopool_future_get_finished_at (second);
  g_assert_cmpfloat (started, >=, opened);
  g_assert_cmpfloat (started, >=, aiopool_future_get_finished_at (first) - 0.000002);
  g_assert_cmpfloat (fabs (aiopool_future_get_queue_time (second) - (started - submitted)), <,
                     0.00001);
  g_assert_cmpfloat (fabs (aiopool_future_get_run_time (second) - (finished - started)), <,
                     0.00001);
  g_assert_cmpfloat (aiopool_future_get_run_time (second), >=, 0.05);
  g_assert_cmpfloat (finished, <=, (double) g_get_monotonic_time () / G_USEC_PER_SEC);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_the_worker_pid_is_known_while_running_and_after (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  int pid = helper_run_pid (pool);
  g_autoptr (AiopoolFuture) first = helper_gate_submit (gate, pool, "deaf");
  g_autoptr (AiopoolFuture) second = helper_submit (pool, "echo", NULL);

  helper_gate_await (gate, 1);
  g_assert_cmpint (aiopool_future_get_worker_pid (first), ==, pid);
  g_assert_cmpint (aiopool_future_get_worker_pid (second), ==, 0);
  helper_gate_open (gate);
  helper_wait (second);
  g_assert_cmpint (aiopool_future_get_worker_pid (first), ==, pid);
  g_assert_cmpint (aiopool_future_get_worker_pid (second), ==, pid);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_bytes_are_no_variant (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "make-raw", "(t)", (guint64) 5);
  g_auto (GValue) value = G_VALUE_INIT;
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GError) error = NULL;
  AiopoolFormat format;

  helper_wait (future);
  g_assert_cmpint (aiopool_future_get_state (future), ==, AIOPOOL_FUTURE_DONE);
  g_assert_null (aiopool_future_get_result (future, &error));
  g_assert_error (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_WRONG_TYPE);
  g_clear_error (&error);
  bytes = aiopool_future_get_payload (future, &format, &error);
  g_assert_no_error (error);
  g_assert_cmpint (format, ==, AIOPOOL_FORMAT_RAW);
  g_assert_cmpuint (g_bytes_get_size (bytes), ==, 5);
  g_assert_true (aiopool_future_get_value (future, &value, &error));
  g_assert_true (G_VALUE_HOLDS (&value, G_TYPE_BYTES));
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_future_may_be_dropped_before_its_end (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (2);
  g_autofree char *path = helper_marks_new ();
  g_autofree guint *counts = NULL;

  for (guint i = 0; i < 200; i++)
    g_object_unref (helper_submit (pool, "mark", "(sui)", path, i, 0));
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  counts = helper_marks_count (path, 200);
  for (guint i = 0; i < 200; i++)
    g_assert_cmpuint (counts[i], ==, 1);
}

static gpointer
wait_in_thread (gpointer data)
{
  helper_wait (data);
  return NULL;
}

static void
test_many_threads_wait_for_one_future (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (AiopoolFuture) future = helper_gate_submit (gate, pool, "deaf");
  GThread *threads[8];

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("waiter", wait_in_thread, future);
  helper_gate_await (gate, 1);
  helper_gate_open (gate);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
submit_next (AiopoolFuture *future,
             gpointer       user_data)
{
  AiopoolExecutor *pool = user_data;
  guint left = GPOINTER_TO_UINT (g_object_get_data (G_OBJECT (pool), "left"));
  g_autoptr (AiopoolFuture) next = NULL;

  g_object_set_data (G_OBJECT (pool), "left", GUINT_TO_POINTER (left - 1));
  if (left == 1)
    return;
  next = helper_submit (pool, "echo", NULL);
  aiopool_future_add_done_callback (next, submit_next, pool, NULL);
}

static void
test_a_callback_may_submit (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "echo", NULL);

  g_object_set_data (G_OBJECT (pool), "left", GUINT_TO_POINTER (1000));
  aiopool_future_add_done_callback (future, submit_next, pool, NULL);
  while (g_object_get_data (G_OBJECT (pool), "left") != NULL)
    g_main_context_iteration (NULL, TRUE);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
drop_pool (AiopoolFuture *future,
           gpointer       user_data)
{
  g_clear_object ((AiopoolExecutor **) user_data);
}

static void
test_a_callback_may_drop_the_last_reference_of_the_pool (void)
{
  AiopoolExecutor *pool = helper_pool (1);
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "echo", NULL);

  aiopool_future_add_done_callback (future, drop_pool, &pool, NULL);
  while (pool != NULL)
    g_main_context_iteration (NULL, TRUE);
}

static void
nest (AiopoolFuture *future,
      gpointer       user_data)
{
  HelperTally *tally = user_data;

  if (tally->n_called < tally->n_watched)
    g_main_context_iteration (NULL, FALSE);
}

static void
test_a_callback_may_iterate_the_context (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (2);
  HelperTally tally = { 0 };

  for (guint i = 0; i < 300; i++)
    {
      g_autoptr (AiopoolFuture) future = helper_submit (pool, "echo", NULL);

      aiopool_future_add_done_callback (future, nest, &tally, NULL);
      helper_watch (future, &tally);
    }
  helper_await_tally (&tally);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

int
main (int   argc,
      char *argv[])
{
  helper_begin (&argc, &argv);
  helper_add ("/pool/future/pending-then-running-then-done",
              test_it_is_pending_then_running_then_done);
  helper_add ("/pool/future/a-result-before-the-end-is-pending",
              test_a_result_before_the_end_is_pending);
  helper_add ("/pool/future/wait-ends-with-its-time", test_wait_ends_with_its_time);
  helper_add ("/pool/future/a-cancelled-collect-leaves-the-task-alone",
              test_a_cancelled_collect_leaves_the_task_alone);
  helper_add ("/pool/future/collect-async-before-and-after-the-end",
              test_collect_async_before_and_after_the_end);
  helper_add ("/pool/future/a-cancelled-collect-async-leaves-the-task-alone",
              test_a_cancelled_collect_async_leaves_the_task_alone);
  helper_add ("/pool/future/done-callbacks-come-once",
              test_done_callbacks_come_once_before_and_after_the_end);
  helper_add ("/pool/future/done-callbacks-come-in-order",
              test_done_callbacks_come_in_the_order_of_their_addition);
  helper_add ("/pool/future/a-removed-callback-is-not-called",
              test_a_removed_callback_is_not_called_and_freed);
  helper_add ("/pool/future/a-callback-comes-in-its-context",
              test_a_callback_comes_in_the_context_of_its_addition);
  helper_add ("/pool/future/done-and-state-are-told-once", test_done_and_state_are_told_once);
  helper_add ("/pool/future/progress-rises-to-the-last-report",
              test_progress_rises_to_the_last_report);
  helper_add ("/pool/future/partial-results-come-in-order-before-the-end",
              test_partial_results_all_come_in_order_before_the_end);
  helper_add ("/pool/future/a-blocking-wait-does-not-starve-emits",
              test_a_blocking_wait_does_not_starve_a_task_that_emits);
  helper_add ("/pool/future/partial-results-wait-for-delivery",
              test_partial_results_wait_until_somebody_takes_them);
  helper_add ("/pool/future/timings-are-right",
              test_queue_time_is_submit_to_start_and_run_time_start_to_end);
  helper_add ("/pool/future/the-worker-pid-is-known",
              test_the_worker_pid_is_known_while_running_and_after);
  helper_add ("/pool/future/bytes-are-no-variant", test_bytes_are_no_variant);
  helper_add ("/pool/future/may-be-dropped-before-its-end",
              test_a_future_may_be_dropped_before_its_end);
  helper_add ("/pool/future/many-threads-wait-for-one", test_many_threads_wait_for_one_future);
  helper_add ("/pool/future/a-callback-may-submit", test_a_callback_may_submit);
  helper_add ("/pool/future/a-callback-may-drop-the-pool",
              test_a_callback_may_drop_the_last_reference_of_the_pool);
  helper_add ("/pool/future/a-callback-may-iterate-the-context",
              test_a_callback_may_iterate_the_context);
  return helper_end ();
}
