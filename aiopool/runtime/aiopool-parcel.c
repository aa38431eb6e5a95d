/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/runtime/aiopool-parcel-private.h"

#include "aiopool/base/aiopool-error.h"
#include "aiopool/base/aiopool-fd-private.h"
#include "aiopool/wire/aiopool-remote-error-private.h"

#include <string.h>

/* Values that leave a worker and values that come to it.
 *
 * A small value goes in its frame, a large one through shared memory, and through the frame again
 * if there is no shared memory to be had. Packing may take long and needs no lock; a parcel that is
 * packed must be sent.
 *
 * Any thread. */

#define MAX_FALLBACK   (AIOPOOL_FRAME_MAX_BODY / 2)
#define MAX_ERROR_SIZE (1024 * 1024)                /* bytes; beyond, the message alone is sent */
#define MAX_MESSAGE    (64 * 1024)

static gboolean
check_size (AiopoolSession  *session,
            gsize            size,
            GError         **error)
{
  if (size <= session->config.max_result_size)
    return TRUE;
  g_set_error (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_TOO_LARGE,
               "The result has %zu bytes; the limit of the pool is %" G_GUINT64_FORMAT, size,
               session->config.max_result_size);
  return FALSE;
}

static void
pack_inline (AiopoolParcel            *self,
             const AiopoolPayloadView *view)
{
  self->value.view = *view;
  self->value.transport = AIOPOOL_TRANSPORT_INLINE;
  self->value.has_fd = FALSE;
  self->value.segment_id = 0;
  self->fd = -1;
}

/* NULL without @error: there is none, but the value fits into a frame. */
static AiopoolSegment *
acquire (AiopoolSession  *session,
         gsize            size,
         GError         **error)
{
  g_autoptr (GError) local = NULL;
  AiopoolSegment *segment = aiopool_segment_store_acquire (session->store, size, &local);

  if (segment == NULL && size > MAX_FALLBACK)
    g_propagate_error (error, g_steal_pointer (&local));
  else if (segment == NULL)
    g_debug ("%s; sending it in the stream", local->message);
  return segment;
}

/* @segment has the @view->size bytes already. */
gboolean
aiopool_parcel_pack_segment (AiopoolParcel             *self,
                             AiopoolSession            *session,
                             AiopoolSegment            *segment,
                             const AiopoolPayloadView  *view,
                             GError                   **error)
{
  guint64 segment_id = segment->id;
  gboolean ok;

  if (!check_size (session, view->size, error))
    {
      aiopool_segment_store_discard (session->store, segment);
      aiopool_session_tell_forgotten (session);
      return FALSE;
    }
  self->value.view = *view;
  self->value.view.data = NULL;
  self->value.transport = segment_id != 0 ? AIOPOOL_TRANSPORT_SEGMENT : AIOPOOL_TRANSPORT_MEMFD;
  self->value.segment_id = segment_id;
  ok = aiopool_segment_store_finish (session->store, segment, view->size, &self->fd, error);
  self->value.has_fd = self->fd >= 0;
  return ok;
}

gboolean
aiopool_parcel_pack_view (AiopoolParcel             *self,
                          AiopoolSession            *session,
                          const AiopoolPayloadView  *view,
                          GError                   **error)
{
  AiopoolSegment *segment = NULL;
  GError *local = NULL;

  if (!check_size (session, view->size, error))
    return FALSE;
  if (view->size > AIOPOOL_INLINE_LIMIT)
    segment = acquire (session, view->size, &local);
  if (local != NULL)
    {
      g_propagate_error (error, local);
      return FALSE;
    }
  if (segment != NULL)
    {
      memcpy (segment->data, view->data, view->size);
      return aiopool_parcel_pack_segment (self, session, segment, view, error);
    }
  pack_inline (self, view);
  return TRUE;
}

