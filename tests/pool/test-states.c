/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/pool/helper.h"

/* What each operation of an executor comes to in each state of its pool: it works, or fails with
 * the state's error; it never hangs. */

typedef enum { NEW, RUNNING, BROKEN, SHUTTING_DOWN, SHUT_DOWN } State;

typedef struct
{
  const char *name;
  State       state;
  int         code; /* of AIOPOOL_POOL_ERROR: what whoever brings work gets; -1 if it is taken */
} Row;

static const Row rows[] = {
  { "new", NEW, -1 },
  { "running", RUNNING, -1 },
  { "broken", BROKEN, AIOPOOL_POOL_ERROR_BROKEN },
  { "shutting-down", SHUTTING_DOWN, AIOPOOL_POOL_ERROR_CLOSED },
  { "shut-down", SHUT_DOWN, AIOPOOL_POOL_ERROR_CLOSED },
};

typedef struct
{
  const Row       *row;
  AiopoolExecutor *pool; /* (owned) */
  HelperGate      *gate; /* (owned) */
  AiopoolFuture   *held; /* (owned) (nullable): runs until the gate is opened */
} Fixture;

static AiopoolExecutor *
new_pool (State state)
{
  g_autoptr (AiopoolLauncher) launcher = aiopool_launcher_new ();

  return g_object_new (AIOPOOL_TYPE_POOL,
                       "max-workers", 2,
                       "launcher", launcher,
                       "on-worker-death", state == BROKEN ? AIOPOOL_DEATH_BREAK
                                                          : AIOPOOL_DEATH_ISOLATE,
                       NULL);
}

