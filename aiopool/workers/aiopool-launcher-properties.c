/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/workers/aiopool-launcher-fields-private.h"

/* The properties of a launcher. */

enum
{
  PROP_0,
  PROP_DIRECTORY,
  PROP_TRUSTED,
  N_PROPS
};

static GParamSpec *properties[N_PROPS];

static void
aiopool_launcher_get_property (GObject    *object,
                               guint       id,
                               GValue     *value,
                               GParamSpec *pspec)
{
  AiopoolLauncher *self = AIOPOOL_LAUNCHER (object);

  switch (id)
    {
    case PROP_DIRECTORY:
      g_value_set_string (value, self->directory);
      break;
    case PROP_TRUSTED:
      g_value_set_boolean (value, self->is_trusted);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
aiopool_launcher_set_property (GObject      *object,
                               guint         id,
                               const GValue *value,
                               GParamSpec   *pspec)
{
  AiopoolLauncher *self = AIOPOOL_LAUNCHER (object);

  switch (id)
    {
    case PROP_DIRECTORY:
      aiopool_launcher_set_directory (self, g_value_get_string (value));
      break;
    case PROP_TRUSTED:
      aiopool_launcher_set_trusted (self, g_value_get_boolean (value));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

void
aiopool_launcher_install_properties (GObjectClass *object_class)
{
  object_class->get_property = aiopool_launcher_get_property;
  object_class->set_property = aiopool_launcher_set_property;

  /**
   * AiopoolLauncher:directory:
   *
   * The directory that workers run in; %NULL for that of this program.
   *
   * Since: 0.1
   */
  properties[PROP_DIRECTORY] =
    g_param_spec_string ("directory", NULL, NULL, NULL,
                         G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY);

  /**
   * AiopoolLauncher:trusted:
   *
   * Whether workers may share memory with this process that they can change later.
   *
   * Large values go to and come from a worker that is not trusted in memory that is sealed for
   * good, which is slower.
   *
   * Since: 0.1
   */
  properties[PROP_TRUSTED] =
    g_param_spec_boolean ("trusted", NULL, NULL, TRUE,
                          G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY);

  g_object_class_install_properties (object_class, N_PROPS, properties);
}
