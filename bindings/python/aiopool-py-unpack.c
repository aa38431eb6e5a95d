/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "aiopool-py-private.h"

/* GVariants as Python values. What is a number of bytes or of numbers is taken in one piece. */

static PyObject *
unpack_text (GVariant *value)
{
  gsize size;
  const char *text = g_variant_get_string (value, &size);

  return PyUnicode_FromStringAndSize (text, (Py_ssize_t) size);
}

static PyObject *
unpack_bytes (GVariant *value)
{
  gsize size;
  gconstpointer data = g_variant_get_fixed_array (value, &size, 1);

  return PyBytes_FromStringAndSize (data, (Py_ssize_t) size);
}

#define UNPACK_NUMBERS(type, make)                                                                 \
  for (gsize i = 0; is_good && i < n; i++)                                                         \
    is_good = PyList_SetItem (list, (Py_ssize_t) i, make (((const type *) data)[i])) == 0

static gsize
size_of (char type)
{
  switch (type)
    {
    case 'b':
      return 1;
    case 'n':
    case 'q':
      return 2;
    case 'i':
    case 'u':
      return 4;
    case 'x':
    case 't':
    case 'd':
      return 8;
    default:
      return 0;
    }
}

static PyObject *
unpack_numbers (GVariant *value,
                char      type)
{
  gsize n;
  gconstpointer data = g_variant_get_fixed_array (value, &n, size_of (type));
  PyObject *list = PyList_New ((Py_ssize_t) n);
  gboolean is_good = list != NULL;

  switch (type)
    {
    case 'b':
      UNPACK_NUMBERS (guint8, PyBool_FromLong);
      break;
    case 'n':
      UNPACK_NUMBERS (gint16, PyLong_FromLong);
      break;
    case 'q':
      UNPACK_NUMBERS (guint16, PyLong_FromLong);
      break;
    case 'i':
      UNPACK_NUMBERS (gint32, PyLong_FromLong);
      break;
    case 'u':
      UNPACK_NUMBERS (guint32, PyLong_FromUnsignedLong);
      break;
    case 'x':
      UNPACK_NUMBERS (gint64, PyLong_FromLongLong);
      break;
    case 't':
      UNPACK_NUMBERS (guint64, PyLong_FromUnsignedLongLong);
      break;
    default:
      UNPACK_NUMBERS (double, PyFloat_FromDouble);
    }
  if (is_good)
    return list;
  Py_XDECREF (list);
  return NULL;
}

static gboolean
unpack_entry (PyObject *dictionary,
              GVariant *entry)
{
  g_autoptr (GVariant) key = g_variant_get_child_value (entry, 0);
  g_autoptr (GVariant) value = g_variant_get_child_value (entry, 1);
  PyObject *key_object = aiopool_py_unpack (key);
  PyObject *value_object = key_object != NULL ? aiopool_py_unpack (value) : NULL;
  gboolean is_good = value_object != NULL &&
                     PyDict_SetItem (dictionary, key_object, value_object) == 0;

  Py_XDECREF (key_object);
  Py_XDECREF (value_object);
  return is_good;
}

static PyObject *
unpack_dictionary (GVariant *value)
{
  gsize n = g_variant_n_children (value);
  PyObject *dictionary = PyDict_New ();
  gboolean is_good = dictionary != NULL;

  for (gsize i = 0; is_good && i < n; i++)
    {
      g_autoptr (GVariant) entry = g_variant_get_child_value (value, i);

      is_good = unpack_entry (dictionary, entry);
    }
  if (is_good)
    return dictionary;
  Py_XDECREF (dictionary);
  return NULL;
}

static PyObject *
unpack_list (GVariant *value)
{
  gsize n = g_variant_n_children (value);
  PyObject *list = PyList_New ((Py_ssize_t) n);

  for (gsize i = 0; list != NULL && i < n; i++)
    {
      g_autoptr (GVariant) child = g_variant_get_child_value (value, i);
      PyObject *item = aiopool_py_unpack (child);

      if (item == NULL)
        Py_CLEAR (list);
      else
        PyList_SetItem (list, (Py_ssize_t) i, item);
    }
  return list;
}

