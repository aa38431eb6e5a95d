/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/faults/fault.h"

#include "tests/faults/fault-private.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Rows about the end of the parent: its workers are gone in less than a second, whatever they do.
 * The row watches the end of each process by a pidfd; the parent is a fork of it with pools of its
 * own, and tells which workers there are. */

#define N_WORKERS 3

/* What the workers of a parent do when it dies. */
typedef enum
{
  IDLE,
  SLEEPING,
  SPINNING,
  STOPPED,
  N_DEEDS
} Deed;

/* The process that submits must live: its pool is never dropped. */
static AiopoolExecutor *pool;
static GPtrArray       *futures;

static void
occupy (Deed deed)
{
  for (guint i = 0; i < N_WORKERS; i++)
    {
      if (deed == SPINNING)
        g_ptr_array_add (futures, helper_submit (pool, "spin", NULL));
      else
        g_ptr_array_add (futures, helper_submit (pool, "nap", "(d)", 1000.0));
    }
}

static int
get_worker_pid (guint i)
{
  GListModel *workers = aiopool_pool_get_workers (AIOPOOL_POOL (pool));
  g_autoptr (AiopoolWorker) worker = g_list_model_get_item (workers, i);

  return worker != NULL ? aiopool_worker_get_pid (worker) : 0;
}

