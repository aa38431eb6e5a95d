/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/faults/fault.h"

#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* Rows about the life of a pool: how it ends, what is left of it, what it costs while nothing
 * happens and when very much does. */

static void
on_shut_down (GObject      *object,
              GAsyncResult *result,
              gpointer      user_data)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (aiopool_executor_shutdown_finish (AIOPOOL_EXECUTOR (object), result, &error));
  g_assert_no_error (error);
  g_atomic_int_inc ((int *) user_data);
}

/* Row 57: nobody waits for it, and what runs and what waits is finished. */
static void
test_shutdown_without_waiting (void)
{
  g_autoptr (AiopoolExecutor) pool = fault_pool (1);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (AiopoolFuture) running = helper_gate_submit (gate, pool, "deaf");
  g_autoptr (GPtrArray) waiting = NULL;
  int n_ended = 0;

  helper_gate_await (gate, 1);
  waiting = fault_submit_many (pool, 200, "echo");
  aiopool_executor_shutdown_async (pool, AIOPOOL_SHUTDOWN_DRAIN, NULL, on_shut_down, &n_ended);
  g_assert_false (aiopool_future_is_done (running));
  helper_gate_open (gate);
  g_variant_unref (helper_collect (running));
  fault_expect_all (waiting, AIOPOOL_FUTURE_DONE);
  helper_await_count (&n_ended, 1);
}

/* Row 58: a task that is cancelled before anybody has it must not be waited for. */
static void
test_submit_cancel_shutdown (void)
{
  static const AiopoolShutdownFlags flags[] = {
    AIOPOOL_SHUTDOWN_DRAIN, AIOPOOL_SHUTDOWN_CANCEL_PENDING, AIOPOOL_SHUTDOWN_TERMINATE
  };

  for (guint i = 0; i < 60; i++)
    {
      g_autoptr (AiopoolExecutor) pool = fault_pool (1 + i % 2);
      g_autoptr (AiopoolFuture) future = NULL;

      if (i % 4 > 1)
        helper_run_echo (pool, i);
      future = helper_submit (pool, "echo", "(u)", i);
      aiopool_future_cancel (future, AIOPOOL_CANCEL_PENDING);
      helper_shutdown (pool, flags[i % 3]);
      g_assert_true (aiopool_future_is_done (future));
    }
}

/* Row 58: the cancel comes after the shutdown, and nothing else will ever come: the worker that the
 * task waits for never reports. */
static void
test_shutdown_then_cancel (void)
{
  g_autoptr (AiopoolExecutor) pool =
    helper_argv_pool (1, helper_environment ("AIOPOOL_TEST_ODD_WORKER"), "sleep", NULL);
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "echo", NULL);
  int n_ended = 0;

  aiopool_pool_set_start_timeout (AIOPOOL_POOL (pool), 1000);
  aiopool_pool_set_grace_period (AIOPOOL_POOL (pool), 0.1);
  while (aiopool_pool_get_n_workers (AIOPOOL_POOL (pool)) == 0)
    g_main_context_iteration (NULL, FALSE);
  aiopool_executor_shutdown_async (pool, AIOPOOL_SHUTDOWN_DRAIN, NULL, on_shut_down, &n_ended);
  g_assert_true (aiopool_future_cancel (future, AIOPOOL_CANCEL_PENDING));
  helper_await_count (&n_ended, 1);
  helper_expect_cancelled (future);
}

/* Row 58: against the finish, a thousand times in one pool. */
static void
test_cancel_races_then_shutdown (void)
{
  g_autoptr (AiopoolExecutor) pool = fault_pool (2);
  g_autoptr (GPtrArray) futures = g_ptr_array_new_with_free_func (g_object_unref);
  guint n_cancelled = 0;

  for (guint i = 0; i < 1000; i++)
    {
      AiopoolFuture *future = helper_submit (pool, "echo", "(u)", i);

      g_ptr_array_add (futures, future);
      for (volatile guint j = 0; j < i % 50 * 100; j++)
        ;
      n_cancelled += aiopool_future_cancel (future, AIOPOOL_CANCEL_PENDING);
    }
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  for (guint i = 0; i < futures->len; i++)
    {
      AiopoolFuture *future = g_ptr_array_index (futures, i);

      g_assert_true (aiopool_future_is_done (future));
      n_cancelled -= aiopool_future_get_state (future) == AIOPOOL_FUTURE_CANCELLED;
    }
  g_assert_cmpuint (n_cancelled, ==, 0);
}

