/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/sched/aiopool-figures-private.h"

#include <gio/gio.h>

/* The figures of a pool, alone: what is counted, what the last two seconds are, and when changes
 * are told. */

#define SECOND G_USEC_PER_SEC
#define SLOT   (G_GINT64_CONSTANT (1) << AIOPOOL_FIGURES_SLOT_LOG2)
#define BEGIN  (1000 * SLOT) /* any moment; here the begin of a slot */

static AiopoolFigures *
new_figures (void)
{
  AiopoolFigures *figures = g_new0 (AiopoolFigures, 1);

  aiopool_figures_reset (figures, BEGIN);
  return figures;
}

static void
count (AiopoolFigures *figures,
       gint64          submitted,
       gint64          started,
       gint64          ended,
       GError         *error)
{
  AiopoolOutcome outcome = { .error = error, .started = started, .ended = ended };

  aiopool_figures_count (figures, submitted, &outcome);
  g_clear_error (&error);
}

static void
test_each_end_counts_once (void)
{
  g_autofree AiopoolFigures *figures = new_figures ();

  count (figures, BEGIN, BEGIN + 10, BEGIN + 30, NULL);
  count (figures, BEGIN, BEGIN + 10, BEGIN + 30, NULL);
  count (figures, BEGIN, BEGIN + 10, BEGIN + 30, g_error_new (G_FILE_ERROR, 1, "no"));
  count (figures, BEGIN, 0, BEGIN + 30, g_error_new (G_IO_ERROR, G_IO_ERROR_CANCELLED, "no"));
  g_assert_cmpuint (figures->n_done, ==, 2);
  g_assert_cmpuint (figures->n_failed, ==, 1);
  g_assert_cmpuint (figures->n_cancelled, ==, 1);
  g_assert_cmpuint (figures->run_times.n, ==, 3);
  g_assert_cmpuint (figures->queue_times.n, ==, 3);
  g_assert_cmpfloat (aiopool_histogram_get_mean (&figures->queue_times), ==, 10);
  g_assert_cmpfloat (aiopool_histogram_get_mean (&figures->run_times), ==, 20);
  g_assert_cmpint (figures->busy, ==, 60);
}

static void
test_what_is_recent_passes (void)
{
  g_autofree AiopoolFigures *figures = new_figures ();
  AiopoolFiguresSlot sum;

  count (figures, BEGIN, BEGIN, BEGIN + 100, NULL);
  aiopool_figures_sum_recent (figures, BEGIN + 7 * SLOT, &sum);
  g_assert_cmpuint (sum.n_ended, ==, 1);
  g_assert_cmpint (sum.busy, ==, 100);
  g_assert_cmpint (aiopool_figures_sum_recent (figures, BEGIN + 8 * SLOT, &sum), ==, BEGIN + SLOT);
  g_assert_cmpuint (sum.n_ended, ==, 0);
  g_assert_cmpint (sum.busy, ==, 0);
  aiopool_figures_sum_recent (figures, BEGIN + 100000 * SLOT, &sum);
  g_assert_cmpuint (sum.n_ended, ==, 0);
  g_assert_cmpuint (figures->n_done, ==, 1);
}

static void
test_a_long_task_counts_where_it_ran (void)
{
  g_autofree AiopoolFigures *figures = new_figures ();
  gint64 end = BEGIN + 20 * SLOT + SLOT / 2;
  AiopoolFiguresSlot sum;

  count (figures, BEGIN, BEGIN, end, NULL);
  g_assert_cmpint (figures->busy, ==, end - BEGIN);
  aiopool_figures_sum_recent (figures, end, &sum);
  g_assert_cmpint (sum.busy, ==, 7 * SLOT + SLOT / 2);
  aiopool_figures_sum_recent (figures, end + 4 * SLOT, &sum);
  g_assert_cmpint (sum.busy, ==, 3 * SLOT + SLOT / 2);
}

static void
test_a_workers_life_counts_likewise (void)
{
  g_autofree AiopoolFigures *figures = new_figures ();
  AiopoolFiguresSlot sum;

  aiopool_figures_worker_gone (figures, BEGIN - SECOND, BEGIN + 3 * SLOT);
  g_assert_cmpint (figures->lived, ==, 3 * SLOT);
  aiopool_figures_sum_recent (figures, BEGIN + 3 * SLOT, &sum);
  g_assert_cmpint (sum.lived, ==, 3 * SLOT);
}

