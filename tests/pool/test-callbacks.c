/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/pool/helper.h"

/* Whatever calls back may do whatever it likes: every kind of callback with every deed. The task
 * that it is about ends once all the same, nothing hangs and nothing is left. */

typedef enum
{
  DONE_CALLBACK,
  DONE_SIGNAL,
  NOTIFY_STATE,
  RUN_ASYNC,
  SUBMIT_ASYNC,
  COLLECT_ASYNC,
  PROGRESSED,
  EMITTED,
  ITEMS_CHANGED,
  NOTIFY_N_WORKERS,
  N_KINDS
} Kind;

typedef enum
{
  DROP,
  SUBMIT,
  CANCEL,
  SHUTDOWN,
  SHUTDOWN_ASYNC,
  NEST,
  RUN,
  WAIT,
  JOIN_ASYNC,
  N_DEEDS
} Deed;

static const char *kind_names[N_KINDS] = {
  "done-callback", "done", "notify-state", "run-async", "submit-async", "collect-async",
  "progressed", "emitted", "items-changed", "notify-n-workers",
};

static const char *deed_names[N_DEEDS] = {
  "drops-the-pool", "submits", "cancels-another", "shuts-down", "shuts-down-later", "nests",
  "runs", "waits", "joins",
};

typedef struct
{
  Deed             deed;
  AiopoolExecutor *pool;   /* (owned) (nullable): until it is dropped */
  AiopoolFuture   *future; /* (owned) (nullable): what the callback is about */
  AiopoolFuture   *other;  /* (owned): runs long */
  HelperTally      tally;
  int              n_calls;
} Scene;

static void
on_nested_done (AiopoolFuture *future,
                gpointer       loop)
{
  g_main_loop_quit (loop);
}

static void
nest (Scene *scene)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (AiopoolFuture) future = helper_submit (scene->pool, "echo", "(u)", 1u);

  aiopool_future_add_done_callback (future, on_nested_done, loop, NULL);
  g_main_loop_run (loop);
}

static void
submit_and_watch (Scene *scene)
{
  g_autoptr (AiopoolFuture) future = helper_submit (scene->pool, "echo", "(u)", 1u);

  helper_watch (future, &scene->tally);
}

static void
submit_and_wait (Scene *scene)
{
  g_autoptr (AiopoolFuture) future = helper_submit (scene->pool, "echo", "(u)", 1u);

  g_variant_unref (helper_collect (future));
}

/* The first time only. */
static void
act (Scene *scene)
{
  if (scene->n_calls++ > 0)
    return;
  switch (scene->deed)
    {
    case DROP:
      g_clear_object (&scene->pool);
      break;
    case SUBMIT:
      submit_and_watch (scene);
      break;
    case CANCEL:
      g_assert_true (aiopool_future_cancel (scene->other, AIOPOOL_CANCEL_FORCE));
      break;
    case SHUTDOWN:
      helper_shutdown (scene->pool, AIOPOOL_SHUTDOWN_TERMINATE);
      break;
    case SHUTDOWN_ASYNC:
      aiopool_executor_shutdown_async (scene->pool, AIOPOOL_SHUTDOWN_TERMINATE, NULL, NULL, NULL);
      break;
    case NEST:
      nest (scene);
      break;
    case RUN:
      g_assert_cmpuint (helper_run_echo (scene->pool, 3), ==, 3);
      break;
    case WAIT:
      submit_and_wait (scene);
      break;
    case JOIN_ASYNC:
      aiopool_executor_join_async (scene->pool, NULL, NULL, NULL);
      break;
    case N_DEEDS:
    default:
      g_assert_not_reached ();
    }
}

static void
on_done_callback (AiopoolFuture *future,
                  gpointer       user_data)
{
  act (user_data);
}

static void
on_async (GObject      *object,
          GAsyncResult *result,
          gpointer      user_data)
{
  act (user_data);
}

static void
on_signal (gpointer user_data)
{
  act (user_data);
}

static void
on_news (Scene *scene)
{
  if (scene->n_calls == 0)
    act (scene);
}

static void
connect_future (Scene *scene,
                Kind   kind)
{
  AiopoolFuture *future = scene->future;

  if (kind == DONE_CALLBACK)
    aiopool_future_add_done_callback (future, on_done_callback, scene, NULL);
  else if (kind == DONE_SIGNAL)
    g_signal_connect_swapped (future, "done", G_CALLBACK (on_signal), scene);
  else if (kind == NOTIFY_STATE)
    g_signal_connect_swapped (future, "notify::state", G_CALLBACK (on_signal), scene);
  else if (kind == PROGRESSED)
    g_signal_connect_swapped (future, "progressed", G_CALLBACK (on_signal), scene);
  else if (kind == EMITTED)
    g_signal_connect_swapped (future, "emitted", G_CALLBACK (on_signal), scene);
  else if (kind == COLLECT_ASYNC)
    aiopool_future_collect_async (future, NULL, on_async, scene);
  helper_watch (future, &scene->tally);
}

