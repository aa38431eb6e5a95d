/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/api/aiopool-pool-view-private.h"

#include "aiopool/api/aiopool-worker-private.h"

/* What a user interface sees of a pool: a list of its workers, which changes in the pool's home
 * context only, once for everything that happened since the last time.
 *
 * The letter that brings a change holds no reference on the pool: a context that nobody iterates
 * would keep the pool, and its workers, for ever. */

struct _AiopoolPoolView
{
  AiopoolLetter     letter;    /* first */
  int               ref_count; /* atomic */
  int               is_posted; /* atomic */
  AiopoolMailbox   *home;      /* (owned) */
  GWeakRef          pool;
  AiopoolScheduler *scheduler; /* (owned) */
  GListStore       *workers;   /* (owned): in the home context, as what follows */
  gboolean          is_broken; /* as last told */
  gboolean          is_busy;   /* the list is being refreshed */
  gboolean          is_stale;  /* it has to be again */
};

static void refresh (AiopoolPoolView *self);

static void
deliver_change (AiopoolLetter *letter)
{
  AiopoolPoolView *self = (AiopoolPoolView *) letter;
  g_autoptr (GObject) pool = g_weak_ref_get (&self->pool);

  g_atomic_int_set (&self->is_posted, FALSE);
  if (pool != NULL)
    {
      guint old = g_list_model_get_n_items (G_LIST_MODEL (self->workers));

      refresh (self);
      if (g_list_model_get_n_items (G_LIST_MODEL (self->workers)) != old)
        g_object_notify (pool, "n-workers");
      if (!self->is_broken && aiopool_scheduler_is_broken (self->scheduler, NULL))
        {
          self->is_broken = TRUE;
          g_object_notify (pool, "is-broken");
        }
    }
  aiopool_pool_view_unref (self);
}

static const AiopoolLetterKind change_kind = { deliver_change, NULL, FALSE };

/* In the pool's home context. */
AiopoolPoolView *
aiopool_pool_view_new (GObject          *pool,
                       AiopoolScheduler *scheduler)
{
  AiopoolPoolView *self = g_new0 (AiopoolPoolView, 1);

  self->letter.kind = &change_kind;
  self->ref_count = 1;
  self->home = aiopool_mailbox_ref (aiopool_mailbox_get_home ());
  g_weak_ref_init (&self->pool, pool);
  self->scheduler = aiopool_scheduler_ref (scheduler);
  self->workers = g_list_store_new (AIOPOOL_TYPE_WORKER);
  return self;
}

void
aiopool_pool_view_unref (AiopoolPoolView *self)
{
  AiopoolMailbox *home = self->home;

  if (!g_atomic_int_dec_and_test (&self->ref_count))
    return;
  g_weak_ref_clear (&self->pool);
  aiopool_scheduler_unref (self->scheduler);
  g_object_unref (self->workers);
  g_free (self);
  aiopool_mailbox_unref (home);
}

/* Something changed; from any thread. */
void
aiopool_pool_view_change (AiopoolPoolView *self)
{
  if (!g_atomic_int_compare_and_exchange (&self->is_posted, FALSE, TRUE))
    return;
  g_atomic_int_inc (&self->ref_count);
  aiopool_mailbox_post (self->home, &self->letter);
}

static const AiopoolWorkerStatus *
find_status (GArray *list,
             guint   number)
{
  for (guint i = 0; i < list->len; i++)
    {
      const AiopoolWorkerStatus *status = &g_array_index (list, AiopoolWorkerStatus, i);

      if (status->number == number)
        return status;
    }
  return NULL;
}

/* Takes out those that are gone, and tells the others what they are now. Returns the highest
 * number among them. */
static guint
update_old (AiopoolPoolView *self,
            GArray          *list)
{
  guint highest = 0;

  for (guint i = g_list_model_get_n_items (G_LIST_MODEL (self->workers)); i > 0; i--)
    {
      g_autoptr (AiopoolWorker) worker = g_list_model_get_item (G_LIST_MODEL (self->workers),
                                                                i - 1);
      guint number = aiopool_worker_get_id (worker);
      const AiopoolWorkerStatus *status = find_status (list, number);
      AiopoolWorkerStatus dead = {
        number, aiopool_worker_get_pid (worker), AIOPOOL_WORKER_DEAD,
        aiopool_worker_get_n_tasks_done (worker),
      };

      highest = MAX (highest, number);
      if (status == NULL)
        g_list_store_remove (self->workers, i - 1);
      aiopool_worker_update (worker, status != NULL ? status : &dead);
    }
  return highest;
}

static void
refresh_once (AiopoolPoolView *self)
{
  g_autoptr (GArray) list = aiopool_scheduler_list_workers (self->scheduler);
  guint highest = update_old (self, list);

  for (guint i = 0; i < list->len; i++)
    {
      const AiopoolWorkerStatus *status = &g_array_index (list, AiopoolWorkerStatus, i);

      if (status->number > highest)
        {
          g_autoptr (AiopoolWorker) worker = aiopool_worker_new (self->scheduler, status);

          g_list_store_append (self->workers, worker);
        }
    }
}

/* Who hears of the change may iterate the context, and come here again. */
static void
refresh (AiopoolPoolView *self)
{
  self->is_stale = TRUE;
  if (self->is_busy)
    return;
  self->is_busy = TRUE;
  while (self->is_stale)
    {
      self->is_stale = FALSE;
      refresh_once (self);
    }
  self->is_busy = FALSE;
}

GListModel *
aiopool_pool_view_get_workers (AiopoolPoolView *self)
{
  return G_LIST_MODEL (self->workers);
}
