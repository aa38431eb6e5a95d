/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/pool/helper.h"

/* Several futures together: as they end, in order, all, any, the first error. */

typedef struct
{
  AiopoolFutureSet *set;         /* (owned) */
  AiopoolPromise   *promises[8]; /* (owned) */
} Fixture;

static AiopoolFuture *
future_of (Fixture *self,
           guint    index)
{
  return aiopool_promise_get_future (self->promises[index]);
}

static void
open_promises (Fixture *self,
               guint    n)
{
  *self = (Fixture) { .set = aiopool_future_set_new () };
  for (guint i = 0; i < n; i++)
    {
      self->promises[i] = aiopool_promise_new (NULL);
      g_assert_true (aiopool_future_set_add (self->set, future_of (self, i)));
    }
}

static void
close_promises (Fixture *self)
{
  g_object_unref (self->set);
  for (guint i = 0; i < G_N_ELEMENTS (self->promises); i++)
    g_clear_object (&self->promises[i]);
}

static void
keep (Fixture *self,
      guint    index)
{
  g_assert_true (aiopool_promise_resolve (self->promises[index], g_variant_new_uint32 (index)));
}

static void
fail (Fixture *self,
      guint    index)
{
  g_autoptr (GError) error = g_error_new (G_IO_ERROR, G_IO_ERROR_BUSY, "number %u", index);

  g_assert_true (aiopool_promise_reject (self->promises[index], error));
}

static void
expect_next (AiopoolFutureSet *set,
             AiopoolFuture    *expected)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (AiopoolFuture) future = aiopool_future_set_next (set, HELPER_LONG, NULL, &error);

  g_assert_no_error (error);
  g_assert_true (future == expected);
}

static void
expect_no_next (AiopoolFutureSet *set,
                double            timeout,
                GQuark            domain,
                int               code)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (aiopool_future_set_next (set, timeout, NULL, &error));
  g_assert_error (error, domain, code);
}

static void
expect_counts (AiopoolFutureSet *set,
               guint             n_pending,
               guint             n_done)
{
  g_assert_cmpuint (aiopool_future_set_get_n_pending (set), ==, n_pending);
  g_assert_cmpuint (aiopool_future_set_get_n_done (set), ==, n_done);
}

