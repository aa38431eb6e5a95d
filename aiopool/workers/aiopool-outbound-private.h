/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/wire/aiopool-message-private.h"
#include "aiopool/wire/aiopool-status-page-private.h"
#include "aiopool/workers/aiopool-control-private.h"
#include "aiopool/workers/aiopool-order-private.h"

G_BEGIN_DECLS

typedef struct _AiopoolOutbound AiopoolOutbound;

typedef enum
{
  AIOPOOL_FLUSH_DONE,
  AIOPOOL_FLUSH_BLOCKED, /* go on when the socket can be written */
  AIOPOOL_FLUSH_ENGINE,  /* go on from the engine thread: there is much to copy */
  AIOPOOL_FLUSH_BROKEN   /* the worker is gone */
} AiopoolFlush;

AiopoolOutbound *aiopool_outbound_new            (int                data_fd,
                                                  AiopoolStatusPage *page,
                                                  AiopoolControl    *control,
                                                  gboolean           is_trusted);
void             aiopool_outbound_free           (AiopoolOutbound   *self);
void             aiopool_outbound_send_config    (AiopoolOutbound   *self,
                                                  const AiopoolConfigMessage *config);

void             aiopool_outbound_follow_deaths  (AiopoolOutbound   *self,
                                                  void             (*died) (gpointer owner),
                                                  gpointer           owner);

/* Under the scheduler's lock. */
guint            aiopool_outbound_get_n_orders   (AiopoolOutbound   *self);
guint            aiopool_outbound_get_n_slots    (AiopoolOutbound   *self);
gsize            aiopool_outbound_get_n_bytes    (AiopoolOutbound   *self);
AiopoolOrder    *aiopool_outbound_get_last       (AiopoolOutbound   *self);
AiopoolOrder    *aiopool_outbound_get_first      (AiopoolOutbound   *self);
gboolean         aiopool_outbound_can_add        (AiopoolOutbound   *self);
gboolean         aiopool_outbound_add            (AiopoolOutbound   *self,
                                                  AiopoolOrder      *order,
                                                  gint64             now);
gboolean         aiopool_outbound_find           (AiopoolOutbound   *self,
                                                  guint64            id,
                                                  AiopoolOrder     **order);
void             aiopool_outbound_remove         (AiopoolOutbound   *self,
                                                  guint64            id);
AiopoolOrder    *aiopool_outbound_get_copied     (AiopoolOutbound   *self);
void             aiopool_outbound_detach         (AiopoolOutbound   *self,
                                                  AiopoolOrder      *order);
gboolean         aiopool_outbound_revoke         (AiopoolOutbound   *self,
                                                  AiopoolOrder      *order);
guint32          aiopool_outbound_count_begun    (AiopoolOutbound   *self,
                                                  AiopoolOrder      *order,
                                                  gint64             now,
                                                  gint64            *since);
gboolean         aiopool_outbound_take_items     (AiopoolOutbound   *self,
                                                  AiopoolOrder      *order,
                                                  const AiopoolItems *items,
                                                  gint64             now);
guint32          aiopool_outbound_cut            (AiopoolOutbound   *self,
                                                  AiopoolOrder      *order,
                                                  guint32            from);
guint            aiopool_outbound_get_n_chunks   (AiopoolOutbound   *self);
gboolean         aiopool_outbound_owe            (AiopoolOutbound   *self,
                                                  guint64            id,
                                                  gsize              size,
                                                  gint64            *cost);
void             aiopool_outbound_pay            (AiopoolOutbound   *self,
                                                  guint64            id,
                                                  gint64             cost);
gboolean         aiopool_outbound_owe_log        (AiopoolOutbound   *self,
                                                  gint64             cost);
void             aiopool_outbound_pay_log        (AiopoolOutbound   *self,
                                                  gint64             cost);

/* By the one thread that pumps this worker, without the lock. */
AiopoolFlush     aiopool_outbound_flush          (AiopoolOutbound   *self,
                                                  GError           **error);

/* From any thread. */
void             aiopool_outbound_release        (AiopoolOutbound   *self,
                                                  guint64            segment_id);
gboolean         aiopool_outbound_has_memory     (AiopoolOutbound   *self);
void             aiopool_outbound_trim           (AiopoolOutbound   *self);

G_END_DECLS
