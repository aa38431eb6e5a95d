/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/runtime/aiopool-service.h"
#include "aiopool/sched/aiopool-scheduler-private.h"

#include <stdatomic.h>

G_BEGIN_DECLS

#define MAX_VALUES (1 << 20)

/* What this program and its workers share: what is to happen with which value, and what was run. */
typedef struct
{
  _Atomic gint64 die_at;    /* the value whose worker dies, once; -1 for none, as all that follow */
  _Atomic gint64 pause_at;  /* goes on after 5 ms */
  _Atomic gint64 hold_at;   /* waits for the gate, or for a cancel */
  _Atomic gint64 deaf_at;   /* waits for the gate alone */
  _Atomic gint64 fail_at;
  _Atomic gint64 large_at;
  _Atomic gint64 long_at;   /* from here on each takes 3 ms */
  _Atomic int    is_open;   /* the gate */
  _Atomic int    n_held;    /* that wait for it, or did */
  _Atomic guint8 n_runs[MAX_VALUES];
} Shared;

typedef enum { NOTHING, VALUE, FAILED, LOST, NOT_BEGUN } Fate;

typedef struct
{
  Fate    fate;
  GError *error;   /* (owned) (nullable) */
  gint64  started;
  guint32 run_time;
  guint   n_came;
  int     n_fds;
  gboolean has_info;
} Item;

/* Values from 0 to n - 1, run in chunks: what has not begun is submitted again, if wanted. */
typedef struct
{
  AiopoolScheduler *scheduler; /* (unowned: the test) */
  const char       *function;  /* interned */
  AiopoolSpecOptions options;
  gboolean          goes_on;
  GMutex            lock;      /* guards what follows */
  GCond             changed;
  guint             n;
  Item             *items;     /* (owned) */
  guint             n_chunks;  /* that are not settled */
  guint             n_held;    /* not released */
  guint             n_shortened;
  guint             n_runs;    /* of results that came together */
  double            progress;
  GPtrArray        *jobs;      /* (owned): all, in the order of their submit */
} Whole;

extern Shared *shared;
extern char   *directory; /* for files; (owned) */

int               chunk_main       (int                           argc,
                                    char                         *argv[],
                                    void                        (*add_tests) (void));
void              chunk_add_functions (AiopoolService             *service);
AiopoolScheduler *scheduler_new    (guint                         max_workers,
                                    guint                         tasks_per_worker);
AiopoolScheduler *scheduler_of     (AiopoolLauncher              *launcher,
                                    const AiopoolSchedulerLimits *limits);
AiopoolSchedulerLimits
                  some_limits      (guint                         max_workers);
AiopoolScheduler *scheduler_untrusted (void);
void              scheduler_end    (AiopoolScheduler             *scheduler);
Whole            *whole_new        (AiopoolScheduler             *scheduler,
                                    const char                   *function,
                                    guint                         n);
AiopoolJob       *whole_submit     (Whole                        *self,
                                    guint                         first,
                                    guint                         n);
void              whole_wait       (Whole                        *self);
void              whole_wait_held  (int                           n);
guint             whole_count      (Whole                        *self,
                                    guint                        *n_came);
void              whole_check      (Whole                        *self,
                                    guint                         first,
                                    guint                         end,
                                    Fate                          fate);
void              whole_free       (Whole                        *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Whole, whole_free)

G_END_DECLS
