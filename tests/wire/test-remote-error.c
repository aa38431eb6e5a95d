/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/base/aiopool-error.h"
#include "aiopool/wire/aiopool-frame-private.h"
#include "aiopool/wire/aiopool-remote-error-private.h"

#include <string.h>

/* There and back. */
static GError *
send_error (const GError      *error,
            AiopoolErrorInfo  *info,
            gboolean           is_trusted,
            AiopoolErrorInfo **back_info)
{
  g_autoptr (GVariant) variant = aiopool_remote_error_encode (error, info);

  g_assert_cmpuint (g_variant_get_size (variant), <=, AIOPOOL_FRAME_MAX_BODY / 2);
  return aiopool_remote_error_decode (g_variant_get_data (variant), g_variant_get_size (variant),
                                      is_trusted, back_info);
}

static GError *
decode_text (const char        *text,
             gboolean           is_trusted,
             AiopoolErrorInfo **info)
{
  g_autoptr (GVariant) variant = g_variant_ref_sink (g_variant_new_parsed (text));

  return aiopool_remote_error_decode (g_variant_get_data (variant), g_variant_get_size (variant),
                                      is_trusted, info);
}

static void
test_known_domain_is_rebuilt (void)
{
  g_autoptr (GError) error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "no 'x' here");

  for (int is_trusted = FALSE; is_trusted <= TRUE; is_trusted++)
    {
      g_autoptr (AiopoolErrorInfo) info = NULL;
      g_autoptr (GError) back = send_error (error, NULL, is_trusted, &info);

      g_assert_error (back, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
      g_assert_cmpstr (back->message, ==, "no 'x' here");
      g_assert_null (info);
    }
}

static void
test_unknown_domain_is_failed_and_not_made_known (void)
{
  for (int is_trusted = FALSE; is_trusted <= TRUE; is_trusted++)
    {
      g_autoptr (AiopoolErrorInfo) info = NULL;
      g_autoptr (GError) back = decode_text ("('nobody-knows-this-quark', 42, 'it broke', @av [])",
                                             is_trusted, &info);

      g_assert_error (back, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_FAILED);
      g_assert_cmpstr (back->message, ==, "it broke (nobody-knows-this-quark, code 42)");
      g_assert_nonnull (info);
      g_assert_cmpstr (aiopool_error_info_get_type_name (info), ==, "nobody-knows-this-quark");
      g_assert_cmpstr (aiopool_error_info_get_message (info), ==, "it broke");
      g_assert_cmpuint (g_quark_try_string ("nobody-knows-this-quark"), ==, 0);
    }
}

/* This process may ask about an error of a part of GLib that only the worker has used. */
static void
test_domains_of_glib_are_known_at_once (void)
{
  const char *names[] = { "g-resolver-error-quark", "g-key-file-error-quark", "g-regex-error-quark",
                          "g-tls-error-quark", "g-dbus-error-quark", "g-exec-error-quark" };

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *text = g_strdup_printf ("('%s', 1, 'm', @av [])", names[i]);
      g_autoptr (AiopoolErrorInfo) info = NULL;
      g_autoptr (GError) back = decode_text (text, FALSE, &info);

      g_assert_cmpstr (g_quark_to_string (back->domain), ==, names[i]);
      g_assert_cmpint (back->code, ==, 1);
      g_assert_null (info);
    }
}

static void
test_trusted_worker_speaks_for_the_library (void)
{
  g_autoptr (GError) pool_error = g_error_new_literal (AIOPOOL_POOL_ERROR,
                                                       AIOPOOL_POOL_ERROR_SANDBOX, "p");
  g_autoptr (GError) task_error = g_error_new_literal (AIOPOOL_TASK_ERROR,
                                                       AIOPOOL_TASK_ERROR_CRASHED, "t");
  g_autoptr (AiopoolErrorInfo) info = NULL;
  g_autoptr (GError) pool_back = send_error (pool_error, NULL, TRUE, &info);
  g_autoptr (GError) task_back = send_error (task_error, NULL, TRUE, &info);

  g_assert_error (pool_back, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_SANDBOX);
  g_assert_error (task_back, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_CRASHED);
}

