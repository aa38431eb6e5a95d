/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/runtime/aiopool-log-private.h"

#include "aiopool/wire/aiopool-log-message-private.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What is logged in a worker goes to its parent: this is the process's writer of GLib's log, of
 * which there can be only one, ever.
 *
 * A record is put into the outbox, and goes out with the next answer or on the outbox's timer. It
 * never waits, neither for room there nor for credit: what cannot go at once is written to standard
 * error, as without all this. So is what is logged while this thread fills the outbox, in a fork,
 * and before and after serving. GLib itself keeps what the writer logs away from it.
 *
 * A record that is about to end the process goes both ways: to the parent's log, and to standard
 * error, whose last lines are in the error of the task.
 *
 * Threads: any. What is not atomic is written before the first record. */

static struct
{
  AiopoolSession  *session; /* (unowned: lives as long as the process) */
  int              pid;     /* of who may use the session */
  _Atomic int      is_on;   /* between follow() and stop() */
  _Atomic guint    fatal;   /* GLogLevelFlags: what ends the process, as known last */
  _Atomic guint64  spent;   /* bytes of credit */
  _Atomic guint64  granted; /* bytes of credit beyond the first ones; only the link thread writes */
} self;

/* In the serving thread: where it says which call it runs. */
static _Thread_local AiopoolCall **followed;

/* GLib has no other way to ask than to set it: to what it is, unless the program changed it. */
static gboolean
is_fatal (GLogLevelFlags level)
{
  GLogLevelFlags known = atomic_load (&self.fatal);
  GLogLevelFlags is = g_log_set_always_fatal (known);

  if (is != known)
    {
      g_log_set_always_fatal (is);
      atomic_store (&self.fatal, is);
    }
  return (level & (is | G_LOG_FLAG_FATAL)) != 0;
}

static const char *
find_field (const GLogField *fields,
            gsize            n_fields,
            const char      *key)
{
  for (gsize i = 0; i < n_fields; i++)
    {
      if (fields[i].length < 0 && strcmp (fields[i].key, key) == 0)
        return fields[i].value;
    }
  return NULL;
}

/* What of @size bytes, which need not be text, can go as text of at most @max bytes. @memory (out):
 * (nullable): what to free. */
static AiopoolLogText
to_text (const char  *data,
         gsize        size,
         gsize        max,
         char       **memory)
{
  gsize cut = MIN (size, max);
  const char *end;

  *memory = NULL;
  if (!g_utf8_validate_len (data, cut, &end) && (size <= max || data + cut - end >= 4))
    {
      *memory = g_utf8_make_valid (data, (gssize) cut);
      data = *memory;
      g_utf8_validate_len (data, MIN (strlen (data), max), &end);
    }
  return (AiopoolLogText) { data, (gsize) (end - data) };
}

/* A record on its way. */
typedef struct
{
  AiopoolLogMessage message;
  gsize             size; /* bytes of it in a frame */
  char             *memory[2 * AIOPOOL_LOG_MAX_FIELDS + 2]; /* (owned) (nullable) */
  guint             n_memory;
} Record;

static AiopoolLogText
add_text (Record     *record,
          const char *data,
          gsize       size,
          gsize       max)
{
  return to_text (data, size, max, &record->memory[record->n_memory++]);
}

/* Leaves out what is binary, too much, or stands elsewhere in the record. */
static void
add_field (Record          *record,
           const GLogField *field)
{
  AiopoolLogMessage *message = &record->message;
  guint n = message->n_fields;
  gsize key_size = strlen (field->key);
  gsize size;

  if (field->length >= 0 || n == AIOPOOL_LOG_MAX_FIELDS || field->value == NULL ||
      key_size == 0 || key_size > AIOPOOL_LOG_MAX_KEY ||
      !g_utf8_validate_len (field->key, key_size, NULL) ||
      aiopool_log_is_reserved (field->key, key_size))
    return;
  message->keys[n] = (AiopoolLogText) { field->key, key_size };
  message->values[n] = add_text (record, field->value, strlen (field->value),
                                 AIOPOOL_LOG_MAX_VALUE);
  size = key_size + message->values[n].size + 4;
  if (record->size + size > AIOPOOL_LOG_MAX_SIZE)
    return;
  record->size += size;
  message->n_fields++;
}

static void
record_init (Record          *record,
             GLogLevelFlags   level,
             const GLogField *fields,
             gsize            n_fields)
{
  AiopoolLogMessage *message = &record->message;
  const char *domain = find_field (fields, n_fields, "GLIB_DOMAIN");
  const char *text = find_field (fields, n_fields, "MESSAGE");

  message->level = (guint32) level & G_LOG_LEVEL_MASK;
  message->level &= ~(message->level - 1); /* the lowest, which is the worst */
  message->n_fields = 0;
  record->n_memory = 0;
  domain = domain != NULL ? domain : "";
  text = text != NULL ? text : "";
  message->domain = add_text (record, domain, strlen (domain), AIOPOOL_LOG_MAX_DOMAIN);
  message->message = add_text (record, text, strlen (text), AIOPOOL_LOG_MAX_MESSAGE);
  record->size = message->domain.size + message->message.size + 64;
  for (gsize i = 0; i < n_fields && record->n_memory < G_N_ELEMENTS (record->memory); i++)
    add_field (record, &fields[i]);
}

