/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/workers/aiopool-peer-parts-private.h"

#include "aiopool/base/aiopool-error.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>

/* How a worker ended. It is dead when its process is, and everything that it said has been read. */

#define REAP_USEC 1000

/* What a worker leaves in its group goes with it, however it ended. GSubprocess has reaped it, in a
 * thread of its own, but the kernel gives its number to no new process while the group has members:
 * no process of this number means that the group is the old one, or empty; one that has it is a
 * stranger, and the group is gone. */
static void
end_group (AiopoolPeer *self)
{
  if (self->pid > 0 && kill (self->pid, 0) != 0 && errno == ESRCH)
    kill (-self->pid, SIGKILL);
}

/* Of the process, or 0. */
static int
get_process_signal (AiopoolPeer *self)
{
  if (self->end.si_pid != 0)
    return self->end.si_code == CLD_EXITED ? 0 : self->end.si_status;
  return g_subprocess_get_if_signaled (self->process) ? g_subprocess_get_term_sig (self->process)
                                                      : 0;
}

static int
get_exit_status (AiopoolPeer *self)
{
  return self->end.si_pid != 0 ? self->end.si_status
                               : g_subprocess_get_exit_status (self->process);
}

/* Once it has ended: its status, or the negative of the signal that killed it. */
int
aiopool_peer_get_exit_code (AiopoolPeer *self)
{
  int number = get_process_signal (self);

  return number != 0 ? -number : get_exit_status (self);
}

/* A status of 0 is also what GLib gives when there was none to be had. */
static const char *
get_doubt (AiopoolPeer *self)
{
  if (self->end.si_pid != 0 || get_exit_status (self) != 0)
    return "";
  return "; if it did not exit, other code of this program, or SIGCHLD being ignored, took its "
         "status";
}

/* That killed the worker, or 0. What made its sandbox says it as a shell does. */
static int
get_signal (AiopoolPeer *self)
{
  int number = get_process_signal (self);

  if (number == 0 && self->is_wrapped && get_exit_status (self) > 128 &&
      get_exit_status (self) <= 128 + SIGRTMAX)
    number = get_exit_status (self) - 128;
  return number;
}

static GError *
describe_end (AiopoolPeer *self,
              gboolean     was_starting)
{
  GQuark domain = was_starting ? AIOPOOL_POOL_ERROR : AIOPOOL_TASK_ERROR;
  int code = was_starting ? (int) AIOPOOL_POOL_ERROR_START_FAILED
                          : (int) AIOPOOL_TASK_ERROR_CRASHED;
  const char *when = "";

  if (self->failure != NULL)
    return g_steal_pointer (&self->failure);
  if (get_signal (self) != 0)
    {
      int number = get_signal (self);

      self->was_killed = TRUE;
      return g_error_new (domain, code, "Worker %d was killed by signal %d (%s)%s", self->pid,
                          number, g_strsignal (number),
                          number == SIGKILL ? "; if nobody sent it, memory may have run out" : "");
    }
  if (was_starting && !aiopool_peer_has_reported (self))
    when = "before it reported, ";
  return g_error_new (domain, code, "Worker %d ended %swith exit status %d%s", self->pid, when,
                      get_exit_status (self), get_doubt (self));
}

/* Everything that the worker managed to say is read before anybody hears of its end. */
static void
read_the_rest (AiopoolPeer *self)
{
  g_autoptr (GError) error = NULL;

  aiopool_intake_read_rest (self->intake, self->page, &error);
  if (error != NULL)
    aiopool_peer_intake_owner.broken (self, error);
  aiopool_stderr_drain (self->standard_error);
}

/* Whether nothing is left of the process. GLib (2.74) may say that it has ended when its last
 * threads are still ending, and then forgets it: neither its end is known nor is it reaped. As long
 * as it is a child of ours its number is its own. */
static gboolean
is_reaped (AiopoolPeer *self)
{
  siginfo_t info = { 0 };

  if (self->pid <= 0 || waitid (P_PID, (id_t) self->pid, &info, WEXITED | WNOHANG) != 0)
    return TRUE;
  if (info.si_pid == 0)
    {
      kill (self->pid, SIGKILL);
      return FALSE;
    }
  self->end = info;
  return TRUE;
}

/* Takes over the reference of the wait. */
void
aiopool_peer_finish (gpointer owner)
{
  AiopoolPeer *self = owner;
  g_autoptr (GError) why = NULL;
  g_autofree char *last_lines = NULL;
  gboolean was_starting;

  if (!is_reaped (self))
    {
      aiopool_alarm_set (self->reap_alarm, g_get_monotonic_time () + REAP_USEC);
      return;
    }
  end_group (self);
  read_the_rest (self);
  g_mutex_lock (self->lock);
  was_starting = self->state == AIOPOOL_WORKER_STARTING;
  aiopool_peer_set_state (self, AIOPOOL_WORKER_DEAD);
  aiopool_countdown_stop (&self->countdown);
  g_mutex_unlock (self->lock);
  why = describe_end (self, was_starting);
  last_lines = aiopool_peer_dup_standard_error (self, 0, G_MAXINT64);
  self->is_over = TRUE;
  self->owner_class->ended (self->owner, self, why, last_lines);
  aiopool_peer_unref (self);
}

static void
on_process_ended (GObject      *object,
                  GAsyncResult *result,
                  gpointer      user_data)
{
  AiopoolPeer *self = user_data;

  g_subprocess_wait_finish (self->process, result, NULL);
  g_atomic_int_set (&self->is_gone, TRUE);
  aiopool_peer_finish (self);
}

void
aiopool_peer_await_end (AiopoolPeer *self)
{
  g_subprocess_wait_async (self->process, NULL, on_process_ended, aiopool_peer_ref (self));
}
