/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/api/aiopool-batch.h"
#include "aiopool/api/aiopool-future-private.h"
#include "aiopool/api/aiopool-results-private.h"
#include "aiopool/api/aiopool-source-private.h"
#include "aiopool/base/aiopool-engine-private.h"
#include "aiopool/base/aiopool-mailbox-private.h"
#include "aiopool/sched/aiopool-scheduler-private.h"

G_BEGIN_DECLS

#define AIOPOOL_MAX_CHUNK_SIZE 65536

typedef struct _AiopoolBatchCore  AiopoolBatchCore;
typedef struct _AiopoolBatchChunk AiopoolBatchChunk;

/* What may be called by a thread that sees to a batch. */
typedef enum
{
  AIOPOOL_RIGHTS_LIBRARY,  /* nothing of the user's: any thread */
  AIOPOOL_RIGHTS_EXECUTOR, /* an executor of the user's: a thread that blocks in a call */
  AIOPOOL_RIGHTS_SOURCE    /* a source too: at home */
} AiopoolRights;

/* Items that are to be submitted together: a range of the source. */
typedef struct
{
  guint64         position; /* of the first */
  guint           n_items;
  guint           n_tries;  /* how often they may have run */
  AiopoolTask    *task;     /* (owned) (nullable): the item is one; n_items is 1 */
  AiopoolTask    *told_task; /* (owned) (nullable): the same, for the results */
  AiopoolPayload *argument; /* (owned) (nullable): NULL if the batch has an array */
  guint           index;    /* of the first in the argument, if that is a chunk's */
  gboolean        is_chunk;
} AiopoolPiece;

/* A piece that an executor has. */
struct _AiopoolBatchChunk
{
  AiopoolJob          job;      /* first; of a pool */
  AiopoolSpec         spec;     /* argument (owned) (nullable) unless the piece has a task */
  AiopoolSpecOptions  options;  /* (unowned: the core) */
  AiopoolFutureWatch  watch;    /* of an executor of another kind, as the next two */
  AiopoolFuture      *future;   /* (owned) (nullable) */
  AiopoolFuture      *told_future; /* (owned) (nullable): the same, for the results */
  AiopoolBatchCore   *core;     /* (owned) */
  AiopoolPiece        piece;    /* its n_items: those that were not taken back */
  guint               n_came;
  AiopoolBatchChunk  *next;     /* under way, or finished */
  AiopoolBatchChunk **link;     /* what points here; NULL if not under way */
};

/* What a batch is apart from the object that users hold: it lives until its last task has ended.
 * Guarded by the lock unless it says otherwise. */
struct _AiopoolBatchCore
{
  AiopoolLetter      letter;     /* first: has the home context see to the batch */
  int                ref_count;  /* atomic: the object, each chunk, the letter, the alarm */
  AiopoolMailbox    *home;       /* (owned): never changes, as the next */
  GThread           *thread;     /* (owned): that made the batch; no other gets its address */
  GWeakRef           object;     /* of the AiopoolBatch */
  AiopoolBatch      *batch;      /* (unowned) (nullable): NULL once disposed */
  GMutex             lock;
  GCond              changed;    /* for threads that block */

  AiopoolExecutor   *executor;   /* (owned) (nullable): as long as the object, as the next two */
  AiopoolTask       *task;       /* (owned) (nullable) */
  AiopoolSource     *source;     /* (owned) */
  gboolean           is_unpacked; /* options: written only while new */
  gboolean           is_ordered;
  gboolean           is_eager;
  gboolean           stops_on_error;
  guint              window;
  guint              backlog;
  guint              chunk_size;
  double             timeout;

  AiopoolScheduler  *scheduler;  /* (owned) (nullable): of a pool; set at start, as the next four */
  AiopoolSpec       *spec;       /* (owned) (nullable): of the task */
  char              *tag;        /* (owned) (nullable): of the task */
  GVariant          *array;      /* (owned) (nullable): of the source, each item as an argument */
  GBytes            *array_bytes; /* (owned) (nullable): its bytes if all items have one size */
  guint              n_workers;

