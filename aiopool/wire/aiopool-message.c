/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/wire/aiopool-message-private.h"

#include <string.h>

/* What stands in the frames, and nothing about when. docs/protocol.md has the layouts in words.
 *
 * Writers put a whole frame, header and padding included, into memory of the size that the
 * function of the same name told. Parsers are pure: every length is checked against the frame, a
 * frame that is not exactly right is refused, and nothing is copied. */

typedef struct
{
  guint8  format;
  guint8  transport;
  guint16 zero;
  guint32 type_size; /* with the NUL; 0 without a type */
  guint64 size;
  guint64 segment_id;
} ValueHead;

typedef struct
{
  guint32   function;
  guint32   keywords_size;
  gint64    timeout;
  ValueHead value;
} TaskHead;

typedef struct
{
  gint64    started;
  gint64    ended;
  ValueHead value;
} ResultHead;

typedef struct
{
  gint64 started;
  gint64 ended;
} ErrorHead;

#define PAD AIOPOOL_FRAME_PAD

static gsize
type_size_of (const AiopoolValueMessage *message)
{
  return message->view.type != NULL ? strlen (message->view.type) + 1 : 0;
}

/* Bytes behind the head of a value. */
static gsize
value_tail_size (const AiopoolValueMessage *message)
{
  gsize size = PAD (type_size_of (message));

  if (message->transport == AIOPOOL_TRANSPORT_INLINE)
    size += PAD (message->view.size);
  return size;
}

static guint8
memory_flag (const AiopoolValueMessage *message)
{
  return message->has_fd ? AIOPOOL_FRAME_MEMORY_FD : 0;
}

/* A variant of fixed size that was made of other bytes has no data: it is zeros. */
static guint8 *
write_padded (guint8        *out,
              gconstpointer  data,
              gsize          size)
{
  gsize padded = PAD (size);
  gsize written = data != NULL ? size : 0;

  if (written > 0)
    memcpy (out, data, written);
  memset (out + written, 0, padded - written);
  return out + padded;
}

static void
fill_value_head (ValueHead                 *head,
                 const AiopoolValueMessage *message)
{
  head->format = (guint8) message->view.format;
  head->transport = (guint8) message->transport;
  head->zero = 0;
  head->type_size = (guint32) type_size_of (message);
  head->size = message->view.size;
  head->segment_id = message->segment_id;
}

static guint8 *
write_value_tail (guint8                    *out,
                  const AiopoolValueMessage *message)
{
  gsize type_size = type_size_of (message);

  if (type_size > 0)
    out = write_padded (out, message->view.type, type_size);
  if (message->transport == AIOPOOL_TRANSPORT_INLINE)
    out = write_padded (out, message->view.data, message->view.size);
  return out;
}

/* The type string of a variant: terminated, of definite type, and none for other formats. */
static gboolean
parse_value_type (const ValueHead     *head,
                  const guint8        *tail,
                  AiopoolValueMessage *message)
{
  const char *type = (const char *) tail;

  message->view.type = NULL;
  if (head->format != AIOPOOL_FORMAT_GVARIANT)
    return head->type_size == 0;
  if (head->type_size < 2 || memchr (type, 0, head->type_size) != type + head->type_size - 1)
    return FALSE;
  if (!g_variant_type_string_is_valid (type) ||
      !g_variant_type_is_definite (G_VARIANT_TYPE (type)))
    return FALSE;
  message->view.type = type;
  return TRUE;
}

/* @used (out): bytes of the tail that belong to the value. */
static gboolean
parse_value (const AiopoolFrame  *frame,
             const ValueHead     *head,
             const guint8        *tail,
             gsize                tail_size,
             AiopoolValueMessage *message,
             gsize               *used)
{
  gsize type_space = PAD (head->type_size);

  if (head->format > AIOPOOL_FORMAT_PICKLE || head->transport > AIOPOOL_TRANSPORT_MEMFD ||
      (head->transport == AIOPOOL_TRANSPORT_SEGMENT) != (head->segment_id != 0) ||
      head->zero != 0 || head->type_size > tail_size || type_space > tail_size ||
      head->size > G_MAXSSIZE)
    return FALSE;
  message->view.format = head->format;
  message->view.size = head->size;
  message->view.data = NULL;
  message->transport = head->transport;
  message->has_fd = (frame->flags & AIOPOOL_FRAME_MEMORY_FD) != 0;
  message->segment_id = head->segment_id;
  *used = type_space;
  if (message->has_fd && (frame->n_fds == 0 || message->transport == AIOPOOL_TRANSPORT_INLINE))
    return FALSE;
  if (!parse_value_type (head, tail, message))
    return FALSE;
  if (message->transport != AIOPOOL_TRANSPORT_INLINE)
    return TRUE;
  if (head->size > tail_size - type_space || PAD (head->size) > tail_size - type_space)
    return FALSE;
  message->view.data = head->size > 0 ? tail + type_space : NULL;
  *used += PAD (head->size);
  return TRUE;
}

