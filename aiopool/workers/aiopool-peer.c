/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/workers/aiopool-peer-private.h"

#include "aiopool/base/aiopool-engine-private.h"
#include "aiopool/base/aiopool-error.h"
#include "aiopool/base/aiopool-fd-private.h"
#include "aiopool/wire/aiopool-channel-private.h"
#include "aiopool/wire/aiopool-segment-private.h"
#include "aiopool/workers/aiopool-countdown-private.h"
#include "aiopool/workers/aiopool-inbound-private.h"
#include "aiopool/workers/aiopool-intake-private.h"
#include "aiopool/workers/aiopool-stderr-private.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* The parent's side of one worker process, from start to end.
 *
 *   STARTING -> IDLE <-> BUSY -> CLOSING -> DEAD        (any of them -> DEAD)
 *
 * Only a HELLO, and then its owner, makes it IDLE: what a worker does before its first task belongs
 * to its start. CLOSING gets no more tasks: it was asked to go, or is being killed.
 * DEAD comes only from the process itself: not from the end of its socket, which a grandchild may
 * hold open, and a socket that ends while the process lives gets it killed. When the process is
 * gone, what the socket and the outbox still hold is read first.
 *
 * Threads: the engine's, but for what the header says. The scheduler's lock guards the state, the
 * pump flags, the escalations and the outbound's orders; only set_state() writes the state. */

#define REAP_USEC 1000
#define MAX_LINES 10 /* of standard error, told with a failure */

struct _AiopoolPeer
{
  int                     ref_count; /* atomic */
  guint                   number;
  AiopoolWorkerState      state;     /* under lock; only set_state() writes it */
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

static void
set_state (AiopoolPeer       *self,
           AiopoolWorkerState state)
{
  static const guint allowed[] = {
    [AIOPOOL_WORKER_STARTING] = 1u << AIOPOOL_WORKER_IDLE | 1u << AIOPOOL_WORKER_CLOSING |
                                1u << AIOPOOL_WORKER_DEAD,
    [AIOPOOL_WORKER_IDLE] = 1u << AIOPOOL_WORKER_BUSY | 1u << AIOPOOL_WORKER_CLOSING |
                            1u << AIOPOOL_WORKER_DEAD,
    [AIOPOOL_WORKER_BUSY] = 1u << AIOPOOL_WORKER_IDLE | 1u << AIOPOOL_WORKER_CLOSING |
                            1u << AIOPOOL_WORKER_DEAD,
    [AIOPOOL_WORKER_CLOSING] = 1u << AIOPOOL_WORKER_DEAD,
    [AIOPOOL_WORKER_DEAD] = 0,
  };

  if (self->state == state)
    return;
  g_assert (allowed[self->state] & (1u << state));
  if (state != AIOPOOL_WORKER_BUSY && self->state != AIOPOOL_WORKER_BUSY)
    g_debug ("worker %u (%d): state %d -> %d", self->number, self->pid, self->state, state);
  if (state == AIOPOOL_WORKER_IDLE)
    self->idle_since = g_get_monotonic_time ();
  self->state = state;
}

/* Said HELLO. */
static gboolean
has_reported (AiopoolPeer *self)
{
  return g_atomic_int_get (&self->has_reported);
}

/* The whole group: the shim made the worker the leader of its own. Before that, the process.
 *
 * In a sandbox that is the group of what made it, which ends with any signal, and the worker with
 * it. SIGTERM is the worker's own to raise there, once it can. */
static void
signal_group (AiopoolPeer *self,
              int          number)
{
  if (g_atomic_int_get (&self->is_gone))
    return;
  g_debug ("worker %u (%d): signal %d", self->number, self->pid, number);
  if (self->is_wrapped && number == SIGTERM && has_reported (self))
    aiopool_control_send (self->control, AIOPOOL_FRAME_TERMINATE, 0, 0, 0);
  else if (self->pid <= 0 || kill (-self->pid, number) != 0)
    g_subprocess_send_signal (self->process, number);
}

/* For what this process wants of it, not for a fault of its own. */
static void
send_signal (AiopoolPeer *self,
             int          number)
{
  g_atomic_int_set (&self->was_told, TRUE);
  signal_group (self, number);
}

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

static void
on_alarm (gpointer owner)
{
  AiopoolPeer *self = owner;
  gint64 now = g_get_monotonic_time ();
  gboolean is_late;
  int number;

  if (self->is_over)
    return;
  g_mutex_lock (self->lock);
  number = aiopool_countdown_take_due (&self->countdown, now, aiopool_peer_runs_wanted (self),
                                       &is_late);
  g_mutex_unlock (self->lock);
  if (is_late)
    aiopool_peer_fail (self,
                       has_reported (self) ? (int) AIOPOOL_TASK_ERROR_TIMED_OUT
                                          : (int) AIOPOOL_POOL_ERROR_START_TIMED_OUT,
                       "A worker was not ready within %.3f seconds of its start",
                       (double) self->limits.start_timeout / G_USEC_PER_SEC);
  else if (number != 0)
    send_signal (self, number);
}

static void
fail (AiopoolPeer *self,
      int          code,
      const char  *message)
{
  if (self->failure != NULL || self->is_over)
    return;
  g_mutex_lock (self->lock);
  if (self->state != AIOPOOL_WORKER_DEAD)
    set_state (self, AIOPOOL_WORKER_CLOSING);
  aiopool_countdown_set_start (&self->countdown, 0);
  g_mutex_unlock (self->lock);
  self->failure = g_error_new_literal (has_reported (self) ? AIOPOOL_TASK_ERROR
                                                           : AIOPOOL_POOL_ERROR, code, message);
  g_debug ("worker %u (%d): %s", self->number, self->pid, self->failure->message);
  aiopool_intake_ignore (self->intake);
  aiopool_intake_stop (self->intake); /* whatever it still sends until it is gone */
  signal_group (self, SIGKILL);
}

typedef struct
{
  AiopoolPeer *peer;    /* (owned) */
  int          code;
  char        *message; /* (owned) */
} Failure;

static void
on_failure (gpointer data)
{
  Failure *failure = data;

  fail (failure->peer, failure->code, failure->message);
  aiopool_peer_unref (failure->peer);
  g_free (failure->message);
  g_free (failure);
}

/* Kills the worker for a fault of its own. @code is of the pool's domain for one that has not said
 * HELLO and of the task's domain for one that has. */
void
aiopool_peer_fail (AiopoolPeer *self,
                   int          code,
                   const char  *format,
                   ...)
{
  Failure *failure = g_new (Failure, 1);
  va_list arguments;

  failure->peer = aiopool_peer_ref (self);
  failure->code = code;
  va_start (arguments, format);
  failure->message = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  if (aiopool_engine_is_current ())
    on_failure (failure);
  else
    aiopool_engine_post (on_failure, failure);
}

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

static const AiopoolInboundOwner inbound_owner = { on_hello, on_refuse, on_events };

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

static const AiopoolIntakeOwner intake_owner = { on_writable, on_hung_up, on_broken, on_other };

static gboolean
on_control_frame (gpointer            owner,
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
                     has_reported (self) ? (int) AIOPOOL_TASK_ERROR_PROTOCOL
                                        : (int) AIOPOOL_POOL_ERROR_START_FAILED,
                     "The worker broke the protocol: a frame that has no place on its control "
                     "socket");
  return FALSE;
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
  return g_error_new (domain, code, "Worker %d ended %swith exit status %d%s", self->pid,
                      was_starting && !has_reported (self) ? "before it reported, " : "",
                      get_exit_status (self), get_doubt (self));
}

