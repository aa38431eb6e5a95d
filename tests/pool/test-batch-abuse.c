/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/pool/helper-batch.h"

/* Batches in the hands of sources and callbacks that do what they had better not. */

/* --- one source, two batches ------------------------------------------------------------------ */

static void
count_wanted (AiopoolSource *source,
              guint          n_items,
              gpointer       user_data)
{
  guint *n_dismissed = user_data;

  *n_dismissed += n_items == 0;
}

/* Whatever the second does with it: it is dropped before it is started, and refused after. */
static void
test_a_source_stays_with_its_first_batch (gconstpointer data)
{
  const BatchKind *kind = data;
  g_autoptr (AiopoolExecutor) executor = batch_executor (kind);
  g_autoptr (AiopoolTask) task = batch_task (NULL, NULL);
  guint n_dismissed = 0;
  g_autoptr (AiopoolSource) source = aiopool_source_new_pushed (count_wanted, &n_dismissed, NULL);
  g_autoptr (AiopoolBatch) batch = batch_new (kind, executor, task, source);

  aiopool_batch_start (batch);
  for (guint i = 0; i < 10; i++)
    {
      g_autoptr (AiopoolBatch) other = batch_new (kind, executor, task, source);
      g_autoptr (AiopoolFuture) future = NULL;

      if (i % 2 == 1)
        batch_expect_error (other, G_IO_ERROR, G_IO_ERROR_BUSY);
      g_clear_object (&other);
      while (g_main_context_iteration (NULL, FALSE))
        ;
      g_assert_true (aiopool_source_push (source, g_variant_new ("(su)", "echo", i)));
      future = batch_next (batch);
      g_assert_cmpuint (batch_number (future), ==, i);
    }
  g_assert_cmpuint (n_dismissed, ==, 0);
  aiopool_source_end (source);
  batch_expect_end (batch);
  helper_shutdown (executor, AIOPOOL_SHUTDOWN_DRAIN);
}

/* --- a source that fails while an item does --------------------------------------------------- */

typedef struct
{
  AiopoolBatch *batch; /* (unowned) */
  guint         n_pulled;
} Late;

/* Gives one item that fails, and fails itself once that has. */
static GVariant *
fail_late (AiopoolSource  *source,
           gpointer        user_data,
           GError        **error)
{
  Late *late = user_data;

  if (late->n_pulled++ == 0)
    return g_variant_new ("(su)", "fail", 0);
  while (aiopool_batch_get_n_failed (late->batch) == 0)
    g_usleep (500);
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE, "no more");
  return NULL;
}

static void
test_the_first_error_is_kept_when_the_source_fails_too (gconstpointer data)
{
  const BatchKind kind = { .is_pool = ((const BatchKind *) data)->is_pool, .chunk_size = 1 };
  g_autoptr (AiopoolExecutor) executor = batch_executor (&kind);
  Late late = { NULL };
  g_autoptr (AiopoolSource) source = aiopool_source_new_for_callback (fail_late, &late, NULL);
  g_autoptr (AiopoolTask) task = batch_task (NULL, NULL);
  g_autoptr (AiopoolBatch) batch = batch_new (&kind, executor, task, source);
  g_autoptr (GError) own = NULL;

  late.batch = batch;
  aiopool_batch_set_stop_on_error (batch, TRUE);
  aiopool_batch_start (batch);
  batch_drain (batch);
  own = aiopool_batch_dup_error (batch);
  g_assert_nonnull (own);
  g_assert_false (g_error_matches (own, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE));
  helper_shutdown (executor, AIOPOOL_SHUTDOWN_DRAIN);
}

/* --- sources that use their batch ------------------------------------------------------------- */

typedef struct
{
  AiopoolBatch *batch; /* (owned or not, as the test says) (nullable) */
  guint         n_pulled;
  guint         n_refused;
} Reentrant;

