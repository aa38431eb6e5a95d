/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "aiopool/cli/aiopool-cli-items-private.h"

#include <errno.h>
#include <unistd.h>

#include <gio/gio.h>
#include <glib-unix.h>

/* Where items come from: words of the command line, or pieces of a file descriptor.
 *
 * The descriptor is read only while someone waits for an item, one read() for each time that poll
 * says so, and never switched to non-blocking: it is shared with whoever started the program. So
 * no more than one block beyond the items taken is ever in memory, unless someone has to know at
 * the start how many there are. */

#define BLOCK_SIZE (64 * 1024)
#define MAX_ITEM_SIZE (16 * 1024 * 1024)
#define MAX_READ_AHEAD (1024 * 1024 * 1024)

struct _CliItems
{
  char       **words;      /* (unowned: main's argv) (nullable) */
  guint        n_words;
  int          fd;         /* (unowned) -1 for words */
  char         separator;
  GByteArray  *buffer;     /* (owned) bytes read */
  gsize        start;      /* of the next item, in the buffer */
  gsize        searched;   /* no separator from start to here */
  gboolean     is_eof;
  int          read_errno;
  guint64      n_taken;
  gboolean     is_ahead;   /* everything is read before the first item is given */
  guint64      n_ahead;    /* 0, or how many items there are, counted when everything was read */
  guint        watch_id;
  GSourceFunc  callback;   /* of wait() */
  gpointer     user_data;
};

void
cli_item_free (CliItem *item)
{
  g_free (item->bytes);
  g_free (item);
}

gboolean
cli_item_has_nul (const CliItem *item)
{
  return strlen (item->bytes) != item->length;
}

char *
cli_item_dup_text (const CliItem *item)
{
  GString *text = g_string_new_len (item->bytes, (gssize) item->length);
  gsize i = 0;

  for (i = 0; i < text->len; i++)
    if (text->str[i] == '\0')
      {
        g_string_erase (text, (gssize) i, 1);
        g_string_insert (text, (gssize) i, "\\000");
      }

  return g_string_free (text, FALSE);
}

static CliItem *
take_item (CliItems   *self,
           const char *bytes,
           gsize       length)
{
  CliItem *item = g_new0 (CliItem, 1);

  item->bytes = g_malloc (length + 1);
  if (length > 0)
    memcpy (item->bytes, bytes, length);
  item->bytes[length] = '\0';
  item->length = length;
  item->number = ++self->n_taken;
  return item;
}

CliItems *
cli_items_new_for_words (char **words)
{
  CliItems *self = g_new0 (CliItems, 1);

  self->words = words;
  self->n_words = g_strv_length (words);
  self->fd = -1;
  self->is_eof = TRUE;
  self->buffer = g_byte_array_new ();
  return self;
}

CliItems *
cli_items_new_for_fd (int  fd,
                      char separator)
{
  CliItems *self = g_new0 (CliItems, 1);

  self->fd = fd;
  self->separator = separator;
  self->buffer = g_byte_array_new ();
  return self;
}

void
cli_items_free (CliItems *self)
{
  g_clear_handle_id (&self->watch_id, g_source_remove);
  g_byte_array_unref (self->buffer);
  g_free (self);
}

void
cli_items_read_ahead (CliItems *self)
{
  self->is_ahead = self->fd >= 0;
}

/* --- the descriptor --------------------------------------------------------------------------- */

static void
drop_taken (CliItems *self)
{
  if (self->start == 0)
    return;

  g_byte_array_remove_range (self->buffer, 0, (guint) self->start);
  self->searched -= self->start;
  self->start = 0;
}

/* All of them, for none has been taken. */
static guint64
count_items (CliItems *self)
{
  guint64 n_items = 0;
  guint i = 0;

  for (i = 0; i < self->buffer->len; i++)
    n_items += (char) self->buffer->data[i] == self->separator;

  if (i > 0 && (char) self->buffer->data[i - 1] != self->separator)
    n_items++;
  return n_items;
}

