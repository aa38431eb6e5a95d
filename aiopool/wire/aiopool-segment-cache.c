/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/wire/aiopool-segment-private.h"

#include "aiopool/base/aiopool-error.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The receiver's side of large values: mappings of memfds that the other side made.
 *
 * A segment with an id is mapped once and kept until the sender forgets it; one without is for a
 * single value. Nothing is mapped that could shrink; a single one must be sealed against writing
 * too. Values are GBytes over the mapping; when the last reference goes, in whatever thread, the
 * sender is told.
 *
 * Threads: the lock guards the table and the release function; GBytes may outlive the cache. */

#define MAX_SEGMENTS 256 /* more than a store has: what it forgot may still be on its way */

struct _AiopoolSegmentCache
{
  int                       ref_count; /* atomic */
  GMutex                    lock;
  AiopoolSegmentReleaseFunc release;  /* (nullable): NULL once closed */
  gpointer                  owner;    /* (unowned: closes this first) */
  GHashTable               *mappings; /* (owned): id to Mapping */
};

typedef struct
{
  int                  ref_count; /* atomic */
  guint64              id;
  guint8              *data; /* (owned): a mapping */
  gsize                size;
  AiopoolSegmentCache *cache; /* (owned) (nullable): NULL for a single one */
} Mapping;

static void
cache_unref (AiopoolSegmentCache *self)
{
  if (!g_atomic_int_dec_and_test (&self->ref_count))
    return;
  g_mutex_clear (&self->lock);
  g_free (self);
}

static Mapping *
mapping_ref (Mapping *mapping)
{
  g_atomic_int_inc (&mapping->ref_count);
  return mapping;
}

static void
mapping_unref (gpointer data)
{
  Mapping *mapping = data;

  if (!g_atomic_int_dec_and_test (&mapping->ref_count))
    return;
  if (mapping->data != NULL)
    munmap (mapping->data, mapping->size);
  if (mapping->cache != NULL)
    cache_unref (mapping->cache);
  g_free (mapping);
}

AiopoolSegmentCache *
aiopool_segment_cache_new (AiopoolSegmentReleaseFunc release,
                           gpointer                  owner)
{
  AiopoolSegmentCache *self = g_new0 (AiopoolSegmentCache, 1);

  self->ref_count = 1;
  g_mutex_init (&self->lock);
  self->release = release;
  self->owner = owner;
  self->mappings = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, mapping_unref);
  return self;
}

/* The owner is not called any more; values go on to be readable. */
void
aiopool_segment_cache_close (AiopoolSegmentCache *self)
{
  g_autoptr (GHashTable) mappings = NULL;

  g_mutex_lock (&self->lock);
  self->release = NULL;
  mappings = g_steal_pointer (&self->mappings);
  g_mutex_unlock (&self->lock);
  g_clear_pointer (&mappings, g_hash_table_unref);
  cache_unref (self);
}

static void
on_value_unused (gpointer data)
{
  Mapping *mapping = data;
  AiopoolSegmentCache *cache = mapping->cache;

  if (cache != NULL)
    {
      g_mutex_lock (&cache->lock);
      if (cache->release != NULL)
        cache->release (cache->owner, mapping->id);
      g_mutex_unlock (&cache->lock);
    }
  mapping_unref (mapping);
}

static gboolean
check_fd (int      fd,
          int      seals_needed,
          gsize   *size,
          GError **error)
{
  struct stat info;
  int seals = fcntl (fd, F_GET_SEALS);

  if (seals < 0 || (seals & seals_needed) != seals_needed || fstat (fd, &info) != 0 ||
      !S_ISREG (info.st_mode))
    {
      g_set_error_literal (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_PROTOCOL,
                           "A descriptor for a large value is no sealed shared memory");
      return FALSE;
    }
  *size = (gsize) info.st_size;
  return TRUE;
}

/* To be written to by whoever gets the value, since some languages have no others. What is sealed
 * is so in pages of its own; what is not is nobody else's until it is given back. */
