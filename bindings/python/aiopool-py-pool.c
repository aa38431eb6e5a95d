/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "aiopool-py-parent-private.h"

/* A pool, for Python: aiopool._parent.Pool. */

typedef struct
{
  PyObject_HEAD
  AiopoolPool *pool;  /* (owned) */
  PyObject    *names; /* (owned): dict from functions to their names */
  PyObject    *home;  /* (owned) (nullable): queue in which is told what nobody else hears */
  PyObject    *owner; /* (owned) (nullable): what its handles say is their owner */
  guint64      n_submitted;
} Pool;

static PyTypeObject *pool_type; /* (owned) */
static guint n_pools;

static Pool *
pool_of (PyObject *object)
{
  return (Pool *) object;
}

/* A pool to which nobody can submit any more still does what it has to do. It waits here for that,
 * for to be dropped earlier would abandon its tasks. */
typedef struct
{
  AiopoolPool   *pool;    /* (owned) */
  AiopoolFuture *drained; /* (owned) */
} Leaving;

static GSList *leaving; /* (owned) */

/* Drops those that have ended. */
static void
drop_drained (void)
{
  GSList **link = &leaving;

  while (*link != NULL)
    {
      Leaving *item = (*link)->data;

      if (aiopool_future_is_done (item->drained))
        {
          *link = g_slist_delete_link (*link, *link);
          g_object_unref (item->drained);
          g_object_unref (item->pool);
          g_free (item);
        }
      else
        link = &(*link)->next;
    }
}

/* With the interpreter's lock: within take() of the queue. */
static void
on_drained (AiopoolFuture *future,
            gpointer       user_data)
{
  drop_drained ();
}

/* Has the pool dropped as soon as it is drained, for with it go descriptors that others wait for.
 * If somebody is at its home right now, the next pool that comes or goes does it. */
static void
drop_when_drained (AiopoolFuture *drained,
                   PyObject      *queue)
{
  GMainContext *home = queue != NULL ? aiopool_py_queue_get_context (queue) : NULL;

  if (home == NULL || !g_main_context_acquire (home))
    return;
  g_main_context_push_thread_default (home);
  aiopool_future_add_done_callback (drained, on_drained, NULL, NULL);
  g_main_context_pop_thread_default (home);
  g_main_context_release (home);
}

/* (transfer full) for @pool. @home: (nullable): the queue in which it is told what nobody hears. */
static void
let_go (AiopoolPool *pool,
        PyObject    *home)
{
  AiopoolExecutorClass *klass = AIOPOOL_EXECUTOR_GET_CLASS (pool);
  Leaving *item = g_new (Leaving, 1);

  item->pool = pool;
  item->drained = klass->begin_shutdown (AIOPOOL_EXECUTOR (pool), AIOPOOL_SHUTDOWN_DRAIN);
  leaving = g_slist_prepend (leaving, item);
  if (!aiopool_future_is_done (item->drained))
    drop_when_drained (item->drained, home);
  drop_drained ();
}

static void
end_now (AiopoolPool *pool)
{
  AiopoolExecutorClass *klass = AIOPOOL_EXECUTOR_GET_CLASS (pool);

  g_object_unref (klass->begin_shutdown (AIOPOOL_EXECUTOR (pool),
                                         AIOPOOL_SHUTDOWN_CANCEL_PENDING |
                                         AIOPOOL_SHUTDOWN_TERMINATE));
}

/* Handles of the ends that are still to come; @is_interrupted: as soon as can be. */
PyObject *
aiopool_py_pool_leaving (PyObject *module,
                         PyObject *is_interrupted)
{
  PyObject *list = PyList_New (0);

  if (aiopool_py_is_copy)
    return list;
  drop_drained ();
  for (GSList *link = leaving; list != NULL && link != NULL; link = link->next)
    {
      Leaving *item = link->data;
      PyObject *handle = aiopool_py_handle_new (aiopool_py_handle_type,
                                                g_object_ref (item->drained), NULL);

      if (is_interrupted == Py_True)
        end_now (item->pool);
      if (handle == NULL || PyList_Append (list, handle) != 0)
        Py_CLEAR (list);
      Py_XDECREF (handle);
    }
  return list;
}

