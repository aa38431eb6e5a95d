/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "aiopool/cli/aiopool-cli-trace-private.h"

#include <math.h>
#include <string.h>

/* Draws a trace as SVG: how many tasks waited, a lane for each worker, and the time below.
 *
 * A worker lies in the first lane of its pool that is free for all of its life, so that there are
 * no more lanes than workers lived at once; one that runs several tasks at a time has several rows
 * in it. A task that is two pixels wide or more is a bar. Shorter ones are added up: of each pixel
 * as much is filled as the row was busy, each function in its colour. So the size of the picture
 * depends on its width and the number of lanes, and not on that of the tasks. */

#define N_COLORS      10
#define OTHER_COLOR   N_COLORS /* of all functions after the first ones */
#define LABEL_WIDTH   118
#define RIGHT_MARGIN  28
#define QUEUE_HEIGHT  64
#define MIN_BAR       2.0 /* pixels */
#define LEAST_WIDTH   1e-6 /* pixels: so that something is seen of a task that took no time */
#define MAX_TITLES    5000 /* bars that tell more about themselves */
#define MAX_LANES     1000
#define LABEL_HEIGHT  12

static const char * const colors[N_COLORS + 1] = {
  "#4e79a7", "#f28e2b", "#59a14f", "#b07aa1", "#76b7b2", "#edc948", "#9c755f", "#ff9da7",
  "#3b5b92", "#86bc86", "#9aa0a6"
};

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

/* A lane: workers of one pool, one after the other. */
typedef struct
{
  GArray *workers;  /* (owned) of guint */
  guint   pool;
  gint64  free_at;  /* when the last one died */
  guint   n_rows;
  guint   first_row;
} Lane;

typedef struct
{
  CliTrace *trace;
  GString  *svg;
  double    width;      /* of the whole picture */
  double    plot_x;
  double    plot_width;
  double    per_usec;   /* pixels */
  GArray   *lanes;      /* (owned) of Lane */
  guint    *lane_of;    /* (owned): of each worker */
  guint     n_rows;
  double    row_height;
  double    rows_y;
  double    rows_end;
  guint     n_hidden;   /* workers for which there is no lane */
  guint     n_bars;
} Picture;

static double
x_of (Picture *self,
      double   usec)
{
  return self->plot_x + usec * self->per_usec;
}

/* One decimal, and none of a locale. */
static void
append_number (GString *svg,
               double   number)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];
  char *end;

  g_ascii_formatd (text, sizeof text, "%.1f", number);
  end = text + strlen (text);
  if (g_str_has_suffix (text, ".0"))
    end[-2] = '\0';
  g_string_append (svg, g_str_equal (text, "-0") ? "0" : text);
}

/* What @format says, with the numbers after it for each '#'. */
static void
draw (Picture    *self,
      const char *format,
      ...)
{
  va_list numbers;

  va_start (numbers, format);
  for (; *format != '\0'; format++)
    {
      if (*format == '#')
        append_number (self->svg, va_arg (numbers, double));
      else
        g_string_append_c (self->svg, *format);
    }
  va_end (numbers);
}

/* Text as XML may have it: without what it has no characters for. */
static void
append_text (Picture    *self,
             const char *text)
{
  g_autofree char *shown = cli_dup_shown (text, -1);

  for (const char *at = shown; *at != '\0'; at = g_utf8_next_char (at))
    {
      gunichar c = g_utf8_get_char (at);

      if (c == '&')
        g_string_append (self->svg, "&amp;");
      else if (c == '<')
        g_string_append (self->svg, "&lt;");
      else if (c == '>')
        g_string_append (self->svg, "&gt;");
      else
        g_string_append_unichar (self->svg, c == 0xfffe || c == 0xffff ? 0xfffd : c);
    }
}

static void
draw_text (Picture    *self,
           const char *classes,
           double      x,
           double      y,
           const char *text)
{
  g_string_append_printf (self->svg, "<text class=\"%s\"", classes);
  draw (self, " x=\"#\" y=\"#\">", x, y);
  append_text (self, text);
  g_string_append (self->svg, "</text>\n");
}

static guint
color_of (guint function)
{
  return MIN (function, OTHER_COLOR);
}

