/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "aiopool/cli/aiopool-cli-joblog-private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gio/gio.h>
#include <glib/gstdio.h>

#include "aiopool/cli/aiopool-cli-private.h"

/* The job log.
 *
 * Each line goes to the file by one write(), so that a program that is killed leaves whole lines,
 * but for the last at worst: one that has no newline at its end is cut off when the log is read,
 * and its item is taken for one that has not ended.
 *
 * Of a log that is read only numbers and places are kept; a command is read again when its item
 * comes, to be compared. The last line of an item counts. */

#define N_COLUMNS 9
#define COLUMN_EXIT 6
#define COLUMN_SIGNAL 7
#define COLUMN_COMMAND 8

static const char header[] =
  "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n";

typedef struct
{
  guint64  number;
  goffset  start;      /* of the command */
  gsize    length;
  gboolean is_failed;
} Entry;

struct _CliJoblog
{
  char         *shown;    /* (owned) its name */
  int           fd;       /* (owned) */
  CliJoblogMode mode;
  GHashTable   *entries;  /* (owned) guint64 in Entry -> Entry (owned) */
};

gboolean
cli_outcome_is_ok (const CliOutcome *outcome)
{
  return outcome->exit_value == 0 && outcome->signal_number == 0;
}

static gboolean
set_errno_error (CliJoblog  *self,
                 const char *what,
                 int         error_number,
                 GError    **error)
{
  g_set_error (error, G_IO_ERROR, g_io_error_from_errno (error_number), "cannot %s '%s': %s", what,
               self->shown, g_strerror (error_number));
  return FALSE;
}

/* --- reading ---------------------------------------------------------------------------------- */

static gboolean
parse_int (const char *text,
           gint64     *value)
{
  return g_ascii_string_to_signed (text, 10, G_MININT, G_MAXINT, value, NULL);
}

/* @line, without its newline, is cut into columns; the command may have tabs of its own. */
static gboolean
parse_line (char  *line,
            gsize  length,
            Entry *entry)
{
  char *columns[N_COLUMNS] = { line };
  char *at = line;
  gint64 exit_value = 0;
  gint64 signal_number = 0;
  gsize i = 0;

  for (i = 1; i < N_COLUMNS; i++)
    {
      at = memchr (at, '\t', length - (at - line));
      if (at == NULL)
        return FALSE;
      *at++ = '\0';
      columns[i] = at;
    }

  if (!g_ascii_string_to_unsigned (columns[0], 10, 1, G_MAXUINT64, &entry->number, NULL) ||
      !parse_int (columns[COLUMN_EXIT], &exit_value) ||
      !parse_int (columns[COLUMN_SIGNAL], &signal_number))
    return FALSE;

  entry->is_failed = exit_value != 0 || signal_number != 0;
  entry->start = columns[COLUMN_COMMAND] - line;
  entry->length = length - (gsize) entry->start;
  return TRUE;
}

static gboolean
take_line (CliJoblog *self,
           char      *line,
           gsize      length,
           goffset    start,
           guint64    n_lines,
           GError   **error)
{
  Entry entry = { 0 };

  if (n_lines == 1)
    {
      if (length == sizeof header - 1 && memcmp (line, header, length) == 0)
        return TRUE;

      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                   "'%s' is no job log: it begins with another line than 'Seq, Host, ...'",
                   self->shown);
      return FALSE;
    }

  if (!parse_line (line, length - 1, &entry))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                   "line %" G_GUINT64_FORMAT " of '%s' is no line of a job log", n_lines,
                   self->shown);
      return FALSE;
    }

  entry.start += start;
  g_hash_table_add (self->entries, g_memdup2 (&entry, sizeof entry));
  return TRUE;
}

/* Whether these bytes, which end without a newline, can be what is left of a line. */
static gboolean
check_torn (CliJoblog  *self,
            const char *bytes,
            gsize       length,
            guint64     n_lines,
            GError    **error)
{
  if (n_lines > 1 || (length < sizeof header && memcmp (bytes, header, length) == 0))
    return TRUE;

  g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "'%s' is no job log", self->shown);
  return FALSE;
}

