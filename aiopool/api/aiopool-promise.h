/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/api/aiopool-future.h"

G_BEGIN_DECLS

#define AIOPOOL_TYPE_PROMISE (aiopool_promise_get_type ())
AIOPOOL_AVAILABLE_IN_0_1
G_DECLARE_FINAL_TYPE (AiopoolPromise, aiopool_promise, AIOPOOL, PROMISE, GObject)

AIOPOOL_AVAILABLE_IN_0_1
AiopoolPromise *aiopool_promise_new             (AiopoolTask    *task);
AIOPOOL_AVAILABLE_IN_0_1
AiopoolFuture  *aiopool_promise_get_future      (AiopoolPromise *self);
AIOPOOL_AVAILABLE_IN_0_1
GCancellable   *aiopool_promise_get_cancellable (AiopoolPromise *self);
AIOPOOL_AVAILABLE_IN_0_1
void            aiopool_promise_set_context     (AiopoolPromise *self,
                                                 GMainContext   *context);
AIOPOOL_AVAILABLE_IN_0_1
gboolean        aiopool_promise_start           (AiopoolPromise *self);
AIOPOOL_AVAILABLE_IN_0_1
void            aiopool_promise_set_progress    (AiopoolPromise *self,
                                                 double          fraction,
                                                 const char     *message);
AIOPOOL_AVAILABLE_IN_0_1
gboolean        aiopool_promise_resolve         (AiopoolPromise *self,
                                                 GVariant       *result);
AIOPOOL_AVAILABLE_IN_0_1
gboolean        aiopool_promise_resolve_value   (AiopoolPromise *self,
                                                 const GValue   *value);
AIOPOOL_AVAILABLE_IN_0_1
gboolean        aiopool_promise_reject          (AiopoolPromise *self,
                                                 const GError   *error);

G_END_DECLS
