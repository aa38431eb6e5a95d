/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/workers/aiopool-launcher.h"
#include "aiopool/workers/aiopool-wrapper-private.h"

G_BEGIN_DECLS

typedef struct
{
  guint64                max_memory;       /* bytes; 0: as inherited */
  guint                  max_cpu_time;     /* seconds; 0: as inherited */
  guint                  max_open_files;   /* 0: as inherited */
  gint64                 max_core_size;    /* bytes; -1: as inherited */
  int                    nice;             /* added to what is inherited */
  AiopoolSchedulingClass scheduling_class;
  int                    oom_score_adj;    /* added to what is inherited */
} AiopoolLaunchLimits;

/* Shared by a launcher and its copies. */
typedef struct _AiopoolSandboxChoice AiopoolSandboxChoice;

/* For the files of this class only. Set up in one thread; nothing changes once it is frozen. */
struct _AiopoolLauncher
{
  GObject             parent_instance;
  char              **argv;        /* (owned) (nullable): NULL for this program again */
  char              **plugins;     /* (owned) (nullable) */
  char               *directory;   /* (owned) (nullable) */
  GPtrArray          *environment; /* (owned): of VARIABLE=VALUE to set, VARIABLE to unset */
  AiopoolLaunchLimits limits;
  GPtrArray          *shared;      /* (owned): of AiopoolSharedPath */
  AiopoolSandbox      sandbox;
  AiopoolSandboxChoice *choice;    /* (owned): guards itself */
  gboolean            is_trusted;
  gboolean            is_frozen;
};

/* launcher-limits */
void aiopool_launcher_init_limits        (AiopoolLauncher *self);
void aiopool_launcher_add_resources      (AiopoolLauncher *self,
                                          GStrvBuilder    *argv);
void aiopool_launcher_add_priorities     (AiopoolLauncher *self,
                                          GStrvBuilder    *argv);

/* launcher-sandbox */
AiopoolSandboxChoice *aiopool_sandbox_choice_new (void);
AiopoolSandboxChoice *aiopool_sandbox_choice_ref (AiopoolSandboxChoice *self);
void     aiopool_sandbox_choice_unref    (AiopoolSandboxChoice  *self);
void     aiopool_launcher_init_sandbox   (AiopoolLauncher       *self);
void     aiopool_launcher_copy_sandbox   (AiopoolLauncher       *self,
                                          AiopoolLauncher       *copy);
gboolean aiopool_launcher_choose_sandbox (AiopoolLauncher       *self,
                                          AiopoolSandboxKind    *kind,
                                          const char           **program,
                                          GError               **error);

/* launcher-argv */
gboolean aiopool_launcher_is_program     (AiopoolLauncher       *self);
char   **aiopool_launcher_build_argv     (AiopoolLauncher       *self,
                                          AiopoolSandboxKind     kind,
                                          const char            *wrapper,
                                          guint64                nonce);
char   **aiopool_launcher_build_trial    (AiopoolSandboxKind     kind,
                                          const char            *wrapper,
                                          const char            *answer);

/* launcher-spawn */
gboolean aiopool_launcher_try_wrapper    (AiopoolSandboxKind     kind,
                                          const char            *program,
                                          GError               **error);

/* launcher-properties */
void aiopool_launcher_install_properties (GObjectClass    *object_class);

G_END_DECLS
