/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct _AiopoolMailbox AiopoolMailbox;
typedef struct _AiopoolLetter  AiopoolLetter;

typedef void     (*AiopoolLetterFunc) (AiopoolLetter *letter);
typedef gboolean (*AiopoolLetterTest) (AiopoolLetter *letter);

/* What letters of one kind do. */
typedef struct
{
  AiopoolLetterFunc deliver;  /* in the home context, by iteration */
  AiopoolLetterTest is_quiet; /* (nullable): TRUE if delivery would call no user code but drop
                               * references; such a letter wakes nobody */
  gboolean          is_long;  /* delivery may take milliseconds: the clock is looked at then */
} AiopoolLetterKind;

/* Embedded in what is delivered; in at most one mailbox at a time. */
struct _AiopoolLetter
{
  AiopoolLetter           *next;
  const AiopoolLetterKind *kind;
};

/* Letters of one batch that go to one mailbox together. */
typedef struct
{
  AiopoolMailbox *mailbox; /* (unowned: a letter's holder) (nullable) */
  AiopoolLetter  *first;
  AiopoolLetter  *last;
  guint           n_letters;
  gboolean        is_loud;
} AiopoolPostBatch;

AiopoolMailbox *aiopool_mailbox_get_home   (void);
AiopoolMailbox *aiopool_mailbox_for        (GMainContext   *context);
GMainContext   *aiopool_mailbox_get_context (AiopoolMailbox *self);
AiopoolMailbox *aiopool_mailbox_ref        (AiopoolMailbox *self);
void            aiopool_mailbox_unref      (AiopoolMailbox *self);
void            aiopool_mailbox_post       (AiopoolMailbox *self,
                                            AiopoolLetter  *letter);
void            aiopool_post_batch_add     (AiopoolPostBatch *self,
                                            AiopoolMailbox   *mailbox,
                                            AiopoolLetter    *letter,
                                            gboolean          is_quiet);
void            aiopool_post_batch_flush   (AiopoolPostBatch *self);
void            aiopool_mailbox_sweep      (AiopoolMailbox *self);
void            aiopool_mailbox_sweep_home (void);
void            aiopool_mailbox_begin_check (GMainContext  *context);
void            aiopool_mailbox_end_check  (void);

G_END_DECLS
