/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/api/aiopool-batch-private.h"

#include "aiopool/base/aiopool-error.h"

/* Sees to it that the executor has something to do.
 *
 * As long as there is room in the window, items are taken from the source and submitted. One thread
 * at a time does so; another one that comes meanwhile has it go on once more. Which thread may do
 * what is a matter of rights: any thread may take the items of an array and give them to a pool,
 * but the source and the executor of a user are called only where user code may run. A thread that
 * cannot go on for that reason says what is needed, and has the home context see to it; a thread
 * that blocks looks at that too.
 *
 * The lock is not held while anybody is called. */

#define CHUNK_NSEC   5000000 /* of work in a chunk whose size is chosen */
#define CHUNK_BYTES  1048576 /* of arguments in one, at most */
#define CHUNK_GROWTH 4
#define MAX_HOLD     4000    /* microseconds that the home context is held by a source */

/* Under the lock: how many items one chunk is to have, by what they took so far. With a known
 * length there is something left for each worker. */
static guint
choose_size (AiopoolBatchCore *self)
{
  gint64 left = self->n_total >= 0 ? self->n_total - (gint64) self->n_pulled : G_MAXINT64;
  gint64 size = 1;

  if (self->is_eager && self->n_total >= 0)
    size = self->n_total / (4 * (gint64) self->n_workers);
  else if (self->item_time >= 0)
    size = MIN (CHUNK_NSEC / MAX (self->item_time, 1),
                (gint64) MAX (self->chosen, 1) * CHUNK_GROWTH);
  if (left != G_MAXINT64)
    size = MIN (size, left / (2 * (gint64) self->n_workers));
  self->chosen = (guint) CLAMP (size, 1, AIOPOOL_MAX_CHUNK_SIZE);
  return self->chosen;
}

/* Under the lock. Only a pool takes chunks, and each item of a task with descriptors needs them. */
static guint
get_chunk_size (AiopoolBatchCore *self)
{
  if (self->scheduler == NULL || self->spec->options->fds != NULL)
    return 1;
  return self->chunk_size > 0 ? self->chunk_size : choose_size (self);
}

/* Under the lock. */
static guint
get_window (AiopoolBatchCore *self)
{
  if (self->is_eager)
    return G_MAXUINT;
  return self->window > 0 ? self->window : 2 * self->n_workers;
}

/* Under the lock: how many ended items may wait for somebody who reads; never fewer than one who
 * reads waits for. */
static guint64
get_backlog (AiopoolBatchCore *self)
{
  guint64 size = self->chunk_size > 0 ? self->chunk_size : MAX (self->chosen, 1);

  if (self->is_free || self->is_eager || (self->was_started && self->backlog == 0))
    return G_MAXUINT64;
  return MAX (self->backlog > 0 ? self->backlog : get_window (self) * size, self->least_backlog);
}

/* Under the lock. */
static gboolean
has_room (AiopoolBatchCore *self)
{
  guint64 n_waiting = aiopool_results_get_end (self->results) - self->taken +
                      aiopool_results_get_n_held (self->results);

  return self->n_tasks < get_window (self) && n_waiting < get_backlog (self);
}

/* A part of the array. */
static AiopoolPiece *
pull_array (AiopoolBatchCore *self,
            guint             n_items)
{
  gsize size = g_variant_n_children (self->array);
  guint64 left = size - self->n_pulled;

  if (left == 0)
    {
      self->has_ended = TRUE;
      return NULL;
    }
  return aiopool_piece_new (self->n_pulled, (guint) MIN (left, n_items));
}

/* What was pulled from a source that only user code can read. */
typedef struct
{
  GVariant    *aside;     /* (owned) (nullable): as those of the core, whose they are before */
  AiopoolTask *aside_task; /* (owned) (nullable): and after */
  GPtrArray   *values;    /* (owned) of GVariant, all of one type */
  gsize        n_bytes;
  AiopoolTask *task;      /* (owned) (nullable): instead of values */
  gboolean     has_ended;
  gboolean     is_late;   /* the source has no more for now */
  GError      *error;     /* (owned) (nullable) */
} Catch;

static gboolean
is_of_other_type (Catch    *catch,
                  GVariant *value)
{
  return catch->values->len > 0 &&
         !g_variant_is_of_type (value, g_variant_get_type (catch->values->pdata[0]));
}

