/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A command with placeholders for an item: {} the item, {.} without its extension, {/} its last
 * part, {//} its directory, {/.} its last part without extension, {#} its number. */
typedef struct _CliTemplate CliTemplate;

/* One word: a line for /bin/sh. Several: a program and its arguments, no shell. Where nothing holds
 * the place of the item, it comes last. */
CliTemplate *cli_template_new      (const char * const *words,
                                    GError            **error);
void         cli_template_free     (CliTemplate        *self);

/* The words to run for @item. */
char       **cli_template_expand   (CliTemplate        *self,
                                    const char         *item,
                                    guint64             number);

/* The same as one line for a shell, whatever is in it. */
char        *cli_template_describe (CliTemplate        *self,
                                    const char         *item,
                                    guint64             number);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (CliTemplate, cli_template_free)

G_END_DECLS
