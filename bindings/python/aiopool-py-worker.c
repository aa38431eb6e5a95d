/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "aiopool-py-private.h"

#include <unistd.h>

/* Running tasks. What comes often is done here: a function that was found before, with arguments
 * and a result that are GVariants. The rest is Python's, in the handlers that serve() is given:
 *
 *   find (name)               -> the function
 *   run_payload (task)        runs a task that is no GVariant and no pickle, and answers it
 *   decode_error (exception)  -> what to answer with if a pickle could not be read
 *   carry (result)            -> what to pickle of a result of a function that came by its value
 *   go_on (task, awaitable)   answers with what a generator or a coroutine will give
 *   fail (task, exception)    answers with an exception
 *   run_loop (fd), wake ()    the event loop, once there was a coroutine
 *
 * What pickled calls have in common is the pickle of an object, which is made once and kept until
 * the pool forgets it: the function of a call that tells none, or the first argument of another.
 *
 * The interpreter's lock is held all the time but while the thread waits for tasks. */

typedef struct
{
  PyObject      *find;        /* (owned) */
  PyObject      *run_payload; /* (owned) */
  PyObject      *decode_error; /* (owned) */
  PyObject      *carry;       /* (owned) */
  PyObject      *go_on;       /* (owned) */
  PyObject      *fail;        /* (owned) */
  PyObject      *run_loop;    /* (owned) */
  PyObject      *wake;        /* (owned) */
  PyTypeObject  *later[4];    /* (owned): of what go_on() is for; ends with NULL */
  PyThreadState *waiting;     /* between begin_wait() and end_wait() */
  PyObject      *made;        /* (owned): dict of what was made of shared data, by their number */
} Worker;

static gboolean
is_later (const Worker *self,
          PyTypeObject *type)
{
  for (guint i = 0; self->later[i] != NULL; i++)
    {
      if (self->later[i] == type)
        return TRUE;
    }
  return FALSE;
}

/* --- failures -------------------------------------------------------------------------------- */

/* Takes the exception that is set. */
static PyObject *
take_exception (void)
{
  PyObject *type, *value, *traceback;

  PyErr_Fetch (&type, &value, &traceback);
  PyErr_NormalizeException (&type, &value, &traceback);
  if (traceback != NULL)
    PyException_SetTraceback (value, traceback);
  Py_XDECREF (type);
  Py_XDECREF (traceback);
  return value;
}

/* Python could not even tell what went wrong. */
static void
fail_blindly (AiopoolCall *call,
              PyObject    *exception)
{
  g_autoptr (GError) error = NULL;
  PyObject *name = PyType_GetName (Py_TYPE (exception));
  const char *text = name != NULL ? PyUnicode_AsUTF8AndSize (name, NULL) : NULL;

  PyErr_Clear ();
  error = g_error_new (AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_FAILED,
                       "Function '%s' raised %s, about which nothing more can be told",
                       aiopool_call_get_function (call), text != NULL ? text : "an exception");
  aiopool_call_return_error (call, error);
  Py_XDECREF (name);
}

/* Answers with the exception that is set. */
static void
fail (Worker      *self,
      AiopoolCall *call)
{
  PyObject *exception = take_exception ();
  PyObject *task = aiopool_py_call_current ();
  PyObject *done = NULL;

  if (task != NULL)
    done = PyObject_CallFunctionObjArgs (self->fail, task, exception, NULL);
  if (done == NULL)
    {
      PyErr_Clear ();
      fail_blindly (call, exception);
    }
  Py_XDECREF (done);
  Py_XDECREF (task);
  Py_DECREF (exception);
}

/* --- running --------------------------------------------------------------------------------- */

/* The function of that name; borrowed from the slot, which keeps it for good. */
static PyObject *
find (Worker      *self,
      AiopoolCall *call,
      gpointer    *slot)
{
  PyObject *name;

  if (*slot != NULL)
    return *slot;
  name = PyUnicode_FromString (aiopool_call_get_function (call));
  if (name == NULL)
    return NULL;
  *slot = PyObject_CallFunctionObjArgs (self->find, name, NULL);
  Py_DECREF (name);
  return *slot;
}