static void
record_clear (Record *record)
{
  for (guint i = 0; i < record->n_memory; i++)
    g_free (record->memory[i]);
}

/* FALSE if the parent has not taken enough of what went before. */
static gboolean
spend (guint64 cost)
{
  guint64 spent = atomic_load (&self.spent);

  do
    {
      if (spent + cost > atomic_load (&self.granted) + AIOPOOL_LOG_CREDIT)
        return FALSE;
    }
  while (!atomic_compare_exchange_weak (&self.spent, &spent, spent + cost));
  return TRUE;
}

/* Of the task that runs in this thread, or 0. Between begin() and end() of the outbox: an answer
 * that another thread gives meanwhile is put there after this. */
static guint64
get_task (void)
{
  AiopoolCall *call = followed != NULL ? g_atomic_pointer_get (followed) : NULL;

  return call != NULL && !aiopool_call_is_answered (call) ? call->id : 0;
}

static gboolean
send_record (const Record *record)
{
  gsize size = aiopool_message_log_size (&record->message);
  guint64 cost = (guint64) AIOPOOL_LOG_COST (size - AIOPOOL_FRAME_HEADER_SIZE);
  guint8 *out;

  if (!spend (cost))
    return FALSE;
  out = aiopool_outbox_try_begin (self.session->outbox, size);
  if (out == NULL)
    {
      atomic_fetch_sub (&self.spent, cost);
      return FALSE;
    }
  aiopool_message_write_log (out, get_task (), &record->message);
  aiopool_outbox_end (self.session->outbox, NULL);
  aiopool_outbox_watch (self.session->outbox);
  return TRUE;
}

/* FALSE if it cannot go to the parent. */
static gboolean
forward (GLogLevelFlags   level,
         const GLogField *fields,
         gsize            n_fields)
{
  gboolean is_sent;
  Record record;

  if (!atomic_load (&self.is_on) || getpid () != self.pid || aiopool_outbox_is_mine () ||
      (level & G_LOG_LEVEL_MASK) == 0)
    return FALSE;
  record_init (&record, level, fields, n_fields);
  is_sent = send_record (&record);
  record_clear (&record);
  return is_sent;
}

/* All to standard error: what is on standard output is the program's. */
static void
write_here (GLogLevelFlags   level,
            const GLogField *fields,
            gsize            n_fields)
{
  g_autofree char *text = g_log_writer_format_fields (level, fields, n_fields, FALSE);

  fprintf (stderr, "%s\n", text);
  fflush (stderr);
}

/* What another log than GLib's says: it has decided by itself that it is worth it, and that it does
 * not end the process. FALSE if it cannot go to the parent. */
gboolean
aiopool_log_send (GLogLevelFlags   level,
                  const GLogField *fields,
                  gsize            n_fields)
{
  return forward (level, fields, n_fields);
}

static GLogWriterOutput
write_record (GLogLevelFlags   level,
              const GLogField *fields,
              gsize            n_fields,
              gpointer         user_data)
{
  gboolean is_sent;

  if (g_log_writer_default_would_drop (level, find_field (fields, n_fields, "GLIB_DOMAIN")))
    return G_LOG_WRITER_HANDLED;
  is_sent = forward (level, fields, n_fields);
  if (is_fatal (level))
    return g_log_writer_default (level, fields, n_fields, NULL); /* which may not return */
  if (!is_sent)
    write_here (level, fields, n_fields);
  return G_LOG_WRITER_HANDLED;
}

/* Once in a process, which ends if it has a writer already: before the parent thinks that it is
 * ready. Until the process serves everything goes to standard error. */
void
aiopool_log_start (AiopoolSession *session)
{
  self.session = session;
  self.pid = (int) getpid ();
  atomic_store (&self.fatal, G_LOG_FATAL_MASK);
  is_fatal (G_LOG_LEVEL_DEBUG);
  g_log_set_writer_func (write_record, NULL, NULL);
}

/* From now on everything goes to standard error. */
void
aiopool_log_stop (void)
{
  followed = NULL;
  atomic_store (&self.is_on, FALSE);
}

/* In the serving thread, if start() was called: from now on records go to the parent. @current:
 * where it says which call it runs, atomic. */
void
aiopool_log_follow (AiopoolCall **current)
{
  followed = current;
  atomic_store (&self.is_on, self.session != NULL);
}

/* The parent has taken @credit bytes of records. */
void
aiopool_log_grant (guint64 credit)
{
  atomic_fetch_add (&self.granted, credit);
}
