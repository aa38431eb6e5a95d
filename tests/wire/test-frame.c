/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/wire/aiopool-frame-private.h"

#include <string.h>

#define HEADER AIOPOOL_FRAME_HEADER_SIZE

/* Room for a frame with a small body. Aligned, as a buffer of the reader is. */
typedef union
{
  guint64 align;
  guint8  bytes[HEADER + 256];
} Space;

static gsize
make_frame (Space  *space,
            guint8  type,
            guint32 length)
{
  memset (space->bytes, 0, sizeof space->bytes);
  aiopool_frame_header (space->bytes, type, 0, 0, 0x0123456789abcdef, length);
  for (guint i = 0; i < length; i++)
    space->bytes[HEADER + i] = (guint8) (i + 1);
  return HEADER + AIOPOOL_FRAME_PAD (length);
}

static void
test_header_comes_back (void)
{
  Space space;
  AiopoolFrame frame;
  gsize size;

  aiopool_frame_header (space.bytes, AIOPOOL_FRAME_TASK, 1, 200, G_MAXUINT64 - 1, 0);
  g_assert_cmpint (aiopool_frame_parse (space.bytes, HEADER, &frame, &size), ==, AIOPOOL_FRAME_OK);
  g_assert_cmpuint (size, ==, HEADER);
  g_assert_cmpuint (frame.type, ==, AIOPOOL_FRAME_TASK);
  g_assert_cmpuint (frame.flags, ==, 1);
  g_assert_cmpuint (frame.n_fds, ==, 200);
  g_assert_cmpuint (frame.reserved, ==, 0);
  g_assert_cmpuint (frame.id, ==, G_MAXUINT64 - 1);
  g_assert_cmpuint (frame.length, ==, 0);
  g_assert_true (frame.body == space.bytes + HEADER);
}

static void
test_body_is_found_and_padding_counted (void)
{
  for (guint32 length = 0; length <= 64; length++)
    {
      AiopoolFrame frame;
      Space space;
      gsize whole = make_frame (&space, AIOPOOL_FRAME_RESULT, length);
      gsize size;

      g_assert_cmpint (aiopool_frame_parse (space.bytes, sizeof space.bytes, &frame, &size), ==,
                       AIOPOOL_FRAME_OK);
      g_assert_cmpuint (size, ==, whole);
      g_assert_cmpuint (size % 8, ==, 0);
      g_assert_cmpuint (frame.length, ==, length);
      g_assert_cmpuint ((guintptr) frame.body % 8, ==, 0);
      g_assert_cmpmem (frame.body, frame.length, space.bytes + HEADER, length);
    }
}

/* Each prefix lies in memory of its own, so that a look behind its end is seen. */
static void
test_every_prefix_needs_more (void)
{
  const guint32 lengths[] = { 0, 1, 7, 8, 9, 100 };

  for (gsize i = 0; i < G_N_ELEMENTS (lengths); i++)
    {
      Space space;
      gsize whole = make_frame (&space, AIOPOOL_FRAME_DEFINE, lengths[i]);

      for (gsize n = 0; n < whole; n++)
        {
          g_autofree guint8 *prefix = g_memdup2 (space.bytes, n);
          AiopoolFrame frame;
          gsize size;

          g_assert_cmpint (aiopool_frame_parse (prefix, n, &frame, &size), ==, AIOPOOL_FRAME_MORE);
          g_assert_cmpuint (size, ==, n < HEADER ? 0 : whole);
        }
    }
}

static void
test_frame_follows_frame (void)
{
  g_autoptr (GByteArray) stream = g_byte_array_new ();
  gsize done = 0;

  for (guint32 length = 0; length < 50; length++)
    {
      Space space;
      gsize whole = make_frame (&space, AIOPOOL_FRAME_EMIT, length);

      g_byte_array_append (stream, space.bytes, (guint) whole);
    }
  for (guint32 length = 0; length < 50; length++)
    {
      AiopoolFrame frame;
      gsize size;

      g_assert_cmpint (aiopool_frame_parse (stream->data + done, stream->len - done, &frame, &size),
                       ==, AIOPOOL_FRAME_OK);
      g_assert_cmpuint (frame.length, ==, length);
      done += size;
    }
  g_assert_cmpuint (done, ==, stream->len);
}

