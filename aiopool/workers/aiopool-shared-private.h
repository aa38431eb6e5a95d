/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gunixfdlist.h>

G_BEGIN_DECLS

/* Bytes that many tasks have in common. Counted twice: references keep the struct, owners the
 * bytes. See shared. */
typedef struct _AiopoolShared AiopoolShared;

/* Who has told a worker of it. Embedded; lives until the engine runs something that was posted
 * after its removal. */
typedef struct
{
  void   (*died) (gpointer owner); /* (nullable): nobody owns it any more; on the engine thread,
                                    * perhaps once too often */
  gpointer owner;
} AiopoolSharedTeller;

typedef enum
{
  AIOPOOL_SHARED_READY,
  AIOPOOL_SHARED_ENGINE, /* go on from the engine thread: there is more to copy */
  AIOPOOL_SHARED_FAILED
} AiopoolSharedState;

AiopoolShared      *aiopool_shared_new           (GBytes              *bytes);
AiopoolShared      *aiopool_shared_own           (AiopoolShared       *self);
void                aiopool_shared_disown        (AiopoolShared       *self);
AiopoolShared      *aiopool_shared_ref           (AiopoolShared       *self);
void                aiopool_shared_unref         (AiopoolShared       *self);
GBytes             *aiopool_shared_get_bytes     (AiopoolShared       *self);
gsize               aiopool_shared_get_size      (AiopoolShared       *self);
gboolean            aiopool_shared_is_dead       (AiopoolShared       *self);
guint               aiopool_shared_get_n_deaths  (void);

AiopoolSharedState  aiopool_shared_prepare       (AiopoolShared       *self,
                                                  GUnixFDList        **fds,
                                                  GError             **error);
GUnixFDList        *aiopool_shared_dup_fds       (AiopoolShared       *self);
void                aiopool_shared_add_teller    (AiopoolShared       *self,
                                                  AiopoolSharedTeller *teller);
void                aiopool_shared_remove_teller (AiopoolShared       *self,
                                                  AiopoolSharedTeller *teller);

G_END_DECLS
