/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tests/wire/samples.h"

#include <string.h>

/* What was written, as the other side gets it. */
typedef struct
{
  guint8      *data; /* (owned) */
  gsize        size;
  AiopoolFrame frame;
} Written;

static guint8 *
written_reserve (Written *written,
                 gsize    size)
{
  *written = (Written) { .data = g_malloc (size), .size = size };
  memset (written->data, 0xee, size);
  return written->data;
}

static void
written_parse (Written *written)
{
  gsize size;

  g_assert_cmpint (aiopool_frame_parse (written->data, written->size, &written->frame, &size), ==,
                   AIOPOOL_FRAME_OK);
  g_assert_cmpuint (size, ==, written->size);
  g_assert_cmpuint (size % 8, ==, 0);
}

static void
written_clear (Written *written)
{
  g_free (written->data);
}

static void
assert_same_value (const AiopoolValueMessage *a,
                   const AiopoolValueMessage *b)
{
  g_assert_cmpint (a->view.format, ==, b->view.format);
  g_assert_cmpstr (a->view.type, ==, b->view.type);
  g_assert_cmpuint (a->view.size, ==, b->view.size);
  g_assert_cmpint (a->transport, ==, b->transport);
  g_assert_cmpint (a->has_fd, ==, b->has_fd);
  g_assert_cmpuint (a->segment_id, ==, b->segment_id);
  if (a->transport == AIOPOOL_TRANSPORT_INLINE)
    g_assert_cmpmem (a->view.data, a->view.size, b->view.data, b->view.size);
  else
    g_assert_null (b->view.data);
}

static void
test_config_comes_back (void)
{
  AiopoolConfigMessage in = { 1, 9, G_MAXUINT64, 1, 12345 }, out;
  Written written;

  aiopool_message_write_config (written_reserve (&written, aiopool_message_config_size ()), &in);
  written_parse (&written);
  g_assert_true (aiopool_message_parse_config (&written.frame, &out));
  g_assert_cmpuint (out.version_min, ==, 1);
  g_assert_cmpuint (out.version_max, ==, 9);
  g_assert_cmpuint (out.max_result_size, ==, G_MAXUINT64);
  g_assert_cmpuint (out.is_trusted, ==, 1);
  g_assert_cmpuint (out.tasks_per_worker, ==, 12345);
  written_clear (&written);
}

static void
test_hello_comes_back (void)
{
  AiopoolHelloMessage in = { AIOPOOL_PROTOCOL_VERSION, 77, 0x123456789abcdef0 }, out;
  Written written;

  aiopool_message_write_hello (written_reserve (&written, aiopool_message_hello_size ()), &in);
  written_parse (&written);
  g_assert_true (aiopool_message_parse_hello (&written.frame, &out));
  g_assert_cmpuint (out.version, ==, AIOPOOL_PROTOCOL_VERSION);
  g_assert_cmpint (out.pid, ==, 77);
  g_assert_cmpuint (out.nonce, ==, 0x123456789abcdef0);
  written_clear (&written);
}

/* Values of all kinds and sizes around a multiple of 8. */
static GArray *
make_values (void)
{
  static const guint8 bytes[40] = { 1, 2, 3 };
  GArray *values = g_array_new (FALSE, FALSE, sizeof (AiopoolValueMessage));
  AiopoolValueMessage value;

  for (gsize size = 0; size <= sizeof bytes; size++)
    {
      value = inline_value (size % 2 ? AIOPOOL_FORMAT_RAW : AIOPOOL_FORMAT_PICKLE, NULL, bytes,
                            size);
      g_array_append_val (values, value);
      value = inline_value (AIOPOOL_FORMAT_GVARIANT, "ay", bytes, size);
      g_array_append_val (values, value);
    }
  value = inline_value (AIOPOOL_FORMAT_GVARIANT, "(sasa{sv}(iiid))", bytes, 8);
  g_array_append_val (values, value);
  value = outer_value (AIOPOOL_TRANSPORT_SEGMENT, G_MAXSSIZE, G_MAXUINT64, FALSE);
  g_array_append_val (values, value);
  value = outer_value (AIOPOOL_TRANSPORT_SEGMENT, 1, 1, TRUE);
  g_array_append_val (values, value);
  value = outer_value (AIOPOOL_TRANSPORT_MEMFD, 1 << 30, 0, TRUE);
  g_array_append_val (values, value);
  return values;
}

