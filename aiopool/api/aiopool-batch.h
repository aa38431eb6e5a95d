/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/api/aiopool-executor.h"
#include "aiopool/api/aiopool-source.h"

G_BEGIN_DECLS

#define AIOPOOL_TYPE_BATCH (aiopool_batch_get_type ())
AIOPOOL_AVAILABLE_IN_0_1
G_DECLARE_FINAL_TYPE (AiopoolBatch, aiopool_batch, AIOPOOL, BATCH, GObject)

AIOPOOL_AVAILABLE_IN_0_1
AiopoolBatch      *aiopool_executor_map             (AiopoolExecutor     *self,
                                                     AiopoolTask         *task,
                                                     GVariant            *items);
AIOPOOL_AVAILABLE_IN_0_1
AiopoolBatch      *aiopool_executor_starmap         (AiopoolExecutor     *self,
                                                     AiopoolTask         *task,
                                                     GVariant            *items);
AIOPOOL_AVAILABLE_IN_0_1
AiopoolBatch      *aiopool_batch_new                (AiopoolExecutor     *executor,
                                                     AiopoolTask         *task,
                                                     AiopoolSource       *source);
AIOPOOL_AVAILABLE_IN_0_1
AiopoolExecutor   *aiopool_batch_get_executor       (AiopoolBatch        *self);
AIOPOOL_AVAILABLE_IN_0_1
AiopoolTask       *aiopool_batch_get_task           (AiopoolBatch        *self);
AIOPOOL_AVAILABLE_IN_0_1
AiopoolSource     *aiopool_batch_get_source         (AiopoolBatch        *self);
AIOPOOL_AVAILABLE_IN_0_1
gboolean           aiopool_batch_get_unpack         (AiopoolBatch        *self);
AIOPOOL_AVAILABLE_IN_0_1
void               aiopool_batch_set_unpack         (AiopoolBatch        *self,
                                                     gboolean             unpack);
AIOPOOL_AVAILABLE_IN_0_1
gboolean           aiopool_batch_get_ordered        (AiopoolBatch        *self);
AIOPOOL_AVAILABLE_IN_0_1
void               aiopool_batch_set_ordered        (AiopoolBatch        *self,
                                                     gboolean             ordered);
AIOPOOL_AVAILABLE_IN_0_1
gboolean           aiopool_batch_get_eager          (AiopoolBatch        *self);
AIOPOOL_AVAILABLE_IN_0_1
void               aiopool_batch_set_eager          (AiopoolBatch        *self,
                                                     gboolean             eager);
AIOPOOL_AVAILABLE_IN_0_1
guint              aiopool_batch_get_window         (AiopoolBatch        *self);
AIOPOOL_AVAILABLE_IN_0_1
void               aiopool_batch_set_window         (AiopoolBatch        *self,
                                                     guint                window);
AIOPOOL_AVAILABLE_IN_0_1
guint              aiopool_batch_get_backlog        (AiopoolBatch        *self);
AIOPOOL_AVAILABLE_IN_0_1
void               aiopool_batch_set_backlog        (AiopoolBatch        *self,
                                                     guint                backlog);
AIOPOOL_AVAILABLE_IN_0_1
guint              aiopool_batch_get_chunk_size     (AiopoolBatch        *self);
AIOPOOL_AVAILABLE_IN_0_1
void               aiopool_batch_set_chunk_size     (AiopoolBatch        *self,
                                                     guint                chunk_size);
AIOPOOL_AVAILABLE_IN_0_1
double             aiopool_batch_get_timeout        (AiopoolBatch        *self);
AIOPOOL_AVAILABLE_IN_0_1
void               aiopool_batch_set_timeout        (AiopoolBatch        *self,
                                                     double               timeout);
AIOPOOL_AVAILABLE_IN_0_1
gboolean           aiopool_batch_get_stop_on_error  (AiopoolBatch        *self);
AIOPOOL_AVAILABLE_IN_0_1
void               aiopool_batch_set_stop_on_error  (AiopoolBatch        *self,
                                                     gboolean             stop_on_error);
