/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

void cli_svg_draw        (GString    *svg,
                          const char *format,
                          ...);
void cli_svg_append_text (GString    *svg,
                          const char *text);
void cli_svg_draw_text   (GString    *svg,
                          const char *classes,
                          double      x,
                          double      y,
                          const char *text);

G_END_DECLS
