/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/sched/aiopool-job-private.h"

G_BEGIN_DECLS

typedef struct
{
  GArray *levels;   /* (owned) of a list of orders per priority, highest first */
  guint   n_orders;
} AiopoolQueue;

void          aiopool_queue_init       (AiopoolQueue *self);
void          aiopool_queue_clear      (AiopoolQueue *self);
void          aiopool_queue_push       (AiopoolQueue *self,
                                        AiopoolOrder *order);
void          aiopool_queue_push_front (AiopoolQueue *self,
                                        AiopoolOrder *order);
AiopoolOrder *aiopool_queue_peek       (AiopoolQueue *self);
void          aiopool_queue_remove     (AiopoolQueue *self,
                                        AiopoolOrder *order);

typedef struct
{
  GArray *entries; /* (owned): a binary heap, least deadline first */
} AiopoolDeadlines;

void          aiopool_deadlines_init   (AiopoolDeadlines *self);
void          aiopool_deadlines_clear  (AiopoolDeadlines *self);
void          aiopool_deadlines_set    (AiopoolDeadlines *self,
                                        AiopoolJob       *job,
                                        gint64            when);
gint64        aiopool_deadlines_next   (AiopoolDeadlines *self);
AiopoolJob   *aiopool_deadlines_pop    (AiopoolDeadlines *self,
                                        gint64            now);

G_END_DECLS
