/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "aiopool/cli/aiopool-cli-timeline-private.h"

#include "aiopool/cli/aiopool-cli-svg-private.h"

#include <math.h>

/* What goes along the time of a timeline: its lines, and how many tasks waited. */

#define QUEUE_HEIGHT 64

/* A round number of microseconds, so that lines are at least 90 pixels apart. */
static double
choose_step (CliTimeline *self)
{
  static const double rest[] = { 1, 2, 5 };
  double least = 90 / self->per_usec;
  double power = pow (10, floor (log10 (MAX (least, 1))));

  if (least > 30e6)
    {
      static const double long_steps[] = { 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400 };

      for (guint i = 0; i < G_N_ELEMENTS (long_steps); i++)
        if (long_steps[i] * 1e6 >= least)
          return long_steps[i] * 1e6;
    }
  for (guint i = 0; i < G_N_ELEMENTS (rest); i++)
    if (power * rest[i] >= least)
      return power * rest[i];
  return power * 10;
}

/* All with the unit that suits the step. */
static char *
dup_tick (double usec,
          double step)
{
  if (step >= 3600e6)
    return g_strdup_printf ("%.4g h", usec / 3600e6);
  if (step >= 60e6)
    return g_strdup_printf ("%.6g min", usec / 60e6);
  if (step >= 100e3)
    return g_strdup_printf ("%.*f s", step < 1e6 ? 1 : 0, usec / 1e6);
  if (step >= 100)
    return g_strdup_printf ("%.*f ms", step < 1e3 ? 1 : 0, usec / 1e3);
  return g_strdup_printf ("%.0f µs", usec);
}

void
cli_timeline_draw_time (CliTimeline *self,
                        double       top,
                        double       bottom)
{
  double step = choose_step (self);
  double length = (double) self->trace->length;

  for (double usec = 0; usec <= length * 1.0001; usec += step)
    {
      g_autofree char *text = dup_tick (usec, step);
      double x = cli_timeline_x_of (self, usec);

      cli_svg_draw (self->svg, "<path class=\"g\" d=\"M# #V#\"/>", x, top, bottom + 4);
      if (x <= self->width - CLI_TIMELINE_MARGIN + 4)
        cli_svg_draw_text (self->svg, "s m", x, bottom + 18, text);
    }
}

/* The most that waited in each pixel, and whoever waits from one pixel to the next. */
static gint64 *
find_deepest (CliTimeline *self,
              guint        n_pixels,
              gint64      *deepest)
{
  g_autoptr (GArray) depths = cli_trace_list_depths (self->trace);
  gint64 *most = g_new0 (gint64, n_pixels);
  guint pixel = 0;
  gint64 depth = 0;

  *deepest = 0;
  for (guint i = 0; i < depths->len; i++)
    {
      CliTraceDepth *change = &g_array_index (depths, CliTraceDepth, i);
      guint at = (guint) CLAMP ((double) change->when * self->per_usec, 0, n_pixels - 1);

      while (pixel < at)
        most[++pixel] = depth;
      depth = MAX (change->depth, 0);
      most[pixel] = MAX (most[pixel], depth);
      *deepest = MAX (*deepest, depth);
    }
  while (pixel < n_pixels - 1)
    most[++pixel] = depth;
  return most;
}

double
cli_timeline_draw_queue (CliTimeline *self,
                         double       y)
{
  guint n_pixels = (guint) self->plot_width;
  double bottom = y + QUEUE_HEIGHT;
  gint64 deepest;
  g_autofree gint64 *most = find_deepest (self, n_pixels, &deepest);
  g_autofree char *label = g_strdup_printf ("%" G_GINT64_FORMAT, deepest);
  double scale = (QUEUE_HEIGHT - 6) / (double) MAX (deepest, 1);

  cli_svg_draw_text (self->svg, "e", self->plot_x - 10, y + 34, "waiting");
  cli_svg_draw (self->svg, "<path class=\"g\" d=\"M# #H#\"/>\n", self->plot_x, bottom,
                self->plot_x + self->plot_width);
  if (deepest > 0)
    {
      cli_svg_draw_text (self->svg, "s e", self->plot_x - 10, y + 12, label);
      cli_svg_draw (self->svg, "<path class=\"q\" d=\"M# #", self->plot_x, bottom);
      for (guint i = 0; i < n_pixels; i++)
        if (i == 0 || most[i] != most[i - 1])
          cli_svg_draw (self->svg, "H#V#", self->plot_x + i, bottom - (double) most[i] * scale);
      cli_svg_draw (self->svg, "H#V#Z\"/>\n", self->plot_x + self->plot_width, bottom);
    }
  return bottom + 14;
}
