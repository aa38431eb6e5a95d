/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/wire/aiopool-remote-error-private.h"
#include "aiopool/wire/aiopool-worker-fds-private.h"
#include "tests/workers/fake.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* Steps of a fake worker that wants to harm its parent: more than there is room for, what is not
 * what it says, and floods, from a worker that never reads. */

#define PAGE_SIZE (36864 + AIOPOOL_STATUS_OUTBOX_SIZE)
#define FOREVER   G_MAXINT

/* Until the test goes on: it makes the file FLAG-FILE.go. */
static void
do_hold (Fake       *self,
         const char *argument)
{
  g_autofree char *path = g_strconcat (self->flag, ".go", NULL);

  while (access (path, F_OK) != 0)
    g_usleep (500);
}

/* The next process does the same. */
static void
do_again (Fake       *self,
          const char *argument)
{
  if (!g_file_set_contents (self->flag, "", 0, NULL))
    exit (9);
}

static void
put (guint8     *frame,
     gsize       at,
     guint64     value,
     gsize       width)
{
  memcpy (frame + AIOPOOL_FRAME_HEADER_SIZE + at, &value, width);
}

/* Where a result has what is patched here. */
enum
{
  AT_FORMAT = 16,
  AT_ZERO = 18,
  AT_TYPE_SIZE = 20,
  AT_SIZE = 24,
  AT_SEGMENT = 32
};

/* (what): a result with something negative, or that should not be there. */
static void
do_patch (Fake       *self,
          const char *argument)
{
  static const struct { const char *name; gsize at, width; guint64 value; } patches[] = {
    { "negative-size", AT_SIZE, 8, G_MAXUINT64 }, { "negative-type", AT_TYPE_SIZE, 4, G_MAXUINT32 },
    { "least-size", AT_SIZE, 8, (guint64) 1 << 63 }, { "format", AT_FORMAT, 1, 200 },
    { "zero", AT_ZERO, 2, 1 }, { "segment", AT_SEGMENT, 8, 5 },
  };
  gsize size;
  g_autofree guint8 *frame = build_result (self->id, &size);

  for (guint i = 0; i < G_N_ELEMENTS (patches); i++)
    {
      if (g_str_equal (argument, patches[i].name))
        put (frame, patches[i].at, patches[i].value, patches[i].width);
    }
  write_all (self, frame, size, -1);
}

/* (n): a result that is so many bytes shorter than it says inside. */
static void
do_cut (Fake       *self,
        const char *argument)
{
  gsize size;
  g_autofree guint8 *frame = build_result (self->id, &size);
  guint32 length = (guint32) (size - AIOPOOL_FRAME_HEADER_SIZE) - (guint32) atoi (argument);

  memcpy (frame, &length, sizeof length);
  write_all (self, frame, AIOPOOL_FRAME_HEADER_SIZE + AIOPOOL_FRAME_PAD (length), -1);
}

/* (flags): a result that has them. */
static void
do_flags (Fake       *self,
          const char *argument)
{
  gsize size;
  g_autofree guint8 *frame = build_result (self->id, &size);

  frame[5] = (guint8) atoi (argument);
  write_all (self, frame, size, -1);
}

static GUnixFDList *
new_descriptors (int n)
{
  GUnixFDList *list = g_unix_fd_list_new ();

  for (int i = 0; i < n; i++)
    {
      if (g_unix_fd_list_append (list, STDIN_FILENO, NULL) < 0)
        exit (9);
    }
  return list;
}

/* (n): a report of progress that comes with so many descriptors and says nothing of them. */
static void
do_strays (Fake       *self,
           const char *argument)
{
  g_autoptr (GUnixFDList) fds = new_descriptors (atoi (argument));
  AiopoolProgressMessage message = { 0.5, "text", 4 };
  guint8 frame[64] = { 0 };

  aiopool_message_write_progress (frame, self->id, &message);
  write_with_fds (self, frame, aiopool_message_progress_size (&message), fds);
}

/* (n): a result that never ends, with so many descriptors for every few bytes of it. */
static void
do_flood_fds (Fake       *self,
              const char *argument)
{
  g_autoptr (GUnixFDList) fds = new_descriptors (atoi (argument));
  guint8 zeros[64] = { 0 };

  send_header (self, AIOPOOL_FRAME_RESULT, 0, self->id, AIOPOOL_FRAME_MAX_BODY);
  for (int i = 0; i < FOREVER; i++)
    write_with_fds (self, zeros, sizeof zeros, fds);
}

