/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/pool/helper.h"

#include <signal.h>

/* The figures of a pool: what each end of a task counts as, and when who listens is told. */

static AiopoolStats *
dup_stats (AiopoolExecutor *pool)
{
  return aiopool_pool_dup_stats (AIOPOOL_POOL (pool));
}

static void
expect_ends (AiopoolExecutor *executor,
             double           n_done,
             double           n_failed,
             double           n_cancelled)
{
  AiopoolPool *pool = AIOPOOL_POOL (executor);
  g_autoptr (AiopoolStats) stats = aiopool_pool_dup_stats (pool);

  g_assert_cmpfloat (aiopool_stats_get_n_done (stats), ==, n_done);
  g_assert_cmpfloat (aiopool_stats_get_n_failed (stats), ==, n_failed);
  g_assert_cmpfloat (aiopool_stats_get_n_cancelled (stats), ==, n_cancelled);
  g_assert_cmpfloat (aiopool_pool_get_n_done (pool), ==, n_done);
  g_assert_cmpfloat (aiopool_pool_get_n_failed (pool), ==, n_failed);
  g_assert_cmpfloat (aiopool_pool_get_n_cancelled (pool), ==, n_cancelled);
}

static void
test_a_new_pool_has_done_nothing (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (AiopoolStats) stats = dup_stats (pool);

  expect_ends (pool, 0, 0, 0);
  g_assert_cmpfloat (aiopool_stats_get_run_time_p99 (stats), ==, 0);
  g_assert_cmpfloat (aiopool_stats_get_utilization_mean (stats), ==, 0);
  g_assert_cmpfloat (aiopool_stats_get_elapsed (stats), >=, 0);
}

static void
test_every_end_counts (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (AiopoolFuture) unknown = NULL;
  g_autoptr (AiopoolFuture) crash = NULL;
  g_autoptr (AiopoolStats) stats = NULL;

  for (guint i = 0; i < 5; i++)
    g_assert_cmpuint (helper_run_echo (pool, i), ==, i);
  unknown = helper_submit (pool, "no-such-function", NULL);
  helper_expect_error (unknown, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_UNKNOWN_FUNCTION);
  expect_ends (pool, 5, 1, 0);
  crash = helper_submit (pool, "crash", "(i)", SIGKILL);
  helper_expect_crash (crash, "signal 9");
  expect_ends (pool, 5, 2, 0);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  stats = dup_stats (pool);
  g_assert_cmpfloat (aiopool_stats_get_n_workers_lost (stats), ==, 1);
  g_assert_cmpfloat (aiopool_stats_get_n_workers_started (stats), >=, 1);
  g_assert_cmpuint (aiopool_stats_get_n_workers (stats), ==, 0);
}

static void
test_what_runs_and_waits_is_told_apart (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (AiopoolFuture) running = helper_gate_submit (gate, pool, "deaf");
  g_autoptr (AiopoolFuture) waiting = NULL;
  g_autoptr (AiopoolStats) stats = NULL;

  helper_gate_await (gate, 1);
  waiting = helper_submit (pool, "echo", "(i)", 1);
  stats = dup_stats (pool);
  g_assert_cmpuint (aiopool_stats_get_n_running (stats), ==, 1);
  g_assert_cmpuint (aiopool_stats_get_n_pending (stats), ==, 1);
  g_assert_cmpuint (aiopool_stats_get_n_busy (stats), ==, 1);
  g_assert_cmpfloat (aiopool_stats_get_utilization (stats), >, 0);
  g_assert_true (aiopool_future_cancel (waiting, AIOPOOL_CANCEL_PENDING));
  expect_ends (pool, 0, 0, 1);
  helper_gate_open (gate);
  helper_wait (running);
  expect_ends (pool, 1, 0, 1);
}