/* One try: cancelled or done, told once; what was cancelled before its start has not run. */
static void
race_cancel (AiopoolExecutor  *pool,
             const char       *path,
             guint             number,
             AiopoolCancelMode mode,
             HelperTally      *tally)
{
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "mark", "(sui)", path, number, 0);
  guint n_spins = number % 30;

  helper_watch (future, tally);
  if (number % 3 == 0)
    {
      while (aiopool_future_get_state (future) == AIOPOOL_FUTURE_PENDING)
        ;
    }
  for (volatile guint j = 0; j < n_spins * 300; j++)
    ;
  aiopool_future_cancel (future, mode);
  helper_await_tally (tally);
  if (aiopool_future_get_state (future) == AIOPOOL_FUTURE_CANCELLED)
    g_assert_error (aiopool_future_get_error (future), G_IO_ERROR, G_IO_ERROR_CANCELLED);
  else
    g_assert_no_error (aiopool_future_get_error (future));
}

/* Row 59 */
static void
test_cancel_at_start_and_finish (void)
{
  static const guint n_tries[] = {
    [AIOPOOL_CANCEL_PENDING] = 300, [AIOPOOL_CANCEL_COOPERATIVE] = 300,
    [AIOPOOL_CANCEL_FORCE] = 100 /* each may cost a worker */
  };
  g_autoptr (AiopoolExecutor) pool = fault_pool (1);
  g_autofree char *path = fault_marks ();
  g_autofree guint *counts = NULL;
  HelperTally tallies[3] = { { 0 } };
  guint number = 0, n_run = 0;

  helper_run_echo (pool, 1);
  for (guint mode = 0; mode < 3; mode++)
    {
      for (guint i = 0; i < n_tries[mode]; i++)
        race_cancel (pool, path, number++, (AiopoolCancelMode) mode, &tallies[mode]);
      g_assert_cmpuint (tallies[mode].n_failed, ==, 0);
      if (mode == AIOPOOL_CANCEL_PENDING)
        {
          counts = helper_marks_count (path, number);
          for (guint i = 0; i < number; i++)
            n_run += counts[i];
          g_assert_cmpuint (n_run, ==, tallies[mode].n_done);
        }
    }
  fault_expect_good (pool);
}

typedef struct
{
  AiopoolExecutor *pool;
  int              n_left;
  int              n_ended;
} Chain;

static void
on_link (AiopoolFuture *future,
         gpointer       user_data)
{
  Chain *chain = user_data;
  g_autoptr (AiopoolFuture) next = NULL;

  g_assert_no_error (aiopool_future_get_error (future));
  if (chain->n_left-- == 0)
    {
      chain->n_ended++;
      return;
    }
  next = helper_submit (chain->pool, "echo", NULL);
  aiopool_future_add_done_callback (next, on_link, chain, NULL);
}

/* Row 60 */
static void
test_submit_in_a_callback (void)
{
  g_autoptr (AiopoolExecutor) pool = fault_pool (2);
  Chain chain = { pool, 300, 0 };
  g_autoptr (AiopoolFuture) first = helper_submit (pool, "echo", NULL);

  aiopool_future_add_done_callback (first, on_link, &chain, NULL);
  helper_await_count (&chain.n_ended, 1);
  fault_expect_good (pool);
}

static void
wait_in_callback (AiopoolFuture *future,
                  gpointer       user_data)
{
  Chain *chain = user_data;
  g_autoptr (AiopoolFuture) other = helper_submit (chain->pool, "echo", NULL);

  g_variant_unref (helper_collect (other));
  helper_run_echo (chain->pool, 3);
  chain->n_ended++;
}

/* Row 61: even with one worker, and for a task that waits behind others. */
static void
test_wait_in_a_callback (void)
{
  g_autoptr (AiopoolExecutor) pool = fault_pool (1);
  Chain chain = { pool, 0, 0 };

  for (guint i = 0; i < 50; i++)
    {
      g_autoptr (AiopoolFuture) future = helper_submit (pool, "echo", NULL);

      aiopool_future_add_done_callback (future, wait_in_callback, &chain, NULL);
    }
  helper_await_count (&chain.n_ended, 50);
  fault_expect_good (pool);
}

