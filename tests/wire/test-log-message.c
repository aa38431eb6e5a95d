/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/wire/aiopool-log-message-private.h"

#include <string.h>

#define HEADER AIOPOOL_FRAME_HEADER_SIZE

/* Where things are in the body of sample(). */
enum
{
  AT_LEVEL = 0,
  AT_MESSAGE_SIZE = 4,
  AT_DOMAIN_SIZE = 8,
  AT_N_FIELDS = 10,
  AT_ZERO = 12,
  AT_FIRST_KEY_SIZE = 16,
  AT_FIRST_VALUE_SIZE = 18,
  AT_SECOND_KEY_SIZE = 20,
  AT_DOMAIN = 24,
  AT_MESSAGE = 27,
  AT_FIRST_KEY = 33,
  AT_SECOND_KEY = 38,
  SIZE = 46
};

static const AiopoolLogMessage sample = {
  .level = G_LOG_LEVEL_INFO,
  .domain = { "dom", 3 },
  .message = { "hello!", 6 },
  .n_fields = 2,
  .keys = { { "KEY", 3 }, { "PRIORITX", 8 } },
  .values = { { "va", 2 }, { "", 0 } },
};

static void
assert_text (const AiopoolLogText *a,
             const AiopoolLogText *b)
{
  g_assert_cmpmem (a->data, a->size, b->data, b->size);
}

/* (transfer full): the frame, in exactly its memory. */
static guint8 *
write_log (const AiopoolLogMessage *message)
{
  guint8 *data = g_malloc (aiopool_message_log_size (message));

  memset (data, 0xee, aiopool_message_log_size (message));
  aiopool_message_write_log (data, 7, message);
  return data;
}

static gboolean
parse (const guint8      *data,
       gsize              size,
       AiopoolLogMessage *message)
{
  AiopoolFrame frame;
  gsize frame_size;

  return aiopool_frame_parse (data, size, &frame, &frame_size) == AIOPOOL_FRAME_OK &&
         aiopool_message_parse_log (&frame, message);
}

static void
assert_comes_back (const AiopoolLogMessage *in)
{
  g_autofree guint8 *data = write_log (in);
  AiopoolLogMessage out;

  g_assert_true (parse (data, aiopool_message_log_size (in), &out));
  g_assert_cmpuint (out.level, ==, in->level);
  assert_text (&out.domain, &in->domain);
  assert_text (&out.message, &in->message);
  g_assert_cmpuint (out.n_fields, ==, in->n_fields);
  for (guint i = 0; i < in->n_fields; i++)
    {
      assert_text (&out.keys[i], &in->keys[i]);
      assert_text (&out.values[i], &in->values[i]);
    }
}

static void
test_a_record_comes_back (void)
{
  AiopoolLogMessage bare = { .level = G_LOG_LEVEL_DEBUG };

  assert_comes_back (&sample);
  assert_comes_back (&bare);
  bare.level = 1u << 31;
  assert_comes_back (&bare);
}

/* Of @size letters. */
static AiopoolLogText
long_text (char  *memory,
           gsize  size)
{
  memset (memory, 'A', size);
  return (AiopoolLogText) { memory, size };
}

static void
test_limits_are_kept (void)
{
  g_autofree char *memory = g_malloc (AIOPOOL_LOG_MAX_MESSAGE + 1);
  struct { AiopoolLogText *text; gsize limit; } limits[4];
  AiopoolLogMessage message = { .level = G_LOG_LEVEL_DEBUG, .n_fields = 1 };

  limits[0].text = &message.domain;
  limits[0].limit = AIOPOOL_LOG_MAX_DOMAIN;
  limits[1].text = &message.message;
  limits[1].limit = AIOPOOL_LOG_MAX_MESSAGE;
  limits[2].text = &message.keys[0];
  limits[2].limit = AIOPOOL_LOG_MAX_KEY;
  limits[3].text = &message.values[0];
  limits[3].limit = AIOPOOL_LOG_MAX_VALUE;
  for (guint i = 0; i < G_N_ELEMENTS (limits); i++)
    {
      g_autofree guint8 *data = NULL;
      AiopoolLogMessage out;

      message.keys[0] = (AiopoolLogText) { "K", 1 };
      *limits[i].text = long_text (memory, limits[i].limit);
      assert_comes_back (&message);
      *limits[i].text = long_text (memory, limits[i].limit + 1);
      data = write_log (&message);
      g_assert_false (parse (data, aiopool_message_log_size (&message), &out));
      *limits[i].text = (AiopoolLogText) { NULL, 0 };
    }
}

