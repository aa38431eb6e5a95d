/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/runtime/aiopool-call-private.h"

#include "aiopool/base/aiopool-error.h"

#include <string.h>

/* How calls are answered: who claims the answer first packs and sends it, without the lock. */

#define MAX_RESULT_FDS (AIOPOOL_FRAME_MAX_FDS - 1) /* one is for the value's memory */

/* What new_buffer() gave: a segment's memory if the store knows it, else from malloc. */
typedef struct
{
  guint8 *data;
  gsize   size;
} Buffer;

static void
discard_buffer (AiopoolCall  *self,
                const Buffer *buffer)
{
  AiopoolSegment *segment = aiopool_segment_store_find (self->session->store, buffer->data);

  if (segment == NULL)
    {
      g_free (buffer->data);
      return;
    }
  aiopool_segment_store_discard (self->session->store, segment);
  aiopool_session_tell_forgotten (self->session);
}

void
aiopool_call_discard_buffers (AiopoolCall *self)
{
  for (guint i = 0; i < self->buffers->len; i++)
    discard_buffer (self, &g_array_index (self->buffers, Buffer, i));
  g_clear_pointer (&self->buffers, g_array_unref);
}

/* TRUE for the first answer, before which the last progress goes. From here on it is too late to
 * end the task. */
static gboolean
claim (AiopoolCall *self)
{
  guint64 running = self->id;
  gboolean is_first;

  g_mutex_lock (&self->lock);
  is_first = !self->is_answered;
  if (is_first)
    {
      if (self->chunk == NULL)
        aiopool_progress_send (&self->progress, self->session, self->id);
      self->has_listened = self->cancellable != NULL;
      g_atomic_int_set (&self->is_answered, TRUE);
    }
  g_mutex_unlock (&self->lock);
  if (is_first)
    atomic_compare_exchange_strong (&self->session->running, &running, 0);
  else
    g_critical ("Function '%s' answered its call a second time", self->function);
  return is_first;
}

/* Of a chunk the parent speaks as a whole, but each item has a cancellable of its own. */
static void
end_call (AiopoolCall *self)
{
  if (self->chunk == NULL || self->has_listened)
    aiopool_session_finish (self->session, self->id);
  self->answered (self->owner, self);
}

/* An item's answer that has a frame of its own: the next item begins now, and may take long. */
static void
end_framed (AiopoolCall *self)
{
  if (self->chunk != NULL)
    aiopool_outbox_watch (self->session->outbox);
  end_call (self);
}

static const guint32 *
index_of (AiopoolCall *self)
{
  return self->chunk != NULL ? &self->index : NULL;
}

static void
send_error (AiopoolCall  *self,
            const GError *error,
            gint64        ended)
{
  aiopool_parcel_send_error (self->session, self->id, self->started, ended, index_of (self), error,
                             self->info);
  end_framed (self);
}

/* @error: (transfer full) (nullable): why there is no parcel. */
static void
send_parcel (AiopoolCall   *self,
             AiopoolParcel *parcel,
             gint64         ended,
             GError        *error)
{
  if (error != NULL)
    {
      send_error (self, error, ended);
      g_error_free (error);
      return;
    }
  aiopool_parcel_send_result (parcel, self->session, self->id, self->started, ended,
                              index_of (self), self->result_fds);
  end_framed (self);
}

static gboolean
check_fds (AiopoolCall  *self,
           GError      **error)
{
  int n_fds = self->result_fds != NULL ? g_unix_fd_list_get_length (self->result_fds) : 0;

  if (n_fds == 0)
    g_clear_object (&self->result_fds);
  if (n_fds <= MAX_RESULT_FDS)
    return TRUE;
  g_set_error (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_ENCODE,
               "Function '%s' answered with %d file descriptors; the limit is %d", self->function,
               n_fds, MAX_RESULT_FDS);
  return FALSE;
}

/* A small result of an item goes with those of others. */
static gboolean
join_run (AiopoolCall *self,
          GVariant    *value,
          gint64       ended)
{
  AiopoolRunItem item = { self->id, self->index, self->started, ended,
                          { .format = AIOPOOL_FORMAT_GVARIANT } };

  item.value.type = g_variant_get_type_string (value);
  item.value.size = g_variant_get_size (value);
  if (self->result_fds != NULL || item.value.size > AIOPOOL_RUN_MAX_VALUE ||
      item.value.size > self->session->config.max_result_size ||
      strlen (item.value.type) > AIOPOOL_RUN_MAX_TYPE)
    return FALSE;
  item.value.data = g_variant_get_data (value);
  aiopool_outbox_put_item (self->session->outbox, &item);
  return TRUE;
}

