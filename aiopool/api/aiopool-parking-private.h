/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* A thread that waits for something at an address by other means than sleep(). */
typedef struct _AiopoolParked AiopoolParked;

struct _AiopoolParked
{
  AiopoolParked *next;
  GThread       *thread;
  int            kick_fd; /* (unowned: the thread's) an eventfd that wake() writes to */
};

/* Whether what is waited for is there; it must stay so. */
typedef gboolean (*AiopoolParkingFunc) (gpointer data);

void     aiopool_parking_sleep (gconstpointer       address,
                                AiopoolParkingFunc  is_enough,
                                gpointer            data,
                                gint64              end);
gboolean aiopool_parking_enter (gconstpointer       address,
                                AiopoolParked      *parked);
void     aiopool_parking_leave (gconstpointer       address,
                                AiopoolParked      *parked);
void     aiopool_parking_wake  (gconstpointer       address);

G_END_DECLS
