/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/sched/chunk-help.h"

#include "aiopool/base/aiopool-error.h"

#include <unistd.h>

/* A worker that answers a chunk as it may not: it is ended, what came before is kept, what it may
 * have begun is not run again, and what it has not goes to another one. */

#define N 10

typedef struct
{
  const char *name;
  const char *steps;   /* after those that start the chunk */
  guint       n_came;  /* items */
  guint       n_begun;
  int         code;    /* of the one that runs, -1 for none */
} Row;

static const Row rows[] = {
  { "items-not-begun", "claim=3 items=0,4", 0, 3, AIOPOOL_TASK_ERROR_PROTOCOL },
  { "items-beyond-the-end", "claim=10 items=0,11", 0, 10, AIOPOOL_TASK_ERROR_PROTOCOL },
  { "one-beyond-the-end", "claim=10 items=0,9 item=10", 9, 10, AIOPOOL_TASK_ERROR_PROTOCOL },
  { "one-twice", "claim=5 items=0,3 items=2,1", 3, 5, AIOPOOL_TASK_ERROR_PROTOCOL },
  { "all-twice", "claim=5 items=0,3 items=0,3", 3, 5, AIOPOOL_TASK_ERROR_PROTOCOL },
  { "one-left-out", "claim=5 items=0,2 items=3,1", 2, 5, AIOPOOL_TASK_ERROR_PROTOCOL },
  { "one-left-out-before-one", "claim=5 items=0,2 item=3", 2, 5, AIOPOOL_TASK_ERROR_PROTOCOL },
  { "the-last-number", "claim=5 items=0,2 item=16777216", 2, 5, AIOPOOL_TASK_ERROR_PROTOCOL },
  { "fewer-values", "claim=5 items=0,2 items=2,3,2", 2, 5, AIOPOOL_TASK_ERROR_PROTOCOL },
  { "more-values", "claim=5 items=0,2 items=2,3,4", 2, 5, AIOPOOL_TASK_ERROR_PROTOCOL },
  { "no-items", "claim=5 items=0,2 zeros=24", 2, 5, AIOPOOL_TASK_ERROR_PROTOCOL },
  { "nonsense", "claim=5 items=0,2 ones=24", 2, 5, AIOPOOL_TASK_ERROR_PROTOCOL },
  { "a-result-too-early", "claim=5 items=0,4 result", 4, 5, AIOPOOL_TASK_ERROR_PROTOCOL },
  { "a-result-between", "claim=5 items=0,5 result", 5, 5, -1 },
  { "an-error-too-late", "claim=5 items=0,4 error", 4, 5, AIOPOOL_TASK_ERROR_PROTOCOL },
  { "a-partial-result", "claim=5 items=0,4 emit=1", 4, 5, AIOPOOL_TASK_ERROR_PROTOCOL },
  { "items-after-the-end", "claim=10 items=0,10 result items=0,1", 10, 10, -1 },
  { "a-death", "claim=5 items=0,3 kill=9", 3, 5, AIOPOOL_TASK_ERROR_CRASHED },
  { "a-death-between", "claim=5 items=0,5 kill=9", 5, 5, -1 },
  { "a-death-before", "kill=9", 0, 0, -1 },
  { "a-death-after", "claim=10 items=0,10 kill=9", 10, 10, -1 },
  { "a-page-of-ones", "claim=5 items=0,3 page=ones kill=9", 3, 10, AIOPOOL_TASK_ERROR_CRASHED },
  { "a-page-of-zeros", "claim=5 page=zeros items=0,3", 0, 0, -1 },
  { "what-is-no-boolean", "claim=10 items=0,10 result", 10, 10, -1 },
};

static AiopoolScheduler *
scheduler_with_fake (guint       max_workers,
                     const char *flag,
                     const char *steps)
{
  g_autofree char *line = g_strconcat ("hello task start ", steps, NULL);
  g_auto (GStrv) words = g_strsplit (line, " ", -1);
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  g_autoptr (AiopoolLauncher) launcher = NULL;
  AiopoolSchedulerLimits limits = some_limits (max_workers);

  g_assert_true (g_file_set_contents (flag, "", 0, NULL));
  g_ptr_array_add (argv, (gpointer) g_getenv ("AIOPOOL_TEST_FAKE_WORKER"));
  g_ptr_array_add (argv, (gpointer) flag);
  for (guint i = 0; words[i] != NULL; i++)
    g_ptr_array_add (argv, words[i]);
  g_ptr_array_add (argv, NULL);
  launcher = aiopool_launcher_new_for_argv ((const char * const *) argv->pdata);
  return scheduler_of (launcher, &limits);
}

