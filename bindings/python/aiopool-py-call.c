/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "aiopool-py-private.h"

#include <sys/eventfd.h>
#include <unistd.h>

/* The task that runs, as Python sees it: aiopool.current_task(). What begins with an underscore is
 * for the package's own modules. */

typedef struct
{
  PyObject_HEAD
  AiopoolCall *call; /* (owned) */
} Call;

static AiopoolCall *
call_of (PyObject *object)
{
  return ((Call *) object)->call;
}

static void
call_dealloc (PyObject *object)
{
  PyTypeObject *type = Py_TYPE (object);

  g_object_unref (call_of (object));
  ((freefunc) PyType_GetSlot (type, Py_tp_free)) (object);
  Py_DECREF (type);
}

static PyObject *
raise_error (const GError *error)
{
  gboolean is_cancelled = g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);

  PyErr_SetString (is_cancelled ? aiopool_py.cancelled_type : PyExc_RuntimeError, error->message);
  return NULL;
}

static PyObject *
get_function (PyObject *object,
              void     *closure)
{
  return PyUnicode_FromString (aiopool_call_get_function (call_of (object)));
}

static PyObject *
get_cancelled (PyObject *object,
               void     *closure)
{
  return PyBool_FromLong (aiopool_call_is_cancelled (call_of (object)));
}

static PyObject *
get_time_left (PyObject *object,
               void     *closure)
{
  double left = aiopool_call_get_time_left (call_of (object));

  return left < 0 ? Py_NewRef (Py_None) : PyFloat_FromDouble (left);
}

static PyObject *
get_fds (PyObject *object,
         void     *closure)
{
  GUnixFDList *list = aiopool_call_get_fds (call_of (object));
  int n = 0;
  const int *fds = list != NULL ? g_unix_fd_list_peek_fds (list, &n) : NULL;
  PyObject *tuple = PyTuple_New (n);

  for (int i = 0; tuple != NULL && i < n; i++)
    PyTuple_SetItem (tuple, i, PyLong_FromLong (fds[i]));
  return tuple;
}

static PyObject *
get_shared_data (PyObject *object,
                 void     *closure)
{
  GBytes *bytes = aiopool_call_dup_shared_data (call_of (object));
  PyObject *view;

  if (bytes == NULL)
    return Py_NewRef (Py_None);
  view = aiopool_py_view (bytes);
  g_bytes_unref (bytes);
  return view;
}

static PyObject *
call_check (PyObject *object,
            PyObject *unused)
{
  if (!aiopool_call_is_cancelled (call_of (object)))
    return Py_NewRef (Py_None);
  PyErr_SetString (aiopool_py.cancelled_type, "The task was cancelled");
  return NULL;
}

/* FALSE with an exception set in a copy of the worker. */
static gboolean
is_ours (void)
{
  if (aiopool_py.is_forked)
    PyErr_SetString (PyExc_RuntimeError, "this process is a copy of the worker that has the task");
  return !aiopool_py.is_forked;
}

static PyObject *
call_progress (PyObject *object,
               PyObject *arguments)
{
  const char *message = NULL;
  double fraction;

  if (!is_ours () || !PyArg_ParseTuple (arguments, "d|z:progress", &fraction, &message))
    return NULL;
  if (fraction != fraction)
    {
      PyErr_SetString (PyExc_ValueError, "the fraction is not a number");
      return NULL;
    }
  aiopool_call_set_progress (call_of (object), fraction, message);
  return Py_NewRef (Py_None);
}

/* --- memory ---------------------------------------------------------------------------------- */

/* What came with the task when that is no GVariant: the format and a memoryview. */
static PyObject *
call_payload (PyObject *object,
              PyObject *unused)
{
  AiopoolFormat format;
  GBytes *bytes = aiopool_call_dup_payload (call_of (object), &format);
  PyObject *view = aiopool_py_view (bytes);

  g_bytes_unref (bytes);
  return view != NULL ? Py_BuildValue ("iN", (int) format, view) : NULL;
}

static PyObject *
call_payload_format (PyObject *object,
                     PyObject *unused)
{
  AiopoolFormat format = AIOPOOL_FORMAT_GVARIANT;
  GBytes *bytes;

  if (aiopool_call_get_arguments (call_of (object)) == NULL)
    {
      bytes = aiopool_call_dup_payload (call_of (object), &format);
      g_bytes_unref (bytes);
    }
  return PyLong_FromLong ((long) format);
}

/* Answers with the pieces, one after the other. Each is copied once, into memory that the parent
 * has too if that is much. FALSE with an exception set. */
gboolean
aiopool_py_return_pieces (AiopoolCall   *call,
                          AiopoolFormat  format,
                          PyObject      *pieces)
{
  Py_buffer *views;
  guint8 *buffer;
  Py_ssize_t n;
  gsize size;

  views = aiopool_py_view_all (pieces, &n, &size);
  if (views == NULL)
    return FALSE;
  buffer = aiopool_call_new_buffer (call, size);
  if (buffer != NULL)
    {
      aiopool_py_copy_all (buffer, views, n);
      aiopool_call_return_buffer (call, buffer, size, format, NULL);
    }
  else
    PyErr_NoMemory ();
  aiopool_py_release_all (views, n);
  return buffer != NULL;
}