/* --- lanes ------------------------------------------------------------------------------------ */

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
static Lane *
find_lane (Picture        *self,
           CliTraceWorker *worker)
{
  Lane fresh = { .pool = worker->pool };

  for (guint i = self->lanes->len; i > 0; i--)
    {
      Lane *lane = &g_array_index (self->lanes, Lane, i - 1);

      if (lane->pool != worker->pool)
        break;
      if (lane->free_at >= 0 && lane->free_at <= worker->born)
        return lane;
    }
  if (self->lanes->len == MAX_LANES)
    return NULL;
  fresh.workers = g_array_new (FALSE, FALSE, sizeof (guint));
  g_array_append_val (self->lanes, fresh);
  return &g_array_index (self->lanes, Lane, self->lanes->len - 1);
}

static void
choose_lanes (Picture *self)
{
  guint n = self->trace->workers->len;
  g_autofree guint *order = g_new (guint, n);

  for (guint i = 0; i < n; i++)
    order[i] = i;
  g_qsort_with_data (order, (int) n, sizeof *order, compare_born, self->trace);
  self->lane_of = g_new (guint, n);
  for (guint i = 0; i < n; i++)
    {
      CliTraceWorker *worker = CLI_TRACE_WORKER (self->trace, order[i]);
      Lane *lane = find_lane (self, worker);

      self->n_hidden += lane == NULL;
      self->lane_of[order[i]] = G_MAXUINT;
      if (lane == NULL)
        continue;
      g_array_append_val (lane->workers, order[i]);
      lane->n_rows = MAX (lane->n_rows, MIN (worker->n_lanes, 64));
      lane->free_at = worker->died;
      self->lane_of[order[i]] = (guint) (lane - (Lane *) (gpointer) self->lanes->data);
    }
  for (guint i = 0; i < self->lanes->len; i++)
    {
      Lane *lane = &g_array_index (self->lanes, Lane, i);

      lane->first_row = self->n_rows;
      self->n_rows += lane->n_rows;
    }
}

static double
choose_row_height (guint n_rows)
{
  if (n_rows <= 12)
    return 26;
  return n_rows <= 32 ? 18 : n_rows <= 100 ? 10 : n_rows <= 300 ? 5 : 3;
}

/* Between rows. */
static double
gap_of (Picture *self)
{
  return self->row_height >= 18 ? 4 : self->row_height >= 10 ? 2 : 1;
}

static double
y_of (Picture *self,
      guint    row)
{
  return self->rows_y + row * self->row_height;
}

/* --- what stands above ------------------------------------------------------------------------ */

static double
draw_heading (Picture *self)
{
  g_autofree char *length = cli_trace_dup_duration ((double) self->trace->length);
  g_autofree char *counts = NULL;
  guint n_failed = 0;

  for (guint i = 0; i < self->trace->functions->len; i++)
    n_failed += CLI_TRACE_FUNCTION (self->trace, i)->n_failed;
  counts = g_strdup_printf ("%u tasks · %u workers · %s · %u failed", self->trace->tasks->len,
                            self->trace->workers->len, length, n_failed);
  draw_text (self, "h", 16, 27, self->trace->program != NULL && *self->trace->program != '\0'
                                ? self->trace->program : "aiopool");
  draw_text (self, "s e", self->width - RIGHT_MARGIN, 27, counts);
  return 42;
}

