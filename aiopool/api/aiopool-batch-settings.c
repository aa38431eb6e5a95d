/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/api/aiopool-batch-private.h"

#include "aiopool/api/aiopool-task-private.h"

/* The properties of a batch. Its options are written only while it is new, by one thread. */

enum
{
  PROP_0,
  PROP_EXECUTOR,
  PROP_TASK,
  PROP_SOURCE,
  PROP_UNPACK,
  PROP_ORDERED,
  PROP_EAGER,
  PROP_WINDOW,
  PROP_BACKLOG,
  PROP_CHUNK_SIZE,
  PROP_TIMEOUT,
  PROP_STOP_ON_ERROR,
  PROP_STATE,
  PROP_N_DONE,
  PROP_N_FAILED,
  PROP_N_RUNNING,
  PROP_N_TOTAL,
  PROP_PROGRESS,
  N_PROPS
};

static GParamSpec *properties[N_PROPS];

static gboolean
is_new (AiopoolBatch *self)
{
  return aiopool_batch_get_state (self) == AIOPOOL_FUTURE_PENDING;
}

static void
get_count_property (AiopoolBatch *self,
                    guint         id,
                    GValue       *value,
                    GParamSpec   *pspec)
{
  switch (id)
    {
    case PROP_STATE:
      g_value_set_enum (value, (int) aiopool_batch_get_state (self));
      break;
    case PROP_N_DONE:
      g_value_set_uint (value, aiopool_batch_get_n_done (self));
      break;
    case PROP_N_FAILED:
      g_value_set_uint (value, aiopool_batch_get_n_failed (self));
      break;
    case PROP_N_RUNNING:
      g_value_set_uint (value, aiopool_batch_get_n_running (self));
      break;
    case PROP_N_TOTAL:
      g_value_set_int (value, aiopool_batch_get_n_total (self));
      break;
    case PROP_PROGRESS:
      g_value_set_double (value, aiopool_batch_get_progress (self));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (self, id, pspec);
    }
}

static void
aiopool_batch_get_property (GObject    *object,
                            guint       id,
                            GValue     *value,
                            GParamSpec *pspec)
{
  AiopoolBatch *self = AIOPOOL_BATCH (object);
  AiopoolBatchCore *core = aiopool_batch_get_core (self);

  switch (id)
    {
    case PROP_EXECUTOR:
      g_value_set_object (value, core->executor);
      break;
    case PROP_TASK:
      g_value_set_object (value, core->task);
      break;
    case PROP_SOURCE:
      g_value_set_object (value, core->source);
      break;
    case PROP_UNPACK:
      g_value_set_boolean (value, core->is_unpacked);
      break;
    case PROP_ORDERED:
      g_value_set_boolean (value, core->is_ordered);
      break;
    case PROP_EAGER:
      g_value_set_boolean (value, core->is_eager);
      break;
    case PROP_WINDOW:
      g_value_set_uint (value, core->window);
      break;
    case PROP_BACKLOG:
      g_value_set_uint (value, core->backlog);
      break;
    case PROP_CHUNK_SIZE:
      g_value_set_uint (value, core->chunk_size);
      break;
    case PROP_TIMEOUT:
      g_value_set_double (value, core->timeout);
      break;
    case PROP_STOP_ON_ERROR:
      g_value_set_boolean (value, core->stops_on_error);
      break;
    default:
      get_count_property (self, id, value, pspec);
    }
}