typedef struct
{
  const char        *what;
  guint32            length;
  guint              type;
  guint              flags;
  guint              n_fds;
  guint              reserved;
  AiopoolFrameStatus status; /* of the header alone */
} HeaderRow;

static const HeaderRow header_rows[] = {
  { "the longest body", AIOPOOL_FRAME_MAX_BODY, AIOPOOL_FRAME_TASK, 0, 0, 0, AIOPOOL_FRAME_MORE },
  { "one byte too long", AIOPOOL_FRAME_MAX_BODY + 1, AIOPOOL_FRAME_TASK, 0, 0, 0,
    AIOPOOL_FRAME_BAD },
  { "half of all lengths", 0x80000000, AIOPOOL_FRAME_TASK, 0, 0, 0, AIOPOOL_FRAME_BAD },
  { "a length that padding makes small", G_MAXUINT32, AIOPOOL_FRAME_TASK, 0, 0, 0,
    AIOPOOL_FRAME_BAD },
  { "another of that kind", G_MAXUINT32 - 6, AIOPOOL_FRAME_TASK, 0, 0, 0, AIOPOOL_FRAME_BAD },
  { "the most descriptors", 0, AIOPOOL_FRAME_RESULT, 0, AIOPOOL_FRAME_MAX_FDS, 0,
    AIOPOOL_FRAME_OK },
  { "one descriptor too many", 0, AIOPOOL_FRAME_RESULT, 0, AIOPOOL_FRAME_MAX_FDS + 1, 0,
    AIOPOOL_FRAME_BAD },
  { "all the descriptors there are", 0, AIOPOOL_FRAME_RESULT, 0, 255, 0, AIOPOOL_FRAME_BAD },
  { "a reserved byte of one", 0, AIOPOOL_FRAME_RESULT, 0, 0, 1, AIOPOOL_FRAME_BAD },
  { "a reserved byte of 255", 0, AIOPOOL_FRAME_RESULT, 0, 0, 255, AIOPOOL_FRAME_BAD },
  { "the flag of a result", 0, AIOPOOL_FRAME_RESULT, 1, 1, 0, AIOPOOL_FRAME_OK },
  { "the flag of a release", 0, AIOPOOL_FRAME_RELEASE, 1, 0, 0, AIOPOOL_FRAME_OK },
  { "the flag of a cancel", 0, AIOPOOL_FRAME_CANCEL, 1, 0, 0, AIOPOOL_FRAME_OK },
  { "a flag that progress does not have", 0, AIOPOOL_FRAME_PROGRESS, 1, 0, 0, AIOPOOL_FRAME_BAD },
  { "the flag of a chunk", 0, AIOPOOL_FRAME_TASK, 2, 0, 0, AIOPOOL_FRAME_OK },
  { "the flag of a chunk beside the other", 0, AIOPOOL_FRAME_TASK, 3, 1, 0, AIOPOOL_FRAME_OK },
  { "the flag of shared data", 0, AIOPOOL_FRAME_TASK, 4, 0, 0, AIOPOOL_FRAME_OK },
  { "all flags of a task", 0, AIOPOOL_FRAME_TASK, 7, 1, 0, AIOPOOL_FRAME_OK },
  { "a flag that a task does not have", 0, AIOPOOL_FRAME_TASK, 8, 0, 0, AIOPOOL_FRAME_BAD },
  { "shared memory", 0, AIOPOOL_FRAME_SHARE, 1, 1, 0, AIOPOOL_FRAME_OK },
  { "a flag that sharing does not have", 0, AIOPOOL_FRAME_SHARE, 2, 0, 0, AIOPOOL_FRAME_BAD },
  { "a flag of what is shared no more", 0, AIOPOOL_FRAME_UNSHARE, 1, 0, 0, AIOPOOL_FRAME_BAD },
  { "descriptors of what is shared no more", 0, AIOPOOL_FRAME_UNSHARE, 0, 1, 0,
    AIOPOOL_FRAME_BAD },
  { "the flag of an item", 0, AIOPOOL_FRAME_RESULT, 2, 0, 0, AIOPOOL_FRAME_OK },
  { "the flag of an item that fails", 0, AIOPOOL_FRAME_ERROR, 2, 0, 0, AIOPOOL_FRAME_OK },
  { "a flag that an error does not have", 0, AIOPOOL_FRAME_ERROR, 1, 0, 0, AIOPOOL_FRAME_BAD },
  { "a flag that a partial result does not have", 0, AIOPOOL_FRAME_EMIT, 2, 0, 0,
    AIOPOOL_FRAME_BAD },
  { "a flag of items", 0, AIOPOOL_FRAME_ITEMS, 1, 0, 0, AIOPOOL_FRAME_BAD },
  { "another flag of items", 0, AIOPOOL_FRAME_ITEMS, 2, 0, 0, AIOPOOL_FRAME_BAD },
  { "descriptors of items", 0, AIOPOOL_FRAME_ITEMS, 0, 1, 0, AIOPOOL_FRAME_BAD },
  { "an unknown flag", 0, AIOPOOL_FRAME_RESULT, 4, 0, 0, AIOPOOL_FRAME_BAD },
  { "an unknown flag beside a good one", 0, AIOPOOL_FRAME_RESULT, 0x81, 1, 0, AIOPOOL_FRAME_BAD },
  { "all flags", 0, AIOPOOL_FRAME_RESULT, 0xff, 0, 0, AIOPOOL_FRAME_BAD },
  { "descriptors of an error", 0, AIOPOOL_FRAME_ERROR, 0, 1, 0, AIOPOOL_FRAME_BAD },
  { "descriptors of a release", 0, AIOPOOL_FRAME_RELEASE, 0, 1, 0, AIOPOOL_FRAME_BAD },
  { "no type", 0, 0, 0, 0, 0, AIOPOOL_FRAME_BAD },
  { "the largest type", 0, 255, 0, 0, 0, AIOPOOL_FRAME_BAD },
};

