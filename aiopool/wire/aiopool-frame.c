/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/wire/aiopool-frame-private.h"

#include <string.h>

/* A frame is a header of 16 bytes and a body padded to 8: length, type, flags, number of
 * descriptors, one byte of zero, id. Both ends are on one machine, so integers are in its order.
 *
 * The parser is pure: it looks at what is there and says whether that is a frame, the beginning of
 * one, or neither. The limit is checked as soon as the header is complete. */

static gboolean
is_known (guint8 type)
{
  return (type >= AIOPOOL_FRAME_CONFIG && type <= AIOPOOL_FRAME_UNSHARE) ||
         (type >= AIOPOOL_FRAME_HELLO && type <= AIOPOOL_FRAME_ITEMS) ||
         (type >= AIOPOOL_FRAME_CANCEL && type <= AIOPOOL_FRAME_TERMINATE) ||
         type == AIOPOOL_FRAME_UNHEARD;
}

static gboolean
carries_value (guint8 type)
{
  return type == AIOPOOL_FRAME_TASK || type == AIOPOOL_FRAME_SHARE ||
         type == AIOPOOL_FRAME_RESULT || type == AIOPOOL_FRAME_EMIT;
}

static guint8
flags_of (guint8 type)
{
  switch (type)
    {
    case AIOPOOL_FRAME_TASK:
      return 7;
    case AIOPOOL_FRAME_RESULT:
      return 3;
    case AIOPOOL_FRAME_ERROR:
      return 2;
    case AIOPOOL_FRAME_SHARE:
    case AIOPOOL_FRAME_EMIT:
    case AIOPOOL_FRAME_RELEASE:
    case AIOPOOL_FRAME_CANCEL:
      return 1;
    default:
      return 0;
    }
}

/* Each type has its flags; descriptors go with values alone. */
static gboolean
may_have (guint8 type,
          guint8 flags,
          guint8 n_fds)
{
  if (n_fds > 0 && (n_fds > AIOPOOL_FRAME_MAX_FDS || !carries_value (type)))
    return FALSE;
  return (flags & ~flags_of (type)) == 0;
}

/* @frame_size is set once the header is complete: the bytes that the whole frame takes. */
AiopoolFrameStatus
aiopool_frame_parse (const guint8 *data,
                     gsize         size,
                     AiopoolFrame *frame,
                     gsize        *frame_size)
{
  *frame_size = 0;
  if (size < AIOPOOL_FRAME_HEADER_SIZE)
    return AIOPOOL_FRAME_MORE;
  memcpy (&frame->length, data, sizeof frame->length);
  frame->type = data[4];
  frame->flags = data[5];
  frame->n_fds = data[6];
  frame->reserved = data[7];
  memcpy (&frame->id, data + 8, sizeof frame->id);
  if (frame->length > AIOPOOL_FRAME_MAX_BODY || frame->reserved != 0 || !is_known (frame->type) ||
      !may_have (frame->type, frame->flags, frame->n_fds))
    return AIOPOOL_FRAME_BAD;
  *frame_size = AIOPOOL_FRAME_HEADER_SIZE + AIOPOOL_FRAME_PAD (frame->length);
  if (size < *frame_size)
    return AIOPOOL_FRAME_MORE;
  frame->body = data + AIOPOOL_FRAME_HEADER_SIZE;
  return AIOPOOL_FRAME_OK;
}

void
aiopool_frame_header (guint8  *out,
                      guint8   type,
                      guint8   flags,
                      guint8   n_fds,
                      guint64  id,
                      guint32  length)
{
  memcpy (out, &length, sizeof length);
  out[4] = type;
  out[5] = flags;
  out[6] = n_fds;
  out[7] = 0;
  memcpy (out + 8, &id, sizeof id);
}
