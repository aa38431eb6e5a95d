/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/base/aiopool-mailbox-private.h"

/* A mailbox delivers letters in one main context on behalf of one thread.
 *
 * The engine settles futures in batches and posts them here: one wake-up per batch and context.
 * Letters that would call nobody (quiet ones: all they do is drop references that the engine must
 * not drop) wake nothing; they go with the next iteration of the context, or are swept by the next
 * submit of the thread that the mailbox belongs to, or wait if it used no other since, so that a
 * program which never iterates its context does not pile them up.
 *
 * Threads: post from anywhere. Delivery runs only where the context is iterated; sweep only on the
 * owning thread, and only while no other thread iterates the context. The context is kept alive by
 * what waits for it. If nobody ever iterates it again and its thread never sweeps, letters stay:
 * the one place where their references may be dropped does not exist any more. */

#define MAX_PER_DISPATCH  1024
#define MAX_DISPATCH_USEC 2000
#define MAX_QUIET         256 /* so many letters wake the context even if all are quiet */
#define MAX_SWEEP         64  /* letters looked at in one sweep */

/* The mailbox is the source: its memory lives until no context looks at it any more. It has no
 * ready time, since taking that back in a source that may recurse wakes the context once more. */
struct _AiopoolMailbox
{
  GSource        base;
  int            n_users;   /* atomic: who may post; at zero the source is destroyed */
  GMainContext  *context;   /* (owned) */
  GMutex         lock;      /* guards what follows */
  AiopoolLetter *first;     /* posted, not yet looked at */
  AiopoolLetter *last;
  AiopoolLetter *loud;      /* looked at by a sweep and left for delivery, before first */
  AiopoolLetter *loud_last;
  guint          n_letters; /* posted since it was empty */
  gboolean       is_awake;  /* the context was woken for a letter that is still here */
};

static _Thread_local GMainContext *checked_context; /* see aiopool_mailbox_begin_check() */

static void drop_recent (gpointer data);

static GPrivate recent = G_PRIVATE_INIT (drop_recent); /* the thread's last used mailbox */

/* Under the lock, after a letter was taken out. An empty mailbox lets its context sleep. */
static void
check_empty (AiopoolMailbox *self)
{
  if (self->first == NULL)
    self->last = NULL;
  if (self->first != NULL || self->loud != NULL)
    return;
  self->is_awake = FALSE;
  self->n_letters = 0;
}

static AiopoolLetter *
pop (AiopoolMailbox *self)
{
  AiopoolLetter *letter;

  g_mutex_lock (&self->lock);
  if ((letter = self->loud) != NULL)
    g_atomic_pointer_set (&self->loud, letter->next);
  else if ((letter = self->first) != NULL)
    g_atomic_pointer_set (&self->first, letter->next);
  check_empty (self);
  g_mutex_unlock (&self->lock);
  if (letter != NULL)
    letter->next = NULL;
  return letter;
}

static gboolean
has_letters (AiopoolMailbox *self)
{
  return g_atomic_pointer_get (&self->loud) != NULL || g_atomic_pointer_get (&self->first) != NULL;
}

static gboolean
mailbox_prepare (GSource *source,
                 int     *timeout)
{
  *timeout = -1;
  return has_letters ((AiopoolMailbox *) source);
}

static gboolean
mailbox_check (GSource *source)
{
  return has_letters ((AiopoolMailbox *) source);
}

/* Letters are popped one by one, so that a nested main loop in a callback goes on with the rest. */
static gboolean
mailbox_dispatch (GSource     *source,
                  GSourceFunc  callback,
                  gpointer     user_data)
{
  AiopoolMailbox *self = aiopool_mailbox_ref ((AiopoolMailbox *) source);
  gint64 end = g_get_monotonic_time () + MAX_DISPATCH_USEC;
  AiopoolLetter *letter;

  for (guint n = 1; n <= MAX_PER_DISPATCH && (letter = pop (self)) != NULL; n++)
    {
      gboolean is_long = letter->kind->is_long;

      letter->kind->deliver (letter);
      if ((is_long || n % 16 == 0) && g_get_monotonic_time () > end)
        break;
    }
  aiopool_mailbox_unref (self);
  return G_SOURCE_CONTINUE;
}

static void
mailbox_finalize (GSource *source)
{
  g_mutex_clear (&((AiopoolMailbox *) source)->lock);
}

static GSourceFuncs mailbox_funcs = {
  mailbox_prepare, mailbox_check, mailbox_dispatch, mailbox_finalize, NULL, NULL
};

static AiopoolMailbox *
mailbox_new (GMainContext *context)
{
  AiopoolMailbox *self = (AiopoolMailbox *) g_source_new (&mailbox_funcs, sizeof *self);

  self->n_users = 1;
  self->context = g_main_context_ref (context);
  g_mutex_init (&self->lock);
  g_source_set_static_name (&self->base, "[aiopool] results");
  g_source_set_can_recurse (&self->base, TRUE);
  g_source_attach (&self->base, context);
  return self;
}

static void
drop_recent (gpointer data)
{
  aiopool_mailbox_unref (data);
}

/* (nullable): the one that the calling thread has used last, if it is of @context. */
static AiopoolMailbox *
find_recent (GMainContext *context)
{
  AiopoolMailbox *self = g_private_get (&recent);

  if (context == NULL)
    context = g_main_context_default ();
  return self != NULL && self->context == context ? self : NULL;
}

