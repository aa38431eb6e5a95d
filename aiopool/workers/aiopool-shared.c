/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/workers/aiopool-shared-private.h"

#include "aiopool/base/aiopool-engine-private.h"
#include "aiopool/base/aiopool-mailbox-private.h"
#include "aiopool/wire/aiopool-segment-private.h"

#include <string.h>
#include <unistd.h>

/* Bytes that many tasks have in common, which each worker gets once.
 *
 * What does not go in the stream is copied into sealed memory, once for all workers of all pools,
 * whose descriptor each of them gets: so they share the pages, and a second worker costs no copy.
 * Large ones are copied by the engine, in slices.
 *
 * So many descriptors are kept, of those that were used last, for a program may have more of such
 * data than it may have descriptors. Who needs another one copies it once more.
 *
 * The bytes are somebody else's and go with the last owner: where that disowns them, or, if that is
 * on the engine thread, in the context where they came to be. Who has told workers hears then that
 * they need not keep them.
 *
 * Threads: anybody's; what is copied in slices is the engine's, the lock guards tellers, and one
 * lock for all guards the descriptors. */

#define MAX_KEPT 64 /* descriptors */

struct _AiopoolShared
{
  AiopoolLetter        letter;    /* first */
  int                  ref_count; /* atomic */
  int                  n_owners;  /* atomic */
  GBytes              *bytes;     /* (owned): while it is owned */
  gsize                size;      /* of them */
  AiopoolMailbox      *home;      /* (owned) */
  GUnixFDList         *fds;       /* (owned) (nullable): the memory, once it is there; guarded by
                                   * kept_lock */
  GList                kept_link; /* in kept, while there is fds */
  AiopoolSegmentStore *store;     /* (owned): of what becomes that */
  AiopoolSegment      *segment;   /* (unowned: the store) (nullable): while it is being filled */
  gsize                n_copied;
  GMutex               lock;      /* guards tellers */
  GPtrArray           *tellers;   /* (unowned: outbounds) of AiopoolSharedTeller */
};

static int n_deaths; /* atomic */

static GMutex kept_lock;
static GQueue kept = G_QUEUE_INIT; /* (unowned: until their last reference): the newest first */

AiopoolShared *
aiopool_shared_new (GBytes *bytes)
{
  AiopoolShared *self = g_new0 (AiopoolShared, 1);

  self->ref_count = 1;
  self->n_owners = 1;
  self->bytes = g_bytes_ref (bytes);
  self->size = g_bytes_get_size (bytes);
  self->home = aiopool_mailbox_ref (aiopool_mailbox_get_home ());
  self->store = aiopool_segment_store_new (FALSE);
  self->kept_link.data = self;
  self->tellers = g_ptr_array_new ();
  g_mutex_init (&self->lock);
  return self;
}

AiopoolShared *
aiopool_shared_ref (AiopoolShared *self)
{
  g_atomic_int_inc (&self->ref_count);
  return self;
}

/* Under the lock; there are some. Gives what to drop without it. */
static GUnixFDList *
steal_fds (AiopoolShared *self)
{
  g_queue_unlink (&kept, &self->kept_link);
  return g_steal_pointer (&self->fds);
}

static void
drop_fds (AiopoolShared *self)
{
  g_autoptr (GUnixFDList) fds = NULL;

  if (aiopool_engine_is_forked ()) /* nobody may ever give back the lock there */
    return;
  g_mutex_lock (&kept_lock);
  if (self->fds != NULL)
    fds = steal_fds (self);
  g_mutex_unlock (&kept_lock);
}

void
aiopool_shared_unref (AiopoolShared *self)
{
  if (!g_atomic_int_dec_and_test (&self->ref_count))
    return;
  g_assert (self->tellers->len == 0 && self->bytes == NULL);
  drop_fds (self);
  aiopool_segment_store_free (self->store);
  aiopool_mailbox_unref (self->home);
  g_ptr_array_unref (self->tellers);
  g_mutex_clear (&self->lock);
  g_free (self);
}