/* The one who reads is the one who would have to go on. */
static GVariant *
read_inside (AiopoolSource  *source,
             gpointer        user_data,
             GError        **error)
{
  Reentrant *self = user_data;
  g_autoptr (AiopoolFuture) future = NULL;
  g_autoptr (GError) own = NULL;

  if (self->n_pulled == 5)
    {
      aiopool_source_end (source);
      return NULL;
    }
  future = aiopool_batch_next (self->batch, -1, NULL, &own);
  if (future == NULL)
    {
      g_assert_error (own, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_WOULD_BLOCK);
      self->n_refused++;
    }
  return g_variant_new ("(su)", "echo", self->n_pulled++);
}

static void
test_a_source_that_reads_its_batch_is_told_that_it_would_block (gconstpointer data)
{
  g_autoptr (AiopoolExecutor) executor = batch_executor (data);
  Reentrant self = { NULL };
  g_autoptr (AiopoolSource) source = aiopool_source_new_for_callback (read_inside, &self, NULL);
  g_autoptr (AiopoolTask) task = batch_task (NULL, NULL);
  guint n;

  self.batch = batch_new (data, executor, task, source);
  n = batch_drain (self.batch);
  g_assert_cmpuint (self.n_refused, >, 0);
  g_assert_cmpuint (n + 5 - self.n_refused, ==, 5);
  batch_expect_end (self.batch);
  g_clear_object (&self.batch);
  helper_shutdown (executor, AIOPOOL_SHUTDOWN_DRAIN);
}

static GVariant *
drop_inside (AiopoolSource  *source,
             gpointer        user_data,
             GError        **error)
{
  Reentrant *self = user_data;

  if (self->n_pulled == 5)
    g_clear_object (&self->batch);
  return g_variant_new ("(su)", "echo", self->n_pulled++);
}

static void
set_flag (gpointer flag)
{
  g_atomic_int_set ((int *) flag, TRUE);
}

static void
test_a_source_may_drop_its_batch (gconstpointer data)
{
  g_autoptr (AiopoolExecutor) executor = batch_executor (data);
  gboolean is_gone = FALSE;

  for (guint i = 0; i < 20; i++)
    {
      Reentrant *self = g_new0 (Reentrant, 1);
      g_autoptr (AiopoolSource) source = aiopool_source_new_for_callback (drop_inside, self,
                                                                          g_free);
      g_autoptr (AiopoolTask) task = batch_task (NULL, NULL);

      is_gone = FALSE;
      g_object_set_data_full (G_OBJECT (source), "flag", &is_gone, set_flag);
      self->batch = batch_new (data, executor, task, source);
      aiopool_batch_start (self->batch);
      g_clear_object (&source);
      while (!is_gone)
        g_main_context_iteration (NULL, TRUE);
    }
  helper_shutdown (executor, AIOPOOL_SHUTDOWN_DRAIN);
}

/* --- dropped by one thread while another feeds it --------------------------------------------- */

typedef struct
{
  AiopoolBatch *batch;   /* (owned) */
  guint         n_pulled;
  int           pulls;   /* atomic: how many before it goes */
} Dropped;

/* Types change all the time, so that there is always something put aside. */
static GVariant *
pull_mixed (AiopoolSource  *source,
            gpointer        user_data,
            GError        **error)
{
  Dropped *self = user_data;
  guint number = self->n_pulled++;

  g_atomic_int_inc (&self->pulls);
  if (number % 2 == 0)
    return g_variant_new ("(u)", number);
  return g_variant_new ("(uu)", number, number);
}

static gpointer
drop_soon (gpointer user_data)
{
  Dropped *self = user_data;

  while (g_atomic_int_get (&self->pulls) < 20)
    g_thread_yield ();
  g_object_unref (self->batch);
  return NULL;
}

