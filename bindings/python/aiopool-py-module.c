/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "aiopool-py-private.h"

/* aiopool._native: what the Python package needs of C. */

AiopoolPy aiopool_py;

static PyObject *
is_worker (PyObject *module,
           PyObject *unused)
{
  return PyBool_FromLong (aiopool_py.abi->is_worker ());
}

static PyObject *
current (PyObject *module,
         PyObject *unused)
{
  return aiopool_py_call_current ();
}

static PyObject *
refuse (PyObject *module,
        PyObject *text)
{
  const char *message = PyUnicode_AsUTF8AndSize (text, NULL);
  g_autoptr (GError) error = NULL;

  if (message == NULL)
    return NULL;
  return PyBool_FromLong (aiopool_py.abi->refuse (message, &error));
}

static PyObject *
set_starting (PyObject *module,
              PyObject *object)
{
  int is_starting = PyObject_IsTrue (object);

  if (is_starting < 0)
    return NULL;
  aiopool_py.abi->set_starting (is_starting);
  return Py_NewRef (Py_None);
}

/* (level, domain, message, ((key, value), ...)): whether the record went to the pool. */
static PyObject *
log_record (PyObject *module,
            PyObject *arguments)
{
  GLogField fields[16] = { { "GLIB_DOMAIN", NULL, -1 }, { "MESSAGE", NULL, -1 } };
  const char *domain, *message, *key, *value;
  PyObject *pairs;
  gsize n = 2;
  int level;

  if (!PyArg_ParseTuple (arguments, "issO!:log", &level, &domain, &message, &PyTuple_Type, &pairs))
    return NULL;
  fields[0].value = domain;
  fields[1].value = message;
  for (Py_ssize_t i = 0; i < PyTuple_Size (pairs) && n < G_N_ELEMENTS (fields); i++)
    {
      if (!PyArg_ParseTuple (PyTuple_GetItem (pairs, i), "ss", &key, &value))
        return NULL;
      fields[n++] = (GLogField) { key, value, -1 };
    }
  return PyBool_FromLong (aiopool_py.abi->log ((GLogLevelFlags) level, fields, n));
}

static PyObject *
pack (PyObject *module,
      PyObject *object)
{
  GVariant *value = aiopool_py_pack (object);
  PyObject *text;
  char *printed;

  if (value == NULL)
    return NULL;
  g_variant_ref_sink (value);
  printed = g_variant_print (value, TRUE);
  text = Py_BuildValue ("ss", g_variant_get_type_string (value), printed);
  g_free (printed);
  g_variant_unref (value);
  return text;
}

static PyMethodDef methods[] = {
  { "is_worker", is_worker, METH_NOARGS, "Whether a pool started this process as a worker." },
  { "current", current, METH_NOARGS, "The task that runs, or None." },
  { "refuse", refuse, METH_O, "Tells the pool why this process cannot serve." },
  { "serve", aiopool_py_serve, METH_O, "Serves until the pool has no more tasks." },
  { "dispatch", aiopool_py_dispatch, METH_NOARGS, "Does what can be done without waiting." },
  { "forget", aiopool_py_forget, METH_NOARGS, "This is a copy of the worker." },
  { "set_starting", set_starting, METH_O, "Whether the program's main module runs again." },
  { "log", log_record, METH_VARARGS, "Sends a record to the pool." },
  { "pack", pack, METH_O, "The type and text of the GVariant that an object is packed in." },
  { NULL, NULL, 0, NULL },
};

static gboolean
add_exception (PyObject   *module,
               const char *name,
               const char *doc,
               PyObject   *base,
               PyObject  **type)
{
  g_autofree char *full = g_strconcat ("aiopool.", name, NULL);

  *type = PyErr_NewExceptionWithDoc (full, doc, base, NULL);
  return *type != NULL && PyModule_AddObjectRef (module, name, *type) == 0;
}

static struct PyModuleDef definition = {
  PyModuleDef_HEAD_INIT,
  .m_name = "aiopool._native",
  .m_doc = "What the package needs of the library.",
  .m_size = -1,
  .m_methods = methods,
};

G_MODULE_EXPORT PyMODINIT_FUNC PyInit__native (void);

PyMODINIT_FUNC
PyInit__native (void)
{
  PyObject *module, *codes;

  aiopool_py.abi = aiopool_worker_abi_get (AIOPOOL_WORKER_ABI_VERSION);
  if (aiopool_py.abi == NULL || aiopool_py.abi->size < sizeof *aiopool_py.abi)
    {
      PyErr_SetString (PyExc_ImportError, "libaiopool does not fit this version of the package");
      return NULL;
    }
  module = PyModule_Create (&definition);
  if (module != NULL && aiopool_py_bytes_init (module) && aiopool_py_call_init (module) &&
      add_exception (module, "TaskCancelled", "The task was cancelled.", PyExc_Exception,
                     &aiopool_py.cancelled_type) &&
      add_exception (module, "PackError", "An object does not fit in a GVariant.",
                     PyExc_TypeError, &aiopool_py.pack_error_type))
    {
      codes = Py_BuildValue ("iiii", AIOPOOL_TASK_ERROR_FAILED, AIOPOOL_TASK_ERROR_UNKNOWN_FUNCTION,
                             AIOPOOL_TASK_ERROR_ENCODE, AIOPOOL_TASK_ERROR_DECODE);
      if (codes != NULL && PyModule_AddObjectRef (module, "TASK_ERROR_CODES", codes) == 0)
        return module;
    }
  Py_XDECREF (module);
  return NULL;
}