void
aiopool_call_answer_variant (AiopoolCall *self,
                             GVariant    *value,
                             gint64       ended)
{
  GError *error = NULL;
  AiopoolParcel parcel;

  if (!claim (self))
    return;
  if (self->chunk != NULL && join_run (self, value, ended))
    {
      end_call (self);
      return;
    }
  if (check_fds (self, &error))
    aiopool_parcel_pack_variant (&parcel, self->session, value, &error);
  send_parcel (self, &parcel, ended, error);
}

void
aiopool_call_answer_error (AiopoolCall  *self,
                           const GError *error,
                           gint64        ended)
{
  if (claim (self))
    send_error (self, error, ended);
}

/**
 * aiopool_call_set_result_fds:
 * @self: a call
 * @fds: (nullable): a list, or %NULL for none
 *
 * Sets file descriptors that go with the result.
 *
 * To be called before the answer; at most 249 descriptors can go with one. They are duplicated when
 * the answer is sent.
 *
 * Since: 0.1
 */
void
aiopool_call_set_result_fds (AiopoolCall *self,
                             GUnixFDList *fds)
{
  g_return_if_fail (AIOPOOL_IS_CALL (self));
  g_return_if_fail (fds == NULL || G_IS_UNIX_FD_LIST (fds));

  g_mutex_lock (&self->lock);
  if (!self->is_answered)
    g_set_object (&self->result_fds, fds);
  g_mutex_unlock (&self->lock);
}

/**
 * aiopool_call_set_error_info:
 * @self: a call
 * @info: (nullable): what is known about the failure besides the #GError
 *
 * Sets what goes with the error that the function is about to report.
 *
 * To be called before the answer; it is not used when the answer is no error.
 *
 * Since: 0.1
 */
void
aiopool_call_set_error_info (AiopoolCall      *self,
                             AiopoolErrorInfo *info)
{
  g_return_if_fail (AIOPOOL_IS_CALL (self));
  g_return_if_fail (info == NULL || AIOPOOL_IS_ERROR_INFO (info));

  g_mutex_lock (&self->lock);
  if (!self->is_answered)
    g_set_object (&self->info, info);
  g_mutex_unlock (&self->lock);
}

static guint8 *
allocate (AiopoolCall *self,
          gsize        size)
{
  g_autoptr (GError) error = NULL;
  AiopoolSegment *segment = NULL;

  if (size > AIOPOOL_INLINE_LIMIT)
    segment = aiopool_segment_store_acquire (self->session->store, size, &error);
  return segment != NULL ? segment->data : g_try_malloc (MAX (size, 1));
}

/**
 * aiopool_call_new_buffer: (skip)
 * @self: a call
 * @size: bytes, as many as the result may have
 *
 * Makes memory to write a result into that [method@Aiopool.Call.return_buffer] sends without
 * copying it.
 *
 * The memory is not cleared. It is valid until it is returned or the call ends: when a function
 * added with [method@Aiopool.Service.add] returns, or when the last reference to the call goes.
 *
 * Returns: (transfer none) (nullable): memory, or %NULL if there is not so much
 *
 * Since: 0.1
 */
gpointer
aiopool_call_new_buffer (AiopoolCall *self,
                         gsize        size)
{
  Buffer buffer = { NULL, size };

  g_return_val_if_fail (AIOPOOL_IS_CALL (self), NULL);

  buffer.data = allocate (self, size);
  if (buffer.data == NULL)
    return NULL;
  g_mutex_lock (&self->lock);
  if (self->buffers == NULL)
    self->buffers = g_array_new (FALSE, FALSE, sizeof (Buffer));
  g_array_append_val (self->buffers, buffer);
  g_mutex_unlock (&self->lock);
  return buffer.data;
}

/**
 * aiopool_call_return_value:
 * @self: a call
 * @value: the result; consumed if it is floating
 *
 * Answers the call with a value.
 *
 * A function added with [method@Aiopool.Service.add] returns its value instead, or calls this and
 * returns %NULL without an error; then the answer may wait until it returns.
 *
 * A value that is larger than the pool allows fails the task with %AIOPOOL_TASK_ERROR_TOO_LARGE,
 * one that cannot be sent with %AIOPOOL_TASK_ERROR_ENCODE.
 *
 * Since: 0.1
 */
void
aiopool_call_return_value (AiopoolCall *self,
                           GVariant    *value)
{
  g_autoptr (GVariant) owned = NULL;

  g_return_if_fail (AIOPOOL_IS_CALL (self));
  g_return_if_fail (value != NULL);

  owned = g_variant_ref_sink (value);
  aiopool_call_answer_variant (self, value, g_get_monotonic_time ());
}

/**
 * aiopool_call_return_payload:
 * @self: a call
 * @payload: the result
 * @format: what the bytes are, not %AIOPOOL_FORMAT_GVARIANT
 *
 * Answers the call with bytes.
 *
 * Otherwise like [method@Aiopool.Call.return_value].
 *
 * Since: 0.1
 */