static void
begin (Scene *scene,
       Kind   kind)
{
  AiopoolTask *task = kind == EMITTED ? helper_task ("emit", "(uu)", 3u, 8u)
                                      : helper_task ("report", "(u)", 3u);

  if (kind == ITEMS_CHANGED)
    g_signal_connect_swapped (aiopool_pool_get_workers (AIOPOOL_POOL (scene->pool)),
                              "items-changed", G_CALLBACK (on_news), scene);
  else if (kind == NOTIFY_N_WORKERS)
    g_signal_connect_swapped (scene->pool, "notify::n-workers", G_CALLBACK (on_news), scene);
  if (kind == RUN_ASYNC)
    aiopool_executor_run_async (scene->pool, task, NULL, on_async, scene);
  else if (kind == SUBMIT_ASYNC)
    aiopool_executor_submit_async (scene->pool, task, NULL, on_async, scene);
  if (kind != RUN_ASYNC && kind != SUBMIT_ASYNC)
    {
      scene->future = helper_submit_task (scene->pool, g_object_ref (task));
      connect_future (scene, kind);
    }
  g_object_unref (task);
}

static void
test_deed_in_callback (gconstpointer data)
{
  guint number = GPOINTER_TO_UINT (data);
  Scene scene = { .deed = number % N_DEEDS, .pool = helper_pool (3) };
  gint64 end = g_get_monotonic_time () + (gint64) (HELPER_LONG * G_USEC_PER_SEC);

  scene.other = helper_submit (scene.pool, "nap", "(d)", 600.0);
  helper_watch (scene.other, &scene.tally);
  begin (&scene, number / N_DEEDS);
  while (scene.n_calls == 0)
    {
      g_assert_cmpint (g_get_monotonic_time (), <, end);
      g_main_context_iteration (NULL, TRUE);
    }
  if (scene.future != NULL)
    helper_wait (scene.future);
  aiopool_future_cancel (scene.other, AIOPOOL_CANCEL_FORCE);
  helper_expect_cancelled (scene.other);
  helper_await_tally (&scene.tally);
  if (scene.pool != NULL)
    helper_shutdown (scene.pool, AIOPOOL_SHUTDOWN_TERMINATE);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_clear_object (&scene.pool);
  g_clear_object (&scene.future);
  g_clear_object (&scene.other);
}

/* --- a context whose thread ends -------------------------------------------------------------- */

typedef struct
{
  AiopoolExecutor *pool;   /* (unowned: the test) */
  HelperGate      *gate;   /* (unowned: the test) */
  GMainContext    *context; /* (unowned: the test) of the thread */
  AiopoolFuture   *future; /* (owned): runs when the thread is gone */
  int              n_called; /* atomic */
} Leaver;

static void
on_too_late (AiopoolFuture *future,
             gpointer       user_data)
{
  g_atomic_int_inc ((int *) user_data);
}

static gpointer
submit_and_leave (gpointer data)
{
  Leaver *leaver = data;

  g_main_context_push_thread_default (leaver->context);
  leaver->future = helper_gate_submit (leaver->gate, leaver->pool, "deaf");
  aiopool_future_add_done_callback (leaver->future, on_too_late, &leaver->n_called, NULL);
  helper_gate_await (leaver->gate, 1);
  g_main_context_pop_thread_default (leaver->context);
  return NULL;
}

/* While nobody iterates it its callbacks do not come, and everything else goes on. They come when
 * somebody does, whoever that is. */
static void
test_a_context_whose_thread_ends_before_the_result (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (2);
  g_autoptr (HelperGate) gate = helper_gate_new ();
  g_autoptr (GMainContext) context = g_main_context_new ();
  Leaver leaver = { .pool = pool, .gate = gate, .context = context };

  g_thread_join (g_thread_new ("leaver", submit_and_leave, &leaver));
  helper_gate_open (gate);
  g_variant_unref (helper_collect (leaver.future));
  g_assert_cmpuint (helper_run_echo (pool, 4), ==, 4);
  g_assert_cmpint (g_atomic_int_get (&leaver.n_called), ==, 0);
  while (g_main_context_iteration (context, FALSE))
    ;
  g_assert_cmpint (g_atomic_int_get (&leaver.n_called), ==, 1);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  g_object_unref (leaver.future);
}

int
main (int   argc,
      char *argv[])
{
  helper_begin (&argc, &argv);
  for (guint number = 0; number < N_KINDS * N_DEEDS; number++)
    {
      g_autofree char *path = g_strdup_printf ("/pool/callbacks/%s-%s",
                                               kind_names[number / N_DEEDS],
                                               deed_names[number % N_DEEDS]);

      helper_add_data (path, test_deed_in_callback, GUINT_TO_POINTER (number));
    }
  helper_add ("/pool/callbacks/thread-ends-before-the-result",
              test_a_context_whose_thread_ends_before_the_result);
  return helper_end ();
}
