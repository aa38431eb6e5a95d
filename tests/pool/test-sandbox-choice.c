/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/pool/helper.h"

#include <errno.h>
#include <unistd.h>

/* How a sandbox is chosen, with programs in the place of bwrap that are none. */

/* Whether a large argument comes in memory that the worker can change: 0, or the error. */
static void
expect_changed (AiopoolExecutor *pool,
                int              expected)
{
  g_autoptr (GBytes) bytes = g_bytes_new_take (g_malloc0 (1 << 20), 1 << 20);
  AiopoolTask *task = aiopool_task_new_for_payload ("change-argument", bytes, AIOPOOL_FORMAT_RAW);
  g_autoptr (AiopoolFuture) future = helper_submit_task (pool, task);
  g_autoptr (GVariant) result = helper_collect (future);

  g_assert_cmpint (g_variant_get_int32 (result), ==, expected);
}

/* PATH with nothing but, if @mode is not NULL, a bwrap that does that. */
static char *
set_path (const char *mode)
{
  g_autofree char *program = helper_file ("bwrap");
  g_autofree char *directory = g_path_get_dirname (program);
  char *old = g_strdup (g_getenv ("PATH"));

  unlink (program);
  if (mode != NULL)
    g_assert_cmpint (symlink (helper_environment ("AIOPOOL_TEST_ODD_WORKER"), program), ==, 0);
  g_setenv ("ODD_WRAPPER", mode != NULL ? mode : "", TRUE);
  g_setenv ("PATH", directory, TRUE);
  return old;
}

/* Takes @path. */
static void
restore_path (char *path)
{
  g_setenv ("PATH", path, TRUE);
  g_unsetenv ("ODD_WRAPPER");
  g_free (path);
}

static void
expect_sandbox_error (const char *mode,
                      const char *part)
{
  g_autoptr (AiopoolLauncher) launcher = helper_sandbox_launcher ();
  g_autoptr (AiopoolExecutor) pool = helper_launcher_pool (1, launcher);
  char *old = set_path (mode);
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "echo", NULL);

  helper_expect_error (future, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_SANDBOX);
  helper_expect_message (future, part);
  if (g_strcmp0 (mode, "hang") != 0)
    g_assert_cmpint (aiopool_launcher_get_sandbox_kind (launcher), ==, AIOPOOL_SANDBOX_KIND_NONE);
  restore_path (old);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_required_and_missing_is_an_error (void)
{
  expect_sandbox_error (NULL, "'bwrap'");
}

static void
test_required_and_failing_is_an_error (void)
{
  expect_sandbox_error ("complain", "second line");
}

static void
test_required_and_silent_is_an_error (void)
{
  expect_sandbox_error ("exit", "nothing");
}

static void
test_required_and_hanging_is_an_error (void)
{
  expect_sandbox_error ("hang", "nothing");
}

