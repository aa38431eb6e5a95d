/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tests/base/engine-bell.h"

void
bell_init (Bell *bell)
{
  g_mutex_init (&bell->lock);
  g_cond_init (&bell->said);
  bell->n_said = 0;
}

void
bell_clear (Bell *bell)
{
  g_mutex_clear (&bell->lock);
  g_cond_clear (&bell->said);
}

/* An AiopoolEngineFunc. */
void
ring (gpointer data)
{
  Bell *bell = data;

  g_mutex_lock (&bell->lock);
  bell->n_said++;
  g_cond_broadcast (&bell->said);
  g_mutex_unlock (&bell->lock);
}

/* Until it has rung @n times in all. */
void
wait_for_rings (Bell  *bell,
                guint  n)
{
  g_mutex_lock (&bell->lock);
  while (bell->n_said < n)
    g_cond_wait (&bell->said, &bell->lock);
  g_mutex_unlock (&bell->lock);
}

void
start_engine (void)
{
  g_autoptr (GError) error = NULL;
  gboolean ok = aiopool_engine_start (&error);

  g_assert_no_error (error);
  g_assert_true (ok);
}

/* Runs @func on the engine thread and waits for it. */
void
run_there (AiopoolEngineFunc func,
           gpointer          data)
{
  Bell bell;

  bell_init (&bell);
  aiopool_engine_post (func, data);
  aiopool_engine_post (ring, &bell);
  wait_for_rings (&bell, 1);
  bell_clear (&bell);
}

void
do_nothing (gpointer data)
{
}

/* Until the engine has looked at all that is ready now: a post and the watches are seen in one
 * round, in either order, so after the second post each of them had its turn. */
void
wait_some_rounds (void)
{
  for (int i = 0; i < 3; i++)
    run_there (do_nothing, NULL);
}
