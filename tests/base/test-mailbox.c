/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tests/base/letters.h"

#define N_THREADS 4
#define N_LETTERS 2000

typedef struct
{
  GMainContext   *context;
  AiopoolMailbox *mailbox;
  GPtrArray      *delivered; /* of Letter */
  Letter         *letters;   /* (owned) */
  guint           n;
} Box;

static void
box_open (Box   *box,
          guint  n)
{
  box->context = g_main_context_new ();
  box->mailbox = mailbox_of_thread (box->context);
  box->delivered = g_ptr_array_new ();
  box->letters = letters_new (n, box->delivered);
  box->n = n;
}

static void
box_close (Box *box)
{
  aiopool_mailbox_unref (box->mailbox);
  g_main_context_unref (box->context);
  g_ptr_array_unref (box->delivered);
  g_free (box->letters);
}

static void
iterate_until (Box   *box,
               guint  n_delivered)
{
  while (box->delivered->len < n_delivered)
    g_main_context_iteration (box->context, TRUE);
}

static gpointer
post_from_thread (gpointer data)
{
  Box *box = data;

  post_all (box->mailbox, box->letters, box->n);
  return NULL;
}

static void
test_letters_arrive_in_order_in_the_context_of_the_mailbox (void)
{
  GThread *poster;
  Box box;

  box_open (&box, N_LETTERS);
  poster = g_thread_new ("poster", post_from_thread, &box);
  iterate_until (&box, N_LETTERS);
  g_thread_join (poster);

  assert_in_order (box.delivered, N_LETTERS);
  for (guint i = 0; i < N_LETTERS; i++)
    g_assert_true (box.letters[i].thread == g_thread_self ());
  box_close (&box);
}

static void
test_post_delivers_nothing_itself (void)
{
  Box box;

  box_open (&box, 3);
  post_letters (box.mailbox, box.letters, 3);
  g_assert_cmpuint (box.delivered->len, ==, 0);
  g_assert_true (g_main_context_iteration (box.context, FALSE));
  assert_in_order (box.delivered, 3);
  g_assert_false (g_main_context_iteration (box.context, FALSE));
  box_close (&box);
}

typedef struct
{
  Box   *box;
  guint  first;
  guint  number;
} Poster;

/* Half of them in batches of growing size. */
static gpointer
post_mixed (gpointer data)
{
  Poster *poster = data;
  Letter *letters = poster->box->letters + poster->first;
  guint done = 0;

  for (guint i = 0; i < N_LETTERS; i++)
    {
      letters[i].number = i;
      letters[i].poster = poster->number;
    }
  for (guint size = 1; done < N_LETTERS; size = size % 50 + 1)
    {
      guint n = MIN (size, N_LETTERS - done);

      if (size % 2 == 0)
        post_letters (poster->box->mailbox, letters + done, n);
      else
        post_all (poster->box->mailbox, letters + done, n);
      done += n;
    }
  return NULL;
}

static void
test_letters_of_each_thread_stay_in_order (void)
{
  Poster posters[N_THREADS];
  GThread *threads[N_THREADS];
  guint next[N_THREADS] = { 0 };
  Box box;

  box_open (&box, N_THREADS * N_LETTERS);
  for (guint i = 0; i < N_THREADS; i++)
    {
      posters[i] = (Poster) { &box, i * N_LETTERS, i };
      threads[i] = g_thread_new ("poster", post_mixed, &posters[i]);
    }
  iterate_until (&box, N_THREADS * N_LETTERS);
  for (guint i = 0; i < N_THREADS; i++)
    g_thread_join (threads[i]);

  g_assert_cmpuint (box.delivered->len, ==, N_THREADS * N_LETTERS);
  for (guint i = 0; i < box.delivered->len; i++)
    {
      Letter *letter = g_ptr_array_index (box.delivered, i);

      g_assert_cmpuint (letter->number, ==, next[letter->poster]);
      next[letter->poster]++;
    }
  box_close (&box);
}

static void
iterate_inside (Letter *letter)
{
  Box *box = letter->data;

  g_assert_cmpuint (box->delivered->len, ==, letter->number + 1);
  g_assert_true (g_main_context_iteration (box->context, FALSE));
}

