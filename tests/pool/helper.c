/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/pool/helper.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What the tests of pools share: pools and tasks in one line, gates, tallies, marks. */

static AiopoolExecutor *
new_pool (guint            max_workers,
          AiopoolLauncher *launcher,
          guint            tasks_per_worker)
{
  return g_object_new (AIOPOOL_TYPE_POOL,
                       "max-workers", max_workers,
                       "launcher", launcher,
                       "tasks-per-worker", tasks_per_worker,
                       "grace-period", 0.4,
                       NULL);
}

/* Its workers are this program. */
AiopoolExecutor *
helper_pool (guint max_workers)
{
  g_autoptr (AiopoolLauncher) launcher = aiopool_launcher_new ();

  return new_pool (max_workers, launcher, 1);
}

/* With functions that answer later. */
AiopoolExecutor *
helper_async_pool (guint max_workers,
                   guint tasks_per_worker)
{
  g_autoptr (AiopoolLauncher) launcher = aiopool_launcher_new ();

  aiopool_launcher_setenv (launcher, "HELPER_ASYNC", "1");
  return new_pool (max_workers, launcher, tasks_per_worker);
}

AiopoolExecutor *
helper_untrusted_pool (guint max_workers)
{
  g_autoptr (AiopoolLauncher) launcher = aiopool_launcher_new ();

  aiopool_launcher_set_trusted (launcher, FALSE);
  return new_pool (max_workers, launcher, 1);
}

AiopoolExecutor *
helper_launcher_pool (guint            max_workers,
                      AiopoolLauncher *launcher)
{
  return new_pool (max_workers, launcher, 1);
}

AiopoolExecutor *
helper_argv_pool (guint       max_workers,
                  const char *program,
                  ...)
{
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  g_autoptr (AiopoolLauncher) launcher = NULL;
  va_list arguments;

  va_start (arguments, program);
  for (const char *word = program; word != NULL; word = va_arg (arguments, const char *))
    g_ptr_array_add (argv, (gpointer) word);
  va_end (arguments);
  g_ptr_array_add (argv, NULL);
  launcher = aiopool_launcher_new_for_argv ((const char * const *) argv->pdata);
  return new_pool (max_workers, launcher, 1);
}

void
helper_shutdown (AiopoolExecutor     *executor,
                 AiopoolShutdownFlags flags)
{
  g_autoptr (GError) error = NULL;

  aiopool_executor_shutdown (executor, flags, NULL, &error);
  g_assert_no_error (error);
}

/* What the build tells, such as where a plug-in is. */
const char *
helper_environment (const char *variable)
{
  const char *value = g_getenv (variable);

  if (value == NULL)
    g_error ("%s is not set: run this by meson test", variable);
  return value;
}

static AiopoolTask *
task_va (const char *function,
         const char *format,
         va_list    *arguments)
{
  return aiopool_task_new (function,
                           format != NULL ? g_variant_new_va (format, NULL, arguments) : NULL);
}

AiopoolTask *
helper_task (const char *function,
             const char *format,
             ...)
{
  AiopoolTask *task;
  va_list arguments;

  va_start (arguments, format);
  task = task_va (function, format, &arguments);
  va_end (arguments);
  return task;
}

/* Takes @task. */
AiopoolFuture *
helper_submit_task (AiopoolExecutor *executor,
                    AiopoolTask     *task)
{
  g_autoptr (GError) error = NULL;
  AiopoolFuture *future = aiopool_executor_submit (executor, task, NULL, &error);

  g_assert_no_error (error);
  g_object_unref (task);
  return future;
}

AiopoolFuture *
helper_submit (AiopoolExecutor *executor,
               const char      *function,
               const char      *format,
               ...)
{
  AiopoolTask *task;
  va_list arguments;

  va_start (arguments, format);
  task = task_va (function, format, &arguments);
  va_end (arguments);
  return helper_submit_task (executor, task);
}

