/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/pool/helper.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* What the workers of these tests can do. Functions that answer later are registered only with
 * HELPER_ASYNC in the environment, since the first of them changes how a worker serves. */

static GVariant *
unit (void)
{
  return g_variant_new_tuple (NULL, 0);
}

static GVariant *
act (AiopoolCall *call,
     GVariant    *arguments,
     gpointer     user_data,
     GError     **error)
{
  return helper_act (arguments, aiopool_call_get_keywords (call),
                     aiopool_call_get_cancellable (call), error);
}

/* Arguments or bytes go back as they are. */
static GVariant *
echo (AiopoolCall *call,
      GVariant    *arguments,
      gpointer     user_data,
      GError     **error)
{
  g_autoptr (GBytes) payload = NULL;
  AiopoolFormat format;

  if (arguments != NULL)
    return g_variant_ref (arguments);
  payload = aiopool_call_dup_payload (call, &format);
  aiopool_call_return_payload (call, payload, format);
  return NULL;
}

/* (domain, code, message): "helper-private" is a domain that the parent does not know. */
static GVariant *
fail (AiopoolCall *call,
      GVariant    *arguments,
      gpointer     user_data,
      GError     **error)
{
  const char *domain, *message;
  int code;

  g_variant_get (arguments, "(&si&s)", &domain, &code, &message);
  g_set_error_literal (error, g_quark_from_string (domain), code, message);
  return NULL;
}

static GVariant *
fail_with_info (AiopoolCall *call,
                GVariant    *arguments,
                gpointer     user_data,
                GError     **error)
{
  static const char *notes[] = { "a note", NULL };
  g_autoptr (AiopoolErrorInfo) info = aiopool_error_info_new ("ValueError", "no such value");
  g_autoptr (AiopoolErrorInfo) cause = aiopool_error_info_new ("KeyError", "'x'");

  aiopool_error_info_set_traceback (info, "line 1\nline 2\n");
  aiopool_error_info_set_notes (info, notes);
  aiopool_error_info_set_cause (info, cause);
  aiopool_call_set_error_info (call, info);
  g_set_error_literal (error, g_quark_from_string ("helper-private"), 4, "no such value");
  return NULL;
}

static GVariant *
say_nothing (AiopoolCall *call,
             GVariant    *arguments,
             gpointer     user_data,
             GError     **error)
{
  return NULL;
}

static GVariant *
get_pid (AiopoolCall *call,
         GVariant    *arguments,
         gpointer     user_data,
         GError     **error)
{
  return g_variant_new_int32 (getpid ());
}

static GVariant *
get_environment (AiopoolCall *call,
                 GVariant    *arguments,
                 gpointer     user_data,
                 GError     **error)
{
  const char *name, *value;

  g_variant_get (arguments, "(&s)", &name);
  value = g_getenv (name);
  return g_variant_new_string (value != NULL ? value : "(unset)");
}

static GVariant *
get_directory (AiopoolCall *call,
               GVariant    *arguments,
               gpointer     user_data,
               GError     **error)
{
  g_autofree char *directory = g_get_current_dir ();

  return g_variant_new_string (directory);
}

/* What a process inherits: (i) -> b. */
static GVariant *
has_descriptor (AiopoolCall *call,
                GVariant    *arguments,
                gpointer     user_data,
                GError     **error)
{
  int fd;

  g_variant_get (arguments, "(i)", &fd);
  return g_variant_new_boolean (fcntl (fd, F_GETFD) >= 0);
}

static GVariant *
ignores_signal (AiopoolCall *call,
                GVariant    *arguments,
                gpointer     user_data,
                GError     **error)
{
  struct sigaction action;
  int number;

  g_variant_get (arguments, "(i)", &number);
  return g_variant_new_boolean (sigaction (number, NULL, &action) == 0 &&
                                action.sa_handler == SIG_IGN);
}

static GVariant *
get_keywords (AiopoolCall *call,
              GVariant    *arguments,
              gpointer     user_data,
              GError     **error)
{
  GVariant *keywords = aiopool_call_get_keywords (call);

  return keywords != NULL ? g_variant_ref (keywords) : unit ();
}

static GVariant *
get_time_left (AiopoolCall *call,
               GVariant    *arguments,
               gpointer     user_data,
               GError     **error)
{
  return g_variant_new_double (aiopool_call_get_time_left (call));
}

