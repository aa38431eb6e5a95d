/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/runtime/aiopool-session-private.h"

#include "aiopool/base/aiopool-error-info.h"

G_BEGIN_DECLS

/* A value on its way to the parent. What it was packed from must live until it is sent. */
typedef struct
{
  AiopoolValueMessage value;
  int                 fd; /* (owned): of its memory, or -1 */
} AiopoolParcel;

/* A value that came from the parent: a variant, or bytes with a format. */
typedef struct
{
  AiopoolFormat format;
  GVariant     *variant; /* (owned) (nullable) */
  GBytes       *bytes;   /* (owned) (nullable) */
} AiopoolArgument;

gboolean aiopool_parcel_pack_variant (AiopoolParcel             *self,
                                      AiopoolSession            *session,
                                      GVariant                  *variant,
                                      GError                   **error);
gboolean aiopool_parcel_pack_view    (AiopoolParcel             *self,
                                      AiopoolSession            *session,
                                      const AiopoolPayloadView  *view,
                                      GError                   **error);
gboolean aiopool_parcel_pack_segment (AiopoolParcel             *self,
                                      AiopoolSession            *session,
                                      AiopoolSegment            *segment,
                                      const AiopoolPayloadView  *view,
                                      GError                   **error);
void     aiopool_parcel_send_result  (AiopoolParcel             *self,
                                      AiopoolSession            *session,
                                      guint64                    id,
                                      gint64                     started,
                                      gint64                     ended,
                                      const guint32             *index,
                                      GUnixFDList               *fds);
void     aiopool_parcel_send_emit    (AiopoolParcel             *self,
                                      AiopoolSession            *session,
                                      guint64                    id);
void     aiopool_parcel_send_error   (AiopoolSession            *session,
                                      guint64                    id,
                                      gint64                     started,
                                      gint64                     ended,
                                      const guint32             *index,
                                      const GError              *error,
                                      AiopoolErrorInfo          *info);

gboolean aiopool_argument_read       (AiopoolArgument           *self,
                                      AiopoolSession            *session,
                                      const AiopoolValueMessage *message,
                                      GUnixFDList              **fds,
                                      GError                   **error);
GVariant *
         aiopool_argument_copy_keywords (const AiopoolTaskMessage *message);
void     aiopool_argument_clear      (AiopoolArgument           *self);

G_END_DECLS
