/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/api/aiopool-future.h"

G_BEGIN_DECLS

#define AIOPOOL_TYPE_EXECUTOR (aiopool_executor_get_type ())
AIOPOOL_AVAILABLE_IN_0_1
G_DECLARE_DERIVABLE_TYPE (AiopoolExecutor, aiopool_executor, AIOPOOL, EXECUTOR, GObject)

/**
 * AiopoolExecutorClass:
 * @parent_class: the parent class
 * @submit: takes a task and answers at once with its future
 * @begin_shutdown: stops taking tasks; the future that it returns ends when everything has ended
 * @get_n_pending: number of tasks that have not started
 * @get_n_running: number of tasks that are running
 * @check: whether tasks are taken; (nullable): yes, until a submit says otherwise
 * @begin_join: lets workers go when every task has ended; the future that it returns ends then
 * @begin_test: tries out the configuration; the future that it returns ends with what came of that
 *
 * What a subclass implements. Everything else of [class@Aiopool.Executor] stands on these.
 *
 * Since: 0.1
 */
struct _AiopoolExecutorClass
{
  GObjectClass parent_class;

  AiopoolFuture *(*submit)         (AiopoolExecutor     *self,
                                    AiopoolTask         *task,
                                    GCancellable        *cancellable,
                                    GError             **error);
  /**
   * AiopoolExecutorClass::begin_shutdown:
   * @self: an executor
   * @flags: what to do with unfinished tasks
   *
   * Stops taking tasks, for [method@Aiopool.Executor.shutdown].
   *
   * May be called several times, with harder flags too, and from any thread.
   *
   * Returns: (transfer full) (nullable): a future that ends, with any #GVariant, when everything
   *   has ended; %NULL if the executor cannot be shut down
   *
   * Since: 0.1
   */
  AiopoolFuture *(*begin_shutdown) (AiopoolExecutor     *self,
                                    AiopoolShutdownFlags flags);
  guint          (*get_n_pending)  (AiopoolExecutor     *self);
  guint          (*get_n_running)  (AiopoolExecutor     *self);
  gboolean       (*check)          (AiopoolExecutor     *self,
                                    GError             **error);
  /**
   * AiopoolExecutorClass::begin_join:
   * @self: an executor
   *
   * Lets workers go when every task has ended, for [method@Aiopool.Executor.join].
   *
   * May be called several times, and from any thread.
   *
   * Returns: (transfer full) (nullable): a future that ends, with any #GVariant, when there is no
   *   task left and no worker; %NULL if the executor cannot be joined
   *
   * Since: 0.1
   */
  AiopoolFuture *(*begin_join)     (AiopoolExecutor     *self);
  /**
   * AiopoolExecutorClass::begin_test:
   * @self: an executor
   *
   * Tries out the configuration, for [method@Aiopool.Executor.test].
   *
   * Returns: (transfer full) (nullable): a future that ends with any #GVariant or with what went
   *   wrong; %NULL if the executor cannot be tested
   *
   * Since: 0.1
   */
  AiopoolFuture *(*begin_test)     (AiopoolExecutor     *self);

  /*< private >*/
  gpointer padding[9];
};

AIOPOOL_AVAILABLE_IN_0_1
AiopoolFuture *aiopool_executor_submit          (AiopoolExecutor     *self,
                                                 AiopoolTask         *task,
                                                 GCancellable        *cancellable,
                                                 GError             **error);
AIOPOOL_AVAILABLE_IN_0_1
void           aiopool_executor_submit_async    (AiopoolExecutor     *self,
                                                 AiopoolTask         *task,
                                                 GCancellable        *cancellable,
                                                 GAsyncReadyCallback  callback,
                                                 gpointer             user_data);
AIOPOOL_AVAILABLE_IN_0_1
AiopoolFuture *aiopool_executor_submit_finish   (AiopoolExecutor     *self,
                                                 GAsyncResult        *result,
                                                 GError             **error);
