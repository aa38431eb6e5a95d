/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "aiopool/cli/aiopool-cli-timeline-private.h"

#include "aiopool/cli/aiopool-cli-svg-private.h"

/* Draws a trace as SVG: how many tasks waited, a lane for each worker, and the time below.
 *
 * A worker lies in the first lane of its pool that is free for all of its life, so that there are
 * no more lanes than workers lived at once; one that runs several tasks at a time has several rows
 * in it. Tasks that are too short for bars of their own are added up, so that the size of the
 * picture depends on its width and the number of lanes, and not on that of the tasks. */

#define LABEL_WIDTH 118

static const char style[] =
  "<style>\n"
  "text{font:11px system-ui,'Cantarell','DejaVu Sans',sans-serif;fill:#24292f}\n"
  ".h{font-size:15px;font-weight:600}.s{fill:#6b7280}.e{text-anchor:end}.m{text-anchor:middle}\n"
  ".g{stroke:#d0d7de;stroke-width:1}.b{fill:#fff}.l{fill:#eef1f4}.w{fill:#d5dbe1}\n"
  ".q{fill:#8fb3d9;fill-opacity:.55;stroke:#4e79a7;stroke-width:1}\n"
  ".f{fill:#d1242f;stroke:#fff;stroke-width:.8}\n"
  ".x{stroke:#d1242f;stroke-width:2;stroke-linecap:round;fill:none}\n"
  "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.s{fill:#9198a1}.g{stroke:#3d444d}"
  ".b{fill:#15191e}.l{fill:#22272e}.w{fill:#363d46}.f{stroke:#15191e}}\n"
  "</style>\n";

static void
draw_all (CliTimeline *self)
{
  double top = cli_timeline_draw_keys (self, cli_timeline_draw_heading (self));

  self->rows_y = cli_timeline_draw_queue (self, top);
  self->rows_end = cli_timeline_y_of (self, self->n_rows);
  cli_timeline_draw_time (self, top, self->rows_end);
  cli_timeline_draw_lanes (self);
  cli_timeline_draw_tasks (self);
  cli_timeline_draw_crashes (self);
  cli_timeline_draw_notes (self, self->rows_end + 42);
}

static void
init_timeline (CliTimeline *self,
               CliTrace    *trace,
               guint        width)
{
  self->trace = trace;
  self->svg = g_string_new (NULL);
  self->width = width;
  self->plot_x = LABEL_WIDTH;
  self->plot_width = width - LABEL_WIDTH - CLI_TIMELINE_MARGIN;
  self->per_usec = self->plot_width / (double) MAX (trace->length, 1);
  self->lanes = g_array_new (FALSE, FALSE, sizeof (CliLane));
  cli_timeline_choose_lanes (self);
}

static void
clear_timeline (CliTimeline *self)
{
  for (guint i = 0; i < self->lanes->len; i++)
    g_array_unref (g_array_index (self->lanes, CliLane, i).workers);
  g_array_unref (self->lanes);
  g_free (self->lane_of);
  g_string_free (self->svg, TRUE);
}

/* The size of the picture is known when all of it is drawn. */
void
cli_trace_append_svg (CliTrace *trace,
                      GString  *svg,
                      guint     width)
{
  CliTimeline self = { 0 };
  double height;

  init_timeline (&self, trace, width);
  draw_all (&self);
  height = self.rows_end + 54;
  cli_svg_draw (svg, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"#\" height=\"#\" "
                "viewBox=\"0 0 # #\">\n", self.width, height, self.width, height);
  g_string_append (svg, style);
  cli_svg_draw (svg, "<rect class=\"b\" width=\"#\" height=\"#\"/>\n", self.width, height);
  g_string_append_len (svg, self.svg->str, (gssize) self.svg->len);
  g_string_append (svg, "</svg>\n");
  clear_timeline (&self);
}
