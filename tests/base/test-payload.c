/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/base/aiopool-payload-private.h"

#include <string.h>

static AiopoolPayload *
copy_of_variant (GVariant *variant)
{
  AiopoolPayloadView view;

  aiopool_payload_view_variant (&view, variant);
  return aiopool_payload_new_copy (&view);
}

static void
test_view_of_a_variant_shows_its_data (void)
{
  g_autoptr (GVariant) variant = g_variant_ref_sink (g_variant_new ("(is)", 7, "seven"));
  AiopoolPayloadView view;

  aiopool_payload_view_variant (&view, variant);
  g_assert_cmpint (view.format, ==, AIOPOOL_FORMAT_GVARIANT);
  g_assert_cmpstr (view.type, ==, "(is)");
  g_assert_cmpmem (view.data, view.size, g_variant_get_data (variant),
                   g_variant_get_size (variant));
}

static void
test_view_of_bytes_shows_them (void)
{
  g_autoptr (GBytes) bytes = g_bytes_new ("abc", 3);
  g_autoptr (GBytes) empty = g_bytes_new (NULL, 0);
  AiopoolPayloadView view;

  aiopool_payload_view_bytes (&view, AIOPOOL_FORMAT_JSON, bytes);
  g_assert_cmpint (view.format, ==, AIOPOOL_FORMAT_JSON);
  g_assert_null (view.type);
  g_assert_true (view.data == g_bytes_get_data (bytes, NULL));
  g_assert_cmpuint (view.size, ==, 3);

  aiopool_payload_view_bytes (&view, AIOPOOL_FORMAT_RAW, empty);
  g_assert_cmpuint (view.size, ==, 0);
}

static void
test_copy_does_not_need_its_source (void)
{
  char data[] = "some raw bytes";
  AiopoolPayloadView view = { AIOPOOL_FORMAT_RAW, NULL, data, sizeof data };
  g_autoptr (AiopoolPayload) payload = aiopool_payload_new_copy (&view);
  g_autoptr (GBytes) bytes = NULL;

  memset (data, 'x', sizeof data);
  bytes = aiopool_payload_dup_bytes (payload);
  g_assert_cmpint (aiopool_payload_get_format (payload), ==, AIOPOOL_FORMAT_RAW);
  g_assert_cmpuint (aiopool_payload_get_size (payload), ==, sizeof data);
  g_assert_cmpmem (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), "some raw bytes",
                   sizeof data);
}

static void
test_copy_of_nothing_is_empty (void)
{
  AiopoolPayloadView view = { AIOPOOL_FORMAT_RAW, NULL, NULL, 0 };
  g_autoptr (AiopoolPayload) payload = aiopool_payload_new_copy (&view);
  g_autoptr (GBytes) bytes = aiopool_payload_dup_bytes (payload);

  g_assert_cmpuint (aiopool_payload_get_size (payload), ==, 0);
  g_assert_cmpuint (g_bytes_get_size (bytes), ==, 0);
}

static void
test_copied_data_is_aligned_behind_any_type (void)
{
  for (guint length = 1; length < 40; length++)
    {
      g_autofree char *letters = g_strnfill (length, 't');
      g_autofree char *type = g_strdup_printf ("(%s)", letters);
      g_autofree guint64 *numbers = g_new0 (guint64, length);
      AiopoolPayloadView view = { AIOPOOL_FORMAT_GVARIANT, type, numbers, length * 8 };
      g_autoptr (AiopoolPayload) payload = aiopool_payload_new_copy (&view);
      g_autoptr (GBytes) bytes = aiopool_payload_dup_bytes (payload);
      g_autoptr (GVariant) variant = aiopool_payload_dup_variant (payload, TRUE);

      g_assert_cmpuint ((guintptr) g_bytes_get_data (bytes, NULL) % 8, ==, 0);
      g_assert_true (g_variant_get_data (variant) == g_bytes_get_data (bytes, NULL));
      g_assert_cmpstr (g_variant_get_type_string (variant), ==, type);
    }
}

static void
test_bytes_outlive_their_payload (void)
{
  AiopoolPayloadView view = { AIOPOOL_FORMAT_RAW, NULL, "0123456789", 10 };
  AiopoolPayload *payload = aiopool_payload_new_copy (&view);
  g_autoptr (GBytes) first = aiopool_payload_dup_bytes (payload);
  g_autoptr (GBytes) second = aiopool_payload_dup_bytes (payload);

  g_assert_true (g_bytes_get_data (first, NULL) == g_bytes_get_data (second, NULL));
  aiopool_payload_unref (payload);
  g_clear_pointer (&first, g_bytes_unref);
  g_assert_cmpmem (g_bytes_get_data (second, NULL), g_bytes_get_size (second), "0123456789", 10);
}

