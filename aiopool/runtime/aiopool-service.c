/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/runtime/aiopool-service.h"

#include "aiopool/base/aiopool-error.h"
#include "aiopool/runtime/aiopool-log-private.h"
#include "aiopool/runtime/aiopool-registry-private.h"
#include "aiopool/runtime/aiopool-serve-private.h"
#include "aiopool/runtime/aiopool-session-private.h"

#include <gmodule.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PLUGIN_SYMBOL "aiopool_plugin_register"

/**
 * AiopoolService:
 *
 * What a worker process offers: functions by name, and the loop that serves them.
 *
 * A program that starts itself again as a worker calls [func@Aiopool.Service.enter] at the start of
 * its `main`. A program that is nothing but a worker makes a service, adds functions and calls
 * [method@Aiopool.Service.run]. A plug-in of the library's own worker program exports a function
 * `void aiopool_plugin_register (AiopoolService *service)` and adds its functions there.
 *
 * A service belongs to one thread, the one that runs it.
 *
 * Since: 0.1
 */
struct _AiopoolService
{
  GObject          parent_instance;
  AiopoolRegistry *registry; /* (owned) */
  GError          *failure;  /* (owned) (nullable): why this service refuses to run */
  gboolean         keeps_log;
};

G_DEFINE_FINAL_TYPE (AiopoolService, aiopool_service, G_TYPE_OBJECT)

typedef void (*PluginFunc) (AiopoolService *service);

static void
aiopool_service_finalize (GObject *object)
{
  AiopoolService *self = AIOPOOL_SERVICE (object);

  aiopool_registry_free (self->registry);
  g_clear_error (&self->failure);
  G_OBJECT_CLASS (aiopool_service_parent_class)->finalize (object);
}

static void
aiopool_service_class_init (AiopoolServiceClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = aiopool_service_finalize;
}

static void
aiopool_service_init (AiopoolService *self)
{
  self->registry = aiopool_registry_new ();
}

/**
 * aiopool_service_is_worker:
 *
 * Gets whether a pool started this process as a worker.
 *
 * May be called at any time in any thread.
 *
 * Returns: %TRUE in a worker
 *
 * Since: 0.1
 */
gboolean
aiopool_service_is_worker (void)
{
  return aiopool_session_is_worker ();
}

/* Nothing of the program that this process is a copy of runs at its end. */
static void G_GNUC_NORETURN
leave (int status)
{
  fflush (NULL);
  _exit (status);
}

/**
 * aiopool_service_enter:
 * @setup: (scope call): registers the functions of the worker
 * @user_data: what is given to @setup
 *
 * Serves in a process that a pool started as a worker, and returns at once in any other.
 *
 * To be called at the start of `main`, before threads are made. In a worker it calls @setup, serves
 * as [method@Aiopool.Service.run] does, and ends the process without running exit handlers: it does
 * not return. What goes wrong is told to the pool and on standard error.
 *
 * Since: 0.1
 */
void
aiopool_service_enter (AiopoolServiceFunc setup,
                       gpointer           user_data)
{
  g_autoptr (AiopoolService) self = NULL;
  g_autoptr (GError) error = NULL;

  g_return_if_fail (setup != NULL);

  if (!aiopool_session_is_worker ())
    return;
  self = aiopool_service_new ();
  setup (self, user_data);
  if (!aiopool_service_run (self, &error))
    g_printerr ("aiopool: %s\n", error->message);
  g_clear_object (&self);
  leave (error == NULL ? 0 : 1);
}

/**
 * aiopool_service_new:
 *
 * Makes a service without functions.
 *
 * Returns: (transfer full): a new service
 *
 * Since: 0.1
 */
AiopoolService *
aiopool_service_new (void)
{
  return g_object_new (AIOPOOL_TYPE_SERVICE, NULL);
}

static gboolean
is_name (const char *name)
{
  return name != NULL && *name != '\0' && strlen (name) <= AIOPOOL_MAX_FUNCTION_NAME;
}

/**
 * aiopool_service_add:
 * @self: a service
 * @name: what tasks call the function, 1 to 4096 bytes
 * @function: (scope notified) (closure user_data) (destroy destroy): a function
 * @user_data: what is given to @function
 * @destroy: (nullable): frees @user_data when the function is replaced or the service goes
 *
 * Adds a function that returns when it is done.
 *
 * It replaces an earlier function of that name. May be called before the service runs, and while it
 * runs by its functions.
 *
 * Since: 0.1
 */
void
aiopool_service_add (AiopoolService  *self,
                     const char      *name,
                     AiopoolFunction  function,
                     gpointer         user_data,
                     GDestroyNotify   destroy)
{
  AiopoolEntry entry = { .function = function, .user_data = user_data, .destroy = destroy };

  g_return_if_fail (AIOPOOL_IS_SERVICE (self));
  g_return_if_fail (is_name (name));
  g_return_if_fail (function != NULL);

  aiopool_registry_add (self->registry, name, &entry);
}

/**
 * aiopool_service_add_async:
 * @self: a service
 * @name: what tasks call the function, 1 to 4096 bytes
 * @function: (scope notified) (closure user_data) (destroy destroy): a function
 * @user_data: what is given to @function
 * @destroy: (nullable): frees @user_data when the function is replaced or the service goes
 *
 * Adds a function that starts work and answers later.
 *
 * A worker runs as many of them at once as its pool allows tasks per worker. With one of them the
 * service runs a #GMainLoop. Otherwise like [method@Aiopool.Service.add].
 *
 * Since: 0.1
 */
