/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/api/aiopool-executor.h"
#include "aiopool/api/aiopool-future-private.h"
#include "aiopool/api/aiopool-task-private.h"

#include "aiopool/base/aiopool-error.h"

/* Futures that go on from another one.
 *
 * The new future is kept by a link, which is the data of a listener of the one that it waits for:
 * first of the one it was made from, and then, if that has not ended, of the one that the function
 * returned. Everything happens in the context that was thread-default when the new future was made,
 * each step by a letter of its own. So neither the end of a long chain nor its release nests, and
 * what belongs to the caller is dropped there.
 *
 * References go forward only: a future does not hold the one it waits for. It knows it, for a
 * cancel, as long as the link does. */

typedef struct
{
  AiopoolFuture         *next;      /* (owned): the new future */
  AiopoolChainFlags      flags;
  AiopoolFutureChainFunc chain;     /* (nullable): one of the three */
  AiopoolFutureMapFunc   map;       /* (nullable) */
  AiopoolExecutor       *executor;  /* (owned) (nullable) */
  AiopoolTask           *task;      /* (owned) (nullable): with executor */
  gpointer               user_data;
  GDestroyNotify         destroy;   /* (nullable) */
} Link;

static void
link_free (gpointer data)
{
  Link *self = data;

  if (self->destroy != NULL)
    self->destroy (self->user_data);
  g_clear_object (&self->executor);
  g_clear_object (&self->task);
  g_object_unref (self->next);
  g_free (self);
}

static Link *
link_new (AiopoolChainFlags flags)
{
  Link *self = g_new0 (Link, 1);

  self->flags = flags;
  self->next = aiopool_future_new_promised (NULL);
  self->next->extra->needed = g_main_context_ref_thread_default ();
  return self;
}

/* For what comes after the function. */
static Link *
link_rest (Link *self)
{
  Link *rest = g_new0 (Link, 1);

  rest->next = g_object_ref (self->next);
  rest->flags = self->flags;
  rest->executor = self->executor != NULL ? g_object_ref (self->executor) : NULL;
  return rest;
}

static void
set_upstream (AiopoolFuture *self,
              AiopoolFuture *upstream)
{
  aiopool_future_lock (self);
  self->extra->upstream = upstream;
  aiopool_future_unlock (self);
}

/* Takes @error. */
static void
reject (AiopoolFuture *self,
        GError        *error)
{
  AiopoolOutcome outcome = {
    .error = error,
    .ended = g_get_monotonic_time (),
  };

  if (outcome.error == NULL)
    outcome.error = g_error_new_literal (AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_FAILED,
                                         "A function gave neither a result nor an error");
  aiopool_future_settle_promised (self, &outcome, NULL);
}

/* A task of its own has started when that did, or never. */
static void
end_alike (Link          *self,
           AiopoolFuture *ended)
{
  aiopool_future_lock (self->next);
  if (self->executor != NULL && !aiopool_future_has_ended (self->next))
    self->next->started = ended->started;
  aiopool_future_unlock (self->next);
  aiopool_future_settle_alike (self->next, ended);
}

static void
on_followed_ended (AiopoolFuture *ended,
                   gpointer       user_data)
{
  Link *self = user_data;

  set_upstream (self->next, NULL);
  end_alike (self, ended);
}

/* Whether a cancel goes to what @next waits for now: a task of its own is cancelled with it. */
static gboolean
passes_cancel (Link *self)
{
  return self->executor != NULL || (self->flags & AIOPOOL_CHAIN_CANCEL) != 0;
}

/* What came too early, before there was anything to cancel. */
static void
cancel_followed (Link          *self,
                 AiopoolFuture *followed)
{
  if (aiopool_future_has_ended (self->next))
    aiopool_future_cancel (followed, AIOPOOL_CANCEL_FORCE);
  else if (g_cancellable_is_cancelled (self->next->extra->promise))
    aiopool_future_cancel (followed, AIOPOOL_CANCEL_COOPERATIVE);
}

/* The new future ends as @followed does. */
static void
follow (Link          *self,
        AiopoolFuture *followed)
{
  if (passes_cancel (self))
    set_upstream (self->next, followed);
  aiopool_future_listen (followed, self->next->extra->needed, on_followed_ended, link_rest (self),
                         link_free);
  if (passes_cancel (self))
    cancel_followed (self, followed);
}

/* Takes @followed and @error. */
static void
follow_or_reject (Link          *self,
                  AiopoolFuture *followed,
                  GError        *error)
{
  if (followed == NULL || error != NULL)
    reject (self->next, error);
  else if (followed == self->next)
    reject (self->next, g_error_new_literal (AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_FAILED,
                                             "A future cannot wait for itself"));
  else if (aiopool_future_has_ended (followed))
    end_alike (self, followed);
  else
    follow (self, followed);
  g_clear_object (&followed);
}

