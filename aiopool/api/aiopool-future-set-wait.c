/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/api/aiopool-future-set-private.h"

#include "aiopool/base/aiopool-error.h"

/* Blocking for futures of a set.
 *
 * A thread that blocks sleeps on the core, and is rung for; it iterates no main context. While one
 * does, partial results of the set's tasks need no credit, as with a wait for one future. If all
 * that could end its wait are promises that need the main context of this very thread, it gives
 * up. */

static const char *
describe (AiopoolSetAim aim)
{
  return aim == AIOPOOL_SET_ALL || aim == AIOPOOL_SET_COLLECT ? "Not all futures have ended"
                                                              : "No such future has ended";
}

/* Whether the promise cannot be kept while this thread waits. Gives up the lock meanwhile. */
static gboolean
is_needy (AiopoolSetCore *core,
          AiopoolSetItem *item)
{
  AiopoolFuture *future = g_object_ref (item->future);
  gboolean result;

  g_mutex_unlock (&core->lock);
  result = aiopool_future_would_block (future);
  g_object_unref (future);
  g_mutex_lock (&core->lock);
  return result;
}

/* Looks for a pending promise that needs the context of this thread, or needs it not. One that does
 * not is left in front, where the next one who asks finds it. */
static gboolean
has_promise (AiopoolSetCore *core,
             gboolean        needy)
{
  for (guint n = 0; n < core->promised.length; n++)
    {
      AiopoolSetItem *item = core->promised.head->data;

      if (is_needy (core, item) == needy)
        return TRUE;
      if (core->promised.head != NULL && core->promised.head->data == item)
        g_queue_push_tail_link (&core->promised, g_queue_pop_head_link (&core->promised));
    }
  return FALSE;
}

/* Under the lock, which may be given up meanwhile. Whether only this thread could end the wait. */
static gboolean
is_stuck (AiopoolSetCore *core,
          AiopoolSetAim   aim)
{
  AiopoolSetItem *first = core->all.head->data;

  if (core->n_contexts == 0)
    return FALSE;
  if (aim == AIOPOOL_SET_NEXT && core->is_ordered)
    return first->future->job.scheduler == NULL && is_needy (core, first);
  if (aim == AIOPOOL_SET_ALL || aim == AIOPOOL_SET_COLLECT)
    return has_promise (core, TRUE);
  return core->pooled.length == 0 && !has_promise (core, FALSE) && core->pooled.length == 0;
}

static gboolean
is_late (gint64 end)
{
  return end >= 0 && g_get_monotonic_time () >= end;
}

/* Under the lock, which is given up meanwhile. Sets the error if the wait is over for nothing. */
static gboolean
check_wait (AiopoolSetCore *core,
            AiopoolSetAim   aim,
            gint64          end,
            GCancellable   *cancellable,
            GError        **error)
{
  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    return FALSE;
  if (is_late (end))
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "%s in time", describe (aim));
  else if (is_stuck (core, aim) && !aiopool_set_core_is_met (core, aim))
    g_set_error_literal (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_WOULD_BLOCK,
                         "A future needs the main context of the thread that waits for it");
  else
    return TRUE;
  return FALSE;
}

static void
on_cancelled (GCancellable *cancellable,
              gpointer      user_data)
{
  AiopoolSetCore *core = user_data;

  g_mutex_lock (&core->lock);
  aiopool_set_core_ring (core);
  g_mutex_unlock (&core->lock);
}

/* Under the lock, which is given up meanwhile: what was sent without credit. */
static void
pay_debts (AiopoolSetCore *core)
{
  AiopoolSetItem *item;

  while ((item = g_queue_pop_head (&core->indebted)) != NULL)
    {
      AiopoolFuture *future = g_object_ref (item->future);

      item->is_indebted = FALSE;
      g_mutex_unlock (&core->lock);
      aiopool_future_pay_debt (future);
      g_object_unref (future);
      g_mutex_lock (&core->lock);
    }
}

