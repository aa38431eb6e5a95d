/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tests/wire/samples.h"

#include <math.h>
#include <string.h>

#define HEADER AIOPOOL_FRAME_HEADER_SIZE

/* Gives @size bytes of a frame, alone in their memory, to the parsers, with another @length than
 * they say. FALSE if they are no frame or no parser takes them. */
static gboolean
try_frame (const guint8 *data,
           gsize         size,
           guint32       length)
{
  g_autofree guint8 *copy = g_malloc (HEADER + AIOPOOL_FRAME_PAD (length));
  AiopoolFrame frame;
  gsize frame_size;

  memset (copy, 0, HEADER + AIOPOOL_FRAME_PAD (length));
  memcpy (copy, data, MIN (size, HEADER + AIOPOOL_FRAME_PAD (length)));
  memcpy (copy, &length, sizeof length);
  if (aiopool_frame_parse (copy, HEADER + AIOPOOL_FRAME_PAD (length), &frame, &frame_size) !=
      AIOPOOL_FRAME_OK)
    return FALSE;
  return parse_any (&frame);
}

/* Whether a body of another length is another good one. */
static gboolean
is_elastic (const Sample *sample)
{
  return g_str_has_suffix (sample->name, "error") || strcmp (sample->name, "progress") == 0;
}

static guint32
length_of (const guint8 *data)
{
  guint32 length;

  memcpy (&length, data, sizeof length);
  return length;
}

static void
test_every_truncated_body_is_refused (void)
{
  for (guint i = 0; i < n_samples; i++)
    {
      g_autoptr (GBytes) bytes = samples[i].make ();
      gsize size;
      const guint8 *data = g_bytes_get_data (bytes, &size);

      for (guint32 length = 0; length < length_of (data); length++)
        {
          gboolean is_taken = try_frame (data, size, length);

          g_assert_true (!is_taken || is_elastic (&samples[i]));
        }
    }
}

static void
test_every_longer_body_is_refused (void)
{
  for (guint i = 0; i < n_samples; i++)
    {
      g_autoptr (GBytes) bytes = samples[i].make ();
      gsize size;
      const guint8 *data = g_bytes_get_data (bytes, &size);
      guint32 length = length_of (data);

      for (guint32 more = 1; more <= 64; more++)
        {
          gboolean is_taken = try_frame (data, size, length + more);

          g_assert_true (!is_taken || is_elastic (&samples[i]));
        }
    }
}

/* All values of every byte behind the length. parse_any() checks that nothing points outside. */
static void
test_every_changed_byte_is_refused_or_stays_in_range (void)
{
  for (guint i = 0; i < n_samples; i++)
    {
      g_autoptr (GBytes) bytes = samples[i].make ();
      gsize size;
      g_autofree guint8 *data = g_bytes_unref_to_data (g_steal_pointer (&bytes), &size);

      for (gsize at = sizeof (guint32); at < size; at++)
        {
          guint8 old = data[at];

          for (guint value = 0; value < 256; value++)
            {
              data[at] = (guint8) value;
              try_frame (data, size, length_of (data));
            }
          data[at] = old;
        }
    }
}

/* Lengths and their like, at any place, where the dangerous values are. */
static void
test_every_changed_word_is_refused_or_stays_in_range (void)
{
  const guint64 words[] = {
    0, 1, 7, 8, 9, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xfffffff8, 0xfffffff9,
    0xffffffff, 0x100000000, 0x7ffffffffffffff8, 0x7fffffffffffffff, 0x8000000000000000,
    0xfffffffffffffff8, 0xfffffffffffffff9, 0xffffffffffffffff,
  };

  for (guint i = 0; i < n_samples; i++)
    {
      g_autoptr (GBytes) bytes = samples[i].make ();
      gsize size;
      const guint8 *data = g_bytes_get_data (bytes, &size);

      for (gsize at = HEADER; at + 8 <= size; at += 4)
        for (gsize j = 0; j < G_N_ELEMENTS (words); j++)
          for (gsize width = 2; width <= 8; width *= 2)
            {
              g_autofree guint8 *copy = g_memdup2 (data, size);

              memcpy (copy + at, &words[j], width);
              try_frame (copy, size, length_of (copy));
            }
    }
}

/* Where things are in the body of an emit, which is a value and nothing else; a result has 16 bytes
 * before that, a task too. */
enum
{
  AT_FORMAT = 0,
  AT_TRANSPORT = 1,
  AT_ZERO = 2,
  AT_TYPE_SIZE = 4,
  AT_SIZE = 8,
  AT_SEGMENT = 16,
  AT_TYPE = 24
};

