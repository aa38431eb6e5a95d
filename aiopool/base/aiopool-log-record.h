/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/base/aiopool-version-macros.h"

G_BEGIN_DECLS

#define AIOPOOL_TYPE_LOG_RECORD (aiopool_log_record_get_type ())
AIOPOOL_AVAILABLE_IN_0_1
G_DECLARE_FINAL_TYPE (AiopoolLogRecord, aiopool_log_record, AIOPOOL, LOG_RECORD, GObject)

AIOPOOL_AVAILABLE_IN_0_1
GLogLevelFlags  aiopool_log_record_get_level      (AiopoolLogRecord *self);
AIOPOOL_AVAILABLE_IN_0_1
const char     *aiopool_log_record_get_domain     (AiopoolLogRecord *self);
AIOPOOL_AVAILABLE_IN_0_1
const char     *aiopool_log_record_get_message    (AiopoolLogRecord *self);
AIOPOOL_AVAILABLE_IN_0_1
GVariant       *aiopool_log_record_get_fields     (AiopoolLogRecord *self);
AIOPOOL_AVAILABLE_IN_0_1
const char     *aiopool_log_record_get_function   (AiopoolLogRecord *self);
AIOPOOL_AVAILABLE_IN_0_1
const char     *aiopool_log_record_get_tag        (AiopoolLogRecord *self);
AIOPOOL_AVAILABLE_IN_0_1
int             aiopool_log_record_get_worker_pid (AiopoolLogRecord *self);

G_END_DECLS
