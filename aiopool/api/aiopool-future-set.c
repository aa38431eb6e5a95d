/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/api/aiopool-future-set-private.h"

/**
 * AiopoolFutureSet:
 *
 * Futures to wait for together.
 *
 * Put futures in with [method@Aiopool.FutureSet.add], at any time, also while others are taken out.
 * [method@Aiopool.FutureSet.next] takes one out as soon as it has ended, whichever that is, or in
 * the order in which they were added if [property@Aiopool.FutureSet:ordered] is set; when the set
 * is empty it gives %NULL. [method@Aiopool.FutureSet.wait] and
 * [method@Aiopool.FutureSet.collect_all] wait for those that are in the set, and leave them there.
 *
 * The futures may come of several pools, and of promises. A wait that ends early, by its timeout or
 * its cancellable, and a set that is dropped, leave the tasks alone; to cancel them there is
 * [method@Aiopool.FutureSet.cancel].
 *
 * All methods may be called from any thread, but for those of #GListModel: as such, the set is a
 * list of its futures in the order in which they were added, which changes only in the main context
 * that was thread-default when the set was made, and may be read only there. A future that is added
 * or taken out in another thread comes into that list, or goes, when that context is iterated; in
 * the thread of that context it does so at once. Property notifications are emitted there too.
 *
 * Since: 0.1
 */

enum
{
  PROP_0,
  PROP_N_PENDING,
  PROP_N_DONE,
  PROP_ORDERED,
  N_PROPS
};

static GParamSpec *properties[N_PROPS];

G_DEFINE_FINAL_TYPE_WITH_CODE (AiopoolFutureSet, aiopool_future_set, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (G_TYPE_LIST_MODEL, aiopool_set_init_list))

/* How many have changed. */
guint
aiopool_future_set_notify_counts (AiopoolFutureSet *self)
{
  guint n_pending = aiopool_future_set_get_n_pending (self);
  guint n_done = aiopool_future_set_get_n_done (self);
  gboolean has_pending_changed = n_pending != self->told_pending;
  gboolean has_done_changed = n_done != self->told_done;

  self->told_pending = n_pending;
  self->told_done = n_done;
  if (has_pending_changed)
    g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_N_PENDING]);
  if (has_done_changed)
    g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_N_DONE]);
  return has_pending_changed + has_done_changed;
}

static void
aiopool_future_set_finalize (GObject *object)
{
  AiopoolFutureSet *self = AIOPOOL_FUTURE_SET (object);
  AiopoolSetCore *core = self->core;
  GList *link;

  aiopool_set_core_empty (core);
  g_queue_init (&core->departures);
  while ((link = g_queue_pop_head_link (&core->arrivals)) != NULL)
    aiopool_set_item_unref (link->data);
  g_sequence_free (self->shown);
  if (aiopool_future_is_own_context (aiopool_mailbox_get_context (core->home)))
    aiopool_mailbox_sweep (core->home); /* a letter that nobody will come to read */
  aiopool_set_core_unref (core);
  G_OBJECT_CLASS (aiopool_future_set_parent_class)->finalize (object);
}

