/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/pool/helper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A worker that means harm, each time in four states: before HELLO, after it, while a task runs and
 * after its result. It is ended with an error that says so, only its own task fails, the other
 * worker goes on, and the program that has the pool needs no more memory than what one message may
 * have: for an ordinary one little, for the longest ones and what never ends some times 16 MiB. */

#define MIB     (1024 * 1024)
#define LITTLE  (4 * MIB)  /* bytes that a case may need at its peak */
#define MUCH    (40 * MIB)
#define N_OTHER 12

typedef enum
{
  BEFORE_HELLO,
  AFTER_HELLO,
  RUNNING,
  AFTER_RESULT,
  N_STATES
} State;

#define ALL       0xf
#define ONCE_HERE 0xe /* all but before HELLO */

static const char *prefixes[N_STATES] = { "", "hello ", "hello task start hold ",
                                          "hello task start hold result " };

static const char *state_names[N_STATES] = { "before-hello", "after-hello", "running",
                                             "after-result" };

typedef struct
{
  const char *name;
  const char *steps;
  guint       states; /* a bit for each state that it is tried in */
  gsize       bound;  /* bytes */
} Hostility;

static const Hostility hostilities[] = {
  { "truncated", "cut=8", ALL, LITTLE },
  { "truncated-to-nothing", "cut=48", ALL, LITTLE },
  { "oversized", "length=16777217", ALL, LITTLE },
  { "oversized-inside", "patch=least-size", ALL, LITTLE },
  { "the-longest-result", "longest=17", ALL, MUCH },
  { "the-longest-progress", "longest=19 frame=99", ALL, MUCH },
  { "zero-length", "frame=17", ALL, LITTLE },
  { "negative-length", "length=4294967295", ALL, LITTLE },
  { "negative-size", "patch=negative-size", ALL, LITTLE },
  { "negative-type-size", "patch=negative-type", ALL, LITTLE },
  { "unknown-type", "frame=99", ALL, LITTLE },
  { "unknown-format", "patch=format", ALL, LITTLE },
  { "unknown-flag", "flags=4", ALL, LITTLE },
  { "an-item-of-no-chunk", "item=0", ALL, LITTLE },
  { "items-of-no-chunk", "items=0,3", ALL, LITTLE },
  { "a-byte-that-is-zero", "patch=zero", ALL, LITTLE },
  { "a-segment-with-an-inline-value", "patch=segment", ALL, LITTLE },
  { "out-of-state-config", "frame=1", ALL, LITTLE },
  { "out-of-state-hello", "hello", ONCE_HERE, LITTLE },
  { "out-of-state-refusal", "frame=22", ONCE_HERE, LITTLE },
  { "out-of-state-task", "zeros=3", ALL, LITTLE },
  { "a-result-on-the-control-socket", "control=17", ALL, LITTLE },
  { "duplicate-result", "result result", 1 << AFTER_RESULT, LITTLE },
  { "foreign-generation", "result=generation", ALL, LITTLE },
  { "foreign-slot", "result=slot", ALL, LITTLE },
  { "foreign-id", "result=all-ones", ALL, LITTLE },
  { "unsealed-memory", "memory=unsealed", ALL, LITTLE },
  { "writable-memory", "memory=writable", ALL, LITTLE },
  { "shrinking-memory", "shrink=memfd", ALL, LITTLE },
  { "shrinking-segment", "shrink=segment", ALL, LITTLE },
  { "memory-of-another-size", "memory=short", ALL, LITTLE },
  { "memory-of-an-absurd-size", "memory=absurd", ALL, LITTLE },
  { "one-descriptor-too-many", "strays=1", ALL, LITTLE },
  { "descriptors-by-the-hundred", "strays=253", ALL, LITTLE },
  { "descriptors-without-end", "flood-fds=200", ALL, LITTLE },
  { "a-flood-of-garbage", "flood-frames=99", ALL, LITTLE },
  { "a-flood-of-empty-results", "flood-frames=17", ALL, LITTLE },
  { "a-flood-of-partial-results", "emit=1000000", ALL, LITTLE },
  { "a-flood-on-the-control-socket", "flood-control=99", ALL, LITTLE },
};

