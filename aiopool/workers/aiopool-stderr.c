/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/workers/aiopool-stderr-private.h"

#include "aiopool/base/aiopool-engine-private.h"
#include "aiopool/base/aiopool-error.h"
#include "aiopool/base/aiopool-fd-private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

/* The standard error of one worker: a pipe that is always drained, so that no worker waits for its
 * own messages, forwarded to this process's, and whose tail is kept for errors.
 *
 * Only the engine thread touches it. Forwarding neither blocks the engine nor raises a signal: what
 * this process's standard error does not take at once is lost, and counted.
 *
 * Whether a write may block is a matter of the open file, which this process shares with whoever
 * started it, a shell perhaps: it stays as it is. What can block is opened once more instead, each
 * time, because descriptor 2 may be another file tomorrow and nobody else should have to wait for
 * our copy of it to be closed. */

#define TAIL_SIZE  (8 * 1024)
#define CHUNK_SIZE 4096 /* PIPE_BUF: a pipe takes that whole or not at all */

#define OPEN_FLAGS (O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

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

/* Without the signals of a pipe that nobody reads and of a file that may not grow: they come to the
 * thread that writes, and are taken away here unless one was waiting before. */
static gssize
write_quietly (int         fd,
               const char *data,
               gsize       size)
{
  static const int numbers[] = { SIGPIPE, SIGXFSZ };
  static const struct timespec no_time;
  sigset_t waiting, ours, old;
  gssize n;

  sigemptyset (&ours);
  sigpending (&waiting);
  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++)
    {
      if (!sigismember (&waiting, numbers[i]))
        sigaddset (&ours, numbers[i]);
    }
  pthread_sigmask (SIG_BLOCK, &ours, &old);
  n = write (fd, data, size);
  if (n < 0 && (errno == EPIPE || errno == EFBIG))
    sigtimedwait (&ours, NULL, &no_time);
  pthread_sigmask (SIG_SETMASK, &old, NULL);
  return n;
}

/* Standard error as a file that does not block; -1 if it cannot be had. A terminal that belongs to
 * somebody else, after su, can be opened as the one that controls this process. */
static int
open_again (gboolean is_terminal)
{
  int fd = open ("/proc/self/fd/2", OPEN_FLAGS);

  if (fd < 0 && is_terminal && tcgetsid (STDERR_FILENO) == getsid (0))
    fd = open ("/dev/tty", OPEN_FLAGS);
  return fd;
}

/* A pipe of somebody else's that has room: only if others fill it right now would this block. */
static gboolean
has_room (void)
{
  struct pollfd out = { STDERR_FILENO, POLLOUT, 0 };

  return poll (&out, 1, 0) == 1 && out.revents == POLLOUT;
}

/* Returns how much was written; a socket is something else. */
static gssize
write_to_file (const char *data,
               gsize       size)
{
  gboolean is_terminal = isatty (STDERR_FILENO);
  struct stat info;
  gssize n = 0;
  int fd;

  if (fstat (STDERR_FILENO, &info) != 0)
    return 0;
  if (S_ISREG (info.st_mode))
    return write_quietly (STDERR_FILENO, data, size);
  fd = open_again (is_terminal);
  if (fd >= 0)
    n = write_quietly (fd, data, size);
  else if (!is_terminal && has_room ())
    n = write_quietly (STDERR_FILENO, data, size);
  aiopool_clear_fd (&fd);
  return n;
}

static void
forward (AiopoolStderr *self,
         const char    *data,
         gsize          size)
{
  gssize n = send (STDERR_FILENO, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);

  if (n < 0 && errno == ENOTSOCK)
    n = write_to_file (data, size);
  self->n_lost += size - (gsize) MAX (n, 0);
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