/* It could claim that it crashed, which retries the task, or that the pool is broken. */
static void
test_untrusted_worker_does_not_speak_for_the_library (void)
{
  const int may_say[] = { AIOPOOL_TASK_ERROR_FAILED, AIOPOOL_TASK_ERROR_UNKNOWN_FUNCTION,
                          AIOPOOL_TASK_ERROR_ENCODE, AIOPOOL_TASK_ERROR_DECODE,
                          AIOPOOL_TASK_ERROR_TOO_LARGE };

  for (int code = -1; code <= AIOPOOL_TASK_ERROR_WRONG_TYPE + 1; code++)
    {
      g_autoptr (GError) error = g_error_new_literal (AIOPOOL_TASK_ERROR, code, "claim");
      g_autoptr (AiopoolErrorInfo) info = NULL;
      g_autoptr (GError) back = send_error (error, NULL, FALSE, &info);
      int expected = AIOPOOL_TASK_ERROR_FAILED;

      for (gsize i = 0; i < G_N_ELEMENTS (may_say); i++)
        if (code == may_say[i])
          expected = code;
      g_assert_error (back, AIOPOOL_TASK_ERROR, expected);
    }
  for (int code = 0; code <= AIOPOOL_POOL_ERROR_SANDBOX; code++)
    {
      g_autoptr (GError) error = g_error_new_literal (AIOPOOL_POOL_ERROR, code, "claim");
      g_autoptr (AiopoolErrorInfo) info = NULL;
      g_autoptr (GError) back = send_error (error, NULL, FALSE, &info);

      g_assert_error (back, AIOPOOL_TASK_ERROR, AIOPOOL_TASK_ERROR_FAILED);
    }
}

static AiopoolErrorInfo *
make_info (const char *name,
           const char *traceback)
{
  const char *notes[] = { "a note", "Grüße", "", NULL };
  AiopoolErrorInfo *info = aiopool_error_info_new (name, "says something");

  aiopool_error_info_set_traceback (info, traceback);
  aiopool_error_info_set_notes (info, notes);
  return info;
}

static void
assert_same_info (AiopoolErrorInfo *a,
                  AiopoolErrorInfo *b)
{
  g_assert_true ((a != NULL) == (b != NULL));
  if (a == NULL)
    return;
  g_assert_cmpstr (aiopool_error_info_get_type_name (a), ==, aiopool_error_info_get_type_name (b));
  g_assert_cmpstr (aiopool_error_info_get_message (a), ==, aiopool_error_info_get_message (b));
  g_assert_cmpstr (aiopool_error_info_get_traceback (a), ==, aiopool_error_info_get_traceback (b));
  g_assert_cmpstrv (aiopool_error_info_get_notes (a), aiopool_error_info_get_notes (b));
  assert_same_info (aiopool_error_info_get_cause (a), aiopool_error_info_get_cause (b));
  assert_same_info (aiopool_error_info_get_context (a), aiopool_error_info_get_context (b));
}

static void
test_info_comes_back_with_its_chain (void)
{
  g_autoptr (GError) error = g_error_new_literal (G_IO_ERROR, 1, "m");
  g_autoptr (AiopoolErrorInfo) info = make_info ("ValueError", "line 1\nline 2");
  g_autoptr (AiopoolErrorInfo) cause = make_info ("KeyError", NULL);
  g_autoptr (AiopoolErrorInfo) root = aiopool_error_info_new ("OSError", "");
  g_autoptr (AiopoolErrorInfo) context = make_info ("RuntimeError", "elsewhere");
  g_autoptr (AiopoolErrorInfo) back_info = NULL;
  g_autoptr (GError) back = NULL;

  aiopool_error_info_set_cause (info, cause);
  aiopool_error_info_set_cause (cause, root);
  aiopool_error_info_set_context (info, context);
  back = send_error (error, info, FALSE, &back_info);
  g_assert_error (back, G_IO_ERROR, 1);
  assert_same_info (info, back_info);
}

static guint
count_infos (AiopoolErrorInfo *info)
{
  if (info == NULL)
    return 0;
  return 1 + count_infos (aiopool_error_info_get_cause (info)) +
         count_infos (aiopool_error_info_get_context (info));
}

