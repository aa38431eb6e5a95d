/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "demo-private.h"

#include <unistd.h>

/* The progress bar: drawn when someone asks for it, which the pass does ten times a second. */

#define BAR_WIDTH 30

static gboolean is_drawn;

void
demo_bar_draw (const char *title,
               guint       n_done,
               guint       n_total,
               double      seconds)
{
  g_autoptr (GString) line = g_string_new ("\r\033[K");
  double rate = seconds > 0 ? n_done / seconds : 0;
  guint i = 0;

  if (!isatty (STDERR_FILENO) || n_total == 0)
    return;

  g_string_append_printf (line, "%s [", title);
  for (i = 0; i < BAR_WIDTH; i++)
    g_string_append_c (line, (guint64) n_done * BAR_WIDTH / n_total > i ? '#' : '-');
  g_string_append_printf (line, "] %u/%u  %.0f/s", n_done, n_total, rate);
  if (rate > 0)
    g_string_append_printf (line, "  %.0f s left", (n_total - n_done) / rate);

  g_printerr ("%s", line->str);
  is_drawn = TRUE;
}

void
demo_bar_erase (void)
{
  if (is_drawn)
    g_printerr ("\r\033[K");
  is_drawn = FALSE;
}
