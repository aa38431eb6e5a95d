/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/wire/aiopool-log-message-private.h"
#include "aiopool/wire/aiopool-worker-fds-private.h"
#include "tests/workers/fake.h"

#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* A worker that speaks the protocol by hand, so that it can break it:
 *
 *   fake-worker FLAG-FILE STEP[=ARGUMENT]...
 *
 * The process that takes the flag file away does the steps and then waits to be killed; its process
 * id is in FLAG-FILE.pid. All others serve as they should: every task results in 7. */

/* @fds: (nullable): go with the first byte. */
void
write_with_fds (Fake         *self,
                const guint8 *data,
                gsize         size,
                GUnixFDList  *fds)
{
  self->written += size;
  while (size > 0)
    {
      struct pollfd out = { AIOPOOL_FD_DATA, POLLOUT, 0 };
      gsize sent = 0;

      if (aiopool_channel_send (AIOPOOL_FD_DATA, data, size, fds, &sent) == AIOPOOL_IO_END)
        exit (9);
      if (sent > 0)
        fds = NULL;
      data += sent;
      size -= sent;
      if (size > 0)
        poll (&out, 1, -1);
    }
}

/* @fd: (transfer full): goes with the first byte, or -1. */
void
write_all (Fake         *self,
           const guint8 *data,
           gsize         size,
           int           fd)
{
  g_autoptr (GUnixFDList) fds = fd >= 0 ? g_unix_fd_list_new_from_array (&fd, 1) : NULL;

  write_with_fds (self, data, size, fds);
}

void
send_header (Fake   *self,
             guint8  type,
             guint8  n_fds,
             guint64 id,
             guint32 length)
{
  guint8 header[AIOPOOL_FRAME_HEADER_SIZE];

  aiopool_frame_header (header, type, 0, n_fds, id, length);
  write_all (self, header, sizeof header, -1);
}

/* (transfer full): a result of 7. */
guint8 *
build_result (guint64  id,
              gsize   *size)
{
  static const gint32 seven = 7;
  gint64 now = g_get_monotonic_time ();
  AiopoolResultMessage message = { .started = now, .ended = now };
  guint8 *frame;

  message.value.view = (AiopoolPayloadView) { AIOPOOL_FORMAT_GVARIANT, "i", &seven, sizeof seven };
  message.value.transport = AIOPOOL_TRANSPORT_INLINE;
  *size = aiopool_message_result_size (&message);
  frame = g_malloc0 (*size);
  aiopool_message_write_result (frame, id, 0, &message);
  return frame;
}

static void
send_result (Fake    *self,
             guint64  id)
{
  gsize size;
  g_autofree guint8 *frame = build_result (id, &size);

  write_all (self, frame, size, -1);
}

/* A result of @size bytes that lies in @fd. */
void
send_large (Fake             *self,
            AiopoolTransport  transport,
            guint64           segment_id,
            gsize             size,
            int               fd)
{
  gint64 now = g_get_monotonic_time ();
  AiopoolResultMessage message = { .started = now, .ended = now };
  g_autofree guint8 *frame = NULL;

  message.value.view = (AiopoolPayloadView) { AIOPOOL_FORMAT_RAW, NULL, NULL, size };
  message.value.transport = transport;
  message.value.has_fd = fd >= 0;
  message.value.segment_id = segment_id;
  frame = g_malloc0 (aiopool_message_result_size (&message));
  aiopool_message_write_result (frame, self->id, fd >= 0, &message);
  write_all (self, frame, aiopool_message_result_size (&message), fd);
}

int
new_memfd (gsize size,
           int   seals)
{
  int fd = memfd_create ("fake", MFD_CLOEXEC | MFD_ALLOW_SEALING);

  if (fd < 0 || ftruncate (fd, (off_t) size) != 0 || fcntl (fd, F_ADD_SEALS, seals) != 0)
    exit (9);
  return fd;
}

/* FALSE at the end of the stream. */
static gboolean
next_frame (Fake         *self,
            AiopoolFrame *frame)
{
  while (aiopool_reader_next (self->reader, frame) != AIOPOOL_FRAME_OK)
    {
      if (aiopool_reader_fill (self->reader, TRUE) == AIOPOOL_IO_END)
        return FALSE;
    }
  g_clear_object (&(GUnixFDList *) { aiopool_reader_take_fds (self->reader, frame->n_fds) });
  return TRUE;
}

gboolean
next_task (Fake *self)
{
  AiopoolTaskMessage message;
  AiopoolFrame frame;

  do
    {
      if (!next_frame (self, &frame))
        return FALSE;
    }
  while (frame.type != AIOPOOL_FRAME_TASK);
  self->id = frame.id;
  self->n_items = aiopool_message_parse_task (&frame, &message) ? message.n_items : 0;
  return TRUE;
}

