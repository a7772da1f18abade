/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

/* At most @max bytes of foreign text, on one line, for a message; heap. */
char *text_clean(const char *text, size_t n, size_t max);
