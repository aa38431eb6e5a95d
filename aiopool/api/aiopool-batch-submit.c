/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/api/aiopool-batch-private.h"

#include "aiopool/api/aiopool-task-private.h"

/* How a piece gets to the executor, and how it is cancelled there.
 *
 * A chunk is under way before it is submitted, since it may end before that call returns. Who
 * breaks the batch off meanwhile does not find it at the executor; so it is looked at again
 * afterwards. */

static void
set_options (AiopoolBatchChunk *chunk)
{
  AiopoolSpecOptions *options = &chunk->options;

  *options = *chunk->core->spec->options;
  if (chunk->piece.n_items > 1)
    options->retries = 0;
  else
    options->retries -= MIN (options->retries, chunk->piece.n_tries);
}

/* Takes @piece, but not what it was allocated in. */
static AiopoolBatchChunk *
chunk_new (AiopoolBatchCore *core,
           AiopoolPiece     *piece)
{
  AiopoolBatchChunk *chunk = g_new0 (AiopoolBatchChunk, 1);

  chunk->job.klass = &aiopool_batch_job_class;
  chunk->job.holds = 2; /* one is ours, until it is submitted */
  chunk->watch.klass = &aiopool_batch_watch_class;
  chunk->core = aiopool_batch_core_ref (core);
  chunk->piece = *piece;
  if (piece->task != NULL)
    {
      chunk->spec = *aiopool_task_freeze (piece->task);
      return chunk;
    }
  set_options (chunk);
  chunk->spec.function = core->spec->function;
  chunk->spec.options = &chunk->options;
  chunk->spec.argument = aiopool_piece_make_argument (piece, core);
  chunk->spec.n_items = piece->n_items > 1 ? piece->n_items : 0;
  return chunk;
}

static gboolean
submit_job (AiopoolBatchChunk *chunk,
            GError           **error)
{
  if (chunk->core->scheduler == NULL)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_CANCELLED, "The batch was dropped");
      return FALSE;
    }
  return aiopool_future_check_spec (&chunk->spec, error) &&
         aiopool_scheduler_submit (chunk->core->scheduler, &chunk->job, &chunk->spec, error);
}

/* The task that one gets who takes no chunks. */
static AiopoolTask *
make_task (AiopoolBatchChunk *chunk,
           AiopoolTask       *model)
{
  if (chunk->piece.task != NULL)
    return g_object_ref (chunk->piece.task);
  return aiopool_task_new_alike (model, aiopool_payload_ref (chunk->spec.argument));
}

/* It may have ended already. */
static void
watch (AiopoolBatchChunk *chunk)
{
  aiopool_future_lock (chunk->future);
  aiopool_future_link_watch (chunk->future, &chunk->watch);
  if (aiopool_future_has_ended (chunk->future))
    aiopool_batch_future_ended (chunk);
  aiopool_future_unlock (chunk->future);
}

static gboolean
submit_task (AiopoolBatchChunk *chunk,
             AiopoolExecutor   *executor,
             AiopoolTask       *model,
             GError           **error)
{
  g_autoptr (AiopoolTask) task = make_task (chunk, model);
  AiopoolFuture *future = aiopool_executor_submit (executor, task, NULL, error);

  if (future == NULL)
    return FALSE;
  aiopool_future_set_position (future, chunk->piece.position);
  chunk->told_future = g_object_ref (future);
  g_atomic_pointer_set (&chunk->future, future);
  return TRUE;
}

static void
cancel_job (AiopoolBatchChunk *chunk,
            AiopoolCancelMode  mode)
{
  AiopoolScheduler *scheduler = chunk->core->scheduler;

  if (chunk->spec.n_items > 0 && mode != AIOPOOL_CANCEL_FORCE)
    aiopool_batch_take_back (chunk, aiopool_scheduler_shorten (scheduler, &chunk->job, 0));
  aiopool_scheduler_cancel (scheduler, &chunk->job, mode);
}

