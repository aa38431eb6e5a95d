/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/pool/helper.h"

#include <signal.h>

/* Sets of futures from several threads at once: what is added, ends and is taken comes out once. */

static void
expect_next (AiopoolFutureSet *set,
             AiopoolFuture    *expected)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (AiopoolFuture) future = aiopool_future_set_next (set, HELPER_LONG, NULL, &error);

  g_assert_no_error (error);
  g_assert_true (future == expected);
}

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
drop (Kept *kept)
{
  for (guint i = 0; i < kept->n; i++)
    g_clear_object (&kept->results[i]);
  kept->n = 0;
}

#define N_RACED 400

typedef struct
{
  AiopoolFutureSet *set;
  AiopoolPromise   *promises[N_RACED];
  int               n_seen[N_RACED]; /* atomic */
  int               n_added;         /* atomic */
  int               n_taken;         /* atomic */
} Race;

static gpointer
race_to_add (gpointer data)
{
  Race *race = data;

  for (guint i = 0; i < N_RACED; i++)
    {
      g_assert_true (aiopool_future_set_add (race->set,
                                             aiopool_promise_get_future (race->promises[i])));
      g_atomic_int_inc (&race->n_added);
    }
  return NULL;
}

static gpointer
race_to_keep (gpointer data)
{
  Race *race = data;

  for (guint i = 0; i < N_RACED; i++)
    aiopool_promise_resolve (race->promises[i], g_variant_new_uint32 (i));
  return NULL;
}

static void
count_raced (Race          *race,
             AiopoolFuture *future)
{
  g_autoptr (GVariant) result = aiopool_future_get_result (future, NULL);

  g_assert_nonnull (result);
  g_assert_cmpint (g_atomic_int_add (&race->n_seen[g_variant_get_uint32 (result)], 1), ==, 0);
  g_atomic_int_inc (&race->n_taken);
}

static gpointer
race_to_take (gpointer data)
{
  Race *race = data;

  while (g_atomic_int_get (&race->n_taken) < N_RACED)
    {
      g_autoptr (AiopoolFuture) future = aiopool_future_set_next (race->set, -1, NULL, NULL);

      if (future != NULL)
        count_raced (race, future);
      else
        g_thread_yield ();
    }
  return NULL;
}

static void
on_raced (GObject      *object,
          GAsyncResult *result,
          gpointer      user_data)
{
  Race *race = user_data;
  g_autoptr (AiopoolFuture) future =
    aiopool_future_set_next_finish (AIOPOOL_FUTURE_SET (object), result, NULL);

  if (future != NULL)
    count_raced (race, future);
  if (g_atomic_int_get (&race->n_taken) < N_RACED)
    aiopool_future_set_next_async (race->set, -1, NULL, on_raced, race);
}

static gpointer
race_in_context (gpointer data)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  Race *race = data;

  g_main_context_push_thread_default (context);
  aiopool_future_set_next_async (race->set, -1, NULL, on_raced, race);
  while (g_atomic_int_get (&race->n_taken) < N_RACED)
    g_main_context_iteration (context, FALSE);
  while (g_main_context_iteration (context, FALSE))
    ;
  g_main_context_pop_thread_default (context);
  return NULL;
}

static void
on_race_changed (GListModel *model,
                 guint       position,
                 guint       n_removed,
                 guint       n_added,
                 gpointer    user_data)
{
  guint *n_items = user_data;

  *n_items += n_added - n_removed;
  g_assert_cmpuint (*n_items, ==, g_list_model_get_n_items (model));
}

static void
race_once (GThreadFunc first,
           GThreadFunc second)
{
  GThreadFunc functions[] = { race_to_add, race_to_keep, first, second };
  GThread *threads[G_N_ELEMENTS (functions)];
  Race race = { .set = aiopool_future_set_new () };
  guint n_items = 0;

  g_signal_connect (race.set, "items-changed", G_CALLBACK (on_race_changed), &n_items);
  for (guint i = 0; i < N_RACED; i++)
    race.promises[i] = aiopool_promise_new (NULL);
  for (guint i = 0; i < G_N_ELEMENTS (functions); i++)
    threads[i] = g_thread_new ("racer", functions[i], &race);
  while (g_atomic_int_get (&race.n_taken) < N_RACED)
    g_main_context_iteration (NULL, FALSE);
  for (guint i = 0; i < G_N_ELEMENTS (functions); i++)
    g_thread_join (threads[i]);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpuint (aiopool_future_set_get_n_pending (race.set), ==, 0);
  g_assert_cmpuint (aiopool_future_set_get_n_done (race.set), ==, 0);
  g_assert_cmpuint (n_items, ==, 0);
  g_object_unref (race.set);
  for (guint i = 0; i < N_RACED; i++)
    g_object_unref (race.promises[i]);
}

static void
test_add_completion_and_next_race (void)
{
  for (guint i = 0; i < helper_rounds (40); i++)
    race_once (race_to_take, race_to_take);
}

