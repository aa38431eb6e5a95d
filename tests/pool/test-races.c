/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/pool/helper.h"

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Who comes first, between threads, processes and the engine: each of these was a fault once. Where
 * nothing can force the moment, it is sought for a while. */

#define RACE_SECONDS  1.5
#define CHILD_SECONDS 20
#define CLOSED_OPTION "--with-closed-descriptors"

static gboolean
is_before (gint64 start,
           double seconds)
{
  return g_get_monotonic_time () < start + (gint64) (seconds * G_USEC_PER_SEC);
}

#define N_SWEEPERS 4
#define N_SWEPT    32

typedef struct
{
  AiopoolExecutor *pool;
  int              n_futures; /* atomic, as the next */
  int              n_ended;   /* threads */
} Sweepers;

typedef struct
{
  Sweepers *sweepers;
  int       n_gone; /* atomic */
} Sweeper;

/* The last letter was read. */
static void
on_gone (gpointer  user_data,
         GObject  *future)
{
  g_atomic_int_inc (&((Sweeper *) user_data)->n_gone);
}

static void
on_done (AiopoolFuture *future,
         gpointer       user_data)
{
  g_assert_cmpfloat (aiopool_future_get_progress (future), ==, 1);
}

/* All but the first have nobody who waits for them and keeps them until all is read. */
static void
submit_some (Sweeper *sweeper)
{
  AiopoolExecutor *pool = sweeper->sweepers->pool;

  for (guint i = 0; i < N_SWEPT; i++)
    {
      g_autoptr (AiopoolFuture) future = helper_submit (pool, "report", "(u)", 3);

      g_object_weak_ref (G_OBJECT (future), on_gone, sweeper);
      if (i == 0)
        aiopool_future_add_done_callback (future, on_done, sweeper, NULL);
    }
}

/* Each collect of what has ended looks through the letters of this thread, which are for a context
 * that another thread iterates. */
static gpointer
submit_and_sweep (gpointer data)
{
  Sweeper sweeper = { .sweepers = data };
  g_autoptr (AiopoolFuture) ended = helper_submit (sweeper.sweepers->pool, "echo", "(u)", 1);
  gint64 start = g_get_monotonic_time ();

  helper_wait (ended);
  for (int n = N_SWEPT; is_before (start, RACE_SECONDS); n += N_SWEPT)
    {
      submit_some (&sweeper);
      while (g_atomic_int_get (&sweeper.n_gone) < n)
        {
          g_variant_unref (helper_collect (ended));
          g_assert_true (is_before (start, HELPER_LONG));
        }
    }
  g_atomic_int_add (&sweeper.sweepers->n_futures, sweeper.n_gone);
  g_atomic_int_inc (&sweeper.sweepers->n_ended);
  g_main_context_wakeup (NULL);
  return NULL;
}

