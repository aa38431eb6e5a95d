/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "aiopool/cli/aiopool-cli-reader-private.h"

#include <string.h>

/* Reads JSON (RFC 8259). The text need not be trusted: nothing is read beyond its end, nesting has
 * a limit, and strings come out as valid UTF-8 without NUL. After a problem every call fails. */

#define MAX_DEPTH  64
#define MAX_NUMBER 64 /* characters */

void
cli_reader_init (CliReader  *self,
                 const char *text,
                 gsize       length)
{
  *self = (CliReader) { text, text, text + length, NULL, FALSE };
}

static gboolean
fail (CliReader  *self,
      const char *problem)
{
  if (self->problem != NULL)
    return FALSE;
  self->is_short = self->at >= self->end;
  self->problem = self->is_short ? "the text ends too early" : problem;
  return FALSE;
}

static void
skip_space (CliReader *self)
{
  while (self->at < self->end && strchr (" \t\r\n", *self->at) != NULL && *self->at != '\0')
    self->at++;
}

char
cli_reader_peek (CliReader *self)
{
  skip_space (self);
  return self->problem == NULL && self->at < self->end ? *self->at : '\0';
}

gboolean
cli_reader_is_at_end (CliReader *self)
{
  skip_space (self);
  return self->at >= self->end;
}

static gboolean
take (CliReader  *self,
      char        wanted,
      const char *problem)
{
  if (self->problem != NULL || cli_reader_peek (self) != wanted)
    return fail (self, problem);
  self->at++;
  return TRUE;
}

gboolean
cli_reader_enter (CliReader *self,
                  char       bracket)
{
  return take (self, bracket, bracket == '{' ? "there should be an object"
                                             : "there should be an array");
}

static gboolean
next (CliReader *self,
      char       closing,
      guint64   *n)
{
  char c = cli_reader_peek (self);

  if (c == closing)
    {
      self->at++;
      return FALSE;
    }
  if (*n > 0 && !take (self, ',', "there should be a comma"))
    return FALSE;
  if (self->problem != NULL || cli_reader_is_at_end (self))
    return fail (self, "there should be a value");
  (*n)++;
  return TRUE;
}

gboolean
cli_reader_next (CliReader *self,
                 guint64   *n)
{
  return next (self, ']', n);
}

gboolean
cli_reader_next_member (CliReader *self,
                        guint64   *n,
                        GString   *key)
{
  return next (self, '}', n) && cli_reader_read_string (self, key) &&
         take (self, ':', "there should be a colon");
}

/* --- strings ---------------------------------------------------------------------------------- */

static gboolean
read_hex (CliReader *self,
          gunichar  *unit)
{
  *unit = 0;
  for (guint i = 0; i < 4; i++)
    {
      if (self->at >= self->end || !g_ascii_isxdigit (*self->at))
        return fail (self, "there should be four hexadecimal digits");
      *unit = *unit * 16 + (gunichar) g_ascii_xdigit_value (*self->at++);
    }
  return TRUE;
}

/* After "\u"; half of a pair becomes a replacement character. */
static gboolean
read_unicode (CliReader *self,
              GString   *value)
{
  gunichar unit, low;

  if (!read_hex (self, &unit))
    return FALSE;
  if (unit >= 0xd800 && unit < 0xdc00 && self->end - self->at >= 6 &&
      self->at[0] == '\\' && self->at[1] == 'u')
    {
      self->at += 2;
      if (!read_hex (self, &low))
        return FALSE;
      if (low >= 0xdc00 && low < 0xe000)
        unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
    }
  g_string_append_unichar (value, unit != 0 && g_unichar_validate (unit) ? unit : 0xfffd);
  return TRUE;
}

static gboolean
read_escape (CliReader *self,
             GString   *value)
{
  static const char letters[] = "\"\\/bfnrt";
  static const char meant[] = "\"\\/\b\f\n\r\t";
  const char *found;

  if (self->at >= self->end)
    return fail (self, NULL);
  if (*self->at == 'u')
    {
      self->at++;
      return read_unicode (self, value);
    }
  found = *self->at != '\0' ? strchr (letters, *self->at) : NULL;
  if (found == NULL)
    return fail (self, "this is no escape sequence");
  self->at++;
  g_string_append_c (value, meant[found - letters]);
  return TRUE;
}

