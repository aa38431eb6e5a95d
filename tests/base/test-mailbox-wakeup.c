/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tests/base/letters.h"

#include <poll.h>
#include <unistd.h>

/* Who wakes the context and who does not. The test stands in for poll(): while the context would
 * sleep, another thread does what the test is about, and then it shows whether the context was
 * woken: its wake-up descriptor, an eventfd, holds how many times. */

#define MAX_QUIET 256 /* as in the mailbox */

typedef struct
{
  GMainContext   *context;
  AiopoolMailbox *mailbox;
  GPtrArray      *delivered; /* of Letter */
  Letter         *letters;   /* (owned) */
  guint           n;
  GThreadFunc     job;       /* (nullable): what another thread does in the next sleep */
  guint64         n_wakes;   /* of the last sleep */
} Sleeper;

static Sleeper *sleeper; /* of the test that runs: a GPollFunc has no user data */

static guint64
count_wakes (GPollFD *wake_fd)
{
  guint64 count = 0;

  if (g_poll (wake_fd, 1, 0) == 0)
    return 0;
  g_assert_cmpint (read (wake_fd->fd, &count, sizeof count), ==, sizeof count);
  g_assert_cmpint (write (wake_fd->fd, &count, sizeof count), ==, sizeof count);
  return count;
}

static int
sleep_in_test (GPollFD *fds,
               guint    n_fds,
               int      timeout)
{
  GThreadFunc job = g_steal_pointer (&sleeper->job);

  g_assert_cmpuint (n_fds, ==, 1);
  if (job != NULL)
    {
      g_assert_cmpint (timeout, ==, -1);
      g_thread_join (g_thread_new ("poster", job, sleeper));
      sleeper->n_wakes = count_wakes (&fds[0]);
    }
  return g_poll (fds, n_fds, 0);
}

static void
sleeper_open (Sleeper *self,
              guint    n)
{
  *self = (Sleeper) { .context = g_main_context_new (), .n = n };
  self->mailbox = mailbox_of_thread (self->context);
  self->delivered = g_ptr_array_new ();
  self->letters = letters_new (n, self->delivered);
  g_main_context_set_poll_func (self->context, sleep_in_test);
  sleeper = self;
  g_main_context_iteration (self->context, FALSE); /* what attaching the mailbox left behind */
}

static void
sleeper_close (Sleeper *self)
{
  sleeper = NULL;
  aiopool_mailbox_unref (self->mailbox);
  g_main_context_unref (self->context);
  g_ptr_array_unref (self->delivered);
  g_free (self->letters);
}

/* One iteration with @job in its sleep. Returns the number of wake-ups. */
static guint64
sleep_while (Sleeper     *self,
             GThreadFunc  job)
{
  self->job = job;
  self->n_wakes = G_MAXUINT64;
  g_main_context_iteration (self->context, TRUE);
  g_assert_null (self->job);
  return self->n_wakes;
}

static void
make_quiet (Sleeper *self,
            guint    first,
            guint    n)
{
  for (guint i = first; i < first + n; i++)
    self->letters[i].is_quiet = TRUE;
}

static gpointer
post_one_batch (gpointer data)
{
  Sleeper *self = data;

  post_letters (self->mailbox, self->letters, self->n);
  return NULL;
}

static gpointer
post_one_by_one (gpointer data)
{
  Sleeper *self = data;

  post_all (self->mailbox, self->letters, self->n);
  return NULL;
}

static gpointer
post_each_quietly (gpointer data)
{
  Sleeper *self = data;

  for (guint i = 0; i < self->n; i++)
    post_letters (self->mailbox, &self->letters[i], 1);
  return NULL;
}

static gpointer
post_nothing (gpointer data)
{
  return NULL;
}

static void
test_batch_wakes_once (void)
{
  Sleeper self;

  sleeper_open (&self, 1000);
  g_assert_cmpuint (sleep_while (&self, post_one_batch), ==, 1);
  while (self.delivered->len < 1000)
    g_assert_true (g_main_context_iteration (self.context, FALSE));
  assert_in_order (self.delivered, 1000);
  sleeper_close (&self);
}

