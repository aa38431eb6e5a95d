/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/sched/aiopool-histogram-private.h"

#include <stdlib.h>

/* The histogram of durations, alone. */

#define N_VALUES 20000
#define LARGEST  (G_GINT64_CONSTANT (1) << AIOPOOL_HISTOGRAM_MAX_LOG2)
#define MOST_OFF 0.0157 /* 1/64, and the rounding of it */

static int
compare (gconstpointer a,
         gconstpointer b)
{
  gint64 left = *(const gint64 *) a, right = *(const gint64 *) b;

  return (left > right) - (left < right);
}

/* The value that @share of the sorted @values do not exceed. */
static double
find_exact (const gint64 *values,
            double        share)
{
  guint rank = (guint) (share * N_VALUES);

  return (double) values[CLAMP (rank, 1, N_VALUES) - 1];
}

static void
expect_near (double value,
             double exact)
{
  if (ABS (value - exact) > MAX (exact * MOST_OFF, 1e-9))
    g_error ("%g is not %g", value, exact);
}

static void
expect_quantiles (const gint64 *values)
{
  static const double shares[] = { 0.001, 0.01, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999, 1 };
  g_autofree AiopoolHistogram *histogram = g_new0 (AiopoolHistogram, 1);
  g_autofree gint64 *sorted = g_memdup2 (values, N_VALUES * sizeof *values);

  for (guint i = 0; i < N_VALUES; i++)
    aiopool_histogram_add (histogram, values[i]);
  qsort (sorted, N_VALUES, sizeof *sorted, compare);
  for (guint i = 0; i < G_N_ELEMENTS (shares); i++)
    expect_near (aiopool_histogram_get_quantile (histogram, shares[i]),
                 find_exact (sorted, shares[i]));
}

static void
test_an_empty_one_has_no_times (void)
{
  g_autofree AiopoolHistogram *histogram = g_new0 (AiopoolHistogram, 1);

  g_assert_cmpfloat (aiopool_histogram_get_mean (histogram), ==, 0);
  g_assert_cmpfloat (aiopool_histogram_get_quantile (histogram, 0.5), ==, 0);
}

static void
test_bins_go_up_one_by_one (void)
{
  guint last = 0;

  for (gint64 value = 0; value < 1 << 20; value++)
    {
      guint bin = aiopool_histogram_bin (value);

      g_assert_true (bin == last || bin == last + 1);
      last = bin;
    }
}

static void
test_every_time_has_a_bin (void)
{
  g_assert_cmpuint (aiopool_histogram_bin (G_MININT64), ==, 0);
  g_assert_cmpuint (aiopool_histogram_bin (-1), ==, 0);
  g_assert_cmpuint (aiopool_histogram_bin (LARGEST - 1), ==, AIOPOOL_HISTOGRAM_N_BINS - 1);
  g_assert_cmpuint (aiopool_histogram_bin (LARGEST), ==, AIOPOOL_HISTOGRAM_N_BINS - 1);
  g_assert_cmpuint (aiopool_histogram_bin (G_MAXINT64), ==, AIOPOOL_HISTOGRAM_N_BINS - 1);
}

static void
test_one_time_is_all_of_its_quantiles (void)
{
  static const gint64 values[] = { 0, 1, 31, 32, 33, 1000, 123456789, LARGEST * 4 };

  for (guint i = 0; i < G_N_ELEMENTS (values); i++)
    {
      g_autofree AiopoolHistogram *histogram = g_new0 (AiopoolHistogram, 1);

      aiopool_histogram_add (histogram, values[i]);
      g_assert_cmpfloat (aiopool_histogram_get_quantile (histogram, 0), ==, (double) values[i]);
      g_assert_cmpfloat (aiopool_histogram_get_quantile (histogram, 0.5), ==, (double) values[i]);
      g_assert_cmpfloat (aiopool_histogram_get_mean (histogram), ==, (double) values[i]);
    }
}

static void
test_short_times_are_exact (void)
{
  g_autofree AiopoolHistogram *histogram = g_new0 (AiopoolHistogram, 1);

  for (gint64 value = 0; value < 32; value++)
    aiopool_histogram_add (histogram, value);
  for (guint i = 1; i <= 32; i++)
    g_assert_cmpfloat (aiopool_histogram_get_quantile (histogram, i / 32.0), ==, i - 1);
}

static void
test_quantiles_are_less_than_two_percent_off (void)
{
  g_autofree gint64 *values = g_new (gint64, N_VALUES);

  for (guint i = 0; i < N_VALUES; i++)
    values[i] = g_random_int_range (0, 1000000);
  expect_quantiles (values);
  for (guint i = 0; i < N_VALUES; i++)
    values[i] = (gint64) g_random_int () << g_random_int_range (0, 9) >> g_random_int_range (0, 32);
  expect_quantiles (values);
  for (guint i = 0; i < N_VALUES; i++)
    values[i] = i % 100 == 0 ? 5000000 : 40;
  expect_quantiles (values);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/sched/histogram/an-empty-one-has-no-times", test_an_empty_one_has_no_times);
  g_test_add_func ("/sched/histogram/bins-go-up-one-by-one", test_bins_go_up_one_by_one);
  g_test_add_func ("/sched/histogram/every-time-has-a-bin", test_every_time_has_a_bin);
  g_test_add_func ("/sched/histogram/one-time-is-all-of-its-quantiles",
                   test_one_time_is_all_of_its_quantiles);
  g_test_add_func ("/sched/histogram/short-times-are-exact", test_short_times_are_exact);
  g_test_add_func ("/sched/histogram/quantiles-are-less-than-two-percent-off",
                   test_quantiles_are_less_than_two_percent_off);
  return g_test_run ();
}
