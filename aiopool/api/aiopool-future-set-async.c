/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/api/aiopool-future-set-private.h"


/* Waiting for futures of a set in a main context.
 *
 * One who waits stands in a queue of the core, and leaves it once: with what it waited for, by its
 * timer, or by its cancellable. Whoever takes it out, under the lock, ends it. What it waited for
 * comes with a letter to its own context, so that it returns there, never in the call that started
 * it; the timer and the cancellable are sources of that same context. */

/* (transfer full) (nullable) */
AiopoolFuture *
aiopool_set_haul_pop (AiopoolSetHaul *haul)
{
  GList *link = g_queue_pop_head_link (&haul->items);
  AiopoolSetItem *item;
  AiopoolFuture *future;

  if (link == NULL)
    return NULL;
  item = link->data;
  future = g_object_ref (item->future);
  aiopool_set_item_unref (item);
  return future;
}

GListModel *
aiopool_set_haul_pop_all (AiopoolSetHaul *haul)
{
  GListStore *store = g_list_store_new (AIOPOOL_TYPE_FUTURE);
  AiopoolFuture *future;

  while ((future = aiopool_set_haul_pop (haul)) != NULL)
    {
      g_list_store_append (store, future);
      g_object_unref (future);
    }
  return G_LIST_MODEL (store);
}

/* Takes the futures. All have ended, or one that has ended failed: the first of those counts. */
GVariant *
aiopool_set_haul_collect (AiopoolSetHaul *haul,
                          GError        **error)
{
  g_autoptr (GPtrArray) futures = g_steal_pointer (&haul->futures);
  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("av"));

  for (guint i = 0; i < futures->len; i++)
    {
      const GError *failure = aiopool_future_get_error (g_ptr_array_index (futures, i));

      if (failure != NULL)
        {
          g_propagate_error (error, g_error_copy (failure));
          return NULL;
        }
    }
  for (guint i = 0; i < futures->len; i++)
    {
      GVariant *result = aiopool_future_get_result (g_ptr_array_index (futures, i), error);

      if (result == NULL)
        return NULL;
      g_variant_builder_add_value (&builder, g_variant_new_variant (result));
      g_variant_unref (result);
    }
  return g_variant_ref_sink (g_variant_builder_end (&builder));
}


static void
waiter_free (gpointer data)
{
  AiopoolSetWaiter *self = data;
  AiopoolFuture *future;

  while ((future = aiopool_set_haul_pop (&self->haul)) != NULL)
    g_object_unref (future);
  g_clear_pointer (&self->haul.futures, g_ptr_array_unref);
  g_clear_pointer (&self->timer, g_source_unref);
  g_clear_pointer (&self->cancel_source, g_source_unref);
  aiopool_mailbox_unref (self->mailbox);
  g_free (self);
}

static void
drop_sources (AiopoolSetWaiter *self)
{
  if (self->timer != NULL)
    g_source_destroy (self->timer);
  if (self->cancel_source != NULL)
    g_source_destroy (self->cancel_source);
}

static void
return_results (AiopoolSetWaiter *self)
{
  GError *error = NULL;
  GVariant *results = aiopool_set_haul_collect (&self->haul, &error);

  if (results != NULL)
    g_task_return_pointer (self->task, results, (GDestroyNotify) g_variant_unref);
  else
    g_task_return_error (self->task, error);
}

static void
return_haul (AiopoolSetWaiter *self)
{
  if (self->aim == AIOPOOL_SET_COLLECT)
    return_results (self);
  else if (self->aim != AIOPOOL_SET_NEXT)
    g_task_return_boolean (self->task, TRUE);
  else if (g_task_get_source_tag (self->task) == aiopool_future_set_next_async)
    g_task_return_pointer (self->task, aiopool_set_haul_pop (&self->haul), g_object_unref);
  else
    g_task_return_pointer (self->task, aiopool_set_haul_pop_all (&self->haul), g_object_unref);
}

/* In the context of the one that waits. */
static void
deliver_waiter (AiopoolLetter *letter)
{
  AiopoolSetWaiter *self = (AiopoolSetWaiter *) letter;
  g_autoptr (GTask) task = self->task;

  drop_sources (self);
  if (self->haul.items.length > 0)
    aiopool_future_set_come_home (g_task_get_source_object (task));
  return_haul (self);
}

static const AiopoolLetterKind waiter_kind = { deliver_waiter, NULL, FALSE };

/* FALSE if it is over already: its letter is under way. */
static gboolean
give_up (AiopoolSetWaiter *self)
{
  gboolean is_first;

  g_mutex_lock (&self->core->lock);
  is_first = !self->is_over;
  self->is_over = TRUE;
  if (is_first)
    g_queue_unlink (&self->core->waiters[self->aim], &self->link);
  g_mutex_unlock (&self->core->lock);
  return is_first;
}

static gboolean
on_timer (gpointer user_data)
{
  g_autoptr (GTask) task = g_object_ref (user_data);
  AiopoolSetWaiter *self = g_task_get_task_data (task);

  if (!give_up (self))
    return G_SOURCE_REMOVE;
  drop_sources (self);
  g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_TIMED_OUT,
                           "The futures have not ended in time");
  g_object_unref (self->task);
  return G_SOURCE_REMOVE;
}

