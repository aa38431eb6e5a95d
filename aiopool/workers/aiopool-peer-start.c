/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/workers/aiopool-peer-parts-private.h"

#include "aiopool/base/aiopool-error.h"
#include "aiopool/base/aiopool-fd-private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* What a peer is made of, and its process. */

static gboolean
open_sockets (AiopoolPeer       *self,
              AiopoolLaunchFds  *fds,
              int               *control,
              GError           **error)
{
  int data[2] = { -1, -1 };
  int other[2] = { -1, -1 };

  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, data) != 0 ||
      socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, other) != 0)
    {
      g_set_error (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_START_FAILED,
                   "Cannot make sockets for a worker: %s", g_strerror (errno));
      aiopool_clear_fd (&data[0]);
      aiopool_clear_fd (&data[1]);
      return FALSE;
    }
  self->data_fd = data[0];
  fds->data = data[1];
  *control = other[0];
  fds->control = other[1];
  return TRUE;
}

static gboolean
open_all (AiopoolPeer       *self,
          AiopoolLaunchFds  *fds,
          GError           **error)
{
  int control;

  if ((self->page = aiopool_status_page_new (&fds->status, error)) == NULL)
    return FALSE;
  if ((self->standard_error = aiopool_stderr_new (&fds->standard_error, error)) == NULL)
    return FALSE;
  if (!open_sockets (self, fds, &control, error))
    return FALSE;
  self->control = aiopool_control_new (control, aiopool_peer_on_control_frame, self);
  self->outbound = aiopool_outbound_new (self->data_fd, self->page, self->control,
                                         self->is_trusted);
  aiopool_outbound_follow_deaths (self->outbound, aiopool_peer_on_shared_died, self);
  self->inbound = aiopool_inbound_new (self->data_fd, self->control, self->is_trusted,
                                       self->limits.max_result_size, &aiopool_peer_inbound_owner,
                                       self);
  self->intake = aiopool_intake_new (self->data_fd, self->inbound, &aiopool_peer_intake_owner,
                                     self);
  return TRUE;
}

static void
send_config (AiopoolPeer *self)
{
  AiopoolConfigMessage config = {
    .version_min = AIOPOOL_PROTOCOL_VERSION,
    .version_max = AIOPOOL_PROTOCOL_VERSION,
    .max_result_size = self->limits.max_result_size,
    .is_trusted = (guint32) self->is_trusted,
    .tasks_per_worker = self->limits.tasks_per_worker,
  };

  aiopool_outbound_send_config (self->outbound, &config);
}

static void
close_launch_fds (AiopoolLaunchFds *fds)
{
  aiopool_clear_fd (&fds->data);
  aiopool_clear_fd (&fds->control);
  aiopool_clear_fd (&fds->status);
  aiopool_clear_fd (&fds->standard_error);
}

static void
watch_process (AiopoolPeer *self)
{
  const char *identifier = g_subprocess_get_identifier (self->process); /* NULL once it is reaped */

  self->pid = identifier != NULL ? atoi (identifier) : 0;
  aiopool_intake_start (self->intake);
  if (self->limits.start_timeout > 0)
    aiopool_countdown_set_start (&self->countdown,
                                 g_get_monotonic_time () + self->limits.start_timeout);
  aiopool_peer_await_end (self);
  g_debug ("worker %u (%d): started", self->number, self->pid);
}

static AiopoolPeer *
peer_new (AiopoolLauncher         *launcher,
          const AiopoolPeerLimits *limits,
          guint                    number,
          const AiopoolPeerOwner  *owner_class,
          gpointer                 owner,
          GMutex                  *lock)
{
  AiopoolPeer *self = g_new0 (AiopoolPeer, 1);

  self->ref_count = 1;
  self->number = number;
  self->owner_class = owner_class;
  self->owner = owner;
  self->lock = lock;
  self->born = g_get_monotonic_time ();
  self->limits = *limits;
  self->is_trusted = aiopool_launcher_shares_memory (launcher);
  self->nonce = (guint64) g_random_int () << 32 | g_random_int ();
  self->data_fd = -1;
  aiopool_countdown_init (&self->countdown, aiopool_peer_on_alarm, self);
  self->reap_alarm = aiopool_alarm_new (aiopool_peer_finish, self);
  return self;
}

/* On the engine thread, without the lock. */
AiopoolPeer *
aiopool_peer_start (AiopoolLauncher         *launcher,
                    const AiopoolPeerLimits *limits,
                    guint                    number,
                    const AiopoolPeerOwner  *owner_class,
                    gpointer                 owner,
                    GMutex                  *lock,
                    GError                 **error)
{
  AiopoolPeer *self = peer_new (launcher, limits, number, owner_class, owner, lock);
  AiopoolLaunchFds fds = { -1, -1, -1, -1 };
  AiopoolSandboxKind kind = AIOPOOL_SANDBOX_KIND_NONE;

  if (open_all (self, &fds, error) && aiopool_launcher_check_descriptors (fds.data, error))
    {
      send_config (self);
      self->process = aiopool_launcher_spawn (launcher, &fds, self->nonce, &kind, error);
      self->is_wrapped = kind != AIOPOOL_SANDBOX_KIND_NONE;
    }
  else
    close_launch_fds (&fds);
  if (self->process == NULL)
    {
      aiopool_peer_unref (self);
      return NULL;
    }
  watch_process (self);
  return self;
}

/* By the engine. */
void
aiopool_peer_free (gpointer data)
{
  AiopoolPeer *self = data;

  aiopool_countdown_clear (&self->countdown);
  aiopool_alarm_free (self->reap_alarm);
  g_clear_pointer (&self->intake, aiopool_intake_free);
  g_clear_pointer (&self->outbound, aiopool_outbound_free);
  g_clear_pointer (&self->control, aiopool_control_free);
  g_clear_pointer (&self->standard_error, aiopool_stderr_free);
  g_clear_pointer (&self->page, aiopool_status_page_free);
  g_clear_object (&self->process);
  g_clear_error (&self->failure);
  aiopool_clear_fd (&self->data_fd);
  g_free (self);
}
