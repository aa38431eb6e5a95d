/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/base/aiopool-engine-private.h"
#include "aiopool/base/aiopool-error.h"
#include "tests/base/engine-bell.h"

#include <sys/wait.h>
#include <unistd.h>

#define N_THREADS 4
#define N_POSTS   5000

static void
test_engine_starts_more_than_once (void)
{
  start_engine ();
  start_engine ();
  g_assert_false (aiopool_engine_is_forked ());
}

static void
note_is_current (gpointer data)
{
  *(gboolean *) data = aiopool_engine_is_current () && !g_main_context_is_owner (NULL);
}

static void
test_post_runs_on_the_engine_thread (void)
{
  gboolean is_current = FALSE;

  start_engine ();
  g_assert_false (aiopool_engine_is_current ());
  run_there (note_is_current, &is_current);
  g_assert_true (is_current);
}

typedef struct
{
  guint      thread;
  guint      number;
  GPtrArray *seen; /* only the engine thread appends */
} Note;

static void
see (gpointer data)
{
  Note *note = data;

  g_ptr_array_add (note->seen, note);
}

typedef struct
{
  guint      number;
  GPtrArray *seen;
  Note      *notes; /* (owned): N_POSTS */
} Poster;

static gpointer
post_many (gpointer data)
{
  Poster *poster = data;

  for (guint i = 0; i < N_POSTS; i++)
    {
      poster->notes[i] = (Note) { poster->number, i, poster->seen };
      aiopool_engine_post (see, &poster->notes[i]);
    }
  return NULL;
}

static void
test_posts_of_each_thread_run_in_order (void)
{
  g_autoptr (GPtrArray) seen = g_ptr_array_new ();
  Poster posters[N_THREADS];
  GThread *threads[N_THREADS];
  guint next[N_THREADS] = { 0 };

  start_engine ();
  for (guint i = 0; i < N_THREADS; i++)
    {
      posters[i] = (Poster) { i, seen, g_new (Note, N_POSTS) };
      threads[i] = g_thread_new ("poster", post_many, &posters[i]);
    }
  for (guint i = 0; i < N_THREADS; i++)
    g_thread_join (threads[i]);
  run_there (do_nothing, NULL);

  g_assert_cmpuint (seen->len, ==, N_THREADS * N_POSTS);
  for (guint i = 0; i < seen->len; i++)
    {
      Note *note = g_ptr_array_index (seen, i);

      g_assert_cmpuint (note->number, ==, next[note->thread]);
      next[note->thread]++;
    }
  for (guint i = 0; i < N_THREADS; i++)
    g_free (posters[i].notes);
}

typedef struct
{
  Bell     bell;
  gboolean is_inside;
  gboolean was_inside;
} Nesting;

static void
post_inner (gpointer data)
{
  Nesting *nesting = data;

  nesting->was_inside = nesting->is_inside;
  ring (&nesting->bell);
}

static void
post_outer (gpointer data)
{
  Nesting *nesting = data;

  nesting->is_inside = TRUE;
  aiopool_engine_post (post_inner, nesting);
  nesting->is_inside = FALSE;
}

static void
test_post_from_the_engine_runs_after_its_poster (void)
{
  Nesting nesting = { .was_inside = TRUE };

  start_engine ();
  bell_init (&nesting.bell);
  aiopool_engine_post (post_outer, &nesting);
  wait_for_rings (&nesting.bell, 1);
  g_assert_false (nesting.was_inside);
  bell_clear (&nesting.bell);
}

typedef struct
{
  AiopoolAlarm *alarm;
  Bell          bell;
  gint64        when;
  gint64        rang;
  gboolean      is_reset; /* by itself, when it rings */
} Clock;

static void
on_alarm (gpointer owner)
{
  Clock *clock = owner;

  g_assert_true (aiopool_engine_is_current ());
  clock->rang = g_get_monotonic_time ();
  if (clock->is_reset && clock->bell.n_said < 9)
    aiopool_alarm_set (clock->alarm, clock->rang);
  ring (&clock->bell);
}

static void
clock_open (Clock *clock)
{
  *clock = (Clock) { 0 };
  bell_init (&clock->bell);
  clock->alarm = aiopool_alarm_new (on_alarm, clock);
}

static void
free_alarm (gpointer data)
{
  aiopool_alarm_free (data);
}

static void
clock_close (Clock *clock)
{
  run_there (free_alarm, clock->alarm);
  bell_clear (&clock->bell);
}