AIOPOOL_AVAILABLE_IN_0_1
AiopoolFutureState aiopool_batch_get_state          (AiopoolBatch        *self);
AIOPOOL_AVAILABLE_IN_0_1
GError            *aiopool_batch_dup_error          (AiopoolBatch        *self);
AIOPOOL_AVAILABLE_IN_0_1
guint              aiopool_batch_get_n_done         (AiopoolBatch        *self);
AIOPOOL_AVAILABLE_IN_0_1
guint              aiopool_batch_get_n_failed       (AiopoolBatch        *self);
AIOPOOL_AVAILABLE_IN_0_1
guint              aiopool_batch_get_n_running      (AiopoolBatch        *self);
AIOPOOL_AVAILABLE_IN_0_1
int                aiopool_batch_get_n_total        (AiopoolBatch        *self);
AIOPOOL_AVAILABLE_IN_0_1
double             aiopool_batch_get_progress       (AiopoolBatch        *self);
AIOPOOL_AVAILABLE_IN_0_1
double             aiopool_batch_get_time_left      (AiopoolBatch        *self);
AIOPOOL_AVAILABLE_IN_0_1
void               aiopool_batch_start              (AiopoolBatch        *self);
AIOPOOL_AVAILABLE_IN_0_1
gboolean           aiopool_batch_cancel             (AiopoolBatch        *self,
                                                     AiopoolCancelMode    mode);
AIOPOOL_AVAILABLE_IN_0_1
AiopoolFuture     *aiopool_batch_next               (AiopoolBatch        *self,
                                                     double               timeout,
                                                     GCancellable        *cancellable,
                                                     GError             **error);
AIOPOOL_AVAILABLE_IN_0_1
void               aiopool_batch_next_async         (AiopoolBatch        *self,
                                                     GCancellable        *cancellable,
                                                     GAsyncReadyCallback  callback,
                                                     gpointer             user_data);
AIOPOOL_AVAILABLE_IN_0_1
AiopoolFuture     *aiopool_batch_next_finish        (AiopoolBatch        *self,
                                                     GAsyncResult        *result,
                                                     GError             **error);
AIOPOOL_AVAILABLE_IN_0_1
GListModel        *aiopool_batch_next_batch         (AiopoolBatch        *self,
                                                     guint                min_items,
                                                     guint                max_items,
                                                     double               timeout,
                                                     GCancellable        *cancellable,
                                                     GError             **error);
AIOPOOL_AVAILABLE_IN_0_1
void               aiopool_batch_next_batch_async   (AiopoolBatch        *self,
                                                     guint                min_items,
                                                     guint                max_items,
                                                     double               timeout,
                                                     GCancellable        *cancellable,
                                                     GAsyncReadyCallback  callback,
                                                     gpointer             user_data);
AIOPOOL_AVAILABLE_IN_0_1
GListModel        *aiopool_batch_next_batch_finish  (AiopoolBatch        *self,
                                                     GAsyncResult        *result,
                                                     GError             **error);
AIOPOOL_AVAILABLE_IN_0_1
gboolean           aiopool_batch_wait               (AiopoolBatch        *self,
                                                     double               timeout,
                                                     GCancellable        *cancellable,
                                                     GError             **error);
AIOPOOL_AVAILABLE_IN_0_1
void               aiopool_batch_wait_async         (AiopoolBatch        *self,
                                                     GCancellable        *cancellable,
                                                     GAsyncReadyCallback  callback,
                                                     gpointer             user_data);
AIOPOOL_AVAILABLE_IN_0_1
gboolean           aiopool_batch_wait_finish        (AiopoolBatch        *self,
                                                     GAsyncResult        *result,
                                                     GError             **error);
AIOPOOL_AVAILABLE_IN_0_1
GVariant          *aiopool_batch_collect_all        (AiopoolBatch        *self,
                                                     double               timeout,
                                                     GCancellable        *cancellable,
                                                     GError             **error);
AIOPOOL_AVAILABLE_IN_0_1
void               aiopool_batch_collect_all_async  (AiopoolBatch        *self,
                                                     GCancellable        *cancellable,
                                                     GAsyncReadyCallback  callback,
                                                     gpointer             user_data);
AIOPOOL_AVAILABLE_IN_0_1
GVariant          *aiopool_batch_collect_all_finish (AiopoolBatch        *self,
                                                     GAsyncResult        *result,
                                                     GError             **error);

G_END_DECLS
