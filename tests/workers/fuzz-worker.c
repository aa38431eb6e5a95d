/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/runtime/aiopool-log-private.h"
#include "aiopool/runtime/aiopool-service.h"
#include "aiopool/runtime/aiopool-session-private.h"
#include "aiopool/wire/aiopool-worker-fds-private.h"
#include "tests/wire/fuzz.h"
#include "tests/workers/fuzz-script.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/sockios.h>

/* The whole worker's side: a real service, whose parent is the input.
 *
 * The service runs here, on the descriptors that a worker is started with; its link thread is a
 * thread of its own. When the service wants to read, the next step of the script is taken, and one
 * after the other while a function of it runs; when there is none left, the parent writes no more.
 * The linker (--wrap) puts the functions below in the place of those by which a worker ends its
 * process, sleeps and waits for its parent.
 *
 * What a parent sends as a value is taken to be in normal form: functions do not look into it. */

#define PAGE_OUTBOX 36864
#define NONCE       "1:77"

typedef enum
{
  STEP_DATA,
  STEP_DATA_FDS, /* with descriptors */
  STEP_CONTROL,
  STEP_PAGE,     /* over the status page */
  STEP_SENT,     /* a task is marked as sent in the page, with so many items if it is a chunk */
  STEP_CLOSE,    /* a socket is closed */
  N_STEPS
} StepKind;

typedef struct
{
  FuzzScript         script;
  int                data_fd;    /* (owned): the parent's end; -1 once closed, as the next */
  int                control_fd; /* (owned) */
  AiopoolStatusPage *page;       /* (owned) */
  GMainContext      *context;    /* (owned) */
  AiopoolSession    *session;    /* (owned) (nullable) */
  GThread           *main;       /* (unowned: lives as long as the process) */
  GThread           *link;       /* (owned) (nullable) */
  GSource           *feed;       /* (owned) */
  GHashTable        *names;      /* (owned): what is interned, for as long as this lasts */
  GQueue             calls;      /* of AiopoolCall, each (owned): not answered yet */
  gboolean           is_over;    /* no step is left */
  jmp_buf            end;        /* where the process would have ended */
} Parent;

static Parent parent;

gssize          __real_recvmsg                     (int                   fd,
                                                    struct msghdr        *message,
                                                    int                   flags);
gssize          __wrap_recvmsg                     (int                   fd,
                                                    struct msghdr        *message,
                                                    int                   flags);
int             __real_poll                        (struct pollfd        *fds,
                                                    nfds_t                n_fds,
                                                    int                   timeout);
int             __wrap_poll                        (struct pollfd        *fds,
                                                    nfds_t                n_fds,
                                                    int                   timeout);
G_NORETURN void __wrap__exit                       (int                   status);
int             __wrap_kill                        (pid_t                 pid,
                                                    int                   number);
void            __wrap_g_usleep                    (gulong                microseconds);
void            __real_g_log_set_writer_func       (GLogWriterFunc        func,
                                                    gpointer              user_data,
                                                    GDestroyNotify        destroy);
void            __wrap_g_log_set_writer_func       (GLogWriterFunc        func,
                                                    gpointer              user_data,
                                                    GDestroyNotify        destroy);
const char     *__wrap_g_intern_string             (const char           *string);
void            __wrap_g_printerr                  (const char           *format,
                                                    ...);
GThread        *__real_g_thread_new                (const char           *name,
                                                    GThreadFunc           func,
                                                    gpointer              data);
GThread        *__wrap_g_thread_new                (const char           *name,
                                                    GThreadFunc           func,
                                                    gpointer              data);
AiopoolSession *__real_aiopool_session_open        (GError              **error);
AiopoolSession *__wrap_aiopool_session_open        (GError              **error);
gboolean        __real_aiopool_session_wait_credit (AiopoolSession       *session,
                                                    guint64               id,
                                                    guint64               spent);
gboolean        __wrap_aiopool_session_wait_credit (AiopoolSession       *session,
                                                    guint64               id,
                                                    guint64               spent);

/* The process would be gone: instead the thread is, or the service's run. */
void
__wrap__exit (int status)
{
  if (g_thread_self () != parent.main)
    g_thread_exit (NULL);
  longjmp (parent.end, 1);
}

