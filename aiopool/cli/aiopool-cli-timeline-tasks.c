/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "aiopool/cli/aiopool-cli-timeline-private.h"

#include "aiopool/cli/aiopool-cli-svg-private.h"

#include <math.h>
#include <string.h>

/* The tasks of a timeline, row by row, and what went wrong.
 *
 * A task that is two pixels wide or more is a bar. Shorter ones are added up: of each pixel as much
 * is filled as the row was busy, each function in its colour. */

#define MIN_BAR     2.0 /* pixels */
#define LEAST_WIDTH 1e-6 /* pixels: so that something is seen of a task that took no time */
#define MAX_TITLES  5000 /* bars that tell more about themselves */

/* One row while it is drawn. */
typedef struct
{
  CliTimeline *timeline;
  double       y;
  double       height;
  guint        n_pixels;
  double      *busy;      /* (owned): pixels of each colour in each pixel */
  gboolean     is_used;   /* busy is not all 0 */
  GString     *bars[CLI_TIMELINE_N_COLORS + 1]; /* (owned) (nullable): paths */
  gint64       last_mark; /* pixels */
  GString     *marks;     /* (owned) */
} Row;

static void
draw_bar (Row          *row,
          CliTraceTask *task,
          double        x,
          double        width)
{
  static const char * const statuses[] = { "", ", cancelled", ", failed", ", timed out",
                                           ", crashed" };
  CliTimeline *self = row->timeline;
  guint color = cli_timeline_color_of (task->function);
  g_autofree char *length = NULL;
  g_autofree char *waited = NULL;

  if (self->n_bars++ >= MAX_TITLES)
    {
      if (row->bars[color] == NULL)
        row->bars[color] = g_string_new (NULL);
      cli_svg_draw (row->bars[color], "M# #h#v#h#z", x, row->y, width, row->height, -width);
      return;
    }
  length = cli_trace_dup_duration ((double) (task->ended - task->started));
  waited = cli_trace_dup_duration ((double) (task->started - task->submitted));
  cli_svg_draw (self->svg, "<rect x=\"#\" y=\"#\" width=\"#\" height=\"#\" rx=\"1\" fill=\"", x,
                row->y, width, row->height);
  g_string_append_printf (self->svg, "%s\"><title>", cli_timeline_colors[color]);
  cli_svg_append_text (self->svg, CLI_TRACE_FUNCTION (self->trace, task->function)->name);
  g_string_append_printf (self->svg, ": %s, waited %s%s</title></rect>\n", length, waited,
                          statuses[task->status]);
}

/* Adds what is shorter than a bar to the pixels that it touches. */
static void
add_short (Row    *row,
           guint   color,
           double  begin,
           double  end)
{
  end = MAX (end, begin + LEAST_WIDTH);
  for (guint i = (guint) CLAMP (begin, 0, row->n_pixels - 1);
       i < row->n_pixels && (double) i < end; i++)
    {
      double *busy = &row->busy[i * (CLI_TIMELINE_N_COLORS + 1)];

      busy[color] += MIN (end, i + 1.0) - MAX (begin, (double) i);
    }
  row->is_used = TRUE;
}

static void
add_mark (Row          *row,
          CliTraceTask *task)
{
  double x = cli_timeline_x_of (row->timeline, (double) task->ended);
  gint64 place = (gint64) (x / 4);

  if (place == row->last_mark)
    return;
  row->last_mark = place;
  cli_svg_draw (row->marks, "M# #l# #h#z", x, row->y + 6, -4.0, -8.0, 8.0);
}

static void
add_task (Row          *row,
          CliTraceTask *task)
{
  CliTimeline *self = row->timeline;
  double begin = (double) task->started * self->per_usec;
  double end = (double) task->ended * self->per_usec;

  if (end - begin >= MIN_BAR)
    draw_bar (row, task, self->plot_x + begin, end - begin);
  else
    add_short (row, cli_timeline_color_of (task->function), begin, end);
  if (task->status > CLI_TASK_CANCELLED)
    add_mark (row, task);
}

/* How high each colour reaches in a pixel, from below, in sixteenths of the row; something of each
 * that is there at all. */
static void
find_levels (Row    *row,
             guint   pixel,
             guint8 *levels)
{
  const double *busy = &row->busy[pixel * (CLI_TIMELINE_N_COLORS + 1)];
  double sum = 0;
  guint level = 0;

  for (guint color = 0; color <= CLI_TIMELINE_N_COLORS; color++)
    {
      guint least = level + (busy[color] > 0);

      sum += busy[color];
      level = MIN (MAX ((guint) (MIN (sum, 1) * 16 + 0.5), least), 16);
      levels[color] = (guint8) level;
    }
}

