/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/runtime/aiopool-call.h"

G_BEGIN_DECLS

#define AIOPOOL_TYPE_SERVICE (aiopool_service_get_type ())
AIOPOOL_AVAILABLE_IN_0_1
G_DECLARE_FINAL_TYPE (AiopoolService, aiopool_service, AIOPOOL, SERVICE, GObject)

/**
 * AiopoolFunction:
 * @call: the call being answered
 * @arguments: (nullable): the arguments of the task, or %NULL if it has a payload that is not a
 *   #GVariant
 * @user_data: (closure): what was given at registration
 * @error: return location for a #GError
 *
 * A function that runs in a worker and returns when it is done.
 *
 * Runs in the thread that called [method@Aiopool.Service.run], one at a time. A function that has
 * nothing to say returns `g_variant_new ("()")`. To answer with something else than a #GVariant,
 * call [method@Aiopool.Call.return_payload] and return %NULL. Any error may be set; the parent gets
 * it as that of the task. %NULL without an error and without such an answer fails the task with
 * %AIOPOOL_TASK_ERROR_FAILED.
 *
 * The function may keep a reference to @arguments, and may iterate the main context.
 *
 * Returns: (transfer full) (nullable): the result, floating or not, or %NULL
 *
 * Since: 0.1
 */
typedef GVariant *(*AiopoolFunction)      (AiopoolCall *call,
                                           GVariant    *arguments,
                                           gpointer     user_data,
                                           GError     **error);

/**
 * AiopoolAsyncFunction:
 * @call: the call to answer later
 * @arguments: (nullable): the arguments of the task, or %NULL if it has a payload that is not a
 *   #GVariant
 * @user_data: (closure): what was given at registration
 *
 * A function that starts work in a worker and answers later.
 *
 * Runs in the thread that called [method@Aiopool.Service.run], in its thread-default main context.
 * It takes a reference to @call and answers, in whatever thread, with
 * [method@Aiopool.Call.return_value], [method@Aiopool.Call.return_payload] or
 * [method@Aiopool.Call.return_error]. A call whose last reference is dropped unanswered fails with
 * %AIOPOOL_TASK_ERROR_FAILED.
 *
 * Since: 0.1
 */
typedef void      (*AiopoolAsyncFunction) (AiopoolCall *call,
                                           GVariant    *arguments,
                                           gpointer     user_data);

/**
 * AiopoolServiceFunc:
 * @service: the service to register functions with
 * @user_data: (closure): what was given to [func@Aiopool.Service.enter]
 *
 * Registers the functions of a worker.
 *
 * Since: 0.1
 */
typedef void      (*AiopoolServiceFunc)   (AiopoolService *service,
                                           gpointer        user_data);

AIOPOOL_AVAILABLE_IN_0_1
gboolean        aiopool_service_is_worker   (void);
AIOPOOL_AVAILABLE_IN_0_1
void            aiopool_service_enter       (AiopoolServiceFunc   setup,
                                             gpointer             user_data);
AIOPOOL_AVAILABLE_IN_0_1
AiopoolService *aiopool_service_new         (void);
AIOPOOL_AVAILABLE_IN_0_1
void            aiopool_service_add         (AiopoolService      *self,
                                             const char          *name,
                                             AiopoolFunction      function,
                                             gpointer             user_data,
                                             GDestroyNotify       destroy);
AIOPOOL_AVAILABLE_IN_0_1
void            aiopool_service_add_async   (AiopoolService      *self,
                                             const char          *name,
                                             AiopoolAsyncFunction function,
                                             gpointer             user_data,
                                             GDestroyNotify       destroy);
AIOPOOL_AVAILABLE_IN_0_1
gboolean        aiopool_service_load_plugin (AiopoolService      *self,
                                             const char          *path,
                                             GError             **error);
AIOPOOL_AVAILABLE_IN_0_1
gboolean        aiopool_service_get_forwards_log (AiopoolService *self);
AIOPOOL_AVAILABLE_IN_0_1
void            aiopool_service_set_forwards_log (AiopoolService *self,
                                             gboolean             forwards_log);
AIOPOOL_AVAILABLE_IN_0_1
gboolean        aiopool_service_run         (AiopoolService      *self,
                                             GError             **error);

G_END_DECLS
