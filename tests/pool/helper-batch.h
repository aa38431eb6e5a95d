/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tests/pool/helper-threads.h"

G_BEGIN_DECLS

/* What the tests of batches are run over. */
typedef struct
{
  const char *name;
  gboolean    is_pool;
  guint       chunk_size;
} BatchKind;

/* Adds the test for each kind, under "/batch/<kind>/<path>". */
void             batch_add          (const char      *path,
                                     GTestDataFunc    function);

/* An executor with two workers, or threads. */
AiopoolExecutor *batch_executor     (const BatchKind *kind);

/* Items are (what, number) from 0 on. Takes @executor's word for nothing: it is the caller's. */
GVariant        *batch_items        (const char      *what,
                                     guint            n);
AiopoolTask     *batch_task         (const char      *marks,
                                     const char      *path);
AiopoolBatch    *batch_new          (const BatchKind *kind,
                                     AiopoolExecutor *executor,
                                     AiopoolTask     *task,
                                     AiopoolSource   *source);
AiopoolBatch    *batch_act          (const BatchKind *kind,
                                     AiopoolExecutor *executor,
                                     const char      *what,
                                     guint            n);

/* Reads. */
AiopoolFuture   *batch_next         (AiopoolBatch    *batch);
void             batch_expect_end   (AiopoolBatch    *batch);
void             batch_expect_error (AiopoolBatch    *batch,
                                     GQuark           domain,
                                     int              code);
guint            batch_number       (AiopoolFuture   *future);
guint            batch_drain        (AiopoolBatch    *batch);
void             batch_keep_result  (GObject         *object,
                                     GAsyncResult    *result,
                                     gpointer         user_data);
GAsyncResult    *batch_await        (GAsyncResult   **result);
guint            batch_sum          (guint           *counts,
                                     guint            n);

G_END_DECLS
