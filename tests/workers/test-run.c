/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/runtime/aiopool-run-private.h"

#include <string.h>

/* A run has the bytes that GVariant itself gives to an array of the same values. */

#define ID 0x10007

static const char *types[] = {
  "b", "y", "n", "q", "i", "u", "x", "t", "d", "s", "v", "ay", "as", "ax", "(yx)", "(yq)", "(ys)",
  "(sx)", "ms", "mx", "a{sv}", "(ii(d))", "()", "(y(n)as)", "a(ny)", "{sx}",
};

/* Of any type, and never the same. */
static GVariant *
new_value (const GVariantType *type,
           GRand              *random)
{
  guint n = (guint) g_rand_int_range (random, 0, 9);
  GVariantBuilder builder;
  g_autofree char *text = NULL;

  switch (*g_variant_type_peek_string (type))
    {
    case 'b':
      return g_variant_new_boolean (n % 2 == 0);
    case 'y':
      return g_variant_new_byte ((guint8) n);
    case 'n':
      return g_variant_new_int16 ((gint16) -n);
    case 'q':
      return g_variant_new_uint16 ((guint16) n);
    case 'i':
      return g_variant_new_int32 ((gint32) g_rand_int (random));
    case 'u':
      return g_variant_new_uint32 (g_rand_int (random));
    case 'x':
      return g_variant_new_int64 (-(gint64) g_rand_int (random));
    case 't':
      return g_variant_new_uint64 (g_rand_int (random));
    case 'd':
      return g_variant_new_double (g_rand_double (random));
    case 's':
      text = g_strnfill (n, 'x');
      return g_variant_new_string (text);
    case 'v':
      return g_variant_new_variant (g_variant_new_int32 ((gint32) n));
    default:
      break;
    }
  g_variant_builder_init (&builder, type);
  if (g_variant_type_is_array (type) || g_variant_type_is_maybe (type))
    {
      for (guint i = 0; i < (g_variant_type_is_maybe (type) ? n % 2 : n); i++)
        g_variant_builder_add_value (&builder, new_value (g_variant_type_element (type), random));
    }
  else
    {
      for (type = g_variant_type_first (type); type != NULL; type = g_variant_type_next (type))
        g_variant_builder_add_value (&builder, new_value (type, random));
    }
  return g_variant_builder_end (&builder);
}

static gboolean
add (AiopoolRun *run,
     guint32     index,
     GVariant   *value)
{
  AiopoolRunItem item = { ID, index, 100 + index, 105 + index, { AIOPOOL_FORMAT_GVARIANT } };

  item.value.type = g_variant_get_type_string (value);
  item.value.size = g_variant_get_size (value);
  item.value.data = g_variant_get_data (value);
  if (!aiopool_run_accepts (run, &item))
    return FALSE;
  aiopool_run_add (run, &item);
  return TRUE;
}

static void
expect (AiopoolRun *run,
        guint32     first,
        GPtrArray  *values)
{
  gsize size = aiopool_run_get_size (run);
  g_autofree guint8 *bytes = g_malloc (size);
  g_autoptr (GVariant) array = NULL;
  AiopoolItemsMessage message;
  AiopoolFrame frame;
  gsize frame_size;

  memset (bytes, 0xee, size);
  aiopool_run_write (run, bytes);
  g_assert_cmpint (aiopool_frame_parse (bytes, size, &frame, &frame_size), ==, AIOPOOL_FRAME_OK);
  g_assert_cmpuint (frame_size, ==, size);
  g_assert_cmpuint (frame.id, ==, ID);
  g_assert_true (aiopool_message_parse_items (&frame, &message));
  array = g_variant_ref_sink (g_variant_new_array (NULL, (GVariant **) values->pdata,
                                                   values->len));
  g_assert_cmpuint (message.first, ==, first);
  g_assert_cmpuint (message.n, ==, values->len);
  g_assert_cmpint (message.started, ==, 100 + first);
  g_assert_cmpstr (message.values.type, ==, g_variant_get_type_string (array));
  g_assert_cmpmem (message.values.data, message.values.size, g_variant_get_data (array),
                   g_variant_get_size (array));
  for (guint i = 0; i < values->len; i++)
    {
      guint32 run_time;

      memcpy (&run_time, message.run_times + i * sizeof run_time, sizeof run_time);
      g_assert_cmpuint (run_time, ==, 5);
    }
}