AIOPOOL_AVAILABLE_IN_0_1
AiopoolFuture *aiopool_executor_submit_after    (AiopoolExecutor     *self,
                                                 AiopoolTask         *task,
                                                 AiopoolFuture       *after,
                                                 AiopoolChainFlags    flags);
AIOPOOL_AVAILABLE_IN_0_1
GVariant      *aiopool_executor_run             (AiopoolExecutor     *self,
                                                 AiopoolTask         *task,
                                                 GCancellable        *cancellable,
                                                 GError             **error);
AIOPOOL_AVAILABLE_IN_0_1
void           aiopool_executor_run_async       (AiopoolExecutor     *self,
                                                 AiopoolTask         *task,
                                                 GCancellable        *cancellable,
                                                 GAsyncReadyCallback  callback,
                                                 gpointer             user_data);
AIOPOOL_AVAILABLE_IN_0_1
GVariant      *aiopool_executor_run_finish      (AiopoolExecutor     *self,
                                                 GAsyncResult        *result,
                                                 GError             **error);
AIOPOOL_AVAILABLE_IN_0_1
void           aiopool_executor_run_task        (AiopoolExecutor     *self,
                                                 AiopoolTask         *task,
                                                 GTask               *completion);
AIOPOOL_AVAILABLE_IN_0_1
gboolean       aiopool_executor_shutdown        (AiopoolExecutor     *self,
                                                 AiopoolShutdownFlags flags,
                                                 GCancellable        *cancellable,
                                                 GError             **error);
AIOPOOL_AVAILABLE_IN_0_1
void           aiopool_executor_shutdown_async  (AiopoolExecutor     *self,
                                                 AiopoolShutdownFlags flags,
                                                 GCancellable        *cancellable,
                                                 GAsyncReadyCallback  callback,
                                                 gpointer             user_data);
AIOPOOL_AVAILABLE_IN_0_1
gboolean       aiopool_executor_shutdown_finish (AiopoolExecutor     *self,
                                                 GAsyncResult        *result,
                                                 GError             **error);
AIOPOOL_AVAILABLE_IN_0_1
gboolean       aiopool_executor_join            (AiopoolExecutor     *self,
                                                 GCancellable        *cancellable,
                                                 GError             **error);

AIOPOOL_AVAILABLE_IN_0_1
void           aiopool_executor_join_async      (AiopoolExecutor     *self,
                                                 GCancellable        *cancellable,
                                                 GAsyncReadyCallback  callback,
                                                 gpointer             user_data);

AIOPOOL_AVAILABLE_IN_0_1
gboolean       aiopool_executor_join_finish     (AiopoolExecutor     *self,
                                                 GAsyncResult        *result,
                                                 GError             **error);

AIOPOOL_AVAILABLE_IN_0_1
gboolean       aiopool_executor_check           (AiopoolExecutor     *self,
                                                 GError             **error);

AIOPOOL_AVAILABLE_IN_0_1
gboolean       aiopool_executor_test            (AiopoolExecutor     *self,
                                                 GCancellable        *cancellable,
                                                 GError             **error);

AIOPOOL_AVAILABLE_IN_0_1
void           aiopool_executor_test_async      (AiopoolExecutor     *self,
                                                 GCancellable        *cancellable,
                                                 GAsyncReadyCallback  callback,
                                                 gpointer             user_data);

AIOPOOL_AVAILABLE_IN_0_1
gboolean       aiopool_executor_test_finish     (AiopoolExecutor     *self,
                                                 GAsyncResult        *result,
                                                 GError             **error);

AIOPOOL_AVAILABLE_IN_0_1
void           aiopool_executor_notify_room     (AiopoolExecutor     *self);
AIOPOOL_AVAILABLE_IN_0_1
guint          aiopool_executor_get_n_pending   (AiopoolExecutor     *self);
AIOPOOL_AVAILABLE_IN_0_1
guint          aiopool_executor_get_n_running   (AiopoolExecutor     *self);

G_END_DECLS
