/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <aiopool/aiopool.h>
#include "aiopool/runtime/aiopool-worker-abi.h"

/* Of the module; there is one in a process. All is guarded by the interpreter's lock. */
typedef struct
{
  const AiopoolWorkerAbi *abi;
  PyObject     *cancelled_type;  /* (owned): exception TaskCancelled */
  PyObject     *pack_error_type; /* (owned): exception PackError */
  PyTypeObject *bytes_type;      /* (owned) */
  PyTypeObject *call_type;       /* (owned) */
  PyObject     *pack_pieces;     /* (owned) (nullable): while serving */
  PyObject     *unpack_payload;  /* (owned) (nullable): while serving */
  AiopoolCall  *current;         /* (unowned: who runs it) (nullable) */
  PyObject     *current_object;  /* (owned) (nullable): once somebody asked */
  gboolean      is_forked;       /* this is a copy of a worker, to which no task belongs */
} AiopoolPy;

extern AiopoolPy aiopool_py;

/* unpack: from a GVariant. */
PyObject *aiopool_py_unpack           (GVariant    *value);
PyObject *aiopool_py_unpack_arguments (GVariant    *value);
PyObject *aiopool_py_unpack_keywords  (GVariant    *value);

/* pack: into a GVariant; floating. */
GVariant *aiopool_py_pack             (PyObject    *object);

/* bytes: memory of the library for Python, and the other way. */
PyObject *aiopool_py_view             (GBytes      *bytes);
PyObject *aiopool_py_view_own         (GBytes      *bytes);
GBytes   *aiopool_py_hold             (PyObject    *object);
gboolean  aiopool_py_bytes_init       (PyObject    *module);

/* views */
Py_buffer *aiopool_py_view_all        (PyObject    *pieces,
                                       Py_ssize_t  *n,
                                       gsize       *size);
void      aiopool_py_release_all      (Py_buffer   *views,
                                       Py_ssize_t   n);
void      aiopool_py_copy_all         (guint8      *out,
                                       const Py_buffer *views,
                                       Py_ssize_t   n);

/* call */
PyObject *aiopool_py_call_new         (AiopoolCall *call);
PyObject *aiopool_py_call_current     (void);
gboolean  aiopool_py_call_init        (PyObject    *module);
gboolean  aiopool_py_return_pieces    (AiopoolCall   *call,
                                       AiopoolFormat  format,
                                       PyObject      *pieces);

/* pickle */
PyObject *aiopool_py_load_call        (AiopoolCall *call,
                                       gboolean    *is_plain);
gboolean  aiopool_py_is_small         (PyObject    *result);
gboolean  aiopool_py_answer_pickle    (AiopoolCall *call,
                                       PyObject    *result,
                                       gboolean     is_plain);

/* worker */
PyObject *aiopool_py_serve            (PyObject    *module,
                                       PyObject    *handlers);
PyObject *aiopool_py_dispatch         (PyObject    *module,
                                       PyObject    *unused);
PyObject *aiopool_py_forget           (PyObject    *module,
                                       PyObject    *unused);
void      aiopool_py_leave_copy       (void);
