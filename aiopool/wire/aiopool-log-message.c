/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/wire/aiopool-log-message-private.h"

#include <string.h>

/* A log record in a frame: a head, the sizes of the fields, then all texts one behind the other.
 * As the other parsers this one is pure, copies nothing, and takes only what is exactly right. */

#define PARENT_PREFIX "AIOPOOL_"

typedef struct
{
  guint32 level;
  guint32 message_size;
  guint16 domain_size;
  guint16 n_fields;
  guint32 zero;
} LogHead;

typedef struct
{
  guint16 key_size;
  guint16 value_size;
} FieldHead;

/* What stands elsewhere in the record, is a matter of GLib alone, or is for the parent to say. */
gboolean
aiopool_log_is_reserved (const char *key,
                         gsize       size)
{
  static const char *reserved[] = { "MESSAGE", "PRIORITY", "GLIB_DOMAIN", "GLIB_OLD_LOG_API" };

  if (size >= strlen (PARENT_PREFIX) && memcmp (key, PARENT_PREFIX, strlen (PARENT_PREFIX)) == 0)
    return TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (reserved); i++)
    {
      if (strlen (reserved[i]) == size && memcmp (reserved[i], key, size) == 0)
        return TRUE;
    }
  return FALSE;
}

static gsize
body_size (const AiopoolLogMessage *message)
{
  gsize size = sizeof (LogHead) + message->domain.size + message->message.size;

  for (guint i = 0; i < message->n_fields; i++)
    size += sizeof (FieldHead) + message->keys[i].size + message->values[i].size;
  return size;
}

gsize
aiopool_message_log_size (const AiopoolLogMessage *message)
{
  return AIOPOOL_FRAME_HEADER_SIZE + AIOPOOL_FRAME_PAD (body_size (message));
}

static guint8 *
put (guint8        *out,
     gconstpointer  data,
     gsize          size)
{
  if (size > 0)
    memcpy (out, data, size);
  return out + size;
}

void
aiopool_message_write_log (guint8                  *out,
                           guint64                  id,
                           const AiopoolLogMessage *message)
{
  LogHead head = { .level = message->level };
  gsize size = body_size (message);

  head.message_size = (guint32) message->message.size;
  head.domain_size = (guint16) message->domain.size;
  head.n_fields = (guint16) message->n_fields;
  aiopool_frame_header (out, AIOPOOL_FRAME_LOG, 0, 0, id, (guint32) size);
  out = put (out + AIOPOOL_FRAME_HEADER_SIZE, &head, sizeof head);
  for (guint i = 0; i < message->n_fields; i++)
    {
      FieldHead field = { (guint16) message->keys[i].size, (guint16) message->values[i].size };

      out = put (out, &field, sizeof field);
    }
  out = put (out, message->domain.data, message->domain.size);
  out = put (out, message->message.data, message->message.size);
  for (guint i = 0; i < message->n_fields; i++)
    {
      out = put (out, message->keys[i].data, message->keys[i].size);
      out = put (out, message->values[i].data, message->values[i].size);
    }
  memset (out, 0, AIOPOOL_FRAME_PAD (size) - size);
}

/* Exactly one level, which is none of the two flags. */
static gboolean
is_level (guint32 level)
{
  return level > (G_LOG_FLAG_RECURSION | G_LOG_FLAG_FATAL) && (level & (level - 1)) == 0;
}

/* The next @size bytes of the @left ones at @data. */
static gboolean
take (const char     **data,
      gsize           *left,
      gsize            size,
      AiopoolLogText  *text)
{
  if (size > *left || !g_utf8_validate_len (*data, size, NULL))
    return FALSE;
  *text = (AiopoolLogText) { *data, size };
  *data += size;
  *left -= size;
  return TRUE;
}

static gboolean
take_field (const char      **data,
            gsize            *left,
            const FieldHead  *head,
            AiopoolLogText   *key,
            AiopoolLogText   *value)
{
  return head->key_size > 0 && head->key_size <= AIOPOOL_LOG_MAX_KEY &&
         head->value_size <= AIOPOOL_LOG_MAX_VALUE &&
         take (data, left, head->key_size, key) && take (data, left, head->value_size, value) &&
         !aiopool_log_is_reserved (key->data, key->size);
}

/* FALSE if it cannot be that of a record with @left bytes behind it. */
static gboolean
check_head (const LogHead *head,
            gsize          left)
{
  return is_level (head->level) && head->zero == 0 && head->n_fields <= AIOPOOL_LOG_MAX_FIELDS &&
         head->domain_size <= AIOPOOL_LOG_MAX_DOMAIN &&
         head->message_size <= AIOPOOL_LOG_MAX_MESSAGE &&
         head->n_fields * sizeof (FieldHead) <= left;
}

gboolean
aiopool_message_parse_log (const AiopoolFrame *frame,
                           AiopoolLogMessage  *message)
{
  const char *data = (const char *) frame->body;
  gsize left = frame->length;
  const char *fields;
  LogHead head;

  if (frame->type != AIOPOOL_FRAME_LOG || frame->n_fds != 0 || left > AIOPOOL_LOG_MAX_SIZE ||
      left < sizeof head)
    return FALSE;
  memcpy (&head, data, sizeof head);
  fields = data + sizeof head;
  left -= sizeof head;
  if (!check_head (&head, left))
    return FALSE;
  data = fields + head.n_fields * sizeof (FieldHead);
  left -= head.n_fields * sizeof (FieldHead);
  message->level = head.level;
  message->n_fields = head.n_fields;
  if (!take (&data, &left, head.domain_size, &message->domain) ||
      !take (&data, &left, head.message_size, &message->message))
    return FALSE;
  for (guint i = 0; i < head.n_fields; i++)
    {
      FieldHead field;

      memcpy (&field, fields + i * sizeof field, sizeof field);
      if (!take_field (&data, &left, &field, &message->keys[i], &message->values[i]))
        return FALSE;
    }
  return left == 0;
}
