/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <aiopool/aiopool.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <glib/gstdio.h>
#include <gmodule.h>

/* A plug-in: a shared module with one function, which registers others. They run in the worker
 * processes; a worker that one of them crashes takes nothing with it but its own task. */

#define BLOCK_SIZE (256 * 1024)

G_MODULE_EXPORT void aiopool_plugin_register (AiopoolService *service);

static gboolean
fail (const char *path,
      GError    **error)
{
  int saved_errno = errno;
  g_autofree char *shown = g_filename_display_name (path);

  g_set_error (error, G_IO_ERROR, g_io_error_from_errno (saved_errno), "%s: %s",
               shown, g_strerror (saved_errno));
  return FALSE;
}

static gboolean
add_file (GChecksum    *checksum,
          int           fd,
          guint64      *n_bytes,
          GCancellable *cancellable,
          const char   *path,
          GError      **error)
{
  g_autofree guchar *block = g_malloc (BLOCK_SIZE);
  gssize length = 0;

  while ((length = read (fd, block, BLOCK_SIZE)) > 0)
    {
      if (g_cancellable_set_error_if_cancelled (cancellable, error))
        return FALSE;

      g_checksum_update (checksum, block, length);
      *n_bytes += length;
    }

  return length == 0 || fail (path, error);
}

/* (ay) path -> (st) digest and number of bytes */
static GVariant *
checksum_file (AiopoolCall *call,
               GVariant    *arguments,
               gpointer     user_data,
               GError     **error)
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  const char *path = NULL;
  guint64 n_bytes = 0;
  gboolean is_ok = FALSE;
  int fd = -1;

  if (!g_variant_is_of_type (arguments, G_VARIANT_TYPE ("(ay)")))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "expected (ay), got %s",
                   g_variant_get_type_string (arguments));
      return NULL;
    }

  g_variant_get (arguments, "(^&ay)", &path);
  fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0)
    {
      fail (path, error);
      return NULL;
    }

  is_ok = add_file (checksum, fd, &n_bytes, aiopool_call_get_cancellable (call), path, error);
  g_close (fd, NULL);
  return is_ok ? g_variant_new ("(st)", g_checksum_get_string (checksum), n_bytes) : NULL;
}

/* A bug, on purpose. */
static GVariant *
crash (AiopoolCall *call,
       GVariant    *arguments,
       gpointer     user_data,
       GError     **error)
{
  const struct rlimit no_core = { 0, 0 };

  setrlimit (RLIMIT_CORE, &no_core);
  signal (SIGSEGV, SIG_DFL);
  raise (SIGSEGV);
  return NULL;
}

void
aiopool_plugin_register (AiopoolService *service)
{
  aiopool_service_add (service, "checksum", checksum_file, NULL, NULL);
  aiopool_service_add (service, "crash", crash, NULL, NULL);
}
