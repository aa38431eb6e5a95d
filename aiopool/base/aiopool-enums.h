/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/base/aiopool-version-macros.h"

G_BEGIN_DECLS

/**
 * AiopoolFutureState:
 * @AIOPOOL_FUTURE_PENDING: waiting to be started
 * @AIOPOOL_FUTURE_RUNNING: running now
 * @AIOPOOL_FUTURE_DONE: ended with a result
 * @AIOPOOL_FUTURE_FAILED: ended with an error
 * @AIOPOOL_FUTURE_CANCELLED: ended by cancellation
 *
 * What has become of a task. The last three are final.
 *
 * Since: 0.1
 */
typedef enum
{
  AIOPOOL_FUTURE_PENDING,
  AIOPOOL_FUTURE_RUNNING,
  AIOPOOL_FUTURE_DONE,
  AIOPOOL_FUTURE_FAILED,
  AIOPOOL_FUTURE_CANCELLED
} AiopoolFutureState;

/**
 * AiopoolCancelMode:
 * @AIOPOOL_CANCEL_PENDING: only when the task has not started; a running one is left alone
 * @AIOPOOL_CANCEL_COOPERATIVE: and a running task is told through its call's cancellable; it
 *   decides what comes of it, and its result still counts
 * @AIOPOOL_CANCEL_FORCE: the future is cancelled at once; a running task is told, its worker gets
 *   SIGTERM when half of the grace period is over, or at once if the function cannot hear of it,
 *   and SIGKILL at its end
 *
 * How hard to cancel.
 *
 * Since: 0.1
 */
typedef enum
{
  AIOPOOL_CANCEL_PENDING,
  AIOPOOL_CANCEL_COOPERATIVE,
  AIOPOOL_CANCEL_FORCE
} AiopoolCancelMode;

/**
 * AiopoolShutdownFlags:
 * @AIOPOOL_SHUTDOWN_DRAIN: finish every task that was submitted
 * @AIOPOOL_SHUTDOWN_CANCEL_PENDING: cancel tasks that have not started
 * @AIOPOOL_SHUTDOWN_TERMINATE: also cancel and terminate running tasks; ends within the grace
 *   period
 *
 * What a shutdown does with unfinished tasks.
 *
 * Since: 0.1
 */
typedef enum /*< flags >*/
{
  AIOPOOL_SHUTDOWN_DRAIN = 0,
  AIOPOOL_SHUTDOWN_CANCEL_PENDING = 1 << 0,
  AIOPOOL_SHUTDOWN_TERMINATE = 1 << 1
} AiopoolShutdownFlags;

/**
 * AiopoolWorkerState:
 * @AIOPOOL_WORKER_STARTING: its process was started and has not reported yet
 * @AIOPOOL_WORKER_IDLE: ready, without a task
 * @AIOPOOL_WORKER_BUSY: has at least one task
 * @AIOPOOL_WORKER_CLOSING: gets no more tasks and is about to end
 * @AIOPOOL_WORKER_DEAD: its process is gone
 *
 * The life of a worker process.
 *
 * Since: 0.1
 */
typedef enum
{
  AIOPOOL_WORKER_STARTING,
  AIOPOOL_WORKER_IDLE,
  AIOPOOL_WORKER_BUSY,
  AIOPOOL_WORKER_CLOSING,
  AIOPOOL_WORKER_DEAD
} AiopoolWorkerState;

/**
 * AiopoolFormat:
 * @AIOPOOL_FORMAT_GVARIANT: a serialised #GVariant with its type
 * @AIOPOOL_FORMAT_RAW: bytes with no structure
 * @AIOPOOL_FORMAT_JSON: UTF-8 JSON text
 * @AIOPOOL_FORMAT_PICKLE: a Python pickle
 *
 * What the bytes of a payload are. The library looks into #GVariant only.
 *
 * Since: 0.1
 */
typedef enum
{
  AIOPOOL_FORMAT_GVARIANT,
  AIOPOOL_FORMAT_RAW,
  AIOPOOL_FORMAT_JSON,
  AIOPOOL_FORMAT_PICKLE
} AiopoolFormat;

/**
 * AiopoolDeathPolicy:
 * @AIOPOOL_DEATH_ISOLATE: the task that it ran fails; the worker is replaced, and the pool goes on
 * @AIOPOOL_DEATH_BREAK: the pool is broken: every other task fails, and no more are taken
 *
 * What the unexpected end of a worker means for its pool.
 *
 * Since: 0.1
 */
typedef enum
{
  AIOPOOL_DEATH_ISOLATE,
  AIOPOOL_DEATH_BREAK
} AiopoolDeathPolicy;

/**
 * AiopoolSchedulingClass:
 * @AIOPOOL_SCHEDULING_CLASS_INHERIT: that of the program
 * @AIOPOOL_SCHEDULING_CLASS_NORMAL: as any process (`SCHED_OTHER`)
 * @AIOPOOL_SCHEDULING_CLASS_BATCH: as one that computes and waits for nobody (`SCHED_BATCH`)
 * @AIOPOOL_SCHEDULING_CLASS_IDLE: only when nobody else wants the processor (`SCHED_IDLE`)
 *
 * How workers share the processors with other processes. See sched(7).
 *
 * Since: 0.1
 */
typedef enum
{
  AIOPOOL_SCHEDULING_CLASS_INHERIT,
  AIOPOOL_SCHEDULING_CLASS_NORMAL,
  AIOPOOL_SCHEDULING_CLASS_BATCH,
  AIOPOOL_SCHEDULING_CLASS_IDLE
} AiopoolSchedulingClass;

