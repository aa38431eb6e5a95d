/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/workers/aiopool-control-private.h"

#include "aiopool/base/aiopool-engine-private.h"
#include "aiopool/wire/aiopool-channel-private.h"

#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* The parent's end of a control socket: short messages past the stream of tasks.
 *
 * Sending is thread safe and never blocks: the lock guards what the socket did not take, which the
 * engine sends when it can. Reading is the engine's. */

#define MAX_WAITING (1024 * 1024) /* bytes for a worker that does not read; the rest is dropped */

struct _AiopoolControl
{
  AiopoolWatch       watch;
  int                fd;      /* (owned) */
  AiopoolReader     *reader;  /* (owned) */
  AiopoolControlFunc func;
  gpointer           owner;   /* (unowned: frees this) */
  GMutex             lock;
  AiopoolWriter     *writer;  /* (owned): under lock */
};

static void
flush_locked (AiopoolControl *self)
{
  AiopoolIoStatus status = aiopool_writer_flush (self->writer);

  aiopool_watch_set_events (&self->watch,
                            status == AIOPOOL_IO_AGAIN ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void
read_frames (AiopoolControl *self)
{
  AiopoolFrame frame;
  AiopoolFrameStatus status;

  if (aiopool_reader_fill (self->reader, FALSE) == AIOPOOL_IO_END)
    {
      aiopool_watch_remove (&self->watch);
      return;
    }
  while ((status = aiopool_reader_next (self->reader, &frame)) == AIOPOOL_FRAME_OK)
    {
      if (!self->func (self->owner, &frame))
        {
          aiopool_watch_remove (&self->watch);
          return;
        }
    }
  if (status == AIOPOOL_FRAME_BAD)
    {
      aiopool_watch_remove (&self->watch);
      self->func (self->owner, NULL);
    }
}

static void
on_ready (AiopoolWatch *watch,
          guint32       events)
{
  AiopoolControl *self = watch->owner;

  if ((events & EPOLLOUT) != 0)
    {
      g_mutex_lock (&self->lock);
      flush_locked (self);
      g_mutex_unlock (&self->lock);
    }
  if ((events & ~(guint32) EPOLLOUT) != 0)
    read_frames (self);
}

AiopoolControl *
aiopool_control_new (int                fd,
                     AiopoolControlFunc func,
                     gpointer           owner)
{
  AiopoolControl *self = g_new0 (AiopoolControl, 1);

  self->fd = fd;
  self->func = func;
  self->owner = owner;
  self->reader = aiopool_reader_new (fd);
  self->writer = aiopool_writer_new (fd);
  g_mutex_init (&self->lock);
  aiopool_watch_init (&self->watch, on_ready, self);
  aiopool_watch_add (&self->watch, fd, EPOLLIN);
  return self;
}

/* On the engine thread. */
void
aiopool_control_free (AiopoolControl *self)
{
  aiopool_watch_remove (&self->watch);
  aiopool_reader_free (self->reader);
  aiopool_writer_free (self->writer);
  g_mutex_clear (&self->lock);
  close (self->fd);
  g_free (self);
}

/* @argument: a body of 8 bytes, or 0 for none. */
void
aiopool_control_send (AiopoolControl   *self,
                      AiopoolFrameType  type,
                      guint8            flags,
                      guint64           id,
                      guint64           argument)
{
  gsize body = argument != 0 ? sizeof argument : 0;
  guint8 *out;

  g_mutex_lock (&self->lock);
  if (aiopool_writer_get_size (self->writer) < MAX_WAITING)
    {
      out = aiopool_writer_reserve (self->writer, AIOPOOL_FRAME_HEADER_SIZE + body);
      aiopool_frame_header (out, (guint8) type, flags, 0, id, (guint32) body);
      memcpy (out + AIOPOOL_FRAME_HEADER_SIZE, &argument, body);
      flush_locked (self);
    }
  g_mutex_unlock (&self->lock);
}
