/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/api/aiopool-batch-private.h"

#include "aiopool/base/aiopool-error.h"

/* Reading a batch: one item after the other, several at once, or until it is over.
 *
 * There are readers that block and readers that do not. The latter stand in a row. When there is
 * something for them, each gets a letter, and takes what it reads in its own context, at the moment
 * at which it is told; so a read that is cancelled before loses nothing. A letter that finds that
 * somebody else was faster leaves its reader where it was.
 *
 * A thread that blocks sees to the batch, as far as its rights go, whenever nobody else could. */

typedef enum
{
  READ_ITEMS,
  READ_END
} ReadKind;

typedef struct
{
  ReadKind kind;
  guint    min_items;
  guint    max_items;
} Wanted;

/* One that does not block. A reference each for being in the row, for the letter when posted, and
 * for each source. */
typedef struct
{
  AiopoolLetter     letter;    /* first */
  int               ref_count; /* atomic */
  AiopoolBatchCore *core;      /* (owned) */
  AiopoolMailbox   *mailbox;   /* (owned) */
  GTask            *task;      /* (owned) (nullable): NULL once it is over; in its context */
  Wanted            wanted;
  GSource          *cancel_source; /* (owned) (nullable) */
  GSource          *timeout_source; /* (owned) (nullable) */
  GList             link;      /* under the core's lock, as the next */
  gboolean          is_posted;
} Reader;

/* What was read. */
typedef struct
{
  AiopoolItemView *views;   /* (owned) */
  guint64         *numbers; /* (owned) */
  guint            n_items;
} Reading;

/* Under the lock. */
static guint64
count_ready (AiopoolBatchCore *core)
{
  return aiopool_results_get_end (core->results) - core->taken;
}

/* Under the lock: whether there is an answer now. */
static gboolean
is_ready (AiopoolBatchCore *core,
          const Wanted     *wanted)
{
  if (aiopool_batch_core_is_over (core))
    return TRUE;
  if (wanted->kind == READ_END)
    return FALSE;
  return count_ready (core) >= wanted->min_items;
}

/* Under the lock, where user code may run. */
static void
take (AiopoolBatchCore *core,
      const Wanted     *wanted,
      Reading          *reading)
{
  guint n = wanted->kind == READ_ITEMS ? (guint) MIN (count_ready (core), wanted->max_items) : 0;

  reading->n_items = n;
  if (n == 0)
    return;
  reading->views = g_new0 (AiopoolItemView, n);
  reading->numbers = g_new (guint64, n);
  for (guint i = 0; i < n; i++)
    aiopool_batch_take (core, &reading->views[i], &reading->numbers[i]);
  if (core->is_viewed)
    aiopool_batch_core_post (core);
}

/* (transfer full): of AiopoolFuture. Without the lock. */
static GListStore *
make_futures (AiopoolBatchCore *core,
              Reading          *reading)
{
  GListStore *list = g_list_store_new (AIOPOOL_TYPE_FUTURE);

  for (guint i = 0; i < reading->n_items; i++)
    {
      g_autoptr (AiopoolFuture) future = aiopool_batch_make_future (core, reading->numbers[i],
                                                                    &reading->views[i]);

      g_list_store_append (list, future);
    }
  g_free (reading->views);
  g_free (reading->numbers);
  return list;
}

static AiopoolFuture *
make_one (AiopoolBatchCore *core,
          Reading          *reading)
{
  AiopoolFuture *future = aiopool_batch_make_future (core, reading->numbers[0],
                                                     &reading->views[0]);

  g_free (reading->views);
  g_free (reading->numbers);
  return future;
}

/* Begins to read, if nobody did. Who waits for the end, or for many, lets the batch go so far. */
static void
begin (AiopoolBatchCore *core,
       const Wanted     *wanted)
{
  aiopool_batch_core_start (core);
  g_mutex_lock (&core->lock);
  core->is_free |= wanted->kind == READ_END;
  core->least_backlog = MAX (core->least_backlog, wanted->min_items);
  g_mutex_unlock (&core->lock);
}

/* There is room for more once something was read. */
static void
go_on (AiopoolBatchCore *core)
{
  aiopool_batch_feed (core, AIOPOOL_RIGHTS_EXECUTOR);
}