static gboolean
on_cancelled (GCancellable *cancellable,
              gpointer      user_data)
{
  g_autoptr (GTask) task = g_object_ref (user_data);
  AiopoolSetWaiter *self = g_task_get_task_data (task);

  if (!give_up (self))
    return G_SOURCE_REMOVE;
  drop_sources (self);
  g_task_return_error_if_cancelled (task);
  g_object_unref (self->task);
  return G_SOURCE_REMOVE;
}

/* What lasts longer than a source can wait, some weeks, lasts for ever. */
static GSource *
timer_new (double timeout)
{
  double ms = timeout * 1000 + 0.999;

  return timeout >= 0 && ms <= G_MAXINT ? g_timeout_source_new ((guint) ms) : NULL;
}

/* Under the lock, which the sources' callbacks need. */
static void
attach_sources (AiopoolSetWaiter *self)
{
  if (self->timer != NULL)
    g_task_attach_source (self->task, self->timer, on_timer);
  if (self->cancel_source != NULL)
    g_task_attach_source (self->task, self->cancel_source, G_SOURCE_FUNC (on_cancelled));
}

static void
enqueue (AiopoolSetWaiter *self)
{
  GTask *task = g_object_ref (self->task); /* holds what its letter, read at once, would drop */
  AiopoolSetCore *core = self->core;
  AiopoolPostBatch batch = { NULL };

  g_mutex_lock (&core->lock);
  g_queue_push_tail_link (&core->waiters[self->aim], &self->link);
  aiopool_set_core_tell (core, &batch);
  if (!self->is_over)
    attach_sources (self);
  if (self->is_over && self->aim == AIOPOOL_SET_NEXT)
    aiopool_set_core_post_home (core, &batch);
  g_mutex_unlock (&core->lock);
  aiopool_post_batch_flush (&batch);
  g_object_unref (task);
}

static void
start (AiopoolFutureSet   *set,
       AiopoolSetAim       aim,
       guint               max,
       double              timeout,
       GCancellable       *cancellable,
       GAsyncReadyCallback callback,
       gpointer            user_data,
       gpointer            tag)
{
  GTask *task = g_task_new (set, cancellable, callback, user_data);
  AiopoolSetWaiter *self = g_new0 (AiopoolSetWaiter, 1);

  g_task_set_source_tag (task, tag);
  g_task_set_check_cancellable (task, FALSE);
  g_task_set_task_data (task, self, waiter_free);
  self->letter.kind = &waiter_kind;
  self->link.data = self;
  self->core = set->core;
  self->aim = aim;
  self->haul.max = max > 0 ? max : G_MAXUINT;
  self->task = task;
  self->mailbox = aiopool_mailbox_ref (aiopool_mailbox_for (g_task_get_context (task)));
  self->timer = timer_new (timeout);
  if (cancellable != NULL)
    self->cancel_source = g_cancellable_source_new (cancellable);
  enqueue (self);
}

/**
 * aiopool_future_set_next_async:
 * @self: a set
 * @timeout: seconds; 0 only looks, below 0 waits for ever
 * @cancellable: (nullable): a #GCancellable that ends the wait
 * @callback: (scope async) (closure user_data): what to call when there is one
 * @user_data: data for @callback
 *
 * Takes the next future that has ended out of the set.
 *
 * See [method@Aiopool.FutureSet.next] for which one that is. Several may wait at once; they are
 * served in the order in which they came.
 *
 * @callback is called in the main context that is thread-default now.
 *
 * Since: 0.1
 */
