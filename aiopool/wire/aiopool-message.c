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

typedef struct
{
  guint32   first;
  guint32   n;
  gint64    started;
  ValueHead value;
} ItemsHead;

/* Behind the head of what belongs to a chunk: how many items, or which. */
typedef struct
{
  guint32 number;
  guint32 zero;
} ItemWord;

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

/* Single values and flat tuples of them, which most are, need no closer look. */
static gboolean
is_flat_type (const char *type)
{
  static const char singles[] = "bynqiuxthdsogv";

  if (*type != '(')
    return strspn (type, singles) == 1 && type[1] == '\0';
  type += 1 + strspn (type + 1, singles);
  return type[0] == ')' && type[1] == '\0';
}

static gboolean
is_definite_type (const char *type)
{
  return is_flat_type (type) || (g_variant_type_string_is_valid (type) &&
                                 g_variant_type_is_definite (G_VARIANT_TYPE (type)));
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
  if (!is_definite_type (type))
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

static gsize
word_size (gboolean has_word)
{
  return has_word ? sizeof (ItemWord) : 0;
}

static guint8 *
write_word (guint8   *out,
            gboolean  has_word,
            guint32   number)
{
  ItemWord word = { number, 0 };

  if (has_word)
    memcpy (out, &word, sizeof word);
  return out + word_size (has_word);
}

/* @head_size: bytes of the body before it. */
static gboolean
parse_word (const AiopoolFrame *frame,
            gsize               head_size,
            gboolean            has_word,
            guint32            *number)
{
  ItemWord word = { 0, 0 };

  if (has_word && frame->length < head_size + sizeof word)
    return FALSE;
  if (has_word)
    memcpy (&word, frame->body + head_size, sizeof word);
  *number = word.number;
  return word.zero == 0 && word.number <= AIOPOOL_MAX_ITEMS;
}

static gsize
shared_size (gboolean has_shared)
{
  return has_shared ? sizeof (guint64) : 0;
}

/* @head_size: bytes of the body with it, which it is the last of. */
static gboolean
parse_shared (const AiopoolFrame *frame,
              gsize               head_size,
              gboolean            has_shared,
              guint64            *id)
{
  *id = 0;
  if (!has_shared)
    return TRUE;
  if (frame->length < head_size)
    return FALSE;
  memcpy (id, frame->body + head_size - sizeof *id, sizeof *id);
  return *id != 0;
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

static gboolean
is_array (const AiopoolValueMessage *message)
{
  return message->view.format == AIOPOOL_FORMAT_GVARIANT && *message->view.type == 'a';
}

gsize
aiopool_message_task_size (const AiopoolTaskMessage *message)
{
  return AIOPOOL_FRAME_HEADER_SIZE + sizeof (TaskHead) + word_size (message->n_items > 0) +
         shared_size (message->shared_id != 0) + value_tail_size (&message->argument) +
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
  gboolean is_chunk = message->n_items > 0;
  gboolean has_shared = message->shared_id != 0;
  guint8 flags = memory_flag (&message->argument) | (is_chunk ? AIOPOOL_FRAME_CHUNK : 0) |
                 (has_shared ? AIOPOOL_FRAME_SHARED : 0);

  head.keywords_size = (guint32) message->keywords_size;
  fill_value_head (&head.value, &message->argument);
  aiopool_frame_header (out, AIOPOOL_FRAME_TASK, flags, n_fds, id, (guint32) size);
  out += AIOPOOL_FRAME_HEADER_SIZE;
  memcpy (out, &head, sizeof head);
  out = write_word (out + sizeof head, is_chunk, message->n_items);
  memcpy (out, &message->shared_id, shared_size (has_shared));
  out += shared_size (has_shared);
  out = write_value_tail (out, &message->argument);
  write_padded (out, message->keywords, message->keywords_size);
}

gboolean
aiopool_message_parse_task (const AiopoolFrame *frame,
                            AiopoolTaskMessage *message)
{
  gboolean is_chunk = (frame->flags & AIOPOOL_FRAME_CHUNK) != 0;
  gboolean has_shared = (frame->flags & AIOPOOL_FRAME_SHARED) != 0;
  gsize used, head_size = sizeof (TaskHead) + word_size (is_chunk) + shared_size (has_shared);
  TaskHead head;

  if (frame->type != AIOPOOL_FRAME_TASK || frame->length < sizeof head ||
      !parse_word (frame, sizeof head, is_chunk, &message->n_items) ||
      !parse_shared (frame, head_size, has_shared, &message->shared_id))
    return FALSE;
  memcpy (&head, frame->body, sizeof head);
  if (!parse_value (frame, &head.value, frame->body + head_size, frame->length - head_size,
                    &message->argument, &used))
    return FALSE;
  if (head.keywords_size > frame->length ||
      frame->length - head_size - used != PAD (head.keywords_size))
    return FALSE;
  if (is_chunk && (message->n_items == 0 || !is_array (&message->argument)))
    return FALSE;
  message->function = head.function;
  message->timeout = head.timeout;
  message->keywords = head.keywords_size > 0 ? frame->body + head_size + used : NULL;
  message->keywords_size = head.keywords_size;
  return TRUE;
}

gsize
aiopool_message_result_size (const AiopoolResultMessage *message)
{
  return AIOPOOL_FRAME_HEADER_SIZE + sizeof (ResultHead) + word_size (message->is_item) +
         value_tail_size (&message->value);
}

void
aiopool_message_write_result (guint8                     *out,
                              guint64                     id,
                              guint8                      n_fds,
                              const AiopoolResultMessage *message)
{
  ResultHead head = { .started = message->started, .ended = message->ended };
  gsize size = aiopool_message_result_size (message) - AIOPOOL_FRAME_HEADER_SIZE;
  guint8 flags = memory_flag (&message->value) | (message->is_item ? AIOPOOL_FRAME_ITEM : 0);

  fill_value_head (&head.value, &message->value);
  aiopool_frame_header (out, AIOPOOL_FRAME_RESULT, flags, n_fds, id, (guint32) size);
  out += AIOPOOL_FRAME_HEADER_SIZE;
  memcpy (out, &head, sizeof head);
  out = write_word (out + sizeof head, message->is_item, message->index);
  write_value_tail (out, &message->value);
}

gboolean
aiopool_message_parse_result (const AiopoolFrame   *frame,
                              AiopoolResultMessage *message)
{
  gboolean is_item = (frame->flags & AIOPOOL_FRAME_ITEM) != 0;
  gsize used, head_size = sizeof (ResultHead) + word_size (is_item);
  ResultHead head;

  if (frame->type != AIOPOOL_FRAME_RESULT || frame->length < sizeof head ||
      !parse_word (frame, sizeof head, is_item, &message->index))
    return FALSE;
  memcpy (&head, frame->body, sizeof head);
  message->started = head.started;
  message->ended = head.ended;
  message->is_item = is_item;
  return parse_value (frame, &head.value, frame->body + head_size, frame->length - head_size,
                      &message->value, &used) &&
         used == frame->length - head_size;
}

/* Of a frame that is a value alone. */
static gsize
lone_value_size (const AiopoolValueMessage *message)
{
  return AIOPOOL_FRAME_HEADER_SIZE + sizeof (ValueHead) + value_tail_size (message);
}

static void
write_lone_value (guint8                    *out,
                  AiopoolFrameType           type,
                  guint64                    id,
                  guint8                     n_fds,
                  const AiopoolValueMessage *message)
{
  ValueHead head;
  gsize size = lone_value_size (message) - AIOPOOL_FRAME_HEADER_SIZE;

  fill_value_head (&head, message);
  aiopool_frame_header (out, (guint8) type, memory_flag (message), n_fds, id, (guint32) size);
  out += AIOPOOL_FRAME_HEADER_SIZE;
  memcpy (out, &head, sizeof head);
  write_value_tail (out + sizeof head, message);
}

static gboolean
parse_lone_value (const AiopoolFrame  *frame,
                  AiopoolFrameType     type,
                  AiopoolValueMessage *message)
{
  ValueHead head;
  gsize used;

  if (frame->type != type || frame->length < sizeof head ||
      frame->n_fds != (frame->flags & AIOPOOL_FRAME_MEMORY_FD))
    return FALSE;
  memcpy (&head, frame->body, sizeof head);
  return parse_value (frame, &head, frame->body + sizeof head, frame->length - sizeof head, message,
                      &used) &&
         used == frame->length - sizeof head;
}

gsize
aiopool_message_emit_size (const AiopoolValueMessage *message)
{
  return lone_value_size (message);
}

void
aiopool_message_write_emit (guint8                    *out,
                            guint64                    id,
                            guint8                     n_fds,
                            const AiopoolValueMessage *message)
{
  write_lone_value (out, AIOPOOL_FRAME_EMIT, id, n_fds, message);
}

gboolean
aiopool_message_parse_emit (const AiopoolFrame  *frame,
                            AiopoolValueMessage *message)
{
  return parse_lone_value (frame, AIOPOOL_FRAME_EMIT, message);
}

gsize
aiopool_message_share_size (const AiopoolValueMessage *message)
{
  return lone_value_size (message);
}

void
aiopool_message_write_share (guint8                    *out,
                             guint64                    id,
                             const AiopoolValueMessage *message)
{
  write_lone_value (out, AIOPOOL_FRAME_SHARE, id, message->has_fd ? 1 : 0, message);
}

/* Raw bytes, in the frame or in memory that nobody can change. */
gboolean
aiopool_message_parse_share (const AiopoolFrame  *frame,
                             AiopoolValueMessage *message)
{
  return frame->id != 0 && parse_lone_value (frame, AIOPOOL_FRAME_SHARE, message) &&
         message->view.format == AIOPOOL_FORMAT_RAW &&
         message->transport != AIOPOOL_TRANSPORT_SEGMENT &&
         message->has_fd == (message->transport == AIOPOOL_TRANSPORT_MEMFD);
}

gsize
aiopool_message_error_size (const AiopoolErrorMessage *message)
{
  return AIOPOOL_FRAME_HEADER_SIZE + sizeof (ErrorHead) + word_size (message->is_item) +
         PAD (message->error_size);
}

void
aiopool_message_write_error (guint8                    *out,
                             guint64                    id,
                             const AiopoolErrorMessage *message)
{
  ErrorHead head = { message->started, message->ended };
  gsize size = sizeof head + word_size (message->is_item) + message->error_size;

  aiopool_frame_header (out, AIOPOOL_FRAME_ERROR, message->is_item ? AIOPOOL_FRAME_ITEM : 0, 0, id,
                        (guint32) size);
  out += AIOPOOL_FRAME_HEADER_SIZE;
  memcpy (out, &head, sizeof head);
  out = write_word (out + sizeof head, message->is_item, message->index);
  write_padded (out, message->error, message->error_size);
}

gboolean
aiopool_message_parse_error (const AiopoolFrame  *frame,
                             AiopoolErrorMessage *message)
{
  gboolean is_item = (frame->flags & AIOPOOL_FRAME_ITEM) != 0;
  gsize head_size = sizeof (ErrorHead) + word_size (is_item);
  ErrorHead head;

  if (frame->type != AIOPOOL_FRAME_ERROR || frame->length < sizeof head || frame->n_fds != 0 ||
      !parse_word (frame, sizeof head, is_item, &message->index))
    return FALSE;
  memcpy (&head, frame->body, sizeof head);
  message->started = head.started;
  message->ended = head.ended;
  message->is_item = is_item;
  message->error = frame->body + head_size;
  message->error_size = frame->length - head_size;
  return TRUE;
}

/* The values are always in the frame. */
static AiopoolValueMessage
values_of (const AiopoolItemsMessage *message)
{
  return (AiopoolValueMessage) { .view = message->values, .transport = AIOPOOL_TRANSPORT_INLINE };
}

gsize
aiopool_message_items_size (const AiopoolItemsMessage *message)
{
  AiopoolValueMessage values = values_of (message);

  return AIOPOOL_FRAME_HEADER_SIZE + sizeof (ItemsHead) +
         PAD ((gsize) message->n * sizeof (guint32)) + value_tail_size (&values);
}

void
aiopool_message_write_items (guint8                    *out,
                             guint64                    id,
                             const AiopoolItemsMessage *message)
{
  ItemsHead head = { .first = message->first, .n = message->n, .started = message->started };
  gsize size = aiopool_message_items_size (message) - AIOPOOL_FRAME_HEADER_SIZE;
  AiopoolValueMessage values = values_of (message);

  fill_value_head (&head.value, &values);
  aiopool_frame_header (out, AIOPOOL_FRAME_ITEMS, 0, 0, id, (guint32) size);
  out += AIOPOOL_FRAME_HEADER_SIZE;
  memcpy (out, &head, sizeof head);
  out = write_padded (out + sizeof head, message->run_times,
                      (gsize) message->n * sizeof (guint32));
  write_value_tail (out, &values);
}

/* Whether the array has @message->n children is for the reader to see. */
gboolean
aiopool_message_parse_items (const AiopoolFrame  *frame,
                             AiopoolItemsMessage *message)
{
  AiopoolValueMessage values;
  ItemsHead head;
  gsize used, head_size;

  if (frame->type != AIOPOOL_FRAME_ITEMS || frame->length < sizeof head)
    return FALSE;
  memcpy (&head, frame->body, sizeof head);
  if (head.n == 0 || head.first >= AIOPOOL_MAX_ITEMS || head.n > AIOPOOL_MAX_ITEMS - head.first)
    return FALSE;
  head_size = sizeof head + PAD ((gsize) head.n * sizeof (guint32));
  if (head_size > frame->length || head.value.transport != AIOPOOL_TRANSPORT_INLINE ||
      head.value.size > AIOPOOL_MAX_RUN_SIZE ||
      !parse_value (frame, &head.value, frame->body + head_size, frame->length - head_size,
                    &values, &used))
    return FALSE;
  message->first = head.first;
  message->n = head.n;
  message->started = head.started;
  message->run_times = frame->body + sizeof head;
  message->values = values.view;
  return used == frame->length - head_size && is_array (&values);
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

/* DEFINE, REFUSE, and with text of no bytes UNSHARE, RELEASE, CANCEL, CREDIT, TRIM, UNHEARD. */
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
