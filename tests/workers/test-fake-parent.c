/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/runtime/aiopool-service.h"
#include "aiopool/wire/aiopool-channel-private.h"
#include "aiopool/wire/aiopool-log-message-private.h"
#include "aiopool/wire/aiopool-message-private.h"
#include "aiopool/wire/aiopool-status-page-private.h"
#include "aiopool/wire/aiopool-worker-fds-private.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* A worker whose parent speaks the protocol by hand, so that messages come exactly when they are
 * least convenient. The worker is this program. */

#define TASK_ID(slot) ((guint64) 1 << 16 | (slot)) /* generation 1 */
#define CANCEL_FORCED 1

#define ASYNC_VARIABLE "AIOPOOL_TEST_ASYNC"
#define PATIENCE 10 /* seconds */
#define EXIT_PROTOCOL 3
#define FIRST_BYTES (128 * 1024) /* that a socket takes */
#define MAX_BYTES (3 * 1024 * 1024) /* of which a worker checks less in a millisecond */

typedef enum { QUICK, GATE, FLOOD, STARVE, PICKY, LATER, N_FUNCTIONS } Function;

static const char *names[N_FUNCTIONS] = { "quick", "gate", "flood", "starve", "picky", "later" };

static GVariant *
quick (AiopoolCall *call,
       GVariant    *arguments,
       gpointer     user_data,
       GError     **error)
{
  return g_variant_new_boolean (TRUE);
}

/* Never looks whether it is cancelled; goes on when its descriptor ends. */
static GVariant *
gate (AiopoolCall *call,
      GVariant    *arguments,
      gpointer     user_data,
      GError     **error)
{
  const int *fds = g_unix_fd_list_peek_fds (aiopool_call_get_fds (call), NULL);
  char byte;

  while (read (fds[0], &byte, 1) > 0)
    ;
  return g_variant_new_boolean (TRUE);
}

/* As gate; then the worker gets no more descriptors. */
static GVariant *
starve (AiopoolCall *call,
        GVariant    *arguments,
        gpointer     user_data,
        GError     **error)
{
  const struct rlimit none = { 0, 0 };
  GVariant *result = gate (call, arguments, user_data, error);

  if (setrlimit (RLIMIT_NOFILE, &none) != 0)
    _exit (9);
  return result;
}

/* FALSE fails at once, TRUE is as gate. */
static GVariant *
picky (AiopoolCall *call,
       GVariant    *arguments,
       gpointer     user_data,
       GError     **error)
{
  if (g_variant_get_boolean (arguments))
    return gate (call, arguments, user_data, error);
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_FAILED, "not this one");
  return NULL;
}

static gboolean
on_later (gpointer data)
{
  aiopool_call_return_value (data, g_variant_new_boolean (TRUE));
  return G_SOURCE_REMOVE;
}

/* Answers when the main context is iterated. */
static void
later (AiopoolCall *call,
       GVariant    *arguments,
       gpointer     user_data)
{
  g_idle_add_full (G_PRIORITY_DEFAULT, on_later, g_object_ref (call), g_object_unref);
}

/* More than a socket and the outbox take, and more than there is credit for. */
static GVariant *
flood (AiopoolCall *call,
       GVariant    *arguments,
       gpointer     user_data,
       GError     **error)
{
  g_autofree char *text = g_strnfill (2000, 'x');

  for (guint i = 0; i < 200; i++)
    g_log ("flood", G_LOG_LEVEL_MESSAGE, "%s", text);
  if (write (STDOUT_FILENO, "through\n", 8) != 8)
    _exit (9);
  return g_variant_new_boolean (TRUE);
}

static void
on_dropped (gpointer data)
{
  if (write (STDOUT_FILENO, "dropped\n", 8) != 8)
    _exit (9);
}

static void
register_functions (AiopoolService *service,
                    gpointer        user_data)
{
  aiopool_service_add (service, "quick", quick, NULL, on_dropped);
  aiopool_service_add (service, "gate", gate, NULL, NULL);
  aiopool_service_add (service, "flood", flood, NULL, NULL);
  aiopool_service_add (service, "starve", starve, NULL, NULL);
  aiopool_service_add (service, "picky", picky, NULL, NULL);
  if (g_getenv (ASYNC_VARIABLE) != NULL)
    aiopool_service_add_async (service, "later", later, NULL, NULL);
}