static void
pool_dealloc (PyObject *object)
{
  PyTypeObject *type = Py_TYPE (object);
  Pool *self = pool_of (object);

  if (self->pool != NULL && !aiopool_py_is_copy)
    {
      let_go (self->pool, self->home);
      if (--n_pools == 0)
        aiopool_py_drop_spare ();
    }
  Py_CLEAR (self->names);
  Py_CLEAR (self->home);
  Py_CLEAR (self->owner);
  ((freefunc) PyType_GetSlot (type, Py_tp_free)) (object);
  Py_DECREF (type);
}

/* --- making ---------------------------------------------------------------------------------- */

/* FALSE with an exception set. */
static gboolean
set_environment (AiopoolLauncher *launcher,
                 PyObject        *environment)
{
  PyObject *key, *value;
  Py_ssize_t position = 0;

  while (PyDict_Next (environment, &position, &key, &value))
    {
      const char *variable = PyUnicode_AsUTF8AndSize (key, NULL);
      const char *text = variable != NULL ? PyUnicode_AsUTF8AndSize (value, NULL) : NULL;

      if (text == NULL)
        return FALSE;
      aiopool_launcher_setenv (launcher, variable, text);
    }
  return TRUE;
}

static char **
to_strv (PyObject *list)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  for (Py_ssize_t i = 0; i < PyList_Size (list); i++)
    {
      const char *word = PyUnicode_AsUTF8AndSize (PyList_GetItem (list, i), NULL);

      if (word == NULL)
        return NULL;
      g_strv_builder_add (builder, word);
    }
  return g_strv_builder_end (builder);
}

/* (argv, environment, properties): NULL with an exception set. */
static AiopoolLauncher *
make_launcher (PyObject *tuple)
{
  PyObject *words, *environment, *properties;
  g_autoptr (AiopoolLauncher) launcher = NULL;
  g_auto (GStrv) argv = NULL;

  if (!PyArg_ParseTuple (tuple, "O!O!O!:launcher", &PyList_Type, &words, &PyDict_Type, &environment,
                         &PyDict_Type, &properties))
    return NULL;
  argv = to_strv (words);
  if (argv == NULL)
    return NULL;
  launcher = aiopool_launcher_new_for_argv ((const char * const *) argv);
  if (!set_environment (launcher, environment) ||
      !aiopool_py_set_all (G_OBJECT (launcher), properties))
    return NULL;
  return g_steal_pointer (&launcher);
}

/* What options there are beside the properties of a task. FALSE with an exception set. */
static gboolean
set_options (AiopoolTask *task,
             PyObject    *options)
{
  PyObject *key, *value;
  Py_ssize_t position = 0;

  while (PyDict_Next (options, &position, &key, &value))
    {
      const char *name = PyUnicode_AsUTF8AndSize (key, NULL);

      if (name == NULL)
        return FALSE;
      if (value == Py_None)
        continue;
      if (g_str_equal (name, "fds"))
        {
          g_autoptr (GUnixFDList) fds = aiopool_py_fds (value);

          if (fds == NULL)
            return FALSE;
          aiopool_task_set_fds (task, fds);
        }
      else if (g_str_equal (name, "shared_data"))
        {
          AiopoolSharedData *data = aiopool_py_shared_get (value);

          if (data == NULL)
            return FALSE;
          aiopool_task_set_shared_data (task, data);
        }
      else if (!aiopool_py_set (G_OBJECT (task), name, value))
        return FALSE;
    }
  return TRUE;
}

/* (name, pieces, options): NULL with an exception set. */
static AiopoolTask *
make_task_of_tuple (PyObject *tuple)
{
  const char *name;
  PyObject *pieces, *options;
  AiopoolTask *task;

  if (!PyArg_ParseTuple (tuple, "sO!O!:task", &name, &PyList_Type, &pieces, &PyDict_Type, &options))
    return NULL;
  task = aiopool_py_make_task (name, pieces);
  if (task != NULL && !set_options (task, options))
    g_clear_object (&task);
  return task;
}

/* Of those properties that are objects. FALSE with an exception set. */
static gboolean
to_object (const char *name,
           PyObject   *object,
           GValue     *value)
{
  gpointer made;

  if (!PyTuple_Check (object))
    {
      PyErr_Format (PyExc_TypeError, "the setting '%s' is a tuple", name);
      return FALSE;
    }
  if (g_str_equal (name, "launcher"))
    made = make_launcher (object);
  else
    made = make_task_of_tuple (object);
  if (made == NULL)
    return FALSE;
  g_value_init (value, G_OBJECT_TYPE (made));
  g_value_take_object (value, made);
  return TRUE;
}

