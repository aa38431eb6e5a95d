/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/sched/aiopool-arrivals-private.h"

/* The door of a scheduler. A thread that submits one task after the other would meet the engine at
 * the scheduler's lock all the time, and to be put to sleep there costs more than the task: so it
 * leaves the order here, and whoever has the lock next takes all of them in.
 *
 * A closed gate lets nothing in: then a submit has to ask, under the lock. Closing takes what is
 * there in the same step, so that an order is either refused or found. */

static AiopoolOrder closed_gate;

/* Closed. */
void
aiopool_arrivals_init (AiopoolArrivals *self)
{
  self->head = &closed_gate;
  self->count = 0;
}

/* FALSE if the gate is closed. */
gboolean
aiopool_arrivals_push (AiopoolArrivals *self,
                       AiopoolOrder    *order)
{
  AiopoolOrder *head;

  do
    {
      head = g_atomic_pointer_get (&self->head);
      if (head == &closed_gate)
        return FALSE;
      order->next = head;
    }
  while (!g_atomic_pointer_compare_and_exchange (&self->head, head, order));
  g_atomic_int_inc (&self->count);
  return TRUE;
}

guint
aiopool_arrivals_get_count (AiopoolArrivals *self)
{
  return (guint) MAX (g_atomic_int_get (&self->count), 0);
}

/* The first that came first. */
static AiopoolOrder *
reverse (AiopoolArrivals *self,
         AiopoolOrder    *last)
{
  AiopoolOrder *first = NULL;
  int n = 0;

  while (last != NULL && last != &closed_gate)
    {
      AiopoolOrder *before = last->next;

      last->next = first;
      first = last;
      last = before;
      n++;
    }
  g_atomic_int_add (&self->count, -n);
  return first;
}

/* What there is, linked by next, in the order in which it came. */
AiopoolOrder *
aiopool_arrivals_take (AiopoolArrivals *self)
{
  AiopoolOrder *head = g_atomic_pointer_get (&self->head);

  if (head == NULL || head == &closed_gate)
    return NULL;
  return reverse (self, g_atomic_pointer_exchange (&self->head, NULL));
}

/* As take(), and closes the gate. */
AiopoolOrder *
aiopool_arrivals_close (AiopoolArrivals *self)
{
  return reverse (self, g_atomic_pointer_exchange (&self->head, &closed_gate));
}

void
aiopool_arrivals_open (AiopoolArrivals *self)
{
  if (g_atomic_pointer_get (&self->head) == &closed_gate)
    g_atomic_pointer_set (&self->head, NULL);
}
