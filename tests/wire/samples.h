/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/wire/aiopool-message-private.h"

G_BEGIN_DECLS

/* A good frame of each kind, for those who break them. */
typedef struct
{
  const char *name;
  GBytes     *(*make) (void); /* (transfer full): the whole frame */
} Sample;

extern const Sample samples[];
extern const guint  n_samples;

AiopoolValueMessage inline_value   (AiopoolFormat       format,
                                    const char         *type,
                                    gconstpointer       data,
                                    gsize               size);
AiopoolValueMessage outer_value    (AiopoolTransport    transport,
                                    gsize               size,
                                    guint64             segment_id,
                                    gboolean            has_fd);
gboolean            parse_any      (const AiopoolFrame *frame);

G_END_DECLS
