/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/wire/aiopool-frame-private.h"
#include "aiopool/wire/aiopool-worker-fds-private.h"

#include <gio/gio.h>
#include <sys/socket.h>
#include <unistd.h>

/* The spawn shim takes settings that are exactly as they should be, and says which one is not. */

static GSubprocess *
start_shim (int                 fd,
            const char * const *arguments)
{
  g_autoptr (GSubprocessLauncher) launcher =
    g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_INHERIT_FDS |
                               G_SUBPROCESS_FLAGS_STDERR_SILENCE);
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_autofree char *shim = g_build_filename (g_getenv ("AIOPOOL_WORKER_DIR"), "aiopool-shim", NULL);
  g_auto (GStrv) argv = NULL;
  g_autoptr (GError) error = NULL;
  GSubprocess *process;

  g_strv_builder_add (builder, shim);
  g_strv_builder_addv (builder, (const char **) arguments);
  argv = g_strv_builder_end (builder);
  if (fd >= 0)
    g_subprocess_launcher_take_fd (launcher, fd, AIOPOOL_FD_DATA);
  process = g_subprocess_launcher_spawnv (launcher, (const char * const *) argv, &error);
  g_assert_no_error (error);
  return process;
}

/* @setting: refused with it and its reason. */
static void
expect_refused (const char *setting,
                const char *reason)
{
  g_autofree char *parent = g_strdup_printf ("%d", (int) getpid ());
  const char *arguments[] = { parent, "nice=0", setting, "path", "/nonexistent", NULL };
  g_autofree char *expected = g_strdup_printf ("'%s': %s", setting, reason);
  g_autoptr (GSubprocess) process = NULL;
  guint8 data[1024] = { 0 };
  AiopoolFrame frame;
  gsize size;
  gssize n;
  int fds[2];

  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
  process = start_shim (fds[1], arguments);
  n = read (fds[0], data, sizeof data - 1);
  g_assert_cmpint (n, >, 0);
  g_assert_cmpint (aiopool_frame_parse (data, (gsize) n, &frame, &size), ==, AIOPOOL_FRAME_OK);
  g_assert_cmpint (frame.type, ==, AIOPOOL_FRAME_REFUSE);
  if (g_strstr_len ((const char *) frame.body, frame.length, expected) == NULL)
    g_error ("%.*s, not %s", (int) frame.length, (const char *) frame.body, expected);
  g_assert_true (g_subprocess_wait (process, NULL, NULL));
  g_assert_cmpint (g_subprocess_get_exit_status (process), ==, 127);
  close (fds[0]);
}

static void
test_what_is_no_number_is_refused (void)
{
  static const char *names[] = { "max-memory", "max-cpu-time", "max-open-files", "max-core-size",
                                 "nice", "oom-score-adj" };
  static const char *values[] = { "", " 1", "1 ", "1x", "x", "+1", "1.5", "0x10", "--1", "1=" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      for (guint j = 0; j < G_N_ELEMENTS (values); j++)
        {
          g_autofree char *setting = g_strconcat (names[i], "=", values[j], NULL);

          expect_refused (setting, "Invalid argument");
        }
    }
}

static void
test_what_is_out_of_range_is_refused (void)
{
  expect_refused ("max-memory=-1", "Invalid argument");
  expect_refused ("max-memory=18446744073709551616", "Numerical result out of range");
  expect_refused ("max-cpu-time=99999999999999999999", "Numerical result out of range");
  expect_refused ("nice=2147483648", "Numerical result out of range");
  expect_refused ("oom-score-adj=-99999999999", "Numerical result out of range");
}

static void
test_what_is_unknown_is_refused (void)
{
  expect_refused ("scheduling-class=", "Invalid argument");
  expect_refused ("scheduling-class=fifo", "Invalid argument");
  expect_refused ("max-memor=1", "Invalid argument");
  expect_refused ("max-memory2=1", "Invalid argument");
  expect_refused ("=1", "Invalid argument");
}

static void
expect_exit (const char * const *arguments,
             int                 status)
{
  g_autoptr (GSubprocess) process = start_shim (-1, arguments);

  g_assert_true (g_subprocess_wait (process, NULL, NULL));
  g_assert_cmpint (g_subprocess_get_exit_status (process), ==, status);
}

static void
test_it_is_not_for_use_by_hand (void)
{
  static const char * const none[] = { NULL };
  static const char * const no_action[] = { "1", "nice=1", NULL };
  static const char * const no_command[] = { "1", "path", NULL };

  expect_exit (none, 2);
  expect_exit (no_action, 2);
  expect_exit (no_command, 2);
}

/* A parent that has died already. */
static void
test_another_parent_is_none (void)
{
  static const char * const arguments[] = { "1", "path", "/bin/sh", "-c", "exit 0", NULL };

  expect_exit (arguments, 127);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/workers/shim/no-number", test_what_is_no_number_is_refused);
  g_test_add_func ("/workers/shim/out-of-range", test_what_is_out_of_range_is_refused);
  g_test_add_func ("/workers/shim/unknown", test_what_is_unknown_is_refused);
  g_test_add_func ("/workers/shim/by-hand", test_it_is_not_for_use_by_hand);
  g_test_add_func ("/workers/shim/another-parent", test_another_parent_is_none);
  return g_test_run ();
}
