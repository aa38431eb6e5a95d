/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/api/aiopool-shared-data.h"
#include "aiopool/base/aiopool-enums.h"

#include <gio/gunixfdlist.h>

G_BEGIN_DECLS

#define AIOPOOL_TYPE_TASK (aiopool_task_get_type ())
AIOPOOL_AVAILABLE_IN_0_1
G_DECLARE_FINAL_TYPE (AiopoolTask, aiopool_task, AIOPOOL, TASK, GObject)

AIOPOOL_AVAILABLE_IN_0_1
AiopoolTask *aiopool_task_new               (const char    *function,
                                             GVariant      *arguments);
AIOPOOL_AVAILABLE_IN_0_1
AiopoolTask *aiopool_task_new_for_payload   (const char    *function,
                                             GBytes        *payload,
                                             AiopoolFormat  format);
AIOPOOL_AVAILABLE_IN_0_1
AiopoolTask *aiopool_task_new_for_pieces    (const char    *function,
                                             GBytes       **pieces,
                                             gsize          n_pieces,
                                             AiopoolFormat  format);
AIOPOOL_AVAILABLE_IN_0_1
const char  *aiopool_task_get_function      (AiopoolTask   *self);
AIOPOOL_AVAILABLE_IN_0_1
GVariant    *aiopool_task_get_arguments     (AiopoolTask   *self);
AIOPOOL_AVAILABLE_IN_0_1
GBytes      *aiopool_task_get_payload       (AiopoolTask   *self);
AIOPOOL_AVAILABLE_IN_0_1
AiopoolFormat aiopool_task_get_format       (AiopoolTask   *self);
AIOPOOL_AVAILABLE_IN_0_1
GVariant    *aiopool_task_get_keywords      (AiopoolTask   *self);
AIOPOOL_AVAILABLE_IN_0_1
void         aiopool_task_set_keywords      (AiopoolTask   *self,
                                             GVariant      *keywords);
AIOPOOL_AVAILABLE_IN_0_1
GUnixFDList *aiopool_task_get_fds           (AiopoolTask   *self);
AIOPOOL_AVAILABLE_IN_0_1
void         aiopool_task_set_fds           (AiopoolTask   *self,
                                             GUnixFDList   *fds);
AIOPOOL_AVAILABLE_IN_0_1
AiopoolSharedData *
             aiopool_task_get_shared_data   (AiopoolTask   *self);
AIOPOOL_AVAILABLE_IN_0_1
void         aiopool_task_set_shared_data   (AiopoolTask   *self,
                                             AiopoolSharedData *data);
AIOPOOL_AVAILABLE_IN_0_1
int          aiopool_task_get_priority      (AiopoolTask   *self);
AIOPOOL_AVAILABLE_IN_0_1
void         aiopool_task_set_priority      (AiopoolTask   *self,
                                             int            priority);
AIOPOOL_AVAILABLE_IN_0_1
double       aiopool_task_get_timeout       (AiopoolTask   *self);
AIOPOOL_AVAILABLE_IN_0_1
void         aiopool_task_set_timeout       (AiopoolTask   *self,
                                             double         timeout);
AIOPOOL_AVAILABLE_IN_0_1
double       aiopool_task_get_queue_timeout (AiopoolTask   *self);
AIOPOOL_AVAILABLE_IN_0_1
void         aiopool_task_set_queue_timeout (AiopoolTask   *self,
                                             double         queue_timeout);
AIOPOOL_AVAILABLE_IN_0_1
guint        aiopool_task_get_retries       (AiopoolTask   *self);
AIOPOOL_AVAILABLE_IN_0_1
void         aiopool_task_set_retries       (AiopoolTask   *self,
                                             guint          retries);
AIOPOOL_AVAILABLE_IN_0_1
const char  *aiopool_task_get_tag           (AiopoolTask   *self);
AIOPOOL_AVAILABLE_IN_0_1
void         aiopool_task_set_tag           (AiopoolTask   *self,
                                             const char    *tag);

G_END_DECLS
