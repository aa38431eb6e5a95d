/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/base/aiopool-mailbox-private.h"
#include "aiopool/workers/aiopool-order-private.h"

G_BEGIN_DECLS

typedef struct _AiopoolJob       AiopoolJob;
typedef struct _AiopoolScheduler AiopoolScheduler;

typedef enum
{
  AIOPOOL_JOB_NEW,
  AIOPOOL_JOB_QUEUED,
  AIOPOOL_JOB_SENT,
  AIOPOOL_JOB_SETTLED
} AiopoolJobState;

/* What the owner of a job hears, on any thread; settled, released and shortened without a lock
 * held, the others under the scheduler's. Items come before settled; shortened may come after it:
 * whichever of the two comes first tells where the chunk ends. */
typedef struct
{
  void     (*settled)  (AiopoolJob       *job,
                        AiopoolOutcome   *outcome,
                        AiopoolPostBatch *batch);
  void     (*released) (AiopoolJob       *job,
                        AiopoolPostBatch *batch);
  void     (*progress) (AiopoolJob       *job,
                        double            fraction,
                        char             *text);     /* (transfer full) (nullable) */
  gboolean (*emitted)  (AiopoolJob       *job,
                        AiopoolPayload   *payload,   /* (transfer full) */
                        gint64            cost);     /* TRUE to give credit for it now */
  gboolean (*logged)   (AiopoolJob       *job,
                        AiopoolLogRecord *record);   /* (transfer full) if this returns TRUE */

  /* Of a chunk. The scheduler took back the items from n_items on, which have not begun: they may
   * be submitted again. A reference is held meanwhile. */
  void     (*items)    (AiopoolJob       *job,
                        AiopoolItems     *items);    /* takes of it what it wants */
  void     (*shortened) (AiopoolJob      *job,
                        guint             n_items,
                        AiopoolPostBatch *batch);
} AiopoolJobClass;

/* One task in a scheduler. Embedded in what the caller holds. Everything but klass is guarded by
 * the scheduler's lock; the state has one writer, aiopool_job_set_state(). */
struct _AiopoolJob
{
  AiopoolOrder           order;     /* first */
  const AiopoolJobClass *klass;
  AiopoolScheduler      *scheduler; /* (unowned: keeps it alive until released) (nullable) */
  gint64                 submitted; /* monotonic microseconds */
  guint                  heap_index; /* in the deadlines, from 1; 0 for not */
  guint                  retries_left;
  int                    holds;     /* atomic: one until it is settled, one while its argument is
                                     * copied; whoever drops the last gives the reference back */
  guint16                n_deaths;  /* of workers that ran it */
  guint8                 state;     /* AiopoolJobState */
  guint8                 knows_start : 1; /* order.sent is when it started, as the worker said
                                           * first */
  guint8                 is_rest : 1; /* its owner sets it before the submit: items of a chunk that
                                       * was taken in, and has just told of them: a shutdown that
                                       * waits for that waits for these too */
};

void     aiopool_job_set_state       (AiopoolJob      *self,
                                      AiopoolJobState  state);

/* For the class of jobs without a future that could tell of it. */
void     aiopool_job_ignore_progress (AiopoolJob      *self,
                                      double           fraction,
                                      char            *text);
gboolean aiopool_job_ignore_emitted  (AiopoolJob      *self,
                                      AiopoolPayload  *payload,
                                      gint64           cost);

#define AIOPOOL_JOB(order) ((AiopoolJob *) (order))

G_END_DECLS
