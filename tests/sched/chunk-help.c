/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tests/sched/chunk-help.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Chunks on a scheduler alone: what owns them here does what a batch does. */

#define SHARED_VARIABLE "AIOPOOL_TEST_SHARED"
#define LONG            100 /* seconds */

typedef struct
{
  AiopoolJob  job; /* first */
  AiopoolSpec spec;
  Whole      *whole;
  guint       first;
  guint       end;    /* in the chunk: what was taken back is behind it */
  guint       n_came;
} Chunk;

Shared *shared;
char *directory;

static char *shared_path;

static void
map_shared (const char *path)
{
  int fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (ftruncate (fd, sizeof (Shared)), ==, 0);
  shared = mmap (NULL, sizeof (Shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  g_assert_true (shared != MAP_FAILED);
  close (fd);
}

static void
reset_shared (void)
{
  memset (shared, 0, sizeof *shared);
  shared->die_at = shared->pause_at = shared->hold_at = shared->deaf_at = -1;
  shared->fail_at = shared->large_at = shared->long_at = -1;
}

/* In a worker. */
static void
register_functions (AiopoolService *service,
                    gpointer        user_data)
{
  map_shared (g_getenv (SHARED_VARIABLE));
  chunk_add_functions (service);
}

int
chunk_main (int   argc,
            char *argv[],
            void (*add_tests) (void))
{
  int result;

  aiopool_service_enter (register_functions, NULL);
  g_test_init (&argc, &argv, NULL);
  directory = g_dir_make_tmp ("aiopool-chunks-XXXXXX", NULL);
  shared_path = g_build_filename (directory, "shared", NULL);
  map_shared (shared_path);
  add_tests ();
  result = g_test_run ();
  unlink (shared_path);
  rmdir (directory);
  g_free (directory);
  g_free (shared_path);
  return result;
}

/* The scheduler's owner: tells when it is closed. */
static GMutex closed_lock;
static GCond closed_changed;
static gboolean is_closed;

static void
on_nothing (gpointer owner)
{
}

static void
on_closed (gpointer owner)
{
  g_mutex_lock (&closed_lock);
  is_closed = TRUE;
  g_cond_broadcast (&closed_changed);
  g_mutex_unlock (&closed_lock);
}

static void
on_given_up (gpointer    owner,
             AiopoolJob *job)
{
}

static void
on_logged (gpointer          owner,
           AiopoolLogRecord *record)
{
  g_object_unref (record);
}

static gboolean
on_figures (gpointer owner)
{
  return FALSE;
}

static const AiopoolSchedulerOwner scheduler_owner = {
  on_nothing, on_nothing, on_closed, on_nothing, on_given_up, on_logged, on_figures
};

AiopoolSchedulerLimits
some_limits (guint max_workers)
{
  return (AiopoolSchedulerLimits) {
    .max_workers = max_workers, .tasks_per_worker = 1, .max_result_size = 1 << 30,
    .idle_timeout = -1, .grace_period = G_USEC_PER_SEC / 2,
  };
}

AiopoolScheduler *
scheduler_of (AiopoolLauncher              *launcher,
              const AiopoolSchedulerLimits *limits)
{
  static int owner;

  reset_shared ();
  is_closed = FALSE;
  return aiopool_scheduler_new (launcher, limits, &scheduler_owner, &owner);
}

/* With more than one task per worker there are asynchronous functions too. */
AiopoolScheduler *
scheduler_new (guint max_workers,
               guint tasks_per_worker)
{
  g_autoptr (AiopoolLauncher) launcher = aiopool_launcher_new ();
  AiopoolSchedulerLimits limits = some_limits (max_workers);

  aiopool_launcher_setenv (launcher, SHARED_VARIABLE, shared_path);
  if (tasks_per_worker > 1)
    aiopool_launcher_setenv (launcher, "AIOPOOL_TEST_ASYNC", "1");
  limits.tasks_per_worker = tasks_per_worker;
  return scheduler_of (launcher, &limits);
}

/* It shares no memory with its worker. */
AiopoolScheduler *
scheduler_untrusted (void)
{
  g_autoptr (AiopoolLauncher) launcher = aiopool_launcher_new ();
  AiopoolSchedulerLimits limits = some_limits (1);

  aiopool_launcher_setenv (launcher, SHARED_VARIABLE, shared_path);
  aiopool_launcher_set_trusted (launcher, FALSE);
  return scheduler_of (launcher, &limits);
}

/* Everything is done before it is closed. */
void
scheduler_end (AiopoolScheduler *scheduler)
{
  gint64 end = g_get_monotonic_time () + 20 * G_USEC_PER_SEC;

  aiopool_scheduler_shutdown (scheduler, AIOPOOL_SHUTDOWN_DRAIN);
  g_mutex_lock (&closed_lock);
  while (!is_closed && g_cond_wait_until (&closed_changed, &closed_lock, end))
    ;
  g_assert_true (is_closed);
  g_mutex_unlock (&closed_lock);
  aiopool_scheduler_abandon (scheduler);
}

Whole *
whole_new (AiopoolScheduler *scheduler,
           const char       *function,
           guint             n)
{
  Whole *self = g_new0 (Whole, 1);

  self->scheduler = scheduler;
  self->function = g_intern_string (function);
  self->n = n;
  self->items = g_new0 (Item, n);
  self->jobs = g_ptr_array_new ();
  g_mutex_init (&self->lock);
  g_cond_init (&self->changed);
  return self;
}

/* Under the lock. */
static void
take_value (Whole    *whole,
            guint     index,
            GVariant *value)
{
  g_autoptr (GVariant) normal = g_variant_get_normal_form (value);
  const char *format = g_variant_get_type_string (normal);
  gint64 number = (gint64) index;

  if (g_str_equal (format, "x"))
    number = g_variant_get_int64 (normal);
  else if (g_str_equal (format, "(sx)"))
    g_variant_get (normal, "(&sx)", NULL, &number);
  g_assert_cmpint (number, ==, index);
  whole->items[index].fate = VALUE;
}

static void
take_outcome (Whole          *whole,
              guint           index,
              AiopoolOutcome *outcome)
{
  if (outcome->fds != NULL)
    whole->items[index].n_fds = g_unix_fd_list_get_length (outcome->fds);
  if (outcome->error != NULL)
    {
      whole->items[index].has_info = outcome->info != NULL;
      whole->items[index].fate = FAILED;
      whole->items[index].error = g_steal_pointer (&outcome->error);
    }
  else
    {
      g_assert_nonnull (outcome->payload);
      whole->items[index].fate = VALUE;
    }
}

static void
on_items (AiopoolJob   *job,
          AiopoolItems *items)
{
  Chunk *chunk = (Chunk *) job;
  Whole *whole = chunk->whole;
  g_autoptr (GVariant) array = NULL;

  g_assert_cmpuint (items->first, ==, chunk->n_came);
  g_assert_cmpuint (items->first + items->n, <=, chunk->end);
  if (items->values != NULL)
    array = aiopool_payload_dup_variant (items->values, FALSE);
  g_mutex_lock (&whole->lock);
  for (guint i = 0; i < items->n; i++)
    {
      guint index = chunk->first + items->first + i;
      g_autoptr (GVariant) value = NULL;

      whole->items[index].n_came++;
      whole->items[index].started = items->started;
      whole->items[index].run_time = items->run_times[i];
      if (array != NULL)
        take_value (whole, index, value = g_variant_get_child_value (array, i));
      else
        take_outcome (whole, index, &items->outcome);
    }
  chunk->n_came += items->n;
  whole->n_runs++;
  g_cond_broadcast (&whole->changed);
  g_mutex_unlock (&whole->lock);
}

static AiopoolJob *submit (Whole    *self,
                           guint     first,
                           guint     n,
                           gboolean  is_rest);

/* The items from @from on were not begun. */
static void
take_rest (Chunk *chunk,
           guint  from)
{
  Whole *whole = chunk->whole;
  guint first = chunk->first + from;
  guint n = 0;

  g_mutex_lock (&whole->lock);
  if (chunk->end > from)
    n = chunk->end - from;
  chunk->end = MIN (chunk->end, from);
  for (guint i = 0; i < n; i++)
    whole->items[first + i].fate = NOT_BEGUN;
  g_mutex_unlock (&whole->lock);
  if (n > 0 && whole->goes_on)
    submit (whole, first, n, TRUE);
}

static void
lose (Chunk          *chunk,
      AiopoolOutcome *outcome)
{
  Whole *whole = chunk->whole;
  guint end = outcome->n_begun > 0 ? outcome->n_begun : chunk->end;

  g_mutex_lock (&whole->lock);
  for (guint i = chunk->n_came; i < end; i++)
    {
      Item *item = &whole->items[chunk->first + i];
      gboolean has_error = outcome->n_begun == 0 || i + 1 == end;

      item->fate = has_error ? FAILED : LOST;
      if (has_error)
        item->error = g_error_copy (outcome->error);
    }
  g_mutex_unlock (&whole->lock);
}

static void
on_released (AiopoolJob       *job,
             AiopoolPostBatch *batch)
{
  Chunk *chunk = (Chunk *) job;
  Whole *whole = chunk->whole;

  if (!g_atomic_int_dec_and_test (&job->holds))
    return;
  aiopool_payload_unref (chunk->spec.argument);
  g_mutex_lock (&whole->lock);
  whole->n_held--;
  g_cond_broadcast (&whole->changed);
  g_mutex_unlock (&whole->lock);
}

static void
on_settled (AiopoolJob       *job,
            AiopoolOutcome   *outcome,
            AiopoolPostBatch *batch)
{
  Chunk *chunk = (Chunk *) job;

  g_assert_cmpuint (outcome->n_begun, >=, chunk->n_came);
  g_assert_null (outcome->payload);
  if (outcome->error != NULL)
    lose (chunk, outcome);
  else
    g_assert_cmpuint (outcome->n_begun, ==, chunk->n_came);
  if (outcome->error == NULL || outcome->n_begun > 0)
    take_rest (chunk, outcome->n_begun);
  g_mutex_lock (&chunk->whole->lock);
  chunk->whole->n_chunks--;
  g_cond_broadcast (&chunk->whole->changed);
  g_mutex_unlock (&chunk->whole->lock);
  on_released (job, batch);
}

static void
on_shortened (AiopoolJob       *job,
              guint             n_items,
              AiopoolPostBatch *batch)
{
  Chunk *chunk = (Chunk *) job;

  g_mutex_lock (&chunk->whole->lock);
  chunk->whole->n_shortened++;
  g_mutex_unlock (&chunk->whole->lock);
  take_rest (chunk, n_items);
}

static void
on_progress (AiopoolJob *job,
             double      fraction,
             char       *text)
{
  ((Chunk *) job)->whole->progress = fraction;
  g_free (text);
}

static gboolean
on_emitted (AiopoolJob     *job,
            AiopoolPayload *payload,
            gint64          cost)
{
  g_assert_not_reached ();
}

static gboolean
on_job_logged (AiopoolJob       *job,
               AiopoolLogRecord *record)
{
  return FALSE;
}

static const AiopoolJobClass chunk_class = {
  on_settled, on_released, on_progress, on_emitted, on_job_logged, on_items, on_shortened
};

static AiopoolPayload *
make_values (guint first,
             guint n)
{
  g_autofree gint64 *values = g_new (gint64, n);
  AiopoolPayloadView view = { AIOPOOL_FORMAT_GVARIANT, "ax", values, n * sizeof (gint64) };

  for (guint i = 0; i < n; i++)
    values[i] = first + i;
  return aiopool_payload_new_copy (&view);
}

static AiopoolJob *
submit (Whole   *self,
        guint    first,
        guint    n,
        gboolean is_rest)
{
  Chunk *chunk = g_new0 (Chunk, 1);
  g_autoptr (GError) error = NULL;

  chunk->job.klass = &chunk_class;
  chunk->job.holds = 1;
  chunk->job.is_rest = is_rest;
  chunk->spec = (AiopoolSpec) { self->function, make_values (first, n), &self->options, n };
  chunk->whole = self;
  chunk->first = first;
  chunk->end = n;
  g_mutex_lock (&self->lock);
  self->n_chunks++;
  self->n_held++;
  g_ptr_array_add (self->jobs, chunk);
  g_mutex_unlock (&self->lock);
  if (!aiopool_scheduler_submit (self->scheduler, &chunk->job, &chunk->spec, &error))
    {
      AiopoolOutcome outcome = { .error = g_steal_pointer (&error) };

      on_settled (&chunk->job, &outcome, NULL);
      aiopool_outcome_clear (&outcome);
    }
  return &chunk->job;
}

/* One chunk. */
AiopoolJob *
whole_submit (Whole *self,
              guint  first,
              guint  n)
{
  return submit (self, first, n, FALSE);
}

/* Until all chunks are settled and nobody holds them. */
void
whole_wait (Whole *self)
{
  gint64 end = g_get_monotonic_time () + LONG * G_USEC_PER_SEC;

  g_mutex_lock (&self->lock);
  while ((self->n_chunks > 0 || self->n_held > 0) &&
         g_cond_wait_until (&self->changed, &self->lock, end))
    ;
  g_assert_cmpuint (self->n_chunks, ==, 0);
  g_assert_cmpuint (self->n_held, ==, 0);
  g_mutex_unlock (&self->lock);
}

void
whole_wait_held (int n)
{
  while (shared->n_held < n)
    g_usleep (200);
}

/* Chunks that are not settled. @n_came (out): items of which something came. */
guint
whole_count (Whole *self,
             guint *n_came)
{
  guint n_chunks;

  g_mutex_lock (&self->lock);
  n_chunks = self->n_chunks;
  *n_came = 0;
  for (guint i = 0; i < self->n; i++)
    *n_came += self->items[i].n_came;
  g_mutex_unlock (&self->lock);
  return n_chunks;
}

void
whole_check (Whole *self,
             guint  first,
             guint  end,
             Fate   fate)
{
  for (guint i = first; i < end; i++)
    {
      if (self->items[i].fate != fate)
        g_test_message ("item %u", i);
      g_assert_cmpint (self->items[i].fate, ==, fate);
      g_assert_cmpuint (self->items[i].n_came, <=, 1);
    }
}

void
whole_free (Whole *self)
{
  for (guint i = 0; i < self->n; i++)
    g_clear_error (&self->items[i].error);
  for (guint i = 0; i < self->jobs->len; i++)
    g_free (g_ptr_array_index (self->jobs, i));
  g_ptr_array_unref (self->jobs);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->changed);
  g_free (self->items);
  g_free (self);
}
