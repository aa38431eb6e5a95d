/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/api/aiopool-future.h"
#include "aiopool/workers/aiopool-order-private.h"

G_BEGIN_DECLS

/* What came of the items of a batch, in the order in which they are told. */
typedef struct _AiopoolResults AiopoolResults;

/* What came of one item, in full. Everything (owned) (nullable) but the numbers. */
typedef struct
{
  AiopoolFuture  *future;    /* of an executor of its own kind; then nothing else counts */
  AiopoolOutcome  outcome;
  AiopoolTask    *task;      /* if the item came as one */
  AiopoolPayload *argument;  /* of the chunk, if the batch has no array to look it up in */
  guint           index;     /* in the argument, if that is of a chunk */
  gboolean        is_chunk;  /* it is */
  gint64          submitted; /* monotonic microseconds */
} AiopoolEnding;

/* Results of the same type of items that follow each other, as they came from a worker. */
typedef struct
{
  AiopoolPayload *values;   /* (owned): an array, or the one value if n is 1 and is_single */
  guint32        *run_times; /* (owned) (nullable): microseconds, n of them, unless is_single */
  guint32         run_time;
  gboolean        is_single;
  GVariant       *array;    /* (owned) (nullable): of the values, once somebody looked */
  AiopoolPayload *argument; /* (owned) (nullable): as in an ending */
  guint           index;    /* of the first */
  gboolean        is_chunk;
  gint64          started;  /* of the first, monotonic microseconds */
  gint64          submitted;
  int             pid;
} AiopoolHarvest;

/* One item of those, to be looked at without the lock. Everything (owned) (nullable). */
typedef struct
{
  guint64         position;  /* in the source */
  AiopoolFuture  *future;
  AiopoolTask    *task;
  AiopoolPayload *argument;
  guint           index;
  gboolean        is_chunk;  /* the argument is a chunk's */
  GVariant       *values;    /* an array, and the result is the one at value_index */
  guint           value_index;
  guint           n_left;    /* items in the array, from this one on */
  AiopoolPayload *value;
  GError         *error;
  AiopoolErrorInfo *info;
  GUnixFDList    *fds;
  char           *last_lines;
  gint64          submitted;
  gint64          started;
  gint64          ended;
  int             pid;
} AiopoolItemView;

AiopoolResults *aiopool_results_new         (gboolean              is_ordered);
void            aiopool_results_free        (AiopoolResults       *self);
void            aiopool_results_add_harvest (AiopoolResults       *self,
                                             guint64               position,
                                             guint                 n,
                                             AiopoolHarvest       *harvest);
void            aiopool_results_add_ending  (AiopoolResults       *self,
                                             guint64               position,
                                             AiopoolEnding        *ending);
guint64         aiopool_results_get_first   (AiopoolResults       *self);
guint64         aiopool_results_get_end     (AiopoolResults       *self);
guint           aiopool_results_get_n_held  (AiopoolResults       *self);
gboolean        aiopool_results_view        (AiopoolResults       *self,
                                             guint64               number,
                                             AiopoolItemView      *view);
void            aiopool_results_take_first  (AiopoolResults       *self,
                                             AiopoolItemView      *view);
void            aiopool_item_view_clear     (AiopoolItemView      *self);

G_END_DECLS
