/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/base/aiopool-enums.h"
#include "aiopool/base/aiopool-version-macros.h"

G_BEGIN_DECLS

#define AIOPOOL_TYPE_LAUNCHER (aiopool_launcher_get_type ())
AIOPOOL_AVAILABLE_IN_0_1
G_DECLARE_FINAL_TYPE (AiopoolLauncher, aiopool_launcher, AIOPOOL, LAUNCHER, GObject)

AIOPOOL_AVAILABLE_IN_0_1
AiopoolLauncher *aiopool_launcher_new             (void);
AIOPOOL_AVAILABLE_IN_0_1
AiopoolLauncher *aiopool_launcher_new_for_plugins (const char * const *plugins);
AIOPOOL_AVAILABLE_IN_0_1
AiopoolLauncher *aiopool_launcher_new_for_argv    (const char * const *argv);
AIOPOOL_AVAILABLE_IN_0_1
AiopoolLauncher *aiopool_launcher_new_for_python  (const char         *python);
AIOPOOL_AVAILABLE_IN_0_1
void             aiopool_launcher_setenv          (AiopoolLauncher    *self,
                                                   const char         *variable,
                                                   const char         *value);
AIOPOOL_AVAILABLE_IN_0_1
void             aiopool_launcher_unsetenv        (AiopoolLauncher    *self,
                                                   const char         *variable);
AIOPOOL_AVAILABLE_IN_0_1
void             aiopool_launcher_set_directory   (AiopoolLauncher    *self,
                                                   const char         *directory);
AIOPOOL_AVAILABLE_IN_0_1
const char      *aiopool_launcher_get_directory   (AiopoolLauncher    *self);
AIOPOOL_AVAILABLE_IN_0_1
void             aiopool_launcher_set_trusted     (AiopoolLauncher    *self,
                                                   gboolean            trusted);
AIOPOOL_AVAILABLE_IN_0_1
gboolean         aiopool_launcher_get_trusted     (AiopoolLauncher    *self);

/* Limits. */
AIOPOOL_AVAILABLE_IN_0_1
void    aiopool_launcher_set_max_memory       (AiopoolLauncher        *self,
                                               guint64                 bytes);
AIOPOOL_AVAILABLE_IN_0_1
guint64 aiopool_launcher_get_max_memory       (AiopoolLauncher        *self);
AIOPOOL_AVAILABLE_IN_0_1
void    aiopool_launcher_set_max_cpu_time     (AiopoolLauncher        *self,
                                               guint                   seconds);
AIOPOOL_AVAILABLE_IN_0_1
guint   aiopool_launcher_get_max_cpu_time     (AiopoolLauncher        *self);
AIOPOOL_AVAILABLE_IN_0_1
void    aiopool_launcher_set_max_open_files   (AiopoolLauncher        *self,
                                               guint                   n_files);
AIOPOOL_AVAILABLE_IN_0_1
guint   aiopool_launcher_get_max_open_files   (AiopoolLauncher        *self);
AIOPOOL_AVAILABLE_IN_0_1
void    aiopool_launcher_set_max_core_size    (AiopoolLauncher        *self,
                                               gint64                  bytes);
AIOPOOL_AVAILABLE_IN_0_1
gint64  aiopool_launcher_get_max_core_size    (AiopoolLauncher        *self);
AIOPOOL_AVAILABLE_IN_0_1
void    aiopool_launcher_set_nice             (AiopoolLauncher        *self,
                                               int                     nice);
AIOPOOL_AVAILABLE_IN_0_1
int     aiopool_launcher_get_nice             (AiopoolLauncher        *self);
AIOPOOL_AVAILABLE_IN_0_1
void    aiopool_launcher_set_scheduling_class (AiopoolLauncher        *self,
                                               AiopoolSchedulingClass  scheduling_class);
AIOPOOL_AVAILABLE_IN_0_1
AiopoolSchedulingClass
        aiopool_launcher_get_scheduling_class (AiopoolLauncher        *self);
AIOPOOL_AVAILABLE_IN_0_1
void    aiopool_launcher_set_oom_score_adj    (AiopoolLauncher        *self,
                                               int                     oom_score_adj);
AIOPOOL_AVAILABLE_IN_0_1
int     aiopool_launcher_get_oom_score_adj    (AiopoolLauncher        *self);

/* Sandbox. */
AIOPOOL_AVAILABLE_IN_0_1
void    aiopool_launcher_set_sandbox          (AiopoolLauncher        *self,
                                               AiopoolSandbox          sandbox);
AIOPOOL_AVAILABLE_IN_0_1
AiopoolSandbox
        aiopool_launcher_get_sandbox          (AiopoolLauncher        *self);
AIOPOOL_AVAILABLE_IN_0_1
AiopoolSandboxKind
        aiopool_launcher_get_sandbox_kind     (AiopoolLauncher        *self);
AIOPOOL_AVAILABLE_IN_0_1
void    aiopool_launcher_share_path           (AiopoolLauncher        *self,
                                               const char             *path,
                                               gboolean                writable);

G_END_DECLS
