/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "aiopool-py-parent-private.h"

/* A worker process of a pool, for Python: aiopool._parent.Worker. */

typedef struct
{
  PyObject_HEAD
  AiopoolWorker *worker; /* (owned) */
} Process;

static PyTypeObject *process_type; /* (owned) */

static AiopoolWorker *
worker_of (PyObject *object)
{
  return ((Process *) object)->worker;
}

/* The copy that a fork made leaves alone what is of the library. */
static void
process_dealloc (PyObject *object)
{
  PyTypeObject *type = Py_TYPE (object);

  if (!aiopool_py_is_copy)
    g_clear_object (&((Process *) object)->worker);
  ((freefunc) PyType_GetSlot (type, Py_tp_free)) (object);
  Py_DECREF (type);
}

/* @worker: (transfer full). */
static PyObject *
process_new (AiopoolWorker *worker)
{
  allocfunc alloc = (allocfunc) PyType_GetSlot (process_type, Py_tp_alloc);
  PyObject *object = alloc (process_type, 0);

  if (object == NULL)
    g_object_unref (worker);
  else
    ((Process *) object)->worker = worker;
  return object;
}

/* A list of those that there are; some may be about to be started, and are waited for. */
PyObject *
aiopool_py_list_workers (AiopoolPool *pool)
{
  PyObject *list = PyList_New (0);
  GListModel *workers;

  if (list == NULL || aiopool_py_is_copy)
    return list;
  Py_BEGIN_ALLOW_THREADS
  workers = aiopool_pool_dup_workers (pool);
  Py_END_ALLOW_THREADS
  for (guint i = 0; list != NULL && i < g_list_model_get_n_items (workers); i++)
    {
      PyObject *process = process_new (g_list_model_get_item (workers, i));

      if (process == NULL || PyList_Append (list, process) != 0)
        Py_CLEAR (list);
      Py_XDECREF (process);
    }
  g_object_unref (workers);
  return list;
}

static PyObject *
get_number (PyObject *object,
            void     *closure)
{
  AiopoolWorker *worker = worker_of (object);

  switch (GPOINTER_TO_INT (closure))
    {
    case 0:
      return PyLong_FromUnsignedLong (aiopool_worker_get_id (worker));
    case 1:
      return PyLong_FromLong (aiopool_worker_get_pid (worker));
    default:
      return PyLong_FromLong (aiopool_py_is_copy ? AIOPOOL_WORKER_DEAD
                                                 : (long) aiopool_worker_get_state (worker));
    }
}

static PyObject *
get_exit_code (PyObject *object,
               void     *closure)
{
  int code;

  if (aiopool_py_is_copy || !aiopool_worker_get_exit_code (worker_of (object), &code))
    return Py_NewRef (Py_None);
  return PyLong_FromLong (code);
}

static PyGetSetDef getset[] = {
  { "id", get_number, NULL, "The number of the worker in its pool.", GINT_TO_POINTER (0) },
  { "pid", get_number, NULL, "The process id.", GINT_TO_POINTER (1) },
  { "state", get_number, NULL, "One of WORKER_STARTING ... WORKER_DEAD.", GINT_TO_POINTER (2) },
  { "exit_code", get_exit_code, NULL, "How it ended; None if it has not, or nobody knows.", NULL },
  { NULL, NULL, NULL, NULL, NULL },
};

static PyType_Slot slots[] = {
  { Py_tp_dealloc, process_dealloc },
  { Py_tp_getset, getset },
  { Py_tp_doc, (char *) "A worker process." },
  { 0, NULL },
};

static PyType_Spec spec = {
  .name = "aiopool._parent.Worker",
  .basicsize = sizeof (Process),
  .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
  .slots = slots,
};

gboolean
aiopool_py_process_init (PyObject *module)
{
  process_type = (PyTypeObject *) PyType_FromSpec (&spec);
  return process_type != NULL &&
         PyModule_AddObjectRef (module, "Worker", (PyObject *) process_type) == 0;
}
