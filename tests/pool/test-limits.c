/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/pool/helper.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/* The limits that a launcher sets for its workers: each is read back in a task, and those that bite
 * are made to. */

#define MIB (G_GUINT64_CONSTANT (1) << 20)

static void
expect_limit (AiopoolExecutor *pool,
              int              resource,
              guint64          soft,
              guint64          hard)
{
  g_autoptr (GVariant) result = helper_run (pool, "limit", "(i)", resource);
  guint64 current, most;

  g_variant_get (result, "(tt)", &current, &most);
  g_assert_cmpuint (current, ==, soft);
  g_assert_cmpuint (most, ==, hard);
}

/* Of this process; what workers have without a word. */
static void
expect_inherited (AiopoolExecutor *pool,
                  int              resource)
{
  struct rlimit limit;

  g_assert_cmpint (getrlimit ((__rlimit_resource_t) resource, &limit), ==, 0);
  expect_limit (pool, resource, limit.rlim_cur, limit.rlim_max);
}

static void
get_own_priorities (int *nice,
                    int *policy,
                    int *oom_score)
{
  g_autofree char *text = NULL;

  *nice = getpriority (PRIO_PROCESS, 0);
  *policy = sched_getscheduler (0);
  g_assert_true (g_file_get_contents ("/proc/self/oom_score_adj", &text, NULL, NULL));
  *oom_score = atoi (text);
}

static void
expect_priorities (AiopoolExecutor *pool,
                   int              nice,
                   int              policy,
                   int              oom_score)
{
  g_autoptr (GVariant) result = helper_run (pool, "priorities", NULL);
  int values[3];

  g_variant_get (result, "(iii)", &values[0], &values[1], &values[2]);
  g_assert_cmpint (values[0], ==, CLAMP (nice, -20, 19));
  g_assert_cmpint (values[1], ==, policy);
  g_assert_cmpint (values[2], ==, CLAMP (oom_score, -1000, 1000));
}