static void
call_map (Link          *self,
          AiopoolFuture *ended)
{
  GError *error = NULL;
  GVariant *result = self->map (ended, self->user_data, &error);
  g_auto (GValue) value = G_VALUE_INIT;
  AiopoolOutcome outcome = { NULL };

  if (result == NULL || error != NULL)
    {
      g_clear_pointer (&result, g_variant_unref);
      reject (self->next, error);
      return;
    }
  outcome.ended = g_get_monotonic_time ();
  g_value_init (&value, G_TYPE_VARIANT);
  g_value_take_variant (&value, g_variant_take_ref (result));
  aiopool_future_settle_promised (self->next, &outcome, &value);
}

static void
on_submitted (GObject      *object,
              GAsyncResult *result,
              gpointer      user_data)
{
  Link *self = user_data;
  GError *error = NULL;
  AiopoolFuture *future = aiopool_executor_submit_finish (AIOPOOL_EXECUTOR (object), result,
                                                          &error);

  follow_or_reject (self, future, error);
  link_free (self);
}

/* (transfer full) (nullable): with the result as its argument. */
static AiopoolTask *
make_task (Link          *self,
           AiopoolFuture *ended,
           GError       **error)
{
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GVariant) result = NULL;
  AiopoolFormat format;
  AiopoolTask *task;

  bytes = aiopool_future_get_payload (ended, &format, error);
  if (bytes == NULL)
    return NULL;
  task = aiopool_task_new_like (self->task);
  if (format != AIOPOOL_FORMAT_GVARIANT)
    {
      aiopool_task_set_bytes (task, bytes, format);
      return task;
    }
  result = aiopool_future_get_result (ended, error);
  if (g_variant_is_of_type (result, G_VARIANT_TYPE_TUPLE))
    aiopool_task_set_arguments (task, result);
  else
    aiopool_task_set_arguments (task, g_variant_new_tuple (&result, 1));
  return task;
}

static void
submit_next (Link          *self,
             AiopoolFuture *ended)
{
  GError *error = NULL;
  g_autoptr (AiopoolTask) task = make_task (self, ended, &error);

  if (task == NULL)
    reject (self->next, error);
  else
    aiopool_executor_submit_async (self->executor, task, NULL, on_submitted, link_rest (self));
}

/* What goes past the function. */
static gboolean
goes_past (Link          *self,
           AiopoolFuture *ended)
{
  gboolean has_result = aiopool_future_get_error (ended) == NULL;

  return (self->flags & (has_result ? AIOPOOL_CHAIN_ERRORS_ONLY
                                    : AIOPOOL_CHAIN_RESULTS_ONLY)) != 0;
}

static void
go_on (Link          *self,
       AiopoolFuture *ended)
{
  GError *error = NULL;
  AiopoolFuture *followed;

  if (goes_past (self, ended))
    {
      aiopool_future_settle_alike (self->next, ended);
      return;
    }
  if (!aiopool_future_start_promised (self->next)) /* cancelled */
    return;
  if (self->executor != NULL)
    submit_next (self, ended);
  else if (self->map != NULL)
    call_map (self, ended);
  else
    {
      followed = self->chain (ended, self->user_data, &error);
      follow_or_reject (self, followed, error);
    }
}

/* Who iterates the context may not have made it the thread's default; what is started here is to
 * end there all the same. */
static void
on_ended (AiopoolFuture *ended,
          gpointer       user_data)
{
  Link *self = user_data;
  g_autoptr (GMainContext) context = g_main_context_ref (self->next->extra->needed);

  set_upstream (self->next, NULL);
  g_main_context_push_thread_default (context);
  go_on (self, ended);
  g_main_context_pop_thread_default (context);
}

/* Takes @link. */
static AiopoolFuture *
attach (AiopoolFuture *self,
        Link          *link)
{
  AiopoolFuture *next = g_object_ref (link->next);

  if ((link->flags & AIOPOOL_CHAIN_CANCEL) != 0)
    set_upstream (next, self);
  aiopool_future_listen (self, NULL, on_ended, link, link_free);
  return next;
}

/**
 * aiopool_future_chain:
 * @self: a future
 * @flags: from what to go on, and what a cancel does
 * @func: (scope notified) (closure user_data) (destroy destroy): what to call when it has ended
 * @user_data: data for @func
 * @destroy: (nullable): frees @user_data
 *
 * Goes on from this future, when it has ended, with another one.
 *
 * @func is called in the main context that is thread-default now, never before this returns. It
 * looks at the future and returns another one, such as that of the next task; the new future ends
 * as that one does. If the function sets an error, the new future fails with that, and if it gives
 * neither (a function in Python that raised), with %AIOPOOL_TASK_ERROR_FAILED.
 *
 * Unless @flags say otherwise the function is called for a result and for an error alike.
 *
 * The new future is pending until the function is called and running from then on. If it is
 * cancelled before, the function is not called; the future that it waits for is only cancelled too
 * if @flags have %AIOPOOL_CHAIN_CANCEL. Dropping the new future cancels nothing, and the function
 * is called all the same. Since the new future needs this main context, a blocking wait for it in
 * the thread of this context fails with %AIOPOOL_POOL_ERROR_WOULD_BLOCK.
 *
 * Returns: (transfer full): a new future
 *
 * Since: 0.1
 */
