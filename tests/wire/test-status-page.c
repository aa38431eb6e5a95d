/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/base/aiopool-error.h"
#include "aiopool/wire/aiopool-status-page-private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROUNDS 120000

#define ID(generation, slot) ((guint64) (generation) << 16 | (slot))

/* A page with its two ends. */
typedef struct
{
  int                fd;
  AiopoolStatusPage *parent;
  AiopoolStatusPage *worker;
} Page;

static void
page_open (Page *page)
{
  g_autoptr (GError) error = NULL;

  page->parent = aiopool_status_page_new (&page->fd, &error);
  g_assert_no_error (error);
  page->worker = aiopool_status_page_open (page->fd, &error);
  g_assert_no_error (error);
}

static void
page_close (Page *page)
{
  aiopool_status_page_free (page->parent);
  aiopool_status_page_free (page->worker);
  close (page->fd);
}

static void
test_task_that_is_started_cannot_be_revoked (void)
{
  Page page;
  gint64 since = 0;

  page_open (&page);
  aiopool_status_page_set_sent (page.parent, ID (1, 5));
  g_assert_false (aiopool_status_page_is_started (page.parent, ID (1, 5), &since));
  g_assert_true (aiopool_status_page_start (page.worker, ID (1, 5), 1234));
  g_assert_true (aiopool_status_page_is_started (page.parent, ID (1, 5), &since));
  g_assert_cmpint (since, ==, 1234);
  g_assert_false (aiopool_status_page_revoke (page.parent, ID (1, 5)));
  page_close (&page);
}

static void
test_task_that_is_revoked_cannot_be_started (void)
{
  Page page;

  page_open (&page);
  aiopool_status_page_set_sent (page.parent, ID (1, 5));
  g_assert_true (aiopool_status_page_revoke (page.parent, ID (1, 5)));
  g_assert_false (aiopool_status_page_start (page.worker, ID (1, 5), 1));
  g_assert_false (aiopool_status_page_revoke (page.parent, ID (1, 5)));
  page_close (&page);
}

static void
test_task_is_started_once (void)
{
  Page page;

  page_open (&page);
  aiopool_status_page_set_sent (page.parent, ID (1, 0));
  g_assert_true (aiopool_status_page_start (page.worker, ID (1, 0), 1));
  g_assert_false (aiopool_status_page_start (page.worker, ID (1, 0), 2));
  page_close (&page);
}

static void
test_free_slot_is_neither_started_nor_revoked (void)
{
  Page page;

  page_open (&page);
  for (guint slot = 0; slot < AIOPOOL_STATUS_N_SLOTS; slot++)
    {
      g_assert_false (aiopool_status_page_start (page.worker, ID (0, slot), 1));
      g_assert_false (aiopool_status_page_revoke (page.parent, ID (1, slot)));
    }
  page_close (&page);
}

static void
test_slots_do_not_touch_each_other (void)
{
  Page page;
  gint64 since;

  page_open (&page);
  for (guint slot = 0; slot < AIOPOOL_STATUS_N_SLOTS; slot++)
    aiopool_status_page_set_sent (page.parent, ID (slot + 1, slot));
  for (guint slot = 0; slot < AIOPOOL_STATUS_N_SLOTS; slot += 2)
    g_assert_true (aiopool_status_page_start (page.worker, ID (slot + 1, slot), (gint64) slot));
  for (guint slot = 1; slot < AIOPOOL_STATUS_N_SLOTS; slot += 2)
    g_assert_true (aiopool_status_page_revoke (page.parent, ID (slot + 1, slot)));
  for (guint slot = 0; slot < AIOPOOL_STATUS_N_SLOTS; slot += 2)
    {
      g_assert_true (aiopool_status_page_is_started (page.parent, ID (slot + 1, slot), &since));
      g_assert_cmpint (since, ==, slot);
    }
  page_close (&page);
}

static void
test_frame_of_an_earlier_generation_starts_nothing (void)
{
  const guint64 largest = (G_GUINT64_CONSTANT (1) << 48) - 1;
  Page page;
  gint64 since;

  page_open (&page);
  aiopool_status_page_set_sent (page.parent, ID (7, 3));
  g_assert_true (aiopool_status_page_revoke (page.parent, ID (7, 3)));
  aiopool_status_page_set_sent (page.parent, ID (8, 3));
  g_assert_false (aiopool_status_page_start (page.worker, ID (7, 3), 1));
  g_assert_false (aiopool_status_page_revoke (page.parent, ID (7, 3)));
  g_assert_false (aiopool_status_page_is_started (page.parent, ID (8, 3), &since));
  g_assert_true (aiopool_status_page_start (page.worker, ID (8, 3), 1));

  aiopool_status_page_set_sent (page.parent, ID (largest, 3));
  g_assert_false (aiopool_status_page_start (page.worker, ID (largest - 1, 3), 1));
  g_assert_true (aiopool_status_page_start (page.worker, ID (largest, 3), 1));
  page_close (&page);
}

