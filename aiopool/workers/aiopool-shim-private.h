/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Of the spawn shim, which has nothing but the C library. */

int aiopool_shim_apply (const char *setting);
