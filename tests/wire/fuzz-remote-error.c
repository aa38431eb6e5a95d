/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/base/aiopool-error.h"
#include "aiopool/wire/aiopool-remote-error-private.h"
#include "tests/wire/fuzz.h"

/* The input is a serialised error. Whatever it is, an error comes of it, with an info that can be
 * walked, and what came of it crosses again. */

static guint
walk (AiopoolErrorInfo *info)
{
  const char * const *notes;

  if (info == NULL)
    return 0;
  notes = aiopool_error_info_get_notes (info);
  g_assert_true (g_utf8_validate (aiopool_error_info_get_type_name (info), -1, NULL));
  g_assert_true (g_utf8_validate (aiopool_error_info_get_message (info), -1, NULL));
  for (guint i = 0; notes != NULL && notes[i] != NULL; i++)
    g_assert_true (g_utf8_validate (notes[i], -1, NULL));
  return 1 + walk (aiopool_error_info_get_cause (info)) +
         walk (aiopool_error_info_get_context (info));
}

static void
decode (const guint8 *data,
        gsize         size,
        gboolean      is_trusted)
{
  g_autoptr (AiopoolErrorInfo) info = NULL;
  g_autoptr (AiopoolErrorInfo) again_info = NULL;
  g_autoptr (GError) error = aiopool_remote_error_decode (data, size, is_trusted, &info);
  g_autoptr (GError) again = NULL;
  g_autoptr (GVariant) variant = NULL;

  g_assert_nonnull (error);
  g_assert_true (g_utf8_validate (error->message, -1, NULL));
  g_assert_true (is_trusted || error->domain != AIOPOOL_POOL_ERROR);
  g_assert_cmpuint (walk (info), <=, 64);

  variant = aiopool_remote_error_encode (error, info);
  again = aiopool_remote_error_decode (g_variant_get_data (variant), g_variant_get_size (variant),
                                       TRUE, &again_info);
  g_assert_error (again, error->domain, error->code);
  g_assert_cmpuint (walk (again_info), ==, walk (info));
}

int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  decode (data, size, FALSE);
  decode (data, size, TRUE);
  return 0;
}