static void
say_hello (Fake    *self,
           guint32  version,
           guint64  nonce)
{
  AiopoolHelloMessage hello = { version, getpid (), nonce };
  guint8 frame[256] = { 0 };

  aiopool_message_write_hello (frame, &hello);
  write_all (self, frame, aiopool_message_hello_size (), -1);
}

static void
do_hello (Fake       *self,
          const char *argument)
{
  guint64 nonce = self->nonce ^ (g_strcmp0 (argument, "nonce") == 0);

  say_hello (self, g_strcmp0 (argument, "version") == 0 ? 77 : AIOPOOL_PROTOCOL_VERSION, nonce);
}

static void
do_task (Fake       *self,
         const char *argument)
{
  if (!next_task (self))
    exit (0);
}

/* Now, or at a time that cannot be. */
static void
do_start (Fake       *self,
          const char *argument)
{
  gint64 when = g_get_monotonic_time ();

  if (g_strcmp0 (argument, "past") == 0)
    when = 1;
  else if (g_strcmp0 (argument, "future") == 0)
    when += G_TIME_SPAN_DAY;
  if (!aiopool_status_page_start (self->page, self->id, when))
    exit (8);
}

/* That of the task, or of one that is named by how it differs. */
static guint64
get_id (Fake       *self,
        const char *argument)
{
  guint64 id = self->id;

  if (g_strcmp0 (argument, "generation") == 0)
    id += 1 << 16;
  else if (g_strcmp0 (argument, "slot") == 0)
    id += 500;
  else if (g_strcmp0 (argument, "no-slot") == 0)
    id |= 0xffff;
  else if (g_strcmp0 (argument, "zero") == 0)
    id = 0;
  else if (g_strcmp0 (argument, "all-ones") == 0)
    id = G_MAXUINT64;
  return id;
}

static void
do_result (Fake       *self,
           const char *argument)
{
  send_result (self, get_id (self, argument));
}

/* (type): an empty frame. */
static void
do_frame (Fake       *self,
          const char *argument)
{
  send_header (self, (guint8) atoi (argument), 0, self->id, 0);
}

/* (type): a frame of zeros. */
static void
do_zeros (Fake       *self,
          const char *argument)
{
  guint8 zeros[64] = { 0 };

  send_header (self, (guint8) atoi (argument), 0, self->id, sizeof zeros);
  write_all (self, zeros, sizeof zeros, -1);
}

/* (type): a frame of ones. */
static void
do_ones (Fake       *self,
         const char *argument)
{
  guint8 ones[64];

  memset (ones, 0xff, sizeof ones);
  send_header (self, (guint8) atoi (argument), 0, self->id, sizeof ones);
  write_all (self, ones, sizeof ones, -1);
}

/* (length): the header of a result. */
static void
do_length (Fake       *self,
           const char *argument)
{
  send_header (self, AIOPOOL_FRAME_RESULT, 0, self->id,
               (guint32) g_ascii_strtoull (argument, NULL, 10));
}

/* (n): a result that claims to bring descriptors. */
static void
do_fds (Fake       *self,
        const char *argument)
{
  gsize size;
  g_autofree guint8 *frame = build_result (self->id, &size);

  frame[6] = (guint8) atoi (argument);
  write_all (self, frame, size, -1);
}

static void
do_reserved (Fake       *self,
             const char *argument)
{
  gsize size;
  g_autofree guint8 *frame = build_result (self->id, &size);

  frame[7] = 1;
  write_all (self, frame, size, -1);
}

static void
do_garbage (Fake       *self,
            const char *argument)
{
  guint8 garbage[1000];

  for (guint i = 0; i < sizeof garbage; i++)
    garbage[i] = (guint8) g_random_int ();
  garbage[3] = 0xff;
  write_all (self, garbage, sizeof garbage, -1);
}

/* (how): a result in memory that will not do. */
static void
do_memory (Fake       *self,
           const char *argument)
{
  const int all = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
  int pipe_fds[2];

  if (g_str_equal (argument, "unsealed"))
    send_large (self, AIOPOOL_TRANSPORT_MEMFD, 0, 4096, new_memfd (4096, 0));
  else if (g_str_equal (argument, "writable"))
    send_large (self, AIOPOOL_TRANSPORT_MEMFD, 0, 4096,
                new_memfd (4096, F_SEAL_SHRINK | F_SEAL_GROW));
  else if (g_str_equal (argument, "short"))
    send_large (self, AIOPOOL_TRANSPORT_MEMFD, 0, 4097, new_memfd (4096, all));
  else if (g_str_equal (argument, "absurd"))
    send_large (self, AIOPOOL_TRANSPORT_MEMFD, 0, G_MAXSIZE - 4096, new_memfd (4096, all));
  else if (g_str_equal (argument, "none"))
    send_large (self, AIOPOOL_TRANSPORT_MEMFD, 0, 4096, -1);
  else if (g_str_equal (argument, "pipe") && pipe (pipe_fds) == 0)
    send_large (self, AIOPOOL_TRANSPORT_MEMFD, 0, 4096, pipe_fds[0]);
  else if (g_str_equal (argument, "good"))
    send_large (self, AIOPOOL_TRANSPORT_MEMFD, 0, 4096, new_memfd (4096, all));
}