static gboolean
is_object (const char *name)
{
  return g_str_equal (name, "launcher") || g_str_equal (name, "initializer") ||
         g_str_equal (name, "finalizer");
}

static AiopoolPool *
make_pool (PyObject *settings)
{
  const char *names[32];
  GValue values[32] = { G_VALUE_INIT };
  GObjectClass *klass = g_type_class_ref (AIOPOOL_TYPE_POOL);
  PyObject *key, *object;
  AiopoolPool *pool = NULL;
  Py_ssize_t position = 0;
  gboolean is_good = TRUE;
  guint n = 0;

  while (is_good && PyDict_Next (settings, &position, &key, &object) && n < G_N_ELEMENTS (names))
    {
      if (object == Py_None)
        continue;
      names[n] = PyUnicode_AsUTF8AndSize (key, NULL);
      is_good = names[n] != NULL &&
                (is_object (names[n]) ? to_object (names[n], object, &values[n])
                                      : aiopool_py_to_value (klass, names[n], object, &values[n]));
      n += is_good ? 1 : 0;
    }
  if (is_good)
    pool = AIOPOOL_POOL (g_object_new_with_properties (AIOPOOL_TYPE_POOL, n, names, values));
  for (guint i = 0; i < n; i++)
    g_value_unset (&values[i]);
  g_type_class_unref (klass);
  return pool;
}

/* Its home is that of a queue, if there is one. */
static AiopoolPool *
make_pool_at_home (PyObject *settings,
                   PyObject *queue)
{
  GMainContext *home = queue != Py_None ? aiopool_py_queue_get_context (queue) : NULL;
  AiopoolPool *pool;

  if (home != NULL)
    g_main_context_push_thread_default (home);
  pool = make_pool (settings);
  if (home != NULL)
    g_main_context_pop_thread_default (home);
  if (pool != NULL && home != NULL)
    aiopool_py_queue_watch_log (queue, pool);
  return pool;
}

/* Pool(settings, queue=None): a dict with the names of the pool's properties; launcher is a tuple
 * (argv, environment, properties), initializer and finalizer are tuples (name, pieces, options).
 * What its workers log with Python is what queue.take_log() returns. */
static PyObject *
pool_new (PyTypeObject *type,
          PyObject     *arguments,
          PyObject     *keywords)
{
  allocfunc alloc = (allocfunc) PyType_GetSlot (type, Py_tp_alloc);
  PyObject *settings;
  PyObject *queue = Py_None;
  PyObject *object;

  if (!PyArg_ParseTuple (arguments, "O!|O:Pool", &PyDict_Type, &settings, &queue))
    return NULL;
  if (queue != Py_None && !PyObject_TypeCheck (queue, aiopool_py_queue_type))
    {
      PyErr_SetString (PyExc_TypeError, "this is no Queue");
      return NULL;
    }
  if (aiopool_py_is_copy)
    return aiopool_py_refuse_copy ();
  aiopool_py_is_used = TRUE;
  drop_drained ();
  object = alloc (type, 0);
  if (object == NULL)
    return NULL;
  pool_of (object)->pool = make_pool_at_home (settings, queue);
  n_pools += pool_of (object)->pool != NULL ? 1 : 0;
  pool_of (object)->names = PyDict_New ();
  pool_of (object)->home = queue != Py_None ? Py_NewRef (queue) : NULL;
  if (pool_of (object)->pool == NULL || pool_of (object)->names == NULL)
    Py_CLEAR (object);
  return object;
}

/* --- submitting ------------------------------------------------------------------------------ */

/* Takes @error; what broke the pool, if that was raised by its initializer or finalizer, is the
 * cause. */
static PyObject *
raise_for (Pool   *self,
           GError *error)
{
  AiopoolErrorInfo *info = NULL;

  if (error->domain == AIOPOOL_POOL_ERROR && error->code != AIOPOOL_POOL_ERROR_CLOSED)
    info = aiopool_pool_dup_broken_info (self->pool);
  return aiopool_py_raise_from (error, info);
}

/* What a task emits and nobody takes has to be delivered, lest the task wait for that. So tasks
 * have the pool's home; only should somebody be at it right now, which a garbage collection may
 * bring about, they have none. */
