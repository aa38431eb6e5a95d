/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/runtime/aiopool-outbox-private.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What the log needs of the outbox: never to wait, and to know when it must not ask. */

#define SIZE 1024

typedef struct
{
  int                fds[2]; /* (owned): the outbox has the first */
  AiopoolStatusPage *page;   /* (owned) */
  AiopoolOutbox     *outbox; /* (owned) */
} Worker;

static void
worker_init (Worker *self)
{
  g_autoptr (GError) error = NULL;
  int page_fd;

  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, self->fds), ==, 0);
  self->page = aiopool_status_page_new (&page_fd, &error);
  g_assert_no_error (error);
  close (page_fd);
  self->outbox = aiopool_outbox_new (self->fds[0], self->page);
}

static void
worker_clear (Worker *self)
{
  aiopool_outbox_free (self->outbox);
  aiopool_status_page_free (self->page);
  close (self->fds[0]);
  close (self->fds[1]);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Worker, worker_clear)

static gboolean
try_frame (Worker *self)
{
  guint8 *frame = aiopool_outbox_try_begin (self->outbox, SIZE);

  if (frame == NULL)
    return FALSE;
  memset (frame, 0xee, SIZE);
  aiopool_outbox_end (self->outbox, NULL);
  return TRUE;
}

static void
test_a_full_one_is_not_waited_for (void)
{
  g_auto (Worker) worker = { { -1, -1 }, NULL, NULL };
  guint n_frames = 0;
  guint8 bytes[SIZE];

  worker_init (&worker);
  while (try_frame (&worker))
    n_frames++;
  g_assert_cmpuint (n_frames, >=, AIOPOOL_STATUS_OUTBOX_SIZE / SIZE);
  for (guint i = 0; i < n_frames / 2; i++)
    g_assert_cmpint (recv (worker.fds[1], bytes, SIZE, MSG_WAITALL), ==, SIZE);
  g_assert_true (try_frame (&worker));
}

static gpointer
ask_in_thread (gpointer data)
{
  return GINT_TO_POINTER (aiopool_outbox_is_mine ());
}

static void
test_who_fills_it_knows (void)
{
  g_auto (Worker) worker = { { -1, -1 }, NULL, NULL };

  worker_init (&worker);
  g_assert_false (aiopool_outbox_is_mine ());
  aiopool_outbox_begin (worker.outbox, SIZE);
  g_assert_true (aiopool_outbox_is_mine ());
  g_assert_false (GPOINTER_TO_INT (g_thread_join (g_thread_new ("other", ask_in_thread, NULL))));
  aiopool_outbox_end (worker.outbox, NULL);
  g_assert_false (aiopool_outbox_is_mine ());
  g_assert_nonnull (aiopool_outbox_try_begin (worker.outbox, SIZE));
  g_assert_true (aiopool_outbox_is_mine ());
  aiopool_outbox_end (worker.outbox, NULL);
  g_assert_false (aiopool_outbox_is_mine ());
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/workers/outbox/a-full-one-is-not-waited-for",
                   test_a_full_one_is_not_waited_for);
  g_test_add_func ("/workers/outbox/who-fills-it-knows", test_who_fills_it_knows);
  return g_test_run ();
}
