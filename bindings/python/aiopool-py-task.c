/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "aiopool-py-parent-private.h"

#include <string.h>

/* Calls and their results, as the parent makes and reads them. Here is what is small and frequent;
 * the rest is aiopool._pickling's, which tells the forms. */

#define PICKLE_START    0x80
#define MARSHAL_VERSION 2           /* without references */
#define MARSHAL_STARTS  "NTFilgtus" /* of the types that a plain result has */
#define MAX_NAMES    1024 /* functions whose names are remembered */
#define LARGE        (256 * 1024) /* bytes of a payload */
#define MAX_SPARE    (64 * 1024 * 1024)
#define MAX_PLAIN    4096 /* bytes or characters of what is marshalled */

static PyObject *load_pickle, *load_marshal, *dump_marshal, *version; /* (owned): once needed */

/* TRUE when all of them are there. */
static gboolean
import_modules (void)
{
  PyObject *pickle, *marshal;

  if (version != NULL)
    return TRUE;
  pickle = PyImport_ImportModule ("_pickle");
  marshal = PyImport_ImportModule ("marshal");
  if (pickle != NULL && marshal != NULL)
    {
      load_pickle = PyObject_GetAttrString (pickle, "loads");
      load_marshal = PyObject_GetAttrString (marshal, "loads");
      dump_marshal = PyObject_GetAttrString (marshal, "dumps");
    }
  if (load_pickle != NULL && load_marshal != NULL && dump_marshal != NULL)
    version = PyLong_FromLong (MARSHAL_VERSION);
  Py_XDECREF (pickle);
  Py_XDECREF (marshal);
  return version != NULL;
}

/* For what begins with that byte. */
static PyObject *
choose_loader (guint8 start)
{
  if (start == PICKLE_START)
    return load_pickle;
  if (start != '\0' && strchr (MARSHAL_STARTS, start) != NULL)
    return load_marshal;
  return aiopool_py_hooks.unpack;
}

/* The value of the payload of a result. NULL with an exception set. */
PyObject *
aiopool_py_load (GBytes *bytes)
{
  gsize size;
  const guint8 *data = g_bytes_get_data (bytes, &size);
  PyObject *view = aiopool_py_view_own (bytes);
  PyObject *value = NULL;

  if (view != NULL && import_modules ())
    value = PyObject_CallFunctionObjArgs (choose_loader (size > 0 ? data[0] : 0), view, NULL);
  Py_XDECREF (view);
  return value;
}

/* --- packing --------------------------------------------------------------------------------- */

static void
release_all (Py_buffer  *views,
             Py_ssize_t  n)
{
  for (Py_ssize_t i = 0; i < n; i++)
    PyBuffer_Release (&views[i]);
  g_free (views);
}

static gboolean
view_all (PyObject   *pieces,
          Py_buffer  *views,
          Py_ssize_t  n)
{
  for (Py_ssize_t i = 0; i < n; i++)
    {
      if (PyObject_GetBuffer (PyList_GetItem (pieces, i), &views[i], PyBUF_SIMPLE) != 0)
        return FALSE;
    }
  return TRUE;
}

/* Large payloads are joined in memory that is kept for the next one: to get fresh pages from the
 * system takes longer than to copy. It may be given back on any thread. */
typedef struct
{
  gsize  size; /* of data: at least what is asked for */
  guint8 data[];
} Block;

static GMutex spare_lock;
static Block *spare; /* (owned) (nullable), under the lock */

static Block *
take_block (gsize size)
{
  Block *block = NULL;

  g_mutex_lock (&spare_lock);
  if (spare != NULL && spare->size >= size)
    block = g_steal_pointer (&spare);
  g_mutex_unlock (&spare_lock);
  if (block != NULL)
    return block;
  block = g_try_malloc (sizeof *block + size);
  if (block != NULL)
    block->size = size;
  return block;
}

static void
give_block (gpointer data)
{
  Block *block = data;
  Block *smaller = block;

  g_mutex_lock (&spare_lock);
  if (block->size <= MAX_SPARE && (spare == NULL || spare->size < block->size))
    {
      smaller = spare;
      spare = block;
    }
  g_mutex_unlock (&spare_lock);
  g_free (smaller);
}

