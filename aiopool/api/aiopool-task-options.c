/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/api/aiopool-task-private.h"

#include "aiopool/api/aiopool-shared-data-private.h"

/* The properties of a task, and the options that few tasks have. */

#define MAX_FDS 240

/* What most tasks do not have. */
typedef struct
{
  AiopoolSpecOptions options; /* first; keywords, fds and tag (owned) */
  AiopoolSharedData *shared_data; /* (owned) (nullable): whose is options.shared */
} Extra;

enum
{
  PROP_0,
  PROP_FUNCTION,
  PROP_ARGUMENTS,
  PROP_PAYLOAD,
  PROP_FORMAT,
  PROP_KEYWORDS,
  PROP_FDS,
  PROP_SHARED_DATA,
  PROP_PRIORITY,
  PROP_TIMEOUT,
  PROP_QUEUE_TIMEOUT,
  PROP_RETRIES,
  PROP_TAG,
  N_PROPS
};

static GParamSpec *properties[N_PROPS];

static const AiopoolSpecOptions common_options;

static gboolean
has_extra (AiopoolTask *self)
{
  return self->spec.options != &common_options;
}

static Extra *
get_extra (AiopoolTask *self)
{
  if (!has_extra (self))
    self->spec.options = (AiopoolSpecOptions *) g_new0 (Extra, 1);
  return (Extra *) self->spec.options;
}

static void
free_extra (Extra *extra)
{
  g_clear_pointer (&extra->options.keywords, g_variant_unref);
  g_clear_object (&extra->options.fds);
  g_clear_object (&extra->shared_data);
  g_free ((char *) extra->options.tag);
  g_free (extra);
}

/* With its function and its options, and without its arguments. */
AiopoolTask *
aiopool_task_new_like (AiopoolTask *self)
{
  AiopoolTask *result = aiopool_task_new (aiopool_task_get_function (self), NULL);
  Extra *extra;

  if (!has_extra (self))
    return result;
  extra = get_extra (result);
  *extra = *(Extra *) self->spec.options;
  if (extra->options.keywords != NULL)
    g_variant_ref (extra->options.keywords);
  if (extra->options.fds != NULL)
    g_object_ref (extra->options.fds);
  if (extra->shared_data != NULL)
    g_object_ref (extra->shared_data);
  extra->options.tag = g_strdup (extra->options.tag);
  return result;
}

/* Endless beyond what fits. A timeout of less than a microsecond is one of a microsecond. */
static gint64
to_usec (double seconds)
{
  double usec = seconds * G_USEC_PER_SEC + 0.999;

  return usec < (double) (G_MAXINT64 / 4) ? (gint64) usec : 0;
}

