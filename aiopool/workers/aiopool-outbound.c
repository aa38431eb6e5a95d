/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/workers/aiopool-outbound-parts-private.h"

#include "aiopool/wire/aiopool-log-message-private.h"

/* The way of tasks to one worker: which are in flight, in which slots, and what credit it has for
 * what it sends back. How they are written stands in outbound-write.
 *
 * add() gives an order a slot and puts its frame behind the others. A large argument, and what is
 * large that tasks have in common, is copied into shared memory first, and nothing is added behind
 * it meanwhile. An order that is settled while it
 * runs is detached: its slot stays taken until the worker says that it is over.
 *
 * Slots and list: under the scheduler's lock; add() is called by the pumping thread. */

AiopoolOutbound *
aiopool_outbound_new (int                data_fd,
                      AiopoolStatusPage *page,
                      AiopoolControl    *control,
                      gboolean           is_trusted)
{
  AiopoolOutbound *self = g_new0 (AiopoolOutbound, 1);

  self->page = page;
  self->control = control;
  self->is_trusted = is_trusted;
  self->writer = aiopool_writer_new (data_fd);
  self->store = aiopool_segment_store_new (is_trusted);
  self->slots = g_new0 (AiopoolOutboundSlot, AIOPOOL_STATUS_N_SLOTS);
  self->free = g_new (guint16, AIOPOOL_STATUS_N_SLOTS);
  self->known = g_byte_array_new ();
  for (guint i = 0; i < AIOPOOL_STATUS_N_SLOTS; i++)
    self->free[i] = (guint16) (AIOPOOL_STATUS_N_SLOTS - 1 - i);
  self->n_free = AIOPOOL_STATUS_N_SLOTS;
  return self;
}

void
aiopool_outbound_free (AiopoolOutbound *self)
{
  aiopool_outbound_clear_shared (self);
  aiopool_writer_free (self->writer);
  aiopool_segment_store_free (self->store);
  g_byte_array_unref (self->known);
  g_free (self->slots);
  g_free (self->free);
  g_free (self);
}

/* Orders that are not settled. */
guint
aiopool_outbound_get_n_orders (AiopoolOutbound *self)
{
  return self->n_orders;
}

/* Slots taken, those of settled orders that still run included. */
guint
aiopool_outbound_get_n_slots (AiopoolOutbound *self)
{
  return AIOPOOL_STATUS_N_SLOTS - self->n_free;
}

gsize
aiopool_outbound_get_n_bytes (AiopoolOutbound *self)
{
  return self->n_bytes;
}

AiopoolOrder *
aiopool_outbound_get_last (AiopoolOutbound *self)
{
  return self->last;
}

AiopoolOrder *
aiopool_outbound_get_first (AiopoolOutbound *self)
{
  return self->first;
}

/* Of the orders. */
guint
aiopool_outbound_get_n_chunks (AiopoolOutbound *self)
{
  return self->n_chunks;
}

/* The order for which something is being copied, and which must stay alive. */
AiopoolOrder *
aiopool_outbound_get_copied (AiopoolOutbound *self)
{
  return g_atomic_pointer_get (&self->copied);
}

gboolean
aiopool_outbound_can_add (AiopoolOutbound *self)
{
  return self->n_free > 0 && aiopool_outbound_get_copied (self) == NULL;
}

static guint64
take_slot (AiopoolOutbound *self,
           AiopoolOrder    *order)
{
  guint index = self->free[--self->n_free];
  AiopoolOutboundSlot *slot = &self->slots[index];

  slot->order = order;
  slot->is_taken = TRUE;
  slot->debt = 0;
  slot->item_started = 0;
  slot->n_begun = 0;
  slot->generation++;
  return slot->generation << 16 | index;
}

static void
link_order (AiopoolOutbound *self,
            AiopoolOrder    *order)
{
  order->previous = self->last;
  order->next = NULL;
  if (self->last != NULL)
    self->last->next = order;
  else
    self->first = order;
  self->last = order;
  self->n_orders++;
  self->n_chunks += AIOPOOL_ORDER_IS_CHUNK (order);
}

static void
unlink_order (AiopoolOutbound *self,
              AiopoolOrder    *order)
{
  if (order->previous != NULL)
    order->previous->next = order->next;
  else
    self->first = order->next;
  if (order->next != NULL)
    order->next->previous = order->previous;
  else
    self->last = order->previous;
  order->previous = order->next = NULL;
  order->peer = NULL;
  self->n_orders--;
  self->n_chunks -= AIOPOOL_ORDER_IS_CHUNK (order);
}

static gsize
frame_bytes (const AiopoolSpec *spec)
{
  return 96 + MIN (aiopool_payload_get_size (spec->argument), AIOPOOL_INLINE_LIMIT);
}

/* Returns TRUE if something must be copied first, and the order kept alive for that. */
gboolean
aiopool_outbound_add (AiopoolOutbound *self,
                      AiopoolOrder    *order,
                      gint64           now)
{
  guint64 id = take_slot (self, order);

  order->id = id;
  order->sent = now;
  link_order (self, order);
  self->n_bytes += frame_bytes (order->spec);
  if (AIOPOOL_ORDER_IS_CHUNK (order))
    aiopool_status_page_set_items (self->page, id, order->n_items);
  aiopool_status_page_set_sent (self->page, id);
  if ((order->spec->options->shared == NULL || aiopool_outbound_share_at_once (self, order)) &&
      aiopool_payload_get_size (order->spec->argument) <= AIOPOOL_INLINE_LIMIT)
    {
      aiopool_outbound_write_inline (self, order, id);
      return FALSE;
    }
  g_atomic_pointer_set (&self->copied, order);
  self->copied_id = id;
  self->n_copied = 0;
  return TRUE;
}

