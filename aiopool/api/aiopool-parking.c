/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/api/aiopool-parking-private.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Threads that block park in a few slots that all addresses share: what they wait for needs no
 * condition of its own, and what a waiter sleeps on outlives it.
 *
 * Who wakes changes the state first and then takes the slot's lock; who waits looks at the state
 * after it took the lock or entered. So one of them sees the other. */

#define N_SLOTS 64

typedef struct
{
  GMutex         lock;
  GCond          woken;
  guint          n_sleeping; /* under the lock, as the next */
  AiopoolParked *parked;     /* those that are kicked */
} Slot;

static Slot slots[N_SLOTS];

static void close_kick (gpointer data);

static GPrivate kick = G_PRIVATE_INIT (close_kick); /* the thread's eventfd, plus 1 */

static void
close_kick (gpointer data)
{
  close (GPOINTER_TO_INT (data) - 1);
}

/* -1 if there is none to be had. */
static int
get_kick (void)
{
  int fd = GPOINTER_TO_INT (g_private_get (&kick)) - 1;

  if (fd < 0)
    {
      fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
      g_private_set (&kick, GINT_TO_POINTER (fd + 1));
    }
  return fd;
}

static Slot *
slot_of (gconstpointer address)
{
  gsize number = (gsize) address;

  return &slots[(number >> 4 ^ number >> 10) % N_SLOTS];
}

/* Sleeps until @is_enough. @end: monotonic microseconds, -1 for never. */
void
aiopool_parking_sleep (gconstpointer       address,
                       AiopoolParkingFunc  is_enough,
                       gpointer            data,
                       gint64              end)
{
  Slot *slot = slot_of (address);
  gboolean in_time = TRUE;

  g_mutex_lock (&slot->lock);
  slot->n_sleeping++;
  while (in_time && !is_enough (data))
    {
      if (end < 0)
        g_cond_wait (&slot->woken, &slot->lock);
      else
        in_time = g_cond_wait_until (&slot->woken, &slot->lock, end);
    }
  slot->n_sleeping--;
  g_mutex_unlock (&slot->lock);
}

/* From now on the calling thread is kicked at its eventfd. FALSE if it can have none. */
gboolean
aiopool_parking_enter (gconstpointer  address,
                       AiopoolParked *parked)
{
  Slot *slot = slot_of (address);

  parked->kick_fd = get_kick ();
  if (parked->kick_fd < 0)
    return FALSE;
  parked->thread = g_thread_self ();
  g_mutex_lock (&slot->lock);
  parked->next = slot->parked;
  slot->parked = parked;
  g_mutex_unlock (&slot->lock);
  return TRUE;
}

void
aiopool_parking_leave (gconstpointer  address,
                       AiopoolParked *parked)
{
  Slot *slot = slot_of (address);
  AiopoolParked **link = &slot->parked;

  g_mutex_lock (&slot->lock);
  while (*link != parked)
    link = &(*link)->next;
  *link = parked->next;
  g_mutex_unlock (&slot->lock);
}

static void
kick_others (Slot *slot)
{
  static const guint64 one = 1;

  for (AiopoolParked *parked = slot->parked; parked != NULL; parked = parked->next)
    {
      if (parked->thread != g_thread_self () &&
          write (parked->kick_fd, &one, sizeof one) < 0 && errno != EAGAIN)
        g_critical ("Cannot wake a thread: %s", g_strerror (errno));
    }
}

/* Wakes all that wait at @address, but not the calling thread. */
void
aiopool_parking_wake (gconstpointer address)
{
  Slot *slot = slot_of (address);
  guint n_sleeping;

  g_mutex_lock (&slot->lock);
  n_sleeping = slot->n_sleeping;
  kick_others (slot);
  g_mutex_unlock (&slot->lock);
  if (n_sleeping > 0) /* without the lock, for which the woken would sleep again */
    g_cond_broadcast (&slot->woken);
}
