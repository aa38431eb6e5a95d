/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/runtime/aiopool-registry-private.h"

#include <string.h>

/* The functions of a worker, by the name they were registered with and by the number that the
 * parent gives a name before it first uses it.
 *
 * A name may be defined before a function has it: a task may register functions. Names of numbers
 * are never freed, since calls may outlive the registry. */

#define MAX_NUMBERS (1u << 20)

typedef struct
{
  const char   *name;  /* (nullable): interned; NULL while not defined */
  AiopoolEntry *entry; /* (unowned: entries) (nullable): once looked up */
  gpointer     *slot;  /* (owned) (nullable): of who finds functions by itself; NULL while not
                        * defined */
} Number;

struct _AiopoolRegistry
{
  GHashTable *entries; /* (owned): name to AiopoolEntry */
  GArray     *numbers; /* (owned) of Number */
  gboolean    has_async;
};

static AiopoolEntry *
entry_ref (AiopoolEntry *self)
{
  self->ref_count++;
  return self;
}

void
aiopool_entry_unref (AiopoolEntry *self)
{
  if (--self->ref_count > 0)
    return;
  if (self->destroy != NULL)
    self->destroy (self->user_data);
  g_free (self);
}

AiopoolRegistry *
aiopool_registry_new (void)
{
  AiopoolRegistry *self = g_new0 (AiopoolRegistry, 1);

  self->entries = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
                                         (GDestroyNotify) aiopool_entry_unref);
  self->numbers = g_array_new (FALSE, TRUE, sizeof (Number));
  return self;
}

void
aiopool_registry_free (AiopoolRegistry *self)
{
  g_hash_table_unref (self->entries);
  for (guint i = 0; i < self->numbers->len; i++)
    g_free (g_array_index (self->numbers, Number, i).slot);
  g_array_unref (self->numbers);
  g_free (self);
}

static void
forget_entry (AiopoolRegistry *self,
              AiopoolEntry    *entry)
{
  for (guint i = 0; i < self->numbers->len; i++)
    {
      Number *number = &g_array_index (self->numbers, Number, i);

      if (number->entry == entry)
        number->entry = NULL;
    }
}

/* Instead of an earlier one of that name. */
void
aiopool_registry_add (AiopoolRegistry    *self,
                      const char         *name,
                      const AiopoolEntry *entry)
{
  AiopoolEntry *old = g_hash_table_lookup (self->entries, name);
  AiopoolEntry *copy = g_memdup2 (entry, sizeof *entry);

  if (old != NULL)
    forget_entry (self, old);
  copy->ref_count = 1;
  self->has_async |= copy->async_function != NULL;
  g_hash_table_replace (self->entries, g_strdup (name), copy);
}

/* There is an asynchronous function, or there was one. */
gboolean
aiopool_registry_has_async (AiopoolRegistry *self)
{
  return self->has_async;
}

/* FALSE if a parent does not do that. */
gboolean
aiopool_registry_define (AiopoolRegistry *self,
                         guint64          number,
                         const char      *name,
                         gsize            size)
{
  g_autofree char *terminated = NULL;
  Number *entry;

  if (number >= MAX_NUMBERS || size == 0 || size > AIOPOOL_MAX_FUNCTION_NAME ||
      memchr (name, 0, size) != NULL)
    return FALSE;
  if (number >= self->numbers->len)
    g_array_set_size (self->numbers, (guint) number + 1);
  entry = &g_array_index (self->numbers, Number, number);
  if (entry->name != NULL)
    return FALSE;
  terminated = g_strndup (name, size);
  entry->name = g_intern_string (terminated);
  entry->slot = g_new0 (gpointer, 1);
  return TRUE;
}

/* @entry (out) (transfer full) (nullable): NULL for a name that no function has. @slot (out): the
 * place that belongs to the name, as long as the registry lives.
 * Returns: (nullable): the name, NULL for a number that was not defined. */
const char *
aiopool_registry_find (AiopoolRegistry  *self,
                       guint32           number,
                       AiopoolEntry    **entry,
                       gpointer        **slot)
{
  Number *found;

  *entry = NULL;
  *slot = NULL;
  if (number >= self->numbers->len)
    return NULL;
  found = &g_array_index (self->numbers, Number, number);
  if (found->name == NULL)
    return NULL;
  if (found->entry == NULL)
    found->entry = g_hash_table_lookup (self->entries, found->name);
  if (found->entry != NULL)
    *entry = entry_ref (found->entry);
  *slot = found->slot;
  return found->name;
}