/* In the child, after a fork. */
PyObject *
aiopool_py_forget (PyObject *module,
                   PyObject *unused)
{
  aiopool_py.is_forked = TRUE;
  return Py_NewRef (Py_None);
}

/* In a copy that a task has made of its worker the function returns, too. The answer is not the
 * copy's to give: it ends, with the status of an exit or exception. */
void
aiopool_py_leave_copy (void)
{
  if (!aiopool_py.is_forked)
    return;
  if (PyErr_Occurred () == NULL)
    PyErr_SetNone (PyExc_SystemExit);
  PyErr_Print (); /* which an exit does not return from */
  _exit (1);
}

static PyObject *
call_callable (PyObject *function,
               PyObject *arguments,
               PyObject *keywords)
{
  PyObject *result = PyObject_Call (function, arguments, keywords);

  aiopool_py_leave_copy ();
  return result;
}

static PyObject *
call_function (AiopoolCall *call,
               PyObject    *function,
               GVariant    *arguments)
{
  GVariant *keywords = aiopool_call_get_keywords (call);
  PyObject *tuple = aiopool_py_unpack_arguments (arguments);
  PyObject *dictionary = NULL;
  PyObject *result = NULL;

  if (tuple != NULL && keywords != NULL)
    dictionary = aiopool_py_unpack_keywords (keywords);
  if (tuple != NULL && (keywords == NULL || dictionary != NULL))
    result = call_callable (function, tuple, dictionary);
  Py_XDECREF (tuple);
  Py_XDECREF (dictionary);
  return result;
}

static gboolean
answer_variant (AiopoolCall *call,
                PyObject    *result)
{
  GVariant *value = aiopool_py_pack (result);

  if (value != NULL)
    aiopool_py.abi->return_value (call, value);
  return value != NULL;
}

/* Answers with what a result will give. FALSE with an exception set. */
static gboolean
finish_later (Worker   *self,
              PyObject *result)
{
  PyObject *task, *done;

  task = aiopool_py_call_current ();
  if (task == NULL)
    return FALSE;
  done = PyObject_CallFunctionObjArgs (self->go_on, task, result, NULL);
  Py_DECREF (task);
  Py_XDECREF (done);
  return done != NULL;
}

static gboolean
run_variant (Worker      *self,
             AiopoolCall *call,
             GVariant    *arguments,
             gpointer    *slot)
{
  PyObject *function = find (self, call, slot);
  PyObject *result;
  gboolean is_good;

  if (function == NULL)
    return FALSE;
  result = call_function (call, function, arguments);
  if (result != NULL && is_later (self, Py_TYPE (result)))
    is_good = finish_later (self, result);
  else
    is_good = result != NULL && answer_variant (call, result);
  Py_XDECREF (result);
  return is_good;
}

/* Instead of the exception that is set. */
static void
set_decode_error (Worker *self)
{
  PyObject *cause = take_exception ();
  PyObject *error = PyObject_CallFunctionObjArgs (self->decode_error, cause, NULL);

  if (error != NULL)
    PyErr_SetObject ((PyObject *) Py_TYPE (error), error);
  Py_XDECREF (error);
  Py_DECREF (cause);
}

/* @object: (out): a new reference to what is made of what the call has in common with others, or
 * NULL if there is nothing. FALSE with an exception set. */
static gboolean
get_shared (Worker       *self,
            AiopoolCall  *call,
            PyObject    **object)
{
  guint64 id;
  GBytes *bytes = aiopool_py.abi->get_shared_data (call, &id);
  PyObject *key, *view;

  *object = NULL;
  if (bytes == NULL)
    return TRUE;
  key = PyLong_FromUnsignedLongLong (id);
  *object = key != NULL ? Py_XNewRef (PyDict_GetItemWithError (self->made, key)) : NULL;
  if (*object == NULL && PyErr_Occurred () == NULL)
    {
      view = aiopool_py_view_own (bytes);
      if (view != NULL)
        *object = PyObject_CallFunctionObjArgs (aiopool_py.unpack_payload, view, NULL);
      Py_XDECREF (view);
      if (*object != NULL && PyDict_SetItem (self->made, key, *object) != 0)
        Py_CLEAR (*object);
    }
  Py_XDECREF (key);
  return *object != NULL;
}

