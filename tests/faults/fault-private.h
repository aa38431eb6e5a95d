/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <sys/types.h>

G_BEGIN_DECLS

/* What a process has that may leak. */
typedef struct
{
  int n_fds;
  int n_threads;
  int n_children; /* that live */
  int n_zombies;
  int n_memfds;   /* open or mapped */
  int n_shared;   /* entries of /dev/shm, if that is ours alone */
} FaultCounts;

void     fault_count              (FaultCounts       *counts);
gboolean fault_counts_exceed      (const FaultCounts *now,
                                   const FaultCounts *before);
char    *fault_counts_describe    (const FaultCounts *counts);
char    *fault_describe_fds       (void);
void     fault_make_shm_private   (void);

/* Process ids, of int: what @pid started and what that started, without zombies. */
GArray  *fault_list_descendants   (pid_t              pid);
char     fault_get_state          (const char        *stat_path,
                                   int               *parent);

void     fault_dump_stacks        (pid_t              pid,
                                   int                report_fd);
void     fault_catch_stack_signal (void);
gboolean fault_wait_end           (pid_t              pid,
                                   double             seconds);

G_END_DECLS
