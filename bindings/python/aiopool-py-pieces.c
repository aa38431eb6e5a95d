/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "aiopool-py-parent-private.h"

#include <string.h>

/* The payloads of calls, which aiopool._pickling gives in pieces: bytes-like objects, one after the
 * other. What may be changed after submit() is copied by it, and so is what is small; large bytes
 * are held. */

#define LARGE     (256 * 1024) /* bytes of a payload, or of a piece */
#define MAX_SPARE (64 * 1024 * 1024)

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

/* NULL if there is no memory. */
static GBytes *
join_large (const Py_buffer *views,
            Py_ssize_t       n,
            gsize            size)
{
  Block *block = take_block (size);

  if (block == NULL)
    return NULL;
  aiopool_py_copy_all (block->data, views, n);
  return g_bytes_new_with_free_func (block->data, size, give_block, block);
}

static GBytes *
join_small (const Py_buffer *views,
            Py_ssize_t       n,
            gsize            size)
{
  guint8 *data = g_malloc (MAX (size, 1));

  aiopool_py_copy_all (data, views, n);
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

/* (nullable): the memory itself if it is much and cannot change, as that of bytes: the library
 * copies it when it knows where to. */
static GBytes *
hold_constant (PyObject        *piece,
               const Py_buffer *view)
{
  PyObject *owner = view->len >= LARGE ? find_owner (piece) : NULL;
  GBytes *whole, *part = NULL;

  if (owner != NULL && PyBytes_CheckExact (owner))
    {
      whole = aiopool_py_hold (owner);
      part = g_bytes_new_from_bytes (whole, (gsize) ((char *) view->buf - PyBytes_AsString (owner)),
                                     (gsize) view->len);
      g_bytes_unref (whole);
    }
  Py_XDECREF (owner);
  return part;
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
  g_autoptr (GPtrArray) parts = NULL;
  AiopoolTask *task = NULL;
  Py_buffer *views;
  Py_ssize_t n;
  gsize size;

  views = aiopool_py_view_all (pieces, &n, &size);
  if (views == NULL)
    return NULL;
  parts = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  if (gather (pieces, views, n, parts))
    task = parts->len == 1 ? aiopool_task_new_for_payload (name, parts->pdata[0],
                                                           AIOPOOL_FORMAT_PICKLE)
                           : aiopool_task_new_for_pieces (name, (GBytes **) parts->pdata,
                                                          parts->len, AIOPOOL_FORMAT_PICKLE);
  aiopool_py_release_all (views, n);
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
  gboolean is_same = FALSE;
  Py_buffer *views;
  Py_ssize_t n;
  gsize size;

  views = aiopool_py_view_all (pieces, &n, &size);
  if (views == NULL)
    return -1;
  if (size == g_bytes_get_size (bytes))
    {
      Py_BEGIN_ALLOW_THREADS
      is_same = compare_all (g_bytes_get_data (bytes, NULL), views, n);
      Py_END_ALLOW_THREADS
    }
  aiopool_py_release_all (views, n);
  return is_same;
}

/* The pieces of a list, one after the other. NULL with an exception set. */
GBytes *
aiopool_py_join (PyObject *pieces)
{
  Py_buffer *views;
  GBytes *bytes;
  Py_ssize_t n;
  gsize size;

  views = aiopool_py_view_all (pieces, &n, &size);
  if (views == NULL)
    return NULL;
  bytes = join (views, n);
  aiopool_py_release_all (views, n);
  return bytes;
}