/**
 * AiopoolSandbox:
 * @AIOPOOL_SANDBOX_NONE: no sandbox
 * @AIOPOOL_SANDBOX_PREFER: a sandbox where the system has one; otherwise a warning, once, and none
 * @AIOPOOL_SANDBOX_REQUIRE: a sandbox; where the system has none, tasks fail with
 *   %AIOPOOL_POOL_ERROR_SANDBOX
 *
 * Whether workers run in a sandbox.
 *
 * Since: 0.1
 */
typedef enum
{
  AIOPOOL_SANDBOX_NONE,
  AIOPOOL_SANDBOX_PREFER,
  AIOPOOL_SANDBOX_REQUIRE
} AiopoolSandbox;

/**
 * AiopoolSandboxKind:
 * @AIOPOOL_SANDBOX_KIND_NONE: none
 * @AIOPOOL_SANDBOX_KIND_BUBBLEWRAP: made by the program `bwrap`
 * @AIOPOOL_SANDBOX_KIND_FLATPAK: made by the Flatpak portal, for a program in a Flatpak
 *
 * What makes the sandbox of workers.
 *
 * Since: 0.1
 */
typedef enum
{
  AIOPOOL_SANDBOX_KIND_NONE,
  AIOPOOL_SANDBOX_KIND_BUBBLEWRAP,
  AIOPOOL_SANDBOX_KIND_FLATPAK
} AiopoolSandboxKind;

/**
 * AiopoolWaitMode:
 * @AIOPOOL_WAIT_ALL: until all have ended
 * @AIOPOOL_WAIT_ANY: until one has ended
 * @AIOPOOL_WAIT_FIRST_ERROR: until one has failed or was cancelled, or all have ended
 *
 * What to wait for, of several futures. Of no futures, there is nothing to wait for.
 *
 * Since: 0.1
 */
typedef enum
{
  AIOPOOL_WAIT_ALL,
  AIOPOOL_WAIT_ANY,
  AIOPOOL_WAIT_FIRST_ERROR
} AiopoolWaitMode;

/**
 * AiopoolChainFlags:
 * @AIOPOOL_CHAIN_NONE: go on whatever came of the future
 * @AIOPOOL_CHAIN_RESULTS_ONLY: go on from a result; an error goes past, and is what the new future
 *   ends with
 * @AIOPOOL_CHAIN_ERRORS_ONLY: go on from an error; a result goes past, and is what the new future
 *   ends with
 * @AIOPOOL_CHAIN_CANCEL: a cancel of the new future also cancels the one that it waits for
 *
 * How a future goes on from another one.
 *
 * Since: 0.1
 */
typedef enum /*< flags >*/
{
  AIOPOOL_CHAIN_NONE = 0,
  AIOPOOL_CHAIN_RESULTS_ONLY = 1 << 0,
  AIOPOOL_CHAIN_ERRORS_ONLY = 1 << 1,
  AIOPOOL_CHAIN_CANCEL = 1 << 2
} AiopoolChainFlags;

#define AIOPOOL_TYPE_FUTURE_STATE (aiopool_future_state_get_type ())
AIOPOOL_AVAILABLE_IN_0_1
GType aiopool_future_state_get_type   (void);

#define AIOPOOL_TYPE_CANCEL_MODE (aiopool_cancel_mode_get_type ())
AIOPOOL_AVAILABLE_IN_0_1
GType aiopool_cancel_mode_get_type    (void);

#define AIOPOOL_TYPE_WAIT_MODE (aiopool_wait_mode_get_type ())
AIOPOOL_AVAILABLE_IN_0_1
GType aiopool_wait_mode_get_type      (void);

#define AIOPOOL_TYPE_CHAIN_FLAGS (aiopool_chain_flags_get_type ())
AIOPOOL_AVAILABLE_IN_0_1
GType aiopool_chain_flags_get_type    (void);

#define AIOPOOL_TYPE_SHUTDOWN_FLAGS (aiopool_shutdown_flags_get_type ())
AIOPOOL_AVAILABLE_IN_0_1
GType aiopool_shutdown_flags_get_type (void);

#define AIOPOOL_TYPE_WORKER_STATE (aiopool_worker_state_get_type ())
AIOPOOL_AVAILABLE_IN_0_1
GType aiopool_worker_state_get_type   (void);

#define AIOPOOL_TYPE_DEATH_POLICY (aiopool_death_policy_get_type ())

AIOPOOL_AVAILABLE_IN_0_1
GType aiopool_death_policy_get_type   (void);

#define AIOPOOL_TYPE_FORMAT (aiopool_format_get_type ())
AIOPOOL_AVAILABLE_IN_0_1
GType aiopool_format_get_type         (void);

#define AIOPOOL_TYPE_SCHEDULING_CLASS (aiopool_scheduling_class_get_type ())
AIOPOOL_AVAILABLE_IN_0_1
GType aiopool_scheduling_class_get_type (void);

#define AIOPOOL_TYPE_SANDBOX (aiopool_sandbox_get_type ())
AIOPOOL_AVAILABLE_IN_0_1
GType aiopool_sandbox_get_type        (void);

#define AIOPOOL_TYPE_SANDBOX_KIND (aiopool_sandbox_kind_get_type ())
AIOPOOL_AVAILABLE_IN_0_1
GType aiopool_sandbox_kind_get_type   (void);

G_END_DECLS
