/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/runtime/aiopool-shares-private.h"

#include "aiopool/base/aiopool-error.h"
#include "aiopool/wire/aiopool-segment-private.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* What tasks have in common, as a worker keeps it: from the frame that brings it to the one that
 * says that it may go, which come in the order of the tasks. Tasks that run have a reference.
 *
 * Memory is mapped when the first task wants it; if that fails, for want of memory say, it is the
 * failure of this task, and the next one tries again. All of it is the serving thread's. */

typedef struct
{
  guint64  id;
  GBytes  *bytes; /* (owned) (nullable): NULL until it is mapped */
  int      fd;    /* (owned): of what is not mapped yet, or -1 */
  gsize    size;
} Share;

struct _AiopoolShares
{
  GHashTable          *shares; /* (owned): id to Share */
  AiopoolSegmentCache *cache;  /* (owned): it maps */
};

static void
share_free (gpointer data)
{
  Share *share = data;

  g_clear_pointer (&share->bytes, g_bytes_unref);
  if (share->fd >= 0)
    close (share->fd);
  g_free (share);
}

AiopoolShares *
aiopool_shares_new (void)
{
  AiopoolShares *self = g_new0 (AiopoolShares, 1);

  self->shares = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, share_free);
  self->cache = aiopool_segment_cache_new (NULL, NULL);
  return self;
}

void
aiopool_shares_free (AiopoolShares *self)
{
  g_hash_table_unref (self->shares);
  aiopool_segment_cache_close (self->cache);
  g_free (self);
}

/* @fds: (transfer full) (nullable): that of the memory, if it comes in such. FALSE for what the
 * parent may not send. */
gboolean
aiopool_shares_add (AiopoolShares             *self,
                    guint64                    id,
                    const AiopoolValueMessage *message,
                    GUnixFDList               *fds)
{
  g_autofree int *array = NULL;
  Share *share;

  if (g_hash_table_size (self->shares) >= AIOPOOL_MAX_SHARED || aiopool_shares_has (self, id))
    {
      g_clear_object (&fds);
      return FALSE;
    }
  share = g_new0 (Share, 1);
  share->id = id;
  share->fd = -1;
  share->size = message->view.size;
  if (fds != NULL)
    {
      array = g_unix_fd_list_steal_fds (fds, NULL);
      share->fd = array[0];
      g_object_unref (fds);
    }
  else
    share->bytes = g_bytes_new (message->view.data, message->view.size);
  g_hash_table_insert (self->shares, &share->id, share);
  return TRUE;
}

/* FALSE if there is none. */
gboolean
aiopool_shares_remove (AiopoolShares *self,
                       guint64        id)
{
  return g_hash_table_remove (self->shares, &id);
}

gboolean
aiopool_shares_has (AiopoolShares *self,
                    guint64        id)
{
  return g_hash_table_contains (self->shares, &id);
}

static gboolean
map (AiopoolShares  *self,
     Share          *share,
     GError        **error)
{
  int fd = fcntl (share->fd, F_DUPFD_CLOEXEC, 3);
  GError *local = NULL;

  if (fd < 0)
    {
      int saved_errno = errno;

      g_set_error (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_DECODE,
                   "Cannot map shared data of %zu bytes: %s", share->size,
                   g_strerror (saved_errno));
      return FALSE;
    }
  share->bytes = aiopool_segment_cache_open (self->cache, 0, share->size, fd, &local);
  if (share->bytes == NULL)
    {
      if (local->domain == AIOPOOL_TASK_ERROR)
        local->code = AIOPOOL_TASK_ERROR_DECODE;
      g_propagate_error (error, local);
      return FALSE;
    }
  close (share->fd);
  share->fd = -1;
  return TRUE;
}

/* @bytes (out) (transfer full) (nullable): what @id names, which there is; NULL for 0. */
gboolean
aiopool_shares_read (AiopoolShares  *self,
                     guint64         id,
                     GBytes        **bytes,
                     GError        **error)
{
  Share *share;

  *bytes = NULL;
  if (id == 0)
    return TRUE;
  share = g_hash_table_lookup (self->shares, &id);
  if (share->bytes == NULL && !map (self, share, error))
    return FALSE;
  *bytes = g_bytes_ref (share->bytes);
  return TRUE;
}
