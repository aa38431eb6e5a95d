/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/pool/helper.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

/* The life of workers and of the pool: how many there are and how long they serve, what they run
 * first and last, when the pool gives up, and how it is looked at, tried out and joined. */

#define new_pool(max_workers, ...) \
  AIOPOOL_EXECUTOR (g_object_new (AIOPOOL_TYPE_POOL, "max-workers", max_workers, __VA_ARGS__))

static void
expect_check (AiopoolExecutor *pool,
              int              code)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (aiopool_executor_check (pool, &error));
  g_assert_error (error, AIOPOOL_POOL_ERROR, code);
}

static void
expect_broken (AiopoolExecutor *pool,
               int              code)
{
  g_autoptr (AiopoolTask) task = helper_task ("echo", NULL);
  g_autoptr (GError) error = NULL;

  expect_check (pool, code);
  g_assert_true (aiopool_pool_get_is_broken (AIOPOOL_POOL (pool)));
  g_assert_null (aiopool_executor_submit (pool, task, NULL, &error));
  g_assert_error (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_BROKEN);
  g_clear_error (&error);
  g_assert_cmpuint (aiopool_pool_spawn_workers (AIOPOOL_POOL (pool), 1, &error), ==, 0);
  g_assert_error (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_BROKEN);
}

static void
join (AiopoolExecutor *pool)
{
  g_autoptr (GError) error = NULL;

  aiopool_executor_join (pool, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (aiopool_pool_get_n_workers (AIOPOOL_POOL (pool)), ==, 0);
}

/* Until so many workers are ready. */
static void
await_idle (AiopoolExecutor *pool,
            guint            n)
{
  gint64 end = g_get_monotonic_time () + (gint64) (HELPER_LONG * G_USEC_PER_SEC);

  while (aiopool_pool_get_n_idle (AIOPOOL_POOL (pool)) != n)
    {
      g_assert_cmpint (g_get_monotonic_time (), <, end);
      g_thread_yield ();
    }
}

/* --- how many tasks a worker runs ------------------------------------------------------------- */

static void
test_max_tasks_with_a_backlog (gconstpointer data)
{
  guint max_workers = GPOINTER_TO_UINT (data);
  g_autoptr (AiopoolExecutor) pool = new_pool (max_workers,
                                               "max-tasks-per-worker", 3, NULL);
  g_autoptr (GPtrArray) futures = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (GHashTable) pids = g_hash_table_new (NULL, NULL);

  for (guint i = 0; i < 30; i++)
    g_ptr_array_add (futures, helper_submit (pool, "pid", NULL));
  for (guint i = 0; i < futures->len; i++)
    {
      g_autoptr (GVariant) result = helper_collect (g_ptr_array_index (futures, i));
      gpointer key = GINT_TO_POINTER (g_variant_get_int32 (result));
      guint n = GPOINTER_TO_UINT (g_hash_table_lookup (pids, key)) + 1;

      g_assert_cmpuint (n, <=, 3);
      g_hash_table_insert (pids, key, GUINT_TO_POINTER (n));
    }
  g_assert_cmpuint (g_hash_table_size (pids), >=, 10);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* The next worker is there before the one whose last task runs is gone, and does not begin before
 * that. */
static void
test_the_next_worker_starts_before_the_old_one_is_gone (void)
{
  g_autoptr (AiopoolExecutor) pool = new_pool (1, "max-tasks-per-worker", 1,
                                               NULL);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (AiopoolFuture) next = NULL;

  helper_gate_occupy (gate, pool);
  next = helper_submit (pool, "echo", "(u)", 1u);
  await_idle (pool, 1);
  g_assert_cmpuint (aiopool_pool_get_n_workers (AIOPOOL_POOL (pool)), ==, 2);
  g_assert_cmpuint (aiopool_pool_get_n_busy (AIOPOOL_POOL (pool)), ==, 1);
  g_assert_cmpint (aiopool_future_get_state (next), ==, AIOPOOL_FUTURE_PENDING);
  helper_gate_open (gate);
  g_variant_unref (helper_collect (next));
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
on_worker_added (GListModel *workers,
                 guint       position,
                 guint       n_removed,
                 guint       n_added,
                 gpointer    user_data)
{
  for (guint i = position; i < position + n_added; i++)
    {
      g_autoptr (AiopoolWorker) worker = g_list_model_get_item (workers, i);

      *(guint *) user_data = aiopool_worker_get_id (worker);
    }
}

/* One that stands by is not idle, though it has nothing to do. */
static void
test_the_next_worker_stays_while_tasks_wait (void)
{
  g_autoptr (AiopoolExecutor) pool = new_pool (1, "max-tasks-per-worker", 1, "idle-timeout", 0.0,
                                               NULL);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (AiopoolFuture) next = NULL;
  guint highest = 0;
  gint64 end;

  g_signal_connect (aiopool_pool_get_workers (AIOPOOL_POOL (pool)), "items-changed",
                    G_CALLBACK (on_worker_added), &highest);
  helper_gate_occupy (gate, pool);
  next = helper_submit (pool, "echo", "(u)", 1u);
  await_idle (pool, 1);
  end = g_get_monotonic_time () + G_USEC_PER_SEC / 4;
  while (g_get_monotonic_time () < end)
    g_main_context_iteration (NULL, FALSE);
  g_assert_cmpuint (highest, ==, 2);
  g_assert_true (aiopool_future_cancel (next, AIOPOOL_CANCEL_PENDING));
  await_idle (pool, 0);
  helper_gate_open (gate);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* The last task of a worker was taken back when the next worker was there. */
static void
test_the_next_worker_is_not_one_too_many (void)
{
  g_autoptr (AiopoolExecutor) pool = new_pool (1, "max-tasks-per-worker", 2, "idle-timeout", -1.0,
                                               NULL);
  gint64 end = g_get_monotonic_time () + (gint64) (HELPER_LONG * G_USEC_PER_SEC);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (AiopoolFuture) last = NULL;
  g_autoptr (AiopoolFuture) next = NULL;

  helper_gate_occupy (gate, pool);
  last = helper_submit (pool, "echo", "(u)", 1u);
  next = helper_submit (pool, "echo", "(u)", 2u);
  await_idle (pool, 1);
  g_assert_true (aiopool_future_cancel (next, AIOPOOL_CANCEL_PENDING));
  g_assert_true (aiopool_future_cancel (last, AIOPOOL_CANCEL_PENDING));
  helper_gate_open (gate);
  while (aiopool_pool_get_n_workers (AIOPOOL_POOL (pool)) != 1)
    {
      g_assert_cmpint (g_get_monotonic_time (), <, end);
      g_thread_yield ();
    }
  g_assert_cmpuint (helper_run_echo (pool, 3), ==, 3);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* No more tasks run at once than max-workers, though there are more processes for a moment. */
static void
test_no_more_run_than_may (void)
{
  g_autoptr (AiopoolExecutor) pool = new_pool (2, "max-tasks-per-worker", 1,
                                               NULL);
  g_autoptr (GPtrArray) futures = g_ptr_array_new_with_free_func (g_object_unref);

  for (guint i = 0; i < 40; i++)
    g_ptr_array_add (futures, helper_submit (pool, "nap", "(d)", 0.001));
  for (guint i = 0; i < futures->len; i++)
    {
      g_assert_cmpuint (aiopool_pool_get_n_busy (AIOPOOL_POOL (pool)), <=, 2);
      g_variant_unref (helper_collect (g_ptr_array_index (futures, i)));
    }
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* --- how many workers there are --------------------------------------------------------------- */

static void
test_spawn_workers_is_clamped (void)
{
  g_autoptr (AiopoolExecutor) pool = new_pool (3, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_cmpuint (aiopool_pool_spawn_workers (AIOPOOL_POOL (pool), 2, &error), ==, 2);
  g_assert_cmpuint (aiopool_pool_spawn_workers (AIOPOOL_POOL (pool), G_MAXUINT, &error), ==, 1);
  g_assert_cmpuint (aiopool_pool_spawn_workers (AIOPOOL_POOL (pool), 1, &error), ==, 0);
  g_assert_no_error (error);
  await_idle (pool, 3);
  g_assert_cmpuint (aiopool_pool_get_n_workers (AIOPOOL_POOL (pool)), ==, 3);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  g_assert_cmpuint (aiopool_pool_spawn_workers (AIOPOOL_POOL (pool), 1, &error), ==, 0);
  g_assert_error (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_CLOSED);
}

/* Two of three stay when they have been idle for long enough, and one that dies is replaced. */
static void
test_the_minimum_stays (void)
{
  g_autoptr (AiopoolExecutor) pool = new_pool (3, "min-workers", 2,
                                               "idle-timeout", 0.0, NULL);
  int pid;

  g_assert_cmpuint (aiopool_pool_get_n_workers (AIOPOOL_POOL (pool)), ==, 0);
  pid = helper_run_pid (pool);
  await_idle (pool, 2);
  g_assert_cmpuint (aiopool_pool_spawn_workers (AIOPOOL_POOL (pool), 1, NULL), ==, 1);
  kill (pid, SIGKILL);
  helper_await_end (pid);
  await_idle (pool, 2);
  aiopool_pool_set_min_workers (AIOPOOL_POOL (pool), 0);
  await_idle (pool, 0);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* It is tried again for the sake of the minimum, but not without a pause. */
static void
test_the_minimum_is_tried_for_with_pauses (void)
{
  g_autofree char *path = helper_marks_new ();
  g_autofree char *script = g_strdup_printf ("echo >> %s; exit 3", path);
  g_autoptr (AiopoolExecutor) pool = helper_argv_pool (1, "/bin/sh", "-c", script, NULL);
  gint64 end = g_get_monotonic_time () + (gint64) (HELPER_LONG * G_USEC_PER_SEC);
  gint64 start = g_get_monotonic_time ();
  g_autofree char *text = NULL;
  gsize n = 0;

  g_object_set (pool, "restart-budget", 0, "min-workers", 1, NULL);
  helper_run_expecting (pool, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_START_FAILED);
  while (n < 4)
    {
      g_assert_cmpint (g_get_monotonic_time (), <, end);
      g_clear_pointer (&text, g_free);
      g_assert_true (g_file_get_contents (path, &text, &n, NULL));
      g_thread_yield ();
    }
  g_assert_cmpint (g_get_monotonic_time () - start, >=, (50 + 100 + 200) * 1000);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* --- initializer and finalizer ---------------------------------------------------------------- */

static void
test_each_worker_runs_the_hooks_once (void)
{
  g_autofree char *path = helper_marks_new ();
  g_autoptr (AiopoolTask) initializer = helper_task ("mark", "(sui)", path, 0u, 0);
  g_autoptr (AiopoolTask) finalizer = helper_task ("mark", "(sui)", path, 2u, 0);
  g_autoptr (AiopoolExecutor) pool = new_pool (2, "initializer", initializer,
                                               "finalizer", finalizer, "max-tasks-per-worker", 4,
                                               NULL);
  g_autoptr (GPtrArray) futures = g_ptr_array_new_with_free_func (g_object_unref);
  g_autofree guint *counts = NULL;

  for (guint i = 0; i < 20; i++)
    g_ptr_array_add (futures, helper_submit (pool, "mark", "(sui)", path, 1u, 0));
  for (guint i = 0; i < futures->len; i++)
    g_variant_unref (helper_collect (g_ptr_array_index (futures, i)));
  join (pool);
  counts = helper_marks_count (path, 3);
  g_assert_cmpuint (counts[1], ==, 20);
  g_assert_cmpuint (counts[0], >=, 5);
  g_assert_cmpuint (counts[2], ==, counts[0]);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* An argument too large for the stream goes through memory. */
static void
test_a_hook_with_a_large_argument (void)
{
  gsize size = 3 * 1024 * 1024;
  g_autofree guint8 *zeros = g_malloc0 (size);
  g_autoptr (AiopoolTask) initializer =
    helper_task ("echo", "(@ay)", g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, zeros, size, 1));
  g_autoptr (AiopoolExecutor) pool = new_pool (2, "initializer", initializer,
                                               "finalizer", initializer, NULL);

  g_assert_cmpuint (helper_run_echo (pool, 7), ==, 7);
  join (pool);
  g_assert_cmpuint (helper_run_echo (pool, 8), ==, 8);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  g_assert_false (aiopool_pool_get_is_broken (AIOPOOL_POOL (pool)));
}

static AiopoolTask *
task_with_large_keywords (void)
{
  gsize size = 3 * 1024 * 1024;
  g_autofree guint8 *zeros = g_malloc0 (size);
  AiopoolTask *task = helper_task ("echo", NULL);
  GVariantDict keywords;

  g_variant_dict_init (&keywords, NULL);
  g_variant_dict_insert_value (&keywords, "zeros",
                               g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, zeros, size, 1));
  aiopool_task_set_keywords (task, g_variant_dict_end (&keywords));
  return task;
}

/* Keywords go through the stream, which has no room for so many at once. */
static void
test_a_hook_with_large_keywords (void)
{
  g_autoptr (AiopoolTask) hook = task_with_large_keywords ();
  g_autoptr (AiopoolExecutor) pool = new_pool (1, "initializer", hook, "finalizer", hook, NULL);

  g_assert_cmpuint (helper_run_echo (pool, 7), ==, 7);
  join (pool);
  g_assert_true (aiopool_executor_check (pool, NULL));
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* The finalizer is written behind the rest of a task that was taken back half written. */
static void
test_a_finalizer_behind_half_a_task (void)
{
  g_autoptr (AiopoolTask) finalizer = helper_task ("echo", NULL);
  g_autoptr (AiopoolExecutor) pool = new_pool (1, "finalizer", finalizer, NULL);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (AiopoolFuture) large = NULL;
  g_autoptr (AiopoolFuture) joined = NULL;

  helper_gate_occupy (gate, pool);
  large = helper_submit_task (pool, task_with_large_keywords ());
  g_assert_true (aiopool_future_cancel (large, AIOPOOL_CANCEL_PENDING));
  joined = AIOPOOL_EXECUTOR_GET_CLASS (pool)->begin_join (pool);
  helper_gate_open (gate);
  helper_wait (joined);
  g_assert_true (aiopool_executor_check (pool, NULL));
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

typedef struct
{
  const char *function;
  const char *format;
  int         number;
  const char *text;
} BadHook;

static const BadHook bad_hooks[] = {
  { "no-such-function", NULL, 0, "no-such-function" },
  { "leave", "(i)", 0, "exit status 0" },
  { "leave", "(i)", 3, "exit status 3" },
};

static AiopoolTask *
bad_task (const BadHook *bad)
{
  return bad->format != NULL ? helper_task (bad->function, bad->format, bad->number)
                             : helper_task (bad->function, NULL);
}

static void
expect_cancelled_tasks (AiopoolExecutor *pool,
                        guint            n)
{
  g_autoptr (GListModel) tasks = aiopool_pool_dup_cancelled_tasks (AIOPOOL_POOL (pool));

  g_assert_cmpuint (g_list_model_get_n_items (tasks), ==, n);
}

static void
test_an_initializer_that_fails_breaks_the_pool (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (bad_hooks); i++)
    {
      g_autoptr (AiopoolTask) initializer = bad_task (&bad_hooks[i]);
      g_autoptr (AiopoolExecutor) pool = new_pool (2, "initializer", initializer,
                                                   NULL);
      AiopoolFuture *futures[5];
      guint n_told = 0;

      for (n_told = 0; n_told < G_N_ELEMENTS (futures); n_told++)
        {
          g_autoptr (AiopoolTask) task = helper_task ("echo", NULL);

          futures[n_told] = aiopool_executor_submit (pool, task, NULL, NULL);
          if (futures[n_told] == NULL)
            break;
        }
      g_assert_cmpuint (n_told, >, 0);
      for (guint k = 0; k < n_told; k++)
        {
          helper_expect_error (futures[k], AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_INITIALIZER);
          helper_expect_message (futures[k], bad_hooks[i].text);
          g_object_unref (futures[k]);
        }
      expect_broken (pool, AIOPOOL_POOL_ERROR_INITIALIZER);
      expect_cancelled_tasks (pool, n_told);
      helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
      expect_check (pool, AIOPOOL_POOL_ERROR_CLOSED);
      g_assert_true (aiopool_pool_get_is_broken (AIOPOOL_POOL (pool)));
    }
}

/* It is killed when the start timeout is over; a close does not wait for it. */
static void
test_an_initializer_that_hangs (void)
{
  g_autoptr (AiopoolTask) initializer = helper_task ("nap", "(d)", 600.0);
  g_autoptr (AiopoolExecutor) pool = new_pool (1, "initializer", initializer,
                                               "start-timeout", 0.2, NULL);
  g_autoptr (AiopoolExecutor) other = new_pool (1, "initializer", initializer,
                                                "grace-period", 0.05, NULL);
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "echo", NULL);
  g_autoptr (AiopoolFuture) waiting = helper_submit (other, "echo", NULL);

  helper_expect_error (future, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_INITIALIZER);
  helper_expect_message (future, "was not ready within 0.2");
  expect_broken (pool, AIOPOOL_POOL_ERROR_INITIALIZER);
  helper_shutdown (other, AIOPOOL_SHUTDOWN_CANCEL_PENDING);
  helper_expect_cancelled (waiting);
  expect_cancelled_tasks (other, 1);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* Killed by somebody, as when memory runs out: it is tried again, and not for ever. */
static void
test_an_initializer_that_is_killed_spends_the_budget (void)
{
  g_autofree char *path = helper_marks_new ();
  g_autoptr (AiopoolTask) initializer = helper_task ("mark", "(sui)", path, 0u, SIGKILL);
  g_autoptr (AiopoolExecutor) pool = new_pool (1, "initializer", initializer,
                                               "restart-budget", 4, NULL);
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "echo", NULL);
  g_autofree guint *counts = NULL;

  helper_expect_error (future, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_BROKEN);
  expect_broken (pool, AIOPOOL_POOL_ERROR_BROKEN);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  counts = helper_marks_count (path, 1);
  g_assert_cmpuint (counts[0], ==, 4);
}

static void
test_a_finalizer_that_fails_breaks_the_pool (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (bad_hooks); i++)
    {
      g_autoptr (AiopoolTask) finalizer = bad_task (&bad_hooks[i]);
      g_autoptr (AiopoolExecutor) pool = new_pool (1, "finalizer", finalizer,
                                                   NULL);

      g_assert_cmpuint (helper_run_echo (pool, i), ==, i);
      join (pool);
      expect_broken (pool, AIOPOOL_POOL_ERROR_FINALIZER);
      helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
    }
}

/* It has the grace period. */
static void
test_a_finalizer_that_hangs (void)
{
  g_autoptr (AiopoolTask) finalizer = helper_task ("nap", "(d)", 600.0);
  g_autoptr (AiopoolExecutor) pool = new_pool (1, "finalizer", finalizer,
                                               "grace-period", 0.05, NULL);

  g_assert_cmpuint (helper_run_echo (pool, 1), ==, 1);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  g_assert_true (aiopool_pool_get_is_broken (AIOPOOL_POOL (pool)));
}

/* A worker that is killed before its finalizer begins is not the finalizer's fault. */
static void
test_a_finalizer_that_never_began (void)
{
  g_autoptr (AiopoolTask) finalizer = helper_task ("echo", NULL);
  g_autoptr (AiopoolExecutor) pool = new_pool (1, "finalizer", finalizer, NULL);
  g_autoptr (AiopoolFuture) joined = NULL;
  int pid = helper_run_pid (pool);
  siginfo_t info;

  await_idle (pool, 1);
  kill (pid, SIGSTOP);
  g_assert_cmpint (waitid (P_PID, (id_t) pid, &info, WSTOPPED), ==, 0);
  joined = AIOPOOL_EXECUTOR_GET_CLASS (pool)->begin_join (pool);
  kill (pid, SIGKILL);
  helper_wait (joined);
  g_assert_cmpint (aiopool_future_get_state (joined), ==, AIOPOOL_FUTURE_DONE);
  g_assert_true (aiopool_executor_check (pool, NULL));
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* Workers that have ended their last task, and are busy with the finalizer, do not pile up. */
static void
test_slow_finalizers_do_not_pile_up (void)
{
  g_autoptr (AiopoolTask) finalizer = helper_task ("nap", "(d)", 0.2);
  g_autoptr (AiopoolExecutor) pool = new_pool (2, "finalizer", finalizer,
                                               "max-tasks-per-worker", 1, NULL);
  g_autoptr (GPtrArray) futures = g_ptr_array_new_with_free_func (g_object_unref);

  for (guint i = 0; i < 12; i++)
    g_ptr_array_add (futures, helper_submit (pool, "echo", NULL));
  for (guint i = 0; i < futures->len; i++)
    {
      g_variant_unref (helper_collect (g_ptr_array_index (futures, i)));
      g_assert_cmpuint (aiopool_pool_get_n_workers (AIOPOOL_POOL (pool)), <=, 4);
    }
  join (pool);
  g_assert_true (aiopool_executor_check (pool, NULL));
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* What runs goes on to its end when the pool breaks. */
static void
test_what_runs_goes_on_when_the_pool_breaks (void)
{
  g_autofree char *flag = helper_file ("flag");
  g_autoptr (AiopoolTask) initializer = helper_task ("fail-if-there", "(s)", flag);
  g_autoptr (AiopoolExecutor) pool = new_pool (2, "initializer", initializer,
                                               NULL);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (AiopoolFuture) running = helper_gate_submit (gate, pool, "deaf");
  g_autoptr (AiopoolFuture) waiting = NULL;

  helper_gate_await (gate, 1);
  g_assert_true (g_file_set_contents (flag, "", 0, NULL));
  waiting = helper_submit (pool, "echo", NULL);
  helper_expect_error (waiting, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_INITIALIZER);
  g_assert_false (aiopool_future_is_done (running));
  helper_gate_open (gate);
  g_variant_unref (helper_collect (running));
  expect_broken (pool, AIOPOOL_POOL_ERROR_INITIALIZER);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
count_notify (GObject    *object,
              GParamSpec *pspec,
              gpointer    user_data)
{
  ++*(int *) user_data;
}

static void
test_is_broken_is_notified_at_home (void)
{
  g_autoptr (AiopoolTask) initializer = helper_task ("leave", "(i)", 1);
  g_autoptr (AiopoolExecutor) pool = new_pool (1, "initializer", initializer,
                                               NULL);
  g_autoptr (AiopoolFuture) future = NULL;
  int n_notified = 0;

  g_signal_connect (pool, "notify::is-broken", G_CALLBACK (count_notify), &n_notified);
  future = helper_submit (pool, "echo", NULL);
  helper_wait (future);
  g_assert_cmpint (n_notified, ==, 0);
  helper_await_count (&n_notified, 1);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* --- ends of workers -------------------------------------------------------------------------- */

static void
test_a_death_breaks_a_fragile_pool (void)
{
  g_autoptr (AiopoolExecutor) pool = new_pool (2, "on-worker-death",
                                               AIOPOOL_DEATH_BREAK, NULL);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (AiopoolFuture) running = helper_gate_submit (gate, pool, "deaf");
  g_autoptr (AiopoolFuture) crashing = NULL;
  g_autoptr (AiopoolFuture) waiting = NULL;
  AiopoolTask *task = helper_gate_task (gate, "deaf");

  aiopool_task_set_retries (task, 3);
  crashing = helper_submit_task (pool, task);
  helper_gate_await (gate, 2);
  waiting = helper_submit (pool, "echo", NULL);
  kill (aiopool_future_get_worker_pid (crashing), SIGKILL);
  helper_expect_error (crashing, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_CRASHED);
  helper_expect_error (running, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_BROKEN);
  helper_expect_error (waiting, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_BROKEN);
  expect_broken (pool, AIOPOOL_POOL_ERROR_BROKEN);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* What the pool itself ends is no accident. */
static void
test_a_cancel_does_not_break_a_fragile_pool (void)
{
  g_autoptr (AiopoolExecutor) pool = new_pool (1, "on-worker-death",
                                               AIOPOOL_DEATH_BREAK, "grace-period", 0.05,
                                               "idle-timeout", 0.0, NULL);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (AiopoolFuture) running = helper_gate_submit (gate, pool, "deaf");

  helper_gate_await (gate, 1);
  g_assert_true (aiopool_future_cancel (running, AIOPOOL_CANCEL_FORCE));
  helper_expect_cancelled (running);
  for (guint i = 0; i < 3; i++)
    {
      g_assert_cmpuint (helper_run_echo (pool, i), ==, i);
      await_idle (pool, 0);
    }
  g_assert_true (aiopool_executor_check (pool, NULL));
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_poison_task_fails_for_good (void)
{
  g_autoptr (AiopoolExecutor) pool = new_pool (2, "max-deaths-per-task", 2,
                                               NULL);
  g_autofree char *path = helper_marks_new ();
  g_autofree guint *counts = NULL;
  AiopoolTask *task = helper_task ("mark", "(sui)", path, 0u, SIGSEGV);
  g_autoptr (AiopoolFuture) future = NULL;

  aiopool_task_set_retries (task, 1000);
  future = helper_submit_task (pool, task);
  helper_expect_error (future, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_CRASHED);
  helper_expect_message (future, "2 workers ended with it");
  g_assert_cmpuint (helper_run_echo (pool, 5), ==, 5);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  counts = helper_marks_count (path, 1);
  g_assert_cmpuint (counts[0], ==, 2);
}

/* Tasks that crash are the tasks' fault, however many in a row. */
static void
test_crashing_tasks_do_not_spend_the_budget (void)
{
  g_autoptr (AiopoolExecutor) pool = new_pool (2, "restart-budget", 3, NULL);

  for (guint i = 0; i < 12; i++)
    {
      g_autoptr (AiopoolFuture) future = helper_submit (pool, "crash", "(i)", SIGKILL);

      helper_expect_error (future, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_CRASHED);
    }
  g_assert_cmpuint (helper_run_echo (pool, 5), ==, 5);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_bad_starts_spend_the_budget (void)
{
  g_autoptr (AiopoolExecutor) pool =
    helper_argv_pool (1, helper_environment ("AIOPOOL_TEST_ODD_WORKER"), "exit", "3", NULL);

  aiopool_pool_set_restart_budget (AIOPOOL_POOL (pool), 3);
  for (guint i = 0; i < 2; i++)
    helper_run_expecting (pool, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_START_FAILED);
  helper_run_expecting (pool, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_BROKEN);
  expect_broken (pool, AIOPOOL_POOL_ERROR_BROKEN);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* --- join, check, test ------------------------------------------------------------------------ */

static void
test_join_finishes_all_and_the_pool_goes_on (void)
{
  g_autoptr (AiopoolExecutor) pool = new_pool (2, "min-workers", 1, NULL);

  join (pool);
  for (guint round = 0; round < 3; round++)
    {
      g_autoptr (GPtrArray) futures = g_ptr_array_new_with_free_func (g_object_unref);

      for (guint i = 0; i < 500; i++)
        g_ptr_array_add (futures, helper_submit (pool, "echo", "(u)", i));
      join (pool);
      for (guint i = 0; i < futures->len; i++)
        g_assert_true (aiopool_future_is_done (g_ptr_array_index (futures, i)));
      g_assert_true (aiopool_executor_check (pool, NULL));
    }
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  join (pool);
}

static gpointer
join_in_thread (gpointer pool)
{
  g_autoptr (GError) error = NULL;

  aiopool_executor_join (pool, NULL, &error);
  g_assert_no_error (error);
  return NULL;
}

static void
test_many_join_at_once (void)
{
  g_autoptr (AiopoolExecutor) pool = new_pool (1, NULL);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  GThread *threads[4];

  helper_gate_occupy (gate, pool);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("joiner", join_in_thread, pool);
  helper_gate_open (gate);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_join_that_is_cancelled_leaves_the_tasks_alone (void)
{
  g_autoptr (AiopoolExecutor) pool = new_pool (1, NULL);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (AiopoolFuture) running = helper_gate_submit (gate, pool, "deaf");
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;

  helper_gate_await (gate, 1);
  g_cancellable_cancel (cancellable);
  g_assert_false (aiopool_executor_join (pool, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_false (aiopool_future_is_done (running));
  helper_gate_open (gate);
  g_variant_unref (helper_collect (running));
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
on_joined (GObject      *object,
           GAsyncResult *result,
           gpointer      user_data)
{
  g_autoptr (GError) error = NULL;

  aiopool_executor_join_finish (AIOPOOL_EXECUTOR (object), result, &error);
  g_assert_no_error (error);
  ++*(int *) user_data;
}

static void
test_join_async (void)
{
  g_autoptr (AiopoolExecutor) pool = new_pool (1, NULL);
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "nap", "(d)", 0.01);
  int n_joined = 0;

  aiopool_executor_join_async (pool, NULL, on_joined, &n_joined);
  g_assert_cmpint (n_joined, ==, 0);
  helper_await_count (&n_joined, 1);
  g_assert_true (aiopool_future_is_done (future));
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* A pool dropped while somebody joins it: that one is told. */
static void
test_a_join_of_a_pool_that_is_dropped_ends (void)
{
  AiopoolExecutor *pool = new_pool (1, "grace-period", 0.05, NULL);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (AiopoolFuture) future = NULL;

  helper_gate_occupy (gate, pool);
  future = AIOPOOL_EXECUTOR_GET_CLASS (pool)->begin_join (pool);
  g_object_unref (pool);
  helper_wait (future);
  g_assert_cmpint (aiopool_future_get_state (future), !=, AIOPOOL_FUTURE_DONE);
}

/* And in the very moment in which the join is over. */
static void
test_a_pool_is_dropped_as_its_last_worker_goes (void)
{
  gint64 end = g_get_monotonic_time () + (gint64) (HELPER_LONG * G_USEC_PER_SEC);

  for (guint i = 0, n = helper_rounds (150); i < n; i++)
    {
      AiopoolExecutor *pool = new_pool (1, NULL);
      g_autoptr (AiopoolFuture) future = NULL;

      g_assert_cmpuint (helper_run_echo (pool, i), ==, i);
      future = AIOPOOL_EXECUTOR_GET_CLASS (pool)->begin_join (pool);
      while (aiopool_pool_get_n_workers (AIOPOOL_POOL (pool)) > 0)
        g_assert_cmpint (g_get_monotonic_time (), <, end);
      g_object_unref (pool);
      helper_wait (future);
    }
}

static void
test_test_tries_the_configuration (void)
{
  g_autofree char *path = helper_marks_new ();
  g_autoptr (AiopoolTask) initializer = helper_task ("mark", "(sui)", path, 0u, 0);
  g_autoptr (AiopoolTask) finalizer = helper_task ("mark", "(sui)", path, 1u, 0);
  g_autoptr (AiopoolExecutor) pool = new_pool (2, "initializer", initializer,
                                               "finalizer", finalizer, NULL);
  g_autofree guint *counts = NULL;
  g_autoptr (GError) error = NULL;

  aiopool_executor_test (pool, NULL, &error);
  g_assert_no_error (error);
  counts = helper_marks_count (path, 2);
  g_assert_cmpuint (counts[0], ==, 1);
  g_assert_cmpuint (counts[1], ==, 1);
  g_assert_cmpuint (aiopool_pool_get_n_workers (AIOPOOL_POOL (pool)), ==, 0);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  g_assert_false (aiopool_executor_test (pool, NULL, &error));
  g_assert_error (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_CLOSED);
}

static void
expect_test (AiopoolExecutor *pool,
             int              code)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (aiopool_executor_test (pool, NULL, &error));
  g_assert_error (error, AIOPOOL_POOL_ERROR, code);
  g_assert_true (aiopool_executor_check (pool, NULL));
}

/* And the pool itself is as good as before. */
static void
expect_info (AiopoolErrorInfo *info)
{
  g_assert_nonnull (info);
  g_assert_cmpstr (aiopool_error_info_get_type_name (info), ==, "ValueError");
  g_assert_cmpstr (aiopool_error_info_get_type_name (aiopool_error_info_get_cause (info)), ==,
                   "KeyError");
}

static void
test_what_an_initializer_raises_is_known (void)
{
  g_autoptr (AiopoolTask) initializer = helper_task ("fail-with-info", NULL);
  g_autoptr (AiopoolExecutor) pool = new_pool (1, "initializer", initializer, NULL);
  g_autoptr (AiopoolTask) task = helper_task ("echo", NULL);
  g_autoptr (AiopoolFuture) future = NULL;
  g_autoptr (AiopoolFuture) trial = NULL;
  g_autoptr (AiopoolErrorInfo) info = NULL;

  g_assert_null (aiopool_pool_dup_broken_info (AIOPOOL_POOL (pool)));
  trial = AIOPOOL_EXECUTOR_GET_CLASS (pool)->begin_test (pool);
  helper_wait (trial);
  expect_info (aiopool_future_get_error_info (trial));
  g_assert_null (aiopool_pool_dup_broken_info (AIOPOOL_POOL (pool)));
  future = aiopool_executor_submit (pool, task, NULL, NULL);
  helper_expect_error (future, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_INITIALIZER);
  expect_info (aiopool_future_get_error_info (future));
  info = aiopool_pool_dup_broken_info (AIOPOOL_POOL (pool));
  expect_info (info);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
on_info_dropped (gpointer  data,
                 GObject  *object)
{
  g_atomic_int_inc ((int *) data);
}

/* The engine may drop what the pool keeps of it, and must drop nothing that somebody has seen. */
static void
test_an_info_is_not_dropped_by_a_thread_of_ours (void)
{
  g_autoptr (AiopoolTask) initializer = helper_task ("fail-with-info", NULL);
  g_autoptr (AiopoolExecutor) pool = new_pool (1, "initializer", initializer, NULL);
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "echo", NULL);
  AiopoolErrorInfo *info, *cause;
  int n_dropped = 0;

  helper_expect_error (future, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_INITIALIZER);
  info = aiopool_pool_dup_broken_info (AIOPOOL_POOL (pool));
  cause = aiopool_error_info_get_cause (info);
  g_assert_true (info != aiopool_future_get_error_info (future));
  g_object_weak_ref (G_OBJECT (info), on_info_dropped, &n_dropped);
  g_object_weak_ref (G_OBJECT (cause), on_info_dropped, &n_dropped);
  g_object_unref (info);
  g_assert_cmpint (n_dropped, ==, 2);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_test_tells_what_is_wrong (void)
{
  g_autoptr (AiopoolTask) bad = bad_task (&bad_hooks[2]);
  g_autoptr (AiopoolExecutor) first = new_pool (1, "initializer", bad, NULL);
  g_autoptr (AiopoolExecutor) last = new_pool (1, "finalizer", bad, NULL);
  g_autoptr (AiopoolExecutor) odd = helper_argv_pool (1, "/nonexistent/worker", NULL);

  expect_test (first, AIOPOOL_POOL_ERROR_INITIALIZER);
  expect_test (last, AIOPOOL_POOL_ERROR_FINALIZER);
  expect_test (odd, AIOPOOL_POOL_ERROR_START_FAILED);
}

static void
on_tested (GObject      *object,
           GAsyncResult *result,
           gpointer      user_data)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (aiopool_executor_test_finish (AIOPOOL_EXECUTOR (object), result, &error));
  g_assert_error (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_INITIALIZER);
  ++*(int *) user_data;
}

static void
test_test_async (void)
{
  g_autoptr (AiopoolTask) bad = bad_task (&bad_hooks[0]);
  g_autoptr (AiopoolExecutor) pool = new_pool (1, "initializer", bad, NULL);
  int n_tested = 0;

  aiopool_executor_test_async (pool, NULL, on_tested, &n_tested);
  g_assert_cmpint (n_tested, ==, 0);
  helper_await_count (&n_tested, 1);
}

/* --- many of them ----------------------------------------------------------------------------- */

static gpointer
use_pools (gpointer data)
{
  g_autoptr (GMainContext) context = g_main_context_new ();

  g_main_context_push_thread_default (context);
  for (guint round = 0; round < 3; round++)
    {
      g_autoptr (AiopoolTask) hook = helper_task ("echo", NULL);
      g_autoptr (AiopoolExecutor) pool = new_pool (2, "initializer", hook,
                                                   "finalizer", hook, "max-tasks-per-worker", 5,
                                                   NULL);

      for (guint i = 0; i < 12; i++)
        g_assert_cmpuint (helper_run_echo (pool, i), ==, i);
      join (pool);
      helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
    }
  while (g_main_context_iteration (context, FALSE))
    ;
  g_main_context_pop_thread_default (context);
  return NULL;
}

static void
test_several_pools_in_several_threads (void)
{
  GThread *threads[4];

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("user", use_pools, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
}

int
main (int   argc,
      char *argv[])
{
  helper_begin (&argc, &argv);
  helper_add_data ("/pool/life/max-tasks-with-a-backlog/one", test_max_tasks_with_a_backlog,
                   GUINT_TO_POINTER (1));
  helper_add_data ("/pool/life/max-tasks-with-a-backlog/three", test_max_tasks_with_a_backlog,
                   GUINT_TO_POINTER (3));
  helper_add ("/pool/life/next-worker-starts-early",
              test_the_next_worker_starts_before_the_old_one_is_gone);
  helper_add ("/pool/life/next-worker-stays", test_the_next_worker_stays_while_tasks_wait);
  helper_add ("/pool/life/next-worker-not-one-too-many",
              test_the_next_worker_is_not_one_too_many);
  helper_add ("/pool/life/no-more-run-than-may", test_no_more_run_than_may);
  helper_add ("/pool/life/spawn-workers-is-clamped", test_spawn_workers_is_clamped);
  helper_add ("/pool/life/minimum-stays", test_the_minimum_stays);
  helper_add ("/pool/life/minimum-with-pauses", test_the_minimum_is_tried_for_with_pauses);
  helper_add ("/pool/life/hooks-once-per-worker", test_each_worker_runs_the_hooks_once);
  helper_add ("/pool/life/hook-with-a-large-argument", test_a_hook_with_a_large_argument);
  helper_add ("/pool/life/hook-with-large-keywords", test_a_hook_with_large_keywords);
  helper_add ("/pool/life/finalizer-behind-half-a-task", test_a_finalizer_behind_half_a_task);
  helper_add ("/pool/life/initializer-fails", test_an_initializer_that_fails_breaks_the_pool);
  helper_add ("/pool/life/initializer-raises", test_what_an_initializer_raises_is_known);
  helper_add ("/pool/life/an-info-is-not-dropped-by-a-thread-of-ours",
              test_an_info_is_not_dropped_by_a_thread_of_ours);
  helper_add ("/pool/life/initializer-hangs", test_an_initializer_that_hangs);
  helper_add ("/pool/life/initializer-is-killed",
              test_an_initializer_that_is_killed_spends_the_budget);
  helper_add ("/pool/life/finalizer-fails", test_a_finalizer_that_fails_breaks_the_pool);
  helper_add ("/pool/life/finalizer-hangs", test_a_finalizer_that_hangs);
  helper_add ("/pool/life/finalizer-never-began", test_a_finalizer_that_never_began);
  helper_add ("/pool/life/slow-finalizers", test_slow_finalizers_do_not_pile_up);
  helper_add ("/pool/life/what-runs-goes-on", test_what_runs_goes_on_when_the_pool_breaks);
  helper_add ("/pool/life/is-broken-is-notified", test_is_broken_is_notified_at_home);
  helper_add ("/pool/life/death-breaks-a-fragile-pool", test_a_death_breaks_a_fragile_pool);
  helper_add ("/pool/life/cancel-does-not-break", test_a_cancel_does_not_break_a_fragile_pool);
  helper_add ("/pool/life/poison", test_a_poison_task_fails_for_good);
  helper_add ("/pool/life/crashes-do-not-spend-the-budget",
              test_crashing_tasks_do_not_spend_the_budget);
  helper_add ("/pool/life/bad-starts-spend-the-budget", test_bad_starts_spend_the_budget);
  helper_add ("/pool/life/join", test_join_finishes_all_and_the_pool_goes_on);
  helper_add ("/pool/life/many-join", test_many_join_at_once);
  helper_add ("/pool/life/join-cancelled", test_a_join_that_is_cancelled_leaves_the_tasks_alone);
  helper_add ("/pool/life/join-async", test_join_async);
  helper_add ("/pool/life/join-of-a-dropped-pool", test_a_join_of_a_pool_that_is_dropped_ends);
  helper_add ("/pool/life/dropped-as-the-last-worker-goes",
              test_a_pool_is_dropped_as_its_last_worker_goes);
  helper_add ("/pool/life/test", test_test_tries_the_configuration);
  helper_add ("/pool/life/test-tells", test_test_tells_what_is_wrong);
  helper_add ("/pool/life/test-async", test_test_async);
  helper_add ("/pool/life/several-pools-in-threads", test_several_pools_in_several_threads);
  return helper_end ();
}