/* For who owns it, or knows that somebody does. */
AiopoolShared *
aiopool_shared_own (AiopoolShared *self)
{
  g_atomic_int_inc (&self->n_owners);
  return aiopool_shared_ref (self);
}

static gboolean
has_tellers (AiopoolShared *self)
{
  gboolean result;

  g_mutex_lock (&self->lock);
  result = self->tellers->len > 0;
  g_mutex_unlock (&self->lock);
  return result;
}

static gboolean
has_memory (AiopoolShared *self)
{
  g_autoptr (GUnixFDList) fds = aiopool_shared_dup_fds (self);

  return fds != NULL || !aiopool_segment_store_is_empty (self->store);
}

/* On the engine thread. Takes the reference, which may be the last one: to give much memory back
 * takes long. */
static void
on_dead (gpointer data)
{
  AiopoolShared *self = data;
  g_autoptr (GPtrArray) tellers = NULL;

  g_mutex_lock (&self->lock);
  tellers = g_ptr_array_copy (self->tellers, NULL, NULL);
  g_mutex_unlock (&self->lock);
  for (guint i = 0; i < tellers->len; i++)
    {
      AiopoolSharedTeller *teller = g_ptr_array_index (tellers, i);

      if (teller->died != NULL)
        teller->died (teller->owner);
    }
  aiopool_shared_unref (self);
}

/* Takes the reference. */
static void
drop_bytes (AiopoolLetter *letter)
{
  AiopoolShared *self = (AiopoolShared *) letter;

  g_clear_pointer (&self->bytes, g_bytes_unref);
  if (!aiopool_engine_is_forked () && (has_tellers (self) || has_memory (self)))
    aiopool_engine_post (on_dead, self);
  else
    aiopool_shared_unref (self);
}

static gboolean
drops_only (AiopoolLetter *letter)
{
  return TRUE;
}

static const AiopoolLetterKind last_kind = { drop_bytes, drops_only, FALSE };

/* Where user code may run, or on the engine thread. */
void
aiopool_shared_disown (AiopoolShared *self)
{
  if (!g_atomic_int_dec_and_test (&self->n_owners))
    {
      aiopool_shared_unref (self);
      return;
    }
  g_atomic_int_inc (&n_deaths);
  self->letter.kind = &last_kind;
  if (!aiopool_engine_is_current ())
    {
      drop_bytes (&self->letter);
      return;
    }
  on_dead (aiopool_shared_ref (self));
  aiopool_mailbox_post (self->home, &self->letter);
}

/* (transfer none): for an owner. */
GBytes *
aiopool_shared_get_bytes (AiopoolShared *self)
{
  return self->bytes;
}

gsize
aiopool_shared_get_size (AiopoolShared *self)
{
  return self->size;
}

gboolean
aiopool_shared_is_dead (AiopoolShared *self)
{
  return g_atomic_int_get (&self->n_owners) == 0;
}

/* Of all there were: when it changes it is time to look which. */
guint
aiopool_shared_get_n_deaths (void)
{
  return (guint) g_atomic_int_get (&n_deaths);
}

/* Replaces @fds by those of another thread that was first. Returns what to drop without the lock:
 * these, or those that were used longest ago. */
static GUnixFDList *
keep_fds (AiopoolShared  *self,
          GUnixFDList   **fds)
{
  GUnixFDList *surplus = NULL;

  g_mutex_lock (&kept_lock);
  if (self->fds == NULL)
    {
      self->fds = g_object_ref (*fds);
      g_queue_push_head_link (&kept, &self->kept_link);
      surplus = kept.length > MAX_KEPT ? steal_fds (kept.tail->data) : NULL;
    }
  else
    {
      surplus = *fds;
      *fds = g_object_ref (self->fds);
    }
  g_mutex_unlock (&kept_lock);
  return surplus;
}

