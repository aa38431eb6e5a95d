/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/pool/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

/* What a worker can say of the limits that it has, and do to reach them. */

/* (resource) -> soft and hard limit */
static GVariant *
get_limit (AiopoolCall *call,
           GVariant    *arguments,
           gpointer     user_data,
           GError     **error)
{
  struct rlimit limit = { 0 };
  int resource;

  g_variant_get (arguments, "(i)", &resource);
  getrlimit ((__rlimit_resource_t) resource, &limit);
  return g_variant_new ("(tt)", (guint64) limit.rlim_cur, (guint64) limit.rlim_max);
}

/* -> nice value, scheduling policy, adjustment of the OOM score */
static GVariant *
get_priorities (AiopoolCall *call,
                GVariant    *arguments,
                gpointer     user_data,
                GError     **error)
{
  g_autofree char *text = NULL;

  if (!g_file_get_contents ("/proc/self/oom_score_adj", &text, NULL, error))
    return NULL;
  return g_variant_new ("(iii)", getpriority (PRIO_PROCESS, 0), sched_getscheduler (0),
                        atoi (text));
}

/* (size): as a function that looks. */
static GVariant *
allocate (AiopoolCall *call,
          GVariant    *arguments,
          gpointer     user_data,
          GError     **error)
{
  g_autofree char *memory = NULL;
  guint64 size;

  g_variant_get (arguments, "(t)", &size);
  memory = g_try_malloc (size);
  if (memory != NULL)
    return g_variant_new_boolean (TRUE);
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_NO_SPACE, "no %" G_GUINT64_FORMAT " bytes", size);
  return NULL;
}

/* (n): takes the rest of the address space for good, but for so many MiB, or somewhat less. */
static GVariant *
fill_memory (AiopoolCall *call,
             GVariant    *arguments,
             gpointer     user_data,
             GError     **error)
{
  const gsize size = 1 << 20;
  g_autoptr (GPtrArray) pieces = g_ptr_array_sized_new (1 << 16);
  gpointer piece;
  guint n_free;

  g_variant_get (arguments, "(u)", &n_free);
  while ((piece = mmap (NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
                        0)) != MAP_FAILED)
    g_ptr_array_add (pieces, piece);
  for (guint i = 0; i < MIN (n_free, pieces->len); i++)
    munmap (g_ptr_array_index (pieces, pieces->len - 1 - i), size);
  return g_variant_new_uint32 (pieces->len);
}

/* -> the highest number of a descriptor, and what was wrong with the next */
static GVariant *
open_many (AiopoolCall *call,
           GVariant    *arguments,
           gpointer     user_data,
           GError     **error)
{
  int highest = -1, saved_errno = 0;

  for (int fd = 0; fd >= 0;)
    {
      fd = open ("/dev/null", O_RDONLY | O_CLOEXEC);
      saved_errno = errno;
      highest = MAX (highest, fd);
    }
  for (int fd = highest; fd > 10; fd--)
    close (fd);
  return g_variant_new ("(ii)", highest, saved_errno);
}

void
helper_register_confined (AiopoolService *service)
{
  static const struct { const char *name; AiopoolFunction function; } functions[] = {
    { "limit", get_limit }, { "priorities", get_priorities }, { "allocate", allocate },
    { "fill-memory", fill_memory }, { "open-many", open_many },
  };

  for (guint i = 0; i < G_N_ELEMENTS (functions); i++)
    aiopool_service_add (service, functions[i].name, functions[i].function, NULL, NULL);
}
