/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Before the first, where it is wanted. */
int LLVMFuzzerInitialize   (int           *argc,
                            char        ***argv);

/* What libFuzzer, or fuzz-main.c in its place, calls with one input after another. */
int LLVMFuzzerTestOneInput (const uint8_t *data,
                            size_t         size);
