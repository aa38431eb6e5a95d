/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* What encloses a place in a shell line. */
typedef enum
{
  CLI_QUOTES_NONE = 'n',
  CLI_QUOTES_SINGLE = 's',
  CLI_QUOTES_DOUBLE = 'd',
  CLI_QUOTES_PAREN = '(',
  CLI_QUOTES_BACKTICK = '`'
} CliQuotes;

typedef struct _CliQuoteScanner CliQuoteScanner;

/* @line has to outlive the scanner. */
CliQuoteScanner *cli_quote_scanner_new  (const char      *line);
void             cli_quote_scanner_free (CliQuoteScanner *self);

/* What encloses the place that was reached. */
CliQuotes        cli_quote_scanner_get  (CliQuoteScanner *self);

/* Goes over what begins at @at, which is not the end; says how many bytes that is. */
gsize            cli_quote_scanner_step (CliQuoteScanner *self,
                                         const char      *at);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (CliQuoteScanner, cli_quote_scanner_free)

G_END_DECLS