/* A nap has a length of its own to compare with. */
static void
test_times_are_those_of_the_tasks (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "nap", "(d)", 0.05);
  g_autoptr (AiopoolStats) stats = NULL;
  double run_time, queue_time;

  helper_wait (future);
  stats = dup_stats (pool);
  run_time = aiopool_future_get_run_time (future);
  queue_time = aiopool_future_get_queue_time (future);
  g_assert_cmpfloat (run_time, >=, 0.05);
  g_assert_cmpfloat_with_epsilon (aiopool_stats_get_run_time_mean (stats), run_time, 1e-9);
  g_assert_cmpfloat_with_epsilon (aiopool_stats_get_run_time_median (stats), run_time, 1e-9);
  g_assert_cmpfloat_with_epsilon (aiopool_stats_get_run_time_max (stats), run_time, 1e-9);
  g_assert_cmpfloat_with_epsilon (aiopool_stats_get_queue_time_p95 (stats), queue_time, 1e-9);
  g_assert_cmpfloat (aiopool_stats_get_utilization_mean (stats), >, 0);
  g_assert_cmpfloat (aiopool_stats_get_utilization_mean (stats), <=, 1);
  g_assert_cmpfloat (aiopool_stats_get_tasks_per_second (stats), >, 0);
}

static void
test_reset_begins_anew (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (AiopoolStats) before = NULL, after = NULL;

  helper_run_echo (pool, 1);
  before = dup_stats (pool);
  aiopool_pool_reset_stats (AIOPOOL_POOL (pool));
  after = dup_stats (pool);
  g_assert_cmpfloat (aiopool_stats_get_n_done (before), ==, 1); /* it does not change */
  g_assert_cmpfloat (aiopool_stats_get_n_done (after), ==, 0);
  g_assert_cmpfloat (aiopool_stats_get_run_time_max (after), ==, 0);
  g_assert_cmpfloat (aiopool_stats_get_elapsed (after), <=, aiopool_stats_get_elapsed (before));
  g_assert_cmpuint (aiopool_stats_get_n_workers (after), ==, 1);
}

static void
test_hooks_do_not_count (void)
{
  g_autoptr (AiopoolTask) hook = helper_task ("echo", "(i)", 1);
  g_autoptr (AiopoolLauncher) launcher = aiopool_launcher_new ();
  g_autoptr (AiopoolExecutor) pool = g_object_new (AIOPOOL_TYPE_POOL, "max-workers", 1,
                                                   "launcher", launcher, "initializer", hook,
                                                   "finalizer", hook, NULL);

  helper_run_echo (pool, 1);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  expect_ends (pool, 1, 0, 0);
}

/* --- notifications ---------------------------------------------------------------------------- */

typedef struct
{
  GThread *thread;   /* (unowned): where they should come */
  guint    n_calls;
  double   n_done;   /* as the last one found it */
} Listener;

static void
on_notify (GObject    *pool,
           GParamSpec *pspec,
           gpointer    user_data)
{
  Listener *listener = user_data;

  g_assert_true (g_thread_self () == listener->thread);
  listener->n_calls++;
  listener->n_done = aiopool_pool_get_n_done (AIOPOOL_POOL (pool));
}

/* Iterates until the listener has been told of @n ends. */
static void
await_done (Listener *listener,
            double    n)
{
  while (listener->n_done < n)
    g_main_context_iteration (NULL, TRUE);
}

static void
test_the_first_and_the_last_are_told (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (2);
  Listener listener = { g_thread_self (), 0, 0 };
  gint64 begin = g_get_monotonic_time ();
  gint64 tenths;

  g_signal_connect (pool, "notify::n-done", G_CALLBACK (on_notify), &listener);
  for (guint i = 0; i < 2000; i++)
    {
      g_autoptr (AiopoolFuture) future = helper_submit (pool, "echo", "(u)", i);

      g_assert_nonnull (future);
    }
  await_done (&listener, 2000);
  tenths = (g_get_monotonic_time () - begin) / (G_USEC_PER_SEC / 10);
  g_assert_cmpuint (listener.n_calls, <=, tenths + 3); /* whatever the time it took */
}