static AiopoolFuture *
submit_at_home (Pool         *self,
                AiopoolTask  *task,
                GError      **error)
{
  GMainContext *home = self->home != NULL ? aiopool_py_queue_get_context (self->home) : NULL;
  AiopoolFuture *future;

  if (home == NULL || !g_main_context_acquire (home))
    return aiopool_executor_submit (AIOPOOL_EXECUTOR (self->pool), task, NULL, error);
  g_main_context_push_thread_default (home);
  future = aiopool_executor_submit (AIOPOOL_EXECUTOR (self->pool), task, NULL, error);
  g_main_context_pop_thread_default (home);
  g_main_context_release (home);
  return future;
}

/* Takes @task. */
static PyObject *
submit (Pool         *self,
        PyTypeObject *type,
        AiopoolTask  *task,
        PyObject     *queue)
{
  GError *error = NULL;
  AiopoolFuture *future;
  PyObject *handle;
  guint id = 0;

  if (queue != Py_None)
    future = aiopool_py_queue_submit (queue, self->pool, task, &id, &error);
  else
    future = submit_at_home (self, task, &error);
  g_object_unref (task);
  if (future == NULL)
    return raise_for (self, error);
  handle = aiopool_py_handle_new (type, future, self->owner);
  if (handle != NULL)
    ((AiopoolPyHandle *) handle)->task_id = ++self->n_submitted;
  if (handle != NULL && queue != Py_None)
    aiopool_py_queue_keep (queue, id, handle);
  return handle;
}

/* FALSE with an exception set. */
static gboolean
check_types (PyObject *type,
             PyObject *queue)
{
  if (!PyType_Check (type) ||
      !PyType_IsSubtype ((PyTypeObject *) type, aiopool_py_handle_type))
    PyErr_SetString (PyExc_TypeError, "the type of the future is not derived from Handle");
  else if (queue != Py_None && !PyObject_TypeCheck (queue, aiopool_py_queue_type))
    PyErr_SetString (PyExc_TypeError, "this is no Queue");
  else if (aiopool_py_is_copy)
    aiopool_py_refuse_copy ();
  else
    return TRUE;
  return FALSE;
}

/* call(type, function, args, kwargs, options=None, queue=None) */
static PyObject *
pool_call (PyObject         *object,
           PyObject * const *arguments,
           Py_ssize_t        n)
{
  PyObject *options = n > 4 ? arguments[4] : Py_None;
  PyObject *queue = n > 5 ? arguments[5] : Py_None;
  AiopoolTask *task;

  if (n < 4 || !PyTuple_Check (arguments[2]) || !PyDict_Check (arguments[3]))
    {
      PyErr_SetString (PyExc_TypeError, "call(type, function, args, kwargs, options, queue)");
      return NULL;
    }
  if (!check_types (arguments[0], queue))
    return NULL;
  task = aiopool_py_call_task (pool_of (object)->names, arguments[1], arguments[2], arguments[3]);
  if (task != NULL && options != Py_None && !set_options (task, options))
    g_clear_object (&task);
  if (task == NULL)
    return NULL;
  return submit (pool_of (object), (PyTypeObject *) arguments[0], task, queue);
}

/* submit(type, name, pieces, options=None, queue=None) */
static PyObject *
pool_submit (PyObject *object,
             PyObject *arguments)
{
  PyObject *type, *pieces;
  PyObject *options = Py_None;
  PyObject *queue = Py_None;
  const char *name;
  AiopoolTask *task;

  if (!PyArg_ParseTuple (arguments, "OsO!|OO:submit", &type, &name, &PyList_Type, &pieces, &options,
                         &queue) || !check_types (type, queue))
    return NULL;
  task = aiopool_py_make_task (name, pieces);
  if (task != NULL && options != Py_None && !set_options (task, options))
    g_clear_object (&task);
  return task != NULL ? submit (pool_of (object), (PyTypeObject *) type, task, queue) : NULL;
}

/* --- life ------------------------------------------------------------------------------------ */

/* @future: (transfer full) (nullable). */
static PyObject *
handle_for (AiopoolFuture *future,
            PyTypeObject  *type)
{
  if (future != NULL)
    return aiopool_py_handle_new (type, future, NULL);
  PyErr_SetString (PyExc_RuntimeError, "the pool cannot do this");
  return NULL;
}

