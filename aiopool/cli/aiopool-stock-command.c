/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "aiopool/cli/aiopool-stock-private.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib-unix.h>
#include <glib/gstdio.h>

/* command: runs a program and answers (iiayay): exit status or -1, signal or 0, standard output,
 * standard error. The argument is a shell line (string or byte string) or a vector of words.
 * Keyword "output-limit" (t): most bytes of output; more is an error and ends the command.
 *
 * A command stays in the worker's process group, so that a pool that kills the group of a worker
 * kills its command, and dies with the worker's main thread (PR_SET_PDEATHSIG). A cancelled call
 * must end the command's own children too and keep the worker: everything in the group that began
 * with or after the command is killed, the worker is not. Nothing else can have begun meanwhile,
 * for this function holds the worker's main thread.
 *
 * Output that is written by something the command left in the background counts for a short
 * moment after the command's end, no longer: a daemon must not hold the result. */

#define DEFAULT_LIMIT (64 * 1024 * 1024)
#define READ_SIZE (64 * 1024)
#define STRAGGLER_US (100 * G_TIME_SPAN_MILLISECOND)
#define TERM_US (100 * G_TIME_SPAN_MILLISECOND)
#define KILL_ROUNDS 50

typedef struct
{
  GPid        pid;
  int         pidfd;        /* (owned), -1 where the kernel has none */
  guint64     start_ticks;  /* of the process; since boot */
  int         fds[2];       /* (owned) standard output and error, -1 at their end */
  GByteArray *outputs[2];   /* (owned) */
  guint64     limit;        /* for both together */
  gboolean    has_ended;
  int         wait_status;  /* valid once it has ended */
  gint64      ended_us;
} Child;

/* --- start and end of the structure ----------------------------------------------------------- */

static void
init_child (Child *child)
{
  child->pidfd = child->fds[0] = child->fds[1] = -1;
  child->outputs[0] = g_byte_array_new ();
  child->outputs[1] = g_byte_array_new ();
}

static void
close_fd (int *fd)
{
  if (*fd >= 0)
    g_close (*fd, NULL);
  *fd = -1;
}

static void
clear_child (Child *child)
{
  close_fd (&child->pidfd);
  close_fd (&child->fds[0]);
  close_fd (&child->fds[1]);
  g_byte_array_unref (child->outputs[0]);
  g_byte_array_unref (child->outputs[1]);
}

/* --- /proc ------------------------------------------------------------------------------------ */

/* Process group and start time of @pid: fields 5 and 22 of its stat, counted from behind the
 * name, which may hold anything. */
static gboolean
read_stat (GPid     pid,
           GPid    *group,
           guint64 *start_ticks)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/stat", pid);
  g_autofree char *text = NULL;
  g_auto (GStrv) fields = NULL;
  const char *rest = NULL;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return FALSE;

  rest = strrchr (text, ')');
  if (rest == NULL)
    return FALSE;

  fields = g_strsplit (rest, " ", 23);
  if (g_strv_length (fields) < 21)
    return FALSE;

  *group = (GPid) g_ascii_strtoll (fields[3], NULL, 10);
  *start_ticks = g_ascii_strtoull (fields[20], NULL, 10);
  return fields[1][0] != 'Z'; /* a zombie is gone already */
}

/* Signals everything in this process group that is not older than the child; says how much. */
static guint
signal_group_since (Child *child,
                    int    signal_number)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc", 0, NULL);
  const char *name = NULL;
  guint n_signalled = 0;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      GPid pid = (GPid) g_ascii_strtoll (name, NULL, 10);
      GPid group = 0;
      guint64 start_ticks = 0;

      if (pid <= 0 || pid == getpid () || !read_stat (pid, &group, &start_ticks))
        continue;

      if (group == getpgrp () && start_ticks >= child->start_ticks)
        n_signalled += kill (pid, signal_number) == 0;
    }

  return n_signalled;
}

/* --- the process ------------------------------------------------------------------------------ */

/* In the child, between fork and exec. */
static void
on_child_setup (gpointer user_data)
{
  GPid worker_pid = GPOINTER_TO_INT (user_data);

  prctl (PR_SET_PDEATHSIG, SIGKILL);
  if (getppid () != worker_pid)
    _exit (127);
}

