/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <aiopool/aiopool.h>

#include "aiopool/api/aiopool-pool-private.h"
#include "aiopool/base/aiopool-engine-private.h"
#include "aiopool/wire/aiopool-channel-private.h"
#include "aiopool/wire/aiopool-message-private.h"
#include "aiopool/wire/aiopool-status-page-private.h"
#include "aiopool/workers/aiopool-launcher-private.h"
#include "tests/wire/fuzz.h"
#include "tests/workers/fuzz-script.h"

#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The whole parent's side: a real pool, whose workers, one or two, are the input.
 *
 * There is no process. The linker (--wrap) puts the functions below in the place of those by which
 * the library starts one, watches it and kills it, so that the other ends of the sockets and the
 * status page are here. It puts others in the place of the clock and of the start of the engine's
 * thread: the engine's context is iterated here too, and what happens depends on nothing but the
 * input. Nothing in the library knows of this. */

#define PAGE_OUTBOX 36864 /* where the outbox begins in the status page */
#define MAX_FUTURES 16
#define MAX_CHUNKS  16
#define MAX_FAKES   2
#define MAX_IDS     64
#define MAX_ROUNDS  2000

typedef enum
{
  STEP_DATA,     /* bytes on the data socket */
  STEP_DATA_FDS, /* with descriptors */
  STEP_CONTROL,  /* bytes on the control socket */
  STEP_PAGE,     /* over the status page */
  STEP_START,    /* a task that came is marked as started */
  STEP_ANSWER,   /* bytes on the data socket, with the id of a task that came */
  STEP_HELLO,    /* as it should be */
  STEP_END,      /* the process ends */
  STEP_CLOSE,    /* a socket is closed */
  STEP_SUBMIT,   /* the parent wants more */
  STEP_CANCEL,   /* or less */
  STEP_TIME,     /* goes by */
  STEP_DEAF,     /* the process stops reading, or begins again */
  STEP_OTHER,    /* what follows is about the other process */
  STEP_CLAIM,    /* an item of a task that came is begun */
  STEP_SHORTEN,  /* the parent takes items back */
  N_STEPS
} StepKind;

typedef struct
{
  GObject            *process; /* (unowned: the peer) what the library takes for it */
  int                 data_fd; /* (owned) -1 once closed, as the next */
  int                 control_fd;
  guint64             nonce;
  AiopoolStatusPage  *page;    /* (owned) */
  AiopoolReader      *data;    /* (owned) */
  guint64             ids[MAX_IDS]; /* of tasks that came */
  guint               n_ids;
  gboolean            is_deaf;
  gboolean            is_ending;
  int                 end;     /* signal, or -status */
  GAsyncReadyCallback on_end;
  gpointer            on_end_data;
} Fake;

typedef struct
{
  AiopoolExecutor *pool;    /* (owned) */
  AiopoolFuture   *futures[MAX_FUTURES]; /* (owned) */
  guint            n_futures;
  AiopoolJob      *chunks[MAX_CHUNKS]; /* (owned) of Chunk: all of them */
  guint            n_chunks;
  guint            n_open;  /* not settled */
} Run;

/* Items on the pool's scheduler itself. */
typedef struct
{
  AiopoolJob  job; /* first */
  AiopoolSpec spec;
  Run        *run;
  guint       end;    /* what was taken back is behind it */
  guint       n_came;
} Chunk;

static GMainContext *engine_context; /* (unowned: the engine) */
static gint64        now = G_USEC_PER_SEC;
static Fake         *fakes[MAX_FAKES]; /* each (owned) (nullable) */
static guint         current; /* the one that steps are about */

gssize           __real_recvmsg                        (int                   fd,
                                                        struct msghdr        *message,
                                                        int                   flags);
gssize           __wrap_recvmsg                        (int                   fd,
                                                        struct msghdr        *message,
                                                        int                   flags);
GThread         *__wrap_g_thread_try_new               (const char           *name,
                                                        GThreadFunc           func,
                                                        gpointer              data,
                                                        GError              **error);
void             __wrap_g_main_context_set_poll_func   (GMainContext         *context,
                                                        GPollFunc             func);
void             __real_g_main_context_set_poll_func   (GMainContext         *context,
                                                        GPollFunc             func);