AiopoolFuture *
aiopool_future_chain (AiopoolFuture         *self,
                      AiopoolChainFlags      flags,
                      AiopoolFutureChainFunc func,
                      gpointer               user_data,
                      GDestroyNotify         destroy)
{
  Link *link;

  g_return_val_if_fail (AIOPOOL_IS_FUTURE (self), NULL);
  g_return_val_if_fail (func != NULL, NULL);

  link = link_new (flags);
  link->chain = func;
  link->user_data = user_data;
  link->destroy = destroy;
  return attach (self, link);
}

/**
 * aiopool_future_map:
 * @self: a future
 * @flags: from what to go on, and what a cancel does
 * @func: (scope notified) (closure user_data) (destroy destroy): what to call when it has ended
 * @user_data: data for @func
 * @destroy: (nullable): frees @user_data
 *
 * Makes another result of that of this future.
 *
 * This is [method@Aiopool.Future.chain] for a function that has its result at once.
 *
 * Returns: (transfer full): a new future
 *
 * Since: 0.1
 */
AiopoolFuture *
aiopool_future_map (AiopoolFuture        *self,
                    AiopoolChainFlags     flags,
                    AiopoolFutureMapFunc  func,
                    gpointer              user_data,
                    GDestroyNotify        destroy)
{
  Link *link;

  g_return_val_if_fail (AIOPOOL_IS_FUTURE (self), NULL);
  g_return_val_if_fail (func != NULL, NULL);

  link = link_new (flags);
  link->map = func;
  link->user_data = user_data;
  link->destroy = destroy;
  return attach (self, link);
}

/**
 * aiopool_executor_submit_after:
 * @self: an executor
 * @task: what to do; its arguments do not count
 * @after: the future whose result is the argument
 * @flags: what a cancel does; only %AIOPOOL_CHAIN_CANCEL counts
 *
 * Submits a task when a future has ended with a result, which is what the task is called with.
 *
 * A result that is a tuple is the arguments, another one is the only argument, and bytes go on as
 * they are. @task is frozen, and stands for the function and the options.
 *
 * If @after ends with an error, no task is submitted and the new future ends with that error; and
 * if the executor refuses the task, with what [method@Aiopool.Executor.submit_finish] gives. A
 * cancel of the new future cancels the task, and before there is one, @after, if @flags say so.
 *
 * The task is submitted in the main context that is thread-default now; see
 * [method@Aiopool.Future.chain].
 *
 * Returns: (transfer full): a future of the task
 *
 * Since: 0.1
 */
AiopoolFuture *
aiopool_executor_submit_after (AiopoolExecutor  *self,
                               AiopoolTask      *task,
                               AiopoolFuture    *after,
                               AiopoolChainFlags flags)
{
  Link *link;

  g_return_val_if_fail (AIOPOOL_IS_EXECUTOR (self), NULL);
  g_return_val_if_fail (AIOPOOL_IS_TASK (task), NULL);
  g_return_val_if_fail (AIOPOOL_IS_FUTURE (after), NULL);

  aiopool_task_freeze (task);
  link = link_new ((flags & AIOPOOL_CHAIN_CANCEL) | AIOPOOL_CHAIN_RESULTS_ONLY);
  link->executor = g_object_ref (self);
  link->task = g_object_ref (task);
  g_set_object (&link->next->task, task);
  return attach (after, link);
}

static AiopoolFuture *
new_ended (void)
{
  AiopoolFuture *self = aiopool_future_new_promised (NULL);

  aiopool_future_start_promised (self);
  return self;
}

/**
 * aiopool_future_new_for_result:
 * @result: the result
 *
 * Makes a future that has ended with a result.
 *
 * If @result is floating, the future takes it over.
 *
 * Returns: (transfer full): a new future
 *
 * Since: 0.1
 */
AiopoolFuture *
aiopool_future_new_for_result (GVariant *result)
{
  g_auto (GValue) value = G_VALUE_INIT;
  AiopoolOutcome outcome = { NULL };
  AiopoolFuture *self;

  g_return_val_if_fail (result != NULL, NULL);

  self = new_ended ();
  outcome.ended = g_get_monotonic_time ();
  g_value_init (&value, G_TYPE_VARIANT);
  g_value_set_variant (&value, result);
  aiopool_future_settle_promised (self, &outcome, &value);
  return self;
}

/**
 * aiopool_future_new_for_error:
 * @error: why there is no result; %G_IO_ERROR_CANCELLED makes it a cancelled one
 *
 * Makes a future that has ended with an error.
 *
 * Returns: (transfer full): a new future
 *
 * Since: 0.1
 */
AiopoolFuture *
aiopool_future_new_for_error (const GError *error)
{
  AiopoolFuture *self;

  g_return_val_if_fail (error != NULL, NULL);

  self = new_ended ();
  reject (self, g_error_copy (error));
  return self;
}
