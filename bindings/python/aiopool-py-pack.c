/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "aiopool-py-private.h"

#include <string.h>

/* Python values as GVariants:
 *
 *   None                        mv, nothing
 *   bool, float, str            b, d, s
 *   int                         x, or t if it is too large for that
 *   bytes, bytearray            ay
 *   memoryview, array, buffers  ay, ab, an, aq, ai, au, ax, at, ad, by their format
 *   list                        an array of its items' type if they have one, else av
 *   tuple                       a tuple
 *   dict                        a{sv} if its keys are text, else a{?v} with keys of one type
 *
 * Anything else is an error that names the type. */

#define MAX_DEPTH 48

static GVariant *pack (PyObject *object,
                       guint     depth);

static GVariant *
refuse_type (PyObject *object)
{
  PyObject *name = PyType_GetQualName (Py_TYPE (object));

  if (name != NULL)
    PyErr_Format (aiopool_py.pack_error_type, "an object of type '%U' does not fit in a GVariant",
                  name);
  Py_XDECREF (name);
  return NULL;
}

static GVariant *
pack_integer (PyObject *object)
{
  int is_over;
  long long number = PyLong_AsLongLongAndOverflow (object, &is_over);
  unsigned long long large;

  if (is_over == 0)
    return number == -1 && PyErr_Occurred () != NULL ? NULL : g_variant_new_int64 (number);
  if (is_over > 0)
    {
      large = PyLong_AsUnsignedLongLong (object);
      if (PyErr_Occurred () == NULL)
        return g_variant_new_uint64 (large);
      PyErr_Clear ();
    }
  PyErr_SetString (aiopool_py.pack_error_type,
                   "an int of more than 64 bits does not fit in a GVariant");
  return NULL;
}

static GVariant *
pack_text (PyObject *object)
{
  Py_ssize_t size;
  const char *text = PyUnicode_AsUTF8AndSize (object, &size);

  if (text == NULL)
    PyErr_Clear ();
  if (text != NULL && strlen (text) == (gsize) size)
    return g_variant_new_string (text);
  PyErr_SetString (aiopool_py.pack_error_type,
                   text == NULL ? "a str that is not valid Unicode does not fit in a GVariant"
                                : "a str with a NUL does not fit in a GVariant");
  return NULL;
}

static GVariant *
pack_memory (PyObject   *object,
             const char *type)
{
  GBytes *bytes = aiopool_py_hold (object);
  GVariant *value;

  if (bytes == NULL)
    return NULL;
  value = g_variant_new_from_bytes (G_VARIANT_TYPE (type), bytes, TRUE);
  g_bytes_unref (bytes);
  return value;
}

/* The type of an array of what struct's format character means here; NULL if there is none. */
static const char *
array_type (const char *format,
            Py_ssize_t  size)
{
  static const char *const is_signed[] = { NULL, NULL, "an", NULL, "ai", NULL, NULL, NULL, "ax" };
  static const char *const is_unsigned[] = { NULL, "ay", "aq", NULL, "au", NULL, NULL, NULL, "at" };

  if (format == NULL)
    return "ay";
  if (*format == '@' || *format == '=')
    format++;
  if (*format == '\0' || format[1] != '\0' || size > 8)
    return NULL;
  if (strchr ("hilq", *format) != NULL)
    return is_signed[size];
  if (strchr ("BcHILQ", *format) != NULL)
    return is_unsigned[size];
  if (*format == '?')
    return "ab";
  return *format == 'd' ? "ad" : NULL;
}

static GVariant *
pack_buffer (PyObject *object)
{
  const char *type = NULL;
  Py_buffer view;

  if (PyObject_GetBuffer (object, &view, PyBUF_ND | PyBUF_FORMAT) != 0)
    {
      PyErr_Clear ();
      return refuse_type (object);
    }
  if (view.ndim <= 1)
    type = array_type (view.format, view.itemsize);
  PyBuffer_Release (&view);
  return type != NULL ? pack_memory (object, type) : refuse_type (object);
}

