/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/base/aiopool-payload-private.h"

#include "aiopool/base/aiopool-type-pin-private.h"

#include <string.h>

#define ALIGNMENT 8 /* the largest that a GVariant asks for */

/* Small values are copied behind the struct, one allocation each; large ones keep a GBytes over
 * the mapping that they arrived in. Those in pieces have the array of these behind the struct, and
 * a GBytes once somebody wants to see them in one. */
struct _AiopoolPayload
{
  int           ref_count; /* atomic */
  AiopoolFormat format;
  GBytes       *bytes; /* atomic (owned) (nullable): NULL when the data is behind the struct */
  gsize         size;
  guint         data_offset : 31; /* in rest */
  guint         has_pieces : 1;
  char          rest[];      /* type string with its NUL, then the data, aligned */
};

static AiopoolPayload *
payload_new (AiopoolFormat format,
             const char   *type,
             gsize         size)
{
  gsize type_size = type != NULL ? strlen (type) + 1 : 1;
  gsize start = G_STRUCT_OFFSET (AiopoolPayload, rest) + type_size;
  gsize offset = ((start + ALIGNMENT - 1) & ~(gsize) (ALIGNMENT - 1)) - start + type_size;
  AiopoolPayload *self = g_malloc (G_STRUCT_OFFSET (AiopoolPayload, rest) + offset + size);

  self->ref_count = 1;
  self->format = format;
  self->bytes = NULL;
  self->data_offset = (guint) offset & G_MAXINT;
  self->has_pieces = FALSE;
  memcpy (self->rest, type != NULL ? type : "", type_size);
  return self;
}

static gpointer
get_rest (const AiopoolPayload *self)
{
  return (gpointer) (self->rest + self->data_offset);
}

AiopoolPayload *
aiopool_payload_new_copy (const AiopoolPayloadView *view)
{
  AiopoolPayload *self = payload_new (view->format, view->type, view->size);

  self->size = view->size;
  if (view->size > 0)
    memcpy (get_rest (self), view->data, view->size);
  return self;
}

/* @variant stays as it is: it is written where it is to be, and nothing of it is kept. */
AiopoolPayload *
aiopool_payload_new_variant (GVariant *variant)
{
  gsize size = g_variant_get_size (variant);
  AiopoolPayload *self = payload_new (AIOPOOL_FORMAT_GVARIANT, g_variant_get_type_string (variant),
                                      size);

  self->size = size;
  g_variant_store (variant, get_rest (self));
  return self;
}

/* (transfer full) for @bytes. */
AiopoolPayload *
aiopool_payload_new_bytes (AiopoolFormat  format,
                           const char    *type,
                           GBytes        *bytes)
{
  AiopoolPayload *self = payload_new (format, type, 0);

  self->bytes = bytes;
  self->size = g_bytes_get_size (bytes);
  return self;
}

static GPtrArray *
get_pieces (const AiopoolPayload *self)
{
  GPtrArray *pieces;

  memcpy (&pieces, get_rest (self), sizeof pieces);
  return pieces;
}

/* What @pieces have, one after the other; not a GVariant. (transfer full) (element-type GBytes) for
 * @pieces, which has a function that frees them. */
AiopoolPayload *
aiopool_payload_new_pieces (AiopoolFormat  format,
                            GPtrArray     *pieces)
{
  AiopoolPayload *self = payload_new (format, NULL, sizeof pieces);

  memcpy (get_rest (self), &pieces, sizeof pieces);
  self->has_pieces = TRUE;
  self->size = 0;
  for (guint i = 0; i < pieces->len; i++)
    self->size += g_bytes_get_size (pieces->pdata[i]);
  return self;
}

/* Copies bytes from @offset on. There are so many. */
static void
copy_pieces (const AiopoolPayload *self,
             gsize                 offset,
             guint8               *out,
             gsize                 n)
{
  GPtrArray *pieces = get_pieces (self);

  for (guint i = 0; n > 0; i++)
    {
      gsize size;
      const guint8 *data = g_bytes_get_data (pieces->pdata[i], &size);
      gsize part = offset < size ? MIN (n, size - offset) : 0;

      if (part > 0)
        memcpy (out, data + offset, part);
      offset -= MIN (offset, size);
      out += part;
      n -= part;
    }
}