static gboolean
on_readable (int          fd,
             GIOCondition condition,
             gpointer     user_data)
{
  CliItems *self = user_data;
  guint old_length = 0;
  gssize length = 0;

  drop_taken (self);
  old_length = self->buffer->len;
  g_byte_array_set_size (self->buffer, old_length + BLOCK_SIZE);
  length = read (fd, self->buffer->data + old_length, BLOCK_SIZE);
  self->read_errno = length < 0 ? errno : 0;
  g_byte_array_set_size (self->buffer, old_length + (guint) MAX (length, 0));

  if (length < 0 && (self->read_errno == EINTR || self->read_errno == EAGAIN))
    {
      self->read_errno = 0;
      return G_SOURCE_CONTINUE;
    }

  self->is_eof = length <= 0;
  if (self->is_eof && self->is_ahead)
    self->n_ahead = count_items (self);
  self->watch_id = 0;
  self->callback (self->user_data);
  return G_SOURCE_REMOVE;
}

void
cli_items_wait (CliItems   *self,
                GSourceFunc callback,
                gpointer    user_data)
{
  g_assert (self->fd >= 0 && !self->is_eof);

  self->callback = callback;
  self->user_data = user_data;
  if (self->watch_id == 0)
    self->watch_id = g_unix_fd_add (self->fd, G_IO_IN | G_IO_HUP | G_IO_ERR | G_IO_NVAL,
                                    on_readable, self);
}

/* NULL without error: it is not too much yet. */
static CliItem *
refuse_too_much (CliItems *self,
                 GError  **error)
{
  if (self->buffer->len > MAX_READ_AHEAD)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_MESSAGE_TOO_LARGE,
                 "standard input is longer than %d bytes: too long to count its items first",
                 MAX_READ_AHEAD);
  return NULL;
}

static CliItem *
next_from_fd (CliItems *self,
              GError  **error)
{
  const char *data = NULL;
  gsize end = self->buffer->len;
  const char *found = NULL;
  CliItem *item = NULL;

  if (self->is_ahead && !self->is_eof)
    return refuse_too_much (self, error);

  data = (const char *) self->buffer->data;
  if (self->searched < end)
    found = memchr (data + self->searched, self->separator, end - self->searched);

  if (found != NULL)
    end = found - data;
  else
    self->searched = end;

  if (end - self->start > MAX_ITEM_SIZE)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_MESSAGE_TOO_LARGE,
                   "an item of standard input is longer than %d bytes", MAX_ITEM_SIZE);
      return NULL;
    }

  if (found == NULL && (!self->is_eof || self->start == end))
    return NULL;

  item = take_item (self, data + self->start, end - self->start);
  self->start = self->searched = found != NULL ? end + 1 : end;
  return item;
}

/* --- both ------------------------------------------------------------------------------------- */

static CliItem *
next_from_words (CliItems *self)
{
  const char *word = self->words[self->n_taken];

  return word != NULL ? take_item (self, word, strlen (word)) : NULL;
}

CliItem *
cli_items_next (CliItems *self,
                GError  **error)
{
  if (self->fd < 0)
    return next_from_words (self);

  if (self->read_errno != 0)
    {
      g_set_error (error, G_IO_ERROR, g_io_error_from_errno (self->read_errno),
                   "cannot read items from standard input: %s", g_strerror (self->read_errno));
      return NULL;
    }

  return next_from_fd (self, error);
}

gboolean
cli_items_is_ended (CliItems *self)
{
  if (self->fd < 0)
    return self->words[self->n_taken] == NULL;

  return self->is_eof && self->start == self->buffer->len;
}

guint64
cli_items_get_total (CliItems *self)
{
  if (self->fd < 0)
    return self->n_words;

  if (self->n_ahead > 0)
    return self->n_ahead;

  return cli_items_is_ended (self) ? self->n_taken : 0;
}
