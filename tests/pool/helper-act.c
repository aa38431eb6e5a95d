/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/pool/helper.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

/* What the items of batches do, in a worker and in an executor that is none of the library's. */

static void
append_mark (const char *path,
             guint       number)
{
  int fd = open (path, O_WRONLY | O_APPEND | O_CLOEXEC);

  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (write (fd, &number, sizeof number), ==, sizeof number);
  close (fd);
}

/* Until there is a file, or a cancel. */
static GVariant *
hold (const char   *path,
      guint         number,
      GCancellable *cancellable,
      GError      **error)
{
  while (!g_file_test (path, G_FILE_TEST_EXISTS))
    {
      if (g_cancellable_set_error_if_cancelled (cancellable, error))
        return NULL;
      g_usleep (500);
    }
  return g_variant_new_uint32 (number);
}

static GVariant *
crash_once (const char *path,
            guint       number)
{
  g_autofree char *done = g_strdup_printf ("%s.%u", path, number);

  if (g_file_test (done, G_FILE_TEST_EXISTS))
    return g_variant_new_uint32 (number);
  g_file_set_contents (done, "", 0, NULL);
  raise (SIGKILL);
  return NULL;
}

/* (what, number); the keywords are "marks", the path of a file where each appends its number, and
 * "path", for those that need one. */
GVariant *
helper_act (GVariant     *arguments,
            GVariant     *keywords,
            GCancellable *cancellable,
            GError      **error)
{
  const char *what, *marks = NULL, *path = "";
  guint number;

  g_variant_get (arguments, "(&su)", &what, &number);
  if (keywords != NULL)
    {
      g_variant_lookup (keywords, "marks", "&s", &marks);
      g_variant_lookup (keywords, "path", "&s", &path);
    }
  if (marks != NULL)
    append_mark (marks, number);
  if (g_str_equal (what, "fail"))
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "item %u", number);
  else if (g_str_equal (what, "hold"))
    return hold (path, number, cancellable, error);
  else if (g_str_equal (what, "crash"))
    raise (SIGKILL);
  else if (g_str_equal (what, "crash-once"))
    return crash_once (path, number);
  else if (g_str_equal (what, "nap"))
    g_usleep (2000);
  else if (g_str_equal (what, "text"))
    return g_variant_new_take_string (g_strdup_printf ("item %u", number));
  return *error == NULL ? g_variant_new_uint32 (number) : NULL;
}
