/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gunixfdlist.h>

G_BEGIN_DECLS

#define FUZZ_PIECE 143 /* bytes that one read gives at most */

/* An input of the targets that stand for a whole process: what that does, step by step. */
typedef struct
{
  const guint8 *data; /* (unowned: the fuzzer): what is left */
  gsize         size;
} FuzzScript;

typedef struct
{
  guint         what;
  guint         how;
  const guint8 *data; /* (unowned: the fuzzer) */
  gsize         size;
} FuzzStep;

gboolean     fuzz_script_next        (FuzzScript     *self,
                                      guint           n_kinds,
                                      FuzzStep       *step);
GUnixFDList *fuzz_descriptors        (guint           how);
void         fuzz_send               (int             fd,
                                      const guint8   *data,
                                      gsize           size,
                                      GUnixFDList    *fds);
void         fuzz_write_over         (guint8         *page,
                                      gsize           page_size,
                                      const FuzzStep *step);
void         fuzz_note_descriptors   (void);
void         fuzz_expect_descriptors (void);

G_END_DECLS
