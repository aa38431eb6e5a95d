/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/base/aiopool-payload-private.h"
#include "aiopool/wire/aiopool-frame-private.h"

G_BEGIN_DECLS

#define AIOPOOL_INLINE_LIMIT (128 * 1024) /* bytes; larger values leave the stream */

#define AIOPOOL_MAX_ITEMS    (1u << 24)   /* of a chunk */
#define AIOPOOL_MAX_SHARED   128          /* shared data that a worker keeps */
#define AIOPOOL_MAX_RUN_SIZE (64 * 1024)  /* bytes of the values of a run of items */

/* What a partial result of @size bytes takes of a task's credit, and how far a task may be behind
 * with that before it must wait to send one more. */
#define AIOPOOL_EMIT_COST(size) ((gint64) (size) + 64)
#define AIOPOOL_EMIT_CREDIT     (256 * 1024)

typedef enum
{
  AIOPOOL_TRANSPORT_INLINE,
  AIOPOOL_TRANSPORT_SEGMENT, /* a shared segment that both sides keep */
  AIOPOOL_TRANSPORT_MEMFD    /* a sealed memfd for this value alone */
} AiopoolTransport;

/* A value in a message. For other transports than INLINE, view.data is NULL. */
typedef struct
{
  AiopoolPayloadView view;
  AiopoolTransport   transport;
  gboolean           has_fd; /* the first descriptor of the frame is that of the memory */
  guint64            segment_id;
} AiopoolValueMessage;

typedef struct
{
  guint32 version_min;
  guint32 version_max;
  guint64 max_result_size; /* bytes */
  guint32 is_trusted;
  guint32 tasks_per_worker;
} AiopoolConfigMessage;

typedef struct
{
  guint32 version;
  gint32  pid;
  guint64 nonce;
} AiopoolHelloMessage;

typedef struct
{
  guint32             function; /* number of an earlier DEFINE */
  gint64              timeout;  /* microseconds, 0 for none */
  AiopoolValueMessage argument;
  gconstpointer       keywords; /* (nullable): a serialised a{sv} */
  gsize               keywords_size;
  guint32             n_items;  /* of a chunk, whose argument is an array of so many; else 0 */
  guint64             shared_id; /* of an earlier SHARE, 0 for none */
} AiopoolTaskMessage;

typedef struct
{
  gint64              started; /* monotonic microseconds */
  gint64              ended;
  AiopoolValueMessage value;
  gboolean            is_item; /* of the item @index of a chunk */
  guint32             index;
} AiopoolResultMessage;

typedef struct
{
  gint64        started;
  gint64        ended;
  gconstpointer error; /* see remote-error */
  gsize         error_size;
  gboolean      is_item; /* as above */
  guint32       index;
} AiopoolErrorMessage;

/* Results of a run of items of a chunk. */
typedef struct
{
  guint32            first;     /* index in the chunk */
  guint32            n;
  gint64             started;   /* monotonic microseconds: of the first */
  const guint8      *run_times; /* n of them, 4 bytes each, not aligned: microseconds */
  AiopoolPayloadView values;    /* an array of n */
} AiopoolItemsMessage;

typedef struct
{
  double      fraction;
  const char *text; /* not terminated */
  gsize       text_size;
} AiopoolProgressMessage;

gsize    aiopool_message_config_size    (void);
void     aiopool_message_write_config   (guint8                       *out,
                                         const AiopoolConfigMessage   *message);
gboolean aiopool_message_parse_config   (const AiopoolFrame           *frame,
                                         AiopoolConfigMessage         *message);
gsize    aiopool_message_hello_size     (void);
void     aiopool_message_write_hello    (guint8                       *out,
                                         const AiopoolHelloMessage    *message);
gboolean aiopool_message_parse_hello    (const AiopoolFrame           *frame,
                                         AiopoolHelloMessage          *message);
gsize    aiopool_message_task_size      (const AiopoolTaskMessage     *message);
void     aiopool_message_write_task     (guint8                       *out,
                                         guint64                       id,
                                         guint8                        n_fds,
                                         const AiopoolTaskMessage     *message);
gboolean aiopool_message_parse_task     (const AiopoolFrame           *frame,
                                         AiopoolTaskMessage           *message);
gsize    aiopool_message_share_size     (const AiopoolValueMessage    *message);
void     aiopool_message_write_share    (guint8                       *out,
                                         guint64                       id,
                                         const AiopoolValueMessage    *message);
gboolean aiopool_message_parse_share    (const AiopoolFrame           *frame,
                                         AiopoolValueMessage          *message);
gsize    aiopool_message_result_size    (const AiopoolResultMessage   *message);
void     aiopool_message_write_result   (guint8                       *out,
                                         guint64                       id,
                                         guint8                        n_fds,
                                         const AiopoolResultMessage   *message);
gboolean aiopool_message_parse_result   (const AiopoolFrame           *frame,
                                         AiopoolResultMessage         *message);
gsize    aiopool_message_emit_size      (const AiopoolValueMessage    *message);
void     aiopool_message_write_emit     (guint8                       *out,
                                         guint64                       id,
                                         guint8                        n_fds,
                                         const AiopoolValueMessage    *message);
gboolean aiopool_message_parse_emit     (const AiopoolFrame           *frame,
                                         AiopoolValueMessage          *message);
gsize    aiopool_message_error_size     (const AiopoolErrorMessage    *message);
void     aiopool_message_write_error    (guint8                       *out,
                                         guint64                       id,
                                         const AiopoolErrorMessage    *message);
gboolean aiopool_message_parse_error    (const AiopoolFrame           *frame,
                                         AiopoolErrorMessage          *message);
gsize    aiopool_message_items_size     (const AiopoolItemsMessage    *message);
void     aiopool_message_write_items    (guint8                       *out,
                                         guint64                       id,
                                         const AiopoolItemsMessage    *message);
gboolean aiopool_message_parse_items    (const AiopoolFrame           *frame,
                                         AiopoolItemsMessage          *message);
gsize    aiopool_message_progress_size  (const AiopoolProgressMessage *message);
void     aiopool_message_write_progress (guint8                       *out,
                                         guint64                       id,
                                         const AiopoolProgressMessage *message);
gboolean aiopool_message_parse_progress (const AiopoolFrame           *frame,
                                         AiopoolProgressMessage       *message);
gsize    aiopool_message_text_size      (gsize                         text_size);
void     aiopool_message_write_text     (guint8                       *out,
                                         AiopoolFrameType              type,
                                         guint64                       id,
                                         const char                   *text,
                                         gsize                         text_size);

G_END_DECLS
