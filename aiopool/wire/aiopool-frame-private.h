/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define AIOPOOL_PROTOCOL_VERSION 1

#define AIOPOOL_FRAME_HEADER_SIZE 16
#define AIOPOOL_FRAME_MAX_BODY    (16u * 1024 * 1024) /* bytes; larger values leave the stream */
#define AIOPOOL_FRAME_MEMORY_FD   1                   /* flag: the first descriptor is a value's */
#define AIOPOOL_FRAME_CHUNK       2                   /* flag of a TASK: the argument is an array */
#define AIOPOOL_FRAME_SHARED      4                   /* flag of a TASK: it has shared data */
#define AIOPOOL_FRAME_ITEM        2                   /* flag of a RESULT or ERROR: of one item */
#define AIOPOOL_FRAME_MAX_FDS     250                 /* the kernel takes 253 in one message */

typedef enum
{
  AIOPOOL_FRAME_CONFIG = 1,      /* parent to worker, data */
  AIOPOOL_FRAME_DEFINE = 2,
  AIOPOOL_FRAME_TASK = 3,
  AIOPOOL_FRAME_SHARE = 4,
  AIOPOOL_FRAME_UNSHARE = 5,
  AIOPOOL_FRAME_HELLO = 16,      /* worker to parent, data */
  AIOPOOL_FRAME_RESULT = 17,
  AIOPOOL_FRAME_ERROR = 18,
  AIOPOOL_FRAME_PROGRESS = 19,
  AIOPOOL_FRAME_EMIT = 20,
  AIOPOOL_FRAME_LOG = 21,
  AIOPOOL_FRAME_REFUSE = 22,
  AIOPOOL_FRAME_RELEASE = 23,    /* both ways */
  AIOPOOL_FRAME_ITEMS = 24,      /* worker to parent, data */
  AIOPOOL_FRAME_CANCEL = 32,     /* parent to worker, control */
  AIOPOOL_FRAME_CREDIT = 33,
  AIOPOOL_FRAME_TRIM = 34,
  AIOPOOL_FRAME_TERMINATE = 35,
  AIOPOOL_FRAME_UNHEARD = 40     /* worker to parent, control */
} AiopoolFrameType;

typedef struct
{
  guint32       length; /* bytes of the body, without padding */
  guint8        type;   /* AiopoolFrameType */
  guint8        flags;
  guint8        n_fds;
  guint8        reserved;
  guint64       id;
  const guint8 *body; /* aligned to 8 when the buffer is */
} AiopoolFrame;

typedef enum
{
  AIOPOOL_FRAME_OK,
  AIOPOOL_FRAME_MORE, /* not complete yet */
  AIOPOOL_FRAME_BAD
} AiopoolFrameStatus;

#define AIOPOOL_FRAME_PAD(n) (((gsize) (n) + 7) & ~(gsize) 7)

AiopoolFrameStatus aiopool_frame_parse  (const guint8        *data,
                                         gsize                size,
                                         AiopoolFrame        *frame,
                                         gsize               *frame_size);
void               aiopool_frame_header (guint8              *out,
                                         guint8               type,
                                         guint8               flags,
                                         guint8               n_fds,
                                         guint64              id,
                                         guint32              length);

G_END_DECLS
