/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tests/sched/chunk-help.h"

#include "aiopool/base/aiopool-error.h"

#include <signal.h>

/* What the workers of the tests of chunks run. */

#define LARGE (300 * 1024)

static GVariant *
fail (GError **error)
{
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_BUSY, "as it was told");
  return NULL;
}

static GVariant *
act (AiopoolCall *call,
     GVariant    *value,
     gpointer     user_data,
     GError     **error)
{
  gint64 number = g_variant_get_int64 (value);
  gint64 expected = number;

  shared->n_runs[number]++;
  if (number == shared->die_at && atomic_compare_exchange_strong (&shared->die_at, &expected, -1))
    raise (SIGKILL);
  if (number == shared->pause_at)
    g_usleep (5000);
  if (shared->long_at >= 0 && number >= shared->long_at)
    g_usleep (3000);
  if (number == shared->hold_at || number == shared->deaf_at)
    shared->n_held++;
  while (number == shared->deaf_at && !shared->is_open)
    g_usleep (100);
  while (number == shared->hold_at && !shared->is_open && !aiopool_call_is_cancelled (call))
    g_usleep (100);
  if (number == shared->hold_at &&
      g_cancellable_set_error_if_cancelled (aiopool_call_get_cancellable (call), error))
    return NULL;
  if (number == shared->fail_at)
    return fail (error);
  if (number == shared->large_at)
    return g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, g_malloc0 (LARGE), LARGE, 1);
  return g_variant_new_int64 (number);
}

static GVariant *
text (AiopoolCall *call,
      GVariant    *value,
      gpointer     user_data,
      GError     **error)
{
  return g_variant_new ("(sx)", "text", g_variant_get_int64 (value));
}

static GVariant *
progress (AiopoolCall *call,
          GVariant    *value,
          gpointer     user_data,
          GError     **error)
{
  aiopool_call_set_progress (call, 1.0, NULL);
  if (!aiopool_call_emit (call, g_variant_ref_sink (g_variant_new_int64 (1)), error))
    g_assert_error (*error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_NOT_SUPPORTED);
  g_clear_error (error);
  return g_variant_ref (value);
}

/* That a call of an item is as one of a task. Each way of answering, one after the other. */
static void
check_view (AiopoolCall *call,
            GVariant    *value)
{
  static AiopoolCall *kept;
  GVariant *keywords = aiopool_call_get_keywords (call);
  GUnixFDList *fds = aiopool_call_get_fds (call);
  g_autoptr (GBytes) payload = NULL;
  AiopoolFormat format;

  g_assert_true (call != kept);
  if (kept == NULL)
    kept = g_object_ref (call);
  g_assert_cmpstr (aiopool_call_get_function (call), ==, "view");
  g_assert_true (aiopool_call_get_arguments (call) == value);
  g_assert_true (g_variant_lookup (keywords, "key", "i", NULL));
  g_assert_cmpint (g_unix_fd_list_get_length (fds), ==, 1);
  payload = aiopool_call_dup_payload (call, &format);
  g_assert_cmpuint (g_bytes_get_size (payload), ==, sizeof (gint64));
  g_assert_cmpint (format, ==, AIOPOOL_FORMAT_GVARIANT);
  g_assert_cmpfloat (aiopool_call_get_time_left (call), >, 9.0);
  g_assert_cmpfloat (aiopool_call_get_time_left (call), <=, 10.0);
  g_assert_false (aiopool_call_is_cancelled (call));
}

static GVariant *
view (AiopoolCall *call,
      GVariant    *value,
      gpointer     user_data,
      GError     **error)
{
  gint64 number = g_variant_get_int64 (value);
  g_autoptr (AiopoolErrorInfo) info = aiopool_error_info_new ("Type", "message");
  g_autoptr (GBytes) bytes = g_bytes_new_static ("raw", 3);
  gint64 *buffer = NULL;

  check_view (call, value);
  switch (number % 5)
    {
    case 0:
      return g_variant_ref (value);
    case 1:
      aiopool_call_return_value (call, g_variant_new_int64 (number));
      return NULL;
    case 2:
      buffer = aiopool_call_new_buffer (call, sizeof *buffer);
      *buffer = number;
      aiopool_call_return_buffer (call, buffer, sizeof *buffer, AIOPOOL_FORMAT_GVARIANT, "x");
      return NULL;
    case 3:
      aiopool_call_set_result_fds (call, aiopool_call_get_fds (call));
      aiopool_call_return_payload (call, bytes, AIOPOOL_FORMAT_RAW);
      return NULL;
    default:
      aiopool_call_set_error_info (call, info);
      return fail (error);
    }
}

/* Answers in another thread, a little after it has returned with nothing. */
static gpointer
answer_later (gpointer data)
{
  g_autoptr (AiopoolCall) call = data;

  aiopool_call_return_value (call, aiopool_call_get_arguments (call));
  return NULL;
}

static void
threaded (AiopoolCall *call,
          GVariant    *value,
          gpointer     user_data)
{
  g_thread_unref (g_thread_new ("answer", answer_later, g_object_ref (call)));
}

static void
at_once (AiopoolCall *call,
         GVariant    *value,
         gpointer     user_data)
{
  aiopool_call_return_value (call, value);
}

static gboolean
on_idle (gpointer data)
{
  AiopoolCall *call = data;

  aiopool_call_return_value (call, aiopool_call_get_arguments (call));
  return G_SOURCE_REMOVE;
}

static void
later (AiopoolCall *call,
       GVariant    *value,
       gpointer     user_data)
{
  g_idle_add_full (G_PRIORITY_DEFAULT, on_idle, g_object_ref (call), g_object_unref);
}

/* Of two chunks: item 0 is answered while item 3 of the other one runs, which goes on until nothing
 * is left to be done in the main context. */
static void
nested (AiopoolCall *call,
        GVariant    *value,
        gpointer     user_data)
{
  static AiopoolCall *first;

  switch (g_variant_get_int64 (value))
    {
    case 0:
      first = g_object_ref (call);
      break;
    case 2:
      g_idle_add_full (G_PRIORITY_DEFAULT, on_idle, g_object_ref (call), g_object_unref);
      break;
    case 3:
      g_idle_add_full (G_PRIORITY_DEFAULT, on_idle, g_steal_pointer (&first), g_object_unref);
      while (g_main_context_iteration (NULL, FALSE))
        ;
      aiopool_call_return_value (call, value);
      break;
    default:
      aiopool_call_return_value (call, value);
      break;
    }
}

static void
forgotten (AiopoolCall *call,
           GVariant    *value,
           gpointer     user_data)
{
}

void
chunk_add_functions (AiopoolService *service)
{
  aiopool_service_add (service, "act", act, NULL, NULL);
  aiopool_service_add (service, "text", text, NULL, NULL);
  aiopool_service_add (service, "progress", progress, NULL, NULL);
  aiopool_service_add (service, "view", view, NULL, NULL);
  if (g_getenv ("AIOPOOL_TEST_ASYNC") == NULL)
    return;
  aiopool_service_add_async (service, "threaded", threaded, NULL, NULL);
  aiopool_service_add_async (service, "at-once", at_once, NULL, NULL);
  aiopool_service_add_async (service, "later", later, NULL, NULL);
  aiopool_service_add_async (service, "nested", nested, NULL, NULL);
  aiopool_service_add_async (service, "forgotten", forgotten, NULL, NULL);
}
