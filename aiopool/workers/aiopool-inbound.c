/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/workers/aiopool-inbound-private.h"

#include "aiopool/base/aiopool-error.h"
#include "aiopool/base/aiopool-fd-private.h"
#include "aiopool/wire/aiopool-channel-private.h"
#include "aiopool/wire/aiopool-log-message-private.h"
#include "aiopool/wire/aiopool-remote-error-private.h"
#include "aiopool/wire/aiopool-segment-private.h"

#include <unistd.h>

/* The way of results from one worker: bytes in, events out, in batches of what one read gave.
 *
 * A worker that has not said HELLO may say that or REFUSE; afterwards anything about tasks. What
 * does not fit is an error, of the pool's domain before HELLO and of the task's after it, and ends
 * the conversation. Whether an id means anything is for the owner to say. */

struct _AiopoolInbound
{
  AiopoolReader             *reader; /* (owned) */
  AiopoolSegmentCache       *cache;  /* (owned) */
  AiopoolControl            *control; /* (unowned: the peer) */
  gboolean                   is_trusted;
  guint64                    max_result_size;
  const AiopoolInboundOwner *owner_class;
  gpointer                   owner;  /* (unowned: frees this) */
  gboolean                   has_hello;
  gboolean                   has_more; /* the last read may have left something */
  GArray                    *events;   /* (owned) of AiopoolEvent: of one read */
};

static void
on_segment_unused (gpointer owner,
                   guint64  id)
{
  AiopoolInbound *self = owner;

  aiopool_control_send (self->control, AIOPOOL_FRAME_RELEASE, 0, id, 0);
}

AiopoolInbound *
aiopool_inbound_new (int                        data_fd,
                     AiopoolControl            *control,
                     gboolean                   is_trusted,
                     guint64                    max_result_size,
                     const AiopoolInboundOwner *owner_class,
                     gpointer                   owner)
{
  AiopoolInbound *self = g_new0 (AiopoolInbound, 1);

  self->reader = aiopool_reader_new (data_fd);
  self->cache = aiopool_segment_cache_new (on_segment_unused, self);
  self->control = control;
  self->is_trusted = is_trusted;
  self->max_result_size = max_result_size;
  self->owner_class = owner_class;
  self->owner = owner;
  self->events = g_array_new (FALSE, TRUE, sizeof (AiopoolEvent));
  return self;
}

void
aiopool_inbound_free (AiopoolInbound *self)
{
  aiopool_segment_cache_close (self->cache);
  aiopool_reader_free (self->reader);
  g_array_unref (self->events);
  g_free (self);
}

static gboolean
refuse_frame (GError     **error,
              GQuark       domain,
              int          code,
              const char  *what,
              guint        type)
{
  g_set_error (error, domain, code, "%s (frame type %u)", what, type);
  return FALSE;
}