static void
draw_levels (Row          *row,
             guint         begin,
             guint         end,
             const guint8 *levels)
{
  double unit = row->height / 16;
  guint below = 0;

  for (guint color = 0; color <= CLI_TIMELINE_N_COLORS; color++)
    {
      double height = (levels[color] - below) * unit;

      if (levels[color] == below)
        continue;
      if (row->bars[color] == NULL)
        row->bars[color] = g_string_new (NULL);
      cli_svg_draw (row->bars[color], "M# #h#v#h#z", row->timeline->plot_x + begin,
                    row->y + row->height - below * unit, (double) (end - begin), -height,
                    -(double) (end - begin));
      below = levels[color];
    }
}

/* Pixels in a row that look the same are drawn as one. */
static void
draw_short (Row *row)
{
  guint8 levels[CLI_TIMELINE_N_COLORS + 1], last[CLI_TIMELINE_N_COLORS + 1] = { 0 };
  guint begin = 0;

  for (guint i = 0; i <= row->n_pixels && row->is_used; i++)
    {
      if (i < row->n_pixels)
        find_levels (row, i, levels);
      if (i < row->n_pixels && memcmp (levels, last, sizeof last) == 0)
        continue;
      draw_levels (row, begin, i, last);
      memcpy (last, levels, sizeof last);
      begin = i;
    }
  if (row->is_used)
    memset (row->busy, 0, sizeof *row->busy * row->n_pixels * (CLI_TIMELINE_N_COLORS + 1));
  row->is_used = FALSE;
}

static void
end_row (Row *row)
{
  draw_short (row);
  for (guint color = 0; color <= CLI_TIMELINE_N_COLORS; color++)
    {
      if (row->bars[color] == NULL)
        continue;
      g_string_append_printf (row->timeline->svg, "<path fill=\"%s\" d=\"%s\"/>\n",
                              cli_timeline_colors[color], row->bars[color]->str);
      g_string_free (row->bars[color], TRUE);
      row->bars[color] = NULL;
    }
  if (row->marks->len > 0)
    g_string_append_printf (row->timeline->svg, "<path class=\"f\" d=\"%s\"/>\n", row->marks->str);
  g_string_truncate (row->marks, 0);
}

/* Of each row the tasks, by start. */
static GArray **
sort_into_rows (CliTimeline *self)
{
  GArray **rows = g_new (GArray *, self->n_rows + 1);

  for (guint i = 0; i < self->n_rows; i++)
    rows[i] = g_array_new (FALSE, FALSE, sizeof (guint));
  for (guint i = 0; i < self->trace->tasks->len; i++)
    {
      CliTraceTask *task = CLI_TRACE_TASK (self->trace, i);
      guint index = task->worker != CLI_NO_WORKER ? self->lane_of[task->worker] : G_MAXUINT;
      CliLane *lane;

      if (index == G_MAXUINT)
        continue;
      lane = &g_array_index (self->lanes, CliLane, index);
      g_array_append_val (rows[lane->first_row + MIN (task->lane, lane->n_rows - 1)], i);
    }
  return rows;
}

void
cli_timeline_draw_tasks (CliTimeline *self)
{
  g_autofree GArray **rows = sort_into_rows (self);
  Row row = { .timeline = self, .height = self->row_height - cli_timeline_gap_of (self) };

  row.n_pixels = (guint) ceil (self->plot_width);
  row.busy = g_new0 (double, row.n_pixels * (CLI_TIMELINE_N_COLORS + 1));
  row.marks = g_string_new (NULL);
  for (guint i = 0; i < self->n_rows; i++)
    {
      row.y = cli_timeline_y_of (self, i);
      row.last_mark = -1;
      for (guint j = 0; j < rows[i]->len; j++)
        add_task (&row, CLI_TRACE_TASK (self->trace, g_array_index (rows[i], guint, j)));
      end_row (&row);
      g_array_unref (rows[i]);
    }
  g_string_free (row.marks, TRUE);
  g_free (row.busy);
}

/* A cross where a worker crashed. */
void
cli_timeline_draw_crashes (CliTimeline *self)
{
  for (guint i = 0; i < self->trace->workers->len; i++)
    {
      CliTraceWorker *worker = CLI_TRACE_WORKER (self->trace, i);
      CliLane *lane;
      double x, y;

      if (!worker->has_crashed || worker->died < 0 || self->lane_of[i] == G_MAXUINT)
        continue;
      lane = &g_array_index (self->lanes, CliLane, self->lane_of[i]);
      x = cli_timeline_x_of (self, (double) worker->died);
      y = cli_timeline_y_of (self, lane->first_row) +
          (lane->n_rows * self->row_height - cli_timeline_gap_of (self)) / 2;
      cli_svg_draw (self->svg, "<path class=\"x\" d=\"M# #l8 8m0 -8l-8 8\"/>\n", x - 4, y - 4);
    }
}
