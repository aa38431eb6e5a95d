/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/sched/chunk-help.h"

#include "aiopool/base/aiopool-error.h"

/* Chunks: what came of each item, also when the worker dies in the middle; who runs the rest. */

#define N 1000

static void
test_every_item_has_its_value (void)
{
  AiopoolScheduler *scheduler = scheduler_new (1, 1);
  g_autoptr (Whole) whole = whole_new (scheduler, "act", N);

  whole_submit (whole, 0, N);
  whole_wait (whole);
  whole_check (whole, 0, N, VALUE);
  for (guint i = 0; i < N; i++)
    g_assert_cmpuint (shared->n_runs[i], ==, 1);
  scheduler_end (scheduler);
}

static void
test_a_chunk_of_one (void)
{
  AiopoolScheduler *scheduler = scheduler_new (1, 1);
  g_autoptr (Whole) whole = whole_new (scheduler, "act", 1);

  whole_submit (whole, 0, 1);
  whole_wait (whole);
  whole_check (whole, 0, 1, VALUE);
  scheduler_end (scheduler);
}

static void
test_values_of_any_size (void)
{
  AiopoolScheduler *scheduler = scheduler_new (1, 1);
  g_autoptr (Whole) whole = whole_new (scheduler, "text", 20000);

  whole_submit (whole, 0, 1);
  whole_submit (whole, 1, 9);
  whole_submit (whole, 10, 290);
  whole_submit (whole, 300, 19700);
  whole_wait (whole);
  whole_check (whole, 0, 20000, VALUE);
  scheduler_end (scheduler);
}

/* Each is a task to the figures of the pool. */
static void
expect_counts (AiopoolScheduler *scheduler,
               guint             n_done,
               guint             n_failed)
{
  AiopoolFiguresView view;

  aiopool_scheduler_get_figures (scheduler, &view);
  g_assert_cmpuint (view.n_done, ==, n_done);
  g_assert_cmpuint (view.n_failed, ==, n_failed);
  g_assert_cmpuint (view.n_cancelled, ==, 0);
}

static void
test_one_that_fails_and_one_that_is_large (void)
{
  AiopoolScheduler *scheduler = scheduler_new (1, 1);
  g_autoptr (Whole) whole = whole_new (scheduler, "act", N);

  shared->fail_at = 500;
  shared->large_at = 700;
  whole_submit (whole, 0, N);
  whole_wait (whole);
  whole_check (whole, 0, 500, VALUE);
  whole_check (whole, 500, 501, FAILED);
  g_assert_error (whole->items[500].error, G_IO_ERROR, G_IO_ERROR_BUSY);
  whole_check (whole, 501, N, VALUE);
  expect_counts (scheduler, N - 1, 1);
  scheduler_end (scheduler);
}

static void
test_an_unknown_function_fails_all (void)
{
  AiopoolScheduler *scheduler = scheduler_new (1, 1);
  g_autoptr (Whole) whole = whole_new (scheduler, "no-such-function", N);

  whole->goes_on = TRUE;
  whole_submit (whole, 0, N);
  whole_wait (whole);
  whole_check (whole, 0, N, FAILED);
  g_assert_error (whole->items[N - 1].error, AIOPOOL_TASK_ERROR,
                  AIOPOOL_TASK_ERROR_UNKNOWN_FUNCTION);
  scheduler_end (scheduler);
}

/* The worker dies in item @k of N, after a pause in item @pause, by which all before that came. */
static void
check_death (guint    k,
             gint64   pause,
             gboolean goes_on)
{
  AiopoolScheduler *scheduler = scheduler_new (1, 1);
  g_autoptr (Whole) whole = whole_new (scheduler, "act", N);
  guint n_lost = 0;

  shared->die_at = k;
  shared->pause_at = pause;
  whole->goes_on = goes_on;
  whole_submit (whole, 0, N);
  whole_wait (whole);
  whole_check (whole, 0, (guint) (pause + 1), VALUE);
  for (guint i = (guint) (pause + 1); i < k; i++)
    {
      g_assert_true (whole->items[i].fate == VALUE || whole->items[i].fate == LOST);
      g_assert_false (n_lost > 0 && whole->items[i].fate == VALUE);
      n_lost += whole->items[i].fate == LOST;
    }
  whole_check (whole, k, k + 1, FAILED);
  g_assert_error (whole->items[k].error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_CRASHED);
  whole_check (whole, k + 1, N, goes_on ? VALUE : NOT_BEGUN);
  for (guint i = 0; i < N; i++)
    g_assert_cmpuint (shared->n_runs[i], ==, i <= k || goes_on);
  expect_counts (scheduler, (goes_on ? N : k + 1) - n_lost - 1, n_lost + 1);
  scheduler_end (scheduler);
}

