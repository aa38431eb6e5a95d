/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* What came of an item, in the terms of the log. */
typedef struct
{
  double  started_at;     /* seconds since 1970 */
  double  run_time;       /* seconds */
  guint64 n_bytes;        /* of its result */
  int     exit_value;     /* -1: ended by a time limit, or its worker died */
  int     signal_number;  /* 0: none */
} CliOutcome;

typedef enum
{
  CLI_JOBLOG_NEW,            /* what is in the file is dropped */
  CLI_JOBLOG_RESUME,         /* every item in it is done */
  CLI_JOBLOG_RESUME_FAILED,  /* every item in it that did not fail is done */
} CliJoblogMode;

/* A log of ended items, in the format of GNU parallel. */
typedef struct _CliJoblog CliJoblog;

/* With @is_read_only nothing in the file is changed, and nothing may be written. */
CliJoblog *cli_joblog_open       (const char       *path,
                                  CliJoblogMode     mode,
                                  gboolean          is_read_only,
                                  GError          **error);
void       cli_joblog_free       (CliJoblog        *self);

/* What it had when it was opened: whether an item is done, and how many of the first @n_items. */
gboolean   cli_joblog_has        (CliJoblog        *self,
                                  guint64           number);
gboolean   cli_joblog_is_done    (CliJoblog        *self,
                                  guint64           number);
guint64    cli_joblog_count_done (CliJoblog        *self,
                                  guint64           n_items);

/* Whether @command is what the log has for the item, which has() it. */
gboolean   cli_joblog_check      (CliJoblog        *self,
                                  guint64           number,
                                  const char       *command,
                                  GError          **error);

/* @command is one line. The line is in the file when this returns. */
gboolean   cli_joblog_write      (CliJoblog        *self,
                                  guint64           number,
                                  const CliOutcome *outcome,
                                  const char       *command,
                                  GError          **error);

gboolean   cli_outcome_is_ok     (const CliOutcome *outcome);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (CliJoblog, cli_joblog_free)

G_END_DECLS
