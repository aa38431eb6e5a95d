/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/wire/aiopool-channel-private.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* One direction of a socket each: a reader that cuts the stream into frames, a writer that keeps
 * what the socket does not take. Neither has a lock: whoever reads holds the reader role, whoever
 * writes owns the writer; they may be different threads.
 *
 * Descriptors travel with the first byte of their frame. The kernel ends a read behind a message
 * that carried some, so they arrive with the bytes that they belong to, in order. */

#define BUFFER_SIZE (64 * 1024)
#define MAX_FDS     253 /* SCM_MAX_FD */
#define KEEP_SIZE   (256 * 1024)

struct _AiopoolReader
{
  int      fd;       /* (unowned) */
  guint8  *buffer;   /* (owned) */
  gsize    capacity;
  gsize    start;    /* of what is not consumed; a multiple of 8 */
  gsize    end;
  guint64  total;    /* bytes received */
  GArray  *fds;      /* (owned) of int: received, not taken */
};

typedef struct
{
  gsize        offset;
  GUnixFDList *fds; /* (owned) */
} Attachment;

struct _AiopoolWriter
{
  int         fd;          /* (unowned) */
  GByteArray *buffer;      /* (owned) */
  gsize       start;       /* of what is not sent */
  guint64     total;       /* bytes sent in all */
  GArray     *attachments; /* (owned) of Attachment, by offset */
};

AiopoolReader *
aiopool_reader_new (int fd)
{
  AiopoolReader *self = g_new0 (AiopoolReader, 1);

  self->fd = fd;
  self->capacity = BUFFER_SIZE;
  self->buffer = g_malloc (self->capacity);
  self->fds = g_array_new (FALSE, FALSE, sizeof (int));
  return self;
}

void
aiopool_reader_free (AiopoolReader *self)
{
  for (guint i = 0; i < self->fds->len; i++)
    close (g_array_index (self->fds, int, i));
  g_array_unref (self->fds);
  g_free (self->buffer);
  g_free (self);
}

/* Grows with what has really arrived, not with what a header promises. */
static void
make_room (AiopoolReader *self)
{
  gsize left = self->end - self->start;

  if (self->start > 0)
    {
      memmove (self->buffer, self->buffer + self->start, left);
      self->start = 0;
      self->end = left;
    }
  if (self->end == self->capacity)
    self->capacity *= 2;
  else if (left == 0 && self->capacity > KEEP_SIZE)
    self->capacity = BUFFER_SIZE;
  else
    return;
  self->buffer = g_realloc (self->buffer, self->capacity);
}

static void
take_control (AiopoolReader *self,
              struct msghdr *message)
{
  for (struct cmsghdr *c = CMSG_FIRSTHDR (message); c != NULL; c = CMSG_NXTHDR (message, c))
    {
      if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
        g_array_append_vals (self->fds, CMSG_DATA (c),
                             (guint) ((c->cmsg_len - CMSG_LEN (0)) / sizeof (int)));
    }
}

/* Reads once. More descriptors than any frame may have are the end of the conversation. */
AiopoolIoStatus
aiopool_reader_fill (AiopoolReader *self,
                     gboolean       may_block)
{
  union { struct cmsghdr align; char space[CMSG_SPACE (MAX_FDS * sizeof (int))]; } control;
  struct iovec vector;
  struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1 };
  gssize n;

  make_room (self);
  vector.iov_base = self->buffer + self->end;
  vector.iov_len = self->capacity - self->end;
  message.msg_control = &control;
  message.msg_controllen = sizeof control;
  do
    n = recvmsg (self->fd, &message, MSG_CMSG_CLOEXEC | (may_block ? 0 : MSG_DONTWAIT));
  while (n < 0 && errno == EINTR);
  if (n < 0)
    return errno == EAGAIN ? AIOPOOL_IO_AGAIN : AIOPOOL_IO_END;
  if (message.msg_controllen > 0)
    take_control (self, &message);
  if (n == 0 || self->fds->len > 2 * MAX_FDS || (message.msg_flags & MSG_CTRUNC) != 0)
    return AIOPOOL_IO_END;
  self->end += (gsize) n;
  self->total += (guint64) n;
  return AIOPOOL_IO_OK;
}

/* Puts bytes behind what was read, as if they had come through the socket. */
void
aiopool_reader_feed (AiopoolReader *self,
                     const guint8  *data,
                     gsize          size)
{
  make_room (self);
  if (self->end + size > self->capacity)
    {
      self->capacity = self->end + size;
      self->buffer = g_realloc (self->buffer, self->capacity);
    }
  memcpy (self->buffer + self->end, data, size);
  self->end += size;
  self->total += size;
}

/* While a frame is not complete no others are here than its own, which came with its first byte:
 * more belong to nothing. */
static gboolean
has_stray_fds (AiopoolReader      *self,
               const AiopoolFrame *frame,
               gsize               frame_size)
{
  guint n_known = frame_size > 0 ? frame->n_fds : AIOPOOL_FRAME_MAX_FDS;

  return self->fds->len > (self->end > self->start ? n_known : 0);
}

/* The frame's body is valid until the next fill. Descriptors of the one before must be taken. */
AiopoolFrameStatus
aiopool_reader_next (AiopoolReader *self,
                     AiopoolFrame  *frame)
{
  AiopoolFrameStatus status;
  gsize frame_size;

  status = aiopool_frame_parse (self->buffer + self->start, self->end - self->start, frame,
                                &frame_size);
  if (status == AIOPOOL_FRAME_MORE && has_stray_fds (self, frame, frame_size))
    return AIOPOOL_FRAME_BAD;
  if (status != AIOPOOL_FRAME_OK)
    return status;
  if (frame->n_fds > self->fds->len)
    return AIOPOOL_FRAME_BAD;
  self->start += frame_size;
  return AIOPOOL_FRAME_OK;
}

