/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "aiopool/cli/aiopool-cli-halt-private.h"

#include <string.h>

#include "aiopool/cli/aiopool-cli-private.h"

/* The values of --halt are those of GNU parallel, its old short ones too. */

static const struct
{
  const char *text;
  CliHalt     halt;
} short_forms[] = {
  { "never", { CLI_HALT_NEVER, CLI_HALT_FAIL, 0, FALSE } },
  { "0", { CLI_HALT_NEVER, CLI_HALT_FAIL, 0, FALSE } },
  { "1", { CLI_HALT_SOON, CLI_HALT_FAIL, 1, FALSE } },
  { "2", { CLI_HALT_NOW, CLI_HALT_FAIL, 1, FALSE } },
  { "-1", { CLI_HALT_SOON, CLI_HALT_SUCCESS, 1, FALSE } },
  { "-2", { CLI_HALT_NOW, CLI_HALT_SUCCESS, 1, FALSE } },
};

static gboolean
parse_short (const char *text,
             CliHalt    *halt)
{
  gsize i = 0;

  for (i = 0; i < G_N_ELEMENTS (short_forms); i++)
    if (g_str_equal (text, short_forms[i].text))
      {
        *halt = short_forms[i].halt;
        return TRUE;
      }

  return FALSE;
}

/* "3", "20%". */
static gboolean
parse_value (const char *text,
             CliHalt    *halt)
{
  g_autofree char *digits = g_strdup (text);
  gsize length = strlen (digits);

  halt->is_percent = length > 0 && digits[length - 1] == '%';
  if (halt->is_percent)
    digits[length - 1] = '\0';

  return g_ascii_string_to_unsigned (digits, 10, 1, halt->is_percent ? 100 : G_MAXUINT64,
                                     &halt->value, NULL);
}

static gboolean
parse_long (const char *text,
            CliHalt    *halt)
{
  static const char *const whens[] = { "soon,", "now," };
  static const char *const whys[] = { "fail=", "success=", "done=" };
  gsize when = 0;
  gsize why = 0;

  while (when < G_N_ELEMENTS (whens) && !g_str_has_prefix (text, whens[when]))
    when++;
  if (when == G_N_ELEMENTS (whens))
    return FALSE;

  text += strlen (whens[when]);
  while (why < G_N_ELEMENTS (whys) && !g_str_has_prefix (text, whys[why]))
    why++;
  if (why == G_N_ELEMENTS (whys))
    return FALSE;

  halt->when = when == 0 ? CLI_HALT_SOON : CLI_HALT_NOW;
  halt->why = (CliHaltWhy) why;
  return parse_value (text + strlen (whys[why]), halt);
}

gboolean
cli_halt_parse (const char *text,
                CliHalt    *halt,
                GError    **error)
{
  g_autofree char *shown = NULL;

  if (parse_short (text, halt) || parse_long (text, halt))
    return TRUE;

  if (parse_value (text, halt) && halt->is_percent)
    {
      halt->when = CLI_HALT_SOON;
      halt->why = CLI_HALT_FAIL;
      return TRUE;
    }

  shown = cli_dup_shown (text, -1);
  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
               "--halt must be 'never', or 'soon' or 'now' and a reason, as in 'now,fail=1', "
               "'soon,fail=20%%', 'now,success=1' or 'soon,done=3', not '%s'", shown);
  return FALSE;
}

gboolean
cli_halt_is_due (const CliHalt *halt,
                 guint64        n_done,
                 guint64        n_failed,
                 guint64        n_total)
{
  guint64 count = 0;

  if (halt->when == CLI_HALT_NEVER)
    return FALSE;

  if (halt->why == CLI_HALT_FAIL)
    count = n_failed;
  else if (halt->why == CLI_HALT_SUCCESS)
    count = n_done - n_failed;
  else
    count = n_done;

  if (!halt->is_percent)
    return count >= halt->value;

  return n_total > 0 && (double) count * 100 >= (double) halt->value * n_total;
}
