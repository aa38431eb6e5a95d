/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/base/aiopool-error.h"

/* Not by G_DEFINE_QUARK, whose number two threads may write at once. */
static GQuark
get_quark (gsize      *once,
           const char *text)
{
  if (g_once_init_enter (once))
    g_once_init_leave (once, g_quark_from_static_string (text));
  return (GQuark) *once;
}

/**
 * aiopool_task_error_quark:
 *
 * Gets the domain of [error@Aiopool.TaskError].
 *
 * Returns: a quark
 *
 * Since: 0.1
 */
GQuark
aiopool_task_error_quark (void)
{
  static gsize quark;

  return get_quark (&quark, "aiopool-task-error-quark");
}

/**
 * aiopool_pool_error_quark:
 *
 * Gets the domain of [error@Aiopool.PoolError].
 *
 * Returns: a quark
 *
 * Since: 0.1
 */
GQuark
aiopool_pool_error_quark (void)
{
  static gsize quark;

  return get_quark (&quark, "aiopool-pool-error-quark");
}

G_DEFINE_ENUM_TYPE (AiopoolTaskError, aiopool_task_error,
                    G_DEFINE_ENUM_VALUE (AIOPOOL_TASK_ERROR_FAILED, "failed"),
                    G_DEFINE_ENUM_VALUE (AIOPOOL_TASK_ERROR_CRASHED, "crashed"),
                    G_DEFINE_ENUM_VALUE (AIOPOOL_TASK_ERROR_MAY_HAVE_RUN, "may-have-run"),
                    G_DEFINE_ENUM_VALUE (AIOPOOL_TASK_ERROR_PROTOCOL, "protocol"),
                    G_DEFINE_ENUM_VALUE (AIOPOOL_TASK_ERROR_TIMED_OUT, "timed-out"),
                    G_DEFINE_ENUM_VALUE (AIOPOOL_TASK_ERROR_QUEUE_TIMED_OUT, "queue-timed-out"),
                    G_DEFINE_ENUM_VALUE (AIOPOOL_TASK_ERROR_UNKNOWN_FUNCTION, "unknown-function"),
                    G_DEFINE_ENUM_VALUE (AIOPOOL_TASK_ERROR_ENCODE, "encode"),
                    G_DEFINE_ENUM_VALUE (AIOPOOL_TASK_ERROR_DECODE, "decode"),
                    G_DEFINE_ENUM_VALUE (AIOPOOL_TASK_ERROR_TOO_LARGE, "too-large"),
                    G_DEFINE_ENUM_VALUE (AIOPOOL_TASK_ERROR_NOT_SUPPORTED, "not-supported"),
                    G_DEFINE_ENUM_VALUE (AIOPOOL_TASK_ERROR_WRONG_TYPE, "wrong-type"))

G_DEFINE_ENUM_TYPE (AiopoolPoolError, aiopool_pool_error,
                    G_DEFINE_ENUM_VALUE (AIOPOOL_POOL_ERROR_CLOSED, "closed"),
                    G_DEFINE_ENUM_VALUE (AIOPOOL_POOL_ERROR_BROKEN, "broken"),
                    G_DEFINE_ENUM_VALUE (AIOPOOL_POOL_ERROR_FULL, "full"),
                    G_DEFINE_ENUM_VALUE (AIOPOOL_POOL_ERROR_START_FAILED, "start-failed"),
                    G_DEFINE_ENUM_VALUE (AIOPOOL_POOL_ERROR_START_TIMED_OUT, "start-timed-out"),
                    G_DEFINE_ENUM_VALUE (AIOPOOL_POOL_ERROR_INITIALIZER, "initializer"),
                    G_DEFINE_ENUM_VALUE (AIOPOOL_POOL_ERROR_FINALIZER, "finalizer"),
                    G_DEFINE_ENUM_VALUE (AIOPOOL_POOL_ERROR_NOT_A_WORKER, "not-a-worker"),
                    G_DEFINE_ENUM_VALUE (AIOPOOL_POOL_ERROR_FORKED, "forked"),
                    G_DEFINE_ENUM_VALUE (AIOPOOL_POOL_ERROR_WOULD_BLOCK, "would-block"),
                    G_DEFINE_ENUM_VALUE (AIOPOOL_POOL_ERROR_SANDBOX, "sandbox"))