typedef struct
{
  const char *what;
  gsize       at;
  gsize       width;
  guint64     value;
} Patch;

static const Patch variant_patches[] = {
  { "an unknown format", AT_FORMAT, 1, AIOPOOL_FORMAT_PICKLE + 1 },
  { "another format, which has no type", AT_FORMAT, 1, AIOPOOL_FORMAT_RAW },
  { "an unknown transport", AT_TRANSPORT, 1, AIOPOOL_TRANSPORT_MEMFD + 1 },
  { "another transport, with the data here", AT_TRANSPORT, 1, AIOPOOL_TRANSPORT_SEGMENT },
  { "something where zero is", AT_ZERO, 2, 0x100 },
  { "no type", AT_TYPE_SIZE, 4, 0 },
  { "a type of nothing but its end", AT_TYPE_SIZE, 4, 1 },
  { "a type without its end", AT_TYPE_SIZE, 4, 4 },
  { "a type with two ends", AT_TYPE_SIZE, 4, 6 },
  { "a type beyond the frame", AT_TYPE_SIZE, 4, 4096 },
  { "a type of a size that padding makes small", AT_TYPE_SIZE, 4, G_MAXUINT32 },
  { "a smaller value than there is", AT_SIZE, 8, 8 },
  { "a larger value than there is", AT_SIZE, 8, 17 },
  { "a size that padding makes small", AT_SIZE, 8, G_MAXUINT64 },
  { "a size over what fits into memory", AT_SIZE, 8, (guint64) G_MAXSSIZE + 1 },
  { "a segment, with the data here", AT_SEGMENT, 8, 1 },
  { "a type that is none", AT_TYPE, 5, 0x0000282828 },
  { "an indefinite type", AT_TYPE, 5, 0x00292a7328 },
  { "a type with an end inside", AT_TYPE, 5, 0x0029002828 },
  { "two types", AT_TYPE, 5, 0x0073737373 },
};

static GBytes *
write_emit (const AiopoolValueMessage *value,
            guint8                     n_fds)
{
  gsize size = aiopool_message_emit_size (value);
  guint8 *out = g_malloc (size);

  aiopool_message_write_emit (out, 1, n_fds, value);
  return g_bytes_new_take (out, size);
}

static void
test_hostile_values_are_refused (void)
{
  AiopoolValueMessage value = inline_value (AIOPOOL_FORMAT_GVARIANT, "(ss)", "0123456789abcdef",
                                            16);
  g_autoptr (GBytes) bytes = write_emit (&value, 0);
  gsize size;
  const guint8 *data = g_bytes_get_data (bytes, &size);

  g_assert_true (try_frame (data, size, length_of (data)));
  for (gsize i = 0; i < G_N_ELEMENTS (variant_patches); i++)
    {
      const Patch *patch = &variant_patches[i];
      g_autofree guint8 *copy = g_memdup2 (data, size);

      g_test_message ("%s", patch->what);
      memcpy (copy + HEADER + patch->at, &patch->value, patch->width);
      g_assert_false (try_frame (copy, size, length_of (copy)));
    }
}

static void
test_a_segment_has_a_number_and_a_memfd_has_none (void)
{
  AiopoolValueMessage values[] = {
    outer_value (AIOPOOL_TRANSPORT_SEGMENT, 100, 0, TRUE),
    outer_value (AIOPOOL_TRANSPORT_MEMFD, 100, 1, TRUE),
  };

  for (gsize i = 0; i < G_N_ELEMENTS (values); i++)
    {
      g_autoptr (GBytes) bytes = write_emit (&values[i], 1);
      const guint8 *data = g_bytes_get_data (bytes, NULL);

      g_assert_false (try_frame (data, g_bytes_get_size (bytes), length_of (data)));
    }
}

static void
test_a_greeting_is_about_nothing_else (void)
{
  for (guint i = 0; i < n_samples; i++)
    {
      g_autoptr (GBytes) bytes = samples[i].make ();
      gsize size;
      g_autofree guint8 *data = g_bytes_unref_to_data (g_steal_pointer (&bytes), &size);

      if (data[4] != AIOPOOL_FRAME_CONFIG && data[4] != AIOPOOL_FRAME_HELLO)
        continue;
      g_assert_true (try_frame (data, size, length_of (data)));
      data[8] = 1;
      g_assert_false (try_frame (data, size, length_of (data)));
    }
}

