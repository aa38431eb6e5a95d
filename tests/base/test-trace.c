/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/base/aiopool-trace-private.h"

#include <gio/gio.h>
#include <gio/gunixfdmessage.h>
#include <glib/gstdio.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef HAVE_SYSPROF
#include <sysprof-capture.h>
#endif

/* Traces, without pools: their text, the names of their files, and marks for a profiler. That the
 * text is JSON, the tests of "aiopool trace" see. */

static const char *program; /* this one; under valgrind /proc/self/exe is another */

/* Not strstr(): a sanitizer's looks at the whole text each time. */
static const char *
find (const char *text,
      const char *end,
      const char *part)
{
  return g_strstr_len (text, end - text, part);
}

static guint
count_of (const char *text,
          const char *part)
{
  const char *end = text + strlen (text);
  guint n = 0;

  for (; (text = find (text, end, part)) != NULL; text += strlen (part))
    n++;
  return n;
}

static void
expect_part (const char *text,
             const char *part)
{
  if (strstr (text, part) == NULL)
    g_error ("no %s in %s", part, text);
}

static void
expect_expanded (const char *path,
                 const char *expanded)
{
  g_autofree char *text = aiopool_trace_expand (path, 42);

  g_assert_cmpstr (text, ==, expanded);
}

static void
test_percent_p_is_the_process (void)
{
  expect_expanded ("", "");
  expect_expanded ("a.json", "a.json");
  expect_expanded ("a-%p.json", "a-42.json");
  expect_expanded ("%p%p", "4242");
  expect_expanded ("%%p", "%p");
  expect_expanded ("100%", "100%");
  expect_expanded ("%d%", "%d%");
}

static void
test_only_own_files_are_for_children (void)
{
  g_assert_true (aiopool_trace_is_for_children ("%p"));
  g_assert_true (aiopool_trace_is_for_children ("a%%%p"));
  g_assert_false (aiopool_trace_is_for_children (""));
  g_assert_false (aiopool_trace_is_for_children ("a.json"));
  g_assert_false (aiopool_trace_is_for_children ("%%p"));
  g_assert_false (aiopool_trace_is_for_children ("p%"));
}

static AiopoolTraceRecord
new_task (int    pid,
          gint64 started,
          gint64 ended)
{
  AiopoolTraceRecord record = {
    .kind = AIOPOOL_TRACE_TASK, .number = 1, .pid = pid, .name = "f", .submitted = started - 5,
    .started = started, .ended = ended, .received = ended,
  };

  return record;
}

static void
append_task (AiopoolTraceText *text,
             GString          *json,
             gint64            started,
             gint64            ended)
{
  AiopoolTraceRecord record = new_task (7, started, ended);

  aiopool_trace_text_append (text, json, &record);
}

static void
test_tasks_at_once_have_threads_of_their_own (void)
{
  AiopoolTraceText *text = aiopool_trace_text_new (1, "test");
  g_autoptr (GString) json = g_string_new (NULL);

  append_task (text, json, 10, 20);
  append_task (text, json, 12, 30);
  append_task (text, json, 20, 40); /* where the first was */
  append_task (text, json, 35, 41); /* where the second was */
  append_task (text, json, 36, 42);
  g_assert_cmpuint (count_of (json->str, "\"pid\":7,\"tid\":1,\"args\":{\"st"), ==, 2);
  g_assert_cmpuint (count_of (json->str, "\"pid\":7,\"tid\":2,\"args\":{\"st"), ==, 2);
  g_assert_cmpuint (count_of (json->str, "\"pid\":7,\"tid\":3,\"args\":{\"st"), ==, 1);
  aiopool_trace_text_free (text);
}

static void
test_words_are_escaped (void)
{
  AiopoolTraceText *text = aiopool_trace_text_new (1, "a\"b\\c\n\x7f\xff");
  AiopoolTraceRecord record = new_task (7, 10, 20);
  g_autoptr (GString) json = g_string_new (NULL);

  aiopool_trace_text_begin (text, json);
  expect_part (json->str, "\"name\":\"a\\\"b\\\\c\\u000a\\u007f\xef\xbf\xbd\"");
  record.text = (char *) "tag\"";
  record.reason = (char *) "why\n";
  aiopool_trace_text_append (text, json, &record);
  expect_part (json->str, "\"tag\":\"tag\\\"\",\"error\":\"why\\u000a\"");
  aiopool_trace_text_free (text);
}

static void
test_a_task_that_never_started_belongs_to_no_worker (void)
{
  AiopoolTraceText *text = aiopool_trace_text_new (1, "test");
  AiopoolTraceRecord record = new_task (0, 0, 100);
  g_autoptr (GString) json = g_string_new (NULL);

  record.submitted = 40;
  record.status = AIOPOOL_TRACE_CANCELLED;
  aiopool_trace_text_append (text, json, &record);
  expect_part (json->str, "\"ph\":\"i\",\"s\":\"p\",\"ts\":100,\"pid\":1,");
  expect_part (json->str, "\"status\":\"cancelled\",\"pool\":1,\"queue\":60}");
  g_assert_cmpuint (count_of (json->str, "\"ph\":\"X\""), ==, 0);
  aiopool_trace_text_free (text);
}

