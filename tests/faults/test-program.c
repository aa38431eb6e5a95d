/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/faults/fault.h"

#include "tests/faults/fault-private.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Rows about a program that is not as one would wish: signals that it handles in its own way, forks
 * of it, descriptors that it left open or closed, a worker call that it forgot. */

#define MIB ((guint64) 1024 * 1024)

static int
run_fork (AiopoolExecutor *pool,
          guint            how)
{
  g_autoptr (AiopoolTask) task = helper_task ("echo", NULL);
  g_autoptr (GError) error = NULL;

  if (aiopool_executor_submit (pool, task, NULL, &error) != NULL ||
      !g_error_matches (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_FORKED))
    return 1;
  if (how == 1)
    g_object_unref (pool);
  if (how != 2 || fault_is_sanitized () || helper_is_valgrind ())
    helper_end_fork (0); /* leaks are looked for at the end, and a fork has them */
  exit (0);
}

/* Row 51: the copy refuses, drops the pool or not, and ends by exit() or not: the pool is the
 * original's. */
static void
test_a_copy_exits (void)
{
  g_autoptr (AiopoolExecutor) pool = fault_pool (1);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (AiopoolFuture) running = NULL;
  int worker = helper_run_pid (pool);

  running = helper_gate_submit (gate, pool, "deaf");
  helper_gate_await (gate, 1);
  for (guint how = 0; how < 3; how++)
    {
      pid_t pid = fork ();
      int status;

      if (pid == 0)
        run_fork (pool, how);
      g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
      g_assert_true (WIFEXITED (status));
      g_assert_cmpint (WEXITSTATUS (status), ==, 0);
    }
  helper_gate_open (gate);
  g_variant_unref (helper_collect (running));
  g_assert_cmpint (helper_run_pid (pool), ==, worker);
  fault_expect_good (pool);
}

/* Row 72 */
static void
test_pool_in_a_worker (void)
{
  g_autoptr (AiopoolExecutor) pool = fault_pool (2);

  for (guint i = 0; i < 3; i++)
    {
      g_autoptr (GVariant) result = helper_run (pool, "run-in-pool", "(u)", i);
      guint number;

      g_variant_get (result, "(u)", &number);
      g_assert_cmpuint (number, ==, i);
    }
  fault_expect_good (pool);
}

/* Row 74: a program that forgot to enter the service, as a worker and as its own worker. The latter
 * would start itself without end; its exit status says that it was told. */
static void
test_no_worker_call (void)
{
  const char *odd = helper_environment ("AIOPOOL_TEST_ODD_WORKER");
  g_autoptr (AiopoolExecutor) pool = helper_argv_pool (2, odd, "forget", NULL);
  g_autoptr (GPtrArray) futures = fault_submit_many (pool, 5, "echo");
  char *argv[] = { (char *) odd, NULL };
  g_autoptr (GError) error = NULL;
  g_autofree char *output = NULL;
  int status;

  for (guint i = 0; i < futures->len; i++)
    {
      AiopoolFuture *future = g_ptr_array_index (futures, i);

      helper_expect_error (future, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_NOT_A_WORKER);
      helper_expect_message (future, "aiopool_service_enter()");
    }
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  g_spawn_sync (NULL, argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, &output, NULL, &status, &error);
  g_assert_no_error (error);
  g_assert_true (WIFEXITED (status));
  g_assert_cmpint (WEXITSTATUS (status), ==, 3);
}

/* Without those that the C library keeps for itself and lets nobody change. */
static guint64
get_signals (AiopoolExecutor *pool,
             const char      *field)
{
  g_autoptr (GVariant) result = helper_run (pool, "read-status", "(s)", field);

  return g_ascii_strtoull (g_variant_get_string (result, NULL), NULL, 16) & ~((guint64) 3 << 31);
}

/* Row 75: everything is blocked and ignored here, in all threads. */
static void
block_signals (void)
{
  sigset_t all;

  if (helper_is_valgrind ())
    fault_skip ("without pidfds, which valgrind has not, GLib waits for SIGCHLD");
  sigfillset (&all);
  pthread_sigmask (SIG_BLOCK, &all, NULL);
  signal (SIGUSR1, SIG_IGN);
  signal (SIGTERM, SIG_IGN);
  signal (SIGHUP, SIG_IGN);
}

