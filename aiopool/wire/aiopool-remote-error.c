/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/wire/aiopool-remote-error-private.h"

#include "aiopool/base/aiopool-error.h"

#include <string.h>

/* An error crosses as (domain, code, message, info, format, payload), where the payload is what the
 * worker's language makes of the error for its own, and the info as (type name, message, traceback,
 * notes, cause, context), where cause and context are arrays of none or one of the same.
 *
 * A domain is rebuilt only if this process knows it already: a quark is never freed. GLib's are
 * made known. The library's own domains are rebuilt in full from a trusted worker only; from
 * another one just the errors that a worker's library itself reports about a task.
 *
 * All of it is bounded, so that it fits into a frame: a chain in which each cause is a context too,
 * as Python makes them, would otherwise double with every link. */

#define ERROR_TYPE ((const GVariantType *) "(sisavyay)")
#define INFO_TYPE  ((const GVariantType *) "(sssasavav)")
#define MAX_DEPTH  16
#define MAX_INFOS  64
#define MAX_NOTES  64
#define MAX_TEXT   (64 * 1024)       /* bytes of one text */
#define MAX_BYTES  (4 * 1024 * 1024) /* of all texts */
#define MAX_PAYLOAD (512 * 1024)     /* bytes */

typedef struct
{
  guint n_infos;
  gsize n_bytes;
} Budget; /* what is left of MAX_INFOS and MAX_BYTES */

/* The beginning of @text, as valid UTF-8. */
static GVariant *
take_text (Budget     *left,
           const char *text)
{
  gsize limit = MIN (MAX_TEXT, left->n_bytes);
  gsize size = text != NULL ? strnlen (text, limit + 1) : 0;
  char *valid;

  if (size > limit)
    for (size = limit; size > 0 && (text[size] & 0xc0) == 0x80; size--)
      ;
  valid = size > 0 ? g_utf8_make_valid (text, (gssize) size) : g_strdup ("");
  left->n_bytes -= MIN (strlen (valid), left->n_bytes);
  return g_variant_new_take_string (valid);
}

static GVariant *
take_notes (Budget             *left,
            const char * const *notes)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_STRING_ARRAY);
  for (guint i = 0; notes != NULL && notes[i] != NULL && i < MAX_NOTES; i++)
    g_variant_builder_add_value (&builder, take_text (left, notes[i]));
  return g_variant_builder_end (&builder);
}

static void add_infos (GVariantBuilder  *builder,
                       AiopoolErrorInfo *info,
                       guint             depth,
                       Budget           *left);

static GVariant *
encode_info (AiopoolErrorInfo *info,
             guint             depth,
             Budget           *left)
{
  GVariantBuilder tuple;

  g_variant_builder_init (&tuple, INFO_TYPE);
  g_variant_builder_add_value (&tuple, take_text (left, aiopool_error_info_get_type_name (info)));
  g_variant_builder_add_value (&tuple, take_text (left, aiopool_error_info_get_message (info)));
  g_variant_builder_add_value (&tuple, take_text (left, aiopool_error_info_get_traceback (info)));
  g_variant_builder_add_value (&tuple, take_notes (left, aiopool_error_info_get_notes (info)));
  add_infos (&tuple, aiopool_error_info_get_cause (info), depth + 1, left);
  add_infos (&tuple, aiopool_error_info_get_context (info), depth + 1, left);
  return g_variant_builder_end (&tuple);
}

/* An array of @info, or of none. */
static void
add_infos (GVariantBuilder  *builder,
           AiopoolErrorInfo *info,
           guint             depth,
           Budget           *left)
{
  g_variant_builder_open (builder, G_VARIANT_TYPE ("av"));
  if (info != NULL && depth < MAX_DEPTH && left->n_infos > 0)
    {
      left->n_infos--;
      g_variant_builder_add (builder, "v", encode_info (info, depth, left));
    }
  g_variant_builder_close (builder);
}

static void
add_payload (GVariantBuilder  *builder,
             AiopoolErrorInfo *info)
{
  AiopoolFormat format = AIOPOOL_FORMAT_RAW;
  GBytes *payload = info != NULL ? aiopool_error_info_get_payload (info, &format) : NULL;
  g_autoptr (GBytes) none = NULL;

  if (payload == NULL || g_bytes_get_size (payload) > MAX_PAYLOAD)
    payload = none = g_bytes_new (NULL, 0);
  g_variant_builder_add (builder, "y", (guchar) format);
  g_variant_builder_add_value (builder, g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING,
                                                                  payload, TRUE));
}

/* @info: (nullable). Returns: (transfer full): serialised by asking for its data. */
GVariant *
aiopool_remote_error_encode (const GError     *error,
                             AiopoolErrorInfo *info)
{
  Budget left = { MAX_INFOS, MAX_BYTES };
  GVariantBuilder builder;

  g_variant_builder_init (&builder, ERROR_TYPE);
  g_variant_builder_add (&builder, "s", g_quark_to_string (error->domain));
  g_variant_builder_add (&builder, "i", error->code);
  g_variant_builder_add_value (&builder, take_text (&left, error->message));
  add_infos (&builder, info, 0, &left);
  add_payload (&builder, info);
  return g_variant_ref_sink (g_variant_builder_end (&builder));
}

static AiopoolErrorInfo *decode_info (GVariant *array,
                                      guint     depth,
                                      guint    *n_left);

static void
decode_chain (AiopoolErrorInfo *info,
              GVariant         *tuple,
              guint             depth,
              guint            *n_left)
{
  g_autoptr (GVariant) causes = g_variant_get_child_value (tuple, 4);
  g_autoptr (GVariant) contexts = g_variant_get_child_value (tuple, 5);
  g_autoptr (AiopoolErrorInfo) cause = decode_info (causes, depth + 1, n_left);
  g_autoptr (AiopoolErrorInfo) context = decode_info (contexts, depth + 1, n_left);

  aiopool_error_info_set_cause (info, cause);
  aiopool_error_info_set_context (info, context);
}