static void
test_letters_posted_before_delivery_wake_once (void)
{
  Sleeper self;

  sleeper_open (&self, 100);
  g_assert_cmpuint (sleep_while (&self, post_one_by_one), ==, 1);
  assert_in_order (self.delivered, 100);
  g_assert_false (g_main_context_iteration (self.context, FALSE));
  sleeper_close (&self);
}

static void
test_each_delivery_makes_the_next_letter_wake_again (void)
{
  Sleeper self;

  for (guint round = 0; round < 10; round++)
    {
      sleeper_open (&self, 3);
      for (guint i = 1; i <= 3; i++)
        {
          self.n = i;
          g_ptr_array_set_size (self.delivered, 0);
          g_assert_cmpuint (sleep_while (&self, post_one_batch), ==, 1);
          assert_in_order (self.delivered, i);
        }
      sleeper_close (&self);
    }
}

static void
test_quiet_letters_wake_nobody (void)
{
  Sleeper self;

  sleeper_open (&self, 100);
  make_quiet (&self, 0, 100);
  g_assert_cmpuint (sleep_while (&self, post_one_batch), ==, 0);
  sleeper_close (&self);
}

static void
test_quiet_letters_go_with_the_next_iteration (void)
{
  Sleeper self;

  sleeper_open (&self, 100);
  make_quiet (&self, 0, 100);
  post_one_batch (&self);
  g_assert_cmpuint (self.delivered->len, ==, 0);
  g_assert_true (g_main_context_iteration (self.context, FALSE));
  assert_in_order (self.delivered, 100);
  sleeper_close (&self);
}

static void
test_one_loud_letter_wakes_for_all (void)
{
  Sleeper self;

  sleeper_open (&self, 100);
  make_quiet (&self, 0, 100);
  self.letters[50].is_quiet = FALSE;
  g_assert_cmpuint (sleep_while (&self, post_one_batch), ==, 1);
  assert_in_order (self.delivered, 100);
  sleeper_close (&self);
}

static void
test_many_quiet_letters_wake_after_all (void)
{
  Sleeper self;

  sleeper_open (&self, MAX_QUIET - 1);
  make_quiet (&self, 0, self.n);
  g_assert_cmpuint (sleep_while (&self, post_each_quietly), ==, 0);
  sleeper_close (&self);

  sleeper_open (&self, 3 * MAX_QUIET);
  make_quiet (&self, 0, self.n);
  g_assert_cmpuint (sleep_while (&self, post_each_quietly), ==, 1);
  while (self.delivered->len < self.n)
    g_assert_true (g_main_context_iteration (self.context, FALSE));
  assert_in_order (self.delivered, self.n);
  sleeper_close (&self);
}

static void
test_empty_mailbox_lets_its_context_sleep (void)
{
  Sleeper self;

  sleeper_open (&self, 1);
  g_assert_cmpuint (sleep_while (&self, post_one_batch), ==, 1);
  g_assert_cmpuint (sleep_while (&self, post_nothing), ==, 0);
  g_assert_cmpuint (sleep_while (&self, post_nothing), ==, 0);
  sleeper_close (&self);
}

static void
test_sweep_delivers_quiet_letters_at_once (void)
{
  Sleeper self;

  sleeper_open (&self, 10);
  make_quiet (&self, 0, 10);
  post_one_batch (&self);
  aiopool_mailbox_sweep (self.mailbox);
  assert_in_order (self.delivered, 10);
  g_assert_false (g_main_context_iteration (self.context, FALSE));
  aiopool_mailbox_sweep (self.mailbox);
  g_assert_cmpuint (self.delivered->len, ==, 10);
  sleeper_close (&self);
}