static void
test_blocked_signals (void)
{
  g_autoptr (AiopoolExecutor) pool = g_object_new (AIOPOOL_TYPE_POOL, "max-workers", 1,
                                                   "grace-period", 1000.0, NULL);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (AiopoolFuture) running = NULL;

  g_assert_cmphex (get_signals (pool, "SigBlk:"), ==, 0);
  g_assert_cmphex (get_signals (pool, "SigIgn:"), ==, 0);
  running = helper_gate_submit (gate, pool, "listen");
  helper_gate_await (gate, 1);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_TERMINATE); /* SIGTERM must do */
  helper_expect_cancelled (running);
}

/* GLib complains that it cannot know how its child ended. */
static void
bear_warnings (void)
{
  g_log_set_always_fatal (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL);
}

static void
expect_unknown_end (AiopoolExecutor *pool,
                    const char      *function,
                    int              argument)
{
  const char *message;
  g_autoptr (AiopoolFuture) future = helper_submit (pool, function, "(i)", argument);
  g_autoptr (GPtrArray) others = fault_submit_many (pool, 5, "echo");

  helper_expect_error (future, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_CRASHED);
  fault_expect_all (others, AIOPOOL_FUTURE_DONE);
  message = aiopool_future_get_error (future)->message; /* a status of 0 may be one or none */
  if (strstr (message, "signal 9") == NULL && strstr (message, "exit status 3") == NULL)
    helper_expect_message (future, "took its status");
}

/* Row 76: the kernel reaps, and nobody learns how a worker ended. That it has must be enough. */
static void
ignore_sigchld (void)
{
  bear_warnings ();
  signal (SIGCHLD, SIG_IGN);
}

static void
test_ignored_sigchld (void)
{
  g_autoptr (AiopoolExecutor) pool = fault_pool (1);

  for (guint i = 0; i < 5; i++)
    {
      expect_unknown_end (pool, "crash", SIGKILL);
      expect_unknown_end (pool, "leave", 3);
      expect_unknown_end (pool, "leave", 0);
    }
  fault_expect_good (pool);
}

typedef struct
{
  int is_over; /* atomic */
  int n_taken; /* atomic */
} Thief;

static gpointer
steal_children (gpointer data)
{
  Thief *thief = data;

  while (!g_atomic_int_get (&thief->is_over))
    {
      if (waitpid (-1, NULL, 0) > 0)
        g_atomic_int_inc (&thief->n_taken);
      else
        g_thread_yield ();
    }
  return NULL;
}

/* Row 77: sometimes that comes first, sometimes GLib does. */
static void
test_foreign_waitpid (void)
{
  Thief thief = { 0 };
  g_autoptr (AiopoolExecutor) pool = fault_pool (1);
  GThread *thread = g_thread_new ("thief", steal_children, &thief);

  for (guint n = 0; g_atomic_int_get (&thief.n_taken) < 5 || n < 10; n++)
    expect_unknown_end (pool, "crash", SIGKILL);
  fault_expect_good (pool);
  g_atomic_int_set (&thief.is_over, TRUE);
  g_thread_join (thread);
}

static int n_interrupts; /* atomic */

static void
on_interrupt (int number)
{
  g_atomic_int_inc (&n_interrupts);
}

static void
catch_interrupts (void)
{
  signal (SIGINT, on_interrupt);
}

/* Row 38: it is for the program to say what that means, whatever its workers do. Those that start
 * may be in its group yet. */
