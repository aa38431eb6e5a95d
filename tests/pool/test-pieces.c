/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/pool/helper.h"

#include <signal.h>
#include <string.h>

/* Tasks whose bytes lie in several places. */

#define KIB 1024
#define MIB (1024 * 1024)

/* In pieces of uneven sizes, some of them empty. */
static AiopoolTask *
new_task (gsize size)
{
  static const gsize steps[] = { 0, 1, 7, 0, 4096, 100 * KIB, 3 * MIB + 1 };
  g_autoptr (GPtrArray) pieces = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  g_autoptr (GBytes) pattern = helper_pattern_new (size);
  gsize start = 0;

  for (guint i = 0; start < size; i++)
    {
      gsize n = MIN (steps[i % G_N_ELEMENTS (steps)], size - start);

      g_ptr_array_add (pieces, g_bytes_new_from_bytes (pattern, start, n));
      start += n;
    }
  return aiopool_task_new_for_pieces ("check-bytes", (GBytes **) pieces->pdata, pieces->len,
                                      AIOPOOL_FORMAT_RAW);
}

static void
expect_size (AiopoolFuture *future,
             gsize          size)
{
  g_autoptr (GVariant) result = helper_collect (future);

  g_assert_cmpint (g_variant_get_int64 (result), ==, size);
}

static void
send_all_sizes (AiopoolExecutor *pool)
{
  static const gsize sizes[] = { 0, 1, 100, 64 * KIB, 128 * KIB, 128 * KIB + 1, MIB, 9 * MIB };

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_autoptr (AiopoolFuture) future = helper_submit_task (pool, new_task (sizes[i]));

      expect_size (future, sizes[i]);
    }
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_all_sizes_go_to_a_trusted_worker (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);

  send_all_sizes (pool);
}

static void
test_all_sizes_go_to_an_untrusted_worker (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_untrusted_pool (1);

  send_all_sizes (pool);
}

static gsize
read_anonymous_kib (void)
{
  g_autofree char *text = NULL;
  const char *line;

  g_assert_true (g_file_get_contents ("/proc/self/status", &text, NULL, NULL));
  line = strstr (text, "RssAnon:");
  g_assert_nonnull (line);
  return (gsize) g_ascii_strtoull (line + strlen ("RssAnon:"), NULL, 10);
}

/* If they were joined somewhere the task, which may be submitted again, would keep that. */
static void
test_large_pieces_stay_where_they_are (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (AiopoolTask) task = new_task (64 * MIB);
  gsize before;

  helper_run_pid (pool);
  before = read_anonymous_kib ();
  for (guint i = 0; i < 3; i++)
    {
      g_autoptr (AiopoolFuture) future = helper_submit_task (pool, g_object_ref (task));

      expect_size (future, 64 * MIB);
    }
  g_assert_cmpuint (read_anonymous_kib (), <, before + 32 * KIB);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static gpointer
get_payload (gpointer task)
{
  return aiopool_task_get_payload (task);
}

static void
test_who_wants_them_in_one_gets_that (void)
{
  for (guint round = 0; round < helper_rounds (200); round++)
    {
      g_autoptr (AiopoolTask) task = new_task (5000);
      g_autoptr (GBytes) pattern = helper_pattern_new (5000);
      GThread *thread = g_thread_new ("reader", get_payload, task);
      GBytes *bytes = aiopool_task_get_payload (task);

      g_assert_true (g_thread_join (thread) == bytes);
      g_assert_true (g_bytes_equal (bytes, pattern));
      g_assert_cmpint (aiopool_task_get_format (task), ==, AIOPOOL_FORMAT_RAW);
    }
}

static void
count_freed (gpointer n_freed)
{
  ++*(guint *) n_freed;
}

static void
test_pieces_are_let_go_with_their_task (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  guint n_freed = 0;
  GBytes *pieces[2];
  AiopoolFuture *future;
  AiopoolTask *task;

  for (guint i = 0; i < G_N_ELEMENTS (pieces); i++)
    pieces[i] = g_bytes_new_with_free_func ("{}", 2, count_freed, &n_freed);
  task = aiopool_task_new_for_pieces ("echo", pieces, 2, AIOPOOL_FORMAT_JSON);
  for (guint i = 0; i < G_N_ELEMENTS (pieces); i++)
    g_bytes_unref (pieces[i]);
  future = helper_submit_task (pool, task);
  helper_wait (future);
  g_assert_cmpuint (n_freed, ==, 0);
  g_object_unref (future);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  g_assert_cmpuint (n_freed, ==, 2);
}

static void
test_a_crash_costs_them_no_other_run (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (AiopoolFuture) first = NULL;
  g_autoptr (AiopoolFuture) second = NULL;

  first = helper_submit (pool, "crash", "(i)", SIGSEGV);
  second = helper_submit_task (pool, new_task (2 * MIB));
  helper_expect_error (first, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_CRASHED);
  expect_size (second, 2 * MIB);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

int
main (int    argc,
      char **argv)
{
  helper_begin (&argc, &argv);
  helper_add ("/pool/pieces/all-sizes-with-a-trusted-worker",
              test_all_sizes_go_to_a_trusted_worker);
  helper_add ("/pool/pieces/all-sizes-with-an-untrusted-worker",
              test_all_sizes_go_to_an_untrusted_worker);
  helper_add ("/pool/pieces/large-ones-stay-where-they-are",
              test_large_pieces_stay_where_they_are);
  helper_add ("/pool/pieces/who-wants-them-in-one-gets-that",
              test_who_wants_them_in_one_gets_that);
  helper_add ("/pool/pieces/they-are-let-go-with-their-task",
              test_pieces_are_let_go_with_their_task);
  helper_add ("/pool/pieces/a-crash-costs-them-no-other-run",
              test_a_crash_costs_them_no_other_run);
  return helper_end ();
}