static void
reader_unref (gpointer data)
{
  Reader *reader = data;

  if (!g_atomic_int_dec_and_test (&reader->ref_count))
    return;
  g_assert (reader->task == NULL);
  aiopool_mailbox_unref (reader->mailbox);
  aiopool_batch_core_unref_away (reader->core);
  g_free (reader);
}

static Reader *
reader_ref (Reader *reader)
{
  g_atomic_int_inc (&reader->ref_count);
  return reader;
}

/* Under the lock: tells those for whom there is something. */
void
aiopool_batch_post_readers (AiopoolBatchCore *core)
{
  gboolean is_over = aiopool_batch_core_is_over (core);
  guint64 n_ready = count_ready (core);

  for (GList *link = core->readers.head; link != NULL; link = link->next)
    {
      Reader *reader = link->data;
      guint n = reader->wanted.kind == READ_ITEMS ? reader->wanted.min_items : 0;

      if (reader->is_posted || (!is_over && (reader->wanted.kind == READ_END || n_ready < n)))
        continue;
      n_ready -= MIN (n_ready, n);
      reader->is_posted = TRUE;
      aiopool_mailbox_post (reader->mailbox, &reader_ref (reader)->letter);
    }
}

static void
clear_source (GSource **source)
{
  if (*source == NULL)
    return;
  g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

/* In its context: it is in the row no more. (transfer full). */
static GTask *
leave (Reader *reader)
{
  GTask *task = g_steal_pointer (&reader->task);

  clear_source (&reader->cancel_source);
  clear_source (&reader->timeout_source);
  return task;
}

static void return_read (GTask            *task,
                         AiopoolBatchCore *core,
                         const Wanted     *wanted,
                         Reading          *reading,
                         gboolean          is_late);

/* In its context. @is_late: its time is over. */
static void
try_to_read (Reader   *reader,
             gboolean  is_late)
{
  AiopoolBatchCore *core = reader->core;
  Reading reading = { NULL };
  GTask *task;
  gboolean is_through;

  if (reader->task == NULL)
    return;
  g_mutex_lock (&core->lock);
  is_through = is_late || is_ready (core, &reader->wanted);
  if (is_through)
    {
      take (core, &reader->wanted, &reading);
      g_queue_unlink (&core->readers, &reader->link);
    }
  g_mutex_unlock (&core->lock);
  if (!is_through)
    return;
  task = leave (reader);
  go_on (core);
  return_read (task, core, &reader->wanted, &reading, is_late);
  g_object_unref (task);
  reader_unref (reader);
}

/* In the context of the one who reads. */
static void
deliver (AiopoolLetter *letter)
{
  Reader *reader = (Reader *) letter;

  g_mutex_lock (&reader->core->lock);
  reader->is_posted = FALSE;
  g_mutex_unlock (&reader->core->lock);
  try_to_read (reader, FALSE);
  reader_unref (reader);
}

static const AiopoolLetterKind reader_kind = { deliver, NULL, FALSE };

static gboolean
on_reader_timeout (gpointer user_data)
{
  try_to_read (user_data, TRUE);
  return G_SOURCE_REMOVE;
}

static gboolean
on_reader_cancelled (GCancellable *cancellable,
                     gpointer      user_data)
{
  Reader *reader = user_data;
  AiopoolBatchCore *core = reader->core;
  GTask *task;

  if (reader->task == NULL)
    return G_SOURCE_REMOVE;
  g_mutex_lock (&core->lock);
  g_queue_unlink (&core->readers, &reader->link);
  aiopool_batch_post_readers (core);
  g_mutex_unlock (&core->lock);
  task = leave (reader);
  g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CANCELLED, "The read was cancelled");
  g_object_unref (task);
  reader_unref (reader);
  return G_SOURCE_REMOVE;
}

static void
attach_source (Reader      *reader,
               GSource     *source,
               GSourceFunc  func)
{
  g_source_set_callback (source, func, reader_ref (reader), reader_unref);
  g_source_attach (source, g_task_get_context (reader->task));
}

