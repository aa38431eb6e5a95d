/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/runtime/aiopool-outbox-private.h"

#include "aiopool/wire/aiopool-channel-private.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* What a worker says to its parent: frames are collected and written several at a time.
 *
 * They are collected in the status page, which the parent sees, so that a crash in the next task
 * loses none. Before a task runs on with frames still here, watch() sets a timer, on which the link
 * thread writes them: a finished result never waits for a running task.
 *
 * Results of a chunk's items gather in a run before they are a frame. It becomes one before the
 * next frame that is no log record, when it is full, on the timer and with a flush. Only then do
 * they outlive a crash.
 *
 * Threads: the lock guards everything; begin() takes it and end() gives it back. Nobody waits for
 * the socket with it: who writes past the buffer keeps the others from putting frames meanwhile.
 * What is logged between begin() and end() cannot go this way, and try_begin() must not be called
 * there; is_mine() tells. */

#define FULL_BYTES  (16 * 1024)
#define FULL_FRAMES 256
#define WATCH_NSEC  1000000 /* how long a result waits at most for a task that runs */

struct _AiopoolOutbox
{
  int                fd;       /* (unowned: the session) */
  AiopoolStatusPage *page;     /* (unowned: the session) */
  GMutex             lock;
  GCond              is_free;  /* is_direct or is_closing became FALSE */
  gboolean           is_direct; /* a frame is being written past the buffer */
  gboolean           is_closing; /* the run waits for room, and stays as it is */
  AiopoolRun        *run;      /* (owned) */
  guint8            *buffer;   /* in the page */
  gsize              used;
  gsize              written;  /* of the buffer */
  guint64            base;     /* stream offset of the buffer's first byte */
  guint              n_frames;
  guint8            *large;    /* (owned) (nullable): a frame that is no part of the buffer */
  gsize              size;     /* of the frame between begin() and end() */
  int                timer_fd; /* (owned) */
  gboolean           is_watched; /* the timer is set */
};

static _Thread_local gboolean is_inside; /* this thread is between begin() and end() */

AiopoolOutbox *
aiopool_outbox_new (int                data_fd,
                    AiopoolStatusPage *page)
{
  AiopoolOutbox *self = g_new0 (AiopoolOutbox, 1);

  self->fd = data_fd;
  self->page = page;
  self->buffer = aiopool_status_page_get_outbox (page);
  self->run = aiopool_run_new ();
  self->timer_fd = timerfd_create (CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  g_mutex_init (&self->lock);
  g_cond_init (&self->is_free);
  return self;
}

void
aiopool_outbox_free (AiopoolOutbox *self)
{
  if (self->timer_fd >= 0)
    close (self->timer_fd);
  aiopool_run_free (self->run);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->is_free);
  g_free (self);
}

int
aiopool_outbox_get_timer (AiopoolOutbox *self)
{
  return self->timer_fd;
}

static void
wait_writable (AiopoolOutbox *self)
{
  struct pollfd out = { self->fd, POLLOUT, 0 };

  g_mutex_unlock (&self->lock);
  while (poll (&out, 1, -1) < 0 && errno == EINTR)
    ;
  g_mutex_lock (&self->lock);
}

/* Writes the buffer. A parent that is gone needs no word: the link thread ends the process. */
static gboolean
write_buffer (AiopoolOutbox *self,
              gboolean       may_wait)
{
  while (self->written < self->used)
    {
      gsize sent;
      AiopoolIoStatus status = aiopool_channel_send (self->fd, self->buffer + self->written,
                                                     self->used - self->written, NULL, &sent);

      self->written += sent;
      if (status == AIOPOOL_IO_END)
        break;
      if (status == AIOPOOL_IO_AGAIN && !may_wait)
        return FALSE;
      if (status == AIOPOOL_IO_AGAIN)
        wait_writable (self);
    }
  if (self->used > 0)
    {
      self->base += self->used;
      aiopool_status_page_set_base (self->page, self->base);
    }
  self->used = self->written = self->n_frames = 0;
  return TRUE;
}

/* Writes a frame past the buffer, which is empty and stays so. */
static void
write_directly (AiopoolOutbox *self,
                const guint8  *data,
                gsize          size,
                GUnixFDList   *fds)
{
  gsize done = 0;

  self->is_direct = TRUE;
  while (done < size)
    {
      gsize sent;
      AiopoolIoStatus status = aiopool_channel_send (self->fd, data + done, size - done,
                                                     done == 0 ? fds : NULL, &sent);

      done += sent;
      if (status == AIOPOOL_IO_END)
        break;
      if (status == AIOPOOL_IO_AGAIN)
        wait_writable (self);
    }
  self->base += size;
  aiopool_status_page_set_base (self->page, self->base);
  self->is_direct = FALSE;
  g_cond_broadcast (&self->is_free);
}

/* Until there is room for @size bytes, or the buffer is empty. Waiting lets others in. */
static void
make_room (AiopoolOutbox *self,
           gsize          size)
{
  while (self->is_direct || (self->used > 0 && self->used + size > AIOPOOL_STATUS_OUTBOX_SIZE))
    {
      if (self->is_direct)
        g_cond_wait (&self->is_free, &self->lock);
      else
        write_buffer (self, TRUE);
    }
}

static void
wait_closed (AiopoolOutbox *self)
{
  while (self->is_closing)
    g_cond_wait (&self->is_free, &self->lock);
}

