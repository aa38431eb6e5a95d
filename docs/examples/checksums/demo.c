/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "demo-private.h"

#include <locale.h>
#include <stdio.h>

/* aiopool-demo: SHA-256 of every regular file below the given directories, by a function of a
 * plug-in in worker processes. Three parts:
 *
 *   1. every file, with all workers: the result, and the files are in the page cache afterwards;
 *   2. the speed-up: one worker, then all workers, over the same first files;
 *   3. a pass in which one task crashes its worker: that task fails, every other is done. */

#define SPEEDUP_BYTES (G_GUINT64_CONSTANT (1) << 30)
#define CRASH_FILES 200

typedef struct
{
  char   **roots;           /* (owned) (nullable) */
  char    *list;            /* (owned) (nullable) */
  int      n_workers;
  gboolean is_without_speedup;
} Options;

static void
clear_options (Options *options)
{
  g_strfreev (options->roots);
  g_free (options->list);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Options, clear_options)

static gboolean
parse (Options *options,
       int     *argc,
       char  ***argv,
       GError **error)
{
  g_autoptr (GOptionContext) context = g_option_context_new ("[DIRECTORY...]");
  const GOptionEntry entries[] = {
    { "jobs", 'j', 0, G_OPTION_ARG_INT, &options->n_workers, "Number of workers", "N" },
    { "list", 0, 0, G_OPTION_ARG_FILENAME, &options->list,
      "Write the checksums to FILE, as sha256sum does", "FILE" },
    { "no-speed-up", 0, 0, G_OPTION_ARG_NONE, &options->is_without_speedup,
      "Do not measure the speed-up", NULL },
    { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->roots, NULL, NULL },
    G_OPTION_ENTRY_NULL
  };

  options->n_workers = (int) MIN (g_get_num_processors (), 256);
  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_set_summary (context, "Checksums of every file below /usr/share and /usr/lib, "
                                         "or the given directories.");
  if (!g_option_context_parse (context, argc, argv, error))
    return FALSE;

  if (options->n_workers >= 1 && options->n_workers <= 256)
    return TRUE;

  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
               "the number of workers must be 1 to 256, not %d", options->n_workers);
  return FALSE;
}

static GPtrArray *
find_files (const Options *options,
            GError       **error)
{
  static const char *const default_roots[] = { "/usr/share", "/usr/lib", NULL };
  const char *const *roots = (const char *const *) options->roots;
  g_autoptr (GPtrArray) files = g_ptr_array_new_with_free_func (demo_file_free);

  for (roots = roots != NULL ? roots : default_roots; *roots != NULL; roots++)
    if (!demo_walk (*roots, files, error))
      return NULL;

  return g_steal_pointer (&files);
}

/* --- what is printed -------------------------------------------------------------------------- */

static void
print_pass (const DemoPass *pass)
{
  g_autofree char *size = g_format_size_full (pass->n_bytes, G_FORMAT_SIZE_IEC_UNITS);
  g_autofree char *rate = g_format_size_full ((guint64) (pass->n_bytes / MAX (pass->seconds, 1e-6)),
                                              G_FORMAT_SIZE_IEC_UNITS);

  g_print ("  %u files, %s in %.2f s by %u %s: %.0f tasks/s, %s/s", pass->n_done - pass->n_failed,
           size, pass->seconds, pass->n_workers, pass->n_workers == 1 ? "worker" : "workers",
           pass->n_done / MAX (pass->seconds, 1e-6), rate);
  if (pass->n_failed > 0)
    g_print (", %u failed", pass->n_failed);
  g_print ("\n");
}

static void
print_failures (GPtrArray *files,
                guint      n_files,
                guint      n_most)
{
  guint n_printed = 0;
  guint i = 0;

  for (i = 0; i < n_files && n_printed < n_most; i++)
    {
      const DemoFile *file = g_ptr_array_index (files, i);
      g_autofree char *shown = g_filename_display_name (file->path);

      if (file->error == NULL)
        continue;

      g_print ("  failed: %s\n          %s\n", shown, g_strstrip (file->error->message));
      n_printed++;
    }
}

