/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct _AiopoolStderr AiopoolStderr;

AiopoolStderr *aiopool_stderr_new       (int           *write_fd,
                                         GError       **error);
void           aiopool_stderr_free      (AiopoolStderr *self);
int            aiopool_stderr_get_fd    (AiopoolStderr *self);
void           aiopool_stderr_drain     (AiopoolStderr *self);
void           aiopool_stderr_settle    (AiopoolStderr *self);
char          *aiopool_stderr_dup_lines (AiopoolStderr *self,
                                         gint64         begin,
                                         gint64         end,
                                         guint          max_lines);

G_END_DECLS
