/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/base/aiopool-enums.h"

G_DEFINE_ENUM_TYPE (AiopoolFutureState, aiopool_future_state,
                    G_DEFINE_ENUM_VALUE (AIOPOOL_FUTURE_PENDING, "pending"),
                    G_DEFINE_ENUM_VALUE (AIOPOOL_FUTURE_RUNNING, "running"),
                    G_DEFINE_ENUM_VALUE (AIOPOOL_FUTURE_DONE, "done"),
                    G_DEFINE_ENUM_VALUE (AIOPOOL_FUTURE_FAILED, "failed"),
                    G_DEFINE_ENUM_VALUE (AIOPOOL_FUTURE_CANCELLED, "cancelled"))

G_DEFINE_ENUM_TYPE (AiopoolCancelMode, aiopool_cancel_mode,
                    G_DEFINE_ENUM_VALUE (AIOPOOL_CANCEL_PENDING, "pending"),
                    G_DEFINE_ENUM_VALUE (AIOPOOL_CANCEL_COOPERATIVE, "cooperative"),
                    G_DEFINE_ENUM_VALUE (AIOPOOL_CANCEL_FORCE, "force"))

G_DEFINE_ENUM_TYPE (AiopoolWaitMode, aiopool_wait_mode,
                    G_DEFINE_ENUM_VALUE (AIOPOOL_WAIT_ALL, "all"),
                    G_DEFINE_ENUM_VALUE (AIOPOOL_WAIT_ANY, "any"),
                    G_DEFINE_ENUM_VALUE (AIOPOOL_WAIT_FIRST_ERROR, "first-error"))

G_DEFINE_FLAGS_TYPE (AiopoolChainFlags, aiopool_chain_flags,
                     G_DEFINE_ENUM_VALUE (AIOPOOL_CHAIN_NONE, "none"),
                     G_DEFINE_ENUM_VALUE (AIOPOOL_CHAIN_RESULTS_ONLY, "results-only"),
                     G_DEFINE_ENUM_VALUE (AIOPOOL_CHAIN_ERRORS_ONLY, "errors-only"),
                     G_DEFINE_ENUM_VALUE (AIOPOOL_CHAIN_CANCEL, "cancel"))

G_DEFINE_FLAGS_TYPE (AiopoolShutdownFlags, aiopool_shutdown_flags,
                     G_DEFINE_ENUM_VALUE (AIOPOOL_SHUTDOWN_DRAIN, "drain"),
                     G_DEFINE_ENUM_VALUE (AIOPOOL_SHUTDOWN_CANCEL_PENDING, "cancel-pending"),
                     G_DEFINE_ENUM_VALUE (AIOPOOL_SHUTDOWN_TERMINATE, "terminate"))

G_DEFINE_ENUM_TYPE (AiopoolWorkerState, aiopool_worker_state,
                    G_DEFINE_ENUM_VALUE (AIOPOOL_WORKER_STARTING, "starting"),
                    G_DEFINE_ENUM_VALUE (AIOPOOL_WORKER_IDLE, "idle"),
                    G_DEFINE_ENUM_VALUE (AIOPOOL_WORKER_BUSY, "busy"),
                    G_DEFINE_ENUM_VALUE (AIOPOOL_WORKER_CLOSING, "closing"),
                    G_DEFINE_ENUM_VALUE (AIOPOOL_WORKER_DEAD, "dead"))

G_DEFINE_ENUM_TYPE (AiopoolDeathPolicy, aiopool_death_policy,
                    G_DEFINE_ENUM_VALUE (AIOPOOL_DEATH_ISOLATE, "isolate"),
                    G_DEFINE_ENUM_VALUE (AIOPOOL_DEATH_BREAK, "break"))

G_DEFINE_ENUM_TYPE (AiopoolFormat, aiopool_format,
                    G_DEFINE_ENUM_VALUE (AIOPOOL_FORMAT_GVARIANT, "gvariant"),
                    G_DEFINE_ENUM_VALUE (AIOPOOL_FORMAT_RAW, "raw"),
                    G_DEFINE_ENUM_VALUE (AIOPOOL_FORMAT_JSON, "json"),
                    G_DEFINE_ENUM_VALUE (AIOPOOL_FORMAT_PICKLE, "pickle"))

G_DEFINE_ENUM_TYPE (AiopoolSchedulingClass, aiopool_scheduling_class,
                    G_DEFINE_ENUM_VALUE (AIOPOOL_SCHEDULING_CLASS_INHERIT, "inherit"),
                    G_DEFINE_ENUM_VALUE (AIOPOOL_SCHEDULING_CLASS_NORMAL, "normal"),
                    G_DEFINE_ENUM_VALUE (AIOPOOL_SCHEDULING_CLASS_BATCH, "batch"),
                    G_DEFINE_ENUM_VALUE (AIOPOOL_SCHEDULING_CLASS_IDLE, "idle"))

G_DEFINE_ENUM_TYPE (AiopoolSandbox, aiopool_sandbox,
                    G_DEFINE_ENUM_VALUE (AIOPOOL_SANDBOX_NONE, "none"),
                    G_DEFINE_ENUM_VALUE (AIOPOOL_SANDBOX_PREFER, "prefer"),
                    G_DEFINE_ENUM_VALUE (AIOPOOL_SANDBOX_REQUIRE, "require"))

G_DEFINE_ENUM_TYPE (AiopoolSandboxKind, aiopool_sandbox_kind,
                    G_DEFINE_ENUM_VALUE (AIOPOOL_SANDBOX_KIND_NONE, "none"),
                    G_DEFINE_ENUM_VALUE (AIOPOOL_SANDBOX_KIND_BUBBLEWRAP, "bubblewrap"),
                    G_DEFINE_ENUM_VALUE (AIOPOOL_SANDBOX_KIND_FLATPAK, "flatpak"))
