/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/api/aiopool-future-private.h"

#include "aiopool/api/aiopool-task-private.h"
#include "aiopool/base/aiopool-error.h"

#include <string.h>

/**
 * AiopoolFuture:
 *
 * What will come of a task.
 *
 * A future is made by [method@Aiopool.Executor.submit] and ends exactly once: with a result, with
 * an error, or cancelled. There are several ways to learn of it: a callback
 * ([method@Aiopool.Future.add_done_callback]) or the signal [signal@Aiopool.Future::done], an
 * asynchronous call ([method@Aiopool.Future.collect_async]), or a wait
 * ([method@Aiopool.Future.wait], [method@Aiopool.Future.collect]), which blocks the thread and
 * iterates no main context.
 *
 * All methods may be called from any thread. Signals and property notifications are emitted in the
 * main context that was thread-default when the task was submitted.
 *
 * Dropping a future does not cancel its task.
 *
 * Since: 0.1
 */

#define MAX_NAME     4096              /* bytes of a function's name, as in the protocol */
#define MAX_KEYWORDS (4 * 1024 * 1024) /* bytes, serialised: so much fits into a frame with room */

enum
{
  PROP_0,
  PROP_STATE,
  PROP_TASK,
  PROP_PROGRESS,
  PROP_MESSAGE,
  N_PROPS
};

static GParamSpec *properties[N_PROPS];

G_DEFINE_FINAL_TYPE (AiopoolFuture, aiopool_future, G_TYPE_OBJECT)

static void
aiopool_future_finalize (GObject *object)
{
  AiopoolFuture *self = AIOPOOL_FUTURE (object);

  g_clear_pointer (&self->payload, aiopool_payload_unref);
  g_clear_pointer (&self->extra, aiopool_future_free_extra);
  g_clear_pointer (&self->home, aiopool_mailbox_unref);
  g_clear_pointer (&self->job.scheduler, aiopool_scheduler_unref);
  g_clear_object (&self->task);
  G_OBJECT_CLASS (aiopool_future_parent_class)->finalize (object);
}

