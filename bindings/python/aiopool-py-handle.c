/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "aiopool-py-parent-private.h"

#include <unistd.h>

/* A future of the library, for Python: aiopool._parent.Handle, from which the package derives its
 * futures. Nothing is known twice: what has become of the task is asked of the library when
 * somebody wants to know. */

#define SLICE 0.05 /* seconds that the main thread waits before it looks for signals */

PyTypeObject *aiopool_py_handle_type;

static AiopoolPyHandle *
handle_of (PyObject *object)
{
  return (AiopoolPyHandle *) object;
}

/* NULL with an exception set. */
static AiopoolFuture *
future_of (PyObject *object)
{
  if (handle_of (object)->future == NULL)
    PyErr_SetString (PyExc_RuntimeError, "this was made without a task");
  return handle_of (object)->future;
}

/* (transfer full) for @future. @owner: (nullable) */
PyObject *
aiopool_py_handle_new (PyTypeObject  *type,
                       AiopoolFuture *future,
                       PyObject      *owner)
{
  allocfunc alloc = (allocfunc) PyType_GetSlot (type, Py_tp_alloc);
  PyObject *object = alloc (type, 0);

  if (object == NULL)
    {
      g_object_unref (future);
      return NULL;
    }
  handle_of (object)->future = future;
  handle_of (object)->owner = Py_XNewRef (owner);
  return object;
}

/* An exception in an outcome knows the frames that have the handle. */
static int
handle_traverse (PyObject *object,
                 visitproc visit,
                 void     *arg)
{
  AiopoolPyHandle *self = handle_of (object);

  Py_VISIT (Py_TYPE (object));
  Py_VISIT (self->news);
  Py_VISIT (self->owner);
  Py_VISIT (self->outcome);
  return 0;
}

static int
handle_clear (PyObject *object)
{
  AiopoolPyHandle *self = handle_of (object);

  Py_CLEAR (self->news);
  Py_CLEAR (self->owner);
  Py_CLEAR (self->outcome);
  return 0;
}

static void
handle_dealloc (PyObject *object)
{
  PyTypeObject *type = Py_TYPE (object);
  AiopoolPyHandle *self = handle_of (object);

  PyObject_GC_UnTrack (object);
  if (!aiopool_py_is_copy)
    g_clear_object (&self->future);
  handle_clear (object);
  ((freefunc) PyType_GetSlot (type, Py_tp_free)) (object);
  Py_DECREF (type);
}

/* --- waiting --------------------------------------------------------------------------------- */

static gboolean
wait_unlocked (AiopoolFuture *future,
               double         timeout)
{
  gboolean has_ended;

  Py_BEGIN_ALLOW_THREADS
  has_ended = aiopool_future_wait (future, timeout);
  Py_END_ALLOW_THREADS
  return has_ended;
}

/* In the main thread signals are to be handled meanwhile. -1 with an exception set. */
static int
wait_with_signals (AiopoolFuture *future,
                   double         timeout)
{
  gint64 start = g_get_monotonic_time ();

  for (;;)
    {
      double passed = (double) (g_get_monotonic_time () - start) / G_USEC_PER_SEC;
      double left = timeout < 0 ? SLICE : timeout - passed;

      if (wait_unlocked (future, CLAMP (left, 0, SLICE)))
        return TRUE;
      if (PyErr_CheckSignals () != 0)
        return -1;
      if (timeout >= 0 && left <= SLICE)
        return FALSE;
    }
}

/* It is asked for with each wait: once is enough to ask the system. */
static gboolean
is_main_thread (void)
{
  static _Thread_local int answer = -1;

  if (answer < 0)
    answer = gettid () == getpid ();
  return answer;
}

