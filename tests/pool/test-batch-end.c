/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/pool/helper-batch.h"

#include <glib/gstdio.h>
#include <signal.h>

/* How a batch ends before its source does: cancelled, too late, on the first error, dropped, and
 * with its executor; and what it does in each state of that. */

#define N_ITEMS 60

/* The first two items are held until there is a file. */
typedef struct
{
  const BatchKind *kind;
  AiopoolExecutor *executor; /* (owned) */
  AiopoolBatch    *batch;    /* (owned) */
  char            *path;     /* (owned) */
  char            *marks;    /* (owned) */
} Held;

static void
held_begin (Held       *held,
            const void *data,
            const char *name)
{
  g_autofree char *file = g_strdup_printf ("%s-%s", name, ((const BatchKind *) data)->name);
  g_autoptr (AiopoolSource) source = aiopool_source_new_for_array (batch_items ("hold", N_ITEMS));
  g_autoptr (AiopoolTask) task = NULL;

  held->kind = data;
  held->executor = batch_executor (data);
  held->path = helper_file (file);
  held->marks = helper_marks_new ();
  task = batch_task (held->marks, held->path);
  held->batch = batch_new (data, held->executor, task, source);
}

static void
held_open (Held *held)
{
  g_assert_true (g_file_set_contents (held->path, "", 0, NULL));
}

/* Until so many have begun. */
static void
held_await (Held *held,
            guint n)
{
  for (guint n_begun = 0; n_begun < n;)
    {
      g_autofree guint *counts = helper_marks_count (held->marks, N_ITEMS);

      n_begun = batch_sum (counts, N_ITEMS);
      g_usleep (500);
    }
}

static guint
held_count (Held *held)
{
  g_autofree guint *counts = helper_marks_count (held->marks, N_ITEMS);

  return batch_sum (counts, N_ITEMS);
}

static void
held_end (Held *held)
{
  held_open (held);
  g_clear_object (&held->batch);
  helper_shutdown (held->executor, AIOPOOL_SHUTDOWN_DRAIN);
  g_clear_object (&held->executor);
  g_remove (held->path);
  g_free (held->path);
  g_free (held->marks);
}

/* Returns how many items came to a result. */
static guint
count_results (AiopoolBatch *batch,
               int           domain_code)
{
  AiopoolFuture *future;
  guint n_results = 0;

  while ((future = aiopool_batch_next (batch, HELPER_LONG, NULL, NULL)) != NULL)
    {
      if (aiopool_future_get_state (future) == AIOPOOL_FUTURE_DONE)
        n_results++;
      else
        g_assert_error (aiopool_future_get_error (future), G_IO_ERROR, domain_code);
      g_object_unref (future);
    }
  return n_results;
}

