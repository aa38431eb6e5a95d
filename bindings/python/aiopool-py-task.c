/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "aiopool-py-parent-private.h"

#include <string.h>

/* Calls and their results, as the parent makes and reads them. Here is what is small and frequent;
 * the rest is aiopool._pickling's, which tells the forms. */

#define PICKLE_START    0x80
#define MARSHAL_VERSION 2           /* without references */
#define MARSHAL_STARTS  "NTFilgtus" /* of the types that a plain result has */
#define MAX_NAMES    1024 /* functions whose names are remembered */
#define MAX_PLAIN    4096 /* bytes or characters of what is marshalled */

static PyObject *load_pickle, *load_marshal, *dump_marshal, *version; /* (owned): once needed */

/* TRUE when all of them are there. */
static gboolean
import_modules (void)
{
  PyObject *pickle, *marshal;

  if (version != NULL)
    return TRUE;
  pickle = PyImport_ImportModule ("_pickle");
  marshal = PyImport_ImportModule ("marshal");
  if (pickle != NULL && marshal != NULL)
    {
      load_pickle = PyObject_GetAttrString (pickle, "loads");
      load_marshal = PyObject_GetAttrString (marshal, "loads");
      dump_marshal = PyObject_GetAttrString (marshal, "dumps");
    }
  if (load_pickle != NULL && load_marshal != NULL && dump_marshal != NULL)
    version = PyLong_FromLong (MARSHAL_VERSION);
  Py_XDECREF (pickle);
  Py_XDECREF (marshal);
  return version != NULL;
}

/* For what begins with that byte. */
static PyObject *
choose_loader (guint8 start)
{
  if (start == PICKLE_START)
    return load_pickle;
  if (start != '\0' && strchr (MARSHAL_STARTS, start) != NULL)
    return load_marshal;
  return aiopool_py_hooks.unpack;
}

/* The value of the payload of a result. NULL with an exception set. */
PyObject *
aiopool_py_load (GBytes *bytes)
{
  gsize size;
  const guint8 *data = g_bytes_get_data (bytes, &size);
  PyObject *view = aiopool_py_view_own (bytes);
  PyObject *value = NULL;

  if (view != NULL && import_modules ())
    value = PyObject_CallFunctionObjArgs (choose_loader (size > 0 ? data[0] : 0), view, NULL);
  Py_XDECREF (view);
  return value;
}

/* --- packing --------------------------------------------------------------------------------- */

static gboolean
is_plain (PyObject *value)
{
  return value == Py_None || PyBool_Check (value) || PyLong_CheckExact (value) ||
         PyFloat_CheckExact (value) ||
         (PyUnicode_CheckExact (value) && PyUnicode_GetLength (value) < MAX_PLAIN) ||
         (PyBytes_CheckExact (value) && PyBytes_Size (value) < MAX_PLAIN);
}

static gboolean
is_all_plain (PyObject *arguments,
              PyObject *keywords)
{
  Py_ssize_t n = PyTuple_Size (arguments);

  if (PyDict_Size (keywords) > 0)
    return FALSE;
  for (Py_ssize_t i = 0; i < n; i++)
    {
      if (!is_plain (PyTuple_GetItem (arguments, i)))
        return FALSE;
    }
  return TRUE;
}

static AiopoolTask *
make_plain (const char *name,
            PyObject   *arguments)
{
  PyObject *stream = import_modules ()
                       ? PyObject_CallFunctionObjArgs (dump_marshal, arguments, version, NULL)
                       : NULL;
  g_autoptr (GBytes) bytes = NULL;

  if (stream == NULL)
    return NULL;
  bytes = g_bytes_new (PyBytes_AsString (stream), (gsize) PyBytes_Size (stream));
  Py_DECREF (stream);
  return aiopool_task_new_for_payload (name, bytes, AIOPOOL_FORMAT_PICKLE);
}

/* --- names ----------------------------------------------------------------------------------- */

