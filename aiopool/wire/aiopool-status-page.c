/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/wire/aiopool-status-page-private.h"

#include "aiopool/base/aiopool-error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* One page of memory per worker, shared by the parent and it, that says without a message what
 * becomes of the tasks in flight.
 *
 * A slot is one word, generation and state: the parent writes SENT before it sends the task; the
 * worker makes it STARTED before it runs it; the parent makes it REVOKED to take it back. Both by
 * compare-and-swap on the whole word, so that exactly one of them wins, and so that a frame of an
 * earlier generation is recognised. The parent frees and reuses slots alone.
 *
 * A chunk is one task of many items. The worker takes one after the other by compare-and-swap of
 * next and end, which are one word too; so the parent can take back those from some index on that
 * have not begun, and knows to which of the two each item belongs.
 *
 * Behind the slots lies the worker's outbox: results that it has finished and not yet written to
 * the socket. base and end are offsets in the stream of all that it ever sent: what lies between
 * what the parent received and end is still in the outbox when a worker dies, so that a crash does
 * not take the results of earlier tasks with it.
 *
 * The parent says how much it has written to the socket, so that a worker which has read less knows
 * that there is more without asking the system.
 *
 * The parent makes the page, sizes it and seals its size before the worker gets it (a worker that
 * could truncate it could kill the parent). Everything in it is a claim of the worker. */

#define PAGE_MAGIC 0x41494f50u

typedef struct
{
  _Atomic guint64 word;
  _Atomic gint64  started; /* monotonic microseconds */
  _Atomic guint64 items;   /* of a chunk: the next in the low half, the end in the high one */
  guint64         unused;
} Slot;

typedef struct
{
  guint32         magic;
  guint32         n_slots;
  _Atomic guint64 base; /* stream offset of the first byte of the outbox */
  _Atomic guint64 end;  /* stream offset behind its last complete frame */
  _Atomic guint64 written; /* bytes that the parent has put into the socket */
  guint8          unused[4096 - 32];
  Slot            slots[AIOPOOL_STATUS_N_SLOTS];
  guint8          outbox[AIOPOOL_STATUS_OUTBOX_SIZE];
} Page;

struct _AiopoolStatusPage
{
  Page *page; /* (owned): a mapping */
};

#define WORD(id, state) (((id) & ~(guint64) 0xffff) | (state))

