/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/wire/aiopool-message-private.h"

#include <gio/gunixfdlist.h>

G_BEGIN_DECLS

typedef struct _AiopoolShares AiopoolShares;

AiopoolShares *aiopool_shares_new    (void);
void           aiopool_shares_free   (AiopoolShares             *self);
gboolean       aiopool_shares_add    (AiopoolShares             *self,
                                      guint64                    id,
                                      const AiopoolValueMessage *message,
                                      GUnixFDList               *fds);
gboolean       aiopool_shares_remove (AiopoolShares             *self,
                                      guint64                    id);
gboolean       aiopool_shares_has    (AiopoolShares             *self,
                                      guint64                    id);
gboolean       aiopool_shares_read   (AiopoolShares             *self,
                                      guint64                    id,
                                      GBytes                   **bytes,
                                      GError                   **error);

G_END_DECLS
