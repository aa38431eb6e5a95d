/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/pool/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixsocketaddress.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a sandbox keeps from a worker, tried by the worker itself. How a sandbox is chosen is in
 * test-sandbox-choice.c, that workers end in it as they do without in test-sandbox-end.c. */

static void
expect_errno (AiopoolExecutor *pool,
              const char      *what,
              const char      *path,
              int              expected)
{
  g_autoptr (GVariant) result = helper_run (pool, "try-path", "(ss)", what, path);

  if (g_variant_get_int32 (result) != expected)
    g_error ("%s %s: %s, expected: %s", what, path, g_strerror (g_variant_get_int32 (result)),
             g_strerror (expected));
}

static void
expect_no (AiopoolExecutor *pool,
           const char      *what,
           const char      *path)
{
  g_autoptr (GVariant) result = helper_run (pool, "try-path", "(ss)", what, path);

  if (g_variant_get_int32 (result) == 0)
    g_error ("%s %s works", what, path);
}

static int
run_int (AiopoolExecutor *pool,
         AiopoolTask     *task)
{
  g_autoptr (AiopoolFuture) future = helper_submit_task (pool, task);
  g_autoptr (GVariant) result = helper_collect (future);

  return g_variant_get_int32 (result);
}

static AiopoolExecutor *
new_plugin_pool (AiopoolSandbox sandbox)
{
  const char *plugins[] = { helper_environment ("AIOPOOL_TEST_PLUGIN"), NULL };
  g_autoptr (AiopoolLauncher) launcher = aiopool_launcher_new_for_plugins (plugins);

  aiopool_launcher_set_sandbox (launcher, sandbox);
  return helper_launcher_pool (1, launcher);
}

static AiopoolExecutor *
new_program_pool (AiopoolSandbox sandbox)
{
  const char *argv[] = { helper_environment ("AIOPOOL_TEST_ODD_WORKER"), "serve", NULL };
  g_autoptr (AiopoolLauncher) launcher = aiopool_launcher_new_for_argv (argv);

  aiopool_launcher_set_sandbox (launcher, sandbox);
  return helper_launcher_pool (1, launcher);
}