static PyObject *
pool_begin_shutdown (PyObject *object,
                     PyObject *arguments)
{
  AiopoolExecutor *executor = AIOPOOL_EXECUTOR (pool_of (object)->pool);
  PyObject *type = (PyObject *) aiopool_py_handle_type;
  AiopoolFuture *future;
  int flags;

  if (!PyArg_ParseTuple (arguments, "i|O:begin_shutdown", &flags, &type) ||
      !check_types (type, Py_None))
    return NULL;
  Py_BEGIN_ALLOW_THREADS
  future = AIOPOOL_EXECUTOR_GET_CLASS (executor)->begin_shutdown (executor,
                                                                  (AiopoolShutdownFlags) flags);
  Py_END_ALLOW_THREADS
  return handle_for (future, (PyTypeObject *) type);
}

static PyObject *
pool_begin_join (PyObject *object,
                 PyObject *arguments)
{
  AiopoolExecutor *executor = AIOPOOL_EXECUTOR (pool_of (object)->pool);
  PyObject *type = (PyObject *) aiopool_py_handle_type;

  if (!PyArg_ParseTuple (arguments, "|O:begin_join", &type) || !check_types (type, Py_None))
    return NULL;
  return handle_for (AIOPOOL_EXECUTOR_GET_CLASS (executor)->begin_join (executor),
                     (PyTypeObject *) type);
}

static PyObject *
pool_begin_test (PyObject *object,
                 PyObject *arguments)
{
  AiopoolExecutor *executor = AIOPOOL_EXECUTOR (pool_of (object)->pool);
  PyObject *type = (PyObject *) aiopool_py_handle_type;

  if (!PyArg_ParseTuple (arguments, "|O:begin_test", &type) || !check_types (type, Py_None))
    return NULL;
  return handle_for (AIOPOOL_EXECUTOR_GET_CLASS (executor)->begin_test (executor),
                     (PyTypeObject *) type);
}

static PyObject *
pool_cancelled_tasks (PyObject *object,
                      PyObject *unused)
{
  GListModel *tasks = aiopool_pool_dup_cancelled_tasks (pool_of (object)->pool);
  PyObject *list = PyList_New (0);

  for (guint i = 0; list != NULL && i < g_list_model_get_n_items (tasks); i++)
    {
      AiopoolTask *task = g_list_model_get_item (tasks, i);
      GBytes *payload = aiopool_task_get_payload (task);
      PyObject *view = payload != NULL ? aiopool_py_view (payload) : Py_NewRef (Py_None);
      PyObject *shared = aiopool_py_shared_wrap (aiopool_task_get_shared_data (task));
      PyObject *told = NULL;

      if (view != NULL && shared != NULL)
        told = Py_BuildValue ("sOO", aiopool_task_get_function (task), view, shared);
      if (told == NULL || PyList_Append (list, told) != 0)
        Py_CLEAR (list);
      Py_XDECREF (told);
      Py_XDECREF (shared);
      Py_XDECREF (view);
      g_object_unref (task);
    }
  g_object_unref (tasks);
  return list;
}

static PyObject *
pool_check (PyObject *object,
            PyObject *unused)
{
  GError *error = NULL;

  if (aiopool_py_is_copy)
    return aiopool_py_refuse_copy ();
  if (!aiopool_executor_check (AIOPOOL_EXECUTOR (pool_of (object)->pool), &error))
    return raise_for (pool_of (object), error);
  return Py_NewRef (Py_None);
}

static PyObject *
pool_spawn_workers (PyObject *object,
                    PyObject *number)
{
  unsigned long n = PyLong_AsUnsignedLong (number);
  GError *error = NULL;
  guint n_spawned;

  if (PyErr_Occurred () != NULL)
    return NULL;
  if (aiopool_py_is_copy)
    return aiopool_py_refuse_copy ();
  n_spawned = aiopool_pool_spawn_workers (pool_of (object)->pool, (guint) MIN (n, G_MAXUINT),
                                          &error);
  return error == NULL ? PyLong_FromUnsignedLong (n_spawned)
                       : raise_for (pool_of (object), error);
}

static PyObject *
pool_workers (PyObject *object,
              PyObject *unused)
{
  return aiopool_py_list_workers (pool_of (object)->pool);
}

static PyObject *
pool_get (PyObject *object,
          PyObject *key)
{
  const char *name = PyUnicode_AsUTF8AndSize (key, NULL);

  return name != NULL ? aiopool_py_get (G_OBJECT (pool_of (object)->pool), name) : NULL;
}