static void
draw_key (Picture    *self,
          double      x,
          double      y,
          const char *color,
          const char *text)
{
  draw (self, "<rect x=\"#\" y=\"#\" width=\"10\" height=\"10\" rx=\"2\" fill=\"", x, y - 9);
  g_string_append_printf (self->svg, "%s\"/>", color);
  draw_text (self, "", x + 15, y, text);
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
static double
draw_keys (Picture *self,
           double   y)
{
  guint n = self->trace->functions->len;
  double x = 16;

  for (guint i = 0; i < MIN (n, N_COLORS + 1); i++)
    {
      g_autofree char *text = i < N_COLORS || n == N_COLORS + 1
                              ? dup_key (self->trace, i)
                              : g_strdup_printf ("%u other functions", n - N_COLORS);
      double width = width_of (text);

      if (x > 16 && x + width > self->width - RIGHT_MARGIN)
        {
          x = 16;
          y += 18;
        }
      draw_key (self, x, y + 12, colors[color_of (i)], text);
      x += width;
    }
  return n > 0 ? y + 26 : y;
}

/* --- time ------------------------------------------------------------------------------------- */

/* A round number of microseconds, so that lines are at least 90 pixels apart. */
static double
choose_step (Picture *self)
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

static void
draw_time (Picture *self,
           double   top,
           double   bottom)
{
  double step = choose_step (self);
  double length = (double) self->trace->length;

  for (double usec = 0; usec <= length * 1.0001; usec += step)
    {
      g_autofree char *text = dup_tick (usec, step);
      double x = x_of (self, usec);

      draw (self, "<path class=\"g\" d=\"M# #V#\"/>", x, top, bottom + 4);
      if (x <= self->width - RIGHT_MARGIN + 4)
        draw_text (self, "s m", x, bottom + 18, text);
    }
}

/* --- how many wait ---------------------------------------------------------------------------- */

/* The most that waited in each pixel, and whoever waits from one pixel to the next. */
static gint64 *
find_deepest (Picture *self,
              guint    n_pixels,
              gint64  *deepest)
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

static double
draw_queue (Picture *self,
            double   y)
{
  guint n_pixels = (guint) self->plot_width;
  double bottom = y + QUEUE_HEIGHT;
  gint64 deepest;
  g_autofree gint64 *most = find_deepest (self, n_pixels, &deepest);
  g_autofree char *label = g_strdup_printf ("%" G_GINT64_FORMAT, deepest);
  double scale = (QUEUE_HEIGHT - 6) / (double) MAX (deepest, 1);

  draw_text (self, "e", self->plot_x - 10, y + 34, "waiting");
  draw (self, "<path class=\"g\" d=\"M# #H#\"/>\n", self->plot_x, bottom,
        self->plot_x + self->plot_width);
  if (deepest > 0)
    {
      draw_text (self, "s e", self->plot_x - 10, y + 12, label);
      draw (self, "<path class=\"q\" d=\"M# #", self->plot_x, bottom);
      for (guint i = 0; i < n_pixels; i++)
        if (i == 0 || most[i] != most[i - 1])
          draw (self, "H#V#", self->plot_x + i, bottom - (double) most[i] * scale);
      draw (self, "H#V#Z\"/>\n", self->plot_x + self->plot_width, bottom);
    }
  return bottom + 14;
}

/* --- lanes: their ground ---------------------------------------------------------------------- */

static void
draw_life (Picture        *self,
           Lane           *lane,
           CliTraceWorker *worker)
{
  double y = y_of (self, lane->first_row);
  double height = lane->n_rows * self->row_height - gap_of (self);
  double born = x_of (self, (double) MAX (worker->born, 0));
  double ready = x_of (self, (double) MAX (worker->ready, MAX (worker->born, 0)));
  double died = x_of (self, (double) (worker->died >= 0 ? worker->died : self->trace->length));

  ready = MIN (ready, died);
  if (ready > born)
    draw (self, "<rect class=\"w\" x=\"#\" y=\"#\" width=\"#\" height=\"#\"/>\n", born,
          y + height / 2 - 1, ready - born, 2.0);
  draw (self, "<rect class=\"l\" x=\"#\" y=\"#\" width=\"#\" height=\"#\" rx=\"2\"/>\n", ready, y,
        MAX (died - ready, 1), height);
}

static char *
dup_lane_label (Picture *self,
                Lane    *lane)
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
find_share (Picture *self,
            Lane    *lane)
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
find_pool_name (Picture *self,
                Lane    *lane)
{
  return CLI_TRACE_WORKER (self->trace, g_array_index (lane->workers, guint, 0))->name;
}

/* @last_y: (inout): of the last label, for lanes may be lower than text. */
static void
draw_lane (Picture *self,
           Lane    *lane,
           double  *last_y)
{
  double middle = y_of (self, lane->first_row) +
                  (lane->n_rows * self->row_height - gap_of (self)) / 2 + 4;
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
      append_text (self, pool);
      g_string_append (self->svg, "</title>");
    }
  draw_text (self, "e", self->plot_x - 46, middle, label);
  draw_text (self, "s e", self->plot_x - 10, middle, share);
  g_string_append (self->svg, "</g>");
}

/* --- lanes: tasks ----------------------------------------------------------------------------- */

/* One row while it is drawn. */
typedef struct
{
  Picture *picture;
  double   y;
  double   height;
  guint    n_pixels;
  double  *busy;     /* (owned): pixels of each colour in each pixel */
  gboolean is_used;  /* busy is not all 0 */
  GString *bars[N_COLORS + 1];   /* (owned) (nullable): paths */
  gint64   last_mark; /* pixels */
  GString *marks;    /* (owned) */
} Row;

