/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/wire/aiopool-status-page-private.h"
#include "aiopool/workers/aiopool-inbound-private.h"

G_BEGIN_DECLS

typedef struct _AiopoolIntake AiopoolIntake;

/* On the engine thread, but for the last: on the one that waits. */
typedef struct
{
  void (*writable) (gpointer      owner);
  void (*hung_up)  (gpointer      owner); /* the worker closed its socket */
  void (*broken)   (gpointer      owner,
                    const GError *error);
  void (*other)    (gpointer      owner); /* there is something in the other descriptor */
} AiopoolIntakeOwner;

AiopoolIntake *aiopool_intake_new           (int                       fd,
                                             AiopoolInbound           *inbound,
                                             const AiopoolIntakeOwner *owner_class,
                                             gpointer                  owner);
void           aiopool_intake_free          (AiopoolIntake            *self);
void           aiopool_intake_start         (AiopoolIntake            *self);
void           aiopool_intake_stop          (AiopoolIntake            *self);
void           aiopool_intake_read_rest     (AiopoolIntake            *self,
                                             AiopoolStatusPage        *page,
                                             GError                  **error);

/* From any thread, under the owner's lock. */
void           aiopool_intake_want_writable (AiopoolIntake            *self,
                                             gboolean                  is_wanted);
gboolean       aiopool_intake_lend          (AiopoolIntake            *self);
gboolean       aiopool_intake_take_back     (AiopoolIntake            *self,
                                             gint64                    gap);
gboolean       aiopool_intake_is_left       (AiopoolIntake            *self);
gboolean       aiopool_intake_watch_again   (AiopoolIntake            *self,
                                             gint64                    gap);

/* From any thread. */
void           aiopool_intake_ignore        (AiopoolIntake            *self);
gboolean       aiopool_intake_read          (AiopoolIntake            *self,
                                             GError                  **error);
gboolean       aiopool_intake_take_quiet    (AiopoolIntake            *self);
gboolean       aiopool_intake_read_for      (AiopoolIntake            *self,
                                             int                       kick_fd,
                                             int                       other_fd,
                                             gint64                    end,
                                             GError                  **error);

G_END_DECLS