/* Everything that the worker managed to say is read before anybody hears of its end. */
static void
read_the_rest (AiopoolPeer *self)
{
  g_autoptr (GError) error = NULL;

  aiopool_intake_read_rest (self->intake, self->page, &error);
  if (error != NULL)
    on_broken (self, error);
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
static void
finish (gpointer owner)
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
  set_state (self, AIOPOOL_WORKER_DEAD);
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
  finish (self);
}

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
  self->control = aiopool_control_new (control, on_control_frame, self);
  self->outbound = aiopool_outbound_new (self->data_fd, self->page, self->control,
                                         self->is_trusted);
  self->inbound = aiopool_inbound_new (self->data_fd, self->control, self->is_trusted,
                                       self->limits.max_result_size, &inbound_owner, self);
  self->intake = aiopool_intake_new (self->data_fd, self->inbound, &intake_owner, self);
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
  guint8 frame[AIOPOOL_FRAME_HEADER_SIZE + AIOPOOL_FRAME_PAD (sizeof config)];
  gsize sent;

  aiopool_message_write_config (frame, &config);
  aiopool_channel_send (self->data_fd, frame, sizeof frame, NULL, &sent);
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
  g_subprocess_wait_async (self->process, NULL, on_process_ended, aiopool_peer_ref (self));
  g_debug ("worker %u (%d): started", self->number, self->pid);
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
  AiopoolPeer *self = g_new0 (AiopoolPeer, 1);
  AiopoolLaunchFds fds = { -1, -1, -1, -1 };
  AiopoolSandboxKind kind = AIOPOOL_SANDBOX_KIND_NONE;

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
  aiopool_countdown_init (&self->countdown, on_alarm, self);
  self->reap_alarm = aiopool_alarm_new (finish, self);
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

