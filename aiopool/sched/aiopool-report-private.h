/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/sched/aiopool-job-private.h"

G_BEGIN_DECLS

/* What one job's owner is told. */
typedef struct
{
  AiopoolJob    *job;
  AiopoolOutcome outcome;
  guint          n_items;     /* of one that is shortened */
  guint8         is_release;
  guint8         is_shortened;
  guint8         is_given_up;
} AiopoolReportEntry;

/* What was decided under the lock and is told after it. Mostly that is one job, which has its place
 * here. */
typedef struct
{
  GSList *records; /* (owned) of AiopoolLogRecord, the last one first: of no future's task */
  GArray *more;    /* (owned) (nullable): the entries behind the first */
  AiopoolReportEntry first;
  guint    n_entries;
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
void aiopool_report_add_info (AiopoolReport  *self,
                              AiopoolErrorInfo *info);
void aiopool_report_each_given_up (AiopoolReport *self,
                              void          (*func) (gpointer owner, AiopoolJob *job),
                              gpointer        owner);
void aiopool_report_released (AiopoolReport  *self,
                              AiopoolJob     *job);
void aiopool_report_shortened (AiopoolReport *self,
                               AiopoolJob    *job);
void aiopool_report_deliver  (AiopoolReport  *self);

G_END_DECLS
