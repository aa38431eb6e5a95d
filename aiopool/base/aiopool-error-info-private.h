/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/base/aiopool-error-info.h"

G_BEGIN_DECLS

AiopoolErrorInfo *aiopool_error_info_copy (AiopoolErrorInfo *self);

G_END_DECLS
