/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/pool/helper.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <unistd.h>

/* Values of every size there and back, in the stream and in shared memory, and descriptors. */

#define KIB 1024
#define MIB (1024 * 1024)

static const guint64 sizes[] = {
  1, 7, 8, 4096, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 128 * KIB - 33, 128 * KIB - 32,
  128 * KIB - 1, 128 * KIB, 128 * KIB + 1, 256 * KIB, MIB - 1, MIB, MIB + 1, 4 * MIB + 3,
  20 * MIB,
};

static void
expect_pattern (GBytes *bytes,
                gsize   expected)
{
  g_autoptr (GBytes) pattern = helper_pattern_new (expected);

  g_assert_cmpuint (g_bytes_get_size (bytes), ==, expected);
  g_assert_true (g_bytes_equal (bytes, pattern));
}

static void
send_raw (AiopoolExecutor *pool,
          gsize            size)
{
  g_autoptr (GBytes) pattern = helper_pattern_new (size);
  AiopoolTask *task = aiopool_task_new_for_payload ("check-bytes", pattern, AIOPOOL_FORMAT_RAW);
  g_autoptr (AiopoolFuture) future = helper_submit_task (pool, task);
  g_autoptr (GVariant) result = helper_collect (future);

  g_assert_cmpint (g_variant_get_int64 (result), ==, size);
}

static void
send_variant (AiopoolExecutor *pool,
              gsize            size)
{
  g_autoptr (GBytes) pattern = helper_pattern_new (size);
  GVariant *variant = g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, pattern, TRUE);
  AiopoolTask *task = aiopool_task_new ("check-bytes", variant);
  g_autoptr (AiopoolFuture) future = helper_submit_task (pool, task);
  g_autoptr (GVariant) result = helper_collect (future);

  g_assert_cmpint (g_variant_get_int64 (result), ==, size);
}

static void
receive (AiopoolExecutor *pool,
         const char      *function,
         gsize            size,
         AiopoolFormat    expected)
{
  g_autoptr (AiopoolFuture) future = helper_submit (pool, function, "(t)", (guint64) size);
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GError) error = NULL;
  AiopoolFormat format;

  helper_wait (future);
  bytes = aiopool_future_get_payload (future, &format, &error);
  g_assert_no_error (error);
  g_assert_cmpint (format, ==, expected);
  expect_pattern (bytes, size);
}

static void
go_and_come (AiopoolExecutor *pool)
{
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      send_raw (pool, sizes[i]);
      send_variant (pool, sizes[i]);
      receive (pool, "make-bytes", sizes[i], AIOPOOL_FORMAT_GVARIANT);
      receive (pool, "make-raw", sizes[i], AIOPOOL_FORMAT_RAW);
      receive (pool, "make-buffer", sizes[i], AIOPOOL_FORMAT_RAW);
    }
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_all_sizes_go_and_come_with_a_trusted_worker (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);

  go_and_come (pool);
}

static void
test_all_sizes_go_and_come_with_an_untrusted_worker (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_untrusted_pool (1);

  go_and_come (pool);
}

