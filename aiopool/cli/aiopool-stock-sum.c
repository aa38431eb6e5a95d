/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "aiopool/cli/aiopool-stock-private.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib/gstdio.h>

/* Checksums of regular files, read block by block: memory does not grow with the file, and a
 * cancelled call stops at the next block. */

#define BLOCK_SIZE (256 * 1024)

static void
set_error_from_errno (GError    **error,
                      const char *what,
                      const char *path)
{
  int saved_errno = errno;
  g_autofree char *shown = g_filename_display_name (path);

  g_set_error (error, G_IO_ERROR, g_io_error_from_errno (saved_errno), "%s '%s': %s",
               what, shown, g_strerror (saved_errno));
}

static gboolean
check_is_regular (int         fd,
                  const char *path,
                  GError    **error)
{
  struct stat info;
  g_autofree char *shown = g_filename_display_name (path);

  if (fstat (fd, &info) < 0)
    {
      set_error_from_errno (error, "Cannot look at", path);
      return FALSE;
    }

  if (S_ISREG (info.st_mode))
    return TRUE;

  if (S_ISDIR (info.st_mode))
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_IS_DIRECTORY, "'%s' is a directory", shown);
  else
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_REGULAR_FILE,
                 "'%s' is not a regular file", shown);
  return FALSE;
}

/* O_NONBLOCK, or the open of a FIFO that nobody writes to would last for ever. */
static int
open_regular (const char *path,
              GError    **error)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

  if (fd < 0)
    {
      set_error_from_errno (error, "Cannot open", path);
      return -1;
    }

  if (!check_is_regular (fd, path, error))
    {
      g_close (fd, NULL);
      return -1;
    }

  posix_fadvise (fd, 0, 0, POSIX_FADV_SEQUENTIAL);
  return fd;
}

static gboolean
sum_fd (int           fd,
        const char   *path,
        GCancellable *cancellable,
        GChecksum    *checksum,
        guint64      *n_bytes,
        GError      **error)
{
  g_autofree guchar *block = g_malloc (BLOCK_SIZE);

  while (!g_cancellable_set_error_if_cancelled (cancellable, error))
    {
      gssize length = read (fd, block, BLOCK_SIZE);

      if (length == 0)
        return TRUE;

      if (length < 0 && errno == EINTR)
        continue;

      if (length < 0)
        {
          set_error_from_errno (error, "Cannot read", path);
          return FALSE;
        }

      g_checksum_update (checksum, block, length);
      *n_bytes += length;
    }

  return FALSE;
}

GVariant *
stock_sum (AiopoolCall *call,
           GVariant    *arguments,
           gpointer     checksum_type,
           GError     **error)
{
  g_autoptr (GChecksum) checksum = g_checksum_new (GPOINTER_TO_INT (checksum_type));
  g_autoptr (GVariant) value = NULL;
  g_autofree char *path = NULL;
  guint64 n_bytes = 0;
  gboolean is_ok = FALSE;
  int fd = -1;

  value = stock_dup_argument (arguments, error);
  if (value == NULL)
    return NULL;

  path = stock_dup_bytes (value, error);
  if (path == NULL)
    return NULL;

  fd = open_regular (path, error);
  if (fd < 0)
    return NULL;

  is_ok = sum_fd (fd, path, aiopool_call_get_cancellable (call), checksum, &n_bytes, error);
  g_close (fd, NULL);

  return is_ok ? g_variant_new ("(st)", g_checksum_get_string (checksum), n_bytes) : NULL;
}
