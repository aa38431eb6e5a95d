/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/workers/aiopool-outbound-private.h"

#include "aiopool/base/aiopool-engine-private.h"
#include "aiopool/wire/aiopool-channel-private.h"
#include "aiopool/wire/aiopool-log-message-private.h"
#include "aiopool/wire/aiopool-message-private.h"
#include "aiopool/wire/aiopool-segment-private.h"

#include <string.h>
#include <unistd.h>

/* The way of tasks to one worker: which are in flight, in which slots, and what is still to be
 * written.
 *
 * add() gives an order a slot and puts its frame behind the others. A large argument is copied into
 * shared memory first, by whoever pumps, outside the lock, in slices; one at a time, and nothing is
 * added behind it meanwhile. An order that is settled while it runs is detached: its slot stays
 * taken until the worker says that it is over.
 *
 * Slots and list: under the scheduler's lock. Writer and copying: the pumping thread's, which is
 * also the one that calls add(). */

#define SLICE_SIZE       (4 * 1024 * 1024) /* bytes copied before others get their turn */
#define MAX_CALLER_COPY  (1024 * 1024)     /* bytes copied on a thread that is not the engine */

typedef struct
{
  AiopoolOrder *order;      /* (unowned) (nullable) */
  guint64       generation;
  gint64        debt;       /* of partial results, see AIOPOOL_EMIT_COST */
  gint64        item_started; /* of a chunk: when the last item began, once it is known */
  guint32       n_begun;    /* items of a chunk, as far as was seen */
  gboolean      is_taken;
} Slot;

struct _AiopoolOutbound
{
  AiopoolStatusPage   *page;     /* (unowned: the peer) */
  AiopoolControl      *control;  /* (unowned: the peer) */
  AiopoolWriter       *writer;   /* (owned) */
  AiopoolSegmentStore *store;    /* (owned) */
  gboolean             is_trusted;
  Slot                *slots;    /* (owned) of AIOPOOL_STATUS_N_SLOTS */
  guint16             *free;     /* (owned): stack of free slots */
  guint                n_free;
  guint                n_orders;
  guint                n_chunks; /* of them */
  gsize                n_bytes;  /* of frames in flight */
  AiopoolOrder        *first;    /* in the order sent */
  AiopoolOrder        *last;
  GByteArray          *known;    /* (owned): function numbers that were defined */
  AiopoolOrder        *copied;   /* atomic (nullable): the one whose argument is being copied; the
                                  * scheduler pins it */
  guint64              copied_id;
  AiopoolSegment      *segment;
  gsize                n_copied;
  gint64               log_debt;  /* of log records, see AIOPOOL_LOG_COST; as the slots */
  gint64               log_paid; /* of which so much was delivered, and not told the worker */
};

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
  self->slots = g_new0 (Slot, AIOPOOL_STATUS_N_SLOTS);
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

/* The order whose argument is being copied, which must stay alive. */
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
  Slot *slot = &self->slots[index];

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

static void
define_function (AiopoolOutbound           *self,
                 const AiopoolFunctionInfo *function)
{
  gsize size = strlen (function->name);
  guint old = self->known->len;

  if (function->number < old && self->known->data[function->number])
    return;
  if (function->number >= old)
    {
      g_byte_array_set_size (self->known, MAX (2 * old, function->number + 16));
      memset (self->known->data + old, 0, self->known->len - old);
    }
  self->known->data[function->number] = TRUE;
  aiopool_message_write_text (aiopool_writer_reserve (self->writer,
                                                      aiopool_message_text_size (size)),
                              AIOPOOL_FRAME_DEFINE, function->number, function->name, size);
}

