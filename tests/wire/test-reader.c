/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/wire/aiopool-channel-private.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEADER AIOPOOL_FRAME_HEADER_SIZE

/* The reader has one end of a socketpair, the test the other. */
typedef struct
{
  int            near_fd;
  int            far_fd;
  AiopoolReader *reader;
} Line;

static void
line_open (Line *line)
{
  int fds[2];

  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
  *line = (Line) { fds[0], fds[1], aiopool_reader_new (fds[0]) };
}

static void
line_close (Line *line)
{
  aiopool_reader_free (line->reader);
  close (line->near_fd);
  if (line->far_fd >= 0)
    close (line->far_fd);
}

/* Frames with ids from @first on and bodies of 0, 1, 2... bytes, wrapping at @max_body. */
static GByteArray *
make_stream (guint   n,
             guint   first,
             guint32 max_body,
             guint8  n_fds)
{
  GByteArray *stream = g_byte_array_new ();

  for (guint i = first; i < first + n; i++)
    {
      guint32 length = i % (max_body + 1);
      guint old = stream->len;

      g_byte_array_set_size (stream, old + HEADER + (guint) AIOPOOL_FRAME_PAD (length));
      memset (stream->data + old, 0, stream->len - old);
      aiopool_frame_header (stream->data + old, AIOPOOL_FRAME_RESULT, 0, n_fds, i, length);
      memset (stream->data + old + HEADER, (int) (i & 0xff), length);
    }
  return stream;
}

static void
check_frame (const AiopoolFrame *frame,
             guint               i,
             guint32             max_body)
{
  g_assert_cmpuint (frame->id, ==, i);
  g_assert_cmpuint (frame->length, ==, i % (max_body + 1));
  g_assert_cmpuint ((guintptr) frame->body % 8, ==, 0);
  for (guint32 j = 0; j < frame->length; j++)
    g_assert_cmpuint (frame->body[j], ==, i & 0xff);
}

static void
send_bytes (Line         *line,
            const guint8 *data,
            gsize         size)
{
  g_assert_cmpint (send (line->far_fd, data, size, MSG_NOSIGNAL), ==, (gssize) size);
}

/* One message with descriptors. */
static void
send_with_fds (Line         *line,
               const guint8 *data,
               gsize         size,
               const int    *fds,
               int           n_fds)
{
  g_autoptr (GUnixFDList) list = g_unix_fd_list_new ();
  gsize sent;

  for (int i = 0; i < n_fds; i++)
    g_assert_cmpint (g_unix_fd_list_append (list, fds[i], NULL), >=, 0);
  g_assert_cmpint (aiopool_channel_send (line->far_fd, data, size, list, &sent), ==,
                   AIOPOOL_IO_OK);
  g_assert_cmpuint (sent, ==, size);
}

static void
test_bytes_in_pieces_become_frames (void)
{
  g_autoptr (GByteArray) stream = make_stream (30, 0, 29, 0);

  for (gsize piece = 1; piece < 70; piece++)
    {
      AiopoolFrame frame;
      guint next = 0;
      Line line;

      line_open (&line);
      for (gsize done = 0; done < stream->len; done += piece)
        {
          send_bytes (&line, stream->data + done, MIN (piece, stream->len - done));
          g_assert_cmpint (aiopool_reader_fill (line.reader, FALSE), ==, AIOPOOL_IO_OK);
          while (aiopool_reader_next (line.reader, &frame) == AIOPOOL_FRAME_OK)
            check_frame (&frame, next++, 29);
        }
      g_assert_cmpuint (next, ==, 30);
      g_assert_cmpuint (aiopool_reader_get_total (line.reader), ==, stream->len);
      line_close (&line);
    }
}

