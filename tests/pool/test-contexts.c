/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/pool/helper.h"

#include <unistd.h>

/* Where and when one is called back: while other threads wait or iterate, from callbacks that
 * iterate, and when nobody iterates. */

static void
iterate_until_idle (GMainContext *context)
{
  while (g_main_context_iteration (context, FALSE))
    ;
}

typedef struct
{
  AiopoolFuture *future;
  HelperGate    *gate;
  int            tid; /* atomic: of the thread that waits */
} Watched;

static gpointer
wait_in_thread (gpointer data)
{
  Watched *watched = data;

  g_atomic_int_set (&watched->tid, gettid ());
  helper_wait (watched->future);
  return NULL;
}

/* The main context of the test sleeps, and nothing else wakes it. */
static gpointer
open_when_main_sleeps (gpointer data)
{
  Watched *watched = data;

  helper_await_sleep (getpid ());
  helper_gate_open (watched->gate);
  return NULL;
}

static void
on_signal (gpointer data)
{
  g_atomic_int_inc ((int *) data);
}

static void
test_a_signal_wakes_its_context_while_a_thread_waits (gconstpointer signal)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (AiopoolFuture) future = helper_gate_submit (gate, pool, "deaf");
  Watched watched = { .future = future, .gate = gate };
  GThread *waiter, *opener;
  int n_calls = 0;

  helper_gate_await (gate, 1);
  g_signal_connect_swapped (future, signal, G_CALLBACK (on_signal), &n_calls);
  iterate_until_idle (NULL);
  waiter = g_thread_new ("waiter", wait_in_thread, &watched);
  while (g_atomic_int_get (&watched.tid) == 0)
    g_thread_yield ();
  helper_await_sleep (watched.tid);
  opener = g_thread_new ("opener", open_when_main_sleeps, &watched);
  helper_await_count (&n_calls, 1);
  g_thread_join (waiter);
  g_thread_join (opener);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* The one who is blocked is let through before the context is iterated. */
static void
test_a_submit_does_not_tell_who_is_blocked (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "echo", NULL);
  g_autoptr (AiopoolFuture) next = NULL;
  int n_calls = 0;
  gulong id = g_signal_connect_swapped (future, "done", G_CALLBACK (on_signal), &n_calls);

  g_signal_handler_block (future, id);
  helper_wait (future);
  next = helper_submit (pool, "echo", NULL);
  helper_wait (next);
  g_signal_handler_unblock (future, id);
  helper_await_count (&n_calls, 1);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

typedef struct
{
  AiopoolExecutor *pool;
  GThread         *thread;
  int              n_dropped; /* atomic */
} Dropped;

static void
on_dropped (gpointer  data,
            GObject  *object)
{
  Dropped *dropped = data;

  dropped->thread = g_thread_self ();
  g_atomic_int_inc (&dropped->n_dropped);
  g_main_context_wakeup (NULL);
}

/* A task for the main context, which is read as little by the end of a run as by a collect. */
static gpointer
run_and_sweep (gpointer data)
{
  Dropped *dropped = data;
  g_autoptr (AiopoolFuture) ended = helper_submit (dropped->pool, "echo", "(u)", 1);
  AiopoolFuture *future = helper_submit (dropped->pool, "echo", "(u)", 2);

  helper_wait (ended);
  helper_wait (future);
  g_object_weak_ref (G_OBJECT (future), on_dropped, dropped);
  g_object_unref (future);
  for (guint i = 0; i < 3; i++)
    {
      g_assert_cmpuint (helper_run_echo (dropped->pool, i), ==, i);
      g_variant_unref (helper_collect (ended));
    }
  return NULL;
}

static gboolean
on_busy (gpointer data)
{
  g_thread_join (g_thread_new ("sweeper", run_and_sweep, data));
  return G_SOURCE_REMOVE;
}

