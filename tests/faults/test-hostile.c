/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/faults/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* Rows about a system that is not as one would wish: limits, and places that are full, missing or
 * read-only. */

#define MIB ((guint64) 1024 * 1024)

static rlim_t
set_limit (int    resource,
           rlim_t value)
{
  struct rlimit limit;
  rlim_t old;

  getrlimit (resource, &limit);
  old = limit.rlim_cur;
  limit.rlim_cur = value;
  g_assert_cmpint (setrlimit (resource, &limit), ==, 0);
  return old;
}

/* All have a result, or all that have none know why. Returns how many have one. */
static guint
expect_results_or_start_failed (GPtrArray *futures)
{
  guint n_done = 0;

  for (guint i = 0; i < futures->len; i++)
    {
      AiopoolFuture *future = g_ptr_array_index (futures, i);

      helper_wait (future);
      if (aiopool_future_get_state (future) == AIOPOOL_FUTURE_DONE)
        n_done++;
      else
        helper_expect_error (future, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_START_FAILED);
    }
  return n_done;
}

static int
get_oom_score (AiopoolExecutor *pool)
{
  g_autoptr (GVariant) result = helper_run (pool, "read-status", "(s)",
                                            "/proc/self/oom_score_adj");

  return atoi (g_variant_get_string (result, NULL));
}

/* Row 44: the kernel takes the worker before the program. */
static void
test_oom_score (void)
{
  g_autoptr (AiopoolExecutor) pool = fault_pool (1);
  g_autofree char *own = NULL;

  g_assert_true (g_file_get_contents ("/proc/self/oom_score_adj", &own, NULL, NULL));
  g_assert_cmpint (get_oom_score (pool), ==, MIN (atoi (own) + 100, 1000));
  fault_expect_good (pool);
}

static gboolean
write_text (const char *directory,
            const char *name,
            const char *text)
{
  g_autofree char *path = g_build_filename (directory, name, NULL);
  int fd = open (path, O_WRONLY | O_CLOEXEC);
  gboolean ok = fd >= 0 && write (fd, text, strlen (text)) == (gssize) strlen (text);

  if (fd >= 0)
    close (fd);
  return ok;
}

/* (transfer full) (nullable): a new group below that of this process in the hierarchy at @root, by
 * the line of /proc/self/cgroup that holds @mark. */
static char *
make_group (const char *root,
            const char *mark,
            const char *limit_name,
            const char *limit)
{
  g_autofree char *text = NULL;
  g_autofree char *path = NULL;
  const char *at, *end;

  if (!g_file_get_contents ("/proc/self/cgroup", &text, NULL, NULL) ||
      (at = strstr (text, mark)) == NULL)
    return NULL;
  at += strlen (mark);
  end = strchr (at, '\n');
  path = g_strdup_printf ("%s%.*s/aiopool-fault-%d", root, (int) (end - at), at, (int) getpid ());
  if (mkdir (path, 0700) != 0)
    return NULL;
  if (write_text (path, limit_name, limit))
    return g_steal_pointer (&path);
  rmdir (path);
  return NULL;
}

/* Row 44: the kernel does it, in a group of the worker alone. */
static void
test_out_of_memory (void)
{
  g_autoptr (AiopoolExecutor) pool = fault_pool (1);
  g_autofree char *pid = g_strdup_printf ("%d", helper_run_pid (pool));
  g_autofree char *limit = g_strdup_printf ("%d", (int) (64 * MIB));
  g_autofree char *group = make_group ("/sys/fs/cgroup", "0::", "memory.max", limit);
  g_autoptr (AiopoolFuture) future = NULL;
  g_autoptr (GPtrArray) others = NULL;

  if (group == NULL)
    group = make_group ("/sys/fs/cgroup/memory", ":memory:", "memory.limit_in_bytes", limit);
  if (group == NULL || !write_text (group, "cgroup.procs", pid))
    {
      if (group != NULL)
        rmdir (group);
      fault_skip ("no control group with a memory limit can be had");
    }
  future = helper_submit (pool, "use-memory", "(t)", 512 * MIB);
  others = fault_submit_many (pool, 10, "echo");
  helper_expect_crash (future, "signal 9");
  helper_expect_message (future, "memory may have run out");
  fault_expect_all (others, AIOPOOL_FUTURE_DONE);
  fault_expect_good (pool);
  g_assert_cmpint (rmdir (group), ==, 0);
}

/* What came of a pool within a limit. */
typedef struct
{
  guint n_failed;  /* tasks */
  guint n_workers;
} Yield;

#define N_WORKERS 6

