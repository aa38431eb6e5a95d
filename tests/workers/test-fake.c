/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/pool/helper.h"

#include <stdlib.h>

/* A worker that breaks the protocol is ended, the task that it ran fails, all others move on, and
 * the pool goes on. Each case is what the first worker does; those after it are good. */

typedef enum
{
  DONE,    /* the task has its result, from this worker or, if that had not started it, the next */
  PROTOCOL,
  CRASHED,
  FAILED,  /* an error that cannot be read is one all the same */
  REFUSED  /* the worker never was one */
} End;

typedef struct
{
  const char *path;
  const char *steps;
  End         end;        /* of the first task */
  gboolean    is_untrusted;
} Case;

#define RUN "hello task start "

static const Case cases[] = {
  { "/workers/fake/a-good-one-serves", "hello serve", DONE, FALSE },
  { "/workers/fake/a-second-hello", RUN "hello", PROTOCOL, FALSE },
  { "/workers/fake/hello-with-another-nonce", "hello=nonce", REFUSED, FALSE },
  { "/workers/fake/hello-of-another-version", "hello=version", REFUSED, FALSE },
  { "/workers/fake/a-result-before-hello", "result", REFUSED, FALSE },
  { "/workers/fake/garbage-before-hello", "garbage", REFUSED, FALSE },
  { "/workers/fake/half-a-hello", "length=8 exit=0", REFUSED, FALSE },
  { "/workers/fake/a-result-twice", RUN "result result", DONE, FALSE },
  { "/workers/fake/a-result-of-another-generation", RUN "result=generation", PROTOCOL, FALSE },
  { "/workers/fake/a-result-of-another-slot", RUN "result=slot", PROTOCOL, FALSE },
  { "/workers/fake/a-result-of-no-slot", RUN "result=no-slot", PROTOCOL, FALSE },
  { "/workers/fake/a-result-of-task-zero", RUN "result=zero", PROTOCOL, FALSE },
  { "/workers/fake/a-result-of-the-last-id", RUN "result=all-ones", PROTOCOL, FALSE },
  { "/workers/fake/a-result-before-the-start", "hello task result", DONE, FALSE },
  { "/workers/fake/a-result-without-a-task", "hello result=slot", DONE, FALSE },
  { "/workers/fake/garbage", RUN "garbage", PROTOCOL, FALSE },
  { "/workers/fake/garbage-after-the-result", RUN "result garbage", DONE, FALSE },
  { "/workers/fake/a-frame-over-the-limit", RUN "length=16777217", PROTOCOL, FALSE },
  { "/workers/fake/a-frame-of-4-GiB", RUN "length=4294967295", PROTOCOL, FALSE },
  { "/workers/fake/a-frame-with-a-reserved-byte", RUN "reserved", PROTOCOL, FALSE },
  { "/workers/fake/a-frame-with-too-many-descriptors", RUN "fds=255", PROTOCOL, FALSE },
  { "/workers/fake/a-frame-whose-descriptors-are-missing", RUN "fds=3", PROTOCOL, FALSE },
  { "/workers/fake/a-frame-of-type-0", RUN "frame=0", PROTOCOL, FALSE },
  { "/workers/fake/a-frame-of-type-99", RUN "frame=99", PROTOCOL, FALSE },
  { "/workers/fake/a-frame-of-type-255", RUN "frame=255", PROTOCOL, FALSE },
  { "/workers/fake/a-config", RUN "frame=1", PROTOCOL, FALSE },
  { "/workers/fake/a-task", RUN "frame=3", PROTOCOL, FALSE },
  { "/workers/fake/a-late-refusal", RUN "frame=22", PROTOCOL, FALSE },
  { "/workers/fake/a-cancel", RUN "frame=32", PROTOCOL, FALSE },
  { "/workers/fake/an-empty-result", RUN "frame=17", PROTOCOL, FALSE },
  { "/workers/fake/an-empty-error", RUN "frame=18", PROTOCOL, FALSE },
  { "/workers/fake/an-empty-progress", RUN "frame=19", PROTOCOL, FALSE },
  { "/workers/fake/an-empty-partial-result", RUN "frame=20", PROTOCOL, FALSE },
  { "/workers/fake/a-result-of-ones", RUN "ones=17", PROTOCOL, FALSE },
  { "/workers/fake/an-error-of-ones", RUN "ones=18 serve", FAILED, FALSE },
  { "/workers/fake/a-progress-of-ones", RUN "ones=19", PROTOCOL, FALSE },
  { "/workers/fake/a-partial-result-of-ones", RUN "ones=20", PROTOCOL, FALSE },
  { "/workers/fake/progress-that-is-no-number", RUN "progress=nan", PROTOCOL, FALSE },
  { "/workers/fake/memory-without-seals", RUN "memory=unsealed", PROTOCOL, FALSE },
  { "/workers/fake/memory-that-can-be-written", RUN "memory=writable", PROTOCOL, FALSE },
  { "/workers/fake/memory-that-is-too-short", RUN "memory=short", PROTOCOL, FALSE },
  { "/workers/fake/memory-of-an-absurd-size", RUN "memory=absurd", PROTOCOL, FALSE },
  { "/workers/fake/memory-without-a-descriptor", RUN "memory=none", PROTOCOL, FALSE },
  { "/workers/fake/memory-that-is-a-pipe", RUN "memory=pipe", PROTOCOL, FALSE },
  { "/workers/fake/good-memory", RUN "memory=good serve", DONE, FALSE },
  { "/workers/fake/good-memory-untrusted", RUN "memory=good serve", DONE, TRUE },
  { "/workers/fake/an-unknown-segment", RUN "segment=unknown", PROTOCOL, FALSE },
  { "/workers/fake/segment-zero", RUN "segment=zero", PROTOCOL, FALSE },
  { "/workers/fake/a-segment-without-seals", RUN "segment=unsealed", PROTOCOL, FALSE },
  { "/workers/fake/a-segment-that-is-too-short", RUN "segment=short", PROTOCOL, FALSE },
  { "/workers/fake/a-good-segment", RUN "segment=good serve", DONE, FALSE },
  { "/workers/fake/a-good-segment-untrusted", RUN "segment=good", PROTOCOL, TRUE },
  { "/workers/fake/half-a-result-and-exit", RUN "half exit=0", CRASHED, FALSE },
  { "/workers/fake/half-a-result-and-silence", RUN "half close", CRASHED, FALSE },
  { "/workers/fake/a-result-and-exit", RUN "result exit=3", DONE, FALSE },
  { "/workers/fake/a-result-and-sigkill", RUN "result kill=9", DONE, FALSE },
  { "/workers/fake/a-result-in-the-outbox-and-sigkill", RUN "outbox kill=9", DONE, FALSE },
  { "/workers/fake/half-in-the-outbox-and-sigkill", RUN "outbox=half kill=9", DONE, FALSE },
  { "/workers/fake/a-result-twice-by-the-outbox", RUN "result outbox kill=9", DONE, FALSE },
  { "/workers/fake/an-outbox-that-never-ends", RUN "lie=end kill=9", CRASHED, FALSE },
  { "/workers/fake/an-outbox-in-the-future", RUN "lie=base kill=9", CRASHED, FALSE },
  { "/workers/fake/an-outbox-of-garbage", RUN "lie=garbage kill=9", PROTOCOL, FALSE },
  { "/workers/fake/the-socket-closed", RUN "close", CRASHED, FALSE },
  { "/workers/fake/the-socket-half-closed", RUN "close=half", CRASHED, FALSE },
  { "/workers/fake/the-socket-closed-before-the-start", "hello task close", DONE, FALSE },
  { "/workers/fake/exit-before-the-start", "hello task exit=0", DONE, FALSE },
  { "/workers/fake/exit-after-hello", "hello exit=0", DONE, FALSE },
  { "/workers/fake/a-flood-of-progress", RUN "progress=100000 result serve", DONE, FALSE },
  { "/workers/fake/a-flood-of-partial-results", RUN "emit=2000", PROTOCOL, FALSE },
  { "/workers/fake/a-partial-result-that-is-no-variant", RUN "emit=raw", PROTOCOL, FALSE },
  { "/workers/fake/partial-results-before-the-start", "hello task emit=1", DONE, FALSE },
  { "/workers/fake/an-unknown-frame-of-control", RUN "control=99", PROTOCOL, FALSE },
  { "/workers/fake/a-result-on-the-control-socket", RUN "control=17", PROTOCOL, FALSE },
  { "/workers/fake/garbage-on-the-control-socket", RUN "control-garbage", PROTOCOL, FALSE },
  { "/workers/fake/a-release-of-nothing", RUN "control=23 result serve", DONE, FALSE },
  { "/workers/fake/unheard-without-a-cancel", RUN "control=40 result serve", DONE, FALSE },
  { "/workers/fake/the-control-socket-closed", RUN "close=control result serve", DONE, FALSE },
  { "/workers/fake/a-log-record", RUN "log result serve", DONE, FALSE },
  { "/workers/fake/a-log-record-outside-of-tasks", "hello log=zero serve", DONE, FALSE },
  { "/workers/fake/a-log-record-before-hello", "log=zero", REFUSED, FALSE },
  { "/workers/fake/a-log-record-before-the-start", "hello task log", DONE, FALSE },
  { "/workers/fake/a-log-record-after-the-result", RUN "result log", DONE, FALSE },
  { "/workers/fake/a-log-record-of-another-slot", RUN "log=slot", PROTOCOL, FALSE },
  { "/workers/fake/a-log-record-of-another-generation", RUN "log=generation", PROTOCOL, FALSE },
  { "/workers/fake/a-log-record-of-the-last-id", RUN "log=all-ones", PROTOCOL, FALSE },
  { "/workers/fake/an-empty-log-record", RUN "frame=21", PROTOCOL, FALSE },
  { "/workers/fake/a-log-record-of-ones", RUN "ones=21", PROTOCOL, FALSE },
  { "/workers/fake/a-flood-of-log-records", RUN "log-flood", PROTOCOL, FALSE },
  { "/workers/fake/a-flood-outside-of-tasks", RUN "log-flood=zero", PROTOCOL, FALSE },
};

