/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/sched/aiopool-histogram-private.h"
#include "aiopool/workers/aiopool-order-private.h"

G_BEGIN_DECLS

#define AIOPOOL_FIGURES_SLOT_LOG2 18 /* microseconds: about a quarter of a second */
#define AIOPOOL_FIGURES_N_SLOTS   8

typedef struct
{
  guint64 n_ended;
  gint64  busy;  /* microseconds of tasks, as what follows */
  gint64  lived; /* of workers that are gone */
} AiopoolFiguresSlot;

/* What has happened since a reset. Guarded by the scheduler's lock. */
typedef struct
{
  gint64             since;       /* monotonic microseconds */
  guint64            n_done;
  guint64            n_failed;
  guint64            n_cancelled;
  guint64            n_crashes;   /* workers that ended though nobody asked them to */
  guint64            n_started;   /* workers */
  gint64             busy;        /* microseconds, as in a slot */
  gint64             lived;
  gint64             slot;        /* the number of the present slot */
  AiopoolFiguresSlot slots[AIOPOOL_FIGURES_N_SLOTS];
  AiopoolHistogram   queue_times;
  AiopoolHistogram   run_times;
  gint64             told_at;     /* when to tell next, 0 for with the next change */
  gboolean           is_changed;  /* since it was told */
  gboolean           is_due;      /* the time to tell has come */
  gboolean           is_heard;    /* somebody listened the last time */
} AiopoolFigures;

void   aiopool_figures_reset       (AiopoolFigures       *self,
                                    gint64                now);
void   aiopool_figures_count       (AiopoolFigures       *self,
                                    gint64                submitted,
                                    const AiopoolOutcome *outcome);
void   aiopool_figures_worker_gone (AiopoolFigures       *self,
                                    gint64                born,
                                    gint64                now);
gint64 aiopool_figures_sum_recent  (AiopoolFigures       *self,
                                    gint64                now,
                                    AiopoolFiguresSlot   *sum);
gboolean aiopool_figures_begin_telling (AiopoolFigures   *self);
void   aiopool_figures_tick        (AiopoolFigures       *self,
                                    gint64                now);

G_END_DECLS
