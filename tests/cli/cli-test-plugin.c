/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <aiopool/aiopool.h>

#include <signal.h>
#include <sys/resource.h>

#include <gmodule.h>

/* Functions for the tests of the program. */

G_MODULE_EXPORT void aiopool_plugin_register (AiopoolService *service);

static GVariant *
same (AiopoolCall *call,
      GVariant    *arguments,
      gpointer     user_data,
      GError     **error)
{
  return g_variant_get_child_value (arguments, 0);
}

static GVariant *
zoo (AiopoolCall *call,
     GVariant    *arguments,
     gpointer     user_data,
     GError     **error)
{
  g_autoptr (GVariant) value = NULL;

  value = g_variant_ref_sink (g_variant_new_parsed ("(true, byte 7, int64 -5000000000, 1.5, 'x',"
                                                    " b'\\377', {'k': <1>}, @ms nothing)"));
  return g_steal_pointer (&value);
}

static GVariant *
fail (AiopoolCall *call,
      GVariant    *arguments,
      gpointer     user_data,
      GError     **error)
{
  const char *item = NULL;

  g_variant_get (arguments, "(&s)", &item);
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "no luck with %s", item);
  return NULL;
}

static GVariant *
crash_at_30 (AiopoolCall *call,
             GVariant    *arguments,
             gpointer     user_data,
             GError     **error)
{
  const struct rlimit no_core = { 0, 0 };
  const char *item = NULL;

  g_variant_get (arguments, "(&s)", &item);
  if (!g_str_equal (item, "30"))
    return g_variant_new_string (item);

  setrlimit (RLIMIT_CORE, &no_core);
  signal (SIGSEGV, SIG_DFL);
  raise (SIGSEGV);
  return NULL;
}

void
aiopool_plugin_register (AiopoolService *service)
{
  aiopool_service_add (service, "same", same, NULL, NULL);
  aiopool_service_add (service, "zoo", zoo, NULL, NULL);
  aiopool_service_add (service, "fail", fail, NULL, NULL);
  aiopool_service_add (service, "crash_at_30", crash_at_30, NULL, NULL);
}
