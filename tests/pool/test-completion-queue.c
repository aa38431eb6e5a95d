/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/pool/helper.h"

/* A program that has no main loop of GLib: it polls the descriptor of a queue, and iterates no
 * context. */

#define N_TASKS 300

static void
await_readable (AiopoolCompletionQueue *queue)
{
  GPollFD fd = { aiopool_completion_queue_get_fd (queue), G_IO_IN, 0 };

  g_assert_cmpint (g_poll (&fd, 1, (int) (HELPER_LONG * 1000)), ==, 1);
  g_assert_cmpint (fd.revents, ==, G_IO_IN);
}

/* Waits until something has ended; the descriptor may be readable for less. */
static guint *
await_ids (AiopoolCompletionQueue *queue,
           gsize                  *n_ids)
{
  guint *ids;

  do
    {
      await_readable (queue);
      ids = aiopool_completion_queue_take (queue, n_ids);
    }
  while (ids == NULL);
  return ids;
}

static void
expect_nothing (AiopoolCompletionQueue *queue)
{
  gsize n_ids = 7;

  g_assert_null (aiopool_completion_queue_take (queue, &n_ids));
  g_assert_cmpuint (n_ids, ==, 0);
}

static void
expect_id (AiopoolCompletionQueue *queue,
           guint                   id)
{
  gsize n_ids;
  g_autofree guint *ids = await_ids (queue, &n_ids);

  g_assert_cmpuint (n_ids, ==, 1);
  g_assert_cmpuint (ids[0], ==, id);
  expect_nothing (queue);
}

static void
test_a_future_is_told_of_once (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (AiopoolCompletionQueue) queue = aiopool_completion_queue_new ();
  g_autoptr (AiopoolFuture) future = NULL;

  expect_nothing (queue);
  future = helper_submit (pool, "echo", "(u)", 1);
  expect_id (queue, aiopool_completion_queue_add (queue, future));
  g_assert_true (aiopool_future_is_done (future));
  expect_id (queue, aiopool_completion_queue_add (queue, future));
}

static void
test_many_are_told_of_together (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (2);
  g_autoptr (AiopoolCompletionQueue) queue = aiopool_completion_queue_new ();
  g_autoptr (AiopoolFuture) last = NULL;
  g_autoptr (GHashTable) known = g_hash_table_new (NULL, NULL);
  guint n_told = 0;
  gsize n_ids;

  for (guint i = 0; i < N_TASKS; i++)
    {
      g_autoptr (AiopoolTask) task = helper_task ("echo", "(u)", i);
      guint id;

      g_clear_object (&last);
      last = aiopool_completion_queue_submit (queue, pool, task, NULL, &id, NULL);
      g_assert_nonnull (last);
      g_assert_true (g_hash_table_add (known, GUINT_TO_POINTER (id)));
    }
  while (n_told < N_TASKS)
    {
      g_autofree guint *ids = await_ids (queue, &n_ids);

      for (gsize i = 0; i < n_ids; i++)
        g_assert_true (g_hash_table_remove (known, GUINT_TO_POINTER (ids[i])));
      n_told += (guint) n_ids;
    }
  expect_nothing (queue);
}

static void
test_what_was_removed_is_not_told_of (void)
{
  g_autoptr (AiopoolCompletionQueue) queue = aiopool_completion_queue_new ();
  g_autoptr (AiopoolPromise) promise = aiopool_promise_new (NULL);
  g_autoptr (AiopoolFuture) future = aiopool_promise_get_future (promise);
  guint before = aiopool_completion_queue_add (queue, future);
  guint after = aiopool_completion_queue_add (queue, future);
  guint kept = aiopool_completion_queue_add (queue, future);

  g_assert_true (aiopool_completion_queue_remove (queue, before));
  g_assert_false (aiopool_completion_queue_remove (queue, before));
  g_assert_true (aiopool_promise_resolve (promise, g_variant_new ("()")));
  g_assert_true (aiopool_completion_queue_remove (queue, after));
  expect_id (queue, kept);
  g_assert_false (aiopool_completion_queue_remove (queue, kept));
}

static void
test_a_refused_task_has_no_id (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (AiopoolCompletionQueue) queue = aiopool_completion_queue_new ();
  g_autoptr (AiopoolTask) task = helper_task ("echo", "(u)", 1);
  g_autoptr (GError) error = NULL;
  guint id = 7;

  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  g_assert_null (aiopool_completion_queue_submit (queue, pool, task, NULL, &id, &error));
  g_assert_error (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_CLOSED);
  g_assert_cmpuint (id, ==, 0);
}

