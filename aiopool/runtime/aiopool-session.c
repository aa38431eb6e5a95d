/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/runtime/aiopool-session-private.h"

#include "aiopool/base/aiopool-error.h"
#include "aiopool/wire/aiopool-worker-fds-private.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How a process becomes a worker: it finds the variable in its environment, takes over the
 * descriptors, removes the variable so that its children do not think that it is meant for them,
 * reads the configuration and says HELLO.
 *
 * What the parent says about single tasks (cancel, credit) comes on the link thread and meets the
 * task here, in a table that holds only tasks which somebody said or asked something about, one a
 * slot of the status page: a task that gets a slot has seen the end of the one before it. */

static gboolean has_variable_been_read;

/* Also after the variable was removed. */
gboolean
aiopool_session_is_worker (void)
{
  return has_variable_been_read || g_getenv (AIOPOOL_WORKER_VARIABLE) != NULL;
}

static void
on_segment_unused (gpointer owner,
                   guint64  id)
{
  aiopool_session_send_control (owner, AIOPOOL_FRAME_RELEASE, 0, id);
}

static gboolean
read_variable (guint64  *nonce,
               GError  **error)
{
  const char *value = g_getenv (AIOPOOL_WORKER_VARIABLE);
  char *end = NULL;

  if (value == NULL)
    {
      g_set_error_literal (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_NOT_A_WORKER,
                           "This process was not started as a worker of a pool");
      return FALSE;
    }
  if (strtol (value, &end, 10) < 1 || *end != ':')
    {
      g_set_error (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_NOT_A_WORKER,
                   "The variable %s is not as expected: '%s'", AIOPOOL_WORKER_VARIABLE, value);
      return FALSE;
    }
  *nonce = g_ascii_strtoull (end + 1, NULL, 16);
  g_unsetenv (AIOPOOL_WORKER_VARIABLE);
  has_variable_been_read = TRUE;
  return TRUE;
}

static void
close_on_exec (void)
{
  for (int fd = AIOPOOL_FD_DATA; fd <= AIOPOOL_FD_PARENT; fd++)
    fcntl (fd, F_SETFD, FD_CLOEXEC);
}

static void
told_free (gpointer data)
{
  AiopoolTold *told = data;

  g_clear_object (&told->cancellable);
  g_free (told);
}

/* The nonce is kept in config until greet() needs it. */
static gboolean
read_config (AiopoolSession  *self,
             GError         **error)
{
  AiopoolFrame frame;

  while (aiopool_reader_fill (self->reader, TRUE) == AIOPOOL_IO_OK)
    {
      AiopoolFrameStatus status = aiopool_reader_next (self->reader, &frame);

      if (status == AIOPOOL_FRAME_MORE)
        continue;
      if (status == AIOPOOL_FRAME_OK && aiopool_message_parse_config (&frame, &self->config))
        return TRUE;
      break;
    }
  g_set_error_literal (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_NOT_A_WORKER,
                       "The pool that started this worker did not say what it wants");
  return FALSE;
}

static guint64 session_nonce; /* between open() and greet() */

/* (transfer full): lives as long as the process. */
AiopoolSession *
aiopool_session_open (GError **error)
{
  AiopoolSession *self;

  if (!read_variable (&session_nonce, error))
    return NULL;
  close_on_exec ();
  self = g_new0 (AiopoolSession, 1);
  self->data_fd = AIOPOOL_FD_DATA;
  self->control_fd = AIOPOOL_FD_CONTROL;
  self->has_parent_fd = fcntl (AIOPOOL_FD_PARENT, F_GETFD) >= 0; /* before ours can be that */
  self->page = aiopool_status_page_open (AIOPOOL_FD_STATUS, error);
  if (self->page == NULL)
    {
      g_free (self);
      return NULL;
    }
  self->reader = aiopool_reader_new (self->data_fd);
  self->outbox = aiopool_outbox_new (self->data_fd, self->page);
  self->cache = aiopool_segment_cache_new (on_segment_unused, self);
  self->shares = aiopool_shares_new ();
  g_mutex_init (&self->lock);
  g_cond_init (&self->granted);
  self->told = g_hash_table_new_full (NULL, NULL, NULL, told_free);
  return self;
}

/* Says HELLO. */
gboolean
aiopool_session_greet (AiopoolSession  *self,
                       GError         **error)
{
  AiopoolHelloMessage hello = { AIOPOOL_PROTOCOL_VERSION, (gint32) getpid (), session_nonce };

  if (!read_config (self, error))
    return FALSE;
  if (self->config.version_min > AIOPOOL_PROTOCOL_VERSION ||
      self->config.version_max < AIOPOOL_PROTOCOL_VERSION)
    {
      g_set_error (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_START_FAILED,
                   "The pool speaks versions %u to %u of the protocol, this worker version %d",
                   self->config.version_min, self->config.version_max, AIOPOOL_PROTOCOL_VERSION);
      return FALSE;
    }
  self->store = aiopool_segment_store_new (self->config.is_trusted != 0);
  aiopool_link_start (self);
  aiopool_message_write_hello (aiopool_outbox_begin (self->outbox, aiopool_message_hello_size ()),
                               &hello);
  aiopool_outbox_end (self->outbox, NULL);
  aiopool_outbox_flush (self->outbox);
  return TRUE;
}