/* One domain for whatever goes wrong in this plug-in. */
static void
set_error_from_spawn (GError      **error,
                      const GError *spawn_error)
{
  int code = G_IO_ERROR_FAILED;

  if (g_error_matches (spawn_error, G_SPAWN_ERROR, G_SPAWN_ERROR_NOENT))
    code = G_IO_ERROR_NOT_FOUND;
  else if (g_error_matches (spawn_error, G_SPAWN_ERROR, G_SPAWN_ERROR_ACCES) ||
           g_error_matches (spawn_error, G_SPAWN_ERROR, G_SPAWN_ERROR_PERM))
    code = G_IO_ERROR_PERMISSION_DENIED;
  else if (g_error_matches (spawn_error, G_SPAWN_ERROR, G_SPAWN_ERROR_TOO_BIG))
    code = G_IO_ERROR_MESSAGE_TOO_LARGE;

  g_set_error_literal (error, G_IO_ERROR, code, spawn_error->message);
}

static gboolean
spawn_child (Child   *child,
             char   **argv,
             GError **error)
{
  g_autoptr (GError) spawn_error = NULL;
  GPid group = 0;

  if (!g_spawn_async_with_pipes (NULL, argv, NULL,
                                 G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_SEARCH_PATH,
                                 on_child_setup, GINT_TO_POINTER (getpid ()), &child->pid,
                                 NULL, &child->fds[0], &child->fds[1], &spawn_error))
    {
      set_error_from_spawn (error, spawn_error);
      return FALSE;
    }

#ifdef SYS_pidfd_open
  child->pidfd = (int) syscall (SYS_pidfd_open, child->pid, 0);
#endif
  g_unix_set_fd_nonblocking (child->fds[0], TRUE, NULL);
  g_unix_set_fd_nonblocking (child->fds[1], TRUE, NULL);
  read_stat (child->pid, &group, &child->start_ticks);
  return TRUE;
}

static void
check_has_ended (Child *child)
{
  pid_t pid = 0;

  if (child->has_ended)
    return;

  /* -1: someone else has reaped it, and its status is lost. */
  pid = waitpid (child->pid, &child->wait_status, WNOHANG);
  if (pid == 0 || (pid < 0 && errno == EINTR))
    return;

  child->has_ended = TRUE;
  child->ended_us = g_get_monotonic_time ();
}

static void
wait_awhile (Child *child,
             gint64 duration_us)
{
  gint64 deadline_us = g_get_monotonic_time () + duration_us;

  check_has_ended (child);
  while (!child->has_ended && g_get_monotonic_time () < deadline_us)
    {
      g_usleep (2 * G_TIME_SPAN_MILLISECOND);
      check_has_ended (child);
    }
}

/* Asks first, then kills until nothing is left: what is being killed may still fork. */
static void
kill_child (Child *child)
{
  gboolean has_group = getpgrp () == getpid () && child->start_ticks > 0;
  guint round = 0;

  if (!has_group)
    {
      if (!child->has_ended)
        kill (child->pid, SIGKILL);
      wait_awhile (child, G_TIME_SPAN_SECOND);
      return;
    }

  signal_group_since (child, SIGTERM);
  wait_awhile (child, TERM_US);
  for (round = 0; round < KILL_ROUNDS && signal_group_since (child, SIGKILL) > 0; round++)
    g_usleep (2 * G_TIME_SPAN_MILLISECOND);
  wait_awhile (child, G_TIME_SPAN_SECOND);
}

/* --- output ----------------------------------------------------------------------------------- */

static gboolean
read_output (Child   *child,
             guint    which,
             GError **error)
{
  guint8 block[READ_SIZE];
  gssize length = read (child->fds[which], block, sizeof block);

  if (length < 0 && (errno == EAGAIN || errno == EINTR))
    return TRUE;

  if (length <= 0)
    {
      close_fd (&child->fds[which]);
      return TRUE;
    }

  if ((guint64) child->outputs[0]->len + child->outputs[1]->len + length > child->limit)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_MESSAGE_TOO_LARGE,
                   "The command wrote more than %" G_GUINT64_FORMAT " bytes", child->limit);
      return FALSE;
    }

  g_byte_array_append (child->outputs[which], block, (guint) length);
  return TRUE;
}

static int
get_poll_timeout_ms (const Child *child)
{
  if (child->has_ended)
    return 10;
  return child->pidfd >= 0 ? -1 : 10;
}

static gboolean
is_complete (const Child *child)
{
  if (!child->has_ended)
    return FALSE;

  return (child->fds[0] < 0 && child->fds[1] < 0) ||
         g_get_monotonic_time () - child->ended_us > STRAGGLER_US;
}