static void
test_nothing_at_all_goes_and_comes (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);

  send_raw (pool, 0);
  send_variant (pool, 0);
  receive (pool, "make-bytes", 0, AIOPOOL_FORMAT_GVARIANT);
  receive (pool, "make-raw", 0, AIOPOOL_FORMAT_RAW);
  receive (pool, "make-buffer", 0, AIOPOOL_FORMAT_RAW);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_the_format_of_bytes_is_kept (void)
{
  static const AiopoolFormat formats[] = {
    AIOPOOL_FORMAT_RAW, AIOPOOL_FORMAT_JSON, AIOPOOL_FORMAT_PICKLE
  };
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (GBytes) bytes = g_bytes_new_static ("{}", 2);

  for (guint i = 0; i < G_N_ELEMENTS (formats); i++)
    {
      AiopoolTask *task = aiopool_task_new_for_payload ("echo", bytes, formats[i]);
      g_autoptr (AiopoolFuture) future = helper_submit_task (pool, task);
      g_autoptr (GBytes) result = NULL;
      AiopoolFormat format;

      helper_wait (future);
      result = aiopool_future_get_payload (future, &format, NULL);
      g_assert_cmpint (format, ==, formats[i]);
      g_assert_true (g_bytes_equal (result, bytes));
    }
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* Whether @data lies in memory that a memfd gave. */
static gboolean
is_in_memfd (gconstpointer data)
{
  g_autofree char *maps = NULL;
  g_auto (GStrv) lines = NULL;

  g_assert_true (g_file_get_contents ("/proc/self/maps", &maps, NULL, NULL));
  lines = g_strsplit (maps, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    {
      char *rest;
      guint64 start = g_ascii_strtoull (lines[i], &rest, 16);
      guint64 end = *rest == '-' ? g_ascii_strtoull (rest + 1, NULL, 16) : 0;

      if ((gsize) data >= start && (gsize) data < end)
        return strstr (lines[i], "/memfd:aiopool") != NULL;
    }
  return FALSE;
}

static void
expect_no_copy (AiopoolExecutor *pool)
{
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "make-bytes", "(t)", (guint64) MIB);
  g_autoptr (GVariant) result = helper_collect (future);
  g_autoptr (GBytes) first = aiopool_future_get_payload (future, NULL, NULL);
  g_autoptr (GBytes) second = aiopool_future_get_payload (future, NULL, NULL);

  g_assert_true (is_in_memfd (g_bytes_get_data (first, NULL)));
  g_assert_true (g_bytes_get_data (first, NULL) == g_bytes_get_data (second, NULL));
  g_assert_true (g_variant_get_data (result) == g_bytes_get_data (first, NULL));
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_large_result_is_not_copied (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);

  expect_no_copy (pool);
}

static void
test_a_large_result_of_an_untrusted_worker_is_not_copied (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_untrusted_pool (1);

  expect_no_copy (pool);
}

static void
test_a_result_outlives_its_worker_and_its_pool (void)
{
  g_autoptr (GBytes) bytes = NULL;

  {
    g_autoptr (AiopoolExecutor) pool = helper_pool (1);
    g_autoptr (AiopoolFuture) future = helper_submit (pool, "make-raw", "(t)", (guint64) MIB);

    helper_wait (future);
    bytes = aiopool_future_get_payload (future, NULL, NULL);
    helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  }
  expect_pattern (bytes, MIB);
}

static void
test_segments_are_used_again (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (GHashTable) places = g_hash_table_new (NULL, NULL);

  for (guint i = 0; i < 100; i++)
    {
      g_autoptr (GVariant) result = helper_run (pool, "make-bytes", "(t)", (guint64) MIB);

      g_hash_table_add (places, (gpointer) g_variant_get_data (result));
    }
  g_assert_cmpuint (g_hash_table_size (places), <=, 25);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
hold_many (AiopoolExecutor *pool)
{
  g_autoptr (GPtrArray) held = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);

  for (guint i = 0; i < 150; i++)
    {
      g_autoptr (AiopoolFuture) future =
        helper_submit (pool, "make-raw", "(t)", (guint64) 200 * KIB + i);

      helper_wait (future);
      g_ptr_array_add (held, aiopool_future_get_payload (future, NULL, NULL));
    }
  for (guint i = 0; i < held->len; i++)
    expect_pattern (g_ptr_array_index (held, i), 200 * KIB + i);
  g_ptr_array_set_size (held, 0);
  receive (pool, "make-raw", 200 * KIB, AIOPOOL_FORMAT_RAW);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_many_results_are_held_at_once (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);

  hold_many (pool);
}

static void
test_many_results_of_an_untrusted_worker_are_held_at_once (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_untrusted_pool (1);

  hold_many (pool);
}

static void
test_many_large_arguments_wait_at_once (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (2);
  g_autoptr (GPtrArray) futures = g_ptr_array_new_with_free_func (g_object_unref);

  for (guint i = 0; i < 100; i++)
    {
      gsize size = i % 10 == 0 ? 5 * MIB : 150 * KIB + i;
      g_autoptr (GBytes) pattern = helper_pattern_new (size);

      g_ptr_array_add (futures,
                       helper_submit_task (pool,
                                           aiopool_task_new_for_payload ("check-bytes", pattern,
                                                                         AIOPOOL_FORMAT_RAW)));
    }
  for (guint i = 0; i < futures->len; i++)
    {
      g_autoptr (GVariant) result = helper_collect (g_ptr_array_index (futures, i));

      g_assert_cmpint (g_variant_get_int64 (result), >=, 150 * KIB);
    }
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* The argument is on its way in slices when the task goes. */
static void
test_a_task_with_a_huge_argument_is_cancelled_at_any_moment (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (2);
  g_autoptr (GBytes) pattern = helper_pattern_new (20 * MIB);
  HelperTally tally = { 0 };

  helper_run_echo (pool, 1);
  for (guint i = 0; i < 40; i++)
    {
      AiopoolTask *task = aiopool_task_new_for_payload ("check-bytes", pattern,
                                                        AIOPOOL_FORMAT_RAW);
      g_autoptr (AiopoolFuture) future = helper_submit_task (pool, task);

      helper_watch (future, &tally);
      aiopool_future_wait (future, 0.0005 * (i % 16));
      aiopool_future_cancel (future, i % 2 ? AIOPOOL_CANCEL_PENDING : AIOPOOL_CANCEL_COOPERATIVE);
    }
  helper_await_tally (&tally);
  g_assert_cmpuint (tally.n_failed, ==, 0);
  g_test_message ("%u done, %u cancelled", tally.n_done, tally.n_cancelled);
  send_raw (pool, MIB);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
shut_down_with_huge_arguments (AiopoolShutdownFlags flags,
                               guint                pause)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (2);
  g_autoptr (GBytes) bytes = g_bytes_new_take (g_malloc0 (20 * MIB), 20 * MIB);
  HelperTally tally = { 0 };

  helper_run_echo (pool, 1);
  for (guint i = 0; i < 6; i++)
    {
      AiopoolTask *task = aiopool_task_new_for_payload ("echo", bytes, AIOPOOL_FORMAT_RAW);
      g_autoptr (AiopoolFuture) future = helper_submit_task (pool, task);

      helper_watch (future, &tally);
    }
  g_usleep (pause);
  helper_shutdown (pool, flags);
  helper_await_tally (&tally);
  g_assert_cmpuint (tally.n_failed, ==, 0);
}

static void
test_huge_arguments_are_no_obstacle_to_a_shutdown (void)
{
  for (guint i = 0; i < 10; i++)
    {
      shut_down_with_huge_arguments (AIOPOOL_SHUTDOWN_CANCEL_PENDING, 500 * i);
      shut_down_with_huge_arguments (AIOPOOL_SHUTDOWN_TERMINATE, 500 * i);
    }
}

/* Where there can be no shared memory, values go in the stream up to 8 MiB. */
static void
test_without_shared_memory_values_go_in_the_stream (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (GBytes) huge = g_bytes_new_take (g_malloc0 (20 * MIB), 20 * MIB);
  g_autoptr (AiopoolFuture) argument = NULL;
  g_autoptr (AiopoolFuture) result = NULL;
  int pid;

  if (!helper_is_apart ())
    return;
  helper_limit_files (MIB);
  pid = helper_run_pid (pool);
  send_raw (pool, 4 * MIB);
  receive (pool, "make-raw", 4 * MIB, AIOPOOL_FORMAT_RAW);
  argument = helper_submit_task (pool, aiopool_task_new_for_payload ("echo", huge,
                                                                     AIOPOOL_FORMAT_RAW));
  helper_expect_error (argument, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_ENCODE);
  helper_expect_message (argument, "RLIMIT_FSIZE");
  result = helper_submit (pool, "make-raw", "(t)", (guint64) 20 * MIB);
  helper_expect_error (result, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_ENCODE);
  helper_expect_message (result, "RLIMIT_FSIZE");
  g_assert_cmpint (helper_run_pid (pool), ==, pid);
  helper_limit_files (RLIM_INFINITY);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_an_argument_that_cannot_be_sent_is_no_obstacle_to_a_shutdown (void)
{
  g_autoptr (GBytes) huge = g_bytes_new_take (g_malloc0 (20 * MIB), 20 * MIB);

  if (!helper_is_apart ())
    return;
  helper_limit_files (MIB);
  for (guint i = 0; i < 50; i++)
    {
      g_autoptr (AiopoolExecutor) pool = helper_pool (1);
      AiopoolTask *task = aiopool_task_new_for_payload ("echo", huge, AIOPOOL_FORMAT_RAW);
      g_autoptr (AiopoolFuture) future = NULL;

      helper_run_echo (pool, 1);
      future = helper_submit_task (pool, task);
      helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
      helper_expect_error (future, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_ENCODE);
    }
  helper_limit_files (RLIM_INFINITY);
}

static void
test_without_room_for_a_status_page_no_worker_starts (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (AiopoolFuture) future = NULL;

  if (!helper_is_apart ())
    return;
  helper_limit_files (4096);
  future = helper_submit (pool, "echo", NULL);
  helper_expect_error (future, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_START_FAILED);
  helper_expect_message (future, "RLIMIT_FSIZE");
  helper_limit_files (RLIM_INFINITY);
  helper_run_echo (pool, 1);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_result_over_the_limit_fails_its_task_alone (void)
{
  g_autoptr (AiopoolExecutor) pool = g_object_new (AIOPOOL_TYPE_POOL,
                                                   "max-workers", 1,
                                                   "max-result-size", (guint64) 300 * KIB,
                                                   NULL);
  static const char *functions[] = { "make-bytes", "make-raw", "make-buffer" };
  int pid = helper_run_pid (pool);

  for (guint i = 0; i < G_N_ELEMENTS (functions); i++)
    {
      g_autoptr (AiopoolFuture) future =
        helper_submit (pool, functions[i], "(t)", (guint64) 300 * KIB + 1);

      helper_expect_error (future, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_TOO_LARGE);
      helper_expect_message (future, "307201");
      helper_expect_message (future, "307200");
      receive (pool, functions[i], 300 * KIB, i == 0 ? AIOPOOL_FORMAT_GVARIANT
                                                     : AIOPOOL_FORMAT_RAW);
    }
  g_assert_cmpint (helper_run_pid (pool), ==, pid);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static GUnixFDList *
new_readable_fds (guint n_fds)
{
  GUnixFDList *list = g_unix_fd_list_new ();

  for (guint i = 0; i < n_fds; i++)
    {
      char letter = (char) ('a' + i % 26);
      int fds[2];

      g_assert_true (g_unix_open_pipe (fds, FD_CLOEXEC, NULL));
      g_assert_cmpint (write (fds[1], &letter, 1), ==, 1);
      close (fds[1]);
      g_assert_cmpint (g_unix_fd_list_append (list, fds[0], NULL), ==, i);
      close (fds[0]);
    }
  return list;
}

static void
send_fds (AiopoolExecutor *pool,
          guint            n_fds,
          gsize            size)
{
  g_autoptr (GUnixFDList) list = new_readable_fds (n_fds);
  g_autoptr (GBytes) pattern = helper_pattern_new (size);
  AiopoolTask *task = aiopool_task_new_for_payload ("read-fds", pattern, AIOPOOL_FORMAT_RAW);
  g_autoptr (AiopoolFuture) future = NULL;
  g_autoptr (GVariant) result = NULL;

  aiopool_task_set_fds (task, list);
  future = helper_submit_task (pool, task);
  result = helper_collect (future);
  g_assert_cmpuint (strlen (g_variant_get_string (result, NULL)), ==, n_fds);
  if (n_fds >= 3)
    g_assert_true (g_str_has_prefix (g_variant_get_string (result, NULL), "abc"));
}

static void
test_descriptors_go_with_a_task (void)
{
  g_autoptr (AiopoolExecutor) trusted = helper_pool (1);
  g_autoptr (AiopoolExecutor) untrusted = helper_untrusted_pool (1);

  for (guint i = 0; i < 20; i++)
    {
      send_fds (trusted, i, 1);
      send_fds (trusted, i, 200 * KIB);
      send_fds (untrusted, i, 200 * KIB);
    }
  send_fds (trusted, 200, 10);
  helper_shutdown (trusted, AIOPOOL_SHUTDOWN_DRAIN);
  helper_shutdown (untrusted, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
receive_fds (AiopoolExecutor *pool,
             guint            n_fds,
             guint            size)
{
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "give-fds", "(uu)", n_fds, size);
  g_autoptr (GVariant) result = helper_collect (future);
  GUnixFDList *list = aiopool_future_get_fds (future);
  int n = 0;
  const int *fds = list != NULL ? g_unix_fd_list_peek_fds (list, &n) : NULL;

  g_assert_cmpuint (g_variant_get_size (result), ==, size);
  g_assert_cmpuint ((guint) n, ==, n_fds);
  for (guint i = 0; i < n_fds; i++)
    {
      char text[16] = { 0 };

      g_assert_cmpint (read (fds[i], text, sizeof text - 1), >, 0);
      g_assert_cmpuint (g_ascii_strtoull (text, NULL, 10), ==, i);
    }
}

static void
test_descriptors_come_with_a_result (void)
{
  g_autoptr (AiopoolExecutor) trusted = helper_pool (1);
  g_autoptr (AiopoolExecutor) untrusted = helper_untrusted_pool (1);

  for (guint i = 0; i < 20; i++)
    {
      receive_fds (trusted, i, 10);
      receive_fds (trusted, i, 200 * KIB);
      receive_fds (untrusted, i, 200 * KIB);
    }
  receive_fds (trusted, 200, 10);
  helper_shutdown (trusted, AIOPOOL_SHUTDOWN_DRAIN);
  helper_shutdown (untrusted, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_too_many_descriptors_fail_the_task_alone (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  int pid = helper_run_pid (pool);
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "give-fds", "(uu)", 250, 10);

  helper_expect_error (future, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_ENCODE);
  g_assert_cmpint (helper_run_pid (pool), ==, pid);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* Several tasks with descriptors in one read of the worker, and tasks without between them. */
static void
test_descriptors_stay_with_their_own_task (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (GPtrArray) futures = g_ptr_array_new_with_free_func (g_object_unref);

  helper_gate_occupy (gate, pool);
  for (guint i = 0; i < 60; i++)
    {
      AiopoolTask *task = helper_task ("read-fds", NULL);
      g_autoptr (GUnixFDList) list = new_readable_fds (i % 4);

      aiopool_task_set_fds (task, list);
      g_ptr_array_add (futures, helper_submit_task (pool, task));
    }
  helper_gate_open (gate);
  for (guint i = 0; i < futures->len; i++)
    {
      g_autoptr (GVariant) result = helper_collect (g_ptr_array_index (futures, i));

      g_assert_cmpmem (g_variant_get_string (result, NULL),
                       strlen (g_variant_get_string (result, NULL)), "abc", i % 4);
    }
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
expect_normal (AiopoolFuture *future,
               GVariant      *sent)
{
  g_autoptr (GVariant) normal = g_variant_get_normal_form (sent);
  g_autoptr (GVariant) result = helper_collect (future);

  g_assert_true (g_variant_is_normal_form (result));
  g_assert_true (g_variant_equal (result, normal));
}

/* A worker looks into what it gets without a second look. */
static void
test_what_is_not_in_normal_form_is_sent_in_it (void)
{
  static const struct { const char *type, *data; gsize size; } rows[] = {
    { "(i)", "ab", 2 }, { "(ix)", "", 0 }, { "s", "no end", 6 }, { "as", "a\0b\0\xff\x02", 6 },
    { "b", "\7", 1 }, { "o", "no//path", 9 }, { "v", "\0\0\0", 3 }, { "(sas)", "a\0\xee", 3 },
  };
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GVariant) variant = NULL;
      g_autoptr (AiopoolFuture) future = NULL;

      variant = g_variant_ref_sink (g_variant_new_from_data (G_VARIANT_TYPE (rows[i].type),
                                                             rows[i].data, rows[i].size, FALSE,
                                                             NULL, NULL));
      g_assert_false (g_variant_is_normal_form (variant));
      future = helper_submit_task (pool, aiopool_task_new ("echo", variant));
      expect_normal (future, variant);
    }
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_keywords_that_are_not_in_normal_form_are_sent_in_it (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (GVariant) good = g_variant_ref_sink (g_variant_new_parsed ("{'key': <1>}"));
  gsize size = g_variant_get_size (good);
  g_autofree guint8 *data = g_memdup2 (g_variant_get_data (good), size);
  g_autoptr (GVariant) keywords = NULL;
  g_autoptr (AiopoolFuture) future = NULL;
  AiopoolTask *task = helper_task ("keywords", NULL);

  data[strlen ("key") + 1] = 1; /* which is padding */
  keywords = g_variant_ref_sink (g_variant_new_from_data (G_VARIANT_TYPE_VARDICT, data, size, FALSE,
                                                          NULL, NULL));
  g_assert_false (g_variant_is_normal_form (keywords));
  aiopool_task_set_keywords (task, keywords);
  future = helper_submit_task (pool, task);
  expect_normal (future, keywords);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

int
main (int   argc,
      char *argv[])
{
  helper_begin (&argc, &argv);
  helper_add ("/pool/values/all-sizes-with-a-trusted-worker",
              test_all_sizes_go_and_come_with_a_trusted_worker);
  helper_add ("/pool/values/all-sizes-with-an-untrusted-worker",
              test_all_sizes_go_and_come_with_an_untrusted_worker);
  helper_add ("/pool/values/nothing-at-all", test_nothing_at_all_goes_and_comes);
  helper_add ("/pool/values/the-format-is-kept", test_the_format_of_bytes_is_kept);
  helper_add ("/pool/values/a-large-result-is-not-copied", test_a_large_result_is_not_copied);
  helper_add ("/pool/values/a-large-untrusted-result-is-not-copied",
              test_a_large_result_of_an_untrusted_worker_is_not_copied);
  helper_add ("/pool/values/a-result-outlives-its-pool",
              test_a_result_outlives_its_worker_and_its_pool);
  helper_add ("/pool/values/segments-are-used-again", test_segments_are_used_again);
  helper_add ("/pool/values/many-are-held-at-once", test_many_results_are_held_at_once);
  helper_add ("/pool/values/many-untrusted-are-held-at-once",
              test_many_results_of_an_untrusted_worker_are_held_at_once);
  helper_add ("/pool/values/many-large-arguments-wait-at-once",
              test_many_large_arguments_wait_at_once);
  helper_add ("/pool/values/a-huge-argument-is-cancelled-at-any-moment",
              test_a_task_with_a_huge_argument_is_cancelled_at_any_moment);
  helper_add ("/pool/values/huge-arguments-and-a-shutdown",
              test_huge_arguments_are_no_obstacle_to_a_shutdown);
  helper_add ("/pool/values/without-shared-memory",
              test_without_shared_memory_values_go_in_the_stream);
  helper_add ("/pool/values/an-argument-that-cannot-be-sent-and-a-shutdown",
              test_an_argument_that_cannot_be_sent_is_no_obstacle_to_a_shutdown);
  helper_add ("/pool/values/without-room-for-a-status-page",
              test_without_room_for_a_status_page_no_worker_starts);
  helper_add ("/pool/values/a-result-over-the-limit-fails-alone",
              test_a_result_over_the_limit_fails_its_task_alone);
  helper_add ("/pool/values/descriptors-go-with-a-task", test_descriptors_go_with_a_task);
  helper_add ("/pool/values/descriptors-come-with-a-result",
              test_descriptors_come_with_a_result);
  helper_add ("/pool/values/too-many-descriptors-fail-alone",
              test_too_many_descriptors_fail_the_task_alone);
  helper_add ("/pool/values/descriptors-stay-with-their-task",
              test_descriptors_stay_with_their_own_task);
  helper_add ("/pool/values/what-is-not-in-normal-form-is-sent-in-it",
              test_what_is_not_in_normal_form_is_sent_in_it);
  helper_add ("/pool/values/keywords-that-are-not-in-normal-form-are-sent-in-it",
              test_keywords_that_are_not_in_normal_form_are_sent_in_it);
  return helper_end ();
}