static guint
count_causes (AiopoolErrorInfo *info)
{
  guint n = 0;

  for (; info != NULL; info = aiopool_error_info_get_cause (info))
    n++;
  return n;
}

/* In Python the cause of an error is mostly its context too: told as a tree, 2^n of them. */
static void
test_chain_of_causes_that_are_contexts_stays_small (void)
{
  g_autoptr (GError) error = g_error_new_literal (G_IO_ERROR, 1, "m");
  g_autoptr (AiopoolErrorInfo) info = aiopool_error_info_new ("E", "e");
  g_autoptr (AiopoolErrorInfo) back_info = NULL;
  g_autoptr (GError) back = NULL;

  for (int i = 0; i < 40; i++)
    {
      g_autoptr (AiopoolErrorInfo) next = aiopool_error_info_new ("E", "e");

      aiopool_error_info_set_cause (next, info);
      aiopool_error_info_set_context (next, info);
      g_set_object (&info, next);
    }
  back = send_error (error, info, TRUE, &back_info);
  g_assert_cmpuint (count_causes (back_info), ==, 16);
  g_assert_cmpuint (count_infos (back_info), ==, 64);
}

static void
test_info_that_causes_itself_ends (void)
{
  g_autoptr (GError) error = g_error_new_literal (G_IO_ERROR, 1, "m");
  g_autoptr (AiopoolErrorInfo) info = aiopool_error_info_new ("E", "e");
  g_autoptr (AiopoolErrorInfo) back_info = NULL;
  g_autoptr (GError) back = NULL;

  aiopool_error_info_set_cause (info, info);
  back = send_error (error, info, TRUE, &back_info);
  g_assert_cmpuint (count_causes (back_info), ==, 16);
  aiopool_error_info_set_cause (info, NULL);
}

/* A worker in C may say anything; a string of a variant must be UTF-8. */
static void
test_invalid_text_is_made_valid (void)
{
  const char *notes[] = { "\xff\xfe", "ok", NULL };
  g_autoptr (GError) error = g_error_new_literal (G_IO_ERROR, 1, "bad \xe4 message");
  g_autoptr (AiopoolErrorInfo) info = aiopool_error_info_new ("Type\xff", "\xc3");
  g_autoptr (AiopoolErrorInfo) back_info = NULL;
  g_autoptr (GError) back = NULL;

  aiopool_error_info_set_traceback (info, "\x80line");
  aiopool_error_info_set_notes (info, notes);
  back = send_error (error, info, FALSE, &back_info);
  g_assert_cmpstr (back->message, ==, "bad \xef\xbf\xbd message");
  g_assert_cmpstr (aiopool_error_info_get_type_name (back_info), ==, "Type\xef\xbf\xbd");
  g_assert_cmpstr (aiopool_error_info_get_message (back_info), ==, "\xef\xbf\xbd");
  g_assert_cmpstr (aiopool_error_info_get_traceback (back_info), ==, "\xef\xbf\xbdline");
  g_assert_cmpstr (aiopool_error_info_get_notes (back_info)[1], ==, "ok");
}

static GBytes *
send_payload (gsize          size,
              AiopoolFormat *format)
{
  g_autoptr (GError) error = g_error_new_literal (G_IO_ERROR, 1, "m");
  g_autoptr (AiopoolErrorInfo) info = aiopool_error_info_new ("T", "m");
  g_autoptr (AiopoolErrorInfo) back_info = NULL;
  g_autoptr (GBytes) payload = g_bytes_new_take (g_strnfill (size, 'p'), size);
  g_autoptr (GError) back = NULL;
  GBytes *received;

  aiopool_error_info_set_payload (info, payload, AIOPOOL_FORMAT_PICKLE);
  back = send_error (error, info, FALSE, &back_info);
  g_assert_nonnull (back_info);
  received = aiopool_error_info_get_payload (back_info, format);
  return received != NULL ? g_bytes_ref (received) : NULL;
}

