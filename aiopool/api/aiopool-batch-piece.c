/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/api/aiopool-batch-private.h"

#include <string.h>

/* From items to arguments.
 *
 * A function gets each item in a tuple of one, or as it is if the batch unpacks. A GVariant array
 * of T and one of tuples of one T have the same bytes, so that the former costs no copy: the array
 * only gets another type. The argument of a chunk is such an array; if all items have one size it
 * is a part of the whole one, and otherwise made of its items. */

AiopoolPiece *
aiopool_piece_new (guint64 position,
                   guint   n_items)
{
  AiopoolPiece *self = g_new0 (AiopoolPiece, 1);

  self->position = position;
  self->n_items = n_items;
  return self;
}

/* A part of @self, which has no task. */
AiopoolPiece *
aiopool_piece_cut (const AiopoolPiece *self,
                   guint               first,
                   guint               n_items)
{
  AiopoolPiece *part = aiopool_piece_new (self->position + first, n_items);

  part->n_tries = self->n_tries;
  part->argument = self->argument != NULL ? aiopool_payload_ref (self->argument) : NULL;
  part->index = self->index + first;
  part->is_chunk = self->is_chunk;
  return part;
}

/* Where user code may run, if it has a task or an argument. */
void
aiopool_piece_free (AiopoolPiece *self)
{
  g_clear_object (&self->task);
  g_clear_object (&self->told_task);
  g_clear_pointer (&self->argument, aiopool_payload_unref);
  g_free (self);
}

static char *
type_of_arguments (const char *item_type,
                   gboolean    is_unpacked)
{
  return is_unpacked ? g_strdup_printf ("a%s", item_type) : g_strdup_printf ("a(%s)", item_type);
}

/* Whether all values of a type have one size. */
gboolean
aiopool_type_has_one_size (const char *type)
{
  return strpbrk (type, "sogvam") == NULL;
}

/* The array of the source, of which each child is an argument from now on. */
void
aiopool_batch_set_array (AiopoolBatchCore *core,
                         GVariant         *array)
{
  g_autoptr (GBytes) bytes = g_variant_get_data_as_bytes (array);
  g_autofree char *type = type_of_arguments (g_variant_get_type_string (array) + 1,
                                             core->is_unpacked);

  core->array = g_variant_ref_sink (g_variant_new_from_bytes (G_VARIANT_TYPE (type), bytes, TRUE));
  if (aiopool_type_has_one_size (type + 1))
    core->array_bytes = g_bytes_ref (bytes);
}

static AiopoolPayload *
pack (GVariant *variant)
{
  AiopoolPayloadView view;

  aiopool_payload_view_variant (&view, variant);
  if (view.size <= 256)
    return aiopool_payload_new_copy (&view);
  return aiopool_payload_new_bytes (AIOPOOL_FORMAT_GVARIANT, view.type,
                                    g_variant_get_data_as_bytes (variant));
}

static AiopoolPayload *
pack_child (GVariant *array,
            guint64   index)
{
  g_autoptr (GVariant) child = g_variant_get_child_value (array, index);

  return pack (child);
}

/* Of items that all have one size. */
static AiopoolPayload *
pack_part (GVariant *array,
           GBytes   *bytes,
           guint64   first,
           guint     n_items)
{
  gsize size = g_bytes_get_size (bytes) / g_variant_n_children (array);

  return aiopool_payload_new_bytes (AIOPOOL_FORMAT_GVARIANT, g_variant_get_type_string (array),
                                    g_bytes_new_from_bytes (bytes, first * size, n_items * size));
}

static AiopoolPayload *
pack_children (GVariant *array,
               guint64   first,
               guint     n_items)
{
  const GVariantType *type = g_variant_type_element (g_variant_get_type (array));
  GVariant **children = g_new (GVariant *, n_items);
  g_autoptr (GVariant) part = NULL;

  for (guint i = 0; i < n_items; i++)
    children[i] = g_variant_get_child_value (array, first + i);
  part = g_variant_ref_sink (g_variant_new_array (type, children, n_items));
  for (guint i = 0; i < n_items; i++)
    g_variant_unref (children[i]);
  g_free (children);
  return pack (part);
}

static AiopoolPayload *
pack_from_array (GVariant *array,
                 GBytes   *bytes,
                 guint64   first,
                 guint     n_items)
{
  if (n_items == 1)
    return pack_child (array, first);
  if (bytes != NULL)
    return pack_part (array, bytes, first, n_items);
  return pack_children (array, first, n_items);
}

static AiopoolPayload *
pack_from_argument (AiopoolPayload *argument,
                    guint           first,
                    guint           n_items)
{
  g_autoptr (GVariant) array = aiopool_payload_dup_variant (argument, TRUE);

  if (n_items > 1 && first == 0 && n_items == g_variant_n_children (array))
    return aiopool_payload_ref (argument);
  return pack_from_array (array, NULL, first, n_items);
}

/* What is sent: an argument for one item, an array of them for more. Not of a task. */
AiopoolPayload *
aiopool_piece_make_argument (const AiopoolPiece *self,
                             AiopoolBatchCore   *core)
{
  if (self->argument == NULL)
    return pack_from_array (core->array, core->array_bytes, self->position, self->n_items);
  if (self->is_chunk)
    return pack_from_argument (self->argument, self->index, self->n_items);
  return aiopool_payload_ref (self->argument);
}

/* (nullable): the argument of one item; NULL if it came as a task. */
AiopoolPayload *
aiopool_item_view_dup_argument (const AiopoolItemView *view,
                                AiopoolBatchCore      *core)
{
  AiopoolPiece piece = {
    .position = view->position,
    .n_items = 1,
    .argument = view->argument,
    .index = view->index,
    .is_chunk = view->is_chunk,
  };

  if (view->task != NULL || (view->argument == NULL && core->array == NULL))
    return NULL;
  return aiopool_piece_make_argument (&piece, core);
}

static GVariant *
make_tuple (GVariant *value)
{
  return g_variant_ref_sink (g_variant_new_tuple (&value, 1));
}

static GVariant *
make_array (GPtrArray *values,
            gboolean   is_unpacked)
{
  const GVariantType *type = g_variant_get_type (values->pdata[0]);
  g_autofree char *array_type = type_of_arguments (g_variant_get_type_string (values->pdata[0]),
                                                   is_unpacked);
  g_autoptr (GVariant) plain = NULL;
  g_autoptr (GBytes) bytes = NULL;

  plain = g_variant_ref_sink (g_variant_new_array (type, (GVariant **) values->pdata,
                                                   values->len));
  bytes = g_variant_get_data_as_bytes (plain);
  return g_variant_ref_sink (g_variant_new_from_bytes (G_VARIANT_TYPE (array_type), bytes, TRUE));
}

/* With values of one type, in normal form. */
void
aiopool_piece_fill (AiopoolPiece *self,
                    GPtrArray    *values,
                    gboolean      is_unpacked)
{
  g_autoptr (GVariant) argument = NULL;

  self->n_items = values->len;
  self->is_chunk = values->len > 1;
  if (self->is_chunk)
    argument = make_array (values, is_unpacked);
  else if (is_unpacked)
    argument = g_variant_ref (values->pdata[0]);
  else
    argument = make_tuple (values->pdata[0]);
  self->argument = pack (argument);
}
