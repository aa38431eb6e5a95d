/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/wire/aiopool-channel-private.h"

#include <dirent.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEADER AIOPOOL_FRAME_HEADER_SIZE

/* The writer has one end of a socketpair that takes little, a reader the other. */
typedef struct
{
  int            near_fd;
  int            far_fd;
  AiopoolWriter *writer;
  AiopoolReader *reader;
  guint          n_written;   /* frames */
  guint          n_read;
  guint          n_fds_read;
} Line;

static void
line_open (Line *line)
{
  const int small = 4096;
  int fds[2];

  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
  g_assert_cmpint (setsockopt (fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small), ==, 0);
  *line = (Line) { fds[0], fds[1], aiopool_writer_new (fds[0]), aiopool_reader_new (fds[1]) };
}

static void
line_close (Line *line)
{
  aiopool_writer_free (line->writer);
  aiopool_reader_free (line->reader);
  close (line->near_fd);
  if (line->far_fd >= 0)
    close (line->far_fd);
}

static int
make_file (guint number)
{
  int fd = memfd_create ("test", MFD_CLOEXEC);

  g_assert_cmpint (pwrite (fd, &number, sizeof number, 0), ==, sizeof number);
  return fd;
}

/* Frame i has i as its id, i in its body and in its files, to be recognised by. */
static void
write_frame (Line    *line,
             guint32  length,
             guint8   n_fds)
{
  guint i = line->n_written++;
  gsize size = HEADER + AIOPOOL_FRAME_PAD (length);
  guint8 *out;

  if (n_fds > 0)
    {
      GUnixFDList *list = g_unix_fd_list_new ();

      for (guint8 k = 0; k < n_fds; k++)
        {
          int fd = make_file (i);

          g_assert_cmpint (g_unix_fd_list_append (list, fd, NULL), ==, k);
          close (fd);
        }
      aiopool_writer_attach (line->writer, list);
    }
  out = aiopool_writer_reserve (line->writer, size);
  memset (out, (int) (i & 0xff), size);
  aiopool_frame_header (out, AIOPOOL_FRAME_TASK, 0, n_fds, i, length);
}

static void
check_files (Line               *line,
             const AiopoolFrame *frame)
{
  g_autoptr (GUnixFDList) list = aiopool_reader_take_fds (line->reader, frame->n_fds);
  const int *fds;
  int n_fds = 0;

  fds = list != NULL ? g_unix_fd_list_peek_fds (list, &n_fds) : NULL;
  g_assert_cmpint (n_fds, ==, frame->n_fds);
  for (int k = 0; k < n_fds; k++)
    {
      guint content;

      g_assert_cmpint (pread (fds[k], &content, sizeof content, 0), ==, sizeof content);
      g_assert_cmpuint (content, ==, frame->id);
      line->n_fds_read++;
    }
}

/* One read, and all frames that it completes. FALSE if there was nothing. */
static gboolean
read_some (Line *line)
{
  AiopoolFrame frame;
  AiopoolFrameStatus status;

  if (aiopool_reader_fill (line->reader, FALSE) != AIOPOOL_IO_OK)
    return FALSE;
  while ((status = aiopool_reader_next (line->reader, &frame)) == AIOPOOL_FRAME_OK)
    {
      g_assert_cmpuint (frame.id, ==, line->n_read);
      for (guint32 j = 0; j < frame.length; j++)
        g_assert_cmpuint (frame.body[j], ==, frame.id & 0xff);
      check_files (line, &frame);
      line->n_read++;
    }
  g_assert_cmpint (status, ==, AIOPOOL_FRAME_MORE);
  return TRUE;
}

/* Reads and writes in turn until all is through. Returns how often the socket was full. */
static guint
flush_all (Line *line)
{
  AiopoolIoStatus status;
  guint n_full = 0;

  while ((status = aiopool_writer_flush (line->writer)) == AIOPOOL_IO_AGAIN)
    {
      g_assert_cmpuint (aiopool_writer_get_size (line->writer), >, 0);
      n_full++;
      g_assert_true (read_some (line));
    }
  g_assert_cmpint (status, ==, AIOPOOL_IO_OK);
  g_assert_cmpuint (aiopool_writer_get_size (line->writer), ==, 0);
  while (read_some (line))
    ;
  return n_full;
}