/* No letter is lost, or read too late, between the two threads. */
static void
test_threads_submit_for_a_context_that_another_iterates (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (2);
  Sweepers sweepers = { .pool = pool };
  GThread *threads[N_SWEEPERS];

  for (guint i = 0; i < N_SWEEPERS; i++)
    threads[i] = g_thread_new ("submitter", submit_and_sweep, &sweepers);
  helper_await_count (&sweepers.n_ended, N_SWEEPERS);
  for (guint i = 0; i < N_SWEEPERS; i++)
    g_thread_join (threads[i]);
  g_test_message ("%d futures", sweepers.n_futures);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

typedef struct
{
  AiopoolExecutor *pool;
  int              is_enough; /* atomic */
} Looker;

static gpointer
look_all_the_time (gpointer data)
{
  Looker *looker = data;

  while (!g_atomic_int_get (&looker->is_enough))
    aiopool_executor_get_n_pending (looker->pool);
  return NULL;
}

/* Without a wait, which would see to it that the task goes. */
static void
poll_until_done (AiopoolFuture *future)
{
  gint64 start = g_get_monotonic_time ();

  while (!aiopool_future_is_done (future))
    {
      g_assert_true (is_before (start, HELPER_LONG));
      g_thread_yield ();
    }
}

/* Who asks how much there is takes in what arrives, too, which must not stay there. */
static void
test_no_submit_is_lost_to_a_thread_that_looks (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  Looker looker = { .pool = pool };
  GThread *thread = g_thread_new ("looker", look_all_the_time, &looker);
  gint64 start = g_get_monotonic_time ();
  guint n_done = 0;

  for (; is_before (start, RACE_SECONDS); n_done++)
    {
      g_autoptr (AiopoolFuture) future = helper_submit (pool, "echo", "(u)", n_done);

      poll_until_done (future);
      while (n_done % 3 == 0 && g_main_context_iteration (NULL, FALSE))
        ;
    }
  g_atomic_int_set (&looker.is_enough, TRUE);
  g_thread_join (thread);
  g_test_message ("%u tasks", n_done);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* The alarm of a pool rings while its last reference goes. */
static void
test_pools_go_when_their_alarms_ring (void)
{
  gint64 start = g_get_monotonic_time ();

  while (is_before (start, RACE_SECONDS))
    {
      AiopoolExecutor *pool = helper_pool (1);
      gint64 end;

      aiopool_pool_set_idle_timeout (AIOPOOL_POOL (pool), 0.001);
      helper_run_echo (pool, 1);
      end = g_get_monotonic_time () + g_random_int_range (0, 2000);
      while (g_get_monotonic_time () < end)
        ;
      g_object_unref (pool);
    }
}

/* In a process that has this thread only, and any lock as it was. */
static void
use_in_fork (AiopoolExecutor *pool,
             AiopoolFuture   *future)
{
  alarm (CHILD_SECONDS);
  aiopool_executor_get_n_pending (pool);
  aiopool_pool_get_n_workers (AIOPOOL_POOL (pool));
  aiopool_future_cancel (future, AIOPOOL_CANCEL_FORCE);
  g_object_run_dispose (G_OBJECT (pool));
  helper_end_fork (0);
}

static void
expect_success (int pid)
{
  int status;

  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  g_assert_cmpint (status, ==, 0);
}

/* While the engine works. Nothing else does that has locks of GLib's, which may stay locked in the
 * child as well: the futures live on, and nobody is called. */
static void
test_a_fork_may_drop_a_pool_that_is_at_work (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  gint64 start = g_get_monotonic_time ();
  guint n_forks = 0;

  while (is_before (start, RACE_SECONDS))
    {
      g_autoptr (GPtrArray) futures = g_ptr_array_new_with_free_func (g_object_unref);

      for (guint i = 0; i < 400; i++)
        g_ptr_array_add (futures, helper_submit (pool, "echo", "(u)", i));
      for (guint i = 0; i < 4; i++, n_forks++)
        {
          int pid = fork ();

          if (pid == 0)
            use_in_fork (pool, g_ptr_array_index (futures, futures->len - 1));
          expect_success (pid);
        }
      for (guint i = 0; i < futures->len; i++)
        helper_wait (g_ptr_array_index (futures, i));
    }
  g_test_message ("%u forks", n_forks);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* A process of its own says on the control socket of the worker that a cancel is not heard, until
 * nobody reads that any more. */
static void
haunt (int started_fd)
{
  static const guint8 unheard[16] = { [4] = 40, [10] = 1 };
  gboolean has_told = FALSE;

  setsid ();
  while (send (4, unheard, sizeof unheard, MSG_NOSIGNAL) > 0)
    {
      if (!has_told && write (started_fd, "!", 1) != 1)
        break;
      has_told = TRUE;
    }
  _exit (0);
}

static GVariant *
leave_ghost (AiopoolCall *call,
             GVariant    *arguments,
             gpointer     user_data,
             GError     **error)
{
  const int *fds = g_unix_fd_list_peek_fds (aiopool_call_get_fds (call), NULL);

  if (fork () == 0)
    haunt (fds[0]);
  for (;;)
    pause ();
  return NULL;
}

static void
on_future_gone (gpointer  user_data,
                GObject  *future)
{
  g_atomic_int_inc ((int *) user_data);
}

/* The pool is gone as soon as its worker is, whose socket is not. */
static void
test_a_worker_may_be_heard_of_after_its_pool (void)
{
  int n_gone = 0;

  for (int i = 0; i < 10; i++)
    {
      AiopoolExecutor *pool = helper_pool (1);
      g_autoptr (HelperGate) gate = helper_gate_new ();
      AiopoolTask *task = helper_task ("leave-ghost", NULL);
      g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();
      AiopoolFuture *future;

      g_unix_fd_list_append (fds, gate->started[1], NULL);
      aiopool_task_set_fds (task, fds);
      future = helper_submit_task (pool, task);
      g_object_weak_ref (G_OBJECT (future), on_future_gone, &n_gone);
      g_object_unref (future);
      helper_gate_await (gate, 1);
      g_object_unref (pool);
      helper_await_count (&n_gone, i + 1);
    }
}

/* A task for a function that waits until it is cancelled, with an argument of a size that a worker
 * gets two of. */
static AiopoolFuture *
submit_large (AiopoolExecutor *pool,
              HelperGate      *gate)
{
  gsize size = 160 * 1024;
  gpointer data = g_malloc0 (size);
  GVariant *bytes = g_variant_new_from_data (G_VARIANT_TYPE_BYTESTRING, data, size, TRUE, g_free,
                                             data);
  AiopoolTask *task = helper_task ("wait-for-cancel", "(@ay)", bytes);
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();

  g_unix_fd_list_append (fds, gate->started[1], NULL);
  aiopool_task_set_fds (task, fds);
  return helper_submit_task (pool, task);
}

/* It runs few tasks of the many that it may, but has all the bytes that it may have. */
static void
test_a_full_worker_is_not_taken_for_a_free_one (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_async_pool (2, 8);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (GPtrArray) futures = g_ptr_array_new_with_free_func (g_object_unref);

  for (guint i = 0; i < 3; i++)
    {
      g_ptr_array_add (futures, submit_large (pool, gate));
      helper_gate_await (gate, 1);
    }
  g_assert_cmpuint (helper_run_echo (pool, 6), ==, 6);
  g_assert_cmpuint (aiopool_pool_get_n_workers (AIOPOOL_POOL (pool)), ==, 2);
  for (guint i = 0; i < futures->len; i++)
    {
      aiopool_future_cancel (g_ptr_array_index (futures, i), AIOPOOL_CANCEL_COOPERATIVE);
      helper_wait (g_ptr_array_index (futures, i));
    }
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* The program that was started with some of its standard descriptors closed. */
static int
run_with_closed (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (2);

  for (guint i = 0; i < 20; i++)
    {
      if (helper_run_echo (pool, i) != i)
        return 1;
    }
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  return 0;
}

static void
test_standard_descriptors_may_be_closed (void)
{
  g_autofree char *program = g_file_read_link ("/proc/self/exe", NULL); /* not valgrind itself */

  for (guint closed = 1; closed < 8; closed++)
    {
      int pid = fork ();

      if (pid == 0)
        {
          alarm (CHILD_SECONDS);
          for (int fd = 0; fd < 3; fd++)
            {
              if ((closed & 1u << fd) != 0)
                close (fd);
            }
          execl (program, "test-pool-races", CLOSED_OPTION, NULL);
          _exit (127);
        }
      g_test_message ("closed: %s%s%s", closed & 1 ? "0" : "", closed & 2 ? "1" : "",
                      closed & 4 ? "2" : "");
      expect_success (pid);
    }
}

static void
iterate_until_idle (GMainContext *context)
{
  while (g_main_context_iteration (context, FALSE))
    ;
}

/* Takes as many tasks as it is told to, and notes their names. */
#define TURNSTILE_TYPE_EXECUTOR (turnstile_executor_get_type ())
G_DECLARE_FINAL_TYPE (TurnstileExecutor, turnstile_executor, TURNSTILE, EXECUTOR, AiopoolExecutor)

struct _TurnstileExecutor
{
  AiopoolExecutor parent_instance;
  guint           n_free;
  GString        *taken; /* (owned) */
};

G_DEFINE_FINAL_TYPE (TurnstileExecutor, turnstile_executor, AIOPOOL_TYPE_EXECUTOR)

static AiopoolFuture *
turnstile_executor_submit (AiopoolExecutor *executor,
                           AiopoolTask     *task,
                           GCancellable    *cancellable,
                           GError         **error)
{
  TurnstileExecutor *self = TURNSTILE_EXECUTOR (executor);
  g_autoptr (AiopoolPromise) promise = NULL;

  if (self->n_free == 0)
    {
      g_set_error_literal (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_FULL, "full");
      return NULL;
    }
  self->n_free--;
  g_string_append (self->taken, aiopool_task_get_function (task));
  promise = aiopool_promise_new (task);
  aiopool_promise_resolve (promise, g_variant_new_tuple (NULL, 0));
  return g_object_ref (aiopool_promise_get_future (promise));
}

static void
turnstile_executor_finalize (GObject *object)
{
  g_string_free (TURNSTILE_EXECUTOR (object)->taken, TRUE);
  G_OBJECT_CLASS (turnstile_executor_parent_class)->finalize (object);
}

static void
turnstile_executor_class_init (TurnstileExecutorClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = turnstile_executor_finalize;
  AIOPOOL_EXECUTOR_CLASS (klass)->submit = turnstile_executor_submit;
}

static void
turnstile_executor_init (TurnstileExecutor *self)
{
  self->taken = g_string_new (NULL);
}

static void
on_taken (GObject      *object,
          GAsyncResult *result,
          gpointer      user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (AiopoolFuture) future =
    aiopool_executor_submit_finish (AIOPOOL_EXECUTOR (object), result, &error);

  g_assert_no_error (error);
  g_assert_nonnull (future);
  g_atomic_int_inc ((int *) user_data);
}

static void
come (TurnstileExecutor *turnstile,
      const char        *name,
      int               *n_taken)
{
  g_autoptr (AiopoolTask) task = aiopool_task_new (name, NULL);

  aiopool_executor_submit_async (AIOPOOL_EXECUTOR (turnstile), task, NULL, on_taken, n_taken);
}

static void
make_room (TurnstileExecutor *turnstile,
           guint              n)
{
  turnstile->n_free += n;
  aiopool_executor_notify_room (AIOPOOL_EXECUTOR (turnstile));
}

/* @data: how many of three have tried in vain before there is room; the others just came. */
static void
test_those_who_wait_go_in_the_order_of_arrival (gconstpointer data)
{
  g_autoptr (TurnstileExecutor) turnstile = g_object_new (TURNSTILE_TYPE_EXECUTOR, NULL);
  static const char *names[] = { "a", "b", "c" };
  guint n_tried = GPOINTER_TO_UINT (data);
  int n_taken = 0;

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      come (turnstile, names[i], &n_taken);
      if (i < n_tried)
        iterate_until_idle (NULL);
    }
  g_assert_cmpint (n_taken, ==, 0);
  make_room (turnstile, 1);
  helper_await_count (&n_taken, 1);
  g_assert_cmpstr (turnstile->taken->str, ==, "a");
  make_room (turnstile, 2);
  helper_await_count (&n_taken, 3);
  g_assert_cmpstr (turnstile->taken->str, ==, "abc");
  iterate_until_idle (NULL);
}

/* The first one's context is not iterated. */
static void
test_one_who_does_not_come_forward_holds_up_nobody (void)
{
  g_autoptr (TurnstileExecutor) turnstile = g_object_new (TURNSTILE_TYPE_EXECUTOR, NULL);
  g_autoptr (GMainContext) context = g_main_context_new ();
  int n_late = 0, n_taken = 0;

  g_main_context_push_thread_default (context);
  come (turnstile, "late", &n_late);
  g_main_context_pop_thread_default (context);
  come (turnstile, "a", &n_taken);
  come (turnstile, "b", &n_taken);
  iterate_until_idle (NULL);
  g_assert_cmpint (n_taken, ==, 0);
  make_room (turnstile, 2);
  helper_await_count (&n_taken, 2);
  g_assert_cmpstr (turnstile->taken->str, ==, "ab");
  make_room (turnstile, 1);
  while (n_late == 0)
    g_main_context_iteration (context, TRUE);
  g_assert_cmpstr (turnstile->taken->str, ==, "ablate");
  iterate_until_idle (context);
  iterate_until_idle (NULL);
}

static void
register_functions (AiopoolService *service,
                    gpointer        user_data)
{
  helper_register (service, user_data);
  aiopool_service_add (service, "leave-ghost", leave_ghost, NULL, NULL);
}

/* A function whose calls were all short has one that is not. What was sent behind it, all at once,
 * to the only worker needs another one, which nobody had asked for. */
static void
test_behind_a_long_one_others_start_a_worker (void)
{
  for (guint round = 0; round < 5; round++)
    {
      g_autoptr (AiopoolExecutor) pool = helper_pool (2);
      g_autoptr (AiopoolFuture) first = NULL;
      g_autoptr (GPtrArray) others = g_ptr_array_new_with_free_func (g_object_unref);

      for (guint i = 0; i < 20; i++)
        {
          g_variant_unref (helper_run (pool, "nap", "(d)", 0.0));
          helper_run_echo (pool, i);
        }
      for (guint i = 0; i < 20; i++)
        {
          if (i == 8)
            first = helper_submit (pool, "nap", "(d)", 1000.0);
          g_ptr_array_add (others, helper_submit (pool, "echo", NULL));
        }
      for (guint i = 0; i < others->len; i++)
        helper_wait (g_ptr_array_index (others, i));
      helper_shutdown (pool, AIOPOOL_SHUTDOWN_TERMINATE);
    }
}

int
main (int   argc,
      char *argv[])
{
  aiopool_service_enter (register_functions, NULL);
  if (argc == 2 && g_str_equal (argv[1], CLOSED_OPTION))
    return run_with_closed ();
  helper_begin (&argc, &argv);
  helper_add ("/pool/races/a-context-that-another-thread-iterates",
              test_threads_submit_for_a_context_that_another_iterates);
  helper_add ("/pool/races/a-thread-that-looks", test_no_submit_is_lost_to_a_thread_that_looks);
  helper_add ("/pool/races/a-fork-may-drop-a-pool", test_a_fork_may_drop_a_pool_that_is_at_work);
  helper_add ("/pool/races/a-worker-is-heard-of-after-its-pool",
              test_a_worker_may_be_heard_of_after_its_pool);
  helper_add ("/pool/races/a-full-worker-is-not-free",
              test_a_full_worker_is_not_taken_for_a_free_one);
  helper_add ("/pool/races/standard-descriptors-may-be-closed",
              test_standard_descriptors_may_be_closed);
  helper_add_data ("/pool/races/in-the-order-of-arrival/all-have-tried",
                   test_those_who_wait_go_in_the_order_of_arrival, GUINT_TO_POINTER (3));
  helper_add_data ("/pool/races/in-the-order-of-arrival/two-have-tried",
                   test_those_who_wait_go_in_the_order_of_arrival, GUINT_TO_POINTER (2));
  helper_add_data ("/pool/races/in-the-order-of-arrival/one-has-tried",
                   test_those_who_wait_go_in_the_order_of_arrival, GUINT_TO_POINTER (1));
  helper_add ("/pool/races/pools-go-when-their-alarms-ring", test_pools_go_when_their_alarms_ring);
  helper_add ("/pool/races/behind-a-long-one",
              test_behind_a_long_one_others_start_a_worker);
  helper_add ("/pool/races/one-who-does-not-come-forward",
              test_one_who_does_not_come_forward_holds_up_nobody);
  return helper_end ();
}
