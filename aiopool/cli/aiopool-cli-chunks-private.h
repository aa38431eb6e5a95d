/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/cli/aiopool-cli-private.h"

G_BEGIN_DECLS

/* Arguments that go to workers several at a time. */
typedef struct _CliChunks CliChunks;

typedef struct
{
  /* There is room for some: see count_wanted(). */
  void (*wanted) (gpointer       user_data);

  /* What was pushed has ended; a future that was cancelled and never started has not run. */
  void (*ended)  (AiopoolFuture *future,
                  gpointer       pushed,
                  gpointer       user_data);

  /* All that ran has ended, since cancel() was called, or for the error of the pool. What has not
   * been told to have ended did not run. */
  void (*over)   (const GError  *error,
                  gpointer       user_data);
} CliChunksFuncs;

/* Of at most @chunk_size arguments, 0: chosen; at most @n_chunks are under way, 0: as many as keep
 * the workers busy. @timeout is for each argument, in seconds; 0: none. */
CliChunks *cli_chunks_new          (AiopoolPool          *pool,
                                    const char           *function,
                                    double                timeout,
                                    guint                 chunk_size,
                                    guint                 n_chunks,
                                    const CliChunksFuncs *funcs,
                                    gpointer              user_data);

/* After the pool was shut down, or when all has ended. */
void       cli_chunks_free         (CliChunks            *self);

guint      cli_chunks_count_wanted (CliChunks            *self);
void       cli_chunks_push         (CliChunks            *self,
                                    GVariant             *argument,
                                    gpointer              pushed);

/* In no chunk. */
void       cli_chunks_push_alone   (CliChunks            *self,
                                    AiopoolTask          *task,
                                    gpointer              pushed);

/* What has not begun never will; what runs goes on. */
void       cli_chunks_cancel       (CliChunks            *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (CliChunks, cli_chunks_free)

G_END_DECLS
