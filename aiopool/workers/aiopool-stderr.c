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
 * Forwarding neither blocks nor raises a signal: what this process's standard error does not take
 * at once is lost, and counted.
 *
 * What a task wrote is told by time, for neither side looks at the pipe when a task starts.
 * Whenever it was found empty, what had come until then was written before, and what comes later,
 * after. So a task's part reaches from the last such moment before it started to the first one
 * after it ended: all that it wrote is in it, and at both ends there may be more. The pipe is read
 * before results are told, unless a poll said that nothing was in it when the one result came, so
 * nothing of a task is taken for that of one which was submitted after its result.
 *
 * Threads: the engine watches it; whoever reads results drains it too. The lock guards everything.
 *
 * Whether a write may block is a matter of the open file, which this process shares with whoever
 * started it, a shell perhaps: it stays as it is. What can block is opened once more instead, each
 * time, because descriptor 2 may be another file tomorrow and nobody else should have to wait for
 * our copy of it to be closed. */

#define TAIL_SIZE  (8 * 1024)
#define MAX_TEXT   4096 /* bytes told of one task */
#define N_MARKS    256
#define CHUNK_SIZE 4096 /* PIPE_BUF: a pipe takes that whole or not at all */

#define MAX_CHUNKS 64   /* read before others get their turn */

#define OPEN_FLAGS (O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

/* The pipe was empty when so many bytes had come, at both times at least. */
typedef struct
{
  guint64 total;
  gint64  first; /* monotonic microseconds */
  gint64  last;
} Mark;

struct _AiopoolStderr
{
  AiopoolWatch watch;  /* the engine's */
  GMutex       lock;   /* guards what follows */
  int          fd;     /* (owned) */
  int          has_ended; /* written under the lock, and atomic */
  GString     *tail;   /* (owned) */
  gsize        n_lost; /* bytes not forwarded */
  guint64      total;  /* bytes that came; the tail is the last of them */
  GArray      *marks;  /* (owned) of Mark, by time: at least one */
};

static guint64
get_tail_start (AiopoolStderr *self)
{
  return self->total - self->tail->len;
}

static void
keep_tail (AiopoolStderr *self,
           const char    *data,
           gsize          size)
{
  g_string_append_len (self->tail, data, (gssize) size);
  self->total += size;
  if (self->tail->len > 2 * TAIL_SIZE)
    g_string_erase (self->tail, 0, (gssize) (self->tail->len - TAIL_SIZE));
}

static Mark *
get_mark (AiopoolStderr *self,
          guint          index)
{
  return &g_array_index (self->marks, Mark, index);
}

/* What lies before the oldest mark cannot be told apart any more, and is forgotten. */
static void
forget_oldest_mark (AiopoolStderr *self)
{
  guint64 start = get_tail_start (self);

  g_array_remove_index (self->marks, 0);
  if (get_mark (self, 0)->total > start)
    g_string_erase (self->tail, 0, (gssize) (get_mark (self, 0)->total - start));
}