/* @fd: (transfer full): of a value's memory, or -1; it goes first. @fds (out): (nullable). */
static gboolean
join_fds (int           fd,
          GUnixFDList  *task_fds,
          GUnixFDList **fds,
          GError      **error)
{
  g_autoptr (GUnixFDList) all = NULL;
  const int *array;
  int n = 0;

  *fds = NULL;
  if (fd < 0)
    {
      g_set_object (fds, task_fds);
      return TRUE;
    }
  all = g_unix_fd_list_new_from_array (&fd, 1);
  array = task_fds != NULL ? g_unix_fd_list_peek_fds (task_fds, &n) : NULL;
  for (int i = 0; i < n; i++)
    {
      if (g_unix_fd_list_append (all, array[i], error) < 0)
        return FALSE;
    }
  *fds = g_steal_pointer (&all);
  return TRUE;
}

/* Puts the frame behind the others. @fd: (transfer full): of a segment, or -1, with which this
 * cannot fail. */
static gboolean
write_task (AiopoolOutbound    *self,
            AiopoolOrder       *order,
            guint64             id,
            AiopoolTransport    transport,
            guint64             segment_id,
            int                 fd,
            GError            **error)
{
  const AiopoolSpec *spec = order->spec;
  const AiopoolSpecOptions *options = spec->options;
  AiopoolTaskMessage message = {
    .function = order->function->number, .timeout = options->timeout, .n_items = spec->n_items
  };
  GUnixFDList *fds;
  guint n_fds;

  if (!join_fds (fd, options->fds, &fds, error))
    return FALSE;
  aiopool_payload_get_view (spec->argument, &message.argument.view);
  message.argument.transport = transport;
  message.argument.has_fd = fd >= 0;
  message.argument.segment_id = segment_id;
  if (options->keywords != NULL)
    {
      message.keywords = g_variant_get_data (options->keywords);
      message.keywords_size = g_variant_get_size (options->keywords);
    }
  define_function (self, order->function);
  n_fds = fds != NULL ? (guint) g_unix_fd_list_get_length (fds) : 0;
  if (n_fds > 0)
    aiopool_writer_attach (self->writer, g_steal_pointer (&fds));
  aiopool_message_write_task (aiopool_writer_reserve (self->writer,
                                                      aiopool_message_task_size (&message)),
                              id, (guint8) n_fds, &message);
  g_clear_object (&fds);
  return TRUE;
}

