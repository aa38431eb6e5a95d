/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/workers/aiopool-outbound-parts-private.h"

#include "aiopool/base/aiopool-engine-private.h"

#include <string.h>

/* What is written to a worker: frames of tasks, of functions that it does not know yet, and large
 * arguments, which whoever pumps copies into shared memory before, outside the lock, in slices; one
 * at a time. What tasks have in common goes the same way, before the first of them; see share.
 *
 * Writer and copying: the pumping thread's. Segments: any thread's. */

static void
define_function (AiopoolOutbound           *self,
                 const AiopoolFunctionInfo *function)
{
  gsize size = strlen (function->name);
  guint old = self->known->len;

  if (function->number < old && self->known->data[function->number])
    return;
  if (function->number >= old)
    {
      g_byte_array_set_size (self->known, MAX (2 * old, function->number + 16));
      memset (self->known->data + old, 0, self->known->len - old);
    }
  self->known->data[function->number] = TRUE;
  aiopool_message_write_text (aiopool_writer_reserve (self->writer,
                                                      aiopool_message_text_size (size)),
                              AIOPOOL_FRAME_DEFINE, function->number, function->name, size);
}

/* @fd: (transfer full): of a value's memory, or -1; it goes first. @fds (out): (nullable). */
static gboolean
join_fds (int           fd,
          GUnixFDList  *task_fds,
          GUnixFDList **fds,
          GError      **error)
{
  g_autoptr (GUnixFDList) all = NULL;
  const int *array;
  int n = 0;

  *fds = NULL;
  if (fd < 0)
    {
      g_set_object (fds, task_fds);
      return TRUE;
    }
  all = g_unix_fd_list_new_from_array (&fd, 1);
  array = task_fds != NULL ? g_unix_fd_list_peek_fds (task_fds, &n) : NULL;
  for (int i = 0; i < n; i++)
    {
      if (g_unix_fd_list_append (all, array[i], error) < 0)
        return FALSE;
    }
  *fds = g_steal_pointer (&all);
  return TRUE;
}

/* Puts the frame behind the others. @fd: (transfer full): of a segment, or -1, with which this
 * cannot fail. */
static gboolean
write_task (AiopoolOutbound    *self,
            AiopoolOrder       *order,
            guint64             id,
            AiopoolTransport    transport,
            guint64             segment_id,
            int                 fd,
            GError            **error)
{
  const AiopoolSpec *spec = order->spec;
  const AiopoolSpecOptions *options = spec->options;
  AiopoolTaskMessage message = {
    .function = order->function->number, .timeout = options->timeout, .n_items = spec->n_items
  };
  GUnixFDList *fds;
  guint n_fds;

  if (!join_fds (fd, options->fds, &fds, error))
    return FALSE;
  if (transport == AIOPOOL_TRANSPORT_INLINE)
    aiopool_payload_get_view (spec->argument, &message.argument.view);
  else
    aiopool_payload_describe (spec->argument, &message.argument.view);
  message.argument.transport = transport;
  message.argument.has_fd = fd >= 0;
  message.argument.segment_id = segment_id;
  if (options->keywords != NULL)
    {
      message.keywords = g_variant_get_data (options->keywords);
      message.keywords_size = g_variant_get_size (options->keywords);
    }
  if (options->shared != NULL)
    message.shared_id = aiopool_outbound_find_shared (self, options->shared);
  define_function (self, order->function);
  n_fds = fds != NULL ? (guint) g_unix_fd_list_get_length (fds) : 0;
  if (n_fds > 0)
    aiopool_writer_attach (self->writer, g_steal_pointer (&fds));
  aiopool_message_write_task (aiopool_writer_reserve (self->writer,
                                                      aiopool_message_task_size (&message)),
                              id, (guint8) n_fds, &message);
  g_clear_object (&fds);
  return TRUE;
}

/* Puts the frame behind the others, with all that belongs to it. */
void
aiopool_outbound_write_inline (AiopoolOutbound *self,
                               AiopoolOrder    *order,
                               guint64          id)
{
  write_task (self, order, id, AIOPOOL_TRANSPORT_INLINE, 0, -1, NULL);
}

static void
tell_forgotten (AiopoolOutbound *self)
{
  g_autoptr (GArray) forgotten = aiopool_segment_store_take_forgotten (self->store);

  for (guint i = 0; forgotten != NULL && i < forgotten->len; i++)
    aiopool_control_send (self->control, AIOPOOL_FRAME_RELEASE, AIOPOOL_SEGMENT_FORGET,
                          g_array_index (forgotten, guint64, i), 0);
}

static gboolean
finish_copy (AiopoolOutbound  *self,
             GError          **error)
{
  AiopoolOrder *order = aiopool_outbound_get_copied (self);
  AiopoolSegment *segment = g_steal_pointer (&self->segment);
  guint64 segment_id = segment->id;
  gsize size = aiopool_payload_get_size (order->spec->argument);
  gboolean ok;
  int fd;

  g_atomic_pointer_set (&self->copied, NULL);
  if (!aiopool_segment_store_finish (self->store, segment, size, &fd, error))
    return FALSE;
  ok = write_task (self, order, self->copied_id,
                   segment_id != 0 ? AIOPOOL_TRANSPORT_SEGMENT : AIOPOOL_TRANSPORT_MEMFD,
                   segment_id, fd, error);
  if (!ok && segment_id != 0) /* the worker never hears of it, and so never releases it */
    aiopool_segment_store_discard (self->store, segment);
  tell_forgotten (self);
  return ok;
}

