/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "aiopool/cli/aiopool-cli-json-private.h"

#include <math.h>
#include <string.h>

/* Writes JSON, compact and on one line. */

static void
append_char (GString *json,
             char     c)
{
  switch (c)
    {
    case '"':
      g_string_append (json, "\\\"");
      break;
    case '\\':
      g_string_append (json, "\\\\");
      break;
    case '\n':
      g_string_append (json, "\\n");
      break;
    case '\t':
      g_string_append (json, "\\t");
      break;
    default:
      if ((guchar) c < 0x20 || c == 0x7f)
        g_string_append_printf (json, "\\u%04x", (guchar) c);
      else
        g_string_append_c (json, c);
      break;
    }
}

gboolean
cli_json_append_string (GString    *json,
                        const char *bytes,
                        gsize       length)
{
  gboolean is_valid = g_utf8_validate_len (bytes, length, NULL);
  g_autofree char *valid = NULL;
  gsize i = 0;

  if (!is_valid)
    {
      valid = g_utf8_make_valid (bytes, length);
      bytes = valid;
      length = strlen (valid);
    }

  g_string_append_c (json, '"');
  for (i = 0; i < length; i++)
    append_char (json, bytes[i]);
  g_string_append_c (json, '"');
  return is_valid;
}

void
cli_json_append_base64 (GString    *json,
                        const char *bytes,
                        gsize       length)
{
  g_autofree char *text = g_base64_encode ((const guchar *) bytes, length);

  g_string_append_printf (json, "\"%s\"", text);
}

void
cli_json_append_double (GString *json,
                        double   value)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];

  if (isfinite (value))
    g_string_append (json, g_ascii_dtostr (text, sizeof text, value));
  else
    g_string_append (json, "null");
}

/* --- variants --------------------------------------------------------------------------------- */

static void
append_bytes (GString  *json,
              GVariant *value)
{
  gsize length = 0;
  const char *bytes = g_variant_get_fixed_array (value, &length, 1);

  if (length > 0 && bytes[length - 1] == '\0')
    length--;

  if (length == 0)
    g_string_append (json, "\"\"");
  else if (g_utf8_validate_len (bytes, length, NULL))
    cli_json_append_string (json, bytes, length);
  else
    {
      g_string_append (json, "{\"base64\":");
      cli_json_append_base64 (json, bytes, length);
      g_string_append_c (json, '}');
    }
}

static gboolean
is_object (GVariant *value)
{
  return g_variant_is_of_type (value, G_VARIANT_TYPE ("a{s*}")) ||
         g_variant_is_of_type (value, G_VARIANT_TYPE ("a{o*}")) ||
         g_variant_is_of_type (value, G_VARIANT_TYPE ("a{g*}"));
}

static void
append_object (GString  *json,
               GVariant *value)
{
  gsize i = 0;

  g_string_append_c (json, '{');
  for (i = 0; i < g_variant_n_children (value); i++)
    {
      g_autoptr (GVariant) entry = g_variant_get_child_value (value, i);
      g_autoptr (GVariant) key = g_variant_get_child_value (entry, 0);
      g_autoptr (GVariant) content = g_variant_get_child_value (entry, 1);

      g_string_append (json, i > 0 ? "," : "");
      cli_json_append_variant (json, key);
      g_string_append_c (json, ':');
      cli_json_append_variant (json, content);
    }
  g_string_append_c (json, '}');
}

static void
append_array (GString  *json,
              GVariant *value)
{
  gsize i = 0;

  g_string_append_c (json, '[');
  for (i = 0; i < g_variant_n_children (value); i++)
    {
      g_autoptr (GVariant) child = g_variant_get_child_value (value, i);

      g_string_append (json, i > 0 ? "," : "");
      cli_json_append_variant (json, child);
    }
  g_string_append_c (json, ']');
}

static void
append_inner (GString  *json,
              GVariant *value)
{
  g_autoptr (GVariant) inner = NULL;

  if (g_variant_n_children (value) == 0)
    {
      g_string_append (json, "null");
      return;
    }

  inner = g_variant_get_child_value (value, 0);
  cli_json_append_variant (json, inner);
}

static void
append_container (GString  *json,
                  GVariant *value)
{
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_VARIANT) ||
      g_variant_is_of_type (value, G_VARIANT_TYPE_MAYBE))
    append_inner (json, value);
  else if (g_variant_is_of_type (value, G_VARIANT_TYPE_BYTESTRING))
    append_bytes (json, value);
  else if (is_object (value))
    append_object (json, value);
  else
    append_array (json, value);
}

void
cli_json_append_variant (GString  *json,
                         GVariant *value)
{
  g_autofree char *text = NULL;

  if (g_variant_is_container (value))
    append_container (json, value);
  else if (g_variant_is_of_type (value, G_VARIANT_TYPE_DOUBLE))
    cli_json_append_double (json, g_variant_get_double (value));
  else if (g_variant_is_of_type (value, G_VARIANT_TYPE_BYTE))
    g_string_append_printf (json, "%u", g_variant_get_byte (value));
  else if (g_variant_is_of_type (value, G_VARIANT_TYPE_HANDLE))
    g_string_append_printf (json, "%d", g_variant_get_handle (value));
  else if (g_variant_is_of_type (value, G_VARIANT_TYPE_STRING) ||
           g_variant_is_of_type (value, G_VARIANT_TYPE_OBJECT_PATH) ||
           g_variant_is_of_type (value, G_VARIANT_TYPE_SIGNATURE))
    {
      const char *string = g_variant_get_string (value, NULL);

      cli_json_append_string (json, string, strlen (string));
    }
  else
    {
      text = g_variant_print (value, FALSE); /* booleans and integers read as in JSON */
      g_string_append (json, text);
    }
}