typedef struct
{
  int                data_fd;    /* (owned) */
  int                control_fd; /* (owned) */
  AiopoolStatusPage *page;       /* (owned) */
  AiopoolReader     *data;       /* (owned) */
  AiopoolReader     *control;    /* (owned) */
  GSubprocess       *worker;     /* (owned) */
} Parent;

/* Returns: our end. */
static int
give_socket (GSubprocessLauncher *launcher,
             int                  target)
{
  const int small = 16 * 1024; /* less than the outbox, to be full soon */
  int fds[2];

  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
  setsockopt (fds[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
  g_subprocess_launcher_take_fd (launcher, fds[1], target);
  return fds[0];
}

static void
send_bytes (int           fd,
            const guint8 *data,
            gsize         size,
            GUnixFDList  *fds)
{
  gsize sent = 0;

  g_assert_cmpint (aiopool_channel_send (fd, data, size, fds, &sent), ==, AIOPOOL_IO_OK);
  g_assert_cmpuint (sent, ==, size);
}

static void
next_frame (AiopoolReader *reader,
            AiopoolFrame  *frame)
{
  AiopoolFrameStatus status;

  while ((status = aiopool_reader_next (reader, frame)) == AIOPOOL_FRAME_MORE)
    g_assert_cmpint (aiopool_reader_fill (reader, TRUE), ==, AIOPOOL_IO_OK);
  g_assert_cmpint (status, ==, AIOPOOL_FRAME_OK);
}

static void
send_config (Parent *self,
             guint   tasks_per_worker)
{
  AiopoolConfigMessage config = {
    .version_min = AIOPOOL_PROTOCOL_VERSION, .version_max = AIOPOOL_PROTOCOL_VERSION,
    .max_result_size = G_MAXUINT32, .is_trusted = TRUE,
    .tasks_per_worker = tasks_per_worker,
  };
  g_autofree guint8 *frame = g_malloc0 (aiopool_message_config_size ());

  aiopool_message_write_config (frame, &config);
  send_bytes (self->data_fd, frame, aiopool_message_config_size (), NULL);
}

static void
define_functions (Parent *self)
{
  for (guint i = 0; i < N_FUNCTIONS; i++)
    {
      gsize size = aiopool_message_text_size (strlen (names[i]));
      g_autofree guint8 *frame = g_malloc0 (size);

      aiopool_message_write_text (frame, AIOPOOL_FRAME_DEFINE, i, names[i], strlen (names[i]));
      send_bytes (self->data_fd, frame, size, NULL);
    }
}

/* As the shim does: when our end is gone, the worker kills its group. */
static void
lead_group (gpointer data)
{
  setpgid (0, 0);
}

/* With more than one task at once there is an asynchronous function. */
static Parent *
parent_new_with (guint tasks_per_worker)
{
  const struct timeval patience = { .tv_sec = PATIENCE };

  g_autoptr (GSubprocessLauncher) launcher =
    g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE);
  Parent *self = g_new0 (Parent, 1);
  g_autofree char *program = g_file_read_link ("/proc/self/exe", NULL); /* as valgrind wants it */
  g_autoptr (GError) error = NULL;
  AiopoolFrame hello;
  int page_fd;

  self->data_fd = give_socket (launcher, AIOPOOL_FD_DATA);
  setsockopt (self->data_fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  self->control_fd = give_socket (launcher, AIOPOOL_FD_CONTROL);
  self->page = aiopool_status_page_new (&page_fd, &error);
  g_assert_no_error (error);
  g_subprocess_launcher_take_fd (launcher, page_fd, AIOPOOL_FD_STATUS);
  g_subprocess_launcher_setenv (launcher, AIOPOOL_WORKER_VARIABLE, "1:0", TRUE);
  if (tasks_per_worker > 1)
    g_subprocess_launcher_setenv (launcher, ASYNC_VARIABLE, "1", TRUE);
  g_subprocess_launcher_set_child_setup (launcher, lead_group, NULL, NULL);
  self->worker = g_subprocess_launcher_spawn (launcher, &error, program, NULL);
  g_assert_no_error (error);
  g_subprocess_launcher_close (launcher);
  self->data = aiopool_reader_new (self->data_fd);
  self->control = aiopool_reader_new (self->control_fd);
  send_config (self, tasks_per_worker);
  next_frame (self->data, &hello);
  g_assert_cmpuint (hello.type, ==, AIOPOOL_FRAME_HELLO);
  define_functions (self);
  return self;
}

static Parent *
parent_new (void)
{
  return parent_new_with (1);
}

/* Returns: (transfer full): what the worker printed until its end. */
static char *
parent_finish (Parent *self)
{
  g_autoptr (GError) error = NULL;
  char *output = NULL;

  shutdown (self->data_fd, SHUT_WR);
  g_subprocess_communicate_utf8 (self->worker, NULL, NULL, &output, NULL, &error);
  g_assert_no_error (error);
  return output;
}

static void
parent_free (Parent *self)
{
  g_subprocess_force_exit (self->worker);
  g_assert_true (g_subprocess_wait (self->worker, NULL, NULL));
  g_object_unref (self->worker);
  aiopool_reader_free (self->data);
  aiopool_reader_free (self->control);
  aiopool_status_page_free (self->page);
  close (self->data_fd);
  close (self->control_fd);
  g_free (self);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Parent, parent_free)

/* Writes the task at the end of @bytes. */
static void
append_task (Parent                    *self,
             GByteArray                *bytes,
             guint64                    id,
             const AiopoolTaskMessage  *message,
             guint8                     n_fds)
{
  gsize size = aiopool_message_task_size (message);
  g_autofree guint8 *frame = g_malloc0 (size);

  aiopool_message_write_task (frame, id, n_fds, message);
  aiopool_status_page_set_sent (self->page, id);
  g_byte_array_append (bytes, frame, (guint) size);
}

/* Two tasks in one write: @first, then a second one. A gate is open when the end of @fds is. */
static void
send_two (Parent      *self,
          Function     first,
          Function     second,
          GUnixFDList *fds)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  AiopoolTaskMessage message = { .argument.view.format = AIOPOOL_FORMAT_RAW };
  gsize size;

  message.function = first;
  append_task (self, bytes, TASK_ID (1), &message, first != QUICK);
  size = bytes->len;
  message.function = second;
  append_task (self, bytes, TASK_ID (2), &message, second == GATE);
  if (second == GATE)
    {
      send_bytes (self->data_fd, bytes->data, size, NULL);
      send_bytes (self->data_fd, bytes->data + size, bytes->len - size, fds);
    }
  else
    send_bytes (self->data_fd, bytes->data, bytes->len, fds);
}

static void
send_cancel (Parent *self,
             guint64 id)
{
  guint8 frame[AIOPOOL_FRAME_HEADER_SIZE];

  aiopool_frame_header (frame, AIOPOOL_FRAME_CANCEL, CANCEL_FORCED, 0, id, 0);
  send_bytes (self->control_fd, frame, sizeof frame, NULL);
}

static void
await_start (Parent *self,
             guint64 id)
{
  gint64 started;

  while (!aiopool_status_page_is_started (self->page, id, &started))
    g_usleep (1000);
}

static void
expect_unheard (Parent *self,
                guint64 id)
{
  AiopoolFrame frame;

  next_frame (self->control, &frame);
  g_assert_cmpuint (frame.type, ==, AIOPOOL_FRAME_UNHEARD);
  g_assert_cmpuint (frame.id, ==, id);
}

static AiopoolResultMessage
expect_result (Parent *self,
               guint64 id)
{
  AiopoolResultMessage message;
  AiopoolFrame frame;

  next_frame (self->data, &frame);
  g_assert_cmpuint (frame.type, ==, AIOPOOL_FRAME_RESULT);
  g_assert_cmpuint (frame.id, ==, id);
  g_assert_true (aiopool_message_parse_result (&frame, &message));
  return message;
}

/* (out) @end: what keeps the gate closed until it is. */
static GUnixFDList *
new_gate (int *end)
{
  int fds[2];

  g_assert_cmpint (pipe2 (fds, O_CLOEXEC), ==, 0);
  *end = fds[1];
  return g_unix_fd_list_new_from_array (fds, 1);
}

/* Its result may not have been read when the cancel is sent; another task runs by then, which the
 * parent would end. */
static void
test_a_task_that_ended_is_not_called_unheard (void)
{
  g_autoptr (Parent) parent = parent_new ();
  g_autoptr (GUnixFDList) fds = NULL;
  int end;

  fds = new_gate (&end);
  send_two (parent, QUICK, GATE, fds);
  await_start (parent, TASK_ID (2));
  send_cancel (parent, TASK_ID (1));
  send_cancel (parent, TASK_ID (2));
  expect_unheard (parent, TASK_ID (2));
  close (end);
}

/* The signal that follows may come when the task has ended after all. */
static void
test_no_task_starts_right_after_an_unheard_one (void)
{
  g_autoptr (Parent) parent = parent_new ();
  g_autoptr (GUnixFDList) fds = NULL;
  AiopoolResultMessage first, second;
  gint64 cancelled;
  int end;

  fds = new_gate (&end);
  send_two (parent, GATE, QUICK, fds);
  await_start (parent, TASK_ID (1));
  cancelled = g_get_monotonic_time ();
  send_cancel (parent, TASK_ID (1));
  expect_unheard (parent, TASK_ID (1));
  close (end);
  first = expect_result (parent, TASK_ID (1));
  second = expect_result (parent, TASK_ID (2));
  g_assert_cmpint (second.started, >=, first.ended);
  g_assert_cmpint (second.started - cancelled, >=, 50000);
}

/* Memory that is none. */
static void
send_task_without_memory (Parent *self)
{
  AiopoolTaskMessage message = { .function = QUICK };
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  g_autoptr (GUnixFDList) fds = NULL;
  int end;

  message.argument.view = (AiopoolPayloadView) { AIOPOOL_FORMAT_RAW, NULL, NULL, 1 << 20 };
  message.argument.transport = AIOPOOL_TRANSPORT_MEMFD;
  message.argument.has_fd = TRUE;
  append_task (self, bytes, TASK_ID (1), &message, 1);
  fds = new_gate (&end);
  send_bytes (self->data_fd, bytes->data, bytes->len, fds);
  close (end);
}

/* What was given with it is dropped once, at the end, as without that. */
static void
test_an_argument_that_cannot_be_read_leaves_the_function_alone (void)
{
  g_autoptr (Parent) parent = parent_new ();
  g_autofree char *output = NULL;
  AiopoolFrame frame;

  send_task_without_memory (parent);
  next_frame (parent->data, &frame);
  g_assert_cmpuint (frame.type, ==, AIOPOOL_FRAME_ERROR);
  output = parent_finish (parent);
  g_assert_cmpstr (output, ==, "dropped\n");
}

/* Whoever logs goes on, though its parent reads nothing; what does not fit is on standard error. */
static void
test_a_function_that_logs_waits_for_nobody (void)
{
  g_autoptr (Parent) parent = parent_new ();
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  AiopoolTaskMessage message = { .argument.view.format = AIOPOOL_FORMAT_RAW };
  GInputStream *output = g_subprocess_get_stdout_pipe (parent->worker);
  char text[8] = { 0 };
  guint n_records = 0;
  AiopoolFrame frame;

  message.function = FLOOD;
  append_task (parent, bytes, TASK_ID (1), &message, 0);
  send_bytes (parent->data_fd, bytes->data, bytes->len, NULL);
  g_assert_true (g_input_stream_read_all (output, text, sizeof text, NULL, NULL, NULL));
  g_assert_cmpmem (text, sizeof text, "through\n", 8);
  for (next_frame (parent->data, &frame); frame.type == AIOPOOL_FRAME_LOG;
       next_frame (parent->data, &frame))
    {
      AiopoolLogMessage log;

      g_assert_true (aiopool_message_parse_log (&frame, &log));
      g_assert_cmpuint (frame.id, ==, TASK_ID (1));
      n_records++;
    }
  g_assert_cmpuint (frame.type, ==, AIOPOOL_FRAME_RESULT);
  g_assert_cmpuint (n_records, >, 10);
  g_assert_cmpuint (n_records, <, 100);
}

/* That there is more in the socket than there is. */
static void
test_a_parent_that_says_it_wrote_more_is_answered (void)
{
  g_autoptr (Parent) parent = parent_new ();
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  AiopoolTaskMessage message = { .argument.view.format = AIOPOOL_FORMAT_RAW };
  AiopoolFrame frame;

  message.function = QUICK;
  append_task (parent, bytes, TASK_ID (1), &message, 0);
  append_task (parent, bytes, TASK_ID (2), &message, 0);
  aiopool_status_page_set_written (parent->page, G_MAXUINT64);
  send_bytes (parent->data_fd, bytes->data, bytes->len, NULL);
  for (guint i = 1; i <= 2; i++)
    {
      next_frame (parent->data, &frame);
      g_assert_cmpuint (frame.type, ==, AIOPOOL_FRAME_RESULT);
      g_assert_cmpuint (frame.id, ==, TASK_ID (i));
    }
}

/* Their type takes longer to check than they take to write. */
static GByteArray *
new_revoked_tasks (Parent *self)
{
  GByteArray *bytes = g_byte_array_new ();
  g_autofree char *many = g_strnfill (200, 'i');
  g_autofree char *type = g_strdup_printf ("(a%s)", many);
  AiopoolTaskMessage message = { .function = QUICK };

  message.argument.view = (AiopoolPayloadView) { AIOPOOL_FORMAT_GVARIANT, type, "", 0 };
  for (guint i = 2; i < AIOPOOL_STATUS_N_SLOTS; i++)
    {
      append_task (self, bytes, TASK_ID (i), &message, 0);
      g_assert_true (aiopool_status_page_revoke (self->page, TASK_ID (i)));
    }
  return bytes;
}

/* One task, and then others that were taken back, until it is answered: soon, while the worker has
 * never read all. */
static void
check_is_answered_while_others_come (Parent   *self,
                                     Function  function)
{
  AiopoolTaskMessage message = { .function = function, .argument.view.format = AIOPOOL_FORMAT_RAW };
  struct pollfd poll_fd = { self->data_fd, POLLIN, 0 };
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  g_autoptr (GByteArray) others = new_revoked_tasks (self);
  gsize written = FIRST_BYTES;

  append_task (self, bytes, TASK_ID (1), &message, 0);
  g_byte_array_append (bytes, others->data, FIRST_BYTES);
  aiopool_status_page_set_written (self->page, G_MAXUINT64);
  send_bytes (self->data_fd, bytes->data, bytes->len, NULL);
  while (poll (&poll_fd, 1, 0) == 0)
    {
      gsize start = written % others->len;
      gsize sent;

      g_assert_cmpuint (written, <, MAX_BYTES);
      aiopool_channel_send (self->data_fd, others->data + start, others->len - start, NULL, &sent);
      written += sent;
    }
  expect_result (self, TASK_ID (1));
}

static void
test_an_answer_does_not_wait_for_tasks_that_were_taken_back (void)
{
  g_autoptr (Parent) parent = parent_new ();

  check_is_answered_while_others_come (parent, QUICK);
}

static void
test_a_loop_is_iterated_while_there_is_more_in_the_socket (void)
{
  g_autoptr (Parent) parent = parent_new_with (2);

  check_is_answered_while_others_come (parent, LATER);
}

/* With the frame that it cannot take the worker has lost others: it must not wait for more. */
static void
test_a_worker_without_descriptors_for_a_task_ends (void)
{
  g_autoptr (Parent) parent = parent_new ();
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  AiopoolTaskMessage message = { .function = GATE, .argument.view.format = AIOPOOL_FORMAT_RAW };
  g_autoptr (GUnixFDList) fds = NULL;
  g_autoptr (GUnixFDList) others = NULL;
  int end, other_end;

  fds = new_gate (&end);
  others = new_gate (&other_end);
  aiopool_status_page_set_written (parent->page, G_MAXUINT64);
  send_two (parent, STARVE, QUICK, fds);
  await_start (parent, TASK_ID (1));
  append_task (parent, bytes, TASK_ID (3), &message, 1);
  send_bytes (parent->data_fd, bytes->data, bytes->len, others);
  close (end);
  close (other_end);
  expect_result (parent, TASK_ID (1));
  expect_result (parent, TASK_ID (2));
  g_assert_cmpint (aiopool_reader_fill (parent->data, TRUE), ==, AIOPOOL_IO_END);
}

static void
test_an_item_that_failed_does_not_wait_for_the_next_one (void)
{
  g_autoptr (Parent) parent = parent_new ();
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  g_autoptr (GUnixFDList) fds = NULL;
  AiopoolTaskMessage message = { .function = PICKY, .n_items = 2 };
  AiopoolFrame frame;
  int end;

  fds = new_gate (&end);
  message.argument.view = (AiopoolPayloadView) { AIOPOOL_FORMAT_GVARIANT, "ab", "\0\1", 2 };
  append_task (parent, bytes, TASK_ID (1), &message, 1);
  aiopool_status_page_set_items (parent->page, TASK_ID (1), 2);
  send_bytes (parent->data_fd, bytes->data, bytes->len, fds);
  next_frame (parent->data, &frame);
  g_assert_cmpuint (frame.type, ==, AIOPOOL_FRAME_ERROR);
  close (end);
  next_frame (parent->data, &frame);
  g_assert_cmpuint (frame.type, ==, AIOPOOL_FRAME_ITEMS);
  next_frame (parent->data, &frame);
  g_assert_cmpuint (frame.type, ==, AIOPOOL_FRAME_RESULT);
}

/* --- shared data ------------------------------------------------------------------------------ */

static void
append_share (GByteArray *bytes,
              guint64     id)
{
  AiopoolValueMessage message = { .view = { AIOPOOL_FORMAT_RAW, NULL, "shared", 6 } };
  gsize size = aiopool_message_share_size (&message);
  g_autofree guint8 *frame = g_malloc0 (size);

  aiopool_message_write_share (frame, id, &message);
  g_byte_array_append (bytes, frame, (guint) size);
}

/* @size: of a body, where none should be. */
static void
append_unshare (GByteArray *bytes,
                guint64     id,
                gsize       size)
{
  gsize whole = aiopool_message_text_size (size);
  g_autofree guint8 *frame = g_malloc0 (whole);

  aiopool_message_write_text (frame, AIOPOOL_FRAME_UNSHARE, id, "12345678", size);
  g_byte_array_append (bytes, frame, (guint) whole);
}

/* What is sent: S and U with a number, B for an end with a body, T for a task with that number. */
static void
send_script (Parent     *self,
             const char *script)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  g_auto (GStrv) words = g_strsplit (script, " ", -1);
  guint n_tasks = 0;

  for (guint i = 0; words[i] != NULL; i++)
    {
      AiopoolTaskMessage message = { .function = QUICK };
      guint64 id = g_ascii_strtoull (words[i] + 1, NULL, 10);

      message.argument.view.format = AIOPOOL_FORMAT_RAW;
      message.shared_id = id;
      if (*words[i] == 'S')
        append_share (bytes, id);
      else if (*words[i] == 'T')
        append_task (self, bytes, TASK_ID (++n_tasks), &message, 0);
      else
        append_unshare (bytes, id, *words[i] == 'B' ? 8 : 0);
    }
  send_bytes (self->data_fd, bytes->data, bytes->len, NULL);
}