static void
test_a_cancel_of_what_waits_lets_the_rest_end (gconstpointer data)
{
  Held held;

  held_begin (&held, data, "cancel-pending");
  aiopool_batch_start (held.batch);
  held_await (&held, 2);
  g_assert_true (aiopool_batch_cancel (held.batch, AIOPOOL_CANCEL_PENDING));
  g_assert_false (aiopool_batch_cancel (held.batch, AIOPOOL_CANCEL_PENDING));
  held_open (&held);
  g_assert_cmpuint (count_results (held.batch, G_IO_ERROR_CANCELLED), ==, 2);
  batch_expect_error (held.batch, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (aiopool_batch_get_state (held.batch), ==, AIOPOOL_FUTURE_CANCELLED);
  g_assert_cmpuint (held_count (&held), ==, 2);
  held_end (&held);
}

static void
test_a_cancel_tells_what_runs (gconstpointer data)
{
  Held held;

  held_begin (&held, data, "cancel-cooperative");
  aiopool_batch_start (held.batch);
  held_await (&held, 2);
  g_assert_true (aiopool_batch_cancel (held.batch, AIOPOOL_CANCEL_COOPERATIVE));
  g_assert_cmpuint (count_results (held.batch, G_IO_ERROR_CANCELLED), ==, 0);
  batch_expect_error (held.batch, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpuint (held_count (&held), ==, 2);
  held_end (&held);
}

static void
test_a_cancel_by_force_ends_it_at_once (gconstpointer data)
{
  Held held;
  g_autoptr (GError) error = NULL;

  held_begin (&held, data, "cancel-force");
  aiopool_batch_start (held.batch);
  held_await (&held, 2);
  g_assert_true (aiopool_batch_cancel (held.batch, AIOPOOL_CANCEL_PENDING));
  g_assert_true (aiopool_batch_cancel (held.batch, AIOPOOL_CANCEL_FORCE));
  g_assert_null (aiopool_batch_collect_all (held.batch, HELPER_LONG, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_false (aiopool_batch_cancel (held.batch, AIOPOOL_CANCEL_FORCE));
  g_assert_cmpuint (aiopool_batch_get_n_running (held.batch), ==, 0);
  held_end (&held);
}

static void
test_a_new_batch_can_be_cancelled (gconstpointer data)
{
  g_autoptr (AiopoolExecutor) executor = batch_executor (data);
  g_autoptr (AiopoolBatch) batch = batch_act (data, executor, "echo", 3);

  g_assert_true (aiopool_batch_cancel (batch, AIOPOOL_CANCEL_PENDING));
  batch_expect_error (batch, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpuint (aiopool_batch_get_n_done (batch), ==, 0);
  helper_shutdown (executor, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_timeout_ends_the_whole (gconstpointer data)
{
  Held held;

  held_begin (&held, data, "timeout");
  aiopool_batch_set_timeout (held.batch, 0.05);
  g_assert_cmpuint (count_results (held.batch, G_IO_ERROR_CANCELLED), ==, 0);
  batch_expect_error (held.batch, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  g_assert_cmpint (aiopool_batch_get_state (held.batch), ==, AIOPOOL_FUTURE_FAILED);
  held_end (&held);
}

static void
test_a_timeout_that_is_not_reached_does_nothing (gconstpointer data)
{
  g_autoptr (AiopoolExecutor) executor = batch_executor (data);
  g_autoptr (AiopoolBatch) batch = batch_act (data, executor, "echo", N_ITEMS);

  aiopool_batch_set_timeout (batch, HELPER_LONG);
  g_assert_cmpuint (batch_drain (batch), ==, N_ITEMS);
  batch_expect_end (batch);
  helper_shutdown (executor, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_the_first_error_stops_the_rest (gconstpointer data)
{
  g_autoptr (AiopoolExecutor) executor = batch_executor (data);
  g_autofree char *marks = helper_marks_new ();
  g_autofree guint *counts = NULL;
  g_autoptr (AiopoolTask) task = batch_task (marks, NULL);
  g_autoptr (AiopoolSource) source = NULL;
  g_autoptr (AiopoolBatch) batch = NULL;
  g_autoptr (GError) error = NULL;
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a(su)"));
  for (guint i = 0; i < 1000; i++)
    g_variant_builder_add (&builder, "(su)", i == 5 ? "fail" : "nap", i);
  source = aiopool_source_new_for_array (g_variant_builder_end (&builder));
  batch = batch_new (data, executor, task, source);
  aiopool_batch_set_stop_on_error (batch, TRUE);
  g_assert_null (aiopool_batch_collect_all (batch, HELPER_LONG, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  g_assert_cmpint (aiopool_batch_get_state (batch), ==, AIOPOOL_FUTURE_FAILED);
  counts = helper_marks_count (marks, 1000);
  g_assert_cmpuint (batch_sum (counts, 1000), <, 500);
  helper_shutdown (executor, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_dropped_batch_runs_no_more (gconstpointer data)
{
  Held held;
  guint n_begun;

  held_begin (&held, data, "dropped");
  aiopool_batch_start (held.batch);
  held_await (&held, 2);
  g_clear_object (&held.batch);
  n_begun = held_count (&held);
  held_open (&held);
  helper_shutdown (held.executor, AIOPOOL_SHUTDOWN_DRAIN);
  g_assert_cmpuint (held_count (&held), ==, n_begun);
  g_assert_cmpuint (n_begun, ==, 2);
  held_end (&held);
}

static gpointer
drop_in_thread (gpointer batch)
{
  g_object_unref (batch);
  return NULL;
}

static void
test_a_batch_is_dropped_anywhere_at_any_moment (gconstpointer data)
{
  g_autoptr (AiopoolExecutor) executor = batch_executor (data);

  for (guint i = 0; i < 60; i++)
    {
      AiopoolBatch *batch = batch_act (data, executor, "echo", 50);

      aiopool_batch_set_ordered (batch, i % 2 == 0);
      if (i % 3 != 0)
        aiopool_batch_start (batch);
      if (i % 3 == 2)
        g_object_unref (batch_next (batch));
      g_usleep (i * 13 % 400);
      if (i % 4 == 0)
        g_thread_join (g_thread_new ("dropper", drop_in_thread, batch));
      else
        g_object_unref (batch);
    }
  helper_shutdown (executor, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_batch_keeps_its_executor (gconstpointer data)
{
  AiopoolExecutor *executor = batch_executor (data);
  g_autoptr (AiopoolBatch) batch = batch_act (data, executor, "echo", N_ITEMS);

  g_object_unref (executor);
  g_assert_cmpuint (batch_drain (batch), ==, N_ITEMS);
  batch_expect_end (batch);
}

static void
test_a_closed_executor_takes_none (gconstpointer data)
{
  g_autoptr (AiopoolExecutor) executor = batch_executor (data);
  g_autoptr (AiopoolBatch) batch = batch_act (data, executor, "echo", N_ITEMS);
  g_autoptr (AiopoolBatch) collected = batch_act (data, executor, "echo", N_ITEMS);
  g_autoptr (GError) error = NULL;

  helper_shutdown (executor, AIOPOOL_SHUTDOWN_DRAIN);
  batch_expect_error (batch, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_CLOSED);
  g_assert_cmpuint (aiopool_batch_get_n_done (batch), ==, 0);
  g_assert_null (aiopool_batch_collect_all (collected, HELPER_LONG, NULL, &error));
  g_assert_error (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_CLOSED);
}

static void
test_a_shutdown_that_drains_ends_what_was_submitted (gconstpointer data)
{
  Held held;
  g_autoptr (GAsyncResult) result = NULL;
  guint n_results;

  held_begin (&held, data, "drain");
  aiopool_batch_start (held.batch);
  held_await (&held, 2);
  aiopool_executor_shutdown_async (held.executor, AIOPOOL_SHUTDOWN_DRAIN, NULL, batch_keep_result,
                                   &result);
  held_open (&held);
  n_results = count_results (held.batch, G_IO_ERROR_CANCELLED);
  g_assert_cmpuint (n_results, >=, 2);
  g_assert_cmpuint (held_count (&held), ==, n_results);
  batch_expect_error (held.batch, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_CLOSED);
  batch_await (&result);
  held_end (&held);
}

static void
test_a_shutdown_that_cancels_ends_the_batch (gconstpointer data)
{
  Held held;
  g_autoptr (GAsyncResult) result = NULL;

  held_begin (&held, data, "cancel-shutdown");
  aiopool_batch_start (held.batch);
  held_await (&held, 2);
  aiopool_executor_shutdown_async (held.executor, AIOPOOL_SHUTDOWN_CANCEL_PENDING, NULL,
                                   batch_keep_result, &result);
  held_open (&held);
  batch_drain (held.batch);
  batch_expect_error (held.batch, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_CLOSED);
  g_assert_cmpuint (held_count (&held), ==, 2);
  batch_await (&result);
  held_end (&held);
}

static void
test_a_full_executor_is_waited_for (gconstpointer data)
{
  const BatchKind *kind = data;
  g_autoptr (AiopoolExecutor) executor = kind->is_pool ? helper_pool (2)
                                                       : helper_threads_new (2, 1);
  g_autoptr (AiopoolBatch) batch = batch_act (kind, executor, "echo", 300);

  if (kind->is_pool)
    aiopool_pool_set_max_pending (AIOPOOL_POOL (executor), 1);
  aiopool_batch_set_window (batch, 20);
  for (guint i = 0; i < 300; i++)
    {
      g_autoptr (AiopoolFuture) future = batch_next (batch);

      g_assert_cmpuint (batch_number (future), ==, i);
    }
  batch_expect_end (batch);
  helper_shutdown (executor, AIOPOOL_SHUTDOWN_DRAIN);
}

typedef struct
{
  AiopoolBatch *batch; /* (unowned) */
  int           n_read; /* atomic */
} Reading;

static gpointer
read_to_the_end (gpointer data)
{
  Reading *reading = data;
  AiopoolFuture *future;

  while ((future = aiopool_batch_next (reading->batch, HELPER_LONG, NULL, NULL)) != NULL)
    {
      g_assert_true (aiopool_future_is_done (future));
      g_atomic_int_inc (&reading->n_read);
      g_object_unref (future);
    }
  return NULL;
}

static void
kill_a_worker (AiopoolExecutor *executor)
{
  GListModel *workers = aiopool_pool_get_workers (AIOPOOL_POOL (executor));
  g_autoptr (AiopoolWorker) worker = NULL;

  while (g_main_context_iteration (NULL, FALSE))
    ;
  worker = g_list_model_get_item (workers, 0);
  if (worker != NULL && aiopool_worker_get_pid (worker) > 0)
    kill (aiopool_worker_get_pid (worker), SIGKILL);
}

/* Whatever comes first: each item ends once and runs once at most, and nobody waits for ever. */
static void
end_in_a_race (const BatchKind *kind,
               AiopoolExecutor *executor,
               guint            round)
{
  g_autofree char *marks = helper_marks_new ();
  g_autofree guint *counts = NULL;
  g_autoptr (AiopoolTask) task = batch_task (marks, NULL);
  g_autoptr (AiopoolSource) source = aiopool_source_new_for_array (batch_items ("echo", 300));
  g_autoptr (AiopoolBatch) batch = batch_new (kind, executor, task, source);
  Reading reading = { batch, 0 };
  GThread *threads[2];

  aiopool_batch_set_ordered (batch, round % 2 == 0);
  aiopool_batch_set_eager (batch, round % 5 == 0);
  if (round % 4 == 3)
    aiopool_batch_set_timeout (batch, 0.001 + round % 7 * 0.001);
  aiopool_batch_start (batch);
  for (guint i = 0; i < 2; i++)
    threads[i] = g_thread_new ("reader", read_to_the_end, &reading);
  g_usleep (round * 137 % 3000);
  if (kind->is_pool && round % 4 == 1)
    kill_a_worker (executor);
  else if (round % 4 != 3)
    aiopool_batch_cancel (batch, (AiopoolCancelMode) (round % 3));
  while (aiopool_batch_get_state (batch) < AIOPOOL_FUTURE_DONE)
    g_main_context_iteration (NULL, FALSE);
  for (guint i = 0; i < 2; i++)
    g_thread_join (threads[i]);
  g_assert_cmpint (reading.n_read, ==, (int) aiopool_batch_get_n_done (batch));
  g_assert_cmpuint (aiopool_batch_get_n_running (batch), ==, 0);
  counts = helper_marks_count (marks, 300);
  g_assert_cmpuint (batch_sum (counts, 300), <=, aiopool_batch_get_n_done (batch));
}

static void
test_whatever_ends_it_each_item_ends_once (gconstpointer data)
{
  g_autoptr (AiopoolExecutor) executor = batch_executor (data);

  if (((const BatchKind *) data)->is_pool)
    aiopool_pool_set_restart_budget (AIOPOOL_POOL (executor), 0);
  for (guint i = 0; i < helper_rounds (40); i++)
    end_in_a_race (data, executor, i);
  helper_shutdown (executor, AIOPOOL_SHUTDOWN_DRAIN);
}

int
main (int    argc,
      char **argv)
{
  helper_begin (&argc, &argv);
  batch_add ("a-cancel-of-what-waits-lets-the-rest-end",
             test_a_cancel_of_what_waits_lets_the_rest_end);
  batch_add ("a-cancel-tells-what-runs", test_a_cancel_tells_what_runs);
  batch_add ("a-cancel-by-force-ends-it-at-once", test_a_cancel_by_force_ends_it_at_once);
  batch_add ("a-new-batch-can-be-cancelled", test_a_new_batch_can_be_cancelled);
  batch_add ("a-timeout-ends-the-whole", test_a_timeout_ends_the_whole);
  batch_add ("a-timeout-that-is-not-reached-does-nothing",
             test_a_timeout_that_is_not_reached_does_nothing);
  batch_add ("the-first-error-stops-the-rest", test_the_first_error_stops_the_rest);
  batch_add ("a-dropped-batch-runs-no-more", test_a_dropped_batch_runs_no_more);
  batch_add ("a-batch-is-dropped-anywhere-at-any-moment",
             test_a_batch_is_dropped_anywhere_at_any_moment);
  batch_add ("a-batch-keeps-its-executor", test_a_batch_keeps_its_executor);
  batch_add ("a-closed-executor-takes-none", test_a_closed_executor_takes_none);
  batch_add ("a-shutdown-that-drains-ends-what-was-submitted",
             test_a_shutdown_that_drains_ends_what_was_submitted);
  batch_add ("a-shutdown-that-cancels-ends-the-batch",
             test_a_shutdown_that_cancels_ends_the_batch);
  batch_add ("whatever-ends-it-each-item-ends-once", test_whatever_ends_it_each_item_ends_once);
  batch_add ("a-full-executor-is-waited-for", test_a_full_executor_is_waited_for);
  return helper_end ();
}
