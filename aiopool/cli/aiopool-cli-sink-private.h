/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/cli/aiopool-cli-work-private.h"

G_BEGIN_DECLS

/* An item on its way. */
typedef struct
{
  gpointer       feeder;        /* (unowned: it outlives its jobs) */
  CliItem       *item;          /* (owned) */
  AiopoolFuture *future;        /* (owned) (nullable) of the last try */
  CliEnd         end;           /* of the last try; result and error are NULL before that */
  gboolean       is_withdrawn;  /* cancelled before it started: nothing comes of it */
  GList          waiting_link;  /* the feeder's */
  gboolean       is_ended;      /* the sink's: for good */
  GList          link;          /* the sink's */
} CliJob;

/* Counts, logs and prints what comes of items. */
typedef struct
{
  const CliWork *work;       /* (unowned: the caller's) */
  CliOutput     *output;     /* (owned) */
  CliJoblog     *joblog;     /* (owned) (nullable) */
  GQueue         jobs;       /* (owned) of CliJob, in the order of the items */
  gsize          n_bytes;    /* of the items of the jobs */
  guint64        n_done;
  guint64        n_failed;
  guint64        n_retried;
  guint64        n_total;    /* items that are not done according to the log; 0: not known yet */
  GError        *log_error;  /* (owned) (nullable) why the log takes no more lines */
} CliSink;

/* Opens the log, if one is wanted. */
gboolean cli_sink_open         (CliSink       *self,
                                const CliWork *work,
                                GError       **error);
void     cli_sink_start        (CliSink       *self,
                                CliBrokenFunc  on_broken,
                                gpointer       user_data);
void     cli_sink_clear        (CliSink       *self);

/* The job is the sink's until it is printed or dropped. */
CliJob  *cli_sink_add          (CliSink       *self,
                                CliItem       *item,
                                gpointer       feeder);
void     cli_sink_drop         (CliSink       *self,
                                CliJob        *job);

/* What came of the job, in its "end", is final; the job may be gone afterwards. */
void     cli_sink_end          (CliSink       *self,
                                CliJob        *job);

/* A try failed and was not the last. */
void     cli_sink_count_retry  (CliSink       *self);

/* Prints what has ended, if nothing has to come before it, or whatever has to. */
void     cli_sink_print_ready  (CliSink       *self);
void     cli_sink_print_all    (CliSink       *self);

/* Whether the log has the item as done; an error if it has another item there. */
gboolean cli_sink_is_item_done (CliSink       *self,
                                const CliItem *item,
                                GError       **error);

void     cli_end_clear         (CliEnd        *end);

G_END_DECLS