/* @end: behind the last whole line. */
static gboolean
read_lines (CliJoblog *self,
            FILE      *file,
            goffset   *end,
            GError   **error)
{
  g_autofree char *line = NULL;
  size_t room = 0;
  ssize_t length = 0;
  guint64 n_lines = 0;

  while ((length = getline (&line, &room, file)) > 0)
    {
      n_lines++;
      if (line[length - 1] != '\n')
        return check_torn (self, line, (gsize) length, n_lines, error);

      if (!take_line (self, line, (gsize) length, *end, n_lines, error))
        return FALSE;
      *end += length;
    }

  return ferror (file) == 0 || set_errno_error (self, "read", errno, error);
}

static gboolean
read_entries (CliJoblog *self,
              goffset   *end,
              GError   **error)
{
  int fd = fcntl (self->fd, F_DUPFD_CLOEXEC, 3);
  FILE *file = fd >= 0 ? fdopen (fd, "r") : NULL;
  gboolean is_ok = FALSE;

  if (file == NULL)
    {
      set_errno_error (self, "read", errno, error);
      if (fd >= 0)
        g_close (fd, NULL);
      return FALSE;
    }

  is_ok = read_lines (self, file, end, error);
  fclose (file);
  return is_ok;
}

/* --- writing ---------------------------------------------------------------------------------- */

static gboolean
write_all (CliJoblog  *self,
           const char *bytes,
           gsize       length,
           GError    **error)
{
  while (length > 0)
    {
      gssize n_written = write (self->fd, bytes, length);

      if (n_written < 0 && errno != EINTR)
        return set_errno_error (self, "write", errno, error);

      bytes += MAX (n_written, 0);
      length -= (gsize) MAX (n_written, 0);
    }

  return TRUE;
}

static void
append_seconds (GString *line,
                double   seconds,
                int      width)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];

  g_ascii_formatd (text, sizeof text, "%.3f", seconds);
  g_string_append_printf (line, "%*s\t", width, text);
}

gboolean
cli_joblog_write (CliJoblog        *self,
                  guint64           number,
                  const CliOutcome *outcome,
                  const char       *command,
                  GError          **error)
{
  g_autoptr (GString) line = g_string_new (NULL);

  g_string_append_printf (line, "%" G_GUINT64_FORMAT "\t:\t", number);
  append_seconds (line, outcome->started_at, 0);
  append_seconds (line, outcome->run_time, 10);
  g_string_append_printf (line, "0\t%" G_GUINT64_FORMAT "\t%d\t%d\t", outcome->n_bytes,
                          outcome->exit_value, outcome->signal_number);
  g_string_append (line, command);
  g_string_append_c (line, '\n');
  return write_all (self, line->str, line->len, error);
}

/* --- opening ---------------------------------------------------------------------------------- */

