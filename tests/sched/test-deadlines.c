/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/sched/aiopool-queue-private.h"

/* The heap of deadlines, alone. */

#define N_JOBS 500

static void
test_nothing_is_due_in_an_empty_one (void)
{
  AiopoolDeadlines deadlines;

  aiopool_deadlines_init (&deadlines);
  g_assert_cmpint (aiopool_deadlines_next (&deadlines), ==, 0);
  g_assert_null (aiopool_deadlines_pop (&deadlines, G_MAXINT64));
  aiopool_deadlines_clear (&deadlines);
}

static void
test_a_job_is_due_at_its_time_and_not_before (void)
{
  AiopoolDeadlines deadlines;
  AiopoolJob job = { .heap_index = 0 };

  aiopool_deadlines_init (&deadlines);
  aiopool_deadlines_set (&deadlines, &job, 100);
  g_assert_cmpint (aiopool_deadlines_next (&deadlines), ==, 100);
  g_assert_null (aiopool_deadlines_pop (&deadlines, 99));
  g_assert_true (aiopool_deadlines_pop (&deadlines, 100) == &job);
  g_assert_cmpuint (job.heap_index, ==, 0);
  g_assert_null (aiopool_deadlines_pop (&deadlines, G_MAXINT64));
  aiopool_deadlines_clear (&deadlines);
}

static void
test_a_job_is_there_once (void)
{
  AiopoolDeadlines deadlines;
  AiopoolJob job = { .heap_index = 0 };

  aiopool_deadlines_init (&deadlines);
  aiopool_deadlines_set (&deadlines, &job, 100);
  aiopool_deadlines_set (&deadlines, &job, 50);
  aiopool_deadlines_set (&deadlines, &job, 70);
  g_assert_cmpint (aiopool_deadlines_next (&deadlines), ==, 70);
  g_assert_true (aiopool_deadlines_pop (&deadlines, 1000) == &job);
  g_assert_null (aiopool_deadlines_pop (&deadlines, 1000));
  aiopool_deadlines_set (&deadlines, &job, 100);
  aiopool_deadlines_set (&deadlines, &job, 0);
  g_assert_cmpint (aiopool_deadlines_next (&deadlines), ==, 0);
  aiopool_deadlines_set (&deadlines, &job, 0);
  aiopool_deadlines_clear (&deadlines);
}

static gint64
earliest (const gint64 *times)
{
  gint64 first = 0;

  for (guint i = 0; i < N_JOBS; i++)
    {
      if (times[i] != 0 && (first == 0 || times[i] < first))
        first = times[i];
    }
  return first;
}

/* Against an array that is looked through. */
static void
test_the_earliest_is_always_first (void)
{
  g_autoptr (GRand) random = g_rand_new_with_seed (815);
  g_autofree AiopoolJob *jobs = g_new0 (AiopoolJob, N_JOBS);
  gint64 times[N_JOBS] = { 0 };
  AiopoolDeadlines deadlines;

  aiopool_deadlines_init (&deadlines);
  for (guint i = 0; i < 20000; i++)
    {
      guint index = (guint) g_rand_int_range (random, 0, N_JOBS);
      gint64 when = g_rand_int_range (random, 0, 4) == 0 ? 0 : g_rand_int_range (random, 1, 300);

      aiopool_deadlines_set (&deadlines, &jobs[index], when);
      times[index] = when;
      g_assert_cmpint (aiopool_deadlines_next (&deadlines), ==, earliest (times));
      if (i % 5 == 0 && earliest (times) != 0)
        {
          AiopoolJob *job = aiopool_deadlines_pop (&deadlines, G_MAXINT64);

          g_assert_cmpint (times[job - jobs], ==, earliest (times));
          times[job - jobs] = 0;
        }
    }
  while (aiopool_deadlines_pop (&deadlines, G_MAXINT64) != NULL)
    ;
  for (guint i = 0; i < N_JOBS; i++)
    g_assert_cmpuint (jobs[i].heap_index, ==, 0);
  aiopool_deadlines_clear (&deadlines);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/sched/deadlines/nothing-is-due-in-an-empty-one",
                   test_nothing_is_due_in_an_empty_one);
  g_test_add_func ("/sched/deadlines/due-at-its-time-and-not-before",
                   test_a_job_is_due_at_its_time_and_not_before);
  g_test_add_func ("/sched/deadlines/a-job-is-there-once", test_a_job_is_there_once);
  g_test_add_func ("/sched/deadlines/the-earliest-is-always-first",
                   test_the_earliest_is_always_first);
  return g_test_run ();
}
