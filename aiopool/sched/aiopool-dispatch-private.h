/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/base/aiopool-engine-private.h"
#include "aiopool/sched/aiopool-arrivals-private.h"
#include "aiopool/sched/aiopool-figures-private.h"
#include "aiopool/sched/aiopool-queue-private.h"
#include "aiopool/sched/aiopool-report-private.h"
#include "aiopool/sched/aiopool-scheduler-private.h"
#include "aiopool/workers/aiopool-peer-private.h"

G_BEGIN_DECLS

typedef enum
{
  AIOPOOL_SCHEDULER_OPEN,
  AIOPOOL_SCHEDULER_CLOSING,
  AIOPOOL_SCHEDULER_CLOSED
} AiopoolSchedulerState;

/* Since when to add up, and sums of microseconds: of tasks that run and workers that live. */
typedef struct
{
  gint64 now;
  gint64 since;
  gint64 recently;
  gint64 ran;
  gint64 ran_recently;
  gint64 lived;
  gint64 lived_recently;
} AiopoolSpans;

#define AIOPOOL_N_ENDS 64

typedef struct
{
  guint number;    /* 0 for none */
  int   exit_code;
} AiopoolWorkerEnd;

/* Shared by the files of this room alone. All is under the lock but what says otherwise. */
struct _AiopoolScheduler
{
  int                          ref_count;  /* atomic */
  GMutex                       lock;
  GCond                        told;       /* n_telling went down */
  guint                        n_telling;  /* threads that call the owner now */
  AiopoolSchedulerState        state;      /* only set_state() writes it */
  AiopoolLauncher             *launcher;   /* (owned): never changes */
  AiopoolSchedulerLimits       limits;
  AiopoolSpec                 *initializer; /* (owned) (nullable): a copy; never changes */
  AiopoolSpec                 *finalizer;   /* (owned) (nullable): as that */
  const AiopoolSchedulerOwner *owner_class;
  gpointer                     owner;      /* (unowned: abandons this) (nullable) */
  AiopoolArrivals              arrivals;   /* without the lock */
  int                          grace;      /* atomic: so many of them may be left alone, for the
                                            * alarm is set; 0 if not; only gather writes it */
  int                          is_called;  /* atomic: the engine was asked to take them in */
  GSList                      *loop_readers; /* of GSource, each (owned) */
  GMainContext                *reading_context; /* atomic (unowned): the last that got one; only to
                                                 * compare */
  AiopoolQueue                 queue;
  AiopoolDeadlines             deadlines;
  GPtrArray                   *peers;      /* of AiopoolPeer, each (owned) */
  GHashTable                  *functions;  /* name to AiopoolFunctionInfo */
  GPtrArray                   *function_list; /* (owned) of the same, by number */
  AiopoolFunctionInfo         *last_function;
  guint32                      epoch;      /* goes on when everything is idle */
  AiopoolAlarm                *alarm;      /* (owned) (nullable): set once */
  gint64                       alarm_at;   /* -1 when off */
  gint64                       idle_check_at;  /* 0 for none, as all that follow */
  gint64                       balance_at;
  gint64                       relief_at;      /* only the pump writes it */
  gint64                       standby_at;     /* only standby writes it */
  gint64                       last_submit;    /* monotonic microseconds */
  gint64                       submit_gap;     /* between the last two, microseconds */
  gint64                       spawn_after;    /* back-off after failed starts */
  guint                        n_failed_starts; /* in a row */
  guint                        n_early_ends;    /* in a row */
  guint                        n_in_vain;      /* workers in a row that came to nothing */
  guint                        n_spawning;     /* posted to the engine, not yet among the peers */
  GCond                        hired;          /* n_spawning came to 0 */
  AiopoolWorkerEnd             ends[AIOPOOL_N_ENDS]; /* of the last workers, by their numbers */
  guint                        n_started;      /* numbers given out */
  gboolean                     wants_room;     /* somebody was refused as FULL */
  gboolean                     is_terminating;
  gboolean                     gives_up;   /* what has not begun, for it is shut down */
  guint                        n_rests;    /* owners of chunks that are told, and may submit more */
  gboolean                     is_joining;
  gboolean                     keeps_min;      /* from the first task until a join */
  GError                      *broken;         /* (owned) (nullable): why; set once */
  AiopoolErrorInfo            *broken_info;    /* (owned) (nullable): more of that; set before it,
                                                  * and no user's */
  gint64                       log_cost;       /* of records that were not delivered yet */
  guint                        n_lost_records; /* since the last one that was taken */
  AiopoolFigures               figures;
  char                        *name;           /* (owned) (nullable): of the pool; never changes */
  guint                        number;         /* of the pool in this process; never changes */
  gint64                       counted_at;     /* when the trace was told how many wait */
};

/* In the scheduler. */
void     aiopool_scheduler_set_state       (AiopoolScheduler      *self,
                                            AiopoolSchedulerState  state);
gboolean aiopool_scheduler_try_ref         (AiopoolScheduler      *self);
void     aiopool_scheduler_lock            (AiopoolScheduler      *self);
void     aiopool_scheduler_unlock_and_tell (AiopoolScheduler      *self,
                                            AiopoolReport         *report);

