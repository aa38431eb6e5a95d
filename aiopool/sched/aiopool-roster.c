/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/sched/aiopool-dispatch-private.h"

/* Which workers there are, for those who look on, from any thread; and how those that are gone have
 * ended, as far as the last AIOPOOL_N_ENDS are concerned. */

static AiopoolWorkerStatus
status_of (AiopoolPeer *peer)
{
  AiopoolWorkerStatus status = {
    aiopool_peer_get_number (peer),
    aiopool_peer_get_pid (peer),
    aiopool_peer_get_state (peer),
    aiopool_peer_get_n_done (peer),
  };

  return status;
}

/* (transfer full): of AiopoolWorkerStatus. */
GArray *
aiopool_scheduler_list_workers (AiopoolScheduler *self)
{
  GArray *list = g_array_new (FALSE, FALSE, sizeof (AiopoolWorkerStatus));

  if (aiopool_engine_is_forked ())
    return list;
  g_mutex_lock (&self->lock);
  for (guint i = 0; i < self->peers->len; i++)
    {
      AiopoolWorkerStatus status = status_of (g_ptr_array_index (self->peers, i));

      g_array_append_val (list, status);
    }
  g_mutex_unlock (&self->lock);
  return list;
}

/* FALSE if it is gone. */
gboolean
aiopool_scheduler_get_worker (AiopoolScheduler    *self,
                              guint                number,
                              AiopoolWorkerStatus *status)
{
  gboolean is_found = FALSE;

  if (aiopool_engine_is_forked ())
    return FALSE;
  g_mutex_lock (&self->lock);
  for (guint i = 0; i < self->peers->len && !is_found; i++)
    {
      AiopoolPeer *peer = g_ptr_array_index (self->peers, i);

      is_found = aiopool_peer_get_number (peer) == number;
      if (is_found)
        *status = status_of (peer);
    }
  g_mutex_unlock (&self->lock);
  return is_found;
}

/* (transfer full): of AiopoolWorkerStatus. Waits for those that were called for to be among them,
 * or to be known not to come: the engine is at it. Not on its thread. */
GArray *
aiopool_scheduler_await_workers (AiopoolScheduler *self)
{
  if (!aiopool_engine_is_forked ())
    {
      g_mutex_lock (&self->lock);
      while (self->n_spawning > 0)
        g_cond_wait (&self->hired, &self->lock);
      g_mutex_unlock (&self->lock);
    }
  return aiopool_scheduler_list_workers (self);
}

/* Under the lock, before @peer leaves the crew. */
void
aiopool_roster_keep_end (AiopoolScheduler *self,
                         AiopoolPeer      *peer)
{
  guint number = aiopool_peer_get_number (peer);

  self->ends[number % AIOPOOL_N_ENDS] = (AiopoolWorkerEnd) {
    number, aiopool_peer_get_exit_code (peer)
  };
}

/* FALSE if it is not known, or not over. @exit_code: (out): a status, or the negative of a
 * signal. */
gboolean
aiopool_scheduler_get_end (AiopoolScheduler *self,
                           guint             number,
                           int              *exit_code)
{
  const AiopoolWorkerEnd *end = &self->ends[number % AIOPOOL_N_ENDS];
  gboolean is_found;

  if (aiopool_engine_is_forked ())
    return FALSE;
  g_mutex_lock (&self->lock);
  is_found = end->number == number;
  *exit_code = is_found ? end->exit_code : 0;
  g_mutex_unlock (&self->lock);
  return is_found;
}