static void
test_alarm_rings_once_and_not_early (void)
{
  Clock clock;

  start_engine ();
  clock_open (&clock);
  clock.when = g_get_monotonic_time () + 2000;
  aiopool_alarm_set (clock.alarm, clock.when);
  wait_for_rings (&clock.bell, 1);
  wait_some_rounds ();
  g_assert_cmpuint (clock.bell.n_said, ==, 1);
  g_assert_cmpint (clock.rang, >=, clock.when);
  clock_close (&clock);
}

static void
test_alarm_can_be_set_again (void)
{
  Clock clock;

  start_engine ();
  clock_open (&clock);
  aiopool_alarm_set (clock.alarm, g_get_monotonic_time () + G_TIME_SPAN_DAY);
  wait_some_rounds ();
  g_assert_cmpuint (clock.bell.n_said, ==, 0);
  aiopool_alarm_set (clock.alarm, g_get_monotonic_time ());
  wait_for_rings (&clock.bell, 1);
  aiopool_alarm_set (clock.alarm, 0);
  wait_for_rings (&clock.bell, 2);
  clock_close (&clock);
}

static void
test_alarm_may_set_itself_when_it_rings (void)
{
  Clock clock;

  start_engine ();
  clock_open (&clock);
  clock.is_reset = TRUE;
  aiopool_alarm_set (clock.alarm, 0);
  wait_for_rings (&clock.bell, 10);
  wait_some_rounds ();
  g_assert_cmpuint (clock.bell.n_said, ==, 10);
  clock_close (&clock);
}

static void
set_and_take_back (gpointer data)
{
  aiopool_alarm_set (data, 0);
  aiopool_alarm_set (data, -1);
}

static void
set_and_free (gpointer data)
{
  aiopool_alarm_set (data, 0);
  aiopool_alarm_free (data);
}

static void
test_alarm_taken_back_or_freed_does_not_ring (void)
{
  Clock off, gone;

  start_engine ();
  clock_open (&off);
  clock_open (&gone);
  run_there (set_and_take_back, off.alarm);
  run_there (set_and_free, gone.alarm);
  wait_some_rounds ();
  g_assert_cmpuint (off.bell.n_said, ==, 0);
  g_assert_cmpuint (gone.bell.n_said, ==, 0);
  clock_close (&off);
  bell_clear (&gone.bell);
}

/* The child says what it saw with its exit status: nothing else works there. */
static int
child_main (void)
{
  GError *error = NULL;

  if (!aiopool_engine_is_forked ())
    return 1;
  if (aiopool_engine_start (&error))
    return 2;
  if (!g_error_matches (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_FORKED))
    return 3;
  aiopool_engine_post (do_nothing, NULL);
  if (aiopool_engine_is_current ())
    return 4;
  return 0;
}

/* By another program: at the end of this one valgrind would look for leaks, and find what the
 * threads had that no fork has. */
static void
end_child (int status)
{
  g_autofree char *text = g_strdup_printf ("%d", status);

  execl ("/bin/sh", "sh", "-c", "exit $0", text, NULL);
  _exit (127);
}

static void
test_forked_child_has_no_engine (void)
{
  int status;
  pid_t pid;

  start_engine ();
  pid = fork ();
  g_assert_cmpint (pid, >=, 0);
  if (pid == 0)
    end_child (child_main ());
  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  g_assert_true (WIFEXITED (status));
  g_assert_cmpint (WEXITSTATUS (status), ==, 0);

  g_assert_false (aiopool_engine_is_forked ());
  run_there (do_nothing, NULL);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/engine/starts-more-than-once", test_engine_starts_more_than_once);
  g_test_add_func ("/engine/post/runs-on-the-engine-thread", test_post_runs_on_the_engine_thread);
  g_test_add_func ("/engine/post/of-each-thread-in-order", test_posts_of_each_thread_run_in_order);
  g_test_add_func ("/engine/post/from-the-engine-runs-after-its-poster",
                   test_post_from_the_engine_runs_after_its_poster);
  g_test_add_func ("/engine/alarm/rings-once-and-not-early", test_alarm_rings_once_and_not_early);
  g_test_add_func ("/engine/alarm/can-be-set-again", test_alarm_can_be_set_again);
  g_test_add_func ("/engine/alarm/may-set-itself-when-it-rings",
                   test_alarm_may_set_itself_when_it_rings);
  g_test_add_func ("/engine/alarm/taken-back-or-freed-does-not-ring",
                   test_alarm_taken_back_or_freed_does_not_ring);
  g_test_add_func ("/engine/forked-child-has-no-engine", test_forked_child_has_no_engine);
  return g_test_run ();
}
