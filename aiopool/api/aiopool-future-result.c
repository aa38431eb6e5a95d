/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/api/aiopool-future-private.h"

#include "aiopool/base/aiopool-error.h"

/* What a future ended with. It never changes once the state says that there is an end, so that it
 * is read without the lock, in any thread. */

/* FALSE with the reason if there is no result. */
static gboolean
check_result (AiopoolFuture *self,
              GError       **error)
{
  if (!aiopool_future_has_ended (self))
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_PENDING, "The task has not ended yet");
      return FALSE;
    }
  if (g_atomic_int_get (&self->state) != AIOPOOL_FUTURE_DONE)
    {
      if (error != NULL)
        *error = g_error_copy (self->extra->error);
      return FALSE;
    }
  return TRUE;
}

static gboolean
has_value (AiopoolFuture *self)
{
  return self->payload == NULL && self->extra != NULL && G_IS_VALUE (&self->extra->value);
}

static GVariant *
dup_variant (AiopoolFuture *self,
             GError       **error)
{
  if (self->payload != NULL &&
      aiopool_payload_get_format (self->payload) == AIOPOOL_FORMAT_GVARIANT)
    return aiopool_payload_dup_variant (self->payload, FALSE);
  if (has_value (self) && G_VALUE_HOLDS_VARIANT (&self->extra->value) &&
      g_value_get_variant (&self->extra->value) != NULL)
    return g_value_dup_variant (&self->extra->value);
  g_set_error_literal (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_WRONG_TYPE,
                       "The result is no GVariant");
  return NULL;
}

/**
 * aiopool_future_get_result:
 * @self: a future
 * @error: return location for a #GError
 *
 * Gets the result.
 *
 * A large result shares the memory that it arrived in: there is no copy.
 *
 * Fails with %G_IO_ERROR_PENDING if the future has not ended, with %AIOPOOL_TASK_ERROR_WRONG_TYPE
 * if the result is no #GVariant, with %G_IO_ERROR_CANCELLED if it was cancelled, and otherwise with
 * the error of the task.
 *
 * Returns: (transfer full): the result
 *
 * Since: 0.1
 */
