/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/api/aiopool-batch-private.h"

/* For the files that read a batch: what is read, the readers that do not block, and the threads
 * that do. */

G_BEGIN_DECLS

typedef enum
{
  AIOPOOL_BATCH_READ_ITEMS,
  AIOPOOL_BATCH_READ_END
} AiopoolBatchReadKind;

typedef struct
{
  AiopoolBatchReadKind kind;
  guint                min_items;
  guint                max_items;
} AiopoolBatchWanted;

/* What was read. */
typedef struct
{
  AiopoolItemView *views;   /* (owned) */
  guint64         *numbers; /* (owned) */
  guint            n_items;
} AiopoolBatchReading;

/* How the wait of a thread that blocks ended. */
typedef enum
{
  AIOPOOL_BATCH_WAIT_READY,
  AIOPOOL_BATCH_WAIT_LATE,
  AIOPOOL_BATCH_WAIT_CANCELLED,
  AIOPOOL_BATCH_WAIT_HOPELESS,
  AIOPOOL_BATCH_WAIT_INSIDE
} AiopoolBatchWait;

/* batch-read; but for the last two under the lock */
guint64          aiopool_batch_read_count_ready (AiopoolBatchCore         *core);
gboolean         aiopool_batch_read_is_ready    (AiopoolBatchCore         *core,
                                                 const AiopoolBatchWanted *wanted);
void             aiopool_batch_read_take        (AiopoolBatchCore         *core,
                                                 const AiopoolBatchWanted *wanted,
                                                 AiopoolBatchReading      *reading);
void             aiopool_batch_read_begin       (AiopoolBatchCore         *core,
                                                 const AiopoolBatchWanted *wanted);
void             aiopool_batch_read_return      (GTask                    *task,
                                                 AiopoolBatchCore         *core,
                                                 const AiopoolBatchWanted *wanted,
                                                 AiopoolBatchReading      *reading,
                                                 gboolean                  is_late);

/* batch-readers */
void             aiopool_batch_readers_add      (AiopoolBatch             *batch,
                                                 GTask                    *task,
                                                 const AiopoolBatchWanted *wanted,
                                                 double                    timeout);

/* batch-wait */
AiopoolBatchWait aiopool_batch_wait_to_read     (AiopoolBatchCore         *core,
                                                 const AiopoolBatchWanted *wanted,
                                                 double                    timeout,
                                                 GCancellable             *cancellable,
                                                 AiopoolBatchReading      *reading);
void             aiopool_batch_wait_set_error   (AiopoolBatchWait          result,
                                                 GError                  **error);

G_END_DECLS