static void
shut_down_in_callback (AiopoolFuture *future,
                       gpointer       user_data)
{
  Chain *chain = user_data;

  aiopool_executor_shutdown_async (chain->pool, AIOPOOL_SHUTDOWN_DRAIN, NULL, on_shut_down,
                                   &chain->n_ended);
  g_assert_cmpint (chain->n_ended, ==, 0); /* never before that returned */
  if (chain->n_left == 1)
    helper_shutdown (chain->pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* Row 62: not waiting for it, and waiting. */
static void
test_shutdown_in_a_callback (void)
{
  for (int how = 0; how < 2; how++)
    {
      g_autoptr (AiopoolExecutor) pool = fault_pool (2);
      Chain chain = { pool, how, 0 };
      g_autoptr (AiopoolFuture) first = helper_submit (pool, "echo", NULL);
      g_autoptr (GPtrArray) others = fault_submit_many (pool, 100, "echo");

      aiopool_future_add_done_callback (first, shut_down_in_callback, &chain, NULL);
      helper_await_count (&chain.n_ended, 1);
      fault_expect_all (others, AIOPOOL_FUTURE_DONE);
    }
}

typedef struct
{
  guint bad_id;
  int   n_calls;
} Bad;

/* As near to an exception as C comes. */
static void
misbehave (AiopoolFuture *future,
           gpointer       user_data)
{
  Bad *bad = user_data;

  g_warning ("something went wrong in a callback");
  aiopool_future_remove_done_callback (future, bad->bad_id); /* itself: too late, and no harm */
  aiopool_future_cancel (future, AIOPOOL_CANCEL_FORCE);
  bad->n_calls++;
}

static void
behave (AiopoolFuture *future,
        gpointer       user_data)
{
  ((Bad *) user_data)->n_calls++;
}

/* Row 63: those after it are called all the same. */
static void
test_a_callback_fails (void)
{
  g_autoptr (AiopoolExecutor) pool = fault_pool (1);
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "nap", "(d)", 0.02);
  g_autoptr (AiopoolFuture) other = helper_submit (pool, "echo", NULL);
  Bad bad = { 0 };

  g_test_expect_message (NULL, G_LOG_LEVEL_WARNING, "*went wrong*");
  aiopool_future_add_done_callback (future, behave, &bad, NULL);
  bad.bad_id = aiopool_future_add_done_callback (future, misbehave, &bad, NULL);
  aiopool_future_add_done_callback (future, behave, &bad, NULL);
  aiopool_future_add_done_callback (other, behave, &bad, NULL);
  helper_await_count (&bad.n_calls, 4);
  g_test_assert_expected_messages ();
  g_assert_cmpint (aiopool_future_get_state (future), ==, AIOPOOL_FUTURE_DONE);
  fault_expect_good (pool);
}

static void
drop_in_callback (AiopoolFuture *future,
                  gpointer       user_data)
{
  g_clear_object ((AiopoolExecutor **) user_data);
}

static gpointer
drop_in_thread (gpointer data)
{
  g_object_unref (data);
  return NULL;
}

/* Row 64: what has not ended is cancelled, and its workers are killed. */
static void
test_last_reference (void)
{
  for (guint i = 0; i < 12; i++)
    {
      AiopoolExecutor *pool = fault_pool (3); /* one for each task */
      g_autoptr (HelperGate) gate = helper_gate_new ();
      g_autoptr (AiopoolFuture) running = helper_gate_submit (gate, pool, "deaf");
      g_autoptr (AiopoolFuture) waiting = NULL;
      g_autoptr (AiopoolFuture) first = NULL;

      if (i % 3 != 0)
        helper_gate_await (gate, 1);
      first = helper_submit (pool, "echo", NULL);
      waiting = helper_submit (pool, "nap", "(d)", 1000.0);
      if (i % 4 == 0)
        g_object_unref (pool);
      else if (i % 4 == 1)
        g_thread_join (g_thread_new ("drop", drop_in_thread, pool));
      else
        {
          aiopool_future_add_done_callback (first, drop_in_callback, &pool, NULL);
          while (pool != NULL)
            g_main_context_iteration (NULL, TRUE);
        }
      helper_expect_cancelled (running);
      helper_expect_cancelled (waiting);
      helper_wait (first);
    }
}

/* Row 66: no worker is started for it, either. */
static void
test_submit_after_shutdown (void)
{
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (AiopoolExecutor) pool = fault_pool (1);
      g_autoptr (AiopoolTask) task = helper_task ("echo", NULL);
      g_autoptr (GError) error = NULL;

      if (i == 1)
        helper_run_echo (pool, 1);
      helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
      g_assert_null (aiopool_executor_submit (pool, task, NULL, &error));
      g_assert_error (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_CLOSED);
      helper_run_expecting (pool, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_CLOSED);
      g_assert_cmpuint (aiopool_pool_get_n_workers (AIOPOOL_POOL (pool)), ==, 0);
    }
}

/* @n tasks wait, then run. Returns the processor time for all, in microseconds. @size: (out): of
 * one that waits. */
