/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/workers/aiopool-countdown-private.h"

#include <signal.h>

/* The times at which a worker must have reported, and at which it gets a signal: for itself, or for
 * a task that was told to stop and has not. One alarm for the earliest of them. */

#define SPARED_USEC 50000

typedef struct
{
  guint64  id;
  gint64   term_at;
  gint64   kill_at;
  gboolean is_spared; /* what is due was put off once */
} Escalation;

void
aiopool_countdown_init (AiopoolCountdown *self,
                        AiopoolAlarmFunc  on_alarm,
                        gpointer          owner)
{
  self->escalations = g_array_new (FALSE, FALSE, sizeof (Escalation));
  self->alarm = aiopool_alarm_new (on_alarm, owner);
}

/* On the engine thread. */
void
aiopool_countdown_clear (AiopoolCountdown *self)
{
  aiopool_alarm_free (self->alarm);
  g_array_unref (self->escalations);
}

static void
earliest (gint64 *when,
          gint64  other)
{
  if (other > 0 && (*when < 0 || other < *when))
    *when = other;
}

static void
arm (AiopoolCountdown *self)
{
  gint64 when = -1;

  earliest (&when, self->start_by);
  earliest (&when, self->term_at);
  earliest (&when, self->kill_at);
  for (guint i = 0; i < self->escalations->len; i++)
    {
      Escalation *escalation = &g_array_index (self->escalations, Escalation, i);

      earliest (&when, escalation->term_at);
      earliest (&when, escalation->kill_at);
    }
  aiopool_alarm_set (self->alarm, when);
}

/* 0: it has reported, or need not any more. */
void
aiopool_countdown_set_start (AiopoolCountdown *self,
                             gint64            start_by)
{
  self->start_by = start_by;
  arm (self);
}

/* It is to end, so it need not report. */
void
aiopool_countdown_set_end (AiopoolCountdown *self,
                           gint64            term_at,
                           gint64            kill_at)
{
  self->start_by = 0;
  self->term_at = term_at;
  self->kill_at = kill_at;
  arm (self);
}

void
aiopool_countdown_add_task (AiopoolCountdown *self,
                            guint64           id,
                            gint64            term_at,
                            gint64            kill_at)
{
  Escalation escalation = { id, term_at, kill_at, FALSE };

  g_array_append_val (self->escalations, escalation);
  arm (self);
}

/* The task is over. */
void
aiopool_countdown_remove_task (AiopoolCountdown *self,
                               guint64           id)
{
  guint old = self->escalations->len;

  for (guint i = old; i > 0; i--)
    {
      if (g_array_index (self->escalations, Escalation, i - 1).id == id)
        g_array_remove_index_fast (self->escalations, i - 1);
    }
  if (self->escalations->len != old)
    arm (self);
}

/* The worker is gone. */
void
aiopool_countdown_stop (AiopoolCountdown *self)
{
  g_array_set_size (self->escalations, 0);
  aiopool_countdown_set_end (self, 0, 0);
}

static gboolean
take (gint64 *when,
      gint64  now)
{
  if (*when == 0 || *when > now)
    return FALSE;
  *when = 0;
  return TRUE;
}

/* As take(), for a task. With @spare it is put off once. */
static gboolean
take_for_task (Escalation *escalation,
               gint64     *when,
               gint64      now,
               gboolean    spare)
{
  if (!take (when, now))
    return FALSE;
  if (spare && !escalation->is_spared)
    {
      *when = now + SPARED_USEC;
      escalation->is_spared = TRUE;
      return FALSE;
    }
  escalation->is_spared = FALSE;
  return TRUE;
}

/* Which signal is due, SIGKILL before SIGTERM, or 0. @spare: the worker runs another task already,
 * so that it has ended the one that was told to stop, and will say so at any moment. */
int
aiopool_countdown_take_due (AiopoolCountdown *self,
                            gint64            now,
                            gboolean          spare,
                            gboolean         *is_start_late)
{
  gboolean is_term = take (&self->term_at, now);
  gboolean is_kill = take (&self->kill_at, now);

  *is_start_late = take (&self->start_by, now);
  for (guint i = 0; i < self->escalations->len; i++)
    {
      Escalation *escalation = &g_array_index (self->escalations, Escalation, i);

      is_term |= take_for_task (escalation, &escalation->term_at, now, spare);
      is_kill |= take_for_task (escalation, &escalation->kill_at, now, spare);
    }
  arm (self);
  return is_kill ? SIGKILL : is_term ? SIGTERM : 0;
}
