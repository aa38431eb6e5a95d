/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/base/aiopool-version-macros.h"

G_BEGIN_DECLS

/**
 * AIOPOOL_TASK_ERROR:
 *
 * Error domain for what goes wrong with one task. See [enum@Aiopool.TaskError].
 *
 * Since: 0.1
 */
#define AIOPOOL_TASK_ERROR (aiopool_task_error_quark ())

/**
 * AiopoolTaskError:
 * @AIOPOOL_TASK_ERROR_FAILED: the function reported an error that cannot be rebuilt here
 * @AIOPOOL_TASK_ERROR_CRASHED: the worker ended while it ran the task
 * @AIOPOOL_TASK_ERROR_MAY_HAVE_RUN: the worker ended and it is not known whether the item ran
 * @AIOPOOL_TASK_ERROR_PROTOCOL: the worker broke the protocol
 * @AIOPOOL_TASK_ERROR_TIMED_OUT: the task ran longer than its timeout
 * @AIOPOOL_TASK_ERROR_QUEUE_TIMED_OUT: the task waited longer than its queue timeout
 * @AIOPOOL_TASK_ERROR_UNKNOWN_FUNCTION: the worker has no function of that name
 * @AIOPOOL_TASK_ERROR_ENCODE: a value could not be made ready for sending
 * @AIOPOOL_TASK_ERROR_DECODE: a value that arrived is not what it claims to be
 * @AIOPOOL_TASK_ERROR_TOO_LARGE: a value is larger than the limit
 * @AIOPOOL_TASK_ERROR_NOT_SUPPORTED: the executor cannot do that
 * @AIOPOOL_TASK_ERROR_WRONG_TYPE: the result is not of the kind asked for
 *
 * What went wrong with one task; the pool goes on.
 *
 * Since: 0.1
 */
typedef enum
{
  AIOPOOL_TASK_ERROR_FAILED,
  AIOPOOL_TASK_ERROR_CRASHED,
  AIOPOOL_TASK_ERROR_MAY_HAVE_RUN,
  AIOPOOL_TASK_ERROR_PROTOCOL,
  AIOPOOL_TASK_ERROR_TIMED_OUT,
  AIOPOOL_TASK_ERROR_QUEUE_TIMED_OUT,
  AIOPOOL_TASK_ERROR_UNKNOWN_FUNCTION,
  AIOPOOL_TASK_ERROR_ENCODE,
  AIOPOOL_TASK_ERROR_DECODE,
  AIOPOOL_TASK_ERROR_TOO_LARGE,
  AIOPOOL_TASK_ERROR_NOT_SUPPORTED,
  AIOPOOL_TASK_ERROR_WRONG_TYPE
} AiopoolTaskError;

/**
 * AIOPOOL_POOL_ERROR:
 *
 * Error domain for what goes wrong with a whole executor. See [enum@Aiopool.PoolError].
 *
 * Since: 0.1
 */
#define AIOPOOL_POOL_ERROR (aiopool_pool_error_quark ())

/**
 * AiopoolPoolError:
 * @AIOPOOL_POOL_ERROR_CLOSED: it was shut down
 * @AIOPOOL_POOL_ERROR_BROKEN: it is broken and takes no tasks
 * @AIOPOOL_POOL_ERROR_FULL: too many tasks wait
 * @AIOPOOL_POOL_ERROR_START_FAILED: no worker could be started
 * @AIOPOOL_POOL_ERROR_START_TIMED_OUT: a worker did not report in time
 * @AIOPOOL_POOL_ERROR_INITIALIZER: the initializer failed in a worker
 * @AIOPOOL_POOL_ERROR_FINALIZER: the finalizer failed in a worker
 * @AIOPOOL_POOL_ERROR_NOT_A_WORKER: the program was started as a worker and never became one
 * @AIOPOOL_POOL_ERROR_FORKED: this process is a fork of the one that uses the library
 * @AIOPOOL_POOL_ERROR_WOULD_BLOCK: a blocking call here could never end
 * @AIOPOOL_POOL_ERROR_SANDBOX: the sandbox asked for is not available
 *
 * What went wrong with an executor as a whole.
 *
 * Since: 0.1
 */
typedef enum
{
  AIOPOOL_POOL_ERROR_CLOSED,
  AIOPOOL_POOL_ERROR_BROKEN,
  AIOPOOL_POOL_ERROR_FULL,
  AIOPOOL_POOL_ERROR_START_FAILED,
  AIOPOOL_POOL_ERROR_START_TIMED_OUT,
  AIOPOOL_POOL_ERROR_INITIALIZER,
  AIOPOOL_POOL_ERROR_FINALIZER,
  AIOPOOL_POOL_ERROR_NOT_A_WORKER,
  AIOPOOL_POOL_ERROR_FORKED,
  AIOPOOL_POOL_ERROR_WOULD_BLOCK,
  AIOPOOL_POOL_ERROR_SANDBOX
} AiopoolPoolError;

AIOPOOL_AVAILABLE_IN_0_1
GQuark aiopool_task_error_quark    (void);

#define AIOPOOL_TYPE_TASK_ERROR (aiopool_task_error_get_type ())
AIOPOOL_AVAILABLE_IN_0_1
GType  aiopool_task_error_get_type (void);

AIOPOOL_AVAILABLE_IN_0_1
GQuark aiopool_pool_error_quark    (void);

#define AIOPOOL_TYPE_POOL_ERROR (aiopool_pool_error_get_type ())
AIOPOOL_AVAILABLE_IN_0_1
GType  aiopool_pool_error_get_type (void);

G_END_DECLS
