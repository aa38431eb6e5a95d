/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/base/aiopool-log-record.h"

G_BEGIN_DECLS

/* Filled in by whoever knows, before user code sees it; not changed afterwards. */
struct _AiopoolLogRecord
{
  GObject        parent_instance;
  GLogLevelFlags level;      /* one, without flags */
  char          *domain;     /* (owned) (nullable) */
  char          *message;    /* (owned) */
  GVariant      *fields;     /* (owned): a{ss} */
  const char    *function;   /* (nullable): interned */
  char          *tag;        /* (owned) (nullable) */
  int            worker_pid; /* 0 for none */
  guint          worker;     /* its number, 0 for none */
  gint64         cost;       /* bytes of that worker's credit */
};

AiopoolLogRecord *aiopool_log_record_new   (GLogLevelFlags    level,
                                            const char       *domain,
                                            gsize             domain_size,
                                            const char       *message,
                                            gsize             message_size,
                                            GVariant         *fields);
void              aiopool_log_record_write (AiopoolLogRecord *self);

G_END_DECLS