/* --- lists ----------------------------------------------------------------------------------- */

static GVariant *
pack_boxed (GVariant **children,
            gsize      n)
{
  for (gsize i = 0; i < n; i++)
    children[i] = g_variant_new_variant (children[i]);
  return g_variant_new_array (G_VARIANT_TYPE_VARIANT, children, n);
}

static GVariant *
pack_children (GVariant **children,
               gsize      n)
{
  const GVariantType *type = n > 0 ? g_variant_get_type (children[0]) : NULL;
  gboolean is_same = type != NULL;

  for (gsize i = 1; is_same && i < n; i++)
    is_same = g_variant_is_of_type (children[i], type);
  return is_same ? g_variant_new_array (type, children, n) : pack_boxed (children, n);
}

static GVariant **
pack_items (PyObject *(*get_item) (PyObject *, Py_ssize_t),
            PyObject   *sequence,
            gsize       n,
            guint       depth)
{
  GVariant **children = g_new (GVariant *, n + 1);
  gsize n_good = 0;

  while (n_good < n)
    {
      PyObject *item = Py_XNewRef (get_item (sequence, (Py_ssize_t) n_good));

      children[n_good] = item != NULL ? pack (item, depth) : NULL;
      Py_XDECREF (item);
      if (children[n_good] == NULL)
        break;
      n_good++;
    }
  if (n_good == n)
    return children;
  while (n_good > 0)
    g_variant_unref (g_variant_ref_sink (children[--n_good]));
  g_free (children);
  return NULL;
}

/* Exact floats, or integers of 64 bits. NULL without an exception if they are not. */
static GVariant *
pack_numbers (PyObject *list,
              gsize     n)
{
  PyTypeObject *type = n > 0 ? Py_TYPE (PyList_GetItem (list, 0)) : NULL;
  gboolean is_float = type == &PyFloat_Type;
  g_autofree gint64 *numbers = NULL;
  int is_over = 0;

  if (!is_float && type != &PyLong_Type)
    return NULL;
  numbers = g_new (gint64, n);
  for (gsize i = 0; i < n && is_over == 0; i++)
    {
      PyObject *item = PyList_GetItem (list, (Py_ssize_t) i);
      double real;

      if (Py_TYPE (item) != type)
        return NULL;
      if (!is_float)
        numbers[i] = PyLong_AsLongLongAndOverflow (item, &is_over);
      else
        {
          real = PyFloat_AsDouble (item);
          memcpy (&numbers[i], &real, sizeof real);
        }
    }
  return is_over != 0 ? NULL
                      : g_variant_new_fixed_array (is_float ? G_VARIANT_TYPE_DOUBLE
                                                            : G_VARIANT_TYPE_INT64,
                                                   numbers, n, sizeof *numbers);
}

static GVariant *
pack_list (PyObject *list,
           guint     depth)
{
  gsize n = (gsize) PyList_Size (list);
  GVariant *value = pack_numbers (list, n);
  g_autofree GVariant **children = NULL;

  if (value != NULL)
    return value;
  children = pack_items (PyList_GetItem, list, n, depth);
  return children != NULL ? pack_children (children, n) : NULL;
}

static GVariant *
pack_tuple (PyObject *tuple,
            guint     depth)
{
  gsize n = (gsize) PyTuple_Size (tuple);
  g_autofree GVariant **children = pack_items (PyTuple_GetItem, tuple, n, depth);

  return children != NULL ? g_variant_new_tuple (children, n) : NULL;
}

/* --- dictionaries ---------------------------------------------------------------------------- */

static GVariant *
refuse_keys (void)
{
  PyErr_SetString (aiopool_py.pack_error_type,
                   "the keys of a dict in a GVariant must be of one type: str, int, float or bool");
  return NULL;
}

