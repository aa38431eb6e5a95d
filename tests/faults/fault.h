/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tests/pool/helper.h"

G_BEGIN_DECLS

#define FAULT_SECONDS 20.0 /* a row may take so long on a machine of ordinary speed */
#define FAULT_GONE    1.0  /* seconds that a worker may outlive its parent */

/* A row of the fault matrix, or a part of one: docs/faults.md. It runs in a process of its own,
 * which is a fork of the test program from before any thread. */
typedef enum
{
  FAULT_POOL, /* uses pools: counted before and after */
  FAULT_BARE  /* has no threads, so that it may fork: what it starts is counted, nothing else */
} FaultKind;

typedef struct
{
  const char *path;
  void      (*run)     (void);
  FaultKind   kind;
  double      seconds;         /* 0 for FAULT_SECONDS */
  void      (*prepare) (void); /* (nullable): while the process has one thread, before all counts */
} FaultRow;

typedef enum
{
  FAULT_PASSED,
  FAULT_FAILED,
  FAULT_SKIPPED,
  FAULT_TIMED_OUT,
  FAULT_LEFT_PROCESSES
} FaultVerdict;

/* The program. */
void         fault_begin          (int             *argc,
                                   char          ***argv);
int          fault_main           (int              argc,
                                   char            *argv[],
                                   const FaultRow  *rows,
                                   guint            n_rows);
FaultVerdict fault_try            (const FaultRow  *row,
                                   int              report_fd,
                                   char           **why);
void         fault_set_patience   (double           seconds);
void         fault_register       (AiopoolService  *service,
                                   gpointer         user_data);

/* In a row. */
G_NORETURN void fault_skip        (const char      *format,
                                   ...) G_GNUC_PRINTF (1, 2);
char        *fault_file           (const char      *name);
char        *fault_marks          (void);
void         fault_leave_files    (void);
double       fault_factor         (void);
gboolean     fault_is_sanitized   (void);

/* Processes. */
pid_t        fault_fork           (void           (*program) (int report_fd, gpointer data),
                                   gpointer         data,
                                   int             *report_fd);
int          fault_read_number    (int              fd);
void         fault_tell_number    (int              fd,
                                   int              number);
int          fault_open_pidfd     (int              pid);
void         fault_expect_gone    (const int       *pidfds,
                                   guint            n_pidfds,
                                   double           seconds);
void         fault_await_state    (int              pid,
                                   char             state);
void         fault_stop           (int              pid);

/* Pools. */
AiopoolExecutor *fault_pool       (guint            max_workers);
AiopoolExecutor *fault_fake_pool  (const char      *steps);
GPtrArray   *fault_submit_many    (AiopoolExecutor *executor,
                                   guint            n,
                                   const char      *function);
void         fault_expect_all     (GPtrArray       *futures,
                                   AiopoolFutureState state);
void         fault_expect_good    (AiopoolExecutor *executor);
int          fault_run_int        (AiopoolExecutor *executor,
                                   const char      *function,
                                   const char      *format,
                                   ...);
guint64      fault_get_memory     (const char      *field);
gint64       fault_get_processor_usec (void);

G_END_DECLS