static void
check_task (const AiopoolValueMessage *value,
            gconstpointer              keywords,
            gsize                      keywords_size,
            guint64                    shared_id)
{
  AiopoolTaskMessage in = { G_MAXUINT32, G_MININT64, *value, keywords, keywords_size }, out;
  guint8 n_fds = value->has_fd ? 2 : 0;
  Written written;

  in.shared_id = shared_id;
  aiopool_message_write_task (written_reserve (&written, aiopool_message_task_size (&in)), 0xabcd,
                              n_fds, &in);
  written_parse (&written);
  g_assert_cmpuint (written.frame.id, ==, 0xabcd);
  g_assert_cmpuint (written.frame.n_fds, ==, n_fds);
  g_assert_true (aiopool_message_parse_task (&written.frame, &out));
  g_assert_cmpuint (out.function, ==, in.function);
  g_assert_cmpint (out.timeout, ==, in.timeout);
  g_assert_cmpuint (out.shared_id, ==, shared_id);
  g_assert_cmpmem (out.keywords, out.keywords_size, keywords, keywords_size);
  g_assert_true ((out.keywords != NULL) == (keywords_size > 0));
  assert_same_value (value, &out.argument);
  g_assert_cmpuint ((guintptr) out.argument.view.data % 8, ==, 0);
  g_assert_cmpuint ((guintptr) out.keywords % 8, ==, 0);
  written_clear (&written);
}

static void
test_task_comes_back_with_any_value (void)
{
  g_autoptr (GArray) values = make_values ();

  for (guint i = 0; i < values->len; i++)
    for (gsize keywords_size = 0; keywords_size < 20; keywords_size++)
      check_task (&g_array_index (values, AiopoolValueMessage, i), "0123456789abcdefghij",
                  keywords_size, keywords_size % 3 == 0 ? 0 : G_MAXUINT64 - keywords_size);
}

static void
test_result_comes_back_with_any_value (void)
{
  g_autoptr (GArray) values = make_values ();

  for (guint i = 0; i < values->len; i++)
    {
      AiopoolResultMessage in = { -1, G_MAXINT64, g_array_index (values, AiopoolValueMessage, i) };
      AiopoolResultMessage out;
      guint8 n_fds = in.value.has_fd ? 1 : 0;
      Written written;

      aiopool_message_write_result (written_reserve (&written, aiopool_message_result_size (&in)),
                                    5, n_fds, &in);
      written_parse (&written);
      g_assert_true (aiopool_message_parse_result (&written.frame, &out));
      g_assert_cmpint (out.started, ==, -1);
      g_assert_cmpint (out.ended, ==, G_MAXINT64);
      assert_same_value (&in.value, &out.value);
      written_clear (&written);
    }
}

static void
test_emit_comes_back_with_any_value (void)
{
  g_autoptr (GArray) values = make_values ();

  for (guint i = 0; i < values->len; i++)
    {
      AiopoolValueMessage *in = &g_array_index (values, AiopoolValueMessage, i);
      AiopoolValueMessage out;
      Written written;

      aiopool_message_write_emit (written_reserve (&written, aiopool_message_emit_size (in)), 5,
                                  in->has_fd ? 1 : 0, in);
      written_parse (&written);
      g_assert_true (aiopool_message_parse_emit (&written.frame, &out));
      assert_same_value (in, &out);
      written_clear (&written);
    }
}

/* Raw bytes, here or in a memfd; no other value is shared. */
static void
test_what_is_shared_comes_back (void)
{
  g_autoptr (GArray) values = make_values ();
  guint n_taken = 0;

  for (guint i = 0; i < values->len; i++)
    {
      AiopoolValueMessage *in = &g_array_index (values, AiopoolValueMessage, i);
      gboolean may_be = in->view.format == AIOPOOL_FORMAT_RAW &&
                        in->transport != AIOPOOL_TRANSPORT_SEGMENT;
      AiopoolValueMessage out;
      Written written;

      aiopool_message_write_share (written_reserve (&written, aiopool_message_share_size (in)), 5,
                                   in);
      written_parse (&written);
      g_assert_cmpuint (written.frame.id, ==, 5);
      g_assert_cmpint (aiopool_message_parse_share (&written.frame, &out), ==, may_be);
      if (may_be)
        assert_same_value (in, &out);
      n_taken += may_be;
      written.frame.id = 0;
      g_assert_false (aiopool_message_parse_share (&written.frame, &out));
      written_clear (&written);
    }
  g_assert_cmpuint (n_taken, >, 20);
}

