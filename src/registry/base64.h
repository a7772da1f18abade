/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Base64 by libcrypto. What it makes may be secret: free it by whoever clears it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

/* "Basic dXNlcjpwYXNz"; heap. */
char *base64_basic(const char *username, const char *secret);
/* Heap, with a NUL behind it that *ret_n does not count. False: not Base64. */
bool base64_decode(const char *text, size_t n, uint8_t **ret, size_t *ret_n) DV_CHECK;
char *base64_encode(const void *p, size_t n); /* heap */
