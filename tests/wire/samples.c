/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tests/wire/samples.h"

#include "aiopool/wire/aiopool-log-message-private.h"

#include <string.h>

AiopoolValueMessage
inline_value (AiopoolFormat  format,
              const char    *type,
              gconstpointer  data,
              gsize          size)
{
  return (AiopoolValueMessage) { .view = { format, type, data, size } };
}

/* A value that is not in the stream: a variant if it comes in a segment, else raw bytes. */
AiopoolValueMessage
outer_value (AiopoolTransport transport,
             gsize            size,
             guint64          segment_id,
             gboolean         has_fd)
{
  gboolean is_variant = transport == AIOPOOL_TRANSPORT_SEGMENT;

  return (AiopoolValueMessage) {
    .view = { is_variant ? AIOPOOL_FORMAT_GVARIANT : AIOPOOL_FORMAT_RAW, is_variant ? "ay" : NULL,
              NULL, size },
    .transport = transport,
    .has_fd = has_fd,
    .segment_id = segment_id,
  };
}

static GBytes *
make_config (void)
{
  AiopoolConfigMessage message = { 1, 3, 1000000, 1, 7 };
  gsize size = aiopool_message_config_size ();
  guint8 *out = g_malloc (size);

  aiopool_message_write_config (out, &message);
  return g_bytes_new_take (out, size);
}

static GBytes *
make_hello (void)
{
  AiopoolHelloMessage message = { 1, 4711, 0xfeedfacecafebeef };
  gsize size = aiopool_message_hello_size ();
  guint8 *out = g_malloc (size);

  aiopool_message_write_hello (out, &message);
  return g_bytes_new_take (out, size);
}

static GBytes *
write_task (const AiopoolTaskMessage *message,
            guint8                    n_fds)
{
  gsize size = aiopool_message_task_size (message);
  guint8 *out = g_malloc (size);

  aiopool_message_write_task (out, 0x10002, n_fds, message);
  return g_bytes_new_take (out, size);
}

static GBytes *
make_task (void)
{
  g_autoptr (GVariant) tuple = g_variant_ref_sink (g_variant_new ("(is)", 7, "seven"));
  g_autoptr (GVariant) keywords = g_variant_ref_sink (g_variant_new_parsed ("{'key': <1>}"));
  AiopoolTaskMessage message = { .function = 3, .timeout = 1500000 };

  message.argument = inline_value (AIOPOOL_FORMAT_GVARIANT, "(is)", g_variant_get_data (tuple),
                                   g_variant_get_size (tuple));
  message.keywords = g_variant_get_data (keywords);
  message.keywords_size = g_variant_get_size (keywords);
  return write_task (&message, 0);
}

static GBytes *
make_bare_task (void)
{
  AiopoolTaskMessage message = { .argument = inline_value (AIOPOOL_FORMAT_RAW, NULL, NULL, 0) };

  return write_task (&message, 0);
}

static GBytes *
make_segment_task (void)
{
  AiopoolTaskMessage message = {
    .function = 1,
    .argument = outer_value (AIOPOOL_TRANSPORT_SEGMENT, 1000000, 5, TRUE),
  };

  return write_task (&message, 3);
}

static GBytes *
write_result (const AiopoolResultMessage *message,
              guint8                      n_fds)
{
  gsize size = aiopool_message_result_size (message);
  guint8 *out = g_malloc (size);

  aiopool_message_write_result (out, 0x20001, n_fds, message);
  return g_bytes_new_take (out, size);
}

static GBytes *
make_result (void)
{
  AiopoolResultMessage message = { 1000, 2000, inline_value (AIOPOOL_FORMAT_JSON, NULL,
                                                             "[1,2,3]", 7) };

  return write_result (&message, 0);
}

static GBytes *
make_memfd_result (void)
{
  AiopoolResultMessage message = { 1, 2, outer_value (AIOPOOL_TRANSPORT_MEMFD, 1 << 20, 0, TRUE) };

  return write_result (&message, 1);
}

static GBytes *
make_chunk_task (void)
{
  static const gint64 values[3] = { 1, 2, 3 };
  AiopoolTaskMessage message = { .function = 1, .n_items = 3 };

  message.argument = inline_value (AIOPOOL_FORMAT_GVARIANT, "ax", values, sizeof values);
  return write_task (&message, 0);
}

static GBytes *
make_item_result (void)
{
  AiopoolResultMessage message = { .started = 1, .ended = 2, .is_item = TRUE, .index = 70000 };

  message.value = inline_value (AIOPOOL_FORMAT_RAW, NULL, "raw", 3);
  return write_result (&message, 0);
}

static GBytes *
make_items (void)
{
  static const guint32 run_times[3] = { 7, 0, 9 };
  static const guint16 values[3] = { 1, 2, 3 };
  AiopoolItemsMessage message = {
    .first = 5, .n = 3, .started = 1000, .run_times = (const guint8 *) run_times,
    .values = { AIOPOOL_FORMAT_GVARIANT, "aq", values, sizeof values },
  };
  gsize size = aiopool_message_items_size (&message);
  guint8 *out = g_malloc (size);

  aiopool_message_write_items (out, 9, &message);
  return g_bytes_new_take (out, size);
}