/* (seconds): plays a long task. */
static GVariant *
nap (AiopoolCall *call,
     GVariant    *arguments,
     gpointer     user_data,
     GError     **error)
{
  double seconds;

  g_variant_get (arguments, "(d)", &seconds);
  g_usleep ((gulong) (seconds * G_USEC_PER_SEC));
  return unit ();
}

static GVariant *
spin (AiopoolCall *call,
      GVariant    *arguments,
      gpointer     user_data,
      GError     **error)
{
  for (volatile guint i = 0;; i++)
    ;
  return unit ();
}

/* TRUE if it was cancelled before the gate opened. */
static gboolean
wait_at_gate (int           release_fd,
              GCancellable *cancellable)
{
  GPollFD fds[2] = { { release_fd, G_IO_IN, 0 }, { -1, G_IO_IN, 0 } };
  gboolean is_cancelled;

  if (cancellable != NULL)
    g_cancellable_make_pollfd (cancellable, &fds[1]);
  while (g_poll (fds, cancellable != NULL ? 2 : 1, -1) < 0)
    ;
  is_cancelled = cancellable != NULL && fds[1].revents != 0;
  if (cancellable != NULL)
    g_cancellable_release_fd (cancellable);
  return is_cancelled;
}

/* (mode), and what the task does when it is cancelled: "deaf" never looks, "listen" asks for the
 * cancellable and does nothing with it, "stubborn" ignores SIGTERM too, "obey" ends with an error,
 * "tell" with a result. */
static GVariant *
gate (AiopoolCall *call,
      GVariant    *arguments,
      gpointer     user_data,
      GError     **error)
{
  const int *fds = g_unix_fd_list_peek_fds (aiopool_call_get_fds (call), NULL);
  GCancellable *cancellable = NULL;
  gboolean is_cancelled;
  const char *mode;

  g_variant_get (arguments, "(&s)", &mode);
  if (!g_str_equal (mode, "deaf"))
    cancellable = aiopool_call_get_cancellable (call);
  if (g_str_equal (mode, "stubborn"))
    signal (SIGTERM, SIG_IGN);
  if (write (fds[0], "!", 1) != 1)
    return g_variant_new_string ("nobody waits");
  is_cancelled = wait_at_gate (fds[1], g_str_equal (mode, "obey") || g_str_equal (mode, "tell")
                                         ? cancellable
                                         : NULL);
  if (is_cancelled && g_str_equal (mode, "obey"))
    {
      g_cancellable_set_error_if_cancelled (cancellable, error);
      return NULL;
    }
  return g_variant_new_string (is_cancelled ? "told" : "open");
}

static void
die (int number)
{
  struct rlimit none = { 0, 0 };

  setrlimit (RLIMIT_CORE, &none);
  signal (number, SIG_DFL);
  raise (number);
}

/* (signal) */
static GVariant *
crash (AiopoolCall *call,
       GVariant    *arguments,
       gpointer     user_data,
       GError     **error)
{
  int number;

  g_variant_get (arguments, "(i)", &number);
  die (number);
  return unit ();
}

/* (status) */
static GVariant *
leave (AiopoolCall *call,
       GVariant    *arguments,
       gpointer     user_data,
       GError     **error)
{
  int status;

  g_variant_get (arguments, "(i)", &status);
  _exit (status);
}

/* (text): the last words on standard error, a byte string. */
static GVariant *
complain (AiopoolCall *call,
          GVariant    *arguments,
          gpointer     user_data,
          GError     **error)
{
  const char *text;

  g_variant_get (arguments, "(^&ay)", &text);
  fputs (text, stderr);
  die (SIGKILL);
  return unit ();
}

/* Closes what it serves with. */
static GVariant *
close_all (AiopoolCall *call,
           GVariant    *arguments,
           gpointer     user_data,
           GError     **error)
{
  for (int fd = 3; fd < 32; fd++)
    close (fd);
  for (;;)
    pause ();
  return unit ();
}

/* A child that outlives the task and holds its descriptors; then (signal). */
static GVariant *
leave_child (AiopoolCall *call,
             GVariant    *arguments,
             gpointer     user_data,
             GError     **error)
{
  int number;

  g_variant_get (arguments, "(i)", &number);
  if (fork () == 0)
    {
      for (;;)
        pause ();
    }
  if (number != 0)
    die (number);
  return unit ();
}

