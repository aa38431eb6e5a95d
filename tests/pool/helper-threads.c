/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/pool/helper-threads.h"

struct _HelperThreads
{
  AiopoolExecutor parent_instance;
  GThreadPool    *threads;     /* (owned) */
  guint           max_pending; /* 0 for no limit */
  GMutex          lock;        /* guards what follows */
  guint           n_pending;
  guint           n_running;
  gboolean        was_full;
  gboolean        is_closed;
  gboolean        gives_up;
  AiopoolPromise *closing;     /* (owned) (nullable) */
};

G_DEFINE_FINAL_TYPE (HelperThreads, helper_threads, AIOPOOL_TYPE_EXECUTOR)

/* (transfer full) (nullable) */
static GVariant *
call (AiopoolTask  *task,
      GCancellable *cancellable,
      GError      **error)
{
  GVariant *result;

  if (!g_str_equal (aiopool_task_get_function (task), "act"))
    return g_variant_ref (aiopool_task_get_arguments (task));
  result = helper_act (aiopool_task_get_arguments (task), aiopool_task_get_keywords (task),
                       cancellable, error);
  return result != NULL ? g_variant_take_ref (result) : NULL;
}

static void
run_promise (AiopoolPromise *promise)
{
  AiopoolTask *task = aiopool_future_get_task (aiopool_promise_get_future (promise));
  g_autoptr (GVariant) result = NULL;
  g_autoptr (GError) error = NULL;

  if (!aiopool_promise_start (promise))
    return;
  if (g_str_equal (aiopool_task_get_function (task), "value"))
    {
      g_auto (GValue) value = G_VALUE_INIT;

      g_value_init (&value, G_TYPE_STRING);
      g_value_set_static_string (&value, "a value");
      aiopool_promise_resolve_value (promise, &value);
      return;
    }
  result = call (task, aiopool_promise_get_cancellable (promise), &error);
  if (result == NULL)
    aiopool_promise_reject (promise, error);
  else
    aiopool_promise_resolve (promise, result);
}

static void
close_if_idle (HelperThreads *self)
{
  g_autoptr (AiopoolPromise) closing = NULL;

  g_mutex_lock (&self->lock);
  if (self->closing != NULL && self->n_pending + self->n_running == 0)
    closing = g_object_ref (self->closing);
  g_mutex_unlock (&self->lock);
  if (closing != NULL)
    aiopool_promise_resolve (closing, g_variant_new ("()"));
}

static void
run_in_thread (gpointer data,
               gpointer user_data)
{
  g_autoptr (AiopoolPromise) promise = data;
  HelperThreads *self = user_data;
  gboolean gives_up, has_room;

  g_mutex_lock (&self->lock);
  self->n_pending--;
  self->n_running++;
  gives_up = self->gives_up;
  has_room = self->was_full;
  self->was_full = FALSE;
  g_mutex_unlock (&self->lock);
  if (has_room)
    aiopool_executor_notify_room (AIOPOOL_EXECUTOR (self));
  if (gives_up)
    aiopool_future_cancel (aiopool_promise_get_future (promise), AIOPOOL_CANCEL_FORCE);
  else
    run_promise (promise);
  g_mutex_lock (&self->lock);
  self->n_running--;
  g_mutex_unlock (&self->lock);
  close_if_idle (self);
}

static AiopoolFuture *
threads_submit (AiopoolExecutor *executor,
                AiopoolTask     *task,
                GCancellable    *cancellable,
                GError         **error)
{
  HelperThreads *self = HELPER_THREADS (executor);
  AiopoolPromise *promise = NULL;
  AiopoolFuture *future = NULL;

  g_mutex_lock (&self->lock);
  if (self->is_closed)
    g_set_error_literal (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_CLOSED, "It is closed");
  else if (self->max_pending > 0 && self->n_pending >= self->max_pending)
    {
      self->was_full = TRUE;
      g_set_error_literal (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_FULL, "It is full");
    }
  else
    {
      promise = aiopool_promise_new (task);
      future = g_object_ref (aiopool_promise_get_future (promise));
      self->n_pending++;
    }
  g_mutex_unlock (&self->lock);
  if (promise != NULL)
    g_thread_pool_push (self->threads, promise, NULL);
  return future;
}

static AiopoolFuture *
threads_begin_shutdown (AiopoolExecutor     *executor,
                        AiopoolShutdownFlags flags)
{
  HelperThreads *self = HELPER_THREADS (executor);
  AiopoolFuture *future;

  g_mutex_lock (&self->lock);
  self->is_closed = TRUE;
  self->gives_up |= flags != AIOPOOL_SHUTDOWN_DRAIN;
  if (self->closing == NULL)
    self->closing = aiopool_promise_new (NULL);
  future = g_object_ref (aiopool_promise_get_future (self->closing));
  g_mutex_unlock (&self->lock);
  close_if_idle (self);
  return future;
}

static void
helper_threads_finalize (GObject *object)
{
  HelperThreads *self = HELPER_THREADS (object);

  g_thread_pool_free (self->threads, FALSE, TRUE);
  g_clear_object (&self->closing);
  g_mutex_clear (&self->lock);
  G_OBJECT_CLASS (helper_threads_parent_class)->finalize (object);
}

static void
helper_threads_class_init (HelperThreadsClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = helper_threads_finalize;
  AIOPOOL_EXECUTOR_CLASS (klass)->submit = threads_submit;
  AIOPOOL_EXECUTOR_CLASS (klass)->begin_shutdown = threads_begin_shutdown;
}

static void
helper_threads_init (HelperThreads *self)
{
  g_mutex_init (&self->lock);
}

AiopoolExecutor *
helper_threads_new (guint n_threads,
                    guint max_pending)
{
  HelperThreads *self = g_object_new (HELPER_TYPE_THREADS, NULL);

  self->max_pending = max_pending;
  self->threads = g_thread_pool_new (run_in_thread, self, (int) n_threads, FALSE, NULL);
  return AIOPOOL_EXECUTOR (self);
}

struct _HelperIdler
{
  AiopoolExecutor parent_instance;
};

G_DEFINE_FINAL_TYPE (HelperIdler, helper_idler, AIOPOOL_TYPE_EXECUTOR)

static gboolean
on_idle (gpointer promise)
{
  run_promise (promise);
  return G_SOURCE_REMOVE;
}

static AiopoolFuture *
idler_submit (AiopoolExecutor *executor,
              AiopoolTask     *task,
              GCancellable    *cancellable,
              GError         **error)
{
  g_autoptr (AiopoolPromise) promise = aiopool_promise_new (task);
  GMainContext *context = g_main_context_ref_thread_default ();
  GSource *source = g_idle_source_new ();

  aiopool_promise_set_context (promise, context);
  g_source_set_callback (source, on_idle, g_object_ref (promise), g_object_unref);
  g_source_attach (source, context);
  g_source_unref (source);
  g_main_context_unref (context);
  return g_object_ref (aiopool_promise_get_future (promise));
}

static void
helper_idler_class_init (HelperIdlerClass *klass)
{
  AIOPOOL_EXECUTOR_CLASS (klass)->submit = idler_submit;
}

static void
helper_idler_init (HelperIdler *self)
{
}

AiopoolExecutor *
helper_idler_new (void)
{
  return g_object_new (HELPER_TYPE_IDLER, NULL);
}