static void
test_a_death_in_the_first_item (void)
{
  check_death (0, -1, TRUE);
  check_death (0, -1, FALSE);
}

static void
test_a_death_after_items_that_came (void)
{
  check_death (600, 599, TRUE);
  check_death (600, 599, FALSE);
}

static void
test_a_death_after_items_that_did_not_come (void)
{
  check_death (2, -1, TRUE);
  check_death (600, 550, TRUE);
  check_death (600, 300, FALSE);
}

static void
test_a_death_in_the_last_item (void)
{
  check_death (N - 1, N - 2, TRUE);
}

static void
test_an_item_that_times_out (void)
{
  AiopoolScheduler *scheduler = scheduler_new (1, 1);
  g_autoptr (Whole) whole = whole_new (scheduler, "act", N);

  shared->deaf_at = 400;
  whole->options.timeout = 50000;
  whole->goes_on = TRUE;
  whole_submit (whole, 0, N);
  whole_wait (whole);
  whole_check (whole, 0, 400, VALUE);
  whole_check (whole, 400, 401, FAILED);
  g_assert_error (whole->items[400].error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_TIMED_OUT);
  whole_check (whole, 401, N, VALUE);
  scheduler_end (scheduler);
}

/* Each item has the whole timeout: together they take several times as long. */
static void
test_a_timeout_counts_for_each_item (void)
{
  AiopoolScheduler *scheduler = scheduler_new (1, 1);
  g_autoptr (Whole) whole = whole_new (scheduler, "act", 150);

  shared->long_at = 0;
  whole->options.timeout = 200000;
  whole_submit (whole, 0, 150);
  whole_wait (whole);
  whole_check (whole, 0, 150, VALUE);
  scheduler_end (scheduler);
}

static void
test_asynchronous_functions_one_by_one (void)
{
  static const char *names[] = { "threaded", "at-once", "later", "act" };
  AiopoolScheduler *scheduler = scheduler_new (1, 3);

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autoptr (Whole) whole = whole_new (scheduler, names[i], 3000);

      for (guint first = 0; first < 3000; first += 600)
        whole_submit (whole, first, 600);
      whole_wait (whole);
      whole_check (whole, 0, 3000, VALUE);
    }
  scheduler_end (scheduler);
}

static void
test_an_answer_while_another_chunk_runs (void)
{
  AiopoolScheduler *scheduler = scheduler_new (1, 2);
  g_autoptr (Whole) whole = whole_new (scheduler, "nested", 4);

  whole_submit (whole, 0, 2);
  whole_submit (whole, 2, 2);
  whole_wait (whole);
  whole_check (whole, 0, 4, VALUE);
  scheduler_end (scheduler);
}

static void
test_a_call_that_nobody_answers_fails_its_item (void)
{
  AiopoolScheduler *scheduler = scheduler_new (1, 2);
  g_autoptr (Whole) whole = whole_new (scheduler, "forgotten", 5);

  whole_submit (whole, 0, 5);
  whole_wait (whole);
  whole_check (whole, 0, 5, FAILED);
  g_assert_error (whole->items[4].error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_FAILED);
  scheduler_end (scheduler);
}

/* The functions are an interpreter's, which answers at once, or in its event loop. */
static void
test_items_of_an_interpreter (void)
{
  static const char *functions[] = { "echo", "later", "echo", "later" };
  const char *argv[] = { g_getenv ("AIOPOOL_TEST_ABI_WORKER"), NULL };

  for (guint width = 1; width <= 3; width++)
    {
      g_autoptr (AiopoolLauncher) launcher = aiopool_launcher_new_for_argv (argv);
      AiopoolSchedulerLimits limits = some_limits (1);
      AiopoolScheduler *scheduler;

      limits.tasks_per_worker = width;
      scheduler = scheduler_of (launcher, &limits);
      for (guint i = 0; i < G_N_ELEMENTS (functions); i++)
        {
          g_autoptr (Whole) whole = whole_new (scheduler, functions[i], 300);

          for (guint first = 0; first < 300; first += 100)
            whole_submit (whole, first, 100);
          whole_wait (whole);
          whole_check (whole, 0, 300, VALUE);
        }
      scheduler_end (scheduler);
    }
}

