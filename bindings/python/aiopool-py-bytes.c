/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "aiopool-py-private.h"

#include <string.h>

#define MUCH (1024 * 1024) /* bytes, to copy which takes so long that other threads should run */

/* A GBytes that Python can look into without copying: the memory stays as long as somebody does. */

typedef struct
{
  PyObject_HEAD
  GBytes *bytes; /* (owned) */
  gboolean is_writable;
} Bytes;

static void
bytes_dealloc (PyObject *object)
{
  PyTypeObject *type = Py_TYPE (object);

  g_bytes_unref (((Bytes *) object)->bytes);
  ((freefunc) PyType_GetSlot (type, Py_tp_free)) (object);
  Py_DECREF (type);
}

static int
bytes_getbuffer (PyObject  *object,
                 Py_buffer *view,
                 int        flags)
{
  Bytes *self = (Bytes *) object;
  gsize size;
  gconstpointer data = g_bytes_get_data (self->bytes, &size);

  return PyBuffer_FillInfo (view, object, (gpointer) (data != NULL ? data : ""), (Py_ssize_t) size,
                            !self->is_writable, flags);
}

static PyType_Slot slots[] = {
  { Py_tp_dealloc, bytes_dealloc },
  { Py_bf_getbuffer, bytes_getbuffer },
  { 0, NULL },
};

static PyType_Spec spec = {
  .name = "aiopool._native.Bytes",
  .basicsize = sizeof (Bytes),
  .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
  .slots = slots,
};

static void
copy_memory (char       *out,
             const char *data,
             gsize       size)
{
  if (size < MUCH)
    {
      memcpy (out, data, size);
      return;
    }
  Py_BEGIN_ALLOW_THREADS
  memcpy (out, data, size);
  Py_END_ALLOW_THREADS
}

static PyObject *
copy (PyObject *module,
      PyObject *object)
{
  Py_buffer view;
  PyObject *bytes;

  if (PyObject_GetBuffer (object, &view, PyBUF_SIMPLE) != 0)
    return NULL;
  bytes = PyBytes_FromStringAndSize (NULL, view.len);
  if (bytes != NULL)
    copy_memory (PyBytes_AsString (bytes), view.buf, (gsize) view.len);
  PyBuffer_Release (&view);
  return bytes;
}

static PyMethodDef functions[] = {
  { "copy", copy, METH_O, "copy(buffer): bytes; other threads run while they are many." },
  { NULL, NULL, 0, NULL },
};

gboolean
aiopool_py_bytes_init (PyObject *module)
{
  aiopool_py.bytes_type = (PyTypeObject *) PyType_FromSpec (&spec);
  return aiopool_py.bytes_type != NULL && PyModule_AddFunctions (module, functions) == 0;
}

static PyObject *
make_view (GBytes   *bytes,
           gboolean  is_writable)
{
  allocfunc alloc = (allocfunc) PyType_GetSlot (aiopool_py.bytes_type, Py_tp_alloc);
  Bytes *self = (Bytes *) alloc (aiopool_py.bytes_type, 0);
  PyObject *view;

  if (self == NULL)
    return NULL;
  self->bytes = g_bytes_ref (bytes);
  self->is_writable = is_writable;
  view = PyMemoryView_FromObject ((PyObject *) self);
  Py_DECREF (self);
  return view;
}

/* A read-only memoryview. */
PyObject *
aiopool_py_view (GBytes *bytes)
{
  return make_view (bytes, FALSE);
}

/* A memoryview that can be written to, of what came from another process for this one alone: the
 * library has it in memory of its own, or has mapped it so. */
PyObject *
aiopool_py_view_own (GBytes *bytes)
{
  return make_view (bytes, TRUE);
}

static void
release (gpointer data)
{
  PyGILState_STATE state;

  if (!Py_IsInitialized ()) /* the process ends, and Python has before it */
    return;
  state = PyGILState_Ensure ();
  PyBuffer_Release (data);
  g_free (data);
  PyGILState_Release (state);
}

/* The memory of a bytes-like object. NULL with an exception set. */
GBytes *
aiopool_py_hold (PyObject *object)
{
  Py_buffer *view = g_new0 (Py_buffer, 1);

  if (PyObject_GetBuffer (object, view, PyBUF_SIMPLE) == 0)
    return g_bytes_new_with_free_func (view->buf, (gsize) view->len, release, view);
  g_free (view);
  return NULL;
}
