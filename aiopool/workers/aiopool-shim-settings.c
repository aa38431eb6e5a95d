/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/workers/aiopool-shim-private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* What the spawn shim is told to set, each as NAME=VALUE: limits by the names that the launcher has
 * for them, and the directory. What is not exactly of that form is an error, as is what the system
 * does not allow. Each function returns 0, or -1 and sets errno. */

static int
fail (int number)
{
  errno = number;
  return -1;
}

static int
parse_number (const char         *text,
              unsigned long long *number)
{
  char *end;

  if (text[0] < '0' || text[0] > '9')
    return fail (EINVAL);
  errno = 0;
  *number = strtoull (text, &end, 10);
  return errno != 0 ? -1 : *end != '\0' ? fail (EINVAL) : 0;
}

static int
parse_signed (const char *text,
              int        *number)
{
  unsigned long long magnitude;
  int is_negative = text[0] == '-';

  if (parse_number (text + is_negative, &magnitude) != 0)
    return -1;
  if (magnitude > INT_MAX)
    return fail (ERANGE);
  *number = is_negative ? -(int) magnitude : (int) magnitude;
  return 0;
}

static int
set_directory (const char *value)
{
  return chdir (value);
}

static int
set_resource (int         resource,
              const char *value)
{
  unsigned long long number;
  struct rlimit limit;

  if (parse_number (value, &number) != 0)
    return -1;
  limit.rlim_cur = limit.rlim_max = (rlim_t) number;
  return setrlimit (resource, &limit);
}

static int
set_memory (const char *value)
{
  return set_resource (RLIMIT_AS, value);
}

/* SIGXCPU first, which says what it is for; SIGKILL, which cannot be ignored, a second later. */
static int
set_cpu_time (const char *value)
{
  unsigned long long number;
  struct rlimit limit;

  if (parse_number (value, &number) != 0 || getrlimit (RLIMIT_CPU, &limit) != 0)
    return -1;
  limit.rlim_cur = (rlim_t) number;
  if (limit.rlim_max > limit.rlim_cur + 1 || limit.rlim_max < limit.rlim_cur)
    limit.rlim_max = limit.rlim_cur + 1;
  return setrlimit (RLIMIT_CPU, &limit);
}

static int
set_open_files (const char *value)
{
  return set_resource (RLIMIT_NOFILE, value);
}

static int
set_core_size (const char *value)
{
  return set_resource (RLIMIT_CORE, value);
}

static int
clamp (long long number,
       int       lowest,
       int       highest)
{
  return number < lowest ? lowest : number > highest ? highest : (int) number;
}

/* Added to what was inherited. */
static int
set_nice (const char *value)
{
  int number, current;

  if (parse_signed (value, &number) != 0)
    return -1;
  errno = 0;
  current = getpriority (PRIO_PROCESS, 0);
  if (errno != 0)
    return -1;
  return setpriority (PRIO_PROCESS, 0, clamp ((long long) current + number, -20, 19));
}

static int
set_scheduling_class (const char *value)
{
  static const struct { const char *name; int policy; } classes[] = {
    { "normal", SCHED_OTHER }, { "batch", SCHED_BATCH }, { "idle", SCHED_IDLE },
  };
  struct sched_param none = { 0 };

  for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++)
    {
      if (strcmp (value, classes[i].name) == 0)
        return sched_setscheduler (0, classes[i].policy, &none);
    }
  return fail (EINVAL);
}

static int
exchange_oom_score (int fd,
                    int number)
{
  char text[16] = { 0 };
  int n;

  if (read (fd, text, sizeof text - 1) <= 0)
    return -1;
  n = snprintf (text, sizeof text, "%d", clamp ((long long) atoi (text) + number, -1000, 1000));
  return write (fd, text, (size_t) n) == n ? 0 : -1;
}

/* Added to what was inherited. */
static int
set_oom_score (const char *value)
{
  int number, fd, result, saved_errno;

  if (parse_signed (value, &number) != 0)
    return -1;
  fd = open ("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
  if (fd < 0)
    return -1;
  result = exchange_oom_score (fd, number);
  saved_errno = errno;
  close (fd);
  errno = saved_errno;
  return result;
}

/* Nobody asked for it: where it cannot be had, the worker does without. */
static int
set_usual_oom_score (const char *value)
{
  set_oom_score (value);
  return 0;
}

int
aiopool_shim_apply (const char *setting)
{
  static const struct { const char *name; int (*set) (const char *value); } settings[] = {
    { "directory", set_directory }, { "max-memory", set_memory },
    { "max-cpu-time", set_cpu_time }, { "max-open-files", set_open_files },
    { "max-core-size", set_core_size }, { "nice", set_nice },
    { "scheduling-class", set_scheduling_class }, { "oom-score-adj", set_oom_score },
    { "usual-oom-score-adj", set_usual_oom_score },
  };
  size_t length = strcspn (setting, "=");

  for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
    {
      if (strlen (settings[i].name) == length && strncmp (setting, settings[i].name, length) == 0)
        return settings[i].set (setting + length + 1);
    }
  return fail (EINVAL);
}