/* The odd ones are loud, and more come after the sweep. */
static void
test_sweep_keeps_loud_letters_in_order (void)
{
  Sleeper self;

  sleeper_open (&self, 20);
  for (guint i = 0; i < 10; i += 2)
    self.letters[i].is_quiet = TRUE;
  post_letters (self.mailbox, self.letters, 10);
  aiopool_mailbox_sweep (self.mailbox);
  g_assert_cmpuint (self.delivered->len, ==, 5);
  for (guint i = 0; i < 5; i++)
    g_assert_true (g_ptr_array_index (self.delivered, i) == &self.letters[2 * i]);

  post_letters (self.mailbox, self.letters + 10, 5);
  aiopool_mailbox_sweep (self.mailbox);
  g_assert_cmpuint (self.delivered->len, ==, 5);
  post_letters (self.mailbox, self.letters + 15, 5);
  g_assert_true (g_main_context_iteration (self.context, FALSE));
  g_assert_cmpuint (self.delivered->len, ==, 20);
  for (guint i = 0; i < 5; i++)
    g_assert_true (g_ptr_array_index (self.delivered, 5 + i) == &self.letters[2 * i + 1]);
  for (guint i = 10; i < 20; i++)
    g_assert_true (g_ptr_array_index (self.delivered, i) == &self.letters[i]);
  sleeper_close (&self);
}

static void
test_sweep_does_a_bounded_amount (void)
{
  Sleeper self;
  guint n_sweeps = 0;

  sleeper_open (&self, 200);
  make_quiet (&self, 0, 200);
  post_one_batch (&self);
  for (; self.delivered->len < 200; n_sweeps++)
    {
      guint before = self.delivered->len;

      aiopool_mailbox_sweep (self.mailbox);
      g_assert_cmpuint (self.delivered->len - before, >, 0);
      g_assert_cmpuint (self.delivered->len - before, <=, 64);
    }
  g_assert_cmpuint (n_sweeps, >=, 4);
  assert_in_order (self.delivered, 200);
  sleeper_close (&self);
}

static gpointer
post_alternating (gpointer data)
{
  Sleeper *self = data;

  for (guint i = 0; i < self->n; i++)
    post_letters (self->mailbox, &self->letters[i], 1);
  return NULL;
}

/* Sweeps and iterations of one thread against posts of another: nothing is lost or doubled, and
 * loud ones keep their order. */
static void
test_sweep_and_post_race_without_loss (void)
{
  const guint n = 20000;
  guint next_loud = 1;
  GThread *thread;
  Sleeper self;

  sleeper_open (&self, n);
  for (guint i = 0; i < n; i += 2)
    self.letters[i].is_quiet = TRUE;
  thread = g_thread_new ("poster", post_alternating, &self);
  for (guint round = 0; self.delivered->len < n; round++)
    {
      aiopool_mailbox_sweep (self.mailbox);
      if (round % 16 == 0)
        g_main_context_iteration (self.context, FALSE);
    }
  g_thread_join (thread);

  g_assert_cmpuint (self.delivered->len, ==, n);
  for (guint i = 0; i < n; i++)
    {
      Letter *letter = g_ptr_array_index (self.delivered, i);

      if (letter->is_quiet)
        continue;
      g_assert_cmpuint (letter->number, ==, next_loud);
      next_loud += 2;
    }
  sleeper_close (&self);
}

static gpointer
post_to_home (gpointer data)
{
  Letter *letter = data;

  aiopool_mailbox_post (letter->data, &letter->letter);
  return NULL;
}

static void
have_next_posted (Letter *letter)
{
  g_thread_join (g_thread_new ("poster", post_to_home, letter + 1));
}

static gpointer
post_the_last (gpointer data)
{
  Sleeper *self = data;

  aiopool_mailbox_post (self->mailbox, &self->letters[self->n - 1].letter);
  return NULL;
}

/* The second letter comes while the first is delivered, wakes, and goes with it; the third comes
 * when the context sleeps again. */
