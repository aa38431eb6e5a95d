/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "aiopool-py-parent-private.h"

#include <errno.h>
#include <poll.h>

/* Tells Python which of many tasks have ended: aiopool._parent.Queue, over a completion queue.
 *
 * That belongs to one thread at a time. Here this is whichever has the interpreter's lock: all of
 * the queue's calls are made with it, and none of them blocks. Only the descriptor is waited for
 * without. */

PyTypeObject *aiopool_py_queue_type;

typedef struct
{
  PyObject_HEAD
  AiopoolCompletionQueue *queue;   /* (owned) */
  GHashTable             *handles; /* (owned): from id to handle (owned) */
  PyObject               *news;    /* (owned): list of handles */
  PyObject               *log;     /* (owned): list of tuples, of what workers have logged */
} Queue;

typedef struct
{
  Queue           *queue;  /* (unowned: has the handle, until the task has ended) */
  AiopoolPyHandle *handle; /* (unowned: as queue) */
} Watch;

static Queue *
queue_of (PyObject *object)
{
  return (Queue *) object;
}

static void
drop (gpointer object)
{
  Py_DECREF ((PyObject *) object);
}

static GHashTable *
make_handles (void)
{
  return g_hash_table_new_full (NULL, NULL, NULL, drop);
}

static PyObject *
queue_new (PyTypeObject *type,
           PyObject     *arguments,
           PyObject     *keywords)
{
  allocfunc alloc = (allocfunc) PyType_GetSlot (type, Py_tp_alloc);
  PyObject *object;
  Queue *self;

  if (aiopool_py_is_copy)
    return aiopool_py_refuse_copy ();
  object = alloc (type, 0);
  if (object == NULL)
    return NULL;
  aiopool_py_is_used = TRUE;
  self = queue_of (object);
  self->queue = aiopool_completion_queue_new ();
  self->handles = make_handles ();
  self->news = PyList_New (0);
  self->log = PyList_New (0);
  if (self->news == NULL || self->log == NULL)
    Py_CLEAR (object);
  return object;
}

/* A future may know the loop that is told of it, and that has the queue: without a cycle's end
 * nothing of a loop would go that was left before its tasks had ended. */
static int
queue_traverse (PyObject *object,
                visitproc visit,
                void     *arg)
{
  Queue *self = queue_of (object);
  GHashTableIter iter;
  gpointer handle;

  Py_VISIT (Py_TYPE (object));
  Py_VISIT (self->news);
  Py_VISIT (self->log);
  if (self->handles == NULL)
    return 0;
  g_hash_table_iter_init (&iter, self->handles);
  while (g_hash_table_iter_next (&iter, NULL, &handle))
    Py_VISIT ((PyObject *) handle);
  return 0;
}

/* What is dropped may ask this queue for something. */
static int
queue_clear (PyObject *object)
{
  Queue *self = queue_of (object);
  GHashTable *handles = self->handles;

  self->handles = make_handles ();
  g_clear_pointer (&handles, g_hash_table_unref);
  return 0;
}

static void
queue_dealloc (PyObject *object)
{
  PyTypeObject *type = Py_TYPE (object);
  Queue *self = queue_of (object);

  PyObject_GC_UnTrack (object);
  if (!aiopool_py_is_copy)
    {
      g_clear_object (&self->queue);
      g_clear_pointer (&self->handles, g_hash_table_unref);
    }
  Py_CLEAR (self->news);
  Py_CLEAR (self->log);
  ((freefunc) PyType_GetSlot (type, Py_tp_free)) (object);
  Py_DECREF (type);
}

/* FALSE with an exception set in a copy of the process. */
static gboolean
is_ours (void)
{
  if (aiopool_py_is_copy)
    PyErr_SetString (PyExc_RuntimeError, "this process is a copy of the one that has the pool");
  return !aiopool_py_is_copy;
}

static PyObject *
queue_add (PyObject *object,
           PyObject *handle)
{
  Queue *self = queue_of (object);
  AiopoolFuture *future;
  guint id;

  if (!is_ours ())
    return NULL;
  if (!PyObject_TypeCheck (handle, aiopool_py_handle_type) ||
      (future = ((AiopoolPyHandle *) handle)->future) == NULL)
    {
      PyErr_SetString (PyExc_TypeError, "this is no future of a task");
      return NULL;
    }
  id = aiopool_completion_queue_add (self->queue, future);
  g_hash_table_insert (self->handles, GUINT_TO_POINTER (id), Py_NewRef (handle));
  return PyLong_FromUnsignedLong (id);
}

static PyObject *
queue_remove (PyObject *object,
              PyObject *number)
{
  Queue *self = queue_of (object);
  unsigned long id = PyLong_AsUnsignedLong (number);

  if (PyErr_Occurred () != NULL || !is_ours ())
    return NULL;
  if (!aiopool_completion_queue_remove (self->queue, (guint) id))
    return Py_NewRef (Py_False);
  g_hash_table_remove (self->handles, GUINT_TO_POINTER ((guint) id));
  return Py_NewRef (Py_True);
}