/* @number: (nullable): seconds; None for ever. -1 with an exception set. */
static int
wait_for (PyObject *object,
          PyObject *number)
{
  AiopoolFuture *future = future_of (object);
  double timeout = number == NULL || number == Py_None ? -1 : PyFloat_AsDouble (number);

  if (future == NULL || PyErr_Occurred () != NULL)
    return -1;
  if (aiopool_future_is_done (future))
    return TRUE;
  if (aiopool_py_is_copy) /* who waits reads what the workers send to the other process */
    {
      aiopool_py_refuse_copy ();
      return -1;
    }
  if (number != NULL && number != Py_None && timeout <= 0)
    return FALSE;
  if (is_main_thread ())
    return wait_with_signals (future, timeout);
  return wait_unlocked (future, timeout);
}

static PyObject *
handle_wait (PyObject         *object,
             PyObject * const *arguments,
             Py_ssize_t        n)
{
  int has_ended = wait_for (object, n > 0 ? arguments[0] : NULL);

  return has_ended >= 0 ? PyBool_FromLong (has_ended) : NULL;
}

/* --- what came of it ------------------------------------------------------------------------- */

/* A result that is no payload, as of a shutdown, is None. */
static PyObject *
load_result (AiopoolFuture *future)
{
  AiopoolFormat format = AIOPOOL_FORMAT_GVARIANT;
  GBytes *bytes = aiopool_future_get_payload (future, &format, NULL);
  PyObject *value;

  if (bytes == NULL || format == AIOPOOL_FORMAT_GVARIANT)
    value = Py_NewRef (Py_None);
  else if (format == AIOPOOL_FORMAT_PICKLE)
    value = aiopool_py_load (bytes);
  else
    value = aiopool_py_view (bytes);
  g_clear_pointer (&bytes, g_bytes_unref);
  return value;
}

static PyObject *
raise_failure (PyObject *object)
{
  PyObject *exception = PyObject_CallFunctionObjArgs (aiopool_py_hooks.failure, object, NULL);

  if (exception != NULL)
    PyErr_SetObject ((PyObject *) Py_TYPE (exception), exception);
  Py_XDECREF (exception);
  return NULL;
}

static PyObject *
handle_load (PyObject *object,
             PyObject *unused)
{
  AiopoolFuture *future = future_of (object);

  if (future == NULL)
    return NULL;
  if (aiopool_future_get_state (future) == AIOPOOL_FUTURE_DONE)
    return load_result (future);
  if (aiopool_future_is_done (future))
    return raise_failure (object);
  PyErr_SetString (PyExc_RuntimeError, "the task has not ended yet");
  return NULL;
}

/* Takes @outcome. The first counts, if several threads come to one. */
static PyObject *
keep (AiopoolPyHandle *self,
      PyObject        *outcome)
{
  if (self->outcome == NULL)
    self->outcome = outcome;
  else
    Py_DECREF (outcome);
  return self->outcome;
}

static PyObject *
handle_keep (PyObject *object,
             PyObject *outcome)
{
  if (!PyTuple_Check (outcome) || PyTuple_Size (outcome) != 2)
    {
      PyErr_SetString (PyExc_TypeError, "an outcome is a pair");
      return NULL;
    }
  return Py_NewRef (keep (handle_of (object), Py_NewRef (outcome)));
}

static PyObject *
get_task_id (PyObject *object,
             void     *closure)
{
  return PyLong_FromUnsignedLongLong (handle_of (object)->task_id);
}

static PyObject *
get_outcome (PyObject *object,
             void     *closure)
{
  PyObject *outcome = handle_of (object)->outcome;

  return Py_NewRef (outcome != NULL ? outcome : Py_None);
}

/* Takes the exception that is set. */
static PyObject *
take_exception (void)
{
  PyObject *type, *value, *traceback;

  PyErr_Fetch (&type, &value, &traceback);
  PyErr_NormalizeException (&type, &value, &traceback);
  Py_XDECREF (type);
  Py_XDECREF (traceback);
  return value;
}

/* Of a task that is done: it is unpickled once. Borrowed; NULL with an exception set, as by the
 * person who waits: KeyboardInterrupt is nothing that came of the task. */