static void
test_payload_travels_unless_it_is_large (void)
{
  AiopoolFormat format = AIOPOOL_FORMAT_RAW;
  g_autoptr (GBytes) small = send_payload (1000, &format);
  g_autoptr (GBytes) large = send_payload (512 * 1024 + 1, NULL);

  g_assert_cmpuint (g_bytes_get_size (small), ==, 1000);
  g_assert_cmpint (((const char *) g_bytes_get_data (small, NULL))[999], ==, 'p');
  g_assert_cmpint (format, ==, AIOPOOL_FORMAT_PICKLE);
  g_assert_null (large);
}

static void
test_very_long_texts_are_cut_to_fit_a_frame (void)
{
  g_autofree char *huge = g_strnfill (20 * 1024 * 1024, 'x');
  g_autofree char *note = g_strnfill (100 * 1024, 'n');
  const char *notes[101];
  g_autoptr (GError) error = g_error_new_literal (G_IO_ERROR, 1, huge);
  g_autoptr (AiopoolErrorInfo) info = make_info ("E", huge);
  g_autoptr (AiopoolErrorInfo) back_info = NULL;
  g_autoptr (GError) back = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (notes); i++)
    notes[i] = i + 1 < G_N_ELEMENTS (notes) ? note : NULL;
  aiopool_error_info_set_cause (info, info);
  aiopool_error_info_set_notes (info, notes);
  back = send_error (error, info, TRUE, &back_info);
  g_assert_error (back, G_IO_ERROR, 1);
  g_assert_cmpuint (strlen (back->message), ==, 64 * 1024);
  g_assert_cmpstr (aiopool_error_info_get_type_name (back_info), ==, "E");
  g_assert_cmpuint (strlen (aiopool_error_info_get_traceback (back_info)), ==, 64 * 1024);
  g_assert_cmpuint (g_strv_length ((char **) aiopool_error_info_get_notes (back_info)), ==, 64);
  aiopool_error_info_set_cause (info, NULL);
}

static void
test_text_is_cut_between_characters (void)
{
  g_autoptr (GString) text = g_string_new ("x");
  g_autoptr (GError) error = NULL;
  g_autoptr (AiopoolErrorInfo) info = NULL;
  g_autoptr (GError) back = NULL;

  for (int i = 0; i < 40000; i++)
    g_string_append (text, "ä");
  error = g_error_new_literal (G_IO_ERROR, 1, text->str);
  back = send_error (error, NULL, TRUE, &info);
  g_assert_cmpuint (strlen (back->message), ==, 64 * 1024 - 1);
  g_assert_true (g_str_has_prefix (text->str, back->message));
}

static void
test_hostile_infos_are_dropped_or_bounded (void)
{
  const char *texts[] = {
    "('g-io-error-quark', 1, 'm', [<7>])",
    "('g-io-error-quark', 1, 'm', [<('a', 'b')>])",
    "('g-io-error-quark', 1, 'm', [<<<<('', '', '', @as [], @av [], @av [])>>>>])",
  };

  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (AiopoolErrorInfo) info = NULL;
      g_autoptr (GError) back = decode_text (texts[i], FALSE, &info);

      g_assert_error (back, G_IO_ERROR, 1);
      g_assert_null (info);
    }
}

/* A tree as wide as the form allows: only its budget is made into objects. */
static GVariant *
make_tree (guint depth)
{
  GVariantBuilder causes, contexts;

  g_variant_builder_init (&causes, G_VARIANT_TYPE ("av"));
  g_variant_builder_init (&contexts, G_VARIANT_TYPE ("av"));
  if (depth > 0)
    {
      g_variant_builder_add (&causes, "v", make_tree (depth - 1));
      g_variant_builder_add (&contexts, "v", make_tree (depth - 1));
      g_variant_builder_add (&contexts, "v", make_tree (0));
    }
  return g_variant_new ("(sss@asavav)", "t", "m", "", g_variant_new_strv (NULL, 0), &causes,
                        &contexts);
}

static void
test_hostile_tree_of_infos_is_bounded (void)
{
  g_autoptr (GVariant) variant = NULL;
  g_autoptr (AiopoolErrorInfo) info = NULL;
  g_autoptr (GError) back = NULL;
  GVariantBuilder infos;

  g_variant_builder_init (&infos, G_VARIANT_TYPE ("av"));
  g_variant_builder_add (&infos, "v", make_tree (12));
  variant = g_variant_ref_sink (g_variant_new ("(sisavy^ay)", "g-io-error-quark", 1, "m", &infos, 0,
                                               ""));
  back = aiopool_remote_error_decode (g_variant_get_data (variant), g_variant_get_size (variant),
                                      FALSE, &info);
  g_assert_error (back, G_IO_ERROR, 1);
  g_assert_cmpuint (count_infos (info), ==, 64);
}

