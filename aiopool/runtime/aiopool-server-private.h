/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/runtime/aiopool-chunk-private.h"
#include "aiopool/runtime/aiopool-serve-private.h"
#include "aiopool/runtime/aiopool-type-pins-private.h"

G_BEGIN_DECLS

typedef struct _AiopoolServer AiopoolServer;

/* What serves. The serving thread's but for what is told in aiopool-serve.c. */
struct _AiopoolServer
{
  AiopoolSession  *session;       /* (unowned: lives as long as the process) */
  AiopoolRegistry *registry;      /* (unowned: the service, until serving ends) */
  const AiopoolWorkerHooks *hooks; /* (unowned: whoever serves) (nullable) */
  gpointer         hooks_data;
  AiopoolTypePins  pins;          /* of arguments and results */
  AiopoolCall     *spare;         /* (owned) (nullable): used again for the next task */
  AiopoolCall     *current;       /* (unowned: its runner) (nullable); atomic */
  gint64           flushed;       /* monotonic microseconds: when the task began whose answer is the
                                   * first that is not written */
  gint64           now;           /* monotonic microseconds: the end of the last task, 0 if that is
                                   * not just now */
  int              limit;         /* of asynchronous calls at once */
  int              n_outstanding; /* atomic: asynchronous calls that are not answered */
  int              is_waiting;    /* atomic: on_wake() wanted when one of them is */
  gboolean         is_handling;   /* a function may iterate the main context */
  gboolean         has_flushed;   /* answers, since what was read is handled */
  gboolean         has_deferred;  /* a hook put off an answer */
  gboolean         has_ended;     /* the parent writes no more */
  const char      *fault;         /* (nullable): what the parent did that it may not */
  guint            fault_type;    /* of the frame */
  GPtrArray       *chunks;        /* (owned) of AiopoolChunk: of which an item is under way, which
                                   * is asynchronous */
  GMutex           lock;          /* for told */
  GCond            told;          /* that another thread has answered an item */
  GMainContext    *context;       /* (unowned: the session) (nullable): NULL in the plain loop;
                                   * atomic */
  GMainLoop       *loop;          /* (owned) (nullable) */
  GSource         *watch;         /* (owned) (nullable): of the data socket */
};

/* serve */
void         aiopool_server_break_off     (AiopoolServer            *self,
                                           const char               *what,
                                           guint                     type);
void         aiopool_server_wake          (AiopoolServer            *self);
void         aiopool_server_on_answered   (gpointer                  server,
                                           AiopoolCall              *call);
void         aiopool_server_flush         (AiopoolServer            *self);
void         aiopool_server_flush_if_late (AiopoolServer            *self);
guint64      aiopool_server_get_unread    (AiopoolServer            *self);

/* server-task */
AiopoolCall *aiopool_server_take_spare    (AiopoolServer            *self);
void         aiopool_server_end_with      (AiopoolServer            *self,
                                           AiopoolCall              *call);
gint64       aiopool_server_run           (AiopoolServer            *self,
                                           AiopoolCall              *call,
                                           const AiopoolEntry       *entry,
                                           gpointer                 *slot);
void         aiopool_server_take_task     (AiopoolServer            *self,
                                           const AiopoolFrame       *frame);

/* server-chunk */
void         aiopool_server_tell_chunk    (AiopoolServer            *self,
                                           AiopoolChunk             *chunk,
                                           gboolean                  is_async,
                                           gboolean                  is_here);
void         aiopool_server_start_chunk   (AiopoolServer            *self,
                                           guint64                   id,
                                           const char               *name,
                                           const AiopoolTaskMessage *message,
                                           GUnixFDList              *fds,
                                           AiopoolEntry             *entry,
                                           gpointer                 *slot);
void         aiopool_server_run_chunks    (AiopoolServer            *self);
void         aiopool_server_forget_chunks (AiopoolServer            *self);

G_END_DECLS
