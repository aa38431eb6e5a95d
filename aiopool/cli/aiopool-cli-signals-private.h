/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <aiopool/aiopool.h>

G_BEGIN_DECLS

/* From here on SIGINT, SIGTERM and SIGHUP end the program at once, with status 128 + signal, and
 * leave no worker. To be called before any other thread is there. */
void cli_signals_start    (void);

/* (nullable) The pool to take along. */
void cli_signals_set_pool (AiopoolPool *pool);

/* Returns at once, or not at all if one of the signals has come: then what else there is to see is
 * its consequence, and must neither be printed nor become the exit status. */
void cli_signals_check    (void);

G_END_DECLS