void
aiopool_future_set_next_async (AiopoolFutureSet   *self,
                               double              timeout,
                               GCancellable       *cancellable,
                               GAsyncReadyCallback callback,
                               gpointer            user_data)
{
  g_return_if_fail (AIOPOOL_IS_FUTURE_SET (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  start (self, AIOPOOL_SET_NEXT, 1, timeout, cancellable, callback, user_data,
         aiopool_future_set_next_async);
}

/**
 * aiopool_future_set_next_finish:
 * @self: a set
 * @result: what the callback got
 * @error: return location for a #GError
 *
 * Ends [method@Aiopool.FutureSet.next_async].
 *
 * Fails with %G_IO_ERROR_TIMED_OUT if there was none in time, and with %G_IO_ERROR_CANCELLED if the
 * wait was cancelled.
 *
 * Returns: (transfer full) (nullable): a future that has ended; %NULL, without an error, if the set
 *   is empty
 *
 * Since: 0.1
 */
AiopoolFuture *
aiopool_future_set_next_finish (AiopoolFutureSet *self,
                                GAsyncResult     *result,
                                GError          **error)
{
  g_return_val_if_fail (AIOPOOL_IS_FUTURE_SET (self), NULL);
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

/**
 * aiopool_future_set_next_batch_async:
 * @self: a set
 * @max: the largest number of futures to take; 0 for any number
 * @timeout: seconds; 0 only looks, below 0 waits for ever
 * @cancellable: (nullable): a #GCancellable that ends the wait
 * @callback: (scope async) (closure user_data): what to call when there are some
 * @user_data: data for @callback
 *
 * Takes all futures that have ended out of the set, as soon as there is one.
 *
 * @callback is called in the main context that is thread-default now.
 *
 * Since: 0.1
 */
void
aiopool_future_set_next_batch_async (AiopoolFutureSet   *self,
                                     guint               max,
                                     double              timeout,
                                     GCancellable       *cancellable,
                                     GAsyncReadyCallback callback,
                                     gpointer            user_data)
{
  g_return_if_fail (AIOPOOL_IS_FUTURE_SET (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  start (self, AIOPOOL_SET_NEXT, max, timeout, cancellable, callback, user_data,
         aiopool_future_set_next_batch_async);
}

/**
 * aiopool_future_set_next_batch_finish:
 * @self: a set
 * @result: what the callback got
 * @error: return location for a #GError
 *
 * Ends [method@Aiopool.FutureSet.next_batch_async].
 *
 * Fails as [method@Aiopool.FutureSet.next_finish].
 *
 * Returns: (transfer full): futures that have ended; an empty list if the set is empty
 *
 * Since: 0.1
 */
GListModel *
aiopool_future_set_next_batch_finish (AiopoolFutureSet *self,
                                      GAsyncResult     *result,
                                      GError          **error)
{
  g_return_val_if_fail (AIOPOOL_IS_FUTURE_SET (self), NULL);
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

/**
 * aiopool_future_set_wait_async:
 * @self: a set
 * @mode: what to wait for
 * @timeout: seconds; 0 only looks, below 0 waits for ever
 * @cancellable: (nullable): a #GCancellable that ends the wait
 * @callback: (scope async) (closure user_data): what to call when it has come to that
 * @user_data: data for @callback
 *
 * Waits until the futures of the set have ended, or one of them.
 *
 * See [method@Aiopool.FutureSet.wait]. @callback is called in the main context that is
 * thread-default now.
 *
 * Since: 0.1
 */
void
aiopool_future_set_wait_async (AiopoolFutureSet   *self,
                               AiopoolWaitMode     mode,
                               double              timeout,
                               GCancellable       *cancellable,
                               GAsyncReadyCallback callback,
                               gpointer            user_data)
{
  g_return_if_fail (AIOPOOL_IS_FUTURE_SET (self));
  g_return_if_fail (mode <= AIOPOOL_WAIT_FIRST_ERROR);
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  start (self, (AiopoolSetAim) mode, 0, timeout, cancellable, callback, user_data,
         aiopool_future_set_wait_async);
}

/**
 * aiopool_future_set_wait_finish:
 * @self: a set
 * @result: what the callback got
 * @error: return location for a #GError
 *
 * Ends [method@Aiopool.FutureSet.wait_async].
 *
 * Fails as [method@Aiopool.FutureSet.next_finish].
 *
 * Returns: %TRUE if it has come to that; otherwise there is an error
 *
 * Since: 0.1
 */
gboolean
aiopool_future_set_wait_finish (AiopoolFutureSet *self,
                                GAsyncResult     *result,
                                GError          **error)
{
  g_return_val_if_fail (AIOPOOL_IS_FUTURE_SET (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

/**
 * aiopool_future_set_collect_all_async:
 * @self: a set
 * @timeout: seconds; 0 only looks, below 0 waits for ever
 * @cancellable: (nullable): a #GCancellable that ends the wait
 * @callback: (scope async) (closure user_data): what to call when all have ended, or one has failed
 * @user_data: data for @callback
 *
 * Waits until all futures of the set have ended, and gets their results in the order in which they
 * were added.
 *
 * See [method@Aiopool.FutureSet.collect_all]. @callback is called in the main context that is
 * thread-default now.
 *
 * Since: 0.1
 */
void
aiopool_future_set_collect_all_async (AiopoolFutureSet   *self,
                                      double              timeout,
                                      GCancellable       *cancellable,
                                      GAsyncReadyCallback callback,
                                      gpointer            user_data)
{
  g_return_if_fail (AIOPOOL_IS_FUTURE_SET (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  start (self, AIOPOOL_SET_COLLECT, 0, timeout, cancellable, callback, user_data,
         aiopool_future_set_collect_all_async);
}

/**
 * aiopool_future_set_collect_all_finish:
 * @self: a set
 * @result: what the callback got
 * @error: return location for a #GError
 *
 * Ends [method@Aiopool.FutureSet.collect_all_async].
 *
 * Fails with the error of a future that failed, with %AIOPOOL_TASK_ERROR_WRONG_TYPE if a result is
 * no #GVariant, and otherwise as [method@Aiopool.FutureSet.next_finish].
 *
 * Returns: (transfer full): the results, an `av`
 *
 * Since: 0.1
 */
GVariant *
aiopool_future_set_collect_all_finish (AiopoolFutureSet *self,
                                       GAsyncResult     *result,
                                       GError          **error)
{
  g_return_val_if_fail (AIOPOOL_IS_FUTURE_SET (self), NULL);
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}