/* (path, number, signal): notes that it ran, and dies unless the signal is 0. */
static GVariant *
mark (AiopoolCall *call,
      GVariant    *arguments,
      gpointer     user_data,
      GError     **error)
{
  const char *path;
  guint number;
  int signal_number, fd;
  gboolean ok;

  g_variant_get (arguments, "(&sui)", &path, &number, &signal_number);
  fd = open (path, O_WRONLY | O_APPEND | O_CLOEXEC);
  ok = fd >= 0 && write (fd, &number, sizeof number) == sizeof number;
  close (fd);
  if (signal_number != 0)
    die (signal_number);
  return g_variant_new_boolean (ok);
}

/* (microseconds, signal, path, number): notes that it ran, goes on for so long, or until it is
 * cancelled, and dies unless the signal is 0. */
static GVariant *
race (AiopoolCall *call,
      GVariant    *arguments,
      gpointer     user_data,
      GError     **error)
{
  const char *path;
  guint64 usec;
  guint number;
  int signal_number, fd;
  gint64 end;
  gboolean ok;

  g_variant_get (arguments, "(ti&su)", &usec, &signal_number, &path, &number);
  fd = open (path, O_WRONLY | O_APPEND | O_CLOEXEC);
  ok = fd >= 0 && write (fd, &number, sizeof number) == sizeof number;
  close (fd);
  end = g_get_monotonic_time () + (gint64) usec;
  while (g_get_monotonic_time () < end)
    {
      if (g_cancellable_set_error_if_cancelled (aiopool_call_get_cancellable (call), error))
        return NULL;
    }
  if (signal_number != 0)
    die (signal_number);
  return g_variant_new_boolean (ok);
}

/* (path): fails if there is such a file. */
static GVariant *
fail_if_there (AiopoolCall *call,
               GVariant    *arguments,
               gpointer     user_data,
               GError     **error)
{
  const char *path;

  g_variant_get (arguments, "(&s)", &path);
  if (!g_file_test (path, G_FILE_TEST_EXISTS))
    return unit ();
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_EXISTS, "%s is there", path);
  return NULL;
}

/* (n): so many reports, the last one with the message "last". */
static GVariant *
report (AiopoolCall *call,
        GVariant    *arguments,
        gpointer     user_data,
        GError     **error)
{
  guint n;

  g_variant_get (arguments, "(u)", &n);
  for (guint i = 1; i <= n; i++)
    aiopool_call_set_progress (call, (double) i / n, i < n ? "under way" : "last");
  return unit ();
}

/* (n, size): so many partial results, each a number and so many bytes. */
static GVariant *
emit (AiopoolCall *call,
      GVariant    *arguments,
      gpointer     user_data,
      GError     **error)
{
  g_autofree guint8 *data = NULL;
  guint n, size;

  g_variant_get (arguments, "(uu)", &n, &size);
  data = g_malloc0 (size + 1);
  for (guint i = 0; i < n; i++)
    {
      GVariant *bytes = g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, data, size, 1);

      if (!aiopool_call_emit (call, g_variant_new ("(u@ay)", i, bytes), error))
        return NULL;
    }
  return g_variant_new_uint32 (n);
}

static guint8 *
fill (guint8 *data,
      gsize   size)
{
  for (gsize i = 0; i < size; i++)
    data[i] = (guint8) (i * 7 + size);
  return data;
}

/* (size): so many bytes of a pattern, as a variant. */
static GVariant *
make_bytes (AiopoolCall *call,
            GVariant    *arguments,
            gpointer     user_data,
            GError     **error)
{
  guint64 size;
  guint8 *data;

  g_variant_get (arguments, "(t)", &size);
  data = fill (g_malloc (size + 1), size);
  return g_variant_new_from_data (G_VARIANT_TYPE_BYTESTRING, data, size, TRUE, g_free, data);
}

/* The same as bytes without a type. */
static GVariant *
make_raw (AiopoolCall *call,
          GVariant    *arguments,
          gpointer     user_data,
          GError     **error)
{
  g_autoptr (GBytes) bytes = NULL;
  guint64 size;

  g_variant_get (arguments, "(t)", &size);
  bytes = g_bytes_new_take (fill (g_malloc (size + 1), size), size);
  aiopool_call_return_payload (call, bytes, AIOPOOL_FORMAT_RAW);
  return NULL;
}