/* Each of the first letters runs a loop, so that they nest; nothing is lost, late or doubled. */
static void
test_nested_loop_goes_on_with_the_rest (void)
{
  Box box;

  box_open (&box, 20);
  for (guint i = 0; i < 5; i++)
    {
      box.letters[i].act = iterate_inside;
      box.letters[i].data = &box;
    }
  post_letters (box.mailbox, box.letters, 20);
  g_assert_true (g_main_context_iteration (box.context, FALSE));
  assert_in_order (box.delivered, 20);
  g_assert_false (g_main_context_pending (box.context));
  box_close (&box);
}

static void
post_next (Letter *letter)
{
  Box *box = letter->data;

  if (letter->number + 1 < box->n)
    aiopool_mailbox_post (box->mailbox, &box->letters[letter->number + 1].letter);
}

static void
test_letter_may_post_another (void)
{
  Box box;

  box_open (&box, 3000);
  for (guint i = 0; i < box.n; i++)
    {
      box.letters[i].act = post_next;
      box.letters[i].data = &box;
    }
  aiopool_mailbox_post (box.mailbox, &box.letters[0].letter);
  iterate_until (&box, box.n);
  assert_in_order (box.delivered, box.n);
  box_close (&box);
}

static void
test_iteration_delivers_at_most_1024 (void)
{
  Box box;
  guint before = 0;

  box_open (&box, 5000);
  post_letters (box.mailbox, box.letters, 5000);
  while (box.delivered->len < 5000)
    {
      g_assert_true (g_main_context_iteration (box.context, FALSE));
      g_assert_cmpuint (box.delivered->len, >, before);
      g_assert_cmpuint (box.delivered->len - before, <=, 1024);
      before = box.delivered->len;
    }
  assert_in_order (box.delivered, 5000);
  box_close (&box);
}

static void
spin (Letter *letter)
{
  gint64 end = g_get_monotonic_time () + 3000;

  while (g_get_monotonic_time () < end)
    ;
}

/* The clock is looked at after every 16, and the first took longer than an iteration may. */
static void
test_iteration_ends_early_when_letters_take_long (void)
{
  Box box;

  box_open (&box, 100);
  box.letters[0].act = spin;
  post_letters (box.mailbox, box.letters, 100);
  g_assert_true (g_main_context_iteration (box.context, FALSE));
  g_assert_cmpuint (box.delivered->len, ==, 16);
  iterate_until (&box, 100);
  assert_in_order (box.delivered, 100);
  box_close (&box);
}

static gboolean
count_turn (gpointer data)
{
  ++*(guint *) data;
  return G_SOURCE_CONTINUE;
}

static void
test_flood_leaves_other_sources_their_turn (void)
{
  GSource *source = g_idle_source_new ();
  guint n_turns = 0;
  Box box;

  box_open (&box, 5000);
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, count_turn, &n_turns, NULL);
  g_source_attach (source, box.context);
  post_letters (box.mailbox, box.letters, 5000);
  iterate_until (&box, 5000);
  g_assert_cmpuint (n_turns, >=, 4);
  g_source_destroy (source);
  g_source_unref (source);
  box_close (&box);
}

static gpointer
ask_for_mailbox (gpointer data)
{
  return mailbox_of_thread (data);
}

static void
test_thread_keeps_its_last_mailbox (void)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (GMainContext) other_context = g_main_context_new ();
  AiopoolMailbox *mailbox = mailbox_of_thread (context);
  AiopoolMailbox *foreign;

  g_assert_true (aiopool_mailbox_for (context) == mailbox);
  g_assert_true (aiopool_mailbox_for (other_context) != mailbox);
  g_assert_true (aiopool_mailbox_for (other_context) == aiopool_mailbox_for (other_context));

  foreign = g_thread_join (g_thread_new ("other", ask_for_mailbox, context));
  g_assert_true (foreign != mailbox);
  aiopool_mailbox_unref (foreign);
  aiopool_mailbox_unref (mailbox);
}

static void
test_home_is_the_context_that_is_default_now (void)
{
  g_autoptr (GMainContext) context = g_main_context_new ();

  g_assert_true (aiopool_mailbox_get_home () == aiopool_mailbox_for (NULL));
  g_assert_true (aiopool_mailbox_get_home () == aiopool_mailbox_for (g_main_context_default ()));
  g_main_context_push_thread_default (context);
  g_assert_true (aiopool_mailbox_get_home () == aiopool_mailbox_for (context));
  g_main_context_pop_thread_default (context);
  g_assert_true (aiopool_mailbox_get_home () == aiopool_mailbox_for (NULL));
}

