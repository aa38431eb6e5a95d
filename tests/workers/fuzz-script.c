/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tests/workers/fuzz-script.h"

#include "aiopool/wire/aiopool-channel-private.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* What the fuzz targets of the parent's side and of the worker's side share.
 *
 * A script is steps of four bytes, what, how and a length of two bytes, and so many bytes. */

#define HEAD    4
#define MAX_FDS 253 /* SCM_MAX_FD */

/* FALSE at the end. */
gboolean
fuzz_script_next (FuzzScript *self,
                  guint       n_kinds,
                  FuzzStep   *step)
{
  if (self->size < HEAD)
    return FALSE;
  step->what = self->data[0] % n_kinds;
  step->how = self->data[1];
  step->size = MIN ((gsize) self->data[2] | (gsize) self->data[3] << 8, self->size - HEAD);
  step->data = self->data + HEAD;
  self->data += HEAD + step->size;
  self->size -= HEAD + step->size;
  return TRUE;
}

static int
new_memfd (gsize size,
           int   seals)
{
  int fd = memfd_create ("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);

  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (ftruncate (fd, (off_t) size), ==, 0);
  g_assert_cmpint (fcntl (fd, F_ADD_SEALS, seals), ==, 0);
  return fd;
}

static int
new_pipe_end (void)
{
  int fds[2];

  g_assert_cmpint (pipe2 (fds, O_CLOEXEC), ==, 0);
  close (fds[1]);
  return fds[0];
}

static int
new_descriptor (guint kind)
{
  const int all = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;

  switch (kind)
    {
    case 0:
      return new_memfd (4096, all);
    case 1:
      return new_memfd (4096, F_SEAL_SHRINK);
    case 2:
      return new_memfd (4096, 0);
    case 3:
      return new_memfd (4096, F_SEAL_SHRINK | F_SEAL_GROW);
    case 4:
      return new_memfd (256 * 1024, all);
    case 5:
      return new_memfd (0, all);
    case 6:
      return new_pipe_end ();
    default:
      return open ("/dev/null", O_RDWR | O_CLOEXEC);
    }
}

/* Memory of several kinds, and what is none: three bits say which, the others how many. */
GUnixFDList *
fuzz_descriptors (guint how)
{
  static int known[8] = { -1, -1, -1, -1, -1, -1, -1, -1 };
  guint kind = how % G_N_ELEMENTS (known);
  guint n = how / G_N_ELEMENTS (known);
  int *fds = &known[kind];
  int list[MAX_FDS];

  if (*fds < 0)
    *fds = new_descriptor (kind);
  n = n < 30 ? n + 1 : n < 31 ? 250 : MAX_FDS;
  for (guint i = 0; i < n; i++)
    {
      list[i] = fcntl (*fds, F_DUPFD_CLOEXEC, 3);
      g_assert_cmpint (list[i], >=, 0);
    }
  return g_unix_fd_list_new_from_array (list, (int) n);
}

/* As much as the socket takes. */
void
fuzz_send (int           fd,
           const guint8 *data,
           gsize         size,
           GUnixFDList  *fds)
{
  gsize sent;

  if (size > 0)
    aiopool_channel_send (fd, data, size, fds, &sent);
}

/* Bytes over a page that both sides see: four say where. */
void
fuzz_write_over (guint8         *page,
                 gsize           page_size,
                 const FuzzStep *step)
{
  guint32 offset;
  gsize size;

  if (step->size < sizeof offset)
    return;
  memcpy (&offset, step->data, sizeof offset);
  offset %= (guint32) page_size;
  size = MIN (step->size - sizeof offset, page_size - offset);
  memcpy (page + offset, step->data + sizeof offset, size);
}

/* The first number that is free tells whether fewer are than before. */
static int
first_free (void)
{
  int fd = fcntl (STDERR_FILENO, F_DUPFD_CLOEXEC, 0);

  g_assert_cmpint (fd, >=, 0);
  close (fd);
  return fd;
}

static int noted;

/* Before an input: a fuzzer may open some between them. */
void
fuzz_note_descriptors (void)
{
  for (guint i = 0; i < 8; i++)
    {
      if (noted == 0)
        g_object_unref (fuzz_descriptors (i));
    }
  noted = first_free ();
}

/* For a person who looks for the reason. */
static void
describe_descriptors (void)
{
  for (int fd = 0; fd <= first_free (); fd++)
    {
      g_autofree char *path = g_strdup_printf ("/proc/self/fd/%d", fd);
      g_autofree char *target = g_file_read_link (path, NULL);

      g_printerr ("%d %s\n", fd, target != NULL ? target : "none");
    }
}

void
fuzz_expect_descriptors (void)
{
  if (first_free () != noted)
    describe_descriptors ();
  g_assert_cmpint (first_free (), ==, noted);
}
