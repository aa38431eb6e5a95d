/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/base/aiopool-error.h"
#include "aiopool/wire/aiopool-segment-private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE       (300 * 1000)
#define MAX_FREE   4  /* as in the store */
#define MAX_SHARED 64

static AiopoolSegment *
acquire (AiopoolSegmentStore *store,
         gsize                size)
{
  g_autoptr (GError) error = NULL;
  AiopoolSegment *segment = aiopool_segment_store_acquire (store, size, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (segment->capacity, >=, size);
  memset (segment->data, 0x5a, size);
  return segment;
}

/* Returns the descriptor to be sent along, or -1. */
static int
finish (AiopoolSegmentStore *store,
        AiopoolSegment      *segment,
        gsize                size)
{
  g_autoptr (GError) error = NULL;
  int fd;

  g_assert_true (aiopool_segment_store_finish (store, segment, size, &fd, &error));
  g_assert_no_error (error);
  return fd;
}

/* A new segment that the other side has got. */
static guint64
send_new (AiopoolSegmentStore *store,
          gsize                size)
{
  AiopoolSegment *segment = acquire (store, size);
  guint64 id = segment->id;
  int fd = finish (store, segment, size);

  g_assert_cmpint (fd, >=, 0);
  close (fd);
  return id;
}

static guint
count_forgotten (AiopoolSegmentStore *store)
{
  g_autoptr (GArray) forgotten = aiopool_segment_store_take_forgotten (store);

  return forgotten != NULL ? forgotten->len : 0;
}

static void
test_released_segment_is_used_again (void)
{
  AiopoolSegmentStore *store = aiopool_segment_store_new (TRUE);
  AiopoolSegment *segment = acquire (store, SIZE);
  guint64 id = segment->id;
  int fd = finish (store, segment, SIZE);

  g_assert_cmpuint (id, !=, 0);
  g_assert_cmpint (fd, >=, 0);
  for (guint i = 0; i < 100; i++)
    {
      aiopool_segment_store_release (store, id);
      g_assert_true (acquire (store, SIZE - i * 1000) == segment);
      g_assert_cmpuint (segment->id, ==, id);
      g_assert_cmpint (finish (store, segment, SIZE - i * 1000), ==, -1);
    }
  g_assert_cmpuint (count_forgotten (store), ==, 0);
  close (fd);
  aiopool_segment_store_free (store);
}

static void
test_segment_in_use_is_left_alone (void)
{
  AiopoolSegmentStore *store = aiopool_segment_store_new (TRUE);
  guint64 first = send_new (store, SIZE);
  guint64 second = send_new (store, SIZE);

  g_assert_cmpuint (first, !=, second);
  aiopool_segment_store_release (store, first);
  g_assert_cmpuint (acquire (store, SIZE)->id, ==, first);
  g_assert_cmpuint (acquire (store, SIZE)->id, >, second);
  aiopool_segment_store_free (store);
}

/* The other side says what it likes about segments. */
static void
test_release_of_others_is_ignored (void)
{
  AiopoolSegmentStore *store = aiopool_segment_store_new (TRUE);
  AiopoolSegment *filled = acquire (store, SIZE);
  guint64 id = send_new (store, SIZE);

  aiopool_segment_store_release (store, 0);
  aiopool_segment_store_release (store, 999);
  aiopool_segment_store_release (store, G_MAXUINT64);
  aiopool_segment_store_release (store, filled->id); /* not sent yet */
  g_assert_cmpuint (acquire (store, SIZE)->id, >, id);

  aiopool_segment_store_release (store, id);
  aiopool_segment_store_release (store, id);
  g_assert_cmpuint (acquire (store, SIZE)->id, ==, id);
  aiopool_segment_store_free (store);
}

static void
test_smallest_fitting_segment_is_taken_and_no_giant (void)
{
  AiopoolSegmentStore *store = aiopool_segment_store_new (TRUE);
  guint64 giant = send_new (store, 64 * 1024 * 1024);
  guint64 large = send_new (store, 2 * 1024 * 1024);
  guint64 middle = send_new (store, 1024 * 1024);
  AiopoolSegment *segment;

  aiopool_segment_store_release (store, giant);
  aiopool_segment_store_release (store, middle);
  aiopool_segment_store_release (store, large);
  g_assert_cmpuint (acquire (store, 1000 * 1000)->id, ==, middle);
  g_assert_cmpuint (acquire (store, 1000 * 1000)->id, ==, large);
  segment = acquire (store, 1000 * 1000);
  g_assert_cmpuint (segment->id, !=, giant);
  g_assert_cmpuint (segment->capacity, <, 2 * 1000 * 1000);
  aiopool_segment_store_free (store);
}

static void
test_shared_segment_is_sealed_against_resizing_only (void)
{
  AiopoolSegmentStore *store = aiopool_segment_store_new (TRUE);
  AiopoolSegment *segment = acquire (store, SIZE);
  int fd = finish (store, segment, SIZE);

  g_assert_cmpint (fcntl (fd, F_GET_SEALS), ==, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
  g_assert_cmpint (ftruncate (fd, 0), ==, -1);
  g_assert_cmpint (errno, ==, EPERM);
  g_assert_cmpint (fcntl (fd, F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
  memset (segment->data, 1, SIZE);
  close (fd);
  aiopool_segment_store_free (store);
}

static void
test_single_segment_is_exact_and_sealed_against_everything (void)
{
  AiopoolSegmentStore *store = aiopool_segment_store_new (FALSE);
  AiopoolSegment *segment = acquire (store, SIZE);
  struct stat info;
  int fd;

  g_assert_cmpuint (segment->id, ==, 0);
  fd = finish (store, segment, SIZE - 1000);
  g_assert_cmpint (fstat (fd, &info), ==, 0);
  g_assert_cmpint (info.st_size, ==, SIZE - 1000);
  g_assert_cmpint (fcntl (fd, F_GET_SEALS), ==,
                   F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
  g_assert_cmpint (pwrite (fd, "x", 1, 0), ==, -1);
  g_assert_true (mmap (NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
  aiopool_segment_store_release (store, 0);
  g_assert_cmpuint (count_forgotten (store), ==, 0);
  close (fd);
  aiopool_segment_store_free (store);
}

static void
test_many_in_use_go_on_with_single_segments (void)
{
  AiopoolSegmentStore *store = aiopool_segment_store_new (TRUE);
  guint64 ids[MAX_SHARED];

  for (guint i = 0; i < MAX_SHARED; i++)
    {
      ids[i] = send_new (store, 200 * 1024);
      g_assert_cmpuint (ids[i], !=, 0);
    }
  for (guint i = 0; i < 3 * MAX_SHARED; i++)
    {
      AiopoolSegment *segment = acquire (store, 200 * 1024);
      int fd;

      g_assert_cmpuint (segment->id, ==, 0);
      fd = finish (store, segment, 200 * 1024);
      g_assert_cmpint (fcntl (fd, F_GET_SEALS) & F_SEAL_WRITE, ==, F_SEAL_WRITE);
      close (fd);
    }
  aiopool_segment_store_release (store, ids[7]);
  g_assert_cmpuint (acquire (store, 200 * 1024)->id, ==, ids[7]);
  aiopool_segment_store_free (store);
}

static void
test_free_segments_make_room_for_one_that_fits (void)
{
  AiopoolSegmentStore *store = aiopool_segment_store_new (TRUE);
  guint64 ids[MAX_SHARED];

  for (guint i = 0; i < MAX_SHARED; i++)
    ids[i] = send_new (store, 200 * 1024);
  aiopool_segment_store_release (store, ids[0]);
  g_assert_cmpuint (acquire (store, 1024 * 1024)->id, >, ids[MAX_SHARED - 1]);
  g_assert_cmpuint (count_forgotten (store), ==, 1);
  aiopool_segment_store_free (store);
}

static void
test_few_free_segments_are_kept_and_the_rest_forgotten (void)
{
  AiopoolSegmentStore *store = aiopool_segment_store_new (TRUE);
  g_autoptr (GArray) forgotten = NULL;
  guint64 ids[10];

  for (guint i = 0; i < 10; i++)
    ids[i] = send_new (store, SIZE);
  for (guint i = 0; i < 10; i++)
    aiopool_segment_store_release (store, ids[i]);
  forgotten = aiopool_segment_store_take_forgotten (store);
  g_assert_cmpuint (forgotten->len, ==, 10 - MAX_FREE);
  for (guint i = 0; i < forgotten->len; i++)
    g_assert_cmpuint (g_array_index (forgotten, guint64, i), ==, ids[i]);
  g_assert_null (aiopool_segment_store_take_forgotten (store));
  aiopool_segment_store_free (store);
}

static void
test_store_is_empty_without_segments (void)
{
  AiopoolSegmentStore *store = aiopool_segment_store_new (TRUE);
  guint64 id;

  g_assert_true (aiopool_segment_store_is_empty (store));
  id = send_new (store, SIZE);
  aiopool_segment_store_trim (store);
  g_assert_false (aiopool_segment_store_is_empty (store));
  aiopool_segment_store_release (store, id);
  g_assert_false (aiopool_segment_store_is_empty (store));
  aiopool_segment_store_trim (store);
  g_assert_true (aiopool_segment_store_is_empty (store));
  aiopool_segment_store_free (store);
}

static void
test_trim_forgets_what_is_free (void)
{
  AiopoolSegmentStore *store = aiopool_segment_store_new (TRUE);
  guint64 free_id = send_new (store, SIZE);
  guint64 used_id = send_new (store, SIZE);
  g_autoptr (GArray) forgotten = NULL;

  aiopool_segment_store_trim (store);
  g_assert_cmpuint (count_forgotten (store), ==, 0);
  aiopool_segment_store_release (store, free_id);
  aiopool_segment_store_trim (store);
  forgotten = aiopool_segment_store_take_forgotten (store);
  g_assert_cmpuint (forgotten->len, ==, 1);
  g_assert_cmpuint (g_array_index (forgotten, guint64, 0), ==, free_id);

  aiopool_segment_store_release (store, free_id);
  aiopool_segment_store_release (store, used_id);
  g_assert_cmpuint (acquire (store, SIZE)->id, ==, used_id);
  aiopool_segment_store_free (store);
}

static void
test_discarded_segment_is_forgotten_if_it_was_known (void)
{
  AiopoolSegmentStore *store = aiopool_segment_store_new (TRUE);
  AiopoolSegment *segment = acquire (store, SIZE);
  guint64 id;

  aiopool_segment_store_discard (store, segment);
  g_assert_cmpuint (count_forgotten (store), ==, 0);

  id = send_new (store, SIZE);
  aiopool_segment_store_release (store, id);
  segment = acquire (store, SIZE);
  g_assert_cmpuint (segment->id, ==, id);
  aiopool_segment_store_discard (store, segment);
  g_assert_cmpuint (count_forgotten (store), ==, 1);
  aiopool_segment_store_free (store);
}

static void
test_find_knows_memory_in_use (void)
{
  AiopoolSegmentStore *store = aiopool_segment_store_new (TRUE);
  AiopoolSegment *segment = acquire (store, SIZE);
  AiopoolSegment *other = acquire (store, SIZE);
  gpointer data = segment->data;
  char elsewhere;
  guint64 id = segment->id;

  g_assert_true (aiopool_segment_store_find (store, data) == segment);
  g_assert_true (aiopool_segment_store_find (store, other->data) == other);
  g_assert_null (aiopool_segment_store_find (store, segment->data + 1));
  g_assert_null (aiopool_segment_store_find (store, &elsewhere));
  close (finish (store, segment, SIZE));
  aiopool_segment_store_release (store, id);
  g_assert_null (aiopool_segment_store_find (store, data));
  aiopool_segment_store_free (store);
}

static void
test_impossible_size_is_an_error (void)
{
  const gsize sizes[] = { G_MAXSIZE, G_MAXSIZE - 65535, G_MAXSSIZE };

  for (int reuses = FALSE; reuses <= TRUE; reuses++)
    for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++)
      {
        AiopoolSegmentStore *store = aiopool_segment_store_new (reuses);
        g_autoptr (GError) error = NULL;

        g_assert_null (aiopool_segment_store_acquire (store, sizes[i], &error));
        g_assert_error (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_ENCODE);
        aiopool_segment_store_free (store);
      }
}

static void
try_limit (gboolean reuses)
{
  struct rlimit limit = { 150000, 150000 };
  AiopoolSegmentStore *store = aiopool_segment_store_new (reuses);
  AiopoolSegment *segment;
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  g_assert_null (aiopool_segment_store_acquire (store, 150001, &error));
  g_assert_error (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_ENCODE);
  g_assert_nonnull (strstr (error->message, "150000"));
  segment = acquire (store, 131072);
  close (finish (store, segment, 131072));
  aiopool_segment_store_free (store);
}

static void
test_file_size_limit_is_an_error_and_no_signal (void)
{
  if (g_test_subprocess ())
    {
      try_limit (TRUE);
      try_limit (FALSE);
      return;
    }
  g_test_trap_subprocess (NULL, 0, 0);
  g_test_trap_assert_passed ();
}

static void
test_no_descriptors_left_is_an_error (void)
{
  AiopoolSegmentStore *store = aiopool_segment_store_new (TRUE);
  g_autoptr (GError) error = NULL;
  AiopoolSegment *segment;
  struct rlimit old, limit;

  g_assert_cmpint (getrlimit (RLIMIT_NOFILE, &old), ==, 0);
  limit = (struct rlimit) { 3, old.rlim_max };
  g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &limit), ==, 0);
  segment = aiopool_segment_store_acquire (store, SIZE, &error);
  g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &old), ==, 0);
  g_assert_null (segment);
  g_assert_error (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_ENCODE);
  aiopool_segment_store_free (store);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/segment-store/released-is-used-again", test_released_segment_is_used_again);
  g_test_add_func ("/segment-store/in-use-is-left-alone", test_segment_in_use_is_left_alone);
  g_test_add_func ("/segment-store/release-of-others-is-ignored",
                   test_release_of_others_is_ignored);
  g_test_add_func ("/segment-store/smallest-fitting-is-taken-and-no-giant",
                   test_smallest_fitting_segment_is_taken_and_no_giant);
  g_test_add_func ("/segment-store/shared-is-sealed-against-resizing-only",
                   test_shared_segment_is_sealed_against_resizing_only);
  g_test_add_func ("/segment-store/single-is-exact-and-sealed-against-everything",
                   test_single_segment_is_exact_and_sealed_against_everything);
  g_test_add_func ("/segment-store/many-in-use-go-on-with-single-ones",
                   test_many_in_use_go_on_with_single_segments);
  g_test_add_func ("/segment-store/free-ones-make-room-for-one-that-fits",
                   test_free_segments_make_room_for_one_that_fits);
  g_test_add_func ("/segment-store/few-free-are-kept-and-the-rest-forgotten",
                   test_few_free_segments_are_kept_and_the_rest_forgotten);
  g_test_add_func ("/segment-store/is-empty-without-segments",
                   test_store_is_empty_without_segments);
  g_test_add_func ("/segment-store/trim-forgets-what-is-free", test_trim_forgets_what_is_free);
  g_test_add_func ("/segment-store/discarded-is-forgotten-if-it-was-known",
                   test_discarded_segment_is_forgotten_if_it_was_known);
  g_test_add_func ("/segment-store/find-knows-memory-in-use", test_find_knows_memory_in_use);
  g_test_add_func ("/segment-store/impossible-size-is-an-error", test_impossible_size_is_an_error);
  g_test_add_func ("/segment-store/file-size-limit-is-an-error-and-no-signal",
                   test_file_size_limit_is_an_error_and_no_signal);
  g_test_add_func ("/segment-store/no-descriptors-left-is-an-error",
                   test_no_descriptors_left_is_an_error);
  return g_test_run ();
}
