/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/pool/helper-batch.h"

/* Where items come from: how far ahead they are taken, and how a source ends. */

typedef struct
{
  guint    n_pulled;
  guint    n_items;  /* 0 for no end */
  gboolean fails;    /* at the end */
  gboolean is_silent; /* about the end, as one that raised an exception */
  GThread *thread;   /* that pulls */
} Counter;

static GVariant *
count_up (AiopoolSource  *source,
          gpointer        user_data,
          GError        **error)
{
  Counter *counter = user_data;

  counter->thread = g_thread_self ();
  if (counter->n_items == 0 || counter->n_pulled < counter->n_items)
    return g_variant_new ("(su)", "echo", counter->n_pulled++);
  if (counter->fails)
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE, "no more");
  else if (!counter->is_silent)
    aiopool_source_end (source);
  return NULL;
}

static AiopoolBatch *
new_counting (const BatchKind *kind,
              AiopoolExecutor *executor,
              Counter         *counter)
{
  g_autoptr (AiopoolSource) source = aiopool_source_new_for_callback (count_up, counter, NULL);
  g_autoptr (AiopoolTask) task = batch_task (NULL, NULL);

  return batch_new (kind, executor, task, source);
}

static void
test_an_endless_source_is_pulled_as_it_is_read (gconstpointer data)
{
  const BatchKind *kind = data;
  g_autoptr (AiopoolExecutor) executor = batch_executor (kind);
  Counter counter = { 0 };
  g_autoptr (AiopoolBatch) batch = new_counting (kind, executor, &counter);
  guint ahead = MAX (kind->chunk_size, 1);

  aiopool_batch_set_window (batch, 4);
  if (kind->chunk_size == 0)
    aiopool_batch_set_backlog (batch, 16);
  g_assert_cmpint (aiopool_batch_get_n_total (batch), ==, -1);
  for (guint i = 0; i < 200; i++)
    {
      g_autoptr (AiopoolFuture) future = batch_next (batch);

      g_assert_cmpuint (batch_number (future), ==, i);
      if (kind->chunk_size > 0) /* window and backlog, and each of both a chunk over */
        g_assert_cmpuint (counter.n_pulled - i, <=, 10 * ahead);
    }
  g_assert_cmpfloat (aiopool_batch_get_progress (batch), ==, 0);
  g_assert_cmpfloat (aiopool_batch_get_time_left (batch), ==, -1);
  g_assert_true (counter.thread == g_thread_self ());
  g_clear_object (&batch);
  helper_shutdown (executor, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_function_is_asked_until_it_ends (gconstpointer data)
{
  g_autoptr (AiopoolExecutor) executor = batch_executor (data);
  Counter counter = { .n_items = 50 };
  g_autoptr (AiopoolBatch) batch = new_counting (data, executor, &counter);

  for (guint i = 0; i < 50; i++)
    {
      g_autoptr (AiopoolFuture) future = batch_next (batch);
      guint number;

      g_assert_cmpuint (batch_number (future), ==, i);
      g_variant_get (aiopool_task_get_arguments (aiopool_future_get_task (future)), "(&su)", NULL,
                     &number);
      g_assert_cmpuint (number, ==, i);
    }
  batch_expect_end (batch);
  g_assert_cmpint (aiopool_batch_get_n_total (batch), ==, 50);
  helper_shutdown (executor, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_source_that_fails_ends_the_batch_behind_its_items (gconstpointer data)
{
  g_autoptr (AiopoolExecutor) executor = batch_executor (data);
  Counter counter = { .n_items = 10, .fails = TRUE };
  g_autoptr (AiopoolBatch) batch = new_counting (data, executor, &counter);
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < 10; i++)
    {
      g_autoptr (AiopoolFuture) future = batch_next (batch);

      g_assert_cmpuint (batch_number (future), ==, i);
    }
  batch_expect_error (batch, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE);
  g_assert_cmpint (aiopool_batch_get_state (batch), ==, AIOPOOL_FUTURE_FAILED);
  g_assert_null (aiopool_batch_collect_all (batch, 0, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE);
  helper_shutdown (executor, AIOPOOL_SHUTDOWN_DRAIN);
}

/* As a function in another language that raises an exception. */
static void
test_a_source_that_gives_nothing_and_is_not_over_fails (gconstpointer data)
{
  g_autoptr (AiopoolExecutor) executor = batch_executor (data);
  Counter counter = { .n_items = 1, .is_silent = TRUE };
  g_autoptr (AiopoolBatch) batch = new_counting (data, executor, &counter);
  g_autoptr (AiopoolFuture) future = batch_next (batch);

  g_assert_cmpuint (batch_number (future), ==, 0);
  batch_expect_error (batch, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_FAILED);
  helper_shutdown (executor, AIOPOOL_SHUTDOWN_DRAIN);
}

/* The home context is iterated here while another thread reads. */
static gpointer
drain_in_thread (gpointer batch)
{
  guint n = batch_drain (batch);

  g_main_context_wakeup (NULL);
  return GUINT_TO_POINTER (n);
}

static void
test_a_function_is_asked_at_home_for_other_threads (gconstpointer data)
{
  g_autoptr (AiopoolExecutor) executor = batch_executor (data);
  Counter counter = { .n_items = 50 };
  g_autoptr (AiopoolBatch) batch = new_counting (data, executor, &counter);
  GThread *thread = g_thread_new ("reader", drain_in_thread, batch);

  while (aiopool_batch_get_state (batch) < AIOPOOL_FUTURE_DONE)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (GPOINTER_TO_UINT (g_thread_join (thread)), ==, 50);
  g_assert_true (counter.thread == g_thread_self ());
  helper_shutdown (executor, AIOPOOL_SHUTDOWN_DRAIN);
}

typedef struct
{
  AiopoolSource *source;
  guint          n_pushed;
  guint          n_wanted;
  guint          n_ends;  /* nothing is wanted any more */
  GThread       *thread;  /* (owned) (nullable) */
} Pusher;

static void
on_wanted (AiopoolSource *source,
           guint          n_items,
           gpointer       user_data)
{
  Pusher *pusher = user_data;

  pusher->n_wanted += n_items;
  pusher->n_ends += n_items == 0;
}

static gpointer
push_slowly (gpointer data)
{
  Pusher *pusher = data;

  for (; pusher->n_pushed < 40; pusher->n_pushed++)
    {
      g_assert_true (aiopool_source_push (pusher->source,
                                          g_variant_new ("(su)", "echo", pusher->n_pushed)));
      g_usleep (200);
    }
  aiopool_source_end (pusher->source);
  g_assert_false (aiopool_source_push (pusher->source, g_variant_new ("(su)", "echo", 0)));
  return NULL;
}

/* Not before: a thread that pushes might be done by then. */
static void
push_when_wanted (AiopoolSource *source,
                  guint          n_items,
                  gpointer       user_data)
{
  Pusher *pusher = user_data;

  on_wanted (source, n_items, user_data);
  if (pusher->thread == NULL)
    pusher->thread = g_thread_new ("pusher", push_slowly, pusher);
}

static void
test_a_slow_source_is_waited_for (gconstpointer data)
{
  g_autoptr (AiopoolExecutor) executor = batch_executor (data);
  Pusher pusher = { 0 };
  g_autoptr (AiopoolSource) source = aiopool_source_new_pushed (push_when_wanted, &pusher, NULL);
  g_autoptr (AiopoolTask) task = batch_task (NULL, NULL);
  g_autoptr (AiopoolBatch) batch = batch_new (data, executor, task, source);

  pusher.source = source;
  for (guint i = 0; i < 40; i++)
    {
      g_autoptr (AiopoolFuture) future = batch_next (batch);

      g_assert_cmpuint (batch_number (future), ==, i);
    }
  batch_expect_end (batch);
  g_thread_join (pusher.thread);
  g_assert_cmpuint (pusher.n_wanted, >, 0);
  g_assert_cmpuint (pusher.n_ends, ==, 0);
  helper_shutdown (executor, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
push_wanted (AiopoolSource *source,
             guint          n_items,
             gpointer       user_data)
{
  Pusher *pusher = user_data;

  pusher->n_ends += n_items == 0;
  for (guint i = 0; i < n_items; i++)
    aiopool_source_push (source, g_variant_new ("(su)", "echo", pusher->n_pushed++));
}

static void
test_who_pushes_is_told_what_is_wanted_and_when_nothing_is (gconstpointer data)
{
  g_autoptr (AiopoolExecutor) executor = batch_executor (data);
  Pusher pusher = { 0 };
  g_autoptr (AiopoolSource) source = aiopool_source_new_pushed (push_wanted, &pusher, NULL);
  g_autoptr (AiopoolTask) task = batch_task (NULL, NULL);
  g_autoptr (AiopoolBatch) batch = batch_new (data, executor, task, source);

  for (guint i = 0; i < 100; i++)
    {
      g_autoptr (AiopoolFuture) future = batch_next (batch);

      g_assert_cmpuint (batch_number (future), ==, i);
    }
  g_clear_object (&batch);
  while (pusher.n_ends == 0)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (pusher.n_ends, ==, 1);
  g_assert_false (aiopool_source_push (source, g_variant_new ("(su)", "echo", 0)));
  helper_shutdown (executor, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_tasks_are_items_too (gconstpointer data)
{
  g_autoptr (AiopoolExecutor) executor = batch_executor (data);
  g_autoptr (AiopoolSource) source = aiopool_source_new_pushed (NULL, NULL, NULL);
  g_autoptr (AiopoolTask) template = batch_task (NULL, NULL);
  g_autoptr (AiopoolTask) task = aiopool_task_new ("echo", g_variant_new ("(s)", "of its own"));
  g_autoptr (AiopoolBatch) batch = batch_new (data, executor, template, source);
  g_autoptr (AiopoolFuture) first = NULL;
  g_autoptr (AiopoolFuture) second = NULL;
  g_autoptr (AiopoolFuture) third = NULL;

  aiopool_source_push (source, g_variant_new ("(su)", "echo", 0));
  aiopool_source_push_task (source, task);
  aiopool_source_push (source, g_variant_new ("(su)", "echo", 2));
  aiopool_source_end (source);
  first = batch_next (batch);
  second = batch_next (batch);
  third = batch_next (batch);
  batch_expect_end (batch);
  g_assert_cmpuint (batch_number (first), ==, 0);
  g_assert_true (aiopool_future_get_task (second) == task);
  g_assert_cmpuint (aiopool_future_get_position (second), ==, 1);
  g_assert_cmpuint (batch_number (third), ==, 2);
  helper_shutdown (executor, AIOPOOL_SHUTDOWN_DRAIN);
}

static GVariant *
number_of (GObject   *object,
           gpointer   user_data,
           GError   **error)
{
  return g_variant_new ("(su)", "echo", GPOINTER_TO_UINT (g_object_get_data (object, "number")));
}

static void
insert_number (GListStore *list,
               guint       position,
               guint       number)
{
  g_autoptr (GObject) object = g_object_new (G_TYPE_OBJECT, NULL);

  g_object_set_data (object, "number", GUINT_TO_POINTER (number));
  g_list_store_insert (list, position, object);
}

/* What is read: 0 1 2 3 | 4 5 6 7, with a change after the first four. */
static void
expect_after_change (const BatchKind *kind,
                     void           (*change) (GListStore *list),
                     const guint     *expected,
                     guint            n)
{
  g_autoptr (AiopoolExecutor) executor = helper_threads_new (1, 0);
  g_autoptr (GListStore) list = g_list_store_new (G_TYPE_OBJECT);
  g_autoptr (AiopoolSource) source = aiopool_source_new_for_list (G_LIST_MODEL (list), number_of,
                                                                  NULL, NULL);
  g_autoptr (AiopoolTask) task = batch_task (NULL, NULL);
  g_autoptr (AiopoolBatch) batch = batch_new (kind, executor, task, source);

  for (guint i = 0; i < 8; i++)
    insert_number (list, i, i);
  aiopool_batch_set_window (batch, 1);
  aiopool_batch_set_backlog (batch, 1);
  for (guint i = 0; i < n; i++)
    {
      g_autoptr (AiopoolFuture) future = batch_next (batch);

      g_assert_cmpuint (batch_number (future), ==, expected[i]);
      if (i == 2) /* one more is under way, or has ended */
        change (list);
    }
  batch_expect_end (batch);
  helper_shutdown (executor, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
change_nothing (GListStore *list)
{
}

static void
change_before (GListStore *list)
{
  g_list_store_remove (list, 0);
  insert_number (list, 0, 90);
  insert_number (list, 0, 91);
}

static void
change_behind (GListStore *list)
{
  g_list_store_remove (list, 7);
  insert_number (list, 6, 90);
}

static void
remove_all (GListStore *list)
{
  g_list_store_remove_all (list);
}

static void
test_a_list_that_changes_is_read_once_each (gconstpointer data)
{
  static const guint all[] = { 0, 1, 2, 3, 4, 5, 6, 7 };
  static const guint with_new[] = { 0, 1, 2, 3, 4, 5, 90, 6 };

  if (((const BatchKind *) data)->is_pool) /* it does not matter who runs it */
    return;
  expect_after_change (data, change_nothing, all, 8);
  expect_after_change (data, change_before, all, 8);
  expect_after_change (data, change_behind, with_new, 8);
  expect_after_change (data, remove_all, all, 4);
}

static void
test_a_list_of_tasks_needs_no_function (gconstpointer data)
{
  g_autoptr (AiopoolExecutor) executor = batch_executor (data);
  g_autoptr (GListStore) list = g_list_store_new (AIOPOOL_TYPE_TASK);
  g_autoptr (AiopoolSource) source = aiopool_source_new_for_list (G_LIST_MODEL (list), NULL, NULL,
                                                                  NULL);
  g_autoptr (AiopoolBatch) batch = aiopool_batch_new (executor, NULL, source);
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) results = NULL;

  for (guint i = 0; i < 20; i++)
    {
      g_autoptr (AiopoolTask) task = aiopool_task_new ("echo", g_variant_new ("(u)", i));

      g_list_store_append (list, task);
    }
  results = aiopool_batch_collect_all (batch, HELPER_LONG, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (g_variant_n_children (results), ==, 20);
  helper_shutdown (executor, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_source_is_for_one_batch (gconstpointer data)
{
  g_autoptr (AiopoolExecutor) executor = batch_executor (data);
  g_autoptr (AiopoolSource) source = aiopool_source_new_for_array (batch_items ("echo", 3));
  g_autoptr (AiopoolTask) task = batch_task (NULL, NULL);
  g_autoptr (AiopoolBatch) first = batch_new (data, executor, task, source);
  g_autoptr (AiopoolBatch) second = batch_new (data, executor, task, source);

  g_assert_cmpuint (batch_drain (first), ==, 3);
  batch_expect_error (second, G_IO_ERROR, G_IO_ERROR_BUSY);
  helper_shutdown (executor, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_items_need_a_function (gconstpointer data)
{
  const BatchKind *kind = data;
  g_autoptr (AiopoolExecutor) executor = batch_executor (data);
  g_autoptr (AiopoolSource) source = aiopool_source_new_for_array (batch_items ("echo", 3));
  g_autoptr (AiopoolBatch) batch = aiopool_batch_new (executor, NULL, source);

  if (kind->is_pool)
    {
      g_autoptr (AiopoolFuture) future = batch_next (batch);

      helper_expect_error (future, AIOPOOL_TASK_ERROR,
                           AIOPOOL_TASK_ERROR_UNKNOWN_FUNCTION);
    }
  helper_shutdown (executor, AIOPOOL_SHUTDOWN_DRAIN);
}

int
main (int    argc,
      char **argv)
{
  helper_begin (&argc, &argv);
  batch_add ("an-endless-source-is-pulled-as-it-is-read",
             test_an_endless_source_is_pulled_as_it_is_read);
  batch_add ("a-function-is-asked-until-it-ends", test_a_function_is_asked_until_it_ends);
  batch_add ("a-source-that-gives-nothing-and-is-not-over-fails",
             test_a_source_that_gives_nothing_and_is_not_over_fails);
  batch_add ("a-source-that-fails-ends-the-batch-behind-its-items",
             test_a_source_that_fails_ends_the_batch_behind_its_items);
  batch_add ("a-function-is-asked-at-home-for-other-threads",
             test_a_function_is_asked_at_home_for_other_threads);
  batch_add ("a-slow-source-is-waited-for", test_a_slow_source_is_waited_for);
  batch_add ("who-pushes-is-told-what-is-wanted-and-when-nothing-is",
             test_who_pushes_is_told_what_is_wanted_and_when_nothing_is);
  batch_add ("tasks-are-items-too", test_tasks_are_items_too);
  batch_add ("a-list-that-changes-is-read-once-each", test_a_list_that_changes_is_read_once_each);
  batch_add ("a-list-of-tasks-needs-no-function", test_a_list_of_tasks_needs_no_function);
  batch_add ("a-source-is-for-one-batch", test_a_source_is_for_one_batch);
  batch_add ("items-need-a-function", test_items_need_a_function);
  return helper_end ();
}
