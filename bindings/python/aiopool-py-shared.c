/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "aiopool-py-parent-private.h"

/* What many calls have in common, for Python: aiopool._parent.Shared. */

typedef struct
{
  PyObject_HEAD
  AiopoolSharedData *data; /* (owned) (nullable): while it is made */
} Shared;

static PyTypeObject *shared_type; /* (owned) */

static AiopoolSharedData *
data_of (PyObject *object)
{
  return ((Shared *) object)->data;
}

/* Takes @data (nullable). */
static PyObject *
shared_make (PyTypeObject      *type,
             AiopoolSharedData *data)
{
  allocfunc alloc = (allocfunc) PyType_GetSlot (type, Py_tp_alloc);
  PyObject *object = data != NULL ? alloc (type, 0) : NULL;

  if (object != NULL)
    ((Shared *) object)->data = data;
  else
    g_clear_object (&data);
  return object;
}

static PyObject *
shared_new (PyTypeObject *type,
            PyObject     *arguments,
            PyObject     *keywords)
{
  g_autoptr (GBytes) bytes = NULL;
  PyObject *pieces;

  if (!PyArg_ParseTuple (arguments, "O!:Shared", &PyList_Type, &pieces))
    return NULL;
  bytes = aiopool_py_join (pieces);
  return bytes != NULL ? shared_make (type, aiopool_shared_data_new (bytes)) : NULL;
}

static void
shared_dealloc (PyObject *object)
{
  PyTypeObject *type = Py_TYPE (object);

  g_clear_object (&((Shared *) object)->data);
  ((freefunc) PyType_GetSlot (type, Py_tp_free)) (object);
  Py_DECREF (type);
}

static PyObject *
get_key (PyObject *object,
         void     *closure)
{
  return PyLong_FromVoidPtr (data_of (object));
}

static PyObject *
get_view (PyObject *object,
          void     *closure)
{
  return aiopool_py_view (aiopool_shared_data_get_bytes (data_of (object)));
}

static PyObject *
shared_equals (PyObject *object,
               PyObject *pieces)
{
  int is_same;

  if (!PyList_Check (pieces))
    {
      PyErr_SetString (PyExc_TypeError, "this is no list");
      return NULL;
    }
  is_same = aiopool_py_compare (aiopool_shared_data_get_bytes (data_of (object)), pieces);
  return is_same >= 0 ? PyBool_FromLong (is_same) : NULL;
}

static PyMethodDef methods[] = {
  { "equals", shared_equals, METH_O, "equals(pieces): whether these, joined, are the data." },
  { NULL, NULL, 0, NULL },
};

static PyGetSetDef getset[] = {
  { "key", get_key, NULL, "A number that is the same for all that stand for the same data.", NULL },
  { "view", get_view, NULL, "A memoryview of the data.", NULL },
  { NULL, NULL, NULL, NULL, NULL },
};

static PyType_Slot slots[] = {
  { Py_tp_new, shared_new },
  { Py_tp_dealloc, shared_dealloc },
  { Py_tp_methods, methods },
  { Py_tp_getset, getset },
  { Py_tp_doc, (char *) "Shared(pieces): what many calls have in common, joined." },
  { 0, NULL },
};

static PyType_Spec spec = {
  .name = "aiopool._parent.Shared",
  .basicsize = sizeof (Shared),
  .flags = Py_TPFLAGS_DEFAULT,
  .slots = slots,
};

gboolean
aiopool_py_shared_init (PyObject *module)
{
  shared_type = (PyTypeObject *) PyType_FromSpec (&spec);
  return shared_type != NULL &&
         PyModule_AddObjectRef (module, "Shared", (PyObject *) shared_type) == 0;
}

/* For what a task has: None if @data is NULL. */
PyObject *
aiopool_py_shared_wrap (AiopoolSharedData *data)
{
  return data != NULL ? shared_make (shared_type, g_object_ref (data)) : Py_NewRef (Py_None);
}

/* (transfer none): NULL with an exception set. */
AiopoolSharedData *
aiopool_py_shared_get (PyObject *object)
{
  if (Py_TYPE (object) == shared_type)
    return data_of (object);
  PyErr_SetString (PyExc_TypeError, "this is nothing that can be shared");
  return NULL;
}
