/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/pool/helper.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* What workers log comes out here, once: at the future, at the pool, or in this program's own log,
 * which is WRITTEN below. */

#define DOMAIN "test-log"

/* In a worker. */

/* (level, message) */
static GVariant *
say (AiopoolCall *call,
     GVariant    *arguments,
     gpointer     user_data,
     GError     **error)
{
  const char *message;
  guint level;

  g_variant_get (arguments, "(u&s)", &level, &message);
  g_log (DOMAIN, (GLogLevelFlags) level, "%s", message);
  return g_variant_new_boolean (TRUE);
}

static GVariant *
say_with_fields (AiopoolCall *call,
                 GVariant    *arguments,
                 gpointer     user_data,
                 GError     **error)
{
  const GLogField fields[] = {
    { "MESSAGE", "what \xff is it", -1 }, { "PRIORITY", "6", -1 }, { "GLIB_DOMAIN", "other", -1 },
    { "CODE_FILE", "there.c", -1 }, { "BINARY", "\0\1\2", 3 }, { "NOT_TEXT", "a\xfe", -1 },
    { "AIOPOOL_WORKER_PID", "1", -1 },
  };

  g_log_structured_array (G_LOG_LEVEL_MESSAGE, fields, G_N_ELEMENTS (fields));
  return g_variant_new_boolean (TRUE);
}

static gpointer
say_in_thread (gpointer data)
{
  g_log (DOMAIN, G_LOG_LEVEL_MESSAGE, "from a thread");
  return NULL;
}

static GVariant *
start_thread (AiopoolCall *call,
              GVariant    *arguments,
              gpointer     user_data,
              GError     **error)
{
  g_thread_join (g_thread_new ("talker", say_in_thread, NULL));
  return g_variant_new_boolean (TRUE);
}

/* (n): numbers, from 0. */
static GVariant *
flood (AiopoolCall *call,
       GVariant    *arguments,
       gpointer     user_data,
       GError     **error)
{
  guint n;

  g_variant_get (arguments, "(u)", &n);
  for (guint i = 0; i < n; i++)
    g_log (DOMAIN, G_LOG_LEVEL_MESSAGE, "%u", i);
  return g_variant_new_boolean (TRUE);
}

/* (size): of the message and of many fields. */
static GVariant *
say_much (AiopoolCall *call,
          GVariant    *arguments,
          gpointer     user_data,
          GError     **error)
{
  g_autofree char *text = NULL;
  GLogField fields[64];
  guint size;

  g_variant_get (arguments, "(u)", &size);
  text = g_strnfill (size, 'x');
  fields[0] = (GLogField) { "MESSAGE", text, -1 };
  for (guint i = 1; i < G_N_ELEMENTS (fields); i++)
    fields[i] = (GLogField) { "FIELD", text, -1 };
  g_log_structured_array (G_LOG_LEVEL_MESSAGE, fields, G_N_ELEMENTS (fields));
  return g_variant_new_boolean (TRUE);
}

/* (n): so many long records, and then the worker dies. */
static GVariant *
say_much_and_die (AiopoolCall *call,
                  GVariant    *arguments,
                  gpointer     user_data,
                  GError     **error)
{
  g_autofree char *text = g_strnfill (16 * 1024, 'x');
  guint n;

  g_variant_get (arguments, "(u)", &n);
  for (guint i = 0; i < n; i++)
    g_log (DOMAIN, G_LOG_LEVEL_MESSAGE, "%s", text);
  raise (SIGKILL);
  return NULL;
}

/* What a fork logs must not get between the frames of its parent. */
static GVariant *
say_in_fork (AiopoolCall *call,
             GVariant    *arguments,
             gpointer     user_data,
             GError     **error)
{
  int pid = fork ();
  int status;

  if (pid == 0)
    {
      for (guint i = 0; i < 100; i++)
        g_log (DOMAIN, G_LOG_LEVEL_MESSAGE, "from a fork");
      _exit (0);
    }
  return g_variant_new_boolean (waitpid (pid, &status, 0) == pid && status == 0);
}