static void
peer_free (gpointer data)
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

AiopoolPeer *
aiopool_peer_ref (AiopoolPeer *self)
{
  g_atomic_int_inc (&self->ref_count);
  return self;
}

/* It is freed by the engine, after every event that may still name it. */
void
aiopool_peer_unref (AiopoolPeer *self)
{
  if (g_atomic_int_dec_and_test (&self->ref_count))
    aiopool_engine_post (peer_free, self);
}

guint
aiopool_peer_get_number (AiopoolPeer *self)
{
  return self->number;
}

int
aiopool_peer_get_pid (AiopoolPeer *self)
{
  return self->pid;
}

gint64
aiopool_peer_get_born (AiopoolPeer *self)
{
  return self->born;
}

AiopoolStatusPage *
aiopool_peer_get_page (AiopoolPeer *self)
{
  return self->page;
}

AiopoolControl *
aiopool_peer_get_control (AiopoolPeer *self)
{
  return self->control;
}

AiopoolOutbound *
aiopool_peer_get_outbound (AiopoolPeer *self)
{
  return self->outbound;
}

AiopoolWorkerState
aiopool_peer_get_state (AiopoolPeer *self)
{
  return self->state;
}

void
aiopool_peer_set_busy (AiopoolPeer *self,
                       gboolean     is_busy)
{
  if (self->state == AIOPOOL_WORKER_IDLE || self->state == AIOPOOL_WORKER_BUSY)
    set_state (self, is_busy ? AIOPOOL_WORKER_BUSY : AIOPOOL_WORKER_IDLE);
}

/* TRUE for the one thread that may add and flush; another one makes it go round again. */
gboolean
aiopool_peer_begin_pump (AiopoolPeer *self)
{
  if (self->is_pumping)
    {
      self->pump_again = TRUE;
      return FALSE;
    }
  self->is_pumping = TRUE;
  self->pump_again = FALSE;
  return TRUE;
}

/* Whether a thread may be in the outbound's flush. */
gboolean
aiopool_peer_is_pumping (AiopoolPeer *self)
{
  return self->is_pumping;
}

/* FALSE if it has to go round again. */
gboolean
aiopool_peer_end_pump (AiopoolPeer *self)
{
  if (self->pump_again)
    {
      self->pump_again = FALSE;
      return FALSE;
    }
  self->is_pumping = FALSE;
  return TRUE;
}

/* A worker that said HELLO may have tasks. FALSE if it is to go already. */
gboolean
aiopool_peer_set_ready (AiopoolPeer *self)
{
  if (self->state != AIOPOOL_WORKER_STARTING)
    return FALSE;
  set_state (self, AIOPOOL_WORKER_IDLE);
  self->was_ready = TRUE;
  aiopool_countdown_set_start (&self->countdown, 0);
  return TRUE;
}

/* Under the lock. Whether it is being ended for a fault before it could have a task. */
gboolean
aiopool_peer_is_failed_start (AiopoolPeer *self)
{
  return self->state == AIOPOOL_WORKER_CLOSING && !self->was_ready &&
         !aiopool_peer_was_told (self);
}

/* It gets no more tasks, and the grace period to go; what was sent before is still done. FALSE if
 * it is to go already. */
gboolean
aiopool_peer_retire (AiopoolPeer *self)
{
  gint64 now = g_get_monotonic_time ();

  if (self->state == AIOPOOL_WORKER_CLOSING || self->state == AIOPOOL_WORKER_DEAD)
    return FALSE;
  g_atomic_int_set (&self->was_told, TRUE);
  set_state (self, AIOPOOL_WORKER_CLOSING);
  aiopool_countdown_set_end (&self->countdown, now + self->limits.grace_period,
                             now + 2 * self->limits.grace_period);
  return TRUE;
}

/* A worker that was retired goes when it has done what it was sent. */
void
aiopool_peer_hang_up (AiopoolPeer *self)
{
  shutdown (self->data_fd, SHUT_WR);
}

/* Makes a worker go, whatever it does. */
void
aiopool_peer_terminate (AiopoolPeer *self)
{
  if (self->state == AIOPOOL_WORKER_DEAD)
    return;
  set_state (self, AIOPOOL_WORKER_CLOSING);
  shutdown (self->data_fd, SHUT_WR);
  aiopool_countdown_set_end (&self->countdown, 0,
                             g_get_monotonic_time () + self->limits.grace_period);
  send_signal (self, SIGTERM);
}