void
aiopool_call_return_payload (AiopoolCall   *self,
                             GBytes        *payload,
                             AiopoolFormat  format)
{
  gint64 ended = g_get_monotonic_time ();
  AiopoolPayloadView view;
  GError *error = NULL;
  AiopoolParcel parcel;

  g_return_if_fail (AIOPOOL_IS_CALL (self));
  g_return_if_fail (payload != NULL);
  g_return_if_fail (format > AIOPOOL_FORMAT_GVARIANT && format <= AIOPOOL_FORMAT_PICKLE);

  if (!claim (self))
    return;
  aiopool_payload_view_bytes (&view, format, payload);
  if (check_fds (self, &error))
    aiopool_parcel_pack_view (&parcel, self->session, &view, &error);
  send_parcel (self, &parcel, ended, error);
}

/* Takes the buffer at @data with at least @size bytes out of the list. */
static gboolean
take_buffer (AiopoolCall   *self,
             gconstpointer  data,
             gsize          size)
{
  gboolean is_found = FALSE;

  g_mutex_lock (&self->lock);
  for (guint i = 0; !is_found && self->buffers != NULL && i < self->buffers->len; i++)
    {
      const Buffer *buffer = &g_array_index (self->buffers, Buffer, i);

      is_found = buffer->data == data && buffer->size >= size;
      if (is_found)
        g_array_remove_index_fast (self->buffers, i);
    }
  g_mutex_unlock (&self->lock);
  return is_found;
}

static void
send_buffer (AiopoolCall              *self,
             const AiopoolPayloadView *view)
{
  gint64 ended = g_get_monotonic_time ();
  AiopoolSegment *segment = aiopool_segment_store_find (self->session->store, view->data);
  Buffer buffer = { (guint8 *) view->data, view->size };
  GError *error = NULL;
  AiopoolParcel parcel;

  if (!check_fds (self, &error) && segment != NULL)
    discard_buffer (self, &buffer);
  else if (error == NULL && segment != NULL)
    aiopool_parcel_pack_segment (&parcel, self->session, segment, view, &error);
  else if (error == NULL)
    aiopool_parcel_pack_view (&parcel, self->session, view, &error);
  send_parcel (self, &parcel, ended, error);
  if (segment == NULL)
    g_free (buffer.data);
}

/**
 * aiopool_call_return_buffer: (skip)
 * @self: a call
 * @buffer: memory from [method@Aiopool.Call.new_buffer] of this call
 * @size: bytes of it that are the result
 * @format: what the bytes are
 * @type_string: (nullable): the type of the #GVariant that the bytes are when serialised in normal
 *   form, for %AIOPOOL_FORMAT_GVARIANT; %NULL for other formats
 *
 * Answers the call with memory that is filled in place.
 *
 * The memory must not be used any more. Otherwise like [method@Aiopool.Call.return_value].
 *
 * Since: 0.1
 */
void
aiopool_call_return_buffer (AiopoolCall   *self,
                            gpointer       buffer,
                            gsize          size,
                            AiopoolFormat  format,
                            const char    *type_string)
{
  AiopoolPayloadView view = { format, type_string, buffer, size };

  g_return_if_fail (AIOPOOL_IS_CALL (self));
  g_return_if_fail (buffer != NULL);
  g_return_if_fail (format <= AIOPOOL_FORMAT_PICKLE);
  g_return_if_fail ((format == AIOPOOL_FORMAT_GVARIANT) == (type_string != NULL));
  g_return_if_fail (type_string == NULL ||
                    (g_variant_type_string_is_valid (type_string) &&
                     g_variant_type_is_definite ((const GVariantType *) type_string)));

  if (!take_buffer (self, buffer, size))
    g_critical ("Function '%s' returned a buffer of %zu bytes that its call did not make",
                self->function, size);
  else if (claim (self))
    send_buffer (self, &view);
  else
    discard_buffer (self, &(Buffer) { buffer, size });
}

/**
 * aiopool_call_return_error:
 * @self: a call
 * @error: why the function failed
 *
 * Answers the call with an error.
 *
 * The parent gets an error of the same domain and code if it knows that domain, otherwise
 * %AIOPOOL_TASK_ERROR_FAILED. %G_IO_ERROR_CANCELLED tells that the function stopped because its
 * task was cancelled.
 *
 * Since: 0.1
 */
void
aiopool_call_return_error (AiopoolCall  *self,
                           const GError *error)
{
  g_return_if_fail (AIOPOOL_IS_CALL (self));
  g_return_if_fail (error != NULL);

  aiopool_call_answer_error (self, error, g_get_monotonic_time ());
}