static gpointer
map (guint64 id,
     int     fd,
     gsize   size)
{
  int kind = id != 0 ? MAP_SHARED : MAP_PRIVATE | MAP_NORESERVE;

  return mmap (NULL, size, PROT_READ | PROT_WRITE, kind, fd, 0);
}

static Mapping *
mapping_new (guint64   id,
             int       fd,
             int       seals_needed,
             GError  **error)
{
  Mapping *mapping;
  gpointer data;
  gsize size;

  if (!check_fd (fd, seals_needed, &size, error))
    return NULL;
  data = size > 0 ? map (id, fd, size) : NULL;
  if (data == MAP_FAILED)
    {
      int saved_errno = errno;

      g_set_error (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_DECODE,
                   "Cannot map a value of %zu bytes: %s", size, g_strerror (saved_errno));
      return NULL;
    }
  mapping = g_new0 (Mapping, 1);
  mapping->ref_count = 1;
  mapping->id = id;
  mapping->data = data;
  mapping->size = size;
  return mapping;
}

static gboolean
learn (AiopoolSegmentCache  *self,
       guint64               id,
       int                   fd,
       GError              **error)
{
  Mapping *mapping = mapping_new (id, fd, F_SEAL_SHRINK, error);

  if (mapping == NULL)
    return FALSE;
  g_atomic_int_inc (&self->ref_count);
  mapping->cache = self;
  g_hash_table_replace (self->mappings, &mapping->id, mapping);
  return TRUE;
}

static Mapping *
look_up (AiopoolSegmentCache  *self,
         guint64               id,
         int                   fd,
         GError              **error)
{
  Mapping *mapping;

  if (fd >= 0 && g_hash_table_size (self->mappings) >= MAX_SEGMENTS &&
      !g_hash_table_contains (self->mappings, &id))
    {
      g_set_error (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_PROTOCOL,
                   "More than %d shared segments", MAX_SEGMENTS);
      return NULL;
    }
  if (fd >= 0 && !learn (self, id, fd, error))
    return NULL;
  mapping = g_hash_table_lookup (self->mappings, &id);
  if (mapping == NULL)
    g_set_error (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_PROTOCOL,
                 "A value in shared segment %" G_GUINT64_FORMAT ", which nobody sent", id);
  return mapping != NULL ? mapping_ref (mapping) : NULL;
}

/* @id: 0 for a single one, which then has @fd. @fd: (transfer full): or -1. */
GBytes *
aiopool_segment_cache_open (AiopoolSegmentCache  *self,
                            guint64               id,
                            gsize                 size,
                            int                   fd,
                            GError              **error)
{
  Mapping *mapping = NULL;

  if (id != 0)
    {
      g_mutex_lock (&self->lock);
      mapping = look_up (self, id, fd, error);
      g_mutex_unlock (&self->lock);
    }
  else if (fd >= 0)
    mapping = mapping_new (0, fd, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE, error);
  else
    g_set_error_literal (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_PROTOCOL,
                         "A large value came without its descriptor");
  if (fd >= 0)
    close (fd);
  if (mapping != NULL && size > mapping->size)
    {
      g_set_error (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_PROTOCOL,
                   "A value of %zu bytes in shared memory of %zu", size, mapping->size);
      g_clear_pointer (&mapping, mapping_unref);
    }
  if (mapping == NULL)
    return NULL;
  return g_bytes_new_with_free_func (mapping->data, size, on_value_unused, mapping);
}

void
aiopool_segment_cache_forget (AiopoolSegmentCache *self,
                              guint64              id)
{
  g_mutex_lock (&self->lock);
  g_hash_table_remove (self->mappings, &id);
  g_mutex_unlock (&self->lock);
}

gboolean
aiopool_segment_cache_is_empty (AiopoolSegmentCache *self)
{
  gboolean result;

  g_mutex_lock (&self->lock);
  result = g_hash_table_size (self->mappings) == 0;
  g_mutex_unlock (&self->lock);
  return result;
}
