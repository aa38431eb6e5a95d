/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/sched/chunk-help.h"

#include "aiopool/base/aiopool-error.h"

#include <signal.h>
#include <string.h>

/* Chunks that are not run to their end by the worker that has them: cancelled, cut, shared with
 * another one, given up. */

#define N 1000

static void
test_a_cancel_in_the_middle (void)
{
  AiopoolScheduler *scheduler = scheduler_new (1, 1);
  g_autoptr (Whole) whole = whole_new (scheduler, "act", N);
  AiopoolJob *job;

  shared->hold_at = 400;
  job = whole_submit (whole, 0, N);
  whole_wait_held (1);
  g_assert_false (aiopool_scheduler_cancel (scheduler, job, AIOPOOL_CANCEL_PENDING));
  g_assert_true (aiopool_scheduler_cancel (scheduler, job, AIOPOOL_CANCEL_COOPERATIVE));
  whole_wait (whole);
  whole_check (whole, 0, 400, VALUE);
  whole_check (whole, 400, 401, FAILED);
  g_assert_error (whole->items[400].error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  whole_check (whole, 401, N, NOT_BEGUN);
  g_assert_cmpuint (shared->n_runs[401], ==, 0);
  scheduler_end (scheduler);
}

static void
test_a_forced_cancel_in_the_middle (void)
{
  AiopoolScheduler *scheduler = scheduler_new (1, 1);
  g_autoptr (Whole) whole = whole_new (scheduler, "act", N);
  AiopoolJob *job;
  guint n_came;

  shared->deaf_at = 400;
  job = whole_submit (whole, 0, N);
  whole_wait_held (1);
  while (whole_count (whole, &n_came) == 1 && n_came < 400) /* within a millisecond */
    g_usleep (100);
  g_assert_true (aiopool_scheduler_cancel (scheduler, job, AIOPOOL_CANCEL_FORCE));
  whole_wait (whole);
  whole_check (whole, 0, 400, VALUE);
  whole_check (whole, 400, 401, FAILED);
  g_assert_error (whole->items[400].error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  whole_check (whole, 401, N, NOT_BEGUN);
  scheduler_end (scheduler);
  g_assert_cmpuint (shared->n_runs[401], ==, 0);
}

/* No more items begin, and the one that runs is over before anybody is harmed for it. A worker that
 * gets no processor meanwhile is harmed all the same: another one tries. */
static void
test_a_forced_cancel_of_short_items (void)
{
  gboolean is_unharmed = FALSE;

  for (guint i = 0; i < 50 && !is_unharmed; i++)
    {
      AiopoolScheduler *scheduler = scheduler_new (1, 1);
      g_autoptr (Whole) whole = whole_new (scheduler, "act", MAX_VALUES);
      AiopoolJob *job = whole_submit (whole, 0, MAX_VALUES);
      AiopoolWorkerStatus status;
      gint64 since;
      int pid;

      while (aiopool_scheduler_count_begun (scheduler, job, &since, &pid) < 100)
        g_usleep (100);
      g_assert_true (aiopool_scheduler_cancel (scheduler, job, AIOPOOL_CANCEL_FORCE));
      whole_wait (whole);
      whole_check (whole, MAX_VALUES - 1, MAX_VALUES, NOT_BEGUN);
      whole_submit (whole, 0, 1);
      whole_wait (whole);
      is_unharmed = aiopool_scheduler_get_worker (scheduler, 1, &status) &&
                    status.state <= AIOPOOL_WORKER_BUSY;
      scheduler_end (scheduler);
    }
  g_assert_true (is_unharmed);
}

static void
test_a_cancel_before_the_start (void)
{
  AiopoolScheduler *scheduler = scheduler_new (1, 1);
  g_autoptr (Whole) whole = whole_new (scheduler, "act", N);
  AiopoolJob *job;

  shared->hold_at = 0;
  whole_submit (whole, 0, 10);
  whole_wait_held (1);
  job = whole_submit (whole, 10, N - 10);
  g_assert_true (aiopool_scheduler_cancel (scheduler, job, AIOPOOL_CANCEL_PENDING));
  shared->is_open = TRUE;
  whole_wait (whole);
  whole_check (whole, 0, 10, VALUE);
  whole_check (whole, 10, N, FAILED);
  g_assert_error (whole->items[N - 1].error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  scheduler_end (scheduler);
}

static void
test_shortening_before_and_after_the_start (void)
{
  AiopoolScheduler *scheduler = scheduler_new (1, 1);
  g_autoptr (Whole) whole = whole_new (scheduler, "act", 30);
  AiopoolJob *running, *queued, *gone, new = { .holds = 1 };
  gint64 since;
  int pid;

  shared->hold_at = 3;
  running = whole_submit (whole, 0, 10);
  whole_wait_held (1);
  queued = whole_submit (whole, 10, 10);
  gone = whole_submit (whole, 20, 10);
  g_assert_cmpuint (aiopool_scheduler_count_begun (scheduler, running, &since, &pid), ==, 4);
  g_assert_cmpint (since, >, 0);
  g_assert_cmpint (pid, >, 0);
  g_assert_cmpuint (aiopool_scheduler_count_begun (scheduler, queued, &since, &pid), ==, 0);
  g_assert_cmpuint (aiopool_scheduler_shorten (scheduler, running, 8), ==, 8);
  g_assert_cmpuint (aiopool_scheduler_shorten (scheduler, running, 9), ==, 8);
  g_assert_cmpuint (aiopool_scheduler_shorten (scheduler, running, 1), ==, 4);
  g_assert_cmpuint (aiopool_scheduler_shorten (scheduler, queued, 5), ==, 5);
  g_assert_cmpuint (aiopool_scheduler_shorten (scheduler, gone, 0), ==, 0);
  g_assert_cmpuint (aiopool_scheduler_shorten (scheduler, &new, 0), ==, G_MAXUINT);
  shared->is_open = TRUE;
  whole_wait (whole);
  whole_check (whole, 0, 4, VALUE);
  whole_check (whole, 4, 10, NOT_BEGUN);
  whole_check (whole, 10, 15, VALUE);
  whole_check (whole, 15, 20, NOT_BEGUN);
  whole_check (whole, 20, 30, FAILED);
  g_assert_error (whole->items[20].error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpuint (aiopool_scheduler_shorten (scheduler, queued, 0), ==, 5);
  scheduler_end (scheduler);
}

/* The worker begins items while others take them back: each is run by one of the two. */
static void
test_shortening_races_the_worker (void)
{
  AiopoolScheduler *scheduler = scheduler_new (1, 1);
  const guint n_rounds = 150;

  for (guint round = 0; round < n_rounds; round++)
    {
      g_autoptr (Whole) whole = whole_new (scheduler, "act", N);
      AiopoolJob *job;
      guint n = N;

      memset ((void *) shared->n_runs, 0, N);
      job = whole_submit (whole, 0, N);
      for (guint from = N; from > 0 && n > 0; from = from > 50 ? from - 50 : 0)
        n = MIN (n, aiopool_scheduler_shorten (scheduler, job, from));
      whole_wait (whole);
      whole_check (whole, 0, n, VALUE);
      for (guint i = 0; i < N; i++)
        g_assert_cmpuint (shared->n_runs[i], ==, i < n);
    }
  scheduler_end (scheduler);
}

/* Two workers that have run a task each. */
static AiopoolScheduler *
scheduler_with_two (void)
{
  AiopoolScheduler *scheduler = scheduler_new (2, 1);
  g_autoptr (Whole) whole = whole_new (scheduler, "act", 2);

  g_assert_cmpuint (aiopool_scheduler_spawn (scheduler, 2, NULL), ==, 2);
  shared->hold_at = 0;
  whole_submit (whole, 0, 1);
  whole_wait_held (1);
  whole_submit (whole, 1, 1);
  while (shared->n_runs[1] == 0)
    g_usleep (200);
  shared->is_open = TRUE;
  whole_wait (whole);
  shared->hold_at = -1;
  shared->n_runs[0] = shared->n_runs[1] = 0;
  return scheduler;
}

static void
test_an_idle_worker_gets_half (void)
{
  AiopoolScheduler *scheduler = scheduler_with_two ();
  g_autoptr (Whole) whole = whole_new (scheduler, "act", 200);

  shared->long_at = 0;
  whole->goes_on = TRUE;
  whole_submit (whole, 0, 200);
  whole_wait (whole);
  whole_check (whole, 0, 200, VALUE);
  g_assert_cmpuint (whole->n_shortened, >, 0);
  for (guint i = 0; i < 200; i++)
    g_assert_cmpuint (shared->n_runs[i], ==, 1);
  scheduler_end (scheduler);
}

static void
signal_worker (AiopoolScheduler *scheduler,
               guint             number,
               int               signal_number)
{
  AiopoolWorkerStatus status;

  g_assert_true (aiopool_scheduler_get_worker (scheduler, number, &status));
  g_assert_cmpint (kill (status.pid, signal_number), ==, 0);
}

/* One worker does not even begin, and another one has nothing to do: of a chunk of one there is no
 * half. */
static void
test_a_chunk_of_one_is_not_halved (void)
{
  AiopoolScheduler *scheduler = scheduler_with_two ();
  g_autoptr (Whole) whole = whole_new (scheduler, "act", 40);
  guint n_came;

  signal_worker (scheduler, 1, SIGSTOP);
  whole_submit (whole, 0, 1);
  for (guint i = 1; i < 40; i++)
    {
      whole_submit (whole, i, 1);
      while (whole_count (whole, &n_came) > 1)
        g_usleep (200);
    }
  signal_worker (scheduler, 1, SIGCONT);
  whole_wait (whole);
  whole_check (whole, 0, 40, VALUE);
  scheduler_end (scheduler);
}

static void
test_a_shutdown_that_drains_does_all (void)
{
  AiopoolScheduler *scheduler = scheduler_new (2, 1);
  g_autoptr (Whole) whole = whole_new (scheduler, "act", N);

  shared->hold_at = 300;
  shared->die_at = 600;
  whole->goes_on = TRUE;
  whole_submit (whole, 0, N);
  whole_wait_held (1);
  aiopool_scheduler_shutdown (scheduler, AIOPOOL_SHUTDOWN_DRAIN);
  shared->is_open = TRUE;
  whole_wait (whole);
  whole_check (whole, 601, N, VALUE);
  whole_check (whole, 600, 601, FAILED);
  scheduler_end (scheduler);
}

static void
test_a_shutdown_that_cancels_takes_the_tail (void)
{
  AiopoolScheduler *scheduler = scheduler_new (1, 1);
  g_autoptr (Whole) whole = whole_new (scheduler, "act", N);

  shared->hold_at = 300;
  whole->goes_on = TRUE;
  whole_submit (whole, 0, N);
  whole_wait_held (1);
  aiopool_scheduler_shutdown (scheduler, AIOPOOL_SHUTDOWN_CANCEL_PENDING);
  shared->is_open = TRUE;
  whole_wait (whole);
  whole_check (whole, 0, 301, VALUE);
  whole_check (whole, 301, N, FAILED);
  g_assert_error (whole->items[N - 1].error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_CLOSED);
  scheduler_end (scheduler);
}

static void
test_a_shutdown_that_terminates (void)
{
  AiopoolScheduler *scheduler = scheduler_new (1, 1);
  g_autoptr (Whole) whole = whole_new (scheduler, "act", N);

  shared->deaf_at = 300;
  whole->goes_on = TRUE;
  whole_submit (whole, 0, N);
  whole_wait_held (1);
  aiopool_scheduler_shutdown (scheduler, AIOPOOL_SHUTDOWN_TERMINATE);
  whole_wait (whole);
  whole_check (whole, 300, N, FAILED);
  scheduler_end (scheduler);
}

static void
add_tests (void)
{
  g_test_add_func ("/chunks/cancel/cooperative", test_a_cancel_in_the_middle);
  g_test_add_func ("/chunks/cancel/forced", test_a_forced_cancel_in_the_middle);
  g_test_add_func ("/chunks/cancel/forced-short", test_a_forced_cancel_of_short_items);
  g_test_add_func ("/chunks/cancel/unstarted", test_a_cancel_before_the_start);
  g_test_add_func ("/chunks/shorten/states", test_shortening_before_and_after_the_start);
  g_test_add_func ("/chunks/shorten/race", test_shortening_races_the_worker);
  g_test_add_func ("/chunks/idle-worker", test_an_idle_worker_gets_half);
  g_test_add_func ("/chunks/halves", test_a_chunk_of_one_is_not_halved);
  g_test_add_func ("/chunks/shutdown/drain", test_a_shutdown_that_drains_does_all);
  g_test_add_func ("/chunks/shutdown/cancel", test_a_shutdown_that_cancels_takes_the_tail);
  g_test_add_func ("/chunks/shutdown/terminate", test_a_shutdown_that_terminates);
}

int
main (int   argc,
      char *argv[])
{
  return chunk_main (argc, argv, add_tests);
}