static AiopoolExecutor *
new_pool (const Case *self,
          const char *flag)
{
  g_autoptr (GPtrArray) argv = g_ptr_array_new_with_free_func (g_free);
  g_auto (GStrv) words = g_strsplit (self->steps, " ", -1);
  g_autoptr (AiopoolLauncher) launcher = NULL;

  g_ptr_array_add (argv, g_strdup (helper_environment ("AIOPOOL_TEST_FAKE_WORKER")));
  g_ptr_array_add (argv, g_strdup (flag));
  for (guint i = 0; words[i] != NULL; i++)
    g_ptr_array_add (argv, g_strdup (words[i]));
  g_ptr_array_add (argv, NULL);
  launcher = aiopool_launcher_new_for_argv ((const char * const *) argv->pdata);
  aiopool_launcher_set_trusted (launcher, !self->is_untrusted);
  return AIOPOOL_EXECUTOR (aiopool_pool_new_with_launcher (1, launcher));
}

/* Not by a wait, which gives credit to a task that floods. */
static void
expect_end (AiopoolFuture *future,
            End            end)
{
  while (!aiopool_future_is_done (future))
    g_usleep (500);
  switch (end)
    {
    case DONE:
      g_assert_no_error (aiopool_future_get_error (future));
      break;
    case PROTOCOL:
      helper_expect_error (future, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_PROTOCOL);
      break;
    case CRASHED:
      helper_expect_error (future, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_CRASHED);
      break;
    case FAILED:
      helper_expect_error (future, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_FAILED);
      break;
    case REFUSED:
    default:
      helper_expect_error (future, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_START_FAILED);
      break;
    }
}

