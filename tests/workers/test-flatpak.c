/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tests/pool/helper.h"

#include "aiopool/workers/aiopool-wrapper-private.h"

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

/* The sandbox of a program that is in a Flatpak, with a fake of flatpak-spawn: which options it
 * gets, and that workers work and end in it. What the options do is Flatpak's. */

static char *log_path; /* (owned) */

static AiopoolLauncher *
new_launcher (void)
{
  AiopoolLauncher *launcher = aiopool_launcher_new ();

  aiopool_launcher_set_sandbox (launcher, AIOPOOL_SANDBOX_REQUIRE);
  return launcher;
}

static AiopoolExecutor *
new_pool (void)
{
  g_autoptr (AiopoolLauncher) launcher = new_launcher ();

  return helper_launcher_pool (1, launcher);
}

/* The words that flatpak-spawn got last. */
static char **
read_log (void)
{
  g_autofree char *text = NULL;

  g_assert_true (g_file_get_contents (log_path, &text, NULL, NULL));
  return g_strsplit (text, "\n", -1);
}

static void
expect_option (char       **words,
               const char  *option)
{
  if (!g_strv_contains ((const char * const *) words, option))
    g_error ("no %s", option);
}

static void
test_the_portal_is_chosen (void)
{
  g_autoptr (AiopoolLauncher) launcher = new_launcher ();

  g_assert_cmpint (aiopool_launcher_get_sandbox_kind (launcher), ==,
                   AIOPOOL_SANDBOX_KIND_FLATPAK);
}

static void
test_outside_it_is_not (void)
{
  g_assert_cmpint (aiopool_wrapper_get_kind (), ==, AIOPOOL_SANDBOX_KIND_FLATPAK);
  aiopool_wrapper_set_flatpak_info ("/nonexistent/.flatpak-info");
  g_assert_cmpint (aiopool_wrapper_get_kind (), ==, AIOPOOL_SANDBOX_KIND_BUBBLEWRAP);
  aiopool_wrapper_set_flatpak_info (log_path);
}