static void
test_another_thread_may_drop_it_while_it_is_fed (gconstpointer data)
{
  g_autoptr (AiopoolExecutor) executor = batch_executor (data);

  for (guint i = 0; i < 40; i++)
    {
      Dropped *self = g_new0 (Dropped, 1);
      g_autoptr (AiopoolSource) source = aiopool_source_new_for_callback (pull_mixed, self,
                                                                          g_free);
      g_autoptr (AiopoolTask) task = aiopool_task_new ("echo", NULL);
      gboolean is_gone = FALSE;
      GThread *thread;

      g_object_set_data_full (G_OBJECT (source), "flag", &is_gone, set_flag);
      self->batch = batch_new (data, executor, task, source);
      thread = g_thread_new ("drop", drop_soon, self);
      aiopool_batch_start (self->batch);
      g_clear_object (&source);
      while (!g_atomic_int_get (&is_gone))
        g_main_context_iteration (NULL, FALSE);
      g_thread_join (thread);
    }
  helper_shutdown (executor, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
ignore_wanted (AiopoolSource *source,
               guint          n_items,
               gpointer       user_data)
{
}

/* Until nobody wants any more. */
static gpointer
push_for_ever (gpointer user_data)
{
  while (aiopool_source_push (user_data, g_variant_new ("(su)", "echo", 1)))
    ;
  return NULL;
}

static void
test_it_may_be_dropped_while_another_thread_pushes (gconstpointer data)
{
  g_autoptr (AiopoolExecutor) executor = batch_executor (data);

  for (guint i = 0; i < 20; i++)
    {
      g_autoptr (AiopoolSource) source = aiopool_source_new_pushed (ignore_wanted, NULL, NULL);
      g_autoptr (AiopoolTask) task = batch_task (NULL, NULL);
      g_autoptr (AiopoolBatch) batch = batch_new (data, executor, task, source);
      GThread *thread = g_thread_new ("pusher", push_for_ever, source);

      g_object_unref (batch_next (batch));
      g_clear_object (&batch);
      while (aiopool_source_push (source, g_variant_new ("(su)", "echo", 2)))
        g_main_context_iteration (NULL, FALSE);
      g_thread_join (thread);
    }
  helper_shutdown (executor, AIOPOOL_SHUTDOWN_DRAIN);
}

/* --- the home context ------------------------------------------------------------------------- */

typedef struct
{
  guint n_pulled;
  guint n_items;
  guint n_since;  /* items since the context was last seen to */
  guint n_most;
} Watched;

static GVariant *
pull_watched (AiopoolSource  *source,
              gpointer        user_data,
              GError        **error)
{
  Watched *self = user_data;

  if (self->n_pulled == self->n_items)
    {
      aiopool_source_end (source);
      return NULL;
    }
  self->n_most = MAX (self->n_most, ++self->n_since);
  g_usleep (5000); /* longer than a batch holds the context */
  return g_variant_new ("(su)", "echo", self->n_pulled++);
}

static gboolean
on_idle (gpointer user_data)
{
  Watched *self = user_data;

  self->n_since = 0;
  return G_SOURCE_CONTINUE;
}

static void
test_a_source_that_is_never_empty_leaves_the_context_to_others (gconstpointer data)
{
  g_autoptr (AiopoolExecutor) executor = batch_executor (data);
  Watched self = { .n_items = 20 };
  g_autoptr (AiopoolSource) source = aiopool_source_new_for_callback (pull_watched, &self, NULL);
  g_autoptr (AiopoolTask) task = batch_task (NULL, NULL);
  g_autoptr (AiopoolBatch) batch = batch_new (data, executor, task, source);
  g_autoptr (GAsyncResult) result = NULL;
  guint id = g_timeout_add_full (G_PRIORITY_DEFAULT, 0, on_idle, &self, NULL);

  aiopool_batch_wait_async (batch, NULL, batch_keep_result, &result);
  batch_await (&result);
  g_assert_cmpuint (self.n_pulled, ==, self.n_items);
  g_assert_cmpuint (self.n_most, <=, 3);
  g_source_remove (id);
  g_clear_object (&batch);
  helper_shutdown (executor, AIOPOOL_SHUTDOWN_DRAIN);
}

/* --- executors that are sudden, or never ready ------------------------------------------------ */

#define TYPE_ODD (odd_get_type ())
G_DECLARE_FINAL_TYPE (Odd, odd, TEST, ODD, AiopoolExecutor)

/* What comes of a submit. */
typedef enum
{
  ODD_DONE,    /* a result, before it returns */
  ODD_FAILED,  /* an error, in the same way */
  ODD_FULL,    /* nothing, for ever */
  ODD_REFUSED  /* an error of its own, and no future */
} OddMode;

struct _Odd
{
  AiopoolExecutor parent_instance;
  OddMode         mode;
  guint           n_submitted;
};

G_DEFINE_FINAL_TYPE (Odd, odd, AIOPOOL_TYPE_EXECUTOR)

static AiopoolFuture *
odd_submit (AiopoolExecutor *executor,
            AiopoolTask     *task,
            GCancellable    *cancellable,
            GError         **error)
{
  Odd *self = TEST_ODD (executor);
  g_autoptr (AiopoolPromise) promise = NULL;
  g_autoptr (GError) own = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "no luck");

  self->n_submitted++;
  if (self->mode == ODD_FULL)
    g_set_error_literal (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_FULL, "It is full");
  else if (self->mode == ODD_REFUSED)
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "no luck");
  if (self->mode >= ODD_FULL)
    return NULL;
  promise = aiopool_promise_new (task);
  if (self->mode == ODD_DONE)
    aiopool_promise_resolve (promise, aiopool_task_get_arguments (task));
  else
    aiopool_promise_reject (promise, own);
  return g_object_ref (aiopool_promise_get_future (promise));
}