static void
test_one_read_gives_many_frames (void)
{
  g_autoptr (GByteArray) stream = make_stream (500, 0, 40, 0);
  AiopoolFrame frame;
  Line line;

  line_open (&line);
  send_bytes (&line, stream->data, stream->len);
  g_assert_cmpint (aiopool_reader_fill (line.reader, FALSE), ==, AIOPOOL_IO_OK);
  for (guint i = 0; i < 500; i++)
    {
      g_assert_cmpint (aiopool_reader_next (line.reader, &frame), ==, AIOPOOL_FRAME_OK);
      check_frame (&frame, i, 40);
    }
  g_assert_cmpint (aiopool_reader_next (line.reader, &frame), ==, AIOPOOL_FRAME_MORE);
  g_assert_cmpint (aiopool_reader_fill (line.reader, FALSE), ==, AIOPOOL_IO_AGAIN);
  line_close (&line);
}

typedef struct
{
  Line       *line;
  GByteArray *stream;
} Sending;

static gpointer
send_all (gpointer data)
{
  Sending *sending = data;
  GByteArray *stream = sending->stream;

  for (gsize done = 0; done < stream->len;)
    {
      gssize n = send (sending->line->far_fd, stream->data + done, stream->len - done,
                       MSG_NOSIGNAL);

      g_assert_cmpint (n, >, 0);
      done += (gsize) n;
    }
  shutdown (sending->line->far_fd, SHUT_WR);
  return NULL;
}

/* Larger than any buffer, between small ones. */
static void
test_large_frames_are_read_whole (void)
{
  g_autoptr (GByteArray) stream = make_stream (3, 0, 100, 0);
  g_autoptr (GByteArray) large = make_stream (1, 5 * 1024 * 1024, 16 * 1024 * 1024 - 1, 0);
  AiopoolIoStatus status;
  AiopoolFrame frame;
  guint n_frames = 0;
  GThread *thread;
  Line line;
  Sending sending = { &line, stream };

  g_byte_array_append (stream, large->data, large->len);
  g_byte_array_append (stream, large->data, large->len);
  line_open (&line);
  thread = g_thread_new ("sender", send_all, &sending);
  while ((status = aiopool_reader_fill (line.reader, TRUE)) == AIOPOOL_IO_OK)
    while (aiopool_reader_next (line.reader, &frame) == AIOPOOL_FRAME_OK)
      {
        check_frame (&frame, n_frames < 3 ? n_frames : 5 * 1024 * 1024,
                     n_frames < 3 ? 100 : 16 * 1024 * 1024 - 1);
        n_frames++;
      }
  g_assert_cmpint (status, ==, AIOPOOL_IO_END);
  g_assert_cmpuint (n_frames, ==, 5);
  g_assert_cmpuint (aiopool_reader_get_total (line.reader), ==, stream->len);
  g_thread_join (thread);
  line_close (&line);
}

static void
test_end_comes_after_what_was_sent (void)
{
  g_autoptr (GByteArray) stream = make_stream (2, 0, 10, 0);
  AiopoolFrame frame;
  Line line;

  line_open (&line);
  send_bytes (&line, stream->data, stream->len - 5);
  close (line.far_fd);
  line.far_fd = -1;
  g_assert_cmpint (aiopool_reader_fill (line.reader, FALSE), ==, AIOPOOL_IO_OK);
  g_assert_cmpint (aiopool_reader_next (line.reader, &frame), ==, AIOPOOL_FRAME_OK);
  g_assert_cmpint (aiopool_reader_next (line.reader, &frame), ==, AIOPOOL_FRAME_MORE);
  for (int i = 0; i < 3; i++)
    g_assert_cmpint (aiopool_reader_fill (line.reader, FALSE), ==, AIOPOOL_IO_END);
  line_close (&line);
}

