/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/runtime/aiopool-registry-private.h"
#include "aiopool/runtime/aiopool-session-private.h"
#include "aiopool/runtime/aiopool-worker-abi.h"

G_BEGIN_DECLS

void              aiopool_serve          (AiopoolSession           *session,
                                          AiopoolRegistry          *registry,
                                          const AiopoolWorkerHooks *hooks,
                                          gpointer                  hooks_data);
AiopoolWorkerNext aiopool_serve_dispatch (void);
void              aiopool_serve_defer    (AiopoolCall              *call);
void              aiopool_serve_return   (AiopoolCall              *call,
                                          GVariant                 *value);

G_END_DECLS