/* In scheduler-submit; under the lock. */
AiopoolFunctionInfo *
         aiopool_scheduler_look_up         (AiopoolScheduler      *self,
                                            const char            *name);
void     aiopool_scheduler_let_in          (AiopoolScheduler      *self);
void     aiopool_scheduler_update_gate     (AiopoolScheduler      *self);

/* In scheduler-job; under the lock. */
gint64   aiopool_scheduler_started_at      (AiopoolJob            *job,
                                            gint64                 claimed,
                                            gint64                 now);
gint64   aiopool_scheduler_find_start      (AiopoolJob            *job);
gboolean aiopool_scheduler_cancel_unstarted (AiopoolScheduler     *self,
                                            AiopoolJob            *job,
                                            AiopoolReport         *report);

/* In scheduler-counts; under the lock. */
void     aiopool_scheduler_count           (AiopoolScheduler      *self,
                                            AiopoolCounts         *counts,
                                            AiopoolSpans          *spans);

/* In the roster; under the lock. */
void     aiopool_roster_keep_end           (AiopoolScheduler      *self,
                                            AiopoolPeer           *peer);

/* In observe; under the lock. */
void     aiopool_observe_settled           (AiopoolJob            *job,
                                            const AiopoolOutcome  *outcome);
void     aiopool_observe_items             (AiopoolJob            *job,
                                            const AiopoolItems    *items,
                                            gint64                 now);
void     aiopool_observe_worker_started    (AiopoolScheduler      *self,
                                            AiopoolPeer           *peer);
void     aiopool_observe_worker_ready      (AiopoolScheduler      *self,
                                            AiopoolPeer           *peer);
void     aiopool_observe_worker_ended      (AiopoolScheduler      *self,
                                            AiopoolPeer           *peer,
                                            const GError          *why);
void     aiopool_observe_start_known       (AiopoolJob            *job,
                                            gint64                 started);

/* In dispatch; under the lock, but for the alarm. */
void     aiopool_dispatch_claim            (AiopoolScheduler      *self,
                                            AiopoolJob            *job,
                                            AiopoolReport         *report);
AiopoolJob *
         aiopool_dispatch_claim_next       (AiopoolScheduler      *self,
                                            AiopoolReport         *report);
void     aiopool_dispatch_add_last_lines   (GError                *error,
                                            const char            *last_lines);
void     aiopool_dispatch_abandon_running  (AiopoolScheduler      *self,
                                            AiopoolJob            *job,
                                            GError                *error,
                                            AiopoolReport         *report);
void     aiopool_dispatch_wake_at          (AiopoolScheduler      *self,
                                            gint64                 when);
void     aiopool_dispatch_on_alarm         (gpointer               scheduler);

void     aiopool_dispatch_learn_run_time   (AiopoolScheduler      *self,
                                            AiopoolFunctionInfo   *function,
                                            gint64                 nsec);

/* In chunks; under the lock. */
gboolean aiopool_chunks_take_items         (AiopoolScheduler      *self,
                                            AiopoolPeer           *peer,
                                            AiopoolOrder          *order,
                                            AiopoolItems          *items,
                                            gint64                 now);
gboolean aiopool_chunks_may_end            (AiopoolPeer           *peer,
                                            AiopoolOrder          *order,
                                            const AiopoolOutcome  *outcome,
                                            gint64                 now);
void     aiopool_chunks_shorten            (AiopoolScheduler      *self,
                                            AiopoolJob            *job,
                                            guint32                from,
                                            AiopoolReport         *report);
gint64   aiopool_chunks_estimate           (AiopoolPeer           *peer,
                                            gint64                 now);
void     aiopool_chunks_watch              (AiopoolScheduler      *self,
                                            gint64                 now);
gboolean aiopool_chunks_split              (AiopoolScheduler      *self,
                                            gint64                 now,
                                            AiopoolReport         *report);

/* In standby; under the lock. */
void     aiopool_standby_take_back         (AiopoolScheduler      *self,
                                            AiopoolPeer           *peer);
void     aiopool_standby_sent              (AiopoolScheduler      *self,
                                            AiopoolPeer           *peer);
void     aiopool_standby_end               (AiopoolScheduler      *self);
void     aiopool_standby_look              (AiopoolScheduler      *self,
                                            gint64                 now);

/* In closing; under the lock. */
void     aiopool_closing_check             (AiopoolScheduler      *self,
                                            AiopoolReport         *report);
void     aiopool_closing_count_rests       (AiopoolScheduler      *self,
                                            AiopoolReport         *report);
void     aiopool_closing_break             (AiopoolScheduler      *self,
                                            GError                *why,
                                            gboolean               is_hard,
                                            AiopoolReport         *report);
gboolean aiopool_closing_check_open        (AiopoolScheduler      *self,
                                            GError               **error);
GError  *aiopool_closing_cancelled_error   (const char            *why);

/* In hooks; under the lock. */
gboolean aiopool_hooks_is_hook             (AiopoolJob            *job);
void     aiopool_hooks_initialize          (AiopoolScheduler      *self,
                                            AiopoolPeer           *peer);
