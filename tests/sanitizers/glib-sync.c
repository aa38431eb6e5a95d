/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <gio/gio.h>

#include <dlfcn.h>
#include <malloc.h>
#include <sanitizer/tsan_interface.h>
#include <stdlib.h>

/* What the thread sanitizer must be told about GLib, as a library to preload.
 *
 * The GLib of a distribution is not instrumented, and it synchronises by futexes and atomics of its
 * own: the sanitizer sees neither a GMutex nor a reference count, and takes everything that they
 * guard for a race. Here those functions of GLib say what they do, and do it. GRecMutex and GRWLock
 * are missing because they are made of pthread locks, which the sanitizer knows; so are threads,
 * and the descriptors that wake a main context.
 *
 * What orders nothing in GLib must order nothing here: each line too many hides a real race. A call
 * from GLib to itself does not come by here, which is why what goes through a main context is told
 * where our code is called from it.
 *
 * A process in which there is no sanitizer, and one without GLib, may have this preloaded too. */

#define WEAK(name) __typeof__ (name) name __attribute__ ((weak))

WEAK (__tsan_acquire);
WEAK (__tsan_release);
void __tsan_write_range (void *address, unsigned long size);
WEAK (__tsan_write_range);
WEAK (__tsan_mutex_create);
WEAK (__tsan_mutex_destroy);
WEAK (__tsan_mutex_pre_lock);
WEAK (__tsan_mutex_post_lock);
WEAK (__tsan_mutex_pre_unlock);
WEAK (__tsan_mutex_post_unlock);

/* Declares next_NAME, the function that NAME hides. */
#define NEXT(name)                                                                                 \
  static gpointer name##_symbol;                                                                   \
  __typeof__ (&name) next_##name = find_next (&name##_symbol, #name)

/* The second way is for a GLib that a plug-in brought, as an interpreter's. */
static gpointer
find_next (gpointer   *symbol,
           const char *name)
{
  gpointer found = g_atomic_pointer_get (symbol);

  if (found != NULL)
    return found;
  found = dlsym (RTLD_NEXT, name);
  if (found == NULL)
    found = dlsym (dlopen ("libgio-2.0.so.0", RTLD_LAZY), name);
  if (found == NULL)
    abort ();
  g_atomic_pointer_set (symbol, found);
  return found;
}

static gboolean
is_watched (void)
{
  return __tsan_acquire != NULL;
}

/* What other threads did before release() has happened for the thread that has come out of
 * acquire(), with the same @address. */
static void
release (gpointer address)
{
  if (is_watched () && address != NULL)
    __tsan_release (address);
}

static void
acquire (gpointer address)
{
  if (is_watched () && address != NULL)
    __tsan_acquire (address);
}

/* --- GMutex and GCond --- */

static void
before_lock (GMutex   *mutex,
             unsigned  flags)
{
  if (is_watched ())
    __tsan_mutex_pre_lock (mutex, flags);
}

static void
after_lock (GMutex   *mutex,
            unsigned  flags)
{
  if (is_watched ())
    __tsan_mutex_post_lock (mutex, flags, 0);
}

static void
before_unlock (GMutex *mutex)
{
  if (is_watched ())
    __tsan_mutex_pre_unlock (mutex, 0);
}

static void
after_unlock (GMutex *mutex)
{
  if (is_watched ())
    __tsan_mutex_post_unlock (mutex, 0);
}

void
g_mutex_init (GMutex *mutex)
{
  NEXT (g_mutex_init);

  next_g_mutex_init (mutex);
  if (is_watched ())
    __tsan_mutex_create (mutex, 0);
}

void
g_mutex_clear (GMutex *mutex)
{
  NEXT (g_mutex_clear);

  if (is_watched ())
    __tsan_mutex_destroy (mutex, 0);
  next_g_mutex_clear (mutex);
}

void
g_mutex_lock (GMutex *mutex)
{
  NEXT (g_mutex_lock);

  before_lock (mutex, 0);
  next_g_mutex_lock (mutex);
  after_lock (mutex, 0);
}

gboolean
g_mutex_trylock (GMutex *mutex)
{
  NEXT (g_mutex_trylock);
  gboolean is_locked;

  before_lock (mutex, __tsan_mutex_try_lock);
  is_locked = next_g_mutex_trylock (mutex);
  after_lock (mutex, is_locked ? __tsan_mutex_try_lock
                               : __tsan_mutex_try_lock | __tsan_mutex_try_lock_failed);
  return is_locked;
}

