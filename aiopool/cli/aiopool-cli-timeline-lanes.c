/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "aiopool/cli/aiopool-cli-timeline-private.h"

#include "aiopool/cli/aiopool-cli-svg-private.h"

/* The lanes of a timeline: which worker lies in which, and their ground: the lives of the workers
 * and what is said of them. */

#define MAX_LANES    1000
#define LABEL_HEIGHT 12

static int
compare_born (gconstpointer a,
              gconstpointer b,
              gpointer      trace)
{
  CliTraceWorker *worker = CLI_TRACE_WORKER ((CliTrace *) trace, *(const guint *) a);
  CliTraceWorker *other = CLI_TRACE_WORKER ((CliTrace *) trace, *(const guint *) b);

  if (worker->pool != other->pool)
    return worker->pool < other->pool ? -1 : 1;
  if (worker->born != other->born)
    return worker->born < other->born ? -1 : 1;
  return worker->number < other->number ? -1 : worker->number > other->number;
}

/* (nullable): NULL if there are too many. */
static CliLane *
find_lane (CliTimeline    *self,
           CliTraceWorker *worker)
{
  CliLane fresh = { .pool = worker->pool };

  for (guint i = self->lanes->len; i > 0; i--)
    {
      CliLane *lane = &g_array_index (self->lanes, CliLane, i - 1);

      if (lane->pool != worker->pool)
        break;
      if (lane->free_at >= 0 && lane->free_at <= worker->born)
        return lane;
    }
  if (self->lanes->len == MAX_LANES)
    return NULL;
  fresh.workers = g_array_new (FALSE, FALSE, sizeof (guint));
  g_array_append_val (self->lanes, fresh);
  return &g_array_index (self->lanes, CliLane, self->lanes->len - 1);
}

/* (transfer full): the workers by pool, birth and number. */
static guint *
sort_workers (CliTimeline *self)
{
  guint n = self->trace->workers->len;
  guint *order = g_new (guint, n);

  for (guint i = 0; i < n; i++)
    order[i] = i;
  g_qsort_with_data (order, (int) n, sizeof *order, compare_born, self->trace);
  return order;
}

static void
put_into_lane (CliTimeline *self,
               guint        index)
{
  CliTraceWorker *worker = CLI_TRACE_WORKER (self->trace, index);
  CliLane *lane = find_lane (self, worker);

  self->n_hidden += lane == NULL;
  self->lane_of[index] = G_MAXUINT;
  if (lane == NULL)
    return;
  g_array_append_val (lane->workers, index);
  lane->n_rows = MAX (lane->n_rows, MIN (worker->n_lanes, 64));
  lane->free_at = worker->died;
  self->lane_of[index] = (guint) (lane - (CliLane *) (gpointer) self->lanes->data);
}

static double
choose_row_height (guint n_rows)
{
  if (n_rows <= 12)
    return 26;
  return n_rows <= 32 ? 18 : n_rows <= 100 ? 10 : n_rows <= 300 ? 5 : 3;
}

void
cli_timeline_choose_lanes (CliTimeline *self)
{
  g_autofree guint *order = sort_workers (self);

  self->lane_of = g_new (guint, self->trace->workers->len);
  for (guint i = 0; i < self->trace->workers->len; i++)
    put_into_lane (self, order[i]);
  for (guint i = 0; i < self->lanes->len; i++)
    {
      CliLane *lane = &g_array_index (self->lanes, CliLane, i);

      lane->first_row = self->n_rows;
      self->n_rows += lane->n_rows;
    }
  self->row_height = choose_row_height (self->n_rows);
}

/* Between rows. */
double
cli_timeline_gap_of (CliTimeline *self)
{
  return self->row_height >= 18 ? 4 : self->row_height >= 10 ? 2 : 1;
}

double
cli_timeline_x_of (CliTimeline *self,
                   double       usec)
{
  return self->plot_x + usec * self->per_usec;
}

double
cli_timeline_y_of (CliTimeline *self,
                   guint        row)
{
  return self->rows_y + row * self->row_height;
}

