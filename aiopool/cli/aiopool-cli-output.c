/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "aiopool/cli/aiopool-cli-output-private.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib-unix.h>

#include "aiopool/cli/aiopool-cli-bar-private.h"
#include "aiopool/cli/aiopool-cli-private.h"

/* Lines are collected as long as the main loop has other things to do, and written when it has
 * not, or when there are many. A pipe whose reader has gone is noticed at once, not at the next
 * write: there may be none for long. After the first error nothing more is written.
 *
 * Where lines and the progress bar share a terminal, lines come as often as the bar is drawn:
 * otherwise it would be erased as soon as it is there. */

#define MAX_BUFFERED (64 * 1024)
#define BESIDE_BAR_MS 100

struct _CliOutput
{
  GString      *buffer;      /* (owned) */
  guint         flush_id;    /* idle or timeout */
  guint         watch_id;    /* standard output, if it is a pipe or socket */
  gboolean      is_terminal; /* standard output */
  int           error_number;
  CliBrokenFunc on_broken;
  gpointer      user_data;
};

static void
break_output (CliOutput *self,
              int        error_number)
{
  if (self->error_number != 0)
    return;

  self->error_number = error_number;
  self->on_broken (self->user_data);
}

static gboolean
on_reader_gone (int          fd,
                GIOCondition condition,
                gpointer     user_data)
{
  CliOutput *self = user_data;

  self->watch_id = 0;
  break_output (self, EPIPE);
  return G_SOURCE_REMOVE;
}

static gboolean
is_stdout_pipe (void)
{
  struct stat info;

  return fstat (STDOUT_FILENO, &info) == 0 &&
         (S_ISFIFO (info.st_mode) || S_ISSOCK (info.st_mode));
}

CliOutput *
cli_output_new (CliBrokenFunc on_broken,
                gpointer      user_data)
{
  CliOutput *self = g_new0 (CliOutput, 1);

  self->buffer = g_string_new (NULL);
  self->on_broken = on_broken;
  self->user_data = user_data;
  self->is_terminal = isatty (STDOUT_FILENO);
  if (is_stdout_pipe ())
    self->watch_id = g_unix_fd_add (STDOUT_FILENO, G_IO_ERR, on_reader_gone, self);
  return self;
}

void
cli_output_free (CliOutput *self)
{
  g_clear_handle_id (&self->flush_id, g_source_remove);
  g_clear_handle_id (&self->watch_id, g_source_remove);
  g_string_free (self->buffer, TRUE);
  g_free (self);
}

/* --- writing ---------------------------------------------------------------------------------- */

/* 0, or what went wrong. The descriptor may be non-blocking: that is not ours to change. */
static int
write_all (int         fd,
           const char *bytes,
           gsize       length)
{
  while (length > 0)
    {
      gssize n_written = write (fd, bytes, length);
      GPollFD poll_fd = { fd, G_IO_OUT, 0 };

      if (n_written >= 0)
        {
          bytes += n_written;
          length -= n_written;
        }
      else if (errno == EAGAIN)
        g_poll (&poll_fd, 1, -1);
      else if (errno != EINTR)
        return errno;
    }

  return 0;
}

static void
write_stdout (CliOutput  *self,
              const char *bytes,
              gsize       length)
{
  int error_number = 0;

  if (self->error_number != 0 || length == 0)
    return;

  if (self->is_terminal)
    cli_bar_erase ();
  error_number = write_all (STDOUT_FILENO, bytes, length);
  if (error_number != 0)
    break_output (self, error_number);
  else if (self->is_terminal)
    cli_bar_restore (bytes[length - 1] == '\n');
}

void
cli_output_flush (CliOutput *self)
{
  g_clear_handle_id (&self->flush_id, g_source_remove);
  write_stdout (self, self->buffer->str, self->buffer->len);
  g_string_truncate (self->buffer, 0);
}

static gboolean
on_time_to_flush (gpointer user_data)
{
  CliOutput *self = user_data;

  self->flush_id = 0;
  cli_output_flush (self);
  return G_SOURCE_REMOVE;
}

static void
flush_soon (CliOutput *self)
{
  if (self->buffer->len > MAX_BUFFERED)
    cli_output_flush (self);
  else if (self->flush_id != 0)
    return;
  else if (self->is_terminal && cli_bar_is_started ())
    self->flush_id = g_timeout_add (BESIDE_BAR_MS, on_time_to_flush, self);
  else
    self->flush_id = g_idle_add (on_time_to_flush, self);
}

void
cli_output_write (CliOutput  *self,
                  const char *bytes,
                  gsize       length)
{
  if (length <= MAX_BUFFERED)
    {
      g_string_append_len (self->buffer, bytes, length);
      flush_soon (self);
      return;
    }

  cli_output_flush (self);
  write_stdout (self, bytes, length);
}

void
cli_output_write_line (CliOutput  *self,
                       const char *line)
{
  g_string_append (self->buffer, line);
  g_string_append_c (self->buffer, '\n');
  flush_soon (self);
}

void
cli_output_write_error (CliOutput  *self,
                        const char *bytes,
                        gsize       length)
{
  cli_output_flush (self);
  cli_bar_erase ();
  write_all (STDERR_FILENO, bytes, length);
  if (length > 0)
    cli_bar_restore (bytes[length - 1] == '\n');
}

void
cli_output_write_failure (CliOutput     *self,
                          const CliItem *item,
                          guint          n_tries,
                          const char    *what)
{
  g_autofree char *shown = cli_dup_shown (item->bytes, item->length);
  g_autofree char *tries = NULL;

  if (n_tries > 1)
    tries = g_strdup_printf (" (%u tries)", n_tries);
  cli_output_flush (self);
  cli_print_error ("item '%s'%s: %s", shown, tries != NULL ? tries : "", what);
}

int
cli_output_get_errno (CliOutput *self)
{
  return self->error_number;
}
