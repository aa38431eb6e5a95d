/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/workers/aiopool-stderr-private.h"
#include "tests/base/engine-bell.h"

#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Which part of a worker's standard error belongs to which time. The pipe is filled here, while the
 * engine drains it too. What is said is only about what is certain: the engine may read a part
 * sooner than the test, never later. */

typedef struct
{
  AiopoolStderr *standard_error; /* (owned) */
  int            fd;             /* (owned): the worker's end */
} Worker;

static void
start (gpointer data)
{
  Worker *self = data;
  g_autoptr (GError) error = NULL;

  self->standard_error = aiopool_stderr_new (&self->fd, &error);
  g_assert_no_error (error);
}

static void
end (gpointer data)
{
  Worker *self = data;

  close (self->fd);
  aiopool_stderr_free (self->standard_error);
}

static void
say (Worker     *self,
     const char *text)
{
  g_assert_cmpint (write (self->fd, text, strlen (text)), ==, (gssize) strlen (text));
}

/* Some time between two events. */
static gint64
now (void)
{
  gint64 time = g_get_monotonic_time ();

  while (g_get_monotonic_time () <= time + 1)
    ;
  return time + 1;
}

/* Drains. Returns: when everything had been written, and not been read. */
static gint64
settle (Worker *self)
{
  gint64 before = now ();

  aiopool_stderr_drain (self->standard_error);
  now ();
  return before;
}

static void
expect (Worker     *self,
        gint64      begin,
        gint64      end_time,
        const char *lines)
{
  g_autofree char *found = aiopool_stderr_dup_lines (self->standard_error, begin, end_time, 10);

  g_assert_cmpstr (found, ==, lines);
}

static void
test_parts_are_told_apart (Worker *self)
{
  gint64 begin_of_two;
  gint64 times[4];

  times[0] = now ();
  say (self, "one\n");
  times[1] = settle (self);
  begin_of_two = now ();
  say (self, "two\nand three\n");
  times[2] = settle (self);
  times[3] = settle (self);
  expect (self, times[0], times[1], "one");
  expect (self, begin_of_two, times[2], "two\nand three");
  expect (self, times[3], times[3], NULL);
  expect (self, times[0], G_MAXINT64, "one\ntwo\nand three");
  expect (self, 0, G_MAXINT64, "one\ntwo\nand three");
  expect (self, times[3], G_MAXINT64, NULL);
}

/* A pipe that was found empty once more tells that what comes is later. */
static void
test_an_end_is_seen_without_more_to_read (Worker *self)
{
  gint64 begin = now ();
  gint64 over;

  say (self, "mine\n");
  aiopool_stderr_drain (self->standard_error);
  over = now ();
  settle (self);
  say (self, "of another one\n");
  settle (self);
  expect (self, begin, over, "mine");
}

/* All that was written is there, whatever else is. */
static void
test_what_was_not_read_yet_counts (Worker *self)
{
  g_autofree char *found = NULL;
  gint64 begin = now ();
  gint64 over;

  say (self, "early\n");
  over = now ();
  say (self, "late\n");
  settle (self);
  found = aiopool_stderr_dup_lines (self->standard_error, begin, over, 10);
  g_assert_true (g_str_has_prefix (found, "early"));
}

static void
test_many_small_pieces_forget_what_was_before (Worker *self)
{
  g_autofree char *found = NULL;
  gint64 begin;

  say (self, "of a task before\n");
  settle (self);
  begin = now ();
  for (guint i = 0; i < 1000; i++)
    {
      say (self, i == 990 ? "x\n" : "y");
      settle (self);
    }
  found = aiopool_stderr_dup_lines (self->standard_error, begin, G_MAXINT64, 10);
  g_assert_null (strstr (found, "before"));
  g_assert_true (g_str_has_suffix (found, "yx\nyyyyyyyyy"));
}

static void
test_only_the_last_lines_are_told (Worker *self)
{
  g_autofree char *line = g_strnfill (10000, 'z');
  g_autofree char *found = NULL;
  gint64 begin = now ();

  for (guint i = 0; i < 20; i++)
    {
      g_autofree char *text = g_strdup_printf ("%u\n", i);

      say (self, text);
    }
  settle (self);
  expect (self, begin, G_MAXINT64, "10\n11\n12\n13\n14\n15\n16\n17\n18\n19");
  say (self, line);
  settle (self);
  found = aiopool_stderr_dup_lines (self->standard_error, begin, G_MAXINT64, 10);
  g_assert_cmpuint (strlen (found), ==, 4096);
}

/* Returns: KiB, at most so far. */
static gsize
get_resident (void)
{
  struct rusage usage;

  getrusage (RUSAGE_SELF, &usage);
  return (gsize) usage.ru_maxrss;
}

static void
test_a_flood_is_not_kept (Worker *self)
{
  g_autofree char *line = g_strnfill (64 * 1024, 'z');
  gsize before = get_resident ();

  for (guint i = 0; i < 1024; i++) /* 64 MiB */
    {
      say (self, line);
      aiopool_stderr_drain (self->standard_error);
    }
  g_assert_cmpuint (get_resident () - before, <, 8 * 1024);
}

typedef void (*PartTest) (Worker *self);

static void
run_test (gconstpointer data)
{
  Worker worker = { NULL };

  run_there (start, &worker);
  ((PartTest) data) (&worker);
  run_there (end, &worker);
}

int
main (int   argc,
      char *argv[])
{
  static const struct { const char *path; PartTest function; } tests[] = {
    { "/workers/stderr/parts-are-told-apart", test_parts_are_told_apart },
    { "/workers/stderr/an-end-is-seen-without-more-to-read",
      test_an_end_is_seen_without_more_to_read },
    { "/workers/stderr/what-was-not-read-yet-counts", test_what_was_not_read_yet_counts },
    { "/workers/stderr/many-small-pieces-forget-what-was-before",
      test_many_small_pieces_forget_what_was_before },
    { "/workers/stderr/only-the-last-lines-are-told", test_only_the_last_lines_are_told },
    { "/workers/stderr/a-flood-is-not-kept", test_a_flood_is_not_kept },
  };
  int null = open ("/dev/null", O_WRONLY | O_CLOEXEC); /* where it is forwarded to */

  g_test_init (&argc, &argv, NULL);
  dup2 (null, STDERR_FILENO);
  close (null);
  start_engine ();
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add_data_func (tests[i].path, (gconstpointer) tests[i].function, run_test);
  return g_test_run ();
}