/* The pipe is empty, as it was at @when. */
static void
mark_empty (AiopoolStderr *self,
            gint64         when)
{
  Mark *newest = get_mark (self, self->marks->len - 1);
  Mark mark = { self->total, when, when };

  if (newest->total == self->total)
    {
      newest->last = when;
      return;
    }
  if (self->marks->len == N_MARKS)
    forget_oldest_mark (self);
  g_array_append_val (self->marks, mark);
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

/* FALSE when there is no more, for now or ever. */
static gboolean
read_chunk (AiopoolStderr *self)
{
  gint64 when = g_get_monotonic_time ();
  char chunk[CHUNK_SIZE];
  gssize n = read (self->fd, chunk, sizeof chunk);

  if (n > 0)
    {
      keep_tail (self, chunk, (gsize) n);
      forward (self, chunk, (gsize) n);
    }
  else if (n < 0 && errno == EAGAIN)
    mark_empty (self, when);
  else if (n == 0 || errno != EINTR)
    g_atomic_int_set (&self->has_ended, TRUE);
  return n > 0;
}

/* To look whether there is something, as long as there may be; -1 from then on. From any thread. */
int
aiopool_stderr_get_fd (AiopoolStderr *self)
{
  return g_atomic_int_get (&self->has_ended) ? -1 : self->fd;
}

/* Reads what is there. From any thread. */
void
aiopool_stderr_drain (AiopoolStderr *self)
{
  g_mutex_lock (&self->lock);
  for (guint i = 0; i < MAX_CHUNKS && !self->has_ended && read_chunk (self); i++)
    ;
  g_mutex_unlock (&self->lock);
}

/* Where the pipe was seen to be empty: what another thread has just read out of it may still have
 * to be kept. From any thread. */
void
aiopool_stderr_settle (AiopoolStderr *self)
{
  g_mutex_lock (&self->lock);
  g_mutex_unlock (&self->lock);
}

/* At the end of the pipe it stops watching. */
static void
on_readable (AiopoolWatch *watch,
             guint32       events)
{
  AiopoolStderr *self = watch->owner;
  gboolean has_ended;

  aiopool_stderr_drain (self);
  g_mutex_lock (&self->lock);
  has_ended = self->has_ended;
  g_mutex_unlock (&self->lock);
  if (has_ended)
    aiopool_watch_remove (watch);
}

/* @write_fd (out) (transfer full): the worker's end. */
AiopoolStderr *
aiopool_stderr_new (int     *write_fd,
                    GError **error)
{
  AiopoolStderr *self;
  Mark begin = { 0, 0, 0 };
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
  self->marks = g_array_new (FALSE, FALSE, sizeof (Mark));
  g_array_append_val (self->marks, begin);
  g_mutex_init (&self->lock);
  aiopool_watch_init (&self->watch, on_readable, self);
  aiopool_watch_add (&self->watch, self->fd, EPOLLIN);
  *write_fd = fds[1];
  return self;
}

void
aiopool_stderr_free (AiopoolStderr *self)
{
  aiopool_watch_remove (&self->watch);
  close (self->fd);
  g_string_free (self->tail, TRUE);
  g_array_unref (self->marks);
  g_mutex_clear (&self->lock);
  g_free (self);
}

/* Where in all that came what was written after @when begins at the earliest. */
static guint64
find_start (AiopoolStderr *self,
            gint64         when)
{
  for (guint i = self->marks->len; i > 0; i--)
    {
      if (get_mark (self, i - 1)->first <= when)
        return MAX (get_mark (self, i - 1)->total, get_tail_start (self));
    }
  return get_tail_start (self);
}

/* Where what was written until @when ends at the latest. */
static guint64
find_end (AiopoolStderr *self,
          gint64         when)
{
  for (guint i = 0; i < self->marks->len; i++)
    {
      if (get_mark (self, i)->last >= when)
        return MAX (get_mark (self, i)->total, get_tail_start (self));
    }
  return self->total;
}

/* The last lines of @size bytes at @text, as valid UTF-8; (nullable) when there are none. */
static char *
dup_last_lines (const char *text,
                gsize       size,
                guint       max_lines)
{
  gsize start;

  while (size > 0 && text[size - 1] == '\n')
    size--;
  for (start = size; start > 0 && size - start < MAX_TEXT; start--)
    {
      if (text[start - 1] == '\n' && --max_lines == 0)
        break;
    }
  return size > start ? g_utf8_make_valid (text + start, (gssize) (size - start)) : NULL;
}

/* The last lines written between two times, in monotonic microseconds; (nullable) when there are
 * none. From any thread. */
char *
aiopool_stderr_dup_lines (AiopoolStderr *self,
                          gint64         begin,
                          gint64         end,
                          guint          max_lines)
{
  guint64 first, last;
  char *lines = NULL;

  g_mutex_lock (&self->lock);
  first = find_start (self, begin);
  last = find_end (self, end);
  if (last > first)
    lines = dup_last_lines (self->tail->str + (first - get_tail_start (self)), last - first,
                            max_lines);
  g_mutex_unlock (&self->lock);
  return lines;
}
