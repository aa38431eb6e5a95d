/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/api/aiopool-results-private.h"

/* The results of a batch that nobody has taken yet. There may be millions of them, so there is
 * neither an object nor an allocation for each: what a worker sends together stays together, as a
 * run, and only what is out of the ordinary has a record of its own.
 *
 * Each item has a number, by which it is told, and a position in the source; they are the same in a
 * batch that is ordered. There, runs that come too early are held until the items before them are
 * there. Runs stand in blocks, so that the first are let go without moving the others.
 *
 * Guarded by the lock of whoever owns this. Nothing here drops a reference to what users can see
 * but free() and clear(), which are called without a lock. */

#define BLOCK_SIZE 256 /* runs */

/* The low bits of Run.what. */
#define KIND_VALUE   0 /* an AiopoolPayload: one item, a result */
#define KIND_HARVEST 1 /* an AiopoolHarvest */
#define KIND_ENDING  2 /* an AiopoolEnding: one item */
#define KIND_BITS    3

typedef struct
{
  gpointer what;      /* (owned) (nullable), with its kind; NULL once taken */
  gint64   started;   /* of a value, as the next three */
  guint32  queue_time; /* microseconds */
  guint32  run_time;  /* microseconds */
  int      pid;
  guint32  n;         /* items, 0 once all are taken */
  guint32  offset;    /* of the first one's number from that of the block */
  guint32  position;  /* lowest bits of that of the first item */
} Run;

typedef struct
{
  guint64 number; /* of the first item */
  guint   n_runs;
  Run     runs[BLOCK_SIZE];
} Block;

typedef struct
{
  guint64 position;
  Run     run;
} Held;

struct _AiopoolResults
{
  gboolean   is_ordered;
  GPtrArray *blocks;  /* (owned) of Block, none of them empty */
  guint64    first;   /* number of the first item that is here */
  guint      first_run; /* which run of the first block it is in */
  guint64    end;     /* number of the next item */
  GArray    *held;    /* (owned) of Held, by position */
  guint      n_held;  /* items in these */
};

AiopoolResults *
aiopool_results_new (gboolean is_ordered)
{
  AiopoolResults *self = g_new0 (AiopoolResults, 1);

  self->is_ordered = is_ordered;
  self->blocks = g_ptr_array_new ();
  self->held = g_array_new (FALSE, FALSE, sizeof (Held));
  return self;
}

static gpointer
get_what (const Run *run)
{
  return GSIZE_TO_POINTER (GPOINTER_TO_SIZE (run->what) & ~(gsize) KIND_BITS);
}

static guint
get_kind (const Run *run)
{
  return GPOINTER_TO_SIZE (run->what) & KIND_BITS;
}

static void
set_what (Run     *run,
          gpointer what,
          guint    kind)
{
  run->what = GSIZE_TO_POINTER (GPOINTER_TO_SIZE (what) | kind);
}

static void
free_ending (AiopoolEnding *ending)
{
  g_clear_object (&ending->future);
  g_clear_object (&ending->task);
  g_clear_pointer (&ending->argument, aiopool_payload_unref);
  aiopool_outcome_clear (&ending->outcome);
  g_free (ending);
}

static void
free_harvest (AiopoolHarvest *harvest)
{
  g_clear_pointer (&harvest->values, aiopool_payload_unref);
  g_clear_pointer (&harvest->array, g_variant_unref);
  g_clear_pointer (&harvest->argument, aiopool_payload_unref);
  g_free (harvest->run_times);
  g_free (harvest);
}

static void
clear_run (Run *run)
{
  if (run->what == NULL)
    return;
  if (get_kind (run) == KIND_VALUE)
    aiopool_payload_unref (get_what (run));
  else if (get_kind (run) == KIND_HARVEST)
    free_harvest (get_what (run));
  else
    free_ending (get_what (run));
  run->what = NULL;
}