int
__wrap_kill (pid_t pid,
             int   number)
{
  return 0;
}

void
__wrap_g_usleep (gulong microseconds)
{
}

/* A name is kept until the process ends, which this one does not. */
const char *
__wrap_g_intern_string (const char *string)
{
  if (!g_hash_table_contains (parent.names, string))
    g_hash_table_add (parent.names, g_strdup (string));
  return g_hash_table_lookup (parent.names, string);
}

void
__wrap_g_printerr (const char *format,
                   ...)
{
}

/* A process may have one once. */
void
__wrap_g_log_set_writer_func (GLogWriterFunc func,
                              gpointer       user_data,
                              GDestroyNotify destroy)
{
  static gboolean is_set;

  if (!is_set)
    __real_g_log_set_writer_func (func, user_data, destroy);
  is_set = TRUE;
}

GThread *
__wrap_g_thread_new (const char  *name,
                     GThreadFunc  func,
                     gpointer     data)
{
  parent.link = __real_g_thread_new (name, func, data);
  return g_thread_ref (parent.link);
}

AiopoolSession *
__wrap_aiopool_session_open (GError **error)
{
  parent.session = __real_aiopool_session_open (error);
  return parent.session;
}

static void
close_one (int *fd)
{
  if (*fd >= 0)
    close (*fd);
  *fd = -1;
}