/* The order goes with its argument in the frame. */
static void
write_small (AiopoolOutbound *self)
{
  AiopoolOrder *order = self->copied;

  g_atomic_pointer_set (&self->copied, NULL);
  aiopool_outbound_write_inline (self, order, self->copied_id);
}

/* Falls back to the stream when there is no shared memory to be had and the value is not huge. */
static gboolean
start_copy (AiopoolOutbound  *self,
            GError          **error)
{
  g_autoptr (GError) local = NULL;
  gsize size = aiopool_payload_get_size (self->copied->spec->argument);

  self->segment = aiopool_segment_store_acquire (self->store, size, &local);
  if (self->segment != NULL)
    return TRUE;
  if (size > AIOPOOL_FRAME_MAX_BODY / 2)
    {
      g_atomic_pointer_set (&self->copied, NULL);
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  write_small (self);
  return TRUE;
}

/* Sees to it that the worker has what the order shares; a slice of what is large. FALSE if the
 * order must wait for more, or cannot be sent. */
static gboolean
share_some (AiopoolOutbound  *self,
            GError          **error)
{
  AiopoolShared *shared = self->copied->spec->options->shared;
  g_autoptr (GUnixFDList) fds = NULL;
  g_autoptr (GError) local = NULL;

  if (shared == NULL || aiopool_outbound_find_shared (self, shared) != 0)
    return TRUE;
  switch (aiopool_shared_prepare (shared, &fds, &local))
    {
    case AIOPOOL_SHARED_ENGINE:
      return FALSE;
    case AIOPOOL_SHARED_FAILED:
      if (aiopool_shared_get_size (shared) <= AIOPOOL_FRAME_MAX_BODY / 2)
        break;
      g_atomic_pointer_set (&self->copied, NULL);
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    case AIOPOOL_SHARED_READY:
    default:
      break;
    }
  aiopool_outbound_write_share (self, shared, fds);
  return TRUE;
}

/* Copies a slice of the argument, if that is large. Returns FLUSH_DONE when nothing is left. */
static AiopoolFlush
copy_some (AiopoolOutbound  *self,
           GError          **error)
{
  const AiopoolPayload *argument = self->copied->spec->argument;
  gsize size = aiopool_payload_get_size (argument);
  gsize n = MIN (size - self->n_copied, AIOPOOL_COPY_SLICE);

  if (!share_some (self, error))
    return self->copied != NULL ? AIOPOOL_FLUSH_ENGINE : AIOPOOL_FLUSH_DONE;
  if (size <= AIOPOOL_INLINE_LIMIT)
    {
      write_small (self);
      return AIOPOOL_FLUSH_DONE;
    }
  if (size > AIOPOOL_MAX_CALLER_COPY && !aiopool_engine_is_current ())
    return AIOPOOL_FLUSH_ENGINE;
  if (self->segment == NULL && !start_copy (self, error))
    return AIOPOOL_FLUSH_DONE;
  if (self->copied == NULL)
    return AIOPOOL_FLUSH_DONE;
  aiopool_payload_copy (argument, self->n_copied, self->segment->data + self->n_copied, n);
  self->n_copied += n;
  if (self->n_copied < size)
    return AIOPOOL_FLUSH_ENGINE;
  finish_copy (self, error);
  return AIOPOOL_FLUSH_DONE;
}

static AiopoolIoStatus
write_out (AiopoolOutbound *self)
{
  AiopoolIoStatus status = aiopool_writer_flush (self->writer);

  aiopool_status_page_set_written (self->page, aiopool_writer_get_total (self->writer));
  return status;
}

/* The first frame of all, before there is anybody to read it. */
void
aiopool_outbound_send_config (AiopoolOutbound            *self,
                              const AiopoolConfigMessage *config)
{
  gsize size = AIOPOOL_FRAME_HEADER_SIZE + AIOPOOL_FRAME_PAD (sizeof *config);

  aiopool_message_write_config (aiopool_writer_reserve (self->writer, size), config);
  write_out (self);
}

/* Writes what waits. With @error set the order that was being copied cannot be sent. */
AiopoolFlush
aiopool_outbound_flush (AiopoolOutbound  *self,
                        GError          **error)
{
  if (self->copied != NULL)
    {
      AiopoolFlush flush = copy_some (self, error);

      if (flush != AIOPOOL_FLUSH_DONE)
        return flush;
    }
  if (self->told != NULL)
    aiopool_outbound_forget_dead (self);
  switch (write_out (self))
    {
    case AIOPOOL_IO_OK:
      return AIOPOOL_FLUSH_DONE;
    case AIOPOOL_IO_AGAIN:
      return AIOPOOL_FLUSH_BLOCKED;
    case AIOPOOL_IO_END:
    default:
      return AIOPOOL_FLUSH_BROKEN;
    }
}

void
aiopool_outbound_release (AiopoolOutbound *self,
                          guint64          segment_id)
{
  aiopool_segment_store_release (self->store, segment_id);
}

/* Whether segments are kept for more values. */
gboolean
aiopool_outbound_has_memory (AiopoolOutbound *self)
{
  return !aiopool_segment_store_is_empty (self->store);
}

void
aiopool_outbound_trim (AiopoolOutbound *self)
{
  aiopool_segment_store_trim (self->store);
  tell_forgotten (self);
}
