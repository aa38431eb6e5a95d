/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/runtime/aiopool-session-private.h"

G_BEGIN_DECLS

/* How far a call is. Zeroed to begin with; its holder locks. */
typedef struct
{
  gint64   sent;     /* monotonic microseconds: when the last one was sent */
  double   fraction; /* the last one told */
  char    *text;     /* (owned) (nullable): not sent yet */
  gboolean is_waiting;
} AiopoolProgress;

void aiopool_progress_set   (AiopoolProgress *self,
                             AiopoolSession  *session,
                             guint64          id,
                             double           fraction,
                             const char      *text);
void aiopool_progress_send  (AiopoolProgress *self,
                             AiopoolSession  *session,
                             guint64          id);
void aiopool_progress_clear (AiopoolProgress *self);

G_END_DECLS
