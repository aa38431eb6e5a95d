/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/pool/helper.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

/* Shared data: what many tasks have in common, and each worker gets once. */

#define KIB 1024
#define MIB (1024 * 1024)
#define MAX_KEPT 128 /* by a worker */

static const gsize sizes[] = { 0, 10, 100 * KIB, 128 * KIB, 128 * KIB + 1, MIB, 32 * MIB + 5 };

static AiopoolFuture *
submit_look (AiopoolExecutor   *pool,
             AiopoolSharedData *data,
             gboolean           is_counted)
{
  return helper_submit_task (pool, helper_shared_task ("look-shared",
                                                       g_variant_new ("(b)", is_counted), data));
}

static int
count_in_file (const char *path,
               const char *word)
{
  g_autofree char *text = NULL;
  int n = 0;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return 0;
  for (const char *at = strstr (text, word); at != NULL; at = strstr (at + 1, word))
    n++;
  return n;
}

static int
count_mapped (int pid)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/maps", pid);

  return count_in_file (path, "/memfd:aiopool-segment");
}

static int
count_open (int pid)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/fd", pid);
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;
  int n = 0;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *link = g_build_filename (path, name, NULL);
      g_autofree char *target = g_file_read_link (link, NULL);

      n += target != NULL && strstr (target, "memfd:aiopool-segment") != NULL;
    }
  return n;
}

/* --- once for each worker --------------------------------------------------------------------- */

/* Two workers at once, as both are at a gate. */
static void
occupy_both (HelperGate      *gate,
             AiopoolExecutor *pool)
{
  helper_gate_occupy (gate, pool);
  helper_gate_occupy (gate, pool);
}

static void
expect_once_for_each (AiopoolExecutor *pool,
                      gsize            size,
                      guint            n_before)
{
  g_autoptr (AiopoolSharedData) data = helper_shared_new (size, (guint) size);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  AiopoolFuture *futures[40];
  guint64 inode = 0;
  int pids[2] = { 0, 0 };

  occupy_both (gate, pool);
  for (guint i = 0; i < G_N_ELEMENTS (futures); i++)
    futures[i] = submit_look (pool, data, TRUE);
  helper_gate_open (gate);
  for (guint i = 0; i < G_N_ELEMENTS (futures); i++)
    {
      HelperLook look = helper_shared_expect (futures[i], data);

      g_assert_cmpuint (look.n_seen, <=, n_before + 1);
      g_assert_true ((look.inode != 0) == (size > 128 * KIB));
      g_assert_true (i == 0 || look.inode == inode);
      inode = look.inode;
      pids[look.pid != pids[0] && pids[0] != 0] = look.pid;
      g_object_unref (futures[i]);
    }
  g_test_message ("%zu bytes: workers %d and %d", size, pids[0], pids[1]);
}

