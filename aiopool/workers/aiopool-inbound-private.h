/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/wire/aiopool-message-private.h"
#include "aiopool/workers/aiopool-control-private.h"
#include "aiopool/workers/aiopool-order-private.h"

G_BEGIN_DECLS

typedef struct _AiopoolInbound AiopoolInbound;

typedef struct
{
  void (*hello)  (gpointer                   owner,
                  const AiopoolHelloMessage *hello);
  void (*refuse) (gpointer                   owner,
                  guint64                    code,
                  const char                *text);
  void (*events) (gpointer                   owner,
                  AiopoolEvent              *events,
                  guint                      n_events);
} AiopoolInboundOwner;

AiopoolInbound *aiopool_inbound_new       (int                        data_fd,
                                           AiopoolControl            *control,
                                           gboolean                   is_trusted,
                                           guint64                    max_result_size,
                                           const AiopoolInboundOwner *owner_class,
                                           gpointer                   owner);
void            aiopool_inbound_free      (AiopoolInbound            *self);
gboolean        aiopool_inbound_read      (AiopoolInbound            *self,
                                           gboolean                   is_ignored,
                                           GError                   **error);
gboolean        aiopool_inbound_has_more  (AiopoolInbound            *self);
void            aiopool_inbound_feed      (AiopoolInbound            *self,
                                           const guint8              *data,
                                           gsize                      size,
                                           gboolean                   is_ignored,
                                           GError                   **error);
guint64         aiopool_inbound_get_total (AiopoolInbound            *self);
gboolean        aiopool_inbound_has_memory (AiopoolInbound           *self);
void            aiopool_inbound_forget    (AiopoolInbound            *self,
                                           guint64                    segment_id);

G_END_DECLS