static void
expect_protocol_end (Parent *self)
{
  g_subprocess_wait (self->worker, NULL, NULL);
  g_assert_true (g_subprocess_get_if_exited (self->worker));
  g_assert_cmpint (g_subprocess_get_exit_status (self->worker), ==, EXIT_PROTOCOL);
}

/* What came before is answered. */
static void
test_a_parent_that_shares_what_it_may_not_is_left (void)
{
  static const char *const scripts[] = {
    "S1 T1 T2", "S1 T1 S1", "S1 T1 U2", "S1 T1 U1 U1", "S1 T1 U1 T1", "S1 T1 B1",
  };

  for (guint i = 0; i < G_N_ELEMENTS (scripts); i++)
    {
      g_autoptr (Parent) parent = parent_new ();

      g_test_message ("%s", scripts[i]);
      send_script (parent, scripts[i]);
      expect_result (parent, TASK_ID (1));
      expect_protocol_end (parent);
    }
}

static void
test_a_worker_keeps_no_more_than_it_should (void)
{
  g_autoptr (Parent) parent = parent_new ();
  g_autoptr (GString) script = g_string_new ("S1 T1");

  for (guint i = 2; i <= AIOPOOL_MAX_SHARED; i++)
    g_string_append_printf (script, " S%u", i);
  g_string_append_printf (script, " T%u U2 S1000 T1000", AIOPOOL_MAX_SHARED);
  send_script (parent, script->str);
  for (guint i = 1; i <= 3; i++)
    expect_result (parent, TASK_ID (i));
  send_script (parent, "S1001");
  expect_protocol_end (parent);
}