/* Logs after it has answered. */
static GVariant *
say_late (AiopoolCall *call,
          GVariant    *arguments,
          gpointer     user_data,
          GError     **error)
{
  aiopool_call_return_value (call, g_variant_new_boolean (TRUE));
  g_log (DOMAIN, G_LOG_LEVEL_MESSAGE, "too late");
  return NULL;
}

static gpointer
answer_in_thread (gpointer data)
{
  aiopool_call_return_value (data, g_variant_new_boolean (TRUE));
  return NULL;
}

/* Logs while another thread answers. */
static GVariant *
say_meanwhile (AiopoolCall *call,
               GVariant    *arguments,
               gpointer     user_data,
               GError     **error)
{
  GThread *thread = g_thread_new ("answer", answer_in_thread, call);

  for (guint i = 0; i < 5; i++)
    g_log (DOMAIN, G_LOG_LEVEL_MESSAGE, "meanwhile");
  g_thread_join (thread);
  return NULL;
}

static gboolean
on_later (gpointer data)
{
  g_log (DOMAIN, G_LOG_LEVEL_MESSAGE, "later");
  aiopool_call_return_value (data, g_variant_new_boolean (TRUE));
  return G_SOURCE_REMOVE;
}

/* Logs as it starts, and when it answers from the main loop. */
static void
say_twice (AiopoolCall *call,
           GVariant    *arguments,
           gpointer     user_data)
{
  g_log (DOMAIN, G_LOG_LEVEL_MESSAGE, "now");
  g_idle_add_full (G_PRIORITY_DEFAULT, on_later, g_object_ref (call), g_object_unref);
}

static GLogWriterOutput
write_own (GLogLevelFlags   level,
           const GLogField *fields,
           gsize            n_fields,
           gpointer         user_data)
{
  fputs ("in my own words\n", stderr);
  return G_LOG_WRITER_HANDLED;
}

static void
register_functions (AiopoolService *service,
                    gpointer        user_data)
{
  static const struct { const char *name; AiopoolFunction function; } functions[] = {
    { "say", say }, { "say-with-fields", say_with_fields }, { "start-thread", start_thread },
    { "flood", flood }, { "say-much", say_much }, { "say-in-fork", say_in_fork },
    { "say-much-and-die", say_much_and_die }, { "say-late", say_late },
    { "say-meanwhile", say_meanwhile },
  };

  helper_register (service, user_data);
  for (guint i = 0; i < G_N_ELEMENTS (functions); i++)
    aiopool_service_add (service, functions[i].name, functions[i].function, NULL, NULL);
  if (g_getenv ("HELPER_ASYNC") != NULL)
    aiopool_service_add_async (service, "say-twice", say_twice, NULL, NULL);
  if (g_getenv ("TEST_OWN_WRITER") == NULL)
    return;
  g_assert_true (aiopool_service_get_forwards_log (service));
  if (g_str_equal (g_getenv ("TEST_OWN_WRITER"), "alone"))
    aiopool_service_set_forwards_log (service, FALSE);
  g_log_set_writer_func (write_own, NULL, NULL);
}

/* In the parent. */

static GMutex     written_lock;
static GPtrArray *written; /* of strings, under the lock */

static const char *
find_field (const GLogField *fields,
            gsize            n_fields,
            const char      *key)
{
  for (gsize i = 0; i < n_fields; i++)
    {
      if (strcmp (fields[i].key, key) == 0)
        return fields[i].value;
    }
  return "-";
}

