/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/api/aiopool-executor.h"

G_BEGIN_DECLS

#define AIOPOOL_TYPE_COMPLETION_QUEUE (aiopool_completion_queue_get_type ())
AIOPOOL_AVAILABLE_IN_0_1
G_DECLARE_FINAL_TYPE (AiopoolCompletionQueue, aiopool_completion_queue, AIOPOOL, COMPLETION_QUEUE,
                      GObject)

AIOPOOL_AVAILABLE_IN_0_1
AiopoolCompletionQueue *aiopool_completion_queue_new         (void);
AIOPOOL_AVAILABLE_IN_0_1
int                     aiopool_completion_queue_get_fd      (AiopoolCompletionQueue  *self);
AIOPOOL_AVAILABLE_IN_0_1
GMainContext           *aiopool_completion_queue_get_context (AiopoolCompletionQueue  *self);
AIOPOOL_AVAILABLE_IN_0_1
guint                   aiopool_completion_queue_add         (AiopoolCompletionQueue  *self,
                                                              AiopoolFuture           *future);
AIOPOOL_AVAILABLE_IN_0_1
AiopoolFuture          *aiopool_completion_queue_submit      (AiopoolCompletionQueue  *self,
                                                              AiopoolExecutor         *executor,
                                                              AiopoolTask             *task,
                                                              GCancellable            *cancellable,
                                                              guint                   *id,
                                                              GError                 **error);
AIOPOOL_AVAILABLE_IN_0_1
gboolean                aiopool_completion_queue_remove      (AiopoolCompletionQueue  *self,
                                                              guint                    id);
AIOPOOL_AVAILABLE_IN_0_1
guint                  *aiopool_completion_queue_take        (AiopoolCompletionQueue  *self,
                                                              gsize                   *n_ids);

G_END_DECLS
