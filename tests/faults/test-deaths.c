/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/faults/fault.h"

#include "tests/faults/fault-private.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Rows about workers that die: one task fails, no other does, none runs twice, the pool goes on. */

#define MIB ((guint64) 1024 * 1024)

static gboolean
is_deadly (int number)
{
  static const int harmless[] = {
    SIGCHLD, SIGCONT, SIGURG, SIGWINCH, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU
  };

  for (guint i = 0; i < G_N_ELEMENTS (harmless); i++)
    {
      if (number == harmless[i])
        return FALSE;
    }
  return number < 32 || (number >= SIGRTMIN && number <= SIGRTMAX);
}

/* What is done has run once, and what failed not twice. Waits for all. */
static void
expect_marks (const char *path,
              GPtrArray  *futures)
{
  g_autofree guint *counts = NULL;

  for (guint i = 0; i < futures->len; i++)
    helper_wait (g_ptr_array_index (futures, i));
  counts = helper_marks_count (path, futures->len);
  for (guint i = 0; i < futures->len; i++)
    {
      AiopoolFuture *future = g_ptr_array_index (futures, i);

      if (aiopool_future_get_state (future) == AIOPOOL_FUTURE_DONE)
        g_assert_cmpuint (counts[i], ==, 1);
      else
        g_assert_cmpuint (counts[i], <=, 1);
    }
}

/* Row 1: by every signal that kills, with tasks before and behind it. */
static void
test_killed_by_every_signal (void)
{
  g_autoptr (AiopoolExecutor) pool = fault_pool (2);
  g_autoptr (GPtrArray) futures = g_ptr_array_new_with_free_func (g_object_unref);
  g_autofree char *path = fault_marks ();
  int numbers[200] = { 0 };

  for (int number = 1; number <= SIGRTMAX; number++)
    {
      if (!is_deadly (number))
        continue;
      for (guint i = 0; i < 3; i++)
        {
          numbers[futures->len] = i == 1 ? number : 0;
          g_ptr_array_add (futures, helper_submit (pool, "mark", "(sui)", path, futures->len,
                                                   numbers[futures->len]));
        }
    }
  for (guint i = 0; i < futures->len; i++)
    {
      AiopoolFuture *future = g_ptr_array_index (futures, i);
      g_autofree char *part = g_strdup_printf ("signal %d (", numbers[i]);

      helper_wait (future);
      if (numbers[i] != 0)
        helper_expect_crash (future, part);
      else
        g_assert_no_error (aiopool_future_get_error (future));
      if (numbers[i] == SIGKILL)
        helper_expect_message (future, "memory may have run out");
    }
  expect_marks (path, futures);
  fault_expect_good (pool);
}

/* Row 2 */
static void
test_segfault (void)
{
  g_autoptr (AiopoolExecutor) pool = fault_pool (1);
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "segfault", "(s)", "last words\n");
  g_autoptr (GPtrArray) others = fault_submit_many (pool, 20, "echo");

  helper_expect_crash (future, "signal 11");
  helper_expect_message (future, "last words");
  fault_expect_all (others, AIOPOOL_FUTURE_DONE);
  fault_expect_good (pool);
}

/* Row 3 */
static void
test_exits (void)
{
  g_autoptr (AiopoolExecutor) pool = fault_pool (1);
  static const int statuses[] = { 0, 1, 77, 255 };

  for (guint i = 0; i < G_N_ELEMENTS (statuses); i++)
    {
      g_autofree char *part = g_strdup_printf ("exit status %d", statuses[i]);
      g_autoptr (AiopoolFuture) future = helper_submit (pool, "leave", "(i)", statuses[i]);
      g_autoptr (GPtrArray) others = fault_submit_many (pool, 5, "echo");

      helper_expect_crash (future, part);
      fault_expect_all (others, AIOPOOL_FUTURE_DONE);
    }
  fault_expect_good (pool);
}

/* Row 6: the next task goes to another one. */
static void
test_idle_worker_is_killed (void)
{
  g_autoptr (AiopoolExecutor) pool = fault_pool (2);

  for (guint i = 0; i < 10; i++)
    {
      int pid = helper_run_pid (pool);

      g_assert_cmpint (kill (pid, SIGKILL), ==, 0);
      if (i % 2 == 0)
        helper_await_end (pid);
      g_assert_cmpint (helper_run_pid (pool), !=, pid);
    }
  fault_expect_good (pool);
}