/* The type of an entry, by the first key. */
static const GVariantType *
entry_type (PyObject *key)
{
  if (key == NULL || PyUnicode_Check (key))
    return G_VARIANT_TYPE ("{sv}");
  if (PyBool_Check (key))
    return G_VARIANT_TYPE ("{bv}");
  if (PyLong_Check (key))
    return G_VARIANT_TYPE ("{xv}");
  return PyFloat_Check (key) ? G_VARIANT_TYPE ("{dv}") : NULL;
}

static GVariant *
pack_entry (PyObject           *key,
            PyObject           *item,
            const GVariantType *type,
            guint               depth)
{
  GVariant *key_value = pack (key, depth);
  GVariant *value;

  if (key_value == NULL)
    return NULL;
  if (!g_variant_is_of_type (key_value, g_variant_type_key (type)))
    {
      g_variant_unref (g_variant_ref_sink (key_value));
      return refuse_keys ();
    }
  value = pack (item, depth);
  if (value != NULL)
    return g_variant_new_dict_entry (key_value, g_variant_new_variant (value));
  g_variant_unref (g_variant_ref_sink (key_value));
  return NULL;
}

static GVariant *
pack_dictionary (PyObject *dictionary,
                 guint     depth)
{
  g_autoptr (GPtrArray) entries = g_ptr_array_new ();
  const GVariantType *type = NULL;
  PyObject *key, *item;
  GVariant *entry = NULL;
  Py_ssize_t position = 0;

  while (PyDict_Next (dictionary, &position, &key, &item))
    {
      type = type != NULL ? type : entry_type (key);
      Py_INCREF (key);
      Py_INCREF (item);
      entry = type != NULL ? pack_entry (key, item, type, depth) : refuse_keys ();
      Py_DECREF (key);
      Py_DECREF (item);
      if (entry == NULL)
        break;
      g_ptr_array_add (entries, entry);
    }
  if (PyErr_Occurred () == NULL)
    return g_variant_new_array (type != NULL ? type : entry_type (NULL),
                                (GVariant **) entries->pdata, entries->len);
  for (guint i = 0; i < entries->len; i++)
    g_variant_unref (g_variant_ref_sink (g_ptr_array_index (entries, i)));
  return NULL;
}

/* --- all ------------------------------------------------------------------------------------- */

/* What has a number's protocol without being one of Python's, as NumPy's integers. */
static GVariant *
pack_index (PyObject *object)
{
  PyObject *number = PyNumber_Index (object);
  GVariant *value;

  if (number == NULL)
    {
      PyErr_Clear ();
      return refuse_type (object);
    }
  value = pack_integer (number);
  Py_DECREF (number);
  return value;
}

static GVariant *
pack_container (PyObject *object,
                guint     depth)
{
  if (depth >= MAX_DEPTH)
    {
      PyErr_Format (aiopool_py.pack_error_type,
                    "what is nested more than %d deep does not fit in a GVariant", MAX_DEPTH);
      return NULL;
    }
  if (PyTuple_Check (object))
    return pack_tuple (object, depth + 1);
  if (PyList_Check (object))
    return pack_list (object, depth + 1);
  return pack_dictionary (object, depth + 1);
}

static GVariant *
pack (PyObject *object,
      guint     depth)
{
  if (object == Py_None)
    return g_variant_new_maybe (G_VARIANT_TYPE_VARIANT, NULL);
  if (PyBool_Check (object))
    return g_variant_new_boolean (object == Py_True);
  if (PyLong_Check (object))
    return pack_integer (object);
  if (PyFloat_Check (object))
    return g_variant_new_double (PyFloat_AsDouble (object));
  if (PyUnicode_Check (object))
    return pack_text (object);
  if (PyBytes_Check (object))
    return pack_memory (object, "ay");
  if (PyTuple_Check (object) || PyList_Check (object) || PyDict_Check (object))
    return pack_container (object, depth);
  if (PyObject_CheckBuffer (object))
    return pack_buffer (object);
  return PyIndex_Check (object) ? pack_index (object) : refuse_type (object);
}

/* Floating; NULL with an exception set, a PackError for what does not fit. */
GVariant *
aiopool_py_pack (PyObject *object)
{
  return pack (object, 0);
}
