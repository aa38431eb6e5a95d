/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/wire/aiopool-channel-private.h"
#include "aiopool/workers/aiopool-outbound-private.h"
#include "tests/base/engine-bell.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What of shared data is written to a worker, which is the other end of two socketpairs: each frame
 * of it is counted. */

#define KIB 1024
#define MIB (1024 * 1024)

typedef struct
{
  int                far_data;    /* (owned) */
  int                far_control; /* (owned) */
  int                data_fd;     /* (owned) */
  AiopoolStatusPage *page;        /* (owned) */
  AiopoolControl    *control;     /* (owned) */
  AiopoolOutbound   *outbound;    /* (owned) */
  AiopoolReader     *reader;      /* (owned): of the other end */
  int                n_died;      /* atomic: told of deaths */
} Way;

static gboolean
on_frame (gpointer            owner,
          const AiopoolFrame *frame)
{
  return TRUE;
}

static void
on_died (gpointer owner)
{
  g_atomic_int_inc (&((Way *) owner)->n_died);
}

static void
way_open (Way *way)
{
  const int large = 4 * MIB;
  int data[2], control[2];
  int page_fd;

  start_engine ();
  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, data), ==, 0);
  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control), ==, 0);
  setsockopt (data[0], SOL_SOCKET, SO_SNDBUF, &large, sizeof large);
  *way = (Way) { .data_fd = data[0], .far_data = data[1], .far_control = control[1] };
  way->page = aiopool_status_page_new (&page_fd, NULL);
  close (page_fd);
  way->control = aiopool_control_new (control[0], on_frame, NULL);
  way->outbound = aiopool_outbound_new (way->data_fd, way->page, way->control, TRUE);
  aiopool_outbound_follow_deaths (way->outbound, on_died, way);
  way->reader = aiopool_reader_new (way->far_data);
}

static void
free_outbound (gpointer data)
{
  aiopool_outbound_free (data);
}

static void
free_control (gpointer data)
{
  aiopool_control_free (data);
}

static void
way_close (Way *way)
{
  run_there (free_outbound, way->outbound);
  run_there (free_control, way->control);
  aiopool_reader_free (way->reader);
  aiopool_status_page_free (way->page);
  close (way->data_fd);
  close (way->far_data);
  close (way->far_control);
}

static AiopoolShared *
shared_new (gsize size)
{
  g_autoptr (GBytes) bytes = g_bytes_new_take (g_malloc0 (MAX (size, 1)), size);

  return aiopool_shared_new (bytes);
}

/* A task that is written at once, and taken for over. */
typedef struct
{
  Way           *way;
  AiopoolShared *shared;
} Errand;

static void
flush (Way *way)
{
  g_autoptr (GError) error = NULL;

  while (aiopool_outbound_flush (way->outbound, &error) == AIOPOOL_FLUSH_ENGINE)
    ;
  g_assert_no_error (error);
}

/* Where large data is copied. */
static void
run_errand (gpointer data)
{
  Errand *errand = data;
  Way *way = errand->way;
  AiopoolPayloadView view = { AIOPOOL_FORMAT_RAW, NULL, "task", 4 };
  g_autoptr (AiopoolPayload) payload = aiopool_payload_new_copy (&view);
  AiopoolSpecOptions options = { .shared = errand->shared };
  AiopoolSpec spec = { "function", payload, &options };
  AiopoolFunctionInfo function = { .name = "function", .run_time = -1 };
  AiopoolOrder order = { .spec = &spec, .function = &function };

  aiopool_outbound_add (way->outbound, &order, 1);
  flush (way);
  g_assert_null (aiopool_outbound_get_copied (way->outbound));
  aiopool_outbound_remove (way->outbound, order.id);
}

static void
send_task (Way           *way,
           AiopoolShared *shared)
{
  Errand errand = { way, shared };

  run_there (run_errand, &errand);
}

