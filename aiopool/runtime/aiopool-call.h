/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/base/aiopool-enums.h"
#include "aiopool/base/aiopool-error-info.h"

#include <gio/gunixfdlist.h>

G_BEGIN_DECLS

#define AIOPOOL_TYPE_CALL (aiopool_call_get_type ())
AIOPOOL_AVAILABLE_IN_0_1
G_DECLARE_FINAL_TYPE (AiopoolCall, aiopool_call, AIOPOOL, CALL, GObject)

AIOPOOL_AVAILABLE_IN_0_1
const char   *aiopool_call_get_function    (AiopoolCall      *self);
AIOPOOL_AVAILABLE_IN_0_1
GVariant     *aiopool_call_get_arguments   (AiopoolCall      *self);
AIOPOOL_AVAILABLE_IN_0_1
GVariant     *aiopool_call_get_keywords    (AiopoolCall      *self);
AIOPOOL_AVAILABLE_IN_0_1
GBytes       *aiopool_call_dup_payload     (AiopoolCall      *self,
                                            AiopoolFormat    *format);
AIOPOOL_AVAILABLE_IN_0_1
GBytes       *aiopool_call_dup_shared_data (AiopoolCall      *self);
AIOPOOL_AVAILABLE_IN_0_1
GUnixFDList  *aiopool_call_get_fds         (AiopoolCall      *self);
AIOPOOL_AVAILABLE_IN_0_1
GCancellable *aiopool_call_get_cancellable (AiopoolCall      *self);
AIOPOOL_AVAILABLE_IN_0_1
gboolean      aiopool_call_is_cancelled    (AiopoolCall      *self);
AIOPOOL_AVAILABLE_IN_0_1
double        aiopool_call_get_time_left   (AiopoolCall      *self);
AIOPOOL_AVAILABLE_IN_0_1
void          aiopool_call_set_progress    (AiopoolCall      *self,
                                            double            fraction,
                                            const char       *message);
AIOPOOL_AVAILABLE_IN_0_1
gboolean      aiopool_call_emit            (AiopoolCall      *self,
                                            GVariant         *value,
                                            GError          **error);
AIOPOOL_AVAILABLE_IN_0_1
void          aiopool_call_set_result_fds  (AiopoolCall      *self,
                                            GUnixFDList      *fds);
AIOPOOL_AVAILABLE_IN_0_1
void          aiopool_call_set_error_info  (AiopoolCall      *self,
                                            AiopoolErrorInfo *info);
AIOPOOL_AVAILABLE_IN_0_1
gpointer      aiopool_call_new_buffer      (AiopoolCall      *self,
                                            gsize             size);
AIOPOOL_AVAILABLE_IN_0_1
void          aiopool_call_return_value    (AiopoolCall      *self,
                                            GVariant         *value);
AIOPOOL_AVAILABLE_IN_0_1
void          aiopool_call_return_payload  (AiopoolCall      *self,
                                            GBytes           *payload,
                                            AiopoolFormat     format);
AIOPOOL_AVAILABLE_IN_0_1
void          aiopool_call_return_buffer   (AiopoolCall      *self,
                                            gpointer          buffer,
                                            gsize             size,
                                            AiopoolFormat     format,
                                            const char       *type_string);
AIOPOOL_AVAILABLE_IN_0_1
void          aiopool_call_return_error    (AiopoolCall      *self,
                                            const GError     *error);

G_END_DECLS