/* What the worker sent is thrown away. */
static void
drain (int fd)
{
  char bytes[4096];

  while (fd >= 0 && recv (fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
    ;
}

/* Until the other end has read what was sent; a while only, for it may be gone. */
static void
await_read (int fd)
{
  int n_waiting = 0;

  for (guint i = 0; i < 1000; i++)
    {
      if (fd < 0 || ioctl (fd, SIOCOUTQ, &n_waiting) != 0 || n_waiting == 0)
        return;
      g_thread_yield ();
    }
}

static void
mark_sent (const FuzzStep *step)
{
  guint64 generation = step->how / 16 + 1;

  guint64 id = generation << 16 | step->how % 16;

  aiopool_status_page_set_items (parent.page, id, step->size > 0 ? step->data[0] : 5);
  aiopool_status_page_set_sent (parent.page, id);
}

static void
close_socket (guint how)
{
  if (how % 3 == 0)
    shutdown (parent.data_fd, SHUT_WR);
  else if (how % 3 == 1)
    close_one (&parent.data_fd);
  else
    close_one (&parent.control_fd);
}

static void
act (const FuzzStep *step)
{
  g_autoptr (GUnixFDList) fds = NULL;

  switch ((StepKind) step->what)
    {
    case STEP_DATA_FDS:
      fds = fuzz_descriptors (step->how);
      fuzz_send (parent.data_fd, step->data, step->size, fds);
      break;
    case STEP_CONTROL:
      fuzz_send (parent.control_fd, step->data, step->size, NULL);
      await_read (parent.control_fd);
      break;
    case STEP_PAGE:
      fuzz_write_over (aiopool_status_page_get_outbox (parent.page) - PAGE_OUTBOX,
                       PAGE_OUTBOX + AIOPOOL_STATUS_OUTBOX_SIZE, step);
      break;
    case STEP_SENT:
      mark_sent (step);
      break;
    case STEP_CLOSE:
      close_socket (step->how);
      break;
    case STEP_DATA:
    default:
      fuzz_send (parent.data_fd, step->data, step->size, NULL);
      break;
    }
}

/* FALSE if none is left. */
static gboolean
take_step (void)
{
  FuzzStep step;

  if (parent.is_over)
    return FALSE;
  if (fuzz_script_next (&parent.script, N_STEPS, &step))
    act (&step);
  else
    {
      parent.is_over = TRUE;
      shutdown (parent.data_fd, SHUT_WR);
    }
  drain (parent.data_fd);
  drain (parent.control_fd);
  return !parent.is_over;
}

static gboolean
has_input (int fd)
{
  struct pollfd in = { fd, POLLIN, 0 };

  return __real_poll (&in, 1, 0) > 0;
}

/* In small pieces. The service that waits for its parent is the time for the next step. */
gssize
__wrap_recvmsg (int            fd,
                struct msghdr *message,
                int            flags)
{
  message->msg_iov->iov_len = MIN (message->msg_iov->iov_len, FUZZ_PIECE);
  while (fd == AIOPOOL_FD_DATA && (flags & MSG_DONTWAIT) == 0 && !has_input (fd))
    take_step ();
  return __real_recvmsg (fd, message, flags);
}

/* Who waits for room finds some. */
int
__wrap_poll (struct pollfd *fds,
             nfds_t         n_fds,
             int            timeout)
{
  if (fds[0].events == POLLOUT)
    {
      drain (parent.data_fd);
      drain (parent.control_fd);
    }
  return __real_poll (fds, n_fds, timeout);
}

/* Who waits for credit gets it, unless it is cancelled before. */
gboolean
__wrap_aiopool_session_wait_credit (AiopoolSession *session,
                                    guint64         id,
                                    guint64         spent)
{
  if (spent > AIOPOOL_EMIT_CREDIT)
    {
      take_step ();
      aiopool_session_grant (session, id, spent);
    }
  return __real_aiopool_session_wait_credit (session, id, spent);
}

/* While a main loop runs, steps are taken when nothing else is to be done. */
static gboolean
on_idle (gpointer data)
{
  if (parent.calls.length == 0 || (!parent.is_over && parent.script.size % 2 == 0))
    take_step ();
  else
    {
      g_autoptr (AiopoolCall) call = g_queue_pop_head (&parent.calls);

      aiopool_call_return_value (call, g_variant_new_boolean (aiopool_call_is_cancelled (call)));
    }
  return G_SOURCE_CONTINUE;
}

static GVariant *
echo (AiopoolCall *call,
      GVariant    *arguments,
      gpointer     user_data,
      GError     **error)
{
  g_autoptr (GBytes) bytes = NULL;
  AiopoolFormat format;

  aiopool_call_set_result_fds (call, aiopool_call_get_fds (call));
  if (arguments != NULL)
    return g_variant_ref (arguments);
  bytes = aiopool_call_dup_payload (call, &format);
  aiopool_call_return_payload (call, bytes, format);
  return NULL;
}

/* Tells, emits and listens, while the parent goes on. */
static GVariant *
chat (AiopoolCall *call,
      GVariant    *arguments,
      gpointer     user_data,
      GError     **error)
{
  static const char zeros[100 * 1024];

  for (guint i = 0; i < 4; i++)
    {
      take_step ();
      aiopool_call_set_progress (call, 0.25 * i, "on the way");
      aiopool_call_get_time_left (call);
      if (!aiopool_call_emit (call, g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, zeros,
                                                               i * sizeof zeros / 4, 1), error))
        return NULL;
    }
  if (!aiopool_call_is_cancelled (call))
    return g_variant_new_string ("heard nothing");
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_CANCELLED, "heard it");
  return NULL;
}

/* Never looks whether it should stop. A large result. */
static GVariant *
deaf (AiopoolCall *call,
      GVariant    *arguments,
      gpointer     user_data,
      GError     **error)
{
  gsize size = 200 * 1024;
  gpointer buffer = aiopool_call_new_buffer (call, size);

  take_step ();
  take_step ();
  memset (buffer, 0, size);
  aiopool_call_return_buffer (call, buffer, size, AIOPOOL_FORMAT_RAW, NULL);
  return NULL;
}

static void
later (AiopoolCall *call,
       GVariant    *arguments,
       gpointer     user_data)
{
  g_queue_push_tail (&parent.calls, g_object_ref (call));
}

/* As a worker is started. Whatever has the numbers that its descriptors must have is put there by
 * this program, before anything else. */
static void
give (int fd,
      int number)
{
  g_assert_cmpint (dup2 (fd, number), ==, number);
  if (fd != number)
    close (fd);
}

__attribute__ ((constructor)) static void
reserve_descriptors (void)
{
  int fd = open ("/dev/null", O_RDWR);

  for (int number = AIOPOOL_FD_DATA; number <= AIOPOOL_FD_PARENT; number++)
    dup2 (fd, number);
  if (fd > AIOPOOL_FD_PARENT)
    close (fd);
}

