/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/pool/helper-batch.h"

#include <glib/gstdio.h>

/* Several ways of reading: asynchronous, in bulk, by several at once, and as a list. */

#define N_ITEMS   60
#define N_READERS 4

static AiopoolFuture *
finish_next (AiopoolBatch  *batch,
             GAsyncResult **result,
             GError       **error)
{
  AiopoolFuture *future = aiopool_batch_next_finish (batch, batch_await (result), error);

  g_clear_object (result);
  return future;
}

static void
test_next_async_gives_one_after_the_other (gconstpointer data)
{
  g_autoptr (AiopoolExecutor) executor = batch_executor (data);
  g_autoptr (AiopoolBatch) batch = batch_act (data, executor, "echo", N_ITEMS);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < N_ITEMS; i++)
    {
      g_autoptr (AiopoolFuture) future = NULL;

      aiopool_batch_next_async (batch, NULL, batch_keep_result, &result);
      g_assert_null (result);
      future = finish_next (batch, &result, &error);
      g_assert_no_error (error);
      g_assert_cmpuint (batch_number (future), ==, i);
    }
  aiopool_batch_next_async (batch, NULL, batch_keep_result, &result);
  g_assert_null (finish_next (batch, &result, &error));
  g_assert_no_error (error);
  helper_shutdown (executor, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_reads_at_once_go_in_their_order (gconstpointer data)
{
  g_autoptr (AiopoolExecutor) executor = batch_executor (data);
  g_autoptr (AiopoolBatch) batch = batch_act (data, executor, "echo", 10);
  GAsyncResult *results[12] = { NULL };
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < 12; i++)
    aiopool_batch_next_async (batch, NULL, batch_keep_result, &results[i]);
  for (guint i = 0; i < 12; i++)
    {
      g_autoptr (AiopoolFuture) future = finish_next (batch, &results[i], &error);

      g_assert_no_error (error);
      g_assert_true ((future != NULL) == (i < 10));
      if (future != NULL)
        g_assert_cmpuint (batch_number (future), ==, i);
    }
  helper_shutdown (executor, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_cancelled_read_loses_nothing (gconstpointer data)
{
  g_autoptr (AiopoolExecutor) executor = batch_executor (data);
  g_autoptr (AiopoolBatch) batch = batch_act (data, executor, "echo", N_ITEMS);

  for (guint i = 0, n_tries = 0; i < N_ITEMS; n_tries++)
    {
      g_autoptr (GCancellable) cancellable = g_cancellable_new ();
      g_autoptr (GAsyncResult) result = NULL;
      g_autoptr (AiopoolFuture) future = NULL;
      g_autoptr (GError) error = NULL;

      aiopool_batch_next_async (batch, cancellable, batch_keep_result, &result);
      if (n_tries % 2 == 1)
        g_main_context_iteration (NULL, FALSE);
      if (n_tries % 3 != 2)
        g_cancellable_cancel (cancellable);
      future = finish_next (batch, &result, &error);
      if (future == NULL)
        {
          g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
          continue;
        }
      g_assert_cmpuint (batch_number (future), ==, i);
      i++;
    }
  batch_expect_end (batch);
  helper_shutdown (executor, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_read_that_ends_before_an_item_does (gconstpointer data)
{
  g_autoptr (AiopoolExecutor) executor = batch_executor (data);
  g_autofree char *path = helper_file ("read-before");
  g_autoptr (AiopoolTask) task = batch_task (NULL, path);
  g_autoptr (AiopoolSource) source = aiopool_source_new_for_array (batch_items ("hold", 2));
  g_autoptr (AiopoolBatch) batch = batch_new (data, executor, task, source);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) cancel_error = NULL;

  g_assert_null (aiopool_batch_next (batch, 0.02, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  g_cancellable_cancel (cancellable);
  g_assert_null (aiopool_batch_next (batch, -1, cancellable, &cancel_error));
  g_assert_error (cancel_error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_false (aiopool_batch_wait (batch, 0, NULL, NULL));
  g_assert_true (g_file_set_contents (path, "", 0, NULL));
  g_assert_cmpuint (batch_drain (batch), ==, 2);
  g_remove (path);
  helper_shutdown (executor, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_next_batch_takes_several (gconstpointer data)
{
  g_autoptr (AiopoolExecutor) executor = batch_executor (data);
  g_autoptr (AiopoolBatch) batch = batch_act (data, executor, "echo", 25);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GListModel) first = NULL;
  g_autoptr (GListModel) second = NULL;
  g_autoptr (GListModel) last = NULL;
  g_autoptr (GError) error = NULL;

  aiopool_batch_start (batch);
  first = aiopool_batch_next_batch (batch, 10, 10, HELPER_LONG, NULL, &error);
  g_assert_cmpuint (g_list_model_get_n_items (first), ==, 10);
  aiopool_batch_next_batch_async (batch, 10, 10, HELPER_LONG, NULL, batch_keep_result, &result);
  second = aiopool_batch_next_batch_finish (batch, batch_await (&result), &error);
  g_assert_no_error (error);
  g_assert_cmpuint (g_list_model_get_n_items (second), ==, 10);
  last = aiopool_batch_next_batch (batch, 10, 10, HELPER_LONG, NULL, &error);
  g_assert_cmpuint (g_list_model_get_n_items (last), ==, 5);
  g_assert_null (aiopool_batch_next_batch (batch, 10, 10, HELPER_LONG, NULL, &error));
  g_assert_no_error (error);
  helper_shutdown (executor, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_next_batch_gets_more_than_would_be_ahead (gconstpointer data)
{
  g_autoptr (AiopoolExecutor) executor = batch_executor (data);
  g_autoptr (AiopoolBatch) batch = batch_act (data, executor, "echo", N_ITEMS);
  g_autoptr (GListModel) all = NULL;
  g_autoptr (GError) error = NULL;

  aiopool_batch_set_backlog (batch, 2);
  all = aiopool_batch_next_batch (batch, N_ITEMS, 0, HELPER_LONG, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (g_list_model_get_n_items (all), ==, N_ITEMS);
  helper_shutdown (executor, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_next_batch_has_what_there_is_in_time (gconstpointer data)
{
  g_autoptr (AiopoolExecutor) executor = batch_executor (data);
  g_autofree char *path = helper_file ("batch-in-time");
  g_autoptr (AiopoolTask) task = batch_task (NULL, path);
  g_autoptr (AiopoolSource) source =
    aiopool_source_new_for_array (g_variant_new_parsed ("[('echo', @u 0), ('hold', 1)]"));
  g_autoptr (AiopoolBatch) batch = batch_new (data, executor, task, source);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GListModel) empty = NULL;
  g_autoptr (GListModel) some = NULL;
  g_autoptr (GListModel) none = NULL;
  g_autoptr (GError) error = NULL;

  aiopool_batch_set_chunk_size (batch, 1);
  some = aiopool_batch_next_batch (batch, 1, 10, HELPER_LONG, NULL, &error);
  g_assert_cmpuint (g_list_model_get_n_items (some), ==, 1);
  aiopool_batch_next_batch_async (batch, 2, 2, 0.01, NULL, batch_keep_result, &result);
  empty = aiopool_batch_next_batch_finish (batch, batch_await (&result), &error);
  g_assert_cmpuint (g_list_model_get_n_items (empty), ==, 0);
  none = aiopool_batch_next_batch (batch, 0, 0, HELPER_LONG, NULL, &error);
  g_assert_cmpuint (g_list_model_get_n_items (none), ==, 0);
  g_assert_true (g_file_set_contents (path, "", 0, NULL));
  g_assert_cmpuint (batch_drain (batch), ==, 1);
  g_remove (path);
  helper_shutdown (executor, AIOPOOL_SHUTDOWN_DRAIN);
}

typedef struct
{
  AiopoolBatch *batch;
  int          *counts; /* atomic */
} Race;

static gpointer
read_in_thread (gpointer data)
{
  Race *race = data;
  AiopoolFuture *future;

  while ((future = aiopool_batch_next (race->batch, HELPER_LONG, NULL, NULL)) != NULL)
    {
      g_atomic_int_inc (&race->counts[batch_number (future)]);
      g_object_unref (future);
    }
  return NULL;
}

static void
test_each_item_goes_to_one_reader (gconstpointer data)
{
  g_autoptr (AiopoolExecutor) executor = batch_executor (data);
  g_autoptr (AiopoolBatch) batch = batch_act (data, executor, "echo", 400);
  int counts[400] = { 0 };
  Race race = { batch, counts };
  GThread *threads[N_READERS];

  for (guint i = 0; i < N_READERS; i++)
    threads[i] = g_thread_new ("reader", read_in_thread, &race);
  while (aiopool_batch_get_state (batch) < AIOPOOL_FUTURE_DONE)
    g_main_context_iteration (NULL, FALSE);
  for (guint i = 0; i < N_READERS; i++)
    g_thread_join (threads[i]);
  for (guint i = 0; i < 400; i++)
    g_assert_cmpint (counts[i], ==, 1);
  helper_shutdown (executor, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_collect_and_wait_have_asynchronous_twins (gconstpointer data)
{
  g_autoptr (AiopoolExecutor) executor = batch_executor (data);
  g_autoptr (AiopoolBatch) batch = batch_act (data, executor, "echo", N_ITEMS);
  g_autoptr (GAsyncResult) collected = NULL;
  g_autoptr (GAsyncResult) waited = NULL;
  g_autoptr (GVariant) results = NULL;
  g_autoptr (GError) error = NULL;

  aiopool_batch_wait_async (batch, NULL, batch_keep_result, &waited);
  aiopool_batch_collect_all_async (batch, NULL, batch_keep_result, &collected);
  results = aiopool_batch_collect_all_finish (batch, batch_await (&collected), &error);
  g_assert_no_error (error);
  g_assert_cmpuint (g_variant_n_children (results), ==, N_ITEMS);
  g_assert_true (aiopool_batch_wait_finish (batch, batch_await (&waited), &error));
  helper_shutdown (executor, AIOPOOL_SHUTDOWN_DRAIN);
}

/* What a list widget does. */
typedef struct
{
  GListModel *list;
  guint       n_items; /* as told */
  guint       n_changes;
  guint       n_notified;
} View;

static void
on_changed (GListModel *list,
            guint       position,
            guint       n_removed,
            guint       n_added,
            View       *view)
{
  g_assert_true (g_main_context_is_owner (NULL));
  g_assert_cmpuint (position + n_removed, <=, view->n_items);
  view->n_items += n_added - n_removed;
  view->n_changes++;
  g_assert_cmpuint (g_list_model_get_n_items (list), ==, view->n_items);
}

static void
on_notified (View *view)
{
  g_assert_true (g_main_context_is_owner (NULL));
  view->n_notified++;
}

static void
test_a_list_shows_what_has_ended (gconstpointer data)
{
  g_autoptr (AiopoolExecutor) executor = batch_executor (data);
  g_autoptr (AiopoolBatch) batch = batch_act (data, executor, "echo", 500);
  View view = { G_LIST_MODEL (batch) };

  g_signal_connect (batch, "items-changed", G_CALLBACK (on_changed), &view);
  g_signal_connect_swapped (batch, "notify::n-done", G_CALLBACK (on_notified), &view);
  g_assert_cmpuint (g_list_model_get_n_items (view.list), ==, 0);
  g_assert_true (g_list_model_get_item_type (view.list) == AIOPOOL_TYPE_FUTURE);
  aiopool_batch_start (batch);
  while (view.n_items < 500 || aiopool_batch_get_state (batch) < AIOPOOL_FUTURE_DONE)
    g_main_context_iteration (NULL, TRUE);
  for (guint i = 0; i < 500; i++)
    {
      g_autoptr (AiopoolFuture) future = g_list_model_get_item (view.list, i);
      g_autoptr (AiopoolFuture) again = g_list_model_get_item (view.list, i);

      g_assert_true (future == again);
      g_assert_cmpuint (batch_number (future), ==, i);
    }
  g_assert_null (g_list_model_get_item (view.list, 500));
  g_assert_cmpuint (view.n_changes, <=, 500);
  g_assert_cmpuint (view.n_notified, >, 0);
  helper_shutdown (executor, AIOPOOL_SHUTDOWN_DRAIN);
}

/* As a binding does that makes something of each item as it comes. */
static void
test_who_only_listens_is_told_of_all (gconstpointer data)
{
  g_autoptr (AiopoolExecutor) executor = batch_executor (data);
  g_autoptr (AiopoolBatch) batch = batch_act (data, executor, "echo", 20);
  View view = { G_LIST_MODEL (batch) };

  g_signal_connect (batch, "items-changed", G_CALLBACK (on_changed), &view);
  aiopool_batch_start (batch);
  while (view.n_items < 20)
    g_main_context_iteration (NULL, TRUE);
  helper_shutdown (executor, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_what_is_taken_leaves_the_list (gconstpointer data)
{
  g_autoptr (AiopoolExecutor) executor = batch_executor (data);
  g_autoptr (AiopoolBatch) batch = batch_act (data, executor, "echo", 20);
  View view = { G_LIST_MODEL (batch) };
  g_autoptr (AiopoolFuture) shown = NULL;
  g_autoptr (AiopoolFuture) taken = NULL;
  g_autoptr (AiopoolFuture) now_first = NULL;

  g_signal_connect (batch, "items-changed", G_CALLBACK (on_changed), &view);
  g_assert_cmpuint (g_list_model_get_n_items (view.list), ==, 0);
  aiopool_batch_start (batch);
  while (view.n_items < 20)
    g_main_context_iteration (NULL, TRUE);
  shown = g_list_model_get_item (view.list, 0);
  taken = batch_next (batch);
  g_assert_true (taken == shown);
  g_assert_cmpuint (g_list_model_get_n_items (view.list), ==, 20); /* until it is told */
  while (view.n_items == 20)
    g_main_context_iteration (NULL, TRUE);
  now_first = g_list_model_get_item (view.list, 0);
  g_assert_cmpuint (batch_number (now_first), ==, 1);
  g_assert_cmpuint (batch_drain (batch), ==, 19);
  helper_shutdown (executor, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_read_that_would_never_end_says_so (void)
{
  g_autoptr (AiopoolExecutor) executor = helper_idler_new ();
  g_autoptr (AiopoolTask) task = aiopool_task_new ("echo", NULL);
  g_autoptr (AiopoolBatch) batch = aiopool_executor_map (executor, task,
                                                         g_variant_new_parsed ("[1, 2, 3]"));
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GVariant) results = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_null (aiopool_batch_next (batch, -1, NULL, &error));
  g_assert_error (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_WOULD_BLOCK);
  g_clear_error (&error);
  aiopool_batch_collect_all_async (batch, NULL, batch_keep_result, &result);
  results = aiopool_batch_collect_all_finish (batch, batch_await (&result), &error);
  g_assert_no_error (error);
  g_assert_cmpuint (g_variant_n_children (results), ==, 3);
}

int
main (int    argc,
      char **argv)
{
  helper_begin (&argc, &argv);
  batch_add ("next-async-gives-one-after-the-other", test_next_async_gives_one_after_the_other);
  batch_add ("reads-at-once-go-in-their-order", test_reads_at_once_go_in_their_order);
  batch_add ("a-cancelled-read-loses-nothing", test_a_cancelled_read_loses_nothing);
  batch_add ("a-read-that-ends-before-an-item-does", test_a_read_that_ends_before_an_item_does);
  batch_add ("next-batch-takes-several", test_next_batch_takes_several);
  batch_add ("next-batch-gets-more-than-would-be-ahead",
             test_next_batch_gets_more_than_would_be_ahead);
  batch_add ("next-batch-has-what-there-is-in-time", test_next_batch_has_what_there_is_in_time);
  batch_add ("each-item-goes-to-one-reader", test_each_item_goes_to_one_reader);
  batch_add ("collect-and-wait-have-asynchronous-twins",
             test_collect_and_wait_have_asynchronous_twins);
  batch_add ("a-list-shows-what-has-ended", test_a_list_shows_what_has_ended);
  batch_add ("who-only-listens-is-told-of-all", test_who_only_listens_is_told_of_all);
  batch_add ("what-is-taken-leaves-the-list", test_what_is_taken_leaves_the_list);
  helper_add ("/batch/a-read-that-would-never-end-says-so",
              test_a_read_that_would_never_end_says_so);
  return helper_end ();
}