/* Returns TRUE if the argument must be copied first, and the order kept alive for that. */
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
  if (aiopool_payload_get_size (order->spec->argument) <= AIOPOOL_INLINE_LIMIT)
    {
      write_task (self, order, id, AIOPOOL_TRANSPORT_INLINE, 0, -1, NULL);
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
  Slot *slot = &self->slots[AIOPOOL_TASK_ID_SLOT (id)];

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

static Slot *
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
  Slot *slot = slot_of (self, order);
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
  Slot *slot = slot_of (self, order);

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
  Slot *slot = &self->slots[AIOPOOL_TASK_ID_SLOT (id)];

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

static void
tell_forgotten (AiopoolOutbound *self)
{
  g_autoptr (GArray) forgotten = aiopool_segment_store_take_forgotten (self->store);

  for (guint i = 0; forgotten != NULL && i < forgotten->len; i++)
    aiopool_control_send (self->control, AIOPOOL_FRAME_RELEASE, AIOPOOL_SEGMENT_FORGET,
                          g_array_index (forgotten, guint64, i), 0);
}

static gboolean
finish_copy (AiopoolOutbound  *self,
             GError          **error)
{
  AiopoolOrder *order = aiopool_outbound_get_copied (self);
  AiopoolSegment *segment = g_steal_pointer (&self->segment);
  guint64 segment_id = segment->id;
  gsize size = aiopool_payload_get_size (order->spec->argument);
  gboolean ok;
  int fd;

  g_atomic_pointer_set (&self->copied, NULL);
  if (!aiopool_segment_store_finish (self->store, segment, size, &fd, error))
    return FALSE;
  ok = write_task (self, order, self->copied_id,
                   segment_id != 0 ? AIOPOOL_TRANSPORT_SEGMENT : AIOPOOL_TRANSPORT_MEMFD,
                   segment_id, fd, error);
  if (!ok && segment_id != 0) /* the worker never hears of it, and so never releases it */
    aiopool_segment_store_discard (self->store, segment);
  tell_forgotten (self);
  return ok;
}

/* Falls back to the stream when there is no shared memory to be had and the value is not huge. */
static gboolean
start_copy (AiopoolOutbound  *self,
            GError          **error)
{
  g_autoptr (GError) local = NULL;
  AiopoolOrder *order = self->copied;
  gsize size = aiopool_payload_get_size (order->spec->argument);

  self->segment = aiopool_segment_store_acquire (self->store, size, &local);
  if (self->segment != NULL)
    return TRUE;
  g_atomic_pointer_set (&self->copied, NULL);
  if (size > AIOPOOL_FRAME_MAX_BODY / 2)
    {
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  return write_task (self, order, self->copied_id, AIOPOOL_TRANSPORT_INLINE, 0, -1, error);
}

/* Copies a slice. Returns FLUSH_DONE when nothing is left to copy. */
static AiopoolFlush
copy_some (AiopoolOutbound  *self,
           GError          **error)
{
  AiopoolPayloadView view;
  gsize n;

  aiopool_payload_get_view (self->copied->spec->argument, &view);
  n = MIN (view.size - self->n_copied, SLICE_SIZE);
  if (view.size > MAX_CALLER_COPY && !aiopool_engine_is_current ())
    return AIOPOOL_FLUSH_ENGINE;
  if (self->segment == NULL && !start_copy (self, error))
    return AIOPOOL_FLUSH_DONE;
  if (self->copied == NULL)
    return AIOPOOL_FLUSH_DONE;
  memcpy (self->segment->data + self->n_copied, (const guint8 *) view.data + self->n_copied, n);
  self->n_copied += n;
  if (self->n_copied < view.size)
    return AIOPOOL_FLUSH_ENGINE;
  finish_copy (self, error);
  return AIOPOOL_FLUSH_DONE;
}

static AiopoolIoStatus
write_out (AiopoolOutbound *self)
{
  AiopoolIoStatus status = aiopool_writer_flush (self->writer);

  aiopool_status_page_set_written (self->page, aiopool_writer_get_total (self->writer));
  return status;
}

/* The first frame of all, before there is anybody to read it. */
void
aiopool_outbound_send_config (AiopoolOutbound            *self,
                              const AiopoolConfigMessage *config)
{
  gsize size = AIOPOOL_FRAME_HEADER_SIZE + AIOPOOL_FRAME_PAD (sizeof *config);

  aiopool_message_write_config (aiopool_writer_reserve (self->writer, size), config);
  write_out (self);
}

/* Writes what waits. With @error set the order that was being copied cannot be sent. */
AiopoolFlush
aiopool_outbound_flush (AiopoolOutbound  *self,
                        GError          **error)
{
  if (self->copied != NULL)
    {
      AiopoolFlush flush = copy_some (self, error);

      if (flush != AIOPOOL_FLUSH_DONE)
        return flush;
    }
  switch (write_out (self))
    {
    case AIOPOOL_IO_OK:
      return AIOPOOL_FLUSH_DONE;
    case AIOPOOL_IO_AGAIN:
      return AIOPOOL_FLUSH_BLOCKED;
    case AIOPOOL_IO_END:
    default:
      return AIOPOOL_FLUSH_BROKEN;
    }
}

void
aiopool_outbound_release (AiopoolOutbound *self,
                          guint64          segment_id)
{
  aiopool_segment_store_release (self->store, segment_id);
}

/* Whether segments are kept for more values. */
gboolean
aiopool_outbound_has_memory (AiopoolOutbound *self)
{
  return !aiopool_segment_store_is_empty (self->store);
}

void
aiopool_outbound_trim (AiopoolOutbound *self)
{
  aiopool_segment_store_trim (self->store);
  tell_forgotten (self);
}
