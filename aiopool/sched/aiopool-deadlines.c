/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/sched/aiopool-queue-private.h"

/* Jobs to be looked at when their time has come: a binary heap by deadline. A job knows its place
 * (from 1), so that it can be moved and removed in logarithmic time. */

#define AT(self, i) ((AiopoolJob *) g_ptr_array_index ((self)->jobs, (i) - 1))

void
aiopool_deadlines_init (AiopoolDeadlines *self)
{
  self->jobs = g_ptr_array_new ();
}

void
aiopool_deadlines_clear (AiopoolDeadlines *self)
{
  g_clear_pointer (&self->jobs, g_ptr_array_unref);
}

static void
put (AiopoolDeadlines *self,
     guint             index,
     AiopoolJob       *job)
{
  g_ptr_array_index (self->jobs, index - 1) = job;
  job->heap_index = index;
}

static void
sift_up (AiopoolDeadlines *self,
         AiopoolJob       *job)
{
  guint index = job->heap_index;

  for (; index > 1 && AT (self, index / 2)->deadline > job->deadline; index /= 2)
    put (self, index, AT (self, index / 2));
  put (self, index, job);
}

static void
sift_down (AiopoolDeadlines *self,
           AiopoolJob       *job)
{
  guint index = job->heap_index;
  guint child;

  for (; (child = 2 * index) <= self->jobs->len; index = child)
    {
      if (child < self->jobs->len && AT (self, child + 1)->deadline < AT (self, child)->deadline)
        child++;
      if (AT (self, child)->deadline >= job->deadline)
        break;
      put (self, index, AT (self, child));
    }
  put (self, index, job);
}

static void
take_out (AiopoolDeadlines *self,
          AiopoolJob       *job)
{
  AiopoolJob *last = AT (self, self->jobs->len);
  guint index = job->heap_index;

  g_ptr_array_set_size (self->jobs, (int) self->jobs->len - 1);
  job->heap_index = 0;
  if (last == job)
    return;
  put (self, index, last);
  sift_up (self, last);
  sift_down (self, last);
}

/* @when: monotonic microseconds, 0 to take it out. */
void
aiopool_deadlines_set (AiopoolDeadlines *self,
                       AiopoolJob       *job,
                       gint64            when)
{
  if (job->heap_index != 0)
    take_out (self, job);
  job->deadline = when;
  if (when == 0)
    return;
  g_ptr_array_add (self->jobs, job);
  job->heap_index = self->jobs->len;
  sift_up (self, job);
}

/* 0 when there is none. */
gint64
aiopool_deadlines_next (AiopoolDeadlines *self)
{
  return self->jobs->len > 0 ? AT (self, 1)->deadline : 0;
}

/* Takes out a job whose time has come; (nullable). */
AiopoolJob *
aiopool_deadlines_pop (AiopoolDeadlines *self,
                       gint64            now)
{
  AiopoolJob *job;

  if (self->jobs->len == 0 || AT (self, 1)->deadline > now)
    return NULL;
  job = AT (self, 1);
  take_out (self, job);
  return job;
}
