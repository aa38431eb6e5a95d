/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/runtime/aiopool-run-private.h"

#include <string.h>

/* A run: items of a chunk that follow one another and whose results have one type are sent as one
 * array. It is built here from their bytes, as GVariant's specification says: each aligned as its
 * type asks; behind them, unless all have one size, where each ends, in as few bytes as the size of
 * the whole allows. A GVariantBuilder would cost as much for each item as the item does. */

#define MAX_ITEMS 2048
#define MAX_BYTES (24 * 1024) /* of values; with all else a run fits into the outbox */

struct _AiopoolRun
{
  guint64 id;
  guint32 first;
  guint   n;
  gint64  started;    /* of the first */
  gboolean has_type;
  gsize   alignment;
  gsize   fixed_size; /* of every value, or 0 */
  gsize   size;       /* of data in use */
  char    type[AIOPOOL_RUN_MAX_TYPE + 2]; /* of the array */
  guint32 run_times[MAX_ITEMS];
  guint32 ends[MAX_ITEMS]; /* of each value in data, if there is no fixed size */
  guint8  data[MAX_BYTES + AIOPOOL_RUN_MAX_VALUE + MAX_ITEMS * sizeof (guint32)];
};

AiopoolRun *
aiopool_run_new (void)
{
  AiopoolRun *self = g_new (AiopoolRun, 1);

  self->n = 0;
  self->has_type = FALSE;
  return self;
}

void
aiopool_run_free (AiopoolRun *self)
{
  g_free (self);
}

guint
aiopool_run_get_n (AiopoolRun *self)
{
  return self->n;
}

/* Whether @item may go on with what is here. */
gboolean
aiopool_run_accepts (AiopoolRun           *self,
                     const AiopoolRunItem *item)
{
  return self->n == 0 ||
         (self->n < MAX_ITEMS && self->size < MAX_BYTES && self->id == item->id &&
          self->first + self->n == item->index && strcmp (self->type + 1, item->value.type) == 0);
}

/* That of a container is the largest in it. */
static gsize
alignment_of (const char *type)
{
  gsize alignment = 1;

  for (; *type != '\0'; type++)
    {
      gsize one = strchr ("xtdv", *type) != NULL ? 8
                  : strchr ("iuh", *type) != NULL ? 4
                  : strchr ("nq", *type) != NULL ? 2 : 1;

      alignment = MAX (alignment, one);
    }
  return alignment;
}

/* An empty variant of a type of fixed size has that size all the same. */
static gsize
fixed_size_of (const char *type)
{
  g_autoptr (GVariant) empty = NULL;

  empty = g_variant_ref_sink (g_variant_new_from_data (G_VARIANT_TYPE (type), NULL, 0, TRUE, NULL,
                                                       NULL));
  return g_variant_get_size (empty);
}

/* The next run has mostly the type of the last one. */
static void
begin (AiopoolRun           *self,
       const AiopoolRunItem *item)
{
  self->id = item->id;
  self->first = item->index;
  self->started = item->started;
  self->size = 0;
  if (self->has_type && strcmp (self->type + 1, item->value.type) == 0)
    return;
  self->has_type = TRUE;
  self->type[0] = 'a';
  strcpy (self->type + 1, item->value.type);
  self->alignment = alignment_of (item->value.type);
  self->fixed_size = fixed_size_of (item->value.type);
}

/* One that it accepts. */
void
aiopool_run_add (AiopoolRun           *self,
                 const AiopoolRunItem *item)
{
  gint64 run_time = item->ended - item->started;
  gsize size = item->value.size;
  gsize start;

  if (self->n == 0)
    begin (self, item);
  start = (self->size + self->alignment - 1) & ~(self->alignment - 1);
  memset (self->data + self->size, 0, start - self->size);
  if (item->value.data != NULL)
    memcpy (self->data + start, item->value.data, size);
  else
    memset (self->data + start, 0, size);
  self->size = start + size;
  self->ends[self->n] = (guint32) self->size;
  self->run_times[self->n++] = (guint32) CLAMP (run_time, 0, G_MAXUINT32);
}

/* Bytes of each number that says where a value ends. */
static gsize
offset_size (AiopoolRun *self)
{
  if (self->fixed_size > 0)
    return 0;
  if (self->size + self->n <= G_MAXUINT8)
    return 1;
  return self->size + 2 * (gsize) self->n <= G_MAXUINT16 ? 2 : 4;
}

static void
write_offsets (AiopoolRun *self)
{
  gsize width = offset_size (self);
  guint8 *out = self->data + self->size;

  for (guint i = 0; width > 0 && i < self->n; i++)
    {
      guint32 end = GUINT32_TO_LE (self->ends[i]);

      memcpy (out + i * width, &end, width);
    }
}

static AiopoolItemsMessage
get_message (AiopoolRun *self)
{
  AiopoolItemsMessage message = {
    .first = self->first, .n = self->n, .started = self->started,
    .run_times = (const guint8 *) self->run_times,
    .values = { AIOPOOL_FORMAT_GVARIANT, self->type, self->data,
                self->size + self->n * offset_size (self) },
  };

  return message;
}

/* Of the frame of all that is here. */
gsize
aiopool_run_get_size (AiopoolRun *self)
{
  AiopoolItemsMessage message = get_message (self);

  return aiopool_message_items_size (&message);
}

/* Writes the frame, and is empty. */
void
aiopool_run_write (AiopoolRun *self,
                   guint8     *out)
{
  AiopoolItemsMessage message = get_message (self);

  write_offsets (self);
  aiopool_message_write_items (out, self->id, &message);
  self->n = 0;
}