gint64           __wrap_g_get_monotonic_time           (void);
gint64           __wrap_g_source_get_time              (GSource              *source);
GSubprocess     *__wrap_aiopool_launcher_spawn         (AiopoolLauncher      *launcher,
                                                        AiopoolLaunchFds     *fds,
                                                        guint64               nonce,
                                                        GError              **error);
const char      *__wrap_g_subprocess_get_identifier    (GSubprocess          *process);
void             __wrap_g_subprocess_send_signal       (GSubprocess          *process,
                                                        int                   number);
void             __wrap_g_subprocess_wait_async        (GSubprocess          *process,
                                                        GCancellable         *cancellable,
                                                        GAsyncReadyCallback   callback,
                                                        gpointer              user_data);
gboolean         __wrap_g_subprocess_wait_finish       (GSubprocess          *process,
                                                        GAsyncResult         *result,
                                                        GError              **error);
gboolean         __wrap_g_subprocess_get_if_signaled   (GSubprocess          *process);
int              __wrap_g_subprocess_get_term_sig      (GSubprocess          *process);
int              __wrap_g_subprocess_get_exit_status   (GSubprocess          *process);

/* Whatever the kernel has, the library gets it in small pieces. */
gssize
__wrap_recvmsg (int            fd,
                struct msghdr *message,
                int            flags)
{
  message->msg_iov->iov_len = MIN (message->msg_iov->iov_len, FUZZ_PIECE);
  return __real_recvmsg (fd, message, flags);
}

GThread *
__wrap_g_thread_try_new (const char  *name,
                         GThreadFunc  func,
                         gpointer     data,
                         GError     **error)
{
  return g_thread_ref (g_thread_self ());
}

void
__wrap_g_main_context_set_poll_func (GMainContext *context,
                                     GPollFunc     func)
{
  engine_context = context;
  __real_g_main_context_set_poll_func (context, func);
}

/* It goes on with each look, so that nobody waits for it in a loop. */
gint64
__wrap_g_get_monotonic_time (void)
{
  return now++;
}

gint64
__wrap_g_source_get_time (GSource *source)
{
  return now;
}

static void
close_one (int *fd)
{
  if (*fd >= 0)
    close (*fd);
  *fd = -1;
}

static void
fake_free (Fake *self)
{
  close_one (&self->data_fd);
  close_one (&self->control_fd);
  aiopool_reader_free (self->data);
  aiopool_status_page_free (self->page);
  g_free (self);
}

GSubprocess *
__wrap_aiopool_launcher_spawn (AiopoolLauncher   *launcher,
                               AiopoolLaunchFds  *fds,
                               guint64            nonce,
                               GError           **error)
{
  guint i = fakes[0] == NULL ? 0 : 1;
  Fake *fake = g_new0 (Fake, 1);

  g_assert_null (fakes[i]);
  fakes[i] = fake;
  fake->process = g_object_new (G_TYPE_OBJECT, NULL);
  fake->data_fd = fds->data;
  fake->control_fd = fds->control;
  fake->nonce = nonce;
  fake->page = aiopool_status_page_open (fds->status, NULL);
  fake->data = aiopool_reader_new (fake->data_fd);
  close (fds->status);
  close (fds->standard_error);
  return (GSubprocess *) fake->process;
}

static Fake *
find_fake (gpointer process)
{
  for (guint i = 0; i < MAX_FAKES; i++)
    {
      if (fakes[i] != NULL && fakes[i]->process == process)
        return fakes[i];
    }
  return NULL;
}

/* None: then the library signals by the process alone, and waits for nothing else. */
const char *
__wrap_g_subprocess_get_identifier (GSubprocess *process)
{
  return NULL;
}

void
__wrap_g_subprocess_wait_async (GSubprocess         *process,
                                GCancellable        *cancellable,
                                GAsyncReadyCallback  callback,
                                gpointer             user_data)
{
  Fake *fake = find_fake (process);

  fake->on_end = callback;
  fake->on_end_data = user_data;
}

gboolean
__wrap_g_subprocess_wait_finish (GSubprocess   *process,
                                 GAsyncResult  *result,
                                 GError       **error)
{
  return TRUE;
}

static int last_end;

