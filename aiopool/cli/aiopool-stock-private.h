/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <aiopool/aiopool.h>

G_BEGIN_DECLS

/* The functions of the stock plug-in; each is registered by the part of its name after "stock_". */

GVariant *stock_sum     (AiopoolCall *call,
                         GVariant    *arguments,
                         gpointer     checksum_type,
                         GError     **error);
GVariant *stock_command (AiopoolCall *call,
                         GVariant    *arguments,
                         gpointer     user_data,
                         GError     **error);

/* The one argument of a function: itself, or the only element of a tuple. */
GVariant *stock_dup_argument (GVariant *arguments,
                              GError  **error);

/* A string or a byte string without a NUL byte inside; NULL if @value is neither. */
char     *stock_dup_bytes    (GVariant *value,
                              GError  **error);

G_END_DECLS
