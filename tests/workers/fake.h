/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/wire/aiopool-channel-private.h"
#include "aiopool/wire/aiopool-message-private.h"
#include "aiopool/wire/aiopool-status-page-private.h"

G_BEGIN_DECLS

/* A worker that speaks the protocol by hand. */
typedef struct
{
  AiopoolReader     *reader;
  AiopoolStatusPage *page;
  guint64            nonce;
  const char        *flag;   /* path of the flag file */
  guint64            id;     /* of the last task */
  guint              n_items; /* of that, if it is a chunk */
  guint64            written; /* bytes */
} Fake;

typedef struct
{
  const char *name;
  void      (*act) (Fake       *self,
                    const char *argument); /* (nullable) */
} Step;

extern const Step  hostile_steps[]; /* up to one without a name */

void      write_with_fds (Fake             *self,
                          const guint8     *data,
                          gsize             size,
                          GUnixFDList      *fds);
void      write_all      (Fake             *self,
                          const guint8     *data,
                          gsize             size,
                          int               fd);
void      send_header    (Fake             *self,
                          guint8            type,
                          guint8            n_fds,
                          guint64           id,
                          guint32           length);
guint8   *build_result   (guint64           id,
                          gsize            *size);
int       new_memfd      (gsize             size,
                          int               seals);
void      send_items     (Fake             *self,
                          guint             first,
                          guint             n,
                          guint             n_values);
void      send_large     (Fake             *self,
                          AiopoolTransport  transport,
                          guint64           segment_id,
                          gsize             size,
                          int               fd);
gboolean  next_task      (Fake             *self);

G_END_DECLS
