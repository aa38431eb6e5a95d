/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/base/aiopool-enums.h"
#include "aiopool/base/aiopool-error-info.h"
#include "aiopool/base/aiopool-error.h"

static void
test_quarks_have_names_of_their_own (void)
{
  g_assert_cmpstr (g_quark_to_string (AIOPOOL_TASK_ERROR), ==, "aiopool-task-error-quark");
  g_assert_cmpstr (g_quark_to_string (AIOPOOL_POOL_ERROR), ==, "aiopool-pool-error-quark");
  g_assert_cmpuint (AIOPOOL_TASK_ERROR, ==, aiopool_task_error_quark ());
  g_assert_cmpuint (AIOPOOL_TASK_ERROR, !=, AIOPOOL_POOL_ERROR);
}

typedef struct
{
  GType       type;
  const char *name;
  int         value;
  const char *value_name;
  const char *nick;
} ValueRow;

static void
test_enum_values_are_registered (void)
{
  const ValueRow rows[] = {
    { AIOPOOL_TYPE_TASK_ERROR, "AiopoolTaskError", AIOPOOL_TASK_ERROR_FAILED,
      "AIOPOOL_TASK_ERROR_FAILED", "failed" },
    { AIOPOOL_TYPE_TASK_ERROR, "AiopoolTaskError", AIOPOOL_TASK_ERROR_WRONG_TYPE,
      "AIOPOOL_TASK_ERROR_WRONG_TYPE", "wrong-type" },
    { AIOPOOL_TYPE_POOL_ERROR, "AiopoolPoolError", AIOPOOL_POOL_ERROR_CLOSED,
      "AIOPOOL_POOL_ERROR_CLOSED", "closed" },
    { AIOPOOL_TYPE_POOL_ERROR, "AiopoolPoolError", AIOPOOL_POOL_ERROR_SANDBOX,
      "AIOPOOL_POOL_ERROR_SANDBOX", "sandbox" },
    { AIOPOOL_TYPE_FUTURE_STATE, "AiopoolFutureState", AIOPOOL_FUTURE_CANCELLED,
      "AIOPOOL_FUTURE_CANCELLED", "cancelled" },
    { AIOPOOL_TYPE_CANCEL_MODE, "AiopoolCancelMode", AIOPOOL_CANCEL_FORCE,
      "AIOPOOL_CANCEL_FORCE", "force" },
    { AIOPOOL_TYPE_WORKER_STATE, "AiopoolWorkerState", AIOPOOL_WORKER_DEAD,
      "AIOPOOL_WORKER_DEAD", "dead" },
    { AIOPOOL_TYPE_FORMAT, "AiopoolFormat", AIOPOOL_FORMAT_PICKLE,
      "AIOPOOL_FORMAT_PICKLE", "pickle" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GEnumClass) klass = g_type_class_ref (rows[i].type);
      GEnumValue *value = g_enum_get_value (klass, rows[i].value);

      g_assert_cmpstr (g_type_name (rows[i].type), ==, rows[i].name);
      g_assert_nonnull (value);
      g_assert_cmpstr (value->value_name, ==, rows[i].value_name);
      g_assert_cmpstr (value->value_nick, ==, rows[i].nick);
      g_assert_true (g_enum_get_value_by_nick (klass, rows[i].nick) == value);
    }
}

/* A code that was added to an enum and not to its type would be invisible to other languages. */
static void
test_enum_values_have_no_gaps (void)
{
  const struct
  {
    GType type;
    guint n_values;
  } rows[] = {
    { AIOPOOL_TYPE_TASK_ERROR, AIOPOOL_TASK_ERROR_WRONG_TYPE + 1 },
    { AIOPOOL_TYPE_POOL_ERROR, AIOPOOL_POOL_ERROR_SANDBOX + 1 },
    { AIOPOOL_TYPE_FUTURE_STATE, AIOPOOL_FUTURE_CANCELLED + 1 },
    { AIOPOOL_TYPE_CANCEL_MODE, AIOPOOL_CANCEL_FORCE + 1 },
    { AIOPOOL_TYPE_WORKER_STATE, AIOPOOL_WORKER_DEAD + 1 },
    { AIOPOOL_TYPE_FORMAT, AIOPOOL_FORMAT_PICKLE + 1 },
    { AIOPOOL_TYPE_DEATH_POLICY, AIOPOOL_DEATH_BREAK + 1 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GEnumClass) klass = g_type_class_ref (rows[i].type);

      g_assert_cmpuint (klass->n_values, ==, rows[i].n_values);
      for (guint value = 0; value < rows[i].n_values; value++)
        g_assert_nonnull (g_enum_get_value (klass, (int) value));
    }
}

static void
test_shutdown_flags_are_registered (void)
{
  g_autoptr (GFlagsClass) klass = g_type_class_ref (AIOPOOL_TYPE_SHUTDOWN_FLAGS);
  const guint all = AIOPOOL_SHUTDOWN_CANCEL_PENDING | AIOPOOL_SHUTDOWN_TERMINATE;

  g_assert_true (G_TYPE_IS_FLAGS (AIOPOOL_TYPE_SHUTDOWN_FLAGS));
  g_assert_cmpuint (klass->mask, ==, all);
  g_assert_cmpstr (g_flags_get_value_by_nick (klass, "terminate")->value_name, ==,
                   "AIOPOOL_SHUTDOWN_TERMINATE");
  g_assert_cmpstr (g_flags_get_value_by_nick (klass, "drain")->value_name, ==,
                   "AIOPOOL_SHUTDOWN_DRAIN");
}

