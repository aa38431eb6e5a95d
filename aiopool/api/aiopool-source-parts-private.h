/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/api/aiopool-source-private.h"

/* For the files of the source: what it is made of, and how a batch pulls from it. */

G_BEGIN_DECLS

/* Of a pointer among those that were pushed: to a task, and not a variant. */
#define AIOPOOL_SOURCE_TASK_BIT 1

/* Which fields count depends on the kind. The lock guards what is pushed, and whoever is woken by
 * that; of the others one at a time pulls, as the batch sees to. */
struct _AiopoolSource
{
  GObject                 parent_instance;
  GVariant               *array;      /* (owned) (nullable): in normal form */
  GListModel             *list;       /* (owned) (nullable) */
  guint                   cursor;     /* in the list */
  gulong                  changed_id; /* of the list */
  AiopoolSourceItemFunc   item_func;  /* (nullable) */
  AiopoolSourceFunc       func;       /* (nullable) */
  AiopoolSourceWantedFunc wanted_func; /* (nullable) */
  gpointer                user_data;
  GDestroyNotify          destroy;    /* (nullable) */
  GMutex                  lock;       /* guards what follows */
  GQueue                  pushed;     /* (owned) of GVariant or, with the bit, AiopoolTask */
  guint                   n_asked;    /* were wanted and not pushed yet */
  gboolean                is_pushed;  /* the kind; never changes */
  gboolean                is_claimed;
  gboolean                has_ended;
  gboolean                is_dismissed;
  GError                 *error;      /* (owned) (nullable) */
  AiopoolSourceWake       wake;       /* (nullable) */
  gpointer                wake_data;
};

/* source */
void aiopool_source_free_item (gpointer item);

G_END_DECLS
