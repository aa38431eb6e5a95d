/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/api/aiopool-pool-log-private.h"

/* The last station of what workers log: the handlers of the pool's signal, in its home context, and
 * where none of them takes a record, this process's own log.
 *
 * As with the view, the letter holds no reference on the pool. Records that were on their way when
 * the pool went are logged. While nobody listens the letter is quiet, so that a program that only
 * blocks hears of them at its next submit or at the end of its wait. */

struct _AiopoolPoolLog
{
  AiopoolLetter     letter;    /* first */
  int               ref_count; /* atomic */
  AiopoolMailbox   *home;      /* (owned) */
  GWeakRef          pool;
  AiopoolScheduler *scheduler; /* (owned) */
  GMutex            lock;      /* guards what follows */
  GQueue            records;   /* (owned) of AiopoolLogRecord */
  gboolean          is_posted;
};

static guint log_signal;

static AiopoolLogRecord *
pop (AiopoolPoolLog *self)
{
  AiopoolLogRecord *record;

  g_mutex_lock (&self->lock);
  record = g_queue_pop_head (&self->records);
  g_mutex_unlock (&self->lock);
  return record;
}

/* Returns: how many to deliver. From here on the letter may be posted again. */
static guint
begin_delivery (AiopoolPoolLog *self)
{
  guint n_records;

  g_mutex_lock (&self->lock);
  self->is_posted = FALSE;
  n_records = g_queue_get_length (&self->records);
  g_mutex_unlock (&self->lock);
  return n_records;
}

static void
deliver_record (AiopoolPoolLog   *self,
                AiopoolLogRecord *record)
{
  g_autoptr (GObject) pool = g_weak_ref_get (&self->pool);
  gboolean is_taken = FALSE;

  if (pool != NULL)
    g_signal_emit (pool, log_signal, 0, record, &is_taken);
  if (!is_taken)
    aiopool_log_record_write (record);
  aiopool_scheduler_pay_record (self->scheduler, record);
}

/* One by one, so that a nested main loop in a handler goes on with the rest; and only those that
 * are here, for a worker may send more as fast as they are delivered. What comes from now on has
 * posted the letter again. */
static void
deliver_log (AiopoolLetter *letter)
{
  AiopoolPoolLog *self = (AiopoolPoolLog *) letter;
  guint n_records = begin_delivery (self);
  AiopoolLogRecord *record;

  while (n_records-- > 0 && (record = pop (self)) != NULL)
    {
      deliver_record (self, record);
      g_object_unref (record);
    }
  aiopool_pool_log_unref (self);
}

static gboolean
is_log_quiet (AiopoolLetter *letter)
{
  AiopoolPoolLog *self = (AiopoolPoolLog *) letter;
  g_autoptr (GObject) pool = g_weak_ref_get (&self->pool);

  return pool == NULL || !g_signal_has_handler_pending (pool, log_signal, 0, TRUE);
}

static const AiopoolLetterKind log_kind = { deliver_log, is_log_quiet, FALSE };

/* In the pool's home context. */
AiopoolPoolLog *
aiopool_pool_log_new (GObject          *pool,
                      AiopoolScheduler *scheduler)
{
  AiopoolPoolLog *self = g_new0 (AiopoolPoolLog, 1);

  self->letter.kind = &log_kind;
  self->ref_count = 1;
  self->home = aiopool_mailbox_ref (aiopool_mailbox_get_home ());
  g_weak_ref_init (&self->pool, pool);
  self->scheduler = aiopool_scheduler_ref (scheduler);
  g_mutex_init (&self->lock);
  g_queue_init (&self->records);
  return self;
}

void
aiopool_pool_log_unref (AiopoolPoolLog *self)
{
  AiopoolMailbox *home = self->home;

  if (!g_atomic_int_dec_and_test (&self->ref_count))
    return;
  g_weak_ref_clear (&self->pool);
  aiopool_scheduler_unref (self->scheduler);
  g_mutex_clear (&self->lock);
  g_free (self);
  aiopool_mailbox_unref (home);
}

/* From any thread. Takes @record. */
void
aiopool_pool_log_push (AiopoolPoolLog   *self,
                       AiopoolLogRecord *record)
{
  gboolean is_first;

  g_mutex_lock (&self->lock);
  g_queue_push_tail (&self->records, record);
  is_first = !self->is_posted;
  self->is_posted = TRUE;
  g_mutex_unlock (&self->lock);
  if (!is_first)
    return;
  g_atomic_int_inc (&self->ref_count);
  aiopool_mailbox_post (self->home, &self->letter);
}

void
aiopool_pool_log_install_signals (GType pool_type)
{
  /**
   * AiopoolPool::log:
   * @self: the pool
   * @record: what was logged
   *
   * A worker has logged something.
   *
   * What a task logs goes to [signal@Aiopool.Future::log] of its future first, and comes here if
   * nobody takes it there. A handler that returns %TRUE takes the record: no other one gets it. A
   * record that nobody takes is logged in this process, once, with its domain, level, message and
   * fields, and never ends this process.
   *
   * Emitted in the main context that was thread-default when the pool was made. What a worker logs
   * when 256 KiB of its records are not delivered yet goes to its standard error.
   *
   * Returns: %TRUE to take the record
   *
   * Since: 0.1
   */
  log_signal = g_signal_new ("log", pool_type, G_SIGNAL_RUN_LAST, 0,
                             g_signal_accumulator_true_handled, NULL, NULL, G_TYPE_BOOLEAN, 1,
                             AIOPOOL_TYPE_LOG_RECORD);
}
