/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/cli/aiopool-cli-trace-private.h"

/* For the files of the timeline: lanes and tasks, what goes along the time, and the legend. */

G_BEGIN_DECLS

#define CLI_TIMELINE_N_COLORS 10
#define CLI_TIMELINE_MARGIN   28 /* pixels, on the right */

/* A lane: workers of one pool, one after the other. */
typedef struct
{
  GArray *workers;  /* (owned) of guint */
  guint   pool;
  gint64  free_at;  /* when the last one died */
  guint   n_rows;
  guint   first_row;
} CliLane;

typedef struct
{
  CliTrace *trace;      /* (unowned: the caller) */
  GString  *svg;        /* (owned): the picture without what stands around it */
  double    width;      /* of the whole picture */
  double    plot_x;
  double    plot_width;
  double    per_usec;   /* pixels */
  GArray   *lanes;      /* (owned) of CliLane */
  guint    *lane_of;    /* (owned): of each worker */
  guint     n_rows;
  double    row_height;
  double    rows_y;
  double    rows_end;
  guint     n_hidden;   /* workers for which there is no lane */
  guint     n_bars;
} CliTimeline;

/* timeline-lanes */
void    cli_timeline_choose_lanes (CliTimeline *self);
double  cli_timeline_gap_of       (CliTimeline *self);
double  cli_timeline_x_of         (CliTimeline *self,
                                   double       usec);
double  cli_timeline_y_of         (CliTimeline *self,
                                   guint        row);
void    cli_timeline_draw_lanes   (CliTimeline *self);

/* timeline-tasks */
void    cli_timeline_draw_tasks   (CliTimeline *self);
void    cli_timeline_draw_crashes (CliTimeline *self);

/* timeline-scale; those that return a number: where the next thing may stand */
void    cli_timeline_draw_time    (CliTimeline *self,
                                   double       top,
                                   double       bottom);
double  cli_timeline_draw_queue   (CliTimeline *self,
                                   double       y);

/* timeline-legend; as those. The colours: of the first functions, and of all the others */
extern const char * const cli_timeline_colors[CLI_TIMELINE_N_COLORS + 1];

guint   cli_timeline_color_of     (guint        function);
double  cli_timeline_draw_heading (CliTimeline *self);
double  cli_timeline_draw_keys    (CliTimeline *self,
                                   double       y);
void    cli_timeline_draw_notes   (CliTimeline *self,
                                   double       y);

G_END_DECLS