GVariant *
aiopool_future_get_result (AiopoolFuture *self,
                           GError       **error)
{
  g_return_val_if_fail (AIOPOOL_IS_FUTURE (self), NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  return check_result (self, error) ? dup_variant (self, error) : NULL;
}

/**
 * aiopool_future_get_payload:
 * @self: a future
 * @format: (out) (optional): what the bytes are
 * @error: return location for a #GError
 *
 * Gets the bytes of the result, without a copy.
 *
 * Those of a #GVariant are its serialised form. Errors are those of
 * [method@Aiopool.Future.get_result]; only futures that were promised can have the wrong type.
 *
 * Returns: (transfer full): the bytes
 *
 * Since: 0.1
 */
GBytes *
aiopool_future_get_payload (AiopoolFuture *self,
                            AiopoolFormat *format,
                            GError       **error)
{
  g_return_val_if_fail (AIOPOOL_IS_FUTURE (self), NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  if (!check_result (self, error))
    return NULL;
  if (format != NULL)
    *format = self->payload != NULL ? aiopool_payload_get_format (self->payload)
                                    : AIOPOOL_FORMAT_GVARIANT;
  if (self->payload != NULL)
    return aiopool_payload_dup_bytes (self->payload);
  if (has_value (self) && G_VALUE_HOLDS_VARIANT (&self->extra->value))
    return g_variant_get_data_as_bytes (g_value_get_variant (&self->extra->value));
  g_set_error_literal (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_WRONG_TYPE,
                       "The result has no bytes");
  return NULL;
}

/**
 * aiopool_future_get_value:
 * @self: a future
 * @value: (out caller-allocates): where to put the result
 * @error: return location for a #GError
 *
 * Gets the result as it was given: that of a pool as a #GVariant or #GBytes, that of a promise as
 * what it was kept with.
 *
 * Fails with %G_IO_ERROR_PENDING if the future has not ended, with %G_IO_ERROR_CANCELLED if it was
 * cancelled, and otherwise with the error of the task.
 *
 * Returns: %TRUE if there is a result
 *
 * Since: 0.1
 */
gboolean
aiopool_future_get_value (AiopoolFuture *self,
                          GValue        *value,
                          GError       **error)
{
  g_return_val_if_fail (AIOPOOL_IS_FUTURE (self), FALSE);
  g_return_val_if_fail (value != NULL && !G_IS_VALUE (value), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  if (!check_result (self, error))
    return FALSE;
  if (has_value (self))
    {
      g_value_init (value, G_VALUE_TYPE (&self->extra->value));
      g_value_copy (&self->extra->value, value);
    }
  else if (aiopool_payload_get_format (self->payload) == AIOPOOL_FORMAT_GVARIANT)
    {
      g_value_init (value, G_TYPE_VARIANT);
      g_value_take_variant (value, aiopool_payload_dup_variant (self->payload, FALSE));
    }
  else
    {
      g_value_init (value, G_TYPE_BYTES);
      g_value_take_boxed (value, aiopool_payload_dup_bytes (self->payload));
    }
  return TRUE;
}

/**
 * aiopool_future_get_error:
 * @self: a future
 *
 * Gets the error that the future ended with.
 *
 * Returns: (transfer none) (nullable): the error; %NULL if it has not ended, or ended with a result
 *
 * Since: 0.1
 */
const GError *
aiopool_future_get_error (AiopoolFuture *self)
{
  g_return_val_if_fail (AIOPOOL_IS_FUTURE (self), NULL);

  return g_atomic_int_get (&self->state) > AIOPOOL_FUTURE_DONE ? self->extra->error : NULL;
}

/**
 * aiopool_future_get_error_info:
 * @self: a future
 *
 * Gets what else is known about the error that the future ended with.
 *
 * Returns: (transfer none) (nullable): an error info; %NULL if there is none
 *
 * Since: 0.1
 */
AiopoolErrorInfo *
aiopool_future_get_error_info (AiopoolFuture *self)
{
  g_return_val_if_fail (AIOPOOL_IS_FUTURE (self), NULL);

  return g_atomic_int_get (&self->state) > AIOPOOL_FUTURE_DONE ? self->extra->info : NULL;
}

/**
 * aiopool_future_get_standard_error:
 * @self: a future
 *
 * Gets what the worker wrote to its standard error while the task ran, if it did not end well.
 *
 * These are the last 10 lines, and at most 4096 bytes, of a task that had started and failed, timed
 * out, was cancelled by force or died with its worker. All that the task wrote until it failed is
 * considered. Lines that the worker wrote right before or after it may be among them: those of a
 * task that ran directly before or after this one, or at the same time. Lines of a task whose
 * result was known when this one was submitted never are.
 *
 * Returns: (transfer none) (nullable): lines in UTF-8; %NULL if there are none, if the future has
 *   not ended, or ended with a result
 *
 * Since: 0.1
 */
const char *
aiopool_future_get_standard_error (AiopoolFuture *self)
{
  g_return_val_if_fail (AIOPOOL_IS_FUTURE (self), NULL);

  return g_atomic_int_get (&self->state) > AIOPOOL_FUTURE_DONE ? self->extra->last_lines : NULL;
}

/**
 * aiopool_future_get_fds:
 * @self: a future
 *
 * Gets the descriptors that came with the result.
 *
 * Returns: (transfer none) (nullable): a list of descriptors; %NULL if there are none
 *
 * Since: 0.1
 */
GUnixFDList *
aiopool_future_get_fds (AiopoolFuture *self)
{
  g_return_val_if_fail (AIOPOOL_IS_FUTURE (self), NULL);

  return aiopool_future_has_ended (self) && self->extra != NULL ? self->extra->fds : NULL;
}