static void
test_memory_needs_a_descriptor_and_no_data_here (void)
{
  AiopoolValueMessage in_segment = outer_value (AIOPOOL_TRANSPORT_SEGMENT, 100, 1, TRUE);
  AiopoolValueMessage here = inline_value (AIOPOOL_FORMAT_RAW, NULL, "x", 1);
  g_autoptr (GBytes) without = write_emit (&in_segment, 0);
  g_autoptr (GBytes) with = write_emit (&in_segment, 1);
  g_autoptr (GBytes) both = NULL;

  here.has_fd = TRUE;
  both = write_emit (&here, 1);
  g_assert_false (try_frame (g_bytes_get_data (without, NULL), g_bytes_get_size (without),
                             length_of (g_bytes_get_data (without, NULL))));
  g_assert_true (try_frame (g_bytes_get_data (with, NULL), g_bytes_get_size (with),
                            length_of (g_bytes_get_data (with, NULL))));
  g_assert_false (try_frame (g_bytes_get_data (both, NULL), g_bytes_get_size (both),
                             length_of (g_bytes_get_data (both, NULL))));
}

static void
test_hostile_keywords_are_refused (void)
{
  const guint32 sizes[] = { 0, 8, 17, 25, 4096, 0x7fffffff, G_MAXUINT32 - 8, G_MAXUINT32 };
  AiopoolTaskMessage message = {
    .argument = inline_value (AIOPOOL_FORMAT_RAW, NULL, "12345678", 8),
    .keywords = "0123456789abcdef",
    .keywords_size = 16,
  };
  gsize size = aiopool_message_task_size (&message);
  g_autofree guint8 *data = g_malloc (size);

  aiopool_message_write_task (data, 1, 0, &message);
  g_assert_true (try_frame (data, size, length_of (data)));
  for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      memcpy (data + HEADER + 4, &sizes[i], sizeof sizes[i]);
      g_assert_false (try_frame (data, size, length_of (data)));
    }
}

typedef struct
{
  const char *what;
  gsize       at;
  gsize       width;
  guint64     value;
} ItemsPatch;

/* Where things are: first, n, started, the head of the value, three run times, the type. */
static const ItemsPatch items_patches[] = {
  { "no item", 4, 4, 0 },
  { "fewer items than run times", 4, 4, 1 },
  { "more items than run times", 4, 4, 5 },
  { "items whose run times padding makes few", 4, 4, 0x40000000 },
  { "as many items as there are numbers", 4, 4, G_MAXUINT32 },
  { "items behind the last one there can be", 0, 4, AIOPOOL_MAX_ITEMS - 2 },
  { "items from the last number on", 0, 4, G_MAXUINT32 },
  { "values that are no variants", 16 + AT_FORMAT, 1, AIOPOOL_FORMAT_RAW },
  { "values in a segment", 16 + AT_TRANSPORT, 1, AIOPOOL_TRANSPORT_SEGMENT },
  { "values in a memfd", 16 + AT_TRANSPORT, 1, AIOPOOL_TRANSPORT_MEMFD },
  { "more values than may go together", 16 + AT_SIZE, 8, AIOPOOL_MAX_RUN_SIZE + 1 },
  { "values of a negative size", 16 + AT_SIZE, 8, G_MAXUINT64 },
  { "a tuple", 16 + AT_TYPE + 16, 3, 0x002928 },
  { "no array", 16 + AT_TYPE + 16, 3, 0x00716d },
  { "a type that is none", 16 + AT_TYPE + 16, 3, 0x006161 },
};

static GBytes *
make_sample (const char *name)
{
  for (guint i = 0; i < n_samples; i++)
    {
      if (strcmp (samples[i].name, name) == 0)
        return samples[i].make ();
    }
  g_assert_not_reached ();
}

static void
test_hostile_items_are_refused (void)
{
  g_autoptr (GBytes) bytes = make_sample ("items");
  gsize size;
  const guint8 *data = g_bytes_get_data (bytes, &size);

  g_assert_true (try_frame (data, size, length_of (data)));
  for (gsize i = 0; i < G_N_ELEMENTS (items_patches); i++)
    {
      const ItemsPatch *patch = &items_patches[i];
      g_autofree guint8 *copy = g_memdup2 (data, size);

      g_test_message ("%s", patch->what);
      memcpy (copy + HEADER + patch->at, &patch->value, patch->width);
      g_assert_false (try_frame (copy, size, length_of (copy)));
    }
}

