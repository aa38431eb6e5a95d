/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the pool-* programs share: the functions of their workers (each program is its own worker)
 * and a pool that is warm. */
#include "bench-pool.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define FOREVER        (-1)
#define START_NAP_US   5000
#define START_ATTEMPTS 400

/* What takes time, and by what name. */
typedef struct
{
  const char *name;
  void      (*run) (guint64 amount);
} Work;

static Work works[] = {
  { "spin", bench_spin },
  { "steps", bench_work },
  { "nap", bench_nap },
};

/* The functions of a worker */

static GVariant *
do_noop (AiopoolCall *call G_GNUC_UNUSED,
         GVariant    *arguments G_GNUC_UNUSED,
         gpointer     user_data,
         GError     **error G_GNUC_UNUSED)
{
  return g_variant_ref (user_data);
}

/* (x): microseconds or steps of the work in user_data */
static GVariant *
do_amount (AiopoolCall *call G_GNUC_UNUSED,
           GVariant    *arguments,
           gpointer     user_data,
           GError     **error G_GNUC_UNUSED)
{
  const Work *work = user_data;
  gint64 amount;

  g_variant_get (arguments, "(x)", &amount);
  work->run ((guint64) amount);
  return g_variant_new ("()");
}

/* (s): waits for one byte from a named pipe, so that a worker is busy and its processor is not */
static GVariant *
do_gate (AiopoolCall *call G_GNUC_UNUSED,
         GVariant    *arguments,
         gpointer     user_data G_GNUC_UNUSED,
         GError     **error)
{
  const char *path;
  char byte;
  int fd;

  g_variant_get (arguments, "(&s)", &path);
  fd = open (path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || read (fd, &byte, 1) != 1)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "%s: no byte: %s", path,
                 g_strerror (errno));
  if (fd >= 0)
    close (fd);
  return error == NULL || *error == NULL ? g_variant_new ("()") : NULL;
}

/* (t): answers with that many bytes, written in place */
static GVariant *
do_blob (AiopoolCall *call,
         GVariant    *arguments,
         gpointer     user_data G_GNUC_UNUSED,
         GError     **error G_GNUC_UNUSED)
{
  guint64 size;
  gpointer buffer;

  g_variant_get (arguments, "(t)", &size);
  buffer = aiopool_call_new_buffer (call, size);
  memset (buffer, 'b', size);
  aiopool_call_return_buffer (call, buffer, size, AIOPOOL_FORMAT_GVARIANT, "ay");
  return NULL;
}

/* ay: answers with its length */
static GVariant *
do_sink (AiopoolCall *call G_GNUC_UNUSED,
         GVariant    *arguments,
         gpointer     user_data G_GNUC_UNUSED,
         GError     **error G_GNUC_UNUSED)
{
  return g_variant_new ("(t)", (guint64) g_variant_get_size (arguments));
}

/* (x): puts every thread of the worker on that processor */
static GVariant *
do_pin (AiopoolCall *call G_GNUC_UNUSED,
        GVariant    *arguments,
        gpointer     user_data G_GNUC_UNUSED,
        GError     **error G_GNUC_UNUSED)
{
  gint64 cpu;

  g_variant_get (arguments, "(x)", &cpu);
  bench_pin_process ((int) cpu);
  return g_variant_new ("()");
}

static void
add_functions (AiopoolService *service,
               gpointer        user_data G_GNUC_UNUSED)
{
  aiopool_service_add (service, "noop", do_noop,
                       g_variant_ref_sink (g_variant_new_tuple (NULL, 0)),
                       (GDestroyNotify) g_variant_unref);
  for (guint i = 0; i < G_N_ELEMENTS (works); i++)
    aiopool_service_add (service, works[i].name, do_amount, &works[i], NULL);
  aiopool_service_add (service, "gate", do_gate, NULL, NULL);
  aiopool_service_add (service, "blob", do_blob, NULL, NULL);
  aiopool_service_add (service, "sink", do_sink, NULL, NULL);
  aiopool_service_add (service, "pin", do_pin, NULL, NULL);
}

void
bench_pool_enter (void)
{
  aiopool_service_enter (add_functions, NULL);
}

int
bench_pool_main (int                 argc,
                 char              **argv,
                 const BenchCommand *commands)
{
  bench_pool_enter ();
  return bench_main (argc, argv, commands);
}

/* A warm pool */

static void
note_pid (BenchPool *self,
          int        pid,
          guint     *n_seen)
{
  for (guint i = 0; i < *n_seen; i++)
    if (self->pids[i] == pid)
      return;
  g_assert (*n_seen < BENCH_MAX_WORKERS);
  self->pids[(*n_seen)++] = pid;
}

