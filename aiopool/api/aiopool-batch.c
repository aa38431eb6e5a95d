/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/api/aiopool-batch-private.h"

/**
 * AiopoolBatch:
 *
 * A function applied to many items.
 *
 * A batch takes items from a [class@Aiopool.Source], has its executor run the function of its task
 * on each of them, and hands out a [class@Aiopool.Future] for each, which has ended. It is made by
 * [method@Aiopool.Executor.map], [method@Aiopool.Executor.starmap] or [ctor@Aiopool.Batch.new].
 *
 * A batch is new until it is started, by [method@Aiopool.Batch.start] or by the first call that
 * reads it; so long its options may be set. Then items are taken from the source as there is room
 * for them: at most [property@Aiopool.Batch:window] tasks are under way, and while nobody reads,
 * only so many ended items wait as [property@Aiopool.Batch:backlog] says. So the source may be
 * endless.
 *
 * There are three ways to get at what comes of the items. One may read them one after the other or
 * several at once ([method@Aiopool.Batch.next], [method@Aiopool.Batch.next_batch]), which takes
 * them. One may have one array of all results ([method@Aiopool.Batch.collect_all]). And a batch is
 * a list model of the futures that have ended and that nobody has taken: it grows at its end and
 * shrinks at its beginning, so that a list widget can show it while it fills.
 *
 * The list changes, and properties are notified, in the main context that was thread-default when
 * the batch was made, and the list may be read only there. All methods may be called from any
 * thread.
 *
 * Items of a pool may be sent in chunks ([property@Aiopool.Batch:chunk-size]), which is much faster
 * for short functions. Each item has its own future all the same.
 *
 * Dropping the last reference of a batch cancels the rest: what has not started never will, and
 * what runs is told to stop ([method@Aiopool.Call.get_cancellable]).
 *
 * Since: 0.1
 */
struct _AiopoolBatch
{
  GObject           parent_instance;
  AiopoolBatchCore *core; /* (owned) */
};

G_DEFINE_FINAL_TYPE_WITH_CODE (AiopoolBatch, aiopool_batch, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (G_TYPE_LIST_MODEL,
                                                      aiopool_batch_init_list))

AiopoolBatchCore *
aiopool_batch_get_core (AiopoolBatch *self)
{
  return self->core;
}

static void
aiopool_batch_constructed (GObject *object)
{
  AiopoolBatchCore *core = AIOPOOL_BATCH (object)->core;
  GVariant *array;

  G_OBJECT_CLASS (aiopool_batch_parent_class)->constructed (object);
  if (core->task == NULL)
    core->task = aiopool_task_new ("", NULL);
  if (core->source == NULL)
    core->source = aiopool_source_new_pushed (NULL, NULL, NULL);
  array = aiopool_source_get_array (core->source);
  core->n_total = array != NULL ? (gint64) g_variant_n_children (array)
                                : aiopool_source_count_left (core->source);
}

static void
aiopool_batch_finalize (GObject *object)
{
  aiopool_batch_core_abandon (AIOPOOL_BATCH (object)->core);
  G_OBJECT_CLASS (aiopool_batch_parent_class)->finalize (object);
}

static void
aiopool_batch_class_init (AiopoolBatchClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->constructed = aiopool_batch_constructed;
  object_class->finalize = aiopool_batch_finalize;
  aiopool_batch_install_properties (object_class);
}

static void
aiopool_batch_init (AiopoolBatch *self)
{
  self->core = aiopool_batch_core_new (self);
}

/**
 * aiopool_batch_new:
 * @executor: who runs the items
 * @task: (nullable): which function, with which keywords and options; its arguments do not count;
 *   frozen from now on. %NULL if all items are tasks of their own
 * @source: where the items come from; for this batch alone
 *
 * Makes a batch, which is not started.
 *
 * Keywords, priority, timeout, queue timeout, retries and tag of @task are those of each item.
 *
 * Returns: (transfer full): a new batch
 *
 * Since: 0.1
 */
AiopoolBatch *
aiopool_batch_new (AiopoolExecutor *executor,
                   AiopoolTask     *task,
                   AiopoolSource   *source)
{
  g_return_val_if_fail (AIOPOOL_IS_EXECUTOR (executor), NULL);
  g_return_val_if_fail (task == NULL || AIOPOOL_IS_TASK (task), NULL);
  g_return_val_if_fail (AIOPOOL_IS_SOURCE (source), NULL);

  return g_object_new (AIOPOOL_TYPE_BATCH,
                       "executor", executor,
                       "task", task,
                       "source", source,
                       NULL);
}

static AiopoolBatch *
map (AiopoolExecutor *executor,
     AiopoolTask     *task,
     GVariant        *items,
     gboolean         unpack)
{
  g_autoptr (AiopoolSource) source = aiopool_source_new_for_array (items);

  if (source == NULL)
    return NULL;
  return g_object_new (AIOPOOL_TYPE_BATCH,
                       "executor", executor,
                       "task", task,
                       "source", source,
                       "unpack", unpack,
                       NULL);
}

