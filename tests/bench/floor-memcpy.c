/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One copy of a large value between two warm buffers. */
#include "bench-common.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

/* Shared memory has small pages; a floor on transparent huge pages would be another machine's. */
static char *
map_warm (gsize size)
{
  char *memory = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  if (memory == MAP_FAILED)
    g_error ("mmap: %s", g_strerror (errno));
  madvise (memory, size, MADV_NOHUGEPAGE);
  memset (memory, 1, size);
  return memory;
}

static void
measure_copy (int    n_arguments,
              char **arguments)
{
  g_autoptr (GArray) samples = bench_samples_new ();
  guint64 n_mib = bench_number (n_arguments, arguments, 0);
  guint64 n_times = bench_number (n_arguments, arguments, 1);
  gsize size = (gsize) n_mib << 20;
  char *from = map_warm (size);
  char *to = map_warm (size);

  for (guint64 i = 0; i <= n_times; i++)
    {
      double start = bench_now ();

      memcpy (to, from, size);
      __asm__ volatile ("" : : "r" (to) : "memory");
      if (i > 0)
        bench_sample (samples, bench_now () - start);
    }
  bench_emit (bench_quantile (samples, 0.5) * 1e3, "ms", "memcpy.%u", (guint) n_mib);
}

int
main (int    argc,
      char **argv)
{
  static const BenchCommand commands[] = {
    { "copy", "MIB TIMES", measure_copy },
    { NULL, NULL, NULL },
  };

  return bench_main (argc, argv, commands);
}