/* (transfer full) */
static AiopoolPayload *
new_in_pieces (void)
{
  static const char *texts[] = { "", "abc", "", "defg", "h" };
  GPtrArray *pieces = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    g_ptr_array_add (pieces, g_bytes_new (texts[i], strlen (texts[i])));
  return aiopool_payload_new_pieces (AIOPOOL_FORMAT_RAW, pieces);
}

static void
test_any_part_of_pieces_is_copied (void)
{
  g_autoptr (AiopoolPayload) payload = new_in_pieces ();

  for (gsize start = 0; start <= 8; start++)
    {
      for (gsize n = 0; start + n <= 8; n++)
        {
          char found[9] = "........";

          aiopool_payload_copy (payload, start, found, n);
          g_assert_cmpmem (found, n, &"abcdefgh"[start], n);
          g_assert_cmpint (found[n], ==, n < 8 ? '.' : 0);
        }
    }
}

static void
test_any_part_of_others_is_copied (void)
{
  AiopoolPayloadView view = { AIOPOOL_FORMAT_RAW, NULL, "0123456789", 10 };
  g_autoptr (AiopoolPayload) payload = aiopool_payload_new_copy (&view);
  char found[4];

  aiopool_payload_copy (payload, 3, found, sizeof found);
  g_assert_cmpmem (found, sizeof found, "3456", 4);
}

static void
test_pieces_are_joined_once (void)
{
  g_autoptr (AiopoolPayload) payload = new_in_pieces ();
  g_autoptr (GBytes) bytes = NULL;
  AiopoolPayloadView view;

  aiopool_payload_describe (payload, &view);
  g_assert_cmpuint (view.size, ==, 8);
  g_assert_null (view.data);
  aiopool_payload_get_view (payload, &view);
  g_assert_cmpmem (view.data, view.size, "abcdefgh", 8);
  bytes = aiopool_payload_dup_bytes (payload);
  g_assert_true (g_bytes_get_data (bytes, NULL) == view.data);
}

static void
test_no_pieces_are_empty (void)
{
  GPtrArray *none = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  g_autoptr (AiopoolPayload) payload = aiopool_payload_new_pieces (AIOPOOL_FORMAT_JSON, none);
  g_autoptr (GBytes) bytes = aiopool_payload_dup_bytes (payload);

  g_assert_cmpuint (g_bytes_get_size (bytes), ==, 0);
  g_assert_cmpuint (aiopool_payload_get_size (payload), ==, 0);
  g_assert_cmpint (aiopool_payload_get_format (payload), ==, AIOPOOL_FORMAT_JSON);
}

static void
set_true (gpointer data)
{
  *(gboolean *) data = TRUE;
}

static void
test_large_bytes_are_shared_and_returned (void)
{
  static const char data[] = "not copied";
  gboolean is_freed = FALSE;
  GBytes *source = g_bytes_new_with_free_func (data, sizeof data, set_true, &is_freed);
  AiopoolPayload *payload = aiopool_payload_new_bytes (AIOPOOL_FORMAT_PICKLE, NULL, source);
  g_autoptr (GBytes) bytes = aiopool_payload_dup_bytes (payload);

  g_assert_true (bytes == source);
  g_assert_cmpuint (aiopool_payload_get_size (payload), ==, sizeof data);
  g_assert_cmpint (aiopool_payload_get_format (payload), ==, AIOPOOL_FORMAT_PICKLE);
  aiopool_payload_unref (payload);
  g_assert_false (is_freed);
  g_clear_pointer (&bytes, g_bytes_unref);
  g_assert_true (is_freed);
}

static void
test_payload_lives_until_its_last_reference (void)
{
  gboolean is_freed = FALSE;
  AiopoolPayload *payload;

  payload = aiopool_payload_new_bytes (AIOPOOL_FORMAT_RAW, NULL,
                                       g_bytes_new_with_free_func ("", 1, set_true, &is_freed));
  g_assert_true (aiopool_payload_ref (payload) == payload);
  aiopool_payload_unref (payload);
  g_assert_false (is_freed);
  aiopool_payload_unref (payload);
  g_assert_true (is_freed);
}

static void
test_variant_comes_back_from_a_copy (void)
{
  const char *texts[] = {
    "7", "'text'", "(1, 'two', [3.0, 4.0])", "{'a': <1>, 'b': <[true]>}", "()", "@mi nothing",
    "@a{sv} {}", "[[byte 1], [2, 3]]", "(uint64 1, byte 2, uint64 3)",
  };

  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (GVariant) variant = g_variant_ref_sink (g_variant_new_parsed (texts[i]));
      g_autoptr (AiopoolPayload) payload = copy_of_variant (variant);
      g_autoptr (GVariant) trusted = aiopool_payload_dup_variant (payload, TRUE);
      g_autoptr (GVariant) untrusted = aiopool_payload_dup_variant (payload, FALSE);

      g_assert_cmpvariant (trusted, variant);
      g_assert_cmpvariant (untrusted, variant);
      g_assert_true (g_variant_is_normal_form (untrusted));
    }
}

