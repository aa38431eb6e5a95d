/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/api/aiopool-future.h"

G_BEGIN_DECLS

#define AIOPOOL_TYPE_FUTURE_SET (aiopool_future_set_get_type ())
AIOPOOL_AVAILABLE_IN_0_1
G_DECLARE_FINAL_TYPE (AiopoolFutureSet, aiopool_future_set, AIOPOOL, FUTURE_SET, GObject)

AIOPOOL_AVAILABLE_IN_0_1
AiopoolFutureSet *aiopool_future_set_new               (void);
AIOPOOL_AVAILABLE_IN_0_1
AiopoolFutureSet *aiopool_future_set_new_for           (AiopoolFuture      **futures,
                                                        gsize                n_futures);
AIOPOOL_AVAILABLE_IN_0_1
gboolean          aiopool_future_set_add               (AiopoolFutureSet    *self,
                                                        AiopoolFuture       *future);
AIOPOOL_AVAILABLE_IN_0_1
gboolean          aiopool_future_set_remove            (AiopoolFutureSet    *self,
                                                        AiopoolFuture       *future);
AIOPOOL_AVAILABLE_IN_0_1
guint             aiopool_future_set_get_n_pending     (AiopoolFutureSet    *self);
AIOPOOL_AVAILABLE_IN_0_1
guint             aiopool_future_set_get_n_done        (AiopoolFutureSet    *self);
AIOPOOL_AVAILABLE_IN_0_1
gboolean          aiopool_future_set_get_ordered       (AiopoolFutureSet    *self);
AIOPOOL_AVAILABLE_IN_0_1
void              aiopool_future_set_set_ordered       (AiopoolFutureSet    *self,
                                                        gboolean             ordered);
AIOPOOL_AVAILABLE_IN_0_1
guint             aiopool_future_set_cancel            (AiopoolFutureSet    *self,
                                                        AiopoolCancelMode    mode);
AIOPOOL_AVAILABLE_IN_0_1
AiopoolFuture    *aiopool_future_set_next              (AiopoolFutureSet    *self,
                                                        double               timeout,
                                                        GCancellable        *cancellable,
                                                        GError             **error);
AIOPOOL_AVAILABLE_IN_0_1
void              aiopool_future_set_next_async        (AiopoolFutureSet    *self,
                                                        double               timeout,
                                                        GCancellable        *cancellable,
                                                        GAsyncReadyCallback  callback,
                                                        gpointer             user_data);
AIOPOOL_AVAILABLE_IN_0_1
AiopoolFuture    *aiopool_future_set_next_finish       (AiopoolFutureSet    *self,
                                                        GAsyncResult        *result,
                                                        GError             **error);
AIOPOOL_AVAILABLE_IN_0_1
GListModel       *aiopool_future_set_next_batch        (AiopoolFutureSet    *self,
                                                        guint                max,
                                                        double               timeout,
                                                        GCancellable        *cancellable,
                                                        GError             **error);
AIOPOOL_AVAILABLE_IN_0_1
void              aiopool_future_set_next_batch_async  (AiopoolFutureSet    *self,
                                                        guint                max,
                                                        double               timeout,
                                                        GCancellable        *cancellable,
                                                        GAsyncReadyCallback  callback,
                                                        gpointer             user_data);
AIOPOOL_AVAILABLE_IN_0_1
GListModel       *aiopool_future_set_next_batch_finish (AiopoolFutureSet    *self,
                                                        GAsyncResult        *result,
                                                        GError             **error);
AIOPOOL_AVAILABLE_IN_0_1
gboolean          aiopool_future_set_wait              (AiopoolFutureSet    *self,
                                                        AiopoolWaitMode      mode,
                                                        double               timeout,
                                                        GCancellable        *cancellable,
                                                        GError             **error);
AIOPOOL_AVAILABLE_IN_0_1
void              aiopool_future_set_wait_async        (AiopoolFutureSet    *self,
                                                        AiopoolWaitMode      mode,
                                                        double               timeout,
                                                        GCancellable        *cancellable,
                                                        GAsyncReadyCallback  callback,
                                                        gpointer             user_data);
AIOPOOL_AVAILABLE_IN_0_1
gboolean          aiopool_future_set_wait_finish       (AiopoolFutureSet    *self,
                                                        GAsyncResult        *result,
                                                        GError             **error);
AIOPOOL_AVAILABLE_IN_0_1
GVariant         *aiopool_future_set_collect_all       (AiopoolFutureSet    *self,
                                                        double               timeout,
                                                        GCancellable        *cancellable,
                                                        GError             **error);
AIOPOOL_AVAILABLE_IN_0_1
void              aiopool_future_set_collect_all_async (AiopoolFutureSet    *self,
                                                        double               timeout,
                                                        GCancellable        *cancellable,
                                                        GAsyncReadyCallback  callback,
                                                        gpointer             user_data);
AIOPOOL_AVAILABLE_IN_0_1
GVariant         *aiopool_future_set_collect_all_finish (AiopoolFutureSet   *self,
                                                        GAsyncResult        *result,
                                                        GError             **error);

G_END_DECLS
