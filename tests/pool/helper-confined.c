/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/pool/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

/* What a worker can say of the limits and the sandbox that it has, and try against them. */

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

/* (n): takes the rest of the address space for good, but for so many bytes. At no moment is there
 * less, which the library's own threads would feel. */
static GVariant *
fill_memory (AiopoolCall *call,
             GVariant    *arguments,
             gpointer     user_data,
             GError     **error)
{
  g_autofree char *sizes = NULL;
  struct rlimit limit;
  guint64 n_free, used;

  g_variant_get (arguments, "(t)", &n_free);
  getrlimit (RLIMIT_AS, &limit);
  if (!g_file_get_contents ("/proc/self/statm", &sizes, NULL, error))
    return NULL;
  used = g_ascii_strtoull (sizes, NULL, 10) * (guint64) sysconf (_SC_PAGESIZE);
  return g_variant_new_boolean (mmap (NULL, limit.rlim_cur - used - n_free, PROT_NONE,
                                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
                                      0) != MAP_FAILED);
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

/* (what, path) -> errno, or 0 if that may be done. */
static GVariant *
try_path (AiopoolCall *call,
          GVariant    *arguments,
          gpointer     user_data,
          GError     **error)
{
  const char *what, *path;
  int result = -1;

  g_variant_get (arguments, "(&s&s)", &what, &path);
  errno = 0;
  if (g_str_equal (what, "read"))
    result = open (path, O_RDONLY | O_CLOEXEC);
  else if (g_str_equal (what, "write"))
    result = open (path, O_WRONLY | O_CLOEXEC);
  else if (g_str_equal (what, "create"))
    result = open (path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  else if (g_str_equal (what, "remount"))
    result = mount (NULL, path, NULL, MS_REMOUNT | MS_BIND, NULL);
  else if (g_str_equal (what, "unmount"))
    result = umount2 (path, MNT_DETACH);
  else
    g_error ("unknown: %s", what);
  return g_variant_new_int32 (result < 0 ? errno : 0);
}

/* (port) -> errno of a connection to this host */
static GVariant *
try_connect (AiopoolCall *call,
             GVariant    *arguments,
             gpointer     user_data,
             GError     **error)
{
  struct sockaddr_in address = { .sin_family = AF_INET };
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int port, result;

  g_variant_get (arguments, "(i)", &port);
  address.sin_port = htons ((guint16) port);
  address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  errno = 0;
  result = connect (fd, (struct sockaddr *) &address, sizeof address);
  return g_variant_new_int32 (result < 0 ? errno : 0);
}

/* (path) -> errno of a connection to a socket in the file system */
static GVariant *
try_socket (AiopoolCall *call,
            GVariant    *arguments,
            gpointer     user_data,
            GError     **error)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const char *path;
  int result;

  g_variant_get (arguments, "(&s)", &path);
  g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  errno = 0;
  result = connect (fd, (struct sockaddr *) &address, sizeof address);
  return g_variant_new_int32 (result < 0 ? errno : 0);
}

/* -> names of network interfaces */
static GVariant *
list_interfaces (AiopoolCall *call,
                 GVariant    *arguments,
                 gpointer     user_data,
                 GError     **error)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_auto (GStrv) names = NULL;
  struct if_nameindex *interfaces = if_nameindex ();

  for (guint i = 0; interfaces != NULL && interfaces[i].if_index != 0; i++)
    g_strv_builder_add (builder, interfaces[i].if_name);
  if_freenameindex (interfaces);
  names = g_strv_builder_end (builder);
  return g_variant_new_strv ((const char * const *) names, -1);
}

/* -> the processes that can be seen */
static GVariant *
list_processes (AiopoolCall *call,
                GVariant    *arguments,
                gpointer     user_data,
                GError     **error)
{
  g_autoptr (GArray) pids = g_array_new (FALSE, FALSE, sizeof (int));
  g_autoptr (GDir) dir = g_dir_open ("/proc", 0, error);
  const char *name;

  if (dir == NULL)
    return NULL;
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      int pid = atoi (name);

      if (pid > 0)
        g_array_append_val (pids, pid);
    }
  return g_variant_new_fixed_array (G_VARIANT_TYPE_INT32, pids->data, pids->len, sizeof (int));
}

/* What a worker gets of its parent is a pidfd: -> errno of a signal by it, and of taking one of the
 * parent's descriptors by it. */
static GVariant *
use_parent (AiopoolCall *call,
            GVariant    *arguments,
            gpointer     user_data,
            GError     **error)
{
  int signalled, taken;

  errno = 0;
  signalled = syscall (SYS_pidfd_send_signal, 6, 0, NULL, 0) < 0 ? errno : 0;
  taken = syscall (SYS_pidfd_getfd, 6, 0, 0) < 0 ? errno : 0;
  return g_variant_new ("(ii)", signalled, taken);
}

