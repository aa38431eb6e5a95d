/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/cli/aiopool-cli-items-private.h"

G_BEGIN_DECLS

/* Standard output, buffered while there is more to do, and standard error beside it. */
typedef struct _CliOutput CliOutput;

/* @on_broken is called once, from the main loop or a write, when standard output takes no more. */
typedef void (*CliBrokenFunc) (gpointer user_data);

CliOutput *cli_output_new           (CliBrokenFunc  on_broken,
                                     gpointer       user_data);
void       cli_output_free          (CliOutput     *self);

void       cli_output_write         (CliOutput     *self,
                                     const char    *bytes,
                                     gsize          length);
void       cli_output_write_line    (CliOutput     *self,
                                     const char    *line);

/* To standard error; what was written to standard output before comes first. */
void       cli_output_write_error   (CliOutput     *self,
                                     const char    *bytes,
                                     gsize          length);

/* The one line about an item that failed, the last time too. */
void       cli_output_write_failure (CliOutput     *self,
                                     const CliItem *item,
                                     guint          n_tries,
                                     const char    *what);
void       cli_output_flush         (CliOutput     *self);

/* 0, or why standard output takes no more. */
int        cli_output_get_errno     (CliOutput     *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (CliOutput, cli_output_free)

G_END_DECLS
