/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who reads what workers send. After quick runs the engine leaves that to who ran them, and must
 * see to what these do not read all the same. No test here waits for a future, which would be
 * reading. */
#include "tests/pool/helper.h"

#define N_QUICK  30
#define N_ROUNDS 40

static void
run_quickly (AiopoolExecutor *pool)
{
  for (guint i = 0; i < N_QUICK; i++)
    g_assert_cmpuint (helper_run_echo (pool, i), ==, i);
}

/* Reads nothing. */
static void
look_until_ended (AiopoolFuture *future)
{
  gint64 end = g_get_monotonic_time () + (gint64) (HELPER_LONG * G_USEC_PER_SEC);

  while (aiopool_future_get_state (future) <= AIOPOOL_FUTURE_RUNNING)
    {
      g_assert_cmpint (g_get_monotonic_time (), <, end);
      g_thread_yield ();
    }
}

static void
submit_and_look (AiopoolExecutor *pool,
                 guint            n_tasks)
{
  g_autoptr (GPtrArray) futures = g_ptr_array_new_with_free_func (g_object_unref);

  for (guint i = 0; i < n_tasks; i++)
    g_ptr_array_add (futures, helper_submit (pool, "echo", "(u)", i));
  for (guint i = 0; i < n_tasks; i++)
    look_until_ended (g_ptr_array_index (futures, i));
}

static void
test_nobody_need_read (gconstpointer data)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (GPOINTER_TO_UINT (data));

  for (guint i = 0; i < N_ROUNDS; i++)
    {
      run_quickly (pool);
      submit_and_look (pool, 1 + i % 3);
    }
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

typedef struct
{
  AiopoolExecutor *pool;
  guint            n_tasks;
  int              n_over; /* atomic */
} Busy;

/* The context that iterates is expected to read, and does not come to it. */
static gboolean
on_busy (gpointer data)
{
  Busy *busy = data;

  run_quickly (busy->pool);
  submit_and_look (busy->pool, busy->n_tasks);
  g_atomic_int_inc (&busy->n_over);
  return G_SOURCE_REMOVE;
}

static void
test_a_busy_loop_holds_up_nobody (gconstpointer data)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (GPOINTER_TO_UINT (data));
  Busy busy = { .pool = pool };

  for (int i = 1; i <= N_ROUNDS; i++)
    {
      busy.n_tasks = 1 + (guint) i % 3;
      g_idle_add (on_busy, &busy);
      helper_await_count (&busy.n_over, i);
    }
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static gpointer
look_in_thread (gpointer pool)
{
  for (guint i = 0; i < N_ROUNDS; i++)
    submit_and_look (pool, 1);
  return NULL;
}

static void
test_quick_runs_hold_up_nobody_else (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  GThread *other = g_thread_new ("other", look_in_thread, pool);

  for (guint i = 0; i < N_ROUNDS; i++)
    run_quickly (pool);
  g_thread_join (other);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

typedef struct
{
  AiopoolExecutor *pool;
  guint            n_left;
  int              n_over; /* atomic */
} Chain;

static void start_next (Chain *chain);

static void
on_link_done (GObject      *executor,
              GAsyncResult *result,
              gpointer      user_data)
{
  Chain *chain = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) value = NULL;

  value = aiopool_executor_run_finish (AIOPOOL_EXECUTOR (executor), result, &error);
  g_assert_no_error (error);
  if (chain->n_left % N_QUICK == 0)
    submit_and_look (chain->pool, 1);
  if (chain->n_left-- > 0)
    start_next (chain);
  else
    g_atomic_int_inc (&chain->n_over);
}

static void
start_next (Chain *chain)
{
  g_autoptr (AiopoolTask) task = helper_task ("echo", "(u)", chain->n_left);

  aiopool_executor_run_async (chain->pool, task, NULL, on_link_done, chain);
}

/* As a program does that has one task at a time, and sometimes a moment for something else. */
static void
test_chains_of_callbacks_go_on (gconstpointer data)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (2);
  Chain chains[2];

  for (guint i = 0; i < GPOINTER_TO_UINT (data); i++)
    {
      chains[i] = (Chain) { .pool = pool, .n_left = N_QUICK * N_ROUNDS };
      start_next (&chains[i]);
    }
  for (guint i = 0; i < GPOINTER_TO_UINT (data); i++)
    helper_await_count (&chains[i].n_over, 1);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

int
main (int   argc,
      char *argv[])
{
  helper_begin (&argc, &argv);
  helper_add_data ("/reading/nobody-need-read/one", test_nobody_need_read, GUINT_TO_POINTER (1));
  helper_add_data ("/reading/nobody-need-read/two", test_nobody_need_read, GUINT_TO_POINTER (2));
  helper_add_data ("/reading/a-busy-loop-holds-up-nobody/one", test_a_busy_loop_holds_up_nobody,
                   GUINT_TO_POINTER (1));
  helper_add_data ("/reading/a-busy-loop-holds-up-nobody/two", test_a_busy_loop_holds_up_nobody,
                   GUINT_TO_POINTER (2));
  helper_add ("/reading/quick-runs-hold-up-nobody-else", test_quick_runs_hold_up_nobody_else);
  helper_add_data ("/reading/chains-of-callbacks-go-on/one", test_chains_of_callbacks_go_on,
                   GUINT_TO_POINTER (1));
  helper_add_data ("/reading/chains-of-callbacks-go-on/two", test_chains_of_callbacks_go_on,
                   GUINT_TO_POINTER (2));
  return helper_end ();
}
