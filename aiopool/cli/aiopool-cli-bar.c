/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "aiopool/cli/aiopool-cli-bar-private.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* The progress bar.
 *
 *   [#########-----------]  1234/5678  21%  456/s  0:09 left  2 failed  3 retried
 *
 * A timer draws it ten times a second at most, and only when a figure has changed; whoever writes
 * to the terminal erases it first and says afterwards whether the line is ended, for the bar must
 * not take the place of an open one. Drawing and erasing are one write() each. */

#define INTERVAL_MS 100
#define MIN_BAR_WIDTH 10
#define MAX_BAR_WIDTH 40
#define MIN_WIDTH 20
#define ERASE "\r\033[K"

typedef struct
{
  CliProgress progress;
  gint64      started_us;
  guint       timer_id;     /* 0: not started */
  char       *drawn_line;   /* (owned) (nullable) what was drawn last */
  gint64      drawn_us;
  gboolean    is_line_open; /* someone else wrote part of a line */
} Bar;

static Bar bar;
static int is_drawn; /* (atomic) also the signal thread erases */

/* --- the line --------------------------------------------------------------------------------- */

static void
append_duration (GString *line,
                 double   seconds)
{
  guint64 whole = (guint64) (seconds + 0.5);
  guint64 minutes = whole / 60;

  if (minutes >= 60)
    g_string_append_printf (line, "%" G_GUINT64_FORMAT ":%02u:%02u", minutes / 60,
                            (guint) (minutes % 60), (guint) (whole % 60));
  else
    g_string_append_printf (line, "%u:%02u", (guint) minutes, (guint) (whole % 60));
}

static void
append_rate (GString *line,
             double   rate)
{
  if (rate > 0 && rate < 10)
    g_string_append_printf (line, "  %.1f/s", rate);
  else
    g_string_append_printf (line, "  %.0f/s", rate);
}

static void
append_time (GString           *line,
             const CliProgress *progress,
             double             rate)
{
  g_string_append (line, "  ");
  if (progress->n_total == 0 || progress->n_done >= progress->n_total)
    {
      append_duration (line, progress->elapsed);
      return;
    }

  if (rate > 0)
    append_duration (line, MIN ((progress->n_total - progress->n_done) / rate, 3.6e8));
  else
    g_string_append (line, "-:--");
  g_string_append (line, " left");
}

static char *
format_figures (const CliProgress *progress)
{
  GString *line = g_string_new (NULL);
  double rate = progress->elapsed > 0 ? progress->n_done / progress->elapsed : 0;

  g_string_append_printf (line, "%" G_GUINT64_FORMAT, progress->n_done);
  if (progress->n_total > 0)
    g_string_append_printf (line, "/%" G_GUINT64_FORMAT "  %u%%", progress->n_total,
                            (guint) (progress->n_done * 100 / progress->n_total));
  append_rate (line, rate);
  append_time (line, progress, rate);
  if (progress->n_failed > 0)
    g_string_append_printf (line, "  %" G_GUINT64_FORMAT " failed", progress->n_failed);
  if (progress->n_retried > 0)
    g_string_append_printf (line, "  %" G_GUINT64_FORMAT " retried", progress->n_retried);
  return g_string_free (line, FALSE);
}

static void
append_bar (GString *line,
            double   fraction,
            guint    width)
{
  guint n_full = (guint) (CLAMP (fraction, 0, 1) * width);
  guint i = 0;

  g_string_append_c (line, '[');
  for (i = 0; i < width; i++)
    g_string_append_c (line, i < n_full ? '#' : '-');
  g_string_append (line, "]  ");
}

char *
cli_bar_format (const CliProgress *progress,
                guint              width)
{
  g_autofree char *figures = format_figures (progress);
  GString *line = g_string_new (NULL);
  guint room = 0;

  if (width > strlen (figures) + 4)
    room = MIN (width - (guint) strlen (figures) - 4, MAX_BAR_WIDTH);
  if (progress->n_total > 0 && room >= MIN_BAR_WIDTH)
    append_bar (line, (double) progress->n_done / progress->n_total, room);

  g_string_append (line, figures);
  g_string_truncate (line, MIN (line->len, width));
  return g_string_free (line, FALSE);
}

/* --- the terminal ----------------------------------------------------------------------------- */

/* Without the last column, where terminals differ in when they go to the next line. */
static guint
get_width (void)
{
  const char *columns = g_getenv ("COLUMNS");
  struct winsize size = { 0 };
  guint64 width = 0;

  if (columns != NULL && g_ascii_string_to_unsigned (columns, 10, 1, 10000, &width, NULL))
    return MAX ((guint) width, MIN_WIDTH) - 1;

  if (ioctl (STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    return MAX (size.ws_col, MIN_WIDTH) - 1;

  return 79;
}

static void
write_all (const char *text)
{
  gsize length = strlen (text);

  while (length > 0)
    {
      gssize n_written = write (STDERR_FILENO, text, length);

      if (n_written <= 0)
        return;
      text += n_written;
      length -= n_written;
    }
}

static gboolean
on_tick (gpointer user_data)
{
  gint64 now_us = g_get_monotonic_time ();
  g_autofree char *line = NULL;
  g_autofree char *text = NULL;

  if (bar.is_line_open)
    return G_SOURCE_CONTINUE;

  bar.progress.elapsed = (now_us - bar.started_us) / (double) G_TIME_SPAN_SECOND;
  line = cli_bar_format (&bar.progress, get_width ());
  if (g_atomic_int_get (&is_drawn) && g_strcmp0 (line, bar.drawn_line) == 0)
    return G_SOURCE_CONTINUE;

  text = g_strconcat (ERASE, line, NULL);
  g_atomic_int_set (&is_drawn, TRUE);
  write_all (text);
  g_free (bar.drawn_line);
  bar.drawn_line = g_steal_pointer (&line);
  bar.drawn_us = now_us;
  return G_SOURCE_CONTINUE;
}

void
cli_bar_start (gboolean is_wanted)
{
  if (!is_wanted || !isatty (STDERR_FILENO))
    return;

  bar.started_us = g_get_monotonic_time ();
  bar.timer_id = g_timeout_add (INTERVAL_MS, on_tick, NULL);
}

void
cli_bar_update (guint64 n_done,
                guint64 n_failed,
                guint64 n_retried,
                guint64 n_total)
{
  bar.progress.n_done = n_done;
  bar.progress.n_failed = n_failed;
  bar.progress.n_retried = n_retried;
  bar.progress.n_total = n_total;
}

void
cli_bar_erase (void)
{
  if (g_atomic_int_compare_and_exchange (&is_drawn, TRUE, FALSE))
    write_all (ERASE);
}

gboolean
cli_bar_is_started (void)
{
  return bar.timer_id != 0;
}

void
cli_bar_restore (gboolean is_line_ended)
{
  bar.is_line_open = !is_line_ended;
  if (bar.timer_id != 0 &&
      g_get_monotonic_time () - bar.drawn_us >= INTERVAL_MS * G_TIME_SPAN_MILLISECOND)
    on_tick (NULL);
}

void
cli_bar_stop (void)
{
  g_clear_handle_id (&bar.timer_id, g_source_remove);
  g_clear_pointer (&bar.drawn_line, g_free);
  cli_bar_erase ();
}
