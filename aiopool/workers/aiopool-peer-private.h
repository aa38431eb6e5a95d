/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/workers/aiopool-launcher-private.h"
#include "aiopool/workers/aiopool-outbound-private.h"

G_BEGIN_DECLS

/* What a worker tells its owner, without the owner's lock held: on the engine thread, but events
 * also on one that waits and reads. */
typedef struct
{
  void (*greeted)  (gpointer       owner,
                    AiopoolPeer   *peer);
  void (*events)   (gpointer       owner,
                    AiopoolPeer   *peer,
                    AiopoolEvent  *events,
                    guint          n_events);
  void (*writable) (gpointer       owner,
                    AiopoolPeer   *peer);
  void (*unheard)  (gpointer       owner,
                    AiopoolPeer   *peer,
                    guint64        id);
  void (*ended)    (gpointer       owner,
                    AiopoolPeer   *peer,
                    const GError  *why,
                    const char    *last_lines);
} AiopoolPeerOwner;

typedef struct
{
  gint64  start_timeout;   /* microseconds, 0 for none */
  gint64  grace_period;    /* microseconds */
  guint64 max_result_size; /* bytes */
  guint   tasks_per_worker;
} AiopoolPeerLimits;

AiopoolPeer        *aiopool_peer_start         (AiopoolLauncher         *launcher,
                                                const AiopoolPeerLimits *limits,
                                                guint                    number,
                                                const AiopoolPeerOwner  *owner_class,
                                                gpointer                 owner,
                                                GMutex                  *lock,
                                                GError                 **error);
AiopoolPeer        *aiopool_peer_ref           (AiopoolPeer             *self);
void                aiopool_peer_unref         (AiopoolPeer             *self);

guint               aiopool_peer_get_number    (AiopoolPeer             *self);
int                 aiopool_peer_get_pid       (AiopoolPeer             *self);
gint64              aiopool_peer_get_born      (AiopoolPeer             *self);
AiopoolStatusPage  *aiopool_peer_get_page      (AiopoolPeer             *self);
AiopoolControl     *aiopool_peer_get_control   (AiopoolPeer             *self);
AiopoolOutbound    *aiopool_peer_get_outbound  (AiopoolPeer             *self);

/* Under the lock. */
AiopoolWorkerState  aiopool_peer_get_state     (AiopoolPeer             *self);
void                aiopool_peer_set_busy      (AiopoolPeer             *self,
                                                gboolean                 is_busy);
gboolean            aiopool_peer_begin_pump    (AiopoolPeer             *self);
gboolean            aiopool_peer_is_pumping    (AiopoolPeer             *self);
gboolean            aiopool_peer_end_pump      (AiopoolPeer             *self);
gboolean            aiopool_peer_set_ready     (AiopoolPeer             *self);
gboolean            aiopool_peer_retire        (AiopoolPeer             *self);
void                aiopool_peer_hang_up       (AiopoolPeer             *self);
void                aiopool_peer_terminate     (AiopoolPeer             *self);
void                aiopool_peer_escalate      (AiopoolPeer             *self,
                                                guint64                  id);
void                aiopool_peer_settle_down   (AiopoolPeer             *self,
                                                guint64                  id);
guint               aiopool_peer_get_n_done    (AiopoolPeer             *self);
void                aiopool_peer_add_done      (AiopoolPeer             *self);
gboolean            aiopool_peer_was_killed    (AiopoolPeer             *self);
gboolean            aiopool_peer_was_told      (AiopoolPeer             *self);
int                 aiopool_peer_get_exit_code (AiopoolPeer             *self);
gboolean            aiopool_peer_is_failed_start (AiopoolPeer           *self);
gint64              aiopool_peer_get_idle_since (AiopoolPeer            *self);
gboolean            aiopool_peer_has_memory    (AiopoolPeer             *self);
void                aiopool_peer_trim          (AiopoolPeer             *self);
void                aiopool_peer_wait_writable (AiopoolPeer             *self);
gboolean            aiopool_peer_runs_wanted   (AiopoolPeer             *self);
gboolean            aiopool_peer_lend          (AiopoolPeer             *self);
gboolean            aiopool_peer_take_back     (AiopoolPeer             *self,
                                                gint64                   gap);
gboolean            aiopool_peer_is_left       (AiopoolPeer             *self);
gboolean            aiopool_peer_watch_again   (AiopoolPeer             *self,
                                                gint64                   gap);

/* From any thread. */
int                 aiopool_peer_get_data_fd   (AiopoolPeer             *self);
void                aiopool_peer_read          (AiopoolPeer             *self);
gboolean            aiopool_peer_read_for      (AiopoolPeer             *self,
                                                int                      kick_fd,
                                                gint64                   end);
char               *aiopool_peer_dup_standard_error (AiopoolPeer         *self,
                                                gint64                   begin,
                                                gint64                   end);
void                aiopool_peer_raise_term    (AiopoolPeer             *self);
void                aiopool_peer_fail          (AiopoolPeer             *self,
                                                int                      code,
                                                const char              *format,
                                                ...) G_GNUC_PRINTF (3, 4);

G_END_DECLS