static void
test_options_are_as_the_launcher_says (void)
{
  static const char *options[] = {
    "--sandbox", "--no-network", "--watch-bus", "--directory=/", "--forward-fd=3",
    "--forward-fd=4", "--forward-fd=5", "--forward-fd=6", "--forward-fd=7",
    "--env=HELPER_ADDED=a=b", "--unset-env=HELPER_REMOVED", "--sandbox-expose-path-ro=/srv/in",
    "--sandbox-expose-path=/srv/out", "--sandbox-expose-path-ro=/srv", "inside",
    "directory=/srv", "nice=3", "max-open-files=100", "program",
  };
  g_autoptr (AiopoolLauncher) launcher = new_launcher ();
  g_autoptr (AiopoolExecutor) pool = NULL;
  g_auto (GStrv) words = NULL;

  aiopool_launcher_setenv (launcher, "HELPER_ADDED", "a=b");
  aiopool_launcher_unsetenv (launcher, "HELPER_REMOVED");
  aiopool_launcher_share_path (launcher, "/srv/in", FALSE);
  aiopool_launcher_share_path (launcher, "/srv/out/", TRUE);
  aiopool_launcher_set_directory (launcher, "/srv");
  aiopool_launcher_set_nice (launcher, 3);
  aiopool_launcher_set_max_open_files (launcher, 100);
  pool = helper_launcher_pool (1, launcher);
  helper_run_echo (pool, 1);
  words = read_log ();
  for (guint i = 0; i < G_N_ELEMENTS (options); i++)
    expect_option (words, options[i]);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_workers_serve (void)
{
  g_autoptr (AiopoolExecutor) pool = new_pool ();
  g_autoptr (AiopoolFuture) failing = helper_submit (pool, "fail", "(sis)", "g-io-error-quark",
                                                     (int) G_IO_ERROR_BUSY, "busy");
  g_autoptr (GVariant) large = helper_run (pool, "make-bytes", "(t)", (guint64) 1 << 20);
  g_autoptr (GVariant) directory = helper_run (pool, "directory", NULL);

  for (guint i = 0; i < 100; i++)
    g_assert_cmpuint (helper_run_echo (pool, i), ==, i);
  helper_expect_error (failing, G_IO_ERROR, G_IO_ERROR_BUSY);
  g_assert_cmpuint (g_variant_get_size (large), ==, 1 << 20);
  g_assert_cmpstr (g_variant_get_string (directory, NULL), ==, "/tmp");
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* Inside, where nothing is inherited. */
static void
test_limits_hold (void)
{
  g_autoptr (AiopoolLauncher) launcher = new_launcher ();
  g_autoptr (AiopoolExecutor) pool = NULL;
  g_autoptr (GVariant) limit = NULL;
  g_autoptr (GVariant) priorities = NULL;
  guint64 soft;
  int nice;

  aiopool_launcher_set_max_open_files (launcher, 100);
  aiopool_launcher_set_nice (launcher, 3);
  pool = helper_launcher_pool (1, launcher);
  limit = helper_run (pool, "limit", "(i)", RLIMIT_NOFILE);
  g_variant_get (limit, "(tt)", &soft, NULL);
  g_assert_cmpuint (soft, ==, 100);
  priorities = helper_run (pool, "priorities", NULL);
  g_variant_get (priorities, "(iii)", &nice, NULL, NULL);
  g_assert_cmpint (nice, ==, MIN (getpriority (PRIO_PROCESS, 0) + 3, 19));
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_workers_end (void)
{
  static const struct { const char *function; int argument; const char *text; } ends[] = {
    { "crash", SIGSEGV, "signal 11" }, { "crash", SIGKILL, "signal 9" },
    { "leave", 3, "exit status 3" },
  };
  g_autoptr (AiopoolExecutor) pool = new_pool ();
  g_autoptr (AiopoolFuture) busy = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (ends); i++)
    {
      g_autoptr (AiopoolFuture) future = helper_submit (pool, ends[i].function, "(i)",
                                                        ends[i].argument);

      helper_expect_error (future, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_CRASHED);
      helper_expect_message (future, ends[i].text);
    }
  busy = helper_submit (pool, "spin", NULL);
  while (aiopool_future_get_state (busy) != AIOPOOL_FUTURE_RUNNING)
    g_thread_yield ();
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_TERMINATE);
}

static void
test_a_portal_that_is_missing_is_an_error (void)
{
  g_autoptr (AiopoolExecutor) pool = new_pool ();
  g_autofree char *old = g_strdup (g_getenv ("PATH"));
  g_autoptr (AiopoolFuture) future = NULL;

  g_setenv ("PATH", "/nonexistent", TRUE);
  future = helper_submit (pool, "echo", NULL);
  helper_expect_error (future, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_SANDBOX);
  helper_expect_message (future, "flatpak-spawn");
  g_setenv ("PATH", old, TRUE);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
use_fake (void)
{
  const char *fake = helper_environment ("AIOPOOL_TEST_FAKE_FLATPAK");
  g_autofree char *directory = g_path_get_dirname (fake);
  g_autofree char *path = g_strconcat (directory, ":", g_getenv ("PATH"), NULL);

  log_path = helper_marks_new ();
  g_setenv ("PATH", path, TRUE);
  g_setenv ("FAKE_FLATPAK_LOG", log_path, TRUE);
  aiopool_wrapper_set_flatpak_info (log_path);
}

int
main (int   argc,
      char *argv[])
{
  int status;

  helper_begin (&argc, &argv);
  use_fake ();
  helper_add ("/workers/flatpak/the-portal-is-chosen", test_the_portal_is_chosen);
  helper_add ("/workers/flatpak/outside-it-is-not", test_outside_it_is_not);
  helper_add ("/workers/flatpak/options", test_options_are_as_the_launcher_says);
  helper_add ("/workers/flatpak/workers-serve", test_workers_serve);
  helper_add ("/workers/flatpak/limits-hold", test_limits_hold);
  helper_add ("/workers/flatpak/workers-end", test_workers_end);
  helper_add ("/workers/flatpak/missing", test_a_portal_that_is_missing_is_an_error);
  status = helper_end ();
  g_free (log_path);
  return status;
}