/* The task with @id was told to stop: SIGTERM after half the grace period, SIGKILL at its end. */
void
aiopool_peer_escalate (AiopoolPeer *self,
                       guint64      id)
{
  gint64 now = g_get_monotonic_time ();

  aiopool_countdown_add_task (&self->countdown, id, now + self->limits.grace_period / 2,
                              now + self->limits.grace_period);
}

/* The task with @id is over. */
void
aiopool_peer_settle_down (AiopoolPeer *self,
                          guint64      id)
{
  aiopool_countdown_remove_task (&self->countdown, id);
}

guint
aiopool_peer_get_n_done (AiopoolPeer *self)
{
  return self->n_done;
}

void
aiopool_peer_add_done (AiopoolPeer *self)
{
  self->n_done++;
}

/* Once it has ended: by a signal, and not for a fault that was seen here. On the engine thread. */
gboolean
aiopool_peer_was_killed (AiopoolPeer *self)
{
  return self->was_killed;
}

/* To go, or to stop a task, by this process: its end is no accident. */
gboolean
aiopool_peer_was_told (AiopoolPeer *self)
{
  return g_atomic_int_get (&self->was_told);
}

gint64
aiopool_peer_get_idle_since (AiopoolPeer *self)
{
  return self->idle_since;
}

void
aiopool_peer_wait_writable (AiopoolPeer *self)
{
  aiopool_intake_want_writable (self->intake, TRUE);
}

void
aiopool_peer_raise_term (AiopoolPeer *self)
{
  send_signal (self, SIGTERM);
}

/* Whether shared memory is kept for the next large values. */
gboolean
aiopool_peer_has_memory (AiopoolPeer *self)
{
  return aiopool_outbound_has_memory (self->outbound) || aiopool_inbound_has_memory (self->inbound);
}

/* The last lines of its standard error that may have been written between two times, as far as they
 * were read; (nullable) when there are none. See stderr. */
char *
aiopool_peer_dup_standard_error (AiopoolPeer *self,
                                 gint64       begin,
                                 gint64       end)
{
  return aiopool_stderr_dup_lines (self->standard_error, begin, end, MAX_LINES);
}

/* Gives that back, on both sides. */
void
aiopool_peer_trim (AiopoolPeer *self)
{
  aiopool_outbound_trim (self->outbound);
  aiopool_control_send (self->control, AIOPOOL_FRAME_TRIM, 0, 0, 0);
}

/* Lends the reading of what it sends to a thread that waits. FALSE if another one has it, or if
 * there is nothing to read. */
gboolean
aiopool_peer_lend (AiopoolPeer *self)
{
  return self->state == AIOPOOL_WORKER_BUSY && aiopool_intake_lend (self->intake);
}

/* As those of the intake. */
gboolean
aiopool_peer_take_back (AiopoolPeer *self,
                        gint64       gap)
{
  return aiopool_intake_take_back (self->intake, gap);
}

gboolean
aiopool_peer_is_left (AiopoolPeer *self)
{
  return aiopool_intake_is_left (self->intake);
}

gboolean
aiopool_peer_watch_again (AiopoolPeer *self,
                          gint64       gap)
{
  return aiopool_intake_watch_again (self->intake, gap);
}

/* As aiopool_intake_read_for(). */
gboolean
aiopool_peer_read_for (AiopoolPeer *self,
                       int          kick_fd,
                       gint64       end)
{
  g_autoptr (GError) error = NULL;
  int other_fd = aiopool_stderr_get_fd (self->standard_error);
  gboolean result = aiopool_intake_read_for (self->intake, kick_fd, other_fd, end, &error);

  if (error != NULL)
    on_broken (self, error);
  return result;
}

/* Whether the worker, which runs one task at a time, runs one that nobody gave up. */
gboolean
aiopool_peer_runs_wanted (AiopoolPeer *self)
{
  AiopoolOrder *order = aiopool_outbound_get_first (self->outbound);
  gint64 claimed;

  return self->limits.tasks_per_worker == 1 && order != NULL &&
         aiopool_status_page_is_started (self->page, order->id, &claimed);
}

/* For who borrowed the reading: takes in what is there. */
void
aiopool_peer_read (AiopoolPeer *self)
{
  g_autoptr (GError) error = NULL;

  aiopool_intake_read (self->intake, &error);
  if (error != NULL)
    on_broken (self, error);
}

int
aiopool_peer_get_data_fd (AiopoolPeer *self)
{
  return self->data_fd;
}
