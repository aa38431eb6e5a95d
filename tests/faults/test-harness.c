/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/faults/fault.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* The rows of the matrix are worth what sees them fail: here it sees rows that do. */

static void
pass (void)
{
  g_autoptr (AiopoolExecutor) pool = fault_pool (2);

  helper_run_echo (pool, 1);
  helper_shutdown (pool, AIOPOOL_SHUTDOWN_DRAIN);
}

static void
hang_here (void)
{
  for (;;)
    pause ();
}

static void
hang_in_a_worker (void)
{
  g_autoptr (AiopoolExecutor) pool = fault_pool (1);

  g_variant_unref (helper_run (pool, "nap", "(d)", 1000.0));
}

static void
skip (void)
{
  fault_skip ("for %s", "no reason");
}

static void
crash (void)
{
  raise (SIGKILL);
}

static void
leave_descriptor (void)
{
  g_assert_cmpint (dup (2), >=, 0);
}

static void
leave_memory (void)
{
  int fd = memfd_create ("left", MFD_CLOEXEC);

  g_assert_cmpint (ftruncate (fd, 4096), ==, 0);
  g_assert_true (mmap (NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) != MAP_FAILED);
  close (fd);
}

static gpointer
stay (gpointer data)
{
  hang_here ();
  return NULL;
}

static void
leave_thread (void)
{
  g_thread_unref (g_thread_new ("left", stay, NULL));
}

/* Seen by a sanitizer or valgrind; without these it ends in another way. */
static void
leak (void)
{
  g_autoptr (GPtrArray) pieces = g_ptr_array_new ();

  if (!helper_is_valgrind () && (g_getenv ("AIOPOOL_TEST_SANITIZED") == NULL ||
                                strstr (g_getenv ("AIOPOOL_TEST_SANITIZED"), "address") == NULL))
    abort ();
  for (guint i = 0; i < 100; i++)
    g_ptr_array_add (pieces, g_malloc (1000));
}

static void
leave_zombie (void)
{
  if (fork () == 0)
    _exit (0);
}

static void
leave_worker (void)
{
  AiopoolExecutor *pool = fault_pool (1);

  helper_run_echo (pool, 1);
}

static void
leave_orphan (void)
{
  if (fork () == 0)
    hang_here ();
}

/* A child that this process does not see any more. */
static void
leave_grandchild (void)
{
  pid_t pid = fork ();

  if (pid == 0)
    {
      if (fork () == 0)
        hang_here ();
      _exit (0);
    }
  waitpid (pid, NULL, 0);
}

typedef struct
{
  FaultRow     row;
  FaultVerdict verdict;
  const char  *part;    /* (nullable): of the report */
} Case;

#define CASE(name) "/faults/harness/" name

static const Case cases[] = {
  { { CASE ("a-good-row-passes"), pass, FAULT_POOL, 0 }, FAULT_PASSED, NULL },
  { { CASE ("a-row-is-skipped"), skip, FAULT_POOL, 0 }, FAULT_SKIPPED, NULL },
  { { CASE ("a-crash"), crash, FAULT_POOL, 0 }, FAULT_FAILED, NULL },
  { { CASE ("a-hang"), hang_here, FAULT_BARE, 0.2 }, FAULT_TIMED_OUT, "hang_here" },
  { { CASE ("a-hang-in-a-worker"), hang_in_a_worker, FAULT_POOL, 1 }, FAULT_TIMED_OUT,
    "aiopool-guard" },
  { { CASE ("a-descriptor"), leave_descriptor, FAULT_POOL, 0 }, FAULT_FAILED, NULL },
  { { CASE ("shared-memory"), leave_memory, FAULT_POOL, 0 }, FAULT_FAILED, NULL },
  { { CASE ("a-thread"), leave_thread, FAULT_POOL, 0 }, FAULT_FAILED, NULL },
  { { CASE ("a-leak"), leak, FAULT_POOL, 0 }, FAULT_FAILED, NULL },
  { { CASE ("a-zombie"), leave_zombie, FAULT_BARE, 0 }, FAULT_FAILED, NULL },
  { { CASE ("a-worker"), leave_worker, FAULT_POOL, 0 }, FAULT_FAILED, NULL },
  { { CASE ("a-child"), leave_orphan, FAULT_BARE, 0 }, FAULT_FAILED, NULL },
  { { CASE ("a-grandchild"), leave_grandchild, FAULT_BARE, 0 }, FAULT_LEFT_PROCESSES, NULL },
};

static void
test_case (gconstpointer data)
{
  const Case *self = data;
  g_autofree char *path = NULL;
  g_autofree char *why = NULL;
  g_autofree char *report = NULL;
  int fd = g_file_open_tmp ("aiopool-report-XXXXXX", &path, NULL);
  FaultVerdict verdict = fault_try (&self->row, fd, &why);

  close (fd);
  g_assert_true (g_file_get_contents (path, &report, NULL, NULL));
  g_unlink (path);
  g_test_message ("%s", why != NULL ? why : "passed");
  g_assert_cmpint (verdict, ==, self->verdict);
  if (self->part != NULL && !helper_is_valgrind () && strstr (report, self->part) == NULL)
    g_error ("'%s' is not in: %s", self->part, report);
}

int
main (int   argc,
      char *argv[])
{
  fault_begin (&argc, &argv);
  fault_set_patience (0.3);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    g_test_add_data_func (cases[i].row.path, &cases[i], test_case);
  return g_test_run ();
}
