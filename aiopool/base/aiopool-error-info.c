/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/base/aiopool-error-info-private.h"

/**
 * AiopoolErrorInfo:
 *
 * What is known about a failure in a worker beyond its #GError.
 *
 * Languages with exceptions have more to tell than a domain, a code and a message: the name of the
 * exception's type, its traceback, notes, and the chain of exceptions that led to it. They travel
 * as text. For a crash the traceback holds the last lines of the worker's standard error.
 *
 * An error info is filled in by the function that failed and must not be changed afterwards; it may
 * then be read from any thread.
 *
 * Since: 0.1
 */
struct _AiopoolErrorInfo
{
  GObject           parent_instance;
  char             *type_name; /* (owned) */
  char             *message;   /* (owned) */
  char             *traceback; /* (owned) (nullable) */
  char            **notes;     /* (owned) (nullable) */
  AiopoolErrorInfo *cause;     /* (owned) (nullable) */
  AiopoolErrorInfo *context;   /* (owned) (nullable) */
  GBytes           *payload;   /* (owned) (nullable) */
  AiopoolFormat     format;    /* of the payload */
};

G_DEFINE_FINAL_TYPE (AiopoolErrorInfo, aiopool_error_info, G_TYPE_OBJECT)

static void
aiopool_error_info_finalize (GObject *object)
{
  AiopoolErrorInfo *self = AIOPOOL_ERROR_INFO (object);

  g_free (self->type_name);
  g_free (self->message);
  g_free (self->traceback);
  g_strfreev (self->notes);
  g_clear_object (&self->cause);
  g_clear_object (&self->context);
  g_clear_pointer (&self->payload, g_bytes_unref);
  G_OBJECT_CLASS (aiopool_error_info_parent_class)->finalize (object);
}

static void
aiopool_error_info_class_init (AiopoolErrorInfoClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = aiopool_error_info_finalize;
}

static void
aiopool_error_info_init (AiopoolErrorInfo *self)
{
}

/**
 * aiopool_error_info_new:
 * @type_name: name of the error's type in its own language, such as `ValueError`
 * @message: what it says
 *
 * Makes an error info.
 *
 * Returns: (transfer full): a new error info
 *
 * Since: 0.1
 */
AiopoolErrorInfo *
aiopool_error_info_new (const char *type_name,
                        const char *message)
{
  AiopoolErrorInfo *self;

  g_return_val_if_fail (type_name != NULL, NULL);
  g_return_val_if_fail (message != NULL, NULL);

  self = g_object_new (AIOPOOL_TYPE_ERROR_INFO, NULL);
  self->type_name = g_strdup (type_name);
  self->message = g_strdup (message);
  return self;
}

/* (transfer full) (nullable): one that shares no object with @self (nullable). */
AiopoolErrorInfo *
aiopool_error_info_copy (AiopoolErrorInfo *self)
{
  AiopoolErrorInfo *copy;

  if (self == NULL)
    return NULL;
  copy = aiopool_error_info_new (self->type_name, self->message);
  copy->traceback = g_strdup (self->traceback);
  copy->notes = g_strdupv (self->notes);
  copy->cause = aiopool_error_info_copy (self->cause);
  copy->context = aiopool_error_info_copy (self->context);
  copy->payload = self->payload != NULL ? g_bytes_ref (self->payload) : NULL;
  copy->format = self->format;
  return copy;
}

/**
 * aiopool_error_info_get_type_name:
 * @self: an error info
 *
 * Gets the name of the error's type in its own language.
 *
 * Returns: (transfer none): the name
 *
 * Since: 0.1
 */
const char *
aiopool_error_info_get_type_name (AiopoolErrorInfo *self)
{
  g_return_val_if_fail (AIOPOOL_IS_ERROR_INFO (self), NULL);

  return self->type_name;
}

/**
 * aiopool_error_info_get_message:
 * @self: an error info
 *
 * Gets what the error says.
 *
 * Returns: (transfer none): the message
 *
 * Since: 0.1
 */
const char *
aiopool_error_info_get_message (AiopoolErrorInfo *self)
{
  g_return_val_if_fail (AIOPOOL_IS_ERROR_INFO (self), NULL);

  return self->message;
}

/**
 * aiopool_error_info_get_traceback:
 * @self: an error info
 *
 * Gets where the error happened; for a crash the last lines of the worker's standard error.
 *
 * Returns: (transfer none) (nullable): the text
 *
 * Since: 0.1
 */
const char *
aiopool_error_info_get_traceback (AiopoolErrorInfo *self)
{
  g_return_val_if_fail (AIOPOOL_IS_ERROR_INFO (self), NULL);

  return self->traceback;
}

/**
 * aiopool_error_info_set_traceback:
 * @self: an error info
 * @traceback: (nullable): where the error happened
 *
 * Sets where the error happened.
 *
 * Since: 0.1
 */