/* A tuple of a hundred thousand numbers has a type string of that length. */
static void
test_type_may_be_very_long (void)
{
  const gsize n = 100000;
  g_autofree char *letters = g_strnfill (n, 'i');
  g_autofree char *type = g_strdup_printf ("(%s)", letters);
  g_autofree gint32 *data = g_new0 (gint32, n);
  AiopoolValueMessage value = inline_value (AIOPOOL_FORMAT_GVARIANT, type, data, n * 4);

  check_task (&value, NULL, 0, 1);
}

static void
test_error_comes_back (void)
{
  for (gsize size = 0; size < 30; size++)
    {
      AiopoolErrorMessage in = { 3, 4, "what remote-error has made of it", size }, out;
      Written written;

      aiopool_message_write_error (written_reserve (&written, aiopool_message_error_size (&in)), 6,
                                   &in);
      written_parse (&written);
      g_assert_true (aiopool_message_parse_error (&written.frame, &out));
      g_assert_cmpint (out.started, ==, 3);
      g_assert_cmpint (out.ended, ==, 4);
      g_assert_cmpmem (out.error, out.error_size, in.error, size);
      written_clear (&written);
    }
}

static void
test_progress_comes_back (void)
{
  const double fractions[] = { 0.0, 0.3, 1.0, 5e-324 };
  const char *texts[] = { "", "half way", "Grüße, 世界" };

  for (gsize i = 0; i < G_N_ELEMENTS (fractions); i++)
    for (gsize j = 0; j < G_N_ELEMENTS (texts); j++)
      {
        AiopoolProgressMessage in = { fractions[i], texts[j], strlen (texts[j]) }, out;
        Written written;

        aiopool_message_write_progress (written_reserve (&written,
                                                         aiopool_message_progress_size (&in)),
                                        6, &in);
        written_parse (&written);
        g_assert_true (aiopool_message_parse_progress (&written.frame, &out));
        g_assert_true (out.fraction == fractions[i]);
        g_assert_cmpmem (out.text, out.text_size, in.text, in.text_size);
        written_clear (&written);
      }
}

static void
test_text_comes_back (void)
{
  for (gsize size = 0; size < 20; size++)
    {
      Written written;

      aiopool_message_write_text (written_reserve (&written, aiopool_message_text_size (size)),
                                  AIOPOOL_FRAME_REFUSE, 7, "why this one cannot serve", size);
      written_parse (&written);
      g_assert_cmpuint (written.frame.type, ==, AIOPOOL_FRAME_REFUSE);
      g_assert_cmpuint (written.frame.id, ==, 7);
      g_assert_cmpmem (written.frame.body, written.frame.length, "why this one cannot serve", size);
      written_clear (&written);
    }
}

/* What lay in memory before does not go to another process. */
static void
test_padding_is_zero (void)
{
  AiopoolTaskMessage message = {
    .argument = inline_value (AIOPOOL_FORMAT_GVARIANT, "y", "\x01", 1),
    .keywords = "k",
    .keywords_size = 1,
  };
  Written written;
  guint n_filled = 0;

  aiopool_message_write_task (written_reserve (&written, aiopool_message_task_size (&message)), 0,
                              0, &message);
  for (gsize i = 0; i < written.size; i++)
    n_filled += written.data[i] == 0xee;
  g_assert_cmpuint (n_filled, ==, 0);
  written_clear (&written);
}

static void
test_each_sample_is_taken_by_its_parser_alone (void)
{
  for (guint i = 0; i < n_samples; i++)
    {
      g_autoptr (GBytes) bytes = samples[i].make ();
      gboolean has_parser = strcmp (samples[i].name, "define") != 0;
      AiopoolFrame frame;
      gsize size;

      g_assert_cmpint (aiopool_frame_parse (g_bytes_get_data (bytes, NULL),
                                            g_bytes_get_size (bytes), &frame, &size),
                       ==, AIOPOOL_FRAME_OK);
      g_assert_cmpint (parse_any (&frame), ==, has_parser);
    }
}

