/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/base/aiopool-type-pin-private.h"

#include <string.h>

/* GLib makes the description of a container type with the first GVariant of it and frees it with
 * the last one, and arguments and results are kept as bytes: so a program would pay for that with
 * each task, and it is more than half of what it costs to make a small value. An empty value of
 * each type is kept instead, as long as the process lives.
 *
 * There are so few types that the first to come have their places for good: so no lock is needed,
 * and what a worker sends cannot make them more. One whose place is taken costs what it did. */

#define N_PINS     64
#define MAX_LENGTH 64 /* of a type that is worth it */

static GVariant *pins[N_PINS]; /* atomic (owned) (nullable) */

static gboolean
is_container (const char *type)
{
  return *type == '(' || *type == 'a' || *type == '{' || *type == 'm';
}

static void
fill (GVariant   **pin,
      const char  *type)
{
  GVariant *empty = g_variant_new_from_data (G_VARIANT_TYPE (type), NULL, 0, TRUE, NULL, NULL);

  g_variant_ref_sink (empty);
  if (!g_atomic_pointer_compare_and_exchange (pin, NULL, empty))
    g_variant_unref (empty);
}

/* From any thread. */
void
aiopool_type_pin (GVariant *value)
{
  const char *type = g_variant_get_type_string (value);
  GVariant **pin;

  if (!is_container (type))
    return;
  pin = &pins[g_str_hash (type) % N_PINS];
  if (g_atomic_pointer_get (pin) == NULL && strlen (type) <= MAX_LENGTH)
    fill (pin, type);
}
