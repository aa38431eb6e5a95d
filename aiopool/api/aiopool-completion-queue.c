/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/api/aiopool-completion-queue.h"

#include "aiopool/api/aiopool-future-private.h"

/**
 * AiopoolCompletionQueue:
 *
 * Tells an event loop that is not GLib's which futures have ended.
 *
 * A loop such as that of Python's `asyncio` watches [method@Aiopool.CompletionQueue.get_fd] for
 * reading. When it is readable, [method@Aiopool.CompletionQueue.take] says which of the futures
 * that were added have ended: all of them at once, so that a thousand that end together cost one
 * call and not a thousand.
 *
 * The queue has a main context of its own, which nobody else should iterate. Tasks that are
 * submitted with [method@Aiopool.CompletionQueue.submit] have it as their home: what a future tells
 * by signals is told within [method@Aiopool.CompletionQueue.take]. So are the callbacks of
 * asynchronous calls that are made while [method@Aiopool.CompletionQueue.get_context] is
 * thread-default.
 *
 * A queue belongs to one thread: no method may be called from another one. A program that has a
 * main loop of GLib does not need it.
 *
 * Since: 0.1
 */

#define MAX_ITERATIONS 16 /* in one take, lest callbacks that start more hold the loop for ever */

typedef struct
{
  AiopoolCompletionQueue *queue;  /* (unowned: takes its waits back when it goes) */
  AiopoolFuture          *future; /* (unowned: the listener's, which owns this) */
  guint                   listener;
  guint                   id;
} Wait;

struct _AiopoolCompletionQueue
{
  GObject       parent_instance;
  GMainContext *context; /* (owned) */
  GHashTable   *waits;   /* (owned): from id to Wait, which its listener owns */
  GArray       *ended;   /* (owned) of guint: not yet taken */
  guint         last_id;
  int           fd;      /* (unowned: the context's) */
};

G_DEFINE_FINAL_TYPE (AiopoolCompletionQueue, aiopool_completion_queue, G_TYPE_OBJECT)

/* The descriptor by which a context is woken: the only one, as long as it has no source. */
static int
find_wakeup_fd (GMainContext *context)
{
  GPollFD fd = { -1, 0, 0 };
  int timeout;
  gboolean is_acquired = g_main_context_acquire (context);
  int n_fds = g_main_context_query (context, G_MAXINT, &timeout, &fd, 1);

  g_assert (is_acquired && n_fds == 1 && fd.fd >= 0);
  g_main_context_release (context);
  return fd.fd;
}

static void
free_wait (gpointer data)
{
  g_free (data);
}

static void
on_done (AiopoolFuture *future,
         gpointer       user_data)
{
  Wait *wait = user_data;

  g_array_append_val (wait->queue->ended, wait->id);
  g_hash_table_remove (wait->queue->waits, GUINT_TO_POINTER (wait->id));
}

/* Ids are never 0, and not used again while they are awaited. */
static guint
next_id (AiopoolCompletionQueue *self)
{
  do
    self->last_id++;
  while (self->last_id == 0 ||
         g_hash_table_contains (self->waits, GUINT_TO_POINTER (self->last_id)));
  return self->last_id;
}

static guint
await (AiopoolCompletionQueue *self,
       AiopoolFuture          *future)
{
  Wait *wait = g_new (Wait, 1);

  wait->queue = self;
  wait->future = future;
  wait->id = next_id (self);
  g_hash_table_insert (self->waits, GUINT_TO_POINTER (wait->id), wait);
  wait->listener = aiopool_future_listen (future, self->context, on_done, wait, free_wait);
  return wait->id;
}

static void
stop_waiting (Wait *wait)
{
  aiopool_future_unlisten (wait->future, wait->listener);
}

/* What is in the mailbox is delivered, for nobody iterates the context after this. The thread keeps
 * the last mailbox that it used, and the context with it: that should be another one. */
static void
aiopool_completion_queue_finalize (GObject *object)
{
  AiopoolCompletionQueue *self = AIOPOOL_COMPLETION_QUEUE (object);
  GHashTableIter iter;
  gpointer wait;

  g_hash_table_iter_init (&iter, self->waits);
  while (g_hash_table_iter_next (&iter, NULL, &wait))
    {
      g_hash_table_iter_steal (&iter);
      stop_waiting (wait);
    }
  while (g_main_context_iteration (self->context, FALSE))
    ;
  aiopool_mailbox_get_home ();
  g_clear_pointer (&self->waits, g_hash_table_unref);
  g_clear_pointer (&self->ended, g_array_unref);
  g_clear_pointer (&self->context, g_main_context_unref);
  G_OBJECT_CLASS (aiopool_completion_queue_parent_class)->finalize (object);
}

static void
aiopool_completion_queue_class_init (AiopoolCompletionQueueClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = aiopool_completion_queue_finalize;
}

/* Nobody owns the context while the loop polls its descriptor, which is written to all the same
 * when a source is attached. */
static void
aiopool_completion_queue_init (AiopoolCompletionQueue *self)
{
  self->context = g_main_context_new_with_flags (G_MAIN_CONTEXT_FLAGS_OWNERLESS_POLLING);
  self->fd = find_wakeup_fd (self->context);
  self->waits = g_hash_table_new (NULL, NULL);
  self->ended = g_array_new (FALSE, FALSE, sizeof (guint));
}

/**
 * aiopool_completion_queue_new:
 *
 * Makes a queue to which no future was added.
 *
 * Returns: (transfer full): a new queue
 *
 * Since: 0.1
 */
AiopoolCompletionQueue *
aiopool_completion_queue_new (void)
{
  return g_object_new (AIOPOOL_TYPE_COMPLETION_QUEUE, NULL);
}