static void
expect_it_serves (AiopoolExecutor *pool)
{
  g_autoptr (AiopoolFuture) failing = helper_submit (pool, "fail", "(sis)", "g-io-error-quark",
                                                     (int) G_IO_ERROR_BUSY, "busy");

  for (guint i = 0; i < 100; i++)
    g_assert_cmpuint (helper_run_echo (pool, i), ==, i);
  helper_expect_error (failing, G_IO_ERROR, G_IO_ERROR_BUSY);
  expect_no (pool, "create", "/usr/aiopool-test");
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_all_kinds_of_workers_serve (void)
{
  g_autoptr (AiopoolExecutor) program = helper_sandbox_pool (1);
  g_autoptr (AiopoolExecutor) plugin = new_plugin_pool (AIOPOOL_SANDBOX_REQUIRE);
  g_autoptr (AiopoolExecutor) other = new_program_pool (AIOPOOL_SANDBOX_REQUIRE);

  expect_it_serves (program);
  expect_it_serves (plugin);
  expect_it_serves (other);
}

static void
test_a_path_that_is_relative_is_found (void)
{
  g_autofree char *old = g_get_current_dir ();
  g_autofree char *directory = g_path_get_dirname (helper_environment ("AIOPOOL_TEST_ODD_WORKER"));
  g_autofree char *name = g_path_get_basename (helper_environment ("AIOPOOL_TEST_ODD_WORKER"));
  g_autofree char *relative = g_strconcat ("./", name, NULL);
  const char *argv[] = { relative, "serve", NULL };
  g_autoptr (AiopoolLauncher) launcher = aiopool_launcher_new_for_argv (argv);
  g_autoptr (AiopoolExecutor) pool = NULL;

  g_assert_cmpint (chdir (directory), ==, 0);
  aiopool_launcher_set_sandbox (launcher, AIOPOOL_SANDBOX_REQUIRE);
  pool = helper_launcher_pool (1, launcher);
  helper_run_echo (pool, 1);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  g_assert_cmpint (chdir (old), ==, 0);
}

static int
try_connect (AiopoolExecutor *pool,
             const char      *path,
             guint16          port)
{
  return run_int (pool, path != NULL ? helper_task ("try-socket", "(s)", path)
                                     : helper_task ("try-connect", "(i)", (int) port));
}

/* What an ordinary worker reaches, over TCP and by a socket in the file system, it does not. */
static void
test_there_is_no_network (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_sandbox_pool (1);
  g_autoptr (AiopoolExecutor) other = helper_pool (1);
  g_autoptr (GSocketListener) listener = g_socket_listener_new ();
  g_autofree char *path = helper_file ("socket");
  g_autoptr (GSocketAddress) address = g_unix_socket_address_new (path);
  g_autoptr (GVariant) interfaces = NULL;
  guint16 port = g_socket_listener_add_any_inet_port (listener, NULL, NULL);

  g_assert_true (g_socket_listener_add_address (listener, address, G_SOCKET_TYPE_STREAM,
                                                G_SOCKET_PROTOCOL_DEFAULT, NULL, NULL, NULL));
  g_assert_cmpint (try_connect (other, NULL, port), ==, 0);
  g_assert_cmpint (try_connect (other, path, 0), ==, 0);
  g_assert_cmpint (try_connect (pool, NULL, port), !=, 0);
  g_assert_cmpint (try_connect (pool, path, 0), ==, ENOENT);
  interfaces = helper_run (pool, "interfaces", NULL);
  g_assert_cmpuint (g_variant_n_children (interfaces), <=, 1);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  helper_shutdown (other, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_the_system_is_read_only (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_sandbox_pool (1);
  g_autofree char *in_home = g_build_filename (g_get_home_dir (), "aiopool-test", NULL);

  expect_errno (pool, "read", "/usr/bin", 0);
  expect_errno (pool, "read", "/etc/passwd", 0);
  expect_no (pool, "write", "/etc/passwd");
  expect_no (pool, "create", "/usr/aiopool-test");
  expect_no (pool, "create", "/aiopool-test");
  expect_no (pool, "create", in_home);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* There is no way back to what is read-only, or away, though a worker of root is root. */
static void
test_there_are_no_capabilities (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_sandbox_pool (1);
  g_autoptr (GVariant) standing = helper_run (pool, "standing", NULL);
  guint64 capabilities;

  g_variant_get (standing, "(tbb)", &capabilities, NULL, NULL);
  g_assert_cmpuint (capabilities, ==, 0);
  expect_errno (pool, "remount", "/usr", EPERM);
  expect_errno (pool, "unmount", "/tmp", EPERM);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_tmp_is_private (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_sandbox_pool (1);
  g_autoptr (AiopoolExecutor) other = helper_sandbox_pool (1);
  g_autofree char *outside = helper_marks_new ();
  g_autofree char *inside = g_strdup_printf ("/tmp/aiopool-test-%d", (int) getpid ());

  expect_errno (pool, "read", outside, ENOENT);
  expect_errno (pool, "create", inside, 0);
  expect_errno (pool, "read", inside, 0);
  expect_errno (other, "read", inside, ENOENT);
  g_assert_false (g_file_test (inside, G_FILE_TEST_EXISTS));
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  helper_shutdown (other, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_shared_paths_are_there (void)
{
  g_autoptr (AiopoolLauncher) launcher = helper_sandbox_launcher ();
  g_autoptr (AiopoolExecutor) pool = NULL;
  g_autofree char *read_only = helper_marks_new ();
  g_autofree char *writable = helper_marks_new ();
  g_autofree char *not_shared = helper_marks_new ();
  g_autofree guint *counts = NULL;

  aiopool_launcher_share_path (launcher, read_only, FALSE);
  aiopool_launcher_share_path (launcher, writable, TRUE);
  pool = helper_launcher_pool (1, launcher);
  expect_errno (pool, "read", read_only, 0);
  expect_errno (pool, "write", read_only, EROFS);
  expect_errno (pool, "read", not_shared, ENOENT);
  g_variant_unref (helper_run (pool, "mark", "(sui)", writable, 0, 0));
  counts = helper_marks_count (writable, 1);
  g_assert_cmpuint (counts[0], ==, 1);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_shared_directory_has_what_is_in_it (void)
{
  g_autoptr (AiopoolLauncher) launcher = helper_sandbox_launcher ();
  g_autoptr (AiopoolExecutor) pool = NULL;
  g_autofree char *file = helper_marks_new ();
  g_autofree char *directory = g_path_get_dirname (file);
  g_autofree char *other = helper_marks_new ();

  aiopool_launcher_share_path (launcher, directory, TRUE);
  aiopool_launcher_share_path (launcher, other, FALSE);
  pool = helper_launcher_pool (1, launcher);
  expect_errno (pool, "write", file, 0);
  expect_errno (pool, "read", other, 0);
  expect_errno (pool, "write", other, EROFS);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_shared_path_that_is_missing_is_named (void)
{
  g_autoptr (AiopoolLauncher) launcher = helper_sandbox_launcher ();
  g_autoptr (AiopoolExecutor) pool = NULL;
  g_autoptr (AiopoolFuture) future = NULL;

  aiopool_launcher_share_path (launcher, "/nonexistent/path", FALSE);
  pool = helper_launcher_pool (1, launcher);
  future = helper_submit (pool, "echo", NULL);
  helper_expect_error (future, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_START_FAILED);
  helper_expect_message (future, "/nonexistent/path");
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
expect_directory (const char *directory,
                  const char *expected)
{
  g_autoptr (AiopoolLauncher) launcher = helper_sandbox_launcher ();
  g_autoptr (AiopoolExecutor) pool = NULL;
  g_autoptr (GVariant) result = NULL;

  aiopool_launcher_set_directory (launcher, directory);
  pool = helper_launcher_pool (1, launcher);
  result = helper_run (pool, "directory", NULL);
  g_assert_cmpstr (g_variant_get_string (result, NULL), ==, expected);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_the_directory_is_as_the_launcher_says (void)
{
  g_autofree char *file = helper_marks_new ();
  g_autofree char *directory = g_path_get_dirname (file);

  expect_directory (NULL, "/tmp");
  expect_directory ("/usr", "/usr");
  expect_directory ("/proc", "/proc");
  expect_directory (directory, directory);
}

/* The directory is there to be read, and /tmp is private even as the directory. */
static void
test_the_directory_gives_nothing_away (void)
{
  g_autoptr (AiopoolLauncher) launcher = helper_sandbox_launcher ();
  g_autoptr (AiopoolLauncher) other_launcher = helper_sandbox_launcher ();
  g_autoptr (AiopoolExecutor) pool = NULL;
  g_autoptr (AiopoolExecutor) other = NULL;
  g_autofree char *file = helper_marks_new ();
  g_autofree char *directory = g_path_get_dirname (file);

  aiopool_launcher_set_directory (launcher, directory);
  pool = helper_launcher_pool (1, launcher);
  expect_errno (pool, "read", file, 0);
  expect_errno (pool, "write", file, EROFS);
  aiopool_launcher_set_directory (other_launcher, "/tmp");
  other = helper_launcher_pool (1, other_launcher);
  expect_errno (other, "read", file, ENOENT);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  helper_shutdown (other, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_no_other_process_is_seen (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_sandbox_pool (1);
  g_autoptr (GVariant) processes = helper_run (pool, "processes", NULL);
  gsize n;
  const int *pids = g_variant_get_fixed_array (processes, &n, sizeof (int));
  int own = helper_run_pid (pool);

  g_assert_cmpuint (n, ==, 2); /* itself, and what reaps */
  for (gsize i = 0; i < n; i++)
    g_assert_true (pids[i] == 1 || pids[i] == own);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* It has a descriptor of this process, to see its end. That is all it is good for. */
static void
test_the_parent_cannot_be_reached (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_sandbox_pool (1);
  g_autoptr (AiopoolExecutor) other = helper_pool (1);
  g_autoptr (GVariant) result = NULL;
  g_autoptr (GVariant) without = NULL;
  int signalled, taken;

  if (!helper_can_trust_descriptors ())
    return;
  result = helper_run (pool, "use-parent", NULL);
  without = helper_run (other, "use-parent", NULL);
  g_variant_get (without, "(ii)", &signalled, &taken);
  g_assert_cmpint (signalled, ==, 0);
  g_variant_get (result, "(ii)", &signalled, &taken);
  g_assert_cmpint (signalled, !=, 0);
  g_assert_cmpint (taken, !=, 0);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  helper_shutdown (other, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_namespaces_are_its_own (void)
{
  static const char *names[] = { "user", "pid", "net", "ipc", "uts", "mnt" };
  g_autoptr (AiopoolExecutor) pool = helper_sandbox_pool (1);

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *path = g_build_filename ("/proc/self/ns", names[i], NULL);
      g_autofree char *here = g_file_read_link (path, NULL);
      g_autoptr (GVariant) there = helper_run (pool, "namespace", "(s)", names[i]);

      g_assert_cmpstr (g_variant_get_string (there, NULL), !=, here);
    }
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_it_leads_its_session_and_has_no_output_of_ours (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_sandbox_pool (1);
  g_autoptr (GVariant) standing = helper_run (pool, "standing", NULL);
  gboolean is_leader, has_one_output;

  g_variant_get (standing, "(tbb)", NULL, &is_leader, &has_one_output);
  g_assert_true (is_leader);
  g_assert_true (has_one_output);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* That @fd is not there what it is here. */
static void
expect_no_descriptor (AiopoolExecutor *pool,
                      int              fd)
{
  g_autoptr (GVariant) result = helper_run (pool, "identify", "(i)", fd);
  struct stat status;
  guint64 device, inode;

  g_assert_cmpint (fstat (fd, &status), ==, 0);
  g_variant_get (result, "(tt)", &device, &inode);
  g_assert_false (device == status.st_dev && inode == status.st_ino);
}

/* Two without FD_CLOEXEC. The lowest that is free is where only a worker of the first kind has
 * something of its own when it starts. */
static void
test_descriptors_are_not_inherited (void)
{
  g_autofree char *path = helper_marks_new ();
  int high = open (path, O_RDONLY | O_CLOEXEC);
  int low = fcntl (high, F_DUPFD, 7);
  g_autoptr (AiopoolExecutor) pool = helper_sandbox_pool (1);
  g_autoptr (AiopoolExecutor) other = new_plugin_pool (AIOPOOL_SANDBOX_REQUIRE);

  g_assert_cmpint (dup2 (high, 200), ==, 200);
  g_test_message ("descriptors %d and 200", low);
  expect_no_descriptor (pool, 200);
  expect_no_descriptor (pool, low);
  expect_no_descriptor (other, 200);
  expect_no_descriptor (other, low);
  close (high);
  close (low);
  close (200);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  helper_shutdown (other, AIOPOOL_SHUTDOWN_DRAIN);
}

static int
change_argument (AiopoolExecutor *pool)
{
  g_autoptr (GBytes) bytes = g_bytes_new_take (g_malloc0 (1 << 20), 1 << 20);

  return run_int (pool, aiopool_task_new_for_payload ("change-argument", bytes,
                                                      AIOPOOL_FORMAT_RAW));
}

static void
expect_untrusted (AiopoolExecutor *pool)
{
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "fail", "(sis)",
                                                    "aiopool-task-error-quark",
                                                    (int) AIOPOOL_TASK_ERROR_CRASHED, "no");
  g_autoptr (GVariant) result = helper_run (pool, "make-bytes", "(t)", (guint64) 1 << 20);

  helper_expect_error (future, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_FAILED);
  g_assert_cmpint (change_argument (pool), ==, EACCES);
  g_assert_cmpuint (g_variant_get_size (result), ==, 1 << 20);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* Though "trusted" is set; memory that can be changed is what only a trusted worker gets. */
static void
test_it_is_never_trusted (void)
{
  g_autoptr (AiopoolLauncher) launcher = helper_sandbox_launcher ();
  g_autoptr (AiopoolExecutor) pool = NULL;
  g_autoptr (AiopoolExecutor) other = helper_pool (1);

  g_assert_true (aiopool_launcher_get_trusted (launcher));
  pool = helper_launcher_pool (1, launcher);
  expect_untrusted (pool);
  g_assert_cmpint (change_argument (other), ==, 0);
  helper_shutdown (other, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_values_of_all_sizes_pass (void)
{
  static const gsize sizes[] = { 0, 1, 70000, 200000, 5 << 20 };
  g_autoptr (AiopoolExecutor) pool = helper_sandbox_pool (2);

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_autoptr (GVariant) result = helper_run (pool, "make-bytes", "(t)", (guint64) sizes[i]);
      g_autoptr (GBytes) bytes = g_variant_get_data_as_bytes (result);
      g_autoptr (AiopoolFuture) future =
        helper_submit_task (pool, aiopool_task_new_for_payload ("check-bytes", bytes,
                                                                AIOPOOL_FORMAT_RAW));
      g_autoptr (GVariant) size = helper_collect (future);

      g_assert_cmpint (g_variant_get_int64 (size), ==, (gint64) sizes[i]);
    }
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_the_environment_is_as_the_launcher_says (void)
{
  g_autoptr (AiopoolLauncher) launcher = helper_sandbox_launcher ();
  g_autoptr (AiopoolExecutor) pool = NULL;
  g_autoptr (GVariant) added = NULL;
  g_autoptr (GVariant) secret = NULL;

  aiopool_launcher_setenv (launcher, "HELPER_ADDED", "a=b");
  pool = helper_launcher_pool (1, launcher);
  added = helper_run (pool, "environment", "(s)", "HELPER_ADDED");
  secret = helper_run (pool, "environment", "(s)", "AIOPOOL_WORKER");
  g_assert_cmpstr (g_variant_get_string (added, NULL), ==, "a=b");
  g_assert_cmpstr (g_variant_get_string (secret, NULL), ==, "(unset)");
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

int
main (int   argc,
      char *argv[])
{
  helper_begin (&argc, &argv);
  helper_add_sandboxed ("/pool/sandbox/all-kinds-of-workers-serve",
                        test_all_kinds_of_workers_serve);
  helper_add_sandboxed ("/pool/sandbox/a-relative-path-is-found",
                        test_a_path_that_is_relative_is_found);
  helper_add_sandboxed ("/pool/sandbox/no-network", test_there_is_no_network);
  helper_add_sandboxed ("/pool/sandbox/the-system-is-read-only", test_the_system_is_read_only);
  helper_add_sandboxed ("/pool/sandbox/no-capabilities", test_there_are_no_capabilities);
  helper_add_sandboxed ("/pool/sandbox/tmp-is-private", test_tmp_is_private);
  helper_add_sandboxed ("/pool/sandbox/shared-paths-are-there", test_shared_paths_are_there);
  helper_add_sandboxed ("/pool/sandbox/shared-directory",
                        test_a_shared_directory_has_what_is_in_it);
  helper_add_sandboxed ("/pool/sandbox/shared-path-missing",
                        test_a_shared_path_that_is_missing_is_named);
  helper_add_sandboxed ("/pool/sandbox/the-directory-is-the-launchers",
                        test_the_directory_is_as_the_launcher_says);
  helper_add_sandboxed ("/pool/sandbox/the-directory-gives-nothing-away",
                        test_the_directory_gives_nothing_away);
  helper_add_sandboxed ("/pool/sandbox/no-other-process", test_no_other_process_is_seen);
  helper_add_sandboxed ("/pool/sandbox/the-parent-cannot-be-reached",
                        test_the_parent_cannot_be_reached);
  helper_add_sandboxed ("/pool/sandbox/namespaces", test_namespaces_are_its_own);
  helper_add_sandboxed ("/pool/sandbox/session-and-output",
                        test_it_leads_its_session_and_has_no_output_of_ours);
  helper_add_sandboxed ("/pool/sandbox/descriptors-are-not-inherited",
                        test_descriptors_are_not_inherited);
  helper_add_sandboxed ("/pool/sandbox/never-trusted", test_it_is_never_trusted);
  helper_add_sandboxed ("/pool/sandbox/values-of-all-sizes", test_values_of_all_sizes_pass);
  helper_add_sandboxed ("/pool/sandbox/the-environment-is-the-launchers",
                        test_the_environment_is_as_the_launcher_says);
  return helper_end ();
}
