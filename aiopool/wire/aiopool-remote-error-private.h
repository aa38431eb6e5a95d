/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/base/aiopool-error-info.h"

G_BEGIN_DECLS

GVariant *aiopool_remote_error_encode (const GError      *error,
                                       AiopoolErrorInfo  *info);
GError   *aiopool_remote_error_decode (gconstpointer      data,
                                       gsize              size,
                                       gboolean           is_trusted,
                                       AiopoolErrorInfo **info);

G_END_DECLS
