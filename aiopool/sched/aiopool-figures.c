/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/sched/aiopool-figures-private.h"

#include <gio/gio.h>
#include <string.h>

/* The figures of a pool: how many tasks ended and how, how long they waited and ran, and how busy
 * the workers were, in total and in the last two seconds.
 *
 * A task is counted where it is settled, under the lock that is held there and with the times that
 * are known there: no clock is read. "The last two seconds" are eight slots of time, each a quarter
 * of a second long and known by its number, the time divided by that. A task, or a worker's life,
 * that is longer than one slot counts in each that it touched.
 *
 * Changes are told at most ten times a second. The first is told at once; from then on a tick comes
 * every tenth of a second, and the ticks end when nothing has changed between two of them and, if
 * somebody listens, the last two seconds have become empty. */

#define TICK_USEC (G_USEC_PER_SEC / 10)

void
aiopool_figures_reset (AiopoolFigures *self,
                       gint64          now)
{
  gint64 told_at = self->told_at;
  gboolean is_heard = self->is_heard;

  memset (self, 0, sizeof *self);
  self->since = now;
  self->slot = now >> AIOPOOL_FIGURES_SLOT_LOG2;
  self->told_at = told_at;
  self->is_heard = is_heard;
  self->is_changed = TRUE;
}

static AiopoolFiguresSlot *
get_slot (AiopoolFigures *self,
          gint64          number)
{
  return &self->slots[number & (AIOPOOL_FIGURES_N_SLOTS - 1)];
}

/* The slots of the time that has passed are empty. */
static void
go_on (AiopoolFigures *self,
       gint64          now)
{
  gint64 slot = now >> AIOPOOL_FIGURES_SLOT_LOG2;

  if (G_LIKELY (slot <= self->slot))
    return;
  self->slot = MAX (self->slot, slot - AIOPOOL_FIGURES_N_SLOTS);
  while (self->slot < slot)
    *get_slot (self, ++self->slot) = (AiopoolFiguresSlot) { 0 };
}

/* The slots in a row from @first to the present one, in which [@begin, @end) lies: adds to each its
 * part, at @offset. */
static void
spread (AiopoolFigures *self,
        gint64          begin,
        gint64          end,
        gsize           offset)
{
  gint64 number = MAX (begin >> AIOPOOL_FIGURES_SLOT_LOG2,
                       self->slot - AIOPOOL_FIGURES_N_SLOTS + 1);
  gint64 last = MIN (end >> AIOPOOL_FIGURES_SLOT_LOG2, self->slot);

  if (G_LIKELY (begin >> AIOPOOL_FIGURES_SLOT_LOG2 == self->slot))
    {
      G_STRUCT_MEMBER (gint64, get_slot (self, self->slot), offset) += end - begin;
      return;
    }
  for (; number <= last; number++)
    {
      gint64 slot_begin = number << AIOPOOL_FIGURES_SLOT_LOG2;
      gint64 slot_end = (number + 1) << AIOPOOL_FIGURES_SLOT_LOG2;

      G_STRUCT_MEMBER (gint64, get_slot (self, number), offset) += MIN (end, slot_end) -
                                                                   MAX (begin, slot_begin);
    }
}

/* A task has ended. */
void
aiopool_figures_count (AiopoolFigures       *self,
                       gint64                submitted,
                       const AiopoolOutcome *outcome)
{
  gint64 begin = MIN (MAX (outcome->started, self->since), outcome->ended);

  if (outcome->error == NULL)
    self->n_done++;
  else if (g_error_matches (outcome->error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    self->n_cancelled++;
  else
    self->n_failed++;
  self->is_changed = TRUE;
  go_on (self, outcome->ended);
  get_slot (self, self->slot)->n_ended++;
  if (outcome->started == 0)
    return;
  aiopool_histogram_add (&self->queue_times, outcome->started - submitted);
  aiopool_histogram_add (&self->run_times, outcome->ended - outcome->started);
  self->busy += outcome->ended - begin;
  spread (self, begin, outcome->ended, G_STRUCT_OFFSET (AiopoolFiguresSlot, busy));
}

/* @born: monotonic microseconds. */
void
aiopool_figures_worker_gone (AiopoolFigures *self,
                             gint64          born,
                             gint64          now)
{
  gint64 begin = MIN (MAX (born, self->since), now);

  self->is_changed = TRUE;
  go_on (self, now);
  self->lived += now - begin;
  spread (self, begin, now, G_STRUCT_OFFSET (AiopoolFiguresSlot, lived));
}

/* Of the last two seconds, or less: returns when they began. */
gint64
aiopool_figures_sum_recent (AiopoolFigures     *self,
                            gint64              now,
                            AiopoolFiguresSlot *sum)
{
  *sum = (AiopoolFiguresSlot) { 0 };
  go_on (self, now);
  for (guint i = 0; i < AIOPOOL_FIGURES_N_SLOTS; i++)
    {
      sum->n_ended += self->slots[i].n_ended;
      sum->busy += self->slots[i].busy;
      sum->lived += self->slots[i].lived;
    }
  return MAX ((self->slot - AIOPOOL_FIGURES_N_SLOTS + 1) << AIOPOOL_FIGURES_SLOT_LOG2,
              self->since);
}

/* Whether it is to be told now. */
gboolean
aiopool_figures_begin_telling (AiopoolFigures *self)
{
  if (G_LIKELY (!self->is_due && (!self->is_changed || self->told_at != 0)))
    return FALSE;
  if (!self->is_due)
    {
      self->told_at = g_get_monotonic_time () + TICK_USEC;
      self->is_changed = FALSE;
    }
  self->is_due = FALSE;
  return TRUE;
}

static gboolean
is_recent (AiopoolFigures *self,
           gint64          now)
{
  AiopoolFiguresSlot sum;

  aiopool_figures_sum_recent (self, now, &sum);
  return sum.n_ended > 0 || sum.busy > 0;
}

/* A tenth of a second has passed. */
void
aiopool_figures_tick (AiopoolFigures *self,
                      gint64          now)
{
  gboolean goes_on = self->is_changed || (self->is_heard && is_recent (self, now));

  self->is_due = TRUE;
  self->is_changed = FALSE;
  self->told_at = goes_on ? now + TICK_USEC : 0;
}
