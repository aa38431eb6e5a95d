/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#define AIOPOOL_INSIDE
#include "aiopool/api/aiopool-batch.h"
#include "aiopool/api/aiopool-completion-queue.h"
#include "aiopool/api/aiopool-executor.h"
#include "aiopool/api/aiopool-future-set.h"
#include "aiopool/api/aiopool-future.h"
#include "aiopool/api/aiopool-pool.h"
#include "aiopool/api/aiopool-promise.h"
#include "aiopool/api/aiopool-shared-data.h"
#include "aiopool/api/aiopool-source.h"
#include "aiopool/api/aiopool-stats.h"
#include "aiopool/api/aiopool-task.h"
#include "aiopool/api/aiopool-worker.h"
#include "aiopool/base/aiopool-enums.h"
#include "aiopool/base/aiopool-error-info.h"
#include "aiopool/base/aiopool-error.h"
#include "aiopool/base/aiopool-log-record.h"
#include "aiopool/base/aiopool-trace.h"
#include "aiopool/base/aiopool-version-macros.h"
#include "aiopool/runtime/aiopool-call.h"
#include "aiopool/runtime/aiopool-service.h"
#include "aiopool/workers/aiopool-launcher.h"
#undef AIOPOOL_INSIDE
