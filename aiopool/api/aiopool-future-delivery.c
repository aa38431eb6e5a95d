/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/api/aiopool-future-private.h"
#include "aiopool/api/aiopool-parking-private.h"

/* How a future hears of its task and tells others.
 *
 * A future is settled once, on whatever thread the end becomes known on: what came of it is written
 * under its lock, then the state, then those who wait are woken, those who listen get a letter each
 * in their own context, and the future itself one in its home context. That last letter emits the
 * signals and gives back the reference that the scheduler (or the promise) held.
 *
 * References: a listener has had one on its future since it was added, and the scheduler one since
 * submit, so that no thread of ours ever takes the second reference of an object that a language
 * binding watches. The letter with news needs none: it is in the same mailbox, before the one that
 * gives the scheduler's back.
 *
 * Locks: scheduler, then future, then mailbox. */

#define LOCK_BIT 0

AiopoolFutureSignals aiopool_future_signals;

void
aiopool_future_lock (AiopoolFuture *self)
{
  g_bit_lock (&self->bits, LOCK_BIT);
}

void
aiopool_future_unlock (AiopoolFuture *self)
{
  g_bit_unlock (&self->bits, LOCK_BIT);
}

gboolean
aiopool_future_has_ended (AiopoolFuture *self)
{
  return g_atomic_int_get (&self->state) >= AIOPOOL_FUTURE_DONE;
}

AiopoolFuture *
aiopool_future_of_job (AiopoolJob *job)
{
  return (AiopoolFuture *) (gpointer) ((char *) job - G_STRUCT_OFFSET (AiopoolFuture, job));
}

static AiopoolFuture *
future_of_letter (AiopoolLetter *letter)
{
  return (AiopoolFuture *) (gpointer) ((char *) letter - G_STRUCT_OFFSET (AiopoolFuture, letter));
}

/* Under the lock. */
AiopoolFutureExtra *
aiopool_future_get_extra (AiopoolFuture *self)
{
  if (self->extra == NULL)
    {
      self->extra = g_new0 (AiopoolFutureExtra, 1);
      self->extra->future = self;
      g_queue_init (&self->extra->emits);
      g_queue_init (&self->extra->records);
    }
  return self->extra;
}

void
aiopool_future_free_extra (AiopoolFutureExtra *extra)
{
  g_assert (extra->listeners == NULL && extra->watches == NULL);
  g_clear_error (&extra->error);
  g_clear_object (&extra->info);
  g_clear_object (&extra->fds);
  g_free (extra->last_lines);
  if (G_IS_VALUE (&extra->value))
    g_value_unset (&extra->value);
  g_clear_object (&extra->cancellable);
  g_free (extra->message);
  g_queue_clear_full (&extra->emits, (GDestroyNotify) aiopool_payload_unref);
  g_queue_clear_full (&extra->records, g_object_unref);
  g_clear_object (&extra->promise);
  g_clear_pointer (&extra->needed, g_main_context_unref);
  g_free (extra);
}

/* Returns whether it is private. */
static gboolean
mark_delivered (AiopoolFuture *self)
{
  GCancellable *cancellable = NULL;
  gulong id = 0;
  gboolean is_private;

  aiopool_future_lock (self);
  self->is_delivered = TRUE;
  is_private = self->is_private;
  if (self->extra != NULL)
    {
      cancellable = g_steal_pointer (&self->extra->cancellable);
      id = self->extra->cancel_id;
    }
  aiopool_future_unlock (self);
  if (cancellable != NULL)
    g_signal_handler_disconnect (cancellable, id);
  g_clear_object (&cancellable);
  return is_private;
}

/* At home: the last that happens to a future. */
static void
deliver_end (AiopoolLetter *letter)
{
  AiopoolFuture *self = future_of_letter (letter);

  if (!mark_delivered (self))
    {
      g_signal_emit (self, aiopool_future_signals.done, 0);
      aiopool_future_notify_state (self);
    }
  g_object_unref (self);
}

static gboolean
has_handler (AiopoolFuture *self,
             guint          signal_id)
{
  return g_signal_handler_find (self, G_SIGNAL_MATCH_ID, signal_id, 0, NULL, NULL, NULL) != 0;
}

/* For the end. Who is blocked counts too, and may be let through before the end is told. */
static gboolean
has_handlers (AiopoolFuture *self)
{
  static gsize notify_id;

  if (g_once_init_enter (&notify_id))
    g_once_init_leave (&notify_id, g_signal_lookup ("notify", G_TYPE_OBJECT));
  return has_handler (self, aiopool_future_signals.done) || has_handler (self, (guint) notify_id);
}

