/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/base/aiopool-error.h"
#include "aiopool/wire/aiopool-segment-private.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define SIZE         (300 * 1000)
#define MAX_SEGMENTS 256 /* as in the cache */

#define SHRINK    F_SEAL_SHRINK
#define ALL_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* Notes of what was released, by whatever thread. */
typedef struct
{
  GMutex  lock;
  guint   n_released;
  guint64 last;
} Owner;

static void
on_release (gpointer data,
            guint64  id)
{
  Owner *owner = data;

  g_mutex_lock (&owner->lock);
  owner->n_released++;
  owner->last = id;
  g_mutex_unlock (&owner->lock);
}

static AiopoolSegmentCache *
cache_new (Owner *owner)
{
  *owner = (Owner) { 0 };
  g_mutex_init (&owner->lock);
  return aiopool_segment_cache_new (on_release, owner);
}

static void
cache_close (AiopoolSegmentCache *cache,
             Owner               *owner)
{
  aiopool_segment_cache_close (cache);
  g_mutex_clear (&owner->lock);
}

static int
make_memfd (gsize size,
            int   seals,
            int   fill)
{
  int fd = memfd_create ("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

  g_assert_cmpint (ftruncate (fd, (off_t) size), ==, 0);
  if (size > 0)
    {
      guint8 *data = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

      memset (data, fill, size);
      munmap (data, size);
    }
  g_assert_cmpint (fcntl (fd, F_ADD_SEALS, seals), ==, 0);
  return fd;
}

static GBytes *
open_value (AiopoolSegmentCache *cache,
            guint64              id,
            gsize                size,
            int                  fd)
{
  g_autoptr (GError) error = NULL;
  GBytes *bytes = aiopool_segment_cache_open (cache, id, size, fd, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (g_bytes_get_size (bytes), ==, size);
  return bytes;
}

static void
check_filled (GBytes *bytes,
              guint8  fill)
{
  gsize size;
  const guint8 *data = g_bytes_get_data (bytes, &size);

  for (gsize i = 0; i < size; i++)
    g_assert_cmpuint (data[i], ==, fill);
}

static void
assert_refused (AiopoolSegmentCache *cache,
                guint64              id,
                gsize                size,
                int                  fd)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (aiopool_segment_cache_open (cache, id, size, fd, &error));
  g_assert_error (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_PROTOCOL);
  if (fd >= 0)
    g_assert_cmpint (fcntl (fd, F_GETFD), ==, -1); /* closed all the same */
}

/* Both ends in one process: what the store sends, the cache opens, and tells the store. */
static void
release_in_store (gpointer owner,
                  guint64  id)
{
  aiopool_segment_store_release (owner, id);
}

static void
test_values_go_through_one_segment_again_and_again (void)
{
  AiopoolSegmentStore *store = aiopool_segment_store_new (TRUE);
  AiopoolSegmentCache *cache = aiopool_segment_cache_new (release_in_store, store);
  gconstpointer first_data = NULL;

  for (guint i = 0; i < 50; i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GBytes) bytes = NULL;
      AiopoolSegment *segment = aiopool_segment_store_acquire (store, SIZE + i, &error);
      guint64 id = segment->id;
      int fd;

      g_assert_no_error (error);
      memset (segment->data, (int) i, SIZE + i);
      g_assert_true (aiopool_segment_store_finish (store, segment, SIZE + i, &fd, &error));
      g_assert_true ((fd >= 0) == (i == 0));
      bytes = open_value (cache, id, SIZE + i, fd);
      check_filled (bytes, (guint8) i);
      if (i == 0)
        first_data = g_bytes_get_data (bytes, NULL);
      g_assert_true (g_bytes_get_data (bytes, NULL) == first_data);
    }
  aiopool_segment_cache_close (cache);
  aiopool_segment_store_free (store);
}

static void
test_single_values_go_through_without_ids (void)
{
  AiopoolSegmentStore *store = aiopool_segment_store_new (FALSE);
  Owner owner;
  AiopoolSegmentCache *cache = cache_new (&owner);
  g_autoptr (GError) error = NULL;
  AiopoolSegment *segment = aiopool_segment_store_acquire (store, SIZE, &error);
  GBytes *bytes;
  int fd;

  g_assert_no_error (error);
  memset (segment->data, 9, SIZE);
  g_assert_true (aiopool_segment_store_finish (store, segment, SIZE, &fd, &error));
  bytes = open_value (cache, 0, SIZE, fd);
  check_filled (bytes, 9);
  g_bytes_unref (bytes);
  g_assert_cmpuint (owner.n_released, ==, 0);
  cache_close (cache, &owner);
  aiopool_segment_store_free (store);
}