/* The mailbox is a source, so its context knows whether it is still there. The thread that asked
 * for it ends, which leaves the reference that it gave out. */
static void
test_mailbox_ends_with_its_last_user (void)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  AiopoolMailbox *mailbox;
  guint id;

  mailbox = g_thread_join (g_thread_new ("asker", ask_for_mailbox, context));
  id = g_source_get_id ((GSource *) mailbox);
  g_assert_nonnull (g_main_context_find_source_by_id (context, id));
  aiopool_mailbox_ref (mailbox);
  aiopool_mailbox_unref (mailbox);
  g_assert_nonnull (g_main_context_find_source_by_id (context, id));
  aiopool_mailbox_unref (mailbox);
  g_assert_null (g_main_context_find_source_by_id (context, id));
}

static void
drop_mailbox (Letter *letter)
{
  aiopool_mailbox_unref (letter->data);
}

/* A letter that is the last user of its mailbox drops it while that is delivering. */
static void
test_mailbox_may_end_while_it_delivers (void)
{
  for (int i = 0; i < 100; i++)
    {
      g_autoptr (GMainContext) context = g_main_context_new ();
      g_autoptr (GPtrArray) delivered = g_ptr_array_new ();
      g_autofree Letter *letter = letters_new (1, delivered);
      guint id;

      letter->act = drop_mailbox;
      letter->data = g_thread_join (g_thread_new ("asker", ask_for_mailbox, context));
      id = g_source_get_id ((GSource *) letter->data);
      aiopool_mailbox_post (letter->data, &letter->letter);
      g_assert_true (g_main_context_iteration (context, FALSE));
      g_assert_cmpuint (delivered->len, ==, 1);
      g_assert_null (g_main_context_find_source_by_id (context, id));
    }
}

/* To attach a mailbox wakes its context: a thread that sweeps another one must not make it anew. */
static void
test_a_sweep_keeps_the_mailbox_of_another_context (void)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  AiopoolMailbox *mailbox = aiopool_mailbox_ref (aiopool_mailbox_for (context));

  for (guint i = 0; i < 3; i++)
    {
      aiopool_mailbox_sweep_home ();
      g_assert_true (aiopool_mailbox_for (context) == mailbox);
    }
  aiopool_mailbox_unref (mailbox);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/mailbox/letters-arrive-in-order-in-the-context-of-the-mailbox",
                   test_letters_arrive_in_order_in_the_context_of_the_mailbox);
  g_test_add_func ("/mailbox/post-delivers-nothing-itself", test_post_delivers_nothing_itself);
  g_test_add_func ("/mailbox/letters-of-each-thread-stay-in-order",
                   test_letters_of_each_thread_stay_in_order);
  g_test_add_func ("/mailbox/nested-loop-goes-on-with-the-rest",
                   test_nested_loop_goes_on_with_the_rest);
  g_test_add_func ("/mailbox/letter-may-post-another", test_letter_may_post_another);
  g_test_add_func ("/mailbox/iteration/delivers-at-most-1024",
                   test_iteration_delivers_at_most_1024);
  g_test_add_func ("/mailbox/iteration/ends-early-when-letters-take-long",
                   test_iteration_ends_early_when_letters_take_long);
  g_test_add_func ("/mailbox/iteration/flood-leaves-other-sources-their-turn",
                   test_flood_leaves_other_sources_their_turn);
  g_test_add_func ("/mailbox/thread-keeps-its-last", test_thread_keeps_its_last_mailbox);
  g_test_add_func ("/mailbox/home-is-the-context-that-is-default-now",
                   test_home_is_the_context_that_is_default_now);
  g_test_add_func ("/mailbox/ends-with-its-last-user", test_mailbox_ends_with_its_last_user);
  g_test_add_func ("/mailbox/may-end-while-it-delivers", test_mailbox_may_end_while_it_delivers);
  g_test_add_func ("/mailbox/a-sweep-keeps-the-mailbox-of-another-context",
                   test_a_sweep_keeps_the_mailbox_of_another_context);

  return g_test_run ();
}