/* A future only where user code may run. */
static void
cancel (AiopoolBatchChunk *chunk,
        AiopoolCancelMode  mode,
        AiopoolRights      rights)
{
  AiopoolFuture *future = g_atomic_pointer_get (&chunk->future);

  if (chunk->core->scheduler != NULL)
    cancel_job (chunk, mode);
  else if (future != NULL && rights >= AIOPOOL_RIGHTS_EXECUTOR)
    aiopool_future_cancel (future, mode);
}

/* (transfer full) (element-type AiopoolBatchChunk): each with a hold. */
static GPtrArray *
hold_chunks (AiopoolBatchCore  *core,
             AiopoolCancelMode *mode)
{
  GPtrArray *chunks = g_ptr_array_new ();

  g_mutex_lock (&core->lock);
  *mode = core->mode;
  for (AiopoolBatchChunk *chunk = core->chunks; chunk != NULL; chunk = chunk->next)
    {
      g_atomic_int_inc (&chunk->job.holds);
      g_ptr_array_add (chunks, chunk);
    }
  g_mutex_unlock (&core->lock);
  return chunks;
}

/* It was refused: gives its piece back. */
static void
undo (AiopoolBatchChunk *chunk,
      AiopoolPiece      *piece)
{
  AiopoolBatchCore *core = chunk->core;

  g_mutex_lock (&core->lock);
  aiopool_batch_unlink_chunk (chunk);
  g_mutex_unlock (&core->lock);
  if (chunk->piece.task != NULL)
    chunk->spec.argument = NULL;
  *piece = chunk->piece;
  chunk->piece = (AiopoolPiece) { 0 };
  aiopool_batch_free_chunk (chunk);
}

/* Counts a task more. (transfer full) (nullable): who gets it, unless it is a pool. Another thread
 * may drop the batch from here on, and with it executor and task. */
static AiopoolExecutor *
begin (AiopoolBatchChunk  *chunk,
       AiopoolTask       **model)
{
  AiopoolBatchCore *core = chunk->core;
  AiopoolExecutor *executor = NULL;

  g_mutex_lock (&core->lock);
  aiopool_batch_link_chunk (chunk, &core->chunks);
  core->n_tasks++;
  if (core->scheduler == NULL && core->executor != NULL)
    {
      executor = g_object_ref (core->executor);
      *model = g_object_ref (core->task);
    }
  g_mutex_unlock (&core->lock);
  return executor;
}

static void
cancel_if_late (AiopoolBatchChunk *chunk,
                AiopoolRights      rights)
{
  AiopoolCancelMode mode;
  gboolean is_late;

  g_mutex_lock (&chunk->core->lock);
  is_late = chunk->core->is_broken_off;
  mode = chunk->core->mode;
  g_mutex_unlock (&chunk->core->lock);
  if (is_late)
    cancel (chunk, mode, rights);
}

/* Takes @piece if it returns TRUE. */
gboolean
aiopool_batch_submit (AiopoolBatchCore *core,
                      AiopoolPiece     *piece,
                      AiopoolRights     rights,
                      GError          **error)
{
  AiopoolBatchChunk *chunk = chunk_new (core, piece);
  g_autoptr (AiopoolExecutor) executor = NULL;
  g_autoptr (AiopoolTask) model = NULL;
  gboolean is_taken;

  executor = begin (chunk, &model);
  if (executor != NULL)
    is_taken = submit_task (chunk, executor, model, error);
  else
    is_taken = submit_job (chunk, error);
  if (!is_taken)
    {
      undo (chunk, piece);
      return FALSE;
    }
  g_free (piece);
  if (executor != NULL)
    watch (chunk);
  cancel_if_late (chunk, rights);
  aiopool_batch_drop_chunk (&chunk->job, NULL);
  return TRUE;
}

/* Cancels what is under way, as the core says. */
void
aiopool_batch_cancel_chunks (AiopoolBatchCore *core,
                             AiopoolRights     rights)
{
  AiopoolCancelMode mode;
  g_autoptr (GPtrArray) chunks = hold_chunks (core, &mode);

  for (guint i = 0; i < chunks->len; i++)
    {
      AiopoolBatchChunk *chunk = g_ptr_array_index (chunks, i);

      cancel (chunk, mode, rights);
      aiopool_batch_drop_chunk (&chunk->job, NULL);
    }
}
