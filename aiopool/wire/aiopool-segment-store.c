/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/wire/aiopool-segment-private.h"

#include "aiopool/base/aiopool-error.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

/* The sender's side of large values: memfds that it made, fills and owns.
 *
 * Between trusted ends a segment is used again when the other side has released it, which saves
 * the page faults that make a fresh one several times slower than memcpy. It is sealed against
 * shrinking, so that nobody can pull it from under a reader. Otherwise each value gets a memfd of
 * its own that is sealed against everything once it is filled; so does a value between trusted ends
 * when many segments are in use, since each costs both sides a mapping and this one a descriptor.
 *
 * Threads: the lock guards all of it; a segment in use is its user's alone. */

#define MAX_FREE       4                             /* segments kept for reuse */
#define MAX_FREE_BYTES ((gsize) 512 * 1024 * 1024)
#define MAX_SHARED     64

struct _AiopoolSegmentStore
{
  GMutex     lock;
  gboolean   reuses;
  GPtrArray *segments;  /* (owned) of AiopoolSegment; least recently released first */
  GArray    *forgotten; /* (owned) (nullable): ids the other side knows and should forget */
  guint64    last_id;
};

static void
segment_free (gpointer data)
{
  AiopoolSegment *segment = data;

  if (segment->data != NULL)
    munmap (segment->data, segment->capacity);
  if (segment->fd >= 0)
    close (segment->fd);
  g_free (segment);
}

AiopoolSegmentStore *
aiopool_segment_store_new (gboolean reuses)
{
  AiopoolSegmentStore *self = g_new0 (AiopoolSegmentStore, 1);

  g_mutex_init (&self->lock);
  self->reuses = reuses;
  self->segments = g_ptr_array_new_with_free_func (segment_free);
  return self;
}

void
aiopool_segment_store_free (AiopoolSegmentStore *self)
{
  g_ptr_array_unref (self->segments);
  g_clear_pointer (&self->forgotten, g_array_unref);
  g_mutex_clear (&self->lock);
  g_free (self);
}

static void
set_system_error (GError    **error,
                  const char *what,
                  gsize       size)
{
  int saved_errno = errno;

  g_set_error (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_ENCODE,
               "Cannot %s shared memory of %zu bytes for a large value: %s", what, size,
               g_strerror (saved_errno));
}