static void
test_bad_frame_comes_after_the_good_ones (void)
{
  g_autoptr (GByteArray) stream = make_stream (3, 0, 10, 0);
  guint8 bad[HEADER];
  AiopoolFrame frame;
  Line line;

  aiopool_frame_header (bad, AIOPOOL_FRAME_RESULT, 0, 0, 0, AIOPOOL_FRAME_MAX_BODY + 1);
  g_byte_array_append (stream, bad, sizeof bad);
  line_open (&line);
  send_bytes (&line, stream->data, stream->len);
  g_assert_cmpint (aiopool_reader_fill (line.reader, FALSE), ==, AIOPOOL_IO_OK);
  for (guint i = 0; i < 3; i++)
    g_assert_cmpint (aiopool_reader_next (line.reader, &frame), ==, AIOPOOL_FRAME_OK);
  for (guint i = 0; i < 3; i++)
    g_assert_cmpint (aiopool_reader_next (line.reader, &frame), ==, AIOPOOL_FRAME_BAD);
  line_close (&line);
}

/* A file with a name of its own in its content, to be recognised by. */
static int
make_file (guint number)
{
  int fd = memfd_create ("test", MFD_CLOEXEC);

  g_assert_cmpint (pwrite (fd, &number, sizeof number, 0), ==, sizeof number);
  return fd;
}

