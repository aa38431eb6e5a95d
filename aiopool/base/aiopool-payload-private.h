/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/base/aiopool-enums.h"

G_BEGIN_DECLS

/* A value of somebody else, to be read only while its owner lives. */
typedef struct
{
  AiopoolFormat format;
  const char   *type; /* (nullable): the GVariant type string, for GVARIANT only */
  gconstpointer data; /* (nullable): when size is 0 */
  gsize         size; /* bytes */
} AiopoolPayloadView;

/* A value that arrived: bytes and what they are. Immutable. */
typedef struct _AiopoolPayload AiopoolPayload;

AiopoolPayload *aiopool_payload_new_copy    (const AiopoolPayloadView *view);
AiopoolPayload *aiopool_payload_new_variant (GVariant                 *variant);
AiopoolPayload *aiopool_payload_new_bytes   (AiopoolFormat             format,
                                             const char               *type,
                                             GBytes                   *bytes);
AiopoolPayload *aiopool_payload_new_pieces  (AiopoolFormat             format,
                                             GPtrArray                *pieces);
AiopoolPayload *aiopool_payload_ref         (AiopoolPayload           *self);
void            aiopool_payload_unref       (AiopoolPayload           *self);
void            aiopool_payload_get_view    (const AiopoolPayload     *self,
                                             AiopoolPayloadView       *view);
void            aiopool_payload_describe    (const AiopoolPayload     *self,
                                             AiopoolPayloadView       *view);
void            aiopool_payload_copy        (const AiopoolPayload     *self,
                                             gsize                     offset,
                                             gpointer                  out,
                                             gsize                     n);
AiopoolFormat   aiopool_payload_get_format  (const AiopoolPayload     *self);
gsize           aiopool_payload_get_size    (const AiopoolPayload     *self);
GBytes         *aiopool_payload_dup_bytes   (AiopoolPayload           *self);
GVariant       *aiopool_payload_dup_variant (AiopoolPayload           *self,
                                             gboolean                  trusted);

void            aiopool_payload_view_variant (AiopoolPayloadView      *view,
                                              GVariant                *variant);
void            aiopool_payload_view_bytes   (AiopoolPayloadView      *view,
                                              AiopoolFormat            format,
                                              GBytes                  *bytes);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (AiopoolPayload, aiopool_payload_unref)

G_END_DECLS
