/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/base/aiopool-log-record-private.h"

/**
 * AiopoolLogRecord:
 *
 * Something that was logged in a worker.
 *
 * It comes with the signals [signal@Aiopool.Future::log] and [signal@Aiopool.Pool::log], does not
 * change, and may be read from any thread.
 *
 * Since: 0.1
 */

G_DEFINE_FINAL_TYPE (AiopoolLogRecord, aiopool_log_record, G_TYPE_OBJECT)

static void
aiopool_log_record_finalize (GObject *object)
{
  AiopoolLogRecord *self = AIOPOOL_LOG_RECORD (object);

  g_free (self->domain);
  g_free (self->message);
  g_clear_pointer (&self->fields, g_variant_unref);
  g_free (self->tag);
  G_OBJECT_CLASS (aiopool_log_record_parent_class)->finalize (object);
}

static void
aiopool_log_record_class_init (AiopoolLogRecordClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = aiopool_log_record_finalize;
}

static void
aiopool_log_record_init (AiopoolLogRecord *self)
{
}

/* @fields: (nullable): of type a{ss}, consumed if it is floating. */
AiopoolLogRecord *
aiopool_log_record_new (GLogLevelFlags  level,
                        const char     *domain,
                        gsize           domain_size,
                        const char     *message,
                        gsize           message_size,
                        GVariant       *fields)
{
  AiopoolLogRecord *self = g_object_new (AIOPOOL_TYPE_LOG_RECORD, NULL);

  if (fields == NULL)
    fields = g_variant_new_array (G_VARIANT_TYPE ("{ss}"), NULL, 0);
  self->level = level;
  self->domain = domain_size > 0 ? g_strndup (domain, domain_size) : NULL;
  self->message = message_size > 0 ? g_strndup (message, message_size) : g_strdup ("");
  self->fields = g_variant_ref_sink (fields);
  return self;
}

static void
add_field (GArray     *fields,
           const char *key,
           const char *value)
{
  GLogField field = { key, value, -1 };

  if (value != NULL)
    g_array_append_val (fields, field);
}

static const char *
priority_of (GLogLevelFlags level)
{
  switch ((int) level)
    {
    case G_LOG_LEVEL_ERROR:
      return "3";
    case G_LOG_LEVEL_CRITICAL:
    case G_LOG_LEVEL_WARNING:
      return "4";
    case G_LOG_LEVEL_MESSAGE:
      return "5";
    case G_LOG_LEVEL_INFO:
      return "6";
    case G_LOG_LEVEL_DEBUG:
      return "7";
    default:
      return "5";
    }
}

/* Logs it in this process. That a worker said it is no reason to end this one, whatever is fatal
 * here: the first field keeps GLib's writer from that, but not for an error, which becomes
 * critical. */
void
aiopool_log_record_write (AiopoolLogRecord *self)
{
  g_autoptr (GArray) fields = g_array_new (FALSE, FALSE, sizeof (GLogField));
  g_autofree char *pid = g_strdup_printf ("%d", self->worker_pid);
  GLogLevelFlags level = self->level == G_LOG_LEVEL_ERROR ? G_LOG_LEVEL_CRITICAL : self->level;
  const char *key, *value;
  GVariantIter iter;

  add_field (fields, "GLIB_OLD_LOG_API", "1");
  add_field (fields, "MESSAGE", self->message);
  add_field (fields, "PRIORITY", priority_of (self->level));
  add_field (fields, "GLIB_DOMAIN", self->domain);
  if (self->worker_pid > 0)
    add_field (fields, "AIOPOOL_WORKER_PID", pid);
  add_field (fields, "AIOPOOL_FUNCTION", self->function);
  add_field (fields, "AIOPOOL_TAG", self->tag);
  g_variant_iter_init (&iter, self->fields);
  while (g_variant_iter_next (&iter, "{&s&s}", &key, &value))
    add_field (fields, key, value);
  g_log_structured_array (level, (const GLogField *) (gpointer) fields->data, fields->len);
}

/**
 * aiopool_log_record_get_level:
 * @self: a log record
 *
 * Gets how serious it is.
 *
 * Returns: one level, without flags; %G_LOG_LEVEL_ERROR ended the worker
 *
 * Since: 0.1
 */
GLogLevelFlags
aiopool_log_record_get_level (AiopoolLogRecord *self)
{
  g_return_val_if_fail (AIOPOOL_IS_LOG_RECORD (self), G_LOG_LEVEL_DEBUG);

  return self->level;
}

/**
 * aiopool_log_record_get_domain:
 * @self: a log record
 *
 * Gets the log domain, which tells what part of the worker's program has logged it.
 *
 * Returns: (transfer none) (nullable): the domain, of at most 256 bytes
 *
 * Since: 0.1
 */
const char *
aiopool_log_record_get_domain (AiopoolLogRecord *self)
{
  g_return_val_if_fail (AIOPOOL_IS_LOG_RECORD (self), NULL);

  return self->domain;
}

/**
 * aiopool_log_record_get_message:
 * @self: a log record
 *
 * Gets what was logged.
 *
 * Returns: (transfer none): the message, of at most 16 KiB
 *
 * Since: 0.1
 */
const char *
aiopool_log_record_get_message (AiopoolLogRecord *self)
{
  g_return_val_if_fail (AIOPOOL_IS_LOG_RECORD (self), NULL);

  return self->message;
}

/**
 * aiopool_log_record_get_fields:
 * @self: a log record
 *
 * Gets the other fields of the record, such as `CODE_FILE`.
 *
 * Fields that are no text do not travel. There are at most 32; each value has at most 4096 bytes,
 * and the whole record 32 KiB.
 *
 * Returns: (transfer none): a #GVariant of type `a{ss}`
 *
 * Since: 0.1
 */
GVariant *
aiopool_log_record_get_fields (AiopoolLogRecord *self)
{
  g_return_val_if_fail (AIOPOOL_IS_LOG_RECORD (self), NULL);

  return self->fields;
}

/**
 * aiopool_log_record_get_function:
 * @self: a log record
 *
 * Gets the name of the function whose task has logged it.
 *
 * Returns: (transfer none) (nullable): a name, or %NULL for what was logged outside of tasks
 *
 * Since: 0.1
 */
const char *
aiopool_log_record_get_function (AiopoolLogRecord *self)
{
  g_return_val_if_fail (AIOPOOL_IS_LOG_RECORD (self), NULL);

  return self->function;
}

/**
 * aiopool_log_record_get_tag:
 * @self: a log record
 *
 * Gets the [property@Aiopool.Task:tag] of the task that has logged it.
 *
 * Returns: (transfer none) (nullable): the tag
 *
 * Since: 0.1
 */
const char *
aiopool_log_record_get_tag (AiopoolLogRecord *self)
{
  g_return_val_if_fail (AIOPOOL_IS_LOG_RECORD (self), NULL);

  return self->tag;
}

/**
 * aiopool_log_record_get_worker_pid:
 * @self: a log record
 *
 * Gets the process id of the worker.
 *
 * Returns: a process id; 0 for what the library itself says about lost records
 *
 * Since: 0.1
 */
int
aiopool_log_record_get_worker_pid (AiopoolLogRecord *self)
{
  g_return_val_if_fail (AIOPOOL_IS_LOG_RECORD (self), 0);

  return self->worker_pid;
}
