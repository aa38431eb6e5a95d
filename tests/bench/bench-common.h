/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* One measurement of a program: `PROGRAM NAME PARAMETER...`. The arguments are what follows
 * NAME. */
typedef struct
{
  const char *name;
  const char *parameters;
  void      (*run) (int    n_arguments,
                    char **arguments);
} BenchCommand;

/* Where the two sides of a round trip run. */
typedef enum
{
  BENCH_ONE_CORE,
  BENCH_TWO_CORES,
  BENCH_ANYWHERE
} BenchPlace;

/* How long a main loop was away from its poll(), and how late a 1 ms tick came. */
typedef struct
{
  double held;      /* longest dispatch, seconds */
  double held_cpu;  /* processor time of the dispatch that used most, seconds */
  double tick_late; /* longest gap between two ticks, less the tick itself, seconds */
} BenchMeter;

int         bench_main        (int                 argc,
                               char              **argv,
                               const BenchCommand *commands);
const char *bench_text        (int                 n_arguments,
                               char              **arguments,
                               int                 position);
guint64     bench_number      (int                 n_arguments,
                               char              **arguments,
                               int                 position);
BenchPlace  bench_place       (int                 n_arguments,
                               char              **arguments,
                               int                 position);
const char *bench_place_name  (BenchPlace          place);

double      bench_now         (void);
void        bench_spin        (guint64             us);
void        bench_work        (guint64             n_steps);
void        bench_nap         (guint64             us);

void        bench_emit        (double              value,
                               const char         *unit,
                               const char         *name_format,
                               ...) G_GNUC_PRINTF (3, 4);
GArray     *bench_samples_new (void);
void        bench_sample      (GArray             *samples,
                               double              value);
double      bench_quantile    (GArray             *samples,
                               double              fraction);

int         bench_cpu         (guint               index);
void        bench_pin_thread  (int                 cpu);
void        bench_pin_process (int                 cpu);

gsize       bench_heap        (void);
double      bench_pss_mib     (int                 pid);
guint64     bench_switches    (int                 pid);
void        bench_touch_mib   (guint64             n_mib);

void        bench_meter_start (void);
BenchMeter  bench_meter_stop  (void);

G_END_DECLS