void
aiopool_error_info_set_traceback (AiopoolErrorInfo *self,
                                  const char       *traceback)
{
  char *copy;

  g_return_if_fail (AIOPOOL_IS_ERROR_INFO (self));

  copy = g_strdup (traceback);
  g_free (self->traceback);
  self->traceback = copy;
}

/**
 * aiopool_error_info_get_notes:
 * @self: an error info
 *
 * Gets the notes that were added to the error.
 *
 * Returns: (transfer none) (nullable) (array zero-terminated=1): the notes
 *
 * Since: 0.1
 */
const char * const *
aiopool_error_info_get_notes (AiopoolErrorInfo *self)
{
  g_return_val_if_fail (AIOPOOL_IS_ERROR_INFO (self), NULL);

  return (const char * const *) self->notes;
}

/**
 * aiopool_error_info_set_notes:
 * @self: an error info
 * @notes: (nullable) (array zero-terminated=1): notes
 *
 * Sets the notes of the error.
 *
 * Since: 0.1
 */
void
aiopool_error_info_set_notes (AiopoolErrorInfo   *self,
                              const char * const *notes)
{
  char **copy;

  g_return_if_fail (AIOPOOL_IS_ERROR_INFO (self));

  copy = g_strdupv ((char **) notes);
  g_strfreev (self->notes);
  self->notes = copy;
}

/**
 * aiopool_error_info_get_cause:
 * @self: an error info
 *
 * Gets the error that this one was raised from.
 *
 * Returns: (transfer none) (nullable): the cause
 *
 * Since: 0.1
 */
AiopoolErrorInfo *
aiopool_error_info_get_cause (AiopoolErrorInfo *self)
{
  g_return_val_if_fail (AIOPOOL_IS_ERROR_INFO (self), NULL);

  return self->cause;
}

/**
 * aiopool_error_info_set_cause:
 * @self: an error info
 * @cause: (nullable): another error info
 *
 * Sets the error that this one was raised from.
 *
 * Since: 0.1
 */
void
aiopool_error_info_set_cause (AiopoolErrorInfo *self,
                              AiopoolErrorInfo *cause)
{
  g_return_if_fail (AIOPOOL_IS_ERROR_INFO (self));
  g_return_if_fail (cause == NULL || AIOPOOL_IS_ERROR_INFO (cause));

  g_set_object (&self->cause, cause);
}

/**
 * aiopool_error_info_get_context:
 * @self: an error info
 *
 * Gets the error that was being handled when this one was raised.
 *
 * Returns: (transfer none) (nullable): the context
 *
 * Since: 0.1
 */
AiopoolErrorInfo *
aiopool_error_info_get_context (AiopoolErrorInfo *self)
{
  g_return_val_if_fail (AIOPOOL_IS_ERROR_INFO (self), NULL);

  return self->context;
}

/**
 * aiopool_error_info_set_context:
 * @self: an error info
 * @context: (nullable): another error info
 *
 * Sets the error that was being handled when this one was raised.
 *
 * Since: 0.1
 */
void
aiopool_error_info_set_context (AiopoolErrorInfo *self,
                                AiopoolErrorInfo *context)
{
  g_return_if_fail (AIOPOOL_IS_ERROR_INFO (self));
  g_return_if_fail (context == NULL || AIOPOOL_IS_ERROR_INFO (context));

  g_set_object (&self->context, context);
}

/**
 * aiopool_error_info_get_payload:
 * @self: an error info
 * @format: (out) (optional): return location for what the bytes are
 *
 * Gets the error itself, in the form that its own language can rebuild it from.
 *
 * Returns: (transfer none) (nullable): the bytes, or %NULL if there are none
 *
 * Since: 0.1
 */
GBytes *
aiopool_error_info_get_payload (AiopoolErrorInfo *self,
                                AiopoolFormat    *format)
{
  g_return_val_if_fail (AIOPOOL_IS_ERROR_INFO (self), NULL);

  if (format != NULL)
    *format = self->format;
  return self->payload;
}

/**
 * aiopool_error_info_set_payload:
 * @self: an error info
 * @payload: (nullable): the error as bytes
 * @format: what the bytes are
 *
 * Sets the error itself, in the form that its own language can rebuild it from.
 *
 * It travels with the error that the function reports, and not with its causes. More than 512 KiB
 * do not.
 *
 * Since: 0.1
 */
void
aiopool_error_info_set_payload (AiopoolErrorInfo *self,
                                GBytes           *payload,
                                AiopoolFormat     format)
{
  g_return_if_fail (AIOPOOL_IS_ERROR_INFO (self));
  g_return_if_fail (format <= AIOPOOL_FORMAT_PICKLE);

  if (payload != NULL)
    g_bytes_ref (payload);
  g_clear_pointer (&self->payload, g_bytes_unref);
  self->payload = payload;
  self->format = format;
}