/* Keeps what came from workers, and does what a program without a writer of its own does. */
static GLogWriterOutput
write_and_keep (GLogLevelFlags   level,
                const GLogField *fields,
                gsize            n_fields,
                gpointer         user_data)
{
  const char *pid = find_field (fields, n_fields, "AIOPOOL_WORKER_PID");

  if (*pid != '-')
    {
      g_mutex_lock (&written_lock);
      g_ptr_array_add (written,
                       g_strdup_printf ("%x %s %s %s %s", (guint) level,
                                        find_field (fields, n_fields, "GLIB_DOMAIN"),
                                        find_field (fields, n_fields, "AIOPOOL_FUNCTION"),
                                        find_field (fields, n_fields, "AIOPOOL_TAG"),
                                        find_field (fields, n_fields, "MESSAGE")));
      g_mutex_unlock (&written_lock);
    }
  return g_log_writer_default (level, fields, n_fields, user_data);
}

static void
forget_written (void)
{
  g_ptr_array_set_size (written, 0);
}

/* That came by a signal. */
typedef struct
{
  GPtrArray    *lines;   /* (owned) of strings, as in written */
  int           n_lines;
  gboolean      takes;   /* what the handler returns */
  GMainContext *context; /* (nullable): where it has to be called */
  GVariant     *fields;  /* (owned) (nullable): of the last one */
  int           pid;
} Heard;