static void
aiopool_batch_set_property (GObject      *object,
                            guint         id,
                            const GValue *value,
                            GParamSpec   *pspec)
{
  AiopoolBatch *self = AIOPOOL_BATCH (object);
  AiopoolBatchCore *core = aiopool_batch_get_core (self);

  switch (id)
    {
    case PROP_EXECUTOR:
      core->executor = g_value_dup_object (value);
      break;
    case PROP_TASK:
      core->task = g_value_dup_object (value);
      if (core->task != NULL)
        aiopool_task_freeze (core->task);
      break;
    case PROP_SOURCE:
      core->source = g_value_dup_object (value);
      break;
    case PROP_UNPACK:
      aiopool_batch_set_unpack (self, g_value_get_boolean (value));
      break;
    case PROP_ORDERED:
      aiopool_batch_set_ordered (self, g_value_get_boolean (value));
      break;
    case PROP_EAGER:
      aiopool_batch_set_eager (self, g_value_get_boolean (value));
      break;
    case PROP_WINDOW:
      aiopool_batch_set_window (self, g_value_get_uint (value));
      break;
    case PROP_BACKLOG:
      aiopool_batch_set_backlog (self, g_value_get_uint (value));
      break;
    case PROP_CHUNK_SIZE:
      aiopool_batch_set_chunk_size (self, g_value_get_uint (value));
      break;
    case PROP_TIMEOUT:
      aiopool_batch_set_timeout (self, g_value_get_double (value));
      break;
    case PROP_STOP_ON_ERROR:
      aiopool_batch_set_stop_on_error (self, g_value_get_boolean (value));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

#define GIVEN (G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS)
#define SETTABLE (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY)
#define READABLE (G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)

static void
install_given (void)
{
  /**
   * AiopoolBatch:executor:
   *
   * Who runs the items. May be set only when the batch is made.
   *
   * Since: 0.1
   */
  properties[PROP_EXECUTOR] = g_param_spec_object ("executor", NULL, NULL, AIOPOOL_TYPE_EXECUTOR,
                                                   GIVEN);

  /**
   * AiopoolBatch:task:
   *
   * Which function, with which keywords and options. May be set only when the batch is made.
   *
   * Since: 0.1
   */
  properties[PROP_TASK] = g_param_spec_object ("task", NULL, NULL, AIOPOOL_TYPE_TASK, GIVEN);

  /**
   * AiopoolBatch:source:
   *
   * Where the items come from. May be set only when the batch is made.
   *
   * Since: 0.1
   */
  properties[PROP_SOURCE] = g_param_spec_object ("source", NULL, NULL, AIOPOOL_TYPE_SOURCE, GIVEN);
}

static void
install_options (void)
{
  /**
   * AiopoolBatch:unpack:
   *
   * Whether each item, a tuple, is the arguments of the function, and not its one argument.
   *
   * May be set only while the batch is new.
   *
   * Since: 0.1
   */
  properties[PROP_UNPACK] = g_param_spec_boolean ("unpack", NULL, NULL, FALSE, SETTABLE);

  /**
   * AiopoolBatch:ordered:
   *
   * Whether items are told in the order of the source, and not as they end.
   *
   * May be set only while the batch is new.
   *
   * Since: 0.1
   */
  properties[PROP_ORDERED] = g_param_spec_boolean ("ordered", NULL, NULL, TRUE, SETTABLE);

  /**
   * AiopoolBatch:eager:
   *
   * Whether everything is taken from the source and submitted at the start.
   *
   * May be set only while the batch is new. Not for an endless source.
   *
   * Since: 0.1
   */
  properties[PROP_EAGER] = g_param_spec_boolean ("eager", NULL, NULL, FALSE, SETTABLE);

  /**
   * AiopoolBatch:window:
   *
   * How many tasks, each an item or a chunk of them, may be under way; 0 for twice as many as the
   * pool has workers at most, or as there are processors if the executor is no pool.
   *
   * May be set only while the batch is new.
   *
   * Since: 0.1
   */
  properties[PROP_WINDOW] = g_param_spec_uint ("window", NULL, NULL, 0, G_MAXUINT, 0, SETTABLE);

  /**
   * AiopoolBatch:backlog:
   *
   * About how many ended items may wait to be read before no more are taken from the source; 0 for
   * as many as fit into the window, or for no limit if the batch was started with
   * [method@Aiopool.Batch.start].
   *
   * Those that ended before their turn, in a batch that is ordered, count too.
   * [method@Aiopool.Batch.wait] and [method@Aiopool.Batch.collect_all] lift this limit, and in a
   * batch that is eager there is none.
   *
   * May be set only while the batch is new.
   *
   * Since: 0.1
   */
  properties[PROP_BACKLOG] = g_param_spec_uint ("backlog", NULL, NULL, 0, G_MAXUINT, 0, SETTABLE);

  /**
   * AiopoolBatch:chunk-size:
   *
   * How many items are sent to a worker together, from 1 to 65536; 0 has that chosen from the run
   * times measured so far: about 5 ms of work.
   *
   * A chunk that waits behind others, or that a worker is still busy with, is taken apart when
   * another worker is free. Only pools take chunks.
   *
   * May be set only while the batch is new.
   *
   * Since: 0.1
   */
  properties[PROP_CHUNK_SIZE] = g_param_spec_uint ("chunk-size", NULL, NULL, 0,
                                                   AIOPOOL_MAX_CHUNK_SIZE, 1, SETTABLE);

  /**
   * AiopoolBatch:timeout:
   *
   * How many seconds the batch may take from its start; 0 for no limit.
   *
   * After that the rest is cancelled by force, and the batch ends with %G_IO_ERROR_TIMED_OUT. The
   * timeout of one item is that of the [property@Aiopool.Batch:task].
   *
   * May be set only while the batch is new.
   *
   * Since: 0.1
   */
  properties[PROP_TIMEOUT] = g_param_spec_double ("timeout", NULL, NULL, 0, G_MAXDOUBLE, 0,
                                                  SETTABLE);

  /**
   * AiopoolBatch:stop-on-error:
   *
   * Whether the first item that fails ends the batch with its error.
   *
   * The rest is cancelled as with %AIOPOOL_CANCEL_COOPERATIVE. May be set only while the batch is
   * new.
   *
   * Since: 0.1
   */
  properties[PROP_STOP_ON_ERROR] = g_param_spec_boolean ("stop-on-error", NULL, NULL, FALSE,
                                                         SETTABLE);
}

static void
install_counts (void)
{
  /**
   * AiopoolBatch:state:
   *
   * What has become of the batch. Notified in its home context.
   *
   * Since: 0.1
   */
  properties[PROP_STATE] =
    g_param_spec_enum ("state", NULL, NULL, AIOPOOL_TYPE_FUTURE_STATE, AIOPOOL_FUTURE_PENDING,
                       READABLE);

  /**
   * AiopoolBatch:n-done:
   *
   * How many items have ended. Notified in the home context, at most 20 times a second.
   *
   * Since: 0.1
   */
  properties[PROP_N_DONE] = g_param_spec_uint ("n-done", NULL, NULL, 0, G_MAXUINT, 0, READABLE);

  /**
   * AiopoolBatch:n-failed:
   *
   * How many items have ended without a result. Notified as [property@Aiopool.Batch:n-done].
   *
   * Since: 0.1
   */
  properties[PROP_N_FAILED] = g_param_spec_uint ("n-failed", NULL, NULL, 0, G_MAXUINT, 0,
                                                 READABLE);

  /**
   * AiopoolBatch:n-running:
   *
   * How many items are under way. Notified as [property@Aiopool.Batch:n-done].
   *
   * Since: 0.1
   */
  properties[PROP_N_RUNNING] = g_param_spec_uint ("n-running", NULL, NULL, 0, G_MAXUINT, 0,
                                                  READABLE);

  /**
   * AiopoolBatch:n-total:
   *
   * How many items there are, -1 if that is not known. Not notified.
   *
   * Since: 0.1
   */
  properties[PROP_N_TOTAL] = g_param_spec_int ("n-total", NULL, NULL, -1, G_MAXINT, -1, READABLE);

  /**
   * AiopoolBatch:progress:
   *
   * Which part of the items has ended, from 0 to 1. Notified as [property@Aiopool.Batch:n-done].
   *
   * Since: 0.1
   */
  properties[PROP_PROGRESS] = g_param_spec_double ("progress", NULL, NULL, 0, 1, 0, READABLE);
}

void
aiopool_batch_install_properties (GObjectClass *object_class)
{
  object_class->get_property = aiopool_batch_get_property;
  object_class->set_property = aiopool_batch_set_property;
  install_given ();
  install_options ();
  install_counts ();
  g_object_class_install_properties (object_class, N_PROPS, properties);
}

/**
 * aiopool_batch_get_executor:
 * @self: a batch
 *
 * Gets who runs the items.
 *
 * Returns: (transfer none): the executor
 *
 * Since: 0.1
 */
AiopoolExecutor *
aiopool_batch_get_executor (AiopoolBatch *self)
{
  g_return_val_if_fail (AIOPOOL_IS_BATCH (self), NULL);

  return aiopool_batch_get_core (self)->executor;
}

/**
 * aiopool_batch_get_task:
 * @self: a batch
 *
 * Gets which function is called, with which keywords and options.
 *
 * Returns: (transfer none): a task
 *
 * Since: 0.1
 */
AiopoolTask *
aiopool_batch_get_task (AiopoolBatch *self)
{
  g_return_val_if_fail (AIOPOOL_IS_BATCH (self), NULL);

  return aiopool_batch_get_core (self)->task;
}

/**
 * aiopool_batch_get_source:
 * @self: a batch
 *
 * Gets where the items come from.
 *
 * Returns: (transfer none): the source
 *
 * Since: 0.1
 */
AiopoolSource *
aiopool_batch_get_source (AiopoolBatch *self)
{
  g_return_val_if_fail (AIOPOOL_IS_BATCH (self), NULL);

  return aiopool_batch_get_core (self)->source;
}

/**
 * aiopool_batch_get_unpack:
 * @self: a batch
 *
 * Gets whether each item, a tuple, is the arguments of the function.
 *
 * Returns: %TRUE if it is; %FALSE by default
 *
 * Since: 0.1
 */
gboolean
aiopool_batch_get_unpack (AiopoolBatch *self)
{
  g_return_val_if_fail (AIOPOOL_IS_BATCH (self), FALSE);

  return aiopool_batch_get_core (self)->is_unpacked;
}

/**
 * aiopool_batch_set_unpack:
 * @self: a batch, which is new
 * @unpack: whether it is
 *
 * Sets whether each item, a tuple, is the arguments of the function, and not its one argument.
 *
 * Since: 0.1
 */
void
aiopool_batch_set_unpack (AiopoolBatch *self,
                          gboolean     unpack)
{
  g_return_if_fail (AIOPOOL_IS_BATCH (self));
  g_return_if_fail (is_new (self));

  if (aiopool_batch_get_core (self)->is_unpacked == (unpack != FALSE))
    return;
  aiopool_batch_get_core (self)->is_unpacked = unpack != FALSE;
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_UNPACK]);
}

