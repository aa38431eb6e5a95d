/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <aiopool/aiopool.h>

G_BEGIN_DECLS

/* A regular file that was found, and what became of it in the last pass. */
typedef struct
{
  char   *path;      /* (owned) */
  guint64 size;      /* when it was found */
  char   *digest;    /* (owned) (nullable) */
  guint64 n_bytes;   /* that went into the digest */
  GError *error;     /* (owned) (nullable) */
} DemoFile;

/* Adds the regular files below @root, in a stable order, to @files, which is of DemoFile. */
gboolean    demo_walk         (const char  *root,
                               GPtrArray   *files,
                               GError     **error);
DemoFile   *demo_file_new     (const char  *path,
                               guint64      size);
void        demo_file_free    (gpointer     data);

/* A line of the output of sha256sum(1), without the newline. */
char       *demo_file_to_line (const DemoFile *file);

/* One pass over files[0..n_files): every file a task in a pool with @n_workers. */
typedef struct
{
  const char *plugin;     /* path */
  const char *title;      /* (nullable) for the progress bar; NULL: no bar */
  guint       n_workers;
  int         crash_at;   /* index of the file whose task crashes its worker, or -1 */

  guint       n_done;     /* from here on: what came of it */
  guint       n_failed;
  guint64     n_bytes;
  double      seconds;    /* from before the first worker to after the last result */
} DemoPass;

gboolean    demo_pass_run     (DemoPass    *pass,
                               GPtrArray   *files,
                               guint        n_files,
                               GError     **error);

/* The line on a terminal; nothing where standard error is none. */
void        demo_bar_draw     (const char  *title,
                               guint        n_done,
                               guint        n_total,
                               double       seconds);
void        demo_bar_erase    (void);

G_END_DECLS
