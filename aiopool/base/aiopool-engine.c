/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/base/aiopool-engine-private.h"

#include "aiopool/base/aiopool-error.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* The engine: one thread per process, started with the first pool and alive as long as the
 * process. It reads the channels, keeps the alarms, starts workers and sees them end.
 *
 * Its main context holds one source for all sockets, one per alarm and one for posted functions.
 * Its poll function waits on an epoll descriptor that has all sockets and the context's own wake-up
 * in it. It never ends, because the kernel kills workers that asked for a death signal when the
 * thread that spawned them ends, not when the process does. At exit() it is simply gone with the
 * process; workers see that through their own descriptor on the parent.
 *
 * A fork()ed copy of the process has no engine: every entry point reports that. */

#define EVENTS_PER_WAIT 64

typedef struct
{
  AiopoolEngineFunc func;
  gpointer          data;
} Post;

typedef struct
{
  GMainContext *context;
  GThread      *thread;
  int           epoll_fd;
  int           wakeup_fd; /* (unowned: the context) in the epoll set too; -1 before it is known */
  struct epoll_event events[EVENTS_PER_WAIT]; /* of the last poll, not handled; engine only */
  int           n_events;
  gint64        next_due; /* microseconds left to the first of the alarms; engine only */
  GSource      *post_source;
  GMutex        lock;       /* guards posts */
  GMutex        watch_lock; /* guards the watches and what the kernel knows of them */
  GArray       *posts; /* (owned) of Post */
  int           has_posts; /* atomic */
} Engine;

struct _AiopoolAlarm
{
  GSource          base;
  AiopoolAlarmFunc func;
  gpointer         owner; /* (unowned: frees this) */
  _Atomic gint64   when;  /* monotonic microseconds, -1 when off */
};

static Engine engine;
static int    forked; /* set in a child made by fork(), never cleared */

static void
on_fork_child (void)
{
  g_atomic_int_set (&forked, TRUE);
}

/* Puts the context's wake-up descriptor beside the sockets: then one system call waits for all. */
static void
watch_wakeup (int fd)
{
  struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };

  if (engine.wakeup_fd == fd)
    return;
  if (engine.wakeup_fd >= 0)
    epoll_ctl (engine.epoll_fd, EPOLL_CTL_DEL, engine.wakeup_fd, NULL);
  epoll_ctl (engine.epoll_fd, EPOLL_CTL_ADD, fd, &event);
  engine.wakeup_fd = fd;
}

/* Somebody attached a descriptor to our context: an ordinary poll, the sockets behind theirs. */
static int
poll_others (GPollFD *fds,
             guint    n_fds,
             int      timeout)
{
  GPollFD *all = g_newa (GPollFD, n_fds + 1);
  int result;

  memcpy (all, fds, n_fds * sizeof (GPollFD));
  all[n_fds] = (GPollFD) { engine.epoll_fd, G_IO_IN, 0 };
  result = g_poll (all, n_fds + 1, timeout);
  memcpy (fds, all, n_fds * sizeof (GPollFD));
  engine.n_events = epoll_wait (engine.epoll_fd, engine.events, EVENTS_PER_WAIT, 0);
  return result;
}

/* @timeout is in milliseconds; alarms are as exact as the kernel. */
static void
wait_for_events (int timeout)
{
  gint64 left = timeout > 0 ? MIN (engine.next_due, (gint64) timeout * 1000) : timeout;
  struct timespec when = { left / G_USEC_PER_SEC, left % G_USEC_PER_SEC * 1000 };

  engine.next_due = G_MAXINT64;
  engine.n_events = epoll_pwait2 (engine.epoll_fd, engine.events, EVENTS_PER_WAIT,
                                  timeout >= 0 ? &when : NULL, NULL);
  if (engine.n_events < 0 && errno != EINTR) /* too old a kernel, or a filter that knows it not */
    engine.n_events = epoll_wait (engine.epoll_fd, engine.events, EVENTS_PER_WAIT, timeout);
}

/* The context's poll function. What is ready among the sockets is kept for the dispatch. */
static int
poll_all (GPollFD *fds,
          guint    n_fds,
          int      timeout)
{
  int result = 0;

  if (n_fds != 1)
    return poll_others (fds, n_fds, timeout);
  watch_wakeup (fds[0].fd);
  fds[0].revents = 0;
  wait_for_events (timeout);
  for (int i = 0; i < engine.n_events; i++)
    {
      if (engine.events[i].data.ptr == NULL)
        {
          fds[0].revents = G_IO_IN;
          result = 1;
        }
    }
  return result;
}

static gboolean
poll_source_prepare (GSource *source,
                     int     *timeout)
{
  *timeout = -1;
  return FALSE;
}

static gboolean
poll_source_check (GSource *source)
{
  return engine.n_events > 0;
}

