/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tests/wire/fuzz.h"
#include "tests/wire/samples.h"

#include <string.h>

#define HEADER AIOPOOL_FRAME_HEADER_SIZE

/* The input is a frame, which goes to every parser as it is, and once more with a header that is
 * made good where the parser of frames would stop at it. parse_any() checks what they answer. */

static void
try_frame (const guint8 *data,
           gsize         size)
{
  AiopoolFrame frame;
  gsize frame_size;

  if (aiopool_frame_parse (data, size, &frame, &frame_size) == AIOPOOL_FRAME_OK)
    parse_any (&frame);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  g_autofree guint8 *copy = NULL;
  guint32 length;

  if (size < HEADER || size > HEADER + AIOPOOL_FRAME_MAX_BODY)
    return 0;
  length = (guint32) (size - HEADER);
  copy = g_malloc0 (HEADER + AIOPOOL_FRAME_PAD (length));
  memcpy (copy, data, size);
  try_frame (copy, HEADER + AIOPOOL_FRAME_PAD (length));
  memcpy (copy, &length, sizeof length);
  copy[7] = 0;
  try_frame (copy, HEADER + AIOPOOL_FRAME_PAD (length));
  return 0;
}
