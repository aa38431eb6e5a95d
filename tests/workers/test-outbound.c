/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/base/aiopool-error.h"
#include "aiopool/wire/aiopool-message-private.h"
#include "aiopool/workers/aiopool-outbound-private.h"
#include "tests/base/engine-bell.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* The way of tasks to a worker that is the other end of two socketpairs. */

#define LARGE (200 * 1024) /* more than goes in the stream */

typedef struct
{
  int                far_data;    /* (owned) */
  int                far_control; /* (owned) */
  int                data_fd;     /* (owned) */
  AiopoolStatusPage *page;        /* (owned) */
  AiopoolControl    *control;     /* (owned) */
  AiopoolOutbound   *outbound;    /* (owned) */
} Way;

static gboolean
on_frame (gpointer            owner,
          const AiopoolFrame *frame)
{
  return TRUE;
}

static void
way_open (Way *way)
{
  int data[2], control[2];
  int page_fd;

  start_engine ();
  run_there (do_nothing, NULL); /* it has its descriptors */
  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, data), ==, 0);
  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control), ==, 0);
  way->data_fd = data[0];
  way->far_data = data[1];
  way->far_control = control[1];
  way->page = aiopool_status_page_new (&page_fd, NULL);
  close (page_fd);
  way->control = aiopool_control_new (control[0], on_frame, NULL);
  way->outbound = aiopool_outbound_new (way->data_fd, way->page, way->control, TRUE);
}

static void
free_control (gpointer data)
{
  aiopool_control_free (data);
}

static void
way_close (Way *way)
{
  aiopool_outbound_free (way->outbound);
  run_there (free_control, way->control);
  aiopool_status_page_free (way->page);
  close (way->data_fd);
  close (way->far_data);
  close (way->far_control);
}

static AiopoolPayload *
new_large (void)
{
  g_autofree guint8 *zeros = g_malloc0 (LARGE);
  AiopoolPayloadView view = { AIOPOOL_FORMAT_RAW, NULL, zeros, LARGE };

  return aiopool_payload_new_copy (&view);
}

static GUnixFDList *
new_descriptors (guint n)
{
  GUnixFDList *list = g_unix_fd_list_new ();

  for (guint i = 0; i < n; i++)
    g_assert_cmpint (g_unix_fd_list_append (list, STDERR_FILENO, NULL), >=, 0);
  return list;
}

/* Leaves room for @n more descriptors. */
static void
limit_descriptors (rlim_t         n,
                   struct rlimit *old)
{
  int next = fcntl (STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
  struct rlimit limit;

  close (next);
  g_assert_cmpint (getrlimit (RLIMIT_NOFILE, old), ==, 0);
  limit = *old;
  limit.rlim_cur = (rlim_t) next + n;
  g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &limit), ==, 0);
}

static void
send_order (Way           *way,
            AiopoolOrder  *order,
            GError       **error)
{
  g_assert_true (aiopool_outbound_add (way->outbound, order, 1));
  while (aiopool_outbound_flush (way->outbound, error) == AIOPOOL_FLUSH_ENGINE)
    ;
  g_assert_null (aiopool_outbound_get_copied (way->outbound));
}

/* The memory is there, and the descriptors of the task are not: it was sent to nobody, who would
 * give it back. */
static void
test_memory_that_was_not_sent_is_not_kept (void)
{
  g_autoptr (AiopoolPayload) payload = new_large ();
  g_autoptr (GUnixFDList) fds = new_descriptors (20);
  AiopoolSpecOptions options = { .fds = fds };
  AiopoolSpec spec = { "function", payload, &options };
  AiopoolFunctionInfo function = { .name = "function", .run_time = -1 };
  AiopoolOrder order = { .spec = &spec, .function = &function };
  g_autoptr (GError) error = NULL;
  struct rlimit old;
  Way way;

  way_open (&way);
  limit_descriptors (10, &old);
  send_order (&way, &order, &error);
  g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &old), ==, 0);
  g_assert_nonnull (error);
  g_assert_false (aiopool_outbound_has_memory (way.outbound));
  g_assert_true (aiopool_outbound_revoke (way.outbound, &order));

  g_clear_error (&error);
  send_order (&way, &order, &error);
  g_assert_no_error (error);
  g_assert_true (aiopool_outbound_has_memory (way.outbound));
  aiopool_outbound_remove (way.outbound, order.id);
  way_close (&way);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/workers/outbound/memory-that-was-not-sent-is-not-kept",
                   test_memory_that_was_not_sent_is_not_kept);
  return g_test_run ();
}
