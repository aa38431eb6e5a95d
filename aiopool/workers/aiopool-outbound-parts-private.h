/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/wire/aiopool-channel-private.h"
#include "aiopool/wire/aiopool-segment-private.h"
#include "aiopool/workers/aiopool-outbound-private.h"

/* For the files of the outbound: what is in flight, and how it is written. */

G_BEGIN_DECLS

typedef struct
{
  AiopoolOrder *order;      /* (unowned) (nullable) */
  guint64       generation;
  gint64        debt;       /* of partial results, see AIOPOOL_EMIT_COST */
  gint64        item_started; /* of a chunk: when the last item began, once it is known */
  guint32       n_begun;    /* items of a chunk, as far as was seen */
  gboolean      is_taken;
} AiopoolOutboundSlot;

struct _AiopoolOutbound
{
  AiopoolStatusPage   *page;     /* (unowned: the peer) */
  AiopoolControl      *control;  /* (unowned: the peer) */
  AiopoolWriter       *writer;   /* (owned) */
  AiopoolSegmentStore *store;    /* (owned) */
  gboolean             is_trusted;
  AiopoolOutboundSlot *slots;    /* (owned) of AIOPOOL_STATUS_N_SLOTS */
  guint16             *free;     /* (owned): stack of free slots */
  guint                n_free;
  guint                n_orders;
  guint                n_chunks; /* of them */
  gsize                n_bytes;  /* of frames in flight */
  AiopoolOrder        *first;    /* in the order sent */
  AiopoolOrder        *last;
  GByteArray          *known;    /* (owned): function numbers that were defined */
  GArray              *told;     /* (owned) (nullable): of the shared data that it has; see share */
  guint64              last_shared_id;
  guint                n_deaths; /* of shared data, as last seen */
  AiopoolSharedTeller  teller;
  AiopoolOrder        *copied;   /* atomic (nullable): what is being copied for; the
                                  * scheduler pins it */
  guint64              copied_id;
  AiopoolSegment      *segment;
  gsize                n_copied;
  gint64               log_debt; /* of log records, see AIOPOOL_LOG_COST; as the slots */
  gint64               log_paid; /* of which so much was delivered, and not told the worker */
};

/* outbound-share */
guint64  aiopool_outbound_find_shared   (AiopoolOutbound *self,
                                         AiopoolShared   *shared);
void     aiopool_outbound_write_share   (AiopoolOutbound *self,
                                         AiopoolShared   *shared,
                                         GUnixFDList     *fds);
gboolean aiopool_outbound_share_at_once (AiopoolOutbound *self,
                                         AiopoolOrder    *order);
void     aiopool_outbound_forget_dead   (AiopoolOutbound *self);
void     aiopool_outbound_clear_shared  (AiopoolOutbound *self);

/* outbound-write */
void aiopool_outbound_write_inline (AiopoolOutbound *self,
                                    AiopoolOrder    *order,
                                    guint64          id);

G_END_DECLS