static void
on_done (AiopoolFuture *future,
         gpointer       thread)
{
  *(GThread **) thread = g_thread_self ();
}

static void
test_signals_come_within_take (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (AiopoolCompletionQueue) queue = aiopool_completion_queue_new ();
  g_autoptr (AiopoolTask) task = helper_task ("echo", "(u)", 1);
  g_autoptr (AiopoolFuture) future = NULL;
  GThread *thread = NULL;
  guint id;

  future = aiopool_completion_queue_submit (queue, pool, task, NULL, &id, NULL);
  g_assert_nonnull (future);
  g_signal_connect (future, "done", G_CALLBACK (on_done), &thread);
  helper_wait (future);
  g_assert_null (thread);
  expect_id (queue, id);
  while (thread == NULL)
    {
      await_readable (queue);
      expect_nothing (queue);
    }
  g_assert_true (thread == g_thread_self ());
}

static void
on_done_listen (AiopoolFuture *future,
                gpointer       thread)
{
  aiopool_future_add_done_callback (future, on_done, thread, NULL);
}

static void
test_what_a_callback_starts_comes_within_take (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (AiopoolCompletionQueue) queue = aiopool_completion_queue_new ();
  g_autoptr (AiopoolTask) task = helper_task ("echo", "(u)", 1);
  g_autoptr (AiopoolFuture) future = NULL;
  GThread *thread = NULL;
  guint id;

  future = aiopool_completion_queue_submit (queue, pool, task, NULL, &id, NULL);
  g_signal_connect (future, "done", G_CALLBACK (on_done_listen), &thread);
  expect_id (queue, id);
  while (thread == NULL)
    {
      await_readable (queue);
      expect_nothing (queue);
    }
  g_assert_true (thread == g_thread_self ());
}

static void
on_returned (GObject      *object,
             GAsyncResult *result,
             gpointer      data)
{
  *(gboolean *) data = g_task_propagate_boolean (G_TASK (result), NULL);
}

/* As what GIO ends, it comes by a source that this thread attaches itself. */
static void
test_what_ends_in_this_thread_comes_within_take (void)
{
  g_autoptr (AiopoolCompletionQueue) queue = aiopool_completion_queue_new ();
  GMainContext *context = aiopool_completion_queue_get_context (queue);
  g_autoptr (GTask) task = NULL;
  gboolean has_ended = FALSE;

  g_main_context_push_thread_default (context);
  task = g_task_new (NULL, NULL, on_returned, &has_ended);
  g_main_context_pop_thread_default (context);
  g_task_return_boolean (task, TRUE);
  await_readable (queue);
  expect_nothing (queue);
  g_assert_true (has_ended);
}

/* With what it waits for before the end, after it, and told of but not taken. */
static void
test_a_queue_may_go_first (void)
{
  AiopoolCompletionQueue *queue = aiopool_completion_queue_new ();
  g_autoptr (AiopoolPromise) promise = aiopool_promise_new (NULL);
  g_autoptr (AiopoolPromise) kept = aiopool_promise_new (NULL);
  g_autoptr (AiopoolFuture) pending = aiopool_promise_get_future (promise);
  g_autoptr (AiopoolFuture) ended = aiopool_promise_get_future (kept);

  aiopool_completion_queue_add (queue, pending);
  aiopool_completion_queue_add (queue, ended);
  aiopool_completion_queue_add (queue, ended);
  g_assert_true (aiopool_promise_resolve (kept, g_variant_new ("()")));
  g_object_unref (queue);
  g_assert_true (aiopool_promise_resolve (promise, g_variant_new ("()")));
  helper_wait (pending);
}

int
main (int   argc,
      char *argv[])
{
  helper_begin (&argc, &argv);
  helper_add ("/pool/completion-queue/told-of-once", test_a_future_is_told_of_once);
  helper_add ("/pool/completion-queue/many-together", test_many_are_told_of_together);
  helper_add ("/pool/completion-queue/removed", test_what_was_removed_is_not_told_of);
  helper_add ("/pool/completion-queue/refused", test_a_refused_task_has_no_id);
  helper_add ("/pool/completion-queue/signals", test_signals_come_within_take);
  helper_add ("/pool/completion-queue/callback-starts",
              test_what_a_callback_starts_comes_within_take);
  helper_add ("/pool/completion-queue/ended-here",
              test_what_ends_in_this_thread_comes_within_take);
  helper_add ("/pool/completion-queue/goes-first", test_a_queue_may_go_first);
  return helper_end ();
}