static GBytes *
make_item_error (void)
{
  AiopoolErrorMessage message = { 10, 20, "not looked at", 13, TRUE, 4 };
  gsize size = aiopool_message_error_size (&message);
  guint8 *out = g_malloc (size);

  aiopool_message_write_error (out, 9, &message);
  return g_bytes_new_take (out, size);
}

static GBytes *
make_emit (void)
{
  AiopoolValueMessage message = inline_value (AIOPOOL_FORMAT_PICKLE, NULL, "\x80\x04N.", 4);
  gsize size = aiopool_message_emit_size (&message);
  guint8 *out = g_malloc (size);

  aiopool_message_write_emit (out, 9, 0, &message);
  return g_bytes_new_take (out, size);
}

static GBytes *
make_error (void)
{
  AiopoolErrorMessage message = { 10, 20, "not looked at", 13 };
  gsize size = aiopool_message_error_size (&message);
  guint8 *out = g_malloc (size);

  aiopool_message_write_error (out, 9, &message);
  return g_bytes_new_take (out, size);
}

static GBytes *
make_progress (void)
{
  AiopoolProgressMessage message = { 0.25, "a quarter", 9 };
  gsize size = aiopool_message_progress_size (&message);
  guint8 *out = g_malloc (size);

  aiopool_message_write_progress (out, 9, &message);
  return g_bytes_new_take (out, size);
}

static GBytes *
make_log (void)
{
  AiopoolLogMessage message = {
    .level = G_LOG_LEVEL_WARNING,
    .domain = { "domain", 6 },
    .message = { "caf\xc3\xa9 closed", 12 },
    .n_fields = 2,
    .keys = { { "CODE_LINE", 9 }, { "EMPTY", 5 } },
    .values = { { "42", 2 }, { "", 0 } },
  };
  gsize size = aiopool_message_log_size (&message);
  guint8 *out = g_malloc (size);

  aiopool_message_write_log (out, 9, &message);
  return g_bytes_new_take (out, size);
}

static GBytes *
make_shared_task (void)
{
  AiopoolTaskMessage message = { .function = 1, .shared_id = 77 };

  message.argument = inline_value (AIOPOOL_FORMAT_GVARIANT, "s", "text", 5);
  return write_task (&message, 0);
}

static GBytes *
make_shared_chunk_task (void)
{
  static const gint64 values[3] = { 1, 2, 3 };
  AiopoolTaskMessage message = { .function = 1, .n_items = 3, .shared_id = 1 };

  message.argument = inline_value (AIOPOOL_FORMAT_GVARIANT, "ax", values, sizeof values);
  return write_task (&message, 0);
}

static GBytes *
write_share (const AiopoolValueMessage *message)
{
  gsize size = aiopool_message_share_size (message);
  guint8 *out = g_malloc (size);

  aiopool_message_write_share (out, 3, message);
  return g_bytes_new_take (out, size);
}

static GBytes *
make_share (void)
{
  AiopoolValueMessage message = inline_value (AIOPOOL_FORMAT_RAW, NULL, "shared", 6);

  return write_share (&message);
}

static GBytes *
make_memfd_share (void)
{
  AiopoolValueMessage message = outer_value (AIOPOOL_TRANSPORT_MEMFD, 1 << 20, 0, TRUE);

  return write_share (&message);
}

static GBytes *
make_define (void)
{
  gsize size = aiopool_message_text_size (4);
  guint8 *out = g_malloc (size);

  aiopool_message_write_text (out, AIOPOOL_FRAME_DEFINE, 3, "echo", 4);
  return g_bytes_new_take (out, size);
}

const Sample samples[] = {
  { "config", make_config },
  { "hello", make_hello },
  { "task", make_task },
  { "bare-task", make_bare_task },
  { "segment-task", make_segment_task },
  { "result", make_result },
  { "memfd-result", make_memfd_result },
  { "emit", make_emit },
  { "error", make_error },
  { "progress", make_progress },
  { "define", make_define },
  { "log", make_log },
  { "chunk-task", make_chunk_task },
  { "item-result", make_item_result },
  { "item-error", make_item_error },
  { "items", make_items },
  { "shared-task", make_shared_task },
  { "shared-chunk-task", make_shared_chunk_task },
  { "share", make_share },
  { "memfd-share", make_memfd_share },
};

const guint n_samples = G_N_ELEMENTS (samples);

/* Copies every byte, so that a sanitizer sees those that are not there. */
static void
check_range (const AiopoolFrame *frame,
             gconstpointer       data,
             gsize               size)
{
  const guint8 *first = data;
  gsize length = AIOPOOL_FRAME_PAD (frame->length);
  g_autofree gpointer copy = NULL;

  if (size == 0)
    return;
  g_assert_nonnull (data);
  g_assert_cmpuint ((gsize) (first - frame->body), <=, length);
  g_assert_cmpuint (size, <=, length - (gsize) (first - frame->body));
  copy = g_memdup2 (data, size);
}