/* Whatever comes, the answer is an error with a message in UTF-8, and nothing else happens. */
static void
decode_bytes (const guint8 *data,
              gsize         size)
{
  g_autofree guint8 *copy = g_memdup2 (data, size);

  for (int is_trusted = FALSE; is_trusted <= TRUE; is_trusted++)
    {
      g_autoptr (AiopoolErrorInfo) info = NULL;
      g_autoptr (GError) error = aiopool_remote_error_decode (copy, size, is_trusted, &info);

      g_assert_nonnull (error);
      g_assert_cmpuint (error->domain, !=, 0);
      g_assert_true (g_utf8_validate (error->message, -1, NULL));
    }
}

static void
test_every_truncated_or_changed_error_is_still_one (void)
{
  g_autoptr (GError) error = g_error_new_literal (G_IO_ERROR, 1, "message");
  g_autoptr (AiopoolErrorInfo) info = make_info ("T", "tb");
  g_autoptr (AiopoolErrorInfo) cause = make_info ("C", NULL);
  g_autoptr (GVariant) variant = NULL;
  g_autofree guint8 *data = NULL;
  gsize size;

  aiopool_error_info_set_cause (info, cause);
  variant = aiopool_remote_error_encode (error, info);
  size = g_variant_get_size (variant);
  data = g_memdup2 (g_variant_get_data (variant), size);
  for (gsize n = 0; n <= size; n++)
    decode_bytes (data, n);
  for (gsize at = 0; at < size; at++)
    {
      guint8 old = data[at];

      for (guint value = 0; value < 256; value++)
        {
          data[at] = (guint8) value;
          decode_bytes (data, size);
        }
      data[at] = old;
    }
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/remote-error/known-domain-is-rebuilt", test_known_domain_is_rebuilt);
  g_test_add_func ("/remote-error/unknown-domain-is-failed-and-not-made-known",
                   test_unknown_domain_is_failed_and_not_made_known);
  g_test_add_func ("/remote-error/domains-of-glib-are-known-at-once",
                   test_domains_of_glib_are_known_at_once);
  g_test_add_func ("/remote-error/trusted-worker-speaks-for-the-library",
                   test_trusted_worker_speaks_for_the_library);
  g_test_add_func ("/remote-error/untrusted-worker-does-not-speak-for-the-library",
                   test_untrusted_worker_does_not_speak_for_the_library);
  g_test_add_func ("/remote-error/info-comes-back-with-its-chain",
                   test_info_comes_back_with_its_chain);
  g_test_add_func ("/remote-error/chain-of-causes-that-are-contexts-stays-small",
                   test_chain_of_causes_that_are_contexts_stays_small);
  g_test_add_func ("/remote-error/info-that-causes-itself-ends",
                   test_info_that_causes_itself_ends);
  g_test_add_func ("/remote-error/invalid-text-is-made-valid", test_invalid_text_is_made_valid);
  g_test_add_func ("/remote-error/payload-travels-unless-it-is-large",
                   test_payload_travels_unless_it_is_large);
  g_test_add_func ("/remote-error/very-long-texts-are-cut-to-fit-a-frame",
                   test_very_long_texts_are_cut_to_fit_a_frame);
  g_test_add_func ("/remote-error/text-is-cut-between-characters",
                   test_text_is_cut_between_characters);
  g_test_add_func ("/remote-error/hostile-infos-are-dropped-or-bounded",
                   test_hostile_infos_are_dropped_or_bounded);
  g_test_add_func ("/remote-error/hostile-tree-of-infos-is-bounded",
                   test_hostile_tree_of_infos_is_bounded);
  g_test_add_func ("/remote-error/every-truncated-or-changed-error-is-still-one",
                   test_every_truncated_or_changed_error_is_still_one);
  return g_test_run ();
}
