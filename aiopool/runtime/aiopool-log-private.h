/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/runtime/aiopool-call-private.h"

G_BEGIN_DECLS

void     aiopool_log_start  (AiopoolSession   *session);
void     aiopool_log_stop   (void);
void     aiopool_log_follow (AiopoolCall     **current);
void     aiopool_log_grant  (guint64           credit);
gboolean aiopool_log_send   (GLogLevelFlags    level,
                             const GLogField  *fields,
                             gsize             n_fields);

G_END_DECLS