void
aiopool_results_free (AiopoolResults *self)
{
  for (guint i = 0; i < self->blocks->len; i++)
    {
      Block *block = g_ptr_array_index (self->blocks, i);

      for (guint j = 0; j < block->n_runs; j++)
        clear_run (&block->runs[j]);
      g_free (block);
    }
  for (guint i = 0; i < self->held->len; i++)
    clear_run (&g_array_index (self->held, Held, i).run);
  g_ptr_array_unref (self->blocks);
  g_array_unref (self->held);
  g_free (self);
}

/* The block that takes one more run of @n items. */
static Block *
get_last_block (AiopoolResults *self,
                guint           n)
{
  Block *block = NULL;

  if (self->blocks->len > 0)
    block = g_ptr_array_index (self->blocks, self->blocks->len - 1);
  if (block != NULL && block->n_runs < BLOCK_SIZE &&
      self->end - block->number <= G_MAXUINT32 - n)
    return block;
  block = g_malloc (sizeof *block);
  block->number = self->end;
  block->n_runs = 0;
  g_ptr_array_add (self->blocks, block);
  return block;
}

static void
append (AiopoolResults *self,
        const Run      *run)
{
  Block *block = get_last_block (self, run->n);
  Run *last = &block->runs[block->n_runs++];

  *last = *run;
  last->offset = (guint32) (self->end - block->number);
  self->end += run->n;
}

/* Where a run of @position belongs among those that are held: mostly behind them. */
static guint
find_held (AiopoolResults *self,
           guint64         position)
{
  guint low = 0, high = self->held->len;

  while (low < high)
    {
      guint middle = (low + high) / 2;

      if (g_array_index (self->held, Held, middle).position < position)
        low = middle + 1;
      else
        high = middle;
    }
  return low;
}

static void
release_held (AiopoolResults *self)
{
  guint n = 0;

  for (; n < self->held->len; n++)
    {
      Held *held = &g_array_index (self->held, Held, n);

      if (held->position != self->end)
        break;
      self->n_held -= held->run.n;
      append (self, &held->run);
    }
  if (n > 0)
    g_array_remove_range (self->held, 0, n);
}

static void
add (AiopoolResults *self,
     guint64         position,
     Run            *run)
{
  run->position = (guint32) position;
  if (self->is_ordered && position != self->end)
    {
      Held held = { position, *run };

      g_array_insert_val (self->held, find_held (self, position), held);
      self->n_held += run->n;
      return;
    }
  append (self, run);
  if (self->is_ordered)
    release_held (self);
}

/* Whether a result of one item needs no record. */
static gboolean
fits_run (AiopoolHarvest *harvest)
{
  gint64 queue_time = harvest->started - harvest->submitted;

  return harvest->is_single && harvest->argument == NULL && queue_time >= 0 &&
         queue_time <= G_MAXUINT32;
}

/* From the times of each to those since the first began. */
static void
add_up (guint32 *run_times,
        guint    n)
{
  guint64 sum = 0;

  for (guint i = 0; i < n; i++)
    {
      sum += run_times[i];
      run_times[i] = (guint32) MIN (sum, G_MAXUINT32);
    }
}

/* Takes what @harvest owns. */
void
aiopool_results_add_harvest (AiopoolResults *self,
                             guint64         position,
                             guint           n,
                             AiopoolHarvest *harvest)
{
  Run run = { .n = n };

  if (fits_run (harvest))
    {
      set_what (&run, harvest->values, KIND_VALUE);
      run.started = harvest->started;
      run.queue_time = (guint32) (harvest->started - harvest->submitted);
      run.run_time = harvest->run_time;
      run.pid = harvest->pid;
    }
  else
    {
      if (!harvest->is_single)
        add_up (harvest->run_times, n);
      set_what (&run, g_memdup2 (harvest, sizeof *harvest), KIND_HARVEST);
    }
  *harvest = (AiopoolHarvest) { NULL };
  add (self, position, &run);
}