/**
 * aiopool_batch_get_ordered:
 * @self: a batch
 *
 * Gets whether items are told in the order of the source.
 *
 * Returns: %TRUE by default; %FALSE if they are told as they end
 *
 * Since: 0.1
 */
gboolean
aiopool_batch_get_ordered (AiopoolBatch *self)
{
  g_return_val_if_fail (AIOPOOL_IS_BATCH (self), FALSE);

  return aiopool_batch_get_core (self)->is_ordered;
}

/**
 * aiopool_batch_set_ordered:
 * @self: a batch, which is new
 * @ordered: whether they are
 *
 * Sets whether items are told in the order of the source, and not as they end.
 *
 * Since: 0.1
 */
void
aiopool_batch_set_ordered (AiopoolBatch *self,
                           gboolean     ordered)
{
  g_return_if_fail (AIOPOOL_IS_BATCH (self));
  g_return_if_fail (is_new (self));

  if (aiopool_batch_get_core (self)->is_ordered == (ordered != FALSE))
    return;
  aiopool_batch_get_core (self)->is_ordered = ordered != FALSE;
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_ORDERED]);
}

/**
 * aiopool_batch_get_eager:
 * @self: a batch
 *
 * Gets whether everything is taken from the source and submitted at the start.
 *
 * Returns: %FALSE by default
 *
 * Since: 0.1
 */