/* What came: letters S(hare in the frame), M(emory), U(nshare), T(ask), each with its number. */
static char *
read_all (Way *way)
{
  GString *text = g_string_new (NULL);
  AiopoolFrame frame;

  while (aiopool_reader_fill (way->reader, FALSE) == AIOPOOL_IO_OK)
    {
      while (aiopool_reader_next (way->reader, &frame) == AIOPOOL_FRAME_OK)
        {
          g_autoptr (GUnixFDList) fds = aiopool_reader_take_fds (way->reader, frame.n_fds);
          AiopoolValueMessage share;
          AiopoolTaskMessage task;

          if (aiopool_message_parse_share (&frame, &share))
            g_string_append_printf (text, "%c%u ", fds != NULL ? 'M' : 'S', (guint) frame.id);
          else if (aiopool_message_parse_task (&frame, &task))
            g_string_append_printf (text, "T%u ", (guint) task.shared_id);
          else if (frame.type == AIOPOOL_FRAME_UNSHARE)
            g_string_append_printf (text, "U%u ", (guint) frame.id);
          else
            g_assert_cmpint (frame.type, ==, AIOPOOL_FRAME_DEFINE);
        }
    }
  return g_string_free (text, FALSE);
}

static void
expect (Way        *way,
        const char *expected)
{
  g_autofree char *text = read_all (way);

  g_assert_cmpstr (text, ==, expected);
}

static void
test_it_is_sent_once_before_the_first_task (void)
{
  static const struct { gsize size; const char *expected; } rows[] = {
    { 0, "T0 S1 T1 T1 T0 T1 " }, { 128 * KIB, "T0 S1 T1 T1 T0 T1 " },
    { 128 * KIB + 1, "T0 M1 T1 T1 T0 T1 " }, { MIB + 1, "T0 M1 T1 T1 T0 T1 " },
    { 9 * MIB, "T0 M1 T1 T1 T0 T1 " },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      AiopoolShared *shared = shared_new (rows[i].size);
      Way way;

      way_open (&way);
      send_task (&way, NULL);
      send_task (&way, shared);
      send_task (&way, shared);
      send_task (&way, NULL);
      send_task (&way, shared);
      expect (&way, rows[i].expected);
      way_close (&way);
      aiopool_shared_disown (shared);
    }
}

/* The second one gets the same memory; numbers are those of one worker. */
static void
test_two_workers_get_it_each (void)
{
  AiopoolShared *shared = shared_new (3 * MIB);
  AiopoolShared *other = shared_new (10);
  g_autoptr (GUnixFDList) fds = NULL;
  g_autoptr (GUnixFDList) same = NULL;
  Way ways[2];

  way_open (&ways[0]);
  way_open (&ways[1]);
  send_task (&ways[0], shared);
  fds = aiopool_shared_dup_fds (shared);
  g_assert_nonnull (fds);
  send_task (&ways[1], other);
  send_task (&ways[1], shared);
  same = aiopool_shared_dup_fds (shared);
  g_assert_true (same == fds);
  expect (&ways[0], "M1 T1 ");
  expect (&ways[1], "S1 T1 M2 T2 ");
  way_close (&ways[0]);
  way_close (&ways[1]);
  aiopool_shared_disown (shared);
  aiopool_shared_disown (other);
}

static void
test_what_was_used_longest_ago_is_forgotten_first (void)
{
  AiopoolShared *all[AIOPOOL_MAX_SHARED + 2];
  g_autofree char *skipped = NULL;
  Way way;

  way_open (&way);
  for (guint i = 0; i < G_N_ELEMENTS (all); i++)
    all[i] = shared_new (i);
  for (guint i = 0; i < AIOPOOL_MAX_SHARED; i++)
    send_task (&way, all[i]);
  skipped = read_all (&way);
  g_assert_null (strchr (skipped, 'U'));
  send_task (&way, all[0]);
  send_task (&way, all[AIOPOOL_MAX_SHARED]);
  send_task (&way, all[0]);
  send_task (&way, all[AIOPOOL_MAX_SHARED + 1]);
  send_task (&way, all[1]);
  expect (&way, "T1 U2 S129 T129 T1 U3 S130 T130 U4 S131 T131 ");
  way_close (&way);
  for (guint i = 0; i < G_N_ELEMENTS (all); i++)
    aiopool_shared_disown (all[i]);
}