static void
test_owner_is_told_when_the_last_reference_goes (void)
{
  Owner owner;
  AiopoolSegmentCache *cache = cache_new (&owner);
  GBytes *first = open_value (cache, 7, SIZE, make_memfd (SIZE, SHRINK, 1));
  GBytes *second = g_bytes_ref (first);
  GBytes *slice = g_bytes_new_from_bytes (first, 10, 20);

  g_bytes_unref (first);
  g_bytes_unref (second);
  g_assert_cmpuint (owner.n_released, ==, 0);
  check_filled (slice, 1);
  g_bytes_unref (slice);
  g_assert_cmpuint (owner.n_released, ==, 1);
  g_assert_cmpuint (owner.last, ==, 7);
  cache_close (cache, &owner);
}

typedef struct
{
  const char *what;
  guint64     id;
  int         seals;
  gsize       size;  /* of the memfd */
  gsize       claim; /* of the value */
} RefusedRow;

static const RefusedRow refused_rows[] = {
  { "a segment that could shrink", 1, 0, SIZE, SIZE },
  { "a segment that cannot grow, but shrink", 1, F_SEAL_GROW, SIZE, SIZE },
  { "a segment that cannot be written, but shrink", 1, F_SEAL_WRITE, SIZE, SIZE },
  { "a segment that is too small", 1, SHRINK, SIZE, SIZE + 1 },
  { "an empty segment", 1, SHRINK, 0, 1 },
  { "a huge claim", 1, SHRINK, SIZE, G_MAXSIZE },
  { "a single one that could shrink", 0, F_SEAL_GROW | F_SEAL_WRITE, SIZE, SIZE },
  { "a single one that could grow", 0, F_SEAL_SHRINK | F_SEAL_WRITE, SIZE, SIZE },
  { "a single one that could be written", 0, F_SEAL_SHRINK | F_SEAL_GROW, SIZE, SIZE },
  { "a single one that is not sealed", 0, 0, SIZE, SIZE },
  { "a single one that is too small", 0, ALL_SEALS, SIZE, SIZE + 1 },
  { "an empty single one", 0, ALL_SEALS, 0, 1 },
};

static void
test_unsealed_and_short_memory_is_refused (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (refused_rows); i++)
    {
      const RefusedRow *row = &refused_rows[i];
      Owner owner;
      AiopoolSegmentCache *cache = cache_new (&owner);

      g_test_message ("%s", row->what);
      assert_refused (cache, row->id, row->claim, make_memfd (row->size, row->seals, 0));
      g_assert_cmpuint (owner.n_released, ==, 0);
      cache_close (cache, &owner);
    }
}

static void
test_shrunk_memory_is_refused (void)
{
  Owner owner;
  AiopoolSegmentCache *cache = cache_new (&owner);
  int fd = memfd_create ("shrunk", MFD_CLOEXEC | MFD_ALLOW_SEALING);

  g_assert_cmpint (ftruncate (fd, SIZE), ==, 0);
  g_assert_cmpint (ftruncate (fd, 100), ==, 0);
  g_assert_cmpint (fcntl (fd, F_ADD_SEALS, ALL_SEALS), ==, 0);
  assert_refused (cache, 0, SIZE, fd);
  cache_close (cache, &owner);
}