/* Whether the end calls nobody at home; it does if nobody is known to wait elsewhere either. */
static gboolean
calls_nobody (AiopoolFuture *self,
              gboolean       is_awaited)
{
  gboolean has_news, is_private;

  aiopool_future_lock (self);
  has_news = self->extra != NULL && self->extra->has_news;
  is_private = self->is_private;
  is_awaited |= self->n_waiters > 0;
  aiopool_future_unlock (self);
  if (is_private || has_news || !is_awaited)
    return is_private && !has_news;
  return !has_handlers (self);
}

static gboolean
is_end_quiet (AiopoolLetter *letter)
{
  return calls_nobody (future_of_letter (letter), TRUE);
}

static const AiopoolLetterKind end_kind = { deliver_end, is_end_quiet, FALSE };

/* Gives back the reference that was held until the end, at home. */
static void
post_end (AiopoolFuture    *self,
          AiopoolPostBatch *batch)
{
  self->letter.kind = &end_kind;
  aiopool_post_batch_add (batch, self->home, &self->letter, calls_nobody (self, FALSE));
}

static void
post_listeners (AiopoolFuture    *self,
                AiopoolPostBatch *batch)
{
  if (self->extra == NULL)
    return;
  for (AiopoolListener *listener = self->extra->listeners; listener; listener = listener->next)
    {
      listener->is_posted = TRUE;
      aiopool_post_batch_add (batch, listener->mailbox, &listener->letter, FALSE);
    }
}

static void
tell_watches (AiopoolFuture    *self,
              AiopoolPostBatch *batch)
{
  AiopoolFutureWatch *watch = self->extra != NULL ? self->extra->watches : NULL;

  for (; watch != NULL; watch = watch->next)
    watch->klass->ended (watch, batch);
}

static AiopoolFutureState
state_for (const GError *error)
{
  if (error == NULL)
    return AIOPOOL_FUTURE_DONE;
  return g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED) ? AIOPOOL_FUTURE_CANCELLED
                                                                   : AIOPOOL_FUTURE_FAILED;
}

static void
take_outcome (AiopoolFuture  *self,
              AiopoolOutcome *outcome,
              GValue         *value)
{
  self->payload = g_steal_pointer (&outcome->payload);
  if (outcome->started != 0) /* a promise may have started before */
    self->started = outcome->started;
  if (self->started == 0 && outcome->error == NULL)
    self->started = self->job.submitted;
  self->ended = outcome->ended;
  self->pid = outcome->pid;
  if (outcome->error == NULL && outcome->fds == NULL && value == NULL)
    return;
  aiopool_future_get_extra (self)->error = g_steal_pointer (&outcome->error);
  self->extra->info = g_steal_pointer (&outcome->info);
  self->extra->fds = g_steal_pointer (&outcome->fds);
  self->extra->last_lines = g_steal_pointer (&outcome->last_lines);
  if (value != NULL)
    {
      self->extra->value = *value;
      *value = (GValue) G_VALUE_INIT;
    }
}

/* FALSE if it was settled before: only a promise can be. Takes what @outcome owns, and @value. */
static gboolean
settle (AiopoolFuture    *self,
        AiopoolOutcome   *outcome,
        GValue           *value,
        AiopoolPostBatch *batch)
{
  AiopoolFutureState state = state_for (outcome->error);
  gboolean has_waiters;

  aiopool_future_lock (self);
  if (aiopool_future_has_ended (self))
    {
      aiopool_future_unlock (self);
      return FALSE;
    }
  take_outcome (self, outcome, value);
  g_atomic_int_set (&self->state, (int) state);
  has_waiters = self->n_waiters > 0;
  post_listeners (self, batch);
  tell_watches (self, batch);
  aiopool_future_unlock (self);
  if (has_waiters)
    aiopool_parking_wake (self);
  return TRUE;
}

/* Nobody but the caller has it: there is nobody to tell. Takes what @outcome owns. */
void
aiopool_future_end_at_birth (AiopoolFuture  *self,
                             AiopoolOutcome *outcome)
{
  AiopoolFutureState state = state_for (outcome->error);

  take_outcome (self, outcome, NULL);
  aiopool_outcome_clear (outcome);
  self->is_delivered = TRUE;
  g_atomic_int_set (&self->state, (int) state);
}

/* By whoever holds the promise, or cancels the future. FALSE if somebody else came first. Clears
 * @outcome. */
gboolean
aiopool_future_settle_promised (AiopoolFuture  *self,
                                AiopoolOutcome *outcome,
                                GValue         *value)
{
  AiopoolPostBatch batch = { NULL };
  gboolean is_settled = settle (self, outcome, value, &batch);

  if (is_settled)
    post_end (self, &batch);
  aiopool_post_batch_flush (&batch);
  aiopool_outcome_clear (outcome);
  return is_settled;
}

