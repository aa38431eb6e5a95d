/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/faults/fault.h"

#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

/* Row 78: the clock of the wall jumps, by an hour ahead and two hours back at every look. Setting
 * the clock of this machine would hurt others: instead the functions that tell the time are those
 * of this program, for itself, for the library and for GLib, here and in its workers. */

static int is_jumping;    /* atomic, as all */
static int n_looks;       /* at that clock */
static int n_wall_timers; /* timers that go by it */

static gint64
jump (void)
{
  static const gint64 seconds[] = { 0, 3600, -7200 };

  return seconds[(guint) g_atomic_int_add (&n_looks, 1) % G_N_ELEMENTS (seconds)];
}

static gboolean
is_wall_clock (clockid_t id)
{
  return id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE || id == CLOCK_TAI;
}

int
clock_gettime (clockid_t        id,
               struct timespec *now)
{
  int result = (int) syscall (SYS_clock_gettime, id, now);

  if (result == 0 && is_wall_clock (id) && g_atomic_int_get (&is_jumping))
    now->tv_sec += jump ();
  return result;
}

int
gettimeofday (struct timeval *restrict now,
              void *restrict           zone)
{
  int result = (int) syscall (SYS_gettimeofday, now, zone);

  if (result == 0 && g_atomic_int_get (&is_jumping))
    now->tv_sec += jump ();
  return result;
}

time_t
time (time_t *now)
{
  struct timeval at;

  gettimeofday (&at, NULL);
  if (now != NULL)
    *now = at.tv_sec;
  return at.tv_sec;
}

int
timerfd_create (clockid_t id,
                int       flags)
{
  if (is_wall_clock (id))
    g_atomic_int_inc (&n_wall_timers);
  return (int) syscall (SYS_timerfd_create, id, flags);
}

static void
expect_timed_out (AiopoolExecutor *pool,
                  const char      *function,
                  double           seconds)
{
  AiopoolTask *task = helper_task (function, "(d)", 1000.0);
  g_autoptr (AiopoolFuture) future = NULL;

  aiopool_task_set_timeout (task, seconds);
  future = helper_submit_task (pool, task);
  helper_expect_error (future, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_TIMED_OUT);
  g_assert_cmpfloat (aiopool_future_get_run_time (future), >=, seconds);
  g_assert_cmpfloat (aiopool_future_get_run_time (future), <, 100);
}

static void
expect_queue_timed_out (AiopoolExecutor *pool)
{
  g_autoptr (HelperGate) gate = helper_gate_new ();
  AiopoolTask *task = helper_task ("echo", NULL);
  g_autoptr (AiopoolFuture) future = NULL;

  helper_gate_occupy (gate, pool);
  aiopool_task_set_queue_timeout (task, 0.1);
  future = helper_submit_task (pool, task);
  helper_expect_error (future, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_QUEUE_TIMED_OUT);
}

/* One that has an hour has it. */
static void
expect_in_time (AiopoolExecutor *pool)
{
  AiopoolTask *task = helper_task ("nap", "(d)", 0.1);
  g_autoptr (AiopoolFuture) future = NULL;

  aiopool_task_set_timeout (task, 1800);
  aiopool_task_set_queue_timeout (task, 1800);
  future = helper_submit_task (pool, task);
  g_assert_false (aiopool_future_wait (future, 0.01));
  helper_wait (future);
  g_assert_no_error (aiopool_future_get_error (future));
}

static void
expect_start_timed_out (void)
{
  g_autoptr (AiopoolExecutor) pool =
    helper_argv_pool (1, helper_environment ("AIOPOOL_TEST_ODD_WORKER"), "sleep", NULL);
  g_autoptr (AiopoolFuture) future = NULL;

  aiopool_pool_set_start_timeout (AIOPOOL_POOL (pool), 0.1);
  future = helper_submit (pool, "echo", NULL);
  helper_expect_error (future, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_START_TIMED_OUT);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_TERMINATE);
}

/* It goes, and not at once. */
static void
expect_idle_timed_out (void)
{
  g_autoptr (AiopoolExecutor) pool = fault_pool (1);
  int pid;

  aiopool_pool_set_idle_timeout (AIOPOOL_POOL (pool), 0.3);
  pid = helper_run_pid (pool);
  g_assert_cmpint (helper_run_pid (pool), ==, pid);
  helper_await_end (pid);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
no_debug_messages (const char    *domain,
                   GLogLevelFlags level,
                   const char    *message,
                   gpointer       user_data)
{
}

/* What GLib writes has the time of the day. */
static void
prepare (void)
{
  g_log_set_handler ("aiopool", G_LOG_LEVEL_DEBUG, no_debug_messages, NULL);
  g_setenv ("AIOPOOL_FAULT_CLOCK", "1", TRUE);
  g_atomic_int_set (&is_jumping, TRUE);
}

static void
test_realtime_clock_jumps (void)
{
  g_autoptr (AiopoolExecutor) pool = fault_pool (1);

  g_assert_cmpint (g_get_real_time () / G_USEC_PER_SEC / 1800, !=,
                   g_get_real_time () / G_USEC_PER_SEC / 1800); /* this clock is no good */
  g_atomic_int_set (&n_looks, 0);
  expect_timed_out (pool, "nap", 0.1);
  expect_queue_timed_out (pool);
  expect_in_time (pool);
  expect_start_timed_out ();
  expect_idle_timed_out ();
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_TERMINATE);
  g_assert_cmpint (g_atomic_int_get (&n_looks), ==, 0);
  g_assert_cmpint (g_atomic_int_get (&n_wall_timers), ==, 0);
}

int
main (int   argc,
      char *argv[])
{
  static const FaultRow rows[] = {
    { "/faults/row-78-realtime-clock-jumps", test_realtime_clock_jumps, .prepare = prepare },
  };

  is_jumping = g_getenv ("AIOPOOL_FAULT_CLOCK") != NULL; /* in a worker */
  return fault_main (argc, argv, rows, G_N_ELEMENTS (rows));
}
