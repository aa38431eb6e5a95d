/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/cli/aiopool-cli-items-private.h"
#include "aiopool/cli/aiopool-cli-joblog-private.h"
#include "aiopool/cli/aiopool-cli-output-private.h"
#include "aiopool/cli/aiopool-cli-private.h"

G_BEGIN_DECLS

/* What came of the last try of an item: exactly one of result and error is there. */
typedef struct
{
  GVariant   *result;   /* (owned) (nullable) */
  GError     *error;    /* (owned) (nullable) */
  CliOutcome  outcome;  /* judge() fills in what depends on the command */
  guint       n_tries;  /* 0: it was never submitted */
} CliEnd;

/* What a command wants done with its items. */
typedef struct
{
  const CliOptions *options;
  CliItems         *items;
  const char       *plugin;           /* (nullable): path; NULL for Python */
  const char       *function;         /* that is called for each item */
  CliExit           usage_status;     /* for what the user asked wrongly */
  gboolean          is_ordered;       /* print in the order of the items, not as they end */
  gboolean          logs_as_printed;  /* not as they end, if that is earlier */
  guint             n_per_worker;     /* most tasks submitted and not ended, for each worker */
  guint             n_held;           /* most results that wait for an earlier item */

  /* The one argument of the function for @item. */
  GVariant       *(*make_argument) (const CliItem *item,
                                    gpointer       user_data);

  /* What is done with @item as one line, for people and for the job log. */
  char           *(*describe)  (const CliItem *item,
                                gpointer       user_data);

  /* Sets the exit value, the signal and the number of bytes of the outcome. */
  void            (*judge)     (CliEnd        *end,
                                gpointer       user_data);

  /* Prints what came of @item. */
  void            (*print)     (CliOutput     *output,
                                const CliItem *item,
                                const CliEnd  *end,
                                gpointer       user_data);
  gpointer          user_data;
} CliWork;

G_END_DECLS
