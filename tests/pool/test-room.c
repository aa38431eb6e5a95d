/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/pool/helper.h"

/* max-pending: who is refused, who waits, and that no room is missed. */

/* One of those that wait is with the worker ahead of time, sooner or later. */
static AiopoolExecutor *
new_full_pool (HelperGate *gate,
               guint       max_pending,
               GPtrArray  *futures)
{
  AiopoolExecutor *pool = helper_pool (1);
  g_autoptr (AiopoolTask) task = helper_task ("echo", "(u)", 1);
  AiopoolFuture *future;

  aiopool_pool_set_max_pending (AIOPOOL_POOL (pool), max_pending);
  g_ptr_array_add (futures, helper_gate_submit (gate, pool, "deaf"));
  helper_gate_await (gate, 1);
  while (futures->len < 1 + max_pending + 1)
    {
      if ((future = aiopool_executor_submit (pool, task, NULL, NULL)) != NULL)
        g_ptr_array_add (futures, future);
    }
  return pool;
}

static void
wait_for_all (GPtrArray *futures)
{
  for (guint i = 0; i < futures->len; i++)
    g_variant_unref (helper_collect (g_ptr_array_index (futures, i)));
}

static void
test_submit_beyond_the_limit_reports_full (void)
{
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (GPtrArray) futures = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (AiopoolExecutor) pool = new_full_pool (gate, 3, futures);
  g_autoptr (AiopoolTask) task = helper_task ("echo", NULL);
  g_autoptr (GError) error = NULL;

  g_assert_null (aiopool_executor_submit (pool, task, NULL, &error));
  g_assert_error (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_FULL);
  helper_gate_open (gate);
  wait_for_all (futures);
  helper_run_echo (pool, 1);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_raised_limit_makes_room (void)
{
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (GPtrArray) futures = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (AiopoolExecutor) pool = new_full_pool (gate, 2, futures);

  aiopool_pool_set_max_pending (AIOPOOL_POOL (pool), 3);
  g_ptr_array_add (futures, helper_submit (pool, "echo", NULL));
  aiopool_pool_set_max_pending (AIOPOOL_POOL (pool), 0);
  for (guint i = 0; i < 20; i++)
    g_ptr_array_add (futures, helper_submit (pool, "echo", NULL));
  helper_gate_open (gate);
  wait_for_all (futures);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_cancel_makes_room (void)
{
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (GPtrArray) futures = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (AiopoolExecutor) pool = new_full_pool (gate, 2, futures);
  AiopoolFuture *last = g_ptr_array_index (futures, futures->len - 1);

  g_assert_true (aiopool_future_cancel (last, AIOPOOL_CANCEL_PENDING));
  g_ptr_array_remove (futures, last);
  g_ptr_array_add (futures, helper_submit (pool, "echo", NULL));
  helper_gate_open (gate);
  wait_for_all (futures);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

typedef struct
{
  guint n_started;
  guint n_taken;
  guint n_ended;
  guint n_errors;
  int   code; /* of the last error */
} Waits;

static void
on_submitted (GObject      *object,
              GAsyncResult *result,
              gpointer      user_data)
{
  Waits *waits = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (AiopoolFuture) future =
    aiopool_executor_submit_finish (AIOPOOL_EXECUTOR (object), result, &error);

  g_assert_true ((future != NULL) != (error != NULL));
  if (future != NULL)
    waits->n_taken++;
  else
    waits->n_errors++;
  waits->code = error != NULL ? error->code : waits->code;
}

static void
on_run (GObject      *object,
        GAsyncResult *result,
        gpointer      user_data)
{
  Waits *waits = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) value =
    aiopool_executor_run_finish (AIOPOOL_EXECUTOR (object), result, &error);

  g_assert_true ((value != NULL) != (error != NULL));
  if (value != NULL)
    waits->n_ended++;
  else
    waits->n_errors++;
  waits->code = error != NULL ? error->code : waits->code;
}

static void
start_waits (AiopoolExecutor *pool,
             guint            n,
             GCancellable    *cancellable,
             Waits           *waits)
{
  g_autoptr (AiopoolTask) task = helper_task ("echo", "(u)", 1);

  for (guint i = 0; i < n; i++)
    {
      if (i % 2 == 0)
        aiopool_executor_submit_async (pool, task, cancellable, on_submitted, waits);
      else
        aiopool_executor_run_async (pool, task, cancellable, on_run, waits);
      waits->n_started++;
    }
}

static void
await_waits (Waits *waits)
{
  while (waits->n_taken + waits->n_ended + waits->n_errors < waits->n_started)
    g_main_context_iteration (NULL, TRUE);
}

static void
test_submit_async_and_run_async_wait_for_room (void)
{
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (GPtrArray) futures = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (AiopoolExecutor) pool = new_full_pool (gate, 2, futures);
  Waits waits = { 0 };

  start_waits (pool, 50, NULL, &waits);
  for (guint i = 0; i < 20; i++)
    g_main_context_iteration (NULL, FALSE);
  g_assert_cmpuint (waits.n_taken + waits.n_ended + waits.n_errors, ==, 0);
  helper_gate_open (gate);
  await_waits (&waits);
  g_assert_cmpuint (waits.n_taken, ==, 25);
  g_assert_cmpuint (waits.n_ended, ==, 25);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_thousands_wait_in_a_pool_for_one (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (2);
  Waits waits = { 0 };

  aiopool_pool_set_max_pending (AIOPOOL_POOL (pool), 1);
  start_waits (pool, 5000, NULL, &waits);
  await_waits (&waits);
  g_assert_cmpuint (waits.n_errors, ==, 0);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_those_who_wait_are_cancelled (void)
{
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (GPtrArray) futures = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (AiopoolExecutor) pool = new_full_pool (gate, 2, futures);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Waits waits = { 0 };
  Waits others = { 0 };

  start_waits (pool, 10, cancellable, &waits);
  start_waits (pool, 10, NULL, &others);
  g_cancellable_cancel (cancellable);
  await_waits (&waits);
  g_assert_cmpuint (waits.n_errors, ==, 10);
  g_assert_cmpint (waits.code, ==, G_IO_ERROR_CANCELLED);
  g_assert_cmpuint (others.n_taken + others.n_ended + others.n_errors, ==, 0);
  helper_gate_open (gate);
  await_waits (&others);
  g_assert_cmpuint (others.n_errors, ==, 0);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_shutdown_ends_those_who_wait (void)
{
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (GPtrArray) futures = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (AiopoolExecutor) pool = new_full_pool (gate, 2, futures);
  Waits waits = { 0 };

  start_waits (pool, 10, NULL, &waits);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_TERMINATE);
  await_waits (&waits);
  g_assert_cmpuint (waits.n_errors, ==, 10);
  g_assert_cmpint (waits.code, ==, AIOPOOL_POOL_ERROR_CLOSED);
}

static gpointer
run_one (gpointer data)
{
  g_assert_cmpuint (helper_run_echo (data, 4), ==, 4);
  return NULL;
}

static void
test_run_blocks_until_there_is_room (void)
{
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (GPtrArray) futures = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (AiopoolExecutor) pool = new_full_pool (gate, 2, futures);
  GThread *threads[6];

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("runner", run_one, pool);
  helper_gate_open (gate);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  wait_for_all (futures);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static gpointer
cancel_in_thread (gpointer data)
{
  g_cancellable_cancel (data);
  return NULL;
}

static void
test_a_run_that_waits_for_room_is_cancelled (void)
{
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (GPtrArray) futures = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (AiopoolExecutor) pool = new_full_pool (gate, 2, futures);
  g_autoptr (AiopoolTask) task = helper_task ("echo", NULL);

  for (guint i = 0; i < 200; i++)
    {
      g_autoptr (GCancellable) cancellable = g_cancellable_new ();
      g_autoptr (GError) error = NULL;
      GThread *thread = g_thread_new ("canceller", cancel_in_thread, cancellable);

      g_assert_null (aiopool_executor_run (pool, task, cancellable, &error));
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
      g_thread_join (thread);
    }
  helper_gate_open (gate);
  wait_for_all (futures);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static gpointer
run_hundreds (gpointer data)
{
  for (guint i = 0; i < 400; i++)
    g_assert_cmpuint (helper_run_echo (data, i), ==, i);
  return NULL;
}

/* A room that is missed would leave a thread behind for ever. */
static void
test_no_room_is_missed_by_many_threads (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (2);
  Waits waits = { 0 };
  GThread *threads[6];

  aiopool_pool_set_max_pending (AIOPOOL_POOL (pool), 1);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("runner", run_hundreds, pool);
  start_waits (pool, 400, NULL, &waits);
  await_waits (&waits);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  g_assert_cmpuint (waits.n_errors, ==, 0);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* Nothing may be under way when its context goes: it would have nowhere to be delivered. */
static gpointer
wait_in_own_context (gpointer data)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (AiopoolTask) task = helper_task ("echo", NULL);
  Waits waits = { 0 };

  g_main_context_push_thread_default (context);
  for (guint i = 0; i < 100; i++)
    aiopool_executor_run_async (data, task, NULL, on_run, &waits);
  while (waits.n_ended + waits.n_errors < 100)
    g_main_context_iteration (context, TRUE);
  g_assert_cmpuint (waits.n_errors, ==, 0);
  while (g_main_context_iteration (context, FALSE))
    ;
  g_main_context_pop_thread_default (context);
  return NULL;
}

static void
test_those_who_wait_are_called_in_their_own_context (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (2);
  GThread *threads[4];

  aiopool_pool_set_max_pending (AIOPOOL_POOL (pool), 2);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("waiter", wait_in_own_context, pool);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
on_own_task (GObject      *object,
             GAsyncResult *result,
             gpointer      user_data)
{
  Waits *waits = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) value = g_task_propagate_pointer (G_TASK (result), &error);

  if (value != NULL)
    waits->n_ended++;
  else
    waits->n_errors++;
  waits->code = error != NULL ? error->code : 0;
}

/* A GTask of one's own does not keep the pool, but waiting in it does. */
static void
test_the_pool_is_dropped_while_a_task_waits_for_room (void)
{
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (GPtrArray) futures = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (AiopoolTask) task = helper_task ("echo", "(u)", 1);
  AiopoolExecutor *pool = new_full_pool (gate, 2, futures);
  Waits waits = { .n_started = 1 };
  g_autoptr (GTask) completion = g_task_new (NULL, NULL, on_own_task, &waits);

  aiopool_executor_run_task (pool, task, completion);
  g_object_unref (pool);
  helper_gate_open (gate);
  await_waits (&waits);
  for (guint i = 0; i < futures->len; i++)
    helper_wait (g_ptr_array_index (futures, i));
  if (waits.n_errors > 0)
    g_assert_cmpint (waits.code, ==, G_IO_ERROR_CANCELLED);
}

int
main (int   argc,
      char *argv[])
{
  helper_begin (&argc, &argv);
  helper_add ("/pool/room/submit-beyond-the-limit-is-full",
              test_submit_beyond_the_limit_reports_full);
  helper_add ("/pool/room/a-raised-limit-makes-room", test_a_raised_limit_makes_room);
  helper_add ("/pool/room/a-cancel-makes-room", test_a_cancel_makes_room);
  helper_add ("/pool/room/async-calls-wait", test_submit_async_and_run_async_wait_for_room);
  helper_add ("/pool/room/thousands-wait-in-a-pool-for-one",
              test_thousands_wait_in_a_pool_for_one);
  helper_add ("/pool/room/those-who-wait-are-cancelled", test_those_who_wait_are_cancelled);
  helper_add ("/pool/room/a-shutdown-ends-those-who-wait", test_a_shutdown_ends_those_who_wait);
  helper_add ("/pool/room/run-blocks-until-there-is-room", test_run_blocks_until_there_is_room);
  helper_add ("/pool/room/a-run-that-waits-is-cancelled",
              test_a_run_that_waits_for_room_is_cancelled);
  helper_add ("/pool/room/no-room-is-missed-by-threads", test_no_room_is_missed_by_many_threads);
  helper_add ("/pool/room/called-in-their-own-context",
              test_those_who_wait_are_called_in_their_own_context);
  helper_add ("/pool/room/the-pool-is-dropped-meanwhile",
              test_the_pool_is_dropped_while_a_task_waits_for_room);
  return helper_end ();
}
