/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "aiopool/cli/aiopool-cli-words-private.h"

#include <string.h>

/* Words as a person can paste them into a shell: bare if nothing in them means anything to it, in
 * single quotes otherwise, and in $'...' (POSIX since 2024) where a word has a newline or another
 * control character, for each has to stay on its line. Other bytes, UTF-8 or not, are left as they
 * are. */

gboolean
cli_has_controls (const char *bytes,
                  gsize       length)
{
  gsize i = 0;

  for (i = 0; i < length; i++)
    if (g_ascii_iscntrl (bytes[i]))
      return TRUE;

  return FALSE;
}

static gboolean
is_plain (const char *bytes,
          gsize       length)
{
  gsize i = 0;

  for (i = 0; i < length; i++)
    if (!g_ascii_isalnum (bytes[i]) && strchr ("%+,-./:@_", bytes[i]) == NULL)
      return FALSE;

  return length > 0;
}

static void
append_escaped (GString    *line,
                const char *bytes,
                gsize       length)
{
  gsize i = 0;

  for (i = 0; i < length; i++)
    if (bytes[i] == '\n')
      g_string_append (line, "\\n");
    else if (bytes[i] == '\t')
      g_string_append (line, "\\t");
    else if (bytes[i] == '\\' || bytes[i] == '\'')
      g_string_append_printf (line, "\\%c", bytes[i]);
    else if (g_ascii_iscntrl (bytes[i]))
      g_string_append_printf (line, "\\%03o", (guchar) bytes[i]);
    else
      g_string_append_c (line, bytes[i]);
}

void
cli_append_quoted (GString    *line,
                   const char *bytes,
                   gsize       length)
{
  g_autofree char *quoted = NULL;

  if (cli_has_controls (bytes, length))
    {
      g_string_append (line, "$'");
      append_escaped (line, bytes, length);
      g_string_append_c (line, '\'');
    }
  else if (is_plain (bytes, length))
    g_string_append_len (line, bytes, length);
  else
    {
      quoted = g_shell_quote (bytes);
      g_string_append (line, quoted);
    }
}

char *
cli_dup_quoted_words (const char * const *words)
{
  GString *line = g_string_new (NULL);
  gsize i = 0;

  for (i = 0; words[i] != NULL; i++)
    {
      if (i > 0)
        g_string_append_c (line, ' ');
      cli_append_quoted (line, words[i], strlen (words[i]));
    }

  return g_string_free (line, FALSE);
}