/* In any thread; who comes second finds what the first has made. */
static GBytes *
join_pieces (const AiopoolPayload *self)
{
  GBytes **place = &((AiopoolPayload *) self)->bytes;
  GBytes *bytes = g_atomic_pointer_get (place);
  guint8 *data;

  if (bytes != NULL)
    return bytes;
  data = g_malloc (MAX (self->size, 1));
  copy_pieces (self, 0, data, self->size);
  bytes = g_bytes_new_take (data, self->size);
  if (g_atomic_pointer_compare_and_exchange (place, NULL, bytes))
    return bytes;
  g_bytes_unref (bytes);
  return g_atomic_pointer_get (place);
}

/* (nullable): NULL when the data is behind the struct. */
static GBytes *
get_bytes (const AiopoolPayload *self)
{
  return self->has_pieces ? join_pieces (self) : self->bytes;
}

AiopoolPayload *
aiopool_payload_ref (AiopoolPayload *self)
{
  g_atomic_int_inc (&self->ref_count);
  return self;
}

void
aiopool_payload_unref (AiopoolPayload *self)
{
  if (!g_atomic_int_dec_and_test (&self->ref_count))
    return;
  g_clear_pointer (&self->bytes, g_bytes_unref);
  if (self->has_pieces)
    g_ptr_array_unref (get_pieces (self));
  g_free (self);
}

/* All but the data, which is not looked at. */
void
aiopool_payload_describe (const AiopoolPayload *self,
                          AiopoolPayloadView   *view)
{
  view->format = self->format;
  view->type = self->format == AIOPOOL_FORMAT_GVARIANT ? self->rest : NULL;
  view->size = self->size;
  view->data = NULL;
}

/* Of what @self owns. Pieces are joined for that. */
void
aiopool_payload_get_view (const AiopoolPayload *self,
                          AiopoolPayloadView   *view)
{
  GBytes *bytes = get_bytes (self);

  aiopool_payload_describe (self, view);
  view->data = bytes != NULL ? g_bytes_get_data (bytes, NULL) : get_rest (self);
}

/* Copies @n bytes from @offset on; pieces stay what they are. There are so many. */
void
aiopool_payload_copy (const AiopoolPayload *self,
                      gsize                 offset,
                      gpointer              out,
                      gsize                 n)
{
  AiopoolPayloadView view;

  if (self->has_pieces)
    {
      copy_pieces (self, offset, out, n);
      return;
    }
  aiopool_payload_get_view (self, &view);
  memcpy (out, (const guint8 *) view.data + offset, n);
}

AiopoolFormat
aiopool_payload_get_format (const AiopoolPayload *self)
{
  return self->format;
}

gsize
aiopool_payload_get_size (const AiopoolPayload *self)
{
  return self->size;
}

/* Shares the memory of the payload. */
GBytes *
aiopool_payload_dup_bytes (AiopoolPayload *self)
{
  GBytes *bytes = get_bytes (self);

  if (bytes != NULL)
    return g_bytes_ref (bytes);
  return g_bytes_new_with_free_func (get_rest (self), self->size,
                                     (GDestroyNotify) aiopool_payload_unref,
                                     aiopool_payload_ref (self));
}

/* The unit tuple, which is what functions without a result return. */
static GVariant *
dup_unit (void)
{
  static GVariant *unit; /* (owned): for good */

  if (g_once_init_enter (&unit))
    g_once_init_leave (&unit, g_variant_ref_sink (g_variant_new_tuple (NULL, 0)));
  return g_variant_ref (unit);
}

/* @trusted: whether the data may be taken to be in normal form. Not for other formats. */
GVariant *
aiopool_payload_dup_variant (AiopoolPayload *self,
                             gboolean        trusted)
{
  g_autoptr (GBytes) bytes = NULL;
  GVariant *variant;

  g_assert (self->format == AIOPOOL_FORMAT_GVARIANT);
  if (g_str_equal (self->rest, "()"))
    return dup_unit ();
  bytes = aiopool_payload_dup_bytes (self);
  variant = g_variant_new_from_bytes (G_VARIANT_TYPE (self->rest), bytes, trusted);
  aiopool_type_pin (variant);
  return g_variant_ref_sink (variant);
}

/* Serialises @variant if it is not yet. */
void
aiopool_payload_view_variant (AiopoolPayloadView *view,
                              GVariant           *variant)
{
  view->format = AIOPOOL_FORMAT_GVARIANT;
  view->type = g_variant_get_type_string (variant);
  view->size = g_variant_get_size (variant);
  view->data = g_variant_get_data (variant);
}

void
aiopool_payload_view_bytes (AiopoolPayloadView *view,
                            AiopoolFormat       format,
                            GBytes             *bytes)
{
  view->format = format;
  view->type = NULL;
  view->data = g_bytes_get_data (bytes, &view->size);
}
