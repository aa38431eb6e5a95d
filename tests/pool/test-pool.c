/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/pool/helper.h"

#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* The life of a pool: lazy start, counts, the list of workers, shutdown in all ways. */

static guint
n_workers (AiopoolExecutor *pool)
{
  return aiopool_pool_get_n_workers (AIOPOOL_POOL (pool));
}

static void
test_no_process_before_the_first_task (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (4);

  g_assert_cmpuint (n_workers (pool), ==, 0);
  helper_run_echo (pool, 1);
  g_assert_cmpuint (n_workers (pool), ==, 1);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  g_assert_cmpuint (n_workers (pool), ==, 0);
}

static void
test_an_unused_pool_shuts_down (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (4);

  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_TERMINATE);
}

static void
test_tasks_one_after_another_share_a_worker (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (4);
  int pid = helper_run_pid (pool);

  for (guint i = 0; i < 200; i++)
    g_assert_cmpint (helper_run_pid (pool), ==, pid);
  g_assert_cmpuint (n_workers (pool), ==, 1);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_worker_is_added_only_when_none_is_free (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (3);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (GPtrArray) futures = g_ptr_array_new_with_free_func (g_object_unref);

  helper_run_echo (pool, 1);
  for (guint i = 0; i < 3; i++)
    {
      g_ptr_array_add (futures, helper_gate_submit (gate, pool, "deaf"));
      helper_gate_await (gate, 1);
      g_assert_cmpuint (n_workers (pool), ==, i + 1);
    }
  for (guint i = 0; i < 5; i++)
    g_ptr_array_add (futures, helper_submit (pool, "echo", NULL));
  g_assert_cmpuint (n_workers (pool), ==, 3);
  helper_gate_open (gate);
  for (guint i = 0; i < futures->len; i++)
    helper_wait (g_ptr_array_index (futures, i));
  g_assert_cmpuint (n_workers (pool), ==, 3);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_tasks_in_parallel_run_in_all_workers (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (4);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (GPtrArray) futures = g_ptr_array_new_with_free_func (g_object_unref);

  for (guint i = 0; i < 4; i++)
    g_ptr_array_add (futures, helper_gate_submit (gate, pool, "deaf"));
  helper_gate_await (gate, 4);
  g_assert_cmpuint (aiopool_executor_get_n_running (pool), ==, 4);
  helper_gate_open (gate);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_max_workers_is_by_default_one_for_each_processor (void)
{
  g_autoptr (AiopoolPool) zero = aiopool_pool_new (0);
  g_autoptr (AiopoolPool) plain = g_object_new (AIOPOOL_TYPE_POOL, NULL);
  g_autoptr (AiopoolPool) five = aiopool_pool_new (5);

  g_assert_cmpuint (aiopool_pool_get_max_workers (zero), ==, g_get_num_processors ());
  g_assert_cmpuint (aiopool_pool_get_max_workers (plain), ==, g_get_num_processors ());
  g_assert_cmpuint (aiopool_pool_get_max_workers (five), ==, 5);
}

static void
test_an_absurd_number_of_workers_is_refused (void)
{
  static const guint numbers[] = { 1025, 1000000, G_MAXUINT };

  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++)
    {
      g_autoptr (AiopoolPool) pool = aiopool_pool_new (numbers[i]);

      helper_run_expecting (AIOPOOL_EXECUTOR (pool), AIOPOOL_POOL_ERROR,
                            AIOPOOL_POOL_ERROR_START_FAILED);
      g_assert_cmpuint (aiopool_pool_get_n_workers (pool), ==, 0);
    }
}

static void
count_notified (GObject    *object,
                GParamSpec *pspec,
                gpointer    user_data)
{
  (*(guint *) user_data)++;
}

static void
test_properties_are_kept_and_notified (void)
{
  g_autoptr (AiopoolPool) pool = g_object_new (AIOPOOL_TYPE_POOL, "name", "a name", NULL);
  guint n_notified = 0;

  g_signal_connect (pool, "notify", G_CALLBACK (count_notified), &n_notified);
  g_assert_cmpstr (aiopool_pool_get_name (pool), ==, "a name");
  g_assert_cmpfloat (aiopool_pool_get_idle_timeout (pool), ==, 60);
  g_assert_cmpfloat (aiopool_pool_get_start_timeout (pool), ==, 30);
  g_assert_cmpfloat (aiopool_pool_get_grace_period (pool), ==, 2);
  g_assert_cmpuint (aiopool_pool_get_max_pending (pool), ==, 0);
  g_assert_cmpuint (aiopool_pool_get_tasks_per_worker (pool), ==, 1);
  g_assert_cmpuint (aiopool_pool_get_max_result_size (pool), ==, 1u << 30);
  aiopool_pool_set_idle_timeout (pool, 1.5);
  aiopool_pool_set_start_timeout (pool, 2.5);
  aiopool_pool_set_grace_period (pool, 3.5);
  aiopool_pool_set_max_pending (pool, 4);
  aiopool_pool_set_max_pending (pool, 4);
  g_assert_cmpuint (n_notified, ==, 4);
  g_assert_cmpfloat (aiopool_pool_get_idle_timeout (pool), ==, 1.5);
  g_assert_cmpfloat (aiopool_pool_get_start_timeout (pool), ==, 2.5);
  g_assert_cmpfloat (aiopool_pool_get_grace_period (pool), ==, 3.5);
  g_assert_cmpuint (aiopool_pool_get_max_pending (pool), ==, 4);
  aiopool_pool_set_idle_timeout (pool, -3);
  g_assert_cmpfloat (aiopool_pool_get_idle_timeout (pool), <, 0);
}

static void
test_absurd_times_do_no_harm (void)
{
  static const double times[] = { 0, 1e-9, 1e15, G_MAXDOUBLE, INFINITY };

  for (guint i = 0; i < G_N_ELEMENTS (times); i++)
    {
      g_autoptr (AiopoolPool) pool = aiopool_pool_new (1);

      aiopool_pool_set_idle_timeout (pool, times[i]);
      aiopool_pool_set_grace_period (pool, times[i]);
      if (times[i] != 1e-9)
        aiopool_pool_set_start_timeout (pool, times[i]);
      g_assert_cmpuint (helper_run_echo (AIOPOOL_EXECUTOR (pool), i), ==, i);
      helper_shutdown (AIOPOOL_EXECUTOR (pool), AIOPOOL_SHUTDOWN_DRAIN);
    }
}

static void
test_counts_tell_what_waits_and_runs (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (2);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (GPtrArray) futures = g_ptr_array_new_with_free_func (g_object_unref);
  guint n_pending, n_running, n_busy, n_idle;

  for (guint i = 0; i < 7; i++)
    g_ptr_array_add (futures, helper_gate_submit (gate, pool, "deaf"));
  helper_gate_await (gate, 2);
  g_object_get (pool, "n-pending", &n_pending, "n-running", &n_running, "n-busy", &n_busy,
                "n-idle", &n_idle, NULL);
  g_assert_cmpuint (n_running, ==, 2);
  g_assert_cmpuint (n_pending, ==, 5);
  g_assert_cmpuint (n_busy, ==, 2);
  g_assert_cmpuint (n_idle, ==, 0);
  helper_gate_open (gate);
  for (guint i = 0; i < futures->len; i++)
    helper_wait (g_ptr_array_index (futures, i));
  g_assert_cmpuint (aiopool_executor_get_n_pending (pool), ==, 0);
  g_assert_cmpuint (aiopool_executor_get_n_running (pool), ==, 0);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
iterate_until_n (AiopoolExecutor *pool,
                 guint            n)
{
  GListModel *workers = aiopool_pool_get_workers (AIOPOOL_POOL (pool));

  while (g_list_model_get_n_items (workers) != n)
    g_main_context_iteration (NULL, TRUE);
}

static void
test_idle_workers_go_after_the_idle_timeout (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (3);
  int pid;

  aiopool_pool_set_idle_timeout (AIOPOOL_POOL (pool), 0.05);
  pid = helper_run_pid (pool);
  helper_await_end (pid);
  while (n_workers (pool) > 0)
    g_usleep (1000);
  iterate_until_n (pool, 0);
  g_assert_cmpint (helper_run_pid (pool), !=, pid);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_new_idle_timeout_holds_for_those_that_are_idle (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  int pid = helper_run_pid (pool);

  g_assert_true (helper_is_alive (pid));
  aiopool_pool_set_idle_timeout (AIOPOOL_POOL (pool), 0.01);
  helper_await_end (pid);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_an_idle_timeout_races_with_submits (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (2);

  aiopool_pool_set_idle_timeout (AIOPOOL_POOL (pool), 0);
  for (guint i = 0; i < 300; i++)
    {
      g_assert_cmpuint (helper_run_echo (pool, i), ==, i);
      if (i % 3 == 0)
        g_usleep (i * 5);
    }
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
note_items (GListModel *model,
            guint       position,
            guint       removed,
            guint       added,
            gpointer    user_data)
{
  GThread **thread = user_data;

  g_assert_true (*thread == g_thread_self ());
}

static void
test_workers_are_a_list_of_what_there_is (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (2);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  GListModel *workers = aiopool_pool_get_workers (AIOPOOL_POOL (pool));
  g_autoptr (AiopoolFuture) first = NULL;
  g_autoptr (AiopoolFuture) second = NULL;
  g_autoptr (AiopoolWorker) worker = NULL;
  GThread *thread = g_thread_self ();

  g_signal_connect (workers, "items-changed", G_CALLBACK (note_items), &thread);
  g_assert_true (g_list_model_get_item_type (workers) == AIOPOOL_TYPE_WORKER);
  g_assert_cmpuint (g_list_model_get_n_items (workers), ==, 0);
  first = helper_gate_submit (gate, pool, "deaf");
  second = helper_gate_submit (gate, pool, "deaf");
  helper_gate_await (gate, 2);
  iterate_until_n (pool, 2);
  worker = g_list_model_get_item (workers, 0);
  g_assert_cmpint (aiopool_worker_get_state (worker), ==, AIOPOOL_WORKER_BUSY);
  g_assert_cmpuint (aiopool_worker_get_id (worker), ==, 1);
  g_assert_true (helper_is_alive (aiopool_worker_get_pid (worker)));
  g_assert_cmpuint (aiopool_worker_get_n_tasks_done (worker), ==, 0);
  helper_gate_open (gate);
  helper_wait (first);
  helper_wait (second);
  g_assert_cmpuint (aiopool_worker_get_n_tasks_done (worker), ==, 1);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  iterate_until_n (pool, 0);
  g_assert_cmpint (aiopool_worker_get_state (worker), ==, AIOPOOL_WORKER_DEAD);
}

/* No main context is iterated here. */
static gpointer
list_elsewhere (gpointer pool)
{
  return aiopool_pool_dup_workers (pool);
}

static void
test_workers_are_listed_in_any_thread (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (2);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (AiopoolFuture) future = helper_gate_submit (gate, pool, "deaf");
  g_autoptr (GListModel) workers = g_thread_join (g_thread_new ("list", list_elsewhere, pool));
  g_autoptr (GListModel) left = NULL;
  g_autoptr (AiopoolWorker) worker = g_list_model_get_item (workers, 0);
  int code = 7;

  g_assert_cmpuint (g_list_model_get_n_items (workers), ==, 1);
  g_assert_true (helper_is_alive (aiopool_worker_get_pid (worker)));
  g_assert_false (aiopool_worker_get_exit_code (worker, &code));
  g_assert_cmpint (code, ==, 0);
  helper_gate_await (gate, 1);
  g_assert_cmpint (kill (aiopool_worker_get_pid (worker), SIGKILL), ==, 0);
  helper_wait (future);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  g_assert_true (aiopool_worker_get_exit_code (worker, &code));
  g_assert_cmpint (code, ==, -SIGKILL);
  g_assert_cmpint (aiopool_worker_get_state (worker), ==, AIOPOOL_WORKER_DEAD);
  left = aiopool_pool_dup_workers (AIOPOOL_POOL (pool));
  g_assert_cmpuint (g_list_model_get_n_items (left), ==, 0);
}

static void
test_the_list_does_not_keep_the_pool (void)
{
  AiopoolExecutor *pool = helper_pool (1);
  GListModel *workers = g_object_ref (aiopool_pool_get_workers (AIOPOOL_POOL (pool)));

  helper_run_echo (pool, 1);
  g_object_add_weak_pointer (G_OBJECT (pool), (gpointer *) &pool);
  g_object_unref (pool);
  g_assert_null (pool);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_object_unref (workers);
}

static void
test_drain_finishes_everything (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (2);
  HelperTally tally = { 0 };

  for (guint i = 0; i < 2000; i++)
    {
      g_autoptr (AiopoolFuture) future = helper_submit (pool, "echo", "(u)", i);

      helper_watch (future, &tally);
    }
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  helper_await_tally (&tally);
  g_assert_cmpuint (tally.n_done, ==, 2000);
}

static void
test_drain_finishes_what_no_worker_has_yet (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (2);
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "echo", NULL);

  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  g_assert_cmpint (aiopool_future_get_state (future), ==, AIOPOOL_FUTURE_DONE);
}

typedef struct
{
  AiopoolExecutor     *pool;
  AiopoolShutdownFlags flags;
} Shutdown;

static gpointer
shut_down_in_thread (gpointer data)
{
  Shutdown *shutdown = data;

  helper_shutdown (shutdown->pool, shutdown->flags);
  return NULL;
}

static void
test_cancel_pending_finishes_what_runs (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (AiopoolFuture) running = helper_gate_submit (gate, pool, "obey");
  g_autoptr (AiopoolFuture) sent = helper_submit (pool, "echo", NULL);
  g_autoptr (AiopoolFuture) queued = helper_submit (pool, "echo", NULL);
  Shutdown shutdown = { pool, AIOPOOL_SHUTDOWN_CANCEL_PENDING };
  g_autoptr (GVariant) result = NULL;
  GThread *thread;

  helper_gate_await (gate, 1);
  thread = g_thread_new ("shutdown", shut_down_in_thread, &shutdown);
  helper_expect_cancelled (sent);
  helper_expect_cancelled (queued);
  g_assert_false (aiopool_future_is_done (running));
  helper_gate_open (gate);
  result = helper_collect (running);
  g_assert_cmpstr (g_variant_get_string (result, NULL), ==, "open");
  g_thread_join (thread);
}

static void
terminate (const char *mode)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (AiopoolFuture) running = helper_gate_submit (gate, pool, mode);
  g_autoptr (AiopoolFuture) waiting = helper_submit (pool, "echo", NULL);
  int pid;

  helper_gate_await (gate, 1);
  pid = aiopool_future_get_worker_pid (running);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_TERMINATE);
  helper_expect_cancelled (running);
  helper_expect_cancelled (waiting);
  g_assert_cmpfloat (aiopool_future_get_started_at (running), >, 0);
  g_assert_cmpint (aiopool_future_get_worker_pid (running), ==, pid);
  g_assert_false (helper_is_alive (pid));
}

static void
test_terminate_ends_what_runs (void)
{
  terminate ("obey");
  terminate ("deaf");
  terminate ("stubborn");
}

static void
test_a_harder_shutdown_overtakes_a_softer_one (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (AiopoolFuture) running = helper_gate_submit (gate, pool, "deaf");
  Shutdown shutdown = { pool, AIOPOOL_SHUTDOWN_DRAIN };
  GThread *thread;

  helper_gate_await (gate, 1);
  thread = g_thread_new ("shutdown", shut_down_in_thread, &shutdown);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_TERMINATE);
  g_thread_join (thread);
  helper_expect_cancelled (running);
}

static void
test_a_cancelled_wait_leaves_the_shutdown_alone (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (AiopoolFuture) running = helper_gate_submit (gate, pool, "deaf");
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;

  g_cancellable_cancel (cancellable);
  g_assert_false (aiopool_executor_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  helper_run_expecting (pool, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_CLOSED);
  helper_gate_open (gate);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  g_variant_unref (helper_collect (running));
}

static void
keep_result (GObject      *object,
             GAsyncResult *result,
             gpointer      user_data)
{
  GAsyncResult **kept = user_data;

  g_assert_null (*kept);
  *kept = g_object_ref (result);
}

static void
test_shutdown_async_calls_back_after_the_end (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (2);
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "echo", NULL);

  for (guint i = 0; i < 3; i++)
    {
      g_autoptr (GAsyncResult) result = NULL;
      g_autoptr (GError) error = NULL;

      aiopool_executor_shutdown_async (pool, AIOPOOL_SHUTDOWN_DRAIN, NULL, keep_result, &result);
      g_assert_null (result);
      while (result == NULL)
        g_main_context_iteration (NULL, TRUE);
      g_assert_true (aiopool_executor_shutdown_finish (pool, result, &error));
      g_assert_no_error (error);
      g_assert_true (aiopool_future_is_done (future));
      g_assert_cmpuint (n_workers (pool), ==, 0);
    }
}

static void
shut_down_in_callback (AiopoolFuture *future,
                       gpointer       user_data)
{
  helper_shutdown (user_data, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_callback_may_shut_down_blocking (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (2);
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "echo", NULL);
  HelperTally tally = { 0 };

  for (guint i = 0; i < 100; i++)
    {
      g_autoptr (AiopoolFuture) other = helper_submit (pool, "echo", NULL);

      helper_watch (other, &tally);
    }
  aiopool_future_add_done_callback (future, shut_down_in_callback, pool, NULL);
  helper_watch (future, &tally);
  helper_await_tally (&tally);
  g_assert_cmpuint (tally.n_done, ==, 101);
}

static void
test_a_closed_pool_takes_no_task (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (AiopoolTask) task = helper_task ("echo", NULL);
  g_autoptr (GAsyncResult) submitted = NULL;
  g_autoptr (GAsyncResult) run = NULL;
  g_autoptr (GError) error = NULL;

  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  g_assert_null (aiopool_executor_submit (pool, task, NULL, &error));
  g_assert_error (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_CLOSED);
  g_clear_error (&error);
  helper_run_expecting (pool, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_CLOSED);
  aiopool_executor_submit_async (pool, task, NULL, keep_result, &submitted);
  aiopool_executor_run_async (pool, task, NULL, keep_result, &run);
  while (submitted == NULL || run == NULL)
    g_main_context_iteration (NULL, TRUE);
  g_assert_null (aiopool_executor_submit_finish (pool, submitted, &error));
  g_assert_error (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_CLOSED);
  g_clear_error (&error);
  g_assert_null (aiopool_executor_run_finish (pool, run, &error));
  g_assert_error (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_CLOSED);
}

static void
test_dropping_the_pool_cancels_what_has_not_ended (void)
{
  AiopoolExecutor *pool = helper_pool (1);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (AiopoolFuture) running = helper_gate_submit (gate, pool, "deaf");
  g_autoptr (AiopoolFuture) waiting = helper_submit (pool, "echo", NULL);

  helper_gate_await (gate, 1);
  g_object_unref (pool);
  helper_expect_cancelled (running);
  helper_expect_cancelled (waiting);
}

static void
test_many_pools_are_made_used_and_dropped (void)
{
  for (guint i = 0; i < 60; i++)
    {
      g_autoptr (AiopoolExecutor) pool = helper_pool (2);

      if (i % 4 != 0)
        g_object_unref (helper_submit (pool, "echo", NULL));
      if (i % 4 == 1)
        helper_run_echo (pool, i);
      if (i % 4 == 2)
        helper_shutdown (pool, AIOPOOL_SHUTDOWN_CANCEL_PENDING);
    }
}

static gpointer
make_tasks (gpointer data)
{
  while (!g_atomic_int_get ((int *) data))
    {
      g_autoptr (AiopoolTask) task = aiopool_task_new ("a name of its own", NULL);

      g_assert_cmpstr (aiopool_task_get_function (task), ==, "a name of its own");
    }
  return NULL;
}

/* The last task and the last pool with a function of that name may go while a thread makes another
 * task. */
static void
test_pools_go_while_other_threads_make_tasks (void)
{
  int is_over = FALSE;
  GThread *thread = g_thread_new ("maker", make_tasks, &is_over);

  for (guint i = 0; i < 60; i++)
    {
      g_autoptr (AiopoolExecutor) pool = helper_pool (1);

      g_object_unref (helper_submit (pool, "a name of its own", NULL));
    }
  g_atomic_int_set (&is_over, TRUE);
  g_thread_join (thread);
}

typedef struct
{
  AiopoolExecutor *pool;
  GPtrArray       *futures; /* (owned) */
} Submitter;

static gpointer
submit_until_closed (gpointer data)
{
  Submitter *self = data;
  g_autoptr (AiopoolTask) task = helper_task ("echo", "(u)", 1);

  for (;;)
    {
      g_autoptr (GError) error = NULL;
      AiopoolFuture *future = aiopool_executor_submit (self->pool, task, NULL, &error);

      if (future == NULL)
        {
          g_assert_error (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_CLOSED);
          return NULL;
        }
      g_ptr_array_add (self->futures, future);
    }
}

static void
race_shutdown (AiopoolShutdownFlags flags,
               guint                pause)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (2);
  Submitter submitters[3];
  GThread *threads[G_N_ELEMENTS (submitters)];
  HelperTally tally = { 0 };

  for (guint i = 0; i < G_N_ELEMENTS (submitters); i++)
    {
      submitters[i] = (Submitter) { .pool = pool };
      submitters[i].futures = g_ptr_array_new_with_free_func (g_object_unref);
      threads[i] = g_thread_new ("submitter", submit_until_closed, &submitters[i]);
    }
  g_usleep (pause);
  helper_shutdown (pool, flags);
  for (guint i = 0; i < G_N_ELEMENTS (submitters); i++)
    {
      g_thread_join (threads[i]);
      for (guint j = 0; j < submitters[i].futures->len; j++)
        {
          AiopoolFuture *future = g_ptr_array_index (submitters[i].futures, j);

          g_assert_true (aiopool_future_is_done (future));
          helper_watch (future, &tally);
        }
    }
  helper_await_tally (&tally);
  g_assert_cmpuint (tally.n_failed, ==, 0);
  if (flags == AIOPOOL_SHUTDOWN_DRAIN)
    g_assert_cmpuint (tally.n_cancelled, ==, 0);
  for (guint i = 0; i < G_N_ELEMENTS (submitters); i++)
    g_ptr_array_unref (submitters[i].futures);
}

static void
test_shutdown_races_with_submits_from_several_threads (void)
{
  static const AiopoolShutdownFlags flags[] = {
    AIOPOOL_SHUTDOWN_DRAIN, AIOPOOL_SHUTDOWN_CANCEL_PENDING, AIOPOOL_SHUTDOWN_TERMINATE
  };

  for (guint i = 0; i < 36; i++)
    race_shutdown (flags[i % 3], i % 12 * 300);
}

static void
test_the_default_pool_is_one_and_works (void)
{
  if (g_test_subprocess ())
    {
      AiopoolPool *pool = aiopool_pool_get_default ();

      g_assert_true (pool == aiopool_pool_get_default ());
      g_assert_cmpstr (aiopool_pool_get_name (pool), ==, "default");
      g_assert_cmpuint (aiopool_pool_get_max_workers (pool), ==, g_get_num_processors ());
      g_assert_cmpuint (helper_run_echo (AIOPOOL_EXECUTOR (pool), 3), ==, 3);
      _exit (0);
    }
  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
  g_test_trap_assert_passed ();
}

static int
submit_in_fork (AiopoolExecutor *pool)
{
  g_autoptr (AiopoolTask) task = helper_task ("echo", NULL);
  g_autoptr (GError) error = NULL;

  if (aiopool_executor_submit (pool, task, NULL, &error) != NULL ||
      !g_error_matches (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_FORKED))
    return 1;
  g_clear_error (&error);
  if (aiopool_executor_shutdown (pool, AIOPOOL_SHUTDOWN_TERMINATE, NULL, &error) ||
      !g_error_matches (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_FORKED))
    return 2;
  g_object_unref (pool);
  return 0;
}

static void
test_a_fork_is_refused_and_leaves_the_pool_alone (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  int worker = helper_run_pid (pool);
  int status;
  pid_t pid = fork ();

  if (pid == 0)
    helper_end_fork (submit_in_fork (pool));
  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  g_assert_true (WIFEXITED (status));
  g_assert_cmpint (WEXITSTATUS (status), ==, 0);
  g_assert_cmpint (helper_run_pid (pool), ==, worker);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

int
main (int   argc,
      char *argv[])
{
  helper_begin (&argc, &argv);
  helper_add ("/pool/pool/no-process-before-the-first-task",
              test_no_process_before_the_first_task);
  helper_add ("/pool/pool/an-unused-one-shuts-down", test_an_unused_pool_shuts_down);
  helper_add ("/pool/pool/tasks-in-turn-share-a-worker",
              test_tasks_one_after_another_share_a_worker);
  helper_add ("/pool/pool/a-worker-only-when-none-is-free",
              test_a_worker_is_added_only_when_none_is_free);
  helper_add ("/pool/pool/tasks-in-parallel-run-in-all-workers",
              test_tasks_in_parallel_run_in_all_workers);
  helper_add ("/pool/pool/max-workers-is-the-processors",
              test_max_workers_is_by_default_one_for_each_processor);
  helper_add ("/pool/pool/an-absurd-number-is-refused",
              test_an_absurd_number_of_workers_is_refused);
  helper_add ("/pool/pool/properties-are-kept-and-notified",
              test_properties_are_kept_and_notified);
  helper_add ("/pool/pool/absurd-times-do-no-harm", test_absurd_times_do_no_harm);
  helper_add ("/pool/pool/counts-tell-what-waits-and-runs", test_counts_tell_what_waits_and_runs);
  helper_add ("/pool/pool/idle-workers-go", test_idle_workers_go_after_the_idle_timeout);
  helper_add ("/pool/pool/a-new-idle-timeout-holds-for-idle-ones",
              test_a_new_idle_timeout_holds_for_those_that_are_idle);
  helper_add ("/pool/pool/idle-timeout-races-with-submits",
              test_an_idle_timeout_races_with_submits);
  helper_add ("/pool/pool/workers-are-a-list", test_workers_are_a_list_of_what_there_is);
  helper_add ("/pool/pool/workers-are-listed-in-any-thread",
              test_workers_are_listed_in_any_thread);
  helper_add ("/pool/pool/the-list-does-not-keep-the-pool", test_the_list_does_not_keep_the_pool);
  helper_add ("/pool/pool/drain-finishes-everything", test_drain_finishes_everything);
  helper_add ("/pool/pool/drain-finishes-what-no-worker-has",
              test_drain_finishes_what_no_worker_has_yet);
  helper_add ("/pool/pool/cancel-pending-finishes-what-runs",
              test_cancel_pending_finishes_what_runs);
  helper_add ("/pool/pool/terminate-ends-what-runs", test_terminate_ends_what_runs);
  helper_add ("/pool/pool/a-harder-shutdown-overtakes",
              test_a_harder_shutdown_overtakes_a_softer_one);
  helper_add ("/pool/pool/a-cancelled-wait-leaves-the-shutdown",
              test_a_cancelled_wait_leaves_the_shutdown_alone);
  helper_add ("/pool/pool/shutdown-async-calls-back-after-the-end",
              test_shutdown_async_calls_back_after_the_end);
  helper_add ("/pool/pool/a-callback-may-shut-down", test_a_callback_may_shut_down_blocking);
  helper_add ("/pool/pool/a-closed-one-takes-no-task", test_a_closed_pool_takes_no_task);
  helper_add ("/pool/pool/dropping-it-cancels", test_dropping_the_pool_cancels_what_has_not_ended);
  helper_add ("/pool/pool/many-are-made-and-dropped", test_many_pools_are_made_used_and_dropped);
  helper_add ("/pool/pool/go-while-threads-make-tasks",
              test_pools_go_while_other_threads_make_tasks);
  helper_add ("/pool/pool/shutdown-races-with-submits",
              test_shutdown_races_with_submits_from_several_threads);
  helper_add ("/pool/pool/the-default-one-works", test_the_default_pool_is_one_and_works);
  helper_add ("/pool/pool/a-fork-is-refused", test_a_fork_is_refused_and_leaves_the_pool_alone);
  return helper_end ();
}
