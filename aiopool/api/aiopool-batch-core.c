/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/api/aiopool-batch-private.h"

#include "aiopool/api/aiopool-executor-private.h"
#include "aiopool/api/aiopool-pool-private.h"
#include "aiopool/api/aiopool-task-private.h"

/* The life of a batch.
 *
 *   PENDING -> RUNNING -> DONE | FAILED | CANCELLED
 *
 * It is pending until it is started, by start() or by the first that reads, and over when its
 * source has ended, or it was broken off, and no item is under way any more.
 *
 * The core outlives the object that users hold until its last task has ended, and then is freed in
 * the home context if it was no thread of the user's that dropped the last reference. What users
 * can see (executor, task, source, results) goes with the object, in the thread that drops that.
 *
 * Who changes something calls wake(): threads that block are woken, those who read asynchronously
 * get a letter each, and the home context one if it has something to do or to show. */

static void deliver (AiopoolLetter *letter);
static void deliver_last (AiopoolLetter *letter);

static const AiopoolLetterKind core_kind = { deliver, NULL, TRUE };
static const AiopoolLetterKind last_kind = { deliver_last, NULL, FALSE };

/* In the batch's home context. */
AiopoolBatchCore *
aiopool_batch_core_new (AiopoolBatch *batch)
{
  AiopoolBatchCore *self = g_new0 (AiopoolBatchCore, 1);

  self->letter.kind = &core_kind;
  self->ref_count = 1;
  self->home = aiopool_mailbox_ref (aiopool_mailbox_get_home ());
  self->thread = g_thread_ref (g_thread_self ());
  g_weak_ref_init (&self->object, batch);
  self->batch = batch;
  g_mutex_init (&self->lock);
  g_cond_init (&self->changed);
  self->is_ordered = TRUE;
  self->chunk_size = 1;
  self->n_total = -1;
  self->item_time = -1;
  self->results = aiopool_results_new (TRUE);
  g_queue_init (&self->pieces);
  g_queue_init (&self->spent);
  g_queue_init (&self->readers);
  return self;
}

AiopoolBatchCore *
aiopool_batch_core_ref (AiopoolBatchCore *self)
{
  g_atomic_int_inc (&self->ref_count);
  return self;
}

/* Where user code may run: what is left of the user's goes. */
static void
core_free (AiopoolBatchCore *self)
{
  g_assert (self->chunks == NULL && self->finished == NULL && self->alarm == NULL);
  g_queue_clear_full (&self->pieces, (GDestroyNotify) aiopool_piece_free);
  g_queue_clear_full (&self->spent, (GDestroyNotify) aiopool_piece_free);
  aiopool_results_free (self->results);
  g_clear_object (&self->executor);
  g_clear_object (&self->task);
  g_clear_object (&self->source);
  g_clear_object (&self->aside_task);
  g_clear_pointer (&self->aside, g_variant_unref);
  g_clear_pointer (&self->array, g_variant_unref);
  g_clear_pointer (&self->array_bytes, g_bytes_unref);
  g_clear_pointer (&self->futures, g_hash_table_unref);
  g_clear_pointer (&self->spec, aiopool_spec_free);
  g_clear_pointer (&self->scheduler, aiopool_scheduler_unref);
  g_clear_error (&self->error);
  g_free (self->tag);
  g_weak_ref_clear (&self->object);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->changed);
  aiopool_mailbox_unref (self->home);
  g_thread_unref (self->thread);
  g_free (self);
}

/* Where user code may run. */
void
aiopool_batch_core_unref (AiopoolBatchCore *self)
{
  if (g_atomic_int_dec_and_test (&self->ref_count))
    core_free (self);
}

static void
deliver_last (AiopoolLetter *letter)
{
  core_free ((AiopoolBatchCore *) letter);
}

/* From any thread. */
void
aiopool_batch_core_unref_away (AiopoolBatchCore *self)
{
  if (!g_atomic_int_dec_and_test (&self->ref_count))
    return;
  self->letter.kind = &last_kind;
  aiopool_mailbox_post (self->home, &self->letter);
}