static void
remove_files (const char *flag)
{
  static const char *ends[] = { "", ".pid", ".go" };

  for (guint i = 0; i < G_N_ELEMENTS (ends); i++)
    {
      g_autofree char *path = g_strconcat (flag, ends[i], NULL);

      unlink (path);
    }
}

static void
test_row (gconstpointer data)
{
  const Row *row = data;
  g_autofree char *flag = g_build_filename (directory, "flag", NULL);
  AiopoolScheduler *scheduler = scheduler_with_fake (1, flag, row->steps);
  g_autoptr (Whole) whole = whole_new (scheduler, "any", N);
  guint n_known = row->code >= 0 ? row->n_begun - 1 : row->n_begun;

  whole->goes_on = TRUE;
  whole_submit (whole, 0, N);
  whole_wait (whole);
  whole_check (whole, 0, row->n_came, VALUE);
  whole_check (whole, row->n_came, n_known, LOST);
  if (row->code >= 0)
    {
      whole_check (whole, n_known, row->n_begun, FAILED);
      g_assert_error (whole->items[n_known].error, AIOPOOL_TASK_ERROR, row->code);
    }
  whole_check (whole, row->n_begun, N, VALUE);
  scheduler_end (scheduler);
  remove_files (flag);
}

/* The worker says that it has begun all, and sends what was taken back. */
static void
test_items_that_were_taken_back (void)
{
  g_autofree char *flag = g_build_filename (directory, "flag", NULL);
  g_autofree char *go = g_strconcat (flag, ".go", NULL);
  AiopoolScheduler *scheduler = scheduler_with_fake (1, flag,
                                                     "claim=3 hold page=ones items=0,5");
  g_autoptr (Whole) whole = whole_new (scheduler, "any", N);
  AiopoolJob *job = whole_submit (whole, 0, N);
  gint64 since;
  int pid;

  while (aiopool_scheduler_count_begun (scheduler, job, &since, &pid) < 3)
    g_usleep (500);
  g_assert_cmpuint (aiopool_scheduler_shorten (scheduler, job, 4), ==, 4);
  g_assert_true (g_file_set_contents (go, "", 0, NULL));
  whole_wait (whole);
  whole_check (whole, 0, 3, LOST);
  whole_check (whole, 3, 4, FAILED);
  g_assert_error (whole->items[3].error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_PROTOCOL);
  whole_check (whole, 4, N, NOT_BEGUN);
  scheduler_end (scheduler);
  remove_files (flag);
}

/* Not for ever; and then all of its items have failed, not one. */
static void
test_workers_that_die_before_the_first_item (void)
{
  g_autofree char *flag = g_build_filename (directory, "flag", NULL);
  AiopoolScheduler *scheduler = scheduler_with_fake (1, flag, "again kill=9");
  g_autoptr (Whole) whole = whole_new (scheduler, "any", N);
  AiopoolFiguresView view;

  whole_submit (whole, 0, N);
  whole_wait (whole);
  whole_check (whole, 0, N, FAILED);
  for (guint i = 0; i < N; i++)
    g_assert_error (whole->items[i].error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_CRASHED);
  aiopool_scheduler_get_figures (scheduler, &view);
  g_assert_cmpuint (view.n_failed, ==, N);
  scheduler_end (scheduler);
  remove_files (flag);
}

static void
add_tests (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *path = g_strconcat ("/chunks/hostile/", rows[i].name, NULL);

      g_test_add_data_func (path, &rows[i], test_row);
    }
  g_test_add_func ("/chunks/hostile/taken-back", test_items_that_were_taken_back);
  g_test_add_func ("/chunks/hostile/false-starts", test_workers_that_die_before_the_first_item);
}

int
main (int   argc,
      char *argv[])
{
  return chunk_main (argc, argv, add_tests);
}