/* --- news ------------------------------------------------------------------------------------ */

/* Within take(), with the interpreter's lock. Takes @value. */
static void
add_news (Watch    *watch,
          long      kind,
          PyObject *value)
{
  AiopoolPyHandle *handle = watch->handle;
  PyObject *pair = value != NULL ? Py_BuildValue ("lN", kind, value) : NULL;

  if (handle->news == NULL)
    handle->news = PyList_New (0);
  if (pair == NULL || handle->news == NULL || PyList_Append (handle->news, pair) != 0)
    PyErr_WriteUnraisable ((PyObject *) handle);
  Py_XDECREF (pair);
  if (!handle->is_told && PyList_Append (watch->queue->news, (PyObject *) handle) == 0)
    handle->is_told = TRUE;
}

static void
on_emitted (AiopoolFuture *future,
            GVariant      *value,
            gpointer       user_data)
{
  GBytes *bytes = g_variant_get_data_as_bytes (value);

  add_news (user_data, 0, aiopool_py_view (bytes));
  g_bytes_unref (bytes);
}

static void
on_progressed (AiopoolFuture *future,
               double         fraction,
               const char    *message,
               gpointer       user_data)
{
  add_news (user_data, 1, PyFloat_FromDouble (fraction));
}

static void
free_watch (gpointer  watch,
            GClosure *closure)
{
  g_free (watch);
}

AiopoolFuture *
aiopool_py_queue_submit (PyObject     *queue,
                         AiopoolPool  *pool,
                         AiopoolTask  *task,
                         guint        *id,
                         GError      **error)
{
  return aiopool_completion_queue_submit (queue_of (queue)->queue, AIOPOOL_EXECUTOR (pool), task,
                                          NULL, id, error);
}

/* For a handle whose future was submitted just now: nothing has been delivered yet. */
gboolean
aiopool_py_queue_keep (PyObject *queue,
                       guint     id,
                       PyObject *object)
{
  Queue *self = queue_of (queue);
  AiopoolPyHandle *handle = (AiopoolPyHandle *) object;
  Watch *watch = g_new (Watch, 1);

  g_hash_table_insert (self->handles, GUINT_TO_POINTER (id), Py_NewRef (object));
  watch->queue = self;
  watch->handle = handle;
  g_signal_connect_data (handle->future, "emitted", G_CALLBACK (on_emitted), watch, free_watch, 0);
  g_signal_connect (handle->future, "progressed", G_CALLBACK (on_progressed), watch);
  return TRUE;
}

/* --- logs ------------------------------------------------------------------------------------ */

GMainContext *
aiopool_py_queue_get_context (PyObject *queue)
{
  return aiopool_completion_queue_get_context (queue_of (queue)->queue);
}

/* (logger, message, fields, pid, function): PYTHON_LEVEL is among the fields. */
static PyObject *
make_log_tuple (AiopoolLogRecord *record,
                GVariant         *fields)
{
  PyObject *dictionary = PyDict_New ();
  GVariantIter iter;
  const char *name, *value;

  if (dictionary == NULL)
    return NULL;
  g_variant_iter_init (&iter, fields);
  while (g_variant_iter_next (&iter, "{&s&s}", &name, &value))
    {
      PyObject *text = PyUnicode_FromString (value);

      if (text == NULL || PyDict_SetItemString (dictionary, name, text) != 0)
        PyErr_Clear ();
      Py_XDECREF (text);
    }
  return Py_BuildValue ("zsNiz", aiopool_log_record_get_domain (record),
                        aiopool_log_record_get_message (record), dictionary,
                        aiopool_log_record_get_worker_pid (record),
                        aiopool_log_record_get_function (record));
}

/* Within take(), with the lock. What was not logged with Python goes to GLib's log. */
static gboolean
on_logged (AiopoolPool      *pool,
           AiopoolLogRecord *record,
           gpointer          user_data)
{
  Queue *self = user_data;
  GVariant *fields = aiopool_log_record_get_fields (record);
  g_autoptr (GVariant) level = NULL;
  PyObject *tuple;

  if (fields != NULL)
    level = g_variant_lookup_value (fields, "PYTHON_LEVEL", G_VARIANT_TYPE_STRING);
  if (level == NULL)
    return FALSE;
  tuple = make_log_tuple (record, fields);
  if (tuple == NULL || PyList_Append (self->log, tuple) != 0)
    PyErr_WriteUnraisable ((PyObject *) self);
  Py_XDECREF (tuple);
  return TRUE;
}

/* The queue is kept for ever: there is one for all pools, and a pool ends in any thread. */
void
aiopool_py_queue_watch_log (PyObject    *queue,
                            AiopoolPool *pool)
{
  g_signal_connect (pool, "log", G_CALLBACK (on_logged), Py_NewRef (queue));
}