  AiopoolFutureState state;      /* only set_state() writes it */
  GError            *error;      /* (owned) (nullable): why it was broken off, or what the source
                                  * ended with */
  gboolean           is_broken_off;
  AiopoolCancelMode  mode;       /* how what is under way is cancelled then */
  gboolean           has_ended;  /* the source */
  guint              least_backlog; /* the most that anybody wanted at once */
  gboolean           is_free;    /* somebody waits for the end: no backlog holds it up */
  gboolean           was_started; /* by start(), not by who reads */
  gboolean           wants_stop; /* the first error is there, and the rest is to be cancelled */
  gboolean           is_feeding; /* somebody sees to it that there is something to do */
  GThread           *feeder;     /* (unowned: it is there) (nullable): who does */
  gint64             feed_end;   /* monotonic microseconds: when it leaves the source alone */
  gboolean           is_tired;   /* the home context goes on, after others */
  gboolean           feed_again;
  gboolean           is_full;    /* the executor has no room */
  gboolean           is_late;    /* the source has nothing for now */
  gboolean           is_dismissed; /* the source is told that nothing is wanted */
  guint              n_rooms;    /* how often the executor had room again */
  gboolean           is_posted;  /* the letter */
  AiopoolRights      needs;      /* to go on */
  guint              n_blocking; /* threads that wait */
  guint              n_wakes;    /* how often they were woken, or would have been */
  guint64            n_pulled;   /* items that were taken from the source */
  gint64             n_total;    /* items in the source, -1 if not known */
  guint              n_tasks;    /* that an executor has */
  guint64            n_running;  /* items in these and in the pieces */
  guint64            n_done;
  guint64            n_failed;
  gint64             started;    /* monotonic microseconds, 0 if not */
  gint64             ended;      /* 0 if not */
  gint64             item_time;  /* moving average of run times, nanoseconds; -1 if not known */
  guint              chosen;     /* the last chosen size of a chunk */
  AiopoolBatchChunk *chunks;     /* (owned): under way */
  AiopoolBatchChunk *finished;   /* (owned): to be freed where user code may run */
  GQueue             pieces;     /* (owned) of AiopoolPiece: to be submitted */
  GQueue             spent;      /* (owned) of AiopoolPiece: as finished */
  GVariant          *aside;      /* (owned) (nullable): pulled, of another type than those before */
  AiopoolTask       *aside_task; /* (owned) (nullable): pulled behind values */
  AiopoolResults    *results;    /* (owned) */
  guint64            taken;      /* number of the next item for those who read */
  GQueue             readers;    /* of those that read without blocking; see batch-readers */
  AiopoolAlarm      *alarm;      /* (owned) (nullable): for the timeout */
  gboolean           has_alarm;  /* it is not on its way to be freed */

  GHashTable        *futures;    /* (owned) (nullable): number to GWeakRef, of those that were made
                                  * for the list */
  guint              n_futures_swept;
  gboolean           is_viewed;  /* somebody looked at the list */
  guint64            shown_first; /* what the list shows; written at home only, as what follows */
  guint64            shown_end;
  gint64             told_at;    /* monotonic microseconds: last notification of counts */
  guint64            told_done;
  guint64            told_failed;
  AiopoolFutureState told_state;
  GSource           *later;      /* (owned) (nullable): the next notification */
};

/* batch */
AiopoolBatchCore *aiopool_batch_get_core        (AiopoolBatch       *self);

/* batch-core */
AiopoolBatchCore *aiopool_batch_core_new        (AiopoolBatch       *batch);
AiopoolBatchCore *aiopool_batch_core_ref        (AiopoolBatchCore   *self);
void              aiopool_batch_core_unref      (AiopoolBatchCore   *self);
void              aiopool_batch_core_unref_away (AiopoolBatchCore   *self);
void              aiopool_batch_core_abandon    (AiopoolBatchCore   *self);
void              aiopool_batch_core_post       (AiopoolBatchCore   *self);
void              aiopool_batch_core_wake       (AiopoolBatchCore   *self);
void              aiopool_batch_core_wake_blocking (AiopoolBatchCore *self);
gboolean          aiopool_batch_core_start      (AiopoolBatchCore   *self);
gboolean          aiopool_batch_core_is_over    (AiopoolBatchCore   *self);
void              aiopool_batch_core_check_over (AiopoolBatchCore   *self);
gboolean          aiopool_batch_core_break_off  (AiopoolBatchCore   *self,
                                                 GError             *error,
                                                 AiopoolCancelMode   mode);
