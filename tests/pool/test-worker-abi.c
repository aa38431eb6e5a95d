/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/pool/helper.h"

/* The table that workers in other languages serve by, with a worker in C that does as they do. */

static AiopoolExecutor *
new_pool (guint tasks_per_worker)
{
  const char *argv[] = { helper_environment ("AIOPOOL_TEST_ABI_WORKER"), NULL };
  g_autoptr (AiopoolLauncher) launcher = aiopool_launcher_new_for_argv (argv);

  return g_object_new (AIOPOOL_TYPE_POOL, "max-workers", 1, "launcher", launcher,
                       "tasks-per-worker", tasks_per_worker, NULL);
}

static guint
run_count (AiopoolExecutor *pool)
{
  g_autoptr (GVariant) result = helper_run (pool, "count", NULL);

  return g_variant_get_uint32 (result);
}

static void
test_hooks_run_what_nobody_registered (void)
{
  g_autoptr (AiopoolExecutor) pool = new_pool (1);

  for (guint i = 0; i < 1000; i++)
    g_assert_cmpuint (helper_run_echo (pool, i), ==, i);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_name_keeps_its_slot (void)
{
  g_autoptr (AiopoolExecutor) pool = new_pool (1);

  g_assert_cmpuint (run_count (pool), ==, 1);
  helper_run_echo (pool, 1);
  g_assert_cmpuint (run_count (pool), ==, 2);
}

static void
test_every_wait_is_begun_and_ended (void)
{
  g_autoptr (AiopoolExecutor) pool = new_pool (1);
  g_autoptr (GVariant) result = NULL;
  guint n_begun, n_ended;

  helper_run_echo (pool, 1);
  result = helper_run (pool, "waits", NULL);
  g_variant_get (result, "(uu)", &n_begun, &n_ended);
  g_assert_cmpuint (n_begun, >, 0);
  g_assert_cmpuint (n_begun, ==, n_ended);
}

static void
test_no_answer_fails_the_task (void)
{
  g_autoptr (AiopoolExecutor) pool = new_pool (1);
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "silent", NULL);

  helper_expect_error (future, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_FAILED);
  g_assert_cmpuint (helper_run_echo (pool, 1), ==, 1);
}

/* @data: how many at once. */
static void
test_answers_come_later (gconstpointer data)
{
  g_autoptr (AiopoolExecutor) pool = new_pool (GPOINTER_TO_UINT (data));
  g_autoptr (GPtrArray) futures = g_ptr_array_new_with_free_func (g_object_unref);

  for (guint i = 0; i < 200; i++)
    g_ptr_array_add (futures, helper_submit (pool, i % 5 == 0 ? "echo" : "later", "(u)", i));
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  for (guint i = 0; i < 200; i++)
    {
      g_autoptr (GVariant) result = helper_collect (g_ptr_array_index (futures, i));
      guint number;

      g_variant_get (result, "(u)", &number);
      g_assert_cmpuint (number, ==, i);
    }
}

static gboolean
on_log (AiopoolFuture    *future,
        AiopoolLogRecord *record,
        gpointer          user_data)
{
  g_autofree char *value = NULL;
  guint *n_records = user_data;

  g_assert_cmpint (aiopool_log_record_get_level (record), ==, G_LOG_LEVEL_DEBUG);
  g_assert_cmpstr (aiopool_log_record_get_domain (record), ==, "interpreter");
  g_assert_cmpstr (aiopool_log_record_get_message (record), ==, "said");
  g_assert_true (g_variant_lookup (aiopool_log_record_get_fields (record), "KEY", "s", &value));
  g_assert_cmpstr (value, ==, "value");
  (*n_records)++;
  return TRUE;
}

/* GLib would have dropped a debug message. */
static void
test_records_go_past_the_log_of_glib (void)
{
  g_autoptr (AiopoolExecutor) pool = new_pool (1);
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "log", NULL);
  g_autoptr (GVariant) result = NULL;
  guint n_records = 0;

  g_signal_connect (future, "log", G_CALLBACK (on_log), &n_records);
  result = helper_collect (future);
  g_assert_true (g_variant_get_boolean (result));
  while (n_records == 0)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (n_records, ==, 1);
}

