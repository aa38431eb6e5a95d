/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/api/aiopool-task-private.h"

#include "aiopool/base/aiopool-type-pin-private.h"

#include <string.h>

/**
 * AiopoolTask:
 *
 * One unit of work: the name of a function and what it is called with.
 *
 * A task carries its own options, such as a timeout and a priority, so that the methods which
 * submit it stay short. It may be changed until it is submitted for the first time; from then on it
 * is frozen, may be read from any thread, and may be submitted again as often as you like, each
 * time with a [class@Aiopool.Future] of its own.
 *
 * The arguments are a #GVariant, mostly a tuple, or bytes with a format that says what they are.
 *
 * Since: 0.1
 */

#define MAX_COPIED 256 /* bytes of arguments that are copied */

#define FORMAT_BITS 3
#define LENT_BIT    4 /* of a GVariant: somebody got the value, and may still look at it */
#define PIECES_BIT  4 /* of another format: the value is an AiopoolPayload instead of a GBytes */

G_DEFINE_FINAL_TYPE (AiopoolTask, aiopool_task, G_TYPE_OBJECT)

gboolean
aiopool_task_is_frozen (AiopoolTask *self)
{
  return g_atomic_pointer_get (&self->spec.argument) != NULL;
}

static AiopoolFormat
get_format (AiopoolTask *self)
{
  return (AiopoolFormat) (GPOINTER_TO_SIZE (g_atomic_pointer_get (&self->value)) & FORMAT_BITS);
}

static gboolean
is_variant (AiopoolTask *self)
{
  return get_format (self) == AIOPOOL_FORMAT_GVARIANT;
}

static gboolean
is_in_pieces (AiopoolTask *self)
{
  return !is_variant (self) &&
         (GPOINTER_TO_SIZE (g_atomic_pointer_get (&self->value)) & PIECES_BIT) != 0;
}

static gpointer
get_value (AiopoolTask *self)
{
  return GSIZE_TO_POINTER (GPOINTER_TO_SIZE (g_atomic_pointer_get (&self->value)) &
                           ~(gsize) (FORMAT_BITS | LENT_BIT));
}

/* Takes @value. */
static void
set_value (AiopoolTask  *self,
           AiopoolFormat format,
           gpointer      value)
{
  gpointer tagged = GSIZE_TO_POINTER (GPOINTER_TO_SIZE (value) | (gsize) format);

  g_atomic_pointer_set (&self->value, tagged);
}

/* A worker takes what it gets to be in normal form; what comes of another worker, or of a file, may
 * not be. */
static AiopoolPayload *
pack_variant (AiopoolTask *self)
{
  GVariant *value = get_value (self);
  gboolean is_lent = (GPOINTER_TO_SIZE (self->value) & LENT_BIT) != 0;
  g_autoptr (GVariant) variant = NULL;
  AiopoolPayload *payload;
  AiopoolPayloadView view;

  variant = value != NULL ? g_variant_get_normal_form (value)
                          : g_variant_ref_sink (g_variant_new_tuple (NULL, 0));
  aiopool_type_pin (variant);
  if (g_variant_get_size (variant) <= MAX_COPIED && !is_lent)
    {
      payload = aiopool_payload_new_variant (variant);
      set_value (self, AIOPOOL_FORMAT_GVARIANT, NULL);
      g_clear_pointer (&value, g_variant_unref);
      return payload;
    }
  if (value == NULL)
    set_value (self, AIOPOOL_FORMAT_GVARIANT, g_variant_ref (variant));
  aiopool_payload_view_variant (&view, variant);
  return aiopool_payload_new_bytes (view.format, view.type, g_variant_get_data_as_bytes (variant));
}

static AiopoolPayload *
pack (AiopoolTask *self)
{
  if (is_variant (self))
    return pack_variant (self);
  if (is_in_pieces (self))
    return aiopool_payload_ref (get_value (self));
  return aiopool_payload_new_bytes (get_format (self), NULL, g_bytes_ref (get_value (self)));
}

/* The arguments are serialised here, once, on the thread that submits. */
const AiopoolSpec *
aiopool_task_freeze (AiopoolTask *self)
{
  static GMutex lock; /* guards the change to frozen, when two threads submit at once */

  if (aiopool_task_is_frozen (self))
    return &self->spec;
  g_mutex_lock (&lock);
  if (!aiopool_task_is_frozen (self))
    {
      if (self->spec.function == NULL)
        self->spec.function = g_intern_static_string ("");
      if (self->spec.options->keywords != NULL)
        g_variant_get_data (self->spec.options->keywords);
      g_atomic_pointer_set (&self->spec.argument, pack (self));
    }
  g_mutex_unlock (&lock);
  return &self->spec;
}

