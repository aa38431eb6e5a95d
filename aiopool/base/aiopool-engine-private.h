/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct _AiopoolWatch AiopoolWatch;
typedef struct _AiopoolAlarm AiopoolAlarm;

typedef void (*AiopoolWatchFunc)  (AiopoolWatch *watch,
                                   guint32       events);
typedef void (*AiopoolAlarmFunc)  (gpointer      owner);
typedef void (*AiopoolEngineFunc) (gpointer      data);

/* Embedded in its owner, which lives until the engine runs something posted after the removal. */
struct _AiopoolWatch
{
  int              fd;     /* (unowned: the owner's) -1 while not watched */
  guint32          events; /* epoll events asked for */
  AiopoolWatchFunc ready;  /* runs on the engine thread */
  gpointer         owner;  /* (unowned: embeds this) */
};

gboolean      aiopool_engine_start       (GError          **error);
gboolean      aiopool_engine_is_forked   (void);
gboolean      aiopool_engine_is_current  (void);
void          aiopool_engine_post        (AiopoolEngineFunc func,
                                          gpointer          data);

void          aiopool_watch_init         (AiopoolWatch     *self,
                                          AiopoolWatchFunc  ready,
                                          gpointer          owner);
void          aiopool_watch_add          (AiopoolWatch     *self,
                                          int               fd,
                                          guint32           events);
void          aiopool_watch_set_events   (AiopoolWatch     *self,
                                          guint32           events);
void          aiopool_watch_remove       (AiopoolWatch     *self);

AiopoolAlarm *aiopool_alarm_new          (AiopoolAlarmFunc  func,
                                          gpointer          owner);
void          aiopool_alarm_set          (AiopoolAlarm     *self,
                                          gint64            when);
void          aiopool_alarm_free         (AiopoolAlarm     *self);

G_END_DECLS
