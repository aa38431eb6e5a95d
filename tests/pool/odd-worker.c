/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/pool/helper.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Programs that are no good as workers, and one that is, by the first argument. The protocol is
 * spoken by hand: data is descriptor 3. */

#define DATA_FD  3
#define HELLO    16
#define VARIABLE "AIOPOOL_WORKER"

static void
send_hello (guint32 version)
{
  const char *value = g_getenv (VARIABLE);
  guint8 frame[32] = { 16, 0, 0, 0, HELLO };
  gint32 pid = getpid ();
  guint64 nonce = g_ascii_strtoull (strchr (value, ':') + 1, NULL, 16);

  memcpy (frame + 16, &version, 4);
  memcpy (frame + 20, &pid, 4);
  memcpy (frame + 24, &nonce, 8);
  if (write (DATA_FD, frame, sizeof frame) != sizeof frame)
    exit (9);
}

static void
wait_for_ever (void)
{
  for (;;)
    pause ();
}

static void
say_garbage (void)
{
  char text[4096];

  memset (text, 'x', sizeof text);
  while (write (DATA_FD, text, sizeof text) > 0)
    ;
  wait_for_ever ();
}

/* A good worker; with @flag the first one to take that file away is a bad one. */
static int
serve (const char *flag)
{
  g_autoptr (AiopoolService) service = aiopool_service_new ();

  if (flag != NULL && unlink (flag) == 0)
    return 5;
  helper_register (service, NULL);
  return aiopool_service_run (service, NULL) ? 0 : 1;
}

/* A program that uses a pool of itself and forgot to enter the service. Tells what it got. */
static int
use_pool (FILE *output)
{
  g_autoptr (AiopoolExecutor) pool = AIOPOOL_EXECUTOR (aiopool_pool_new (2));
  g_autoptr (AiopoolTask) task = helper_task ("echo", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) result = aiopool_executor_run (pool, task, NULL, &error);

  if (error != NULL)
    fprintf (output, "%s %d\n", g_quark_to_string (error->domain), error->code);
  aiopool_executor_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN, NULL, NULL);
  return result == NULL ? 3 : 0;
}

/* That of what the pool has started, which in a sandbox is not that of the worker. */
static int
run_for_worker_pid (AiopoolExecutor *pool)
{
  g_autoptr (AiopoolFuture) future = helper_submit (pool, "echo", NULL);

  helper_wait (future);
  return aiopool_future_get_worker_pid (future);
}

/* A program that is killed while its worker is busy; tells its worker's process id. */
static int
be_a_parent (const char    *function,
             AiopoolSandbox sandbox)
{
  char *argv[] = { (char *) "/proc/self/exe", (char *) "serve", NULL };
  g_autoptr (AiopoolLauncher) launcher = NULL;
  g_autoptr (AiopoolExecutor) pool = NULL;
  g_autoptr (AiopoolFuture) future = NULL;

  argv[0] = g_file_read_link (argv[0], NULL);
  launcher = aiopool_launcher_new_for_argv ((const char * const *) argv);
  aiopool_launcher_set_sandbox (launcher, sandbox);
  pool = AIOPOOL_EXECUTOR (aiopool_pool_new_with_launcher (1, launcher));
  if (g_str_equal (function, "start"))
    {
      future = helper_submit (pool, "echo", NULL);
      printf ("0\nready\n");
      fflush (stdout);
      wait_for_ever ();
    }
  printf ("%d\n", run_for_worker_pid (pool));
  future = g_str_equal (function, "stop") ? helper_submit (pool, "crash", "(i)", SIGSTOP)
                                          : helper_submit (pool, function, "(d)", 1000.0);
  while (!g_str_equal (function, "echo") &&
         aiopool_future_get_state (future) != AIOPOOL_FUTURE_RUNNING)
    g_usleep (1000);
  printf ("ready\n");
  fflush (stdout);
  wait_for_ever ();
  return 0;
}

static int
behave (const char *mode,
        const char *argument)
{
  if (g_str_equal (mode, "exit"))
    return atoi (argument);
  if (g_str_equal (mode, "complain"))
    {
      fprintf (stderr, "first line\nsecond line\n");
      return 1;
    }
  if (g_str_equal (mode, "kill"))
    raise (atoi (argument));
  else if (g_str_equal (mode, "hello"))
    send_hello ((guint32) atoi (argument));
  else if (g_str_equal (mode, "hello-and-exit"))
    {
      send_hello (1);
      return 0;
    }
  else if (g_str_equal (mode, "garbage"))
    say_garbage ();
  else if (g_str_equal (mode, "close"))
    close (DATA_FD);
  else if (g_str_equal (mode, "serve"))
    return serve (argument);
  else if (g_str_equal (mode, "parent"))
    return be_a_parent (argument, AIOPOOL_SANDBOX_NONE);
  else if (g_str_equal (mode, "sandbox-parent"))
    return be_a_parent (argument, AIOPOOL_SANDBOX_REQUIRE);
  wait_for_ever ();
  return 0;
}

/* It is called by the name of another program, to be found in its place. */
static gboolean
is_in_disguise (const char *name)
{
  return g_str_has_suffix (name, "bwrap");
}

int
main (int   argc,
      char *argv[])
{
  if (is_in_disguise (argv[0]))
    return behave (g_getenv ("ODD_WRAPPER"), "1");
  if (argc < 2)
    return use_pool (stdout);
  if (g_str_equal (argv[1], "forget"))
    return use_pool (stderr);
  return behave (argv[1], argc > 2 ? argv[2] : NULL);
}
