/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/sched/aiopool-dispatch-private.h"
#include "aiopool/wire/aiopool-status-page-private.h"

/* How many tasks a worker gets ahead of time: by what is known of the function, and never so many
 * that one of them waits for long. */

#define EPOCH 7

static guint
window_of (gint64 run_time, /* microseconds */
           guint  epoch,
           guint  tasks_per_worker)
{
  AiopoolScheduler scheduler = { .epoch = EPOCH };
  AiopoolFunctionInfo function = { .epoch = epoch };

  function.run_time = run_time > 0 ? run_time * 1000 : run_time;
  scheduler.limits.tasks_per_worker = tasks_per_worker;
  return aiopool_pump_window (&scheduler, &function);
}

static void
test_an_unknown_function_gets_few (void)
{
  g_assert_cmpuint (window_of (-1, EPOCH, 1), >=, 1);
  g_assert_cmpuint (window_of (-1, EPOCH, 1), <=, 4);
  g_assert_cmpuint (window_of (1, EPOCH - 1, 1), ==, window_of (-1, EPOCH, 1));
}

static void
test_long_tasks_go_one_by_one (void)
{
  g_assert_cmpuint (window_of (10000, EPOCH, 1), ==, 1);
  g_assert_cmpuint (window_of (G_MAXINT64 / 1000, EPOCH, 1), ==, 1);
}

static void
test_short_tasks_go_in_many (void)
{
  g_assert_cmpuint (window_of (0, EPOCH, 1), >, 50);
  g_assert_cmpuint (window_of (1, EPOCH, 1), >, 50);
}

static void
test_a_longer_task_never_gets_more (void)
{
  guint last = G_MAXUINT;

  for (gint64 run_time = 0; run_time < 20000; run_time++)
    {
      guint window = window_of (run_time, EPOCH, 1);

      g_assert_cmpuint (window, >=, 1);
      g_assert_cmpuint (window, <=, last);
      g_assert_cmpuint (window, <=, AIOPOOL_STATUS_N_SLOTS);
      last = window;
    }
}

static void
test_what_may_run_at_once_is_always_sent (void)
{
  for (guint n = 1; n <= 512; n++)
    {
      g_assert_cmpuint (window_of (1000000, EPOCH, n), ==, n);
      g_assert_cmpuint (window_of (-1, EPOCH, n), >=, n);
      g_assert_cmpuint (window_of (0, EPOCH, n), >=, n);
    }
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/sched/window/an-unknown-function-gets-few",
                   test_an_unknown_function_gets_few);
  g_test_add_func ("/sched/window/long-tasks-go-one-by-one", test_long_tasks_go_one_by_one);
  g_test_add_func ("/sched/window/short-tasks-go-in-many", test_short_tasks_go_in_many);
  g_test_add_func ("/sched/window/a-longer-task-never-gets-more",
                   test_a_longer_task_never_gets_more);
  g_test_add_func ("/sched/window/what-may-run-at-once-is-sent",
                   test_what_may_run_at_once_is_always_sent);
  return g_test_run ();
}