static void
test_blocking_and_async_next_race (void)
{
  for (guint i = 0; i < helper_rounds (40); i++)
    race_once (race_to_take, race_in_context);
}

static gpointer
drop_soon (gpointer data)
{
  g_object_unref (data);
  return NULL;
}

static void
test_drop_and_completion_race (void)
{
  for (guint i = 0; i < helper_rounds (300); i++)
    {
      AiopoolFutureSet *set = aiopool_future_set_new ();
      AiopoolPromise *promises[8];
      GThread *thread;

      for (guint j = 0; j < G_N_ELEMENTS (promises); j++)
        {
          promises[j] = aiopool_promise_new (NULL);
          aiopool_future_set_add (set, aiopool_promise_get_future (promises[j]));
        }
      thread = g_thread_new ("dropper", drop_soon, set);
      for (guint j = 0; j < G_N_ELEMENTS (promises); j++)
        g_assert_true (aiopool_promise_resolve (promises[j], g_variant_new_uint32 (j)));
      g_thread_join (thread);
      for (guint j = 0; j < G_N_ELEMENTS (promises); j++)
        g_object_unref (promises[j]);
    }
}

static void
test_pool_tasks_crashes_and_cancels_are_drained (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (2);
  g_autoptr (AiopoolFutureSet) set = aiopool_future_set_new ();
  AiopoolFuture *future;
  guint n = 0;

  for (guint i = 0; i < 60; i++)
    {
      const char *function = i % 20 == 19 ? "crash" : "echo";
      g_autoptr (AiopoolFuture) task = helper_submit (pool, function, "(i)", SIGKILL);

      aiopool_future_set_add (set, task);
      if (i % 7 == 0)
        aiopool_future_cancel (task, AIOPOOL_CANCEL_PENDING);
    }
  while ((future = aiopool_future_set_next (set, HELPER_LONG, NULL, NULL)) != NULL)
    {
      g_assert_true (aiopool_future_is_done (future));
      g_object_unref (future);
      n++;
    }
  g_assert_cmpuint (n, ==, 60);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* One future, awaited in many ways */

typedef struct
{
  AiopoolFuture *future;
  int            n_called; /* atomic */
} Shared;

static void
on_shared (AiopoolFuture *future,
           gpointer       user_data)
{
  Shared *shared = user_data;

  g_assert_true (aiopool_future_is_done (future));
  g_atomic_int_inc (&shared->n_called);
}

static gpointer
await_shared (gpointer data)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  Shared *shared = data;
  g_autoptr (AiopoolFutureSet) set = NULL;
  Kept kept = { 0 };

  g_main_context_push_thread_default (context);
  set = aiopool_future_set_new_for (&shared->future, 1);
  aiopool_future_add_done_callback (shared->future, on_shared, shared, NULL);
  aiopool_future_collect_async (shared->future, NULL, keep_result, &kept);
  aiopool_future_set_wait_async (set, AIOPOOL_WAIT_ALL, -1, NULL, keep_result, &kept);
  g_assert_true (aiopool_future_set_wait (set, AIOPOOL_WAIT_ALL, -1, NULL, NULL));
  g_assert_true (aiopool_future_wait (shared->future, -1));
  while (kept.n < 2)
    g_main_context_iteration (context, TRUE);
  expect_next (set, shared->future);
  drop (&kept);
  g_main_context_pop_thread_default (context);
  return NULL;
}

static void
test_one_future_is_awaited_from_many_places (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);

  for (guint i = 0; i < helper_rounds (20); i++)
    {
      g_autoptr (HelperGate) gate = helper_gate_new ();
      g_autoptr (AiopoolFuture) future = helper_gate_submit (gate, pool, "deaf");
      Shared shared = { future, 0 };
      GThread *threads[4];

      for (guint j = 0; j < G_N_ELEMENTS (threads); j++)
        threads[j] = g_thread_new ("waiter", await_shared, &shared);
      aiopool_future_add_done_callback (future, on_shared, &shared, NULL);
      helper_gate_await (gate, 1);
      helper_gate_open (gate);
      for (guint j = 0; j < G_N_ELEMENTS (threads); j++)
        g_thread_join (threads[j]);
      helper_await_count (&shared.n_called, 5);
    }
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

int
main (int   argc,
      char *argv[])
{
  helper_begin (&argc, &argv);
  helper_add ("/pool/future-races/add-completion-next-race", test_add_completion_and_next_race);
  helper_add ("/pool/future-races/blocking-async-race", test_blocking_and_async_next_race);
  helper_add ("/pool/future-races/drop-completion-race", test_drop_and_completion_race);
  helper_add ("/pool/future-races/all-ends", test_pool_tasks_crashes_and_cancels_are_drained);
  helper_add ("/pool/future-races/one-future-many-waits",
              test_one_future_is_awaited_from_many_places);
  return helper_end ();
}