/* Under the lock, which is given up meanwhile: what waits for company goes now. */
static void
hurry (AiopoolSetCore *core)
{
  AiopoolSetItem *item = core->pooled.head != NULL ? core->pooled.head->data : NULL;
  AiopoolScheduler *scheduler;

  if (item == NULL)
    return;
  scheduler = aiopool_scheduler_ref (item->future->job.scheduler);
  g_mutex_unlock (&core->lock);
  aiopool_scheduler_hurry (scheduler);
  aiopool_scheduler_unref (scheduler);
  g_mutex_lock (&core->lock);
}

/* Under the lock, which is given up meanwhile. */
static gboolean
sleep_until_met (AiopoolSetCore *core,
                 AiopoolSetAim   aim,
                 gint64          end,
                 GCancellable   *cancellable,
                 GError        **error)
{
  gboolean is_good = TRUE;

  core->n_blocked++;
  pay_debts (core);
  hurry (core);
  while (is_good && !aiopool_set_core_is_met (core, aim))
    {
      is_good = check_wait (core, aim, end, cancellable, error);
      if (is_good && !aiopool_set_core_is_met (core, aim) &&
          !g_cancellable_is_cancelled (cancellable))
        aiopool_set_core_sleep (core, aim, end);
    }
  core->n_blocked--;
  return is_good;
}

/* FALSE with an error if it did not come to that. */
static gboolean
block (AiopoolSetCore *core,
       AiopoolSetAim   aim,
       AiopoolSetHaul *haul,
       double          timeout,
       GCancellable   *cancellable,
       GError        **error)
{
  gint64 end = aiopool_future_end_for (timeout);
  AiopoolPostBatch batch = { NULL };
  gboolean is_good = TRUE;
  gulong id = 0;

  if (cancellable != NULL)
    id = g_cancellable_connect (cancellable, G_CALLBACK (on_cancelled), core, NULL);
  g_mutex_lock (&core->lock);
  if (!aiopool_set_core_is_met (core, aim))
    is_good = sleep_until_met (core, aim, end, cancellable, error);
  if (is_good)
    aiopool_set_core_catch (core, aim, haul);
  if (haul->items.length > 0)
    aiopool_set_core_tell (core, &batch);
  g_mutex_unlock (&core->lock);
  aiopool_post_batch_flush (&batch);
  if (cancellable != NULL)
    g_cancellable_disconnect (cancellable, id);
  return is_good;
}

/* After a wait that took futures out, or not. */
static void
come_back (AiopoolFutureSet *self,
           gboolean          has_taken)
{
  if (has_taken)
    aiopool_future_set_come_home (self);
  aiopool_mailbox_sweep_home ();
}

/**
 * aiopool_future_set_next:
 * @self: a set
 * @timeout: seconds; 0 only looks, below 0 waits for ever
 * @cancellable: (nullable): a #GCancellable that ends the wait
 * @error: return location for a #GError
 *
 * Takes the next future that has ended out of the set, and blocks the calling thread until there is
 * one.
 *
 * This is the one that ended first; or, if [property@Aiopool.FutureSet:ordered] is set, the one
 * that was added first, once it has ended. If the set is empty, or becomes so because another
 * thread took the last future, there is none, and no error.
 *
 * As [method@Aiopool.Future.wait] this iterates no main context.
 *
 * Fails with %G_IO_ERROR_TIMED_OUT after @timeout, with %G_IO_ERROR_CANCELLED if @cancellable was
 * cancelled, and with %AIOPOOL_POOL_ERROR_WOULD_BLOCK if nothing but the main context of this
 * thread could end the wait. The set is as before then.
 *
 * Returns: (transfer full) (nullable): a future that has ended; %NULL, without an error, if the set
 *   is empty
 *
 * Since: 0.1
 */
AiopoolFuture *
aiopool_future_set_next (AiopoolFutureSet *self,
                         double            timeout,
                         GCancellable     *cancellable,
                         GError          **error)
{
  AiopoolSetHaul haul = { .max = 1 };
  AiopoolFuture *future;

  g_return_val_if_fail (AIOPOOL_IS_FUTURE_SET (self), NULL);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  if (!block (self->core, AIOPOOL_SET_NEXT, &haul, timeout, cancellable, error))
    return NULL;
  future = aiopool_set_haul_pop (&haul);
  come_back (self, future != NULL);
  return future;
}