/* Takes what @ending owns. */
void
aiopool_results_add_ending (AiopoolResults *self,
                            guint64         position,
                            AiopoolEnding  *ending)
{
  Run run = { .n = 1 };

  set_what (&run, g_memdup2 (ending, sizeof *ending), KIND_ENDING);
  *ending = (AiopoolEnding) { NULL };
  add (self, position, &run);
}

/* The number of the first item that is here. */
guint64
aiopool_results_get_first (AiopoolResults *self)
{
  return self->first;
}

/* The number of the item that comes next, that of one behind the last. */
guint64
aiopool_results_get_end (AiopoolResults *self)
{
  return self->end;
}

/* How many items are here that it is not yet the turn of. */
guint
aiopool_results_get_n_held (AiopoolResults *self)
{
  return self->n_held;
}

static Block *
find_block (AiopoolResults *self,
            guint64         number)
{
  guint low = 0, high = self->blocks->len;

  while (high - low > 1)
    {
      guint middle = (low + high) / 2;

      if (((Block *) g_ptr_array_index (self->blocks, middle))->number <= number)
        low = middle;
      else
        high = middle;
    }
  return g_ptr_array_index (self->blocks, low);
}

static Run *
find_run (Block  *block,
          guint64 number)
{
  guint32 offset = (guint32) (number - block->number);
  guint low = 0, high = block->n_runs;

  while (high - low > 1)
    {
      guint middle = (low + high) / 2;

      if (block->runs[middle].offset <= offset)
        low = middle;
      else
        high = middle;
    }
  return &block->runs[low];
}

static void
view_value (const Run       *run,
            AiopoolItemView *view)
{
  view->value = aiopool_payload_ref (get_what (run));
  view->started = run->started;
  view->submitted = run->started - run->queue_time;
  view->ended = run->started + run->run_time;
  view->pid = run->pid;
}

/* The items of a chunk ran one after the other, so that each began when the one before it ended,
 * or later. */
static void
view_harvest (AiopoolHarvest  *harvest,
              guint            index,
              AiopoolItemView *view)
{
  view->started = harvest->started + (index > 0 ? harvest->run_times[index - 1] : 0);
  view->ended = harvest->started +
                (harvest->is_single ? harvest->run_time : harvest->run_times[index]);
  view->submitted = harvest->submitted;
  view->pid = harvest->pid;
  if (harvest->argument != NULL)
    view->argument = aiopool_payload_ref (harvest->argument);
  view->index = harvest->index + index;
  view->is_chunk = harvest->is_chunk;
  if (harvest->is_single)
    {
      view->value = aiopool_payload_ref (harvest->values);
      return;
    }
  if (harvest->array == NULL)
    harvest->array = aiopool_payload_dup_variant (harvest->values, FALSE);
  view->values = g_variant_ref (harvest->array);
  view->value_index = index;
}

static void
view_ending (const AiopoolEnding *ending,
             AiopoolItemView     *view)
{
  const AiopoolOutcome *outcome = &ending->outcome;

  view->future = ending->future != NULL ? g_object_ref (ending->future) : NULL;
  view->task = ending->task != NULL ? g_object_ref (ending->task) : NULL;
  view->argument = ending->argument != NULL ? aiopool_payload_ref (ending->argument) : NULL;
  view->index = ending->index;
  view->is_chunk = ending->is_chunk;
  view->value = outcome->payload != NULL ? aiopool_payload_ref (outcome->payload) : NULL;
  view->error = outcome->error != NULL ? g_error_copy (outcome->error) : NULL;
  view->info = outcome->info != NULL ? g_object_ref (outcome->info) : NULL;
  view->fds = outcome->fds != NULL ? g_object_ref (outcome->fds) : NULL;
  view->last_lines = g_strdup (outcome->last_lines);
  view->submitted = ending->submitted;
  view->started = outcome->started;
  view->ended = outcome->ended;
  view->pid = outcome->pid;
}

