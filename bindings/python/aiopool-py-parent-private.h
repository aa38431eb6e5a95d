/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool-py-private.h"

/* What the parent's side asks of Python; set once, by aiopool._core. */
typedef struct
{
  PyObject *name;    /* (owned): name (function) -> a text, or None if it is to be pickled */
  PyObject *pack;    /* (owned): pack (name or None, function, args, kwargs) -> pieces, or
                     * (pieces, what it has in common with other calls) */
  PyObject *unpack;  /* (owned): unpack (view) -> the value */
  PyObject *failure; /* (owned): failure (handle) -> an exception */
  PyObject *error;   /* (owned): error (domain, code, message, payload or None) -> an
                     * exception, whose cause is in the payload */
} AiopoolPyHooks;

extern AiopoolPyHooks aiopool_py_hooks;
extern gboolean aiopool_py_is_copy; /* this is the child of a fork: nothing here is ours */
extern gboolean aiopool_py_is_used; /* there is, or was, something that a child cannot have */

extern PyTypeObject *aiopool_py_handle_type; /* (owned) */
extern PyTypeObject *aiopool_py_queue_type;  /* (owned) */

/* A future, for Python. */
typedef struct
{
  PyObject_HEAD
  AiopoolFuture *future; /* (owned) (nullable): NULL before it was submitted */
  PyObject      *news;   /* (owned) (nullable): list of what the task has emitted, not yet taken */
  PyObject      *owner;  /* (owned) (nullable): of its pool */
  PyObject      *outcome; /* (owned) (nullable): (result, exception), once somebody has asked */
  guint64        task_id; /* of the tasks of its pool, from 1 on; 0 if it is none of them */
  gboolean       is_told; /* the queue knows that there is news */
} AiopoolPyHandle;

/* handle */
PyObject      *aiopool_py_handle_new   (PyTypeObject  *type,
                                        AiopoolFuture *future,
                                        PyObject      *owner);
gboolean       aiopool_py_handle_init  (PyObject      *module);

/* calls: pickled, and their results */
AiopoolTask   *aiopool_py_call_task    (PyObject      *names,
                                        PyObject      *function,
                                        PyObject      *arguments,
                                        PyObject      *keywords);
PyObject      *aiopool_py_load         (GBytes        *bytes);

/* pieces */
AiopoolTask   *aiopool_py_make_task    (const char    *name,
                                        PyObject      *pieces);
GBytes        *aiopool_py_join         (PyObject      *pieces);
int            aiopool_py_compare      (GBytes        *bytes,
                                        PyObject      *pieces);
void           aiopool_py_drop_spare   (void);

/* iterator */
gboolean       aiopool_py_iterator_init (PyObject     *module);

/* queue */
AiopoolFuture *aiopool_py_queue_submit (PyObject      *queue,
                                        AiopoolPool   *pool,
                                        AiopoolTask   *task,
                                        guint         *id,
                                        GError       **error);
gboolean       aiopool_py_queue_keep   (PyObject      *queue,
                                        guint          id,
                                        PyObject      *handle);
GMainContext  *aiopool_py_queue_get_context (PyObject *queue);
void           aiopool_py_queue_watch_log (PyObject   *queue,
                                        AiopoolPool   *pool);
gboolean       aiopool_py_queue_init   (PyObject      *module);

/* pool */
gboolean       aiopool_py_pool_init    (PyObject      *module);
PyObject      *aiopool_py_pool_leaving (PyObject      *module,
                                        PyObject      *unused);

/* process: a worker of a pool */
gboolean       aiopool_py_process_init (PyObject      *module);
PyObject      *aiopool_py_list_workers (AiopoolPool   *pool);

/* shared: what many calls have in common */
gboolean       aiopool_py_shared_init  (PyObject      *module);
PyObject      *aiopool_py_shared_wrap  (AiopoolSharedData *data);
AiopoolSharedData *
               aiopool_py_shared_get   (PyObject      *object);

/* settings: of GObjects, by name */
gboolean       aiopool_py_set          (GObject       *object,
                                        const char    *name,
                                        PyObject      *value);
gboolean       aiopool_py_set_all      (GObject       *object,
                                        PyObject      *dictionary);
gboolean       aiopool_py_to_value     (GObjectClass  *klass,
                                        const char    *name,
                                        PyObject      *object,
                                        GValue        *value);
PyObject      *aiopool_py_get          (GObject       *object,
                                        const char    *name);
GUnixFDList   *aiopool_py_fds          (PyObject      *sequence);
PyObject      *aiopool_py_raise        (GError        *error);
PyObject      *aiopool_py_raise_from   (GError        *error,
                                        AiopoolErrorInfo *info);
PyObject      *aiopool_py_refuse_copy  (void);
