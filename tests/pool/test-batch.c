/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/pool/helper-batch.h"

#include <string.h>

/* What comes of a batch: results and errors, each with its item, in order or not. */

#define N_ITEMS 60

static void
test_results_come_in_the_order_of_the_items (gconstpointer data)
{
  g_autoptr (AiopoolExecutor) executor = batch_executor (data);
  g_autoptr (AiopoolBatch) batch = batch_act (data, executor, "echo", N_ITEMS);

  g_assert_cmpint (aiopool_batch_get_state (batch), ==, AIOPOOL_FUTURE_PENDING);
  g_assert_cmpint (aiopool_batch_get_n_total (batch), ==, N_ITEMS);
  for (guint i = 0; i < N_ITEMS; i++)
    {
      g_autoptr (AiopoolFuture) future = batch_next (batch);

      g_assert_cmpuint (batch_number (future), ==, i);
      g_assert_cmpuint (aiopool_future_get_position (future), ==, i);
    }
  batch_expect_end (batch);
  batch_expect_end (batch);
  g_assert_cmpuint (aiopool_batch_get_n_done (batch), ==, N_ITEMS);
  g_assert_cmpuint (aiopool_batch_get_n_failed (batch), ==, 0);
  helper_shutdown (executor, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_results_come_once_each_as_they_end (gconstpointer data)
{
  g_autoptr (AiopoolExecutor) executor = batch_executor (data);
  g_autoptr (AiopoolBatch) batch = batch_act (data, executor, "echo", N_ITEMS);
  guint counts[N_ITEMS] = { 0 };

  aiopool_batch_set_ordered (batch, FALSE);
  for (guint i = 0; i < N_ITEMS; i++)
    {
      g_autoptr (AiopoolFuture) future = batch_next (batch);

      g_assert_cmpuint (batch_number (future), ==, aiopool_future_get_position (future));
      counts[batch_number (future)]++;
    }
  batch_expect_end (batch);
  g_assert_cmpuint (batch_sum (counts, N_ITEMS), ==, N_ITEMS);
  helper_shutdown (executor, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_each_item_has_its_task_and_times (gconstpointer data)
{
  const BatchKind *kind = data;
  g_autoptr (AiopoolExecutor) executor = batch_executor (data);
  g_autoptr (AiopoolBatch) batch = batch_act (data, executor, "nap", 9);
  double last = 0;

  for (guint i = 0; i < 9; i++)
    {
      g_autoptr (AiopoolFuture) future = batch_next (batch);
      AiopoolTask *task = aiopool_future_get_task (future);
      const char *what;
      guint number;

      g_variant_get (aiopool_task_get_arguments (task), "(&su)", &what, &number);
      g_assert_cmpuint (number, ==, i);
      g_assert_cmpstr (aiopool_task_get_function (task), ==, "act");
      g_assert_nonnull (aiopool_task_get_keywords (task));
      g_assert_cmpfloat (aiopool_future_get_run_time (future), >=, 0.0019);
      g_assert_cmpfloat (aiopool_future_get_started_at (future), >=,
                         aiopool_future_get_submitted_at (future));
      g_assert_cmpfloat (aiopool_future_get_finished_at (future), >=, last - 0.1);
      last = aiopool_future_get_finished_at (future);
      if (kind->is_pool)
        g_assert_cmpint (aiopool_future_get_worker_pid (future), >, 0);
      g_assert_false (aiopool_future_cancel (future, AIOPOOL_CANCEL_FORCE));
    }
  helper_shutdown (executor, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_map_passes_a_tuple_of_one (gconstpointer data)
{
  const BatchKind *kind = data;
  g_autoptr (AiopoolExecutor) executor = batch_executor (data);
  g_autoptr (AiopoolTask) task = aiopool_task_new ("echo", NULL);
  const char *arrays[] = {
    "[1, 2, 3, 4, 5, 6, 7, 8, 9]", "['a', '', 'ccc']", "[(1, 'x'), (2, 'y')]",
    "[<1>, <'two'>, <[3]>]", "{'k': 1, 'l': 2}", "[@() ()]", "[@mi 1, nothing]",
  };

  for (guint i = 0; i < G_N_ELEMENTS (arrays); i++)
    {
      g_autoptr (GVariant) items = g_variant_ref_sink (g_variant_new_parsed (arrays[i]));
      g_autoptr (AiopoolBatch) batch = aiopool_executor_map (executor, task, items);
      g_autoptr (GError) error = NULL;
      g_autoptr (GVariant) results = NULL;

      aiopool_batch_set_chunk_size (batch, kind->chunk_size);
      results = aiopool_batch_collect_all (batch, HELPER_LONG, NULL, &error);
      g_assert_no_error (error);
      g_assert_cmpuint (g_variant_n_children (results), ==, g_variant_n_children (items));
      for (gsize j = 0; j < g_variant_n_children (results); j++)
        {
          g_autoptr (GVariant) result = g_variant_get_child_value (results, j);
          g_autoptr (GVariant) inner = g_variant_get_child_value (result, 0);
          g_autoptr (GVariant) item = g_variant_get_child_value (items, j);
          g_autofree char *inner_text = g_variant_print (inner, FALSE);
          g_autofree char *item_text = g_variant_print (item, FALSE);

          g_assert_cmpuint (g_variant_n_children (result), ==, 1);
          if (i != 4) /* the entry of a dictionary is a tuple */
            g_assert_cmpstr (inner_text, ==, item_text);
          else
            g_assert_true (g_variant_is_of_type (inner, G_VARIANT_TYPE ("(si)")));
        }
    }
  helper_shutdown (executor, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_starmap_passes_items_as_they_are (gconstpointer data)
{
  const BatchKind *kind = data;
  g_autoptr (AiopoolExecutor) executor = batch_executor (data);
  g_autoptr (AiopoolTask) task = aiopool_task_new ("echo", NULL);
  g_autoptr (GVariant) items = g_variant_ref_sink (batch_items ("some text", 30));
  g_autoptr (AiopoolBatch) batch = aiopool_executor_starmap (executor, task, items);
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) results = NULL;

  aiopool_batch_set_chunk_size (batch, kind->chunk_size);
  results = aiopool_batch_collect_all (batch, HELPER_LONG, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (g_variant_equal (results, items));
  helper_shutdown (executor, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_nothing_comes_of_nothing (gconstpointer data)
{
  g_autoptr (AiopoolExecutor) executor = batch_executor (data);
  g_autoptr (AiopoolBatch) read = batch_act (data, executor, "echo", 0);
  g_autoptr (AiopoolBatch) collected = batch_act (data, executor, "echo", 0);
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) results = NULL;

  batch_expect_end (read);
  g_assert_cmpuint (g_list_model_get_n_items (G_LIST_MODEL (read)), ==, 0);
  results = aiopool_batch_collect_all (collected, HELPER_LONG, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (g_variant_get_type_string (results), ==, "av");
  g_assert_cmpuint (g_variant_n_children (results), ==, 0);
  helper_shutdown (executor, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_results_of_several_types_are_collected_in_variants (gconstpointer data)
{
  g_autoptr (AiopoolExecutor) executor = batch_executor (data);
  g_autoptr (AiopoolTask) task = batch_task (NULL, NULL);
  g_autoptr (AiopoolSource) source =
    aiopool_source_new_for_array (g_variant_new_parsed ("[('echo', @u 0), ('text', 1), "
                                                        "('echo', 2)]"));
  g_autoptr (AiopoolBatch) batch = batch_new (data, executor, task, source);
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) results = aiopool_batch_collect_all (batch, HELPER_LONG, NULL, &error);
  g_autofree char *text = NULL;

  g_assert_no_error (error);
  text = g_variant_print (results, TRUE);
  g_assert_cmpstr (text, ==, "[<uint32 0>, <'item 1'>, <uint32 2>]");
  helper_shutdown (executor, AIOPOOL_SHUTDOWN_DRAIN);
}

/* Every third item fails. */
static AiopoolBatch *
new_failing (const BatchKind *kind,
             AiopoolExecutor *executor,
             AiopoolTask     *task,
             guint            n)
{
  g_autoptr (AiopoolSource) source = NULL;
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a(su)"));
  for (guint i = 0; i < n; i++)
    g_variant_builder_add (&builder, "(su)", i % 3 == 1 ? "fail" : "echo", i);
  source = aiopool_source_new_for_array (g_variant_builder_end (&builder));
  return batch_new (kind, executor, task, source);
}

static void
test_failures_are_of_their_items (gconstpointer data)
{
  g_autoptr (AiopoolExecutor) executor = batch_executor (data);
  g_autoptr (AiopoolTask) task = batch_task (NULL, NULL);
  g_autoptr (AiopoolBatch) batch = new_failing (data, executor, task, 30);

  for (guint i = 0; i < 30; i++)
    {
      g_autoptr (AiopoolFuture) future = batch_next (batch);

      if (i % 3 != 1)
        {
          g_assert_cmpuint (batch_number (future), ==, i);
          continue;
        }
      g_assert_cmpint (aiopool_future_get_state (future), ==, AIOPOOL_FUTURE_FAILED);
      helper_expect_error (future, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
      g_assert_cmpuint (aiopool_future_get_position (future), ==, i);
    }
  batch_expect_end (batch);
  g_assert_cmpuint (aiopool_batch_get_n_failed (batch), ==, 10);
  helper_shutdown (executor, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_collect_all_fails_with_the_first_error (gconstpointer data)
{
  g_autoptr (AiopoolExecutor) executor = batch_executor (data);
  g_autoptr (AiopoolTask) task = batch_task (NULL, NULL);
  g_autoptr (AiopoolBatch) batch = new_failing (data, executor, task, 30);
  g_autoptr (GError) error = NULL;

  aiopool_batch_set_ordered (batch, FALSE);
  g_assert_null (aiopool_batch_collect_all (batch, HELPER_LONG, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  g_assert_nonnull (strstr (error->message, "item 1"));
  g_assert_cmpint (aiopool_batch_get_state (batch), ==, AIOPOOL_FUTURE_DONE);
  helper_shutdown (executor, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_collect_all_is_in_order_though_the_batch_is_not (gconstpointer data)
{
  g_autoptr (AiopoolExecutor) executor = batch_executor (data);
  g_autoptr (AiopoolBatch) batch = batch_act (data, executor, "echo", N_ITEMS);
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) results = NULL;

  aiopool_batch_set_ordered (batch, FALSE);
  results = aiopool_batch_collect_all (batch, HELPER_LONG, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (g_variant_get_type_string (results), ==, "au");
  for (guint i = 0; i < N_ITEMS; i++)
    {
      guint number;

      g_variant_get_child (results, i, "u", &number);
      g_assert_cmpuint (number, ==, i);
    }
  g_assert_cmpuint (g_list_model_get_n_items (G_LIST_MODEL (batch)), ==, N_ITEMS);
  helper_shutdown (executor, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_eager_submits_everything_at_the_start (gconstpointer data)
{
  const BatchKind *kind = data;
  g_autoptr (AiopoolExecutor) executor = batch_executor (data);
  g_autofree char *marks = helper_marks_new ();
  g_autoptr (AiopoolTask) task = batch_task (marks, NULL);
  g_autoptr (AiopoolSource) source = aiopool_source_new_for_array (batch_items ("echo", N_ITEMS));
  g_autoptr (AiopoolBatch) batch = batch_new (kind, executor, task, source);
  g_autofree guint *counts = NULL;

  aiopool_batch_set_eager (batch, TRUE);
  aiopool_batch_start (batch);
  g_assert_cmpuint (aiopool_batch_get_n_running (batch) + aiopool_batch_get_n_done (batch), ==,
                    N_ITEMS);
  g_assert_true (aiopool_batch_wait (batch, HELPER_LONG, NULL, NULL));
  counts = helper_marks_count (marks, N_ITEMS);
  g_assert_cmpuint (batch_sum (counts, N_ITEMS), ==, N_ITEMS);
  g_assert_cmpuint (batch_drain (batch), ==, N_ITEMS);
  helper_shutdown (executor, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_other_values_are_of_no_array (void)
{
  g_autoptr (AiopoolExecutor) executor = helper_threads_new (2, 0);
  g_autoptr (AiopoolTask) task = aiopool_task_new ("value", NULL);
  g_autoptr (AiopoolBatch) batch = aiopool_executor_map (executor, task,
                                                         g_variant_new_parsed ("[1]"));
  g_autoptr (GError) error = NULL;
  g_auto (GValue) value = G_VALUE_INIT;
  g_autoptr (AiopoolFuture) future = NULL;

  g_assert_null (aiopool_batch_collect_all (batch, HELPER_LONG, NULL, &error));
  g_assert_error (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_WRONG_TYPE);
  future = batch_next (batch);
  g_assert_true (aiopool_future_get_value (future, &value, NULL));
  g_assert_cmpstr (g_value_get_string (&value), ==, "a value");
  helper_shutdown (executor, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_options_are_for_a_new_batch (gconstpointer data)
{
  g_autoptr (AiopoolExecutor) executor = batch_executor (data);
  g_autoptr (AiopoolBatch) batch = batch_act (data, executor, "echo", 3);

  aiopool_batch_set_window (batch, 3);
  aiopool_batch_start (batch);
  g_test_expect_message ("aiopool", G_LOG_LEVEL_CRITICAL, "*is_new*");
  aiopool_batch_set_window (batch, 4);
  g_test_assert_expected_messages ();
  g_assert_cmpuint (aiopool_batch_get_window (batch), ==, 3);
  g_assert_cmpuint (batch_drain (batch), ==, 3);
  helper_shutdown (executor, AIOPOOL_SHUTDOWN_DRAIN);
}

int
main (int    argc,
      char **argv)
{
  helper_begin (&argc, &argv);
  batch_add ("results-come-in-the-order-of-the-items", test_results_come_in_the_order_of_the_items);
  batch_add ("results-come-once-each-as-they-end", test_results_come_once_each_as_they_end);
  batch_add ("each-item-has-its-task-and-times", test_each_item_has_its_task_and_times);
  batch_add ("map-passes-a-tuple-of-one", test_map_passes_a_tuple_of_one);
  batch_add ("starmap-passes-items-as-they-are", test_starmap_passes_items_as_they_are);
  batch_add ("nothing-comes-of-nothing", test_nothing_comes_of_nothing);
  batch_add ("results-of-several-types-are-collected-in-variants",
             test_results_of_several_types_are_collected_in_variants);
  batch_add ("failures-are-of-their-items", test_failures_are_of_their_items);
  batch_add ("collect-all-fails-with-the-first-error", test_collect_all_fails_with_the_first_error);
  batch_add ("collect-all-is-in-order-though-the-batch-is-not",
             test_collect_all_is_in_order_though_the_batch_is_not);
  batch_add ("eager-submits-everything-at-the-start", test_eager_submits_everything_at_the_start);
  batch_add ("options-are-for-a-new-batch", test_options_are_for_a_new_batch);
  helper_add ("/batch/other-values-are-of-no-array", test_other_values_are_of_no_array);
  return helper_end ();
}