static void
test_items_come_back (void)
{
  g_autofree guint32 *run_times = g_new (guint32, 40);
  g_autofree gint64 *values = g_new (gint64, 40);

  for (guint i = 0; i < 40; i++)
    {
      run_times[i] = i;
      values[i] = i;
    }
  for (guint n = 1; n <= 40; n++)
    {
      AiopoolItemsMessage in = {
        .first = AIOPOOL_MAX_ITEMS - n, .n = n, .started = -5,
        .run_times = (const guint8 *) run_times,
        .values = { AIOPOOL_FORMAT_GVARIANT, "ax", values, n * sizeof (gint64) },
      };
      AiopoolItemsMessage out;
      Written written;

      aiopool_message_write_items (written_reserve (&written, aiopool_message_items_size (&in)), 6,
                                   &in);
      written_parse (&written);
      g_assert_true (aiopool_message_parse_items (&written.frame, &out));
      g_assert_cmpuint (out.first, ==, in.first);
      g_assert_cmpuint (out.n, ==, n);
      g_assert_cmpint (out.started, ==, -5);
      g_assert_cmpmem (out.run_times, n * sizeof (guint32), run_times, n * sizeof (guint32));
      g_assert_cmpstr (out.values.type, ==, "ax");
      g_assert_cmpmem (out.values.data, out.values.size, values, n * sizeof (gint64));
      written_clear (&written);
    }
}

/* Also without a number, which is another frame. */
static void
test_numbers_of_items_come_back (void)
{
  for (guint32 number = 0; number < 3; number++)
    {
      AiopoolTaskMessage task = { .n_items = number, .shared_id = number }, task_out;
      AiopoolErrorMessage failed = { 3, 4, "text", 4, number > 0, number }, failed_out;
      AiopoolResultMessage result = { .is_item = number > 0, .index = number }, result_out;
      Written written;

      task.argument = inline_value (AIOPOOL_FORMAT_GVARIANT, "ay", "12", 2);
      result.value = task.argument;
      aiopool_message_write_task (written_reserve (&written, aiopool_message_task_size (&task)), 6,
                                  0, &task);
      written_parse (&written);
      g_assert_true (aiopool_message_parse_task (&written.frame, &task_out));
      g_assert_cmpuint (task_out.n_items, ==, number);
      g_assert_cmpuint (task_out.shared_id, ==, number);
      assert_same_value (&task.argument, &task_out.argument);
      written_clear (&written);
      aiopool_message_write_result (written_reserve (&written,
                                                     aiopool_message_result_size (&result)), 6, 0,
                                    &result);
      written_parse (&written);
      g_assert_true (aiopool_message_parse_result (&written.frame, &result_out));
      g_assert_cmpint (result_out.is_item, ==, number > 0);
      g_assert_cmpuint (result_out.index, ==, number);
      assert_same_value (&result.value, &result_out.value);
      written_clear (&written);
      aiopool_message_write_error (written_reserve (&written, aiopool_message_error_size (&failed)),
                                   6, &failed);
      written_parse (&written);
      g_assert_true (aiopool_message_parse_error (&written.frame, &failed_out));
      g_assert_cmpint (failed_out.is_item, ==, number > 0);
      g_assert_cmpuint (failed_out.index, ==, number);
      g_assert_cmpmem (failed_out.error, failed_out.error_size, "text", 4);
      written_clear (&written);
    }
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/message/config-comes-back", test_config_comes_back);
  g_test_add_func ("/message/hello-comes-back", test_hello_comes_back);
  g_test_add_func ("/message/task-comes-back-with-any-value", test_task_comes_back_with_any_value);
  g_test_add_func ("/message/result-comes-back-with-any-value",
                   test_result_comes_back_with_any_value);
  g_test_add_func ("/message/emit-comes-back-with-any-value", test_emit_comes_back_with_any_value);
  g_test_add_func ("/message/what-is-shared-comes-back", test_what_is_shared_comes_back);
  g_test_add_func ("/message/type-may-be-very-long", test_type_may_be_very_long);
  g_test_add_func ("/message/error-comes-back", test_error_comes_back);
  g_test_add_func ("/message/items-come-back", test_items_come_back);
  g_test_add_func ("/message/numbers-of-items-come-back", test_numbers_of_items_come_back);
  g_test_add_func ("/message/progress-comes-back", test_progress_comes_back);
  g_test_add_func ("/message/text-comes-back", test_text_comes_back);
  g_test_add_func ("/message/padding-is-zero", test_padding_is_zero);
  g_test_add_func ("/message/each-sample-is-taken-by-its-parser-alone",
                   test_each_sample_is_taken_by_its_parser_alone);
  return g_test_run ();
}