static void
fixture_begin (Fixture   *self,
               const Row *row)
{
  *self = (Fixture) { .row = row, .pool = new_pool (row->state), .gate = helper_gate_new () };
  if (row->state == RUNNING || row->state == SHUTTING_DOWN)
    {
      self->held = helper_gate_submit (self->gate, self->pool, "deaf");
      helper_gate_await (self->gate, 1);
    }
  if (row->state == BROKEN)
    {
      g_autoptr (AiopoolFuture) future = helper_submit (self->pool, "crash", "(i)", 9);

      g_assert_true (aiopool_future_wait (future, HELPER_LONG));
    }
  if (row->state == SHUTTING_DOWN)
    aiopool_executor_shutdown_async (self->pool, AIOPOOL_SHUTDOWN_DRAIN, NULL, NULL, NULL);
  if (row->state == SHUT_DOWN)
    helper_shutdown (self->pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
fixture_end (Fixture *self)
{
  helper_gate_open (self->gate);
  if (self->held != NULL)
    helper_wait (self->held);
  helper_shutdown (self->pool, AIOPOOL_SHUTDOWN_DRAIN);
  g_clear_object (&self->held);
  g_clear_object (&self->pool);
  helper_gate_free (self->gate);
}

/* Takes @error. @is_well: the operation succeeded. */
static void
expect (const Row *row,
        gboolean   is_well,
        GError    *error)
{
  if (row->code < 0)
    g_assert_no_error (error);
  else
    g_assert_error (error, AIOPOOL_POOL_ERROR, row->code);
  g_assert_true (is_well == (row->code < 0));
  g_clear_error (&error);
}

static void
keep_result (GObject      *object,
             GAsyncResult *result,
             gpointer      user_data)
{
  *(GAsyncResult **) user_data = g_object_ref (result);
}

static GAsyncResult *
await_result (GAsyncResult **result)
{
  while (*result == NULL)
    g_main_context_iteration (NULL, TRUE);
  return *result;
}

static void
test_submit (gconstpointer row)
{
  g_autoptr (AiopoolTask) task = helper_task ("echo", "(u)", 7);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (AiopoolFuture) future = NULL;
  g_autoptr (AiopoolFuture) later = NULL;
  GError *error = NULL;
  Fixture self;

  fixture_begin (&self, row);
  future = aiopool_executor_submit (self.pool, task, NULL, &error);
  expect (row, future != NULL, g_steal_pointer (&error));
  aiopool_executor_submit_async (self.pool, task, NULL, keep_result, &result);
  later = aiopool_executor_submit_finish (self.pool, await_result (&result), &error);
  expect (row, later != NULL, g_steal_pointer (&error));
  if (future != NULL)
    helper_wait (future);
  fixture_end (&self);
}

static void
test_run (gconstpointer row)
{
  g_autoptr (AiopoolTask) task = helper_task ("echo", "(u)", 7);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GVariant) value = NULL;
  g_autoptr (GVariant) later = NULL;
  GError *error = NULL;
  Fixture self;

  fixture_begin (&self, row);
  value = aiopool_executor_run (self.pool, task, NULL, &error);
  expect (row, value != NULL, g_steal_pointer (&error));
  aiopool_executor_run_async (self.pool, task, NULL, keep_result, &result);
  later = aiopool_executor_run_finish (self.pool, await_result (&result), &error);
  expect (row, later != NULL, g_steal_pointer (&error));
  fixture_end (&self);
}

static void
test_map (gconstpointer row)
{
  g_autoptr (AiopoolTask) task = helper_task ("echo", NULL);
  g_autoptr (GVariant) items = g_variant_ref_sink (g_variant_new_parsed ("[@u 1, 2, 3]"));
  g_autoptr (AiopoolBatch) batch = NULL;
  g_autoptr (GVariant) results = NULL;
  GError *error = NULL;
  Fixture self;

  fixture_begin (&self, row);
  batch = aiopool_executor_map (self.pool, task, items);
  results = aiopool_batch_collect_all (batch, -1, NULL, &error);
  expect (row, results != NULL, g_steal_pointer (&error));
  if (results != NULL)
    g_assert_cmpuint (g_variant_n_children (results), ==, 3);
  fixture_end (&self);
}

static void
test_nothing_is_mapped_in_any_state (gconstpointer row)
{
  g_autoptr (AiopoolTask) task = helper_task ("echo", NULL);
  g_autoptr (GVariant) items = g_variant_ref_sink (g_variant_new_array (G_VARIANT_TYPE_UINT32,
                                                                        NULL, 0));
  g_autoptr (AiopoolBatch) batch = NULL;
  g_autoptr (AiopoolFuture) future = NULL;
  g_autoptr (GError) error = NULL;
  Fixture self;

  fixture_begin (&self, row);
  batch = aiopool_executor_starmap (self.pool, task, items);
  future = aiopool_batch_next (batch, HELPER_LONG, NULL, &error);
  g_assert_no_error (error);
  g_assert_null (future);
  fixture_end (&self);
}

static void
test_submit_after (gconstpointer row)
{
  g_autoptr (AiopoolTask) task = helper_task ("echo", NULL);
  g_autoptr (AiopoolFuture) first = aiopool_future_new_for_result (g_variant_new ("(u)", 7));
  g_autoptr (AiopoolFuture) future = NULL;
  g_autoptr (GVariant) value = NULL;
  GError *error = NULL;
  Fixture self;

  fixture_begin (&self, row);
  future = aiopool_executor_submit_after (self.pool, task, first, 0);
  while (!aiopool_future_is_done (future))
    g_main_context_iteration (NULL, TRUE);
  value = aiopool_future_get_result (future, &error);
  expect (row, value != NULL, error);
  fixture_end (&self);
}

static void
test_check_and_counts (gconstpointer data)
{
  const Row *row = data;
  GError *error = NULL;
  gboolean is_well;
  Fixture self;

  fixture_begin (&self, row);
  is_well = aiopool_executor_check (self.pool, &error);
  expect (row, is_well, error);
  g_assert_cmpuint (aiopool_executor_get_n_running (self.pool), ==, self.held != NULL);
  g_assert_cmpuint (aiopool_executor_get_n_pending (self.pool), ==, 0);
  g_assert_cmpint (aiopool_pool_get_is_broken (AIOPOOL_POOL (self.pool)), ==,
                   row->state == BROKEN);
  fixture_end (&self);
}

static void
test_shutdown_and_join (gconstpointer row)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) late = NULL;
  Fixture self;

  fixture_begin (&self, row);
  helper_gate_open (self.gate);
  aiopool_executor_join (self.pool, NULL, &error); /* whether it works or not, it ends */
  g_assert_true (aiopool_executor_shutdown (self.pool, AIOPOOL_SHUTDOWN_TERMINATE, NULL, &late));
  g_assert_no_error (late);
  fixture_end (&self);
}

static void
add (const char    *name,
     GTestDataFunc  function)
{
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *path = g_strdup_printf ("/states/%s/%s", rows[i].name, name);

      helper_add_data (path, function, &rows[i]);
    }
}

int
main (int    argc,
      char **argv)
{
  helper_begin (&argc, &argv);
  add ("submit", test_submit);
  add ("run", test_run);
  add ("map", test_map);
  add ("nothing-is-mapped", test_nothing_is_mapped_in_any_state);
  add ("submit-after", test_submit_after);
  add ("check-and-counts", test_check_and_counts);
  add ("shutdown-and-join", test_shutdown_and_join);
  return helper_end ();
}