static void
test_hostile_headers_are_refused (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (header_rows); i++)
    {
      const HeaderRow *row = &header_rows[i];
      AiopoolFrame frame;
      Space space;
      gsize size = 1;

      aiopool_frame_header (space.bytes, (guint8) row->type, (guint8) row->flags,
                            (guint8) row->n_fds, 1, row->length);
      space.bytes[7] = (guint8) row->reserved;
      g_test_message ("%s", row->what);
      g_assert_cmpint (aiopool_frame_parse (space.bytes, HEADER, &frame, &size), ==, row->status);
      if (row->status == AIOPOOL_FRAME_BAD)
        g_assert_cmpuint (size, ==, 0);
    }
}

/* A bad header is refused as soon as it is there: nobody waits for 16 MiB of a bad frame. */
static void
test_bad_header_does_not_wait_for_its_body (void)
{
  AiopoolFrame frame;
  Space space;
  gsize size;

  aiopool_frame_header (space.bytes, AIOPOOL_FRAME_TASK, 0, 0, 1, AIOPOOL_FRAME_MAX_BODY + 1);
  g_assert_cmpint (aiopool_frame_parse (space.bytes, HEADER - 1, &frame, &size), ==,
                   AIOPOOL_FRAME_MORE);
  g_assert_cmpint (aiopool_frame_parse (space.bytes, HEADER, &frame, &size), ==,
                   AIOPOOL_FRAME_BAD);
}

