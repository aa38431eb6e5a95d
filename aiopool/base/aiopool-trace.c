/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/base/aiopool-trace-private.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

/* Writes what happens into a file that trace viewers read.
 *
 * Whoever has something to tell leaves a record in a buffer and goes on; a thread of its own, which
 * there is only while there is a trace, makes text of it and writes that, a twentieth of a second
 * later or when the buffer is half full. A disk that is too slow for that loses records, and the
 * trace says how many; it holds up nobody, and the memory has a limit.
 *
 * The end of the file, which closes the JSON, is written with each piece, in the same write, and
 * the next piece is written over it. So the file is complete whenever the program ends, by whatever
 * cause, but for what happened in its last twentieth of a second; an orderly exit writes that too.
 * Where there is no going back, as in a pipe, it is an array without an end, which the format
 * allows.
 *
 * Two locks: that of the buffer, which is taken last of all and is held for the copy of a record,
 * and that of the file, which is held while text is made and written. */

#define N_RECORDS   32768
#define PAUSE_USEC  (G_USEC_PER_SEC / 20)
#define PIECE_BYTES (64 * 1024)
#define FILE_MODE   0666

static const char file_begin[] = "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n";
static const char file_end[] = "\n]}\n";
static const char stream_begin[] = "[\n";

typedef enum
{
  TRACE_TO_FILE = 1 << 0,
  TRACE_TO_MARKS = 1 << 1
} TraceState;

int aiopool_trace_state;

static GMutex buffer_lock;            /* guards what follows */
static GCond has_news;
static AiopoolTraceRecord *records;   /* (owned) (nullable): N_RECORDS */
static guint n_records;
static guint n_lost;

static GMutex file_lock;              /* guards what follows */
static AiopoolTraceRecord *spare;     /* (owned) (nullable): to swap the buffer with */
static AiopoolTraceText *text;        /* (owned) (nullable) */
static int fd = -1;                   /* (owned) */
static gboolean can_go_back;
static off_t end;                     /* of the events in the file */
static int failure;                   /* errno of a write that ended the trace, until it is told */
static int owner_pid;                 /* atomic: a fork owns nothing; set once */

/* @path with "%p" as @pid and "%%" as a percent sign. */
char *
aiopool_trace_expand (const char *path,
                      int         pid)
{
  GString *expanded = g_string_new (NULL);

  for (; *path != '\0'; path++)
    {
      if (path[0] == '%' && path[1] == 'p')
        g_string_append_printf (expanded, "%d", pid);
      else
        g_string_append_c (expanded, *path);
      if (path[0] == '%' && (path[1] == 'p' || path[1] == '%'))
        path++;
    }
  return g_string_free (expanded, FALSE);
}

/* Whether processes that this one starts may have the variable: each would write a file of its
 * own. */
gboolean
aiopool_trace_is_for_children (const char *value)
{
  for (; *value != '\0'; value++)
    {
      if (value[0] == '%' && value[1] == 'p')
        return TRUE;
      if (value[0] == '%' && value[1] == '%')
        value++;
    }
  return FALSE;
}

/* What a thread held at the time of a fork stays locked there. */
static gboolean
is_forked (void)
{
  int pid = g_atomic_int_get (&owner_pid);

  return pid != 0 && pid != getpid ();
}

/* --- the file, under its lock ----------------------------------------------------------------- */

static ssize_t
write_some (const char *bytes,
            gsize       length,
            off_t       offset)
{
  return can_go_back ? pwrite (fd, bytes, length, offset) : write (fd, bytes, length);
}

/* A reader that has gone, or a limit on the size of files, is an error and no signal. */
static ssize_t
write_unsignalled (const char *bytes,
                   gsize       length,
                   off_t       offset)
{
  const struct timespec at_once = { 0, 0 };
  sigset_t signals, old, pending;
  ssize_t n;
  int saved_errno;

  sigemptyset (&signals);
  sigaddset (&signals, SIGPIPE);
  sigaddset (&signals, SIGXFSZ);
  sigpending (&pending);
  pthread_sigmask (SIG_BLOCK, &signals, &old);
  n = write_some (bytes, length, offset);
  saved_errno = errno;
  if (n < 0 && !sigismember (&pending, saved_errno == EPIPE ? SIGPIPE : SIGXFSZ))
    sigtimedwait (&signals, NULL, &at_once);
  pthread_sigmask (SIG_SETMASK, &old, NULL);
  errno = saved_errno;
  return n;
}