/* As @other ended. FALSE if somebody else came first. */
gboolean
aiopool_future_settle_alike (AiopoolFuture *self,
                             AiopoolFuture *other)
{
  AiopoolFutureExtra *extra = other->extra;
  AiopoolOutcome outcome = {
    .ended = g_get_monotonic_time (),
    .pid = other->pid,
  };
  g_auto (GValue) value = G_VALUE_INIT;

  if (other->payload != NULL)
    outcome.payload = aiopool_payload_ref (other->payload);
  if (extra != NULL && G_IS_VALUE (&extra->value))
    {
      g_value_init (&value, G_VALUE_TYPE (&extra->value));
      g_value_copy (&extra->value, &value);
    }
  if (extra != NULL)
    {
      outcome.error = extra->error != NULL ? g_error_copy (extra->error) : NULL;
      outcome.info = extra->info != NULL ? g_object_ref (extra->info) : NULL;
      outcome.fds = extra->fds != NULL ? g_object_ref (extra->fds) : NULL;
      outcome.last_lines = g_strdup (extra->last_lines);
    }
  return aiopool_future_settle_promised (self, &outcome, G_IS_VALUE (&value) ? &value : NULL);
}

static void
drop_hold (AiopoolJob       *job,
           AiopoolPostBatch *batch)
{
  if (g_atomic_int_dec_and_test (&job->holds))
    post_end (aiopool_future_of_job (job), batch);
}

static void
on_settled (AiopoolJob       *job,
            AiopoolOutcome   *outcome,
            AiopoolPostBatch *batch)
{
  settle (aiopool_future_of_job (job), outcome, NULL, batch);
  drop_hold (job, batch);
}

const AiopoolJobClass aiopool_future_job_class = {
  on_settled, drop_hold, aiopool_future_on_progress, aiopool_future_on_emitted,
  aiopool_future_on_logged
};

/* Under the lock. The future may have ended. */
void
aiopool_future_link_watch (AiopoolFuture      *self,
                           AiopoolFutureWatch *watch)
{
  AiopoolFutureExtra *extra = aiopool_future_get_extra (self);

  watch->next = extra->watches;
  watch->link = &extra->watches;
  if (watch->next != NULL)
    watch->next->link = &watch->next;
  extra->watches = watch;
}

/* Afterwards it hears no more. */
void
aiopool_future_unlink_watch (AiopoolFuture      *self,
                             AiopoolFutureWatch *watch)
{
  aiopool_future_lock (self);
  *watch->link = watch->next;
  if (watch->next != NULL)
    watch->next->link = watch->link;
  aiopool_future_unlock (self);
}

void
aiopool_future_install_signals (void)
{
  /**
   * AiopoolFuture::done:
   * @self: the future
   *
   * The future has ended.
   *
   * Emitted once, in the main context that was thread-default when the task was submitted.
   *
   * Since: 0.1
   */
  aiopool_future_signals.done =
    g_signal_new ("done", AIOPOOL_TYPE_FUTURE, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                  G_TYPE_NONE, 0);

  /**
   * AiopoolFuture::progressed:
   * @self: the future
   * @fraction: how much is done, from 0 to 1
   * @message: (nullable): what is being done
   *
   * The running task reports how far it is.
   *
   * Reports that come faster than the context is iterated are combined: the last one counts.
   * Emitted in the main context that was thread-default when the task was submitted.
   *
   * Since: 0.1
   */
  aiopool_future_signals.progressed =
    g_signal_new ("progressed", AIOPOOL_TYPE_FUTURE, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                  G_TYPE_NONE, 2, G_TYPE_DOUBLE, G_TYPE_STRING);

  /**
   * AiopoolFuture::emitted:
   * @self: the future
   * @value: a partial result
   *
   * The running task has sent a partial result.
   *
   * Emitted for every one, in order and before [signal@Aiopool.Future::done], in the main context
   * that was thread-default when the task was submitted. A task that sends more than about 256 KiB
   * ahead of what is delivered here waits, unless a thread waits for the future.
   *
   * Since: 0.1
   */
  aiopool_future_signals.emitted =
    g_signal_new ("emitted", AIOPOOL_TYPE_FUTURE, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                  G_TYPE_NONE, 1, G_TYPE_VARIANT);

  /**
   * AiopoolFuture::log:
   * @self: the future
   * @record: what was logged
   *
   * The running task has logged something.
   *
   * A handler that returns %TRUE takes the record: no other one gets it, nor does
   * [signal@Aiopool.Pool::log], where it goes otherwise.
   *
   * Emitted for each record, in order and before [signal@Aiopool.Future::done], in the main context
   * that was thread-default when the task was submitted.
   *
   * Returns: %TRUE to take the record
   *
   * Since: 0.1
   */
  aiopool_future_signals.log =
    g_signal_new ("log", AIOPOOL_TYPE_FUTURE, G_SIGNAL_RUN_LAST, 0,
                  g_signal_accumulator_true_handled, NULL, NULL, G_TYPE_BOOLEAN, 1,
                  AIOPOOL_TYPE_LOG_RECORD);
}
