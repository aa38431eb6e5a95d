/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* @bytes as a JSON string; FALSE if they are not UTF-8 and replacement characters stand in. */
gboolean cli_json_append_string  (GString    *json,
                                  const char *bytes,
                                  gsize       length);
void     cli_json_append_base64  (GString    *json,
                                  const char *bytes,
                                  gsize       length);

/* A number; null if it is not finite. */
void     cli_json_append_double  (GString    *json,
                                  double      value);

/* Strings, byte strings that are UTF-8, object paths: strings. Dictionaries with string keys:
 * objects, others: arrays of pairs. Tuples and arrays: arrays. Other byte strings:
 * {"base64": "..."}. Nothing: null. */
void     cli_json_append_variant (GString    *json,
                                  GVariant   *value);

G_END_DECLS