/* The word behind the head: the index of an item, how many a chunk has. */
static void
test_hostile_numbers_of_items_are_refused (void)
{
  const struct { const char *name; gsize at; gboolean may_be_zero; } rows[] = {
    { "chunk-task", 40, FALSE }, { "item-result", 40, TRUE }, { "item-error", 16, TRUE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      const guint64 words[] = { AIOPOOL_MAX_ITEMS + 1, G_MAXUINT32, (guint64) 1 << 32 | 1,
                                G_MAXUINT64, 0 };
      g_autoptr (GBytes) bytes = make_sample (rows[i].name);
      gsize size;
      g_autofree guint8 *data = g_bytes_unref_to_data (g_steal_pointer (&bytes), &size);

      g_assert_true (try_frame (data, size, length_of (data)));
      for (gsize j = 0; j < G_N_ELEMENTS (words); j++)
        {
          memcpy (data + HEADER + rows[i].at, &words[j], sizeof words[j]);
          g_assert_cmpint (try_frame (data, size, length_of (data)), ==,
                           words[j] == 0 && rows[i].may_be_zero);
        }
    }
}

typedef struct
{
  const char *name;
  const char *what;
  gsize       at; /* in the frame */
  gsize       width;
  guint64     value;
} SharePatch;

static const SharePatch share_patches[] = {
  { "share", "no number", 8, 8, 0 },
  { "share", "a descriptor that nothing is in", 5, 2, 0x0101 },
  { "share", "a descriptor without the flag", 6, 1, 1 },
  { "share", "another format", HEADER + AT_FORMAT, 1, AIOPOOL_FORMAT_JSON },
  { "share", "a variant", HEADER + AT_FORMAT, 1, AIOPOOL_FORMAT_GVARIANT },
  { "share", "a segment", HEADER + AT_TRANSPORT, 1, AIOPOOL_TRANSPORT_SEGMENT },
  { "share", "memory without a descriptor", HEADER + AT_TRANSPORT, 1, AIOPOOL_TRANSPORT_MEMFD },
  { "share", "a larger value than there is", HEADER + AT_SIZE, 8, 9 },
  { "share", "the number of a segment", HEADER + AT_SEGMENT, 8, 1 },
  { "memfd-share", "no number", 8, 8, 0 },
  { "memfd-share", "no descriptor", 5, 2, 0 },
  { "memfd-share", "two descriptors", 6, 1, 2 },
  { "memfd-share", "the data here", HEADER + AT_TRANSPORT, 1, AIOPOOL_TRANSPORT_INLINE },
  { "memfd-share", "a segment", HEADER + AT_TRANSPORT, 1, AIOPOOL_TRANSPORT_SEGMENT },
  { "memfd-share", "a size over what fits into memory", HEADER + AT_SIZE, 8,
    (guint64) G_MAXSSIZE + 1 },
  { "shared-task", "number 0", HEADER + 40, 8, 0 },
  { "shared-chunk-task", "number 0", HEADER + 48, 8, 0 },
};

static void
test_hostile_shared_data_are_refused (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (share_patches); i++)
    {
      const SharePatch *patch = &share_patches[i];
      g_autoptr (GBytes) bytes = make_sample (patch->name);
      gsize size;
      g_autofree guint8 *data = g_bytes_unref_to_data (g_steal_pointer (&bytes), &size);

      g_test_message ("%s: %s", patch->name, patch->what);
      g_assert_true (try_frame (data, size, length_of (data)));
      memcpy (data + patch->at, &patch->value, patch->width);
      g_assert_false (try_frame (data, size, length_of (data)));
    }
}

static void
test_a_chunk_is_an_array (void)
{
  static const struct { AiopoolFormat format; const char *type; } rows[] = {
    { AIOPOOL_FORMAT_GVARIANT, "(xx)" }, { AIOPOOL_FORMAT_GVARIANT, "max" },
    { AIOPOOL_FORMAT_RAW, NULL }, { AIOPOOL_FORMAT_PICKLE, NULL },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      AiopoolTaskMessage message = { .n_items = 2 };
      g_autofree guint8 *data = NULL;
      gsize size;

      message.argument = inline_value (rows[i].format, rows[i].type, "0123456789abcdef", 16);
      size = aiopool_message_task_size (&message);
      data = g_malloc (size);
      aiopool_message_write_task (data, 1, 0, &message);
      g_assert_false (try_frame (data, size, length_of (data)));
    }
}

