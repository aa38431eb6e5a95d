/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "aiopool/cli/aiopool-stock-private.h"

#include <gmodule.h>

/* The stock plug-in: what the aiopool program runs, and an example of a plug-in.
 *
 *   echo ANYTHING -> the arguments
 *   sha256, sha1, md5 (PATH) -> (digest, bytes)          aiopool-stock-sum.c
 *   sleep (SECONDS) -> SECONDS, as they were given
 *   command (LINE | ARGV) -> (status, signal, out, err)  aiopool-stock-command.c
 *
 * Paths, lines and words are strings or byte strings. */

/* A nap is owned by its timeout source; the source that watches the cancellable ends it early. */
typedef struct
{
  AiopoolCall *call;      /* (owned) */
  GSource     *timeout;   /* (owned) */
  GSource     *watch;     /* (owned) */
  GVariant    *result;    /* (owned) */
} Nap;

G_MODULE_EXPORT void aiopool_plugin_register (AiopoolService *service);

/* --- arguments -------------------------------------------------------------------------------- */

GVariant *
stock_dup_argument (GVariant *arguments,
                    GError  **error)
{
  if (arguments != NULL && !g_variant_type_is_tuple (g_variant_get_type (arguments)))
    return g_variant_ref (arguments);

  if (arguments != NULL && g_variant_n_children (arguments) == 1)
    return g_variant_get_child_value (arguments, 0);

  g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "Expected one argument, got %s",
               arguments != NULL ? g_variant_get_type_string (arguments) : "none");
  return NULL;
}

static const char *
look_at_bytes (GVariant *value,
               gsize    *length)
{
  const char *bytes = NULL;

  if (g_variant_is_of_type (value, G_VARIANT_TYPE_STRING))
    return g_variant_get_string (value, length);

  bytes = g_variant_get_fixed_array (value, length, 1);
  if (*length > 0 && bytes[*length - 1] == '\0')
    *length -= 1;
  return bytes;
}

char *
stock_dup_bytes (GVariant *value,
                 GError  **error)
{
  const char *bytes = NULL;
  gsize length = 0;

  if (!g_variant_is_of_type (value, G_VARIANT_TYPE_STRING) &&
      !g_variant_is_of_type (value, G_VARIANT_TYPE_BYTESTRING))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                   "Expected a string or a byte string, got a value of type %s",
                   g_variant_get_type_string (value));
      return NULL;
    }

  bytes = look_at_bytes (value, &length);
  if (length > 0 && memchr (bytes, '\0', length) != NULL)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                           "The argument has a NUL byte inside");
      return NULL;
    }

  return length > 0 ? g_strndup (bytes, length) : g_strdup ("");
}

/* --- echo ------------------------------------------------------------------------------------- */

static GVariant *
echo (AiopoolCall *call,
      GVariant    *arguments,
      gpointer     user_data,
      GError     **error)
{
  return g_variant_ref (arguments);
}

/* --- sleep ------------------------------------------------------------------------------------ */

static void
free_nap (gpointer data)
{
  Nap *nap = data;

  g_source_destroy (nap->watch);
  g_source_unref (nap->watch);
  g_source_unref (nap->timeout);
  g_variant_unref (nap->result);
  g_object_unref (nap->call);
  g_free (nap);
}

static gboolean
on_nap_over (gpointer user_data)
{
  Nap *nap = user_data;

  aiopool_call_return_value (nap->call, nap->result);
  return G_SOURCE_REMOVE;
}

static gboolean
on_nap_cancelled (GCancellable *cancellable,
                  gpointer      user_data)
{
  Nap *nap = user_data;
  g_autoptr (GError) error = NULL;

  g_cancellable_set_error_if_cancelled (cancellable, &error);
  aiopool_call_return_error (nap->call, error);
  g_source_destroy (nap->timeout); /* frees the nap */
  return G_SOURCE_REMOVE;
}

static void
start_nap (AiopoolCall *call,
           GVariant    *result,
           double       seconds)
{
  Nap *nap = g_new0 (Nap, 1);
  GMainContext *context = g_main_context_get_thread_default ();

  nap->call = g_object_ref (call);
  nap->result = g_variant_ref (result);
  nap->timeout = g_timeout_source_new ((guint) (seconds * 1000 + 0.5));
  nap->watch = g_cancellable_source_new (aiopool_call_get_cancellable (call));

  g_source_set_callback (nap->timeout, on_nap_over, nap, free_nap);
  g_source_set_callback (nap->watch, G_SOURCE_FUNC (on_nap_cancelled), nap, NULL);
  g_source_attach (nap->watch, context);
  g_source_attach (nap->timeout, context);
}

/* Any number, or the text of one: what the command line has to give is text. */
static gboolean
parse_seconds (GVariant *value,
               double   *seconds,
               GError  **error)
{
  g_autofree char *text = NULL;
  char *end = NULL;

  if (g_variant_is_of_type (value, G_VARIANT_TYPE_STRING))
    text = g_variant_dup_string (value, NULL);
  else
    text = g_variant_print (value, FALSE);

  *seconds = g_ascii_strtod (text, &end);
  if (end != text && *end == '\0' && *seconds >= 0 && *seconds <= 1e6)
    return TRUE;

  g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
               "Expected seconds from 0 to 1000000, got %s", text);
  return FALSE;
}

static void
sleep_awhile (AiopoolCall *call,
              GVariant    *arguments,
              gpointer     user_data)
{
  g_autoptr (GVariant) value = NULL;
  g_autoptr (GError) error = NULL;
  double seconds = 0;

  value = stock_dup_argument (arguments, &error);
  if (value != NULL && parse_seconds (value, &seconds, &error))
    start_nap (call, value, seconds);
  else
    aiopool_call_return_error (call, error);
}

/* --- registration ----------------------------------------------------------------------------- */

void
aiopool_plugin_register (AiopoolService *service)
{
  aiopool_service_add (service, "echo", echo, NULL, NULL);
  aiopool_service_add (service, "sha256", stock_sum, GINT_TO_POINTER (G_CHECKSUM_SHA256), NULL);
  aiopool_service_add (service, "sha1", stock_sum, GINT_TO_POINTER (G_CHECKSUM_SHA1), NULL);
  aiopool_service_add (service, "md5", stock_sum, GINT_TO_POINTER (G_CHECKSUM_MD5), NULL);
  aiopool_service_add_async (service, "sleep", sleep_awhile, NULL, NULL);
  aiopool_service_add (service, "command", stock_command, NULL, NULL);
}