static void
write_fixed (guint8           *out,
             AiopoolFrameType  type,
             gconstpointer     body,
             gsize             size)
{
  aiopool_frame_header (out, (guint8) type, 0, 0, 0, (guint32) size);
  write_padded (out + AIOPOOL_FRAME_HEADER_SIZE, body, size);
}

static gboolean
parse_fixed (const AiopoolFrame *frame,
             AiopoolFrameType    type,
             gpointer            body,
             gsize               size)
{
  if (frame->type != type || frame->length != size || frame->id != 0)
    return FALSE;
  memcpy (body, frame->body, size);
  return TRUE;
}

gsize
aiopool_message_config_size (void)
{
  return AIOPOOL_FRAME_HEADER_SIZE + PAD (sizeof (AiopoolConfigMessage));
}

void
aiopool_message_write_config (guint8                     *out,
                              const AiopoolConfigMessage *message)
{
  write_fixed (out, AIOPOOL_FRAME_CONFIG, message, sizeof *message);
}

gboolean
aiopool_message_parse_config (const AiopoolFrame   *frame,
                              AiopoolConfigMessage *message)
{
  return parse_fixed (frame, AIOPOOL_FRAME_CONFIG, message, sizeof *message);
}

gsize
aiopool_message_hello_size (void)
{
  return AIOPOOL_FRAME_HEADER_SIZE + PAD (sizeof (AiopoolHelloMessage));
}

void
aiopool_message_write_hello (guint8                    *out,
                             const AiopoolHelloMessage *message)
{
  write_fixed (out, AIOPOOL_FRAME_HELLO, message, sizeof *message);
}

gboolean
aiopool_message_parse_hello (const AiopoolFrame  *frame,
                             AiopoolHelloMessage *message)
{
  return parse_fixed (frame, AIOPOOL_FRAME_HELLO, message, sizeof *message);
}

gsize
aiopool_message_task_size (const AiopoolTaskMessage *message)
{
  return AIOPOOL_FRAME_HEADER_SIZE + sizeof (TaskHead) + value_tail_size (&message->argument) +
         PAD (message->keywords_size);
}

void
aiopool_message_write_task (guint8                   *out,
                            guint64                   id,
                            guint8                    n_fds,
                            const AiopoolTaskMessage *message)
{
  TaskHead head = { .function = message->function, .timeout = message->timeout };
  gsize size = aiopool_message_task_size (message) - AIOPOOL_FRAME_HEADER_SIZE;

  head.keywords_size = (guint32) message->keywords_size;
  fill_value_head (&head.value, &message->argument);
  aiopool_frame_header (out, AIOPOOL_FRAME_TASK, memory_flag (&message->argument), n_fds, id,
                        (guint32) size);
  out += AIOPOOL_FRAME_HEADER_SIZE;
  memcpy (out, &head, sizeof head);
  out = write_value_tail (out + sizeof head, &message->argument);
  write_padded (out, message->keywords, message->keywords_size);
}

gboolean
aiopool_message_parse_task (const AiopoolFrame *frame,
                            AiopoolTaskMessage *message)
{
  TaskHead head;
  gsize used;

  if (frame->type != AIOPOOL_FRAME_TASK || frame->length < sizeof head)
    return FALSE;
  memcpy (&head, frame->body, sizeof head);
  if (!parse_value (frame, &head.value, frame->body + sizeof head, frame->length - sizeof head,
                    &message->argument, &used))
    return FALSE;
  if (head.keywords_size > frame->length ||
      frame->length - sizeof head - used != PAD (head.keywords_size))
    return FALSE;
  message->function = head.function;
  message->timeout = head.timeout;
  message->keywords = head.keywords_size > 0 ? frame->body + sizeof head + used : NULL;
  message->keywords_size = head.keywords_size;
  return TRUE;
}

gsize
aiopool_message_result_size (const AiopoolResultMessage *message)
{
  return AIOPOOL_FRAME_HEADER_SIZE + sizeof (ResultHead) + value_tail_size (&message->value);
}

void
aiopool_message_write_result (guint8                     *out,
                              guint64                     id,
                              guint8                      n_fds,
                              const AiopoolResultMessage *message)
{
  ResultHead head = { .started = message->started, .ended = message->ended };
  gsize size = aiopool_message_result_size (message) - AIOPOOL_FRAME_HEADER_SIZE;

  fill_value_head (&head.value, &message->value);
  aiopool_frame_header (out, AIOPOOL_FRAME_RESULT, memory_flag (&message->value), n_fds, id,
                        (guint32) size);
  out += AIOPOOL_FRAME_HEADER_SIZE;
  memcpy (out, &head, sizeof head);
  write_value_tail (out + sizeof head, &message->value);
}