static gboolean
follow_child (Child        *child,
              int           cancel_fd,
              GCancellable *cancellable,
              GError      **error)
{
  while (!is_complete (child))
    {
      struct pollfd fds[4] = {
        { child->fds[0], POLLIN, 0 },
        { child->fds[1], POLLIN, 0 },
        { cancel_fd, POLLIN, 0 },
        { child->has_ended ? -1 : child->pidfd, POLLIN, 0 },
      };

      if (poll (fds, G_N_ELEMENTS (fds), get_poll_timeout_ms (child)) < 0)
        continue;

      if (g_cancellable_set_error_if_cancelled (cancellable, error))
        return FALSE;
      if (fds[0].revents != 0 && !read_output (child, 0, error))
        return FALSE;
      if (fds[1].revents != 0 && !read_output (child, 1, error))
        return FALSE;
      check_has_ended (child);
    }

  return TRUE;
}

/* --- arguments and result --------------------------------------------------------------------- */

static char **
dup_words (GVariant *value,
           GError  **error)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  gsize i = 0;

  for (i = 0; i < g_variant_n_children (value); i++)
    {
      g_autoptr (GVariant) child = g_variant_get_child_value (value, i);
      g_autofree char *word = stock_dup_bytes (child, error);

      if (word == NULL)
        return NULL;
      g_strv_builder_add (builder, word);
    }

  return g_strv_builder_end (builder);
}

static char **
dup_shell_argv (GVariant *value,
                GError  **error)
{
  g_autofree char *line = stock_dup_bytes (value, error);
  const char *argv[] = { "/bin/sh", "-c", line, NULL };

  return line != NULL ? g_strdupv ((char **) argv) : NULL;
}

static char **
dup_argv (GVariant *arguments,
          GError  **error)
{
  g_autoptr (GVariant) value = stock_dup_argument (arguments, error);
  g_auto (GStrv) argv = NULL;

  if (value == NULL)
    return NULL;

  if (g_variant_is_of_type (value, G_VARIANT_TYPE_BYTESTRING_ARRAY) ||
      g_variant_is_of_type (value, G_VARIANT_TYPE_STRING_ARRAY))
    argv = dup_words (value, error);
  else
    argv = dup_shell_argv (value, error);

  if (argv == NULL || (argv[0] != NULL && argv[0][0] != '\0'))
    return g_steal_pointer (&argv);

  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "No program is named");
  return NULL;
}

static guint64
get_limit (AiopoolCall *call)
{
  GVariant *keywords = aiopool_call_get_keywords (call);
  guint64 limit = DEFAULT_LIMIT;

  if (keywords != NULL)
    g_variant_lookup (keywords, "output-limit", "t", &limit);

  return MIN (limit, G_MAXINT32);
}

static GVariant *
steal_output (Child *child,
              guint  which)
{
  g_autoptr (GBytes) bytes = NULL;

  bytes = g_byte_array_free_to_bytes (g_steal_pointer (&child->outputs[which]));
  child->outputs[which] = g_byte_array_new ();
  return g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, bytes, TRUE);
}

static GVariant *
make_result (Child *child)
{
  int status = child->wait_status;

  return g_variant_new ("(ii@ay@ay)",
                        WIFEXITED (status) ? WEXITSTATUS (status) : -1,
                        WIFSIGNALED (status) ? WTERMSIG (status) : 0,
                        steal_output (child, 0),
                        steal_output (child, 1));
}

static gboolean
run_child (Child        *child,
           char        **argv,
           GCancellable *cancellable,
           GError      **error)
{
  int cancel_fd = -1;
  gboolean is_ok = FALSE;

  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    return FALSE;

  if (!spawn_child (child, argv, error))
    return FALSE;

  cancel_fd = g_cancellable_get_fd (cancellable);
  is_ok = follow_child (child, cancel_fd, cancellable, error);
  if (cancel_fd >= 0)
    g_cancellable_release_fd (cancellable);

  if (!is_ok)
    kill_child (child);
  return is_ok;
}

GVariant *
stock_command (AiopoolCall *call,
               GVariant    *arguments,
               gpointer     user_data,
               GError     **error)
{
  g_auto (GStrv) argv = dup_argv (arguments, error);
  GVariant *result = NULL;
  Child child = { 0 };

  if (argv == NULL)
    return NULL;

  init_child (&child);
  child.limit = get_limit (call);
  if (run_child (&child, argv, aiopool_call_get_cancellable (call), error))
    result = make_result (&child);
  clear_child (&child);
  return result;
}
