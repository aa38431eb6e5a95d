/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/base/aiopool-engine-private.h"
#include "tests/base/engine-bell.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* The near end of a socketpair, watched; what the far end is told is read there. */
typedef struct
{
  AiopoolWatch watch;
  int          fds[2];
  Bell         bell;
  guint        n_calls;
  guint32      events;
  gboolean     reads;
  GPtrArray   *others; /* (nullable) of Line: removed by the first that is called */
} Line;

static void
on_line_ready (AiopoolWatch *watch,
               guint32       events)
{
  Line *line = watch->owner;
  char byte;

  g_assert_true (aiopool_engine_is_current ());
  line->n_calls++;
  line->events = events;
  if (line->reads)
    g_assert_cmpint (read (line->fds[0], &byte, 1), ==, 1);
  for (guint i = 0; line->others != NULL && i < line->others->len; i++)
    aiopool_watch_remove (&((Line *) g_ptr_array_index (line->others, i))->watch);
  ring (&line->bell);
}

static void
add_line (gpointer data)
{
  Line *line = data;

  aiopool_watch_add (&line->watch, line->fds[0], EPOLLIN);
}

static void
remove_line (gpointer data)
{
  aiopool_watch_remove (&((Line *) data)->watch);
}

static void
line_open (Line *line)
{
  *line = (Line) { .reads = TRUE };
  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, line->fds), ==, 0);
  bell_init (&line->bell);
  aiopool_watch_init (&line->watch, on_line_ready, line);
}

static void
line_close (Line *line)
{
  run_there (remove_line, line);
  close (line->fds[0]);
  close (line->fds[1]);
  bell_clear (&line->bell);
}

static void
send_byte (Line *line)
{
  g_assert_cmpint (write (line->fds[1], "x", 1), ==, 1);
}

static void
test_watch_is_called_when_there_is_something (void)
{
  Line line;

  start_engine ();
  line_open (&line);
  run_there (add_line, &line);
  for (guint i = 1; i <= 100; i++)
    {
      send_byte (&line);
      wait_for_rings (&line.bell, i);
    }
  wait_some_rounds ();
  g_assert_cmpuint (line.n_calls, ==, 100);
  g_assert_cmpuint (line.events, ==, EPOLLIN);
  line_close (&line);
}

static void
watch_nothing (gpointer data)
{
  aiopool_watch_set_events (&((Line *) data)->watch, 0);
}

static void
watch_output (gpointer data)
{
  aiopool_watch_set_events (&((Line *) data)->watch, EPOLLOUT);
}

static void
watch_input (gpointer data)
{
  aiopool_watch_set_events (&((Line *) data)->watch, EPOLLIN);
}

static void
test_watch_hears_only_what_it_asked_for (void)
{
  Line line;

  start_engine ();
  line_open (&line);
  run_there (add_line, &line);
  run_there (watch_nothing, &line);
  send_byte (&line);
  wait_some_rounds ();
  g_assert_cmpuint (line.n_calls, ==, 0);

  run_there (watch_input, &line);
  wait_for_rings (&line.bell, 1);
  g_assert_cmpuint (line.events, ==, EPOLLIN);

  line.reads = FALSE;
  run_there (watch_output, &line);
  wait_for_rings (&line.bell, 2);
  g_assert_cmpuint (line.events, ==, EPOLLOUT);
  line_close (&line);
}

static void
test_watch_hears_the_end_unasked (void)
{
  Line line;

  start_engine ();
  line_open (&line);
  line.reads = FALSE;
  run_there (add_line, &line);
  run_there (watch_nothing, &line);
  close (line.fds[1]);
  line.fds[1] = -1;
  wait_for_rings (&line.bell, 1);
  g_assert_cmpuint (line.events & EPOLLHUP, ==, EPOLLHUP);
  run_there (remove_line, &line);
  close (line.fds[0]);
  bell_clear (&line.bell);
}

static void
test_removed_watch_is_not_called (void)
{
  Line line;

  start_engine ();
  line_open (&line);
  run_there (add_line, &line);
  run_there (remove_line, &line);
  send_byte (&line);
  wait_some_rounds ();
  g_assert_cmpuint (line.n_calls, ==, 0);
  g_assert_cmpint (line.watch.fd, ==, -1);

  run_there (remove_line, &line);
  run_there (add_line, &line);
  wait_for_rings (&line.bell, 1);
  g_assert_cmpuint (line.n_calls, ==, 1);
  line_close (&line);
}

static void
send_to_all (gpointer data)
{
  GPtrArray *lines = data;

  for (guint i = 0; i < lines->len; i++)
    send_byte (g_ptr_array_index (lines, i));
}

/* All are ready in one round; the first to be called removes all, itself too. */
static void
test_watch_removed_by_another_in_the_same_round_is_not_called (void)
{
  g_autoptr (GPtrArray) others = g_ptr_array_new ();
  Line lines[8];
  guint n_calls = 0;

  start_engine ();
  for (guint i = 0; i < G_N_ELEMENTS (lines); i++)
    {
      line_open (&lines[i]);
      lines[i].others = others;
      g_ptr_array_add (others, &lines[i]);
      run_there (add_line, &lines[i]);
    }
  run_there (send_to_all, others);
  wait_some_rounds ();
  for (guint i = 0; i < G_N_ELEMENTS (lines); i++)
    n_calls += lines[i].n_calls;
  g_assert_cmpuint (n_calls, ==, 1);
  for (guint i = 0; i < G_N_ELEMENTS (lines); i++)
    line_close (&lines[i]);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/engine/watch/is-called-when-there-is-something",
                   test_watch_is_called_when_there_is_something);
  g_test_add_func ("/engine/watch/hears-only-what-it-asked-for",
                   test_watch_hears_only_what_it_asked_for);
  g_test_add_func ("/engine/watch/hears-the-end-unasked", test_watch_hears_the_end_unasked);
  g_test_add_func ("/engine/watch/removed-is-not-called", test_removed_watch_is_not_called);
  g_test_add_func ("/engine/watch/removed-by-another-in-the-same-round-is-not-called",
                   test_watch_removed_by_another_in_the_same_round_is_not_called);
  return g_test_run ();
}