/* That is the failure of the tasks that wanted it, each time. */
static void
test_shared_memory_that_cannot_be_mapped (void)
{
  g_autoptr (Parent) parent = parent_new ();
  AiopoolValueMessage message = { .view = { AIOPOOL_FORMAT_RAW, NULL, NULL, 1 << 20 } };
  g_autoptr (GUnixFDList) fds = NULL;
  g_autofree guint8 *frame = NULL;
  AiopoolFrame answer;
  gsize size;
  int end;

  message.transport = AIOPOOL_TRANSPORT_MEMFD;
  message.has_fd = TRUE;
  size = aiopool_message_share_size (&message);
  frame = g_malloc0 (size);
  aiopool_message_write_share (frame, 1, &message);
  fds = new_gate (&end);
  send_bytes (parent->data_fd, frame, size, fds);
  send_script (parent, "T1 T1 U1 S2 T2");
  for (guint i = 1; i <= 2; i++)
    {
      next_frame (parent->data, &answer);
      g_assert_cmpuint (answer.type, ==, AIOPOOL_FRAME_ERROR);
      g_assert_cmpuint (answer.id, ==, TASK_ID (i));
    }
  expect_result (parent, TASK_ID (3));
  close (end);
}

int
main (int   argc,
      char *argv[])
{
  aiopool_service_enter (register_functions, NULL);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/workers/fake-parent/a-task-that-ended-is-not-called-unheard",
                   test_a_task_that_ended_is_not_called_unheard);
  g_test_add_func ("/workers/fake-parent/no-task-starts-right-after-an-unheard-one",
                   test_no_task_starts_right_after_an_unheard_one);
  g_test_add_func ("/workers/fake-parent/an-argument-that-cannot-be-read",
                   test_an_argument_that_cannot_be_read_leaves_the_function_alone);
  g_test_add_func ("/workers/fake-parent/a-function-that-logs-waits-for-nobody",
                   test_a_function_that_logs_waits_for_nobody);
  g_test_add_func ("/workers/fake-parent/one-that-says-it-wrote-more-is-answered",
                   test_a_parent_that_says_it_wrote_more_is_answered);
  g_test_add_func ("/workers/fake-parent/an-answer-does-not-wait-for-tasks-that-were-taken-back",
                   test_an_answer_does_not_wait_for_tasks_that_were_taken_back);
  g_test_add_func ("/workers/fake-parent/a-loop-is-iterated-while-there-is-more-in-the-socket",
                   test_a_loop_is_iterated_while_there_is_more_in_the_socket);
  g_test_add_func ("/workers/fake-parent/a-worker-without-descriptors-for-a-task-ends",
                   test_a_worker_without_descriptors_for_a_task_ends);
  g_test_add_func ("/workers/fake-parent/an-item-that-failed-does-not-wait-for-the-next-one",
                   test_an_item_that_failed_does_not_wait_for_the_next_one);
  g_test_add_func ("/workers/fake-parent/one-that-shares-what-it-may-not",
                   test_a_parent_that_shares_what_it_may_not_is_left);
  g_test_add_func ("/workers/fake-parent/a-worker-keeps-no-more-than-it-should",
                   test_a_worker_keeps_no_more_than_it_should);
  g_test_add_func ("/workers/fake-parent/shared-memory-that-cannot-be-mapped",
                   test_shared_memory_that_cannot_be_mapped);
  return g_test_run ();
}