static void
check_file (GUnixFDList *list,
            int          index,
            guint        number)
{
  int n_fds;
  const int *fds = g_unix_fd_list_peek_fds (list, &n_fds);
  guint content;

  g_assert_cmpint (index, <, n_fds);
  g_assert_cmpint (pread (fds[index], &content, sizeof content, 0), ==, sizeof content);
  g_assert_cmpuint (content, ==, number);
  g_assert_cmpint (fcntl (fds[index], F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
}

/* Frames with 0, 1, 2, 3 descriptors in turn, read in as few reads as the kernel gives. */
static void
test_descriptors_come_with_their_frames (void)
{
  AiopoolFrame frame;
  guint next_file = 0;
  guint i = 0;
  Line line;

  line_open (&line);
  for (guint j = 0, number = 0; j < 20; j++)
    {
      g_autoptr (GByteArray) stream = make_stream (1, j, 19, (guint8) (j % 4));
      int fds[3];

      for (guint k = 0; k < j % 4; k++)
        fds[k] = make_file (number++);
      send_with_fds (&line, stream->data, stream->len, fds, (int) (j % 4));
      for (guint k = 0; k < j % 4; k++)
        close (fds[k]);
    }
  while (aiopool_reader_fill (line.reader, FALSE) == AIOPOOL_IO_OK)
    while (aiopool_reader_next (line.reader, &frame) == AIOPOOL_FRAME_OK)
      {
        g_autoptr (GUnixFDList) list = aiopool_reader_take_fds (line.reader, frame.n_fds);

        g_assert_cmpuint (frame.n_fds, ==, i % 4);
        g_assert_true ((list != NULL) == (frame.n_fds > 0));
        for (guint k = 0; k < frame.n_fds; k++)
          check_file (list, (int) k, next_file++);
        check_frame (&frame, i++, 19);
      }
  g_assert_cmpuint (i, ==, 20);
  line_close (&line);
}

static void
test_frame_with_missing_descriptors_is_bad (void)
{
  g_autoptr (GByteArray) stream = make_stream (1, 0, 0, 2);
  int fd = make_file (1);
  AiopoolFrame frame;
  Line line;

  line_open (&line);
  send_with_fds (&line, stream->data, stream->len, &fd, 1);
  g_assert_cmpint (aiopool_reader_fill (line.reader, FALSE), ==, AIOPOOL_IO_OK);
  g_assert_cmpint (aiopool_reader_next (line.reader, &frame), ==, AIOPOOL_FRAME_BAD);
  close (fd);
  line_close (&line);
}

/* Sends the first @size bytes of a frame that says that it has @n_said descriptors, with @n_fds.
 * What the reader says of what comes after the last whole frame. */
static AiopoolFrameStatus
send_some (gsize size,
           guint n_said,
           guint n_fds)
{
  g_autoptr (GByteArray) stream = make_stream (1, 8, 8, (guint8) n_said);
  int files[] = { STDERR_FILENO, STDERR_FILENO, STDERR_FILENO };
  AiopoolFrameStatus status;
  AiopoolFrame frame;
  Line line;

  line_open (&line);
  send_with_fds (&line, stream->data, size, files, (int) n_fds);
  g_assert_cmpint (aiopool_reader_fill (line.reader, FALSE), ==, AIOPOOL_IO_OK);
  while ((status = aiopool_reader_next (line.reader, &frame)) == AIOPOOL_FRAME_OK)
    g_clear_object (&(GUnixFDList *) { aiopool_reader_take_fds (line.reader, frame.n_fds) });
  line_close (&line);
  return status;
}

static void
test_descriptors_of_no_frame_are_bad (void)
{
  g_assert_cmpint (send_some (HEADER + 8, 0, 1), ==, AIOPOOL_FRAME_BAD);
  g_assert_cmpint (send_some (HEADER + 8, 2, 3), ==, AIOPOOL_FRAME_BAD);
  g_assert_cmpint (send_some (HEADER + 7, 2, 3), ==, AIOPOOL_FRAME_BAD);
  g_assert_cmpint (send_some (HEADER, 0, 1), ==, AIOPOOL_FRAME_BAD);
}

static void
test_descriptors_of_half_a_frame_wait_for_it (void)
{
  g_assert_cmpint (send_some (HEADER + 8, 3, 3), ==, AIOPOOL_FRAME_MORE);
  g_assert_cmpint (send_some (HEADER + 7, 3, 3), ==, AIOPOOL_FRAME_MORE);
  g_assert_cmpint (send_some (HEADER - 1, 3, 3), ==, AIOPOOL_FRAME_MORE);
  g_assert_cmpint (send_some (1, 3, 3), ==, AIOPOOL_FRAME_MORE);
}

static guint
count_open_fds (void)
{
  DIR *dir = opendir ("/proc/self/fd");
  guint n = 0;

  while (readdir (dir) != NULL)
    n++;
  closedir (dir);
  return n;
}

/* The frames say nothing of the descriptors that come with them. */
static void
test_too_many_descriptors_end_the_conversation (void)
{
  g_autoptr (GByteArray) stream = make_stream (1, 0, 0, 0);
  guint n_before = count_open_fds ();
  AiopoolIoStatus status = AIOPOOL_IO_OK;
  AiopoolFrame frame;
  guint n_reads = 0;
  Line line;

  line_open (&line);
  for (; status == AIOPOOL_IO_OK && n_reads < 10; n_reads++)
    {
      gsize sent;
      g_autoptr (GUnixFDList) list = g_unix_fd_list_new ();

      for (guint i = 0; i < 125; i++)
        g_unix_fd_list_append (list, line.far_fd, NULL);
      g_assert_cmpint (aiopool_channel_send (line.far_fd, stream->data, stream->len, list, &sent),
                       ==, AIOPOOL_IO_OK);
      status = aiopool_reader_fill (line.reader, FALSE);
      while (aiopool_reader_next (line.reader, &frame) == AIOPOOL_FRAME_OK)
        ;
    }
  g_assert_cmpint (status, ==, AIOPOOL_IO_END);
  g_assert_cmpuint (n_reads, ==, 5);
  line_close (&line);
  g_assert_cmpuint (count_open_fds (), ==, n_before);
}

static gboolean
is_under_valgrind (void)
{
  const char *preloaded = g_getenv ("LD_PRELOAD");

  return preloaded != NULL && strstr (preloaded, "vgpreload") != NULL;
}

/* The kernel drops descriptors for which there is no room; that must not shift the others. */
static void
test_descriptors_that_find_no_room_end_the_conversation (void)
{
  g_autoptr (GByteArray) stream = make_stream (1, 0, 0, 3);
  const int files[] = { 0, 1, 2 };
  guint n_before = count_open_fds ();
  struct rlimit old, limit;
  Line line;

  if (is_under_valgrind ())
    {
      g_test_skip ("valgrind does not tell the kernel of this limit");
      return;
    }
  line_open (&line);
  send_with_fds (&line, stream->data, stream->len, files, 3);
  g_assert_cmpint (getrlimit (RLIMIT_NOFILE, &old), ==, 0);
  limit = (struct rlimit) { (rlim_t) MAX (line.near_fd, line.far_fd) + 1, old.rlim_max };
  g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &limit), ==, 0);
  g_assert_cmpint (aiopool_reader_fill (line.reader, FALSE), ==, AIOPOOL_IO_END);
  g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &old), ==, 0);
  line_close (&line);
  g_assert_cmpuint (count_open_fds (), ==, n_before);
}