/* One that no interpreter answers fails, and the next ones go on. */
static void
test_items_that_an_interpreter_drops (void)
{
  const char *argv[] = { g_getenv ("AIOPOOL_TEST_ABI_WORKER"), NULL };
  g_autoptr (AiopoolLauncher) launcher = aiopool_launcher_new_for_argv (argv);
  AiopoolSchedulerLimits limits = some_limits (1);
  AiopoolScheduler *scheduler = scheduler_of (launcher, &limits);
  g_autoptr (Whole) whole = whole_new (scheduler, "silent", 10);

  whole_submit (whole, 0, 10);
  whole_wait (whole);
  whole_check (whole, 0, 10, FAILED);
  scheduler_end (scheduler);
}

static void
test_a_call_is_as_that_of_a_task (void)
{
  AiopoolScheduler *scheduler = scheduler_new (1, 1);
  g_autoptr (Whole) whole = whole_new (scheduler, "view", 100);
  g_autoptr (GVariant) keywords = NULL;
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();

  keywords = g_variant_ref_sink (g_variant_new_parsed ("{'key': <7>}"));
  g_unix_fd_list_append (fds, 0, NULL);
  whole->options.keywords = keywords;
  whole->options.fds = fds;
  whole->options.timeout = 10 * G_USEC_PER_SEC;
  whole_submit (whole, 0, 100);
  whole_wait (whole);
  for (guint i = 0; i < 100; i++)
    {
      whole_check (whole, i, i + 1, i % 5 == 4 ? FAILED : VALUE);
      g_assert_cmpint (whole->items[i].n_fds, ==, i % 5 == 3);
      g_assert_cmpint (whole->items[i].has_info, ==, i % 5 == 4);
    }
  scheduler_end (scheduler);
}

static void
test_a_worker_that_shares_no_memory (void)
{
  AiopoolScheduler *scheduler = scheduler_untrusted ();
  g_autoptr (Whole) whole = whole_new (scheduler, "act", 50000);

  shared->large_at = 30000;
  shared->fail_at = 40000;
  whole_submit (whole, 0, 50000);
  whole_wait (whole);
  whole_check (whole, 0, 40000, VALUE);
  whole_check (whole, 40000, 40001, FAILED);
  whole_check (whole, 40001, 50000, VALUE);
  scheduler_end (scheduler);
}

/* Results of more than the pool allows fail, one by one; small ones go together all the same. */
static void
test_a_small_limit_of_results (void)
{
  AiopoolScheduler *scheduler = scheduler_new (1, 1);
  AiopoolSchedulerLimits limits = some_limits (1);
  g_autoptr (Whole) whole = whole_new (scheduler, "act", N);

  limits.max_result_size = 8;
  aiopool_scheduler_set_limits (scheduler, &limits);
  shared->large_at = 500;
  whole_submit (whole, 0, N);
  whole_wait (whole);
  whole_check (whole, 0, 500, VALUE);
  whole_check (whole, 500, 501, FAILED);
  g_assert_error (whole->items[500].error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_TOO_LARGE);
  whole_check (whole, 501, N, VALUE);
  scheduler_end (scheduler);
}

/* Times are those of the items: in order, in the time that all took, and as long as they ran. */
static void
test_times_of_items (void)
{
  AiopoolScheduler *scheduler = scheduler_new (1, 1);
  g_autoptr (Whole) whole = whole_new (scheduler, "act", 60);
  gint64 begun = g_get_monotonic_time ();
  gint64 last = begun;

  shared->long_at = 50;
  whole_submit (whole, 0, 60);
  whole_wait (whole);
  for (guint i = 0; i < 60; i++)
    {
      g_assert_cmpint (whole->items[i].started, >=, last);
      g_assert_cmpint (whole->items[i].started + whole->items[i].run_time, <=,
                       g_get_monotonic_time ());
      g_assert_true (i < 50 || whole->items[i].run_time >= 3000);
      last = whole->items[i].started;
    }
  scheduler_end (scheduler);
}

