/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <aiopool/aiopool.h>

#include "aiopool/runtime/aiopool-worker-abi.h"

#include <poll.h>
#include <string.h>

/* A worker that serves by the table for interpreters, with an event loop of its own. It knows these
 * functions: echo, count, later, silent, waits, log, start, shared. */

typedef struct
{
  const AiopoolWorkerAbi *abi;
  GQueue                  later;   /* (owned) of AiopoolCall: to be answered by the loop */
  guint                   n_begun; /* waits */
  guint                   n_ended;
  gboolean                is_woken;
  guint                   n_forgotten;
  guint64                 forgotten; /* the last one */
} Interpreter;

/* How often it was called by this name. */
static void
run_count (Interpreter *self,
           AiopoolCall *call,
           gpointer    *slot)
{
  *slot = GUINT_TO_POINTER (GPOINTER_TO_UINT (*slot) + 1);
  self->abi->return_value (call, g_variant_new_uint32 (GPOINTER_TO_UINT (*slot)));
}

static void
run_log (Interpreter *self,
         AiopoolCall *call)
{
  const GLogField fields[] = {
    { "GLIB_DOMAIN", "interpreter", -1 }, { "MESSAGE", "said", -1 }, { "KEY", "value", -1 },
  };
  gboolean is_sent = self->abi->log (G_LOG_LEVEL_DEBUG, fields, G_N_ELEMENTS (fields));

  self->abi->return_value (call, g_variant_new_boolean (is_sent));
}

/* What becomes of a pool that is made while the program's main module runs again. */
static void
run_start (Interpreter *self,
           AiopoolCall *call)
{
  g_autoptr (AiopoolPool) pool = aiopool_pool_new (1);
  g_autoptr (AiopoolTask) task = aiopool_task_new ("echo", g_variant_new ("()"));
  g_autoptr (AiopoolFuture) future = NULL;
  g_autoptr (GError) error = NULL;

  self->abi->set_starting (TRUE);
  future = aiopool_executor_submit (AIOPOOL_EXECUTOR (pool), task, NULL, &error);
  self->abi->set_starting (FALSE);
  if (future != NULL)
    self->abi->return_value (call, g_variant_new_string ("it was made"));
  else
    aiopool_call_return_error (call, error);
}

/* The number of what the task shares and its size, and what was forgotten. */
static void
run_shared (Interpreter *self,
            AiopoolCall *call)
{
  guint64 id = 77;
  GBytes *bytes = self->abi->get_shared_data (call, &id);
  gsize size = bytes != NULL ? g_bytes_get_size (bytes) : 0;

  self->abi->return_value (call, g_variant_new ("(ttut)", id, (guint64) size, self->n_forgotten,
                                                self->forgotten));
}

static void
forget_shared (guint64  id,
               gpointer user_data)
{
  Interpreter *self = user_data;

  self->n_forgotten++;
  self->forgotten = id;
}

static void
run (AiopoolCall *call,
     gpointer    *slot,
     gpointer     user_data)
{
  Interpreter *self = user_data;
  const char *name = aiopool_call_get_function (call);

  if (strcmp (name, "echo") == 0)
    self->abi->return_value (call, aiopool_call_get_arguments (call));
  else if (strcmp (name, "count") == 0)
    run_count (self, call, slot);
  else if (strcmp (name, "log") == 0)
    run_log (self, call);
  else if (strcmp (name, "start") == 0)
    run_start (self, call);
  else if (strcmp (name, "shared") == 0)
    run_shared (self, call);
  else if (strcmp (name, "waits") == 0)
    self->abi->return_value (call, g_variant_new ("(uu)", self->n_begun, self->n_ended));
  else if (strcmp (name, "later") == 0)
    {
      self->abi->defer (call);
      g_queue_push_tail (&self->later, g_object_ref (call));
    }
}

static void
begin_wait (gpointer user_data)
{
  ((Interpreter *) user_data)->n_begun++;
}

static void
end_wait (gpointer user_data)
{
  ((Interpreter *) user_data)->n_ended++;
}

static void
wake (gpointer user_data)
{
  ((Interpreter *) user_data)->is_woken = TRUE;
}

/* The oldest one. */
static void
answer_one (Interpreter *self)
{
  g_autoptr (AiopoolCall) call = g_queue_pop_head (&self->later);

  if (call != NULL)
    self->abi->return_value (call, aiopool_call_get_arguments (call));
}

static void
run_loop (int      fd,
          gpointer user_data)
{
  Interpreter *self = user_data;
  AiopoolWorkerNext next;

  while ((next = self->abi->dispatch ()) != AIOPOOL_WORKER_NEXT_END)
    {
      struct pollfd input = { fd, POLLIN, 0 };

      do
        answer_one (self);
      while (next == AIOPOOL_WORKER_NEXT_WAIT && !self->is_woken && self->later.length > 0);
      if (next == AIOPOOL_WORKER_NEXT_WAIT)
        g_assert_true (self->is_woken);
      else if (self->later.length == 0 && !self->is_woken)
        poll (&input, 1, -1);
      self->is_woken = FALSE;
    }
}

int
main (int   argc,
      char *argv[])
{
  static Interpreter self; /* used until the process ends */
  static const AiopoolWorkerHooks hooks = {
    sizeof hooks, run, begin_wait, end_wait, run_loop, wake, forget_shared,
  };
  g_autoptr (GError) error = NULL;

  g_assert_null (aiopool_worker_abi_get (AIOPOOL_WORKER_ABI_VERSION + 1));
  self.abi = aiopool_worker_abi_get (AIOPOOL_WORKER_ABI_VERSION);
  g_assert_cmpuint (self.abi->size, >=, sizeof *self.abi);
  if (!self.abi->is_worker ())
    return 2;
  if (argc > 1)
    return self.abi->refuse (argv[1], &error) ? 0 : 1;
  return self.abi->serve (&hooks, &self, &error) ? 0 : 1;
}