/* Takes both. FALSE if it was put aside, since it does not go with what is there. */
static gboolean
add_pulled (Catch       *catch,
            GVariant    *value,
            AiopoolTask *task)
{
  if (task != NULL && catch->values->len > 0)
    catch->aside_task = task;
  else if (task != NULL)
    catch->task = task;
  else if (is_of_other_type (catch, value))
    catch->aside = value;
  else
    {
      g_ptr_array_add (catch->values, g_variant_get_normal_form (value));
      catch->n_bytes += g_variant_get_size (value);
      g_variant_unref (value);
      return TRUE;
    }
  return FALSE;
}

/* Without the lock. */
static void
pull_some (AiopoolSource *source,
           Catch         *catch,
           guint          n_items)
{
  gint64 end = g_get_monotonic_time () + MAX_HOLD;
  AiopoolPull pull = AIOPOOL_PULL_ITEM;
  gboolean goes_on = TRUE;

  while (goes_on && pull == AIOPOOL_PULL_ITEM && catch->values->len < n_items &&
         catch->n_bytes < CHUNK_BYTES)
    {
      GVariant *value = g_steal_pointer (&catch->aside);
      AiopoolTask *task = value == NULL ? g_steal_pointer (&catch->aside_task) : NULL;

      if (value == NULL && task == NULL)
        pull = aiopool_source_pull (source, &value, &task, &catch->error);
      if (pull == AIOPOOL_PULL_ITEM)
        goes_on = add_pulled (catch, value, task) && g_get_monotonic_time () < end;
    }
  catch->has_ended = pull == AIOPOOL_PULL_END;
  catch->is_late = pull == AIOPOOL_PULL_LATER;
}

/* (nullable). Takes what is in @catch but the error. */
static AiopoolPiece *
make_piece (AiopoolBatchCore *self,
            Catch            *catch)
{
  AiopoolPiece *piece = NULL;

  if (catch->task != NULL || catch->values->len > 0)
    piece = aiopool_piece_new (self->n_pulled, 1);
  if (catch->task != NULL)
    {
      piece->told_task = g_object_ref (catch->task);
      piece->task = g_steal_pointer (&catch->task);
    }
  else if (piece != NULL)
    aiopool_piece_fill (piece, catch->values, self->is_unpacked);
  g_ptr_array_unref (catch->values);
  return piece;
}

/* Under the lock: what a pull leaves behind besides @piece, which is NULL if it found nothing.
 * @left: how many items the source still has, or -1. Takes what @catch has. */
static void
keep_catch (AiopoolBatchCore *self,
            Catch            *catch,
            AiopoolPiece     *piece,
            gint64            left)
{
  self->aside = catch->aside;
  self->aside_task = catch->aside_task;
  self->is_late = catch->is_late;
  if (left >= 0)
    self->n_total = (gint64) self->n_pulled + left + (piece != NULL ? piece->n_items : 0) +
                    (self->aside != NULL) + (self->aside_task != NULL);
  if (catch->has_ended)
    {
      self->has_ended = TRUE;
      if (catch->error != NULL && self->error == NULL)
        self->error = g_steal_pointer (&catch->error);
    }
  g_clear_error (&catch->error);
}

/* Under the lock, which is let go meanwhile; at home. */
static AiopoolPiece *
pull_source (AiopoolBatchCore *self,
             guint             n_items)
{
  g_autoptr (AiopoolSource) source = NULL;
  guint n_tasks = get_window (self) - self->n_tasks;
  Catch catch = { .aside = g_steal_pointer (&self->aside),
                  .aside_task = g_steal_pointer (&self->aside_task) };
  AiopoolPiece *piece;
  gint64 left;

  source = g_object_ref (self->source);
  g_mutex_unlock (&self->lock);
  catch.values = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);
  pull_some (source, &catch, n_items);
  left = aiopool_source_count_left (source);
  if (catch.is_late)
    aiopool_source_want (source, (guint) MIN ((guint64) n_tasks * n_items, G_MAXINT));
  piece = make_piece (self, &catch);
  g_mutex_lock (&self->lock);
  keep_catch (self, &catch, piece, left);
  return piece;
}

/* Under the lock. An array is the library's; another source is asked at home, and not for long. */
static gboolean
may_pull (AiopoolBatchCore *self,
          AiopoolRights     rights)
{
  if (self->array != NULL)
    return TRUE;
  if (rights == AIOPOOL_RIGHTS_SOURCE && g_get_monotonic_time () <= self->feed_end)
    return TRUE;
  self->needs = AIOPOOL_RIGHTS_SOURCE;
  self->is_tired |= rights == AIOPOOL_RIGHTS_SOURCE;
  return FALSE;
}

