/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/api/aiopool-future.h"
#include "aiopool/api/aiopool-task.h"

G_BEGIN_DECLS

/* Who waits until an executor, which was full, takes a task. */
typedef struct _AiopoolRoom AiopoolRoom;

/* What an executor does for those who wait. */
typedef struct
{
  /* FALSE if there is still no room, otherwise there is a future or an error. */
  gboolean (*submit)   (gpointer         executor,
                        AiopoolTask     *task,
                        GCancellable    *cancellable,
                        AiopoolFuture  **future,
                        GError         **error);
  /* Takes both; one of them is NULL. */
  void     (*complete) (GTask           *completion,
                        AiopoolFuture   *future,
                        GError          *error,
                        gboolean         wants_future);
} AiopoolRoomOwner;

/* Hears of room under the room's lock, on any thread: it only posts. */
typedef void (*AiopoolRoomWatchFunc) (gpointer data);

AiopoolRoom *aiopool_room_new   (void);
void     aiopool_room_unref      (AiopoolRoom            *self);
gboolean aiopool_room_is_awaited (AiopoolRoom            *self);
void     aiopool_room_wait       (AiopoolRoom            *self,
                                  const AiopoolRoomOwner *owner_class,
                                  gpointer                executor,
                                  AiopoolTask            *task,
                                  GTask                  *completion,
                                  gboolean                wants_future);
void     aiopool_room_notify     (AiopoolRoom            *self);
guint    aiopool_room_get_count  (AiopoolRoom            *self);
void     aiopool_room_block      (AiopoolRoom            *self,
                                  guint                   n_rooms,
                                  GCancellable           *cancellable);

void     aiopool_room_add_watch  (AiopoolRoom            *self,
                                  AiopoolRoomWatchFunc    func,
                                  gpointer                data);
void     aiopool_room_remove_watch (AiopoolRoom          *self,
                                  AiopoolRoomWatchFunc    func,
                                  gpointer                data);

G_END_DECLS