/* Under the lock: has the home context see to the batch. */
void
aiopool_batch_core_post (AiopoolBatchCore *self)
{
  if (self->is_posted)
    return;
  self->is_posted = TRUE;
  aiopool_mailbox_post (self->home, &aiopool_batch_core_ref (self)->letter);
}

/* Under the lock. */
void
aiopool_batch_core_wake_blocking (AiopoolBatchCore *self)
{
  self->n_wakes++;
  if (self->n_blocking > 0)
    g_cond_broadcast (&self->changed);
}

/* Under the lock: something has changed. */
void
aiopool_batch_core_wake (AiopoolBatchCore *self)
{
  aiopool_batch_core_wake_blocking (self);
  if (!g_queue_is_empty (&self->readers))
    aiopool_batch_post_readers (self);
  if (self->batch != NULL && !self->is_posted && aiopool_batch_view_is_watched (self))
    aiopool_batch_core_post (self);
}

/* At home. */
static void
deliver (AiopoolLetter *letter)
{
  AiopoolBatchCore *self = (AiopoolBatchCore *) letter;
  AiopoolSource *source = NULL;

  g_mutex_lock (&self->lock);
  self->is_posted = FALSE;
  if (self->batch == NULL)
    source = g_steal_pointer (&self->source);
  g_mutex_unlock (&self->lock);
  if (source != NULL)
    {
      aiopool_source_dismiss (source, self);
      g_object_unref (source);
    }
  aiopool_batch_free_finished (self);
  aiopool_batch_feed (self, AIOPOOL_RIGHTS_SOURCE);
  aiopool_batch_view_sync (self);
  aiopool_batch_core_unref (self);
}

/* What the calling thread, which blocks in a call, may do for the batch. */
AiopoolRights
aiopool_batch_core_get_rights (AiopoolBatchCore *self)
{
  if (g_thread_self () == self->thread ||
      aiopool_future_is_own_context (aiopool_mailbox_get_context (self->home)))
    return AIOPOOL_RIGHTS_SOURCE;
  return AIOPOOL_RIGHTS_EXECUTOR;
}

/* Under the lock. */
static void
set_state (AiopoolBatchCore  *self,
           AiopoolFutureState state)
{
  g_assert (self->state < AIOPOOL_FUTURE_DONE && state > self->state);
  g_debug ("batch %p: %d -> %d", self, self->state, state);
  self->state = state;
}

/* Under the lock. */
gboolean
aiopool_batch_core_is_over (AiopoolBatchCore *self)
{
  return self->state >= AIOPOOL_FUTURE_DONE;
}

/* On the engine, where the alarm runs. */
static void
free_alarm (gpointer data)
{
  AiopoolBatchCore *self = data;

  aiopool_alarm_free (self->alarm);
  self->alarm = NULL;
  aiopool_batch_core_unref_away (self);
}

/* Under the lock. */
static void
end_alarm (AiopoolBatchCore *self)
{
  if (self->has_alarm)
    aiopool_engine_post (free_alarm, self);
  self->has_alarm = FALSE;
}

