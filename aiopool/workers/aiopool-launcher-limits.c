/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/workers/aiopool-launcher-fields-private.h"

/* The limits of workers. They are set by the spawn shim, which gets them as arguments; one that
 * cannot be set fails the start. */

#define USUAL_OOM_SCORE_ADJ 100

void
aiopool_launcher_init_limits (AiopoolLauncher *self)
{
  self->limits.max_core_size = -1;
  self->limits.oom_score_adj = USUAL_OOM_SCORE_ADJ;
}

static void
add_setting (GStrvBuilder *argv,
             const char   *name,
             gint64        value)
{
  g_autofree char *setting = g_strdup_printf ("%s=%" G_GINT64_FORMAT, name, value);

  g_strv_builder_add (argv, setting);
}

/* What holds for a process and what it starts, and may be lowered by anybody. */
void
aiopool_launcher_add_resources (AiopoolLauncher *self,
                                GStrvBuilder    *argv)
{
  const AiopoolLaunchLimits *limits = &self->limits;

  if (limits->max_memory > 0)
    {
      g_autofree char *setting = g_strdup_printf ("max-memory=%" G_GUINT64_FORMAT,
                                                  limits->max_memory);

      g_strv_builder_add (argv, setting);
    }
  if (limits->max_cpu_time > 0)
    add_setting (argv, "max-cpu-time", limits->max_cpu_time);
  if (limits->max_open_files > 0)
    add_setting (argv, "max-open-files", limits->max_open_files);
  if (limits->max_core_size >= 0)
    add_setting (argv, "max-core-size", limits->max_core_size);
}

/* What may need a privilege. */
void
aiopool_launcher_add_priorities (AiopoolLauncher *self,
                                 GStrvBuilder    *argv)
{
  static const char *classes[] = {
    [AIOPOOL_SCHEDULING_CLASS_NORMAL] = "scheduling-class=normal",
    [AIOPOOL_SCHEDULING_CLASS_BATCH] = "scheduling-class=batch",
    [AIOPOOL_SCHEDULING_CLASS_IDLE] = "scheduling-class=idle",
  };
  const AiopoolLaunchLimits *limits = &self->limits;

  if (limits->scheduling_class != AIOPOOL_SCHEDULING_CLASS_INHERIT)
    g_strv_builder_add (argv, classes[limits->scheduling_class]);
  if (limits->nice != 0)
    add_setting (argv, "nice", limits->nice);
  if (limits->oom_score_adj == USUAL_OOM_SCORE_ADJ)
    add_setting (argv, "usual-oom-score-adj", limits->oom_score_adj);
  else if (limits->oom_score_adj != 0)
    add_setting (argv, "oom-score-adj", limits->oom_score_adj);
}

/**
 * aiopool_launcher_set_max_memory:
 * @self: a launcher
 * @bytes: so many bytes, or 0 for what the program has itself
 *
 * Sets the address space that each worker may have.
 *
 * An allocation beyond it fails, which is an error of the task if its function looks, and the
 * end of the worker if it does not: g_malloc() ends the process, g_try_malloc() gives %NULL. It
 * counts the program, its libraries and the stacks of all threads too, and large values while
 * they are mapped; what is much below 100 MiB keeps most workers from starting.
 *
 * Since: 0.1
 */
void
aiopool_launcher_set_max_memory (AiopoolLauncher *self,
                                 guint64          bytes)
{
  g_return_if_fail (AIOPOOL_IS_LAUNCHER (self));
  g_return_if_fail (!self->is_frozen);

  if (self->limits.max_memory == bytes)
    return;
  self->limits.max_memory = bytes;
  g_object_notify (G_OBJECT (self), "max-memory");
}

/**
 * aiopool_launcher_get_max_memory:
 * @self: a launcher
 *
 * Gets the address space that each worker may have.
 *
 * Returns: so many bytes, or 0 for what the program has itself
 *
 * Since: 0.1
 */
guint64
aiopool_launcher_get_max_memory (AiopoolLauncher *self)
{
  g_return_val_if_fail (AIOPOOL_IS_LAUNCHER (self), 0);

  return self->limits.max_memory;
}