/* Nothing spins or waits for ever, and when there is enough again the pool goes on. */
static Yield
use_pool_within (int      resource,
                 rlim_t   limit,
                 gboolean goes_on)
{
  g_autoptr (AiopoolExecutor) pool = fault_pool (N_WORKERS);
  g_autoptr (GPtrArray) naps = g_ptr_array_new_with_free_func (g_object_unref);
  rlim_t old = set_limit (resource, limit);
  gint64 start = fault_get_processor_usec ();
  Yield yield;

  for (guint i = 0; i < 2 * N_WORKERS; i++)
    g_ptr_array_add (naps, helper_submit (pool, "nap", "(d)", 0.02));
  yield.n_failed = naps->len - expect_results_or_start_failed (naps);
  yield.n_workers = aiopool_pool_get_n_workers (AIOPOOL_POOL (pool));
  g_assert_cmpint (fault_get_processor_usec () - start, <, 500000 * fault_factor ());
  set_limit (resource, old);
  g_test_message ("limit %u: %u failed, %u workers", (guint) limit, yield.n_failed,
                  yield.n_workers);
  if (goes_on)
    helper_run_echo (pool, 1);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  return yield;
}

/* No worker can be had with little, fewer than wanted with a bit more, and all with enough. */
static void
exhaust (int    resource,
         rlim_t first,
         rlim_t last)
{
  guint n_without = 0, n_with_some = 0, most = 0;

  for (rlim_t limit = first; limit <= last; limit += 2)
    {
      Yield yield = use_pool_within (resource, limit, limit <= first + 2);

      most = MAX (most, yield.n_workers);
      if (yield.n_failed > 0)
        n_without++;
      else if (yield.n_workers < N_WORKERS)
        n_with_some++;
    }
  g_assert_cmpuint (n_without, >, 0);
  g_assert_cmpuint (n_with_some, >, 0);
  g_assert_cmpuint (most, ==, N_WORKERS);
}

/* Row 45 */
static void
test_no_descriptors (void)
{
  int fd = dup (STDERR_FILENO); /* the lowest that is free */

  close (fd);
  if (helper_is_valgrind ())
    fault_skip ("valgrind has a limit of its own, and other descriptors");
  exhaust (RLIMIT_NOFILE, (rlim_t) fd + 1, (rlim_t) fd + 60);
}

/* Another user, whose processes are all of this row: the limit does not hold for root, and others
 * would be counted, too. */
static void
become_nobody_else (void)
{
  uid_t uid = 100000 + (uid_t) getpid () % 50000;
  g_autofree char *directory = fault_file ("");

  if (g_strcmp0 (g_getenv ("AIOPOOL_TEST_SANITIZED"), "thread") == 0)
    fault_skip ("the thread sanitizer has a thread of its own in each process");
  if (getuid () != 0)
    fault_skip ("only root can become a user without processes");
  g_assert_cmpint (chown (directory, uid, uid), ==, 0);
  if (setgroups (0, NULL) != 0 || setresgid (uid, uid, uid) != 0 || setresuid (uid, uid, uid) != 0)
    fault_skip ("cannot become another user: %s", g_strerror (errno));
  prctl (PR_SET_DUMPABLE, 1);
  if (access ("/proc/self/exe", X_OK) != 0 ||
      access (helper_environment ("AIOPOOL_TEST_ODD_WORKER"), X_OK) != 0)
    fault_skip ("another user cannot reach this build");
}

/* Row 46: threads count as processes, and some can be made while others cannot. */
static void
test_no_processes (void)
{
  exhaust (RLIMIT_NPROC, 1, 25);
}

/* A mount namespace of this row alone. */
static void
have_own_mounts (void)
{
  uid_t uid = getuid ();
  g_autofree char *users = g_strdup_printf ("%u %u 1", (guint) uid, (guint) uid);
  g_autofree char *groups = g_strdup_printf ("%u %u 1", (guint) getgid (), (guint) getgid ());

  if (unshare (CLONE_NEWNS) != 0 && unshare (CLONE_NEWUSER | CLONE_NEWNS) != 0)
    fault_skip ("no mount namespace can be had: %s", g_strerror (errno));
  if (uid != 0 && (!write_text ("/proc/self", "setgroups", "deny") ||
                   !write_text ("/proc/self", "uid_map", users) ||
                   !write_text ("/proc/self", "gid_map", groups)))
    fault_skip ("the user cannot be mapped: %s", g_strerror (errno));
  if (mount ("none", "/", "none", MS_REC | MS_PRIVATE, NULL) != 0)
    fault_skip ("mounts cannot be made private: %s", g_strerror (errno));
}

static void
mount_at (const char *path,
          const char *options)
{
  if (mount ("none", path, "tmpfs", 0, options) != 0)
    fault_skip ("%s cannot be mounted: %s", path, g_strerror (errno));
}

/* What needs shared memory, and what needs none. */
static void
use_pool (void)
{
  g_autoptr (AiopoolExecutor) pool = fault_pool (2);
  g_autoptr (AiopoolExecutor) untrusted = helper_untrusted_pool (1);
  g_autoptr (GPtrArray) futures = fault_submit_many (pool, 100, "echo");

  fault_expect_all (futures, AIOPOOL_FUTURE_DONE);
  g_variant_unref (helper_run (pool, "make-bytes", "(t)", 4 * MIB));
  g_variant_unref (helper_run (untrusted, "make-bytes", "(t)", 4 * MIB));
  fault_expect_good (pool);
  fault_expect_good (untrusted);
}

