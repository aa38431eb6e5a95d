/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/runtime/aiopool-registry-private.h"
#include "aiopool/runtime/aiopool-session-private.h"

G_BEGIN_DECLS

void aiopool_serve (AiopoolSession  *session,
                    AiopoolRegistry *registry);

G_END_DECLS
