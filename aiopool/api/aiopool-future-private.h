/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/api/aiopool-future.h"
#include "aiopool/base/aiopool-mailbox-private.h"
#include "aiopool/sched/aiopool-scheduler-private.h"

G_BEGIN_DECLS

typedef struct _AiopoolListener    AiopoolListener;
typedef struct _AiopoolFutureWatch AiopoolFutureWatch;

/* What somebody who watches hears, under the future's lock and on any thread: it calls nobody, and
 * drops no reference. */
typedef struct
{
  void     (*ended)      (AiopoolFutureWatch *watch,
                          AiopoolPostBatch   *batch);
  gboolean (*is_awaited) (AiopoolFutureWatch *watch); /* a thread blocks: partial results need no
                                                       * credit; if none does, it asks later, see
                                                       * aiopool_future_pay_debt() */
  void     (*needs_context) (AiopoolFutureWatch *watch); /* to end */
} AiopoolFutureWatchClass;

/* Embedded in what watches, which holds the future. Guarded by the future's lock. */
struct _AiopoolFutureWatch
{
  const AiopoolFutureWatchClass *klass;
  AiopoolFutureWatch            *next;
  AiopoolFutureWatch           **link; /* what points here */
};

/* What a future has besides in special cases. Guarded by the future's lock, except that what says
 * "end" is written once before the state is final and may be read after it. */
typedef struct
{
  AiopoolFuture    *future;      /* (unowned: owns this) */
  GError           *error;       /* (owned) (nullable): end */
  AiopoolErrorInfo *info;        /* (owned) (nullable): end */
  GUnixFDList      *fds;         /* (owned) (nullable): end */
  char             *last_lines;  /* (owned) (nullable): end; of standard error */
  GValue            value;       /* end: of a promise */
  AiopoolListener  *listeners;   /* (owned): those not yet delivered */
  AiopoolFutureWatch *watches;   /* (unowned: each unlinks itself) */
  guint             last_id;
  GCancellable     *cancellable; /* (owned) (nullable): given to submit */
  gulong            cancel_id;
  double            progress;
  char             *message;     /* (owned) (nullable) */
  AiopoolLetter     news;        /* delivers progress and partial results at home */
  gboolean          has_news;    /* the letter is posted */
  gboolean          has_progress; /* to be told */
  GQueue            emits;       /* (owned) of AiopoolPayload, to be told */
  gint64            debt;        /* cost of partial results without credit */
  GQueue            records;     /* (owned) of AiopoolLogRecord, to be told */
  GCancellable     *promise;     /* (owned) (nullable): of a promise, tells it of a cancel */
  AiopoolFuture    *upstream;    /* (unowned: a listener of ours there, which clears this)
                                  * (nullable): is cancelled too */
  GMainContext     *needed;      /* (owned) (nullable): context that keeps the promise */
} AiopoolFutureExtra;

/* A callback for the end. Guarded by the future's lock. */
struct _AiopoolListener
{
  AiopoolLetter         letter;    /* first */
  AiopoolListener      *next;
  AiopoolFuture        *future;    /* (owned) */
  AiopoolMailbox       *mailbox;   /* (owned) */
  AiopoolFutureCallback callback;  /* (nullable): NULL once removed */
  gpointer              user_data;
  GDestroyNotify        destroy;   /* (nullable) */
  guint                 id;
  gboolean              is_posted;
};

/* In one of three states of its own (not ended, ended, delivered at home): who asks for PENDING or
 * RUNNING is answered by the worker's status page. */
struct _AiopoolFuture
{
  GObject             parent_instance;
  AiopoolJob          job;      /* the scheduler's; job.scheduler (owned) (nullable) */
  AiopoolTask        *task;     /* (owned) (nullable) */
  AiopoolMailbox     *home;     /* (owned): of the context that was thread-default at submit */
  AiopoolLetter       letter;   /* delivers the end at home */
  AiopoolPayload     *payload;  /* (owned) (nullable): set before the state is final */
  gint64              started;  /* monotonic microseconds, 0 if it never did; as payload */
  gint64              ended;    /* as payload */
  AiopoolFutureExtra *extra;    /* (owned) (nullable): made under the lock, stays */
  int                 pid;      /* as payload */
  int                 state;    /* atomic; only settle() writes it, and start() of a promise */
  int                 bits;     /* the lock */
  guint16             n_waiters; /* under the lock: threads that block */
  guint8              is_private; /* under the lock: nobody but us has it, so no signals */
  guint8              is_delivered; /* under the lock */
};