/* What ends there is dropped there, even if the thread that submitted comes by first. */
static void
test_a_context_that_is_iterated_is_left_to_its_thread (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  Dropped dropped = { .pool = pool };

  g_idle_add (on_busy, &dropped);
  helper_await_count (&dropped.n_dropped, 1);
  g_assert_true (dropped.thread == g_thread_self ());
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

#define N_LISTENERS 4000 /* it takes a moment to join them */
#define N_COLLECTS  300

typedef struct
{
  AiopoolFuture *future;
  int            n_collected; /* atomic */
} Collects;

static void
on_collected (GObject      *object,
              GAsyncResult *result,
              gpointer      user_data)
{
  Collects *collects = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) value =
    aiopool_future_collect_finish (AIOPOOL_FUTURE (object), result, &error);

  g_assert_null (value);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_atomic_int_inc (&collects->n_collected);
}

static gpointer
collect_cancelled (gpointer data)
{
  Collects *collects = data;

  for (int i = 0; i < N_COLLECTS; i++)
    {
      g_autoptr (GCancellable) cancellable = g_cancellable_new ();

      g_cancellable_cancel (cancellable);
      aiopool_future_collect_async (collects->future, cancellable, on_collected, collects);
      while (g_atomic_int_get (&collects->n_collected) <= i)
        g_thread_yield ();
    }
  return NULL;
}

/* The context hears of the cancel before the call that starts the wait has returned. */
static void
test_a_collect_that_is_cancelled_at_once_ends (void)
{
  g_autoptr (AiopoolPromise) promise = aiopool_promise_new (NULL);
  Collects collects = { .future = aiopool_promise_get_future (promise) };
  gint64 end = g_get_monotonic_time () + (gint64) (HELPER_LONG * G_USEC_PER_SEC);
  HelperTally tally = { 0 };
  GThread *thread;

  for (guint i = 0; i < N_LISTENERS; i++)
    helper_watch (collects.future, &tally);
  thread = g_thread_new ("collector", collect_cancelled, &collects);
  while (g_atomic_int_get (&collects.n_collected) < N_COLLECTS && g_get_monotonic_time () < end)
    g_main_context_iteration (NULL, FALSE);
  g_assert_cmpint (g_atomic_int_get (&collects.n_collected), ==, N_COLLECTS);
  g_thread_join (thread);
  aiopool_promise_resolve (promise, g_variant_new_uint32 (1));
  helper_await_tally (&tally);
}

#define RACE_USEC 1500000

static void
on_collected_once (GObject      *object,
                   GAsyncResult *result,
                   gpointer      user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) value =
    aiopool_future_collect_finish (AIOPOOL_FUTURE (object), result, &error);

  g_assert_true ((value != NULL) != (error != NULL));
  g_atomic_int_inc ((int *) user_data);
}

static gpointer
collect_what_has_ended (gpointer data)
{
  gint64 end = g_get_monotonic_time () + RACE_USEC;
  int n_collected = 0;

  for (int i = 0; g_get_monotonic_time () < end; i++)
    {
      g_autoptr (AiopoolPromise) promise = aiopool_promise_new (NULL);
      g_autoptr (GCancellable) cancellable = g_cancellable_new ();

      aiopool_promise_resolve (promise, g_variant_new_uint32 (1));
      g_cancellable_cancel (cancellable);
      aiopool_future_collect_async (aiopool_promise_get_future (promise), cancellable,
                                    on_collected_once, &n_collected);
      while (g_atomic_int_get (&n_collected) <= i)
        g_thread_yield ();
      g_assert_cmpint (g_atomic_int_get (&n_collected), ==, i + 1);
    }
  g_atomic_int_set ((int *) data, TRUE);
  return NULL;
}

/* The end, the cancel and the call that starts the wait come at once: one of them counts. */
static void
test_a_collect_of_what_has_ended_ends_once (void)
{
  int has_ended = FALSE;
  GThread *thread = g_thread_new ("collector", collect_what_has_ended, &has_ended);

  while (!g_atomic_int_get (&has_ended))
    g_main_context_iteration (NULL, FALSE);
  g_thread_join (thread);
  iterate_until_idle (NULL);
}