/**
 * aiopool_launcher_set_max_cpu_time:
 * @self: a launcher
 * @seconds: so many seconds, or 0 for what the program has itself
 *
 * Sets the processor time that each worker may use in its whole life.
 *
 * At the limit the worker gets SIGXCPU, which ends it unless it catches that, and SIGKILL a
 * second later; the task that it runs then fails with %AIOPOOL_TASK_ERROR_CRASHED. The time of
 * all tasks of a worker counts together: to limit single tasks, see
 * [method@Aiopool.Task.set_timeout].
 *
 * Since: 0.1
 */
void
aiopool_launcher_set_max_cpu_time (AiopoolLauncher *self,
                                   guint            seconds)
{
  g_return_if_fail (AIOPOOL_IS_LAUNCHER (self));
  g_return_if_fail (!self->is_frozen);

  if (self->limits.max_cpu_time == seconds)
    return;
  self->limits.max_cpu_time = seconds;
  g_object_notify (G_OBJECT (self), "max-cpu-time");
}

/**
 * aiopool_launcher_get_max_cpu_time:
 * @self: a launcher
 *
 * Gets the processor time that each worker may use in its whole life.
 *
 * Returns: so many seconds, or 0 for what the program has itself
 *
 * Since: 0.1
 */
guint
aiopool_launcher_get_max_cpu_time (AiopoolLauncher *self)
{
  g_return_val_if_fail (AIOPOOL_IS_LAUNCHER (self), 0);

  return self->limits.max_cpu_time;
}

/**
 * aiopool_launcher_set_max_open_files:
 * @self: a launcher
 * @n_files: a number, or 0 for what the program has itself
 *
 * Sets how many file descriptors each worker may have open.
 *
 * A worker itself needs about 16.
 *
 * Since: 0.1
 */
void
aiopool_launcher_set_max_open_files (AiopoolLauncher *self,
                                     guint            n_files)
{
  g_return_if_fail (AIOPOOL_IS_LAUNCHER (self));
  g_return_if_fail (!self->is_frozen);

  if (self->limits.max_open_files == n_files)
    return;
  self->limits.max_open_files = n_files;
  g_object_notify (G_OBJECT (self), "max-open-files");
}

/**
 * aiopool_launcher_get_max_open_files:
 * @self: a launcher
 *
 * Gets how many file descriptors each worker may have open.
 *
 * Returns: a number, or 0 for what the program has itself
 *
 * Since: 0.1
 */
guint
aiopool_launcher_get_max_open_files (AiopoolLauncher *self)
{
  g_return_val_if_fail (AIOPOOL_IS_LAUNCHER (self), 0);

  return self->limits.max_open_files;
}

/**
 * aiopool_launcher_set_max_core_size:
 * @self: a launcher
 * @bytes: so many bytes, 0 for none, or -1 for what the program has itself
 *
 * Sets the size of the core file that a worker leaves when it crashes.
 *
 * Where the system hands cores to a program (a pattern that begins with a pipe), 0 does not keep
 * it from that; see core(5).
 *
 * Since: 0.1
 */
void
aiopool_launcher_set_max_core_size (AiopoolLauncher *self,
                                    gint64           bytes)
{
  g_return_if_fail (AIOPOOL_IS_LAUNCHER (self));
  g_return_if_fail (!self->is_frozen);
  g_return_if_fail (bytes >= -1);

  if (self->limits.max_core_size == bytes)
    return;
  self->limits.max_core_size = bytes;
  g_object_notify (G_OBJECT (self), "max-core-size");
}

/**
 * aiopool_launcher_get_max_core_size:
 * @self: a launcher
 *
 * Gets the size of the core file that a worker leaves when it crashes.
 *
 * Returns: so many bytes, 0 for none, or -1 for what the program has itself
 *
 * Since: 0.1
 */
gint64
aiopool_launcher_get_max_core_size (AiopoolLauncher *self)
{
  g_return_val_if_fail (AIOPOOL_IS_LAUNCHER (self), -1);

  return self->limits.max_core_size;
}

