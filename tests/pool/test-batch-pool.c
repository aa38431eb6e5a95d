/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/pool/helper-batch.h"

#include <glib/gstdio.h>
#include <string.h>

/* Items in chunks, when their worker dies or one of them takes too long; a broken pool. */

#define N_ITEMS 64
#define BAD     37

/* All are "echo" but one. */
static AiopoolBatch *
new_with_one (AiopoolExecutor *pool,
              const char      *what,
              const char      *marks,
              const char      *path,
              guint            retries,
              double           timeout)
{
  g_autoptr (AiopoolTask) task = batch_task (marks, path);
  g_autoptr (AiopoolSource) source = NULL;
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a(su)"));
  for (guint i = 0; i < N_ITEMS; i++)
    g_variant_builder_add (&builder, "(su)", i == BAD ? what : "echo", i);
  source = aiopool_source_new_for_array (g_variant_builder_end (&builder));
  aiopool_task_set_retries (task, retries);
  aiopool_task_set_timeout (task, timeout);
  return batch_new (&(BatchKind) { "pool", TRUE, 16 }, pool, task, source);
}

static void
test_a_crash_in_a_chunk_is_of_one_item (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (2);
  g_autofree char *marks = helper_marks_new ();
  g_autoptr (AiopoolBatch) batch = new_with_one (pool, "crash", marks, NULL, 0, 0);
  g_autofree guint *counts = NULL;

  for (guint i = 0; i < N_ITEMS; i++)
    {
      g_autoptr (AiopoolFuture) future = batch_next (batch);
      const GError *error = aiopool_future_get_error (future);

      g_assert_cmpuint (aiopool_future_get_position (future), ==, i);
      if (i == BAD)
        {
          g_assert_error (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_CRASHED);
          g_assert_cmpint (aiopool_future_get_worker_pid (future), >, 0);
        }
      else if (error != NULL)
        {
          g_assert_error (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_MAY_HAVE_RUN);
          g_assert_cmpuint (i, >=, BAD - BAD % 16);
          g_assert_cmpuint (i, <, BAD);
        }
      else
        g_assert_cmpuint (batch_number (future), ==, i);
    }
  batch_expect_end (batch);
  counts = helper_marks_count (marks, N_ITEMS);
  g_assert_cmpuint (batch_sum (counts, N_ITEMS), ==, N_ITEMS);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_items_are_tried_again_as_they_may (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (2);
  g_autofree char *marks = helper_marks_new ();
  g_autofree char *path = helper_file ("crash-once");
  g_autofree char *done = g_strdup_printf ("%s.%u", path, BAD);
  g_autoptr (AiopoolBatch) batch = new_with_one (pool, "crash-once", marks, path, 1, 0);
  g_autofree guint *counts = NULL;

  for (guint i = 0; i < N_ITEMS; i++)
    {
      g_autoptr (AiopoolFuture) future = batch_next (batch);

      g_assert_cmpuint (batch_number (future), ==, i);
    }
  batch_expect_end (batch);
  counts = helper_marks_count (marks, N_ITEMS);
  g_assert_cmpuint (counts[BAD], ==, 2);
  for (guint i = BAD + 1; i < N_ITEMS; i++)
    g_assert_cmpuint (counts[i], ==, 1);
  g_remove (done);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_retries_are_of_each_item_and_come_to_an_end (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (2);
  g_autofree char *marks = helper_marks_new ();
  g_autoptr (AiopoolBatch) batch = new_with_one (pool, "crash", marks, NULL, 2, 0);
  g_autofree guint *counts = NULL;

  for (guint i = 0; i < N_ITEMS; i++)
    {
      g_autoptr (AiopoolFuture) future = batch_next (batch);

      if (i == BAD)
        helper_expect_error (future, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_CRASHED);
      else
        g_assert_cmpuint (batch_number (future), ==, i);
    }
  batch_expect_end (batch);
  counts = helper_marks_count (marks, N_ITEMS);
  g_assert_cmpuint (counts[BAD], ==, 3);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_timeout_is_of_one_item (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (2);
  g_autofree char *path = helper_file ("never");
  g_autoptr (AiopoolBatch) batch = new_with_one (pool, "hold", NULL, path, 0, 0.1);

  for (guint i = 0; i < N_ITEMS; i++)
    {
      g_autoptr (AiopoolFuture) future = batch_next (batch);

      if (i == BAD)
        helper_expect_error (future, AIOPOOL_TASK_ERROR,
                             AIOPOOL_TASK_ERROR_TIMED_OUT);
      else
        g_assert_cmpuint (batch_number (future), ==, i);
    }
  batch_expect_end (batch);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_broken_pool_breaks_its_batches (void)
{
  g_autoptr (AiopoolLauncher) launcher = aiopool_launcher_new ();
  g_autoptr (AiopoolExecutor) pool = g_object_new (AIOPOOL_TYPE_POOL,
                                                   "max-workers", 2,
                                                   "launcher", launcher,
                                                   "on-worker-death", AIOPOOL_DEATH_BREAK,
                                                   NULL);
  g_autoptr (AiopoolBatch) batch = new_with_one (pool, "crash", NULL, NULL, 0, 0);
  g_autoptr (AiopoolBatch) late = new_with_one (pool, "echo", NULL, NULL, 0, 0);

  aiopool_batch_set_chunk_size (batch, 1);
  aiopool_batch_set_window (batch, 1); /* the others are still to be submitted */
  batch_drain (batch);
  batch_expect_error (batch, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_BROKEN);
  g_assert_cmpuint (aiopool_batch_get_n_failed (batch), >, 0);
  batch_expect_error (late, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_BROKEN);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_TERMINATE);
}

static void
test_a_long_item_holds_up_no_others (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (2);
  g_autofree char *path = helper_file ("long-item");
  g_autoptr (AiopoolBatch) batch = new_with_one (pool, "hold", NULL, path, 0, 0);

  aiopool_batch_set_ordered (batch, FALSE);
  for (guint i = 0; i < N_ITEMS - 1; i++)
    {
      g_autoptr (AiopoolFuture) future = batch_next (batch);

      g_assert_cmpuint (batch_number (future), !=, BAD);
    }
  g_assert_true (g_file_set_contents (path, "", 0, NULL));
  g_assert_cmpuint (batch_drain (batch), ==, 1);
  g_remove (path);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_large_and_odd_results_come_from_chunks (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (2);
  g_autoptr (AiopoolTask) task = aiopool_task_new ("echo", NULL);
  g_autoptr (AiopoolBatch) batch = NULL;
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("as"));
  for (guint i = 0; i < 24; i++)
    {
      g_autofree char *text = g_strnfill (i % 5 == 0 ? 300000 : i, 'x');

      g_variant_builder_add (&builder, "s", text);
    }
  batch = aiopool_executor_map (pool, task, g_variant_builder_end (&builder));
  aiopool_batch_set_chunk_size (batch, 6);
  for (guint i = 0; i < 24; i++)
    {
      g_autoptr (AiopoolFuture) future = batch_next (batch);
      g_autoptr (GError) error = NULL;
      g_autoptr (GVariant) result = aiopool_future_get_result (future, &error);
      const char *text;

      g_assert_no_error (error);
      g_variant_get (result, "(&s)", &text);
      g_assert_cmpuint (strlen (text), ==, i % 5 == 0 ? 300000 : i);
    }
  batch_expect_end (batch);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_workers_die_at_random (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (2);
  g_autofree char *marks = helper_marks_new ();
  g_autoptr (AiopoolTask) task = batch_task (marks, NULL);
  g_autoptr (AiopoolSource) source = NULL;
  g_autoptr (AiopoolBatch) batch = NULL;
  g_autofree guint *counts = NULL;
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a(su)"));
  for (guint i = 0; i < 400; i++)
    g_variant_builder_add (&builder, "(su)", i % 67 == 66 ? "crash" : "echo", i);
  source = aiopool_source_new_for_array (g_variant_builder_end (&builder));
  batch = batch_new (&(BatchKind) { "pool", TRUE, 0 }, pool, task, source);
  g_assert_cmpuint (batch_drain (batch), ==, 400);
  batch_expect_end (batch);
  counts = helper_marks_count (marks, 400);
  g_assert_cmpuint (batch_sum (counts, 400), ==, 400);
  g_assert_cmpuint (aiopool_batch_get_n_failed (batch), >=, 5);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

int
main (int    argc,
      char **argv)
{
  helper_begin (&argc, &argv);
  helper_add ("/batch-pool/a-crash-in-a-chunk-is-of-one-item",
              test_a_crash_in_a_chunk_is_of_one_item);
  helper_add ("/batch-pool/items-are-tried-again-as-they-may",
              test_items_are_tried_again_as_they_may);
  helper_add ("/batch-pool/retries-are-of-each-item-and-come-to-an-end",
              test_retries_are_of_each_item_and_come_to_an_end);
  helper_add ("/batch-pool/a-timeout-is-of-one-item", test_a_timeout_is_of_one_item);
  helper_add ("/batch-pool/a-broken-pool-breaks-its-batches",
              test_a_broken_pool_breaks_its_batches);
  helper_add ("/batch-pool/a-long-item-holds-up-no-others", test_a_long_item_holds_up_no_others);
  helper_add ("/batch-pool/large-and-odd-results-come-from-chunks",
              test_large_and_odd_results_come_from_chunks);
  helper_add ("/batch-pool/workers-die-at-random", test_workers_die_at_random);
  return helper_end ();
}