/* What is no fault by itself, and ends with the patience of the caller. */
static const Hostility floods[] = {
  { "progress", "flood-progress=100", 1 << RUNNING, LITTLE },
  { "long-progress", "flood-progress=100000", 1 << RUNNING, LITTLE },
  { "the-longest-progress", "flood-progress=16777208", 1 << RUNNING, 2 * MUCH },
  { "releases", "flood-control=23", 1 << RUNNING, LITTLE },
  { "unheard", "flood-control=40", 1 << RUNNING, LITTLE },
};

/* What a page or a value may be: the task has a result, or its worker is gone. */
typedef struct
{
  const char *name;
  const char *steps;
  gboolean    is_crash;
} Odd;

static const Odd odds[] = {
  { "a-string-that-is-none", "hello task start odd=s serve", FALSE },
  { "strings-that-are-none", "hello task start odd=as serve", FALSE },
  { "a-path-that-is-none", "hello task start odd=o serve", FALSE },
  { "a-number-of-another-size", "hello task start odd=(ii) serve", FALSE },
  { "variants-in-variants", "hello task start odd=av serve", FALSE },
  { "a-dictionary", "hello task start odd=a{sv} serve", FALSE },
  { "a-page-of-ones", "hello task start page=ones result kill=9", FALSE },
  { "a-page-of-zeros", "hello task start page=zeros result kill=9", FALSE },
  { "a-page-of-ones-and-no-result", "hello task start page=ones kill=9", TRUE },
  { "a-page-of-zeros-and-no-result", "hello task start page=zeros kill=9", TRUE },
  { "a-page-of-ones-before-the-start", "hello task page=ones kill=9", TRUE },
  { "a-page-that-shrinks", "hello task start page=truncate result kill=9", FALSE },
};

/* A line of /proc/self/status, in bytes. */
static gsize
get_memory (const char *name)
{
  g_autofree char *text = NULL;
  const char *line;

  g_assert_true (g_file_get_contents ("/proc/self/status", &text, NULL, NULL));
  line = strstr (text, name);
  g_assert_nonnull (line);
  return (gsize) g_ascii_strtoull (line + strlen (name) + 1, NULL, 10) * 1024;
}

#ifndef __has_feature
# define __has_feature(feature) 0
#endif

/* A tool that keeps what was freed has figures of its own. */
static gboolean
can_measure (void)
{
#if defined (__SANITIZE_ADDRESS__) || defined (__SANITIZE_THREAD__) || \
    __has_feature (address_sanitizer) || __has_feature (thread_sanitizer)
  return FALSE;
#else
  g_autofree char *maps = NULL;

  g_assert_true (g_file_get_contents ("/proc/self/maps", &maps, NULL, NULL));
  return strstr (maps, "valgrind") == NULL;
#endif
}

typedef struct
{
  const char      *path;
  const Hostility *hostility;
  State            state;
} Case;

/* What the peak is compared with. The kernel forgets the one before. */
static gsize
begin_measuring (void)
{
  FILE *file = fopen ("/proc/self/clear_refs", "w");

  if (file != NULL && fputs ("5", file) >= 0)
    g_test_message ("from %zu KiB", get_memory ("VmRSS:") / 1024);
  if (file != NULL)
    fclose (file);
  return get_memory ("VmRSS:");
}

static void
end_measuring (gsize before,
               gsize bound)
{
  gsize peak = get_memory ("VmHWM:");

  g_test_message ("%zu KiB more at the peak", (MAX (peak, before) - before) / 1024);
  if (can_measure ())
    g_assert_cmpuint (peak, <=, before + bound);
}

static void
let_go (const char *flag)
{
  g_autofree char *path = g_strconcat (flag, ".go", NULL);

  g_assert_true (g_file_set_contents (path, "", 0, NULL));
}

static void
clear_flag (const char *flag)
{
  g_autofree char *path = g_strconcat (flag, ".go", NULL);

  unlink (path);
}