/**
 * aiopool_completion_queue_get_fd:
 * @self: a completion queue
 *
 * Gets the descriptor to watch for reading.
 *
 * It is readable from when something is to be taken until [method@Aiopool.CompletionQueue.take].
 * Once in a while it is readable although there is nothing. It belongs to the queue: it is to be
 * polled, and neither read nor closed.
 *
 * Returns: a descriptor
 *
 * Since: 0.1
 */
int
aiopool_completion_queue_get_fd (AiopoolCompletionQueue *self)
{
  g_return_val_if_fail (AIOPOOL_IS_COMPLETION_QUEUE (self), -1);

  return self->fd;
}

/**
 * aiopool_completion_queue_get_context:
 * @self: a completion queue
 *
 * Gets the main context that [method@Aiopool.CompletionQueue.take] iterates.
 *
 * It may be made thread-default around a call whose callbacks should come there. Sources that poll
 * descriptors or wait for a time do not belong into it, for the loop that watches the queue does
 * not see those.
 *
 * Returns: (transfer none): a main context
 *
 * Since: 0.1
 */
GMainContext *
aiopool_completion_queue_get_context (AiopoolCompletionQueue *self)
{
  g_return_val_if_fail (AIOPOOL_IS_COMPLETION_QUEUE (self), NULL);

  return self->context;
}

/**
 * aiopool_completion_queue_add:
 * @self: a completion queue
 * @future: a future, which may have ended
 *
 * Has [method@Aiopool.CompletionQueue.take] tell when a future has ended.
 *
 * A future that was added twice is told of twice.
 *
 * Returns: an id, which is never 0
 *
 * Since: 0.1
 */
guint
aiopool_completion_queue_add (AiopoolCompletionQueue *self,
                              AiopoolFuture          *future)
{
  g_return_val_if_fail (AIOPOOL_IS_COMPLETION_QUEUE (self), 0);
  g_return_val_if_fail (AIOPOOL_IS_FUTURE (future), 0);

  return await (self, future);
}

/**
 * aiopool_completion_queue_submit:
 * @self: a completion queue
 * @executor: an executor
 * @task: a task
 * @cancellable: (nullable): a #GCancellable that cancels the task
 * @id: (out): an id, as [method@Aiopool.CompletionQueue.add] returns it
 * @error: return location for a #GError
 *
 * Submits a task and adds its future.
 *
 * The signals of the future are emitted within [method@Aiopool.CompletionQueue.take]. Errors are
 * those of [method@Aiopool.Executor.submit].
 *
 * Returns: (transfer full): the future
 *
 * Since: 0.1
 */
AiopoolFuture *
aiopool_completion_queue_submit (AiopoolCompletionQueue  *self,
                                 AiopoolExecutor         *executor,
                                 AiopoolTask             *task,
                                 GCancellable            *cancellable,
                                 guint                   *id,
                                 GError                 **error)
{
  AiopoolFuture *future;

  g_return_val_if_fail (AIOPOOL_IS_COMPLETION_QUEUE (self), NULL);
  g_return_val_if_fail (AIOPOOL_IS_EXECUTOR (executor), NULL);
  g_return_val_if_fail (AIOPOOL_IS_TASK (task), NULL);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), NULL);
  g_return_val_if_fail (id != NULL, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  g_main_context_push_thread_default (self->context);
  future = aiopool_executor_submit (executor, task, cancellable, error);
  *id = future != NULL ? await (self, future) : 0;
  g_main_context_pop_thread_default (self->context);
  return future;
}

/**
 * aiopool_completion_queue_remove:
 * @self: a completion queue
 * @id: what [method@Aiopool.CompletionQueue.add] returned
 *
 * Has a future not told of after all.
 *
 * Its task is not cancelled.
 *
 * Returns: %FALSE if it has been taken, or waits to be
 *
 * Since: 0.1
 */
gboolean
aiopool_completion_queue_remove (AiopoolCompletionQueue *self,
                                 guint                   id)
{
  gpointer wait;

  g_return_val_if_fail (AIOPOOL_IS_COMPLETION_QUEUE (self), FALSE);

  if (!g_hash_table_steal_extended (self->waits, GUINT_TO_POINTER (id), NULL, &wait))
    return FALSE;
  stop_waiting (wait);
  return TRUE;
}

/* What is left is for the next take, and so is what callbacks start. */
static void
iterate (AiopoolCompletionQueue *self)
{
  guint n = 0;

  g_main_context_push_thread_default (self->context);
  while (n < MAX_ITERATIONS && g_main_context_iteration (self->context, FALSE))
    n++;
  g_main_context_pop_thread_default (self->context);
  if (n == MAX_ITERATIONS)
    g_main_context_wakeup (self->context);
}

/**
 * aiopool_completion_queue_take:
 * @self: a completion queue
 * @n_ids: (out): number of ids
 *
 * Delivers what has come, and says which futures have ended.
 *
 * Each is told of once, in the order in which they ended. Does not block. May not be called from a
 * callback or handler that this calls.
 *
 * Returns: (array length=n_ids) (transfer full) (nullable): ids of
 *   [method@Aiopool.CompletionQueue.add], to be freed with g_free(); %NULL if none has ended
 *
 * Since: 0.1
 */
guint *
aiopool_completion_queue_take (AiopoolCompletionQueue *self,
                               gsize                  *n_ids)
{
  gsize n = 0;
  guint *ids = NULL;

  g_return_val_if_fail (AIOPOOL_IS_COMPLETION_QUEUE (self), NULL);

  g_object_ref (self);
  iterate (self);
  if (self->ended->len > 0)
    ids = g_array_steal (self->ended, &n);
  if (n_ids != NULL)
    *n_ids = n;
  g_object_unref (self);
  return ids;
}
