/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "aiopool-py-parent-private.h"

/* aiopool._parent: pools for programs in Python, without introspection. */

AiopoolPy aiopool_py;
AiopoolPyHooks aiopool_py_hooks;
gboolean aiopool_py_is_copy;
gboolean aiopool_py_is_used;

/* What this module keeps is of the interpreter that imported it first. FALSE, with an exception
 * set, in another one of the same process. */
static gboolean
check_interpreter (void)
{
  static gint64 first = -1;
  gint64 id = PyInterpreterState_GetID (PyInterpreterState_Get ());

  if (first < 0)
    first = id;
  if (id != first)
    PyErr_SetString (PyExc_ImportError,
                     "aiopool cannot be used in more than one interpreter of a process");
  return id == first;
}

static PyObject *
set_hooks (PyObject *module,
           PyObject *arguments)
{
  AiopoolPyHooks hooks;

  if (!check_interpreter () ||
      !PyArg_ParseTuple (arguments, "OOOOO:set_hooks", &hooks.name, &hooks.pack, &hooks.unpack,
                         &hooks.failure, &hooks.error))
    return NULL;
  Py_INCREF (hooks.name);
  Py_INCREF (hooks.pack);
  Py_INCREF (hooks.unpack);
  Py_INCREF (hooks.failure);
  Py_INCREF (hooks.error);
  aiopool_py_hooks = hooks; /* there is one module, which does this once */
  return Py_NewRef (Py_None);
}

PyObject *
aiopool_py_refuse_copy (void)
{
  return aiopool_py_raise (g_error_new_literal (AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_FORKED,
                                                "This process is a copy, made by fork(), of the "
                                                "one that has the pool"));
}

/* In the child of a fork. A process that had made nothing has left nothing to leave alone. */
static PyObject *
forget (PyObject *module,
        PyObject *unused)
{
  aiopool_py_is_copy = aiopool_py_is_copy || aiopool_py_is_used;
  return PyBool_FromLong (aiopool_py_is_copy);
}

static PyMethodDef methods[] = {
  { "set_hooks", set_hooks, METH_VARARGS, "set_hooks(name, pack, unpack, failure, error)" },
  { "forget", forget, METH_NOARGS, "This process is a copy: whether of one that has pools." },
  { "leaving", aiopool_py_pool_leaving, METH_O,
    "leaving(is_interrupted): handles of the ends of pools that are gone for Python and still have "
    "tasks, which, if so, end as soon as can be." },
  { NULL, NULL, 0, NULL },
};

static struct PyModuleDef definition = {
  PyModuleDef_HEAD_INIT,
  .m_name = "aiopool._parent",
  .m_doc = "Pools, without introspection.",
  .m_size = -1,
  .m_methods = methods,
};

