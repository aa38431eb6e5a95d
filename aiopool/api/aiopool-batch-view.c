/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/api/aiopool-batch-private.h"

#include "aiopool/api/aiopool-task-private.h"

/* What is to be seen of a batch: a list of futures, and properties that are notified. Both change
 * in the home context only, once for everything that happened since the last time.
 *
 * The list has the items that have ended and that nobody has taken. It has an object for an item
 * only while somebody holds that. Once somebody has looked at the list, what is taken stays in the
 * results until the list has told that it is gone. */

#define NOTIFY_USEC 50000 /* between two notifications of counts */
#define MANY_FUTURES 1024 /* in the table, when it is first swept */

static guint notify_id;
static guint changed_id;

static void
free_weak_ref (gpointer data)
{
  g_weak_ref_clear (data);
  g_free (data);
}

static GHashTable *
new_futures (void)
{
  return g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, free_weak_ref);
}

/* Under the lock. (transfer full) (nullable). */
static AiopoolFuture *
find_future (AiopoolBatchCore *core,
             guint64           number)
{
  GWeakRef *ref = NULL;

  if (core->futures != NULL)
    ref = g_hash_table_lookup (core->futures, &number);
  return ref != NULL ? g_weak_ref_get (ref) : NULL;
}

/* Those that are not are held, for the reference may become the last one. */
static gboolean
is_gone (gpointer key,
         gpointer value,
         gpointer user_data)
{
  GObject *object = g_weak_ref_get (value);

  if (object != NULL)
    g_ptr_array_add (user_data, object);
  return object == NULL;
}

/* Under the lock. Those that nobody holds any more go when there may be many. (transfer full)
 * (nullable): what is to be let go without the lock. */
static GPtrArray *
keep_future (AiopoolBatchCore *core,
             guint64           number,
             AiopoolFuture    *future)
{
  GWeakRef *ref = g_new (GWeakRef, 1);
  GPtrArray *held = NULL;

  if (core->futures == NULL)
    core->futures = new_futures ();
  if (g_hash_table_size (core->futures) >= MAX (core->n_futures_swept * 2, MANY_FUTURES))
    {
      held = g_ptr_array_new_with_free_func (g_object_unref);
      g_hash_table_foreach_remove (core->futures, is_gone, held);
      core->n_futures_swept = g_hash_table_size (core->futures);
    }
  g_weak_ref_init (ref, future);
  g_hash_table_replace (core->futures, g_memdup2 (&number, sizeof number), ref);
  return held;
}

static AiopoolPayload *
take_value (AiopoolItemView *view)
{
  g_autoptr (GVariant) child = NULL;
  AiopoolPayloadView bytes;

  if (view->values == NULL)
    return g_steal_pointer (&view->value);
  child = g_variant_get_child_value (view->values, view->value_index);
  aiopool_payload_view_variant (&bytes, child);
  if (bytes.size <= 256)
    return aiopool_payload_new_copy (&bytes);
  return aiopool_payload_new_bytes (bytes.format, bytes.type,
                                    g_variant_get_data_as_bytes (child));
}

static AiopoolTask *
take_task (AiopoolBatchCore *core,
           AiopoolItemView  *view)
{
  AiopoolPayload *argument;

  if (view->task != NULL)
    return g_steal_pointer (&view->task);
  argument = aiopool_item_view_dup_argument (view, core);
  return argument != NULL ? aiopool_task_new_alike (core->task, argument) : NULL;
}

static AiopoolFuture *
build_future (AiopoolBatchCore *core,
              AiopoolItemView  *view)
{
  AiopoolOutcome outcome = {
    .payload = take_value (view),
    .error = g_steal_pointer (&view->error),
    .info = g_steal_pointer (&view->info),
    .fds = g_steal_pointer (&view->fds),
    .last_lines = g_steal_pointer (&view->last_lines),
    .started = view->started,
    .ended = view->ended,
    .pid = view->pid,
  };
  g_autoptr (AiopoolTask) task = take_task (core, view);
  AiopoolFuture *future;

  future = aiopool_future_new_ended (task, core->home, view->submitted, &outcome);
  aiopool_future_set_position (future, view->position);
  return future;
}

