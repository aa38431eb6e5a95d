/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "aiopool-py-parent-private.h"

/* Gives one by one what comes in lists: aiopool._parent.Iterator, from which the package derives
 * the results of a map. An item that is a Failure is raised. When there is nothing left, the method
 * _more() of the derived class gives the next list, or raises. To give an item costs no call of
 * Python: a map of short functions has little else to do. */

typedef struct
{
  PyObject_HEAD
  PyObject   *items; /* (owned) (nullable): list; what was given is None there */
  Py_ssize_t  next;  /* index in items */
} Iterator;

typedef struct
{
  PyObject_HEAD
  PyObject *exception; /* (owned) */
} Failure;

static PyTypeObject *iterator_type, *failure_type; /* (owned) */
static PyObject *more; /* (owned): the method's name */

static Iterator *
iterator_of (PyObject *object)
{
  return (Iterator *) object;
}

/* --- failures -------------------------------------------------------------------------------- */

static PyObject *
failure_new (PyTypeObject *type,
             PyObject     *arguments,
             PyObject     *keywords)
{
  allocfunc alloc = (allocfunc) PyType_GetSlot (type, Py_tp_alloc);
  PyObject *exception, *object;

  if (!PyArg_ParseTuple (arguments, "O:Failure", &exception))
    return NULL;
  if (!PyExceptionInstance_Check (exception))
    {
      PyErr_SetString (PyExc_TypeError, "this is no exception");
      return NULL;
    }
  object = alloc (type, 0);
  if (object != NULL)
    ((Failure *) object)->exception = Py_NewRef (exception);
  return object;
}

static int
failure_traverse (PyObject *object,
                  visitproc visit,
                  void     *arg)
{
  Py_VISIT (Py_TYPE (object));
  Py_VISIT (((Failure *) object)->exception);
  return 0;
}

static int
failure_clear (PyObject *object)
{
  Py_CLEAR (((Failure *) object)->exception);
  return 0;
}

static void
failure_dealloc (PyObject *object)
{
  PyTypeObject *type = Py_TYPE (object);

  PyObject_GC_UnTrack (object);
  failure_clear (object);
  ((freefunc) PyType_GetSlot (type, Py_tp_free)) (object);
  Py_DECREF (type);
}

/* Takes @failure. */
static PyObject *
raise_failure (PyObject *failure)
{
  PyObject *exception = Py_NewRef (((Failure *) failure)->exception);

  Py_DECREF (failure);
  PyErr_SetObject ((PyObject *) Py_TYPE (exception), exception);
  Py_DECREF (exception);
  return NULL;
}

/* --- giving ---------------------------------------------------------------------------------- */

static Py_ssize_t
count_ready (Iterator *self)
{
  return self->items != NULL ? PyList_Size (self->items) - self->next : 0;
}

/* The next item, of which there is one; or NULL with the exception that it is. */
static PyObject *
give (Iterator *self)
{
  PyObject *item = Py_NewRef (PyList_GetItem (self->items, self->next));

  PyList_SetItem (self->items, self->next++, Py_NewRef (Py_None));
  return Py_TYPE (item) == failure_type ? raise_failure (item) : item;
}

/* Nothing is given any more. */
static void
drop (Iterator *self)
{
  PyObject *items = self->items;

  self->items = NULL;
  self->next = 0;
  Py_XDECREF (items); /* what that calls may come back here */
}

/* Takes @items. FALSE with an exception set if that is no list, or NULL. What is there is given
 * first: while one thread or coroutine has waited for these, another one may have put some. */
static gboolean
put (Iterator *self,
     PyObject *items)
{
  PyObject *given;
  Py_ssize_t n;
  int status;

  if (items != NULL && !PyList_Check (items))
    {
      Py_CLEAR (items);
      PyErr_SetString (PyExc_TypeError, "this is no list");
    }
  if (items == NULL)
    return FALSE;
  if (count_ready (self) > 0)
    {
      n = PyList_Size (self->items);
      status = PyList_SetSlice (self->items, n, n, items);
      Py_DECREF (items);
      return status == 0;
    }
  given = self->items;
  self->items = items;
  self->next = 0;
  Py_XDECREF (given);
  return TRUE;
}

