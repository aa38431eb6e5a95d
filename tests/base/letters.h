/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/base/aiopool-mailbox-private.h"

G_BEGIN_DECLS

typedef struct _Letter Letter;

/* A letter that notes its delivery. */
struct _Letter
{
  AiopoolLetter  letter;
  guint          number;
  guint          poster;
  gboolean       is_quiet;
  GPtrArray     *delivered; /* (unowned: the test) where it puts itself */
  GThread       *thread;    /* that delivered it */
  void         (*act)       (Letter *letter); /* (nullable): on delivery */
  gpointer       data;      /* for act() */
};

Letter         *letters_new       (guint           n,
                                   GPtrArray      *delivered);
void            post_letters      (AiopoolMailbox *mailbox,
                                   Letter         *letters,
                                   guint           n);
void            post_all          (AiopoolMailbox *mailbox,
                                   Letter         *letters,
                                   guint           n);
void            assert_in_order   (GPtrArray      *delivered,
                                   guint           n);
AiopoolMailbox *mailbox_of_thread (GMainContext   *context);

G_END_DECLS