static void
test_frames_wait_until_they_are_flushed (void)
{
  Line line;

  line_open (&line);
  write_frame (&line, 8, 0);
  write_frame (&line, 100, 0);
  g_assert_cmpuint (aiopool_writer_get_size (line.writer), ==, HEADER + 8 + HEADER + 104);
  g_assert_false (read_some (&line));
  g_assert_cmpint (aiopool_writer_flush (line.writer), ==, AIOPOOL_IO_OK);
  g_assert_cmpuint (aiopool_writer_get_size (line.writer), ==, 0);
  g_assert_true (read_some (&line));
  g_assert_cmpuint (line.n_read, ==, 2);
  line_close (&line);
}

static void
test_flush_of_nothing_is_done (void)
{
  Line line;

  line_open (&line);
  for (int i = 0; i < 3; i++)
    g_assert_cmpint (aiopool_writer_flush (line.writer), ==, AIOPOOL_IO_OK);
  g_assert_false (read_some (&line));
  line_close (&line);
}

static void
test_full_socket_is_gone_on_with (void)
{
  Line line;

  line_open (&line);
  for (guint i = 0; i < 2000; i++)
    write_frame (&line, i % 500, 0);
  g_assert_cmpuint (flush_all (&line), >, 10);
  g_assert_cmpuint (line.n_read, ==, 2000);
  line_close (&line);
}

static void
test_large_frame_goes_in_pieces (void)
{
  Line line;

  line_open (&line);
  write_frame (&line, 1, 0);
  write_frame (&line, 3 * 1024 * 1024, 0);
  write_frame (&line, 2, 0);
  g_assert_cmpuint (flush_all (&line), >, 10);
  g_assert_cmpuint (line.n_read, ==, 3);
  line_close (&line);
}

static void
test_frames_may_be_added_behind_a_full_socket (void)
{
  Line line;
  guint n_full = 0;

  line_open (&line);
  for (guint i = 0; i < 3000; i++)
    {
      write_frame (&line, i * 7 % 900, (guint8) (i % 11 == 0));
      if (aiopool_writer_flush (line.writer) == AIOPOOL_IO_AGAIN && ++n_full % 3 == 0)
        read_some (&line);
    }
  flush_all (&line);
  g_assert_cmpuint (n_full, >, 100);
  g_assert_cmpuint (line.n_read, ==, 3000);
  g_assert_cmpuint (line.n_fds_read, ==, 3000 / 11 + 1);
  line_close (&line);
}

/* In one flush, each with 0 to 3 descriptors, neighbours with and without. */
static void
test_attachments_stay_with_their_frames (void)
{
  for (guint seed = 1; seed < 20; seed++)
    {
      guint n_fds = 0;
      Line line;

      line_open (&line);
      for (guint i = 0; i < 100; i++)
        {
          guint8 n = (guint8) ((i * seed) % 7 < 3 ? (i * seed) % 4 : 0);

          write_frame (&line, i * seed % 300, n);
          n_fds += n;
        }
      flush_all (&line);
      g_assert_cmpuint (line.n_read, ==, 100);
      g_assert_cmpuint (line.n_fds_read, ==, n_fds);
      line_close (&line);
    }
}

static void
test_attachment_of_a_blocked_frame_waits_with_it (void)
{
  Line line;

  line_open (&line);
  do
    write_frame (&line, 1000, 0);
  while (aiopool_writer_flush (line.writer) == AIOPOOL_IO_OK);
  write_frame (&line, 0, 2);
  write_frame (&line, 100 * 1000, 1);
  write_frame (&line, 5, 3);
  g_assert_cmpint (aiopool_writer_flush (line.writer), ==, AIOPOOL_IO_AGAIN);
  flush_all (&line);
  g_assert_cmpuint (line.n_read, ==, line.n_written);
  g_assert_cmpuint (line.n_fds_read, ==, 6);
  line_close (&line);
}