void
g_mutex_unlock (GMutex *mutex)
{
  NEXT (g_mutex_unlock);

  before_unlock (mutex);
  next_g_mutex_unlock (mutex);
  after_unlock (mutex);
}

/* To wait is to unlock and to lock again. */
void
g_cond_wait (GCond  *cond,
             GMutex *mutex)
{
  NEXT (g_cond_wait);

  before_unlock (mutex);
  after_unlock (mutex);
  next_g_cond_wait (cond, mutex);
  before_lock (mutex, 0);
  after_lock (mutex, 0);
}

gboolean
g_cond_wait_until (GCond  *cond,
                   GMutex *mutex,
                   gint64  end_time)
{
  NEXT (g_cond_wait_until);
  gboolean is_in_time;

  before_unlock (mutex);
  after_unlock (mutex);
  is_in_time = next_g_cond_wait_until (cond, mutex, end_time);
  before_lock (mutex, 0);
  after_lock (mutex, 0);
  return is_in_time;
}

/* --- locks in one bit of a number --- */

void
g_bit_lock (volatile int *address,
            int           bit)
{
  NEXT (g_bit_lock);

  next_g_bit_lock (address, bit);
  acquire ((gpointer) address);
}

void
g_bit_unlock (volatile int *address,
              int           bit)
{
  NEXT (g_bit_unlock);

  release ((gpointer) address);
  next_g_bit_unlock (address, bit);
}

/* --- once --- */

/* Inlined code that finds it done has read the location atomically. */
gboolean
(g_once_init_enter) (volatile void *location)
{
  NEXT (g_once_init_enter);
  gboolean is_first = next_g_once_init_enter (location);

  acquire ((gpointer) location);
  return is_first;
}

void
(g_once_init_leave) (volatile void *location,
                     gsize          result)
{
  NEXT (g_once_init_leave);

  release ((gpointer) location);
  next_g_once_init_leave (location, result);
}

/* --- reference counts --- */

/* TRUE if that was not the last one. */
static gboolean
drop_reference (int *count)
{
  int old = g_atomic_int_get (count);

  while (old > 1)
    {
      if (g_atomic_int_compare_and_exchange (count, old, old - 1))
        return TRUE;
      old = g_atomic_int_get (count);
    }
  return FALSE;
}

/* Whoever drops the last reference, or looks and finds one left, comes after all who dropped one.
 * Only GLib's own step from two to one would tell toggle references, which only bindings have. */
void
g_object_unref (gpointer object)
{
  NEXT (g_object_unref);
  int *count = (int *) &((GObject *) object)->ref_count;

  if (is_watched ())
    {
      release (count);
      if (drop_reference (count))
        return;
      acquire (count);
    }
  next_g_object_unref (object);
}

/* --- memory --- */

/* The sanitizer looks away when GLib frees; what uses memory must come before. */
void
(g_free) (gpointer memory)
{
  NEXT (g_free);

  if (is_watched () && memory != NULL)
    __tsan_write_range (memory, malloc_usable_size (memory));
  next_g_free (memory);
}

/* --- queues between threads --- */

void
g_async_queue_push (GAsyncQueue *queue,
                    gpointer     data)
{
  NEXT (g_async_queue_push);

  release (queue);
  next_g_async_queue_push (queue, data);
}

gpointer
g_async_queue_pop (GAsyncQueue *queue)
{
  NEXT (g_async_queue_pop);
  gpointer data = next_g_async_queue_pop (queue);

  acquire (queue);
  return data;
}

/* --- sources ---
 *
 * A main context has a lock of its own, given up for each function of a source and taken again
 * after it: what was done before a source was attached, or destroyed, has happened for its
 * functions, and what they did for the one that frees it. */

typedef struct
{
  GSourceFuncs  told; /* first: what the source has */
  GSourceFuncs *real;
} Functions;

static Functions *
functions_of (GSource *source)
{
  return (Functions *) source->source_funcs;
}

static gboolean
on_prepare (GSource *source,
            int     *timeout)
{
  gboolean is_ready;

  acquire (source);
  is_ready = functions_of (source)->real->prepare (source, timeout);
  release (source);
  return is_ready;
}

static gboolean
on_check (GSource *source)
{
  gboolean is_ready;

  acquire (source);
  is_ready = functions_of (source)->real->check (source);
  release (source);
  return is_ready;
}

