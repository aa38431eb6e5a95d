/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct
{
  char   *bytes;   /* (owned) NUL-terminated; may have NUL bytes inside */
  gsize   length;
  guint64 number;  /* from 1 */
} CliItem;

void     cli_item_free     (CliItem *item);

/* Whether it can be passed as an argument: no NUL byte inside. */
gboolean cli_item_has_nul  (const CliItem *item);

/* Its bytes without NUL: "\\000" stands for it. For what is shown only. */
char    *cli_item_dup_text (const CliItem *item);

typedef struct _CliItems CliItems;

CliItems *cli_items_new_for_words (char       **words);
CliItems *cli_items_new_for_fd    (int          fd,
                                   char         separator);
void      cli_items_free          (CliItems    *self);

/* Has everything read before the first item is given, so that get_total() knows. */
void      cli_items_read_ahead    (CliItems    *self);

/* The next item; NULL without error if there is none now: see is_ended() and wait(). */
CliItem  *cli_items_next          (CliItems    *self,
                                   GError     **error);
gboolean  cli_items_is_ended      (CliItems    *self);

/* Calls @callback once, when next() has more to say. */
void      cli_items_wait          (CliItems    *self,
                                   GSourceFunc  callback,
                                   gpointer     user_data);

/* How many there are in all; 0 as long as that is unknown. */
guint64   cli_items_get_total     (CliItems    *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (CliItem, cli_item_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CliItems, cli_items_free)

G_END_DECLS