/* Two threads meet at each round, and both ask for the slot of that round at once. */
typedef struct
{
  Page   page;
  int    round;    /* atomic: both threads may go on to this one */
  int    finished; /* atomic: rounds that the worker has finished */
  guint8 started[ROUNDS];
} Race;

static guint64
id_of_round (int round)
{
  return ID (round / AIOPOOL_STATUS_N_SLOTS + 1, round % AIOPOOL_STATUS_N_SLOTS);
}

/* Spins, so that both go on together; not for long, in case there is one processor. */
static void
wait_until (int *counter,
            int  n)
{
  for (guint spins = 1; g_atomic_int_get (counter) < n; spins++)
    if (spins % 1000 == 0)
      g_thread_yield ();
}

static gpointer
start_all (gpointer data)
{
  Race *race = data;

  for (int i = 0; i < ROUNDS; i++)
    {
      wait_until (&race->round, i);
      race->started[i] = (guint8) aiopool_status_page_start (race->page.worker, id_of_round (i),
                                                             i);
      g_atomic_int_set (&race->finished, i + 1);
    }
  return NULL;
}

static void
test_start_and_revoke_race_has_one_winner (void)
{
  Race *race = g_new0 (Race, 1);
  guint n_started = 0;
  guint n_revoked = 0;
  GThread *worker;

  page_open (&race->page);
  g_atomic_int_set (&race->round, -1);
  worker = g_thread_new ("worker", start_all, race);
  for (int i = 0; i < ROUNDS; i++)
    {
      guint64 id = id_of_round (i);
      gboolean is_revoked;
      gint64 since;

      aiopool_status_page_set_sent (race->page.parent, id);
      g_atomic_int_set (&race->round, i);
      for (int spin = i % 64; spin > 0; spin--)
        g_atomic_int_get (&race->round);
      is_revoked = aiopool_status_page_revoke (race->page.parent, id);
      n_revoked += (guint) is_revoked;
      if (!is_revoked)
        g_assert_true (aiopool_status_page_is_started (race->page.parent, id, &since));
      wait_until (&race->finished, i + 1);
      g_assert_cmpint (race->started[i] + is_revoked, ==, 1);
      n_started += race->started[i];
    }
  g_thread_join (worker);
  g_test_message ("%u started, %u revoked", n_started, n_revoked);
  g_assert_cmpuint (n_started + n_revoked, ==, ROUNDS);
  page_close (&race->page);
  g_free (race);
}

static void
test_items_are_begun_in_order (void)
{
  guint32 index;
  gint64 since;
  Page page;

  page_open (&page);
  aiopool_status_page_set_items (page.parent, ID (1, 5), 3);
  g_assert_cmpuint (aiopool_status_page_get_n_begun (page.parent, ID (1, 5), &since), ==, 0);
  for (guint i = 0; i < 3; i++)
    {
      g_assert_true (aiopool_status_page_claim_item (page.worker, ID (1, 5), 100 + i, &index));
      g_assert_cmpuint (index, ==, i);
      g_assert_cmpuint (aiopool_status_page_get_n_begun (page.parent, ID (1, 5), &since), ==,
                        i + 1);
      g_assert_cmpint (since, ==, 100 + i);
    }
  g_assert_false (aiopool_status_page_claim_item (page.worker, ID (1, 5), 200, &index));
  page_close (&page);
}

static void
test_items_that_were_begun_are_not_taken_back (void)
{
  guint32 index;
  gint64 since;
  Page page;

  page_open (&page);
  aiopool_status_page_set_items (page.parent, ID (1, 5), 10);
  for (guint i = 0; i < 4; i++)
    g_assert_true (aiopool_status_page_claim_item (page.worker, ID (1, 5), 1, &index));
  g_assert_cmpuint (aiopool_status_page_cut_items (page.parent, ID (1, 5), 12, 10), ==, 10);
  g_assert_cmpuint (aiopool_status_page_cut_items (page.parent, ID (1, 5), 6, 10), ==, 6);
  g_assert_cmpuint (aiopool_status_page_cut_items (page.parent, ID (1, 5), 8, 6), ==, 6);
  g_assert_cmpuint (aiopool_status_page_cut_items (page.parent, ID (1, 5), 0, 6), ==, 4);
  g_assert_false (aiopool_status_page_claim_item (page.worker, ID (1, 5), 1, &index));
  g_assert_cmpuint (aiopool_status_page_get_n_begun (page.parent, ID (1, 5), &since), ==, 4);
  page_close (&page);
}