GVariant *
helper_run (AiopoolExecutor *executor,
            const char      *function,
            const char      *format,
            ...)
{
  g_autoptr (AiopoolTask) task = NULL;
  g_autoptr (GError) error = NULL;
  GVariant *result;
  va_list arguments;

  va_start (arguments, format);
  task = task_va (function, format, &arguments);
  va_end (arguments);
  result = aiopool_executor_run (executor, task, NULL, &error);
  g_assert_no_error (error);
  return result;
}

/* What comes back for @number, which should be the same. */
guint
helper_run_echo (AiopoolExecutor *executor,
                 guint            number)
{
  g_autoptr (GVariant) result = helper_run (executor, "echo", "(u)", number);
  guint other;

  g_variant_get (result, "(u)", &other);
  return other;
}

int
helper_run_pid (AiopoolExecutor *executor)
{
  g_autoptr (GVariant) result = helper_run (executor, "pid", NULL);

  return g_variant_get_int32 (result);
}

void
helper_wait (AiopoolFuture *future)
{
  g_assert_true (aiopool_future_wait (future, HELPER_LONG));
  g_assert_true (aiopool_future_is_done (future));
}

GVariant *
helper_collect (AiopoolFuture *future)
{
  g_autoptr (GError) error = NULL;
  GVariant *result = aiopool_future_collect (future, HELPER_LONG, NULL, &error);

  g_assert_no_error (error);
  return result;
}

/* Waits, too. */
void
helper_expect_error (AiopoolFuture *future,
                     GQuark         domain,
                     int            code)
{
  helper_wait (future);
  g_assert_error (aiopool_future_get_error (future), domain, code);
  g_assert_cmpint (aiopool_future_get_state (future), ==, AIOPOOL_FUTURE_FAILED);
}