static gboolean
poll_source_dispatch (GSource     *source,
                      GSourceFunc  callback,
                      gpointer     user_data)
{
  for (int i = 0; i < engine.n_events; i++)
    {
      AiopoolWatch *watch = engine.events[i].data.ptr;

      if (watch != NULL && watch->fd >= 0)
        watch->ready (watch, engine.events[i].events);
    }
  engine.n_events = 0;
  return G_SOURCE_CONTINUE;
}

static GSourceFuncs poll_source_funcs = {
  poll_source_prepare, poll_source_check, poll_source_dispatch, NULL, NULL, NULL
};

static gboolean
has_posts (GSource *source)
{
  return g_atomic_int_get (&engine.has_posts);
}

static gboolean
post_source_prepare (GSource *source,
                     int     *timeout)
{
  *timeout = -1;
  return has_posts (source);
}

static gboolean
post_source_dispatch (GSource     *source,
                      GSourceFunc  callback,
                      gpointer     user_data)
{
  g_autoptr (GArray) posts = NULL;

  g_mutex_lock (&engine.lock);
  posts = g_steal_pointer (&engine.posts);
  engine.posts = g_array_new (FALSE, FALSE, sizeof (Post));
  g_atomic_int_set (&engine.has_posts, FALSE);
  g_mutex_unlock (&engine.lock);

  for (guint i = 0; i < posts->len; i++)
    {
      Post *post = &g_array_index (posts, Post, i);

      post->func (post->data);
    }
  return G_SOURCE_CONTINUE;
}

static GSourceFuncs post_source_funcs = {
  post_source_prepare, has_posts, post_source_dispatch, NULL, NULL, NULL
};

/* Not the source's own ready time: setting that wakes the context, even from within. */
static gboolean
is_due (GSource *source,
        gint64  *left)
{
  gint64 when = atomic_load (&((AiopoolAlarm *) source)->when);

  *left = when < 0 ? G_MAXINT64 : when - g_source_get_time (source);
  return *left <= 0;
}

static gboolean
alarm_prepare (GSource *source,
               int     *timeout)
{
  gint64 left;
  gboolean result = is_due (source, &left);

  *timeout = left == G_MAXINT64 ? -1 : (int) CLAMP ((left + 999) / 1000, 0, G_MAXINT);
  engine.next_due = MIN (engine.next_due, left);
  return result;
}

static gboolean
alarm_check (GSource *source)
{
  gint64 left;

  return is_due (source, &left);
}

static gboolean
alarm_dispatch (GSource     *source,
                GSourceFunc  callback,
                gpointer     user_data)
{
  AiopoolAlarm *self = (AiopoolAlarm *) source;

  atomic_store (&self->when, -1);
  self->func (self->owner);
  return G_SOURCE_CONTINUE;
}

static GSourceFuncs alarm_funcs = {
  alarm_prepare, alarm_check, alarm_dispatch, NULL, NULL, NULL
};

static gpointer
engine_main (gpointer data)
{
  g_main_context_push_thread_default (engine.context);
  for (;;)
    g_main_context_iteration (engine.context, TRUE);
  return NULL;
}

/* A source that may not recurse is taken out of the poll and put back around each dispatch, which
 * wakes the context twice; nothing iterates this one in a dispatch. */
static void
attach (GSource    *source,
        const char *name)
{
  g_source_set_static_name (source, name);
  g_source_set_can_recurse (source, TRUE);
  g_source_attach (source, engine.context);
}

static void
attach_sources (void)
{
  GSource *source = g_source_new (&poll_source_funcs, sizeof (GSource));

  attach (source, "[aiopool] sockets");
  g_source_unref (source);

  engine.post_source = g_source_new (&post_source_funcs, sizeof (GSource));
  attach (engine.post_source, "[aiopool] posts");
}

/* A descriptor below 3 would be taken for a standard one, by this process and by its children. */
static void
occupy_standard_descriptors (void)
{
  int fd;

  do
    fd = open ("/dev/null", O_RDWR);
  while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd >= 0)
    close (fd);
}

static gboolean
start_thread (GError **error)
{
  g_autoptr (GError) cause = NULL;

  engine.thread = g_thread_try_new ("aiopool", engine_main, NULL, &cause);
  if (engine.thread == NULL)
    g_set_error (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_START_FAILED,
                 "Cannot start the aiopool thread: %s", cause->message);
  return engine.thread != NULL;
}

/* What is made stays: the thread may start at the next try. */
static gboolean
start_once (GError **error)
{
  int epoll_fd;

  if (engine.context != NULL)
    return start_thread (error);
  occupy_standard_descriptors ();
  epoll_fd = epoll_create1 (EPOLL_CLOEXEC);
  if (epoll_fd < 0)
    {
      int saved_errno = errno;

      g_set_error (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_START_FAILED,
                   "Cannot make an epoll descriptor: %s", g_strerror (saved_errno));
      return FALSE;
    }
  engine.epoll_fd = epoll_fd;
  engine.posts = g_array_new (FALSE, FALSE, sizeof (Post));
  engine.context = g_main_context_new ();
  engine.wakeup_fd = -1;
  engine.next_due = G_MAXINT64;
  g_main_context_set_poll_func (engine.context, poll_all);
  attach_sources ();
  pthread_atfork (NULL, NULL, on_fork_child);
  return start_thread (error);
}

