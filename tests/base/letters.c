/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tests/base/letters.h"

static void
letter_deliver (AiopoolLetter *letter)
{
  Letter *self = (Letter *) letter;

  self->thread = g_thread_self ();
  g_ptr_array_add (self->delivered, self);
  if (self->act != NULL)
    self->act (self);
}

static gboolean
letter_is_quiet (AiopoolLetter *letter)
{
  return ((Letter *) letter)->is_quiet;
}

static const AiopoolLetterKind letter_kind = { letter_deliver, letter_is_quiet, FALSE };

/* (transfer full): loud ones, numbered; to be freed with g_free(). */
Letter *
letters_new (guint      n,
             GPtrArray *delivered)
{
  Letter *letters = g_new0 (Letter, n);

  for (guint i = 0; i < n; i++)
    {
      letters[i].letter.kind = &letter_kind;
      letters[i].number = i;
      letters[i].delivered = delivered;
    }
  return letters;
}

/* In one batch, each as quiet as it says. */
void
post_letters (AiopoolMailbox *mailbox,
              Letter         *letters,
              guint           n)
{
  AiopoolPostBatch batch = { NULL };

  for (guint i = 0; i < n; i++)
    aiopool_post_batch_add (&batch, mailbox, &letters[i].letter, letters[i].is_quiet);
  aiopool_post_batch_flush (&batch);
}

/* One by one, all of them loud. */
void
post_all (AiopoolMailbox *mailbox,
          Letter         *letters,
          guint           n)
{
  for (guint i = 0; i < n; i++)
    aiopool_mailbox_post (mailbox, &letters[i].letter);
}

/* That all of one poster were delivered, in the order in which they were posted. */
void
assert_in_order (GPtrArray *delivered,
                 guint      n)
{
  g_assert_cmpuint (delivered->len, ==, n);
  for (guint i = 0; i < n; i++)
    g_assert_cmpuint (((Letter *) g_ptr_array_index (delivered, i))->number, ==, i);
}

/* (transfer full): the calling thread's for @context. */
AiopoolMailbox *
mailbox_of_thread (GMainContext *context)
{
  return aiopool_mailbox_ref (aiopool_mailbox_for (context));
}
