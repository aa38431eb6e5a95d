/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/workers/aiopool-intake-private.h"

#include "aiopool/base/aiopool-engine-private.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Who reads what a worker sends.
 *
 * Mostly the engine, which watches the socket. A thread that blocks until a task has ended may
 * borrow the reading meanwhile: it sleeps on the socket itself, takes in whatever comes, for all
 * tasks of that worker, and is woken by nobody in between. The engine does not watch the socket
 * while it is lent; should it look all the same (the end of a socket is always reported), no harm
 * is done: reading and handing over is under a lock, and who comes second finds nothing. When it is
 * given back the engine may leave it unwatched for a while, if its owner knows that it will be
 * borrowed again.
 *
 * The lock comes before the owner's. */

struct _AiopoolIntake
{
  int                       fd;      /* (unowned: the owner's) */
  AiopoolWatch              watch;
  GMutex                    lock;    /* guards the inbound, and the next */
  AiopoolInbound           *inbound; /* (owned) */
  gboolean                  is_over; /* nothing is handed over any more */
  int                       is_ignoring; /* atomic: what comes is thrown away */
  int                       is_quiet; /* atomic: the other descriptor had nothing when this had */
  gboolean                  is_lent; /* under the owner's lock, as the next ones */
  gboolean                  is_left; /* not lent, and all the same not watched */
  gboolean                  wants_writable;
  gint64                    returned; /* monotonic microseconds: when it was given back last */
  const AiopoolIntakeOwner *owner_class;
  gpointer                  owner;   /* (unowned: frees this) */
};

/* Takes in what is there. FALSE at the end of the stream, or if there is nothing to read for. */
gboolean
aiopool_intake_read (AiopoolIntake  *self,
                     GError        **error)
{
  gboolean is_ignoring = g_atomic_int_get (&self->is_ignoring);
  GError *local = NULL;
  gboolean result;

  g_mutex_lock (&self->lock);
  result = !self->is_over && aiopool_inbound_read (self->inbound, is_ignoring, &local);
  if (local != NULL)
    g_atomic_int_set (&self->is_ignoring, TRUE);
  g_mutex_unlock (&self->lock);
  if (local != NULL)
    g_propagate_error (error, local);
  return result;
}

static void
on_data (AiopoolWatch *watch,
         guint32       events)
{
  AiopoolIntake *self = watch->owner;
  g_autoptr (GError) error = NULL;

  if ((events & EPOLLOUT) != 0)
    self->owner_class->writable (self->owner);
  if ((events & ~(guint32) EPOLLOUT) == 0)
    return;
  if (!aiopool_intake_read (self, &error))
    self->owner_class->hung_up (self->owner);
  if (error != NULL)
    self->owner_class->broken (self->owner, error);
}

/* Takes @inbound. */
AiopoolIntake *
aiopool_intake_new (int                       fd,
                    AiopoolInbound           *inbound,
                    const AiopoolIntakeOwner *owner_class,
                    gpointer                  owner)
{
  AiopoolIntake *self = g_new0 (AiopoolIntake, 1);

  self->fd = fd;
  self->inbound = inbound;
  self->owner_class = owner_class;
  self->owner = owner;
  g_mutex_init (&self->lock);
  aiopool_watch_init (&self->watch, on_data, self);
  return self;
}

/* On the engine thread. */
void
aiopool_intake_free (AiopoolIntake *self)
{
  aiopool_intake_stop (self);
  aiopool_inbound_free (self->inbound);
  g_mutex_clear (&self->lock);
  g_free (self);
}

/* On the engine thread. */
void
aiopool_intake_start (AiopoolIntake *self)
{
  aiopool_watch_add (&self->watch, self->fd, EPOLLIN);
}

/* On the engine thread. */
void
aiopool_intake_stop (AiopoolIntake *self)
{
  aiopool_watch_remove (&self->watch);
}

static void
update_watch (AiopoolIntake *self)
{
  aiopool_watch_set_events (&self->watch, (self->is_lent || self->is_left ? 0 : EPOLLIN) |
                                          (self->wants_writable ? EPOLLOUT : 0));
}

void
aiopool_intake_want_writable (AiopoolIntake *self,
                              gboolean       is_wanted)
{
  self->wants_writable = is_wanted;
  update_watch (self);
}

/* FALSE if somebody has it already. */
gboolean
aiopool_intake_lend (AiopoolIntake *self)
{
  if (self->is_lent)
    return FALSE;
  self->is_lent = TRUE;
  self->is_left = FALSE;
  update_watch (self);
  return TRUE;
}