static PyObject *
pool_set (PyObject *object,
          PyObject *arguments)
{
  const char *name;
  PyObject *value;

  if (!PyArg_ParseTuple (arguments, "sO:set", &name, &value) ||
      !aiopool_py_set (G_OBJECT (pool_of (object)->pool), name, value))
    return NULL;
  return Py_NewRef (Py_None);
}

static PyObject *
get_count (PyObject *object,
           void     *closure)
{
  AiopoolPool *pool = pool_of (object)->pool;

  switch (GPOINTER_TO_INT (closure))
    {
    case 0:
      return PyLong_FromUnsignedLong (aiopool_executor_get_n_pending (AIOPOOL_EXECUTOR (pool)));
    case 1:
      return PyLong_FromUnsignedLong (aiopool_executor_get_n_running (AIOPOOL_EXECUTOR (pool)));
    case 2:
      return PyLong_FromUnsignedLong (aiopool_pool_get_n_workers (pool));
    case 3:
      return PyLong_FromUnsignedLong (aiopool_pool_get_n_idle (pool));
    default:
      return PyLong_FromUnsignedLong (aiopool_pool_get_n_busy (pool));
    }
}

static PyObject *
get_owner (PyObject *object,
           void     *closure)
{
  PyObject *owner = pool_of (object)->owner;

  return Py_NewRef (owner != NULL ? owner : Py_None);
}

static int
set_owner (PyObject *object,
           PyObject *owner,
           void     *closure)
{
  Py_CLEAR (pool_of (object)->owner);
  pool_of (object)->owner = Py_XNewRef (owner);
  return 0;
}

static PyMethodDef pool_methods[] = {
  { "call", (PyCFunction) (void (*) (void)) pool_call, METH_FASTCALL,
    "call(type, function, args, kwargs, options=None, queue=None): submits a call; a handle." },
  { "submit", pool_submit, METH_VARARGS,
    "submit(type, name, pieces, options=None, queue=None): submits a payload; a handle." },
  { "begin_shutdown", pool_begin_shutdown, METH_VARARGS,
    "begin_shutdown(flags, type=Handle): a handle of its end." },
  { "begin_join", pool_begin_join, METH_VARARGS,
    "begin_join(type=Handle): a handle of when no task and worker is left." },
  { "begin_test", pool_begin_test, METH_VARARGS,
    "begin_test(type=Handle): a handle of what trying it out came to." },
  { "cancelled_tasks", pool_cancelled_tasks, METH_NOARGS,
    "A list of (function, payload, Shared or None) of the tasks that never started, as the pool "
    "was closed." },
  { "check", pool_check, METH_NOARGS, "Raises what is wrong with the pool." },
  { "spawn_workers", pool_spawn_workers, METH_O, "spawn_workers(n): how many were started." },
  { "workers", pool_workers, METH_NOARGS, "A list of the workers that there are now." },
  { "get", pool_get, METH_O, "get(property)" },
  { "set", pool_set, METH_VARARGS, "set(property, value)" },
  { NULL, NULL, 0, NULL },
};

static PyGetSetDef pool_getset[] = {
  { "owner", get_owner, set_owner, "Anything: what handles have as `_owner`.", NULL },
  { "n_pending", get_count, NULL, "Tasks that wait.", GINT_TO_POINTER (0) },
  { "n_running", get_count, NULL, "Tasks that run.", GINT_TO_POINTER (1) },
  { "n_workers", get_count, NULL, "Workers that there are.", GINT_TO_POINTER (2) },
  { "n_idle", get_count, NULL, "Workers without a task.", GINT_TO_POINTER (3) },
  { "n_busy", get_count, NULL, "Workers with a task.", GINT_TO_POINTER (4) },
  { NULL, NULL, NULL, NULL, NULL },
};

static PyType_Slot slots[] = {
  { Py_tp_new, pool_new },
  { Py_tp_dealloc, pool_dealloc },
  { Py_tp_methods, pool_methods },
  { Py_tp_getset, pool_getset },
  { Py_tp_doc, (char *) "A pool of worker processes." },
  { 0, NULL },
};

static PyType_Spec spec = {
  .name = "aiopool._parent.Pool",
  .basicsize = sizeof (Pool),
  .flags = Py_TPFLAGS_DEFAULT,
  .slots = slots,
};

gboolean
aiopool_py_pool_init (PyObject *module)
{
  pool_type = (PyTypeObject *) PyType_FromSpec (&spec);
  return pool_type != NULL &&
         PyModule_AddObjectRef (module, "Pool", (PyObject *) pool_type) == 0;
}