static gint64
pile_up (guint  n,
         gsize *size)
{
  g_autoptr (AiopoolExecutor) pool = fault_pool (1);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (AiopoolTask) task = helper_task ("echo", "(u)", 1);
  AiopoolFuture **futures = g_new (AiopoolFuture *, n);
  gint64 start;
  gsize before;

  helper_gate_occupy (gate, pool);
  start = fault_get_processor_usec ();
  before = mallinfo2 ().uordblks + mallinfo2 ().hblkhd;
  for (guint i = 0; i < n; i++)
    futures[i] = aiopool_executor_submit (pool, task, NULL, NULL);
  *size = (mallinfo2 ().uordblks + mallinfo2 ().hblkhd - before) / n;
  helper_gate_open (gate);
  for (guint i = 0; i < n; i++)
    {
      helper_wait (futures[i]);
      g_assert_no_error (aiopool_future_get_error (futures[i]));
      g_object_unref (futures[i]);
    }
  start = fault_get_processor_usec () - start;
  g_free (futures);
  fault_expect_good (pool);
  return start;
}

/* Row 69: ten times as many cost ten times as much, not a hundred times. */
static void
test_many_pending (void)
{
  gsize size, any;
  gint64 few = pile_up (5000, &any);
  gint64 many = pile_up (50000, &size);

  g_test_message ("%zu bytes each; %d and %d microseconds", size, (int) few, (int) many);
  if (!fault_is_sanitized () && !helper_is_valgrind ()) /* who have allocators of their own */
    g_assert_cmpuint (size, <, 1024);
  g_assert_cmpint (many, <, 40 * few);
}

/* Row 71: the timeout is about as long as the pause between two tasks. */
static void
test_idle_timeout_races (void)
{
  g_autoptr (AiopoolExecutor) pool = fault_pool (2);
  g_autoptr (GRand) rand = g_rand_new_with_seed (71);
  int last = 0;
  guint n_workers = 0;

  aiopool_pool_set_idle_timeout (AIOPOOL_POOL (pool), 0.002);
  for (guint i = 0; i < 300; i++)
    {
      int pid = helper_run_pid (pool);

      n_workers += pid != last;
      last = pid;
      g_usleep ((gulong) g_rand_int_range (rand, 0, 4000));
    }
  g_test_message ("%u workers", n_workers);
  g_assert_cmpuint (n_workers, >, 1);
  fault_expect_good (pool);
}

/* Row 82: what is counted is in the harness. */
static void
test_nothing_leaks (void)
{
  for (guint i = 0; i < 8; i++)
    {
      g_autoptr (AiopoolExecutor) pool = i % 2 == 0 ? fault_pool (2) : helper_untrusted_pool (2);
      g_autoptr (GPtrArray) futures = fault_submit_many (pool, 1000, "echo");
      g_autoptr (AiopoolFuture) crashing = helper_submit (pool, "crash", "(i)", SIGKILL);

      g_variant_unref (helper_run (pool, "make-bytes", "(t)", (guint64) 1 << 20));
      g_variant_unref (helper_run (pool, "make-bytes", "(t)", (guint64) 3 << 20));
      helper_expect_crash (crashing, "signal 9");
      fault_expect_all (futures, AIOPOOL_FUTURE_DONE);
      helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
    }
}

/* How often the threads of a process ran, but for @except. */
static guint64
count_wakeups (int pid,
               int except)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/task", pid);
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  guint64 n = 0;
  const char *name;

  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *status = g_build_filename (path, name, "status", NULL);
      g_autofree char *text = NULL;
      const char *at;

      if (g_ascii_strtoll (name, NULL, 10) == except ||
          !g_file_get_contents (status, &text, NULL, NULL))
        continue;
      at = strstr (text, "\nvoluntary_ctxt_switches:");
      g_assert_nonnull (at);
      n += g_ascii_strtoull (at + strlen ("\nvoluntary_ctxt_switches:"), NULL, 10);
    }
  return n;
}

#define N_IDLE 4