static void
aiopool_task_get_property (GObject    *object,
                           guint       id,
                           GValue     *value,
                           GParamSpec *pspec)
{
  AiopoolTask *self = AIOPOOL_TASK (object);

  switch (id)
    {
    case PROP_FUNCTION:
      g_value_set_string (value, self->spec.function);
      break;
    case PROP_ARGUMENTS:
      g_value_set_variant (value, aiopool_task_get_arguments (self));
      break;
    case PROP_PAYLOAD:
      g_value_set_boxed (value, aiopool_task_get_payload (self));
      break;
    case PROP_FORMAT:
      g_value_set_enum (value, (int) aiopool_task_get_format (self));
      break;
    case PROP_KEYWORDS:
      g_value_set_variant (value, self->spec.options->keywords);
      break;
    case PROP_FDS:
      g_value_set_object (value, self->spec.options->fds);
      break;
    case PROP_SHARED_DATA:
      g_value_set_object (value, aiopool_task_get_shared_data (self));
      break;
    case PROP_PRIORITY:
      g_value_set_int (value, self->spec.options->priority);
      break;
    case PROP_TIMEOUT:
      g_value_set_double (value, aiopool_task_get_timeout (self));
      break;
    case PROP_QUEUE_TIMEOUT:
      g_value_set_double (value, aiopool_task_get_queue_timeout (self));
      break;
    case PROP_RETRIES:
      g_value_set_uint (value, self->spec.options->retries);
      break;
    case PROP_TAG:
      g_value_set_string (value, aiopool_task_get_tag (self));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
aiopool_task_set_property (GObject      *object,
                           guint         id,
                           const GValue *value,
                           GParamSpec   *pspec)
{
  AiopoolTask *self = AIOPOOL_TASK (object);

  switch (id)
    {
    case PROP_FUNCTION:
      g_return_if_fail (!aiopool_task_is_frozen (self));
      aiopool_task_set_function (self, g_value_get_string (value));
      break;
    case PROP_ARGUMENTS:
      g_return_if_fail (!aiopool_task_is_frozen (self));
      aiopool_task_set_arguments (self, g_value_get_variant (value));
      break;
    case PROP_KEYWORDS:
      aiopool_task_set_keywords (self, g_value_get_variant (value));
      break;
    case PROP_FDS:
      aiopool_task_set_fds (self, g_value_get_object (value));
      break;
    case PROP_SHARED_DATA:
      aiopool_task_set_shared_data (self, g_value_get_object (value));
      break;
    case PROP_PRIORITY:
      aiopool_task_set_priority (self, g_value_get_int (value));
      break;
    case PROP_TIMEOUT:
      aiopool_task_set_timeout (self, g_value_get_double (value));
      break;
    case PROP_QUEUE_TIMEOUT:
      aiopool_task_set_queue_timeout (self, g_value_get_double (value));
      break;
    case PROP_RETRIES:
      aiopool_task_set_retries (self, g_value_get_uint (value));
      break;
    case PROP_TAG:
      aiopool_task_set_tag (self, g_value_get_string (value));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

#define SETTABLE (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY)
#define READABLE (G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)

static void
install_value_properties (void)
{
  /**
   * AiopoolTask:function:
   *
   * The name of the function.
   *
   * Since: 0.1
   */
  properties[PROP_FUNCTION] = g_param_spec_string ("function", NULL, NULL, NULL, SETTABLE);

  /**
   * AiopoolTask:arguments:
   *
   * The arguments; %NULL for a task that carries bytes.
   *
   * Since: 0.1
   */
  properties[PROP_ARGUMENTS] =
    g_param_spec_variant ("arguments", NULL, NULL, G_VARIANT_TYPE_ANY, NULL, SETTABLE);

  /**
   * AiopoolTask:payload:
   *
   * The bytes of a task that carries bytes instead of arguments.
   *
   * Since: 0.1
   */
  properties[PROP_PAYLOAD] = g_param_spec_boxed ("payload", NULL, NULL, G_TYPE_BYTES, READABLE);

  /**
   * AiopoolTask:format:
   *
   * What the arguments or the bytes are.
   *
   * Since: 0.1
   */
  properties[PROP_FORMAT] = g_param_spec_enum ("format", NULL, NULL, AIOPOOL_TYPE_FORMAT,
                                               AIOPOOL_FORMAT_GVARIANT, READABLE);

  /**
   * AiopoolTask:keywords:
   *
   * Arguments by name, of type `a{sv}`.
   *
   * Since: 0.1
   */
  properties[PROP_KEYWORDS] =
    g_param_spec_variant ("keywords", NULL, NULL, G_VARIANT_TYPE_VARDICT, NULL, SETTABLE);

  /**
   * AiopoolTask:fds:
   *
   * Descriptors that the function gets copies of.
   *
   * Since: 0.1
   */
  properties[PROP_FDS] =
    g_param_spec_object ("fds", NULL, NULL, G_TYPE_UNIX_FD_LIST, SETTABLE);

  /**
   * AiopoolTask:shared-data:
   *
   * What the task has in common with others, and each worker gets once.
   *
   * Since: 0.1
   */
  properties[PROP_SHARED_DATA] =
    g_param_spec_object ("shared-data", NULL, NULL, AIOPOOL_TYPE_SHARED_DATA, SETTABLE);
}

static void
install_option_properties (void)
{
  /**
   * AiopoolTask:priority:
   *
   * Tasks of a higher priority start first.
   *
   * Since: 0.1
   */
  properties[PROP_PRIORITY] =
    g_param_spec_int ("priority", NULL, NULL, G_MININT, G_MAXINT, 0, SETTABLE);

  /**
   * AiopoolTask:timeout:
   *
   * Seconds that the task may run, counted from its start; 0 for no limit.
   *
   * Since: 0.1
   */
  properties[PROP_TIMEOUT] =
    g_param_spec_double ("timeout", NULL, NULL, 0, G_MAXDOUBLE, 0, SETTABLE);

  /**
   * AiopoolTask:queue-timeout:
   *
   * Seconds that the task may wait for its start, counted from its submission; 0 for no limit.
   *
   * Since: 0.1
   */
  properties[PROP_QUEUE_TIMEOUT] =
    g_param_spec_double ("queue-timeout", NULL, NULL, 0, G_MAXDOUBLE, 0, SETTABLE);

  /**
   * AiopoolTask:retries:
   *
   * How often the task may run again after its worker crashed in it.
   *
   * Since: 0.1
   */
  properties[PROP_RETRIES] =
    g_param_spec_uint ("retries", NULL, NULL, 0, G_MAXUINT, 0, SETTABLE);

  /**
   * AiopoolTask:tag:
   *
   * A word of your own, for logs and lists.
   *
   * Since: 0.1
   */
  properties[PROP_TAG] = g_param_spec_string ("tag", NULL, NULL, NULL, SETTABLE);
}

void
aiopool_task_install_properties (GObjectClass *object_class)
{
  object_class->get_property = aiopool_task_get_property;
  object_class->set_property = aiopool_task_set_property;
  install_value_properties ();
  install_option_properties ();
  g_object_class_install_properties (object_class, N_PROPS, properties);
}

void
aiopool_task_init_options (AiopoolTask *self)
{
  self->spec.options = &common_options;
}

void
aiopool_task_clear_options (AiopoolTask *self)
{
  if (has_extra (self))
    free_extra (get_extra (self));
  self->spec.options = &common_options;
}

/**
 * aiopool_task_get_keywords:
 * @self: a task
 *
 * Gets the arguments by name.
 *
 * Returns: (transfer none) (nullable): an `a{sv}`
 *
 * Since: 0.1
 */
GVariant *
aiopool_task_get_keywords (AiopoolTask *self)
{
  g_return_val_if_fail (AIOPOOL_IS_TASK (self), NULL);

  return self->spec.options->keywords;
}

/**
 * aiopool_task_set_keywords:
 * @self: a task
 * @keywords: (nullable): an `a{sv}`
 *
 * Sets arguments by name.
 *
 * Not after the task was submitted.
 *
 * Since: 0.1
 */
void
aiopool_task_set_keywords (AiopoolTask *self,
                           GVariant    *keywords)
{
  g_autoptr (GVariant) owned = NULL;

  g_return_if_fail (AIOPOOL_IS_TASK (self));
  g_return_if_fail (!aiopool_task_is_frozen (self));
  g_return_if_fail (keywords == NULL || g_variant_is_of_type (keywords, G_VARIANT_TYPE_VARDICT));

  if (keywords != NULL)
    owned = g_variant_ref_sink (keywords);
  g_clear_pointer (&get_extra (self)->options.keywords, g_variant_unref);
  if (keywords != NULL) /* a worker takes them to be in normal form */
    get_extra (self)->options.keywords = g_variant_get_normal_form (keywords);
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_KEYWORDS]);
}

/**
 * aiopool_task_get_fds:
 * @self: a task
 *
 * Gets the descriptors that the function gets copies of.
 *
 * Returns: (transfer none) (nullable): a list of descriptors
 *
 * Since: 0.1
 */
GUnixFDList *
aiopool_task_get_fds (AiopoolTask *self)
{
  g_return_val_if_fail (AIOPOOL_IS_TASK (self), NULL);

  return self->spec.options->fds;
}

/**
 * aiopool_task_set_fds:
 * @self: a task
 * @fds: (nullable): a list of at most 240 descriptors, not to be changed afterwards
 *
 * Sets descriptors that the function gets copies of.
 *
 * Not after the task was submitted.
 *
 * Since: 0.1
 */
void
aiopool_task_set_fds (AiopoolTask *self,
                      GUnixFDList *fds)
{
  g_return_if_fail (AIOPOOL_IS_TASK (self));
  g_return_if_fail (!aiopool_task_is_frozen (self));
  g_return_if_fail (fds == NULL || G_IS_UNIX_FD_LIST (fds));
  g_return_if_fail (fds == NULL || g_unix_fd_list_get_length (fds) <= MAX_FDS);

  if (g_set_object (&get_extra (self)->options.fds, fds))
    g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_FDS]);
}