gboolean
aiopool_batch_get_eager (AiopoolBatch *self)
{
  g_return_val_if_fail (AIOPOOL_IS_BATCH (self), FALSE);

  return aiopool_batch_get_core (self)->is_eager;
}

/**
 * aiopool_batch_set_eager:
 * @self: a batch, which is new
 * @eager: whether it is
 *
 * Sets whether everything is taken from the source and submitted at the start.
 *
 * Since: 0.1
 */
void
aiopool_batch_set_eager (AiopoolBatch *self,
                         gboolean     eager)
{
  g_return_if_fail (AIOPOOL_IS_BATCH (self));
  g_return_if_fail (is_new (self));

  if (aiopool_batch_get_core (self)->is_eager == (eager != FALSE))
    return;
  aiopool_batch_get_core (self)->is_eager = eager != FALSE;
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_EAGER]);
}

/**
 * aiopool_batch_get_window:
 * @self: a batch
 *
 * Gets how many tasks may be under way.
 *
 * Returns: a number of tasks; 0, the default, for twice as many as there are workers
 *
 * Since: 0.1
 */
guint
aiopool_batch_get_window (AiopoolBatch *self)
{
  g_return_val_if_fail (AIOPOOL_IS_BATCH (self), 0);

  return aiopool_batch_get_core (self)->window;
}

/**
 * aiopool_batch_set_window:
 * @self: a batch, which is new
 * @window: a number of tasks; 0 for twice as many as there are workers
 *
 * Sets how many tasks, each an item or a chunk of them, may be under way.
 *
 * Since: 0.1
 */
void
aiopool_batch_set_window (AiopoolBatch *self,
                          guint        window)
{
  g_return_if_fail (AIOPOOL_IS_BATCH (self));
  g_return_if_fail (is_new (self));

  if (aiopool_batch_get_core (self)->window == window)
    return;
  aiopool_batch_get_core (self)->window = window;
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_WINDOW]);
}

/**
 * aiopool_batch_get_backlog:
 * @self: a batch
 *
 * Gets how many ended items may wait to be read.
 *
 * Returns: a number of items; for 0, the default, see [property@Aiopool.Batch:backlog]
 *
 * Since: 0.1
 */