/* Each part is small enough, all together are not. */
static void
test_the_whole_has_a_limit (void)
{
  g_autofree char *memory = g_malloc (AIOPOOL_LOG_MAX_VALUE);
  AiopoolLogMessage message = { .level = G_LOG_LEVEL_DEBUG };
  AiopoolLogMessage out;

  while (aiopool_message_log_size (&message) <= HEADER + AIOPOOL_LOG_MAX_SIZE)
    {
      g_assert_cmpuint (message.n_fields, <, AIOPOOL_LOG_MAX_FIELDS);
      message.keys[message.n_fields] = (AiopoolLogText) { "K", 1 };
      message.values[message.n_fields++] = long_text (memory, AIOPOOL_LOG_MAX_VALUE);
    }
  {
    g_autofree guint8 *data = write_log (&message);

    g_assert_false (parse (data, aiopool_message_log_size (&message), &out));
  }
  message.n_fields--;
  assert_comes_back (&message);
}

typedef struct
{
  const char *what;
  gsize       at;
  gsize       width;
  guint64     value;
} Patch;

static const Patch patches[] = {
  { "no level", AT_LEVEL, 4, 0 },
  { "two levels", AT_LEVEL, 4, G_LOG_LEVEL_INFO | G_LOG_LEVEL_DEBUG },
  { "a fatal flag for a level", AT_LEVEL, 4, G_LOG_FLAG_FATAL },
  { "a recursion flag for a level", AT_LEVEL, 4, G_LOG_FLAG_RECURSION },
  { "a fatal level", AT_LEVEL, 4, G_LOG_LEVEL_INFO | G_LOG_FLAG_FATAL },
  { "a shorter message", AT_MESSAGE_SIZE, 4, 5 },
  { "a longer message", AT_MESSAGE_SIZE, 4, 7 },
  { "a message beyond the frame", AT_MESSAGE_SIZE, 4, 4096 },
  { "a message of a size that sums make small", AT_MESSAGE_SIZE, 4, G_MAXUINT32 },
  { "a longer domain", AT_DOMAIN_SIZE, 2, 4 },
  { "a domain beyond the frame", AT_DOMAIN_SIZE, 2, G_MAXUINT16 },
  { "no fields, with theirs here", AT_N_FIELDS, 2, 0 },
  { "a field less", AT_N_FIELDS, 2, 1 },
  { "a field more", AT_N_FIELDS, 2, 3 },
  { "more fields than there may be", AT_N_FIELDS, 2, AIOPOOL_LOG_MAX_FIELDS + 1 },
  { "fields beyond the frame", AT_N_FIELDS, 2, G_MAXUINT16 },
  { "something where zero is", AT_ZERO, 4, 1 },
  { "a key of no bytes", AT_FIRST_KEY_SIZE, 2, 0 },
  { "a key beyond the frame", AT_FIRST_KEY_SIZE, 2, G_MAXUINT16 },
  { "a longer value", AT_FIRST_VALUE_SIZE, 2, 3 },
  { "a value beyond the frame", AT_FIRST_VALUE_SIZE, 2, G_MAXUINT16 },
  { "a shorter last key", AT_SECOND_KEY_SIZE, 2, 7 },
  { "a domain that is no text", AT_DOMAIN, 1, 0xff },
  { "a message with an end inside", AT_MESSAGE + 1, 1, 0 },
  { "a message that is cut in a letter", AT_MESSAGE + 5, 1, 0xc3 },
  { "a key that is no text", AT_FIRST_KEY, 1, 0x80 },
  { "a key that stands elsewhere in the record", AT_SECOND_KEY, 8, 0x595449524f495250 },
  { "a key that is for the parent to say", AT_SECOND_KEY, 8, 0x5f4c4f4f504f4941 },
};

static void
test_hostile_records_are_refused (void)
{
  g_autofree guint8 *data = write_log (&sample);
  gsize size = aiopool_message_log_size (&sample);
  AiopoolLogMessage out;
  guint32 length;

  memcpy (&length, data, sizeof length);
  g_assert_cmpuint (length, ==, SIZE);
  for (guint i = 0; i < G_N_ELEMENTS (patches); i++)
    {
      g_autofree guint8 *copy = g_memdup2 (data, size);

      g_test_message ("%s", patches[i].what);
      memcpy (copy + HEADER + patches[i].at, &patches[i].value, patches[i].width);
      g_assert_false (parse (copy, size, &out));
    }
  g_assert_true (parse (data, size, &out));
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/log-message/a-record-comes-back", test_a_record_comes_back);
  g_test_add_func ("/log-message/limits-are-kept", test_limits_are_kept);
  g_test_add_func ("/log-message/the-whole-has-a-limit", test_the_whole_has_a_limit);
  g_test_add_func ("/log-message/hostile-records-are-refused", test_hostile_records_are_refused);
  return g_test_run ();
}