static void
heard_clear (Heard *heard)
{
  g_clear_pointer (&heard->lines, g_ptr_array_unref);
  g_clear_pointer (&heard->fields, g_variant_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Heard, heard_clear)

static gboolean
on_log (GObject          *object,
        AiopoolLogRecord *record,
        gpointer          user_data)
{
  Heard *heard = user_data;
  const char *domain = aiopool_log_record_get_domain (record);
  const char *function = aiopool_log_record_get_function (record);
  const char *tag = aiopool_log_record_get_tag (record);

  if (heard->context != NULL)
    g_assert_true (g_main_context_is_owner (heard->context));
  g_ptr_array_add (heard->lines,
                   g_strdup_printf ("%x %s %s %s %s",
                                    (guint) aiopool_log_record_get_level (record),
                                    domain != NULL ? domain : "-",
                                    function != NULL ? function : "-", tag != NULL ? tag : "-",
                                    aiopool_log_record_get_message (record)));
  heard->n_lines++;
  g_clear_pointer (&heard->fields, g_variant_unref);
  heard->fields = g_variant_ref (aiopool_log_record_get_fields (record));
  heard->pid = aiopool_log_record_get_worker_pid (record);
  return heard->takes;
}

static gulong
listen (gpointer  object,
        Heard    *heard,
        gboolean  takes)
{
  heard->lines = g_ptr_array_new_with_free_func (g_free);
  heard->takes = takes;
  return g_signal_connect (object, "log", G_CALLBACK (on_log), heard);
}

static void
expect_line (GPtrArray  *lines,
             guint       index,
             const char *line)
{
  g_assert_cmpuint (lines->len, >, index);
  g_assert_cmpstr (g_ptr_array_index (lines, index), ==, line);
}

static void
iterate (void)
{
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

static AiopoolFuture *
submit_say (AiopoolExecutor *pool,
            GLogLevelFlags   level,
            const char      *message)
{
  return helper_submit (pool, "say", "(us)", (guint) level, message);
}

static void
run_say (AiopoolExecutor *pool,
         GLogLevelFlags   level,
         const char      *message)
{
  g_variant_unref (helper_run (pool, "say", "(us)", (guint) level, message));
}

static void
test_each_level_comes (void)
{
  static const struct { GLogLevelFlags level; const char *line; } levels[] = {
    { G_LOG_LEVEL_CRITICAL, "8 test-log say - words" },
    { G_LOG_LEVEL_WARNING, "10 test-log say - words" },
    { G_LOG_LEVEL_MESSAGE, "20 test-log say - words" },
    { (GLogLevelFlags) (1 << G_LOG_LEVEL_USER_SHIFT), "100 test-log say - words" },
  };
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_auto (Heard) heard = { NULL };

  listen (pool, &heard, TRUE);
  for (guint i = 0; i < G_N_ELEMENTS (levels); i++)
    {
      run_say (pool, levels[i].level, "words");
      helper_await_count (&heard.n_lines, (int) i + 1);
      expect_line (heard.lines, i, levels[i].line);
    }
  g_assert_cmpint (heard.pid, ==, helper_run_pid (pool));
  g_assert_cmpuint (written->len, ==, 0);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* As in any program, by the worker's environment. */
static void
test_debug_messages_come_if_they_are_wanted (void)
{
  g_autoptr (AiopoolLauncher) launcher = aiopool_launcher_new ();
  g_autoptr (AiopoolExecutor) loud = NULL;
  g_autoptr (AiopoolExecutor) quiet = helper_pool (1);
  g_auto (Heard) heard = { NULL };
  g_auto (Heard) nothing = { NULL };

  aiopool_launcher_setenv (launcher, "G_MESSAGES_DEBUG", DOMAIN);
  loud = AIOPOOL_EXECUTOR (aiopool_pool_new_with_launcher (1, launcher));
  listen (loud, &heard, TRUE);
  listen (quiet, &nothing, TRUE);
  run_say (loud, G_LOG_LEVEL_DEBUG, "a detail");
  run_say (quiet, G_LOG_LEVEL_DEBUG, "a detail");
  run_say (quiet, G_LOG_LEVEL_INFO, "more");
  run_say (quiet, G_LOG_LEVEL_MESSAGE, "this");
  helper_await_count (&heard.n_lines, 1);
  helper_await_count (&nothing.n_lines, 1);
  expect_line (heard.lines, 0, "80 test-log say - a detail");
  expect_line (nothing.lines, 0, "20 test-log say - this");
  helper_shutdown (loud, AIOPOOL_SHUTDOWN_DRAIN);
  helper_shutdown (quiet, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_fields_come_with_it (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_auto (Heard) heard = { NULL };
  const char *value;

  listen (pool, &heard, TRUE);
  g_variant_unref (helper_run (pool, "say-with-fields", NULL));
  helper_await_count (&heard.n_lines, 1);
  expect_line (heard.lines, 0, "20 other say-with-fields - what \xef\xbf\xbd is it");
  g_assert_cmpuint (g_variant_n_children (heard.fields), ==, 2);
  g_assert_true (g_variant_lookup (heard.fields, "CODE_FILE", "&s", &value));
  g_assert_cmpstr (value, ==, "there.c");
  g_assert_true (g_variant_lookup (heard.fields, "NOT_TEXT", "&s", &value));
  g_assert_cmpstr (value, ==, "a\xef\xbf\xbd");
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_much_is_cut (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_auto (Heard) heard = { NULL };

  listen (pool, &heard, TRUE);
  g_variant_unref (helper_run (pool, "say-much", "(u)", 100000));
  helper_await_count (&heard.n_lines, 1);
  g_assert_cmpuint (strlen (g_ptr_array_index (heard.lines, 0)), >=, 16 * 1024);
  g_assert_cmpuint (strlen (g_ptr_array_index (heard.lines, 0)), <, 17 * 1024);
  g_assert_cmpuint (g_variant_get_size (heard.fields), <=, 32 * 1024);
  g_variant_unref (helper_run (pool, "say-much", "(u)", 10));
  helper_await_count (&heard.n_lines, 2);
  g_assert_cmpuint (g_variant_n_children (heard.fields), ==, 32);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_the_future_comes_before_the_pool (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (AiopoolFuture) future = submit_say (pool, G_LOG_LEVEL_WARNING, "words");
  g_auto (Heard) at_future = { NULL };
  g_auto (Heard) at_pool = { NULL };

  listen (future, &at_future, TRUE);
  listen (pool, &at_pool, TRUE);
  helper_await_count (&at_future.n_lines, 1);
  helper_wait (future);
  iterate ();
  g_assert_cmpint (at_future.n_lines, ==, 1);
  g_assert_cmpint (at_pool.n_lines, ==, 0);
  g_assert_cmpuint (written->len, ==, 0);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_what_nobody_takes_is_logged_here_once (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (AiopoolTask) task = helper_task ("say", "(us)", (guint) G_LOG_LEVEL_WARNING, "words");
  g_autoptr (AiopoolFuture) future = NULL;
  g_auto (Heard) at_future = { NULL };
  g_auto (Heard) at_pool = { NULL };

  aiopool_task_set_tag (task, "seven");
  future = helper_submit_task (pool, g_object_ref (task));
  listen (future, &at_future, FALSE);
  listen (pool, &at_pool, FALSE);
  helper_await_count (&at_pool.n_lines, 1);
  iterate ();
  expect_line (at_future.lines, 0, "10 test-log say seven words");
  expect_line (at_pool.lines, 0, "10 test-log say seven words");
  expect_line (written, 0, "10 test-log say seven words");
  g_assert_cmpint (at_future.n_lines, ==, 1);
  g_assert_cmpint (at_pool.n_lines, ==, 1);
  g_assert_cmpuint (written->len, ==, 1);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* No main context is iterated here. The test framework makes warnings fatal: not these. */
static void
test_a_program_that_only_blocks_logs_it (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (AiopoolFuture) future = NULL;

  run_say (pool, G_LOG_LEVEL_CRITICAL, "first");
  g_assert_cmpuint (written->len, ==, 1);
  expect_line (written, 0, "8 test-log say - first");
  future = submit_say (pool, G_LOG_LEVEL_WARNING, "second");
  helper_wait (future);
  g_assert_cmpuint (written->len, ==, 2);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_disconnected_handler_gets_none (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_auto (Heard) heard = { NULL };
  gulong id = listen (pool, &heard, TRUE);

  run_say (pool, G_LOG_LEVEL_MESSAGE, "before");
  helper_await_count (&heard.n_lines, 1);
  g_signal_handler_disconnect (pool, id);
  run_say (pool, G_LOG_LEVEL_MESSAGE, "after");
  g_assert_cmpint (heard.n_lines, ==, 1);
  g_assert_cmpuint (written->len, ==, 1);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_thread_is_no_task (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "start-thread", NULL);
  g_auto (Heard) at_future = { NULL };
  g_auto (Heard) at_pool = { NULL };

  listen (future, &at_future, TRUE);
  listen (pool, &at_pool, TRUE);
  helper_await_count (&at_pool.n_lines, 1);
  expect_line (at_pool.lines, 0, "20 test-log - - from a thread");
  g_assert_cmpint (at_future.n_lines, ==, 0);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* One after the other, or both sent at once. */
static void
test_tasks_of_one_worker_are_told_apart (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (AiopoolFuture) first = submit_say (pool, G_LOG_LEVEL_MESSAGE, "one");
  g_autoptr (AiopoolFuture) second = submit_say (pool, G_LOG_LEVEL_MESSAGE, "two");
  g_auto (Heard) at_first = { NULL };
  g_auto (Heard) at_second = { NULL };

  listen (first, &at_first, TRUE);
  listen (second, &at_second, TRUE);
  helper_await_count (&at_first.n_lines, 1);
  helper_await_count (&at_second.n_lines, 1);
  expect_line (at_first.lines, 0, "20 test-log say - one");
  expect_line (at_second.lines, 0, "20 test-log say - two");
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_an_asynchronous_function_logs_while_it_starts (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_async_pool (1, 4);
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "say-twice", NULL);
  g_auto (Heard) at_future = { NULL };
  g_auto (Heard) at_pool = { NULL };

  listen (future, &at_future, TRUE);
  listen (pool, &at_pool, TRUE);
  helper_await_count (&at_pool.n_lines, 1);
  helper_await_count (&at_future.n_lines, 1);
  expect_line (at_future.lines, 0, "20 test-log say-twice - now");
  expect_line (at_pool.lines, 0, "20 test-log - - later");
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_an_answered_task_logs_nothing_more (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_auto (Heard) heard = { NULL };

  listen (pool, &heard, TRUE);
  g_variant_unref (helper_run (pool, "say-late", NULL));
  helper_await_count (&heard.n_lines, 1);
  expect_line (heard.lines, 0, "20 test-log - - too late");
  for (guint i = 0; i < 150; i++) /* all with the first credit */
    {
      g_variant_unref (helper_run (pool, "say-meanwhile", NULL));
      helper_await_count (&heard.n_lines, 1 + 5 * ((int) i + 1));
    }
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_fatal_record_is_told_and_in_the_error (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (AiopoolFuture) future = submit_say (pool, G_LOG_LEVEL_ERROR, "the end of it");
  g_auto (Heard) heard = { NULL };

  listen (future, &heard, FALSE);
  helper_expect_error (future, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_CRASHED);
  helper_expect_message (future, "the end of it");
  helper_await_count (&heard.n_lines, 1);
  expect_line (heard.lines, 0, "4 test-log say - the end of it");
  iterate ();
  g_assert_cmpuint (written->len, ==, 1);
  expect_line (written, 0, "8 test-log say - the end of it");
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_what_is_made_fatal_is_in_the_error (void)
{
  g_autoptr (AiopoolLauncher) launcher = aiopool_launcher_new ();
  g_autoptr (AiopoolExecutor) pool = NULL;
  g_autoptr (AiopoolFuture) future = NULL;

  aiopool_launcher_setenv (launcher, "G_DEBUG", "fatal-warnings");
  pool = AIOPOOL_EXECUTOR (aiopool_pool_new_with_launcher (1, launcher));
  future = submit_say (pool, G_LOG_LEVEL_WARNING, "that is enough");
  helper_expect_error (future, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_CRASHED);
  helper_expect_message (future, "that is enough");
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* The task is not held up, and what waits here has a limit; what is over it went to standard
 * error. Each comes once, and when they were delivered there is room again. */
static void
test_a_flood_has_a_limit (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
  g_auto (Heard) heard = { NULL };

  listen (pool, &heard, TRUE);
  g_variant_unref (helper_run (pool, "flood", "(u)", 2000));
  g_assert_cmpint (heard.n_lines, ==, 0);
  iterate ();
  g_assert_cmpint (heard.n_lines, >, 500);
  g_assert_cmpint (heard.n_lines, <=, 1024);
  expect_line (heard.lines, 0, "20 test-log flood - 0");
  for (guint i = 0; i < heard.lines->len; i++)
    g_assert_true (g_hash_table_add (seen, g_ptr_array_index (heard.lines, i)));
  for (heard.n_lines = 0; heard.n_lines == 0; iterate ())
    run_say (pool, G_LOG_LEVEL_MESSAGE, "again");
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* Each takes its credit with it, and the next one has as much. */
static void
test_workers_that_die_leave_only_so_much (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_auto (Heard) heard = { NULL };
  guint size = 0;
  const char *last;

  listen (pool, &heard, TRUE);
  for (guint i = 0; i < 60; i++)
    {
      g_autoptr (AiopoolFuture) future = helper_submit (pool, "say-much-and-die", "(u)", 15);

      helper_expect_error (future, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_CRASHED);
    }
  g_assert_cmpint (heard.n_lines, ==, 0);
  iterate ();
  for (guint i = 0; i < heard.lines->len; i++)
    size += (guint) strlen (g_ptr_array_index (heard.lines, i));
  g_assert_cmpuint (size, >, 4 * 1024 * 1024);
  g_assert_cmpuint (size, <=, 8 * 1024 * 1024);
  run_say (pool, G_LOG_LEVEL_MESSAGE, "more");
  iterate ();
  last = g_ptr_array_index (heard.lines, heard.lines->len - 2);
  g_assert_true (g_str_has_prefix (last, "10 aiopool - - "));
  g_assert_nonnull (strstr (last, "log records of workers were lost"));
  g_assert_cmpint (heard.pid, ==, helper_run_pid (pool));
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* It has the sockets too, but they are not its own. */
static void
test_a_fork_of_a_worker_says_it_on_standard_error (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_auto (Heard) heard = { NULL };
  g_autoptr (GVariant) result = NULL;

  listen (pool, &heard, TRUE);
  result = helper_run (pool, "say-in-fork", NULL);
  g_assert_true (g_variant_get_boolean (result));
  run_say (pool, G_LOG_LEVEL_MESSAGE, "myself");
  helper_await_count (&heard.n_lines, 1);
  expect_line (heard.lines, 0, "20 test-log say - myself");
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_a_worker_may_keep_its_log (void)
{
  g_autoptr (AiopoolLauncher) launcher = aiopool_launcher_new ();
  g_autoptr (AiopoolExecutor) pool = NULL;
  g_autoptr (AiopoolFuture) future = NULL;
  g_auto (Heard) heard = { NULL };

  aiopool_launcher_setenv (launcher, "TEST_OWN_WRITER", "alone");
  pool = AIOPOOL_EXECUTOR (aiopool_pool_new_with_launcher (1, launcher));
  listen (pool, &heard, TRUE);
  future = submit_say (pool, G_LOG_LEVEL_ERROR, "words");
  helper_expect_error (future, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_CRASHED);
  helper_expect_message (future, "in my own words");
  iterate ();
  g_assert_cmpint (heard.n_lines, ==, 0);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

/* GLib ends such a worker, before it has a task. */
static void
test_a_second_writer_is_no_worker (void)
{
  g_autoptr (AiopoolLauncher) launcher = aiopool_launcher_new ();
  g_autoptr (AiopoolExecutor) pool = NULL;
  g_autoptr (AiopoolFuture) future = NULL;

  aiopool_launcher_setenv (launcher, "TEST_OWN_WRITER", "too");
  pool = AIOPOOL_EXECUTOR (aiopool_pool_new_with_launcher (1, launcher));
  future = submit_say (pool, G_LOG_LEVEL_MESSAGE, "words");
  helper_expect_error (future, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_START_FAILED);
  helper_expect_message (future, "in my own words");
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
test_what_is_here_when_the_pool_goes_is_logged (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_auto (Heard) heard = { NULL };

  listen (pool, &heard, TRUE);
  run_say (pool, G_LOG_LEVEL_MESSAGE, "the last words");
  g_assert_cmpint (heard.n_lines, ==, 0);
  g_clear_object (&pool);
  iterate ();
  g_assert_cmpint (heard.n_lines, ==, 0);
  g_assert_cmpuint (written->len, ==, 1);
}

static gboolean
on_log_drop (AiopoolExecutor  *pool,
             AiopoolLogRecord *record,
             gpointer          user_data)
{
  AiopoolExecutor **owned = user_data;

  g_clear_object (owned);
  return FALSE;
}

static void
test_a_handler_may_drop_the_pool (void)
{
  AiopoolExecutor *pool = helper_pool (1);

  g_signal_connect (pool, "log", G_CALLBACK (on_log_drop), &pool);
  g_variant_unref (helper_run (pool, "flood", "(u)", 3));
  while (pool != NULL)
    g_main_context_iteration (NULL, TRUE);
  iterate ();
  g_assert_cmpuint (written->len, ==, 3);
}

static void
on_done (AiopoolFuture *future,
         gpointer       user_data)
{
  *(gboolean *) user_data = TRUE;
}

/* The future is at home in one context, its pool in another one. */
static void
test_each_signal_comes_at_home (void)
{
  g_autoptr (AiopoolExecutor) pool = helper_pool (1);
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (AiopoolFuture) future = NULL;
  g_auto (Heard) at_future = { NULL };
  g_auto (Heard) at_pool = { NULL };
  gboolean is_done = FALSE;

  g_main_context_push_thread_default (context);
  future = submit_say (pool, G_LOG_LEVEL_MESSAGE, "words");
  g_main_context_pop_thread_default (context);
  listen (future, &at_future, FALSE);
  listen (pool, &at_pool, TRUE);
  at_future.context = context;
  at_pool.context = g_main_context_default ();
  helper_wait (future);
  iterate ();
  g_assert_cmpint (at_pool.n_lines, ==, 0);
  g_signal_connect (future, "done", G_CALLBACK (on_done), &is_done);
  while (!is_done)
    g_main_context_iteration (context, TRUE);
  g_assert_cmpint (at_future.n_lines, ==, 1);
  g_assert_cmpint (at_pool.n_lines, ==, 0);
  helper_await_count (&at_pool.n_lines, 1);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
run_test (gconstpointer data)
{
  forget_written ();
  ((GTestFunc) data) ();
}

int
main (int   argc,
      char *argv[])
{
  static const struct { const char *path; GTestFunc function; } tests[] = {
    { "/pool/log/each-level-comes", test_each_level_comes },
    { "/pool/log/debug-messages-come-if-they-are-wanted",
      test_debug_messages_come_if_they_are_wanted },
    { "/pool/log/fields-come-with-it", test_fields_come_with_it },
    { "/pool/log/much-is-cut", test_much_is_cut },
    { "/pool/log/the-future-comes-before-the-pool", test_the_future_comes_before_the_pool },
    { "/pool/log/what-nobody-takes-is-logged-here-once",
      test_what_nobody_takes_is_logged_here_once },
    { "/pool/log/a-program-that-only-blocks-logs-it", test_a_program_that_only_blocks_logs_it },
    { "/pool/log/a-disconnected-handler-gets-none", test_a_disconnected_handler_gets_none },
    { "/pool/log/a-thread-is-no-task", test_a_thread_is_no_task },
    { "/pool/log/tasks-of-one-worker-are-told-apart", test_tasks_of_one_worker_are_told_apart },
    { "/pool/log/an-asynchronous-function-logs-while-it-starts",
      test_an_asynchronous_function_logs_while_it_starts },
    { "/pool/log/an-answered-task-logs-nothing-more", test_an_answered_task_logs_nothing_more },
    { "/pool/log/a-fatal-record-is-told-and-in-the-error",
      test_a_fatal_record_is_told_and_in_the_error },
    { "/pool/log/what-is-made-fatal-is-in-the-error", test_what_is_made_fatal_is_in_the_error },
    { "/pool/log/a-flood-has-a-limit", test_a_flood_has_a_limit },
    { "/pool/log/workers-that-die-leave-only-so-much", test_workers_that_die_leave_only_so_much },
    { "/pool/log/a-fork-says-it-on-standard-error",
      test_a_fork_of_a_worker_says_it_on_standard_error },
    { "/pool/log/a-worker-may-keep-its-log", test_a_worker_may_keep_its_log },
    { "/pool/log/a-second-writer-is-no-worker", test_a_second_writer_is_no_worker },
    { "/pool/log/what-is-here-when-the-pool-goes-is-logged",
      test_what_is_here_when_the_pool_goes_is_logged },
    { "/pool/log/a-handler-may-drop-the-pool", test_a_handler_may_drop_the_pool },
    { "/pool/log/each-signal-comes-at-home", test_each_signal_comes_at_home },
  };

  aiopool_service_enter (register_functions, NULL);
  written = g_ptr_array_new_with_free_func (g_free);
  g_log_set_writer_func (write_and_keep, NULL, NULL);
  helper_begin (&argc, &argv);
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    helper_add_data (tests[i].path, run_test, (gconstpointer) tests[i].function);
  return helper_end ();
}