static void
test_who_comes_late_is_told_too (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  Listener listener = { g_thread_self (), 0, 0 };

  for (guint i = 0; i < 10; i++)
    helper_run_echo (pool, i);
  g_signal_connect (pool, "notify::stats", G_CALLBACK (on_notify), &listener);
  helper_run_echo (pool, 10);
  await_done (&listener, 11);
}

static void
test_a_rate_goes_down_to_nothing (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  Listener listener = { g_thread_self (), 0, 0 };

  g_signal_connect (pool, "notify::tasks-per-second", G_CALLBACK (on_notify), &listener);
  helper_run_echo (pool, 1);
  await_done (&listener, 1);
  g_assert_cmpfloat (aiopool_pool_get_tasks_per_second (AIOPOOL_POOL (pool)), >, 0);
  while (aiopool_pool_get_tasks_per_second (AIOPOOL_POOL (pool)) > 0)
    g_main_context_iteration (NULL, TRUE);
}

/* Who hears it may do anything. */
static void
on_notify_reset (AiopoolPool *pool,
                 GParamSpec  *pspec,
                 gpointer     user_data)
{
  int *n_calls = user_data;

  if ((*n_calls)++ > 0)
    return;
  aiopool_pool_reset_stats (pool);
  g_object_unref (pool);
  g_main_context_iteration (NULL, FALSE);
}

static void
test_a_listener_drops_the_pool (void)
{
  AiopoolExecutor *pool = helper_pool (1);
  gpointer address = pool;
  int n_calls = 0;

  g_object_add_weak_pointer (G_OBJECT (pool), &address);
  g_signal_connect (pool, "notify::n-done", G_CALLBACK (on_notify_reset), &n_calls);
  helper_run_echo (pool, 1);
  while (address != NULL)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpint (n_calls, >=, 1);
}

static gpointer
read_all (gpointer user_data)
{
  AiopoolPool *pool = user_data;
  double last = 0;

  while (last < 500)
    {
      g_autoptr (AiopoolStats) stats = aiopool_pool_dup_stats (pool);
      double n = aiopool_stats_get_n_done (stats);

      g_assert_cmpfloat (n, >=, last);
      g_assert_cmpfloat (aiopool_stats_get_utilization (stats), <=, 1);
      last = n;
    }
  return NULL;
}

static void
test_any_thread_reads (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (2);
  GThread *thread = g_thread_new ("reader", read_all, pool);

  for (guint i = 0; i < 500; i++)
    helper_run_echo (pool, i);
  g_thread_join (thread);
}

int
main (int    argc,
      char **argv)
{
  helper_begin (&argc, &argv);
  helper_add ("/pool/stats/a-new-pool-has-done-nothing", test_a_new_pool_has_done_nothing);
  helper_add ("/pool/stats/every-end-counts", test_every_end_counts);
  helper_add ("/pool/stats/what-runs-and-waits-is-told-apart",
              test_what_runs_and_waits_is_told_apart);
  helper_add ("/pool/stats/times-are-those-of-the-tasks", test_times_are_those_of_the_tasks);
  helper_add ("/pool/stats/reset-begins-anew", test_reset_begins_anew);
  helper_add ("/pool/stats/hooks-do-not-count", test_hooks_do_not_count);
  helper_add ("/pool/stats/the-first-and-the-last-are-told", test_the_first_and_the_last_are_told);
  helper_add ("/pool/stats/who-comes-late-is-told-too", test_who_comes_late_is_told_too);
  helper_add ("/pool/stats/a-rate-goes-down-to-nothing", test_a_rate_goes_down_to_nothing);
  helper_add ("/pool/stats/a-listener-drops-the-pool", test_a_listener_drops_the_pool);
  helper_add ("/pool/stats/any-thread-reads", test_any_thread_reads);
  return helper_end ();
}
