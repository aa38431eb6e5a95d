/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/sched/aiopool-arrivals-private.h"

/* The door of a scheduler, alone: every order is either refused or found, once, in its order. */

#define N_THREADS 4
#define N_ORDERS  50000

typedef struct
{
  AiopoolArrivals *arrivals; /* (unowned) */
  AiopoolOrder    *orders;   /* (owned) */
  guint            n_taken;  /* that push() took */
  GThread         *thread;
} Pusher;

static void
test_what_comes_first_is_first (void)
{
  AiopoolArrivals arrivals;
  AiopoolOrder orders[5] = { { NULL } };
  AiopoolOrder *order;

  aiopool_arrivals_init (&arrivals);
  aiopool_arrivals_open (&arrivals);
  g_assert_null (aiopool_arrivals_take (&arrivals));
  for (guint i = 0; i < G_N_ELEMENTS (orders); i++)
    g_assert_true (aiopool_arrivals_push (&arrivals, &orders[i]));
  g_assert_cmpuint (aiopool_arrivals_get_count (&arrivals), ==, G_N_ELEMENTS (orders));
  order = aiopool_arrivals_take (&arrivals);
  for (guint i = 0; i < G_N_ELEMENTS (orders); i++, order = order->next)
    g_assert_true (order == &orders[i]);
  g_assert_null (order);
  g_assert_cmpuint (aiopool_arrivals_get_count (&arrivals), ==, 0);
  g_assert_null (aiopool_arrivals_take (&arrivals));
}

static void
test_a_closed_gate_lets_nothing_in (void)
{
  AiopoolArrivals arrivals;
  AiopoolOrder first = { NULL }, second = { NULL };

  aiopool_arrivals_init (&arrivals);
  g_assert_false (aiopool_arrivals_push (&arrivals, &first));
  aiopool_arrivals_open (&arrivals);
  g_assert_true (aiopool_arrivals_push (&arrivals, &first));
  aiopool_arrivals_open (&arrivals);
  g_assert_true (aiopool_arrivals_close (&arrivals) == &first);
  g_assert_null (first.next);
  g_assert_false (aiopool_arrivals_push (&arrivals, &second));
  g_assert_null (aiopool_arrivals_take (&arrivals));
  g_assert_null (aiopool_arrivals_close (&arrivals));
  g_assert_cmpuint (aiopool_arrivals_get_count (&arrivals), ==, 0);
  aiopool_arrivals_open (&arrivals);
  g_assert_true (aiopool_arrivals_push (&arrivals, &second));
  g_assert_true (aiopool_arrivals_take (&arrivals) == &second);
}

static gpointer
push_all (gpointer data)
{
  Pusher *self = data;

  for (guint i = 0; i < N_ORDERS; i++)
    {
      if (!aiopool_arrivals_push (self->arrivals, &self->orders[i]))
        break;
      self->n_taken++;
    }
  return NULL;
}

/* How many, after seeing that each thread's came in its order. @next: of each thread. */
static guint
count (AiopoolOrder *order,
       Pusher       *pushers,
       guint        *next)
{
  guint n = 0;

  for (; order != NULL; order = order->next)
    {
      guint i = 0;

      while (i < N_THREADS && order != &pushers[i].orders[next[i]])
        i++;
      g_assert_cmpuint (i, <, N_THREADS);
      next[i]++;
      n++;
    }
  return n;
}

/* One takes, and at last closes, while others push. */
static void
race (guint n_before_close)
{
  AiopoolArrivals arrivals;
  Pusher pushers[N_THREADS];
  guint next[N_THREADS] = { 0 };
  guint n_found = 0;
  guint n_taken = 0;

  aiopool_arrivals_init (&arrivals);
  aiopool_arrivals_open (&arrivals);
  for (guint i = 0; i < N_THREADS; i++)
    {
      pushers[i] = (Pusher) { &arrivals, g_new0 (AiopoolOrder, N_ORDERS + 1), 0, NULL };
      pushers[i].thread = g_thread_new ("pusher", push_all, &pushers[i]);
    }
  while (n_found < n_before_close)
    n_found += count (aiopool_arrivals_take (&arrivals), pushers, next);
  n_found += count (aiopool_arrivals_close (&arrivals), pushers, next);
  for (guint i = 0; i < N_THREADS; i++)
    {
      g_thread_join (pushers[i].thread);
      n_taken += pushers[i].n_taken;
      g_free (pushers[i].orders);
    }
  g_assert_cmpuint (n_found, ==, n_taken);
  g_assert_cmpuint (aiopool_arrivals_get_count (&arrivals), ==, 0);
}

static void
test_nothing_is_lost_between_threads (void)
{
  race (N_THREADS * N_ORDERS);
}

static void
test_a_closing_gate_refuses_or_finds (void)
{
  for (guint n = 0; n < 20; n++)
    race (n * 5000);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/sched/arrivals/first-come-first", test_what_comes_first_is_first);
  g_test_add_func ("/sched/arrivals/closed-gate", test_a_closed_gate_lets_nothing_in);
  g_test_add_func ("/sched/arrivals/threads", test_nothing_is_lost_between_threads);
  g_test_add_func ("/sched/arrivals/closing-gate", test_a_closing_gate_refuses_or_finds);
  return g_test_run ();
}
