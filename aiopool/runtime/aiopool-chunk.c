/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/runtime/aiopool-chunk-private.h"

#include "aiopool/base/aiopool-error.h"

/* A chunk: items of an array that are run one after the other, each as a task of its own would be.
 *
 * The status page says which items this worker may begin: it takes the next there, and the parent
 * takes back from the end. When there is none any more the chunk is over, and a result without a
 * value says so behind those of the items. */

/* @entry: (transfer full) (nullable); @slot: (nullable). */
AiopoolChunk *
aiopool_chunk_new (guint64                    id,
                   gint64                     started,
                   const char                *function,
                   const AiopoolTaskMessage  *message,
                   AiopoolEntry              *entry,
                   gpointer                  *slot)
{
  AiopoolChunk *self = g_new0 (AiopoolChunk, 1);

  self->id = id;
  self->started = started;
  self->timeout = message->timeout;
  self->function = function;
  self->entry = entry;
  self->slot = slot;
  self->n_items = message->n_items;
  return self;
}

static gboolean
check_function (AiopoolChunk  *self,
                GError       **error)
{
  if (self->entry != NULL || self->slot != NULL)
    return TRUE;
  g_set_error (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_UNKNOWN_FUNCTION,
               "This worker has no function '%s'", self->function);
  return FALSE;
}

static gboolean
check_n_items (AiopoolChunk  *self,
               GError       **error)
{
  if (g_variant_n_children (self->argument.variant) == self->n_items)
    return TRUE;
  g_set_error (error, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_DECODE,
               "A chunk of %u items has %zu of them", self->n_items,
               g_variant_n_children (self->argument.variant));
  return FALSE;
}

/* @fds: (transfer full) (nullable): all that came with the task. With an error no item begins. */
gboolean
aiopool_chunk_read (AiopoolChunk              *self,
                    AiopoolSession            *session,
                    const AiopoolTaskMessage  *message,
                    GUnixFDList               *fds,
                    GError                   **error)
{
  self->fds = fds;
  if (message->keywords != NULL)
    self->keywords = aiopool_argument_copy_keywords (message);
  self->shared_id = message->shared_id;
  return aiopool_argument_read (&self->argument, session, &message->argument, &self->fds, error) &&
         aiopool_shares_read (session->shares, self->shared_id, &self->shared_data, error) &&
         check_function (self, error) && check_n_items (self, error);
}

void
aiopool_chunk_free (AiopoolChunk *self)
{
  g_clear_pointer (&self->entry, aiopool_entry_unref);
  aiopool_argument_clear (&self->argument);
  g_clear_pointer (&self->keywords, g_variant_unref);
  g_clear_object (&self->fds);
  g_clear_pointer (&self->shared_data, g_bytes_unref);
  g_free (self);
}

/* Takes the next item. FALSE if there is none any more. */
gboolean
aiopool_chunk_begin (AiopoolChunk   *self,
                     AiopoolSession *session,
                     gint64          now)
{
  if (!aiopool_status_page_claim_item (session->page, self->id, now, &self->index) ||
      self->index >= self->n_items)
    return FALSE;
  g_atomic_int_set (&self->is_answered, FALSE);
  return TRUE;
}

/* Says that it is over, with @error (nullable) if no item has begun. */
void
aiopool_chunk_end (AiopoolChunk   *self,
                   AiopoolSession *session,
                   gint64          ended,
                   const GError   *error)
{
  AiopoolParcel nothing = { .value.view.format = AIOPOOL_FORMAT_RAW, .fd = -1 };

  aiopool_session_finish (session, self->id);
  if (error != NULL)
    aiopool_parcel_send_error (session, self->id, self->started, ended, NULL, error, NULL);
  else
    aiopool_parcel_send_result (&nothing, session, self->id, self->started, ended, NULL, NULL);
}