static void
attach_sources (Reader *reader,
                double  timeout)
{
  GCancellable *cancellable = g_task_get_cancellable (reader->task);

  if (cancellable != NULL)
    {
      reader->cancel_source = g_cancellable_source_new (cancellable);
      attach_source (reader, reader->cancel_source, G_SOURCE_FUNC (on_reader_cancelled));
    }
  if (timeout >= 0 && timeout < G_MAXUINT / 1000)
    {
      reader->timeout_source = g_timeout_source_new ((guint) (timeout * 1000 + 0.999));
      attach_source (reader, reader->timeout_source, on_reader_timeout);
    }
}

static Reader *
reader_new (AiopoolBatchCore *core,
            GTask            *task,
            const Wanted     *wanted)
{
  Reader *reader = g_new0 (Reader, 1);

  reader->letter.kind = &reader_kind;
  reader->ref_count = 1;
  reader->core = aiopool_batch_core_ref (core);
  reader->mailbox = aiopool_mailbox_ref (aiopool_mailbox_for (g_task_get_context (task)));
  reader->task = task;
  reader->wanted = *wanted;
  reader->link.data = reader;
  return reader;
}

/* Takes @task. Everybody goes into the row, so that those who came first go first. */
static void
read_async (AiopoolBatch *batch,
            GTask        *task,
            const Wanted *wanted,
            double        timeout)
{
  AiopoolBatchCore *core = aiopool_batch_get_core (batch);
  Reader *reader = reader_new (core, task, wanted);

  g_task_set_check_cancellable (task, FALSE);
  attach_sources (reader, timeout);
  reader_ref (reader);
  g_mutex_lock (&core->lock);
  g_queue_push_tail_link (&core->readers, &reader->link);
  g_mutex_unlock (&core->lock);
  begin (core, wanted);
  aiopool_batch_feed (core, AIOPOOL_RIGHTS_EXECUTOR);
  g_mutex_lock (&core->lock);
  aiopool_batch_post_readers (core);
  g_mutex_unlock (&core->lock);
  reader_unref (reader);
}

static void
on_blocking_cancelled (GCancellable *cancellable,
                       gpointer      user_data)
{
  AiopoolBatchCore *core = user_data;

  g_mutex_lock (&core->lock);
  aiopool_batch_core_wake_blocking (core);
  g_mutex_unlock (&core->lock);
}

/* Under the lock: one that only this thread could end, by iterating a context. */
static gboolean
find_hopeless (AiopoolBatchCore *core)
{
  gboolean has_hopeless = FALSE;
  AiopoolBatchChunk *chunk;
  GPtrArray *futures;

  if (core->scheduler != NULL || core->n_tasks == 0)
    return FALSE;
  futures = g_ptr_array_new_with_free_func (g_object_unref);
  for (chunk = core->chunks; chunk != NULL; chunk = chunk->next)
    {
      if (chunk->future != NULL)
        g_ptr_array_add (futures, g_object_ref (chunk->future));
    }
  g_mutex_unlock (&core->lock);
  for (guint i = 0; i < futures->len; i++)
    has_hopeless |= aiopool_future_would_block (futures->pdata[i]);
  g_ptr_array_unref (futures);
  g_mutex_lock (&core->lock);
  return has_hopeless;
}

/* Under the lock: what waits is a function that this thread called in order to feed the batch, and
 * nothing is under way that could end it. */
static gboolean
is_inside (AiopoolBatchCore *core)
{
  return core->n_tasks == 0 && core->feeder == g_thread_self ();
}

typedef enum
{
  WAIT_READY,
  WAIT_LATE,
  WAIT_CANCELLED,
  WAIT_HOPELESS,
  WAIT_INSIDE
} WaitResult;

