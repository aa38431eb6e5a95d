/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "aiopool-py-private.h"

/* Calls that came as pickles, and their answers. Here is what is small and frequent; what has large
 * buffers is aiopool._pickling's, which tells the form of both. */

#define PICKLE_START 0x80

static PyObject *loads, *dumps, *protocol; /* (owned): once needed */

static gboolean
import_pickle (void)
{
  PyObject *module;

  if (protocol != NULL)
    return TRUE;
  module = PyImport_ImportModule ("_pickle");
  if (module == NULL)
    return FALSE;
  loads = PyObject_GetAttrString (module, "loads");
  dumps = PyObject_GetAttrString (module, "dumps");
  Py_DECREF (module);
  if (loads != NULL && dumps != NULL)
    protocol = PyLong_FromLong (5);
  return protocol != NULL;
}

static PyObject *
load (GBytes *bytes)
{
  gsize size;
  const guint8 *data = g_bytes_get_data (bytes, &size);
  PyObject *view = aiopool_py_view (bytes);
  PyObject *value = NULL;

  if (view != NULL && size > 0 && data[0] != PICKLE_START)
    value = PyObject_CallFunctionObjArgs (aiopool_py.unpack_payload, view, NULL);
  else if (view != NULL && import_pickle ())
    value = PyObject_CallFunctionObjArgs (loads, view, NULL);
  Py_XDECREF (view);
  return value;
}

static gboolean
is_call (PyObject *value)
{
  Py_ssize_t n = PyTuple_Check (value) ? PyTuple_Size (value) : 0;

  return (n == 2 || n == 3) && PyTuple_Check (PyTuple_GetItem (value, n - 2)) &&
         PyDict_Check (PyTuple_GetItem (value, n - 1));
}

/* What a task came with: a tuple ([function,] arguments, keywords). NULL with an exception set. */
PyObject *
aiopool_py_load_call (AiopoolCall *call)
{
  GBytes *bytes = aiopool_call_dup_payload (call, NULL);
  PyObject *value = load (bytes);

  g_bytes_unref (bytes);
  if (value == NULL || is_call (value))
    return value;
  Py_DECREF (value);
  PyErr_SetString (PyExc_ValueError, "the pickle is not that of a call");
  return NULL;
}

/* Pickled without asking for buffers: it has none. */
static gboolean
is_plain (PyObject *result)
{
  return result == Py_None || PyBool_Check (result) || PyLong_CheckExact (result) ||
         PyFloat_CheckExact (result) ||
         (PyUnicode_CheckExact (result) && PyUnicode_GetLength (result) < 4096);
}

static gboolean
answer_plainly (AiopoolCall *call,
                PyObject    *result)
{
  PyObject *stream = import_pickle ()
                       ? PyObject_CallFunctionObjArgs (dumps, result, protocol, NULL)
                       : NULL;
  GBytes *bytes;

  if (stream == NULL)
    return FALSE;
  bytes = g_bytes_new_static (PyBytes_AsString (stream), (gsize) PyBytes_Size (stream));
  aiopool_call_return_payload (call, bytes, AIOPOOL_FORMAT_PICKLE);
  g_bytes_unref (bytes);
  Py_DECREF (stream);
  return TRUE;
}

/* FALSE with an exception set. */
gboolean
aiopool_py_answer_pickle (AiopoolCall *call,
                          PyObject    *result)
{
  PyObject *pieces;
  gboolean is_good;

  if (is_plain (result))
    return answer_plainly (call, result);
  pieces = PyObject_CallFunctionObjArgs (aiopool_py.pack_pieces, result, NULL);
  if (pieces == NULL)
    return FALSE;
  is_good = aiopool_py_return_pieces (call, AIOPOOL_FORMAT_PICKLE, pieces);
  Py_DECREF (pieces);
  return is_good;
}