void
aiopool_service_add_async (AiopoolService       *self,
                           const char           *name,
                           AiopoolAsyncFunction  function,
                           gpointer              user_data,
                           GDestroyNotify        destroy)
{
  AiopoolEntry entry = { .async_function = function, .user_data = user_data, .destroy = destroy };

  g_return_if_fail (AIOPOOL_IS_SERVICE (self));
  g_return_if_fail (is_name (name));
  g_return_if_fail (function != NULL);

  aiopool_registry_add (self->registry, name, &entry);
}

static PluginFunc
open_plugin (const char  *path,
             GError     **error)
{
  g_autoptr (GError) cause = NULL;
  GModule *module = g_module_open_full (path, G_MODULE_BIND_LAZY | G_MODULE_BIND_LOCAL, &cause);
  gpointer symbol = NULL;

  if (module == NULL)
    {
      g_set_error (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_START_FAILED,
                   "Cannot load plug-in '%s': %s", path, cause->message);
      return NULL;
    }
  g_module_make_resident (module);
  if (!g_module_symbol (module, PLUGIN_SYMBOL, &symbol) || symbol == NULL)
    g_set_error (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_START_FAILED,
                 "Plug-in '%s' has no function %s()", path, PLUGIN_SYMBOL);
  return (PluginFunc) symbol;
}

/**
 * aiopool_service_load_plugin:
 * @self: a service
 * @path: (type filename): a module
 * @error: return location for a #GError
 *
 * Loads a module and lets it add its functions.
 *
 * The module exports `void aiopool_plugin_register (AiopoolService *service)`, and stays loaded. If
 * that fails, with %AIOPOOL_POOL_ERROR_START_FAILED, the service will refuse to run and tell the
 * pool why.
 *
 * Returns: %TRUE if the module was loaded
 *
 * Since: 0.1
 */
gboolean
aiopool_service_load_plugin (AiopoolService  *self,
                             const char      *path,
                             GError         **error)
{
  GError *local = NULL;
  PluginFunc plugin;

  g_return_val_if_fail (AIOPOOL_IS_SERVICE (self), FALSE);
  g_return_val_if_fail (path != NULL, FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  plugin = open_plugin (path, &local);
  if (plugin != NULL)
    {
      plugin (self);
      return TRUE;
    }
  if (self->failure == NULL)
    self->failure = g_error_copy (local);
  g_propagate_error (error, local);
  return FALSE;
}

/**
 * aiopool_service_get_forwards_log:
 * @self: a service
 *
 * Gets whether what is logged in this worker goes to the pool.
 *
 * Returns: %TRUE by default
 *
 * Since: 0.1
 */
gboolean
aiopool_service_get_forwards_log (AiopoolService *self)
{
  g_return_val_if_fail (AIOPOOL_IS_SERVICE (self), FALSE);

  return !self->keeps_log;
}

/**
 * aiopool_service_set_forwards_log:
 * @self: a service that does not run yet
 * @forwards_log: %FALSE to leave GLib's log alone
 *
 * Sets whether what is logged in this worker goes to the pool, see [signal@Aiopool.Pool::log].
 *
 * For that the service calls [func@GLib.log_set_writer_func] when it begins to run. GLib ends a
 * process that does so twice: a worker that has a writer of its own must set this to %FALSE.
 *
 * Since: 0.1
 */
void
aiopool_service_set_forwards_log (AiopoolService *self,
                                  gboolean        forwards_log)
{
  g_return_if_fail (AIOPOOL_IS_SERVICE (self));

  self->keeps_log = !forwards_log;
}

/* Tells the pool why it cannot serve. */
static gboolean
refuse (AiopoolSession  *session,
        GError          *failure,
        GError         **error)
{
  aiopool_session_refuse (session, AIOPOOL_POOL_ERROR_START_FAILED, failure->message);
  g_propagate_error (error, failure);
  return FALSE;
}

/**
 * aiopool_service_run:
 * @self: a service
 * @error: return location for a #GError
 *
 * Serves tasks until the pool has no more for this worker.
 *
 * With asynchronous functions it runs the thread-default main context of this thread. A process can
 * run one service, once. When the pool's process ends, this one is killed, whatever it does.
 *
 * Fails with %AIOPOOL_POOL_ERROR_NOT_A_WORKER in a process that no pool started as a worker, and
 * with %AIOPOOL_POOL_ERROR_START_FAILED if a plug-in could not be loaded or the pool speaks another
 * version of the protocol, about which the pool is told.
 *
 * Returns: %TRUE after serving
 *
 * Since: 0.1
 */
gboolean
aiopool_service_run (AiopoolService  *self,
                     GError         **error)
{
  AiopoolSession *session;
  GError *failure = NULL;

  g_return_val_if_fail (AIOPOOL_IS_SERVICE (self), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  session = aiopool_session_open (error);
  if (session == NULL)
    return FALSE;
  if (self->failure != NULL)
    return refuse (session, g_error_copy (self->failure), error);
  if (!self->keeps_log)
    aiopool_log_start (session);
  if (!aiopool_session_greet (session, &failure))
    return refuse (session, failure, error);
  g_object_ref (self);
  aiopool_serve (session, self->registry, NULL, NULL);
  aiopool_link_end_orphan (session);
  g_object_unref (self);
  return TRUE;
}