/* Under the lock, which is let go meanwhile. */
static WaitResult
wait_until_ready (AiopoolBatchCore *core,
                  const Wanted     *wanted,
                  gint64            end,
                  GCancellable     *cancellable)
{
  AiopoolRights rights = aiopool_batch_core_get_rights (core);
  gboolean is_late = FALSE;

  for (;;)
    {
      guint n_wakes = core->n_wakes;

      if (is_ready (core, wanted))
        return WAIT_READY;
      if (g_cancellable_is_cancelled (cancellable))
        return WAIT_CANCELLED;
      if (is_late)
        return WAIT_LATE;
      if (is_inside (core))
        return WAIT_INSIDE;
      if (core->needs > AIOPOOL_RIGHTS_LIBRARY && core->needs <= rights && !core->is_feeding)
        {
          g_mutex_unlock (&core->lock);
          aiopool_batch_feed (core, rights);
          g_mutex_lock (&core->lock);
        }
      else if (find_hopeless (core) && !is_ready (core, wanted))
        return WAIT_HOPELESS;
      else if (n_wakes != core->n_wakes)
        continue;
      else if (end < 0)
        g_cond_wait (&core->changed, &core->lock);
      else
        is_late = !g_cond_wait_until (&core->changed, &core->lock, end);
    }
}

static WaitResult
read_blocking (AiopoolBatchCore *core,
               const Wanted     *wanted,
               double            timeout,
               GCancellable     *cancellable,
               Reading          *reading)
{
  gint64 end = aiopool_future_end_for (timeout);
  WaitResult result;
  gulong id = 0;

  begin (core, wanted);
  if (cancellable != NULL)
    id = g_cancellable_connect (cancellable, G_CALLBACK (on_blocking_cancelled), core, NULL);
  aiopool_batch_feed (core, aiopool_batch_core_get_rights (core));
  g_mutex_lock (&core->lock);
  core->n_blocking++;
  result = wait_until_ready (core, wanted, end, cancellable);
  core->n_blocking--;
  if (result == WAIT_READY || result == WAIT_LATE)
    take (core, wanted, reading);
  g_mutex_unlock (&core->lock);
  if (cancellable != NULL)
    g_cancellable_disconnect (cancellable, id);
  aiopool_batch_free_finished (core);
  if (reading->n_items > 0)
    aiopool_batch_feed (core, aiopool_batch_core_get_rights (core));
  return result;
}

/* Why there is nothing to read. */
static void
set_error (AiopoolBatchCore *core,
           WaitResult        result,
           GError          **error)
{
  if (result == WAIT_CANCELLED)
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_CANCELLED, "The read was cancelled");
  else if (result == WAIT_HOPELESS)
    g_set_error_literal (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_WOULD_BLOCK,
                         "An item needs the main context of the thread that waits for it");
  else if (result == WAIT_INSIDE)
    g_set_error_literal (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_WOULD_BLOCK,
                         "The batch needs the function that waits for it in order to go on");
  else if (result == WAIT_LATE)
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT,
                         "No item has ended within the time of the read");
}

/* What the batch ended with; FALSE if that was well. */
static gboolean
copy_error (AiopoolBatchCore *core,
            GError          **error)
{
  gboolean has_error;

  g_mutex_lock (&core->lock);
  has_error = core->state > AIOPOOL_FUTURE_DONE;
  if (has_error && error != NULL)
    *error = g_error_copy (core->error);
  g_mutex_unlock (&core->lock);
  return has_error;
}

/* Takes what @reading has. One that is late has what there is. */
static void
return_read (GTask            *task,
             AiopoolBatchCore *core,
             const Wanted     *wanted,
             Reading          *reading,
             gboolean          is_late)
{
  gpointer tag = g_task_get_source_tag (task);
  GError *error = NULL;

  if (tag == aiopool_batch_collect_all_async)
    aiopool_batch_return_collected (task);
  else if (wanted->kind == READ_END)
    g_task_return_boolean (task, TRUE);
  else if (reading->n_items == 0 && !is_late && copy_error (core, &error))
    g_task_return_error (task, error);
  else if (tag == aiopool_batch_next_async && reading->n_items > 0)
    g_task_return_pointer (task, make_one (core, reading), g_object_unref);
  else if (reading->n_items > 0 || is_late || wanted->min_items == 0)
    g_task_return_pointer (task, make_futures (core, reading), g_object_unref);
  else
    g_task_return_pointer (task, NULL, NULL);
}

