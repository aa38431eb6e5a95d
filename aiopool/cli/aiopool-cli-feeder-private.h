/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/cli/aiopool-cli-work-private.h"

G_BEGIN_DECLS

/* Runs everything; prints what stopped it, if anything did. @n_failed is set in any case: how many
 * items have failed, or 0 if as many were done well as --halt asks for. */
CliExit cli_feeder_run (const CliWork *work,
                        guint64       *n_failed);

G_END_DECLS
