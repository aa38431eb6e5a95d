/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/wire/aiopool-frame-private.h"

G_BEGIN_DECLS

#define AIOPOOL_LOG_MAX_SIZE    (32 * 1024) /* bytes of a record in a frame */
#define AIOPOOL_LOG_MAX_DOMAIN  256
#define AIOPOOL_LOG_MAX_MESSAGE (16 * 1024)
#define AIOPOOL_LOG_MAX_FIELDS  32
#define AIOPOOL_LOG_MAX_KEY     64
#define AIOPOOL_LOG_MAX_VALUE   4096

/* What a body of @size bytes, with padding, takes of a worker's credit, which is about what it
 * takes of the parent's memory, and how far a worker may be ahead of what was delivered there. */
#define AIOPOOL_LOG_COST(size) ((gint64) (size) + 256)
#define AIOPOOL_LOG_CREDIT     (256 * 1024)

/* UTF-8, not terminated. */
typedef struct
{
  const char *data;
  gsize       size;
} AiopoolLogText;

typedef struct
{
  guint32        level;   /* one GLogLevelFlags, without flags */
  AiopoolLogText domain;  /* of no bytes for none */
  AiopoolLogText message;
  guint          n_fields;
  AiopoolLogText keys[AIOPOOL_LOG_MAX_FIELDS];
  AiopoolLogText values[AIOPOOL_LOG_MAX_FIELDS];
} AiopoolLogMessage;

gboolean aiopool_log_is_reserved   (const char              *key,
                                    gsize                    size);
gsize    aiopool_message_log_size  (const AiopoolLogMessage *message);
void     aiopool_message_write_log (guint8                  *out,
                                    guint64                  id,
                                    const AiopoolLogMessage *message);
gboolean aiopool_message_parse_log (const AiopoolFrame      *frame,
                                    AiopoolLogMessage       *message);

G_END_DECLS
