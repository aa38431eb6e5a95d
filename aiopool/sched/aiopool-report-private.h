/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/sched/aiopool-job-private.h"

G_BEGIN_DECLS

/* What was decided under the lock and is told after it. */
typedef struct
{
  GArray *entries; /* (owned) (nullable) */
  GSList *records; /* (owned) of AiopoolLogRecord, the last one first: of no future's task */
  gboolean has_changed;
  gboolean has_room;
  gboolean has_closed;
  gboolean has_joined;
  gboolean has_given_up;
  guint    n_rests; /* of what is told: owners that may submit the rest of a chunk */
  guint    n_counted; /* of these, by the scheduler */
} AiopoolReport;

void aiopool_report_settle   (AiopoolReport  *self,
                              AiopoolJob     *job,
                              AiopoolOutcome *outcome);
void aiopool_report_error    (AiopoolReport  *self,
                              AiopoolJob     *job,
                              GError         *error,
                              gint64          started);
void aiopool_report_given_up (AiopoolReport  *self,
                              AiopoolJob     *job,
                              GError         *error);
void aiopool_report_each_given_up (AiopoolReport *self,
                              void          (*func) (gpointer owner, AiopoolJob *job),
                              gpointer        owner);
void aiopool_report_released (AiopoolReport  *self,
                              AiopoolJob     *job);
void aiopool_report_shortened (AiopoolReport *self,
                               AiopoolJob    *job);
void aiopool_report_deliver  (AiopoolReport  *self);

G_END_DECLS