/**
 * aiopool_executor_map:
 * @self: an executor
 * @task: which function, with which keywords and options; its arguments do not count; frozen from
 *   now on
 * @items: an array of any type
 *
 * Makes a batch that calls a function for each item of an array, with the item as its one argument:
 * in a tuple of one.
 *
 * The batch is not started. If @items is floating, it is taken over. For items from elsewhere see
 * [ctor@Aiopool.Batch.new].
 *
 * Returns: (transfer full): a new batch
 *
 * Since: 0.1
 */
AiopoolBatch *
aiopool_executor_map (AiopoolExecutor *self,
                      AiopoolTask     *task,
                      GVariant        *items)
{
  g_return_val_if_fail (AIOPOOL_IS_EXECUTOR (self), NULL);
  g_return_val_if_fail (AIOPOOL_IS_TASK (task), NULL);
  g_return_val_if_fail (items != NULL, NULL);

  return map (self, task, items, FALSE);
}

/**
 * aiopool_executor_starmap:
 * @self: an executor
 * @task: which function, with which keywords and options; its arguments do not count; frozen from
 *   now on
 * @items: an array, mostly of tuples
 *
 * Makes a batch that calls a function for each item of an array, with the item, a tuple, as its
 * arguments.
 *
 * As [method@Aiopool.Executor.map] otherwise.
 *
 * Returns: (transfer full): a new batch
 *
 * Since: 0.1
 */
AiopoolBatch *
aiopool_executor_starmap (AiopoolExecutor *self,
                          AiopoolTask     *task,
                          GVariant        *items)
{
  g_return_val_if_fail (AIOPOOL_IS_EXECUTOR (self), NULL);
  g_return_val_if_fail (AIOPOOL_IS_TASK (task), NULL);
  g_return_val_if_fail (items != NULL, NULL);

  return map (self, task, items, TRUE);
}

/**
 * aiopool_batch_start:
 * @self: a batch
 *
 * Starts the batch, which then goes on by itself.
 *
 * Nobody needs to read it: unless [property@Aiopool.Batch:backlog] is set, all ended items are kept
 * for the list. If the batch is [property@Aiopool.Batch:eager], everything that is in an array is
 * submitted before this returns; so is everything in a list model, or that a function gives, if the
 * calling thread made the batch or iterates its main context.
 *
 * Since: 0.1
 */
void
aiopool_batch_start (AiopoolBatch *self)
{
  AiopoolRights rights = AIOPOOL_RIGHTS_EXECUTOR;
  gboolean is_changed;

  g_return_if_fail (AIOPOOL_IS_BATCH (self));

  g_mutex_lock (&self->core->lock);
  is_changed = !self->core->was_started;
  self->core->was_started = TRUE;
  g_mutex_unlock (&self->core->lock);
  aiopool_batch_core_start (self->core);
  if (self->core->is_eager)
    rights = aiopool_batch_core_get_rights (self->core);
  if (is_changed)
    aiopool_batch_feed (self->core, rights);
}

/**
 * aiopool_batch_cancel:
 * @self: a batch
 * @mode: how hard
 *
 * Cancels the rest.
 *
 * No more items are taken from the source, and those that have not started never will. With
 * %AIOPOOL_CANCEL_PENDING those that run go on to their end; with %AIOPOOL_CANCEL_COOPERATIVE they
 * are told to stop; with %AIOPOOL_CANCEL_FORCE they are cancelled at once, as in
 * [method@Aiopool.Future.cancel]. Items that were taken from the source and are cancelled are
 * futures that failed with %G_IO_ERROR_CANCELLED.
 *
 * The batch ends with %G_IO_ERROR_CANCELLED. May be called again with a harder mode, from any
 * thread and from a callback.
 *
 * Returns: %FALSE if the batch was over, or was broken off before and @mode is no harder
 *
 * Since: 0.1
 */
gboolean
aiopool_batch_cancel (AiopoolBatch     *self,
                      AiopoolCancelMode mode)
{
  GError *error;
  gboolean result;

  g_return_val_if_fail (AIOPOOL_IS_BATCH (self), FALSE);

  error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, "The batch was cancelled");
  result = aiopool_batch_core_break_off (self->core, error, mode);
  if (result)
    aiopool_batch_feed (self->core, AIOPOOL_RIGHTS_EXECUTOR);
  return result;
}

/**
 * aiopool_batch_get_state:
 * @self: a batch
 *
 * Gets what has become of the batch.
 *
 * %AIOPOOL_FUTURE_PENDING if it is new, %AIOPOOL_FUTURE_RUNNING until all items have ended,
 * %AIOPOOL_FUTURE_DONE if it came to the end of its source, also if items failed,
 * %AIOPOOL_FUTURE_CANCELLED if it was cancelled, and %AIOPOOL_FUTURE_FAILED if it ended before the
 * end of the source for another reason, which [method@Aiopool.Batch.dup_error] tells.
 *
 * Returns: the state at this moment
 *
 * Since: 0.1
 */