static void
test_interrupts (void)
{
  g_autoptr (AiopoolExecutor) pool = fault_pool (2);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (AiopoolFuture) running = helper_gate_submit (gate, pool, "deaf");
  int busy_pid, idle_pid;

  helper_gate_await (gate, 1);
  busy_pid = aiopool_future_get_worker_pid (running);
  idle_pid = helper_run_pid (pool);
  g_assert_cmpint (idle_pid, !=, busy_pid);
  for (guint i = 0; i < 5; i++)
    {
      g_assert_cmpint (kill (0, SIGINT), ==, 0); /* as a terminal does */
      g_assert_cmpint (kill (busy_pid, SIGINT), ==, 0);
      g_assert_cmpint (kill (idle_pid, SIGINT), ==, 0);
      g_assert_cmpint (helper_run_pid (pool), ==, idle_pid);
    }
  helper_gate_open (gate);
  g_variant_unref (helper_collect (running));
  g_assert_cmpint (aiopool_future_get_worker_pid (running), ==, busy_pid);
  fault_expect_good (pool);
  g_assert_cmpint (g_atomic_int_get (&n_interrupts), ==, 5);

  for (guint i = 0; i < 20; i++)
    {
      g_autoptr (AiopoolExecutor) starting = fault_pool (2);
      g_autoptr (GPtrArray) futures = fault_submit_many (starting, 4, "echo");

      g_usleep (i * 300);
      g_assert_cmpint (kill (0, SIGINT), ==, 0);
      fault_expect_all (futures, AIOPOOL_FUTURE_DONE);
      helper_shutdown (starting, AIOPOOL_SHUTDOWN_DRAIN);
    }
}

/* Row 80: neither one that was there before, nor one that comes while workers start. */
static void
test_foreign_descriptors (void)
{
  const char *plugins[] = { helper_environment ("AIOPOOL_TEST_PLUGIN"), NULL };
  g_autoptr (AiopoolLauncher) launcher = aiopool_launcher_new_for_plugins (plugins);
  g_autoptr (AiopoolExecutor) pool = fault_pool (1);
  g_autoptr (AiopoolExecutor) other =
    AIOPOOL_EXECUTOR (aiopool_pool_new_with_launcher (1, launcher));
  AiopoolExecutor *pools[] = { pool, other };
  int fds[] = { fcntl (2, F_DUPFD, 8), fcntl (2, F_DUPFD, 100), fcntl (2, F_DUPFD, 900) };

  for (guint i = 0; i < G_N_ELEMENTS (pools); i++)
    {
      for (guint j = 0; j < G_N_ELEMENTS (fds); j++)
        {
          g_autofree char *here = g_strdup_printf ("/proc/self/fd/%d", fds[j]);
          g_autofree char *target = g_file_read_link (here, NULL);
          g_autoptr (GVariant) has = helper_run (pools[i], "has-descriptor", "(i)", fds[j]);

          g_assert_nonnull (target);
          if (fds[j] >= 100) /* lower ones are the worker's own by then */
            g_assert_false (g_variant_get_boolean (has));
        }
      fault_expect_good (pools[i]);
    }
  for (guint i = 0; i < G_N_ELEMENTS (fds); i++)
    close (fds[i]);
}

/* What is opened for workers may not be taken for a standard one. */
static void
use_pool_with_closed_descriptors (int      report_fd,
                                  gpointer data)
{
  for (int fd = 0; fd <= 2; fd++)
    close (fd);
  {
    g_autoptr (AiopoolExecutor) pool = fault_pool (2);
    g_autoptr (AiopoolFuture) crashing = NULL;

    for (int fd = 1; fd <= 2; fd++)
      g_assert_cmpint (fault_run_int (pool, "write-much", "(iu)", fd, 100000), ==, 100000);
    for (int fd = 1; fd <= 2; fd++) /* 0 is what wakes the default main context: GLib's own */
      {
        g_autofree char *path = g_strdup_printf ("/proc/self/fd/%d", fd);
        g_autofree char *target = g_file_read_link (path, NULL);

        g_assert_cmpstr (target, ==, "/dev/null");
      }
    printf ("not for a socket\n");
    fflush (stdout);
    g_variant_unref (helper_run (pool, "make-bytes", "(t)", 4 * MIB));
    crashing = helper_submit (pool, "segfault", "(s)", "words");
    helper_expect_crash (crashing, "signal 11");
    fault_expect_good (pool);
  }
  fault_tell_number (report_fd, 81);
  _exit (0);
}