static void
test_a_chunk_counts_as_one_task (void)
{
  AiopoolScheduler *scheduler = scheduler_new (1, 1);
  AiopoolSchedulerLimits limits = some_limits (1);
  g_autoptr (Whole) whole = whole_new (scheduler, "act", 400);
  g_autoptr (GArray) workers = NULL;

  limits.max_tasks_per_worker = 2;
  aiopool_scheduler_set_limits (scheduler, &limits);
  for (guint i = 0; i < 4; i++)
    whole_submit (whole, 100 * i, 100);
  whole_wait (whole);
  whole_check (whole, 0, 400, VALUE);
  workers = aiopool_scheduler_list_workers (scheduler);
  for (guint i = 0; i < workers->len; i++)
    g_assert_cmpuint (g_array_index (workers, AiopoolWorkerStatus, i).number, <=, 3);
  scheduler_end (scheduler);
}

static void
test_progress_is_that_of_all (void)
{
  AiopoolScheduler *scheduler = scheduler_new (1, 1);
  g_autoptr (Whole) whole = whole_new (scheduler, "progress", 100);

  whole_submit (whole, 0, 100);
  whole_wait (whole);
  whole_check (whole, 0, 100, VALUE);
  g_assert_cmpfloat (whole->progress, >=, 0.01);
  scheduler_end (scheduler);
}

static void
test_a_million_items (void)
{
  AiopoolScheduler *scheduler = scheduler_new (2, 1);
  g_autoptr (Whole) whole = whole_new (scheduler, "act", MAX_VALUES);
  gint64 begun;

  whole->goes_on = TRUE;
  begun = g_get_monotonic_time ();
  for (guint first = 0; first < MAX_VALUES; first += 4096)
    whole_submit (whole, first, 4096);
  whole_wait (whole);
  g_test_message ("%.2f million items a second, %u runs",
                  MAX_VALUES / (double) (g_get_monotonic_time () - begun), whole->n_runs);
  whole_check (whole, 0, MAX_VALUES, VALUE);
  for (guint i = 0; i < MAX_VALUES; i++)
    g_assert_cmpuint (shared->n_runs[i], ==, 1);
  scheduler_end (scheduler);
}

static void
test_one_large_chunk (void)
{
  AiopoolScheduler *scheduler = scheduler_new (1, 1);
  g_autoptr (Whole) whole = whole_new (scheduler, "act", MAX_VALUES / 4);

  whole_submit (whole, 0, MAX_VALUES / 4);
  whole_wait (whole);
  whole_check (whole, 0, MAX_VALUES / 4, VALUE);
  scheduler_end (scheduler);
}

static void
add_tests (void)
{
  g_test_add_func ("/chunks/values", test_every_item_has_its_value);
  g_test_add_func ("/chunks/one", test_a_chunk_of_one);
  g_test_add_func ("/chunks/sizes", test_values_of_any_size);
  g_test_add_func ("/chunks/fails-and-large", test_one_that_fails_and_one_that_is_large);
  g_test_add_func ("/chunks/unknown", test_an_unknown_function_fails_all);
  g_test_add_func ("/chunks/death/first", test_a_death_in_the_first_item);
  g_test_add_func ("/chunks/death/came", test_a_death_after_items_that_came);
  g_test_add_func ("/chunks/death/not-came", test_a_death_after_items_that_did_not_come);
  g_test_add_func ("/chunks/death/last", test_a_death_in_the_last_item);
  g_test_add_func ("/chunks/timeout/one", test_an_item_that_times_out);
  g_test_add_func ("/chunks/timeout/each", test_a_timeout_counts_for_each_item);
  g_test_add_func ("/chunks/async", test_asynchronous_functions_one_by_one);
  g_test_add_func ("/chunks/nested", test_an_answer_while_another_chunk_runs);
  g_test_add_func ("/chunks/forgotten", test_a_call_that_nobody_answers_fails_its_item);
  g_test_add_func ("/chunks/interpreter", test_items_of_an_interpreter);
  g_test_add_func ("/chunks/interpreter-drops", test_items_that_an_interpreter_drops);
  g_test_add_func ("/chunks/view", test_a_call_is_as_that_of_a_task);
  g_test_add_func ("/chunks/untrusted", test_a_worker_that_shares_no_memory);
  g_test_add_func ("/chunks/result-size", test_a_small_limit_of_results);
  g_test_add_func ("/chunks/times", test_times_of_items);
  g_test_add_func ("/chunks/one-task", test_a_chunk_counts_as_one_task);
  g_test_add_func ("/chunks/progress", test_progress_is_that_of_all);
  g_test_add_func ("/chunks/million", test_a_million_items);
  g_test_add_func ("/chunks/large", test_one_large_chunk);
}

int
main (int   argc,
      char *argv[])
{
  return chunk_main (argc, argv, add_tests);
}
