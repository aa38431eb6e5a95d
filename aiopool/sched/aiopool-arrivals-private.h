/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/workers/aiopool-order-private.h"

G_BEGIN_DECLS

/* Orders that were submitted and that the scheduler has not looked at. Anybody may push at any
 * time; the rest is under the scheduler's lock. */
typedef struct
{
  AiopoolOrder *head;  /* atomic: the last that came, each with the one before it as next; or the
                        * mark of a closed gate */
  int           count; /* atomic: how many, about: it follows the head */
} AiopoolArrivals;

void          aiopool_arrivals_init      (AiopoolArrivals *self);
gboolean      aiopool_arrivals_push      (AiopoolArrivals *self,
                                          AiopoolOrder    *order);
guint         aiopool_arrivals_get_count (AiopoolArrivals *self);
AiopoolOrder *aiopool_arrivals_take      (AiopoolArrivals *self);
AiopoolOrder *aiopool_arrivals_close     (AiopoolArrivals *self);
void          aiopool_arrivals_open      (AiopoolArrivals *self);

G_END_DECLS