static void
test_the_most_descriptors_go_with_one_frame (void)
{
  Line line;

  line_open (&line);
  write_frame (&line, 0, 0);
  write_frame (&line, 10, AIOPOOL_FRAME_MAX_FDS);
  write_frame (&line, 0, AIOPOOL_FRAME_MAX_FDS);
  flush_all (&line);
  g_assert_cmpuint (line.n_read, ==, 3);
  g_assert_cmpuint (line.n_fds_read, ==, 2 * AIOPOOL_FRAME_MAX_FDS);
  line_close (&line);
}

static void
test_other_end_gone_is_the_end_and_no_signal (void)
{
  gsize sent = 1;
  Line line;

  line_open (&line);
  close (line.far_fd);
  line.far_fd = -1;
  write_frame (&line, 10, 1);
  g_assert_cmpint (aiopool_writer_flush (line.writer), ==, AIOPOOL_IO_END);
  g_assert_cmpint (aiopool_writer_flush (line.writer), ==, AIOPOOL_IO_END);
  g_assert_cmpint (aiopool_channel_send (line.near_fd, (const guint8 *) "x", 1, NULL, &sent), ==,
                   AIOPOOL_IO_END);
  g_assert_cmpuint (sent, ==, 0);
  line_close (&line);
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

static void
test_writer_closes_what_it_did_not_send (void)
{
  guint n_before = count_open_fds ();
  Line line;

  line_open (&line);
  write_frame (&line, 10, 3);
  g_assert_cmpint (aiopool_writer_flush (line.writer), ==, AIOPOOL_IO_OK);
  write_frame (&line, 10, 5);
  write_frame (&line, 10, 2);
  line_close (&line);
  g_assert_cmpuint (count_open_fds (), ==, n_before);
}

/* A socket that is always full must not make the writer keep all that ever went through it. The
 * addresses that it gives out show how large its memory is. */
static void
test_writer_that_is_never_empty_does_not_grow (void)
{
  guintptr lowest = UINTPTR_MAX;
  guintptr highest = 0;
  gsize n_bytes = 0;
  Line line;

  line_open (&line);
  for (guint i = 0; n_bytes < 64 * 1024 * 1024; i++)
    {
      guintptr address;

      while (aiopool_writer_get_size (line.writer) < 200 * 1024)
        write_frame (&line, 8 * 1024, (guint8) (i % 100 == 0));
      g_assert_cmpint (aiopool_writer_flush (line.writer), ==, AIOPOOL_IO_AGAIN);
      g_assert_true (read_some (&line));
      n_bytes = aiopool_reader_get_total (line.reader);
      if (n_bytes < 4 * 1024 * 1024)
        continue;
      address = (guintptr) aiopool_writer_reserve (line.writer, 0);
      lowest = MIN (lowest, address);
      highest = MAX (highest, address);
    }
  g_assert_cmpuint (highest - lowest, <, 2 * 1024 * 1024);
  flush_all (&line);
  g_assert_cmpuint (line.n_read, ==, line.n_written);
  line_close (&line);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/writer/frames-wait-until-they-are-flushed",
                   test_frames_wait_until_they_are_flushed);
  g_test_add_func ("/writer/flush-of-nothing-is-done", test_flush_of_nothing_is_done);
  g_test_add_func ("/writer/full-socket-is-gone-on-with", test_full_socket_is_gone_on_with);
  g_test_add_func ("/writer/large-frame-goes-in-pieces", test_large_frame_goes_in_pieces);
  g_test_add_func ("/writer/frames-may-be-added-behind-a-full-socket",
                   test_frames_may_be_added_behind_a_full_socket);
  g_test_add_func ("/writer/fds/stay-with-their-frames", test_attachments_stay_with_their_frames);
  g_test_add_func ("/writer/fds/of-a-blocked-frame-wait-with-it",
                   test_attachment_of_a_blocked_frame_waits_with_it);
  g_test_add_func ("/writer/fds/the-most-go-with-one-frame",
                   test_the_most_descriptors_go_with_one_frame);
  g_test_add_func ("/writer/other-end-gone-is-the-end-and-no-signal",
                   test_other_end_gone_is_the_end_and_no_signal);
  g_test_add_func ("/writer/closes-what-it-did-not-send",
                   test_writer_closes_what_it_did_not_send);
  g_test_add_func ("/writer/that-is-never-empty-does-not-grow",
                   test_writer_that_is_never_empty_does_not_grow);
  return g_test_run ();
}