/* All of up to five of these letters. */
static void
test_a_type_is_what_glib_takes_for_one (void)
{
  static const char letters[] = "is()av*";

  for (guint n = 1; n <= 7 + 49 + 343 + 2401 + 16807; n++)
    {
      AiopoolValueMessage message;
      g_autofree guint8 *data = NULL;
      char type[6] = "";
      gsize length = 0;
      gboolean is_type;
      gsize size;

      for (guint rest = n; rest > 0; rest = (rest - 1) / 7)
        type[length++] = letters[(rest - 1) % 7];
      is_type = g_variant_type_string_is_valid (type) &&
                g_variant_type_is_definite (G_VARIANT_TYPE (type));
      message = inline_value (AIOPOOL_FORMAT_GVARIANT, type, "0123456789abcdef", 16);
      size = aiopool_message_emit_size (&message);
      data = g_malloc (size);
      aiopool_message_write_emit (data, 1, 0, &message);
      g_assert_cmpint (try_frame (data, size, length_of (data)), ==, is_type);
    }
}

static gboolean
try_progress (double      fraction,
              const char *text,
              gsize       text_size)
{
  AiopoolProgressMessage message = { fraction, text, text_size };
  gsize size = aiopool_message_progress_size (&message);
  g_autofree guint8 *data = g_malloc (size);

  aiopool_message_write_progress (data, 1, &message);
  return try_frame (data, size, length_of (data));
}

static void
test_progress_is_a_fraction_with_text (void)
{
  g_assert_true (try_progress (1.0, "done", 4));
  g_assert_false (try_progress (-0.1, "", 0));
  g_assert_false (try_progress (1.0000001, "", 0));
  g_assert_false (try_progress ((double) NAN, "", 0));
  g_assert_false (try_progress ((double) INFINITY, "", 0));
  g_assert_false (try_progress (-(double) INFINITY, "", 0));
  g_assert_false (try_progress (0.5, "\xff", 1));
  g_assert_false (try_progress (0.5, "\xc3", 1));
  g_assert_false (try_progress (0.5, "a\0b", 3));
  g_assert_true (try_progress (0.5, "\xc3\xa4", 2));
}

static void
test_messages_without_descriptors_refuse_them (void)
{
  for (guint i = 0; i < n_samples; i++)
    {
      g_autoptr (GBytes) bytes = samples[i].make ();
      gsize size;
      g_autofree guint8 *data = g_bytes_unref_to_data (g_steal_pointer (&bytes), &size);
      guint8 type = data[4];
      gboolean may_have = type == AIOPOOL_FRAME_TASK || type == AIOPOOL_FRAME_RESULT;

      data[6] = 5;
      g_assert_cmpint (try_frame (data, size, length_of (data)), ==, may_have);
    }
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/message/hostile/every-truncated-body-is-refused",
                   test_every_truncated_body_is_refused);
  g_test_add_func ("/message/hostile/every-longer-body-is-refused",
                   test_every_longer_body_is_refused);
  g_test_add_func ("/message/hostile/every-changed-byte-is-refused-or-stays-in-range",
                   test_every_changed_byte_is_refused_or_stays_in_range);
  g_test_add_func ("/message/hostile/every-changed-word-is-refused-or-stays-in-range",
                   test_every_changed_word_is_refused_or_stays_in_range);
  g_test_add_func ("/message/hostile/values-are-refused", test_hostile_values_are_refused);
  g_test_add_func ("/message/hostile/a-segment-has-a-number-and-a-memfd-has-none",
                   test_a_segment_has_a_number_and_a_memfd_has_none);
  g_test_add_func ("/message/hostile/a-greeting-is-about-nothing-else",
                   test_a_greeting_is_about_nothing_else);
  g_test_add_func ("/message/hostile/memory-needs-a-descriptor-and-no-data-here",
                   test_memory_needs_a_descriptor_and_no_data_here);
  g_test_add_func ("/message/hostile/keywords-are-refused", test_hostile_keywords_are_refused);
  g_test_add_func ("/message/hostile/items-are-refused", test_hostile_items_are_refused);
  g_test_add_func ("/message/hostile/numbers-of-items-are-refused",
                   test_hostile_numbers_of_items_are_refused);
  g_test_add_func ("/message/hostile/shared-data-are-refused",
                   test_hostile_shared_data_are_refused);
  g_test_add_func ("/message/hostile/a-chunk-is-an-array", test_a_chunk_is_an_array);
  g_test_add_func ("/message/hostile/a-type-is-what-glib-takes-for-one",
                   test_a_type_is_what_glib_takes_for_one);
  g_test_add_func ("/message/hostile/progress-is-a-fraction-with-text",
                   test_progress_is_a_fraction_with_text);
  g_test_add_func ("/message/hostile/messages-without-descriptors-refuse-them",
                   test_messages_without_descriptors_refuse_them);
  return g_test_run ();
}