static void
test_an_empty_set_gives_nothing_at_once (void)
{
  g_autoptr (AiopoolFutureSet) set = aiopool_future_set_new ();
  g_autoptr (GListModel) batch = NULL;
  g_autoptr (GVariant) results = NULL;
  g_autoptr (GError) error = NULL;

  expect_next (set, NULL);
  batch = aiopool_future_set_next_batch (set, 0, -1, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (g_list_model_get_n_items (batch), ==, 0);
  for (AiopoolWaitMode mode = AIOPOOL_WAIT_ALL; mode <= AIOPOOL_WAIT_FIRST_ERROR; mode++)
    g_assert_true (aiopool_future_set_wait (set, mode, -1, NULL, NULL));
  results = aiopool_future_set_collect_all (set, -1, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (g_variant_get_type_string (results), ==, "av");
  g_assert_cmpuint (g_variant_n_children (results), ==, 0);
  g_assert_cmpuint (aiopool_future_set_cancel (set, AIOPOOL_CANCEL_FORCE), ==, 0);
}

static void
test_futures_come_as_they_end (void)
{
  Fixture fixture;

  open_promises (&fixture, 4);
  expect_counts (fixture.set, 4, 0);
  keep (&fixture, 2);
  fail (&fixture, 0);
  expect_counts (fixture.set, 2, 2);
  expect_next (fixture.set, future_of (&fixture, 2));
  expect_next (fixture.set, future_of (&fixture, 0));
  expect_no_next (fixture.set, 0, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  keep (&fixture, 3);
  keep (&fixture, 1);
  expect_next (fixture.set, future_of (&fixture, 3));
  expect_next (fixture.set, future_of (&fixture, 1));
  expect_next (fixture.set, NULL);
  expect_counts (fixture.set, 0, 0);
  close_promises (&fixture);
}

static void
test_in_order_the_first_holds_up_the_others (void)
{
  Fixture fixture;

  open_promises (&fixture, 3);
  aiopool_future_set_set_ordered (fixture.set, TRUE);
  g_assert_true (aiopool_future_set_get_ordered (fixture.set));
  keep (&fixture, 2);
  keep (&fixture, 1);
  expect_no_next (fixture.set, 0.01, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  keep (&fixture, 0);
  for (guint i = 0; i < 3; i++)
    expect_next (fixture.set, future_of (&fixture, i));
  expect_next (fixture.set, NULL);
  close_promises (&fixture);
}

static void
test_a_batch_is_all_that_have_ended (void)
{
  g_autoptr (GListModel) first = NULL;
  g_autoptr (GListModel) rest = NULL;
  Fixture fixture;

  open_promises (&fixture, 4);
  for (guint i = 0; i < 3; i++)
    keep (&fixture, i);
  first = aiopool_future_set_next_batch (fixture.set, 2, -1, NULL, NULL);
  g_assert_cmpuint (g_list_model_get_n_items (first), ==, 2);
  rest = aiopool_future_set_next_batch (fixture.set, 0, -1, NULL, NULL);
  g_assert_cmpuint (g_list_model_get_n_items (rest), ==, 1);
  expect_counts (fixture.set, 1, 0);
  close_promises (&fixture);
}

static void
test_a_future_is_in_a_set_once (void)
{
  Fixture fixture;

  open_promises (&fixture, 2);
  g_assert_false (aiopool_future_set_add (fixture.set, future_of (&fixture, 0)));
  keep (&fixture, 0);
  g_assert_false (aiopool_future_set_add (fixture.set, future_of (&fixture, 0)));
  expect_next (fixture.set, future_of (&fixture, 0));
  g_assert_true (aiopool_future_set_add (fixture.set, future_of (&fixture, 0)));
  expect_next (fixture.set, future_of (&fixture, 0));
  g_assert_false (aiopool_future_set_remove (fixture.set, future_of (&fixture, 0)));
  g_assert_true (aiopool_future_set_remove (fixture.set, future_of (&fixture, 1)));
  expect_next (fixture.set, NULL);
  keep (&fixture, 1);
  expect_next (fixture.set, NULL);
  close_promises (&fixture);
}

static void
test_one_future_may_be_in_many_sets (void)
{
  g_autoptr (AiopoolPromise) promise = aiopool_promise_new (NULL);
  AiopoolFuture *future = aiopool_promise_get_future (promise);
  AiopoolFutureSet *sets[20];

  for (guint i = 0; i < G_N_ELEMENTS (sets); i++)
    sets[i] = aiopool_future_set_new_for (&future, 1);
  for (guint i = 0; i < G_N_ELEMENTS (sets); i += 3)
    g_clear_object (&sets[i]);
  aiopool_promise_resolve (promise, g_variant_new_uint32 (1));
  for (guint i = 0; i < G_N_ELEMENTS (sets); i++)
    if (sets[i] != NULL)
      expect_next (sets[i], future);
  for (guint i = 0; i < G_N_ELEMENTS (sets); i++)
    g_clear_object (&sets[i]);
}

static gboolean
wait_for (AiopoolFutureSet *set,
          AiopoolWaitMode   mode)
{
  g_autoptr (GError) error = NULL;
  gboolean result = aiopool_future_set_wait (set, mode, 0, NULL, &error);

  if (result)
    g_assert_no_error (error);
  else
    g_assert_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  return result;
}

static void
test_waits_for_all_any_and_the_first_error (void)
{
  Fixture fixture;

  open_promises (&fixture, 3);
  g_assert_false (wait_for (fixture.set, AIOPOOL_WAIT_ANY));
  keep (&fixture, 0);
  g_assert_true (wait_for (fixture.set, AIOPOOL_WAIT_ANY));
  g_assert_false (wait_for (fixture.set, AIOPOOL_WAIT_FIRST_ERROR));
  fail (&fixture, 1);
  g_assert_true (wait_for (fixture.set, AIOPOOL_WAIT_FIRST_ERROR));
  g_assert_false (wait_for (fixture.set, AIOPOOL_WAIT_ALL));
  g_assert_true (aiopool_future_set_remove (fixture.set, future_of (&fixture, 1)));
  g_assert_false (wait_for (fixture.set, AIOPOOL_WAIT_FIRST_ERROR));
  keep (&fixture, 2);
  g_assert_true (wait_for (fixture.set, AIOPOOL_WAIT_FIRST_ERROR));
  g_assert_true (wait_for (fixture.set, AIOPOOL_WAIT_ALL));
  close_promises (&fixture);
}

static void
test_collect_all_keeps_the_order (void)
{
  g_autoptr (GVariant) results = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  Fixture fixture;

  open_promises (&fixture, 3);
  for (guint i = 3; i > 0; i--)
    keep (&fixture, i - 1);
  results = aiopool_future_set_collect_all (fixture.set, -1, NULL, &error);
  g_assert_no_error (error);
  text = g_variant_print (results, FALSE);
  g_assert_cmpstr (text, ==, "[<uint32 0>, <uint32 1>, <uint32 2>]");
  expect_counts (fixture.set, 0, 3);
  close_promises (&fixture);
}

static void
test_collect_all_fails_with_the_first_error (void)
{
  g_autoptr (GError) error = NULL;
  Fixture fixture;

  open_promises (&fixture, 4);
  keep (&fixture, 0);
  fail (&fixture, 2);
  fail (&fixture, 1);
  g_assert_null (aiopool_future_set_collect_all (fixture.set, -1, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_BUSY);
  g_assert_cmpstr (error->message, ==, "number 1");
  close_promises (&fixture);
}

static void
test_cancel_leaves_what_has_ended (void)
{
  Fixture fixture;

  open_promises (&fixture, 3);
  keep (&fixture, 1);
  g_assert_cmpuint (aiopool_future_set_cancel (fixture.set, AIOPOOL_CANCEL_FORCE), ==, 2);
  expect_counts (fixture.set, 0, 3);
  helper_expect_cancelled (future_of (&fixture, 0));
  helper_expect_cancelled (future_of (&fixture, 2));
  g_assert_cmpint (aiopool_future_get_state (future_of (&fixture, 1)), ==, AIOPOOL_FUTURE_DONE);
  close_promises (&fixture);
}

static gpointer
cancel_soon (gpointer data)
{
  g_cancellable_cancel (data);
  return NULL;
}

static void
test_a_cancelled_wait_leaves_the_set_alone (void)
{
  Fixture fixture;

  open_promises (&fixture, 2);
  for (guint i = 0; i < helper_rounds (50); i++)
    {
      g_autoptr (GCancellable) cancellable = g_cancellable_new ();
      g_autoptr (GError) error = NULL;
      GThread *thread = g_thread_new ("canceller", cancel_soon, cancellable);

      g_assert_null (aiopool_future_set_next (fixture.set, -1, cancellable, &error));
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
      g_thread_join (thread);
    }
  expect_counts (fixture.set, 2, 0);
  g_assert_false (aiopool_future_is_done (future_of (&fixture, 0)));
  close_promises (&fixture);
}

static void
test_what_needs_this_context_would_block (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (AiopoolFuture) task = NULL;
  g_autoptr (GError) error = NULL;
  Fixture fixture;

  open_promises (&fixture, 2);
  aiopool_promise_set_context (fixture.promises[0], g_main_context_default ());
  aiopool_promise_set_context (fixture.promises[1], g_main_context_default ());
  expect_no_next (fixture.set, -1, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_WOULD_BLOCK);
  expect_no_next (fixture.set, 0, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  task = helper_submit (pool, "echo", "(u)", 1);
  aiopool_future_set_add (fixture.set, task);
  g_assert_false (aiopool_future_set_wait (fixture.set, AIOPOOL_WAIT_ALL, -1, NULL, &error));
  g_assert_error (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_WOULD_BLOCK);
  g_clear_error (&error);
  g_assert_null (aiopool_future_set_collect_all (fixture.set, -1, NULL, &error));
  g_assert_error (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_WOULD_BLOCK);
  g_clear_error (&error);
  g_assert_false (aiopool_future_set_wait (fixture.set, AIOPOOL_WAIT_FIRST_ERROR, -1, NULL,
                                           &error));
  g_assert_error (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_WOULD_BLOCK);
  expect_next (fixture.set, task);
  expect_no_next (fixture.set, -1, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_WOULD_BLOCK);
  aiopool_promise_set_context (fixture.promises[1], NULL);
  expect_no_next (fixture.set, 0.01, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  aiopool_future_set_set_ordered (fixture.set, TRUE);
  expect_no_next (fixture.set, -1, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_WOULD_BLOCK);
  close_promises (&fixture);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_tasks_are_drained_without_a_main_loop (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (2);
  g_autoptr (AiopoolFutureSet) set = aiopool_future_set_new ();
  guint seen[200] = { 0 };
  AiopoolFuture *future;

  for (guint i = 0; i < 100; i++)
    {
      g_autoptr (AiopoolFuture) task = helper_submit (pool, "echo", "(u)", i);

      g_assert_true (aiopool_future_set_add (set, task));
    }
  for (guint i = 100; (future = aiopool_future_set_next (set, -1, NULL, NULL)) != NULL; i++)
    {
      g_autoptr (GVariant) result = helper_collect (future);
      guint32 number;

      g_variant_get (result, "(u)", &number);
      seen[number]++;
      g_object_unref (future);
      if (i >= 200)
        continue;
      future = helper_submit (pool, "echo", "(u)", i); /* added while it is drained */
      g_assert_true (aiopool_future_set_add (set, future));
      g_object_unref (future);
    }
  for (guint i = 0; i < 200; i++)
    g_assert_cmpuint (seen[i], ==, 1);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_dropped_set_leaves_its_tasks_alone (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  AiopoolFuture *futures[2];

  futures[0] = helper_gate_submit (gate, pool, "deaf");
  futures[1] = helper_submit (pool, "echo", NULL);
  g_object_unref (aiopool_future_set_new_for (futures, 2));
  helper_gate_open (gate);
  for (guint i = 0; i < 2; i++)
    {
      helper_wait (futures[i]);
      g_assert_cmpint (aiopool_future_get_state (futures[i]), ==, AIOPOOL_FUTURE_DONE);
      g_object_unref (futures[i]);
    }
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* Needs 2 MiB of credit in all, and nobody iterates the context that gives it. */
static void
test_a_wait_starves_no_task_of_the_set (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (AiopoolFutureSet) set = aiopool_future_set_new ();
  g_autoptr (AiopoolFuture) chatty = helper_submit (pool, "emit", "(uu)", 32, 65536);
  g_autoptr (AiopoolFuture) quiet = helper_submit (pool, "echo", NULL);
  g_autoptr (GError) error = NULL;

  aiopool_future_set_add (set, quiet);
  aiopool_future_set_add (set, chatty);
  g_assert_true (aiopool_future_set_wait (set, AIOPOOL_WAIT_ALL, HELPER_LONG, NULL, &error));
  g_assert_no_error (error);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* The list */

typedef struct
{
  GListModel *model;
  guint       n_items;
  guint       n_changes;
} View;

static void
on_items_changed (GListModel *model,
                  guint       position,
                  guint       n_removed,
                  guint       n_added,
                  gpointer    user_data)
{
  View *view = user_data;

  g_assert_true (g_main_context_is_owner (g_main_context_default ()));
  g_assert_cmpuint (position + n_removed, <=, view->n_items);
  view->n_items += n_added - n_removed;
  view->n_changes++;
  g_assert_cmpuint (g_list_model_get_n_items (model), ==, view->n_items);
  if (view->n_items > 0)
    {
      g_autoptr (AiopoolFuture) future = g_list_model_get_item (model, view->n_items - 1);

      g_assert_true (AIOPOOL_IS_FUTURE (future));
    }
}

static void
test_the_list_follows_at_once_at_home (void)
{
  g_autoptr (AiopoolFuture) item = NULL;
  Fixture fixture;
  View view = { 0 };

  open_promises (&fixture, 3);
  view.model = G_LIST_MODEL (fixture.set);
  g_signal_connect (fixture.set, "items-changed", G_CALLBACK (on_items_changed), &view);
  view.n_items = g_list_model_get_n_items (view.model);
  g_assert_cmpuint (view.n_items, ==, 3);
  g_assert_true (g_list_model_get_item_type (view.model) == AIOPOOL_TYPE_FUTURE);
  g_assert_null (g_list_model_get_item (view.model, 3));
  keep (&fixture, 1);
  g_assert_cmpuint (view.n_changes, ==, 0);
  expect_next (fixture.set, future_of (&fixture, 1));
  g_assert_cmpuint (view.n_changes, ==, 1);
  g_assert_cmpuint (view.n_items, ==, 2);
  item = g_list_model_get_item (view.model, 1);
  g_assert_true (item == future_of (&fixture, 2));
  close_promises (&fixture);
}

typedef struct
{
  AiopoolFutureSet *set;
  AiopoolPromise  **promises;
  guint             n;
} Adder;

static gpointer
add_and_take (gpointer data)
{
  Adder *adder = data;

  for (guint i = 0; i < adder->n; i++)
    {
      aiopool_future_set_add (adder->set, aiopool_promise_get_future (adder->promises[i]));
      if (i % 3 == 0)
        aiopool_promise_resolve (adder->promises[i], g_variant_new_uint32 (i));
      if (i % 3 == 0)
        expect_next (adder->set, aiopool_promise_get_future (adder->promises[i]));
    }
  return NULL;
}

static void
test_the_list_changes_at_home_only (void)
{
  AiopoolPromise *promises[300];
  Adder adder = { aiopool_future_set_new (), promises, G_N_ELEMENTS (promises) };
  View view = { .model = G_LIST_MODEL (adder.set) };
  GThread *thread;

  for (guint i = 0; i < adder.n; i++)
    promises[i] = aiopool_promise_new (NULL);
  g_signal_connect (adder.set, "items-changed", G_CALLBACK (on_items_changed), &view);
  thread = g_thread_new ("adder", add_and_take, &adder);
  while (view.n_items != 200 || aiopool_future_set_get_n_pending (adder.set) != 200)
    g_main_context_iteration (NULL, TRUE);
  g_thread_join (thread);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpuint (view.n_items, ==, 200);
  g_assert_cmpuint (g_list_model_get_n_items (view.model), ==, 200);
  g_object_unref (adder.set);
  for (guint i = 0; i < adder.n; i++)
    g_object_unref (promises[i]);
}

static void
on_notify (GObject    *object,
           GParamSpec *pspec,
           gpointer    user_data)
{
  guint *n_notified = user_data;

  (*n_notified)++;
}

static gpointer
keep_all (gpointer data)
{
  Fixture *fixture = data;

  for (guint i = 0; i < 8; i++)
    keep (fixture, i);
  return NULL;
}

static void
test_counts_are_notified_once_for_many (void)
{
  guint n_notified = 0;
  Fixture fixture;

  open_promises (&fixture, 8);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_signal_connect (fixture.set, "notify::n-done", G_CALLBACK (on_notify), &n_notified);
  g_thread_join (g_thread_new ("keeper", keep_all, &fixture));
  g_assert_cmpuint (n_notified, ==, 0);
  while (n_notified == 0)
    g_main_context_iteration (NULL, TRUE);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpuint (n_notified, ==, 1);
  close_promises (&fixture);
}

static void
on_changed_drain (GListModel *model,
                  guint       position,
                  guint       n_removed,
                  guint       n_added,
                  gpointer    user_data)
{
  AiopoolFutureSet *set = AIOPOOL_FUTURE_SET (model);
  guint *n_taken = user_data;
  g_autoptr (AiopoolFuture) future = NULL;

  if (aiopool_future_set_get_n_done (set) == 0)
    return;
  future = aiopool_future_set_next (set, 0, NULL, NULL);
  *n_taken += future != NULL;
}

static void
test_a_handler_may_change_the_set (void)
{
  g_autoptr (AiopoolFutureSet) set = aiopool_future_set_new ();
  guint n_taken = 0;

  g_signal_connect (set, "items-changed", G_CALLBACK (on_changed_drain), &n_taken);
  for (guint i = 0; i < 5; i++)
    {
      g_autoptr (AiopoolFuture) future = aiopool_future_new_for_result (g_variant_new_uint32 (i));

      aiopool_future_set_add (set, future);
      g_assert_cmpuint (g_list_model_get_n_items (G_LIST_MODEL (set)), ==, 0);
    }
  g_assert_cmpuint (n_taken, ==, 5);
}

/* In a main context */

typedef struct
{
  GAsyncResult *results[8]; /* (owned) */
  guint         n;
} Kept;

static void
keep_result (GObject      *object,
             GAsyncResult *result,
             gpointer      user_data)
{
  Kept *kept = user_data;

  kept->results[kept->n++] = g_object_ref (result);
}

static void
await (Kept  *kept,
       guint  n)
{
  while (kept->n < n)
    g_main_context_iteration (NULL, TRUE);
}

static void
drop (Kept *kept)
{
  for (guint i = 0; i < kept->n; i++)
    g_clear_object (&kept->results[i]);
  kept->n = 0;
}

static void
test_next_async_is_served_in_turn (void)
{
  Fixture fixture;
  Kept kept = { 0 };

  open_promises (&fixture, 2);
  for (guint i = 0; i < 3; i++)
    aiopool_future_set_next_async (fixture.set, -1, NULL, keep_result, &kept);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpuint (kept.n, ==, 0);
  keep (&fixture, 1);
  keep (&fixture, 0);
  await (&kept, 3);
  for (guint i = 0; i < 3; i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (AiopoolFuture) future =
        aiopool_future_set_next_finish (fixture.set, kept.results[i], &error);

      g_assert_no_error (error);
      g_assert_true (future == (i == 2 ? NULL : future_of (&fixture, 1 - i)));
    }
  g_assert_cmpuint (g_list_model_get_n_items (G_LIST_MODEL (fixture.set)), ==, 0);
  drop (&kept);
  close_promises (&fixture);
}

static void
test_nothing_is_called_back_at_once (void)
{
  g_autoptr (AiopoolFutureSet) set = aiopool_future_set_new ();
  Kept kept = { 0 };
  g_autoptr (GListModel) batch = NULL;
  g_autoptr (GVariant) results = NULL;

  aiopool_future_set_next_batch_async (set, 0, -1, NULL, keep_result, &kept);
  aiopool_future_set_wait_async (set, AIOPOOL_WAIT_ANY, -1, NULL, keep_result, &kept);
  aiopool_future_set_collect_all_async (set, -1, NULL, keep_result, &kept);
  g_assert_cmpuint (kept.n, ==, 0);
  await (&kept, 3);
  batch = aiopool_future_set_next_batch_finish (set, kept.results[0], NULL);
  g_assert_cmpuint (g_list_model_get_n_items (batch), ==, 0);
  g_assert_true (aiopool_future_set_wait_finish (set, kept.results[1], NULL));
  results = aiopool_future_set_collect_all_finish (set, kept.results[2], NULL);
  g_assert_cmpuint (g_variant_n_children (results), ==, 0);
  drop (&kept);
}

static void
test_async_waits_end_in_time_or_when_cancelled (void)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) late = NULL;
  g_autoptr (GError) cancelled = NULL;
  Fixture fixture;
  Kept kept = { 0 };

  open_promises (&fixture, 1);
  aiopool_future_set_wait_async (fixture.set, AIOPOOL_WAIT_ANY, 0.01, NULL, keep_result, &kept);
  await (&kept, 1);
  g_assert_false (aiopool_future_set_wait_finish (fixture.set, kept.results[0], &late));
  g_assert_error (late, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  aiopool_future_set_next_async (fixture.set, HELPER_LONG, cancellable, keep_result, &kept);
  g_cancellable_cancel (cancellable);
  g_assert_cmpuint (kept.n, ==, 1);
  await (&kept, 2);
  g_assert_null (aiopool_future_set_next_finish (fixture.set, kept.results[1], &cancelled));
  g_assert_error (cancelled, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  keep (&fixture, 0);
  expect_next (fixture.set, future_of (&fixture, 0));
  drop (&kept);
  close_promises (&fixture);
}

static void
test_collect_all_async_fails_early (void)
{
  g_autoptr (GError) error = NULL;
  Fixture fixture;
  Kept kept = { 0 };

  open_promises (&fixture, 3);
  aiopool_future_set_collect_all_async (fixture.set, -1, NULL, keep_result, &kept);
  aiopool_future_set_wait_async (fixture.set, AIOPOOL_WAIT_ALL, -1, NULL, keep_result, &kept);
  keep (&fixture, 0);
  fail (&fixture, 1);
  await (&kept, 1);
  g_assert_null (aiopool_future_set_collect_all_finish (fixture.set, kept.results[0], &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_BUSY);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpuint (kept.n, ==, 1);
  keep (&fixture, 2);
  await (&kept, 2);
  g_assert_true (aiopool_future_set_wait_finish (fixture.set, kept.results[1], NULL));
  drop (&kept);
  close_promises (&fixture);
}

/* Nobody but who waits has the set, and the callback drops what is left. */
static void
test_who_waits_holds_the_set (void)
{
  g_autoptr (AiopoolPromise) promise = aiopool_promise_new (NULL);
  AiopoolFuture *future = aiopool_promise_get_future (promise);
  AiopoolFutureSet *set = aiopool_future_set_new_for (&future, 1);
  g_autoptr (AiopoolFuture) got = NULL;
  Kept kept = { 0 };

  aiopool_future_set_next_async (set, -1, NULL, keep_result, &kept);
  g_object_unref (set);
  aiopool_promise_resolve (promise, g_variant_new_uint32 (1));
  await (&kept, 1);
  got = aiopool_future_set_next_finish (set, kept.results[0], NULL);
  g_assert_true (got == future);
  drop (&kept);
}

int
main (int   argc,
      char *argv[])
{
  helper_begin (&argc, &argv);
  helper_add ("/pool/future-set/an-empty-one", test_an_empty_set_gives_nothing_at_once);
  helper_add ("/pool/future-set/as-they-end", test_futures_come_as_they_end);
  helper_add ("/pool/future-set/in-order", test_in_order_the_first_holds_up_the_others);
  helper_add ("/pool/future-set/batch", test_a_batch_is_all_that_have_ended);
  helper_add ("/pool/future-set/in-there-once", test_a_future_is_in_a_set_once);
  helper_add ("/pool/future-set/in-many-sets", test_one_future_may_be_in_many_sets);
  helper_add ("/pool/future-set/modes", test_waits_for_all_any_and_the_first_error);
  helper_add ("/pool/future-set/collect-all", test_collect_all_keeps_the_order);
  helper_add ("/pool/future-set/collect-all-fails", test_collect_all_fails_with_the_first_error);
  helper_add ("/pool/future-set/cancel", test_cancel_leaves_what_has_ended);
  helper_add ("/pool/future-set/a-cancelled-wait", test_a_cancelled_wait_leaves_the_set_alone);
  helper_add ("/pool/future-set/would-block", test_what_needs_this_context_would_block);
  helper_add ("/pool/future-set/without-a-main-loop", test_tasks_are_drained_without_a_main_loop);
  helper_add ("/pool/future-set/dropped", test_a_dropped_set_leaves_its_tasks_alone);
  helper_add ("/pool/future-set/starves-nobody", test_a_wait_starves_no_task_of_the_set);
  helper_add ("/pool/future-set/list-at-home", test_the_list_follows_at_once_at_home);
  helper_add ("/pool/future-set/list-from-elsewhere", test_the_list_changes_at_home_only);
  helper_add ("/pool/future-set/counts-are-notified", test_counts_are_notified_once_for_many);
  helper_add ("/pool/future-set/changed-by-a-handler", test_a_handler_may_change_the_set);
  helper_add ("/pool/future-set/next-async", test_next_async_is_served_in_turn);
  helper_add ("/pool/future-set/not-at-once", test_nothing_is_called_back_at_once);
  helper_add ("/pool/future-set/async-ends", test_async_waits_end_in_time_or_when_cancelled);
  helper_add ("/pool/future-set/collect-all-async", test_collect_all_async_fails_early);
  helper_add ("/pool/future-set/held-by-who-waits", test_who_waits_holds_the_set);
  return helper_end ();
}
