/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/pool/helper-batch.h"

static const BatchKind kinds[] = {
  { "pool", TRUE, 1 },
  { "pool-chunks-of-7", TRUE, 7 },
  { "pool-chosen", TRUE, 0 },
  { "threads", FALSE, 1 },
};

void
batch_add (const char   *path,
           GTestDataFunc function)
{
  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    {
      g_autofree char *full = g_strdup_printf ("/batch/%s/%s", kinds[i].name, path);

      helper_add_data (full, function, &kinds[i]);
    }
}

AiopoolExecutor *
batch_executor (const BatchKind *kind)
{
  return kind->is_pool ? helper_pool (2) : helper_threads_new (2, 0);
}

GVariant *
batch_items (const char *what,
             guint       n)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a(su)"));
  for (guint i = 0; i < n; i++)
    g_variant_builder_add (&builder, "(su)", what, i);
  return g_variant_builder_end (&builder);
}

AiopoolTask *
batch_task (const char *marks,
            const char *path)
{
  AiopoolTask *task = aiopool_task_new ("act", NULL);
  GVariantDict keywords;

  g_variant_dict_init (&keywords, NULL);
  if (marks != NULL)
    g_variant_dict_insert (&keywords, "marks", "s", marks);
  if (path != NULL)
    g_variant_dict_insert (&keywords, "path", "s", path);
  aiopool_task_set_keywords (task, g_variant_dict_end (&keywords));
  return task;
}

AiopoolBatch *
batch_new (const BatchKind *kind,
           AiopoolExecutor *executor,
           AiopoolTask     *task,
           AiopoolSource   *source)
{
  AiopoolBatch *batch = aiopool_batch_new (executor, task, source);

  aiopool_batch_set_unpack (batch, TRUE);
  aiopool_batch_set_chunk_size (batch, kind->chunk_size);
  return batch;
}

AiopoolBatch *
batch_act (const BatchKind *kind,
           AiopoolExecutor *executor,
           const char      *what,
           guint            n)
{
  g_autoptr (AiopoolSource) source = aiopool_source_new_for_array (batch_items (what, n));
  g_autoptr (AiopoolTask) task = batch_task (NULL, NULL);

  return batch_new (kind, executor, task, source);
}

AiopoolFuture *
batch_next (AiopoolBatch *batch)
{
  g_autoptr (GError) error = NULL;
  AiopoolFuture *future = aiopool_batch_next (batch, HELPER_LONG, NULL, &error);

  g_assert_no_error (error);
  g_assert_nonnull (future);
  g_assert_true (aiopool_future_is_done (future));
  return future;
}

void
batch_expect_end (AiopoolBatch *batch)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (aiopool_batch_next (batch, HELPER_LONG, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpint (aiopool_batch_get_state (batch), ==, AIOPOOL_FUTURE_DONE);
  g_assert_cmpuint (aiopool_batch_get_n_running (batch), ==, 0);
  g_assert_cmpfloat (aiopool_batch_get_progress (batch), ==, 1);
  g_assert_cmpfloat (aiopool_batch_get_time_left (batch), ==, 0);
}

void
batch_expect_error (AiopoolBatch *batch,
                    GQuark        domain,
                    int           code)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) own = NULL;

  g_assert_null (aiopool_batch_next (batch, HELPER_LONG, NULL, &error));
  g_assert_error (error, domain, code);
  own = aiopool_batch_dup_error (batch);
  g_assert_error (own, domain, code);
}

guint
batch_number (AiopoolFuture *future)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) result = aiopool_future_get_result (future, &error);

  g_assert_no_error (error);
  return g_variant_get_uint32 (result);
}

/* Reads to the end, whatever that is. Returns how many items. */
guint
batch_drain (AiopoolBatch *batch)
{
  AiopoolFuture *future;
  guint n = 0;

  while ((future = aiopool_batch_next (batch, HELPER_LONG, NULL, NULL)) != NULL)
    {
      g_object_unref (future);
      n++;
    }
  g_assert_cmpint (aiopool_batch_get_state (batch), >=, AIOPOOL_FUTURE_DONE);
  return n;
}

void
batch_keep_result (GObject      *object,
                   GAsyncResult *result,
                   gpointer      user_data)
{
  GAsyncResult **place = user_data;

  g_assert_null (*place);
  *place = g_object_ref (result);
}

/* Iterates the default context until there is one. */
GAsyncResult *
batch_await (GAsyncResult **result)
{
  while (*result == NULL)
    g_main_context_iteration (NULL, TRUE);
  return *result;
}

guint
batch_sum (guint *counts,
           guint  n)
{
  guint sum = 0;

  for (guint i = 0; i < n; i++)
    {
      g_assert_cmpuint (counts[i], <=, 1);
      sum += counts[i];
    }
  return sum;
}