/* The same, written where it is sent from. */
static GVariant *
make_buffer (AiopoolCall *call,
             GVariant    *arguments,
             gpointer     user_data,
             GError     **error)
{
  guint64 size;
  gpointer buffer;

  g_variant_get (arguments, "(t)", &size);
  buffer = aiopool_call_new_buffer (call, size);
  fill (buffer, size);
  aiopool_call_return_buffer (call, buffer, size, AIOPOOL_FORMAT_RAW, NULL);
  return NULL;
}

/* How many bytes came, or -1 if they are not those of fill(). */
static GVariant *
check_bytes (AiopoolCall *call,
             GVariant    *arguments,
             gpointer     user_data,
             GError     **error)
{
  g_autoptr (GBytes) bytes = aiopool_call_dup_payload (call, NULL);
  gsize size;
  const guint8 *data = g_bytes_get_data (bytes, &size);

  for (gsize i = 0; i < size; i++)
    {
      if (data[i] != (guint8) (i * 7 + size))
        return g_variant_new_int64 (-1);
    }
  return g_variant_new_int64 ((gint64) size);
}

/* What can be read from each descriptor that came. */
static GVariant *
read_fds (AiopoolCall *call,
          GVariant    *arguments,
          gpointer     user_data,
          GError     **error)
{
  GUnixFDList *list = aiopool_call_get_fds (call);
  g_autoptr (GString) text = g_string_new (NULL);
  int n_fds = 0;
  const int *fds = list != NULL ? g_unix_fd_list_peek_fds (list, &n_fds) : NULL;

  for (int i = 0; i < n_fds; i++)
    {
      char buffer[64];
      gssize n = read (fds[i], buffer, sizeof buffer);

      g_string_append_len (text, buffer, MAX (n, 0));
    }
  return g_variant_new_string (text->str);
}

/* (n, size): so many descriptors, each to read its number from, and so many bytes. */
static GVariant *
give_fds (AiopoolCall *call,
          GVariant    *arguments,
          gpointer     user_data,
          GError     **error)
{
  g_autoptr (GUnixFDList) list = g_unix_fd_list_new ();
  guint n, size;

  g_variant_get (arguments, "(uu)", &n, &size);
  for (guint i = 0; i < n; i++)
    {
      g_autofree char *text = g_strdup_printf ("%u", i);
      int fds[2];

      if (!g_unix_open_pipe (fds, FD_CLOEXEC, error) ||
          write (fds[1], text, strlen (text)) != (gssize) strlen (text) ||
          g_unix_fd_list_append (list, fds[0], error) < 0)
        return NULL;
      close (fds[0]);
      close (fds[1]);
    }
  aiopool_call_set_result_fds (call, list);
  return g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, g_malloc0 (size + 1), size, 1);
}

/* A task that runs a task in a pool of its own. */
static GVariant *
run_in_pool (AiopoolCall *call,
             GVariant    *arguments,
             gpointer     user_data,
             GError     **error)
{
  g_autoptr (AiopoolExecutor) pool = AIOPOOL_EXECUTOR (aiopool_pool_new (1));
  g_autoptr (AiopoolTask) task = aiopool_task_new ("echo", arguments);
  GVariant *result = aiopool_executor_run (pool, task, NULL, error);

  aiopool_executor_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN, NULL, NULL);
  return result;
}

static gboolean
on_later (gpointer data)
{
  AiopoolCall *call = data;

  aiopool_call_return_value (call, aiopool_call_get_arguments (call));
  return G_SOURCE_REMOVE;
}

/* Answers with its arguments from the main loop. */
static void
echo_later (AiopoolCall *call,
            GVariant    *arguments,
            gpointer     user_data)
{
  g_idle_add_full (G_PRIORITY_DEFAULT, on_later, g_object_ref (call), g_object_unref);
}

static gpointer
answer_in_thread (gpointer data)
{
  g_autoptr (AiopoolCall) call = data;

  aiopool_call_return_value (call, aiopool_call_get_arguments (call));
  return NULL;
}

static void
echo_from_thread (AiopoolCall *call,
                  GVariant    *arguments,
                  gpointer     user_data)
{
  g_thread_unref (g_thread_new ("answer", answer_in_thread, g_object_ref (call)));
}

