/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The smallest GIO program: one byte on descriptor 3, and the end. floor-spawn starts it. */
#include <gio/gio.h>
#include <unistd.h>

int
main (void)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();

  return write (3, "x", cancellable != NULL ? 1 : 0) == 1 ? 0 : 1;
}
