/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/sched/aiopool-queue-private.h"

/* The queue of orders, alone. */

#define N_ORDERS 1000

typedef struct
{
  AiopoolSpecOptions options;
  AiopoolSpec        spec;
  AiopoolOrder       order;
  guint              number;
} Item;

static Item *
new_items (guint n)
{
  Item *items = g_new0 (Item, n);

  for (guint i = 0; i < n; i++)
    {
      items[i].spec.options = &items[i].options;
      items[i].order.spec = &items[i].spec;
      items[i].number = i;
    }
  return items;
}

static Item *
item_of (AiopoolOrder *order)
{
  return (Item *) (gpointer) ((char *) order - G_STRUCT_OFFSET (Item, order));
}

static Item *
pop (AiopoolQueue *queue)
{
  AiopoolOrder *order = aiopool_queue_peek (queue);

  if (order == NULL)
    return NULL;
  aiopool_queue_remove (queue, order);
  return item_of (order);
}

static void
test_an_empty_queue_has_nothing (void)
{
  AiopoolQueue queue;

  aiopool_queue_init (&queue);
  g_assert_null (aiopool_queue_peek (&queue));
  g_assert_cmpuint (queue.n_orders, ==, 0);
  aiopool_queue_clear (&queue);
}

static void
test_first_in_is_first_out (void)
{
  g_autofree Item *items = new_items (N_ORDERS);
  AiopoolQueue queue;

  aiopool_queue_init (&queue);
  for (guint i = 0; i < N_ORDERS; i++)
    aiopool_queue_push (&queue, &items[i].order);
  g_assert_cmpuint (queue.n_orders, ==, N_ORDERS);
  for (guint i = 0; i < N_ORDERS; i++)
    g_assert_true (pop (&queue) == &items[i]);
  g_assert_null (pop (&queue));
  aiopool_queue_clear (&queue);
}

static void
test_priorities_go_first_and_keep_their_order (void)
{
  static const int priorities[] = { 0, 5, -3, G_MAXINT, G_MININT, 1 };
  static const int sorted[] = { G_MAXINT, 5, 1, 0, -3, G_MININT };
  const guint n = G_N_ELEMENTS (priorities);
  g_autofree Item *items = new_items (N_ORDERS);
  AiopoolQueue queue;
  Item *item;
  guint taken = 0;
  guint last = 0;

  aiopool_queue_init (&queue);
  for (guint i = 0; i < N_ORDERS - N_ORDERS % n; i++)
    {
      items[i].options.priority = priorities[i % n];
      aiopool_queue_push (&queue, &items[i].order);
    }
  while ((item = pop (&queue)) != NULL)
    {
      guint level = taken / (N_ORDERS / n);

      g_assert_cmpint (item->options.priority, ==, sorted[level]);
      g_assert_true (taken % (N_ORDERS / n) == 0 || item->number > last);
      last = item->number;
      taken++;
    }
  aiopool_queue_clear (&queue);
}

static void
test_what_comes_back_goes_to_the_front_of_its_own (void)
{
  g_autofree Item *items = new_items (4);
  AiopoolQueue queue;

  items[3].options.priority = 1;
  aiopool_queue_init (&queue);
  aiopool_queue_push (&queue, &items[0].order);
  aiopool_queue_push (&queue, &items[3].order);
  aiopool_queue_push_front (&queue, &items[1].order);
  aiopool_queue_push_front (&queue, &items[2].order);
  g_assert_true (pop (&queue) == &items[3]);
  g_assert_true (pop (&queue) == &items[2]);
  g_assert_true (pop (&queue) == &items[1]);
  g_assert_true (pop (&queue) == &items[0]);
  aiopool_queue_clear (&queue);
}

/* Against a plain list. */
static void
test_anything_may_be_removed_at_any_time (void)
{
  g_autoptr (GRand) random = g_rand_new_with_seed (4711);
  g_autofree Item *items = new_items (N_ORDERS);
  g_autoptr (GPtrArray) inside = g_ptr_array_new ();
  AiopoolQueue queue;
  guint next = 0;

  aiopool_queue_init (&queue);
  for (guint i = 0; i < 20 * N_ORDERS; i++)
    {
      if (next < N_ORDERS && g_rand_boolean (random))
        {
          items[next].options.priority = g_rand_int_range (random, 0, 3);
          aiopool_queue_push (&queue, &items[next].order);
          g_ptr_array_add (inside, &items[next++]);
        }
      else if (inside->len > 0)
        {
          guint index = (guint) g_rand_int_range (random, 0, (int) inside->len);
          Item *item = g_ptr_array_steal_index (inside, index);

          aiopool_queue_remove (&queue, &item->order);
          g_assert_null (item->order.next);
          g_assert_null (item->order.previous);
        }
      g_assert_cmpuint (queue.n_orders, ==, inside->len);
      g_assert_true ((aiopool_queue_peek (&queue) == NULL) == (inside->len == 0));
    }
  g_assert_cmpuint (next, ==, N_ORDERS);
  aiopool_queue_clear (&queue);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/sched/queue/an-empty-one-has-nothing", test_an_empty_queue_has_nothing);
  g_test_add_func ("/sched/queue/first-in-is-first-out", test_first_in_is_first_out);
  g_test_add_func ("/sched/queue/priorities-go-first-and-keep-their-order",
                   test_priorities_go_first_and_keep_their_order);
  g_test_add_func ("/sched/queue/what-comes-back-goes-to-the-front-of-its-own",
                   test_what_comes_back_goes_to_the_front_of_its_own);
  g_test_add_func ("/sched/queue/anything-may-be-removed-at-any-time",
                   test_anything_may_be_removed_at_any_time);
  return g_test_run ();
}