static PyObject *
find_outcome (AiopoolPyHandle *self)
{
  PyObject *result, *exception, *outcome;

  if (self->outcome != NULL)
    return self->outcome;
  result = load_result (self->future);
  if (result == NULL && PyErr_ExceptionMatches (PyExc_KeyboardInterrupt))
    return NULL;
  exception = result == NULL ? take_exception () : NULL;
  outcome = PyTuple_Pack (2, result != NULL ? result : Py_None,
                          exception != NULL ? exception : Py_None);
  Py_XDECREF (result);
  Py_XDECREF (exception);
  return outcome != NULL ? keep (self, outcome) : NULL;
}

static PyObject *
raise_timeout (PyObject *timeout)
{
  PyErr_Format (PyExc_TimeoutError, "the task has not ended within %S seconds", timeout);
  return NULL;
}

/* (borrowed): NULL with an exception set. */
static PyObject *
get_timeout (PyObject * const *arguments,
             Py_ssize_t        n,
             PyObject         *names)
{
  Py_ssize_t n_names = names != NULL ? PyTuple_Size (names) : 0;

  if (n + n_names == 0)
    return Py_None;
  if (n + n_names == 1 &&
      (n == 1 || PyUnicode_CompareWithASCIIString (PyTuple_GetItem (names, 0), "timeout") == 0))
    return arguments[0];
  PyErr_SetString (PyExc_TypeError, "collect() takes one argument, 'timeout'");
  return NULL;
}

/* What is not simply a result is for the method _give() of the derived class. */
static PyObject *
handle_collect (PyObject         *object,
                PyObject * const *arguments,
                Py_ssize_t        n,
                PyObject         *names)
{
  PyObject *timeout = get_timeout (arguments, n, names);
  PyObject *outcome;
  int has_ended = timeout != NULL ? wait_for (object, timeout) : -1;

  if (has_ended <= 0)
    return has_ended == 0 ? raise_timeout (timeout) : NULL;
  if (aiopool_future_get_state (handle_of (object)->future) != AIOPOOL_FUTURE_DONE)
    return PyObject_CallMethod (object, "_give", NULL);
  outcome = find_outcome (handle_of (object));
  if (outcome == NULL)
    return NULL;
  if (PyTuple_GetItem (outcome, 1) == Py_None)
    return Py_NewRef (PyTuple_GetItem (outcome, 0));
  return PyObject_CallMethod (object, "_give", NULL);
}

static PyObject *
handle_payload (PyObject *object,
                PyObject *unused)
{
  AiopoolFuture *future = future_of (object);
  GBytes *bytes = future != NULL ? aiopool_future_get_payload (future, NULL, NULL) : NULL;
  PyObject *view;

  if (future == NULL)
    return NULL;
  if (bytes == NULL)
    return Py_NewRef (Py_None);
  view = aiopool_py_view (bytes);
  g_bytes_unref (bytes);
  return view;
}

static PyObject *
get_error (PyObject *object,
           void     *closure)
{
  AiopoolFuture *future = future_of (object);
  const GError *error = future != NULL ? aiopool_future_get_error (future) : NULL;

  if (future == NULL)
    return NULL;
  if (error == NULL)
    return Py_NewRef (Py_None);
  return Py_BuildValue ("sis", g_quark_to_string (error->domain), error->code, error->message);
}

static PyObject *
get_error_payload (PyObject *object,
                   void     *closure)
{
  AiopoolFuture *future = future_of (object);
  AiopoolErrorInfo *info = future != NULL ? aiopool_future_get_error_info (future) : NULL;
  GBytes *bytes = info != NULL ? aiopool_error_info_get_payload (info, NULL) : NULL;

  if (future == NULL)
    return NULL;
  return bytes != NULL ? aiopool_py_view (bytes) : Py_NewRef (Py_None);
}

static PyObject *
get_error_info (PyObject *object,
                void     *closure)
{
  AiopoolFuture *future = future_of (object);
  AiopoolErrorInfo *info = future != NULL ? aiopool_future_get_error_info (future) : NULL;

  if (future == NULL)
    return NULL;
  if (info == NULL)
    return Py_NewRef (Py_None);
  return Py_BuildValue ("szz", aiopool_error_info_get_type_name (info),
                        aiopool_error_info_get_message (info),
                        aiopool_error_info_get_traceback (info));
}

