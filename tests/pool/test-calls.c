/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/pool/helper.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* What a call does at its limits, in functions made for that. */

#define MIB (1024 * 1024)

static GVariant *
new_bytes (gsize size)
{
  gpointer data = g_malloc0 (size);

  return g_variant_new_from_data (G_VARIANT_TYPE_BYTESTRING, data, size, TRUE, g_free, data);
}

static gboolean
emit_too_much (AiopoolCall *call)
{
  g_autoptr (GError) error = NULL;

  return !aiopool_call_emit (call, new_bytes (2 * MIB), &error) &&
         g_error_matches (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_TOO_LARGE);
}

/* A partial result that is too large before each good one. */
static GVariant *
emit_badly (AiopoolCall *call,
            GVariant    *arguments,
            gpointer     user_data,
            GError     **error)
{
  for (guint i = 0; i < 20; i++)
    {
      if (!emit_too_much (call) || !aiopool_call_emit (call, new_bytes (MIB / 10), error))
        return NULL;
    }
  return g_variant_new_boolean (TRUE);
}

static gpointer
emit_in_thread (gpointer data)
{
  gboolean ok = TRUE;

  for (guint i = 0; i < 20 && ok; i++)
    ok = aiopool_call_emit (data, new_bytes (MIB / 10), NULL);
  return GINT_TO_POINTER (ok);
}

/* The same in several threads: what one does not send, others must not wait for. */
static GVariant *
emit_badly_in_threads (AiopoolCall *call,
                       GVariant    *arguments,
                       gpointer     user_data,
                       GError     **error)
{
  GThread *thread = g_thread_new ("emit", emit_in_thread, call);
  gboolean ok = TRUE;

  for (guint i = 0; i < 20 && ok; i++)
    ok = emit_too_much (call);
  ok = GPOINTER_TO_INT (g_thread_join (thread)) && ok;
  return g_variant_new_boolean (ok);
}

static GPtrArray *held; /* (owned) of AiopoolCall */

static void
hold (AiopoolCall *call,
      GVariant    *arguments,
      gpointer     user_data)
{
  if (held == NULL)
    held = g_ptr_array_new_with_free_func (g_object_unref);
  g_ptr_array_add (held, g_object_ref (call));
}

/* Answers all that are held with whether they were cancelled, of which they now hear first. */
static GVariant *
answer_held (AiopoolCall *call,
             GVariant    *arguments,
             gpointer     user_data,
             GError     **error)
{
  for (guint i = 0; i < held->len; i++)
    {
      AiopoolCall *other = g_ptr_array_index (held, i);

      aiopool_call_return_value (other, g_variant_new_boolean (aiopool_call_is_cancelled (other)));
    }
  g_ptr_array_set_size (held, 0);
  return g_variant_new_boolean (TRUE);
}

static gboolean
on_time_over (gpointer data)
{
  *(gboolean *) data = TRUE;
  return G_SOURCE_REMOVE;
}

