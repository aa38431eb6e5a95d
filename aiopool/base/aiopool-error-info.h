/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "aiopool/base/aiopool-enums.h"
#include "aiopool/base/aiopool-version-macros.h"

G_BEGIN_DECLS

#define AIOPOOL_TYPE_ERROR_INFO (aiopool_error_info_get_type ())
AIOPOOL_AVAILABLE_IN_0_1
G_DECLARE_FINAL_TYPE (AiopoolErrorInfo, aiopool_error_info, AIOPOOL, ERROR_INFO, GObject)

AIOPOOL_AVAILABLE_IN_0_1
AiopoolErrorInfo   *aiopool_error_info_new           (const char         *type_name,
                                                      const char         *message);
AIOPOOL_AVAILABLE_IN_0_1
const char         *aiopool_error_info_get_type_name (AiopoolErrorInfo   *self);
AIOPOOL_AVAILABLE_IN_0_1
const char         *aiopool_error_info_get_message   (AiopoolErrorInfo   *self);
AIOPOOL_AVAILABLE_IN_0_1
const char         *aiopool_error_info_get_traceback (AiopoolErrorInfo   *self);
AIOPOOL_AVAILABLE_IN_0_1
void                aiopool_error_info_set_traceback (AiopoolErrorInfo   *self,
                                                      const char         *traceback);
AIOPOOL_AVAILABLE_IN_0_1
const char * const *aiopool_error_info_get_notes     (AiopoolErrorInfo   *self);
AIOPOOL_AVAILABLE_IN_0_1
void                aiopool_error_info_set_notes     (AiopoolErrorInfo   *self,
                                                      const char * const *notes);
AIOPOOL_AVAILABLE_IN_0_1
AiopoolErrorInfo   *aiopool_error_info_get_cause     (AiopoolErrorInfo   *self);
AIOPOOL_AVAILABLE_IN_0_1
void                aiopool_error_info_set_cause     (AiopoolErrorInfo   *self,
                                                      AiopoolErrorInfo   *cause);
AIOPOOL_AVAILABLE_IN_0_1
AiopoolErrorInfo   *aiopool_error_info_get_context   (AiopoolErrorInfo   *self);
AIOPOOL_AVAILABLE_IN_0_1
void                aiopool_error_info_set_context   (AiopoolErrorInfo   *self,
                                                      AiopoolErrorInfo   *context);
AIOPOOL_AVAILABLE_IN_0_1
GBytes             *aiopool_error_info_get_payload   (AiopoolErrorInfo   *self,
                                                      AiopoolFormat      *format);
AIOPOOL_AVAILABLE_IN_0_1
void                aiopool_error_info_set_payload   (AiopoolErrorInfo   *self,
                                                      GBytes             *payload,
                                                      AiopoolFormat       format);

G_END_DECLS