static void
check_value (const AiopoolFrame        *frame,
             const AiopoolValueMessage *value)
{
  g_assert_cmpint (value->view.format, <=, AIOPOOL_FORMAT_PICKLE);
  g_assert_cmpint (value->transport, <=, AIOPOOL_TRANSPORT_MEMFD);
  g_assert_true ((value->view.type != NULL) == (value->view.format == AIOPOOL_FORMAT_GVARIANT));
  if (value->view.type != NULL)
    {
      check_range (frame, value->view.type, strlen (value->view.type) + 1);
      g_assert_true (g_variant_type_is_definite (G_VARIANT_TYPE (value->view.type)));
    }
  if (value->transport == AIOPOOL_TRANSPORT_INLINE)
    check_range (frame, value->view.data, value->view.size);
  else
    g_assert_null (value->view.data);
  if (value->has_fd)
    g_assert_cmpuint (frame->n_fds, >, 0);
}

static void
check_items (const AiopoolFrame        *frame,
             const AiopoolItemsMessage *items)
{
  AiopoolValueMessage values = { .view = items->values };

  g_assert_cmpuint (items->n, >, 0);
  g_assert_cmpuint ((guint64) items->first + items->n, <=, AIOPOOL_MAX_ITEMS);
  check_range (frame, items->run_times, (gsize) items->n * sizeof (guint32));
  check_value (frame, &values);
  g_assert_cmpint (*items->values.type, ==, 'a');
  g_assert_cmpuint (items->values.size, <=, AIOPOOL_MAX_RUN_SIZE);
}

static void
check_log (const AiopoolFrame      *frame,
           const AiopoolLogMessage *log)
{
  g_assert_cmpuint (log->level, >=, G_LOG_LEVEL_ERROR);
  check_range (frame, log->domain.data, log->domain.size);
  check_range (frame, log->message.data, log->message.size);
  g_assert_true (g_utf8_validate_len (log->message.data, log->message.size, NULL));
  g_assert_cmpuint (log->n_fields, <=, AIOPOOL_LOG_MAX_FIELDS);
  for (guint i = 0; i < log->n_fields; i++)
    {
      check_range (frame, log->keys[i].data, log->keys[i].size);
      check_range (frame, log->values[i].data, log->values[i].size);
      g_assert_cmpuint (log->keys[i].size, >, 0);
    }
}

/* Gives @frame to every parser. What one takes must lie in the frame, and only one may take it. */
gboolean
parse_any (const AiopoolFrame *frame)
{
  AiopoolConfigMessage config;
  AiopoolHelloMessage hello;
  AiopoolTaskMessage task;
  AiopoolResultMessage result;
  AiopoolValueMessage emit, share;
  AiopoolErrorMessage error;
  AiopoolProgressMessage progress;
  AiopoolItemsMessage items;
  AiopoolLogMessage log;
  guint n_taken = 0;

  n_taken += (guint) aiopool_message_parse_config (frame, &config);
  n_taken += (guint) aiopool_message_parse_hello (frame, &hello);
  if (aiopool_message_parse_task (frame, &task) && ++n_taken)
    {
      check_value (frame, &task.argument);
      check_range (frame, task.keywords, task.keywords_size);
      g_assert_true ((task.shared_id != 0) == ((frame->flags & AIOPOOL_FRAME_SHARED) != 0));
    }
  if (aiopool_message_parse_result (frame, &result) && ++n_taken)
    check_value (frame, &result.value);
  if (aiopool_message_parse_emit (frame, &emit) && ++n_taken)
    check_value (frame, &emit);
  if (aiopool_message_parse_share (frame, &share) && ++n_taken)
    {
      check_value (frame, &share);
      g_assert_cmpint (share.view.format, ==, AIOPOOL_FORMAT_RAW);
      g_assert_cmpint (share.transport, !=, AIOPOOL_TRANSPORT_SEGMENT);
      g_assert_cmpuint (frame->id, !=, 0);
    }
  if (aiopool_message_parse_error (frame, &error) && ++n_taken)
    check_range (frame, error.error, error.error_size);
  if (aiopool_message_parse_progress (frame, &progress) && ++n_taken)
    {
      check_range (frame, progress.text, progress.text_size);
      g_assert_true (progress.fraction >= 0 && progress.fraction <= 1);
      g_assert_true (g_utf8_validate_len (progress.text, progress.text_size, NULL));
    }
  if (aiopool_message_parse_log (frame, &log) && ++n_taken)
    check_log (frame, &log);
  if (aiopool_message_parse_items (frame, &items) && ++n_taken)
    check_items (frame, &items);
  g_assert_cmpuint (n_taken, <=, 1);
  return n_taken == 1;
}
