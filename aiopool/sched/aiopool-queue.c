/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/sched/aiopool-queue-private.h"

/* Orders that wait: per priority a list in the order of submission. There are few priorities, so
 * the levels are an array that is looked through; everything else takes constant time. */

typedef struct
{
  int           priority;
  AiopoolOrder *first;
  AiopoolOrder *last;
} Level;

void
aiopool_queue_init (AiopoolQueue *self)
{
  self->levels = g_array_new (FALSE, FALSE, sizeof (Level));
  self->n_orders = 0;
}

void
aiopool_queue_clear (AiopoolQueue *self)
{
  g_assert (self->n_orders == 0);
  g_clear_pointer (&self->levels, g_array_unref);
}

static Level *
level_of (AiopoolQueue *self,
          int           priority)
{
  Level level = { priority, NULL, NULL };
  guint i;

  for (i = 0; i < self->levels->len; i++)
    {
      Level *other = &g_array_index (self->levels, Level, i);

      if (other->priority == priority)
        return other;
      if (other->priority < priority)
        break;
    }
  g_array_insert_val (self->levels, i, level);
  return &g_array_index (self->levels, Level, i);
}

void
aiopool_queue_push (AiopoolQueue *self,
                    AiopoolOrder *order)
{
  Level *level = level_of (self, order->spec->options->priority);

  order->previous = level->last;
  order->next = NULL;
  if (level->last != NULL)
    level->last->next = order;
  else
    level->first = order;
  level->last = order;
  self->n_orders++;
}

void
aiopool_queue_push_front (AiopoolQueue *self,
                          AiopoolOrder *order)
{
  Level *level = level_of (self, order->spec->options->priority);

  order->previous = NULL;
  order->next = level->first;
  if (level->first != NULL)
    level->first->previous = order;
  else
    level->last = order;
  level->first = order;
  self->n_orders++;
}

/* The next to go; (nullable). */
AiopoolOrder *
aiopool_queue_peek (AiopoolQueue *self)
{
  for (guint i = 0; i < self->levels->len; i++)
    {
      Level *level = &g_array_index (self->levels, Level, i);

      if (level->first != NULL)
        return level->first;
    }
  return NULL;
}

void
aiopool_queue_remove (AiopoolQueue *self,
                      AiopoolOrder *order)
{
  Level *level = level_of (self, order->spec->options->priority);

  if (order->previous != NULL)
    order->previous->next = order->next;
  else
    level->first = order->next;
  if (order->next != NULL)
    order->next->previous = order->previous;
  else
    level->last = order->previous;
  order->previous = order->next = NULL;
  self->n_orders--;
}
