/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/workers/aiopool-outbound-parts-private.h"

#include <string.h>

/* Which shared data a worker has.
 *
 * It is told of it before the first task that needs it, keeps so and so many, and is told to forget
 * what was used longest ago for a new one, and what nobody owns any more. The stream is in order:
 * nothing is forgotten there which a task before it needs.
 *
 * All of it is the pumping thread's. */

typedef struct
{
  AiopoolShared *shared; /* (owned): a reference alone, so that its address is no other's */
  guint64        id;     /* on the wire */
} Told;

static void
told_clear (gpointer data)
{
  aiopool_shared_unref (((Told *) data)->shared);
}

static void
forget (AiopoolOutbound *self,
        guint            index)
{
  Told *told = &g_array_index (self->told, Told, index);
  guint64 id = told->id;

  aiopool_shared_remove_teller (told->shared, &self->teller);
  g_array_remove_index (self->told, index);
  aiopool_message_write_text (aiopool_writer_reserve (self->writer,
                                                      aiopool_message_text_size (0)),
                              AIOPOOL_FRAME_UNSHARE, id, NULL, 0);
}

/* Tells the worker, who has been told something, to forget what nobody owns any more. */
void
aiopool_outbound_forget_dead (AiopoolOutbound *self)
{
  guint n_deaths = aiopool_shared_get_n_deaths ();

  if (self->n_deaths == n_deaths)
    return;
  self->n_deaths = n_deaths;
  for (guint i = self->told->len; i > 0; i--)
    {
      if (aiopool_shared_is_dead (g_array_index (self->told, Told, i - 1).shared))
        forget (self, i - 1);
    }
}

/* That used last comes first. Returns its id, or 0 if the worker does not have it. */
guint64
aiopool_outbound_find_shared (AiopoolOutbound *self,
                              AiopoolShared   *shared)
{
  guint n_told = self->told != NULL ? self->told->len : 0;

  for (guint i = 0; i < n_told; i++)
    {
      Told told = g_array_index (self->told, Told, i);

      if (told.shared != shared)
        continue;
      if (i > 0)
        {
          memmove (self->told->data + sizeof told, self->told->data, i * sizeof told);
          g_array_index (self->told, Told, 0) = told;
        }
      return told.id;
    }
  return 0;
}

static guint64
add (AiopoolOutbound *self,
     AiopoolShared   *shared)
{
  Told told = { aiopool_shared_ref (shared), ++self->last_shared_id };

  if (self->told == NULL)
    {
      self->told = g_array_new (FALSE, FALSE, sizeof (Told));
      g_array_set_clear_func (self->told, told_clear);
    }
  aiopool_outbound_forget_dead (self);
  if (self->told->len >= AIOPOOL_MAX_SHARED)
    forget (self, self->told->len - 1);
  g_array_prepend_val (self->told, told);
  aiopool_shared_add_teller (shared, &self->teller);
  return told.id;
}

/* Puts the frame behind the others: with the memory, or, if @fds is NULL, with the bytes. */
void
aiopool_outbound_write_share (AiopoolOutbound *self,
                              AiopoolShared   *shared,
                              GUnixFDList     *fds)
{
  guint64 id = add (self, shared);
  AiopoolValueMessage message = { .has_fd = fds != NULL };

  aiopool_payload_view_bytes (&message.view, AIOPOOL_FORMAT_RAW,
                              aiopool_shared_get_bytes (shared));
  message.transport = fds != NULL ? AIOPOOL_TRANSPORT_MEMFD : AIOPOOL_TRANSPORT_INLINE;
  if (fds != NULL)
    aiopool_writer_attach (self->writer, g_object_ref (fds));
  aiopool_message_write_share (aiopool_writer_reserve (self->writer,
                                                       aiopool_message_share_size (&message)),
                               id, &message);
}

/* Whether the worker has what the order shares, or could be told of it at once. */
gboolean
aiopool_outbound_share_at_once (AiopoolOutbound *self,
                                AiopoolOrder    *order)
{
  AiopoolShared *shared = order->spec->options->shared;
  g_autoptr (GUnixFDList) fds = NULL;

  if (aiopool_outbound_find_shared (self, shared) != 0)
    return TRUE;
  fds = aiopool_shared_dup_fds (shared);
  if (fds == NULL && aiopool_shared_get_size (shared) > AIOPOOL_INLINE_LIMIT)
    return FALSE;
  aiopool_outbound_write_share (self, shared, fds);
  return TRUE;
}

/* Who hears on the engine thread that there is something to forget. */
void
aiopool_outbound_follow_deaths (AiopoolOutbound *self,
                                void           (*died) (gpointer owner),
                                gpointer         owner)
{
  self->teller.died = died;
  self->teller.owner = owner;
}

/* The worker is gone. */
void
aiopool_outbound_clear_shared (AiopoolOutbound *self)
{
  for (guint i = 0; self->told != NULL && i < self->told->len; i++)
    aiopool_shared_remove_teller (g_array_index (self->told, Told, i).shared, &self->teller);
  g_clear_pointer (&self->told, g_array_unref);
}