/* Row 6: the task was written already, and has not started: it is not lost, and runs once. */
static void
test_idle_worker_is_killed_with_a_task (void)
{
  g_autoptr (AiopoolExecutor) pool = fault_pool (1);
  g_autoptr (GPtrArray) futures = g_ptr_array_new_with_free_func (g_object_unref);
  g_autofree char *path = fault_marks ();

  for (guint i = 0; i < 10; i++)
    {
      int pid = helper_run_pid (pool);

      fault_stop (pid);
      g_ptr_array_add (futures, helper_submit (pool, "mark", "(sui)", path, i, 0));
      g_assert_cmpint (kill (pid, SIGKILL), ==, 0);
    }
  fault_expect_all (futures, AIOPOOL_FUTURE_DONE);
  expect_marks (path, futures);
  fault_expect_good (pool);
}

static void
limit_files (rlim_t size)
{
  struct rlimit limit;

  getrlimit (RLIMIT_FSIZE, &limit);
  limit.rlim_cur = size;
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);
}

/* (transfer full): a task that says how much it got. */
static AiopoolTask *
new_large_task (gsize size)
{
  guint8 *data = g_malloc (size);
  g_autoptr (GBytes) bytes = NULL;

  for (gsize i = 0; i < size; i++)
    data[i] = (guint8) (i * 7 + size);
  bytes = g_bytes_new_take (data, size);
  return aiopool_task_new_for_payload ("check-bytes", bytes, AIOPOOL_FORMAT_RAW);
}

/* The worker does not read: the socket takes as much as it can hold. */
static void
die_while_argument_is_written (AiopoolExecutor *pool,
                               gboolean         is_busy)
{
  int pid = helper_run_pid (pool);
  g_autoptr (AiopoolFuture) running = NULL;
  g_autoptr (AiopoolFuture) large = NULL;
  g_autoptr (GVariant) result = NULL;

  if (is_busy)
    {
      running = helper_submit (pool, "crash", "(i)", SIGSTOP);
      fault_await_state (pid, 'T');
    }
  else
    fault_stop (pid);
  large = helper_submit_task (pool, new_large_task (4 * MIB));
  g_assert_false (aiopool_future_is_done (large));
  g_assert_cmpint (kill (pid, SIGKILL), ==, 0);
  if (is_busy)
    helper_expect_crash (running, "signal 9");
  result = helper_collect (large);
  g_assert_cmpint (g_variant_get_int64 (result), ==, 4 * MIB);
}

/* Row 7: half of it lies in the socket, or in shared memory. Who has not started it cannot have run
 * it: it goes to the next worker. */
static void
test_dies_while_an_argument_is_written (void)
{
  g_autoptr (AiopoolExecutor) pool = fault_pool (1);

  for (guint i = 0; i < 4; i++)
    {
      limit_files (i < 2 ? RLIM_INFINITY : 110 * 1024); /* enough for a status page */
      die_while_argument_is_written (pool, i % 2);
    }
  limit_files (RLIM_INFINITY);
  fault_expect_good (pool);
}

/* Row 8: in memory of its own, and by the socket. */
static void
test_dies_while_a_result_is_written (void)
{
  g_autoptr (AiopoolExecutor) pool = fault_pool (1);
  g_autoptr (AiopoolExecutor) fake = fault_fake_pool ("hello task start half kill=9");
  guint64 before = fault_get_memory ("RssShmem:");
  g_autoptr (AiopoolFuture) half = NULL;

  for (guint i = 0; i < 3; i++)
    {
      g_autoptr (AiopoolFuture) future =
        helper_submit (pool, "die-in-large-result", "(tti)", 512 * MIB, 32 * MIB, SIGKILL);

      helper_expect_crash (future, "signal 9");
    }
  g_assert_cmpuint (fault_get_memory ("RssShmem:"), <, before + 16 * MIB);
  half = helper_submit (fake, "any", NULL);
  helper_expect_crash (half, "signal 9");
  fault_expect_good (pool);
  g_variant_unref (helper_run (fake, "any", NULL));
  helper_shutdown (fake, AIOPOOL_SHUTDOWN_DRAIN);
}