static gboolean
write_bytes (const char *bytes,
             gsize       length,
             off_t       offset)
{
  while (length > 0)
    {
      ssize_t n = write_unsignalled (bytes, length, offset);

      if (n < 0 && errno != EINTR)
        return FALSE;
      n = MAX (n, 0);
      bytes += n;
      length -= (gsize) n;
      offset += n;
    }
  return TRUE;
}

static void
close_file (void)
{
  g_atomic_int_and ((guint *) &aiopool_trace_state, ~(guint) TRACE_TO_FILE);
  if (fd >= 0)
    close (fd);
  fd = -1;
  g_clear_pointer (&text, aiopool_trace_text_free);
}

/* Leaves @json empty. */
static void
write_piece (GString *json)
{
  gsize length = json->len;

  if (fd < 0 || length == 0)
    {
      g_string_truncate (json, 0);
      return;
    }
  if (can_go_back)
    g_string_append (json, file_end);
  if (write_bytes (json->str, json->len, end))
    end += (off_t) length;
  else
    {
      failure = errno;
      close_file ();
    }
  g_string_truncate (json, 0);
}

static gboolean
begin_file (GError **error)
{
  g_autoptr (GString) json = g_string_new (NULL);
  int saved_errno;

  can_go_back = lseek (fd, 0, SEEK_CUR) >= 0;
  end = 0;
  g_string_append (json, can_go_back ? file_begin : stream_begin);
  text = aiopool_trace_text_new (owner_pid, g_get_prgname ());
  aiopool_trace_text_begin (text, json);
  end = (off_t) json->len;
  if (can_go_back)
    g_string_append (json, file_end);
  if (write_bytes (json->str, json->len, 0))
    return TRUE;
  saved_errno = errno;
  g_set_error (error, G_IO_ERROR, g_io_error_from_errno (saved_errno), "Cannot write a trace: %s",
               g_strerror (saved_errno));
  close_file ();
  return FALSE;
}

static void
write_records (guint n,
               guint n_missing)
{
  g_autoptr (GString) json = g_string_sized_new (PIECE_BYTES + 4096);
  int state = g_atomic_int_get (&aiopool_trace_state);

  for (guint i = 0; i < n; i++)
    {
      AiopoolTraceRecord *record = &spare[i];

      if (text != NULL)
        aiopool_trace_text_append (text, json, record);
      if ((state & TRACE_TO_MARKS) != 0)
        aiopool_trace_marks_add (record);
      g_free (record->text);
      g_free (record->reason);
      if (json->len >= PIECE_BYTES)
        write_piece (json);
    }
  if (n_missing > 0 && text != NULL)
    aiopool_trace_text_lost (text, json, n_missing, g_get_monotonic_time ());
  write_piece (json);
}

/* Writes what has been told until now. */
static void
flush_locked (void)
{
  AiopoolTraceRecord *full;
  guint n, n_missing;

  g_mutex_lock (&buffer_lock);
  full = records;
  records = spare;
  spare = full;
  n = n_records;
  n_missing = n_lost;
  n_records = n_lost = 0;
  g_mutex_unlock (&buffer_lock);
  write_records (n, n_missing);
}

/* Who handles the message may do anything. */
static void
unlock_and_complain (void)
{
  int error = failure;

  failure = 0;
  g_mutex_unlock (&file_lock);
  if (error != 0)
    g_warning ("The trace ends here, for it cannot be written: %s", g_strerror (error));
}

static void
flush (void)
{
  g_mutex_lock (&file_lock);
  flush_locked ();
  unlock_and_complain ();
}

/* --- the buffer ------------------------------------------------------------------------------- */

/* Takes what @record owns. */
void
aiopool_trace_push (AiopoolTraceRecord *record)
{
  gboolean is_lost;

  g_mutex_lock (&buffer_lock);
  is_lost = records == NULL || n_records == N_RECORDS;
  if (!is_lost)
    records[n_records++] = *record;
  else
    n_lost++;
  if (n_records == 1 || n_records == N_RECORDS / 2)
    g_cond_signal (&has_news);
  g_mutex_unlock (&buffer_lock);
  if (!is_lost)
    return;
  g_free (record->text);
  g_free (record->reason);
}

static gpointer
run_thread (gpointer unused)
{
  while (TRUE)
    {
      gint64 until;

      g_mutex_lock (&buffer_lock);
      while (n_records == 0)
        g_cond_wait (&has_news, &buffer_lock);
      until = g_get_monotonic_time () + PAUSE_USEC;
      while (n_records < N_RECORDS / 2 && g_cond_wait_until (&has_news, &buffer_lock, until))
        ;
      g_mutex_unlock (&buffer_lock);
      flush ();
    }
  return NULL;
}

