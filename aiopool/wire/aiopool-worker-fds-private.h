/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The descriptors that a worker process is started with, and the variable that tells it so. The
 * spawn shim, which links nothing, reads this file too. */

#define AIOPOOL_FD_DATA    3
#define AIOPOOL_FD_CONTROL 4
#define AIOPOOL_FD_STATUS  5
#define AIOPOOL_FD_PARENT  6 /* a pidfd on the parent, readable when it is gone */
#define AIOPOOL_FD_PROGRAM 7 /* the parent's own executable, for "this program again" */

/* <protocol version>:<nonce in hexadecimal> */
#define AIOPOOL_WORKER_VARIABLE "AIOPOOL_WORKER"

/* Type and codes of the one frame that is written without the rest of the library. */
#define AIOPOOL_REFUSE_TYPE         22
#define AIOPOOL_REFUSE_START_FAILED 3 /* AIOPOOL_POOL_ERROR_START_FAILED */
#define AIOPOOL_REFUSE_NOT_A_WORKER 7 /* AIOPOOL_POOL_ERROR_NOT_A_WORKER */