/**
 * aiopool_batch_next:
 * @self: a batch
 * @timeout: seconds; 0 only looks, below 0 waits for ever
 * @cancellable: (nullable): a #GCancellable that ends the wait, not the batch
 * @error: return location for a #GError
 *
 * Blocks the calling thread until the next item has ended, and takes it.
 *
 * Starts the batch if that has not been. In a batch that is ordered the next item is that behind
 * the last one that was taken; otherwise it is the one that ended first. What was taken is in the
 * list no more. Several may read at once, blocking or not: each item goes to one of them.
 *
 * An item that failed is a future that failed. When all items have been taken, this returns %NULL,
 * without an error if the batch came to its end, and else with the reason why it did not.
 *
 * No main context is iterated, and none needs to be: this works on the main thread, in a callback,
 * in a task, and in any thread. But a source that is a list model or a function is asked for items
 * only by the thread that made the batch, or that iterates its main context.
 *
 * Fails with %G_IO_ERROR_TIMED_OUT after @timeout or that of the batch, with %G_IO_ERROR_CANCELLED
 * if @cancellable or the batch was cancelled, with %AIOPOOL_POOL_ERROR_WOULD_BLOCK if the executor
 * needs the main context of this thread to end an item, or if the batch has called this thread for
 * its next item, with the error of the source, with that of the first item that failed if the batch
 * stops on errors, and as [method@Aiopool.Executor.submit] if the executor takes no tasks.
 *
 * Returns: (transfer full) (nullable): a future that has ended; %NULL at the end
 *
 * Since: 0.1
 */
AiopoolFuture *
aiopool_batch_next (AiopoolBatch  *self,
                    double         timeout,
                    GCancellable  *cancellable,
                    GError       **error)
{
  const Wanted wanted = { READ_ITEMS, 1, 1 };
  Reading reading = { NULL };
  AiopoolBatchCore *core;
  WaitResult result;

  g_return_val_if_fail (AIOPOOL_IS_BATCH (self), NULL);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  core = aiopool_batch_get_core (self);
  result = read_blocking (core, &wanted, timeout, cancellable, &reading);
  if (reading.n_items > 0)
    return make_one (core, &reading);
  if (result == WAIT_READY)
    copy_error (core, error);
  else
    set_error (core, result, error);
  return NULL;
}

/**
 * aiopool_batch_next_async:
 * @self: a batch
 * @cancellable: (nullable): a #GCancellable that ends the wait, not the batch
 * @callback: (scope async) (closure user_data): what to call when there is an item, or no more
 * @user_data: data for @callback
 *
 * Waits for the next item and takes it.
 *
 * As [method@Aiopool.Batch.next], without blocking. A read that is cancelled takes nothing.
 *
 * Since: 0.1
 */