/**
 * aiopool_task_get_shared_data:
 * @self: a task
 *
 * Gets what the task has in common with others.
 *
 * Returns: (transfer none) (nullable): shared data
 *
 * Since: 0.1
 */
AiopoolSharedData *
aiopool_task_get_shared_data (AiopoolTask *self)
{
  g_return_val_if_fail (AIOPOOL_IS_TASK (self), NULL);

  return has_extra (self) ? get_extra (self)->shared_data : NULL;
}

/**
 * aiopool_task_set_shared_data:
 * @self: a task
 * @data: (nullable): shared data
 *
 * Sets what the task has in common with others, and each worker gets once.
 *
 * The function gets it with [method@Aiopool.Call.dup_shared_data]. Another executor than a pool may
 * ask the task for it.
 *
 * Not after the task was submitted.
 *
 * Since: 0.1
 */
void
aiopool_task_set_shared_data (AiopoolTask       *self,
                              AiopoolSharedData *data)
{
  Extra *extra;

  g_return_if_fail (AIOPOOL_IS_TASK (self));
  g_return_if_fail (!aiopool_task_is_frozen (self));
  g_return_if_fail (data == NULL || AIOPOOL_IS_SHARED_DATA (data));

  extra = get_extra (self);
  if (!g_set_object (&extra->shared_data, data))
    return;
  extra->options.shared = data != NULL ? aiopool_shared_data_get_shared (data) : NULL;
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_SHARED_DATA]);
}