static void
test_error_info_gives_back_what_was_set (void)
{
  const char *notes[] = { "first", "second", NULL };
  g_autoptr (AiopoolErrorInfo) info = aiopool_error_info_new ("ValueError", "no such value");
  g_autoptr (AiopoolErrorInfo) cause = aiopool_error_info_new ("KeyError", "x");
  g_autoptr (AiopoolErrorInfo) context = aiopool_error_info_new ("OSError", "y");

  aiopool_error_info_set_traceback (info, "line 1\nline 2");
  aiopool_error_info_set_notes (info, notes);
  aiopool_error_info_set_cause (info, cause);
  aiopool_error_info_set_context (info, context);

  g_assert_cmpstr (aiopool_error_info_get_type_name (info), ==, "ValueError");
  g_assert_cmpstr (aiopool_error_info_get_message (info), ==, "no such value");
  g_assert_cmpstr (aiopool_error_info_get_traceback (info), ==, "line 1\nline 2");
  g_assert_cmpstrv (aiopool_error_info_get_notes (info), notes);
  g_assert_true (aiopool_error_info_get_cause (info) == cause);
  g_assert_true (aiopool_error_info_get_context (info) == context);
}

static void
test_error_info_starts_without_the_rest (void)
{
  g_autoptr (AiopoolErrorInfo) info = aiopool_error_info_new ("", "");

  g_assert_cmpstr (aiopool_error_info_get_type_name (info), ==, "");
  g_assert_cmpstr (aiopool_error_info_get_message (info), ==, "");
  g_assert_null (aiopool_error_info_get_traceback (info));
  g_assert_null (aiopool_error_info_get_notes (info));
  g_assert_null (aiopool_error_info_get_cause (info));
  g_assert_null (aiopool_error_info_get_context (info));
}

static void
test_error_info_can_be_set_twice_and_cleared (void)
{
  const char *old_notes[] = { "old", NULL };
  const char *new_notes[] = { "new", "notes", NULL };
  g_autoptr (AiopoolErrorInfo) info = aiopool_error_info_new ("E", "e");
  g_autoptr (AiopoolErrorInfo) other = aiopool_error_info_new ("F", "f");

  aiopool_error_info_set_traceback (info, "old");
  aiopool_error_info_set_traceback (info, "new");
  aiopool_error_info_set_notes (info, old_notes);
  aiopool_error_info_set_notes (info, new_notes);
  g_assert_cmpstr (aiopool_error_info_get_traceback (info), ==, "new");
  g_assert_cmpstrv (aiopool_error_info_get_notes (info), new_notes);

  aiopool_error_info_set_cause (info, other);
  aiopool_error_info_set_cause (info, other);
  aiopool_error_info_set_cause (info, NULL);
  aiopool_error_info_set_traceback (info, NULL);
  aiopool_error_info_set_notes (info, NULL);
  g_assert_null (aiopool_error_info_get_cause (info));
  g_assert_null (aiopool_error_info_get_traceback (info));
  g_assert_null (aiopool_error_info_get_notes (info));
}

static void
test_error_info_may_be_set_to_its_own_text (void)
{
  g_autoptr (AiopoolErrorInfo) info = aiopool_error_info_new ("E", "e");
  const char *notes[] = { "note", NULL };

  aiopool_error_info_set_traceback (info, "text");
  aiopool_error_info_set_traceback (info, aiopool_error_info_get_traceback (info));
  g_assert_cmpstr (aiopool_error_info_get_traceback (info), ==, "text");

  aiopool_error_info_set_notes (info, notes);
  aiopool_error_info_set_notes (info, aiopool_error_info_get_notes (info));
  g_assert_cmpstrv (aiopool_error_info_get_notes (info), notes);
}

static void
test_error_info_keeps_its_chain_alive (void)
{
  g_autoptr (AiopoolErrorInfo) info = aiopool_error_info_new ("0", "");
  AiopoolErrorInfo *last = info;
  gpointer watched;

  for (int i = 1; i < 10; i++)
    {
      g_autofree char *name = g_strdup_printf ("%d", i);
      g_autoptr (AiopoolErrorInfo) cause = aiopool_error_info_new (name, "");

      aiopool_error_info_set_cause (last, cause);
      last = cause;
    }
  g_assert_cmpstr (aiopool_error_info_get_type_name (last), ==, "9");

  watched = last;
  g_object_add_weak_pointer (G_OBJECT (last), &watched);
  aiopool_error_info_set_cause (info, NULL);
  g_assert_null (watched);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/error/quarks-have-names-of-their-own", test_quarks_have_names_of_their_own);
  g_test_add_func ("/error/enum-values-are-registered", test_enum_values_are_registered);
  g_test_add_func ("/error/enum-values-have-no-gaps", test_enum_values_have_no_gaps);
  g_test_add_func ("/error/shutdown-flags-are-registered", test_shutdown_flags_are_registered);
  g_test_add_func ("/error-info/gives-back-what-was-set", test_error_info_gives_back_what_was_set);
  g_test_add_func ("/error-info/starts-without-the-rest", test_error_info_starts_without_the_rest);
  g_test_add_func ("/error-info/can-be-set-twice-and-cleared",
                   test_error_info_can_be_set_twice_and_cleared);
  g_test_add_func ("/error-info/may-be-set-to-its-own-text",
                   test_error_info_may_be_set_to_its_own_text);
  g_test_add_func ("/error-info/keeps-its-chain-alive", test_error_info_keeps_its_chain_alive);
  return g_test_run ();
}