static void
clear_value (AiopoolTask *self)
{
  gpointer value = get_value (self);

  if (value != NULL && is_variant (self))
    g_variant_unref (value);
  else if (value != NULL && is_in_pieces (self))
    aiopool_payload_unref (value);
  else if (value != NULL)
    g_bytes_unref (value);
}

static void
aiopool_task_finalize (GObject *object)
{
  AiopoolTask *self = AIOPOOL_TASK (object);

  aiopool_task_clear_options (self);
  clear_value (self);
  g_clear_pointer (&self->spec.argument, aiopool_payload_unref);
  G_OBJECT_CLASS (aiopool_task_parent_class)->finalize (object);
}

/* Names are compared by address and kept for good: an interned GRefString cannot be made in one
 * thread while another one drops its last reference (GLib 2.74). A thread mostly uses one again and
 * again. */
static const char *
intern (const char *function)
{
  static _Thread_local const char *last; /* (nullable) */

  if (last == NULL || strcmp (last, function) != 0)
    last = g_intern_string (function);
  return last;
}

void
aiopool_task_set_function (AiopoolTask *self,
                           const char  *function)
{
  self->spec.function = intern (function != NULL ? function : "");
}

/* By property; @arguments: (nullable). */
void
aiopool_task_set_arguments (AiopoolTask *self,
                            GVariant    *arguments)
{
  clear_value (self);
  set_value (self, AIOPOOL_FORMAT_GVARIANT,
             arguments != NULL ? g_variant_ref_sink (arguments) : NULL);
}

/* For a task that has no arguments yet. */
void
aiopool_task_set_bytes (AiopoolTask  *self,
                        GBytes       *bytes,
                        AiopoolFormat format)
{
  set_value (self, format, g_bytes_ref (bytes));
}

static void
aiopool_task_class_init (AiopoolTaskClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->finalize = aiopool_task_finalize;
  aiopool_task_install_properties (object_class);
}

static void
aiopool_task_init (AiopoolTask *self)
{
  aiopool_task_init_options (self);
}

/**
 * aiopool_task_new:
 * @function: the name of the function
 * @arguments: (nullable): what to call it with, mostly a tuple; %NULL for the unit tuple
 *
 * Makes a task that calls a function with arguments.
 *
 * If @arguments is floating, the task takes it over.
 *
 * Returns: (transfer full): a new task
 *
 * Since: 0.1
 */
AiopoolTask *
aiopool_task_new (const char *function,
                  GVariant   *arguments)
{
  AiopoolTask *self;

  g_return_val_if_fail (function != NULL, NULL);

  self = g_object_new (AIOPOOL_TYPE_TASK, NULL);
  aiopool_task_set_function (self, function);
  if (arguments != NULL)
    set_value (self, AIOPOOL_FORMAT_GVARIANT, g_variant_ref_sink (arguments));
  return self;
}

/* With the function and the options of @template, for @argument, a GVariant; frozen. Takes
 * @argument. */
AiopoolTask *
aiopool_task_new_alike (AiopoolTask    *template,
                        AiopoolPayload *argument)
{
  AiopoolTask *self = aiopool_task_new_like (template);

  self->spec.argument = argument;
  return self;
}

/**
 * aiopool_task_new_for_payload:
 * @function: the name of the function
 * @payload: what to call it with
 * @format: what the bytes are; not %AIOPOOL_FORMAT_GVARIANT
 *
 * Makes a task that calls a function with bytes.
 *
 * The function gets them with [method@Aiopool.Call.dup_payload], without a copy if they are many.
 *
 * Returns: (transfer full): a new task
 *
 * Since: 0.1
 */
AiopoolTask *
aiopool_task_new_for_payload (const char    *function,
                              GBytes        *payload,
                              AiopoolFormat  format)
{
  AiopoolTask *self;

  g_return_val_if_fail (function != NULL, NULL);
  g_return_val_if_fail (payload != NULL, NULL);
  g_return_val_if_fail (format != AIOPOOL_FORMAT_GVARIANT, NULL);

  self = g_object_new (AIOPOOL_TYPE_TASK, NULL);
  aiopool_task_set_function (self, function);
  set_value (self, format, g_bytes_ref (payload));
  return self;
}