static AiopoolErrorInfo *
decode_info (GVariant *array,
             guint     depth,
             guint    *n_left)
{
  g_autoptr (GVariant) box = NULL;
  g_autoptr (GVariant) tuple = NULL;
  g_autoptr (GVariant) notes = NULL;
  g_autofree const char **strings = NULL;
  const char *type_name, *message, *traceback;
  AiopoolErrorInfo *info;

  if (depth >= MAX_DEPTH || *n_left == 0 || g_variant_n_children (array) == 0)
    return NULL;
  box = g_variant_get_child_value (array, 0);
  tuple = g_variant_get_variant (box);
  if (!g_variant_is_of_type (tuple, INFO_TYPE))
    return NULL;
  g_variant_get (tuple, "(&s&s&s@asavav)", &type_name, &message, &traceback, &notes, NULL, NULL);
  (*n_left)--;
  info = aiopool_error_info_new (type_name, message);
  if (*traceback != '\0')
    aiopool_error_info_set_traceback (info, traceback);
  if (g_variant_n_children (notes) > 0 && g_variant_n_children (notes) <= MAX_NOTES)
    {
      strings = g_variant_get_strv (notes, NULL);
      aiopool_error_info_set_notes (info, strings);
    }
  decode_chain (info, tuple, depth, n_left);
  return info;
}

/* It is for the program to trust the worker that far, or not to look at it. */
static void
decode_payload (AiopoolErrorInfo *info,
                GVariant         *variant)
{
  g_autoptr (GVariant) payload = g_variant_get_child_value (variant, 5);
  g_autoptr (GBytes) bytes = NULL;
  guchar format;

  g_variant_get_child (variant, 4, "y", &format);
  if (format > AIOPOOL_FORMAT_PICKLE || g_variant_get_size (payload) == 0 ||
      g_variant_get_size (payload) > MAX_PAYLOAD)
    return;
  bytes = g_bytes_new (g_variant_get_data (payload), g_variant_get_size (payload));
  aiopool_error_info_set_payload (info, bytes, (AiopoolFormat) format);
}

static gboolean
may_rebuild (GQuark   domain,
             int      code,
             gboolean is_trusted)
{
  if (domain == 0)
    return FALSE;
  if (is_trusted)
    return TRUE;
  if (domain == AIOPOOL_POOL_ERROR)
    return FALSE;
  return domain != AIOPOOL_TASK_ERROR || code == AIOPOOL_TASK_ERROR_UNKNOWN_FUNCTION ||
         code == AIOPOOL_TASK_ERROR_ENCODE || code == AIOPOOL_TASK_ERROR_DECODE ||
         code == AIOPOOL_TASK_ERROR_TOO_LARGE;
}

/* Who looks for an error of GLib's in what a worker reported may be the first here to name its
 * domain, after it was to be rebuilt. */
static void
know_domains (void)
{
  static GQuark (*const domains[]) (void) = {
    aiopool_task_error_quark, aiopool_pool_error_quark, g_io_error_quark, g_file_error_quark,
    g_spawn_error_quark, g_spawn_exit_error_quark, g_shell_error_quark, g_convert_error_quark,
    g_key_file_error_quark, g_markup_error_quark, g_number_parser_error_quark,
    g_option_error_quark, g_regex_error_quark, g_uri_error_quark, g_variant_parse_error_quark,
    g_thread_error_quark, g_dbus_error_quark, g_resolver_error_quark, g_resource_error_quark,
    g_tls_error_quark,
  };
  static gsize is_known;

  if (!g_once_init_enter (&is_known))
    return;
  for (guint i = 0; i < G_N_ELEMENTS (domains); i++)
    domains[i] ();
  g_once_init_leave (&is_known, 1);
}

static GError *
rebuild (const char *domain_name,
         int         code,
         const char *message,
         gboolean    is_trusted)
{
  GQuark domain;

  know_domains ();
  domain = g_quark_try_string (domain_name);
  if (may_rebuild (domain, code, is_trusted))
    return g_error_new_literal (domain, code, message);
  return g_error_new (AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_FAILED, "%s (%s, code %d)", message,
                      domain_name, code);
}

/* Never fails: what cannot be read is an error too. @info (out) (transfer full) (nullable). */
GError *
aiopool_remote_error_decode (gconstpointer      data,
                             gsize              size,
                             gboolean           is_trusted,
                             AiopoolErrorInfo **info)
{
  g_autoptr (GBytes) bytes = g_bytes_new (data, size);
  g_autoptr (GVariant) raw = NULL;
  g_autoptr (GVariant) variant = NULL;
  g_autoptr (GVariant) infos = NULL;
  const char *domain_name, *message;
  guint n_left = MAX_INFOS;
  GError *error;
  int code;

  raw = g_variant_ref_sink (g_variant_new_from_bytes (ERROR_TYPE, bytes, FALSE));
  variant = g_variant_get_normal_form (raw);
  g_variant_get (variant, "(&si&s@avyay)", &domain_name, &code, &message, &infos, NULL, NULL);
  *info = decode_info (infos, 0, &n_left);
  if (*info != NULL)
    decode_payload (*info, variant);
  error = rebuild (domain_name, code, message, is_trusted);
  if (*info == NULL && error->code == AIOPOOL_TASK_ERROR_FAILED &&
      error->domain == AIOPOOL_TASK_ERROR)
    *info = aiopool_error_info_new (domain_name, message);
  return error;
}
