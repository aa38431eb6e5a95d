/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/workers/aiopool-launcher-fields-private.h"

/* The properties of a launcher. */

enum
{
  PROP_0,
  PROP_DIRECTORY,
  PROP_TRUSTED,
  PROP_MAX_MEMORY,
  PROP_MAX_CPU_TIME,
  PROP_MAX_OPEN_FILES,
  PROP_MAX_CORE_SIZE,
  PROP_NICE,
  PROP_SCHEDULING_CLASS,
  PROP_OOM_SCORE_ADJ,
  PROP_SANDBOX,
  PROP_SANDBOX_KIND,
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
    case PROP_MAX_MEMORY:
      g_value_set_uint64 (value, self->limits.max_memory);
      break;
    case PROP_MAX_CPU_TIME:
      g_value_set_uint (value, self->limits.max_cpu_time);
      break;
    case PROP_MAX_OPEN_FILES:
      g_value_set_uint (value, self->limits.max_open_files);
      break;
    case PROP_MAX_CORE_SIZE:
      g_value_set_int64 (value, self->limits.max_core_size);
      break;
    case PROP_NICE:
      g_value_set_int (value, self->limits.nice);
      break;
    case PROP_SCHEDULING_CLASS:
      g_value_set_enum (value, self->limits.scheduling_class);
      break;
    case PROP_OOM_SCORE_ADJ:
      g_value_set_int (value, self->limits.oom_score_adj);
      break;
    case PROP_SANDBOX:
      g_value_set_enum (value, self->sandbox);
      break;
    case PROP_SANDBOX_KIND:
      g_value_set_enum (value, aiopool_launcher_get_sandbox_kind (self));
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
    case PROP_MAX_MEMORY:
      aiopool_launcher_set_max_memory (self, g_value_get_uint64 (value));
      break;
    case PROP_MAX_CPU_TIME:
      aiopool_launcher_set_max_cpu_time (self, g_value_get_uint (value));
      break;
    case PROP_MAX_OPEN_FILES:
      aiopool_launcher_set_max_open_files (self, g_value_get_uint (value));
      break;
    case PROP_MAX_CORE_SIZE:
      aiopool_launcher_set_max_core_size (self, g_value_get_int64 (value));
      break;
    case PROP_NICE:
      aiopool_launcher_set_nice (self, g_value_get_int (value));
      break;
    case PROP_SCHEDULING_CLASS:
      aiopool_launcher_set_scheduling_class (self, g_value_get_enum (value));
      break;
    case PROP_OOM_SCORE_ADJ:
      aiopool_launcher_set_oom_score_adj (self, g_value_get_int (value));
      break;
    case PROP_SANDBOX:
      aiopool_launcher_set_sandbox (self, g_value_get_enum (value));
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

  /**
   * AiopoolLauncher:max-memory:
   *
   * The address space that each worker may have, in bytes; 0 for what this program has itself.
   *
   * See [method@Aiopool.Launcher.set_max_memory].
   *
   * Since: 0.1
   */
  properties[PROP_MAX_MEMORY] =
    g_param_spec_uint64 ("max-memory", NULL, NULL, 0, G_MAXUINT64, 0,
                         G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY);

  /**
   * AiopoolLauncher:max-cpu-time:
   *
   * The processor time that each worker may use in its life, in seconds; 0 for what this program
   * has itself.
   *
   * See [method@Aiopool.Launcher.set_max_cpu_time].
   *
   * Since: 0.1
   */
  properties[PROP_MAX_CPU_TIME] =
    g_param_spec_uint ("max-cpu-time", NULL, NULL, 0, G_MAXUINT, 0,
                       G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY);

  /**
   * AiopoolLauncher:max-open-files:
   *
   * How many file descriptors each worker may have open; 0 for as many as this program.
   *
   * See [method@Aiopool.Launcher.set_max_open_files].
   *
   * Since: 0.1
   */
  properties[PROP_MAX_OPEN_FILES] =
    g_param_spec_uint ("max-open-files", NULL, NULL, 0, G_MAXUINT, 0,
                       G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY);

  /**
   * AiopoolLauncher:max-core-size:
   *
   * The size of the core file of a worker that crashes, in bytes; -1 for what this program has
   * itself.
   *
   * See [method@Aiopool.Launcher.set_max_core_size].
   *
   * Since: 0.1
   */
  properties[PROP_MAX_CORE_SIZE] =
    g_param_spec_int64 ("max-core-size", NULL, NULL, -1, G_MAXINT64, -1,
                        G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY);

  /**
   * AiopoolLauncher:nice:
   *
   * How much nicer workers are than this program.
   *
   * See [method@Aiopool.Launcher.set_nice].
   *
   * Since: 0.1
   */
  properties[PROP_NICE] =
    g_param_spec_int ("nice", NULL, NULL, -40, 39, 0,
                      G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY);

  /**
   * AiopoolLauncher:scheduling-class:
   *
   * How workers share the processors with other processes.
   *
   * See [method@Aiopool.Launcher.set_scheduling_class].
   *
   * Since: 0.1
   */
  properties[PROP_SCHEDULING_CLASS] =
    g_param_spec_enum ("scheduling-class", NULL, NULL, AIOPOOL_TYPE_SCHEDULING_CLASS,
                       AIOPOOL_SCHEDULING_CLASS_INHERIT,
                       G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY);

  /**
   * AiopoolLauncher:oom-score-adj:
   *
   * By how much workers are preferred to this program when memory runs out.
   *
   * See [method@Aiopool.Launcher.set_oom_score_adj].
   *
   * Since: 0.1
   */
  properties[PROP_OOM_SCORE_ADJ] =
    g_param_spec_int ("oom-score-adj", NULL, NULL, -2000, 2000, 100,
                      G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY);

  /**
   * AiopoolLauncher:sandbox:
   *
   * Whether workers run in a sandbox.
   *
   * Since: 0.1
   */
  properties[PROP_SANDBOX] =
    g_param_spec_enum ("sandbox", NULL, NULL, AIOPOOL_TYPE_SANDBOX, AIOPOOL_SANDBOX_NONE,
                       G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY);

  /**
   * AiopoolLauncher:sandbox-kind:
   *
   * What makes the sandbox that workers run in.
   *
   * To read it may take time and is not notified of: see
   * [method@Aiopool.Launcher.get_sandbox_kind].
   *
   * Since: 0.1
   */
  properties[PROP_SANDBOX_KIND] =
    g_param_spec_enum ("sandbox-kind", NULL, NULL, AIOPOOL_TYPE_SANDBOX_KIND,
                       AIOPOOL_SANDBOX_KIND_NONE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  g_object_class_install_properties (object_class, N_PROPS, properties);
}