static void
note_workers (BenchPool *self,
              guint     *n_seen)
{
  AiopoolFuture *futures[BENCH_MAX_WORKERS];

  for (guint i = 0; i < self->n_workers; i++)
    futures[i] = bench_pool_submit (self, "nap", g_variant_new ("(x)", (gint64) START_NAP_US));
  for (guint i = 0; i < self->n_workers; i++)
    {
      aiopool_future_wait (futures[i], FOREVER);
      bench_future_check (futures[i]);
      note_pid (self, aiopool_future_get_worker_pid (futures[i]), n_seen);
      g_object_unref (futures[i]);
    }
}

void
bench_pool_open (BenchPool *self,
                 guint      n_workers)
{
  guint n_seen = 0;

  g_assert (n_workers > 0 && n_workers <= BENCH_MAX_WORKERS);
  self->pool = aiopool_pool_new (n_workers);
  self->executor = AIOPOOL_EXECUTOR (self->pool);
  self->n_workers = n_workers;
  for (guint i = 0; n_seen < n_workers && i < START_ATTEMPTS; i++)
    note_workers (self, &n_seen);
  if (n_seen < n_workers)
    g_error ("only %u of %u workers ever took a task", n_seen, n_workers);
}

/* One worker, for latency: all on the first processor, or the worker on the second. */
void
bench_pool_open_at (BenchPool *self,
                    BenchPlace place)
{
  if (place == BENCH_ONE_CORE)
    bench_pin_process (bench_cpu (0));
  bench_pool_open (self, 1);
  if (place == BENCH_TWO_CORES)
    {
      g_variant_unref (bench_pool_run (self, "pin", g_variant_new ("(x)", (gint64) bench_cpu (1))));
      bench_pin_process (bench_cpu (0));
    }
}

void
bench_pool_close (BenchPool *self)
{
  g_autoptr (GError) error = NULL;

  if (!aiopool_executor_shutdown (self->executor, AIOPOOL_SHUTDOWN_DRAIN, NULL, &error))
    g_error ("shutdown: %s", error->message);
  self->executor = NULL;
  g_clear_object (&self->pool);
}

/* Tasks */

/* A fresh task with a fresh argument, "(t)"; g_variant_new() takes as long again to read its format
 * string, and is not what is measured. */
AiopoolTask *
bench_task_new (guint64 index)
{
  GVariant *number = g_variant_new_uint64 (index);

  return aiopool_task_new ("noop", g_variant_new_tuple (&number, 1));
}

AiopoolFuture *
bench_pool_submit (BenchPool  *self,
                   const char *function,
                   GVariant   *arguments)
{
  g_autoptr (AiopoolTask) task = aiopool_task_new (function, arguments);
  g_autoptr (GError) error = NULL;
  AiopoolFuture *future = aiopool_executor_submit (self->executor, task, NULL, &error);

  if (future == NULL)
    g_error ("%s: %s", function, error->message);
  return future;
}

GVariant *
bench_pool_run (BenchPool  *self,
                const char *function,
                GVariant   *arguments)
{
  g_autoptr (AiopoolTask) task = aiopool_task_new (function, arguments);
  g_autoptr (GError) error = NULL;
  GVariant *result = aiopool_executor_run (self->executor, task, NULL, &error);

  if (result == NULL)
    g_error ("%s: %s", function, error->message);
  return result;
}

void
bench_future_check (AiopoolFuture *future)
{
  if (aiopool_future_get_state (future) != AIOPOOL_FUTURE_DONE)
    {
      const GError *error = aiopool_future_get_error (future);

      g_error ("a task failed: %s", error != NULL ? error->message : "no error");
    }
}

/* Waits for all, and lets go of each. */
void
bench_futures_drain (GPtrArray *futures)
{
  for (guint i = 0; i < futures->len; i++)
    {
      AiopoolFuture *future = g_ptr_array_index (futures, i);

      aiopool_future_wait (future, FOREVER);
      bench_future_check (future);
      g_object_unref (future);
    }
  g_ptr_array_set_size (futures, 0);
}

/* Many tasks of no length, for what they leave behind. */
void
bench_pool_burst (BenchPool  *self,
                  const char *function,
                  guint64     n_tasks)
{
  g_autoptr (GPtrArray) futures = g_ptr_array_new ();

  for (guint64 i = 0; i < n_tasks; i++)
    g_ptr_array_add (futures,
                     bench_pool_submit (self, function, g_variant_new ("(x)", (gint64) 0)));
  bench_futures_drain (futures);
}
