/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/base/aiopool-process-private.h"

/* Whether this thread, in a worker, runs code of the program that is not meant for workers, to get
 * at its functions. A pool made there would have workers that do the same, without end. */

static _Thread_local gboolean thread_is_starting;

gboolean
aiopool_process_is_starting (void)
{
  return thread_is_starting;
}

void
aiopool_process_set_starting (gboolean is_starting)
{
  thread_is_starting = is_starting;
}