/* Growing a file over the limit would raise SIGXFSZ, which kills: look first. */
static gboolean
check_size_limit (gsize    size,
                  GError **error)
{
  struct rlimit limit;

  if (getrlimit (RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY ||
      size <= limit.rlim_cur)
    return TRUE;
  g_set_error (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_ENCODE,
               "A value of %zu bytes needs shared memory over the file size limit (RLIMIT_FSIZE) "
               "of %" G_GUINT64_FORMAT " bytes", size, (guint64) limit.rlim_cur);
  return FALSE;
}

static AiopoolSegment *
segment_new (gsize    size,
             GError **error)
{
  AiopoolSegment *segment;
  gpointer data;

  if (!check_size_limit (size, error))
    return NULL;
  segment = g_new0 (AiopoolSegment, 1);
  segment->capacity = size;
  segment->fd = memfd_create ("aiopool-segment", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (segment->fd < 0 || ftruncate (segment->fd, (off_t) size) != 0)
    {
      set_system_error (error, "make", size);
      segment_free (segment);
      return NULL;
    }
  data = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, segment->fd, 0);
  if (data == MAP_FAILED)
    {
      set_system_error (error, "map", size);
      segment_free (segment);
      return NULL;
    }
  segment->data = data;
  return segment;
}

/* The smallest free segment that is large enough and not absurdly so. */
static AiopoolSegment *
find_free (AiopoolSegmentStore *self,
           gsize                size)
{
  AiopoolSegment *best = NULL;

  for (guint i = 0; i < self->segments->len; i++)
    {
      AiopoolSegment *segment = g_ptr_array_index (self->segments, i);

      if (!segment->in_use && segment->capacity >= size && segment->capacity / 8 <= size &&
          (best == NULL || segment->capacity < best->capacity))
        best = segment;
    }
  return best;
}

static gsize
round_up (gsize size)
{
  gsize page = 64 * 1024;

  return (size + page - 1) / page * page;
}

static void
forget (AiopoolSegmentStore *self,
        AiopoolSegment      *segment)
{
  if (segment->is_known)
    {
      if (self->forgotten == NULL)
        self->forgotten = g_array_new (FALSE, FALSE, sizeof (guint64));
      g_array_append_val (self->forgotten, segment->id);
    }
  g_ptr_array_remove (self->segments, segment);
}

/* Keeps at most @max_free segments of @max_bytes that nobody uses, the most recent ones. */
static void
limit_free (AiopoolSegmentStore *self,
            guint                max_free,
            gsize                max_bytes)
{
  guint n_free = 0;
  gsize n_bytes = 0;

  for (guint i = self->segments->len; i > 0; i--)
    {
      AiopoolSegment *segment = g_ptr_array_index (self->segments, i - 1);

      if (segment->in_use)
        continue;
      n_free++;
      n_bytes += segment->capacity;
      if (n_free > max_free || n_bytes > max_bytes)
        forget (self, segment);
    }
}

static AiopoolSegment *
take_free (AiopoolSegmentStore *self,
           gsize                size)
{
  AiopoolSegment *segment = find_free (self, size);

  if (segment != NULL)
    segment->in_use = TRUE;
  else if (self->segments->len >= MAX_SHARED)
    limit_free (self, 0, 0);
  return segment;
}

/* Returns: (transfer none): until it is released, or discarded. Its id tells whether it is shared
 * (a SEGMENT) or of one use (a MEMFD). */
AiopoolSegment *
aiopool_segment_store_acquire (AiopoolSegmentStore *self,
                               gsize                size,
                               GError             **error)
{
  AiopoolSegment *segment;
  gboolean is_shared;

  g_mutex_lock (&self->lock);
  segment = self->reuses ? take_free (self, size) : NULL;
  is_shared = self->reuses && self->segments->len < MAX_SHARED;
  g_mutex_unlock (&self->lock);
  if (segment != NULL)
    return segment;

  segment = segment_new (is_shared ? round_up (size) : MAX (size, 1), error);
  if (segment == NULL)
    return NULL;
  g_mutex_lock (&self->lock);
  segment->in_use = TRUE;
  if (is_shared)
    segment->id = ++self->last_id;
  g_ptr_array_add (self->segments, segment);
  g_mutex_unlock (&self->lock);
  return segment;
}

/* The segment in use whose memory begins at @data. */
AiopoolSegment *
aiopool_segment_store_find (AiopoolSegmentStore *self,
                            gconstpointer        data)
{
  AiopoolSegment *found = NULL;

  g_mutex_lock (&self->lock);
  for (guint i = 0; i < self->segments->len && found == NULL; i++)
    {
      AiopoolSegment *segment = g_ptr_array_index (self->segments, i);

      if (segment->in_use && segment->data == data)
        found = segment;
    }
  g_mutex_unlock (&self->lock);
  return found;
}

/* Seals a filled segment of one use; it must be mapped nowhere for writing. */
static gboolean
seal (AiopoolSegment  *segment,
      gsize            size,
      GError         **error)
{
  munmap (segment->data, segment->capacity);
  segment->data = NULL;
  if ((size == segment->capacity || ftruncate (segment->fd, (off_t) size) == 0) &&
      fcntl (segment->fd, F_ADD_SEALS,
             F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == 0)
    return TRUE;
  set_system_error (error, "seal", size);
  return FALSE;
}

static gboolean
seal_first_use (AiopoolSegment  *segment,
                GError         **error)
{
  if (fcntl (segment->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
    return TRUE;
  set_system_error (error, "seal", segment->capacity);
  return FALSE;
}

/* @segment is filled with @size bytes. @fd (out): to be sent along, or -1 when the other side has
 * it; owned by the caller. A segment of one use is gone after this. */
gboolean
aiopool_segment_store_finish (AiopoolSegmentStore  *self,
                              AiopoolSegment       *segment,
                              gsize                 size,
                              int                  *fd,
                              GError              **error)
{
  gboolean is_shared = segment->id != 0;
  gboolean ok;

  *fd = -1;
  if (segment->is_known)
    return TRUE;
  ok = is_shared ? seal_first_use (segment, error) : seal (segment, size, error);
  if (ok)
    *fd = fcntl (segment->fd, F_DUPFD_CLOEXEC, 3);
  if (ok && *fd < 0)
    {
      set_system_error (error, "hand over", size);
      ok = FALSE;
    }
  if (!ok || !is_shared)
    aiopool_segment_store_discard (self, segment);
  else
    {
      g_mutex_lock (&self->lock);
      segment->is_known = TRUE;
      g_mutex_unlock (&self->lock);
    }
  return ok;
}

void
aiopool_segment_store_discard (AiopoolSegmentStore *self,
                               AiopoolSegment      *segment)
{
  g_mutex_lock (&self->lock);
  forget (self, segment);
  g_mutex_unlock (&self->lock);
}

/* The other side does not look at segment @id any more; unknown ids are ignored. */
void
aiopool_segment_store_release (AiopoolSegmentStore *self,
                               guint64              id)
{
  g_mutex_lock (&self->lock);
  for (guint i = 0; i < self->segments->len; i++)
    {
      AiopoolSegment *segment = g_ptr_array_index (self->segments, i);

      if (segment->id != id || !segment->in_use || !segment->is_known)
        continue;
      segment->in_use = FALSE;
      g_ptr_array_steal_index (self->segments, i);
      g_ptr_array_add (self->segments, segment);
      limit_free (self, MAX_FREE, MAX_FREE_BYTES);
      break;
    }
  g_mutex_unlock (&self->lock);
}

/* Gives up every segment that nobody uses. */
void
aiopool_segment_store_trim (AiopoolSegmentStore *self)
{
  g_mutex_lock (&self->lock);
  limit_free (self, 0, 0);
  g_mutex_unlock (&self->lock);
}

gboolean
aiopool_segment_store_is_empty (AiopoolSegmentStore *self)
{
  gboolean result;

  g_mutex_lock (&self->lock);
  result = self->segments->len == 0;
  g_mutex_unlock (&self->lock);
  return result;
}

/* (transfer full) (nullable): of guint64, to be told to the other side. */
GArray *
aiopool_segment_store_take_forgotten (AiopoolSegmentStore *self)
{
  GArray *forgotten;

  g_mutex_lock (&self->lock);
  forgotten = g_steal_pointer (&self->forgotten);
  g_mutex_unlock (&self->lock);
  return forgotten;
}
