/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/wire/aiopool-channel-private.h"
#include "tests/wire/fuzz.h"

#include <string.h>

/* The input is a stream. What the parser finds in it must lie in it, and a reader that gets it in
 * pieces must find the same frames. */

/* Frames up to where the stream is bad, ends, or needs descriptors, which nobody sends here. */
static guint
count_frames (const guint8       *data,
              gsize               size,
              AiopoolFrameStatus *status)
{
  AiopoolFrame frame;
  gsize done = 0;
  gsize frame_size;
  guint n = 0;

  while ((*status = aiopool_frame_parse (data + done, size - done, &frame, &frame_size)) ==
         AIOPOOL_FRAME_OK)
    {
      g_assert_true (frame.body == data + done + AIOPOOL_FRAME_HEADER_SIZE);
      g_assert_cmpuint (frame_size, ==,
                        AIOPOOL_FRAME_HEADER_SIZE + AIOPOOL_FRAME_PAD (frame.length));
      g_assert_cmpuint (frame_size, <=, size - done);
      if (frame.n_fds > 0)
        {
          *status = AIOPOOL_FRAME_BAD;
          break;
        }
      done += frame_size;
      n++;
    }
  return n;
}

static guint
read_frames (const guint8       *data,
             gsize               size,
             gsize               piece,
             AiopoolFrameStatus *status)
{
  AiopoolReader *reader = aiopool_reader_new (-1);
  AiopoolFrame frame;
  guint n = 0;

  *status = AIOPOOL_FRAME_MORE;
  for (gsize done = 0; done < size && *status != AIOPOOL_FRAME_BAD; done += piece)
    {
      aiopool_reader_feed (reader, data + done, MIN (piece, size - done));
      while ((*status = aiopool_reader_next (reader, &frame)) == AIOPOOL_FRAME_OK)
        {
          g_autofree gpointer copy = g_memdup2 (frame.body, frame.length);

          g_assert_true (copy != NULL || frame.length == 0);
          n++;
        }
    }
  aiopool_reader_free (reader);
  return n;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  g_autofree guint8 *copy = g_malloc (MAX (size, 1));
  const gsize pieces[] = { size + 1, 1 + size % 61 };
  AiopoolFrameStatus status, reader_status;
  guint n_frames;

  if (size > 0)
    memcpy (copy, data, size);
  n_frames = count_frames (copy, size, &status);
  for (gsize i = 0; i < G_N_ELEMENTS (pieces); i++)
    {
      g_assert_cmpuint (read_frames (copy, size, pieces[i], &reader_status), ==, n_frames);
      g_assert_cmpint (reader_status, ==, status);
    }
  return 0;
}