/**
 * aiopool_task_get_priority:
 * @self: a task
 *
 * Gets the priority.
 *
 * Returns: the priority; 0 by default
 *
 * Since: 0.1
 */
int
aiopool_task_get_priority (AiopoolTask *self)
{
  g_return_val_if_fail (AIOPOOL_IS_TASK (self), 0);

  return self->spec.options->priority;
}

/**
 * aiopool_task_set_priority:
 * @self: a task
 * @priority: any number; 0 is the default
 *
 * Sets the priority: tasks of a higher one start first.
 *
 * Not after the task was submitted.
 *
 * Since: 0.1
 */
void
aiopool_task_set_priority (AiopoolTask *self,
                           int          priority)
{
  g_return_if_fail (AIOPOOL_IS_TASK (self));
  g_return_if_fail (!aiopool_task_is_frozen (self));

  if (self->spec.options->priority == priority)
    return;
  get_extra (self)->options.priority = priority;
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_PRIORITY]);
}

/**
 * aiopool_task_get_timeout:
 * @self: a task
 *
 * Gets how long the task may run.
 *
 * Returns: seconds, counted from its start; 0 for no limit
 *
 * Since: 0.1
 */
double
aiopool_task_get_timeout (AiopoolTask *self)
{
  g_return_val_if_fail (AIOPOOL_IS_TASK (self), 0);

  return (double) self->spec.options->timeout / G_USEC_PER_SEC;
}