/* One after the other with one run, as a worker does, also when the type changes. */
static void
test_a_run_is_the_array_of_its_values (void)
{
  static const guint sizes[] = { 1, 2, 3, 20, 31, 32, 33, 60, 250, 1500 };
  g_autoptr (GRand) random = g_rand_new_with_seed (7);
  AiopoolRun *run = aiopool_run_new ();

  for (guint i = 0; i < G_N_ELEMENTS (types) * G_N_ELEMENTS (sizes); i++)
    {
      const GVariantType *type = G_VARIANT_TYPE (types[i % G_N_ELEMENTS (types)]);
      guint n = sizes[i / G_N_ELEMENTS (types)];
      g_autoptr (GPtrArray) values = g_ptr_array_new_with_free_func (
        (GDestroyNotify) g_variant_unref);

      for (guint j = 0; j < n; j++)
        {
          g_autoptr (GVariant) value = g_variant_ref_sink (new_value (type, random));

          if (!add (run, i + j, value))
            break;
          g_ptr_array_add (values, g_steal_pointer (&value));
        }
      g_assert_cmpuint (values->len, >, MIN (n, 100) - 1);
      expect (run, i, values);
    }
  aiopool_run_free (run);
}

static void
test_a_run_takes_what_follows_and_is_alike (void)
{
  g_autoptr (GVariant) number = g_variant_ref_sink (g_variant_new_int64 (1));
  g_autoptr (GVariant) text = g_variant_ref_sink (g_variant_new_string ("text"));
  AiopoolRun *run = aiopool_run_new ();
  AiopoolRunItem other = { ID + 1, 11, 0, 0, { AIOPOOL_FORMAT_GVARIANT, "x", NULL, 8 } };

  g_assert_true (add (run, 10, number));
  g_assert_false (add (run, 12, number));
  g_assert_false (add (run, 10, number));
  g_assert_false (add (run, 11, text));
  g_assert_false (aiopool_run_accepts (run, &other));
  g_assert_true (add (run, 11, number));
  g_assert_cmpuint (aiopool_run_get_n (run), ==, 2);
  aiopool_run_free (run);
}

/* However many there are, and however large, the frame fits into the outbox. */
static void
test_a_full_run_fits (void)
{
  for (gsize size = 0; size <= AIOPOOL_RUN_MAX_VALUE; size = size * 3 / 2 + 1)
    {
      g_autofree char *text = g_strnfill (size, 'x');
      g_autoptr (GVariant) value = NULL;
      AiopoolRun *run = aiopool_run_new ();
      g_autofree guint8 *frame = NULL;
      guint32 n = 0;

      value = g_variant_ref_sink (g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, text, size, 1));
      while (add (run, n, value))
        n++;
      g_assert_cmpuint (n, >=, 1);
      g_assert_cmpuint (aiopool_run_get_size (run), <=, 64 * 1024);
      frame = g_malloc (aiopool_run_get_size (run));
      aiopool_run_write (run, frame);
      g_assert_cmpuint (aiopool_run_get_n (run), ==, 0);
      aiopool_run_free (run);
    }
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/run/is-the-array-of-its-values", test_a_run_is_the_array_of_its_values);
  g_test_add_func ("/run/takes-what-follows-and-is-alike",
                   test_a_run_takes_what_follows_and_is_alike);
  g_test_add_func ("/run/full-one-fits", test_a_full_run_fits);
  return g_test_run ();
}