/* TRUE if nobody watches now: it was given back less than @gap microseconds before. */
gboolean
aiopool_intake_take_back (AiopoolIntake *self,
                          gint64         gap)
{
  gint64 now = g_get_monotonic_time ();

  self->is_lent = FALSE;
  self->is_left = now - self->returned < gap;
  self->returned = now;
  update_watch (self);
  return self->is_left;
}

gboolean
aiopool_intake_is_left (AiopoolIntake *self)
{
  return self->is_left;
}

/* The engine goes on, unless it was given back less than @gap microseconds ago. FALSE if so. */
gboolean
aiopool_intake_watch_again (AiopoolIntake *self,
                            gint64         gap)
{
  if (!self->is_left)
    return TRUE;
  if (gap > 0 && g_get_monotonic_time () - self->returned < gap)
    return FALSE;
  self->is_left = FALSE;
  update_watch (self);
  return TRUE;
}

/* The worker is being ended for a fault. */
void
aiopool_intake_ignore (AiopoolIntake *self)
{
  g_atomic_int_set (&self->is_ignoring, TRUE);
}

static void
clear_kick (int fd)
{
  guint64 count;

  if (read (fd, &count, sizeof count) < 0 && errno != EAGAIN)
    g_debug ("kick: %s", g_strerror (errno));
}

/* For who is handed what was read: whether nothing was in the other descriptor by then. Asked once;
 * what comes later may have come with something. */
gboolean
aiopool_intake_take_quiet (AiopoolIntake *self)
{
  return g_atomic_int_exchange (&self->is_quiet, FALSE);
}

/* For who borrowed it: sleeps until something came, or the eventfd @kick_fd or the time @end
 * (monotonic microseconds, -1 for never) says that it is enough, and takes it in. @other_fd, or -1,
 * is looked at too, after the socket, and told of. FALSE if the engine has to go on. */
gboolean
aiopool_intake_read_for (AiopoolIntake  *self,
                         int             kick_fd,
                         int             other_fd,
                         gint64          end,
                         GError        **error)
{
  struct pollfd fds[3] = {
    { self->fd, POLLIN, 0 }, { kick_fd, POLLIN, 0 }, { other_fd, POLLIN, 0 }
  };
  gint64 left = end >= 0 ? MAX (end - g_get_monotonic_time (), 0) : 0;
  struct timespec timeout = { left / G_USEC_PER_SEC, left % G_USEC_PER_SEC * 1000 };
  GError *local = NULL;
  gboolean result;

  if (g_atomic_int_get (&self->is_ignoring))
    return FALSE;
  if (ppoll (fds, G_N_ELEMENTS (fds), end >= 0 ? &timeout : NULL, NULL) < 0)
    return errno == EINTR;
  if (fds[1].revents != 0)
    clear_kick (kick_fd);
  if (fds[2].revents != 0)
    self->owner_class->other (self->owner);
  if (fds[0].revents == 0)
    return TRUE;
  g_atomic_int_set (&self->is_quiet, fds[2].revents == 0);
  result = aiopool_intake_read (self, &local);
  g_atomic_int_set (&self->is_quiet, FALSE);
  if (local == NULL)
    return result;
  g_propagate_error (error, local);
  return FALSE;
}

/* The worker is gone. What it managed to say is read, from the socket and the @page; not what an
 * offspring that has the socket too may add for ever. Nothing is handed over after this. */
void
aiopool_intake_read_rest (AiopoolIntake      *self,
                          AiopoolStatusPage  *page,
                          GError            **error)
{
  gboolean is_ignoring = g_atomic_int_get (&self->is_ignoring);
  int n_waiting = 0;
  GError *local = NULL;
  const guint8 *rest;
  guint64 end;
  gsize size;

  aiopool_intake_stop (self);
  g_mutex_lock (&self->lock);
  end = aiopool_inbound_get_total (self->inbound);
  if (ioctl (self->fd, FIONREAD, &n_waiting) == 0)
    end += (guint64) n_waiting;
  while (aiopool_inbound_read (self->inbound, is_ignoring, &local) && local == NULL &&
         aiopool_inbound_has_more (self->inbound) &&
         aiopool_inbound_get_total (self->inbound) <= end)
    ;
  size = aiopool_status_page_get_rest (page, aiopool_inbound_get_total (self->inbound), &rest);
  if (local == NULL && size > 0)
    aiopool_inbound_feed (self->inbound, rest, size, is_ignoring, &local);
  self->is_over = TRUE;
  g_mutex_unlock (&self->lock);
  if (local != NULL)
    g_propagate_error (error, local);
}