static void
test_variant_comes_back_from_misaligned_bytes (void)
{
  g_autoptr (GVariant) variant = g_variant_ref_sink (g_variant_new ("(tst)", G_MAXUINT64, "x",
                                                                    (guint64) 1));
  gsize size = g_variant_get_size (variant);
  g_autofree guint8 *space = g_malloc (size + 1);
  g_autoptr (AiopoolPayload) payload = NULL;
  g_autoptr (GVariant) back = NULL;

  memcpy (space + 1, g_variant_get_data (variant), size);
  payload = aiopool_payload_new_bytes (AIOPOOL_FORMAT_GVARIANT, "(tst)",
                                       g_bytes_new_static (space + 1, size));
  back = aiopool_payload_dup_variant (payload, FALSE);
  g_assert_cmpvariant (back, variant);
}

/* What an untrusted worker sends is read as what it is not, never as what is not there. */
static void
test_untrusted_variant_is_not_taken_to_be_normal (void)
{
  const guint8 bad_string[] = { 'a', 'b', 0xff };
  const guint8 bad_array[] = { 1, 2, 3, 4, 0xff };
  AiopoolPayloadView string_view = { AIOPOOL_FORMAT_GVARIANT, "s", bad_string, 3 };
  AiopoolPayloadView array_view = { AIOPOOL_FORMAT_GVARIANT, "as", bad_array, 5 };
  g_autoptr (AiopoolPayload) string_payload = aiopool_payload_new_copy (&string_view);
  g_autoptr (AiopoolPayload) array_payload = aiopool_payload_new_copy (&array_view);
  g_autoptr (GVariant) string = aiopool_payload_dup_variant (string_payload, FALSE);
  g_autoptr (GVariant) array = aiopool_payload_dup_variant (array_payload, FALSE);
  g_autoptr (GVariant) trusted = aiopool_payload_dup_variant (array_payload, TRUE);

  g_assert_false (g_variant_is_normal_form (string));
  g_assert_cmpstr (g_variant_get_string (string, NULL), ==, "");
  g_assert_false (g_variant_is_normal_form (array));
  g_assert_cmpuint (g_variant_n_children (array), ==, 0);
  g_assert_true (g_variant_is_normal_form (trusted)); /* believed, not checked */
}

static void
test_variant_of_a_fixed_type_and_wrong_size_is_its_default (void)
{
  AiopoolPayloadView view = { AIOPOOL_FORMAT_GVARIANT, "t", "abc", 3 };
  g_autoptr (AiopoolPayload) payload = aiopool_payload_new_copy (&view);
  g_autoptr (GVariant) variant = aiopool_payload_dup_variant (payload, FALSE);

  g_assert_cmpuint (g_variant_get_uint64 (variant), ==, 0);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/payload/view-of-a-variant-shows-its-data",
                   test_view_of_a_variant_shows_its_data);
  g_test_add_func ("/payload/view-of-bytes-shows-them", test_view_of_bytes_shows_them);
  g_test_add_func ("/payload/copy-does-not-need-its-source", test_copy_does_not_need_its_source);
  g_test_add_func ("/payload/copy-of-nothing-is-empty", test_copy_of_nothing_is_empty);
  g_test_add_func ("/payload/copied-data-is-aligned-behind-any-type",
                   test_copied_data_is_aligned_behind_any_type);
  g_test_add_func ("/payload/bytes-outlive-their-payload", test_bytes_outlive_their_payload);
  g_test_add_func ("/payload/any-part-of-pieces-is-copied", test_any_part_of_pieces_is_copied);
  g_test_add_func ("/payload/any-part-of-others-is-copied", test_any_part_of_others_is_copied);
  g_test_add_func ("/payload/pieces-are-joined-once", test_pieces_are_joined_once);
  g_test_add_func ("/payload/no-pieces-are-empty", test_no_pieces_are_empty);
  g_test_add_func ("/payload/large-bytes-are-shared-and-returned",
                   test_large_bytes_are_shared_and_returned);
  g_test_add_func ("/payload/lives-until-its-last-reference",
                   test_payload_lives_until_its_last_reference);
  g_test_add_func ("/payload/variant-comes-back-from-a-copy", test_variant_comes_back_from_a_copy);
  g_test_add_func ("/payload/variant-comes-back-from-misaligned-bytes",
                   test_variant_comes_back_from_misaligned_bytes);
  g_test_add_func ("/payload/untrusted-variant-is-not-taken-to-be-normal",
                   test_untrusted_variant_is_not_taken_to_be_normal);
  g_test_add_func ("/payload/variant-of-a-fixed-type-and-wrong-size-is-its-default",
                   test_variant_of_a_fixed_type_and_wrong_size_is_its_default);
  return g_test_run ();
}
