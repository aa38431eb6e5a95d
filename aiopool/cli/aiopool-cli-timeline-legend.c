/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "aiopool/cli/aiopool-cli-timeline-private.h"

#include "aiopool/cli/aiopool-cli-svg-private.h"

/* What stands above the lanes of a timeline and below: what it is of, which function has which
 * colour, what the marks mean, and what is missing. */

#define OTHER_COLOR CLI_TIMELINE_N_COLORS /* of all functions after the first ones */

const char * const cli_timeline_colors[CLI_TIMELINE_N_COLORS + 1] = {
  "#4e79a7", "#f28e2b", "#59a14f", "#b07aa1", "#76b7b2", "#edc948", "#9c755f", "#ff9da7",
  "#3b5b92", "#86bc86", "#9aa0a6"
};

guint
cli_timeline_color_of (guint function)
{
  return MIN (function, OTHER_COLOR);
}

double
cli_timeline_draw_heading (CliTimeline *self)
{
  g_autofree char *length = cli_trace_dup_duration ((double) self->trace->length);
  g_autofree char *counts = NULL;
  const char *program = self->trace->program;
  guint n_failed = 0;

  for (guint i = 0; i < self->trace->functions->len; i++)
    n_failed += CLI_TRACE_FUNCTION (self->trace, i)->n_failed;
  counts = g_strdup_printf ("%u tasks · %u workers · %s · %u failed", self->trace->tasks->len,
                            self->trace->workers->len, length, n_failed);
  cli_svg_draw_text (self->svg, "h", 16, 27,
                     program != NULL && *program != '\0' ? program : "aiopool");
  cli_svg_draw_text (self->svg, "s e", self->width - CLI_TIMELINE_MARGIN, 27, counts);
  return 42;
}

static void
draw_key (CliTimeline *self,
          double       x,
          double       y,
          const char  *color,
          const char  *text)
{
  cli_svg_draw (self->svg, "<rect x=\"#\" y=\"#\" width=\"10\" height=\"10\" rx=\"2\" fill=\"", x,
                y - 9);
  g_string_append_printf (self->svg, "%s\"/>", color);
  cli_svg_draw_text (self->svg, "", x + 15, y, text);
}

/* About as wide as it will be. */
static double
width_of (const char *text)
{
  return (double) g_utf8_strlen (text, -1) * 6.2 + 34;
}

static char *
dup_key (CliTrace *self,
         guint     i)
{
  CliTraceFunction *function = CLI_TRACE_FUNCTION (self, i);
  g_autofree char *shown = cli_dup_shown (function->name, -1);
  glong length = g_utf8_strlen (shown, -1);
  const char *tail = length > 40 ? g_utf8_offset_to_pointer (shown, length - 39) : shown;

  return g_strdup_printf ("%s%s (%u)", length > 40 ? "…" : "", tail, function->n_tasks);
}

/* The functions in their colours, on as many lines as they need. */
double
cli_timeline_draw_keys (CliTimeline *self,
                        double       y)
{
  guint n = self->trace->functions->len;
  double x = 16;

  for (guint i = 0; i < MIN (n, CLI_TIMELINE_N_COLORS + 1); i++)
    {
      g_autofree char *text = i < CLI_TIMELINE_N_COLORS || n == CLI_TIMELINE_N_COLORS + 1
                              ? dup_key (self->trace, i)
                              : g_strdup_printf ("%u other functions", n - CLI_TIMELINE_N_COLORS);
      double width = width_of (text);

      if (x > 16 && x + width > self->width - CLI_TIMELINE_MARGIN)
        {
          x = 16;
          y += 18;
        }
      draw_key (self, x, y + 12, cli_timeline_colors[cli_timeline_color_of (i)], text);
      x += width;
    }
  return n > 0 ? y + 26 : y;
}

static gboolean
has_failures (CliTrace *self)
{
  for (guint i = 0; i < self->workers->len; i++)
    if (CLI_TRACE_WORKER (self, i)->has_crashed)
      return TRUE;
  for (guint i = 0; i < self->functions->len; i++)
    if (CLI_TRACE_FUNCTION (self, i)->n_failed > 0)
      return TRUE;
  return FALSE;
}

/* What the marks mean, and what is missing. */
void
cli_timeline_draw_notes (CliTimeline *self,
                         double       y)
{
  g_autoptr (GString) note = g_string_new (NULL);
  double x = 16;

  if (has_failures (self->trace))
    {
      cli_svg_draw (self->svg, "<path class=\"f\" d=\"M# #l-4 -8h8z\"/>", x + 5, y - 1);
      cli_svg_draw_text (self->svg, "s", x + 15, y, "a task failed");
      cli_svg_draw (self->svg, "<path class=\"x\" d=\"M# #l8 8m0 -8l-8 8\"/>", x + 105, y - 8);
      cli_svg_draw_text (self->svg, "s", x + 119, y, "a worker crashed");
    }
  if (self->trace->n_lost > 0)
    g_string_append_printf (note, "%" G_GUINT64_FORMAT " records are missing. ",
                            self->trace->n_lost);
  if (self->n_hidden > 0)
    g_string_append_printf (note, "%u workers are not shown. ", self->n_hidden);
  if (self->trace->is_short)
    g_string_append (note, "The trace ends in the middle. ");
  cli_svg_draw_text (self->svg, "s e", self->width - CLI_TIMELINE_MARGIN, y, note->str);
}