static PyObject *
call_return_payload (PyObject *object,
                     PyObject *arguments)
{
  PyObject *pieces;
  int format;

  aiopool_py_leave_copy ();
  if (!PyArg_ParseTuple (arguments, "iO!:_return_payload", &format, &PyList_Type, &pieces) ||
      !aiopool_py_return_pieces (call_of (object), (AiopoolFormat) format, pieces))
    return NULL;
  return Py_NewRef (Py_None);
}

/* --- partial results ------------------------------------------------------------------------- */

static GVariant *
join_pieces (PyObject *pieces)
{
  Py_buffer *views;
  guint8 *data;
  Py_ssize_t n;
  gsize size;

  views = aiopool_py_view_all (pieces, &n, &size);
  if (views == NULL)
    return NULL;
  data = g_try_malloc (MAX (size, 1));
  if (data != NULL)
    aiopool_py_copy_all (data, views, n);
  else
    PyErr_NoMemory ();
  aiopool_py_release_all (views, n);
  return data != NULL ? g_variant_new_from_data (G_VARIANT_TYPE_BYTESTRING, data, size, TRUE,
                                                 g_free, data)
                      : NULL;
}

/* A task that came as a pickle emits pickles, as byte strings. */
static GVariant *
pack_emitted (AiopoolCall *call,
              PyObject    *value)
{
  PyObject *pieces;
  GVariant *packed;

  if (aiopool_call_get_arguments (call) != NULL || aiopool_py.pack_pieces == NULL)
    return aiopool_py_pack (value);
  pieces = PyObject_CallFunctionObjArgs (aiopool_py.pack_pieces, value, NULL);
  if (pieces == NULL)
    return NULL;
  packed = join_pieces (pieces);
  Py_DECREF (pieces);
  return packed;
}

/* Waits, while others run, when the parent is behind. */
static PyObject *
call_emit (PyObject *object,
           PyObject *value)
{
  AiopoolCall *call = call_of (object);
  GVariant *packed = is_ours () ? pack_emitted (call, value) : NULL;
  g_autoptr (GError) error = NULL;
  gboolean is_sent;

  if (packed == NULL)
    return NULL;
  Py_BEGIN_ALLOW_THREADS
  is_sent = aiopool_call_emit (call, packed, &error);
  Py_END_ALLOW_THREADS
  return is_sent ? Py_NewRef (Py_None) : raise_error (error);
}

/* --- answers --------------------------------------------------------------------------------- */

static PyObject *
call_return_value (PyObject *object,
                   PyObject *value)
{
  GVariant *packed;

  aiopool_py_leave_copy ();
  packed = aiopool_py_pack (value);
  if (packed == NULL)
    return NULL;
  aiopool_py.abi->return_value (call_of (object), packed);
  return Py_NewRef (Py_None);
}

/* A tuple (type name, message, traceback, notes, cause, context): texts, a list of texts, and two
 * of the same or None. Python sees to it that it ends. */
static AiopoolErrorInfo *
make_info (PyObject *tuple)
{
  const char *type_name, *message, *traceback, *note;
  PyObject *notes, *cause, *context;
  AiopoolErrorInfo *info;
  g_autoptr (AiopoolErrorInfo) cause_info = NULL;
  g_autoptr (AiopoolErrorInfo) context_info = NULL;
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_auto (GStrv) strings = NULL;

  if (!PyArg_ParseTuple (tuple, "sszO!OO", &type_name, &message, &traceback, &PyList_Type, &notes,
                         &cause, &context))
    return NULL;
  if ((cause != Py_None && (cause_info = make_info (cause)) == NULL) ||
      (context != Py_None && (context_info = make_info (context)) == NULL))
    return NULL;
  for (Py_ssize_t i = 0; i < PyList_Size (notes); i++)
    {
      note = PyUnicode_AsUTF8AndSize (PyList_GetItem (notes, i), NULL);
      if (note == NULL)
        return NULL;
      g_strv_builder_add (builder, note);
    }
  strings = g_strv_builder_end (builder);
  info = aiopool_error_info_new (type_name, message);
  aiopool_error_info_set_traceback (info, traceback);
  aiopool_error_info_set_notes (info, (const char * const *) strings);
  aiopool_error_info_set_cause (info, cause_info);
  aiopool_error_info_set_context (info, context_info);
  return info;
}

