/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "aiopool-py-parent-private.h"

/* Properties of the library's objects, by their names, and its errors. */

/* Raises a GError, which it frees, as the exception that the package has for it. */
PyObject *
aiopool_py_raise (GError *error)
{
  return aiopool_py_raise_from (error, NULL);
}

/* @info: (transfer full) (nullable): with what is the cause of the exception. */
PyObject *
aiopool_py_raise_from (GError           *error,
                       AiopoolErrorInfo *info)
{
  GBytes *bytes = info != NULL ? aiopool_error_info_get_payload (info, NULL) : NULL;
  PyObject *cause = bytes != NULL ? aiopool_py_view (bytes) : Py_NewRef (Py_None);
  PyObject *exception = NULL;

  if (cause != NULL)
    exception = PyObject_CallFunction (aiopool_py_hooks.error, "sisN",
                                       g_quark_to_string (error->domain), error->code,
                                       error->message, cause);
  g_error_free (error);
  g_clear_object (&info);
  if (exception != NULL)
    PyErr_SetObject ((PyObject *) Py_TYPE (exception), exception);
  Py_XDECREF (exception);
  return NULL;
}

static gboolean
to_uint (PyObject *object,
         GValue   *value)
{
  unsigned long long number = PyLong_AsUnsignedLongLong (object);

  if (PyErr_Occurred () != NULL)
    return FALSE;
  if (G_VALUE_HOLDS_UINT64 (value))
    g_value_set_uint64 (value, number);
  else if (number > G_MAXUINT)
    PyErr_SetString (PyExc_OverflowError, "the number is too large");
  else
    g_value_set_uint (value, (guint) number);
  return PyErr_Occurred () == NULL;
}

static gboolean
to_int (PyObject *object,
        GValue   *value)
{
  long long number = PyLong_AsLongLong (object);

  if (number == -1 && PyErr_Occurred () != NULL)
    return FALSE;
  if (G_VALUE_HOLDS_INT64 (value))
    g_value_set_int64 (value, number);
  else if (number < G_MININT || number > G_MAXINT)
    PyErr_SetString (PyExc_OverflowError, "the number is too large");
  else if (G_VALUE_HOLDS_ENUM (value))
    g_value_set_enum (value, (int) number);
  else
    g_value_set_int (value, (int) number);
  return PyErr_Occurred () == NULL;
}

static gboolean
to_string (PyObject *object,
           GValue   *value)
{
  const char *text = object == Py_None ? NULL : PyUnicode_AsUTF8AndSize (object, NULL);

  if (text == NULL && object != Py_None)
    return FALSE;
  g_value_set_string (value, text);
  return TRUE;
}

/* FALSE with an exception set, and @value unset. */
gboolean
aiopool_py_to_value (GObjectClass *klass,
                     const char   *name,
                     PyObject     *object,
                     GValue       *value)
{
  GParamSpec *pspec = g_object_class_find_property (klass, name);
  gboolean is_good = FALSE;

  if (pspec == NULL)
    {
      PyErr_Format (PyExc_TypeError, "there is no setting '%s'", name);
      return FALSE;
    }
  g_value_init (value, pspec->value_type);
  if (G_VALUE_HOLDS_UINT (value) || G_VALUE_HOLDS_UINT64 (value))
    is_good = to_uint (object, value);
  else if (G_VALUE_HOLDS_INT (value) || G_VALUE_HOLDS_INT64 (value) || G_VALUE_HOLDS_ENUM (value))
    is_good = to_int (object, value);
  else if (G_VALUE_HOLDS_STRING (value))
    is_good = to_string (object, value);
  else if (G_VALUE_HOLDS_BOOLEAN (value))
    g_value_set_boolean (value, PyObject_IsTrue (object) > 0);
  else if (G_VALUE_HOLDS_DOUBLE (value))
    g_value_set_double (value, PyFloat_AsDouble (object));
  else
    PyErr_Format (PyExc_TypeError, "the setting '%s' cannot be set so", name);
  is_good = is_good || PyErr_Occurred () == NULL;
  if (is_good && !g_param_value_is_valid (pspec, value))
    {
      PyErr_Format (PyExc_ValueError, "the value of '%s' is out of range", name);
      is_good = FALSE;
    }
  if (!is_good)
    g_value_unset (value);
  return is_good;
}

