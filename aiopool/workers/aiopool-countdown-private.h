/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/base/aiopool-engine-private.h"

G_BEGIN_DECLS

/* What is to happen to a worker when its time is over. Under the lock of the worker's owner. */
typedef struct
{
  AiopoolAlarm *alarm;       /* (owned) */
  gint64        start_by;    /* monotonic microseconds, 0 for none, as all times here */
  gint64        term_at;
  gint64        kill_at;
  GArray       *escalations; /* (owned): of one for each task that was told to stop */
} AiopoolCountdown;

void     aiopool_countdown_init        (AiopoolCountdown *self,
                                        AiopoolAlarmFunc  on_alarm,
                                        gpointer          owner);
void     aiopool_countdown_clear       (AiopoolCountdown *self);
void     aiopool_countdown_set_start   (AiopoolCountdown *self,
                                        gint64            start_by);
void     aiopool_countdown_set_end     (AiopoolCountdown *self,
                                        gint64            term_at,
                                        gint64            kill_at);
void     aiopool_countdown_add_task    (AiopoolCountdown *self,
                                        guint64           id,
                                        gint64            term_at,
                                        gint64            kill_at);
void     aiopool_countdown_remove_task (AiopoolCountdown *self,
                                        guint64           id);
void     aiopool_countdown_stop        (AiopoolCountdown *self);
int      aiopool_countdown_take_due    (AiopoolCountdown *self,
                                        gint64            now,
                                        gboolean          spare,
                                        gboolean         *is_start_late);

G_END_DECLS
