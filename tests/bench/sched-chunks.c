/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* No-op items in chunks, on a scheduler without a pool above it: what the way and the work cost. */
#include "bench-common.h"

#include "aiopool/runtime/aiopool-service.h"
#include "aiopool/sched/aiopool-scheduler-private.h"

#define N_WORKERS 2

typedef struct
{
  AiopoolJob  job; /* first */
  AiopoolSpec spec;
  guint       end; /* what was taken back is behind it */
} Chunk;

static const AiopoolSpecOptions options;

static GMutex lock; /* guards what follows */
static GCond changed;
static guint64 n_came;
static guint n_left; /* chunks */

static GVariant *
noop (AiopoolCall *call,
      GVariant    *value,
      gpointer     user_data,
      GError     **error)
{
  return g_variant_new_int64 (g_variant_get_int64 (value));
}

static void
register_functions (AiopoolService *service,
                    gpointer        user_data)
{
  aiopool_service_add (service, "noop", noop, NULL, NULL);
}

static void
on_released (AiopoolJob       *job,
             AiopoolPostBatch *batch)
{
  if (!g_atomic_int_dec_and_test (&job->holds))
    return;
  aiopool_payload_unref (((Chunk *) job)->spec.argument);
  g_free (job);
  g_mutex_lock (&lock);
  n_left--;
  g_cond_broadcast (&changed);
  g_mutex_unlock (&lock);
}

static void submit (AiopoolScheduler *scheduler,
                    const gint64     *values,
                    guint             n,
                    gboolean          is_rest);

static void on_shortened (AiopoolJob       *job,
                          guint             n_items,
                          AiopoolPostBatch *batch);

static void
on_settled (AiopoolJob       *job,
            AiopoolOutcome   *outcome,
            AiopoolPostBatch *batch)
{
  if (outcome->error != NULL)
    g_error ("%s", outcome->error->message);
  on_shortened (job, outcome->n_begun, batch);
  on_released (job, batch);
}

static void
on_items (AiopoolJob   *job,
          AiopoolItems *items)
{
  n_came += items->n;
}

static void
on_shortened (AiopoolJob       *job,
              guint             n_items,
              AiopoolPostBatch *batch)
{
  Chunk *chunk = (Chunk *) job;
  AiopoolPayloadView view;
  guint end;

  g_mutex_lock (&lock);
  end = chunk->end;
  chunk->end = MIN (end, n_items);
  g_mutex_unlock (&lock);
  aiopool_payload_get_view (chunk->spec.argument, &view);
  if (n_items < end)
    submit (job->scheduler, (const gint64 *) view.data + n_items, end - n_items, TRUE);
}

static const AiopoolJobClass chunk_class = {
  .settled = on_settled, .released = on_released, .items = on_items, .shortened = on_shortened
};

static void
submit (AiopoolScheduler *scheduler,
        const gint64     *values,
        guint             n,
        gboolean          is_rest)
{
  AiopoolPayloadView view = { AIOPOOL_FORMAT_GVARIANT, "ax", values, n * sizeof (gint64) };
  Chunk *chunk = g_new0 (Chunk, 1);
  g_autoptr (GError) error = NULL;

  chunk->job.klass = &chunk_class;
  chunk->job.holds = 1;
  chunk->job.is_rest = is_rest;
  chunk->spec = (AiopoolSpec) { g_intern_static_string ("noop"),
                                aiopool_payload_new_copy (&view), &options, n };
  chunk->end = n;
  g_mutex_lock (&lock);
  n_left++;
  g_mutex_unlock (&lock);
  if (!aiopool_scheduler_submit (scheduler, &chunk->job, &chunk->spec, &error))
    g_error ("submit: %s", error->message);
}

static void
drain (void)
{
  g_mutex_lock (&lock);
  while (n_left > 0)
    g_cond_wait (&changed, &lock);
  g_mutex_unlock (&lock);
}

static void
on_nothing (gpointer owner)
{
}

static gboolean
on_figures (gpointer owner)
{
  return FALSE;
}

static const AiopoolSchedulerOwner owner_class = {
  .changed = on_nothing, .room = on_nothing, .closed = on_nothing, .joined = on_nothing,
  .figures = on_figures
};

static void
submit_all (AiopoolScheduler *scheduler,
            const gint64     *values,
            guint64           n,
            guint             chunk)
{
  for (guint64 i = 0; i < n; i += chunk)
    submit (scheduler, values + i, (guint) MIN (chunk, n - i), FALSE);
  drain ();
}

static void
measure_rate (int    n_arguments,
              char **arguments)
{
  guint64 n = bench_number (n_arguments, arguments, 0);
  guint chunk = (guint) bench_number (n_arguments, arguments, 1);
  g_autofree gint64 *values = g_new0 (gint64, n);
  g_autoptr (AiopoolLauncher) launcher = aiopool_launcher_new ();
  AiopoolSchedulerLimits limits = {
    .max_workers = N_WORKERS, .tasks_per_worker = 1, .max_result_size = 1 << 30,
    .idle_timeout = -1, .grace_period = G_USEC_PER_SEC,
  };
  AiopoolScheduler *scheduler = aiopool_scheduler_new (launcher, &limits, &owner_class, &limits);
  double start;

  submit_all (scheduler, values, n / 10, chunk);
  start = bench_now ();
  submit_all (scheduler, values, n, chunk);
  bench_emit ((double) n / (bench_now () - start), "1/s", "sched.chunks.rate.%u", chunk);
  if (n_came != n + n / 10)
    g_error ("%" G_GUINT64_FORMAT " items came", n_came);
  aiopool_scheduler_abandon (scheduler);
}

/* What GVariant alone takes for each: an item of an array, the function, and to read its result. */
static void
measure_floor (int    n_arguments,
               char **arguments)
{
  guint64 n = bench_number (n_arguments, arguments, 0);
  g_autofree gint64 *values = g_new0 (gint64, n);
  g_autofree gint64 *results = g_new0 (gint64, n);
  g_autoptr (GVariant) array = NULL;
  double start = bench_now ();

  array = g_variant_ref_sink (g_variant_new_fixed_array (G_VARIANT_TYPE_INT64, values, n,
                                                         sizeof *values));
  for (guint64 i = 0; i < n; i++)
    {
      g_autoptr (GVariant) item = g_variant_get_child_value (array, i);
      g_autoptr (GVariant) result = g_variant_take_ref (noop (NULL, item, NULL, NULL));

      if (g_variant_get_type_string (result)[0] == 'x' && g_variant_get_size (result) == 8)
        results[i] = *(const gint64 *) g_variant_get_data (result);
    }
  bench_emit ((double) n / (bench_now () - start), "1/s", "chunks.floor");
}

static const BenchCommand commands[] = {
  { "rate", "N-ITEMS CHUNK", measure_rate },
  { "floor", "N-ITEMS", measure_floor },
  { NULL, NULL, NULL },
};

int
main (int    argc,
      char **argv)
{
  aiopool_service_enter (register_functions, NULL);
  return bench_main (argc, argv, commands);
}