static gpointer
claim_all (gpointer data)
{
  Race *race = data;
  guint32 index;

  for (int i = 0; i < ROUNDS; i++)
    {
      wait_until (&race->round, i);
      race->started[i] = 0;
      while (aiopool_status_page_claim_item (race->page.worker, ID (1, 0), i, &index))
        race->started[i]++;
      g_atomic_int_set (&race->finished, i + 1);
    }
  return NULL;
}

/* What the parent does not get back is begun, all of it and no more. */
static void
test_items_belong_to_one_of_two_that_race (void)
{
  const guint32 n_items = 100;
  Race *race = g_new0 (Race, 1);
  guint n_cut = 0;
  GThread *worker;

  page_open (&race->page);
  g_atomic_int_set (&race->round, -1);
  worker = g_thread_new ("worker", claim_all, race);
  for (int i = 0; i < ROUNDS; i++)
    {
      guint32 end = n_items;

      aiopool_status_page_set_items (race->page.parent, ID (1, 0), n_items);
      g_atomic_int_set (&race->round, i);
      for (guint32 from = n_items; from > 0; from -= 10)
        end = aiopool_status_page_cut_items (race->page.parent, ID (1, 0), from - 10, end);
      wait_until (&race->finished, i + 1);
      g_assert_cmpuint (race->started[i], ==, end);
      n_cut += end < n_items;
    }
  g_thread_join (worker);
  g_test_message ("cut %u times of %d", n_cut, ROUNDS);
  page_close (&race->page);
  g_free (race);
}

