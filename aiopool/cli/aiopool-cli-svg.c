/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "aiopool/cli/aiopool-cli-svg-private.h"

#include "aiopool/cli/aiopool-cli-private.h"

#include <string.h>

/* Writes SVG: numbers with one decimal at most, and text as XML may have it. */

/* In no locale. */
static void
append_number (GString *svg,
               double   number)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];
  char *end;

  g_ascii_formatd (text, sizeof text, "%.1f", number);
  end = text + strlen (text);
  if (g_str_has_suffix (text, ".0"))
    end[-2] = '\0';
  g_string_append (svg, g_str_equal (text, "-0") ? "0" : text);
}

/* What @format says, with the numbers after it for each '#'. */
void
cli_svg_draw (GString    *svg,
              const char *format,
              ...)
{
  va_list numbers;

  va_start (numbers, format);
  for (; *format != '\0'; format++)
    {
      if (*format == '#')
        append_number (svg, va_arg (numbers, double));
      else
        g_string_append_c (svg, *format);
    }
  va_end (numbers);
}

/* Text as XML may have it: without what it has no characters for. */
void
cli_svg_append_text (GString    *svg,
                     const char *text)
{
  g_autofree char *shown = cli_dup_shown (text, -1);

  for (const char *at = shown; *at != '\0'; at = g_utf8_next_char (at))
    {
      gunichar c = g_utf8_get_char (at);

      if (c == '&')
        g_string_append (svg, "&amp;");
      else if (c == '<')
        g_string_append (svg, "&lt;");
      else if (c == '>')
        g_string_append (svg, "&gt;");
      else
        g_string_append_unichar (svg, c == 0xfffe || c == 0xffff ? 0xfffd : c);
    }
}

void
cli_svg_draw_text (GString    *svg,
                   const char *classes,
                   double      x,
                   double      y,
                   const char *text)
{
  g_string_append_printf (svg, "<text class=\"%s\"", classes);
  cli_svg_draw (svg, " x=\"#\" y=\"#\">", x, y);
  cli_svg_append_text (svg, text);
  g_string_append (svg, "</text>\n");
}