/* Without the lock, while the batch is there. Takes what @view has. */
AiopoolFuture *
aiopool_batch_make_future (AiopoolBatchCore *core,
                           guint64           number,
                           AiopoolItemView  *view)
{
  AiopoolFuture *future, *other = NULL;
  GPtrArray *held = NULL;

  if (view->future != NULL)
    return g_steal_pointer (&view->future);
  future = build_future (core, view);
  aiopool_item_view_clear (view);
  g_mutex_lock (&core->lock);
  if (core->is_viewed)
    {
      other = find_future (core, number);
      if (other == NULL)
        held = keep_future (core, number, future);
    }
  g_mutex_unlock (&core->lock);
  g_clear_pointer (&held, g_ptr_array_unref);
  if (other == NULL)
    return future;
  g_object_unref (future);
  return other;
}

/* Under the lock, where user code may run: the next item for one who reads; there is one. */
void
aiopool_batch_take (AiopoolBatchCore *core,
                    AiopoolItemView  *view,
                    guint64          *number)
{
  *number = core->taken++;
  if (core->is_viewed)
    aiopool_results_view (core->results, *number, view);
  else
    aiopool_results_take_first (core->results, view);
}

static gboolean
is_heard (gpointer batch,
          guint    signal_id)
{
  return g_signal_handler_find (batch, G_SIGNAL_MATCH_ID, signal_id, 0, NULL, NULL, NULL) != 0;
}

/* Under the lock. */
gboolean
aiopool_batch_view_is_watched (AiopoolBatchCore *core)
{
  return core->is_viewed || is_heard (core->batch, notify_id) ||
         is_heard (core->batch, changed_id);
}

/* What the list does not show any more is let go. */
static void
trim (AiopoolBatchCore *core)
{
  for (;;)
    {
      AiopoolItemView view = { 0 };

      g_mutex_lock (&core->lock);
      if (aiopool_results_get_first (core->results) >= core->shown_first)
        {
          g_mutex_unlock (&core->lock);
          return;
        }
      aiopool_results_take_first (core->results, &view);
      g_mutex_unlock (&core->lock);
      aiopool_item_view_clear (&view);
    }
}

/* Takes out of the list what was taken by those who read. */
static void
show_taken (AiopoolBatchCore *core,
            GListModel       *list)
{
  guint64 n_removed;

  g_mutex_lock (&core->lock);
  n_removed = MIN (core->taken, core->shown_end) - core->shown_first;
  core->shown_first = MAX (core->taken, core->shown_first);
  core->shown_end = MAX (core->shown_first, core->shown_end);
  g_mutex_unlock (&core->lock);
  trim (core);
  if (n_removed > 0)
    g_list_model_items_changed (list, 0, (guint) n_removed, 0);
}

static void
show_new (AiopoolBatchCore *core,
          GListModel       *list)
{
  guint64 position, n_added;

  g_mutex_lock (&core->lock);
  position = core->shown_end - core->shown_first;
  n_added = aiopool_results_get_end (core->results) - core->shown_end;
  n_added = MIN (n_added, G_MAXUINT - position);
  core->shown_end += n_added;
  g_mutex_unlock (&core->lock);
  if (n_added > 0)
    g_list_model_items_changed (list, (guint) position, 0, (guint) n_added);
}

/* Who listens and has not looked at the list is told of everything in it. */
static void
sync_list (AiopoolBatchCore *core,
           GListModel       *list)
{
  gboolean is_viewed;

  g_mutex_lock (&core->lock);
  if (!core->is_viewed && is_heard (list, changed_id))
    {
      core->is_viewed = TRUE;
      core->shown_first = core->shown_end = core->taken;
    }
  is_viewed = core->is_viewed;
  g_mutex_unlock (&core->lock);
  if (!is_viewed)
    return;
  show_taken (core, list);
  show_new (core, list);
}

static gboolean
on_later (gpointer data)
{
  AiopoolBatchCore *core = data;

  g_mutex_lock (&core->lock);
  g_clear_pointer (&core->later, g_source_unref);
  g_mutex_unlock (&core->lock);
  aiopool_batch_view_sync (core);
  return G_SOURCE_REMOVE;
}