/* Under the lock. */
void
aiopool_batch_core_check_over (AiopoolBatchCore *self)
{
  if (self->state != AIOPOOL_FUTURE_RUNNING || self->n_tasks > 0 || self->is_feeding ||
      !g_queue_is_empty (&self->pieces) || !self->has_ended)
    return;
  self->ended = g_get_monotonic_time ();
  self->n_total = (gint64) self->n_pulled;
  if (self->error == NULL)
    set_state (self, AIOPOOL_FUTURE_DONE);
  else if (self->is_broken_off &&
           g_error_matches (self->error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    set_state (self, AIOPOOL_FUTURE_CANCELLED);
  else
    set_state (self, AIOPOOL_FUTURE_FAILED);
  end_alarm (self);
  aiopool_batch_core_wake (self);
}

/* From any thread. Takes @error, which is NULL if there is one. FALSE if it was over or broken off
 * already. */
gboolean
aiopool_batch_core_break_off (AiopoolBatchCore *self,
                              GError           *error,
                              AiopoolCancelMode mode)
{
  gboolean is_first, was_new, is_harder;

  g_mutex_lock (&self->lock);
  was_new = self->state == AIOPOOL_FUTURE_PENDING;
  is_first = !self->is_broken_off && !aiopool_batch_core_is_over (self);
  is_harder = !aiopool_batch_core_is_over (self) && mode > self->mode;
  if (is_first)
    {
      self->is_broken_off = TRUE;
      self->has_ended = TRUE;
      if (error != NULL)
        {
          g_clear_error (&self->error);
          self->error = g_steal_pointer (&error);
        }
      if (was_new)
        set_state (self, AIOPOOL_FUTURE_RUNNING);
    }
  if (is_first || is_harder)
    self->mode = mode;
  self->needs = MAX (self->needs, AIOPOOL_RIGHTS_EXECUTOR);
  g_mutex_unlock (&self->lock);
  g_clear_error (&error);
  if (is_first || is_harder)
    aiopool_batch_cancel_chunks (self, AIOPOOL_RIGHTS_LIBRARY);
  if (is_first)
    aiopool_batch_feed (self, AIOPOOL_RIGHTS_LIBRARY);
  return is_first || is_harder;
}

static void
on_timeout (gpointer core)
{
  AiopoolBatchCore *self = core;

  aiopool_batch_core_break_off (self,
                                g_error_new (G_IO_ERROR, G_IO_ERROR_TIMED_OUT,
                                             "The batch has not ended within %g seconds",
                                             self->timeout),
                                AIOPOOL_CANCEL_FORCE);
}

/* Under the lock. */
static void
start_alarm (AiopoolBatchCore *self)
{
  if (self->timeout <= 0 || !aiopool_engine_start (NULL))
    return;
  self->has_alarm = TRUE;
  self->alarm = aiopool_alarm_new (on_timeout, aiopool_batch_core_ref (self));
  aiopool_alarm_set (self->alarm, aiopool_future_end_for (self->timeout));
}

static void
wake_by_source (gpointer core)
{
  AiopoolBatchCore *self = core;

  g_mutex_lock (&self->lock);
  self->needs = AIOPOOL_RIGHTS_SOURCE;
  aiopool_batch_core_post (self);
  aiopool_batch_core_wake_blocking (self);
  g_mutex_unlock (&self->lock);
}

/* Under the lock. */
static void
set_up_pool (AiopoolBatchCore *self)
{
  AiopoolPool *pool;

  self->n_workers = g_get_num_processors ();
  if (!AIOPOOL_IS_POOL (self->executor))
    return;
  pool = AIOPOOL_POOL (self->executor);
  self->n_workers = aiopool_pool_get_max_workers (pool);
  if (pool->scheduler != NULL)
    self->scheduler = aiopool_scheduler_ref (pool->scheduler);
}

/* A deep copy: what is under way outlives the task. */
static AiopoolSpec *
copy_spec (const AiopoolSpec *spec)
{
  AiopoolSpec *copy = aiopool_spec_copy (spec);
  AiopoolSpecOptions *options = (AiopoolSpecOptions *) copy->options;

  options->timeout = spec->options->timeout;
  options->queue_timeout = spec->options->queue_timeout;
  options->priority = spec->options->priority;
  options->retries = spec->options->retries;
  return copy;
}

/* Under the lock. */
static void
set_up (AiopoolBatchCore *self)
{
  set_up_pool (self);
  self->spec = copy_spec (aiopool_task_freeze (self->task));
  self->tag = g_strdup (aiopool_task_get_tag (self->task));
  if (!self->is_ordered)
    {
      aiopool_results_free (self->results);
      self->results = aiopool_results_new (FALSE);
    }
  if (aiopool_source_get_array (self->source) != NULL)
    aiopool_batch_set_array (self, aiopool_source_get_array (self->source));
}

/* Begins if it has not. Where user code may run. TRUE if it did. */
gboolean
aiopool_batch_core_start (AiopoolBatchCore *self)
{
  gboolean is_mine;

  g_mutex_lock (&self->lock);
  if (self->state != AIOPOOL_FUTURE_PENDING)
    {
      g_mutex_unlock (&self->lock);
      return FALSE;
    }
  set_state (self, AIOPOOL_FUTURE_RUNNING);
  self->started = g_get_monotonic_time ();
  set_up (self);
  start_alarm (self);
  g_mutex_unlock (&self->lock);
  is_mine = aiopool_source_claim (self->source, wake_by_source, self);
  if (self->scheduler != NULL)
    aiopool_scheduler_read_in (self->scheduler, aiopool_mailbox_get_context (self->home));
  aiopool_room_add_watch (aiopool_executor_get_room (self->executor), aiopool_batch_feed_room,
                          self);
  aiopool_batch_feed_room (self); /* there may have been room before, for another thread */
  if (!is_mine)
    aiopool_batch_core_break_off (self,
                                  g_error_new_literal (G_IO_ERROR, G_IO_ERROR_BUSY,
                                                       "The source is another batch's"),
                                  AIOPOOL_CANCEL_PENDING);
  return TRUE;
}

typedef struct
{
  AiopoolExecutor *executor;
  AiopoolTask     *task;
  AiopoolSource   *source;
  AiopoolResults  *results;
  GVariant        *aside;
  AiopoolTask     *aside_task;
  GHashTable      *futures;
} Belongings;

/* Under the lock. Somebody who pushes is told at home that nothing is wanted any more, and so the
 * source is left for that. A letter that came home meanwhile may have taken it already. */
static void
take_belongings (AiopoolBatchCore *self,
                 Belongings       *all,
                 gboolean          has_pusher)
{
  all->executor = g_steal_pointer (&self->executor);
  all->task = g_steal_pointer (&self->task);
  all->results = self->results;
  self->results = aiopool_results_new (self->is_ordered);
  all->aside = g_steal_pointer (&self->aside);
  all->aside_task = g_steal_pointer (&self->aside_task);
  all->futures = g_steal_pointer (&self->futures);
  if (self->source != NULL && self->state != AIOPOOL_FUTURE_PENDING && has_pusher)
    aiopool_batch_core_post (self);
  else
    all->source = g_steal_pointer (&self->source);
}

static void
free_belongings (AiopoolBatchCore *self,
                 Belongings       *all)
{
  aiopool_results_free (all->results);
  if (all->source != NULL)
    aiopool_source_dismiss (all->source, self);
  g_clear_object (&all->source);
  g_clear_object (&all->task);
  g_clear_object (&all->aside_task);
  g_clear_pointer (&all->aside, g_variant_unref);
  g_clear_pointer (&all->futures, g_hash_table_unref);
  g_clear_object (&all->executor);
}

/* Without the lock: whoever pushes has the source's, and wants this one. */
static gboolean
has_pusher (AiopoolBatchCore *self)
{
  g_autoptr (AiopoolSource) source = NULL;

  g_mutex_lock (&self->lock);
  if (self->source != NULL)
    source = g_object_ref (self->source);
  g_mutex_unlock (&self->lock);
  return source != NULL && aiopool_source_has_pusher (source);
}

/* Nobody shall go on with it, and what runs is told to stop. */
static void
stop_dropped (AiopoolBatchCore *self)
{
  GError *error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, "The batch was dropped");

  aiopool_room_remove_watch (aiopool_executor_get_room (self->executor), aiopool_batch_feed_room,
                             self);
  aiopool_batch_core_break_off (self, error, AIOPOOL_CANCEL_COOPERATIVE);
  aiopool_batch_cancel_chunks (self, AIOPOOL_RIGHTS_EXECUTOR);
}

/* The object goes, in a thread of the user's: what is not running will not, what runs is told to
 * stop, and nobody hears of it. */
void
aiopool_batch_core_abandon (AiopoolBatchCore *self)
{
  Belongings all = { NULL };
  GSource *later;
  gboolean is_new, is_pushed;

  g_mutex_lock (&self->lock);
  self->batch = NULL;
  is_new = self->state == AIOPOOL_FUTURE_PENDING;
  later = g_steal_pointer (&self->later);
  g_mutex_unlock (&self->lock);
  if (later != NULL)
    {
      g_source_destroy (later);
      g_source_unref (later);
    }
  if (!is_new)
    stop_dropped (self);
  is_pushed = has_pusher (self);
  g_mutex_lock (&self->lock);
  take_belongings (self, &all, is_pushed);
  g_mutex_unlock (&self->lock);
  free_belongings (self, &all);
  aiopool_batch_free_finished (self);
  aiopool_batch_core_unref (self);
}
