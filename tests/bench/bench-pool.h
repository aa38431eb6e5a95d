/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bench-common.h"

#include <aiopool/aiopool.h>

G_BEGIN_DECLS

#define BENCH_MAX_WORKERS 16

/* A pool whose workers have all answered. */
typedef struct
{
  AiopoolPool     *pool;     /* (owned) */
  AiopoolExecutor *executor; /* (unowned): the same object */
  guint            n_workers;
  int              pids[BENCH_MAX_WORKERS];
} BenchPool;

void           bench_pool_enter      (void);
int            bench_pool_main       (int                 argc,
                                      char              **argv,
                                      const BenchCommand *commands);
void           bench_pool_open       (BenchPool          *self,
                                      guint               n_workers);
void           bench_pool_open_at    (BenchPool          *self,
                                      BenchPlace          place);
void           bench_pool_close      (BenchPool          *self);

AiopoolTask   *bench_task_new        (guint64             index);
AiopoolFuture *bench_pool_submit     (BenchPool          *self,
                                      const char         *function,
                                      GVariant           *arguments);
GVariant      *bench_pool_run        (BenchPool          *self,
                                      const char         *function,
                                      GVariant           *arguments);
void           bench_future_check    (AiopoolFuture      *future);
void           bench_futures_drain   (GPtrArray          *futures);
void           bench_pool_burst      (BenchPool          *self,
                                      const char         *function,
                                      guint64             n_tasks);

G_END_DECLS