static PyObject *
get_standard_error (PyObject *object,
                    void     *closure)
{
  AiopoolFuture *future = future_of (object);

  return future != NULL ? Py_BuildValue ("z", aiopool_future_get_standard_error (future)) : NULL;
}

/* --- where it is ----------------------------------------------------------------------------- */

static PyObject *
get_state (PyObject *object,
           void     *closure)
{
  AiopoolFuture *future = future_of (object);

  return future != NULL ? PyLong_FromLong ((long) aiopool_future_get_state (future)) : NULL;
}

static PyObject *
get_has_ended (PyObject *object,
               void     *closure)
{
  AiopoolFuture *future = handle_of (object)->future;

  return PyBool_FromLong (future != NULL && aiopool_future_is_done (future));
}

static PyObject *
get_seconds (PyObject *object,
             void     *closure)
{
  double (*get) (AiopoolFuture *) = (double (*) (AiopoolFuture *)) closure;
  AiopoolFuture *future = future_of (object);

  return future != NULL ? PyFloat_FromDouble (get (future)) : NULL;
}

static PyObject *
get_owner (PyObject *object,
           void     *closure)
{
  PyObject *owner = handle_of (object)->owner;

  return Py_NewRef (owner != NULL ? owner : Py_None);
}

static PyObject *
get_worker_pid (PyObject *object,
                void     *closure)
{
  AiopoolFuture *future = future_of (object);

  return future != NULL ? PyLong_FromLong (aiopool_future_get_worker_pid (future)) : NULL;
}

static PyObject *
get_message (PyObject *object,
             void     *closure)
{
  AiopoolFuture *future = future_of (object);
  char *text = future != NULL ? aiopool_future_dup_message (future) : NULL;
  PyObject *result = future != NULL ? Py_BuildValue ("z", text) : NULL;

  g_free (text);
  return result;
}

static PyObject *
get_function (PyObject *object,
              void     *closure)
{
  AiopoolFuture *future = future_of (object);
  AiopoolTask *task = future != NULL ? aiopool_future_get_task (future) : NULL;

  if (future == NULL)
    return NULL;
  return Py_BuildValue ("z", task != NULL ? aiopool_task_get_function (task) : NULL);
}

/* Of the task's and of the result's. */
static PyObject *
get_n_bytes (PyObject *object,
             void     *closure)
{
  AiopoolFuture *future = future_of (object);
  AiopoolTask *task = future != NULL ? aiopool_future_get_task (future) : NULL;
  GBytes *argument = task != NULL ? aiopool_task_get_payload (task) : NULL;
  GBytes *result = future != NULL ? aiopool_future_get_payload (future, NULL, NULL) : NULL;
  gsize n = 0;

  if (future == NULL)
    return NULL;
  if (argument != NULL)
    n += g_bytes_get_size (argument);
  if (result != NULL)
    n += g_bytes_get_size (result);
  g_clear_pointer (&result, g_bytes_unref);
  return PyLong_FromSize_t (n);
}

static PyObject *
handle_cancel_task (PyObject *object,
                    PyObject *number)
{
  AiopoolFuture *future = future_of (object);
  long mode = PyLong_AsLong (number);

  if (future == NULL || (mode == -1 && PyErr_Occurred () != NULL))
    return NULL;
  if (aiopool_py_is_copy)
    return Py_NewRef (Py_False);
  return PyBool_FromLong (aiopool_future_cancel (future, (AiopoolCancelMode) mode));
}

static PyObject *
handle_take_news (PyObject *object,
                  PyObject *unused)
{
  AiopoolPyHandle *self = handle_of (object);
  PyObject *news = self->news;

  self->news = NULL;
  self->is_told = FALSE;
  return news != NULL ? news : PyList_New (0);
}

/* --- the type -------------------------------------------------------------------------------- */