static AiopoolStatusPage *
map_page (int      fd,
          GError **error)
{
  Page *page = mmap (NULL, sizeof (Page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  AiopoolStatusPage *self;

  if (page == MAP_FAILED)
    {
      int saved_errno = errno;

      g_set_error (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_START_FAILED,
                   "Cannot map a status page of %zu bytes: %s", sizeof (Page),
                   g_strerror (saved_errno));
      return NULL;
    }
  self = g_new (AiopoolStatusPage, 1);
  self->page = page;
  return self;
}

/* A file over the size limit would raise SIGXFSZ, which kills: look first. */
static gboolean
check_size_limit (GError **error)
{
  struct rlimit limit;

  if (getrlimit (RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
      limit.rlim_cur < sizeof (Page))
    {
      g_set_error (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_START_FAILED,
                   "The file size limit (RLIMIT_FSIZE) of %" G_GUINT64_FORMAT " bytes is below "
                   "the %zu bytes that a worker needs for its status page",
                   (guint64) limit.rlim_cur, sizeof (Page));
      return FALSE;
    }
  return TRUE;
}

static int
make_sealed_memfd (GError **error)
{
  int fd = memfd_create ("aiopool-status", MFD_CLOEXEC | MFD_ALLOW_SEALING);

  if (fd >= 0 && ftruncate (fd, sizeof (Page)) == 0 &&
      fcntl (fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
    return fd;
  g_set_error (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_START_FAILED,
               "Cannot make a status page: %s", g_strerror (errno));
  if (fd >= 0)
    close (fd);
  return -1;
}

/* For the parent. @fd (out): owned by the caller, to hand to the worker. */
AiopoolStatusPage *
aiopool_status_page_new (int     *fd,
                         GError **error)
{
  AiopoolStatusPage *self;

  *fd = -1;
  if (!check_size_limit (error))
    return NULL;
  *fd = make_sealed_memfd (error);
  if (*fd < 0)
    return NULL;
  self = map_page (*fd, error);
  if (self == NULL)
    {
      close (*fd);
      *fd = -1;
      return NULL;
    }
  self->page->magic = PAGE_MAGIC;
  self->page->n_slots = AIOPOOL_STATUS_N_SLOTS;
  return self;
}

/* For the worker. */
AiopoolStatusPage *
aiopool_status_page_open (int      fd,
                          GError **error)
{
  struct stat info;
  AiopoolStatusPage *self;

  if (fstat (fd, &info) != 0 || info.st_size != sizeof (Page))
    {
      g_set_error (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_NOT_A_WORKER,
                   "Descriptor %d is no status page of this protocol", fd);
      return NULL;
    }
  self = map_page (fd, error);
  if (self != NULL && self->page->magic != PAGE_MAGIC)
    {
      g_set_error (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_NOT_A_WORKER,
                   "Descriptor %d is no status page", fd);
      g_clear_pointer (&self, aiopool_status_page_free);
    }
  return self;
}

void
aiopool_status_page_free (AiopoolStatusPage *self)
{
  munmap (self->page, sizeof (Page));
  g_free (self);
}

static Slot *
slot_of (AiopoolStatusPage *self,
         guint64            id)
{
  g_assert (AIOPOOL_TASK_ID_SLOT (id) < AIOPOOL_STATUS_N_SLOTS);
  return &self->page->slots[AIOPOOL_TASK_ID_SLOT (id)];
}

/* Parent: before the task is sent. */
void
aiopool_status_page_set_sent (AiopoolStatusPage *self,
                              guint64            id)
{
  atomic_store_explicit (&slot_of (self, id)->word, WORD (id, AIOPOOL_SLOT_SENT),
                         memory_order_release);
}

/* Parent: after so many bytes in all have gone into the socket. */
void
aiopool_status_page_set_written (AiopoolStatusPage *self,
                                 guint64            written)
{
  atomic_store_explicit (&self->page->written, written, memory_order_release);
}

/* Worker: how many bytes are in the socket, if it has read @received in all. There may be more. */
guint64
aiopool_status_page_get_unread (AiopoolStatusPage *self,
                                guint64            received)
{
  guint64 written = atomic_load_explicit (&self->page->written, memory_order_acquire);

  return written > received ? written - received : 0;
}

/* Worker: FALSE if the task was taken back. @now: monotonic microseconds. */
gboolean
aiopool_status_page_start (AiopoolStatusPage *self,
                           guint64            id,
                           gint64             now)
{
  Slot *slot = slot_of (self, id);
  guint64 expected = WORD (id, AIOPOOL_SLOT_SENT);

  atomic_store_explicit (&slot->started, now, memory_order_relaxed);
  return atomic_compare_exchange_strong (&slot->word, &expected,
                                         WORD (id, AIOPOOL_SLOT_STARTED));
}

/* Parent: FALSE if the worker has started it. */
gboolean
aiopool_status_page_revoke (AiopoolStatusPage *self,
                            guint64            id)
{
  guint64 expected = WORD (id, AIOPOOL_SLOT_SENT);

  return atomic_compare_exchange_strong (&slot_of (self, id)->word, &expected,
                                         WORD (id, AIOPOOL_SLOT_REVOKED));
}

/* Parent: anything but SENT of this generation counts as started, since it cannot be undone.
 * @since: what the worker claims, to be clamped by the caller. */
gboolean
aiopool_status_page_is_started (AiopoolStatusPage *self,
                                guint64            id,
                                gint64            *since)
{
  Slot *slot = slot_of (self, id);

  if (atomic_load (&slot->word) == WORD (id, AIOPOOL_SLOT_SENT))
    return FALSE;
  *since = atomic_load_explicit (&slot->started, memory_order_relaxed);
  return TRUE;
}

#define ITEMS(next, end) ((guint64) (end) << 32 | (next))
#define NEXT(items)      ((guint32) (items))
#define END(items)       ((guint32) ((items) >> 32))

#define MAX_TRIES 1000 /* of a parent, against a worker that begins items faster than can be */

/* Parent: before set_sent(). */
void
aiopool_status_page_set_items (AiopoolStatusPage *self,
                               guint64            id,
                               guint32            n_items)
{
  atomic_store_explicit (&slot_of (self, id)->items, ITEMS (0, n_items), memory_order_relaxed);
}

/* Worker, for a chunk that it has started: begins the next item. FALSE if there is none, or none
 * that was not taken back. */
gboolean
aiopool_status_page_claim_item (AiopoolStatusPage *self,
                                guint64            id,
                                gint64             now,
                                guint32           *index)
{
  Slot *slot = slot_of (self, id);
  guint64 items = atomic_load_explicit (&slot->items, memory_order_relaxed);

  atomic_store_explicit (&slot->started, now, memory_order_relaxed);
  do
    {
      if (NEXT (items) >= END (items))
        return FALSE;
    }
  while (!atomic_compare_exchange_weak (&slot->items, &items, items + 1));
  *index = NEXT (items);
  return TRUE;
}

/* Parent: takes back the items from @from on that have not begun, of a chunk that has @n_items.
 * Returns how many it has from now on. */
guint32
aiopool_status_page_cut_items (AiopoolStatusPage *self,
                               guint64            id,
                               guint32            from,
                               guint32            n_items)
{
  Slot *slot = slot_of (self, id);
  guint64 items = atomic_load_explicit (&slot->items, memory_order_relaxed);

  for (guint i = 0; i < MAX_TRIES; i++)
    {
      guint32 end = MIN (MAX (NEXT (items), from), n_items);

      if (atomic_compare_exchange_weak (&slot->items, &items, ITEMS (NEXT (items), end)))
        return end;
    }
  return n_items;
}

/* Parent: how many the worker has begun, and when the last of them, which are claims. */
guint32
aiopool_status_page_get_n_begun (AiopoolStatusPage *self,
                                 guint64            id,
                                 gint64            *since)
{
  Slot *slot = slot_of (self, id);
  guint64 items = atomic_load (&slot->items);

  *since = atomic_load_explicit (&slot->started, memory_order_relaxed);
  return NEXT (items);
}

guint8 *
aiopool_status_page_get_outbox (AiopoolStatusPage *self)
{
  return self->page->outbox;
}

/* Worker: everything before @base has been written to the socket, the outbox is empty. */
void
aiopool_status_page_set_base (AiopoolStatusPage *self,
                              guint64            base)
{
  atomic_store_explicit (&self->page->end, base, memory_order_release);
  atomic_store_explicit (&self->page->base, base, memory_order_release);
}

/* Worker: complete frames reach up to @end. */
void
aiopool_status_page_commit (AiopoolStatusPage *self,
                            guint64            end)
{
  atomic_store_explicit (&self->page->end, end, memory_order_release);
}

/* Parent, when the worker is gone: what it finished and did not write. @received: bytes that came
 * through the socket. Returns 0 for anything that does not fit together. */
gsize
aiopool_status_page_get_rest (AiopoolStatusPage  *self,
                              guint64             received,
                              const guint8      **rest)
{
  guint64 base = atomic_load_explicit (&self->page->base, memory_order_acquire);
  guint64 end = atomic_load_explicit (&self->page->end, memory_order_acquire);

  *rest = NULL;
  if (received < base || end <= received || end - base > AIOPOOL_STATUS_OUTBOX_SIZE)
    return 0;
  *rest = self->page->outbox + (received - base);
  return end - received;
}
