/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/runtime/aiopool-call.h"

G_BEGIN_DECLS

/* What the workers of other languages stand on: an extension of their interpreter takes this table
 * from the library and serves by it. It is no part of the API; a program has no use for it.
 *
 * A version is never changed; members are added at the end, and `size` tells which there are. A
 * later library gives the table of an earlier version too.
 *
 * Everything belongs to the thread that calls serve(), unless it says something else. */

#define AIOPOOL_WORKER_ABI_VERSION 1

typedef enum
{
  AIOPOOL_WORKER_NEXT_READ, /* dispatch when the socket is readable, or after wake() */
  AIOPOOL_WORKER_NEXT_WAIT, /* do not look at the socket; dispatch after wake() */
  AIOPOOL_WORKER_NEXT_END   /* leave run_loop() */
} AiopoolWorkerNext;

/* What the language does. All are called in the thread that serves, with the user data given to
 * serve(). */
typedef struct
{
  gsize size; /* of this struct, as known to who fills it in */

  /* Runs the function of a call and answers it with return_value(), or with the functions of
   * AiopoolCall, or says by defer() that it will. `slot` is a place that belongs to the function's
   * name, NULL to begin with, and may be used until this returns. */
  void (*run)        (AiopoolCall *call,
                      gpointer    *slot,
                      gpointer     user_data);

  /* Around every wait for tasks: to let other threads of the interpreter run. */
  void (*begin_wait) (gpointer     user_data);
  void (*end_wait)   (gpointer     user_data);

  /* Called once, after the first defer(): runs an event loop that calls dispatch(), first of all at
   * once, and returns when that says END. */
  void (*run_loop)   (int          fd,
                      gpointer     user_data);

  /* dispatch() has something to do. In the thread that answered a call. */
  void (*wake)       (gpointer     user_data);

  /* (nullable): the pool has forgotten shared data, whose number no later call has. */
  void (*forget_shared) (guint64   id,
                         gpointer  user_data);
} AiopoolWorkerHooks;

typedef struct
{
  gsize size; /* of this struct, as known to the library */

  /* Whether a pool started this process as a worker. Any thread. */
  gboolean          (*is_worker)    (void);

  /* Tells the pool instead of serving why this process cannot. */
  gboolean          (*refuse)       (const char               *message,
                                     GError                  **error);

  /* Serves until the pool has no more, as aiopool_service_run() does. Once in a process. */
  gboolean          (*serve)        (const AiopoolWorkerHooks *hooks,
                                     gpointer                  user_data,
                                     GError                  **error);

  /* In run_loop(): does what can be done without waiting. */
  AiopoolWorkerNext (*dispatch)     (void);

  /* In run(): the call, which somebody has a reference to, is answered later. */
  void              (*defer)        (AiopoolCall              *call);

  /* Answers a call. Consumes a floating value. */
  void              (*return_value) (AiopoolCall              *call,
                                     GVariant                 *value);

  /* Sends a record of the language's own log to the pool. FALSE if it cannot go there and should be
   * written to standard error. Any thread. */
  gboolean          (*log)          (GLogLevelFlags            level,
                                     const GLogField          *fields,
                                     gsize                     n_fields);

  /* While TRUE a pool that is made in this thread fails with NOT_A_WORKER: it runs the program's
   * main module to get at its functions. */
  void              (*set_starting) (gboolean                  is_starting);

  /* The bytes that the task of a call has in common with others; NULL if it has none. `id` is their
   * number in this process, which no others ever get: what is made of them can be kept under it.
   * The bytes live as long as the call. */
  GBytes           *(*get_shared_data) (AiopoolCall            *call,
                                     guint64                  *id);
} AiopoolWorkerAbi;

AIOPOOL_AVAILABLE_IN_0_1
const AiopoolWorkerAbi *aiopool_worker_abi_get (guint version);

G_END_DECLS