static void
test_letter_behind_one_that_came_during_delivery_wakes (void)
{
  Sleeper self;

  sleeper_open (&self, 3);
  self.letters[0].act = have_next_posted;
  self.letters[1].data = self.mailbox;
  aiopool_mailbox_post (self.mailbox, &self.letters[0].letter);
  g_main_context_iteration (self.context, FALSE);
  g_assert_cmpuint (self.delivered->len, ==, 2);
  g_assert_false (g_main_context_iteration (self.context, FALSE));

  g_assert_cmpuint (sleep_while (&self, post_the_last), ==, 1);
  assert_in_order (self.delivered, 3);
  sleeper_close (&self);
}

static void
count_delivery (Letter *letter)
{
  g_atomic_int_inc ((int *) letter->data);
}

/* In groups of one to three, each when the one before it was delivered. */
static gpointer
post_and_wait (gpointer data)
{
  Sleeper *self = data;
  const int *n_delivered = self->letters[0].data;
  guint done = 0;

  for (guint size = 1; done < self->n; size = size % 3 + 1)
    {
      guint n = MIN (size, self->n - done);

      post_all (self->mailbox, self->letters + done, n);
      done += n;
      while (g_atomic_int_get (n_delivered) < (int) done)
        g_thread_yield ();
    }
  return NULL;
}

/* Here poll() is the real one: a letter that comes while others are delivered and wakes nobody
 * would be waited for in vain. */
static void
test_letter_posted_while_others_are_delivered_is_not_forgotten (void)
{
  const guint n = 30000;
  int n_delivered = 0;
  GThread *thread;
  Sleeper self;

  sleeper_open (&self, n);
  g_main_context_set_poll_func (self.context, NULL);
  for (guint i = 0; i < n; i++)
    {
      self.letters[i].act = count_delivery;
      self.letters[i].data = &n_delivered;
    }
  thread = g_thread_new ("poster", post_and_wait, &self);
  while (self.delivered->len < n)
    g_main_context_iteration (self.context, TRUE);
  g_thread_join (thread);
  assert_in_order (self.delivered, n);
  sleeper_close (&self);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/mailbox/wakeup/batch-wakes-once", test_batch_wakes_once);
  g_test_add_func ("/mailbox/wakeup/letters-posted-before-delivery-wake-once",
                   test_letters_posted_before_delivery_wake_once);
  g_test_add_func ("/mailbox/wakeup/each-delivery-makes-the-next-letter-wake-again",
                   test_each_delivery_makes_the_next_letter_wake_again);
  g_test_add_func ("/mailbox/wakeup/quiet-letters-wake-nobody", test_quiet_letters_wake_nobody);
  g_test_add_func ("/mailbox/wakeup/quiet-letters-go-with-the-next-iteration",
                   test_quiet_letters_go_with_the_next_iteration);
  g_test_add_func ("/mailbox/wakeup/one-loud-letter-wakes-for-all",
                   test_one_loud_letter_wakes_for_all);
  g_test_add_func ("/mailbox/wakeup/many-quiet-letters-wake-after-all",
                   test_many_quiet_letters_wake_after_all);
  g_test_add_func ("/mailbox/wakeup/empty-mailbox-lets-its-context-sleep",
                   test_empty_mailbox_lets_its_context_sleep);
  g_test_add_func ("/mailbox/wakeup/letter-behind-one-that-came-during-delivery-wakes",
                   test_letter_behind_one_that_came_during_delivery_wakes);
  g_test_add_func ("/mailbox/wakeup/letter-posted-while-others-are-delivered-is-not-forgotten",
                   test_letter_posted_while_others_are_delivered_is_not_forgotten);
  g_test_add_func ("/mailbox/sweep/delivers-quiet-letters-at-once",
                   test_sweep_delivers_quiet_letters_at_once);
  g_test_add_func ("/mailbox/sweep/keeps-loud-letters-in-order",
                   test_sweep_keeps_loud_letters_in_order);
  g_test_add_func ("/mailbox/sweep/does-a-bounded-amount", test_sweep_does_a_bounded_amount);
  g_test_add_func ("/mailbox/sweep/and-post-race-without-loss",
                   test_sweep_and_post_race_without_loss);
  return g_test_run ();
}
