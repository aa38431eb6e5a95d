/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/faults/fault-private.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

/* What is there: descriptors, threads, processes, shared memory. */

static gboolean has_private_shm;

/* So that nothing of other programs is counted. Not possible for everybody. */
void
fault_make_shm_private (void)
{
  has_private_shm = unshare (CLONE_NEWNS) == 0 &&
                    mount ("none", "/", "none", MS_REC | MS_PRIVATE, NULL) == 0 &&
                    mount ("none", "/dev/shm", "tmpfs", 0, NULL) == 0;
}

static int
count_entries (const char *path,
               const char *target)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;
  int n = 0;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *link = target != NULL ? g_build_filename (path, name, NULL) : NULL;
      g_autofree char *text = link != NULL ? g_file_read_link (link, NULL) : NULL;

      n += target == NULL || (text != NULL && strstr (text, target) != NULL);
    }
  return n;
}

static int
count_mapped_memfds (void)
{
  g_autofree char *maps = NULL;
  int n = 0;

  if (!g_file_get_contents ("/proc/self/maps", &maps, NULL, NULL))
    return 0;
  for (const char *at = strstr (maps, "/memfd:"); at != NULL; at = strstr (at + 1, "/memfd:"))
    n++;
  return n;
}

/* The state that the kernel tells of a process or thread, 0 if there is none. @parent: (out)
 * (nullable). */
char
fault_get_state (const char *stat_path,
                 int        *parent)
{
  g_autofree char *stat = NULL;
  const char *end;
  char state;
  int number;

  if (!g_file_get_contents (stat_path, &stat, NULL, NULL) || (end = strrchr (stat, ')')) == NULL ||
      sscanf (end + 1, " %c %d", &state, &number) != 2)
    return 0;
  if (parent != NULL)
    *parent = number;
  return state;
}

static void
add_children (pid_t   of,
              GArray *pids,
              int    *n_zombies)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc", 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename ("/proc", name, "stat", NULL);
      int pid = atoi (name);
      int parent = 0;
      char state = pid > 0 ? fault_get_state (path, &parent) : 0;

      if (state == 0 || parent != of)
        continue;
      if (state == 'Z' || state == 'X')
        *n_zombies += 1;
      else
        g_array_append_val (pids, pid);
    }
}

GArray *
fault_list_descendants (pid_t pid)
{
  GArray *pids = g_array_new (FALSE, FALSE, sizeof (int));
  int n_zombies = 0;

  add_children (pid, pids, &n_zombies);
  for (guint i = 0; i < pids->len; i++)
    add_children (g_array_index (pids, int, i), pids, &n_zombies);
  return pids;
}

void
fault_count (FaultCounts *counts)
{
  g_autoptr (GArray) children = g_array_new (FALSE, FALSE, sizeof (int));

  *counts = (FaultCounts) { 0 };
  add_children (getpid (), children, &counts->n_zombies);
  counts->n_children = (int) children->len;
  counts->n_fds = count_entries ("/proc/self/fd", NULL);
  counts->n_threads = count_entries ("/proc/self/task", NULL);
  counts->n_memfds = count_entries ("/proc/self/fd", "memfd:") + count_mapped_memfds ();
  counts->n_shared = has_private_shm ? count_entries ("/dev/shm", NULL) : 0;
}

gboolean
fault_counts_exceed (const FaultCounts *now,
                     const FaultCounts *before)
{
  return now->n_fds > before->n_fds || now->n_threads > before->n_threads ||
         now->n_children > before->n_children || now->n_zombies > before->n_zombies ||
         now->n_memfds > before->n_memfds || now->n_shared > before->n_shared;
}

char *
fault_counts_describe (const FaultCounts *counts)
{
  return g_strdup_printf ("%d descriptors, %d threads, %d children, %d zombies, %d pieces of "
                          "shared memory, %d entries in /dev/shm",
                          counts->n_fds, counts->n_threads, counts->n_children,
                          counts->n_zombies, counts->n_memfds, counts->n_shared);
}

/* (transfer full): what is open now. */
char *
fault_describe_fds (void)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc/self/fd", 0, NULL);
  GString *text = g_string_new (NULL);
  const char *name;

  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *link = g_build_filename ("/proc/self/fd", name, NULL);
      g_autofree char *target = g_file_read_link (link, NULL);

      g_string_append_printf (text, " %s=%s", name, target != NULL ? target : "?");
    }
  return g_string_free (text, FALSE);
}
