/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/base/aiopool-engine-private.h"

G_BEGIN_DECLS

/* Something the engine thread says and the test waits for. */
typedef struct
{
  GMutex lock;
  GCond  said;
  guint  n_said;
} Bell;

void bell_init        (Bell              *bell);
void bell_clear       (Bell              *bell);
void ring             (gpointer           data);
void wait_for_rings   (Bell              *bell,
                       guint              n);

void start_engine     (void);
void run_there        (AiopoolEngineFunc  func,
                       gpointer           data);
void do_nothing       (gpointer           data);
void wait_some_rounds (void);

G_END_DECLS