static gboolean
on_dispatch (GSource     *source,
             GSourceFunc  callback,
             gpointer     user_data)
{
  gboolean goes_on;

  acquire (source);
  goes_on = functions_of (source)->real->dispatch (source, callback, user_data);
  release (source);
  return goes_on;
}

static void
on_finalize (GSource *source)
{
  acquire (source);
  functions_of (source)->real->finalize (source);
}

/* The functions live behind the source, and as long. */
GSource *
g_source_new (GSourceFuncs *real,
              guint         struct_size)
{
  NEXT (g_source_new);
  NEXT (g_source_set_funcs);
  gsize offset = (struct_size + sizeof (gpointer) - 1) / sizeof (gpointer) * sizeof (gpointer);
  GSource *source = next_g_source_new (real, (guint) (offset + sizeof (Functions)));
  Functions *functions = (Functions *) (gpointer) ((char *) source + offset);

  functions->told = *real;
  functions->told.prepare = real->prepare != NULL ? on_prepare : NULL;
  functions->told.check = real->check != NULL ? on_check : NULL;
  functions->told.dispatch = on_dispatch;
  functions->told.finalize = real->finalize != NULL ? on_finalize : NULL;
  functions->real = real;
  next_g_source_set_funcs (source, &functions->told);
  return source;
}

guint
g_source_attach (GSource      *source,
                 GMainContext *context)
{
  NEXT (g_source_attach);

  release (source);
  return next_g_source_attach (source, context);
}

void
g_source_destroy (GSource *source)
{
  NEXT (g_source_destroy);

  release (source);
  next_g_source_destroy (source);
}

void
g_source_unref (GSource *source)
{
  NEXT (g_source_unref);

  release (source);
  next_g_source_unref (source);
}

/* --- callbacks of sources ---
 *
 * Their types differ, so that only the moment before the call is ours. */

typedef struct
{
  int            ref_count; /* atomic */
  GSourceFunc    func;
  gpointer       data;
  GDestroyNotify notify;
} Callback;

static void
callback_ref (gpointer data)
{
  g_atomic_int_inc (&((Callback *) data)->ref_count);
}

static void
callback_unref (gpointer data)
{
  Callback *self = data;

  release (self);
  if (!g_atomic_int_dec_and_test (&self->ref_count))
    return;
  acquire (self);
  if (self->notify != NULL)
    self->notify (self->data);
  free (self);
}

static void
callback_get (gpointer     data,
              GSource     *source,
              GSourceFunc *func,
              gpointer    *user_data)
{
  Callback *self = data;

  acquire (source);
  acquire (self);
  *func = self->func;
  *user_data = self->data;
}

static GSourceCallbackFuncs callback_funcs = { callback_ref, callback_unref, callback_get };

/* As GLib does it. */
void
g_source_set_callback (GSource        *source,
                       GSourceFunc     func,
                       gpointer        data,
                       GDestroyNotify  notify)
{
  NEXT (g_source_set_callback_indirect);
  Callback *callback = malloc (sizeof *callback);

  *callback = (Callback) { 1, func, data, notify };
  release (callback);
  next_g_source_set_callback_indirect (source, callback, &callback_funcs);
}

static guint
attach_to_default (GSource        *source,
                   int             priority,
                   GSourceFunc     func,
                   gpointer        data,
                   GDestroyNotify  notify)
{
  NEXT (g_source_set_priority);
  guint id;

  next_g_source_set_priority (source, priority);
  g_source_set_callback (source, func, data, notify);
  id = g_source_attach (source, NULL);
  g_source_unref (source);
  return id;
}

guint
g_idle_add_full (int             priority,
                 GSourceFunc     func,
                 gpointer        data,
                 GDestroyNotify  notify)
{
  NEXT (g_idle_source_new);

  return attach_to_default (next_g_idle_source_new (), priority, func, data, notify);
}

guint
g_idle_add (GSourceFunc func,
            gpointer    data)
{
  return g_idle_add_full (G_PRIORITY_DEFAULT_IDLE, func, data, NULL);
}

guint
g_timeout_add_full (int             priority,
                    guint           interval,
                    GSourceFunc     func,
                    gpointer        data,
                    GDestroyNotify  notify)
{
  NEXT (g_timeout_source_new);

  return attach_to_default (next_g_timeout_source_new (interval), priority, func, data, notify);
}

guint
g_timeout_add (guint       interval,
               GSourceFunc func,
               gpointer    data)
{
  return g_timeout_add_full (G_PRIORITY_DEFAULT, interval, func, data, NULL);
}
