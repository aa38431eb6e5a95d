/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/cli/aiopool-cli-items-private.h"
#include "aiopool/cli/aiopool-cli-output-private.h"
#include "aiopool/cli/aiopool-cli-private.h"

G_BEGIN_DECLS

/* What a command wants done with its items. */
typedef struct
{
  const CliOptions *options;
  CliItems         *items;
  const char       *plugin;       /* (nullable): path; NULL for Python */
  gboolean          is_ordered;   /* print in the order of the items, not as they end */
  guint             n_per_worker; /* most tasks submitted and not ended, for each worker */
  guint             n_held;       /* most results that wait for an earlier item */

  /* The task for @item. */
  AiopoolTask    *(*make_task) (const CliItem *item,
                                gpointer       user_data);

  /* Prints what came of @item: exactly one of @result and @error is given. @future is missing when
   * the item was never submitted. Says whether it counts as done well. */
  gboolean        (*print)     (CliOutput     *output,
                                const CliItem *item,
                                AiopoolFuture *future,
                                GVariant      *result,
                                const GError  *error,
                                gpointer       user_data);
  gpointer          user_data;
} CliWork;

/* Runs everything; prints what stopped it, if anything did. @n_failed is set in any case. */
CliExit cli_feeder_run (const CliWork *work,
                        guint64       *n_failed);

G_END_DECLS
