/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The best that threads do: a GThreadPool whose completions share one source and one wake-up a
 * batch. */
#include "bench-common.h"

#define N_THREADS 2

typedef struct
{
  GSource     parent;
  GMutex      lock;
  guint64     n_ready;   /* under lock: done and not yet delivered */
  guint64     n_done;    /* main thread only */
  guint64     n_wanted;  /* main thread only */
  GMainLoop  *loop;      /* (unowned): the measurement's */
  GThreadPool *pool;     /* (unowned): the measurement's */
  GArray     *samples;   /* (unowned) (nullable): only when latency is wanted */
  double      start;     /* main thread only */
} Completions;

static void
push_next (Completions *self)
{
  self->start = bench_now ();
  g_thread_pool_push (self->pool, self, NULL);
}

static void
on_work (gpointer data,
         gpointer user_data G_GNUC_UNUSED)
{
  Completions *self = data;
  gboolean is_first;

  g_mutex_lock (&self->lock);
  is_first = self->n_ready++ == 0;
  g_mutex_unlock (&self->lock);
  if (is_first)
    g_source_set_ready_time (&self->parent, 0);
}

static gboolean
deliver (GSource    *source,
         GSourceFunc callback G_GNUC_UNUSED,
         gpointer    user_data G_GNUC_UNUSED)
{
  Completions *self = (Completions *) source;

  g_source_set_ready_time (source, -1);
  g_mutex_lock (&self->lock);
  self->n_done += self->n_ready;
  self->n_ready = 0;
  g_mutex_unlock (&self->lock);

  if (self->samples != NULL)
    bench_sample (self->samples, bench_now () - self->start);
  if (self->n_done == self->n_wanted)
    g_main_loop_quit (self->loop);
  else if (self->samples != NULL)
    push_next (self);
  return G_SOURCE_CONTINUE;
}

static GSourceFuncs completions_funcs = { .dispatch = deliver };

static Completions *
new_completions (GMainLoop *loop,
                 guint64    n_wanted,
                 GArray    *samples)
{
  GSource *source = g_source_new (&completions_funcs, sizeof (Completions));
  Completions *self = (Completions *) source;

  g_mutex_init (&self->lock);
  self->loop = loop;
  self->n_wanted = n_wanted;
  self->samples = samples;
  self->pool = g_thread_pool_new (on_work, NULL, N_THREADS, TRUE, NULL);
  g_source_attach (source, NULL);
  return self;
}

static void
free_completions (Completions *self)
{
  g_thread_pool_free (self->pool, FALSE, TRUE);
  g_source_destroy (&self->parent);
  g_source_unref (&self->parent);
}

static void
measure_latency (int    n_arguments,
                 char **arguments)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GArray) samples = bench_samples_new ();
  Completions *self = new_completions (loop, bench_number (n_arguments, arguments, 0), samples);

  push_next (self);
  g_main_loop_run (loop);
  bench_emit (bench_quantile (samples, 0.5) * 1e6, "us", "gthreadpool.latency.free");
  free_completions (self);
}

static void
measure_rate (int    n_arguments,
              char **arguments)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  guint64 n_tasks = bench_number (n_arguments, arguments, 0);
  Completions *self = new_completions (loop, n_tasks, NULL);
  double start = bench_now ();

  for (guint64 i = 0; i < n_tasks; i++)
    g_thread_pool_push (self->pool, self, NULL);
  g_main_loop_run (loop);
  bench_emit ((double) n_tasks / (bench_now () - start), "1/s", "gthreadpool.rate");
  free_completions (self);
}

int
main (int    argc,
      char **argv)
{
  static const BenchCommand commands[] = {
    { "latency", "TASKS", measure_latency },
    { "rate", "TASKS", measure_rate },
    { NULL, NULL, NULL },
  };

  return bench_main (argc, argv, commands);
}