gboolean
aiopool_message_parse_result (const AiopoolFrame   *frame,
                              AiopoolResultMessage *message)
{
  ResultHead head;
  gsize used;

  if (frame->type != AIOPOOL_FRAME_RESULT || frame->length < sizeof head)
    return FALSE;
  memcpy (&head, frame->body, sizeof head);
  message->started = head.started;
  message->ended = head.ended;
  return parse_value (frame, &head.value, frame->body + sizeof head, frame->length - sizeof head,
                      &message->value, &used) &&
         used == frame->length - sizeof head;
}

gsize
aiopool_message_emit_size (const AiopoolValueMessage *message)
{
  return AIOPOOL_FRAME_HEADER_SIZE + sizeof (ValueHead) + value_tail_size (message);
}

void
aiopool_message_write_emit (guint8                    *out,
                            guint64                    id,
                            guint8                     n_fds,
                            const AiopoolValueMessage *message)
{
  ValueHead head;
  gsize size = aiopool_message_emit_size (message) - AIOPOOL_FRAME_HEADER_SIZE;

  fill_value_head (&head, message);
  aiopool_frame_header (out, AIOPOOL_FRAME_EMIT, memory_flag (message), n_fds, id, (guint32) size);
  out += AIOPOOL_FRAME_HEADER_SIZE;
  memcpy (out, &head, sizeof head);
  write_value_tail (out + sizeof head, message);
}

gboolean
aiopool_message_parse_emit (const AiopoolFrame  *frame,
                            AiopoolValueMessage *message)
{
  ValueHead head;
  gsize used;

  if (frame->type != AIOPOOL_FRAME_EMIT || frame->length < sizeof head ||
      frame->n_fds != (frame->flags & AIOPOOL_FRAME_MEMORY_FD))
    return FALSE;
  memcpy (&head, frame->body, sizeof head);
  return parse_value (frame, &head, frame->body + sizeof head, frame->length - sizeof head, message,
                      &used) &&
         used == frame->length - sizeof head;
}

gsize
aiopool_message_error_size (const AiopoolErrorMessage *message)
{
  return AIOPOOL_FRAME_HEADER_SIZE + sizeof (ErrorHead) + PAD (message->error_size);
}

void
aiopool_message_write_error (guint8                    *out,
                             guint64                    id,
                             const AiopoolErrorMessage *message)
{
  ErrorHead head = { message->started, message->ended };
  gsize size = sizeof head + message->error_size;

  aiopool_frame_header (out, AIOPOOL_FRAME_ERROR, 0, 0, id, (guint32) size);
  out += AIOPOOL_FRAME_HEADER_SIZE;
  memcpy (out, &head, sizeof head);
  write_padded (out + sizeof head, message->error, message->error_size);
}

gboolean
aiopool_message_parse_error (const AiopoolFrame  *frame,
                             AiopoolErrorMessage *message)
{
  ErrorHead head;

  if (frame->type != AIOPOOL_FRAME_ERROR || frame->length < sizeof head || frame->n_fds != 0)
    return FALSE;
  memcpy (&head, frame->body, sizeof head);
  message->started = head.started;
  message->ended = head.ended;
  message->error = frame->body + sizeof head;
  message->error_size = frame->length - sizeof head;
  return TRUE;
}

gsize
aiopool_message_progress_size (const AiopoolProgressMessage *message)
{
  return AIOPOOL_FRAME_HEADER_SIZE + sizeof (double) + PAD (message->text_size);
}

void
aiopool_message_write_progress (guint8                       *out,
                                guint64                       id,
                                const AiopoolProgressMessage *message)
{
  gsize size = sizeof (double) + message->text_size;

  aiopool_frame_header (out, AIOPOOL_FRAME_PROGRESS, 0, 0, id, (guint32) size);
  out += AIOPOOL_FRAME_HEADER_SIZE;
  memcpy (out, &message->fraction, sizeof (double));
  write_padded (out + sizeof (double), message->text, message->text_size);
}

gboolean
aiopool_message_parse_progress (const AiopoolFrame     *frame,
                                AiopoolProgressMessage *message)
{
  if (frame->type != AIOPOOL_FRAME_PROGRESS || frame->length < sizeof (double) ||
      frame->n_fds != 0)
    return FALSE;
  memcpy (&message->fraction, frame->body, sizeof (double));
  message->text = (const char *) frame->body + sizeof (double);
  message->text_size = frame->length - sizeof (double);
  return message->fraction >= 0.0 && message->fraction <= 1.0 &&
         g_utf8_validate_len (message->text, message->text_size, NULL);
}

/* DEFINE, REFUSE, and with text of no bytes RELEASE, CANCEL, CREDIT, TRIM, UNHEARD. */
gsize
aiopool_message_text_size (gsize text_size)
{
  return AIOPOOL_FRAME_HEADER_SIZE + PAD (text_size);
}

void
aiopool_message_write_text (guint8           *out,
                            AiopoolFrameType  type,
                            guint64           id,
                            const char       *text,
                            gsize             text_size)
{
  aiopool_frame_header (out, (guint8) type, 0, 0, id, (guint32) text_size);
  write_padded (out + AIOPOOL_FRAME_HEADER_SIZE, text, text_size);
}