static gboolean
read_characters (CliReader *self,
                 GString   *value)
{
  while (self->at < self->end && *self->at != '"')
    {
      const char *begin = self->at;

      if ((guchar) *self->at < 0x20)
        return fail (self, "there is a control character in a string");
      while (self->at < self->end && *self->at != '"' && *self->at != '\\' &&
             (guchar) *self->at >= 0x20)
        self->at++;
      g_string_append_len (value, begin, self->at - begin);
      if (self->at < self->end && *self->at == '\\')
        {
          self->at++;
          if (!read_escape (self, value))
            return FALSE;
        }
    }
  return take (self, '"', NULL);
}

gboolean
cli_reader_read_string (CliReader *self,
                        GString   *value)
{
  g_string_truncate (value, 0);
  if (!take (self, '"', "there should be a string") || !read_characters (self, value))
    return FALSE;
  if (!g_utf8_validate_len (value->str, value->len, NULL))
    {
      g_autofree char *valid = g_utf8_make_valid (value->str, (gssize) value->len);

      g_string_assign (value, valid);
    }
  return TRUE;
}

/* --- other values ----------------------------------------------------------------------------- */

static gsize
count_digits (const char *text)
{
  gsize n = 0;

  while (g_ascii_isdigit (text[n]))
    n++;
  return n;
}

/* Whether all of @text is a number as JSON has them. */
static gboolean
is_number (const char *text)
{
  gsize n;

  text += *text == '-';
  n = count_digits (text);
  if (n == 0 || (n > 1 && *text == '0'))
    return FALSE;
  text += n;
  if (*text == '.')
    {
      n = count_digits (++text);
      if (n == 0)
        return FALSE;
      text += n;
    }
  if (*text == 'e' || *text == 'E')
    {
      text++;
      text += *text == '+' || *text == '-';
      n = count_digits (text);
      if (n == 0)
        return FALSE;
      text += n;
    }
  return *text == '\0';
}

/* May be infinite. */
gboolean
cli_reader_read_number (CliReader *self,
                        double    *value)
{
  char text[MAX_NUMBER + 1];
  gsize n = 0;

  skip_space (self);
  if (self->problem != NULL)
    return FALSE;
  while (n < MAX_NUMBER && self->at + n < self->end && self->at[n] != '\0' &&
         strchr ("+-.eE0123456789", self->at[n]) != NULL)
    {
      text[n] = self->at[n];
      n++;
    }
  text[n] = '\0';
  if (!is_number (text))
    {
      self->is_short = self->at + n >= self->end;
      self->problem = self->is_short ? "the text ends too early" : "there should be a number";
      return FALSE;
    }
  self->at += n;
  *value = g_ascii_strtod (text, NULL);
  return TRUE;
}

static gboolean
skip_word (CliReader  *self,
           const char *word)
{
  gsize length = strlen (word);
  gsize left = (gsize) (self->end - self->at);

  if (left < length && memcmp (self->at, word, left) == 0)
    self->at = self->end;
  else if (left >= length && memcmp (self->at, word, length) == 0)
    {
      self->at += length;
      return TRUE;
    }
  return fail (self, "there should be a value");
}

static gboolean
skip_nested (CliReader *self,
             guint      depth);

static gboolean
skip_elements (CliReader *self,
               char       bracket,
               guint      depth)
{
  g_autoptr (GString) key = g_string_new (NULL);
  guint64 n = 0;

  if (depth >= MAX_DEPTH)
    return fail (self, "values are nested too deeply");
  self->at++;
  while (bracket == '{' ? cli_reader_next_member (self, &n, key) : cli_reader_next (self, &n))
    if (!skip_nested (self, depth + 1))
      return FALSE;
  return self->problem == NULL;
}

static gboolean
skip_nested (CliReader *self,
             guint      depth)
{
  g_autoptr (GString) text = NULL;
  double number;
  char c = cli_reader_peek (self);

  switch (c)
    {
    case '{':
    case '[':
      return skip_elements (self, c, depth);
    case '"':
      text = g_string_new (NULL);
      return cli_reader_read_string (self, text);
    case 't':
      return skip_word (self, "true");
    case 'f':
      return skip_word (self, "false");
    case 'n':
      return skip_word (self, "null");
    default:
      return cli_reader_read_number (self, &number);
    }
}

/* Any value. */
gboolean
cli_reader_skip (CliReader *self)
{
  return skip_nested (self, 0);
}