static void
get_it_once (AiopoolExecutor *pool)
{
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    expect_once_for_each (pool, sizes[i], i);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_each_worker_gets_it_once_and_all_share_the_memory (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (2);

  get_it_once (pool);
}

static void
test_untrusted_workers_get_it_once_too (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_untrusted_pool (2);

  get_it_once (pool);
}

static void
test_two_pools_share_the_memory (void)
{
  g_autoptr (AiopoolSharedData) data = helper_shared_new (3 * MIB, 1);
  g_autoptr (AiopoolExecutor) first = helper_pool (1);
  g_autoptr (AiopoolExecutor) second = helper_pool (1);
  HelperLook look = helper_shared_run (first, data, FALSE);
  HelperLook other = helper_shared_run (second, data, FALSE);

  g_assert_cmpint (look.pid, !=, other.pid);
  g_assert_cmpuint (look.inode, !=, 0);
  g_assert_cmpuint (look.inode, ==, other.inode);
  helper_shutdown (first, AIOPOOL_SHUTDOWN_DRAIN);
  helper_shutdown (second, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_task_without_it_finds_none (void)
{
  g_autoptr (AiopoolSharedData) data = helper_shared_new (100, 1);
  g_autoptr (AiopoolSharedData) other = helper_shared_new (MIB, 2);
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);

  for (guint i = 0; i < 3; i++)
    {
      helper_shared_run (pool, data, FALSE);
      helper_shared_run (pool, NULL, FALSE);
      helper_shared_run (pool, other, FALSE);
      helper_shared_run (pool, NULL, FALSE);
    }
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_it_comes_beside_a_large_argument (void)
{
  g_autoptr (AiopoolSharedData) data = helper_shared_new (9 * MIB, 1);
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (GBytes) payload = g_bytes_new_take (g_malloc0 (7 * MIB), 7 * MIB);

  for (guint i = 0; i < 3; i++)
    {
      AiopoolTask *task = aiopool_task_new_for_payload ("echo", payload, AIOPOOL_FORMAT_RAW);
      g_autoptr (AiopoolFuture) future = NULL;
      g_autoptr (AiopoolFuture) look = NULL;
      g_autoptr (GBytes) result = NULL;

      aiopool_task_set_shared_data (task, data);
      future = helper_submit_task (pool, task);
      look = submit_look (pool, data, TRUE);
      helper_wait (future);
      result = aiopool_future_get_payload (future, NULL, NULL);
      g_assert_true (g_bytes_equal (result, payload));
      g_assert_cmpuint (helper_shared_expect (look, data).n_seen, ==, 1);
    }
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* --- workers that go -------------------------------------------------------------------------- */

static void
test_a_worker_in_the_place_of_another_gets_it_again (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_autoptr (AiopoolSharedData) data = helper_shared_new (sizes[i], i);
      int pid = helper_shared_run (pool, data, FALSE).pid;

      kill (pid, SIGKILL);
      helper_await_end (pid);
      g_assert_cmpint (helper_shared_run (pool, data, FALSE).pid, !=, pid);
    }
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_task_that_runs_again_has_it (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_autoptr (AiopoolSharedData) data = helper_shared_new (sizes[i], i);
      g_autofree char *name = g_strdup_printf ("again-%u", i);
      g_autofree char *path = helper_file (name);
      AiopoolTask *task = helper_shared_task ("look-again", g_variant_new ("(s)", path), data);
      g_autoptr (AiopoolFuture) future = NULL;
      g_autoptr (GVariant) result = NULL;
      guint look;

      aiopool_task_set_retries (task, 1);
      future = helper_submit_task (pool, task);
      result = helper_collect (future);
      g_variant_get (result, "(iu)", NULL, &look);
      g_assert_cmpuint (look, ==, helper_shared_look (data));
    }
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* What waits behind a task that takes long goes to the other worker, which gets the data then. */
static void
test_a_task_that_is_taken_back_has_it (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (2);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (HelperGate) other_gate = helper_gate_new ();
  g_autoptr (AiopoolSharedData) data = helper_shared_new (5 * MIB, 1);
  g_autoptr (AiopoolSharedData) small = helper_shared_new (5 * KIB, 1);
  AiopoolFuture *futures[8];

  helper_gate_occupy (gate, pool);
  helper_gate_occupy (other_gate, pool);
  for (guint i = 0; i < G_N_ELEMENTS (futures); i++)
    futures[i] = submit_look (pool, i % 2 == 0 ? data : small, TRUE);
  helper_gate_open (other_gate);
  for (guint i = 0; i < G_N_ELEMENTS (futures); i++)
    {
      helper_shared_expect (futures[i], i % 2 == 0 ? data : small);
      g_object_unref (futures[i]);
    }
  helper_gate_open (gate);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* --- what is kept ----------------------------------------------------------------------------- */

static void
test_a_worker_keeps_so_many_and_forgets_what_was_used_longest_ago (void)
{
  g_autoptr (GPtrArray) all = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  HelperLook look;

  for (guint i = 0; i < MAX_KEPT; i++)
    {
      g_ptr_array_add (all, helper_shared_new (100, i));
      look = helper_shared_run (pool, all->pdata[i], TRUE);
    }
  g_assert_cmpuint (look.n_seen, ==, MAX_KEPT);
  look = helper_shared_run (pool, all->pdata[0], TRUE);
  g_assert_cmpuint (look.n_seen, ==, MAX_KEPT); /* it is there, and not what goes next */
  g_ptr_array_add (all, helper_shared_new (100, MAX_KEPT));
  look = helper_shared_run (pool, all->pdata[MAX_KEPT], TRUE);
  g_assert_cmpuint (look.n_seen, ==, MAX_KEPT + 1);
  look = helper_shared_run (pool, all->pdata[0], TRUE);
  g_assert_cmpuint (look.n_seen, ==, MAX_KEPT + 1);
  look = helper_shared_run (pool, all->pdata[1], TRUE);
  g_assert_cmpuint (look.n_seen, ==, MAX_KEPT + 2);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* Many tasks that wait in the stream, each with data of its own: each finds its own. */
static void
test_what_is_forgotten_is_not_taken_from_a_task_before (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  AiopoolFuture *futures[3 * MAX_KEPT];
  guint looks[3 * MAX_KEPT];

  for (guint i = 0; i < 2000; i++)
    helper_run_echo (pool, i); /* short tasks: there will be many in the stream */
  for (guint i = 0; i < G_N_ELEMENTS (futures); i++)
    {
      g_autoptr (AiopoolSharedData) data = helper_shared_new (64, i);

      looks[i] = helper_shared_look (data);
      futures[i] = submit_look (pool, data, FALSE);
    }
  for (guint i = 0; i < G_N_ELEMENTS (futures); i++)
    {
      g_autoptr (GVariant) result = helper_collect (futures[i]);
      guint look;

      g_variant_get (result, "(ibutu)", NULL, NULL, &look, NULL, NULL);
      g_assert_cmpuint (look, ==, looks[i]);
      g_object_unref (futures[i]);
    }
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* No task and no trim: the worker is told at once. */
static void
test_what_nobody_has_any_more_workers_give_up (void)
{
  AiopoolSharedData *data = helper_shared_new (2 * MIB, 1);
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  int n_open = count_open (getpid ());
  int pid = helper_shared_run (pool, data, FALSE).pid;

  g_assert_cmpint (count_mapped (pid), ==, 1);
  g_assert_cmpint (count_open (pid), ==, 0);
  g_assert_cmpint (count_open (getpid ()), ==, n_open + 1);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_object_unref (data);
  while (count_mapped (pid) != 0 || count_open (getpid ()) != n_open)
    g_thread_yield ();
  g_assert_true (helper_is_alive (pid));
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
on_freed (gpointer data)
{
  *(GThread **) data = g_thread_self ();
}

static gpointer
drop (gpointer data)
{
  g_object_unref (data);
  return NULL;
}

/* The task has a reference, which goes with its future. */
static void
test_the_bytes_are_freed_where_user_code_may_run (void)
{
  static guint8 contents[300 * KIB];
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  GThread *freed_by = NULL;
  GBytes *bytes = g_bytes_new_with_free_func (contents, sizeof contents, on_freed, &freed_by);
  AiopoolSharedData *data = aiopool_shared_data_new (bytes);
  AiopoolFuture *future = submit_look (pool, data, FALSE);

  g_bytes_unref (bytes);
  g_thread_join (g_thread_new ("drop", drop, data));
  helper_wait (future);
  g_object_unref (future);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  while (freed_by == NULL)
    g_main_context_iteration (NULL, TRUE);
  g_assert_true (freed_by == g_thread_self ());
}

/* --- chunks, initializers --------------------------------------------------------------------- */

static void
map (AiopoolExecutor *pool,
     gsize            size,
     guint            chunk_size)
{
  g_autoptr (AiopoolSharedData) data = helper_shared_new (size, 3);
  g_autoptr (AiopoolTask) task = helper_shared_task ("look-shared", NULL, data);
  g_autoptr (AiopoolBatch) batch = NULL;
  g_autoptr (GVariant) results = NULL;
  g_autoptr (GError) error = NULL;
  static const guint8 items[60]; /* FALSE, each */

  batch = aiopool_executor_map (pool, task, g_variant_new_fixed_array (G_VARIANT_TYPE_BOOLEAN,
                                                                       items, sizeof items, 1));
  aiopool_batch_set_chunk_size (batch, chunk_size);
  results = aiopool_batch_collect_all (batch, HELPER_LONG, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (g_variant_n_children (results), ==, G_N_ELEMENTS (items));
  for (guint i = 0; i < G_N_ELEMENTS (items); i++)
    {
      guint look;

      g_variant_get_child (results, i, "(ibutu)", NULL, NULL, &look, NULL, NULL);
      g_assert_cmpuint (look, ==, helper_shared_look (data));
    }
}

static void
test_each_item_of_a_map_has_it (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (2);

  for (guint size = 10; size <= MIB; size *= 100)
    {
      map (pool, size, 1);
      map (pool, size, 7);
      map (pool, size, 0);
    }
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* They outlive the pool's owner, and what was shared goes where user code may run. */
static void
test_initializer_and_finalizer_have_it (void)
{
  static guint8 contents[200 * KIB];
  GThread *freed_by = NULL;
  GBytes *bytes = g_bytes_new_with_free_func (contents, sizeof contents, on_freed, &freed_by);
  AiopoolSharedData *data = aiopool_shared_data_new (bytes);
  g_autofree char *path = helper_file ("last");
  AiopoolTask *first = helper_shared_task ("look-first", NULL, data);
  AiopoolTask *last = helper_shared_task ("look-last", g_variant_new ("(s)", path), data);
  AiopoolExecutor *pool = g_object_new (AIOPOOL_TYPE_POOL, "max-workers", 1, "initializer", first,
                                        "finalizer", last, NULL);
  g_autofree char *expected = g_strdup_printf ("%u", helper_shared_look (data));
  g_autoptr (GVariant) told = NULL;
  g_autofree char *text = NULL;
  guint looked;

  g_bytes_unref (bytes);
  g_object_unref (first);
  g_object_unref (last);
  told = helper_run (pool, "tell-looked", NULL);
  g_variant_get (told, "(u)", &looked);
  g_assert_cmpuint (looked, ==, helper_shared_look (data));
  g_object_unref (data);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  g_assert_cmpstr (text, ==, expected);
  g_object_unref (pool);
  while (freed_by == NULL)
    g_main_context_iteration (NULL, TRUE);
  g_assert_true (freed_by == g_thread_self ());
}

static void
test_a_program_with_much_of_it_keeps_few_descriptors (void)
{
  g_autoptr (GPtrArray) all = g_ptr_array_new_with_free_func (g_object_unref);
  AiopoolExecutor *pools[2] = { helper_pool (1), helper_pool (1) };

  for (guint i = 0; i < 150; i++)
    g_ptr_array_add (all, helper_shared_new (128 * KIB + 1, i));
  for (guint i = 0; i < G_N_ELEMENTS (pools); i++)
    {
      for (guint j = 0; j < all->len; j++)
        helper_shared_run (pools[i], all->pdata[j], FALSE);
      g_assert_cmpint (count_open (getpid ()), <, 100);
    }
  for (guint i = 0; i < G_N_ELEMENTS (pools); i++)
    {
      helper_shutdown (pools[i], AIOPOOL_SHUTDOWN_DRAIN);
      g_object_unref (pools[i]);
    }
}

/* --- threads ---------------------------------------------------------------------------------- */

typedef struct
{
  AiopoolExecutor   *pool;   /* (unowned): the test's */
  AiopoolSharedData *common; /* (unowned): the test's */
  guint              number;
} User;

/* Data of its own, given up at once, and some that all have. */
static gpointer
use_shared (gpointer data)
{
  User *user = data;

  for (guint i = 0; i < 30; i++)
    {
      gsize size = sizes[(i + user->number) % (G_N_ELEMENTS (sizes) - 1)];
      AiopoolSharedData *own = helper_shared_new (size, i * 10 + user->number);
      g_autoptr (AiopoolFuture) first = submit_look (user->pool, own, FALSE);
      g_autoptr (AiopoolFuture) second = submit_look (user->pool, user->common, FALSE);
      g_autoptr (GVariant) result = NULL;
      guint look = helper_shared_look (own);
      guint sum;

      g_object_unref (own);
      result = helper_collect (first);
      g_variant_get (result, "(ibutu)", NULL, NULL, &sum, NULL, NULL);
      g_assert_cmpuint (sum, ==, look);
      helper_shared_expect (second, user->common);
    }
  return NULL;
}

static void
test_threads_share_what_others_give_up (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (2);
  g_autoptr (AiopoolSharedData) common = helper_shared_new (700 * KIB, 1);
  GThread *threads[4];
  User users[4];

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    {
      users[i] = (User) { pool, common, i };
      threads[i] = g_thread_new ("user", use_shared, &users[i]);
    }
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* --- what goes wrong -------------------------------------------------------------------------- */

static void
test_a_cancel_while_it_is_copied_leaves_it_for_others (void)
{
  g_autoptr (AiopoolSharedData) data = helper_shared_new (64 * MIB, 1);
  g_autoptr (AiopoolExecutor) pool = helper_pool (2);

  helper_shared_run (pool, NULL, FALSE);
  for (guint i = 0; i < 3; i++)
    {
      g_autoptr (AiopoolFuture) future = submit_look (pool, data, TRUE);

      aiopool_future_cancel (future, AIOPOOL_CANCEL_FORCE);
      helper_wait (future);
    }
  g_assert_cmpuint (helper_shared_run (pool, data, TRUE).n_seen, ==, 1);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* The copying is left off when there is nobody any more. */
static void
test_a_pool_that_goes_while_it_is_copied_leaves_nothing (void)
{
  int n_open = count_open (getpid ());

  for (guint i = 0; i < 4; i++)
    {
      g_autoptr (AiopoolSharedData) data = helper_shared_new (32 * MIB, 1);
      g_autoptr (AiopoolExecutor) pool = helper_pool (1);
      g_autoptr (AiopoolFuture) future = NULL;

      helper_run_echo (pool, i);
      future = submit_look (pool, data, FALSE);
      helper_shutdown (pool, AIOPOOL_SHUTDOWN_TERMINATE);
      helper_wait (future);
    }
  while (g_main_context_iteration (NULL, FALSE))
    ;
  while (count_open (getpid ()) != n_open)
    g_main_context_iteration (NULL, FALSE);
}

static void
test_without_shared_memory_it_goes_in_the_stream_or_not_at_all (void)
{
  g_autoptr (AiopoolSharedData) small = helper_shared_new (MIB / 2, 1);
  g_autoptr (AiopoolSharedData) medium = helper_shared_new (4 * MIB, 2);
  g_autoptr (AiopoolSharedData) large = helper_shared_new (20 * MIB, 3);
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (AiopoolFuture) future = NULL;

  if (!helper_is_apart ())
    return;
  helper_limit_files (300 * KIB);
  g_assert_cmpuint (helper_shared_run (pool, small, TRUE).inode, ==, 0);
  g_assert_cmpuint (helper_shared_run (pool, medium, TRUE).inode, ==, 0);
  future = submit_look (pool, large, TRUE);
  helper_expect_error (future, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_ENCODE);
  helper_expect_message (future, "RLIMIT_FSIZE");
  g_assert_cmpuint (helper_shared_run (pool, small, TRUE).n_seen, ==, 2);
  helper_limit_files (RLIM_INFINITY);
  g_assert_cmpuint (helper_shared_run (pool, large, TRUE).inode, !=, 0);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* --- the objects ------------------------------------------------------------------------------ */

static void
test_a_task_says_what_it_shares (void)
{
  g_autoptr (GBytes) bytes = g_bytes_new_static ("abc", 3);
  g_autoptr (AiopoolSharedData) data = aiopool_shared_data_new (bytes);
  g_autoptr (AiopoolSharedData) empty = g_object_new (AIOPOOL_TYPE_SHARED_DATA, NULL);
  g_autoptr (AiopoolTask) task = helper_task ("echo", NULL);
  g_autoptr (AiopoolSharedData) got = NULL;
  g_autoptr (GBytes) got_bytes = NULL;

  g_assert_null (aiopool_task_get_shared_data (task));
  g_object_set (task, "shared-data", data, NULL);
  g_object_get (task, "shared-data", &got, NULL);
  g_assert_true (got == data);
  g_object_get (data, "bytes", &got_bytes, NULL);
  g_assert_true (got_bytes == bytes);
  g_assert_true (aiopool_shared_data_get_bytes (data) == bytes);
  g_assert_cmpuint (g_bytes_get_size (aiopool_shared_data_get_bytes (empty)), ==, 0);
  aiopool_task_set_shared_data (task, NULL);
  g_assert_null (aiopool_task_get_shared_data (task));
}

int
main (int    argc,
      char **argv)
{
  helper_begin (&argc, &argv);
#define ADD(path, test) helper_add ("/shared/" path, test)
  ADD ("once", test_each_worker_gets_it_once_and_all_share_the_memory);
  ADD ("untrusted", test_untrusted_workers_get_it_once_too);
  ADD ("two-pools", test_two_pools_share_the_memory);
  ADD ("none", test_a_task_without_it_finds_none);
  ADD ("argument", test_it_comes_beside_a_large_argument);
  ADD ("new-worker", test_a_worker_in_the_place_of_another_gets_it_again);
  ADD ("again", test_a_task_that_runs_again_has_it);
  ADD ("taken-back", test_a_task_that_is_taken_back_has_it);
  ADD ("many", test_a_worker_keeps_so_many_and_forgets_what_was_used_longest_ago);
  ADD ("order", test_what_is_forgotten_is_not_taken_from_a_task_before);
  ADD ("given-up", test_what_nobody_has_any_more_workers_give_up);
  ADD ("freed", test_the_bytes_are_freed_where_user_code_may_run);
  ADD ("map", test_each_item_of_a_map_has_it);
  ADD ("hooks", test_initializer_and_finalizer_have_it);
  ADD ("descriptors", test_a_program_with_much_of_it_keeps_few_descriptors);
  ADD ("threads", test_threads_share_what_others_give_up);
  ADD ("cancel", test_a_cancel_while_it_is_copied_leaves_it_for_others);
  ADD ("ends", test_a_pool_that_goes_while_it_is_copied_leaves_nothing);
  ADD ("no-memory", test_without_shared_memory_it_goes_in_the_stream_or_not_at_all);
  ADD ("task", test_a_task_says_what_it_shares);
  return helper_end ();
}