/**
 * aiopool_task_new_for_pieces:
 * @function: the name of the function
 * @pieces: (array length=n_pieces): bytes that, one after the other, are what to call it with
 * @n_pieces: how many
 * @format: what the bytes are; not %AIOPOOL_FORMAT_GVARIANT
 *
 * Makes a task that calls a function with bytes which lie in several places.
 *
 * As [ctor@Aiopool.Task.new_for_payload], and the function gets them in one. Many bytes are not
 * joined for that: a thread of the library copies them from where they are into the memory that it
 * shares with the worker. Until then, and as long as the task may run again, the pieces are not let
 * go.
 *
 * Returns: (transfer full): a new task
 *
 * Since: 0.1
 */
AiopoolTask *
aiopool_task_new_for_pieces (const char    *function,
                             GBytes       **pieces,
                             gsize          n_pieces,
                             AiopoolFormat  format)
{
  AiopoolTask *self;
  GPtrArray *array;

  g_return_val_if_fail (function != NULL, NULL);
  g_return_val_if_fail (pieces != NULL || n_pieces == 0, NULL);
  g_return_val_if_fail (format != AIOPOOL_FORMAT_GVARIANT, NULL);

  array = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  for (gsize i = 0; i < n_pieces; i++)
    g_ptr_array_add (array, g_bytes_ref (pieces[i]));
  self = g_object_new (AIOPOOL_TYPE_TASK, NULL);
  aiopool_task_set_function (self, function);
  set_value (self, format, aiopool_payload_new_pieces (format, array));
  g_atomic_pointer_or (&self->value, PIECES_BIT);
  return self;
}

/**
 * aiopool_task_get_function:
 * @self: a task
 *
 * Gets the name of the function.
 *
 * Returns: (transfer none): the name
 *
 * Since: 0.1
 */
const char *
aiopool_task_get_function (AiopoolTask *self)
{
  g_return_val_if_fail (AIOPOOL_IS_TASK (self), NULL);

  return self->spec.function != NULL ? self->spec.function : "";
}

/* Of a frozen task, which let it go. Two threads may do it at once. */
static void
restore_variant (AiopoolTask *self)
{
  GVariant *variant = aiopool_payload_dup_variant (self->spec.argument, TRUE);

  if (!g_atomic_pointer_compare_and_exchange (&self->value, NULL, variant))
    g_variant_unref (variant);
}

/**
 * aiopool_task_get_arguments:
 * @self: a task
 *
 * Gets the arguments.
 *
 * Returns: (transfer none) (nullable): the arguments; %NULL if it has none or carries bytes
 *
 * Since: 0.1
 */
GVariant *
aiopool_task_get_arguments (AiopoolTask *self)
{
  g_return_val_if_fail (AIOPOOL_IS_TASK (self), NULL);

  if (!is_variant (self))
    return NULL;
  if (get_value (self) == NULL && aiopool_task_is_frozen (self))
    restore_variant (self);
  if (get_value (self) != NULL)
    g_atomic_pointer_or (&self->value, LENT_BIT);
  return get_value (self);
}

/**
 * aiopool_task_get_payload:
 * @self: a task
 *
 * Gets the bytes of a task that carries bytes.
 *
 * Pieces are joined once somebody asks for them here.
 *
 * Returns: (transfer none) (nullable): the bytes; %NULL if it has arguments
 *
 * Since: 0.1
 */
GBytes *
aiopool_task_get_payload (AiopoolTask *self)
{
  g_autoptr (GBytes) joined = NULL;

  g_return_val_if_fail (AIOPOOL_IS_TASK (self), NULL);

  if (!is_in_pieces (self))
    return is_variant (self) ? NULL : get_value (self);
  joined = aiopool_payload_dup_bytes (get_value (self));
  return joined; /* which the payload keeps */
}

/**
 * aiopool_task_get_format:
 * @self: a task
 *
 * Gets what the arguments or the bytes are.
 *
 * Returns: %AIOPOOL_FORMAT_GVARIANT for arguments, otherwise the format of the bytes
 *
 * Since: 0.1
 */
AiopoolFormat
aiopool_task_get_format (AiopoolTask *self)
{
  g_return_val_if_fail (AIOPOOL_IS_TASK (self), AIOPOOL_FORMAT_RAW);

  return get_format (self);
}
