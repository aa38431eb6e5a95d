/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "aiopool/cli/aiopool-cli-signals-private.h"

#include <signal.h>
#include <unistd.h>

#include "aiopool/cli/aiopool-cli-bar-private.h"

/* A thread waits for the signals, which all other threads block: the main thread may stand in a
 * write to a pipe that nobody reads, and Ctrl-C has to work all the same. Workers are in sessions
 * of their own, so the terminal signals this process only. A second signal finds the default
 * disposition and ends the process there and then; the workers notice that too. */

#define GRACE_SECONDS 0.2
#define LAST_RESORT_SECONDS 5

static const int watched[] = { SIGINT, SIGTERM, SIGHUP };

static int is_ending; /* (atomic) */
static GMutex lock;
static AiopoolPool *current_pool; /* (owned) (nullable) under the lock */

static AiopoolPool *
dup_pool (void)
{
  AiopoolPool *pool = NULL;

  g_mutex_lock (&lock);
  if (current_pool != NULL)
    pool = g_object_ref (current_pool);
  g_mutex_unlock (&lock);
  return pool;
}

static void
let_second_signal_kill (const sigset_t *signals)
{
  gsize i = 0;

  for (i = 0; i < G_N_ELEMENTS (watched); i++)
    if (sigismember (signals, watched[i]) == 1)
      signal (watched[i], SIG_DFL);

  signal (SIGALRM, SIG_DFL);
  pthread_sigmask (SIG_UNBLOCK, signals, NULL);
  alarm (LAST_RESORT_SECONDS);
}

static gpointer
wait_for_signal (gpointer data)
{
  g_autofree sigset_t *signals = data;
  AiopoolPool *pool = NULL; /* never unreferenced: the process ends here */
  int number = 0;

  if (sigwait (signals, &number) != 0)
    return NULL;

  g_atomic_int_set (&is_ending, TRUE);
  let_second_signal_kill (signals);
  cli_bar_erase ();
  pool = dup_pool ();
  if (pool != NULL)
    {
      aiopool_pool_set_grace_period (pool, GRACE_SECONDS);
      aiopool_executor_shutdown (AIOPOOL_EXECUTOR (pool), AIOPOOL_SHUTDOWN_TERMINATE, NULL, NULL);
    }

  _exit (128 + number);
}

void
cli_signals_start (void)
{
  sigset_t *signals = g_new0 (sigset_t, 1);
  gsize i = 0;

  /* A write to a closed pipe is an error, not the end. */
  signal (SIGPIPE, SIG_IGN);

  sigemptyset (signals);
  for (i = 0; i < G_N_ELEMENTS (watched); i++)
    {
      struct sigaction action;

      /* nohup and background jobs of scripts ignore some: so do we. */
      if (sigaction (watched[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
        sigaddset (signals, watched[i]);
    }

  pthread_sigmask (SIG_BLOCK, signals, NULL);
  g_thread_unref (g_thread_new ("signals", wait_for_signal, signals));
}

void
cli_signals_set_pool (AiopoolPool *pool)
{
  g_mutex_lock (&lock);
  g_set_object (&current_pool, pool);
  g_mutex_unlock (&lock);
}

void
cli_signals_check (void)
{
  while (g_atomic_int_get (&is_ending))
    pause ();
}