/* Instead of HELLO: why this worker cannot serve. */
void
aiopool_session_refuse (AiopoolSession *self,
                        int             code,
                        const char     *text)
{
  gsize size = MIN (strlen (text), 4000);

  aiopool_message_write_text (aiopool_outbox_begin (self->outbox,
                                                    aiopool_message_text_size (size)),
                              AIOPOOL_FRAME_REFUSE, (guint64) code, text, size);
  aiopool_outbox_end (self->outbox, NULL);
  aiopool_outbox_flush (self->outbox);
}

/* A frame without a body; thread safe, since the kernel takes so few bytes whole. It waits for a
 * parent that is slow to read, which never waits for a worker. */
void
aiopool_session_send_control (AiopoolSession   *self,
                              AiopoolFrameType  type,
                              guint8            flags,
                              guint64           id)
{
  guint8 frame[AIOPOOL_FRAME_HEADER_SIZE];
  struct pollfd out = { self->control_fd, POLLOUT, 0 };
  gsize sent;

  aiopool_frame_header (frame, (guint8) type, flags, 0, id, 0);
  while (aiopool_channel_send (self->control_fd, frame, sizeof frame, NULL, &sent) ==
         AIOPOOL_IO_AGAIN)
    poll (&out, 1, -1);
}

void
aiopool_session_tell_forgotten (AiopoolSession *self)
{
  g_autoptr (GArray) forgotten = aiopool_segment_store_take_forgotten (self->store);

  for (guint i = 0; forgotten != NULL && i < forgotten->len; i++)
    aiopool_session_send_control (self, AIOPOOL_FRAME_RELEASE, AIOPOOL_SEGMENT_FORGET,
                                  g_array_index (forgotten, guint64, i));
}

static gpointer
slot_key (guint64 id)
{
  return GUINT_TO_POINTER (AIOPOOL_TASK_ID_SLOT (id));
}

/* Under the lock. */
static AiopoolTold *
find_told (AiopoolSession *self,
           guint64         id)
{
  AiopoolTold *told = g_hash_table_lookup (self->told, slot_key (id));

  return told != NULL && told->id == id ? told : NULL;
}

/* Under the lock. NULL if the slot has a later task, which is what the larger id says. */
AiopoolTold *
aiopool_session_get_told (AiopoolSession *self,
                          guint64         id)
{
  AiopoolTold *told = g_hash_table_lookup (self->told, slot_key (id));

  if (told != NULL && told->id >= id)
    return told->id == id ? told : NULL;
  told = g_new0 (AiopoolTold, 1);
  told->id = id;
  g_hash_table_insert (self->told, slot_key (id), told);
  return told;
}

/* The running task @id, which is not answered, wants to hear of a cancel. A parent that speaks of a
 * later task in its slot, as none does, has given it up.
 * Returns: (transfer full). */
GCancellable *
aiopool_session_listen (AiopoolSession *self,
                        guint64         id,
                        gboolean        is_async)
{
  AiopoolTold *told;
  GCancellable *cancellable;
  gboolean is_cancelled;

  g_mutex_lock (&self->lock);
  told = aiopool_session_get_told (self, id);
  if (told != NULL)
    told->is_async = is_async;
  if (told != NULL && told->cancellable == NULL)
    told->cancellable = g_cancellable_new ();
  cancellable = told != NULL ? g_object_ref (told->cancellable) : g_cancellable_new ();
  is_cancelled = told == NULL || told->is_cancelled;
  g_mutex_unlock (&self->lock);
  if (is_cancelled)
    g_cancellable_cancel (cancellable);
  return cancellable;
}

/* The task @id, which listens, may have sent @credit bytes more. One that is over needs none. */
void
aiopool_session_grant (AiopoolSession *self,
                       guint64         id,
                       guint64         credit)
{
  AiopoolTold *told;

  g_mutex_lock (&self->lock);
  told = find_told (self, id);
  if (told != NULL)
    told->credit = told->credit + credit < credit ? G_MAXUINT64 : told->credit + credit;
  g_cond_broadcast (&self->granted);
  g_mutex_unlock (&self->lock);
}

/* Waits until the running task @id, which listens, may have sent @spent bytes. FALSE if it is
 * cancelled or over. */
gboolean
aiopool_session_wait_credit (AiopoolSession *self,
                             guint64         id,
                             guint64         spent)
{
  AiopoolTold *told;
  gboolean may_go_on;

  if (spent <= AIOPOOL_EMIT_CREDIT)
    return TRUE;
  aiopool_outbox_flush (self->outbox);
  g_mutex_lock (&self->lock);
  while ((told = find_told (self, id)) != NULL && !told->is_cancelled &&
         told->credit < spent - AIOPOOL_EMIT_CREDIT)
    g_cond_wait (&self->granted, &self->lock);
  may_go_on = told != NULL && !told->is_cancelled;
  g_mutex_unlock (&self->lock);
  return may_go_on;
}

/* The task @id is over. */
void
aiopool_session_finish (AiopoolSession *self,
                        guint64         id)
{
  g_mutex_lock (&self->lock);
  if (find_told (self, id) != NULL)
    {
      g_hash_table_remove (self->told, slot_key (id));
      g_cond_broadcast (&self->granted);
    }
  g_mutex_unlock (&self->lock);
}
