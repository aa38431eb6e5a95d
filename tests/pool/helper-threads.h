/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tests/pool/helper.h"

G_BEGIN_DECLS

/* An executor on threads, as somebody outside the library would write it. It runs "echo" and
 * "act". */
#define HELPER_TYPE_THREADS (helper_threads_get_type ())
G_DECLARE_FINAL_TYPE (HelperThreads, helper_threads, HELPER, THREADS, AiopoolExecutor)

AiopoolExecutor *helper_threads_new (guint n_threads,
                                     guint max_pending);

/* An executor that runs one task in each idle moment of the main context of whoever submits. */
#define HELPER_TYPE_IDLER (helper_idler_get_type ())
G_DECLARE_FINAL_TYPE (HelperIdler, helper_idler, HELPER, IDLER, AiopoolExecutor)

AiopoolExecutor *helper_idler_new   (void);

G_END_DECLS