/* Under the lock, which is let go meanwhile. (nullable): what is to be submitted next. */
static AiopoolPiece *
get_next (AiopoolBatchCore *self,
          AiopoolRights     rights)
{
  AiopoolPiece *piece;

  if (!g_queue_is_empty (&self->pieces))
    return g_queue_pop_head (&self->pieces);
  if (self->has_ended || !has_room (self) || !may_pull (self, rights))
    return NULL;
  if (self->array != NULL)
    piece = pull_array (self, get_chunk_size (self));
  else if (self->source == NULL)
    piece = NULL;
  else
    piece = pull_source (self, get_chunk_size (self));
  if (piece != NULL)
    {
      self->n_pulled += piece->n_items;
      self->n_running += piece->n_items;
    }
  return piece;
}

/* Under the lock. The items of @piece end with @error. */
static void
end_piece (AiopoolBatchCore *self,
           AiopoolPiece     *piece,
           const GError     *error)
{
  aiopool_batch_end_items (self, piece, 0, piece->n_items, error);
  g_queue_push_tail (&self->spent, piece);
}

/* Under the lock. The executor refuses everything. */
static void
give_up (AiopoolBatchCore *self,
         const GError     *error)
{
  if (self->is_broken_off)
    return;
  self->is_broken_off = self->has_ended = TRUE;
  g_clear_error (&self->error);
  self->error = g_error_copy (error);
}

/* Under the lock. As if it had never been pulled. */
static void
put_back (AiopoolBatchCore *self,
          AiopoolPiece     *piece)
{
  self->n_pulled -= piece->n_items;
  self->n_running -= piece->n_items;
  g_queue_push_tail (&self->spent, piece);
}

/* Under the lock. The piece was refused; @is_new: it was just pulled. Takes @error. */
static void
refuse (AiopoolBatchCore *self,
        AiopoolPiece     *piece,
        gboolean          is_new,
        GError           *error,
        guint             n_rooms)
{
  gboolean is_fatal = error->domain == AIOPOOL_POOL_ERROR;

  if (g_error_matches (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_FULL))
    {
      g_queue_push_head (&self->pieces, piece);
      self->is_full = self->n_rooms == n_rooms;
    }
  else
    {
      if (is_fatal)
        give_up (self, error);
      if (is_fatal && is_new)
        put_back (self, piece);
      else
        end_piece (self, piece, error);
    }
  g_error_free (error);
}

/* Under the lock, which is let go meanwhile. */
static void
submit (AiopoolBatchCore *self,
        AiopoolPiece     *piece,
        gboolean          is_new,
        AiopoolRights     rights)
{
  guint n_rooms = self->n_rooms;
  GError *error = NULL;
  gboolean is_taken;

  g_mutex_unlock (&self->lock);
  is_taken = aiopool_batch_submit (self, piece, rights, &error);
  g_mutex_lock (&self->lock);
  if (!is_taken)
    refuse (self, piece, is_new, error, n_rooms);
  aiopool_batch_core_wake (self);
}

/* Under the lock. What waits ends with the error that the batch was broken off with, which is said
 * to be a cancel. */
static void
end_pieces (AiopoolBatchCore *self)
{
  g_autoptr (GError) error = NULL;
  AiopoolPiece *piece;

  if (g_queue_is_empty (&self->pieces))
    return;
  error = g_error_new (G_IO_ERROR, G_IO_ERROR_CANCELLED, "The item was cancelled: %s",
                       self->error->message);
  while ((piece = g_queue_pop_head (&self->pieces)) != NULL)
    end_piece (self, piece, error);
  aiopool_batch_core_wake (self);
}

/* Under the lock, which is let go meanwhile. FALSE if there is nothing to do now. */
static gboolean
step (AiopoolBatchCore *self,
      AiopoolRights     rights)
{
  gboolean is_new = g_queue_is_empty (&self->pieces);
  AiopoolPiece *piece;

  if (self->is_broken_off)
    end_pieces (self);
  if (self->state != AIOPOOL_FUTURE_RUNNING || self->is_full || self->is_late ||
      self->is_broken_off)
    return FALSE;
  if (self->scheduler == NULL && rights < AIOPOOL_RIGHTS_EXECUTOR)
    {
      if (!self->has_ended || !g_queue_is_empty (&self->pieces))
        self->needs = MAX (self->needs, AIOPOOL_RIGHTS_EXECUTOR);
      return FALSE;
    }
  piece = get_next (self, rights);
  if (piece == NULL)
    return FALSE;
  submit (self, piece, is_new, rights);
  return TRUE;
}

