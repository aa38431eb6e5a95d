/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/pool/helper.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* A test program: it is its own worker, each of its tests has a time limit, and after each one
 * nothing may be left: no process, no descriptor. */

#define TEST_SECONDS 40
#define LEFT_SECONDS 10
#define MAX_TESTS    200
#define MARKER       "AIOPOOL_TEST_PROGRAM"

static int         n_descriptors; /* open before the first test */
static char       *directory;     /* (owned): for temporary files */
static const char *current;       /* the test that runs */

static int
count_descriptors (void)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc/self/fd", 0, NULL);
  int n = 0;

  while (g_dir_read_name (dir) != NULL)
    n++;
  return n;
}

/* Without reaping it, which is GLib's to do. */
static gboolean
has_child (void)
{
  siginfo_t info;

  return waitid (P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD;
}

static gboolean
has_marker (const char *pid)
{
  g_autofree char *path = g_build_filename ("/proc", pid, "environ", NULL);
  g_autofree char *marker = g_strdup_printf (MARKER "=%d", (int) getpid ());
  g_autofree char *environment = NULL;
  gsize size;

  if (!g_file_get_contents (path, &environment, &size, NULL))
    return FALSE;
  for (gsize i = 0; i < size; i += strlen (environment + i) + 1)
    {
      if (g_str_equal (environment + i, marker))
        return TRUE;
    }
  return FALSE;
}

/* A process that inherited our environment, or 0. */
int
helper_find_offspring (void)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc", 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (dir)) != NULL)
    {
      if (g_ascii_isdigit (*name) && atoi (name) != getpid () && has_marker (name))
        return atoi (name);
    }
  return 0;
}

static gboolean
is_clean (void)
{
  while (g_main_context_iteration (NULL, FALSE))
    ;
  return !has_child () && count_descriptors () <= n_descriptors;
}

/* For a person who looks for the reason: (pid (name) state parent ...) of our children. */
static void
describe_children (void)
{
  g_autofree char *parent = g_strdup_printf (" %d ", (int) getpid ());
  g_autoptr (GDir) dir = g_dir_open ("/proc", 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename ("/proc", name, "stat", NULL);
      g_autofree char *stat = NULL;

      if (g_ascii_isdigit (*name) && g_file_get_contents (path, &stat, NULL, NULL) &&
          strstr (stat, parent) != NULL)
        g_printerr ("%s", stat);
    }
}

/* Processes end when they do; there is no event for the descriptors that are closed afterwards. */
static void
expect_clean (void)
{
  gint64 end = g_get_monotonic_time () + LEFT_SECONDS * G_USEC_PER_SEC;

  while ((!is_clean () || helper_find_offspring () != 0) && g_get_monotonic_time () < end)
    g_usleep (1000);
  if (has_child ())
    {
      describe_children ();
      g_error ("%s left a child process", current);
    }
  if (helper_find_offspring () != 0)
    g_error ("%s left process %d", current, helper_find_offspring ());
  if (count_descriptors () > n_descriptors)
    g_error ("%s left %d descriptors", current, count_descriptors () - n_descriptors);
}

typedef struct
{
  const char   *path;
  GTestFunc     function;      /* one of the two */
  GTestDataFunc data_function;
  gconstpointer data;
} Test;

static void
run_test (gconstpointer data)
{
  const Test *test = data;

  current = test->path;
  alarm (TEST_SECONDS);
  if (test->function != NULL)
    test->function ();
  else
    test->data_function (test->data);
  expect_clean ();
  alarm (0);
}

/* They stay: GLib forgets what was not chosen to run. */
static void
add (const Test *test)
{
  static Test tests[MAX_TESTS];
  static guint n_tests;

  g_assert (n_tests < MAX_TESTS);
  tests[n_tests] = *test;
  g_test_add_data_func (test->path, &tests[n_tests++], run_test);
}

/* @path: static. */
void
helper_add (const char *path,
            GTestFunc   function)
{
  add (&(Test) { .path = path, .function = function });
}

/* @path, @data: static. */
void
helper_add_data (const char   *path,
                 GTestDataFunc function,
                 gconstpointer data)
{
  add (&(Test) { .path = path, .data_function = function, .data = data });
}

/* What stays open for good is opened now. */
static void
warm_up (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);

  current = "the first pool";
  g_assert_cmpuint (helper_run_echo (pool, 5), ==, 5);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  g_clear_object (&pool);
  n_descriptors = G_MAXINT;
  expect_clean ();
  n_descriptors = count_descriptors ();
}

/* The first thing in main. */
void
helper_begin (int    *argc,
              char ***argv)
{
  g_autofree char *marker = NULL;

  aiopool_service_enter (helper_register, NULL);
  g_test_init (argc, argv, NULL);
  marker = g_strdup_printf ("%d", (int) getpid ());
  g_setenv (MARKER, marker, TRUE);
  directory = g_dir_make_tmp ("aiopool-test-XXXXXX", NULL);
  g_assert_nonnull (directory);
  warm_up ();
}

static void
remove_directory (void)
{
  g_autoptr (GDir) dir = g_dir_open (directory, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (directory, name, NULL);

      g_unlink (path);
    }
  g_rmdir (directory);
  g_clear_pointer (&directory, g_free);
}

int
helper_end (void)
{
  int status = g_test_run ();

  remove_directory ();
  return status;
}

/* A path in the directory of this program, which is removed at its end. */
char *
helper_file (const char *name)
{
  return g_build_filename (directory, name, NULL);
}

/* What the kernel says of the process or thread, or 0 if there is none. */
static char
get_state (const char *path)
{
  g_autofree char *stat = NULL;
  const char *end;

  if (!g_file_get_contents (path, &stat, NULL, NULL))
    return 0;
  end = strrchr (stat, ')');
  return end != NULL && end[1] == ' ' ? end[2] : 0;
}

/* Zombies do not count. */
gboolean
helper_is_alive (int pid)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/stat", pid);
  char state = get_state (path);

  return state != 0 && state != 'Z' && state != 'X';
}

void
helper_await_end (int pid)
{
  while (helper_is_alive (pid))
    g_usleep (1000);
}

/* Until a thread of this program waits for something. */
void
helper_await_sleep (int tid)
{
  g_autofree char *path = g_strdup_printf ("/proc/self/task/%d/stat", tid);

  while (get_state (path) != 'S')
    g_thread_yield ();
}

/* Ends a fork by another program: at the end of this one valgrind would look for leaks, and find
 * what the threads had that no fork has. */
void
helper_end_fork (int status)
{
  char text[12];

  g_snprintf (text, sizeof text, "%d", status);
  execl ("/bin/sh", "sh", "-c", "exit $0", text, NULL);
  _exit (127);
}

/* FALSE in the test program: the test is done in one of its own, for its standard output may be a
 * file and under the limit too. */
gboolean
helper_is_apart (void)
{
  if (g_test_subprocess ())
    return TRUE;
  g_test_trap_subprocess (NULL, 0, 0);
  g_test_trap_assert_passed ();
  return FALSE;
}

void
helper_limit_files (rlim_t size)
{
  struct rlimit limit;

  g_assert_cmpint (getrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  limit.rlim_cur = MIN (size, limit.rlim_max);
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);
}