/**
 * aiopool_task_set_timeout:
 * @self: a task
 * @timeout: seconds, counted from its start; 0 for no limit
 *
 * Sets how long the task may run.
 *
 * Not after the task was submitted.
 *
 * Since: 0.1
 */
void
aiopool_task_set_timeout (AiopoolTask *self,
                          double       timeout)
{
  g_return_if_fail (AIOPOOL_IS_TASK (self));
  g_return_if_fail (!aiopool_task_is_frozen (self));
  g_return_if_fail (timeout >= 0);

  get_extra (self)->options.timeout = to_usec (timeout);
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_TIMEOUT]);
}

/**
 * aiopool_task_get_queue_timeout:
 * @self: a task
 *
 * Gets how long the task may wait for its start.
 *
 * Returns: seconds, counted from its submission; 0 for no limit
 *
 * Since: 0.1
 */
double
aiopool_task_get_queue_timeout (AiopoolTask *self)
{
  g_return_val_if_fail (AIOPOOL_IS_TASK (self), 0);

  return (double) self->spec.options->queue_timeout / G_USEC_PER_SEC;
}

/**
 * aiopool_task_set_queue_timeout:
 * @self: a task
 * @queue_timeout: seconds, counted from its submission; 0 for no limit
 *
 * Sets how long the task may wait for its start.
 *
 * Not after the task was submitted.
 *
 * Since: 0.1
 */
void
aiopool_task_set_queue_timeout (AiopoolTask *self,
                                double       queue_timeout)
{
  g_return_if_fail (AIOPOOL_IS_TASK (self));
  g_return_if_fail (!aiopool_task_is_frozen (self));
  g_return_if_fail (queue_timeout >= 0);

  get_extra (self)->options.queue_timeout = to_usec (queue_timeout);
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_QUEUE_TIMEOUT]);
}

/**
 * aiopool_task_get_retries:
 * @self: a task
 *
 * Gets how often the task may run again after its worker crashed in it.
 *
 * Returns: a number of times; 0 by default
 *
 * Since: 0.1
 */
guint
aiopool_task_get_retries (AiopoolTask *self)
{
  g_return_val_if_fail (AIOPOOL_IS_TASK (self), 0);

  return self->spec.options->retries;
}

/**
 * aiopool_task_set_retries:
 * @self: a task
 * @retries: a number of times; more than 0 only for what may run twice
 *
 * Sets how often the task may run again after its worker crashed in it.
 *
 * Not after the task was submitted.
 *
 * Since: 0.1
 */
void
aiopool_task_set_retries (AiopoolTask *self,
                          guint        retries)
{
  g_return_if_fail (AIOPOOL_IS_TASK (self));
  g_return_if_fail (!aiopool_task_is_frozen (self));

  if (self->spec.options->retries == retries)
    return;
  get_extra (self)->options.retries = retries;
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_RETRIES]);
}

/**
 * aiopool_task_get_tag:
 * @self: a task
 *
 * Gets the word that was given to the task.
 *
 * Returns: (transfer none) (nullable): the word
 *
 * Since: 0.1
 */
const char *
aiopool_task_get_tag (AiopoolTask *self)
{
  g_return_val_if_fail (AIOPOOL_IS_TASK (self), NULL);

  return has_extra (self) ? get_extra (self)->options.tag : NULL;
}

/**
 * aiopool_task_set_tag:
 * @self: a task
 * @tag: (nullable): a word
 *
 * Sets a word of your own, for logs and lists.
 *
 * Not after the task was submitted.
 *
 * Since: 0.1
 */
void
aiopool_task_set_tag (AiopoolTask *self,
                      const char  *tag)
{
  g_return_if_fail (AIOPOOL_IS_TASK (self));
  g_return_if_fail (!aiopool_task_is_frozen (self));

  g_free ((char *) get_extra (self)->options.tag);
  get_extra (self)->options.tag = g_strdup (tag);
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_TAG]);
}
