/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define AIOPOOL_HISTOGRAM_STEPS_LOG2 5
#define AIOPOOL_HISTOGRAM_STEPS      (1 << AIOPOOL_HISTOGRAM_STEPS_LOG2)
#define AIOPOOL_HISTOGRAM_MAX_LOG2   42 /* microseconds: 50 days */
#define AIOPOOL_HISTOGRAM_N_BINS \
  ((AIOPOOL_HISTOGRAM_MAX_LOG2 - AIOPOOL_HISTOGRAM_STEPS_LOG2 + 1) * AIOPOOL_HISTOGRAM_STEPS)

/* Durations, in a fixed amount of memory. */
typedef struct
{
  guint64 n;
  gint64  sum;  /* microseconds, as what follows */
  gint64  least; /* when n is not 0 */
  gint64  most;
  guint64 bins[AIOPOOL_HISTOGRAM_N_BINS];
} AiopoolHistogram;

void   aiopool_histogram_clear        (AiopoolHistogram       *self);
double aiopool_histogram_get_mean     (const AiopoolHistogram *self);
double aiopool_histogram_get_quantile (const AiopoolHistogram *self,
                                       double                  share);

/* Which bin counts a duration: exact below 32 microseconds, then 32 bins for each power of two. */
static inline guint
aiopool_histogram_bin (gint64 usec)
{
  guint64 value = (guint64) MAX (usec, 0);
  guint log2;

  if (value < AIOPOOL_HISTOGRAM_STEPS)
    return (guint) value;
  value = MIN (value, (G_GUINT64_CONSTANT (1) << AIOPOOL_HISTOGRAM_MAX_LOG2) - 1);
  log2 = 63 - (guint) __builtin_clzll (value);
  return (log2 - AIOPOOL_HISTOGRAM_STEPS_LOG2) * AIOPOOL_HISTOGRAM_STEPS +
         (guint) (value >> (log2 - AIOPOOL_HISTOGRAM_STEPS_LOG2));
}

static inline void
aiopool_histogram_add (AiopoolHistogram *self,
                       gint64            usec)
{
  if (G_UNLIKELY (self->n == 0))
    self->least = self->most = usec;
  self->least = MIN (self->least, usec);
  self->most = MAX (self->most, usec);
  self->n++;
  self->sum += usec;
  self->bins[aiopool_histogram_bin (usec)]++;
}

G_END_DECLS
