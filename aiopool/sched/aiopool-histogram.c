/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/sched/aiopool-histogram-private.h"

#include <string.h>

/* How durations are spread, from microseconds to weeks, without keeping them: a count for each of
 * 1216 bins whose width grows with what they hold. A bin is at most 1/32 of its least value wide,
 * and its middle stands for it: a quantile is at most 1/64, 1.6 percent, off. (The layout is that
 * of HdrHistogram by Gil Tene.) */

void
aiopool_histogram_clear (AiopoolHistogram *self)
{
  memset (self, 0, sizeof *self);
}

/* Microseconds, 0 if there are none. */
double
aiopool_histogram_get_mean (const AiopoolHistogram *self)
{
  return self->n > 0 ? (double) self->sum / (double) self->n : 0;
}

static double
middle_of (guint bin)
{
  guint octave = bin / AIOPOOL_HISTOGRAM_STEPS;
  double width, least;

  if (octave == 0)
    return bin;
  width = (double) (G_GUINT64_CONSTANT (1) << (octave - 1));
  least = width * (AIOPOOL_HISTOGRAM_STEPS + bin % AIOPOOL_HISTOGRAM_STEPS);
  return least + (width - 1) / 2;
}

/* The least duration that @share (0 to 1) of them do not exceed, in microseconds; 0 if there are
 * none. */
double
aiopool_histogram_get_quantile (const AiopoolHistogram *self,
                                double                  share)
{
  double exact = CLAMP (share, 0, 1) * (double) self->n;
  guint64 rank = (guint64) exact;
  guint64 n_below = 0;
  guint bin = 0;

  if (self->n == 0)
    return 0;
  rank = CLAMP (rank + ((double) rank < exact), 1, self->n);
  while (bin < AIOPOOL_HISTOGRAM_N_BINS - 1 && n_below + self->bins[bin] < rank)
    n_below += self->bins[bin++];
  return CLAMP (middle_of (bin), (double) self->least, (double) self->most);
}