/* When there is no pool left. */
void
aiopool_py_drop_spare (void)
{
  Block *block;

  g_mutex_lock (&spare_lock);
  block = g_steal_pointer (&spare);
  g_mutex_unlock (&spare_lock);
  g_free (block);
}

static void
copy_all (guint8          *out,
          const Py_buffer *views,
          Py_ssize_t       n)
{
  for (Py_ssize_t i = 0; i < n; i++)
    {
      memcpy (out, views[i].buf, (gsize) views[i].len);
      out += views[i].len;
    }
}

/* NULL if there is no memory. */
static GBytes *
join_large (const Py_buffer *views,
            Py_ssize_t       n,
            gsize            size)
{
  Block *block = take_block (size);

  if (block == NULL)
    return NULL;
  copy_all (block->data, views, n);
  return g_bytes_new_with_free_func (block->data, size, give_block, block);
}

static GBytes *
join_small (const Py_buffer *views,
            Py_ssize_t       n,
            gsize            size)
{
  guint8 *data = g_malloc (MAX (size, 1));

  copy_all (data, views, n);
  return g_bytes_new_take (data, size);
}

static gsize
add_sizes (const Py_buffer *views,
           Py_ssize_t       n)
{
  gsize size = 0;

  for (Py_ssize_t i = 0; i < n; i++)
    size += (gsize) views[i].len;
  return size;
}

/* What the views have, one after the other. NULL with an exception set. */
static GBytes *
join (const Py_buffer *views,
      Py_ssize_t       n)
{
  gsize size = add_sizes (views, n);
  GBytes *bytes;

  if (size < LARGE)
    return join_small (views, n, size);
  Py_BEGIN_ALLOW_THREADS
  bytes = join_large (views, n, size);
  Py_END_ALLOW_THREADS
  if (bytes == NULL)
    PyErr_NoMemory ();
  return bytes;
}

/* (transfer full) (nullable): whose memory it is, through all memoryviews of it. */
static PyObject *
find_owner (PyObject *piece)
{
  PyObject *owner = Py_NewRef (piece);

  while (owner != NULL && PyMemoryView_Check (owner))
    {
      PyObject *view = owner;

      owner = PyObject_GetAttrString (view, "obj");
      Py_DECREF (view);
    }
  PyErr_Clear ();
  return owner;
}

static void
release_owner (gpointer owner)
{
  PyGILState_STATE state;

  if (!Py_IsInitialized ()) /* the process ends, and Python has before it */
    return;
  state = PyGILState_Ensure ();
  Py_DECREF ((PyObject *) owner);
  PyGILState_Release (state);
}

/* (nullable): the memory itself if it is much and cannot change, as that of bytes: the library
 * copies it when it knows where to. */
static GBytes *
hold_constant (PyObject        *piece,
               const Py_buffer *view)
{
  PyObject *owner = view->len >= LARGE ? find_owner (piece) : NULL;

  if (owner != NULL && PyBytes_CheckExact (owner))
    return g_bytes_new_with_free_func (view->buf, (gsize) view->len, release_owner, owner);
  Py_XDECREF (owner);
  return NULL;
}

/* Joins the views from @first on. FALSE with an exception set. */
static gboolean
add_joined (GPtrArray       *parts,
            const Py_buffer *views,
            Py_ssize_t       first,
            Py_ssize_t       end)
{
  GBytes *bytes;

  if (first == end)
    return TRUE;
  bytes = join (views + first, end - first);
  if (bytes != NULL)
    g_ptr_array_add (parts, bytes);
  return bytes != NULL;
}

/* (element-type GBytes): few, which one after the other are the pieces. FALSE with an exception
 * set. */
static gboolean
gather (PyObject        *pieces,
        const Py_buffer *views,
        Py_ssize_t       n,
        GPtrArray       *parts)
{
  Py_ssize_t first = 0;

  for (Py_ssize_t i = 0; i < n; i++)
    {
      GBytes *held = hold_constant (PyList_GetItem (pieces, i), &views[i]);

      if (held == NULL)
        continue;
      if (!add_joined (parts, views, first, i))
        {
          g_bytes_unref (held);
          return FALSE;
        }
      g_ptr_array_add (parts, held);
      first = i + 1;
    }
  return add_joined (parts, views, first, n);
}