/* What the socket gave, with its last frame cut off, goes on with what lay elsewhere. */
static void
test_fed_bytes_follow_what_was_read (void)
{
  g_autoptr (GByteArray) stream = make_stream (40, 0, 39, 0);

  for (gsize cut = 0; cut <= stream->len; cut += 13)
    {
      gsize middle = cut + (stream->len - cut) / 2;
      AiopoolFrame frame;
      guint next = 0;
      Line line;

      line_open (&line);
      if (cut > 0)
        {
          send_bytes (&line, stream->data, cut);
          g_assert_cmpint (aiopool_reader_fill (line.reader, FALSE), ==, AIOPOOL_IO_OK);
        }
      aiopool_reader_feed (line.reader, stream->data + cut, middle - cut);
      while (aiopool_reader_next (line.reader, &frame) == AIOPOOL_FRAME_OK)
        check_frame (&frame, next++, 39);
      aiopool_reader_feed (line.reader, stream->data + middle, stream->len - middle);
      while (aiopool_reader_next (line.reader, &frame) == AIOPOOL_FRAME_OK)
        check_frame (&frame, next++, 39);
      g_assert_cmpuint (next, ==, 40);
      g_assert_cmpuint (aiopool_reader_get_total (line.reader), ==, stream->len);
      line_close (&line);
    }
}

static void
test_more_than_the_buffer_can_be_fed (void)
{
  g_autoptr (GByteArray) stream = make_stream (3000, 0, 200, 0);
  AiopoolFrame frame;
  guint next = 0;
  Line line;

  line_open (&line);
  aiopool_reader_feed (line.reader, stream->data, stream->len);
  while (aiopool_reader_next (line.reader, &frame) == AIOPOOL_FRAME_OK)
    check_frame (&frame, next++, 200);
  g_assert_cmpuint (next, ==, 3000);
  line_close (&line);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/reader/bytes-in-pieces-become-frames", test_bytes_in_pieces_become_frames);
  g_test_add_func ("/reader/one-read-gives-many-frames", test_one_read_gives_many_frames);
  g_test_add_func ("/reader/large-frames-are-read-whole", test_large_frames_are_read_whole);
  g_test_add_func ("/reader/end-comes-after-what-was-sent", test_end_comes_after_what_was_sent);
  g_test_add_func ("/reader/bad-frame-comes-after-the-good-ones",
                   test_bad_frame_comes_after_the_good_ones);
  g_test_add_func ("/reader/fds/come-with-their-frames", test_descriptors_come_with_their_frames);
  g_test_add_func ("/reader/fds/frame-with-missing-ones-is-bad",
                   test_frame_with_missing_descriptors_is_bad);
  g_test_add_func ("/reader/fds/of-no-frame-are-bad", test_descriptors_of_no_frame_are_bad);
  g_test_add_func ("/reader/fds/of-half-a-frame-wait-for-it",
                   test_descriptors_of_half_a_frame_wait_for_it);
  g_test_add_func ("/reader/fds/too-many-end-the-conversation",
                   test_too_many_descriptors_end_the_conversation);
  g_test_add_func ("/reader/fds/that-find-no-room-end-the-conversation",
                   test_descriptors_that_find_no_room_end_the_conversation);
  g_test_add_func ("/reader/fed-bytes-follow-what-was-read", test_fed_bytes_follow_what_was_read);
  g_test_add_func ("/reader/more-than-the-buffer-can-be-fed",
                   test_more_than_the_buffer_can_be_fed);
  return g_test_run ();
}