/* (how): the same with segments. */
static void
do_segment (Fake       *self,
            const char *argument)
{
  if (g_str_equal (argument, "unknown"))
    send_large (self, AIOPOOL_TRANSPORT_SEGMENT, 5, 4096, -1);
  else if (g_str_equal (argument, "zero"))
    send_large (self, AIOPOOL_TRANSPORT_SEGMENT, 0, 4096, new_memfd (4096, F_SEAL_SHRINK));
  else if (g_str_equal (argument, "unsealed"))
    send_large (self, AIOPOOL_TRANSPORT_SEGMENT, 5, 4096, new_memfd (4096, 0));
  else if (g_str_equal (argument, "short"))
    send_large (self, AIOPOOL_TRANSPORT_SEGMENT, 5, 4097, new_memfd (4096, F_SEAL_SHRINK));
  else if (g_str_equal (argument, "good"))
    send_large (self, AIOPOOL_TRANSPORT_SEGMENT, 5, 4096, new_memfd (4096, F_SEAL_SHRINK));
}

/* Half a result. */
static void
do_half (Fake       *self,
         const char *argument)
{
  gsize size;
  g_autofree guint8 *frame = build_result (self->id, &size);

  write_all (self, frame, size / 2, -1);
}

/* A result that is finished and stays in the page. */
static void
do_outbox (Fake       *self,
           const char *argument)
{
  gsize size;
  g_autofree guint8 *frame = build_result (self->id, &size);

  aiopool_status_page_set_base (self->page, self->written);
  memcpy (aiopool_status_page_get_outbox (self->page), frame, size);
  if (g_strcmp0 (argument, "half") == 0)
    write_all (self, frame, size / 2, -1);
  else
    self->written += size;
  aiopool_status_page_commit (self->page, self->written + (argument != NULL ? size - size / 2 : 0));
}

/* (how): a page that lies about what is in it. */
static void
do_lie (Fake       *self,
        const char *argument)
{
  if (g_str_equal (argument, "end"))
    aiopool_status_page_commit (self->page, G_MAXUINT64);
  else if (g_str_equal (argument, "base"))
    aiopool_status_page_set_base (self->page, G_MAXUINT64 - 5);
  else if (g_str_equal (argument, "garbage"))
    {
      aiopool_status_page_set_base (self->page, self->written);
      memset (aiopool_status_page_get_outbox (self->page), 0xee, AIOPOOL_STATUS_OUTBOX_SIZE);
      aiopool_status_page_commit (self->page, self->written + AIOPOOL_STATUS_OUTBOX_SIZE);
    }
}

/* (n): so many reports of progress. */
static void
do_progress (Fake       *self,
             const char *argument)
{
  AiopoolProgressMessage message = { 0.5, "text", 4 };
  guint8 frame[256] = { 0 };

  if (g_str_equal (argument, "nan"))
    message.fraction = NAN;
  aiopool_message_write_progress (frame, self->id, &message);
  for (int i = MAX (atoi (argument), 1); i > 0; i--)
    write_all (self, frame, aiopool_message_progress_size (&message), -1);
}

/* (n): so many partial results of 16 KiB each, without credit; or "raw", one that is no variant. */
static void
do_emit (Fake       *self,
         const char *argument)
{
  g_autofree guint8 *data = g_malloc0 (16 * 1024);
  AiopoolValueMessage message = { .transport = AIOPOOL_TRANSPORT_INLINE };
  g_autofree guint8 *frame = NULL;

  message.view = (AiopoolPayloadView) { AIOPOOL_FORMAT_GVARIANT, "ay", data, 16 * 1024 };
  if (g_str_equal (argument, "raw"))
    message.view = (AiopoolPayloadView) { AIOPOOL_FORMAT_RAW, NULL, data, 16 };
  frame = g_malloc0 (aiopool_message_emit_size (&message));
  aiopool_message_write_emit (frame, self->id, 0, &message);
  for (int i = MAX (atoi (argument), 1); i > 0; i--)
    write_all (self, frame, aiopool_message_emit_size (&message), -1);
}