static void
view_run (AiopoolResults  *self,
          Run             *run,
          guint64          number,
          guint            index,
          AiopoolItemView *view)
{
  guint32 position = run->position + index;

  *view = (AiopoolItemView) { .position = number, .n_left = run->n - index };
  if (!self->is_ordered)
    view->position += (guint64) (gint64) (gint32) (position - (guint32) number);
  if (get_kind (run) == KIND_VALUE)
    view_value (run, view);
  else if (get_kind (run) == KIND_HARVEST)
    view_harvest (get_what (run), index, view);
  else
    view_ending (get_what (run), view);
}

/* FALSE if there is none of that number, or not any more. Where user code may run, for it takes
 * references to what users can see. */
gboolean
aiopool_results_view (AiopoolResults  *self,
                      guint64          number,
                      AiopoolItemView *view)
{
  Block *block;
  Run *run;

  if (number < self->first || number >= self->end)
    return FALSE;
  block = find_block (self, number);
  run = find_run (block, number);
  view_run (self, run, number, (guint) (number - block->number - run->offset), view);
  return TRUE;
}

/* What is in the record is the view's; the record itself is no user's. */
static void
take_ending (AiopoolEnding   *ending,
             AiopoolItemView *view)
{
  view->future = ending->future;
  view->task = ending->task;
  view->argument = ending->argument;
  view->index = ending->index;
  view->is_chunk = ending->is_chunk;
  view->value = ending->outcome.payload;
  view->error = ending->outcome.error;
  view->info = ending->outcome.info;
  view->fds = ending->outcome.fds;
  view->last_lines = ending->outcome.last_lines;
  view->submitted = ending->submitted;
  view->started = ending->outcome.started;
  view->ended = ending->outcome.ended;
  view->pid = ending->outcome.pid;
  g_free (ending);
}

/* As view_run(), but of what is nobody else's from now on. */
static void
take_run (AiopoolResults  *self,
          Run             *run,
          AiopoolItemView *view)
{
  if (get_kind (run) != KIND_ENDING)
    {
      view_run (self, run, self->first, run->n - 1, view);
      clear_run (run); /* the view has a reference to what is in it */
      return;
    }
  *view = (AiopoolItemView) { .position = self->first };
  if (!self->is_ordered)
    view->position += (guint64) (gint64) (gint32) (run->position - (guint32) self->first);
  take_ending (get_what (run), view);
  run->what = NULL;
}

static void
drop_first_block (AiopoolResults *self)
{
  g_free (g_ptr_array_remove_index (self->blocks, 0));
  self->first_run = 0;
}

/* Takes out the first item; there is one. */
void
aiopool_results_take_first (AiopoolResults  *self,
                            AiopoolItemView *view)
{
  Block *block = g_ptr_array_index (self->blocks, 0);
  Run *run = &block->runs[self->first_run];
  guint index = (guint) (self->first - block->number - run->offset);

  g_assert (self->first < self->end);
  if (index + 1 < run->n)
    view_run (self, run, self->first, index, view);
  else
    {
      take_run (self, run, view);
      self->first_run++;
    }
  self->first++;
  if (self->first_run == block->n_runs && (block->n_runs == BLOCK_SIZE || self->blocks->len > 1))
    drop_first_block (self);
}

void
aiopool_item_view_clear (AiopoolItemView *self)
{
  g_clear_object (&self->future);
  g_clear_object (&self->task);
  g_clear_pointer (&self->argument, aiopool_payload_unref);
  g_clear_pointer (&self->values, g_variant_unref);
  g_clear_pointer (&self->value, aiopool_payload_unref);
  g_clear_error (&self->error);
  g_clear_object (&self->info);
  g_clear_object (&self->fds);
  g_clear_pointer (&self->last_lines, g_free);
}