/* Under the lock. */
static void
notify_later (AiopoolBatchCore *core,
              gint64            delay)
{
  if (core->later != NULL || core->batch == NULL)
    return;
  core->later = g_timeout_source_new ((guint) (delay / 1000 + 1));
  g_source_set_static_name (core->later, "[aiopool] counts of a batch");
  g_source_set_callback (core->later, on_later, aiopool_batch_core_ref (core),
                         (GDestroyNotify) aiopool_batch_core_unref);
  g_source_attach (core->later, aiopool_mailbox_get_context (core->home));
}

/* What is to be notified. */
typedef struct
{
  gboolean state;
  gboolean done;
  gboolean failed;
} News;

/* Under the lock. */
static void
find_news (AiopoolBatchCore *core,
           News             *news)
{
  gint64 now = g_get_monotonic_time ();
  gint64 due = core->told_at + NOTIFY_USEC;

  news->state = core->told_state != core->state;
  core->told_state = core->state;
  if (core->told_done == core->n_done && !news->state)
    return;
  if (now < due && !aiopool_batch_core_is_over (core))
    {
      notify_later (core, due - now);
      return;
    }
  news->done = core->told_done != core->n_done;
  news->failed = core->told_failed != core->n_failed;
  core->told_done = core->n_done;
  core->told_failed = core->n_failed;
  core->told_at = now;
}

static void
notify (AiopoolBatchCore *core,
        GObject          *batch)
{
  News news = { FALSE };

  g_mutex_lock (&core->lock);
  find_news (core, &news);
  g_mutex_unlock (&core->lock);
  if (news.done)
    {
      g_object_notify (batch, "n-done");
      g_object_notify (batch, "n-running");
      g_object_notify (batch, "progress");
    }
  if (news.failed)
    g_object_notify (batch, "n-failed");
  if (news.state)
    g_object_notify (batch, "state");
}

/* At home. */
void
aiopool_batch_view_sync (AiopoolBatchCore *core)
{
  g_autoptr (GObject) batch = g_weak_ref_get (&core->object);

  if (batch == NULL)
    return;
  sync_list (core, G_LIST_MODEL (batch));
  notify (core, batch);
}

static GType
get_item_type (GListModel *list)
{
  return AIOPOOL_TYPE_FUTURE;
}

static guint
get_n_items (GListModel *list)
{
  AiopoolBatchCore *core = aiopool_batch_get_core (AIOPOOL_BATCH (list));
  guint64 n_items;

  g_mutex_lock (&core->lock);
  if (!core->is_viewed)
    {
      core->is_viewed = TRUE;
      core->shown_first = core->taken;
      core->shown_end = aiopool_results_get_end (core->results);
    }
  n_items = core->shown_end - core->shown_first;
  g_mutex_unlock (&core->lock);
  return (guint) MIN (n_items, G_MAXUINT);
}

static gpointer
get_item (GListModel *list,
          guint       position)
{
  AiopoolBatchCore *core = aiopool_batch_get_core (AIOPOOL_BATCH (list));
  AiopoolFuture *future = NULL;
  gboolean is_there = FALSE;
  AiopoolItemView view;
  guint64 number;

  if (position >= get_n_items (list))
    return NULL;
  g_mutex_lock (&core->lock);
  number = core->shown_first + position;
  future = find_future (core, number);
  if (future == NULL)
    is_there = aiopool_results_view (core->results, number, &view);
  g_mutex_unlock (&core->lock);
  return is_there ? aiopool_batch_make_future (core, number, &view) : future;
}

void
aiopool_batch_init_list (gpointer iface,
                         gpointer data)
{
  GListModelInterface *list_iface = iface;

  list_iface->get_item_type = get_item_type;
  list_iface->get_n_items = get_n_items;
  list_iface->get_item = get_item;
  notify_id = g_signal_lookup ("notify", G_TYPE_OBJECT);
  changed_id = g_signal_lookup ("items-changed", G_TYPE_LIST_MODEL);
}