void
helper_expect_cancelled (AiopoolFuture *future)
{
  helper_wait (future);
  g_assert_error (aiopool_future_get_error (future), G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (aiopool_future_get_state (future), ==, AIOPOOL_FUTURE_CANCELLED);
}

void
helper_expect_message (AiopoolFuture *future,
                       const char    *part)
{
  const GError *error = aiopool_future_get_error (future);

  g_assert_nonnull (error);
  if (strstr (error->message, part) == NULL)
    g_error ("'%s' is not in '%s'", part, error->message);
}

/* @part: of the message. */
void
helper_expect_crash (AiopoolFuture *future,
                     const char    *part)
{
  helper_expect_error (future, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_CRASHED);
  helper_expect_message (future, part);
}

/* A task that should have run. */
void
helper_run_expecting (AiopoolExecutor *executor,
                      GQuark           domain,
                      int              code)
{
  g_autoptr (AiopoolTask) task = helper_task ("echo", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) result = aiopool_executor_run (executor, task, NULL, &error);

  g_assert_null (result);
  g_assert_error (error, domain, code);
}

static void
on_done (AiopoolFuture *future,
         gpointer       user_data)
{
  HelperTally *tally = user_data;
  AiopoolFutureState state = aiopool_future_get_state (future);

  tally->n_called++;
  tally->n_done += state == AIOPOOL_FUTURE_DONE;
  tally->n_failed += state == AIOPOOL_FUTURE_FAILED;
  tally->n_cancelled += state == AIOPOOL_FUTURE_CANCELLED;
}

/* @tally: outlives the end of @future. */
void
helper_watch (AiopoolFuture *future,
              HelperTally   *tally)
{
  tally->n_watched++;
  aiopool_future_add_done_callback (future, on_done, tally, NULL);
}

/* Until all that are watched have called; none may call twice. */
void
helper_await_tally (HelperTally *tally)
{
  while (tally->n_called < tally->n_watched)
    g_main_context_iteration (NULL, TRUE);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpuint (tally->n_called, ==, tally->n_watched);
  g_assert_cmpuint (tally->n_done + tally->n_failed + tally->n_cancelled, ==, tally->n_called);
}

static gboolean
on_too_late (gpointer data)
{
  *(gboolean *) data = TRUE;
  return G_SOURCE_CONTINUE;
}

/* @count may be counted up in any thread, but then only what wakes the context tells of it. */
void
helper_await_count (int *count,
                    int  n)
{
  gboolean is_too_late = FALSE;
  guint id = g_timeout_add_seconds ((guint) HELPER_LONG, on_too_late, &is_too_late);

  while (g_atomic_int_get (count) < n && !is_too_late)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (id);
  g_assert_false (is_too_late);
  g_assert_cmpint (g_atomic_int_get (count), ==, n);
}

HelperGate *
helper_gate_new (void)
{
  HelperGate *gate = g_new (HelperGate, 1);
  g_autoptr (GError) error = NULL;

  g_unix_open_pipe (gate->started, FD_CLOEXEC, &error);
  g_assert_no_error (error);
  g_unix_open_pipe (gate->release, FD_CLOEXEC, &error);
  g_assert_no_error (error);
  return gate;
}

AiopoolTask *
helper_gate_task (HelperGate *gate,
                  const char *mode)
{
  AiopoolTask *task = helper_task ("gate", "(s)", mode);
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();

  g_assert_cmpint (g_unix_fd_list_append (fds, gate->started[1], NULL), ==, 0);
  g_assert_cmpint (g_unix_fd_list_append (fds, gate->release[0], NULL), ==, 1);
  aiopool_task_set_fds (task, fds);
  return task;
}

AiopoolFuture *
helper_gate_submit (HelperGate      *gate,
                    AiopoolExecutor *executor,
                    const char      *mode)
{
  return helper_submit_task (executor, helper_gate_task (gate, mode));
}

/* Until so many more tasks run. */
void
helper_gate_await (HelperGate *gate,
                   guint       n_tasks)
{
  for (guint i = 0; i < n_tasks; i++)
    {
      char byte;

      g_assert_cmpint (read (gate->started[0], &byte, 1), ==, 1);
    }
}

/* Keeps a worker busy until the gate opens. */
void
helper_gate_occupy (HelperGate      *gate,
                    AiopoolExecutor *executor)
{
  g_object_unref (helper_gate_submit (gate, executor, "deaf"));
  helper_gate_await (gate, 1);
}

/* For all tasks that wait there and all that will come. */
void
helper_gate_open (HelperGate *gate)
{
  if (gate->release[1] >= 0)
    close (gate->release[1]);
  gate->release[1] = -1;
}

void
helper_gate_free (HelperGate *gate)
{
  helper_gate_open (gate);
  close (gate->release[0]);
  close (gate->started[0]);
  close (gate->started[1]);
  g_free (gate);
}

/* How often a race is run: @n times, unless the environment says. */
guint
helper_rounds (guint n)
{
  const char *text = g_getenv ("AIOPOOL_TEST_ROUNDS");

  return text != NULL ? (guint) atoi (text) : n;
}

char *
helper_marks_new (void)
{
  static guint n_files;
  g_autofree char *name = g_strdup_printf ("marks-%u", n_files++);
  char *path = helper_file (name);

  g_assert_true (g_file_set_contents (path, "", 0, NULL));
  return path;
}

/* (transfer full): how often each number from 0 is there. */
guint *
helper_marks_count (const char *path,
                    guint       n_numbers)
{
  guint *counts = g_new0 (guint, n_numbers);
  g_autofree char *contents = NULL;
  g_autoptr (GError) error = NULL;
  gsize size;

  g_file_get_contents (path, &contents, &size, &error);
  g_assert_no_error (error);
  for (gsize i = 0; i < size; i += sizeof (guint))
    {
      guint number;

      memcpy (&number, contents + i, sizeof number);
      g_assert_cmpuint (number, <, n_numbers);
      counts[number]++;
    }
  return counts;
}

/* (transfer full): bytes as the worker's fill() makes them. */
GBytes *
helper_pattern_new (gsize size)
{
  guint8 *data = g_malloc (size + 1);

  for (gsize i = 0; i < size; i++)
    data[i] = (guint8) (i * 7 + size);
  return g_bytes_new_take (data, size);
}