/* A large variant is serialised right into the shared memory. */
gboolean
aiopool_parcel_pack_variant (AiopoolParcel   *self,
                             AiopoolSession  *session,
                             GVariant        *variant,
                             GError         **error)
{
  AiopoolPayloadView view = { .format = AIOPOOL_FORMAT_GVARIANT };
  AiopoolSegment *segment = NULL;
  GError *local = NULL;

  view.type = g_variant_get_type_string (variant);
  view.size = g_variant_get_size (variant);
  if (!check_size (session, view.size, error))
    return FALSE;
  if (view.size > AIOPOOL_INLINE_LIMIT)
    segment = acquire (session, view.size, &local);
  if (local != NULL)
    {
      g_propagate_error (error, local);
      return FALSE;
    }
  if (segment != NULL)
    {
      g_variant_store (variant, segment->data);
      return aiopool_parcel_pack_segment (self, session, segment, &view, error);
    }
  view.data = g_variant_get_data (variant);
  pack_inline (self, &view);
  return TRUE;
}

/* The descriptor of the memory, then those of @fds, which are not copied, so that this cannot fail:
 * let_go() must follow. Returns: (transfer full) (nullable). */
static GUnixFDList *
collect_fds (AiopoolParcel *self,
             GUnixFDList   *fds)
{
  g_autoptr (GArray) all = NULL;
  const int *array = NULL;
  int n_fds = 0;

  if (self->fd < 0)
    return fds != NULL ? g_object_ref (fds) : NULL;
  if (fds != NULL)
    array = g_unix_fd_list_peek_fds (fds, &n_fds);
  all = g_array_new (FALSE, FALSE, sizeof (int));
  g_array_append_val (all, self->fd);
  g_array_append_vals (all, array, (guint) n_fds);
  return g_unix_fd_list_new_from_array ((const int *) (gpointer) all->data, n_fds + 1);
}

/* @all: (transfer full) (nullable): from collect_fds(), sent. */
static void
let_go (AiopoolParcel *self,
        GUnixFDList   *all)
{
  if (self->fd >= 0)
    g_free (g_unix_fd_list_steal_fds (all, NULL));
  aiopool_clear_fd (&self->fd);
  g_clear_object (&all);
}

static guint8
count_fds (GUnixFDList *fds)
{
  return fds != NULL ? (guint8) g_unix_fd_list_get_length (fds) : 0;
}

/* @index: (nullable): of the item of a chunk whose result it is. @fds: (nullable): of the result
 * itself, not none, and one fewer than a frame may have. */
void
aiopool_parcel_send_result (AiopoolParcel  *self,
                            AiopoolSession *session,
                            guint64         id,
                            gint64          started,
                            gint64          ended,
                            const guint32  *index,
                            GUnixFDList    *fds)
{
  AiopoolResultMessage message = { .started = started, .ended = ended, .value = self->value };
  GUnixFDList *all = collect_fds (self, fds);

  message.is_item = index != NULL;
  message.index = index != NULL ? *index : 0;
  aiopool_message_write_result (aiopool_outbox_begin (session->outbox,
                                                      aiopool_message_result_size (&message)),
                                id, count_fds (all), &message);
  aiopool_outbox_end (session->outbox, all);
  let_go (self, all);
}

void
aiopool_parcel_send_emit (AiopoolParcel  *self,
                          AiopoolSession *session,
                          guint64         id)
{
  GUnixFDList *all = collect_fds (self, NULL);

  aiopool_message_write_emit (aiopool_outbox_begin (session->outbox,
                                                    aiopool_message_emit_size (&self->value)),
                              id, count_fds (all), &self->value);
  aiopool_outbox_end (session->outbox, all);
  let_go (self, all);
}

static GVariant *
encode_error (const GError     *error,
              AiopoolErrorInfo *info)
{
  GVariant *encoded = aiopool_remote_error_encode (error, info);
  g_autofree char *text = NULL;
  g_autoptr (GError) shorter = NULL;

  if (g_variant_get_size (encoded) <= MAX_ERROR_SIZE)
    return encoded;
  g_variant_unref (encoded);
  text = g_strndup (error->message, MAX_MESSAGE);
  shorter = g_error_new (error->domain, error->code, "%s [the rest of this error was too large]",
                         text);
  return aiopool_remote_error_encode (shorter, NULL);
}

