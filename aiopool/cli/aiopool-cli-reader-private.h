/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Reads JSON from memory, strictly and in one pass. */
typedef struct
{
  const char *begin;
  const char *at;
  const char *end;
  const char *problem;  /* (nullable): what is wrong at @at; nothing more is read */
  gboolean    is_short; /* what is wrong is that the text ends */
} CliReader;

void     cli_reader_init        (CliReader  *self,
                                 const char *text,
                                 gsize       length);

/* The first character of the next value, 0 at the end of the text. */
char     cli_reader_peek        (CliReader  *self);

/* FALSE if there is no object or array. */
gboolean cli_reader_enter       (CliReader  *self,
                                 char        bracket);

/* Whether one more element follows, of an array, or of an object, whose @key (nullable) that fills.
 * @n: how many were read. */
gboolean cli_reader_next        (CliReader  *self,
                                 guint64    *n);
gboolean cli_reader_next_member (CliReader  *self,
                                 guint64    *n,
                                 GString    *key);

gboolean cli_reader_read_string (CliReader  *self,
                                 GString    *value);
gboolean cli_reader_read_number (CliReader  *self,
                                 double     *value);
gboolean cli_reader_skip        (CliReader  *self);

/* Whether nothing is left but white space. */
gboolean cli_reader_is_at_end   (CliReader  *self);

G_END_DECLS