/**
 * aiopool_launcher_set_nice:
 * @self: a launcher
 * @nice: from -40 to 39
 *
 * Sets how much nicer workers are than the program.
 *
 * It is added to the nice value of this process, within the range of -20 to 19. A worker that is
 * nicer leaves more of the processors to others. Less than 0 needs a privilege.
 *
 * Since: 0.1
 */
void
aiopool_launcher_set_nice (AiopoolLauncher *self,
                           int              nice)
{
  g_return_if_fail (AIOPOOL_IS_LAUNCHER (self));
  g_return_if_fail (!self->is_frozen);
  g_return_if_fail (nice >= -40 && nice <= 39);

  if (self->limits.nice == nice)
    return;
  self->limits.nice = nice;
  g_object_notify (G_OBJECT (self), "nice");
}

/**
 * aiopool_launcher_get_nice:
 * @self: a launcher
 *
 * Gets how much nicer workers are than the program.
 *
 * Returns: from -40 to 39
 *
 * Since: 0.1
 */
int
aiopool_launcher_get_nice (AiopoolLauncher *self)
{
  g_return_val_if_fail (AIOPOOL_IS_LAUNCHER (self), 0);

  return self->limits.nice;
}

/**
 * aiopool_launcher_set_scheduling_class:
 * @self: a launcher
 * @scheduling_class: a class
 *
 * Sets how workers share the processors with other processes.
 *
 * Since: 0.1
 */
void
aiopool_launcher_set_scheduling_class (AiopoolLauncher        *self,
                                       AiopoolSchedulingClass  scheduling_class)
{
  g_return_if_fail (AIOPOOL_IS_LAUNCHER (self));
  g_return_if_fail (!self->is_frozen);
  g_return_if_fail (scheduling_class <= AIOPOOL_SCHEDULING_CLASS_IDLE);

  if (self->limits.scheduling_class == scheduling_class)
    return;
  self->limits.scheduling_class = scheduling_class;
  g_object_notify (G_OBJECT (self), "scheduling-class");
}

/**
 * aiopool_launcher_get_scheduling_class:
 * @self: a launcher
 *
 * Gets how workers share the processors with other processes.
 *
 * Returns: a class
 *
 * Since: 0.1
 */
AiopoolSchedulingClass
aiopool_launcher_get_scheduling_class (AiopoolLauncher *self)
{
  g_return_val_if_fail (AIOPOOL_IS_LAUNCHER (self), AIOPOOL_SCHEDULING_CLASS_INHERIT);

  return self->limits.scheduling_class;
}

/**
 * aiopool_launcher_set_oom_score_adj:
 * @self: a launcher
 * @oom_score_adj: from -2000 to 2000
 *
 * Sets by how much workers are preferred to the program when memory runs out.
 *
 * It is added to the value of this process, within the range of -1000 to 1000; see proc(5). With
 * the default, 100, the kernel ends a worker before the program that it works for. Less than 0
 * needs a privilege.
 *
 * Since: 0.1
 */
void
aiopool_launcher_set_oom_score_adj (AiopoolLauncher *self,
                                    int              oom_score_adj)
{
  g_return_if_fail (AIOPOOL_IS_LAUNCHER (self));
  g_return_if_fail (!self->is_frozen);
  g_return_if_fail (oom_score_adj >= -2000 && oom_score_adj <= 2000);

  if (self->limits.oom_score_adj == oom_score_adj)
    return;
  self->limits.oom_score_adj = oom_score_adj;
  g_object_notify (G_OBJECT (self), "oom-score-adj");
}

/**
 * aiopool_launcher_get_oom_score_adj:
 * @self: a launcher
 *
 * Gets by how much workers are preferred to the program when memory runs out.
 *
 * Returns: from -2000 to 2000
 *
 * Since: 0.1
 */
int
aiopool_launcher_get_oom_score_adj (AiopoolLauncher *self)
{
  g_return_val_if_fail (AIOPOOL_IS_LAUNCHER (self), 0);

  return self->limits.oom_score_adj;
}