static void
send_log (Fake    *self,
          guint64  id,
          guint    n)
{
  AiopoolLogMessage message = { .level = G_LOG_LEVEL_MESSAGE, .message = { "words", 5 } };
  guint8 frame[256] = { 0 };

  aiopool_message_write_log (frame, id, &message);
  for (guint i = 0; i < n; i++)
    write_all (self, frame, aiopool_message_log_size (&message), -1);
}

static void
do_log (Fake       *self,
        const char *argument)
{
  send_log (self, get_id (self, argument), 1);
}

/* More log records than there is credit for. */
static void
do_log_flood (Fake       *self,
              const char *argument)
{
  send_log (self, get_id (self, argument), 2000);
}

/* (type): an empty frame on the control socket. */
static void
do_control (Fake       *self,
            const char *argument)
{
  guint8 header[AIOPOOL_FRAME_HEADER_SIZE];

  aiopool_frame_header (header, (guint8) atoi (argument), 0, 0, self->id, 0);
  send (AIOPOOL_FD_CONTROL, header, sizeof header, MSG_NOSIGNAL);
}

static void
do_control_garbage (Fake       *self,
                    const char *argument)
{
  send (AIOPOOL_FD_CONTROL, "garbage garbage garbage garbage ", 32, MSG_NOSIGNAL);
}

static void
do_close (Fake       *self,
          const char *argument)
{
  if (g_strcmp0 (argument, "half") == 0)
    shutdown (AIOPOOL_FD_DATA, SHUT_WR);
  else if (g_strcmp0 (argument, "control") == 0)
    close (AIOPOOL_FD_CONTROL);
  else
    close (AIOPOOL_FD_DATA);
}

static void
do_exit (Fake       *self,
         const char *argument)
{
  _exit (atoi (argument));
}

static void
do_kill (Fake       *self,
         const char *argument)
{
  raise (atoi (argument));
}

static void
serve_items (Fake *self)
{
  guint32 index;

  while (aiopool_status_page_claim_item (self->page, self->id, g_get_monotonic_time (), &index))
    send_items (self, index, 1, 1);
}

static void
do_serve (Fake       *self,
          const char *argument)
{
  while (next_task (self))
    {
      if (!aiopool_status_page_start (self->page, self->id, g_get_monotonic_time ()))
        continue;
      if (self->n_items > 0)
        serve_items (self);
      send_result (self, self->id);
    }
  exit (0);
}

static const Step steps[] = {
  { "hello", do_hello }, { "task", do_task }, { "start", do_start }, { "result", do_result },
  { "frame", do_frame }, { "zeros", do_zeros }, { "ones", do_ones }, { "length", do_length },
  { "fds", do_fds }, { "reserved", do_reserved }, { "garbage", do_garbage },
  { "memory", do_memory }, { "segment", do_segment }, { "half", do_half },
  { "outbox", do_outbox }, { "lie", do_lie }, { "progress", do_progress }, { "emit", do_emit },
  { "control", do_control }, { "control-garbage", do_control_garbage }, { "close", do_close },
  { "exit", do_exit }, { "kill", do_kill }, { "serve", do_serve },
  { "log", do_log }, { "log-flood", do_log_flood }, { NULL, NULL },
};

static gboolean
find_step (const Step  *list,
           Fake        *self,
           const char  *name,
           const char  *argument)
{
  for (guint i = 0; list[i].name != NULL; i++)
    {
      if (g_str_equal (list[i].name, name))
        {
          list[i].act (self, argument);
          return TRUE;
        }
    }
  return FALSE;
}

static void
do_step (Fake       *self,
         const char *word)
{
  g_auto (GStrv) parts = g_strsplit (word, "=", 2);

  if (!find_step (steps, self, parts[0], parts[1]) &&
      !find_step (hostile_steps, self, parts[0], parts[1]))
    g_error ("no step '%s'", word);
}

static gboolean
take_flag (const char *flag)
{
  g_autofree char *path = g_strconcat (flag, ".pid", NULL);
  g_autofree char *text = g_strdup_printf ("%d", (int) getpid ());

  return unlink (flag) == 0 && g_file_set_contents (path, text, -1, NULL);
}

int
main (int   argc,
      char *argv[])
{
  const char *variable = g_getenv (AIOPOOL_WORKER_VARIABLE);
  Fake self = { NULL };

  if (variable == NULL || argc < 2)
    return 2;
  self.flag = argv[1];
  self.nonce = g_ascii_strtoull (strchr (variable, ':') + 1, NULL, 16);
  self.reader = aiopool_reader_new (AIOPOOL_FD_DATA);
  self.page = aiopool_status_page_open (AIOPOOL_FD_STATUS, NULL);
  if (take_flag (argv[1]))
    {
      for (int i = 2; i < argc; i++)
        do_step (&self, argv[i]);
      for (;;)
        pause ();
    }
  do_hello (&self, NULL);
  do_serve (&self, NULL);
  return 0;
}