/* Row 83: nothing polls, neither here nor in the workers. */
static void
test_idle_costs_nothing (void)
{
  g_autoptr (AiopoolExecutor) pool = fault_pool (N_IDLE);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (GPtrArray) futures = g_ptr_array_new_with_free_func (g_object_unref);
  int pids[N_IDLE + 1] = { getpid () };
  guint64 before = 0, after = 0;

  if (g_strcmp0 (g_getenv ("AIOPOOL_TEST_SANITIZED"), "thread") == 0)
    fault_skip ("the thread sanitizer has a thread of its own");
  aiopool_pool_set_idle_timeout (AIOPOOL_POOL (pool), -1);
  for (guint i = 0; i < N_IDLE; i++)
    g_ptr_array_add (futures, helper_gate_submit (gate, pool, "deaf"));
  helper_gate_await (gate, N_IDLE);
  helper_gate_open (gate);
  fault_expect_all (futures, AIOPOOL_FUTURE_DONE);
  for (guint i = 0; i < N_IDLE; i++)
    pids[i + 1] = aiopool_future_get_worker_pid (g_ptr_array_index (futures, i));
  g_usleep ((gulong) (200000 * fault_factor ())); /* what follows a task may still go on */
  for (guint i = 0; i <= N_IDLE; i++)
    before += count_wakeups (pids[i], getpid ());
  g_usleep (1000000);
  for (guint i = 0; i <= N_IDLE; i++)
    after += count_wakeups (pids[i], getpid ());
  g_assert_cmpuint (after, ==, before);
  fault_expect_good (pool);
}

typedef struct
{
  AiopoolExecutor *pool;   /* (owned) */
  AiopoolFuture   *future; /* (owned) */
  int              pid;
} Made;

static gpointer
make_pool (gpointer data)
{
  Made *made = data;

  made->pool = fault_pool (1);
  made->pid = helper_run_pid (made->pool);
  made->future = helper_submit (made->pool, "nap", "(d)", 0.05);
  return NULL;
}

/* Row 84: the thread that asked for a worker is not the one that it dies with. */
static void
test_made_in_a_thread_that_ends (void)
{
  Made made = { NULL };

  g_thread_join (g_thread_new ("maker", make_pool, &made));
  helper_wait (made.future);
  g_assert_no_error (aiopool_future_get_error (made.future));
  g_assert_cmpint (helper_run_pid (made.pool), ==, made.pid);
  fault_expect_good (made.pool);
  g_object_unref (made.future);
  g_object_unref (made.pool);
}

/* Row 85: results wait in their futures, and callbacks for the context. */
static void
test_no_context_is_iterated (void)
{
  g_autoptr (AiopoolExecutor) pool = fault_pool (2);
  g_autoptr (GPtrArray) futures = fault_submit_many (pool, 2000, "echo");
  HelperTally tally = { 0 };
  guint n_done;

  for (guint i = 0; i < futures->len; i++)
    helper_watch (g_ptr_array_index (futures, i), &tally);
  do /* busy, and without waiting, which would help */
    {
      n_done = 0;
      for (guint i = 0; i < futures->len; i++)
        n_done += aiopool_future_is_done (g_ptr_array_index (futures, i));
    }
  while (n_done < futures->len);
  g_assert_cmpuint (tally.n_called, ==, 0);
  helper_await_tally (&tally);
  g_assert_cmpuint (tally.n_done, ==, futures->len);
  fault_expect_good (pool);
}

int
main (int   argc,
      char *argv[])
{
  static const FaultRow rows[] = {
    { "/faults/row-57-shutdown-without-waiting", test_shutdown_without_waiting },
    { "/faults/row-58-submit-cancel-shutdown", test_submit_cancel_shutdown },
    { "/faults/row-58-shutdown-then-cancel", test_shutdown_then_cancel },
    { "/faults/row-58-cancel-races-then-shutdown", test_cancel_races_then_shutdown },
    { "/faults/row-59-cancel-at-start-and-finish", test_cancel_at_start_and_finish },
    { "/faults/row-60-submit-in-a-callback", test_submit_in_a_callback },
    { "/faults/row-61-wait-in-a-callback", test_wait_in_a_callback },
    { "/faults/row-62-shutdown-in-a-callback", test_shutdown_in_a_callback },
    { "/faults/row-63-a-callback-fails", test_a_callback_fails },
    { "/faults/row-64-last-reference", test_last_reference },
    { "/faults/row-66-submit-after-shutdown", test_submit_after_shutdown },
    { "/faults/row-69-many-pending", test_many_pending },
    { "/faults/row-71-idle-timeout-races", test_idle_timeout_races },
    { "/faults/row-82-nothing-leaks", test_nothing_leaks },
    { "/faults/row-83-idle-costs-nothing", test_idle_costs_nothing },
    { "/faults/row-84-made-in-a-thread-that-ends", test_made_in_a_thread_that_ends },
    { "/faults/row-85-no-context-is-iterated", test_no_context_is_iterated },
  };

  return fault_main (argc, argv, rows, G_N_ELEMENTS (rows));
}
