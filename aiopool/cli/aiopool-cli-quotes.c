/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "aiopool/cli/aiopool-cli-quotes-private.h"

#include <string.h>

/* Follows the quotes of a shell line: 'single', "double", $(command), (subshell), `command`,
 * backslash and comments, nested as they come. Here-documents and case patterns are not known. */

struct _CliQuoteScanner
{
  const char *line;   /* (unowned: the caller's) */
  GString    *stack;  /* (owned) of CliQuotes, never empty */
};

CliQuoteScanner *
cli_quote_scanner_new (const char *line)
{
  CliQuoteScanner *self = g_new0 (CliQuoteScanner, 1);

  self->line = line;
  self->stack = g_string_new ("n");
  return self;
}

void
cli_quote_scanner_free (CliQuoteScanner *self)
{
  g_string_free (self->stack, TRUE);
  g_free (self);
}

CliQuotes
cli_quote_scanner_get (CliQuoteScanner *self)
{
  return (CliQuotes) self->stack->str[self->stack->len - 1];
}

static void
push (CliQuoteScanner *self,
      CliQuotes        quotes)
{
  g_string_append_c (self->stack, (char) quotes);
}

static void
pop (CliQuoteScanner *self)
{
  g_string_truncate (self->stack, self->stack->len - 1);
}

/* Outside of quotes, perhaps in parentheses or backticks. */
static void
step_plain (CliQuoteScanner *self,
            char             c)
{
  CliQuotes top = cli_quote_scanner_get (self);

  if (c == '\'')
    push (self, CLI_QUOTES_SINGLE);
  else if (c == '"')
    push (self, CLI_QUOTES_DOUBLE);
  else if (c == '(')
    push (self, CLI_QUOTES_PAREN);
  else if ((c == ')' && top == CLI_QUOTES_PAREN) || (c == '`' && top == CLI_QUOTES_BACKTICK))
    pop (self);
  else if (c == '`')
    push (self, CLI_QUOTES_BACKTICK);
}

static void
step_double (CliQuoteScanner *self,
             char             c,
             char             previous)
{
  if (c == '"')
    pop (self);
  else if (c == '(' && previous == '$')
    push (self, CLI_QUOTES_PAREN);
  else if (c == '`')
    push (self, CLI_QUOTES_BACKTICK);
}

static gboolean
is_comment (CliQuoteScanner *self,
            const char      *at)
{
  CliQuotes top = cli_quote_scanner_get (self);

  if (*at != '#' || top == CLI_QUOTES_SINGLE || top == CLI_QUOTES_DOUBLE)
    return FALSE;

  return at == self->line || strchr (" \t\n;&|(", at[-1]) != NULL;
}

gsize
cli_quote_scanner_step (CliQuoteScanner *self,
                        const char      *at)
{
  CliQuotes top = cli_quote_scanner_get (self);

  if (is_comment (self, at))
    return strcspn (at, "\n");

  if (*at == '\\' && top != CLI_QUOTES_SINGLE)
    return at[1] != '\0' ? 2 : 1;

  if (top == CLI_QUOTES_SINGLE && *at == '\'')
    pop (self);
  else if (top == CLI_QUOTES_DOUBLE)
    step_double (self, *at, at > self->line ? at[-1] : '\0');
  else if (top != CLI_QUOTES_SINGLE)
    step_plain (self, *at);

  return 1;
}
