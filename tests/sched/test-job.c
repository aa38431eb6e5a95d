/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/base/aiopool-error.h"
#include "aiopool/sched/aiopool-report-private.h"

/* The states of a job, and the report that tells what became of jobs. */

static void
test_a_job_goes_its_way (void)
{
  AiopoolJob job = { .state = AIOPOOL_JOB_NEW };

  aiopool_job_set_state (&job, AIOPOOL_JOB_QUEUED);
  aiopool_job_set_state (&job, AIOPOOL_JOB_SENT);
  aiopool_job_set_state (&job, AIOPOOL_JOB_QUEUED);
  aiopool_job_set_state (&job, AIOPOOL_JOB_SENT);
  aiopool_job_set_state (&job, AIOPOOL_JOB_SETTLED);
  g_assert_cmpuint (job.state, ==, AIOPOOL_JOB_SETTLED);
}

/* From and to. */
static void
test_wrong_way (gconstpointer data)
{
  guint way = GPOINTER_TO_UINT (data);
  AiopoolJob job = { .state = (guint8) (way / 4) };

  if (g_test_subprocess ())
    {
      aiopool_job_set_state (&job, way % 4);
      return;
    }
  g_test_trap_subprocess (NULL, 0, 0);
  g_test_trap_assert_failed ();
}

typedef struct
{
  AiopoolJob job;   /* first */
  GString   *log;   /* (unowned) */
  char       name;
} TestJob;

static void
on_settled (AiopoolJob       *job,
            AiopoolOutcome   *outcome,
            AiopoolPostBatch *batch)
{
  TestJob *self = (TestJob *) job;

  g_string_append_printf (self->log, "%c%d ", self->name,
                          outcome->error != NULL ? outcome->error->code : -1);
}

static void
on_released (AiopoolJob       *job,
             AiopoolPostBatch *batch)
{
  TestJob *self = (TestJob *) job;

  g_string_append_printf (self->log, "(%c) ", self->name);
}

static void
on_shortened (AiopoolJob       *job,
              guint             n_items,
              AiopoolPostBatch *batch)
{
  TestJob *self = (TestJob *) job;

  g_assert_cmpint (job->holds, ==, 1);
  g_string_append_printf (self->log, "<%c%u> ", self->name, n_items);
}

static const AiopoolJobClass klass = {
  .settled = on_settled, .released = on_released, .shortened = on_shortened
};

static const AiopoolSpec task_spec = { .n_items = 0 };
static const AiopoolSpec chunk_spec = { .n_items = 9 };

static void
test_a_report_tells_in_order_and_once (void)
{
  g_autoptr (GString) log = g_string_new (NULL);
  TestJob first = { { .klass = &klass, .order.spec = &task_spec }, log, 'a' };
  TestJob second = { { .klass = &klass, .order.spec = &task_spec }, log, 'b' };
  AiopoolOutcome outcome = { NULL };
  AiopoolReport report = { NULL };
  AiopoolPayloadView view = { AIOPOOL_FORMAT_RAW, NULL, "x", 1 };

  outcome.payload = aiopool_payload_new_copy (&view);
  aiopool_report_error (&report, &first.job, g_error_new_literal (G_IO_ERROR, 5, "five"), 0);
  aiopool_report_settle (&report, &second.job, &outcome);
  g_assert_null (outcome.payload);
  aiopool_report_released (&report, &first.job);
  g_assert_cmpstr (log->str, ==, "");
  aiopool_report_deliver (&report);
  g_assert_cmpstr (log->str, ==, "a5 b-1 (a) ");
  aiopool_report_deliver (&report);
  g_assert_cmpstr (log->str, ==, "a5 b-1 (a) ");
}

/* Whoever may submit the rest of a chunk is counted: the scheduler waits for it. */
static void
test_a_report_counts_what_may_come_back (void)
{
  g_autoptr (GString) log = g_string_new (NULL);
  TestJob task = { { .klass = &klass, .order.spec = &task_spec }, log, 'a' };
  TestJob chunk = { { .klass = &klass, .order.spec = &chunk_spec }, log, 'b' };
  AiopoolOutcome outcome = { NULL };
  AiopoolReport report = { NULL };

  chunk.job.order.n_items = 4;
  aiopool_report_settle (&report, &task.job, &outcome);
  g_assert_cmpuint (report.n_rests, ==, 0);
  aiopool_report_shortened (&report, &chunk.job);
  chunk.job.order.n_items = 3;
  aiopool_report_settle (&report, &chunk.job, &outcome);
  g_assert_cmpuint (report.n_rests, ==, 2);
  aiopool_report_deliver (&report);
  g_assert_cmpstr (log->str, ==, "a-1 <b4> (b) b-1 ");
}

int
main (int   argc,
      char *argv[])
{
  static const char *names[] = { "new", "queued", "sent", "settled" };
  static const gboolean may[4][4] = { { 0, 1, 0, 0 }, { 0, 0, 1, 1 }, { 0, 1, 0, 1 }, { 0 } };

  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/sched/job/goes-its-way", test_a_job_goes_its_way);
  for (guint way = 0; way < 16; way++)
    {
      g_autofree char *path = g_strdup_printf ("/sched/job/never-from-%s-to-%s", names[way / 4],
                                               names[way % 4]);

      if (!may[way / 4][way % 4])
        g_test_add_data_func (path, GUINT_TO_POINTER (way), test_wrong_way);
    }
  g_test_add_func ("/sched/report/tells-in-order-and-once",
                   test_a_report_tells_in_order_and_once);
  g_test_add_func ("/sched/job/report-counts-what-may-come-back",
                   test_a_report_counts_what_may_come_back);
  return g_test_run ();
}