/* Two programs that write to one log would each run what the other has done. */
static gboolean
lock_file (CliJoblog *self,
           GError   **error)
{
  if (flock (self->fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
    return TRUE;

  g_set_error (error, G_IO_ERROR, G_IO_ERROR_BUSY, "'%s' is in use by another aiopool",
               self->shown);
  return FALSE;
}

static gboolean
cut_at (CliJoblog *self,
        goffset    end,
        GError   **error)
{
  struct stat info;

  if (fstat (self->fd, &info) == 0 && S_ISREG (info.st_mode) && info.st_size > end &&
      ftruncate (self->fd, end) != 0)
    return set_errno_error (self, "write", errno, error);

  return end > 0 || write_all (self, header, sizeof header - 1, error);
}

/* What is read again later has to stay, and an end. */
static gboolean
check_regular (CliJoblog *self,
               GError   **error)
{
  struct stat info;

  if (fstat (self->fd, &info) == 0 && S_ISREG (info.st_mode))
    return TRUE;

  g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_REGULAR_FILE,
               "cannot resume from '%s': it is not a regular file", self->shown);
  return FALSE;
}

static gboolean
open_file (CliJoblog  *self,
           const char *path,
           gboolean    is_read_only,
           GError    **error)
{
  int flags = O_RDWR | O_CREAT;

  if (is_read_only)
    flags = O_RDONLY;
  else if (self->mode == CLI_JOBLOG_NEW)
    flags = O_WRONLY | O_CREAT;

  self->fd = g_open (path, flags | O_APPEND | O_CLOEXEC, 0666);
  if (self->fd < 0 && is_read_only && errno == ENOENT)
    return TRUE;

  return self->fd >= 0 || set_errno_error (self, "open", errno, error);
}

CliJoblog *
cli_joblog_open (const char    *path,
                 CliJoblogMode  mode,
                 gboolean       is_read_only,
                 GError       **error)
{
  g_autoptr (CliJoblog) self = g_new0 (CliJoblog, 1);
  goffset end = 0;

  self->shown = cli_dup_shown (path, -1);
  self->mode = mode;
  self->entries = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  if (!open_file (self, path, is_read_only, error))
    return NULL;

  if (self->fd < 0)
    return g_steal_pointer (&self);

  if ((!is_read_only && !lock_file (self, error)) ||
      (mode != CLI_JOBLOG_NEW && !check_regular (self, error)) ||
      (mode != CLI_JOBLOG_NEW && !read_entries (self, &end, error)) ||
      (!is_read_only && !cut_at (self, end, error)))
    return NULL;

  return g_steal_pointer (&self);
}

void
cli_joblog_free (CliJoblog *self)
{
  if (self->fd >= 0)
    g_close (self->fd, NULL);
  g_hash_table_unref (self->entries);
  g_free (self->shown);
  g_free (self);
}

/* --- what was in it --------------------------------------------------------------------------- */

static gboolean
is_entry_done (CliJoblog   *self,
               const Entry *entry)
{
  return !entry->is_failed || self->mode == CLI_JOBLOG_RESUME;
}

gboolean
cli_joblog_has (CliJoblog *self,
                guint64    number)
{
  return g_hash_table_contains (self->entries, &number);
}

gboolean
cli_joblog_is_done (CliJoblog *self,
                    guint64    number)
{
  const Entry *entry = g_hash_table_lookup (self->entries, &number);

  return entry != NULL && is_entry_done (self, entry);
}

guint64
cli_joblog_count_done (CliJoblog *self,
                       guint64    n_items)
{
  GHashTableIter iter;
  gpointer entry = NULL;
  guint64 n_done = 0;

  g_hash_table_iter_init (&iter, self->entries);
  while (g_hash_table_iter_next (&iter, NULL, &entry))
    n_done += ((Entry *) entry)->number <= n_items && is_entry_done (self, entry);

  return n_done;
}

static gboolean
read_command (CliJoblog   *self,
              const Entry *entry,
              char        *command,
              GError     **error)
{
  gsize n_read = 0;

  while (n_read < entry->length)
    {
      gssize length = pread (self->fd, command + n_read, entry->length - n_read,
                             entry->start + (goffset) n_read);

      if (length == 0)
        return set_errno_error (self, "read", ENODATA, error);
      if (length < 0 && errno != EINTR)
        return set_errno_error (self, "read", errno, error);
      n_read += (gsize) MAX (length, 0);
    }

  return TRUE;
}

gboolean
cli_joblog_check (CliJoblog  *self,
                  guint64     number,
                  const char *command,
                  GError    **error)
{
  const Entry *entry = g_hash_table_lookup (self->entries, &number);
  g_autofree char *logged = g_malloc0 (entry->length + 1);
  g_autofree char *shown = NULL;
  g_autofree char *shown_logged = NULL;

  if (!read_command (self, entry, logged, error))
    return FALSE;

  if (strlen (command) == entry->length && memcmp (command, logged, entry->length) == 0)
    return TRUE;

  shown = cli_dup_shown (command, -1);
  shown_logged = cli_dup_shown (logged, -1);
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
               "cannot resume: item %" G_GUINT64_FORMAT " is now '%s', but in '%s' it is '%s'",
               number, shown, self->shown, shown_logged);
  return FALSE;
}