static PyMethodDef handle_methods[] = {
  { "wait", (PyCFunction) (void (*) (void)) handle_wait, METH_FASTCALL,
    "wait(timeout=None): blocks until the task has ended; whether it has." },
  { "load", handle_load, METH_NOARGS,
    "Returns the result of a task that has ended, or raises what it failed with." },
  { "collect", (PyCFunction) (void (*) (void)) handle_collect,
    METH_FASTCALL | METH_KEYWORDS,
    "collect($self, /, timeout=None)\n--\n\n"
    "Blocks until the task has ended; returns its result or raises what it failed with.\n\n"
    "timeout: seconds, after which TimeoutError is raised; the task goes on." },
  { "_keep", handle_keep, METH_O,
    "_keep(outcome): of what several threads have found, the one that counts." },
  { "payload", handle_payload, METH_NOARGS, "The bytes of the result, or None." },
  { "cancel_task", handle_cancel_task, METH_O,
    "cancel_task(mode): CANCEL_PENDING, _COOPERATIVE or _FORCE; whether that could be." },
  { "take_news", handle_take_news, METH_NOARGS,
    "A list of what came since, in order: (NEWS_EMITTED, memoryview), (NEWS_PROGRESS, fraction)." },
  { NULL, NULL, 0, NULL },
};

#define SECONDS(name, doc) \
  { #name, get_seconds, NULL, doc, (void *) aiopool_future_get_##name }

static PyGetSetDef handle_getset[] = {
  { "state", get_state, NULL, "One of the STATE_ numbers.", NULL },
  { "has_ended", get_has_ended, NULL, "Whether the task has ended, in whatever way.", NULL },
  { "_owner", get_owner, NULL, "What the pool has as its owner, or None.", NULL },
  { "task_id", get_task_id, NULL, "The number of the task in its pool, from 1 on.", NULL },
  { "_outcome", get_outcome, NULL, "(result, exception), or None before it was asked for.", NULL },
  { "error", get_error, NULL, "(domain, code, message), or None.", NULL },
  { "error_payload", get_error_payload, NULL, "The pickled exception, or None.", NULL },
  { "error_info", get_error_info, NULL, "(type name, message, traceback), or None.", NULL },
  { "standard_error", get_standard_error, NULL, "The last lines of a worker that died.", NULL },
  { "worker_pid", get_worker_pid, NULL, "The process that has or had the task; or 0.", NULL },
  { "message", get_message, NULL, "What the task says that it does, or None.", NULL },
  { "n_bytes", get_n_bytes, NULL, "Of the payloads, of the task and of its result.", NULL },
  { "function", get_function, NULL, "The name of the task's function.", NULL },
  SECONDS (queue_time, "Seconds between submit and start; as far as they have passed."),
  SECONDS (run_time, "Seconds that the task ran; as far as they have passed."),
  SECONDS (submitted_at, "On the monotonic clock."),
  SECONDS (started_at, "On the monotonic clock."),
  SECONDS (finished_at, "On the monotonic clock."),
  SECONDS (progress, "From 0 to 1."),
  { NULL, NULL, NULL, NULL, NULL },
};

static PyType_Slot slots[] = {
  { Py_tp_dealloc, handle_dealloc },
  { Py_tp_traverse, handle_traverse },
  { Py_tp_clear, handle_clear },
  { Py_tp_methods, handle_methods },
  { Py_tp_getset, handle_getset },
  { Py_tp_doc, (char *) "What will come of a task." },
  { 0, NULL },
};

static PyType_Spec spec = {
  .name = "aiopool._parent.Handle",
  .basicsize = sizeof (AiopoolPyHandle),
  .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
  .slots = slots,
};

gboolean
aiopool_py_handle_init (PyObject *module)
{
  aiopool_py_handle_type = (PyTypeObject *) PyType_FromSpec (&spec);
  return aiopool_py_handle_type != NULL &&
         PyModule_AddObjectRef (module, "Handle", (PyObject *) aiopool_py_handle_type) == 0;
}