static void
aiopool_future_set_get_property (GObject    *object,
                                 guint       id,
                                 GValue     *value,
                                 GParamSpec *pspec)
{
  AiopoolFutureSet *self = AIOPOOL_FUTURE_SET (object);

  switch (id)
    {
    case PROP_N_PENDING:
      g_value_set_uint (value, aiopool_future_set_get_n_pending (self));
      break;
    case PROP_N_DONE:
      g_value_set_uint (value, aiopool_future_set_get_n_done (self));
      break;
    case PROP_ORDERED:
      g_value_set_boolean (value, aiopool_future_set_get_ordered (self));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
aiopool_future_set_set_property (GObject      *object,
                                 guint         id,
                                 const GValue *value,
                                 GParamSpec   *pspec)
{
  AiopoolFutureSet *self = AIOPOOL_FUTURE_SET (object);

  if (id == PROP_ORDERED)
    aiopool_future_set_set_ordered (self, g_value_get_boolean (value));
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

static void
aiopool_future_set_class_init (AiopoolFutureSetClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->finalize = aiopool_future_set_finalize;
  object_class->get_property = aiopool_future_set_get_property;
  object_class->set_property = aiopool_future_set_set_property;

  /**
   * AiopoolFutureSet:n-pending:
   *
   * How many futures of the set have not ended. Notified once for all that end together.
   *
   * Since: 0.1
   */
  properties[PROP_N_PENDING] = g_param_spec_uint ("n-pending", NULL, NULL, 0, G_MAXUINT, 0,
                                                  G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  /**
   * AiopoolFutureSet:n-done:
   *
   * How many futures of the set have ended and were not taken out. Notified once for all that end
   * together.
   *
   * Since: 0.1
   */
  properties[PROP_N_DONE] = g_param_spec_uint ("n-done", NULL, NULL, 0, G_MAXUINT, 0,
                                               G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  /**
   * AiopoolFutureSet:ordered:
   *
   * Whether the futures are taken out in the order in which they were added, rather than as they
   * end.
   *
   * Since: 0.1
   */
  properties[PROP_ORDERED] = g_param_spec_boolean ("ordered", NULL, NULL, FALSE,
                                                   G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS |
                                                   G_PARAM_EXPLICIT_NOTIFY);

  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
aiopool_future_set_init (AiopoolFutureSet *self)
{
  self->core = aiopool_set_core_new (self, &aiopool_future_set_home_kind);
  self->shown = g_sequence_new (aiopool_set_item_unref);
}

/**
 * aiopool_future_set_new:
 *
 * Makes an empty set.
 *
 * Its list changes, and notifications are emitted, in the main context that is thread-default now.
 *
 * Returns: (transfer full): a new set
 *
 * Since: 0.1
 */
AiopoolFutureSet *
aiopool_future_set_new (void)
{
  return g_object_new (AIOPOOL_TYPE_FUTURE_SET, NULL);
}

/**
 * aiopool_future_set_new_for:
 * @futures: (array length=n_futures): futures
 * @n_futures: how many
 *
 * Makes a set of some futures, to wait for them together.
 *
 * Returns: (transfer full): a new set
 *
 * Since: 0.1
 */
AiopoolFutureSet *
aiopool_future_set_new_for (AiopoolFuture **futures,
                            gsize           n_futures)
{
  AiopoolFutureSet *self;

  g_return_val_if_fail (futures != NULL || n_futures == 0, NULL);

  self = aiopool_future_set_new ();
  for (gsize i = 0; i < n_futures; i++)
    aiopool_future_set_add (self, futures[i]);
  return self;
}

/**
 * aiopool_future_set_add:
 * @self: a set
 * @future: a future, which may have ended
 *
 * Adds a future, as the last one.
 *
 * Returns: %FALSE if it is in the set already
 *
 * Since: 0.1
 */
gboolean
aiopool_future_set_add (AiopoolFutureSet *self,
                        AiopoolFuture    *future)
{
  g_return_val_if_fail (AIOPOOL_IS_FUTURE_SET (self), FALSE);
  g_return_val_if_fail (AIOPOOL_IS_FUTURE (future), FALSE);

  if (!aiopool_set_core_add (self->core, future))
    return FALSE;
  aiopool_future_set_come_home (self);
  return TRUE;
}

/**
 * aiopool_future_set_remove:
 * @self: a set
 * @future: a future
 *
 * Takes a future out of the set, whether it has ended or not.
 *
 * Its task is left alone.
 *
 * Returns: %FALSE if it is not in the set, or was taken out already
 *
 * Since: 0.1
 */
gboolean
aiopool_future_set_remove (AiopoolFutureSet *self,
                           AiopoolFuture    *future)
{
  g_return_val_if_fail (AIOPOOL_IS_FUTURE_SET (self), FALSE);
  g_return_val_if_fail (AIOPOOL_IS_FUTURE (future), FALSE);

  if (!aiopool_set_core_remove (self->core, future))
    return FALSE;
  aiopool_future_set_come_home (self);
  return TRUE;
}

/**
 * aiopool_future_set_get_n_pending:
 * @self: a set
 *
 * Gets how many futures of the set have not ended.
 *
 * Returns: number of futures at this moment
 *
 * Since: 0.1
 */
guint
aiopool_future_set_get_n_pending (AiopoolFutureSet *self)
{
  guint result;

  g_return_val_if_fail (AIOPOOL_IS_FUTURE_SET (self), 0);

  g_mutex_lock (&self->core->lock);
  result = self->core->pooled.length + self->core->promised.length;
  g_mutex_unlock (&self->core->lock);
  return result;
}

/**
 * aiopool_future_set_get_n_done:
 * @self: a set
 *
 * Gets how many futures of the set have ended and were not taken out.
 *
 * Returns: number of futures at this moment
 *
 * Since: 0.1
 */
guint
aiopool_future_set_get_n_done (AiopoolFutureSet *self)
{
  guint result;

  g_return_val_if_fail (AIOPOOL_IS_FUTURE_SET (self), 0);

  g_mutex_lock (&self->core->lock);
  result = self->core->done.length;
  g_mutex_unlock (&self->core->lock);
  return result;
}

/**
 * aiopool_future_set_get_ordered:
 * @self: a set
 *
 * Gets whether the futures are taken out in the order in which they were added.
 *
 * Returns: %TRUE if so
 *
 * Since: 0.1
 */
gboolean
aiopool_future_set_get_ordered (AiopoolFutureSet *self)
{
  gboolean result;

  g_return_val_if_fail (AIOPOOL_IS_FUTURE_SET (self), FALSE);

  g_mutex_lock (&self->core->lock);
  result = self->core->is_ordered;
  g_mutex_unlock (&self->core->lock);
  return result;
}

/**
 * aiopool_future_set_set_ordered:
 * @self: a set
 * @ordered: whether to keep the order
 *
 * Sets whether the futures are taken out in the order in which they were added, rather than as they
 * end.
 *
 * Since: 0.1
 */
void
aiopool_future_set_set_ordered (AiopoolFutureSet *self,
                                gboolean          ordered)
{
  AiopoolPostBatch batch = { NULL };
  gboolean has_changed;

  g_return_if_fail (AIOPOOL_IS_FUTURE_SET (self));

  g_mutex_lock (&self->core->lock);
  has_changed = self->core->is_ordered != !!ordered;
  self->core->is_ordered = !!ordered;
  if (has_changed)
    aiopool_set_core_tell (self->core, &batch);
  g_mutex_unlock (&self->core->lock);
  aiopool_post_batch_flush (&batch);
  if (!has_changed)
    return;
  aiopool_future_set_come_home (self);
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_ORDERED]);
}

/**
 * aiopool_future_set_cancel:
 * @self: a set
 * @mode: how hard
 *
 * Cancels all futures of the set that have not ended, as [method@Aiopool.Future.cancel] does.
 *
 * They stay in the set, and are given to who takes them out as they end.
 *
 * Returns: number of tasks that were cancelled, or told to stop
 *
 * Since: 0.1
 */
guint
aiopool_future_set_cancel (AiopoolFutureSet *self,
                           AiopoolCancelMode mode)
{
  g_autoptr (GPtrArray) futures = NULL;
  guint n_cancelled = 0;

  g_return_val_if_fail (AIOPOOL_IS_FUTURE_SET (self), 0);

  g_mutex_lock (&self->core->lock);
  futures = aiopool_set_core_list (self->core, TRUE);
  g_mutex_unlock (&self->core->lock);
  for (guint i = 0; i < futures->len; i++)
    n_cancelled += aiopool_future_cancel (g_ptr_array_index (futures, i), mode) ? 1 : 0;
  return n_cancelled;
}