/* Takes a filled segment. Two threads may come with one each. */
static gboolean
seal (AiopoolShared   *self,
      AiopoolSegment  *segment,
      GUnixFDList    **fds,
      GError         **error)
{
  g_autoptr (GUnixFDList) surplus = NULL;
  int fd;

  if (!aiopool_segment_store_finish (self->store, segment, self->size, &fd, error))
    return FALSE;
  *fds = g_unix_fd_list_new_from_array (&fd, 1);
  surplus = keep_fds (self, fds);
  return TRUE;
}

static AiopoolSharedState
copy_whole (AiopoolShared  *self,
            GUnixFDList   **fds,
            GError        **error)
{
  AiopoolSegment *segment = aiopool_segment_store_acquire (self->store, self->size, error);

  if (segment == NULL)
    return AIOPOOL_SHARED_FAILED;
  memcpy (segment->data, g_bytes_get_data (self->bytes, NULL), self->size);
  return seal (self, segment, fds, error) ? AIOPOOL_SHARED_READY : AIOPOOL_SHARED_FAILED;
}

static AiopoolSharedState
copy_slice (AiopoolShared  *self,
            GUnixFDList   **fds,
            GError        **error)
{
  gsize n = MIN (self->size - self->n_copied, AIOPOOL_COPY_SLICE);
  AiopoolSegment *segment = self->segment;

  if (segment == NULL)
    segment = self->segment = aiopool_segment_store_acquire (self->store, self->size, error);
  if (segment == NULL)
    return AIOPOOL_SHARED_FAILED;
  memcpy (segment->data + self->n_copied,
          (const guint8 *) g_bytes_get_data (self->bytes, NULL) + self->n_copied, n);
  self->n_copied += n;
  if (self->n_copied < self->size)
    return AIOPOOL_SHARED_ENGINE;
  self->segment = NULL;
  self->n_copied = 0;
  return seal (self, segment, fds, error) ? AIOPOOL_SHARED_READY : AIOPOOL_SHARED_FAILED;
}

/* Sees to it that there is memory with the bytes, or copies a slice of what is missing. For who
 * knows that it is owned meanwhile. After a failure the next one may try again. @fds: (out)
 * (transfer full): its descriptor, if it is ready, else NULL. */
AiopoolSharedState
aiopool_shared_prepare (AiopoolShared  *self,
                        GUnixFDList   **fds,
                        GError        **error)
{
  *fds = aiopool_shared_dup_fds (self);
  if (*fds != NULL)
    return AIOPOOL_SHARED_READY;
  if (self->size <= AIOPOOL_MAX_CALLER_COPY)
    return copy_whole (self, fds, error);
  return aiopool_engine_is_current () ? copy_slice (self, fds, error) : AIOPOOL_SHARED_ENGINE;
}

/* (transfer full) (nullable): the descriptor of the memory, once that is ready, and while it is. */
GUnixFDList *
aiopool_shared_dup_fds (AiopoolShared *self)
{
  GUnixFDList *fds = NULL;

  g_mutex_lock (&kept_lock);
  if (self->fds != NULL)
    {
      fds = g_object_ref (self->fds);
      g_queue_unlink (&kept, &self->kept_link);
      g_queue_push_head_link (&kept, &self->kept_link);
    }
  g_mutex_unlock (&kept_lock);
  return fds;
}

void
aiopool_shared_add_teller (AiopoolShared       *self,
                           AiopoolSharedTeller *teller)
{
  g_mutex_lock (&self->lock);
  g_ptr_array_add (self->tellers, teller);
  g_mutex_unlock (&self->lock);
}

void
aiopool_shared_remove_teller (AiopoolShared       *self,
                              AiopoolSharedTeller *teller)
{
  g_mutex_lock (&self->lock);
  g_ptr_array_remove_fast (self->tellers, teller);
  g_mutex_unlock (&self->lock);
}