/* (n): answers when so many calls of it are under way at once. */
static void
gather (AiopoolCall *call,
        GVariant    *arguments,
        gpointer     user_data)
{
  static GPtrArray *calls;
  guint n;

  g_variant_get (arguments, "(u)", &n);
  if (calls == NULL)
    calls = g_ptr_array_new_with_free_func (g_object_unref);
  g_ptr_array_add (calls, g_object_ref (call));
  if (calls->len < n)
    return;
  for (guint i = 0; i < calls->len; i++)
    aiopool_call_return_value (g_ptr_array_index (calls, i), g_variant_new_uint32 (calls->len));
  g_ptr_array_set_size (calls, 0);
}

static int n_under_way;
static int most_under_way;

static gboolean
on_counted (gpointer data)
{
  aiopool_call_return_value (data, g_variant_new_int32 (most_under_way));
  n_under_way--;
  return G_SOURCE_REMOVE;
}

/* Answers with how many calls of it there ever were at once. */
static void
count_at_once (AiopoolCall *call,
               GVariant    *arguments,
               gpointer     user_data)
{
  n_under_way++;
  most_under_way = MAX (most_under_way, n_under_way);
  g_timeout_add_full (G_PRIORITY_DEFAULT, 1, on_counted, g_object_ref (call), g_object_unref);
}

static void
drop (AiopoolCall *call,
      GVariant    *arguments,
      gpointer     user_data)
{
}

static void
answer_twice (AiopoolCall *call,
              GVariant    *arguments,
              gpointer     user_data)
{
  aiopool_call_return_value (call, g_variant_new_string ("first"));
  aiopool_call_return_value (call, g_variant_new_string ("second"));
}

static void
on_call_cancelled (GCancellable *cancellable,
                   gpointer      data)
{
  g_autoptr (GError) error = NULL;

  g_cancellable_set_error_if_cancelled (cancellable, &error);
  aiopool_call_return_error (data, error);
}

/* Tells that it runs and ends when it is cancelled. */
static void
wait_for_cancel (AiopoolCall *call,
                 GVariant    *arguments,
                 gpointer     user_data)
{
  const int *fds = g_unix_fd_list_peek_fds (aiopool_call_get_fds (call), NULL);

  g_signal_connect_data (aiopool_call_get_cancellable (call), "cancelled",
                         G_CALLBACK (on_call_cancelled), g_object_ref (call),
                         (GClosureNotify) (void (*) (void)) g_object_unref, 0);
  if (write (fds[0], "!", 1) != 1)
    aiopool_call_return_value (call, g_variant_new_string ("nobody waits"));
}

static void
register_async (AiopoolService *service)
{
  aiopool_service_add_async (service, "echo-later", echo_later, NULL, NULL);
  aiopool_service_add_async (service, "echo-from-thread", echo_from_thread, NULL, NULL);
  aiopool_service_add_async (service, "gather", gather, NULL, NULL);
  aiopool_service_add_async (service, "count-at-once", count_at_once, NULL, NULL);
  aiopool_service_add_async (service, "drop", drop, NULL, NULL);
  aiopool_service_add_async (service, "answer-twice", answer_twice, NULL, NULL);
  aiopool_service_add_async (service, "wait-for-cancel", wait_for_cancel, NULL, NULL);
}

void
helper_register (AiopoolService *service,
                 gpointer        user_data)
{
  static const struct { const char *name; AiopoolFunction function; } functions[] = {
    { "echo", echo }, { "fail", fail }, { "fail-with-info", fail_with_info },
    { "say-nothing", say_nothing }, { "pid", get_pid }, { "environment", get_environment },
    { "directory", get_directory }, { "keywords", get_keywords },
    { "has-descriptor", has_descriptor }, { "ignores-signal", ignores_signal },
    { "time-left", get_time_left }, { "nap", nap }, { "spin", spin }, { "gate", gate },
    { "crash", crash }, { "leave", leave }, { "complain", complain }, { "close-all", close_all },
    { "leave-child", leave_child }, { "mark", mark }, { "report", report }, { "emit", emit },
    { "make-bytes", make_bytes }, { "make-raw", make_raw }, { "make-buffer", make_buffer },
    { "check-bytes", check_bytes }, { "read-fds", read_fds }, { "give-fds", give_fds },
    { "run-in-pool", run_in_pool }, { "fail-if-there", fail_if_there },
    { "race", race }, { "act", act },
  };

  for (guint i = 0; i < G_N_ELEMENTS (functions); i++)
    aiopool_service_add (service, functions[i].name, functions[i].function, NULL, NULL);
  helper_register_confined (service);
  helper_register_shared (service);
  if (g_getenv ("HELPER_ASYNC") != NULL)
    register_async (service);
}
