/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/runtime/aiopool-type-pins-private.h"

#include <string.h>

/* GLib makes the description of a container type with the first GVariant of it and frees it with
 * the last one. A worker that has one value at a time pays for that with each task, and it is half
 * of what a small value costs. So it keeps an empty value of each type that it saw lately. */

static gboolean
is_container (const char *type)
{
  return *type == '(' || *type == 'a' || *type == '{' || *type == 'm';
}

void
aiopool_type_pins_keep (AiopoolTypePins *self,
                        const char      *type)
{
  GVariant **pin;

  if (type == NULL || !is_container (type))
    return;
  pin = &self->variants[g_str_hash (type) % AIOPOOL_N_TYPE_PINS];
  if (*pin != NULL && strcmp (g_variant_get_type_string (*pin), type) == 0)
    return;
  g_clear_pointer (pin, g_variant_unref);
  *pin = g_variant_ref_sink (g_variant_new_from_data (G_VARIANT_TYPE (type), NULL, 0, TRUE, NULL,
                                                      NULL));
}

void
aiopool_type_pins_clear (AiopoolTypePins *self)
{
  for (guint i = 0; i < AIOPOOL_N_TYPE_PINS; i++)
    g_clear_pointer (&self->variants[i], g_variant_unref);
}