/* The first worker does the @steps. */
static AiopoolExecutor *
new_pool (guint       max_workers,
          const char *flag,
          const char *prefix,
          const char *steps)
{
  g_autoptr (GPtrArray) argv = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *line = g_strconcat (prefix, steps, NULL);
  g_auto (GStrv) words = g_strsplit (line, " ", -1);
  g_autoptr (AiopoolLauncher) launcher = NULL;

  clear_flag (flag);
  g_assert_true (g_file_set_contents (flag, "", 0, NULL));
  g_ptr_array_add (argv, g_strdup (helper_environment ("AIOPOOL_TEST_FAKE_WORKER")));
  g_ptr_array_add (argv, g_strdup (flag));
  for (guint i = 0; words[i] != NULL; i++)
    g_ptr_array_add (argv, g_strdup (words[i]));
  g_ptr_array_add (argv, NULL);
  launcher = aiopool_launcher_new_for_argv ((const char * const *) argv->pdata);
  return g_object_new (AIOPOOL_TYPE_POOL, "max-workers", max_workers, "launcher", launcher,
                       "grace-period", 0.2, NULL);
}

/* The process of the first worker, once it has begun with its steps. */
static int
await_first (const char *flag)
{
  g_autofree char *path = g_strconcat (flag, ".pid", NULL);
  g_autofree char *text = NULL;

  while (!g_file_get_contents (path, &text, NULL, NULL))
    g_usleep (500);
  unlink (path);
  return atoi (text);
}

/* The first worker has the first task, and may go on when the other one has something to do. */
static void
await_start (AiopoolFuture *future)
{
  while (aiopool_future_get_state (future) != AIOPOOL_FUTURE_RUNNING)
    g_usleep (500);
}

/* Not by a wait, which gives credit to a task that floods. */
static void
await_end (AiopoolFuture *future)
{
  while (!aiopool_future_is_done (future))
    g_usleep (500);
}

static void
submit_others (AiopoolExecutor *pool,
               HelperTally     *tally)
{
  for (guint i = 0; i < N_OTHER; i++)
    {
      g_autoptr (AiopoolFuture) other = helper_submit (pool, "any", NULL);

      helper_watch (other, tally);
    }
}

static void
expect_others (HelperTally *tally)
{
  helper_await_tally (tally);
  g_assert_cmpuint (tally->n_done, ==, N_OTHER);
}

static void
expect_end (AiopoolFuture *future,
            State          state)
{
  await_end (future);
  if (state == BEFORE_HELLO)
    helper_expect_error (future, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_START_FAILED);
  else if (state == RUNNING)
    helper_expect_error (future, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_PROTOCOL);
  else
    g_assert_no_error (aiopool_future_get_error (future));
}

static void
test_hostility (gconstpointer data)
{
  const Case *self = data;
  gsize before = begin_measuring ();
  g_autofree char *flag = helper_file ("flag");
  g_autoptr (AiopoolExecutor) pool = NULL;
  g_autoptr (AiopoolFuture) first = NULL;
  HelperTally others = { 0 };
  int pid;

  pool = new_pool (2, flag, prefixes[self->state], self->hostility->steps);
  first = helper_submit (pool, "any", NULL);
  pid = await_first (flag);
  if (self->state == BEFORE_HELLO) /* with no other worker, nobody else could take the task */
    expect_end (first, self->state);
  if (self->state == RUNNING || self->state == AFTER_RESULT)
    await_start (first);
  submit_others (pool, &others);
  let_go (flag);
  expect_end (first, self->state);
  expect_others (&others);
  helper_await_end (pid);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  end_measuring (before, self->hostility->bound);
}

static void
test_flood (gconstpointer data)
{
  const Case *self = data;
  gsize before = begin_measuring ();
  g_autofree char *flag = helper_file ("flag");
  g_autoptr (AiopoolExecutor) pool = NULL;
  g_autoptr (AiopoolFuture) first = NULL;
  AiopoolTask *task = helper_task ("any", NULL);
  HelperTally others = { 0 };
  int pid;

  pool = new_pool (2, flag, prefixes[self->state], self->hostility->steps);
  aiopool_task_set_timeout (task, 0.3);
  first = helper_submit_task (pool, task);
  pid = await_first (flag);
  await_start (first);
  submit_others (pool, &others);
  let_go (flag);
  expect_others (&others);
  await_end (first);
  helper_expect_error (first, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_TIMED_OUT);
  helper_await_end (pid);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  end_measuring (before, self->hostility->bound);
}

