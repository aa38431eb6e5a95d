/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum
{
  CLI_HALT_NEVER,
  CLI_HALT_SOON,  /* start nothing more */
  CLI_HALT_NOW    /* and end what runs */
} CliHaltWhen;

typedef enum
{
  CLI_HALT_FAIL,
  CLI_HALT_SUCCESS,
  CLI_HALT_DONE
} CliHaltWhy;

/* When to stop before the items have ended. */
typedef struct
{
  CliHaltWhen when;
  CliHaltWhy  why;
  guint64     value;
  gboolean    is_percent;  /* of all items */
} CliHalt;

/* "never", or WHEN,WHY=VALUE, as GNU parallel has it. */
gboolean cli_halt_parse  (const char    *text,
                          CliHalt       *halt,
                          GError       **error);

/* Whether it is time. @n_done counts failed items, too; @n_total is 0 if it is not known. */
gboolean cli_halt_is_due (const CliHalt *halt,
                          guint64        n_done,
                          guint64        n_failed,
                          guint64        n_total);

G_END_DECLS
