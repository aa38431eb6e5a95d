/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/workers/aiopool-launcher.h"

G_BEGIN_DECLS

/* What a worker process is given; all (transfer full). */
typedef struct
{
  int data;
  int control;
  int status;
  int standard_error;
} AiopoolLaunchFds;

gboolean         aiopool_launcher_check_process     (GError             **error);
void             aiopool_launcher_freeze            (AiopoolLauncher     *self);
AiopoolLauncher *aiopool_launcher_copy              (AiopoolLauncher     *self);
gboolean         aiopool_launcher_shares_memory     (AiopoolLauncher     *self);
gboolean         aiopool_launcher_check_descriptors (int                  fd,
                                                     GError             **error);
GSubprocess     *aiopool_launcher_spawn             (AiopoolLauncher     *self,
                                                     AiopoolLaunchFds    *fds,
                                                     guint64              nonce,
                                                     AiopoolSandboxKind  *kind,
                                                     GError             **error);

G_END_DECLS