gboolean aiopool_hooks_finalize            (AiopoolScheduler      *self,
                                            AiopoolPeer           *peer);
void     aiopool_hooks_finished            (AiopoolScheduler      *self,
                                            AiopoolJob            *job,
                                            AiopoolPeer           *peer,
                                            const AiopoolOutcome  *outcome,
                                            AiopoolReport         *report);
void     aiopool_hooks_lost                (AiopoolScheduler      *self,
                                            AiopoolPeer           *peer,
                                            AiopoolJob            *job,
                                            const GError          *why,
                                            const char            *last_lines,
                                            AiopoolReport         *report);

/* In gather; under the lock, which a pump gives up meanwhile. */
void     aiopool_gather_new_orders         (AiopoolScheduler      *self,
                                            AiopoolReport         *report);
void     aiopool_gather_end                (AiopoolScheduler      *self,
                                            AiopoolReport         *report);
void     aiopool_gather_slot_freed         (AiopoolScheduler      *self,
                                            AiopoolPeer           *peer,
                                            AiopoolReport         *report);

/* In records; under the lock. */
gboolean aiopool_records_take              (AiopoolScheduler      *self,
                                            AiopoolPeer           *peer,
                                            AiopoolOrder          *order,
                                            AiopoolEvent          *event,
                                            AiopoolReport         *report);
void     aiopool_records_tell              (const AiopoolSchedulerOwner *owner_class,
                                            gpointer               owner,
                                            AiopoolReport         *report);

/* In timeouts; under the lock. */
void     aiopool_timeouts_watch            (AiopoolScheduler      *self,
                                            AiopoolJob            *job,
                                            gint64                 when);
void     aiopool_timeouts_check            (AiopoolScheduler      *self,
                                            gint64                 now,
                                            AiopoolReport         *report);

/* In the pump; under the lock, which it gives up meanwhile. */
void     aiopool_pump_peer                 (AiopoolScheduler      *self,
                                            AiopoolPeer           *peer,
                                            AiopoolReport         *report);
void     aiopool_pump_go_on                (AiopoolScheduler      *self,
                                            AiopoolPeer           *peer,
                                            AiopoolReport         *report);
void     aiopool_pump_all                  (AiopoolScheduler      *self,
                                            AiopoolReport         *report);
void     aiopool_pump_relieve              (AiopoolScheduler      *self,
                                            gint64                 now);
guint    aiopool_pump_window               (AiopoolScheduler      *self,
                                            AiopoolFunctionInfo   *function);
gboolean aiopool_pump_has_room             (AiopoolScheduler      *self,
                                            AiopoolPeer           *peer,
                                            AiopoolOrder          *order);
gboolean aiopool_pump_has_plenty           (AiopoolScheduler      *self,
                                            AiopoolPeer           *peer);
gboolean aiopool_pump_may_begin            (AiopoolScheduler      *self,
                                            AiopoolPeer           *peer);
void     aiopool_pump_push                 (AiopoolScheduler      *self,
                                            AiopoolPeer           *peer,
                                            AiopoolJob            *job);
gboolean aiopool_pump_has_waiting          (AiopoolScheduler      *self);
void     aiopool_pump_balance              (AiopoolScheduler      *self,
                                            AiopoolReport         *report);

/* In the loop reader; under the lock. */
GSList  *aiopool_loop_readers_end          (AiopoolScheduler      *self);

/* In the crew; under the lock. */
void     aiopool_crew_hire_one             (AiopoolScheduler      *self);
void     aiopool_crew_hire                 (AiopoolScheduler      *self);
guint    aiopool_crew_count_alive          (AiopoolScheduler      *self);
guint    aiopool_crew_hire_ahead           (AiopoolScheduler      *self,
                                            guint                  n);
gboolean aiopool_crew_is_spent             (AiopoolScheduler      *self,
                                            AiopoolPeer           *peer);
gboolean aiopool_crew_has_served           (AiopoolScheduler      *self,
                                            AiopoolPeer           *peer);
void     aiopool_crew_is_ready             (AiopoolScheduler      *self,
                                            AiopoolPeer           *peer,
                                            AiopoolReport         *report);
gboolean aiopool_crew_is_free              (AiopoolPeer           *peer);
void     aiopool_crew_retire               (AiopoolScheduler      *self,
                                            AiopoolPeer           *peer);
void     aiopool_crew_watch_idle           (AiopoolScheduler      *self,
                                            AiopoolPeer           *peer);
void     aiopool_crew_care_for_idle        (AiopoolScheduler      *self,
                                            gint64                 now);
void     aiopool_crew_start_failed         (AiopoolScheduler      *self,
                                            const GError          *why,
                                            const char            *last_lines,
                                            AiopoolReport         *report);
void     aiopool_crew_ended_early          (AiopoolScheduler      *self,
                                            const GError          *why,
                                            const char            *last_lines,
                                            AiopoolReport         *report);

extern const AiopoolPeerOwner aiopool_dispatch_peer_owner;

G_END_DECLS