static void
draw_bar (Row          *row,
          CliTraceTask *task,
          double        x,
          double        width)
{
  static const char * const statuses[] = { "", ", cancelled", ", failed", ", timed out",
                                           ", crashed" };
  Picture *self = row->picture;
  guint color = color_of (task->function);
  g_autofree char *length = NULL;
  g_autofree char *waited = NULL;

  if (self->n_bars++ >= MAX_TITLES)
    {
      if (row->bars[color] == NULL)
        row->bars[color] = g_string_new (NULL);
      draw (&(Picture) { .svg = row->bars[color] }, "M# #h#v#h#z", x, row->y, width, row->height,
            -width);
      return;
    }
  length = cli_trace_dup_duration ((double) (task->ended - task->started));
  waited = cli_trace_dup_duration ((double) (task->started - task->submitted));
  draw (self, "<rect x=\"#\" y=\"#\" width=\"#\" height=\"#\" rx=\"1\" fill=\"", x, row->y, width,
        row->height);
  g_string_append_printf (self->svg, "%s\"><title>", colors[color]);
  append_text (self, CLI_TRACE_FUNCTION (self->trace, task->function)->name);
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
    row->busy[i * (N_COLORS + 1) + color] += MIN (end, i + 1.0) - MAX (begin, (double) i);
  row->is_used = TRUE;
}

static void
add_mark (Row          *row,
          CliTraceTask *task)
{
  double x = x_of (row->picture, (double) task->ended);
  gint64 place = (gint64) (x / 4);

  if (place == row->last_mark)
    return;
  row->last_mark = place;
  draw (&(Picture) { .svg = row->marks }, "M# #l# #h#z", x, row->y + 6, -4.0, -8.0, 8.0);
}

static void
add_task (Row          *row,
          CliTraceTask *task)
{
  Picture *self = row->picture;
  double begin = (double) task->started * self->per_usec;
  double end = (double) task->ended * self->per_usec;

  if (end - begin >= MIN_BAR)
    draw_bar (row, task, self->plot_x + begin, end - begin);
  else
    add_short (row, color_of (task->function), begin, end);
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
  const double *busy = &row->busy[pixel * (N_COLORS + 1)];
  double sum = 0;
  guint level = 0;

  for (guint color = 0; color <= N_COLORS; color++)
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

  for (guint color = 0; color <= N_COLORS; color++)
    {
      double height = (levels[color] - below) * unit;

      if (levels[color] == below)
        continue;
      if (row->bars[color] == NULL)
        row->bars[color] = g_string_new (NULL);
      draw (&(Picture) { .svg = row->bars[color] }, "M# #h#v#h#z", row->picture->plot_x + begin,
            row->y + row->height - below * unit, (double) (end - begin), -height,
            -(double) (end - begin));
      below = levels[color];
    }
}

/* Pixels in a row that look the same are drawn as one. */
static void
draw_short (Row *row)
{
  guint8 levels[N_COLORS + 1], last[N_COLORS + 1] = { 0 };
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
    memset (row->busy, 0, sizeof *row->busy * row->n_pixels * (N_COLORS + 1));
  row->is_used = FALSE;
}

static void
end_row (Row *row)
{
  draw_short (row);
  for (guint color = 0; color <= N_COLORS; color++)
    {
      if (row->bars[color] == NULL)
        continue;
      g_string_append_printf (row->picture->svg, "<path fill=\"%s\" d=\"%s\"/>\n", colors[color],
                              row->bars[color]->str);
      g_string_free (row->bars[color], TRUE);
      row->bars[color] = NULL;
    }
  if (row->marks->len > 0)
    g_string_append_printf (row->picture->svg, "<path class=\"f\" d=\"%s\"/>\n", row->marks->str);
  g_string_truncate (row->marks, 0);
}

/* Of each row the tasks, by start. */
static GArray **
sort_into_rows (Picture *self)
{
  GArray **rows = g_new (GArray *, self->n_rows + 1);

  for (guint i = 0; i < self->n_rows; i++)
    rows[i] = g_array_new (FALSE, FALSE, sizeof (guint));
  for (guint i = 0; i < self->trace->tasks->len; i++)
    {
      CliTraceTask *task = CLI_TRACE_TASK (self->trace, i);
      guint index = task->worker != CLI_NO_WORKER ? self->lane_of[task->worker] : G_MAXUINT;
      Lane *lane;

      if (index == G_MAXUINT)
        continue;
      lane = &g_array_index (self->lanes, Lane, index);
      g_array_append_val (rows[lane->first_row + MIN (task->lane, lane->n_rows - 1)], i);
    }
  return rows;
}

