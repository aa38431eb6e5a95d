/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "aiopool-py-private.h"

#include <pygobject.h>
#include <string.h>

/* aiopool._gobject: GLib.Bytes without the copies that PyGObject makes of their memory. It is for
 * parents: it imports gi, which workers do not. */

#define MAX_COPIED (64 * 1024) /* bytes; to hold more costs less */

AiopoolPy aiopool_py; /* of this module: only what aiopool-py-bytes.c needs */

/* The size of all, or -1 with an exception set. */
static Py_ssize_t
measure (PyObject *pieces)
{
  Py_ssize_t size = 0;

  for (Py_ssize_t i = 0; i < PyList_Size (pieces); i++)
    {
      Py_buffer view;

      if (PyObject_GetBuffer (PyList_GetItem (pieces, i), &view, PyBUF_SIMPLE) != 0)
        return -1;
      size += view.len;
      PyBuffer_Release (&view);
    }
  return size;
}

/* Returns how many bytes were there, or -1 with an exception set. */
static Py_ssize_t
copy_piece (PyObject  *piece,
            guint8    *out,
            Py_ssize_t room)
{
  Py_buffer view;
  Py_ssize_t size = -1;

  if (PyObject_GetBuffer (piece, &view, PyBUF_SIMPLE) != 0)
    return -1;
  if (view.len <= room)
    {
      size = view.len;
      memcpy (out, view.buf, (gsize) size);
    }
  else
    PyErr_SetString (PyExc_RuntimeError, "a piece has grown");
  PyBuffer_Release (&view);
  return size;
}

static GBytes *
copy_pieces (PyObject  *pieces,
             Py_ssize_t size)
{
  guint8 *data = g_try_malloc ((gsize) size + 1);
  Py_ssize_t n = 0;
  Py_ssize_t done = 0;

  if (data == NULL)
    PyErr_NoMemory ();
  for (Py_ssize_t i = 0; data != NULL && n >= 0 && i < PyList_Size (pieces); i++)
    {
      n = copy_piece (PyList_GetItem (pieces, i), data + done, size - done);
      done += n;
    }
  if (data != NULL && n >= 0)
    return g_bytes_new_take (data, (gsize) done);
  g_free (data);
  return NULL;
}

/* join(pieces): all of a list of bytes-like objects as one GLib.Bytes. A large one that is alone is
 * not copied; it must not change as long as that lives. */
static PyObject *
join (PyObject *module,
      PyObject *pieces)
{
  GBytes *bytes;
  Py_ssize_t size;

  if (!PyList_Check (pieces))
    {
      PyErr_SetString (PyExc_TypeError, "the pieces must be a list");
      return NULL;
    }
  size = measure (pieces);
  if (size < 0)
    return NULL;
  bytes = PyList_Size (pieces) == 1 && size > MAX_COPIED
            ? aiopool_py_hold (PyList_GetItem (pieces, 0))
            : copy_pieces (pieces, size);
  return bytes != NULL ? pyg_boxed_new (G_TYPE_BYTES, bytes, FALSE, TRUE) : NULL;
}

/* view(bytes): a read-only memoryview, which keeps the memory. */
static PyObject *
view_bytes (PyObject *module,
            PyObject *object)
{
  if (pyg_boxed_check (object, G_TYPE_BYTES))
    return aiopool_py_view (pyg_boxed_get (object, GBytes));
  PyErr_SetString (PyExc_TypeError, "this is no GLib.Bytes");
  return NULL;
}

static PyMethodDef methods[] = {
  { "join", join, METH_O, "One GLib.Bytes of all bytes-like objects of a list." },
  { "view", view_bytes, METH_O, "A read-only memoryview of a GLib.Bytes." },
  { NULL, NULL, 0, NULL },
};

static struct PyModuleDef definition = {
  PyModuleDef_HEAD_INIT,
  .m_name = "aiopool._gobject",
  .m_doc = "GLib.Bytes without copies.",
  .m_size = -1,
  .m_methods = methods,
};

G_MODULE_EXPORT PyMODINIT_FUNC PyInit__gobject (void);

PyMODINIT_FUNC
PyInit__gobject (void)
{
  PyObject *module;

  if (pygobject_init (3, 42, 0) == NULL)
    return NULL;
  module = PyModule_Create (&definition);
  if (module != NULL && aiopool_py_bytes_init (module))
    return module;
  Py_XDECREF (module);
  return NULL;
}