static void
on_process_exit (void)
{
  if (!is_forked () && g_atomic_int_get (&aiopool_trace_state) != 0)
    flush ();
}

/* Once; the thread stays, asleep, when there is no trace any more. Under the lock of the file. */
static void
start_thread (void)
{
  if (spare != NULL)
    return;
  spare = g_new (AiopoolTraceRecord, N_RECORDS);
  g_atomic_int_set (&owner_pid, getpid ());
  g_mutex_lock (&buffer_lock);
  records = g_new (AiopoolTraceRecord, N_RECORDS);
  g_mutex_unlock (&buffer_lock);
  g_thread_unref (g_thread_new ("aiopool-trace", run_thread, NULL));
  atexit (on_process_exit);
}

/* --- on and off ------------------------------------------------------------------------------- */

static gboolean
start_locked (const char *path,
              GError    **error)
{
  g_autofree char *expanded = aiopool_trace_expand (path, getpid ());
  int saved_errno;

  if (fd >= 0)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_BUSY, "There is a trace already");
      return FALSE;
    }
  fd = g_open (expanded, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, FILE_MODE);
  saved_errno = errno;
  if (fd < 0)
    {
      g_set_error (error, G_IO_ERROR, g_io_error_from_errno (saved_errno),
                   "Cannot open '%s' for a trace: %s", expanded, g_strerror (saved_errno));
      return FALSE;
    }
  start_thread ();
  if (!begin_file (error))
    return FALSE;
  g_atomic_int_or ((guint *) &aiopool_trace_state, TRACE_TO_FILE);
  return TRUE;
}

/**
 * aiopool_trace_start:
 * @path: (type filename): a file; what it held is gone
 * @error: return location for an error
 *
 * Begins to write a trace of all pools of this process.
 *
 * It is in the trace event format of Chrome, which [Perfetto](https://ui.perfetto.dev) and other
 * viewers open; the program `aiopool trace` makes a table or a picture of it. In the name of the
 * file, `%p` becomes the number of the process and `%%` a percent sign.
 *
 * The environment variable `AIOPOOL_TRACE`, with the name of a file, does the same from the first
 * pool on. A trace holds each task once it has ended. It is written by a thread of its own, about
 * 50 milliseconds later; nobody waits for it, and what finds no room in its buffer is left out and
 * counted there. It ends with [func@Aiopool.trace_stop], or with the process.
 *
 * Fails with %G_IO_ERROR_BUSY if there is a trace already, with %G_IO_ERROR_NOT_SUPPORTED in a
 * process that was forked from one with a trace, and with another error of GIO if the file cannot
 * be opened or written.
 *
 * Returns: whether there is a trace now
 *
 * Since: 0.1
 */
gboolean
aiopool_trace_start (const char  *path,
                     GError     **error)
{
  gboolean is_on;

  g_return_val_if_fail (path != NULL, FALSE);

  if (is_forked ())
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                           "There are no traces after a fork");
      return FALSE;
    }
  g_mutex_lock (&file_lock);
  is_on = start_locked (path, error);
  g_mutex_unlock (&file_lock);
  return is_on;
}

/**
 * aiopool_trace_stop:
 *
 * Ends a trace, whoever began it.
 *
 * What has happened until now is in the file when this returns. Does nothing if there is no trace.
 *
 * Since: 0.1
 */
void
aiopool_trace_stop (void)
{
  if (is_forked ())
    return;
  g_mutex_lock (&file_lock);
  if (fd >= 0)
    {
      flush_locked ();
      close_file ();
    }
  unlock_and_complain ();
}

static void
start_marks (void)
{
  if (!aiopool_trace_marks_are_wanted ())
    return;
  g_mutex_lock (&file_lock);
  start_thread ();
  g_mutex_unlock (&file_lock);
  g_atomic_int_or ((guint *) &aiopool_trace_state, TRACE_TO_MARKS);
}

/* By each pool; the first one looks. A program with more rights than its user writes no file that
 * the environment names. */
void
aiopool_trace_check_environment (void)
{
  static gsize once;
  const char *path = NULL;
  g_autoptr (GError) error = NULL;

  if (g_once_init_enter (&once))
    {
      path = secure_getenv (AIOPOOL_TRACE_VARIABLE);
      if (path != NULL && *path != '\0')
        aiopool_trace_start (path, &error);
      start_marks ();
      g_once_init_leave (&once, 1);
    }
  if (error != NULL && !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_BUSY))
    g_warning (AIOPOOL_TRACE_VARIABLE ": %s", error->message); /* whose handler may make a pool */
}
