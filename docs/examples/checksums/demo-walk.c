/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "demo-private.h"

#include <errno.h>
#include <fts.h>
#include <string.h>
#include <sys/stat.h>

/* Finds the files. Symbolic links are not followed, other file systems are. */

DemoFile *
demo_file_new (const char *path,
               guint64     size)
{
  DemoFile *file = g_new0 (DemoFile, 1);

  file->path = g_strdup (path);
  file->size = size;
  return file;
}

void
demo_file_free (gpointer data)
{
  DemoFile *file = data;

  g_free (file->path);
  g_free (file->digest);
  g_clear_error (&file->error);
  g_free (file);
}

static int
compare_names (const FTSENT **a,
               const FTSENT **b)
{
  return strcmp ((*a)->fts_name, (*b)->fts_name);
}

gboolean
demo_walk (const char *root,
           GPtrArray  *files,
           GError    **error)
{
  g_autofree char *copy = g_strdup (root);
  char *const roots[] = { copy, NULL };
  FTS *walk = fts_open (roots, FTS_PHYSICAL | FTS_NOCHDIR, compare_names);
  FTSENT *entry = NULL;

  while (walk != NULL && (entry = fts_read (walk)) != NULL)
    {
      if (entry->fts_info == FTS_F && S_ISREG (entry->fts_statp->st_mode))
        g_ptr_array_add (files, demo_file_new (entry->fts_path, entry->fts_statp->st_size));
      else if (entry->fts_info == FTS_NS && entry->fts_level == 0)
        {
          g_set_error (error, G_IO_ERROR, g_io_error_from_errno (entry->fts_errno), "%s: %s",
                       root, g_strerror (entry->fts_errno));
          fts_close (walk);
          return FALSE;
        }
    }

  if (walk != NULL)
    fts_close (walk);
  return TRUE;
}

/* As sha256sum does: a name with a newline or backslash is escaped, and the line says so. */
char *
demo_file_to_line (const DemoFile *file)
{
  const char *special = "\\\n\r";
  g_autoptr (GString) name = g_string_new (NULL);
  const char *at = NULL;
  gboolean is_escaped = FALSE;

  for (at = file->path; *at != '\0'; at++)
    {
      const char *found = strchr (special, *at);

      if (found == NULL)
        {
          g_string_append_c (name, *at);
          continue;
        }

      is_escaped = TRUE;
      g_string_append_c (name, '\\');
      g_string_append_c (name, "\\nr"[found - special]);
    }

  return g_strdup_printf ("%s%s  %s", is_escaped ? "\\" : "", file->digest, name->str);
}
