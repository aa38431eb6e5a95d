/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/base/aiopool-engine-private.h"
#include "aiopool/workers/aiopool-countdown-private.h"
#include "aiopool/workers/aiopool-inbound-private.h"
#include "aiopool/workers/aiopool-intake-private.h"
#include "aiopool/workers/aiopool-peer-private.h"
#include "aiopool/workers/aiopool-stderr-private.h"

#include <signal.h>

/* For the files of the peer: what it is, how it starts, what it hears and how it ends. */

G_BEGIN_DECLS

struct _AiopoolPeer
{
  int                     ref_count; /* atomic */
  guint                   number;
  AiopoolWorkerState      state;     /* under lock; only aiopool_peer_set_state() writes it */
  const AiopoolPeerOwner *owner_class;
  gpointer                owner;     /* (unowned: lives until it was told of the end) */
  GMutex                 *lock;      /* (unowned: the owner's, as it) */
  AiopoolPeerLimits       limits;
  gboolean                is_trusted;
  gboolean                is_wrapped; /* in a sandbox, so that the process is not the worker */

  GSubprocess            *process;   /* (owned) */
  int                     pid;
  guint64                 nonce;
  int                     data_fd;   /* (owned) */
  AiopoolStatusPage      *page;      /* (owned) */
  AiopoolStderr          *standard_error; /* (owned) */
  AiopoolControl         *control;   /* (owned) */
  AiopoolOutbound        *outbound;  /* (owned) */
  AiopoolInbound         *inbound;   /* (unowned: the intake) */
  AiopoolIntake          *intake;    /* (owned) */
  GError                 *failure;   /* (owned) (nullable): why it is being killed; engine only */
  int                     is_gone;   /* atomic: the process has ended */
  int                     has_reported; /* atomic: said HELLO */
  AiopoolAlarm           *reap_alarm; /* (owned): to look again whether it can be reaped */
  siginfo_t               end;       /* how it ended, if it was reaped here; engine only */
  gboolean                is_over;   /* the owner was told of the end, and may go; engine only */
  gboolean                was_killed; /* by a signal, and not for a failure; engine only */
  int                     was_told;   /* atomic: to go, or to stop a task, by this process */

  AiopoolCountdown        countdown;  /* under lock */
  gboolean                was_ready;  /* under lock: might have had tasks */
  gboolean                is_pumping; /* under lock: a thread is in the outbound's flush */
  gboolean                pump_again;
  guint                   n_done;
  gint64                  idle_since;
  gint64                  born;       /* monotonic microseconds; never changes */
};

/* peer */
void     aiopool_peer_set_state        (AiopoolPeer        *self,
                                        AiopoolWorkerState  state);
gboolean aiopool_peer_has_reported     (AiopoolPeer        *self);
void     aiopool_peer_on_alarm         (gpointer            owner);
void     aiopool_peer_on_shared_died   (gpointer            owner);

/* peer-start */
void     aiopool_peer_free             (gpointer            data);

/* peer-hear */
extern const AiopoolInboundOwner aiopool_peer_inbound_owner;
extern const AiopoolIntakeOwner  aiopool_peer_intake_owner;

gboolean aiopool_peer_on_control_frame (gpointer            owner,
                                        const AiopoolFrame *frame);

/* peer-end */
void     aiopool_peer_await_end        (AiopoolPeer        *self);
void     aiopool_peer_finish           (gpointer            owner);

G_END_DECLS