/* future */
AiopoolFuture      *aiopool_future_submit         (AiopoolScheduler      *scheduler,
                                                   AiopoolTask           *task,
                                                   GCancellable          *cancellable,
                                                   GError               **error);
AiopoolFuture      *aiopool_future_new_promised   (AiopoolTask           *task);
AiopoolFuture      *aiopool_future_new_ended      (AiopoolTask           *task,
                                                   AiopoolMailbox        *home,
                                                   gint64                 submitted,
                                                   AiopoolOutcome        *outcome);
gboolean            aiopool_future_check_spec     (const AiopoolSpec     *spec,
                                                   GError               **error);
void                aiopool_future_set_position   (AiopoolFuture         *self,
                                                   guint64                position);
AiopoolFuture      *aiopool_future_of_job         (AiopoolJob            *job);
void                aiopool_future_notify_state   (AiopoolFuture         *self);
void                aiopool_future_make_private   (AiopoolFuture         *self);

/* future-cancel */
void                aiopool_future_follow_cancellable (AiopoolFuture     *self,
                                                   GCancellable          *cancellable);

/* promise */
gboolean            aiopool_future_start_promised (AiopoolFuture         *self);

/* future-delivery */
/* Numbers of signals. */
typedef struct
{
  guint done;
  guint progressed;
  guint emitted;
  guint log;
} AiopoolFutureSignals;

extern AiopoolFutureSignals aiopool_future_signals;
extern const AiopoolJobClass aiopool_future_job_class;

void                aiopool_future_lock           (AiopoolFuture         *self);
void                aiopool_future_unlock         (AiopoolFuture         *self);
AiopoolFutureExtra *aiopool_future_get_extra      (AiopoolFuture         *self);
void                aiopool_future_free_extra     (AiopoolFutureExtra    *extra);
gboolean            aiopool_future_has_ended      (AiopoolFuture         *self);
gboolean            aiopool_future_settle_promised (AiopoolFuture        *self,
                                                   AiopoolOutcome        *outcome,
                                                   GValue                *value);
gboolean            aiopool_future_settle_alike   (AiopoolFuture         *self,
                                                   AiopoolFuture         *other);
void                aiopool_future_end_at_birth   (AiopoolFuture         *self,
                                                   AiopoolOutcome        *outcome);
void                aiopool_future_link_watch     (AiopoolFuture         *self,
                                                   AiopoolFutureWatch    *watch);
void                aiopool_future_unlink_watch   (AiopoolFuture         *self,
                                                   AiopoolFutureWatch    *watch);
void                aiopool_future_install_signals (void);

/* future-news */
void                aiopool_future_tell_progress  (AiopoolFuture         *self,
                                                   double                 fraction,
                                                   char                  *message);
void                aiopool_future_on_progress    (AiopoolJob            *job,
                                                   double                 fraction,
                                                   char                  *text);
gboolean            aiopool_future_on_emitted     (AiopoolJob            *job,
                                                   AiopoolPayload        *payload,
                                                   gint64                 cost);
gboolean            aiopool_future_on_logged      (AiopoolJob            *job,
                                                   AiopoolLogRecord      *record);

/* future-listen */
guint               aiopool_future_listen         (AiopoolFuture         *self,
                                                   GMainContext          *context,
                                                   AiopoolFutureCallback  callback,
                                                   gpointer               user_data,
                                                   GDestroyNotify         destroy);
gboolean            aiopool_future_unlisten       (AiopoolFuture         *self,
                                                   guint                  id);

/* future-wait */
gboolean            aiopool_future_park           (AiopoolFuture         *self,
                                                   gint64                 end,
                                                   GCancellable          *cancellable);
void                aiopool_future_pay_debt       (AiopoolFuture         *self);
gint64              aiopool_future_end_for        (double                 timeout);
gboolean            aiopool_future_is_own_context (GMainContext          *context);
gboolean            aiopool_future_would_block    (AiopoolFuture         *self);

G_END_DECLS
