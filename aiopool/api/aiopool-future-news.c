/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/api/aiopool-future-private.h"

/* What a future is told while its task runs: progress, partial results and log records. They wait
 * for one letter, which emits the signals at home before that of the end. */

static void
deliver_progress (AiopoolFuture *self,
                  double         progress,
                  const char    *message)
{
  g_signal_emit (self, aiopool_future_signals.progressed, 0, progress, message);
  g_object_notify (G_OBJECT (self), "progress");
  g_object_notify (G_OBJECT (self), "message");
}

static void
deliver_emits (AiopoolFuture *self,
               GQueue        *emits)
{
  AiopoolPayload *payload;

  while ((payload = g_queue_pop_head (emits)) != NULL)
    {
      g_autoptr (GVariant) value = aiopool_payload_dup_variant (payload, FALSE);

      g_signal_emit (self, aiopool_future_signals.emitted, 0, value);
      aiopool_payload_unref (payload);
    }
}

/* What nobody takes goes on to the pool. */
static void
deliver_record (AiopoolFuture    *self,
                AiopoolLogRecord *record)
{
  gboolean is_taken = FALSE;

  g_signal_emit (self, aiopool_future_signals.log, 0, record, &is_taken);
  if (!is_taken && aiopool_scheduler_pass_record (self->job.scheduler, record))
    return;
  if (!is_taken)
    aiopool_log_record_write (record);
  aiopool_scheduler_pay_record (self->job.scheduler, record);
  g_object_unref (record);
}

static void
deliver_records (AiopoolFuture *self,
                 GQueue        *records)
{
  AiopoolLogRecord *record;

  while ((record = g_queue_pop_head (records)) != NULL)
    deliver_record (self, record);
}

typedef struct
{
  GQueue   records;  /* (owned) of AiopoolLogRecord */
  GQueue   emits;    /* (owned) of AiopoolPayload */
  gint64   debt;
  gboolean has_progress;
  double   progress;
  char    *message;  /* (owned) (nullable) */
} News;

static void
take_news (AiopoolFuture *self,
           News          *news)
{
  AiopoolFutureExtra *extra = self->extra;

  aiopool_future_lock (self);
  extra->has_news = FALSE;
  news->records = extra->records;
  g_queue_init (&extra->records);
  news->emits = extra->emits;
  g_queue_init (&extra->emits);
  news->debt = extra->debt;
  extra->debt = 0;
  news->has_progress = extra->has_progress;
  extra->has_progress = FALSE;
  news->progress = extra->progress;
  news->message = news->has_progress ? g_strdup (extra->message) : NULL;
  aiopool_future_unlock (self);
}

/* At home. Partial results earn credit for more as they are delivered. */
static AiopoolFutureExtra *
extra_of_news (AiopoolLetter *letter)
{
  return (AiopoolFutureExtra *) (gpointer)
         ((char *) letter - G_STRUCT_OFFSET (AiopoolFutureExtra, news));
}

static void
deliver_news (AiopoolLetter *letter)
{
  AiopoolFuture *self = g_object_ref (extra_of_news (letter)->future);
  News news;

  take_news (self, &news);
  deliver_records (self, &news.records);
  if (news.has_progress)
    deliver_progress (self, news.progress, news.message);
  deliver_emits (self, &news.emits);
  if (news.debt > 0 && self->job.scheduler != NULL)
    aiopool_scheduler_grant (self->job.scheduler, &self->job, news.debt);
  g_free (news.message);
  g_object_unref (self);
}

/* Log records that nobody waits for here call nobody. */
static gboolean
is_news_quiet (AiopoolLetter *letter)
{
  AiopoolFutureExtra *extra = extra_of_news (letter);
  gboolean has_more;

  aiopool_future_lock (extra->future);
  has_more = extra->has_progress || !g_queue_is_empty (&extra->emits);
  aiopool_future_unlock (extra->future);
  return !has_more &&
         !g_signal_has_handler_pending (extra->future, aiopool_future_signals.log, 0, TRUE);
}

static const AiopoolLetterKind news_kind = { deliver_news, is_news_quiet, FALSE };

/* Under the lock, so that the letter is in the mailbox before that of the end. */
static void
post_news (AiopoolFutureExtra *extra)
{
  if (extra->has_news)
    return;
  extra->has_news = TRUE;
  extra->news.kind = &news_kind;
  aiopool_mailbox_post (extra->future->home, &extra->news);
}

/* A negative @fraction, and no @message, keep the one before. Takes @message. Only the last of what
 * was not yet delivered is told. */
void
aiopool_future_tell_progress (AiopoolFuture *self,
                              double         fraction,
                              char          *message)
{
  aiopool_future_lock (self);
  if (!aiopool_future_has_ended (self))
    {
      AiopoolFutureExtra *extra = aiopool_future_get_extra (self);

      if (fraction >= 0)
        extra->progress = MIN (fraction, 1);
      extra->has_progress = TRUE;
      if (message != NULL)
        {
          g_free (extra->message);
          extra->message = g_steal_pointer (&message);
        }
      post_news (extra);
    }
  aiopool_future_unlock (self);
  g_free (message);
}

void
aiopool_future_on_progress (AiopoolJob *job,
                            double      fraction,
                            char       *text)
{
  if (text != NULL && *text == '\0')
    g_clear_pointer (&text, g_free);
  aiopool_future_tell_progress (aiopool_future_of_job (job), fraction, text);
}

/* Under the lock. */
static gboolean
is_awaited (AiopoolFuture *self)
{
  AiopoolFutureWatch *watch = self->extra->watches;
  gboolean result = self->n_waiters > 0;

  for (; watch != NULL; watch = watch->next)
    result |= watch->klass->is_awaited (watch);
  return result;
}

/* TRUE if the task may send as much again at once. */
gboolean
aiopool_future_on_emitted (AiopoolJob     *job,
                           AiopoolPayload *payload,
                           gint64          cost)
{
  AiopoolFuture *self = aiopool_future_of_job (job);
  AiopoolFutureExtra *extra;
  gboolean has_waiters;

  aiopool_future_lock (self);
  extra = aiopool_future_get_extra (self);
  has_waiters = is_awaited (self);
  if (!has_waiters)
    extra->debt += cost;
  g_queue_push_tail (&extra->emits, payload);
  post_news (extra);
  aiopool_future_unlock (self);
  return has_waiters;
}

/* FALSE if it is for the pool alone. */
gboolean
aiopool_future_on_logged (AiopoolJob       *job,
                          AiopoolLogRecord *record)
{
  AiopoolFuture *self = aiopool_future_of_job (job);
  gboolean is_ours;

  record->function = job->order.spec->function;
  record->tag = g_strdup (aiopool_task_get_tag (self->task));
  aiopool_future_lock (self);
  is_ours = !self->is_private;
  if (is_ours)
    {
      g_queue_push_tail (&aiopool_future_get_extra (self)->records, record);
      post_news (self->extra);
    }
  aiopool_future_unlock (self);
  return is_ours;
}
