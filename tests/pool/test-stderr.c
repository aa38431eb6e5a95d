/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/pool/helper.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* What workers say on standard error comes out at this program's, whatever that is, and neither
 * blocks the pools nor ends the program. */

#define WORDS "words of a worker\n"
#define PLENTY 300 /* kilobytes: more than a pipe, a terminal or a socket takes unread */

typedef enum { PIPE, SOCKET, TERMINAL } Kind;

static int saved_stderr = -1;

/* (n): so many kilobytes; none for a few words. */
static GVariant *
say (AiopoolCall *call,
     GVariant    *arguments,
     gpointer     user_data,
     GError     **error)
{
  char line[1024];
  guint n;

  g_variant_get (arguments, "(u)", &n);
  memset (line, 'x', sizeof line);
  line[sizeof line - 1] = '\n';
  for (guint i = 0; i < n; i++)
    {
      if (write (STDERR_FILENO, line, sizeof line) != sizeof line)
        return NULL;
    }
  if (n == 0 && write (STDERR_FILENO, WORDS, strlen (WORDS)) < 0)
    return NULL;
  return g_variant_new_boolean (TRUE);
}

/* (text, end): "fail", "crash", "hang" after a sign of life, else a result. */
static GVariant *
say_and_end (AiopoolCall *call,
             GVariant    *arguments,
             gpointer     user_data,
             GError     **error)
{
  const char *text, *end;

  g_variant_get (arguments, "(&s&s)", &text, &end);
  if (write (STDERR_FILENO, text, strlen (text)) < 0)
    return NULL;
  if (g_str_equal (end, "crash"))
    raise (SIGKILL);
  if (g_str_equal (end, "hang"))
    aiopool_call_set_progress (call, 0.5, NULL);
  while (g_str_equal (end, "hang"))
    pause ();
  if (g_str_equal (end, "fail"))
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_FAILED, "as it was told");
  return *error == NULL ? g_variant_new_boolean (TRUE) : NULL;
}

static void
register_functions (AiopoolService *service,
                    gpointer        user_data)
{
  helper_register (service, user_data);
  aiopool_service_add (service, "say", say, NULL, NULL);
  aiopool_service_add (service, "say-and-end", say_and_end, NULL, NULL);
}

static void
open_terminal (int *fds)
{
  fds[0] = posix_openpt (O_RDWR | O_NOCTTY | O_CLOEXEC);
  g_assert_cmpint (grantpt (fds[0]), ==, 0);
  g_assert_cmpint (unlockpt (fds[0]), ==, 0);
  fds[1] = open (ptsname (fds[0]), O_RDWR | O_NOCTTY | O_CLOEXEC);
}

/* Standard error is @fd, which is taken, until restore_stderr(). */
static void
replace_stderr (int fd)
{
  g_assert_cmpint (fd, >=, 0);
  saved_stderr = fcntl (STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
  dup2 (fd, STDERR_FILENO);
  close (fd);
}

static void
restore_stderr (void)
{
  dup2 (saved_stderr, STDERR_FILENO);
  close (saved_stderr);
}

/* Returns: the other end of standard error. */
static int
redirect_stderr (Kind kind)
{
  int fds[2] = { -1, -1 };

  if (kind == PIPE)
    g_assert_cmpint (pipe2 (fds, O_CLOEXEC), ==, 0);
  else if (kind == SOCKET)
    g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
  else
    open_terminal (fds);
  replace_stderr (fds[1]);
  return fds[0];
}

static void
let_say (AiopoolExecutor *pool,
         guint            n)
{
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "say", "(u)", n);

  g_variant_unref (helper_collect (future));
}

static void
await_words (int fd)
{
  g_autoptr (GString) text = g_string_new (NULL);
  char buffer[256];

  while (strstr (text->str, "words of a worker") == NULL)
    {
      gssize n = read (fd, buffer, sizeof buffer);

      g_assert_cmpint (n, >, 0);
      g_string_append_len (text, buffer, n);
    }
}

static void
test_it_comes_out (gconstpointer data)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  int fd = redirect_stderr (GPOINTER_TO_INT (data));

  let_say (pool, 0);
  await_words (fd);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  restore_stderr ();
  close (fd);
}

static void
test_it_comes_out_in_a_file (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autofree char *path = helper_file ("stderr");
  g_autofree char *text = NULL;
  int fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

  g_assert_cmpint (write (fd, "before\n", 7), ==, 7);
  replace_stderr (fd);
  let_say (pool, 0);
  let_say (pool, 0);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  g_assert_cmpint (write (STDERR_FILENO, "after\n", 6), ==, 6);
  restore_stderr ();
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  g_assert_cmpstr (text, ==, "before\n" WORDS WORDS "after\n");
}

/* All pools have one engine: one that waits for a reader stops them all. */
static void
test_nobody_reads (gconstpointer data)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (AiopoolExecutor) other = helper_pool (1);
  int fd = redirect_stderr (GPOINTER_TO_INT (data));

  let_say (pool, PLENTY);
  helper_run_echo (other, 1);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  helper_shutdown (other, AIOPOOL_SHUTDOWN_DRAIN);
  restore_stderr ();
  close (fd);
}

static void
test_the_reader_is_gone (gconstpointer data)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  int fd = redirect_stderr (GPOINTER_TO_INT (data));

  signal (SIGPIPE, SIG_DFL);
  close (fd);
  let_say (pool, PLENTY);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  restore_stderr ();
}

static void
test_standard_error_is_closed (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);

  helper_run_echo (pool, 1); /* so that no descriptor of the pool gets the number */
  saved_stderr = fcntl (STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
  close (STDERR_FILENO);
  let_say (pool, PLENTY);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  restore_stderr ();
}