static gboolean
add_numbers (PyObject *module)
{
  const struct { const char *name; long value; } numbers[] = {
    { "STATE_PENDING", AIOPOOL_FUTURE_PENDING },
    { "STATE_RUNNING", AIOPOOL_FUTURE_RUNNING },
    { "STATE_DONE", AIOPOOL_FUTURE_DONE },
    { "STATE_FAILED", AIOPOOL_FUTURE_FAILED },
    { "STATE_CANCELLED", AIOPOOL_FUTURE_CANCELLED },
    { "CANCEL_PENDING", AIOPOOL_CANCEL_PENDING },
    { "CANCEL_COOPERATIVE", AIOPOOL_CANCEL_COOPERATIVE },
    { "CANCEL_FORCE", AIOPOOL_CANCEL_FORCE },
    { "SHUTDOWN_DRAIN", AIOPOOL_SHUTDOWN_DRAIN },
    { "SHUTDOWN_CANCEL_PENDING", AIOPOOL_SHUTDOWN_CANCEL_PENDING },
    { "SHUTDOWN_TERMINATE", AIOPOOL_SHUTDOWN_TERMINATE },
    { "WORKER_STARTING", AIOPOOL_WORKER_STARTING },
    { "WORKER_IDLE", AIOPOOL_WORKER_IDLE },
    { "WORKER_BUSY", AIOPOOL_WORKER_BUSY },
    { "WORKER_CLOSING", AIOPOOL_WORKER_CLOSING },
    { "WORKER_DEAD", AIOPOOL_WORKER_DEAD },
    { "DEATH_ISOLATE", AIOPOOL_DEATH_ISOLATE },
    { "DEATH_BREAK", AIOPOOL_DEATH_BREAK },
    { "NEWS_EMITTED", 0 },
    { "NEWS_PROGRESS", 1 },
    { "TASK_FAILED", AIOPOOL_TASK_ERROR_FAILED },
    { "TASK_CRASHED", AIOPOOL_TASK_ERROR_CRASHED },
    { "TASK_MAY_HAVE_RUN", AIOPOOL_TASK_ERROR_MAY_HAVE_RUN },
    { "TASK_PROTOCOL", AIOPOOL_TASK_ERROR_PROTOCOL },
    { "TASK_TIMED_OUT", AIOPOOL_TASK_ERROR_TIMED_OUT },
    { "TASK_QUEUE_TIMED_OUT", AIOPOOL_TASK_ERROR_QUEUE_TIMED_OUT },
    { "TASK_UNKNOWN_FUNCTION", AIOPOOL_TASK_ERROR_UNKNOWN_FUNCTION },
    { "TASK_ENCODE", AIOPOOL_TASK_ERROR_ENCODE },
    { "TASK_DECODE", AIOPOOL_TASK_ERROR_DECODE },
    { "TASK_TOO_LARGE", AIOPOOL_TASK_ERROR_TOO_LARGE },
    { "POOL_CLOSED", AIOPOOL_POOL_ERROR_CLOSED },
    { "POOL_BROKEN", AIOPOOL_POOL_ERROR_BROKEN },
    { "POOL_FULL", AIOPOOL_POOL_ERROR_FULL },
    { "POOL_START_FAILED", AIOPOOL_POOL_ERROR_START_FAILED },
    { "POOL_START_TIMED_OUT", AIOPOOL_POOL_ERROR_START_TIMED_OUT },
    { "POOL_INITIALIZER", AIOPOOL_POOL_ERROR_INITIALIZER },
    { "POOL_FINALIZER", AIOPOOL_POOL_ERROR_FINALIZER },
    { "POOL_NOT_A_WORKER", AIOPOOL_POOL_ERROR_NOT_A_WORKER },
    { "POOL_FORKED", AIOPOOL_POOL_ERROR_FORKED },
    { "POOL_WOULD_BLOCK", AIOPOOL_POOL_ERROR_WOULD_BLOCK },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (numbers); i++)
    {
      if (PyModule_AddIntConstant (module, numbers[i].name, numbers[i].value) != 0)
        return FALSE;
    }
  return PyModule_AddStringConstant (module, "TASK_ERROR",
                                     g_quark_to_string (AIOPOOL_TASK_ERROR)) == 0 &&
         PyModule_AddStringConstant (module, "POOL_ERROR",
                                     g_quark_to_string (AIOPOOL_POOL_ERROR)) == 0;
}

G_MODULE_EXPORT PyMODINIT_FUNC PyInit__parent (void);

PyMODINIT_FUNC
PyInit__parent (void)
{
  PyObject *module = PyModule_Create (&definition);

  if (module != NULL && add_numbers (module) && aiopool_py_bytes_init (module) &&
      aiopool_py_handle_init (module) && aiopool_py_iterator_init (module) &&
      aiopool_py_queue_init (module) && aiopool_py_shared_init (module) &&
      aiopool_py_process_init (module) &&
      aiopool_py_pool_init (module))
    return module;
  Py_XDECREF (module);
  return NULL;
}
