/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bench-common.h"

#include <errno.h>
#include <malloc.h>
#include <sched.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TICK_MS 1

/* The one meter of the process: GPollFunc has no user data. */
static struct
{
  gboolean   is_dispatching;
  double     began;
  double     began_cpu;
  double     last_tick;
  GSource   *tick; /* (owned) (nullable) */
  BenchMeter longest;
} meter;

static double
read_clock (clockid_t clock)
{
  struct timespec now;

  clock_gettime (clock, &now);
  return (double) now.tv_sec + (double) now.tv_nsec * 1e-9;
}

double
bench_now (void)
{
  return read_clock (CLOCK_MONOTONIC);
}

/* Busy until the clock has moved on. */
void
bench_spin (guint64 us)
{
  double end = bench_now () + (double) us * 1e-6;

  while (bench_now () < end)
    ;
}

/* Busy for a fixed number of steps: unlike bench_spin() it does not pass while the thread is
 * not on a processor. A step is some 2 ns. */
void
bench_work (guint64 n_steps)
{
  volatile guint64 state = 88172645463325252u;
  guint64 bits = state;

  for (guint64 i = 0; i < n_steps; i++)
    {
      bits ^= bits << 13;
      bits ^= bits >> 7;
      bits ^= bits << 17;
    }
  state = bits;
}

void
bench_nap (guint64 us)
{
  g_usleep ((gulong) us);
}

/* Arguments */

int
bench_main (int                 argc,
            char              **argv,
            const BenchCommand *commands)
{
  for (const BenchCommand *c = commands; argc > 1 && c->name != NULL; c++)
    if (strcmp (c->name, argv[1]) == 0)
      {
        bench_cpu (0); /* before anything is pinned */
        c->run (argc - 2, argv + 2);
        return 0;
      }

  for (const BenchCommand *c = commands; c->name != NULL; c++)
    g_printerr ("usage: %s %s %s\n", argv[0], c->name, c->parameters);
  return 2;
}

const char *
bench_text (int    n_arguments,
            char **arguments,
            int    position)
{
  if (position >= n_arguments)
    g_error ("argument %d is missing", position + 1);
  return arguments[position];
}

guint64
bench_number (int    n_arguments,
              char **arguments,
              int    position)
{
  const char *text = bench_text (n_arguments, arguments, position);
  guint64 value = 0;

  if (!g_ascii_string_to_unsigned (text, 10, 0, G_MAXUINT32, &value, NULL))
    g_error ("argument %d is '%s', not a number", position + 1, text);
  return value;
}

BenchPlace
bench_place (int    n_arguments,
             char **arguments,
             int    position)
{
  const char *text = bench_text (n_arguments, arguments, position);

  for (BenchPlace p = BENCH_ONE_CORE; p <= BENCH_ANYWHERE; p++)
    if (strcmp (text, bench_place_name (p)) == 0)
      return p;
  g_error ("'%s' is not one, two or free", text);
}

const char *
bench_place_name (BenchPlace place)
{
  static const char *const names[] = { "one", "two", "free" };

  return names[place];
}

/* Figures */

void
bench_emit (double      value,
            const char *unit,
            const char *name_format,
            ...)
{
  g_autofree char *name = NULL;
  char text[G_ASCII_DTOSTR_BUF_SIZE];
  va_list args;

  va_start (args, name_format);
  name = g_strdup_vprintf (name_format, args);
  va_end (args);

  g_ascii_formatd (text, sizeof text, "%.9g", value);
  g_print ("{\"name\": \"%s\", \"unit\": \"%s\", \"value\": %s}\n", name, unit, text);
}

GArray *
bench_samples_new (void)
{
  return g_array_new (FALSE, FALSE, sizeof (double));
}

void
bench_sample (GArray *samples,
              double  value)
{
  g_array_append_val (samples, value);
}

static int
compare_doubles (gconstpointer a,
                 gconstpointer b)
{
  double x = *(const double *) a;
  double y = *(const double *) b;

  return (x > y) - (x < y);
}

/* Sorts the samples; 0.5 is the median, 1 the largest. */
double
bench_quantile (GArray *samples,
                double  fraction)
{
  g_assert (samples->len > 0);
  g_array_sort (samples, compare_doubles);
  return g_array_index (samples, double, (guint) ((double) (samples->len - 1) * fraction));
}

/* Processors: the n-th that this process was allowed to use when it started */

int
bench_cpu (guint index)
{
  static cpu_set_t allowed;
  static gsize is_read;
  guint n_seen = 0;

  if (g_once_init_enter (&is_read))
    {
      if (sched_getaffinity (0, sizeof allowed, &allowed) != 0)
        g_error ("sched_getaffinity: %s", g_strerror (errno));
      g_once_init_leave (&is_read, 1);
    }
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
    if (CPU_ISSET ((gsize) cpu, &allowed) && n_seen++ == index)
      return cpu;
  g_error ("there is no processor %u for this process", index);
}