static PyObject *
unpack_tuple (GVariant *value)
{
  gsize n = g_variant_n_children (value);
  PyObject *tuple = PyTuple_New ((Py_ssize_t) n);

  for (gsize i = 0; tuple != NULL && i < n; i++)
    {
      g_autoptr (GVariant) child = g_variant_get_child_value (value, i);
      PyObject *item = aiopool_py_unpack (child);

      if (item == NULL)
        Py_CLEAR (tuple);
      else
        PyTuple_SetItem (tuple, (Py_ssize_t) i, item);
    }
  return tuple;
}

static PyObject *
unpack_array (GVariant *value)
{
  char type = g_variant_get_type_string (value)[1];

  if (type == 'y')
    return unpack_bytes (value);
  if (type == '{')
    return unpack_dictionary (value);
  return size_of (type) != 0 ? unpack_numbers (value, type) : unpack_list (value);
}

static PyObject *
unpack_maybe (GVariant *value)
{
  g_autoptr (GVariant) child = g_variant_get_maybe (value);

  if (child != NULL)
    return aiopool_py_unpack (child);
  return Py_NewRef (Py_None);
}

static PyObject *
unpack_box (GVariant *value)
{
  g_autoptr (GVariant) child = g_variant_get_variant (value);

  return aiopool_py_unpack (child);
}

/* NULL with an exception set. */
PyObject *
aiopool_py_unpack (GVariant *value)
{
  switch (g_variant_classify (value))
    {
    case G_VARIANT_CLASS_BOOLEAN:
      return PyBool_FromLong (g_variant_get_boolean (value));
    case G_VARIANT_CLASS_BYTE:
      return PyLong_FromLong (g_variant_get_byte (value));
    case G_VARIANT_CLASS_INT16:
      return PyLong_FromLong (g_variant_get_int16 (value));
    case G_VARIANT_CLASS_UINT16:
      return PyLong_FromLong (g_variant_get_uint16 (value));
    case G_VARIANT_CLASS_INT32:
      return PyLong_FromLong (g_variant_get_int32 (value));
    case G_VARIANT_CLASS_UINT32:
      return PyLong_FromUnsignedLong (g_variant_get_uint32 (value));
    case G_VARIANT_CLASS_INT64:
      return PyLong_FromLongLong (g_variant_get_int64 (value));
    case G_VARIANT_CLASS_UINT64:
      return PyLong_FromUnsignedLongLong (g_variant_get_uint64 (value));
    case G_VARIANT_CLASS_HANDLE:
      return PyLong_FromLong (g_variant_get_handle (value));
    case G_VARIANT_CLASS_DOUBLE:
      return PyFloat_FromDouble (g_variant_get_double (value));
    case G_VARIANT_CLASS_STRING:
    case G_VARIANT_CLASS_OBJECT_PATH:
    case G_VARIANT_CLASS_SIGNATURE:
      return unpack_text (value);
    case G_VARIANT_CLASS_VARIANT:
      return unpack_box (value);
    case G_VARIANT_CLASS_MAYBE:
      return unpack_maybe (value);
    case G_VARIANT_CLASS_ARRAY:
      return unpack_array (value);
    default:
      return unpack_tuple (value);
    }
}

/* The positional arguments of a call: the items of a tuple, or anything else as the only one. */
PyObject *
aiopool_py_unpack_arguments (GVariant *value)
{
  PyObject *only;
  PyObject *tuple;

  if (g_variant_is_of_type (value, G_VARIANT_TYPE_TUPLE))
    return unpack_tuple (value);
  only = aiopool_py_unpack (value);
  if (only == NULL)
    return NULL;
  tuple = PyTuple_New (1);
  if (tuple != NULL)
    PyTuple_SetItem (tuple, 0, only);
  else
    Py_DECREF (only);
  return tuple;
}

PyObject *
aiopool_py_unpack_keywords (GVariant *value)
{
  return unpack_dictionary (value);
}
