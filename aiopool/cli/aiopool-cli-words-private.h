/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Whether there is a byte that a line of a table cannot hold: newlines, tabs, other controls. */
gboolean cli_has_controls       (const char         *bytes,
                                 gsize               length);

/* @bytes as one word of a shell, on one line whatever they are. */
void     cli_append_quoted      (GString            *line,
                                 const char         *bytes,
                                 gsize               length);

/* The words as one line that a shell takes apart again. */
char    *cli_dup_quoted_words   (const char * const *words);

G_END_DECLS