#define MIN_KILLS 40
#define MAX_KILLS 60 /* on a slow machine no worker would ever come to do its tasks */

typedef struct
{
  AiopoolExecutor *pool;
  GPtrArray       *futures; /* (owned) */
  char            *path;    /* (owned) */
  GRand           *rand;    /* (owned) */
  guint            n_kills;
} Storm;

/* One that lives, by chance. */
static gboolean
on_kill (gpointer data)
{
  Storm *storm = data;
  GListModel *workers = aiopool_pool_get_workers (AIOPOOL_POOL (storm->pool));
  guint n = g_list_model_get_n_items (workers);
  g_autoptr (AiopoolWorker) worker =
    n > 0 ? g_list_model_get_item (workers, g_rand_int (storm->rand) % n) : NULL;

  if (storm->n_kills < MAX_KILLS && worker != NULL && aiopool_worker_get_pid (worker) > 0 &&
      aiopool_worker_get_state (worker) != AIOPOOL_WORKER_DEAD)
    storm->n_kills += kill (aiopool_worker_get_pid (worker), SIGKILL) == 0;
  return G_SOURCE_CONTINUE;
}

static void
submit_marks (Storm *storm,
              guint  n)
{
  for (guint i = 0; i < n; i++)
    g_ptr_array_add (storm->futures, helper_submit (storm->pool, "mark-slowly", "(sud)",
                                                    storm->path, storm->futures->len, 0.0002));
}

/* Five in a row, and none of them had come to start a task: the pool cannot know that this will not
 * go on, and says so to those that wait. */
static gboolean
is_given_up (const GError *error)
{
  return g_error_matches (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_START_FAILED) &&
         strstr (error->message, "in a row") != NULL;
}

/* Row 9: twenty times a second, while thousands of tasks run. */
static void
test_random_kills (void)
{
  Storm storm = { .pool = fault_pool (2), .path = fault_marks () };
  HelperTally tally = { 0 };
  guint n_crashed = 0;
  guint timer;

  storm.futures = g_ptr_array_new_with_free_func (g_object_unref);
  storm.rand = g_rand_new_with_seed (20);
  timer = g_timeout_add (50, on_kill, &storm);
  while (storm.futures->len < 4000 || storm.n_kills < MIN_KILLS)
    {
      submit_marks (&storm, 50);
      helper_watch (g_ptr_array_index (storm.futures, storm.futures->len - 1), &tally);
      while (tally.n_called < tally.n_watched)
        g_main_context_iteration (NULL, TRUE);
    }
  g_source_remove (timer);
  expect_marks (storm.path, storm.futures);
  for (guint i = 0; i < storm.futures->len; i++)
    {
      AiopoolFuture *future = g_ptr_array_index (storm.futures, i);

      if (aiopool_future_get_state (future) == AIOPOOL_FUTURE_DONE ||
          is_given_up (aiopool_future_get_error (future)))
        continue;
      helper_expect_crash (future, "signal 9");
      n_crashed++;
    }
  g_test_message ("%u tasks, %u kills, %u crashed", storm.futures->len, storm.n_kills, n_crashed);
  g_assert_cmpuint (n_crashed, <=, storm.n_kills);
  fault_expect_good (storm.pool);
  g_ptr_array_unref (storm.futures);
  g_rand_free (storm.rand);
  g_free (storm.path);
  g_object_unref (storm.pool);
}

/* Row 20: before the result is whole it is lost; one that was taken before may count. */
static void
test_dies_in_its_result (void)
{
  g_autoptr (AiopoolExecutor) pool = fault_pool (1);
  g_autoptr (AiopoolFuture) killed = helper_submit (pool, "die-in-result", "(i)", SIGSEGV);
  g_autoptr (AiopoolFuture) left = helper_submit (pool, "die-in-result", "(i)", 0);
  g_autoptr (AiopoolFuture) late = helper_submit (pool, "die-after-result", NULL);
  g_autoptr (GPtrArray) others = fault_submit_many (pool, 10, "echo");

  helper_expect_crash (killed, "signal 11");
  helper_expect_crash (left, "exit status 0");
  helper_wait (late);
  if (aiopool_future_get_state (late) != AIOPOOL_FUTURE_DONE)
    helper_expect_crash (late, "signal 9");
  fault_expect_all (others, AIOPOOL_FUTURE_DONE);
  fault_expect_good (pool);
}