guint64
aiopool_reader_get_total (AiopoolReader *self)
{
  return self->total;
}

/* Bytes that were read and not given by next(). */
gsize
aiopool_reader_get_size (AiopoolReader *self)
{
  return self->end - self->start;
}

/* Takes the descriptors of the frame that next() gave, before the one after it. */
GUnixFDList *
aiopool_reader_take_fds (AiopoolReader *self,
                         guint          n_fds)
{
  GUnixFDList *list;

  if (n_fds == 0)
    return NULL;
  g_assert (n_fds <= self->fds->len);
  list = g_unix_fd_list_new_from_array ((const int *) (gpointer) self->fds->data, (int) n_fds);
  g_array_remove_range (self->fds, 0, n_fds);
  return list;
}

static void
attachment_clear (gpointer data)
{
  g_clear_object (&((Attachment *) data)->fds);
}

AiopoolWriter *
aiopool_writer_new (int fd)
{
  AiopoolWriter *self = g_new0 (AiopoolWriter, 1);

  self->fd = fd;
  self->buffer = g_byte_array_new ();
  self->attachments = g_array_new (FALSE, FALSE, sizeof (Attachment));
  g_array_set_clear_func (self->attachments, attachment_clear);
  return self;
}

void
aiopool_writer_free (AiopoolWriter *self)
{
  g_byte_array_unref (self->buffer);
  g_array_unref (self->attachments);
  g_free (self);
}

/* Memory at the end of what waits, to be filled at once. */
guint8 *
aiopool_writer_reserve (AiopoolWriter *self,
                        gsize          size)
{
  guint old = self->buffer->len;

  g_byte_array_set_size (self->buffer, (guint) (old + size));
  return self->buffer->data + old;
}

/* The frame that is reserved next carries @fds (transfer full). */
void
aiopool_writer_attach (AiopoolWriter *self,
                       GUnixFDList   *fds)
{
  Attachment attachment = { self->buffer->len, fds };

  g_array_append_val (self->attachments, attachment);
}

/* Bytes that wait. */
gsize
aiopool_writer_get_size (AiopoolWriter *self)
{
  return self->buffer->len - self->start;
}

/* Bytes that were sent. */
guint64
aiopool_writer_get_total (AiopoolWriter *self)
{
  return self->total;
}

/* The system has no room now: for the bytes, for the message, for one more descriptor under way. */
static gboolean
is_passing (int number)
{
  return number == EAGAIN || number == ENOBUFS || number == ENOMEM || number == ETOOMANYREFS;
}

/* Sends once without blocking. @fds: at most MAX_FDS. @sent (out): bytes that were taken. */
AiopoolIoStatus
aiopool_channel_send (int           fd,
                      const guint8 *data,
                      gsize         size,
                      GUnixFDList  *fds,
                      gsize        *sent)
{
  union { struct cmsghdr align; char space[CMSG_SPACE (MAX_FDS * sizeof (int))]; } control;
  struct iovec vector = { (gpointer) data, size };
  struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1 };
  gssize n;

  if (fds != NULL)
    {
      int n_fds;
      const int *array = g_unix_fd_list_peek_fds (fds, &n_fds);

      g_assert (n_fds <= MAX_FDS);
      message.msg_control = &control;
      message.msg_controllen = CMSG_SPACE ((gsize) n_fds * sizeof (int));
      memset (&control, 0, message.msg_controllen);
      control.align.cmsg_level = SOL_SOCKET;
      control.align.cmsg_type = SCM_RIGHTS;
      control.align.cmsg_len = CMSG_LEN ((gsize) n_fds * sizeof (int));
      memcpy (CMSG_DATA (&control.align), array, (gsize) n_fds * sizeof (int));
    }
  do
    n = sendmsg (fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  while (n < 0 && errno == EINTR);
  *sent = n > 0 ? (gsize) n : 0;
  if (n >= 0)
    return AIOPOOL_IO_OK;
  return is_passing (errno) ? AIOPOOL_IO_AGAIN : AIOPOOL_IO_END;
}

/* Drops what was sent, also from a buffer that is never empty. */
static void
compact (AiopoolWriter *self)
{
  gsize left = self->buffer->len - self->start;

  if (left > 0 && (self->start < KEEP_SIZE || self->start < left))
    return;
  g_byte_array_remove_range (self->buffer, 0, (guint) self->start);
  for (guint i = 0; i < self->attachments->len; i++)
    g_array_index (self->attachments, Attachment, i).offset -= self->start;
  self->start = 0;
}

/* Writes until nothing waits or the socket is full. */
AiopoolIoStatus
aiopool_writer_flush (AiopoolWriter *self)
{
  AiopoolIoStatus status = AIOPOOL_IO_OK;

  while (status == AIOPOOL_IO_OK && self->start < self->buffer->len)
    {
      gsize end = self->buffer->len;
      GUnixFDList *fds = NULL;
      gsize sent;

      if (self->attachments->len > 0)
        {
          Attachment *next = &g_array_index (self->attachments, Attachment, 0);

          if (next->offset == self->start)
            fds = next->fds;
          else
            end = next->offset;
          if (fds != NULL && self->attachments->len > 1)
            end = next[1].offset;
        }
      status = aiopool_channel_send (self->fd, self->buffer->data + self->start,
                                     end - self->start, fds, &sent);
      self->start += sent;
      self->total += sent;
      if (fds != NULL && status == AIOPOOL_IO_OK)
        g_array_remove_index (self->attachments, 0);
    }
  compact (self);
  return status;
}