static void
expect_gone (const char *flag)
{
  g_autofree char *path = g_strconcat (flag, ".pid", NULL);
  g_autofree char *text = NULL;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  helper_await_end (atoi (text));
}

static void
test_case (gconstpointer data)
{
  const Case *self = data;
  g_autofree char *flag = helper_file ("flag");
  g_autoptr (AiopoolExecutor) pool = NULL;
  g_autoptr (AiopoolFuture) first = NULL;
  HelperTally others = { 0 };

  g_assert_true (g_file_set_contents (flag, "", 0, NULL));
  pool = new_pool (self, flag);
  first = helper_submit (pool, "any", NULL);
  if (self->end == REFUSED)
    expect_end (first, REFUSED);
  for (guint i = 0; i < 10; i++)
    {
      g_autoptr (AiopoolFuture) other = helper_submit (pool, "any", NULL);

      helper_watch (other, &others);
    }
  expect_end (first, self->end);
  helper_await_tally (&others);
  g_assert_cmpuint (others.n_done, ==, 10);
  g_variant_unref (helper_run (pool, "any", NULL));
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  expect_gone (flag);
}

static const Case liars[] = {
  { "/workers/fake/a-start-in-the-past", "hello task start=past", DONE, FALSE },
  { "/workers/fake/a-start-in-the-future", "hello task start=future", DONE, FALSE },
};

/* When a task has started is what its worker says, within what is possible. */
static void
test_liar (gconstpointer data)
{
  const Case *self = data;
  g_autofree char *flag = helper_file ("flag");
  g_autoptr (AiopoolExecutor) pool = NULL;
  g_autoptr (AiopoolFuture) future = NULL;
  AiopoolTask *task = helper_task ("any", NULL);

  g_assert_true (g_file_set_contents (flag, "", 0, NULL));
  pool = new_pool (self, flag);
  aiopool_task_set_timeout (task, 0.2);
  future = helper_submit_task (pool, task);
  helper_expect_error (future, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_TIMED_OUT);
  g_assert_cmpfloat (aiopool_future_get_started_at (future), >=,
                     aiopool_future_get_submitted_at (future));
  g_assert_cmpfloat (aiopool_future_get_started_at (future), <=,
                     aiopool_future_get_finished_at (future));
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_TERMINATE);
  expect_gone (flag);
}

int
main (int   argc,
      char *argv[])
{
  helper_begin (&argc, &argv);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    helper_add_data (cases[i].path, test_case, &cases[i]);
  for (guint i = 0; i < G_N_ELEMENTS (liars); i++)
    helper_add_data (liars[i].path, test_liar, &liars[i]);
  return helper_end ();
}