static void
fill (const char *path)
{
  g_autofree char *block = g_malloc0 (65536);
  int fd = open (path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

  g_assert_cmpint (fd, >=, 0);
  while (write (fd, block, 65536) > 0)
    ;
  g_assert_cmpint (errno, ==, ENOSPC);
  close (fd);
}

/* Row 47 */
static void
full_shm (void)
{
  have_own_mounts ();
  mount_at ("/dev/shm", "size=64k");
  fill ("/dev/shm/full");
}

/* Row 47 */
static void
full_tmp (void)
{
  have_own_mounts ();
  if (g_str_has_prefix (helper_environment ("AIOPOOL_TEST_ODD_WORKER"), "/tmp/"))
    fault_skip ("this build is in /tmp");
  mount_at ("/tmp", "size=64k");
  fill ("/tmp/full");
}

/* Row 48: what is below stays as it is. */
static void
make_read_only (const char *path)
{
  if (mount (path, path, "none", MS_BIND, NULL) != 0 ||
      mount ("none", path, "none", MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) != 0)
    fault_skip ("%s cannot be made read-only: %s", path, g_strerror (errno));
  g_assert_cmpint (access (path, W_OK), !=, 0);
}

static void
read_only_places (void)
{
  static const char *paths[] = { "/tmp", "/run", "/dev/shm", "/var/tmp" };

  have_own_mounts ();
  for (guint i = 0; i < G_N_ELEMENTS (paths); i++)
    make_read_only (paths[i]);
}

/* Row 48: and where they are missing. */
static void
missing_shm (void)
{
  g_autofree char *null = fault_file ("null");

  have_own_mounts ();
  g_assert_true (g_file_set_contents (null, "", 0, NULL));
  if (mount ("/dev/null", null, "none", MS_BIND, NULL) != 0)
    fault_skip ("/dev/null cannot be mounted elsewhere: %s", g_strerror (errno));
  mount_at ("/dev", "size=64k");
  g_assert_true (g_file_set_contents_full ("/dev/null", "", 0, G_FILE_SET_CONTENTS_NONE, 0600,
                                           NULL));
  g_assert_cmpint (mount (null, "/dev/null", "none", MS_BIND, NULL), ==, 0);
  g_assert_cmpint (access ("/dev/shm", F_OK), !=, 0);
  g_setenv ("TMPDIR", "/nonexistent", TRUE);
}

/* Row 43: the worker stays. */
static void
test_memory_limit (void)
{
  g_autoptr (AiopoolLauncher) launcher = aiopool_launcher_new ();
  g_autoptr (AiopoolExecutor) pool = NULL;
  g_autoptr (AiopoolFuture) future = NULL;
  int pid;

  if (fault_is_sanitized () || helper_is_valgrind ())
    fault_skip ("there is more address space in use than a limit could be");
  aiopool_launcher_set_max_memory (launcher, 512 * MIB);
  pool = AIOPOOL_EXECUTOR (aiopool_pool_new_with_launcher (1, launcher));
  pid = helper_run_pid (pool);
  future = helper_submit (pool, "allocate", "(t)", 1024 * MIB);
  helper_expect_error (future, G_IO_ERROR, G_IO_ERROR_NO_SPACE);
  g_assert_cmpint (helper_run_pid (pool), ==, pid);
  fault_expect_good (pool);
}

/* Row 49: the signal of that limit kills by default. */
static void
test_no_file_size (void)
{
  g_autoptr (AiopoolExecutor) pool = fault_pool (2);
  g_autoptr (GPtrArray) futures = NULL;
  rlim_t old = set_limit (RLIMIT_FSIZE, 0);

  futures = fault_submit_many (pool, 5, "echo");
  for (guint i = 0; i < futures->len; i++)
    {
      AiopoolFuture *future = g_ptr_array_index (futures, i);

      helper_expect_error (future, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_START_FAILED);
      helper_expect_message (future, "RLIMIT_FSIZE");
    }
  set_limit (RLIMIT_FSIZE, old);
  fault_expect_good (pool);
}

int
main (int   argc,
      char *argv[])
{
  static const FaultRow rows[] = {
    { "/faults/row-43-memory-limit", test_memory_limit },
    { "/faults/row-44-oom-score", test_oom_score },
    { "/faults/row-44-out-of-memory", test_out_of_memory },
    { "/faults/row-45-no-descriptors", test_no_descriptors },
    { "/faults/row-46-no-processes", test_no_processes, .prepare = become_nobody_else },
    { "/faults/row-47-full-shm", use_pool, .prepare = full_shm },
    { "/faults/row-47-full-tmp", use_pool, .prepare = full_tmp },
    { "/faults/row-48-read-only-places", use_pool, .prepare = read_only_places },
    { "/faults/row-48-missing-shm", use_pool, .prepare = missing_shm },
    { "/faults/row-49-no-file-size", test_no_file_size, .prepare = fault_leave_files },
  };

  return fault_main (argc, argv, rows, G_N_ELEMENTS (rows));
}