/* What cannot be hashed has no name. NULL with an exception set. */
static PyObject *
find_name (PyObject *names,
           PyObject *function)
{
  PyObject *name = PyDict_GetItemWithError (names, function);

  if (name != NULL)
    return Py_NewRef (name);
  if (PyErr_Occurred () != NULL)
    {
      PyErr_Clear ();
      return Py_NewRef (Py_None);
    }
  name = PyObject_CallFunctionObjArgs (aiopool_py_hooks.name, function, NULL);
  if (name == NULL || name == Py_None)
    return name;
  if (PyDict_Size (names) >= MAX_NAMES)
    PyDict_Clear (names);
  if (PyDict_SetItem (names, function, name) != 0)
    Py_CLEAR (name);
  return name;
}

/* For people and logs, of what has no name by which it could be found. */
static char *
describe (PyObject *function)
{
  PyObject *name = PyObject_GetAttrString (function, "__qualname__");
  const char *text;
  char *copy;

  if (name == NULL)
    {
      PyErr_Clear ();
      name = PyType_GetQualName (Py_TYPE (function));
    }
  text = name != NULL && PyUnicode_Check (name) ? PyUnicode_AsUTF8AndSize (name, NULL) : NULL;
  PyErr_Clear ();
  copy = g_strndup (text != NULL && text[0] != '\0' ? text : "function", 1000);
  Py_XDECREF (name);
  return copy;
}

/* Of a list of pieces, or of a tuple with that and a Shared. NULL with an exception set. */
static AiopoolTask *
make_packed (const char *name,
             PyObject   *packed)
{
  PyObject *pieces = packed, *object = NULL;
  AiopoolSharedData *shared = NULL;
  AiopoolTask *task;

  if (PyTuple_Check (packed) &&
      (!PyArg_ParseTuple (packed, "O!O:pack", &PyList_Type, &pieces, &object) ||
       (shared = aiopool_py_shared_get (object)) == NULL))
    return NULL;
  task = aiopool_py_make_task (name, pieces);
  if (task != NULL && shared != NULL)
    aiopool_task_set_shared_data (task, shared);
  return task;
}

/* Of what has a name to be found by. NULL with an exception set. */
static AiopoolTask *
make_named (PyObject *name,
            PyObject *function,
            PyObject *arguments,
            PyObject *keywords)
{
  const char *text = PyUnicode_AsUTF8AndSize (name, NULL);
  AiopoolTask *task = NULL;
  PyObject *pieces;

  if (text == NULL)
    return NULL;
  if (is_all_plain (arguments, keywords))
    return make_plain (text, arguments);
  pieces = PyObject_CallFunctionObjArgs (aiopool_py_hooks.pack, name, function, arguments, keywords,
                                         NULL);
  if (pieces != NULL)
    task = make_packed (text, pieces);
  Py_XDECREF (pieces);
  return task;
}

/* Of what goes with the call, or is shared. NULL with an exception set. */
static AiopoolTask *
make_nameless (PyObject *function,
               PyObject *arguments,
               PyObject *keywords)
{
  PyObject *packed = PyObject_CallFunctionObjArgs (aiopool_py_hooks.pack, Py_None, function,
                                                   arguments, keywords, NULL);
  g_autofree char *description = NULL;
  AiopoolTask *task;

  if (packed == NULL)
    return NULL;
  description = describe (function);
  task = make_packed (description, packed);
  Py_DECREF (packed);
  return task;
}

/* @names: (dict) what the names of functions are. NULL with an exception set. */
AiopoolTask *
aiopool_py_call_task (PyObject *names,
                      PyObject *function,
                      PyObject *arguments,
                      PyObject *keywords)
{
  PyObject *name = find_name (names, function);
  AiopoolTask *task = NULL;

  if (name == Py_None)
    task = make_nameless (function, arguments, keywords);
  else if (name != NULL)
    task = make_named (name, function, arguments, keywords);
  Py_XDECREF (name);
  return task;
}
