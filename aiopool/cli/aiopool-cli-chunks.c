/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "aiopool/cli/aiopool-cli-chunks-private.h"

/* A batch that never ends by itself: whoever pushes knows when it is at its end, for what failed
 * may be pushed again. The source says how many arguments are wanted, which is the bound of what is
 * in memory; results are read as they come, some at a time, by one read that is always there.
 *
 *   reading -> cancel(), or the pool takes no more -> over
 *
 * Arguments are told apart by their position, which the batch counts as they are pushed. Positions
 * have an end, which endless input may reach: then another batch takes over from the first. */

#define READ_SIZE 1024
#define MAX_PUSHED (1u << 24)

struct _CliChunks
{
  AiopoolPool          *pool;        /* (owned) */
  AiopoolTask          *task;        /* (owned): function and timeout */
  guint                 chunk_size;
  guint                 n_chunks;
  AiopoolBatch         *batch;       /* (owned) */
  AiopoolSource        *source;      /* (owned) */
  const CliChunksFuncs *funcs;       /* (unowned: static) */
  gpointer              user_data;   /* (unowned: the caller's) */
  GHashTable           *pushed;      /* (owned) position to what was pushed, until it has ended */
  guint                 n_pushed;    /* to this batch */
  guint                 n_wanted;
  GCancellable         *cancellable; /* (owned): of the read */
  gboolean              is_reading;
  gboolean              is_cancelled;
  gboolean              is_freed;    /* nobody is told any more */
};

static void read_more (CliChunks *self);
static void start_batch (CliChunks *self);

/* --- results ---------------------------------------------------------------------------------- */

static void
tell_end (CliChunks     *self,
          AiopoolFuture *future)
{
  gpointer key = GUINT_TO_POINTER (aiopool_future_get_position (future));
  gpointer pushed = NULL;

  if (g_hash_table_steal_extended (self->pushed, key, NULL, &pushed))
    self->funcs->ended (future, pushed, self->user_data);
}

static void
tell_ends (CliChunks  *self,
           GListModel *futures)
{
  guint n_futures = g_list_model_get_n_items (futures);
  guint i = 0;

  for (i = 0; i < n_futures && !self->is_freed; i++)
    {
      g_autoptr (AiopoolFuture) future = g_list_model_get_item (futures, i);

      tell_end (self, future);
    }
}

static void
on_read (GObject      *object,
         GAsyncResult *result,
         gpointer      user_data)
{
  CliChunks *self = user_data;
  g_autoptr (GListModel) futures = NULL;
  g_autoptr (GError) error = NULL;

  self->is_reading = FALSE;
  futures = aiopool_batch_next_batch_finish (self->batch, result, &error);
  if (self->is_freed)
    return;

  if (futures != NULL)
    {
      read_more (self);
      tell_ends (self, futures);
    }
  else if (error == NULL && !self->is_cancelled)
    start_batch (self);
  else
    self->funcs->over (error, self->user_data);
}

static void
read_more (CliChunks *self)
{
  self->is_reading = TRUE;
  aiopool_batch_next_batch_async (self->batch, 1, READ_SIZE, -1, self->cancellable, on_read, self);
}

/* --- arguments -------------------------------------------------------------------------------- */

/* 0 where the batch wants no more. */
static void
on_wanted (AiopoolSource *source,
           guint          n_items,
           gpointer       user_data)
{
  CliChunks *self = user_data;

  if (self->is_freed || n_items == 0 || source != self->source)
    return;

  self->n_wanted += MIN (n_items, G_MAXUINT - self->n_wanted);
  self->funcs->wanted (self->user_data);
}

guint
cli_chunks_count_wanted (CliChunks *self)
{
  return self->n_pushed < MAX_PUSHED ? self->n_wanted : 0;
}

static void
count_pushed (CliChunks *self,
              gpointer   pushed)
{
  g_hash_table_insert (self->pushed, GUINT_TO_POINTER (self->n_pushed++), pushed);
  self->n_wanted -= MIN (self->n_wanted, 1);
  if (self->n_pushed == MAX_PUSHED)
    aiopool_source_end (self->source);
}

void
cli_chunks_push (CliChunks *self,
                 GVariant  *argument,
                 gpointer   pushed)
{
  aiopool_source_push (self->source, argument);
  count_pushed (self, pushed);
}

void
cli_chunks_push_alone (CliChunks   *self,
                       AiopoolTask *task,
                       gpointer     pushed)
{
  aiopool_source_push_task (self->source, task);
  count_pushed (self, pushed);
}

void
cli_chunks_cancel (CliChunks *self)
{
  self->is_cancelled = TRUE;
  aiopool_batch_cancel (self->batch, AIOPOOL_CANCEL_PENDING);
}

/* --- start and end ---------------------------------------------------------------------------- */

static void
start_batch (CliChunks *self)
{
  g_clear_object (&self->batch);
  g_clear_object (&self->source);
  self->n_pushed = 0;
  self->n_wanted = 0;
  self->source = aiopool_source_new_pushed (on_wanted, self, NULL);
  self->batch = aiopool_batch_new (AIOPOOL_EXECUTOR (self->pool), self->task, self->source);
  aiopool_batch_set_ordered (self->batch, FALSE);
  aiopool_batch_set_chunk_size (self->batch, self->chunk_size);
  aiopool_batch_set_window (self->batch, self->n_chunks);
  read_more (self);
}

CliChunks *
cli_chunks_new (AiopoolPool          *pool,
                const char           *function,
                double                timeout,
                guint                 chunk_size,
                guint                 n_chunks,
                const CliChunksFuncs *funcs,
                gpointer              user_data)
{
  CliChunks *self = g_new0 (CliChunks, 1);

  self->pool = g_object_ref (pool);
  self->task = aiopool_task_new (function, NULL);
  if (timeout > 0)
    aiopool_task_set_timeout (self->task, timeout);
  self->chunk_size = chunk_size;
  self->n_chunks = n_chunks;
  self->funcs = funcs;
  self->user_data = user_data;
  self->cancellable = g_cancellable_new ();
  self->pushed = g_hash_table_new (NULL, NULL);
  start_batch (self);
  return self;
}

void
cli_chunks_free (CliChunks *self)
{
  self->is_freed = TRUE;
  g_cancellable_cancel (self->cancellable);
  while (self->is_reading)
    g_main_context_iteration (NULL, TRUE);

  g_clear_object (&self->batch);
  g_clear_object (&self->source);
  g_object_unref (self->task);
  g_object_unref (self->pool);
  g_hash_table_unref (self->pushed);
  g_object_unref (self->cancellable);
  g_free (self);
}