static void
test_a_refusal_is_told (void)
{
  g_autoptr (AiopoolExecutor) pool =
    helper_argv_pool (1, helper_environment ("AIOPOOL_TEST_ABI_WORKER"), "no snakes here", NULL);
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "echo", "(u)", 1);

  helper_expect_error (future, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_START_FAILED);
  helper_expect_message (future, "no snakes here");
}

static void
test_a_pool_of_the_main_module_is_refused (void)
{
  g_autoptr (AiopoolExecutor) pool = new_pool (1);
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "start", NULL);

  helper_expect_error (future, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_NOT_A_WORKER);
  g_assert_cmpuint (helper_run_echo (pool, 1), ==, 1);
}

typedef struct
{
  guint64 id;
  guint64 size;
  guint   n_forgotten;
  guint64 forgotten;
} Shared;

static Shared
run_shared (AiopoolExecutor   *pool,
            AiopoolSharedData *data)
{
  AiopoolTask *task = helper_shared_task ("shared", NULL, data);
  g_autoptr (AiopoolFuture) future = helper_submit_task (pool, task);
  g_autoptr (GVariant) result = helper_collect (future);
  Shared shared;

  g_variant_get (result, "(ttut)", &shared.id, &shared.size, &shared.n_forgotten,
                 &shared.forgotten);
  return shared;
}

/* What is made of it can be kept under its number, and goes when the pool has forgotten it. */
static void
test_shared_data_have_a_number (void)
{
  g_autoptr (AiopoolExecutor) pool = new_pool (1);
  AiopoolSharedData *data = helper_shared_new (10, 1);
  g_autoptr (AiopoolSharedData) large = helper_shared_new (200000, 2);
  Shared first = run_shared (pool, data);
  Shared second = run_shared (pool, large);
  Shared again = run_shared (pool, data);
  Shared none = run_shared (pool, NULL);

  g_assert_cmpuint (first.size, ==, 10);
  g_assert_cmpuint (second.size, ==, 200000);
  g_assert_cmpuint (again.id, ==, first.id);
  g_assert_cmpuint (second.id, !=, first.id);
  g_assert_cmpuint (none.id, ==, 0);
  g_assert_cmpuint (none.size, ==, 0);
  g_assert_cmpuint (none.n_forgotten, ==, 0);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_object_unref (data);
  while (none.n_forgotten == 0)
    none = run_shared (pool, NULL);
  g_assert_cmpuint (none.n_forgotten, ==, 1);
  g_assert_cmpuint (none.forgotten, ==, first.id);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

int
main (int   argc,
      char *argv[])
{
  helper_begin (&argc, &argv);
  helper_add ("/abi/hooks-run-what-nobody-registered", test_hooks_run_what_nobody_registered);
  helper_add ("/abi/a-name-keeps-its-slot", test_a_name_keeps_its_slot);
  helper_add ("/abi/every-wait-is-begun-and-ended", test_every_wait_is_begun_and_ended);
  helper_add ("/abi/no-answer-fails-the-task", test_no_answer_fails_the_task);
  helper_add_data ("/abi/answers-come-later/one", test_answers_come_later, GUINT_TO_POINTER (1));
  helper_add_data ("/abi/answers-come-later/four", test_answers_come_later, GUINT_TO_POINTER (4));
  helper_add_data ("/abi/answers-come-later/many", test_answers_come_later,
                   GUINT_TO_POINTER (100));
  helper_add ("/abi/records-go-past-the-log-of-glib", test_records_go_past_the_log_of_glib);
  helper_add ("/abi/a-refusal-is-told", test_a_refusal_is_told);
  helper_add ("/abi/a-pool-of-the-main-module-is-refused",
              test_a_pool_of_the_main_module_is_refused);
  helper_add ("/abi/shared-data-have-a-number", test_shared_data_have_a_number);
  return helper_end ();
}