static void
odd_class_init (OddClass *klass)
{
  AIOPOOL_EXECUTOR_CLASS (klass)->submit = odd_submit;
}

static void
odd_init (Odd *self)
{
}

static AiopoolBatch *
new_odd (OddMode           mode,
         guint             n_items,
         AiopoolExecutor **executor)
{
  g_autoptr (AiopoolTask) task = batch_task (NULL, NULL);
  Odd *odd = g_object_new (TYPE_ODD, NULL);

  odd->mode = mode;
  *executor = AIOPOOL_EXECUTOR (odd);
  return aiopool_executor_starmap (*executor, task, batch_items ("echo", n_items));
}

static void
test_items_may_end_before_they_are_taken (void)
{
  g_autoptr (AiopoolExecutor) executor = NULL;
  g_autoptr (AiopoolBatch) batch = new_odd (ODD_DONE, 20000, &executor);

  for (guint i = 0; i < 20000; i++)
    {
      g_autoptr (AiopoolFuture) future = batch_next (batch);

      g_assert_cmpuint (aiopool_future_get_position (future), ==, i);
    }
  batch_expect_end (batch);
}

static void
test_errors_may_come_before_that_too (void)
{
  for (OddMode mode = ODD_FAILED; mode <= ODD_REFUSED; mode += ODD_REFUSED - ODD_FAILED)
    {
      g_autoptr (AiopoolExecutor) executor = NULL;
      g_autoptr (AiopoolBatch) batch = new_odd (mode, 1000, &executor);

      g_assert_cmpuint (batch_drain (batch), ==, 1000);
      g_assert_cmpuint (aiopool_batch_get_n_failed (batch), ==, 1000);
      g_assert_cmpint (aiopool_batch_get_state (batch), ==, AIOPOOL_FUTURE_DONE);
      g_clear_object (&batch);
      g_clear_object (&executor);
      batch = new_odd (mode, 1000, &executor);
      aiopool_batch_set_stop_on_error (batch, TRUE);
      g_assert_cmpuint (batch_drain (batch), <, 1000);
      g_assert_cmpint (aiopool_batch_get_state (batch), ==, AIOPOOL_FUTURE_FAILED);
    }
}