gboolean
aiopool_py_set (GObject    *object,
                const char *name,
                PyObject   *value)
{
  GValue converted = G_VALUE_INIT;

  if (!aiopool_py_to_value (G_OBJECT_GET_CLASS (object), name, value, &converted))
    return FALSE;
  g_object_set_property (object, name, &converted);
  g_value_unset (&converted);
  return TRUE;
}

/* What is None stays as it is. */
gboolean
aiopool_py_set_all (GObject  *object,
                    PyObject *dictionary)
{
  PyObject *key, *value;
  Py_ssize_t position = 0;

  while (PyDict_Next (dictionary, &position, &key, &value))
    {
      const char *name = PyUnicode_AsUTF8AndSize (key, NULL);

      if (name == NULL || (value != Py_None && !aiopool_py_set (object, name, value)))
        return FALSE;
    }
  return TRUE;
}

static PyObject *
from_value (const GValue *value,
            const char   *name)
{
  const char *text;

  if (G_VALUE_HOLDS_UINT (value))
    return PyLong_FromUnsignedLong (g_value_get_uint (value));
  if (G_VALUE_HOLDS_UINT64 (value))
    return PyLong_FromUnsignedLongLong (g_value_get_uint64 (value));
  if (G_VALUE_HOLDS_INT (value))
    return PyLong_FromLong (g_value_get_int (value));
  if (G_VALUE_HOLDS_ENUM (value))
    return PyLong_FromLong (g_value_get_enum (value));
  if (G_VALUE_HOLDS_BOOLEAN (value))
    return PyBool_FromLong (g_value_get_boolean (value));
  if (G_VALUE_HOLDS_DOUBLE (value))
    return PyFloat_FromDouble (g_value_get_double (value));
  if (!G_VALUE_HOLDS_STRING (value))
    return PyErr_Format (PyExc_TypeError, "the property '%s' cannot be read so", name);
  text = g_value_get_string (value);
  return text != NULL ? PyUnicode_FromString (text) : Py_NewRef (Py_None);
}

PyObject *
aiopool_py_get (GObject    *object,
                const char *name)
{
  GParamSpec *pspec = g_object_class_find_property (G_OBJECT_GET_CLASS (object), name);
  GValue value = G_VALUE_INIT;
  PyObject *result;

  if (pspec == NULL)
    return PyErr_Format (PyExc_AttributeError, "there is no property '%s'", name);
  g_value_init (&value, pspec->value_type);
  g_object_get_property (object, name, &value);
  result = from_value (&value, name);
  g_value_unset (&value);
  return result;
}

/* Copies of descriptors. NULL with an exception set. */
GUnixFDList *
aiopool_py_fds (PyObject *sequence)
{
  g_autoptr (GUnixFDList) list = g_unix_fd_list_new ();
  Py_ssize_t n = PySequence_Size (sequence);

  for (Py_ssize_t i = 0; i < n; i++)
    {
      PyObject *item = PySequence_GetItem (sequence, i);
      int fd = item != NULL ? PyObject_AsFileDescriptor (item) : -1;
      GError *error = NULL;

      Py_XDECREF (item);
      if (fd < 0)
        return NULL;
      if (g_unix_fd_list_append (list, fd, &error) < 0)
        {
          PyErr_SetString (PyExc_OSError, error->message);
          g_error_free (error);
          return NULL;
        }
    }
  return n >= 0 ? g_steal_pointer (&list) : NULL;
}