static void
test_what_was_before_a_reset_does_not_count (void)
{
  g_autofree AiopoolFigures *figures = new_figures ();
  gint64 reset = BEGIN + SECOND;
  AiopoolFiguresSlot sum;

  count (figures, BEGIN, BEGIN, BEGIN + 100, NULL);
  aiopool_figures_reset (figures, reset);
  g_assert_cmpuint (figures->n_done, ==, 0);
  g_assert_cmpuint (figures->run_times.n, ==, 0);
  count (figures, BEGIN, BEGIN, reset + 50, NULL);
  count (figures, BEGIN, BEGIN, reset - 50, NULL); /* its worker had ended it, nobody had read it */
  g_assert_cmpuint (figures->n_done, ==, 2);
  g_assert_cmpint (figures->busy, ==, 50);
  aiopool_figures_sum_recent (figures, reset + 50, &sum);
  g_assert_cmpint (sum.busy, ==, 50);
}

static void
test_the_first_change_is_told_at_once (void)
{
  g_autofree AiopoolFigures *figures = new_figures ();

  g_assert_true (aiopool_figures_begin_telling (figures));
  count (figures, BEGIN, BEGIN, BEGIN + 1, NULL);
  g_assert_false (aiopool_figures_begin_telling (figures));
  g_assert_cmpint (figures->told_at, >, 0);
}

static void
test_the_last_change_is_told_too (void)
{
  g_autofree AiopoolFigures *figures = new_figures ();
  guint n_told = 0;

  g_assert_true (aiopool_figures_begin_telling (figures));
  count (figures, BEGIN, BEGIN, BEGIN + 1, NULL);
  while (figures->told_at != 0)
    {
      aiopool_figures_tick (figures, figures->told_at);
      n_told += aiopool_figures_begin_telling (figures);
    }
  g_assert_cmpuint (n_told, ==, 2); /* one that tells, and one after which nothing had changed */
  count (figures, BEGIN, BEGIN, BEGIN + 1, NULL);
  g_assert_true (aiopool_figures_begin_telling (figures));
}

/* Otherwise a rate would stand still at what it was. */
static void
test_who_listens_hears_the_end_of_what_is_recent (void)
{
  g_autofree AiopoolFigures *figures = new_figures ();
  AiopoolFiguresSlot sum;
  gint64 now = BEGIN;

  count (figures, BEGIN, BEGIN, BEGIN + 1, NULL);
  g_assert_true (aiopool_figures_begin_telling (figures));
  figures->is_heard = TRUE;
  while (figures->told_at != 0)
    {
      now += SECOND / 10;
      aiopool_figures_tick (figures, now);
      aiopool_figures_begin_telling (figures);
    }
  aiopool_figures_sum_recent (figures, now, &sum);
  g_assert_cmpuint (sum.n_ended, ==, 0);
  g_assert_cmpint (now, <=, BEGIN + 3 * SECOND);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/sched/figures/each-end-counts-once", test_each_end_counts_once);
  g_test_add_func ("/sched/figures/what-is-recent-passes", test_what_is_recent_passes);
  g_test_add_func ("/sched/figures/a-long-task-counts-where-it-ran",
                   test_a_long_task_counts_where_it_ran);
  g_test_add_func ("/sched/figures/a-workers-life-counts-likewise",
                   test_a_workers_life_counts_likewise);
  g_test_add_func ("/sched/figures/what-was-before-a-reset-does-not-count",
                   test_what_was_before_a_reset_does_not_count);
  g_test_add_func ("/sched/figures/the-first-change-is-told-at-once",
                   test_the_first_change_is_told_at_once);
  g_test_add_func ("/sched/figures/the-last-change-is-told-too", test_the_last_change_is_told_too);
  g_test_add_func ("/sched/figures/who-listens-hears-the-end-of-what-is-recent",
                   test_who_listens_hears_the_end_of_what_is_recent);
  return g_test_run ();
}