static void
draw_life (CliTimeline    *self,
           CliLane        *lane,
           CliTraceWorker *worker)
{
  double y = cli_timeline_y_of (self, lane->first_row);
  double height = lane->n_rows * self->row_height - cli_timeline_gap_of (self);
  gint64 end = worker->died >= 0 ? worker->died : self->trace->length;
  double born = cli_timeline_x_of (self, (double) MAX (worker->born, 0));
  double ready = cli_timeline_x_of (self, (double) MAX (worker->ready, MAX (worker->born, 0)));
  double died = cli_timeline_x_of (self, (double) end);

  ready = MIN (ready, died);
  if (ready > born)
    cli_svg_draw (self->svg, "<rect class=\"w\" x=\"#\" y=\"#\" width=\"#\" height=\"#\"/>\n", born,
                  y + height / 2 - 1, ready - born, 2.0);
  cli_svg_draw (self->svg,
                "<rect class=\"l\" x=\"#\" y=\"#\" width=\"#\" height=\"#\" rx=\"2\"/>\n",
                ready, y, MAX (died - ready, 1), height);
}

static char *
dup_lane_label (CliTimeline *self,
                CliLane     *lane)
{
  guint first = g_array_index (lane->workers, guint, 0);
  CliTraceWorker *worker = CLI_TRACE_WORKER (self->trace, first);

  if (lane->workers->len > 1)
    return g_strdup_printf ("%u workers", lane->workers->len);
  if (worker->number > 0)
    return g_strdup_printf ("worker %u", worker->number);
  return g_strdup_printf ("process %d", worker->pid);
}

/* How much of the time of its workers tasks ran. */
static double
find_share (CliTimeline *self,
            CliLane     *lane)
{
  double busy = 0, lived = 0;

  for (guint i = 0; i < lane->workers->len; i++)
    {
      CliTraceWorker *worker = CLI_TRACE_WORKER (self->trace, g_array_index (lane->workers, guint,
                                                                             i));
      gint64 died = worker->died >= 0 ? worker->died : self->trace->length;

      busy += worker->busy;
      lived += (double) MAX (died - MAX (worker->born, 0), 0) * worker->n_lanes;
    }
  return lived > 0 ? MIN (busy / lived, 1) : 0;
}

static const char *
find_pool_name (CliTimeline *self,
                CliLane     *lane)
{
  return CLI_TRACE_WORKER (self->trace, g_array_index (lane->workers, guint, 0))->name;
}

/* @last_y: (inout): of the last label, for lanes may be lower than text. */
static void
draw_lane (CliTimeline *self,
           CliLane     *lane,
           double      *last_y)
{
  double middle = cli_timeline_y_of (self, lane->first_row) +
                  (lane->n_rows * self->row_height - cli_timeline_gap_of (self)) / 2 + 4;
  g_autofree char *label = dup_lane_label (self, lane);
  g_autofree char *share = g_strdup_printf ("%.0f %%", 100 * find_share (self, lane));
  const char *pool = find_pool_name (self, lane);

  for (guint i = 0; i < lane->workers->len; i++)
    draw_life (self, lane, CLI_TRACE_WORKER (self->trace, g_array_index (lane->workers, guint,
                                                                         i)));
  if (middle < *last_y + LABEL_HEIGHT)
    return;
  *last_y = middle;
  g_string_append (self->svg, "<g>");
  if (pool != NULL)
    {
      g_string_append (self->svg, "<title>pool ");
      cli_svg_append_text (self->svg, pool);
      g_string_append (self->svg, "</title>");
    }
  cli_svg_draw_text (self->svg, "e", self->plot_x - 46, middle, label);
  cli_svg_draw_text (self->svg, "s e", self->plot_x - 10, middle, share);
  g_string_append (self->svg, "</g>");
}

void
cli_timeline_draw_lanes (CliTimeline *self)
{
  double last_label = -LABEL_HEIGHT;

  for (guint i = 0; i < self->lanes->len; i++)
    draw_lane (self, &g_array_index (self->lanes, CliLane, i), &last_label);
}