static void
pin_task (int tid,
          int cpu)
{
  cpu_set_t set;

  CPU_ZERO (&set);
  CPU_SET ((gsize) cpu, &set);
  if (sched_setaffinity (tid, sizeof set, &set) != 0)
    g_error ("sched_setaffinity: %s", g_strerror (errno));
}

void
bench_pin_thread (int cpu)
{
  pin_task (0, cpu);
}

/* Every thread that there is now; later ones inherit it. */
void
bench_pin_process (int cpu)
{
  g_autoptr (GDir) tasks = g_dir_open ("/proc/self/task", 0, NULL);
  const char *name;

  g_assert (tasks != NULL);
  while ((name = g_dir_read_name (tasks)) != NULL)
    pin_task (atoi (name), cpu);
}

/* Memory and wake-ups, from malloc and /proc */

gsize
bench_heap (void)
{
  struct mallinfo2 info = mallinfo2 ();

  return info.uordblks + info.hblkhd;
}

static gboolean
read_field (const char *path,
            const char *field,
            guint64    *value)
{
  g_autofree char *text = NULL;
  g_autofree char *needle = g_strdup_printf ("\n%s:", field);
  const char *found;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return FALSE;
  found = strstr (text, needle);
  if (found == NULL)
    return FALSE;
  *value = g_ascii_strtoull (found + strlen (needle), NULL, 10);
  return TRUE;
}

double
bench_pss_mib (int pid)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/smaps_rollup", pid);
  guint64 kib = 0;

  if (!read_field (path, "Pss", &kib))
    g_error ("%s: no Pss", path);
  return (double) kib / 1024;
}

/* How often the threads of a process were switched in, so far. */
guint64
bench_switches (int pid)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/task", pid);
  g_autoptr (GDir) tasks = g_dir_open (path, 0, NULL);
  guint64 sum = 0;
  const char *name;

  if (tasks == NULL)
    g_error ("%s: cannot be read", path);
  while ((name = g_dir_read_name (tasks)) != NULL)
    {
      g_autofree char *status = g_build_filename (path, name, "status", NULL);
      guint64 voluntary = 0;

      if (read_field (status, "voluntary_ctxt_switches", &voluntary))
        sum += voluntary;
    }
  return sum;
}

/* Makes the process that much larger for the rest of its life. */
void
bench_touch_mib (guint64 n_mib)
{
  gsize size = (gsize) n_mib << 20;
  char *memory = g_malloc (size);

  memset (memory, 1, size);
  __asm__ volatile ("" : : "r" (memory) : "memory");
}

/* The meter of the default main context */

static void
end_dispatch (void)
{
  if (!meter.is_dispatching)
    return;
  meter.is_dispatching = FALSE;
  meter.longest.held = MAX (meter.longest.held, bench_now () - meter.began);
  meter.longest.held_cpu =
    MAX (meter.longest.held_cpu, read_clock (CLOCK_THREAD_CPUTIME_ID) - meter.began_cpu);
}

static int
metered_poll (GPollFD *fds,
              guint    n_fds,
              int      timeout_ms)
{
  int n_ready;

  end_dispatch ();
  n_ready = g_poll (fds, n_fds, timeout_ms);
  meter.began = bench_now ();
  meter.began_cpu = read_clock (CLOCK_THREAD_CPUTIME_ID);
  meter.is_dispatching = TRUE;
  return n_ready;
}

static gboolean
on_tick (gpointer user_data G_GNUC_UNUSED)
{
  double now = bench_now ();
  double late = now - meter.last_tick - TICK_MS * 1e-3;

  meter.longest.tick_late = MAX (meter.longest.tick_late, late);
  meter.last_tick = now;
  return G_SOURCE_CONTINUE;
}

void
bench_meter_start (void)
{
  memset (&meter, 0, sizeof meter);
  meter.last_tick = bench_now ();
  meter.tick = g_timeout_source_new (TICK_MS);
  g_source_set_callback (meter.tick, on_tick, NULL, NULL);
  g_source_attach (meter.tick, NULL);
  g_main_context_set_poll_func (NULL, metered_poll);
}

BenchMeter
bench_meter_stop (void)
{
  end_dispatch ();
  on_tick (NULL);
  g_main_context_set_poll_func (NULL, NULL);
  g_source_destroy (meter.tick);
  g_clear_pointer (&meter.tick, g_source_unref);
  return meter.longest;
}