static gint64
get_thread_time (void)
{
  struct timespec now;

  clock_gettime (CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec * G_USEC_PER_SEC + now.tv_nsec / 1000;
}

/* Iterates the main context for half a second. Returns: microseconds of work. */
static GVariant *
iterate (AiopoolCall *call,
         GVariant    *arguments,
         gpointer     user_data,
         GError     **error)
{
  gint64 start = get_thread_time ();
  gboolean is_over = FALSE;

  g_timeout_add (500, on_time_over, &is_over);
  while (!is_over)
    g_main_context_iteration (NULL, TRUE);
  return g_variant_new_int64 (get_thread_time () - start);
}

/* Descriptors 3 and up may be taken, two are free. */
static void
leave_two_descriptors (void)
{
  int first = fcntl (STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
  int second = fcntl (STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
  struct rlimit limit;

  getrlimit (RLIMIT_NOFILE, &limit);
  limit.rlim_cur = (rlim_t) second + 1;
  setrlimit (RLIMIT_NOFILE, &limit);
  close (first);
  close (second);
}

/* Three descriptors and a large value, which takes two more to be sent. */
static GVariant *
give_last_fds (AiopoolCall *call,
               GVariant    *arguments,
               gpointer     user_data,
               GError     **error)
{
  g_autoptr (GUnixFDList) list = g_unix_fd_list_new ();

  for (guint i = 0; i < 3; i++)
    {
      int fds[2];

      if (!g_unix_open_pipe (fds, FD_CLOEXEC, error) || write (fds[1], &"abc"[i], 1) != 1 ||
          g_unix_fd_list_append (list, fds[0], error) < 0)
        return NULL;
      close (fds[0]);
      close (fds[1]);
    }
  aiopool_call_set_result_fds (call, list);
  leave_two_descriptors ();
  return new_bytes (MIB);
}

static void
register_functions (AiopoolService *service,
                    gpointer        user_data)
{
  helper_register (service, user_data);
  aiopool_service_add (service, "emit-badly", emit_badly, NULL, NULL);
  aiopool_service_add (service, "emit-badly-in-threads", emit_badly_in_threads, NULL, NULL);
  aiopool_service_add (service, "give-last-fds", give_last_fds, NULL, NULL);
  aiopool_service_add (service, "answer-held", answer_held, NULL, NULL);
  aiopool_service_add (service, "iterate", iterate, NULL, NULL);
  if (g_getenv ("HELPER_ASYNC") != NULL)
    aiopool_service_add_async (service, "hold", hold, NULL, NULL);
}

static void
expect_true (AiopoolFuture *future)
{
  g_autoptr (GVariant) result = helper_collect (future);

  g_assert_true (g_variant_get_boolean (result));
}

static void
count_emit (AiopoolFuture *future,
            GVariant      *value,
            gpointer       user_data)
{
  ++*(guint *) user_data;
}

static void
test_a_partial_result_over_the_limit_is_no_debt (gconstpointer data)
{
  g_autoptr (AiopoolLauncher) launcher = aiopool_launcher_new ();
  g_autoptr (AiopoolExecutor) pool = g_object_new (AIOPOOL_TYPE_POOL, "max-workers", 1,
                                                   "launcher", launcher,
                                                   "max-result-size", (guint64) MIB, NULL);
  g_autoptr (AiopoolFuture) future = helper_submit (pool, data, NULL);
  HelperTally tally = { 0 };
  guint n_emits = 0;

  g_signal_connect (future, "emitted", G_CALLBACK (count_emit), &n_emits);
  helper_watch (future, &tally);
  helper_await_tally (&tally);
  expect_true (future);
  g_assert_cmpuint (n_emits, ==, 20);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* The last one listens from its start, so that the others have been told when it ends. */
static void
test_all_calls_of_a_worker_hear_later (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_async_pool (1, 512);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (GPtrArray) futures = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (AiopoolFuture) last = NULL;
  AiopoolTask *task = helper_gate_task (gate, "obey");

  for (guint i = 0; i < 500; i++)
    g_ptr_array_add (futures, helper_submit (pool, "hold", NULL));
  g_object_set (task, "function", "wait-for-cancel", NULL);
  last = helper_submit_task (pool, task);
  helper_gate_await (gate, 1);
  for (guint i = 0; i < futures->len; i++)
    g_assert_true (aiopool_future_cancel (g_ptr_array_index (futures, i),
                                          AIOPOOL_CANCEL_COOPERATIVE));
  g_assert_true (aiopool_future_cancel (last, AIOPOOL_CANCEL_COOPERATIVE));
  helper_expect_cancelled (last);
  g_variant_unref (helper_run (pool, "answer-held", NULL));
  for (guint i = 0; i < futures->len; i++)
    expect_true (g_ptr_array_index (futures, i));
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_the_last_descriptors_come_with_a_large_result (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "give-last-fds", NULL);
  g_autoptr (GVariant) result = helper_collect (future);
  GUnixFDList *list = aiopool_future_get_fds (future);
  int n_fds = 0;
  const int *fds;

  g_assert_cmpuint (g_variant_get_size (result), ==, MIB);
  g_assert_nonnull (list);
  fds = g_unix_fd_list_peek_fds (list, &n_fds);
  g_assert_cmpint (n_fds, ==, 3);
  for (int i = 0; i < n_fds; i++)
    {
      char byte = 0;

      g_assert_cmpint (read (fds[i], &byte, 1), ==, 1);
      g_assert_cmpint (byte, ==, "abc"[i]);
    }
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* More tasks arrive while a function waits in the main loop that it was called from. */
static void
iterate_in_a_worker (guint tasks_per_worker)
{
  g_autoptr (AiopoolExecutor) pool = helper_async_pool (1, tasks_per_worker);
  g_autoptr (GPtrArray) futures = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (AiopoolFuture) future = NULL;
  g_autoptr (GVariant) result = NULL;

  g_ptr_array_add (futures, helper_submit (pool, "echo-later", NULL));
  future = helper_submit (pool, "iterate", NULL);
  while (aiopool_future_get_state (future) != AIOPOOL_FUTURE_RUNNING)
    g_usleep (1000);
  for (guint i = 0; i < 50; i++)
    g_ptr_array_add (futures, helper_submit (pool, "echo-later", NULL));
  result = helper_collect (future);
  g_assert_cmpint (g_variant_get_int64 (result), <, G_USEC_PER_SEC / 4);
  for (guint i = 0; i < futures->len; i++)
    helper_wait (g_ptr_array_index (futures, i));
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_function_that_iterates_does_not_spin (void)
{
  iterate_in_a_worker (1);
  iterate_in_a_worker (4);
}

int
main (int   argc,
      char *argv[])
{
  aiopool_service_enter (register_functions, NULL);
  helper_begin (&argc, &argv);
  helper_add_data ("/pool/calls/a-partial-result-over-the-limit-is-no-debt",
                   test_a_partial_result_over_the_limit_is_no_debt, "emit-badly");
  helper_add_data ("/pool/calls/nor-in-another-thread",
                   test_a_partial_result_over_the_limit_is_no_debt, "emit-badly-in-threads");
  helper_add ("/pool/calls/all-of-a-worker-hear-later", test_all_calls_of_a_worker_hear_later);
  helper_add ("/pool/calls/the-last-descriptors-come-with-a-large-result",
              test_the_last_descriptors_come_with_a_large_result);
  helper_add ("/pool/calls/one-that-iterates-does-not-spin",
              test_a_function_that_iterates_does_not_spin);
  return helper_end ();
}