/* Whether @id is in flight here; @order is NULL for one that was settled meanwhile. */
gboolean
aiopool_outbound_find (AiopoolOutbound  *self,
                       guint64           id,
                       AiopoolOrder    **order)
{
  guint index = AIOPOOL_TASK_ID_SLOT (id);

  *order = NULL;
  if (index >= AIOPOOL_STATUS_N_SLOTS || !self->slots[index].is_taken ||
      self->slots[index].generation != id >> 16)
    return FALSE;
  *order = self->slots[index].order;
  return TRUE;
}

/* The order with @id is over: its slot is free. */
void
aiopool_outbound_remove (AiopoolOutbound *self,
                         guint64          id)
{
  AiopoolOutboundSlot *slot = &self->slots[AIOPOOL_TASK_ID_SLOT (id)];

  if (slot->order != NULL)
    aiopool_outbound_detach (self, slot->order);
  slot->is_taken = FALSE;
  self->free[self->n_free++] = (guint16) AIOPOOL_TASK_ID_SLOT (id);
}

/* The order is settled; its slot stays taken. */
void
aiopool_outbound_detach (AiopoolOutbound *self,
                         AiopoolOrder    *order)
{
  self->slots[AIOPOOL_TASK_ID_SLOT (order->id)].order = NULL;
  self->n_bytes -= frame_bytes (order->spec);
  unlink_order (self, order);
}

/* Takes an order back unless the worker has started it. */
gboolean
aiopool_outbound_revoke (AiopoolOutbound *self,
                         AiopoolOrder    *order)
{
  guint64 id = order->id;

  if (!aiopool_status_page_revoke (self->page, id))
    return FALSE;
  aiopool_outbound_remove (self, id);
  order->id = 0;
  return TRUE;
}

static AiopoolOutboundSlot *
slot_of (AiopoolOutbound *self,
         AiopoolOrder    *order)
{
  return &self->slots[AIOPOOL_TASK_ID_SLOT (order->id)];
}

/* How many items of a chunk may have begun, and when the last of them did. The worker's claims are
 * taken as far as they can be true, and a time once for each item, so that none runs for ever. */
guint32
aiopool_outbound_count_begun (AiopoolOutbound *self,
                              AiopoolOrder    *order,
                              gint64           now,
                              gint64          *since)
{
  AiopoolOutboundSlot *slot = slot_of (self, order);
  gint64 claimed;
  guint32 n_begun = aiopool_status_page_get_n_begun (self->page, order->id, &claimed);

  n_begun = CLAMP (n_begun, slot->n_begun, order->n_items);
  if (n_begun > slot->n_begun || slot->item_started == 0)
    slot->item_started = CLAMP (claimed, MAX (order->sent, slot->item_started), now);
  slot->n_begun = n_begun;
  *since = slot->item_started;
  return n_begun;
}

/* Results of a chunk came. FALSE if they are not those of the next items that have begun. */
gboolean
aiopool_outbound_take_items (AiopoolOutbound    *self,
                             AiopoolOrder       *order,
                             const AiopoolItems *items,
                             gint64              now)
{
  gint64 since;

  if (items->first != order->n_came ||
      items->n > aiopool_outbound_count_begun (self, order, now, &since) - order->n_came)
    return FALSE;
  order->n_came += items->n;
  return TRUE;
}

/* Takes back the items of a chunk from @from on that have not begun. Returns how many it has. */
guint32
aiopool_outbound_cut (AiopoolOutbound *self,
                      AiopoolOrder    *order,
                      guint32          from)
{
  AiopoolOutboundSlot *slot = slot_of (self, order);

  order->n_items = aiopool_status_page_cut_items (self->page, order->id,
                                                  MAX (from, slot->n_begun), order->n_items);
  return order->n_items;
}

/* A partial result of @size bytes of a task that is in flight came, and gets no credit yet. @cost
 * (out): what to pay for it. FALSE if the worker had to wait with it. */
gboolean
aiopool_outbound_owe (AiopoolOutbound *self,
                      guint64          id,
                      gsize            size,
                      gint64          *cost)
{
  AiopoolOutboundSlot *slot = &self->slots[AIOPOOL_TASK_ID_SLOT (id)];

  if (slot->debt > AIOPOOL_EMIT_CREDIT)
    return FALSE;
  *cost = AIOPOOL_EMIT_COST (size);
  slot->debt += *cost;
  return TRUE;
}

/* Gives credit for what came, and perhaps more. */
void
aiopool_outbound_pay (AiopoolOutbound *self,
                      guint64          id,
                      gint64           cost)
{
  self->slots[AIOPOOL_TASK_ID_SLOT (id)].debt -= cost;
  aiopool_control_send (self->control, AIOPOOL_FRAME_CREDIT, 0, id, (guint64) cost);
}

/* A log record came. FALSE if the worker had to keep it. */
gboolean
aiopool_outbound_owe_log (AiopoolOutbound *self,
                          gint64           cost)
{
  if (self->log_debt + cost > AIOPOOL_LOG_CREDIT)
    return FALSE;
  self->log_debt += cost;
  return TRUE;
}

/* Log records were delivered. The worker hears of it when that makes a difference. */
void
aiopool_outbound_pay_log (AiopoolOutbound *self,
                          gint64           cost)
{
  self->log_paid += cost;
  if (self->log_paid < AIOPOOL_LOG_CREDIT / 4)
    return;
  self->log_debt -= self->log_paid;
  aiopool_control_send (self->control, AIOPOOL_FRAME_CREDIT, 0, 0, (guint64) self->log_paid);
  self->log_paid = 0;
}