void
aiopool_batch_next_async (AiopoolBatch        *self,
                          GCancellable        *cancellable,
                          GAsyncReadyCallback  callback,
                          gpointer             user_data)
{
  const Wanted wanted = { READ_ITEMS, 1, 1 };
  GTask *task;

  g_return_if_fail (AIOPOOL_IS_BATCH (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, aiopool_batch_next_async);
  read_async (self, task, &wanted, -1);
}

/**
 * aiopool_batch_next_finish:
 * @self: a batch
 * @result: what the callback got
 * @error: return location for a #GError
 *
 * Ends [method@Aiopool.Batch.next_async].
 *
 * Fails as [method@Aiopool.Batch.next], but never because it would block.
 *
 * Returns: (transfer full) (nullable): a future that has ended; %NULL at the end
 *
 * Since: 0.1
 */
AiopoolFuture *
aiopool_batch_next_finish (AiopoolBatch  *self,
                           GAsyncResult  *result,
                           GError       **error)
{
  g_return_val_if_fail (AIOPOOL_IS_BATCH (self), NULL);
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

static Wanted
wanted_items (guint min_items,
              guint max_items)
{
  return (Wanted) { READ_ITEMS, min_items, max_items > 0 ? MAX (max_items, min_items) : G_MAXUINT };
}

/**
 * aiopool_batch_next_batch:
 * @self: a batch
 * @min_items: how many items to wait for; 0 takes what there is
 * @max_items: how many to take at most; 0 for no limit
 * @timeout: seconds; after that fewer than @min_items will do; below 0 waits for ever
 * @cancellable: (nullable): a #GCancellable that ends the wait, not the batch
 * @error: return location for a #GError
 *
 * Blocks the calling thread until some items have ended, and takes them.
 *
 * As [method@Aiopool.Batch.next], but @timeout is no error: it makes the list shorter than
 * @min_items, or empty. So does the end of the batch; the error that it ended with comes with the
 * next read.
 *
 * Returns: (transfer full) (nullable): a new list model of [class@Aiopool.Future]s that have ended,
 *   which does not change; %NULL at the end
 *
 * Since: 0.1
 */
GListModel *
aiopool_batch_next_batch (AiopoolBatch  *self,
                          guint          min_items,
                          guint          max_items,
                          double         timeout,
                          GCancellable  *cancellable,
                          GError       **error)
{
  Wanted wanted = wanted_items (min_items, max_items);
  Reading reading = { NULL };
  AiopoolBatchCore *core;
  WaitResult result;

  g_return_val_if_fail (AIOPOOL_IS_BATCH (self), NULL);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  core = aiopool_batch_get_core (self);
  result = read_blocking (core, &wanted, timeout, cancellable, &reading);
  if (reading.n_items > 0 || result == WAIT_LATE)
    return G_LIST_MODEL (make_futures (core, &reading));
  if (result == WAIT_READY && (copy_error (core, error) || min_items > 0))
    return NULL;
  if (result == WAIT_READY)
    return G_LIST_MODEL (make_futures (core, &reading));
  set_error (core, result, error);
  return NULL;
}

/**
 * aiopool_batch_next_batch_async:
 * @self: a batch
 * @min_items: how many items to wait for; 0 takes what there is
 * @max_items: how many to take at most; 0 for no limit
 * @timeout: seconds; after that fewer than @min_items will do; below 0 waits for ever
 * @cancellable: (nullable): a #GCancellable that ends the wait, not the batch
 * @callback: (scope async) (closure user_data): what to call when there are items, or no more
 * @user_data: data for @callback
 *
 * Waits until some items have ended, and takes them.
 *
 * Since: 0.1
 */
void
aiopool_batch_next_batch_async (AiopoolBatch        *self,
                                guint                min_items,
                                guint                max_items,
                                double               timeout,
                                GCancellable        *cancellable,
                                GAsyncReadyCallback  callback,
                                gpointer             user_data)
{
  Wanted wanted = wanted_items (min_items, max_items);
  GTask *task;

  g_return_if_fail (AIOPOOL_IS_BATCH (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, aiopool_batch_next_batch_async);
  read_async (self, task, &wanted, timeout);
}

/**
 * aiopool_batch_next_batch_finish:
 * @self: a batch
 * @result: what the callback got
 * @error: return location for a #GError
 *
 * Ends [method@Aiopool.Batch.next_batch_async].
 *
 * Fails as [method@Aiopool.Batch.next_batch], but never because it would block.
 *
 * Returns: (transfer full) (nullable): a new list model of [class@Aiopool.Future]s that have ended,
 *   which does not change; %NULL at the end
 *
 * Since: 0.1
 */
GListModel *
aiopool_batch_next_batch_finish (AiopoolBatch  *self,
                                 GAsyncResult  *result,
                                 GError       **error)
{
  g_return_val_if_fail (AIOPOOL_IS_BATCH (self), NULL);
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

/* FALSE with the reason if the wait came to nothing. */
gboolean
aiopool_batch_wait_for_end (AiopoolBatchCore  *core,
                            double             timeout,
                            GCancellable      *cancellable,
                            GError           **error)
{
  const Wanted wanted = { READ_END, 0, 0 };
  Reading reading = { NULL };
  WaitResult result = read_blocking (core, &wanted, timeout, cancellable, &reading);

  if (result == WAIT_READY)
    return TRUE;
  set_error (core, result, error);
  return FALSE;
}

/* Takes @task, whose source tag says what is returned then. */
void
aiopool_batch_await_end (AiopoolBatch *batch,
                         GTask        *task)
{
  const Wanted wanted = { READ_END, 0, 0 };

  read_async (batch, task, &wanted, -1);
}