/* There is room. */
static void
put_run (AiopoolOutbox *self,
         gsize          size)
{
  aiopool_run_write (self->run, self->buffer + self->used);
  self->used += size;
  self->n_frames++;
  aiopool_status_page_commit (self->page, self->base + self->used);
}

/* Makes a frame of the run, before all that comes after it. */
static void
close_run (AiopoolOutbox *self)
{
  gsize size;

  wait_closed (self);
  if (aiopool_run_get_n (self->run) == 0)
    return;
  size = aiopool_run_get_size (self->run);
  self->is_closing = TRUE;
  make_room (self, size);
  put_run (self, size);
  self->is_closing = FALSE;
  g_cond_broadcast (&self->is_free);
}

/* Memory for a frame of @size bytes, to be filled before end(). */
guint8 *
aiopool_outbox_begin (AiopoolOutbox *self,
                      gsize          size)
{
  g_mutex_lock (&self->lock);
  close_run (self);
  is_inside = TRUE;
  make_room (self, size);
  self->size = size;
  if (size <= AIOPOOL_STATUS_OUTBOX_SIZE)
    return self->buffer + self->used;
  self->large = g_malloc (size);
  return self->large;
}

/* As begin(), for @size bytes that fit into the buffer; NULL if that would mean to wait for the
 * parent. Then there is no end(). */
guint8 *
aiopool_outbox_try_begin (AiopoolOutbox *self,
                          gsize          size)
{
  g_mutex_lock (&self->lock);
  if (!self->is_direct && self->used + size > AIOPOOL_STATUS_OUTBOX_SIZE)
    write_buffer (self, FALSE);
  if (self->is_direct || self->used + size > AIOPOOL_STATUS_OUTBOX_SIZE)
    {
      g_mutex_unlock (&self->lock);
      return NULL;
    }
  is_inside = TRUE;
  self->size = size;
  return self->buffer + self->used;
}

/* Whether the calling thread is between begin() and end(). */
gboolean
aiopool_outbox_is_mine (void)
{
  return is_inside;
}

static void
end_with_fds (AiopoolOutbox *self,
              GUnixFDList   *fds)
{
  gsize size = self->size;
  guint8 *copy = g_memdup2 (self->buffer + self->used, size);

  make_room (self, AIOPOOL_STATUS_OUTBOX_SIZE);
  write_directly (self, copy, size, fds);
  g_free (copy);
}

/* @fds: (nullable): to go with the frame, sent when this returns. */
void
aiopool_outbox_end (AiopoolOutbox *self,
                    GUnixFDList   *fds)
{
  if (self->large != NULL)
    {
      g_autofree guint8 *large = g_steal_pointer (&self->large);

      write_directly (self, large, self->size, fds);
    }
  else if (fds != NULL)
    end_with_fds (self, fds);
  else
    {
      self->used += self->size;
      self->n_frames++;
      aiopool_status_page_commit (self->page, self->base + self->used);
    }
  is_inside = FALSE;
  g_mutex_unlock (&self->lock);
}

gboolean
aiopool_outbox_is_full (AiopoolOutbox *self)
{
  gboolean is_full;

  g_mutex_lock (&self->lock);
  is_full = self->used >= FULL_BYTES || self->n_frames >= FULL_FRAMES;
  g_mutex_unlock (&self->lock);
  return is_full;
}

/* Writes everything, waiting for the socket. */
void
aiopool_outbox_flush (AiopoolOutbox *self)
{
  g_mutex_lock (&self->lock);
  close_run (self);
  write_buffer (self, TRUE);
  g_mutex_unlock (&self->lock);
}

/* Under the lock. */
static void
set_timer (AiopoolOutbox *self)
{
  struct itimerspec when = { .it_value.tv_nsec = WATCH_NSEC };

  if (self->is_watched)
    return;
  self->is_watched = TRUE;
  timerfd_settime (self->timer_fd, 0, &when, NULL);
}

/* A task begins: if frames wait, they wait for a millisecond at most. */
void
aiopool_outbox_watch (AiopoolOutbox *self)
{
  g_mutex_lock (&self->lock);
  if (self->used > 0)
    set_timer (self);
  g_mutex_unlock (&self->lock);
}

/* What came of an item, for a millisecond at most. */
void
aiopool_outbox_put_item (AiopoolOutbox        *self,
                         const AiopoolRunItem *item)
{
  g_mutex_lock (&self->lock);
  wait_closed (self);
  while (!aiopool_run_accepts (self->run, item))
    close_run (self);
  aiopool_run_add (self->run, item);
  set_timer (self);
  g_mutex_unlock (&self->lock);
}

/* Makes a frame of the run unless that would mean to wait. */
static void
try_close_run (AiopoolOutbox *self)
{
  gsize size;

  if (self->is_closing || self->is_direct || aiopool_run_get_n (self->run) == 0)
    return;
  size = aiopool_run_get_size (self->run);
  if (self->used + size <= AIOPOOL_STATUS_OUTBOX_SIZE)
    put_run (self, size);
}

/* On the link thread. */
void
aiopool_outbox_on_timer (AiopoolOutbox *self)
{
  guint64 count;

  if (read (self->timer_fd, &count, sizeof count) < 0)
    return;
  g_mutex_lock (&self->lock);
  self->is_watched = FALSE;
  try_close_run (self);
  if (!write_buffer (self, FALSE) || aiopool_run_get_n (self->run) > 0)
    set_timer (self);
  g_mutex_unlock (&self->lock);
}
