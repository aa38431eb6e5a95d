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

static void
register_functions (AiopoolService *service,
                    gpointer        user_data)
{
  helper_register (service, user_data);
  aiopool_service_add (service, "say", say, NULL, NULL);
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
  return helper_end ();
}