static void
draw_tasks (Picture *self)
{
  g_autofree GArray **rows = sort_into_rows (self);
  Row row = { .picture = self, .height = self->row_height - gap_of (self) };

  row.n_pixels = (guint) ceil (self->plot_width);
  row.busy = g_new0 (double, row.n_pixels * (N_COLORS + 1));
  row.marks = g_string_new (NULL);
  for (guint i = 0; i < self->n_rows; i++)
    {
      row.y = y_of (self, i);
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
static void
draw_crashes (Picture *self)
{
  for (guint i = 0; i < self->trace->workers->len; i++)
    {
      CliTraceWorker *worker = CLI_TRACE_WORKER (self->trace, i);
      Lane *lane;
      double x, y;

      if (!worker->has_crashed || worker->died < 0 || self->lane_of[i] == G_MAXUINT)
        continue;
      lane = &g_array_index (self->lanes, Lane, self->lane_of[i]);
      x = x_of (self, (double) worker->died);
      y = y_of (self, lane->first_row) + (lane->n_rows * self->row_height - gap_of (self)) / 2;
      draw (self, "<path class=\"x\" d=\"M# #l8 8m0 -8l-8 8\"/>\n", x - 4, y - 4);
    }
}

/* --- the whole -------------------------------------------------------------------------------- */

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
static double
draw_notes (Picture *self,
            double   y)
{
  g_autoptr (GString) note = g_string_new (NULL);
  double x = 16;

  if (has_failures (self->trace))
    {
      draw (self, "<path class=\"f\" d=\"M# #l-4 -8h8z\"/>", x + 5, y - 1);
      draw_text (self, "s", x + 15, y, "a task failed");
      draw (self, "<path class=\"x\" d=\"M# #l8 8m0 -8l-8 8\"/>", x + 105, y - 8);
      draw_text (self, "s", x + 119, y, "a worker crashed");
    }
  if (self->trace->n_lost > 0)
    g_string_append_printf (note, "%" G_GUINT64_FORMAT " records are missing. ",
                            self->trace->n_lost);
  if (self->n_hidden > 0)
    g_string_append_printf (note, "%u workers are not shown. ", self->n_hidden);
  if (self->trace->is_short)
    g_string_append (note, "The trace ends in the middle. ");
  draw_text (self, "s e", self->width - RIGHT_MARGIN, y, note->str);
  return y;
}

static void
draw_all (Picture *self)
{
  double last_label = -LABEL_HEIGHT;
  double top, y;

  y = draw_keys (self, draw_heading (self));
  top = y;
  y = draw_queue (self, y);
  self->rows_y = y;
  self->rows_end = y_of (self, self->n_rows);
  draw_time (self, top, self->rows_end);
  for (guint i = 0; i < self->lanes->len; i++)
    draw_lane (self, &g_array_index (self->lanes, Lane, i), &last_label);
  draw_tasks (self);
  draw_crashes (self);
  draw_notes (self, self->rows_end + 42);
}

void
cli_trace_append_svg (CliTrace *trace,
                      GString  *svg,
                      guint     width)
{
  g_autoptr (GString) body = g_string_new (NULL);
  Picture self = { .trace = trace, .svg = body, .width = width, .plot_x = LABEL_WIDTH };
  double height;

  self.plot_width = width - LABEL_WIDTH - RIGHT_MARGIN;
  self.per_usec = self.plot_width / (double) MAX (trace->length, 1);
  self.lanes = g_array_new (FALSE, FALSE, sizeof (Lane));
  choose_lanes (&self);
  self.row_height = choose_row_height (self.n_rows);
  draw_all (&self);

  height = self.rows_end + 54;
  self.svg = svg;
  draw (&self, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"#\" height=\"#\" "
        "viewBox=\"0 0 # #\">\n", self.width, height, self.width, height);
  g_string_append (svg, style);
  draw (&self, "<rect class=\"b\" width=\"#\" height=\"#\"/>\n", self.width, height);
  g_string_append_len (svg, body->str, (gssize) body->len);
  g_string_append (svg, "</svg>\n");

  for (guint i = 0; i < self.lanes->len; i++)
    g_array_unref (g_array_index (self.lanes, Lane, i).workers);
  g_array_unref (self.lanes);
  g_free (self.lane_of);
}
