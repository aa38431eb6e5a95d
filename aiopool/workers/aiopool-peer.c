/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/workers/aiopool-peer-parts-private.h"

#include "aiopool/base/aiopool-error.h"

#include <errno.h>
#include <sys/socket.h>

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
 * pump flags, the escalations and the outbound's orders; only
 * aiopool_peer_set_state() writes the state. */

#define MAX_LINES 10 /* of standard error, told with a failure */

/* Under the lock. */
void
aiopool_peer_set_state (AiopoolPeer       *self,
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
gboolean
aiopool_peer_has_reported (AiopoolPeer *self)
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
  if (self->is_wrapped && number == SIGTERM && aiopool_peer_has_reported (self))
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

void
aiopool_peer_on_alarm (gpointer owner)
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
                       aiopool_peer_has_reported (self) ? (int) AIOPOOL_TASK_ERROR_TIMED_OUT
                                                        : (int) AIOPOOL_POOL_ERROR_START_TIMED_OUT,
                       "A worker was not ready within %.3f seconds of its start",
                       (double) self->limits.start_timeout / G_USEC_PER_SEC);
  else if (number != 0)
    send_signal (self, number);
}

/* It is written to, and hears then what it may forget. */
void
aiopool_peer_on_shared_died (gpointer owner)
{
  AiopoolPeer *self = owner;

  if (!self->is_over)
    self->owner_class->writable (self->owner, self);
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
    aiopool_peer_set_state (self, AIOPOOL_WORKER_CLOSING);
  aiopool_countdown_set_start (&self->countdown, 0);
  g_mutex_unlock (self->lock);
  self->failure = g_error_new_literal (aiopool_peer_has_reported (self) ? AIOPOOL_TASK_ERROR
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
    aiopool_engine_post (aiopool_peer_free, self);
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
    aiopool_peer_set_state (self, is_busy ? AIOPOOL_WORKER_BUSY : AIOPOOL_WORKER_IDLE);
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
  aiopool_peer_set_state (self, AIOPOOL_WORKER_IDLE);
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
  aiopool_peer_set_state (self, AIOPOOL_WORKER_CLOSING);
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
  aiopool_peer_set_state (self, AIOPOOL_WORKER_CLOSING);
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
    aiopool_peer_intake_owner.broken (self, error);
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
    aiopool_peer_intake_owner.broken (self, error);
}

int
aiopool_peer_get_data_fd (AiopoolPeer *self)
{
  return self->data_fd;
}
