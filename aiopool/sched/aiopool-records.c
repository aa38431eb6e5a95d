/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/sched/aiopool-dispatch-private.h"

#include <string.h>

/* The way of log records through the scheduler: from a worker to the future whose task said it, or
 * to the pool if it was none, and from a future where nobody took it to the pool.
 *
 * A worker has credit for so many, which it gets back when they were delivered. So each worker that
 * lives has only so much here. Workers that die one after the other could fill the memory of a
 * program that iterates no main context all the same: what is over a limit for all together is
 * lost, and counted. */

#define MAX_LOG_COST (8 * 1024 * 1024) /* bytes */

static void
add_to_report (AiopoolReport    *report,
               AiopoolLogRecord *record)
{
  report->records = g_slist_prepend (report->records, record);
}

static void
say_how_many_were_lost (AiopoolScheduler *self,
                        AiopoolReport    *report)
{
  g_autofree char *text = g_strdup_printf ("%u log records of workers were lost: too many were "
                                           "not delivered", self->n_lost_records);

  self->n_lost_records = 0;
  add_to_report (report, aiopool_log_record_new (G_LOG_LEVEL_WARNING, G_LOG_DOMAIN,
                                                 strlen (G_LOG_DOMAIN), text, strlen (text),
                                                 NULL));
}

/* FALSE if the worker had to keep it. */
gboolean
aiopool_records_take (AiopoolScheduler *self,
                      AiopoolPeer      *peer,
                      AiopoolOrder     *order,
                      AiopoolEvent     *event,
                      AiopoolReport    *report)
{
  AiopoolOutbound *outbound = aiopool_peer_get_outbound (peer);
  AiopoolLogRecord *record = event->record;

  if (!aiopool_outbound_owe_log (outbound, record->cost))
    return FALSE;
  if (self->owner == NULL || self->log_cost + record->cost > MAX_LOG_COST)
    {
      self->n_lost_records++;
      aiopool_outbound_pay_log (outbound, record->cost);
      return TRUE;
    }
  if (self->n_lost_records > 0)
    say_how_many_were_lost (self, report);
  self->log_cost += record->cost;
  record->worker = aiopool_peer_get_number (peer);
  record->worker_pid = aiopool_peer_get_pid (peer);
  event->record = NULL;
  if (order == NULL || !AIOPOOL_JOB (order)->klass->logged (AIOPOOL_JOB (order), record))
    add_to_report (report, record);
  return TRUE;
}

/* Without the lock. @owner: (nullable). */
void
aiopool_records_tell (const AiopoolSchedulerOwner *owner_class,
                      gpointer                     owner,
                      AiopoolReport               *report)
{
  report->records = g_slist_reverse (report->records);
  for (GSList *link = report->records; link != NULL; link = link->next)
    {
      if (owner != NULL)
        owner_class->logged (owner, link->data);
      else
        g_object_unref (link->data);
    }
  g_clear_pointer (&report->records, g_slist_free);
}

/* Nobody took it where its future is at home. Takes @record unless there is no pool any more. */
gboolean
aiopool_scheduler_pass_record (AiopoolScheduler *self,
                               AiopoolLogRecord *record)
{
  AiopoolReport report = { NULL };
  gboolean has_owner;

  if (aiopool_engine_is_forked ())
    return FALSE;
  g_mutex_lock (&self->lock);
  has_owner = self->owner != NULL;
  if (has_owner)
    add_to_report (&report, record);
  aiopool_scheduler_unlock_and_tell (self, &report);
  return has_owner;
}

/* A record was delivered: its worker may send as much again. */
void
aiopool_scheduler_pay_record (AiopoolScheduler *self,
                              AiopoolLogRecord *record)
{
  if (record->cost == 0 || aiopool_engine_is_forked ())
    return;
  g_mutex_lock (&self->lock);
  self->log_cost -= record->cost;
  for (guint i = 0; i < self->peers->len; i++)
    {
      AiopoolPeer *peer = g_ptr_array_index (self->peers, i);

      if (aiopool_peer_get_number (peer) == record->worker)
        aiopool_outbound_pay_log (aiopool_peer_get_outbound (peer), record->cost);
    }
  g_mutex_unlock (&self->lock);
  record->cost = 0;
}
