/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/api/aiopool-future-private.h"
#include "aiopool/api/aiopool-future-set.h"

G_BEGIN_DECLS

typedef struct _AiopoolSetCore AiopoolSetCore;

/* What somebody waits for. The first ones are those of AiopoolWaitMode. */
typedef enum
{
  AIOPOOL_SET_ALL = AIOPOOL_WAIT_ALL,
  AIOPOOL_SET_ANY = AIOPOOL_WAIT_ANY,
  AIOPOOL_SET_FIRST_ERROR = AIOPOOL_WAIT_FIRST_ERROR,
  AIOPOOL_SET_COLLECT,
  AIOPOOL_SET_NEXT,
  AIOPOOL_SET_N_AIMS
} AiopoolSetAim;

typedef enum
{
  AIOPOOL_SET_ITEM_PENDING,
  AIOPOOL_SET_ITEM_DONE,
  AIOPOOL_SET_ITEM_TAKEN
} AiopoolSetItemState;

/* A future in a set: PENDING -> DONE -> TAKEN, or at once to any later one. Guarded by the core's
 * lock, but for what is said. One reference is the set's, then that of who takes it; another one is
 * the list's, as long as the future is or will be in there. */
typedef struct
{
  AiopoolFutureWatch watch;     /* first; guarded by the future's lock */
  AiopoolSetCore    *core;      /* (unowned: outlives the watch) */
  AiopoolFuture     *future;    /* (owned): constant */
  int                ref_count; /* atomic */
  guint8             state;     /* AiopoolSetItemState */
  guint8             has_failed;
  guint8             is_indebted; /* in that queue */
  guint8             is_shown;  /* it is no arrival any more */
  guint8             has_context; /* a promise that needs one, or once did */
  GList              order;     /* in all */
  GList              link;      /* in pooled, promised, done, or with who takes it */
  GList              change;    /* in arrivals or departures */
  GSequenceIter     *place;     /* home only */
} AiopoolSetItem;

/* What a wait brings. */
typedef struct
{
  guint      max;     /* how many futures to take, for NEXT */
  GQueue     items;   /* (owned) of AiopoolSetItem: taken */
  GPtrArray *futures; /* (owned) (nullable): all there were, for COLLECT */
} AiopoolSetHaul;

/* One who waits without blocking. The GTask, which owns this as its data, holds the set. */
typedef struct
{
  AiopoolLetter   letter;        /* first */
  GList           link;
  AiopoolSetCore *core;          /* (unowned: the set) */
  AiopoolSetAim   aim;
  AiopoolSetHaul  haul;          /* under the lock until it is over */
  GTask          *task;          /* (owned) until it returns, which is at home */
  AiopoolMailbox *mailbox;       /* (owned) */
  GSource        *timer;         /* (owned) (nullable) */
  GSource        *cancel_source; /* (owned) (nullable) */
  gboolean        is_over;       /* under the lock: the letter is posted, or it has given up */
} AiopoolSetWaiter;

/* What is in a set, for any thread. It may outlive the set a little, with a letter for it. */
struct _AiopoolSetCore
{
  AiopoolLetter   letter;     /* first: says at home that something has changed */
  int             ref_count;  /* atomic: the set's, and the letter's while posted */
  GWeakRef        set;
  gpointer        owner;      /* (unowned: valid while any item is not TAKEN) */
  AiopoolMailbox *home;       /* (owned) */
  GMutex          lock;       /* guards what follows; taken after a future's, before a mailbox's */
  GCond           changed;
  GQueue          all;        /* of items, each (owned): in the order added */
  GQueue          pooled;     /* of pending items: of an executor with a scheduler */
  GQueue          promised;   /* of pending items: of promises */
  GQueue          done;       /* of items in the order in which they ended */
  GQueue          indebted;   /* of pending items that sent partial results without credit */
  GQueue          arrivals;   /* of items that the list does not have yet */
  GQueue          departures; /* of items that the list still has */
  GQueue          waiters[AIOPOOL_SET_N_AIMS]; /* of AiopoolSetWaiter */
  guint           n_failed;   /* of done */
  guint           n_contexts; /* of promised, those that need one */
  guint           n_blocked;  /* threads that block */
  guint           n_sleeping[AIOPOOL_SET_N_AIMS]; /* of these, those that have not been rung for */
  guint           n_rings;
  gboolean        is_ordered;
  gboolean        is_posted;  /* the letter */
  gboolean        is_stale;   /* the list was left alone while nobody listened */
};

struct _AiopoolFutureSet
{
  GObject         parent_instance;
  AiopoolSetCore *core;         /* (owned) */
  GSequence      *shown;        /* (owned) of items, each (owned): home only, as all that follow */
  guint           told_pending;
  guint           told_done;
  gboolean        is_telling;
  gboolean        is_silent;    /* what changes now nobody has read before */
};

/* core */
AiopoolSetCore *aiopool_set_core_new       (gpointer                 owner,
                                            const AiopoolLetterKind *kind);
void            aiopool_set_core_unref     (AiopoolSetCore          *self);
void            aiopool_set_core_empty     (AiopoolSetCore          *self);
gboolean        aiopool_set_core_add       (AiopoolSetCore          *self,
                                            AiopoolFuture           *future);
gboolean        aiopool_set_core_remove    (AiopoolSetCore          *self,
                                            AiopoolFuture           *future);
gboolean        aiopool_set_core_is_met    (AiopoolSetCore          *self,
                                            AiopoolSetAim            aim);
void            aiopool_set_core_catch     (AiopoolSetCore          *self,
                                            AiopoolSetAim            aim,
                                            AiopoolSetHaul          *haul);
void            aiopool_set_core_tell      (AiopoolSetCore          *self,
                                            AiopoolPostBatch        *batch);
gboolean        aiopool_set_core_is_heard  (AiopoolSetCore          *self);
gboolean        aiopool_set_core_needs_home (AiopoolSetCore         *self);
void            aiopool_set_core_post_home (AiopoolSetCore          *self,
                                            AiopoolPostBatch        *batch);
void            aiopool_set_core_ring      (AiopoolSetCore          *self);
void            aiopool_set_core_sleep     (AiopoolSetCore          *self,
                                            AiopoolSetAim            aim,
                                            gint64                   end);
GPtrArray      *aiopool_set_core_list      (AiopoolSetCore          *self,
                                            gboolean                 only_pending);
void            aiopool_set_item_unref     (gpointer                 item);

/* future-set-async */
AiopoolFuture  *aiopool_set_haul_pop       (AiopoolSetHaul          *haul);
GListModel     *aiopool_set_haul_pop_all   (AiopoolSetHaul          *haul);
GVariant       *aiopool_set_haul_collect   (AiopoolSetHaul          *haul,
                                            GError                 **error);

/* future-set */
guint           aiopool_future_set_notify_counts (AiopoolFutureSet  *self);

/* future-set-view */
extern const AiopoolLetterKind aiopool_future_set_home_kind;

void            aiopool_set_init_list      (gpointer                 iface,
                                            gpointer                 data);
void            aiopool_future_set_come_home (AiopoolFutureSet      *self);

G_END_DECLS
