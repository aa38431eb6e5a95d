/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/pool/helper.h"

#include <signal.h>
#include <string.h>

/* Every two ways in which a task can end, against each other, at the same moment as near as it can
 * be met, over and over: before submit has returned, while it waits, when it was sent, has started,
 * is about to end. Whoever comes first: it ends once, in a way that one of the two gives, it ran
 * once at most, and its slot and its worker come back.
 *
 * The moment of the second is moved after each round, later if it came first and earlier if not, so
 * that both do, whatever the machine.
 *
 * How often is AIOPOOL_TEST_ROUNDS; a soak sets it to thousands. */

#define DEFAULT_ROUNDS 120
#define MAX_USEC       600       /* to the moment; a start takes longer, a running one less */
#define FIRST_STEP_USEC 1000     /* by so much the moment of the second is moved at most, */
#define STEP_USEC      60        /* and that after a while */
#define LONG_USEC      20000000  /* for a task that only somebody else ends */
#define N_WORKERS      2

typedef enum
{
  RESULT,
  CRASH,
  CANCEL,
  TIMEOUT,
  SHUTDOWN
} Way;

static const char *way_names[] = { "result", "crash", "cancel", "timeout", "shutdown" };

typedef struct
{
  Way              ways[2];
  AiopoolExecutor *pool;   /* (owned) */
  const char      *path;   /* of the marks */
  guint            number; /* of the round */
  gint64           usec;   /* from the submit to the moment */
  gint64           late_usec; /* by so much the second is later than the first; may be below 0 */
  gint64           submitted; /* monotonic microseconds */
  guint            n_won[2];
  int              pid; /* of a worker */
  GCancellable    *cancellable; /* (owned) */
  HelperTally      tally;
} Round;

static gboolean
has_way (const Round *round,
         Way          way)
{
  return round->ways[0] == way || round->ways[1] == way;
}

/* Microseconds from the submit. */
static gint64
get_usec (const Round *round,
          Way          way)
{
  return round->usec + (way == round->ways[1] ? round->late_usec : 0);
}

static void
spin_until (gint64 when)
{
  while (g_get_monotonic_time () < when)
    ;
}

/* Beside the thread that submits, so that it may come before that has returned. */
static gpointer
do_at_the_moment (gpointer data)
{
  Round *round = data;

  if (!has_way (round, CANCEL))
    return NULL;
  spin_until (round->submitted + get_usec (round, CANCEL));
  g_cancellable_cancel (round->cancellable);
  return NULL;
}

static AiopoolTask *
new_task (const Round *round)
{
  gboolean dies = has_way (round, CRASH) && !has_way (round, RESULT);
  gint64 usec = dies || has_way (round, RESULT) ? get_usec (round, dies ? CRASH : RESULT)
                                                : LONG_USEC;
  AiopoolTask *task = helper_task ("race", "(tisu)", (guint64) usec, dies ? SIGKILL : 0,
                                   round->path, round->number);

  if (has_way (round, TIMEOUT))
    aiopool_task_set_timeout (task, (double) get_usec (round, TIMEOUT) / G_USEC_PER_SEC);
  return task;
}

/* A way that counts from the start of the task would be late without a worker. */
static void
warm_up (Round *round)
{
  round->pid = helper_run_pid (round->pool);
}

/* It is killed from here, and so known: there is one. */
static gboolean
has_victim (const Round *round)
{
  return has_way (round, RESULT) && has_way (round, CRASH);
}

static Way
find_way (const GError *error)
{
  if (error == NULL)
    return RESULT;
  if (g_error_matches (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_TIMED_OUT))
    return TIMEOUT;
  if (g_error_matches (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_CRASHED))
    return CRASH;
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  return strstr (error->message, "shut down") != NULL ? SHUTDOWN : CANCEL;
}

static void
note_winner (Round        *round,
             const GError *error)
{
  Way way = find_way (error);
  gboolean is_second = way == round->ways[1];
  int step;

  if (!has_way (round, way))
    g_error ("%s and %s: %s", way_names[round->ways[0]], way_names[round->ways[1]],
             error != NULL ? error->message : "a result");
  round->n_won[is_second]++;
  if (has_victim (round)) /* killed too early, the task goes to the next worker and has a result */
    return;
  step = MAX (FIRST_STEP_USEC >> round->number / 8, STEP_USEC);
  round->late_usec += (is_second ? 1 : -1) * g_random_int_range (1, step);
}

