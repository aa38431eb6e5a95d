/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/sched/aiopool-queue-private.h"

/* Jobs to be looked at when their time has come: a binary heap by deadline. A job knows its place
 * (from 1), so that it can be moved and removed in logarithmic time. */

typedef struct
{
  gint64      when;
  AiopoolJob *job;
} Entry;

static Entry *
at (AiopoolDeadlines *self,
    guint             index)
{
  return &g_array_index (self->entries, Entry, index - 1);
}

void
aiopool_deadlines_init (AiopoolDeadlines *self)
{
  self->entries = g_array_new (FALSE, FALSE, sizeof (Entry));
}

void
aiopool_deadlines_clear (AiopoolDeadlines *self)
{
  g_clear_pointer (&self->entries, g_array_unref);
}

static void
put (AiopoolDeadlines *self,
     guint             index,
     Entry             entry)
{
  *at (self, index) = entry;
  entry.job->heap_index = index;
}

static guint
sift_up (AiopoolDeadlines *self,
         guint             index,
         Entry             entry)
{
  for (; index > 1 && at (self, index / 2)->when > entry.when; index /= 2)
    put (self, index, *at (self, index / 2));
  put (self, index, entry);
  return index;
}

static void
sift_down (AiopoolDeadlines *self,
           guint             index,
           Entry             entry)
{
  guint child;

  for (; (child = 2 * index) <= self->entries->len; index = child)
    {
      if (child < self->entries->len && at (self, child + 1)->when < at (self, child)->when)
        child++;
      if (at (self, child)->when >= entry.when)
        break;
      put (self, index, *at (self, child));
    }
  put (self, index, entry);
}

static void
take_out (AiopoolDeadlines *self,
          AiopoolJob       *job)
{
  Entry last = *at (self, self->entries->len);
  guint index = job->heap_index;

  g_array_set_size (self->entries, self->entries->len - 1);
  job->heap_index = 0;
  if (last.job == job)
    return;
  index = sift_up (self, index, last);
  sift_down (self, index, last);
}

/* @when: monotonic microseconds, 0 to take it out. */
void
aiopool_deadlines_set (AiopoolDeadlines *self,
                       AiopoolJob       *job,
                       gint64            when)
{
  Entry entry = { when, job };

  if (job->heap_index != 0)
    take_out (self, job);
  if (when == 0)
    return;
  g_array_append_val (self->entries, entry);
  sift_up (self, self->entries->len, entry);
}

/* 0 when there is none. */
gint64
aiopool_deadlines_next (AiopoolDeadlines *self)
{
  return self->entries->len > 0 ? at (self, 1)->when : 0;
}

/* Takes out a job whose time has come; (nullable). */
AiopoolJob *
aiopool_deadlines_pop (AiopoolDeadlines *self,
                       gint64            now)
{
  AiopoolJob *job;

  if (self->entries->len == 0 || at (self, 1)->when > now)
    return NULL;
  job = at (self, 1)->job;
  take_out (self, job);
  return job;
}