static void
test_an_executor_that_is_always_full_can_be_left (void)
{
  for (guint i = 0; i < 3; i++)
    {
      g_autoptr (AiopoolExecutor) executor = NULL;
      g_autoptr (AiopoolBatch) batch = new_odd (ODD_FULL, 100, &executor);
      g_autoptr (GError) error = NULL;

      if (i == 1)
        aiopool_batch_set_timeout (batch, 0.02);
      aiopool_batch_start (batch);
      if (i != 1)
        g_assert_null (aiopool_batch_next (batch, 0.01, NULL, &error));
      if (i != 1)
        g_assert_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
      g_assert_cmpuint (TEST_ODD (executor)->n_submitted, <, 10);
      aiopool_executor_notify_room (executor);
      if (i == 0)
        continue; /* and drop it */
      if (i == 2)
        g_assert_true (aiopool_batch_cancel (batch, AIOPOOL_CANCEL_PENDING));
      batch_drain (batch);
      batch_expect_error (batch, G_IO_ERROR,
                          i == 1 ? G_IO_ERROR_TIMED_OUT : G_IO_ERROR_CANCELLED);
    }
}

/* --- readers ---------------------------------------------------------------------------------- */

#define N_READERS 16

typedef struct
{
  AiopoolBatch *batch; /* (unowned) */
  guint         n_read;
} ReadingThread;

static gpointer
read_in_thread (gpointer user_data)
{
  ReadingThread *self = user_data;
  AiopoolFuture *future;

  while ((future = aiopool_batch_next (self->batch, -1, NULL, NULL)) != NULL)
    {
      self->n_read++;
      g_object_unref (future);
    }
  return NULL;
}

static void
test_many_readers_share_what_there_is (gconstpointer data)
{
  g_autoptr (AiopoolExecutor) executor = batch_executor (data);
  g_autoptr (AiopoolBatch) batch = batch_act (data, executor, "echo", 3000);
  ReadingThread readers[N_READERS];
  GThread *threads[N_READERS];
  guint n_read = 0;

  for (guint i = 0; i < N_READERS; i++)
    {
      readers[i] = (ReadingThread) { batch, 0 };
      threads[i] = g_thread_new ("reader", read_in_thread, &readers[i]);
    }
  for (guint i = 0; i < N_READERS; i++)
    {
      g_thread_join (threads[i]);
      n_read += readers[i].n_read;
    }
  g_assert_cmpuint (n_read, ==, 3000);
  batch_expect_end (batch);
  helper_shutdown (executor, AIOPOOL_SHUTDOWN_DRAIN);
}

int
main (int    argc,
      char **argv)
{
  helper_begin (&argc, &argv);
  batch_add ("a-source-stays-with-its-first-batch", test_a_source_stays_with_its_first_batch);
  batch_add ("the-first-error-is-kept-when-the-source-fails-too",
             test_the_first_error_is_kept_when_the_source_fails_too);
  batch_add ("a-source-that-reads-its-batch-is-told-that-it-would-block",
             test_a_source_that_reads_its_batch_is_told_that_it_would_block);
  batch_add ("a-source-may-drop-its-batch", test_a_source_may_drop_its_batch);
  batch_add ("another-thread-may-drop-it-while-it-is-fed",
             test_another_thread_may_drop_it_while_it_is_fed);
  batch_add ("it-may-be-dropped-while-another-thread-pushes",
             test_it_may_be_dropped_while_another_thread_pushes);
  batch_add ("a-source-that-is-never-empty-leaves-the-context-to-others",
             test_a_source_that_is_never_empty_leaves_the_context_to_others);
  batch_add ("many-readers-share-what-there-is", test_many_readers_share_what_there_is);
  helper_add ("/batch-odd/items-may-end-before-they-are-taken",
              test_items_may_end_before_they_are_taken);
  helper_add ("/batch-odd/errors-may-come-before-that-too", test_errors_may_come_before_that_too);
  helper_add ("/batch-odd/an-executor-that-is-always-full-can-be-left",
              test_an_executor_that_is_always_full_can_be_left);
  return helper_end ();
}
