/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "aiopool/cli/aiopool-cli-private.h"

#include <errno.h>
#include <stdio.h>

#include <gmodule.h>

#include "aiopool/cli/aiopool-cli-bar-private.h"

/* What every command of the program needs: one-line errors, directories, plug-ins. */

#define MAX_SHOWN 120
#define MAX_LINE 4000

/* --- text on one line ------------------------------------------------------------------------- */

static char *
dup_line (const char *bytes,
          gssize      length,
          gsize       max_length)
{
  g_autofree char *valid = g_utf8_make_valid (bytes, length);
  GString *line = g_string_new (NULL);
  const char *at = NULL;

  for (at = valid; *at != '\0' && line->len < max_length; at = g_utf8_next_char (at))
    {
      gunichar c = g_utf8_get_char (at);

      if (c == '\n')
        g_string_append (line, "\\n");
      else if (g_unichar_iscntrl (c))
        g_string_append_printf (line, "\\x%02x", c);
      else
        g_string_append_unichar (line, c);
    }

  if (*at != '\0')
    g_string_append (line, "...");
  return g_string_free (line, FALSE);
}

char *
cli_dup_shown (const char *bytes,
               gssize      length)
{
  return dup_line (bytes, length, MAX_SHOWN);
}

/* A message of several lines, such as a worker's last words, is joined by "; ". */
char *
cli_dup_one_line (const char *text)
{
  g_autofree char *copy = g_strchomp (g_strdup (text));
  g_auto (GStrv) lines = g_strsplit (copy, "\n", -1);
  g_autoptr (GString) joined = g_string_new (lines[0]);
  gsize i = 0;

  for (i = 1; lines[0] != NULL && lines[i] != NULL; i++)
    g_string_append_printf (joined, "%s%s", g_str_has_suffix (lines[i - 1], ":") ? " " : "; ",
                            lines[i]);

  return dup_line (joined->str, (gssize) joined->len, MAX_LINE);
}

void
cli_print_error (const char *format,
                 ...)
{
  g_autofree char *text = NULL;
  g_autofree char *line = NULL;
  va_list arguments;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);

  line = cli_dup_one_line (text);
  cli_bar_erase ();
  g_printerr ("aiopool: %s\n", line);
  cli_bar_restore (TRUE);
}

CliExit
cli_print_text (const char *text)
{
  if (fputs (text, stdout) >= 0 && fflush (stdout) == 0)
    return CLI_EXIT_OK;

  if (errno == EPIPE)
    return CLI_EXIT_PIPE;

  cli_print_error ("cannot write: %s", g_strerror (errno));
  return CLI_EXIT_TROUBLE;
}

/* --- directories and plug-ins ----------------------------------------------------------------- */

static const char *
get_dir (const char *variable,
         const char *fallback)
{
  const char *value = g_getenv (variable);

  return value != NULL && *value != '\0' ? value : fallback;
}

const char *
cli_get_worker_dir (void)
{
  return get_dir ("AIOPOOL_WORKER_DIR", AIOPOOL_WORKER_DIR);
}

const char *
cli_get_plugin_dir (void)
{
  return get_dir ("AIOPOOL_PLUGIN_DIR", AIOPOOL_PLUGIN_DIR);
}

/* A name with a slash, or of a file here, is a path; any other is looked for where plug-ins are
 * installed. */
char *
cli_dup_plugin_path (const char *name)
{
  g_autofree char *file = NULL;

  if (strchr (name, '/') != NULL || g_file_test (name, G_FILE_TEST_EXISTS))
    return g_canonicalize_filename (name, NULL);

  file = g_str_has_suffix (name, ".so") ? g_strdup (name) : g_strconcat (name, ".so", NULL);
  return g_build_filename (cli_get_plugin_dir (), file, NULL);
}

/* Loads it here too, and never unloads it: a plug-in's libraries may not survive that. The workers
 * could report the same, but each of them would, and more than one line. */
gboolean
cli_check_plugin (const char *path,
                  GError    **error)
{
  g_autofree char *shown = cli_dup_shown (path, -1);
  g_autoptr (GError) module_error = NULL;
  gpointer symbol = NULL;
  GModule *module = NULL;

  if (!g_file_test (path, G_FILE_TEST_EXISTS))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "there is no plug-in '%s'", shown);
      return FALSE;
    }

  module = g_module_open_full (path, G_MODULE_BIND_LAZY | G_MODULE_BIND_LOCAL, &module_error);
  if (module == NULL)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "cannot load the plug-in '%s': %s",
                   shown, module_error->message);
      return FALSE;
    }

  g_module_make_resident (module);
  if (!g_module_symbol (module, "aiopool_plugin_register", &symbol) || symbol == NULL)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED,
                   "'%s' is not a plug-in: it has no function aiopool_plugin_register", shown);
      return FALSE;
    }

  return TRUE;
}