/* (how): memory that changes after it was sent. */
static void
do_shrink (Fake       *self,
           const char *argument)
{
  gboolean is_segment = g_str_equal (argument, "segment");
  int fd = new_memfd (1 << 20, F_SEAL_GROW);

  send_large (self, is_segment ? AIOPOOL_TRANSPORT_SEGMENT : AIOPOOL_TRANSPORT_MEMFD,
              is_segment ? 5 : 0, 1 << 20, dup (fd));
  if (ftruncate (fd, 0) != 0)
    exit (9);
}

static void
send_variant (Fake       *self,
              const char *type,
              const void *data,
              gsize       size)
{
  gint64 now = g_get_monotonic_time ();
  AiopoolResultMessage message = { .started = now, .ended = now };
  g_autofree guint8 *frame = NULL;

  message.value.view = (AiopoolPayloadView) { AIOPOOL_FORMAT_GVARIANT, type, data, size };
  frame = g_malloc0 (aiopool_message_result_size (&message));
  aiopool_message_write_result (frame, self->id, 0, &message);
  write_all (self, frame, aiopool_message_result_size (&message), -1);
}

/* (type): a result of that type whose bytes are not in normal form. */
static void
do_odd (Fake       *self,
        const char *argument)
{
  guint8 ones[64];

  memset (ones, 0xff, sizeof ones);
  send_variant (self, argument, ones, sizeof ones - 1);
}

/* (how): what the page is filled with. */
static void
do_page (Fake       *self,
         const char *argument)
{
  guint8 *page = aiopool_status_page_get_outbox (self->page) - 36864;

  if (g_str_equal (argument, "ones"))
    memset (page, 0xff, PAGE_SIZE);
  else if (g_str_equal (argument, "zeros"))
    memset (page, 0, PAGE_SIZE);
  else if (ftruncate (AIOPOOL_FD_STATUS, 0) == 0 || ftruncate (AIOPOOL_FD_STATUS, 1 << 24) == 0)
    exit (9); /* the parent would have gone by SIGBUS */
}

/* (type): a frame as long as one may be, of zeros. */
static void
do_longest (Fake       *self,
            const char *argument)
{
  g_autofree guint8 *zeros = g_malloc0 (AIOPOOL_FRAME_MAX_BODY);

  send_header (self, (guint8) atoi (argument), 0, self->id, AIOPOOL_FRAME_MAX_BODY);
  write_all (self, zeros, AIOPOOL_FRAME_MAX_BODY, -1);
}

/* So many of one frame. */
static void
flood (Fake         *self,
       const guint8 *frame,
       gsize         size,
       int           n)
{
  for (int i = 0; i < n; i++)
    write_all (self, frame, size, -1);
}

/* (size): reports of progress without end, with so long a text. */
static void
do_flood_progress (Fake       *self,
                   const char *argument)
{
  gsize size = (gsize) atoi (argument);
  g_autofree char *text = g_malloc (size + 1);
  AiopoolProgressMessage message = { 0.5, text, size };
  g_autofree guint8 *frame = g_malloc0 (aiopool_message_progress_size (&message));

  memset (text, 'x', size);
  aiopool_message_write_progress (frame, self->id, &message);
  flood (self, frame, aiopool_message_progress_size (&message), FOREVER);
}

/* (type): frames without a body on the control socket, without end. */
static void
do_flood_control (Fake       *self,
                  const char *argument)
{
  guint8 header[AIOPOOL_FRAME_HEADER_SIZE];

  aiopool_frame_header (header, (guint8) atoi (argument), 0, 0, self->id, 0);
  for (int i = 0; i < FOREVER; i++)
    send (AIOPOOL_FD_CONTROL, header, sizeof header, MSG_NOSIGNAL);
}

/* (type): frames without a body on the data socket, without end. */
static void
do_flood_frames (Fake       *self,
                 const char *argument)
{
  guint8 header[AIOPOOL_FRAME_HEADER_SIZE];

  aiopool_frame_header (header, (guint8) atoi (argument), 0, 0, self->id, 0);
  flood (self, header, sizeof header, FOREVER);
}

