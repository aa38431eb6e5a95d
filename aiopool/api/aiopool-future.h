/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/api/aiopool-task.h"
#include "aiopool/base/aiopool-error-info.h"

G_BEGIN_DECLS

#define AIOPOOL_TYPE_FUTURE (aiopool_future_get_type ())
AIOPOOL_AVAILABLE_IN_0_1
G_DECLARE_FINAL_TYPE (AiopoolFuture, aiopool_future, AIOPOOL, FUTURE, GObject)

/**
 * AiopoolFutureCallback:
 * @future: the future, which has ended
 * @user_data: (closure): what was given to [method@Aiopool.Future.add_done_callback]
 *
 * Called once, when a future has ended, in the main context that was thread-default when the
 * callback was added.
 *
 * Since: 0.1
 */
typedef void (*AiopoolFutureCallback) (AiopoolFuture *future,
                                       gpointer       user_data);

/**
 * AiopoolFutureChainFunc:
 * @ended: the future that has ended
 * @user_data: (closure): what was given to [method@Aiopool.Future.chain]
 * @error: return location for a #GError
 *
 * Goes on from a future that has ended.
 *
 * What it returns may have ended, see [ctor@Aiopool.Future.new_for_result], or not: the new future
 * ends as that does.
 *
 * Returns: (transfer full) (nullable): a future; %NULL with an error, which is what the new future
 *   ends with
 *
 * Since: 0.1
 */
typedef AiopoolFuture *(*AiopoolFutureChainFunc) (AiopoolFuture  *ended,
                                                  gpointer        user_data,
                                                  GError        **error);

/**
 * AiopoolFutureMapFunc:
 * @ended: the future that has ended
 * @user_data: (closure): what was given to [method@Aiopool.Future.map]
 * @error: return location for a #GError
 *
 * Makes a result of a future that has ended.
 *
 * Returns: (transfer full) (nullable): the result, which may be floating; %NULL with an error
 *
 * Since: 0.1
 */
typedef GVariant *(*AiopoolFutureMapFunc) (AiopoolFuture  *ended,
                                           gpointer        user_data,
                                           GError        **error);

AIOPOOL_AVAILABLE_IN_0_1
AiopoolFuture     *aiopool_future_new_for_result       (GVariant             *result);
AIOPOOL_AVAILABLE_IN_0_1
AiopoolFuture     *aiopool_future_new_for_error        (const GError         *error);
AIOPOOL_AVAILABLE_IN_0_1
AiopoolFuture     *aiopool_future_chain                (AiopoolFuture        *self,
                                                        AiopoolChainFlags     flags,
                                                        AiopoolFutureChainFunc func,
                                                        gpointer              user_data,
                                                        GDestroyNotify        destroy);
AIOPOOL_AVAILABLE_IN_0_1
AiopoolFuture     *aiopool_future_map                  (AiopoolFuture        *self,
                                                        AiopoolChainFlags     flags,
                                                        AiopoolFutureMapFunc  func,
                                                        gpointer              user_data,
                                                        GDestroyNotify        destroy);
AIOPOOL_AVAILABLE_IN_0_1
AiopoolFutureState aiopool_future_get_state            (AiopoolFuture        *self);
AIOPOOL_AVAILABLE_IN_0_1
gboolean           aiopool_future_is_done              (AiopoolFuture        *self);
AIOPOOL_AVAILABLE_IN_0_1
GVariant          *aiopool_future_get_result           (AiopoolFuture        *self,
                                                        GError              **error);
AIOPOOL_AVAILABLE_IN_0_1
GBytes            *aiopool_future_get_payload          (AiopoolFuture        *self,
                                                        AiopoolFormat        *format,
                                                        GError              **error);
AIOPOOL_AVAILABLE_IN_0_1
gboolean           aiopool_future_get_value            (AiopoolFuture        *self,
                                                        GValue               *value,
                                                        GError              **error);
AIOPOOL_AVAILABLE_IN_0_1
const GError      *aiopool_future_get_error            (AiopoolFuture        *self);
AIOPOOL_AVAILABLE_IN_0_1
AiopoolErrorInfo  *aiopool_future_get_error_info       (AiopoolFuture        *self);
AIOPOOL_AVAILABLE_IN_0_1
const char        *aiopool_future_get_standard_error   (AiopoolFuture        *self);
AIOPOOL_AVAILABLE_IN_0_1
GUnixFDList       *aiopool_future_get_fds              (AiopoolFuture        *self);
AIOPOOL_AVAILABLE_IN_0_1
AiopoolTask       *aiopool_future_get_task             (AiopoolFuture        *self);
AIOPOOL_AVAILABLE_IN_0_1
guint              aiopool_future_get_position         (AiopoolFuture        *self);
AIOPOOL_AVAILABLE_IN_0_1
double             aiopool_future_get_progress         (AiopoolFuture        *self);
AIOPOOL_AVAILABLE_IN_0_1
char              *aiopool_future_dup_message          (AiopoolFuture        *self);
AIOPOOL_AVAILABLE_IN_0_1
double             aiopool_future_get_queue_time       (AiopoolFuture        *self);
AIOPOOL_AVAILABLE_IN_0_1
double             aiopool_future_get_run_time         (AiopoolFuture        *self);
AIOPOOL_AVAILABLE_IN_0_1
double             aiopool_future_get_submitted_at     (AiopoolFuture        *self);
AIOPOOL_AVAILABLE_IN_0_1
double             aiopool_future_get_started_at       (AiopoolFuture        *self);
AIOPOOL_AVAILABLE_IN_0_1
double             aiopool_future_get_finished_at      (AiopoolFuture        *self);
AIOPOOL_AVAILABLE_IN_0_1
int                aiopool_future_get_worker_pid       (AiopoolFuture        *self);
AIOPOOL_AVAILABLE_IN_0_1
gboolean           aiopool_future_wait                 (AiopoolFuture        *self,
                                                        double                timeout);
AIOPOOL_AVAILABLE_IN_0_1
GVariant          *aiopool_future_collect              (AiopoolFuture        *self,
                                                        double                timeout,
                                                        GCancellable         *cancellable,
                                                        GError              **error);
AIOPOOL_AVAILABLE_IN_0_1
void               aiopool_future_collect_async        (AiopoolFuture        *self,
                                                        GCancellable         *cancellable,
                                                        GAsyncReadyCallback   callback,
                                                        gpointer              user_data);
AIOPOOL_AVAILABLE_IN_0_1
GVariant          *aiopool_future_collect_finish       (AiopoolFuture        *self,
                                                        GAsyncResult         *result,
                                                        GError              **error);
AIOPOOL_AVAILABLE_IN_0_1
gboolean           aiopool_future_cancel               (AiopoolFuture        *self,
                                                        AiopoolCancelMode     mode);
AIOPOOL_AVAILABLE_IN_0_1
guint              aiopool_future_add_done_callback    (AiopoolFuture        *self,
                                                        AiopoolFutureCallback callback,
                                                        gpointer              user_data,
                                                        GDestroyNotify        destroy);
AIOPOOL_AVAILABLE_IN_0_1
gboolean           aiopool_future_remove_done_callback (AiopoolFuture        *self,
                                                        guint                 id);

G_END_DECLS
