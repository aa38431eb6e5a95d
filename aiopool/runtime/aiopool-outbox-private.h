/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/runtime/aiopool-run-private.h"
#include "aiopool/wire/aiopool-status-page-private.h"

#include <gio/gunixfdlist.h>

G_BEGIN_DECLS

typedef struct _AiopoolOutbox AiopoolOutbox;

AiopoolOutbox *aiopool_outbox_new        (int                data_fd,
                                          AiopoolStatusPage *page);
void           aiopool_outbox_free       (AiopoolOutbox     *self);
int            aiopool_outbox_get_timer  (AiopoolOutbox     *self);
guint8        *aiopool_outbox_begin      (AiopoolOutbox     *self,
                                          gsize              size);
guint8        *aiopool_outbox_try_begin  (AiopoolOutbox     *self,
                                          gsize              size);
gboolean       aiopool_outbox_is_mine    (void);
void           aiopool_outbox_end        (AiopoolOutbox     *self,
                                          GUnixFDList       *fds);
void           aiopool_outbox_put_item   (AiopoolOutbox     *self,
                                          const AiopoolRunItem *item);
gboolean       aiopool_outbox_is_full    (AiopoolOutbox     *self);
void           aiopool_outbox_flush      (AiopoolOutbox     *self);
void           aiopool_outbox_watch      (AiopoolOutbox     *self);
void           aiopool_outbox_on_timer   (AiopoolOutbox     *self);

G_END_DECLS