/* For all that is opened from now on. Returns: what there was. */
static struct rlimit
leave_no_descriptor (void)
{
  struct rlimit old, none;
  int fd = fcntl (STDIN_FILENO, F_DUPFD_CLOEXEC, 0);

  close (fd);
  getrlimit (RLIMIT_NOFILE, &old);
  none = (struct rlimit) { (rlim_t) fd, old.rlim_max };
  setrlimit (RLIMIT_NOFILE, &none);
  return old;
}

/* What cannot be opened again is written to if that does not block. */
static void
test_no_descriptor_is_left (gconstpointer data)
{
  Kind kind = GPOINTER_TO_INT (data);
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  int fd = redirect_stderr (kind);
  struct rlimit old;

  helper_run_echo (pool, 1);
  old = leave_no_descriptor ();
  let_say (pool, 0);
  if (kind != TERMINAL)
    await_words (fd);
  let_say (pool, PLENTY);
  setrlimit (RLIMIT_NOFILE, &old);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  restore_stderr ();
  close (fd);
}

static AiopoolFuture *
submit_end (AiopoolExecutor *pool,
            const char      *text,
            const char      *end)
{
  return helper_submit (pool, "say-and-end", "(ss)", text, end);
}

/* However soon the next task comes after the result of this one. */
static void
test_a_failed_task_has_its_own_lines (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  int fd = redirect_stderr (PIPE);

  for (guint i = 0; i < 100; i++)
    {
      g_autoptr (AiopoolFuture) good = submit_end (pool, "before\n", "well");
      g_autoptr (AiopoolFuture) bad = NULL;
      g_autoptr (AiopoolFuture) silent = NULL;

      g_variant_unref (helper_collect (good));
      g_assert_null (aiopool_future_get_standard_error (good));
      bad = submit_end (pool, "mine\nand mine\n", "fail");
      helper_expect_error (bad, G_IO_ERROR, G_IO_ERROR_FAILED);
      g_assert_cmpstr (aiopool_future_get_standard_error (bad), ==, "mine\nand mine");
      silent = submit_end (pool, "", "fail");
      helper_expect_error (silent, G_IO_ERROR, G_IO_ERROR_FAILED);
      g_assert_null (aiopool_future_get_standard_error (silent));
    }
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
  restore_stderr ();
  close (fd);
}

static void
test_a_crashed_task_has_its_own_lines (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (AiopoolFuture) good = submit_end (pool, "before\n", "well");
  g_autoptr (AiopoolFuture) bad = NULL;
  AiopoolErrorInfo *info;

  g_variant_unref (helper_collect (good));
  bad = submit_end (pool, "the end", "crash");
  helper_expect_error (bad, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_CRASHED);
  g_assert_cmpstr (aiopool_future_get_standard_error (bad), ==, "the end");
  g_assert_null (strstr (aiopool_future_get_error (bad)->message, "before"));
  info = aiopool_future_get_error_info (bad);
  g_assert_cmpstr (aiopool_error_info_get_traceback (info), ==, "the end");
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
count_progress (AiopoolFuture *future,
                double         fraction,
                const char    *message,
                gpointer       user_data)
{
  g_atomic_int_inc ((int *) user_data);
}

/* As far as it came until then. */
static void
test_a_task_that_is_given_up_has_its_own_lines (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (AiopoolFuture) good = submit_end (pool, "before\n", "well");
  g_autoptr (AiopoolFuture) bad = NULL;
  int n_reports = 0;

  g_variant_unref (helper_collect (good));
  bad = submit_end (pool, "so far\n", "hang");
  g_signal_connect (bad, "progressed", G_CALLBACK (count_progress), &n_reports);
  helper_await_count (&n_reports, 1);
  g_assert_null (aiopool_future_get_standard_error (bad));
  aiopool_future_cancel (bad, AIOPOOL_CANCEL_FORCE);
  helper_expect_cancelled (bad);
  g_assert_cmpstr (aiopool_future_get_standard_error (bad), ==, "so far");
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_TERMINATE);
}

int
main (int   argc,
      char *argv[])
{
  static const char *kinds[] = { "pipe", "socket", "terminal" };
  static const struct { const char *name; GTestDataFunc function; } tests[] = {
    { "it-comes-out", test_it_comes_out }, { "nobody-reads", test_nobody_reads },
    { "the-reader-is-gone", test_the_reader_is_gone },
    { "no-descriptor-is-left", test_no_descriptor_is_left },
  };

  aiopool_service_enter (register_functions, NULL);
  helper_begin (&argc, &argv);
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    {
      for (guint kind = 0; kind < G_N_ELEMENTS (kinds); kind++)
        {
          g_autofree char *path = g_strdup_printf ("/pool/stderr/%s/%s", tests[i].name,
                                                   kinds[kind]);

          helper_add_data (g_intern_string (path), tests[i].function, GUINT_TO_POINTER (kind));
        }
    }
  helper_add ("/pool/stderr/it-comes-out/file", test_it_comes_out_in_a_file);
  helper_add ("/pool/stderr/closed", test_standard_error_is_closed);
  helper_add ("/pool/stderr/of-a-failed-task", test_a_failed_task_has_its_own_lines);
  helper_add ("/pool/stderr/of-a-crashed-task", test_a_crashed_task_has_its_own_lines);
  helper_add ("/pool/stderr/of-a-task-that-is-given-up",
              test_a_task_that_is_given_up_has_its_own_lines);
  return helper_end ();
}
