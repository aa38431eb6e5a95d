/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/wire/aiopool-frame-private.h"

G_BEGIN_DECLS

typedef struct _AiopoolControl AiopoolControl;

/* Runs on the engine thread; FALSE for a frame that is not legal. */
typedef gboolean (*AiopoolControlFunc) (gpointer            owner,
                                        const AiopoolFrame *frame);

AiopoolControl *aiopool_control_new  (int                 fd,
                                      AiopoolControlFunc  func,
                                      gpointer            owner);
void            aiopool_control_free (AiopoolControl     *self);
void            aiopool_control_send (AiopoolControl     *self,
                                      AiopoolFrameType    type,
                                      guint8              flags,
                                      guint64             id,
                                      guint64             argument);

G_END_DECLS