static void
aiopool_future_get_property (GObject    *object,
                             guint       id,
                             GValue     *value,
                             GParamSpec *pspec)
{
  AiopoolFuture *self = AIOPOOL_FUTURE (object);

  switch (id)
    {
    case PROP_STATE:
      g_value_set_enum (value, (int) aiopool_future_get_state (self));
      break;
    case PROP_TASK:
      g_value_set_object (value, self->task);
      break;
    case PROP_PROGRESS:
      g_value_set_double (value, aiopool_future_get_progress (self));
      break;
    case PROP_MESSAGE:
      g_value_take_string (value, aiopool_future_dup_message (self));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
aiopool_future_class_init (AiopoolFutureClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->finalize = aiopool_future_finalize;
  object_class->get_property = aiopool_future_get_property;

  /**
   * AiopoolFuture:state:
   *
   * What has become of the task. Notified when it has ended, not when it starts.
   *
   * Since: 0.1
   */
  properties[PROP_STATE] =
    g_param_spec_enum ("state", NULL, NULL, AIOPOOL_TYPE_FUTURE_STATE, AIOPOOL_FUTURE_PENDING,
                       G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  /**
   * AiopoolFuture:task:
   *
   * The task.
   *
   * Since: 0.1
   */
  properties[PROP_TASK] =
    g_param_spec_object ("task", NULL, NULL, AIOPOOL_TYPE_TASK,
                         G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  /**
   * AiopoolFuture:progress:
   *
   * How much of the task is done, from 0 to 1, as the task reports it.
   *
   * Since: 0.1
   */
  properties[PROP_PROGRESS] =
    g_param_spec_double ("progress", NULL, NULL, 0, 1, 0,
                         G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  /**
   * AiopoolFuture:message:
   *
   * What the task says that it is doing.
   *
   * Since: 0.1
   */
  properties[PROP_MESSAGE] = g_param_spec_string ("message", NULL, NULL, NULL,
                                                  G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  g_object_class_install_properties (object_class, N_PROPS, properties);
  aiopool_future_install_signals ();
}

void
aiopool_future_notify_state (AiopoolFuture *self)
{
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_STATE]);
}

static void
aiopool_future_init (AiopoolFuture *self)
{
}

static AiopoolFuture *
future_new (AiopoolTask    *task,
            AiopoolMailbox *home)
{
  AiopoolFuture *self = g_object_new (AIOPOOL_TYPE_FUTURE, NULL);

  self->task = task != NULL ? g_object_ref (task) : NULL;
  self->home = aiopool_mailbox_ref (home);
  self->job.klass = &aiopool_future_job_class;
  self->job.holds = 1;
  return self;
}

/* What a frame could not carry. */
gboolean
aiopool_future_check_spec (const AiopoolSpec  *spec,
                           GError            **error)
{
  gsize length = spec->function != NULL ? strlen (spec->function) : 0;
  GVariant *keywords = spec->options->keywords;

  if (length == 0 || length > MAX_NAME)
    g_set_error (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_UNKNOWN_FUNCTION,
                 "The name of a function has from 1 to %d bytes, this one %zu", MAX_NAME, length);
  else if (keywords != NULL && g_variant_get_size (keywords) > MAX_KEYWORDS)
    g_set_error (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_TOO_LARGE,
                 "The keywords have %zu bytes; the limit is %d", g_variant_get_size (keywords),
                 MAX_KEYWORDS);
  else
    return TRUE;
  return FALSE;
}

/* What a pool does to submit. */
AiopoolFuture *
aiopool_future_submit (AiopoolScheduler  *scheduler,
                       AiopoolTask       *task,
                       GCancellable      *cancellable,
                       GError           **error)
{
  AiopoolMailbox *home = aiopool_mailbox_get_home ();
  AiopoolFuture *self;

  if (g_cancellable_set_error_if_cancelled (cancellable, error) ||
      !aiopool_future_check_spec (aiopool_task_freeze (task), error))
    return NULL;
  aiopool_mailbox_sweep (home);
  self = future_new (task, home);
  aiopool_scheduler_ref (scheduler);
  aiopool_scheduler_read_in (scheduler, aiopool_mailbox_get_context (home));
  g_object_ref (self);
  if (!aiopool_scheduler_submit (scheduler, &self->job, aiopool_task_freeze (task), error))
    {
      if (self->job.scheduler == NULL)
        aiopool_scheduler_unref (scheduler);
      g_object_unref (self);
      g_object_unref (self);
      return NULL;
    }
  if (cancellable != NULL)
    aiopool_future_follow_cancellable (self, cancellable);
  return self;
}

/* For a promise. One reference more than the caller's is given back when the end is delivered. */
AiopoolFuture *
aiopool_future_new_promised (AiopoolTask *task)
{
  AiopoolFuture *self = future_new (task, aiopool_mailbox_get_home ());

  self->job.submitted = g_get_monotonic_time ();
  aiopool_future_get_extra (self)->promise = g_cancellable_new ();
  return g_object_ref (self);
}

/* For what has ended before anybody asked for a future. Takes what @outcome owns. */
AiopoolFuture *
aiopool_future_new_ended (AiopoolTask    *task,
                          AiopoolMailbox *home,
                          gint64          submitted,
                          AiopoolOutcome *outcome)
{
  AiopoolFuture *self = future_new (task, home);

  self->job.submitted = submitted;
  aiopool_future_end_at_birth (self, outcome);
  return self;
}

/* Nobody but the caller has a future that comes from a scheduler: it emits nothing and wakes nobody
 * but listeners. */
void
aiopool_future_make_private (AiopoolFuture *self)
{
  aiopool_future_lock (self);
  self->is_private = self->job.scheduler != NULL;
  aiopool_future_unlock (self);
}

/**
 * aiopool_future_is_done:
 * @self: a future
 *
 * Whether the future has ended, in whatever way.
 *
 * Returns: %TRUE if it has
 *
 * Since: 0.1
 */
gboolean
aiopool_future_is_done (AiopoolFuture *self)
{
  g_return_val_if_fail (AIOPOOL_IS_FUTURE (self), FALSE);

  return aiopool_future_has_ended (self);
}

/**
 * aiopool_future_get_task:
 * @self: a future
 *
 * Gets the task.
 *
 * Returns: (transfer none) (nullable): the task; a promise may have none
 *
 * Since: 0.1
 */
AiopoolTask *
aiopool_future_get_task (AiopoolFuture *self)
{
  g_return_val_if_fail (AIOPOOL_IS_FUTURE (self), NULL);

  return self->task;
}

/**
 * aiopool_future_get_progress:
 * @self: a future
 *
 * Gets how much of the task is done, as it last reported.
 *
 * Returns: from 0 to 1; 0 before the first report
 *
 * Since: 0.1
 */
double
aiopool_future_get_progress (AiopoolFuture *self)
{
  double progress = 0;

  g_return_val_if_fail (AIOPOOL_IS_FUTURE (self), 0);

  aiopool_future_lock (self);
  if (self->extra != NULL)
    progress = self->extra->progress;
  aiopool_future_unlock (self);
  return progress;
}

/**
 * aiopool_future_dup_message:
 * @self: a future
 *
 * Gets what the task last said that it is doing.
 *
 * Returns: (transfer full) (nullable): the message
 *
 * Since: 0.1
 */
char *
aiopool_future_dup_message (AiopoolFuture *self)
{
  char *message = NULL;

  g_return_val_if_fail (AIOPOOL_IS_FUTURE (self), NULL);

  aiopool_future_lock (self);
  if (self->extra != NULL)
    message = g_strdup (self->extra->message);
  aiopool_future_unlock (self);
  return message;
}

static GQuark
get_position_quark (void)
{
  static gsize quark;

  if (g_once_init_enter (&quark))
    g_once_init_leave (&quark, g_quark_from_static_string ("aiopool-position"));
  return (GQuark) quark;
}

/* It is that of an item of a batch, from now on. */
void
aiopool_future_set_position (AiopoolFuture *self,
                             guint64        position)
{
  g_object_set_qdata (G_OBJECT (self), get_position_quark (), GSIZE_TO_POINTER (position + 1));
}

/**
 * aiopool_future_get_position:
 * @self: a future
 *
 * Gets the position of the item among those of its [class@Aiopool.Batch], in the order of their
 * source.
 *
 * Returns: a position, from 0 on, and 4294967295 for all that are beyond; -1 as an unsigned number
 *   (%G_MAXUINT) too if the future is not of a batch
 *
 * Since: 0.1
 */
guint
aiopool_future_get_position (AiopoolFuture *self)
{
  gsize position;

  g_return_val_if_fail (AIOPOOL_IS_FUTURE (self), G_MAXUINT);

  position = GPOINTER_TO_SIZE (g_object_get_qdata (G_OBJECT (self), get_position_quark ()));
  return (guint) MIN (position - 1, G_MAXUINT);
}

/**
 * aiopool_future_add_done_callback:
 * @self: a future
 * @callback: (scope notified) (closure user_data) (destroy destroy): what to call
 * @user_data: data for @callback
 * @destroy: (nullable): frees @user_data
 *
 * Has a function called when the future has ended.
 *
 * It is called in the main context that is thread-default now, never before this returns, also if
 * the future has ended already. Callbacks that were added in one context are called in the order of
 * their addition.
 *
 * Returns: an id for [method@Aiopool.Future.remove_done_callback]
 *
 * Since: 0.1
 */
guint
aiopool_future_add_done_callback (AiopoolFuture        *self,
                                  AiopoolFutureCallback callback,
                                  gpointer              user_data,
                                  GDestroyNotify        destroy)
{
  g_return_val_if_fail (AIOPOOL_IS_FUTURE (self), 0);
  g_return_val_if_fail (callback != NULL, 0);

  return aiopool_future_listen (self, NULL, callback, user_data, destroy);
}

/**
 * aiopool_future_remove_done_callback:
 * @self: a future
 * @id: what [method@Aiopool.Future.add_done_callback] returned
 *
 * Has a function not called after all.
 *
 * Its data is freed in the calling thread.
 *
 * Returns: %FALSE if it was called, or is being called
 *
 * Since: 0.1
 */
gboolean
aiopool_future_remove_done_callback (AiopoolFuture *self,
                                     guint          id)
{
  g_return_val_if_fail (AIOPOOL_IS_FUTURE (self), FALSE);

  return aiopool_future_unlisten (self, id);
}
