/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/workers/aiopool-peer-parts-private.h"

#include "aiopool/base/aiopool-error.h"
#include "aiopool/wire/aiopool-segment-private.h"

/* What a peer hears of its worker: frames on both sockets, and the end of one. On the thread that
 * reads, which is mostly the engine's. */

static void
on_hello (gpointer                   owner,
          const AiopoolHelloMessage *hello)
{
  AiopoolPeer *self = owner;
  gboolean is_starting;

  if (hello->version != AIOPOOL_PROTOCOL_VERSION)
    {
      aiopool_peer_fail (self, AIOPOOL_POOL_ERROR_START_FAILED,
                         "The worker speaks version %u of the protocol; this library speaks %d",
                         hello->version, AIOPOOL_PROTOCOL_VERSION);
      return;
    }
  if (hello->nonce != self->nonce)
    {
      aiopool_peer_fail (self, AIOPOOL_POOL_ERROR_START_FAILED,
                         "The worker did not give the word it was started with");
      return;
    }
  g_atomic_int_set (&self->has_reported, TRUE);
  g_mutex_lock (self->lock);
  is_starting = self->state == AIOPOOL_WORKER_STARTING;
  g_mutex_unlock (self->lock);
  if (is_starting)
    self->owner_class->greeted (self->owner, self);
}

static void
on_refuse (gpointer    owner,
           guint64     code,
           const char *text)
{
  aiopool_peer_fail (owner,
                     code == AIOPOOL_POOL_ERROR_NOT_A_WORKER ? AIOPOOL_POOL_ERROR_NOT_A_WORKER
                                                             : AIOPOOL_POOL_ERROR_START_FAILED,
                     "%s", text);
}

static void
on_events (gpointer      owner,
           AiopoolEvent *events,
           guint         n_events)
{
  AiopoolPeer *self = owner;

  if (!aiopool_intake_take_quiet (self->intake) || n_events > 1)
    aiopool_stderr_drain (self->standard_error);
  else
    aiopool_stderr_settle (self->standard_error);
  for (guint i = 0; i < n_events; i++)
    {
      AiopoolOutcome *outcome = events[i].type == AIOPOOL_EVENT_ITEMS ? &events[i].items.outcome
                                                                      : &events[i].outcome;

      if (outcome->error != NULL)
        outcome->last_lines = aiopool_peer_dup_standard_error (self, outcome->started,
                                                               outcome->ended);
    }
  self->owner_class->events (self->owner, self, events, n_events);
}

const AiopoolInboundOwner aiopool_peer_inbound_owner = { on_hello, on_refuse, on_events };

static void
on_broken (gpointer      owner,
           const GError *error)
{
  AiopoolPeer *self = owner;

  aiopool_peer_fail (self, error->domain == AIOPOOL_TASK_ERROR ? AIOPOOL_TASK_ERROR_PROTOCOL
                                                              : AIOPOOL_POOL_ERROR_START_FAILED,
                     "The worker broke the protocol: %s", error->message);
}

/* The worker closed its socket. If it is not about to end it is of no use any more. In a sandbox
 * the end of the worker comes first and then that of the process, which still has to say how it
 * was. */
static void
on_hung_up (gpointer owner)
{
  AiopoolPeer *self = owner;
  gboolean is_closing;

  aiopool_intake_stop (self->intake);
  g_mutex_lock (self->lock);
  is_closing = self->state == AIOPOOL_WORKER_CLOSING;
  if (!is_closing && self->is_wrapped && !g_atomic_int_get (&self->is_gone))
    aiopool_countdown_set_end (&self->countdown, 0,
                               g_get_monotonic_time () + self->limits.grace_period);
  g_mutex_unlock (self->lock);
  if (!is_closing && !self->is_wrapped && !g_atomic_int_get (&self->is_gone))
    g_subprocess_send_signal (self->process, SIGKILL);
}

static void
on_writable (gpointer owner)
{
  AiopoolPeer *self = owner;

  g_mutex_lock (self->lock);
  aiopool_intake_want_writable (self->intake, FALSE);
  g_mutex_unlock (self->lock);
  self->owner_class->writable (self->owner, self);
}

static void
on_other (gpointer owner)
{
  AiopoolPeer *self = owner;

  aiopool_stderr_drain (self->standard_error);
}

const AiopoolIntakeOwner aiopool_peer_intake_owner = {
  on_writable, on_hung_up, on_broken, on_other
};

gboolean
aiopool_peer_on_control_frame (gpointer            owner,
                               const AiopoolFrame *frame)
{
  AiopoolPeer *self = owner;

  if (self->is_over)
    return FALSE;
  if (frame != NULL && frame->type == AIOPOOL_FRAME_RELEASE && frame->length == 0)
    {
      if ((frame->flags & AIOPOOL_SEGMENT_FORGET) != 0)
        aiopool_inbound_forget (self->inbound, frame->id);
      else
        aiopool_outbound_release (self->outbound, frame->id);
      return TRUE;
    }
  if (frame != NULL && frame->type == AIOPOOL_FRAME_UNHEARD && frame->length == 0)
    {
      self->owner_class->unheard (self->owner, self, frame->id);
      return TRUE;
    }
  aiopool_peer_fail (self,
                     aiopool_peer_has_reported (self) ? (int) AIOPOOL_TASK_ERROR_PROTOCOL
                                                      : (int) AIOPOOL_POOL_ERROR_START_FAILED,
                     "The worker broke the protocol: a frame that has no place on its control "
                     "socket");
  return FALSE;
}
