/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/cli/aiopool-cli-chunks-private.h"
#include "aiopool/cli/aiopool-cli-sink-private.h"

/* For the files of the feeder: what it takes, how jobs start and end, and what stops it. */

G_BEGIN_DECLS

typedef struct
{
  const CliWork    *work;       /* (unowned: the caller's) */
  const CliOptions *options;    /* (unowned: the work's) */
  AiopoolPool      *pool;       /* (owned) */
  CliChunks        *chunks;     /* (owned) (nullable): with --chunk */
  CliSink           sink;       /* (owned) */
  GMainLoop        *loop;       /* (owned) */
  GQueue            waiting;    /* of CliJob: to be submitted, again or for the first time */
  gboolean          is_full;    /* the pool has no room until a task ends */
  guint             n_submitted;
  gint64            next_start_us;
  guint             delay_id;
  gboolean          is_halting; /* only cli_feeder_halt() writes it */
  gboolean          is_stopped;
  CliExit           status;     /* only feeder-stop writes it */
} CliFeeder;

/* feeder */
void     cli_feeder_feed             (CliFeeder     *self);

/* feeder-start */
void     cli_feeder_start_job        (CliFeeder     *self,
                                      CliJob        *job);
void     cli_feeder_refuse_job       (CliFeeder     *self,
                                      CliJob        *job,
                                      GError        *error);

/* feeder-end */
extern const CliChunksFuncs cli_feeder_chunks_funcs;

void     cli_feeder_end_try          (CliFeeder     *self,
                                      CliJob        *job);
void     cli_feeder_on_future_done   (AiopoolFuture *future,
                                      gpointer       job);

/* feeder-stop */
void     cli_feeder_stop_with_error  (CliFeeder     *self,
                                      CliExit        status,
                                      const GError  *error);
gboolean cli_feeder_stop_if_hopeless (CliFeeder     *self,
                                      const GError  *error);
void     cli_feeder_on_output_broken (gpointer       feeder);
void     cli_feeder_check_log        (CliFeeder     *self);
void     cli_feeder_give_to_sink     (CliFeeder     *self,
                                      CliJob        *job);
void     cli_feeder_halt             (CliFeeder     *self);

G_END_DECLS