/* (domain, code, message, info or None, pickled exception or None) */
static PyObject *
call_return_error (PyObject *object,
                   PyObject *arguments)
{
  const char *domain, *message, *pickle;
  g_autoptr (AiopoolErrorInfo) info = NULL;
  g_autoptr (GBytes) payload = NULL;
  g_autoptr (GError) error = NULL;
  PyObject *tuple;
  Py_ssize_t size;
  int code;

  aiopool_py_leave_copy ();
  if (!PyArg_ParseTuple (arguments, "sisOz#:_return_error", &domain, &code, &message, &tuple,
                         &pickle, &size))
    return NULL;
  if (tuple != Py_None && (info = make_info (tuple)) == NULL)
    return NULL;
  if (info != NULL && pickle != NULL)
    {
      payload = g_bytes_new (pickle, (gsize) size);
      aiopool_error_info_set_payload (info, payload, AIOPOOL_FORMAT_PICKLE);
    }
  error = g_error_new_literal (g_quark_from_string (domain), code, message);
  aiopool_call_set_error_info (call_of (object), info);
  aiopool_call_return_error (call_of (object), error);
  return Py_NewRef (Py_None);
}

static PyObject *
call_defer (PyObject *object,
            PyObject *unused)
{
  aiopool_py.abi->defer (call_of (object));
  return Py_NewRef (Py_None);
}

static void
on_cancelled (GCancellable *cancellable,
              gpointer      data)
{
  eventfd_write (GPOINTER_TO_INT (data), 1);
}

/* (eventfd): is made readable when the task is cancelled, by a thread that needs no lock of
 * Python's. */
static PyObject *
call_listen (PyObject *object,
             PyObject *number)
{
  long fd = PyLong_AsLong (number);

  if (fd == -1 && PyErr_Occurred () != NULL)
    return NULL;
  g_cancellable_connect (aiopool_call_get_cancellable (call_of (object)),
                         G_CALLBACK (on_cancelled), GINT_TO_POINTER ((int) fd), NULL);
  return Py_NewRef (Py_None);
}

/* --- the type -------------------------------------------------------------------------------- */

static PyGetSetDef getters[] = {
  { "function", get_function, NULL, "The name that the function was called by.", NULL },
  { "cancelled", get_cancelled, NULL, "Whether the task was cancelled: then it should end.", NULL },
  { "time_left", get_time_left, NULL, "Seconds before the task's timeout, or None.", NULL },
  { "fds", get_fds, NULL, "The file descriptors that came with the task.", NULL },
  { "shared_data", get_shared_data, NULL,
    "A memoryview of what the task has in common with others, or None.", NULL },
  { NULL, NULL, NULL, NULL, NULL },
};

static PyMethodDef methods[] = {
  { "check", call_check, METH_NOARGS, "Raises TaskCancelled if the task was cancelled." },
  { "progress", call_progress, METH_VARARGS,
    "progress($self, fraction, message=None, /)\n--\n\n"
    "Tells how far the task is, from 0 to 1." },
  { "emit", call_emit, METH_O,
    "emit($self, value, /)\n--\n\n"
    "Sends a partial result. Waits while the program is behind with them." },
  { "_payload", call_payload, METH_NOARGS, NULL },
  { "_payload_format", call_payload_format, METH_NOARGS, NULL },
  { "_return_payload", call_return_payload, METH_VARARGS, NULL },
  { "_return_value", call_return_value, METH_O, NULL },
  { "_return_error", call_return_error, METH_VARARGS, NULL },
  { "_defer", call_defer, METH_NOARGS, NULL },
  { "_listen", call_listen, METH_O, NULL },
  { NULL, NULL, 0, NULL },
};

static PyType_Slot slots[] = {
  { Py_tp_dealloc, call_dealloc },
  { Py_tp_getset, getters },
  { Py_tp_methods, methods },
  { Py_tp_doc, (gpointer) "The task that runs in this worker." },
  { 0, NULL },
};

static PyType_Spec spec = {
  .name = "aiopool._native.CurrentTask",
  .basicsize = sizeof (Call),
  .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
  .slots = slots,
};

gboolean
aiopool_py_call_init (PyObject *module)
{
  aiopool_py.call_type = (PyTypeObject *) PyType_FromSpec (&spec);
  return aiopool_py.call_type != NULL &&
         PyModule_AddObjectRef (module, "CurrentTask", (PyObject *) aiopool_py.call_type) == 0;
}

PyObject *
aiopool_py_call_new (AiopoolCall *call)
{
  allocfunc alloc = (allocfunc) PyType_GetSlot (aiopool_py.call_type, Py_tp_alloc);
  Call *self = (Call *) alloc (aiopool_py.call_type, 0);

  if (self != NULL)
    self->call = g_object_ref (call);
  return (PyObject *) self;
}

/* A new reference to the task that runs, or to None. */
PyObject *
aiopool_py_call_current (void)
{
  if (aiopool_py.current == NULL)
    return Py_NewRef (Py_None);
  if (aiopool_py.current_object == NULL)
    aiopool_py.current_object = aiopool_py_call_new (aiopool_py.current);
  return Py_XNewRef (aiopool_py.current_object);
}
