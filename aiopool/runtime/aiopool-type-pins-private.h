/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define AIOPOOL_N_TYPE_PINS 16

/* Zeroed to begin with; one thread's. */
typedef struct
{
  GVariant *variants[AIOPOOL_N_TYPE_PINS]; /* (owned) (nullable) */
} AiopoolTypePins;

void aiopool_type_pins_keep  (AiopoolTypePins *self,
                              const char      *type);
void aiopool_type_pins_clear (AiopoolTypePins *self);

G_END_DECLS
