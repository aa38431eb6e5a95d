/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/api/aiopool-task.h"
#include "aiopool/workers/aiopool-order-private.h"

G_BEGIN_DECLS

/* Small, for there may be a million of them. The argument in the spec is (owned), and there once
 * the task is frozen. The value is a GVariant if the format is GVARIANT and GBytes otherwise, with
 * the format in its lowest bits; a small GVariant that nobody looked at is let go once its bytes
 * are in the argument. */
struct _AiopoolTask
{
  GObject     parent_instance;
  AiopoolSpec spec;  /* function (owned); options are extra's, or the common ones */
  gpointer    value; /* (owned) (nullable); see get_value() */
};

/* task */
const AiopoolSpec *aiopool_task_freeze             (AiopoolTask  *self);
AiopoolTask       *aiopool_task_new_alike          (AiopoolTask  *template,
                                                    AiopoolPayload *argument);
gboolean           aiopool_task_is_frozen          (AiopoolTask  *self);
void               aiopool_task_set_function       (AiopoolTask  *self,
                                                    const char   *function);
void               aiopool_task_set_arguments      (AiopoolTask  *self,
                                                    GVariant     *arguments);
void               aiopool_task_set_bytes          (AiopoolTask  *self,
                                                    GBytes       *bytes,
                                                    AiopoolFormat format);

/* task-options */
AiopoolTask       *aiopool_task_new_like           (AiopoolTask  *self);
void               aiopool_task_init_options       (AiopoolTask  *self);
void               aiopool_task_clear_options      (AiopoolTask  *self);
void               aiopool_task_install_properties (GObjectClass *object_class);

G_END_DECLS
