/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Lists of CPUs or memory nodes as the kernel writes them: "0-3,5". Fork-safe. */

#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

/*
 * Sets the bits of @list in @bits (@n_words words of 64), all others are cleared. "" is the
 * empty set; empty elements and space around elements are passed over, as the kernel and
 * runc do. -EINVAL for bad syntax or a descending range, -ERANGE for a number that does not
 * fit. On failure @bits is undefined.
 */
int host_cpulist_parse(const char *list, uint64_t *bits, size_t n_words) DV_CHECK;

/* The other way; -ENAMETOOLONG when @buf is too small, else the length. */
int host_cpulist_format(const uint64_t *bits, size_t n_words, char *buf, size_t size) DV_CHECK;

/* How many bits are set. */
size_t host_cpulist_count(const uint64_t *bits, size_t n_words);