static void
flush_there (gpointer data)
{
  flush (data);
}

static void
test_what_nobody_owns_is_forgotten (void)
{
  AiopoolShared *first = shared_new (10);
  AiopoolShared *second = shared_new (MIB);
  AiopoolShared *third = shared_new (20);
  Way way;

  way_open (&way);
  send_task (&way, first);
  send_task (&way, second);
  send_task (&way, third);
  expect (&way, "S1 T1 M2 T2 S3 T3 ");
  aiopool_shared_disown (second);
  run_there (do_nothing, NULL);
  g_assert_cmpint (g_atomic_int_get (&way.n_died), ==, 1);
  run_there (flush_there, &way);
  expect (&way, "U2 ");
  aiopool_shared_disown (third);
  send_task (&way, first);
  expect (&way, "T1 U3 ");
  run_there (flush_there, &way);
  expect (&way, "");
  g_assert_cmpint (g_atomic_int_get (&way.n_died), ==, 2);
  way_close (&way);
  aiopool_shared_disown (first);
}

/* Each owner keeps the bytes; a reference does not. */
static void
test_it_lives_as_long_as_it_has_an_owner (void)
{
  AiopoolShared *shared = shared_new (10);
  AiopoolShared *reference = aiopool_shared_ref (shared);
  guint n_deaths = aiopool_shared_get_n_deaths ();

  g_assert_true (aiopool_shared_own (shared) == shared);
  aiopool_shared_disown (shared);
  g_assert_false (aiopool_shared_is_dead (reference));
  g_assert_nonnull (aiopool_shared_get_bytes (reference));
  g_assert_cmpuint (aiopool_shared_get_n_deaths (), ==, n_deaths);
  aiopool_shared_disown (shared);
  g_assert_true (aiopool_shared_is_dead (reference));
  g_assert_null (aiopool_shared_get_bytes (reference));
  g_assert_cmpuint (aiopool_shared_get_n_deaths (), ==, n_deaths + 1);
  aiopool_shared_unref (reference);
}

static void
test_large_data_is_copied_by_the_engine_alone (void)
{
  AiopoolShared *shared = shared_new (64 * MIB);
  g_autoptr (GUnixFDList) fds = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (aiopool_shared_prepare (shared, &fds, &error), ==, AIOPOOL_SHARED_ENGINE);
  g_assert_null (fds);
  g_assert_no_error (error);
  aiopool_shared_disown (shared);
}

static void
count_slices (gpointer data)
{
  AiopoolShared *shared = data;
  g_autoptr (GUnixFDList) fds = NULL;
  g_autoptr (GUnixFDList) same = NULL;
  guint n = 1;

  while (aiopool_shared_prepare (shared, &fds, NULL) == AIOPOOL_SHARED_ENGINE)
    n++;
  g_assert_cmpuint (n, ==, 16);
  g_assert_nonnull (fds);
  g_assert_cmpint (aiopool_shared_prepare (shared, &same, NULL), ==, AIOPOOL_SHARED_READY);
  g_assert_true (same == fds);
}

static void
test_it_is_copied_in_slices (void)
{
  AiopoolShared *shared = shared_new (64 * MIB - 1);

  start_engine ();
  run_there (count_slices, shared);
  aiopool_shared_disown (shared);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/workers/share/once-before-the-first-task",
                   test_it_is_sent_once_before_the_first_task);
  g_test_add_func ("/workers/share/two-workers", test_two_workers_get_it_each);
  g_test_add_func ("/workers/share/forgotten-first",
                   test_what_was_used_longest_ago_is_forgotten_first);
  g_test_add_func ("/workers/share/nobody-owns-it", test_what_nobody_owns_is_forgotten);
  g_test_add_func ("/workers/share/owners", test_it_lives_as_long_as_it_has_an_owner);
  g_test_add_func ("/workers/share/no-copy-here", test_large_data_is_copied_by_the_engine_alone);
  g_test_add_func ("/workers/share/slices", test_it_is_copied_in_slices);
  return g_test_run ();
}