/* Row 27: with the process alive and nothing to hear of it. */
static void
test_closes_every_descriptor (void)
{
  g_autoptr (AiopoolExecutor) pool = fault_pool (1);
  int pid = helper_run_pid (pool);
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "close-all", NULL);
  g_autoptr (GPtrArray) others = fault_submit_many (pool, 10, "echo");

  helper_expect_crash (future, "signal 9");
  helper_await_end (pid);
  fault_expect_all (others, AIOPOOL_FUTURE_DONE);
  fault_expect_good (pool);
}

static int
read_pid (const char *path)
{
  g_autofree char *text = NULL;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  return atoi (text);
}

/* Row 39: in a session of its own, so that not even the group's end ends the socket. */
static void
test_a_grandchild_keeps_the_sockets (void)
{
  g_autoptr (AiopoolExecutor) pool = fault_pool (1);
  g_autofree char *path = fault_file ("holder");
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "leave-holder", "(sbi)", path, TRUE,
                                                    SIGKILL);
  g_autoptr (GPtrArray) others = fault_submit_many (pool, 10, "echo");
  int holder;

  helper_expect_crash (future, "signal 9");
  fault_expect_all (others, AIOPOOL_FUTURE_DONE);
  fault_expect_good (pool);
  holder = read_pid (path);
  g_assert_true (helper_is_alive (holder));
  g_assert_cmpint (kill (holder, SIGKILL), ==, 0);
}

/* Row 40: shutdown does not wait for it, and it goes with its worker. */
static void
test_a_grandchild_outlives_its_task (void)
{
  static const AiopoolShutdownFlags flags[] = {
    AIOPOOL_SHUTDOWN_DRAIN, AIOPOOL_SHUTDOWN_TERMINATE
  };

  for (guint i = 0; i < G_N_ELEMENTS (flags); i++)
    {
      g_autoptr (AiopoolExecutor) pool = fault_pool (1);
      g_autofree char *name = g_strdup_printf ("holder-%u", i);
      g_autofree char *path = fault_file (name);
      int pidfd;

      g_variant_unref (helper_run (pool, "leave-holder", "(sbi)", path, FALSE, 0));
      pidfd = fault_open_pidfd (read_pid (path));
      g_assert_cmpuint (helper_run_echo (pool, 1), ==, 1);
      helper_shutdown (pool, flags[i]);
      fault_expect_gone (&pidfd, 1, FAULT_GONE);
    }
}

/* Row 41: no grace is needed, or this would take far too long. */
static void
test_a_thread_outlives_its_task (void)
{
  g_autoptr (AiopoolExecutor) pool = fault_pool (1);

  aiopool_pool_set_grace_period (AIOPOOL_POOL (pool), 1000);
  for (guint i = 0; i < 3; i++)
    g_variant_unref (helper_run (pool, "leave-thread", NULL));
  fault_expect_good (pool);
}

int
main (int   argc,
      char *argv[])
{
  static const FaultRow rows[] = {
    { "/faults/row-01-killed-by-every-signal", test_killed_by_every_signal },
    { "/faults/row-02-segfault", test_segfault },
    { "/faults/row-03-exits", test_exits },
    { "/faults/row-06-idle-worker-is-killed", test_idle_worker_is_killed },
    { "/faults/row-06-idle-worker-is-killed-with-a-task", test_idle_worker_is_killed_with_a_task },
    { "/faults/row-07-dies-while-an-argument-is-written", test_dies_while_an_argument_is_written,
      .prepare = fault_leave_files },
    { "/faults/row-08-dies-while-a-result-is-written", test_dies_while_a_result_is_written },
    { "/faults/row-09-random-kills", test_random_kills },
    { "/faults/row-20-dies-in-its-result", test_dies_in_its_result },
    { "/faults/row-27-closes-every-descriptor", test_closes_every_descriptor },
    { "/faults/row-39-a-grandchild-keeps-the-sockets", test_a_grandchild_keeps_the_sockets },
    { "/faults/row-40-a-grandchild-outlives-its-task", test_a_grandchild_outlives_its_task },
    { "/faults/row-41-a-thread-outlives-its-task", test_a_thread_outlives_its_task },
  };

  return fault_main (argc, argv, rows, G_N_ELEMENTS (rows));
}