typedef struct
{
  GMainContext   *context;
  AiopoolPromise *promise;
} Keeper;

static gboolean
on_keep (gpointer data)
{
  aiopool_promise_resolve (data, g_variant_new_uint32 (8));
  return G_SOURCE_REMOVE;
}

/* Nobody has the context until the other thread waits for what happens in it. */
static gpointer
keep_promise (gpointer data)
{
  Keeper *keeper = data;
  g_autoptr (GSource) source = g_idle_source_new ();

  g_source_set_callback (source, on_keep, keeper->promise, NULL);
  g_source_attach (source, keeper->context);
  helper_await_sleep (getpid ());
  g_main_context_iteration (keeper->context, TRUE);
  return NULL;
}

static void
test_waiting_for_the_context_of_a_busy_thread_is_no_mistake (void)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (AiopoolPromise) promise = aiopool_promise_new (NULL);
  g_autoptr (GVariant) value = NULL;
  Keeper keeper = { context, promise };
  GThread *thread;

  aiopool_promise_set_context (promise, context);
  thread = g_thread_new ("keeper", keep_promise, &keeper);
  value = helper_collect (aiopool_promise_get_future (promise));
  g_assert_cmpuint (g_variant_get_uint32 (value), ==, 8);
  g_thread_join (thread);
}

typedef struct
{
  AiopoolExecutor *pool;
  HelperGate      *gate;
  gboolean         is_inside;
} Growing;

/* The first of three is added: now there are four, which is heard of in here. */
static void
on_items_changed (GListModel *workers,
                  guint       position,
                  guint       n_removed,
                  guint       n_added,
                  gpointer    user_data)
{
  Growing *growing = user_data;

  if (growing->is_inside)
    return;
  growing->is_inside = TRUE;
  g_object_unref (helper_gate_submit (growing->gate, growing->pool, "deaf"));
  helper_gate_await (growing->gate, 1);
  iterate_until_idle (NULL);
}

static void
test_who_hears_of_workers_may_iterate (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (4);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  GListModel *workers = aiopool_pool_get_workers (AIOPOOL_POOL (pool));
  Growing growing = { pool, gate, FALSE };
  gulong id = g_signal_connect (workers, "items-changed", G_CALLBACK (on_items_changed), &growing);

  for (guint i = 0; i < 3; i++)
    g_object_unref (helper_gate_submit (gate, pool, "deaf"));
  helper_gate_await (gate, 3);
  while (g_list_model_get_n_items (workers) < 4)
    g_main_context_iteration (NULL, TRUE);
  iterate_until_idle (NULL);
  g_assert_true (growing.is_inside);
  g_assert_cmpuint (g_list_model_get_n_items (workers), ==, 4);
  for (guint i = 0; i < 4; i++)
    {
      g_autoptr (AiopoolWorker) worker = g_list_model_get_item (workers, i);

      g_assert_cmpuint (aiopool_worker_get_id (worker), ==, i + 1);
    }
  g_signal_handler_disconnect (workers, id);
  helper_gate_open (gate);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

typedef struct
{
  AiopoolExecutor *pool;
  GTask           *completion;
  gboolean         is_inside;
  gboolean         was_inside;
  int              n_calls;
} Refused;

static void
on_refused (GObject      *object,
            GAsyncResult *result,
            gpointer      user_data)
{
  Refused *refused = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) value = g_task_propagate_pointer (G_TASK (result), &error);

  g_assert_null (value);
  g_assert_error (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_CLOSED);
  refused->was_inside = refused->is_inside;
  refused->n_calls++;
}

static gboolean
on_run_refused (gpointer data)
{
  Refused *refused = data;
  g_autoptr (AiopoolTask) task = helper_task ("echo", NULL);

  refused->is_inside = TRUE;
  aiopool_executor_run_task (refused->pool, task, refused->completion);
  refused->is_inside = FALSE;
  return G_SOURCE_REMOVE;
}