static PyObject *
iterator_next (PyObject *object)
{
  Iterator *self = iterator_of (object);

  while (count_ready (self) <= 0)
    {
      drop (self);
      if (!put (self, PyObject_CallMethodObjArgs (object, more, NULL)))
        return NULL;
    }
  return give (self);
}

static PyObject *
iterator_give (PyObject *object,
               PyObject *unused)
{
  if (count_ready (iterator_of (object)) > 0)
    return give (iterator_of (object));
  PyErr_SetString (PyExc_IndexError, "there is nothing to give");
  return NULL;
}

static PyObject *
iterator_put (PyObject *object,
              PyObject *items)
{
  return put (iterator_of (object), Py_NewRef (items)) ? Py_NewRef (Py_None) : NULL;
}

static PyObject *
iterator_drop (PyObject *object,
               PyObject *unused)
{
  drop (iterator_of (object));
  return Py_NewRef (Py_None);
}

static PyObject *
get_n_ready (PyObject *object,
             void     *closure)
{
  return PyLong_FromSsize_t (count_ready (iterator_of (object)));
}

static int
iterator_traverse (PyObject *object,
                   visitproc visit,
                   void     *arg)
{
  Py_VISIT (Py_TYPE (object));
  Py_VISIT (iterator_of (object)->items);
  return 0;
}

static int
iterator_clear (PyObject *object)
{
  drop (iterator_of (object));
  return 0;
}

static void
iterator_dealloc (PyObject *object)
{
  PyTypeObject *type = Py_TYPE (object);

  PyObject_GC_UnTrack (object);
  iterator_clear (object);
  ((freefunc) PyType_GetSlot (type, Py_tp_free)) (object);
  Py_DECREF (type);
}

/* --- the types ------------------------------------------------------------------------------- */

static PyMethodDef iterator_methods[] = {
  { "_give", iterator_give, METH_NOARGS, "The next item that is there, or its exception." },
  { "_put", iterator_put, METH_O, "_put(list): what is to be given next." },
  { "_drop", iterator_drop, METH_NOARGS, "Gives nothing of what is there." },
  { NULL, NULL, 0, NULL },
};

static PyGetSetDef iterator_getset[] = {
  { "_n_ready", get_n_ready, NULL, "How many items are there.", NULL },
  { NULL, NULL, NULL, NULL, NULL },
};

static PyType_Slot iterator_slots[] = {
  { Py_tp_dealloc, iterator_dealloc },
  { Py_tp_traverse, iterator_traverse },
  { Py_tp_clear, iterator_clear },
  { Py_tp_methods, iterator_methods },
  { Py_tp_getset, iterator_getset },
  { Py_tp_iter, PyObject_SelfIter },
  { Py_tp_iternext, iterator_next },
  { Py_tp_doc, (char *) "Gives the items of lists." },
  { 0, NULL },
};

static PyType_Spec iterator_spec = {
  .name = "aiopool._parent.Iterator",
  .basicsize = sizeof (Iterator),
  .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
  .slots = iterator_slots,
};

static PyType_Slot failure_slots[] = {
  { Py_tp_new, failure_new },
  { Py_tp_dealloc, failure_dealloc },
  { Py_tp_traverse, failure_traverse },
  { Py_tp_clear, failure_clear },
  { Py_tp_doc, (char *) "Failure(exception): an item that is raised." },
  { 0, NULL },
};

static PyType_Spec failure_spec = {
  .name = "aiopool._parent.Failure",
  .basicsize = sizeof (Failure),
  .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
  .slots = failure_slots,
};

gboolean
aiopool_py_iterator_init (PyObject *module)
{
  more = PyUnicode_InternFromString ("_more");
  iterator_type = (PyTypeObject *) PyType_FromSpec (&iterator_spec);
  failure_type = (PyTypeObject *) PyType_FromSpec (&failure_spec);
  return more != NULL && iterator_type != NULL && failure_type != NULL &&
         PyModule_AddObjectRef (module, "Iterator", (PyObject *) iterator_type) == 0 &&
         PyModule_AddObjectRef (module, "Failure", (PyObject *) failure_type) == 0;
}
