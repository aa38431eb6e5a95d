/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/base/aiopool-payload-private.h"
#include "tests/wire/fuzz.h"

#include <string.h>

/* The input is a type string with its zero, and the bytes of a value: what a worker may say is a
 * variant of that type. Whatever the bytes are, everything in it can be looked at, and its normal
 * form is one. */

#define MAX_LOOKS 10000

static void
walk (GVariant *value,
      guint    *n_left)
{
  if (*n_left == 0)
    return;
  (*n_left)--;
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_STRING) ||
      g_variant_is_of_type (value, G_VARIANT_TYPE_OBJECT_PATH) ||
      g_variant_is_of_type (value, G_VARIANT_TYPE_SIGNATURE))
    g_assert_true (g_utf8_validate (g_variant_get_string (value, NULL), -1, NULL));
  else if (g_variant_is_container (value))
    {
      for (gsize i = 0; i < g_variant_n_children (value) && *n_left > 0; i++)
        {
          g_autoptr (GVariant) child = g_variant_get_child_value (value, i);

          walk (child, n_left);
        }
    }
}

static void
look_at (AiopoolPayload *payload,
         const char     *type,
         gsize           size)
{
  g_autoptr (GVariant) value = aiopool_payload_dup_variant (payload, FALSE);
  g_autoptr (GVariant) normal = NULL;
  g_autoptr (GBytes) bytes = aiopool_payload_dup_bytes (payload);
  g_autofree gpointer copy = NULL;
  AiopoolPayloadView view;
  guint n_left = MAX_LOOKS;

  g_assert_cmpstr (g_variant_get_type_string (value), ==, type);
  g_assert_cmpuint (g_bytes_get_size (bytes), ==, size);
  aiopool_payload_get_view (payload, &view);
  g_assert_cmpstr (view.type, ==, type);
  g_assert_cmpuint (view.size, ==, size);
  copy = g_memdup2 (view.data, view.size);
  walk (value, &n_left);
  normal = g_variant_get_normal_form (value);
  g_assert_true (g_variant_is_normal_form (normal));
}

/* As the parser of messages lets it through. */
static gboolean
is_good_type (const char *type)
{
  return g_variant_type_string_is_valid (type) &&
         g_variant_type_is_definite (G_VARIANT_TYPE (type));
}

int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  const guint8 *end = size > 0 ? memchr (data, 0, size) : NULL;
  AiopoolPayloadView view = { .format = AIOPOOL_FORMAT_GVARIANT, .type = (const char *) data };
  g_autoptr (AiopoolPayload) copied = NULL;
  g_autoptr (AiopoolPayload) mapped = NULL;

  if (end == NULL || !is_good_type (view.type))
    return 0;
  view.data = end + 1;
  view.size = size - (gsize) (end + 1 - data);
  copied = aiopool_payload_new_copy (&view);
  look_at (copied, view.type, view.size);
  mapped = aiopool_payload_new_bytes (view.format, view.type, g_bytes_new (view.data, view.size));
  look_at (mapped, view.type, view.size);
  return 0;
}
