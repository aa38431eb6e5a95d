/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/api/aiopool-task.h"

G_BEGIN_DECLS

#define AIOPOOL_TYPE_SOURCE (aiopool_source_get_type ())
AIOPOOL_AVAILABLE_IN_0_1
G_DECLARE_FINAL_TYPE (AiopoolSource, aiopool_source, AIOPOOL, SOURCE, GObject)

/**
 * AiopoolSourceFunc:
 * @source: the source
 * @user_data: (closure): what was given to [ctor@Aiopool.Source.new_for_callback]
 * @error: return location for a #GError
 *
 * Gives the next item.
 *
 * Called when there is room for one, and never while it runs already. When there are no more items
 * it calls [method@Aiopool.Source.end] and returns %NULL. To return %NULL without that and without
 * an error is a failure: it is what an exception in Python looks like.
 *
 * Returns: (transfer full) (nullable): the item; %NULL with @error, or if there are no more. If it
 *   is floating, it is taken over
 *
 * Since: 0.1
 */
typedef GVariant *(*AiopoolSourceFunc)       (AiopoolSource  *source,
                                              gpointer        user_data,
                                              GError        **error);

/**
 * AiopoolSourceItemFunc:
 * @object: an object of the list
 * @user_data: (closure): what was given to [ctor@Aiopool.Source.new_for_list]
 * @error: return location for a #GError
 *
 * Makes an item of an object of a list.
 *
 * Returns: (transfer full): the item; if it is floating, it is taken over
 *
 * Since: 0.1
 */
typedef GVariant *(*AiopoolSourceItemFunc)   (GObject        *object,
                                              gpointer        user_data,
                                              GError        **error);

/**
 * AiopoolSourceWantedFunc:
 * @source: the source
 * @n_items: how many items more are wanted now; 0 when no more will ever be
 * @user_data: (closure): what was given to [ctor@Aiopool.Source.new_pushed]
 *
 * Asks for items.
 *
 * They may be pushed at once, later, in any number and from any thread.
 *
 * Since: 0.1
 */
typedef void      (*AiopoolSourceWantedFunc) (AiopoolSource  *source,
                                              guint           n_items,
                                              gpointer        user_data);

AIOPOOL_AVAILABLE_IN_0_1
AiopoolSource *aiopool_source_new_for_array    (GVariant               *items);
AIOPOOL_AVAILABLE_IN_0_1
AiopoolSource *aiopool_source_new_for_list     (GListModel             *list,
                                                AiopoolSourceItemFunc   func,
                                                gpointer                user_data,
                                                GDestroyNotify          destroy);
AIOPOOL_AVAILABLE_IN_0_1
AiopoolSource *aiopool_source_new_for_callback (AiopoolSourceFunc       func,
                                                gpointer                user_data,
                                                GDestroyNotify          destroy);
AIOPOOL_AVAILABLE_IN_0_1
AiopoolSource *aiopool_source_new_pushed       (AiopoolSourceWantedFunc func,
                                                gpointer                user_data,
                                                GDestroyNotify          destroy);
AIOPOOL_AVAILABLE_IN_0_1
gboolean       aiopool_source_push             (AiopoolSource          *self,
                                                GVariant               *item);
AIOPOOL_AVAILABLE_IN_0_1
gboolean       aiopool_source_push_task        (AiopoolSource          *self,
                                                AiopoolTask            *task);
AIOPOOL_AVAILABLE_IN_0_1
void           aiopool_source_end              (AiopoolSource          *self);
AIOPOOL_AVAILABLE_IN_0_1
void           aiopool_source_fail             (AiopoolSource          *self,
                                                const GError           *error);

G_END_DECLS