static void
do_here (Round         *round,
         AiopoolFuture *future)
{
  if (has_victim (round))
    {
      spin_until (round->submitted + get_usec (round, CRASH));
      kill (round->pid, SIGKILL);
    }
  if (!has_way (round, SHUTDOWN))
    return;
  spin_until (round->submitted + get_usec (round, SHUTDOWN));
  aiopool_executor_shutdown_async (round->pool, AIOPOOL_SHUTDOWN_TERMINATE, NULL, NULL, NULL);
}

/* Returns what the thread that submits got: NULL if the other one was faster. */
static AiopoolFuture *
submit (Round *round)
{
  g_autoptr (AiopoolTask) task = new_task (round);
  g_autoptr (GError) error = NULL;
  AiopoolFuture *future;

  future = aiopool_executor_submit (round->pool, task, round->cancellable, &error);
  if (future == NULL)
    g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  return future;
}

/* The rest of the pool is as good as before. */
static void
expect_all_back (Round *round)
{
  if (!has_way (round, SHUTDOWN))
    {
      g_autoptr (AiopoolFuture) first = helper_submit (round->pool, "echo", "(u)", 1u);
      g_autoptr (AiopoolFuture) second = helper_submit (round->pool, "echo", "(u)", 2u);

      g_variant_unref (helper_collect (first));
      g_variant_unref (helper_collect (second));
    }
  else
    helper_shutdown (round->pool, AIOPOOL_SHUTDOWN_TERMINATE);
  g_assert_cmpuint (aiopool_executor_get_n_pending (round->pool), ==, 0);
  g_assert_cmpuint (aiopool_pool_get_n_workers (AIOPOOL_POOL (round->pool)), <=,
                    has_way (round, SHUTDOWN) ? 0 : N_WORKERS + 2);
}

static void
run_round (Round *round)
{
  g_autoptr (AiopoolFuture) future = NULL;
  GThread *thread;

  if (round->pool == NULL)
    round->pool = helper_pool (has_victim (round) ? 1 : N_WORKERS);
  if (round->number % 4 != 3 || has_victim (round)) /* else with no worker yet, or a dead one */
    warm_up (round);
  if (has_victim (round))
    round->late_usec = g_random_int_range (-MAX_USEC / 4, MAX_USEC / 2);
  round->usec = g_random_int_range (1, MAX_USEC) + MAX (-round->late_usec, 0);
  round->cancellable = g_cancellable_new ();
  round->submitted = g_get_monotonic_time ();
  thread = g_thread_new ("rival", do_at_the_moment, round);
  future = submit (round);
  if (future != NULL)
    {
      helper_watch (future, &round->tally);
      do_here (round, future);
      helper_wait (future);
      note_winner (round, aiopool_future_get_error (future));
      g_assert_false (aiopool_future_cancel (future, AIOPOOL_CANCEL_FORCE));
    }
  g_thread_join (thread);
  expect_all_back (round);
  g_clear_object (&round->cancellable);
  if (has_way (round, SHUTDOWN))
    g_clear_object (&round->pool);
}

static void
test_pair (gconstpointer data)
{
  g_autofree char *path = helper_marks_new ();
  guint n_rounds = helper_rounds (DEFAULT_ROUNDS);
  guint pair = GPOINTER_TO_UINT (data);
  Round round = { .path = path, .ways = { pair / 8, pair % 8 } };
  g_autofree guint *counts = NULL;

  for (; round.number < n_rounds; round.number++)
    run_round (&round);
  helper_await_tally (&round.tally);
  g_test_message ("%s came first %u times, %s %u times", way_names[round.ways[0]], round.n_won[0],
                  way_names[round.ways[1]], round.n_won[1]);
  if (round.pool != NULL)
    helper_shutdown (round.pool, AIOPOOL_SHUTDOWN_DRAIN);
  g_clear_object (&round.pool);
  counts = helper_marks_count (path, n_rounds);
  for (guint i = 0; i < n_rounds; i++)
    g_assert_cmpuint (counts[i], <=, 1);
}

int
main (int   argc,
      char *argv[])
{
  helper_begin (&argc, &argv);
  for (guint first = RESULT; first <= SHUTDOWN; first++)
    {
      for (guint second = first + 1; second <= SHUTDOWN; second++)
        {
          g_autofree char *path = g_strdup_printf ("/pool/pairs/%s-and-%s", way_names[first],
                                                   way_names[second]);

          helper_add_data (path, test_pair, GUINT_TO_POINTER (first * 8 + second));
        }
    }
  return helper_end ();
}