/* A task for a list of pieces. NULL with an exception set. */
AiopoolTask *
aiopool_py_make_task (const char *name,
                      PyObject   *pieces)
{
  Py_ssize_t n = PyList_Size (pieces);
  g_autoptr (GPtrArray) parts = NULL;
  AiopoolTask *task = NULL;
  Py_buffer *views;

  if (n < 0)
    return NULL;
  parts = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  views = g_new0 (Py_buffer, (gsize) n + 1);
  if (view_all (pieces, views, n) && gather (pieces, views, n, parts))
    task = parts->len == 1 ? aiopool_task_new_for_payload (name, parts->pdata[0],
                                                           AIOPOOL_FORMAT_PICKLE)
                           : aiopool_task_new_for_pieces (name, (GBytes **) parts->pdata,
                                                          parts->len, AIOPOOL_FORMAT_PICKLE);
  release_all (views, n);
  return task;
}

static gboolean
compare_all (const guint8    *data,
             const Py_buffer *views,
             Py_ssize_t       n)
{
  for (Py_ssize_t i = 0; i < n; i++)
    {
      if (views[i].len > 0 && memcmp (data, views[i].buf, (gsize) views[i].len) != 0)
        return FALSE;
      data += views[i].len;
    }
  return TRUE;
}

/* Whether the pieces of a list, one after the other, are @bytes; -1 with an exception set. */
int
aiopool_py_compare (GBytes   *bytes,
                    PyObject *pieces)
{
  Py_ssize_t n = PyList_Size (pieces);
  Py_buffer *views = g_new0 (Py_buffer, (gsize) n + 1);
  gboolean is_same = FALSE;

  if (view_all (pieces, views, n) && add_sizes (views, n) == g_bytes_get_size (bytes))
    {
      Py_BEGIN_ALLOW_THREADS
      is_same = compare_all (g_bytes_get_data (bytes, NULL), views, n);
      Py_END_ALLOW_THREADS
    }
  release_all (views, n);
  return PyErr_Occurred () == NULL ? is_same : -1;
}

/* The pieces of a list, one after the other. NULL with an exception set. */
GBytes *
aiopool_py_join (PyObject *pieces)
{
  Py_ssize_t n = PyList_Size (pieces);
  Py_buffer *views;
  GBytes *bytes = NULL;

  if (n < 0)
    return NULL;
  views = g_new0 (Py_buffer, (gsize) n + 1);
  if (view_all (pieces, views, n))
    bytes = join (views, n);
  release_all (views, n);
  return bytes;
}

static gboolean
is_plain (PyObject *value)
{
  return value == Py_None || PyBool_Check (value) || PyLong_CheckExact (value) ||
         PyFloat_CheckExact (value) ||
         (PyUnicode_CheckExact (value) && PyUnicode_GetLength (value) < MAX_PLAIN) ||
         (PyBytes_CheckExact (value) && PyBytes_Size (value) < MAX_PLAIN);
}

static gboolean
is_all_plain (PyObject *arguments,
              PyObject *keywords)
{
  Py_ssize_t n = PyTuple_Size (arguments);

  if (PyDict_Size (keywords) > 0)
    return FALSE;
  for (Py_ssize_t i = 0; i < n; i++)
    {
      if (!is_plain (PyTuple_GetItem (arguments, i)))
        return FALSE;
    }
  return TRUE;
}

static AiopoolTask *
make_plain (const char *name,
            PyObject   *arguments)
{
  PyObject *stream = import_modules ()
                       ? PyObject_CallFunctionObjArgs (dump_marshal, arguments, version, NULL)
                       : NULL;
  g_autoptr (GBytes) bytes = NULL;

  if (stream == NULL)
    return NULL;
  bytes = g_bytes_new (PyBytes_AsString (stream), (gsize) PyBytes_Size (stream));
  Py_DECREF (stream);
  return aiopool_task_new_for_payload (name, bytes, AIOPOOL_FORMAT_PICKLE);
}

