/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/api/aiopool-batch-read-private.h"

/* Those who read a batch without blocking. They stand in a row. When there is something for them,
 * each gets a letter, and takes what it reads in its own context, at the moment at which it is
 * told; so a read that is cancelled before loses nothing. A letter that finds that somebody else
 * was faster leaves its reader where it was. The row is under the lock of the core. */

/* A reference each for being in the row, for the letter when posted, and for each source. */
typedef struct
{
  AiopoolLetter      letter;    /* first */
  int                ref_count; /* atomic */
  AiopoolBatchCore  *core;      /* (owned) */
  AiopoolMailbox    *mailbox;   /* (owned) */
  GTask             *task;      /* (owned) (nullable): NULL once it is over; in its context */
  AiopoolBatchWanted wanted;
  GSource           *cancel_source; /* (owned) (nullable) */
  GSource           *timeout_source; /* (owned) (nullable) */
  GList              link;      /* under the core's lock, as the next */
  gboolean           is_posted;
} Reader;

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
  guint64 n_ready = aiopool_batch_read_count_ready (core);

  for (GList *link = core->readers.head; link != NULL; link = link->next)
    {
      Reader *reader = link->data;
      guint n = reader->wanted.kind == AIOPOOL_BATCH_READ_ITEMS ? reader->wanted.min_items : 0;

      if (reader->is_posted ||
          (!is_over && (reader->wanted.kind == AIOPOOL_BATCH_READ_END || n_ready < n)))
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

/* There is room for more once something was read. */
static void
go_on (AiopoolBatchCore *core)
{
  aiopool_batch_feed (core, AIOPOOL_RIGHTS_EXECUTOR);
}

/* In its context. @is_late: its time is over. */
static void
try_to_read (Reader   *reader,
             gboolean  is_late)
{
  AiopoolBatchCore *core = reader->core;
  AiopoolBatchReading reading = { NULL };
  GTask *task;
  gboolean is_through;

  if (reader->task == NULL)
    return;
  g_mutex_lock (&core->lock);
  is_through = is_late || aiopool_batch_read_is_ready (core, &reader->wanted);
  if (is_through)
    {
      aiopool_batch_read_take (core, &reader->wanted, &reading);
      g_queue_unlink (&core->readers, &reader->link);
    }
  g_mutex_unlock (&core->lock);
  if (!is_through)
    return;
  task = leave (reader);
  go_on (core);
  aiopool_batch_read_return (task, core, &reader->wanted, &reading, is_late);
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
reader_new (AiopoolBatchCore         *core,
            GTask                    *task,
            const AiopoolBatchWanted *wanted)
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
void
aiopool_batch_readers_add (AiopoolBatch             *batch,
                           GTask                    *task,
                           const AiopoolBatchWanted *wanted,
                           double                    timeout)
{
  AiopoolBatchCore *core = aiopool_batch_get_core (batch);
  Reader *reader = reader_new (core, task, wanted);

  g_task_set_check_cancellable (task, FALSE);
  attach_sources (reader, timeout);
  reader_ref (reader);
  g_mutex_lock (&core->lock);
  g_queue_push_tail_link (&core->readers, &reader->link);
  g_mutex_unlock (&core->lock);
  aiopool_batch_read_begin (core, wanted);
  aiopool_batch_feed (core, AIOPOOL_RIGHTS_EXECUTOR);
  g_mutex_lock (&core->lock);
  aiopool_batch_post_readers (core);
  g_mutex_unlock (&core->lock);
  reader_unref (reader);
}

/* Takes @task, whose source tag says what is returned then. */
void
aiopool_batch_await_end (AiopoolBatch *batch,
                         GTask        *task)
{
  const AiopoolBatchWanted wanted = { AIOPOOL_BATCH_READ_END, 0, 0 };

  aiopool_batch_readers_add (batch, task, &wanted, -1);
}
