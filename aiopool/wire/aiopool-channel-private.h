/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/wire/aiopool-frame-private.h"

#include <gio/gunixfdlist.h>

G_BEGIN_DECLS

typedef struct _AiopoolReader AiopoolReader;
typedef struct _AiopoolWriter AiopoolWriter;

typedef enum
{
  AIOPOOL_IO_OK,
  AIOPOOL_IO_AGAIN, /* would block */
  AIOPOOL_IO_END    /* the other end is gone */
} AiopoolIoStatus;

AiopoolReader     *aiopool_reader_new       (int            fd);
void               aiopool_reader_free      (AiopoolReader *self);
AiopoolIoStatus    aiopool_reader_fill      (AiopoolReader *self,
                                             gboolean       may_block);
AiopoolFrameStatus aiopool_reader_next      (AiopoolReader *self,
                                             AiopoolFrame  *frame);
guint64            aiopool_reader_get_total (AiopoolReader *self);
gsize              aiopool_reader_get_size  (AiopoolReader *self);
void               aiopool_reader_feed      (AiopoolReader *self,
                                             const guint8  *data,
                                             gsize          size);
GUnixFDList       *aiopool_reader_take_fds  (AiopoolReader *self,
                                             guint          n_fds);

AiopoolWriter     *aiopool_writer_new       (int            fd);
void               aiopool_writer_free      (AiopoolWriter *self);
guint8            *aiopool_writer_reserve   (AiopoolWriter *self,
                                             gsize          size);
void               aiopool_writer_attach    (AiopoolWriter *self,
                                             GUnixFDList   *fds);
gsize              aiopool_writer_get_size  (AiopoolWriter *self);
guint64            aiopool_writer_get_total (AiopoolWriter *self);
AiopoolIoStatus    aiopool_writer_flush     (AiopoolWriter *self);

AiopoolIoStatus    aiopool_channel_send     (int            fd,
                                             const guint8  *data,
                                             gsize          size,
                                             GUnixFDList   *fds,
                                             gsize         *sent);

G_END_DECLS
