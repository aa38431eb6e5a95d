/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <aiopool/aiopool.h>
#include <sys/resource.h>

G_BEGIN_DECLS

#define HELPER_LONG 30.0 /* seconds: for what must happen, however slow the machine */

/* Registers the functions that every worker of these tests has. See helper-functions.c. */
void             helper_register      (AiopoolService      *service,
                                       gpointer             user_data);

/* Of those, what is about limits and sandboxes. See helper-confined.c. */
void             helper_register_confined (AiopoolService  *service);

/* Of those, what is about shared data. See helper-shared.c. */
void             helper_register_shared (AiopoolService    *service);

/* What the items of batches do. See helper-act.c. */
GVariant        *helper_act           (GVariant            *arguments,
                                       GVariant            *keywords,
                                       GCancellable        *cancellable,
                                       GError             **error);

/* The program: it is its own worker. */
void             helper_begin         (int                 *argc,
                                       char              ***argv);
void             helper_add           (const char          *path,
                                       GTestFunc            function);
void             helper_add_data      (const char          *path,
                                       GTestDataFunc        function,
                                       gconstpointer        data);
int              helper_end           (void);
G_NORETURN void  helper_end_fork      (int                  status);

/* Pools. */
AiopoolExecutor *helper_pool          (guint                max_workers);
AiopoolExecutor *helper_async_pool    (guint                max_workers,
                                       guint                tasks_per_worker);
AiopoolExecutor *helper_untrusted_pool (guint               max_workers);
AiopoolExecutor *helper_launcher_pool (guint                max_workers,
                                       AiopoolLauncher     *launcher);
AiopoolExecutor *helper_sandbox_pool  (guint                max_workers);
AiopoolLauncher *helper_sandbox_launcher (void);
gboolean         helper_has_sandbox   (void);
guint            helper_rounds        (guint                n);
gboolean         helper_is_valgrind   (void);
gboolean         helper_can_trust_descriptors (void);
gboolean         helper_can_limit_memory (void);
void             helper_add_sandboxed (const char          *path,
                                       GTestFunc            function);
AiopoolExecutor *helper_argv_pool     (guint                max_workers,
                                       const char          *program,
                                       ...) G_GNUC_NULL_TERMINATED;
void             helper_shutdown      (AiopoolExecutor     *executor,
                                       AiopoolShutdownFlags flags);
char            *helper_file          (const char          *name);
const char      *helper_environment   (const char          *variable);
gboolean         helper_is_apart      (void);
void             helper_limit_files   (rlim_t               size);
GBytes          *helper_pattern_new   (gsize                size);

/* Tasks. @format is that of g_variant_new(), or NULL for no arguments. */
AiopoolTask     *helper_task          (const char          *function,
                                       const char          *format,
                                       ...);
AiopoolFuture   *helper_submit        (AiopoolExecutor     *executor,
                                       const char          *function,
                                       const char          *format,
                                       ...);
AiopoolFuture   *helper_submit_task   (AiopoolExecutor     *executor,
                                       AiopoolTask         *task);
GVariant        *helper_run           (AiopoolExecutor     *executor,
                                       const char          *function,
                                       const char          *format,
                                       ...);
guint            helper_run_echo      (AiopoolExecutor     *executor,
                                       guint                number);
int              helper_run_pid       (AiopoolExecutor     *executor);

/* Ends. */
void             helper_wait          (AiopoolFuture       *future);
GVariant        *helper_collect       (AiopoolFuture       *future);
void             helper_expect_error  (AiopoolFuture       *future,
                                       GQuark               domain,
                                       int                  code);
void             helper_expect_cancelled (AiopoolFuture    *future);
void             helper_expect_crash  (AiopoolFuture       *future,
                                       const char          *part);
void             helper_expect_message (AiopoolFuture      *future,
                                        const char         *part);
void             helper_run_expecting (AiopoolExecutor     *executor,
                                       GQuark               domain,
                                       int                  code);

/* Counts done callbacks, of which a future must have exactly one. */
typedef struct
{
  guint n_watched;
  guint n_called; /* in the context of helper_watch() */
  guint n_done;
  guint n_failed;
  guint n_cancelled;
} HelperTally;

void             helper_watch         (AiopoolFuture       *future,
                                       HelperTally         *tally);
void             helper_await_tally   (HelperTally         *tally);

/* Iterates the default context until @count, which is atomic, is @n. */
void             helper_await_count   (int                 *count,
                                       int                  n);

/* A task that tells when it runs and goes on when the test says so. */
typedef struct
{
  int started[2]; /* (owned): a pipe, a byte for each task that runs */
  int release[2]; /* (owned): a pipe, closed to let them go on */
} HelperGate;

HelperGate      *helper_gate_new      (void);
AiopoolTask     *helper_gate_task     (HelperGate          *gate,
                                       const char          *mode);
AiopoolFuture   *helper_gate_submit   (HelperGate          *gate,
                                       AiopoolExecutor     *executor,
                                       const char          *mode);
void             helper_gate_occupy   (HelperGate          *gate,
                                       AiopoolExecutor     *executor);
void             helper_gate_await    (HelperGate          *gate,
                                       guint                n_tasks);
void             helper_gate_open     (HelperGate          *gate);
void             helper_gate_free     (HelperGate          *gate);

/* A file to which tasks append their numbers, for counting what ran how often. */
char            *helper_marks_new     (void);
guint           *helper_marks_count   (const char          *path,
                                       guint                n_numbers);

/* Shared data, and what a worker says of it. */
typedef struct
{
  int     pid;
  guint64 inode;  /* of its memory, 0 if that is no file's */
  guint   n_seen; /* by this worker so far, of data that were counted */
} HelperLook;

AiopoolSharedData *helper_shared_new   (gsize                size,
                                        guint                seed);
guint            helper_shared_look    (AiopoolSharedData   *data);
AiopoolTask     *helper_shared_task    (const char          *function,
                                        GVariant            *arguments,
                                        AiopoolSharedData   *data);
HelperLook       helper_shared_expect  (AiopoolFuture       *future,
                                        AiopoolSharedData   *data);
HelperLook       helper_shared_run     (AiopoolExecutor     *executor,
                                        AiopoolSharedData   *data,
                                        gboolean             is_counted);

/* What is here: processes that this program started, their offspring, and its own threads. */
gboolean         helper_is_alive      (int                  pid);
void             helper_await_end     (int                  pid);
int              helper_find_offspring (void);
void             helper_await_sleep   (int                  tid);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (HelperGate, helper_gate_free)

G_END_DECLS