static void
test_what_is_no_memfd_is_refused (void)
{
  for (guint64 id = 0; id <= 1; id++)
    {
      Owner owner;
      AiopoolSegmentCache *cache = cache_new (&owner);
      g_autofree char *name = NULL;
      int file = g_file_open_tmp ("aiopool-XXXXXX", &name, NULL);
      int pair[2], ends[2];

      g_assert_cmpint (ftruncate (file, SIZE), ==, 0);
      g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
      g_assert_cmpint (pipe2 (ends, O_CLOEXEC), ==, 0);
      assert_refused (cache, id, SIZE, file);
      assert_refused (cache, id, SIZE, pair[0]);
      assert_refused (cache, id, SIZE, ends[0]);
      assert_refused (cache, id, SIZE, open ("/dev/zero", O_RDWR | O_CLOEXEC));
      assert_refused (cache, id, SIZE, open ("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      assert_refused (cache, id, SIZE, open ("/", O_PATH | O_CLOEXEC));
      assert_refused (cache, id, 1, -1);
      unlink (name);
      close (pair[1]);
      close (ends[1]);
      cache_close (cache, &owner);
    }
}

static void
test_unknown_and_forgotten_segments_are_refused (void)
{
  Owner owner;
  AiopoolSegmentCache *cache = cache_new (&owner);

  g_assert_true (aiopool_segment_cache_is_empty (cache));
  assert_refused (cache, 5, 10, -1);
  g_bytes_unref (open_value (cache, 5, SIZE, make_memfd (SIZE, SHRINK, 1)));
  g_assert_false (aiopool_segment_cache_is_empty (cache));
  g_bytes_unref (open_value (cache, 5, 10, -1));
  aiopool_segment_cache_forget (cache, 4);
  g_bytes_unref (open_value (cache, 5, 10, -1));
  aiopool_segment_cache_forget (cache, 5);
  aiopool_segment_cache_forget (cache, 5);
  g_assert_true (aiopool_segment_cache_is_empty (cache));
  assert_refused (cache, 5, 10, -1);
  cache_close (cache, &owner);
}

static void
test_value_outlives_its_forgotten_segment (void)
{
  Owner owner;
  AiopoolSegmentCache *cache = cache_new (&owner);
  g_autoptr (GBytes) bytes = open_value (cache, 5, SIZE, make_memfd (SIZE, SHRINK, 3));

  aiopool_segment_cache_forget (cache, 5);
  check_filled (bytes, 3);
  cache_close (cache, &owner);
}

static void
test_value_outlives_the_cache_and_calls_nobody (void)
{
  Owner owner;
  AiopoolSegmentCache *cache = cache_new (&owner);
  g_autoptr (GBytes) shared = open_value (cache, 5, SIZE, make_memfd (SIZE, SHRINK, 3));
  g_autoptr (GBytes) single = open_value (cache, 0, SIZE, make_memfd (SIZE, ALL_SEALS, 4));

  cache_close (cache, &owner);
  check_filled (shared, 3);
  check_filled (single, 4);
  g_clear_pointer (&shared, g_bytes_unref);
  g_assert_cmpuint (owner.n_released, ==, 0);
}

/* A sender that uses an id again means the new memory; values of the old one stay what they are. */
static void
test_descriptor_replaces_what_the_id_meant (void)
{
  Owner owner;
  AiopoolSegmentCache *cache = cache_new (&owner);
  g_autoptr (GBytes) old = open_value (cache, 5, SIZE, make_memfd (SIZE, SHRINK, 1));
  g_autoptr (GBytes) new = open_value (cache, 5, SIZE, make_memfd (SIZE, SHRINK, 2));
  g_autoptr (GBytes) again = open_value (cache, 5, 100, -1);

  check_filled (old, 1);
  check_filled (new, 2);
  check_filled (again, 2);
  cache_close (cache, &owner);
}

static void
test_number_of_segments_is_limited (void)
{
  Owner owner;
  AiopoolSegmentCache *cache = cache_new (&owner);

  for (guint64 id = 1; id <= MAX_SEGMENTS; id++)
    g_bytes_unref (open_value (cache, id, 10, make_memfd (10, SHRINK, 1)));
  assert_refused (cache, MAX_SEGMENTS + 1, 10, make_memfd (10, SHRINK, 1));
  g_bytes_unref (open_value (cache, 7, 10, make_memfd (10, SHRINK, 1)));
  g_bytes_unref (open_value (cache, 0, 10, make_memfd (10, ALL_SEALS, 1)));
  aiopool_segment_cache_forget (cache, 9);
  g_bytes_unref (open_value (cache, MAX_SEGMENTS + 1, 10, make_memfd (10, SHRINK, 1)));
  cache_close (cache, &owner);
}

static void
test_value_of_no_bytes_is_empty (void)
{
  Owner owner;
  AiopoolSegmentCache *cache = cache_new (&owner);

  g_bytes_unref (open_value (cache, 0, 0, make_memfd (0, ALL_SEALS, 0)));
  g_bytes_unref (open_value (cache, 1, 0, make_memfd (0, SHRINK, 0)));
  g_assert_cmpuint (owner.n_released, ==, 1);
  cache_close (cache, &owner);
}

#define N_RACED 2000

static gpointer
unref_all (gpointer data)
{
  GAsyncQueue *queue = data;
  GBytes *bytes;

  while (g_bytes_get_size (bytes = g_async_queue_pop (queue)) > 0)
    g_bytes_unref (bytes);
  g_bytes_unref (bytes);
  return NULL;
}

/* Values go in another thread while the cache opens, forgets and is closed. */
static void
test_values_may_go_in_another_thread_at_any_time (void)
{
  GAsyncQueue *queue = g_async_queue_new ();
  GThread *thread = g_thread_new ("user", unref_all, queue);
  Owner owner;
  AiopoolSegmentCache *cache = cache_new (&owner);

  for (guint64 i = 0; i < N_RACED; i++)
    {
      guint64 id = i % 10 + 1;

      g_async_queue_push (queue, open_value (cache, id, 10, make_memfd (10, SHRINK, 1)));
      g_async_queue_push (queue, open_value (cache, id, 10, -1));
      if (i % 3 == 0)
        aiopool_segment_cache_forget (cache, id);
    }
  aiopool_segment_cache_close (cache);
  g_async_queue_push (queue, g_bytes_new (NULL, 0));
  g_thread_join (thread);
  g_assert_cmpuint (owner.n_released, <=, 2 * N_RACED);
  g_async_queue_unref (queue);
  g_mutex_clear (&owner.lock);
}

/* As languages do whose values can be changed. */
static void
fill_value (GBytes *bytes,
            int     fill)
{
  memset ((gpointer) g_bytes_get_data (bytes, NULL), fill, g_bytes_get_size (bytes));
}

static void
test_a_value_may_be_written_to (void)
{
  Owner owner;
  AiopoolSegmentCache *cache = cache_new (&owner);
  int fd = make_memfd (10000, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE, 7);
  g_autoptr (GBytes) one = open_value (cache, 0, 10000, dup (fd));
  g_autoptr (GBytes) other = open_value (cache, 0, 10000, dup (fd));
  g_autoptr (GBytes) shared = open_value (cache, 5, 10000, make_memfd (10000, F_SEAL_SHRINK, 8));

  fill_value (one, 1);
  check_filled (one, 1);
  check_filled (other, 7);
  fill_value (shared, 2);
  check_filled (shared, 2);
  close (fd);
  cache_close (cache, &owner);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/segment-cache/a-value-may-be-written-to", test_a_value_may_be_written_to);
  g_test_add_func ("/segment-cache/values-go-through-one-segment-again-and-again",
                   test_values_go_through_one_segment_again_and_again);
  g_test_add_func ("/segment-cache/single-values-go-through-without-ids",
                   test_single_values_go_through_without_ids);
  g_test_add_func ("/segment-cache/owner-is-told-when-the-last-reference-goes",
                   test_owner_is_told_when_the_last_reference_goes);
  g_test_add_func ("/segment-cache/unsealed-and-short-memory-is-refused",
                   test_unsealed_and_short_memory_is_refused);
  g_test_add_func ("/segment-cache/shrunk-memory-is-refused", test_shrunk_memory_is_refused);
  g_test_add_func ("/segment-cache/what-is-no-memfd-is-refused", test_what_is_no_memfd_is_refused);
  g_test_add_func ("/segment-cache/unknown-and-forgotten-ones-are-refused",
                   test_unknown_and_forgotten_segments_are_refused);
  g_test_add_func ("/segment-cache/value-outlives-its-forgotten-segment",
                   test_value_outlives_its_forgotten_segment);
  g_test_add_func ("/segment-cache/value-outlives-the-cache-and-calls-nobody",
                   test_value_outlives_the_cache_and_calls_nobody);
  g_test_add_func ("/segment-cache/descriptor-replaces-what-the-id-meant",
                   test_descriptor_replaces_what_the_id_meant);
  g_test_add_func ("/segment-cache/number-of-segments-is-limited",
                   test_number_of_segments_is_limited);
  g_test_add_func ("/segment-cache/value-of-no-bytes-is-empty", test_value_of_no_bytes_is_empty);
  g_test_add_func ("/segment-cache/values-may-go-in-another-thread-at-any-time",
                   test_values_may_go_in_another_thread_at_any_time);
  return g_test_run ();
}
