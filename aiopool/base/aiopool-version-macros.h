/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined (AIOPOOL_INSIDE) && !defined (AIOPOOL_COMPILATION)
# error "Only <aiopool/aiopool.h> can be included directly."
#endif

#include "aiopool/base/aiopool-version.h"

#include <gio/gio.h>

#ifndef _AIOPOOL_EXTERN
# define _AIOPOOL_EXTERN __attribute__ ((visibility ("default"))) extern
#endif

#ifdef AIOPOOL_DISABLE_DEPRECATION_WARNINGS
# define AIOPOOL_DEPRECATED _AIOPOOL_EXTERN
#else
# define AIOPOOL_DEPRECATED G_DEPRECATED _AIOPOOL_EXTERN
#endif

#define AIOPOOL_AVAILABLE_IN_0_1 _AIOPOOL_EXTERN