gboolean
__wrap_g_subprocess_get_if_signaled (GSubprocess *process)
{
  return last_end > 0;
}

int
__wrap_g_subprocess_get_term_sig (GSubprocess *process)
{
  return last_end;
}

int
__wrap_g_subprocess_get_exit_status (GSubprocess *process)
{
  return -last_end;
}

/* As its parent sees it: first the sockets, then the process. */
static void
on_end (gpointer data)
{
  Fake *self = data;
  GAsyncReadyCallback callback = self->on_end;
  gpointer user_data = self->on_end_data;
  GObject *process = self->process;

  last_end = self->end;
  fakes[fakes[0] == self ? 0 : 1] = NULL;
  fake_free (self);
  callback (process, NULL, user_data);
}

static void
end_fake (Fake *fake,
          int   end)
{
  if (fake == NULL || fake->is_ending)
    return;
  fake->is_ending = TRUE;
  fake->end = end;
  aiopool_engine_post (on_end, fake);
}

/* It may be of a worker that has ended. */
void
__wrap_g_subprocess_send_signal (GSubprocess *process,
                                 int          number)
{
  end_fake (find_fake (process), number);
}

/* What the parent sent. */
static void
read_tasks (Fake *fake)
{
  guint8 bytes[1024];
  AiopoolFrame frame;

  if (fake == NULL || fake->is_deaf)
    return;
  while (fake->data_fd >= 0 && aiopool_reader_fill (fake->data, FALSE) == AIOPOOL_IO_OK)
    {
      while (aiopool_reader_next (fake->data, &frame) == AIOPOOL_FRAME_OK)
        {
          g_clear_object (&(GUnixFDList *) { aiopool_reader_take_fds (fake->data, frame.n_fds) });
          if (frame.type == AIOPOOL_FRAME_TASK && fake->n_ids < MAX_IDS)
            fake->ids[fake->n_ids++] = frame.id;
        }
    }
  while (fake->control_fd >= 0 &&
         recv (fake->control_fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
    ;
}

/* Until nothing happens by itself. */
static void
settle (void)
{
  gboolean is_moving = TRUE;

  for (guint i = 0; is_moving && i < MAX_ROUNDS; i++)
    {
      is_moving = g_main_context_iteration (engine_context, FALSE);
      is_moving |= g_main_context_iteration (NULL, FALSE);
    }
  g_assert_false (is_moving); /* nobody goes round for nothing */
  for (guint i = 0; i < MAX_FAKES; i++)
    read_tasks (fakes[i]);
}

static void submit_chunk (Run      *self,
                          guint     how,
                          guint     n_items,
                          gboolean  is_rest);

static void
on_items (AiopoolJob   *job,
          AiopoolItems *items)
{
  Chunk *chunk = (Chunk *) job;
  g_autoptr (GVariant) array = NULL;

  g_assert_cmpuint (items->first, ==, chunk->n_came);
  g_assert_cmpuint (items->first + items->n, <=, chunk->end);
  chunk->n_came += items->n;
  if (items->values == NULL)
    {
      g_assert_cmpuint (items->n, ==, 1);
      g_assert_true ((items->outcome.payload == NULL) == (items->outcome.error != NULL));
      return;
    }
  array = aiopool_payload_dup_variant (items->values, FALSE);
  g_assert_cmpuint (g_variant_n_children (array), ==, items->n);
  for (guint i = 0; i < items->n; i++)
    {
      g_autoptr (GVariant) value = g_variant_get_child_value (array, i);
      g_autoptr (GVariant) normal = g_variant_get_normal_form (value);

      g_assert_true (g_variant_is_normal_form (normal));
    }
}

static void
take_rest (Chunk *chunk,
           guint  from)
{
  guint n = chunk->end > from ? chunk->end - from : 0;

  chunk->end -= n;
  if (n > 0)
    submit_chunk (chunk->run, 0, n, TRUE);
}

static void
on_settled (AiopoolJob       *job,
            AiopoolOutcome   *outcome,
            AiopoolPostBatch *batch)
{
  Chunk *chunk = (Chunk *) job;

  g_assert_null (outcome->payload);
  g_assert_cmpuint (outcome->n_begun, >=, chunk->n_came);
  g_assert_true (outcome->error != NULL || outcome->n_begun == chunk->n_came);
  if (outcome->error == NULL || outcome->n_begun > 0)
    take_rest (chunk, outcome->n_begun);
  chunk->run->n_open--;
}

static void
on_released (AiopoolJob       *job,
             AiopoolPostBatch *batch)
{
}

static void
on_shortened (AiopoolJob       *job,
              guint             n_items,
              AiopoolPostBatch *batch)
{
  take_rest ((Chunk *) job, n_items);
}

static void
on_progress (AiopoolJob *job,
             double      fraction,
             char       *text)
{
  g_free (text);
}

static gboolean
on_logged (AiopoolJob       *job,
           AiopoolLogRecord *record)
{
  return FALSE;
}

static const AiopoolJobClass chunk_class = {
  .settled = on_settled, .released = on_released, .progress = on_progress, .logged = on_logged,
  .items = on_items, .shortened = on_shortened
};

static void
submit_chunk (Run      *self,
              guint     how,
              guint     n_items,
              gboolean  is_rest)
{
  static const AiopoolSpecOptions options[2] = { { .timeout = 0 }, { .timeout = 250000 } };
  static const gint64 values[16] = { 0 };
  AiopoolPayloadView view = { AIOPOOL_FORMAT_GVARIANT, "ax", values, n_items * sizeof (gint64) };
  AiopoolScheduler *scheduler = AIOPOOL_POOL (self->pool)->scheduler;
  Chunk *chunk;

  if (self->n_chunks == MAX_CHUNKS)
    return;
  chunk = g_new0 (Chunk, 1);
  chunk->job.klass = &chunk_class;
  chunk->job.holds = 1;
  chunk->job.is_rest = is_rest;
  chunk->spec = (AiopoolSpec) { g_intern_static_string ("function"),
                                aiopool_payload_new_copy (&view), &options[how & 1], n_items };
  chunk->run = self;
  chunk->end = n_items;
  self->chunks[self->n_chunks++] = &chunk->job;
  self->n_open += aiopool_scheduler_submit (scheduler, &chunk->job, &chunk->spec, NULL);
}

static void
shorten (Run   *self,
         guint  how)
{
  Chunk *chunk;

  if (self->n_chunks == 0)
    return;
  chunk = (Chunk *) self->chunks[(how >> 4) % self->n_chunks];
  if (chunk->job.scheduler != NULL)
    aiopool_scheduler_shorten (chunk->job.scheduler, &chunk->job, how & 15);
}

static void
free_chunks (Run *self)
{
  g_assert_cmpuint (self->n_open, ==, 0);
  for (guint i = 0; i < self->n_chunks; i++)
    {
      aiopool_payload_unref (((Chunk *) self->chunks[i])->spec.argument);
      g_free (self->chunks[i]);
    }
}

/* Its argument is small, in shared memory, or more than the socket takes twice. */
static AiopoolTask *
new_task (guint how)
{
  static const char zeros[AIOPOOL_INLINE_LIMIT + 8];
  gsize size = (how & 1) != 0 ? sizeof zeros : (how & 32) != 0 ? AIOPOOL_INLINE_LIMIT : 16;
  g_autoptr (GUnixFDList) fds = NULL;
  AiopoolTask *task;

  task = aiopool_task_new ((how & 2) != 0 ? "other" : "function",
                           g_variant_new_from_data (G_VARIANT_TYPE_BYTESTRING, zeros, size, TRUE,
                                                    NULL, NULL));
  if ((how & 4) != 0)
    aiopool_task_set_timeout (task, 0.25);
  if ((how & 8) != 0)
    {
      fds = fuzz_descriptors (7);
      aiopool_task_set_fds (task, fds);
    }
  if ((how & 16) != 0)
    aiopool_task_set_retries (task, 1);
  return task;
}

static void
submit (Run   *self,
        guint  how)
{
  g_autoptr (AiopoolTask) task = NULL;
  AiopoolFuture *future;

  if ((how & 64) != 0)
    {
      submit_chunk (self, how, 1 + (how & 15), FALSE);
      return;
    }
  if (self->n_futures == MAX_FUTURES)
    return;
  task = new_task (how);
  future = aiopool_executor_submit (self->pool, task, NULL, NULL);
  if (future != NULL)
    self->futures[self->n_futures++] = future;
}

static void
say_hello (Fake *fake)
{
  AiopoolHelloMessage hello = { AIOPOOL_PROTOCOL_VERSION, 1, fake->nonce };
  guint8 frame[64] = { 0 };

  aiopool_message_write_hello (frame, &hello);
  fuzz_send (fake->data_fd, frame, aiopool_message_hello_size (), NULL);
}

/* The first frame is about a task that came. */
static void
answer (Fake           *fake,
        const FuzzStep *step)
{
  g_autofree guint8 *copy = g_memdup2 (step->data, step->size);
  guint64 id = fake->n_ids > 0 ? fake->ids[step->how % fake->n_ids] : 0;

  if (step->size >= AIOPOOL_FRAME_HEADER_SIZE)
    memcpy (copy + 8, &id, sizeof id);
  fuzz_send (fake->data_fd, copy, step->size, NULL);
}

static void
close_socket (Fake  *fake,
              guint  how)
{
  if (how % 3 == 0)
    shutdown (fake->data_fd, SHUT_WR);
  else if (how % 3 == 1)
    close_one (&fake->data_fd);
  else
    close_one (&fake->control_fd);
}

/* What a worker does, while there is one. */
static void
act (Fake           *fake,
     const FuzzStep *step)
{
  g_autoptr (GUnixFDList) fds = NULL;
  guint32 index;

  switch ((StepKind) step->what)
    {
    case STEP_DATA_FDS:
      fds = fuzz_descriptors (step->how);
      fuzz_send (fake->data_fd, step->data, step->size, fds);
      break;
    case STEP_CONTROL:
      fuzz_send (fake->control_fd, step->data, step->size, NULL);
      break;
    case STEP_PAGE:
      fuzz_write_over (aiopool_status_page_get_outbox (fake->page) - PAGE_OUTBOX,
                       PAGE_OUTBOX + AIOPOOL_STATUS_OUTBOX_SIZE, step);
      break;
    case STEP_START:
      if (fake->n_ids > 0)
        aiopool_status_page_start (fake->page, fake->ids[step->how % fake->n_ids], now);
      break;
    case STEP_CLAIM:
      if (fake->n_ids > 0)
        aiopool_status_page_claim_item (fake->page, fake->ids[step->how % fake->n_ids], now,
                                        &index);
      break;
    case STEP_ANSWER:
      answer (fake, step);
      break;
    case STEP_HELLO:
      say_hello (fake);
      break;
    case STEP_END:
      end_fake (fake, step->how < 64 ? (int) step->how : -(int) step->how);
      break;
    case STEP_CLOSE:
      close_socket (fake, step->how);
      break;
    case STEP_DEAF:
      fake->is_deaf = !fake->is_deaf;
      break;
    case STEP_DATA:
    default:
      fuzz_send (fake->data_fd, step->data, step->size, NULL);
      break;
    }
}

/* Time goes by, and somebody looks at what becomes of it all. */
static void
wait_some (Run   *self,
           guint  how)
{
  now += (gint64) 1 << (how % 24);
  for (guint i = 0; i < self->n_futures; i++)
    g_assert_true ((aiopool_future_get_state (self->futures[i]) >= AIOPOOL_FUTURE_DONE) ==
                   aiopool_future_is_done (self->futures[i]));
  g_assert_cmpuint (aiopool_executor_get_n_pending (self->pool) +
                    aiopool_executor_get_n_running (self->pool), <=,
                    self->n_futures + self->n_open);
}

static void
take_step (Run            *self,
           const FuzzStep *step)
{
  if (step->what == STEP_SUBMIT)
    submit (self, step->how);
  else if (step->what == STEP_CANCEL && self->n_futures > 0)
    aiopool_future_cancel (self->futures[(step->how >> 2) % self->n_futures],
                           (AiopoolCancelMode) (step->how % 3));
  else if (step->what == STEP_SHORTEN)
    shorten (self, step->how);
  else if (step->what == STEP_TIME)
    wait_some (self, step->how);
  else if (step->what == STEP_OTHER)
    current = (current + 1) % MAX_FAKES;
  else if (step->what != STEP_CANCEL && fakes[current] != NULL && !fakes[current]->is_ending)
    act (fakes[current], step);
  settle ();
}

static void
look_at_value (GVariant *value)
{
  g_autoptr (GVariant) normal = g_variant_get_normal_form (value);

  g_free (g_variant_print (normal, TRUE));
  g_assert_true (g_variant_is_normal_form (normal));
  g_assert_cmpstr (g_variant_get_type_string (normal), ==, g_variant_get_type_string (value));
}

/* What every future must be when its pool is closed. */
static void
look_at_future (AiopoolFuture *future)
{
  g_autoptr (GVariant) value = NULL;
  g_autoptr (GBytes) payload = NULL;
  g_autofree char *message = NULL;
  GUnixFDList *fds;

  g_assert_true (aiopool_future_is_done (future));
  g_assert_true ((aiopool_future_get_state (future) == AIOPOOL_FUTURE_DONE) ==
                 (aiopool_future_get_error (future) == NULL));
  value = aiopool_future_get_result (future, NULL);
  if (value != NULL)
    look_at_value (value);
  payload = aiopool_future_get_payload (future, NULL, NULL);
  if (payload != NULL)
    g_free (g_compute_checksum_for_bytes (G_CHECKSUM_MD5, payload));
  message = aiopool_future_dup_message (future);
  g_assert_true (message == NULL || g_utf8_validate (message, -1, NULL));
  fds = aiopool_future_get_fds (future);
  g_assert_true (fds == NULL || g_unix_fd_list_get_length (fds) <= AIOPOOL_FRAME_MAX_FDS);
  g_assert_cmpfloat (aiopool_future_get_finished_at (future), >=,
                     aiopool_future_get_started_at (future));
}

/* Whatever the worker did, the pool ends in time. */
static void
close_pool (Run *self)
{
  g_autoptr (AiopoolFuture) closed = NULL;

  closed = AIOPOOL_EXECUTOR_GET_CLASS (self->pool)->begin_shutdown (self->pool,
                                                                    AIOPOOL_SHUTDOWN_TERMINATE);
  for (guint i = 0; !aiopool_future_is_done (closed) && i < 100; i++)
    {
      settle ();
      now += G_USEC_PER_SEC / 10;
    }
  g_assert_true (aiopool_future_is_done (closed));
  for (guint i = 0; i < MAX_FAKES; i++)
    g_assert_null (fakes[i]);
  for (guint i = 0; i < self->n_futures; i++)
    {
      look_at_future (self->futures[i]);
      g_object_unref (self->futures[i]);
    }
  g_clear_object (&closed);
  g_clear_object (&self->pool);
  settle ();
  free_chunks (self);
}

static AiopoolExecutor *
new_pool (guint how)
{
  static const char * const argv[] = { "none", NULL };
  g_autoptr (AiopoolLauncher) launcher = aiopool_launcher_new_for_argv (argv);

  aiopool_launcher_set_trusted (launcher, (how & 1) == 0);
  return g_object_new (AIOPOOL_TYPE_POOL,
                       "max-workers", (how & 128) != 0 ? MAX_FAKES : 1,
                       "launcher", launcher,
                       "tasks-per-worker", (how & 2) != 0 ? 4 : 1,
                       "max-result-size", (how & 4) != 0 ? (guint64) 100 : (guint64) 1 << 30,
                       NULL);
}

int
LLVMFuzzerInitialize (int    *argc,
                      char ***argv)
{
  g_log_set_always_fatal (G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING | G_LOG_FATAL_MASK);
  g_assert_true (aiopool_engine_start (NULL));
  g_assert_nonnull (engine_context);
  settle ();
  return 0;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  FuzzScript script;
  Run run = { NULL };
  FuzzStep step;

  if (size < 2)
    return 0;
  script = (FuzzScript) { data + 1, size - 1 };
  fuzz_note_descriptors ();
  now = G_USEC_PER_SEC;
  run.pool = new_pool (data[0]);
  current = 0;
  submit (&run, data[0] >> 3 & 15);
  submit (&run, 0);
  settle ();
  while (fuzz_script_next (&script, N_STEPS, &step))
    take_step (&run, &step);
  close_pool (&run);
  fuzz_expect_descriptors ();
  return 0;
}