static void
expect_readable (AiopoolFuture *future)
{
  g_autoptr (GVariant) value = helper_collect (future);
  g_autoptr (GVariant) normal = g_variant_get_normal_form (value);

  g_assert_true (g_variant_is_normal_form (normal));
  g_free (g_variant_print (value, TRUE));
}

static void
test_odd (gconstpointer data)
{
  const Odd *self = data;
  gsize before = begin_measuring ();
  g_autofree char *flag = helper_file ("flag");
  g_autoptr (AiopoolExecutor) pool = new_pool (2, flag, "", self->steps);
  g_autoptr (AiopoolFuture) first = helper_submit (pool, "any", NULL);
  int pid = await_first (flag);
  HelperTally others = { 0 };

  if (self->is_crash)
    helper_expect_error (first, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_CRASHED);
  else
    expect_readable (first);
  submit_others (pool, &others); /* not before: a page may say of any task that it has started */
  expect_others (&others);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  helper_await_end (pid);
  end_measuring (before, LITTLE);
}

#define N_ERRORS 10000 /* each with a domain of its own, and 16 names */
#define N_ATONCE 500

static void
fail_some (AiopoolExecutor *pool,
           guint            n)
{
  g_autoptr (GPtrArray) futures = g_ptr_array_new_with_free_func (g_object_unref);

  for (guint i = 0; i < n; i++)
    g_ptr_array_add (futures, helper_submit (pool, "any", NULL));
  for (guint i = 0; i < n; i++)
    helper_expect_error (g_ptr_array_index (futures, i), AIOPOOL_TASK_ERROR,
                         AIOPOOL_TASK_ERROR_FAILED);
}

/* What is interned is never freed. */
static void
test_names_without_end_are_not_kept (void)
{
  g_autofree char *flag = helper_file ("flag");
  g_autoptr (AiopoolExecutor) pool = NULL;
  GQuark first, last;
  gsize before;

  pool = new_pool (1, flag, "hello ", "errors");
  fail_some (pool, N_ATONCE);
  first = g_quark_from_static_string ("before");
  before = begin_measuring ();
  for (guint n = N_ATONCE; n < N_ERRORS; n += N_ATONCE)
    fail_some (pool, N_ATONCE);
  last = g_quark_from_static_string ("after");
  end_measuring (before, LITTLE);
  g_assert_cmpuint (last, ==, first + 1);
  for (guint i = 0; i < N_ERRORS; i++)
    {
      g_autofree char *domain = g_strdup_printf ("hostile-domain-%u", i);

      g_assert_cmpuint (g_quark_try_string (domain), ==, 0);
    }
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* Kept as long as the process. */
static void
add_case (const char      *group,
          const Hostility *hostility,
          State            state,
          GTestDataFunc    function)
{
  static GPtrArray *cases;
  Case *self = g_new (Case, 1);

  if (cases == NULL)
    cases = g_ptr_array_new ();
  self->path = g_strdup_printf ("/workers/hostile/%s/%s/%s", group, hostility->name,
                                state_names[state]);
  self->hostility = hostility;
  self->state = state;
  g_ptr_array_add (cases, self);
  helper_add_data (self->path, function, self);
}

static void
add_odd (const Odd *odd)
{
  static GPtrArray *paths;

  if (paths == NULL)
    paths = g_ptr_array_new ();
  g_ptr_array_add (paths, g_strconcat ("/workers/hostile/odd/", odd->name, NULL));
  helper_add_data (g_ptr_array_index (paths, paths->len - 1), test_odd, odd);
}

int
main (int   argc,
      char *argv[])
{
  helper_begin (&argc, &argv);
  for (guint i = 0; i < G_N_ELEMENTS (hostilities); i++)
    for (State state = 0; state < N_STATES; state++)
      {
        if ((hostilities[i].states & 1u << state) != 0)
          add_case ("fault", &hostilities[i], state, test_hostility);
      }
  for (guint i = 0; i < G_N_ELEMENTS (floods); i++)
    add_case ("flood", &floods[i], RUNNING, test_flood);
  for (guint i = 0; i < G_N_ELEMENTS (odds); i++)
    add_odd (&odds[i]);
  helper_add ("/workers/hostile/names-without-end", test_names_without_end_are_not_kept);
  return helper_end ();
}