static gboolean
check_size (AiopoolInbound            *self,
            const AiopoolValueMessage *value,
            GError                   **error)
{
  if (value->view.size <= self->max_result_size)
    return TRUE;
  g_set_error (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_PROTOCOL,
               "a value of %zu bytes where %" G_GUINT64_FORMAT " were allowed", value->view.size,
               self->max_result_size);
  return FALSE;
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

/* @fds: taken from, if the value came in memory of its own. */
static AiopoolPayload *
read_value (AiopoolInbound             *self,
            const AiopoolValueMessage  *value,
            GUnixFDList               **fds,
            GError                    **error)
{
  int fd = value->has_fd ? take_memory_fd (fds) : -1;
  GBytes *bytes;

  if (value->transport == AIOPOOL_TRANSPORT_INLINE)
    return aiopool_payload_new_copy (&value->view);
  if (value->transport == AIOPOOL_TRANSPORT_SEGMENT &&
      (!self->is_trusted || value->segment_id == 0))
    {
      aiopool_clear_fd (&fd);
      g_set_error_literal (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_PROTOCOL,
                           "a shared segment from a worker that may not use them");
      return NULL;
    }
  bytes = aiopool_segment_cache_open (self->cache,
                                      value->transport == AIOPOOL_TRANSPORT_SEGMENT
                                        ? value->segment_id
                                        : 0,
                                      value->view.size, fd, error);
  if (bytes == NULL)
    return NULL;
  return aiopool_payload_new_bytes (value->view.format, value->view.type, bytes);
}

/* What came of the item @index of a chunk is told as a run of one. */
static void
make_item (AiopoolEvent *event,
           guint32       index)
{
  AiopoolItems *items = &event->items;
  AiopoolOutcome outcome = event->outcome;
  gint64 run_time = outcome.ended > outcome.started ? outcome.ended - outcome.started : 0;

  event->type = AIOPOOL_EVENT_ITEMS;
  event->outcome = (AiopoolOutcome) { NULL };
  items->outcome = outcome;
  items->first = index;
  items->n = 1;
  items->started = outcome.started;
  items->run_times = g_new (guint32, 1);
  *items->run_times = (guint32) MIN ((guint64) run_time, G_MAXUINT32);
}

static gboolean
read_result (AiopoolInbound      *self,
             const AiopoolFrame  *frame,
             AiopoolEvent        *event,
             GError             **error)
{
  AiopoolResultMessage message;

  if (!aiopool_message_parse_result (frame, &message))
    return refuse_frame (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_PROTOCOL,
                         "a malformed result", frame->type);
  event->outcome.started = message.started;
  event->outcome.ended = message.ended;
  if (!check_size (self, &message.value, error))
    return FALSE;
  event->outcome.payload = read_value (self, &message.value, &event->outcome.fds, error);
  if (message.is_item)
    make_item (event, message.index);
  return event->outcome.payload != NULL || event->items.outcome.payload != NULL;
}

static gboolean
read_error (AiopoolInbound      *self,
            const AiopoolFrame  *frame,
            AiopoolEvent        *event,
            GError             **error)
{
  AiopoolErrorMessage message;

  if (!aiopool_message_parse_error (frame, &message))
    return refuse_frame (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_PROTOCOL,
                         "a malformed error", frame->type);
  event->outcome.started = message.started;
  event->outcome.ended = message.ended;
  event->outcome.error = aiopool_remote_error_decode (message.error, message.error_size,
                                                      self->is_trusted, &event->outcome.info);
  if (message.is_item)
    make_item (event, message.index);
  return TRUE;
}

/* An array of so many is one whatever its bytes are; what its children are is as with any value. */
static gboolean
has_n_children (AiopoolPayload *values,
                guint           n)
{
  g_autoptr (GVariant) array = aiopool_payload_dup_variant (values, FALSE);

  return g_variant_n_children (array) == n;
}

static gboolean
read_items (const AiopoolFrame  *frame,
            AiopoolEvent        *event,
            GError             **error)
{
  AiopoolItems *items = &event->items;
  AiopoolItemsMessage message;

  event->type = AIOPOOL_EVENT_ITEMS;
  if (aiopool_message_parse_items (frame, &message))
    items->values = aiopool_payload_new_copy (&message.values);
  if (items->values == NULL || !has_n_children (items->values, message.n))
    return refuse_frame (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_PROTOCOL,
                         "malformed results of a chunk", frame->type);
  items->first = message.first;
  items->n = message.n;
  items->started = message.started;
  items->run_times = g_memdup2 (message.run_times, (gsize) message.n * sizeof (guint32));
  return TRUE;
}

static gboolean
read_progress (const AiopoolFrame  *frame,
               AiopoolEvent        *event,
               GError             **error)
{
  AiopoolProgressMessage message;

  if (!aiopool_message_parse_progress (frame, &message))
    return refuse_frame (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_PROTOCOL,
                         "a malformed progress message", frame->type);
  event->type = AIOPOOL_EVENT_PROGRESS;
  event->fraction = message.fraction;
  event->text = g_strndup (message.text, message.text_size);
  return TRUE;
}

static gboolean
read_emit (AiopoolInbound      *self,
           const AiopoolFrame  *frame,
           AiopoolEvent        *event,
           GError             **error)
{
  AiopoolValueMessage message;

  if (!aiopool_message_parse_emit (frame, &message) ||
      message.view.format != AIOPOOL_FORMAT_GVARIANT)
    return refuse_frame (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_PROTOCOL,
                         "a malformed partial result", frame->type);
  event->type = AIOPOOL_EVENT_EMIT;
  if (!check_size (self, &message, error))
    return FALSE;
  event->outcome.payload = read_value (self, &message, &event->outcome.fds, error);
  return event->outcome.payload != NULL;
}

static GVariant *
text_variant (const AiopoolLogText *text)
{
  return g_variant_new_take_string (g_strndup (text->data, text->size));
}

/* (transfer floating) (nullable) */
static GVariant *
fields_variant (const AiopoolLogMessage *message)
{
  GVariantBuilder builder;

  if (message->n_fields == 0)
    return NULL;
  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a{ss}"));
  for (guint i = 0; i < message->n_fields; i++)
    g_variant_builder_add (&builder, "{@s@s}", text_variant (&message->keys[i]),
                           text_variant (&message->values[i]));
  return g_variant_builder_end (&builder);
}

static gboolean
read_log (const AiopoolFrame  *frame,
          AiopoolEvent        *event,
          GError             **error)
{
  AiopoolLogMessage message;

  if (!aiopool_message_parse_log (frame, &message))
    return refuse_frame (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_PROTOCOL,
                         "a malformed log record", frame->type);
  event->type = AIOPOOL_EVENT_LOG;
  event->record = aiopool_log_record_new ((GLogLevelFlags) message.level, message.domain.data,
                                          message.domain.size, message.message.data,
                                          message.message.size, fields_variant (&message));
  event->record->cost = AIOPOOL_LOG_COST (AIOPOOL_FRAME_PAD (frame->length));
  return TRUE;
}

static gboolean
read_event (AiopoolInbound      *self,
            const AiopoolFrame  *frame,
            GError             **error)
{
  AiopoolEvent event = { .type = AIOPOOL_EVENT_OUTCOME, .id = frame->id };
  gboolean ok;

  event.outcome.fds = aiopool_reader_take_fds (self->reader, frame->n_fds);
  switch (frame->type)
    {
    case AIOPOOL_FRAME_RESULT:
      ok = read_result (self, frame, &event, error);
      break;
    case AIOPOOL_FRAME_ERROR:
      ok = read_error (self, frame, &event, error);
      break;
    case AIOPOOL_FRAME_ITEMS:
      ok = read_items (frame, &event, error);
      break;
    case AIOPOOL_FRAME_PROGRESS:
      ok = read_progress (frame, &event, error);
      break;
    case AIOPOOL_FRAME_EMIT:
      ok = read_emit (self, frame, &event, error);
      break;
    case AIOPOOL_FRAME_LOG:
      ok = read_log (frame, &event, error);
      break;
    default:
      ok = refuse_frame (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_PROTOCOL,
                         "a frame that has no place here", frame->type);
      break;
    }
  if (ok)
    g_array_append_val (self->events, event);
  else
    aiopool_event_clear (&event);
  return ok;
}

/* Before HELLO. */
static gboolean
read_greeting (AiopoolInbound      *self,
               const AiopoolFrame  *frame,
               GError             **error)
{
  AiopoolHelloMessage hello;

  if (frame->type == AIOPOOL_FRAME_REFUSE && frame->length <= 4096 && frame->n_fds == 0)
    {
      g_autofree char *text = g_utf8_make_valid ((const char *) frame->body, frame->length);

      self->owner_class->refuse (self->owner, frame->id, text);
      return TRUE;
    }
  if (!aiopool_message_parse_hello (frame, &hello))
    return refuse_frame (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_START_FAILED,
                         "it did not begin with a greeting", frame->type);
  self->has_hello = TRUE;
  self->owner_class->hello (self->owner, &hello);
  return TRUE;
}

static void
hand_over (AiopoolInbound *self,
           gboolean        is_ignored)
{
  AiopoolEvent *events = (gpointer) self->events->data; /* NULL if there was never one */
  guint n_events = self->events->len;

  if (n_events > 0 && !is_ignored)
    self->owner_class->events (self->owner, events, n_events);
  for (guint i = 0; i < n_events; i++)
    aiopool_event_clear (&events[i]);
  g_array_set_size (self->events, 0);
}

/* Hands over what came before a bad frame, too. */
static void
parse (AiopoolInbound  *self,
       gboolean         is_ignored,
       GError         **error)
{
  AiopoolFrameStatus status = AIOPOOL_FRAME_OK;
  gboolean ok = TRUE;
  AiopoolFrame frame;

  while (ok && (status = aiopool_reader_next (self->reader, &frame)) == AIOPOOL_FRAME_OK)
    ok = self->has_hello ? read_event (self, &frame, error)
                         : read_greeting (self, &frame, error);
  hand_over (self, is_ignored);
  if (status == AIOPOOL_FRAME_BAD)
    g_set_error_literal (error, self->has_hello ? AIOPOOL_TASK_ERROR : AIOPOOL_POOL_ERROR,
                         self->has_hello ? (int) AIOPOOL_TASK_ERROR_PROTOCOL
                                         : (int) AIOPOOL_POOL_ERROR_START_FAILED,
                         "what it sent is no frame");
}

/* Reads once. FALSE at the end of the stream. @is_ignored: what comes is thrown away. */
gboolean
aiopool_inbound_read (AiopoolInbound  *self,
                      gboolean         is_ignored,
                      GError         **error)
{
  AiopoolIoStatus status = aiopool_reader_fill (self->reader, FALSE);

  self->has_more = status == AIOPOOL_IO_OK;
  if (status == AIOPOOL_IO_OK)
    parse (self, is_ignored, error);
  return status != AIOPOOL_IO_END;
}

gboolean
aiopool_inbound_has_more (AiopoolInbound *self)
{
  return self->has_more;
}

/* What the worker finished and did not write. */
void
aiopool_inbound_feed (AiopoolInbound  *self,
                      const guint8    *data,
                      gsize            size,
                      gboolean         is_ignored,
                      GError         **error)
{
  aiopool_reader_feed (self->reader, data, size);
  parse (self, is_ignored, error);
}

guint64
aiopool_inbound_get_total (AiopoolInbound *self)
{
  return aiopool_reader_get_total (self->reader);
}

void
aiopool_inbound_forget (AiopoolInbound *self,
                        guint64         segment_id)
{
  aiopool_segment_cache_forget (self->cache, segment_id);
}

/* Whether segments of the worker are mapped. */
gboolean
aiopool_inbound_has_memory (AiopoolInbound *self)
{
  return !aiopool_segment_cache_is_empty (self->cache);
}