static void
test_without_a_word_workers_inherit (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  int nice, policy, oom_score;

  if (!helper_can_trust_descriptors ())
    return;
  expect_inherited (pool, RLIMIT_AS);
  expect_inherited (pool, RLIMIT_CPU);
  expect_inherited (pool, RLIMIT_NOFILE);
  expect_inherited (pool, RLIMIT_CORE);
  get_own_priorities (&nice, &policy, &oom_score);
  expect_priorities (pool, nice, policy, oom_score + 100);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_limits_hold_in_the_worker (void)
{
  g_autoptr (AiopoolLauncher) launcher = aiopool_launcher_new ();
  g_autoptr (AiopoolExecutor) pool = NULL;

  if (!helper_can_trust_descriptors ())
    return;
  aiopool_launcher_set_max_cpu_time (launcher, 1000);
  aiopool_launcher_set_max_open_files (launcher, 100);
  aiopool_launcher_set_max_core_size (launcher, 0);
  pool = helper_launcher_pool (1, launcher);
  expect_inherited (pool, RLIMIT_AS);
  expect_limit (pool, RLIMIT_CPU, 1000, 1001);
  expect_limit (pool, RLIMIT_NOFILE, 100, 100);
  expect_limit (pool, RLIMIT_CORE, 0, 0);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_priorities_hold_in_the_worker (void)
{
  static const struct { AiopoolSchedulingClass scheduling_class; int policy; } classes[] = {
    { AIOPOOL_SCHEDULING_CLASS_NORMAL, SCHED_OTHER },
    { AIOPOOL_SCHEDULING_CLASS_BATCH, SCHED_BATCH },
    { AIOPOOL_SCHEDULING_CLASS_IDLE, SCHED_IDLE },
  };
  int nice, policy, oom_score;

  get_own_priorities (&nice, &policy, &oom_score);
  for (guint i = 0; i < G_N_ELEMENTS (classes); i++)
    {
      g_autoptr (AiopoolLauncher) launcher = aiopool_launcher_new ();
      g_autoptr (AiopoolExecutor) pool = NULL;

      aiopool_launcher_set_nice (launcher, 3 + (int) i);
      aiopool_launcher_set_scheduling_class (launcher, classes[i].scheduling_class);
      aiopool_launcher_set_oom_score_adj (launcher, 300 + (int) i);
      pool = helper_launcher_pool (1, launcher);
      expect_priorities (pool, nice + 3 + (int) i, classes[i].policy, oom_score + 300 + (int) i);
      helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
    }
}

static void
test_priorities_stay_in_their_range (void)
{
  g_autoptr (AiopoolLauncher) launcher = aiopool_launcher_new ();
  g_autoptr (AiopoolExecutor) pool = NULL;
  int nice, policy, oom_score;

  get_own_priorities (&nice, &policy, &oom_score);
  aiopool_launcher_set_nice (launcher, 39);
  aiopool_launcher_set_oom_score_adj (launcher, 2000);
  pool = helper_launcher_pool (1, launcher);
  expect_priorities (pool, nice + 39, policy, oom_score + 2000);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_the_oom_score_may_be_left_alone (void)
{
  g_autoptr (AiopoolLauncher) launcher = aiopool_launcher_new ();
  g_autoptr (AiopoolExecutor) pool = NULL;
  int nice, policy, oom_score;

  get_own_priorities (&nice, &policy, &oom_score);
  aiopool_launcher_set_oom_score_adj (launcher, 0);
  pool = helper_launcher_pool (1, launcher);
  expect_priorities (pool, nice, policy, oom_score);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static AiopoolExecutor *
new_small_pool (guint64 max_memory)
{
  g_autoptr (AiopoolLauncher) launcher = aiopool_launcher_new ();

  aiopool_launcher_set_max_memory (launcher, max_memory);
  return helper_launcher_pool (1, launcher);
}

static void
test_memory_that_is_not_there_is_an_error_of_the_task (void)
{
  g_autoptr (AiopoolExecutor) pool = NULL;
  g_autoptr (AiopoolFuture) future = NULL;
  int pid;

  if (!helper_can_limit_memory ())
    return;
  pool = new_small_pool (512 * MIB);
  pid = helper_run_pid (pool);
  expect_limit (pool, RLIMIT_AS, 512 * MIB, 512 * MIB);
  g_variant_unref (helper_run (pool, "allocate", "(t)", 16 * MIB));
  future = helper_submit (pool, "allocate", "(t)", 512 * MIB);
  helper_expect_error (future, G_IO_ERROR, G_IO_ERROR_NO_SPACE);
  g_assert_cmpint (helper_run_pid (pool), ==, pid);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static AiopoolFuture *
submit_bytes (AiopoolExecutor *pool,
              gsize            size)
{
  g_autoptr (GBytes) bytes = g_bytes_new_take (g_malloc0 (size), size);

  return helper_submit_task (pool, aiopool_task_new_for_payload ("check-bytes", bytes,
                                                                 AIOPOOL_FORMAT_RAW));
}

/* The library has no memory for it in the worker, which stays. */
static void
test_a_value_that_does_not_fit_is_an_error_of_the_task (void)
{
  g_autoptr (AiopoolExecutor) pool = NULL;
  g_autoptr (AiopoolFuture) argument = NULL;
  g_autoptr (AiopoolFuture) result = NULL;
  g_autoptr (GVariant) filled = NULL;
  int pid;

  if (!helper_can_limit_memory ())
    return;
  pool = new_small_pool (1024 * MIB);
  pid = helper_run_pid (pool);
  filled = helper_run (pool, "fill-memory", "(t)", 24 * MIB);
  g_assert_true (g_variant_get_boolean (filled));
  argument = submit_bytes (pool, 32 * MIB);
  helper_expect_error (argument, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_DECODE);
  result = helper_submit (pool, "make-raw", "(t)", 16 * MIB);
  helper_expect_error (result, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_ENCODE);
  g_assert_cmpint (helper_run_pid (pool), ==, pid);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_the_processor_time_ends_the_worker (void)
{
  g_autoptr (AiopoolLauncher) launcher = aiopool_launcher_new ();
  g_autoptr (AiopoolExecutor) pool = NULL;
  g_autoptr (AiopoolFuture) future = NULL;

  aiopool_launcher_set_max_cpu_time (launcher, 1);
  aiopool_launcher_set_max_core_size (launcher, 0);
  pool = helper_launcher_pool (1, launcher);
  future = helper_submit (pool, "spin", NULL);
  helper_expect_error (future, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_CRASHED);
  helper_expect_message (future, "signal 24");
  helper_run_echo (pool, 1);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_descriptors_end_where_the_limit_is (void)
{
  g_autoptr (AiopoolLauncher) launcher = aiopool_launcher_new ();
  g_autoptr (AiopoolExecutor) pool = NULL;
  g_autoptr (GVariant) result = NULL;
  int highest, number;

  aiopool_launcher_set_max_open_files (launcher, 40);
  pool = helper_launcher_pool (1, launcher);
  result = helper_run (pool, "open-many", NULL);
  g_variant_get (result, "(ii)", &highest, &number);
  g_assert_cmpint (highest, ==, 39);
  g_assert_cmpint (number, ==, EMFILE);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* More than the system allows anybody. */
static void
test_a_limit_that_cannot_be_set_is_named (void)
{
  g_autoptr (AiopoolLauncher) launcher = aiopool_launcher_new ();
  g_autoptr (AiopoolExecutor) pool = NULL;
  g_autoptr (AiopoolFuture) future = NULL;

  aiopool_launcher_set_max_open_files (launcher, 2000000000);
  pool = helper_launcher_pool (1, launcher);
  future = helper_submit (pool, "echo", NULL);
  helper_expect_error (future, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_START_FAILED);
  helper_expect_message (future, "max-open-files=2000000000");
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* Every property to its setter, its getter and the copy that the pool has. */
static void
test_limits_are_properties (void)
{
  g_autoptr (AiopoolLauncher) launcher = aiopool_launcher_new ();

  g_object_set (launcher, "max-memory", 7 * MIB, "max-cpu-time", 8, "max-open-files", 9,
                "max-core-size", (gint64) 10, "nice", 11, "scheduling-class",
                AIOPOOL_SCHEDULING_CLASS_BATCH, "oom-score-adj", 12, NULL);
  g_assert_cmpuint (aiopool_launcher_get_max_memory (launcher), ==, 7 * MIB);
  g_assert_cmpuint (aiopool_launcher_get_max_cpu_time (launcher), ==, 8);
  g_assert_cmpuint (aiopool_launcher_get_max_open_files (launcher), ==, 9);
  g_assert_cmpint (aiopool_launcher_get_max_core_size (launcher), ==, 10);
  g_assert_cmpint (aiopool_launcher_get_nice (launcher), ==, 11);
  g_assert_cmpint (aiopool_launcher_get_scheduling_class (launcher), ==,
                   AIOPOOL_SCHEDULING_CLASS_BATCH);
  g_assert_cmpint (aiopool_launcher_get_oom_score_adj (launcher), ==, 12);
}

static void
test_limits_have_defaults (void)
{
  g_autoptr (AiopoolLauncher) launcher = aiopool_launcher_new ();
  g_autofree GParamSpec **specs = NULL;
  guint n;

  specs = g_object_class_list_properties (G_OBJECT_GET_CLASS (launcher), &n);
  for (guint i = 0; i < n; i++)
    {
      g_auto (GValue) value = G_VALUE_INIT;

      if ((specs[i]->flags & G_PARAM_WRITABLE) == 0)
        continue;
      g_object_get_property (G_OBJECT (launcher), specs[i]->name, &value);
      if (!g_param_value_defaults (specs[i], &value))
        g_error ("the property %s does not have its default", specs[i]->name);
    }
}

int
main (int   argc,
      char *argv[])
{
  helper_begin (&argc, &argv);
  helper_add ("/pool/limits/without-a-word-workers-inherit", test_without_a_word_workers_inherit);
  helper_add ("/pool/limits/they-hold-in-the-worker", test_limits_hold_in_the_worker);
  helper_add ("/pool/limits/priorities-hold-in-the-worker", test_priorities_hold_in_the_worker);
  helper_add ("/pool/limits/priorities-stay-in-range", test_priorities_stay_in_their_range);
  helper_add ("/pool/limits/the-oom-score-may-be-left-alone",
              test_the_oom_score_may_be_left_alone);
  helper_add ("/pool/limits/no-memory-is-an-error-of-the-task",
              test_memory_that_is_not_there_is_an_error_of_the_task);
  helper_add ("/pool/limits/a-value-that-does-not-fit-is-one-too",
              test_a_value_that_does_not_fit_is_an_error_of_the_task);
  helper_add ("/pool/limits/processor-time-ends-the-worker",
              test_the_processor_time_ends_the_worker);
  helper_add ("/pool/limits/descriptors-end-at-the-limit",
              test_descriptors_end_where_the_limit_is);
  helper_add ("/pool/limits/one-that-cannot-be-set-is-named",
              test_a_limit_that_cannot_be_set_is_named);
  helper_add ("/pool/limits/they-are-properties", test_limits_are_properties);
  helper_add ("/pool/limits/they-have-defaults", test_limits_have_defaults);
  return helper_end ();
}
