/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/sched/aiopool-job-private.h"
#include "aiopool/workers/aiopool-launcher.h"

G_BEGIN_DECLS

#define AIOPOOL_MAX_WORKERS 1024

/* What the pool hears, on any thread and without a lock held. */
typedef struct
{
  void (*changed) (gpointer owner);
  void (*room)    (gpointer owner); /* after a submit that was refused as FULL */
  void (*closed)  (gpointer owner);
  void (*joined)  (gpointer owner);
  void (*given_up) (gpointer    owner, /* a job that had not started, for the pool ends */
                    AiopoolJob *job);
  void (*logged)  (gpointer          owner,
                   AiopoolLogRecord *record); /* (transfer full) */
  gboolean (*figures) (gpointer owner); /* have changed; TRUE if anybody wants to know */
} AiopoolSchedulerOwner;

typedef struct
{
  guint   max_workers;
  guint   min_workers;     /* kept from the first task on */
  guint   tasks_per_worker;
  guint   max_tasks_per_worker; /* in its life, 0 for no limit */
  guint   restart_budget;  /* workers in a row that come to nothing, 0 for no limit */
  guint   max_deaths_per_task; /* of workers that ran it, 0 for no limit */
  gboolean is_fragile;     /* the end of a worker is the end of all */
  guint   max_pending;     /* 0 for no limit */
  guint64 max_result_size; /* bytes */
  gint64  idle_timeout;    /* microseconds, -1 for never */
  gint64  start_timeout;   /* microseconds, 0 for none */
  gint64  grace_period;    /* microseconds */
} AiopoolSchedulerLimits;

typedef struct
{
  guint              number;
  int                pid;
  AiopoolWorkerState state;
  guint              n_done;
} AiopoolWorkerStatus;

typedef struct
{
  guint n_pending;
  guint n_running;
  guint n_workers;
  guint n_idle;
  guint n_busy;
} AiopoolCounts;

/* Durations, in seconds. */
typedef struct
{
  double mean;
  double median;
  double p95;
  double p99;
  double most;
} AiopoolSpread;

/* What has happened since a reset, and what there is. */
typedef struct
{
  AiopoolCounts counts;
  double        elapsed;          /* seconds since the reset */
  guint64       n_done;
  guint64       n_failed;
  guint64       n_cancelled;
  guint64       n_crashes;
  guint64       n_started;        /* workers */
  AiopoolSpread queue_time;
  AiopoolSpread run_time;
  double        utilization;      /* 0 to 1, in the last two seconds */
  double        mean_utilization; /* since the reset */
  double        rate;             /* tasks per second, in the last two seconds */
} AiopoolFiguresView;

AiopoolScheduler *aiopool_scheduler_new         (AiopoolLauncher              *launcher,
                                                 const AiopoolSchedulerLimits *limits,
                                                 const AiopoolSchedulerOwner  *owner_class,
                                                 gpointer                      owner);
void              aiopool_scheduler_set_hooks   (AiopoolScheduler             *self,
                                                 const AiopoolSpec            *initializer,
                                                 const AiopoolSpec            *finalizer);
void              aiopool_scheduler_set_name    (AiopoolScheduler             *self,
                                                 const char                   *name);
AiopoolScheduler *aiopool_scheduler_ref         (AiopoolScheduler             *self);
void              aiopool_scheduler_unref       (AiopoolScheduler             *self);
void              aiopool_scheduler_abandon     (AiopoolScheduler             *self);
void              aiopool_scheduler_set_limits  (AiopoolScheduler             *self,
                                                 const AiopoolSchedulerLimits *limits);
gboolean          aiopool_scheduler_submit      (AiopoolScheduler             *self,
                                                 AiopoolJob                   *job,
                                                 const AiopoolSpec            *spec,
                                                 GError                      **error);
gboolean          aiopool_scheduler_cancel      (AiopoolScheduler             *self,
                                                 AiopoolJob                   *job,
                                                 AiopoolCancelMode             mode);
void              aiopool_scheduler_read_in     (AiopoolScheduler             *self,
                                                 GMainContext                 *context);
void              aiopool_scheduler_hurry       (AiopoolScheduler             *self);
void              aiopool_scheduler_promise_to_wait (gboolean                  is_promised);
void              aiopool_scheduler_read_for    (AiopoolScheduler             *self,
                                                 AiopoolJob                   *job,
                                                 gboolean                    (*enough) (gpointer),
                                                 gpointer                      data,
                                                 int                           kick_fd,
                                                 gint64                        end);
guint             aiopool_scheduler_shorten     (AiopoolScheduler             *self,
                                                 AiopoolJob                   *job,
                                                 guint                         from);
guint             aiopool_scheduler_count_begun (AiopoolScheduler             *self,
                                                 AiopoolJob                   *job,
                                                 gint64                       *since,
                                                 int                          *pid);
gboolean          aiopool_scheduler_is_running  (AiopoolScheduler             *self,
                                                 AiopoolJob                   *job,
                                                 gint64                       *since,
                                                 int                          *pid);
void              aiopool_scheduler_grant       (AiopoolScheduler             *self,
                                                 AiopoolJob                   *job,
                                                 gint64                        cost);
gboolean          aiopool_scheduler_pass_record (AiopoolScheduler             *self,
                                                 AiopoolLogRecord             *record);
void              aiopool_scheduler_pay_record  (AiopoolScheduler             *self,
                                                 AiopoolLogRecord             *record);
void              aiopool_scheduler_shutdown    (AiopoolScheduler             *self,
                                                 AiopoolShutdownFlags          flags);
void              aiopool_scheduler_want_join   (AiopoolScheduler             *self);
gboolean          aiopool_scheduler_is_joining  (AiopoolScheduler             *self);
void              aiopool_scheduler_check_join  (AiopoolScheduler             *self);
gboolean          aiopool_scheduler_check       (AiopoolScheduler             *self,
                                                 GError                      **error);
gboolean          aiopool_scheduler_is_broken   (AiopoolScheduler             *self,
                                                 GError                      **why);
AiopoolErrorInfo *aiopool_scheduler_dup_broken_info (AiopoolScheduler         *self);
guint             aiopool_scheduler_spawn       (AiopoolScheduler             *self,
                                                 guint                         n,
                                                 GError                      **error);
void              aiopool_scheduler_get_counts  (AiopoolScheduler             *self,
                                                 AiopoolCounts                *counts);
void              aiopool_scheduler_get_figures (AiopoolScheduler             *self,
                                                 AiopoolFiguresView           *view);
void              aiopool_scheduler_reset_figures (AiopoolScheduler           *self);
GArray           *aiopool_scheduler_list_workers (AiopoolScheduler            *self);
GArray           *aiopool_scheduler_await_workers (AiopoolScheduler           *self);
gboolean          aiopool_scheduler_get_worker  (AiopoolScheduler             *self,
                                                 guint                         number,
                                                 AiopoolWorkerStatus          *status);
gboolean          aiopool_scheduler_get_end     (AiopoolScheduler             *self,
                                                 guint                         number,
                                                 int                          *exit_code);

G_END_DECLS
