/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* How far the work is. */
typedef struct
{
  guint64 n_done;     /* failed ones too */
  guint64 n_failed;
  guint64 n_retried;  /* tries that failed and were not the last of their item */
  guint64 n_total;    /* 0: not known yet */
  double  elapsed;    /* seconds */
} CliProgress;

/* One line of at most @width columns; plain ASCII, so that columns are bytes. */
char    *cli_bar_format     (const CliProgress *progress,
                             guint              width);

/* The bar of this process, on standard error; all of this does nothing unless it was started, and
 * start() does nothing unless @is_wanted and standard error is a terminal. */
void     cli_bar_start      (gboolean           is_wanted);
gboolean cli_bar_is_started (void);
void     cli_bar_update     (guint64            n_done,
                             guint64            n_failed,
                             guint64            n_retried,
                             guint64            n_total);
void     cli_bar_stop       (void);

/* Before anything else is written to the terminal. From any thread. */
void     cli_bar_erase      (void);

/* Afterwards. The bar comes back when the line is ended. */
void     cli_bar_restore    (gboolean           is_line_ended);

G_END_DECLS
