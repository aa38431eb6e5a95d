/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/workers/aiopool-stderr-private.h"

#include "aiopool/base/aiopool-engine-private.h"
#include "aiopool/base/aiopool-error.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* The standard error of one worker: a pipe that is always drained, so that no worker waits for its
 * own messages, forwarded to this process's, and whose tail is kept for errors.
 *
 * Only the engine thread touches it. Forwarding never blocks the engine: what this process's
 * standard error does not take at once is lost, and counted. */

#define TAIL_SIZE  (8 * 1024)
#define CHUNK_SIZE 4096 /* PIPE_BUF: taken whole or not at all by a pipe that polls writable */

struct _AiopoolStderr
{
  AiopoolWatch watch;
  int          fd;     /* (owned) */
  GString     *tail;   /* (owned) */
  gsize        n_lost; /* bytes not forwarded */
};

static void
keep_tail (AiopoolStderr *self,
           const char    *data,
           gsize          size)
{
  g_string_append_len (self->tail, data, (gssize) size);
  if (self->tail->len > 2 * TAIL_SIZE)
    g_string_erase (self->tail, 0, (gssize) (self->tail->len - TAIL_SIZE));
}

static void
forward (AiopoolStderr *self,
         const char    *data,
         gsize          size)
{
  struct pollfd out = { STDERR_FILENO, POLLOUT, 0 };

  if (poll (&out, 1, 0) != 1 || (out.revents & POLLOUT) == 0 ||
      write (STDERR_FILENO, data, size) != (gssize) size)
    self->n_lost += size;
}

/* Reads what is there; at the end of the pipe it stops watching. */
void
aiopool_stderr_drain (AiopoolStderr *self)
{
  char chunk[CHUNK_SIZE];
  gssize n;

  if (self->fd < 0)
    return;
  for (guint i = 0; i < 64; i++)
    {
      n = read (self->fd, chunk, sizeof chunk);
      if (n > 0)
        {
          keep_tail (self, chunk, (gsize) n);
          forward (self, chunk, (gsize) n);
        }
      else if (n == 0 || (errno != EAGAIN && errno != EINTR))
        {
          aiopool_watch_remove (&self->watch);
          close (self->fd);
          self->fd = -1;
        }
      if (n <= 0)
        return;
    }
}

static void
on_readable (AiopoolWatch *watch,
             guint32       events)
{
  aiopool_stderr_drain (watch->owner);
}

/* @write_fd (out) (transfer full): the worker's end. */
AiopoolStderr *
aiopool_stderr_new (int     *write_fd,
                    GError **error)
{
  AiopoolStderr *self;
  int fds[2];

  if (pipe2 (fds, O_CLOEXEC) != 0)
    {
      int saved_errno = errno;

      g_set_error (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_START_FAILED,
                   "Cannot make a pipe for a worker: %s", g_strerror (saved_errno));
      return NULL;
    }
  fcntl (fds[0], F_SETFL, O_NONBLOCK);
  self = g_new0 (AiopoolStderr, 1);
  self->fd = fds[0];
  self->tail = g_string_new (NULL);
  aiopool_watch_init (&self->watch, on_readable, self);
  aiopool_watch_add (&self->watch, self->fd, EPOLLIN);
  *write_fd = fds[1];
  return self;
}

void
aiopool_stderr_free (AiopoolStderr *self)
{
  aiopool_watch_remove (&self->watch);
  if (self->fd >= 0)
    close (self->fd);
  g_string_free (self->tail, TRUE);
  g_free (self);
}

/* The last lines, as valid UTF-8; (nullable) when there are none. */
char *
aiopool_stderr_dup_tail (AiopoolStderr *self,
                         guint          max_lines)
{
  gsize end = self->tail->len;
  gsize start;

  while (end > 0 && self->tail->str[end - 1] == '\n')
    end--;
  for (start = end; start > 0; start--)
    {
      if (self->tail->str[start - 1] == '\n' && --max_lines == 0)
        break;
    }
  return end > start ? g_utf8_make_valid (self->tail->str + start, (gssize) (end - start)) : NULL;
}
