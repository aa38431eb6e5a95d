/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/pool/helper.h"

#include <string.h>

/* Pools with a sandbox, and tests that need one, or need memory to be limited. */

#if defined (__SANITIZE_ADDRESS__) || defined (__SANITIZE_THREAD__)
#define IS_SANITIZED TRUE
#elif defined (__has_feature)
#if __has_feature (address_sanitizer) || __has_feature (thread_sanitizer)
#define IS_SANITIZED TRUE
#endif
#endif
#ifndef IS_SANITIZED
#define IS_SANITIZED FALSE
#endif

/* Of this program. */
AiopoolLauncher *
helper_sandbox_launcher (void)
{
  AiopoolLauncher *launcher = aiopool_launcher_new ();

  aiopool_launcher_set_sandbox (launcher, AIOPOOL_SANDBOX_REQUIRE);
  return launcher;
}

AiopoolExecutor *
helper_sandbox_pool (guint max_workers)
{
  g_autoptr (AiopoolLauncher) launcher = helper_sandbox_launcher ();

  return helper_launcher_pool (max_workers, launcher);
}

/* Whether the system has one: it is not the library that is asked. */
gboolean
helper_has_sandbox (void)
{
  static const char * const argv[] = {
    "bwrap", "--unshare-user", "--unshare-pid", "--unshare-net", "--ro-bind", "/", "/", "--proc",
    "/proc", "bwrap", "--version", NULL
  };
  g_autoptr (GSubprocess) process =
    g_subprocess_newv (argv, G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_SILENCE,
                       NULL);

  return process != NULL && g_subprocess_wait_check (process, NULL, NULL);
}

static void
run_or_skip (gconstpointer data)
{
  GTestFunc function = (GTestFunc) data;

  if (helper_has_sandbox ())
    function ();
  else
    g_test_skip ("bubblewrap is not there, or not permitted to make namespaces");
}

/* @path, @function: static. */
void
helper_add_sandboxed (const char *path,
                      GTestFunc   function)
{
  helper_add_data (path, run_or_skip, (gconstpointer) function);
}

gboolean
helper_is_valgrind (void)
{
  const char *preloaded = g_getenv ("LD_PRELOAD");

  return preloaded != NULL && strstr (preloaded, "vgpreload") != NULL;
}

/* FALSE if the test is skipped. Valgrind keeps some descriptors for itself, tells of other limits
 * for that, and knows nothing of pidfds. */
gboolean
helper_can_trust_descriptors (void)
{
  if (helper_is_valgrind ())
    g_test_skip ("valgrind has descriptors of its own");
  return !helper_is_valgrind ();
}

/* FALSE if the test is skipped. Sanitizers and valgrind take more of the address space than there
 * is memory in the machine. */
gboolean
helper_can_limit_memory (void)
{
  if (IS_SANITIZED)
    g_test_skip ("a sanitizer needs terabytes of address space");
  else if (helper_is_valgrind ())
    g_test_skip ("valgrind has an address space of its own");
  else
    return TRUE;
  return FALSE;
}