static void
start_parent (const guint8 *data,
              gsize         size)
{
  int pair[2], page_fd;

  parent = (Parent) { .script = { data, size }, .main = g_thread_self () };
  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
  parent.data_fd = pair[0];
  give (pair[1], AIOPOOL_FD_DATA);
  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
  parent.control_fd = pair[0];
  give (pair[1], AIOPOOL_FD_CONTROL);
  parent.page = aiopool_status_page_new (&page_fd, NULL);
  g_assert_nonnull (parent.page);
  give (page_fd, AIOPOOL_FD_STATUS);
  parent.names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  parent.context = g_main_context_new ();
  parent.feed = g_idle_source_new ();
  g_source_set_priority (parent.feed, G_PRIORITY_LOW);
  g_source_set_callback (parent.feed, on_idle, NULL, NULL);
  g_source_attach (parent.feed, parent.context);
}

static void
send_config (guint how)
{
  AiopoolConfigMessage config = {
    .version_min = AIOPOOL_PROTOCOL_VERSION, .version_max = AIOPOOL_PROTOCOL_VERSION,
    .max_result_size = (how & 1) != 0 ? 100 : G_MAXUINT32, .is_trusted = (how & 2) == 0,
    .tasks_per_worker = (how & 4) != 0 ? 3 : 1,
  };
  guint8 frame[64] = { 0 };

  aiopool_message_write_config (frame, &config);
  fuzz_send (parent.data_fd, frame, aiopool_message_config_size (), NULL);
}

static void
run_service (guint how)
{
  AiopoolService *service = aiopool_service_new ();

  aiopool_service_add (service, "echo", echo, NULL, NULL);
  aiopool_service_add (service, "chat", chat, NULL, NULL);
  aiopool_service_add (service, "deaf", deaf, NULL, NULL);
  if ((how & 16) != 0)
    aiopool_service_add_async (service, "later", later, NULL, NULL);
  g_setenv (AIOPOOL_WORKER_VARIABLE, NONCE, TRUE);
  close (AIOPOOL_FD_PARENT); /* there is no parent to watch */
  if (setjmp (parent.end) == 0)
    aiopool_service_run (service, NULL);
  else
    g_object_unref (service); /* the reference that the run had */
  g_object_unref (service);
}

/* What lives as long as the process does, when there is one. */
static void
free_session (AiopoolSession *session)
{
  if (session == NULL)
    return;
  aiopool_segment_cache_close (session->cache);
  aiopool_shares_free (session->shares);
  aiopool_reader_free (session->reader);
  aiopool_outbox_free (session->outbox);
  aiopool_status_page_free (session->page);
  g_clear_pointer (&session->store, aiopool_segment_store_free);
  g_clear_pointer (&session->context, g_main_context_unref);
  g_mutex_clear (&session->lock);
  g_cond_clear (&session->granted);
  g_hash_table_unref (session->told);
  g_free (session);
}

static void
end_parent (void)
{
  AiopoolCall *call;

  aiopool_log_stop ();
  close_one (&parent.control_fd);
  g_clear_pointer (&parent.link, g_thread_join);
  while ((call = g_queue_pop_head (&parent.calls)) != NULL)
    g_object_unref (call);
  g_source_destroy (parent.feed);
  while (g_main_context_iteration (parent.context, FALSE))
    ;
  g_clear_pointer (&parent.feed, g_source_unref);
  free_session (parent.session);
  g_clear_pointer (&parent.names, g_hash_table_unref);
  g_clear_pointer (&parent.context, g_main_context_unref);
  g_clear_pointer (&parent.page, aiopool_status_page_free);
  close_one (&parent.data_fd);
  reserve_descriptors ();
}

int
LLVMFuzzerInitialize (int    *argc,
                      char ***argv)
{
  g_log_set_always_fatal (G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING | G_LOG_FATAL_MASK);
  return 0;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  if (size < 2)
    return 0;
  fuzz_note_descriptors ();
  start_parent (data + 1, size - 1);
  if ((data[0] & 8) == 0)
    send_config (data[0]);
  g_main_context_push_thread_default (parent.context);
  run_service (data[0]);
  g_main_context_pop_thread_default (parent.context);
  end_parent ();
  fuzz_expect_descriptors ();
  return 0;
}
