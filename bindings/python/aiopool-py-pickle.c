/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "aiopool-py-private.h"

/* Calls that came as pickles, or marshalled, and their answers. Here is what is small and frequent;
 * what has large buffers is aiopool._pickling's, which tells the forms. */

#define PICKLE_START    0x80
#define PLAIN_START     '(' /* of a tuple, marshalled */
#define MARSHAL_VERSION 2   /* without references */
#define MAX_PLAIN       4096 /* bytes or characters of what is marshalled */

static PyObject *load_pickle, *dump_pickle, *protocol;     /* (owned): once needed */
static PyObject *load_marshal, *dump_marshal, *version;    /* (owned): once needed */

/* TRUE when all of them are there. */
static gboolean
import_functions (const char  *name,
                  PyObject   **loads,
                  PyObject   **dumps,
                  long         number,
                  PyObject   **argument)
{
  PyObject *module;

  if (*argument != NULL)
    return TRUE;
  module = PyImport_ImportModule (name);
  if (module == NULL)
    return FALSE;
  *loads = PyObject_GetAttrString (module, "loads");
  *dumps = PyObject_GetAttrString (module, "dumps");
  Py_DECREF (module);
  if (*loads != NULL && *dumps != NULL)
    *argument = PyLong_FromLong (number);
  return *argument != NULL;
}

/* That takes longer than to start all the rest of a worker: it is for those who need it. */
static gboolean
import_pickle (void)
{
  return import_functions ("_pickle", &load_pickle, &dump_pickle, 5, &protocol);
}

static gboolean
import_marshal (void)
{
  return import_functions ("marshal", &load_marshal, &dump_marshal, MARSHAL_VERSION, &version);
}

/* For what begins with that byte. NULL with an exception set. */
static PyObject *
choose_loader (guint8 start)
{
  if (start == PICKLE_START)
    return import_pickle () ? load_pickle : NULL;
  if (start == PLAIN_START)
    return import_marshal () ? load_marshal : NULL;
  return aiopool_py.unpack_payload;
}

static PyObject *
load (GBytes *bytes,
      guint8  start)
{
  PyObject *view = aiopool_py_view_own (bytes);
  PyObject *loader = choose_loader (start);
  PyObject *value = NULL;

  if (view != NULL && loader != NULL)
    value = PyObject_CallFunctionObjArgs (loader, view, NULL);
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

/* What was marshalled are the arguments only. */
static PyObject *
complete (PyObject *arguments)
{
  PyObject *nothing = PyDict_New ();
  PyObject *call = NULL;

  if (arguments != NULL && nothing != NULL)
    call = PyTuple_Pack (2, arguments, nothing);
  Py_XDECREF (arguments);
  Py_XDECREF (nothing);
  return call;
}

/* What a task came with: a tuple ([function,] arguments, keywords). NULL with an exception set.
 * @is_plain: (out): whether the answer may be marshalled, too. */
PyObject *
aiopool_py_load_call (AiopoolCall *call,
                      gboolean    *is_plain)
{
  GBytes *bytes = aiopool_call_dup_payload (call, NULL);
  gsize size;
  const guint8 *data = g_bytes_get_data (bytes, &size);
  guint8 start = size > 0 ? data[0] : 0;
  PyObject *value = load (bytes, start);

  g_bytes_unref (bytes);
  *is_plain = start == PLAIN_START;
  if (*is_plain)
    value = complete (value);
  if (value == NULL || is_call (value))
    return value;
  Py_DECREF (value);
  PyErr_SetString (PyExc_ValueError, "the payload is not that of a call");
  return NULL;
}

/* Pickled without asking for buffers: it has none. */
gboolean
aiopool_py_is_small (PyObject *result)
{
  return result == Py_None || PyBool_Check (result) || PyLong_CheckExact (result) ||
         PyFloat_CheckExact (result) ||
         (PyUnicode_CheckExact (result) && PyUnicode_GetLength (result) < MAX_PLAIN) ||
         (PyBytes_CheckExact (result) && PyBytes_Size (result) < MAX_PLAIN);
}

static PyObject *
dump_small (PyObject *result,
            gboolean  is_plain)
{
  if (is_plain && import_marshal ())
    return PyObject_CallFunctionObjArgs (dump_marshal, result, version, NULL);
  if (!is_plain && import_pickle ())
    return PyObject_CallFunctionObjArgs (dump_pickle, result, protocol, NULL);
  return NULL;
}

static gboolean
answer_small (AiopoolCall *call,
              PyObject    *result,
              gboolean     is_plain)
{
  PyObject *stream = dump_small (result, is_plain);
  GBytes *bytes;

  if (stream == NULL)
    return FALSE;
  bytes = g_bytes_new_static (PyBytes_AsString (stream), (gsize) PyBytes_Size (stream));
  aiopool_call_return_payload (call, bytes, AIOPOOL_FORMAT_PICKLE);
  g_bytes_unref (bytes);
  Py_DECREF (stream);
  return TRUE;
}

/* @is_plain: whether who has sent the task reads what is marshalled.
 * FALSE with an exception set. */
gboolean
aiopool_py_answer_pickle (AiopoolCall *call,
                          PyObject    *result,
                          gboolean     is_plain)
{
  PyObject *pieces;
  gboolean is_good;

  if (aiopool_py_is_small (result))
    return answer_small (call, result, is_plain);
  pieces = PyObject_CallFunctionObjArgs (aiopool_py.pack_pieces, result, NULL);
  if (pieces == NULL)
    return FALSE;
  is_good = aiopool_py_return_pieces (call, AIOPOOL_FORMAT_PICKLE, pieces);
  Py_DECREF (pieces);
  return is_good;
}