static AiopoolErrorInfo *
new_chain (guint number)
{
  g_autoptr (AiopoolErrorInfo) cause = NULL;

  for (guint i = 0; i < 16; i++)
    {
      g_autofree char *name = g_strdup_printf ("hostile-type-%u-%u", number, i);
      AiopoolErrorInfo *info = aiopool_error_info_new (name, name);

      aiopool_error_info_set_cause (info, cause);
      g_set_object (&cause, info);
      g_object_unref (info);
    }
  return g_steal_pointer (&cause);
}

static void
send_error (Fake  *self,
            guint  number)
{
  g_autofree char *domain = g_strdup_printf ("hostile-domain-%u", number);
  g_autoptr (AiopoolErrorInfo) info = new_chain (number);
  GError error = { g_quark_from_string (domain), (int) number, domain };
  g_autoptr (GVariant) encoded = aiopool_remote_error_encode (&error, info);
  AiopoolErrorMessage message = { .error = g_variant_get_data (encoded) };
  g_autofree guint8 *frame = NULL;

  message.error_size = g_variant_get_size (encoded);
  frame = g_malloc0 (aiopool_message_error_size (&message));
  aiopool_message_write_error (frame, self->id, &message);
  write_all (self, frame, aiopool_message_error_size (&message), -1);
}

/* Every task fails with an error of a domain of its own, and names that nobody has. */
static void
do_errors (Fake       *self,
           const char *argument)
{
  guint number = 0;

  while (next_task (self))
    {
      if (aiopool_status_page_start (self->page, self->id, g_get_monotonic_time ()))
        send_error (self, number++);
    }
  exit (0);
}

/* (n): begins so many items. */
static void
do_claim (Fake       *self,
          const char *argument)
{
  guint32 index;

  for (int i = atoi (argument); i > 0; i--)
    {
      if (!aiopool_status_page_claim_item (self->page, self->id, g_get_monotonic_time (), &index))
        exit (8);
    }
}

/* Results of @n items, with an array of @n_values bytes, each of them no boolean. */
void
send_items (Fake  *self,
            guint  first,
            guint  n,
            guint  n_values)
{
  g_autofree guint8 *values = g_malloc (n_values + 1);
  g_autofree guint8 *run_times = g_malloc0 (n * sizeof (guint32));
  AiopoolItemsMessage message = {
    .first = first, .n = n, .started = g_get_monotonic_time (), .run_times = run_times,
    .values = { AIOPOOL_FORMAT_GVARIANT, "ab", values, n_values },
  };
  gsize size = aiopool_message_items_size (&message);
  g_autofree guint8 *frame = g_malloc0 (size);

  memset (values, 0xff, n_values + 1);
  aiopool_message_write_items (frame, self->id, &message);
  write_all (self, frame, size, -1);
}

/* (first,n[,n-values]) */
static void
do_items (Fake       *self,
          const char *argument)
{
  g_auto (GStrv) numbers = g_strsplit (argument, ",", 3);
  guint n = (guint) atoi (numbers[1]);

  send_items (self, (guint) atoi (numbers[0]), n,
              numbers[2] != NULL ? (guint) atoi (numbers[2]) : n);
}

/* (index): a result of 7 of one item. */
static void
do_item (Fake       *self,
         const char *argument)
{
  static const gint32 seven = 7;
  gint64 now = g_get_monotonic_time ();
  AiopoolResultMessage message = { .started = now, .ended = now, .is_item = TRUE };
  g_autofree guint8 *frame = NULL;

  message.index = (guint32) atoi (argument);
  message.value.view = (AiopoolPayloadView) { AIOPOOL_FORMAT_GVARIANT, "i", &seven, sizeof seven };
  frame = g_malloc0 (aiopool_message_result_size (&message));
  aiopool_message_write_result (frame, self->id, 0, &message);
  write_all (self, frame, aiopool_message_result_size (&message), -1);
}

static void
do_error (Fake       *self,
          const char *argument)
{
  send_error (self, 1);
}

const Step hostile_steps[] = {
  { "hold", do_hold }, { "again", do_again }, { "patch", do_patch }, { "cut", do_cut },
  { "flags", do_flags }, { "strays", do_strays }, { "flood-fds", do_flood_fds },
  { "shrink", do_shrink }, { "odd", do_odd }, { "page", do_page }, { "longest", do_longest },
  { "flood-progress", do_flood_progress }, { "flood-control", do_flood_control },
  { "flood-frames", do_flood_frames }, { "errors", do_errors }, { "error", do_error },
  { "claim", do_claim }, { "items", do_items }, { "item", do_item }, { NULL, NULL },
};