/* --- names ----------------------------------------------------------------------------------- */

/* What cannot be hashed has no name. NULL with an exception set. */
static PyObject *
find_name (PyObject *names,
           PyObject *function)
{
  PyObject *name = PyDict_GetItemWithError (names, function);

  if (name != NULL)
    return Py_NewRef (name);
  if (PyErr_Occurred () != NULL)
    {
      PyErr_Clear ();
      return Py_NewRef (Py_None);
    }
  name = PyObject_CallFunctionObjArgs (aiopool_py_hooks.name, function, NULL);
  if (name == NULL || name == Py_None)
    return name;
  if (PyDict_Size (names) >= MAX_NAMES)
    PyDict_Clear (names);
  if (PyDict_SetItem (names, function, name) != 0)
    Py_CLEAR (name);
  return name;
}

/* For people and logs, of what has no name by which it could be found. */
static char *
describe (PyObject *function)
{
  PyObject *name = PyObject_GetAttrString (function, "__qualname__");
  const char *text;
  char *copy;

  if (name == NULL)
    {
      PyErr_Clear ();
      name = PyType_GetQualName (Py_TYPE (function));
    }
  text = name != NULL && PyUnicode_Check (name) ? PyUnicode_AsUTF8AndSize (name, NULL) : NULL;
  PyErr_Clear ();
  copy = g_strndup (text != NULL && text[0] != '\0' ? text : "function", 1000);
  Py_XDECREF (name);
  return copy;
}

/* Of a list of pieces, or of a tuple with that and a Shared. NULL with an exception set. */
static AiopoolTask *
make_packed (const char *name,
             PyObject   *packed)
{
  PyObject *pieces = packed, *object = NULL;
  AiopoolSharedData *shared = NULL;
  AiopoolTask *task;

  if (PyTuple_Check (packed) &&
      (!PyArg_ParseTuple (packed, "O!O:pack", &PyList_Type, &pieces, &object) ||
       (shared = aiopool_py_shared_get (object)) == NULL))
    return NULL;
  task = aiopool_py_make_task (name, pieces);
  if (task != NULL && shared != NULL)
    aiopool_task_set_shared_data (task, shared);
  return task;
}

/* Of what has a name to be found by. NULL with an exception set. */
static AiopoolTask *
make_named (PyObject *name,
            PyObject *function,
            PyObject *arguments,
            PyObject *keywords)
{
  const char *text = PyUnicode_AsUTF8AndSize (name, NULL);
  AiopoolTask *task = NULL;
  PyObject *pieces;

  if (text == NULL)
    return NULL;
  if (is_all_plain (arguments, keywords))
    return make_plain (text, arguments);
  pieces = PyObject_CallFunctionObjArgs (aiopool_py_hooks.pack, name, function, arguments, keywords,
                                         NULL);
  if (pieces != NULL)
    task = make_packed (text, pieces);
  Py_XDECREF (pieces);
  return task;
}

/* Of what goes with the call, or is shared. NULL with an exception set. */
static AiopoolTask *
make_nameless (PyObject *function,
               PyObject *arguments,
               PyObject *keywords)
{
  PyObject *packed = PyObject_CallFunctionObjArgs (aiopool_py_hooks.pack, Py_None, function,
                                                   arguments, keywords, NULL);
  g_autofree char *description = NULL;
  AiopoolTask *task;

  if (packed == NULL)
    return NULL;
  description = describe (function);
  task = make_packed (description, packed);
  Py_DECREF (packed);
  return task;
}

/* @names: (dict) what the names of functions are. NULL with an exception set. */
AiopoolTask *
aiopool_py_call_task (PyObject *names,
                      PyObject *function,
                      PyObject *arguments,
                      PyObject *keywords)
{
  PyObject *name = find_name (names, function);
  AiopoolTask *task = NULL;

  if (name == Py_None)
    task = make_nameless (function, arguments, keywords);
  else if (name != NULL)
    task = make_named (name, function, arguments, keywords);
  Py_XDECREF (name);
  return task;
}