/* Until all workers are there, each at work on a task. */
static void
await_workers (void)
{
  while (aiopool_pool_get_n_busy (AIOPOOL_POOL (pool)) < N_WORKERS)
    g_main_context_iteration (NULL, FALSE);
  for (guint i = 0; i < futures->len; i++)
    {
      while (aiopool_future_get_state (g_ptr_array_index (futures, i)) == AIOPOOL_FUTURE_PENDING)
        g_main_context_iteration (NULL, FALSE);
    }
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

/* A gate that opens leaves all workers idle. */
static void
pass_gate (void)
{
  g_autoptr (HelperGate) gate = helper_gate_new ();

  for (guint i = 0; i < N_WORKERS; i++)
    g_ptr_array_add (futures, helper_gate_submit (gate, pool, "deaf"));
  helper_gate_await (gate, N_WORKERS);
  await_workers ();
  helper_gate_open (gate);
  fault_expect_all (futures, AIOPOOL_FUTURE_DONE);
}

static void
start_workers (Deed deed,
               int  report_fd)
{
  pool = fault_pool (N_WORKERS);
  futures = g_ptr_array_new_with_free_func (g_object_unref);
  if (deed == IDLE)
    pass_gate ();
  else
    {
      occupy (deed);
      await_workers ();
    }
  for (guint i = 0; i < N_WORKERS; i++)
    {
      if (deed == STOPPED)
        fault_stop (get_worker_pid (i));
      fault_tell_number (report_fd, get_worker_pid (i));
    }
}

static void G_GNUC_NORETURN
wait_for_ever (void)
{
  for (;;)
    pause ();
}

static void
be_parent (int      report_fd,
           gpointer data)
{
  start_workers (GPOINTER_TO_INT (data), report_fd);
  wait_for_ever ();
}

static void
read_workers (int  fd,
              int *pidfds)
{
  for (guint i = 0; i < N_WORKERS; i++)
    {
      int pid = fault_read_number (fd);

      g_assert_true (helper_is_alive (pid));
      pidfds[i] = fault_open_pidfd (pid);
    }
}

static void
kill_parent (Deed deed,
             int  number)
{
  int fd, status;
  int pidfds[N_WORKERS];
  pid_t pid = fault_fork (be_parent, GINT_TO_POINTER (deed), &fd);

  read_workers (fd, pidfds);
  g_assert_cmpint (kill (pid, number), ==, 0);
  fault_expect_gone (pidfds, N_WORKERS, FAULT_GONE);
  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  g_assert_true (WIFSIGNALED (status));
  g_assert_cmpint (WTERMSIG (status), ==, number);
  close (fd);
}

/* Row 31 */
static void
test_sigkill_with_idle_workers (void)
{
  kill_parent (IDLE, SIGKILL);
}

/* Row 32 */
static void
test_sigkill_with_sleeping_workers (void)
{
  kill_parent (SLEEPING, SIGKILL);
}

/* Row 33 */
static void
test_sigkill_with_busy_workers (void)
{
  kill_parent (SPINNING, SIGKILL);
}

/* Holds whatever the parent holds, its ends of the sockets too. */
static void
be_parent_with_copy (int      report_fd,
                     gpointer data)
{
  pid_t copy;

  start_workers (GPOINTER_TO_INT (data), report_fd);
  copy = fork ();
  if (copy == 0)
    wait_for_ever ();
  fault_tell_number (report_fd, copy);
  wait_for_ever ();
}

/* Row 34: no socket ends, and no pidfd may be taken for one of the copy. */
static void
test_sigkill_with_a_living_copy (void)
{
  if (helper_is_valgrind ())
    fault_skip ("valgrind has no pidfds, and a pipe is as open as its last copy");
  for (Deed deed = IDLE; deed < N_DEEDS; deed++)
    {
      int pidfds[N_WORKERS];
      int copy, fd;
      pid_t pid = fault_fork (be_parent_with_copy, GINT_TO_POINTER (deed), &fd);

      read_workers (fd, pidfds);
      copy = fault_read_number (fd);
      g_assert_cmpint (kill (pid, SIGKILL), ==, 0);
      fault_expect_gone (pidfds, N_WORKERS, FAULT_GONE);
      g_assert_true (helper_is_alive (copy));
      g_assert_cmpint (kill (copy, SIGKILL), ==, 0);
      g_assert_cmpint (waitpid (pid, NULL, 0), ==, pid);
      close (fd);
    }
}

/* Row 35 */
static void
test_sigkill_with_stopped_workers (void)
{
  kill_parent (STOPPED, SIGKILL);
}

/* Its worker waits before it enters the service. */
static void
be_parent_of_starting (int      report_fd,
                       gpointer data)
{
  const char *argv[] = { helper_environment ("AIOPOOL_TEST_ODD_WORKER"), "sleep", NULL };
  g_autoptr (AiopoolLauncher) launcher = aiopool_launcher_new_for_argv (argv);

  pool = AIOPOOL_EXECUTOR (aiopool_pool_new_with_launcher (1, launcher));
  futures = fault_submit_many (pool, 1, "echo");
  while (get_worker_pid (0) == 0)
    g_main_context_iteration (NULL, FALSE);
  fault_tell_number (report_fd, get_worker_pid (0));
  wait_for_ever ();
}

/* @program tells the number of one process that has to go when it is killed. */
static void
expect_gone_with_parent (void   (*program) (int report_fd, gpointer data),
                         gpointer data)
{
  int fd, pidfd;
  pid_t pid = fault_fork (program, data, &fd);

  pidfd = fault_open_pidfd (fault_read_number (fd));
  g_assert_cmpint (kill (pid, SIGKILL), ==, 0);
  fault_expect_gone (&pidfd, 1, FAULT_GONE);
  g_assert_cmpint (waitpid (pid, NULL, 0), ==, pid);
  close (fd);
}

/* Row 36: nothing of the library runs in the worker yet. */
static void
test_sigkill_before_the_worker_serves (void)
{
  for (guint i = 0; i < 5; i++)
    expect_gone_with_parent (be_parent_of_starting, NULL);
}

/* @data: not NULL for workers that never serve. */
static void
be_parent_that_starts (int      report_fd,
                       gpointer data)
{
  pool = data != NULL ? helper_argv_pool (N_WORKERS, data, "sleep", NULL) : fault_pool (N_WORKERS);
  futures = g_ptr_array_new_with_free_func (g_object_unref);
  fault_tell_number (report_fd, 0);
  occupy (SLEEPING);
  wait_for_ever ();
}

/* The workers are orphans now, and of this process. FALSE if some are left. */
static gboolean
reap_orphans (gint64 end)
{
  for (;;)
    {
      pid_t pid = waitpid (-1, NULL, WNOHANG);

      if (pid < 0 && errno == ECHILD)
        return TRUE;
      if (pid == 0 && g_get_monotonic_time () > end)
        return FALSE;
      if (pid == 0)
        g_usleep (200);
    }
}

/* Row 36: at any moment of the start, from before the process to its first task. */
static void
test_sigkill_during_the_start (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (36);
  const char *sleeping = helper_environment ("AIOPOOL_TEST_ODD_WORKER");

  prctl (PR_SET_CHILD_SUBREAPER, 1);
  for (guint i = 0; i < 40; i++)
    {
      int fd;
      pid_t pid = fault_fork (be_parent_that_starts, i % 2 ? (gpointer) sleeping : NULL, &fd);

      fault_read_number (fd);
      g_usleep ((gulong) g_rand_int_range (rand, 0, (int) (15000 * fault_factor ())));
      g_assert_cmpint (kill (pid, SIGKILL), ==, 0);
      if (!reap_orphans (g_get_monotonic_time () +
                         (gint64) (FAULT_GONE * fault_factor () * G_USEC_PER_SEC)))
        g_error ("a worker is left in round %u", i);
      close (fd);
    }
}

/* Row 37 */
static void
test_other_signals (void)
{
  static const int numbers[] = { SIGTERM, SIGHUP };

  for (Deed deed = IDLE; deed < N_DEEDS; deed++)
    {
      for (guint i = 0; i < G_N_ELEMENTS (numbers); i++)
        kill_parent (deed, numbers[i]);
    }
}

/* Row 37: what a signal does is the program's to say. */
static void
test_no_handler_is_installed (void)
{
  g_autoptr (AiopoolExecutor) other = NULL;

  if (helper_is_valgrind ())
    fault_skip ("valgrind has handlers of its own");
  other = fault_pool (1);
  helper_run_echo (other, 1);
  for (int number = 1; number < SIGRTMAX; number++)
    {
      struct sigaction action;

      if (number == SIGURG || sigaction (number, NULL, &action) != 0)
        continue; /* the first is for the stacks of this harness */
      if (fault_is_sanitized () && (number == SIGSEGV || number == SIGBUS || number == SIGFPE))
        continue;
      if (action.sa_handler != SIG_DFL)
        g_error ("signal %d has a handler", number);
    }
  helper_shutdown (other, AIOPOOL_SHUTDOWN_DRAIN);
}

/* Row 40: it goes with the group. */
static void
be_parent_of_grandchild (int      report_fd,
                         gpointer data)
{
  const char *path = data;
  g_autofree char *text = NULL;

  pool = fault_pool (1);
  g_variant_unref (helper_run (pool, "leave-holder", "(sbi)", path, FALSE, 0));
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  fault_tell_number (report_fd, atoi (text));
  wait_for_ever ();
}

/* The worker is idle, and hears the end of its socket before the end of the parent. */
static void
test_a_grandchild_goes_too (void)
{
  for (guint i = 0; i < 20; i++)
    {
      g_autofree char *name = g_strdup_printf ("holder-%u", i);
      g_autofree char *path = fault_file (name);

      expect_gone_with_parent (be_parent_of_grandchild, path);
    }
}

static void
be_parent_that_exits (int      report_fd,
                      gpointer data)
{
  start_workers (GPOINTER_TO_INT (data), report_fd);
  if (helper_is_valgrind ())
    _exit (0); /* it would look for leaks in what is not closed */
  exit (0);
}

/* Row 65: by exit(), with its handlers, and without a shutdown. */
static void
test_exit_without_shutdown (void)
{
  for (Deed deed = IDLE; deed < N_DEEDS; deed++)
    {
      int pidfds[N_WORKERS];
      int fd, status;
      pid_t pid = fault_fork (be_parent_that_exits, GINT_TO_POINTER (deed), &fd);

      for (guint i = 0; i < N_WORKERS; i++)
        pidfds[i] = fault_open_pidfd (fault_read_number (fd));
      g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
      fault_expect_gone (pidfds, N_WORKERS, FAULT_GONE);
      g_assert_true (WIFEXITED (status));
      g_assert_cmpint (WEXITSTATUS (status), ==, 0);
      close (fd);
    }
}

int
main (int   argc,
      char *argv[])
{
  static const FaultRow rows[] = {
    { "/faults/row-31-sigkill-with-idle-workers", test_sigkill_with_idle_workers, FAULT_BARE },
    { "/faults/row-32-sigkill-with-sleeping-workers", test_sigkill_with_sleeping_workers,
      FAULT_BARE },
    { "/faults/row-33-sigkill-with-busy-workers", test_sigkill_with_busy_workers, FAULT_BARE },
    { "/faults/row-34-sigkill-with-a-living-copy", test_sigkill_with_a_living_copy, FAULT_BARE },
    { "/faults/row-35-sigkill-with-stopped-workers", test_sigkill_with_stopped_workers,
      FAULT_BARE },
    { "/faults/row-36-sigkill-before-the-worker-serves", test_sigkill_before_the_worker_serves,
      FAULT_BARE },
    { "/faults/row-36-sigkill-during-the-start", test_sigkill_during_the_start, FAULT_BARE },
    { "/faults/row-37-other-signals", test_other_signals, FAULT_BARE },
    { "/faults/row-37-no-handler-is-installed", test_no_handler_is_installed, FAULT_POOL },
    { "/faults/row-40-a-grandchild-goes-with-the-parent", test_a_grandchild_goes_too, FAULT_BARE },
    { "/faults/row-65-exit-without-shutdown", test_exit_without_shutdown, FAULT_BARE },
  };

  return fault_main (argc, argv, rows, G_N_ELEMENTS (rows));
}