/**
 * aiopool_future_set_next_batch:
 * @self: a set
 * @max: the largest number of futures to take; 0 for any number
 * @timeout: seconds; 0 only looks, below 0 waits for ever
 * @cancellable: (nullable): a #GCancellable that ends the wait
 * @error: return location for a #GError
 *
 * Takes all futures that have ended out of the set, and blocks the calling thread until there is
 * one.
 *
 * This is [method@Aiopool.FutureSet.next] for many at a time, in the same order, and fails as that
 * does.
 *
 * Returns: (transfer full): futures that have ended; an empty list if the set is empty
 *
 * Since: 0.1
 */
GListModel *
aiopool_future_set_next_batch (AiopoolFutureSet *self,
                               guint             max,
                               double            timeout,
                               GCancellable     *cancellable,
                               GError          **error)
{
  AiopoolSetHaul haul = { .max = max > 0 ? max : G_MAXUINT };
  GListModel *futures;

  g_return_val_if_fail (AIOPOOL_IS_FUTURE_SET (self), NULL);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  if (!block (self->core, AIOPOOL_SET_NEXT, &haul, timeout, cancellable, error))
    return NULL;
  futures = aiopool_set_haul_pop_all (&haul);
  come_back (self, TRUE);
  return futures;
}

/**
 * aiopool_future_set_wait:
 * @self: a set
 * @mode: what to wait for
 * @timeout: seconds; 0 only looks, below 0 waits for ever
 * @cancellable: (nullable): a #GCancellable that ends the wait
 * @error: return location for a #GError
 *
 * Blocks the calling thread until the futures of the set have ended, or one of them.
 *
 * They stay in the set. It counts what is in the set at any moment: one that is added meanwhile
 * is waited for too, one that was taken out before is not.
 *
 * As [method@Aiopool.Future.wait] this iterates no main context, and fails as
 * [method@Aiopool.FutureSet.next] does.
 *
 * Returns: %TRUE if it has come to that; otherwise there is an error
 *
 * Since: 0.1
 */
gboolean
aiopool_future_set_wait (AiopoolFutureSet *self,
                         AiopoolWaitMode   mode,
                         double            timeout,
                         GCancellable     *cancellable,
                         GError          **error)
{
  AiopoolSetHaul haul = { 0 };

  g_return_val_if_fail (AIOPOOL_IS_FUTURE_SET (self), FALSE);
  g_return_val_if_fail (mode <= AIOPOOL_WAIT_FIRST_ERROR, FALSE);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  if (!block (self->core, (AiopoolSetAim) mode, &haul, timeout, cancellable, error))
    return FALSE;
  come_back (self, FALSE);
  return TRUE;
}

/**
 * aiopool_future_set_collect_all:
 * @self: a set
 * @timeout: seconds; 0 only looks, below 0 waits for ever
 * @cancellable: (nullable): a #GCancellable that ends the wait
 * @error: return location for a #GError
 *
 * Blocks the calling thread until all futures of the set have ended, and gets their results in the
 * order in which they were added.
 *
 * They stay in the set.
 *
 * As soon as one has failed or was cancelled this fails with its error; if several have by then,
 * with that of the one which was added first. Otherwise it fails as
 * [method@Aiopool.FutureSet.next] does, and with %AIOPOOL_TASK_ERROR_WRONG_TYPE if a result is no
 * #GVariant.
 *
 * Returns: (transfer full): the results, an `av`
 *
 * Since: 0.1
 */
GVariant *
aiopool_future_set_collect_all (AiopoolFutureSet *self,
                                double            timeout,
                                GCancellable     *cancellable,
                                GError          **error)
{
  AiopoolSetHaul haul = { 0 };

  g_return_val_if_fail (AIOPOOL_IS_FUTURE_SET (self), NULL);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  if (!block (self->core, AIOPOOL_SET_COLLECT, &haul, timeout, cancellable, error))
    return NULL;
  come_back (self, FALSE);
  return aiopool_set_haul_collect (&haul, error);
}
