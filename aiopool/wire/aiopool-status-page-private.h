/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define AIOPOOL_STATUS_N_SLOTS     1024
#define AIOPOOL_STATUS_OUTBOX_SIZE (64 * 1024) /* bytes */

typedef enum
{
  AIOPOOL_SLOT_FREE,
  AIOPOOL_SLOT_SENT,
  AIOPOOL_SLOT_STARTED,
  AIOPOOL_SLOT_REVOKED
} AiopoolSlotState;

typedef struct _AiopoolStatusPage AiopoolStatusPage;

AiopoolStatusPage *aiopool_status_page_new        (int                 *fd,
                                                   GError             **error);
AiopoolStatusPage *aiopool_status_page_open       (int                  fd,
                                                   GError             **error);
void               aiopool_status_page_free       (AiopoolStatusPage   *self);

/* A task id names a slot and its generation: slot in the low 16 bits, generation above. */
#define AIOPOOL_TASK_ID_SLOT(id) ((guint) ((id) & 0xffff))

void               aiopool_status_page_set_sent   (AiopoolStatusPage   *self,
                                                   guint64              id);
void               aiopool_status_page_set_written
                                                  (AiopoolStatusPage   *self,
                                                   guint64              written);
guint64            aiopool_status_page_get_unread (AiopoolStatusPage   *self,
                                                   guint64              received);
gboolean           aiopool_status_page_start      (AiopoolStatusPage   *self,
                                                   guint64              id,
                                                   gint64               now);
gboolean           aiopool_status_page_revoke     (AiopoolStatusPage   *self,
                                                   guint64              id);
gboolean           aiopool_status_page_is_started (AiopoolStatusPage   *self,
                                                   guint64              id,
                                                   gint64              *since);

/* The items of a chunk. */
void               aiopool_status_page_set_items  (AiopoolStatusPage   *self,
                                                   guint64              id,
                                                   guint32              n_items);
gboolean           aiopool_status_page_claim_item (AiopoolStatusPage   *self,
                                                   guint64              id,
                                                   gint64               now,
                                                   guint32             *index);
guint32            aiopool_status_page_cut_items  (AiopoolStatusPage   *self,
                                                   guint64              id,
                                                   guint32              from,
                                                   guint32              n_items);
guint32            aiopool_status_page_get_n_begun (AiopoolStatusPage  *self,
                                                   guint64              id,
                                                   gint64              *since);

guint8            *aiopool_status_page_get_outbox (AiopoolStatusPage   *self);
void               aiopool_status_page_set_base   (AiopoolStatusPage   *self,
                                                   guint64              base);
void               aiopool_status_page_commit     (AiopoolStatusPage   *self,
                                                   guint64              end);
gsize              aiopool_status_page_get_rest   (AiopoolStatusPage   *self,
                                                   guint64              received,
                                                   const guint8       **rest);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (AiopoolStatusPage, aiopool_status_page_free)

G_END_DECLS
