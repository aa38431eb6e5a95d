/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "aiopool-py-private.h"

#include <string.h>

/* The memory of a list of bytes-like objects, which belong one after the other. */

void
aiopool_py_release_all (Py_buffer  *views,
                        Py_ssize_t  n)
{
  for (Py_ssize_t i = 0; i < n; i++)
    PyBuffer_Release (&views[i]);
  g_free (views);
}

/* @n, @size: (out): how many there are, and how many bytes. NULL with an exception set. */
Py_buffer *
aiopool_py_view_all (PyObject   *pieces,
                     Py_ssize_t *n,
                     gsize      *size)
{
  Py_buffer *views;

  *n = PyList_Size (pieces);
  if (*n < 0)
    return NULL;
  *size = 0;
  views = g_new0 (Py_buffer, (gsize) *n + 1);
  for (Py_ssize_t i = 0; i < *n; i++)
    {
      if (PyObject_GetBuffer (PyList_GetItem (pieces, i), &views[i], PyBUF_SIMPLE) != 0)
        {
          aiopool_py_release_all (views, i);
          return NULL;
        }
      *size += (gsize) views[i].len;
    }
  return views;
}

void
aiopool_py_copy_all (guint8          *out,
                     const Py_buffer *views,
                     Py_ssize_t       n)
{
  for (Py_ssize_t i = 0; i < n; i++)
    {
      memcpy (out, views[i].buf, (gsize) views[i].len);
      out += views[i].len;
    }
}