static void
test_only_known_types_are_frames (void)
{
  const guint8 known[] = {
    AIOPOOL_FRAME_CONFIG, AIOPOOL_FRAME_DEFINE, AIOPOOL_FRAME_TASK, AIOPOOL_FRAME_HELLO,
    AIOPOOL_FRAME_RESULT, AIOPOOL_FRAME_ERROR, AIOPOOL_FRAME_PROGRESS, AIOPOOL_FRAME_EMIT,
    AIOPOOL_FRAME_REFUSE, AIOPOOL_FRAME_RELEASE, AIOPOOL_FRAME_CANCEL, AIOPOOL_FRAME_CREDIT,
    AIOPOOL_FRAME_TRIM, AIOPOOL_FRAME_TERMINATE, AIOPOOL_FRAME_UNHEARD, AIOPOOL_FRAME_LOG,
    AIOPOOL_FRAME_ITEMS, AIOPOOL_FRAME_SHARE, AIOPOOL_FRAME_UNSHARE,
  };

  for (guint type = 0; type < 256; type++)
    {
      gboolean is_known = memchr (known, (int) type, sizeof known) != NULL;
      AiopoolFrame frame;
      Space space;
      gsize whole = make_frame (&space, (guint8) type, 8);
      gsize size;

      g_assert_cmpint (aiopool_frame_parse (space.bytes, whole, &frame, &size), ==,
                       is_known ? AIOPOOL_FRAME_OK : AIOPOOL_FRAME_BAD);
    }
}

/* Whatever one byte of the header becomes, the answer is within the bytes that are there. */
static void
test_every_changed_header_byte_stays_in_range (void)
{
  Space space;
  gsize whole = make_frame (&space, AIOPOOL_FRAME_PROGRESS, 40);

  for (gsize i = 0; i < HEADER; i++)
    for (guint value = 0; value < 256; value++)
      {
        g_autofree guint8 *changed = g_memdup2 (space.bytes, whole);
        AiopoolFrame frame;
        gsize size;

        changed[i] = (guint8) value;
        if (aiopool_frame_parse (changed, whole, &frame, &size) != AIOPOOL_FRAME_OK)
          continue;
        g_assert_cmpuint (size, <=, whole);
        g_assert_true (frame.body == changed + HEADER);
        g_assert_cmpuint (frame.length, <=, whole - HEADER);
      }
}

static void
test_the_longest_frame_is_parsed (void)
{
  const gsize whole = HEADER + AIOPOOL_FRAME_MAX_BODY;
  g_autofree guint8 *data = g_malloc0 (whole);
  AiopoolFrame frame;
  gsize size;

  aiopool_frame_header (data, AIOPOOL_FRAME_RESULT, 0, 0, 1, AIOPOOL_FRAME_MAX_BODY);
  g_assert_cmpint (aiopool_frame_parse (data, whole - 1, &frame, &size), ==, AIOPOOL_FRAME_MORE);
  g_assert_cmpint (aiopool_frame_parse (data, whole, &frame, &size), ==, AIOPOOL_FRAME_OK);
  g_assert_cmpuint (size, ==, whole);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/frame/header-comes-back", test_header_comes_back);
  g_test_add_func ("/frame/body-is-found-and-padding-counted",
                   test_body_is_found_and_padding_counted);
  g_test_add_func ("/frame/every-prefix-needs-more", test_every_prefix_needs_more);
  g_test_add_func ("/frame/follows-frame", test_frame_follows_frame);
  g_test_add_func ("/frame/hostile-headers-are-refused", test_hostile_headers_are_refused);
  g_test_add_func ("/frame/bad-header-does-not-wait-for-its-body",
                   test_bad_header_does_not_wait_for_its_body);
  g_test_add_func ("/frame/only-known-types", test_only_known_types_are_frames);
  g_test_add_func ("/frame/every-changed-header-byte-stays-in-range",
                   test_every_changed_header_byte_stays_in_range);
  g_test_add_func ("/frame/the-longest-is-parsed", test_the_longest_frame_is_parsed);
  return g_test_run ();
}