static void
test_page_cannot_be_resized_or_unsealed (void)
{
  struct stat info;
  Page page;

  page_open (&page);
  g_assert_cmpint (fstat (page.fd, &info), ==, 0);
  g_assert_cmpint (ftruncate (page.fd, 0), ==, -1);
  g_assert_cmpint (errno, ==, EPERM);
  g_assert_cmpint (ftruncate (page.fd, info.st_size + 4096), ==, -1);
  g_assert_cmpint (fcntl (page.fd, F_ADD_SEALS, F_SEAL_WRITE), ==, -1);
  g_assert_cmpint (fcntl (page.fd, F_GET_SEALS), ==,
                   F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
  g_assert_cmpint (fcntl (page.fd, F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
  page_close (&page);
}

static void
test_something_else_is_no_page (void)
{
  int fds[3];
  Page page;
  struct stat info;

  page_open (&page);
  g_assert_cmpint (fstat (page.fd, &info), ==, 0);
  fds[0] = -1;
  fds[1] = memfd_create ("too-small", MFD_CLOEXEC);
  fds[2] = memfd_create ("no-magic", MFD_CLOEXEC);
  g_assert_cmpint (ftruncate (fds[1], info.st_size - 1), ==, 0);
  g_assert_cmpint (ftruncate (fds[2], info.st_size), ==, 0);
  for (gsize i = 0; i < G_N_ELEMENTS (fds); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (aiopool_status_page_open (fds[i], &error));
      g_assert_error (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_NOT_A_WORKER);
    }
  close (fds[1]);
  close (fds[2]);
  page_close (&page);
}

static void
test_rest_is_what_was_committed_and_not_received (void)
{
  const guint8 *rest;
  Page page;

  page_open (&page);
  g_assert_cmpuint (aiopool_status_page_get_rest (page.parent, 0, &rest), ==, 0);

  aiopool_status_page_set_base (page.worker, 1000);
  memcpy (aiopool_status_page_get_outbox (page.worker), "firstsecond", 11);
  aiopool_status_page_commit (page.worker, 1005);
  g_assert_cmpuint (aiopool_status_page_get_rest (page.parent, 1000, &rest), ==, 5);
  g_assert_cmpmem (rest, 5, "first", 5);
  aiopool_status_page_commit (page.worker, 1011);
  g_assert_cmpuint (aiopool_status_page_get_rest (page.parent, 1003, &rest), ==, 8);
  g_assert_cmpmem (rest, 8, "stsecond", 8);
  g_assert_cmpuint (aiopool_status_page_get_rest (page.parent, 1011, &rest), ==, 0);
  g_assert_null (rest);

  aiopool_status_page_set_base (page.worker, 1011);
  g_assert_cmpuint (aiopool_status_page_get_rest (page.parent, 1011, &rest), ==, 0);
  page_close (&page);
}

/* Base and end are what the worker says. Whatever that is, what comes of it lies in the outbox. */
static void
test_rest_of_lying_offsets_stays_in_the_outbox (void)
{
  const guint64 size = AIOPOOL_STATUS_OUTBOX_SIZE;
  const guint64 offsets[] = {
    0, 1, 7, size - 1, size, size + 1, 2 * size, G_MAXINT64, (guint64) G_MAXINT64 + 1,
    G_MAXUINT64 - size, G_MAXUINT64 - size + 1, G_MAXUINT64 - 1, G_MAXUINT64,
  };
  const gsize n = G_N_ELEMENTS (offsets);
  Page page;

  page_open (&page);
  for (gsize i = 0; i < n * n * n; i++)
    {
      guint64 base = offsets[i % n];
      guint64 end = offsets[i / n % n];
      guint64 received = offsets[i / n / n];
      const guint8 *outbox = aiopool_status_page_get_outbox (page.parent);
      const guint8 *rest;
      gsize rest_size;

      aiopool_status_page_set_base (page.worker, base);
      aiopool_status_page_commit (page.worker, end);
      rest_size = aiopool_status_page_get_rest (page.parent, received, &rest);
      g_assert_true ((rest != NULL) == (rest_size > 0));
      if (rest == NULL)
        continue;
      g_assert_true (base <= received && received < end && end - base <= size);
      g_assert_true (rest >= outbox);
      g_assert_cmpuint ((gsize) (rest - outbox) + rest_size, <=, size);
    }
  page_close (&page);
}

static void
limit_file_size (rlim_t n_bytes)
{
  struct rlimit limit = { n_bytes, n_bytes };

  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);
}

static void
test_file_size_limit_is_an_error_and_no_signal (void)
{
  if (g_test_subprocess ())
    {
      g_autoptr (GError) error = NULL;
      int fd = 99;

      limit_file_size (50000);
      g_assert_null (aiopool_status_page_new (&fd, &error));
      g_assert_error (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_START_FAILED);
      g_assert_nonnull (strstr (error->message, "50000"));
      g_assert_cmpint (fd, ==, -1);
      return;
    }
  g_test_trap_subprocess (NULL, 0, 0);
  g_test_trap_assert_passed ();
}

static void
test_unread_is_what_was_written_and_not_received (void)
{
  Page page;

  page_open (&page);
  g_assert_cmpuint (aiopool_status_page_get_unread (page.worker, 0), ==, 0);
  aiopool_status_page_set_written (page.parent, 100);
  g_assert_cmpuint (aiopool_status_page_get_unread (page.worker, 0), ==, 100);
  g_assert_cmpuint (aiopool_status_page_get_unread (page.worker, 99), ==, 1);
  g_assert_cmpuint (aiopool_status_page_get_unread (page.worker, 100), ==, 0);
  g_assert_cmpuint (aiopool_status_page_get_unread (page.worker, 101), ==, 0);
  page_close (&page);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/status-page/started-cannot-be-revoked",
                   test_task_that_is_started_cannot_be_revoked);
  g_test_add_func ("/status-page/revoked-cannot-be-started",
                   test_task_that_is_revoked_cannot_be_started);
  g_test_add_func ("/status-page/task-is-started-once", test_task_is_started_once);
  g_test_add_func ("/status-page/free-slot-is-neither-started-nor-revoked",
                   test_free_slot_is_neither_started_nor_revoked);
  g_test_add_func ("/status-page/slots-do-not-touch-each-other",
                   test_slots_do_not_touch_each_other);
  g_test_add_func ("/status-page/frame-of-an-earlier-generation-starts-nothing",
                   test_frame_of_an_earlier_generation_starts_nothing);
  g_test_add_func ("/status-page/start-and-revoke-race-has-one-winner",
                   test_start_and_revoke_race_has_one_winner);
  g_test_add_func ("/status-page/items-are-begun-in-order", test_items_are_begun_in_order);
  g_test_add_func ("/status-page/items-that-were-begun-are-not-taken-back",
                   test_items_that_were_begun_are_not_taken_back);
  g_test_add_func ("/status-page/items-belong-to-one-of-two-that-race",
                   test_items_belong_to_one_of_two_that_race);
  g_test_add_func ("/status-page/cannot-be-resized-or-unsealed",
                   test_page_cannot_be_resized_or_unsealed);
  g_test_add_func ("/status-page/something-else-is-no-page", test_something_else_is_no_page);
  g_test_add_func ("/status-page/rest-is-what-was-committed-and-not-received",
                   test_rest_is_what_was_committed_and_not_received);
  g_test_add_func ("/status-page/rest-of-lying-offsets-stays-in-the-outbox",
                   test_rest_of_lying_offsets_stays_in_the_outbox);
  g_test_add_func ("/status-page/unread-is-what-was-written-and-not-received",
                   test_unread_is_what_was_written_and_not_received);
  g_test_add_func ("/status-page/file-size-limit-is-an-error-and-no-signal",
                   test_file_size_limit_is_an_error_and_no_signal);
  return g_test_run ();
}
