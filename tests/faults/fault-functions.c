/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/faults/fault.h"

#include "tests/faults/fault-private.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* What the workers of these rows can do beyond those of tests/pool. */

static GVariant *
unit (void)
{
  return g_variant_new_tuple (NULL, 0);
}

static void
die (int number)
{
  const struct rlimit none = { 0, 0 };

  setrlimit (RLIMIT_CORE, &none);
  signal (number, SIG_DFL);
  raise (number);
}

/* (text): says it on standard error and reads memory that is not there. */
static GVariant *
segfault (AiopoolCall *call,
          GVariant    *arguments,
          gpointer     user_data,
          GError     **error)
{
  const struct rlimit none = { 0, 0 };
  const char *text;
  volatile char *page = mmap (NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  g_variant_get (arguments, "(&s)", &text);
  setrlimit (RLIMIT_CORE, &none);
  signal (SIGSEGV, SIG_DFL);
  g_printerr ("%s", text);
  *page = 1;
  return unit ();
}

/* (signal or 0): dies before its result is whole; 0 exits. */
static GVariant *
die_in_result (AiopoolCall *call,
               GVariant    *arguments,
               gpointer     user_data,
               GError     **error)
{
  guint8 *buffer = aiopool_call_new_buffer (call, 1 << 20);
  int number;

  g_variant_get (arguments, "(i)", &number);
  memset (buffer, 1, 1 << 19);
  if (number == 0)
    _exit (0);
  die (number);
  return unit ();
}

/* (path, number, seconds): notes that it ran, and goes on for a while. */
static GVariant *
mark_slowly (AiopoolCall *call,
             GVariant    *arguments,
             gpointer     user_data,
             GError     **error)
{
  const char *path;
  guint number;
  double seconds;
  gboolean ok;
  int fd;

  g_variant_get (arguments, "(&sud)", &path, &number, &seconds);
  fd = open (path, O_WRONLY | O_APPEND | O_CLOEXEC);
  ok = fd >= 0 && write (fd, &number, sizeof number) == sizeof number;
  close (fd);
  g_usleep ((gulong) (seconds * G_USEC_PER_SEC));
  return g_variant_new_boolean (ok);
}

static void
die_of_data (gpointer data)
{
  g_free (data);
  die (SIGKILL);
}

/* Dies when its result is dropped, after it was taken. */
static GVariant *
die_after_result (AiopoolCall *call,
                  GVariant    *arguments,
                  gpointer     user_data,
                  GError     **error)
{
  guint8 *data = g_malloc0 (1000);

  return g_variant_new_from_data (G_VARIANT_TYPE_BYTESTRING, data, 1000, TRUE, die_of_data, data);
}

/* (size, touched, signal): a large result of which so much is written when it dies. */
static GVariant *
die_in_large_result (AiopoolCall *call,
                     GVariant    *arguments,
                     gpointer     user_data,
                     GError     **error)
{
  guint64 size, touched;
  guint8 *buffer;
  int number;

  g_variant_get (arguments, "(tti)", &size, &touched, &number);
  buffer = aiopool_call_new_buffer (call, size);
  memset (buffer, 1, touched);
  die (number);
  return unit ();
}

/* (size): so many bytes, of which only the first and the last are written. */
static GVariant *
make_sparse (AiopoolCall *call,
             GVariant    *arguments,
             gpointer     user_data,
             GError     **error)
{
  guint64 size;
  guint8 *buffer;

  g_variant_get (arguments, "(t)", &size);
  buffer = aiopool_call_new_buffer (call, size);
  buffer[0] = 1;
  buffer[size - 1] = 2;
  aiopool_call_return_buffer (call, buffer, size, AIOPOOL_FORMAT_RAW, NULL);
  return NULL;
}

/* (descriptor, bytes): how many of them it could write. */
static GVariant *
write_much (AiopoolCall *call,
            GVariant    *arguments,
            gpointer     user_data,
            GError     **error)
{
  g_autofree char *text = NULL;
  guint written = 0;
  guint n;
  int fd;

  g_variant_get (arguments, "(iu)", &fd, &n);
  text = g_strnfill (1000, 'x');
  text[999] = '\n';
  while (written < n)
    {
      gssize m = write (fd, text, MIN (1000, n - written));

      if (m < 0)
        break;
      written += (guint) m;
    }
  return g_variant_new_int32 ((gint32) written);
}

/* (first, last) */
static GVariant *
close_some (AiopoolCall *call,
            GVariant    *arguments,
            gpointer     user_data,
            GError     **error)
{
  guint first, last;

  g_variant_get (arguments, "(uu)", &first, &last);
  close_range (first, last, 0);
  return unit ();
}

static void G_GNUC_NORETURN
hold (const char *path,
      gboolean    in_session)
{
  g_autofree char *text = g_strdup_printf ("%d", (int) getpid ());

  if (in_session)
    setsid ();
  g_file_set_contents (path, text, -1, NULL);
  for (;;)
    pause ();
}

/* (path, in its own session, signal or 0): leaves a child that holds all descriptors. Its number
 * is in the file before this ends. */
static GVariant *
leave_holder (AiopoolCall *call,
              GVariant    *arguments,
              gpointer     user_data,
              GError     **error)
{
  gboolean in_session;
  const char *path;
  int number;

  g_variant_get (arguments, "(&sbi)", &path, &in_session, &number);
  if (fork () == 0)
    hold (path, in_session);
  while (!g_file_test (path, G_FILE_TEST_EXISTS))
    g_usleep (500);
  if (number != 0)
    die (number);
  return unit ();
}

static gpointer
stay (gpointer data)
{
  for (;;)
    pause ();
  return NULL;
}

static GVariant *
leave_thread (AiopoolCall *call,
              GVariant    *arguments,
              gpointer     user_data,
              GError     **error)
{
  g_thread_unref (g_thread_new ("left", stay, NULL));
  return unit ();
}

/* Changes what the whole process has: its directory, its file mode mask and a variable. */
static GVariant *
change_process (AiopoolCall *call,
                GVariant    *arguments,
                gpointer     user_data,
                GError     **error)
{
  const char *directory;

  g_variant_get (arguments, "(&s)", &directory);
  umask (0123);
  g_setenv ("AIOPOOL_FAULT_CHANGED", "1", TRUE);
  return g_variant_new_boolean (chdir (directory) == 0);
}

/* What change_process() changed: (sub). */
static GVariant *
describe_process (AiopoolCall *call,
                  GVariant    *arguments,
                  gpointer     user_data,
                  GError     **error)
{
  g_autofree char *directory = g_get_current_dir ();
  mode_t mask = umask (0);

  umask (mask);
  return g_variant_new ("(sub)", directory, (guint) mask,
                        g_getenv ("AIOPOOL_FAULT_CHANGED") != NULL);
}

/* (field): a line of /proc/self/status, or of another file of this process that begins with "/". */
static GVariant *
read_status (AiopoolCall *call,
             GVariant    *arguments,
             gpointer     user_data,
             GError     **error)
{
  g_autofree char *text = NULL;
  const char *field, *at, *end;

  g_variant_get (arguments, "(&s)", &field);
  if (*field == '/')
    return g_file_get_contents (field, &text, NULL, error) ? g_variant_new_string (text) : NULL;
  g_file_get_contents ("/proc/self/status", &text, NULL, NULL);
  at = text != NULL ? strstr (text, field) : NULL;
  if (at == NULL)
    return g_variant_new_string ("");
  at += strlen (field);
  end = strchr (at, '\n');
  return g_variant_new_take_string (g_strstrip (g_strndup (at, (gsize) (end - at))));
}

/* (bytes): touches so much memory of its own. */
static GVariant *
use_memory (AiopoolCall *call,
            GVariant    *arguments,
            gpointer     user_data,
            GError     **error)
{
  guint64 size;
  guint8 *memory;

  g_variant_get (arguments, "(t)", &size);
  memory = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    return g_variant_new_boolean (FALSE);
  memset (memory, 1, size);
  munmap (memory, size);
  return g_variant_new_boolean (TRUE);
}

/* (seed): random bytes to every descriptor that can be written, and over what they map. */
static GVariant *
scribble (AiopoolCall *call,
          GVariant    *arguments,
          gpointer     user_data,
          GError     **error)
{
  g_autofree guint8 *bytes = g_malloc (64 * 1024);
  g_autoptr (GRand) rand = NULL;
  guint seed;

  g_variant_get (arguments, "(u)", &seed);
  rand = g_rand_new_with_seed (seed);
  for (guint i = 0; i < 64 * 1024; i++)
    bytes[i] = (guint8) g_rand_int (rand);
  for (int fd = 3; fd < 64; fd++)
    {
      fcntl (fd, F_SETFL, O_NONBLOCK);
      if (pwrite (fd, bytes, 64 * 1024, 0) < 0 && write (fd, bytes, 64 * 1024) < 0)
        errno = 0;
    }
  for (;;)
    pause ();
  return unit ();
}

void
fault_register (AiopoolService *service,
                gpointer        user_data)
{
  static const struct { const char *name; AiopoolFunction function; } functions[] = {
    { "segfault", segfault }, { "mark-slowly", mark_slowly }, { "die-in-result", die_in_result },
    { "die-after-result", die_after_result }, { "die-in-large-result", die_in_large_result },
    { "make-sparse", make_sparse }, { "write-much", write_much }, { "close-some", close_some },
    { "leave-holder", leave_holder }, { "leave-thread", leave_thread },
    { "change-process", change_process }, { "describe-process", describe_process },
    { "read-status", read_status }, { "use-memory", use_memory }, { "scribble", scribble },
  };

  fault_catch_stack_signal ();
  helper_register (service, user_data);
  for (guint i = 0; i < G_N_ELEMENTS (functions); i++)
    aiopool_service_add (service, functions[i].name, functions[i].function, NULL, NULL);
}