/* Starts the engine unless it runs; tried again after a failure. */
gboolean
aiopool_engine_start (GError **error)
{
  static GMutex start_lock; /* guards the start */
  static int started;
  gboolean ok = TRUE;

  if (aiopool_engine_is_forked ())
    {
      g_set_error_literal (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_FORKED,
                           "This process was forked from one that uses pools; a pool works only "
                           "in the process that made it, and not at all in a fork without exec");
      return FALSE;
    }
  if (g_atomic_int_get (&started))
    return TRUE;
  g_mutex_lock (&start_lock);
  if (!started)
    {
      ok = start_once (error);
      g_atomic_int_set (&started, ok);
    }
  g_mutex_unlock (&start_lock);
  return ok;
}

gboolean
aiopool_engine_is_forked (void)
{
  return g_atomic_int_get (&forked);
}

gboolean
aiopool_engine_is_current (void)
{
  return engine.thread == g_thread_self ();
}

/* Runs @func on the engine thread, after everything posted before; from any thread. */
void
aiopool_engine_post (AiopoolEngineFunc func,
                     gpointer          data)
{
  Post post = { func, data };
  gboolean was_empty;

  if (aiopool_engine_is_forked ())
    return;
  g_mutex_lock (&engine.lock);
  was_empty = engine.posts->len == 0;
  g_array_append_val (engine.posts, post);
  g_atomic_int_set (&engine.has_posts, TRUE);
  g_mutex_unlock (&engine.lock);
  if (was_empty && !aiopool_engine_is_current ())
    g_main_context_wakeup (engine.context);
}

void
aiopool_watch_init (AiopoolWatch     *self,
                    AiopoolWatchFunc  ready,
                    gpointer          owner)
{
  self->fd = -1;
  self->events = 0;
  self->ready = ready;
  self->owner = owner;
}

void
aiopool_watch_add (AiopoolWatch *self,
                   int           fd,
                   guint32       events)
{
  struct epoll_event event = { .events = events, .data.ptr = self };

  g_assert (self->fd < 0);
  g_mutex_lock (&engine.watch_lock);
  self->fd = fd;
  self->events = events;
  g_mutex_unlock (&engine.watch_lock);
  if (epoll_ctl (engine.epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
    g_critical ("Cannot watch descriptor %d: %s", fd, g_strerror (errno));
}

/* From any thread. What is said last is what holds, here and in the kernel. */
void
aiopool_watch_set_events (AiopoolWatch *self,
                          guint32       events)
{
  struct epoll_event event = { .events = events, .data.ptr = self };
  int failure = 0;

  g_mutex_lock (&engine.watch_lock);
  if (self->fd >= 0 && self->events != events)
    {
      self->events = events;
      if (epoll_ctl (engine.epoll_fd, EPOLL_CTL_MOD, self->fd, &event) != 0)
        failure = errno;
    }
  g_mutex_unlock (&engine.watch_lock);
  if (failure != 0)
    g_critical ("Cannot change the watch of a descriptor: %s", g_strerror (failure));
}

/* On the engine thread only: a watch that is removed is not called again. */
void
aiopool_watch_remove (AiopoolWatch *self)
{
  if (self->fd < 0)
    return;
  g_mutex_lock (&engine.watch_lock);
  epoll_ctl (engine.epoll_fd, EPOLL_CTL_DEL, self->fd, NULL);
  self->fd = -1;
  g_mutex_unlock (&engine.watch_lock);
  for (int i = 0; i < engine.n_events; i++)
    {
      if (engine.events[i].data.ptr == self)
        engine.events[i].data.ptr = NULL;
    }
}

/* An alarm runs @func on the engine thread; it must be freed there. */
AiopoolAlarm *
aiopool_alarm_new (AiopoolAlarmFunc func,
                   gpointer         owner)
{
  AiopoolAlarm *self = (AiopoolAlarm *) g_source_new (&alarm_funcs, sizeof (AiopoolAlarm));

  self->func = func;
  self->owner = owner;
  self->when = -1;
  attach (&self->base, "[aiopool] alarm");
  return self;
}

/* Sets it to monotonic time @when in microseconds, or off with -1; from any thread. */
void
aiopool_alarm_set (AiopoolAlarm *self,
                   gint64        when)
{
  gint64 old = atomic_exchange (&self->when, when);

  if (when >= 0 && (old < 0 || when < old) && !aiopool_engine_is_current ())
    g_main_context_wakeup (engine.context);
}

void
aiopool_alarm_free (AiopoolAlarm *self)
{
  g_source_destroy (&self->base);
  g_source_unref (&self->base);
}