AiopoolRights     aiopool_batch_core_get_rights (AiopoolBatchCore   *self);

/* batch-feed */
void              aiopool_batch_feed            (AiopoolBatchCore   *self,
                                                 AiopoolRights       rights);
void              aiopool_batch_feed_room       (gpointer            core);

/* batch-piece */
AiopoolPiece     *aiopool_piece_new             (guint64             position,
                                                 guint               n_items);
AiopoolPiece     *aiopool_piece_cut             (const AiopoolPiece *self,
                                                 guint               first,
                                                 guint               n_items);
void              aiopool_piece_free            (AiopoolPiece       *self);
AiopoolPayload   *aiopool_piece_make_argument   (const AiopoolPiece *self,
                                                 AiopoolBatchCore   *core);
void              aiopool_piece_fill            (AiopoolPiece       *self,
                                                 GPtrArray          *values,
                                                 gboolean            is_unpacked);
gboolean          aiopool_type_has_one_size     (const char         *type);
void              aiopool_batch_set_array       (AiopoolBatchCore   *core,
                                                 GVariant           *array);
AiopoolPayload   *aiopool_item_view_dup_argument (const AiopoolItemView *view,
                                                 AiopoolBatchCore   *core);

/* batch-chunk */
extern const AiopoolJobClass         aiopool_batch_job_class;
extern const AiopoolFutureWatchClass aiopool_batch_watch_class;

void              aiopool_batch_link_chunk      (AiopoolBatchChunk  *chunk,
                                                 AiopoolBatchChunk **list);
void              aiopool_batch_unlink_chunk    (AiopoolBatchChunk  *chunk);
void              aiopool_batch_free_chunk      (AiopoolBatchChunk  *chunk);
void              aiopool_batch_drop_chunk      (AiopoolJob         *job,
                                                 AiopoolPostBatch   *batch);
void              aiopool_batch_future_ended    (AiopoolBatchChunk  *chunk);
void              aiopool_batch_end_items       (AiopoolBatchCore   *core,
                                                 AiopoolPiece       *piece,
                                                 guint               first,
                                                 guint               n_items,
                                                 const GError       *error);
void              aiopool_batch_take_back       (AiopoolBatchChunk  *chunk,
                                                 guint               n_items);
void              aiopool_batch_free_finished   (AiopoolBatchCore   *core);

/* batch-submit */
gboolean          aiopool_batch_submit          (AiopoolBatchCore   *core,
                                                 AiopoolPiece       *piece,
                                                 AiopoolRights       rights,
                                                 GError            **error);
void              aiopool_batch_cancel_chunks   (AiopoolBatchCore   *core,
                                                 AiopoolRights       rights);

/* batch-readers */
void              aiopool_batch_post_readers    (AiopoolBatchCore   *core);
void              aiopool_batch_await_end       (AiopoolBatch       *batch,
                                                 GTask              *task);

/* batch-wait */
gboolean          aiopool_batch_wait_for_end    (AiopoolBatchCore   *core,
                                                 double              timeout,
                                                 GCancellable       *cancellable,
                                                 GError            **error);

/* batch-collect */
void              aiopool_batch_return_collected (GTask             *task);

/* batch-view */
void              aiopool_batch_init_list       (gpointer            iface,
                                                 gpointer            data);
void              aiopool_batch_view_sync       (AiopoolBatchCore   *core);
gboolean          aiopool_batch_view_is_watched (AiopoolBatchCore   *core);
void              aiopool_batch_take            (AiopoolBatchCore   *core,
                                                 AiopoolItemView    *view,
                                                 guint64            *number);
AiopoolFuture    *aiopool_batch_make_future     (AiopoolBatchCore   *core,
                                                 guint64             number,
                                                 AiopoolItemView    *view);

/* batch-settings */
void              aiopool_batch_install_properties (GObjectClass    *object_class);

G_END_DECLS