/* (transfer none): a mailbox of the calling thread for @context. The thread keeps its last one. */
AiopoolMailbox *
aiopool_mailbox_for (GMainContext *context)
{
  AiopoolMailbox *self = find_recent (context);

  if (self != NULL)
    return self;
  self = mailbox_new (context != NULL ? context : g_main_context_default ());
  g_private_replace (&recent, self);
  return self;
}

/* (transfer none): of the context that is thread-default now. */
AiopoolMailbox *
aiopool_mailbox_get_home (void)
{
  return aiopool_mailbox_for (g_main_context_get_thread_default ());
}

GMainContext *
aiopool_mailbox_get_context (AiopoolMailbox *self)
{
  return self->context;
}

AiopoolMailbox *
aiopool_mailbox_ref (AiopoolMailbox *self)
{
  g_atomic_int_inc (&self->n_users);
  return self;
}

/* What holds a letter holds its mailbox, so that there are no letters in one without users. */
void
aiopool_mailbox_unref (AiopoolMailbox *self)
{
  GMainContext *context = self->context;

  if (!g_atomic_int_dec_and_test (&self->n_users))
    return;
  g_source_destroy (&self->base);
  g_source_unref (&self->base);
  g_main_context_unref (context);
}

/* The references in the letters are the context's from now on. */
static void
post_chain (AiopoolMailbox *self,
            AiopoolLetter  *first,
            AiopoolLetter  *last,
            guint           n_letters,
            gboolean        is_loud)
{
  gboolean wake;

  aiopool_mailbox_ref (self);
  last->next = NULL;
  g_mutex_lock (&self->lock);
  if (self->last != NULL)
    self->last->next = first;
  else
    g_atomic_pointer_set (&self->first, first);
  self->last = last;
  self->n_letters += n_letters;
  wake = !self->is_awake && (is_loud || self->n_letters >= MAX_QUIET);
  if (wake)
    self->is_awake = TRUE;
  g_mutex_unlock (&self->lock);
  if (wake && checked_context != self->context)
    g_main_context_wakeup (self->context);
  aiopool_mailbox_unref (self);
}

/* Between these two, in the check of a source of @context, the calling thread wakes that context
 * for no letter: it will look at its mailboxes before it sleeps. */
void
aiopool_mailbox_begin_check (GMainContext *context)
{
  checked_context = context;
}

void
aiopool_mailbox_end_check (void)
{
  checked_context = NULL;
}

/* Posts a letter that wakes the context. */
void
aiopool_mailbox_post (AiopoolMailbox *self,
                      AiopoolLetter  *letter)
{
  post_chain (self, letter, letter, 1, TRUE);
}

/* @is_quiet: nobody waits for this one in the context. Between batch_add() and batch_flush() the
 * letters are the batch's, and what holds them must keep its mailbox. */
void
aiopool_post_batch_add (AiopoolPostBatch *self,
                        AiopoolMailbox   *mailbox,
                        AiopoolLetter    *letter,
                        gboolean          is_quiet)
{
  if (self->mailbox != mailbox)
    {
      aiopool_post_batch_flush (self);
      self->mailbox = mailbox;
    }
  letter->next = NULL;
  if (self->last != NULL)
    self->last->next = letter;
  else
    self->first = letter;
  self->last = letter;
  self->n_letters++;
  self->is_loud |= !is_quiet;
}

void
aiopool_post_batch_flush (AiopoolPostBatch *self)
{
  if (self->first != NULL)
    post_chain (self->mailbox, self->first, self->last, self->n_letters, self->is_loud);
  *self = (AiopoolPostBatch) { NULL };
}

static void
keep_loud (AiopoolMailbox *self,
           AiopoolLetter  *letter)
{
  g_mutex_lock (&self->lock);
  letter->next = NULL;
  if (self->loud != NULL)
    self->loud_last->next = letter;
  else
    g_atomic_pointer_set (&self->loud, letter);
  self->loud_last = letter;
  g_mutex_unlock (&self->lock);
}

static AiopoolLetter *
pop_new (AiopoolMailbox *self)
{
  AiopoolLetter *letter;

  g_mutex_lock (&self->lock);
  if ((letter = self->first) != NULL)
    g_atomic_pointer_set (&self->first, letter->next);
  check_empty (self);
  g_mutex_unlock (&self->lock);
  return letter;
}

static void
sweep_acquired (AiopoolMailbox *self)
{
  AiopoolLetter *letter;

  for (guint n = 0; n < MAX_SWEEP && g_atomic_pointer_get (&self->first) != NULL; n++)
    {
      if ((letter = pop_new (self)) == NULL)
        return;
      if (letter->kind->is_quiet != NULL && letter->kind->is_quiet (letter))
        letter->kind->deliver (letter);
      else
        keep_loud (self, letter);
    }
}

/* Delivers quiet letters without an iteration of the context: on the owning thread only. While
 * another thread iterates the context, that one delivers them. */
void
aiopool_mailbox_sweep (AiopoolMailbox *self)
{
  if (g_atomic_pointer_get (&self->first) == NULL || !g_main_context_acquire (self->context))
    return;
  aiopool_mailbox_ref (self);
  sweep_acquired (self);
  g_main_context_release (self->context);
  aiopool_mailbox_unref (self);
}

/* Of the context that is thread-default now, if the thread has used that last: otherwise there is
 * nothing, and no mailbox is made to see that. */
void
aiopool_mailbox_sweep_home (void)
{
  AiopoolMailbox *self = find_recent (g_main_context_get_thread_default ());

  if (self != NULL)
    aiopool_mailbox_sweep (self);
}