static PyObject *
put_first (PyObject *first,
           PyObject *arguments)
{
  Py_ssize_t n = PyTuple_Size (arguments);
  PyObject *all = PyTuple_New (n + 1);

  if (all == NULL)
    return NULL;
  PyTuple_SetItem (all, 0, Py_NewRef (first));
  for (Py_ssize_t i = 0; i < n; i++)
    PyTuple_SetItem (all, i + 1, Py_NewRef (PyTuple_GetItem (arguments, i)));
  return all;
}

/* @value: a tuple ([function,] arguments, keywords). @shared: (nullable). */
static PyObject *
call_pickle (Worker      *self,
             AiopoolCall *call,
             gpointer    *slot,
             PyObject    *value,
             PyObject    *shared)
{
  Py_ssize_t n = PyTuple_Size (value);
  PyObject *arguments = PyTuple_GetItem (value, n - 2);
  PyObject *keywords = PyTuple_GetItem (value, n - 1);
  PyObject *function, *result;

  if (n == 3 && shared != NULL)
    {
      arguments = put_first (shared, arguments);
      if (arguments == NULL)
        return NULL;
      result = call_callable (PyTuple_GetItem (value, 0), arguments, keywords);
      Py_DECREF (arguments);
      return result;
    }
  if (n == 3)
    function = PyTuple_GetItem (value, 0);
  else
    function = shared != NULL ? shared : find (self, call, slot);
  return function != NULL ? call_callable (function, arguments, keywords) : NULL;
}

/* Takes @result, which may be one that only what made the function can pickle. NULL with an
 * exception set. */
static PyObject *
carry (Worker   *self,
       PyObject *result)
{
  PyObject *carried;

  if (aiopool_py_is_small (result))
    return result;
  carried = PyObject_CallFunctionObjArgs (self->carry, result, NULL);
  Py_DECREF (result);
  return carried;
}

static gboolean
run_pickle (Worker      *self,
            AiopoolCall *call,
            gpointer    *slot)
{
  gboolean is_plain, is_by_value;
  PyObject *value = aiopool_py_load_call (call, &is_plain);
  PyObject *result = NULL;
  PyObject *shared;
  gboolean is_good;

  if (value == NULL)
    {
      set_decode_error (self);
      return FALSE;
    }
  if (get_shared (self, call, &shared))
    result = call_pickle (self, call, slot, value, shared);
  is_by_value = shared != NULL && PyTuple_Size (value) == 2;
  Py_XDECREF (shared);
  Py_DECREF (value);
  if (result != NULL && is_later (self, Py_TYPE (result)))
    {
      is_good = finish_later (self, result);
      Py_DECREF (result);
      return is_good;
    }
  if (result != NULL && is_by_value)
    result = carry (self, result);
  is_good = result != NULL && aiopool_py_answer_pickle (call, result, is_plain);
  Py_XDECREF (result);
  return is_good;
}

static gboolean
run_payload (Worker      *self,
             AiopoolCall *call,
             gpointer    *slot)
{
  AiopoolFormat format;
  PyObject *done = NULL;
  PyObject *task;

  g_bytes_unref (aiopool_call_dup_payload (call, &format));
  if (format == AIOPOOL_FORMAT_PICKLE)
    return run_pickle (self, call, slot);
  task = aiopool_py_call_current ();
  if (task != NULL)
    done = PyObject_CallFunctionObjArgs (self->run_payload, task, NULL);
  Py_XDECREF (task);
  Py_XDECREF (done);
  return done != NULL;
}