/* @index: (nullable): as above. */
void
aiopool_parcel_send_error (AiopoolSession   *session,
                           guint64           id,
                           gint64            started,
                           gint64            ended,
                           const guint32    *index,
                           const GError     *error,
                           AiopoolErrorInfo *info)
{
  g_autoptr (GVariant) encoded = encode_error (error, info);
  AiopoolErrorMessage message = { .started = started, .ended = ended };

  message.error = g_variant_get_data (encoded);
  message.error_size = g_variant_get_size (encoded);
  message.is_item = index != NULL;
  message.index = index != NULL ? *index : 0;
  aiopool_message_write_error (aiopool_outbox_begin (session->outbox,
                                                     aiopool_message_error_size (&message)),
                               id, &message);
  aiopool_outbox_end (session->outbox, NULL);
}

static int
take_memory_fd (GUnixFDList **fds)
{
  int n_fds;
  g_autofree int *array = g_unix_fd_list_steal_fds (*fds, &n_fds);

  g_clear_object (fds);
  if (n_fds > 1)
    *fds = g_unix_fd_list_new_from_array (array + 1, n_fds - 1);
  return array[0];
}

static GBytes *
open_memory (AiopoolSession             *session,
             const AiopoolValueMessage  *message,
             GUnixFDList               **fds,
             GError                    **error)
{
  int fd = message->has_fd ? take_memory_fd (fds) : -1;
  guint64 id = message->transport == AIOPOOL_TRANSPORT_SEGMENT ? message->segment_id : 0;
  GError *local = NULL;
  GBytes *bytes = aiopool_segment_cache_open (session->cache, id, message->view.size, fd, &local);

  if (bytes != NULL)
    return bytes;
  if (local->domain == AIOPOOL_TASK_ERROR)
    local->code = AIOPOOL_TASK_ERROR_DECODE;
  g_propagate_error (error, local);
  return NULL;
}

/* Small values are copied: their memory is the reader's. What a parent sends is in normal form. */
static void
copy_inline (AiopoolArgument          *self,
             const AiopoolPayloadView *view)
{
  gpointer data;

  if (view->format != AIOPOOL_FORMAT_GVARIANT)
    {
      self->bytes = g_bytes_new (view->data, view->size);
      return;
    }
  data = g_memdup2 (view->data, view->size);
  self->variant = g_variant_new_from_data (G_VARIANT_TYPE (view->type), data, view->size, TRUE,
                                           g_free, data);
  g_variant_ref_sink (self->variant);
}

/* @fds: taken from, if the value came in memory of its own. A segment is given back when the value
 * is dropped. */
gboolean
aiopool_argument_read (AiopoolArgument            *self,
                       AiopoolSession             *session,
                       const AiopoolValueMessage  *message,
                       GUnixFDList               **fds,
                       GError                    **error)
{
  g_autoptr (GBytes) bytes = NULL;

  self->format = message->view.format;
  if (message->transport == AIOPOOL_TRANSPORT_INLINE)
    {
      copy_inline (self, &message->view);
      return TRUE;
    }
  bytes = open_memory (session, message, fds, error);
  if (bytes == NULL)
    return FALSE;
  if (self->format == AIOPOOL_FORMAT_GVARIANT)
    self->variant = g_variant_ref_sink (
      g_variant_new_from_bytes (G_VARIANT_TYPE (message->view.type), bytes, TRUE));
  else
    self->bytes = g_steal_pointer (&bytes);
  return TRUE;
}

/* (transfer full): of a task that has some. */
GVariant *
aiopool_argument_copy_keywords (const AiopoolTaskMessage *message)
{
  gpointer data = g_memdup2 (message->keywords, message->keywords_size);

  return g_variant_ref_sink (g_variant_new_from_data (G_VARIANT_TYPE_VARDICT, data,
                                                      message->keywords_size, TRUE, g_free, data));
}

void
aiopool_argument_clear (AiopoolArgument *self)
{
  g_clear_pointer (&self->variant, g_variant_unref);
  g_clear_pointer (&self->bytes, g_bytes_unref);
}
