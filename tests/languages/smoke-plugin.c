/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the smoke tests of the languages call: one function for each thing that can come of a
 * task. */

#include <aiopool/aiopool.h>
#include <signal.h>

#define NAP_MS 60000

G_MODULE_EXPORT void aiopool_plugin_register (AiopoolService *service);

static GVariant *
echo (AiopoolCall *call,
      GVariant    *arguments,
      gpointer     user_data,
      GError     **error)
{
  return g_variant_ref (arguments);
}

/* The same bytes, in the same format. */
static GVariant *
echo_payload (AiopoolCall *call,
              GVariant    *arguments,
              gpointer     user_data,
              GError     **error)
{
  AiopoolFormat format;
  g_autoptr (GBytes) payload = aiopool_call_dup_payload (call, &format);

  aiopool_call_return_payload (call, payload, format);
  return NULL;
}

static GVariant *
fail (AiopoolCall *call,
      GVariant    *arguments,
      gpointer     user_data,
      GError     **error)
{
  g_autoptr (AiopoolErrorInfo) info = aiopool_error_info_new ("Missing", "there is nothing");
  const char *notes[] = { "first", "second", NULL };

  aiopool_error_info_set_notes (info, notes);
  aiopool_call_set_error_info (call, info);
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "there is nothing");
  return NULL;
}

static GVariant *
crash (AiopoolCall *call,
       GVariant    *arguments,
       gpointer     user_data,
       GError     **error)
{
  raise (SIGSEGV);
  return NULL;
}

/* Says that it has started, and ends when it is told to. */
static GVariant *
nap (AiopoolCall *call,
     GVariant    *arguments,
     gpointer     user_data,
     GError     **error)
{
  GCancellable *cancellable = aiopool_call_get_cancellable (call);
  GPollFD fd;

  aiopool_call_set_progress (call, 0.25, "napping");
  if (g_cancellable_make_pollfd (cancellable, &fd))
    {
      g_poll (&fd, 1, NAP_MS);
      g_cancellable_release_fd (cancellable);
    }
  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    return NULL;
  return g_variant_new ("()");
}

/* Sends every number below (u) and returns how many there were. */
static GVariant *
count (AiopoolCall *call,
       GVariant    *arguments,
       gpointer     user_data,
       GError     **error)
{
  guint n_numbers;

  g_variant_get (arguments, "(u)", &n_numbers);
  for (guint i = 0; i < n_numbers; i++)
    {
      if (!aiopool_call_emit (call, g_variant_new_uint32 (i), error))
        return NULL;
      aiopool_call_set_progress (call, (i + 1.0) / n_numbers, "counting");
    }
  return g_variant_new_uint32 (n_numbers);
}

static GVariant *
warn (AiopoolCall *call,
      GVariant    *arguments,
      gpointer     user_data,
      GError     **error)
{
  const GLogField fields[] = {
    { "MESSAGE", "mind the gap", -1 }, { "PRIORITY", "4", -1 }, { "GLIB_DOMAIN", "smoke", -1 },
    { "WIDTH", "42", -1 },
  };

  g_log_structured_array (G_LOG_LEVEL_WARNING, fields, G_N_ELEMENTS (fields));
  return g_variant_new ("()");
}

/* What the task has in common with others, as a text; none if it has nothing. */
static GVariant *
shared (AiopoolCall *call,
        GVariant    *arguments,
        gpointer     user_data,
        GError     **error)
{
  g_autoptr (GBytes) bytes = aiopool_call_dup_shared_data (call);
  g_autofree char *text = NULL;
  gconstpointer data;
  gsize size;

  if (bytes == NULL)
    return g_variant_new_string ("nothing");
  data = g_bytes_get_data (bytes, &size);
  text = g_strndup (data, size);
  return g_variant_new_string (text);
}

void
aiopool_plugin_register (AiopoolService *service)
{
  aiopool_service_add (service, "echo", echo, NULL, NULL);
  aiopool_service_add (service, "echo-payload", echo_payload, NULL, NULL);
  aiopool_service_add (service, "fail", fail, NULL, NULL);
  aiopool_service_add (service, "crash", crash, NULL, NULL);
  aiopool_service_add (service, "nap", nap, NULL, NULL);
  aiopool_service_add (service, "count", count, NULL, NULL);
  aiopool_service_add (service, "warn", warn, NULL, NULL);
  aiopool_service_add (service, "shared", shared, NULL, NULL);
}