/* Of the mapping that @address is in: "rw-s" and the like. */
static char *
get_mode (gsize address)
{
  g_autofree char *maps = NULL;
  g_auto (GStrv) lines = NULL;

  g_file_get_contents ("/proc/self/maps", &maps, NULL, NULL);
  lines = g_strsplit (maps != NULL ? maps : "", "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    {
      gsize start, end;
      char mode[5];

      if (sscanf (lines[i], "%zx-%zx %4s", &start, &end, mode) == 3 && start <= address &&
          address < end)
        return g_strdup (mode);
    }
  return g_strdup ("----");
}

/* -> 0 if to write to a large argument changes memory that the sender has, too, or EACCES */
static GVariant *
change_argument (AiopoolCall *call,
                 GVariant    *arguments,
                 gpointer     user_data,
                 GError     **error)
{
  g_autoptr (GBytes) bytes = aiopool_call_dup_payload (call, NULL);
  g_autofree char *mode = get_mode ((gsize) g_bytes_get_data (bytes, NULL));

  return g_variant_new_int32 (strcmp (mode, "rw-s") == 0 ? 0 : EACCES);
}

static int term_fd;

static void
on_term (int number)
{
  if (write (term_fd, "T", 1) == 1)
    _exit (7);
}

/* Tells by its descriptor that it runs, and when SIGTERM comes. */
static GVariant *
await_term (AiopoolCall *call,
            GVariant    *arguments,
            gpointer     user_data,
            GError     **error)
{
  term_fd = g_unix_fd_list_peek_fds (aiopool_call_get_fds (call), NULL)[0];
  signal (SIGTERM, on_term);
  if (write (term_fd, "!", 1) != 1)
    return g_variant_new_string ("nobody waits");
  for (;;)
    pause ();
}

/* (fd) -> device and inode of what is open there, or 0 */
static GVariant *
identify (AiopoolCall *call,
          GVariant    *arguments,
          gpointer     user_data,
          GError     **error)
{
  struct stat status = { 0 };
  int fd;

  g_variant_get (arguments, "(i)", &fd);
  fstat (fd, &status);
  return g_variant_new ("(tt)", (guint64) status.st_dev, (guint64) status.st_ino);
}

/* A child that leaves the session, and the group with it. */
static GVariant *
leave_daemon (AiopoolCall *call,
              GVariant    *arguments,
              gpointer     user_data,
              GError     **error)
{
  if (fork () == 0)
    {
      setsid ();
      for (;;)
        pause ();
    }
  return g_variant_new_boolean (TRUE);
}

/* (name) -> what says which namespace of that kind it is in */
static GVariant *
get_namespace (AiopoolCall *call,
               GVariant    *arguments,
               gpointer     user_data,
               GError     **error)
{
  g_autofree char *path = NULL;
  g_autofree char *target = NULL;
  const char *name;

  g_variant_get (arguments, "(&s)", &name);
  path = g_build_filename ("/proc/self/ns", name, NULL);
  target = g_file_read_link (path, error);
  return target != NULL ? g_variant_new_string (target) : NULL;
}

/* -> effective capabilities; whether it leads its session and group; whether standard output is no
 * other than standard error */
static GVariant *
get_standing (AiopoolCall *call,
              GVariant    *arguments,
              gpointer     user_data,
              GError     **error)
{
  g_autofree char *status = NULL;
  struct stat output, other;
  const char *line;

  if (!g_file_get_contents ("/proc/self/status", &status, NULL, error))
    return NULL;
  line = strstr (status, "CapEff:");
  fstat (1, &output);
  fstat (2, &other);
  return g_variant_new ("(tbb)", g_ascii_strtoull (line + strlen ("CapEff:\t"), NULL, 16),
                        getsid (0) == getpid () && getpgrp () == getpid (),
                        output.st_dev == other.st_dev && output.st_ino == other.st_ino);
}

void
helper_register_confined (AiopoolService *service)
{
  static const struct { const char *name; AiopoolFunction function; } functions[] = {
    { "limit", get_limit }, { "priorities", get_priorities }, { "allocate", allocate },
    { "fill-memory", fill_memory }, { "open-many", open_many },
    { "try-path", try_path }, { "try-connect", try_connect }, { "try-socket", try_socket },
    { "interfaces", list_interfaces }, { "processes", list_processes },
    { "use-parent", use_parent }, { "namespace", get_namespace }, { "standing", get_standing },
    { "change-argument", change_argument }, { "await-term", await_term },
    { "leave-daemon", leave_daemon }, { "identify", identify },
  };

  for (guint i = 0; i < G_N_ELEMENTS (functions); i++)
    aiopool_service_add (service, functions[i].name, functions[i].function, NULL, NULL);
}