/* What was missing may come: it is looked for again. */
static void
test_an_error_is_not_for_ever (void)
{
  g_autoptr (AiopoolLauncher) launcher = helper_sandbox_launcher ();
  g_autoptr (AiopoolExecutor) pool = helper_launcher_pool (1, launcher);
  char *old = set_path (NULL);

  helper_run_expecting (pool, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_SANDBOX);
  restore_path (old);
  if (helper_has_sandbox ())
    {
      helper_run_echo (pool, 1);
      g_assert_cmpint (aiopool_launcher_get_sandbox_kind (launcher), ==,
                       AIOPOOL_SANDBOX_KIND_BUBBLEWRAP);
    }
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* One warning, whoever asks first, and workers that are as without but not trusted. */
static void
prefer (const char *mode,
        gboolean    ask_first)
{
  g_autoptr (AiopoolLauncher) launcher = aiopool_launcher_new ();
  g_autoptr (AiopoolExecutor) pool = NULL;
  char *old = set_path (mode);

  aiopool_launcher_set_sandbox (launcher, AIOPOOL_SANDBOX_PREFER);
  pool = helper_launcher_pool (2, launcher);
  g_test_expect_message ("aiopool", G_LOG_LEVEL_WARNING, "*without a sandbox*bwrap*");
  if (ask_first)
    g_assert_cmpint (aiopool_launcher_get_sandbox_kind (launcher), ==, AIOPOOL_SANDBOX_KIND_NONE);
  helper_run_echo (pool, 1);
  g_test_assert_expected_messages ();
  restore_path (old);
  for (guint i = 0; i < 3; i++)
    {
      g_autoptr (AiopoolFuture) future = helper_submit (pool, "leave", "(i)", 1);

      helper_expect_error (future, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_CRASHED);
    }
  g_assert_cmpint (aiopool_launcher_get_sandbox_kind (launcher), ==, AIOPOOL_SANDBOX_KIND_NONE);
  g_assert_cmpint (helper_run_pid (pool), >, 2);
  expect_changed (pool, EACCES);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_preferred_and_missing_is_a_warning (void)
{
  prefer (NULL, TRUE);
  prefer (NULL, FALSE);
}

static void
test_preferred_and_failing_is_a_warning (void)
{
  prefer ("complain", TRUE);
  prefer ("exit", FALSE);
}

static void
test_preferred_and_there_is_a_sandbox (void)
{
  g_autoptr (AiopoolLauncher) launcher = aiopool_launcher_new ();
  g_autoptr (AiopoolExecutor) pool = NULL;
  AiopoolSandboxKind kind;

  aiopool_launcher_set_sandbox (launcher, AIOPOOL_SANDBOX_PREFER);
  g_object_get (launcher, "sandbox-kind", &kind, NULL);
  g_assert_cmpint (kind, ==, AIOPOOL_SANDBOX_KIND_BUBBLEWRAP);
  pool = helper_launcher_pool (1, launcher);
  g_assert_cmpint (helper_run_pid (pool), <, 10); /* in a namespace of its own */
  expect_changed (pool, EACCES);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_without_a_word_there_is_none (void)
{
  g_autoptr (AiopoolLauncher) launcher = aiopool_launcher_new ();
  char *old = set_path ("complain");

  g_assert_cmpint (aiopool_launcher_get_sandbox (launcher), ==, AIOPOOL_SANDBOX_NONE);
  g_assert_cmpint (aiopool_launcher_get_sandbox_kind (launcher), ==, AIOPOOL_SANDBOX_KIND_NONE);
  restore_path (old);
}

/* Nobody who asks before it is settled is bound by the answer. */
static void
test_the_choice_follows_the_property (void)
{
  g_autoptr (AiopoolLauncher) launcher = aiopool_launcher_new ();

  g_assert_cmpint (aiopool_launcher_get_sandbox_kind (launcher), ==, AIOPOOL_SANDBOX_KIND_NONE);
  g_object_set (launcher, "sandbox", AIOPOOL_SANDBOX_REQUIRE, NULL);
  g_assert_cmpint (aiopool_launcher_get_sandbox (launcher), ==, AIOPOOL_SANDBOX_REQUIRE);
  g_assert_cmpint (aiopool_launcher_get_sandbox_kind (launcher), ==,
                   AIOPOOL_SANDBOX_KIND_BUBBLEWRAP);
}

int
main (int   argc,
      char *argv[])
{
  helper_begin (&argc, &argv);
  helper_add ("/pool/sandbox-choice/without-a-word-there-is-none",
              test_without_a_word_there_is_none);
  helper_add ("/pool/sandbox-choice/required-and-missing", test_required_and_missing_is_an_error);
  helper_add ("/pool/sandbox-choice/required-and-failing", test_required_and_failing_is_an_error);
  helper_add ("/pool/sandbox-choice/required-and-silent", test_required_and_silent_is_an_error);
  helper_add ("/pool/sandbox-choice/required-and-hanging", test_required_and_hanging_is_an_error);
  helper_add ("/pool/sandbox-choice/an-error-is-not-for-ever", test_an_error_is_not_for_ever);
  helper_add ("/pool/sandbox-choice/preferred-and-missing",
              test_preferred_and_missing_is_a_warning);
  helper_add ("/pool/sandbox-choice/preferred-and-failing",
              test_preferred_and_failing_is_a_warning);
  helper_add_sandboxed ("/pool/sandbox-choice/preferred-and-there",
                        test_preferred_and_there_is_a_sandbox);
  helper_add_sandboxed ("/pool/sandbox-choice/the-choice-follows-the-property",
                        test_the_choice_follows_the_property);
  return helper_end ();
}