/* Row 81 */
static void
test_closed_standard_descriptors (void)
{
  int fd;
  pid_t pid = fault_fork (use_pool_with_closed_descriptors, NULL, &fd);

  g_assert_cmpint (fault_read_number (fd), ==, 81);
  g_assert_cmpint (waitpid (pid, NULL, 0), ==, pid);
  close (fd);
}

/* Thousands of tasks, one that must not time out, and one that may. */
static void
work_and_tell (int      report_fd,
               gpointer data)
{
  g_autoptr (AiopoolExecutor) pool = fault_pool (2);
  g_autoptr (GPtrArray) futures = g_ptr_array_new_with_free_func (g_object_unref);
  AiopoolTask *task = helper_task ("nap", "(d)", 0.05);
  g_autoptr (AiopoolFuture) timed = NULL;
  g_autofree guint *counts = NULL;
  const char *path = data;

  aiopool_task_set_timeout (task, 0.3);
  timed = helper_submit_task (pool, task);
  for (guint i = 0; i < 2000; i++)
    {
      g_ptr_array_add (futures, helper_submit (pool, "mark", "(sui)", path, i, 0));
      if (i == 100)
        {
          helper_wait (g_ptr_array_index (futures, 0));
          fault_tell_number (report_fd, 1);
        }
      if (i > 100 && i % 100 == 0)
        helper_wait (g_ptr_array_index (futures, i));
    }
  fault_expect_all (futures, AIOPOOL_FUTURE_DONE);
  counts = helper_marks_count (path, futures->len);
  for (guint i = 0; i < futures->len; i++)
    g_assert_cmpuint (counts[i], ==, 1);
  helper_wait (timed);
  if (aiopool_future_get_state (timed) != AIOPOOL_FUTURE_DONE)
    helper_expect_error (timed, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_TIMED_OUT);
  fault_expect_good (pool);
  fault_tell_number (report_fd, 2);
}

/* All at once, in no order. */
static void
signal_all (pid_t pid,
            int   number)
{
  g_autoptr (GArray) pids = fault_list_descendants (pid);

  kill (pid, number);
  for (guint i = 0; i < pids->len; i++)
    kill (g_array_index (pids, int, i), number);
}

/* Row 79: the program and its workers, for a while. */
static void
test_all_are_stopped (void)
{
  g_autofree char *path = fault_marks ();
  int fd, status;
  pid_t pid = fault_fork (work_and_tell, path, &fd);

  g_assert_cmpint (fault_read_number (fd), ==, 1);
  for (guint i = 0; i < 3; i++)
    {
      signal_all (pid, SIGSTOP);
      g_usleep (400000); /* longer than the time of one task */
      signal_all (pid, SIGCONT);
      g_usleep (5000);
    }
  g_assert_cmpint (fault_read_number (fd), ==, 2);
  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  g_assert_true (WIFEXITED (status) && WEXITSTATUS (status) == 0);
  close (fd);
}

int
main (int   argc,
      char *argv[])
{
  static const FaultRow rows[] = {
    { "/faults/row-38-interrupts", test_interrupts, .prepare = catch_interrupts },
    { "/faults/row-51-a-copy-exits", test_a_copy_exits },
    { "/faults/row-72-pool-in-a-worker", test_pool_in_a_worker },
    { "/faults/row-74-no-worker-call", test_no_worker_call },
    { "/faults/row-75-blocked-signals", test_blocked_signals, .prepare = block_signals },
    { "/faults/row-76-ignored-sigchld", test_ignored_sigchld, .prepare = ignore_sigchld },
    { "/faults/row-77-foreign-waitpid", test_foreign_waitpid, .prepare = bear_warnings },
    { "/faults/row-79-all-are-stopped", test_all_are_stopped, FAULT_BARE },
    { "/faults/row-80-foreign-descriptors", test_foreign_descriptors },
    { "/faults/row-81-closed-standard-descriptors", test_closed_standard_descriptors, FAULT_BARE },
  };

  return fault_main (argc, argv, rows, G_N_ELEMENTS (rows));
}