/* Futures of an executor of the user's are cancelled where that may be called. */
static void
cancel_if_due (AiopoolBatchCore *self,
               AiopoolRights     rights)
{
  gboolean is_due;

  g_mutex_lock (&self->lock);
  is_due = self->is_broken_off && self->scheduler == NULL && self->chunks != NULL &&
           rights >= AIOPOOL_RIGHTS_EXECUTOR && self->needs > AIOPOOL_RIGHTS_LIBRARY;
  g_mutex_unlock (&self->lock);
  if (is_due)
    aiopool_batch_cancel_chunks (self, rights);
}

/* Whoever pushes is told that no more is wanted. */
static void
dismiss_if_due (AiopoolBatchCore *self,
                AiopoolRights     rights)
{
  g_autoptr (AiopoolSource) source = NULL;

  if (rights < AIOPOOL_RIGHTS_SOURCE)
    return;
  g_mutex_lock (&self->lock);
  if (self->has_ended && self->source != NULL && !self->is_dismissed)
    {
      self->is_dismissed = TRUE;
      source = g_object_ref (self->source);
    }
  g_mutex_unlock (&self->lock);
  if (source != NULL)
    aiopool_source_dismiss (source, self);
}

/* Under the lock. */
static void
feed_locked (AiopoolBatchCore *self,
             AiopoolRights     rights)
{
  self->is_feeding = TRUE;
  self->feeder = g_thread_self ();
  self->feed_end = g_get_monotonic_time () + MAX_HOLD;
  self->is_tired = FALSE;
  do
    {
      self->feed_again = FALSE;
      self->is_late = FALSE;
      while (step (self, rights))
        ;
    }
  while (self->feed_again);
  self->is_feeding = FALSE;
  self->feeder = NULL;
}

/* An item has failed, which is the end of a batch that stops on errors. */
static void
stop_if_due (AiopoolBatchCore *self)
{
  gboolean is_due;

  g_mutex_lock (&self->lock);
  is_due = self->wants_stop && !self->is_broken_off;
  g_mutex_unlock (&self->lock);
  if (is_due)
    aiopool_batch_core_break_off (self, NULL, AIOPOOL_CANCEL_COOPERATIVE);
}

/* From any thread that has @rights, without a lock. */
void
aiopool_batch_feed (AiopoolBatchCore *self,
                    AiopoolRights     rights)
{
  stop_if_due (self);
  cancel_if_due (self, rights);
  g_mutex_lock (&self->lock);
  if (self->is_feeding)
    {
      self->feed_again = TRUE;
      g_mutex_unlock (&self->lock);
      return;
    }
  if (self->needs <= rights)
    self->needs = AIOPOOL_RIGHTS_LIBRARY;
  feed_locked (self, rights);
  if (self->needs > rights || self->is_tired)
    aiopool_batch_core_post (self);
  aiopool_batch_core_check_over (self);
  if (self->needs > AIOPOOL_RIGHTS_LIBRARY)
    aiopool_batch_core_wake_blocking (self);
  g_mutex_unlock (&self->lock);
  dismiss_if_due (self, rights);
  if (self->scheduler != NULL)
    aiopool_scheduler_hurry (self->scheduler);
}

static void
feed_on_engine (gpointer data)
{
  AiopoolBatchCore *self = data;

  aiopool_batch_feed (self, AIOPOOL_RIGHTS_LIBRARY);
  aiopool_batch_core_unref_away (self);
}

/* The executor has room. Under a lock: goes on elsewhere. */
void
aiopool_batch_feed_room (gpointer core)
{
  AiopoolBatchCore *self = core;

  g_mutex_lock (&self->lock);
  self->n_rooms++;
  if (self->is_full && self->scheduler != NULL)
    aiopool_engine_post (feed_on_engine, aiopool_batch_core_ref (self));
  else if (self->is_full)
    {
      self->needs = MAX (self->needs, AIOPOOL_RIGHTS_EXECUTOR);
      aiopool_batch_core_post (self);
      aiopool_batch_core_wake_blocking (self);
    }
  self->is_full = FALSE;
  g_mutex_unlock (&self->lock);
}
