/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/runtime/aiopool-worker-abi.h"

#include "aiopool/base/aiopool-error.h"
#include "aiopool/base/aiopool-process-private.h"
#include "aiopool/runtime/aiopool-call-private.h"
#include "aiopool/runtime/aiopool-log-private.h"
#include "aiopool/runtime/aiopool-registry-private.h"
#include "aiopool/runtime/aiopool-serve-private.h"
#include "aiopool/runtime/aiopool-session-private.h"

/* Serving without a service: an interpreter finds the functions. */

#define LEAST_HOOKS_SIZE G_STRUCT_OFFSET (AiopoolWorkerHooks, forget_shared)

static gboolean
refuse (const char  *message,
        GError     **error)
{
  AiopoolSession *session = aiopool_session_open (error);

  if (session == NULL)
    return FALSE;
  aiopool_session_refuse (session, AIOPOOL_POOL_ERROR_START_FAILED, message);
  return TRUE;
}

static gboolean
serve (const AiopoolWorkerHooks  *hooks,
       gpointer                   user_data,
       GError                   **error)
{
  AiopoolSession *session;
  AiopoolRegistry *registry;
  GError *failure = NULL;

  g_return_val_if_fail (hooks != NULL && hooks->size >= LEAST_HOOKS_SIZE, FALSE);

  session = aiopool_session_open (error);
  if (session == NULL)
    return FALSE;
  aiopool_log_start (session);
  if (!aiopool_session_greet (session, &failure))
    {
      aiopool_session_refuse (session, AIOPOOL_POOL_ERROR_START_FAILED, failure->message);
      g_propagate_error (error, failure);
      return FALSE;
    }
  registry = aiopool_registry_new ();
  aiopool_serve (session, registry, hooks, user_data);
  aiopool_registry_free (registry);
  aiopool_link_end_orphan (session);
  return TRUE;
}

static GBytes *
get_shared_data (AiopoolCall *call,
                 guint64     *id)
{
  *id = call->shared_id;
  return call->shared_data;
}

static const AiopoolWorkerAbi table = {
  .size = sizeof table,
  .is_worker = aiopool_session_is_worker,
  .refuse = refuse,
  .serve = serve,
  .dispatch = aiopool_serve_dispatch,
  .defer = aiopool_serve_defer,
  .return_value = aiopool_serve_return,
  .log = aiopool_log_send,
  .set_starting = aiopool_process_set_starting,
  .get_shared_data = get_shared_data,
};

/* (skip). (nullable): NULL if this library does not know @version. */
const AiopoolWorkerAbi *
aiopool_worker_abi_get (guint version)
{
  return version == AIOPOOL_WORKER_ABI_VERSION ? &table : NULL;
}