static gboolean
write_list (const char *path,
            GPtrArray  *files,
            GError    **error)
{
  g_autoptr (GString) text = g_string_new (NULL);
  guint i = 0;

  for (i = 0; i < files->len; i++)
    {
      const DemoFile *file = g_ptr_array_index (files, i);
      g_autofree char *line = NULL;

      if (file->digest == NULL)
        continue;

      line = demo_file_to_line (file);
      g_string_append_printf (text, "%s\n", line);
    }

  return g_file_set_contents (path, text->str, (gssize) text->len, error);
}

/* --- the three parts -------------------------------------------------------------------------- */

static gboolean
sum_all (const Options *options,
         GPtrArray     *files,
         GError       **error)
{
  DemoPass pass = { .plugin = DEMO_PLUGIN, .title = "checksums", .n_workers = options->n_workers,
                    .crash_at = -1 };

  g_print ("SHA-256 of %u files\n", files->len);
  if (!demo_pass_run (&pass, files, files->len, error))
    return FALSE;

  print_pass (&pass);
  print_failures (files, files->len, 5);
  return options->list == NULL || write_list (options->list, files, error);
}

static guint
count_first_files (GPtrArray *files,
                   guint64    n_bytes_most)
{
  guint64 n_bytes = 0;
  guint i = 0;

  for (i = 0; i < files->len && n_bytes < n_bytes_most; i++)
    n_bytes += ((const DemoFile *) g_ptr_array_index (files, i))->size;

  return i;
}

/* The first pass has just read these files: both passes here find them in the page cache. */
static gboolean
measure_speedup (const Options *options,
                 GPtrArray     *files,
                 GError       **error)
{
  guint n_files = count_first_files (files, SPEEDUP_BYTES);
  DemoPass warm_up = { .plugin = DEMO_PLUGIN, .title = "warming up",
                       .n_workers = options->n_workers, .crash_at = -1 };
  DemoPass one = { .plugin = DEMO_PLUGIN, .title = "one worker", .n_workers = 1, .crash_at = -1 };
  DemoPass all = { .plugin = DEMO_PLUGIN, .title = "all workers",
                   .n_workers = options->n_workers, .crash_at = -1 };

  g_print ("\nSpeed-up, over the %s%u files, each pass with a new pool, files in the page cache\n",
           n_files < files->len ? "first " : "", n_files);
  if (!demo_pass_run (&warm_up, files, n_files, error) ||
      !demo_pass_run (&one, files, n_files, error) ||
      !demo_pass_run (&all, files, n_files, error))
    return FALSE;

  print_pass (&one);
  print_pass (&all);
  g_print ("  speed-up: %.2f with %u workers on %u processors\n",
           one.seconds / MAX (all.seconds, 1e-6), all.n_workers, g_get_num_processors ());
  return TRUE;
}

static gboolean
show_crash (const Options *options,
            GPtrArray     *files,
            GError       **error)
{
  guint n_files = MIN (files->len, CRASH_FILES);
  DemoPass pass = { .plugin = DEMO_PLUGIN, .n_workers = options->n_workers,
                    .crash_at = (int) (n_files / 2) };

  g_print ("\n%u files again, and one task makes its worker crash\n", n_files);
  if (!demo_pass_run (&pass, files, n_files, error))
    return FALSE;

  print_pass (&pass);
  print_failures (files, n_files, 5);
  return TRUE;
}

int
main (int    argc,
      char **argv)
{
  g_auto (Options) options = { 0 };
  g_autoptr (GPtrArray) files = NULL;
  g_autoptr (GError) error = NULL;

  setlocale (LC_ALL, "");
  g_setenv ("AIOPOOL_WORKER_DIR", DEMO_WORKER_DIR, FALSE); /* not where they will be installed */
  if (parse (&options, &argc, &argv, &error))
    files = find_files (&options, &error);

  if (files != NULL && sum_all (&options, files, &error) &&
      (options.is_without_speedup || measure_speedup (&options, files, &error)) &&
      (files->len == 0 || show_crash (&options, files, &error)))
    return 0;

  g_printerr ("aiopool-demo: %s\n", error->message);
  return 1;
}
