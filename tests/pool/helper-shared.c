/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/pool/helper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What the workers of these tests say about shared data. */

#define STRIDE 1021 /* bytes from one that is looked at to the next */

/* A number that tells them from others, if they are a pattern. */
static guint
look_at (GBytes *bytes)
{
  gsize size;
  const guint8 *data = g_bytes_get_data (bytes, &size);
  guint sum = (guint) size;

  for (gsize i = 0; i < size; i += STRIDE)
    sum = sum * 31 + data[i];
  return sum;
}

/* Of the file that lies at @data, or 0 if there is none. */
static guint64
find_inode (gconstpointer data)
{
  g_autofree char *maps = NULL;
  g_auto (GStrv) lines = NULL;

  if (!g_file_get_contents ("/proc/self/maps", &maps, NULL, NULL))
    return 0;
  lines = g_strsplit (maps, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    {
      char *rest;
      guint64 start = g_ascii_strtoull (lines[i], &rest, 16);
      guint64 end = *rest == '-' ? g_ascii_strtoull (rest + 1, NULL, 16) : 0;
      guint64 inode = 0;

      if ((gsize) data < start || (gsize) data >= end)
        continue;
      if (sscanf (lines[i], "%*s %*s %*s %*s %" G_GUINT64_FORMAT, &inode) != 1)
        return 0;
      return inode;
    }
  return 0;
}

/* How many there were in this process, with this one. They are kept: no two have one address. */
static guint
count (GBytes *bytes)
{
  static GPtrArray *seen; /* (owned): for good */

  if (seen == NULL)
    seen = g_ptr_array_new ();
  if (!g_ptr_array_find (seen, bytes, NULL))
    g_ptr_array_add (seen, g_bytes_ref (bytes));
  return seen->len;
}

/* Answers with (pid, whether there are any, what they look like, inode, how many there were), where
 * they are counted only for a task whose argument is (TRUE). */
static GVariant *
look_shared (AiopoolCall *call,
             GVariant    *arguments,
             gpointer     user_data,
             GError     **error)
{
  g_autoptr (GBytes) bytes = aiopool_call_dup_shared_data (call);
  gboolean is_counted;

  g_variant_get (arguments, "(b)", &is_counted);
  if (bytes == NULL)
    return g_variant_new ("(ibutu)", getpid (), FALSE, 0, (guint64) 0, 0);
  return g_variant_new ("(ibutu)", getpid (), TRUE, look_at (bytes),
                        find_inode (g_bytes_get_data (bytes, NULL)),
                        is_counted ? count (bytes) : 0);
}

/* (path): kills the worker unless there is such a file, which it makes first. */
static GVariant *
look_again (AiopoolCall *call,
            GVariant    *arguments,
            gpointer     user_data,
            GError     **error)
{
  g_autoptr (GBytes) bytes = aiopool_call_dup_shared_data (call);
  const char *path;

  g_variant_get (arguments, "(&s)", &path);
  if (!g_file_test (path, G_FILE_TEST_EXISTS))
    {
      g_file_set_contents (path, "", 0, NULL);
      abort ();
    }
  return g_variant_new ("(iu)", getpid (), bytes != NULL ? look_at (bytes) : 0);
}

static guint looked; /* by the last worker's initializer */

static GVariant *
look_first (AiopoolCall *call,
            GVariant    *arguments,
            gpointer     user_data,
            GError     **error)
{
  g_autoptr (GBytes) bytes = aiopool_call_dup_shared_data (call);

  looked = bytes != NULL ? look_at (bytes) : 0;
  return g_variant_new ("()");
}

static GVariant *
tell_looked (AiopoolCall *call,
             GVariant    *arguments,
             gpointer     user_data,
             GError     **error)
{
  return g_variant_new ("(u)", looked);
}

/* (path): writes there what it looks like. */
static GVariant *
look_last (AiopoolCall *call,
           GVariant    *arguments,
           gpointer     user_data,
           GError     **error)
{
  g_autoptr (GBytes) bytes = aiopool_call_dup_shared_data (call);
  g_autofree char *text = g_strdup_printf ("%u", bytes != NULL ? look_at (bytes) : 0);
  const char *path;

  g_variant_get (arguments, "(&s)", &path);
  return g_file_set_contents (path, text, -1, error) ? g_variant_new ("()") : NULL;
}

void
helper_register_shared (AiopoolService *service)
{
  static const struct { const char *name; AiopoolFunction function; } functions[] = {
    { "look-shared", look_shared }, { "look-again", look_again }, { "look-first", look_first },
    { "tell-looked", tell_looked }, { "look-last", look_last },
  };

  for (guint i = 0; i < G_N_ELEMENTS (functions); i++)
    aiopool_service_add (service, functions[i].name, functions[i].function, NULL, NULL);
}

AiopoolSharedData *
helper_shared_new (gsize size,
                   guint seed)
{
  guint8 *data = g_malloc0 (size + 1);
  g_autoptr (GBytes) bytes = NULL;

  for (gsize i = 0; i < size; i += STRIDE)
    data[i] = (guint8) (i * 7 + seed);
  memset (data, (int) seed & 0xff, MIN (size, sizeof seed));
  memcpy (data, &seed, MIN (size, sizeof seed));
  bytes = g_bytes_new_take (data, size);
  return aiopool_shared_data_new (bytes);
}

guint
helper_shared_look (AiopoolSharedData *data)
{
  return look_at (aiopool_shared_data_get_bytes (data));
}

/* @function: of those above. */
AiopoolTask *
helper_shared_task (const char        *function,
                    GVariant          *arguments,
                    AiopoolSharedData *data)
{
  AiopoolTask *task = aiopool_task_new (function, arguments);

  aiopool_task_set_shared_data (task, data);
  return task;
}

/* What look-shared says, of data that must look like @data (nullable). */
HelperLook
helper_shared_expect (AiopoolFuture     *future,
                      AiopoolSharedData *data)
{
  g_autoptr (GVariant) result = helper_collect (future);
  HelperLook look;
  gboolean is_there;
  guint sum;

  g_variant_get (result, "(ibutu)", &look.pid, &is_there, &sum, &look.inode, &look.n_seen);
  g_assert_true (is_there == (data != NULL));
  g_assert_cmpuint (sum, ==, data != NULL ? helper_shared_look (data) : 0);
  return look;
}

HelperLook
helper_shared_run (AiopoolExecutor   *executor,
                   AiopoolSharedData *data,
                   gboolean           is_counted)
{
  AiopoolTask *task = helper_shared_task ("look-shared", g_variant_new ("(b)", is_counted), data);
  g_autoptr (AiopoolFuture) future = helper_submit_task (executor, task);

  return helper_shared_expect (future, data);
}
