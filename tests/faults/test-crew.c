/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/faults/fault.h"

#include <signal.h>

/* Rows about workers that fail before their first task, and about those that have had their last:
 * an initializer that fails, ends the process or hangs, and a maximum of tasks for each worker. */

#define N_WAITING 12

static AiopoolExecutor *
new_pool (AiopoolTask       *initializer,
          AiopoolDeathPolicy policy)
{
  return g_object_new (AIOPOOL_TYPE_POOL,
                       "max-workers", 2,
                       "initializer", initializer,
                       "on-worker-death", policy,
                       "start-timeout", 0.5 * fault_factor (),
                       "grace-period", 0.2,
                       NULL);
}

/* All that wait are told, the pool is broken, no process is started again and again, and the
 * shutdown ends. @initializer: (transfer full). */
static void
expect_broken (AiopoolTask *initializer,
               const char  *part)
{
  for (AiopoolDeathPolicy policy = AIOPOOL_DEATH_ISOLATE; policy <= AIOPOOL_DEATH_BREAK; policy++)
    {
      g_autoptr (AiopoolExecutor) pool = new_pool (initializer, policy);
      g_autoptr (GPtrArray) futures = g_ptr_array_new_with_free_func (g_object_unref);
      g_autoptr (AiopoolTask) task = helper_task ("echo", NULL);
      g_autoptr (GError) error = NULL;

      for (guint i = 0; i < N_WAITING; i++)
        {
          AiopoolFuture *future = aiopool_executor_submit (pool, task, NULL, NULL);

          if (future != NULL)
            g_ptr_array_add (futures, future);
        }
      g_assert_cmpuint (futures->len, >, 0);
      for (guint i = 0; i < futures->len; i++)
        {
          AiopoolFuture *future = g_ptr_array_index (futures, i);

          helper_expect_error (future, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_INITIALIZER);
          helper_expect_message (future, part);
        }
      g_assert_false (aiopool_executor_check (pool, &error));
      g_assert_error (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_INITIALIZER);
      helper_run_expecting (pool, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_BROKEN);
      helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
    }
  g_object_unref (initializer);
}

/* Row 10. */
static void
test_initializer_fails (void)
{
  expect_broken (helper_task ("fail", "(sis)", "g-io-error-quark", 1, "on purpose"), "on purpose");
  expect_broken (helper_task ("no-such-function", NULL), "no-such-function");
}

/* Row 11. */
static void
test_initializer_ends_the_process (void)
{
  expect_broken (helper_task ("leave", "(i)", 0), "exit status 0");
  expect_broken (helper_task ("leave", "(i)", 7), "exit status 7");
}

/* Row 11, by a signal: that may be anybody's, and is tried again as often as the budget says. */
static void
test_initializer_is_killed (void)
{
  g_autofree char *path = fault_marks ();
  g_autoptr (AiopoolTask) initializer = helper_task ("mark", "(sui)", path, 0u, SIGKILL);
  g_autoptr (AiopoolExecutor) pool = new_pool (initializer, AIOPOOL_DEATH_ISOLATE);
  g_autoptr (AiopoolFuture) future = NULL;
  g_autofree guint *counts = NULL;

  aiopool_pool_set_restart_budget (AIOPOOL_POOL (pool), 3);
  future = helper_submit (pool, "echo", NULL);
  helper_expect_error (future, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_BROKEN);
  helper_expect_message (future, "signal 9");
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  counts = helper_marks_count (path, 1);
  g_assert_cmpuint (counts[0], >=, 3);
  g_assert_cmpuint (counts[0], <=, 4); /* two may have started at once */
}

/* Row 12. */
static void
test_initializer_hangs (void)
{
  expect_broken (helper_task ("nap", "(d)", 600.0), "was not ready");
}

/* Row 12: nobody waits for a worker that has no task. */
static void
test_shutdown_while_an_initializer_hangs (void)
{
  g_autoptr (AiopoolTask) initializer = helper_task ("nap", "(d)", 600.0);
  g_autoptr (AiopoolExecutor) pool = g_object_new (AIOPOOL_TYPE_POOL, "max-workers", 2,
                                                   "initializer", initializer, "start-timeout",
                                                   0.0, "grace-period", 600.0, NULL);
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "echo", NULL);

  helper_shutdown (pool, AIOPOOL_SHUTDOWN_CANCEL_PENDING);
  helper_expect_cancelled (future);
}

/* Row 70: all are done, none twice, and no worker does more than it may. */
static void
test_max_tasks_with_a_backlog (void)
{
  g_autofree char *path = fault_marks ();
  g_autoptr (AiopoolExecutor) pool = g_object_new (AIOPOOL_TYPE_POOL, "max-workers", 2,
                                                   "max-tasks-per-worker", 2, NULL);
  g_autoptr (GPtrArray) futures = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (GHashTable) pids = g_hash_table_new (NULL, NULL);
  g_autofree guint *counts = NULL;

  for (guint i = 0; i < 40; i++)
    g_ptr_array_add (futures, helper_submit (pool, "mark", "(sui)", path, i, 0));
  for (guint i = 0; i < futures->len; i++)
    {
      AiopoolFuture *future = g_ptr_array_index (futures, i);
      gpointer key;
      guint n;

      g_variant_unref (helper_collect (future));
      key = GINT_TO_POINTER (aiopool_future_get_worker_pid (future));
      n = GPOINTER_TO_UINT (g_hash_table_lookup (pids, key)) + 1;
      g_assert_cmpuint (n, <=, 2);
      g_hash_table_insert (pids, key, GUINT_TO_POINTER (n));
    }
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  counts = helper_marks_count (path, 40);
  for (guint i = 0; i < 40; i++)
    g_assert_cmpuint (counts[i], ==, 1);
}

int
main (int   argc,
      char *argv[])
{
  static const FaultRow rows[] = {
    { "/faults/row-10-initializer-fails", test_initializer_fails },
    { "/faults/row-11-initializer-ends-the-process", test_initializer_ends_the_process },
    { "/faults/row-11-initializer-is-killed", test_initializer_is_killed },
    { "/faults/row-12-initializer-hangs", test_initializer_hangs },
    { "/faults/row-12-shutdown-while-an-initializer-hangs",
      test_shutdown_while_an_initializer_hangs },
    { "/faults/row-70-max-tasks-with-a-backlog", test_max_tasks_with_a_backlog },
  };

  return fault_main (argc, argv, rows, G_N_ELEMENTS (rows));
}
