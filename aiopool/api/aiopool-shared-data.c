/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/api/aiopool-shared-data-private.h"

/**
 * AiopoolSharedData:
 *
 * Bytes that many tasks have in common, and that each worker gets once.
 *
 * A table to look things up in, a model, the pickle of a function: what is the same for many tasks
 * need not travel with each. Make one object of it, and give it to all of them with
 * [method@Aiopool.Task.set_shared_data]; their functions get the bytes with
 * [method@Aiopool.Call.dup_shared_data]. A worker is sent them before the first task that needs
 * them, and keeps them as long as this object lives. Of more than 128 KiB there is one copy in
 * memory, which all workers map.
 *
 * A worker keeps the 128 that its tasks used last; what it had to forget it is sent again. When
 * nobody has a reference any more, neither the program nor a task, the workers give up the bytes.
 *
 * The bytes never change, and the object may be used by any thread, and by tasks of several pools.
 *
 * ```c
 * g_autoptr (AiopoolSharedData) table = aiopool_shared_data_new (bytes);
 *
 * for (guint i = 0; i < n; i++)
 *   {
 *     g_autoptr (AiopoolTask) task = aiopool_task_new ("look-up", g_variant_new ("(u)", i));
 *
 *     aiopool_task_set_shared_data (task, table);
 *     ...
 *   }
 * ```
 *
 * Since: 0.1
 */
struct _AiopoolSharedData
{
  GObject        parent_instance;
  AiopoolShared *shared; /* (owned): an owner of its bytes */
};

enum
{
  PROP_0,
  PROP_BYTES,
  N_PROPS
};

static GParamSpec *properties[N_PROPS];

G_DEFINE_FINAL_TYPE (AiopoolSharedData, aiopool_shared_data, G_TYPE_OBJECT)

static void
set_bytes (AiopoolSharedData *self,
           GBytes            *bytes)
{
  g_autoptr (GBytes) none = bytes == NULL ? g_bytes_new (NULL, 0) : NULL;

  self->shared = aiopool_shared_new (bytes != NULL ? bytes : none);
}

static void
aiopool_shared_data_get_property (GObject    *object,
                                  guint       id,
                                  GValue     *value,
                                  GParamSpec *pspec)
{
  AiopoolSharedData *self = AIOPOOL_SHARED_DATA (object);

  switch (id)
    {
    case PROP_BYTES:
      g_value_set_boxed (value, aiopool_shared_get_bytes (self->shared));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
aiopool_shared_data_set_property (GObject      *object,
                                  guint         id,
                                  const GValue *value,
                                  GParamSpec   *pspec)
{
  AiopoolSharedData *self = AIOPOOL_SHARED_DATA (object);

  switch (id)
    {
    case PROP_BYTES:
      set_bytes (self, g_value_get_boxed (value));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
aiopool_shared_data_finalize (GObject *object)
{
  AiopoolSharedData *self = AIOPOOL_SHARED_DATA (object);

  g_clear_pointer (&self->shared, aiopool_shared_disown);
  G_OBJECT_CLASS (aiopool_shared_data_parent_class)->finalize (object);
}

static void
aiopool_shared_data_class_init (AiopoolSharedDataClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->get_property = aiopool_shared_data_get_property;
  object_class->set_property = aiopool_shared_data_set_property;
  object_class->finalize = aiopool_shared_data_finalize;

  /**
   * AiopoolSharedData:bytes:
   *
   * The bytes.
   *
   * Since: 0.1
   */
  properties[PROP_BYTES] =
    g_param_spec_boxed ("bytes", NULL, NULL, G_TYPE_BYTES,
                        G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);

  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
aiopool_shared_data_init (AiopoolSharedData *self)
{
}

/**
 * aiopool_shared_data_new:
 * @bytes: the bytes
 *
 * Makes an object of bytes that many tasks have in common.
 *
 * The bytes are not copied, and nothing is sent, before a task needs them.
 *
 * Returns: (transfer full): new shared data
 *
 * Since: 0.1
 */
AiopoolSharedData *
aiopool_shared_data_new (GBytes *bytes)
{
  g_return_val_if_fail (bytes != NULL, NULL);

  return g_object_new (AIOPOOL_TYPE_SHARED_DATA, "bytes", bytes, NULL);
}

/**
 * aiopool_shared_data_get_bytes:
 * @self: shared data
 *
 * Gets the bytes.
 *
 * Returns: (transfer none): the bytes
 *
 * Since: 0.1
 */
GBytes *
aiopool_shared_data_get_bytes (AiopoolSharedData *self)
{
  g_return_val_if_fail (AIOPOOL_IS_SHARED_DATA (self), NULL);

  return aiopool_shared_get_bytes (self->shared);
}

/* (transfer none) */
AiopoolShared *
aiopool_shared_data_get_shared (AiopoolSharedData *self)
{
  return self->shared;
}