static void
push (const char *name)
{
  AiopoolTraceRecord record = new_task (7, 10, 20);

  record.name = name;
  record.text = g_strdup ("tag");
  aiopool_trace_push (&record);
}

static void
test_stop_writes_what_was_told (void)
{
  g_autofree char *dir = g_dir_make_tmp ("aiopool-trace-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (dir, "t-%p.json", NULL);
  g_autofree char *real = aiopool_trace_expand (path, getpid ());
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;

  g_assert_false (aiopool_trace_is_on ());
  g_assert_true (aiopool_trace_start (path, &error));
  g_assert_no_error (error);
  g_assert_true (aiopool_trace_is_on ());
  g_assert_false (aiopool_trace_start (path, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_BUSY);
  for (guint i = 0; i < 1000; i++)
    push ("first");
  aiopool_trace_stop ();
  aiopool_trace_stop ();
  g_assert_false (aiopool_trace_is_on ());
  g_assert_true (g_file_get_contents (real, &text, NULL, NULL));
  g_assert_cmpuint (count_of (text, "\"name\":\"first\",\"cat\":\"task\""), ==, 1000);
  g_assert_true (g_str_has_suffix (text, "\n]}\n"));
  g_unlink (real);
  g_rmdir (dir);
}

static void
test_what_finds_no_room_is_counted (void)
{
  g_autofree char *dir = g_dir_make_tmp ("aiopool-trace-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (dir, "t.json", NULL);
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  const char *lost, *end;
  guint n = 0;

  g_assert_true (aiopool_trace_start (path, &error));
  for (guint i = 0; i < 100000; i++)
    push ("many");
  aiopool_trace_stop ();
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  end = text + strlen (text);
  for (lost = text; (lost = find (lost, end, "\"records\":")) != NULL; lost++)
    n += (guint) g_ascii_strtoull (lost + strlen ("\"records\":"), NULL, 10);
  g_assert_cmpuint (count_of (text, "\"name\":\"many\",\"cat\":\"task\"") + n, ==, 100000);
  g_unlink (path);
  g_rmdir (dir);
}

static void
test_a_file_that_cannot_be_is_an_error (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (aiopool_trace_start ("/nonexistent/trace.json", &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  g_clear_error (&error);
  if (access ("/dev/full", W_OK) != 0)
    return;
  g_assert_false (aiopool_trace_start ("/dev/full", &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NO_SPACE);
  g_assert_false (aiopool_trace_is_on ());
}

#ifdef HAVE_SYSPROF

/* A part of the capture library that has no header: what marks go through. */
typedef struct _MappedRingBuffer MappedRingBuffer;
typedef gboolean (*MappedRingBufferFunc) (gconstpointer  data,
                                          gsize         *length,
                                          gpointer       user_data);

MappedRingBuffer *mapped_ring_buffer_new_reader (gsize                 size);
int               mapped_ring_buffer_get_fd     (MappedRingBuffer     *self);
bool              mapped_ring_buffer_drain      (MappedRingBuffer     *self,
                                                 MappedRingBufferFunc  func,
                                                 gpointer              user_data);

#define RING_REQUEST "CreatRing"

/* The profiler's environment is that of a process of its own, for it is read once. */
static int
add_mark_in_child (void)
{
  AiopoolTraceRecord record = new_task (7, 1000, 3000);

  aiopool_trace_check_environment ();
  if (!aiopool_trace_marks_are_wanted () || !aiopool_trace_is_on ())
    return 1;
  aiopool_trace_push (&record);
  return 0;
}

/* What a profiler does: gives a buffer to whoever asks. Returns all that they were given, of
 * MappedRingBuffer. */
static gpointer
serve_buffers (gpointer data)
{
  g_autoptr (GSocket) socket = g_socket_new_from_fd (GPOINTER_TO_INT (data), NULL);
  GSList *buffers = NULL;
  char request[sizeof RING_REQUEST];

  while (g_socket_receive (socket, request, sizeof request, NULL, NULL) == sizeof request)
    {
      MappedRingBuffer *buffer = mapped_ring_buffer_new_reader (0);
      g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();
      g_autoptr (GSocketControlMessage) message = g_unix_fd_message_new_with_fd_list (fds);
      GOutputVector byte = { "x", 1 };

      g_assert_cmpmem (request, sizeof request, RING_REQUEST, sizeof RING_REQUEST);
      g_unix_fd_list_append (fds, mapped_ring_buffer_get_fd (buffer), NULL);
      g_socket_send_message (socket, NULL, &byte, 1, &message, 1, 0, NULL, NULL);
      buffers = g_slist_prepend (buffers, buffer);
    }
  return buffers;
}

static gboolean
count_mark (gconstpointer  data,
            gsize         *length,
            gpointer       user_data)
{
  const SysprofCaptureMark *mark = data;
  guint *n_marks = user_data;

  *length = mark->frame.len;
  if (mark->frame.type != SYSPROF_CAPTURE_FRAME_MARK || !g_str_equal (mark->group, "aiopool"))
    return TRUE;
  (*n_marks)++;
  g_assert_cmpstr (mark->name, ==, "f");
  g_assert_cmpint (mark->frame.time, ==, 1000000);
  g_assert_cmpint (mark->duration, ==, 2000000);
  return TRUE;
}

/* Has this program, as another process, add a mark; it ends when that is written. */
static void
run_child (int fd)
{
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (0);
  g_autoptr (GSubprocess) child = NULL;
  g_autoptr (GError) error = NULL;

  g_subprocess_launcher_take_fd (launcher, fd, 5);
  g_subprocess_launcher_setenv (launcher, "SYSPROF_CONTROL_FD", "5", TRUE);
  child = g_subprocess_launcher_spawn (launcher, &error, program, "--mark", NULL);
  g_assert_no_error (error);
  g_assert_true (g_subprocess_wait_check (child, NULL, &error));
}

static void
test_a_profiler_gets_marks (void)
{
  static GSList *buffers; /* stays: what frees one of them leaves something */
  GThread *profiler;
  guint n_marks = 0;
  int fds[2];

  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
  profiler = g_thread_new ("profiler", serve_buffers, GINT_TO_POINTER (fds[0]));
  run_child (fds[1]);
  buffers = g_thread_join (profiler);
  g_assert_nonnull (buffers);
  for (GSList *item = buffers; item != NULL; item = item->next)
    mapped_ring_buffer_drain (item->data, count_mark, &n_marks);
  g_assert_cmpuint (n_marks, ==, 1);
}

#endif

static guint n_complaints;

static void
on_message (const char     *domain,
            GLogLevelFlags  level,
            const char     *message,
            gpointer        user_data)
{
  n_complaints++;
  aiopool_trace_check_environment (); /* as a pool does that is made here */
}

/* In a process of its own. */
static int
complain_in_child (void)
{
  alarm (10);
  g_log_set_default_handler (on_message, NULL);
  aiopool_trace_check_environment ();
  aiopool_trace_check_environment ();
  return n_complaints == 1 ? 0 : 1;
}

static void
test_who_hears_of_a_bad_variable_may_make_a_pool (void)
{
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (0);
  g_autoptr (GSubprocess) child = NULL;
  g_autoptr (GError) error = NULL;

  g_subprocess_launcher_setenv (launcher, "AIOPOOL_TRACE", "/nowhere/trace.json", TRUE);
  child = g_subprocess_launcher_spawn (launcher, &error, program, "--complain", NULL);
  g_assert_no_error (error);
  g_subprocess_wait_check (child, NULL, &error);
  g_assert_no_error (error);
}

int
main (int    argc,
      char **argv)
{
  program = argv[0];
  if (argc == 2 && g_str_equal (argv[1], "--complain"))
    return complain_in_child ();
#ifdef HAVE_SYSPROF
  if (argc == 2 && g_str_equal (argv[1], "--mark"))
    return add_mark_in_child ();
#endif
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/base/trace/percent-p-is-the-process", test_percent_p_is_the_process);
  g_test_add_func ("/base/trace/only-own-files-are-for-children",
                   test_only_own_files_are_for_children);
  g_test_add_func ("/base/trace/tasks-at-once-have-threads-of-their-own",
                   test_tasks_at_once_have_threads_of_their_own);
  g_test_add_func ("/base/trace/words-are-escaped", test_words_are_escaped);
  g_test_add_func ("/base/trace/a-task-that-never-started-belongs-to-no-worker",
                   test_a_task_that_never_started_belongs_to_no_worker);
  g_test_add_func ("/base/trace/stop-writes-what-was-told", test_stop_writes_what_was_told);
  g_test_add_func ("/base/trace/what-finds-no-room-is-counted",
                   test_what_finds_no_room_is_counted);
  g_test_add_func ("/base/trace/a-file-that-cannot-be-is-an-error",
                   test_a_file_that_cannot_be_is_an_error);
  g_test_add_func ("/base/trace/who-hears-of-a-bad-variable-may-make-a-pool",
                   test_who_hears_of_a_bad_variable_may_make_a_pool);
#ifdef HAVE_SYSPROF
  g_test_add_func ("/base/trace/a-profiler-gets-marks", test_a_profiler_gets_marks);
#endif
  return g_test_run ();
}
