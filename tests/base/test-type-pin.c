/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/base/aiopool-type-pin-private.h"

#define N_THREADS 4
#define N_TYPES   500 /* more than there are places for */

/* Of type (a...as), with @depth arrays. */
static GVariant *
new_nested (guint depth)
{
  GVariant *value = g_variant_new_string ("deep");

  for (guint i = 0; i < depth; i++)
    value = g_variant_new_array (NULL, &value, 1);
  return g_variant_ref_sink (g_variant_new_tuple (&value, 1));
}

/* A tuple whose members say its number. */
static GVariant *
new_numbered (guint number)
{
  GVariant *members[10];

  for (guint i = 0; i < G_N_ELEMENTS (members); i++)
    members[i] = (number >> i & 1) != 0 ? g_variant_new_uint32 (number) : g_variant_new_string ("");
  return g_variant_ref_sink (g_variant_new_tuple (members, G_N_ELEMENTS (members)));
}

static gpointer
pin_many (gpointer data)
{
  for (guint i = 0; i < N_TYPES; i++)
    {
      g_autoptr (GVariant) value = new_numbered (i);

      aiopool_type_pin (value);
    }
  return NULL;
}

static void
check_numbered (guint number)
{
  g_autoptr (GVariant) value = new_numbered (number);
  g_autoptr (GVariant) copy = NULL;
  g_autoptr (GBytes) bytes = g_variant_get_data_as_bytes (value);

  copy = g_variant_ref_sink (g_variant_new_from_bytes (g_variant_get_type (value), bytes, FALSE));
  aiopool_type_pin (copy);
  g_assert_cmpvariant (copy, value);
}

static void
test_values_of_many_types_in_many_threads_stay_what_they_are (void)
{
  GThread *threads[N_THREADS];

  for (guint i = 0; i < N_THREADS; i++)
    threads[i] = g_thread_new ("pinner", pin_many, NULL);
  for (guint i = 0; i < N_TYPES; i++)
    check_numbered (i);
  for (guint i = 0; i < N_THREADS; i++)
    g_thread_join (threads[i]);
}

static void
test_a_type_may_be_long (void)
{
  for (guint depth = 0; depth < 100; depth++)
    {
      g_autoptr (GVariant) value = new_nested (depth);
      g_autoptr (GVariant) same = new_nested (depth);

      aiopool_type_pin (value);
      g_assert_cmpvariant (value, same);
    }
}

static void
test_a_value_of_any_kind_can_be_given (void)
{
  static const char *texts[] = { "1", "'text'", "<1>", "true", "@mi nothing", "()", "@as []" };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (GVariant) value = g_variant_ref_sink (g_variant_new_parsed (texts[i]));

      aiopool_type_pin (value);
      g_assert_true (g_variant_is_normal_form (value));
    }
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/type-pin/values-of-many-types-in-many-threads-stay-what-they-are",
                   test_values_of_many_types_in_many_threads_stay_what_they_are);
  g_test_add_func ("/type-pin/a-type-may-be-long", test_a_type_may_be_long);
  g_test_add_func ("/type-pin/a-value-of-any-kind-can-be-given",
                   test_a_value_of_any_kind_can_be_given);
  return g_test_run ();
}