AiopoolFutureState
aiopool_batch_get_state (AiopoolBatch *self)
{
  AiopoolFutureState state;

  g_return_val_if_fail (AIOPOOL_IS_BATCH (self), AIOPOOL_FUTURE_PENDING);

  g_mutex_lock (&self->core->lock);
  state = self->core->state;
  g_mutex_unlock (&self->core->lock);
  return state;
}

/**
 * aiopool_batch_dup_error:
 * @self: a batch
 *
 * Gets why the batch ended before the end of its source.
 *
 * Returns: (transfer full) (nullable): the error; %NULL if it has not ended, or came to the end
 *
 * Since: 0.1
 */
GError *
aiopool_batch_dup_error (AiopoolBatch *self)
{
  GError *error = NULL;

  g_return_val_if_fail (AIOPOOL_IS_BATCH (self), NULL);

  g_mutex_lock (&self->core->lock);
  if (aiopool_batch_core_is_over (self->core) && self->core->error != NULL)
    error = g_error_copy (self->core->error);
  g_mutex_unlock (&self->core->lock);
  return error;
}

static guint
read_count (AiopoolBatch *self,
            guint64      *count)
{
  guint64 result;

  g_mutex_lock (&self->core->lock);
  result = *count;
  g_mutex_unlock (&self->core->lock);
  return (guint) MIN (result, G_MAXUINT);
}

/**
 * aiopool_batch_get_n_done:
 * @self: a batch
 *
 * Gets how many items have ended, in whatever way.
 *
 * Returns: a number of items; it does not go beyond %G_MAXUINT
 *
 * Since: 0.1
 */
guint
aiopool_batch_get_n_done (AiopoolBatch *self)
{
  g_return_val_if_fail (AIOPOOL_IS_BATCH (self), 0);

  return read_count (self, &self->core->n_done);
}

/**
 * aiopool_batch_get_n_failed:
 * @self: a batch
 *
 * Gets how many items have ended without a result: failed or cancelled.
 *
 * Returns: a number of items; it does not go beyond %G_MAXUINT
 *
 * Since: 0.1
 */
guint
aiopool_batch_get_n_failed (AiopoolBatch *self)
{
  g_return_val_if_fail (AIOPOOL_IS_BATCH (self), 0);

  return read_count (self, &self->core->n_failed);
}

/**
 * aiopool_batch_get_n_running:
 * @self: a batch
 *
 * Gets how many items are under way: taken from the source, and not ended.
 *
 * Returns: a number of items
 *
 * Since: 0.1
 */
guint
aiopool_batch_get_n_running (AiopoolBatch *self)
{
  g_return_val_if_fail (AIOPOOL_IS_BATCH (self), 0);

  return read_count (self, &self->core->n_running);
}

/**
 * aiopool_batch_get_n_total:
 * @self: a batch
 *
 * Gets how many items there are altogether.
 *
 * That is known of an array and of a list model, which may change, and of others at their end.
 *
 * Returns: a number of items, at most %G_MAXINT; -1 if it is not known
 *
 * Since: 0.1
 */
int
aiopool_batch_get_n_total (AiopoolBatch *self)
{
  gint64 result;

  g_return_val_if_fail (AIOPOOL_IS_BATCH (self), -1);

  g_mutex_lock (&self->core->lock);
  result = self->core->n_total;
  g_mutex_unlock (&self->core->lock);
  return (int) MIN (result, G_MAXINT);
}

/**
 * aiopool_batch_get_progress:
 * @self: a batch
 *
 * Gets which part of the items has ended.
 *
 * Returns: from 0 to 1; 0 as long as it is not known how many there are, and 1 when the batch is
 *   over
 *
 * Since: 0.1
 */
double
aiopool_batch_get_progress (AiopoolBatch *self)
{
  AiopoolBatchCore *core;
  double result = 0;

  g_return_val_if_fail (AIOPOOL_IS_BATCH (self), 0);

  core = self->core;
  g_mutex_lock (&core->lock);
  if (aiopool_batch_core_is_over (core))
    result = 1;
  else if (core->n_total > 0)
    result = MIN ((double) core->n_done / (double) core->n_total, 1);
  g_mutex_unlock (&core->lock);
  return result;
}

/**
 * aiopool_batch_get_time_left:
 * @self: a batch
 *
 * Gets how long the batch will still take if it goes on as it did so far.
 *
 * Returns: seconds; 0 when it is over, and -1 if that cannot be said: no item has ended, or it is
 *   not known how many there are
 *
 * Since: 0.1
 */
double
aiopool_batch_get_time_left (AiopoolBatch *self)
{
  AiopoolBatchCore *core;
  double result = -1;

  g_return_val_if_fail (AIOPOOL_IS_BATCH (self), -1);

  core = self->core;
  g_mutex_lock (&core->lock);
  if (aiopool_batch_core_is_over (core))
    result = 0;
  else if (core->n_total >= 0 && core->n_done > 0)
    result = (double) (g_get_monotonic_time () - core->started) / G_USEC_PER_SEC *
             (double) MAX (core->n_total - (gint64) core->n_done, 0) / (double) core->n_done;
  g_mutex_unlock (&core->lock);
  return result;
}