guint
aiopool_batch_get_backlog (AiopoolBatch *self)
{
  g_return_val_if_fail (AIOPOOL_IS_BATCH (self), 0);

  return aiopool_batch_get_core (self)->backlog;
}

/**
 * aiopool_batch_set_backlog:
 * @self: a batch, which is new
 * @backlog: a number of items; for 0 see [property@Aiopool.Batch:backlog]
 *
 * Sets about how many ended items may wait to be read before no more are taken from the source.
 *
 * Since: 0.1
 */
void
aiopool_batch_set_backlog (AiopoolBatch *self,
                           guint        backlog)
{
  g_return_if_fail (AIOPOOL_IS_BATCH (self));
  g_return_if_fail (is_new (self));

  if (aiopool_batch_get_core (self)->backlog == backlog)
    return;
  aiopool_batch_get_core (self)->backlog = backlog;
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_BACKLOG]);
}

/**
 * aiopool_batch_get_chunk_size:
 * @self: a batch
 *
 * Gets how many items are sent to a worker together.
 *
 * Returns: a number of items; 1 by default; 0 if that is chosen
 *
 * Since: 0.1
 */
guint
aiopool_batch_get_chunk_size (AiopoolBatch *self)
{
  g_return_val_if_fail (AIOPOOL_IS_BATCH (self), 1);

  return aiopool_batch_get_core (self)->chunk_size;
}

/**
 * aiopool_batch_set_chunk_size:
 * @self: a batch, which is new
 * @chunk_size: a number of items, up to 65536; 0 has that chosen
 *
 * Sets how many items are sent to a worker together.
 *
 * Since: 0.1
 */
void
aiopool_batch_set_chunk_size (AiopoolBatch *self,
                              guint        chunk_size)
{
  g_return_if_fail (AIOPOOL_IS_BATCH (self));
  g_return_if_fail (is_new (self));
  g_return_if_fail (chunk_size <= AIOPOOL_MAX_CHUNK_SIZE);

  if (aiopool_batch_get_core (self)->chunk_size == chunk_size)
    return;
  aiopool_batch_get_core (self)->chunk_size = chunk_size;
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_CHUNK_SIZE]);
}

/**
 * aiopool_batch_get_timeout:
 * @self: a batch
 *
 * Gets how long the batch may take from its start.
 *
 * Returns: seconds; 0, the default, for no limit
 *
 * Since: 0.1
 */
double
aiopool_batch_get_timeout (AiopoolBatch *self)
{
  g_return_val_if_fail (AIOPOOL_IS_BATCH (self), 0);

  return aiopool_batch_get_core (self)->timeout;
}

/**
 * aiopool_batch_set_timeout:
 * @self: a batch, which is new
 * @timeout: seconds; 0 for no limit
 *
 * Sets how long the batch may take from its start.
 *
 * Since: 0.1
 */
void
aiopool_batch_set_timeout (AiopoolBatch *self,
                           double       timeout)
{
  g_return_if_fail (AIOPOOL_IS_BATCH (self));
  g_return_if_fail (is_new (self));
  g_return_if_fail (timeout >= 0);

  if (aiopool_batch_get_core (self)->timeout == timeout)
    return;
  aiopool_batch_get_core (self)->timeout = timeout;
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_TIMEOUT]);
}

/**
 * aiopool_batch_get_stop_on_error:
 * @self: a batch
 *
 * Gets whether the first item that fails ends the batch.
 *
 * Returns: %FALSE by default
 *
 * Since: 0.1
 */
gboolean
aiopool_batch_get_stop_on_error (AiopoolBatch *self)
{
  g_return_val_if_fail (AIOPOOL_IS_BATCH (self), FALSE);

  return aiopool_batch_get_core (self)->stops_on_error;
}

/**
 * aiopool_batch_set_stop_on_error:
 * @self: a batch, which is new
 * @stop_on_error: whether it does
 *
 * Sets whether the first item that fails ends the batch with its error.
 *
 * Since: 0.1
 */
void
aiopool_batch_set_stop_on_error (AiopoolBatch *self,
                                 gboolean     stop_on_error)
{
  g_return_if_fail (AIOPOOL_IS_BATCH (self));
  g_return_if_fail (is_new (self));

  if (aiopool_batch_get_core (self)->stops_on_error == (stop_on_error != FALSE))
    return;
  aiopool_batch_get_core (self)->stops_on_error = stop_on_error != FALSE;
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_STOP_ON_ERROR]);
}