/* A GTask that is older than the iteration in which it is over would call back at once. */
static void
test_run_task_never_calls_back_before_it_returns (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  Refused refused = { .pool = pool };
  g_autoptr (GTask) completion = g_task_new (NULL, NULL, on_refused, &refused);

  refused.completion = completion;
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  g_idle_add (on_run_refused, &refused);
  helper_await_count (&refused.n_calls, 1);
  g_assert_false (refused.was_inside);
  iterate_until_idle (NULL);
  g_assert_cmpint (refused.n_calls, ==, 1);
}

/* It may be an object of a language whose objects belong to a thread. */
static void
test_a_launcher_is_not_dropped_by_a_thread_of_ours (void)
{
  AiopoolLauncher *launcher = aiopool_launcher_new ();
  AiopoolPool *pool = aiopool_pool_new_with_launcher (1, launcher);
  Dropped dropped = { NULL };

  g_object_weak_ref (G_OBJECT (launcher), on_dropped, &dropped);
  g_object_unref (launcher);
  helper_run_echo (AIOPOOL_EXECUTOR (pool), 1);
  g_object_unref (pool);
  helper_await_count (&dropped.n_dropped, 1);
  g_assert_true (dropped.thread == g_thread_self ());
}

static void
test_a_disposed_pool_is_closed (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (GListModel) workers = NULL;

  helper_run_echo (pool, 1);
  g_object_run_dispose (G_OBJECT (pool));
  workers = aiopool_pool_dup_workers (AIOPOOL_POOL (pool));
  g_assert_cmpuint (g_list_model_get_n_items (workers), ==, 0);
  helper_run_expecting (pool, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_CLOSED);
  g_assert_cmpuint (aiopool_executor_get_n_pending (pool), ==, 0);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_TERMINATE);
}

int
main (int   argc,
      char *argv[])
{
  helper_begin (&argc, &argv);
  helper_add_data ("/pool/contexts/done-wakes-its-context-while-a-thread-waits",
                   test_a_signal_wakes_its_context_while_a_thread_waits, "done");
  helper_add_data ("/pool/contexts/notify-state-wakes-its-context-while-a-thread-waits",
                   test_a_signal_wakes_its_context_while_a_thread_waits, "notify::state");
  helper_add_data ("/pool/contexts/notify-wakes-its-context-while-a-thread-waits",
                   test_a_signal_wakes_its_context_while_a_thread_waits, "notify");
  helper_add ("/pool/contexts/a-submit-does-not-tell-who-is-blocked",
              test_a_submit_does_not_tell_who_is_blocked);
  helper_add ("/pool/contexts/one-that-is-iterated-is-left-to-its-thread",
              test_a_context_that_is_iterated_is_left_to_its_thread);
  helper_add ("/pool/contexts/a-collect-that-is-cancelled-at-once-ends",
              test_a_collect_that_is_cancelled_at_once_ends);
  helper_add ("/pool/contexts/a-collect-of-what-has-ended-ends-once",
              test_a_collect_of_what_has_ended_ends_once);
  helper_add ("/pool/contexts/waiting-for-the-context-of-a-busy-thread",
              test_waiting_for_the_context_of_a_busy_thread_is_no_mistake);
  helper_add ("/pool/contexts/who-hears-of-workers-may-iterate",
              test_who_hears_of_workers_may_iterate);
  helper_add ("/pool/contexts/run-task-never-calls-back-before-it-returns",
              test_run_task_never_calls_back_before_it_returns);
  helper_add ("/pool/contexts/a-launcher-is-not-dropped-by-a-thread-of-ours",
              test_a_launcher_is_not_dropped_by_a_thread_of_ours);
  helper_add ("/pool/contexts/a-disposed-pool-is-closed", test_a_disposed_pool_is_closed);
  return helper_end ();
}