static PyObject *
queue_take_log (PyObject *object,
                PyObject *unused)
{
  Queue *self = queue_of (object);
  PyObject *log = self->log;
  PyObject *empty = PyList_New (0);

  if (empty == NULL)
    return NULL;
  self->log = empty;
  return log;
}

/* --- taking ---------------------------------------------------------------------------------- */

static PyObject *
collect (Queue       *self,
         const guint *ids,
         gsize        n)
{
  PyObject *list = PyList_New ((Py_ssize_t) n);

  for (gsize i = 0; list != NULL && i < n; i++)
    {
      gpointer handle = NULL;

      g_hash_table_steal_extended (self->handles, GUINT_TO_POINTER (ids[i]), NULL, &handle);
      PyList_SetItem (list, (Py_ssize_t) i, handle != NULL ? handle : Py_NewRef (Py_None));
    }
  return list;
}

static PyObject *
queue_take (PyObject *object,
            PyObject *unused)
{
  Queue *self = queue_of (object);
  PyObject *ended, *news;
  guint *ids;
  gsize n;

  if (!is_ours ())
    return NULL;
  ids = aiopool_completion_queue_take (self->queue, &n);
  ended = collect (self, ids, n);
  g_free (ids);
  if (ended == NULL)
    return NULL;
  news = self->news;
  self->news = PyList_New (0);
  if (self->news == NULL)
    self->news = Py_NewRef (news);
  return Py_BuildValue ("NN", ended, news);
}

/* Whether there is something to be taken; -1 with errno set. */
static int
poll_for (int    fd,
          double timeout)
{
  struct pollfd poll_fd = { fd, POLLIN, 0 };
  int n;

  Py_BEGIN_ALLOW_THREADS
  n = poll (&poll_fd, 1, timeout < 0 ? -1 : (int) MIN (timeout * 1000 + 0.999, G_MAXINT));
  Py_END_ALLOW_THREADS
  return n;
}

static PyObject *
queue_wait (PyObject         *object,
            PyObject * const *arguments,
            Py_ssize_t        n)
{
  double timeout = n > 0 && arguments[0] != Py_None ? PyFloat_AsDouble (arguments[0]) : -1;
  int n_ready;

  if (PyErr_Occurred () != NULL || !is_ours ())
    return NULL;
  n_ready = poll_for (aiopool_completion_queue_get_fd (queue_of (object)->queue), timeout);
  if (n_ready < 0 && (errno != EINTR || PyErr_CheckSignals () != 0))
    return PyErr_Occurred () != NULL ? NULL : PyErr_SetFromErrno (PyExc_OSError);
  return PyBool_FromLong (n_ready > 0);
}

static PyObject *
queue_wake (PyObject *object,
            PyObject *unused)
{
  if (!aiopool_py_is_copy)
    g_main_context_wakeup (aiopool_completion_queue_get_context (queue_of (object)->queue));
  return Py_NewRef (Py_None);
}

static PyObject *
queue_fileno (PyObject *object,
              PyObject *unused)
{
  return PyLong_FromLong (aiopool_completion_queue_get_fd (queue_of (object)->queue));
}

static Py_ssize_t
queue_length (PyObject *object)
{
  return (Py_ssize_t) g_hash_table_size (queue_of (object)->handles);
}

static PyMethodDef queue_methods[] = {
  { "fileno", queue_fileno, METH_NOARGS, "The descriptor to watch for reading." },
  { "add", queue_add, METH_O, "Has take() tell when a handle's task has ended; returns an id." },
  { "remove", queue_remove, METH_O, "remove(id): has it not told of after all; whether in time." },
  { "take", queue_take, METH_NOARGS,
    "Two lists: the handles whose tasks have ended, in that order; and those with news." },
  { "wait", (PyCFunction) (void (*) (void)) queue_wait, METH_FASTCALL,
    "wait(timeout=None): blocks until there is something to take; whether there is." },
  { "take_log", queue_take_log, METH_NOARGS,
    "What workers of pools with this queue have logged: tuples (logger, message, fields, pid, "
    "function)." },
  { "wake", queue_wake, METH_NOARGS, "Ends a wait." },
  { NULL, NULL, 0, NULL },
};

static PyType_Slot slots[] = {
  { Py_tp_new, queue_new },
  { Py_tp_dealloc, queue_dealloc },
  { Py_tp_traverse, queue_traverse },
  { Py_tp_clear, queue_clear },
  { Py_tp_methods, queue_methods },
  { Py_sq_length, queue_length },
  { Py_tp_doc, (char *) "Which tasks have ended." },
  { 0, NULL },
};

static PyType_Spec spec = {
  .name = "aiopool._parent.Queue",
  .basicsize = sizeof (Queue),
  .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
  .slots = slots,
};

gboolean
aiopool_py_queue_init (PyObject *module)
{
  aiopool_py_queue_type = (PyTypeObject *) PyType_FromSpec (&spec);
  return aiopool_py_queue_type != NULL &&
         PyModule_AddObjectRef (module, "Queue", (PyObject *) aiopool_py_queue_type) == 0;
}