static void
run (AiopoolCall *call,
     gpointer    *slot,
     gpointer     user_data)
{
  Worker *self = user_data;
  GVariant *arguments = aiopool_call_get_arguments (call);
  gboolean is_good;

  aiopool_py.current = call;
  is_good = arguments != NULL ? run_variant (self, call, arguments, slot)
                              : run_payload (self, call, slot);
  if (!is_good)
    fail (self, call);
  aiopool_py.current = NULL;
  Py_CLEAR (aiopool_py.current_object);
}

/* --- waiting --------------------------------------------------------------------------------- */

static void
begin_wait (gpointer user_data)
{
  ((Worker *) user_data)->waiting = PyEval_SaveThread ();
}

static void
end_wait (gpointer user_data)
{
  PyEval_RestoreThread (((Worker *) user_data)->waiting);
}

/* What goes wrong here is a fault of the package, or of the event loop that a task has set. */
static void
call_handler (PyObject *handler,
              PyObject *argument)
{
  PyObject *done = PyObject_CallFunctionObjArgs (handler, argument, NULL);

  if (done == NULL)
    PyErr_WriteUnraisable (handler);
  Py_XDECREF (done);
}

static void
run_loop (int      fd,
          gpointer user_data)
{
  PyObject *number = PyLong_FromLong (fd);

  call_handler (((Worker *) user_data)->run_loop, number);
  Py_XDECREF (number);
}

static void
wake (gpointer user_data)
{
  call_handler (((Worker *) user_data)->wake, NULL);
}

/* What was made of it may have a destructor, whose errors are Python's to tell. */
static void
forget_shared (guint64  id,
               gpointer user_data)
{
  Worker *self = user_data;
  PyObject *key = PyLong_FromUnsignedLongLong (id);

  if (key == NULL || PyDict_DelItem (self->made, key) != 0)
    PyErr_Clear ();
  Py_XDECREF (key);
}

/* In the event loop: a number of AiopoolWorkerNext. */
PyObject *
aiopool_py_dispatch (PyObject *module,
                     PyObject *unused)
{
  return PyLong_FromLong ((long) aiopool_py.abi->dispatch ());
}

/* --- serving --------------------------------------------------------------------------------- */

static gboolean
take_handlers (Worker   *self,
               PyObject *handlers)
{
  const struct { const char *name; PyObject **place; } wanted[] = {
    { "find", &self->find },
    { "run_payload", &self->run_payload },
    { "decode_error", &self->decode_error },
    { "carry", &self->carry },
    { "go_on", &self->go_on },
    { "fail", &self->fail },
    { "run_loop", &self->run_loop },
    { "wake", &self->wake },
    { "pack_pieces", &aiopool_py.pack_pieces },
    { "unpack_payload", &aiopool_py.unpack_payload },
    { "generator", (PyObject **) &self->later[0] },
    { "coroutine", (PyObject **) &self->later[1] },
    { "async_generator", (PyObject **) &self->later[2] },
  };

  for (guint i = 0; i < G_N_ELEMENTS (wanted); i++)
    {
      *wanted[i].place = PyObject_GetAttrString (handlers, wanted[i].name);
      if (*wanted[i].place == NULL)
        return FALSE;
    }
  return TRUE;
}

/* serve(handlers): until the pool has no more tasks. */
PyObject *
aiopool_py_serve (PyObject *module,
                  PyObject *handlers)
{
  static Worker self; /* used until the process ends */
  static const AiopoolWorkerHooks hooks = {
    sizeof hooks, run, begin_wait, end_wait, run_loop, wake, forget_shared,
  };
  g_autoptr (GError) error = NULL;

  if (!take_handlers (&self, handlers))
    return NULL;
  self.made = PyDict_New ();
  if (self.made == NULL)
    return NULL;
  if (aiopool_py.abi->serve (&hooks, &self, &error))
    return Py_NewRef (Py_None);
  PyErr_SetString (PyExc_RuntimeError, error->message);
  return NULL;
}
