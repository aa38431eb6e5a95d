/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/faults/fault.h"

#include <string.h>
#include <sys/resource.h>

/* Rows about workers that say what they must not: they are ended at once, their task fails, the
 * others move on, and nothing grows. All that can be said wrong is in tests/workers/test-fake.c. */

#define MIB ((guint64) 1024 * 1024)
#define RUN "hello task start "

typedef enum
{
  DONE,
  PROTOCOL,
  REFUSED /* before it has said what it is */
} End;

typedef struct
{
  const char *steps;
  End         end;
} Case;

static void
expect_end (AiopoolFuture *future,
            End            end)
{
  helper_wait (future);
  if (end == DONE)
    g_assert_no_error (aiopool_future_get_error (future));
  else if (end == PROTOCOL)
    helper_expect_error (future, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_PROTOCOL);
  else
    helper_expect_error (future, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_START_FAILED);
}

/* The worker says it and then waits for ever: only its end by the pool ends this. */
static void
expect_steps (const Case *self)
{
  g_autoptr (AiopoolExecutor) pool = fault_fake_pool (self->steps);
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "any", NULL);
  g_autoptr (GPtrArray) others = NULL;

  if (self->end != REFUSED) /* all that wait fail with a worker that does not start */
    others = fault_submit_many (pool, 10, "any");
  expect_end (future, self->end);
  if (others != NULL)
    fault_expect_all (others, AIOPOOL_FUTURE_DONE);
  g_variant_unref (helper_run (pool, "any", NULL));
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
expect_all_steps (const Case *cases,
                  guint       n_cases)
{
  guint64 before = fault_get_memory ("VmHWM:");

  for (guint i = 0; i < n_cases; i++)
    expect_steps (&cases[i]);
  if (!fault_is_sanitized () && !helper_is_valgrind ())
    g_assert_cmpuint (fault_get_memory ("VmHWM:"), <, before + 32 * MIB);
}

/* Row 52 */
static void
test_junk (void)
{
  static const Case cases[] = {
    { RUN "garbage", PROTOCOL }, { RUN "frame=0", PROTOCOL }, { RUN "frame=99", PROTOCOL },
    { RUN "ones=17", PROTOCOL }, { RUN "control-garbage", PROTOCOL }, { "garbage", REFUSED },
  };

  expect_all_steps (cases, G_N_ELEMENTS (cases));
}

/* Row 53: nothing is allocated for what is only announced. */
static void
test_length_of_2_gib (void)
{
  static const Case cases[] = {
    { RUN "length=2147483647", PROTOCOL }, { RUN "length=2147483648", PROTOCOL },
    { RUN "length=16777217", PROTOCOL }, { RUN "memory=absurd", PROTOCOL },
  };

  expect_all_steps (cases, G_N_ELEMENTS (cases));
}

/* Row 54: less than nothing is very much. */
static void
test_zero_and_negative_length (void)
{
  static const Case cases[] = {
    { RUN "length=0", PROTOCOL }, { RUN "frame=17", PROTOCOL }, { RUN "frame=18", PROTOCOL },
    { RUN "length=4294967295", PROTOCOL }, { RUN "length=4294967288", PROTOCOL },
  };

  expect_all_steps (cases, G_N_ELEMENTS (cases));
}

static void
limit_address_space (rlim_t size)
{
  struct rlimit limit;

  getrlimit (RLIMIT_AS, &limit);
  limit.rlim_cur = size;
  g_assert_cmpint (setrlimit (RLIMIT_AS, &limit), ==, 0);
}

/* Row 55: into the sockets, over the status page and whatever else the worker has. */
static void
test_random_bytes_on_every_descriptor (void)
{
  g_autoptr (AiopoolExecutor) pool = fault_pool (1);
  guint64 before;

  helper_run_echo (pool, 1);
  before = fault_get_memory ("VmHWM:");
  if (!fault_is_sanitized () && !helper_is_valgrind ())
    limit_address_space (2048 * MIB);
  for (guint seed = 0; seed < 40; seed++)
    {
      g_autoptr (AiopoolFuture) future = helper_submit (pool, "scribble", "(u)", seed);
      g_autoptr (GPtrArray) others = fault_submit_many (pool, 3, "echo");
      const GError *error;

      helper_wait (future);
      error = aiopool_future_get_error (future);
      if (!g_error_matches (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_CRASHED))
        g_assert_error (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_PROTOCOL);
      for (guint i = 0; i < others->len; i++)
        helper_wait (g_ptr_array_index (others, i));
      g_assert_cmpuint (helper_run_echo (pool, seed), ==, seed);
    }
  if (!fault_is_sanitized () && !helper_is_valgrind ())
    g_assert_cmpuint (fault_get_memory ("VmHWM:"), <, before + 32 * MIB);
  limit_address_space (RLIM_INFINITY);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* Row 56: an id must be that of a task which this worker runs. One that came twice leaves the first
 * answer alone, and one before the start is no answer: the task goes to another worker. */
static void
test_answers_for_other_tasks (void)
{
  static const Case cases[] = {
    { RUN "result=generation", PROTOCOL }, { RUN "result=slot", PROTOCOL },
    { RUN "result=no-slot", PROTOCOL }, { RUN "result=zero", PROTOCOL },
    { RUN "result=all-ones", PROTOCOL }, { RUN "result result", DONE },
    { "hello task result", DONE }, { "hello result=slot", DONE }, { "result", REFUSED },
  };

  expect_all_steps (cases, G_N_ELEMENTS (cases));
}

int
main (int   argc,
      char *argv[])
{
  static const FaultRow rows[] = {
    { "/faults/row-52-junk", test_junk },
    { "/faults/row-53-length-of-2-gib", test_length_of_2_gib },
    { "/faults/row-54-zero-and-negative-length", test_zero_and_negative_length },
    { "/faults/row-55-random-bytes-on-every-descriptor", test_random_bytes_on_every_descriptor },
    { "/faults/row-56-answers-for-other-tasks", test_answers_for_other_tasks },
  };

  return fault_main (argc, argv, rows, G_N_ELEMENTS (rows));
}
