/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "aiopool/cli/aiopool-cli-private.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "aiopool/cli/aiopool-cli-json-private.h"

/* aiopool info: what a bug report needs. */

static const char help[] =
  "Usage: aiopool info [OPTION]\n"
  "\n"
  "Prints version, directories and what the system can do.\n"
  "\n"
  "      --json          Print one JSON object\n"
  "  -h, --help          Print this\n";

typedef struct
{
  const char *name;
  gboolean    is_there;
} Feature;

/* --- what the system can do ------------------------------------------------------------------- */

static gboolean
has_pidfd (void)
{
#ifdef SYS_pidfd_open
  int fd = (int) syscall (SYS_pidfd_open, getpid (), 0);

  return fd >= 0 && g_close (fd, NULL);
#else
  return FALSE;
#endif
}

static gboolean
has_sealed_memfd (void)
{
  int fd = memfd_create ("aiopool-info", MFD_CLOEXEC | MFD_ALLOW_SEALING);

  return fd >= 0 && g_close (fd, NULL);
}

/* An empty range that is no range: EINVAL where the call exists. */
static gboolean
has_close_range (void)
{
#ifdef SYS_close_range
  return syscall (SYS_close_range, 1, 0, 0) < 0 && errno == EINVAL;
#else
  return FALSE;
#endif
}

static gboolean
has_file (const char *dir,
          const char *name)
{
  g_autofree char *path = g_build_filename (dir, name, NULL);

  return g_file_test (path, G_FILE_TEST_IS_REGULAR);
}

/* Whether one can be made is tried. */
static gboolean
has_sandbox (void)
{
  g_autoptr (AiopoolLauncher) launcher = aiopool_launcher_new ();

  aiopool_launcher_set_sandbox (launcher, AIOPOOL_SANDBOX_REQUIRE);
  return aiopool_launcher_get_sandbox_kind (launcher) != AIOPOOL_SANDBOX_KIND_NONE;
}

static const Feature *
get_features (gsize *n_features)
{
  static Feature features[6];
  gsize n = 0;

  features[n++] = (Feature) { "stock-worker", has_file (cli_get_worker_dir (), "aiopool-worker") };
  features[n++] = (Feature) { "stock-plugin", has_file (cli_get_plugin_dir (), "stock.so") };
  features[n++] = (Feature) { "pidfd", has_pidfd () };
  features[n++] = (Feature) { "memfd-seals", has_sealed_memfd () };
  features[n++] = (Feature) { "close-range", has_close_range () };
  features[n++] = (Feature) { "sandbox", has_sandbox () };
  g_assert (n == G_N_ELEMENTS (features));
  *n_features = n;
  return features;
}

/* --- printing --------------------------------------------------------------------------------- */

static void
append_text (GString *text)
{
  gsize n_features = 0;
  const Feature *features = get_features (&n_features);
  gsize i = 0;

  g_string_append_printf (text, "version:     %s\n", AIOPOOL_VERSION_S);
  g_string_append_printf (text, "glib:        %u.%u.%u\n",
                          glib_major_version, glib_minor_version, glib_micro_version);
  g_string_append_printf (text, "workers in:  %s\n", cli_get_worker_dir ());
  g_string_append_printf (text, "plug-ins in: %s\n", cli_get_plugin_dir ());
  g_string_append_printf (text, "processors:  %u\n", g_get_num_processors ());
  g_string_append (text, "features:   ");
  for (i = 0; i < n_features; i++)
    g_string_append_printf (text, " %c%s", features[i].is_there ? '+' : '-', features[i].name);
  g_string_append_c (text, '\n');
}

static void
append_string_member (GString    *json,
                      const char *name,
                      const char *value)
{
  g_string_append_printf (json, "\"%s\":", name);
  cli_json_append_string (json, value, strlen (value));
  g_string_append_c (json, ',');
}

static void
append_json (GString *json)
{
  g_autofree char *glib = g_strdup_printf ("%u.%u.%u", glib_major_version, glib_minor_version,
                                           glib_micro_version);
  gsize n_features = 0;
  const Feature *features = get_features (&n_features);
  gsize i = 0;

  g_string_append_c (json, '{');
  append_string_member (json, "version", AIOPOOL_VERSION_S);
  append_string_member (json, "glib", glib);
  append_string_member (json, "worker_dir", cli_get_worker_dir ());
  append_string_member (json, "plugin_dir", cli_get_plugin_dir ());
  g_string_append_printf (json, "\"processors\":%u,\"features\":{", g_get_num_processors ());
  for (i = 0; i < n_features; i++)
    g_string_append_printf (json, "%s\"%s\":%s", i > 0 ? "," : "", features[i].name,
                            features[i].is_there ? "true" : "false");
  g_string_append (json, "}}\n");
}

CliExit
cli_info (int    argc,
          char **argv)
{
  static const char letters[] = { CLI_OPTION_JSON, 'h', '\0' };
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GError) error = NULL;
  CliOptions options = { 0 };
  int first = argc;

  if (cli_parse_options (letters, help, &options, argc, argv, &first, &error) && first < argc)
    g_set_error_literal (&error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                         "info takes no arguments");
  if (error != NULL)
    {
      cli_print_error ("%s", error->message);
      return CLI_EXIT_USAGE;
    }

  if (options.is_json)
    append_json (text);
  else
    append_text (text);
  return cli_print_text (text->str);
}
